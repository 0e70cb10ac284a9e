//! The keeper: looks by itself whether policies ask for copies that are not there, and makes them.
//!
//! - It asks the desk for one bounded part after the other, and ends between two of them.
//! - A round that finds nothing to do says nothing.

use crate::model::item::Asker;
use crate::work::desk::Desk;
use crate::work::desk::words::{Answer, Ask, KeepAnswer, KeepAsk};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// The first look comes soon after the start, when what a former process left is sorted out.
const FIRST: Duration = Duration::from_secs(5);

/// Keeps until the other end is dropped.
pub fn watch(desk: &Arc<Desk>, asker: &Asker) -> std::io::Result<Sender<()>> {
    let (alive, ended) = bounded::<()>(0);
    let every = desk.keep_every();
    if !every.is_zero() {
        let (desk, asker) = (desk.clone(), asker.clone());
        let keep = move || {
            let mut wait = FIRST.min(every);
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                round(&desk, &asker, &ended);
                wait = every;
            }
        };
        std::thread::Builder::new().name("keeper".into()).spawn(keep)?;
    }
    Ok(alive)
}

fn round(desk: &Desk, asker: &Asker, ended: &Receiver<()>) {
    let (mut after, mut versions, mut lacking) = (None, 0, 0);
    loop {
        let ask = Ask::Keep(KeepAsk::Fill { target: None, after: after.take(), only_count: false });
        match desk.answer(&ask, asker) {
            Answer::Keep(KeepAnswer::Filled(part)) => {
                versions += part.versions;
                lacking += part.lacking;
                after = part.next;
            }
            Answer::Refused(complaint) => {
                log::warn!("copies are not kept: {}: {}", complaint.error, complaint.because);
                return;
            }
            _ => return,
        }
        let over = ended.recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Disconnected);
        if over || after.is_none() {
            break;
        }
    }
    if versions + lacking > 0 {
        log::info!("copies: {versions} versions copied, {lacking} still lack");
    }
}
