//! What targets, or a target and the ledger, disagree about.

use serde::{Deserialize, Serialize};

/// What kind of disagreement it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Odd {
    /// A version that should be on a target is not.
    VersionMissing,
    /// A target has another inventory of a version than the others.
    InventoryDiffers,
    /// A copy cannot be read: sidecar, inventory or declaration is wrong.
    Damaged,
    /// Files that the inventory names are not there.
    FileMissing,
    /// Files that no inventory names.
    UnknownFile,
    /// Something that belongs to no object.
    Stray,
    /// A file of events is missing, was edited, or is on one target only.
    LogDiffers,
    /// A version was published, and nothing says that it was kept.
    Unfinished,
    /// An object that strongroom did not write.
    Stranger,
    /// Deleted on one target, still there on another.
    HalfDeleted,
    /// The ledger has a row that says otherwise.
    LedgerDiffers,
}

impl Odd {
    /// True when something is not taken into the registry because of it, or is lost on a target.
    pub fn is_refusal(self) -> bool {
        !matches!(self, Odd::UnknownFile | Odd::Stray | Odd::LogDiffers | Odd::HalfDeleted)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Odd::VersionMissing => "version-missing",
            Odd::InventoryDiffers => "inventory-differs",
            Odd::Damaged => "damaged",
            Odd::FileMissing => "file-missing",
            Odd::UnknownFile => "unknown-file",
            Odd::Stray => "stray",
            Odd::LogDiffers => "log-differs",
            Odd::Unfinished => "unfinished",
            Odd::Stranger => "stranger",
            Odd::HalfDeleted => "half-deleted",
            Odd::LedgerDiffers => "ledger-differs",
        }
    }
}

/// One disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// Its kind.
    pub odd: Odd,
    /// The object, or the path where there is none.
    pub about: String,
    /// Version, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What was found.
    pub because: String,
    /// What to do.
    #[serde(rename = "try")]
    pub then_try: String,
}
