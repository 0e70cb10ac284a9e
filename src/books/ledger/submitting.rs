//! Submitting: a deposit becomes an item, perhaps in the place of one that was refused or that a trouble holds.
//!
//! - Item, indexes and the row of its key at its source are one commit.
//! - The old item is given up in the very commit that makes the new one: no crash leaves both in the list of troubles, and
//!   none leaves neither.
//! - What an operator holds stays held: that was a person's decision. What may have made copies already goes on, too.

use super::rows::{attempt_key, item_key, name_key, put, standing_key};
use super::{Advance, Ledger, LedgerError, NewItem, RACES_MAX, Report};
use crate::model::checkpoint::{Checkpoint, Move, Standing};
use crate::model::item::{Attempt, Found, Item, ItemId};
use crate::model::trouble::Kind;
use crate::worlds::book::{BookError, Guard, Write};

/// True when a new deposit in its place makes an item one that nobody needs to look at.
pub fn may_be_replaced(item: &Item) -> bool {
    match &item.checkpoint.standing {
        Standing::Refused { .. } => true,
        Standing::Held { trouble } => trouble.kind != Kind::HeldByOperator,
        _ => false,
    }
}

impl Ledger {
    /// Takes a deposit as a new item; durable when it returns.
    pub fn submit(&self, new: NewItem) -> Result<Item, LedgerError> {
        let _one_at_a_time = self.numbering.lock().unwrap_or_else(|broken| broken.into_inner());
        for _ in 0..RACES_MAX {
            let counter = self.read::<u64>("m/next")?;
            let (revision, number) = counter.map_or((None, 1), |(revision, number)| (Some(revision), number));
            let mut checkpoint = Checkpoint::first(self.line);
            if let Some(trouble) = &new.refused {
                checkpoint.standing = Standing::Refused { trouble: trouble.clone() };
            }
            let mut item = Item {
                id: ItemId(number),
                depositor: new.depositor.clone(),
                bag: new.bag.clone(),
                deposit: new.deposit.clone(),
                policy: new.policy.clone(),
                policy_asked: new.policy_asked,
                errand: None,
                volume: None,
                received_at: self.world.clock.now(),
                asked_by: new.asked_by.clone(),
                checkpoint,
                found: Found::default(),
                promises: Vec::new(),
                attempts: 0,
                events: 0,
            };
            let mut guards = vec![
                Guard { key: "m/next".into(), revision },
                Guard { key: item_key(item.id), revision: None },
            ];
            let mut batch = self.replace(new.replaces, &mut item, &mut guards)?;
            batch.extend([
                put("m/next", &(number + 1))?,
                put(&item_key(item.id), &item)?,
                put(&standing_key(&item), &item.id)?,
                put(&name_key(&item), &item.id)?,
            ]);
            if let Some(listed) = &new.listed {
                batch.push(listed.row(&item)?);
                guards.push(listed.guard(&item));
            }
            match self.world.book.commit(&batch, &guards) {
                Ok(_) => return Ok(item),
                // Another listing was faster with this very key.
                Err(BookError::Conflict { key }) if key.starts_with("r/") => {
                    return Err(BookError::Conflict { key }.into());
                }
                Err(BookError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        Err(BookError::Conflict { key: "m/next".into() }.into())
    }

    /// What must be written so that `item` replaces `old`; both journals say so.
    fn replace(
        &self,
        old: Option<ItemId>,
        item: &mut Item,
        guards: &mut Vec<Guard>,
    ) -> Result<Vec<Write>, LedgerError> {
        let Some((revision, old)) = old.map(|old| self.read_item(old)).transpose()?.flatten() else {
            return Ok(Vec::new());
        };
        if !may_be_replaced(&old) {
            return Ok(Vec::new());
        }
        let was = old.checkpoint.standing.name();
        let note = format!("replaced by item {}: another deposit arrived in its place", item.id);
        let what = Advance { then: &Move::Cancel, report: Report::default(), lease: None, note: Some(note) };
        let (old, mut batch) = match self.moved(old, &what) {
            // It may have made copies: it is left as it is.
            Err(LedgerError::Illegal(_)) => return Ok(Vec::new()),
            moved => moved?,
        };
        guards.push(Guard { key: item_key(old.id), revision: Some(revision) });
        item.attempts += 1;
        let line = Attempt {
            number: item.attempts,
            stage: item.checkpoint.stage,
            fence: item.checkpoint.fence,
            started: item.received_at,
            ended: Some(item.received_at),
            bytes: 0,
            files: 0,
            files_kept: 0,
            outcome: format!("replaces item {}, which was {was}", old.id),
        };
        batch.push(put(&attempt_key(item.id, line.number), &line)?);
        Ok(batch)
    }
}
