//! Where right bytes come from: another copy, the same copy's other inventory, or a text that follows from the registry.
//!
//! - Bytes count as right only when they were read, past the page cache, and have the digest that was recorded.
//! - They are fetched into staging and compared again on the way, before anything is touched.

use super::look::{digest, sha512_of};
use crate::books::facts::{open_blob, scratch_stop, write_blob};
use crate::model::digest::Algorithm;
use crate::model::object::ObjectId;
use crate::model::trouble::{Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::ocfl::layout;
use crate::rules::read::ReadAt;
use crate::work::proving::Step;
use crate::worlds::disk::{Disk, Place};
use crate::worlds::target::{Target, TargetError, Where};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the right bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Origin {
    /// It is this text.
    Text(String),
    /// In the same copy, at this path.
    Own(String),
    /// In the copy on this target, at the same path.
    Copy(String),
}

/// Copies that may have right bytes.
pub(super) struct Sources<'a> {
    pub(super) object: &'a ObjectId,
    /// The copy that is to be put right.
    pub(super) own: &'a dyn Target,
    /// The others, in the order in which they are asked.
    pub(super) others: Vec<(String, &'a dyn Target)>,
    pub(super) inventories: &'a BTreeMap<u32, String>,
    pub(super) step: Step<'a>,
}

impl<'a> Sources<'a> {
    /// Where these bytes are, and how many; or why they are nowhere.
    pub(super) fn find(&self, path: &str, sha512: &str) -> Result<Result<(Origin, u64), String>, Stop> {
        if let Some(text) = self.text(path).filter(|text| sha512_of(text.as_bytes()) == sha512) {
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
        Ok(Err(if why.is_empty() { "there is no other copy".into() } else { why.join(", ") }))
    }

    /// The right bytes in staging, compared on the way; or why they could not be had.
    pub(super) fn fetch(
        &self,
        (path, sha512): (&str, &str),
        origin: &Origin,
        disk: &dyn Disk,
        folder: &Place,
    ) -> Result<Result<Box<dyn ReadAt>, String>, Stop> {
        let (name, target, at) = match origin {
            Origin::Text(text) => return Ok(Ok(Box::new(text.clone().into_bytes()))),
            Origin::Own(at) => ("itself", self.own, at.as_str()),
            Origin::Copy(name) => match self.others.iter().find(|(known, _)| known == name) {
                Some((name, target)) => (name.as_str(), *target, path),
                None => return Ok(Err(format!("{name} is not in the configuration any more"))),
            },
        };
        match fetch(target, Where::Object(self.object, at), (disk, folder, "file"), self.step)? {
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
    pub(super) fn inventory(
        &self,
        disk: &dyn Disk,
        folder: &Place,
    ) -> Result<Result<Box<dyn ReadAt>, String>, Stop> {
        let Some((head, sha512)) = self.inventories.last_key_value() else {
            return Ok(Err("no version is known".into()));
        };
        let of_head = format!("v{head}/{}", layout::INVENTORY);
        let mut why = Vec::new();
        let own = ("itself".to_string(), self.own);
        for (name, target) in std::iter::once(&own).chain(&self.others) {
            for path in [layout::INVENTORY, of_head.as_str()] {
                let at = Where::Object(self.object, path);
                match fetch(*target, at, (disk, folder, "inventory"), self.step)? {
                    Ok((found, blob)) if found == *sha512 => return Ok(Ok(blob)),
                    Ok(_) => why.push(format!("{path} on {name} has other bytes")),
                    Err(error) => why.push(format!("{path} on {name}: {}", Trouble::from(error).because)),
                }
            }
        }
        Ok(Err(why.join(", ")))
    }
}

type Fetched = Result<(String, Box<dyn ReadAt>), TargetError>;

/// Brings a file into staging; gives its SHA-512, too. What the target says is no error of ours.
fn fetch(
    target: &dyn Target,
    at: Where<'_>,
    (disk, folder, name): (&dyn Disk, &Place, &str),
    step: Step<'_>,
) -> Result<Fetched, Stop> {
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    let mut not_read = None;
    let written = write_blob::<Stop>(disk, folder, name, 1, &mut |out| {
        let (mut failed, mut stop) = (None, None);
        let read = target.read(at, &mut |bytes| {
            digester.update(bytes);
            if failed.is_none() && stop.is_none() {
                failed = out.write_all(bytes).err();
                stop = step(bytes.len() as u64).err();
            }
        });
        not_read = read.err();
        match (stop, failed) {
            (Some(stop), _) => Err(stop),
            (None, Some(error)) => Err(scratch_stop(&folder.volume, error)),
            (None, None) => Ok(()),
        }
    })?;
    if let Some(error) = not_read {
        return Ok(Err(error));
    }
    let blob = open_blob(disk, folder, &written)?;
    Ok(Ok((digester.finish().get(Algorithm::Sha512).unwrap_or_default().to_string(), blob)))
}
