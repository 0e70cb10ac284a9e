//! Gather: an object's files, read back from proved copies into staging, every digest compared.
//!
//! - Space for all of it is promised first.
//! - What lies staged is not read again: the index names what is whole and durable, in the order of the inventory.
//! - A copy that gives other bytes than were recorded is marked, and another one is asked.

use crate::books::facts::{FactsWriter, StagingScratch, scratch_stop};
use crate::books::ledger::{DamageMark, EventDraft};
use crate::model::checkpoint::Stage;
use crate::model::errand::RestoreOrder;
use crate::model::event::{EventType, Outcome};
use crate::model::fact::Member;
use crate::model::item::{Gathered, Item, Unpacked};
use crate::model::object::{ObjectRow, VersionRow};
use crate::model::proof::{DamagedCopy, Proof};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::ocfl::restore::{RestoreStep, restore_steps};
use crate::work::giving::parcel::order_of;
use crate::work::giving::reading::Copies;
use crate::work::giving::tape::{Tape, end_of};
use crate::work::job::{Done, GATHERED, Job, Settings, of_round, staging_folder, success};
use crate::work::logs::{self, Change};
use crate::work::stages::checksum::ROW_BYTES;
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;
use crate::worlds::disk::{DiskError, Place};

/// Bytes that a file takes in staging beside its own: head, filling, rows of the index and of the list, its share of the
/// inventory and of sorted runs.
const FILE_BYTES: u64 = 1_024 + 3 * ROW_BYTES;

/// The stage.
pub struct Gather;

impl StageWork for Gather {
    fn name(&self) -> Stage {
        Stage::Gather
    }

    fn room(&self, item: &Item, world: &World, settings: &Settings) -> Result<Vec<Room>, Stop> {
        let order = order_of(item)?;
        let there = staging_folder(settings, item)
            .ok()
            .and_then(|folder| world.disk.open(&folder.join(&of_round(item, GATHERED))).ok());
        Ok(vec![Room {
            place: RoomPlace::Staging,
            bytes: item.deposit.bytes + order.files * FILE_BYTES + (1 << 20),
            inodes: 200,
            already: there.map_or(0, |tar| tar.size()),
        }])
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let order = order_of(job.item)?;
        let (object, version) = known(job, order)?;
        let copies = Copies::of(job.world, job.ledger, job.settings, &object.policy, &version)?
            .from_the_medium(order.spot_test);
        job.meter.expect(job.item.deposit.bytes);
        let (disk, folder) = (&*job.world.disk, job.folder()?);
        remove_other_rounds(job, &folder)?;
        let (inventory, json) = copies.inventory(disk, &folder, job.fence)?;
        let scratch = StagingScratch::new(disk, folder.join("scratch-gather"));
        let (_, steps) = restore_steps(&*json, Some(version.version), &scratch).map_err(|error| {
            Trouble::new(Kind::NoGoodCopy, error.to_string()).while_doing("reading the inventory")
        })?;
        let gatherer = Gatherer { job, order, copies, mtime: seconds(&version) };
        let gathered = gatherer.gather(&folder, steps);
        drop(scratch);
        // Also when no copy had a file: what is wrong must be known before anybody asks again.
        for (target, proof) in &gatherer.copies.found_wrong() {
            mark(job, &object, target, proof)?;
        }
        let gathered = gathered?;
        let mut found = job.found();
        found.unpack = Some(Unpacked {
            members: gathered.members,
            files: gathered.files,
            bytes: gathered.bytes,
            top: object.bag.clone(),
            payload_folder: true,
            findings: FactsWriter::create(disk, &folder, "findings", job.fence)?.seal()?,
            packed: None,
        });
        found.gather =
            Some(Gathered { inventory, passed_over: gathered.passed_over, tar_bytes: gathered.tar_bytes });
        let mut detail = format!(
            "version {}: {} files, {} bytes read back, each equal to its recorded sha512",
            version.version, gathered.files, gathered.bytes
        );
        if gathered.passed_over > 0 {
            detail.push_str(&format!("; {} of them not from the first copy", gathered.passed_over));
        }
        Ok(Done { found, events: vec![success(EventType::FixityCheck, detail)], ..Done::default() })
    }
}

/// What an earlier round gathered is void, and only takes space.
fn remove_other_rounds(job: &Job<'_>, folder: &Place) -> Result<(), DiskError> {
    let own = job.of_round(GATHERED);
    for name in job.world.disk.list(folder)? {
        if name.starts_with(GATHERED) && name != own {
            job.world.disk.remove(&folder.join(&name))?;
        }
    }
    Ok(())
}

/// The object and the version that is asked for.
pub fn known(job: &Job<'_>, order: &RestoreOrder) -> Result<(ObjectRow, VersionRow), Trouble> {
    let failed = |error| logs::failed(&error);
    let gone = |because: String| Trouble::new(Kind::DepositGone, because).about(order.object.to_string());
    let object = job.ledger.object(&order.object).map_err(failed)?;
    let object = object.ok_or_else(|| gone("the registry has no such object any more".into()))?;
    let versions = job.ledger.versions(&order.object).map_err(failed)?;
    let version = versions.into_iter().find(|version| version.version == order.version);
    let version = version.ok_or_else(|| gone(format!("it has no version {}", order.version)))?;
    Ok((object, version))
}

fn seconds(version: &VersionRow) -> u64 {
    u64::try_from(version.kept_at.as_second()).unwrap_or(0)
}

/// What was gathered.
struct Whole {
    members: crate::model::item::Seal,
    files: u64,
    bytes: u64,
    tar_bytes: u64,
    passed_over: u64,
}

struct Gatherer<'a> {
    job: &'a Job<'a>,
    order: &'a RestoreOrder,
    copies: Copies<'a>,
    mtime: u64,
}

impl<'a> Gatherer<'a> {
    fn gather(
        &self,
        folder: &Place,
        steps: impl Iterator<Item = std::io::Result<RestoreStep>>,
    ) -> Result<Whole, Stop> {
        let (job, disk) = (self.job, &*self.job.world.disk);
        let place = folder.join(&job.of_round(GATHERED));
        let (facts, staged) = self.staged(folder, &place)?;
        let first = staged.last.is_none();
        let mut tape = Tape::new(job, disk, place, self.mtime, (facts, staged.last.as_ref()));
        let top = &job.item.bag;
        if first && self.order.path.is_none() {
            tape.folders(&[format!("{top}/"), format!("{top}/data/")])?;
        }
        let (mut files, mut bytes, mut passed_over) = (0, 0, 0);
        for step in steps {
            let step = step.map_err(|error| scratch_stop(&folder.volume, error))?;
            let Some(path) = step.logical_path.strip_prefix("bag/") else { continue };
            if self.order.path.as_deref().is_some_and(|only| only != path) {
                continue;
            }
            files += 1;
            if files <= staged.count {
                continue;
            }
            let result = self.one(&mut tape, &step, path, files - 1);
            let (size, passed) = match result {
                Ok(done) => done,
                Err(stop) => {
                    // What was read stays read: the next attempt goes on behind it.
                    tape.flush()?;
                    return Err(stop);
                }
            };
            bytes += size;
            passed_over += u64::from(passed);
        }
        let (tar_bytes, facts) = tape.finish()?;
        if files == 0 || facts.count() != files {
            let because = format!("{} files were gathered of {files}", facts.count());
            return Err(Trouble::new(Kind::FactsDamaged, because).into());
        }
        let members = facts.seal()?;
        Ok(Whole { members, files, bytes: bytes + staged.bytes, tar_bytes, passed_over })
    }

    fn one(
        &self,
        tape: &mut Tape<'_, '_>,
        step: &RestoreStep,
        path: &str,
        number: u64,
    ) -> Result<(u64, bool), Stop> {
        self.job.drained()?;
        tape.next(format!("{}/{path}", self.job.item.bag));
        let (size, passed) = self.copies.file(step, tape)?;
        tape.keep(number, path, size)?;
        self.job.meter.count(0, 1);
        Ok((size, !passed.is_empty()))
    }

    /// The index as an earlier attempt left it, and what it names; void when the tar does not hold that.
    fn staged(&self, folder: &Place, tar: &Place) -> Result<(FactsWriter<'a>, Staged), Stop> {
        let (job, disk) = (self.job, &*self.job.world.disk);
        let name = job.of_round("members");
        let mut staged = Staged::default();
        let facts = FactsWriter::reopen(disk, folder, &name, job.fence, &mut |json| {
            if let Ok(row) = serde_json::from_slice::<Member>(json) {
                staged.count += 1;
                staged.bytes += row.size;
                staged.last = Some(row);
            }
        })?;
        let end = staged.last.as_ref().map_or(0, end_of);
        let there = match disk.open(tar) {
            Ok(tar) => tar.size(),
            Err(DiskError::Absent { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        if there < end || staged.count != facts.count() {
            log::warn!(ITEM = job.item.id.0; "what was gathered is not there any more; it is read again");
            return Ok((FactsWriter::create(disk, folder, &name, job.fence)?, Staged::default()));
        }
        job.meter.files_kept.store(staged.count, std::sync::atomic::Ordering::Relaxed);
        job.meter.count(staged.bytes, 0);
        Ok((facts, staged))
    }
}

/// What an earlier attempt staged.
#[derive(Default)]
struct Staged {
    count: u64,
    bytes: u64,
    last: Option<Member>,
}

fn mark(job: &Job<'_>, object: &ObjectRow, target: &str, proof: &Proof) -> Result<(), Trouble> {
    let failed = |error| logs::failed(&error);
    let _claim = job.ledger.claim_object(&object.id);
    if job.ledger.damage_of(target, &object.id).map_err(failed)?.is_some() {
        return Ok(());
    }
    let Some(row) = job.ledger.object(&object.id).map_err(failed)? else { return Ok(()) };
    let versions = job.ledger.versions(&object.id).map_err(failed)?;
    let at = job.world.clock.now();
    let first = proof.faults.first();
    let told = EventDraft {
        event_type: EventType::FixityCheck,
        outcome: Outcome::Failure,
        detail: format!(
            "while it was read back, {} files of this copy were not as recorded{}",
            proof.mismatched + proof.missing,
            first.map_or(String::new(), |fault| format!("; the first: {} ({})", fault.path, fault.why))
        ),
        target: Some(target.to_string()),
        at: Some(at),
    };
    let damage = vec![DamageMark::Found(DamagedCopy::new(&object.id, target, at, 0, proof))];
    logs::change(job.world, job.ledger, Change { object: row, versions, told, damage }).map(drop)
}
