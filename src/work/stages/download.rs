//! Download: the deposit is received whole, and its digest known.
//!
//! - Local deposits are read in place; nothing is copied.
//! - The deposit is pinned before the first byte is read and compared after the last: bytes that changed meanwhile are
//!   never accepted.

use crate::model::checkpoint::Stage;
use crate::model::digest::Algorithm;
use crate::model::event::EventType;
use crate::model::item::{Deposit, Form, Item, Received};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::work::job::{Done, Job, Settings, success};
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// The stage.
pub struct Download;

impl StageWork for Download {
    fn name(&self) -> Stage {
        Stage::Download
    }

    fn room(&self, item: &Item, _: &World, settings: &Settings) -> Result<Vec<Room>, Stop> {
        if item.deposit.bytes > settings.bytes_max {
            let because = format!("it has {} bytes; the limit is {}", item.deposit.bytes, settings.bytes_max);
            return Err(Trouble::new(Kind::OverLimit, because).about(&item.deposit.key).into());
        }
        // Read in place: only the item's folder itself.
        Ok(vec![Room { place: RoomPlace::Staging, bytes: 64 << 10, inodes: 4, already: 0 }])
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let key = &job.item.deposit.key;
        let arrival = job.world.source.look(key).map_err(Trouble::from)?;
        let deposit =
            Deposit { key: key.clone(), form: arrival.form, bytes: arrival.bytes, pin: arrival.pin.clone() };
        let sha256 = match arrival.form {
            Form::Tar => digest_tar(job, arrival.bytes)?,
            // A folder's listing is its pin: path, size and time of every file. Its files are digested by checksum.
            Form::Folder => arrival.pin.clone(),
        };
        let now = job.world.source.look(key).map_err(Trouble::from)?;
        if now.pin != arrival.pin {
            return Err(Trouble::new(Kind::DepositChanged, "it changed while it was read").about(key).into());
        }
        let mut found = job.found();
        found.download = Some(Received { sha256: sha256.clone(), bytes: arrival.bytes });
        let detail = format!("received {} bytes, sha256 {sha256}", arrival.bytes);
        Ok(Done {
            found,
            deposit: Some(deposit),
            events: vec![success(EventType::Transfer, detail)],
            ..Done::default()
        })
    }
}

fn digest_tar(job: &Job<'_>, bytes: u64) -> Result<String, Stop> {
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
    let digests = digester.finish();
    Ok(digests.get(Algorithm::Sha256).expect("it was asked for").to_string())
}
