//! Where right bytes come from: another copy, the same copy's other inventory, the inventory that is kept beside the ledger,
//! or a text that follows from the registry.
//!
//! - Bytes count as right only when they were read, past the page cache, and have the digest that was recorded.
//! - They are fetched into staging and compared again on the way, before anything is touched.

use super::look::digest;
use crate::books::facts::{open_blob, scratch_stop, write_blob};
use crate::model::digest::Algorithm;
use crate::model::object::ObjectId;
use crate::model::trouble::{Stop, Trouble};
use crate::rules::digester::{Digester, sha512_hex};
use crate::rules::ocfl::layout;
use crate::rules::read::{ReadAt, Slice};
use crate::work::bringing::bring;
use crate::work::proving::Step;
use crate::worlds::disk::{Disk, Place};
use crate::worlds::target::{Target, TargetError, Where};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read};

/// Where the right bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Origin {
    /// It is this text.
    Text(String),
    /// In the same copy, at this path.
    Own(String),
    /// In the copy on this target, at the same path.
    Copy(String),
    /// Beside the ledger: the inventory of this version.
    Record(u32),
}

/// Copies that may have right bytes.
pub(super) struct Sources<'a> {
    pub(super) object: &'a ObjectId,
    /// The copy that is to be put right.
    pub(super) own: &'a dyn Target,
    /// The others, in the order in which they are asked.
    pub(super) others: Vec<(String, &'a dyn Target)>,
    pub(super) inventories: &'a BTreeMap<u32, String>,
    /// Where the ledger keeps the inventory of each version, compressed.
    pub(super) records: BTreeMap<u32, Place>,
    pub(super) disk: &'a dyn Disk,
    /// A folder in staging.
    pub(super) folder: &'a Place,
    pub(super) step: Step<'a>,
}

impl<'a> Sources<'a> {
    /// Where these bytes are, and how many; or why they are nowhere.
    pub(super) fn find(&self, path: &str, sha512: &str) -> Result<Result<(Origin, u64), String>, Stop> {
        if let Some(text) = self.text(path).filter(|text| sha512_hex(text.as_bytes()) == sha512) {
            let bytes = text.len() as u64;
            return Ok(Ok((Origin::Text(text), bytes)));
        }
        if let Some(other) = self.sibling(path)
            && let Ok((found, bytes)) = digest(self.own, Where::Object(self.object, &other), self.step)?
            && found == sha512
        {
            return Ok(Ok((Origin::Own(other), bytes)));
        }
        let mut why = Vec::new();
        for (name, target) in &self.others {
            match digest(*target, Where::Object(self.object, path), self.step) {
                Ok(Ok((found, bytes))) if found == sha512 => {
                    return Ok(Ok((Origin::Copy(name.clone()), bytes)));
                }
                Ok(Ok(_)) => why.push(format!("{name} has other bytes")),
                Ok(Err((_, because))) => why.push(format!("{name}: {because}")),
                // A source that is away is passed over; whoever asked to stop is not.
                Err(Stop::Trouble(trouble)) => why.push(format!("{name}: {}", trouble.because)),
                Err(stop) => return Err(stop),
            }
        }
        if let Some(version) = self.version_of(path)
            && let Some(blob) = self.record(version)?
        {
            return Ok(Ok((Origin::Record(version), blob.size())));
        }
        Ok(Err(if why.is_empty() { "there is no other copy".into() } else { why.join(", ") }))
    }

    /// The right bytes in staging, compared on the way; or why they could not be had.
    pub(super) fn fetch(
        &self,
        (path, sha512): (&str, &str),
        origin: &Origin,
    ) -> Result<Result<Box<dyn ReadAt>, String>, Stop> {
        let (name, target, at) = match origin {
            Origin::Text(text) => return Ok(Ok(Box::new(text.clone().into_bytes()))),
            Origin::Record(version) => {
                let blob = self.record(*version)?;
                return Ok(blob.ok_or_else(|| "the inventory beside the ledger is not what it was".into()));
            }
            Origin::Own(at) => ("itself", self.own, at.as_str()),
            Origin::Copy(name) => match self.others.iter().find(|(known, _)| known == name) {
                Some((name, target)) => (name.as_str(), *target, path),
                None => return Ok(Err(format!("{name} is not in the configuration any more"))),
            },
        };
        match fetch(target, Where::Object(self.object, at), (self.disk, self.folder, "file"), self.step)? {
            Ok((found, blob)) if found == sha512 => Ok(Ok(blob)),
            Ok((found, _)) => Ok(Err(format!("{name} gives sha512 {}… now", &found[..12]))),
            Err(error) => Ok(Err(format!("{name}: {}", Trouble::from(error).because))),
        }
    }

    /// A file of the structure that is a text and follows from the registry.
    fn text(&self, path: &str) -> Option<String> {
        let (declaration, text) = layout::OBJECT_DECLARATION;
        if path == declaration {
            return Some(text.to_string());
        }
        let folder = path.strip_suffix(layout::SIDECAR)?;
        let sha512 = match folder.strip_suffix('/') {
            None if folder.is_empty() => self.inventories.last_key_value().map(|(_, sha512)| sha512),
            None => None,
            Some(version) => version
                .strip_prefix('v')
                .and_then(|n| n.parse().ok())
                .and_then(|n: u32| self.inventories.get(&n)),
        };
        sha512.map(|sha512| layout::sidecar(sha512))
    }

    /// The other place where an object has these very bytes: the newest inventory lies there twice.
    fn sibling(&self, path: &str) -> Option<String> {
        let (head, _) = self.inventories.last_key_value()?;
        let of_head = format!("v{head}/{}", layout::INVENTORY);
        if path == layout::INVENTORY {
            return Some(of_head);
        }
        (path == of_head).then(|| layout::INVENTORY.to_string())
    }

    /// The newest inventory, from whichever copy has it as it was recorded.
    pub(super) fn inventory(&self) -> Result<Result<Box<dyn ReadAt>, String>, Stop> {
        let Some((head, sha512)) = self.inventories.last_key_value() else {
            return Ok(Err("no version is known".into()));
        };
        let of_head = format!("v{head}/{}", layout::INVENTORY);
        let mut why = Vec::new();
        let own = ("itself".to_string(), self.own);
        for (name, target) in std::iter::once(&own).chain(&self.others) {
            for path in [layout::INVENTORY, of_head.as_str()] {
                let at = Where::Object(self.object, path);
                match fetch(*target, at, (self.disk, self.folder, "inventory"), self.step)? {
                    Ok((found, blob)) if found == *sha512 => return Ok(Ok(blob)),
                    Ok(_) => why.push(format!("{path} on {name} has other bytes")),
                    Err(error) => why.push(format!("{path} on {name}: {}", Trouble::from(error).because)),
                }
            }
        }
        match self.record(*head)? {
            Some(blob) => Ok(Ok(blob)),
            None => Ok(Err(why.join(", "))),
        }
    }

    /// The version whose inventory lies at this path.
    fn version_of(&self, path: &str) -> Option<u32> {
        let folder = path.strip_suffix(layout::INVENTORY)?;
        if folder.is_empty() {
            return self.inventories.last_key_value().map(|(head, _)| *head);
        }
        folder.strip_suffix('/')?.strip_prefix('v')?.parse().ok()
    }

    /// The inventory of a version that is kept beside the ledger, if it still has the digest that was recorded.
    fn record(&self, version: u32) -> Result<Option<Box<dyn ReadAt>>, Stop> {
        let (Some(place), Some(sha512)) = (self.records.get(&version), self.inventories.get(&version)) else {
            return Ok(None);
        };
        let Ok(packed) = self.disk.open(place) else { return Ok(None) };
        let mut plain = flate2::read::MultiGzDecoder::new(Slice::whole(&*packed));
        let mut digester = Digester::new(&[Algorithm::Sha512]);
        let mut readable = true;
        let name = format!("record-{version}");
        let written = write_blob::<Stop>(self.disk, self.folder, &name, 1, &mut |out| {
            let mut chunk = vec![0; 1 << 18];
            loop {
                match plain.read(&mut chunk) {
                    Ok(0) => return Ok(()),
                    Ok(got) => {
                        digester.update(&chunk[..got]);
                        out.write_all(&chunk[..got])
                            .map_err(|error| scratch_stop(&self.folder.volume, error))?;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => {
                        readable = false;
                        return Ok(());
                    }
                }
            }
        })?;
        match readable && digester.finish().get(Algorithm::Sha512) == Some(sha512) {
            true => Ok(Some(open_blob(self.disk, self.folder, &written)?)),
            false => Ok(None),
        }
    }
}

type Fetched = Result<(String, Box<dyn ReadAt>), TargetError>;

/// Brings a file into staging, and opens it there; gives its SHA-512, too.
fn fetch(
    target: &dyn Target,
    at: Where<'_>,
    (disk, folder, name): (&dyn Disk, &Place, &str),
    step: Step<'_>,
) -> Result<Fetched, Stop> {
    match bring(target, at, (disk, folder, name, 1), step)? {
        Ok((sha512, seal)) => Ok(Ok((sha512, open_blob(disk, folder, &seal)?))),
        Err(error) => Ok(Err(error)),
    }
}
