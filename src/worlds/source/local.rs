//! Deposits on local file systems: a key is an absolute path.
//!
//! - A deposit is itself no link, and beneath it no link is followed, also when it is swapped while we look.
//! - Only regular files are read; a pipe or device in a deposit is told of, never waited for.
//! - Memory does not grow with the number of files: a folder's names are read in sorted batches.

use crate::model::digest::hex;
use crate::model::fact::BagPath;
use crate::model::item::Form;
use crate::model::trouble::{Kind, Trouble};
use crate::rules::read::ReadAt;
use crate::worlds::beneath;
use crate::worlds::source::{Arrival, Entry, Source, SourceError};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

/// Names of one folder held at once; a larger folder is read again for each further batch.
///
/// Held all at once (as walkdir does to sort), a flat folder of a million files costs 200 MB and more.
const BATCH_MAX: usize = 1 << 17;
/// Names held over all folders that are open; above it, a folder's batch is dropped on the way down and read again on
/// the way back.
const NAMES_MAX: usize = 1 << 18;
/// Longest path within a deposit: what the kernel takes in one call.
const PATH_MAX: usize = 4_095;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

/// Deposits on local file systems.
#[derive(Debug, Default)]
pub struct LocalSource {
    batch_max: Option<usize>,
}

impl LocalSource {
    /// Every absolute path may be a deposit.
    pub fn new() -> LocalSource {
        LocalSource::default()
    }

    /// Goes through a folder that the caller holds open; `named` is what it is called in messages.
    pub fn walk_held(
        &self,
        named: &str,
        folder: OwnedFd,
        each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let walked = self.walker(named, folder).walk(&mut |path, met| {
            let entry = match met {
                Met::File(stat) => Entry::File { size: stat.st_size as u64, mtime: stat.st_mtime },
                Met::EmptyFolder => Entry::EmptyFolder,
                Met::Special => Entry::Special,
            };
            each(BagPath(path.to_vec()), entry).map_err(Halt::Trouble)
        });
        walked.map_err(|halt| match halt {
            Halt::Source(error) => error.into(),
            Halt::Trouble(trouble) => trouble,
        })
    }

    fn walker<'a>(&self, key: &'a str, folder: OwnedFd) -> Walker<'a> {
        let batch_max = self.batch_max.unwrap_or(BATCH_MAX);
        Walker { key, folder, levels: Vec::new(), held: 0, batch_max, here: None }
    }
}

fn denied(key: &str, why: &str) -> SourceError {
    SourceError::Denied { key: key.to_string(), why: why.to_string() }
}

fn failed(key: &str, error: io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::Gone { key: key.to_string() },
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => denied(key, &error.to_string()),
        _ if beneath::is_link(&error) => {
            denied(key, "it is a link, or a link lies on the way; none is followed")
        }
        io::ErrorKind::CrossesDevices => denied(key, "its path leads out of the deposit"),
        _ => SourceError::Io { key: key.to_string(), why: error.to_string() },
    }
}

/// The path of a key. A slash at its end would make the kernel follow a link there.
fn path_of(key: &str) -> Result<&str, SourceError> {
    let path = key.trim_end_matches('/');
    if !path.starts_with('/') || path.contains('\0') {
        return Err(denied(key, "a deposit is named by its absolute path"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(denied(key, "a deposit's path must not climb (..)"));
    }
    Ok(path)
}

/// Opens what lies at the key, without following a link at its end and without waiting for anybody.
fn open_deposit(key: &str, flags: OFlags) -> Result<File, SourceError> {
    let path = path_of(key)?;
    let found = std::fs::symlink_metadata(path).map_err(|error| failed(key, error))?;
    if found.is_symlink() {
        return Err(denied(key, "it is a symbolic link; submit the file or folder it points to"));
    }
    if !found.is_file() && !found.is_dir() {
        return Err(denied(key, "it is neither a file nor a folder"));
    }
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from).map_err(|error| failed(key, error.into()))
}

fn open_folder(key: &str) -> Result<OwnedFd, SourceError> {
    match open_deposit(key, FOLDER) {
        Err(SourceError::Gone { key }) if std::fs::symlink_metadata(&key).is_ok() => {
            Err(denied(&key, "it is a file, not a folder"))
        }
        other => Ok(other?.into()),
    }
}

/// Nanoseconds since 1970 of a modification.
fn mtime_nanos(secs: i64, nanos: i64) -> i128 {
    i128::from(secs) * 1_000_000_000 + i128::from(nanos)
}

impl Source for LocalSource {
    fn look(&self, key: &str) -> Result<Arrival, SourceError> {
        let opened = open_deposit(key, beneath::READ)?;
        let found = opened.metadata().map_err(|error| failed(key, error))?;
        if found.is_file() {
            let mtime = mtime_nanos(found.mtime(), found.mtime_nsec());
            let pin = format!("{}:{}:{}:{mtime}", found.dev(), found.ino(), found.len());
            return Ok(Arrival::in_place(Form::Tar, found.len(), pin));
        }
        if !found.is_dir() {
            return Err(denied(key, "it is neither a file nor a folder"));
        }
        let mut listing = Sha256::new();
        let mut bytes: u64 = 0;
        let walked = self.walker(key, opened.into()).walk(&mut |path, found| {
            let (what, size, mtime, inode) = match found {
                Met::File(stat) => {
                    let mtime = mtime_nanos(stat.st_mtime, stat.st_mtime_nsec as i64);
                    bytes = bytes.saturating_add(stat.st_size as u64);
                    ("file", stat.st_size as u64, mtime, stat.st_ino)
                }
                Met::EmptyFolder => ("folder", 0, 0, 0),
                Met::Special => ("special", 0, 0, 0),
            };
            listing.update(format!("{what} {size} {mtime} {inode} {} ", path.len()));
            listing.update(path);
            Ok(())
        });
        match walked {
            Ok(()) => Ok(Arrival::in_place(Form::Folder, bytes, hex(&listing.finalize()))),
            Err(Halt::Source(error)) => Err(error),
            Err(Halt::Trouble(trouble)) => {
                Err(SourceError::Io { key: key.to_string(), why: trouble.because })
            }
        }
    }

    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError> {
        let file = open_deposit(key, beneath::READ)?;
        let file = beneath::Pread::new(file.into()).map_err(|error| failed(key, error))?;
        Ok(Box::new(file.front_to_back()))
    }

    fn walk(
        &self,
        key: &str,
        each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.walk_held(key, open_folder(key)?, each)
    }

    fn open_member(&self, key: &str, path: &BagPath) -> Result<Box<dyn ReadAt>, SourceError> {
        let folder = open_folder(key)?;
        let file = beneath::open(folder.as_fd(), &path.0, beneath::READ, Mode::empty())
            .and_then(beneath::Pread::new)
            .map_err(|error| failed(&format!("{key}/{}", path.shown()), error))?;
        Ok(Box::new(file.front_to_back()))
    }
}

/// Why a walk ended early.
enum Halt {
    Source(SourceError),
    Trouble(Trouble),
}

impl From<SourceError> for Halt {
    fn from(error: SourceError) -> Halt {
        Halt::Source(error)
    }
}

/// What a walk meets.
enum Met {
    File(Stat),
    EmptyFolder,
    Special,
}

type Meet<'m> = dyn FnMut(&[u8], Met) -> Result<(), Halt> + 'm;

/// Goes through a folder in the order of paths; a folder stands where its first file would: "a.txt" before "a/b".
struct Walker<'a> {
    key: &'a str,
    folder: OwnedFd,
    levels: Vec<Level>,
    held: usize,
    batch_max: usize,
    /// The folder whose files are being looked at, held open: one call a file instead of three.
    here: Option<(Vec<u8>, OwnedFd)>,
}

/// A folder on the way down.
struct Level {
    /// Path within the deposit; empty, or ending in a slash.
    path: Vec<u8>,
    /// Names still to come, folders with a slash at their end, last first.
    names: Vec<Vec<u8>>,
    /// The last name taken.
    taken: Vec<u8>,
    /// There are more names than `names` holds.
    more: bool,
}

/// The smallest names of those offered, in time that grows with their number only.
struct Batch {
    names: Vec<Vec<u8>>,
    /// No name above it can be among the smallest.
    bound: Option<Vec<u8>>,
    more: bool,
    max: usize,
}

impl Batch {
    fn offer(&mut self, name: &[u8]) {
        if self.bound.as_ref().is_some_and(|bound| name > bound.as_slice()) {
            self.more = true;
            return;
        }
        self.names.push(name.to_vec());
        if self.names.len() >= self.max * 2 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.names.len() > self.max {
            let (_, bound, _) = self.names.select_nth_unstable(self.max - 1);
            self.bound = Some(bound.clone());
            self.names.truncate(self.max);
            self.more = true;
        }
    }

    /// The names, largest first, and whether there are more.
    fn last_first(mut self) -> (Vec<Vec<u8>>, bool) {
        self.cut();
        self.names.sort_unstable_by(|a, b| b.cmp(a));
        (self.names, self.more)
    }
}

impl Walker<'_> {
    fn walk(mut self, meet: &mut Meet<'_>) -> Result<(), Halt> {
        let top = self.read(Vec::new(), Vec::new())?;
        self.enter(top);
        while let Some(mut level) = self.levels.pop() {
            if level.names.is_empty() && level.more {
                level = self.read(level.path, level.taken)?;
                self.held += level.names.len();
            }
            let Some(name) = level.names.pop() else { continue };
            self.held -= 1;
            let path = [level.path.as_slice(), &name].concat();
            level.taken = name;
            let is_folder = path.ends_with(b"/");
            self.levels.push(level);
            if path.len() > PATH_MAX {
                return Err(denied(self.key, "a path in it is longer than 4,095 bytes").into());
            }
            if is_folder {
                let inner = self.read(path, Vec::new())?;
                if inner.names.is_empty() {
                    meet(&inner.path[..inner.path.len() - 1], Met::EmptyFolder)?;
                } else {
                    self.enter(inner);
                }
            } else {
                let met = self.look(&path)?;
                meet(&path, met)?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, level: Level) {
        if self.held + level.names.len() > NAMES_MAX
            && let Some(above) = self.levels.last_mut()
        {
            self.held -= above.names.len();
            above.more |= !above.names.is_empty();
            above.names = Vec::new();
        }
        self.held += level.names.len();
        self.levels.push(level);
    }

    /// A folder of the deposit, by its path with a slash at the end; empty: the deposit itself.
    fn open(&self, path: &[u8]) -> Result<OwnedFd, Halt> {
        let opened = match path.strip_suffix(b"/") {
            None => self.folder.try_clone(),
            Some(within) => beneath::open(self.folder.as_fd(), within, FOLDER, Mode::empty()),
        };
        opened.map_err(|error| self.fail(path, error))
    }

    /// The next names of a folder after `taken`, at most one batch.
    fn read(&self, path: Vec<u8>, taken: Vec<u8>) -> Result<Level, Halt> {
        let fail = |error: io::Error| self.fail(&path, error);
        let folder = self.open(&path)?;
        let mut batch = Batch { names: Vec::new(), bound: None, more: false, max: self.batch_max };
        let mut name = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder).map_err(|error| fail(error.into()))? {
            let entry = entry.map_err(|error| fail(error.into()))?;
            name.clear();
            name.extend_from_slice(entry.file_name().to_bytes());
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not say it in the listing.
                FileType::Unknown => {
                    let stat = rustix::fs::statat(&folder, &name[..], AtFlags::SYMLINK_NOFOLLOW);
                    FileType::from_raw_mode(stat.map_err(|error| fail(error.into()))?.st_mode)
                }
                kind => kind,
            };
            if kind == FileType::Directory {
                name.push(b'/');
            }
            if taken.is_empty() || name > taken {
                batch.offer(&name);
            }
        }
        let (names, more) = batch.last_first();
        Ok(Level { path, names, taken, more })
    }

    fn look(&mut self, path: &[u8]) -> Result<Met, Halt> {
        let (folder, name) =
            path.split_at(path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1));
        let here = match self.here.take() {
            Some(here) if here.0 == folder => here,
            _ => (folder.to_vec(), self.open(folder)?),
        };
        let stat = rustix::fs::statat(&here.1, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.fail(path, error.into()))?;
        self.here = Some(here);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Met::File(stat)),
            // It was no folder when its name was read.
            FileType::Directory => Err(self.changed(path)),
            _ => Ok(Met::Special),
        }
    }

    fn fail(&self, path: &[u8], error: io::Error) -> Halt {
        match error.kind() {
            // Its name was read a moment ago.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => self.changed(path),
            _ if path.is_empty() => failed(self.key, error).into(),
            _ => failed(&format!("{}/{}", self.key, BagPath(path.to_vec()).shown()), error).into(),
        }
    }

    fn changed(&self, path: &[u8]) -> Halt {
        let about = format!("{}/{}", self.key, BagPath(path.to_vec()).shown());
        Halt::Trouble(Trouble::new(Kind::DepositChanged, "it went away while we looked at it").about(about))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &LocalSource, key: &str) -> Vec<String> {
        let mut seen = Vec::new();
        source
            .walk(key, &mut |path, _| {
                seen.push(path.shown());
                Ok(())
            })
            .unwrap();
        seen
    }

    #[test]
    fn a_folder_larger_than_a_batch_is_walked_the_same() {
        let place = tempfile::tempdir().unwrap();
        for path in ["b/1", "b/2", "b/c/3", "b/c/4", "b/c!", "b/d", "a", "z", "b.txt", "c/only"] {
            let file = place.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, path).unwrap();
        }
        let key = place.path().display().to_string();
        let whole = paths(&LocalSource::new(), &key);
        let mut sorted = whole.clone();
        sorted.sort();
        assert_eq!(whole, sorted);
        assert_eq!(whole.len(), 10);
        for batch in 1..6 {
            let small = LocalSource { batch_max: Some(batch) };
            assert_eq!(paths(&small, &key), whole, "batches of {batch}");
            assert_eq!(small.look(&key), LocalSource::new().look(&key));
        }
    }
}
