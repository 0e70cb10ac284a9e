//! Remove: on every target that holds the object its tombstone takes its place, and its files are removed.
//!
//! ```text
//!  tombstone, the same bytes in every attempt -> for each target: begin -> put -> read back -> entomb -> look again
//! ```
//!
//! - The tombstone is a function of the request and of when its item was begun, so every target gets the same, whatever
//!   happened to which attempt.
//! - A target that is away, or fails, keeps none of the others from it; the stage is done when all are.
//! - What two persons gave their word for is removed, and nothing else: with another newest version nothing is.

use crate::books::ledger::{EventDraft, LedgerError};
use crate::model::checkpoint::Stage;
use crate::model::deletion::{Deletion, Phase};
use crate::model::digest::{Algorithm, hex};
use crate::model::errand::{DeleteOrder, Errand};
use crate::model::event::{AGENT, EventType, Outcome};
use crate::model::item::{Item, Removed, RemovedCopy};
use crate::model::object::{ObjectId, VersionRow};
use crate::model::trouble::{Kind, Stop, Trouble, Wait};
use crate::rules::digester::Digester;
use crate::rules::ocfl::metadata::{PREMIS, SCHEMA, TOMBSTONE, Tombstone};
use crate::rules::ocfl::plan::{CopyStep, Logical, NewVersion, Source, freeze};
use crate::rules::premis::{Document, Entity};
use crate::rules::sort::MemoryScratch;
use crate::work::job::{Done, Job, Settings};
use crate::work::stages::{Room, StageWork};
use crate::worlds::World;
use crate::worlds::target::burial::Burial;
use crate::worlds::target::{Publication, Put, Target, Txn, Where};
use jiff::Timestamp;
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;

/// The stage.
pub struct Remove;

impl StageWork for Remove {
    fn name(&self) -> Stage {
        Stage::Remove
    }

    /// No space: a tombstone is small, and a full target must be one that can be given space back. But time: whoever held
    /// it and released it meanwhile did not shorten it.
    fn room(&self, item: &Item, world: &World, _: &Settings) -> Result<Vec<Room>, Stop> {
        match order_of(item) {
            Ok(order) if world.clock.now() < order.not_before => Err(Stop::Wait(Wait::Grace)),
            Ok(_) => Ok(Vec::new()),
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let order = order_of(job.item)?;
        let _claim = job.ledger.claim_object(&order.object);
        let mut found = job.found();
        let mut removed = found.remove.take().unwrap_or_default();
        let given = match Given::read(job)? {
            Ok(given) => given,
            Err(why) if removed.copies.is_empty() => {
                removed.void = Some(why);
                found.remove = Some(removed);
                return Ok(Done { found, ..Done::default() });
            }
            // Removed in part, and something else came there since: nobody but a person knows how.
            Err(why) => {
                return Err(Trouble::new(Kind::TargetsDisagree, why).about(order.object.to_string()).into());
            }
        };
        let stone = Stone::make(job, &given)?;
        let mut first = None;
        for name in targets(job, &given.versions)? {
            if removed.copies.iter().any(|copy| copy.target == name) {
                continue;
            }
            job.drained()?;
            match bury(job, &given, &stone, &name) {
                Ok(()) => removed.copies.push(RemovedCopy { target: name, at: job.world.clock.now() }),
                Err(Stop::Drained) => return Err(Stop::Drained),
                Err(stop) => {
                    let stop = stop.while_doing(format!("deleting the copy on {name}"));
                    first = first.or(Some(stop));
                }
            }
        }
        let copies = removed.copies.clone();
        found.remove = Some(removed);
        match first {
            Some(Stop::Trouble(trouble)) => Err(Stop::Partly { trouble, found: Box::new(found) }),
            Some(other) => Err(other),
            None => {
                let events = copies.iter().map(|copy| event(&given, copy)).collect();
                Ok(Done { found, events, ..Done::default() })
            }
        }
    }
}

/// What the item was made for.
pub fn order_of(item: &Item) -> Result<&DeleteOrder, Trouble> {
    match &item.errand {
        Some(Errand::Delete(order)) => Ok(order),
        _ => Err(Trouble::new(Kind::Panicked, "the item is no deletion")),
    }
}

/// What the ledger could not do. No facts of an earlier stage are to blame: it is tried again where it stands.
pub(super) fn failed(error: &LedgerError) -> Trouble {
    Trouble::new(Kind::StagingIo, error.to_string()).while_doing("reading the registry")
}

/// What two persons gave their word for, and what the registry has of it.
pub(super) struct Given {
    pub(super) request: Deletion,
    pub(super) versions: Vec<VersionRow>,
    pub(super) depositor: String,
    pub(super) bag: String,
    pub(super) requester: String,
    pub(super) approver: String,
    requested_at: Timestamp,
    approved_at: Timestamp,
    /// When its item was begun for the first time: the same in every attempt.
    pub(super) begun: Timestamp,
}

impl Given {
    /// Reads it; or says why nothing must be removed.
    pub(super) fn read(job: &Job<'_>) -> Result<Result<Given, String>, Stop> {
        let order = order_of(job.item)?;
        let failed = |error| Stop::from(failed(&error));
        let request = job.ledger.deletion_request(order.request).map_err(failed)?;
        let Some(request) = request else {
            return Ok(Err(format!("the request {} is not in the ledger", order.request)));
        };
        let Phase::Approved { said, item, .. } = &request.phase else {
            return Ok(Err(format!("the request {} has no second person's word", order.request)));
        };
        if *item != job.item.id || request.object != order.object {
            return Ok(Err(format!("the request {} is another item's", order.request)));
        }
        let (said, versions) = (said.clone(), job.ledger.versions(&order.object).map_err(failed)?);
        let Some(newest) = versions.last() else {
            return Ok(Err("the registry has no such object any more".into()));
        };
        if newest.inventory_sha512 != request.loses.inventory_sha512 {
            return Ok(Err(format!(
                "its newest version is {} now, and {} was when the deletion was asked for",
                newest.version, request.loses.versions
            )));
        }
        let attempts = job.ledger.attempts(job.item.id).map_err(failed)?;
        let first = attempts.iter().find(|attempt| attempt.fence > 0);
        Ok(Ok(Given {
            depositor: request.depositor.clone(),
            bag: request.bag.clone(),
            requester: request.requested.name(),
            approver: said.name(),
            requested_at: request.requested.at,
            approved_at: said.at,
            begun: first.map_or(job.item.received_at, |first| first.started),
            request,
            versions,
        }))
    }

    /// "asked for by anna (uid 1000): a duplicate; approved by berta (uid 1001)".
    pub(super) fn words(&self) -> String {
        format!("asked for by {}: {}; approved by {}", self.requester, self.request.reason, self.approver)
    }

    /// What stands in the object's place.
    pub(super) fn tombstone(&self, job: &Job<'_>) -> Tombstone {
        let loses = &self.request.loses;
        Tombstone {
            schema: SCHEMA,
            object: self.request.object.0.clone(),
            depositor: self.depositor.clone(),
            bag: self.bag.clone(),
            deleted_at: self.begun,
            requested_by: self.requester.clone(),
            requested_at: Some(self.requested_at),
            approved_by: self.approver.clone(),
            approved_at: Some(self.approved_at),
            reason: self.request.reason.clone(),
            inventory_sha512: loses.inventory_sha512.clone(),
            versions: loses.versions,
            files: loses.files,
            bytes: loses.bytes,
            request: self.request.number,
            item: job.item.id.0,
            ledger: job.settings.ledger_id.clone(),
        }
    }

    /// That the object was given up.
    pub(super) fn deaccession(&self) -> EventDraft {
        let loses = &self.request.loses;
        EventDraft {
            event_type: EventType::Deaccession,
            outcome: Outcome::Success,
            detail: format!(
                "{} was given up: {} versions, {} files and {} bytes in the last; {}",
                self.request.object,
                loses.versions,
                loses.files,
                loses.bytes,
                self.words()
            ),
            target: None,
            at: Some(self.begun),
        }
    }
}

fn event(given: &Given, copy: &RemovedCopy) -> EventDraft {
    EventDraft {
        event_type: EventType::Deletion,
        outcome: Outcome::Success,
        detail: format!(
            "the copy of {} on {} was deleted, and its tombstone was read back there; {}",
            given.request.object,
            copy.target,
            given.words()
        ),
        target: Some(copy.target.clone()),
        at: Some(copy.at),
    }
}

/// The tombstone as an object: its files, and its inventory.
struct Stone {
    files: Vec<(CopyStep, Vec<u8>)>,
    inventory: Vec<u8>,
    inventory_sha512: String,
    versions: Vec<String>,
}

impl Stone {
    fn make(job: &Job<'_>, given: &Given) -> Result<Stone, Trouble> {
        let object = &given.request.object;
        let mut json = serde_json::to_vec_pretty(&given.tombstone(job))
            .expect("plain data with text keys is always JSON");
        json.push(b'\n');
        let documents = [(TOMBSTONE, json), (PREMIS, premis(job, given)?)];
        let logical = documents.iter().zip(0..).map(|((path, bytes), number)| {
            Ok(Logical {
                path: (*path).to_string(),
                size: bytes.len() as u64,
                sha256: hex(&Sha256::digest(bytes)),
                sha512: hex(&Sha512::digest(bytes)),
                source: Source::Inline(number),
            })
        });
        let message = format!("tombstone of {object}, deleted by item {}", job.item.id);
        let new = NewVersion {
            object,
            version: 1,
            created: given.begun,
            message: &message,
            user_name: &given.approver,
            user_address: "https://github.com/strongroom/strongroom",
        };
        let (scratch, mut inventory) = (MemoryScratch::default(), Vec::new());
        let frozen = freeze(&new, logical, None, &scratch, &mut inventory).map_err(Trouble::from)?;
        let mut files = Vec::new();
        for step in frozen.steps {
            let step = step.map_err(|error| Trouble::new(Kind::StagingIo, error.to_string()))?;
            let Source::Inline(number) = step.source else { continue };
            files.push((step, documents[number as usize].1.clone()));
        }
        let versions = given.versions.iter().map(|version| version.inventory_sha512.clone()).collect();
        Ok(Stone { files, inventory, inventory_sha512: frozen.inventory_sha512, versions })
    }

    fn burial<'a>(&'a self, object: &'a ObjectId) -> Burial<'a> {
        Burial {
            tombstone: Publication {
                object,
                version: 1,
                inventory: &self.inventory,
                inventory_sha512: &self.inventory_sha512,
                base_sha512: None,
            },
            versions: &self.versions,
        }
    }
}

/// The tombstone's PREMIS record: the object that was, and that it was given up.
fn premis(job: &Job<'_>, given: &Given) -> Result<Vec<u8>, Trouble> {
    let mut xml = Vec::new();
    let loses = &given.request.loses;
    let entity = Entity {
        object: &given.request.object,
        version: loses.versions,
        bag: &given.bag,
        files: loses.files,
        bytes: loses.bytes,
    };
    let event = job.ledger.event_of(job.item, &given.deaccession());
    let written = Document::begin(&mut xml).and_then(|mut document| {
        document.entity(&entity)?;
        document.event(&given.request.object, &event)?;
        document.end()
    });
    written
        .map_err(|error: io::Error| Trouble::new(Kind::StagingIo, error.to_string()).while_doing(AGENT))?;
    Ok(xml)
}

/// Targets that the registry has a copy on, and those on which one lies all the same: retired ones, mostly.
fn targets(job: &Job<'_>, versions: &[VersionRow]) -> Result<BTreeSet<String>, Stop> {
    let copies = versions.iter().flat_map(|version| &version.copies);
    let mut names: BTreeSet<String> = copies.map(|copy| copy.target.clone()).collect();
    let object = &order_of(job.item)?.object;
    for (name, target) in &job.world.targets {
        if names.contains(name) {
            continue;
        }
        match target.head(object) {
            Ok(None) => {}
            Ok(Some(_)) => drop(names.insert(name.clone())),
            // Nobody counts on a copy there. If one is, reconciling tells of it when the target is back.
            Err(error) => log::warn!(
                ITEM = job.item.id.0;
                "whether {object} is on {name}, too, cannot be seen: {}", Trouble::from(error).sentence()
            ),
        }
    }
    Ok(names)
}

/// Puts the tombstone in the place of the copy on this target, and removes the copy.
fn bury(job: &Job<'_>, given: &Given, stone: &Stone, name: &str) -> Result<(), Stop> {
    let object = &given.request.object;
    let target = job.world.targets.get(name).ok_or_else(|| {
        let because = format!(
            "it is not in the configuration; if it is lost for good: strongroom target retire {name}"
        );
        Trouble::new(Kind::TargetMissing, because).about(name)
    })?;
    let txn = Txn { ledger: job.settings.ledger_id.clone(), item: job.item.id.0, fence: job.fence };
    if !is_there(&**target, object, stone)? {
        target.begin(&txn, object, 1)?;
        let puts: Vec<Put<'_>> = stone
            .files
            .iter()
            .map(|(step, bytes)| Put {
                content_path: &step.content_path,
                from: bytes,
                offset: 0,
                size: step.size,
            })
            .collect();
        target.put(&txn, &puts)?;
        for (step, _) in &stone.files {
            read_back(&**target, Where::Staged(&txn, &step.content_path), step)?;
        }
    }
    let before = job.meter.files.load(Ordering::Relaxed);
    let go_on = &mut |removed: u64| {
        job.meter.files.store(before + removed, Ordering::Relaxed);
        !job.drain.load(Ordering::Relaxed)
    };
    let told = target.entomb(&txn, &stone.burial(object), go_on)?;
    job.meter.files.store(before + told.removed, Ordering::Relaxed);
    if told.left > 0 {
        let because = format!(
            "{} of its files could not be removed ({} were); the first: {}",
            told.left,
            told.removed,
            told.why.unwrap_or_default()
        );
        return Err(Trouble::new(Kind::TargetIo, because).about(name).into());
    }
    if told.more {
        return Err(Stop::Drained);
    }
    match is_there(&**target, object, stone)? {
        true => Ok(()),
        false => {
            Err(Trouble::new(Kind::CopyDiffers, "the tombstone is not what is read there").about(name).into())
        }
    }
}

/// True when what lies there is the tombstone. A copy whose inventory cannot be read is none.
fn is_there(target: &dyn Target, object: &ObjectId, stone: &Stone) -> Result<bool, Stop> {
    use crate::worlds::target::TargetError;
    match target.head(object) {
        Ok(head) => Ok(head.is_some_and(|head| head.inventory_sha512 == stone.inventory_sha512)),
        Err(TargetError::Io { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn read_back(target: &dyn Target, at: Where<'_>, step: &CopyStep) -> Result<(), Stop> {
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    target.read(at, &mut |bytes| digester.update(bytes))?;
    match digester.finish().get(Algorithm::Sha512) == Some(step.sha512.as_str()) {
        true => Ok(()),
        false => {
            let because = "what is read back is not what was written";
            Err(Trouble::new(Kind::CopyDiffers, because).about(&step.content_path).into())
        }
    }
}

/// What the stage found, for those after it.
pub(super) fn removed(item: &Item) -> Result<&Removed, Trouble> {
    let missing = || Trouble::new(Kind::Panicked, "nothing is known of what was removed");
    item.found.remove.as_ref().ok_or_else(missing)
}
