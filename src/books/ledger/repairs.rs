//! Repairs: what is being put right now, and what the last runs came to.
//!
//! - A repair is written down before anything is touched, so that one that was cut off goes on as the same repair and is told
//!   once, with what it found at first.
//!
//! | key | row |
//! |---|---|
//! | `mend/now/TARGET/OBJECT` | the repair of this copy that was begun last |
//! | `mend/run/NUMBER` | runs: the newest hundred |

use super::rows::{decode, put};
use super::{Ledger, LedgerError};
use crate::model::object::ObjectId;
use crate::model::proof::Proof;
use crate::worlds::book::Write;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Runs that are kept.
const RUNS_MAX: u64 = 100;

/// Failures that are kept of a run.
const FAILURES_MAX: usize = 12;

/// Characters of a reason that are kept.
const WHY_MAX: usize = 300;

/// A repair of one copy that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MendRow {
    /// The object.
    pub object: ObjectId,
    /// The target.
    pub target: String,
    /// When it was begun (UTC); names what it puts aside.
    pub began: Timestamp,
    /// When the copy was found whole (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// What was wrong when it was begun; its faults are not kept.
    pub found: Proof,
    /// Targets that the right bytes come from.
    pub from: Vec<String>,
}

/// Which copies a run is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairWanted {
    /// Only this object, proved anew on every target; none: what was found damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// Only copies on this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Also copies that the registry has and of which nothing lies there.
    #[serde(default)]
    pub lost: bool,
    /// Begin no further copy after so many bytes were put right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Begin no further copy after this time (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// No person asked for it.
    #[serde(default)]
    pub by_itself: bool,
}

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairPlace {
    /// The last copy that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<(String, ObjectId)>,
    /// True when damaged copies are done, and lost ones are looked for.
    #[serde(default)]
    pub lost: bool,
}

/// A copy that could not be put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairFailure {
    /// The object.
    pub object: ObjectId,
    /// The target.
    pub target: String,
    /// Why not.
    pub why: String,
}

/// A run of repairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairRun {
    /// Its number, from 1.
    pub number: u64,
    /// Who asked for it.
    pub asked_by: String,
    /// When it began (UTC).
    pub started: Timestamp,
    /// When it ended (UTC); none: it is under way, or was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Which copies.
    pub wanted: RepairWanted,
    /// How far it is.
    pub place: RepairPlace,
    /// Copies that are whole again.
    pub repaired: u64,
    /// Copies that could not be put right.
    pub failed: u64,
    /// Copies that were looked at and found whole.
    pub sound: u64,
    /// Copies that were left alone: their target is ill or away, or a deposit of the object is being stored.
    pub skipped: u64,
    /// True when a bound ended it before every copy was looked at.
    #[serde(default)]
    pub bounded: bool,
    /// Files put right or put aside.
    pub files: u64,
    /// Bytes of the files put right.
    pub bytes: u64,
    /// Files that were put aside.
    pub aside: u64,
    /// Why, of the first copies that failed or were left alone.
    pub failures: Vec<RepairFailure>,
}

impl RepairRun {
    /// Keeps why a copy was not put right, of the first few.
    pub fn tell(&mut self, object: &ObjectId, target: &str, why: &str) {
        if self.failures.len() < FAILURES_MAX {
            let why = why.chars().take(WHY_MAX).collect();
            self.failures.push(RepairFailure { object: object.clone(), target: target.into(), why });
        }
    }
}

pub(super) fn mend_key(target: &str, object: &ObjectId) -> String {
    format!("mend/now/{target}/{object}")
}

fn run_key(number: u64) -> String {
    format!("mend/run/{number:012}")
}

impl Ledger {
    /// The repair of this copy that was begun last, if it is still to be ended or nobody forgot it.
    pub fn mend_of(&self, target: &str, object: &ObjectId) -> Result<Option<MendRow>, LedgerError> {
        Ok(self.read(&mend_key(target, object))?.map(|(_, row)| row))
    }

    /// Writes down a repair of a copy, or that it was ended.
    pub fn keep_mend(&self, row: &MendRow) -> Result<(), LedgerError> {
        self.world.book.commit(&[put(&mend_key(&row.target, &row.object), row)?], &[])?;
        Ok(())
    }

    /// Forgets a repair that was told.
    pub fn forget_mend(&self, row: &MendRow) -> Result<(), LedgerError> {
        self.world.book.commit(&[Write::Delete(mend_key(&row.target, &row.object))], &[])?;
        Ok(())
    }

    /// Begins a run; gives it its number.
    pub fn begin_repair(&self, asked_by: &str, wanted: RepairWanted) -> Result<RepairRun, LedgerError> {
        let last = self.repairs(usize::MAX)?.first().map_or(0, |run| run.number);
        let run = RepairRun {
            number: last + 1,
            asked_by: asked_by.into(),
            started: self.world.clock.now(),
            wanted,
            ..RepairRun::default()
        };
        self.keep_repair(&run)?;
        Ok(run)
    }

    /// Writes down how far a run is; the oldest of very many is forgotten.
    pub fn keep_repair(&self, run: &RepairRun) -> Result<(), LedgerError> {
        let mut batch = vec![put(&run_key(run.number), run)?];
        if let Some(old) = run.number.checked_sub(RUNS_MAX).filter(|old| *old > 0) {
            batch.push(Write::Delete(run_key(old)));
        }
        self.world.book.commit(&batch, &[])?;
        Ok(())
    }

    /// A run.
    pub fn repair(&self, number: u64) -> Result<Option<RepairRun>, LedgerError> {
        Ok(self.read(&run_key(number))?.map(|(_, row)| row))
    }

    /// The last runs, newest first.
    pub fn repairs(&self, limit: usize) -> Result<Vec<RepairRun>, LedgerError> {
        let rows = self.world.book.scan("mend/run/", None, RUNS_MAX as usize + 1)?;
        let rows: Result<Vec<RepairRun>, LedgerError> =
            rows.iter().rev().take(limit).map(|(key, row)| decode(key, row)).collect();
        rows
    }
}
