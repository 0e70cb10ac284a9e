//! Floor 5, the work: the line of stages, the pipeline that runs it, the desk that answers people, and judging
//! and making bags where they lie.

pub mod backup;
pub mod bagging;
pub mod bringing;
pub mod copies;
pub mod desk;
pub mod giving;
pub mod job;
pub mod jobs;
pub mod judging;
pub mod keeping;
pub mod levelling;
pub mod logs;
pub mod notices;
pub mod pipeline;
pub mod policies;
pub mod proving;
pub mod rebuild;
pub mod receiving;
pub mod reconcile;
pub mod repair;
pub mod reports;
pub mod restore;
pub mod spot_tests;
pub mod staged;
pub mod stages;
pub mod sweep;
pub mod upgrade;
pub mod uses;
