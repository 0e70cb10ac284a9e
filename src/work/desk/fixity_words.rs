//! Words about proving copies again: runs, what they found, and how well copies are covered.

use crate::books::ledger::{Ill, SweepFinding, SweepRow, SweepTarget};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A question or an order about fixity.
///
/// A run is made like this: `Run` begins it and says its number at once; `Watch` with that number, again and again, says how
/// it stands and waits up to `millis` for it to end; `Stop` asks it to end at the next safe point. It goes on by itself, also
/// when nobody watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum FixityAsk {
    /// Begin a run, or go on with the one that was cut off. Refused while one is under way.
    Run {
        /// Everything, due or not.
        #[serde(default)]
        all: bool,
        /// Seconds that it may take; what the configuration says, if not said.
        #[serde(default)]
        seconds: Option<u64>,
        /// Bytes that it may read; what the configuration says, if not said.
        #[serde(default)]
        bytes: Option<u64>,
        /// Only on these targets.
        #[serde(default)]
        targets: Vec<String>,
    },
    /// How a run stands.
    Watch {
        /// Its number.
        run: u64,
        /// Wait at most so long for its end.
        millis: u64,
    },
    /// Ask a run to end at the next safe point.
    Stop {
        /// Its number.
        run: u64,
    },
    /// How well the copies on a target are covered.
    Status {
        /// Which.
        target: String,
    },
    /// The newest runs.
    Runs {
        /// At most so many.
        limit: usize,
    },
    /// What a run found.
    Failures {
        /// Its number; the newest, if not said.
        #[serde(default)]
        run: Option<u64>,
        /// Only behind this one.
        #[serde(default)]
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
}

/// An answer about fixity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum FixityAnswer {
    /// A run.
    Run(Box<SweepView>),
    /// How well the copies on a target are covered.
    Status(Box<Coverage>),
    /// Runs, newest first.
    Runs {
        /// The runs.
        runs: Vec<SweepView>,
    },
    /// What a run found.
    Failures {
        /// The run; none was made yet if it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<Box<SweepView>>,
        /// Its findings.
        findings: Vec<SweepFinding>,
        /// Where the next ones start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
}

// Shares of days are numbers that were counted: none of them is a NaN.
impl Eq for FixityAnswer {}

/// A run, and how it stands with each of its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepView {
    /// The run.
    #[serde(flatten)]
    pub run: SweepRow,
    /// True while it goes on in the process that answers.
    pub under_way: bool,
    /// How it stands with each target.
    pub parts: Vec<SweepTarget>,
}

/// Copies by the age of their proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ages {
    /// Up to 30 days.
    pub days_30: u64,
    /// Up to 60.
    pub days_60: u64,
    /// Up to 90.
    pub days_90: u64,
    /// Up to 180.
    pub days_180: u64,
    /// Older.
    pub older: u64,
}

/// Copies that come due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coming {
    /// Copies that are due now, and bytes of their bags.
    pub now: (u64, u64),
    /// Within a day.
    pub day: (u64, u64),
    /// Within a week.
    pub week: (u64, u64),
    /// Within thirty days.
    pub month: (u64, u64),
}

/// How well the copies on a target are covered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The target.
    pub target: String,
    /// Copies of objects on it.
    pub copies: u64,
    /// Bytes of their bags.
    pub bytes: u64,
    /// Copies that were proved within the interval.
    pub proved: u64,
    /// Copies that were not.
    pub overdue: u64,
    /// Copies in which something is wrong.
    pub bad: u64,
    /// When the copy was proved that was proved longest ago (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// Seconds after its proof a copy is due again.
    pub every: u64,
    /// Copies by the age of their proof.
    pub ages: Ages,
    /// Copies that come due.
    pub coming: Coming,
    /// Days that a full round takes at the present pace; none: no run was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_days: Option<f64>,
    /// Days by which copies will always be late at the present pace.
    pub late_days: u64,
    /// Seconds that every run must be given so that none is late; none: time is not what limits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<u64>,
    /// Why the target looks ill, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ill: Option<Ill>,
}
