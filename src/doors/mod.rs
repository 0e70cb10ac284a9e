//! Floor 6, the doors: they translate, and decide nothing.

pub mod asker;
pub mod cli;
pub mod completions;
pub mod daemon;
pub mod exit;
pub mod house;
pub mod inbox;
pub mod keeper;
pub mod log;
pub mod man;
pub mod mender;
pub mod notify;
pub mod progress;
mod receiver;
mod reconciler;
pub mod signals;
pub mod socket;
