//! The tar in staging that an object's files are gathered in: written once, from front to back, and taken up again.
//!
//! - The same version gives the same tar, byte for byte: files in the order of their paths, one time, one mode.
//! - A row of the index is written only when the bytes it speaks of are durable.
//! - Bytes are gathered before they are appended, so that a hundred thousand small files cost few syncs.

use super::reading::Taker;
use crate::books::facts::FactsWriter;
use crate::model::fact::{BagPath, Member};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::bagit::make::TarWriter;
use crate::work::job::Job;
use crate::worlds::disk::{Disk, Place};

/// Bytes gathered before they are appended and synced.
const BUFFER: usize = 8 << 20;

const BLOCK: u64 = 512;

/// A tar that grows.
pub struct Tape<'a, 'd> {
    job: &'a Job<'a>,
    disk: &'d dyn Disk,
    place: Place,
    /// Bytes that are durable.
    at: u64,
    buffer: Vec<u8>,
    mtime: u64,
    /// Rows whose bytes are not durable yet.
    rows: Vec<Member>,
    facts: FactsWriter<'d>,
    /// The file that comes: its name in the tar, where its head begins, and where its bytes do.
    name: String,
    head: u64,
    body: u64,
}

impl<'a, 'd> Tape<'a, 'd> {
    /// Goes on behind the last member of the index.
    pub fn new(
        job: &'a Job<'a>,
        disk: &'d dyn Disk,
        place: Place,
        mtime: u64,
        (facts, last): (FactsWriter<'d>, Option<&Member>),
    ) -> Tape<'a, 'd> {
        let at = last.map_or(0, end_of);
        Tape {
            job,
            disk,
            place,
            at,
            buffer: Vec::new(),
            mtime,
            rows: Vec::new(),
            facts,
            name: String::new(),
            head: at,
            body: at,
        }
    }

    fn position(&self) -> u64 {
        self.at + self.buffer.len() as u64
    }

    /// Writes the folders that every bag has.
    pub fn folders(&mut self, names: &[String]) -> Result<(), Stop> {
        for name in names {
            let mut head = Vec::new();
            let written = TarWriter::new(&mut head, self.mtime).folder(name);
            written.map_err(|error| unwritable(name, &error))?;
            self.buffer.extend_from_slice(&head);
        }
        Ok(())
    }

    /// The next file will have this name in the tar.
    pub fn next(&mut self, name: String) {
        self.name = name;
        self.head = self.position();
    }

    /// The file that came is this member of the bag.
    pub fn keep(&mut self, number: u64, path: &str, size: u64) -> Result<(), Stop> {
        let over = (size % BLOCK) as usize;
        if over > 0 {
            self.put(&[0; BLOCK as usize][over..])?;
        }
        self.rows.push(Member {
            number,
            path: BagPath::from(path),
            offset: self.body,
            size,
            mtime: i64::try_from(self.mtime).unwrap_or(0),
            ..Member::default()
        });
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes everything durable: first bytes, then the rows that speak of them.
    pub fn flush(&mut self) -> Result<(), Stop> {
        if !self.buffer.is_empty() {
            self.disk.append(&self.place, self.at, &self.buffer)?;
            self.at += self.buffer.len() as u64;
            self.buffer.clear();
        }
        let whole = self.rows.iter().take_while(|row| end_of(row) <= self.at).count();
        for row in self.rows.drain(..whole) {
            self.facts.push(&row)?;
        }
        self.facts.sync()?;
        Ok(())
    }

    /// Writes the end mark; gives the tar's bytes and the index.
    pub fn finish(mut self) -> Result<(u64, FactsWriter<'d>), Stop> {
        self.put(&[0; 2 * BLOCK as usize])?;
        self.flush()?;
        Ok((self.at, self.facts))
    }
}

impl Taker for Tape<'_, '_> {
    fn begin(&mut self, bytes: u64) -> Result<(), Stop> {
        let mut head = Vec::new();
        let written = TarWriter::new(&mut head, self.mtime).file_head(&self.name, bytes);
        written.map_err(|error| unwritable(&self.name, &error))?;
        self.put(&head)?;
        self.body = self.position();
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.job.drained()?;
        self.job.meter.count(bytes.len() as u64, 0);
        self.put(bytes)
    }

    fn undo(&mut self) -> Result<(), Stop> {
        // What was appended of it lies behind, and is cut off by the next append.
        match self.head.checked_sub(self.at) {
            Some(kept) => self.buffer.truncate(usize::try_from(kept).unwrap_or(usize::MAX)),
            None => {
                self.at = self.head;
                self.buffer.clear();
            }
        }
        Ok(())
    }
}

/// The byte behind a member and what it is filled up with.
pub fn end_of(member: &Member) -> u64 {
    member.offset + member.size.next_multiple_of(BLOCK)
}

fn unwritable(name: &str, error: &std::io::Error) -> Trouble {
    Trouble::new(Kind::StagingIo, error.to_string()).while_doing("writing the head of").about(name)
}
