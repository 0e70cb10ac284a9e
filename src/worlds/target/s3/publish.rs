//! Publishing: from staged keys to an object, or a version of it, that everyone sees.
//!
//! - What is published holds exactly the keys its inventory names: what lies there is listed and counted both ways.
//! - A new object appears with its declaration, which is written last and over nothing; a version by one write of the root
//!   inventory, over the one it was planned on.
//! - Inventories, sidecars and the declaration are read back and compared before and after that write.
//!
//! A version shows itself in steps: its folder is there before the root inventory names it (E001, E046), and the sidecar
//! follows by one write (E060). A stop between the two is mended when the target is opened, or the version is taken up.

use super::intents::{Open, Staging};
use super::objects::{Go, If, PUT_MAX};
use super::talk::{No, Stretch};
use super::{S3Target, TEXT_MAX, live};
use crate::model::digest::hex;
use crate::model::object::ObjectId;
use crate::rules::ocfl::inventory::{self, Row};
use crate::rules::ocfl::layout::{self, INVENTORY, SIDECAR};
use crate::rules::read::Slice;
use crate::worlds::target::{Head, Publication, TargetError, Txn};
use sha2::{Digest, Sha256, Sha512};
use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

impl S3Target {
    pub(super) fn publish_object(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError> {
        self.mend(what.object, what.version)?;
        match (self.look_at_head(what.object)?, what.base_sha512) {
            (Some((head, _)), _) if head.inventory_sha512 == what.inventory_sha512 => {}
            (None, None) => {
                let bytes = self.assemble(txn, what)?;
                self.declare(what)?;
                self.used(bytes)?;
            }
            (Some((head, tag)), Some(base)) if head.inventory_sha512 == base => {
                let bytes = self.assemble(txn, what)?;
                self.replace_root(what, &tag)?;
                self.used(bytes)?;
            }
            (head, base) => {
                let is = head.map_or("is not there".into(), |(head, _)| {
                    format!("has version {} with inventory {}", head.version, head.inventory_sha512)
                });
                let was = base.map_or("a new object".into(), |base| format!("inventory {base}"));
                let why = format!("{} {is}; the plan was made on {was}", what.object);
                return Err(TargetError::Moved { target: self.name.clone(), why });
            }
        }
        if let Some(open) = self.intents.of_item(txn).filter(|open| open.intent.fence <= txn.fence)
            && let Err(error) = self.close(&open.intent)
        {
            // The object is safe; what is left over is removed by `discard` or the next `begin`.
            log::warn!(
                "target {}: {} is published; what is left over stays: {error:?}",
                self.name,
                what.object
            );
        }
        Ok(layout::object_path(what.object))
    }

    /// Makes the version's folder hold what its inventory names, inventory and sidecar included. Gives the bytes there.
    pub(super) fn assemble(&self, txn: &Txn, what: &Publication<'_>) -> Result<u64, TargetError> {
        let mut open = self.open_txn(txn)?;
        if open.intent.object != *what.object || open.intent.version != what.version {
            return Err(self.talk.io("", "its transaction was begun for another version"));
        }
        if what.inventory.size() > PUT_MAX {
            return Err(self.talk.io(INVENTORY, "it has more than 5 GiB, the most that one write takes"));
        }
        self.check_inventory(what)?;
        if open.intent.staging != Staging::Final {
            open = self.claim_final(txn, open)?;
            self.move_in(&open, what)?;
        }
        let bytes = self.match_content(what)?;
        let folder = format!("{}/v{}", live(what.object), what.version);
        self.write_inventory(&folder, what, If::Any)?;
        self.write_sidecar(&folder, what)?;
        Ok(bytes + 2 * what.inventory.size())
    }

    /// The inventory is the one that was frozen, of this version of this object.
    fn check_inventory(&self, what: &Publication<'_>) -> Result<(), TargetError> {
        let lost = |why: String| TargetError::Source { path: INVENTORY.into(), why };
        let mut json = Hashed { from: Slice::whole(what.inventory), hash: Sha512::new() };
        let summary = inventory::walk(&mut json, &mut |_| Ok(()));
        io::copy(&mut json, &mut io::sink()).map_err(|error| lost(error.to_string()))?;
        if hex(&json.hash.finalize()) != what.inventory_sha512 {
            return Err(lost("its digest is not the one it was frozen with".into()));
        }
        let summary = summary.map_err(|error| lost(error.to_string()))?;
        if summary.head != what.version || summary.id != what.object.0 {
            return Err(lost(format!("the inventory is of version {} of {}", summary.head, summary.id)));
        }
        Ok(())
    }

    /// The final keys of its version are this transaction's from now on.
    fn claim_final(&self, txn: &Txn, open: Open) -> Result<Open, TargetError> {
        let mut intent = open.intent;
        if let Some(rival) = self.intents.rival(&intent) {
            if rival.ledger == self.ledger {
                let why =
                    format!("item {} is on its way to the same version of {}", rival.item, rival.object);
                return Err(self.talk.io(&rival.key(), why));
            }
            log::warn!(
                "target {}: what the ledger {} left of version {} of {} gives way: no inventory names it",
                self.name,
                rival.ledger,
                rival.version,
                rival.object
            );
            self.close(&rival)?;
        }
        intent.staging = Staging::Moving;
        self.write_intent(intent, Some(open.tag), open.left)?;
        self.open_txn(txn)
    }

    /// Copies what lies aside to its final keys.
    fn move_in(&self, open: &Open, what: &Publication<'_>) -> Result<(), TargetError> {
        let prefix = format!("v{}/content/", what.version);
        let mut files: Vec<(String, String)> = Vec::new();
        let mut moved = Ok(());
        self.each_content(what, &prefix, &mut |path, sha512| {
            files.push((path.to_string(), sha512.to_string()));
            if files.len() >= 1_024 && moved.is_ok() {
                moved = self.move_some(open, &std::mem::take(&mut files));
            }
        })?;
        moved.and_then(|()| self.move_some(open, &files))
    }

    fn move_some(&self, open: &Open, files: &[(String, String)]) -> Result<(), TargetError> {
        let next = AtomicUsize::new(0);
        let (aside, to) = (open.intent.aside(), live(&open.intent.object));
        super::uploads::in_threads(files.len().min(self.talk.connections), &|| {
            while let Some((path, sha512)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.move_file(&format!("{aside}/{path}"), &format!("{to}/{path}"), sha512)?;
            }
            Ok(())
        })
    }

    /// Every content file of this version lies at its key, and nothing else does. Gives their bytes.
    fn match_content(&self, what: &Publication<'_>) -> Result<u64, TargetError> {
        let (object, prefix) = (live(what.object), format!("v{}/content/", what.version));
        // 16 bytes a key tell them apart; a listing and an inventory have their own orders.
        let short = |path: &str| -> [u8; 16] {
            let mut short = [0; 16];
            short.copy_from_slice(&Sha256::digest(path)[..16]);
            short
        };
        let mut named = HashSet::new();
        self.each_content(what, &prefix, &mut |path, _| {
            named.insert(short(path));
        })?;
        let (mut bytes, mut extra) = (0, Vec::new());
        self.talk.list(&format!("{object}/{prefix}"), None, &mut |found| {
            let inside = found.key.strip_prefix(&object).and_then(|path| path.strip_prefix('/'));
            match inside.is_some_and(|path| named.remove(&short(path))) {
                true => bytes += found.bytes,
                false => extra.push(found.key),
            }
            if extra.len() < 100_000 { Go::On } else { Go::Stop }
        })?;
        if !named.is_empty() && extra.len() < 100_000 {
            let mut missing = None;
            self.each_content(what, &prefix, &mut |path, _| {
                if missing.is_none() && named.contains(&short(path)) {
                    missing = Some(path.to_string());
                }
            })?;
            let path = format!("{object}/{}", missing.unwrap_or_default());
            return Err(self.talk.io(&path, "it was staged, and is not there any more"));
        }
        // Of an earlier plan of this item.
        self.delete_all(&extra)?;
        if extra.len() < 100_000 { Ok(bytes) } else { self.match_content(what) }
    }

    pub(super) fn each_content(
        &self,
        what: &Publication<'_>,
        prefix: &str,
        each: &mut dyn FnMut(&str, &str),
    ) -> Result<(), TargetError> {
        let summary = inventory::walk(Slice::whole(what.inventory), &mut |row| {
            match row {
                Row::Content { path, sha512 } if path.starts_with(prefix) => each(path, sha512),
                _ => {}
            }
            Ok(())
        });
        summary
            .map(drop)
            .map_err(|error| TargetError::Source { path: INVENTORY.into(), why: error.to_string() })
    }

    /// Writes an inventory, and reads it back.
    fn write_inventory(&self, folder: &str, what: &Publication<'_>, only: If<'_>) -> Result<(), TargetError> {
        let key = format!("{folder}/{INVENTORY}");
        self.put_if(&key, Stretch::whole(what.inventory), only).map_err(|no| match no {
            no if no.is_condition() => self.moved(what.object, "changed while its new version was made"),
            No::Failed(TargetError::Source { why, .. }) => {
                TargetError::Source { path: INVENTORY.into(), why }
            }
            no => self.talk.told(&key, no),
        })?;
        self.prove(&key, what.inventory_sha512)
    }

    fn write_sidecar(&self, folder: &str, what: &Publication<'_>) -> Result<(), TargetError> {
        self.write_own(&format!("{folder}/{SIDECAR}"), &layout::sidecar(what.inventory_sha512), If::Any)
    }

    /// Writes a short text, and reads it back.
    fn write_own(&self, key: &str, text: &str, only: If<'_>) -> Result<(), TargetError> {
        self.put_text(key, text.as_bytes(), only).map_err(|no| self.talk.told(key, no))?;
        self.prove(key, &hex(&Sha512::digest(text)))
    }

    fn prove(&self, key: &str, sha512: &str) -> Result<(), TargetError> {
        let mut hash = Sha512::new();
        self.talk.read(key, &mut |chunk| hash.update(chunk))?;
        match hex(&hash.finalize()) == sha512 {
            true => Ok(()),
            false => Err(self.talk.io(key, "what is read back is not what was written")),
        }
    }

    pub(super) fn moved(&self, object: &ObjectId, why: &str) -> TargetError {
        TargetError::Moved { target: self.name.clone(), why: format!("{object} {why}") }
    }

    /// The end of a new object.
    pub(super) fn declare(&self, what: &Publication<'_>) -> Result<(), TargetError> {
        let object = live(what.object);
        self.write_inventory(&object, what, If::Any)?;
        self.write_sidecar(&object, what)?;
        let (name, text) = layout::OBJECT_DECLARATION;
        let key = format!("{object}/{name}");
        match self.put_text(&key, text.as_bytes(), If::New) {
            Ok(_) => self.prove(&key, &hex(&Sha512::digest(text))),
            // An answer was lost and the request sent again, or another came first: its inventory tells.
            Err(no) if no.is_condition() => match self.look_at_head(what.object)? {
                Some((head, _)) if head.inventory_sha512 == what.inventory_sha512 => Ok(()),
                _ => Err(self.moved(what.object, "came there meanwhile")),
            },
            Err(no) => Err(self.talk.told(&key, no)),
        }
    }

    /// The end of a new version: the root inventory, over the one with this tag.
    fn replace_root(&self, what: &Publication<'_>, tag: &str) -> Result<(), TargetError> {
        let object = live(what.object);
        let only = if tag.is_empty() { If::Any } else { If::Is(tag) };
        match self.write_inventory(&object, what, only) {
            // An answer was lost, and the request sent again: what lies there tells.
            Err(TargetError::Moved { .. })
                if self.prove(&format!("{object}/{INVENTORY}"), what.inventory_sha512).is_ok() => {}
            other => other?,
        }
        self.write_sidecar(&object, what)
    }

    /// Writes the sidecar of a version whose root inventory is in place already, if a stop came between.
    pub(super) fn mend(&self, object: &ObjectId, version: u32) -> Result<(), TargetError> {
        if version < 2 {
            return Ok(());
        }
        let folder = live(object);
        let (root, own) = (format!("{folder}/{SIDECAR}"), format!("{folder}/v{version}/{SIDECAR}"));
        let Some((own, _)) = self.talk.get(&own, TEXT_MAX)? else { return Ok(()) };
        let Some((found, _)) = self.talk.get(&root, TEXT_MAX)? else { return Ok(()) };
        if own == found {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&own).into_owned();
        let Some(sha512) = layout::sidecar_digest(&text) else { return Ok(()) };
        let mut hash = Sha512::new();
        self.talk.read(&format!("{folder}/{INVENTORY}"), &mut |chunk| hash.update(chunk))?;
        if hex(&hash.finalize()) != sha512.to_ascii_lowercase() {
            return Ok(());
        }
        self.write_own(&root, &text, If::Any)
    }

    /// The object's head, its inventory read, hashed and parsed, and the inventory's entity tag.
    pub(super) fn look_at_head(&self, object: &ObjectId) -> Result<Option<(Head, String)>, TargetError> {
        let folder = live(object);
        let (name, text) = layout::OBJECT_DECLARATION;
        let declaration = format!("{folder}/{name}");
        let Some((declared, _)) = self.talk.get(&declaration, TEXT_MAX)? else {
            self.look_for_marker()?;
            return Ok(None);
        };
        if declared != text.as_bytes() {
            return Err(self.talk.io(&declaration, "it does not say what its name says"));
        }
        let sidecar = self.read_sidecar(&folder)?;
        let key = format!("{folder}/{INVENTORY}");
        let reading = self.talk.open(&key).map_err(|no| self.talk.told(&key, no))?;
        let tag = reading.tag.clone().unwrap_or_default();
        let mut json = Hashed { from: reading, hash: Sha512::new() };
        let summary = inventory::walk(&mut json, &mut |_| Ok(()));
        io::copy(&mut json, &mut io::sink()).map_err(|error| self.talk.io(&key, error.to_string()))?;
        let found = hex(&json.hash.finalize());
        let summary = summary.map_err(|error| self.talk.io(&key, error.to_string()))?;
        if found != sidecar {
            return Err(self.talk.io(&key, format!("its SHA-512 is {found}, its sidecar says {sidecar}")));
        }
        if summary.id != object.0 {
            return Err(self.talk.io(&key, format!("it belongs to {}", summary.id)));
        }
        let path = layout::object_path(object);
        Ok(Some((Head { version: summary.head, inventory_sha512: found, path }, tag)))
    }

    pub(super) fn read_sidecar(&self, folder: &str) -> Result<String, TargetError> {
        let key = format!("{folder}/{SIDECAR}");
        let text = self
            .talk
            .get(&key, TEXT_MAX)?
            .map(|(text, _)| text)
            .ok_or_else(|| self.talk.io(&key, "it is not there, and its inventory's object is"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let digest = layout::sidecar_digest(&text).map(str::to_ascii_lowercase);
        digest.ok_or_else(|| self.talk.io(&key, "it is no sidecar of an inventory"))
    }

    pub(super) fn add_log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        let folder = live(object);
        let key = self.beneath(&format!("{folder}/logs/premis"), name)?;
        if name.contains('/') || name.starts_with('.') {
            return Err(self.talk.io(&key, "no name of a log"));
        }
        let declaration = format!("{folder}/{}", layout::OBJECT_DECLARATION.0);
        if self.talk.head(&declaration)?.is_none() {
            return Err(self.talk.io(&key, "there is no such object"));
        }
        match self.put_text(&key, bytes, If::New) {
            Ok(_) => Ok(()),
            Err(no) if no.is_condition() => match self.talk.get(&key, bytes.len().max(1) as u64 * 2)? {
                Some((found, _)) if found == bytes => Ok(()),
                _ => Err(self.talk.io(&key, "another log of this name is there")),
            },
            Err(no) => Err(self.talk.told(&key, no)),
        }
    }
}

/// Hashes what is read through it.
struct Hashed<R> {
    from: R,
    hash: Sha512,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buf)?;
        self.hash.update(&buf[..count]);
        Ok(count)
    }
}
