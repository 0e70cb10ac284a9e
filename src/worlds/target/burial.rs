//! What a target is told, and tells, when an object gives way to its tombstone.
//!
//! - The tombstone is staged like any version; it is version 1 of an object with the same id.
//! - Every file of the object is tried once; one that cannot be removed is counted and passed over, so that the verb comes
//!   to an end whatever the store does.

use super::Publication;

/// An object that gives way to its tombstone.
pub struct Burial<'a> {
    /// The tombstone, staged by a transaction for version 1.
    pub tombstone: Publication<'a>,
    /// SHA-512 of the inventories of the versions that are given up. An object with any other is left as it is.
    pub versions: &'a [String],
}

/// How a burial went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buried {
    /// Files that were removed now.
    pub removed: u64,
    /// Files that could not be removed; the next try tries them again.
    pub left: u64,
    /// Which one was the first of them, and why.
    pub why: Option<String>,
    /// True when it was broken off: there is more to remove.
    pub more: bool,
}

impl Buried {
    /// True when nothing of the object is left.
    pub fn is_over(&self) -> bool {
        self.left == 0 && !self.more
    }

    /// A file could not be removed.
    pub fn fail(&mut self, path: &str, why: impl std::fmt::Display) {
        self.left += 1;
        self.why.get_or_insert_with(|| format!("{path}: {why}"));
    }
}

/// Told of the files removed so far; says whether to go on.
pub type GoOn<'a> = &'a mut dyn FnMut(u64) -> bool;
