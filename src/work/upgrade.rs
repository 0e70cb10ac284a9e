//! Bringing a ledger of an older release to the schema of this one.
//!
//! ```text
//! room looked for -> backup written, synced, read back, held against every row -> the step, one rename -> open
//! ```
//!
//! - No backup, no step: until a whole backup lies on disk and was read back equal, nothing of the ledger is changed.
//! - A power cut leaves the ledger of the older schema with what there is of the backup, or of the newer one with all of it.
//! - The backup has the form of `state backup`; nothing takes it away by itself.
//! - What is done, and where the backup lies, is told in the log, in a row of the ledger, and in its imprint, which any
//!   release can read.

use crate::books::ledger::migrations::{Step, Told};
use crate::rules::read::ReadAt;
use crate::work::backup::{file, sha256_of};
use crate::worlds::beneath::Pread;
use crate::worlds::book::BookError;
use crate::worlds::book::durable::{self, SyncMode};
use crate::worlds::book::imprint::{BackupBefore, Imprint};
use crate::worlds::book::mirrored::MirroredBook;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Room that stays free on every volume beside what the step needs.
const MARGIN: u64 = 16 << 20;

/// Bytes that can be written where a path lies, and the number of its device.
pub type Room = fn(&Path) -> io::Result<(u64, u64)>;

/// How a ledger is brought up.
pub struct Upgrade<'a> {
    /// Folder for backups made before a step.
    pub backups: &'a Path,
    /// The steps of this release, in order.
    pub steps: &'a [Step],
    /// This release.
    pub program: &'a str,
    /// The oldest release that can open what comes of it.
    pub oldest: &'a str,
    /// When it is done (UTC).
    pub now: Timestamp,
    /// What there is room for.
    pub room: Room,
}

/// Why a ledger was not brought up. Unless it says otherwise, the ledger is as it was.
#[derive(Debug)]
pub enum UpgradeError {
    /// There is no room for a backup and for the new rows.
    NoRoom {
        /// Where.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that there are.
        free: u64,
    },
    /// The backup could not be written, or is not what it should be.
    Backup {
        /// Its file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No step leads from this schema.
    NoStep {
        /// The schema.
        found: u64,
    },
    /// The book failed.
    Book(BookError),
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpgradeError::NoRoom { path, needed, free } => {
                let (needed, free) = (needed.div_ceil(1 << 20), free >> 20);
                write!(out, "{}: {needed} MiB are needed, and {free} MiB are free", path.display())
            }
            UpgradeError::Backup { path, why } => write!(out, "{}: {why}", path.display()),
            UpgradeError::NoStep { found } => {
                write!(out, "this strongroom knows no way on from schema {found}")
            }
            UpgradeError::Book(error) => error.fmt(out),
        }
    }
}

impl From<BookError> for UpgradeError {
    fn from(error: BookError) -> UpgradeError {
        UpgradeError::Book(error)
    }
}

impl Upgrade<'_> {
    /// Does every step that the ledger lacks. `told` hears of what goes on, so that whoever waits knows that it does.
    pub fn run(
        &self,
        mut book: MirroredBook,
        told: &mut dyn FnMut(&str),
    ) -> Result<MirroredBook, UpgradeError> {
        let found = book.schema();
        let steps: Vec<&Step> = self.steps.iter().filter(|step| step.to > found).collect();
        let Some(last) = steps.last() else { return Ok(book) };
        if steps[0].to != found + 1 {
            return Err(UpgradeError::NoStep { found });
        }
        let to = last.to;
        self.look_for_room(&book)?;
        told(&format!("the ledger has schema {found}: a backup is made before it is brought to {to}"));
        let backup = self.back_up(&book, to, told)?;
        log::info!(
            "the ledger, {} rows of schema {found} as of commit {}, is backed up in {}",
            backup.rows,
            backup.through,
            backup.file
        );
        for step in steps {
            let imprint = Imprint {
                schema: step.to,
                written_by: self.program.into(),
                oldest: self.oldest.into(),
                at: Some(self.now),
                backup: Some(backup.clone()),
            };
            let by = Told { by: step.by, imprint: &imprint };
            book = book.migrate(&by, &imprint, told)?;
        }
        // A warning: it is said also where only warnings are, for there is no simple way back.
        log::warn!(
            "the ledger was brought from schema {found} to {to}; the backup made before is {}",
            backup.file
        );
        Ok(book)
    }

    /// Refuses to begin where there is no room for a backup, for the rows in both copies of the journal, and for the index.
    fn look_for_room(&self, book: &MirroredBook) -> Result<(), UpgradeError> {
        let ([first, second], bytes) = book.journal();
        // Rows that are live are fewer than those written; a step adds some; sled takes several times their bytes.
        let needs: [(&Path, u64); 4] =
            [(self.backups, bytes), (&first, 2 * bytes), (&second, 2 * bytes), (book.folder(), 4 * bytes)];
        let mut devices: Vec<(u64, u64, u64, &Path)> = Vec::new();
        for (path, need) in needs {
            let (free, device) = (self.room)(path).map_err(|error| BookError::Io {
                path: path.display().to_string(),
                why: error.to_string(),
            })?;
            match devices.iter_mut().find(|(known, ..)| *known == device) {
                Some((_, needed, ..)) => *needed += need,
                None => devices.push((device, MARGIN + need, free, path)),
            }
        }
        match devices.into_iter().find(|(_, needed, free, _)| free < needed) {
            Some((_, needed, free, path)) => Err(UpgradeError::NoRoom { path: path.into(), needed, free }),
            None => Ok(()),
        }
    }

    /// Makes the backup, or takes the one that a start before made of these very rows. It was read back when this returns.
    fn back_up(
        &self,
        book: &MirroredBook,
        to: u64,
        told: &mut dyn FnMut(&str),
    ) -> Result<BackupBefore, UpgradeError> {
        let id: String = book.ledger_id().chars().take(8).collect();
        let begins = format!("before-schema-{to}-{id}-");
        durable::make_folder(self.backups, SyncMode::Durable)?;
        let mut known = durable::names(self.backups)?;
        known.retain(|name| name.starts_with(&begins));
        let (parts, whole): (Vec<String>, Vec<String>) =
            known.into_iter().partition(|name| name.ends_with(".part"));
        for name in parts {
            durable::remove(&self.backups.join(name))?;
        }
        for name in whole {
            if let Ok(backup) = self.prove(book, &self.backups.join(name)) {
                return Ok(backup);
            }
        }
        let time = self.now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let path = unused(self.backups, &format!("{begins}{time}"));
        self.write(book, &path)?;
        told("the backup is read back and held against every row");
        self.prove(book, &path)
    }

    fn write(&self, book: &MirroredBook, path: &Path) -> Result<(), UpgradeError> {
        let failed = |why: String| UpgradeError::Backup { path: path.into(), why };
        let mut out = BufWriter::with_capacity(1 << 20, durable::create_part(path)?);
        let of = (book.ledger_id(), book.schema());
        file::write(book, of, self.now, &mut out).map_err(|error| failed(error.to_string()))?;
        out.flush().map_err(|error| failed(error.to_string()))?;
        let written = out.into_inner().map_err(|error| failed(error.to_string()))?;
        durable::publish(&written, path, SyncMode::Durable)?;
        // What is read back should come from the disk. Only a hint, and no harm where it is not taken.
        let _ = rustix::fs::fadvise(&written, 0, None, rustix::fs::Advice::DontNeed);
        Ok(())
    }

    /// Reads a backup and holds it against every row of the book.
    fn prove(&self, book: &MirroredBook, path: &Path) -> Result<BackupBefore, UpgradeError> {
        let failed = |why: String| UpgradeError::Backup { path: path.into(), why };
        let file = File::open(path).and_then(|file| Pread::new(file.into()));
        let file = file.map_err(|error| failed(error.to_string()))?.front_to_back();
        let (head, end) = file::prove(&file, book).map_err(|error| failed(error.to_string()))?;
        if (head.ledger.as_str(), head.schema) != (book.ledger_id(), book.schema()) {
            return Err(failed("it is a backup of another ledger".into()));
        }
        Ok(BackupBefore {
            file: path.display().to_string(),
            schema: head.schema,
            written_by: book.imprint().map_or_else(String::new, |imprint| imprint.written_by.clone()),
            at: Some(head.at),
            through: end.through,
            rows: end.lines,
            bytes: file.size(),
            sha256: sha256_of(&file).map_err(|error| failed(error.to_string()))?,
        })
    }
}

/// A backup's name that nothing has yet.
fn unused(folder: &Path, begins: &str) -> PathBuf {
    let named = |more: String| folder.join(format!("{begins}{more}.jsonl.gz"));
    let mut names = std::iter::once(named(String::new())).chain((2u32..).map(|n| named(format!("-{n}"))));
    names.find(|path| !path.exists()).expect("one of four thousand million names is free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::ledger::migrations::STEPS;
    use crate::worlds::book::mirrored::Options;
    use crate::worlds::book::{Book, OLDEST, SCHEMA, Write as Change};
    use tempfile::TempDir;

    fn open(folder: &TempDir, schema: u64) -> MirroredBook {
        let options = Options { schema, ..Options::default() };
        MirroredBook::open(&folder.path().join("ledger"), None, options).unwrap()
    }

    /// A ledger of schema 1 with some rows.
    fn ledger() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let book = open(&folder, 1);
        for number in 1..=5 {
            let value = format!("{{\"n\":{number}}}").into_bytes();
            book.commit(&[Change::Put(format!("i/{number}"), value)], &[]).unwrap();
        }
        book.close().unwrap();
        folder
    }

    fn upgrade(backups: &Path, room: Room) -> Upgrade<'_> {
        let now = "2031-03-04T05:06:07Z".parse().unwrap();
        Upgrade { backups, steps: &STEPS, program: "9.2.0", oldest: OLDEST, now, room }
    }

    fn run(folder: &TempDir, room: Room) -> Result<MirroredBook, UpgradeError> {
        let backups = folder.path().join("data/backups");
        upgrade(&backups, room).run(open(folder, SCHEMA), &mut |_| ())
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let mut names = durable::names(&folder.path().join("data/backups")).unwrap_or_default();
        names.sort();
        names
    }

    /// The ledger is as the release before left it.
    fn is_untouched(folder: &TempDir) {
        let book = open(folder, 1);
        assert_eq!((book.schema(), book.report().sequence, book.report().rows), (1, 5, 5));
        assert_eq!(book.verify().unwrap().wrong, [""; 0]);
    }

    fn plenty(_: &Path) -> io::Result<(u64, u64)> {
        Ok((1 << 40, 1))
    }

    #[test]
    fn without_room_nothing_is_begun_and_the_needed_and_the_free_bytes_are_told() {
        let folder = ledger();
        let error = run(&folder, |_| Ok((9 << 20, 1))).err().unwrap();
        assert!(error.to_string().ends_with("17 MiB are needed, and 9 MiB are free"), "{error}");
        is_untouched(&folder);
        assert!(!folder.path().join("data").exists());
        // Each volume for itself: the one with the second copy is full.
        let error = run(&folder, |path| match path.ends_with("journal-b") {
            true => Ok((0, 2)),
            false => plenty(path),
        });
        assert!(
            matches!(error.err(), Some(UpgradeError::NoRoom { path, .. }) if path.ends_with("journal-b"))
        );
        is_untouched(&folder);
    }

    #[test]
    fn without_a_backup_nothing_is_brought_up() {
        let folder = ledger();
        std::fs::write(folder.path().join("data"), "no folder").unwrap();
        assert!(run(&folder, plenty).is_err());
        is_untouched(&folder);
    }

    #[test]
    fn a_backup_that_is_not_read_back_as_it_was_written_is_none() {
        let folder = ledger();
        let backups = folder.path().join("data/backups");
        // Whoever is told that the backup is read back, damages it just before.
        let mut damage = |told: &str| {
            if told.contains("read back") {
                let path = backups.join(&names(&folder)[0]);
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
        };
        let done = upgrade(&backups, plenty).run(open(&folder, SCHEMA), &mut damage);
        assert!(matches!(done.err(), Some(UpgradeError::Backup { .. })));
        is_untouched(&folder);
        // The next start makes another one, and leaves what is there.
        let book = run(&folder, plenty).unwrap();
        let file = book.imprint().unwrap().backup.clone().unwrap().file;
        assert!(file.ends_with("20310304T050607Z-2.jsonl.gz"), "{file}");
        assert_eq!((book.schema(), names(&folder).len()), (SCHEMA, 2));
    }

    #[test]
    fn a_backup_that_a_start_before_made_of_the_same_rows_is_taken() {
        let folder = ledger();
        let backups = folder.path().join("data/backups");
        let first = upgrade(&backups, plenty).back_up(&open(&folder, SCHEMA), 2, &mut |_| ()).unwrap();
        // What a start that was cut off left of its own.
        std::fs::write(format!("{}.part", first.file), "half").unwrap();
        let book = run(&folder, plenty).unwrap();
        assert_eq!(book.imprint().unwrap().backup, Some(first));
        assert_eq!(names(&folder).len(), 1);
        assert_eq!(book.imprint().unwrap().written_by, "9.2.0");
    }

    #[test]
    fn a_ledger_that_no_step_leads_on_from_is_left_alone() {
        let folder = ledger();
        let backups = folder.path().join("data/backups");
        let steps = [Step { to: 3, what: "", by: STEPS[0].by }];
        let upgrade = Upgrade { steps: &steps, ..upgrade(&backups, plenty) };
        let done = upgrade.run(open(&folder, 3), &mut |_| ());
        assert!(matches!(done.err(), Some(UpgradeError::NoStep { found: 1 })));
        is_untouched(&folder);
    }

    #[test]
    fn a_ledger_of_this_release_needs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(&folder, SCHEMA));
        let book = run(&folder, |_| panic!("nobody asks for room")).unwrap();
        assert_eq!((book.schema(), book.imprint().unwrap().backup.clone()), (SCHEMA, None));
    }
}
