//! The last backup of the ledger: one row, `m/backup`.

use super::rows::put;
use super::{Ledger, LedgerError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a backup lies, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPlace {
    /// The target.
    pub target: String,
    /// Why it is not there; it was read back and equal, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// Older ones that were taken away.
    #[serde(default)]
    pub pruned: u64,
}

/// A backup of the ledger that was restored into a scratch ledger and found equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRow {
    /// Its name on every target.
    pub name: String,
    /// When it was made (UTC).
    pub at: Timestamp,
    /// The commit that it is as of.
    pub through: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes, packed.
    pub bytes: u64,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Where it lies.
    pub places: Vec<BackupPlace>,
}

impl BackupRow {
    /// On how many targets it lies.
    pub fn good(&self) -> usize {
        self.places.iter().filter(|place| place.wrong.is_none()).count()
    }
}

impl Ledger {
    /// The last backup.
    pub fn last_backup(&self) -> Result<Option<BackupRow>, LedgerError> {
        Ok(self.read("m/backup")?.map(|(_, row)| row))
    }

    /// Remembers the last backup.
    pub fn note_backup(&self, row: &BackupRow) -> Result<(), LedgerError> {
        self.world.book.commit(&[put("m/backup", row)?], &[])?;
        Ok(())
    }
}
