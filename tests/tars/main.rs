//! The tar reader held against others: the `tar` crate, GNU tar and Python's zipfile; what hostile tars cost; and that none
//! of them leaves anything outside.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod cost;
mod differential;
mod generate;
mod outside;
mod peers;
