//! Sweeps: copies are proved again, the one that was proved longest ago first, on every target at once.
//!
//! ```text
//! canary -> each target: what is due, oldest first -> prove -> times, counts and place in one commit -> next -> report
//! ```
//!
//! - What is due follows from the registry alone. A run that is cut off at any place goes on there when it is asked for
//!   again, and no copy is proved twice in it.
//! - "Could not check" is never "ok": a copy that was not read to its end keeps its old time of proof, and is counted.
//! - Sound copies are recorded many in one commit; one in which something is wrong gets an event beside its copies and a
//!   mark, in a commit of its own. What a run proved is kept beside the storage roots.
//! - A target that is away or looks ill stops its own part of the run, and nobody else's.
//! - No object is kept from its deposits while its copy is read; one that changed meanwhile is left to the next run.
//! - Memory is one part of the files of a copy for each thread, and a page of what is due for each target.

pub mod breaker;
pub mod canary;
pub mod gate;
mod look;
mod recording;
pub mod report;
mod round;
pub mod running;

use crate::books::config::fixity::FixityConfig;
use crate::books::ledger::{Ledger, LedgerError, SweepRow, SweepState, SweepTarget};
use crate::model::proof::Proof;
use crate::model::trouble::Stop;
use crate::rules::due;
use crate::rules::sort::Scratch;
use crate::work::job::Settings;
use crate::work::proving::{How, Wanted};
use crate::worlds::World;
use crate::worlds::target::Target;
use gate::{Budget, Gate};
use round::Round;
use std::sync::Mutex;

/// Who proves a copy: `proving::prove_from`, or somebody that a test puts in its place.
pub type Prove<'a> =
    dyn Fn(&dyn Target, &Wanted<'_>, &dyn Scratch, How<'_>) -> Result<Proof, Stop> + Sync + 'a;

/// What a run shall do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Who asks for it.
    pub asked_by: String,
    /// Everything, due or not.
    pub all: bool,
    /// What it may take.
    pub budget: Budget,
    /// Only on these targets; none: on all that are in use.
    pub targets: Vec<String>,
}

/// Who sweeps.
pub struct Sweep<'a> {
    /// The worlds.
    pub world: &'a World,
    /// The registry.
    pub ledger: &'a Ledger,
    /// What the configuration says of the work.
    pub settings: &'a Settings,
    /// What it says of sweeps.
    pub config: &'a FixityConfig,
    /// Who proves.
    pub prove: &'a Prove<'a>,
    /// True when the process ends, or somebody asked the run to.
    pub over: &'a (dyn Fn() -> bool + Sync),
    /// True while deposits are in work.
    pub busy: &'a (dyn Fn() -> bool + Sync),
    /// Told how a target stands whenever that was committed.
    pub told: &'a (dyn Fn(&SweepTarget) + Sync),
}

impl Sweep<'_> {
    /// The run to be made: the one that was cut off, if it was asked for in the same way, else a new one. It is the newest
    /// from now on.
    pub fn begin(&self, order: &Order) -> Result<SweepRow, LedgerError> {
        let targets = self.targets(order);
        let now = self.world.clock.now();
        let newest = self.ledger.sweep_now()?;
        let (seconds, bytes) = (order.budget.time.map(|time| time.as_secs()), order.budget.bytes);
        if let Some(mut cut) = newest.clone().filter(|row| row.ended.is_none()) {
            if cut.all == order.all && cut.targets == targets {
                (cut.seconds, cut.bytes) = (seconds, bytes);
                self.ledger.keep_sweep(&cut, &[])?;
                return Ok(cut);
            }
            let mut parts = self.ledger.sweep_targets(cut.number)?;
            parts.iter_mut().filter(|part| part.state == SweepState::Going).for_each(|part| {
                part.state = SweepState::Stopped;
                part.why = Some("the process ended".into());
            });
            (cut.ended, cut.why) = (Some(now), Some("the process ended".into()));
            self.ledger.keep_sweep(&cut, &parts)?;
        }
        let row = SweepRow {
            number: newest.map_or(0, |row| row.number) + 1,
            asked_by: order.asked_by.clone(),
            started: now,
            all: order.all,
            seconds,
            bytes,
            targets: targets.clone(),
            ..SweepRow::default()
        };
        let part = |target: String| SweepTarget {
            before: if order.all { now } else { due::since(now, self.config.every(&target)) },
            target,
            ..SweepTarget::default()
        };
        self.ledger.keep_sweep(&row, &targets.into_iter().map(part).collect::<Vec<_>>())?;
        Ok(row)
    }

    /// The targets of a run: those that were named, or all whose copies count.
    pub fn targets(&self, order: &Order) -> Vec<String> {
        let mut targets: Vec<String> = match order.targets.is_empty() {
            false => order.targets.clone(),
            true => self.settings.counted_targets(self.world),
        };
        targets.sort();
        targets.dedup();
        targets
    }

    /// Makes the run, or goes on with it, until nothing is due, its budget is used up, or it is asked to stop.
    pub fn run(&self, mut row: SweepRow) -> Result<SweepRow, LedgerError> {
        if let Some(why) = canary::sing(self.prove) {
            log::error!("run {} of fixity refuses to report: {why}", row.number);
            row.refused = true;
            row.why = Some(why);
            return self.end(row, SweepState::Stopped);
        }
        let time = row.seconds.map(std::time::Duration::from_secs);
        let gate =
            Gate::new(self.world, self.config, Budget { time, bytes: row.bytes }, self.over, self.busy);
        let parts = self.ledger.sweep_targets(row.number)?;
        let failed = Mutex::new(None);
        std::thread::scope(|scope| {
            for part in parts.into_iter().filter(|part| part.state == SweepState::Going) {
                let (row, gate, failed) = (&row, &gate, &failed);
                scope.spawn(move || {
                    if let Err(error) = (Round { sweep: self, row, gate }).run(part) {
                        failed.lock().unwrap_or_else(|broken| broken.into_inner()).get_or_insert(error);
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(|broken| broken.into_inner()) {
            Some(error) => Err(error),
            None => self.end(row, SweepState::Going),
        }
    }

    /// Ends the run: what was not reached is counted, and what was proved is kept beside the storage roots. Parts that go on
    /// come to this state.
    fn end(&self, mut row: SweepRow, state: SweepState) -> Result<SweepRow, LedgerError> {
        let mut parts = self.ledger.sweep_targets(row.number)?;
        for part in parts.iter_mut() {
            if part.state == SweepState::Going {
                part.state = state;
                part.why.clone_from(&row.why);
            }
            if part.state != SweepState::Done {
                self.count_left(part)?;
            }
        }
        if row.why.is_none() {
            let first = parts.iter().filter(|part| part.state != SweepState::Done);
            row.why = first.map(|part| part.state.name().to_string()).next();
        }
        row.ended = Some(self.world.clock.now());
        if !row.refused {
            report::keep(self, &row);
        }
        self.ledger.keep_sweep(&row, &parts)?;
        parts.iter().for_each(self.told);
        Ok(row)
    }

    /// Counts the copies that were due and are behind the last one that was looked at.
    fn count_left(&self, part: &mut SweepTarget) -> Result<(), LedgerError> {
        let mut place = part.place.clone();
        loop {
            let page = self.ledger.oldest_proofs(&part.target, place.as_deref(), round::PAGE)?;
            for copy in &page {
                if copy.proved_at > part.before {
                    return Ok(());
                }
                part.left += 1;
                part.not_reached += copy.files;
            }
            match page.last() {
                Some(last) => place = Some(last.place.clone()),
                None => return Ok(()),
            }
        }
    }
}
