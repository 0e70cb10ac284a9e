//! The gate that every byte of a sweep goes through: it says how fast, and when to stop.
//!
//! - While deposits are in work, all threads of a sweep together work a share of the time only.
//! - A file that was begun is read to its end when time or bytes are used up, so that no file is too large for every
//!   budget; when the process ends it is left at once.

use crate::books::config::fixity::FixityConfig;
use crate::model::trouble::Stop;
use crate::worlds::World;
use crate::worlds::net::pace::{Pace, portion};
use jiff::tz::TimeZone;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Longest sleep before asking again whether to stop.
const NAP: Duration = Duration::from_millis(200);

/// How long an answer to whether deposits are in work holds.
const BUSY_HOLDS: Duration = Duration::from_millis(50);

/// Work that is paused for at once, at most: a longer stretch was a wait for the disk.
const STRETCH_MAX: Duration = Duration::from_millis(500);

thread_local! {
    /// When this thread last came through a gate.
    static CAME: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What a run may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Time.
    pub time: Option<Duration>,
    /// Bytes.
    pub bytes: Option<u64>,
}

/// The gate.
pub struct Gate<'a> {
    world: &'a World,
    over: &'a (dyn Fn() -> bool + Sync),
    busy: &'a (dyn Fn() -> bool + Sync),
    share: u32,
    pace: Pace,
    budget: Budget,
    began: Duration,
    read: AtomicU64,
    looked: Mutex<Option<(Instant, bool)>>,
    /// Who pauses has it: the others wait meanwhile, so that the share is one of all together.
    turn: Mutex<()>,
}

impl<'a> Gate<'a> {
    /// A gate for one run.
    pub fn new(
        world: &'a World,
        config: &FixityConfig,
        budget: Budget,
        over: &'a (dyn Fn() -> bool + Sync),
        busy: &'a (dyn Fn() -> bool + Sync),
    ) -> Gate<'a> {
        Gate {
            world,
            over,
            busy,
            share: config.share.clamp(1, 100),
            pace: Pace::new(config.bandwidth.clone()),
            budget,
            began: world.clock.monotonic(),
            read: AtomicU64::new(0),
            looked: Mutex::new(None),
            turn: Mutex::new(()),
        }
    }

    /// Lets these bytes pass, now or later; says to stop when the process ends.
    pub fn pass(&self, bytes: u64) -> Result<(), Stop> {
        self.read.fetch_add(bytes, Ordering::Relaxed);
        self.keep_pace(bytes)?;
        self.give_way()?;
        if (self.over)() { Err(Stop::Drained) } else { Ok(()) }
    }

    /// True when the process ends, or somebody asked the run to.
    pub fn is_over(&self) -> bool {
        (self.over)()
    }

    /// True when time or bytes are used up.
    pub fn is_spent(&self) -> bool {
        let gone = self.world.clock.monotonic().saturating_sub(self.began);
        self.budget.time.is_some_and(|time| gone >= time)
            || self.budget.bytes.is_some_and(|bytes| self.read.load(Ordering::Relaxed) >= bytes)
    }

    /// Bytes that passed.
    pub fn bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn keep_pace(&self, bytes: u64) -> Result<(), Stop> {
        let hour = || u8::try_from(self.world.clock.now().to_zoned(TimeZone::system()).hour()).unwrap_or(0);
        let mut left = bytes;
        while left > 0 && !self.pace.is_unlimited() {
            let now = portion(self.pace.rate(hour()), usize::try_from(left).unwrap_or(usize::MAX)) as u64;
            left = left.saturating_sub(now.max(1));
            self.sleep(self.pace.take(now, self.world.clock.monotonic(), hour()))?;
        }
        Ok(())
    }

    /// While deposits are in work: pauses for as much longer than this thread worked since it last came, as the share is
    /// smaller than the whole.
    fn give_way(&self) -> Result<(), Stop> {
        let now = Instant::now();
        let before = CAME.replace(Some(now));
        if self.share == 100 || !self.is_busy(now) {
            return Ok(());
        }
        let worked = before.map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        let pause = worked.min(STRETCH_MAX) * (100 - self.share) / self.share;
        let turn = lock(&self.turn);
        let slept = self.sleep(pause);
        drop(turn);
        CAME.set(Some(Instant::now()));
        slept
    }

    fn is_busy(&self, now: Instant) -> bool {
        let mut looked = lock(&self.looked);
        match *looked {
            Some((at, busy)) if now.saturating_duration_since(at) < BUSY_HOLDS => busy,
            _ => {
                let busy = (self.busy)();
                *looked = Some((now, busy));
                busy
            }
        }
    }

    fn sleep(&self, mut wait: Duration) -> Result<(), Stop> {
        while !wait.is_zero() {
            if (self.over)() {
                return Err(Stop::Drained);
            }
            let nap = wait.min(NAP);
            std::thread::sleep(nap);
            wait -= nap;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}
