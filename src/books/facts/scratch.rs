//! Runs of a sorter in staging.
//!
//! - The folder is this scratch's alone: what an earlier process left there is removed first, and all of it at the end.
//! - A run is streamed in and out; memory does not grow with it.

use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::read::ReadAt;
use crate::rules::sort::Scratch;
use crate::worlds::disk::{Disk, DiskError, Place};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs of a sorter in staging.
pub struct StagingScratch<'d> {
    disk: &'d dyn Disk,
    folder: Place,
    next: AtomicU64,
}

impl<'d> StagingScratch<'d> {
    /// An empty scratch in a folder of its own.
    pub fn new(disk: &'d dyn Disk, folder: Place) -> StagingScratch<'d> {
        // Leftovers only take space. If staging cannot even remove them, the first run will say so.
        let _ = disk.remove(&folder);
        StagingScratch { disk, folder, next: AtomicU64::new(0) }
    }

    fn place(&self, run: u64) -> Place {
        self.folder.join(&format!("run-{run}"))
    }
}

impl Drop for StagingScratch<'_> {
    fn drop(&mut self) {
        let _ = self.disk.remove(&self.folder);
    }
}

fn io_error(error: DiskError) -> io::Error {
    let kind = match &error {
        DiskError::Full { .. } => io::ErrorKind::StorageFull,
        DiskError::Absent { .. } => io::ErrorKind::NotFound,
        DiskError::Missing { .. } | DiskError::Io { .. } => io::ErrorKind::Other,
    };
    io::Error::new(kind, Trouble::from(error).sentence())
}

/// What an error of a sorter in staging means to a stage: a full volume is waited for, anything else is a trouble.
pub fn scratch_stop(volume: &str, error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::StorageFull => DiskError::Full { volume: volume.to_string() }.into(),
        _ => Trouble::new(Kind::StagingIo, error.to_string()).while_doing("sorting").about(volume).into(),
    }
}

impl Scratch for StagingScratch<'_> {
    fn keep(&self, bytes: &mut dyn Read) -> io::Result<u64> {
        let run = self.next.fetch_add(1, Ordering::Relaxed);
        self.disk.write(&self.place(run), bytes).map_err(io_error)?;
        Ok(run)
    }

    fn open(&self, run: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let file = self.disk.open(&self.place(run)).map_err(io_error)?;
        Ok(Box::new(Run { file, at: 0 }))
    }

    fn forget(&self, run: u64) {
        // Best effort: the folder goes as a whole at the end.
        let _ = self.disk.remove(&self.place(run));
    }
}

struct Run {
    file: Box<dyn ReadAt>,
    at: u64,
}

impl Read for Run {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(buf, self.at)?;
        if got == 0 && !buf.is_empty() && self.at < self.file.size() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a run of the sorter ends early"));
        }
        self.at += got as u64;
        Ok(got)
    }
}
