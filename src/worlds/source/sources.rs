//! Every source there is, behind the one trait.
//!
//! - A key says which source it is of: an absolute path, `http(s)://…`, `s3://bucket/key`, `source://NAME/KEY`.
//! - In front of every network verb stand the source's breaker, its turns and its pace.

use crate::model::fact::BagPath;
use crate::model::trouble::Trouble;
use crate::rules::read::ReadAt;
use crate::worlds::clock::Clock;
use crate::worlds::net::Reaching;
use crate::worlds::net::breaker::Health;
use crate::worlds::source::configured::SourceConfig;
use crate::worlds::source::local::LocalSource;
use crate::worlds::source::{Arrival, Disposal, Disposed, Entry, Page, Source, SourceError};
use std::io::Read;
use std::sync::Arc;

/// What holds for addresses that belong to no configured source, and what all sources share.
pub struct SourceOptions {
    /// How addresses of no configured source are reached.
    pub reaching: Reaching,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// How a source is doing, for `status` and `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Name of a configured source, else scheme and host.
    pub name: String,
    /// How it is doing.
    pub health: Health,
    /// What went wrong last, when something did.
    pub last_error: Option<String>,
    /// Ranges being fetched now.
    pub fetching: usize,
}

/// Every source there is.
pub struct Sources {
    local: LocalSource,
    configured: Vec<SourceConfig>,
}

impl Sources {
    /// Local paths, addresses, and these configured sources.
    pub fn new(local: LocalSource, configured: Vec<SourceConfig>, options: SourceOptions) -> Sources {
        let _ = options;
        Sources { local, configured }
    }

    /// The configured source that a key belongs to.
    pub fn configured(&self, key: &str) -> Option<&SourceConfig> {
        let name = key.strip_prefix("source://")?.split('/').next()?;
        self.configured.iter().find(|source| source.name == name)
    }
}

impl Source for Sources {
    fn look(&self, key: &str) -> Result<Arrival, SourceError> {
        self.local.look(key)
    }

    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError> {
        self.local.open(key)
    }

    fn walk(
        &self,
        key: &str,
        each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.local.walk(key, each)
    }

    fn open_member(&self, key: &str, path: &BagPath) -> Result<Box<dyn ReadAt>, SourceError> {
        self.local.open_member(key, path)
    }

    fn fetch(
        &self,
        key: &str,
        arrival: &Arrival,
        from: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        self.local.fetch(key, arrival, from, length)
    }

    fn states(&self) -> Vec<SourceState> {
        Vec::new()
    }

    fn list(&self, source: &str, after: Option<&str>) -> Result<Page, SourceError> {
        self.local.list(source, after)
    }

    fn dispose(&self, key: &str, pin: &str, how: &Disposal) -> Result<Disposed, SourceError> {
        self.local.dispose(key, pin, how)
    }
}
