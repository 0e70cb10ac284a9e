//! Transactions: which versions are on their way into a bucket, and under which keys.
//!
//! - An intent is written before the first byte of its version, and removed after the last.
//! - One transaction stages at the final keys of a version; any other one, and one whose version is published, aside.
//! - What is known here is what lies there: who opened the target holds its lock.

use super::objects::{Go, If};
use super::talk::Talk;
use super::{S3Target, TEXT_MAX, json, live};
use crate::model::digest::Algorithm;
use crate::model::object::ObjectId;
use crate::rules::http;
use crate::rules::ocfl::layout;
use crate::worlds::target::{TargetError, Txn, Where};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// How keys of intents end.
const ENDING: &str = ".intent.json";
/// Keys that are remembered of an earlier try; further ones are written anew.
const LEFT_MAX: usize = 400_000;

/// Where a transaction's files lie before it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Staging {
    /// At their final keys.
    Final,
    /// Under `work/<ledger>-<item>/`.
    Aside,
    /// There, and on their way to their final keys.
    Moving,
}

/// What is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Short id of the ledger.
    pub ledger: String,
    /// The item.
    pub item: u64,
    /// The lease's fence.
    pub fence: u64,
    /// The object.
    pub object: ObjectId,
    /// Version number.
    pub version: u32,
    /// Folder of the object below the storage root.
    pub path: String,
    /// Where its files lie.
    pub staging: Staging,
    /// Entity tag of the root inventory when it began, if the object was there.
    pub base_tag: Option<String>,
    /// Who began it.
    pub host: String,
    /// When.
    pub at: Timestamp,
}

impl Intent {
    /// Its key.
    pub fn key(&self) -> String {
        format!("work/{}-{}{ENDING}", self.ledger, self.item)
    }

    /// What comes before content paths of its staged files.
    pub fn folder(&self) -> String {
        match self.staging {
            Staging::Final => live(&self.object),
            Staging::Aside | Staging::Moving => self.aside(),
        }
    }

    /// Where its files lie when they lie aside.
    pub fn aside(&self) -> String {
        format!("work/{}-{}", self.ledger, self.item)
    }

    /// True when it writes at the final keys of its version.
    pub fn is_final(&self) -> bool {
        self.staging != Staging::Aside
    }

    fn is_of(&self, object: &ObjectId, version: u32) -> bool {
        self.object == *object && self.version == version
    }
}

/// What an earlier try left: keys by a digest, and uploads by key.
#[derive(Debug, Default)]
pub struct Left {
    keys: HashMap<[u8; 16], (u64, Tag)>,
    /// Unfinished uploads.
    pub uploads: HashMap<String, String>,
}

impl Left {
    /// The tag of what lies at this key, if it has so many bytes and its tag tells what they are.
    pub fn tag(&self, key: &str, bytes: u64) -> Option<Tag> {
        let (found, tag) = self.keys.get(&short(key))?;
        (*found == bytes).then_some(*tag)
    }
}

/// An entity tag as almost every store makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// MD5 of the bytes, or of the MD5s of their parts.
    pub md5: [u8; 16],
    /// How many parts it was written in; 0: none.
    pub parts: u32,
}

impl Tag {
    fn parse(text: &str) -> Option<Tag> {
        let (md5, parts) = match text.split_once('-') {
            None => (text, 0),
            Some((md5, parts)) => (md5, parts.parse().ok()?),
        };
        let md5 = http::digest_of_hex(Algorithm::Md5, md5)?;
        Some(Tag { md5: crate::model::digest::unhex(&md5)?.try_into().ok()?, parts })
    }
}

fn short(key: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(key)[..16]);
    short
}

/// An open transaction.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its intent.
    pub intent: Intent,
    /// Entity tag of it.
    pub tag: String,
    /// What an earlier try left.
    pub left: Arc<Left>,
}

type Known = BTreeMap<(String, u64), Open>;

/// Every transaction there is.
#[derive(Debug, Default)]
pub struct Intents {
    known: Mutex<Known>,
}

impl Intents {
    /// Reads all that lie there.
    pub fn load(talk: &Arc<Talk>) -> Result<Intents, TargetError> {
        let mut keys = Vec::new();
        talk.list("work/", None, &mut |found| {
            let inside = found.key.strip_prefix("work/").unwrap_or_default();
            match inside.split_once('/') {
                // What lies aside, kept things and probes are many.
                Some((folder, _)) => Go::Past(format!("work/{folder}/")),
                None => {
                    keys.extend(Some(found.key).filter(|key| key.ends_with(ENDING)));
                    Go::On
                }
            }
        })?;
        let mut known = Known::new();
        for key in keys {
            let Some((text, tag)) = talk.get(&key, TEXT_MAX)? else { continue };
            match serde_json::from_slice::<Intent>(&text) {
                Ok(intent) if intent.key() == key => {
                    let of = (intent.ledger.clone(), intent.item);
                    known.insert(of, Open { intent, tag, left: Arc::default() });
                }
                _ => log::warn!(
                    "target {}: {key} is no intent of strongroom; it is left as it is",
                    talk.target
                ),
            }
        }
        Ok(Intents { known: Mutex::new(known) })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// The transaction of this item, whatever its fence.
    pub fn of_item(&self, txn: &Txn) -> Option<Open> {
        self.lock().get(&(txn.ledger.clone(), txn.item)).cloned()
    }

    /// Every transaction.
    pub fn all(&self) -> Vec<Intent> {
        self.lock().values().map(|open| open.intent.clone()).collect()
    }

    fn set(&self, open: Open) {
        let of = (open.intent.ledger.clone(), open.intent.item);
        self.lock().insert(of, open);
    }

    fn forget(&self, intent: &Intent) {
        self.lock().remove(&(intent.ledger.clone(), intent.item));
    }

    /// Another transaction that writes at the final keys of this version.
    pub fn rival(&self, intent: &Intent) -> Option<Intent> {
        let own = (&intent.ledger, intent.item);
        let known = self.lock();
        let mut others = known.values().map(|open| &open.intent);
        let rival = |other: &&Intent| {
            (&other.ledger, other.item) != own
                && other.is_final()
                && other.is_of(&intent.object, intent.version)
        };
        others.find(rival).cloned()
    }
}

impl S3Target {
    /// The transaction, if it is open under this very fence.
    pub(super) fn open_txn(&self, txn: &Txn) -> Result<Open, TargetError> {
        match self.intents.of_item(txn) {
            Some(open) if open.intent.fence == txn.fence => Ok(open),
            Some(_) => Err(self.talk.io("", "a later lease has taken this transaction over")),
            None => Err(self.talk.io("", "its transaction was not begun")),
        }
    }

    /// The key of a file.
    pub(super) fn key_of(&self, at: Where<'_>) -> Result<String, TargetError> {
        match at {
            Where::Staged(txn, path) => self.beneath(&self.open_txn(txn)?.intent.folder(), path),
            Where::Object(object, path) => self.beneath(&live(object), path),
            Where::Root(path) => self.beneath("ocfl", path),
            Where::Kept(name) => self.kept_key(name),
        }
    }

    pub(super) fn begin_txn(&self, txn: &Txn, object: &ObjectId, version: u32) -> Result<(), TargetError> {
        let mut known = self.intents.of_item(txn);
        if known.as_ref().is_some_and(|open| open.intent.fence > txn.fence) {
            return Err(self.talk.io("", "a later lease has taken this transaction over"));
        }
        if let Some(other) = known.take_if(|open| !open.intent.is_of(object, version)) {
            // Of another plan of the same item.
            self.discard_intent(&other.intent)?;
        }
        let _claim = self.claim(object);
        self.mend(object, version)?;
        let mut intent = Intent {
            ledger: txn.ledger.clone(),
            item: txn.item,
            fence: txn.fence,
            object: object.clone(),
            version,
            path: layout::object_path(object),
            staging: Staging::Final,
            base_tag: None,
            host: super::lease::host(),
            at: self.talk.clock.now(),
        };
        let lies_final = known.as_ref().is_some_and(|open| open.intent.staging == Staging::Final);
        let (head, damaged) = match self.look_at_head(object) {
            // What lies there is an object all the same, and may be given up: nothing is written there before.
            Err(TargetError::Io { .. }) if !lies_final => (None, true),
            head => (head?, false),
        };
        let published = damaged || head.as_ref().is_some_and(|(head, _)| head.version >= version);
        intent.base_tag = head.map(|(_, tag)| tag);
        intent.staging = match &known {
            Some(open) if open.intent.staging != Staging::Final => open.intent.staging,
            Some(_) if !published => Staging::Final,
            None if !published && self.intents.rival(&intent).is_none() => Staging::Final,
            _ => Staging::Aside,
        };
        // A bucket remembers nothing of an upload but its key: what is left there of others is nobody's any more.
        let left = self.look_what_is_left(&intent, known.is_some())?;
        self.write_intent(intent, known.map(|open| open.tag), Arc::new(left))
    }

    /// Writes an intent, over the one with this tag.
    pub(super) fn write_intent(
        &self,
        intent: Intent,
        over: Option<String>,
        left: Arc<Left>,
    ) -> Result<(), TargetError> {
        let (key, text) = (intent.key(), json(&intent));
        let only = over.as_deref().map_or(If::New, If::Is);
        let tag = match self.put_text(&key, &text, only) {
            Ok(tag) => tag,
            Err(no) if no.is_condition() => match self.talk.get(&key, TEXT_MAX)? {
                // An answer was lost, and the request sent again.
                Some((found, tag)) if found == text => tag,
                _ => return Err(self.talk.io(&key, "another process writes this transaction")),
            },
            Err(no) => return Err(self.talk.told(&key, no)),
        };
        self.intents.set(Open { intent, tag, left });
        Ok(())
    }

    /// What lies where this transaction stages. Uploads of one that is not resumed are given up.
    fn look_what_is_left(&self, intent: &Intent, resumed: bool) -> Result<Left, TargetError> {
        let mut left = Left::default();
        let start = format!("{}/v{}/content/", intent.folder(), intent.version);
        if self.abilities.parts && self.abilities.uploads_listed {
            for (key, id) in self.talk.uploads(&start)? {
                if !resumed || left.uploads.contains_key(&key) {
                    self.talk.abort(&key, &id)?;
                } else {
                    left.uploads.insert(key, id);
                }
            }
        }
        if resumed {
            self.talk.list(&start, None, &mut |found| {
                if let Some(tag) = Tag::parse(&found.tag) {
                    left.keys.insert(short(&found.key), (found.bytes, tag));
                }
                if left.keys.len() < LEFT_MAX { Go::On } else { Go::Stop }
            })?;
        }
        Ok(left)
    }

    pub(super) fn discard_item(&self, txn: &Txn) -> Result<(), TargetError> {
        match self.intents.of_item(txn) {
            Some(open) => self.discard_intent(&open.intent),
            None => Ok(()),
        }
    }

    /// Removes what it staged and what nothing published names, its intent last.
    pub(super) fn discard_intent(&self, intent: &Intent) -> Result<(), TargetError> {
        let _claim = self.claim(&intent.object);
        if intent.staging != Staging::Aside {
            self.mend(&intent.object, intent.version)?;
            let head = self.look_at_head(&intent.object)?.map(|(head, _)| head.version);
            if head.is_none_or(|head| head < intent.version) {
                self.clear(&format!("{}/v{}/", live(&intent.object), intent.version))?;
            }
            // Whoever publishes the object writes them anew. Of a later version, they are those of the object itself, which
            // has only lost its declaration.
            if head.is_none() && intent.version == 1 {
                for name in [layout::INVENTORY, layout::SIDECAR] {
                    self.talk.delete(&format!("{}/{name}", live(&intent.object)))?;
                }
            }
        }
        self.close(intent)
    }

    /// Removes what lies aside, and the intent.
    pub(super) fn close(&self, intent: &Intent) -> Result<(), TargetError> {
        if intent.staging != Staging::Final {
            self.clear(&format!("{}/", intent.aside()))?;
        }
        self.talk.delete(&intent.key())?;
        self.intents.forget(intent);
        Ok(())
    }

    /// Removes every key that starts so, and gives up its uploads.
    pub(super) fn clear(&self, start: &str) -> Result<(), TargetError> {
        if self.abilities.parts && self.abilities.uploads_listed {
            for (key, id) in self.talk.uploads(start)? {
                self.talk.abort(&key, &id)?;
            }
        }
        loop {
            // Page by page, from the beginning: what is removed while it is listed may hide what follows.
            let mut keys = Vec::new();
            self.talk.list(start, None, &mut |found| {
                keys.push(found.key);
                if keys.len() < 1_000 { Go::On } else { Go::Stop }
            })?;
            self.delete_all(&keys)?;
            if keys.len() < 1_000 {
                return Ok(());
            }
        }
    }

    /// Removes these keys, several at once.
    pub(super) fn delete_all(&self, keys: &[String]) -> Result<(), TargetError> {
        let next = std::sync::atomic::AtomicUsize::new(0);
        super::uploads::in_threads(keys.len().min(self.talk.connections), &|| {
            while let Some(key) = keys.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                self.talk.delete(key)?;
            }
            Ok(())
        })
    }

    /// Finishes every version that a stop left half published.
    pub(super) fn mend_all(&self) -> Result<(), TargetError> {
        for intent in self.intents.all() {
            let _claim = self.claim(&intent.object);
            self.mend(&intent.object, intent.version)?;
            if intent.ledger != self.ledger {
                log::warn!(
                    "target {}: version {} of {} was on its way for the ledger {}; it is left as it is",
                    self.name,
                    intent.version,
                    intent.object,
                    intent.ledger
                );
            }
        }
        Ok(())
    }
}
