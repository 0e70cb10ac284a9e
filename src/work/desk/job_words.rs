//! Words about jobs: starting them in steps, what they did, and leaving them out.

use crate::books::ledger::{NoticeRow, Running, Skip};
use crate::model::job::{Job, Run};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who starts jobs when nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Starter {
    /// cron.
    Cron,
    /// A timer of systemd.
    Timer,
}

impl Starter {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Starter::Cron => "cron",
            Starter::Timer => "timer",
        }
    }
}

/// A question or an order about jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum JobAsk {
    /// Begin a run, or do the next step of one that was begun; a few seconds. Asked again and again, it comes to its end.
    Run {
        /// Which job.
        job: String,
        /// The run that an earlier answer named.
        #[serde(default)]
        run: Option<u64>,
        /// Who starts it, when nobody asked: then it runs only when it is due.
        #[serde(default)]
        scheduled: Option<Starter>,
    },
    /// End a run that this asker began.
    Stop {
        /// Which job.
        job: String,
        /// Its run.
        run: u64,
    },
    /// All jobs.
    List,
    /// What runs came to, newest first.
    Runs {
        /// Only of this job.
        #[serde(default)]
        job: Option<String>,
        /// At most so many of each.
        limit: usize,
    },
    /// Leave a job out when it is due.
    Skip {
        /// Which job.
        job: String,
        /// Until then.
        #[serde(default)]
        until: Option<Timestamp>,
        /// So many times.
        #[serde(default)]
        times: Option<u32>,
        /// Why.
        reason: String,
    },
    /// Leave a job out no more.
    Unskip {
        /// Which job.
        job: String,
    },
    /// Do the next part of telling people: write depositors' digests, or send the next notice after this one.
    Tell {
        /// The number of the last one that was tried; 0 at first.
        #[serde(default)]
        after: u64,
    },
    /// Notices on their way.
    Notices,
    /// Write a notice to the operators that says that it is a trial.
    TryNotice,
}

/// An answer about jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum JobAnswer {
    /// What came of a start or a step.
    Stepped(JobStep),
    /// Jobs.
    Jobs {
        /// One row each.
        jobs: Vec<JobView>,
    },
    /// Runs.
    Runs {
        /// The runs, newest first.
        runs: Vec<Run>,
    },
    /// What came of one part of telling people.
    Telling {
        /// The notice that was tried.
        #[serde(default)]
        number: Option<u64>,
        /// Why it did not go everywhere.
        #[serde(default)]
        wrong: Option<String>,
        /// True when there may be more to do.
        more: bool,
    },
    /// Notices on their way, oldest first.
    Notices {
        /// The notices.
        notices: Vec<NoticeRow>,
        /// How many were given up, that nobody was told of.
        untold: u64,
    },
}

/// What came of a start or a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum JobStep {
    /// There is more to do.
    Going {
        /// The run, to be asked for again.
        run: u64,
        /// How far it is.
        told: String,
    },
    /// It is over.
    Over {
        /// What it came to.
        run: Box<Run>,
    },
    /// Another run of it is under way.
    Runs {
        /// That one.
        running: Running,
    },
    /// It is not due.
    NotDue {
        /// When it will be; never by itself, if absent.
        #[serde(default)]
        due: Option<Timestamp>,
    },
    /// A person wants it left out.
    LeftOut {
        /// What the person said.
        skip: Skip,
    },
}

/// A job, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    pub job: Job,
    /// What it does.
    pub does: String,
    /// Seconds in which it has to be done once; only when a person asks, if absent.
    pub every_seconds: Option<u64>,
    /// When its work was done last: the start of that run (UTC).
    pub done: Option<Timestamp>,
    /// When it is due; in the past: now (UTC).
    pub due: Option<Timestamp>,
    /// True when it should have been done twice since.
    pub late: bool,
    /// The run under way.
    pub running: Option<Running>,
    /// A person wants it left out.
    pub skip: Option<Skip>,
    /// The last run that ended.
    pub last: Option<Box<Run>>,
}
