//! Runs of repairs: one damaged copy after the other, within bounds.
//!
//! - What is damaged follows from the registry, so nothing is lost by stopping at any place.
//! - By itself only that is put right which a sweep found, and nothing on a target that looks ill: there many files are
//!   wrong for one reason, and repairing would spread it.

use super::{Came, CopyPlan, Done, Repairer, failed, is_gone};
use crate::books::ledger::{RepairPlace, RepairRun, RepairWanted};
use crate::model::object::{ObjectId, VersionRow};
use crate::model::proof::DamagedCopy;
use crate::model::trouble::{Stop, Trouble};
use crate::work::keeping::lacking;
use std::time::Duration;

/// Copies read from the registry at once.
const PAGE: usize = 128;

/// One copy to be looked at, and where the next one is.
enum Next {
    Copy(String, ObjectId, RepairPlace),
    LeftAlone(String, ObjectId, RepairPlace, String),
    /// Nothing there to look at; go on from here.
    On(RepairPlace),
    End,
}

impl Repairer<'_> {
    /// Goes on with a run; begins no further copy after `at_most`.
    pub fn step(&self, mut run: RepairRun, at_most: Duration) -> Result<RepairRun, Stop> {
        let began = self.world.clock.monotonic();
        let over = |run: &RepairRun| {
            let late = run.wanted.until.is_some_and(|until| self.world.clock.now() >= until);
            late || run.wanted.bytes.is_some_and(|most| run.bytes >= most)
        };
        while self.world.clock.monotonic().saturating_sub(began) <= at_most {
            match self.next(&run.wanted, &run.place)? {
                Next::End => {
                    run.ended = Some(self.world.clock.now());
                    break;
                }
                Next::On(place) => run.place = place,
                Next::LeftAlone(target, object, place, why) => {
                    run.skipped += 1;
                    run.tell(&object, &target, &why);
                    run.place = place;
                }
                Next::Copy(..) if over(&run) => {
                    run.bounded = true;
                    run.ended = Some(self.world.clock.now());
                    break;
                }
                Next::Copy(target, object, place) => {
                    let done = Repairer { ..*self }.mend(&object, &target)?;
                    count(&mut run, &object, &target, done);
                    run.place = place;
                }
            }
            self.ledger.keep_repair(&run).map_err(failed)?;
        }
        self.ledger.keep_repair(&run).map_err(failed)?;
        Ok(run)
    }

    /// What a run would do, of so many copies; and where the next ones are.
    pub fn plans(
        &self,
        wanted: &RepairWanted,
        place: &RepairPlace,
        at_most: Duration,
    ) -> Result<(Vec<CopyPlan>, Option<RepairPlace>), Stop> {
        let began = self.world.clock.monotonic();
        let (mut plans, mut place) = (Vec::new(), place.clone());
        while self.world.clock.monotonic().saturating_sub(began) <= at_most && plans.len() < PAGE {
            match self.next(wanted, &place)? {
                Next::End => return Ok((plans, None)),
                Next::On(next) => place = next,
                Next::LeftAlone(target, object, next, why) => {
                    plans.push(CopyPlan { left_alone: Some(why), ..CopyPlan::of(&object, &target) });
                    place = next;
                }
                Next::Copy(target, object, next) => {
                    plans.push(Repairer { ..*self }.plan(&object, &target)?);
                    place = next;
                }
            }
        }
        Ok((plans, Some(place)))
    }

    /// The copy behind this place.
    fn next(&self, wanted: &RepairWanted, place: &RepairPlace) -> Result<Next, Stop> {
        match &wanted.object {
            Some(object) => self.next_of(wanted, object, place),
            None if place.lost => self.next_lost(wanted, place),
            None => self.next_damaged(wanted, place),
        }
    }

    /// The copies of one object, target by target.
    fn next_of(&self, wanted: &RepairWanted, object: &ObjectId, place: &RepairPlace) -> Result<Next, Stop> {
        let versions = self.ledger.versions(object).map_err(failed)?;
        let counted = versions.iter().flat_map(|version| &version.copies).map(|copy| copy.target.clone());
        let mut names: Vec<String> = counted.collect();
        // A copy that is just being made anew is counted no more.
        for name in self.world.targets.keys() {
            let damaged = self.ledger.damage_of(name, object).map_err(failed)?.is_some();
            if damaged || self.ledger.mend_of(name, object).map_err(failed)?.is_some() {
                names.push(name.clone());
            }
        }
        names.extend(self.uncounted(object, &versions)?);
        names.sort();
        names.dedup();
        let after = place.after.as_ref().map(|(target, _)| target);
        let next = names.into_iter().find(|name| {
            after.is_none_or(|after| name > after) && wanted.target.as_ref().is_none_or(|only| only == name)
        });
        Ok(match next {
            None => Next::End,
            Some(target) => {
                let place = RepairPlace { after: Some((target.clone(), object.clone())), lost: false };
                Next::Copy(target, object.clone(), place)
            }
        })
    }

    /// Targets on which something of an object lies that no version counts, though its policy asks for a copy there: a ledger
    /// that was made anew from targets did not take a copy that was damaged.
    fn uncounted(&self, object: &ObjectId, versions: &[VersionRow]) -> Result<Vec<String>, Stop> {
        let Some(row) = self.ledger.object(object).map_err(failed)? else { return Ok(Vec::new()) };
        let mut names = lacking(self.settings, &row, versions)?;
        names.retain(|name| {
            let counted =
                versions.iter().flat_map(|version| &version.copies).any(|copy| copy.target == *name);
            let target = self.world.targets.get(name).filter(|_| !counted);
            target.is_some_and(|target| matches!(is_gone(&**target, object), Ok(false)))
        });
        Ok(names)
    }

    fn next_damaged(&self, wanted: &RepairWanted, place: &RepairPlace) -> Result<Next, Stop> {
        let after = place.after.as_ref().map(|(target, object)| (target.as_str(), object));
        let page = self.ledger.damaged(after, 1).map_err(failed)?;
        let Some(copy) = page.into_iter().next() else {
            return Ok(match wanted.lost {
                true => Next::On(RepairPlace { after: None, lost: true }),
                false => Next::End,
            });
        };
        let next = RepairPlace { after: Some((copy.target.clone(), copy.object.clone())), lost: false };
        if wanted.target.as_ref().is_some_and(|only| *only != copy.target) {
            return Ok(Next::On(next));
        }
        match wanted.by_itself.then(|| self.not_by_itself(&copy)).transpose()?.flatten() {
            Some(why) => Ok(Next::LeftAlone(copy.target, copy.object, next, why)),
            None => Ok(Next::Copy(copy.target, copy.object, next)),
        }
    }

    /// Why a copy is not put right unless a person says so.
    fn not_by_itself(&self, copy: &DamagedCopy) -> Result<Option<String>, Stop> {
        if copy.run == 0 {
            return Ok(Some("no sweep found it; a person had it looked at, and decides".into()));
        }
        if self.ledger.ill(&copy.target).map_err(failed)?.is_some() {
            return Ok(Some(format!("{} looks ill: too much of one kind is wrong there", copy.target)));
        }
        Ok(None)
    }

    /// Copies that the registry counts, and of which nothing is there. A place without a target: behind all of the object.
    fn next_lost(&self, wanted: &RepairWanted, place: &RepairPlace) -> Result<Next, Stop> {
        let after = place.after.as_ref();
        let same = after.filter(|(target, _)| !target.is_empty());
        let object = match same {
            Some((_, object)) => Some(object.clone()),
            None => {
                let page = self.ledger.objects(after.map(|(_, object)| object), 1).map_err(failed)?;
                page.into_iter().next().map(|row| row.id)
            }
        };
        let Some(object) = object else { return Ok(Next::End) };
        let versions = self.ledger.versions(&object).map_err(failed)?;
        let copies = versions.iter().flat_map(|version| &version.copies);
        let mut names: Vec<&str> = copies.map(|copy| copy.target.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let wanted = |name: &&str| {
            wanted.target.as_deref().is_none_or(|only| only == *name)
                && same.is_none_or(|(after, _)| *name > after.as_str())
        };
        let next =
            |target: &str| RepairPlace { after: Some((target.to_string(), object.clone())), lost: true };
        for name in names.into_iter().filter(wanted) {
            let Some(target) = self.world.targets.get(name) else { continue };
            match is_gone(&**target, &object) {
                Ok(true) => return Ok(Next::Copy(name.to_string(), object.clone(), next(name))),
                Ok(false) => {}
                Err(error) => {
                    let why = Trouble::from(error).sentence();
                    return Ok(Next::LeftAlone(name.to_string(), object.clone(), next(name), why));
                }
            }
        }
        Ok(Next::On(next("")))
    }
}

fn count(run: &mut RepairRun, object: &ObjectId, target: &str, done: Done) {
    run.files += done.files;
    run.bytes += done.bytes;
    run.aside += done.aside;
    match done.came {
        Came::Sound => run.sound += 1,
        Came::Whole => run.repaired += 1,
        Came::Failed(why) => {
            run.failed += 1;
            run.tell(object, target, &why);
        }
        Came::LeftAlone(why) => {
            run.skipped += 1;
            run.tell(object, target, &why);
        }
    }
}
