//! When copies are due to be proved again, and whether the pace of sweeps keeps up.
//!
//! - A copy is due when its last proof is as old as the interval of its target; a proof in the future is none.
//! - A forecast is made from what was measured. Nothing measured, nothing said.

use jiff::Timestamp;
use std::time::Duration;

/// A proof this far in the future was not made by this clock.
pub const AHEAD_MAX: Duration = Duration::from_secs(3_600);

/// Copies that were proved at this time or earlier are due now.
pub fn since(now: Timestamp, every: Duration) -> Timestamp {
    now.checked_sub(every).unwrap_or(Timestamp::MIN)
}

/// From this time on no proof can be: the clock was set back since.
pub fn not_yet(now: Timestamp) -> Timestamp {
    now.checked_add(AHEAD_MAX).unwrap_or(Timestamp::MAX)
}

/// True when what has to be done so often, and was begun then, is to be done again. A time that lies a whole interval ahead
/// was told by a clock that has been set back since: it keeps nothing from being done.
pub fn again(begun: Timestamp, every: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(begun).abs()).is_ok_and(|away| away >= every)
}

/// What was measured of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Bytes of all copies on it.
    pub bytes: u64,
    /// Copies on it.
    pub copies: u64,
    /// How often each must be proved.
    pub every: Duration,
    /// What runs within the window read there.
    pub read: u64,
    /// Copies that they proved.
    pub proved: u64,
    /// How long they worked there.
    pub worked: Duration,
    /// The days of the window.
    pub days: f64,
    /// True when the last of them ended because its budget was used up.
    pub limited: bool,
    /// Time that the last of them was given.
    pub given: Option<Duration>,
    /// Age of the oldest proof.
    pub oldest: Duration,
}

/// What is to be expected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// Days that a full round takes at this pace; none: nothing was measured.
    pub round_days: Option<f64>,
    /// Days by which copies will always be late; 0: none.
    pub late_days: u64,
    /// Time that each run must be given so that none is late; none: runs are not limited by time.
    pub needs: Option<Duration>,
}

const DAY: f64 = 86_400.0;

/// What is to be expected of a target.
pub fn forecast(of: &Measured) -> Forecast {
    // Bytes where there are any to speak of: small files cost more than their bytes, and then copies tell more.
    let by_bytes = (of.read > 0).then(|| of.bytes as f64 / of.read as f64);
    let by_copies = (of.proved > 0).then(|| of.copies as f64 / of.proved as f64);
    let rounds = match (by_bytes, by_copies) {
        (Some(bytes), Some(copies)) => bytes.max(copies),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Forecast::default(),
    };
    if !of.limited {
        // It comes to the end of what is due: a round takes as long as reading everything does.
        let round_days = rounds * of.worked.as_secs_f64() / DAY;
        return Forecast { round_days: Some(round_days), ..Forecast::default() };
    }
    let round_days = rounds * of.days.max(1.0);
    let every_days = of.every.as_secs_f64() / DAY;
    let late_days = (round_days - every_days).max(0.0).ceil() as u64;
    let needs = of.given.filter(|_| late_days > 0 && every_days > 0.0).map(|given| {
        let hours = (given.as_secs_f64() * round_days / every_days / 3_600.0).ceil();
        Duration::from_secs(hours as u64 * 3_600)
    });
    Forecast { round_days: Some(round_days), late_days, needs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: u64) -> Duration {
        Duration::from_secs(days * 86_400)
    }

    #[test]
    fn a_copy_is_due_when_its_proof_is_as_old_as_the_interval() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(since(at(1_000), Duration::from_secs(90)), at(910));
        assert_eq!(since(Timestamp::MIN, days(90)), Timestamp::MIN);
        assert_eq!(not_yet(at(0)), at(3_600));
    }

    #[test]
    fn nothing_measured_nothing_said() {
        assert_eq!(
            forecast(&Measured { bytes: 1, copies: 1, every: days(90), ..Measured::default() }).round_days,
            None
        );
    }

    #[test]
    fn a_pace_that_is_too_slow_says_by_how_much_and_what_would_do() {
        // Ten runs of four hours in ten days read a tenth of it: a round takes a hundred days.
        let slow = Measured {
            bytes: 1_000,
            copies: 100,
            every: days(90),
            read: 100,
            proved: 10,
            worked: Duration::from_secs(40 * 3_600),
            days: 10.0,
            limited: true,
            given: Some(Duration::from_secs(4 * 3_600)),
            oldest: days(96),
        };
        let told = forecast(&slow);
        assert_eq!((told.round_days, told.late_days), (Some(100.0), 10));
        assert_eq!(told.needs, Some(Duration::from_secs(5 * 3_600)));
        let enough = forecast(&Measured { every: days(100), ..slow });
        assert_eq!((enough.late_days, enough.needs), (0, None));
        // Not limited: only how long reading everything takes.
        let free = forecast(&Measured { limited: false, ..slow });
        assert_eq!((free.round_days, free.late_days), (Some(400.0 / 24.0), 0));
        // Small files: the copies tell.
        assert_eq!(forecast(&Measured { proved: 5, ..slow }).round_days, Some(200.0));
    }
}
