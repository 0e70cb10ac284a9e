//! Repairs, as people and the schedule ask for them.
//!
//! - An answer takes a few seconds, or one copy; whoever asks goes on with the next step.
//! - By itself nothing is put right unless the configuration says `repair.mode = "auto"`; then once for what a sweep found,
//!   and once a day for what could not be put right before.

use super::complaint::{Complaint, Sort};
use super::repair_words::{QuarantineView, RepairAnswer, RepairAsk, RepairView, RepairWish};
use super::words::{Answer, ROWS_MAX};
use super::{Desk, Told, of_ledger};
use crate::books::config::RepairMode;
use crate::books::ledger::{LedgerError, RepairPlace, RepairRun, RepairWanted};
use crate::model::item::Asker;
use crate::model::trouble::{Stop, Trouble};
use crate::rules::due;
use crate::work::keeping::wait_for;
use crate::work::repair::Repairer;
use jiff::SignedDuration;
use std::time::Duration;

/// No further copy is begun in an answer after so long.
const AT_MOST: Duration = Duration::from_secs(2);

/// Damaged copies in one answer.
const DAMAGED_MAX: usize = 200;

/// What could not be put right is tried again by itself after so long.
const AGAIN: Duration = Duration::from_secs(24 * 3_600);

impl Desk {
    pub(super) fn repair(&self, ask: &RepairAsk, asker: &Asker) -> Told<Answer> {
        let answer = match ask {
            RepairAsk::Plan { wish, place } => self.plan_repair(wish, place.clone().unwrap_or_default())?,
            RepairAsk::Run { wish, run } => RepairAnswer::Run(Box::new(self.run_repair(wish, *run, asker)?)),
            RepairAsk::Show { limit } => {
                RepairAnswer::Shown(Box::new(self.show_repair((*limit).min(ROWS_MAX))?))
            }
        };
        Ok(Answer::Repair(answer))
    }

    fn wanted(&self, wish: &RepairWish) -> Told<RepairWanted> {
        if let Some(name) = &wish.target {
            self.target_name(name)?;
        }
        let object = wish.object.as_deref().map(|word| self.known_object(word)).transpose()?;
        let now = self.ledger.world().clock.now();
        let seconds = wish.seconds.and_then(|seconds| i64::try_from(seconds).ok());
        Ok(RepairWanted {
            object: object.map(|(object, _)| object.id),
            target: wish.target.clone(),
            lost: wish.lost,
            bytes: wish.bytes,
            until: seconds.and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok()),
            by_itself: wish.by_itself,
        })
    }

    /// Does this with somebody who puts right, at the pace of copies, until the process wants to end.
    fn with_repairer<T>(&self, doing: &str, work: impl FnOnce(&Repairer<'_>) -> Result<T, Stop>) -> Told<T> {
        let over = || self.pipeline.upgrade().is_some_and(|pipeline| pipeline.is_draining());
        let step = |bytes: u64| wait_for(self.ledger.world(), &self.settings, bytes, &over);
        let repairer = Repairer {
            world: self.ledger.world(),
            ledger: &self.ledger,
            settings: &self.settings,
            step: &step,
        };
        work(&repairer).map_err(|stop| {
            let complaint = |sort, because: String| Complaint::new(sort, doing).because(because);
            Box::new(match stop {
                Stop::Trouble(trouble) => {
                    complaint(Sort::Io, trouble.sentence()).then_try("strongroom doctor")
                }
                Stop::Drained => complaint(Sort::Busy, "the process is asked to end".into())
                    .so("what was put right is; the rest goes on when it is asked for again")
                    .then_try("the same command, when the daemon runs again"),
                other => complaint(Sort::Io, format!("{other:?}")).then_try("strongroom disk"),
            })
        })
    }

    fn plan_repair(&self, wish: &RepairWish, place: RepairPlace) -> Told<RepairAnswer> {
        let wanted = self.wanted(wish)?;
        let (copies, next) = self.with_repairer("it is not planned what to put right", |repairer| {
            repairer.plans(&wanted, &place, AT_MOST)
        })?;
        Ok(RepairAnswer::Planned { copies, next })
    }

    fn run_repair(&self, wish: &RepairWish, run: Option<u64>, asker: &Asker) -> Told<RepairRun> {
        let doing = "copies are not put right";
        let failed = |error: LedgerError| of_ledger(&error, doing);
        // One step at a time: two runs would only wait for each other's objects.
        let _alone = self.repairing.lock().unwrap_or_else(|broken| broken.into_inner());
        let known = run.map(|number| self.ledger.repair(number).map_err(failed)).transpose()?.flatten();
        let run = match known {
            Some(known) => known,
            None => {
                let run = self.ledger.begin_repair(&asker.name, self.wanted(wish)?).map_err(failed)?;
                log::info!("repair {} was asked for by {} (uid {})", run.number, asker.name, asker.uid);
                run
            }
        };
        if run.ended.is_some() {
            return Ok(run);
        }
        let run = self.with_repairer(doing, |repairer| repairer.step(run, AT_MOST))?;
        if run.ended.is_some() {
            log::info!("repair {}: {} copies put right, {} failed", run.number, run.repaired, run.failed);
        }
        Ok(run)
    }

    fn show_repair(&self, limit: usize) -> Told<RepairView> {
        let failed = |error: LedgerError| of_ledger(&error, "repairs are not shown");
        let mut damaged = self.ledger.damaged(None, DAMAGED_MAX + 1).map_err(failed)?;
        let more = damaged.len() > DAMAGED_MAX;
        damaged.truncate(DAMAGED_MAX);
        let view = |(name, target): (&String, &std::sync::Arc<dyn crate::worlds::target::Target>)| {
            let mut view = QuarantineView { target: name.clone(), ..QuarantineView::default() };
            match target.quarantine("") {
                Err(error) => view.wrong = Some(Trouble::from(error).sentence()),
                Ok(mut all) => {
                    view.count = all.len() as u64;
                    view.bytes = all.iter().map(|one| one.bytes).sum();
                    all.reverse();
                    all.truncate(limit);
                    view.newest = all;
                }
            }
            view
        };
        Ok(RepairView {
            mode: self.config().repair.mode.name().into(),
            runs: self.ledger.repairs(limit).map_err(failed)?,
            damaged,
            more,
            quarantine: self.ledger.world().targets.iter().map(view).collect(),
        })
    }

    /// True when the configuration lets copies be put right by themselves, and a sweep found some that are not.
    pub fn repair_due(&self) -> bool {
        self.config().repair.mode == RepairMode::Auto && self.damage_is_new().unwrap_or(false)
    }

    fn damage_is_new(&self) -> Result<bool, LedgerError> {
        let runs = self.ledger.repairs(usize::MAX)?;
        let last = runs.iter().find(|run| run.wanted.by_itself);
        let now = self.ledger.world().clock.now();
        let mut after: Option<(String, crate::model::object::ObjectId)> = None;
        loop {
            let from = after.as_ref().map(|(target, object)| (target.as_str(), object));
            let page = self.ledger.damaged(from, ROWS_MAX)?;
            let Some(end) = page.last() else { return Ok(false) };
            after = Some((end.target.clone(), end.object.clone()));
            for copy in page.iter().filter(|copy| copy.run > 0) {
                let is_new = last.is_none_or(|last| {
                    last.ended.is_none()
                        || (copy.found_at > last.started && copy.found_at <= due::not_yet(now))
                        || due::again(last.started, AGAIN, now)
                });
                if is_new && self.ledger.ill(&copy.target)?.is_none() {
                    return Ok(true);
                }
            }
        }
    }
}
