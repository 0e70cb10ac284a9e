//! Digests: the algorithms the house can compute, and the values they give.
//!
//! - A digest is kept as lower-case hexadecimal; comparing never depends on case (RFC 8493, 2.4).
//! - An algorithm has one name of ours, and one label in manifest file names (RFC 8493, 2.4).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A digest algorithm that strongroom computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// MD5, 128 bits: for manifests only, never as our own proof.
    #[serde(rename = "md5")]
    Md5,
    /// SHA-1, 160 bits: for manifests only.
    #[serde(rename = "sha1")]
    Sha1,
    /// SHA-224.
    #[serde(rename = "sha224")]
    Sha224,
    /// SHA-256: what read-back compares, being the fastest strong one on current processors.
    #[serde(rename = "sha256")]
    Sha256,
    /// SHA-384.
    #[serde(rename = "sha384")]
    Sha384,
    /// SHA-512: the digest algorithm of every OCFL inventory we write.
    #[serde(rename = "sha512")]
    Sha512,
    /// SHA-512/256.
    #[serde(rename = "sha512256")]
    Sha512_256,
    /// SHA3-256.
    #[serde(rename = "sha3256")]
    Sha3_256,
    /// SHA3-512.
    #[serde(rename = "sha3512")]
    Sha3_512,
    /// BLAKE2b with 512 bits.
    #[serde(rename = "blake2b512")]
    Blake2b512,
}

impl Algorithm {
    /// Every algorithm, in the order of declaration.
    pub const ALL: [Algorithm; 10] = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha224,
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
        Algorithm::Sha512_256,
        Algorithm::Sha3_256,
        Algorithm::Sha3_512,
        Algorithm::Blake2b512,
    ];

    /// The four that every file gets, whatever its manifests name.
    pub const OURS: [Algorithm; 4] = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];

    /// Our name, as it stands in facts and JSON: lower-case letters and digits (RFC 8493, 2.4 normal form).
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Sha512_256 => "sha512256",
            Algorithm::Sha3_256 => "sha3256",
            Algorithm::Sha3_512 => "sha3512",
            Algorithm::Blake2b512 => "blake2b512",
        }
    }

    /// The algorithm a manifest's file name means: case, `-`, `/` and `_` are passed over ("SHA-256", "sha512_256"); and
    /// "blake2b", as Python and the tools made with it call the one of 512 bits.
    pub fn from_label(label: &str) -> Option<Algorithm> {
        let plain: String =
            label.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
        let plain = if plain == "blake2b" { "blake2b512" } else { &plain };
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == plain)
    }

    /// Length of a digest in bytes; its hexadecimal form has twice as many characters.
    pub fn len(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha224 => 28,
            Algorithm::Sha256 | Algorithm::Sha512_256 | Algorithm::Sha3_256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 | Algorithm::Sha3_512 | Algorithm::Blake2b512 => 64,
        }
    }

    /// Always false; here because `len` is.
    pub fn is_empty(self) -> bool {
        false
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The digests found for one file: lower-case hexadecimal by algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digests(pub BTreeMap<Algorithm, String>);

impl Digests {
    /// The digest by this algorithm, if it was computed.
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0.get(&algorithm).map(String::as_str)
    }

    /// Keeps a digest, given as raw bytes.
    pub fn set(&mut self, algorithm: Algorithm, bytes: &[u8]) {
        self.0.insert(algorithm, hex(bytes));
    }
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// Bytes of a hexadecimal text, either case; `None` when it is not one.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |c: u8| (c as char).to_digit(16).map(|n| n as u8);
    digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_whatever_its_dress() {
        assert_eq!(Algorithm::from_label("SHA-256"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::from_label("sha512/256"), Some(Algorithm::Sha512_256));
        assert_eq!(Algorithm::from_label("whirlpool"), None);
    }

    #[test]
    fn hexadecimal_goes_there_and_back() {
        assert_eq!(hex(&[0, 0xaf, 0x10]), "00af10");
        assert_eq!(unhex("00AF10"), Some(vec![0, 0xaf, 0x10]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }
}
