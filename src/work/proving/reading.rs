//! Reading and digesting many files of a copy, several at once.
//!
//! - Each file is read past the page cache and digested whole; what could not be read is told, never taken for sound.
//! - A file that could not be read is tried a second time before that is said of it.
//! - Of a large file one thread reads ahead while another digests.
//! - When somebody says to stop, no file goes on for more than a chunk.

use super::Step;
use crate::model::digest::Algorithm;
use crate::model::object::ObjectId;
use crate::model::proof::Outcome;
use crate::model::trouble::{Stop, Trouble};
use crate::rules::digester::Digester;
use crate::worlds::gentle::be_gentle;
use crate::worlds::target::{Target, TargetError, Where};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file from this size on is read by one thread and digested by another.
pub const AHEAD_FROM: u64 = 4 << 20;

/// Chunks that are read ahead; a chunk is what the target gives at once.
const AHEAD: usize = 4;

/// Digest and size of a file; or what is wrong with it, and why.
pub type Digested = Result<(String, u64), (Outcome, String)>;

/// A file to be read.
pub struct Wish {
    /// Its path in the object.
    pub path: String,
    /// Its bytes, as it was listed.
    pub size: u64,
}

/// Reads files of one object on one target.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// The target.
    pub target: &'a dyn Target,
    /// The object.
    pub object: &'a ObjectId,
    /// Files read at once.
    pub threads: usize,
    /// The threads let others go first.
    pub gentle: bool,
    /// Told of bytes as they are read; says when to stop.
    pub step: Step<'a>,
}

impl Reader<'_> {
    /// Digest and size of each of these files, in their order.
    pub fn digests(&self, files: &[Wish]) -> Result<Vec<Digested>, Stop> {
        let threads = self.threads.clamp(1, files.len().max(1));
        if threads == 1 && !self.gentle {
            return files.iter().map(|file| self.digest(file, Algorithm::Sha512)).collect();
        }
        // The large ones first, so that none of them is begun when all others are done.
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(files[*at].size));
        let next = AtomicUsize::new(0);
        let found: Mutex<Vec<Option<Digested>>> = Mutex::new(files.iter().map(|_| None).collect());
        let stopped: Mutex<Option<Stop>> = Mutex::new(None);
        let work = || {
            if self.gentle {
                be_gentle();
            }
            while lock(&stopped).is_none()
                && let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed))
            {
                match self.digest(&files[*at], Algorithm::Sha512) {
                    Ok(digested) => lock(&found)[*at] = Some(digested),
                    Err(stop) => *lock(&stopped) = Some(stop),
                }
            }
        };
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        match stopped.into_inner().unwrap_or_else(|broken| broken.into_inner()) {
            Some(stop) => Err(stop),
            None => {
                let found = found.into_inner().unwrap_or_else(|broken| broken.into_inner());
                Ok(found.into_iter().map(|one| one.expect("none stopped, so each was read")).collect())
            }
        }
    }

    /// Digest and size of one file. An error: somebody says to stop, or the whole target is away.
    pub fn digest(&self, file: &Wish, algorithm: Algorithm) -> Result<Digested, Stop> {
        (self.step)(0)?;
        match self.try_once(file, algorithm)? {
            Err((Outcome::Unreadable, _)) => self.try_once(file, algorithm),
            other => Ok(other),
        }
    }

    fn try_once(&self, file: &Wish, algorithm: Algorithm) -> Result<Digested, Stop> {
        let mut digester = Digester::new(&[algorithm]);
        let read = match file.size >= AHEAD_FROM {
            true => self.ahead(&file.path, &mut digester)?,
            false => {
                let mut stop = None;
                let read = self.target.read_while(Where::Object(self.object, &file.path), &mut |bytes| {
                    digester.update(bytes);
                    stop = (self.step)(bytes.len() as u64).err();
                    stop.is_none()
                });
                if let Some(stop) = stop {
                    return Err(stop);
                }
                read
            }
        };
        let digests = digester.finish();
        match read {
            Ok(size) => Ok(Ok((digests.get(algorithm).expect("it was asked for").to_string(), size))),
            Err(TargetError::Absent { .. }) => Ok(Err((Outcome::Missing, "it is not there".into()))),
            // The whole target is away: that is no finding about a file.
            Err(error @ (TargetError::Missing { .. } | TargetError::Full { .. })) => Err(error.into()),
            Err(error) => Ok(Err((Outcome::Unreadable, Trouble::from(error).because))),
        }
    }

    /// Reads in another thread, and digests here.
    fn ahead(&self, path: &str, digester: &mut Digester) -> Result<Result<u64, TargetError>, Stop> {
        let (full, filled) = bounded::<Vec<u8>>(AHEAD);
        let (empty, emptied) = bounded::<Vec<u8>>(AHEAD + 2);
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || self.fill(path, &full, &emptied));
            let mut stop = None;
            for chunk in &filled {
                digester.update(&chunk);
                stop = (self.step)(chunk.len() as u64).err();
                if stop.is_some() {
                    break;
                }
                // Full, or the reader has ended: the chunk goes.
                let _ = empty.try_send(chunk);
            }
            // The reader must not wait for somebody who has gone.
            drop(filled);
            let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match stop {
                Some(stop) => Err(stop),
                None => Ok(read),
            }
        })
    }

    fn fill(
        &self,
        path: &str,
        full: &Sender<Vec<u8>>,
        emptied: &Receiver<Vec<u8>>,
    ) -> Result<u64, TargetError> {
        if self.gentle {
            be_gentle();
        }
        self.target.read_while(Where::Object(self.object, path), &mut |bytes| {
            let mut chunk = emptied.try_recv().unwrap_or_default();
            chunk.clear();
            chunk.extend_from_slice(bytes);
            full.send(chunk).is_ok()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}
