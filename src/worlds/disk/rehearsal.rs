//! Staging volumes in memory, for rehearsals.
//!
//! - Each `append`, `write`, `rename` and `remove` is one write of the fate.
//! - An append that the power interrupts leaves half its bytes, as a real one may; an interrupted `write` or `rename`
//!   leaves nothing at its place.
//! - Space is counted in blocks; a volume never holds more than it was given.

use crate::rules::read::ReadAt;
use crate::worlds::Space;
use crate::worlds::disk::{Disk, DiskError, Place, below, ours};
use crate::worlds::fate::{Fate, Struck};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes of a block.
const BLOCK: u64 = 4_096;

/// What a volume has at first.
const FREE_AT_FIRST: u64 = 1 << 40;

/// Staging volumes in memory.
pub struct RehearsalDisk {
    fate: Arc<Fate>,
    volumes: Vec<String>,
    state: Mutex<State>,
}

struct State {
    files: BTreeMap<Place, Arc<Vec<u8>>>,
    /// Bytes that each volume can hold.
    holds: BTreeMap<String, u64>,
    mounted: BTreeMap<String, bool>,
}

impl State {
    fn used(&self, volume: &str) -> u64 {
        let ours = self.files.iter().filter(|(place, _)| place.volume == volume);
        ours.map(|(_, bytes)| (bytes.len() as u64).next_multiple_of(BLOCK)).sum()
    }

    fn free(&self, volume: &str) -> u64 {
        self.holds.get(volume).copied().unwrap_or(0).saturating_sub(self.used(volume))
    }

    /// Puts the bytes there if there is room for what they need more than what lies there now.
    fn put(&mut self, place: &Place, bytes: Vec<u8>) -> Result<(), DiskError> {
        let blocks = |len: usize| (len as u64).next_multiple_of(BLOCK);
        let had = self.files.get(place).map_or(0, |old| blocks(old.len()));
        if blocks(bytes.len()).saturating_sub(had) > self.free(&place.volume) {
            return Err(DiskError::Full { volume: place.volume.clone() });
        }
        self.files.insert(place.clone(), Arc::new(bytes));
        Ok(())
    }

    fn within(&self, folder: &Place) -> Vec<Place> {
        let inside = |place: &&Place| below(place, folder).is_some();
        self.files.keys().filter(inside).cloned().collect()
    }
}

impl RehearsalDisk {
    /// One volume, `staging`.
    pub fn new(fate: Arc<Fate>) -> RehearsalDisk {
        RehearsalDisk::with_volumes(fate, &["staging"])
    }

    /// Volumes of these names, each on a device of its own.
    pub fn with_volumes(fate: Arc<Fate>, names: &[&str]) -> RehearsalDisk {
        let volumes: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let state = State {
            files: BTreeMap::new(),
            holds: volumes.iter().map(|name| (name.clone(), FREE_AT_FIRST)).collect(),
            mounted: volumes.iter().map(|name| (name.clone(), true)).collect(),
        };
        RehearsalDisk { fate, volumes, state: Mutex::new(state) }
    }

    /// From now on every volume has this much more to give, whatever lies there.
    pub fn set_free(&self, bytes: u64) {
        let mut state = self.lock();
        for volume in &self.volumes {
            let holds = state.used(volume).saturating_add(bytes);
            state.holds.insert(volume.clone(), holds);
        }
    }

    /// Takes a volume away, or brings it back with all that lies there.
    pub fn set_mounted(&self, volume: &str, mounted: bool) {
        self.lock().mounted.insert(volume.to_string(), mounted);
    }

    /// Everything that lies there.
    pub fn files(&self) -> BTreeMap<Place, Vec<u8>> {
        self.lock().files.iter().map(|(place, bytes)| (place.clone(), bytes.to_vec())).collect()
    }

    /// Changes a file behind everybody's back, as a bad disk does. False when there is none.
    pub fn damage(&self, place: &Place, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        match self.lock().files.get_mut(place) {
            Some(bytes) => {
                change(Arc::make_mut(bytes));
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    fn check_mounted(&self, volume: &str) -> Result<(), DiskError> {
        let why = match self.lock().mounted.get(volume) {
            Some(true) => return Ok(()),
            Some(false) => "its marker is not there",
            None => "no volume of this name is configured",
        };
        Err(DiskError::Missing { volume: volume.to_string(), why: why.to_string() })
    }

    fn check(&self, place: &Place) -> Result<(), DiskError> {
        if !ours(&place.path) {
            let why = "it is not a path of ours".to_string();
            return Err(DiskError::Io { path: format!("{}:{}", place.volume, place.path), why });
        }
        self.check_mounted(&place.volume)
    }

    fn read(&self, place: &Place) -> Result<(), DiskError> {
        self.fate.read().map_err(|struck| error(place, struck))
    }

    fn strike(
        &self,
        place: &Place,
        effect: impl FnOnce(&mut State) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        match self.fate.write(|| effect(&mut self.lock())) {
            Ok(done) => done,
            Err(struck) => Err(error(place, struck)),
        }
    }
}

fn error(place: &Place, struck: Struck) -> DiskError {
    let io = |why: &str| DiskError::Io { path: place.path.clone(), why: why.to_string() };
    match struck {
        Struck::Full => DiskError::Full { volume: place.volume.clone() },
        Struck::Error => io("the rehearsal asked for an I/O error"),
        Struck::NoPower => io("the rehearsal has no power"),
    }
}

fn absent(place: &Place) -> DiskError {
    DiskError::Absent { path: place.path.clone() }
}

/// Bytes as they were when they were opened; later writes do not change them, but the dark hides them.
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

impl Disk for RehearsalDisk {
    fn volumes(&self) -> Vec<String> {
        self.volumes.clone()
    }

    fn space(&self, volume: &str) -> Result<Space, DiskError> {
        self.read(&Place { volume: volume.to_string(), path: String::new() })?;
        self.check_mounted(volume)?;
        let state = self.lock();
        let device = self.volumes.iter().position(|name| name == volume).unwrap_or(0) as u64;
        Ok(Space {
            free_bytes: state.free(volume),
            free_inodes: u64::MAX,
            total_bytes: state.holds.get(volume).copied().unwrap_or(0),
            block_bytes: BLOCK,
            device,
        })
    }

    fn append(&self, place: &Place, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.check(place)?;
        let add = |state: &mut State, bytes: &[u8]| {
            let old = state.files.get(place).map_or(&[][..], |old| old.as_slice());
            let Some(kept) = usize::try_from(offset).ok().and_then(|offset| old.get(..offset)) else {
                let had = old.len();
                let why = format!("it has {had} bytes; writing at {offset} would leave a hole");
                return Err(DiskError::Io { path: place.path.clone(), why });
            };
            let new = [kept, bytes].concat();
            state.put(place, new)
        };
        let lit = !self.fate.dark();
        let mut began = false;
        let done = self.strike(place, |state| {
            began = true;
            add(state, bytes)
        });
        if lit && !began && self.fate.dark() {
            // The power went in the middle of it.
            let _ = add(&mut self.lock(), &bytes[..bytes.len() / 2]);
        }
        done
    }

    fn write(&self, place: &Place, bytes: &mut dyn Read) -> Result<u64, DiskError> {
        self.check(place)?;
        let mut all = Vec::new();
        bytes
            .read_to_end(&mut all)
            .map_err(|why| DiskError::Io { path: place.path.clone(), why: why.to_string() })?;
        let count = all.len() as u64;
        self.strike(place, |state| state.put(place, all))?;
        Ok(count)
    }

    fn rename(&self, from: &Place, to: &Place) -> Result<(), DiskError> {
        self.check(from)?;
        self.check(to)?;
        if from.volume != to.volume {
            let why = format!("it cannot be renamed to the volume {}", to.volume);
            return Err(DiskError::Io { path: from.path.clone(), why });
        }
        if below(to, from).is_some() || below(from, to).is_some() {
            let why = format!("one lies within the other: {}", to.path);
            return Err(DiskError::Io { path: from.path.clone(), why });
        }
        self.strike(from, |state| {
            let inside = state.within(from);
            if inside.is_empty() && !state.files.contains_key(from) {
                return Err(absent(from));
            }
            if from == to {
                return Ok(());
            }
            state.files.remove(to);
            for old in state.within(to) {
                state.files.remove(&old);
            }
            if let Some(bytes) = state.files.remove(from) {
                state.files.insert(to.clone(), bytes);
            }
            for old in inside {
                if let (Some(rest), Some(bytes)) = (below(&old, from), state.files.remove(&old)) {
                    state.files.insert(to.join(rest), bytes);
                }
            }
            Ok(())
        })
    }

    fn open(&self, place: &Place) -> Result<Box<dyn ReadAt>, DiskError> {
        self.check(place)?;
        self.read(place)?;
        let bytes = self.lock().files.get(place).cloned().ok_or_else(|| absent(place))?;
        Ok(Box::new(Opened { bytes, fate: self.fate.clone() }))
    }

    fn list(&self, folder: &Place) -> Result<Vec<String>, DiskError> {
        if folder.path.is_empty() {
            self.check_mounted(&folder.volume)?;
        } else {
            self.check(folder)?;
        }
        self.read(folder)?;
        let state = self.lock();
        let firsts = state.files.keys().filter_map(|place| below(place, folder)?.split('/').next());
        let mut names: Vec<String> = firsts.map(str::to_string).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn remove(&self, place: &Place) -> Result<(), DiskError> {
        self.check(place)?;
        self.strike(place, |state| {
            state.files.remove(place);
            for inside in state.within(place) {
                state.files.remove(&inside);
            }
            Ok(())
        })
    }
}
