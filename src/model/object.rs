//! Objects: what is kept. One bag name of one depositor is one OCFL object; each re-deposit is a version of it.
//!
//! - A `StoredCopy` names files that were written, synced, read back by a separate reader and found equal.
//! - `Kept` is the proof that a policy is met; staging is cleared only against it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Identifier of an OCFL object: `strongroom:<depositor>/<bag>`, always a URI: what a URI cannot hold is percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub String);

impl ObjectId {
    /// The id of a depositor's bag of this name.
    pub fn of(depositor: &str, bag: &str) -> ObjectId {
        ObjectId(format!("strongroom:{}/{}", uri_part(depositor), uri_part(bag)))
    }
}

/// A name as one part of a URI's path (RFC 3986, `pchar`); different names stay different, for `%` is encoded too.
fn uri_part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

impl fmt::Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One version's copy on one target, read back and equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCopy {
    /// Name of the target.
    pub target: String,
    /// The OCFL storage root, for people and validators.
    pub root: String,
    /// The object's folder below the root.
    pub path: String,
    /// SHA-512 of the inventory that was published; equal on every target.
    pub inventory_sha512: String,
    /// When the last file of it was read back (UTC).
    pub proved_at: Timestamp,
}

/// Which targets an object goes to, and how many proved copies make it kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Name of the policy, as the configuration has it.
    pub name: String,
    /// Targets, in the order in which they are read back from.
    pub targets: Vec<String>,
    /// Proved copies that make an object kept.
    pub copies: usize,
}

/// Proof that a policy is met by copies whose published inventory was seen again on the target.
///
/// It can be made only here, from copies and the policy; clearing staging asks for it.
#[derive(Debug)]
pub struct Kept {
    copies: Vec<StoredCopy>,
}

impl Kept {
    /// The proof, when `seen` (copies whose inventory digest was just read from the target) meets `policy` for the
    /// version with this inventory; otherwise how many copies there are.
    pub fn prove(policy: &Policy, inventory_sha512: &str, seen: Vec<StoredCopy>) -> Result<Kept, usize> {
        let mut targets: Vec<&str> = seen
            .iter()
            .filter(|copy| copy.inventory_sha512 == inventory_sha512 && policy.targets.contains(&copy.target))
            .map(|copy| copy.target.as_str())
            .collect();
        targets.sort_unstable();
        targets.dedup();
        let count = targets.len();
        if count == seen.len() && count >= policy.copies && count > 0 {
            Ok(Kept { copies: seen })
        } else {
            Err(count)
        }
    }

    /// The copies that make the proof.
    pub fn copies(&self) -> &[StoredCopy] {
        &self.copies
    }
}

/// Registry row of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRow {
    /// Its OCFL identifier.
    pub id: ObjectId,
    /// Who deposits it.
    pub depositor: String,
    /// The bag's name.
    pub bag: String,
    /// Policy it follows.
    pub policy: String,
    /// Newest version, from 1.
    pub head: u32,
    /// When version 1 was kept (UTC).
    pub created: Timestamp,
    /// Events that belong to no item; numbers their rows.
    #[serde(default, skip_serializing_if = "is_none")]
    pub events: u64,
    /// The newest file of events beside the object; the next one names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_log: Option<LastLog>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A file of events beside an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLog {
    /// Its name in `logs/premis/`.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// Registry row of one version of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRow {
    /// The object.
    pub object: ObjectId,
    /// Version number, from 1.
    pub version: u32,
    /// The item that brought it.
    pub item: u64,
    /// Digest of the frozen inventory, the same on every target.
    pub inventory_sha512: String,
    /// Files of the bag in this version.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// The proved copies.
    pub copies: Vec<StoredCopy>,
    /// When it was kept (UTC).
    pub kept_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(target: &str, inventory: &str) -> StoredCopy {
        StoredCopy {
            target: target.into(),
            root: String::new(),
            path: String::new(),
            inventory_sha512: inventory.into(),
            proved_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_object_id_is_a_uri_whatever_the_names() {
        assert_eq!(ObjectId::of("uva.edu", "photos_1923").0, "strongroom:uva.edu/photos_1923");
        assert_eq!(ObjectId::of("uva.edu", "Bücher 100%").0, "strongroom:uva.edu/B%C3%BCcher%20100%25");
        assert_ne!(ObjectId::of("a", "b c"), ObjectId::of("a", "b%20c"));
        assert_ne!(ObjectId::of("a/b", "c"), ObjectId::of("a", "b/c"));
    }

    #[test]
    fn kept_needs_enough_different_targets_with_the_same_inventory() {
        let policy =
            Policy { name: "p".into(), targets: vec!["a".into(), "b".into(), "c".into()], copies: 2 };
        assert!(Kept::prove(&policy, "x", vec![copy("a", "x"), copy("b", "x")]).is_ok());
        assert_eq!(Kept::prove(&policy, "x", vec![copy("a", "x")]).err(), Some(1));
        assert_eq!(Kept::prove(&policy, "x", vec![copy("a", "x"), copy("a", "x")]).err(), Some(1));
        assert_eq!(Kept::prove(&policy, "x", vec![copy("a", "x"), copy("b", "y")]).err(), Some(1));
        assert_eq!(Kept::prove(&policy, "x", vec![copy("a", "x"), copy("z", "x")]).err(), Some(1));
    }
}
