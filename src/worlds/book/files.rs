//! Files of a journal: their names; made, listed and removed.
//!
//! - A file has its name only when it is whole.
//! - A name that is not read back as it would be written is nobody's: such a file is left alone.

use super::BookError;
use super::durable::{self, SyncMode, io_error};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of the journal, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// Live rows.
    Snapshot(u64),
    /// Commits.
    Segment(u64),
}

impl Name {
    pub fn text(self) -> String {
        match self {
            Name::Snapshot(at) => format!("snapshot-{at:020}"),
            Name::Segment(at) => format!("segment-{at:020}"),
        }
    }

    pub fn parse(text: &str) -> Option<Name> {
        let number = |digits: &str| digits.parse().ok();
        let name = match text.strip_prefix("snapshot-") {
            Some(digits) => Name::Snapshot(number(digits)?),
            None => Name::Segment(number(text.strip_prefix("segment-")?)?),
        };
        (name.text() == text).then_some(name)
    }
}

/// A file that is there, to be written on at its end.
pub(super) fn append_to(path: &Path) -> Result<File, BookError> {
    OpenOptions::new().append(true).open(path).map_err(|error| io_error(path, error))
}

/// The same new file in both copies.
pub(super) fn create_both(
    folders: &[PathBuf; 2],
    name: Name,
    bytes: &[u8],
    sync: SyncMode,
) -> Result<[Arc<File>; 2], BookError> {
    let create = |folder: &PathBuf| {
        let path = folder.join(name.text());
        let mut file = durable::create_part(&path)?;
        file.write_all(bytes).map_err(|error| io_error(&path, error))?;
        durable::publish(&file, &path, sync)?;
        Ok(Arc::new(file))
    };
    Ok([create(&folders[0])?, create(&folders[1])?])
}

/// The journal files in a folder; unfinished ones are removed.
pub(super) fn list(folder: &Path) -> Result<Vec<Name>, BookError> {
    let mut names = Vec::new();
    for text in durable::names(folder)? {
        if let Some(name) = Name::parse(&text) {
            names.push(name);
        } else if text.strip_suffix(".part").and_then(Name::parse).is_some() {
            durable::remove(&folder.join(text))?;
        }
    }
    Ok(names)
}

/// Removes these files from both copies.
pub(super) fn remove(folders: &[PathBuf; 2], stale: &[Name], sync: SyncMode) -> Result<(), BookError> {
    if stale.is_empty() {
        return Ok(());
    }
    for folder in folders {
        for name in stale {
            durable::remove(&folder.join(name.text()))?;
        }
        durable::sync_folder(folder, sync)?;
    }
    Ok(())
}
