//! The job state-backup: one backup of the ledger on every target.

use super::{Step, Work};
use crate::model::item::Asker;
use crate::model::job::Told;
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask};
use jiff::Timestamp;

/// One backup; its making is one step.
pub(super) struct StateBackup;

/// When the last backup was made that lies on every target.
pub(super) fn done(desk: &Desk) -> Option<Timestamp> {
    let row = desk.ledger().last_backup().ok()??;
    (row.good() == row.places.len()).then_some(row.at)
}

impl Work for StateBackup {
    fn step(&mut self, desk: &Desk, asker: &Asker) -> Step {
        let row = match desk.answer(&Ask::Backup, asker) {
            Answer::BackedUp { backup: Some(row) } => row,
            Answer::Refused(complaint) => {
                return Step::Failed(format!("{}: {}", complaint.error, complaint.because));
            }
            _ => return Step::Failed("the desk gave an answer that was not asked for".into()),
        };
        let (good, all) = (row.good(), row.places.len());
        let what = format!("{} of {} rows proved on {good} of {all} targets", row.name, row.rows);
        if good == all {
            return Step::Done(false, Told::line(format!("state-backup: {what}")));
        }
        let mut told = Told::line(format!("state-backup: {what}; next: strongroom state backup --last"));
        for place in &row.places {
            if let Some(why) = &place.wrong {
                told.add(format!("{}: {why}", place.target));
            }
        }
        told.all = "strongroom state backup --last".into();
        Step::Done(true, told)
    }
}
