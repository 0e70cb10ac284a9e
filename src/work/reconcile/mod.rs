//! Reconciling: what the registry has against what lies on targets, both ways, every version, on every target.
//!
//! ```text
//! each target:  walk it, hold each object against the registry  ->  go through the registry, look for each copy  ->  next
//! ```
//!
//! - Looking changes nothing, anywhere but in the check's own rows.
//! - It goes in steps; after each the ledger has counts, findings and the place to go on from, so that it may be cut off.
//! - An object that changes while it is looked at is looked at again before anything is said of it.
//! - Memory is one step.

mod look;

use crate::books::ledger::{CheckFinding, CheckRow, Counts, Ledger, LedgerError, Place};
use crate::model::object::ObjectId;
use crate::model::trouble::Trouble;
use crate::rules::ocfl::layout;
use crate::rules::reconcile::Kind;
use crate::worlds::target::holdings::Lies;
use crate::worlds::target::{Target, TargetError, Where};
use look::Looking;
use std::collections::BTreeSet;

/// Objects of one step.
const STEP: usize = 200;

/// Strays that one step tells one by one; the rest is told as one.
const STRAYS_MAX: usize = 500;

/// A check under way, or at its end.
pub struct Reconcile<'a> {
    /// The registry.
    pub ledger: &'a Ledger,
    /// Short id of the ledger: what others left on a target is told apart by it.
    pub ledger_id: &'a str,
}

impl Reconcile<'_> {
    /// Begins a check of these targets; one that is under way and not at its end goes on when `go_on` says so.
    pub fn begin(
        &self,
        targets: Vec<String>,
        asked_by: &str,
        go_on: impl Fn(&CheckRow) -> bool,
    ) -> Result<CheckRow, LedgerError> {
        if let Some(row) = self.ledger.check_now()?.filter(go_on) {
            return Ok(row);
        }
        let numbers = [self.ledger.check_now()?, self.ledger.check_last()?];
        let number = numbers.iter().flatten().map(|row| row.number).max().unwrap_or(0) + 1;
        let started = self.ledger.world().clock.now();
        let mut row = CheckRow { number, asked_by: asked_by.into(), started, targets, ..CheckRow::default() };
        self.ledger.keep_check(&mut row, &[])?;
        Ok(row)
    }

    /// Goes on by one step.
    pub fn step(&self, mut row: CheckRow) -> Result<CheckRow, LedgerError> {
        let mut found = Vec::new();
        match row.targets.get(row.place.target).cloned() {
            None => row.ended = Some(self.ledger.world().clock.now()),
            Some(name) => {
                let mut counts = row.counts.remove(&name).unwrap_or_default();
                let next = self.on_target(&name, &row.place, &mut counts, &mut found)?;
                row.counts.insert(name, counts);
                row.place = next;
            }
        }
        self.ledger.keep_check(&mut row, &found)?;
        Ok(row)
    }

    fn on_target(
        &self,
        name: &str,
        place: &Place,
        counts: &mut Counts,
        found: &mut Vec<CheckFinding>,
    ) -> Result<Place, LedgerError> {
        let next_target = Place { target: place.target + 1, ..Place::default() };
        let Some(target) = self.ledger.world().targets.get(name) else {
            counts.unread = Some("it is not in the configuration".into());
            return Ok(next_target);
        };
        let looking = Looking { ledger: self.ledger, name, target: &**target };
        let stepped = match place.registry {
            false => self.walk(&looking, place, counts, found)?,
            true => registry(&looking, place, found)?,
        };
        Ok(match stepped {
            Ok(Some(after)) => Place { after: Some(after), ..place.clone() },
            Ok(None) if !place.registry => Place { registry: true, after: None, ..place.clone() },
            Ok(None) => next_target,
            Err(error) => {
                counts.unread = Some(Trouble::from(error).sentence());
                next_target
            }
        })
    }

    /// Holds a step of what lies there against the registry. Gives the last folder if there may be more.
    fn walk(
        &self,
        looking: &Looking<'_>,
        place: &Place,
        counts: &mut Counts,
        found: &mut Vec<CheckFinding>,
    ) -> Result<Result<Option<String>, TargetError>, LedgerError> {
        if place.after.is_none()
            && let Err(error) = self.under_way(looking, found)
        {
            return Ok(Err(error));
        }
        let (mut folders, mut strays, mut more_strays) = (Vec::new(), Vec::new(), 0);
        let walked = looking.target.walk(place.after.as_deref(), &mut |lies| {
            match lies {
                Lies::Object(folder) => folders.push(folder.to_string()),
                Lies::Stray(path) if strays.len() < STRAYS_MAX => strays.push(path.to_string()),
                Lies::Stray(_) => more_strays += 1,
            }
            folders.len() < STEP
        });
        if let Err(error) = walked {
            return Ok(Err(error));
        }
        self.strays(looking, &strays, more_strays, found)?;
        for folder in &folders {
            match looking.object(folder, counts, found)? {
                Ok(()) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(folders.pop().filter(|_| folders.len() + 1 == STEP)))
    }

    /// What is on its way there, and what was left of it.
    fn under_way(&self, looking: &Looking<'_>, found: &mut Vec<CheckFinding>) -> Result<(), TargetError> {
        for one in looking.target.under_way()? {
            let ours = one.ledger == self.ledger_id && !one.orphan;
            let because = match ours {
                true => format!("item {} is storing", one.item),
                false => format!("item {} of the ledger {} left it, and was not ended", one.item, one.ledger),
            };
            let about = one.path.unwrap_or_else(|| format!("work of item {}", one.item));
            found.push(looking.finding(Kind::InFlight, about, None, 1, because));
        }
        Ok(())
    }

    /// What belongs to no object. Files in the folder of an object that the registry knows are what is left of it.
    fn strays(
        &self,
        looking: &Looking<'_>,
        strays: &[String],
        more: u64,
        found: &mut Vec<CheckFinding>,
    ) -> Result<(), LedgerError> {
        let mut broken: BTreeSet<String> = BTreeSet::new();
        for path in strays {
            let folder: Vec<&str> = path.split('/').take(4).collect();
            let folder = folder.join("/");
            let id = id_in(&folder).filter(|_| folder != *path);
            let known = match &id {
                Some(id) => self.ledger.object(id)?.is_some(),
                None => false,
            };
            match id.filter(|_| known) {
                Some(id) if broken.insert(folder) => {
                    let because =
                        format!("it is not declared as an object: {path} and other files lie there");
                    found.push(looking.finding(Kind::Damaged, id.0, None, 1, because));
                }
                Some(_) => {}
                None => {
                    let because = "it belongs to no object".into();
                    found.push(looking.finding(Kind::Extra, path.clone(), None, 1, because));
                }
            }
        }
        if more > 0 {
            let because = "they belong to no object".into();
            found.push(looking.finding(Kind::Extra, "further files".into(), None, more, because));
        }
        Ok(())
    }
}

/// Looks for each copy that the registry has on this target, a step of objects. Gives the last id if there may be more.
fn registry(
    looking: &Looking<'_>,
    place: &Place,
    found: &mut Vec<CheckFinding>,
) -> Result<Result<Option<String>, TargetError>, LedgerError> {
    let after = place.after.clone().map(ObjectId);
    let objects = looking.ledger.objects(after.as_ref(), STEP)?;
    for object in &objects {
        match looking.lost(&object.id, found)? {
            Ok(()) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(objects.last().map(|object| object.id.0.clone()).filter(|_| objects.len() == STEP)))
}

/// The id that a folder's name tells; none when it was too long to be the whole of it, or is no such name.
pub fn id_in(folder: &str) -> Option<ObjectId> {
    let name = folder.rsplit('/').next()?.as_bytes();
    let mut bytes = Vec::with_capacity(name.len());
    let mut at = 0;
    while at < name.len() {
        if name[at] == b'%' {
            let pair = std::str::from_utf8(name.get(at + 1..at + 3)?).ok()?;
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
            at += 3;
        } else {
            bytes.push(name[at]);
            at += 1;
        }
    }
    let id = ObjectId(String::from_utf8(bytes).ok()?);
    (layout::object_path(&id) == folder).then_some(id)
}

/// True when nothing lies in this folder that could be an object.
fn is_nothing(target: &dyn Target, folder: &str) -> Result<bool, TargetError> {
    for name in [layout::OBJECT_DECLARATION.0, layout::INVENTORY] {
        match target.read(Where::Root(&format!("{folder}/{name}")), &mut |_| {}) {
            Err(TargetError::Absent { .. }) => {}
            Err(error) => return Err(error),
            Ok(_) => return Ok(false),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_tells_its_object_unless_its_name_was_cut() {
        for id in ["strongroom:uva.edu/photos", "strongroom:uva.edu/B%C3%BCcher%20100%25", "x"] {
            let id = ObjectId(id.into());
            assert_eq!(id_in(&layout::object_path(&id)), Some(id));
        }
        let long = ObjectId(format!("strongroom:uva.edu/{}", "x".repeat(200)));
        for folder in [layout::object_path(&long).as_str(), "a/b/c/x", "x%", "x%zz", "", "a/b/c/%ff"] {
            assert_eq!(id_in(folder), None, "{folder}");
        }
    }
}
