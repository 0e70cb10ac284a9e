//! Signals, as questions that the main loop asks.
//!
//! - The first TERM or INT is an invitation to reach a safe point; the second ends the process at once.

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals as Hooked;
use std::time::Duration;

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// End (TERM).
    Terminate,
    /// End (INT).
    Interrupt,
    /// Read the configuration again (HUP).
    Reload,
    /// Say what goes on (USR1).
    Dump,
}

/// Signals that came and were not looked at yet; more than so many at once say nothing more.
const WAITING_MAX: usize = 16;

/// The signals of this process.
pub struct Signals {
    came: Option<Receiver<Asked>>,
}

impl Signals {
    /// Listens to TERM and INT.
    pub fn listen() -> Signals {
        Signals::to(&[SIGTERM, SIGINT])
    }

    /// Listens to everything that a daemon heeds.
    pub fn listen_as_daemon() -> Signals {
        Signals::to(&[SIGTERM, SIGINT, SIGHUP, SIGUSR1])
    }

    fn to(which: &[i32]) -> Signals {
        let hooked = match Hooked::new(which) {
            Ok(hooked) => hooked,
            Err(error) => {
                log::error!("signals are not heard: {error}");
                return Signals { came: None };
            }
        };
        let (tell, came) = bounded(WAITING_MAX);
        let listen = move || heed(hooked, &tell);
        if let Err(error) = std::thread::Builder::new().name("signals".into()).spawn(listen) {
            log::error!("signals are not heard: {error}");
        }
        Signals { came: Some(came) }
    }

    /// What somebody wants, if anything.
    pub fn asked(&self) -> Option<Asked> {
        self.came.as_ref()?.try_recv().ok()
    }

    /// Waits at most so long for somebody to want something.
    pub fn wait(&self, at_most: Duration) -> Option<Asked> {
        let Some(came) = &self.came else {
            std::thread::sleep(at_most);
            return None;
        };
        match came.recv_timeout(at_most) {
            Ok(asked) => Some(asked),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(at_most);
                None
            }
        }
    }
}

fn heed(mut hooked: Hooked, tell: &crossbeam_channel::Sender<Asked>) {
    let mut ending = false;
    for signal in hooked.forever() {
        let asked = match signal {
            SIGTERM => Asked::Terminate,
            SIGINT => Asked::Interrupt,
            SIGHUP => Asked::Reload,
            _ => Asked::Dump,
        };
        if matches!(asked, Asked::Terminate | Asked::Interrupt) {
            if ending {
                // At once, as asked: what was acknowledged is on disk, and the rest is recovered at the next start.
                log::warn!("ended at once by a second signal");
                std::process::exit(128 + signal);
            }
            ending = true;
        }
        // Full: whoever is asked sixteen things has enough to do.
        let _ = tell.try_send(asked);
    }
}
