//! The mender: copies that a sweep found damaged are put right by themselves, when the configuration says so.
//!
//! - It asks the desk for one step after the other, and ends between two of them.
//! - What fails is told once, by the desk; it is tried again the next day, or when a sweep finds more.

use crate::model::item::Asker;
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask, RepairAnswer, RepairAsk, RepairWish};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// How often it is asked whether something is to be put right.
const LOOK: Duration = Duration::from_secs(60);

/// Mends until the other end is dropped.
pub fn watch(desk: &Arc<Desk>, asker: &Asker) -> std::io::Result<Sender<()>> {
    let (alive, ended) = bounded::<()>(0);
    let desk = desk.clone();
    let asker = Asker { name: "schedule".into(), ..asker.clone() };
    let work = move || {
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            if desk.repair_due() {
                round(&desk, &asker, &ended);
            }
        }
    };
    std::thread::Builder::new().name("mender".into()).spawn(work)?;
    Ok(alive)
}

fn round(desk: &Desk, asker: &Asker, ended: &Receiver<()>) {
    let wish = RepairWish { by_itself: true, ..RepairWish::default() };
    let mut number = None;
    while ended.recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Timeout) {
        let ask = Ask::Repair(RepairAsk::Run { wish: wish.clone(), run: number });
        match desk.answer(&ask, asker) {
            Answer::Repair(RepairAnswer::Run(run)) if run.ended.is_none() => number = Some(run.number),
            Answer::Repair(RepairAnswer::Run(run)) => {
                for failure in &run.failures {
                    log::error!("{} on {} is not put right: {}", failure.object, failure.target, failure.why);
                }
                return;
            }
            Answer::Refused(complaint) => {
                log::warn!("{}: {}", complaint.error, complaint.because);
                return;
            }
            _ => return,
        }
    }
}
