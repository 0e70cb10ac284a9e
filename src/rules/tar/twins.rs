//! Names that occur twice or clash, found by sorting all names outside of memory.
//!
//! - `/` sorts before every other byte, so all that lies below a name follows it at once.
//! - Two files of one name are compared byte by byte, each with the first, so the time is bounded by the tar's bytes.

use super::caught::{Caught, about};
use super::extension::read_exact_at;
use super::walk::Stop;
use crate::model::finding::{Severity, escape};
use crate::rules::read::ReadAt;
use crate::rules::sort::{Scratch, Sorter};
use std::collections::BTreeSet;
use std::io;

/// What a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// A folder that the tar names itself.
    Folder,
    /// A regular file.
    File {
        /// Member number.
        number: u64,
        /// First byte.
        offset: u64,
        /// Bytes.
        size: u64,
    },
}

/// Repeats that are passed over at most; a tar with more was not made by accident.
const REPEATS_MAX: usize = 10_000;

/// Collects names, then judges them.
pub struct Twins<'a> {
    names: Option<Sorter<'a>>,
    repeats: BTreeSet<u64>,
}

/// One name while its rows go by.
struct Group {
    key: Vec<u8>,
    folder: bool,
    file: Option<(u64, u64)>,
    clashed: bool,
}

impl<'a> Twins<'a> {
    /// Nothing collected yet.
    pub fn new(scratch: &'a dyn Scratch, budget: usize) -> Twins<'a> {
        Twins { names: Some(Sorter::new(scratch, budget)), repeats: BTreeSet::new() }
    }

    /// Takes a clean path, relative to the bag.
    pub fn push(&mut self, path: &[u8], named: Named) -> io::Result<()> {
        let key = path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect();
        let value = match named {
            Named::Folder => Vec::new(),
            Named::File { number, offset, size } => {
                [number.to_le_bytes(), offset.to_le_bytes(), size.to_le_bytes()].concat()
            }
        };
        self.names.as_mut().expect("names are pushed before they are judged").push(key, value)
    }

    /// Member numbers that repeat an earlier member byte by byte.
    pub fn into_repeats(self) -> BTreeSet<u64> {
        self.repeats
    }

    /// Finds duplicates, clashes and empty folders.
    pub fn judge(&mut self, tar: &dyn ReadAt, caught: &mut Caught) -> Result<(), Stop> {
        let Some(names) = self.names.take() else { return Ok(()) };
        let mut group: Option<Group> = None;
        let mut file_above: Option<Vec<u8>> = None;
        for row in names.finish().map_err(Stop::Scratch)? {
            let (key, value) = row.map_err(Stop::Scratch)?;
            if group.as_ref().is_none_or(|group| group.key != key) {
                if let Some(done) = group.take() {
                    if done.folder && done.file.is_none() && !is_below(&key, &done.key) {
                        empty_folder(&done.key, caught);
                    }
                    if done.file.is_some() {
                        file_above = Some(done.key);
                    }
                }
                group = Some(Group { key: key.clone(), folder: false, file: None, clashed: false });
                if let Some(file) = &file_above
                    && is_below(&key, file)
                {
                    clash(file, caught);
                    // Said once for each file that is used as a folder.
                    file_above = None;
                }
            }
            let group = group.as_mut().expect("a group was opened above");
            self.take(group, &value, tar, caught)?;
        }
        if let Some(done) = group
            && done.folder
            && done.file.is_none()
        {
            empty_folder(&done.key, caught);
        }
        Ok(())
    }

    fn take(
        &mut self,
        group: &mut Group,
        value: &[u8],
        tar: &dyn ReadAt,
        caught: &mut Caught,
    ) -> Result<(), Stop> {
        let number_at = |place: usize| {
            value
                .get(place * 8..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        if value.is_empty() {
            group.folder = true;
        } else if let Some((offset, size)) = group.file {
            self.repeat(&group.key, (offset, size), (number_at(1), number_at(2)), number_at(0), tar, caught)?;
        } else {
            group.file = Some((number_at(1), number_at(2)));
        }
        if group.folder && group.file.is_some() && !group.clashed {
            group.clashed = true;
            clash(&group.key, caught);
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        key: &[u8],
        first: (u64, u64),
        again: (u64, u64),
        number: u64,
        tar: &dyn ReadAt,
        caught: &mut Caught,
    ) -> Result<(), Stop> {
        let path = path_of(key);
        let shown = escape(&path);
        let alike = first.1 == again.1 && same_bytes(tar, first.0, again.0, first.1)?;
        if alike && self.repeats.len() < REPEATS_MAX {
            self.repeats.insert(number);
            let what =
                format!("`{shown}` is in the tar more than once, with the same bytes; the first one counts.");
            let advice = "Nothing to do; make the tar anew next time instead of appending to it.";
            caught.push(about("SER-DUPLICATE-MEMBER", Severity::Warning, &path, what).advice(advice));
        } else {
            let what = format!("`{shown}` is in the tar more than once, with different bytes.");
            let advice = "Make the tar anew, so that each file is in it once.";
            caught.push(about("SER-DUPLICATE-MEMBER", Severity::Error, &path, what).advice(advice));
        }
        Ok(())
    }
}

fn is_below(key: &[u8], folder: &[u8]) -> bool {
    key.strip_prefix(folder).is_some_and(|rest| rest.first() == Some(&0))
}

fn path_of(key: &[u8]) -> Vec<u8> {
    key.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect()
}

fn clash(key: &[u8], caught: &mut Caught) {
    let path = path_of(key);
    let what = format!("`{}` is in the tar as a file and as a folder.", escape(&path));
    let advice = "Make the tar anew from the bag's folder.";
    caught.push(about("SER-CLASH", Severity::Error, &path, what).advice(advice));
}

fn empty_folder(key: &[u8], caught: &mut Caught) {
    // An empty payload is judged with the manifests.
    if key == b"data" {
        return;
    }
    let path = path_of(key);
    let what = format!("The folder `{}` is empty; a bag cannot say so, and it is not kept.", escape(&path));
    let advice = "If it matters, put a file (.keep) into it and make the bag again.";
    caught.push(
        about("STRUCT-EMPTY-DIR", Severity::Warning, &path, what).advice(advice).clause("RFC 8493, 2.1.3"),
    );
}

fn same_bytes(tar: &dyn ReadAt, one: u64, other: u64, size: u64) -> Result<bool, Stop> {
    let mut at = 0;
    let (mut left, mut right) = (vec![0; 32 << 10], vec![0; 32 << 10]);
    while at < size {
        let count = left.len().min(usize::try_from(size - at).unwrap_or(usize::MAX));
        for (buf, start) in [(&mut left, one), (&mut right, other)] {
            let offset = start + at;
            read_exact_at(tar, &mut buf[..count], offset).map_err(|error| Stop::Read { offset, error })?;
        }
        if left[..count] != right[..count] {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}
