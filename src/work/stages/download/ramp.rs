//! How many connections: one more as long as it pays.
//!
//! - A fast line is full with one connection; a far or limited one gives more to several. Which it is, only measuring tells.
//! - It goes up by doubling while the rate grows by a quarter, goes back once it does not, and then stays.

use std::time::Duration;

/// Time over which a rate is measured.
const WINDOW: Duration = Duration::from_millis(1_000);
/// What just opened connections need to get going is not measured.
const WARM_UP: Duration = Duration::from_millis(250);
/// More connections must bring at least this much more.
const GAIN: f64 = 1.25;

/// Finds the number of connections.
pub struct Ramp {
    most: usize,
    now: usize,
    before: Option<(usize, f64)>,
    settled: bool,
    from: Option<(Duration, u64)>,
    changed_at: Duration,
}

impl Ramp {
    /// From `first` up to `most`, beginning now.
    pub fn new(first: usize, most: usize, at: Duration) -> Ramp {
        let most = most.max(1);
        Ramp { most, now: first.clamp(1, most), before: None, settled: false, from: None, changed_at: at }
    }

    /// Connections to use now, when so many bytes have come in all.
    pub fn look(&mut self, at: Duration, bytes: u64) -> usize {
        if self.settled {
            return self.now;
        }
        let Some((since, had)) = self.from else {
            if at.saturating_sub(self.changed_at) >= WARM_UP {
                self.from = Some((at, bytes));
            }
            return self.now;
        };
        let took = at.saturating_sub(since);
        if took < WINDOW {
            return self.now;
        }
        let rate = bytes.saturating_sub(had) as f64 / took.as_secs_f64();
        match self.before {
            Some((fewer, slower)) if rate < slower * GAIN => {
                self.now = fewer;
                self.settled = true;
            }
            _ if self.now == self.most => self.settled = true,
            _ => {
                self.before = Some((self.now, rate));
                self.now = (self.now * 2).min(self.most);
                self.from = None;
                self.changed_at = at;
            }
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a ramp over a line that gives `rate(connections)` bytes a second; the number it stays with.
    fn ends_with(most: usize, rate: impl Fn(usize) -> f64) -> usize {
        let step = Duration::from_millis(100);
        let (mut at, mut bytes) = (Duration::ZERO, 0.0);
        let mut ramp = Ramp::new(1, most, at);
        let mut now = 1;
        for _ in 0..200 {
            at += step;
            bytes += rate(now) * step.as_secs_f64();
            now = ramp.look(at, bytes as u64);
        }
        now
    }

    #[test]
    fn several_connections_are_used_only_where_they_pay() {
        assert_eq!(ends_with(8, |_| 1e9), 1, "one connection fills the line");
        assert_eq!(ends_with(8, |n| 1e6 * n as f64), 8, "every connection has its own limit");
        assert_eq!(ends_with(6, |n| 1e6 * n as f64), 6, "never more than allowed");
        assert_eq!(ends_with(8, |n| 1e6 * n.min(2) as f64), 2, "two fill the line");
        assert_eq!(ends_with(8, |n| if n > 4 { 1e6 } else { 1e6 * n as f64 }), 4, "too many slow it down");
        assert_eq!(ends_with(8, |_| 0.0), 8, "a line that gives nothing is tried with all");
    }
}
