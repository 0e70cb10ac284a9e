//! Fetching: a crew of workers, each with a connection of its own, fills the parts that are missing.
//!
//! - A finished part is durable before its number is passed on; an attempt that is cut off costs at most the parts that
//!   were under way.
//! - A part that fails is tried again a few times with growing pauses; then the whole stops, and what is there stays.
//! - A source without ranges is read from its first byte in one stream; parts that are there already are passed over.
//! - Memory is a buffer a connection, whatever the size.

use super::proof;
use super::ramp::Ramp;
use crate::model::digest::Digests;
use crate::model::item::Parts;
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::work::job::Job;
use crate::worlds::disk::{DiskError, Place};
use crate::worlds::source::{Arrival, SourceError};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded, unbounded};
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Tries of one part, one after the other, before the whole stops.
const TRIES: u32 = 5;
/// The first pause before a part is tried again; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// A source that asks for a longer rest than this gets it with the worker given back.
const REST_MAX: Duration = Duration::from_secs(20);
/// How often a worker that must wait looks whether it may go on.
const LOOK: Duration = Duration::from_millis(20);
/// Deposits from this size on start with two connections, so that one fetches while the other syncs.
const LARGE: u64 = 64 << 20;

/// What fetching came to.
pub struct Fetched {
    /// Digests of the whole.
    pub digests: Digests,
    /// Bytes that came in this attempt.
    pub bytes: u64,
    /// Connections that were used at once, at most.
    pub most: usize,
}

/// Fetches the parts that are missing, and digests all.
pub fn fetch(job: &Job<'_>, arrival: &Arrival, parts: &Parts) -> Result<Fetched, Stop> {
    let (disk, folder) = (&*job.world.disk, job.folder()?);
    parts.remove_others(disk, &folder).map_err(Trouble::from)?;
    let there = sound(job, parts, &folder)?;
    job.meter.expect(parts.bytes - parts.bytes_of(&there));
    let missing: VecDeque<u64> = (0..parts.count()).filter(|number| !there.contains(number)).collect();
    let crew = Crew {
        job,
        arrival,
        parts,
        folder,
        todo: Mutex::new(missing),
        allowed: AtomicUsize::new(1),
        halt: AtomicBool::new(false),
        streams: AtomicBool::new(false),
        bytes: AtomicU64::new(0),
        stopped: Mutex::new(None),
    };
    let (came, numbers) = unbounded();
    let (digests, most) = std::thread::scope(|scope| {
        let proof = scope.spawn(|| {
            let digests = proof::follow(job, arrival, parts, there.clone(), &numbers);
            // Nobody needs further parts when they cannot be digested.
            if digests.is_err() {
                crew.halt.store(true, Ordering::Relaxed);
            }
            digests
        });
        let most = crew.run(scope, &came);
        if crew.streams.load(Ordering::Relaxed) {
            crew.stream(&there, &came);
        }
        drop(came);
        let panicked = || Err(Trouble::new(Kind::Panicked, "digesting ended").into());
        (proof.join().unwrap_or_else(|_| panicked()), most)
    });
    let bytes = crew.bytes.load(Ordering::Relaxed);
    if let Some(stop) = crew.stopped.into_inner().unwrap_or_else(|broken| broken.into_inner()) {
        return Err(stop);
    }
    let digests = digests?;
    job.drained()?;
    let incomplete = || Trouble::new(Kind::StagingIo, "not every part was finished");
    Ok(Fetched { digests: digests.ok_or_else(incomplete)?, bytes, most })
}

/// The parts that are there; one of another length is no part, and is removed.
fn sound(job: &Job<'_>, parts: &Parts, folder: &Place) -> Result<BTreeSet<u64>, Stop> {
    let disk = &*job.world.disk;
    let mut there = parts.there(disk, folder).map_err(Trouble::from)?;
    for number in there.clone() {
        let place = parts.place(folder, number);
        if disk.open(&place).map_err(Trouble::from)?.size() != parts.range(number).1 {
            disk.remove(&place).map_err(Trouble::from)?;
            there.remove(&number);
        }
    }
    Ok(there)
}

struct Crew<'a> {
    job: &'a Job<'a>,
    arrival: &'a Arrival,
    parts: &'a Parts,
    folder: Place,
    todo: Mutex<VecDeque<u64>>,
    /// Workers with a number below this fetch; the others wait.
    allowed: AtomicUsize,
    /// Something ended it all.
    halt: AtomicBool,
    /// The source gives no ranges.
    streams: AtomicBool,
    bytes: AtomicU64,
    stopped: Mutex<Option<Stop>>,
}

impl<'a> Crew<'a> {
    /// Starts workers as they pay, and waits until all have ended; gives how many fetched at once at most.
    fn run<'s>(&'s self, scope: &'s std::thread::Scope<'s, '_>, came: &Sender<u64>) -> usize
    where
        'a: 's,
    {
        let clock = &*self.job.world.clock;
        let missing = self.lock_todo().len();
        let workers = self.arrival.connections.max(1).min(missing.max(1));
        let first = if self.parts.bytes >= LARGE { 2 } else { 1 };
        let mut ramp = Ramp::new(first, workers, clock.monotonic());
        let mut most = ramp.look(clock.monotonic(), 0);
        self.allowed.store(most, Ordering::Relaxed);
        let (alive, ended) = bounded::<()>(0);
        for number in 0..workers {
            let (alive, came) = (alive.clone(), came.clone());
            scope.spawn(move || {
                let _alive = alive;
                self.worker(number, &came);
            });
        }
        drop(alive);
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK * 5) {
            let allowed = ramp.look(clock.monotonic(), self.bytes.load(Ordering::Relaxed));
            self.allowed.store(allowed, Ordering::Relaxed);
            most = most.max(allowed);
        }
        most
    }

    fn worker(&self, number: usize, came: &Sender<u64>) {
        while !self.over() {
            if number >= self.allowed.load(Ordering::Relaxed) {
                if self.lock_todo().is_empty() {
                    return;
                }
                std::thread::sleep(LOOK);
                continue;
            }
            let Some(part) = self.lock_todo().pop_front() else { return };
            match self.part_with_patience(part) {
                Ok(true) => {
                    let _ = came.send(part);
                }
                Ok(false) => return,
                Err(stop) => return self.end(stop),
            }
        }
    }

    /// Fetches one part, trying again as long as that has sense; false when it was given up for another reason.
    fn part_with_patience(&self, number: u64) -> Result<bool, Stop> {
        let (from, length) = self.parts.range(number);
        let mut tries = 0;
        loop {
            let key = &self.job.item.deposit.key;
            let opened = self.job.world.source.fetch(key, self.arrival, from, length);
            let ended = opened.map_err(Ended::Source).and_then(|read| self.keep(number, length, read));
            match ended {
                Ok(()) => return Ok(true),
                Err(Ended::Halted) => return Ok(false),
                Err(Ended::Disk(error)) => return Err(error.into()),
                Err(Ended::Source(SourceError::NoRanges { .. })) => {
                    self.streams.store(true, Ordering::Relaxed);
                    self.halt.store(true, Ordering::Relaxed);
                    return Ok(false);
                }
                Err(Ended::Source(error)) => self.patience(error, &mut tries)?,
            }
        }
    }

    /// Waits before the next try, or gives up.
    fn patience(&self, error: SourceError, tries: &mut u32) -> Result<(), Stop> {
        let asked = match &error {
            SourceError::Busy { after, .. } => after.unwrap_or_default(),
            SourceError::Unreachable { .. } | SourceError::Wrong { .. } | SourceError::Io { .. } => {
                Duration::ZERO
            }
            // Time does not help these.
            SourceError::Gone { .. }
            | SourceError::Denied { .. }
            | SourceError::AddressLost { .. }
            | SourceError::Changed { .. }
            | SourceError::NoListing { .. }
            | SourceError::NoRanges { .. } => return Err(Trouble::from(error).into()),
        };
        *tries += 1;
        if *tries >= TRIES || asked > REST_MAX {
            return Err(Stop::Later { trouble: error.into(), after: asked });
        }
        let pause = (PAUSE * (1 << *tries)).mul_f64(0.5 + self.job.world.clock.jitter() / 2.0);
        self.rest(pause.max(asked));
        Ok(())
    }

    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.over() && Instant::now() < until {
            std::thread::sleep(LOOK.min(pause));
        }
    }

    /// Writes what comes as this part.
    fn keep(&self, number: u64, length: u64, read: Box<dyn Read + Send + '_>) -> Result<(), Ended> {
        let mut watched = Watched { read, crew: self, ended: None };
        let place = self.parts.place(&self.folder, number);
        let wrote = self.job.world.disk.write(&place, &mut watched);
        if let Some(ended) = watched.ended {
            return Err(ended);
        }
        let wrote = wrote.map_err(Ended::Disk)?;
        if wrote != length {
            // The source's reader promises more than that; a part that lies there counts as fetched.
            self.job.world.disk.remove(&place).map_err(Ended::Disk)?;
            let why = format!("it gave {wrote} bytes where {length} were asked for");
            return Err(Ended::Source(SourceError::Wrong { key: self.job.item.deposit.key.clone(), why }));
        }
        Ok(())
    }

    /// Reads the whole deposit in one stream, for a source that gives nothing else.
    fn stream(&self, there: &BTreeSet<u64>, came: &Sender<u64>) {
        self.halt.store(false, Ordering::Relaxed);
        let mut there = there.clone();
        let mut tries = 0;
        while !self.over() {
            let ended = match self.stream_once(&mut there, came) {
                Ok(()) | Err(Ended::Halted) => return,
                Err(Ended::Disk(error)) => Err(error.into()),
                Err(Ended::Source(error)) => self.patience(error, &mut tries),
            };
            if let Err(stop) = ended {
                return self.end(stop);
            }
        }
    }

    fn stream_once(&self, there: &mut BTreeSet<u64>, came: &Sender<u64>) -> Result<(), Ended> {
        let key = &self.job.item.deposit.key;
        let whole = self.job.world.source.fetch(key, self.arrival, 0, self.parts.bytes);
        let mut whole = whole.map_err(Ended::Source)?;
        for number in 0..self.parts.count() {
            let (_, length) = self.parts.range(number);
            let part = Box::new((&mut whole).take(length));
            if there.contains(&number) {
                let mut watched = Watched { read: part, crew: self, ended: None };
                let passed = io::copy(&mut watched, &mut io::sink());
                match (watched.ended, passed) {
                    (Some(ended), _) => return Err(ended),
                    (None, Ok(_)) => {}
                    (None, Err(error)) => {
                        let why = error.to_string();
                        return Err(Ended::Source(SourceError::Unreachable { key: key.clone(), why }));
                    }
                }
                continue;
            }
            self.keep(number, length, part)?;
            there.insert(number);
            let _ = came.send(number);
        }
        Ok(())
    }

    fn over(&self) -> bool {
        self.halt.load(Ordering::Relaxed) || self.job.drain.load(Ordering::Relaxed)
    }

    /// Ends it all; the first reason counts.
    fn end(&self, stop: Stop) {
        self.halt.store(true, Ordering::Relaxed);
        self.stopped.lock().unwrap_or_else(|broken| broken.into_inner()).get_or_insert(stop);
    }

    fn lock_todo(&self) -> std::sync::MutexGuard<'_, VecDeque<u64>> {
        self.todo.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

/// Why a part was not finished.
enum Ended {
    Source(SourceError),
    Disk(DiskError),
    /// The crew ends, or the process.
    Halted,
}

/// Counts what comes, and tells errors of the source from errors of the disk that it is written to.
struct Watched<'a, 'r> {
    read: Box<dyn Read + Send + 'r>,
    crew: &'a Crew<'a>,
    ended: Option<Ended>,
}

impl Read for Watched<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.crew.over() {
            self.ended = Some(Ended::Halted);
            return Err(io::Error::other("the download ends"));
        }
        match self.read.read(buf) {
            Ok(got) => {
                self.crew.bytes.fetch_add(got as u64, Ordering::Relaxed);
                self.crew.job.meter.count(got as u64, 0);
                Ok(got)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let key = self.crew.job.item.deposit.key.clone();
                let unknown = || SourceError::Unreachable { key, why: error.to_string() };
                self.ended = Some(Ended::Source(SourceError::of_io(&error).cloned().unwrap_or_else(unknown)));
                Err(io::Error::other("the source ended"))
            }
        }
    }
}
