//! Jobs, as people and schedulers ask for them.

use super::complaint::{Complaint, Sort};
use super::job_words::{JobAnswer, JobAsk, JobStep, JobView, Starter};
use super::words::{Answer, ROWS_MAX};
use super::{Desk, Told, of_ledger, unknown};
use crate::books::ledger::{LedgerError, Running, Skip};
use crate::model::item::Asker;
use crate::model::job::Job;
use crate::work::jobs::{Begun, Due, Stepped, done_at, due, is_late};
use crate::work::notices::{self, Sent};
use jiff::Timestamp;

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 300;

impl Desk {
    pub(super) fn job(&self, ask: &JobAsk, asker: &Asker) -> Told<Answer> {
        let answer = match ask {
            JobAsk::Run { job, run, scheduled } => {
                JobAnswer::Stepped(self.run_job(job_of(job)?, *run, *scheduled, asker)?)
            }
            JobAsk::Stop { job, run } => self.stop_job(job_of(job)?, *run, asker)?,
            JobAsk::List => JobAnswer::Jobs { jobs: self.jobs_shown()? },
            JobAsk::Runs { job, limit } => self.job_runs(job.as_deref(), *limit)?,
            JobAsk::Skip { job, until, times, reason } => {
                self.skip_job(job_of(job)?, *until, *times, reason, asker)?
            }
            JobAsk::Unskip { job } => {
                let job = job_of(job)?;
                self.ledger
                    .skip_job(job, None)
                    .map_err(|error| of_ledger(&error, "the job is left out still"))?;
                JobAnswer::Jobs { jobs: vec![self.job_shown(job)?] }
            }
            JobAsk::Tell { after } => self.tell(*after)?,
            JobAsk::Notices => self.notices_shown()?,
            JobAsk::TryNotice => self.try_notice(asker)?,
        };
        Ok(Answer::Job(answer))
    }

    fn tell(&self, after: u64) -> Told<JobAnswer> {
        let sent = self.notices.next(&self.ledger, self.ledger_id(), &self.config(), after);
        let Sent { number, wrong, more } = sent.map_err(|error| of_ledger(&error, "nobody is told"))?;
        Ok(JobAnswer::Telling { number, wrong, more })
    }

    fn notices_shown(&self) -> Told<JobAnswer> {
        let failed = |error: LedgerError| of_ledger(&error, "the notices are not shown");
        let notices = self.ledger.notices().map_err(failed)?;
        let untold = self.ledger.notices_row().map_err(failed)?.untold;
        Ok(JobAnswer::Notices { notices, untold })
    }

    fn try_notice(&self, asker: &Asker) -> Told<JobAnswer> {
        let subject = format!("a trial by {}: nothing is wrong", asker.name);
        let text = format!("{subject}.\nNotices about what runs of jobs find come this way.\n");
        notices::to_operators(&self.ledger, &self.config(), "trial".into(), subject, text)
            .map_err(|error| of_ledger(&error, "the trial is not written"))?;
        let shown = self.notices_shown()?;
        match &shown {
            JobAnswer::Notices { notices, .. } if notices.iter().any(|notice| notice.about == "trial") => Ok(shown),
            _ => Err(Box::new(
                Complaint::new(Sort::Refused, "there is no way to tell anybody")
                    .because("the configuration names no notice.command, no notice.smtp with notice.to, and no notice.webhook")
                    .so("what runs find is in the ledger, and in cron's mail")
                    .then_try("strongroom config show --sample"),
            )),
        }
    }

    fn run_job(
        &self,
        job: Job,
        run: Option<u64>,
        scheduled: Option<Starter>,
        asker: &Asker,
    ) -> Told<JobStep> {
        let doing = format!("{} does not go on", job.name());
        let failed = |error: LedgerError| of_ledger(&error, &doing);
        let number = match run {
            Some(number) => number,
            None => {
                let by = scheduled.map_or_else(
                    || asker.name.clone(),
                    |starter| format!("{} ({})", starter.name(), asker.name),
                );
                match self.jobs.begin(self, job, &by, scheduled.is_some()).map_err(failed)? {
                    // Its first step is another question: whoever asked knows by then which run it is, and can end it.
                    Begun::Begins(Running { number, .. }) => {
                        return Ok(JobStep::Going { run: number, told: "begins".into() });
                    }
                    Begun::Runs(running) => return Ok(JobStep::Runs { running }),
                    Begun::NotDue(due) => return Ok(JobStep::NotDue { due }),
                    Begun::LeftOut(skip) => return Ok(JobStep::LeftOut { skip }),
                }
            }
        };
        match self.jobs.step(self, job, number, asker).map_err(failed)? {
            Stepped::Going(told) => Ok(JobStep::Going { run: number, told }),
            Stepped::Over(run) => {
                // The record is made; whatever becomes of the notice changes nothing about it.
                if let Err(error) = notices::of_run(&self.ledger, &self.config(), &run) {
                    log::warn!("no notice is written of run {number} of {}: {error}", job.name());
                }
                Ok(JobStep::Over { run })
            }
            Stepped::Unknown => Err(not_under_way(job, number)),
        }
    }

    fn stop_job(&self, job: Job, number: u64, asker: &Asker) -> Told<JobAnswer> {
        let stopped = self.jobs.stop(self, job, number, asker);
        match stopped.map_err(|error| of_ledger(&error, "the run is not ended"))? {
            Stepped::Over(run) => Ok(JobAnswer::Stepped(JobStep::Over { run })),
            Stepped::Going(_) | Stepped::Unknown => Err(not_under_way(job, number)),
        }
    }

    fn jobs_shown(&self) -> Told<Vec<JobView>> {
        Job::ALL.into_iter().map(|job| self.job_shown(job)).collect()
    }

    fn job_shown(&self, job: Job) -> Told<JobView> {
        let failed = |error: LedgerError| of_ledger(&error, "the job is not shown");
        let row = self.ledger.job(job).map_err(failed)?;
        let now = self.ledger.world().clock.now();
        let every = self.config().jobs.get(&job).copied();
        let done = done_at(self, job, &row);
        let first = self.ledger.objects(None, 1).map_err(failed)?.into_iter().next();
        Ok(JobView {
            job,
            does: job.does().into(),
            every_seconds: every.map(|every| every.as_secs()),
            done,
            due: match due(every, done, now) {
                Due::Now => Some(now),
                Due::At(at) => Some(at),
                Due::Never => None,
            },
            late: is_late(every, done, first.map(|object| object.created), now),
            running: self.jobs.running(self, job),
            skip: row.skip.filter(|skip| skip.holds(now)),
            last: self.ledger.runs(job, None, 1).map_err(failed)?.into_iter().next().map(Box::new),
        })
    }

    fn job_runs(&self, job: Option<&str>, limit: usize) -> Told<JobAnswer> {
        let only = job.map(job_of).transpose()?;
        let mut runs = Vec::new();
        for job in Job::ALL.into_iter().filter(|job| only.is_none_or(|only| only == *job)) {
            let of_job = self.ledger.runs(job, None, limit.clamp(1, ROWS_MAX));
            runs.extend(of_job.map_err(|error| of_ledger(&error, "the runs are not shown"))?);
        }
        runs.sort_by_key(|run| std::cmp::Reverse(run.started));
        runs.truncate(ROWS_MAX);
        Ok(JobAnswer::Runs { runs })
    }

    fn skip_job(
        &self,
        job: Job,
        until: Option<Timestamp>,
        times: Option<u32>,
        reason: &str,
        asker: &Asker,
    ) -> Told<JobAnswer> {
        let now = self.ledger.world().clock.now();
        let refused = |why: &str| {
            let complaint =
                Complaint::new(Sort::Usage, format!("{} is not left out", job.name())).because(why);
            let words =
                format!("strongroom job skip {} --times 1 --reason \"the vault is moved\"", job.name());
            Err(Box::new(complaint.then_try(words)))
        };
        if reason.trim().is_empty() {
            return refused("whoever reads this later must know why: there is no reason");
        }
        if until.is_none() && times.is_none_or(|times| times == 0) {
            return refused("it is not said until when, or how many times");
        }
        if until.is_some_and(|until| until <= now) {
            return refused("the time until which it is left out is over");
        }
        let reason = reason.trim().chars().take(REASON_MAX).collect();
        let skip = Skip { until, times, reason, by: asker.name.clone(), at: now };
        self.ledger
            .skip_job(job, Some(skip))
            .map_err(|error| of_ledger(&error, "the job is not left out"))?;
        Ok(JobAnswer::Jobs { jobs: vec![self.job_shown(job)?] })
    }
}

fn not_under_way(job: Job, number: u64) -> Box<Complaint> {
    Box::new(
        Complaint::new(Sort::Refused, format!("run {number} of {} does not go on", job.name()))
            .because("it is not under way any more: the daemon was started anew, or nobody went on with it")
            .so("what it had done is done; the next run does the rest")
            .then_try(format!("strongroom job run {}", job.name())),
    )
}

fn job_of(name: &str) -> Told<Job> {
    Job::from_name(name).ok_or_else(|| unknown("job", name, Job::ALL.iter().map(|job| job.name()).collect()))
}
