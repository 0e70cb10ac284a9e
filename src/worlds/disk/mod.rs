//! Staging volumes: work in progress, under names of our own only.
//!
//! - No name in a staging volume comes from a bag.
//! - A volume without its marker file is not written: a missing mount must not fill the disk below it.

pub mod local;
pub mod rehearsal;

use crate::model::trouble::{Kind, Stop, Trouble, Wait};
use crate::rules::read::ReadAt;
use crate::worlds::Space;
use std::io::Read;

/// A file or folder on a staging volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The volume's name.
    pub volume: String,
    /// Path below it, of our own making: letters, digits, `-`, `_`, `.`, and `/` between parts.
    pub path: String,
}

impl Place {
    /// A place further down.
    pub fn join(&self, name: &str) -> Place {
        if self.path.is_empty() {
            return Place { volume: self.volume.clone(), path: name.to_string() };
        }
        Place { volume: self.volume.clone(), path: format!("{}/{name}", self.path) }
    }
}

/// Longest path of ours, and longest part of one (bytes).
const PATH_MAX: usize = 1_024;
const PART_MAX: usize = 240;

/// True for a path of our own making: letters, digits, `-`, `_`, `.` in parts that do not climb.
fn ours(path: &str) -> bool {
    let part_is_ours = |part: &str| {
        !part.is_empty()
            && part.len() <= PART_MAX
            && part != "."
            && part != ".."
            && part.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
    };
    path.len() <= PATH_MAX && path.split('/').all(part_is_ours)
}

/// The rest of a path below a folder; the place itself is no part of its own inside.
fn below<'p>(place: &'p Place, folder: &Place) -> Option<&'p str> {
    if place.volume != folder.volume {
        return None;
    }
    if folder.path.is_empty() {
        return Some(&place.path);
    }
    place.path.strip_prefix(&folder.path)?.strip_prefix('/')
}

/// Why staging did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The volume is not mounted, or another one is.
    Missing {
        /// Volume.
        volume: String,
        /// What was looked for.
        why: String,
    },
    /// No space or inodes are left (also quota).
    Full {
        /// Volume.
        volume: String,
    },
    /// Nothing lies there.
    Absent {
        /// Which path.
        path: String,
    },
    /// Anything else.
    Io {
        /// Which path.
        path: String,
        /// What the system said.
        why: String,
    },
}

impl From<DiskError> for Trouble {
    fn from(error: DiskError) -> Trouble {
        match error {
            DiskError::Missing { volume, why } => Trouble::new(Kind::VolumeMissing, why).about(volume),
            DiskError::Full { volume } => Trouble::new(Kind::StagingIo, "no space is left").about(volume),
            DiskError::Absent { path } => Trouble::new(Kind::FactsDamaged, "it is not there").about(path),
            DiskError::Io { path, why } => Trouble::new(Kind::StagingIo, why).about(path),
        }
    }
}

impl From<DiskError> for Stop {
    fn from(error: DiskError) -> Stop {
        match error {
            // The promise was kept but somebody else took the space: nothing failed, the item waits for space.
            DiskError::Full { volume } => {
                Stop::Wait(Wait::Space { place: volume, bytes: 0, inodes: 0, free: 0 })
            }
            other => Stop::Trouble(other.into()),
        }
    }
}

/// Staging volumes.
pub trait Disk: Send + Sync {
    /// Names of the volumes, in the order of preference.
    fn volumes(&self) -> Vec<String>;

    /// Space of a volume; an error when its marker is not there.
    fn space(&self, volume: &str) -> Result<Space, DiskError>;

    /// Writes `bytes` at `offset` and cuts off what lay behind them; makes the file and its folders if needed.
    fn append(&self, place: &Place, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Writes a whole file beside its place, then renames it into place. Gives its bytes.
    fn write(&self, place: &Place, bytes: &mut dyn Read) -> Result<u64, DiskError>;

    /// Renames a file or folder; what lay at `to` is replaced.
    fn rename(&self, from: &Place, to: &Place) -> Result<(), DiskError>;

    /// Opens a file.
    fn open(&self, place: &Place) -> Result<Box<dyn ReadAt>, DiskError>;

    /// Names in a folder, sorted; none when it does not exist.
    fn list(&self, folder: &Place) -> Result<Vec<String>, DiskError>;

    /// Removes a file, or a folder with all in it; absent is fine.
    fn remove(&self, place: &Place) -> Result<(), DiskError>;
}
