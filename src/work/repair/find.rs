//! What is wrong with a copy, and where the right bytes of each file are.

use super::look::{BUDGET, Look, Wrong, scratch};
use super::sources::{Origin, Sources};
use super::{Case, CopyPlan, PlannedFile, Repairer, TOLD_MAX};
use crate::model::finding::escape;
use crate::model::proof::{Outcome, Proof};
use crate::model::trouble::Stop;
use crate::rules::ocfl::layout;
use crate::rules::sort::{Scratch, Sorted, Sorter};
use serde::{Deserialize, Serialize};

/// A file that is to be put right, or put aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) path: String,
    pub(super) outcome: Outcome,
    pub(super) why: String,
    /// What it must be, and where that is; none: it should not be there.
    pub(super) right: Option<(String, Origin)>,
}

/// What was found.
pub(super) struct Found<'s> {
    pub(super) plan: CopyPlan,
    pub(super) proof: Proof,
    /// Steps in the order in which they are done.
    pub(super) rows: Sorted<'s>,
}

impl<'a> Repairer<'a> {
    pub(super) fn find<'s>(&self, case: &Case<'a>, runs: &'s dyn Scratch) -> Result<Found<'s>, Stop> {
        let sources = self.sources(case);
        let mut rows = Sorter::new(runs, BUDGET);
        let mut plan = CopyPlan::of(&case.row.id, case.to);
        let inventory = sources.inventory()?;
        let look = Look {
            target: case.target,
            object: &case.row.id,
            inventories: &case.inventories,
            inventory: inventory.as_deref().ok(),
            scratch: runs,
            step: self.step,
        };
        let mut proof = look.run(&mut |wrong| one(&sources, wrong, &mut plan, &mut rows))?;
        self.logs(case, &mut proof, &mut |wrong, right| keep(wrong, right, &mut plan, &mut rows))?;
        if let Err(why) = &inventory {
            plan.cannot += u64::from(plan.cannot == 0);
            if !plan.first.iter().any(|file| file.cannot.is_some()) {
                plan.first.push(PlannedFile {
                    path: layout::INVENTORY.into(),
                    outcome: Outcome::Mismatched,
                    why: why.clone(),
                    from: None,
                    cannot: Some(why.clone()),
                });
            }
        }
        plan.proof = Some(proof.clone());
        Ok(Found { plan, proof, rows: rows.finish().map_err(scratch)? })
    }
}

fn one(sources: &Sources<'_>, wrong: Wrong, plan: &mut CopyPlan, rows: &mut Sorter<'_>) -> Result<(), Stop> {
    let right = match &wrong.sha512 {
        None => None,
        Some(sha512) => Some(sources.find(&wrong.path, sha512)?),
    };
    keep(wrong, right, plan, rows)
}

/// Where the right bytes are, and how many; or why they are nowhere.
pub(super) type Right = Result<(Origin, u64), String>;

fn keep(wrong: Wrong, right: Option<Right>, plan: &mut CopyPlan, rows: &mut Sorter<'_>) -> Result<(), Stop> {
    let mut told = PlannedFile {
        path: escape(wrong.path.as_bytes()),
        outcome: wrong.outcome,
        why: wrong.why.clone(),
        from: None,
        cannot: None,
    };
    let mut step = Step { path: wrong.path, outcome: wrong.outcome, why: wrong.why, right: None };
    let mut doable = true;
    match right {
        None => plan.extra += 1,
        Some(Ok((origin, bytes))) => {
            let from = match &origin {
                Origin::Text(_) => "text".to_string(),
                Origin::Own(_) => plan.target.clone(),
                Origin::Copy(name) => name.clone(),
                Origin::Record(_) => "ledger".to_string(),
            };
            plan.files += 1;
            plan.bytes += bytes;
            *plan.from.entry(from.clone()).or_default() += 1;
            told.from = Some(from);
            step.right = wrong.sha512.map(|sha512| (sha512, origin));
        }
        Some(Err(why)) => {
            plan.cannot += 1;
            told.cannot = Some(why);
            doable = false;
        }
    }
    let first_of_its_kind = told.cannot.is_some() && plan.cannot == 1;
    if plan.first.len() < TOLD_MAX || first_of_its_kind {
        plan.first.push(told);
    }
    if !doable {
        return Ok(());
    }
    let mut key = vec![rank(&step)];
    key.extend(step.path.as_bytes());
    let value = serde_json::to_vec(&step).map_err(|error| scratch(error.into()))?;
    rows.push(key, value).map_err(scratch)
}

/// What is not there any more may be in the way of what should be; the declaration says that all the rest is there.
fn rank(step: &Step) -> u8 {
    let of_version = step.path.starts_with('v');
    match step.path.rsplit('/').next().unwrap_or_default() {
        _ if step.right.is_none() => 0,
        _ if step.path.contains("/content/") => 1,
        layout::INVENTORY if of_version => 2,
        layout::SIDECAR if of_version => 3,
        layout::INVENTORY => 4,
        layout::SIDECAR => 5,
        _ if step.path.starts_with("logs/") => 6,
        _ => 7,
    }
}
