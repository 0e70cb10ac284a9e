//! How a book is kept.

use super::SCHEMA;
use super::durable::SyncMode;
use super::lock;
use std::time::Duration;

/// How a book is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Segments longer than this, and than twice the last snapshot, are replaced by a new snapshot.
    pub compact_bytes: u64,
    /// How long another process is given to end.
    pub lock_patience: Duration,
    /// How long sled may take to write what it holds, before it is taken for dead.
    pub index_patience: Duration,
    /// Whether writes are synced.
    pub sync: SyncMode,
    /// The schema of the rows that the caller writes: a newer ledger is refused, an older one can only be read until it is
    /// brought to it, and a new one gets it.
    pub schema: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            compact_bytes: 64 << 20,
            lock_patience: lock::PATIENCE,
            index_patience: Duration::from_secs(120),
            sync: SyncMode::Durable,
            schema: SCHEMA,
        }
    }
}
