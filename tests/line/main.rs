//! The line in rehearsal: every fault, every stage twice, and what items wait for, stumble over and are asked.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod checkpoint_early;
mod every_fault;
mod every_stage_twice;
mod fetching;
mod giving_back;
mod keeping;
mod packed;
mod rebuilding;
mod receiving;
mod reconciling;
mod rehearsal;
mod restoring;
mod signed;
mod spot_testing;
mod trouble;
mod waiting;
