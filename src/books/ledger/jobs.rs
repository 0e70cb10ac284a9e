//! Jobs: when each did its duty, what runs now, what a person said, and the last runs.
//!
//! - The start of a run is on disk before its work begins, its end with what it told; a process that ends in between leaves
//!   a run that the next one ends.
//! - Of each job the newest runs stay; what they say is bounded, and so are the rows.
//!
//! | key | row |
//! |---|---|
//! | `j/job/JOB` | when it did its duty, what runs, what a person said |
//! | `j/run/JOB/NUMBER` | a run that ended |

use super::rows::{decode, put};
use super::{Ledger, LedgerError, PAGE};
use crate::model::job::{Job, Run, RunEnd, Told};
use crate::worlds::book::{Guard, Write};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Runs of one job that stay: a year of daily ones.
pub const RUNS_MAX: u64 = 400;

/// A run under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its number.
    pub number: u64,
    /// Who started it.
    pub by: String,
    /// True when cron or a timer did.
    #[serde(default)]
    pub scheduled: bool,
    /// Since when (UTC).
    pub since: Timestamp,
}

/// A person wants a job left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// Until then (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// So many times more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// When (UTC).
    pub at: Timestamp,
}

impl Skip {
    /// True while it holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until) && self.times != Some(0)
    }
}

/// A job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    /// Runs so far; numbers their rows.
    pub runs: u64,
    /// The run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// When the last run began that did its work (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
    /// A person wants it left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Skip>,
}

fn job_key(job: Job) -> String {
    format!("j/job/{}", job.name())
}

fn run_key(job: Job, number: u64) -> String {
    format!("j/run/{}/{number:08}", job.name())
}

fn ended(job: Job, running: &Running, at: Timestamp, end: RunEnd, told: Told) -> Run {
    Run {
        job,
        number: running.number,
        by: running.by.clone(),
        scheduled: running.scheduled,
        started: running.since,
        ended: at,
        end,
        told: told.bounded(),
    }
}

impl Ledger {
    /// A job as the ledger knows it.
    pub fn job(&self, job: Job) -> Result<JobRow, LedgerError> {
        Ok(self.read(&job_key(job))?.map(|(_, row)| row).unwrap_or_default())
    }

    /// Notes that a run begins. One that is noted as under way is ended: nobody works on it any more.
    pub fn begin_run(&self, job: Job, by: &str, scheduled: bool) -> Result<Running, LedgerError> {
        let now = self.world.clock.now();
        self.change_job(job, |row, batch| {
            if let Some(left) = row.running.take() {
                let told = Told::line(format!("{} was interrupted: nobody went on with it", job.name()));
                let run = ended(job, &left, now, RunEnd::Interrupted, told);
                batch.push(put(&run_key(job, left.number), &run)?);
            }
            row.runs += 1;
            let running = Running { number: row.runs, by: by.to_string(), scheduled, since: now };
            row.running = Some(running.clone());
            Ok(running)
        })
    }

    /// Notes that the run under way is at its end; none if another one is under way, or none.
    pub fn end_run(
        &self,
        job: Job,
        number: u64,
        end: RunEnd,
        told: Told,
    ) -> Result<Option<Run>, LedgerError> {
        let now = self.world.clock.now();
        self.change_job(job, |row, batch| {
            if row.running.as_ref().is_none_or(|running| running.number != number) {
                return Ok(None);
            }
            let Some(running) = row.running.take() else { return Ok(None) };
            if end.is_done() {
                row.done = Some(running.since);
            }
            let run = ended(job, &running, now, end, told.clone());
            batch.push(put(&run_key(job, number), &run)?);
            if let Some(old) = number.checked_sub(RUNS_MAX) {
                batch.push(Write::Delete(run_key(job, old)));
            }
            Ok(Some(run))
        })
    }

    /// Notes that a job is to be left out, or is not any more.
    pub fn skip_job(&self, job: Job, skip: Option<Skip>) -> Result<JobRow, LedgerError> {
        self.change_job(job, |row, _| {
            row.skip = skip.clone();
            Ok(row.clone())
        })
    }

    /// Counts one time less to be left out.
    pub fn count_skip(&self, job: Job) -> Result<JobRow, LedgerError> {
        self.change_job(job, |row, _| {
            if let Some(times) = row.skip.as_mut().and_then(|skip| skip.times.as_mut()) {
                *times = times.saturating_sub(1);
            }
            if row.skip.as_ref().is_some_and(|skip| skip.times == Some(0)) {
                row.skip = None;
            }
            Ok(row.clone())
        })
    }

    /// Runs of a job before this number, newest first.
    pub fn runs(&self, job: Job, before: Option<u64>, limit: usize) -> Result<Vec<Run>, LedgerError> {
        let end =
            before.map_or_else(|| self.job(job).map(|row| row.runs), |end| Ok(end.saturating_sub(1)))?;
        let prefix = format!("j/run/{}/", job.name());
        let first = end.saturating_sub(RUNS_MAX.min(limit as u64 + 1));
        let rows = self.world.book.scan(&prefix, Some(&run_key(job, first)), PAGE)?;
        let runs = rows.iter().map(|(key, row)| decode::<Run>(key, row));
        let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
        runs.retain(|run| run.number <= end);
        runs.reverse();
        runs.truncate(limit);
        Ok(runs)
    }

    /// A run that ended, if it is still known.
    pub fn run(&self, job: Job, number: u64) -> Result<Option<Run>, LedgerError> {
        Ok(self.read(&run_key(job, number))?.map(|(_, row)| row))
    }

    fn change_job<T>(
        &self,
        job: Job,
        change: impl Fn(&mut JobRow, &mut Vec<Write>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let key = job_key(job);
        let known = self.read::<JobRow>(&key)?;
        let revision = known.as_ref().map(|(revision, _)| *revision);
        let mut row = known.map(|(_, row)| row).unwrap_or_default();
        let mut batch = Vec::new();
        let told = change(&mut row, &mut batch)?;
        batch.push(put(&key, &row)?);
        self.world.book.commit(&batch, &[Guard { key, revision }])?;
        Ok(told)
    }
}
