//! A configured source that is a folder of this machine: deposits are read where they lie.
//!
//! - Its listing names every file, also in sub-folders, so that what is not taken can be explained; a folder with a
//!   `bagit.txt` is one deposit. What was moved away once it was kept is not listed again.
//! - What changed a moment ago is not listed yet: it may still be on its way.
//! - No link is followed, and no key leads out of the folder.
//! - A deposit is moved or deleted only if it still is what was ingested: it is renamed first, looked at under its new
//!   name, and renamed back when it is something else.

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
/// What is being deleted has this ending; the rest of a deletion that was cut off is no deposit.
const GOING: &str = ".strongroom-going";

/// A folder of this machine.
pub struct FolderSource {
    name: String,
    folder: PathBuf,
    /// Where kept deposits are moved; not listed.
    done: Option<PathBuf>,
    still_for: Duration,
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
        FolderSource { name: config.name.clone(), folder, done, still_for: config.still_for, local, clock }
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
            let relative = within.join(entry.file_name());
            let path = self.folder.join(&relative);
            if self.done.as_ref() == Some(&path) || entry.file_name().to_string_lossy().ends_with(GOING) {
                continue;
            }
            let is_bag = kind.is_dir() && path.join("bagit.txt").symlink_metadata().is_ok();
            if kind.is_dir() && !is_bag && depth < DEPTH_MAX {
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

    fn listed(&self, name: String, now: Timestamp) -> Option<Listed> {
        let path = self.folder.join(&name);
        // What went away since its name was read is not there.
        let of = path.symlink_metadata().ok()?;
        let newest = if of.is_dir() { newest_in(&path, &of) } else { changed_at(&of) };
        if newest.is_some_and(|newest| !is_still(newest, now, self.still_for)) {
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
        for number in 1..=NAMES_MAX {
            let target = if number == 1 { wanted.clone() } else { numbered(&wanted, number) };
            match rename(&path, &target) {
                Ok(()) => {
                    if !self.is_pinned(&target, pin) {
                        return self.back(key, &target, &path);
                    }
                    let moved = target.strip_prefix(&self.folder).ok().and_then(Path::to_str);
                    let to = moved.map(|name| format!("source://{}/{name}", self.name));
                    return Ok(Disposed::Done { to: to.or_else(|| target.to_str().map(String::from)) });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Disposed::Absent),
                Err(error) => return Err(failed(error)),
            }
        }
        let why = format!("{NAMES_MAX} deposits of its name lie in {}", place.display());
        Err(SourceError::Io { key: key.to_string(), why })
    }

    fn delete(&self, key: &str, pin: &str) -> Result<Disposed, SourceError> {
        let path = PathBuf::from(self.path(key)?);
        let mut going = path.clone().into_os_string();
        going.push(GOING);
        let going = PathBuf::from(going);
        // The rest of a deletion that was cut off: it was found to be what was ingested, or it would be back.
        if self.is_pinned(&going, pin) || (!path.exists() && going.exists()) {
            remove(&going).map_err(|error| self.failed(key, &error))?;
        }
        match rename(&path, &going) {
            Ok(()) if !self.is_pinned(&going, pin) => self.back(key, &going, &path),
            Ok(()) => match remove(&going) {
                Ok(()) => Ok(Disposed::Done { to: None }),
                Err(error) => Err(self.failed(key, &error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Disposed::Absent),
            Err(error) => Err(self.failed(key, &error)),
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

fn newest_in(folder: &Path, of: &Metadata) -> Option<Timestamp> {
    let entries = walkdir::WalkDir::new(folder).into_iter().take(BAG_ENTRIES_MAX).flatten();
    let inner = entries.filter_map(|entry| changed_at(&entry.metadata().ok()?));
    inner.chain(changed_at(of)).max()
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
        match how {
            Disposal::Move { to } => self.move_to(key, pin, to),
            Disposal::Delete => self.delete(key, pin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::clock::rehearsal::RehearsalClock;
    use crate::worlds::net::Reaching;
    use crate::worlds::source::configured::Place;
    use std::fs;

    fn source(folder: &Path, after: AfterKept) -> FolderSource {
        still(folder, after, Duration::ZERO, Arc::new(RehearsalClock::new()))
    }

    fn still(
        folder: &Path,
        after_kept: AfterKept,
        still_for: Duration,
        clock: Arc<RehearsalClock>,
    ) -> FolderSource {
        let config = SourceConfig {
            name: "in".into(),
            depositor: "uva.edu".into(),
            place: Place::Folder { path: folder.into() },
            suffixes: Vec::new(),
            size_max: None,
            after_kept,
            scan_every: None,
            still_for,
            reaching: Reaching::default(),
        };
        FolderSource::new(&config, folder.into(), Arc::new(LocalSource::new()), clock)
    }

    /// When this was changed, by the clock of its file system; that one and the machine's may differ.
    fn changed(path: &Path) -> Timestamp {
        changed_at(&path.symlink_metadata().unwrap()).unwrap()
    }

    #[test]
    fn what_changed_a_moment_ago_is_not_listed_yet() {
        let place = tempfile::tempdir().unwrap();
        let (tar, bag, late) =
            (place.path().join("a.tar"), place.path().join("bag"), place.path().join("bag/data/late"));
        fs::create_dir_all(bag.join("data")).unwrap();
        fs::write(bag.join("bagit.txt"), "x").unwrap();
        fs::write(&tar, "x").unwrap();
        let minute = Duration::from_secs(60);
        let clock = Arc::new(RehearsalClock::new());
        let source = still(place.path(), AfterKept::Leave, minute, clock.clone());
        let set = |to: Timestamp| clock.set_wall(to.duration_since(clock.now()));
        set(changed(&tar) + Duration::from_secs(59));
        assert_eq!(names(&source), Vec::<String>::new());
        set(changed(&tar) + Duration::from_secs(61));
        assert_eq!(names(&source), ["a.tar", "bag"]);
        // A bag is as new as the newest of what is in it.
        let margin = SignedDuration::from_millis(20);
        for round in 0..1_000 {
            fs::write(&late, "y").unwrap();
            if changed(&late).duration_since(changed(&tar)) > margin {
                break;
            }
            assert!(round < 999, "the file system's clock stands still");
            std::thread::sleep(Duration::from_millis(5));
        }
        set(changed(&tar) + Duration::from_millis(60_002));
        assert_eq!(names(&source), ["a.tar"]);
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        assert!(!is_still(at(0), at(59), minute) && is_still(at(0), at(60), minute));
        assert!(!is_still(at(30), at(0), minute) && is_still(at(90_000), at(0), minute));
    }

    fn names(source: &FolderSource) -> Vec<String> {
        let mut names = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = source.list("in", after.as_deref()).unwrap();
            names.extend(page.entries.into_iter().map(|entry| entry.name));
            match page.next {
                Some(next) => after = Some(next),
                None => return names,
            }
        }
    }

    #[test]
    fn every_file_is_listed_a_bag_folder_once_and_nothing_that_is_done() {
        let place = tempfile::tempdir().unwrap();
        for name in ["a.tar", "sub/deep/b.tar", "bag/bagit.txt", "bag/data/x", "done/old.tar", "c.txt"] {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        fs::write(place.path().join(format!("d.tar{GOING}")), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", place.path().join("link.tar")).unwrap();
        fs::create_dir(place.path().join("empty")).unwrap();
        let done = source(place.path(), AfterKept::Move("done".into()));
        assert_eq!(names(&done), ["a.tar", "bag", "c.txt", "link.tar", "sub/deep/b.tar"]);
        let page = done.list("in", None).unwrap();
        for entry in page.entries.iter().filter(|entry| entry.name != "link.tar") {
            let looked = done.look(&entry.key).unwrap();
            assert_eq!((looked.bytes, &looked.mark), (entry.bytes, &entry.mark), "{}", entry.name);
        }
        assert!(matches!(done.look("source://in/link.tar"), Err(SourceError::Denied { .. })));
    }

    #[test]
    fn a_large_folder_comes_in_pages_each_name_once() {
        let place = tempfile::tempdir().unwrap();
        let mut wanted: Vec<String> = (0..2_345).map(|number| format!("{number}.tar")).collect();
        wanted.iter().for_each(|name| fs::write(place.path().join(name), "").unwrap());
        wanted.sort();
        assert_eq!(names(&source(place.path(), AfterKept::Leave)), wanted);
    }

    #[test]
    fn no_key_leads_out_of_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let source = source(place.path(), AfterKept::Leave);
        for key in [
            "source://in/../x",
            "source://in/",
            "source://in//etc",
            "source://other/x",
            "/etc/passwd",
            "source://inx/y",
        ] {
            assert!(matches!(source.look(key), Err(SourceError::Denied { .. })), "{key}");
        }
        assert!(matches!(source.look("source://in/none.tar"), Err(SourceError::Gone { .. })));
    }

    #[test]
    fn a_kept_deposit_is_moved_and_no_name_is_taken_twice() {
        let place = tempfile::tempdir().unwrap();
        let source = source(place.path(), AfterKept::Move("done".into()));
        let how = Disposal::Move { to: "done".into() };
        let key = "source://in/sub/a.tar";
        let mut moved = Vec::new();
        for text in ["one", "two"] {
            fs::create_dir_all(place.path().join("sub")).unwrap();
            fs::write(place.path().join("sub/a.tar"), text).unwrap();
            let pin = source.look(key).unwrap().pin;
            moved.push(source.dispose(key, &pin, &how).unwrap());
            assert_eq!(source.dispose(key, &pin, &how), Ok(Disposed::Absent));
        }
        let to = |name: &str| Disposed::Done { to: Some(format!("source://in/done/sub/{name}")) };
        assert_eq!(moved, [to("a.tar"), to("a.2.tar")]);
        assert_eq!(fs::read_to_string(place.path().join("done/sub/a.2.tar")).unwrap(), "two");
    }

    #[test]
    fn what_is_no_longer_what_was_ingested_stays_where_it_is() {
        let place = tempfile::tempdir().unwrap();
        let source = source(place.path(), AfterKept::Delete);
        let file = place.path().join("a.tar");
        fs::write(&file, "one").unwrap();
        let pin = source.look("source://in/a.tar").unwrap().pin;
        fs::write(&file, "another").unwrap();
        for how in [Disposal::Delete, Disposal::Move { to: "done".into() }] {
            assert_eq!(source.dispose("source://in/a.tar", &pin, &how), Ok(Disposed::Changed));
            assert_eq!(fs::read_to_string(&file).unwrap(), "another");
        }
    }

    #[test]
    fn a_deleted_deposit_is_gone_file_or_folder_also_when_deleting_was_cut_off() {
        let place = tempfile::tempdir().unwrap();
        let source = source(place.path(), AfterKept::Delete);
        fs::create_dir_all(place.path().join("bag/data")).unwrap();
        fs::write(place.path().join("bag/bagit.txt"), "x").unwrap();
        fs::write(place.path().join("a.tar"), "x").unwrap();
        for name in ["bag", "a.tar"] {
            let key = format!("source://in/{name}");
            let pin = source.look(&key).unwrap().pin;
            assert_eq!(source.dispose(&key, &pin, &Disposal::Delete), Ok(Disposed::Done { to: None }));
            assert_eq!(source.dispose(&key, &pin, &Disposal::Delete), Ok(Disposed::Absent));
        }
        fs::write(place.path().join(format!("b.tar{GOING}")), "rest").unwrap();
        assert_eq!(source.dispose("source://in/b.tar", "any", &Disposal::Delete), Ok(Disposed::Absent));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_mounted_is_unreachable_not_empty() {
        let place = tempfile::tempdir().unwrap();
        let source = source(&place.path().join("none"), AfterKept::Leave);
        assert!(matches!(source.list("in", None), Err(SourceError::Unreachable { .. })));
    }
}
