//! Floor 3, the worlds: everything outside the process, behind six small traits.
//!
//! - `Source`, `Target`, `Disk`, `Clock`, `Book`, `Outlet`: three to nine verbs each, used as `Arc<dyn …>` from one `World`.
//! - A world offers no undurable write: when a writing verb returns, its effect survives a power cut.
//! - Each world has a real kind and a rehearsal kind; both pass the same kit of tests (`tests/kits.rs`). Rehearsal kinds
//!   share one `Fate`, which makes the Nth write fail, or cuts the power before or after it.

pub mod beneath;
pub mod book;
pub mod clock;
pub mod disk;
pub mod fate;
pub mod gentle;
pub mod net;
pub mod outlet;
pub mod post;
pub mod s3;
pub mod source;
pub mod target;
pub mod temporary;
pub mod unit;

use std::collections::BTreeMap;
use std::sync::Arc;

/// All that a stage may touch.
pub struct World {
    /// Where deposits come from.
    pub source: Arc<dyn source::Source>,
    /// Where copies go, by name.
    pub targets: BTreeMap<String, Arc<dyn target::Target>>,
    /// Staging volumes.
    pub disk: Arc<dyn disk::Disk>,
    /// Time.
    pub clock: Arc<dyn clock::Clock>,
    /// Rows that survive everything.
    pub book: Arc<dyn book::Book>,
    /// Places that objects are given back to.
    pub outlets: Arc<dyn outlet::Outlets>,
}

/// Space of a staging volume or target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes an ordinary process may still write (`f_bavail`).
    pub free_bytes: u64,
    /// Inodes that are free; `u64::MAX` where the file system has no such limit.
    pub free_inodes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes of a block: every file takes a multiple of it.
    pub block_bytes: u64,
    /// The file system: places on the same device share its space.
    pub device: u64,
}
