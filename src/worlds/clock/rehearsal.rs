//! A clock that stands still until it is told to go on.
//!
//! - Looking at it moves nothing; two rehearsals of one story see the same times.

use crate::worlds::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use std::sync::Mutex;
use std::time::Duration;

/// Milliseconds since 1970 at which every rehearsal starts: 2026-01-01T00:00:00Z.
const START_MILLIS: i64 = 1_767_225_600_000;

/// A clock that stands still until it is told to go on.
#[derive(Debug, Default)]
pub struct RehearsalClock {
    gone: Mutex<Duration>,
    /// How far the wall clock was set away from what it should show.
    set_off: Mutex<SignedDuration>,
}

impl RehearsalClock {
    /// Stands at the start.
    pub fn new() -> RehearsalClock {
        RehearsalClock::default()
    }

    /// Time goes on.
    pub fn advance(&self, by: Duration) {
        let mut gone = self.gone.lock().unwrap_or_else(|broken| broken.into_inner());
        *gone = gone.saturating_add(by);
    }

    /// Somebody sets the wall clock forward or back; `monotonic` does not notice.
    pub fn set_wall(&self, by: SignedDuration) {
        let mut set_off = self.set_off.lock().unwrap_or_else(|broken| broken.into_inner());
        *set_off = set_off.saturating_add(by);
    }
}

impl Clock for RehearsalClock {
    fn now(&self) -> Timestamp {
        let set_off = *self.set_off.lock().unwrap_or_else(|broken| broken.into_inner());
        let gone = i64::try_from(self.monotonic().as_millis()).unwrap_or(i64::MAX);
        let off = i64::try_from(set_off.as_millis()).unwrap_or(0);
        let millis = START_MILLIS.saturating_add(gone).saturating_add(off);
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        *self.gone.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    fn jitter(&self) -> f64 {
        0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_moves_nothing_and_advancing_moves_both_faces() {
        let clock = RehearsalClock::new();
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now().to_string(), "2026-01-01T00:00:01.5Z");
        assert_eq!(clock.monotonic(), Duration::from_millis(1_500));
    }

    #[test]
    fn a_wall_clock_set_back_does_not_touch_the_monotonic_one() {
        let clock = RehearsalClock::new();
        clock.advance(Duration::from_secs(10));
        clock.set_wall(SignedDuration::from_hours(-1));
        assert_eq!(clock.now().to_string(), "2025-12-31T23:00:10Z");
        assert_eq!(clock.monotonic(), Duration::from_secs(10));
    }
}
