//! Facts files: what a stage found, by the million, beside the item's staging.
//!
//! - A line is the CRC-32 of its JSON (8 hexadecimal digits), a space, the JSON, a newline.
//! - A file under work is `<name>.<fence>.part`, so that no earlier lease writes into a later one's; sealing renames it to
//!   `<name>` and gives its count, length and digest, which the checkpoint carries.
//! - What `sync` or `seal` returned for is durable. Behind it may lie a torn tail, which `resume` cuts off.
//! - A sealed file that is missing, shorter, longer or changed by one bit is noticed before its reader ends.
//! - Memory is bounded by the buffers, whatever the number of rows.
//!
//! ```text
//!   create --> push .. sync .. push --> seal --> <name>          the checkpoint commits the seal
//!                       |  stopped here
//!   resume <------------+  rows up to the torn tail are handed back, and the next row goes behind them
//! ```
//!
//! `resume` believes whole lines that it finds. Whoever makes a stage's facts void removes its files, or names them anew.

mod blob;
mod note;
mod scratch;

pub use blob::{open_blob, write_blob};
pub use note::{keep_compressed, peek_rows, read_note, write_note};
pub use scratch::{StagingScratch, scratch_stop};

use crate::model::digest::hex;
use crate::model::item::Seal;
use crate::model::trouble::{Kind, Trouble};
use crate::rules::read::ReadAt;
use crate::worlds::disk::{Disk, DiskError, Place};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::io;
use std::marker::PhantomData;

/// Bytes gathered before they are appended and synced.
const BUFFER: usize = 1 << 20;
/// Bytes read at once.
const READ: usize = 256 << 10;
/// Longest line; a longer one is refused when it is written and damaged when it is read.
const LINE_MAX: usize = 1 << 20;
/// CRC in hexadecimal, and the space behind it.
const HEAD: usize = 9;

/// Writes one facts file.
pub struct FactsWriter<'d> {
    sheet: Sheet<'d>,
    count: u64,
    line: Vec<u8>,
}

impl<'d> FactsWriter<'d> {
    /// A new file; what earlier leases left of one of this name is removed.
    pub fn create(
        disk: &'d dyn Disk,
        folder: &Place,
        name: &str,
        fence: u64,
    ) -> Result<FactsWriter<'d>, DiskError> {
        for left in parts(disk, folder, name, fence)? {
            disk.remove(&part(folder, name, left))?;
        }
        Ok(FactsWriter { sheet: Sheet::new(disk, folder, name, fence), count: 0, line: Vec::new() })
    }

    /// Goes on where the newest earlier lease stopped: hands every whole row (JSON) to `each` and cuts off the rest.
    /// Without such a file it is `create`.
    pub fn resume(
        disk: &'d dyn Disk,
        folder: &Place,
        name: &str,
        fence: u64,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<FactsWriter<'d>, DiskError> {
        let mut found = parts(disk, folder, name, fence)?;
        let Some(newest) = found.pop() else { return FactsWriter::create(disk, folder, name, fence) };
        let own = part(folder, name, fence);
        if newest != fence {
            // Under our own name at once: from here on a late write of the earlier lease finds nothing to write to.
            disk.rename(&part(folder, name, newest), &own)?;
        }
        for older in found {
            disk.remove(&part(folder, name, older))?;
        }
        let file = disk.open(&own)?;
        let size = file.size();
        let mut lines = Lines::new(file);
        let mut count = 0;
        loop {
            match lines.next() {
                Ok(Some(json)) => each(json),
                Ok(None) | Err(Broken::Line(_)) => break,
                Err(Broken::Io(error)) => {
                    return Err(DiskError::Io { path: own.path, why: error.to_string() });
                }
            }
            count += 1;
        }
        let (at, hasher) = lines.good();
        if at < size {
            disk.append(&own, at, &[])?;
        }
        let sheet = Sheet { at, hasher, ..Sheet::new(disk, folder, name, fence) };
        Ok(FactsWriter { sheet, count, line: Vec::new() })
    }

    /// Like `resume`, and when no earlier lease left a file under work, takes back one that was published already: for
    /// stages that must not repeat work when the process ends after `seal` and before its checkpoint.
    pub fn reopen(
        disk: &'d dyn Disk,
        folder: &Place,
        name: &str,
        fence: u64,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<FactsWriter<'d>, DiskError> {
        if parts(disk, folder, name, fence)?.is_empty() {
            match disk.rename(&folder.join(name), &part(folder, name, fence)) {
                Ok(()) | Err(DiskError::Absent { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        FactsWriter::resume(disk, folder, name, fence, each)
    }

    /// Adds a row. It is durable after the next `sync` or `seal`.
    pub fn push<T: Serialize>(&mut self, row: &T) -> Result<(), DiskError> {
        self.line.clear();
        self.line.resize(HEAD, b' ');
        let written = serde_json::to_writer(&mut self.line, row);
        let json = self.line.len() - HEAD;
        let refused = match written {
            Err(error) => Some(format!("a row cannot be written as JSON: {error}")),
            Ok(()) if json + HEAD + 1 > LINE_MAX => {
                Some(format!("a row has {json} bytes, which is too long"))
            }
            Ok(()) => None,
        };
        if let Some(why) = refused {
            return Err(DiskError::Io { path: self.sheet.part.path.clone(), why });
        }
        let crc = crc32fast::hash(&self.line[HEAD..]);
        self.line[..HEAD - 1].copy_from_slice(hex(&crc.to_be_bytes()).as_bytes());
        self.line.push(b'\n');
        self.sheet.put(&self.line)?;
        self.count += 1;
        Ok(())
    }

    /// Makes every row so far durable.
    pub fn sync(&mut self) -> Result<(), DiskError> {
        self.sheet.flush()
    }

    /// Rows so far, with those taken over.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Makes every row durable, publishes the file under its name, and says what a reader must find.
    pub fn seal(self) -> Result<Seal, DiskError> {
        self.sheet.publish(self.count)
    }
}

fn part(folder: &Place, name: &str, fence: u64) -> Place {
    folder.join(&format!("{name}.{fence}.part"))
}

/// Fences of files under work, rising; refuses to go on when one is newer than ours.
fn parts(disk: &dyn Disk, folder: &Place, name: &str, fence: u64) -> Result<Vec<u64>, DiskError> {
    let fence_of = |file: &String| -> Option<u64> {
        file.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".part")?.parse().ok()
    };
    let mut fences: Vec<u64> = disk.list(folder)?.iter().filter_map(fence_of).collect();
    fences.sort_unstable();
    match fences.last() {
        Some(newest) if *newest > fence => Err(DiskError::Io {
            path: part(folder, name, *newest).path,
            why: format!("a newer lease (fence {newest}, ours is {fence}) writes it"),
        }),
        _ => Ok(fences),
    }
}

/// A file under work: gathers bytes, appends them durably, hashes what was appended.
struct Sheet<'d> {
    disk: &'d dyn Disk,
    folder: Place,
    name: String,
    part: Place,
    /// Bytes that are durable.
    at: u64,
    buffer: Vec<u8>,
    hasher: Sha256,
}

impl<'d> Sheet<'d> {
    fn new(disk: &'d dyn Disk, folder: &Place, name: &str, fence: u64) -> Sheet<'d> {
        Sheet {
            disk,
            folder: folder.clone(),
            name: name.to_string(),
            part: part(folder, name, fence),
            at: 0,
            buffer: Vec::new(),
            hasher: Sha256::new(),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        // Before, not after: bytes that were refused are not in the buffer when the caller tries once more.
        if !self.buffer.is_empty() && self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.disk.append(&self.part, self.at, &self.buffer)?;
        self.hasher.update(&self.buffer);
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn publish(mut self, count: u64) -> Result<Seal, DiskError> {
        self.flush()?;
        if self.at == 0 {
            self.disk.append(&self.part, 0, &[])?;
        }
        self.disk.rename(&self.part, &self.folder.join(&self.name))?;
        Ok(Seal { file: self.name, count, bytes: self.at, sha256: hex(&self.hasher.finalize()) })
    }
}

/// Why there is no next line.
enum Broken {
    Io(io::Error),
    Line(&'static str),
}

/// Goes through a file line by line, checking each.
struct Lines {
    file: Box<dyn ReadAt>,
    /// Bytes of the file that came into the buffer.
    read: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were good lines.
    used: usize,
    /// Good lines that left the buffer.
    hasher: Sha256,
}

impl Lines {
    fn new(file: Box<dyn ReadAt>) -> Lines {
        Lines { file, read: 0, buffer: Vec::new(), used: 0, hasher: Sha256::new() }
    }

    /// The byte behind the last good line.
    fn at(&self) -> u64 {
        self.read - (self.buffer.len() - self.used) as u64
    }

    /// The JSON of the next line; nothing at the end of the file.
    fn next(&mut self) -> Result<Option<&[u8]>, Broken> {
        let mut searched = self.used;
        let end = loop {
            if let Some(place) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                break searched + place;
            }
            if self.buffer.len() - self.used > LINE_MAX {
                return Err(Broken::Line("a line is too long"));
            }
            searched = self.buffer.len() - self.used;
            if !self.fill().map_err(Broken::Io)? {
                return match searched {
                    0 => Ok(None),
                    _ => Err(Broken::Line("its last line is torn")),
                };
            }
        };
        let line = self.used..end;
        let json = check(&self.buffer[line.clone()]).map_err(Broken::Line)?.len();
        self.used = end + 1;
        Ok(Some(&self.buffer[line.end - json..line.end]))
    }

    /// Reads more behind what is not used yet; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.hasher.update(&self.buffer[..self.used]);
        self.buffer.drain(..self.used);
        self.used = 0;
        let had = self.buffer.len();
        self.buffer.resize(had + READ, 0);
        let got = self.file.read_at(&mut self.buffer[had..], self.read);
        self.buffer.truncate(had + got.as_ref().copied().unwrap_or(0));
        let got = got?;
        self.read += got as u64;
        Ok(got > 0)
    }

    /// Bytes of the good lines so far, and their hash.
    fn good(mut self) -> (u64, Sha256) {
        self.hasher.update(&self.buffer[..self.used]);
        (self.at(), self.hasher)
    }
}

/// The JSON of a line whose CRC agrees with it.
fn check(line: &[u8]) -> Result<&[u8], &'static str> {
    let Some((head, json)) = line.split_at_checked(HEAD) else { return Err("a line is too short") };
    // Compared as it would be written: an upper-case digit is a flipped bit, too.
    if head[..HEAD - 1] != *hex(&crc32fast::hash(json).to_be_bytes()).as_bytes() || head[HEAD - 1] != b' ' {
        return Err("a line does not agree with its checksum");
    }
    Ok(json)
}

/// Reads a sealed facts file, row by row. Only a reader that was read to its end has proved the file.
pub struct FactsReader<T> {
    lines: Option<Lines>,
    about: String,
    seal: Seal,
    /// Where it began to read; only who began at the start can prove the file.
    start: u64,
    count: u64,
    row: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> FactsReader<T> {
    /// Opens the file of this seal.
    pub fn open(disk: &dyn Disk, folder: &Place, seal: &Seal) -> Result<FactsReader<T>, Trouble> {
        let place = folder.join(&seal.file);
        let about = format!("{} on {}", place.path, place.volume);
        let file = disk.open(&place).map_err(|error| Trouble::from(error).while_doing("reading facts"))?;
        if file.size() != seal.bytes {
            let because = format!("it has {} bytes, its seal says {}", file.size(), seal.bytes);
            return Err(damaged(&about, because));
        }
        let lines = Some(Lines::new(file));
        Ok(FactsReader { lines, about, seal: seal.clone(), start: 0, count: 0, row: PhantomData })
    }

    /// Goes on at a byte that `at` gave. Every line is checked, the file as a whole is not.
    pub fn open_at(
        disk: &dyn Disk,
        folder: &Place,
        seal: &Seal,
        start: u64,
    ) -> Result<FactsReader<T>, Trouble> {
        let mut reader = FactsReader::open(disk, folder, seal)?;
        if let Some(lines) = reader.lines.as_mut() {
            lines.read = start;
        }
        reader.start = start;
        Ok(reader)
    }

    /// The byte behind the last row that was read.
    pub fn at(&self) -> u64 {
        self.lines.as_ref().map_or(self.seal.bytes, Lines::at)
    }

    fn read(&mut self) -> Result<Option<T>, Trouble> {
        let Some(lines) = self.lines.as_mut() else { return Ok(None) };
        match lines.next() {
            Ok(Some(json)) => {
                let row = serde_json::from_slice(json);
                self.count += 1;
                let number = self.count;
                row.map(Some).map_err(|error| damaged(&self.about, format!("line {number}: {error}")))
            }
            Ok(None) => {
                self.prove()?;
                Ok(None)
            }
            Err(Broken::Line(why)) => {
                Err(damaged(&self.about, format!("{why}, after {} good ones", self.count)))
            }
            Err(Broken::Io(error)) => Err(Trouble::new(Kind::StagingIo, error.to_string())
                .while_doing("reading facts")
                .about(self.about.clone())),
        }
    }

    fn prove(&mut self) -> Result<(), Trouble> {
        let Some(lines) = self.lines.take() else { return Ok(()) };
        if self.start > 0 {
            return Ok(());
        }
        let (bytes, hasher) = lines.good();
        let found =
            Seal { file: self.seal.file.clone(), count: self.count, bytes, sha256: hex(&hasher.finalize()) };
        if found == self.seal {
            return Ok(());
        }
        let because = format!(
            "it has {} lines, {bytes} bytes and SHA-256 {}; its seal says {}, {} and {}",
            found.count, found.sha256, self.seal.count, self.seal.bytes, self.seal.sha256
        );
        Err(damaged(&self.about, because))
    }
}

fn damaged(about: &str, because: String) -> Trouble {
    Trouble::new(Kind::FactsDamaged, because).while_doing("reading facts").about(about)
}

impl<T: DeserializeOwned> Iterator for FactsReader<T> {
    type Item = Result<T, Trouble>;

    fn next(&mut self) -> Option<Result<T, Trouble>> {
        let next = self.read();
        if next.is_err() {
            self.lines = None;
        }
        next.transpose()
    }
}

#[cfg(test)]
mod tests;
