//! The kits: what every kind of a world must do, real and rehearsal.

#![allow(clippy::unwrap_used)]

#[path = "kits/book.rs"]
mod book;
