//! Threads that digest members, shared by all bags that are judged at the same time.
//!
//! - Small members of a tar are read together, one call for many of them; a large one goes through a buffer.
//! - Memory is bounded by the number of threads and of batches under way, never by a bag.
//! - A thread that panics answers with an error; nobody waits for it for ever.

use crate::model::digest::Algorithm;
use crate::model::fact::Member;
use crate::rules::digester::{digest_fanned, digest_reader};
use crate::rules::ours;
use crate::rules::read::{ReadAt, Slice};
use crate::worlds::source::held::HeldBag;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Bytes of a tar that are read with one call, and of small files that make one batch.
pub const SPAN: u64 = 1 << 20;

/// Bytes read at once of a member larger than a span.
const CHUNK: usize = 256 << 10;

/// How far everything is, for whoever shows progress.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes known to be digested in all.
    pub expected: AtomicU64,
    /// Bytes digested.
    pub done: AtomicU64,
}

/// Members to digest.
pub struct Batch {
    /// The bag they lie in.
    pub bag: Arc<HeldBag>,
    /// The members; in a tar they lie behind each other, within a span, unless there is only one.
    pub members: Vec<Member>,
    /// What to compute.
    pub algorithms: Arc<[Algorithm]>,
    /// Threads that may share the algorithms of one member; 1 for any but a very large one.
    pub fan: usize,
    /// Who counts.
    pub meter: Arc<Meter>,
    /// Where the answer goes.
    pub answer: Sender<Vec<Digested>>,
}

/// A member with its digests, or why there are none.
pub type Digested = (Member, io::Result<()>);

/// The threads.
pub struct Pool {
    batches: Option<Sender<Batch>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts so many threads.
    pub fn start(threads: usize) -> io::Result<Pool> {
        let (batches, given) = bounded::<Batch>(threads);
        let mut pool = Pool { batches: Some(batches), threads: Vec::new() };
        for number in 0..threads.max(1) {
            let given = given.clone();
            let thread = std::thread::Builder::new().name(format!("digest-{number}"));
            pool.threads.push(thread.spawn(move || work(&given))?);
        }
        Ok(pool)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Hands a batch to the threads; waits while all of them have enough to do.
    pub fn give(&self, batch: Batch) -> io::Result<()> {
        let batches = self.batches.as_ref().expect("it goes only when the pool is dropped");
        batches.send(batch).map_err(|_| io::Error::other("the digesting threads ended"))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.batches = None;
        for thread in self.threads.drain(..) {
            // What it panicked about went to whoever waited for the answer.
            let _ = thread.join();
        }
    }
}

fn work(given: &Receiver<Batch>) {
    let mut buf = Vec::new();
    for mut batch in given {
        let mut members = std::mem::take(&mut batch.members);
        let digest = std::panic::AssertUnwindSafe(|| digest(&batch, &mut members, &mut buf));
        let outcome = std::panic::catch_unwind(digest);
        let answer = match outcome {
            Ok(outcomes) => members.into_iter().zip(outcomes).collect(),
            Err(_) => {
                let failed = || Err(io::Error::other("a digesting thread panicked"));
                members.into_iter().map(|member| (member, failed())).collect()
            }
        };
        // Nobody waits any more when a bag was given up.
        let _ = batch.answer.send(answer);
    }
}

/// Digests every member of the batch; one outcome for each.
fn digest(batch: &Batch, members: &mut [Member], buf: &mut Vec<u8>) -> Vec<io::Result<()>> {
    let span = batch.bag.tar().and_then(|tar| Some((tar, span_of(members)?)));
    match span {
        Some((tar, (start, bytes))) => {
            let room = room(buf, bytes as usize);
            match Slice::new(tar, start, bytes).read_exact(room) {
                Ok(()) => members.iter_mut().map(|member| from_span(batch, member, start, room)).collect(),
                Err(_) => {
                    // One bad block must not be told of its neighbours.
                    members.iter_mut().map(|member| alone(batch, member, buf)).collect()
                }
            }
        }
        None => members.iter_mut().map(|member| alone(batch, member, buf)).collect(),
    }
}

/// First byte and length of the stretch that holds all members, when it is short enough to be read at once.
fn span_of(members: &[Member]) -> Option<(u64, u64)> {
    let (first, last) = (members.first()?, members.last()?);
    let bytes = last.offset.checked_add(last.size)?.checked_sub(first.offset)?;
    let ordered = members.iter().all(|member| member.offset >= first.offset);
    (bytes <= SPAN && ordered).then_some((first.offset, bytes))
}

fn from_span(batch: &Batch, member: &mut Member, start: u64, span: &[u8]) -> io::Result<()> {
    let from = (member.offset - start) as usize;
    let bytes = span.get(from..from + member.size as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut digester = crate::rules::digester::Digester::new(&batch.algorithms);
    digester.update(bytes);
    member.digests = digester.finish();
    batch.meter.done.fetch_add(member.size, Ordering::Relaxed);
    Ok(())
}

fn alone(batch: &Batch, member: &mut Member, buf: &mut Vec<u8>) -> io::Result<()> {
    match batch.bag.tar() {
        Some(tar) => stretch(batch, tar, member, buf),
        None => {
            let file = batch.bag.open_member(&member.path)?;
            if file.size() != member.size {
                return Err(ours::changed());
            }
            stretch(batch, &file, member, buf)
        }
    }
}

fn stretch(batch: &Batch, from: &dyn ReadAt, member: &mut Member, buf: &mut Vec<u8>) -> io::Result<()> {
    let (offset, size) = (member.offset, member.size);
    let count = |bytes: u64| {
        batch.meter.done.fetch_add(bytes, Ordering::Relaxed);
    };
    if batch.fan > 1 {
        member.digests = digest_fanned(from, offset, size, &batch.algorithms, batch.fan, &count)?;
        return Ok(());
    }
    let mut counted = Counted { read: Slice::new(from, offset, size), count: &count };
    let room = room(buf, CHUNK.min(usize::try_from(size).unwrap_or(CHUNK).max(1)));
    member.digests = digest_reader(&mut counted, &batch.algorithms, room)?.1;
    Ok(())
}

fn room(buf: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if buf.len() < bytes {
        buf.resize(bytes, 0);
    }
    &mut buf[..bytes]
}

/// Tells of every read.
struct Counted<'a> {
    read: Slice<'a>,
    count: &'a dyn Fn(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.read.read(buf)?;
        (self.count)(got as u64);
        Ok(got)
    }
}
