//! The digests of a deposit that is being fetched, and comparing them with what its source gives.
//!
//! - Parts are digested in their order as soon as all before them are there, from memory while they are fresh: the tar is
//!   not read a second time for it.
//! - A part that an earlier attempt left is digested like any other, from the disk.

use crate::model::digest::{Algorithm, Digests};
use crate::model::item::Parts;
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::read::ReadAt;
use crate::work::job::Job;
use crate::worlds::source::Arrival;
use crossbeam_channel::Receiver;
use std::collections::BTreeSet;

const CHUNK: usize = 256 << 10;

/// Algorithms that this deposit needs: ours, and those its source gives digests by.
pub fn algorithms(arrival: &Arrival) -> Vec<Algorithm> {
    let mut algorithms = vec![Algorithm::Sha256];
    for given in &arrival.given {
        if !algorithms.contains(&given.algorithm) {
            algorithms.push(given.algorithm);
        }
    }
    algorithms
}

/// Digests parts in their order as their numbers come in; `None` when not all came.
pub fn follow(
    job: &Job<'_>,
    arrival: &Arrival,
    parts: &Parts,
    mut there: BTreeSet<u64>,
    came: &Receiver<u64>,
) -> Result<Option<Digests>, Stop> {
    let folder = job.folder()?;
    let mut digester = Digester::new(&algorithms(arrival));
    let mut chunk = vec![0; CHUNK];
    for number in 0..parts.count() {
        while !there.remove(&number) {
            match came.recv() {
                Ok(came) => there.insert(came),
                Err(_) => return Ok(None),
            };
        }
        let part = job.world.disk.open(&parts.place(&folder, number)).map_err(Trouble::from)?;
        let mut at = 0;
        while at < part.size() {
            if job.drained().is_err() {
                return Ok(None);
            }
            let got = part.read_at(&mut chunk, at).map_err(|error| {
                Trouble::new(Kind::StagingIo, error.to_string()).while_doing("reading back").about("a part")
            })?;
            if got == 0 {
                break;
            }
            digester.update(&chunk[..got]);
            at += got as u64;
        }
    }
    Ok(Some(digester.finish()))
}

/// Compares with every digest that the source gives. What differs is not kept: nobody knows which part of it is wrong.
pub fn compare(job: &Job<'_>, arrival: &Arrival, parts: &Parts, digests: Digests) -> Result<Digests, Stop> {
    for given in &arrival.given {
        let found = digests.get(given.algorithm).unwrap_or_default();
        if found.eq_ignore_ascii_case(&given.hex) {
            continue;
        }
        job.world.disk.remove(&job.folder()?.join(&parts.folder)).map_err(Trouble::from)?;
        let because = format!(
            "{} gives {} {}…, what arrived has {}…; nothing of it was kept",
            given.by,
            given.algorithm,
            short(&given.hex),
            short(found)
        );
        return Err(Trouble::new(Kind::SourceWrong, because).about(&job.item.deposit.key).into());
    }
    Ok(digests)
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
