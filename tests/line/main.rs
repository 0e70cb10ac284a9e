//! The line in rehearsal: every fault, every stage twice, and what items wait for, stumble over and are asked.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod bags;
mod checkpoint_early;
mod deleting;
mod every_fault;
mod every_stage_twice;
mod fetching;
mod fickle;
mod giving_back;
mod inbox;
mod jobs;
mod keeping;
mod notices;
mod packed;
mod rebuilding;
mod receiving;
mod reconciling;
mod rehearsal;
mod repairing;
mod restoring;
mod signed;
mod spot_testing;
mod sweep_cuts;
mod sweeping;
mod trouble;
mod waiting;
