//! The directory at the end of a zip: where it is, and its rows one by one.

use super::entry::{Entry, long_at, short_at, split, wide_at};
use crate::rules::packed::pump::{Feed, Halt};
use crate::rules::packed::{REMAKE, UPLOAD, refusal};
use crate::rules::read::{ReadAt, Slice};
use crate::rules::tar::grouped;
use std::io::{self, Read};

/// Where the directory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Its rows.
    pub entries: u64,
    /// Its first byte.
    pub start: u64,
    /// The byte behind its last one.
    pub end: u64,
}

/// Bytes of the record that ends a zip, without its comment.
const RECORD: usize = 22;
/// Bytes of the record before it that says where the zip64 record is.
const LOCATOR: u64 = 20;
/// Bytes of the zip64 record.
const RECORD_64: u64 = 56;

/// Finds the directory. A zip that could be read in two ways is refused.
pub fn find_end(zip: &dyn ReadAt) -> Result<End, Halt> {
    let size = zip.size();
    let window = size.min(RECORD as u64 + u64::from(u16::MAX));
    let from = size - window;
    let tail = read(zip, from, window as usize)?;
    let mut found = None;
    for place in 0..tail.len().saturating_sub(RECORD - 1) {
        let record = &tail[place..];
        if !record.starts_with(b"PK\x05\x06") {
            continue;
        }
        // A zip that lies in this one has such a record, too; its own places do not fit here.
        let Some(end) = judge(zip, from + place as u64, record)? else { continue };
        if found.replace((end, place + RECORD + usize::from(short_at(record, 20)))).is_some() {
            let what = "The zip ends in two ways: it has two directories.".to_string();
            return Err(refusal("SER-HIDDEN-MEMBERS", b"", what, REMAKE).into());
        }
    }
    let Some((end, behind)) = found else {
        let what = format!("The zip has no directory at its end; {} bytes of it are there.", grouped(size));
        return Err(refusal("SER-TRUNCATED", b"", what, UPLOAD).into());
    };
    if behind > tail.len() {
        let what = format!("The zip ends {} bytes too early.", behind - tail.len());
        return Err(refusal("SER-TRUNCATED", b"", what, UPLOAD).into());
    }
    if behind < tail.len() {
        let what =
            format!("Behind the end of the zip lie {} bytes more.", grouped((tail.len() - behind) as u64));
        return Err(refusal("SER-HIDDEN-MEMBERS", b"", what, REMAKE).into());
    }
    Ok(end)
}

/// What the record at `at` says, when its directory ends right before it.
fn judge(zip: &dyn ReadAt, at: u64, record: &[u8]) -> Result<Option<End>, Halt> {
    let (entries, bytes, start) = (short_at(record, 10), long_at(record, 12), long_at(record, 16));
    let narrow = End {
        entries: u64::from(entries),
        start: u64::from(start),
        end: u64::from(start) + u64::from(bytes),
    };
    if let Some(wide) = zip64(zip, at)? {
        // What fits into the narrow record must be said there, too, or not at all.
        let agree = |narrow: u64, most: u64, wide: u64| narrow == most || narrow == wide;
        let agrees = agree(narrow.entries, u64::from(u16::MAX), wide.entries)
            && agree(u64::from(start), u64::from(u32::MAX), wide.start)
            && agree(u64::from(bytes), u64::from(u32::MAX), wide.end - wide.start);
        if !agrees {
            let what = "The two ends of the zip's directory say different things of it.".to_string();
            return Err(refusal("SER-HEADER-DAMAGED", b"", what, REMAKE).into());
        }
        return Ok(Some(wide));
    }
    if narrow.end != at {
        return Ok(None);
    }
    if short_at(record, 4) != 0 || short_at(record, 6) != 0 || entries != short_at(record, 8) {
        return Err(split().into());
    }
    Ok(Some(narrow))
}

/// The zip64 record, when one is named right before `at`.
fn zip64(zip: &dyn ReadAt, at: u64) -> Result<Option<End>, Halt> {
    let Some(locator_at) = at.checked_sub(LOCATOR) else { return Ok(None) };
    let locator = read(zip, locator_at, LOCATOR as usize)?;
    let place = wide_at(&locator, 8);
    if !locator.starts_with(b"PK\x06\x07") || place.saturating_add(RECORD_64) > locator_at {
        return Ok(None);
    }
    let record = read(zip, place, RECORD_64 as usize)?;
    let length = wide_at(&record, 4).saturating_add(12);
    if !record.starts_with(b"PK\x06\x06") || place.saturating_add(length) != locator_at {
        return Ok(None);
    }
    let (entries, bytes, start) = (wide_at(&record, 32), wide_at(&record, 40), wide_at(&record, 48));
    if start.checked_add(bytes) != Some(place) {
        return Ok(None);
    }
    if long_at(&locator, 16) > 1 || wide_at(&record, 24) != entries {
        return Err(split().into());
    }
    Ok(Some(End { entries, start, end: place }))
}

fn read(zip: &dyn ReadAt, offset: u64, count: usize) -> Result<Vec<u8>, Halt> {
    let mut bytes = vec![0; count];
    let got = Slice::new(zip, offset, count as u64).read_exact(&mut bytes);
    got.map(|()| bytes).map_err(|error: io::Error| Halt::Read { offset, error })
}

/// The rows of the directory, one at a time.
pub struct Directory<'a> {
    rows: Feed<'a>,
    left: u64,
    end: u64,
}

impl<'a> Directory<'a> {
    /// Before the first row.
    pub fn open(zip: &'a dyn ReadAt, end: &End) -> Directory<'a> {
        Directory { rows: Feed::between(zip, end.start, end.end), left: end.entries, end: end.end }
    }

    /// The next row; none at the end, which must be where the directory ends.
    pub fn next(&mut self) -> Result<Option<Entry>, Halt> {
        let at = self.rows.place();
        if self.left == 0 {
            return if at == self.end { Ok(None) } else { Err(damaged(at)) };
        }
        self.left -= 1;
        let row = match self.rows.take_bytes(4) {
            Ok(signature) if signature == *b"PK\x01\x02" => Entry::read(&mut self.rows),
            Ok(_) => Err(damaged(at)),
            Err(halt) => Err(halt),
        };
        match row {
            Err(Halt::Refused(_)) if self.rows.is_dry() => Err(damaged(at)),
            row => row.map(Some),
        }
    }
}

fn damaged(at: u64) -> Halt {
    let what = format!("The directory of the zip is damaged at byte {}.", grouped(at));
    refusal("SER-HEADER-DAMAGED", b"", what, UPLOAD).into()
}
