//! The reconciler: targets are held against the registry, and the ledger is backed up, when the schedule says so, by a
//! thread of its own.
//!
//! - A check works in steps of a few seconds; between two it may end, and goes on there after a restart.
//! - What fails is told once, and tried again.

use crate::model::item::Asker;
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// How often it is asked whether a check is due.
const LOOK: Duration = Duration::from_secs(60);

/// Pause between two steps, so that deposits have most of the disks.
const PAUSE: Duration = Duration::from_secs(1);

/// Checks until the other end is dropped.
pub fn watch(desk: &Arc<Desk>, asker: &Asker) -> std::io::Result<Sender<()>> {
    let (alive, ended) = bounded::<()>(0);
    let desk = desk.clone();
    let asker = Asker { name: "schedule".into(), ..asker.clone() };
    let work = move || {
        let mut wait = LOOK;
        let (mut told, mut told_of_backup) = (None, None);
        while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            if desk.backup_due() {
                let trouble = backup(&desk, &asker);
                tell(&trouble, &mut told_of_backup);
            }
            if !desk.reconcile_due() {
                wait = LOOK;
                continue;
            }
            let trouble = step(&desk, &asker);
            wait = if trouble.is_some() { LOOK } else { PAUSE };
            tell(&trouble, &mut told);
        }
    };
    std::thread::Builder::new().name("reconciler".into()).spawn(work)?;
    Ok(alive)
}

/// Tells what went wrong, unless it was told the last time.
fn tell(trouble: &Option<String>, told: &mut Option<String>) {
    if trouble != told
        && let Some(trouble) = trouble
    {
        log::warn!("{trouble}");
    }
    told.clone_from(trouble);
}

/// Makes a backup; what went wrong.
fn backup(desk: &Desk, asker: &Asker) -> Option<String> {
    match desk.answer(&Ask::Backup, asker) {
        Answer::Refused(complaint) => Some(format!("{}: {}", complaint.error, complaint.because)),
        Answer::BackedUp { backup: Some(row) } => {
            let wrong = row
                .places
                .iter()
                .filter_map(|place| Some(format!("{}: {}", place.target, place.wrong.as_ref()?)));
            let wrong: Vec<String> = wrong.collect();
            log::info!("backup {} of the ledger: {} rows, on {} targets", row.name, row.rows, row.good());
            (!wrong.is_empty())
                .then(|| format!("the backup of the ledger is not on every target: {}", wrong.join("; ")))
        }
        _ => None,
    }
}

/// One step; what went wrong.
fn step(desk: &Desk, asker: &Asker) -> Option<String> {
    match desk.answer(&Ask::Reconcile { targets: desk.reconciling_targets(), check: None }, asker) {
        Answer::Refused(complaint) => {
            Some(format!("targets are not checked: {}: {}", complaint.error, complaint.because))
        }
        Answer::Reconciled { check: Some(check), .. } if check.ended.is_some() => {
            let wrong = check.wrong();
            match wrong {
                0 => log::info!("check {} of {}: nothing is wrong", check.number, check.targets.join(", ")),
                _ => log::error!(
                    "check {} of {}: {wrong} things are wrong; strongroom target reconcile --last",
                    check.number,
                    check.targets.join(", ")
                ),
            }
            None
        }
        _ => None,
    }
}
