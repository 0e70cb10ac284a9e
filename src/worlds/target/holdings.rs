//! What a target holds: for those who prove it, count it, or make a registry of it.
//!
//! - Looking changes nothing. What lies where it should not is told, never removed.
//! - A walk names every object once, in an order that stays the same, so that it can go on after any of them.

use crate::rules::read::ReadAt;
use crate::worlds::target::{TargetError, Where};

/// What a walk through a storage root comes upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies<'a> {
    /// An object: its folder below the storage root.
    Object(&'a str),
    /// Something that belongs to no object (a file, a link, an empty folder): its path below the storage root.
    Stray(&'a str),
}

/// A version on its way to a target, or what was left of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct UnderWay {
    /// Short id of the ledger it belongs to.
    pub ledger: String,
    /// The item.
    pub item: u64,
    /// The object's folder below the storage root, where the target knows it.
    pub path: Option<String>,
    /// True when another ledger left it and it was put aside.
    pub orphan: bool,
}

/// Something kept beside the storage root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct KeptFile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
}

/// What a target holds.
pub trait Holdings: Send + Sync {
    /// Walks the storage root, from behind the object with this folder; `each` says whether to go on.
    fn walk(&self, after: Option<&str>, each: &mut dyn FnMut(Lies<'_>) -> bool) -> Result<(), TargetError>;

    /// Gives every file in a folder below the storage root, in any order: its path in that folder, and its bytes. A link,
    /// an empty folder or another thing that is no file has no bytes and its path ends with a slash.
    fn files(&self, folder: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), TargetError>;

    /// Opens a file to be read at any place; what is read may come from memory, so it proves nothing of the medium.
    fn open(&self, at: Where<'_>) -> Result<Box<dyn ReadAt>, TargetError>;

    /// Versions on their way, of any ledger.
    fn under_way(&self) -> Result<Vec<UnderWay>, TargetError>;

    /// Keeps these bytes beside the storage root under a plain name, durable when it returns; replaces what had the name.
    /// They are read back with `Where::Kept`.
    fn keep(&self, name: &str, from: &dyn ReadAt) -> Result<(), TargetError>;

    /// What is kept beside the storage root, by name.
    fn kept(&self) -> Result<Vec<KeptFile>, TargetError>;

    /// Removes something kept beside the storage root; not there: fine.
    fn forget(&self, name: &str) -> Result<(), TargetError>;
}

/// True when something may be kept under this name: one plain part of a path.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(plain)
}
