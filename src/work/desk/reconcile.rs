//! Checks of targets against the registry, as people and the schedule ask for them.
//!
//! - One check at a time; whoever asks while one is under way helps it on. Its place is in the ledger, so it goes on after
//!   a restart.
//! - An answer takes a few seconds, however large the targets are.

use super::complaint::{Complaint, Sort};
use super::words::{Answer, Check, ROWS_MAX};
use super::{Desk, Told, of_ledger, unknown_among};
use crate::books::ledger::CheckRow;
use crate::model::item::Asker;
use crate::work::reconcile::Reconcile;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How long one answer may work.
const AT_MOST: Duration = Duration::from_secs(2);

impl Desk {
    pub(super) fn reconcile(&self, targets: &[String], check: Option<u64>, asker: &Asker) -> Told<Answer> {
        let doing = "the targets are not checked";
        let failed = |error| of_ledger(&error, doing);
        let _alone = self.reconciling.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(number) = check
            && let Some(ended) = self.ledger.check_last().map_err(failed)?.filter(|row| row.number >= number)
        {
            // Somebody else helped it to its end.
            return Ok(Answer::Reconciled {
                check: Some(Box::new(ended)),
                findings: Vec::new(),
                more: false,
            });
        }
        let under_way = self.ledger.check_now().map_err(failed)?;
        // A check is brought to its end by its own names, though one of them has left the configuration since.
        let targets = match &under_way {
            Some(row) if row.targets == *targets => targets.to_vec(),
            _ => self.targets_to_check(targets)?,
        };
        let reconcile = Reconcile { ledger: &self.ledger, ledger_id: &self.settings.ledger_id };
        let same = |row: &CheckRow| row.targets == targets || check == Some(row.number);
        if let Some(row) = under_way.filter(|row| !same(row)) {
            return Err(Box::new(
                Complaint::new(Sort::Busy, doing)
                    .because(format!("check {} of {} is under way", row.number, row.targets.join(", ")))
                    .so("it goes on where it is")
                    .then_try(format!("strongroom target reconcile {}", row.targets.join(" "))),
            ));
        }
        let mut row = reconcile.begin(targets.clone(), &asker.name, same).map_err(failed)?;
        let until = Instant::now() + AT_MOST;
        while row.ended.is_none() && Instant::now() < until {
            row = reconcile.step(row).map_err(failed)?;
        }
        Ok(Answer::Reconciled { check: Some(Box::new(row)), findings: Vec::new(), more: false })
    }

    pub(super) fn reconciled(&self, after: u64, limit: usize) -> Told<Answer> {
        let failed = |error| of_ledger(&error, "the last check is not shown");
        let Some(row) = self.ledger.check_last().map_err(failed)? else {
            return Ok(Answer::Reconciled { check: None, findings: Vec::new(), more: false });
        };
        let limit = limit.clamp(1, ROWS_MAX);
        let mut findings = self.ledger.check_findings(row.number, after, limit + 1).map_err(failed)?;
        let more = findings.len() > limit;
        findings.truncate(limit);
        Ok(Answer::Reconciled { check: Some(Box::new(row)), findings, more })
    }

    /// What the doctor says of the last check of targets; nothing, if none was made.
    pub(super) fn check_reconciled(&self) -> Option<Check> {
        let row = self.ledger.check_last().ok()??;
        let text = format!("check {} of {}", row.number, row.targets.join(", "));
        Some(match row.wrong() {
            0 => Check::ok(format!("{text}: nothing is wrong")),
            wrong => {
                Check::fail(format!("{text}: {wrong} things are wrong"), "strongroom target reconcile --last")
            }
        })
    }

    fn targets_to_check(&self, names: &[String]) -> Told<Vec<String>> {
        let known = &self.ledger.world().targets;
        let mut targets: Vec<String> = match names.is_empty() {
            true => known.keys().cloned().collect(),
            false => names.to_vec(),
        };
        if let Some(name) = targets.iter().find(|name| !known.contains_key(*name)) {
            let names = known.keys().map(String::as_str).collect();
            return Err(unknown_among("target of the configuration", name, names));
        }
        targets.sort();
        targets.dedup();
        Ok(targets)
    }

    /// The targets of the check under way; none named: all.
    pub fn reconciling_targets(&self) -> Vec<String> {
        self.ledger.check_now().ok().flatten().map(|row| row.targets).unwrap_or_default()
    }

    /// True when the schedule asks for a check, or one that it began is not at its end.
    pub fn reconcile_due(&self) -> bool {
        let Some(every) = self.config().serve.reconcile_every else { return false };
        let (now, last) = match (self.ledger.check_now(), self.ledger.check_last()) {
            (Ok(now), Ok(last)) => (now, last),
            _ => return false,
        };
        now.is_some() || is_due(last.as_ref(), every, self.ledger.world().clock.now())
    }
}

/// True when the last check began so long ago.
fn is_due(last: Option<&CheckRow>, every: Duration, now: Timestamp) -> bool {
    last.is_none_or(|last| crate::rules::due::again(last.started, every, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_due_when_none_was_made_or_the_last_is_old_enough() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let last = |second| CheckRow { started: at(second), ..CheckRow::default() };
        let every = Duration::from_secs(100);
        assert!(is_due(None, every, at(0)));
        let table = [(0, 99, false), (0, 100, true), (0, 1_000, true), (50, 20, false), (5_000, 20, true)];
        for (started, now, due) in table {
            assert_eq!(is_due(Some(&last(started)), every, at(now)), due, "{started} {now}");
        }
    }
}
