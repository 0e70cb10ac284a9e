//! A place in memory, for rehearsals.
//!
//! - Each `put`, `publish`, `remove` and `discard` is one write of the fate; a put that the power interrupts leaves half.

use super::{Bytes, Outlet, OutletError, Outlets, Parcel, Stand};
use crate::rules::read::Slice;
use crate::worlds::fate::{Fate, Struck};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};

/// Files by the name they lie under and their path there.
type Files = BTreeMap<(String, String), Arc<Vec<u8>>>;

#[derive(Default)]
struct State {
    files: Files,
    puts: u64,
    spoil: bool,
    full: bool,
    gone: bool,
}

/// A place in memory; every name opens the same.
#[derive(Clone)]
pub struct RehearsalOutlet {
    fate: Arc<Fate>,
    state: Arc<Mutex<State>>,
}

impl RehearsalOutlet {
    /// An empty place.
    pub fn new(fate: Arc<Fate>) -> RehearsalOutlet {
        RehearsalOutlet { fate, state: Arc::default() }
    }

    /// What lies under this name, by path.
    pub fn lies_under(&self, name: &str) -> BTreeMap<String, Arc<Vec<u8>>> {
        let state = self.lock();
        let of = state.files.iter().filter(|((under, _), _)| under == name);
        of.map(|((_, path), bytes)| (path.clone(), bytes.clone())).collect()
    }

    /// Every name that something lies under.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.lock().files.keys().map(|(name, _)| name.clone()).collect();
        names.dedup();
        names
    }

    /// Somebody else puts a file there.
    pub fn lay(&self, name: &str, path: &str, bytes: &[u8]) {
        self.lock().files.insert((name.into(), path.into()), Arc::new(bytes.to_vec()));
    }

    /// Somebody takes everything away.
    pub fn clear(&self) {
        self.lock().files.clear();
    }

    /// Files put since it was made, also those put again.
    pub fn puts(&self) -> u64 {
        self.lock().puts
    }

    /// From now on every file that is put lies there with one bit changed, or as it should again.
    pub fn spoil(&self, spoil: bool) {
        self.lock().spoil = spoil;
    }

    /// From now on nothing more fits there, or again.
    pub fn fill(&self, full: bool) {
        self.lock().full = full;
    }

    /// Takes the place away (true) or brings it back.
    pub fn unmount(&self, gone: bool) {
        self.lock().gone = gone;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    fn ready(&self) -> Result<MutexGuard<'_, State>, OutletError> {
        self.fate.read().map_err(struck)?;
        let state = self.lock();
        match state.gone {
            true => Err(OutletError::Missing { place: "rehearsal".into(), why: "it was taken away".into() }),
            false => Ok(state),
        }
    }
}

fn struck(struck: Struck) -> OutletError {
    let why = match struck {
        Struck::Full => "no space is left, as rehearsed",
        Struck::Error => "an I/O error, as rehearsed",
        Struck::NoPower => "no power, as rehearsed",
    };
    OutletError::Io { place: "rehearsal".into(), why: why.into() }
}

fn under(parcel: &Parcel, stand: Stand) -> String {
    match stand {
        Stand::UnderWay => format!(".{}.{}.part", parcel.name, parcel.work),
        Stand::There => parcel.name.clone(),
    }
}

impl Outlet for RehearsalOutlet {
    fn shown(&self) -> String {
        "rehearsal".into()
    }

    fn renames(&self) -> bool {
        true
    }

    fn lies(&self, parcel: &Parcel) -> Result<bool, OutletError> {
        Ok(self.ready()?.files.keys().any(|(name, _)| *name == parcel.name))
    }

    fn put(&self, parcel: &Parcel, path: &str, bytes: Bytes<'_>) -> Result<(), OutletError> {
        let mut state = self.ready()?;
        let mut all = Vec::new();
        let read = Slice::new(bytes.from, bytes.offset, bytes.size).read_to_end(&mut all);
        read.map_err(|error| OutletError::Source { why: error.to_string() })?;
        if state.full {
            return Err(struck(Struck::Full));
        }
        state.puts += 1;
        if state.spoil {
            match all.first_mut() {
                Some(byte) => *byte ^= 1,
                None => all.push(0),
            }
        }
        let key = (under(parcel, Stand::UnderWay), path.to_string());
        // What is not synced yet may be half there after a power cut.
        let half = Arc::new(all[..all.len() / 2].to_vec());
        let put = self.fate.write(|| {});
        let dark = self.fate.dark();
        state.files.insert(key, if dark || put.is_err() { half } else { Arc::new(all) });
        put.map_err(struck)
    }

    fn sync(&self, _: &Parcel) -> Result<(), OutletError> {
        drop(self.ready()?);
        self.fate.write(|| {}).map_err(struck)
    }

    fn read(
        &self,
        parcel: &Parcel,
        (stand, path): (Stand, &str),
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, OutletError> {
        let found = self.ready()?.files.get(&(under(parcel, stand), path.to_string())).cloned();
        let bytes = found.ok_or_else(|| OutletError::Absent { place: path.into() })?;
        bytes.chunks(7_000).for_each(sink);
        Ok(bytes.len() as u64)
    }

    fn pin(&self, parcel: &Parcel, (stand, path): (Stand, &str)) -> Result<Option<String>, OutletError> {
        let found = self.ready()?.files.get(&(under(parcel, stand), path.to_string())).cloned();
        Ok(found.map(|bytes| format!("{} {:08x}", bytes.len(), crc32fast::hash(&bytes))))
    }

    fn publish(&self, parcel: &Parcel) -> Result<(), OutletError> {
        let mut state = self.ready()?;
        if state.files.keys().any(|(name, _)| *name == parcel.name) {
            return Err(OutletError::Taken { place: parcel.name.clone() });
        }
        let from = under(parcel, Stand::UnderWay);
        let published = self.fate.write(|| {
            let of = |key: &&(String, String)| key.0 == from;
            let keys: Vec<(String, String)> = state.files.keys().filter(of).cloned().collect();
            for key in keys {
                if let Some(bytes) = state.files.remove(&key) {
                    state.files.insert((parcel.name.clone(), key.1), bytes);
                }
            }
        });
        published.map_err(struck)
    }

    fn files(&self, parcel: &Parcel, each: &mut dyn FnMut(&str)) -> Result<(), OutletError> {
        let state = self.ready()?;
        state.files.keys().filter(|(name, _)| *name == parcel.name).for_each(|(_, path)| each(path));
        Ok(())
    }

    fn remove(&self, parcel: &Parcel, path: &str) -> Result<(), OutletError> {
        let mut state = self.ready()?;
        let removed = self.fate.write(|| state.files.remove(&(parcel.name.clone(), path.to_string())));
        removed.map(drop).map_err(struck)
    }

    fn remove_empty(&self, _: &Parcel) -> Result<(), OutletError> {
        self.ready().map(drop)
    }

    fn discard(&self, parcel: &Parcel) -> Result<(), OutletError> {
        let mut state = self.ready()?;
        let from = under(parcel, Stand::UnderWay);
        self.fate.write(|| state.files.retain(|(name, _), _| *name != from)).map_err(struck)
    }
}

impl Outlets for RehearsalOutlet {
    fn open(&self, _: &str) -> Result<Arc<dyn Outlet>, OutletError> {
        Ok(Arc::new(self.clone()))
    }
}
