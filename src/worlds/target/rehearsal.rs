//! A target in memory, for tests: knows what is staged and what is published, and can store wrong bytes on purpose.
//!
//! - Every file of a `put`, every `publish`, every `log`, every swap and every removed file of an `entomb`, and each `begin`
//!   or `discard` that changes something, is one write of its `Fate`.
//! - What a write left before the power was cut is there after it; a cut `publish` has happened or has not.

mod burial;
mod mending;

use crate::model::digest::hex;
use crate::model::object::ObjectId;
use crate::rules::ocfl::inventory::{self, Row};
use crate::rules::ocfl::layout;
use crate::rules::read::{ReadAt, Slice};
use crate::worlds::Space;
use crate::worlds::fate::{Fate, Struck};
use crate::worlds::target::burial::{Burial, Buried, GoOn};
use crate::worlds::target::holdings::{Holdings, KeptFile, Lies, UnderWay, is_plain_name};
use crate::worlds::target::mending::Aside;
use crate::worlds::target::{Head, Publication, Put, Target, TargetError, Txn, Where};
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a rehearsal target stores instead of the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rot {
    /// Nothing.
    Empty,
    /// As many bytes, all zero.
    Zeroes,
    /// All but the last byte.
    Short,
    /// One bit is another.
    BitFlip,
    /// As many bytes, all others.
    OtherBytes,
    /// No file at all, though it says that there is one.
    Lost,
    /// The right bytes, though it says that it failed.
    Unsaid,
}

type Files = BTreeMap<String, Arc<Vec<u8>>>;

#[derive(Clone, Debug, Default)]
struct Object {
    version: u32,
    inventory_sha512: String,
    files: Files,
}

#[derive(Debug, Default)]
struct State {
    staged: BTreeMap<(String, u64, u64), Files>,
    objects: BTreeMap<ObjectId, Object>,
    /// Which object lies in which folder.
    folders: BTreeMap<String, ObjectId>,
    kept: BTreeMap<String, Arc<Vec<u8>>>,
    quarantine: BTreeMap<String, (Aside, Arc<Vec<u8>>)>,
    /// Files of objects that gave way to tombstones, by the item.
    trash: BTreeMap<u64, Files>,
    stubborn: String,
    rot: Option<Rot>,
    puts: u64,
    gone: bool,
}

/// A target in memory.
pub struct RehearsalTarget {
    name: String,
    fate: Arc<Fate>,
    state: Mutex<State>,
}

impl RehearsalTarget {
    /// An empty target.
    pub fn new(name: &str, fate: Arc<Fate>) -> RehearsalTarget {
        RehearsalTarget { name: name.into(), fate, state: Mutex::default() }
    }

    /// The next file that is put is stored like this instead.
    pub fn corrupt_next_put(&self, rot: Rot) {
        self.lock().rot = Some(rot);
    }

    /// Takes the target away (true) or brings it back.
    pub fn unmount(&self, gone: bool) {
        self.lock().gone = gone;
    }

    /// Files put since it was made, also those put again.
    pub fn puts(&self) -> u64 {
        self.lock().puts
    }

    /// Ids of the published objects, sorted.
    pub fn objects(&self) -> Vec<ObjectId> {
        self.lock().objects.keys().cloned().collect()
    }

    /// Files of a published object by their paths in it; none when there is no such object.
    pub fn files(&self, object: &ObjectId) -> BTreeMap<String, Arc<Vec<u8>>> {
        self.lock().objects.get(object).map(|object| object.files.clone()).unwrap_or_default()
    }

    /// Files staged by all transactions together.
    pub fn staged(&self) -> usize {
        self.lock().staged.values().map(BTreeMap::len).sum()
    }

    /// Replaces the bytes of a published file, as rot does.
    pub fn damage(&self, object: &ObjectId, path: &str, bytes: Vec<u8>) {
        if let Some(object) = self.lock().objects.get_mut(object) {
            object.files.insert(path.into(), Arc::new(bytes));
        }
    }

    /// Takes away a published object, or one file of it.
    pub fn lose(&self, object: &ObjectId, path: Option<&str>) {
        let mut state = self.lock();
        match path {
            None => {
                state.folders.remove(&layout::object_path(object));
                state.objects.remove(object);
            }
            Some(path) => drop(state.objects.get_mut(object).and_then(|object| object.files.remove(path))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    fn ready(&self) -> Result<MutexGuard<'_, State>, TargetError> {
        self.fate.read().map_err(|struck| self.struck(struck, ""))?;
        let state = self.lock();
        if state.gone {
            return Err(TargetError::Missing { target: self.name.clone(), why: "it was taken away".into() });
        }
        Ok(state)
    }

    fn struck(&self, struck: Struck, path: &str) -> TargetError {
        match struck {
            Struck::Full => TargetError::Full { target: self.name.clone() },
            Struck::Error => self.io(path, "an I/O error, as rehearsed"),
            Struck::NoPower => self.io(path, "no power, as rehearsed"),
        }
    }

    fn io(&self, path: &str, why: impl Into<String>) -> TargetError {
        TargetError::Io { target: self.name.clone(), path: path.into(), why: why.into() }
    }

    fn moved(&self, why: impl Into<String>) -> TargetError {
        TargetError::Moved { target: self.name.clone(), why: why.into() }
    }

    fn bytes_at(&self, state: &State, at: Where<'_>) -> Result<Arc<Vec<u8>>, TargetError> {
        let (files, path) = match at {
            Where::Staged(txn, path) => (state.staged.get(&key(txn)), path),
            Where::Object(object, path) => (state.objects.get(object).map(|object| &object.files), path),
            Where::Root(path) => {
                // A folder sorts before all that is in it; the digest in its path keeps it apart from others.
                let folder = state.folders.range(..=path.to_string()).next_back();
                let found = folder.and_then(|(folder, id)| Some((id, within(folder, path)?)));
                match found {
                    Some((id, path)) => (state.objects.get(id).map(|object| &object.files), path),
                    None => (None, path),
                }
            }
            Where::Kept(name) => (Some(&state.kept), name),
        };
        let bytes = files.and_then(|files| files.get(path)).cloned();
        bytes.ok_or_else(|| TargetError::Absent { target: self.name.clone(), path: path.to_string() })
    }

    /// The object as it would be published, or why it cannot be.
    fn assemble(&self, state: &State, txn: &Txn, what: &Publication<'_>) -> Result<Object, TargetError> {
        let files = match (state.objects.get(what.object), what.base_sha512) {
            (None, None) => Files::new(),
            (Some(live), Some(base)) if live.inventory_sha512 == base => live.files.clone(),
            (None, Some(_)) => return Err(self.moved("the object is not there any more")),
            (Some(live), _) => {
                return Err(self.moved(format!("version {} is there, with another inventory", live.version)));
            }
        };
        self.whole(state, txn, what, files)
    }

    /// These files, with those of a version that is staged.
    fn whole(
        &self,
        state: &State,
        txn: &Txn,
        what: &Publication<'_>,
        mut files: Files,
    ) -> Result<Object, TargetError> {
        let mut json = Vec::new();
        let read = Slice::whole(what.inventory).read_to_end(&mut json);
        read.map_err(|error| TargetError::Source { path: layout::INVENTORY.into(), why: error.to_string() })?;
        if hex(&Sha512::digest(&json)) != what.inventory_sha512 {
            let why = "its digest is not the one it was frozen with";
            return Err(TargetError::Source { path: layout::INVENTORY.into(), why: why.into() });
        }
        let staged = state.staged.get(&key(txn));
        let content = format!("v{}/content/", what.version);
        let mut missing = None;
        inventory::walk(&json[..], &mut |row| {
            if let Row::Content { path, .. } = row
                && path.starts_with(&content)
            {
                match staged.and_then(|staged| staged.get(path)) {
                    Some(bytes) => drop(files.insert(path.into(), bytes.clone())),
                    None => missing = Some(path.to_string()),
                }
            }
            Ok(())
        })
        .map_err(|error| self.io(layout::INVENTORY, error.to_string()))?;
        if let Some(path) = missing {
            return Err(self.io(&path, "it was not staged"));
        }
        let json = Arc::new(json);
        let sidecar = Arc::new(layout::sidecar(what.inventory_sha512).into_bytes());
        for folder in [String::new(), format!("v{}/", what.version)] {
            files.insert(format!("{folder}{}", layout::INVENTORY), json.clone());
            files.insert(format!("{folder}{}", layout::SIDECAR), sidecar.clone());
        }
        let (name, text) = layout::OBJECT_DECLARATION;
        files.insert(name.into(), Arc::new(text.into()));
        Ok(Object { version: what.version, inventory_sha512: what.inventory_sha512.into(), files })
    }
}

fn key(txn: &Txn) -> (String, u64, u64) {
    (txn.ledger.clone(), txn.item, txn.fence)
}

fn same_item(key: &(String, u64, u64), txn: &Txn) -> bool {
    key.0 == txn.ledger && key.1 == txn.item
}

/// The path in an object's folder of a path in the storage root.
fn within<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

fn rotten(rot: Rot, mut bytes: Vec<u8>) -> Vec<u8> {
    match rot {
        Rot::Empty => bytes.clear(),
        Rot::Zeroes => bytes.fill(0),
        Rot::Short => drop(bytes.pop()),
        Rot::BitFlip => {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 4;
            }
        }
        Rot::Lost | Rot::Unsaid => {}
        Rot::OtherBytes => bytes.iter_mut().for_each(|byte| *byte = !*byte),
    }
    bytes
}

impl Target for RehearsalTarget {
    fn root(&self) -> String {
        format!("rehearsal:{}", self.name)
    }

    fn space(&self) -> Result<Space, TargetError> {
        drop(self.ready()?);
        Ok(Space {
            free_bytes: 1 << 40,
            free_inodes: u64::MAX,
            total_bytes: 1 << 41,
            block_bytes: 4096,
            device: 0,
        })
    }

    fn head(&self, object: &ObjectId) -> Result<Option<Head>, TargetError> {
        let state = self.ready()?;
        let Some(live) = state.objects.get(object) else { return Ok(None) };
        let found = live.files.get(layout::INVENTORY).map(|json| hex(&Sha512::digest(json.as_slice())));
        if found.as_deref() != Some(live.inventory_sha512.as_str()) {
            return Err(self.io(layout::INVENTORY, "the root inventory is not what its sidecar says"));
        }
        Ok(Some(Head {
            version: live.version,
            inventory_sha512: live.inventory_sha512.clone(),
            path: layout::object_path(object),
        }))
    }

    fn begin(&self, txn: &Txn, _object: &ObjectId, version: u32) -> Result<(), TargetError> {
        let mut state = self.ready()?;
        let fences: Vec<_> = state.staged.keys().filter(|known| same_item(known, txn)).cloned().collect();
        if fences.iter().any(|known| known.2 > txn.fence) {
            return Err(self.io("", "a later lease has taken this transaction over"));
        }
        if fences == [key(txn)] {
            return Ok(());
        }
        let content = format!("v{version}/content/");
        let begun = self.fate.write(|| {
            let adopted = fences.iter().max().and_then(|known| state.staged.remove(known));
            state.staged.retain(|known, _| !same_item(known, txn));
            let mut files = adopted.unwrap_or_default();
            files.retain(|path, _| path.starts_with(&content));
            state.staged.insert(key(txn), files);
        });
        begun.map_err(|struck| self.struck(struck, ""))
    }

    fn put(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError> {
        let mut state = self.ready()?;
        let mut written = 0;
        for file in files {
            if !state.staged.contains_key(&key(txn)) {
                return Err(self.io(file.content_path, "its transaction was not begun"));
            }
            let mut bytes = Vec::new();
            let read = Slice::new(file.from, file.offset, file.size).read_to_end(&mut bytes);
            read.map_err(|error| TargetError::Source {
                path: file.content_path.into(),
                why: error.to_string(),
            })?;
            let rot = state.rot.take();
            let put = self.fate.write(|| {
                if let Some(rot) = rot {
                    bytes = rotten(rot, std::mem::take(&mut bytes));
                }
                state.puts += 1;
                if rot == Some(Rot::Lost) {
                    return;
                }
                let staged = state.staged.entry(key(txn)).or_default();
                staged.insert(file.content_path.into(), Arc::new(bytes));
            });
            put.map_err(|struck| self.struck(struck, file.content_path))?;
            if rot == Some(Rot::Unsaid) {
                return Err(self.io(file.content_path, "no answer came, as rehearsed"));
            }
            written += file.size;
        }
        Ok(written)
    }

    fn read(&self, at: Where<'_>, sink: &mut dyn FnMut(&[u8])) -> Result<u64, TargetError> {
        let state = self.ready()?;
        let bytes = self.bytes_at(&state, at)?;
        drop(state);
        // More than one piece, so that nobody may count on getting a file at once.
        for piece in bytes.chunks(7_000) {
            sink(piece);
        }
        Ok(bytes.len() as u64)
    }

    fn publish(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError> {
        let mut state = self.ready()?;
        let path = layout::object_path(what.object);
        let live = state.objects.get(what.object);
        if live.is_some_and(|live| live.inventory_sha512 == what.inventory_sha512) {
            state.staged.retain(|known, _| !same_item(known, txn));
            return Ok(path);
        }
        let object = self.assemble(&state, txn, what)?;
        let published = self.fate.write(|| {
            state.objects.insert(what.object.clone(), object);
            state.folders.insert(path.clone(), what.object.clone());
            state.staged.retain(|known, _| !same_item(known, txn));
        });
        published.map_err(|struck| self.struck(struck, &path))?;
        Ok(path)
    }

    fn log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        let mut state = self.ready()?;
        let path = format!("logs/premis/{name}");
        let Some(live) = state.objects.get_mut(object) else {
            return Err(self.io(&path, "there is no such object"));
        };
        match live.files.get(&path) {
            Some(known) if known.as_slice() == bytes => return Ok(()),
            Some(_) => return Err(self.io(&path, "another log of this name is there")),
            None => {}
        }
        let logged = self.fate.write(|| live.files.insert(path.clone(), Arc::new(bytes.to_vec())));
        logged.map(drop).map_err(|struck| self.struck(struck, &path))
    }

    fn entomb(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        self.bury(txn, what, go_on)
    }

    fn discard(&self, txn: &Txn) -> Result<(), TargetError> {
        let mut state = self.ready()?;
        if !state.staged.keys().any(|known| same_item(known, txn)) {
            return Ok(());
        }
        let discarded = self.fate.write(|| state.staged.retain(|known, _| !same_item(known, txn)));
        discarded.map_err(|struck| self.struck(struck, ""))
    }
}

impl Holdings for RehearsalTarget {
    fn walk(&self, after: Option<&str>, each: &mut dyn FnMut(Lies<'_>) -> bool) -> Result<(), TargetError> {
        let folders: Vec<String> = self.ready()?.folders.keys().cloned().collect();
        let mut rest = folders.iter().filter(|folder| after.is_none_or(|after| folder.as_str() > after));
        let _all = rest.all(|folder| each(Lies::Object(folder)));
        Ok(())
    }

    fn files(&self, folder: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), TargetError> {
        let state = self.ready()?;
        let found = state.folders.get(folder).and_then(|id| state.objects.get(id));
        let Some(object) = found else {
            return Err(TargetError::Absent { target: self.name.clone(), path: folder.to_string() });
        };
        object.files.iter().for_each(|(path, bytes)| each(path, bytes.len() as u64));
        Ok(())
    }

    fn open(&self, at: Where<'_>) -> Result<Box<dyn ReadAt>, TargetError> {
        let state = self.ready()?;
        Ok(Box::new(self.bytes_at(&state, at)?))
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, TargetError> {
        let state = self.ready()?;
        let one = |key: &(String, u64, u64)| UnderWay {
            ledger: key.0.clone(),
            item: key.1,
            path: None,
            orphan: false,
        };
        Ok(state.staged.keys().map(one).collect())
    }

    fn keep(&self, name: &str, from: &dyn ReadAt) -> Result<(), TargetError> {
        let mut state = self.ready()?;
        if !is_plain_name(name) {
            return Err(self.io(name, "no name for something that is kept beside the root"));
        }
        let mut bytes = Vec::new();
        let read = Slice::whole(from).read_to_end(&mut bytes);
        read.map_err(|error| TargetError::Source { path: name.into(), why: error.to_string() })?;
        let kept = self.fate.write(|| state.kept.insert(name.into(), Arc::new(bytes)));
        kept.map(drop).map_err(|struck| self.struck(struck, name))
    }

    fn kept(&self) -> Result<Vec<KeptFile>, TargetError> {
        let state = self.ready()?;
        let kept = state.kept.iter();
        Ok(kept.map(|(name, bytes)| KeptFile { name: name.clone(), bytes: bytes.len() as u64 }).collect())
    }

    fn forget(&self, name: &str) -> Result<(), TargetError> {
        let mut state = self.ready()?;
        if !state.kept.contains_key(name) {
            return Ok(());
        }
        let forgotten = self.fate.write(|| state.kept.remove(name));
        forgotten.map(drop).map_err(|struck| self.struck(struck, name))
    }
}
