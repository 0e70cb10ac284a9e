//! strongroom takes deposits (BagIt bags), carries each through six stages, and leaves proved copies on two or more
//! targets, with a record of everything that happened.
//!
//! The house has six floors; a floor uses only floors below it (`tests/house.rs` checks that):
//!
//! ```text
//! 6 doors    cli, socket, daemon: arguments to Ask, Answer to text or JSON
//! 5 work     stages, pipeline, desk
//! 4 books    config, ledger, volume, facts
//! 3 worlds   source, target, disk, clock, book: five traits, each with a real and a rehearsal kind
//! 2 rules    bagit, ocfl, premis, tar, digester: pure
//! 1 words    model: plain data
//! ```

pub mod books;
pub mod doors;
pub mod model;
pub mod rules;
pub mod work;
pub mod worlds;
