//! Burying: a tombstone takes the place of its object, and the object is removed file by file.
//!
//! ```text
//! obj/v1/…                                    the tombstone, made whole and synced in its transaction's folder
//! obj -> work/trash/<ledger>-<item>/1         and swapped with the live object: one step, no gap
//! work/trash/<ledger>-<item>/1                the object; removed file by file, by this try or the next ones
//! ```
//!
//! - The logs of the object are the tombstone's from then on: what happened to the object stays to be read.
//! - What lies in the trash is never looked for by anybody but to remove it; a stop anywhere leaves only space taken.
//!
//! Where folders cannot be swapped or files not linked it takes three renames, and whoever looks between them sees no
//! object at all:
//!
//! ```text
//! 1. live -> trash     2. trash/logs -> obj/logs     3. obj -> live
//! ```
//!
//! A stop there is made good from `burial.json` when the target is opened, or the transaction is taken up or discarded.

use super::LocalTarget;
use super::durable::{fsync_folder, write_synced};
use super::folders::wear_away;
use super::publish::{cannot_link, link_tree};
use crate::model::object::ObjectId;
use crate::worlds::target::burial::{Burial, Buried, GoOn};
use crate::worlds::target::{TargetError, Txn};
use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What a burial in several renames is about.
const INTENT: &str = "burial.json";

/// Tries of one burial that may each have left something in the trash.
const TRIES_MAX: u32 = 1_000;

/// Versions whose sidecars are asked what a damaged object is.
const ASKED_MAX: usize = 16;

#[derive(Serialize, Deserialize)]
struct Intent {
    object: ObjectId,
    /// Where the object goes, below the target's folder.
    aside: String,
}

impl LocalTarget {
    pub(super) fn bury(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        let tombstone = &what.tombstone;
        let (folder, live) = (self.txn_folder(txn), self.live(tombstone.object));
        self.roll_forward(&folder)?;
        match self.look_at_head(tombstone.object) {
            Ok(Some(head)) if head.inventory_sha512 == tombstone.inventory_sha512 => {
                // Done before. The stop may have come between the swap and its sync.
                self.sync_way_to(&live)?;
            }
            Ok(None) => {
                self.take_back(&folder, tombstone.object)?;
                let obj = self.assemble(&folder, tombstone)?;
                self.move_in(&folder, &obj, tombstone.object)?;
            }
            Ok(Some(head)) if what.versions.contains(&head.inventory_sha512) => {
                self.put_in_place(&folder, &live, what, txn)?;
            }
            // It is damaged. What is given up is given up as it is, if it is what was meant.
            Err(error @ TargetError::Io { .. }) => match self.is_one_of(&live, what.versions) {
                true => self.put_in_place(&folder, &live, what, txn)?,
                false => return Err(error),
            },
            Ok(Some(head)) => {
                let why = format!(
                    "{} has version {} with inventory {}, which nobody gave up",
                    tombstone.object, head.version, head.inventory_sha512
                );
                return Err(TargetError::Moved { target: self.name.clone(), why });
            }
            Err(error) => return Err(error),
        }
        self.forget_txn(txn);
        self.empty_trash(txn, go_on)
    }

    /// True when a sidecar of a damaged object names one of these inventories.
    fn is_one_of(&self, live: &Path, versions: &[String]) -> bool {
        let numbered =
            (1..=versions.len()).rev().take(ASKED_MAX).map(|number| live.join(format!("v{number}")));
        let mut folders = std::iter::once(live.to_path_buf()).chain(numbered);
        folders.any(|folder| self.read_sidecar(&folder).is_ok_and(|digest| versions.contains(&digest)))
    }

    fn trash_of(&self, txn: &Txn) -> PathBuf {
        self.path.join("work/trash").join(format!("{}-{}", txn.ledger, txn.item))
    }

    /// A name in the trash that nothing has. What stopped tries left there is removed with the rest.
    fn place_in_trash(&self, txn: &Txn) -> Result<PathBuf, TargetError> {
        let trash = self.trash_of(txn);
        let fail = |error: io::Error| self.fail(&trash, error);
        fs::create_dir_all(&trash).map_err(fail)?;
        fsync_folder(&self.path.join("work/trash")).map_err(fail)?;
        fsync_folder(&self.path.join("work")).map_err(fail)?;
        let mut names = (1..=TRIES_MAX).map(|number| trash.join(number.to_string()));
        let free = names.find(|name| name.symlink_metadata().is_err());
        free.ok_or_else(|| self.io(&trash, "too many tries left something here; look at it and remove it"))
    }

    fn put_in_place(
        &self,
        folder: &Path,
        live: &Path,
        what: &Burial<'_>,
        txn: &Txn,
    ) -> Result<(), TargetError> {
        let obj = self.assemble(folder, &what.tombstone)?;
        let aside = self.place_in_trash(txn)?;
        let parents = [aside.parent(), Some(folder)].into_iter().flatten();
        if self.abilities.exchange && self.link_logs(&obj, live)? {
            self.rename_new(&obj, &aside).map_err(|error| self.fail(&aside, error))?;
            parents.clone().try_for_each(fsync_folder).map_err(|error| self.fail(&aside, error))?;
            let swapped = renameat_with(CWD, &aside, CWD, live, RenameFlags::EXCHANGE);
            swapped.map_err(|error| self.fail(live, error.into()))?;
        } else {
            let fail = |error: io::Error| self.fail(live, error);
            let below = aside.strip_prefix(&self.path).unwrap_or(&aside);
            let aside_text = below.to_string_lossy().into_owned();
            let intent = Intent { object: what.tombstone.object.clone(), aside: aside_text };
            let text = serde_json::to_vec(&intent).map_err(io::Error::from).map_err(fail)?;
            write_synced(&folder.join(INTENT), &text).map_err(fail)?;
            fsync_folder(folder).map_err(fail)?;
            self.rename_new(live, &aside).map_err(fail)?;
            self.sync_way_to(live)?;
            self.finish_burial(folder)?;
        }
        parents.into_iter().try_for_each(fsync_folder).map_err(|error| self.fail(&aside, error))?;
        self.sync_way_to(live)
    }

    /// Links the object's logs into its tombstone. False when the file system refuses.
    fn link_logs(&self, obj: &Path, live: &Path) -> Result<bool, TargetError> {
        let fail = |error: io::Error| self.fail(live, error);
        let (from, to) = (live.join("logs"), obj.join("logs"));
        if !from.is_dir() {
            return Ok(true);
        }
        match link_tree(&from, &to) {
            Ok(()) => {
                let system = File::open(obj).map_err(fail)?;
                syncfs(&system).map_err(|error| fail(error.into())).map(|()| true)
            }
            Err(error) if cannot_link(&error) => {
                self.keep_only(obj, &["v1", "inventory.json", "inventory.json.sha512", "0=ocfl_object_1.1"])?;
                Ok(false)
            }
            Err(error) => Err(fail(error)),
        }
    }

    /// Finishes a burial in several renames, if its first was made; otherwise changes nothing.
    pub(super) fn finish_burial(&self, folder: &Path) -> Result<(), TargetError> {
        let path = folder.join(INTENT);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| self.fail(&path, error))?,
        };
        // An intent that cannot be read was never synced, so no rename followed it.
        let Ok(intent) = serde_json::from_slice::<Intent>(&text) else { return Ok(()) };
        let (obj, live) = (folder.join("obj"), self.live(&intent.object));
        let fail = |error: io::Error| self.fail(&live, error);
        if live.symlink_metadata().is_err() && obj.exists() {
            let logs = self.beneath(&self.path, &intent.aside)?.join("logs");
            if logs.is_dir() && !obj.join("logs").exists() {
                self.rename_new(&logs, &obj.join("logs")).map_err(fail)?;
                fsync_folder(&obj).map_err(fail)?;
            }
            self.rename_new(&obj, &live).map_err(fail)?;
            self.sync_way_to(&live)?;
        }
        fs::remove_file(&path).map_err(fail)?;
        fsync_folder(folder).map_err(fail)
    }

    /// Removes what burials of this item put into the trash. What cannot be removed is told, and passed over.
    fn empty_trash(&self, txn: &Txn, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        let trash = self.trash_of(txn);
        let mut told = Buried::default();
        match wear_away(&trash, &mut told, go_on) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(told),
            Err(error) => Err(self.fail(&trash, error)),
            Ok(()) => {
                let above = self.path.join("work/trash");
                fsync_folder(&above).map_err(|error| self.fail(&above, error))?;
                Ok(told)
            }
        }
    }
}
