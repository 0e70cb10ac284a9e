//! What a rebuild came to.

use crate::books::ledger::additions::Added;
use crate::rules::registry::{Disagreement, Odd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Disagreements that are told one by one.
pub const LISTED_MAX: usize = 1_000;

/// What was found on one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetCount {
    /// Objects that lie there.
    pub objects: u64,
    /// Copies of versions that were taken into the registry.
    pub copies: u64,
    /// Copies that only events tell of, on a target that was not looked at.
    pub unseen: u64,
}

/// What a rebuild came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The targets that were read.
    pub from: Vec<String>,
    /// True when nothing was written.
    pub dry_run: bool,
    /// Objects that lie on the targets, each once.
    pub found: u64,
    /// What was added to the ledger, or would be.
    pub objects: u64,
    /// Versions added.
    pub versions: u64,
    /// Items added.
    pub items: u64,
    /// Events added.
    pub events: u64,
    /// Deletions added.
    pub deletions: u64,
    /// By target.
    pub targets: BTreeMap<String, TargetCount>,
    /// Disagreements by kind.
    pub odd: BTreeMap<String, u64>,
    /// The first of them.
    pub disagreements: Vec<Disagreement>,
    /// True when there are more.
    pub more: bool,
    /// Objects, versions or copies that were not taken, or are not whole where they lie.
    pub refused: u64,
}

impl Report {
    /// Takes down a disagreement.
    pub fn tell(&mut self, told: Disagreement) {
        *self.odd.entry(told.odd.name().into()).or_insert(0) += 1;
        self.refused += u64::from(told.odd.is_refusal());
        match self.disagreements.len() < LISTED_MAX {
            true => self.disagreements.push(told),
            false => self.more = true,
        }
    }

    /// Takes down one that is about a path on a target and not about a version.
    pub fn tell_of(&mut self, odd: Odd, target: &str, about: &str, because: String, then_try: &str) {
        self.tell(Disagreement {
            odd,
            about: about.into(),
            version: None,
            target: Some(target.into()),
            because,
            then_try: then_try.into(),
        });
    }

    /// Counts what an object added.
    pub fn count(&mut self, added: Added) {
        self.objects += added.objects;
        self.versions += added.versions;
        self.items += added.items;
        self.events += added.events;
        self.deletions += added.deletions;
    }

    /// What is counted of a target.
    pub fn target(&mut self, name: &str) -> &mut TargetCount {
        self.targets.entry(name.into()).or_default()
    }
}
