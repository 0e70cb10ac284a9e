//! Jobs: scheduled work that anybody may start at any time, in steps of a few seconds.
//!
//! ```text
//! cron, timer or person: job run NAME
//!     is it due, is it left out, does it run?   ->  nothing to do
//!     begin, written down                       ->  step, step, step  ->  end, written down  ->  notices
//! ```
//!
//! - Of each job one run is under way at most. It lives in this process and goes on only while whoever started it asks for
//!   the next step: nothing is left locked when either of them ends.
//! - A scheduled start does nothing unless the job is due; a person's start does the work now.
//! - How a run ended is on disk before anybody is told.

mod backup;
mod due;
mod fixity;
mod reconcile;
mod repair;
mod report;
mod retention;
mod spot_test;

use crate::books::ledger::{JobRow, LedgerError, Running, Skip};
use crate::model::item::Asker;
use crate::model::job::{Job, Run, RunEnd, Told};
use crate::work::desk::Desk;
pub use due::{Due, due, is_late};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// A run whose starter asks for no step for so long is nobody's any more.
const LAPSE: Duration = Duration::from_secs(120);

/// What a step came to.
#[derive(Debug)]
pub enum Step {
    /// There is more to do; how far it is, in a few words.
    Going(String),
    /// All was done. True: something is wrong.
    Done(bool, Told),
    /// It cannot be done, and why.
    Failed(String),
}

/// The work of one run.
pub trait Work: Send {
    /// Does a part of a few seconds.
    fn step(&mut self, desk: &Desk, asker: &Asker) -> Step;

    /// Ends what goes on between two steps; most work goes on in steps only.
    fn stop(&mut self, _: &Desk, _: &Asker) {}
}

/// The work of a job; a new job is one line here.
fn work_of(job: Job) -> Box<dyn Work> {
    match job {
        Job::Fixity => Box::new(fixity::Fixity::default()),
        Job::Repair => Box::new(repair::Repair::default()),
        Job::SpotTest => Box::new(spot_test::SpotTest::default()),
        Job::Reconcile => Box::new(reconcile::Reconcile::default()),
        Job::Retention => Box::new(retention::Retention::default()),
        Job::StateBackup => Box::new(backup::StateBackup),
        Job::Report => Box::new(report::Digest::default()),
    }
}

/// When a job's work was done last, by a run or otherwise.
pub fn done_at(desk: &Desk, job: Job, row: &JobRow) -> Option<Timestamp> {
    let otherwise = match job {
        Job::Fixity => fixity::done(desk),
        Job::Reconcile => reconcile::done(desk),
        Job::StateBackup => backup::done(desk),
        Job::Repair | Job::SpotTest | Job::Retention | Job::Report => None,
    };
    row.done.max(otherwise)
}

/// The runs under way.
#[derive(Default)]
pub struct Jobs {
    active: Mutex<BTreeMap<Job, Active>>,
}

struct Active {
    running: Running,
    /// When its last step ended, by the clock that never goes back.
    seen: Duration,
    /// None while a step is being done.
    work: Option<Box<dyn Work>>,
}

/// What came of a start.
#[derive(Debug)]
pub enum Begun {
    /// It begins.
    Begins(Running),
    /// It is under way already.
    Runs(Running),
    /// It is not due; it will be then, if ever.
    NotDue(Option<Timestamp>),
    /// A person wants it left out.
    LeftOut(Skip),
}

/// What came of a step.
#[derive(Debug)]
pub enum Stepped {
    /// There is more to do.
    Going(String),
    /// It is over.
    Over(Box<Run>),
    /// It is not under way, and not known.
    Unknown,
}

impl Jobs {
    /// Begins a run, unless there is a reason not to. `scheduled`: nobody asked just now.
    pub fn begin(&self, desk: &Desk, job: Job, by: &str, scheduled: bool) -> Result<Begun, LedgerError> {
        let ledger = desk.ledger();
        // Held over the commit: of two starts at one moment, one begins.
        let mut active = self.lock();
        if let Some(running) = still(&active, job, ledger.world().clock.monotonic()) {
            return Ok(Begun::Runs(running));
        }
        let row = ledger.job(job)?;
        if scheduled {
            let now = ledger.world().clock.now();
            let every = desk.config().jobs.get(&job).copied();
            match due(every, done_at(desk, job, &row), now) {
                Due::Now => {}
                Due::At(at) => return Ok(Begun::NotDue(Some(at))),
                Due::Never => return Ok(Begun::NotDue(None)),
            }
            if let Some(skip) = row.skip.filter(|skip| skip.holds(now)) {
                ledger.count_skip(job)?;
                return Ok(Begun::LeftOut(skip));
            }
        }
        let running = ledger.begin_run(job, by, scheduled)?;
        let seen = ledger.world().clock.monotonic();
        active.insert(job, Active { running: running.clone(), seen, work: Some(work_of(job)) });
        Ok(Begun::Begins(running))
    }

    /// Does the next step of a run.
    pub fn step(&self, desk: &Desk, job: Job, number: u64, asker: &Asker) -> Result<Stepped, LedgerError> {
        let Some(mut work) = self.take(job, number) else {
            return Ok(match desk.ledger().run(job, number)? {
                Some(run) => Stepped::Over(Box::new(run)),
                None => Stepped::Unknown,
            });
        };
        // Should the step panic, the run is nobody's at once.
        let gone = Gone { jobs: self, job, number, put_back: false };
        let (end, told) = match work.step(desk, asker) {
            Step::Going(told) => {
                gone.put_back(work, desk.ledger().world().clock.monotonic());
                return Ok(Stepped::Going(told));
            }
            Step::Done(false, told) => (RunEnd::Well, told),
            Step::Done(true, told) => (RunEnd::Wrong, told),
            Step::Failed(why) => (RunEnd::Failed, Told::line(format!("{} was not done: {why}", job.name()))),
        };
        let run = desk.ledger().end_run(job, number, end, told)?;
        drop(gone);
        Ok(run.map_or(Stepped::Unknown, |run| Stepped::Over(Box::new(run))))
    }

    /// Ends a run on the wish of whoever started it.
    pub fn stop(&self, desk: &Desk, job: Job, number: u64, asker: &Asker) -> Result<Stepped, LedgerError> {
        let Some(mut work) = self.take(job, number) else { return Ok(Stepped::Unknown) };
        work.stop(desk, asker);
        let _gone = Gone { jobs: self, job, number, put_back: false };
        let told = Told::line(format!("{} was interrupted by {}", job.name(), asker.name));
        let run = desk.ledger().end_run(job, number, RunEnd::Interrupted, told)?;
        Ok(run.map_or(Stepped::Unknown, |run| Stepped::Over(Box::new(run))))
    }

    /// The run of this job that is under way.
    pub fn running(&self, desk: &Desk, job: Job) -> Option<Running> {
        still(&self.lock(), job, desk.ledger().world().clock.monotonic())
    }

    fn take(&self, job: Job, number: u64) -> Option<Box<dyn Work>> {
        let mut active = self.lock();
        active.get_mut(&job).filter(|active| active.running.number == number)?.work.take()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Job, Active>> {
        self.active.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// The run under way, unless nobody goes on with it.
fn still(active: &BTreeMap<Job, Active>, job: Job, now: Duration) -> Option<Running> {
    let active = active.get(&job)?;
    let lapsed = active.work.is_some() && now.saturating_sub(active.seen) > LAPSE;
    (!lapsed).then(|| active.running.clone())
}

/// Takes a run out of those under way, unless its work is put back.
struct Gone<'a> {
    jobs: &'a Jobs,
    job: Job,
    number: u64,
    put_back: bool,
}

impl Gone<'_> {
    fn put_back(mut self, work: Box<dyn Work>, seen: Duration) {
        let mut active = self.jobs.lock();
        if let Some(active) = active.get_mut(&self.job).filter(|active| active.running.number == self.number)
        {
            active.work = Some(work);
            active.seen = seen;
        }
        drop(active);
        self.put_back = true;
    }
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        if !self.put_back {
            let mut active = self.jobs.lock();
            if active.get(&self.job).is_some_and(|active| active.running.number == self.number) {
                active.remove(&self.job);
            }
        }
    }
}
