//! Store: the version is frozen once, then copied to every target of its policy, read back and published.
//!
//! ```text
//!  freeze plan -> for each target: begin -> [put a batch -> read it back -> mark it]* -> publish
//! ```
//!
//! - Every copy is made by the same frozen bytes, so inventories are equal on every target.
//! - A mark is written only after its files were read back past the page cache and found equal; marks may lag, never
//!   lead, and a marked file is not copied again.
//! - A copy is proved as of its oldest mark.
//! - A target shows nothing of a version before its last file is marked.

mod copy;
mod plan;
mod unchanged;

use crate::books::ledger::{EventDraft, LedgerError};
use crate::model::checkpoint::Stage;
use crate::model::event::{EventType, Outcome};
use crate::model::item::{Item, StoredFound};
use crate::model::object::{ObjectId, StoredCopy, VersionRow};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::work::job::{Done, Job, Settings, staging_folder};
use crate::work::levelling::Leveller;
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;
use crate::worlds::target::{Publication, Target, Txn};
use copy::ReadBack;
use plan::Plan;

/// Bytes a file takes in an inventory, generously: two digests and two paths.
const INVENTORY_ROW_BYTES: u64 = 600;

/// Bytes a file takes in staging while its version is frozen: sorted runs and copy steps.
const PLAN_ROW_BYTES: u64 = 2_400;

/// The stage.
pub struct Store;

impl StageWork for Store {
    fn name(&self) -> Stage {
        Stage::Store
    }

    fn room(&self, item: &Item, world: &World, settings: &Settings) -> Result<Vec<Room>, Stop> {
        let (files, bytes) = item.found.unpack.as_ref().map_or((0, 0), |unpack| (unpack.files, unpack.bytes));
        let slack = 1 << 20;
        let mut rooms = vec![Room {
            place: RoomPlace::Staging,
            bytes: files * PLAN_ROW_BYTES + slack,
            inodes: 200,
            already: 0,
        }];
        for name in &settings.policy_of(item)?.targets {
            let block = named(world, name)?.space()?.block_bytes.max(512);
            // Every file to the next block, two inventories, folders; what is marked lies there already.
            let need = bytes + files * (block + 2 * INVENTORY_ROW_BYTES) + slack;
            let already = match staging_folder(settings, item) {
                Ok(folder) => copy::marked_bytes(world, &folder, item, name),
                Err(_) => 0,
            };
            rooms.push(Room {
                place: RoomPlace::Target(name.clone()),
                bytes: need,
                inodes: 2 * files + 64,
                already: already.min(need),
            });
        }
        Ok(rooms)
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let policy = job.settings.policy_of(job.item)?;
        let targets: Vec<(&str, &dyn Target)> = policy
            .targets
            .iter()
            .map(|name| Ok((name.as_str(), named(job.world, name)?)))
            .collect::<Result<_, Trouble>>()?;
        let object = ObjectId::of(&job.item.depositor, &job.item.bag);
        level(job, &object, &targets)?;
        job.not_deleted()?;
        let plan = plan::frozen_or_freeze(job, &object, &targets)?;
        if let Some(unchanged) = &plan.unchanged {
            return unchanged::prove_again(job, &plan, unchanged, &targets);
        }
        copy::to_all(job, &plan, &targets)?;
        let mut copies = Vec::new();
        let mut events = Vec::new();
        for (place, (name, target)) in targets.iter().enumerate() {
            let read = copy::read_back(job, name)?;
            let copy = publish(job, &plan, name, *target, &read)?;
            events.push(stored_event(&plan, place, &copy, read.vouched));
            copies.push(copy);
        }
        let mut found = job.found();
        found.store = Some(StoredFound {
            object,
            version: plan.version,
            inventory_sha512: plan.inventory_sha512.clone(),
            unchanged: false,
            inventory: Some(plan.inventory.clone()),
            copies,
        });
        Ok(Done { found, events, ..Done::default() })
    }
}

/// Brings targets that lack earlier versions to the newest one: every copy ends in the same version. Nobody changes the
/// object once this has returned: an item at this stage keeps others from it.
fn level(job: &Job<'_>, object: &ObjectId, targets: &[(&str, &dyn Target)]) -> Result<(), Stop> {
    drop(job.ledger.claim_object(object));
    let failed = |error: LedgerError| {
        Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading the registry")
    };
    let versions = job.ledger.versions(object).map_err(failed)?;
    for (name, _) in targets {
        let has = |version: &VersionRow| version.copies.iter().any(|copy| copy.target == *name);
        if !versions.iter().all(has) {
            let step = |_| job.drained();
            let (world, ledger, settings) = (job.world, job.ledger, job.settings);
            Leveller { world, ledger, settings, step: &step }.level(object, name)?;
        }
    }
    Ok(())
}

/// The target of this name.
fn named<'w>(world: &'w World, name: &str) -> Result<&'w dyn Target, Trouble> {
    match world.targets.get(name) {
        Some(target) => Ok(&**target),
        None => Err(Trouble::new(Kind::TargetMissing, "it is not in the configuration").about(name)),
    }
}

/// This lease's transaction on any target.
fn txn(job: &Job<'_>) -> Txn {
    Txn { ledger: job.settings.ledger_id.clone(), item: job.item.id.0, fence: job.fence }
}

/// Publishes a copy. It is proved as of when its first file was read back, not of now: what an earlier attempt marked is
/// not read again, and that may be long ago.
fn publish(
    job: &Job<'_>,
    plan: &Plan,
    name: &str,
    target: &dyn Target,
    read: &ReadBack,
) -> Result<StoredCopy, Stop> {
    job.drained()?;
    let inventory = plan::inventory(job, plan)?;
    let what = Publication {
        object: &plan.object,
        version: plan.version,
        inventory: &*inventory,
        inventory_sha512: &plan.inventory_sha512,
        base_sha512: plan.base_sha512.as_deref(),
    };
    let path = target
        .publish(&txn(job), &what)
        .map_err(|error| Stop::from(error).while_doing("publishing on").about(name))?;
    Ok(StoredCopy {
        target: name.to_string(),
        root: target.root(),
        path,
        inventory_sha512: plan.inventory_sha512.clone(),
        proved_at: read.since.unwrap_or_else(|| job.world.clock.now()),
    })
}

fn stored_event(plan: &Plan, place: usize, copy: &StoredCopy, vouched: u64) -> EventDraft {
    let by_word = match vouched {
        0 => String::new(),
        files => format!(", {files} of them by the SHA-256 that the store itself gives"),
    };
    EventDraft {
        event_type: if place == 0 { EventType::Ingestion } else { EventType::Replication },
        outcome: Outcome::Success,
        detail: format!(
            "version {} of {}, {} files and {} bytes written, read back and equal{by_word}; inventory sha512 {}",
            plan.version, plan.object, plan.copy_files, plan.copy_bytes, plan.inventory_sha512
        ),
        target: Some(copy.target.clone()),
        at: Some(copy.proved_at),
    }
}
