//! What was seen at sources: one row a key, so that a listing costs no question about what is known.
//!
//! - A key's row and its item are one commit: a listing that is cut off, or run twice at once, makes no item twice.
//! - The row names the mark that made the item; a key with another mark is looked at again.

use super::rows::{attempt_key, item_key, put};
use super::{Ledger, LedgerError, PAGE, RACES_MAX};
use crate::model::item::{Attempt, Item, ItemId};
use crate::rules::digester::sha256_hex;
use crate::worlds::book::{BookError, Guard, Write};
use jiff::Timestamp;
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
    let seen = Seen { key: deposit.key.clone(), mark: deposit.mark.clone(), item: item.id, disposed: None };
    (!deposit.mark.is_empty()).then(|| (seen_key(source, &deposit.key), seen))
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
        let seen =
            Seen { key: deposit.key.clone(), mark: deposit.mark.clone(), item: item.id, disposed: None };
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
