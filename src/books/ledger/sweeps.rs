//! Sweeps: runs that prove copies again, how far each is with its targets, and what they found.
//!
//! - How far a run is with a target, what it counted there and what it proved are one commit: a run that is cut off counts
//!   nothing twice and goes on there.
//! - A copy that a run was cut off in is remembered with its last file; the next one to prove it goes on behind that.
//!
//! | key | row |
//! |---|---|
//! | `f/now` | number of the newest run |
//! | `f/r/RUN` | a run |
//! | `f/t/RUN/TARGET` | how far it is with a target |
//! | `f/f/RUN/NUMBER` | its findings |
//! | `f/p/TARGET` | the copy that proving stopped in |
//! | `f/ill/TARGET` | why nothing is to be put right on a target by itself |

use super::rows::{decode, put};
use super::{Ledger, LedgerError, PAGE};
use crate::model::object::ObjectId;
use crate::model::proof::Proof;
use crate::worlds::book::Write;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Findings of one run that are kept one by one; all are counted.
pub const FINDINGS_MAX: u64 = 10_000;

/// Runs that are remembered.
const RUNS_MAX: u64 = 1_000;

/// Characters of a reason that are kept.
const TEXT_MAX: usize = 600;

/// A run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepRow {
    /// Number, from 1.
    pub number: u64,
    /// Who asked for it.
    pub asked_by: String,
    /// When it began (UTC).
    pub started: Timestamp,
    /// When it ended (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// True when it proves everything, due or not.
    #[serde(default)]
    pub all: bool,
    /// Seconds that it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Bytes that it may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its targets.
    pub targets: Vec<String>,
    /// Why it ended before everything was looked at; for a run that could not be trusted, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// True when the objects with which it proves itself did not come out as they must: it says nothing of any copy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// How a run stands with a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SweepState {
    /// It goes on.
    #[default]
    Going,
    /// Everything that was due was looked at.
    Done,
    /// Its time or its bytes are used up.
    Budget,
    /// It was asked to stop, or the process ended.
    Stopped,
    /// The target was not there.
    Away,
    /// Too much of one kind is wrong: the target itself looks ill.
    Ill,
}

impl SweepState {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            SweepState::Going => "going",
            SweepState::Done => "done",
            SweepState::Budget => "budget",
            SweepState::Stopped => "stopped",
            SweepState::Away => "away",
            SweepState::Ill => "ill",
        }
    }
}

/// How far a run is with a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepTarget {
    /// The target.
    pub target: String,
    /// How it stands.
    pub state: SweepState,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Copies that were proved before this are due.
    pub before: Timestamp,
    /// The last copy that was looked at, in the order of proofs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Copies in which everything was read and is as it should be.
    pub sound: u64,
    /// Copies in which something is wrong.
    pub faulty: u64,
    /// Copies that were due and were not looked at to their end.
    pub left: u64,
    /// Files of the bags in those.
    pub not_reached: u64,
    /// Files whose bytes have their recorded digest.
    pub matched: u64,
    /// Files whose bytes are others.
    pub mismatched: u64,
    /// Files that are not there.
    pub missing: u64,
    /// Files that could not be read.
    pub unreadable: u64,
    /// Files that no inventory names.
    pub extra: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Milliseconds spent on it.
    pub millis: u64,
    /// Findings that were kept.
    #[serde(default)]
    pub findings: u64,
}

impl SweepTarget {
    /// Counts what proving a copy came to.
    pub fn count(&mut self, proof: &Proof) {
        match proof.is_sound() {
            true => self.sound += 1,
            false => self.faulty += 1,
        }
        self.matched += proof.matched;
        self.mismatched += proof.mismatched;
        self.missing += proof.missing;
        self.unreadable += proof.unreadable;
        self.extra += proof.extra;
        self.bytes += proof.bytes;
    }

    /// Counts what was counted apart.
    pub fn add(&mut self, apart: &SweepTarget) {
        self.sound += apart.sound;
        self.faulty += apart.faulty;
        self.left += apart.left;
        self.not_reached += apart.not_reached;
        self.matched += apart.matched;
        self.mismatched += apart.mismatched;
        self.missing += apart.missing;
        self.unreadable += apart.unreadable;
        self.extra += apart.extra;
        self.bytes += apart.bytes;
    }

    /// True when something was found wrong in a copy, or the target itself looks ill.
    pub fn is_wrong(&self) -> bool {
        self.faulty > 0 || self.state == SweepState::Ill
    }
}

/// What a run found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepFinding {
    /// The target.
    pub target: String,
    /// The object; none when it is about the target as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// When (UTC).
    pub at: Timestamp,
    /// True when the copy is marked as damaged, and may be put right.
    pub marked: bool,
    /// What was found, in a sentence.
    pub because: String,
    /// What proving it came to, with the first few faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// A copy that proving stopped in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// The object.
    pub object: ObjectId,
    /// SHA-512 of the newest version's inventory: with another one it is another copy.
    pub head_sha512: String,
    /// When reading it began (UTC).
    pub began: Timestamp,
    /// The last content file that was looked at.
    pub after: String,
    /// What it came to up to there.
    pub proof: Proof,
}

/// Why a target looks ill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ill {
    /// The run that says so.
    pub run: u64,
    /// When (UTC).
    pub at: Timestamp,
    /// Why, in a sentence.
    pub because: String,
}

fn row_key(run: u64) -> String {
    format!("f/r/{run:08}")
}

fn target_key(run: u64, target: &str) -> String {
    format!("f/t/{run:08}/{target}")
}

fn findings_prefix(run: u64) -> String {
    format!("f/f/{run:08}/")
}

fn partial_key(target: &str) -> String {
    format!("f/p/{target}")
}

fn ill_key(target: &str) -> String {
    format!("f/ill/{target}")
}

/// What goes into one commit about a target of a run.
#[derive(Default)]
pub struct SweepNews<'a> {
    /// What was found since the last one.
    pub findings: &'a [SweepFinding],
    /// The copy that proving stopped in; `Some(None)`: none any more.
    pub partial: Option<Option<&'a Partial>>,
    /// The target looks ill; `Some(None)`: it does not any more.
    pub ill: Option<Option<&'a Ill>>,
}

impl Ledger {
    /// The newest run.
    pub fn sweep_now(&self) -> Result<Option<SweepRow>, LedgerError> {
        match self.read::<u64>("f/now")? {
            Some((_, number)) => self.sweep(number),
            None => Ok(None),
        }
    }

    /// The run of this number.
    pub fn sweep(&self, number: u64) -> Result<Option<SweepRow>, LedgerError> {
        Ok(self.read(&row_key(number))?.map(|(_, row)| row))
    }

    /// The newest runs, newest first.
    pub fn sweeps(&self, limit: usize) -> Result<Vec<SweepRow>, LedgerError> {
        let newest = self.read::<u64>("f/now")?.map_or(0, |(_, number)| number);
        let mut runs = Vec::new();
        for number in (1..=newest).rev().take(limit) {
            runs.extend(self.sweep(number)?);
        }
        Ok(runs)
    }

    /// How far a run is with each of its targets.
    pub fn sweep_targets(&self, run: u64) -> Result<Vec<SweepTarget>, LedgerError> {
        self.all(&format!("f/t/{run:08}/"))?.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// How far a run is with this target.
    pub fn sweep_target(&self, run: u64, target: &str) -> Result<Option<SweepTarget>, LedgerError> {
        Ok(self.read(&target_key(run, target))?.map(|(_, row)| row))
    }

    /// Findings of a run behind this one, each with its place.
    pub fn sweep_findings(
        &self,
        run: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, SweepFinding)>, LedgerError> {
        let rows = self.world.book.scan(&findings_prefix(run), after, limit)?;
        rows.into_iter().map(|(key, row)| Ok((key.clone(), decode(&key, &row)?))).collect()
    }

    /// The copy on this target that proving stopped in.
    pub fn partial(&self, target: &str) -> Result<Option<Partial>, LedgerError> {
        Ok(self.read(&partial_key(target))?.map(|(_, row)| row))
    }

    /// Forgets how far proving this copy came: it was put right meanwhile, and what was found up to there holds no more.
    pub fn forget_partial(&self, target: &str, object: &ObjectId) -> Result<(), LedgerError> {
        if self.partial(target)?.is_some_and(|partial| partial.object == *object) {
            self.world.book.commit(&[Write::Delete(partial_key(target))], &[])?;
        }
        Ok(())
    }

    /// Why this target looks ill, if it does: nothing is to be put right on it by itself.
    pub fn ill(&self, target: &str) -> Result<Option<Ill>, LedgerError> {
        Ok(self.read(&ill_key(target))?.map(|(_, row)| row))
    }

    /// Keeps a run's row; a new one becomes the newest. One caller at a time.
    pub fn keep_sweep(&self, row: &SweepRow, targets: &[SweepTarget]) -> Result<(), LedgerError> {
        let why = row.why.as_ref().map(|why| why.chars().take(TEXT_MAX).collect());
        let mut batch =
            vec![put(&row_key(row.number), &SweepRow { why, ..row.clone() })?, put("f/now", &row.number)?];
        for target in targets {
            batch.push(put(&target_key(row.number, &target.target), target)?);
        }
        self.world.book.commit(&batch, &[])?;
        self.forget_sweep(row.number.saturating_sub(RUNS_MAX))
    }

    fn forget_sweep(&self, number: u64) -> Result<(), LedgerError> {
        if number == 0 || self.sweep(number)?.is_none() {
            return Ok(());
        }
        for prefix in [findings_prefix(number), format!("f/t/{number:08}/")] {
            loop {
                let rows = self.world.book.scan(&prefix, None, PAGE)?;
                if rows.is_empty() {
                    break;
                }
                let batch: Vec<Write> = rows.into_iter().map(|(key, _)| Write::Delete(key)).collect();
                self.world.book.commit(&batch, &[])?;
            }
        }
        self.world.book.commit(&[Write::Delete(row_key(number))], &[])?;
        Ok(())
    }

    /// The rows that say how far a run is with a target; they go into the commit of what it proved there.
    pub fn sweep_rows(
        &self,
        run: u64,
        target: &mut SweepTarget,
        news: &SweepNews<'_>,
    ) -> Result<Vec<Write>, LedgerError> {
        let mut batch = Vec::new();
        for finding in news.findings {
            target.findings += 1;
            if target.findings > FINDINGS_MAX {
                continue;
            }
            let mut kept = finding.clone();
            kept.because = kept.because.chars().take(TEXT_MAX).collect();
            let key = format!("{}{}/{:06}", findings_prefix(run), target.target, target.findings);
            batch.push(put(&key, &kept)?);
        }
        let why = target.why.as_ref().map(|why| why.chars().take(TEXT_MAX).collect());
        batch.push(put(&target_key(run, &target.target), &SweepTarget { why, ..target.clone() })?);
        match news.partial {
            Some(Some(partial)) => batch.push(put(&partial_key(&target.target), partial)?),
            Some(None) => batch.push(Write::Delete(partial_key(&target.target))),
            None => {}
        }
        match news.ill {
            Some(Some(ill)) => batch.push(put(&ill_key(&target.target), ill)?),
            Some(None) => batch.push(Write::Delete(ill_key(&target.target))),
            None => {}
        }
        Ok(batch)
    }
}
