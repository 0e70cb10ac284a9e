//! Deposits in memory, for rehearsals.
//!
//! - Reading fails while the fate is dark; no change of a deposit counts as a write.
//! - A deposit's pin changes whenever it is changed or added anew.
//! - Keys with a scheme (`https://…`) must be fetched; what the next fetches do wrong can be told beforehand.
//! - Withheld addresses lie on a shelf in memory, whose puts and removals count as writes.
//! - What lies at `source://NAME/…` is what the source NAME lists, three keys a page.

use crate::model::fact::BagPath;
use crate::model::item::Form;
use crate::model::trouble::Trouble;
use crate::rules::address::shown;
use crate::rules::read::ReadAt;
use crate::worlds::clock::rehearsal::RehearsalClock;
use crate::worlds::fate::Fate;
use crate::worlds::source::withheld::{Shelf, Withheld};
use crate::worlds::source::{
    Arrival, Disposal, Disposed, Entry, GivenDigest, Listed, Page, Source, SourceError,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard};

/// Modification time of every file in a rehearsal: 2026-01-01T00:00:00Z.
const MTIME: i64 = 1_767_225_600;

/// Deposits in memory.
pub struct RehearsalSource {
    fate: Arc<Fate>,
    state: Mutex<State>,
    shelf: Arc<MemoryShelf>,
    withheld: Withheld,
}

/// What a fetch does wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails like this before the first byte.
    Refuses(SourceError),
    /// It breaks off after so many bytes.
    BreaksAfter(u64),
    /// The deposit is another one from now on.
    Changes,
}

#[derive(Default)]
struct State {
    deposits: BTreeMap<String, Deposit>,
    changes: u64,
    faults: VecDeque<Fault>,
    no_ranges: bool,
    given: Vec<GivenDigest>,
    fetched: u64,
    asked: Asked,
    no_listing: Option<SourceError>,
    locked: BTreeSet<String>,
}

/// How often the source was asked for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `look`.
    pub looks: u64,
    /// Pages of listings.
    pub pages: u64,
}

/// Texts in memory.
struct MemoryShelf {
    fate: Arc<Fate>,
    texts: Mutex<BTreeMap<String, String>>,
}

impl MemoryShelf {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.texts.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

fn no_power<T>(_: T) -> io::Error {
    io::Error::other("the rehearsal has no power")
}

impl Shelf for Arc<MemoryShelf> {
    fn put(&self, name: &str, text: &str) -> io::Result<()> {
        self.fate.write(|| self.lock().insert(name.into(), text.into())).map(drop).map_err(no_power)
    }

    fn get(&self, name: &str) -> io::Result<Option<String>> {
        self.fate.read().map_err(no_power)?;
        Ok(self.lock().get(name).cloned())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.lock().contains_key(name) {
            return self.fate.read().map_err(no_power);
        }
        self.fate.write(|| self.lock().remove(name)).map(drop).map_err(no_power)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.fate.read().map_err(no_power)?;
        Ok(self.lock().keys().cloned().collect())
    }
}

struct Deposit {
    change: u64,
    what: What,
}

enum What {
    Tar(Arc<Vec<u8>>),
    Folder(BTreeMap<BagPath, Option<Arc<Vec<u8>>>>),
}

impl RehearsalSource {
    /// No deposit yet.
    pub fn new(fate: Arc<Fate>) -> RehearsalSource {
        let shelf = Arc::new(MemoryShelf { fate: fate.clone(), texts: Mutex::default() });
        let withheld = Withheld::new(Box::new(shelf.clone()), Arc::new(RehearsalClock::new()));
        RehearsalSource { fate, state: Mutex::new(State::default()), shelf, withheld }
    }

    /// Addresses that are withheld.
    pub fn withheld_addresses(&self) -> Vec<String> {
        self.shelf.lock().values().cloned().collect()
    }

    /// What was withheld is lost.
    pub fn lose_withheld(&self) {
        self.shelf.lock().clear();
    }

    /// The key at which the deposit lies that this key stands for.
    fn real(&self, key: &str) -> Result<String, SourceError> {
        Ok(self.withheld.reveal(key)?.unwrap_or_else(|| key.to_string()))
    }

    /// A tar lies at this key from now on.
    pub fn add_tar(&self, key: &str, bytes: Vec<u8>) {
        self.add(key, What::Tar(Arc::new(bytes)));
    }

    /// A folder with these files lies at this key from now on.
    pub fn add_folder(&self, key: &str, files: impl IntoIterator<Item = (BagPath, Vec<u8>)>) {
        let files = files.into_iter().map(|(path, bytes)| (path, Some(Arc::new(bytes)))).collect();
        self.add(key, What::Folder(files));
    }

    /// A folder deposit has something at this path that is no file, such as a link.
    pub fn add_special(&self, key: &str, path: &BagPath) {
        let mut state = self.lock();
        if let Some(Deposit { what: What::Folder(files), .. }) = state.deposits.get_mut(key) {
            files.insert(path.clone(), None);
        }
    }

    /// A tar has other bytes from now on, and another pin. What was opened before keeps its bytes.
    pub fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let old = match state.deposits.get(key) {
            Some(Deposit { what: What::Tar(bytes), .. }) => bytes.clone(),
            _ => return,
        };
        let mut bytes = old.to_vec();
        change(&mut bytes);
        state.insert(key, What::Tar(Arc::new(bytes)));
    }

    /// A file of a folder deposit has these bytes from now on; `None` takes it away.
    pub fn change_member(&self, key: &str, path: &BagPath, bytes: Option<Vec<u8>>) {
        let mut state = self.lock();
        state.changes += 1;
        let change = state.changes;
        if let Some(Deposit { change: last, what: What::Folder(files) }) = state.deposits.get_mut(key) {
            *last = change;
            match bytes {
                Some(bytes) => files.insert(path.clone(), Some(Arc::new(bytes))),
                None => files.remove(path),
            };
        }
    }

    /// The next fetches do these things wrong, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().faults.extend(faults);
    }

    /// From now on listings fail like this; `None`: they do not.
    pub fn fail_listing(&self, error: Option<SourceError>) {
        self.lock().no_listing = error;
    }

    /// What lies at this key may not be read from now on; or may be again.
    pub fn lock_out(&self, key: &str, locked: bool) {
        let mut state = self.lock();
        match locked {
            true => state.locked.insert(key.to_string()),
            false => state.locked.remove(key),
        };
    }

    /// From now on only whole deposits are given.
    pub fn without_ranges(&self) {
        self.lock().no_ranges = true;
    }

    /// Digests that are given for every deposit from now on.
    pub fn give(&self, given: Vec<GivenDigest>) {
        self.lock().given = given;
    }

    /// Bytes that were fetched in all.
    pub fn fetched(&self) -> u64 {
        self.lock().fetched
    }

    /// How often it was asked for what.
    pub fn asked(&self) -> Asked {
        self.lock().asked
    }

    /// True when something lies there.
    pub fn holds(&self, key: &str) -> bool {
        self.lock().deposits.contains_key(key)
    }

    /// What lies at one key lies at another from now on, unchanged.
    pub fn rename(&self, from: &str, to: &str) {
        let mut state = self.lock();
        if let Some(deposit) = state.deposits.remove(from) {
            state.deposits.insert(to.to_string(), deposit);
        }
    }

    /// Nothing lies at this key from now on.
    pub fn remove(&self, key: &str) {
        self.lock().deposits.remove(key);
    }

    fn add(&self, key: &str, what: What) {
        self.lock().insert(key, what);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    fn read(&self, key: &str) -> Result<(), SourceError> {
        let dark =
            |_| SourceError::Io { key: key.to_string(), why: "the rehearsal has no power".to_string() };
        self.fate.read().map_err(dark)
    }

    fn opened(&self, bytes: &Arc<Vec<u8>>) -> Box<dyn ReadAt> {
        Box::new(Opened { bytes: bytes.clone(), fate: self.fate.clone() })
    }
}

impl State {
    fn insert(&mut self, key: &str, what: What) {
        self.changes += 1;
        self.deposits.insert(key.to_string(), Deposit { change: self.changes, what });
    }

    fn get(&self, key: &str) -> Result<&Deposit, SourceError> {
        self.deposits.get(key).ok_or_else(|| SourceError::Gone { key: shown(key) })
    }
}

fn denied(key: &str, why: &str) -> SourceError {
    SourceError::Denied { key: key.to_string(), why: why.to_string() }
}

struct Opened {
    bytes: Arc<Vec<u8>>,
    fate: Arc<Fate>,
}

impl ReadAt for Opened {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fate.read().map_err(|_| io::Error::other("the rehearsal has no power"))?;
        self.bytes.as_slice().read_at(buf, offset)
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

fn must_be_fetched(key: &str) -> bool {
    key.contains("://")
}

struct Fetched {
    bytes: io::Take<io::Cursor<Vec<u8>>>,
    broken: Option<SourceError>,
}

impl Read for Fetched {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match (self.bytes.read(buf)?, self.broken.take()) {
            (0, Some(broken)) if !buf.is_empty() => Err(broken.into_io()),
            (got, broken) => {
                self.broken = broken;
                Ok(got)
            }
        }
    }
}

impl Source for RehearsalSource {
    fn withheld(&self) -> Option<&Withheld> {
        Some(&self.withheld)
    }

    fn look(&self, key: &str) -> Result<Arrival, SourceError> {
        self.read(key)?;
        let key = &self.real(key)?;
        let mut state = self.lock();
        state.asked.looks += 1;
        if state.locked.contains(key.as_str()) {
            return Err(denied(key, "it is locked"));
        }
        let deposit = state.get(key)?;
        let (form, bytes) = match &deposit.what {
            What::Tar(bytes) => (Form::Tar, bytes.len() as u64),
            What::Folder(files) => {
                (Form::Folder, files.values().flatten().map(|bytes| bytes.len() as u64).sum())
            }
        };
        let arrival = Arrival::in_place(form, bytes, format!("change {}, {bytes} bytes", deposit.change));
        match must_be_fetched(key) {
            false => Ok(arrival),
            true => Ok(Arrival {
                in_place: false,
                connections: 3,
                mark: format!("change {}", deposit.change),
                given: state.given.clone(),
                ..arrival
            }),
        }
    }

    fn fetch(
        &self,
        key: &str,
        arrival: &Arrival,
        from: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        self.read(key)?;
        let key = &self.real(key)?;
        let mut state = self.lock();
        let mut breaks_after = u64::MAX;
        match state.faults.pop_front() {
            Some(Fault::Refuses(error)) => return Err(error),
            Some(Fault::BreaksAfter(bytes)) => breaks_after = bytes,
            Some(Fault::Changes) => {
                drop(state);
                self.change(key, |bytes| bytes.extend_from_slice(&[0; 512]));
                state = self.lock();
            }
            None => {}
        }
        let no_ranges = state.no_ranges;
        let deposit = state.get(key)?;
        let What::Tar(bytes) = &deposit.what else { return Err(denied(key, "it is a folder")) };
        if arrival.pin != format!("change {}, {} bytes", deposit.change, bytes.len()) {
            let why = format!("it is at change {} now", deposit.change);
            return Err(SourceError::Changed { key: key.into(), why });
        }
        if no_ranges && (from, length) != (0, bytes.len() as u64) {
            return Err(SourceError::NoRanges { key: key.into() });
        }
        let part = bytes.get(from as usize..(from + length) as usize).unwrap_or_default().to_vec();
        let whole = part.len() as u64;
        let given = whole.min(breaks_after);
        state.fetched += given;
        let broken = (given < whole).then(|| SourceError::Unreachable {
            key: key.into(),
            why: format!("the connection broke after {given} of {whole} bytes"),
        });
        Ok(Box::new(Fetched { bytes: io::Cursor::new(part).take(given), broken }))
    }

    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError> {
        self.read(key)?;
        if must_be_fetched(key) {
            return Err(SourceError::Wrong { key: key.into(), why: "it must be fetched first".into() });
        }
        match &self.lock().get(key)?.what {
            What::Tar(bytes) => Ok(self.opened(bytes)),
            What::Folder(_) => Err(denied(key, "it is a folder")),
        }
    }

    fn walk(
        &self,
        key: &str,
        each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.read(key)?;
        // Copied first: `each` may take its time, or look at this source again.
        let entries: Vec<(BagPath, Entry)> = match &self.lock().get(key)?.what {
            What::Tar(_) => return Err(denied(key, "it is a file, not a folder").into()),
            What::Folder(files) => files
                .iter()
                .map(|(path, bytes)| match bytes {
                    Some(bytes) => (path.clone(), Entry::File { size: bytes.len() as u64, mtime: MTIME }),
                    None => (path.clone(), Entry::Special),
                })
                .collect(),
        };
        for (path, entry) in entries {
            self.read(key)?;
            each(path, entry)?;
        }
        Ok(())
    }

    fn open_member(&self, key: &str, path: &BagPath) -> Result<Box<dyn ReadAt>, SourceError> {
        self.read(key)?;
        let state = self.lock();
        let member = format!("{key}/{}", path.shown());
        match &state.get(key)?.what {
            What::Tar(_) => Err(denied(key, "it is a file, not a folder")),
            What::Folder(files) => match files.get(path) {
                Some(Some(bytes)) => Ok(self.opened(bytes)),
                Some(None) => Err(denied(&member, "it is no regular file")),
                None => Err(SourceError::Gone { key: member }),
            },
        }
    }

    fn list(&self, source: &str, after: Option<&str>) -> Result<Page, SourceError> {
        /// Keys on a page.
        const PAGE: usize = 3;
        self.read(source)?;
        let mut state = self.lock();
        state.asked.pages += 1;
        if let Some(error) = &state.no_listing {
            return Err(error.clone());
        }
        let place = format!("source://{source}/");
        let mut entries: Vec<Listed> = Vec::new();
        let from = format!("{place}{}", after.unwrap_or_default());
        for (key, deposit) in state.deposits.range(from..).take_while(|(key, _)| key.starts_with(&place)) {
            let (Some(name), What::Tar(bytes)) = (key.strip_prefix(&place), &deposit.what) else { continue };
            if after.is_some_and(|after| name <= after) {
                continue;
            }
            if entries.len() == PAGE {
                let next = entries.last().map(|last| last.name.clone());
                return Ok(Page { entries, next });
            }
            let mark = format!("change {}", deposit.change);
            let (key, name, bytes) = (key.clone(), name.to_string(), bytes.len() as u64);
            entries.push(Listed { key, name, bytes, mark, modified: None });
        }
        Ok(Page { entries, next: None })
    }

    fn dispose(&self, key: &str, pin: &str, how: &Disposal) -> Result<Disposed, SourceError> {
        self.read(key)?;
        let mut state = self.lock();
        let Ok(deposit) = state.get(key) else { return Ok(Disposed::Absent) };
        let What::Tar(bytes) = &deposit.what else { return Err(denied(key, "it is a folder")) };
        if pin != format!("change {}, {} bytes", deposit.change, bytes.len()) {
            return Ok(Disposed::Changed);
        }
        let deposit = state.deposits.remove(key).expect("it was just there");
        match how {
            Disposal::Delete => Ok(Disposed::Done { to: None }),
            Disposal::Move { to } => {
                let name = key.rsplit('/').next().unwrap_or(key);
                let new = format!("{to}/{name}");
                state.deposits.insert(new.clone(), deposit);
                Ok(Disposed::Done { to: Some(new) })
            }
        }
    }
}
