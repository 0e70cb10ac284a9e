//! Words about putting copies right.

use crate::books::ledger::{RepairPlace, RepairRun};
use crate::model::proof::DamagedCopy;
use crate::work::repair::CopyPlan;
use crate::worlds::target::mending::Quarantined;
use serde::{Deserialize, Serialize};

/// Which copies, and within what bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepairWish {
    /// Only this object, proved anew: its id, or depositor/bag; none: what was found damaged.
    pub object: Option<String>,
    /// Only copies on this target.
    pub target: Option<String>,
    /// Also copies that the registry has and of which nothing lies there.
    pub lost: bool,
    /// Begin no further copy after so many bytes were put right.
    pub bytes: Option<u64>,
    /// Begin no further copy after so many seconds.
    pub seconds: Option<u64>,
    /// No person asked for it: only what a sweep found, and nothing on a target that looks ill.
    pub by_itself: bool,
}

/// A question or an order about putting copies right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum RepairAsk {
    /// What is wrong, and what would be done: a step of a few seconds, or one copy.
    Plan {
        /// Which copies.
        wish: RepairWish,
        /// Where the last answer ended.
        #[serde(default)]
        place: Option<RepairPlace>,
    },
    /// Put copies right: a step of a few seconds, or one copy. Asked again and again, it comes to its end.
    Run {
        /// Which copies.
        wish: RepairWish,
        /// Number of the run that an earlier answer named.
        #[serde(default)]
        run: Option<u64>,
    },
    /// The last runs, what is damaged, and what lies in quarantine.
    Show {
        /// Runs, and things in quarantine of each target, at most.
        limit: usize,
    },
}

/// An answer about putting copies right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum RepairAnswer {
    /// What would be done.
    Planned {
        /// One row a copy.
        copies: Vec<CopyPlan>,
        /// Where the next ones are; none: those were all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<RepairPlace>,
    },
    /// How far a run is, or what it came to.
    Run(Box<RepairRun>),
    /// How it stands.
    Shown(Box<RepairView>),
}

/// How it stands with repairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairView {
    /// `plan` or `auto`.
    pub mode: String,
    /// Runs, newest first.
    pub runs: Vec<RepairRun>,
    /// Copies in which something is wrong.
    pub damaged: Vec<DamagedCopy>,
    /// True when there are more.
    pub more: bool,
    /// One row a target.
    pub quarantine: Vec<QuarantineView>,
}

/// What lies in the quarantine of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineView {
    /// The target.
    pub target: String,
    /// How many things.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The newest of them.
    pub newest: Vec<Quarantined>,
    /// Why it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}
