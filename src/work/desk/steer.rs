//! Orders about items: hold, release, cancel, requeue.
//!
//! - What would happen (`dry_run`) is asked of the very function that decides what happens.
//! - A requeue that cannot help is refused, with the reason and with what would help.

use super::complaint::{Complaint, Sort};
use super::words::{Answer, Filter, MovedRow, ROWS_MAX, RefusedRow, Steering};
use super::{Desk, Told, of_ledger, stage_of, view};
use crate::books::ledger::LedgerError;
use crate::model::checkpoint::{Checkpoint, Move, Stage, Standing, next};
use crate::model::item::{Asker, Item};
use crate::model::trouble::{Kind, Remedy};
use crate::work::pipeline::clear_cancelled;
use crate::worlds::source::SourceError;

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 300;

impl Desk {
    pub(super) fn steer(
        &self,
        words: &[String],
        how: Steering,
        reason: &str,
        dry_run: bool,
        asker: &Asker,
    ) -> Told<Answer> {
        let then = match how {
            Steering::Hold => Move::Hold,
            Steering::Release => Move::Release,
            Steering::Cancel => Move::Cancel,
        };
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for word in bounded(words)? {
            match self.find(word).and_then(|item| self.make(&item, &then, reason, dry_run, asker)) {
                Ok(row) => done.push(row),
                Err(complaint) => refused.push(RefusedRow { item: word.clone(), complaint: *complaint }),
            }
        }
        Ok(Answer::Moved { done, refused, dry_run })
    }

    pub(super) fn requeue(
        &self,
        words: &[String],
        filter: &Filter,
        from: Option<&str>,
        reason: &str,
        dry_run: bool,
        asker: &Asker,
    ) -> Told<Answer> {
        let from = from.map(stage_of).transpose()?;
        let (mut items, mut refused) = (Vec::new(), Vec::new());
        if words.is_empty() {
            let (found, more) = self.in_trouble(filter, None, ROWS_MAX)?;
            refused.extend(found.last().filter(|_| more).map(beyond));
            items = found;
        }
        for word in bounded(words)? {
            match self.find(word) {
                Ok(item) => items.push(item),
                Err(complaint) => refused.push(RefusedRow { item: word.clone(), complaint: *complaint }),
            }
        }
        let mut done = Vec::new();
        for item in items {
            let planned = self.plan(&item, from);
            let made = planned.and_then(|(from, note)| {
                let row = self.make(&item, &Move::Requeue { from }, reason, dry_run, asker)?;
                Ok(MovedRow { note, ..row })
            });
            match made {
                Ok(row) => done.push(row),
                Err(complaint) => {
                    refused.push(RefusedRow { item: item.id.to_string(), complaint: *complaint })
                }
            }
        }
        Ok(Answer::Moved { done, refused, dry_run })
    }

    /// From which stage a requeue makes sense (`None`: on from where it stands), and what to say about it; or why it
    /// cannot help.
    fn plan(&self, item: &Item, from: Option<Stage>) -> Told<(Option<Stage>, String)> {
        let doing = format!("requeue {}", item.id);
        let wanted = from.unwrap_or(item.checkpoint.stage);
        let refuse = |because: &str| Box::new(Complaint::new(Sort::Refused, &doing).because(because));
        // What the standing does not allow is told by the one function that knows; see `make`.
        let may = matches!(
            item.checkpoint.standing,
            Standing::Held { .. } | Standing::Refused { .. } | Standing::Waiting { .. } | Standing::Cancelled
        );
        if !may || wanted > item.checkpoint.stage {
            return Ok((from, String::new()));
        }
        // An errand reads no deposit: what it works on is kept.
        if item.errand.is_some() {
            return Ok((from, String::new()));
        }
        let looked = self.ledger.world().source.look(&item.deposit.key);
        let changed = match &looked {
            Ok(arrival) => arrival.pin != item.deposit.pin,
            // Record reads nothing of the deposit any more.
            Err(SourceError::Gone { .. }) if wanted < Stage::Record => {
                return Err(Box::new(
                    Complaint::new(Sort::Refused, &doing)
                        .because(format!("nothing lies at {} any more", item.deposit.key))
                        .so("the item stays as it is")
                        .then_try(format!("put it back, or: strongroom item cancel {}", item.id)),
                ));
            }
            Err(_) => false,
        };
        if changed && wanted > Stage::Download && wanted < Stage::Record {
            let note = "the deposit was changed since: it is read again from the start".to_string();
            return Ok((Some(Stage::Download), note));
        }
        if item.checkpoint.standing == Standing::Cancelled {
            // Giving it up cleared what its stages had found.
            return Ok((Some(Stage::Download), String::new()));
        }
        let trouble = item.checkpoint.standing.trouble();
        let needs_another_deposit = trouble.is_some_and(|trouble| trouble.kind.remedy() == Remedy::Depositor);
        if needs_another_deposit
            && !changed
            && wanted >= judged_from(item, trouble.map(|trouble| trouble.kind))
        {
            return Err(Box::new(
                refuse("the same bag would be judged the same")
                    .so("it stays refused; a new bag under the same name replaces it")
                    .then_try(format!(
                        "strongroom trouble show {0} --letter; if a disk is suspected: strongroom requeue {0} --from download",
                        item.id
                    )),
            ));
        }
        let note = match (from, wanted) {
            (None, Stage::Store | Stage::Record) => {
                "files already stored are kept and checked, not copied again"
            }
            _ => "",
        };
        Ok((from, note.to_string()))
    }

    /// Makes the move, or says what it would do.
    fn make(&self, item: &Item, then: &Move, reason: &str, dry_run: bool, asker: &Asker) -> Told<MovedRow> {
        let doing = format!("{} {}", then.name(), item.id);
        let row = |after: &Checkpoint| MovedRow {
            item: view::item(item),
            standing: after.standing.name().into(),
            stage: after.stage.name().into(),
            note: match (&after.standing, after.asked) {
                (Standing::Working, Some(_)) => "as soon as the worker lets go".into(),
                _ => String::new(),
            },
        };
        if dry_run {
            let after = next(&item.checkpoint, then, item.checkpoint.stage.line());
            return after
                .map(|after| row(&after))
                .map_err(|error| of_ledger(&LedgerError::Illegal(error), &doing));
        }
        let reason: String = reason.chars().take(REASON_MAX).collect();
        let after =
            self.ledger.ask(item.id, then, asker, &reason).map_err(|error| of_ledger(&error, &doing))?;
        log::info!(ITEM = item.id.0, STAGE = after.checkpoint.stage.name(), DEPOSITOR = item.depositor.as_str();
            "item {}: {} by {} (uid {}): now {}", item.id, then.name(), asker.name, asker.uid,
            after.checkpoint.standing.name());
        self.after(&after);
        Ok(row(&after.checkpoint))
    }

    /// What follows from an order at once.
    pub(super) fn after(&self, item: &Item) {
        match item.checkpoint.standing {
            Standing::Ready => {
                if let Some(pipeline) = self.pipeline.upgrade() {
                    pipeline.ring(item);
                }
            }
            Standing::Cancelled => clear_cancelled(self.ledger.world(), &self.settings, item),
            _ => {}
        }
    }
}

/// The stage from which on a trouble that only the depositor can mend comes again for the same bytes.
fn judged_from(item: &Item, kind: Option<Kind>) -> Stage {
    match kind {
        // Facts about the same tar were read from the same bytes; only reading them again could differ.
        Some(Kind::InvalidBag) => Stage::Validate,
        _ => item.checkpoint.stage,
    }
}

/// What is said of the items that an order does not reach, behind this one.
fn beyond(last: &Item) -> RefusedRow {
    let complaint = Complaint::new(Sort::Refused, "nothing was done")
        .because(format!("{ROWS_MAX} items are the limit of one order, and there are more of them"))
        .then_try(
            "the same once more; if all of the first ones are refused, with --kind, --depositor or --stage",
        );
    RefusedRow { item: format!("behind {}", last.id), complaint }
}

fn bounded(words: &[String]) -> Told<&[String]> {
    if words.len() <= ROWS_MAX {
        return Ok(words);
    }
    Err(Box::new(
        Complaint::new(Sort::Usage, format!("{} items are too many for one order", words.len()))
            .because(format!("{ROWS_MAX} is the limit"))
            .then_try("give them in several orders, or use --kind, --depositor, --stage"),
    ))
}
