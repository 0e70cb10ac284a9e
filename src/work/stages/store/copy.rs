//! Copying a frozen version to its targets, batch by batch.
//!
//! - A batch is put, read back by a separate reader, compared, and only then marked.
//! - Batches follow from the frozen steps alone, so a batch number means the same files in every attempt.
//! - Memory is one batch a copier; the number of files does not matter.

use super::plan::{self, Plan};
use crate::books::facts::{FactsReader, FactsWriter};
use crate::model::digest::Algorithm;
use crate::model::fact::{BagPath, Member};
use crate::model::item::Item;
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::ocfl::plan::{CopyStep, Source};
use crate::rules::read::ReadAt;
use crate::work::job::{Job, MemberBytes, of_round};
use crate::worlds::World;
use crate::worlds::disk::{Disk, DiskError, Place};
use crate::worlds::target::{Put, Target, TargetError, Txn, Where};
use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Files of one batch at most; one sync serves them all.
const BATCH_FILES: usize = 1_024;

/// Bytes of one batch at most, unless one file alone is larger.
const BATCH_BYTES: u64 = 64 << 20;

/// A mark: this batch lies on the target, was read back and is equal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mark {
    /// The batch.
    b: u64,
    /// Its files.
    f: u64,
    /// Its bytes.
    s: u64,
    /// How many of its files were taken by the store's own word.
    #[serde(default)]
    w: u64,
    /// When reading it back began (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<Timestamp>,
}

struct Batch {
    number: u64,
    steps: Vec<CopyStep>,
}

/// What the names of files with marks start with.
const MARKS: &str = "marks-";

/// Name of the file that holds a target's marks of the item's present round.
fn marks_name(item: &Item, target: &str) -> String {
    of_round(item, &format!("{MARKS}{target}"))
}

/// Removes every mark: there is no plan by which they count.
pub fn forget_marks(disk: &dyn Disk, folder: &Place) -> Result<(), DiskError> {
    for name in disk.list(folder)?.iter().filter(|name| name.starts_with(MARKS)) {
        disk.remove(&folder.join(name))?;
    }
    Ok(())
}

/// Bytes of the files that are marked for this target, when the item has a plan of this round.
pub fn marked_bytes(world: &World, folder: &Place, item: &Item, target: &str) -> u64 {
    let round = crate::books::facts::read_note::<Plan>(&*world.disk, &folder.join("plan"));
    if !matches!(round, Ok(Some(plan)) if plan.round == item.checkpoint.round) {
        return 0;
    }
    let mut bytes = 0;
    let seen = crate::books::facts::peek_rows(&*world.disk, folder, &marks_name(item, target), &mut |line| {
        if let Ok(mark) = serde_json::from_slice::<Mark>(line) {
            bytes += mark.s;
        }
    });
    // Not knowing means promising all of it once more: never too little.
    if seen.is_ok() { bytes } else { 0 }
}

/// What the marks of a target tell of reading it back.
#[derive(Default)]
pub struct ReadBack {
    /// When it began for the batch that was read back first: days before the last one, where an attempt was stopped in
    /// between (UTC). Unknown for what was marked by a release that did not write it down.
    pub since: Option<Timestamp>,
    /// Files that were not read back, because the store's own digest was taken for it.
    pub vouched: u64,
}

/// What this target's marks tell.
pub fn read_back(job: &Job<'_>, target: &str) -> Result<ReadBack, Trouble> {
    let mut told = ReadBack::default();
    crate::books::facts::peek_rows(
        &*job.world.disk,
        &job.folder()?,
        &marks_name(job.item, target),
        &mut |line| {
            if let Ok(mark) = serde_json::from_slice::<Mark>(line) {
                told.vouched += mark.w;
                told.since = told.since.into_iter().chain(mark.t).min();
            }
        },
    )?;
    Ok(told)
}

/// Copies to all targets at once. A target in trouble does not stop the others: what they have done stays done.
pub fn to_all(job: &Job<'_>, plan: &Plan, targets: &[(&str, &dyn Target)]) -> Result<(), Stop> {
    job.meter.expect(plan.copy_bytes * targets.len() as u64);
    let sources = Sources { members: job.members()?, documents: documents(job, plan)? };
    let ended: Vec<Result<(), Stop>> = std::thread::scope(|scope| {
        let copying: Vec<_> = targets
            .iter()
            .map(|(name, target)| scope.spawn(|| to_one(job, plan, name, *target, &sources)))
            .collect();
        copying
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| Err(Trouble::new(Kind::Panicked, "a copier ended").into()))
            })
            .collect()
    });
    ended.into_iter().collect()
}

fn documents(job: &Job<'_>, plan: &Plan) -> Result<Vec<Box<dyn ReadAt>>, Stop> {
    (0..plan.documents.len()).map(|n| plan::document(job, plan, n as u32)).collect()
}

/// Where the bytes of copy steps are.
struct Sources<'a> {
    members: MemberBytes<'a>,
    documents: Vec<Box<dyn ReadAt>>,
}

/// The bytes of one step: a reader, and the first byte in it.
enum Bytes<'a> {
    Member(Arc<dyn ReadAt>, u64),
    Document(&'a dyn ReadAt),
}

impl Bytes<'_> {
    fn place(&self) -> (&dyn ReadAt, u64) {
        match self {
            Bytes::Member(from, offset) => (&**from, *offset),
            Bytes::Document(from) => (*from, 0),
        }
    }
}

impl Sources<'_> {
    fn of(&self, step: &CopyStep) -> Result<Bytes<'_>, Trouble> {
        match step.source {
            Source::Member { number, offset } => {
                // Only the path is needed for a folder deposit, and only the offset for a tar.
                // Once only: a bag may hold a folder `bag` itself.
                let logical = step.logical_path();
                let path = BagPath::from(logical.strip_prefix("bag/").unwrap_or(logical));
                let member = Member { number, path, offset, size: step.size, ..Member::default() };
                let (from, offset) = self.members.of(&member)?;
                Ok(Bytes::Member(from, offset))
            }
            Source::Inline(number) => {
                let document = self.documents.get(number as usize);
                let document =
                    document.ok_or_else(|| Trouble::new(Kind::FactsDamaged, "a document is missing"))?;
                Ok(Bytes::Document(&**document))
            }
        }
    }
}

fn to_one(
    job: &Job<'_>,
    plan: &Plan,
    name: &str,
    target: &dyn Target,
    sources: &Sources<'_>,
) -> Result<(), Stop> {
    let txn = super::txn(job);
    target
        .begin(&txn, &plan.object, plan.version)
        .map_err(|error| Stop::from(error).while_doing("starting on").about(name))?;
    let (disk, folder) = (&*job.world.disk, job.folder()?);
    let mut marked = BTreeSet::new();
    let (mut files, mut bytes) = (0, 0);
    let mut marks =
        FactsWriter::resume(disk, &folder, &marks_name(job.item, name), job.fence, &mut |line| {
            if let Ok(mark) = serde_json::from_slice::<Mark>(line) {
                marked.insert(mark.b);
                files += mark.f;
                bytes += mark.s;
            }
        })?;
    job.meter.files_kept.fetch_add(files, Ordering::Relaxed);
    job.meter.bytes.fetch_add(bytes, Ordering::Relaxed);
    let copier = Copier { job, name, target, txn, sources, stop: AtomicBool::new(false) };
    let steps = FactsReader::<CopyStep>::open(disk, &folder, &plan.steps)?;
    let mut batches = Batches { steps, number: 0, next: None };
    let threads = job.settings.copiers.max(1);
    let under_way_max = 2 * threads;
    let (todo, taken) = bounded::<Batch>(under_way_max);
    let (done, given) = bounded::<Result<Mark, Stop>>(under_way_max);
    let ended = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (taken, done, copier) = (taken.clone(), done.clone(), &copier);
            scope.spawn(move || copier.run(&taken, &done));
        }
        drop((taken, done));
        let fed = feed(job, &mut batches, &marked, &todo, &given, &mut marks, under_way_max);
        if fed.is_err() {
            copier.stop.store(true, Ordering::Relaxed);
        }
        drop(todo);
        // What other copiers finish meanwhile is marked too: it was read back, and need not be copied again.
        let mut rest = Ok(());
        for mark in &given {
            match mark {
                Ok(mark) => {
                    marks.push(&mark)?;
                    marks.sync()?;
                }
                Err(stop) => {
                    copier.stop.store(true, Ordering::Relaxed);
                    rest = rest.and(Err(stop));
                }
            }
        }
        fed.and(rest)
    });
    marks.sync()?;
    ended
}

/// Hands out the batches that are not marked, and marks those that come back.
fn feed(
    job: &Job<'_>,
    batches: &mut Batches,
    marked: &BTreeSet<u64>,
    todo: &Sender<Batch>,
    given: &Receiver<Result<Mark, Stop>>,
    marks: &mut FactsWriter<'_>,
    under_way_max: usize,
) -> Result<(), Stop> {
    let mut under_way = 0;
    while let Some(batch) = batches.next_batch()? {
        if marked.contains(&batch.number) {
            continue;
        }
        job.drained()?;
        if under_way == under_way_max {
            marks.push(&given.recv().map_err(|_| copiers_ended())??)?;
            marks.sync()?;
            under_way -= 1;
        }
        todo.send(batch).map_err(|_| copiers_ended())?;
        under_way += 1;
    }
    Ok(())
}

fn copiers_ended() -> Trouble {
    Trouble::new(Kind::Panicked, "the copiers ended")
}

/// Copy steps in batches.
struct Batches {
    steps: FactsReader<CopyStep>,
    number: u64,
    next: Option<CopyStep>,
}

impl Batches {
    fn next_batch(&mut self) -> Result<Option<Batch>, Trouble> {
        let (mut steps, mut bytes) = (Vec::new(), 0);
        while steps.len() < BATCH_FILES {
            let Some(step) = self.next.take().map(Ok).or_else(|| self.steps.next()).transpose()? else {
                break;
            };
            if !steps.is_empty() && bytes + step.size > BATCH_BYTES {
                self.next = Some(step);
                break;
            }
            bytes += step.size;
            steps.push(step);
        }
        if steps.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Batch { number: self.number, steps }))
    }
}

/// One thread that copies batches to one target.
struct Copier<'a> {
    job: &'a Job<'a>,
    name: &'a str,
    target: &'a dyn Target,
    txn: Txn,
    sources: &'a Sources<'a>,
    stop: AtomicBool,
}

impl Copier<'_> {
    fn run(&self, taken: &Receiver<Batch>, done: &Sender<Result<Mark, Stop>>) {
        for batch in taken {
            // After a failure the rest of the queue is dropped, so that the feeder does not wait for it.
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            let copied = self.copy(&batch);
            if copied.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            if done.send(copied).is_err() {
                return;
            }
        }
    }

    fn copy(&self, batch: &Batch) -> Result<Mark, Stop> {
        self.job.drained()?;
        let bytes: Vec<Bytes<'_>> =
            batch.steps.iter().map(|step| self.sources.of(step)).collect::<Result<_, _>>()?;
        let files: Vec<Put<'_>> = batch
            .steps
            .iter()
            .zip(&bytes)
            .map(|(step, bytes)| {
                let (from, offset) = bytes.place();
                Put { content_path: &step.content_path, from, offset, size: step.size }
            })
            .collect();
        let written = self.target.put(&self.txn, &files).map_err(|error| self.failed("writing to", error))?;
        self.job.promises.landed_files(self.job.item.id, self.name, written, batch.steps.len() as u64);
        let began = self.job.world.clock.now();
        let vouched = self.prove_all(&batch.steps)?;
        Ok(Mark { b: batch.number, f: batch.steps.len() as u64, s: written, w: vouched, t: Some(began) })
    }

    /// Proves every file, as many at once as the target reads best; gives how many the store vouched for.
    fn prove_all(&self, steps: &[CopyStep]) -> Result<u64, Stop> {
        let (next, vouched) = (AtomicUsize::new(0), AtomicU64::new(0));
        let prove_some = || -> Result<(), Stop> {
            while let Some(step) = steps.get(next.fetch_add(1, Ordering::Relaxed)) {
                vouched.fetch_add(u64::from(self.prove(step)?), Ordering::Relaxed);
                self.job.meter.count(step.size, 1);
            }
            Ok(())
        };
        let readers = self.target.readers().min(steps.len());
        if readers <= 1 {
            prove_some()?;
            return Ok(vouched.into_inner());
        }
        let ended: Vec<Result<(), Stop>> = std::thread::scope(|scope| {
            let reading: Vec<_> = (0..readers).map(|_| scope.spawn(prove_some)).collect();
            let ended = reading.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| Err(Trouble::new(Kind::Panicked, "a reader ended").into()))
            });
            ended.collect()
        });
        ended.into_iter().collect::<Result<(), Stop>>()?;
        Ok(vouched.into_inner())
    }

    /// Reads a file back past the page cache and compares it with what checksum found. True when the store's own word was
    /// taken instead, as its configuration says.
    fn prove(&self, step: &CopyStep) -> Result<bool, Stop> {
        let at = Where::Staged(&self.txn, &step.content_path);
        let vouched =
            self.target.vouches(at).map_err(|error| self.failed("asking about a file on", error))?;
        if let Some(vouched) = vouched {
            return self.compare(step, vouched.bytes, &vouched.sha256).map(|()| true);
        }
        let mut digester = Digester::new(&[Algorithm::Sha256]);
        let size = self
            .target
            .read(at, &mut |bytes| digester.update(bytes))
            .map_err(|error| self.failed("reading back from", error))?;
        let digests = digester.finish();
        let found = digests.get(Algorithm::Sha256).expect("it was asked for");
        self.compare(step, size, found).map(|()| false)
    }

    fn compare(&self, step: &CopyStep, size: u64, found: &str) -> Result<(), Stop> {
        if size == step.size && found == step.sha256 {
            return Ok(());
        }
        // A deposit that changed under our hands is no fault of the target's.
        self.job.deposit_unchanged()?;
        self.job.unpacked_tar_unchanged()?;
        let because = format!(
            "{} bytes with sha256 {}… were to be there, {size} bytes with sha256 {}… are",
            step.size,
            &step.sha256[..12],
            &found[..12]
        );
        let trouble = Trouble::new(Kind::CopyDiffers, because);
        Err(trouble.while_doing(format!("reading back from {}", self.name)).about(&step.content_path).into())
    }

    fn failed(&self, doing: &str, error: TargetError) -> Stop {
        Stop::from(error).while_doing(doing).about(self.name)
    }
}
