//! Backups of the ledger, as people and the schedule ask for them.

use super::complaint::{Complaint, Sort};
use super::words::{Answer, Check};
use super::{Desk, Told, of_ledger};
use crate::rules::due;
use crate::work::backup::Backup;
use jiff::Timestamp;
use std::sync::TryLockError;

/// Folder of the scratch ledger, below the ledger's own.
const SCRATCH: &str = "scratch-of-backup";

/// So many times the pause between two backups, and the last one is too old.
const OVERDUE: u32 = 3;

impl Desk {
    pub(super) fn backup(&self) -> Told<Answer> {
        let doing = "no backup is made";
        let _alone = match self.backing_up.try_lock() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(broken)) => broken.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Box::new(
                    Complaint::new(Sort::Busy, doing).because("one is being made just now"),
                ));
            }
        };
        let config = self.config();
        let backup = Backup {
            ledger: &self.ledger,
            settings: &self.settings,
            scratch: &config.ledger.join(SCRATCH),
            keep: config.serve.backups,
        };
        let made = backup.make().map_err(|trouble| {
            Box::new(
                Complaint::new(Sort::Io, doing)
                    .because(trouble.sentence())
                    .so("earlier backups are as they were")
                    .then_try("strongroom doctor; strongroom state verify"),
            )
        })?;
        Ok(Answer::BackedUp { backup: Some(Box::new(made)) })
    }

    pub(super) fn last_backup(&self) -> Told<Answer> {
        let row = self.ledger.last_backup();
        let row = row.map_err(|error| of_ledger(&error, "the last backup is not shown"))?;
        Ok(Answer::BackedUp { backup: row.map(Box::new) })
    }

    /// What the doctor says of backups: nothing, while there is nothing to lose.
    pub(super) fn check_backup(&self) -> Option<Check> {
        let every = self.config().serve.backup_every?;
        let now = self.ledger.world().clock.now();
        let old = |at: Timestamp| due::again(at, every * OVERDUE, now);
        match self.ledger.last_backup() {
            Ok(Some(row)) if row.good() < row.places.len() => {
                let wrong = row.places.iter().filter(|place| place.wrong.is_some());
                let names: Vec<&str> = wrong.map(|place| place.target.as_str()).collect();
                let detail = format!("not on {}; strongroom state backup --last", names.join(", "));
                Some(Check::warn(format!("backup of the ledger from {:.0}", row.at), detail))
            }
            Ok(Some(row)) if old(row.at) => {
                let detail = "the daemon makes one by itself; at once: strongroom state backup";
                Some(Check::warn(format!("the last backup of the ledger is from {:.0}", row.at), detail))
            }
            Ok(Some(row)) => {
                Some(Check::ok(format!("backup of the ledger from {:.0} on {} targets", row.at, row.good())))
            }
            Ok(None) => {
                let first = self.ledger.objects(None, 1).ok()?.into_iter().next()?;
                let detail = "the daemon makes one by itself; at once: strongroom state backup";
                old(first.created).then(|| Check::warn("there is no backup of the ledger", detail))
            }
            Err(error) => Some(Check::fail("backups of the ledger", error.to_string())),
        }
    }

    /// True when the schedule asks for a backup.
    pub fn backup_due(&self) -> bool {
        let Some(every) = self.config().serve.backup_every else { return false };
        let Ok(last) = self.ledger.last_backup() else { return false };
        let now = self.ledger.world().clock.now();
        last.is_none_or(|row| due::again(row.at, every, now))
    }
}
