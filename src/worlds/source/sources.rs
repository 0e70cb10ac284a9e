//! Every source there is, behind the one trait.
//!
//! - A key says which source it is of: an absolute path, `http(s)://…`, `s3://bucket/key`, `source://NAME/KEY`.
//! - An address that ends in `#allow-private` may lie on this machine or in its network: who submitted it said so.
//! - A key may stand for an address that is withheld because of what is secret in it; it is looked up for every verb.
//! - In front of every network verb stand the source's breaker, its turns and its pace; for addresses of no configured
//!   source each host, or bucket, has its own.

use crate::model::fact::BagPath;
use crate::model::trouble::Trouble;
use crate::rules::address::{Address, shown};
use crate::rules::read::ReadAt;
use crate::worlds::clock::Clock;
use crate::worlds::net::Reaching;
use crate::worlds::net::breaker::Health;
use crate::worlds::net::client::Client;
use crate::worlds::net::credentials::Access;
use crate::worlds::source::configured::{BucketPlace, Place, SourceConfig, Style};
use crate::worlds::source::folder::FolderSource;
use crate::worlds::source::line::Line;
use crate::worlds::source::local::LocalSource;
use crate::worlds::source::s3::S3Source;
use crate::worlds::source::web::{WebSource, fetched_only};
use crate::worlds::source::withheld::{Withheld, is_withheld};
use crate::worlds::source::{
    Arrival, Disposal, Disposed, Entry, PRIVATE, Page, Source, SourceError, is_address,
};
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

/// Lines to hosts and buckets of no configured source; beyond it, one that is well is forgotten.
const LINES_MAX: usize = 1_000;

/// What holds for addresses that belong to no configured source, and what all sources share.
pub struct SourceOptions {
    /// How addresses of no configured source are reached.
    pub reaching: Reaching,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Addresses with something secret in them.
    pub withheld: Withheld,
}

/// How a source is doing, for `status` and `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Name of a configured source, else scheme and host, or bucket.
    pub name: String,
    /// How it is doing.
    pub health: Health,
    /// Since when it is not well (UTC).
    pub since: Option<Timestamp>,
    /// What went wrong last, when something did.
    pub last_error: Option<String>,
    /// Ranges being fetched now.
    pub fetching: usize,
}

/// Every source there is.
pub struct Sources {
    local: Arc<LocalSource>,
    configured: RwLock<BTreeMap<String, Arc<Known>>>,
    options: SourceOptions,
    client: Arc<Client>,
    /// For addresses whose submitter allowed private ones.
    near: Arc<Client>,
    lines: Mutex<Lines>,
}

/// By host or bucket, and whether private addresses were allowed.
type Lines = BTreeMap<(String, bool), Arc<Line>>;

struct Known {
    config: SourceConfig,
    built: Configured,
}

enum Configured {
    Folder(Arc<FolderSource>),
    Far(Arc<Line>),
}

/// Where a key leads.
enum Way<'a> {
    Local,
    Folder(Arc<FolderSource>),
    /// By this key there.
    Far(Arc<Line>, Cow<'a, str>),
}

impl Sources {
    /// Local paths, addresses, and these configured sources.
    pub fn new(local: LocalSource, configured: Vec<SourceConfig>, options: SourceOptions) -> Sources {
        let local = Arc::new(local);
        let client = Arc::new(Client::new(options.reaching.clone()));
        let near = Arc::new(Client::new(Reaching { allow_private: true, ..options.reaching.clone() }));
        let all =
            Sources { local, configured: RwLock::default(), options, client, near, lines: Mutex::default() };
        all.reconfigure(configured);
        all
    }

    /// From now on these are the configured sources. One that did not change stays as it is, with all that was learnt of it;
    /// what is being fetched from another is fetched to its end.
    pub fn reconfigure(&self, configured: Vec<SourceConfig>) {
        let mut known = self.configured.write().unwrap_or_else(|broken| broken.into_inner());
        let mut next = BTreeMap::new();
        for config in configured {
            let name = config.name.clone();
            let same = known.remove(&name).filter(|known| known.config == config);
            let entry = same.unwrap_or_else(|| {
                let built = build(&config, &self.local, &self.options.clock);
                Arc::new(Known { config, built })
            });
            next.insert(name, entry);
        }
        *known = next;
    }

    fn known(&self, name: &str) -> Option<Arc<Known>> {
        self.configured.read().unwrap_or_else(|broken| broken.into_inner()).get(name).cloned()
    }

    fn way<'a>(&'a self, key: &'a str) -> Result<Way<'a>, SourceError> {
        if let Some(rest) = key.strip_prefix("source://") {
            return self.named(key, rest.split('/').next().unwrap_or(rest));
        }
        if !is_address(key) {
            return Ok(Way::Local);
        }
        let address = self.options.withheld.reveal(key)?.map_or(Cow::Borrowed(key), Cow::Owned);
        // A line of its own for each: what may go where the other may not must not share its client.
        let (client, near) = match address.ends_with(PRIVATE) {
            true => (&self.near, true),
            false => (&self.client, false),
        };
        let plain = match address {
            Cow::Borrowed(key) => Cow::Borrowed(key.strip_suffix(PRIVATE).unwrap_or(key)),
            Cow::Owned(key) => Cow::Owned(key.strip_suffix(PRIVATE).unwrap_or(&key).to_string()),
        };
        if let Some(rest) = plain.strip_prefix("s3://") {
            let bucket = rest.split('/').next().unwrap_or(rest);
            let line = self.line(format!("s3://{bucket}"), near, || self.bucket(bucket, client));
            return Ok(Way::Far(line, plain));
        }
        let denied = |why| SourceError::Denied { key: shown(&plain), why };
        let origin = Address::parse(&plain).map_err(denied)?.origin();
        Ok(Way::Far(self.line(origin, near, || self.web(client)), plain))
    }

    fn named<'a>(&self, key: &'a str, name: &str) -> Result<Way<'a>, SourceError> {
        match self.known(name).as_deref().map(|known| &known.built) {
            Some(Configured::Folder(folder)) => Ok(Way::Folder(folder.clone())),
            Some(Configured::Far(line)) => Ok(Way::Far(line.clone(), Cow::Borrowed(key))),
            None => {
                let why = format!("the configuration knows no source \"{}\"", name.escape_debug());
                Err(SourceError::Denied { key: key.to_string(), why })
            }
        }
    }

    fn web(&self, client: &Arc<Client>) -> Arc<dyn Source> {
        Arc::new(WebSource::new(client.clone(), self.options.clock.clone(), Access::Anonymous))
    }

    fn bucket(&self, bucket: &str, client: &Arc<Client>) -> Arc<dyn Source> {
        let place = BucketPlace {
            endpoint: None,
            bucket: bucket.to_string(),
            prefix: String::new(),
            region: None,
            style: Style::Auto,
            access: Access::Chain,
        };
        Arc::new(S3Source::new(place, client.clone(), self.options.clock.clone()))
    }

    fn line(&self, name: String, near: bool, source: impl FnOnce() -> Arc<dyn Source>) -> Arc<Line> {
        let mut lines = self.lines();
        let place = (name, near);
        if let Some(line) = lines.get(&place) {
            return line.clone();
        }
        if lines.len() >= LINES_MAX {
            // One that is well has nothing to remember; without such a one the first will do.
            let well = lines.iter().find(|(_, line)| line.health().0 == Health::Well && line.fetching() == 0);
            let gone = well.or_else(|| lines.iter().next()).map(|(place, _)| place.clone());
            gone.map(|place| lines.remove(&place));
        }
        let clock = self.options.clock.clone();
        let line = Line::new(place.0.clone(), source(), clock, &self.options.reaching);
        lines.insert(place, line.clone());
        line
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

fn build(config: &SourceConfig, local: &Arc<LocalSource>, clock: &Arc<dyn Clock>) -> Configured {
    let far = |source: Arc<dyn Source>| {
        Configured::Far(Line::new(config.name.clone(), source, clock.clone(), &config.reaching))
    };
    let client = || Arc::new(Client::new(config.reaching.clone()));
    match &config.place {
        Place::Folder { path } => {
            let folder = FolderSource::new(config, path.clone(), local.clone(), clock.clone());
            Configured::Folder(Arc::new(folder))
        }
        Place::Web { url, access } => {
            let web = WebSource::new(client(), clock.clone(), access.clone());
            far(Arc::new(web.below(&config.name, url)))
        }
        Place::Bucket(place) => {
            let bucket = S3Source::new(place.clone(), client(), clock.clone());
            far(Arc::new(bucket.named(&config.name, &config.after_kept)))
        }
    }
}

/// A signature that has run out is refused like any other: who submitted the address must be told what helps.
fn signed_anew(key: &str, error: SourceError) -> SourceError {
    match error {
        SourceError::Denied { key: shown, why } if is_withheld(key) => SourceError::Denied {
            key: shown,
            why: format!("{why}; if its signature has run out, submit the address again with a new one"),
        },
        other => other,
    }
}

impl Source for Sources {
    fn withheld(&self) -> Option<&Withheld> {
        Some(&self.options.withheld)
    }

    fn look(&self, key: &str) -> Result<Arrival, SourceError> {
        match self.way(key)? {
            Way::Local => self.local.look(key),
            Way::Folder(folder) => folder.look(key),
            Way::Far(line, at) => {
                let looked = line.ask(&at, |source| source.look(&at));
                looked.map_err(|error| signed_anew(key, error))
            }
        }
    }

    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError> {
        match self.way(key)? {
            Way::Local => self.local.open(key),
            Way::Folder(folder) => folder.open(key),
            Way::Far(line, key) => line.ask(&key, |source| source.open(&key)),
        }
    }

    fn walk(
        &self,
        key: &str,
        each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        match self.way(key)? {
            Way::Local => self.local.walk(key, each),
            Way::Folder(folder) => folder.walk(key, each),
            Way::Far(..) => Err(fetched_only(key).into()),
        }
    }

    fn open_member(&self, key: &str, path: &BagPath) -> Result<Box<dyn ReadAt>, SourceError> {
        match self.way(key)? {
            Way::Local => self.local.open_member(key, path),
            Way::Folder(folder) => folder.open_member(key, path),
            Way::Far(..) => Err(fetched_only(key)),
        }
    }

    fn fetch(
        &self,
        key: &str,
        arrival: &Arrival,
        from: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        match self.way(key)? {
            Way::Local => self.local.fetch(key, arrival, from, length),
            Way::Folder(folder) => folder.fetch(key, arrival, from, length),
            Way::Far(line, key) => line.fetch(&key, |source| source.fetch(&key, arrival, from, length)),
        }
    }

    fn list(&self, source: &str, after: Option<&str>) -> Result<Page, SourceError> {
        match self.named(source, source)? {
            Way::Folder(folder) => folder.list(source, after),
            Way::Far(line, _) => line.ask(source, |far| far.list(source, after)),
            Way::Local => self.local.list(source, after),
        }
    }

    fn states(&self) -> Vec<SourceState> {
        let configured = self.configured.read().unwrap_or_else(|broken| broken.into_inner());
        let far: Vec<Arc<Line>> = configured
            .values()
            .filter_map(|known| match &known.built {
                Configured::Far(line) => Some(line.clone()),
                Configured::Folder(_) => None,
            })
            .collect();
        drop(configured);
        let others: Vec<Arc<Line>> = self.lines().values().cloned().collect();
        let state = |line: Arc<Line>| {
            let (health, last_error) = line.health();
            let (name, since) = (line.name().to_string(), line.ill_since());
            SourceState { name, health, since, last_error, fetching: line.fetching() }
        };
        far.into_iter().chain(others).map(state).collect()
    }

    fn dispose(&self, key: &str, pin: &str, how: &Disposal) -> Result<Disposed, SourceError> {
        match self.way(key)? {
            Way::Local => self.local.dispose(key, pin, how),
            Way::Folder(folder) => folder.dispose(key, pin, how),
            Way::Far(line, key) => line.ask(&key, |source| source.dispose(&key, pin, how)),
        }
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
