//! Deliver: brings what was gathered to its place, and reads it back there.
//!
//! ```text
//! note "begun" -> put, sync, read back, mark (in batches) -> own name -> count there -> list -> events -> checkpoint
//! ```
//!
//! - It begins only where nothing lies, and writes over nothing: what has its name there in the end is what was read back.
//! - What was read back and marked is not put again, as long as it lies there as it was left.
//! - It is done only when every file was read back past the cache with the digest that the inventory has.
//! - A test is brought nowhere; what it found is told of the object all the same.

use crate::books::facts::{FactsReader, FactsWriter, read_note, write_note};
use crate::books::ledger::EventDraft;
use crate::model::checkpoint::Stage;
use crate::model::digest::Algorithm;
use crate::model::errand::RestoreOrder;
use crate::model::event::EventType;
use crate::model::fact::Member;
use crate::model::item::{Delivered, Form, Item, Seal};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::read::{ReadAt, Slice};
use crate::work::giving::parcel::{GivenFile, list_place, list_seal, order_of, parcel_of};
use crate::work::giving::tar_check::TarCheck;
use crate::work::job::{Done, Job, Settings, staging_folder, success};
use crate::work::logs::{self, Change};
use crate::work::stages::checksum::ROW_BYTES;
use crate::work::stages::recheck::gathered;
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;
use crate::worlds::disk::Place;
use crate::worlds::outlet::{Bytes, Outlet, OutletError, Parcel, Stand};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Files put before they are synced, read back and marked; and bytes, unless one alone is larger.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: u64 = 64 << 20;

/// The file that makes a bag of a folder: it is put last.
const DECLARATION: &str = "bagit.txt";

/// The stage.
pub struct Deliver;

/// That something happened, and when: the same however often the stage runs.
#[derive(Debug, Serialize, Deserialize)]
struct Since {
    at: Timestamp,
}

impl StageWork for Deliver {
    fn name(&self) -> Stage {
        Stage::Deliver
    }

    fn room(&self, item: &Item, _: &World, _: &Settings) -> Result<Vec<Room>, Stop> {
        let files = item.found.unpack.as_ref().map_or(0, |unpack| unpack.files);
        Ok(vec![Room {
            place: RoomPlace::Staging,
            bytes: files * ROW_BYTES + (64 << 10),
            inodes: 4,
            already: 0,
        }])
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let order = order_of(job.item)?;
        let parcel = parcel_of(&job.settings.ledger_id, job.item, order);
        let brought = match order.spot_test {
            true => None,
            false => Some(Bringing::new(job, order, &parcel)?.bring()?),
        };
        let since = since(job, "told")?;
        let detail = detail(job, order, brought.as_ref());
        let kind = if order.spot_test { EventType::FixityCheck } else { EventType::Dissemination };
        tell_object(job, order, kind, &detail, since)?;
        let mut found = job.found();
        let expires = job.settings.given_for.filter(|_| !order.spot_test);
        let expires = expires.and_then(|keep| since.checked_add(SignedDuration::try_from(keep).ok()?).ok());
        let unpack = found.unpack.as_ref();
        let (files, bytes) = match &brought {
            Some(list) => (list.seal.count, list.bytes),
            None => unpack.map_or((0, 0), |unpack| (unpack.files, unpack.bytes)),
        };
        found.deliver = Some(Delivered {
            name: parcel.name.clone(),
            list: brought.map(|list| list_seal(job.item, list.seal)),
            files,
            bytes,
            at: since,
            expires,
        });
        let mut events = vec![EventDraft { at: Some(since), ..success(kind, detail) }];
        if !order.spot_test && order.path.is_none() && order.form == Form::Tar {
            let packed = format!("{} packed as one tar, {bytes} bytes", parcel.name);
            events.insert(0, EventDraft { at: Some(since), ..success(EventType::Packing, packed) });
        }
        Ok(Done { found, events, ..Done::default() })
    }

    fn tidy(&self, job: &Job<'_>, _: &Done) -> Result<(), Trouble> {
        job.world.disk.remove(&job.folder()?).map_err(Trouble::from)
    }
}

/// When this was done first; noted if it was not done before.
fn since(job: &Job<'_>, what: &str) -> Result<Timestamp, Stop> {
    let place = job.folder()?.join(what);
    if let Some(Since { at }) = read_note(&*job.world.disk, &place)? {
        return Ok(at);
    }
    let at = job.world.clock.now();
    write_note(&*job.world.disk, &place, &Since { at })?;
    Ok(at)
}

fn detail(job: &Job<'_>, order: &RestoreOrder, brought: Option<&List>) -> String {
    let (files, bytes) = job.item.found.unpack.as_ref().map_or((0, 0), |unpack| (unpack.files, unpack.bytes));
    let what = match &order.path {
        Some(path) => format!("{path} of version {}", order.version),
        None => format!("version {}", order.version),
    };
    match brought {
        None => format!(
            "spot test (item {}): {what} was read back from the medium, {files} files, {bytes} bytes, each equal to its \
             recorded sha512, and judged as a bag; nothing was delivered",
            job.item.id
        ),
        Some(list) => format!(
            "{what} given back to {} as {} for {} (item {}): {files} files, {bytes} bytes, read back there and equal",
            list.place, list.name, job.item.asked_by.name, job.item.id
        ),
    }
}

/// Tells it of the object, once.
fn tell_object(
    job: &Job<'_>,
    order: &RestoreOrder,
    event_type: EventType,
    detail: &str,
    at: Timestamp,
) -> Result<(), Trouble> {
    let failed = |error| logs::failed(&error);
    let _claim = job.ledger.claim_object(&order.object);
    let Some(object) = job.ledger.object(&order.object).map_err(failed)? else { return Ok(()) };
    let versions = job.ledger.versions(&order.object).map_err(failed)?;
    let known = job.ledger.object_events(&object.id).map_err(failed)?;
    // The detail names the item, and an item gives back once.
    if known.iter().any(|event| event.event_type == event_type && event.detail == detail) {
        return Ok(());
    }
    // Ids of an object's events hold their time: two orders that end in one moment are two events.
    let mut told = EventDraft { at: Some(at), ..success(event_type, detail) };
    while known.iter().any(|event| event.id == job.ledger.object_event(&object.id, object.head, &told).id) {
        told.at = told.at.and_then(|at| at.checked_add(SignedDuration::from_nanos(1)).ok());
    }
    logs::change(job.world, job.ledger, Change { object, versions, told, damage: Vec::new() }).map(drop)
}

/// What was brought.
struct List {
    seal: Seal,
    bytes: u64,
    place: String,
    name: String,
}

/// A file that is to be put: its path in the parcel, and where its bytes are.
struct Item1 {
    path: String,
    offset: u64,
    size: u64,
    /// None: it is the tar itself.
    sha512: Option<String>,
}

struct Bringing<'a> {
    job: &'a Job<'a>,
    order: &'a RestoreOrder,
    parcel: &'a Parcel,
    outlet: Arc<dyn Outlet>,
    folder: Place,
    tar: Arc<dyn ReadAt>,
    digests: Seal,
}

impl<'a> Bringing<'a> {
    fn new(job: &'a Job<'a>, order: &'a RestoreOrder, parcel: &'a Parcel) -> Result<Bringing<'a>, Stop> {
        let gathered = gathered(job)?;
        let digests = job.item.found.checksum.as_ref().map(|summed| summed.digests.clone());
        let digests = digests.ok_or_else(|| Stop::Back {
            trouble: Trouble::new(Kind::FactsDamaged, "the digests are missing"),
            to: Stage::Recheck,
        })?;
        Ok(Bringing {
            job,
            order,
            parcel,
            outlet: job.world.outlets.open(&order.to)?,
            folder: job.folder()?,
            tar: job.gathered_tar(gathered)?,
            digests,
        })
    }

    fn bring(&self) -> Result<List, Stop> {
        let disk = &*self.job.world.disk;
        let begun = self.folder.join(BEGUN);
        if read_note::<Since>(disk, &begun)?.is_none() && self.outlet.lies(self.parcel)? {
            let place = format!("{}/{}", self.outlet.shown(), self.parcel.name);
            return Err(OutletError::Taken { place }.into());
        }
        since(self.job, BEGUN)?;
        // A name that was given before the process ended is ours if all that lies there is what was read back.
        let there = self.outlet.renames() && self.outlet.lies(self.parcel)?;
        let stand = if there { Stand::There } else { Stand::UnderWay };
        let mut facts = self.marks(stand)?;
        let wanted = if self.is_tar() { 1 } else { self.digests.count };
        if there && facts.count() != wanted {
            let place = format!("{}/{}", self.outlet.shown(), self.parcel.name);
            return Err(OutletError::Taken { place }.into());
        }
        if !there {
            let put = self.put_all(&mut facts);
            if let Err(stop) = put {
                facts.sync()?;
                return Err(stop);
            }
            self.outlet.publish(self.parcel)?;
        }
        let mut count = 0;
        self.outlet.files(self.parcel, &mut |_| count += 1)?;
        if facts.count() != wanted || count != wanted {
            let because = format!("{count} files lie there, {} were read back of {wanted}", facts.count());
            let trouble = Trouble::new(Kind::PlaceDiffers, because);
            return Err(trouble.about(&self.parcel.name).into());
        }
        let seal = facts.seal()?;
        let listed = disk.open(&self.folder.join(&seal.file))?;
        disk.write(&list_place(&self.job.settings.records, self.job.item), &mut Slice::whole(&*listed))?;
        let mut bytes = 0;
        for row in FactsReader::<GivenFile>::open(disk, &self.folder, &seal)? {
            bytes += row?.size;
        }
        Ok(List { seal, bytes, place: self.outlet.shown(), name: self.parcel.name.clone() })
    }

    fn is_tar(&self) -> bool {
        self.order.path.is_none() && self.order.form == Form::Tar
    }

    /// What an earlier attempt read back, if all of it lies there as it was left; else nothing.
    fn marks(&self, stand: Stand) -> Result<FactsWriter<'a>, Stop> {
        let disk = &*self.job.world.disk;
        let name = self.job.of_round("given");
        let (mut lost, mut failed, mut count) = (false, None, 0u64);
        let facts = FactsWriter::reopen(disk, &self.folder, &name, self.job.fence, &mut |json| {
            let Ok(row) = serde_json::from_slice::<GivenFile>(json) else { return lost = true };
            match self.outlet.pin(self.parcel, (stand, &row.path)) {
                Ok(pin) => lost |= pin.as_ref() != Some(&row.pin),
                Err(error) => failed = Some(error),
            }
            count += 1;
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if lost {
            log::warn!(ITEM = self.job.item.id.0; "what was brought is not as it was left; it is brought again");
            return Ok(FactsWriter::create(disk, &self.folder, &name, self.job.fence)?);
        }
        self.job.meter.files_kept.store(count, std::sync::atomic::Ordering::Relaxed);
        Ok(facts)
    }

    /// What is to be put, in its order.
    fn items(&self) -> Result<Box<dyn Iterator<Item = Result<Item1, Trouble>> + '_>, Stop> {
        if self.is_tar() {
            let tar = Item1 { path: String::new(), offset: 0, size: self.tar.size(), sha512: None };
            return Ok(Box::new(std::iter::once(Ok(tar))));
        }
        let members = || FactsReader::<Member>::open(&*self.job.world.disk, &self.folder, &self.digests);
        let single = self.order.path.is_some();
        let is_last = move |member: &Member| !single && member.path.text() == Some(DECLARATION);
        let of = move |member: Member| Item1 {
            path: if single { String::new() } else { member.path.text().unwrap_or_default().to_string() },
            offset: member.offset,
            size: member.size,
            sha512: member.digests.get(Algorithm::Sha512).map(String::from),
        };
        let pick = move |last: bool, row: Result<Member, Trouble>| match row {
            Ok(member) if is_last(&member) == last => Some(Ok(of(member))),
            Ok(_) => None,
            Err(trouble) => Some(Err(trouble)),
        };
        let most = members()?.filter_map(move |row| pick(false, row));
        let last = members()?.filter_map(move |row| pick(true, row));
        Ok(Box::new(most.chain(last)))
    }

    fn put_all(&self, facts: &mut FactsWriter<'_>) -> Result<(), Stop> {
        let done = facts.count();
        if done == 0 {
            self.fits()?;
        }
        if self.parcel.folder {
            // A bag has its payload folder, were it empty.
            self.outlet.folder(self.parcel, "data")?;
        }
        self.job.meter.expect(if self.is_tar() { self.tar.size() } else { self.job.item.deposit.bytes });
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (number, item) in (0..).zip(self.items()?) {
            let item = item?;
            if number < done {
                continue;
            }
            self.job.drained()?;
            let from = Bytes { from: &*self.tar, offset: item.offset, size: item.size };
            self.outlet.put(self.parcel, &item.path, from)?;
            self.job.meter.count(item.size, 1);
            bytes += item.size;
            batch.push(item);
            if batch.len() >= BATCH_FILES || bytes >= BATCH_BYTES {
                self.prove(&std::mem::take(&mut batch), facts)?;
                bytes = 0;
            }
        }
        self.prove(&batch, facts)
    }

    /// Said before anything is put, where it can be known.
    fn fits(&self) -> Result<(), Stop> {
        let needs = if self.order.path.is_some() { self.job.item.deposit.bytes } else { self.tar.size() };
        match self.outlet.free() {
            Some(free) if free < needs => {
                let because = format!("{needs} bytes are to be put there, and {free} are free");
                Err(Trouble::new(Kind::PlaceIo, because).about(self.outlet.shown()).into())
            }
            _ => Ok(()),
        }
    }

    /// Reads a batch back, and marks it.
    fn prove(&self, batch: &[Item1], facts: &mut FactsWriter<'_>) -> Result<(), Stop> {
        if batch.is_empty() {
            return Ok(());
        }
        self.outlet.sync(self.parcel)?;
        for item in batch {
            self.job.drained()?;
            let sha512 = self.read_back(item)?;
            let at = (Stand::UnderWay, item.path.as_str());
            let pin =
                self.outlet.pin(self.parcel, at)?.ok_or_else(|| self.differs(item, "it is gone".into()))?;
            facts.push(&GivenFile { path: item.path.clone(), size: item.size, sha512, pin })?;
        }
        facts.sync()?;
        Ok(())
    }

    /// The digest of a file as it is read back; an error unless it is what was put.
    fn read_back(&self, item: &Item1) -> Result<String, Stop> {
        let mut digester = Digester::new(&[Algorithm::Sha512]);
        let mut check = match item.sha512 {
            Some(_) => None,
            None => {
                let members =
                    FactsReader::<Member>::open(&*self.job.world.disk, &self.folder, &self.digests)?;
                Some(TarCheck::new(&*self.tar, Box::new(members)))
            }
        };
        let at = (Stand::UnderWay, item.path.as_str());
        let bytes = self.outlet.read(self.parcel, at, &mut |chunk| {
            digester.update(chunk);
            if let Some(check) = &mut check {
                check.take(chunk);
            }
        })?;
        let found = digester.finish().get(Algorithm::Sha512).expect("it was asked for").to_string();
        if bytes != item.size {
            return Err(self.differs(item, format!("{bytes} bytes are read back, {} were put", item.size)));
        }
        if let Some(wanted) = item.sha512.as_ref().filter(|wanted| **wanted != found) {
            let why = format!("its sha512 is {found:.12}…, not {wanted:.12}…");
            return Err(self.differs(item, why));
        }
        if let Some(why) = check.map_or(Ok(None), TarCheck::finish)? {
            return Err(self.differs(item, why));
        }
        Ok(found)
    }

    fn differs(&self, item: &Item1, why: String) -> Stop {
        let slash = if item.path.is_empty() { "" } else { "/" };
        let about = format!("{}/{}{slash}{}", self.outlet.shown(), self.parcel.name, item.path);
        Trouble::new(Kind::PlaceDiffers, why).while_doing("reading back").about(about).into()
    }
}

/// That something was begun at the place; not of a round, for a new round finds it there, too.
const BEGUN: &str = "begun";

/// Removes from its place what a cancelled item had on its way there.
pub fn withdraw(world: &World, settings: &Settings, item: &Item) -> Result<(), Trouble> {
    let Ok(order) = order_of(item) else { return Ok(()) };
    let Ok(folder) = staging_folder(settings, item) else { return Ok(()) };
    if order.spot_test || read_note::<Since>(&*world.disk, &folder.join(BEGUN))?.is_none() {
        return Ok(());
    }
    let parcel = parcel_of(&settings.ledger_id, item, order);
    Ok(world.outlets.open(&order.to)?.discard(&parcel)?)
}
