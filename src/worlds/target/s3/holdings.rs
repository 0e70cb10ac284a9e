//! What lies in a bucket's target.
//!
//! - A walk reads one listing in the store's order, and jumps over what lies in an object: one request for each object at
//!   most, fewer for small ones.
//! - Keys of versions on their way are no strays: an intent names them.

use super::S3Target;
use super::objects::{Go, If, Remote};
use super::talk::Stretch;
use super::uploads::PART_MIN;
use crate::rules::read::ReadAt;
use crate::worlds::target::holdings::{Holdings, KeptFile, Lies, UnderWay, is_plain_name};
use crate::worlds::target::{TargetError, Where};
use std::collections::BTreeSet;

/// Where things are kept beside the storage root.
const KEPT: &str = "work/kept";

/// How the name of an object's declaration starts. It comes before every other key of an object.
const DECLARED: &str = "0=ocfl_object_";

impl S3Target {
    /// Where this is kept; an error when its name is none.
    pub(super) fn kept_key(&self, name: &str) -> Result<String, TargetError> {
        match is_plain_name(name) {
            true => Ok(format!("{KEPT}/{name}")),
            false => Err(self.talk.io(name, "no name for something that is kept beside the root")),
        }
    }
}

impl Holdings for S3Target {
    fn walk(&self, after: Option<&str>, each: &mut dyn FnMut(Lies<'_>) -> bool) -> Result<(), TargetError> {
        self.look_for_marker()?;
        let under_way: BTreeSet<String> = self.intents.all().into_iter().map(|intent| intent.path).collect();
        // A slash is followed by a 0: behind everything in that folder.
        let after = after.map(|after| format!("ocfl/{after}0"));
        self.talk.list("ocfl/", after.as_deref(), &mut |found| {
            let path = found.key.strip_prefix("ocfl/").unwrap_or_default();
            // Other plain files may lie in the root (E087 tells validators to pass them over), and its extensions.
            let Some((folder, name)) = path.rsplit_once('/') else { return Go::On };
            if path.starts_with("extensions/") {
                return Go::Past("ocfl/extensions/".into());
            }
            if name.starts_with(DECLARED) {
                return match each(Lies::Object(folder)) {
                    true => Go::Past(format!("ocfl/{folder}/")),
                    false => Go::Stop,
                };
            }
            let own = under_way
                .iter()
                .find(|own| path.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('/')));
            match own {
                Some(own) => Go::Past(format!("ocfl/{own}/")),
                None if each(Lies::Stray(path)) => Go::On,
                None => Go::Stop,
            }
        })
    }

    fn files(&self, folder: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), TargetError> {
        self.look_for_marker()?;
        let start = format!("{}/", self.beneath("ocfl", folder)?);
        let mut count = 0u64;
        self.talk.list(&start, None, &mut |found| {
            count += 1;
            each(found.key.strip_prefix(&start).unwrap_or_default(), found.bytes);
            Go::On
        })?;
        match count {
            0 => Err(TargetError::Absent { target: self.name.clone(), path: folder.to_string() }),
            _ => Ok(()),
        }
    }

    fn open(&self, at: Where<'_>) -> Result<Box<dyn ReadAt>, TargetError> {
        let key = self.key_of(at)?;
        let reading = self.talk.open(&key).map_err(|no| self.talk.told(&key, no))?;
        Ok(Box::new(Remote::new(reading)))
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, TargetError> {
        self.look_for_marker()?;
        let way = |intent: super::intents::Intent| UnderWay {
            orphan: intent.ledger != self.ledger,
            ledger: intent.ledger,
            item: intent.item,
            path: Some(intent.path),
        };
        let mut found: Vec<UnderWay> = self.intents.all().into_iter().map(way).collect();
        found.sort();
        Ok(found)
    }

    fn keep(&self, name: &str, from: &dyn ReadAt) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.still_ours()?;
        let (key, stretch) = (self.kept_key(name)?, Stretch::whole(from));
        if self.abilities.parts && stretch.size >= PART_MIN {
            for (other, id) in self
                .abilities
                .uploads_listed
                .then(|| self.talk.uploads(&key))
                .transpose()?
                .unwrap_or_default()
            {
                self.talk.abort(&other, &id)?;
            }
            let go_on = || self.still_ours();
            return self
                .talk
                .put_in_parts(&key, stretch, self.abilities.checksum, None, None, &go_on)
                .map(drop);
        }
        self.put_if(&key, stretch, If::Any).map(drop).map_err(|no| self.talk.told(&key, no))
    }

    fn kept(&self) -> Result<Vec<KeptFile>, TargetError> {
        self.look_for_marker()?;
        let mut found = Vec::new();
        self.talk.list(&format!("{KEPT}/"), None, &mut |key| {
            let name = key.key.strip_prefix(KEPT).and_then(|name| name.strip_prefix('/')).unwrap_or_default();
            if is_plain_name(name) {
                found.push(KeptFile { name: name.into(), bytes: key.bytes });
            }
            Go::On
        })?;
        found.sort();
        Ok(found)
    }

    fn forget(&self, name: &str) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.still_ours()?;
        self.talk.delete(&self.kept_key(name)?)
    }
}
