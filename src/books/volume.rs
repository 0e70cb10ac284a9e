//! Space, promised before work starts.
//!
//! - All promises on a device together, less what has landed of them, never exceed what was free at the latest of them
//!   less the floor. Staging volumes and targets on one device share its promises.
//! - Space is asked for and booked under one lock: two callers never both see the same room.
//! - What lies on disk already is in the file system's figures, and is not counted a second time.
//! - A promise made again for the same item, stage and place replaces the first one; nothing is added up.
//! - If the file system does not answer, nothing is promised. No sum wraps: one that would is refused.
//! - A `Promised` is given back when it is dropped, also when the stage panics.
//!
//! ```text
//!   free (statfs) = 100         promise A 60        A lands 20          promise B 50?
//!   |----------------------|    |--A 60--|---40--|   |20|A 40|---40--|   free 80 - A 40 - floor 0 = 40 < 50: B waits
//! ```

use crate::model::checkpoint::Stage;
use crate::model::item::{ItemId, Promise};
use crate::model::trouble::{Stop, Wait};
use crate::worlds::Space;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// Bytes that stay free on a volume or target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// Bytes.
    pub bytes: u64,
    /// True when somebody asked for them; a default gives way on a small file system.
    pub given: bool,
}

/// A floor that nobody asked for takes no more than this part of a file system.
const DEFAULT_FLOOR_PART: u64 = 50;

impl Floor {
    /// Bytes that stay free on a file system of this size.
    pub fn on(self, total_bytes: u64) -> u64 {
        if self.given { self.bytes } else { self.bytes.min(total_bytes / DEFAULT_FLOOR_PART) }
    }
}

/// What a stage needs at a place, in all, and how much of that lies there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes, rounded to blocks.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
    /// Bytes of `bytes` that lie there already, from an earlier attempt.
    pub already_bytes: u64,
    /// Inodes of `inodes` that are there already.
    pub already_inodes: u64,
}

impl Need {
    /// One file each of these sizes, every one rounded up to whole blocks.
    pub fn for_files(sizes: impl IntoIterator<Item = u64>, block_bytes: u64) -> Need {
        let block = block_bytes.max(1);
        let mut need = Need::default();
        for size in sizes {
            need.bytes = need.bytes.saturating_add(size.div_ceil(block).saturating_mul(block));
            need.inodes = need.inodes.saturating_add(1);
        }
        need
    }

    /// So many files with so many bytes in all, whatever their sizes: each may waste almost a block.
    pub fn at_most(files: u64, bytes: u64, block_bytes: u64) -> Need {
        let block = block_bytes.max(1);
        let waste = files.saturating_mul(block - 1);
        // A sum that is too large stays too large: saturated, it is refused by any disk there is.
        let rounded = bytes.saturating_add(waste).div_euclid(block).saturating_mul(block);
        Need { bytes: rounded, inodes: files, ..Need::default() }
    }

    /// And so many folders, each an inode and a block.
    pub fn and_folders(self, folders: u64, block_bytes: u64) -> Need {
        let bytes = folders.saturating_mul(block_bytes.max(1));
        self.and(Need { bytes, inodes: folders, ..Need::default() })
    }

    /// Both together.
    pub fn and(self, other: Need) -> Need {
        Need {
            bytes: self.bytes.saturating_add(other.bytes),
            inodes: self.inodes.saturating_add(other.inodes),
            already_bytes: self.already_bytes.saturating_add(other.already_bytes),
            already_inodes: self.already_inodes.saturating_add(other.already_inodes),
        }
    }

    /// So much of it lies there already.
    pub fn already(self, bytes: u64, inodes: u64) -> Need {
        Need { already_bytes: bytes, already_inodes: inodes, ..self }
    }

    fn outstanding(&self) -> Amount {
        Amount {
            bytes: self.bytes.saturating_sub(self.already_bytes),
            inodes: self.inodes.saturating_sub(self.already_inodes),
        }
    }
}

/// Bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    bytes: u64,
    inodes: u64,
}

/// Whose promise, for which stage, where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    item: ItemId,
    place: String,
    stage: Stage,
}

impl Key {
    fn of(item: ItemId, promise: &Promise) -> Key {
        Key { item, place: promise.place.clone(), stage: promise.stage }
    }
}

#[derive(Clone, Copy, Debug)]
struct Booked {
    /// Not known for a promise of before the start whose place has not answered yet.
    device: Option<u64>,
    /// Promised and not yet on disk.
    outstanding: Amount,
    /// Tells a promise from one that replaced it.
    number: u64,
}

/// What is promised at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceTotal {
    /// Staging volume or target.
    pub place: String,
    /// Its device, once it is known; places of one device share its space.
    pub device: Option<u64>,
    /// Bytes promised and not yet on disk.
    pub promised_bytes: u64,
    /// Inodes promised and not yet used.
    pub promised_inodes: u64,
    /// How many promises.
    pub promises: u64,
}

/// Every promise of this process.
#[derive(Debug, Default)]
pub struct Promises {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    booked: BTreeMap<Key, Booked>,
    numbers: u64,
}

impl Promises {
    /// Nothing is promised.
    pub fn new() -> Promises {
        Promises::default()
    }

    /// Promises what is needed at `place`, whose space `space` asks for, and leaves `floor_bytes` free; or says what to
    /// wait for. The promise must reach the ledger with the item before anything is written on its strength.
    pub fn promise<E: Into<Stop>>(
        &self,
        space: &dyn Fn() -> Result<Space, E>,
        floor_bytes: u64,
        place: &str,
        item: ItemId,
        stage: Stage,
        need: Need,
    ) -> Result<Promise, Stop> {
        self.book(space, floor_bytes, Key { item, place: place.to_string(), stage }, need)?;
        Ok(Promise { place: place.to_string(), stage, bytes: need.bytes, inodes: need.inodes })
    }

    /// The same, for as long as the guard is held: for what does not outlive a stage's attempt, and for the time until
    /// the promise is committed with the item.
    pub fn promise_guarded<E: Into<Stop>>(
        &self,
        space: &dyn Fn() -> Result<Space, E>,
        floor_bytes: u64,
        place: &str,
        item: ItemId,
        stage: Stage,
        need: Need,
    ) -> Result<Promised<'_>, Stop> {
        let key = Key { item, place: place.to_string(), stage };
        let number = self.book(space, floor_bytes, key, need)?;
        let promise = Promise { place: place.to_string(), stage, bytes: need.bytes, inodes: need.inodes };
        Ok(Promised { promises: self, item, promise, number, kept: false })
    }

    fn book<E: Into<Stop>>(
        &self,
        space: &dyn Fn() -> Result<Space, E>,
        floor_bytes: u64,
        key: Key,
        need: Need,
    ) -> Result<u64, Stop> {
        let ask = || space().map_err(|error| error.into().while_doing("asking for space"));
        // Asked once before the lock: a mount that hangs should hold up its own callers, not everybody's.
        ask()?;
        let mut book = self.lock();
        let space = ask()?;
        book.settle(&key.place, space.device);
        let free = book.free(&key, &space, floor_bytes);
        let wanted = need.outstanding();
        if wanted.bytes > free.bytes || wanted.inodes > free.inodes {
            return Err(Stop::Wait(Wait::Space {
                place: key.place,
                bytes: wanted.bytes,
                inodes: wanted.inodes,
                free: free.bytes,
            }));
        }
        book.numbers += 1;
        let number = book.numbers;
        book.booked.insert(key, Booked { device: Some(space.device), outstanding: wanted, number });
        Ok(number)
    }

    /// So many further bytes of this item lie on disk at `place`, durably: they are in the file system's figures now.
    pub fn landed(&self, item: ItemId, place: &str, bytes: u64) {
        self.landed_files(item, place, bytes, 0);
    }

    /// The same for bytes and inodes.
    pub fn landed_files(&self, item: ItemId, place: &str, bytes: u64, inodes: u64) {
        let mut left = Amount { bytes, inodes };
        let mut book = self.lock();
        // The latest stage first: that is the one at work. What lands beyond all promises shrinks none below zero.
        for (_, booked) in book.of_mut(item).filter(|(key, _)| key.place == place).rev() {
            let (bytes, inodes) =
                (left.bytes.min(booked.outstanding.bytes), left.inodes.min(booked.outstanding.inodes));
            booked.outstanding.bytes -= bytes;
            booked.outstanding.inodes -= inodes;
            left = Amount { bytes: left.bytes - bytes, inodes: left.inodes - inodes };
        }
    }

    /// Gives one promise back; says how many bytes become free to promise. Nothing promised: nothing happens.
    pub fn give_back(&self, item: ItemId, place: &str, stage: Stage) -> u64 {
        let key = Key { item, place: place.to_string(), stage };
        self.lock().booked.remove(&key).map_or(0, |booked| booked.outstanding.bytes)
    }

    /// Gives back all that was promised to an item.
    pub fn give_back_all(&self, item: ItemId) -> u64 {
        let mut book = self.lock();
        let keys: Vec<Key> = book.of_mut(item).map(|(key, _)| key.clone()).collect();
        let removed = keys.iter().filter_map(|key| book.booked.remove(key));
        removed.fold(0, |sum, booked| sum.saturating_add(booked.outstanding.bytes))
    }

    /// Books, at the start, a promise that an item's row holds. It is never refused: the work it was made for has begun.
    /// `device` may be unknown when the place does not answer; the first promise there settles it.
    pub fn restore(
        &self,
        device: Option<u64>,
        item: ItemId,
        promise: &Promise,
        already_bytes: u64,
        already_inodes: u64,
    ) {
        let need = Need { bytes: promise.bytes, inodes: promise.inodes, already_bytes, already_inodes };
        let mut book = self.lock();
        book.numbers += 1;
        let number = book.numbers;
        let booked = Booked { device, outstanding: need.outstanding(), number };
        book.booked.insert(Key::of(item, promise), booked);
    }

    /// What is promised at each place, in the order of their names.
    pub fn totals(&self) -> Vec<PlaceTotal> {
        let mut totals: BTreeMap<String, PlaceTotal> = BTreeMap::new();
        for (key, booked) in &self.lock().booked {
            let total = totals.entry(key.place.clone()).or_insert_with(|| PlaceTotal {
                place: key.place.clone(),
                device: None,
                promised_bytes: 0,
                promised_inodes: 0,
                promises: 0,
            });
            total.device = total.device.or(booked.device);
            total.promised_bytes = total.promised_bytes.saturating_add(booked.outstanding.bytes);
            total.promised_inodes = total.promised_inodes.saturating_add(booked.outstanding.inodes);
            total.promises += 1;
        }
        totals.into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // A panic cannot leave the book half changed: every change is one insertion, removal or subtraction.
        self.book.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Book {
    /// All promises at this place are on this device: a volume that was mounted anew may have another number.
    fn settle(&mut self, place: &str, device: u64) {
        for (_, booked) in self.booked.iter_mut().filter(|(key, _)| key.place == place) {
            booked.device = Some(device);
        }
    }

    /// What can be promised for `key`, not counting what is promised for it now.
    fn free(&self, key: &Key, space: &Space, floor_bytes: u64) -> Amount {
        let mut free =
            Amount { bytes: space.free_bytes.saturating_sub(floor_bytes), inodes: space.free_inodes };
        // A promise whose device is not known belongs to a place that does not answer: nothing is written there, and
        // it must not hold up the places that do.
        let others =
            self.booked.iter().filter(|(other, booked)| *other != key && booked.device == Some(space.device));
        for (_, booked) in others {
            free.bytes = free.bytes.saturating_sub(booked.outstanding.bytes);
            if space.free_inodes != u64::MAX {
                free.inodes = free.inodes.saturating_sub(booked.outstanding.inodes);
            }
        }
        free
    }

    /// All promises of an item; those of one place in the order of stages.
    fn of_mut(&mut self, item: ItemId) -> impl DoubleEndedIterator<Item = (&Key, &mut Booked)> {
        let first = |item| Key { item, place: String::new(), stage: Stage::Download };
        self.booked.range_mut(first(item)..first(ItemId(item.0.saturating_add(1))))
    }
}

/// A promise that is given back when it is dropped.
#[must_use = "dropped, it is given back at once"]
#[derive(Debug)]
pub struct Promised<'p> {
    promises: &'p Promises,
    item: ItemId,
    promise: Promise,
    number: u64,
    kept: bool,
}

impl Promised<'_> {
    /// What was promised.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// The promise lives in the ledger now, with the item: it is given back by `give_back`, not by dropping this.
    pub fn keep(mut self) -> Promise {
        self.kept = true;
        self.promise.clone()
    }
}

impl Drop for Promised<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let key = Key::of(self.item, &self.promise);
        let mut book = self.promises.lock();
        // One that replaced ours meanwhile belongs to somebody else.
        if book.booked.get(&key).is_some_and(|booked| booked.number == self.number) {
            book.booked.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
