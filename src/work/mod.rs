//! Floor 5, the work: the line of stages, the pipeline that runs it, and the desk that answers people.

pub mod desk;
pub mod job;
pub mod pipeline;
pub mod receiving;
pub mod restore;
pub mod staged;
pub mod stages;
