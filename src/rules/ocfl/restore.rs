//! Reading a version back: which content path holds each logical path.
//!
//! - Every logical path of the version comes exactly once, or an error says which digest has no content.

use crate::model::digest::unhex;
use crate::rules::ocfl::inventory::{self, InventoryError, Row, Summary};
use crate::rules::read::{ReadAt, Slice};
use crate::rules::sort::{Scratch, Sorted, Sorter};
use std::io;

/// Memory of one sorter; three are alive at once.
const BUDGET: usize = 12 << 20;

/// One file of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreStep {
    /// Logical path, `bag/…` or `metadata/…`.
    pub logical_path: String,
    /// Where its bytes lie, relative to the object root.
    pub content_path: String,
    /// Lower-case hexadecimal.
    pub sha512: String,
}

/// The files of a version, in the order of their logical paths, byte by byte.
pub struct RestoreSteps<'s> {
    rows: Sorted<'s>,
}

impl Iterator for RestoreSteps<'_> {
    type Item = io::Result<RestoreStep>;

    fn next(&mut self) -> Option<io::Result<RestoreStep>> {
        self.rows.next().map(|row| {
            let (logical, value) = row?;
            let (sha512, content) = value.split_at_checked(64).ok_or_else(|| broken("a short row"))?;
            Ok(RestoreStep {
                logical_path: text(&logical)?,
                content_path: text(content)?,
                sha512: crate::model::digest::hex(sha512),
            })
        })
    }
}

/// The files of `version` (`None`: the head), and what the inventory says of itself.
pub fn restore_steps<'s>(
    json: &dyn ReadAt,
    version: Option<u32>,
    scratch: &'s dyn Scratch,
) -> Result<(Summary, RestoreSteps<'s>), InventoryError> {
    let version = match version {
        Some(version) => version,
        None => inventory::walk(Slice::whole(json), &mut |_| Ok(()))?.head,
    };
    // Content sorts before logical paths of the same digest; of several content paths the first serves.
    let mut by_digest = Sorter::new(scratch, BUDGET);
    let summary = inventory::walk(Slice::whole(json), &mut |row| {
        let (sha512, tag, path) = match row {
            Row::Content { sha512, path } => (sha512, 0, path),
            Row::State { version: of, sha512, path } if of == version => (sha512, 1, path),
            Row::State { .. } => return Ok(()),
        };
        let digest = unhex(sha512).ok_or_else(|| broken("a digest is not hexadecimal"))?;
        by_digest.push([&digest[..], &[tag], path.as_bytes()].concat(), Vec::new())
    })?;
    if version == 0 || version > summary.head {
        return Err(InventoryError::Wrong(format!("it has no version {version}")));
    }
    let mut by_path = Sorter::new(scratch, BUDGET);
    let mut content: Option<(Vec<u8>, Vec<u8>)> = None;
    for row in by_digest.finish()? {
        let (key, _) = row?;
        let (digest, rest) = key.split_at_checked(64).ok_or_else(|| broken("a short row"))?;
        let (tag, path) = rest.split_first().ok_or_else(|| broken("a short row"))?;
        let known = content.as_ref().filter(|(of, _)| of == digest);
        match (tag, known) {
            (0, None) => content = Some((digest.to_vec(), path.to_vec())),
            (0, Some(_)) => {}
            (_, Some((digest, content))) => by_path.push(path.to_vec(), [&digest[..], content].concat())?,
            (_, None) => {
                let why = format!("{} has no content", String::from_utf8_lossy(path));
                return Err(InventoryError::Wrong(why));
            }
        }
    }
    Ok((summary, RestoreSteps { rows: by_path.finish()? }))
}

fn text(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| broken("a path is no text"))
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
