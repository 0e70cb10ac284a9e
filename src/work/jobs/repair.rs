//! The job repair: copies that a sweep found damaged are put right, or it is told that they wait for a person.
//!
//! - It puts right only what the configuration allows (`repair.mode = "auto"`); otherwise it changes nothing.

use super::{Step, Work};
use crate::books::config::RepairMode;
use crate::books::ledger::RepairRun;
use crate::model::item::Asker;
use crate::model::job::Told;
use crate::model::proof::DamagedCopy;
use crate::work::desk::Desk;
use crate::work::desk::repair_words::{RepairAnswer, RepairAsk, RepairWish};
use crate::work::desk::words::{Answer, Ask};

const SHOW: &str = "strongroom repair show";
const PLAN: &str = "strongroom repair plan";

/// Damaged copies read at once, and counted at most.
const PAGE: usize = 512;
const COUNTED_MAX: usize = 10_000;

/// One run of repairs, or one look at what waits for one.
#[derive(Default)]
pub(super) struct Repair {
    run: Option<u64>,
}

impl Work for Repair {
    fn step(&mut self, desk: &Desk, asker: &Asker) -> Step {
        if desk.config().repair.mode != RepairMode::Auto {
            return Repair::waiting(desk);
        }
        let wish = RepairWish { by_itself: true, ..RepairWish::default() };
        match desk.answer(&Ask::Repair(RepairAsk::Run { wish, run: self.run }), asker) {
            Answer::Repair(RepairAnswer::Run(run)) => self.ran(&run),
            Answer::Refused(complaint) => Step::Failed(format!("{}: {}", complaint.error, complaint.because)),
            _ => Step::Failed("the desk gave an answer that was not asked for".into()),
        }
    }
}

impl Repair {
    fn ran(&mut self, run: &RepairRun) -> Step {
        self.run = Some(run.number);
        let all = run.repaired + run.failed + run.sound + run.skipped;
        let what = format!(
            "{} of {all} copies put right, {} failed, {} left alone",
            run.repaired, run.failed, run.skipped
        );
        if run.ended.is_none() {
            return Step::Going(what);
        }
        let mut told = Told::line(format!("repair: {what}; next: {SHOW}"));
        for failure in &run.failures {
            told.add(format!("{} on {}: {}", failure.object, failure.target, failure.why));
        }
        told.more = (run.failed + run.skipped).saturating_sub(told.lines.len() as u64);
        told.all = SHOW.into();
        // What was put right was damaged: that is told, too.
        match run.repaired + run.failed + run.skipped {
            0 => Step::Done(false, Told::line("repair: no copy is damaged")),
            _ => Step::Done(true, told),
        }
    }

    /// What waits, without reading any of it again.
    fn waiting(desk: &Desk) -> Step {
        let mut told = Told { all: PLAN.into(), ..Told::default() };
        let (mut after, mut waiting): (Option<DamagedCopy>, usize) = (None, 0);
        while waiting < COUNTED_MAX {
            let from = after.as_ref().map(|copy| (copy.target.as_str(), &copy.object));
            let page = match desk.ledger().damaged(from, PAGE) {
                Ok(page) => page,
                Err(error) => return Step::Failed(error.to_string()),
            };
            page.iter().for_each(|copy| told.add(format!("{} on {}", copy.object, copy.target)));
            waiting += page.len();
            match page.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        if waiting == 0 {
            return Step::Done(false, Told::line("repair: no copy is damaged"));
        }
        let copies =
            if waiting == 1 { "1 damaged copy waits" } else { &format!("{waiting} damaged copies wait") };
        let line = format!("repair: {copies} for a person; next: {PLAN}");
        Step::Done(true, Told { line, ..told })
    }
}
