//! The job reconcile: one whole check of targets against the registry.

use super::{Step, Work};
use crate::model::item::Asker;
use crate::model::job::{LINES_MAX, Told};
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask};
use jiff::Timestamp;

const ALL: &str = "strongroom target reconcile --last";

/// A check of all targets; one that is under way is gone on with.
#[derive(Default)]
pub(super) struct Reconcile {
    check: Option<u64>,
}

/// When the last check of every target began that came to its end.
pub(super) fn done(desk: &Desk) -> Option<Timestamp> {
    let row = desk.ledger().check_last().ok()??;
    let all = desk.ledger().world().targets.keys().all(|name| row.targets.contains(name));
    all.then_some(row.started)
}

impl Work for Reconcile {
    fn step(&mut self, desk: &Desk, asker: &Asker) -> Step {
        // Whatever is under way comes first; a check of a few targets is followed by the one that is wanted.
        let targets = desk.reconciling_targets();
        let partial = !targets.is_empty() && targets.len() < desk.ledger().world().targets.len();
        let check = if partial { None } else { self.check };
        let row = match desk.answer(&Ask::Reconcile { targets, check }, asker) {
            Answer::Reconciled { check: Some(row), .. } => row,
            Answer::Refused(complaint) => {
                return Step::Failed(format!("{}: {}", complaint.error, complaint.because));
            }
            _ => return Step::Failed("the desk gave an answer that was not asked for".into()),
        };
        if partial {
            return Step::Going(format!("waiting for check {} of {}", row.number, row.targets.join(", ")));
        }
        self.check = Some(row.number);
        let objects: u64 = row.counts.values().map(|counts| counts.objects).sum();
        if row.ended.is_none() {
            return Step::Going(format!("{objects} objects looked at, {} wrong so far", row.wrong()));
        }
        let wrong = row.wrong();
        let what = format!("{objects} objects on {} targets looked at", row.targets.len());
        if wrong == 0 {
            return Step::Done(false, Told::line(format!("reconcile: nothing is wrong; {what}")));
        }
        let things = match wrong {
            1 => "1 thing is wrong".to_string(),
            _ => format!("{wrong} things are wrong"),
        };
        let mut told = Told::line(format!("reconcile: {things}; {what}; next: {ALL}"));
        for (name, counts) in &row.counts {
            if let Some(why) = &counts.unread {
                told.add(format!("{name} could not be looked at to its end: {why}"));
            }
        }
        let limit = LINES_MAX + 1;
        if let Answer::Reconciled { findings, .. } = desk.answer(&Ask::Reconciled { after: 0, limit }, asker)
        {
            let bad = findings.iter().filter(|found| found.kind != crate::rules::reconcile::Kind::InFlight);
            bad.for_each(|found| {
                told.add(format!(
                    "{} {} on {}: {}",
                    found.kind.name(),
                    found.about,
                    found.target,
                    found.because
                ));
            });
        }
        told.more = wrong.saturating_sub(told.lines.len() as u64);
        told.all = ALL.into();
        Step::Done(true, told)
    }
}
