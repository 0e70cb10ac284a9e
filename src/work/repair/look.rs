//! Looking at a copy that is to be put right: every file that is not as it should be, with its exact path and digest.
//!
//! - All is held against the registry's digests of inventories, and against the newest inventory, wherever it was found: a
//!   copy whose own inventory is damaged is judged all the same.
//! - Where no sound inventory is to be had, nothing is said of content: not that it is extra, either.
//! - Memory does not grow with the number of files.

use crate::model::digest::{Algorithm, hex, unhex};
use crate::model::object::ObjectId;
use crate::model::proof::{Outcome, Proof};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::{Digester, sha512_hex};
use crate::rules::ocfl::inventory::{self, InventoryError, Row};
use crate::rules::ocfl::layout;
use crate::rules::read::{ReadAt, Slice};
use crate::rules::sort::{Scratch, Sorter};
use crate::work::proving::Step;
use crate::worlds::target::{Target, TargetError, Where};
use std::collections::BTreeMap;
use std::io;

/// Memory of a sorter.
pub(super) const BUDGET: usize = 8 << 20;

/// A file that is not as it should be.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// What is wrong.
    pub(super) outcome: Outcome,
    /// Its path in the object.
    pub(super) path: String,
    /// SHA-512 that it must have; none for what should not be there.
    pub(super) sha512: Option<String>,
    /// What was found.
    pub(super) why: String,
}

/// A copy to be looked at.
pub(super) struct Look<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) object: &'a ObjectId,
    /// SHA-512 of the inventories of the versions that the copy has.
    pub(super) inventories: &'a BTreeMap<u32, String>,
    /// The newest of them.
    pub(super) inventory: Option<&'a dyn ReadAt>,
    pub(super) scratch: &'a dyn Scratch,
    pub(super) step: Step<'a>,
}

/// Told of each.
pub(super) type Each<'a> = &'a mut dyn FnMut(Wrong) -> Result<(), Stop>;

/// SHA-512 and size of a file; or what is wrong with it, and why.
pub(super) type Digested = Result<(String, u64), (Outcome, String)>;

/// SHA-512 and size of what lies there, past the page cache; or what is wrong with it, and why.
pub(super) fn digest(target: &dyn Target, at: Where<'_>, step: Step<'_>) -> Result<Digested, Stop> {
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    let mut stop = None;
    let read = target.read(at, &mut |bytes| {
        digester.update(bytes);
        if stop.is_none() {
            stop = step(bytes.len() as u64).err();
        }
    });
    if let Some(stop) = stop {
        return Err(stop);
    }
    let digests = digester.finish();
    match read {
        Ok(size) => Ok(Ok((digests.get(Algorithm::Sha512).unwrap_or_default().to_string(), size))),
        Err(TargetError::Absent { .. }) => Ok(Err((Outcome::Missing, "it is not there".into()))),
        Err(error @ TargetError::Missing { .. }) => Err(error.into()),
        Err(error) => Ok(Err((Outcome::Unreadable, Trouble::from(error).because))),
    }
}

/// Paths of a copy's structure with the digests that they must have, in the order in which they are written.
pub(super) fn structure(inventories: &BTreeMap<u32, String>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut both = |folder: &str, sha512: &str| {
        all.push((format!("{folder}{}", layout::INVENTORY), sha512.to_string()));
        let sidecar = sha512_hex(layout::sidecar(sha512).as_bytes());
        all.push((format!("{folder}{}", layout::SIDECAR), sidecar));
    };
    inventories.iter().for_each(|(version, sha512)| both(&format!("v{version}/"), sha512));
    if let Some((_, sha512)) = inventories.last_key_value() {
        both("", sha512);
    }
    let (name, text) = layout::OBJECT_DECLARATION;
    all.push((name.to_string(), sha512_hex(text.as_bytes())));
    all
}

impl Look<'_> {
    /// Looks at all of it.
    pub(super) fn run(&self, each: Each<'_>) -> Result<Proof, Stop> {
        let mut proof = Proof::default();
        let structure = structure(self.inventories);
        for (path, sha512) in &structure {
            self.one(&mut proof, path, sha512, each)?;
        }
        let Some(inventory) = self.inventory else { return Ok(proof) };
        let mut rows = Sorter::new(self.scratch, BUDGET);
        named(inventory, &mut rows)?;
        self.there(&mut rows, &structure)?;
        let mut rows = rows.finish().map_err(scratch)?.peekable();
        while let Some(row) = rows.next() {
            let (path, value) = row.map_err(scratch)?;
            let mut digest = (!value.is_empty()).then_some(value);
            while let Some(Ok((_, value))) =
                rows.next_if(|next| matches!(next, Ok((same, _)) if *same == path))
            {
                digest = digest.or((!value.is_empty()).then_some(value));
            }
            let text = String::from_utf8_lossy(&path).into_owned();
            match digest {
                Some(digest) => self.one(&mut proof, &text, &hex(&digest), each)?,
                None => {
                    let why = "no inventory names it".to_string();
                    proof.count(Outcome::Extra, &text, why.as_str());
                    each(Wrong { outcome: Outcome::Extra, path: text, sha512: None, why })?;
                }
            }
        }
        Ok(proof)
    }

    /// One file that must have this digest.
    fn one(&self, proof: &mut Proof, path: &str, sha512: &str, each: Each<'_>) -> Result<(), Stop> {
        (self.step)(0)?;
        let (outcome, why) = match digest(self.target, Where::Object(self.object, path), self.step)? {
            Ok((found, size)) => {
                proof.bytes += size;
                if found == sha512 {
                    proof.matched += 1;
                    return Ok(());
                }
                let why = format!("{size} bytes with sha512 {}…, not {}…", &found[..12], &sha512[..12]);
                (Outcome::Mismatched, why)
            }
            Err(wrong) => wrong,
        };
        proof.count(outcome, path, why.as_str());
        each(Wrong { outcome, path: path.to_string(), sha512: Some(sha512.to_string()), why })
    }

    /// What is there beside the structure and the files of events: path, and an empty value.
    fn there(&self, rows: &mut Sorter<'_>, structure: &[(String, String)]) -> Result<(), Stop> {
        let mut failed = None;
        let listed = self.target.files(&layout::object_path(self.object), &mut |path, _| {
            let known = path.starts_with("logs/") && !path.ends_with('/')
                || structure.iter().any(|(known, _)| known == path);
            if failed.is_none() && !known {
                failed = rows.push(path.as_bytes().to_vec(), Vec::new()).err();
            }
        });
        match (listed, failed) {
            (_, Some(error)) => Err(scratch(error)),
            (Err(TargetError::Absent { .. }) | Ok(()), None) => Ok(()),
            (Err(error), None) => Err(error.into()),
        }
    }
}

/// What the inventory names: path, and digest as value.
fn named(inventory: &dyn ReadAt, rows: &mut Sorter<'_>) -> Result<(), Stop> {
    let walked = inventory::walk(Slice::whole(inventory), &mut |row| {
        if let Row::Content { sha512, path } = row {
            let digest = unhex(sha512).ok_or_else(|| io::Error::other("a digest is not hexadecimal"))?;
            rows.push(path.as_bytes().to_vec(), digest)?;
        }
        Ok(())
    });
    match walked {
        Ok(_) => Ok(()),
        Err(InventoryError::Io(error)) => Err(scratch(error)),
        Err(error) => Err(Trouble::new(Kind::CopyDiffers, error.to_string()).about(layout::INVENTORY).into()),
    }
}

pub(super) fn scratch(error: io::Error) -> Stop {
    Trouble::new(Kind::StagingIo, error.to_string()).while_doing("sorting what is to be put right").into()
}
