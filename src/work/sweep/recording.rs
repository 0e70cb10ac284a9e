//! Recording what was found of copies.
//!
//! - Sound copies: their times, the run's counts and its place are one commit for many of them.
//! - One in which something is wrong, or that is sound again: an event beside its copies and its mark are one commit.
//! - The object is claimed for as long as that takes, and no longer.

use super::look::Reading;
use super::round::{News, Round};
use crate::books::ledger::{
    DamageMark, EventDraft, LedgerError, ObjectClaim, ProofMove, ProvenCopy, SweepFinding, SweepNews,
    SweepTarget,
};
use crate::model::event::{EventType, Outcome};
use crate::model::object::ObjectId;
use crate::model::proof::{DamagedCopy, Proof};
use crate::work::keeping::stores_now;
use crate::work::logs::{self, Change};
use std::time::Duration;

/// Proofs that wait because somebody changes their objects; further ones are made again.
const WAITING_MAX: usize = 1_000;

/// How often an object is tried to be claimed, and the pause between.
const CLAIM_TRIES: u32 = 100;
const CLAIM_PAUSE: Duration = Duration::from_millis(20);

impl Round<'_> {
    pub(super) fn leave(&self, part: &SweepTarget, news: &mut News, copy: &ProvenCopy, because: String) {
        news.leave(copy);
        news.findings.push(self.finding(part, Some(copy.object.clone()), because));
    }

    /// Counts a copy that is marked as damaged and was not read again. One that this run marked itself, and was cut off
    /// before it counted it, is a finding of this run.
    pub(super) fn known(&self, part: &SweepTarget, news: &mut News, mark: DamagedCopy) {
        if mark.run != self.row.number {
            return news.ahead.count(&Proof { bytes: 0, ..mark.proof });
        }
        news.ahead.count(&mark.proof);
        let because = said(&mark.proof);
        let finding = self.finding(part, Some(mark.object), because);
        news.findings.push(SweepFinding { marked: true, proof: Some(mark.proof), ..finding });
    }

    pub(super) fn finding(
        &self,
        part: &SweepTarget,
        object: Option<ObjectId>,
        because: String,
    ) -> SweepFinding {
        SweepFinding {
            target: part.target.clone(),
            object,
            at: self.sweep.world.clock.now(),
            marked: false,
            because,
            proof: None,
        }
    }

    /// Records that a copy is damaged: its event beside every copy, its mark, and a finding of the run.
    pub(super) fn damaged(
        &self,
        part: &SweepTarget,
        news: &mut News,
        one: Reading,
    ) -> Result<(), LedgerError> {
        let mark = DamagedCopy::new(&one.copy.object, &part.target, one.began, self.row.number, &one.proof);
        let because = match self.tell(part, &one, DamageMark::Found(mark))? {
            Ok(()) => said(&one.proof),
            Err(why) => {
                self.leave(part, news, &one.copy, why);
                return Ok(());
            }
        };
        news.ahead.count(&one.proof);
        let mut finding = self.finding(part, Some(one.copy.object.clone()), because);
        (finding.marked, finding.proof) = (true, Some(one.proof));
        log::error!(
            "run {} of fixity: {} on {}: {}",
            self.row.number,
            one.copy.object,
            part.target,
            finding.because
        );
        news.findings.push(finding);
        Ok(())
    }

    /// An event of this copy alone, with what changes of its mark; why not, when somebody else has the object.
    fn tell(
        &self,
        part: &SweepTarget,
        one: &Reading,
        mark: DamageMark,
    ) -> Result<Result<(), String>, LedgerError> {
        let (ledger, id) = (self.sweep.ledger, &one.copy.object);
        let Some(_claim) = self.claim(id) else {
            return Ok(Err("somebody changes the object; the next run looks at it".into()));
        };
        let Some(object) = ledger.object(id)? else { return Ok(Err("it is not kept any more".into())) };
        if self.changed(&one.copy, &part.target, &one.inventories)? {
            return Ok(Err("it changed while it was read; the next run looks at it".into()));
        }
        let mut versions = ledger.versions(id)?;
        if one.proof.is_sound() {
            let copies = versions.iter_mut().flat_map(|version| &mut version.copies);
            copies.filter(|copy| copy.target == part.target).for_each(|copy| copy.proved_at = one.began);
        }
        let told = EventDraft {
            event_type: EventType::FixityCheck,
            outcome: if one.proof.is_sound() { Outcome::Success } else { Outcome::Failure },
            detail: format!(
                "run {} read every file on {}: {}",
                self.row.number,
                part.target,
                said(&one.proof)
            ),
            target: Some(part.target.clone()),
            at: Some(one.began),
        };
        let change = Change { object, versions, told, damage: vec![mark] };
        logs::change(self.sweep.world, ledger, change)
            .map(|_| Ok(()))
            .map_err(|trouble| LedgerError::Row { key: id.0.clone(), why: trouble.sentence() })
    }

    /// Keeps others from this object, unless somebody has it for longer than a commit takes.
    fn claim(&self, id: &ObjectId) -> Option<ObjectClaim<'_>> {
        for _ in 0..CLAIM_TRIES {
            let claim = self.sweep.ledger.try_claim_object(id);
            if claim.is_some() || self.gate.is_over() {
                return claim;
            }
            std::thread::sleep(CLAIM_PAUSE);
        }
        None
    }

    /// Commits what was proved, counted and found since the last time. Proofs of objects that somebody else has wait for the
    /// next time: until then the place stays before them, and what is counted and found with the place is not committed.
    pub(super) fn record(&self, part: &mut SweepTarget, news: &mut News) -> Result<(), LedgerError> {
        let sound = std::mem::take(&mut news.sound);
        let (moves, mut waiting) = self.sort_out(part, sound, false)?;
        let stays = if news.findings.len() < WAITING_MAX { WAITING_MAX.min(waiting.len()) } else { 0 };
        waiting.drain(stays..).for_each(|one| news.leave(&one.copy));
        news.sound = waiting;
        let mut findings = Vec::new();
        if news.sound.is_empty() {
            part.place.clone_from(&news.place);
            part.add(&std::mem::take(&mut news.ahead));
            findings = std::mem::take(&mut news.findings);
        }
        let over = std::mem::take(&mut news.partial_over);
        self.commit_moves(
            part,
            moves,
            SweepNews { findings: &findings, partial: over.then_some(None), ill: None },
        )
    }

    /// Commits a proof that waited to the end, or counts its copy as left. The place stays.
    pub(super) fn record_late(
        &self,
        part: &mut SweepTarget,
        news: &mut News,
        one: Reading,
    ) -> Result<(), LedgerError> {
        let (moves, waiting) = self.sort_out(part, vec![one], true)?;
        waiting.iter().for_each(|one| news.leave(&one.copy));
        self.commit_moves(part, moves, SweepNews::default())
    }

    /// Counts those that can be recorded now, and claims their objects; the others wait. Who is `patient` tries for a while.
    fn sort_out(
        &self,
        part: &mut SweepTarget,
        sound: Vec<Reading>,
        patient: bool,
    ) -> Result<(Moves<'_>, Vec<Reading>), LedgerError> {
        let ledger = self.sweep.ledger;
        let (mut moves, mut waiting) = (Moves::default(), Vec::new());
        for one in sound {
            if one.was_damaged {
                match self.tell(part, &one, DamageMark::Over(part.target.clone()))? {
                    Ok(()) => part.count(&one.proof),
                    Err(_) => waiting.push(one),
                }
                continue;
            }
            let id = &one.copy.object;
            let claim = if patient { self.claim(id) } else { ledger.try_claim_object(id) };
            let stored = ledger.object(id)?.map_or(Ok(true), |object| stores_now(ledger, &object))?;
            match claim.filter(|_| !stored) {
                Some(claim) => {
                    part.count(&one.proof);
                    moves.proofs.push(one.proof_move(&part.target));
                    moves.claims.push(claim);
                }
                None => waiting.push(one),
            }
        }
        Ok((moves, waiting))
    }

    fn commit_moves(
        &self,
        part: &mut SweepTarget,
        moves: Moves<'_>,
        news: SweepNews<'_>,
    ) -> Result<(), LedgerError> {
        let rows = self.sweep.ledger.sweep_rows(self.row.number, part, &news)?;
        self.sweep.ledger.move_proofs(&moves.proofs, rows)?;
        drop(moves);
        (self.sweep.told)(part);
        Ok(())
    }
}

/// Proofs to be recorded in one commit; their objects are claimed until then.
#[derive(Default)]
struct Moves<'a> {
    proofs: Vec<ProofMove>,
    claims: Vec<ObjectClaim<'a>>,
}

impl News {
    /// Counts a copy that was due and is not proved by this run.
    fn leave(&mut self, copy: &ProvenCopy) {
        self.ahead.left += 1;
        self.ahead.not_reached += copy.files;
    }
}

/// What proving a copy came to, in a sentence.
pub(super) fn said(proof: &Proof) -> String {
    let mut said = format!(
        "{} matched ({} bytes), {} mismatched, {} missing, {} unreadable, {} extra",
        proof.matched, proof.bytes, proof.mismatched, proof.missing, proof.unreadable, proof.extra
    );
    for fault in proof.faults.iter().take(3) {
        let path: String = fault.path.chars().take(200).collect();
        said.push_str(&format!("; {} {path}", fault.outcome.name()));
    }
    said
}
