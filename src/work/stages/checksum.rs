//! Checksum: md5, sha1, sha256, sha512 of every member in one read, and whatever else its manifests name.
//!
//! - Members are digested in parallel and written in the order of the member index; so a resumed run goes on at the
//!   first member without digests.
//! - Memory is bounded by the number of members under way, never by the number in the bag.
//! - A deposit that changed while it was digested is not accepted.

use crate::books::facts::{FactsReader, FactsWriter};
use crate::model::checkpoint::Stage;
use crate::model::digest::{Algorithm, Digests};
use crate::model::event::EventType;
use crate::model::fact::Member;
use crate::model::item::{Item, Summed, Unpacked};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::bagit::algorithm_named_by;
use crate::rules::digester::{digest_fanned, digest_reader};
use crate::rules::read::Slice;
use crate::work::job::{Done, Job, MemberBytes, Settings, success};
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::{BTreeMap, BTreeSet};

/// Members from this size on are digested one at a time, their algorithms spread over all threads: two large files
/// beside each other would gain as much, but the last one alone would leave the other processors idle.
const LARGE: u64 = 32 << 20;

/// Bytes digested before their digests are made durable.
const PART: u64 = 64 << 20;

/// Members handed to the threads and not yet written down.
const UNDER_WAY_MAX: usize = 256;

/// Bytes a row of the digests takes, generously: four digests in hexadecimal, the path, the numbers.
pub const ROW_BYTES: u64 = 600;

/// The stage.
pub struct Checksum;

impl StageWork for Checksum {
    fn name(&self) -> Stage {
        Stage::Checksum
    }

    fn room(&self, item: &Item, _: &World, _: &Settings) -> Result<Vec<Room>, Stop> {
        let files = item.found.unpack.as_ref().map_or(0, |unpack| unpack.files);
        Ok(vec![Room {
            place: RoomPlace::Staging,
            bytes: files * ROW_BYTES + (64 << 10),
            inodes: 2,
            already: 0,
        }])
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let unpack = unpacked(job)?;
        let (summed, algorithms) = digest(job, &unpack)?;
        job.deposit_unchanged()?;
        let mut found = job.found();
        found.checksum = Some(summed);
        let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let detail = format!("{} of {} files, {} bytes", names.join(", "), unpack.files, unpack.bytes);
        Ok(Done {
            found,
            events: vec![success(EventType::MessageDigestCalculation, detail)],
            ..Done::default()
        })
    }
}

/// Digests every member of a bag that is indexed; goes on where an earlier attempt stopped.
pub fn digest(job: &Job<'_>, unpack: &Unpacked) -> Result<(Summed, Vec<Algorithm>), Stop> {
    job.meter.expect(unpack.bytes);
    let algorithms = algorithms(job, unpack)?;
    let folder = job.folder()?;
    let mut finished = 0;
    let mut facts =
        FactsWriter::resume(&*job.world.disk, &folder, &job.of_round("digests"), job.fence, &mut |_| {
            finished += 1
        })?;
    job.meter.files_kept.store(finished, std::sync::atomic::Ordering::Relaxed);
    let todo = FactsReader::<Member>::open(&*job.world.disk, &folder, &unpack.members)?;
    let ended = digest_all(job, todo, finished, &algorithms, &mut facts);
    if let Err(stop) = ended {
        // What was digested stays digested: the next attempt goes on behind it.
        facts.sync()?;
        return Err(stop);
    }
    if facts.count() != unpack.files {
        let because = format!("{} members were digested of {}", facts.count(), unpack.files);
        return Err(Trouble::new(Kind::FactsDamaged, because).into());
    }
    Ok((Summed { digests: facts.seal()? }, algorithms))
}

/// What unpack found.
pub fn unpacked(job: &Job<'_>) -> Result<Unpacked, Stop> {
    job.item.found.unpack.clone().ok_or_else(|| {
        let trouble = Trouble::new(Kind::FactsDamaged, "the member index is missing");
        Stop::Back { trouble, to: Stage::Unpack }
    })
}

/// Our own four, and those that the bag's manifests are named after.
fn algorithms(job: &Job<'_>, unpack: &Unpacked) -> Result<Vec<Algorithm>, Stop> {
    let mut wanted: BTreeSet<Algorithm> = Algorithm::OURS.into();
    for member in FactsReader::<Member>::open(&*job.world.disk, &job.folder()?, &unpack.members)? {
        wanted.extend(algorithm_named_by(&member?.path));
    }
    Ok(wanted.into_iter().collect())
}

struct Task {
    member: Member,
}

type Result1 = (Member, Result<Digests, Trouble>);

/// Hands members to the threads, takes their digests back, and writes them in order.
fn digest_all(
    job: &Job<'_>,
    todo: impl Iterator<Item = Result<Member, Trouble>>,
    finished: u64,
    algorithms: &[Algorithm],
    facts: &mut FactsWriter<'_>,
) -> Result<(), Stop> {
    let bytes = job.members()?;
    let (tasks, taken) = bounded::<Task>(UNDER_WAY_MAX);
    let (results, given) = bounded::<Result1>(UNDER_WAY_MAX);
    std::thread::scope(|scope| {
        for _ in 0..job.settings.digesters.max(1) {
            let (taken, results, bytes) = (taken.clone(), results.clone(), &bytes);
            scope.spawn(move || digest_some(job, bytes, algorithms, &taken, &results));
        }
        drop((taken, results));
        let mut order =
            InOrder { next: finished, under_way: 0, waiting: BTreeMap::new(), unsynced: 0, facts };
        for member in todo {
            let member = member?;
            if member.number < finished {
                job.meter.bytes.fetch_add(member.size, std::sync::atomic::Ordering::Relaxed);
                continue;
            }
            job.drained()?;
            if member.size >= LARGE {
                // Rows are written in order: what is before it must be down, or all large ones would wait in memory, and
                // be digested again after a kill.
                while order.under_way > 0 {
                    order.receive(&given)?;
                }
                let digests = digest_large(job, &bytes, &member, algorithms)?;
                order.take(member, digests)?;
                continue;
            }
            while order.under_way >= UNDER_WAY_MAX {
                order.receive(&given)?;
            }
            order.under_way += 1;
            if tasks.send(Task { member }).is_err() {
                return Err(Trouble::new(Kind::Panicked, "the digesting threads ended").into());
            }
        }
        drop(tasks);
        while order.under_way > 0 {
            order.receive(&given)?;
        }
        Ok(())
    })
}

fn digest_some(
    job: &Job<'_>,
    bytes: &MemberBytes<'_>,
    algorithms: &[Algorithm],
    tasks: &Receiver<Task>,
    results: &Sender<Result1>,
) {
    let mut chunk = vec![0; 256 << 10];
    for Task { member } in tasks {
        let digests = bytes.of(&member).and_then(|(from, offset)| {
            let mut slice = Slice::new(&*from, offset, member.size);
            let (_, digests) = digest_reader(&mut slice, algorithms, &mut chunk)
                .map_err(|error| unreadable(&member, &error))?;
            Ok(digests)
        });
        job.meter.count(member.size, 1);
        if results.send((member, digests)).is_err() {
            return;
        }
    }
}

fn digest_large(
    job: &Job<'_>,
    bytes: &MemberBytes<'_>,
    member: &Member,
    algorithms: &[Algorithm],
) -> Result<Digests, Stop> {
    let (from, offset) = bytes.of(member)?;
    let progress = |more: u64| job.meter.count(more, 0);
    let digests =
        digest_fanned(&*from, offset, member.size, algorithms, job.settings.digesters.max(1), &progress)
            .map_err(|error| unreadable(member, &error))?;
    job.meter.count(0, 1);
    Ok(digests)
}

fn unreadable(member: &Member, error: &std::io::Error) -> Trouble {
    Trouble::new(Kind::SourceIo, error.to_string()).while_doing("digesting").about(member.path.shown())
}

/// Writes members down in the order of their numbers, whatever order they come in.
struct InOrder<'a, 'b> {
    next: u64,
    under_way: usize,
    waiting: BTreeMap<u64, Member>,
    unsynced: u64,
    facts: &'a mut FactsWriter<'b>,
}

impl InOrder<'_, '_> {
    fn receive(&mut self, given: &Receiver<Result1>) -> Result<(), Stop> {
        let (member, digests) =
            given.recv().map_err(|_| Trouble::new(Kind::Panicked, "the digesting threads ended"))?;
        self.under_way -= 1;
        self.take(member, digests?)
    }

    fn take(&mut self, mut member: Member, digests: Digests) -> Result<(), Stop> {
        member.digests = digests;
        self.waiting.insert(member.number, member);
        while let Some(member) = self.waiting.remove(&self.next) {
            self.facts.push(&member)?;
            self.next += 1;
            self.unsynced += member.size;
            // What a kill costs to digest again is bounded by bytes, not only by rows.
            if self.unsynced >= PART {
                self.facts.sync()?;
                self.unsynced = 0;
            }
        }
        Ok(())
    }
}
