//! Copies of which nothing is left: the registry lets them go, and they are made anew from proved copies.
//!
//! - What was begun and cut off is there in part, and counted by nobody: it goes on where it was.
//! - A copy is let go only while the registry has another one of each of its versions. Each file of that is proved when it
//!   is copied.

use super::{Came, Case, Done, Ended, Repairer, failed};
use crate::books::ledger::{EventDraft, MendRow};
use crate::model::event::{EventType, Outcome};
use crate::model::object::VersionRow;
use crate::model::proof::Proof;
use crate::model::trouble::Stop;
use crate::work::logs::{self as events, Change};

impl<'a> Repairer<'a> {
    pub(super) fn remake(&self, case: &Case<'a>) -> Result<Done, Stop> {
        if case.others.is_empty() {
            let why = "nothing of the copy lies there, and there is no other copy of it";
            return Ok(Done::only(self.tell_hopeless(case, why)?));
        }
        if let Some(version) = case.versions.iter().find(|version| is_alone(case, version)) {
            let why = format!(
                "nothing of the copy lies there, and there is no other copy of its version {}",
                version.version
            );
            return Ok(Done::only(self.tell_hopeless(case, &why)?));
        }
        let row = match self.begun_before(case)? {
            Some(row) => row,
            None => {
                let row = MendRow {
                    object: case.row.id.clone(),
                    target: case.to.to_string(),
                    began: self.world.clock.now(),
                    ended: None,
                    found: Proof::default(),
                    from: case.others.iter().map(|(name, _)| name.clone()).collect(),
                };
                self.ledger.keep_mend(&row).map_err(failed)?;
                row
            }
        };
        if case.is_counted() {
            self.let_go(case, &row)?;
        }
        let mut done = Done::only(Came::Whole);
        let levelled = match self.leveller().level_claimed(&case.row.id, case.to) {
            Err(Stop::Trouble(trouble)) if !case.gone => {
                log::info!("{} on {} is put right first: {}", case.row.id, case.to, trouble.sentence());
                if let Ended::Stuck(stuck) = self.rounds(case, &mut Some(row.clone()), &mut done)? {
                    done.came = self.tell_failure(case, Some(&row), &stuck.0, &stuck.1)?;
                    return Ok(done);
                }
                self.leveller().level_claimed(&case.row.id, case.to)?
            }
            levelled => levelled?,
        };
        done.files += levelled.files;
        done.bytes += levelled.bytes;
        // As it is now: the registry counts it again.
        let again = match self.case(&case.row.id, case.to)? {
            Ok(again) => again,
            Err(why) => return Ok(Done { came: Came::LeftAlone(why), ..done }),
        };
        done.came = match self.rounds(&again, &mut Some(row.clone()), &mut done)? {
            Ended::Sound => self.tell_whole(&again, &row)?,
            Ended::Stuck(stuck) => self.tell_failure(&again, Some(&row), &stuck.0, &stuck.1)?,
        };
        Ok(done)
    }

    /// The registry counts the copy no more, and says why.
    fn let_go(&self, case: &Case<'a>, row: &MendRow) -> Result<(), Stop> {
        let without = |version: &VersionRow| {
            let mut version = version.clone();
            version.copies.retain(|copy| copy.target != case.to);
            version
        };
        let told = EventDraft {
            event_type: EventType::FixityCheck,
            outcome: Outcome::Failure,
            detail: format!(
                "nothing of the copy of {} lies on {} any more: it is counted no more, and made anew from other copies",
                case.row.id, case.to
            ),
            target: Some(case.to.to_string()),
            at: Some(row.began),
        };
        let versions = case.versions.iter().map(without).collect();
        let change = Change { object: case.row.clone(), versions, told, damage: Vec::new() };
        events::change(self.world, self.ledger, change)?;
        Ok(())
    }
}

/// True for a version that is counted on this target and on none of the others.
fn is_alone(case: &Case<'_>, version: &VersionRow) -> bool {
    let elsewhere = |target: &str| case.others.iter().any(|(name, _)| name == target);
    version.copies.iter().any(|copy| copy.target == case.to)
        && !version.copies.iter().any(|copy| elsewhere(&copy.target))
}
