//! From the rows of one schema to those of the next, one file a step.
//!
//! - A step is a function of the rows alone: done again after a power cut, it gives the same rows.
//! - A step has shapes and keys of its own: what rows mean today may change, what they meant then may not.
//! - After it the ledger is as if this release had made it: `tests/recovery/upgrading.rs` holds the two against each other.
//! - Every step leaves a row, `m/schema/SCHEMA`: when it was done, by which release, and the backup that was made before.

mod to_2;

use crate::worlds::book::imprint::Imprint;
use crate::worlds::book::migrating::{Migration, NewRows};
use crate::worlds::book::{Book, BookError, Row};

/// A step to this schema from the one before.
pub struct Step {
    /// The schema that it leads to.
    pub to: u64,
    /// What it does, in half a sentence.
    pub what: &'static str,
    /// How rows become others.
    pub by: &'static dyn Migration,
}

/// Every step, in order.
pub static STEPS: [Step; 1] =
    [Step { to: 2, what: "copies are ordered by the time of their proof", by: &to_2::Proofs }];

/// A step, and the row that tells of it.
pub struct Told<'a> {
    /// How rows become others.
    pub by: &'a dyn Migration,
    /// What the ledger tells of itself afterwards.
    pub imprint: &'a Imprint,
}

impl Migration for Told<'_> {
    fn row(&self, old: &dyn Book, key: &str, row: &Row, new: &mut NewRows<'_>) -> Result<(), BookError> {
        self.by.row(old, key, row, new)
    }

    fn more(&self, new: &mut NewRows<'_>) {
        self.by.more(new);
        let told = serde_json::to_vec(self.imprint).expect("numbers and strings serialise");
        new.make(&format!("m/schema/{:06}", self.imprint.schema), told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::book::{SCHEMA, SCHEMA_MIN};

    #[test]
    fn every_schema_that_can_be_opened_has_its_step_to_the_next() {
        let steps: Vec<u64> = STEPS.iter().map(|step| step.to).collect();
        assert_eq!(steps, (SCHEMA_MIN + 1..=SCHEMA).collect::<Vec<u64>>());
    }
}
