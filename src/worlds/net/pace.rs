//! The pace of a source: bytes a second, by the hour of the day.
//!
//! - All connections to a source share one pace; over a few seconds they get no more than it allows.
//! - Unused time is saved up for one second only, so that a pause is not made up for by a flood.
//! - Time is handed in, so that nothing here waits.

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Saved up at most.
const SAVED: Duration = Duration::from_secs(1);
/// No pace is slower: a limit that lets nothing through is a mistake, not a limit.
const RATE_MIN: u64 = 1 << 10;
/// Rules of one schedule.
const RULES_MAX: usize = 24;

/// How many bytes a second, by the hour: the first rule that fits holds; without one there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// From this hour up to, not including, that one; from the later to the earlier means over midnight.
    hours: Option<(u8, u8)>,
    /// None: no limit.
    rate: Option<u64>,
}

impl Schedule {
    /// Reads `10 MiB/s`, or `08-18 = 10 MiB/s, 50 MiB/s`, or `08-18 = 10 MiB/s, unlimited`. Sizes are read by `size`.
    pub fn parse(text: &str, size: impl Fn(&str) -> Result<u64, String>) -> Result<Schedule, String> {
        let mut rules: Vec<Rule> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if rules.iter().any(|rule| rule.hours.is_none()) {
                return Err(format!("\"{part}\" never holds: the rule before it holds at every hour"));
            }
            if rules.len() == RULES_MAX {
                return Err(format!("it has more than {RULES_MAX} rules"));
            }
            let (hours, rate) = match part.split_once('=') {
                Some((hours, rate)) => (Some(read_hours(hours.trim())?), rate.trim()),
                None => (None, part),
            };
            rules.push(Rule { hours, rate: read_rate(rate, &size)? });
        }
        // "unlimited" at the end says what holds without it.
        rules.pop_if(|last| last.hours.is_none() && last.rate.is_none());
        Ok(Schedule { rules })
    }

    /// Bytes a second at this hour; none: no limit.
    pub fn rate(&self, hour: u8) -> Option<u64> {
        self.rules.iter().find(|rule| rule.holds(hour)).and_then(|rule| rule.rate)
    }

    /// True when there is no limit at any hour.
    pub fn is_unlimited(&self) -> bool {
        self.rules.iter().all(|rule| rule.rate.is_none())
    }
}

impl Rule {
    fn holds(&self, hour: u8) -> bool {
        match self.hours {
            None => true,
            Some((from, to)) if from < to => (from..to).contains(&hour),
            Some((from, to)) => hour >= from || hour < to,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return out.write_str("unlimited");
        }
        for (place, rule) in self.rules.iter().enumerate() {
            if place > 0 {
                out.write_str(", ")?;
            }
            if let Some((from, to)) = rule.hours {
                write!(out, "{from:02}-{to:02} = ")?;
            }
            match rule.rate {
                Some(rate) => write!(out, "{rate} B/s")?,
                None => out.write_str("unlimited")?,
            }
        }
        Ok(())
    }
}

fn read_hours(text: &str) -> Result<(u8, u8), String> {
    let wrong = || format!("\"{text}\" is not hours of the day, like 08-18");
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let hour = |text: &str| {
        let text = text.trim();
        let text = text.strip_suffix(":00").unwrap_or(text);
        text.parse::<u8>().ok().filter(|hour| *hour <= 24 && text.len() <= 2)
    };
    let (from, to) = (hour(from).ok_or_else(wrong)?, hour(to).ok_or_else(wrong)?);
    if from == to || from == 24 { Err(wrong()) } else { Ok((from, to)) }
}

fn read_rate(text: &str, size: &impl Fn(&str) -> Result<u64, String>) -> Result<Option<u64>, String> {
    if text == "unlimited" {
        return Ok(None);
    }
    let bytes = text.strip_suffix("/s").ok_or_else(|| format!("\"{text}\" is no rate, like 10 MiB/s"))?;
    match size(bytes.trim())? {
        rate if rate < RATE_MIN => Err(format!("\"{text}\" is below 1 KiB/s, at which nothing ever arrives")),
        rate => Ok(Some(rate)),
    }
}

/// The pace of one source.
#[derive(Debug, Default)]
pub struct Pace {
    schedule: Schedule,
    /// When what was granted so far is used up.
    used_until: Mutex<Duration>,
}

impl Pace {
    /// No byte was given yet.
    pub fn new(schedule: Schedule) -> Pace {
        Pace { schedule, used_until: Mutex::default() }
    }

    /// Bytes a second at this hour.
    pub fn rate(&self, hour: u8) -> Option<u64> {
        self.schedule.rate(hour)
    }

    /// True when it never makes anybody wait.
    pub fn is_unlimited(&self) -> bool {
        self.schedule.is_unlimited()
    }

    /// Takes these bytes at `now` of this hour, and says how long to wait before going on.
    pub fn take(&self, bytes: u64, now: Duration, hour: u8) -> Duration {
        let Some(rate) = self.schedule.rate(hour) else { return Duration::ZERO };
        let mut used_until = self.lock();
        let costs = Duration::from_secs_f64(bytes as f64 / rate as f64);
        *used_until = (*used_until).max(now.saturating_sub(SAVED)) + costs;
        used_until.saturating_sub(now)
    }

    fn lock(&self) -> MutexGuard<'_, Duration> {
        self.used_until.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// Bytes to read at once at this rate: an eighth of a second, so that waiting stays even.
pub fn portion(rate: Option<u64>, buffer: usize) -> usize {
    match rate {
        None => buffer,
        Some(rate) => usize::try_from(rate / 8).unwrap_or(buffer).clamp(1 << 10, 1 << 20).min(buffer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Result<u64, String> {
        let number = text.trim_end_matches(" KiB").parse::<u64>().map_err(|_| format!("no size: {text}"))?;
        Ok(number << 10)
    }

    fn schedule(text: &str) -> Schedule {
        Schedule::parse(text, size).unwrap()
    }

    #[test]
    fn the_first_rule_that_fits_the_hour_holds() {
        let table = [
            ("", [None, None, None, None]),
            ("unlimited", [None, None, None, None]),
            ("4 KiB/s", [Some(4096), Some(4096), Some(4096), Some(4096)]),
            ("08-18 = 4 KiB/s", [None, Some(4096), None, None]),
            ("8-18=4 KiB/s, 8 KiB/s", [Some(8192), Some(4096), Some(8192), Some(8192)]),
            ("18:00-08:00 = unlimited, 2 KiB/s", [None, Some(2048), None, None]),
            ("22-06 = 4 KiB/s, 06-24 = 2 KiB/s", [Some(4096), Some(2048), Some(2048), Some(4096)]),
        ];
        for (text, wanted) in table {
            let found = [3, 8, 18, 23].map(|hour| schedule(text).rate(hour));
            assert_eq!(found, wanted, "{text}");
        }
        assert_eq!(schedule("8-18=4 KiB/s").to_string(), "08-18 = 4096 B/s");
        assert!(schedule("08-18 = unlimited").is_unlimited());
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_part_that_is_wrong() {
        for (text, why) in [
            ("4 KiB", "no rate"),
            ("8-18 4 KiB/s", "no size"),
            ("8-8 = 4 KiB/s", "not hours"),
            ("8-25 = 4 KiB/s", "not hours"),
            ("24-8 = 4 KiB/s", "not hours"),
            ("8 = 4 KiB/s", "not hours"),
            ("4 KiB/s, 8-18 = 2 KiB/s", "never holds"),
            ("0 KiB/s", "below 1 KiB/s"),
        ] {
            let error = Schedule::parse(text, size).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn many_takers_together_get_what_the_rate_allows() {
        let pace = Pace::new(schedule("64 KiB/s"));
        let mut now = Duration::from_secs(100);
        let mut waits = [Duration::ZERO; 4];
        let mut taken = 0;
        // Four readers, each taking 8 KiB whenever its wait is over, for a minute.
        let end = now + Duration::from_secs(60);
        while now < end {
            for wait in &mut waits {
                if now >= *wait {
                    *wait = now + pace.take(8 << 10, now, 12);
                    taken += 8 << 10;
                }
            }
            now += Duration::from_millis(10);
        }
        let rate = taken as f64 / 60.0 / 65536.0;
        assert!((0.98..1.08).contains(&rate), "{rate}");
    }

    #[test]
    fn a_pause_is_saved_up_for_one_second_only() {
        let pace = Pace::new(schedule("64 KiB/s"));
        assert_eq!(pace.take(64 << 10, Duration::from_secs(1_000), 0), Duration::ZERO);
        assert_eq!(pace.take(64 << 10, Duration::from_secs(1_000), 0), Duration::from_secs(1));
        assert_eq!(Pace::default().take(u64::MAX, Duration::ZERO, 0), Duration::ZERO);
    }

    #[test]
    fn portions_are_small_when_the_rate_is() {
        assert_eq!(portion(None, 65_536), 65_536);
        assert_eq!(portion(Some(8_192), 65_536), 1_024);
        assert_eq!(portion(Some(1 << 30), 65_536), 65_536);
        assert_eq!(portion(Some(80_000), 65_536), 10_000);
    }
}
