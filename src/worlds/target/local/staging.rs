//! Transactions: what lies in `work/` before it is published.
//!
//! - A transaction's folder is named after its ledger, item and fence; a later fence renames it, so that what a worker
//!   with an outdated lease still writes goes nowhere.
//! - After `begin` it holds nothing but the content of the version it is for.

use super::LocalTarget;
use super::durable::{Batch, fsync_folder};
use super::folders::{empty_folder, entries, remove_tree};
use super::reading::CHUNK;
use crate::model::object::ObjectId;
use crate::rules::ocfl::layout;
use crate::worlds::target::{Put, TargetError, Txn};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Folders of one name in `work/orphans`; more is a machine gone wild.
const ORPHANS_MAX: u32 = 100;

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}

/// Ledger, item and fence of a transaction's folder.
pub(super) fn parse(name: &str) -> Option<(&str, u64, u64)> {
    let (rest, fence) = name.rsplit_once('.')?;
    let (ledger, item) = rest.rsplit_once('-')?;
    (!ledger.is_empty()).then_some((ledger, item.parse().ok()?, fence.parse().ok()?))
}

impl LocalTarget {
    /// A transaction's folder.
    pub(super) fn txn_folder(&self, txn: &Txn) -> PathBuf {
        self.path.join("work").join(format!("{}-{}.{}", txn.ledger, txn.item, txn.fence))
    }

    /// Folders of all fences of this item, the highest last; also those put aside while another ledger was at work.
    fn folders_of(&self, txn: &Txn) -> Result<Vec<(u64, PathBuf)>, TargetError> {
        let mut found = Vec::new();
        for place in ["work/orphans", "work"] {
            let place = self.path.join(place);
            for entry in entries(&place).map_err(|error| self.fail(&place, error))? {
                let entry = entry.map_err(|error| self.fail(&place, error))?;
                let name = entry.file_name();
                match name.to_str().and_then(parse) {
                    Some((ledger, item, fence)) if ledger == txn.ledger && item == txn.item => {
                        found.push((fence, entry.path()));
                    }
                    _ => {}
                }
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn begin_txn(&self, txn: &Txn, object: &ObjectId, version: u32) -> Result<(), TargetError> {
        let folder = self.txn_folder(txn);
        let fail = |error: io::Error| self.fail(&folder, error);
        let mut older = self.folders_of(txn)?;
        if older.last().is_some_and(|(fence, _)| *fence > txn.fence) {
            return Err(self.io(&folder, "a later lease has taken this transaction over"));
        }
        let found = older.pop();
        if let Some((_, newest)) = &found
            && *newest != folder
        {
            self.rename_new(newest, &folder).map_err(fail)?;
        }
        for (_, rest) in older {
            self.roll_forward(&rest)?;
            remove_tree(&rest).map_err(|error| self.fail(&rest, error))?;
        }
        fs::create_dir_all(folder.join("obj")).map_err(fail)?;
        {
            let _claim = self.claim(object);
            self.roll_forward(&folder)?;
            self.take_back(&folder, object)?;
        }
        let obj = folder.join("obj");
        self.keep_only(&folder, &["obj"])?;
        self.keep_only(&obj, &[&format!("v{version}")])?;
        self.keep_only(&obj.join(format!("v{version}")), &["content"])?;
        let work = self.path.join("work");
        if found.is_none() {
            return fsync_folder(&folder).and_then(|()| fsync_folder(&work)).map_err(fail);
        }
        // Folders that a stopped process made may not have reached the medium. Later files in them are marked as
        // durable when they and their folder are, so everything above must be by now.
        let system = File::open(&work).map_err(fail)?;
        rustix::fs::syncfs(&system).map_err(|error| fail(error.into()))
    }

    /// Undoes the last step but one of publishing a new object: its folder stands under its tuples already.
    pub(super) fn take_back(&self, folder: &Path, object: &ObjectId) -> Result<(), TargetError> {
        let placed = folder.join("tree").join(layout::object_path(object));
        if !placed.exists() {
            return Ok(());
        }
        let obj = folder.join("obj");
        // Empty, or not there: an object with files was moved away from here.
        let _ = fs::remove_dir(&obj);
        self.rename_new(&placed, &obj).map_err(|error| self.fail(&obj, error))
    }

    /// Removes all of a folder but these names; the folder may be missing.
    pub(super) fn keep_only(&self, folder: &Path, names: &[&str]) -> Result<(), TargetError> {
        let fail = |error: io::Error| self.fail(folder, error);
        let found = match entries(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(fail)?,
        };
        for entry in found {
            let entry = entry.map_err(fail)?;
            if names.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let done = if entry.is_dir().map_err(fail)? {
                remove_tree(&entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            done.map_err(|error| self.fail(&entry.path(), error))?;
        }
        Ok(())
    }

    pub(super) fn put_files(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError> {
        let obj = self.txn_folder(txn).join("obj");
        let mut batch = Batch::new(&obj, files.len()).map_err(|error| self.fail(&obj, error))?;
        let mut buffer = self.copy_buffer();
        let copied = files.iter().try_fold(0, |bytes, file| {
            self.copy(&obj, file, &mut batch, &mut buffer).map(|count| bytes + count)
        });
        self.give_back(buffer);
        let done = copied.and_then(|bytes| {
            batch.sync().map_err(|error| self.fail(&obj, error))?;
            Ok(bytes)
        });
        if done.is_err() {
            // None of these files will be marked; on a full disk their space is given back at once.
            batch.undo();
        }
        done
    }

    pub(super) fn copy(
        &self,
        obj: &Path,
        file: &Put<'_>,
        batch: &mut Batch,
        buffer: &mut [u8],
    ) -> Result<u64, TargetError> {
        let path = self.beneath(obj, file.content_path)?;
        let fail = |error: io::Error| self.fail(&path, error);
        let lost = |why: String| TargetError::Source { path: file.content_path.into(), why };
        let mut out: File = batch.create(obj, &path).map_err(fail)?;
        let mut done = 0;
        while done < file.size {
            let want = usize::try_from(file.size - done).unwrap_or(CHUNK).min(CHUNK);
            let got = match file.from.read_at(&mut buffer[..want], file.offset + done) {
                Ok(0) => return Err(lost(format!("it ends {} bytes early", file.size - done))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(|error| lost(error.to_string()))?,
            };
            out.write_all(&buffer[..got]).map_err(fail)?;
            batch.grown(&out, done, done + got as u64);
            done += got as u64;
        }
        batch.written(&out).map_err(fail)?;
        Ok(done)
    }

    pub(super) fn discard_item(&self, txn: &Txn) -> Result<(), TargetError> {
        for (_, folder) in self.folders_of(txn)? {
            // A version that is half in place is finished first: its inventory lies in the folder.
            self.roll_forward(&folder)?;
            remove_tree(&folder).map_err(|error| self.fail(&folder, error))?;
        }
        Ok(())
    }

    /// Finishes what this ledger left half in place, and puts other ledgers' transactions into `work/orphans`.
    pub(super) fn put_strangers_aside(&self) -> Result<(), TargetError> {
        let work = self.path.join("work");
        let fail = |error: io::Error| self.fail(&work, error);
        for entry in entries(&work).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            let Some((ledger, ..)) = name.to_str().and_then(parse) else { continue };
            self.roll_forward(&entry.path())?;
            if ledger != self.ledger {
                self.put_aside(&entry.path(), &name.to_string_lossy())?;
            }
        }
        fsync_folder(&work.join("orphans")).and_then(|()| fsync_folder(&work)).map_err(fail)
    }

    fn put_aside(&self, folder: &Path, name: &str) -> Result<(), TargetError> {
        let orphans = self.path.join("work/orphans");
        for number in 1..=ORPHANS_MAX {
            let name = if number == 1 { name.to_string() } else { format!("{name}~{number}") };
            match self.rename_new(folder, &orphans.join(name)) {
                // One of this name was put aside before: none is ever replaced.
                Err(error) if is_taken(&error) => {}
                done => return done.map_err(|error| self.fail(folder, error)),
            }
        }
        Err(self.io(folder, "too many of this name lie in work/orphans; look at them and remove them"))
    }

    /// Removes a transaction's folder once its object is published. What cannot be removed now is removed by `discard`
    /// or the next `begin`: the object is safe, so this is no reason to fail.
    pub(super) fn forget_txn(&self, txn: &Txn) {
        let folder = self.txn_folder(txn);
        let removed = empty_folder(&folder).and_then(|()| fs::remove_dir(&folder));
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("{}: {error}; the object is published, this is left over", folder.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_transaction_is_known_by_its_whole_name() {
        assert_eq!(parse("ab-c-12.3"), Some(("ab-c", 12, 3)));
        for other in ["lock", "tmp", "orphans", "ab-12", "ab.3", "-12.3", "ab-1x.3", "ab-12.x"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
