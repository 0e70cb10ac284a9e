//! A source as the configuration declares it.

use crate::worlds::net::Reaching;
use crate::worlds::net::credentials::Access;
pub use crate::worlds::s3::{BucketPlace, Style};
use std::path::PathBuf;
use std::time::Duration;

/// A source as the configuration declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// Its name: `source://NAME/KEY`.
    pub name: String,
    /// Whose deposits arrive there.
    pub depositor: String,
    /// What kind of place it is.
    pub place: Place,
    /// Endings of names that are taken; none: all.
    pub suffixes: Vec<String>,
    /// Larger deposits are not taken.
    pub size_max: Option<u64>,
    /// What becomes of a deposit once its object is kept.
    pub after_kept: AfterKept,
    /// How often it is listed; none: only when somebody asks.
    pub scan_every: Option<Duration>,
    /// How long a deposit must not have changed before it is taken.
    pub still_for: Duration,
    /// Endings of names that are still being written.
    pub temporary: Vec<String>,
    /// Ending of the file that says of the one beside it that it is complete; none: stillness says so.
    pub marker: Option<String>,
    /// How it is reached, for places on a network.
    pub reaching: Reaching,
}

impl SourceConfig {
    /// True when `other`, of the same name, lies elsewhere or belongs to somebody else: items that are on their way mean
    /// what was there, so it must not change under them.
    pub fn needs_restart(&self, other: &SourceConfig) -> bool {
        let same_place = match (&self.place, &other.place) {
            (Place::Web { url, .. }, Place::Web { url: other, .. }) => url == other,
            (Place::Bucket(place), Place::Bucket(other)) => {
                let where_of = |place: &BucketPlace| {
                    (place.endpoint.clone(), place.bucket.clone(), place.prefix.clone())
                };
                where_of(place) == where_of(other)
            }
            (place, other) => place == other,
        };
        !same_place || self.depositor != other.depositor
    }
}

/// What kind of place a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder {
        /// Where.
        path: PathBuf,
    },
    /// A web server: keys are fetched below its address, and cannot be listed.
    Web {
        /// Where.
        url: String,
        /// How we prove who we are.
        access: Access,
    },
    /// A bucket.
    Bucket(BucketPlace),
}

/// What becomes of a deposit once its object is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AfterKept {
    /// It stays.
    #[default]
    Leave,
    /// It is moved to this place of the same source.
    Move(String),
    /// It is deleted.
    Delete,
}
