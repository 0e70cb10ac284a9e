//! What is told of a repair: one event of what was put aside, one of what became of the copy.
//!
//! - Events have the times that were written down before, so that telling again after a stop tells the same event, and it is
//!   recorded once.
//! - The mark of damage goes in the commit that says that all of the copy was read again.

use super::{Came, Case, CopyPlan, Repairer, failed};
use crate::books::ledger::{DamageMark, EventDraft, MendRow};
use crate::model::event::{Event, EventType, Outcome};
use crate::model::finding::escape;
use crate::model::object::VersionRow;
use crate::model::proof::{DamagedCopy, Proof};
use crate::model::trouble::Stop;
use crate::work::logs::{self as events, Change};
use crate::worlds::target::mending::Aside;
use jiff::Timestamp;

/// Files that an event names.
const NAMED_MAX: usize = 5;

/// Characters of a path in an event.
const PATH_MAX: usize = 200;

impl<'a> Repairer<'a> {
    /// The repair of this copy that a stop cut off, if it was not told to its end.
    pub(super) fn begun_before(&self, case: &Case<'a>) -> Result<Option<MendRow>, Stop> {
        let Some(row) = self.ledger.mend_of(case.to, &case.row.id).map_err(failed)? else { return Ok(None) };
        if let Some(ended) = row.ended
            && self.is_told(case, &self.recovery(case, &row, ended))?
        {
            self.ledger.forget_mend(&row).map_err(failed)?;
            return Ok(None);
        }
        Ok(Some(row))
    }

    fn is_told(&self, case: &Case<'a>, draft: &EventDraft) -> Result<bool, Stop> {
        let event = self.ledger.object_event(&case.row.id, case.row.head, draft);
        let told = self.ledger.object_events(&case.row.id).map_err(failed)?;
        Ok(told.iter().any(|known| known.id == event.id))
    }

    /// Tells an event, unless a stop came right after it was told.
    fn tell(
        &self,
        case: &Case<'a>,
        told: EventDraft,
        proved_at: Option<Timestamp>,
        damage: Vec<DamageMark>,
    ) -> Result<(), Stop> {
        if self.is_told(case, &told)? {
            return Ok(());
        }
        let Some(object) = self.ledger.object(&case.row.id).map_err(failed)? else { return Ok(()) };
        let mut versions: Vec<VersionRow> = self.ledger.versions(&case.row.id).map_err(failed)?;
        if let Some(at) = proved_at {
            let copies = versions.iter_mut().flat_map(|version| &mut version.copies);
            copies.filter(|copy| copy.target == case.to).for_each(|copy| copy.proved_at = at);
        }
        events::change(self.world, self.ledger, Change { object, versions, told, damage })?;
        Ok(())
    }

    /// What this repair put aside, whenever it was done.
    fn tell_quarantine(&self, case: &Case<'a>, row: &MendRow) -> Result<(), Stop> {
        let starts = Aside::names_of(&case.row.id, row.began);
        case.target.sweep_up(&starts)?;
        let mut aside = case.target.quarantine(&starts)?;
        aside.retain(|one| one.of.as_ref().is_none_or(|of| of.object == case.row.id && of.at == row.began));
        if aside.is_empty() {
            return Ok(());
        }
        let bytes: u64 = aside.iter().map(|one| one.bytes).sum();
        let named = aside.iter().take(NAMED_MAX).map(|one| match &one.of {
            Some(of) => format!("{} as {}", short(&of.path), one.name),
            None => one.name.clone(),
        });
        let named: Vec<String> = named.collect();
        let more = if aside.len() > named.len() { ", …" } else { "" };
        let told = EventDraft {
            event_type: EventType::Quarantine,
            outcome: Outcome::Success,
            detail: format!(
                "of the copy of {} on {} {} put aside in its quarantine, for something was wrong: {bytes} bytes, {}{more}",
                case.row.id,
                case.to,
                if aside.len() == 1 {
                    "a file was".to_string()
                } else {
                    format!("{} files were", aside.len())
                },
                named.join(", ")
            ),
            target: Some(case.to.to_string()),
            at: Some(row.began),
        };
        self.tell(case, told, None, Vec::new())
    }

    fn recovery(&self, case: &Case<'a>, row: &MendRow, at: Timestamp) -> EventDraft {
        let found = &row.found;
        let from = if row.from.is_empty() { String::new() } else { format!(" from {}", row.from.join(", ")) };
        let what = match found.matched + found.mismatched + found.missing + found.unreadable + found.extra {
            0 => "nothing of it was there; it was made anew".to_string(),
            _ => format!(
                "{} mismatched, {} missing, {} unreadable and {} extra were put right",
                found.mismatched, found.missing, found.unreadable, found.extra
            ),
        };
        EventDraft {
            event_type: EventType::Recovery,
            outcome: Outcome::Success,
            detail: format!(
                "the copy of {} on {} is whole again: {what}{from}, and every file of it was read again and is equal",
                case.row.id, case.to
            ),
            target: Some(case.to.to_string()),
            at: Some(at),
        }
    }

    /// All of it was read again, and nothing is wrong.
    pub(super) fn tell_whole(&self, case: &Case<'a>, row: &MendRow) -> Result<Came, Stop> {
        self.tell_quarantine(case, row)?;
        let ended = row.ended.unwrap_or_else(|| self.world.clock.now());
        let row = MendRow { ended: Some(ended), ..row.clone() };
        self.ledger.keep_mend(&row).map_err(failed)?;
        self.ledger.forget_partial(case.to, &case.row.id).map_err(failed)?;
        let told = self.recovery(case, &row, ended);
        self.tell(case, told, Some(ended), vec![DamageMark::Over(case.to.to_string())])?;
        self.ledger.forget_mend(&row).map_err(failed)?;
        Ok(Came::Whole)
    }

    /// Nothing is wrong with it, though something was said to be.
    pub(super) fn tell_sound(&self, case: &Case<'a>) -> Result<Came, Stop> {
        if self.ledger.damage_of(case.to, &case.row.id).map_err(failed)?.is_none() {
            return Ok(Came::Sound);
        }
        let now = self.world.clock.now();
        let told = EventDraft {
            event_type: EventType::FixityCheck,
            outcome: Outcome::Success,
            detail: format!(
                "every file of {} was read on {} to be put right, and nothing is wrong with it any more",
                case.row.id, case.to
            ),
            target: Some(case.to.to_string()),
            at: Some(now),
        };
        self.tell(case, told, Some(now), vec![DamageMark::Over(case.to.to_string())])?;
        Ok(Came::Sound)
    }

    /// Something is wrong with it still. The same is told once, however often it is tried.
    pub(super) fn tell_failure(
        &self,
        case: &Case<'a>,
        row: Option<&MendRow>,
        plan: &CopyPlan,
        proof: &Proof,
    ) -> Result<Came, Stop> {
        if let Some(row) = row {
            self.tell_quarantine(case, row)?;
        }
        let why = plan.why_not().unwrap_or_else(|| match proof.faults.first() {
            Some(fault) => format!("{} is {} still: {}", short(&fault.path), fault.outcome.name(), fault.why),
            None => "it is not whole after it was put right".into(),
        });
        let now = self.world.clock.now();
        let known = self.ledger.damage_of(case.to, &case.row.id).map_err(failed)?;
        let (found_at, run) = known.map_or((now, 0), |known| (known.found_at, known.run));
        let damage = DamagedCopy::new(&case.row.id, case.to, found_at, run, proof);
        self.tell_alarm(case, &why, vec![DamageMark::Found(damage)])?;
        if let Some(row) = row {
            self.ledger.forget_mend(row).map_err(failed)?;
        }
        Ok(Came::Failed(why))
    }

    /// Nothing can be done for it.
    pub(super) fn tell_hopeless(&self, case: &Case<'a>, why: &str) -> Result<Came, Stop> {
        self.tell_alarm(case, why, Vec::new())?;
        Ok(Came::Failed(why.to_string()))
    }

    fn tell_alarm(&self, case: &Case<'a>, why: &str, damage: Vec<DamageMark>) -> Result<(), Stop> {
        let detail = format!(
            "the copy of {} on {} cannot be put right: {why}; nothing was overwritten that has no proved copy",
            case.row.id, case.to
        );
        log::error!("{detail}");
        let told = self.ledger.object_events(&case.row.id).map_err(failed)?;
        let of_this_copy = |event: &&Event| {
            event.target.as_deref() == Some(case.to)
                && matches!(event.event_type, EventType::Recovery | EventType::Quarantine)
        };
        // What was found sound meanwhile and is damaged again has lost its mark: it is told anew, and gets one.
        let marked = self.ledger.damage_of(case.to, &case.row.id).map_err(failed)?.is_some();
        let known = told.iter().rev().find(of_this_copy).is_some_and(|last| last.detail == detail);
        if known && (marked || damage.is_empty()) {
            return Ok(());
        }
        let told = EventDraft {
            event_type: EventType::Recovery,
            outcome: Outcome::Failure,
            detail,
            target: Some(case.to.to_string()),
            at: Some(self.world.clock.now()),
        };
        self.tell(case, told, None, damage)
    }
}

fn short(path: &str) -> String {
    escape(path.as_bytes()).chars().take(PATH_MAX).collect()
}
