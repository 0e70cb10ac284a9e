//! The receivers: every source is listed on its schedule, by a thread of its own, so that one that is slow, large or down
//! keeps no other waiting.
//!
//! - A listing that fails is told once in the log and tried again at its next time; the source's own breaker decides how
//!   often it is really asked.
//! - A source that is no longer configured, or otherwise, is let go after the page its listing is at.

use crate::model::item::Asker;
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask};
use crate::work::receiving::Intake;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The first listing comes soon after the start, spread over the sources.
const FIRST: Duration = Duration::from_millis(500);

/// One thread a source that is listed by itself.
pub struct Receivers {
    desk: Arc<Desk>,
    asker: Asker,
    /// Dropping the sender ends the thread.
    running: BTreeMap<String, (Intake, Sender<()>)>,
}

impl Receivers {
    /// Lists the desk's sources until it is dropped.
    pub fn start(desk: Arc<Desk>, asker: Asker) -> io::Result<Receivers> {
        let mut receivers = Receivers { desk, asker, running: BTreeMap::new() };
        receivers.update()?;
        Ok(receivers)
    }

    /// Begins with sources that are new, ends with those that are gone; those that changed begin anew.
    pub fn update(&mut self) -> io::Result<()> {
        let intakes = self.desk.intakes();
        self.running.retain(|_, (running, _)| intakes.contains(running));
        let mut first = FIRST;
        for intake in intakes.iter() {
            let Some(every) = intake.every.filter(|_| !self.running.contains_key(&intake.name)) else {
                continue;
            };
            let alive = self.spawn(intake.name.clone(), first, every)?;
            self.running.insert(intake.name.clone(), (intake.clone(), alive));
            first += FIRST;
        }
        Ok(())
    }

    fn spawn(&self, name: String, first: Duration, every: Duration) -> io::Result<Sender<()>> {
        let (alive, ended) = bounded::<()>(0);
        let (desk, asker) = (self.desk.clone(), self.asker.clone());
        let thread = std::thread::Builder::new().name(format!("from-{name}"));
        thread.spawn(move || {
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
        })?;
        Ok(alive)
    }
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
