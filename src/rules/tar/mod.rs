//! Reading a tar's headers once: where every file of the bag lies, and everything for which the tar must be refused.
//!
//! - Nothing is ever written by a member's name; this module only reads.
//! - A refused tar gives no member: all refusals that one pass can find are collected first.
//! - Time grows with the bytes of the tar, memory with nothing: names go through the external sorter, extension headers
//!   are streamed, kept values and findings are capped.
//! - Reading errors are apart from refusals: a disk that fails is not the depositor's fault.
//!
//! The `tar` crate's reader is not used: it passes over what a receiver must refuse (duplicates, sparse files, data
//! behind the end). Tests hold this reader against it.

mod caught;
mod end;
mod extension;
mod folder;
mod header;
mod names;
mod twins;
mod walk;

#[cfg(test)]
mod tests;

pub use caught::grouped;
pub use folder::{FolderEntry, FolderIndex};
pub use header::{BLOCK, is_header};

use crate::model::fact::Member;
use crate::model::finding::Finding;
use crate::rules::read::ReadAt;
use crate::rules::sort::Scratch;
use std::collections::BTreeSet;
use std::fmt;
use std::io;

/// What a deposit may cost us; a bag beyond them is refused or held, never half read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members of one deposit.
    pub members: u64,
    /// Bytes of one path.
    pub path_bytes: usize,
    /// Bytes of one component of a path: what file systems can store.
    pub component_bytes: usize,
    /// Components of one path.
    pub depth: usize,
    /// Bytes kept of one value of an extension header.
    pub extension_value_bytes: usize,
    /// Bytes of one extension header, most of which are passed over unread.
    pub extension_bytes: u64,
    /// Records of one extension header.
    pub extension_records: u64,
    /// Findings kept with one code while indexing; the rest is counted.
    pub findings: u64,
    /// Memory for sorting, in bytes, before rows go to the scratch place.
    pub sort_bytes: usize,
    /// Bytes of one line of a tag file.
    pub line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            members: 10_000_000,
            path_bytes: 4_096,
            component_bytes: 255,
            depth: 256,
            extension_value_bytes: 64 << 10,
            extension_bytes: 1 << 30,
            extension_records: 10_000,
            findings: 1_000,
            sort_bytes: 16 << 20,
            line_bytes: 64 << 10,
        }
    }
}

/// What the pass over a tar or folder found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// The single top-level folder, byte for byte as escaped text; empty for a folder deposit.
    pub top: String,
    /// Regular files of the bag.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// True when there is a folder `data`, be it empty.
    pub payload_folder: bool,
    /// Formats of the headers: "gnu", "pax", "ustar", "v7"; empty for a folder deposit.
    pub formats: BTreeSet<&'static str>,
    /// Warnings and notes.
    pub findings: Vec<Finding>,
}

/// Why there is no index.
#[derive(Debug)]
pub enum IndexError<E> {
    /// The deposit must be refused: every reason, warnings among them.
    Refused(Vec<Finding>),
    /// The deposit could not be read at this byte.
    Read {
        /// Where.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
    /// The scratch place failed.
    Scratch(io::Error),
    /// `each` did not take a member.
    Each(E),
}

impl<E: fmt::Display> fmt::Display for IndexError<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexError::Refused(findings) => write!(out, "the tar is refused ({} findings)", findings.len()),
            IndexError::Read { offset, error } => write!(out, "reading the tar at byte {offset}: {error}"),
            IndexError::Scratch(error) => write!(out, "sorting the members: {error}"),
            IndexError::Each(error) => error.fmt(out),
        }
    }
}

/// Reads the headers of a tar and gives `each` every regular file of the bag, in the order of the tar, with its path
/// below the single top-level folder. Nothing is given when the tar is refused.
pub fn index<E>(
    tar: &dyn ReadAt,
    limits: &Limits,
    scratch: &dyn Scratch,
    each: &mut dyn FnMut(Member) -> Result<(), E>,
) -> Result<Indexed, IndexError<E>> {
    let mut survey = walk::Survey::new(limits, scratch);
    survey.run(tar).map_err(|stop| match stop {
        walk::Stop::Read { offset, error } => IndexError::Read { offset, error },
        walk::Stop::Scratch(error) => IndexError::Scratch(error),
    })?;
    survey.give(each)
}
