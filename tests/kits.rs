//! The kits: one set of tests for each world, run over every kind of it.

#[path = "kits/target.rs"]
mod target;
