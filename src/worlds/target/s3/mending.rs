//! Putting objects right in a bucket, key by key.
//!
//! ```text
//! work/quarantine/NAME.json    what the bad bytes are
//! work/quarantine/NAME         the bad bytes: copied by the store, read there and compared
//! work/mending/NAME            the right bytes, sent with their digest and read back
//! ocfl/<object>/<path>         copied there by the store, over the bad ones, and read back again
//! ```
//!
//! - A key is written over only when what lay there lies in quarantine with the same bytes.
//! - What is there under a name with other bytes is never written over: the next name is taken.

use super::objects::{Go, If, PUT_MAX};
use super::talk::Stretch;
use super::uploads::PART_MIN;
use super::{S3Target, TEXT_MAX, json, live};
use crate::model::digest::hex;
use crate::model::object::ObjectId;
use crate::rules::http;
use crate::rules::ocfl::layout;
use crate::worlds::target::TargetError;
use crate::worlds::target::mending::{Aside, Mend, Mended, Mending, NOTE, Quarantined};
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;

const QUARANTINE: &str = "work/quarantine";
const MENDING: &str = "work/mending";

/// What a key holds: as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holds {
    Nothing,
    /// SHA-512 and bytes.
    Bytes(String, u64),
    /// It is there, of so many bytes, and cannot be read.
    Unreadable(u64),
}

impl S3Target {
    fn holds(&self, key: &str) -> Result<Holds, TargetError> {
        let mut hash = Sha512::new();
        match self.talk.read(key, &mut |chunk| hash.update(chunk)) {
            Ok(bytes) => Ok(Holds::Bytes(hex(&hash.finalize()), bytes)),
            Err(TargetError::Absent { .. }) => Ok(Holds::Nothing),
            Err(TargetError::Io { .. }) => match self.talk.head(key)? {
                None => Ok(Holds::Nothing),
                Some(head) => {
                    let bytes = head.header("content-length").and_then(http::number).unwrap_or_default();
                    Ok(Holds::Unreadable(bytes))
                }
            },
            Err(error) => Err(error),
        }
    }

    /// Copies a key into quarantine, under the first name that is free or holds these very bytes.
    fn copy_aside(&self, key: &str, found: &Holds, aside: &Aside) -> Result<String, TargetError> {
        for name in aside.names() {
            let kept = format!("{QUARANTINE}/{name}");
            match self.holds(&kept)? {
                there if there == *found && matches!(found, Holds::Bytes(..)) => return Ok(name),
                Holds::Nothing => {}
                _ => continue,
            }
            let note = format!("{kept}{NOTE}");
            self.put_text(&note, &json(aside), If::Any).map_err(|no| self.talk.told(&note, no))?;
            self.talk.copy(key, &kept, None)?;
            let same = match (self.holds(&kept)?, found) {
                (Holds::Bytes(_, bytes), Holds::Unreadable(known)) => bytes == *known,
                (there, found) => there == *found,
            };
            return match same {
                true => Ok(name),
                false => Err(self.talk.io(&kept, "what was put aside there is not what lay at its place")),
            };
        }
        Err(self.talk.io(QUARANTINE, "too many of one name lie there; look at them, and move them away"))
    }

    /// Sends the right bytes to a key of our own, proves them there, and has them copied over the bad ones.
    fn write_over(&self, key: &str, what: &Mend<'_>) -> Result<(), TargetError> {
        let staged = format!("{MENDING}/{}", what.aside.name());
        let is_right = |key: &str| match self.holds(key)? {
            Holds::Bytes(sha512, _) if sha512 == what.sha512 => Ok(()),
            _ => Err(self.talk.io(key, "what is read back is not what was written")),
        };
        self.send(&staged, what)?;
        is_right(&staged)?;
        let class = self.config.storage_class.as_deref().filter(|_| what.path.contains("/content/"));
        self.talk.copy(&staged, key, class)?;
        is_right(key)?;
        self.talk.delete(&staged)
    }

    fn send(&self, key: &str, what: &Mend<'_>) -> Result<(), TargetError> {
        let stretch = Stretch::whole(what.from);
        let how = self.abilities.checksum;
        let source = |error| match error {
            TargetError::Source { why, .. } => TargetError::Source { path: what.path.into(), why },
            other => other,
        };
        if self.abilities.parts && stretch.size >= PART_MIN {
            let listed = self.abilities.uploads_listed.then(|| self.talk.uploads(key)).transpose()?;
            // Of a repair that was cut off.
            for (other, id) in listed.unwrap_or_default().into_iter().filter(|(other, _)| other == key) {
                self.talk.abort(&other, &id)?;
            }
            let go_on = || self.still_ours();
            return self.talk.put_in_parts(key, stretch, how, None, None, &go_on).map(drop).map_err(source);
        }
        if stretch.size > PUT_MAX {
            return Err(self
                .talk
                .io(key, "it has more than 5 GiB, and this store takes no uploads in parts"));
        }
        let put = self.talk.put(key, stretch, how, If::Any, None);
        put.map(drop).map_err(|no| source(self.talk.told(key, no)))
    }

    /// The bytes that shall be written are the right ones: asked before anything is written over.
    fn check_source(&self, what: &Mend<'_>) -> Result<(), TargetError> {
        use crate::model::digest::Algorithm;
        let given = super::objects::digest(Algorithm::Sha512, Stretch::whole(what.from));
        let wrong = |why: String| TargetError::Source { path: what.path.into(), why };
        match hex(&given.map_err(wrong)?) == what.sha512 {
            true => Ok(()),
            false => Err(wrong("its bytes are not those that were recorded".into())),
        }
    }

    fn is_object(&self, object: &ObjectId) -> Result<bool, TargetError> {
        let mut some = false;
        self.talk.list(&format!("{}/", live(object)), None, &mut |_| {
            some = true;
            Go::Stop
        })?;
        Ok(some)
    }

    fn ready_to_mend(&self) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.still_ours()
    }
}

impl Mending for S3Target {
    fn mend(&self, what: &Mend<'_>) -> Result<Mended, TargetError> {
        self.ready_to_mend()?;
        let _claim = self.claim(what.object);
        let key = self.beneath(&live(what.object), what.path)?;
        if !self.is_object(what.object)? {
            let why = format!("{}: there is no such object any more", layout::object_path(what.object));
            return Err(TargetError::Moved { target: self.name.clone(), why });
        }
        let found = self.holds(&key)?;
        if matches!(&found, Holds::Bytes(sha512, _) if sha512 == what.sha512) {
            return Ok(Mended::Already);
        }
        self.check_source(what)?;
        let mended = match &found {
            Holds::Nothing => Mended::Filled,
            Holds::Bytes(_, bytes) | Holds::Unreadable(bytes) => {
                Mended::Replaced { name: self.copy_aside(&key, &found, what.aside)?, bytes: *bytes }
            }
        };
        self.write_over(&key, what)?;
        self.used(what.from.size())?;
        Ok(mended)
    }

    fn set_aside(&self, aside: &Aside) -> Result<Option<u64>, TargetError> {
        self.ready_to_mend()?;
        let _claim = self.claim(&aside.object);
        // A key may end with a slash: some programs make such ones for folders.
        let key = match aside.path.strip_suffix('/') {
            Some(path) => format!("{}/", self.beneath(&live(&aside.object), path)?),
            None => self.beneath(&live(&aside.object), &aside.path)?,
        };
        let found = self.holds(&key)?;
        match found {
            Holds::Nothing => Ok(None),
            Holds::Bytes(_, bytes) | Holds::Unreadable(bytes) => {
                self.copy_aside(&key, &found, aside)?;
                self.talk.delete(&key)?;
                Ok(Some(bytes))
            }
        }
    }

    fn sweep_up(&self, starts: &str) -> Result<(), TargetError> {
        self.look_for_marker()?;
        let mut left = Vec::new();
        self.talk.list(&format!("{MENDING}/{starts}"), None, &mut |key| {
            left.push(key.key.clone());
            Go::On
        })?;
        left.iter().try_for_each(|key| self.talk.delete(key))
    }

    fn quarantine(&self, starts: &str) -> Result<Vec<Quarantined>, TargetError> {
        self.look_for_marker()?;
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        self.talk.list(&format!("{QUARANTINE}/{starts}"), None, &mut |key| {
            let name = key.key.strip_prefix(QUARANTINE).and_then(|name| name.strip_prefix('/'));
            found.extend(name.map(|name| (name.to_string(), key.bytes)));
            Go::On
        })?;
        let mut listed = Vec::new();
        for (name, bytes) in found.iter().filter(|(name, _)| !name.ends_with(NOTE)) {
            let note = self.talk.get(&format!("{QUARANTINE}/{name}{NOTE}"), TEXT_MAX)?;
            let of = note.and_then(|(text, _)| serde_json::from_slice(&text).ok());
            listed.push(Quarantined { name: name.clone(), bytes: *bytes, of });
        }
        Ok(listed)
    }
}
