//! Writing so that it survives a power cut: what every file of the ledger goes through.
//!
//! - A new file is made under `NAME.part` by `O_EXCL`, synced, renamed, and its folder synced: under its name it is whole.
//! - A failed sync is never tried again; the caller must end.

use super::BookError;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Whether writes are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// Always.
    #[default]
    Durable,
    /// New files, but no commits. Only for tests: the finer of two negative controls.
    NotCommitsForNegativeControl,
    /// Never. Only for tests: a negative control, which the power-cut sweep must catch.
    NeverForNegativeControl,
}

/// What the system said, about this path.
pub(super) fn io_error(path: &Path, error: io::Error) -> BookError {
    BookError::Io { path: path.display().to_string(), why: error.to_string() }
}

/// Syncs a file's bytes and what is needed to read them back.
pub(super) fn sync_data(file: &File, path: &Path, mode: SyncMode) -> Result<(), BookError> {
    match mode {
        SyncMode::NeverForNegativeControl => Ok(()),
        _ => file.sync_data().map_err(|error| io_error(path, error)),
    }
}

/// Syncs a file with everything about it; for a change of its length that is not an appending write.
pub(super) fn sync_all(file: &File, path: &Path, mode: SyncMode) -> Result<(), BookError> {
    match mode {
        SyncMode::NeverForNegativeControl => Ok(()),
        _ => file.sync_all().map_err(|error| io_error(path, error)),
    }
}

/// Syncs the names in a folder.
pub(super) fn sync_folder(folder: &Path, mode: SyncMode) -> Result<(), BookError> {
    match mode {
        SyncMode::NeverForNegativeControl => Ok(()),
        _ => File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| io_error(folder, error)),
    }
}

/// Makes a folder and what is missing above it, each name synced.
pub fn make_folder(folder: &Path, mode: SyncMode) -> Result<(), BookError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    make_folder(&parent, mode)?;
    match std::fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error(folder, error)),
    }
    sync_folder(&parent, mode)
}

/// `NAME.part` of a file.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// A file of our own making that nobody else has: under its `.part` name, until `publish`.
pub fn create_part(path: &Path) -> Result<File, BookError> {
    let part = part_of(path);
    OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .open(&part)
        .map_err(|error| io_error(&part, error))
}

/// Gives a complete file its name.
pub fn publish(file: &File, path: &Path, mode: SyncMode) -> Result<(), BookError> {
    let part = part_of(path);
    sync_all(file, &part, mode)?;
    std::fs::rename(&part, path).map_err(|error| io_error(path, error))?;
    sync_folder(path.parent().expect("a ledger file lies in a folder"), mode)
}

/// Bytes that an ordinary process may still write where this path, or the nearest folder above it that is there, lies; and
/// the device of that file system.
pub fn room(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let mut there = path;
    while !there.exists() {
        there = there.parent().unwrap_or(Path::new("/"));
    }
    let system = rustix::fs::statvfs(there)?;
    Ok((system.f_bavail.saturating_mul(system.f_frsize), there.metadata()?.dev()))
}

/// Removes a file; absent is fine.
pub fn remove(path: &Path) -> Result<(), BookError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path, error)),
        _ => Ok(()),
    }
}

/// Names in a folder.
///
/// Not by the standard library: it panics when the system gives an error while a folder is closed.
pub fn names(folder: &Path) -> Result<Vec<String>, BookError> {
    let fail = |errno: rustix::io::Errno| io_error(folder, errno.into());
    let file = File::open(folder).map_err(|error| io_error(folder, error))?;
    let entries = rustix::fs::Dir::read_from(&file).map_err(fail)?;
    let mut names = Vec::new();
    for entry in entries {
        // All names that matter here are ours, and ASCII.
        match entry.map_err(fail)?.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

/// Removes a folder of our own making with all in it; absent is fine.
pub fn remove_tree(folder: &Path) -> Result<(), BookError> {
    if !folder.is_dir() {
        return remove(folder);
    }
    for name in names(folder)? {
        let path = folder.join(name);
        // A link is removed, never followed.
        if path.symlink_metadata().map_err(|error| io_error(&path, error))?.is_dir() {
            remove_tree(&path)?;
        } else {
            remove(&path)?;
        }
    }
    std::fs::remove_dir(folder).map_err(|error| io_error(folder, error))
}
