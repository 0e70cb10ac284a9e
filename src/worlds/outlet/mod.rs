//! Places that objects are given back to: a folder of this machine, or a bucket.
//!
//! - What is on its way lies under a name that carries the item and nothing else, where the place has renaming; nobody finds half of it
//!   under its own name. A bucket has none: there a tar or a single file appears whole, and of a folder `bagit.txt` is put
//!   last, so that no half of it is a bag.
//! - `put` may keep bytes in memory; after `sync` they would survive a power cut. `read` goes past the page cache.
//! - Nothing that others put there is written over or removed.

pub mod folder;
pub mod local;
pub mod places;
pub mod rehearsal;
pub mod s3;

use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::read::ReadAt;
use std::sync::Arc;

/// What is brought to a place: a folder of files, or one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its name there.
    pub name: String,
    /// What no other parcel is called: ledger and item.
    pub work: String,
    /// A folder; else one file, whose path in the parcel is empty.
    pub folder: bool,
}

/// Where a parcel's files are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// On its way.
    UnderWay,
    /// Under its own name.
    There,
}

/// A stretch of bytes that is put.
#[derive(Clone, Copy)]
pub struct Bytes<'a> {
    /// Where they are.
    pub from: &'a dyn ReadAt,
    /// First byte.
    pub offset: u64,
    /// How many.
    pub size: u64,
}

/// Why a place did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutletError {
    /// It is not there, or not in the configuration.
    Missing {
        /// Place.
        place: String,
        /// What was looked for.
        why: String,
    },
    /// It may not be written.
    Denied {
        /// Place.
        place: String,
        /// What was said.
        why: String,
    },
    /// Something else lies there.
    Taken {
        /// Where.
        place: String,
    },
    /// A file is not there.
    Absent {
        /// Which.
        place: String,
    },
    /// What is to be put there could not be read.
    Source {
        /// What the reader said.
        why: String,
    },
    /// Anything else.
    Io {
        /// Where.
        place: String,
        /// What was said.
        why: String,
    },
}

impl From<OutletError> for Trouble {
    fn from(error: OutletError) -> Trouble {
        let (kind, place, why) = match error {
            OutletError::Missing { place, why } => (Kind::PlaceMissing, place, why),
            OutletError::Denied { place, why } => (Kind::PlaceDenied, place, why),
            OutletError::Taken { place } => {
                (Kind::PlaceTaken, place, "something lies there that this item did not put there".into())
            }
            OutletError::Absent { place } => (Kind::PlaceIo, place, "it is not there".into()),
            OutletError::Source { why } => return Trouble::new(Kind::StagingIo, why),
            OutletError::Io { place, why } => (Kind::PlaceIo, place, why),
        };
        Trouble::new(kind, why).about(place)
    }
}

impl From<OutletError> for Stop {
    fn from(error: OutletError) -> Stop {
        Stop::Trouble(error.into())
    }
}

/// A place.
pub trait Outlet: Send + Sync {
    /// Where it is, for people.
    fn shown(&self) -> String;

    /// True when what is on its way gets its own name at one moment, by a rename.
    fn renames(&self) -> bool;

    /// True when something lies there under the parcel's own name.
    fn lies(&self, parcel: &Parcel) -> Result<bool, OutletError>;

    /// Puts a file of a parcel that is on its way; what an earlier try put there is replaced.
    fn put(&self, parcel: &Parcel, path: &str, bytes: Bytes<'_>) -> Result<(), OutletError>;

    /// Makes a folder of a parcel that is on its way, where the place has folders.
    fn folder(&self, _parcel: &Parcel, _path: &str) -> Result<(), OutletError> {
        Ok(())
    }

    /// Bytes that still fit there, where the place knows.
    fn free(&self) -> Option<u64> {
        None
    }

    /// Returns when everything that was put would survive a power cut.
    fn sync(&self, parcel: &Parcel) -> Result<(), OutletError>;

    /// Gives all bytes of a file to `sink`, past the page cache, and their number.
    fn read(
        &self,
        parcel: &Parcel,
        at: (Stand, &str),
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, OutletError>;

    /// What pins a file without reading it: size and time, or what the store names its bytes by. None: it is not there.
    fn pin(&self, parcel: &Parcel, at: (Stand, &str)) -> Result<Option<String>, OutletError>;

    /// Gives the parcel its own name; durable when it returns. Something lies there: an error, and nothing is changed.
    fn publish(&self, parcel: &Parcel) -> Result<(), OutletError>;

    /// Files under the parcel's own name, in any order.
    fn files(&self, parcel: &Parcel, each: &mut dyn FnMut(&str)) -> Result<(), OutletError>;

    /// Removes a file under the parcel's own name; not there: fine.
    fn remove(&self, parcel: &Parcel, path: &str) -> Result<(), OutletError>;

    /// Removes the folders under the parcel's own name that hold nothing any more.
    fn remove_empty(&self, parcel: &Parcel) -> Result<(), OutletError>;

    /// Removes what is on its way.
    fn discard(&self, parcel: &Parcel) -> Result<(), OutletError>;
}

/// All places.
pub trait Outlets: Send + Sync {
    /// The place that is meant: an absolute folder, or `s3://bucket/prefix` as the configuration has it.
    fn open(&self, to: &str) -> Result<Arc<dyn Outlet>, OutletError>;
}
