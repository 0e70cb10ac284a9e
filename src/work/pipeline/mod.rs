//! The pipeline: one pool of workers a stage, joined by bounded channels of item numbers.
//!
//! ```text
//!            +--------- tender: rings ready items, wakes waiting ones --------+
//!            v              v               v              v                  v
//!  submit -> [download] -> [unpack] -> [checksum] -> [validate] -> [store] -> [record] -> kept
//! ```
//!
//! - The ledger is the queue. A channel only rings: a lost message loses nothing, a doubled one does nothing.
//! - A worker promises space, claims, works, commits, and only then rings the next stage.
//! - A panic in a stage becomes a held item. A commit that fails ends the process: what is on disk is then unknown.
//! - Waiting for space or for a turn uses no try.

mod promising;
mod tender;
mod turns;

use crate::books::ledger::{Lease, Ledger, LedgerError, Report};
use crate::books::volume::{PlaceTotal, Promises};
use crate::model::checkpoint::{Move, Stage, Standing};
use crate::model::errand::Errand;
use crate::model::item::{Item, ItemId};
use crate::model::trouble::{Kind, Stop, Trouble, Wait};
use crate::work::job::{Done, Job, Meter, Settings, staging_folder};
use crate::work::stages::{self, StageWork};
use crate::worlds::World;
use crate::worlds::target::Txn;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Items that may be rung at one stage and not yet taken.
pub const CHANNEL: usize = 64;

/// Pause before an item that waits for space or a turn is looked at again, if nothing changes before.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The running line.
pub struct Pipeline {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    // Dropped to end the workers' and the tender's waiting.
    stop: Option<Sender<()>>,
}

/// A job under way, for `status` and progress bars.
#[derive(Clone, Debug)]
pub struct Underway {
    /// The item.
    pub item: ItemId,
    /// Its bag.
    pub bag: String,
    /// The stage.
    pub stage: Stage,
    /// How far it has come.
    pub meter: Arc<Meter>,
}

struct Shared {
    world: Arc<World>,
    ledger: Arc<Ledger>,
    settings: Settings,
    promises: Promises,
    bells: BTreeMap<Stage, Sender<ItemId>>,
    drain: AtomicBool,
    fatal: Mutex<Option<String>>,
    underway: Mutex<BTreeMap<ItemId, Underway>>,
    /// Items in the hands of a worker.
    taken: Mutex<BTreeSet<ItemId>>,
    /// The waiting item of each stage that was looked at last, while there are more of them than one look is for.
    looked: Mutex<BTreeMap<Stage, ItemId>>,
    progress: AtomicU64,
}

impl Pipeline {
    /// Recovers items that a former process was working on, then starts the workers.
    pub fn start(
        world: Arc<World>,
        ledger: Arc<Ledger>,
        settings: Settings,
    ) -> Result<Pipeline, LedgerError> {
        let mut bells = BTreeMap::new();
        let mut channels = BTreeMap::new();
        for stage in stages::all().map(|work| work.name()) {
            let (bell, rung) = bounded(CHANNEL);
            bells.insert(stage, bell);
            channels.insert(stage, rung);
        }
        let shared = Arc::new(Shared {
            world,
            ledger,
            settings,
            promises: Promises::new(),
            bells,
            drain: AtomicBool::new(false),
            fatal: Mutex::new(None),
            underway: Mutex::new(BTreeMap::new()),
            taken: Mutex::new(BTreeSet::new()),
            looked: Mutex::new(BTreeMap::new()),
            progress: AtomicU64::new(0),
        });
        shared.recover()?;
        let (stop, stopped) = bounded::<()>(0);
        let mut threads = Vec::new();
        for (stage, rung) in channels {
            for number in 0..shared.settings.workers.get(&stage).copied().unwrap_or(1).max(1) {
                let (shared, rung, stopped) = (shared.clone(), rung.clone(), stopped.clone());
                threads
                    .push(spawn(format!("{stage}-{number}"), move || shared.worker(stage, &rung, &stopped)));
            }
        }
        let tender = shared.clone();
        threads.push(spawn("tender".into(), move || tender.tend(&stopped)));
        Ok(Pipeline { shared, threads, stop: Some(stop) })
    }

    /// Rings an item's stage, so that it is not found only by the next look of the tender.
    pub fn ring(&self, item: &Item) {
        self.shared.ring(item);
    }

    /// Jobs under way.
    pub fn underway(&self) -> Vec<Underway> {
        lock(&self.shared.underway).values().cloned().collect()
    }

    /// What is promised on each volume and target.
    pub fn promised(&self) -> Vec<PlaceTotal> {
        self.shared.promises.totals()
    }

    /// Items rung and not yet taken, by stage.
    pub fn depths(&self) -> Vec<(Stage, usize)> {
        self.shared.bells.iter().map(|(stage, bell)| (*stage, bell.len())).collect()
    }

    /// Grows whenever a job moves on; what feeds the watchdog.
    pub fn progress(&self) -> u64 {
        let done: u64 =
            lock(&self.shared.underway).values().map(|job| job.meter.bytes.load(Ordering::Relaxed)).sum();
        self.shared.progress.load(Ordering::Relaxed).wrapping_add(done)
    }

    /// Why the pipeline stopped by itself, if it did: the process must end.
    pub fn fatal(&self) -> Option<String> {
        lock(&self.shared.fatal).clone()
    }

    /// Asks the workers to let go at the next part boundary.
    pub fn drain(&self) {
        self.shared.drain.store(true, Ordering::Relaxed);
    }

    /// True when the process wants to end.
    pub fn is_draining(&self) -> bool {
        self.shared.over()
    }

    /// Drains, and waits for the workers to end.
    pub fn stop(mut self) -> Result<(), String> {
        self.end();
        match self.fatal() {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.drain();
        self.stop.take();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                *lock(&self.shared.fatal) = Some("a worker thread panicked outside a stage".into());
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name).spawn(work).expect("the system gives a thread at start")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

/// An item in the hands of one worker, until this is dropped.
struct Alone<'a> {
    taken: &'a Mutex<BTreeSet<ItemId>>,
    id: ItemId,
}

impl<'a> Alone<'a> {
    fn with(taken: &'a Mutex<BTreeSet<ItemId>>, id: ItemId) -> Option<Alone<'a>> {
        // Lazily: an `Alone` that is made and dropped here would take the item from the one who has it.
        lock(taken).insert(id).then(|| Alone { taken, id })
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        lock(self.taken).remove(&self.id);
    }
}

impl Shared {
    fn worker(&self, stage: Stage, rung: &Receiver<ItemId>, stopped: &Receiver<()>) {
        while !self.over() {
            select! {
                recv(stopped) -> _ => return,
                recv(rung) -> id => {
                    let Ok(id) = id else { return };
                    if self.over() {
                        return;
                    }
                    match self.take(id, stages::of(stage)) {
                        Ok(()) => {}
                        // The item was taken away while it was worked on; whoever has it now goes on with it.
                        Err(LedgerError::Lost { .. }) => log::warn!(ITEM = id.0; "item {id} was taken away from {stage}"),
                        Err(error) => self.fail(&format!("item {id} at {stage}: {error}")),
                    }
                }
            }
        }
    }

    fn over(&self) -> bool {
        self.drain.load(Ordering::Relaxed) || lock(&self.fatal).is_some()
    }

    /// The ledger failed: nothing more is claimed, and the process must end.
    fn fail(&self, why: &str) {
        log::error!("the ledger failed, the process must end: {why}");
        lock(&self.fatal).get_or_insert_with(|| why.to_string());
        self.drain.store(true, Ordering::Relaxed);
    }

    /// One item at one stage: promise, claim, work, commit, ring.
    fn take(&self, id: ItemId, stage: &dyn StageWork) -> Result<(), LedgerError> {
        // Rung by the stage before and by the tender, an item may reach two workers. The second would give back the
        // first one's promises, or make the item wait while it is in work, which outdates the first one's lease.
        let Some(alone) = Alone::with(&self.taken, id) else { return Ok(()) };
        let moved = self.take_alone(id, stage)?;
        drop(alone);
        if let Some(item) = moved {
            self.progress.fetch_add(1, Ordering::Relaxed);
            self.ring(&item);
        }
        Ok(())
    }

    /// Gives the item when it was worked on.
    fn take_alone(&self, id: ItemId, stage: &dyn StageWork) -> Result<Option<Item>, LedgerError> {
        let Some(item) = self.ledger.item(id)? else { return Ok(None) };
        if item.checkpoint.stage != stage.name() || item.checkpoint.standing != Standing::Ready {
            return Ok(None);
        }
        if let Some(behind) = self.older_at_work(&item)? {
            return self.wait(&item, Wait::Turn { behind }).map(|()| None);
        }
        let (volume, promises) = match self.promise(&item, stage) {
            Ok(promised) => promised,
            Err(Stop::Wait(wait)) => return self.wait(&item, wait).map(|()| None),
            // Claimed without space, only to be told off: the trouble belongs to an attempt.
            Err(Stop::Trouble(trouble)) => {
                let Some(lease) = self.ledger.claim(id, stage.name(), None, Vec::new())? else {
                    return Ok(None);
                };
                return self.settle(&lease, Err(Stop::Trouble(trouble)), &Meter::default()).map(|_| None);
            }
            Err(_) => return Ok(None),
        };
        let claimed = self.ledger.claim(id, stage.name(), volume, promises);
        let Some(lease) = claimed? else {
            self.promises.give_back_all(id);
            return Ok(None);
        };
        let item = self.work(&lease, stage)?;
        self.promises.give_back_all(id);
        Ok(Some(item))
    }

    fn wait(&self, item: &Item, wait: Wait) -> Result<(), LedgerError> {
        // What it held when the process before ended: waiting with it, it would keep space from those that it waits for.
        self.promises.give_back_all(item.id);
        let until = match (&wait, &item.errand) {
            (Wait::Grace, Some(Errand::Delete(order))) => order.not_before,
            _ => later(self.world.clock.now(), LOOK_AGAIN),
        };
        match self.ledger.nudge(item.id, &Move::Wait { wait, until }) {
            Ok(_) | Err(LedgerError::Illegal(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn work(&self, lease: &Lease, stage: &dyn StageWork) -> Result<Item, LedgerError> {
        let meter = Arc::new(Meter::default());
        let item = &lease.item;
        let underway =
            Underway { item: item.id, bag: item.bag.clone(), stage: stage.name(), meter: meter.clone() };
        lock(&self.underway).insert(item.id, underway);
        let job = Job {
            world: &self.world,
            ledger: &self.ledger,
            settings: &self.settings,
            item,
            fence: lease.fence,
            meter: &meter,
            drain: &self.drain,
            promises: &self.promises,
        };
        let ended = catch_unwind(AssertUnwindSafe(|| stage.work(&job))).unwrap_or_else(|panic| {
            Err(Trouble::new(Kind::Panicked, panic_text(&*panic))
                .while_doing(format!("at {}", stage.name()))
                .into())
        });
        let (item, done) = self.settle(lease, ended, &meter)?;
        if let Some(done) = done
            && let Err(trouble) = stage.tidy(&job, &done)
        {
            // Only space is lost, until the next start.
            log::warn!(ITEM = item.id.0; "tidying up after {}: {}", stage.name(), trouble.sentence());
        }
        match item.checkpoint.standing {
            Standing::Cancelled => self.clear(&item),
            Standing::Refused { .. } => {
                self.clear_unpacked(&item);
                forget_address(&self.world, &item.deposit.key);
            }
            Standing::Kept => forget_address(&self.world, &item.deposit.key),
            _ => {}
        }
        lock(&self.underway).remove(&item.id);
        Ok(item)
    }

    /// Commits how the stage ended.
    fn settle(
        &self,
        lease: &Lease,
        ended: Result<Done, Stop>,
        meter: &Meter,
    ) -> Result<(Item, Option<Done>), LedgerError> {
        let mut report = Report {
            bytes: meter.bytes.load(Ordering::Relaxed),
            files: meter.files.load(Ordering::Relaxed),
            files_kept: meter.files_kept.load(Ordering::Relaxed),
            ..Report::default()
        };
        let (then, done) = match ended {
            Ok(mut done) => {
                report.found = Some(std::mem::take(&mut done.found));
                report.deposit = done.deposit.take();
                report.events = std::mem::take(&mut done.events);
                report.registry = done.registry.take();
                report.concluded = done.concluded.take();
                (Move::Finish, Some(done))
            }
            Err(Stop::Refused { trouble, found }) => {
                report.found = Some(*found);
                (Move::Fail { trouble, until: self.world.clock.now() }, None)
            }
            Err(Stop::Partly { trouble, found }) => {
                report.found = Some(*found);
                (self.stopped(lease, Stop::Trouble(trouble)), None)
            }
            Err(Stop::Changed { trouble, deposit }) => {
                report.deposit = Some(*deposit);
                (self.stopped(lease, Stop::Trouble(trouble)), None)
            }
            Err(stop) => (self.stopped(lease, stop), None),
        };
        let item = self.ledger.commit(lease, &then, report)?;
        self.tell(&item, lease, &then);
        Ok((item, done))
    }

    fn stopped(&self, lease: &Lease, stop: Stop) -> Move {
        let stage = lease.item.checkpoint.stage;
        let until = later(self.world.clock.now(), self.pause(lease.item.checkpoint.tries));
        match stop {
            Stop::Wait(wait) => Move::Wait { wait, until: later(self.world.clock.now(), LOOK_AGAIN) },
            Stop::Drained => Move::Drain,
            Stop::Back { trouble, to } => Move::Back { trouble, to: back(stage, to), until },
            Stop::Trouble(trouble) => match trouble.kind {
                Kind::DepositChanged => Move::Back { trouble, to: back(stage, Stage::Download), until },
                Kind::FactsDamaged => Move::Back { trouble, to: back(stage, Stage::Unpack), until },
                _ => Move::Fail { trouble, until },
            },
            Stop::Later { trouble, after } => {
                let asked = later(self.world.clock.now(), after.min(LATER_MAX));
                Move::Fail { trouble, until: until.max(asked) }
            }
            Stop::Refused { trouble, .. } | Stop::Changed { trouble, .. } | Stop::Partly { trouble, .. } => {
                Move::Fail { trouble, until }
            }
        }
    }

    /// Doubles with every try up to the longest pause, and is spread so that many items do not come back at once.
    fn pause(&self, tries: u32) -> Duration {
        let doubled = self.settings.retry_first.saturating_mul(1 << tries.min(16));
        doubled.min(self.settings.retry_longest).mul_f64(0.5 + self.world.clock.jitter() / 2.0)
    }

    fn tell(&self, item: &Item, lease: &Lease, then: &Move) {
        let (id, stage) = (item.id, lease.item.checkpoint.stage.name());
        match item.checkpoint.standing.trouble() {
            Some(trouble) if *then != Move::Finish => log::warn!(
                ITEM = id.0, STAGE = stage, DEPOSITOR = item.depositor.as_str(), TROUBLE = trouble.kind.name();
                "{stage}: {}; {}; {}", trouble.sentence(), trouble.kind.row().next, trouble.advice(id.0)),
            _ => log::info!(
                ITEM = id.0, STAGE = stage, DEPOSITOR = item.depositor.as_str();
                "item {id} ({}): {stage} {}", item.bag, then.name()),
        }
    }

    /// Removes the tar that a refused deposit was unpacked to: nobody reads it, and a requeue makes it again.
    fn clear_unpacked(&self, item: &Item) {
        let Some(packed) = item.found.unpack.as_ref().and_then(|unpack| unpack.packed.as_ref()) else {
            return;
        };
        if let Ok(folder) = staging_folder(&self.settings, item)
            && let Err(error) = self.world.disk.remove(&folder.join(&packed.file))
        {
            log::warn!(ITEM = item.id.0; "clearing an unpacked tar: {}", Trouble::from(error).sentence());
        }
    }

    /// Removes what a cancelled item left on staging and targets.
    fn clear(&self, item: &Item) {
        clear_cancelled(&self.world, &self.settings, item);
    }
}

/// What was withheld of an address is removed once nobody will ask it again. Where that fails the next start does it.
pub fn forget_address(world: &World, key: &str) {
    let forgotten = world.source.withheld().map_or(Ok(()), |withheld| withheld.forget(key));
    if let Err(error) = forgotten {
        log::warn!("the secret part of an address is not removed: {error}");
    }
}

/// Removes what a cancelled item left on its staging volume and staged on targets. Not doing it loses only space.
pub fn clear_cancelled(world: &World, settings: &Settings, item: &Item) {
    forget_address(world, &item.deposit.key);
    if let Err(trouble) = stages::deliver::withdraw(world, settings, item) {
        log::warn!(ITEM = item.id.0; "clearing the place it was brought to: {}", trouble.sentence());
    }
    if let Ok(folder) = staging_folder(settings, item)
        && let Err(error) = world.disk.remove(&folder)
    {
        log::warn!(ITEM = item.id.0; "clearing staging: {}", Trouble::from(error).sentence());
    }
    let txn = Txn { ledger: settings.ledger_id.clone(), item: item.id.0, fence: item.checkpoint.fence };
    for target in world.targets.values() {
        if let Err(error) = target.discard(&txn) {
            log::warn!(ITEM = item.id.0; "clearing a target: {}", Trouble::from(error).sentence());
        }
    }
}

/// To which stage an item at this one goes back, when this other one must run again; an errand begins anew.
fn back(stage: Stage, to: Stage) -> Stage {
    let line = stage.line();
    if line.contains(&to) { to.min(stage) } else { line[0] }
}

/// Nobody may make us wait for longer.
const LATER_MAX: Duration = Duration::from_secs(24 * 3600);

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(jiff::SignedDuration::try_from(pause).unwrap_or(jiff::SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it gave no reason".into())
}
