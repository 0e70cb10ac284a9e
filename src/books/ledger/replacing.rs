//! Replacing: a new deposit in the place of one that was refused, or that a trouble holds.
//!
//! - The old item is given up in the very commit that makes the new one: no crash leaves both in the list of troubles, and
//!   none leaves neither.
//! - What an operator holds stays held: that was a person's decision. What may have made copies already goes on, too.

use super::rows::{attempt_key, item_key, put};
use super::{Advance, Ledger, LedgerError, Report};
use crate::model::checkpoint::{Move, Standing};
use crate::model::item::{Attempt, Item, ItemId};
use crate::model::trouble::Kind;
use crate::worlds::book::{Guard, Write};

/// True when a new deposit in its place makes an item one that nobody needs to look at.
pub fn may_be_replaced(item: &Item) -> bool {
    match &item.checkpoint.standing {
        Standing::Refused { .. } => true,
        Standing::Held { trouble } => trouble.kind != Kind::HeldByOperator,
        _ => false,
    }
}

impl Ledger {
    /// What must be written so that `item` replaces `old`; both journals say so.
    pub(super) fn replace(
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
