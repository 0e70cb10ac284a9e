//! Looking at one copy: what the registry says of it, and what reading all of it came to.
//!
//! - Nobody is kept from the object meanwhile. What the registry says is looked at again before anything bad is said.
//! - In a large copy the place is remembered, so that whoever is stopped in it goes on there.

use super::Prove;
use super::round::Round;
use crate::books::facts::StagingScratch;
use crate::books::ledger::{LedgerError, Partial, ProofMove, ProvenCopy, SweepNews, SweepTarget};
use crate::model::object::{ObjectId, VersionRow};
use crate::model::proof::{DamagedCopy, Proof};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::due;
use crate::rules::sort::MemoryScratch;
use crate::work::keeping::stores_now;
use crate::work::proving::{self, Begun, How, Wanted};
use crate::worlds::disk::Place;
use crate::worlds::target::Target;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A copy with more files or bytes is proved alone, and may be stopped in.
const SMALL_FILES: u64 = 2_000;
const SMALL_BYTES: u64 = 32 << 20;

/// How often the place in a large copy is kept.
const KEEP_EVERY: Duration = Duration::from_secs(20);

/// What came of looking at a copy.
pub(super) enum Looked {
    /// It was read to its end.
    Read(Box<Reading>),
    /// It was found damaged before, and is not due to be looked at again.
    Known(DamagedCopy),
    /// There is no such copy any more.
    Gone,
    /// It changed meanwhile, or could not be looked at; the target is there.
    Left(String),
    /// The target is not there.
    Away(String),
    /// Time or bytes are used up, or the run is to stop.
    Stopped,
}

/// A copy that was read to its end.
pub(super) struct Reading {
    pub copy: ProvenCopy,
    pub inventories: BTreeMap<u32, String>,
    pub began: Timestamp,
    pub proof: Proof,
    /// It was found damaged before.
    pub was_damaged: bool,
}

impl Reading {
    pub fn proof_move(&self, target: &str) -> ProofMove {
        ProofMove {
            object: self.copy.object.clone(),
            target: target.to_string(),
            at: self.began,
            inventories: self.inventories.clone(),
        }
    }
}

impl Round<'_> {
    /// Looks at each, several at once where there are several.
    pub(super) fn look_at_all(
        &self,
        target: &dyn Target,
        part: &SweepTarget,
        group: &[ProvenCopy],
    ) -> Result<Vec<Looked>, LedgerError> {
        let threads = proving::readers(target);
        if let [copy] = group {
            return Ok(vec![self.look(target, part, copy, threads)?]);
        }
        let next = AtomicUsize::new(0);
        let slots: Mutex<Vec<Option<Result<Looked, LedgerError>>>> =
            Mutex::new(group.iter().map(|_| None).collect());
        let work = || {
            crate::worlds::gentle::be_gentle();
            while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < group.len()) {
                let looked = match self.gate.is_over() || self.gate.is_spent() {
                    true => Ok(Looked::Stopped),
                    false => self.look(target, part, &group[at], 1),
                };
                slots.lock().unwrap_or_else(|broken| broken.into_inner())[at] = Some(looked);
            }
        };
        std::thread::scope(|scope| (0..threads.min(group.len())).for_each(|_| drop(scope.spawn(work))));
        let slots = slots.into_inner().unwrap_or_else(|broken| broken.into_inner());
        slots.into_iter().map(|slot| slot.unwrap_or(Ok(Looked::Stopped))).collect()
    }

    /// Looks at one copy.
    fn look(
        &self,
        target: &dyn Target,
        part: &SweepTarget,
        copy: &ProvenCopy,
        threads: usize,
    ) -> Result<Looked, LedgerError> {
        let ledger = self.sweep.ledger;
        if ledger.forget_place(copy)? {
            return Ok(Looked::Gone);
        }
        let mark = ledger.damage_of(&part.target, &copy.object)?;
        if let Some(mark) = &mark
            && (mark.run == self.row.number || (!self.row.all && self.is_recent(mark.found_at)))
        {
            return Ok(Looked::Known(mark.clone()));
        }
        let versions = ledger.versions(&copy.object)?;
        let inventories = inventories_on(&versions, &part.target);
        let Some(head) = inventories.values().next_back().cloned() else { return Ok(Looked::Gone) };
        // Begun after all of it was proved last: what was read before that shows nothing now.
        let last = mark.as_ref().map_or(copy.proved_at, |mark| mark.found_at.max(copy.proved_at));
        // A proof of a time that is still to come is none.
        let is_none = last > due::not_yet(self.row.started);
        let goes_on = |partial: &Partial| {
            partial.object == copy.object && partial.head_sha512 == head && (is_none || partial.began > last)
        };
        let partial = ledger.partial(&part.target)?.filter(|partial| is_large(copy) && goes_on(partial));
        let began = match &partial {
            Some(partial) => partial.began,
            // Later than the run: what it proved is never due in it.
            None => self.sweep.world.clock.now().max(after(self.row.started)),
        };
        let keep = Keeper { round: self, part, object: &copy.object, head, began, kept: Mutex::default() };
        let proved = self.prove(target, copy, &inventories, partial, threads, &keep);
        let proof = match proved {
            Ok(proof) => proof,
            Err(Stop::Trouble(trouble)) => return Ok(failed(trouble)),
            Err(Stop::Drained) => return Ok(Looked::Stopped),
            Err(stop) => return Ok(Looked::Left(format!("it was not read to its end: {stop:?}"))),
        };
        if !proof.is_sound() && self.changed(copy, &part.target, &inventories)? {
            return Ok(Looked::Left("it changed while it was read; the next run looks at it".into()));
        }
        let reading = Reading { copy: copy.clone(), inventories, began, proof, was_damaged: mark.is_some() };
        Ok(Looked::Read(Box::new(reading)))
    }

    fn is_recent(&self, found_at: Timestamp) -> bool {
        let now = self.sweep.world.clock.now();
        // A time that is still to come says nothing.
        found_at > due::since(now, self.sweep.config.recheck) && found_at <= due::not_yet(now)
    }

    fn prove(
        &self,
        target: &dyn Target,
        copy: &ProvenCopy,
        inventories: &BTreeMap<u32, String>,
        partial: Option<Partial>,
        threads: usize,
        keep: &Keeper<'_>,
    ) -> Result<Proof, Stop> {
        let wanted = Wanted { object: &copy.object, inventories };
        let pass = |bytes| self.gate.pass(bytes);
        let begun = partial.map(|partial| Begun { after: partial.after, proof: partial.proof });
        let kept = |begun: &Begun| if is_large(copy) { keep.keep(begun) } else { Ok(()) };
        // A thread of several that each prove a copy is gentle already.
        let how = How { threads, gentle: threads > 1, step: &pass, begun, keep: &kept };
        let prove: &Prove<'_> = self.sweep.prove;
        if !is_large(copy) {
            return prove(target, &wanted, &MemoryScratch::default(), how);
        }
        let settings = self.sweep.settings;
        let volume =
            settings.staging.first().cloned().ok_or_else(|| {
                Trouble::new(Kind::VolumeMissing, "the configuration names no staging volume")
            })?;
        let path = format!("{}-fixity-{}", settings.ledger_id, keep.part.target);
        let scratch = StagingScratch::new(&*self.sweep.world.disk, Place { volume, path });
        let proved = prove(target, &wanted, &scratch, how);
        if let (Err(Stop::Drained), Some(partial)) = (&proved, keep.last()) {
            keep.write(&partial);
        }
        proved
    }

    /// True when what the registry says of this copy is not any more what it was held against.
    pub(super) fn changed(
        &self,
        copy: &ProvenCopy,
        target: &str,
        inventories: &BTreeMap<u32, String>,
    ) -> Result<bool, LedgerError> {
        let ledger = self.sweep.ledger;
        let Some(object) = ledger.object(&copy.object)? else { return Ok(true) };
        Ok(stores_now(ledger, &object)?
            || inventories_on(&ledger.versions(&copy.object)?, target) != *inventories)
    }
}

/// Remembers how far a large copy is.
struct Keeper<'a> {
    round: &'a Round<'a>,
    part: &'a SweepTarget,
    object: &'a ObjectId,
    head: String,
    began: Timestamp,
    /// The last place, and when one was written.
    kept: Mutex<(Option<Partial>, Duration)>,
}

impl Keeper<'_> {
    fn keep(&self, begun: &Begun) -> Result<(), Stop> {
        // As much of the faults as a row holds.
        let of =
            DamagedCopy::new(self.object, &self.part.target, self.began, self.round.row.number, &begun.proof);
        let partial = Partial {
            object: self.object.clone(),
            head_sha512: self.head.clone(),
            began: self.began,
            after: begun.after.clone(),
            proof: of.proof,
        };
        let now = self.round.sweep.world.clock.monotonic();
        let mut kept = self.kept.lock().unwrap_or_else(|broken| broken.into_inner());
        let write = now.saturating_sub(kept.1) >= KEEP_EVERY;
        if write {
            kept.1 = now;
        }
        kept.0 = Some(partial.clone());
        drop(kept);
        if write {
            self.write(&partial);
        }
        // Between two parts is where a budget ends.
        if self.round.gate.is_over() || self.round.gate.is_spent() { Err(Stop::Drained) } else { Ok(()) }
    }

    fn last(&self) -> Option<Partial> {
        self.kept.lock().unwrap_or_else(|broken| broken.into_inner()).0.clone()
    }

    fn write(&self, partial: &Partial) {
        let mut part = self.part.clone();
        let news = SweepNews { partial: Some(Some(partial)), ..SweepNews::default() };
        let ledger = self.round.sweep.ledger;
        let written = ledger
            .sweep_rows(self.round.row.number, &mut part, &news)
            .and_then(|rows| ledger.move_proofs(&[], rows));
        // Only time is lost: the copy is read from an earlier place.
        if let Err(error) = written {
            log::warn!("how far {} on {} was read is not kept: {error}", self.object, part.target);
        }
    }
}

fn failed(trouble: Trouble) -> Looked {
    match trouble.kind {
        Kind::TargetMissing | Kind::TargetDenied => Looked::Away(trouble.sentence()),
        _ => Looked::Left(trouble.sentence()),
    }
}

pub(super) fn is_large(copy: &ProvenCopy) -> bool {
    copy.files > SMALL_FILES || copy.bytes > SMALL_BYTES
}

fn inventories_on(versions: &[VersionRow], target: &str) -> BTreeMap<u32, String> {
    let has = |version: &&VersionRow| version.copies.iter().any(|copy| copy.target == target);
    let row = |version: &VersionRow| (version.version, version.inventory_sha512.clone());
    versions.iter().filter(has).map(row).collect()
}

fn after(at: Timestamp) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(1)).unwrap_or(at)
}
