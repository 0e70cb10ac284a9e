//! Missing files beside unlisted ones: the same content under another name is one fault, not two.
//!
//! - Both kinds meet in the external sorter by digest, so memory does not grow with their number.
//! - Of files with one and the same content only a bounded number is compared name by name; the others are told as they
//!   are, missing and unlisted.
//! - Findings come in the order of paths, whatever was paired with whatever.

use super::manifest::Manifest;
use super::paths::{base_name, cause};
use super::report::{Halt, Out};
use super::rows::{Entry, Present, Value};
use super::told;
use crate::model::digest::Algorithm;
use crate::rules::sort::{Row, Scratch, Sorter};
use std::collections::VecDeque;
use std::io;

/// A listed name that is not in the bag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absent {
    /// The name.
    pub path: Vec<u8>,
    /// The lines that list it.
    pub entries: Vec<Entry>,
    /// A file whose name differs only in case, and whose content differs, too.
    pub near: Option<Vec<u8>>,
}

/// Collects what is missing and what is unlisted, then pairs and tells.
pub struct Correlation<'a> {
    sources: &'a [Manifest],
    algorithms: Vec<Algorithm>,
    by_digest: Sorter<'a>,
    by_path: Sorter<'a>,
    missing: u64,
    unlisted: u64,
}

/// Missing files of one content that wait for an unlisted one.
const WAITING_MAX: usize = 1_024;

/// Names of one content compared each with each.
const COMPARED_MAX: usize = 16;

const MISSING: u8 = b'0';
const UNLISTED: u8 = b'1';
const FOUND_AS: u8 = b'2';
const TAKEN: u8 = b'3';

impl<'a> Correlation<'a> {
    /// Nothing collected yet.
    pub fn new(sources: &'a [Manifest], scratch: &'a dyn Scratch, budget: usize) -> Correlation<'a> {
        let payload = sources.iter().filter(|source| !source.is_tag);
        let mut algorithms: Vec<Algorithm> = payload.filter_map(|source| source.algorithm).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let sorter = || Sorter::new(scratch, budget);
        Correlation { sources, algorithms, by_digest: sorter(), by_path: sorter(), missing: 0, unlisted: 0 }
    }

    /// A payload file that is listed and not there.
    pub fn missing(&mut self, absent: &Absent) -> io::Result<()> {
        self.missing += 1;
        let key = absent.entries.iter().find_map(|entry| {
            let algorithm = self.sources[usize::from(entry.source)].algorithm?;
            Some(digest_key(algorithm, entry.digest.as_deref()?, MISSING))
        });
        if let Some(key) = key {
            self.by_digest.push(key, absent.path.clone())?;
        }
        self.by_path.push(absent.path.clone(), encode(absent))
    }

    /// A payload file that no manifest lists.
    pub fn unlisted(&mut self, path: &[u8], present: &Present) -> io::Result<()> {
        self.unlisted += 1;
        for algorithm in &self.algorithms {
            if let Some(digest) = present.digest(*algorithm) {
                let value = [&present.size.to_le_bytes()[..], path].concat();
                self.by_digest.push(digest_key(*algorithm, digest, UNLISTED), value)?;
            }
        }
        self.by_path.push(path.to_vec(), [&[UNLISTED][..], &present.size.to_le_bytes()].concat())
    }

    /// Pairs, then tells everything in the order of paths.
    pub fn tell(mut self, out: &mut Out<'_>) -> Result<(), Halt> {
        if self.missing > 0 && self.unlisted > 0 {
            pair(self.by_digest, &mut self.by_path).map_err(Halt::Scratch)?;
        }
        let mut rows: Vec<Row> = Vec::new();
        for row in self.by_path.finish().map_err(Halt::Scratch)? {
            let row = row.map_err(Halt::Scratch)?;
            if rows.first().is_some_and(|first| first.0 != row.0) {
                tell_one(self.sources, &rows, out)?;
                rows.clear();
            }
            // One name is listed and found a few times at most; marks of files taken more than once say the same.
            if rows.len() < COMPARED_MAX {
                rows.push(row);
            }
        }
        tell_one(self.sources, &rows, out)
    }
}

/// What is known of one path, in the order it was pushed.
fn tell_one(sources: &[Manifest], rows: &[Row], out: &mut Out<'_>) -> Result<(), Halt> {
    let Some((path, first)) = rows.first() else { return Ok(()) };
    let damaged = || Halt::Scratch(damaged());
    let mark = |kind: u8| rows.iter().find(|row| row.1.first() == Some(&kind)).map(|row| &row.1[1..]);
    match first.split_first() {
        Some((&MISSING, rest)) => {
            let absent = decode(path, rest).ok_or_else(damaged)?;
            match mark(FOUND_AS) {
                Some(found) => out.say(told::renamed(sources, path, &absent.entries, found)),
                None => out.say(told::missing(sources, &absent)),
            }
        }
        Some((&UNLISTED, _)) if mark(TAKEN).is_some() => Ok(()),
        Some((&UNLISTED, size)) => {
            let size = size.first_chunk().map(|size| u64::from_le_bytes(*size));
            out.say(told::unlisted(path, size.ok_or_else(damaged)?))
        }
        _ => Err(damaged()),
    }
}

fn digest_key(algorithm: Algorithm, digest: &[u8], kind: u8) -> Vec<u8> {
    let place = Algorithm::ALL.iter().position(|known| *known == algorithm).unwrap_or_default();
    [&[place as u8][..], digest, &[kind]].concat()
}

/// Walks the contents; of each, the missing names come first.
fn pair(by_digest: Sorter<'_>, by_path: &mut Sorter<'_>) -> io::Result<()> {
    let mut content: Vec<u8> = Vec::new();
    let mut wanted: VecDeque<Vec<u8>> = VecDeque::new();
    let mut offered: Vec<(bool, Vec<u8>)> = Vec::new();
    for row in by_digest.finish()? {
        let (key, value) = row?;
        let (kind, digest) = key.split_last().ok_or_else(damaged)?;
        if digest != content {
            match_names(&mut wanted, &mut offered, by_path)?;
            wanted.clear();
            content = digest.to_vec();
        }
        if *kind == MISSING {
            if wanted.len() < WAITING_MAX {
                wanted.push_back(value);
            }
        } else if !wanted.is_empty() {
            let (size, path) = value.split_at_checked(8).ok_or_else(damaged)?;
            offered.push((size == [0; 8], path.to_vec()));
            if offered.len() == COMPARED_MAX {
                match_names(&mut wanted, &mut offered, by_path)?;
            }
        }
    }
    match_names(&mut wanted, &mut offered, by_path)
}

/// How much two names of one content have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    Content,
    BaseName,
    Cause,
}

/// Empty files are all alike: they are only the same when their names say so.
fn alike(listed: &[u8], found: &[u8], empty: bool) -> Option<Alike> {
    if cause(listed, found).is_some() {
        Some(Alike::Cause)
    } else if base_name(listed) == base_name(found) {
        Some(Alike::BaseName)
    } else {
        (!empty).then_some(Alike::Content)
    }
}

/// Pairs the names offered with as many of those wanted, the most alike first; offered names are used up.
fn match_names(
    wanted: &mut VecDeque<Vec<u8>>,
    offered: &mut Vec<(bool, Vec<u8>)>,
    by_path: &mut Sorter<'_>,
) -> io::Result<()> {
    let count = if offered.is_empty() { 0 } else { wanted.len().min(COMPARED_MAX) };
    let mut listed: Vec<Vec<u8>> = wanted.drain(..count).collect();
    for rank in [Alike::Cause, Alike::BaseName, Alike::Content] {
        let mut still = Vec::new();
        for path in listed {
            let place = offered.iter().position(|(empty, found)| alike(&path, found, *empty) >= Some(rank));
            let Some(place) = place else {
                still.push(path);
                continue;
            };
            let (_, found) = offered.remove(place);
            by_path.push(path, [&[FOUND_AS], &found[..]].concat())?;
            by_path.push(found, vec![TAKEN])?;
        }
        listed = still;
    }
    offered.clear();
    Ok(())
}

fn encode(absent: &Absent) -> Vec<u8> {
    let near = absent.near.as_deref().unwrap_or_default();
    let mut bytes = vec![MISSING];
    bytes.extend_from_slice(&(near.len() as u32).to_le_bytes());
    bytes.extend_from_slice(near);
    for entry in &absent.entries {
        let value = Value::Entry(entry.clone()).encode();
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&value);
    }
    bytes
}

fn decode(path: &[u8], mut bytes: &[u8]) -> Option<Absent> {
    let mut part = || -> Option<&[u8]> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        Some(part)
    };
    let near = part()?.to_vec();
    let mut entries = Vec::new();
    while let Some(value) = part() {
        let Value::Entry(entry) = Value::decode(value).ok()? else { return None };
        entries.push(entry);
    }
    Some(Absent { path: path.to_vec(), entries, near: (!near.is_empty()).then_some(near) })
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a sorted row came back damaged")
}
