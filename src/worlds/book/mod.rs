//! The book: rows that survive everything.
//!
//! - `commit` is atomic, and on disk when it returns.
//! - A guard makes a commit compare-and-swap: it is refused when a row is not at the revision it was read at.
//! - A row that does not agree with its checksum is reported, never guessed.

mod batch;
mod catalogue;
pub mod durable;
mod files;
pub mod imprint;
mod journal;
mod lock;
mod merge;
pub mod migrating;
pub mod mirrored;
mod opening;
mod options;
mod record;
pub mod rehearsal;
mod sled_index;
mod snapshot;
mod survey;
mod tap;
#[cfg(test)]
mod tests;
mod twin;

use std::fmt;
use std::time::Duration;

/// No value may be longer: sled keeps larger ones in files it never syncs.
pub const VALUE_MAX: usize = 4_000;

/// Number of the ledger's format: what its rows mean. A newer one is refused, an older one is brought to this one before
/// anything is written (`migrating`).
///
/// | schema | since | rows |
/// |---|---|---|
/// | 1 | 0.1.0, before it was released | items, registry, sources, checks of targets, backups |
/// | 2 | 0.1.0 | deletions, errands, sweeps, repairs, jobs; copies by the time of their proof, for every object |
pub const SCHEMA: u64 = 2;

/// The oldest schema that can be brought to this one.
pub const SCHEMA_MIN: u64 = 1;

/// The oldest release that can open a ledger of `SCHEMA`.
pub const OLDEST: &str = "0.1.0";

/// A row as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Number of the commit that wrote it.
    pub revision: u64,
    /// JSON.
    pub value: Vec<u8>,
}

/// One change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// This key has this JSON value from now on.
    Put(String, Vec<u8>),
    /// This key has no value from now on.
    Delete(String),
}

/// A condition of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The key.
    pub key: String,
    /// The revision it must still have; `None`: it must not exist.
    pub revision: Option<u64>,
}

/// Why a book did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookError {
    /// A guard was not met: somebody was faster.
    Conflict {
        /// Which key.
        key: String,
    },
    /// A value is longer than `VALUE_MAX`.
    TooLarge {
        /// Which key.
        key: String,
        /// How long.
        bytes: usize,
    },
    /// Something on disk does not agree with itself.
    Damaged {
        /// What.
        what: String,
    },
    /// It was written by a newer strongroom.
    Newer {
        /// Schema number found.
        found: u64,
        /// Schema number we know.
        known: u64,
        /// What it tells of the release that wrote it, and of a backup to go back to.
        imprint: Option<Box<imprint::Imprint>>,
    },
    /// It was written by an older strongroom, and is not brought up yet: it can be read.
    Older {
        /// Schema number found.
        found: u64,
        /// Schema number that is written.
        known: u64,
    },
    /// Another process has it.
    Busy {
        /// Who, as far as is known.
        holder: String,
    },
    /// Writing or syncing failed. The process must end: what the kernel did with the pages is unknown.
    Io {
        /// Which path.
        path: String,
        /// What the system said.
        why: String,
    },
}

impl fmt::Display for BookError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BookError::Conflict { key } => write!(out, "the row {key} was changed meanwhile"),
            BookError::TooLarge { key, bytes } => {
                write!(out, "the row {key} would have {bytes} bytes; {VALUE_MAX} is the limit")
            }
            BookError::Damaged { what } => write!(out, "damaged: {what}"),
            BookError::Newer { found, known, imprint } => {
                let release = imprint.as_ref().filter(|imprint| !imprint.written_by.is_empty());
                let by =
                    release.map_or(String::new(), |of| format!(", written by strongroom {}", of.written_by));
                write!(
                    out,
                    "the ledger has schema {found}{by}; this is strongroom {}, ",
                    env!("CARGO_PKG_VERSION")
                )?;
                write!(out, "which knows schemas up to {known}")
            }
            BookError::Older { found, known } => {
                write!(
                    out,
                    "the ledger has schema {found}, and must be brought to {known} before it is written"
                )
            }
            BookError::Busy { holder } => write!(out, "another process has the ledger: {holder}"),
            BookError::Io { path, why } => write!(out, "{path}: {why}"),
        }
    }
}

impl std::error::Error for BookError {}

/// What checking the whole book found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BookReport {
    /// Number of the newest commit.
    pub sequence: u64,
    /// Live rows.
    pub rows: u64,
    /// What was repaired since it was opened, one sentence each.
    pub repaired: Vec<String>,
    /// What is wrong and could not be repaired, one sentence each.
    pub wrong: Vec<String>,
}

/// Rows that survive everything.
pub trait Book: Send + Sync {
    /// The row of this key.
    fn get(&self, key: &str) -> Result<Option<Row>, BookError>;

    /// Up to `limit` rows whose keys start with `prefix`, in key order, after the key `after`.
    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Row)>, BookError>;

    /// All of `batch` if every guard is met, else nothing. Gives the commit's number, which is the revision of every
    /// row it wrote.
    fn commit(&self, batch: &[Write], guards: &[Guard]) -> Result<u64, BookError>;

    /// Waits until a commit later than `seen` is there, or the time is over; gives the newest commit's number.
    fn watch(&self, seen: u64, at_most: Duration) -> u64;

    /// Gives every row as of one commit, while others go on committing; gives that commit's number. A key may come again
    /// with another row, or with none: what comes last counts. `each` says whether to go on.
    fn copy(&self, each: &mut dyn FnMut(&str, Option<&Row>) -> bool) -> Result<u64, BookError>;

    /// Reads everything and says what is wrong.
    fn verify(&self) -> Result<BookReport, BookError>;
}
