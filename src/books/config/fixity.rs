//! `[fixity]`: how often copies are proved again, and what that may cost.

use super::build::Builder;
use super::fault::Fault;
use super::units;
use crate::worlds::net::pace::Schedule;
use std::collections::BTreeMap;
use std::time::Duration;

/// How copies are proved again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixityConfig {
    /// A copy is due so long after it was proved, unless its target says otherwise.
    pub every: Duration,
    /// The targets that say otherwise.
    pub targets: BTreeMap<String, Duration>,
    /// A copy that was found damaged, and that nobody put right, is looked at again after so long.
    pub recheck: Duration,
    /// How long a run may take that nobody gave a time; none: until nothing is due.
    pub run_for: Option<Duration>,
    /// How many bytes a run may read that nobody gave any; none: as many as are due.
    pub run_bytes: Option<u64>,
    /// How fast copies are read, all targets together.
    pub bandwidth: Schedule,
    /// Percent of the time in which a sweep works while deposits are in work.
    pub share: u32,
    /// Copies that may fail in one way in a row before the target itself is taken for ill.
    pub breaker: u64,
}

impl Default for FixityConfig {
    fn default() -> FixityConfig {
        let day = Duration::from_secs(86_400);
        FixityConfig {
            every: 90 * day,
            targets: BTreeMap::new(),
            recheck: 7 * day,
            run_for: None,
            run_bytes: None,
            bandwidth: Schedule::default(),
            share: 10,
            breaker: 10,
        }
    }
}

impl FixityConfig {
    /// How long after its last proof a copy on this target is due.
    pub fn every(&self, target: &str) -> Duration {
        self.targets.get(target).copied().unwrap_or(self.every)
    }
}

impl Builder {
    /// `[fixity]`, and what targets say otherwise.
    pub(super) fn fixity(&mut self) -> FixityConfig {
        let every = self.interval("fixity.every");
        let mut others = BTreeMap::new();
        for at in self.rows("target") {
            let path = format!("{at}.fixity_every");
            let given = self.tree.settings.contains_key(&path);
            match self.name(&at) {
                Some(name) if given => drop(others.insert(name, self.interval(&path))),
                _ => self.note_text(&path, "none"),
            }
        }
        FixityConfig {
            every,
            targets: others,
            recheck: self.time("fixity.recheck"),
            run_for: Some(self.time("fixity.run_for")).filter(|time| !time.is_zero()),
            run_bytes: Some(self.number("fixity.run_bytes")).filter(|bytes| *bytes > 0),
            bandwidth: self.bandwidth("fixity.bandwidth"),
            share: u32::try_from(self.number("fixity.share")).unwrap_or(100),
            breaker: self.number("fixity.breaker"),
        }
    }

    fn interval(&mut self, path: &str) -> Duration {
        let every = self.time(path);
        if every < Duration::from_secs(3_600) {
            let fault = Fault::new(format!("{path} is {}", units::exact_time(every)))
                .because("copies would be read all the time, and nothing else")
                .then_try(format!("{} = \"90 d\"", path.rsplit('.').next().unwrap_or(path)));
            self.fault(path, fault);
        }
        every
    }
}
