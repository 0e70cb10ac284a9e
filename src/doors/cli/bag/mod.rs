//! `strongroom bag`: looking at bags, and making them, where they lie.
//!
//! - No daemon, no ledger, no data folder, no configuration: the program and the bag are enough.
//! - Nothing that is looked at is changed.

pub mod args;
pub mod inspect;
mod make;
pub mod told;
mod validate;

use super::Screen;
use super::args::Global;
use super::talk::Told;
use crate::doors::exit::Exit;
use args::BagVerb;

/// Does it.
pub fn run(screen: &Screen, global: &Global, verb: &BagVerb) -> Told<Exit> {
    match verb {
        BagVerb::Validate(what) => validate::validate(screen, global, what),
        BagVerb::Inspect(what) => inspect::inspect(screen, what),
        BagVerb::Make(what) => make::make(screen, what),
    }
}
