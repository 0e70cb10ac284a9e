//! Where deposits come from.
//!
//! - A source is only read here; what happens to a deposit after it is kept is a decision above.
//! - No path from a bag is opened except beneath its deposit, and no link is followed.

pub mod held;
pub mod local;
pub mod rehearsal;

use crate::model::fact::BagPath;
use crate::model::item::Form;
use crate::model::trouble::{Kind, Trouble};
use crate::rules::read::ReadAt;

/// A deposit as it lies at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Tar or folder.
    pub form: Form,
    /// Bytes: of the tar, or of all files of the folder.
    pub bytes: u64,
    /// Pins these very bytes without reading them; another pin means "look again".
    pub pin: String,
}

/// What a folder deposit holds at one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file: bytes and modification time (seconds since 1970).
    File {
        /// Bytes.
        size: u64,
        /// Seconds since 1970 (UTC).
        mtime: i64,
    },
    /// A folder with nothing in it.
    EmptyFolder,
    /// A link, device, socket or pipe.
    Special,
}

/// Why a source did not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// Nothing lies there.
    Gone {
        /// The key.
        key: String,
    },
    /// We may not read it.
    Denied {
        /// The key.
        key: String,
        /// What the system said.
        why: String,
    },
    /// Reading failed.
    Io {
        /// The key.
        key: String,
        /// What the system said.
        why: String,
    },
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Trouble {
        match error {
            SourceError::Gone { key } => Trouble::new(Kind::DepositGone, "nothing lies there").about(key),
            SourceError::Denied { key, why } => Trouble::new(Kind::SourceDenied, why).about(key),
            SourceError::Io { key, why } => Trouble::new(Kind::SourceIo, why).about(key),
        }
    }
}

/// Where deposits come from.
pub trait Source: Send + Sync {
    /// What lies at this key.
    fn look(&self, key: &str) -> Result<Arrival, SourceError>;

    /// The tar at this key, to be read at any place.
    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError>;

    /// Every file, empty folder and special entry of a folder deposit, in the order of their paths.
    fn walk(
        &self,
        key: &str,
        each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble>;

    /// One file of a folder deposit.
    fn open_member(&self, key: &str, path: &BagPath) -> Result<Box<dyn ReadAt>, SourceError>;
}
