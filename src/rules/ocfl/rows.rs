//! Rows of a plan as bytes: what the sorters sort by, and what they carry.

use crate::model::digest::{hex, unhex};
use crate::rules::ocfl::layout;
use crate::rules::ocfl::plan::{CopyStep, Logical, PlanError, Source};
use std::io;

pub(super) fn digest_bytes(sha512: &str) -> io::Result<Vec<u8>> {
    unhex(sha512).filter(|bytes| bytes.len() == 64).ok_or_else(|| broken("a digest is no SHA-512"))
}

pub(super) fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

// Keys. No folded path has two NULs in a row, for no name in it is empty.

pub(super) fn path_key(path: &str) -> Vec<u8> {
    let mut key = layout::fold(path);
    key.extend_from_slice(&[0, 0]);
    key.extend_from_slice(path.as_bytes());
    key
}

pub(super) fn split_path_key(key: &[u8]) -> io::Result<(&[u8], &str)> {
    let at = key.windows(2).position(|pair| pair == [0, 0]).ok_or_else(|| broken("a row has no path"))?;
    let path = std::str::from_utf8(&key[at + 2..]).map_err(|_| broken("a row's path is no text"))?;
    Ok((&key[..at], path))
}

pub(super) fn digest_key(sha512: &[u8], tag: u8, path: &str) -> Vec<u8> {
    [sha512, &[tag], path.as_bytes()].concat()
}

pub(super) fn split_digest_key(key: &[u8]) -> io::Result<(&[u8], u8, &str)> {
    let (sha512, rest) = key.split_at_checked(64).ok_or_else(|| broken("a row has no digest"))?;
    let (tag, path) = rest.split_first().ok_or_else(|| broken("a row has no tag"))?;
    Ok((sha512, *tag, std::str::from_utf8(path).map_err(|_| broken("a row's path is no text"))?))
}

/// A file as a row's value: 121 bytes.
pub(super) struct Stored {
    pub(super) size: u64,
    pub(super) sha256: Vec<u8>,
    pub(super) sha512: Vec<u8>,
    pub(super) source: Source,
}

/// Its length.
pub(super) const STORED: usize = 8 + 32 + 64 + 17;

pub(super) fn encode(file: &Logical) -> Result<Vec<u8>, PlanError> {
    let sha256 = unhex(&file.sha256).filter(|bytes| bytes.len() == 32);
    let sha256 = sha256.ok_or_else(|| broken("a digest is no SHA-256"))?;
    Ok([&file.size.to_be_bytes()[..], &sha256, &digest_bytes(&file.sha512)?, &step_key(file.source)].concat())
}

/// Members come in the order of their bytes, documents after them.
pub(super) fn step_key(source: Source) -> Vec<u8> {
    let (tag, first, second) = match source {
        Source::Member { number, offset } => (0, offset, number),
        Source::Inline(number) => (1, u64::from(number), 0),
    };
    [&[tag][..], &first.to_be_bytes(), &second.to_be_bytes()].concat()
}

impl Stored {
    pub(super) fn decode(value: &[u8]) -> io::Result<Stored> {
        if value.len() != STORED {
            return Err(broken("a row has another length"));
        }
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&value[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let source = match value[104] {
            0 => Source::Member { offset: number(105), number: number(113) },
            _ => Source::Inline(u32::try_from(number(105)).map_err(|_| broken("a row has a wrong number"))?),
        };
        Ok(Stored { size: number(0), sha256: value[8..40].to_vec(), sha512: value[40..104].to_vec(), source })
    }

    pub(super) fn step(self, content_path: String, logical: Option<String>) -> CopyStep {
        CopyStep {
            content_path,
            logical,
            size: self.size,
            sha256: hex(&self.sha256),
            sha512: hex(&self.sha512),
            source: self.source,
        }
    }
}
