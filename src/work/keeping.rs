//! Keeping: every object has the copies that its policy asks for, also after a target was added or lost.
//!
//! - What is due follows from the registry alone, so nothing is lost by stopping at any place.
//! - An object with an item that stores just now is passed over; it is looked at again in the next round.
//! - A target in trouble stops the copying to it for this round, and nothing else.

use crate::books::ledger::{DamageMark, EventDraft, Ledger, LedgerError, TargetUse};
use crate::model::checkpoint::Stage;
use crate::model::event::{EventType, Outcome};
use crate::model::object::{ObjectId, ObjectRow, StoredCopy, VersionRow};
use crate::model::trouble::{Stop, Trouble};
use crate::work::job::Settings;
use crate::work::levelling::Leveller;
use crate::work::logs::{self, Change};
use crate::worlds::World;
use crate::worlds::net::pace::{Pace, Schedule, portion};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Objects read at once.
const PAGE: usize = 128;

/// Objects of one round that are told one by one when they could not be copied.
const FAILED_MAX: usize = 50;

/// Longest sleep before asking again whether to stop.
const NAP: Duration = Duration::from_millis(250);

/// How copies are kept.
#[derive(Debug, Default)]
pub struct Keeping {
    /// How often it is looked whether copies lack; zero: never by itself.
    pub every: Duration,
    /// How fast copies are made.
    pub pace: Pace,
}

impl Keeping {
    /// Looks so often, and copies at this pace.
    pub fn new(every: Duration, schedule: Schedule) -> Keeping {
        Keeping { every, pace: Pace::new(schedule) }
    }
}

/// What a round, or a part of one, came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// Objects looked at.
    pub objects: u64,
    /// Copies of versions made.
    pub versions: u64,
    /// Files copied.
    pub files: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Copies of objects that still lack.
    pub lacking: u64,
    /// Why, for the first of them.
    pub failed: Vec<String>,
    /// Where the next part starts; none: the round is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What to fill.
pub struct Fill<'a> {
    /// Only this target.
    pub target: Option<&'a str>,
    /// Only objects behind this one.
    pub after: Option<&'a str>,
    /// No new object is begun after so long.
    pub at_most: Duration,
    /// Only count what lacks.
    pub only_count: bool,
    /// True when the process wants to end.
    pub over: &'a (dyn Fn() -> bool + Sync),
}

/// Targets that this object's policy asks for and that lack a version of it.
pub fn lacking(
    settings: &Settings,
    object: &ObjectRow,
    versions: &[VersionRow],
) -> Result<Vec<String>, Trouble> {
    let policy = settings.uses.in_effect(settings.policy(&object.policy)?)?;
    let has = |target: &String| {
        versions.iter().all(|version| version.copies.iter().any(|copy| copy.target == *target))
    };
    Ok(policy.targets.into_iter().filter(|target| !has(target)).collect())
}

/// Copies what lacks.
pub fn fill(
    world: &World,
    ledger: &Ledger,
    settings: &Settings,
    what: &Fill<'_>,
) -> Result<Filled, LedgerError> {
    let began = world.clock.monotonic();
    let mut filled = Filled::default();
    let mut after = what.after.map(|id| ObjectId(id.to_string()));
    let mut ill = BTreeSet::new();
    let step = |bytes: u64| wait_for(world, settings, bytes, what.over);
    let leveller = Leveller { world, ledger, settings, step: &step };
    loop {
        let page = ledger.objects(after.as_ref(), PAGE)?;
        if page.is_empty() {
            return Ok(filled);
        }
        for object in page {
            if (what.over)() || world.clock.monotonic().saturating_sub(began) > what.at_most {
                filled.next = Some(after.map_or_else(String::new, |id| id.0));
                return Ok(filled);
            }
            one(&leveller, what, &object, &mut filled, &mut ill)?;
            after = Some(object.id);
        }
    }
}

fn one(
    leveller: &Leveller<'_>,
    what: &Fill<'_>,
    object: &ObjectRow,
    filled: &mut Filled,
    ill: &mut BTreeSet<String>,
) -> Result<(), LedgerError> {
    filled.objects += 1;
    let versions = leveller.ledger.versions(&object.id)?;
    if !what.only_count
        && let Err(trouble) = let_go(leveller, object, &versions)
    {
        filled.fail(&object.id, &trouble.sentence());
        return Ok(());
    }
    let lacking = match lacking(leveller.settings, object, &versions) {
        Ok(lacking) => lacking,
        Err(trouble) => {
            filled.fail(&object.id, &trouble.sentence());
            return Ok(());
        }
    };
    for target in lacking.into_iter().filter(|target| what.target.is_none_or(|only| only == target)) {
        if what.only_count || ill.contains(&target) {
            filled.lacking += 1;
            continue;
        }
        if stores_now(leveller.ledger, object)? {
            filled.fail(&object.id, "a deposit of it is being stored, or it is being deleted");
            continue;
        }
        match leveller.level(&object.id, &target) {
            Ok(done) => {
                filled.versions += u64::from(done.versions);
                filled.files += done.files;
                filled.bytes += done.bytes;
                log::info!("{}: {} versions copied to {target}", object.id, done.versions);
            }
            Err(Stop::Drained) => filled.lacking += 1,
            Err(stop) => {
                let (why, of_target) = told(&stop);
                log::warn!("{} is not copied to {target}: {why}", object.id);
                filled.fail(&object.id, &why);
                if of_target {
                    ill.insert(target);
                }
            }
        }
    }
    Ok(())
}

/// Copies on retired targets are not counted any more: the registry lets them go, and says so once for each.
fn let_go(leveller: &Leveller<'_>, object: &ObjectRow, versions: &[VersionRow]) -> Result<(), Trouble> {
    let uses = &leveller.settings.uses;
    let retired = |copy: &StoredCopy| uses.of_target(&copy.target) == TargetUse::Retired;
    let mut names: Vec<String> = versions
        .iter()
        .flat_map(|version| &version.copies)
        .filter(|copy| retired(copy))
        .map(|copy| copy.target.clone())
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() || stores_now(leveller.ledger, object).map_err(|error| logs::failed(&error))? {
        return Ok(());
    }
    let _claim = leveller.ledger.claim_object(&object.id);
    for name in names {
        let failed = |error| logs::failed(&error);
        let Some(row) = leveller.ledger.object(&object.id).map_err(failed)? else { return Ok(()) };
        let mut versions = leveller.ledger.versions(&object.id).map_err(failed)?;
        versions.iter_mut().for_each(|version| version.copies.retain(|copy| copy.target != name));
        let said = uses.row(&name).map_or_else(String::new, |said| format!(" by {}", said.by));
        let told = EventDraft {
            event_type: EventType::PolicyAssignment,
            outcome: Outcome::Success,
            detail: format!("{name} was retired{said}: its copy is left as it is, and counted no more"),
            target: Some(name.clone()),
            at: None,
        };
        let damage = vec![DamageMark::Over(name)];
        logs::change(leveller.world, leveller.ledger, Change { object: row, versions, told, damage })?;
    }
    Ok(())
}

impl Filled {
    fn fail(&mut self, object: &ObjectId, why: &str) {
        self.lacking += 1;
        if self.failed.len() < FAILED_MAX {
            self.failed.push(format!("{object}: {why}"));
        }
    }
}

/// Why, and whether it is the target's own trouble, which every other object would meet, too.
fn told(stop: &Stop) -> (String, bool) {
    use crate::model::trouble::Kind;
    match stop {
        Stop::Trouble(trouble) => {
            let of_target = matches!(trouble.kind, Kind::TargetMissing | Kind::TargetDenied);
            (trouble.sentence(), of_target)
        }
        Stop::Wait(wait) => (format!("it waits: {wait:?}"), true),
        other => (format!("{other:?}"), false),
    }
}

/// True when an item of this object is where versions are made, or where the object is given up.
pub fn stores_now(ledger: &Ledger, object: &ObjectRow) -> Result<bool, LedgerError> {
    let items = ledger.named(&object.depositor, &object.bag)?;
    Ok(ledger.giving_up(&object.id)?.is_some()
        || items
            .iter()
            .any(|item| item.checkpoint.stage >= Stage::Store && !item.checkpoint.standing.rests()))
}

/// Waits until these bytes may be read; says to stop when the process wants to end.
pub fn wait_for(world: &World, settings: &Settings, bytes: u64, over: &dyn Fn() -> bool) -> Result<(), Stop> {
    let hour = || u8::try_from(world.clock.now().to_zoned(TimeZone::system()).hour()).unwrap_or(0);
    let pace = &settings.keeping.pace;
    let mut left = bytes;
    loop {
        if over() {
            return Err(Stop::Drained);
        }
        if left == 0 || pace.is_unlimited() {
            return Ok(());
        }
        let now = portion(pace.rate(hour()), usize::try_from(left).unwrap_or(usize::MAX)) as u64;
        left = left.saturating_sub(now.max(1));
        let mut wait = pace.take(now, world.clock.monotonic(), hour());
        while !wait.is_zero() && !over() {
            let nap = wait.min(NAP);
            std::thread::sleep(nap);
            wait -= nap;
        }
    }
}

/// Objects of which this target holds the copies that would lack without it: their number, and the first few. Copies that are
/// known to be damaged count for nothing.
pub fn depends_on(
    ledger: &Ledger,
    settings: &Settings,
    target: &str,
) -> Result<(u64, Vec<String>), LedgerError> {
    let (mut count, mut first) = (0, Vec::new());
    let mut after: Option<ObjectId> = None;
    loop {
        let page = ledger.objects(after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok((count, first)) };
        after = Some(last.id.clone());
        for object in &page {
            let copies = settings.policy(&object.policy).map_or(2, |policy| policy.copies);
            let versions = ledger.versions(&object.id)?;
            let mut counted = BTreeSet::new();
            for copy in versions.iter().flat_map(|version| &version.copies) {
                let counts = copy.target != target && settings.uses.counts(&copy.target);
                // One that is known to be damaged is nothing to depend on.
                if counts && ledger.damage_of(&copy.target, &object.id)?.is_none() {
                    counted.insert(copy.target.as_str());
                }
            }
            let elsewhere = |version: &VersionRow| {
                version.copies.iter().filter(|copy| counted.contains(copy.target.as_str())).count()
            };
            let holds =
                versions.iter().any(|version| version.copies.iter().any(|copy| copy.target == target));
            if holds && versions.iter().any(|version| elsewhere(version) < copies) {
                count += 1;
                if first.len() < 10 {
                    first.push(object.id.0.clone());
                }
            }
        }
    }
}

/// Spreads what is still to be written beside copies; what cannot be written now is left for the next time.
pub fn spread(world: &World, ledger: &Ledger) {
    if let Err(trouble) = logs::spread(world, ledger, None) {
        log::warn!("events beside copies: {}", trouble.sentence());
    }
}
