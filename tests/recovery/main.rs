//! The ladder of recovery, rung by rung, by the built program: from a crash to the day that strongroom is gone.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod backups;
mod fixity;
mod giving_back;
mod gone;
mod house;
mod rebuilding;
mod reconciling;
mod repairing;
mod upgrading;
