//! Stalls that drip: a body that brings next to nothing for long.

use std::time::Duration;

/// A body must bring this much within the stall timeout. Less is a stall that drips.
pub const DRIP: u64 = 8 << 10;

/// Finds a body that drips: only time spent waiting for it counts, not what its reader does between.
pub struct Watch {
    stall: Duration,
    waited: Duration,
    came: u64,
}

impl Watch {
    /// Nothing came yet.
    pub fn new(stall: Duration) -> Watch {
        Watch { stall, waited: Duration::ZERO, came: 0 }
    }

    /// Counts what came after so long; false when it is a stall.
    pub fn count(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.came += bytes;
        if self.came >= DRIP || bytes == 0 {
            *self = Watch::new(self.stall);
            return true;
        }
        self.waited < self.stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_its_reader_delays_is_no_stall() {
        let mut watch = Watch::new(Duration::from_secs(1));
        for _ in 0..10 {
            assert!(watch.count(Duration::from_millis(50), 1));
        }
        assert!(watch.count(Duration::from_millis(450), DRIP));
        assert!(watch.count(Duration::from_millis(900), 1));
        assert!(!watch.count(Duration::from_millis(200), 1));
    }
}
