//! Where copies are kept: one OCFL storage root each.
//!
//! - Nothing partial ever lies in the storage root: files are staged beside it and published at one point.
//! - What a transaction writes lies under a name that carries the item and the lease's fence.
//! - `put` returns when its files would survive a power cut; `publish` when the object would.
//! - `read` goes past the page cache, so it proves the medium and not our memory.

pub mod burial;
pub mod holdings;
pub mod later;
pub mod local;
pub mod mending;
pub mod probe;
pub mod rehearsal;
pub mod s3;

use crate::model::object::ObjectId;
use crate::model::trouble::{Kind, Stop, Trouble, Wait};
use crate::rules::read::ReadAt;
use crate::worlds::Space;
use crate::worlds::target::burial::{Burial, Buried, GoOn};
use crate::worlds::target::holdings::Holdings;
use crate::worlds::target::mending::Mending;
use crate::worlds::target::probe::Ability;

/// A transaction: one item's copy on its way to one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Short id of the ledger it belongs to; another ledger's transactions are never touched.
    pub ledger: String,
    /// The item.
    pub item: u64,
    /// The lease's fence.
    pub fence: u64,
}

/// A file to be staged: its content path (`v1/content/bag/…`), and where its bytes are.
pub struct Put<'a> {
    /// Path relative to the object root.
    pub content_path: &'a str,
    /// Where the bytes are.
    pub from: &'a dyn ReadAt,
    /// First byte.
    pub offset: u64,
    /// How many.
    pub size: u64,
}

/// What is published.
pub struct Publication<'a> {
    /// The object.
    pub object: &'a ObjectId,
    /// Version number, from 1.
    pub version: u32,
    /// The frozen inventory.
    pub inventory: &'a dyn ReadAt,
    /// SHA-512 of it, lower-case hexadecimal.
    pub inventory_sha512: &'a str,
    /// SHA-512 of the inventory this version was planned on; `None` for a new object.
    pub base_sha512: Option<&'a str>,
}

/// The newest version of an object on a target.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// Version number, from 1.
    pub version: u32,
    /// SHA-512 of the root inventory, as its sidecar says; the inventory's own bytes were hashed and agree.
    pub inventory_sha512: String,
    /// The object's folder below the storage root.
    pub path: String,
}

/// A file on a target.
#[derive(Clone, Copy, Debug)]
pub enum Where<'a> {
    /// Staged by a transaction: content path.
    Staged(&'a Txn, &'a str),
    /// In a published object: path relative to the object root.
    Object(&'a ObjectId, &'a str),
    /// Anywhere in the storage root: path relative to it.
    Root(&'a str),
    /// Kept beside the storage root: its name.
    Kept(&'a str),
}

/// What a store itself says of an object that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// SHA-256 of the whole object, lower-case hexadecimal.
    pub sha256: String,
    /// Its bytes.
    pub bytes: u64,
}

/// Why a target did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// Not mounted, or another one.
    Missing {
        /// Target.
        target: String,
        /// What was looked for.
        why: String,
    },
    /// It may not be written.
    Denied {
        /// Target.
        target: String,
        /// What the system said.
        why: String,
    },
    /// No space or inodes are left (also quota).
    Full {
        /// Target.
        target: String,
    },
    /// The source of a `put` could not be read.
    Source {
        /// Content path.
        path: String,
        /// What the reader said.
        why: String,
    },
    /// The object is not what the plan was made on.
    Moved {
        /// Target.
        target: String,
        /// What was found.
        why: String,
    },
    /// A file is not there.
    Absent {
        /// Target.
        target: String,
        /// Which path.
        path: String,
    },
    /// Anything else.
    Io {
        /// Target.
        target: String,
        /// Which path.
        path: String,
        /// What the system said.
        why: String,
    },
}

impl From<TargetError> for Trouble {
    fn from(error: TargetError) -> Trouble {
        match error {
            TargetError::Missing { target, why } => Trouble::new(Kind::TargetMissing, why).about(target),
            TargetError::Denied { target, why } => Trouble::new(Kind::TargetDenied, why).about(target),
            TargetError::Full { target } => Trouble::new(Kind::TargetIo, "no space is left").about(target),
            TargetError::Source { path, why } => Trouble::new(Kind::SourceIo, why).about(path),
            TargetError::Moved { target, why } => Trouble::new(Kind::TargetsDisagree, why).about(target),
            TargetError::Absent { target, path } => {
                Trouble::new(Kind::TargetIo, "it is not there").about(format!("{path} on {target}"))
            }
            TargetError::Io { target, path, why } => {
                Trouble::new(Kind::TargetIo, why).about(format!("{path} on {target}"))
            }
        }
    }
}

impl From<TargetError> for Stop {
    fn from(error: TargetError) -> Stop {
        match error {
            // Whatever was promised, somebody else took the space: nothing failed, the item waits for space.
            TargetError::Full { target } => {
                Stop::Wait(Wait::Space { place: target, bytes: 0, inodes: 0, free: 0 })
            }
            other => Stop::Trouble(other.into()),
        }
    }
}

/// Takes bytes as they are read; false: no more of them.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> bool;

/// Where copies are kept.
pub trait Target: Holdings + Mending {
    /// The storage root, as people and validators name it.
    fn root(&self) -> String;

    /// Its space; an error when the target's marker is not there.
    fn space(&self) -> Result<Space, TargetError>;

    /// The newest version of an object; `None` when there is no such object.
    fn head(&self, object: &ObjectId) -> Result<Option<Head>, TargetError>;

    /// Opens the transaction, or takes it over from an earlier fence of the same item with all that it staged.
    fn begin(&self, txn: &Txn, object: &ObjectId, version: u32) -> Result<(), TargetError>;

    /// Stages these files; they are durable when it returns. Files staged before are replaced. Gives the bytes written.
    fn put(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError>;

    /// Gives all bytes of a file to `sink`, past the page cache, and their number. A kind of target has this, or `read_while`.
    fn read(&self, at: Where<'_>, sink: &mut dyn FnMut(&[u8])) -> Result<u64, TargetError> {
        self.read_while(at, &mut |bytes| {
            sink(bytes);
            true
        })
    }

    /// As `read`, but no further than `sink` says: false ends it. Gives the bytes that were given.
    fn read_while(&self, at: Where<'_>, sink: Sink<'_>) -> Result<u64, TargetError> {
        let (mut on, mut given) = (true, 0);
        self.read(at, &mut |bytes| {
            if on {
                given += bytes.len() as u64;
                on = sink(bytes);
            }
        })?;
        Ok(given)
    }

    /// How many files are best read at once by one who has many to read.
    fn readers(&self) -> usize {
        1
    }

    /// What the store itself says of a file, where the configuration takes its word; `None`: read it.
    fn vouches(&self, _at: Where<'_>) -> Result<Option<Vouched>, TargetError> {
        Ok(None)
    }

    /// Publishes what the transaction staged; durable when it returns. Published before: says so the same way. Gives
    /// the object's folder below the storage root.
    fn publish(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError>;

    /// Adds one immutable file under the object's `logs/premis/`; the same name and bytes again change nothing.
    fn log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError>;

    /// Puts the tombstone that the transaction staged in the place of its object, with the object's logs, and removes the
    /// object file by file. Begun before: goes on. No such object: the tombstone is put there all the same.
    fn entomb(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError>;

    /// Removes what any fence of this item staged.
    fn discard(&self, txn: &Txn) -> Result<(), TargetError>;

    /// Tries what the target can do.
    fn probe(&self) -> Result<Vec<Ability>, TargetError> {
        Ok(Vec::new())
    }
}
