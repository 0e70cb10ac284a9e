//! To schema 2: copies by the time of their proof.
//!
//! Ledgers of schema 1 know when each version's copy was proved, and have no order of it: sweeps choose by that order.
//!
//! | key | row |
//! |---|---|
//! | `u/TARGET/TIME/OBJECT` | made for every object: files and bytes of its copy there; TIME is that of the version that was proved longest ago, in milliseconds since 1970, in 14 digits |
//!
//! All else stays: tables that came since (deletions, errands, repairs, sweeps, jobs) are empty in a ledger that never had
//! any, and fields that came since are absent where nothing was done.

use crate::worlds::book::migrating::{Migration, NewRows};
use crate::worlds::book::{Book, BookError, Row};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Rows read at once.
const PAGE: usize = 512;

/// A version row of schema 1, as far as it is needed.
#[derive(Deserialize)]
struct Version {
    object: String,
    files: u64,
    bytes: u64,
    copies: Vec<Copy>,
}

#[derive(Deserialize)]
struct Copy {
    target: String,
    proved_at: Timestamp,
}

/// The step.
pub(super) struct Proofs;

impl Migration for Proofs {
    fn row(&self, old: &dyn Book, key: &str, row: &Row, new: &mut NewRows<'_>) -> Result<(), BookError> {
        // A program between the two schemas began with the order; it is made anew for all.
        if key.starts_with("u/") || key == "m/due" {
            return Ok(());
        }
        new.keep(key, row);
        match key.strip_prefix("o/") {
            Some(object) => proofs(old, object, new),
            None => Ok(()),
        }
    }
}

/// Adds the rows of an object's copies.
fn proofs(old: &dyn Book, object: &str, new: &mut NewRows<'_>) -> Result<(), BookError> {
    let mut copies: BTreeMap<String, (i64, u64, u64)> = BTreeMap::new();
    let (prefix, mut after) = (format!("v/{object}/"), None::<String>);
    loop {
        let page = old.scan(&prefix, after.as_deref(), PAGE)?;
        for (key, row) in &page {
            let version: Version = serde_json::from_slice(&row.value)
                .map_err(|why| BookError::Damaged { what: format!("the row {key} cannot be read: {why}") })?;
            // Another object may have a longer name that goes on with a slash.
            if version.object != object {
                continue;
            }
            for copy in version.copies {
                let at = copy.proved_at.as_millisecond().max(0);
                let (oldest, files, bytes) = copies.entry(copy.target).or_insert((at, 0, 0));
                *oldest = at.min(*oldest);
                *files = files.saturating_add(version.files);
                *bytes = bytes.saturating_add(version.bytes);
            }
        }
        match page.into_iter().next_back() {
            Some((key, _)) => after = Some(key),
            None => break,
        }
    }
    for (target, (at, files, bytes)) in copies {
        let value = format!(r#"{{"files":{files},"bytes":{bytes}}}"#);
        new.make(&format!("u/{target}/{at:014}/{object}"), value.into_bytes());
    }
    Ok(())
}
