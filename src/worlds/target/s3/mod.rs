//! A target in a bucket: `<prefix>/ocfl` is the storage root, `<prefix>/work` is ours.
//!
//! ```text
//! begin    work/<ledger>-<item>.intent.json      only if nothing lies there (an older fence's is taken over)
//! put      ocfl/<object>/vN/content/…            large files in parts, completed when all parts are there
//! publish  ocfl/<object>/vN/inventory.json and its sidecar
//!          new object:  root inventory, sidecar, and 0=ocfl_object_1.1 last, only if nothing lies there
//!          new version: root inventory, only over the one it was planned on, then the sidecar
//!          the intent is removed last
//! ```
//!
//! - An object is never there before all it names: its declaration comes last, and a version by one write of the root
//!   inventory. What is on its way lies under keys that an intent names, for people and validators.
//! - Nothing of a published version is ever written again or removed. A transaction that would write there, or where
//!   another one is at work, is staged aside, and moved when it is published.
//! - One process at a time works on a target: it renews `work/lock.json`.
//! - Without its marker nothing is written. Another ledger's transactions are left as they are and told as orphans.

pub(crate) mod abilities;
mod burial;
mod holdings;
mod intents;
mod lease;
mod mending;
pub(crate) mod objects;
mod publish;
mod putting;
pub(crate) mod talk;
pub(crate) mod uploads;
mod usage;

use crate::model::digest::hex;
use crate::model::object::ObjectId;
use crate::rules::address::shown;
use crate::rules::http;
use crate::rules::ocfl::layout;
use crate::worlds::Space;
use crate::worlds::clock::Clock;
use crate::worlds::net::Reaching;
use crate::worlds::s3::{self, BucketPlace};
use crate::worlds::target::burial::{Burial, Buried, GoOn};
use crate::worlds::target::local::EXPLANATION;
use crate::worlds::target::probe::Ability;
use crate::worlds::target::{Head, Publication, Put, Sink, Target, TargetError, Txn, Vouched, Where};
pub use abilities::Abilities;
use intents::Intents;
use lease::Lease;
use objects::If;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use talk::{No, Stretch, Talk};
use usage::Usage;

/// Key of the marker.
const MARKER: &str = "work/target.json";
/// Longest text of ours that is read: markers, intents, sidecars, logs.
const TEXT_MAX: u64 = 1 << 20;
/// Free space where nobody set a quota.
const UNLIMITED: u64 = 1 << 63;

/// When a copy counts as read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadBack {
    /// When its bytes were fetched again and have the digest they should.
    #[default]
    Bytes,
    /// Also when the store itself says the SHA-256 of the whole object.
    StoreChecksum,
}

/// A target in a bucket, as the configuration declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketTarget {
    /// Where.
    pub place: BucketPlace,
    /// Storage class of content; inventories and everything else lie in the usual one.
    pub storage_class: Option<String>,
    /// When a copy counts as read back.
    pub read_back: ReadBack,
    /// Bytes it may take.
    pub quota: Option<u64>,
    /// How it is reached.
    pub reaching: Reaching,
}

impl BucketTarget {
    /// Its storage root, for people: `s3://bucket/prefix/ocfl`.
    pub fn root(&self) -> String {
        let prefix = self.place.prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("s3://{}/{prefix}{slash}ocfl", self.place.bucket)
    }

    /// Where it is, for people: bucket, prefix, and the service when it is not Amazon's.
    pub fn place_shown(&self) -> String {
        let prefix = self.place.prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let endpoint = self.place.endpoint.as_deref().map(shown);
        let endpoint = endpoint.map_or(String::new(), |endpoint| format!(" at {endpoint}"));
        format!("s3://{}{slash}{prefix}{endpoint}", self.place.bucket)
    }

    /// Endpoint and access key id: two targets of which this is equal share an account, and may be lost together.
    pub fn account(&self, clock: &dyn Clock) -> Result<String, String> {
        s3::account(&self.place, clock.now())
    }
}

/// What the marker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    target: String,
    id: String,
}

/// A target in a bucket.
pub struct S3Target {
    name: String,
    root: String,
    ledger: String,
    config: BucketTarget,
    talk: Arc<Talk>,
    marker: Marker,
    abilities: Abilities,
    /// None: it was opened only to look.
    lease: Option<Lease>,
    intents: Intents,
    usage: Mutex<Usage>,
    device: u64,
    /// Objects being changed now; one change at a time each.
    busy: Mutex<BTreeSet<ObjectId>>,
    freed: Condvar,
}

impl S3Target {
    /// Makes a prefix a target, by giving it a marker. Done before under the same name: fine.
    pub fn create(name: &str, config: &BucketTarget, clock: Arc<dyn Clock>) -> Result<(), TargetError> {
        let talk = Arc::new(Talk::new(name, config, clock));
        match read_marker(&talk) {
            Ok(_) => return Ok(()),
            Err(TargetError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut strange = None;
        talk.list("", None, &mut |found| {
            // The lock and probes may be there before the marker: they are what an interrupted start left.
            strange = Some(found.key).filter(|key| !key.starts_with("work/"));
            if strange.is_some() { objects::Go::Stop } else { objects::Go::On }
        })?;
        if let Some(found) = strange {
            let why = format!("{}{found} lies there and no {MARKER}; give it an empty prefix", talk.prefix);
            return Err(TargetError::Missing { target: name.into(), why });
        }
        let mut random = [0; 16];
        let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
        read.map_err(|error| talk.io("/dev/urandom", error.to_string()))?;
        let marker = Marker { target: name.into(), id: hex(&random) };
        let text = json(&marker);
        // Two that begin at once: the marker that lies there in the end is read back when the target is opened.
        let put = talk.put(MARKER, Stretch::whole(&text), abilities::Checksum::Md5, If::Any, None);
        put.map(drop).map_err(|no| talk.told(MARKER, no))
    }

    /// Opens a target for the ledger of this id: takes its lock, finds out what its store can do, makes what is missing in
    /// its storage root, and finishes what a stop left half done.
    pub fn open(
        name: &str,
        config: &BucketTarget,
        ledger: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<S3Target, TargetError> {
        let talk = Arc::new(Talk::new(name, config, clock.clone()));
        let marker = read_marker(&talk)?;
        let abilities = abilities::find_out(&talk)?;
        let lease = Some(Lease::take(&talk, ledger, &abilities)?);
        let target = S3Target::made(config, ledger, talk, marker, abilities, lease)?;
        // What a probe left that was stopped.
        target.clear(abilities::PLACE)?;
        target.make_root()?;
        target.mend_all()?;
        target.load_usage()?;
        Ok(target)
    }

    /// Opens a target only to look at what it holds: nothing in it is changed, and nobody's lock is asked for.
    pub fn look(name: &str, config: &BucketTarget, clock: Arc<dyn Clock>) -> Result<S3Target, TargetError> {
        let talk = Arc::new(Talk::new(name, config, clock));
        let marker = read_marker(&talk)?;
        S3Target::made(config, "", talk, marker, Abilities::NONE, None)
    }

    fn made(
        config: &BucketTarget,
        ledger: &str,
        talk: Arc<Talk>,
        marker: Marker,
        abilities: Abilities,
        lease: Option<Lease>,
    ) -> Result<S3Target, TargetError> {
        let name = talk.target.clone();
        let intents = Intents::load(&talk)?;
        let account = config.account(&*talk.clock);
        let account = account.map_err(|why| TargetError::Denied { target: name.clone(), why })?;
        let digest = Sha256::digest(account.as_bytes());
        // No file system has a number as high.
        let device = digest.iter().take(7).fold(1u64, |sum, byte| (sum << 8) | u64::from(*byte)) | 1 << 63;
        Ok(S3Target {
            name,
            root: config.root(),
            ledger: ledger.into(),
            config: config.clone(),
            talk,
            marker,
            abilities,
            lease,
            intents,
            usage: Mutex::default(),
            device,
            busy: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    /// What its store can do.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// Works as if its store knew no conditions and listed no uploads; for tests of the other ways.
    pub fn with_less(mut self) -> S3Target {
        self.abilities.if_new = false;
        self.abilities.if_is = false;
        self.abilities.uploads_listed = false;
        self.abilities.checksum = abilities::Checksum::Md5;
        self
    }

    fn make_root(&self) -> Result<(), TargetError> {
        let (declaration, text) = layout::ROOT_DECLARATION;
        let extension = format!("ocfl/extensions/{}/config.json", layout::EXTENSION);
        for (key, text) in [
            (extension.as_str(), layout::EXTENSION_CONFIG),
            ("ocfl/ocfl_layout.json", layout::LAYOUT_JSON),
            ("ocfl/STRONGROOM.md", EXPLANATION),
            (&format!("ocfl/{declaration}"), text),
        ] {
            match self.talk.get(key, TEXT_MAX)? {
                Some((found, _)) if found == text.as_bytes() => {}
                Some(_) if !key.ends_with("STRONGROOM.md") => {
                    return Err(self.talk.io(key, "it says something else than strongroom writes"));
                }
                _ => {
                    drop(self.put_text(key, text.as_bytes(), If::Any).map_err(|no| self.talk.told(key, no))?)
                }
            }
        }
        Ok(())
    }

    /// Writes a short object of ours.
    fn put_text(&self, key: &str, text: &[u8], only: If<'_>) -> Result<String, No> {
        let bytes = text.to_vec();
        self.put_if(key, Stretch::whole(&bytes), only)
    }

    /// Writes an object on a condition. A store that knows none is asked right before: our lock keeps others out.
    fn put_if(&self, key: &str, stretch: Stretch<'_>, only: If<'_>) -> Result<String, No> {
        let how = self.abilities.checksum;
        let only = match only {
            If::New if !self.abilities.if_new => match self.talk.head(key).map_err(No::Failed)? {
                Some(_) => return Err(condition()),
                None => If::Any,
            },
            If::Is(tag) if !self.abilities.if_is => {
                let head = self.talk.head(key).map_err(No::Failed)?;
                match head.as_ref().and_then(|head| head.header("etag")) {
                    Some(found) if found.trim() == tag => If::Any,
                    _ => return Err(condition()),
                }
            }
            other => other,
        };
        self.talk.put(key, stretch, how, only, None)
    }

    /// An error unless our marker lies there now.
    fn look_for_marker(&self) -> Result<(), TargetError> {
        let found = read_marker(&self.talk)?;
        if found == self.marker {
            return Ok(());
        }
        let why = format!("another target ({}) lies at {}", found.id, self.root);
        Err(TargetError::Missing { target: self.name.clone(), why })
    }

    /// Before anything is written: this process still is the one that works here.
    fn still_ours(&self) -> Result<(), TargetError> {
        match &self.lease {
            Some(lease) => lease.hold(&self.talk, &self.abilities),
            None => Err(self.talk.io("", "it was opened only to look at what it holds")),
        }
    }

    fn claim<'a>(&'a self, object: &ObjectId) -> Claim<'a> {
        let mut busy = self.busy.lock().unwrap_or_else(|broken| broken.into_inner());
        while !busy.insert(object.clone()) {
            busy = self.freed.wait(busy).unwrap_or_else(|broken| broken.into_inner());
        }
        Claim { target: self, object: object.clone() }
    }

    /// The key of a path; only plain parts may lead there.
    fn beneath(&self, folder: &str, path: &str) -> Result<String, TargetError> {
        let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        match plain {
            true => Ok(format!("{folder}/{path}")),
            false => Err(self.talk.io(path, "no path inside an object")),
        }
    }
}

/// An object that nobody else may change meanwhile.
struct Claim<'a> {
    target: &'a S3Target,
    object: ObjectId,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.target.busy.lock().unwrap_or_else(|broken| broken.into_inner()).remove(&self.object);
        self.target.freed.notify_all();
    }
}

impl Drop for S3Target {
    fn drop(&mut self) {
        if let Some(lease) = &self.lease {
            lease.release(&self.talk);
        }
    }
}

/// Folder of an object, as a key.
fn live(object: &ObjectId) -> String {
    format!("ocfl/{}", layout::object_path(object))
}

fn condition() -> No {
    No::Refused(Box::new(crate::worlds::s3::refusal::Refusal {
        status: 412,
        told: "412 Precondition Failed".into(),
        code: "PreconditionFailed".into(),
        message: "what lies there is not what was expected".into(),
        ..Default::default()
    }))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("plain data becomes JSON")
}

fn read_marker(talk: &Arc<Talk>) -> Result<Marker, TargetError> {
    let missing = |why: String| TargetError::Missing { target: talk.target.clone(), why };
    let place = format!("s3://{}/{}{MARKER}", talk.bucket.site.bucket, talk.prefix);
    let Some((text, _)) = talk.get(MARKER, TEXT_MAX)? else {
        return Err(missing(format!("{place} is not there")));
    };
    let marker: Marker =
        serde_json::from_slice(&text).map_err(|error| missing(format!("{place} is no marker: {error}")))?;
    if marker.target != talk.target {
        return Err(missing(format!("{place} belongs to the target {:?}", marker.target)));
    }
    Ok(marker)
}

impl Target for S3Target {
    fn root(&self) -> String {
        self.root.clone()
    }

    fn space(&self) -> Result<Space, TargetError> {
        self.look_for_marker()?;
        let used = self.usage.lock().unwrap_or_else(|broken| broken.into_inner()).bytes;
        let total = self.config.quota.unwrap_or(UNLIMITED);
        Ok(Space {
            free_bytes: total.saturating_sub(used),
            free_inodes: u64::MAX,
            total_bytes: total,
            block_bytes: 1,
            device: self.device,
        })
    }

    fn head(&self, object: &ObjectId) -> Result<Option<Head>, TargetError> {
        let _claim = self.claim(object);
        Ok(self.look_at_head(object)?.map(|(head, _)| head))
    }

    fn begin(&self, txn: &Txn, object: &ObjectId, version: u32) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.still_ours()?;
        self.begin_txn(txn, object, version)
    }

    fn put(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError> {
        self.still_ours()?;
        self.put_files(txn, files)
    }

    fn read_while(&self, at: Where<'_>, sink: Sink<'_>) -> Result<u64, TargetError> {
        self.talk.read_while(&self.key_of(at)?, sink)
    }

    fn readers(&self) -> usize {
        self.talk.connections
    }

    fn vouches(&self, at: Where<'_>) -> Result<Option<Vouched>, TargetError> {
        if self.config.read_back != ReadBack::StoreChecksum {
            return Ok(None);
        }
        let key = self.key_of(at)?;
        let Some(head) = self.talk.head(&key)? else {
            return Err(TargetError::Absent { target: self.name.clone(), path: key });
        };
        let whole = head.header("x-amz-checksum-type").is_none_or(|kind| kind == "FULL_OBJECT");
        let sha256 = head.header("x-amz-checksum-sha256");
        let sha256 =
            sha256.and_then(|text| http::digest_of_base64(crate::model::digest::Algorithm::Sha256, text));
        let bytes = head.header("content-length").and_then(http::number);
        Ok(match (sha256, bytes) {
            (Some(sha256), Some(bytes)) if whole => Some(Vouched { sha256, bytes }),
            _ => None,
        })
    }

    fn publish(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError> {
        self.look_for_marker()?;
        self.still_ours()?;
        let _claim = self.claim(what.object);
        self.publish_object(txn, what)
    }

    fn log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.still_ours()?;
        let _claim = self.claim(object);
        self.add_log(object, name, bytes)
    }

    fn entomb(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        self.look_for_marker()?;
        self.still_ours()?;
        let _claim = self.claim(what.tombstone.object);
        self.bury(txn, what, go_on)
    }

    fn discard(&self, txn: &Txn) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.still_ours()?;
        self.discard_item(txn)
    }

    fn probe(&self) -> Result<Vec<Ability>, TargetError> {
        let found = abilities::find_out(&self.talk)?;
        abilities::tell(&self.talk, &found)
    }
}
