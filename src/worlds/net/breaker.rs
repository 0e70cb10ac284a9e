//! The breaker: a source that does not answer is left alone for a while.
//!
//! - Failures of the network in a row open it; any answer at all closes it.
//! - While it is open nothing is sent. After its pause exactly one request may try; its outcome decides for all.
//! - The pause doubles up to a bound. Time is handed in, so that nothing here waits.
//!
//! ```text
//! closed --(FAILURES in a row)--> open --(pause over)--> trying --(answer)--> closed
//!    ^                              ^                       |
//!    |                              +------(failure)--------+
//! asked to rest (429, 503) ------> open until it is over, without a longer pause
//! ```

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Failures in a row that open it.
pub const FAILURES: u32 = 5;
/// First pause.
pub const PAUSE_FIRST: Duration = Duration::from_secs(15);
/// Longest pause, also when the source asks for a longer one.
pub const PAUSE_LONGEST: Duration = Duration::from_secs(600);
/// A try that never came back is forgotten after this.
const TRY_FORGOTTEN: Duration = Duration::from_secs(120);

/// The breaker of one source.
#[derive(Debug, Default)]
pub struct Breaker {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    failures: u32,
    /// Closed when there is none.
    open: Option<Open>,
    last_error: Option<String>,
}

#[derive(Debug)]
struct Open {
    until: Duration,
    pause: Duration,
    asked: bool,
    trying_since: Option<Duration>,
}

/// How a source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// Some requests in a row failed.
    Failing {
        /// How many.
        failures: u32,
    },
    /// It is left alone.
    Resting {
        /// How long still.
        remaining: Duration,
        /// It asked for it itself.
        asked: bool,
    },
    /// One request is trying it.
    Trying,
}

impl Breaker {
    /// Whether a request may be sent at `now`; if not, how long to wait.
    pub fn admit(&self, now: Duration) -> Result<(), Duration> {
        let mut inner = self.lock();
        let Some(open) = &mut inner.open else { return Ok(()) };
        if now < open.until {
            return Err(open.until - now);
        }
        if open.asked {
            // It said itself when it can be asked again; nothing has to be tried out.
            inner.open = None;
            return Ok(());
        }
        match open.trying_since {
            Some(since) if now < since + TRY_FORGOTTEN => Err(Duration::from_secs(1)),
            _ => {
                open.trying_since = Some(now);
                Ok(())
            }
        }
    }

    /// The source answered, whatever it said.
    pub fn answered(&self) {
        let mut inner = self.lock();
        // An answer to an older request does not end a rest that was asked for.
        if inner.open.as_ref().is_none_or(|open| !open.asked) {
            *inner = Inner::default();
        }
    }

    /// Nothing was learnt: nothing was sent after all. Another request may try.
    pub fn undecided(&self) {
        if let Some(open) = &mut self.lock().open {
            open.trying_since = None;
        }
    }

    /// The network failed at `now`.
    pub fn failed(&self, now: Duration, why: &str) {
        let mut inner = self.lock();
        inner.failures = inner.failures.saturating_add(1);
        inner.last_error = Some(why.to_string());
        let failures = inner.failures;
        match &mut inner.open {
            // Requests that were under way when it opened say nothing new.
            Some(open) if open.trying_since.is_none() => {}
            Some(open) => {
                open.pause = (open.pause * 2).min(PAUSE_LONGEST);
                open.until = now + open.pause;
                open.trying_since = None;
            }
            None if failures >= FAILURES => {
                let until = now + PAUSE_FIRST;
                inner.open = Some(Open { until, pause: PAUSE_FIRST, asked: false, trying_since: None });
            }
            None => {}
        }
    }

    /// The source asked at `now` to be left alone for `after`.
    pub fn rest(&self, now: Duration, after: Duration, why: &str) {
        let until = now + after.min(PAUSE_LONGEST);
        let mut inner = self.lock();
        inner.failures = 0;
        inner.last_error = Some(why.to_string());
        if inner.open.as_ref().is_none_or(|open| open.until < until) {
            inner.open = Some(Open { until, pause: PAUSE_FIRST, asked: true, trying_since: None });
        }
    }

    /// How the source is doing, and what it said last when it failed.
    pub fn health(&self, now: Duration) -> (Health, Option<String>) {
        let inner = self.lock();
        let health = match &inner.open {
            Some(open) if now < open.until => {
                Health::Resting { remaining: open.until - now, asked: open.asked }
            }
            Some(open) if open.trying_since.is_some() => Health::Trying,
            // Its pause is over; the next request will try.
            Some(open) => Health::Resting { remaining: Duration::ZERO, asked: open.asked },
            None if inner.failures > 0 => Health::Failing { failures: inner.failures },
            None => Health::Well,
        };
        (health, inner.last_error.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened() -> Breaker {
        let breaker = Breaker::default();
        (0..FAILURES).for_each(|_| breaker.failed(s(0), "refused"));
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_an_answer_between_starts_the_count_again() {
        let breaker = Breaker::default();
        for _ in 1..FAILURES {
            breaker.failed(s(0), "refused");
        }
        assert_eq!(breaker.admit(s(0)), Ok(()));
        breaker.answered();
        for _ in 1..FAILURES {
            breaker.failed(s(1), "refused");
        }
        assert_eq!(breaker.health(s(1)).0, Health::Failing { failures: FAILURES - 1 });
        breaker.failed(s(1), "no route");
        assert_eq!(breaker.admit(s(2)), Err(PAUSE_FIRST - s(1)));
        assert_eq!(breaker.health(s(2)).1.as_deref(), Some("no route"));
    }

    #[test]
    fn after_the_pause_one_request_tries_for_all() {
        let breaker = opened();
        let after = PAUSE_FIRST;
        assert_eq!(breaker.admit(after), Ok(()));
        assert!(breaker.admit(after).is_err(), "a second one must wait for the first");
        assert_eq!(breaker.health(after).0, Health::Trying);
        breaker.undecided();
        assert_eq!(breaker.admit(after), Ok(()));
        breaker.answered();
        assert_eq!(breaker.admit(after), Ok(()));
        assert_eq!(breaker.health(after), (Health::Well, None));
    }

    #[test]
    fn a_failed_try_makes_the_pause_longer_up_to_a_bound() {
        let breaker = opened();
        let mut now = s(0);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let wait = breaker.admit(now).err().unwrap_or_default();
            pauses.push(wait.as_secs());
            now += wait;
            assert_eq!(breaker.admit(now), Ok(()));
            breaker.failed(now, "refused");
        }
        assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 600, 600, 600, 600]);
    }

    #[test]
    fn failures_of_requests_already_under_way_do_not_make_the_pause_longer() {
        let breaker = opened();
        (0..20).for_each(|_| breaker.failed(s(1), "refused"));
        assert_eq!(breaker.admit(s(1)), Err(PAUSE_FIRST - s(1)));
    }

    #[test]
    fn a_source_that_asks_for_rest_gets_it_and_is_not_suspected() {
        let breaker = Breaker::default();
        breaker.rest(s(0), s(60), "429");
        breaker.answered();
        assert_eq!(breaker.admit(s(10)), Err(s(50)));
        breaker.rest(s(10), s(5), "429");
        assert_eq!(breaker.admit(s(10)), Err(s(50)), "a shorter rest does not end a longer one");
        assert_eq!(breaker.admit(s(60)), Ok(()));
        assert_eq!(breaker.admit(s(60)), Ok(()), "all may go on at once");
        breaker.rest(s(100), s(1 << 40), "429");
        assert_eq!(breaker.admit(s(100)), Err(PAUSE_LONGEST));
    }

    #[test]
    fn a_try_that_never_came_back_does_not_close_the_door_for_ever() {
        let breaker = opened();
        assert_eq!(breaker.admit(s(15)), Ok(()));
        assert!(breaker.admit(s(100)).is_err());
        assert_eq!(breaker.admit(s(15) + TRY_FORGOTTEN), Ok(()));
    }
}
