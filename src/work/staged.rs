//! A deposit in staging, in parts: how it is cut, what of it is there, and reading it as one.
//!
//! - A part has its name only when it is whole and durable, so a name in the folder is the mark that it need not be
//!   fetched again; nothing else keeps count.
//! - The folder's name follows from the pin of the deposit: parts of two versions never lie together.
//! - Parts are read one behind the other; a few are held open, however many there are.

use crate::model::item::Parts;
use crate::model::trouble::Trouble;
use crate::rules::read::ReadAt;
use crate::worlds::disk::{Disk, DiskError, Place};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

/// The smallest part, unless the settings say otherwise: what a broken line costs at most on ordinary deposits.
pub const PART_MIN: u64 = 16 << 20;

/// Parts of one deposit at most; a larger deposit has larger parts.
const PARTS_MAX: u64 = 4_096;

/// Parts held open at once by one reader.
const OPEN_MAX: usize = 16;

/// What a part folder's name starts with.
const FOLDER: &str = "deposit-";

/// How a deposit of so many bytes, pinned so, is cut, no part but the last being smaller than `part_min`.
pub fn layout(pin: &str, bytes: u64, part_min: u64) -> Parts {
    let digest = Sha256::digest(pin.as_bytes());
    let name: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let part_min = part_min.max(1);
    let even = bytes.div_ceil(PARTS_MAX).next_multiple_of(part_min);
    Parts { folder: format!("{FOLDER}{name}"), part_bytes: even.max(part_min), bytes }
}

/// Bytes of all parts in an item's folder. Not knowing means none: promised once more, never too little.
pub fn bytes_there(disk: &dyn Disk, item: &Place) -> u64 {
    let folders = disk.list(item).unwrap_or_default();
    let folders = folders.iter().filter(|name| name.starts_with(FOLDER)).map(|name| item.join(name));
    folders
        .map(|folder| {
            let names = disk.list(&folder).unwrap_or_default();
            names
                .iter()
                .filter_map(|name| disk.open(&folder.join(name)).ok())
                .map(|part| part.size())
                .sum::<u64>()
        })
        .sum()
}

impl Parts {
    /// How many parts there are.
    pub fn count(&self) -> u64 {
        self.bytes.div_ceil(self.part_bytes)
    }

    /// First byte and length of a part.
    pub fn range(&self, number: u64) -> (u64, u64) {
        let from = number * self.part_bytes;
        (from, self.part_bytes.min(self.bytes.saturating_sub(from)))
    }

    /// Where a part lies.
    pub fn place(&self, item: &Place, number: u64) -> Place {
        item.join(&self.folder).join(&name(number))
    }

    /// Numbers of the parts that are there.
    pub fn there(&self, disk: &dyn Disk, item: &Place) -> Result<BTreeSet<u64>, DiskError> {
        let names = disk.list(&item.join(&self.folder))?;
        let numbers = names.iter().filter_map(|name| name.strip_prefix('p')?.parse().ok());
        Ok(numbers.filter(|number| *number < self.count()).collect())
    }

    /// Bytes of these parts.
    pub fn bytes_of(&self, numbers: &BTreeSet<u64>) -> u64 {
        numbers.iter().map(|number| self.range(*number).1).sum()
    }

    /// Removes the parts of other versions of the deposit.
    pub fn remove_others(&self, disk: &dyn Disk, item: &Place) -> Result<(), DiskError> {
        for name in disk.list(item)? {
            if name.starts_with(FOLDER) && name != self.folder {
                disk.remove(&item.join(&name))?;
            }
        }
        Ok(())
    }
}

fn name(number: u64) -> String {
    format!("p{number:05}")
}

/// All parts, read as one file.
pub struct Joined {
    disk: Arc<dyn Disk>,
    item: Place,
    parts: Parts,
    open: Mutex<VecDeque<(u64, Arc<dyn ReadAt>)>>,
}

impl Joined {
    /// The deposit; fails when a part is missing.
    pub fn open(disk: Arc<dyn Disk>, item: Place, parts: &Parts) -> Result<Joined, Trouble> {
        let there = parts.there(&*disk, &item)?.len() as u64;
        if there != parts.count() {
            let path = item.join(&parts.folder).path;
            return Err(
                DiskError::Absent { path: format!("{path} ({there} of {} parts)", parts.count()) }.into()
            );
        }
        Ok(Joined { disk, item, parts: parts.clone(), open: Mutex::new(VecDeque::new()) })
    }

    fn part(&self, number: u64) -> io::Result<Arc<dyn ReadAt>> {
        let mut open = self.open.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some((_, part)) = open.iter().find(|(known, _)| *known == number) {
            return Ok(part.clone());
        }
        let place = self.parts.place(&self.item, number);
        let opened =
            self.disk.open(&place).map_err(|error| io::Error::other(Trouble::from(error).sentence()))?;
        let (_, length) = self.parts.range(number);
        if opened.size() != length {
            let why = format!("part {number} in staging has {} bytes, not {length}", opened.size());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let part: Arc<dyn ReadAt> = Arc::from(opened);
        open.push_back((number, part.clone()));
        if open.len() > OPEN_MAX {
            open.pop_front();
        }
        Ok(part)
    }
}

impl ReadAt for Joined {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.parts.bytes || buf.is_empty() {
            return Ok(0);
        }
        let number = offset / self.parts.part_bytes;
        let (from, length) = self.parts.range(number);
        let left = usize::try_from(from + length - offset).unwrap_or(usize::MAX).min(buf.len());
        self.part(number)?.read_at(&mut buf[..left], offset - from)
    }

    fn size(&self) -> u64 {
        self.parts.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::disk::rehearsal::RehearsalDisk;
    use crate::worlds::fate::Fate;

    #[test]
    fn parts_cover_the_deposit_once_whatever_its_size() {
        for bytes in [0, 1, PART_MIN, PART_MIN + 1, 2 << 30, 5 << 40] {
            let parts = layout("pin", bytes, PART_MIN);
            assert!(parts.count() <= PARTS_MAX, "{bytes}");
            let mut at = 0;
            for number in 0..parts.count() {
                let (from, length) = parts.range(number);
                assert!(from == at && length > 0 && length <= parts.part_bytes);
                at += length;
            }
            assert_eq!(at, bytes);
        }
        assert_ne!(layout("one", 9, 1).folder, layout("two", 9, 1).folder);
    }

    #[test]
    fn parts_are_read_as_one_and_a_missing_or_short_one_is_noticed() {
        let disk: Arc<dyn Disk> =
            Arc::new(RehearsalDisk::with_volumes(Arc::new(Fate::default()), &["staging"]));
        let item = Place { volume: "staging".into(), path: "i-1".into() };
        let parts = Parts { folder: "deposit-x".into(), part_bytes: 4, bytes: 10 };
        for (number, bytes) in [(0, "0123"), (1, "4567"), (2, "89")] {
            disk.write(&parts.place(&item, number), &mut bytes.as_bytes()).unwrap();
        }
        assert_eq!(parts.bytes_of(&parts.there(&*disk, &item).unwrap()), 10);
        let joined = Joined::open(disk.clone(), item.clone(), &parts).unwrap();
        let mut all = Vec::new();
        io::Read::read_to_end(&mut crate::rules::read::Slice::whole(&joined), &mut all).unwrap();
        assert_eq!(all, b"0123456789");
        let mut buf = [0; 3];
        assert_eq!((joined.read_at(&mut buf, 3).unwrap(), buf[0]), (1, b'3'));
        assert_eq!(joined.read_at(&mut buf, 10).unwrap(), 0);
        disk.write(&parts.place(&item, 1), &mut &b"45"[..]).unwrap();
        let fresh = Joined::open(disk.clone(), item.clone(), &parts).unwrap();
        assert_eq!(fresh.read_at(&mut buf, 4).unwrap_err().kind(), io::ErrorKind::InvalidData);
        disk.remove(&parts.place(&item, 1)).unwrap();
        assert!(Joined::open(disk, item, &parts).is_err());
    }
}
