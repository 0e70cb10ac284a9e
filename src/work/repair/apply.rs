//! Doing what was found: bad bytes aside, right bytes in their place.

use super::find::Step;
use super::look::scratch;
use super::{Case, CopyPlan, Done, Repairer};
use crate::books::ledger::MendRow;
use crate::model::finding::escape;
use crate::model::trouble::{Stop, Trouble};
use crate::rules::sort::Sorted;
use crate::worlds::target::TargetError;
use crate::worlds::target::mending::{Aside, Mend, Mended};

/// Characters of a reason in a note.
const WHY_MAX: usize = 300;

impl<'a> Repairer<'a> {
    /// Puts right what can be. What fails is told to the log, and found again by the next look.
    pub(super) fn apply(
        &self,
        case: &Case<'a>,
        row: &MendRow,
        plan: &CopyPlan,
        rows: &mut Sorted<'_>,
        done: &mut Done,
    ) -> Result<(), Stop> {
        for step in rows {
            let (_, value) = step.map_err(scratch)?;
            let step: Step = serde_json::from_slice(&value).map_err(|error| scratch(error.into()))?;
            (self.step)(0)?;
            let aside = Aside {
                object: case.row.id.clone(),
                path: step.path.clone(),
                at: row.began,
                why: format!("{}: {}", step.outcome.name(), step.why).chars().take(WHY_MAX).collect(),
            };
            match &step.right {
                // What nobody knows may be what somebody needs to put the rest right by hand.
                None if plan.cannot > 0 => {}
                None => self.set_aside(case, &aside, done)?,
                Some(right) => self.mend_file(case, &step, right, &aside, done)?,
            }
        }
        Ok(())
    }

    fn set_aside(&self, case: &Case<'a>, aside: &Aside, done: &mut Done) -> Result<(), Stop> {
        match case.target.set_aside(aside) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => {
                done.files += 1;
                done.aside += 1;
                Ok(())
            }
            Err(error) => pass(case, &aside.path, error),
        }
    }

    fn mend_file(
        &self,
        case: &Case<'a>,
        step: &Step,
        (sha512, origin): &(String, super::sources::Origin),
        aside: &Aside,
        done: &mut Done,
    ) -> Result<(), Stop> {
        let fetched = self.sources(case).fetch((&step.path, sha512), origin)?;
        let from = match fetched {
            Ok(from) => from,
            Err(why) => {
                log::warn!(
                    "{} of {} is not put right on {}: {why}",
                    escape(step.path.as_bytes()),
                    case.row.id,
                    case.to
                );
                return Ok(());
            }
        };
        let what = Mend { object: &case.row.id, path: &step.path, from: &*from, sha512, aside };
        match case.target.mend(&what) {
            Ok(Mended::Already) => Ok(()),
            Ok(mended) => {
                done.files += 1;
                done.bytes += from.size();
                done.aside += u64::from(matches!(mended, Mended::Replaced { .. }));
                Ok(())
            }
            Err(error) => pass(case, &step.path, error),
        }
    }
}

/// One file that fails does not keep the others from being put right; a target that is full or away does.
fn pass(case: &Case<'_>, path: &str, error: TargetError) -> Result<(), Stop> {
    match error {
        TargetError::Io { .. } | TargetError::Source { .. } | TargetError::Absent { .. } => {
            log::warn!(
                "{} of {} is not put right: {}",
                escape(path.as_bytes()),
                case.row.id,
                Trouble::from(error).sentence()
            );
            Ok(())
        }
        error => Err(error.into()),
    }
}
