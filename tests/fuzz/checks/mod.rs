//! What must hold for every input there is, one check a parser: run by the fuzzer over what it makes up, and by
//! `tests/fuzz_seeds.rs` over the seeds.
//!
//! - A check panics when something does not hold; it never refuses an input.
//! - A check depends on its bytes only, so that a failing input fails again.
#![allow(dead_code)] // each target uses one check

pub mod bag;
pub mod bag_info;
pub mod draw;
pub mod fetch;
pub mod finding;
pub mod inventory;
pub mod manifest;
pub mod packed;
pub mod path;
pub mod percent;
pub mod profile;
pub mod tar;
pub mod text;

/// Every check by its name, which is also the name of its target and of its folder of seeds.
/// A check: it must not panic, whatever it is given.
pub type Check = fn(&[u8]);

pub const CHECKS: [(&str, Check); 10] = [
    ("bag", bag::check),
    ("bag_info", bag_info::check),
    ("fetch", fetch::check),
    ("inventory", inventory::check),
    ("manifest", manifest::check),
    ("packed", packed::check),
    ("percent", percent::check),
    ("profile", profile::check),
    ("tar", tar::check),
    ("text", text::check),
];
