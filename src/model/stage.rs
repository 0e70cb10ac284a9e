//! Stages, and the lines that they make: one takes deposits in, one gives objects back, one gives objects up.
//!
//! - A stage belongs to one line, so the line of an item follows from where it stands.
//! - The ledger's index names stages by their place in `Stage::ALL`: a new one goes to the end.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The stages of every line, in their order: taking a deposit in, giving an object back, giving an object up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Promise space, receive the deposit, know its digest.
    Download,
    /// Index the members.
    Unpack,
    /// Digest every member.
    Checksum,
    /// Judge the bag.
    Validate,
    /// Make the copies and prove them.
    Store,
    /// Prove the policy, write the registry, clear staging.
    Record,
    /// Restoration: read the object's files from proved copies into staging, every digest compared.
    Gather,
    /// Restoration: judge what was gathered as any bag is judged.
    Recheck,
    /// Restoration: bring it to its place, and read it back there.
    Deliver,
    /// Deletion: a tombstone takes the object's place on every target.
    Remove,
    /// Deletion: the registry says so.
    Conclude,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 11] = [
        Stage::Download,
        Stage::Unpack,
        Stage::Checksum,
        Stage::Validate,
        Stage::Store,
        Stage::Record,
        Stage::Gather,
        Stage::Recheck,
        Stage::Deliver,
        Stage::Remove,
        Stage::Conclude,
    ];

    /// The line that takes deposits in.
    pub const INGEST: [Stage; 6] =
        [Stage::Download, Stage::Unpack, Stage::Checksum, Stage::Validate, Stage::Store, Stage::Record];

    /// The line that gives objects back.
    pub const RESTORE: [Stage; 3] = [Stage::Gather, Stage::Recheck, Stage::Deliver];

    /// The line that gives objects up.
    pub const DELETE: [Stage; 2] = [Stage::Remove, Stage::Conclude];

    /// The line this stage belongs to; no stage belongs to two.
    pub fn line(self) -> &'static [Stage] {
        [&Stage::INGEST[..], &Stage::RESTORE, &Stage::DELETE]
            .into_iter()
            .find(|line| line.contains(&self))
            .expect("every stage is in a line: checked by a test")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Download => "download",
            Stage::Unpack => "unpack",
            Stage::Checksum => "checksum",
            Stage::Validate => "validate",
            Stage::Store => "store",
            Stage::Record => "record",
            Stage::Gather => "gather",
            Stage::Recheck => "recheck",
            Stage::Deliver => "deliver",
            Stage::Remove => "remove",
            Stage::Conclude => "conclude",
        }
    }

    /// The stage of this name.
    pub fn from_name(name: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
