//! The machine's clock.
//!
//! - `monotonic` counts from the moment it was made, whatever happens to the wall clock.

use crate::worlds::clock::Clock;
use jiff::{Timestamp, TimestampRound, Unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The machine's clock.
pub struct SystemClock {
    made: Instant,
    dice: AtomicU64,
}

impl SystemClock {
    /// Starts counting.
    pub fn new() -> SystemClock {
        let nanos = Timestamp::now().as_nanosecond() as u64;
        let seed = nanos ^ u64::from(std::process::id()).rotate_left(32);
        // xorshift never leaves 0.
        SystemClock { made: Instant::now(), dice: AtomicU64::new(seed.max(1)) }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let to_millis = TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Floor);
        // Rounding fails only at the far end of jiff's range of years.
        now.round(to_millis).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.made.elapsed()
    }

    fn jitter(&self) -> f64 {
        let step = |mut dice: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^ (dice << 17)
        };
        let dice = self
            .dice
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |dice| Some(step(dice)))
            .unwrap_or_else(|dice| dice);
        // 53 bits: as many as an f64 keeps.
        (dice >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_has_whole_milliseconds_and_is_now() {
        let now = SystemClock::new().now();
        assert_eq!(now.subsec_nanosecond() % 1_000_000, 0);
        assert!(now.duration_until(Timestamp::now()).as_secs() < 60);
    }

    #[test]
    fn jitter_stays_between_0_and_1_and_spreads() {
        let clock = SystemClock::new();
        let throws: Vec<f64> = (0..1_000).map(|_| clock.jitter()).collect();
        assert!(throws.iter().all(|throw| (0.0..1.0).contains(throw)));
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            assert!(throws.iter().any(|throw| (low..low + 0.1).contains(throw)), "none from {low}");
        }
    }

    #[test]
    fn monotonic_never_goes_back() {
        let clock = SystemClock::new();
        let mut last = clock.monotonic();
        for _ in 0..1_000 {
            let next = clock.monotonic();
            assert!(next >= last);
            last = next;
        }
    }
}
