//! Putting files of published objects right in a folder.
//!
//! ```text
//! work/mending/NAME.SHA512     the new file: written, synced, read back; then it changes places with the bad one
//! work/quarantine/NAME         the bad one, moved there at once; NAME.json says what it was
//! ```
//!
//! - What lies in `work/mending` under a digest that is not its own is a bad file whose way was cut off: it goes on into
//!   quarantine. With that digest it is a new file that was not needed: it is removed.
//! - File systems that cannot swap show the file missing for a moment; a stop there is mended as a missing file.

use super::LocalTarget;
use super::durable::{Batch, fsync_folder, write_beside};
use super::folders::entries;
use crate::model::digest::hex;
use crate::rules::digester::sha256_hex;
use crate::worlds::target::mending::{Aside, Mend, Mended, Mending, NOTE, Quarantined, SAME_MAX};
use crate::worlds::target::{Put, TargetError};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MENDING: &str = "work/mending";
const QUARANTINE: &str = "work/quarantine";

/// Folders in folders of what is in quarantine.
const DEPTH_MAX: usize = 2_100;

impl LocalTarget {
    fn mending_folders(&self) -> Result<(PathBuf, PathBuf), TargetError> {
        let work = self.path.join("work");
        for name in [MENDING, QUARANTINE] {
            let folder = self.path.join(name);
            match fs::create_dir(&folder) {
                Ok(()) => fsync_folder(&work).map_err(|error| self.fail(&work, error))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.fail(&folder, error)),
            }
        }
        Ok((self.path.join(MENDING), self.path.join(QUARANTINE)))
    }

    /// SHA-512 of a file, read past the page cache; none when it cannot be had.
    fn sha512_of(&self, path: &Path) -> Option<String> {
        let mut hash = Sha512::new();
        self.read_file(path, &mut |chunk| {
            hash.update(chunk);
            true
        })
        .ok()?;
        Some(hex(&hash.finalize()))
    }

    /// Ends what a stop left between two renames.
    pub(super) fn finish_mending(&self) -> Result<(), TargetError> {
        let mending = self.path.join(MENDING);
        let fail = |error: io::Error| self.fail(&mending, error);
        let found = match entries(&mending) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(fail)?,
        };
        for entry in found {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.rsplit_once('.') {
                Some((name, sha512)) if self.sha512_of(&entry.path()).as_deref() != Some(sha512) => {
                    self.to_quarantine(&entry.path(), name)?;
                }
                _ => fs::remove_file(entry.path()).map_err(|error| self.fail(&entry.path(), error))?,
            }
        }
        fsync_folder(&mending).map_err(fail)
    }

    /// Moves a file or folder into quarantine under this name, or the next that is free.
    fn to_quarantine(&self, from: &Path, name: &str) -> Result<String, TargetError> {
        let (_, quarantine) = self.mending_folders()?;
        for number in 1..=SAME_MAX {
            let name = if number == 1 { name.to_string() } else { format!("{name}.{number}") };
            match self.rename_new(from, &quarantine.join(&name)) {
                Ok(()) => {
                    for folder in [Some(quarantine.as_path()), from.parent()].into_iter().flatten() {
                        fsync_folder(folder).map_err(|error| self.fail(folder, error))?;
                    }
                    return Ok(name);
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
                    ) => {}
                Err(error) => return Err(self.fail(from, error)),
            }
        }
        Err(self.io(from, "too many of this name lie in work/quarantine; look at them, and move them away"))
    }

    /// The first name that is free, its note written.
    fn note(&self, aside: &Aside) -> Result<String, TargetError> {
        let (_, quarantine) = self.mending_folders()?;
        let free = |name: &String| quarantine.join(name).symlink_metadata().is_err();
        let Some(name) = aside.names().find(free) else {
            return Err(self.io(&quarantine, "too many of one name lie there; look at them"));
        };
        let path = quarantine.join(format!("{name}{NOTE}"));
        let text = serde_json::to_vec(aside).map_err(io::Error::from);
        let written = text.and_then(|text| write_beside(&self.path.join("work/tmp"), &path, &text));
        written.map_err(|error| self.fail(&path, error))?;
        Ok(name)
    }

    /// Writes the right bytes beside; they are durable and were read back when it returns.
    fn stage(&self, staged: &Path, what: &Mend<'_>) -> Result<(), TargetError> {
        let name = format!("mend-{}", &sha256_hex(staged.as_os_str().as_encoded_bytes())[..24]);
        let tmp = self.path.join("work/tmp");
        let beside = tmp.join(&name);
        let put = Put { content_path: &name, from: what.from, offset: 0, size: what.from.size() };
        let mut batch = Batch::new(&tmp, 1).map_err(|error| self.fail(&tmp, error))?;
        let mut buffer = self.copy_buffer();
        let copied = self.copy(&tmp, &put, &mut batch, &mut buffer);
        self.give_back(buffer);
        let done = copied.map_err(|error| of_source(error, what)).and_then(|_| {
            batch.sync().map_err(|error| self.fail(&beside, error))?;
            match self.sha512_of(&beside).as_deref() == Some(what.sha512) {
                true => fs::rename(&beside, staged).map_err(|error| self.fail(staged, error)),
                false => Err(self.io(&beside, "what is read back is not what it should be")),
            }
        });
        if done.is_err() {
            batch.undo();
        }
        done?;
        staged.parent().map_or(Ok(()), fsync_folder).map_err(|error| self.fail(staged, error))
    }

    /// Makes the folders from the object to this file.
    fn make_way(&self, live: &Path, path: &Path) -> Result<(), TargetError> {
        let inside = path.parent().and_then(|folder| folder.strip_prefix(live).ok());
        let mut at = live.to_path_buf();
        for part in inside.into_iter().flat_map(Path::components) {
            let above = at.clone();
            at.push(part);
            match fs::create_dir(&at) {
                Ok(()) => fsync_folder(&above).map_err(|error| self.fail(&above, error))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(self.fail(&at, error)),
            }
        }
        Ok(())
    }

    fn mend_file(&self, what: &Mend<'_>) -> Result<Mended, TargetError> {
        let live = self.live(what.object);
        let path = self.beneath(&live, what.path)?;
        let sync = |folder: &Path| fsync_folder(folder).map_err(|error| self.fail(folder, error));
        let folder = path.parent().unwrap_or(&live);
        let (mending, _) = self.mending_folders()?;
        if !live.is_dir() {
            let why = "there is no such object any more";
            return Err(TargetError::Moved {
                target: self.name.clone(),
                why: format!("{}: {why}", what.object),
            });
        }
        if self.sha512_of(&path).as_deref() == Some(what.sha512) {
            // The stop may have come between the rename and its sync.
            sync(folder)?;
            return Ok(Mended::Already);
        }
        let missing = path.symlink_metadata().is_err();
        let name = if missing { what.aside.name() } else { self.note(what.aside)? };
        let staged = mending.join(format!("{name}.{}", what.sha512));
        self.stage(&staged, what)?;
        self.make_way(&live, &path)?;
        let mended = if missing {
            self.rename_new(&staged, &path).map_err(|error| self.fail(&path, error))?;
            sync(folder)?;
            Mended::Filled
        } else if self.abilities.exchange {
            let swapped = renameat_with(CWD, &staged, CWD, &path, RenameFlags::EXCHANGE);
            swapped.map_err(|error| self.fail(&path, error.into()))?;
            sync(folder)?;
            sync(&mending)?;
            self.put_aside_as(&staged, &name)?
        } else {
            let mended = self.put_aside_as(&path, &name)?;
            self.rename_new(&staged, &path).map_err(|error| self.fail(&path, error))?;
            sync(folder)?;
            mended
        };
        sync(&mending)?;
        match self.sha512_of(&path).as_deref() == Some(what.sha512) {
            true => Ok(mended),
            false => Err(self.io(&path, "what is read back is not what was put there")),
        }
    }

    fn put_aside_as(&self, from: &Path, name: &str) -> Result<Mended, TargetError> {
        let bytes = self.bytes_of(from)?;
        Ok(Mended::Replaced { name: self.to_quarantine(from, name)?, bytes })
    }

    /// Bytes of a file, or of all files in a folder.
    fn bytes_of(&self, path: &Path) -> Result<u64, TargetError> {
        let found = path.symlink_metadata().map_err(|error| self.fail(path, error))?;
        if !found.is_dir() {
            return Ok(if found.is_file() { found.len() } else { 0 });
        }
        let mut sum = 0;
        self.files_in(path, "", 0, &mut |_, bytes| sum += bytes)?;
        Ok(sum)
    }

    fn move_aside(&self, aside: &Aside) -> Result<Option<u64>, TargetError> {
        let live = self.live(&aside.object);
        let path = self.beneath(&live, aside.path.trim_end_matches('/'))?;
        let folder = path.parent().unwrap_or(&live).to_path_buf();
        let bytes = match path.symlink_metadata() {
            Err(error) if is_nowhere(&error) => None,
            Err(error) => return Err(self.fail(&path, error)),
            Ok(found) if found.is_dir() && fs::remove_dir(&path).is_ok() => Some(0),
            Ok(_) => {
                let name = self.note(aside)?;
                let bytes = self.bytes_of(&path)?;
                self.to_quarantine(&path, &name)?;
                Some(bytes)
            }
        };
        self.prune_up(&live, &folder)?;
        Ok(bytes)
    }

    /// Removes folders that are empty, from this one up to the object's own.
    fn prune_up(&self, live: &Path, folder: &Path) -> Result<(), TargetError> {
        let inside = |folder: &&Path| folder.starts_with(live) && *folder != live;
        for folder in folder.ancestors().take_while(inside) {
            match fs::remove_dir(folder) {
                Err(error) if is_nowhere(&error) => {}
                // Something is in it.
                Err(_) => return fsync_folder(folder).map_err(|error| self.fail(folder, error)),
                Ok(()) => {}
            }
        }
        match fsync_folder(live) {
            Err(error) if !is_nowhere(&error) => Err(self.fail(live, error)),
            _ => Ok(()),
        }
    }
}

fn is_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The name of a file that was written beside is no path in an object.
fn of_source(error: TargetError, what: &Mend<'_>) -> TargetError {
    match error {
        TargetError::Source { why, .. } => TargetError::Source { path: what.path.into(), why },
        other => other,
    }
}

impl Mending for LocalTarget {
    fn mend(&self, what: &Mend<'_>) -> Result<Mended, TargetError> {
        self.look_for_marker()?;
        let _claim = self.claim(what.object);
        let _alone = self.mending.lock().unwrap_or_else(|broken| broken.into_inner());
        self.finish_mending()?;
        self.mend_file(what)
    }

    fn set_aside(&self, aside: &Aside) -> Result<Option<u64>, TargetError> {
        self.look_for_marker()?;
        let _claim = self.claim(&aside.object);
        let _alone = self.mending.lock().unwrap_or_else(|broken| broken.into_inner());
        self.finish_mending()?;
        self.move_aside(aside)
    }

    /// Nothing is to be done: what is half-done is finished when the target is opened, and before anything else is mended.
    fn sweep_up(&self, _starts: &str) -> Result<(), TargetError> {
        Ok(())
    }

    fn quarantine(&self, starts: &str) -> Result<Vec<Quarantined>, TargetError> {
        self.look_for_marker()?;
        let folder = self.path.join(QUARANTINE);
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        if folder.exists() {
            self.files_in(&folder, "", DEPTH_MAX, &mut |name, bytes| {
                found.insert(name.into(), bytes);
            })?;
        }
        let bytes = |name: &str, bytes: u64| match name.strip_suffix('/') {
            Some(tree) => (tree.to_string(), self.bytes_of(&folder.join(tree))),
            None => (name.to_string(), Ok(bytes)),
        };
        let mut listed = Vec::new();
        let wanted = |name: &str| name.starts_with(starts) && !name.ends_with(NOTE);
        for (name, size) in found.iter().filter(|(name, _)| wanted(name)) {
            let (name, size) = bytes(name, *size);
            let note = fs::read(folder.join(format!("{name}{NOTE}"))).ok();
            let of = note.and_then(|text| serde_json::from_slice(&text).ok());
            listed.push(Quarantined { name, bytes: size?, of });
        }
        Ok(listed)
    }
}
