//! What was seen at sources: one row a key, so that a listing costs no question about what is known.
//!
//! - A key's row and its item are one commit: a listing that is cut off, or run twice at once, makes no item twice.
//! - The row names the mark that made the item; a key with another mark is looked at again.
//! - Rows are for what lies at the source. One whose key was moved or deleted by us is removed when the key is no longer
//!   listed; one whose key vanished by itself a day later, in case it was only out of sight.

use super::rows::{attempt_key, decode, item_key, put};
use super::{Ledger, LedgerError, PAGE, RACES_MAX};
use crate::model::item::{Attempt, Item, ItemId};
use crate::rules::digester::sha256_hex;
use crate::worlds::book::{BookError, Guard, Write};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// One key of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The key.
    pub key: String,
    /// The mark it had.
    pub mark: String,
    /// The item it became.
    pub item: ItemId,
    /// What was done with it at its source once it was kept, and when (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposed: Option<(String, Timestamp)>,
    /// Since when it is not listed any more (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Timestamp>,
}

/// Where a new item was listed.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The source's name.
    pub source: String,
    /// The row's revision when it was looked up; `None` for a key not seen before.
    pub revision: Option<u64>,
}

/// A source that a person wants left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when (UTC).
    pub at: Timestamp,
}

/// How a listing went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastScan {
    /// When it began (UTC).
    pub at: Option<Timestamp>,
    /// Pages that were asked for.
    pub pages: u64,
    /// Keys on them.
    pub keys: u64,
    /// Bytes of all of them.
    #[serde(default)]
    pub bytes: u64,
    /// Keys that became items.
    pub new: u64,
    /// Keys of them that are not taken.
    pub not_taken: u64,
    /// Keys that changed.
    pub changed: u64,
    /// Deposits moved or deleted after they were kept.
    pub disposed: u64,
    /// Keys that are no longer there and were forgotten.
    #[serde(default)]
    pub forgotten: u64,
    /// Why it ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What is kept of a source between listings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRow {
    /// A person wants it left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// The last listing.
    #[serde(default)]
    pub last: LastScan,
    /// When the last listing began that came to its end (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Timestamp>,
    /// Since when no listing came to its end (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
}

/// The row that remembers the key of an item that was listed at a source; none for one that was submitted by itself.
pub(super) fn seen_row(item: &Item) -> Option<(String, Seen)> {
    let deposit = &item.deposit;
    let source = deposit.key.strip_prefix("source://")?.split('/').next()?;
    let seen = Seen {
        key: deposit.key.clone(),
        mark: deposit.mark.clone(),
        item: item.id,
        disposed: None,
        gone: None,
    };
    (!deposit.mark.is_empty()).then(|| (seen_key(source, &deposit.key), seen))
}

/// How long a key that is no longer listed is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// Eight bytes that stand for a key while a listing is compared with what is known.
pub fn mark_of(key: &str) -> u64 {
    mark_of_digest(&sha256_hex(key.as_bytes()))
}

fn mark_of_digest(hex: &str) -> u64 {
    hex.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default()
}

fn seen_key(source: &str, key: &str) -> String {
    // Keys may be longer than a row's key may be, and hold anything.
    format!("r/{source}/{}", &sha256_hex(key.as_bytes())[..40])
}

fn source_key(source: &str) -> String {
    format!("q/{source}")
}

impl Listing {
    /// The row that remembers the item's key.
    pub(super) fn row(&self, item: &Item) -> Result<Write, LedgerError> {
        let deposit = &item.deposit;
        let seen = Seen {
            key: deposit.key.clone(),
            mark: deposit.mark.clone(),
            item: item.id,
            disposed: None,
            gone: None,
        };
        put(&seen_key(&self.source, &deposit.key), &seen)
    }

    /// That the row is as it was looked up.
    pub(super) fn guard(&self, item: &Item) -> Guard {
        Guard { key: seen_key(&self.source, &item.deposit.key), revision: self.revision }
    }
}

impl Ledger {
    /// What is known of a key of a source, with the row's revision.
    pub fn seen(&self, source: &str, key: &str) -> Result<Option<(u64, Seen)>, LedgerError> {
        self.read(&seen_key(source, key))
    }

    /// Notes anew what is known of a key.
    pub fn note_seen(&self, source: &str, seen: &Seen, revision: u64) -> Result<(), LedgerError> {
        let key = seen_key(source, &seen.key);
        let guard = Guard { key: key.clone(), revision: Some(revision) };
        self.world.book.commit(&[put(&key, seen)?], &[guard])?;
        Ok(())
    }

    /// What is kept of a source.
    pub fn source(&self, source: &str) -> Result<SourceRow, LedgerError> {
        Ok(self.read::<SourceRow>(&source_key(source))?.map(|(_, row)| row).unwrap_or_default())
    }

    /// Forgets keys of a source that a whole listing did not name; `listed` are the marks of those it named, sorted. Gives
    /// how many were forgotten.
    pub fn forget_gone(&self, source: &str, listed: &[u64]) -> Result<u64, LedgerError> {
        let prefix = format!("r/{source}/");
        let (mut forgotten, mut cursor) = (0, None::<String>);
        loop {
            let page = self.world.book.scan(&prefix, cursor.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(forgotten) };
            cursor = Some(last.clone());
            let (mut batch, mut guards, mut removed) = (Vec::new(), Vec::new(), 0);
            for (key, row) in &page {
                if listed.binary_search(&mark_of_digest(&key[prefix.len()..])).is_ok() {
                    continue;
                }
                let Some(write) = self.write_of_gone(key, decode(key, row)?, listed.is_empty())? else {
                    continue;
                };
                removed += u64::from(matches!(write, Write::Delete(_)));
                batch.push(write);
                guards.push(Guard { key: key.clone(), revision: Some(row.revision) });
            }
            if batch.is_empty() {
                continue;
            }
            match self.world.book.commit(&batch, &guards) {
                Ok(_) => forgotten += removed,
                // Somebody else looked at one of them: the next listing comes by here, too.
                Err(BookError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What becomes of the row of a key that is not listed. Where nothing is listed at all, a mount may be missing: then
    /// only what we took away ourselves is known to be gone.
    fn write_of_gone(
        &self,
        key: &str,
        seen: Seen,
        nothing_listed: bool,
    ) -> Result<Option<Write>, LedgerError> {
        let now = self.world.clock.now();
        let unfinished = || -> Result<bool, LedgerError> {
            Ok(self.item(seen.item)?.is_some_and(|item| !item.checkpoint.standing.rests()))
        };
        Ok(match seen.gone {
            _ if seen.disposed.is_some() => Some(Write::Delete(key.into())),
            _ if nothing_listed => None,
            None => Some(put(key, &Seen { gone: Some(now), ..seen })?),
            Some(gone) if now.duration_since(gone) < REMEMBERED || unfinished()? => None,
            Some(_) => Some(Write::Delete(key.into())),
        })
    }

    /// How many keys of a source are known.
    pub fn count_seen(&self, source: &str) -> Result<u64, LedgerError> {
        let prefix = format!("r/{source}/");
        let (mut count, mut cursor) = (0, None::<String>);
        loop {
            let page = self.world.book.scan(&prefix, cursor.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(count) };
            cursor = Some(last.clone());
            count += page.len() as u64;
        }
    }

    /// Changes what is kept of a source.
    pub fn change_source(
        &self,
        source: &str,
        change: &dyn Fn(&mut SourceRow),
    ) -> Result<SourceRow, LedgerError> {
        let key = source_key(source);
        for _ in 0..RACES_MAX {
            let (revision, mut row) = match self.read::<SourceRow>(&key)? {
                Some((revision, row)) => (Some(revision), row),
                None => (None, SourceRow::default()),
            };
            change(&mut row);
            match self.world.book.commit(&[put(&key, &row)?], &[Guard { key: key.clone(), revision }]) {
                Ok(_) => return Ok(row),
                Err(BookError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(BookError::Conflict { key }.into())
    }

    /// Writes a line into the journal of an item at rest, together with what is known of its key.
    pub fn note_disposed(
        &self,
        source: &str,
        seen: &Seen,
        revision: u64,
        note: &str,
    ) -> Result<(), LedgerError> {
        let Some((item_revision, mut item)) = self.read_item(seen.item)? else {
            return Err(LedgerError::NoItem(seen.item));
        };
        let now = self.world.clock.now();
        item.attempts += 1;
        let line = Attempt {
            number: item.attempts,
            stage: item.checkpoint.stage,
            fence: item.checkpoint.fence,
            started: now,
            ended: Some(now),
            bytes: 0,
            files: 0,
            files_kept: 0,
            outcome: note.into(),
        };
        let key = seen_key(source, &seen.key);
        let batch = [
            put(&key, seen)?,
            put(&item_key(item.id), &item)?,
            put(&attempt_key(item.id, line.number), &line)?,
        ];
        let guards = [
            Guard { key, revision: Some(revision) },
            Guard { key: item_key(item.id), revision: Some(item_revision) },
        ];
        self.world.book.commit(&batch, &guards)?;
        Ok(())
    }
}
