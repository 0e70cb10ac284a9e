//! The job report: what happened since the last one, told to the operators by notice.
//!
//! - It is recorded whether or not anybody is told; the full report can be made at any time from the ledger.

use super::{Step, Work};
use crate::model::item::Asker;
use crate::model::job::Told;
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask};
use crate::work::notices;
use crate::work::reports::tally::{Period, Tally};
use crate::work::reports::{Kind, Report};
use jiff::SignedDuration;

/// The first one reaches so far back.
const FIRST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A report that is being counted.
#[derive(Default)]
pub(super) struct Digest {
    period: Option<Period>,
    walk: usize,
    after: Option<String>,
    sums: Tally,
}

impl Work for Digest {
    fn step(&mut self, desk: &Desk, asker: &Asker) -> Step {
        let period = match self.period.map_or_else(|| since_the_last(desk), Ok) {
            Ok(period) => *self.period.insert(period),
            Err(why) => return Step::Failed(why),
        };
        let walks = Kind::Audit.walks();
        if let Some(walk) = walks.get(self.walk) {
            match desk.answer(&Ask::Tally { walk: *walk, period, after: self.after.take() }, asker) {
                Answer::Tallied { tally, next } => {
                    self.sums.add(*tally);
                    self.walk += usize::from(next.is_none());
                    self.after = next;
                }
                Answer::Refused(complaint) => {
                    return Step::Failed(format!("{}: {}", complaint.error, complaint.because));
                }
                _ => return Step::Failed("the desk gave an answer that was not asked for".into()),
            }
            return Step::Going(format!("counted {} of {} things", self.walk, walks.len()));
        }
        tell(desk, &Report::new(Kind::Audit, desk.ledger().world().clock.now(), period, &self.sums))
    }
}

fn since_the_last(desk: &Desk) -> Result<Period, String> {
    let until = desk.ledger().world().clock.now();
    let row = desk.ledger().job(crate::model::job::Job::Report).map_err(|error| error.to_string())?;
    let first = until.checked_sub(FIRST).unwrap_or(until);
    Ok(Period { since: row.done.unwrap_or(first).min(until), until })
}

fn tell(desk: &Desk, report: &Report) -> Step {
    let command = format!(
        "strongroom report audit --since {:.0} --until {:.0}",
        report.period.since, report.period.until
    );
    let mut told = Told::line(format!("report: {}", report.summary.join("; ")));
    report.summary.iter().for_each(|line| told.add(line.clone()));
    let text = format!("{}\n\n{}\n\nall of it: {command}\n", report.title(), report.summary.join("\n"));
    let written = notices::to_operators(desk.ledger(), &desk.config(), "report".into(), report.title(), text);
    match written {
        Ok(()) => Step::Done(false, told),
        Err(error) => Step::Failed(format!("no notice of it is written: {error}")),
    }
}
