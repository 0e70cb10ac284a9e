//! What proving a copy came to: every file of every version of an object on one target, and how it stands with each.
//!
//! - What is claimed is what was read: a file that could not be read is unreadable, never matched.
//! - Faults are told one by one up to a bound, and all are counted.

use crate::model::finding::escape;
use crate::model::object::ObjectId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Faults that are told one by one; the rest is counted.
const FAULTS_MAX: usize = 100;

/// Faults kept in the row of a damaged copy.
const ROW_FAULTS_MAX: usize = 3;

/// Characters of each fault's reason there.
const ROW_TEXT_MAX: usize = 200;

/// How it stands with one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its bytes have the digest that was recorded.
    Matched,
    /// Its bytes are others.
    Mismatched,
    /// It is not there.
    Missing,
    /// It is there and could not be read.
    Unreadable,
    /// It is there, and no inventory names it.
    Extra,
}

impl Outcome {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Matched => "matched",
            Outcome::Mismatched => "mismatched",
            Outcome::Missing => "missing",
            Outcome::Unreadable => "unreadable",
            Outcome::Extra => "extra",
        }
    }
}

/// A file that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What is wrong.
    pub outcome: Outcome,
    /// Its path in the object, escaped for people.
    pub path: String,
    /// What was found.
    pub why: String,
}

/// What proving one copy came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
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
    /// The first faults.
    pub faults: Vec<Fault>,
}

impl Proof {
    /// True when every file was read and is as it should be, and nothing else is there.
    pub fn is_sound(&self) -> bool {
        self.matched > 0 && self.mismatched + self.missing + self.unreadable + self.extra == 0
    }

    /// Counts one file; of faults the first are kept.
    pub fn count(&mut self, outcome: Outcome, path: &str, why: impl Into<String>) {
        *match outcome {
            Outcome::Matched => &mut self.matched,
            Outcome::Mismatched => &mut self.mismatched,
            Outcome::Missing => &mut self.missing,
            Outcome::Unreadable => &mut self.unreadable,
            Outcome::Extra => &mut self.extra,
        } += 1;
        if outcome != Outcome::Matched && self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { outcome, path: escape(path.as_bytes()), why: why.into() });
        }
    }
}

/// A copy in which something was found wrong, until it is mended or found sound again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedCopy {
    /// The object.
    pub object: ObjectId,
    /// The target.
    pub target: String,
    /// When it was found (UTC).
    pub found_at: Timestamp,
    /// The sweep that found it; 0: a person had it looked at.
    #[serde(default)]
    pub run: u64,
    /// What was found, with the first few faults.
    pub proof: Proof,
}

impl DamagedCopy {
    /// The copy with what proving it came to; of the faults it keeps as many as fit into a row.
    pub fn new(object: &ObjectId, target: &str, found_at: Timestamp, run: u64, proof: &Proof) -> DamagedCopy {
        let mut proof = proof.clone();
        proof.faults.truncate(ROW_FAULTS_MAX);
        for fault in &mut proof.faults {
            fault.why = fault.why.chars().take(ROW_TEXT_MAX).collect();
        }
        DamagedCopy { object: object.clone(), target: target.to_string(), found_at, run, proof }
    }
}
