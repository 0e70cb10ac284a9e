//! Floor 6, the doors: they translate, and decide nothing.

pub mod cli;
pub mod daemon;
pub mod exit;
pub mod log;
pub mod socket;
