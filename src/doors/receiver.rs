//! The receivers: every source is listed on its schedule, by a thread of its own, so that one that is slow, large or down
//! keeps no other waiting.
//!
//! - A listing that fails is told once in the log and tried again at its next time; the source's own breaker decides how
//!   often it is really asked.

use crate::model::item::Asker;
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// The first listing comes soon after the start, spread over the sources.
const FIRST: Duration = Duration::from_millis(500);

/// Lists until the other end is dropped.
pub fn watch(desk: &Arc<Desk>, asker: &Asker) -> std::io::Result<Sender<()>> {
    let (alive, ended) = bounded::<()>(0);
    let mut first = FIRST;
    for intake in desk.intakes() {
        let Some(every) = intake.every else { continue };
        let (desk, asker, name, ended) = (desk.clone(), asker.clone(), intake.name.clone(), ended.clone());
        let receive = move || {
            let mut wait = first;
            let mut told = None;
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let trouble = list(&desk, &asker, &name);
                if trouble != told
                    && let Some(trouble) = &trouble
                {
                    log::warn!("source {name}: {trouble}");
                }
                told = trouble;
                wait = every;
            }
        };
        std::thread::Builder::new().name(format!("from-{}", intake.name)).spawn(receive)?;
        first += FIRST;
    }
    Ok(alive)
}

/// Lists once; what went wrong.
fn list(desk: &Desk, asker: &Asker, name: &str) -> Option<String> {
    match desk.answer(&Ask::Scan { source: name.into() }, asker) {
        Answer::Refused(complaint) => Some(format!("{}: {}", complaint.error, complaint.because)),
        Answer::Scanned { told, .. } => {
            if told.new > 0 {
                log::info!(
                    "source {name}: {} keys, {} new, {} of them not taken",
                    told.keys,
                    told.new,
                    told.not_taken
                );
            }
            None
        }
        _ => None,
    }
}
