//! The book of a rehearsal: rows in memory, one write of `Fate` for each commit.
//!
//! - It answers as the real one does: same guards, same limits, same revisions.
//! - What was committed outlives a power cut. Every handle made by `clone` has the same rows.
//! - After a failed commit it refuses everything, as the real one does, until fate has recovered: work that goes on
//!   without a book shows.

use super::{Book, BookError, BookReport, Guard, Row, Write, batch};
use crate::worlds::fate::{Fate, Struck};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
struct Rows {
    sequence: u64,
    rows: BTreeMap<String, Row>,
    /// Fate's count of writes when a commit failed; a smaller count means that fate has recovered since.
    failed_at: Option<u64>,
}

#[derive(Debug, Default)]
struct Shared {
    rows: Mutex<Rows>,
    bell: Condvar,
}

/// Rows in memory.
#[derive(Clone, Debug)]
pub struct RehearsalBook {
    fate: Arc<Fate>,
    shared: Arc<Shared>,
}

impl RehearsalBook {
    /// An empty book under this fate.
    pub fn new(fate: Arc<Fate>) -> RehearsalBook {
        RehearsalBook { fate, shared: Arc::default() }
    }

    /// The rows, if there is power and no commit has failed.
    fn rows(&self) -> Result<MutexGuard<'_, Rows>, BookError> {
        let mut rows = self.lock();
        self.fate.read().map_err(failed)?;
        if let Some(then) = rows.failed_at {
            if self.fate.writes() >= then {
                return Err(failed(Struck::Error));
            }
            rows.failed_at = None;
        }
        Ok(rows)
    }

    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.shared.rows.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

fn failed(struck: Struck) -> BookError {
    let why = match struck {
        Struck::Error => "input/output error, as rehearsed",
        Struck::Full => "no space left on device, as rehearsed",
        Struck::NoPower => "there is no power, as rehearsed",
    };
    BookError::Io { path: "(rehearsed ledger)".into(), why: why.into() }
}

impl Book for RehearsalBook {
    fn get(&self, key: &str) -> Result<Option<Row>, BookError> {
        Ok(self.rows()?.rows.get(key).cloned())
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Row)>, BookError> {
        let rows = self.rows()?;
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let found = rows.rows.range::<str, _>((from, Bound::Unbounded));
        let of_prefix = found.take_while(|(key, _)| key.starts_with(prefix));
        Ok(of_prefix.take(limit).map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    fn commit(&self, batch: &[Write], guards: &[Guard]) -> Result<u64, BookError> {
        batch::encode(batch)?;
        let mut rows = self.rows()?;
        for guard in guards {
            if rows.rows.get(&guard.key).map(|row| row.revision) != guard.revision {
                return Err(BookError::Conflict { key: guard.key.clone() });
            }
        }
        let rows = &mut *rows;
        let written = self.fate.write(|| {
            rows.sequence += 1;
            for write in batch {
                match write {
                    Write::Put(key, value) => {
                        let row = Row { revision: rows.sequence, value: value.clone() };
                        rows.rows.insert(key.clone(), row);
                    }
                    Write::Delete(key) => {
                        rows.rows.remove(key);
                    }
                }
            }
            rows.sequence
        });
        self.shared.bell.notify_all();
        written.map_err(|struck| {
            if struck != Struck::NoPower {
                rows.failed_at = Some(self.fate.writes());
            }
            failed(struck)
        })
    }

    fn watch(&self, seen: u64, at_most: Duration) -> u64 {
        let end = Instant::now() + at_most;
        let mut rows = self.lock();
        while rows.sequence <= seen {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.bell.wait_timeout(rows, left);
            rows = waited.unwrap_or_else(|broken| broken.into_inner()).0;
        }
        rows.sequence
    }

    fn copy(&self, each: &mut dyn FnMut(&str, Option<&Row>) -> bool) -> Result<u64, BookError> {
        let rows = self.rows()?;
        let _all = rows.rows.iter().all(|(key, row)| each(key, Some(row)));
        Ok(rows.sequence)
    }

    fn verify(&self) -> Result<BookReport, BookError> {
        let rows = self.rows()?;
        Ok(BookReport {
            sequence: rows.sequence,
            rows: rows.rows.len() as u64,
            repaired: Vec::new(),
            wrong: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::fate::Blow;

    fn put(book: &RehearsalBook, key: &str) -> Result<u64, BookError> {
        book.commit(&[Write::Put(key.into(), b"1".to_vec())], &[])
    }

    #[test]
    fn each_commit_is_one_write_of_fate() {
        let fate = Arc::new(Fate::default());
        let book = RehearsalBook::new(fate.clone());
        put(&book, "a").unwrap();
        put(&book, "b").unwrap();
        book.get("a").unwrap();
        assert_eq!(fate.writes(), 2);
    }

    #[test]
    fn a_failed_commit_writes_nothing_and_ends_the_book_until_fate_recovers() {
        let fate = Arc::new(Fate::default());
        let book = RehearsalBook::new(fate.clone());
        put(&book, "a").unwrap();
        for blow in [Blow::Error, Blow::Full] {
            fate.plan(1, blow);
            assert!(matches!(put(&book, "b"), Err(BookError::Io { .. })));
            assert!(matches!(book.get("a"), Err(BookError::Io { .. })));
            assert!(matches!(put(&book, "c"), Err(BookError::Io { .. })));
            fate.recover();
            assert_eq!(book.get("b").unwrap(), None);
            assert_eq!(book.get("a").unwrap().unwrap().revision, 1);
        }
    }

    #[test]
    fn a_power_cut_keeps_what_was_committed_before_it() {
        let fate = Arc::new(Fate::default());
        let book = RehearsalBook::new(fate.clone());
        for (blow, there) in [(Blow::PowerBefore, false), (Blow::PowerAfter, true)] {
            fate.plan(2, blow);
            put(&book, "first").unwrap();
            assert!(matches!(put(&book, "second"), Err(BookError::Io { .. })));
            assert!(matches!(book.get("first"), Err(BookError::Io { .. })));
            fate.recover();
            assert!(book.get("first").unwrap().is_some());
            assert_eq!(book.get("second").unwrap().is_some(), there, "{blow:?}");
        }
    }
}
