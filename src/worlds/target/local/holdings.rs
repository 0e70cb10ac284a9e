//! What lies in a local target.
//!
//! - Folders are listed one at a time and sorted; a tuple's folder holds at most 4,096, an object's is not listed by a walk.
//! - No link is followed.

use super::durable::{fsync_folder, write_from};
use super::folders::{Entry, entries};
use super::staging::parse;
use super::{LocalTarget, told};
use crate::rules::read::ReadAt;
use crate::worlds::beneath::{self, Pread};
use crate::worlds::target::holdings::{Holdings, KeptFile, Lies, UnderWay, is_plain_name};
use crate::worlds::target::{TargetError, Where};
use rustix::fs::{Mode, OFlags};
use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where things are kept beside the storage root.
const KEPT: &str = "work/kept";

/// Folders in folders that a walk goes down; ours are four.
const DEPTH_MAX: usize = 12;

/// Folders in folders of an object: no path can hold more.
const FILES_DEPTH_MAX: usize = 2_100;

/// How the name of an object's declaration starts.
const DECLARED: &str = "0=ocfl_object_";

type Each<'a> = &'a mut dyn FnMut(Lies<'_>) -> bool;

impl LocalTarget {
    /// Gives false when it is not to go on.
    fn walk_folder(
        &self,
        at: &str,
        depth: usize,
        after: Option<&str>,
        each: Each<'_>,
    ) -> Result<bool, TargetError> {
        let found = self.sorted(&self.path.join("ocfl").join(at))?;
        if at.is_empty() {
            // Other plain files may lie in the root (E087 tells validators to pass them over), and its extensions.
        } else if found.iter().any(|(name, folder)| name.starts_with(DECLARED) && !folder) {
            return Ok(each(Lies::Object(at)));
        } else if found.is_empty() || depth > DEPTH_MAX {
            return Ok(each(Lies::Stray(at)));
        }
        for (name, folder) in found {
            let path = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
            if at.is_empty() && (!folder || name == "extensions") || passed(&path, after) {
                continue;
            }
            let go_on = match folder {
                true => self.walk_folder(&path, depth + 1, after, each)?,
                false => each(Lies::Stray(&path)),
            };
            if !go_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Names in a folder, sorted, and which of them are folders.
    fn sorted(&self, folder: &Path) -> Result<Vec<(String, bool)>, TargetError> {
        let fail = |error: io::Error| self.fail(folder, error);
        let mut found = Vec::new();
        for entry in entries(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.is_dir().map_err(fail)?));
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn files_in(
        &self,
        folder: &Path,
        within: &str,
        depth: usize,
        each: &mut dyn FnMut(&str, u64),
    ) -> Result<(), TargetError> {
        let fail = |error: io::Error| self.fail(folder, error);
        let mut deeper: Vec<(PathBuf, String)> = Vec::new();
        let mut empty = true;
        for entry in entries(folder).map_err(|error| self.fail_asked(folder, error))? {
            let entry = entry.map_err(fail)?;
            empty = false;
            let path = format!("{within}{}", entry.file_name().to_string_lossy());
            if entry.is_dir().map_err(fail)? && depth < FILES_DEPTH_MAX {
                deeper.push((entry.path(), format!("{path}/")));
            } else {
                self.tell(&entry, path, each)?;
            }
        }
        // An object has no empty folder (E024), but for that of its events before the first.
        if empty && !within.is_empty() && !within.starts_with("logs/") {
            each(within, 0);
        }
        deeper.into_iter().try_for_each(|(folder, within)| self.files_in(&folder, &within, depth + 1, each))
    }

    fn tell(
        &self,
        entry: &Entry,
        mut path: String,
        each: &mut dyn FnMut(&str, u64),
    ) -> Result<(), TargetError> {
        match entry.path().symlink_metadata() {
            Ok(of) if of.is_file() => each(&path, of.len()),
            Ok(_) => {
                path.push('/');
                each(&path, 0);
            }
            // It went away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.fail(&entry.path(), error)),
        }
        Ok(())
    }

    /// Where this is kept; an error when its name is none.
    pub(super) fn kept_path(&self, name: &str) -> Result<PathBuf, TargetError> {
        match is_plain_name(name) {
            true => Ok(self.path.join(KEPT).join(name)),
            false => Err(self.io(Path::new(name), "no name for something that is kept beside the root")),
        }
    }
}

/// True when a walk that went as far as `after` has passed this path, and what is below it.
fn passed(path: &str, after: Option<&str>) -> bool {
    let Some(after) = after else { return false };
    let mut done = after.split('/');
    for part in path.split('/') {
        match done.next().map(|done| part.cmp(done)) {
            Some(Ordering::Equal) => {}
            Some(Ordering::Less) => return true,
            Some(Ordering::Greater) | None => return false,
        }
    }
    // A folder above the last object is looked into again, the object itself is not.
    done.next().is_none()
}

impl Holdings for LocalTarget {
    fn walk(&self, after: Option<&str>, each: &mut dyn FnMut(Lies<'_>) -> bool) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.walk_folder("", 0, after, each).map(drop)
    }

    fn files(&self, folder: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), TargetError> {
        self.look_for_marker()?;
        let folder = self.beneath(&self.path.join("ocfl"), folder)?;
        self.files_in(&folder, "", 0, each)
    }

    fn open(&self, at: Where<'_>) -> Result<Box<dyn ReadAt>, TargetError> {
        let path = self.path_of(at)?;
        let fail = |error: io::Error| self.fail_asked(&path, error);
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | beneath::READ;
        let opened = rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| fail(error.into()))?;
        Ok(Box::new(Pread::new(opened).map_err(fail)?.front_to_back()))
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, TargetError> {
        self.look_for_marker()?;
        let mut found = Vec::new();
        for (place, orphan) in [("work", false), ("work/orphans", true)] {
            for (name, _) in self.sorted(&self.path.join(place))? {
                // Orphans of one name are told apart by what follows a tilde.
                let name = name.split('~').next().unwrap_or_default();
                if let Some((ledger, item, _)) = parse(name) {
                    found.push(UnderWay { ledger: ledger.into(), item, path: None, orphan });
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn keep(&self, name: &str, from: &dyn ReadAt) -> Result<(), TargetError> {
        self.look_for_marker()?;
        let path = self.kept_path(name)?;
        let folder = self.path.join(KEPT);
        let fail = |error: io::Error| told(&self.name, &path, error);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
            Err(_) => {}
            Ok(()) => fsync_folder(&self.path.join("work")).map_err(fail)?,
        }
        write_from(&folder, &path, from).map_err(fail)
    }

    fn kept(&self) -> Result<Vec<KeptFile>, TargetError> {
        self.look_for_marker()?;
        let folder = self.path.join(KEPT);
        let mut found = Vec::new();
        if folder.exists() {
            self.files_in(&folder, "", FILES_DEPTH_MAX, &mut |name, bytes| {
                if is_plain_name(name) {
                    found.push(KeptFile { name: name.into(), bytes });
                }
            })?;
        }
        found.sort();
        Ok(found)
    }

    fn forget(&self, name: &str) -> Result<(), TargetError> {
        self.look_for_marker()?;
        let path = self.kept_path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.fail(&path, error)),
            Ok(()) => fsync_folder(&self.path.join(KEPT)).map_err(|error| self.fail(&path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn a_walk_goes_on_behind_the_last_object_and_not_before() {
        let after = Some("3c0/ff4/240/obj");
        for path in ["3c0/ff4/240/obj", "3c0/ff4/240/oba", "3c0/ff3", "000", "3c0/ff4/240/obj/v1"] {
            assert_eq!(passed(path, after), path != "3c0/ff4/240/obj/v1", "{path}");
        }
        for path in ["3c0", "3c0/ff4", "3c0/ff4/240", "3c0/ff4/240/obj-1", "3c0/ff5", "4"] {
            assert!(!passed(path, after), "{path}");
        }
        assert!(!passed("000", None));
    }
}
