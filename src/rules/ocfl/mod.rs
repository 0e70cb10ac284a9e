//! OCFL 1.1 as strongroom writes it: layout, inventories, freezing a version, reading a version back.
//!
//! - The bag is kept whole under the logical folder `bag/`; what we say about it lies under `metadata/`.
//! - A version is frozen before the first byte is copied: the same plan gives the same inventory bytes on every target.
//! - Nothing here holds a list of files in memory: rows go through sorters that spill.

pub mod census;
pub mod inventory;
pub mod layout;
pub mod metadata;
mod neighbours;
pub mod plan;
pub mod restore;
mod rows;
