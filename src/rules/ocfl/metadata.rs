//! `metadata/strongroom.json`: what we know of a deposit, kept inside the version it became.
//!
//! - With the inventory and the logs beside the object, it is enough to build the registry again from any one target.
//! - It is frozen with the version and never says what came later; that is in `logs/premis/`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Its logical path.
pub const DOCUMENT: &str = "metadata/strongroom.json";

/// Logical path of the PREMIS record beside it.
pub const PREMIS: &str = "metadata/premis.xml";

/// Logical path of the document that stands in place of an object that was deleted.
pub const TOMBSTONE: &str = "metadata/tombstone.json";

/// Schema of the document; a newer one is read by a newer strongroom.
pub const SCHEMA: u32 = 1;

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositRecord {
    /// Number of this schema.
    pub schema: u32,
    /// Object id.
    pub object: String,
    /// Version this document is part of, from 1.
    pub version: u32,
    /// Who deposits.
    pub depositor: String,
    /// The bag's name.
    pub bag: String,
    /// Number of the item that took it in.
    pub item: u64,
    /// Short id of the ledger that numbered the item.
    pub ledger: String,
    /// When it was submitted (UTC).
    pub received_at: Timestamp,
    /// When the version was frozen (UTC).
    pub created: Timestamp,
    /// What was deposited.
    pub deposit: DepositOrigin,
    /// Policy it is stored by.
    pub policy: PolicyTerms,
    /// Files of the bag.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Version of the bag's declaration, when it was read: `1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bagit_version: Option<String>,
    /// Errors and warnings of the verdict.
    pub findings: FindingCounts,
    /// Who submitted it.
    pub submitted_by: String,
    /// Name and version of this software.
    pub agent: String,
}

/// The deposit as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositOrigin {
    /// File or folder name as it was given, without the way to it.
    pub name: String,
    /// `tar` or `folder`; `gzip`, `zstd`, `bzip2` (a compressed tar) or `zip` when it came packed.
    pub form: String,
    /// Bytes: of the tar, or of all files of the folder.
    pub bytes: u64,
    /// Digests of the whole tar by algorithm (of a folder: of its listing), lower-case hexadecimal.
    pub digests: BTreeMap<String, String>,
}

/// The policy as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTerms {
    /// Its name.
    pub name: String,
    /// Its targets.
    pub targets: Vec<String>,
    /// Proved copies it asks for.
    pub copies: usize,
}

/// How the bag was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Errors; a bag with errors is not kept.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
}

/// What stands in place of an object that was deleted with approval: it lies where the object lay, under the same id, so
/// that a registry made again from targets does not bring the object back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Number of this schema.
    pub schema: u32,
    /// Object id.
    pub object: String,
    /// Who deposited it.
    pub depositor: String,
    /// The bag's name.
    pub bag: String,
    /// When it was deleted (UTC).
    pub deleted_at: Timestamp,
    /// Who asked for it.
    pub requested_by: String,
    /// When it was asked for (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// Who approved it.
    pub approved_by: String,
    /// When it was approved (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// SHA-512 of its last inventory.
    pub inventory_sha512: String,
    /// Its versions.
    pub versions: u32,
    /// Files of the bag in its last version.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Number of the request.
    #[serde(default)]
    pub request: u64,
    /// Number of the item that removed it.
    #[serde(default)]
    pub item: u64,
    /// Short id of the ledger that gave these numbers.
    #[serde(default)]
    pub ledger: String,
}

impl DepositRecord {
    /// The document's bytes: the same record gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("plain data with text keys is always JSON");
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_comes_back_as_it_was_written() {
        let record = DepositRecord {
            schema: SCHEMA,
            object: "strongroom:uva.edu/a".into(),
            version: 2,
            depositor: "uva.edu".into(),
            bag: "a".into(),
            item: 7,
            ledger: "k3v9".into(),
            received_at: Timestamp::UNIX_EPOCH,
            created: Timestamp::UNIX_EPOCH,
            deposit: DepositOrigin {
                name: "a.tar".into(),
                form: "tar".into(),
                bytes: 10_240,
                digests: [("sha256".to_string(), "00".repeat(32))].into(),
            },
            policy: PolicyTerms { name: "standard".into(), targets: vec!["east".into()], copies: 1 },
            files: 5,
            bytes: 99,
            bagit_version: Some("1.0".into()),
            findings: FindingCounts::default(),
            submitted_by: "root (uid 0) by cli".into(),
            agent: crate::model::event::AGENT.into(),
        };
        let bytes = record.to_bytes();
        assert_eq!(serde_json::from_slice::<DepositRecord>(&bytes).unwrap(), record);
        assert_eq!(bytes, record.to_bytes());
    }
}
