//! Checks of targets against the registry: how far the one under way is, and what the last one found.
//!
//! - Counts, findings and the place to go on from are one commit, so a check that is cut off counts nothing twice.
//!
//! | key | row |
//! |---|---|
//! | `c/now` | the check under way |
//! | `c/last` | the last one that came to its end |
//! | `c/f/CHECK/NUMBER` | its findings |

use super::rows::{decode, put};
use super::{Ledger, LedgerError, PAGE};
use crate::rules::reconcile::Kind;
use crate::worlds::book::Write;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Findings of one check that are kept one by one; all are counted.
pub const FINDINGS_MAX: u64 = 10_000;

/// How far a check is with its targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The target, by its place in the list.
    pub target: usize,
    /// False: what lies there is held against the registry; true: the registry against what lies there.
    pub registry: bool,
    /// The last object's folder, or its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What was counted on one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Objects that lie there.
    pub objects: u64,
    /// Their versions.
    pub versions: u64,
    /// Findings by kind.
    #[serde(default)]
    pub found: BTreeMap<String, u64>,
    /// Why it could not be looked at to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// A check of targets against the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// Number, from 1.
    pub number: u64,
    /// Who asked for it; the schedule, if nobody did.
    pub asked_by: String,
    /// When it began (UTC).
    pub started: Timestamp,
    /// When it came to its end (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The targets, in the order in which they are looked at.
    pub targets: Vec<String>,
    /// How far it is.
    pub place: Place,
    /// What was counted, by target.
    pub counts: BTreeMap<String, Counts>,
    /// Findings that were kept.
    pub findings: u64,
    /// True when there were more than are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

impl CheckRow {
    /// Things that are wrong, on all targets.
    pub fn wrong(&self) -> u64 {
        let in_flight = Kind::InFlight.name();
        let found = self.counts.values().flat_map(|counts| &counts.found);
        let unread = self.counts.values().filter(|counts| counts.unread.is_some()).count() as u64;
        found.filter(|(kind, _)| *kind != in_flight).map(|(_, count)| count).sum::<u64>() + unread
    }
}

/// One finding of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFinding {
    /// Its kind.
    pub kind: Kind,
    /// The target.
    pub target: String,
    /// The object, where one is concerned; else the path below the storage root.
    pub about: String,
    /// Version, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// How many things it counts for.
    pub count: u64,
    /// What was found.
    pub because: String,
    /// What to do.
    #[serde(rename = "try")]
    pub then_try: String,
}

/// Longest sentence that is kept of a finding, in characters.
const BECAUSE_MAX: usize = 1_000;

impl Ledger {
    /// The check under way.
    pub fn check_now(&self) -> Result<Option<CheckRow>, LedgerError> {
        Ok(self.read("c/now")?.map(|(_, row)| row))
    }

    /// The last check that came to its end.
    pub fn check_last(&self) -> Result<Option<CheckRow>, LedgerError> {
        Ok(self.read("c/last")?.map(|(_, row)| row))
    }

    /// Findings of a check after so many of them.
    pub fn check_findings(
        &self,
        check: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<CheckFinding>, LedgerError> {
        let cursor = (after > 0).then(|| finding_key(check, after));
        let rows = self.world.book.scan(&findings_prefix(check), cursor.as_deref(), limit)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// Keeps how far the check is, with what it found since; one caller at a time. At its end it is the last one, and
    /// the findings of the one before go.
    pub fn keep_check(&self, row: &mut CheckRow, found: &[CheckFinding]) -> Result<(), LedgerError> {
        let mut batch = Vec::new();
        for finding in found {
            let counts = row.counts.entry(finding.target.clone()).or_default();
            *counts.found.entry(finding.kind.name().into()).or_insert(0) += finding.count;
            if row.findings >= FINDINGS_MAX {
                row.more = true;
                continue;
            }
            row.findings += 1;
            let because = finding.because.chars().take(BECAUSE_MAX).collect();
            let kept = CheckFinding { because, ..finding.clone() };
            batch.push(put(&finding_key(row.number, row.findings), &kept)?);
        }
        if row.ended.is_none() {
            batch.push(put("c/now", row)?);
            self.world.book.commit(&batch, &[])?;
            return Ok(());
        }
        let before = self.check_last()?;
        batch.push(put("c/last", row)?);
        batch.push(Write::Delete("c/now".into()));
        self.world.book.commit(&batch, &[])?;
        match before {
            Some(before) if before.number != row.number => self.forget_findings(before.number),
            _ => Ok(()),
        }
    }

    fn forget_findings(&self, check: u64) -> Result<(), LedgerError> {
        loop {
            let rows = self.world.book.scan(&findings_prefix(check), None, PAGE)?;
            if rows.is_empty() {
                return Ok(());
            }
            let batch: Vec<Write> = rows.into_iter().map(|(key, _)| Write::Delete(key)).collect();
            self.world.book.commit(&batch, &[])?;
        }
    }
}

fn findings_prefix(check: u64) -> String {
    format!("c/f/{check:08}/")
}

fn finding_key(check: u64, number: u64) -> String {
    format!("c/f/{check:08}/{number:06}")
}
