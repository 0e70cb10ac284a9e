//! Which copy was proved longest ago: an index of copies by target and time of proof, so that choosing what is due is one
//! bounded scan, however many copies there are.
//!
//! - It follows from the version rows alone, and changes in the commit in which they change.
//! - One row a copy of an object on a target, all its versions together: the version that was proved longest ago counts.
//!
//! | key | row |
//! |---|---|
//! | `u/TARGET/TIME/OBJECT` | files and bytes of the copy; TIME is milliseconds since 1970, in 14 digits |

use super::rows::{decode, put, version_key};
use super::{Ledger, LedgerError};
use crate::model::object::{ObjectId, VersionRow};
use crate::worlds::book::{Row, Write};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows in one commit of proofs, about.
const ROWS_MAX: usize = 500;

/// What a copy weighs. Files that did not change from one version to the next lie there once and are counted in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Weight {
    files: u64,
    bytes: u64,
}

/// A copy of an object on a target, and when it was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenCopy {
    /// Its place in the order of proofs on its target.
    pub place: String,
    /// The object.
    pub object: ObjectId,
    /// When the version of it that was proved longest ago was proved (UTC).
    pub proved_at: Timestamp,
    /// Files of the bags in its versions.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// A copy that was proved as a whole, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofMove {
    /// The object.
    pub object: ObjectId,
    /// The target.
    pub target: String,
    /// When reading it began (UTC).
    pub at: Timestamp,
    /// The inventories that it was held against, by version: another version is not proved by it.
    pub inventories: BTreeMap<u32, String>,
}

fn time_key(at: Timestamp) -> String {
    format!("{:014}", at.as_millisecond().max(0))
}

/// The rows of the index that follow from an object's versions.
fn rows_of(versions: &[VersionRow]) -> BTreeMap<String, Weight> {
    let mut copies: BTreeMap<&str, (Timestamp, Weight)> = BTreeMap::new();
    for version in versions {
        for copy in &version.copies {
            let at = copy.proved_at;
            let (oldest, weight) = copies.entry(&copy.target).or_insert((at, Weight::default()));
            *oldest = at.min(*oldest);
            weight.files = weight.files.saturating_add(version.files);
            weight.bytes = weight.bytes.saturating_add(version.bytes);
        }
    }
    let object = versions.first().map(|version| version.object.0.as_str()).unwrap_or_default();
    let key = |target: &str, at| format!("u/{target}/{}/{object}", time_key(at));
    copies.into_iter().map(|(target, (at, weight))| (key(target, at), weight)).collect()
}

/// What of the index changes when an object's versions do.
pub(super) fn moved(before: &[VersionRow], after: &[VersionRow]) -> Result<Vec<Write>, LedgerError> {
    let (before, after) = (rows_of(before), rows_of(after));
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let mut writes: Vec<Write> = gone.map(|key| Write::Delete(key.clone())).collect();
    for (key, weight) in after.iter().filter(|(key, weight)| before.get(*key) != Some(weight)) {
        writes.push(put(key, weight)?);
    }
    Ok(writes)
}

fn copy_of(key: String, row: &Row) -> Result<ProvenCopy, LedgerError> {
    let wrong = |why: &str| LedgerError::Row { key: key.clone(), why: why.into() };
    let mut parts = key.splitn(4, '/').skip(2);
    let millis = parts.next().and_then(|time| time.parse().ok());
    let at = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let proved_at = at.ok_or_else(|| wrong("it has no time"))?;
    let object = parts.next().ok_or_else(|| wrong("it names no object"))?;
    let Weight { files, bytes } = decode(&key, row)?;
    Ok(ProvenCopy { object: ObjectId(object.into()), proved_at, files, bytes, place: key })
}

impl Ledger {
    /// What of the index changes with these version rows of one object; goes into the commit that writes them.
    pub(super) fn due_with(
        &self,
        object: &ObjectId,
        changed: &[VersionRow],
    ) -> Result<Vec<Write>, LedgerError> {
        let before = self.versions(object)?;
        let mut after: BTreeMap<u32, &VersionRow> = before.iter().map(|row| (row.version, row)).collect();
        after.extend(changed.iter().map(|row| (row.version, row)));
        let after: Vec<VersionRow> = after.into_values().cloned().collect();
        moved(&before, &after)
    }

    /// What of the index goes with an object whose version rows are taken away; goes into that commit.
    pub fn due_gone(&self, object: &ObjectId) -> Result<Vec<Write>, LedgerError> {
        moved(&self.versions(object)?, &[])
    }

    /// Copies on a target, the one that was proved longest ago first, behind this place.
    pub fn oldest_proofs(
        &self,
        target: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ProvenCopy>, LedgerError> {
        let rows = self.world.book.scan(&format!("u/{target}/"), after, limit)?;
        rows.into_iter().map(|(key, row)| copy_of(key, &row)).collect()
    }

    /// The place in the order of proofs on a target behind which all that was proved later than this lies.
    pub fn proofs_after(target: &str, at: Timestamp) -> String {
        // Behind every object of that time: no id has a byte that is larger.
        format!("u/{target}/{}/\u{10ffff}", time_key(at))
    }

    /// Takes a row out of the index that no copy of its object stands for: it was made beside a change of the object.
    pub fn forget_place(&self, copy: &ProvenCopy) -> Result<bool, LedgerError> {
        let stale = !rows_of(&self.versions(&copy.object)?).contains_key(&copy.place);
        if stale {
            self.world.book.commit(&[Write::Delete(copy.place.clone())], &[])?;
        }
        Ok(stale)
    }

    /// Records proofs of whole copies whose objects the caller claims, and of which no item stores a version: their times,
    /// and these rows, in as few commits as fit. `with` goes into the last one.
    pub fn move_proofs(&self, proofs: &[ProofMove], with: Vec<Write>) -> Result<(), LedgerError> {
        let now = self.world.clock.now();
        let mut batch = Vec::new();
        for proof in proofs {
            let before = self.versions(&proof.object)?;
            let mut after = before.clone();
            for version in &mut after {
                if proof.inventories.get(&version.version) != Some(&version.inventory_sha512) {
                    continue;
                }
                // Proved again meanwhile, by somebody else: that counts. A time that is still to come is nobody's.
                let is_later = |at| proof.at < at && at <= now;
                let copies = version.copies.iter_mut().filter(|copy| copy.target == proof.target);
                copies.filter(|copy| !is_later(copy.proved_at)).for_each(|copy| copy.proved_at = proof.at);
            }
            for version in after.iter().filter(|version| !before.contains(version)) {
                batch.push(put(&version_key(&version.object, version.version), version)?);
            }
            batch.extend(moved(&before, &after)?);
            if batch.len() >= ROWS_MAX {
                self.world.book.commit(&std::mem::take(&mut batch), &[])?;
            }
        }
        batch.extend(with);
        if !batch.is_empty() {
            self.world.book.commit(&batch, &[])?;
        }
        Ok(())
    }
}
