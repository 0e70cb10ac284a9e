//! Requests to delete objects, and the commits that carry them from word to word.
//!
//! - A second person's word and the item that carries it out are one commit, guarded by the request and the object's row.
//! - An object's rows give way to its tombstone in the commit that ends the item; what happened to it stays.
//!
//! | key | row |
//! |---|---|
//! | `m/deletion` | number of the next request |
//! | `y/r/NUMBER` | request |
//! | `y/o/OBJECT` | number of the newest request for this object |
//! | `y/w/NUMBER` | requests that wait for a second person |

use super::rows::{decode, deletion_key, object_key, put, version_key};
use super::{Ledger, LedgerError, NewErrand, RACES_MAX};
use crate::model::checkpoint::Standing;
use crate::model::deletion::{Deletion, Loss, Phase, Said};
use crate::model::errand::{DeleteOrder, Errand};
use crate::model::item::{Item, ItemId};
use crate::model::object::{ObjectId, ObjectRow};
use crate::rules::ocfl::metadata::Tombstone;
use crate::worlds::book::{BookError, Guard, Write};
use jiff::Timestamp;
use std::collections::BTreeSet;

const COUNTER: &str = "m/deletion";

fn request_key(number: u64) -> String {
    format!("y/r/{number:012}")
}

fn newest_key(object: &ObjectId) -> String {
    format!("y/o/{object}")
}

fn waiting_key(number: u64) -> String {
    format!("y/w/{number:012}")
}

/// How a deletion ends.
#[derive(Clone, Debug)]
pub enum Conclusion {
    /// Nothing of the object is left on any target.
    Gone {
        /// Number of the request.
        request: u64,
        /// What stands in its place.
        tombstone: Box<Tombstone>,
    },
    /// Nothing was removed.
    Void {
        /// Number of the request.
        request: u64,
        /// Why.
        why: String,
    },
}

impl Ledger {
    /// Takes a request to delete an object; durable when it returns. A conflict means that the object changed meanwhile.
    pub fn request_deletion(
        &self,
        object: &ObjectRow,
        loses: Loss,
        reason: &str,
        requested: Said,
    ) -> Result<Deletion, LedgerError> {
        let _one_at_a_time = self.numbering.lock().unwrap_or_else(|broken| broken.into_inner());
        let counter = self.read::<u64>(COUNTER)?;
        let (counted, number) = counter.map_or((None, 1), |(revision, number)| (Some(revision), number));
        let deletion = Deletion {
            number,
            object: object.id.clone(),
            depositor: object.depositor.clone(),
            bag: object.bag.clone(),
            reason: reason.to_string(),
            requested,
            loses,
            phase: Phase::Requested,
        };
        let newest = newest_key(&object.id);
        let known = self.read::<u64>(&newest)?.map(|(revision, _)| revision);
        let batch = [
            put(COUNTER, &(number + 1))?,
            put(&request_key(number), &deletion)?,
            put(&newest, &number)?,
            put(&waiting_key(number), &number)?,
        ];
        let guards = [
            Guard { key: COUNTER.into(), revision: counted },
            Guard { key: newest, revision: known },
            self.unchanged(object)?,
        ];
        self.world.book.commit(&batch, &guards)?;
        Ok(deletion)
    }

    /// That the object's row is what the caller read.
    fn unchanged(&self, object: &ObjectRow) -> Result<Guard, LedgerError> {
        let key = object_key(&object.id);
        match self.read::<ObjectRow>(&key)? {
            Some((revision, known)) if known == *object => Ok(Guard { key, revision: Some(revision) }),
            _ => Err(BookError::Conflict { key }.into()),
        }
    }

    /// The request of this number.
    pub fn deletion_request(&self, number: u64) -> Result<Option<Deletion>, LedgerError> {
        Ok(self.read(&request_key(number))?.map(|(_, row)| row))
    }

    /// The newest request for this object.
    pub fn deletion_of(&self, object: &ObjectId) -> Result<Option<Deletion>, LedgerError> {
        match self.read::<u64>(&newest_key(object))? {
            Some((_, number)) => self.deletion_request(number),
            None => Ok(None),
        }
    }

    /// Requests in the order of their numbers, after this one.
    pub fn deletion_requests(&self, after: u64, limit: usize) -> Result<Vec<Deletion>, LedgerError> {
        let after = (after > 0).then(|| request_key(after));
        let rows = self.world.book.scan("y/r/", after.as_deref(), limit)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// How many requests there were.
    pub fn deletions_made(&self) -> Result<u64, LedgerError> {
        Ok(self.read::<u64>(COUNTER)?.map_or(0, |(_, next)| next.saturating_sub(1)))
    }

    /// Requests that wait for a second person, oldest first.
    pub fn deletions_waiting(&self, limit: usize) -> Result<Vec<Deletion>, LedgerError> {
        let mut found = Vec::new();
        for (key, row) in self.world.book.scan("y/w/", None, limit)? {
            found.extend(self.deletion_request(decode(&key, &row)?)?);
        }
        Ok(found)
    }

    /// Ends a request that waits for a second person, without deleting anything. None when it waits no more.
    pub fn close_deletion(&self, number: u64, phase: Phase) -> Result<Option<Deletion>, LedgerError> {
        let key = request_key(number);
        for _ in 0..RACES_MAX {
            let Some((revision, row)) = self.read::<Deletion>(&key)? else { return Ok(None) };
            if row.phase != Phase::Requested {
                return Ok(None);
            }
            let row = Deletion { phase: phase.clone(), ..row };
            let batch = [put(&key, &row)?, Write::Delete(waiting_key(number))];
            match self.world.book.commit(&batch, &[Guard { key: key.clone(), revision: Some(revision) }]) {
                Ok(_) => return Ok(Some(row)),
                Err(BookError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(BookError::Conflict { key }.into())
    }

    /// Notes a second person's word, and makes the item that carries it out: one commit. A conflict means that the request
    /// or the object changed meanwhile.
    pub fn approve_deletion(
        &self,
        request: &Deletion,
        object: &ObjectRow,
        said: &Said,
        not_before: Timestamp,
    ) -> Result<(Deletion, Item), LedgerError> {
        let key = request_key(request.number);
        let order = DeleteOrder { object: object.id.clone(), request: request.number, not_before };
        let new = NewErrand {
            errand: Errand::Delete(order),
            object: object.clone(),
            bytes: request.loses.bytes,
            inventory_sha512: request.loses.inventory_sha512.clone(),
            asked_by: said.by.clone(),
            not_before: Some(not_before),
        };
        let mut approved = request.clone();
        let item = self.submit_errand_with(new, &mut |item| {
            let (revision, known) = match self.read::<Deletion>(&key)? {
                Some((revision, known)) if known == *request => (revision, known),
                _ => return Err(BookError::Conflict { key: key.clone() }.into()),
            };
            approved = Deletion {
                phase: Phase::Approved { said: said.clone(), item: item.id, not_before },
                ..known
            };
            let batch = vec![put(&key, &approved)?, Write::Delete(waiting_key(request.number))];
            let guards = vec![Guard { key: key.clone(), revision: Some(revision) }, self.unchanged(object)?];
            Ok((batch, guards))
        })?;
        Ok((approved, item))
    }

    /// True while a request for this object waits or is carried out.
    pub fn deletion_is_open(&self, deletion: &Deletion) -> Result<bool, LedgerError> {
        Ok(match &deletion.phase {
            Phase::Requested => true,
            Phase::Approved { item, .. } => self.item(*item)?.is_some_and(|item| !is_over(&item)),
            _ => false,
        })
    }

    /// The item that has begun to remove copies of this object and has not come to its end: nobody else takes its copies
    /// for lost or damaged.
    pub fn giving_up(&self, object: &ObjectId) -> Result<Option<ItemId>, LedgerError> {
        let Some(Deletion { phase: Phase::Approved { item, .. }, .. }) = self.deletion_of(object)? else {
            return Ok(None);
        };
        let item = self.item(item)?.filter(|item| item.checkpoint.fence > 0 && !is_over(item));
        Ok(item.map(|item| item.id))
    }

    /// Objects that were deleted, with their tombstones, in the order of their ids, after this one.
    pub fn tombstones(&self, after: Option<&ObjectId>, limit: usize) -> Result<Vec<Tombstone>, LedgerError> {
        let rows = self.world.book.scan("d/", after.map(deletion_key).as_deref(), limit)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// What the end of a deletion writes.
    pub(super) fn concluded(&self, item: &Item, how: &Conclusion) -> Result<Vec<Write>, LedgerError> {
        let (Conclusion::Gone { request, .. } | Conclusion::Void { request, .. }) = how;
        let key = request_key(*request);
        let mut batch = Vec::new();
        if let Some((_, row)) = self.read::<Deletion>(&key)?
            && let Phase::Approved { said, .. } = &row.phase
        {
            let (said, item) = (said.clone(), item.id);
            let phase = match how {
                Conclusion::Gone { .. } => Phase::Done { said, item, at: self.world.clock.now() },
                Conclusion::Void { why, .. } => Phase::Void { said, item, why: why.clone() },
            };
            batch.push(put(&key, &Deletion { phase, ..row })?);
        }
        if let Conclusion::Gone { tombstone, .. } = how {
            let object = ObjectId(tombstone.object.clone());
            batch.push(put(&deletion_key(&object), &**tombstone)?);
            batch.extend(self.rows_of_object(&object)?.into_iter().map(Write::Delete));
        }
        Ok(batch)
    }

    /// Keys of the rows that say that an object is kept: its own, its versions', when its copies were proved and what is
    /// wrong with them, files of events that are still to be written. Its events are not among them.
    pub(super) fn rows_of_object(&self, object: &ObjectId) -> Result<Vec<String>, LedgerError> {
        let versions = self.versions(object)?;
        let copies = versions.iter().flat_map(|version| &version.copies).map(|copy| copy.target.clone());
        let targets: BTreeSet<String> = copies.chain(self.world.targets.keys().cloned()).collect();
        let mut keys = vec![object_key(object)];
        keys.extend(versions.iter().map(|version| version_key(object, version.version)));
        keys.extend(targets.iter().map(|target| super::damage::damage_key(target, object)));
        keys.extend(targets.iter().map(|target| super::repairs::mend_key(target, object)));
        keys.extend(self.due_gone(object)?.into_iter().filter_map(|write| match write {
            Write::Delete(key) => Some(key),
            Write::Put(..) => None,
        }));
        keys.extend(self.all(&format!("l/{object}/"))?.into_iter().map(|(key, _)| key));
        Ok(keys)
    }
}

fn is_over(item: &Item) -> bool {
    matches!(item.checkpoint.standing, Standing::Done | Standing::Cancelled)
}
