//! Proving a copy: every file of every version of an object on one target, read past the page cache and compared.
//!
//! - What is claimed is what was read: a file that could not be read is unreadable, never matched.
//! - What lies there and no inventory names is told too, and so are damaged inventories, side-cars and declarations.
//! - Memory does not grow with the number of files: what should be there meets what is there in the external sorter.

use crate::model::digest::{Algorithm, hex, unhex};
use crate::model::object::ObjectId;
pub use crate::model::proof::{Fault, Outcome, Proof};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::ocfl::inventory::{self, InventoryError, Row};
use crate::rules::ocfl::layout;
use crate::rules::read::Slice;
use crate::rules::sort::{Scratch, Sorter};
use crate::worlds::target::{Target, TargetError, Where};
use std::collections::BTreeMap;
use std::io;

/// Memory of the sorter.
const BUDGET: usize = 8 << 20;

/// Bytes of a side-car or declaration that are looked at.
const SMALL_MAX: usize = 4_096;

/// What a copy must be held against.
pub struct Wanted<'a> {
    /// The object.
    pub object: &'a ObjectId,
    /// SHA-512 of the inventory of each version, by version number.
    pub inventories: &'a BTreeMap<u32, String>,
}

/// Told of bytes as they are read; says when to stop.
pub type Step<'a> = &'a (dyn Fn(u64) -> Result<(), Stop> + Sync);

/// Proves the copy of an object on one target. An error only when it cannot be looked at at all: the target is away, the
/// scratch place failed, or `step` said to stop.
pub fn prove(
    target: &dyn Target,
    wanted: &Wanted<'_>,
    scratch: &dyn Scratch,
    step: Step<'_>,
) -> Result<Proof, Stop> {
    let prover = Prover { target, object: wanted.object, step };
    let mut proof = Proof::default();
    let mut rows = Sorter::new(scratch, BUDGET);
    let (&head, head_sha512) = wanted.inventories.last_key_value().ok_or_else(|| {
        Trouble::new(Kind::FactsDamaged, "no version is known").about(wanted.object.to_string())
    })?;
    prover.small(&mut proof, layout::OBJECT_DECLARATION.0, layout::OBJECT_DECLARATION.1)?;
    for (version, sha512) in wanted.inventories {
        prover.inventory(&mut proof, &format!("v{version}/"), sha512)?;
    }
    let sound = prover.inventory(&mut proof, "", head_sha512)?;
    // A damaged root inventory names nothing; the head version holds the same bytes.
    let path = if sound { layout::INVENTORY.to_string() } else { format!("v{head}/{}", layout::INVENTORY) };
    prover.named(&path, head_sha512, &mut rows)?;
    prover.there(&mut rows, wanted.inventories)?;
    prover.compare(&mut proof, rows)?;
    Ok(proof)
}

/// Digest and size of a file; or what is wrong with it, and why.
type Digested = Result<(String, u64), (Outcome, String)>;

struct Prover<'a> {
    target: &'a dyn Target,
    object: &'a ObjectId,
    step: Step<'a>,
}

impl Prover<'_> {
    /// The digest and size of a file; `Err(outcome)` when it could not be had.
    fn digest(&self, path: &str, algorithm: Algorithm) -> Result<Digested, Stop> {
        let mut digester = Digester::new(&[algorithm]);
        let mut stop = None;
        let read = self.target.read(Where::Object(self.object, path), &mut |bytes| {
            digester.update(bytes);
            if stop.is_none() {
                stop = (self.step)(bytes.len() as u64).err();
            }
        });
        if let Some(stop) = stop {
            return Err(stop);
        }
        let digests = digester.finish();
        match read {
            Ok(size) => Ok(Ok((digests.get(algorithm).expect("it was asked for").to_string(), size))),
            Err(TargetError::Absent { .. }) => Ok(Err((Outcome::Missing, "it is not there".into()))),
            // The whole target is away: that is no finding about a file.
            Err(error @ (TargetError::Missing { .. } | TargetError::Full { .. })) => Err(error.into()),
            Err(error) => Ok(Err((Outcome::Unreadable, Trouble::from(error).because))),
        }
    }

    /// A small file that must hold just this text.
    fn small(&self, proof: &mut Proof, path: &str, text: &str) -> Result<(), Stop> {
        let wanted = crate::rules::digester::sha256_hex(text.as_bytes());
        match self.digest(path, Algorithm::Sha256)? {
            Ok((found, size)) => {
                proof.bytes += size;
                let outcome = if found == wanted { Outcome::Matched } else { Outcome::Mismatched };
                proof.count(outcome, path, "it does not say what it must");
            }
            Err((outcome, why)) => proof.count(outcome, path, why),
        }
        Ok(())
    }

    /// An inventory and its side-car; true when the inventory's own bytes are those that were recorded.
    fn inventory(&self, proof: &mut Proof, folder: &str, sha512: &str) -> Result<bool, Stop> {
        let path = format!("{folder}{}", layout::INVENTORY);
        let sound = match self.digest(&path, Algorithm::Sha512)? {
            Ok((found, size)) => {
                proof.bytes += size;
                let outcome = if found == sha512 { Outcome::Matched } else { Outcome::Mismatched };
                proof.count(
                    outcome,
                    &path,
                    format!("its sha512 is {}…, not {}…", &found[..12], &sha512[..12]),
                );
                found == sha512
            }
            Err((outcome, why)) => {
                proof.count(outcome, &path, why);
                false
            }
        };
        let mut text = Vec::new();
        let side = format!("{folder}{}", layout::SIDECAR);
        let read = self.target.read(Where::Object(self.object, &side), &mut |bytes| {
            text.extend_from_slice(&bytes[..bytes.len().min(SMALL_MAX.saturating_sub(text.len()))]);
        });
        match read {
            Ok(size) => {
                proof.bytes += size;
                let said = std::str::from_utf8(&text).ok().and_then(layout::sidecar_digest);
                let same = said.is_some_and(|said| said.eq_ignore_ascii_case(sha512));
                let outcome = if same { Outcome::Matched } else { Outcome::Mismatched };
                proof.count(outcome, &side, "it names another digest, or none");
            }
            Err(TargetError::Absent { .. }) => proof.count(Outcome::Missing, &side, "it is not there"),
            Err(error @ TargetError::Missing { .. }) => return Err(error.into()),
            Err(error) => proof.count(Outcome::Unreadable, &side, Trouble::from(error).because),
        }
        Ok(sound)
    }

    /// What the inventory names: path, and digest as value.
    fn named(&self, path: &str, sha512: &str, rows: &mut Sorter<'_>) -> Result<(), Stop> {
        let opened = match self.target.open(Where::Object(self.object, path)) {
            Ok(opened) => opened,
            Err(error @ TargetError::Missing { .. }) => return Err(error.into()),
            // It was counted as missing or unreadable; without it nothing can be compared.
            Err(_) => return Ok(()),
        };
        let mut hashed =
            Hashed { from: Slice::whole(&*opened), digester: Digester::new(&[Algorithm::Sha512]) };
        let mut named: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let walked = inventory::walk(&mut hashed, &mut |row| {
            if let Row::Content { sha512, path } = row {
                let digest = unhex(sha512).ok_or_else(|| io::Error::other("a digest is not hexadecimal"))?;
                named.push((path.as_bytes().to_vec(), digest));
                if named.len() == 1_024 {
                    named.drain(..).try_for_each(|(path, digest)| rows.push(path, digest))?;
                }
            }
            Ok(())
        });
        let same = hashed.digester.finish().get(Algorithm::Sha512) == Some(sha512);
        match walked {
            Err(InventoryError::Io(error)) if same => Err(scratch(error)),
            // What a damaged inventory names is nothing to go by; that it is damaged was counted.
            _ if !same => Ok(()),
            Err(error) => Err(Trouble::new(Kind::CopyDiffers, error.to_string()).about(path).into()),
            Ok(_) => {
                named.into_iter().try_for_each(|(path, digest)| rows.push(path, digest)).map_err(scratch)
            }
        }
    }

    /// What is there, but for what every object has: path, and an empty value.
    fn there(&self, rows: &mut Sorter<'_>, versions: &BTreeMap<u32, String>) -> Result<(), Stop> {
        let folder = layout::object_path(self.object);
        let mut failed = None;
        let listed = self.target.files(&folder, &mut |path, _| {
            if failed.is_none() && !is_structure(path, versions) {
                failed = rows.push(path.as_bytes().to_vec(), Vec::new()).err();
            }
        });
        match (listed, failed) {
            (_, Some(error)) => Err(scratch(error)),
            (Err(TargetError::Absent { .. }) | Ok(()), None) => Ok(()),
            (Err(error), None) => Err(error.into()),
        }
    }

    fn compare(&self, proof: &mut Proof, rows: Sorter<'_>) -> Result<(), Stop> {
        let mut rows = rows.finish().map_err(scratch)?.peekable();
        while let Some(row) = rows.next() {
            let (path, value) = row.map_err(scratch)?;
            let text = String::from_utf8_lossy(&path).into_owned();
            let mut digest = (!value.is_empty()).then_some(value);
            while let Some(Ok((_, value))) =
                rows.next_if(|next| matches!(next, Ok((same, _)) if *same == path))
            {
                digest = digest.or((!value.is_empty()).then_some(value));
            }
            let Some(digest) = digest else {
                proof.count(Outcome::Extra, &text, "no inventory names it");
                continue;
            };
            (self.step)(0)?;
            match self.digest(&text, Algorithm::Sha512)? {
                Ok((found, size)) => {
                    proof.bytes += size;
                    let wanted = hex(&digest);
                    if found == wanted {
                        proof.matched += 1;
                        continue;
                    }
                    let why = format!("{size} bytes with sha512 {}…, not {}…", &found[..12], &wanted[..12]);
                    proof.count(Outcome::Mismatched, &text, why);
                }
                Err((outcome, why)) => proof.count(outcome, &text, why),
            }
        }
        Ok(())
    }
}

/// True for what an object has beside its content: declaration, inventories, side-cars, logs.
fn is_structure(path: &str, versions: &BTreeMap<u32, String>) -> bool {
    let is_inventory = |path: &str| path == layout::INVENTORY || path == layout::SIDECAR;
    if path == layout::OBJECT_DECLARATION.0 || is_inventory(path) || path.starts_with("logs/") {
        return !path.ends_with('/');
    }
    let Some((version, rest)) = path.split_once('/') else { return false };
    let number = version.strip_prefix('v').and_then(|number| number.parse().ok());
    number.is_some_and(|number: u32| versions.contains_key(&number)) && is_inventory(rest)
}

fn scratch(error: io::Error) -> Stop {
    Trouble::new(Kind::StagingIo, error.to_string()).while_doing("sorting what should be there").into()
}

struct Hashed<R> {
    from: R,
    digester: Digester,
}

impl<R: io::Read> io::Read for &mut Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.from.read(buf)?;
        self.digester.update(&buf[..got]);
        Ok(got)
    }
}
