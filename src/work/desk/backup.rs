//! Backups of the ledger, as people and the schedule ask for them.

use super::complaint::{Complaint, Sort};
use super::words::Answer;
use super::{Desk, Told, of_ledger};
use crate::work::backup::Backup;
use std::sync::TryLockError;
use std::time::Duration;

/// Folder of the scratch ledger, below the ledger's own.
const SCRATCH: &str = "scratch-of-backup";

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

    /// True when the schedule asks for a backup.
    pub fn backup_due(&self) -> bool {
        let Some(every) = self.config().serve.backup_every else { return false };
        let Ok(last) = self.ledger.last_backup() else { return false };
        let now = self.ledger.world().clock.now();
        // A clock that was set back makes nothing due.
        let age = |at| Duration::try_from(now.duration_since(at)).ok();
        last.is_none_or(|row| age(row.at).is_some_and(|age| age >= every))
    }
}
