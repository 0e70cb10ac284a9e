//! Folders, listed and removed.
//!
//! - Nothing here panics: the standard library's own listing does when a folder cannot be closed, and a target that fails
//!   may fail there.
//! - A listing is read as it is used; the number of files does not matter.

use crate::worlds::target::burial::{Buried, GoOn};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What lies in a folder, one by one.
pub(super) struct Entries {
    dir: Dir,
    folder: PathBuf,
}

/// One of them.
pub(super) struct Entry {
    folder: PathBuf,
    name: OsString,
    kind: FileType,
}

/// Lists a folder.
pub(super) fn entries(folder: &Path) -> io::Result<Entries> {
    let opened = openat(CWD, folder, FOLDER, Mode::empty())?;
    Ok(Entries { dir: Dir::new(opened)?, folder: folder.to_path_buf() })
}

impl Iterator for Entries {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<io::Result<Entry>> {
        loop {
            match self.dir.next()? {
                Err(error) => return Some(Err(error.into())),
                Ok(entry) if is_self_or_parent(entry.file_name()) => {}
                Ok(entry) => {
                    let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_os_string();
                    return Some(Ok(Entry { folder: self.folder.clone(), name, kind: entry.file_type() }));
                }
            }
        }
    }
}

impl Entry {
    pub(super) fn file_name(&self) -> &OsStr {
        &self.name
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// A link to a folder is none.
    pub(super) fn is_dir(&self) -> io::Result<bool> {
        match self.kind {
            // Some file systems do not say it while listing.
            FileType::Unknown => Ok(self.path().symlink_metadata()?.is_dir()),
            kind => Ok(kind == FileType::Directory),
        }
    }
}

/// Removes all that is in a folder.
pub(super) fn empty_folder(folder: &Path) -> io::Result<()> {
    for entry in entries(folder)? {
        let entry = entry?;
        if entry.is_dir()? {
            remove_tree(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes a folder with all that is in it, following no link.
pub(super) fn remove_tree(folder: &Path) -> io::Result<()> {
    let opened = openat(CWD, folder, FOLDER, Mode::empty())?;
    empty(&opened)?;
    Ok(unlinkat(CWD, folder, AtFlags::REMOVEDIR)?)
}

fn empty(folder: &OwnedFd) -> io::Result<()> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !is_self_or_parent(entry.file_name()) {
            remove_within(folder.as_fd(), entry.file_name(), entry.file_type())?;
        }
    }
    Ok(())
}

fn remove_within(folder: BorrowedFd<'_>, name: &CStr, kind: FileType) -> io::Result<()> {
    let kind = match kind {
        FileType::Unknown => {
            FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
        }
        known => known,
    };
    let how = if kind == FileType::Directory {
        empty(&openat(folder, name, FOLDER, Mode::empty())?)?;
        AtFlags::REMOVEDIR
    } else {
        AtFlags::empty()
    };
    match unlinkat(folder, name, how) {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

/// Removed files after which it is asked whether to go on.
const STEP: u64 = 64;

/// Removes a folder with all that is in it, following no link. What cannot be removed is told and passed over; each file is
/// tried once. An error only when the folder itself cannot be opened.
pub(super) fn wear_away(folder: &Path, told: &mut Buried, go_on: GoOn<'_>) -> io::Result<()> {
    let opened = openat(CWD, folder, FOLDER, Mode::empty())?;
    let before = told.left;
    if wear_within(&opened, &folder.display().to_string(), told, go_on) && told.left == before {
        let removed = unlinkat(CWD, folder, AtFlags::REMOVEDIR);
        removed.unwrap_or_else(|error| told.fail(&folder.display().to_string(), error));
    }
    Ok(())
}

/// False when it was broken off.
fn wear_within(folder: &OwnedFd, path: &str, told: &mut Buried, go_on: GoOn<'_>) -> bool {
    let listed = match Dir::read_from(folder) {
        Ok(listed) => listed,
        Err(error) => {
            told.fail(path, error);
            return true;
        }
    };
    for entry in listed {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                told.fail(path, error);
                return true;
            }
        };
        let name = entry.file_name();
        if is_self_or_parent(name) {
            continue;
        }
        let below = || format!("{path}/{}", name.to_string_lossy());
        // What is no folder cannot be opened as one: a kind that the listing does not say is found out by trying.
        let inner = match entry.file_type() {
            FileType::Directory | FileType::Unknown => openat(folder, name, FOLDER, Mode::empty()),
            _ => Err(Errno::NOTDIR),
        };
        let how = match inner {
            Ok(inner) => {
                let before = told.left;
                if !wear_within(&inner, &below(), told, go_on) {
                    return false;
                }
                if told.left > before {
                    continue;
                }
                AtFlags::REMOVEDIR
            }
            Err(Errno::NOTDIR | Errno::LOOP) => AtFlags::empty(),
            Err(error) => {
                told.fail(&below(), error);
                continue;
            }
        };
        match unlinkat(folder, name, how) {
            Ok(()) => {
                told.removed += u64::from(how.is_empty());
                if how.is_empty() && told.removed.is_multiple_of(STEP) && !go_on(told.removed) {
                    told.more = true;
                    return false;
                }
            }
            Err(Errno::NOENT) => {}
            Err(error) => told.fail(&below(), error),
        }
    }
    true
}

fn is_self_or_parent(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_tree_is_removed_and_what_its_links_point_to_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, other) = (folder.path().join("tree"), folder.path().join("other"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        fs::write(other.join("file"), "y").unwrap();
        symlink(&other, tree.join("a/link")).unwrap();
        let mut seen: Vec<_> = entries(&tree.join("a"))
            .unwrap()
            .map(|entry| {
                entry.map(|entry| (entry.file_name().to_os_string(), entry.is_dir().unwrap())).unwrap()
            })
            .collect();
        seen.sort();
        assert_eq!(seen, [("b".into(), true), ("link".into(), false)]);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && other.join("file").exists());
        assert!(remove_tree(&tree).is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
    }
}
