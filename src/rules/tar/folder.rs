//! The same index from a walk over a folder deposit.
//!
//! - Paths come relative to the bag's folder; the same limits hold as in a tar, and links and devices are refused.

use super::caught::about;
use super::names::clean;
use super::walk::{Stop, Survey};
use super::{IndexError, Indexed, Limits};
use crate::model::fact::{BagPath, Member};
use crate::model::finding::{Severity, escape};
use crate::rules::sort::Scratch;
use std::io;

/// What lies at one path of a folder deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderEntry {
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Modification time, seconds since 1970 (UTC).
        mtime: i64,
    },
    /// A folder with nothing in it.
    EmptyFolder,
    /// A link, device, socket or pipe.
    Special,
}

/// Collects what a walk meets, then gives the members.
pub struct FolderIndex<'a> {
    limits: &'a Limits,
    survey: Survey<'a>,
    seen: u64,
}

impl<'a> FolderIndex<'a> {
    /// Nothing met yet.
    pub fn new(limits: &'a Limits, scratch: &'a dyn Scratch) -> FolderIndex<'a> {
        FolderIndex { limits, survey: Survey::new(limits, scratch), seen: 0 }
    }

    /// Takes one entry.
    pub fn take(&mut self, path: BagPath, entry: FolderEntry) -> io::Result<()> {
        self.seen += 1;
        if let Err(finding) = clean(&path.0, self.limits) {
            self.survey.catch(*finding);
            return Ok(());
        }
        let (is_folder, size, mtime) = match entry {
            FolderEntry::File { size, mtime } => (false, size, mtime),
            FolderEntry::EmptyFolder => (true, 0, 0),
            FolderEntry::Special => {
                let what = format!("`{}` is a link, device, socket or pipe.", escape(&path.0));
                let advice = "Bags hold only files and folders: put a copy there or leave it out.";
                let finding = about("STRUCT-NOT-A-FILE", Severity::Error, &path.0, what);
                self.survey.catch(finding.advice(advice).clause("RFC 8493, 2"));
                return Ok(());
            }
        };
        self.survey.keep(path, is_folder, Member { size, mtime, ..Member::default() }).map_err(|stop| {
            match stop {
                Stop::Read { error, .. } | Stop::Scratch(error) => error,
            }
        })
    }

    /// Gives `each` every file, in the order they were met, unless the deposit is refused.
    pub fn finish<E>(
        mut self,
        each: &mut dyn FnMut(Member) -> Result<(), E>,
    ) -> Result<Indexed, IndexError<E>> {
        if self.seen == 0 {
            let what = "The folder is empty.";
            let advice = "Look into the folder before you send it.";
            self.survey.catch(about("SER-EMPTY", Severity::Error, b"", what).advice(advice));
        }
        self.survey.close_folder().map_err(|stop| match stop {
            Stop::Read { error, .. } | Stop::Scratch(error) => IndexError::Scratch(error),
        })?;
        self.survey.give(each)
    }
}
