//! Whose turn it is: of items that concern one object the older goes first.
//!
//! - Nobody waits for one that waits for them: each waits for older ones only, and for a deletion that has begun.

use super::Shared;
use crate::books::ledger::LedgerError;
use crate::model::checkpoint::{Stage, Standing};
use crate::model::errand::Errand;
use crate::model::item::Item;
use crate::model::object::ObjectId;

impl Shared {
    /// An older item that must come to rest before this one may go on: versions are made in the order of deposits, and an
    /// object is given up only when nothing older concerns it. Of a deposit and a deletion the older goes first.
    pub(super) fn older_at_work(&self, item: &Item) -> Result<Option<u64>, LedgerError> {
        let is_older = |other: &Item| other.id < item.id;
        let older: Vec<Item> = match (item.checkpoint.stage, &item.errand) {
            (Stage::Store, _) => {
                let mut older = self.ledger.named(&item.depositor, &item.bag)?;
                older.retain(|other| is_older(other) && !other.checkpoint.standing.rests());
                let errands = self.ledger.errands_of(&ObjectId::of(&item.depositor, &item.bag))?;
                let deletes =
                    |other: &Item| matches!(other.errand, Some(Errand::Delete(_))) && !has_ended(other);
                // One that has begun goes on to its end, whatever is older.
                let first = |other: &Item| is_older(other) || other.checkpoint.fence > 0;
                older.extend(errands.into_iter().filter(|other| deletes(other) && first(other)));
                older
            }
            (Stage::Remove, Some(errand)) if item.checkpoint.fence == 0 => {
                let mut older = self.ledger.named(&item.depositor, &item.bag)?;
                older.extend(self.ledger.errands_of(errand.object())?);
                older.retain(|other| is_older(other) && !has_ended(other));
                older
            }
            _ => Vec::new(),
        };
        Ok(older.first().map(|older| older.id.0))
    }
}

/// True when nothing will come of it any more. What is held may be sent on.
fn has_ended(item: &Item) -> bool {
    use Standing::{Cancelled, Done, Kept, Refused};
    matches!(item.checkpoint.standing, Kept | Done | Cancelled | Refused { .. })
}
