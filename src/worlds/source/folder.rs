//! A configured source that is a folder of this machine: deposits are read where they lie.
//!
//! - Its listing names every file, also in sub-folders, so that what is not taken can be explained; a folder with a
//!   `bagit.txt` is one deposit. What was moved away once it was kept is not listed again.
//! - What may still be on its way is not listed: names that programs give to what they are writing, and what changed a
//!   moment ago; or, where markers are set, whatever has no marker beside it that is younger than itself.
//! - A marker is no deposit, and leaves with the one it stands beside.
//! - No link is followed, and no key leads out of the folder.
//! - A deposit is moved or deleted only if it still is what was ingested: it is renamed first, looked at under its new
//!   name, and renamed back when it is something else. A listing ends what a stop left of that: what may not have been
//!   looked at gets its name back, what was is removed.

use crate::model::fact::BagPath;
use crate::model::trouble::Trouble;
use crate::rules::read::ReadAt;
use crate::worlds::clock::Clock;
use crate::worlds::source::configured::{AfterKept, SourceConfig};
use crate::worlds::source::local::LocalSource;
use crate::worlds::source::{Arrival, Disposal, Disposed, Entry, Listed, Page, Source, SourceError};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Deposits on one page of a listing.
const PAGE: usize = 1_000;
/// Sub-folders within sub-folders that are looked into.
const DEPTH_MAX: usize = 16;
/// Entries of one bag folder that are looked at for the newest.
const BAG_ENTRIES_MAX: usize = 10_000_000;
/// Names tried for a deposit whose name is taken where it is moved to.
const NAMES_MAX: usize = 1_000;
/// What is looked at before it is moved or deleted has this ending. It may be anything that came under its name.
const GOING: &str = ".strongroom-going";
/// What was found to be what was ingested, and is being deleted, has this ending.
const GONE: &str = ".strongroom-gone";

/// How a deposit is known to be complete.
enum Arrives {
    /// It has not changed for this long.
    Still(Duration),
    /// A file of its name with this ending lies beside it, and is younger.
    Marked(String),
}

/// A folder of this machine.
pub struct FolderSource {
    name: String,
    folder: PathBuf,
    /// Where kept deposits are moved; not listed.
    done: Option<PathBuf>,
    arrival: Arrives,
    temporary: Vec<String>,
    local: Arc<LocalSource>,
    clock: Arc<dyn Clock>,
}

impl FolderSource {
    /// The configured source of this name, at this folder.
    pub fn new(
        config: &SourceConfig,
        folder: PathBuf,
        local: Arc<LocalSource>,
        clock: Arc<dyn Clock>,
    ) -> FolderSource {
        let done = match &config.after_kept {
            AfterKept::Move(to) => Some(folder.join(to)),
            AfterKept::Leave | AfterKept::Delete => None,
        };
        let arrival = match &config.marker {
            Some(marker) => Arrives::Marked(marker.clone()),
            None => Arrives::Still(config.still_for),
        };
        let (name, temporary) = (config.name.clone(), config.temporary.clone());
        FolderSource { name, folder, done, arrival, temporary, local, clock }
    }

    /// The path of a key: below the folder, without a climb.
    fn path(&self, key: &str) -> Result<String, SourceError> {
        let denied = |why: &str| SourceError::Denied { key: key.to_string(), why: why.into() };
        let own = key.strip_prefix("source://").and_then(|rest| rest.strip_prefix(self.name.as_str()));
        let Some(name) = own.and_then(|rest| rest.strip_prefix('/')) else {
            return Err(denied("it is no key of this source"));
        };
        if name.is_empty() || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(denied("the key has an empty part, or one of dots"));
        }
        let path = self.folder.join(name);
        path.to_str().map(String::from).ok_or_else(|| denied("the folder's path is not UTF-8"))
    }

    /// Collects what lies below `within`, the first names after `after`.
    fn collect(&self, within: &Path, depth: usize, found: &mut Found<'_>) -> io::Result<()> {
        for entry in std::fs::read_dir(self.folder.join(within))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = self.end_disposal(&entry.path()).unwrap_or_else(|| entry.file_name());
            let relative = within.join(&name);
            let path = self.folder.join(&relative);
            if self.done.as_ref() == Some(&path) || self.is_no_deposit(&name.to_string_lossy()) {
                continue;
            }
            let is_bag = kind.is_dir() && path.join("bagit.txt").symlink_metadata().is_ok();
            // Of a bag that is being copied here any file may come first: nothing of it is a deposit of its own.
            if kind.is_dir() && !is_bag && depth == 0 && self.is_on_its_way(&path) {
                continue;
            }
            if kind.is_dir() && !is_bag && !self.is_marked(&path) && depth < DEPTH_MAX {
                // It went away, or we may not look into it: then it is named itself.
                if self.collect(&relative, depth + 1, found).is_err() {
                    found.offer(&relative);
                }
            } else {
                found.offer(&relative);
            }
        }
        Ok(())
    }

    /// A name that a program gives to what it is writing, a marker, or the rest of a deletion.
    fn is_no_deposit(&self, name: &str) -> bool {
        let is_marker = matches!(&self.arrival, Arrives::Marked(marker) if name.ends_with(marker));
        let is_temporary = self.temporary.iter().any(|ending| name.ends_with(ending.as_str()));
        is_marker || is_temporary || name.starts_with('.') || name.ends_with(GOING) || name.ends_with(GONE)
    }

    /// Ends what a stop left of a disposal; gives the name that a deposit got back.
    fn end_disposal(&self, path: &Path) -> Option<OsString> {
        let name = path.file_name()?.to_str()?;
        let ended = match (name.strip_suffix(GOING), name.strip_suffix(GONE)) {
            (Some(own), _) if !own.is_empty() => match rename(path, &path.with_file_name(own)) {
                Ok(()) => return Some(own.into()),
                Err(error) => Err(error),
            },
            (_, Some(_)) => remove(path),
            _ => return None,
        };
        if let Err(error) = ended {
            log::warn!("source {}: {} was left by a stop, and stays: {error}", self.name, path.display());
        }
        None
    }

    /// True for a folder in which something changed a moment ago. With markers, what is in it has none of its own.
    fn is_on_its_way(&self, path: &Path) -> bool {
        let Arrives::Still(still_for) = self.arrival else { return false };
        let newest = path.symlink_metadata().ok().and_then(|of| newest_in(path, &of, changed_at));
        newest.is_some_and(|newest| !is_still(newest, self.clock.now(), still_for))
    }

    fn is_marked(&self, path: &Path) -> bool {
        self.marker_of(path).is_some_and(|marker| marker.symlink_metadata().is_ok())
    }

    /// Where its marker lies, or would.
    fn marker_of(&self, path: &Path) -> Option<PathBuf> {
        let Arrives::Marked(marker) = &self.arrival else { return None };
        Some(with_ending(path, marker))
    }

    /// True when it is complete, as far as this source can tell.
    fn has_arrived(&self, path: &Path, of: &Metadata, newest: Option<Timestamp>, now: Timestamp) -> bool {
        let still_for = match (&self.arrival, self.marker_of(path)) {
            (Arrives::Still(still_for), _) => *still_for,
            (Arrives::Marked(_), None) => return false,
            (Arrives::Marked(_), Some(marker)) => {
                // The marker of a former deposit of this name says nothing of one that is being written over it. By what
                // was written, not by what was renamed or given other rights, which is done to a deposit that is complete.
                let written = if of.is_dir() { newest_in(path, of, written_at) } else { written_at(of) };
                let marked = marker.symlink_metadata().ok().and_then(|marker| changed_at(&marker));
                return marked.zip(written).is_some_and(|(marked, written)| marked >= written);
            }
        };
        newest.is_none_or(|newest| is_still(newest, now, still_for))
    }

    fn listed(&self, name: String, now: Timestamp) -> Option<Listed> {
        let path = self.folder.join(&name);
        // What went away since its name was read is not there.
        let of = path.symlink_metadata().ok()?;
        let newest = if of.is_dir() { newest_in(&path, &of, changed_at) } else { changed_at(&of) };
        if !self.has_arrived(&path, &of, newest, now) {
            return None;
        }
        let key = format!("source://{}/{name}", self.name);
        let looked = match of.is_dir() {
            true => self.local.look(path.to_str()?).map(|arrival| (arrival.bytes, arrival.pin)),
            false => Ok((of.size(), print(&of))),
        };
        // A deposit that cannot be read is listed: looking at it says why.
        let (bytes, mark) = looked.unwrap_or_else(|error| (0, error.to_string()));
        Some(Listed { key, name, bytes, mark, modified: newest })
    }

    fn move_to(&self, key: &str, pin: &str, to: &str) -> Result<Disposed, SourceError> {
        let path = PathBuf::from(self.path(key)?);
        let name = path.strip_prefix(&self.folder).unwrap_or(&path).to_path_buf();
        let place = self.folder.join(to);
        let wanted = place.join(&name);
        let failed = |error: io::Error| self.failed(key, &error);
        if let Some(parent) = wanted.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        // Looked at here and not under its new name: what a stop leaves there would never be met again.
        let going = match self.take(key, &path, pin)? {
            Ok(going) => going,
            Err(disposed) => return Ok(disposed),
        };
        let moved = self.move_from(&going, &wanted);
        if moved.is_err() {
            // Where that fails, too, the next listing does it.
            let _ = rename(&going, &path);
        }
        moved.map_err(failed)
    }

    fn move_from(&self, going: &Path, wanted: &Path) -> io::Result<Disposed> {
        for number in 1..=NAMES_MAX {
            let target = if number == 1 { wanted.to_path_buf() } else { numbered(wanted, number) };
            match rename(going, &target) {
                Ok(()) => {
                    let moved = target.strip_prefix(&self.folder).ok().and_then(Path::to_str);
                    let to = moved.map(|name| format!("source://{}/{name}", self.name));
                    return Ok(Disposed::Done { to: to.or_else(|| target.to_str().map(String::from)) });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{NAMES_MAX} deposits of its name lie where it is to be moved")))
    }

    /// Renames a deposit, so that nobody writes over it by its name, and gives where it lies when it is what is pinned;
    /// else what became of it.
    fn take(&self, key: &str, path: &Path, pin: &str) -> Result<Result<PathBuf, Disposed>, SourceError> {
        let going = with_ending(path, GOING);
        match rename(path, &going) {
            Ok(()) if self.is_pinned(&going, pin) => Ok(Ok(going)),
            Ok(()) => self.back(key, &going, path).map(Err),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(Disposed::Absent)),
            Err(error) => Err(self.failed(key, &error)),
        }
    }

    fn delete(&self, key: &str, pin: &str) -> Result<Disposed, SourceError> {
        let path = PathBuf::from(self.path(key)?);
        let failed = |error: io::Error| self.failed(key, &error);
        let gone = with_ending(&path, GONE);
        // The rest of a deletion that was cut off.
        if gone.symlink_metadata().is_ok() {
            remove(&gone).map_err(failed)?;
        }
        let going = match self.take(key, &path, pin)? {
            Ok(going) => going,
            Err(disposed) => return Ok(disposed),
        };
        rename(&going, &gone).and_then(|()| remove(&gone)).map_err(failed)?;
        Ok(Disposed::Done { to: None })
    }

    /// The marker goes where its deposit went. One that stays marks nothing: what comes after it is younger.
    fn dispose_marker(&self, key: &str, to: Option<&str>) {
        let of = |key: &str| self.path(key).ok().and_then(|path| self.marker_of(Path::new(&path)));
        let Some(marker) = of(key) else { return };
        if self.path(key).is_ok_and(|path| Path::new(&path).symlink_metadata().is_ok()) {
            // Another deposit of its name is there already, perhaps with a marker of its own.
            return;
        }
        let moved = to.and_then(of).map_or(Ok(false), |to| rename(&marker, &to).map(|()| true));
        let gone = match moved {
            Ok(true) => Ok(()),
            Ok(false) => remove(&marker),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove(&marker),
            Err(error) => Err(error),
        };
        if let Err(error) =
            gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
        {
            log::warn!("source {}: the marker of {key} stays there: {error}", self.name);
        }
    }

    /// What was renamed is something else: it gets its name back, unless that is taken again.
    fn back(&self, key: &str, from: &Path, to: &Path) -> Result<Disposed, SourceError> {
        rename(from, to).map_err(|error| self.failed(key, &error))?;
        Ok(Disposed::Changed)
    }

    fn is_pinned(&self, path: &Path, pin: &str) -> bool {
        let looked = path.to_str().and_then(|path| self.local.look(path).ok());
        looked.is_some_and(|arrival| arrival.pin == pin)
    }

    fn failed(&self, key: &str, error: &io::Error) -> SourceError {
        let key = key.to_string();
        match error.kind() {
            io::ErrorKind::PermissionDenied => SourceError::Denied { key, why: error.to_string() },
            io::ErrorKind::CrossesDevices => {
                let why = "the place to move to is on another file system; name one on the same".into();
                SourceError::Denied { key, why }
            }
            _ => SourceError::Io { key, why: error.to_string() },
        }
    }
}

/// The smallest names after a given one, at most a page of them.
struct Found<'a> {
    after: Option<&'a str>,
    names: BTreeSet<String>,
    more: bool,
}

impl Found<'_> {
    fn offer(&mut self, relative: &Path) {
        let name = relative.to_string_lossy().into_owned();
        if self.after.is_some_and(|after| name.as_str() <= after) {
            return;
        }
        self.names.insert(name);
        if self.names.len() > PAGE {
            self.names.pop_last();
            self.more = true;
        }
    }
}

/// As `LocalSource` pins a file.
fn print(of: &Metadata) -> String {
    let nanos = i128::from(of.mtime()) * 1_000_000_000 + i128::from(of.mtime_nsec());
    format!("{}:{}:{}:{nanos}", of.dev(), of.ino(), of.size())
}

/// By change time, not modification time: an upload may set the latter to whatever it was at its origin.
fn changed_at(of: &Metadata) -> Option<Timestamp> {
    Timestamp::new(of.ctime(), i32::try_from(of.ctime_nsec()).ok()?).ok()
}

fn written_at(of: &Metadata) -> Option<Timestamp> {
    Timestamp::new(of.mtime(), i32::try_from(of.mtime_nsec()).ok()?).ok()
}

/// The newest of these times in a folder.
fn newest_in(folder: &Path, of: &Metadata, at: fn(&Metadata) -> Option<Timestamp>) -> Option<Timestamp> {
    let entries = walkdir::WalkDir::new(folder).into_iter().take(BAG_ENTRIES_MAX).flatten();
    let inner = entries.filter_map(|entry| at(&entry.metadata().ok()?));
    inner.chain(at(of)).max()
}

/// True when so much time has gone since; also when the clock was set back meanwhile by more than a day.
fn is_still(changed: Timestamp, now: Timestamp, still_for: Duration) -> bool {
    match Duration::try_from(now.duration_since(changed)) {
        Ok(gone) => gone >= still_for,
        Err(_) => still_for.is_zero() || changed.duration_since(now) > SignedDuration::from_hours(24),
    }
}

/// `a.tar` as `a.2.tar`, and so on.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = match path.extension() {
        Some(ending) => format!("{stem}.{number}.{}", ending.to_string_lossy()),
        None => format!("{stem}.{number}"),
    };
    path.with_file_name(name)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    PathBuf::from(name)
}

/// Renames without replacing anything.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

impl Source for FolderSource {
    fn look(&self, key: &str) -> Result<Arrival, SourceError> {
        let arrival = self.local.look(&self.path(key)?)?;
        Ok(Arrival { mark: arrival.pin.clone(), ..arrival })
    }

    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError> {
        self.local.open(&self.path(key)?)
    }

    fn walk(
        &self,
        key: &str,
        each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.local.walk(&self.path(key)?, each)
    }

    fn open_member(&self, key: &str, path: &BagPath) -> Result<Box<dyn ReadAt>, SourceError> {
        self.local.open_member(&self.path(key)?, path)
    }

    fn list(&self, source: &str, after: Option<&str>) -> Result<Page, SourceError> {
        let mut found = Found { after, names: BTreeSet::new(), more: false };
        self.collect(Path::new(""), 0, &mut found).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let why = format!("{} is not there; is it mounted?", self.folder.display());
                SourceError::Unreachable { key: source.to_string(), why }
            }
            _ => self.failed(source, &error),
        })?;
        let next = found.more.then(|| found.names.last().cloned()).flatten();
        let now = self.clock.now();
        let entries = found.names.into_iter().filter_map(|name| self.listed(name, now)).collect();
        Ok(Page { entries, next })
    }

    fn dispose(&self, key: &str, pin: &str, how: &Disposal) -> Result<Disposed, SourceError> {
        let disposed = match how {
            Disposal::Move { to } => self.move_to(key, pin, to),
            Disposal::Delete => self.delete(key, pin),
        }?;
        match &disposed {
            Disposed::Done { to } => self.dispose_marker(key, to.as_deref()),
            Disposed::Absent => self.dispose_marker(key, None),
            Disposed::Changed => {}
        }
        Ok(disposed)
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
