//! One record of a journal file: how it lies on disk, and how it is found again between damaged bytes.
//!
//! ```text
//! magic 4 | crc32 4 | length 4 | kind 4 | number 8 | synced 8 | before 32 | body (UTF-8)
//! ```
//!
//! - Numbers of one file follow each other by one. `before` is the SHA-256 of the record before, header and all, so
//!   nothing can be taken out, put in or changed without the chain showing it.
//! - `synced` is the newest number that was on disk in both copies when this record was made. A missing record up to
//!   it was durable once: its loss is damage. A missing record beyond it may be a torn write, and was never acknowledged.
//! - The magic holds bytes that no UTF-8 text has: nothing a depositor writes can look like the start of a record.

use super::BookError;
use super::durable::io_error;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// SHA-256 of a record.
pub(super) type Chain = [u8; 32];

const MAGIC: [u8; 4] = [0xf5, b'S', b'R', 0xf6];

/// Bytes before the body.
pub(super) const HEADER: usize = 64;

/// No body is longer; a longer length is damage.
pub(super) const BODY_MAX: usize = super::batch::BATCH_BYTES_MAX;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first of a file: what the file is.
    Head,
    /// One commit.
    Commit,
    /// Live rows, in a snapshot.
    Rows,
    /// The last of a snapshot: it is complete.
    End,
}

impl Kind {
    fn code(self) -> u32 {
        match self {
            Kind::Head => 1,
            Kind::Commit => 2,
            Kind::Rows => 3,
            Kind::End => 4,
        }
    }

    fn from_code(code: u32) -> Option<Kind> {
        [Kind::Head, Kind::Commit, Kind::Rows, Kind::End].into_iter().find(|kind| kind.code() == code)
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub kind: Kind,
    pub number: u64,
    pub synced: u64,
    pub before: Chain,
    pub body: Vec<u8>,
}

impl Record {
    /// Its bytes on disk.
    pub fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.body.len()).expect("bodies are bounded by BODY_MAX");
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&self.kind.code().to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.synced.to_le_bytes());
        bytes.extend_from_slice(&self.before);
        bytes.extend_from_slice(&self.body);
        let crc = crc32fast::hash(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The record these bytes are, all of them, if their CRC fits.
    fn decode(bytes: &[u8]) -> Option<Record> {
        let (header, body) = bytes.split_at_checked(HEADER)?;
        let crc = u32::from_le_bytes(header[4..8].try_into().ok()?);
        if header[..4] != MAGIC || crc32fast::hash(&bytes[8..]) != crc {
            return None;
        }
        Some(Record {
            kind: Kind::from_code(u32::from_le_bytes(header[12..16].try_into().ok()?))?,
            number: u64::from_le_bytes(header[16..24].try_into().ok()?),
            synced: u64::from_le_bytes(header[24..32].try_into().ok()?),
            before: header[32..64].try_into().ok()?,
            body: body.to_vec(),
        })
    }
}

/// The digest that the next record names as `before`.
pub(super) fn chain_of(bytes: &[u8]) -> Chain {
    Sha256::digest(bytes).into()
}

/// A good record and where it lies.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub record: Record,
    /// Digest of its bytes.
    pub chain: Chain,
    /// First byte.
    pub from: u64,
    /// First byte behind it.
    pub to: u64,
}

/// Bytes read at once.
const WINDOW: usize = 256 << 10;

/// Bytes skipped where the disk gives an error: a sector of today's disks.
const UNREADABLE_STEP: u64 = 4096;

/// Reads a file record by record; what is not a good record is passed over, and counted.
///
/// Memory is bounded by the longest record, whatever the length of the file.
pub(super) struct Scanner {
    file: File,
    size: u64,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
    /// Bytes passed over.
    pub bad_bytes: u64,
    /// True when the disk refused to give some of them.
    pub unreadable: bool,
}

impl Scanner {
    /// From the start of the file; `None` when there is no such file.
    pub fn open(path: &Path) -> Result<Option<Scanner>, BookError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(path, error)),
        };
        let size = file.metadata().map_err(|error| io_error(path, error))?.len();
        Ok(Some(Scanner {
            file,
            size,
            at: 0,
            window: Vec::new(),
            window_at: 0,
            bad_bytes: 0,
            unreadable: false,
        }))
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next good record.
    pub fn next_good(&mut self) -> Option<Found> {
        while self.at < self.size {
            if let Some(found) = self.record_here() {
                self.at = found.to;
                return Some(found);
            }
            let before = self.at;
            self.at = self.next_magic();
            self.bad_bytes += self.at - before;
        }
        None
    }

    fn record_here(&mut self) -> Option<Found> {
        let from = self.at;
        let header = self.bytes(from, HEADER)?;
        if header[..4] != MAGIC {
            return None;
        }
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        if length > BODY_MAX {
            return None;
        }
        let bytes = self.bytes(from, HEADER + length)?;
        let record = Record::decode(bytes)?;
        let chain = chain_of(bytes);
        Some(Found { record, chain, from, to: from + (HEADER + length) as u64 })
    }

    /// Where the next magic is, behind the place where we are; the end of the file when there is none.
    fn next_magic(&mut self) -> u64 {
        let mut from = self.at + 1;
        while from < self.size {
            let rest = self.size - from;
            let sector_end = (from / UNREADABLE_STEP + 1) * UNREADABLE_STEP;
            // The magic may lie across two windows, or two sectors.
            let kept = MAGIC.len() as u64 - 1;
            let mut counts =
                [rest.min(WINDOW as u64), rest.min(sector_end + kept - from), rest.min(sector_end - from)];
            counts.sort_unstable_by(|a, b| b.cmp(a));
            let found = counts.into_iter().find_map(|count| {
                let bytes = self.bytes(from, usize::try_from(count).ok()?)?;
                Some((count, bytes.windows(MAGIC.len()).position(|four| four == MAGIC)))
            });
            match found {
                Some((_, Some(place))) => return from + place as u64,
                Some((count, None)) => from += count.saturating_sub(kept).max(1),
                None => from = sector_end,
            }
        }
        self.size
    }

    /// `count` bytes from `from`; `None` when the file ends before, or the disk does not give them.
    fn bytes(&mut self, from: u64, count: usize) -> Option<&[u8]> {
        if from + count as u64 > self.size {
            return None;
        }
        let inside =
            from >= self.window_at && from + count as u64 <= self.window_at + self.window.len() as u64;
        if !inside {
            self.fill(from, count);
        }
        let start = usize::try_from(from - self.window_at).ok()?;
        self.window.get(start..start + count)
    }

    fn fill(&mut self, from: u64, count: usize) {
        let rest = usize::try_from(self.size - from).unwrap_or(usize::MAX);
        self.window_at = from;
        self.window.resize(count.max(WINDOW).min(rest), 0);
        let mut got = 0;
        while got < self.window.len() {
            // After an error a small step tells how far the disk still gives bytes.
            let step = if self.unreadable { UNREADABLE_STEP as usize } else { self.window.len() };
            let end = self.window.len().min(got + step);
            match self.file.read_at(&mut self.window[got..end], from + got as u64) {
                Ok(0) => break,
                Ok(count) => got += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) if !self.unreadable => self.unreadable = true,
                Err(_) => break,
            }
        }
        self.window.truncate(got);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> Record {
        let body = format!("[{{\"put\":\"k/{number}\",\"value\":{number}}}]").into_bytes();
        Record { kind: Kind::Commit, number, synced: number.saturating_sub(1), before: [7; 32], body }
    }

    fn scan(bytes: &[u8]) -> (Vec<u64>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let mut scanner = Scanner::open(&path).unwrap().unwrap();
        let found = std::iter::from_fn(|| scanner.next_good()).map(|found| found.record.number).collect();
        (found, scanner.bad_bytes)
    }

    #[test]
    fn every_flipped_bit_loses_one_record_and_no_other() {
        let parts: Vec<Vec<u8>> = (1..=3).map(|number| record(number).encode()).collect();
        let whole = parts.concat();
        assert_eq!(scan(&whole), (vec![1, 2, 3], 0));
        let middle = parts[0].len()..parts[0].len() + parts[1].len();
        for place in middle.clone() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << (place % 8);
            assert_eq!(scan(&damaged), (vec![1, 3], middle.len() as u64), "byte {place}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_gives_the_records_before_the_cut() {
        let first = record(1).encode();
        let whole = [first.clone(), record(2).encode()].concat();
        for end in 0..whole.len() {
            let expected = if end >= first.len() { vec![1] } else { vec![] };
            assert_eq!(scan(&whole[..end]).0, expected, "cut at {end}");
        }
    }

    #[test]
    fn a_magic_across_two_windows_is_found() {
        for junk in WINDOW - 5..WINDOW + 5 {
            let bytes = [vec![b'x'; junk], record(9).encode()].concat();
            assert_eq!(scan(&bytes), (vec![9], junk as u64), "{junk} bytes before it");
        }
    }
}
