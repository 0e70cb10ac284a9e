//! From one schema to the next: every row is given anew, into one snapshot.
//!
//! ```text
//! schema N:     snapshot-K  segment-K ...              an old program can open it, as before
//!               snapshot-L.part                        written, synced, in both copies
//! schema N+1:   snapshot-L  segment-L                  from the first rename on
//! ```
//!
//! - The rename of the first copy's snapshot is the moment. Before it the ledger is what it was, after it the ledger is of
//!   the next schema; no power cut leaves anything between them. What a cut leaves is taken away by the next start.
//! - Heads of the new snapshot carry the imprint; `imprint.json` is written before, for programs that know no head of then.
//! - Nothing is committed meanwhile: a book of an older schema refuses commits.
//! - Memory is bounded: a page of rows.
//! - The index is made anew: one of another schema is never used.

use super::catalogue;
use super::imprint::Imprint;
use super::mirrored::{MirroredBook, Parts};
use super::opening::Opening;
use super::snapshot::Writer;
use super::{Book, BookError, Row};

/// Rows read at once.
const PAGE_ROWS: usize = 500;

/// Rows of the next schema, as they are made.
pub struct NewRows<'a> {
    writer: &'a mut Writer,
    /// Newest commit.
    at: u64,
    wrong: Option<BookError>,
    rows: u64,
}

impl NewRows<'_> {
    /// This row stays as it is.
    pub fn keep(&mut self, key: &str, row: &Row) {
        if self.wrong.is_none() {
            self.wrong = self.writer.push(key, row).err();
            self.rows += 1;
        }
    }

    /// A row that was not there, or is another one now. A key is given once.
    pub fn make(&mut self, key: &str, value: Vec<u8>) {
        self.keep(key, &Row { revision: self.at, value });
    }
}

/// How rows of one schema become rows of the next: a function of the rows alone, so that doing it again gives the same.
pub trait Migration: Sync {
    /// What becomes of this row. Others may be looked up in `old`.
    fn row(&self, old: &dyn Book, key: &str, row: &Row, new: &mut NewRows<'_>) -> Result<(), BookError>;

    /// Rows that come of none.
    fn more(&self, _new: &mut NewRows<'_>) {}
}

impl MirroredBook {
    /// Brings the ledger to the schema of this imprint; the caller has made the backup that it names. `told` hears of what
    /// goes on, and how far it is.
    pub fn migrate(
        self,
        by: &dyn Migration,
        imprint: &Imprint,
        told: &mut dyn FnMut(&str),
    ) -> Result<MirroredBook, BookError> {
        let (found, known) = (self.schema(), imprint.schema);
        if found + 1 != known {
            return Err(BookError::Older { found, known });
        }
        let mut writer = self.start_migration(imprint)?;
        let (at, tail) = (writer.at, writer.tail);
        let step = format!("the ledger is brought to schema {known}");
        give(&self, by, &mut writer, &mut |rows| told(&format!("{step}: {rows} rows")))?;
        // Nothing was committed meanwhile.
        let bytes = writer.finish(at)?;
        let Parts { mut journal, index, options, mut opened, folder, held } = self.apart();
        drop(index);
        journal.migrated(imprint);
        journal.retire(at, tail, bytes)?;
        let index = catalogue::make(&folder, &journal, &options, &mut Opening::new(told))?;
        (opened.sequence, opened.rows) = (journal.last(), index.rows());
        Ok(Parts { journal, index, options, opened, folder, held }.together())
    }
}

/// Gives every row of the old book to the migration.
fn give(
    old: &MirroredBook,
    by: &dyn Migration,
    writer: &mut Writer,
    told: &mut dyn FnMut(u64),
) -> Result<(), BookError> {
    let mut new = NewRows { at: writer.at, writer, wrong: None, rows: 0 };
    let mut after: Option<String> = None;
    loop {
        let page = old.scan("", after.as_deref(), PAGE_ROWS)?;
        for (key, row) in &page {
            by.row(old, key, row, &mut new)?;
        }
        if let Some(error) = new.wrong.take() {
            return Err(error);
        }
        told(new.rows);
        match page.into_iter().next_back() {
            Some((key, _)) => after = Some(key),
            None => break,
        }
    }
    by.more(&mut new);
    new.wrong.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::super::durable::SyncMode;
    use super::super::imprint;
    use super::super::mirrored::Options;
    use super::super::{Guard, Write};
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tempfile::TempDir;

    fn options(schema: u64) -> Options {
        let sync = SyncMode::NeverForNegativeControl;
        Options { sync, lock_patience: Duration::ZERO, schema, ..Options::default() }
    }

    fn open(folder: &Path, schema: u64) -> MirroredBook {
        MirroredBook::open(folder, None, options(schema)).unwrap()
    }

    /// Puts an exclamation mark behind every key, adds a row for each, leaves one out; fails at a row if it is told to.
    struct Louder {
        fails_at: usize,
        seen: AtomicUsize,
    }

    impl Louder {
        fn new(fails_at: usize) -> Louder {
            Louder { fails_at, seen: AtomicUsize::new(0) }
        }
    }

    impl Migration for Louder {
        fn row(&self, old: &dyn Book, key: &str, row: &Row, new: &mut NewRows<'_>) -> Result<(), BookError> {
            if self.seen.fetch_add(1, Ordering::Relaxed) == self.fails_at {
                return Err(BookError::Io { path: key.into(), why: "as rehearsed".into() });
            }
            assert_eq!(old.get(key)?.as_ref(), Some(row), "the old rows can be read meanwhile");
            if key != "k/000" {
                new.keep(&format!("{key}!"), row);
                new.make(&format!("more/{key}"), b"[]".to_vec());
            }
            Ok(())
        }

        fn more(&self, new: &mut NewRows<'_>) {
            new.make("end", b"1".to_vec());
        }
    }

    fn imprint_of(schema: u64) -> Imprint {
        let (written_by, oldest) = ("7.1.0".into(), "7.0.0".into());
        Imprint { schema, written_by, oldest, at: None, backup: None }
    }

    type Rows = BTreeMap<String, Row>;

    fn rows(book: &dyn Book) -> Rows {
        book.scan("", None, usize::MAX).unwrap().into_iter().collect()
    }

    fn put(key: String) -> Write {
        Write::Put(key, b"{}".to_vec())
    }

    /// A ledger of schema 1 with so many commits, of which the first ones are in a snapshot.
    fn ledger(commits: usize, in_snapshot: usize) -> (TempDir, Rows) {
        let folder = tempfile::tempdir().unwrap();
        let book = open(folder.path(), 1);
        for number in 0..commits {
            book.commit(&[put(format!("k/{number:03}")), put("hot".into())], &[]).unwrap();
            if number + 1 == in_snapshot {
                book.compact().unwrap();
            }
        }
        let rows = rows(&book);
        book.close().unwrap();
        (folder, rows)
    }

    /// What the step makes of these rows; rows that it made are as of the newest commit.
    fn louder(old: &Rows, newest: u64) -> Rows {
        let new = |value: &[u8]| Row { revision: newest, value: value.to_vec() };
        let mut rows = Rows::from([("end".to_string(), new(b"1"))]);
        for (key, row) in old.iter().filter(|(key, _)| *key != "k/000") {
            rows.insert(format!("{key}!"), row.clone());
            rows.insert(format!("more/{key}"), new(b"[]"));
        }
        rows
    }

    fn copy_tree(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in from.read_dir().unwrap() {
            let entry = entry.unwrap();
            let place = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => copy_tree(&entry.path(), &place),
                false => drop(std::fs::copy(entry.path(), place).unwrap()),
            }
        }
    }

    fn names(folder: &Path) -> BTreeSet<PathBuf> {
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into()).collect()
    }

    #[test]
    fn every_ledger_is_brought_up_whether_its_rows_lie_in_commits_or_in_a_snapshot_or_there_are_none() {
        for (commits, in_snapshot) in [(0, 0), (1, 0), (9, 0), (9, 4), (9, 9)] {
            let (folder, old) = ledger(commits, in_snapshot);
            let book = open(folder.path(), 2);
            assert_eq!(book.schema(), 1);
            let refused = book.commit(&[put("x".into())], &[Guard { key: "x".into(), revision: None }]);
            assert_eq!(refused, Err(BookError::Older { found: 1, known: 2 }));
            let book = book.migrate(&Louder::new(usize::MAX), &imprint_of(2), &mut |_| ()).unwrap();
            let newest = book.report().sequence;
            assert_eq!(rows(&book), louder(&old, newest), "{commits} commits, {in_snapshot} in a snapshot");
            let number = book.commit(&[put("later".into())], &[]).unwrap();
            assert_eq!(number, newest + 1);
            drop(book);
            for _ in 0..2 {
                let book = open(folder.path(), 2);
                assert_eq!((book.schema(), book.imprint()), (2, Some(&imprint_of(2))));
                assert_eq!(rows(&book).len(), louder(&old, newest).len() + 1);
                assert_eq!(book.verify().unwrap().wrong, [""; 0]);
                // What it tells of itself outlives the files that it was written in.
                book.compact().unwrap();
                book.commit(&[], &[]).unwrap();
                book.close().unwrap();
            }
            let refused = MirroredBook::open(folder.path(), None, options(1)).err();
            let told = Some(Box::new(imprint_of(2)));
            assert_eq!(refused, Some(BookError::Newer { found: 2, known: 1, imprint: told }));
        }
    }

    #[test]
    fn a_step_that_fails_at_any_row_leaves_the_ledger_to_the_program_before() {
        for in_snapshot in [0, 3, 5] {
            let (folder, old) = ledger(5, in_snapshot);
            for fails_at in 0..old.len() {
                let book = open(folder.path(), 2);
                let by = Louder::new(fails_at);
                assert!(book.migrate(&by, &imprint_of(2), &mut |_| ()).is_err());
                let book = open(folder.path(), 1);
                assert_eq!(rows(&book), old, "failed at row {fails_at}");
                assert_eq!((book.schema(), book.imprint()), (1, None));
                assert_eq!(book.verify().unwrap().wrong, [""; 0]);
            }
            let book = open(folder.path(), 2);
            let book = book.migrate(&Louder::new(usize::MAX), &imprint_of(2), &mut |_| ()).unwrap();
            assert_eq!(rows(&book), louder(&old, book.report().sequence));
        }
    }

    /// The states that a power cut leaves, one after the other: what lies in the two copies, and which index.
    fn states(before: &Path, after: &Path, into: &Path) -> Vec<(PathBuf, bool)> {
        let [old, new] = [before, after].map(|folder| names(&folder.join("journal-a")));
        let made: Vec<&PathBuf> = new.difference(&old).collect();
        let is = |name: &&&PathBuf, what: &str| name.to_string_lossy().starts_with(what);
        let segment = made.iter().find(|name| is(name, "segment")).copied();
        let snapshot = made.iter().find(|name| is(name, "snapshot")).copied().unwrap();
        let gone: Vec<&PathBuf> = old.difference(&new).collect();
        let mut states = Vec::new();
        let mut state = into.join("0");
        copy_tree(before, &state);
        let mut next = |done: bool, change: &dyn Fn(&Path)| {
            change(&state);
            states.push((state.clone(), done));
            let following = into.join(states.len().to_string());
            copy_tree(&state, &following);
            state = following;
        };
        let bring = |copy: &str, name: &Path, to: &Path| {
            let from = after.join(copy).join(name);
            std::fs::copy(from, to.join(copy).join(name)).unwrap();
        };
        let part = PathBuf::from(format!("{}.part", snapshot.display()));
        next(false, &|_| ());
        for copy in ["journal-a", "journal-b"] {
            next(false, &|state| bring(copy, Path::new(imprint::FILE), state));
        }
        for copy in ["journal-a", "journal-b"] {
            next(false, &|state| segment.into_iter().for_each(|name| bring(copy, name, state)));
        }
        for bytes in [0, 100] {
            next(false, &|state| {
                for copy in ["journal-a", "journal-b"] {
                    let whole = std::fs::read(after.join(copy).join(snapshot)).unwrap();
                    std::fs::write(state.join(copy).join(&part), &whole[..bytes]).unwrap();
                }
            });
        }
        for copy in ["journal-a", "journal-b"] {
            next(true, &|state| {
                std::fs::remove_file(state.join(copy).join(&part)).unwrap();
                bring(copy, snapshot, state);
            });
        }
        for copy in ["journal-a", "journal-b"] {
            for name in &gone {
                next(true, &|state| std::fs::remove_file(state.join(copy).join(name)).unwrap());
            }
        }
        next(true, &|state| std::fs::remove_dir_all(state.join("index")).unwrap());
        states
    }

    #[test]
    fn a_power_cut_leaves_the_one_schema_or_the_other_whole_and_never_anything_between() {
        for in_snapshot in [0, 3] {
            let (folder, old) = ledger(5, in_snapshot);
            let (before, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            copy_tree(folder.path(), before.path());
            let book = open(folder.path(), 2);
            let book = book.migrate(&Louder::new(usize::MAX), &imprint_of(2), &mut |_| ()).unwrap();
            let new = rows(&book);
            book.close().unwrap();
            let states = states(before.path(), folder.path(), into.path());
            assert!(states.len() > 10 && states.iter().any(|(_, done)| !done));
            for (state, done) in states {
                let is =
                    imprint::look(&["journal-a", "journal-b"].map(|copy| state.join(copy))).unwrap().unwrap();
                assert_eq!(is.schema, 1 + u64::from(done), "{}", state.display());
                if !done {
                    let copy = tempfile::tempdir().unwrap();
                    copy_tree(&state, copy.path());
                    let book = open(copy.path(), 1);
                    assert_eq!(rows(&book), old, "the program before goes on with it: {}", state.display());
                }
                let book = open(&state, 2);
                assert_eq!(book.schema(), 1 + u64::from(done));
                assert_eq!(rows(&book), if done { new.clone() } else { old.clone() });
                assert_eq!(book.report().wrong, [""; 0]);
                if !done {
                    let book = book.migrate(&Louder::new(usize::MAX), &imprint_of(2), &mut |_| ()).unwrap();
                    assert_eq!(rows(&book), new);
                }
            }
        }
    }

    #[test]
    fn an_imprint_that_is_lost_or_changed_in_a_copy_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path(), 2));
        let paths = ["journal-a", "journal-b"].map(|copy| folder.path().join(copy).join(imprint::FILE));
        let text = std::fs::read(&paths[0]).unwrap();
        std::fs::remove_file(&paths[0]).unwrap();
        std::fs::write(&paths[1], br#"{"schema":9}"#).unwrap();
        drop(open(folder.path(), 2));
        assert_eq!(paths.map(|path| std::fs::read(path).unwrap()), [text.clone(), text]);
    }
}
