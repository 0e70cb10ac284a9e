//! The kits: what every kind of a world must do, the real one and the rehearsal alike. A new kind passes its kit, done.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

#[path = "kits/book.rs"]
mod book;
#[path = "kits/disk.rs"]
mod disk;
#[path = "kits/source.rs"]
mod source;
#[path = "kits/target.rs"]
mod target;
