//! Sealed files that have no lines, such as the frozen inventory.
//!
//! - A blob is written and published as facts are; its seal has count 0.
//! - What `open_blob` gives was read once from end to end, and agreed with its seal.

use super::{READ, Sheet, damaged, parts};
use crate::model::digest::hex;
use crate::model::item::Seal;
use crate::model::trouble::{Kind, Trouble};
use crate::rules::read::ReadAt;
use crate::worlds::disk::{Disk, DiskError, Place};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// Writes a blob: `fill` streams its bytes, which are published under `name` when it returns well. When staging fails
/// under it, staging's error is given, not what `fill` made of it.
pub fn write_blob<E: From<DiskError>>(
    disk: &dyn Disk,
    folder: &Place,
    name: &str,
    fence: u64,
    fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), E>,
) -> Result<Seal, E> {
    for left in parts(disk, folder, name, fence)? {
        disk.remove(&super::part(folder, name, left))?;
    }
    let mut blob = Blob { sheet: Sheet::new(disk, folder, name, fence), failed: None };
    let filled = fill(&mut blob);
    if let Some(error) = blob.failed {
        return Err(error.into());
    }
    filled?;
    Ok(blob.sheet.publish(0)?)
}

struct Blob<'d> {
    sheet: Sheet<'d>,
    failed: Option<DiskError>,
}

impl Write for Blob<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Err(io::Error::other("staging failed before"));
        }
        let bytes = &bytes[..bytes.len().min(READ)];
        match self.sheet.put(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("staging failed"))
            }
        }
    }

    /// Nothing: a blob is durable when it is published.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a blob after reading all of it and comparing it with its seal.
pub fn open_blob(disk: &dyn Disk, folder: &Place, seal: &Seal) -> Result<Box<dyn ReadAt>, Trouble> {
    let place = folder.join(&seal.file);
    let about = format!("{} on {}", place.path, place.volume);
    let file = disk.open(&place).map_err(|error| Trouble::from(error).while_doing("reading facts"))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ];
    let mut bytes = 0;
    loop {
        let got = file.read_at(&mut buffer, bytes).map_err(|error| {
            Trouble::new(Kind::StagingIo, error.to_string()).while_doing("reading facts").about(about.clone())
        })?;
        if got == 0 {
            break;
        }
        hasher.update(&buffer[..got]);
        bytes += got as u64;
    }
    let sha256 = hex(&hasher.finalize());
    if bytes == seal.bytes && sha256 == seal.sha256 {
        return Ok(file);
    }
    let because = format!(
        "it has {bytes} bytes and SHA-256 {sha256}; its seal says {} and {}",
        seal.bytes, seal.sha256
    );
    Err(damaged(&about, because))
}
