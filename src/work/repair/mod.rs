//! Repair: a copy in which something is wrong is put right from copies that are proved, or made anew.
//!
//! ```text
//! look at all of the copy  ->  find a proved source for every file  ->  write down what is begun
//!   ->  bad bytes into quarantine, right bytes in their place  ->  look at all of it again  ->  tell, and only then: sound
//! ```
//!
//! - Before a file is touched, the right bytes of it were read from another place, past the page cache, and have the digest
//!   that was recorded. Without such a place nothing is overwritten, and nothing is put aside.
//! - Nothing is deleted: what was wrong, and what no inventory names, lies in quarantine beside the storage root.
//! - Done again after a stop at any place it ends the same way, and is told once.
//! - A copy is called sound when all of it was read again; an inventory that is newer than the registry is never replaced.

mod apply;
mod find;
mod logs;
mod look;
mod remake;
pub mod run;
mod sources;
mod telling;

use crate::books::facts::StagingScratch;
use crate::books::ledger::{Ledger, MendRow, TargetUse};
use crate::model::checkpoint::{Stage, Standing};
use crate::model::item::{Item, ItemId};
use crate::model::object::{ObjectId, ObjectRow, StoredCopy, VersionRow};
use crate::model::proof::{Outcome, Proof};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::ocfl::layout;
use crate::work::job::Settings;
use crate::work::levelling::Leveller;
use crate::work::logs as events;
use crate::work::policies::in_reading_order;
use crate::work::proving::Step;
use crate::work::stages::record::inventory_place;
use crate::worlds::World;
use crate::worlds::disk::Place;
use crate::worlds::target::{Target, TargetError};
use find::Found;
use serde::{Deserialize, Serialize};
use sources::Sources;
use std::collections::BTreeMap;

/// Looks at one copy: what one look puts right may let the next see more.
const ROUNDS: usize = 4;

/// Files of a plan that are told one by one.
const TOLD_MAX: usize = 20;

/// A file as it would be put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Its path in the object, escaped for people.
    pub path: String,
    /// What is wrong.
    pub outcome: Outcome,
    /// What was found.
    pub why: String,
    /// Where its right bytes are; none: nowhere, or it would be put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why it cannot be put right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot: Option<String>,
}

/// What is wrong with a copy, and what would be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPlan {
    /// The object.
    pub object: String,
    /// The target.
    pub target: String,
    /// What was found; nothing, when it was left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// True when nothing of the copy is there: it would be made anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Files that would be put right.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that would be put aside, because no inventory names them.
    pub extra: u64,
    /// Files by the target that their right bytes would come from; `text`: they follow from the registry; `ledger`: an
    /// inventory that is kept beside it.
    pub from: BTreeMap<String, u64>,
    /// Files that cannot be put right.
    pub cannot: u64,
    /// Why nothing is done with it at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_alone: Option<String>,
    /// The first of the files.
    pub first: Vec<PlannedFile>,
}

impl CopyPlan {
    fn of(object: &ObjectId, target: &str) -> CopyPlan {
        CopyPlan { object: object.0.clone(), target: target.to_string(), ..CopyPlan::default() }
    }

    /// True when nothing is wrong with it.
    pub fn is_sound(&self) -> bool {
        self.left_alone.is_none() && !self.gone && self.proof.as_ref().is_some_and(Proof::is_sound)
    }

    /// Why it cannot be put right as a whole, in a sentence.
    pub fn why_not(&self) -> Option<String> {
        if let Some(why) = &self.left_alone {
            return Some(why.clone());
        }
        let file = self.first.iter().find(|file| file.cannot.is_some())?;
        let more = if self.cannot > 1 { format!(", and {} more", self.cannot - 1) } else { String::new() };
        let cannot = file.cannot.as_deref().unwrap_or_default();
        Some(format!("{} ({}) has no proved copy: {cannot}{more}", file.path, file.outcome.name()))
    }
}

/// How a repair of a copy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Nothing was wrong with it.
    Sound,
    /// It is whole again.
    Whole,
    /// Something is still wrong with it: no proved copy, or a target that fails.
    Failed(String),
    /// It was left alone.
    LeftAlone(String),
}

/// What a repair of a copy came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// How it ended.
    pub came: Came,
    /// Files put right, or put aside.
    pub files: u64,
    /// Bytes of the files put right.
    pub bytes: u64,
    /// Files put aside.
    pub aside: u64,
}

impl Done {
    fn only(came: Came) -> Done {
        Done { came, files: 0, bytes: 0, aside: 0 }
    }
}

/// How looking and putting right ended.
enum Ended {
    /// The last look found nothing wrong.
    Sound,
    /// Nothing more can be done.
    Stuck(Box<(CopyPlan, Proof)>),
}

/// Who puts copies right.
pub struct Repairer<'a> {
    /// The worlds.
    pub world: &'a World,
    /// The registry.
    pub ledger: &'a Ledger,
    /// What the configuration says.
    pub settings: &'a Settings,
    /// Told of bytes as they are read; it may wait, or say to stop.
    pub step: Step<'a>,
}

/// A copy that may be touched, its object claimed.
struct Case<'a> {
    row: ObjectRow,
    versions: Vec<VersionRow>,
    /// SHA-512 of the inventories of the versions that the copy has, or shall have.
    inventories: BTreeMap<u32, String>,
    to: &'a str,
    target: &'a dyn Target,
    others: Vec<(String, &'a dyn Target)>,
    /// True when nothing of it is there.
    gone: bool,
    place: Place,
}

impl Case<'_> {
    /// True when the registry counts this copy.
    fn is_counted(&self) -> bool {
        self.versions.iter().flat_map(|version| &version.copies).any(|copy| copy.target == self.to)
    }
}

fn failed(error: crate::books::ledger::LedgerError) -> Stop {
    events::failed(&error).into()
}

impl<'a> Repairer<'a> {
    /// What is wrong with a copy, and what would be done; nothing is changed.
    pub fn plan(&self, object: &ObjectId, to: &'a str) -> Result<CopyPlan, Stop> {
        let _claim = self.ledger.claim_object(object);
        let case = match self.case(object, to)? {
            Ok(case) => case,
            Err(why) => {
                return Ok(CopyPlan { left_alone: Some(why), ..CopyPlan::of(object, to) });
            }
        };
        if case.gone {
            let versions = case.versions.iter();
            let (files, bytes) =
                versions.fold((0, 0), |sums, version| (sums.0 + version.files, sums.1 + version.bytes));
            return Ok(CopyPlan { gone: true, files, bytes, ..CopyPlan::of(object, to) });
        }
        let scratch = StagingScratch::new(&*self.world.disk, case.place.join("runs"));
        let found = self.find(&case, &scratch);
        let planned = found.map(|found| found.plan);
        self.tidy(&case.place);
        planned
    }

    /// Puts a copy right.
    pub fn mend(&self, object: &ObjectId, to: &'a str) -> Result<Done, Stop> {
        let _claim = self.ledger.claim_object(object);
        let done = match self.case(object, to)? {
            Err(why) => return Ok(Done::only(Came::LeftAlone(why))),
            Ok(case) => {
                let done = match case.gone || !case.is_counted() {
                    true => self.remake(&case),
                    false => self.put_right(&case),
                };
                self.tidy(&case.place);
                done
            }
        };
        match done {
            // Time or a person may cure it: nothing is told beside the copies.
            Err(Stop::Wait(wait)) => {
                Ok(Done::only(Came::LeftAlone(format!("there is no space for it: {wait:?}"))))
            }
            Err(Stop::Trouble(trouble)) if is_passing(trouble.kind) => {
                Ok(Done::only(Came::LeftAlone(trouble.sentence())))
            }
            Err(Stop::Trouble(trouble)) => Ok(Done::only(Came::Failed(trouble.sentence()))),
            other => other,
        }
    }

    /// The copy, if it may be touched; else why it is left alone.
    fn case(&self, object: &ObjectId, to: &'a str) -> Result<Result<Case<'a>, String>, Stop> {
        let Some(row) = self.ledger.object(object).map_err(failed)? else {
            return Ok(Err("the registry has no such object".into()));
        };
        let versions = self.ledger.versions(object).map_err(failed)?;
        let Some(target) = self.world.targets.get(to) else {
            return Ok(Err(format!("target {to} is not in the configuration")));
        };
        let target: &'a dyn Target = &**target;
        if self.settings.uses.of_target(to) == TargetUse::Retired {
            return Ok(Err(format!("target {to} is retired: its copies are not counted")));
        }
        if let Some(item) = self.stores(&row)? {
            return Ok(Err(format!("item {item} is changing it, or is held at that")));
        }
        if let Some(item) = self.ledger.giving_up(object).map_err(failed)? {
            return Ok(Err(format!("item {item} is deleting it")));
        }
        let gone = match is_gone(target, object) {
            Ok(gone) => gone,
            Err(error) => return Ok(Err(Trouble::from(error).sentence())),
        };
        if !gone && let Some(why) = self.unknown_version(&row, &versions, (to, target))? {
            return Ok(Err(why));
        }
        let inventories = inventories_on(&versions, to);
        let others = self.others(&row, &versions, to);
        let place = self.settings.scratch("repair", to, object)?;
        Ok(Ok(Case { row, versions, inventories, to, target, others, gone, place }))
    }

    /// An item of this object that may have written to targets or removed from them, and is not at its end: also one that is
    /// held there. Giving back only reads.
    fn stores(&self, row: &ObjectRow) -> Result<Option<ItemId>, Stop> {
        let items = self.ledger.named(&row.depositor, &row.bag).map_err(failed)?;
        let stores = |item: &&Item| {
            matches!(item.checkpoint.stage, Stage::Store | Stage::Record | Stage::Remove | Stage::Conclude)
                && !matches!(
                    item.checkpoint.standing,
                    Standing::Kept | Standing::Cancelled | Standing::Refused { .. }
                )
        };
        Ok(items.iter().find(stores).map(|item| item.id))
    }

    /// Why what lies there may be more than the registry knows.
    fn unknown_version(
        &self,
        row: &ObjectRow,
        versions: &[VersionRow],
        (to, target): (&str, &dyn Target),
    ) -> Result<Option<String>, Stop> {
        // One whose side-car or declaration does not agree is damaged, and no version.
        if let Ok(Some(head)) = target.head(&row.id) {
            let known = |version: &VersionRow| version.inventory_sha512 == head.inventory_sha512;
            if head.version > row.head || !versions.iter().any(known) {
                return Ok(Some(format!(
                    "version {} lies there with an inventory that the registry does not know; \
                     strongroom target reconcile, strongroom rebuild --into-existing",
                    head.version
                )));
            }
        }
        // What is on its way to a target that no version counts is a copy being made anew: it goes on.
        let counted = versions.iter().flat_map(|version| &version.copies).any(|copy| copy.target == to);
        let Ok(under_way) = target.under_way() else { return Ok(None) };
        let path = layout::object_path(&row.id);
        let on_its_way = under_way
            .iter()
            .find(|way| counted && way.path.as_ref() == Some(&path) && way.ledger == self.settings.ledger_id);
        Ok(on_its_way.map(|way| format!("item {} is on its way there and not at its end", way.item)))
    }

    fn others(&self, row: &ObjectRow, versions: &[VersionRow], to: &str) -> Vec<(String, &'a dyn Target)> {
        let mut copies: Vec<StoredCopy> =
            versions.iter().rev().flat_map(|version| version.copies.iter().cloned()).collect();
        in_reading_order(self.settings, &row.policy, &mut copies);
        let mut others: Vec<(String, &'a dyn Target)> = Vec::new();
        for copy in copies.iter().filter(|copy| copy.target != to) {
            if let Some((name, target)) = self.world.targets.get_key_value(&copy.target)
                && !others.iter().any(|(known, _)| known == name)
            {
                others.push((name.clone(), &**target));
            }
        }
        others
    }

    fn put_right(&self, case: &Case<'a>) -> Result<Done, Stop> {
        let mut row = self.begun_before(case)?;
        let mut done = Done::only(Came::Sound);
        done.came = match self.rounds(case, &mut row, &mut done)? {
            Ended::Stuck(stuck) => self.tell_failure(case, row.as_ref(), &stuck.0, &stuck.1)?,
            Ended::Sound => match &row {
                Some(row) => self.tell_whole(case, row)?,
                None => self.tell_sound(case)?,
            },
        };
        Ok(done)
    }

    /// Looks and puts right, until a look finds nothing wrong, or nothing more that could be done.
    fn rounds(&self, case: &Case<'a>, row: &mut Option<MendRow>, done: &mut Done) -> Result<Ended, Stop> {
        for round in 0.. {
            let scratch = StagingScratch::new(&*self.world.disk, case.place.join("runs"));
            let Found { plan, proof, mut rows } = self.find(case, &scratch)?;
            if proof.is_sound() {
                return Ok(Ended::Sound);
            }
            let doable = plan.files + if plan.cannot > 0 { 0 } else { plan.extra };
            if doable == 0 || round == ROUNDS {
                return Ok(Ended::Stuck(Box::new((plan, proof))));
            }
            self.room(case, &plan)?;
            let begun = match row {
                Some(row) => row.clone(),
                None => row.insert(self.begin(case, &plan, &proof)?).clone(),
            };
            self.apply(case, &begun, &plan, &mut rows, done)?;
        }
        unreachable!("the loop ends by its own count")
    }

    fn sources<'b>(&'b self, case: &'b Case<'a>) -> Sources<'b> {
        let record = |version: &VersionRow| (version.version, inventory_place(self.settings, version.item));
        Sources {
            object: &case.row.id,
            own: case.target,
            others: case.others.iter().map(|(name, target)| (name.clone(), *target)).collect(),
            inventories: &case.inventories,
            records: case.versions.iter().map(record).collect(),
            disk: &*self.world.disk,
            folder: &case.place,
            step: self.step,
        }
    }

    fn leveller(&self) -> Leveller<'a> {
        Leveller { world: self.world, ledger: self.ledger, settings: self.settings, step: self.step }
    }

    /// Space on the target for all that is to be written.
    fn room(&self, case: &Case<'_>, plan: &CopyPlan) -> Result<(), Stop> {
        use crate::model::trouble::Wait;
        let space = case.target.space()?;
        let need = plan.bytes + plan.files * (space.block_bytes + 2_048) + (1 << 20);
        let free = space.free_bytes.saturating_sub(self.settings.floor(case.to, space.total_bytes));
        match free >= need {
            true => Ok(()),
            false => Err(Stop::Wait(Wait::Space {
                place: case.to.to_string(),
                bytes: need,
                inodes: 2 * plan.files + 64,
                free,
            })),
        }
    }

    fn begin(&self, case: &Case<'_>, plan: &CopyPlan, proof: &Proof) -> Result<MendRow, Stop> {
        let row = MendRow {
            object: case.row.id.clone(),
            target: case.to.to_string(),
            began: self.world.clock.now(),
            ended: None,
            found: Proof { faults: Vec::new(), ..proof.clone() },
            from: plan.from.keys().cloned().collect(),
        };
        self.ledger.keep_mend(&row).map_err(failed)?;
        Ok(row)
    }

    /// What is left in staging only takes space; the next repair of this copy removes it.
    fn tidy(&self, place: &Place) {
        if let Err(error) = self.world.disk.remove(place) {
            log::debug!("{}: {}", place.path, Trouble::from(error).sentence());
        }
    }
}

/// True when nothing of the object lies on this target.
fn is_gone(target: &dyn Target, object: &ObjectId) -> Result<bool, TargetError> {
    let mut some = false;
    match target.files(&layout::object_path(object), &mut |_, _| some = true) {
        Ok(()) => Ok(!some),
        Err(TargetError::Absent { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Inventories of the versions that the registry counts there; of all, when it counts none.
fn inventories_on(versions: &[VersionRow], to: &str) -> BTreeMap<u32, String> {
    let counted = |version: &&VersionRow| version.copies.iter().any(|copy| copy.target == to);
    let of = |version: &VersionRow| (version.version, version.inventory_sha512.clone());
    let there: BTreeMap<u32, String> = versions.iter().filter(counted).map(of).collect();
    if there.is_empty() { versions.iter().map(of).collect() } else { there }
}

/// True for what a mount, a person or time may cure.
fn is_passing(kind: Kind) -> bool {
    matches!(kind, Kind::TargetMissing | Kind::TargetDenied | Kind::VolumeMissing | Kind::StagingIo)
}
