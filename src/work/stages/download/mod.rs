//! Download: the deposit is received whole, and its digest known.
//!
//! - Local deposits are read in place; nothing is copied. Others are fetched into parts in staging; space for all of it is
//!   promised before the first byte.
//! - The deposit is pinned before the first byte is read and compared after the last: bytes that changed meanwhile are
//!   never accepted, and bytes of two versions never meet.
//! - What a source says of the whole (length, digests) is compared with what arrived; if it differs nothing is kept.

mod fetch;
mod proof;
mod ramp;

use crate::model::checkpoint::Stage;
use crate::model::digest::{Algorithm, Digests};
use crate::model::event::EventType;
use crate::model::item::{Deposit, Form, Item, Received};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::work::job::{Done, Job, Settings, staging_folder, success};
use crate::work::staged;
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;
use crate::worlds::source::Arrival;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Space and inodes of the item's folder itself.
const FOLDER: (u64, u64) = (64 << 10, 8);

/// Bytes of a block, generously: what a part may waste.
const BLOCK: u64 = 64 << 10;

/// The stage.
pub struct Download;

impl StageWork for Download {
    fn name(&self) -> Stage {
        Stage::Download
    }

    fn room(&self, item: &Item, world: &World, settings: &Settings) -> Result<Vec<Room>, Stop> {
        let deposit = &item.deposit;
        if deposit.bytes > settings.bytes_max {
            let because = format!("it has {} bytes; the limit is {}", deposit.bytes, settings.bytes_max);
            return Err(Trouble::new(Kind::OverLimit, because).about(&deposit.key).into());
        }
        let mut room = Room { place: RoomPlace::Staging, bytes: FOLDER.0, inodes: FOLDER.1, already: 0 };
        if deposit.fetched {
            let parts = staged::layout(&deposit.pin, deposit.bytes, settings.part_min);
            room.bytes += deposit.bytes + parts.count() * BLOCK;
            room.inodes += parts.count();
            if item.volume.is_some() {
                let folder = staging_folder(settings, item)?;
                room.already = staged::bytes_there(&*world.disk, &folder).min(deposit.bytes);
            }
        }
        Ok(vec![room])
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        job.not_deleted()?;
        let key = &job.item.deposit.key;
        let arrival = job.world.source.look(key).map_err(Trouble::from)?;
        let deposit = deposit_of(key, &arrival);
        let (digests, parts, detail) = match (arrival.in_place, arrival.form) {
            (false, _) => {
                let parts = promised_parts(job, &deposit)?;
                let got = fetch::fetch(job, &arrival, &parts)?;
                let detail = format!("; {} bytes came now, over at most {} connections", got.bytes, got.most);
                (proof::compare(job, &arrival, &parts, got.digests)?, Some(parts), detail)
            }
            (true, Form::Tar) => (digest_tar(job, arrival.bytes)?, None, String::new()),
            // A folder's listing is its pin: path, size and time of every file. Its files are digested by checksum.
            (true, Form::Folder) => {
                let listing = [(Algorithm::Sha256, arrival.pin.clone())].into_iter().collect();
                (Digests(listing), None, String::new())
            }
        };
        let now = job.world.source.look(key).map_err(Trouble::from)?;
        if now.pin != arrival.pin {
            return Err(changed(key, "it changed while it was read", deposit_of(key, &now)));
        }
        let sha256 = digests.get(Algorithm::Sha256).expect("it was asked for").to_string();
        let given: Vec<String> =
            arrival.given.iter().map(|given| format!("{} given by {}", given.algorithm, given.by)).collect();
        let equal =
            if given.is_empty() { String::new() } else { format!(", equal to {}", given.join(" and ")) };
        let detail = format!("received {} bytes, sha256 {sha256}{equal}{detail}", arrival.bytes);
        let mut found = job.found();
        found.download = Some(Received { sha256, bytes: arrival.bytes, parts });
        let events = vec![success(EventType::Transfer, detail)];
        Ok(Done { found, deposit: Some(deposit), events, ..Done::default() })
    }
}

/// The deposit as it arrives.
fn deposit_of(key: &str, arrival: &Arrival) -> Deposit {
    Deposit {
        key: key.to_string(),
        form: arrival.form,
        bytes: arrival.bytes,
        pin: arrival.pin.clone(),
        mark: arrival.mark.clone(),
        fetched: !arrival.in_place,
    }
}

fn changed(key: &str, because: &str, deposit: Deposit) -> Stop {
    let trouble = Trouble::new(Kind::DepositChanged, because).about(key);
    Stop::Changed { trouble, deposit: Box::new(deposit) }
}

/// How the deposit is cut; only when space was promised for just this deposit.
fn promised_parts(job: &Job<'_>, now: &Deposit) -> Result<crate::model::item::Parts, Stop> {
    let promised = &job.item.deposit;
    // A deposit that was only listed has no pin yet, but a mark.
    let same = match promised.pin.is_empty() {
        true => promised.mark == now.mark,
        false => promised.pin == now.pin,
    };
    if promised.fetched && promised.bytes == now.bytes && same {
        return Ok(staged::layout(&now.pin, now.bytes, job.settings.part_min));
    }
    let because = format!(
        "it had {} bytes when it was submitted and has {} now, or was replaced",
        promised.bytes, now.bytes
    );
    Err(changed(&now.key, &because, now.clone()))
}

fn digest_tar(job: &Job<'_>, bytes: u64) -> Result<Digests, Stop> {
    let key = &job.item.deposit.key;
    let tar = job.world.source.open(key).map_err(Trouble::from)?;
    job.meter.expect(bytes);
    let mut digester = Digester::new(&[Algorithm::Sha256]);
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    loop {
        job.drained()?;
        let got = tar.read_at(&mut chunk, at).map_err(|error| {
            Trouble::new(Kind::SourceIo, error.to_string()).while_doing("reading").about(key)
        })?;
        if got == 0 {
            break;
        }
        digester.update(&chunk[..got]);
        at += got as u64;
        job.meter.count(got as u64, 0);
    }
    if at != bytes {
        let because = format!("it had {bytes} bytes and gave {at}");
        return Err(Trouble::new(Kind::DepositChanged, because).about(key).into());
    }
    Ok(digester.finish())
}
