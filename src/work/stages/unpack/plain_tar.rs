//! The plain tar in staging that a packed deposit is unpacked to.
//!
//! - Every byte is promised before it is written: the promise grows in steps, up to what the caps allow.
//! - Under work it has a name with the lease's fence; it is published by a rename, whole and synced.
//! - An attempt that does not end well leaves nothing: compressed data cannot be gone on with in the middle, and what lies
//!   there would take the space that the item waits for.

use super::{INODES, facts_room};
use crate::books::volume::Need;
use crate::model::checkpoint::Stage;
use crate::model::digest::Algorithm;
use crate::model::finding::Finding;
use crate::model::item::Packed;
use crate::model::trouble::{Kind, Stop, Trouble, Wait};
use crate::rules::digester::Digester;
use crate::rules::packed::{self, Container, PackedError};
use crate::rules::read::ReadAt;
use crate::rules::tar::IndexError;
use crate::work::job::Job;
use crate::worlds::disk::Place;
use std::io::{self, Write};

/// Name of the tar within the item's folder.
const NAME: &str = "tar";

/// Bytes gathered before they are appended and synced.
const CHUNK: usize = 8 << 20;

/// The smallest step by which the promise grows; further ones grow with what was promised.
const STEP: u64 = 256 << 20;

/// Unpacks the deposit; nothing is done for a plain tar. Gives the tar, and warnings.
pub fn unpack(
    job: &Job<'_>,
    folder: &Place,
    deposit: &dyn ReadAt,
    container: Container,
) -> Result<Option<(Packed, Vec<Finding>)>, IndexError<Stop>> {
    let disk = &*job.world.disk;
    let stop = |error: crate::worlds::disk::DiskError| IndexError::Each(error.into());
    // What an earlier attempt left: a part of an older lease, or a tar whose checkpoint was never committed.
    for name in disk.list(folder).map_err(stop)? {
        if name == NAME || name.strip_prefix(NAME).is_some_and(|rest| is_part(rest, job.fence)) {
            disk.remove(&folder.join(&name)).map_err(stop)?;
        }
    }
    if container == Container::Plain {
        return Ok(None);
    }
    let mut tar = TarFile {
        job,
        folder,
        part: folder.join(&format!("{NAME}.{}.part", job.fence)),
        buffer: Vec::new(),
        at: 0,
        promised: 0,
        allowed: job.settings.packed.allowed(deposit.size()),
        digester: Digester::new(&[Algorithm::Sha256]),
        stop: None,
    };
    match make(job, &mut tar, deposit, container) {
        Ok(told) => {
            let made = tar.publish(container).map_err(IndexError::Each)?;
            job.meter.expect(deposit.size().saturating_add(made.bytes));
            Ok(Some((made, told)))
        }
        Err(error) => {
            if let Err(left) = disk.remove(&tar.part) {
                log::warn!(ITEM = job.item.id.0; "clearing a half unpacked tar: {}", Trouble::from(left).sentence());
            }
            Err(error)
        }
    }
}

fn is_part(rest: &str, fence: u64) -> bool {
    let number = rest.strip_prefix('.').and_then(|rest| rest.strip_suffix(".part"));
    number.and_then(|number| number.parse::<u64>().ok()).is_some_and(|found| found <= fence)
}

fn make(
    job: &Job<'_>,
    tar: &mut TarFile<'_, '_>,
    deposit: &dyn ReadAt,
    container: Container,
) -> Result<Vec<Finding>, IndexError<Stop>> {
    let mut progress = |read: u64| {
        job.meter.count(read, 0);
        // The stop itself is made again where this error arrives.
        job.drained().map_err(|_| io::Error::other("drained"))
    };
    let done = packed::unpack(deposit, container, &job.settings.packed, tar, &mut progress);
    let done = match done {
        Ok(done) => done,
        Err(PackedError::Refused(findings)) => return Err(IndexError::Refused(findings)),
        Err(PackedError::Read { offset, error }) => return Err(IndexError::Read { offset, error }),
        Err(PackedError::Taker(error)) => {
            let stop = tar.stop.take().unwrap_or_else(|| match job.drained() {
                Err(drained) => drained,
                Ok(()) => Trouble::new(Kind::StagingIo, error.to_string()).while_doing("unpacking").into(),
            });
            return Err(IndexError::Each(stop));
        }
    };
    tar.append().map_err(IndexError::Each)?;
    Ok(done.findings)
}

/// A tar in staging that cannot be read is trouble with staging, not with the source.
pub fn of_staging(error: IndexError<Stop>) -> IndexError<Stop> {
    match error {
        IndexError::Read { offset, error } => {
            let because = format!("at byte {offset}: {error}");
            let trouble = Trouble::new(Kind::StagingIo, because).while_doing("indexing the unpacked tar");
            IndexError::Each(trouble.into())
        }
        other => other,
    }
}

/// The tar while it is written.
struct TarFile<'a, 'j> {
    job: &'a Job<'j>,
    folder: &'a Place,
    part: Place,
    buffer: Vec<u8>,
    /// Bytes that are durable.
    at: u64,
    promised: u64,
    allowed: u64,
    digester: Digester,
    stop: Option<Stop>,
}

impl TarFile<'_, '_> {
    fn append(&mut self) -> Result<(), Stop> {
        let until = self.at + self.buffer.len() as u64;
        if until > self.promised {
            self.promise(until)?;
        }
        self.job.world.disk.append(&self.part, self.at, &self.buffer)?;
        self.digester.update(&self.buffer);
        self.job.promises.landed(self.job.item.id, &self.folder.volume, self.buffer.len() as u64);
        self.at = until;
        self.buffer.clear();
        Ok(())
    }

    /// Promises a step more, or just what is needed, or says how much there must be to come this far.
    fn promise(&mut self, until: u64) -> Result<(), Stop> {
        let step = self.promised.saturating_add(STEP.max(self.promised / 2)).min(self.allowed).max(until);
        let promised = match self.promise_exactly(step) {
            Err(Stop::Wait(_)) if step > until => self.promise_exactly(until).map(|()| until),
            other => other.map(|()| step),
        };
        self.promised = match promised {
            // Nothing of it lies there any more when the item is looked at again.
            Err(Stop::Wait(Wait::Space { place, inodes, free, .. })) => {
                let bytes = until.saturating_add(facts_room(until));
                return Err(Stop::Wait(Wait::Space { place, bytes, inodes, free }));
            }
            other => other?,
        };
        Ok(())
    }

    fn promise_exactly(&self, bytes: u64) -> Result<(), Stop> {
        let (job, volume) = (self.job, &self.folder.volume);
        let total = job.world.disk.space(volume)?.total_bytes;
        let floor = job.settings.floor(volume, total);
        let need = Need { bytes: bytes.saturating_add(facts_room(bytes)), inodes: INODES, ..Need::default() };
        let space = || job.world.disk.space(volume);
        let need = need.already(self.at, 0);
        job.promises.promise(&space, floor, volume, job.item.id, Stage::Unpack, need).map(|_| ())
    }

    fn publish(self, container: Container) -> Result<Packed, Stop> {
        self.job.world.disk.rename(&self.part, &self.folder.join(NAME))?;
        let digests = self.digester.finish();
        Ok(Packed {
            container: container.name().to_string(),
            file: NAME.to_string(),
            bytes: self.at,
            sha256: digests.get(Algorithm::Sha256).expect("it was asked for").to_string(),
        })
    }
}

impl Write for TarFile<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CHUNK
            && let Err(stop) = self.append()
        {
            self.stop = Some(stop);
            return Err(io::Error::other("staging did not take it"));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
