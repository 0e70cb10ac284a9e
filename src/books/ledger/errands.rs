//! Errands: items that do something with an object that is kept already, along a line of their own.
//!
//! - An errand is an item like any other: checkpoint, journal, events, requeue. Only the index of deposits' names does not
//!   have it, so that nobody takes it for a deposit of that name; `w/OBJECT/ITEM` has it.

use super::rows::{decode, item_key, put, standing_key};
use super::{Ledger, LedgerError, RACES_MAX};
use crate::model::checkpoint::{Checkpoint, Standing, WaitWhy};
use crate::model::errand::Errand;
use crate::model::item::{Asker, Deposit, Form, Found, Item, ItemId};
use crate::model::object::{ObjectId, ObjectRow};
use crate::model::trouble::Wait;
use crate::worlds::book::{BookError, Guard, Write};
use jiff::Timestamp;

/// An errand that is to become an item.
#[derive(Clone, Debug)]
pub struct NewErrand {
    /// What is to be done.
    pub errand: Errand,
    /// The object's row.
    pub object: ObjectRow,
    /// Bytes of the bag that it concerns.
    pub bytes: u64,
    /// SHA-512 of the inventory of the version that it concerns.
    pub inventory_sha512: String,
    /// Who asks.
    pub asked_by: Asker,
    /// It is not begun before (UTC).
    pub not_before: Option<Timestamp>,
}

/// Rows, and what they must not have changed since.
pub(super) type Rows = (Vec<Write>, Vec<Guard>);

fn errand_key(object: &ObjectId, id: ItemId) -> String {
    format!("w/{object}/{:012}", id.0)
}

impl Ledger {
    /// Takes an errand as a new item; durable when it returns.
    pub fn submit_errand(&self, new: NewErrand) -> Result<Item, LedgerError> {
        self.submit_errand_with(new, &mut |_| Ok((Vec::new(), Vec::new())))
    }

    /// The same, with rows that belong to it in the same commit; a conflict on their guards is an error.
    pub(super) fn submit_errand_with(
        &self,
        new: NewErrand,
        rows: &mut dyn FnMut(&Item) -> Result<Rows, LedgerError>,
    ) -> Result<Item, LedgerError> {
        let _one_at_a_time = self.numbering.lock().unwrap_or_else(|broken| broken.into_inner());
        for _ in 0..RACES_MAX {
            let counter = self.read::<u64>("m/next")?;
            let (revision, number) = counter.map_or((None, 1), |(revision, number)| (Some(revision), number));
            let item = item(&new, ItemId(number), self.world.clock.now());
            let (mut batch, mut guards) = rows(&item)?;
            batch.extend([
                put("m/next", &(number + 1))?,
                put(&item_key(item.id), &item)?,
                put(&standing_key(&item), &item.id)?,
                put(&errand_key(new.errand.object(), item.id), &item.id)?,
            ]);
            guards.push(Guard { key: "m/next".into(), revision });
            guards.push(Guard { key: item_key(item.id), revision: None });
            match self.world.book.commit(&batch, &guards) {
                Ok(_) => return Ok(item),
                Err(BookError::Conflict { key }) if key == "m/next" || key == item_key(item.id) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(BookError::Conflict { key: "m/next".into() }.into())
    }

    /// Errands concerning this object, oldest first.
    pub fn errands_of(&self, object: &ObjectId) -> Result<Vec<Item>, LedgerError> {
        let mut items = Vec::new();
        for (key, row) in self.all(&format!("w/{object}/"))? {
            items.extend(self.item(decode(&key, &row)?)?);
        }
        Ok(items)
    }

    /// An item that concerns this object and has not come to its end: a deposit of that name, or an errand. Held counts:
    /// somebody may send it on.
    pub fn work_on(&self, object: &ObjectRow, but: Option<ItemId>) -> Result<Option<Item>, LedgerError> {
        let ended = |item: &Item| {
            let standing = &item.checkpoint.standing;
            matches!(
                standing,
                Standing::Kept | Standing::Done | Standing::Cancelled | Standing::Refused { .. }
            )
        };
        let mut items = self.named(&object.depositor, &object.bag)?;
        items.extend(self.errands_of(&object.id)?);
        Ok(items.into_iter().find(|item| Some(item.id) != but && !ended(item)))
    }
}

fn item(new: &NewErrand, id: ItemId, now: Timestamp) -> Item {
    let mut checkpoint = Checkpoint::first(new.errand.line());
    if let Some(until) = new.not_before.filter(|until| *until > now) {
        checkpoint.standing = Standing::Waiting { until, why: WaitWhy::For(Wait::Grace) };
    }
    Item {
        id,
        depositor: new.object.depositor.clone(),
        bag: new.object.bag.clone(),
        deposit: Deposit {
            key: new.object.id.0.clone(),
            form: Form::Folder,
            bytes: new.bytes,
            pin: new.inventory_sha512.clone(),
            mark: String::new(),
            fetched: false,
        },
        policy: new.object.policy.clone(),
        policy_asked: false,
        errand: Some(new.errand.clone()),
        volume: None,
        received_at: now,
        asked_by: new.asked_by.clone(),
        checkpoint,
        found: Found::default(),
        promises: Vec::new(),
        attempts: 0,
        events: 0,
    }
}
