//! Proving copies again, as people and the schedule ask for it.
//!
//! - One run at a time. It goes on in a thread of its own; an answer never waits for more than a moment of it.
//! - What is said of coverage is counted from the index of proofs; what is said of the pace was measured by runs.

use super::complaint::{Complaint, Sort};
use super::fixity_words::{Coverage, FixityAnswer, FixityAsk, SweepView};
use super::words::{Answer, ROWS_MAX};
use super::{Desk, Told, of_ledger, unknown_among};
use crate::books::ledger::{Ledger, LedgerError, SweepRow, SweepState};
use crate::model::item::Asker;
use crate::rules::due::{self, Measured};
use crate::work::sweep::Order;
use crate::work::sweep::gate::Budget;
use crate::work::sweep::running::{NotStarted, With};
use jiff::Timestamp;
use std::time::Duration;

/// Longest wait for the end of a run in one answer.
const WATCH_MAX: Duration = Duration::from_secs(5);

/// Rows read at once while counting.
const PAGE: usize = 4_096;

/// The pace is measured over so many days, and at most so many runs.
const WINDOW_DAYS: f64 = 30.0;
const WINDOW_RUNS: usize = 120;

const DAY: u64 = 86_400;

impl Desk {
    pub(super) fn fixity(&self, ask: &FixityAsk, asker: &Asker) -> Told<Answer> {
        let answer = match ask {
            FixityAsk::Run { all, seconds, bytes, targets } => {
                self.run_fixity(*all, *seconds, *bytes, targets, asker)?
            }
            FixityAsk::Watch { run, millis } => self.watch_fixity(*run, Duration::from_millis(*millis))?,
            FixityAsk::Stop { run } => {
                self.sweeping.stop(*run);
                self.sweep_view(*run)?
            }
            FixityAsk::Status { target } => {
                self.known_targets(std::slice::from_ref(target))?;
                let counted = self.coverage(target);
                FixityAnswer::Status(Box::new(counted.map_err(|error| of(&error))?))
            }
            FixityAsk::Runs { limit } => {
                let runs = self.ledger.sweeps((*limit).clamp(1, ROWS_MAX)).map_err(|error| of(&error))?;
                let views = runs.into_iter().map(|run| self.view_of(run));
                FixityAnswer::Runs { runs: views.collect::<Result<_, _>>().map_err(|error| of(&error))? }
            }
            FixityAsk::Failures { run, after, limit } => {
                self.failures(*run, after.as_deref(), *limit).map_err(|error| of(&error))?
            }
        };
        Ok(Answer::Fixity(answer))
    }

    /// Asks the run under way to stop, and waits for it: the process ends.
    pub fn stop_sweeping(&self) {
        self.sweeping.end();
    }

    fn run_fixity(
        &self,
        all: bool,
        seconds: Option<u64>,
        bytes: Option<u64>,
        targets: &[String],
        asker: &Asker,
    ) -> Told<FixityAnswer> {
        self.known_targets(targets)?;
        let config = self.config().fixity.clone();
        let time = seconds.map(Duration::from_secs).or(config.run_for);
        let budget = Budget { time, bytes: bytes.or(config.run_bytes) };
        let order = Order { asked_by: asker.name.clone(), all, budget, targets: targets.to_vec() };
        let with = With {
            ledger: self.ledger.clone(),
            settings: self.settings.clone(),
            config,
            pipeline: self.pipeline.clone(),
        };
        match self.sweeping.start(with, &order) {
            Ok(row) => self.sweep_view(row.number),
            Err(NotStarted::Ledger(error)) => Err(of(&error)),
            Err(NotStarted::Thread(error)) => Err(Box::new(
                Complaint::new(Sort::Io, "no run of fixity is begun")
                    .because(format!("the system gives no thread: {error}")),
            )),
            Err(NotStarted::UnderWay(number)) => Err(self.under_way(number)),
        }
    }

    fn under_way(&self, number: u64) -> Box<Complaint> {
        let row = self.ledger.sweep(number).ok().flatten().unwrap_or_default();
        let because =
            format!("run {number} is under way since {:.0}, started by {}", row.started, row.asked_by);
        Box::new(
            Complaint::new(Sort::Busy, "no run of fixity is begun")
                .because(because)
                .so("it goes on")
                .then_try("strongroom fixity status"),
        )
    }

    fn watch_fixity(&self, run: u64, at_most: Duration) -> Told<FixityAnswer> {
        if let Some(Some(why)) = self.sweeping.wait(run, at_most.min(WATCH_MAX)) {
            return Err(Box::new(
                Complaint::new(Sort::Io, format!("run {run} of fixity could not go on"))
                    .because(why)
                    .so("what was proved is recorded; the next run goes on there")
                    .then_try("look at the kernel log; strongroom doctor"),
            ));
        }
        self.sweep_view(run)
    }

    fn sweep_view(&self, run: u64) -> Told<FixityAnswer> {
        let row = self.ledger.sweep(run).map_err(|error| of(&error))?.ok_or_else(|| {
            Box::new(
                Complaint::new(Sort::NotFound, format!("there is no run {run} of fixity"))
                    .then_try("strongroom fixity report"),
            )
        })?;
        Ok(FixityAnswer::Run(Box::new(self.view_of(row).map_err(|error| of(&error))?)))
    }

    fn view_of(&self, run: SweepRow) -> Result<SweepView, LedgerError> {
        let under_way = self.sweeping.under_way() == Some(run.number);
        Ok(SweepView { under_way, parts: self.ledger.sweep_targets(run.number)?, run })
    }

    fn failures(
        &self,
        run: Option<u64>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<FixityAnswer, LedgerError> {
        let row = match run {
            Some(run) => self.ledger.sweep(run)?,
            None => self.ledger.sweep_now()?,
        };
        let Some(row) = row else {
            return Ok(FixityAnswer::Failures { run: None, findings: Vec::new(), next: None });
        };
        let limit = limit.clamp(1, ROWS_MAX);
        let found = self.ledger.sweep_findings(row.number, after, limit)?;
        let next = found.last().filter(|_| found.len() == limit).map(|(place, _)| place.clone());
        let findings = found.into_iter().map(|(_, finding)| finding).collect();
        Ok(FixityAnswer::Failures { run: Some(Box::new(self.view_of(row)?)), findings, next })
    }

    /// How well the copies on this target are covered: one scan of its proofs.
    pub fn coverage(&self, target: &str) -> Result<Coverage, LedgerError> {
        let ledger = &self.ledger;
        let now = ledger.world().clock.now();
        let every = self.config().fixity.every(target);
        let mut covered = Coverage {
            target: target.into(),
            every: every.as_secs(),
            ill: ledger.ill(target)?,
            ..Coverage::default()
        };
        let mut place: Option<String> = None;
        loop {
            let page = ledger.oldest_proofs(target, place.as_deref(), PAGE)?;
            let Some(last) = page.last() else { break };
            place = Some(last.place.clone());
            page.iter().for_each(|copy| covered.count(copy.proved_at, copy.bytes, every, now));
        }
        covered.bad = damaged_on(ledger, target)?;
        let measured = self.measured(&covered, every, now)?;
        let told = due::forecast(&measured);
        (covered.round_days, covered.late_days) = (told.round_days, told.late_days);
        covered.needs = told.needs.map(|time| time.as_secs());
        Ok(covered)
    }

    /// What runs of the last days measured on this target.
    fn measured(&self, covered: &Coverage, every: Duration, now: Timestamp) -> Result<Measured, LedgerError> {
        let mut of = Measured {
            bytes: covered.bytes,
            copies: covered.copies,
            every,
            oldest: covered.oldest.map_or(Duration::ZERO, |at| age(now, at)),
            ..Measured::default()
        };
        let mut newest = true;
        for run in self.ledger.sweeps(WINDOW_RUNS)? {
            let days = age(now, run.started).as_secs_f64() / DAY as f64;
            if days > WINDOW_DAYS {
                break;
            }
            let Some(part) = self.ledger.sweep_target(run.number, &covered.target)? else { continue };
            if newest {
                of.limited = part.state == SweepState::Budget;
                of.given = run.seconds.map(Duration::from_secs);
                newest = false;
            }
            of.read += part.bytes;
            of.proved += part.sound + part.faulty;
            of.worked += Duration::from_millis(part.millis);
            of.days = days;
        }
        Ok(of)
    }

    /// The targets whose copies count.
    pub fn counted_targets(&self) -> Vec<String> {
        self.settings.counted_targets(self.ledger.world())
    }

    fn known_targets(&self, names: &[String]) -> Told<()> {
        let known = &self.ledger.world().targets;
        match names.iter().find(|name| !known.contains_key(*name)) {
            Some(name) => {
                let names = known.keys().map(String::as_str).collect();
                Err(unknown_among("target of the configuration", name, names))
            }
            None => Ok(()),
        }
    }
}

impl Coverage {
    fn count(&mut self, proved_at: Timestamp, bytes: u64, every: Duration, now: Timestamp) {
        self.copies += 1;
        self.bytes += bytes;
        // From a time that is still to come: no proof at all.
        let is_none = proved_at > due::not_yet(now);
        let age = if is_none { Duration::MAX } else { age(now, proved_at) };
        if !is_none {
            self.oldest = Some(self.oldest.map_or(proved_at, |oldest| oldest.min(proved_at)));
        }
        let ages = &mut self.ages;
        *match age.as_secs() / DAY {
            0..30 => &mut ages.days_30,
            30..60 => &mut ages.days_60,
            60..90 => &mut ages.days_90,
            90..180 => &mut ages.days_180,
            _ => &mut ages.older,
        } += 1;
        *if age >= every { &mut self.overdue } else { &mut self.proved } += 1;
        let coming = &mut self.coming;
        let days = |days| Duration::from_secs(days * DAY);
        for (within, sums) in [
            (Duration::ZERO, &mut coming.now),
            (days(1), &mut coming.day),
            (days(7), &mut coming.week),
            (days(30), &mut coming.month),
        ] {
            if age.saturating_add(within) >= every {
                *sums = (sums.0 + 1, sums.1 + bytes);
            }
        }
    }
}

fn damaged_on(ledger: &Ledger, target: &str) -> Result<u64, LedgerError> {
    let mut count = 0;
    let mut after = None;
    loop {
        let page = ledger.damaged_on(target, after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(count) };
        count += page.len() as u64;
        after = Some(last.object.clone());
    }
}

fn age(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

fn of(error: &LedgerError) -> Box<Complaint> {
    of_ledger(error, "fixity is not told")
}
