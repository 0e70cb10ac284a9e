//! The sweep under way in this process: one at a time, in a thread of its own.
//!
//! - Whoever starts one waits for nothing; how it stands is in the ledger, and `wait` says when it has ended.
//! - It is asked to stop, and waited for, when this is dropped.

use super::{Order, Sweep};
use crate::books::config::fixity::FixityConfig;
use crate::books::ledger::{Ledger, LedgerError, SweepRow};
use crate::work::job::Settings;
use crate::work::pipeline::Pipeline;
use crate::work::proving::prove_from;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// The sweep under way, if there is one.
#[derive(Default)]
pub struct Running {
    now: Mutex<Option<Now>>,
}

struct Now {
    run: u64,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// How it ended: none while it goes on; with a reason when the ledger failed.
    ended: Mutex<Option<Option<String>>>,
    news: Condvar,
}

/// What a run works with.
#[derive(Clone)]
pub struct With {
    /// The registry, and by it the worlds.
    pub ledger: Arc<Ledger>,
    /// What the configuration says of the work.
    pub settings: Settings,
    /// What it says of sweeps.
    pub config: FixityConfig,
    /// The line: while it works, a sweep gives way; when it drains, a sweep ends.
    pub pipeline: Weak<Pipeline>,
}

/// Why no run was started.
#[derive(Debug)]
pub enum NotStarted {
    /// This one is under way.
    UnderWay(u64),
    /// The ledger failed.
    Ledger(LedgerError),
    /// The system gives no thread.
    Thread(std::io::Error),
}

impl Running {
    /// The number of the run under way.
    pub fn under_way(&self) -> Option<u64> {
        let now = lock(&self.now);
        now.as_ref().filter(|now| lock(&now.shared.ended).is_none()).map(|now| now.run)
    }

    /// Starts a run, or goes on with the one that was cut off.
    pub fn start(&self, with: With, order: &Order) -> Result<SweepRow, NotStarted> {
        let mut now = lock(&self.now);
        if let Some(now) = now.as_ref().filter(|now| lock(&now.shared.ended).is_none()) {
            return Err(NotStarted::UnderWay(now.run));
        }
        let shared = Arc::new(Shared::default());
        let row = with.sweep(&shared, |sweep| sweep.begin(order)).map_err(NotStarted::Ledger)?;
        let (of_thread, begun) = (shared.clone(), row.clone());
        let work = move || {
            // Also when it panics somebody waits to hear that it ended.
            let mut over = Over { shared: &of_thread, why: Some("it came to a sudden end".into()) };
            let run = begun.number;
            over.why = match with.sweep(&of_thread, |sweep| sweep.run(begun)) {
                Ok(_) => None,
                Err(error) => {
                    log::error!("run {run} of fixity: {error}");
                    Some(error.to_string())
                }
            };
        };
        let thread = std::thread::Builder::new().name("fixity".into()).spawn(work);
        let thread = thread.map_err(NotStarted::Thread)?;
        *now = Some(Now { run: row.number, shared, thread: Some(thread) });
        Ok(row)
    }

    /// Waits at most so long until this run has ended. Some: it has, with the reason when it could not be made.
    pub fn wait(&self, run: u64, at_most: Duration) -> Option<Option<String>> {
        let shared = lock(&self.now).as_ref().filter(|now| now.run == run).map(|now| now.shared.clone());
        let Some(shared) = shared else { return Some(None) };
        let ended = lock(&shared.ended);
        let waited = shared.news.wait_timeout_while(ended, at_most, |ended| ended.is_none());
        waited.unwrap_or_else(|broken| broken.into_inner()).0.clone()
    }

    /// Asks the run to stop at the next safe point; another than this one goes on.
    pub fn stop(&self, run: u64) {
        if let Some(now) = lock(&self.now).as_ref().filter(|now| now.run == run) {
            now.shared.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Asks whatever is under way to stop, and waits for it.
    pub fn end(&self) {
        let thread = lock(&self.now).as_mut().and_then(|now| {
            now.shared.stop.store(true, Ordering::Relaxed);
            now.thread.take()
        });
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread of the sweep panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl With {
    fn sweep<T>(&self, shared: &Shared, work: impl FnOnce(&Sweep<'_>) -> T) -> T {
        let line = || self.pipeline.upgrade();
        let over =
            || shared.stop.load(Ordering::Relaxed) || line().is_some_and(|pipeline| pipeline.is_draining());
        let busy = || line().is_some_and(|pipeline| !pipeline.underway().is_empty());
        let world = self.ledger.world();
        work(&Sweep {
            world,
            ledger: &self.ledger,
            settings: &self.settings,
            config: &self.config,
            prove: &prove_from,
            over: &over,
            busy: &busy,
            told: &|_| {},
        })
    }
}

struct Over<'a> {
    shared: &'a Shared,
    why: Option<String>,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        *lock(&self.shared.ended) = Some(self.why.take());
        self.shared.news.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}
