//! The ledger: items, their journals and events, and the registry of objects; six verbs over the book.
//!
//! - An acknowledged submission is in exactly one standing; a queue is a query over standings.
//! - Checkpoint, attempt, events and registry rows of one move are one commit of the book, or nothing.
//! - Only `advance` calls `checkpoint::next`; it is compare-and-swap on the row it started from.
//! - A commit by a lease whose fence is outdated is refused.
//!
//! | key | row |
//! |---|---|
//! | `m/next` | number of the next item |
//! | `i/ITEM` | item with its checkpoint |
//! | `s/STANDING/STAGE/ITEM` | index of standings |
//! | `n/DEPOSITOR/BAG/ITEM` | index of names of deposits |
//! | `y/…` | requests to delete objects: see `deletions` |
//! | `w/OBJECT/ITEM` | index of errands: items that give an object back or up |
//! | `a/ITEM/NUMBER` | attempts and requests of an item |
//! | `e/ITEM/NUMBER` | events of an item |
//! | `o/OBJECT`, `v/OBJECT/VERSION` | registry; `x/`, `t/`, `l/`: see `objects` |
//! | `d/OBJECT`, `c/…`, `b/…` | tombstones: see `additions`; checks of targets: see `checks`; damaged copies: see `damage` |
//! | `mend/…` | repairs: see `repairs` |
//! | `r/SOURCE/DIGEST` | keys seen at a source, by the digest of the key |
//! | `j/…` | jobs, their runs and notices: see `jobs`, `notices` |
//! | `u/…`, `f/…` | copies by the time of their proof: see `due`; sweeps: see `sweeps` |
//! | `q/SOURCE` | what a person said of a source, and how its last listing went |

pub mod additions;
mod backups;
mod checks;
mod damage;
mod deletions;
mod due;
mod errands;
mod given;
mod jobs;
pub mod migrations;
mod notices;
mod objects;
mod read;
mod repairs;
mod rows;
mod seen;
mod submitting;
mod sweeps;
mod told;

pub use backups::{BackupPlace, BackupRow};
pub use checks::{CheckFinding, CheckRow, Counts, Place};
pub use damage::DamageMark;
pub use deletions::Conclusion;
pub use due::{ProofMove, ProvenCopy};
pub use errands::NewErrand;
pub use given::{GivenRow, GivenState};
pub use jobs::{JobRow, Running, Skip};
pub use notices::{NOTICE_TEXT_MAX, NoticeRow, NoticesRow};
pub use objects::{ObjectChange, ObjectClaim, PendingLog, TargetRow, TargetUse};
pub use read::ItemFilter;
pub use repairs::{MendRow, RepairFailure, RepairPlace, RepairRun, RepairWanted};
pub use seen::{LastScan, Listing, Paused, Seen, SourceRow, mark_of};
pub use submitting::may_be_replaced;
pub use sweeps::{Ill, Partial, SweepFinding, SweepNews, SweepRow, SweepState, SweepTarget};
pub use told::EventDraft;

use crate::model::checkpoint::{IllegalMove, Move, Stage, Standing, next};
use crate::model::event::Event;
use crate::model::item::{Asker, Attempt, Deposit, Found, Item, ItemId, Promise};
use crate::model::object::{ObjectRow, VersionRow};
use crate::model::trouble::Trouble;
use crate::worlds::World;
use crate::worlds::book::{BookError, Guard, Write};
use rows::{attempt_key, decode, event_key, item_key, object_key, put, standing_key, version_key};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use told::event;

/// How often a commit is tried again when somebody else changed the row meanwhile.
const RACES_MAX: usize = 64;

/// Rows read at once while scanning.
const PAGE: usize = 512;

/// Items, their journals and events, and the registry.
pub struct Ledger {
    world: Arc<World>,
    line: &'static [Stage],
    claims: objects::Claims,
    /// Numbers are given one after the other: of many who submit at once each would try in vain most of the time.
    numbering: Mutex<()>,
}

/// A deposit that is to become an item.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// Who deposits.
    pub depositor: String,
    /// The bag's name.
    pub bag: String,
    /// The deposit.
    pub deposit: Deposit,
    /// The policy it will be stored by.
    pub policy: String,
    /// True when a person asked for this policy.
    pub policy_asked: bool,
    /// Who submits.
    pub asked_by: Asker,
    /// Where it was listed, when it was not submitted by itself.
    pub listed: Option<Listing>,
    /// Why it is not taken; the item only says so.
    pub refused: Option<Trouble>,
    /// The item in whose place it comes: cancelled in the same commit, if it may be replaced.
    pub replaces: Option<ItemId>,
}

/// A worker's claim on an item at a stage.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The item as it was claimed.
    pub item: Item,
    /// The fence that outdates every earlier lease.
    pub fence: u64,
    /// Number of the attempt in the item's journal.
    pub attempt: u64,
}

/// What a stage reports with its move.
#[derive(Debug, Default)]
pub struct Report {
    /// What the stages found, with this stage's part; `None` leaves it.
    pub found: Option<Found>,
    /// The deposit as it was read; `None` leaves it.
    pub deposit: Option<Deposit>,
    /// Events of this stage.
    pub events: Vec<EventDraft>,
    /// Registry rows: object and version.
    pub registry: Option<(ObjectRow, VersionRow)>,
    /// How a deletion ended.
    pub concluded: Option<Conclusion>,
    /// Promises that live on after this move; all others end with it.
    pub promises: Vec<Promise>,
    /// Bytes read, hashed or copied.
    pub bytes: u64,
    /// Files read, hashed or copied.
    pub files: u64,
    /// Files an earlier attempt had finished.
    pub files_kept: u64,
}

/// Why the ledger did not do it.
#[derive(Clone, Debug)]
pub enum LedgerError {
    /// The book failed.
    Book(BookError),
    /// There is no such item.
    NoItem(ItemId),
    /// The item's standing does not allow it.
    Illegal(IllegalMove),
    /// The lease is outdated: somebody else has the item, or it was requeued.
    Lost {
        /// The item.
        item: ItemId,
    },
    /// A row cannot be read.
    Row {
        /// Its key.
        key: String,
        /// Why.
        why: String,
    },
}

impl fmt::Display for LedgerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerError::Book(error) => error.fmt(out),
            LedgerError::NoItem(id) => write!(out, "there is no item {id}"),
            LedgerError::Illegal(error) => error.fmt(out),
            LedgerError::Lost { item } => write!(out, "the lease on item {item} is outdated"),
            LedgerError::Row { key, why } => write!(out, "the row {key} cannot be read: {why}"),
        }
    }
}

impl std::error::Error for LedgerError {}

impl From<BookError> for LedgerError {
    fn from(error: BookError) -> LedgerError {
        LedgerError::Book(error)
    }
}

impl From<IllegalMove> for LedgerError {
    fn from(error: IllegalMove) -> LedgerError {
        LedgerError::Illegal(error)
    }
}

/// The item that a move was made on, and what goes into the same commit.
struct Advance<'a> {
    then: &'a Move,
    report: Report,
    lease: Option<&'a Lease>,
    note: Option<String>,
}

impl Ledger {
    /// The ledger over this world's book, for items that go along `line`.
    pub fn new(world: Arc<World>, line: &'static [Stage]) -> Ledger {
        Ledger { world, line, claims: objects::Claims::default(), numbering: Mutex::default() }
    }

    // --- the six verbs -------------------------------------------------------------------------------------------

    /// Claims an item at a stage, with the space promised to it; `None` when it is not ready there any more.
    pub fn claim(
        &self,
        id: ItemId,
        stage: Stage,
        volume: Option<String>,
        promises: Vec<Promise>,
    ) -> Result<Option<Lease>, LedgerError> {
        let Some((revision, mut item)) = self.read_item(id)? else { return Ok(None) };
        if item.checkpoint.stage != stage || item.checkpoint.standing != Standing::Ready {
            return Ok(None);
        }
        let before = standing_key(&item);
        item.checkpoint = next(&item.checkpoint, &Move::Claim, self.line_of(&item))?;
        item.promises = promises;
        item.volume = item.volume.or(volume);
        item.attempts += 1;
        let attempt = Attempt {
            number: item.attempts,
            stage,
            fence: item.checkpoint.fence,
            started: self.world.clock.now(),
            ended: None,
            bytes: 0,
            files: 0,
            files_kept: 0,
            outcome: "working".into(),
        };
        let batch = vec![
            Write::Delete(before),
            put(&item_key(id), &item)?,
            put(&standing_key(&item), &id)?,
            put(&attempt_key(id, attempt.number), &attempt)?,
        ];
        match self.world.book.commit(&batch, &[Guard { key: item_key(id), revision: Some(revision) }]) {
            Ok(_) => Ok(Some(Lease { fence: item.checkpoint.fence, attempt: attempt.number, item })),
            Err(BookError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says whether the lease still holds. With one process it always does, unless the item was taken away.
    pub fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        match self.read_item(lease.item.id)? {
            Some((_, item)) if holds(&item, lease) => Ok(()),
            _ => Err(LedgerError::Lost { item: lease.item.id }),
        }
    }

    /// Commits a worker's move with everything it reports; refused when the lease is outdated.
    pub fn commit(&self, lease: &Lease, then: &Move, report: Report) -> Result<Item, LedgerError> {
        self.advance(lease.item.id, Advance { then, report, lease: Some(lease), note: None })
    }

    /// Items in the order of their numbers, after `after`, that pass the filter.
    pub fn scan(
        &self,
        filter: &ItemFilter,
        after: Option<ItemId>,
        limit: usize,
    ) -> Result<Vec<Item>, LedgerError> {
        let mut found = Vec::new();
        let mut cursor = after.map(item_key);
        while found.len() < limit {
            let page = self.world.book.scan("i/", cursor.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            cursor = Some(last.clone());
            for (key, row) in &page {
                let item: Item = decode(key, row)?;
                if filter.passes(&item) && found.len() < limit {
                    found.push(item);
                }
            }
        }
        Ok(found)
    }

    /// Waits until something later than `seen` was committed, or the time is over; gives the newest commit's number.
    pub fn watch(&self, seen: u64, at_most: Duration) -> u64 {
        self.world.book.watch(seen, at_most)
    }

    // --- moves that are not a worker's ----------------------------------------------------------------------------

    /// A move asked by a person; the request is kept in the item's journal.
    pub fn ask(&self, id: ItemId, then: &Move, asker: &Asker, reason: &str) -> Result<Item, LedgerError> {
        let what = match then {
            Move::Requeue { from: Some(from) } => format!("requeue from {from}"),
            other => other.name().to_string(),
        };
        let mut note = format!("asked by {} (uid {}, {}): {what}", asker.name, asker.uid, asker.door);
        if !reason.is_empty() {
            note.push_str(": ");
            note.push_str(reason);
        }
        self.advance(id, Advance { then, report: Report::default(), lease: None, note: Some(note) })
    }

    /// A move that the pipeline makes without a lease: wake, wait, recover.
    pub fn nudge(&self, id: ItemId, then: &Move) -> Result<Item, LedgerError> {
        let note = matches!(then, Move::Recover { .. }).then(|| "interrupted: the process ended".to_string());
        self.advance(id, Advance { then, report: Report::default(), lease: None, note })
    }

    /// The one caller of `next`: reads the item, makes the move, and commits all that belongs to it.
    fn advance(&self, id: ItemId, what: Advance<'_>) -> Result<Item, LedgerError> {
        for _ in 0..RACES_MAX {
            let Some((revision, item)) = self.read_item(id)? else { return Err(LedgerError::NoItem(id)) };
            if let Some(lease) = what.lease
                && !holds(&item, lease)
            {
                return Err(LedgerError::Lost { item: id });
            }
            let (item, batch) = self.moved(item, &what)?;
            match self.world.book.commit(&batch, &[Guard { key: item_key(id), revision: Some(revision) }]) {
                Ok(_) => return Ok(item),
                Err(BookError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(BookError::Conflict { key: item_key(id) }.into())
    }

    fn moved(&self, mut item: Item, what: &Advance<'_>) -> Result<(Item, Vec<Write>), LedgerError> {
        let now = self.world.clock.now();
        let before = item.clone();
        item.checkpoint = next(&item.checkpoint, what.then, self.line_of(&item))?;
        if let Some(found) = &what.report.found {
            item.found = found.clone();
        }
        if let Some(deposit) = &what.report.deposit {
            item.deposit = deposit.clone();
        }
        match what.then {
            Move::Requeue { from: Some(from) } | Move::Back { to: from, .. } => item.found.void_from(*from),
            _ => {}
        }
        // An interrupted item goes on where it was, and nobody else may take its space meanwhile.
        if !matches!(what.then, Move::Recover { .. } | Move::Drain) {
            item.promises = what.report.promises.clone();
        }
        let mut batch = Vec::new();
        if let Some(lease) = what.lease {
            self.end_attempt(
                &mut batch,
                lease.item.id,
                lease.attempt,
                outcome(&item, what.then),
                |attempt| {
                    attempt.bytes = what.report.bytes;
                    attempt.files = what.report.files;
                    attempt.files_kept = what.report.files_kept;
                },
            )?;
        } else if matches!(what.then, Move::Recover { .. }) {
            let note = what.note.clone().unwrap_or_default();
            self.end_attempt(&mut batch, item.id, item.attempts, note, |_| {})?;
        } else if let Some(note) = &what.note {
            item.attempts += 1;
            let request = Attempt {
                number: item.attempts,
                stage: before.checkpoint.stage,
                fence: item.checkpoint.fence,
                started: now,
                ended: Some(now),
                bytes: 0,
                files: 0,
                files_kept: 0,
                outcome: note.clone(),
            };
            batch.push(put(&attempt_key(item.id, request.number), &request)?);
        }
        for draft in &what.report.events {
            item.events += 1;
            batch.push(put(&event_key(item.id, item.events), &event(&before, draft, now))?);
        }
        if let Some((object, version)) = &what.report.registry {
            batch.push(put(&object_key(&object.id), object)?);
            batch.push(put(&version_key(&version.object, version.version), version)?);
            batch.extend(self.due_with(&object.id, std::slice::from_ref(version))?);
        }
        if let Some(concluded) = &what.report.concluded {
            batch.extend(self.concluded(&item, concluded)?);
        }
        if standing_key(&before) != standing_key(&item) {
            batch.push(Write::Delete(standing_key(&before)));
            batch.push(put(&standing_key(&item), &item.id)?);
        }
        batch.push(put(&item_key(item.id), &item)?);
        Ok((item, batch))
    }

    fn end_attempt(
        &self,
        batch: &mut Vec<Write>,
        id: ItemId,
        number: u64,
        outcome: String,
        fill: impl FnOnce(&mut Attempt),
    ) -> Result<(), LedgerError> {
        let key = attempt_key(id, number);
        if let Some((_, mut attempt)) = self.read::<Attempt>(&key)? {
            attempt.ended = Some(self.world.clock.now());
            attempt.outcome = outcome;
            fill(&mut attempt);
            batch.push(put(&key, &attempt)?);
        }
        Ok(())
    }

    /// The event that this draft becomes when it is committed with the item's next move; the draft must have a time.
    pub fn event_of(&self, item: &Item, draft: &EventDraft) -> Event {
        event(item, draft, item.received_at)
    }

    /// The stages that this item goes through.
    fn line_of(&self, item: &Item) -> &'static [Stage] {
        let stage = item.checkpoint.stage;
        if self.line.contains(&stage) { self.line } else { stage.line() }
    }

    fn read_item(&self, id: ItemId) -> Result<Option<(u64, Item)>, LedgerError> {
        self.read(&item_key(id))
    }

    fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(u64, T)>, LedgerError> {
        match self.world.book.get(key)? {
            Some(row) => Ok(Some((row.revision, decode(key, &row)?))),
            None => Ok(None),
        }
    }
}

fn holds(item: &Item, lease: &Lease) -> bool {
    item.checkpoint.fence == lease.fence && item.checkpoint.standing == Standing::Working
}

fn outcome(item: &Item, then: &Move) -> String {
    match then {
        Move::Finish => "done".into(),
        Move::Drain => "drained".into(),
        Move::Wait { .. } => "waiting".into(),
        Move::Fail { trouble, .. } | Move::Back { trouble, .. } => {
            format!("{}: {}", trouble.kind.name(), trouble.sentence())
        }
        other => format!("{}, now {}", other.name(), item.checkpoint.standing.name()),
    }
}
