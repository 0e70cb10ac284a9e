//! Facts: the rows of facts files, one a member, by the million.
//!
//! - A path is kept byte for byte: as text when it is UTF-8, else as hexadecimal.
//! - Rows are written once, in batches; the checkpoint that counts on them carries the file's seal.

use crate::model::digest::{Digests, hex, unhex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path inside a bag, byte for byte, relative to the bag's base folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BagPath(pub Vec<u8>);

impl BagPath {
    /// The path as text, when it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The path as people may read it.
    pub fn shown(&self) -> String {
        crate::model::finding::escape(&self.0)
    }

    /// True below `data/`.
    pub fn is_payload(&self) -> bool {
        self.0.starts_with(b"data/")
    }
}

impl From<&str> for BagPath {
    fn from(text: &str) -> BagPath {
        BagPath(text.as_bytes().to_vec())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelled {
    Text(String),
    Hex { hex: String },
}

impl Serialize for BagPath {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.text() {
            Some(text) => out.serialize_str(text),
            None => Spelled::Hex { hex: hex(&self.0) }.serialize(out),
        }
    }
}

impl<'de> Deserialize<'de> for BagPath {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<BagPath, D::Error> {
        match Spelled::deserialize(input)? {
            Spelled::Text(text) => Ok(BagPath(text.into_bytes())),
            Spelled::Hex { hex } => {
                unhex(&hex).map(BagPath).ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
            }
        }
    }
}

/// One regular file of a bag: where its bytes lie, and (after checksum) their digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Place in the deposit, from 0.
    #[serde(rename = "n")]
    pub number: u64,
    /// Path relative to the bag's base folder.
    #[serde(rename = "p")]
    pub path: BagPath,
    /// Where its bytes start in the tar; 0 for a folder deposit.
    #[serde(rename = "o", default)]
    pub offset: u64,
    /// Bytes.
    #[serde(rename = "s")]
    pub size: u64,
    /// Modification time, seconds since 1970 (UTC).
    #[serde(rename = "t", default)]
    pub mtime: i64,
    /// Digests found; empty before checksum.
    #[serde(rename = "d", default, skip_serializing_if = "no_digests")]
    pub digests: Digests,
}

fn no_digests(digests: &Digests) -> bool {
    digests.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_utf8_survives_json() {
        for raw in [&b"data/a"[..], b"data/\xff\n"] {
            let path = BagPath(raw.to_vec());
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<BagPath>(&text).unwrap(), path);
        }
    }
}
