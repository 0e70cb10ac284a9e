//! When a job is due: from when it was done last, and from nothing else.
//!
//! - A job that was not done is due, however often it was tried; one that was done is not, however often it is started.
//! - A clock that was wrong keeps no job from its work: what was done in the future was not done.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// So much of its time may a job come early: schedulers spread their starts, and come at the same hour, not later each day.
const EARLY: u32 = 8;

/// Whether a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is.
    Now,
    /// It will be then.
    At(Timestamp),
    /// Only when a person asks.
    Never,
}

/// Whether a job is due that has to be done so often and was done then.
pub fn due(every: Option<Duration>, done: Option<Timestamp>, now: Timestamp) -> Due {
    let Some(every) = every else { return Due::Never };
    let Some(done) = done else { return Due::Now };
    let early = every / EARLY;
    let in_the_future = now.duration_until(done) > signed(early);
    let at = done.checked_add(signed(every - early)).unwrap_or(Timestamp::MAX);
    if in_the_future || at <= now { Due::Now } else { Due::At(at) }
}

/// True when a job that should have been done twice was not done: `since` is when there was something to do first.
pub fn is_late(
    every: Option<Duration>,
    done: Option<Timestamp>,
    since: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let Some(every) = every else { return false };
    let Some(last) = done.or(since) else { return false };
    now.duration_since(last) > signed(every.saturating_mul(2))
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3_600).unwrap()
    }

    #[test]
    fn a_job_is_due_when_its_time_is_nearly_over_and_not_before() {
        let day = Some(Duration::from_secs(86_400));
        let table = [
            (day, None, 0, Due::Now),
            (day, Some(0), 1, Due::At(at(21))),
            (day, Some(0), 20, Due::At(at(21))),
            // Started half an hour later yesterday, by chance.
            (day, Some(0), 21, Due::Now),
            (day, Some(0), 24, Due::Now),
            // The machine was off for weeks.
            (day, Some(0), 2_000, Due::Now),
            // The clock was set back a little, and by years.
            (day, Some(3), 0, Due::At(at(24))),
            (day, Some(50_000), 0, Due::Now),
            (None, None, 0, Due::Never),
        ];
        for (every, done, now, wanted) in table {
            assert_eq!(due(every, done.map(at), at(now)), wanted, "{done:?} {now}");
        }
    }

    #[test]
    fn a_job_is_late_when_it_was_not_done_twice() {
        let day = Some(Duration::from_secs(86_400));
        assert!(!is_late(day, None, None, at(1_000)));
        assert!(!is_late(day, None, Some(at(0)), at(48)));
        assert!(is_late(day, None, Some(at(0)), at(49)));
        assert!(!is_late(day, Some(at(40)), Some(at(0)), at(49)));
        assert!(!is_late(None, None, Some(at(0)), at(49)));
    }
}
