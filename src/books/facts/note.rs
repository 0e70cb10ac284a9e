//! Small things beside facts: a note of one row, a look at rows under work, and a compressed copy.
//!
//! - A note is there whole or not at all; one that does not agree with its CRC counts as not there.

use super::{check, part, parts};
use crate::rules::read::{ReadAt, Slice};
use crate::worlds::disk::{Disk, DiskError, Place};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, Read};

/// Bytes a note may have.
const NOTE_MAX: u64 = 64 << 10;

/// Writes a note: one row, replaced as a whole.
pub fn write_note<T: Serialize>(disk: &dyn Disk, place: &Place, note: &T) -> Result<(), DiskError> {
    let json = serde_json::to_vec(note)
        .map_err(|error| DiskError::Io { path: place.path.clone(), why: error.to_string() })?;
    let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    disk.write(place, &mut line.as_slice())?;
    Ok(())
}

/// Reads a note; `None` when there is none, or none that can be believed.
pub fn read_note<T: DeserializeOwned>(disk: &dyn Disk, place: &Place) -> Result<Option<T>, DiskError> {
    let file = match disk.open(place) {
        Ok(file) => file,
        Err(DiskError::Absent { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut line = Vec::new();
    Slice::new(&*file, 0, file.size().min(NOTE_MAX))
        .read_to_end(&mut line)
        .map_err(|error| DiskError::Io { path: place.path.clone(), why: error.to_string() })?;
    let json = line.strip_suffix(b"\n").and_then(|line| check(line).ok());
    Ok(json.and_then(|json| serde_json::from_slice(json).ok()))
}

/// Hands every whole row of a facts file under work to `each`, without taking it over.
pub fn peek_rows(
    disk: &dyn Disk,
    folder: &Place,
    name: &str,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), DiskError> {
    let Some(newest) = parts(disk, folder, name, u64::MAX)?.pop() else { return Ok(()) };
    let file = disk.open(&part(folder, name, newest))?;
    for line in BufReader::with_capacity(64 << 10, Slice::whole(&*file)).split(b'\n') {
        let line = line.map_err(|error| DiskError::Io { path: name.to_string(), why: error.to_string() })?;
        match check(&line) {
            Ok(json) => each(json),
            Err(_) => break,
        }
    }
    Ok(())
}

/// Keeps a gzip copy of these bytes.
pub fn keep_compressed(disk: &dyn Disk, place: &Place, from: &dyn ReadAt) -> Result<(), DiskError> {
    let mut packed = flate2::read::GzEncoder::new(Slice::whole(from), flate2::Compression::fast());
    disk.write(place, &mut packed)?;
    Ok(())
}
