//! The reconciler: targets are held against the registry when the schedule says so, by a thread of its own.
//!
//! - It works in steps of a few seconds; between two it may end, and goes on there after a restart.

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
        let mut told = None;
        while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            if !desk.reconcile_due() {
                wait = LOOK;
                continue;
            }
            let trouble = step(&desk, &asker);
            if trouble != told
                && let Some(trouble) = &trouble
            {
                log::warn!("targets are not checked: {trouble}");
            }
            wait = if trouble.is_some() { LOOK } else { PAUSE };
            told = trouble;
        }
    };
    std::thread::Builder::new().name("reconciler".into()).spawn(work)?;
    Ok(alive)
}

/// One step; what went wrong.
fn step(desk: &Desk, asker: &Asker) -> Option<String> {
    match desk.answer(&Ask::Reconcile { targets: desk.reconciling_targets(), check: None }, asker) {
        Answer::Refused(complaint) => Some(format!("{}: {}", complaint.error, complaint.because)),
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
