//! Record: the policy is proved to be met, the registry says so, and only then staging is cleared.
//!
//! - `Kept` is made from copies whose published inventory is read again now; staging is cleared against it.
//! - The events lie beside the object on every target before the registry names it, with a receipt of the item: from them
//!   the rows of the ledger can be made again.
//! - Registry rows, the last checkpoint and its event are one commit.

use crate::books::facts::{keep_compressed, open_blob};
use crate::books::ledger::EventDraft;
use crate::model::checkpoint::{Checkpoint, Stage, Standing};
use crate::model::event::{EventType, Outcome};
use crate::model::item::{Found, Item, Recorded, Seal, StoredFound};
use crate::model::object::{Kept, LastLog, ObjectRow, StoredCopy, VersionRow};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::premis::chain::{LogFile, LogRef, Receipt};
use crate::work::job::{Done, Job, Settings, staging_folder};
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;
use crate::worlds::disk::Place;
use crate::worlds::target::Txn;
use jiff::Timestamp;

/// The stage.
pub struct Record;

impl StageWork for Record {
    fn name(&self) -> Stage {
        Stage::Record
    }

    fn room(&self, item: &Item, _: &World, settings: &Settings) -> Result<Vec<Room>, Stop> {
        let inventory = item.found.store.as_ref().and_then(|store| store.inventory.as_ref());
        let mut rooms = vec![Room { place: RoomPlace::Staging, bytes: 64 << 10, inodes: 2, already: 0 }];
        for name in &settings.policy_of(item)?.targets {
            rooms.push(Room {
                place: RoomPlace::Target(name.clone()),
                bytes: 64 << 10,
                inodes: 8,
                already: 0,
            });
        }
        rooms[0].bytes += inventory.map_or(0, |seal| seal.bytes / 4);
        Ok(rooms)
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let store = job.item.found.store.clone().ok_or_else(|| Stop::Back {
            trouble: Trouble::new(Kind::FactsDamaged, "no copies are known"),
            to: Stage::Store,
        })?;
        let kept = prove(job, &store)?;
        let kept_at = stored_at(job, &kept)?;
        keep_inventory(job, &store)?;
        keep_findings(job)?;
        let ended = EventDraft {
            event_type: EventType::IngestionEnd,
            outcome: Outcome::Success,
            detail: format!(
                "version {} of {} is kept: {} proved copies",
                store.version,
                store.object,
                kept.copies().len()
            ),
            target: None,
            at: Some(kept_at),
        };
        let mut found = job.found();
        found.record = Some(Recorded { kept_at });
        let mut done = Done { found, kept: Some(kept), ..Done::default() };
        let known = job.ledger.object(&store.object).map_err(|error| {
            Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading the registry")
        })?;
        if !store.unchanged {
            done.events = vec![ended];
        }
        let last_log = write_logs(job, &store, known.as_ref(), &done)?;
        done.registry = Some(match known {
            Some(known) if store.unchanged && known.head >= store.version => {
                again(job, &store, known, last_log)?
            }
            // A registry that was lost learns of the version from copies that were read and proved just now.
            known => registry_rows(job, &store, known, last_log, kept_at),
        });
        Ok(done)
    }

    fn tidy(&self, job: &Job<'_>, done: &Done) -> Result<(), Trouble> {
        match &done.kept {
            Some(kept) => clear_work(job, kept),
            None => Ok(()),
        }
    }
}

/// When the last copy was published, which may be long after it was read back: the same in every attempt, so that nothing
/// is written twice under two names.
fn stored_at(job: &Job<'_>, kept: &Kept) -> Result<Timestamp, Stop> {
    let attempts = job.ledger.attempts(job.item.id).map_err(|error| {
        Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading the journal")
    })?;
    let mut stored = attempts.into_iter().rev().filter(|attempt| attempt.stage == Stage::Store);
    let stored = stored.find(|attempt| attempt.outcome == "done").and_then(|attempt| attempt.ended);
    let proved = kept.copies().iter().map(|copy| copy.proved_at);
    Ok(proved.chain(stored).max().unwrap_or(job.item.received_at))
}

/// Reads every copy's published inventory again.
fn prove(job: &Job<'_>, store: &StoredFound) -> Result<Kept, Stop> {
    let policy = job.settings.policy_of(job.item)?;
    let mut seen: Vec<StoredCopy> = Vec::new();
    for copy in &store.copies {
        let target = job.world.targets.get(&copy.target).ok_or_else(|| {
            Trouble::new(Kind::TargetMissing, "it is not in the configuration").about(&copy.target)
        })?;
        let head = target
            .head(&store.object)
            .map_err(|error| Stop::from(error).while_doing("proving the copy on").about(&copy.target))?;
        if head.is_some_and(|head| head.inventory_sha512 == store.inventory_sha512) {
            seen.push(copy.clone());
        }
    }
    Kept::prove(&policy, &store.inventory_sha512, seen).map_err(|count| {
        let because = format!("{count} of {} copies are proved", policy.copies);
        Trouble::new(Kind::PolicyUnmet, because).about(store.object.to_string()).into()
    })
}

/// Keeps the inventory beside the ledger, compressed: the per-file record of the object, readable without a target.
fn keep_inventory(job: &Job<'_>, store: &StoredFound) -> Result<(), Stop> {
    let Some(seal) = &store.inventory else { return Ok(()) };
    let disk = &*job.world.disk;
    let inventory = open_blob(disk, &job.folder()?, seal)?;
    keep_compressed(disk, &inventory_place(job.settings, job.item.id.0), &*inventory)?;
    Ok(())
}

/// Where the inventory that an item brought is kept, compressed.
pub fn inventory_place(settings: &Settings, item: u64) -> Place {
    Place { volume: settings.records.clone(), path: format!("inventories/{item}.json.gz") }
}

/// Keeps what was remarked about a bag that is kept all the same: its depositor may ask, and staging is cleared.
fn keep_findings(job: &Job<'_>) -> Result<(), Stop> {
    let disk = &*job.world.disk;
    if let Some((of, seal)) = findings_of(&job.item.found) {
        let rows = disk.open(&job.folder()?.join(&seal.file))?;
        keep_compressed(disk, &findings_place(job.settings, job.item.id.0, of), &*rows)?;
    }
    Ok(())
}

/// The findings there are, and what they are about: the bag, once it is judged, for judging it takes over what reading the
/// tar found; the tar until then.
pub fn findings_of(found: &Found) -> Option<(&'static str, &Seal)> {
    let tar = || found.unpack.as_ref().map(|unpack| ("tar", &unpack.findings));
    let bag = found.validate.as_ref().map(|judged| ("bag", &judged.findings));
    bag.or_else(tar).filter(|(_, seal)| seal.count > 0)
}

/// Where the findings about a kept item are kept, compressed; rows as in facts files.
pub fn findings_place(settings: &Settings, item: u64, of: &str) -> Place {
    Place { volume: settings.records.clone(), path: format!("findings/{item}-{of}.gz") }
}

/// The events of this item, beside the object on every target. Each target's file has the same name and bytes.
fn write_logs(
    job: &Job<'_>,
    store: &StoredFound,
    known: Option<&ObjectRow>,
    done: &Done,
) -> Result<Option<LastLog>, Stop> {
    let mut events = job.ledger.events(job.item.id).map_err(|error| {
        Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading the events")
    })?;
    events.extend(done.events.iter().map(|draft| job.ledger.event_of(job.item, draft)));
    let receipt = receipt(job, done, events.len() as u64);
    let previous = known
        .and_then(|object| object.last_log.as_ref())
        .map(|log| LogRef { name: log.name.clone(), sha256: log.sha256.clone() });
    let file = LogFile::of_item(&store.object, store.version, &events, receipt, previous.as_ref());
    let Some(log) = file else { return Ok(None) };
    for copy in &store.copies {
        if let Some(target) = job.world.targets.get(&copy.target) {
            target
                .log(&store.object, &log.name, &log.bytes)
                .map_err(|error| Stop::from(error).while_doing("writing events to").about(&copy.target))?;
        }
    }
    let link = log.link();
    Ok(Some(LastLog { name: link.name, sha256: link.sha256 }))
}

/// The item as it will be kept, without what differs from one attempt to the next.
fn receipt(job: &Job<'_>, done: &Done, events: u64) -> Receipt {
    let checkpoint = Checkpoint {
        stage: Stage::Record,
        standing: Standing::Kept,
        round: job.item.checkpoint.round,
        ..Checkpoint::first(&[Stage::Record])
    };
    let item = Item {
        checkpoint,
        found: done.found.clone(),
        promises: Vec::new(),
        attempts: 0,
        events,
        ..job.item.clone()
    };
    Receipt { ledger: job.settings.ledger_id.clone(), item }
}

/// The rows of a version that the registry knows: its copies were proved again, and there is a newer file of events.
fn again(
    job: &Job<'_>,
    store: &StoredFound,
    known: ObjectRow,
    last_log: Option<LastLog>,
) -> Result<(ObjectRow, VersionRow), Stop> {
    let versions = job.ledger.versions(&store.object).map_err(|error| {
        Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading the registry")
    })?;
    let version = versions.into_iter().find(|version| version.version == store.version);
    let mut version = version.ok_or_else(|| {
        let why = format!("it has no version {}, and knows of later ones", store.version);
        Trouble::new(Kind::FactsDamaged, why).while_doing("reading the registry")
    })?;
    for proved in &store.copies {
        match version.copies.iter_mut().find(|copy| copy.target == proved.target) {
            Some(copy) => *copy = proved.clone(),
            None => version.copies.push(proved.clone()),
        }
    }
    Ok((ObjectRow { last_log: last_log.or(known.last_log), ..known }, version))
}

fn registry_rows(
    job: &Job<'_>,
    store: &StoredFound,
    known: Option<ObjectRow>,
    last_log: Option<LastLog>,
    kept_at: Timestamp,
) -> (ObjectRow, VersionRow) {
    let object = ObjectRow {
        id: store.object.clone(),
        depositor: job.item.depositor.clone(),
        bag: job.item.bag.clone(),
        policy: job.item.chosen_policy().to_string(),
        head: store.version,
        created: known.as_ref().map_or(kept_at, |known| known.created),
        events: known.map_or(0, |known| known.events),
        last_log,
    };
    let (files, bytes) = job.item.found.unpack.as_ref().map_or((0, 0), |unpack| (unpack.files, unpack.bytes));
    let version = VersionRow {
        object: store.object.clone(),
        version: store.version,
        item: job.item.id.0,
        inventory_sha512: store.inventory_sha512.clone(),
        files,
        bytes,
        copies: store.copies.clone(),
        kept_at,
    };
    (object, version)
}

/// Removes the item's work in progress. A `Kept` exists only after enough copies were read back.
fn clear_work(job: &Job<'_>, proof: &Kept) -> Result<(), Trouble> {
    let folder = staging_folder(job.settings, job.item)?;
    job.world.disk.remove(&folder)?;
    // Publishing cleared up behind itself. Where that failed it was no reason to stop; nobody else comes by again.
    let txn = Txn { ledger: job.settings.ledger_id.clone(), item: job.item.id.0, fence: job.fence };
    for copy in proof.copies() {
        if let Some(target) = job.world.targets.get(&copy.target) {
            target
                .discard(&txn)
                .map_err(|error| Trouble::from(error).while_doing("clearing").about(&copy.target))?;
        }
    }
    Ok(())
}
