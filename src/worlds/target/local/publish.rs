//! Publishing: from staged files to an object, or a version of it, that everyone sees.
//!
//! - What is published holds exactly the files its inventory names: staged files are counted against it both ways.
//! - The storage root never shows an empty folder: the highest tuple folder that is missing is moved in with the object.
//! - Nothing is moved over anything; a new version is swapped in only for the version it was planned on.
//!
//! Where folders cannot be swapped or files not linked, a new version takes three renames:
//!
//! ```text
//! 1. next/inventory.json, its sidecar and next/intent.json are written and synced in work/
//! 2. obj/vN -> live/vN     3. next/inventory.json -> live/     4. next/…sha512 -> live/
//! ```
//!
//! Between 2 and 4 a reader sees a version its inventory does not know (E001, E046), then a sidecar that is old (E060).
//! A stop there is rolled forward from `next/` when the target is opened, or the transaction is taken up or discarded.

use super::durable::{fsync_folder, write_synced};
use super::folders::{entries, remove_tree};
use super::{Hashed, LocalTarget};
use crate::model::digest::hex;
use crate::model::object::ObjectId;
use crate::rules::ocfl::inventory::{self, Row};
use crate::rules::ocfl::layout::{self, INVENTORY, SIDECAR};
use crate::rules::read::Slice;
use crate::worlds::target::{Publication, TargetError, Txn};
use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What a publication in several renames is about.
#[derive(Serialize, Deserialize)]
struct Intent {
    object: ObjectId,
    version: u32,
}

impl LocalTarget {
    pub(super) fn publish_object(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError> {
        let folder = self.txn_folder(txn);
        let live = self.live(what.object);
        self.roll_forward(&folder)?;
        match (self.look_at_head(what.object)?, what.base_sha512) {
            (Some(head), _) if head.inventory_sha512 == what.inventory_sha512 => {
                // Published before. The stop may have come between the rename and its sync.
                self.sync_way_to(&live)?;
            }
            (None, None) => {
                self.take_back(&folder, what.object)?;
                let obj = self.assemble(&folder, what)?;
                self.move_in(&folder, &obj, what.object)?;
            }
            (Some(head), Some(base)) if head.inventory_sha512 == base => {
                let obj = self.assemble(&folder, what)?;
                self.new_version(&folder, &obj, &live, what, base)?;
            }
            (head, base) => {
                let is = head.map_or("is not there".into(), |head| {
                    format!("has version {} with inventory {}", head.version, head.inventory_sha512)
                });
                let was = base.map_or("a new object".into(), |base| format!("inventory {base}"));
                let why = format!("{} {is}; the plan was made on {was}", what.object);
                return Err(TargetError::Moved { target: self.name.clone(), why });
            }
        }
        self.forget_txn(txn);
        Ok(layout::object_path(what.object))
    }

    /// Makes `obj` a whole object, but for the older versions, and durable.
    pub(super) fn assemble(&self, folder: &Path, what: &Publication<'_>) -> Result<PathBuf, TargetError> {
        let obj = folder.join("obj");
        let version = format!("v{}", what.version);
        let fail = |error: io::Error| self.fail(&obj, error);
        fs::create_dir_all(obj.join(&version)).map_err(fail)?;
        let system = File::open(&obj).map_err(fail)?;
        self.keep_only(&obj, &[&version])?;
        self.keep_only(&obj.join(&version), &["content"])?;
        self.match_content(&obj, what)?;
        for inside in [obj.join(&version), obj.clone()] {
            self.write_inventory(&inside, what)?;
        }
        let (name, text) = layout::OBJECT_DECLARATION;
        fs::write(obj.join(name), text).map_err(fail)?;
        // One call for these files and every folder below, where one by one would be thousands.
        syncfs(&system).map_err(|error| fail(error.into()))?;
        self.prove_frame(&obj, what)?;
        Ok(obj)
    }

    /// Reads back, past the page cache, what `assemble` wrote: content files were read back by whoever put them.
    fn prove_frame(&self, obj: &Path, what: &Publication<'_>) -> Result<(), TargetError> {
        let sidecar = hex(&Sha512::digest(layout::sidecar(what.inventory_sha512)));
        let (name, text) = layout::OBJECT_DECLARATION;
        let mut wanted = vec![(obj.join(name), hex(&Sha512::digest(text)))];
        for folder in [obj.join(format!("v{}", what.version)), obj.to_path_buf()] {
            wanted.push((folder.join(INVENTORY), what.inventory_sha512.to_string()));
            wanted.push((folder.join(SIDECAR), sidecar.clone()));
        }
        for (path, digest_given) in wanted {
            let mut hash = Sha512::new();
            self.read_file(&path, &mut |chunk| {
                hash.update(chunk);
                true
            })?;
            if hex(&hash.finalize()) != digest_given {
                return Err(self.io(&path, "what is read back is not what was written"));
            }
        }
        Ok(())
    }

    /// Writes inventory and sidecar, not synced yet; the inventory must be the one that was frozen.
    fn write_inventory(&self, folder: &Path, what: &Publication<'_>) -> Result<(), TargetError> {
        let path = folder.join(INVENTORY);
        let fail = |error: io::Error| self.fail(&path, error);
        let lost = |why: String| TargetError::Source { path: INVENTORY.into(), why };
        let mut out = OpenOptions::new().write(true).create_new(true).open(&path).map_err(fail)?;
        let mut json = Hashed { from: Slice::whole(what.inventory), hash: Sha512::new() };
        let mut buffer = self.copy_buffer();
        loop {
            let got = io::Read::read(&mut json, &mut buffer).map_err(|error| lost(error.to_string()))?;
            if got == 0 {
                break;
            }
            io::Write::write_all(&mut out, &buffer[..got]).map_err(fail)?;
        }
        self.give_back(buffer);
        if hex(&json.hash.finalize()) != what.inventory_sha512 {
            return Err(lost("its digest is not the one it was frozen with".into()));
        }
        fs::write(folder.join(SIDECAR), layout::sidecar(what.inventory_sha512)).map_err(fail)
    }

    /// Every content file of this version is staged, and nothing else is.
    fn match_content(&self, obj: &Path, what: &Publication<'_>) -> Result<(), TargetError> {
        let prefix = format!("v{}/content/", what.version);
        let mut named = 0u64;
        let mut missing = None;
        let summary = self.each_content(what, &prefix, &mut |path| {
            named += 1;
            if !obj.join(path).symlink_metadata().is_ok_and(|found| found.is_file()) {
                missing.get_or_insert(path.to_string());
            }
        })?;
        if let Some(path) = missing {
            return Err(self.io(&obj.join(path), "it was staged, and is not there any more"));
        }
        if summary.head != what.version || summary.id != what.object.0 {
            let why = format!("the inventory is of version {} of {}", summary.head, summary.id);
            return Err(self.io(obj, why));
        }
        let content = obj.join(&prefix);
        let fail = |error: io::Error| self.fail(&content, error);
        if prune(&content, &mut |_| true).map_err(fail)? == named {
            return Ok(());
        }
        // Rare: files of an earlier plan of this item. 16 bytes a file tell them apart.
        let digest = |path: &str| Sha256::digest(path)[..16].to_vec();
        let mut known = HashSet::new();
        self.each_content(what, &prefix, &mut |path| {
            known.insert(digest(path));
        })?;
        let keep = &mut |path: &Path| {
            let inside = path.strip_prefix(obj).ok().and_then(Path::to_str);
            inside.is_some_and(|path| known.contains(&digest(path)))
        };
        prune(&content, keep).map_err(fail).map(drop)
    }

    fn each_content(
        &self,
        what: &Publication<'_>,
        prefix: &str,
        each: &mut dyn FnMut(&str),
    ) -> Result<inventory::Summary, TargetError> {
        let summary = inventory::walk(Slice::whole(what.inventory), &mut |row| {
            match row {
                Row::Content { path, .. } if path.starts_with(prefix) => each(path),
                _ => {}
            }
            Ok(())
        });
        summary.map_err(|error| TargetError::Source { path: INVENTORY.into(), why: error.to_string() })
    }

    /// Moves a new object in, with as many of its tuple folders as are missing.
    pub(super) fn move_in(&self, folder: &Path, obj: &Path, object: &ObjectId) -> Result<(), TargetError> {
        let place = layout::object_path(object);
        let (tree, root) = (folder.join("tree"), self.path.join("ocfl"));
        let placed = tree.join(&place);
        let fail = |error: io::Error| self.fail(&placed, error);
        let above = placed.parent().unwrap_or(&tree);
        fs::create_dir_all(above).map_err(fail)?;
        self.rename_new(obj, &placed).map_err(fail)?;
        for inside in above.ancestors().take_while(|inside| inside.starts_with(folder)) {
            fsync_folder(inside).map_err(fail)?;
        }
        let mut at = PathBuf::new();
        for name in Path::new(&place).components() {
            at.push(name);
            match self.rename_new(&tree.join(&at), &root.join(&at)) {
                Ok(()) => {
                    // The commit point, once the folder it came into is synced.
                    let parents = [root.join(&at), tree.join(&at)];
                    let mut parents = parents.iter().filter_map(|folder| folder.parent());
                    return parents.try_for_each(fsync_folder).map_err(fail);
                }
                // This tuple is there, or came meanwhile: one level lower.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fail(error)),
            }
        }
        let why = format!("{object} came to {place} meanwhile");
        Err(TargetError::Moved { target: self.name.clone(), why })
    }

    fn new_version(
        &self,
        folder: &Path,
        obj: &Path,
        live: &Path,
        what: &Publication<'_>,
        base: &str,
    ) -> Result<(), TargetError> {
        if self.abilities.exchange && self.link_older(obj, live, what)? {
            // We hold the object and the target's lock; a person with a shell does not ask.
            if self.read_sidecar(live)? != base {
                let why = format!("{} changed while its new version was made", what.object);
                return Err(TargetError::Moved { target: self.name.clone(), why });
            }
            let swapped = renameat_with(CWD, obj, CWD, live, RenameFlags::EXCHANGE);
            swapped.map_err(|error| self.fail(live, error.into()))?;
            fsync_folder(folder).map_err(|error| self.fail(folder, error))?;
            return self.sync_way_to(live);
        }
        self.publish_by_renames(folder, obj, live, what)
    }

    /// Links everything of the live object but its root files into the new one. False when the file system refuses.
    fn link_older(&self, obj: &Path, live: &Path, what: &Publication<'_>) -> Result<bool, TargetError> {
        let fail = |error: io::Error| self.fail(live, error);
        let version = format!("v{}", what.version);
        let ours = [INVENTORY, SIDECAR, layout::OBJECT_DECLARATION.0, version.as_str()];
        for entry in entries(live).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            if ours.iter().any(|known| name == *known) {
                continue;
            }
            match link_tree(&entry.path(), &obj.join(name)) {
                Ok(()) => {}
                Err(error) if cannot_link(&error) => {
                    self.keep_only(obj, &ours)?;
                    return Ok(false);
                }
                Err(error) => return Err(fail(error)),
            }
        }
        let system = File::open(obj).map_err(fail)?;
        syncfs(&system).map_err(|error| fail(error.into()))?;
        Ok(true)
    }

    fn publish_by_renames(
        &self,
        folder: &Path,
        obj: &Path,
        live: &Path,
        what: &Publication<'_>,
    ) -> Result<(), TargetError> {
        let next = folder.join("next");
        let fail = |error: io::Error| self.fail(live, error);
        // An unfinished one of an earlier try; what had to be rolled forward has been.
        if next.exists() {
            remove_tree(&next).map_err(fail)?;
        }
        fs::create_dir(&next).map_err(fail)?;
        for name in [INVENTORY, SIDECAR] {
            fs::rename(obj.join(name), next.join(name)).map_err(fail)?;
        }
        let intent = Intent { object: what.object.clone(), version: what.version };
        let text = serde_json::to_vec(&intent).map_err(io::Error::from).map_err(fail)?;
        write_synced(&next.join("intent.json"), &text).map_err(fail)?;
        fsync_folder(&next).and_then(|()| fsync_folder(folder)).map_err(fail)?;
        let version = format!("v{}", what.version);
        self.rename_new(&obj.join(&version), &live.join(&version)).map_err(fail)?;
        fsync_folder(live).map_err(fail)?;
        self.roll_forward(folder)
    }

    /// Finishes a publication in several renames, if its first was made; otherwise changes nothing.
    pub(super) fn roll_forward(&self, folder: &Path) -> Result<(), TargetError> {
        self.finish_burial(folder)?;
        let next = folder.join("next");
        let path = next.join("intent.json");
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| self.fail(&path, error))?,
        };
        // An intent that cannot be read was never synced, so no rename followed it.
        let Ok(intent) = serde_json::from_slice::<Intent>(&text) else { return Ok(()) };
        let version = format!("v{}", intent.version);
        let live = self.live(&intent.object);
        let fail = |error: io::Error| self.fail(&live, error);
        if folder.join("obj").join(&version).exists() || !live.join(&version).exists() {
            return Ok(());
        }
        for name in [INVENTORY, SIDECAR] {
            match fs::rename(next.join(name), live.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
                _ => fsync_folder(&live).map_err(fail)?,
            }
        }
        fs::remove_file(&path).map_err(fail)?;
        fsync_folder(&next).map_err(fail)
    }

    /// Syncs every folder from the storage root down to the one that holds the object.
    pub(super) fn sync_way_to(&self, live: &Path) -> Result<(), TargetError> {
        let root = self.path.join("ocfl");
        for folder in live.ancestors().skip(1).take_while(|folder| folder.starts_with(&root)) {
            fsync_folder(folder).map_err(|error| self.fail(folder, error))?;
        }
        Ok(())
    }

    pub(super) fn add_log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        let live = self.live(object);
        let folder = live.join("logs/premis");
        let path = self.beneath(&folder, name)?;
        let fail = |error: io::Error| self.fail(&path, error);
        if path.parent() != Some(folder.as_path()) || name.starts_with('.') {
            return Err(self.io(&path, "no name of a log"));
        }
        for part in ["logs", "logs/premis"] {
            match fs::create_dir(live.join(part)) {
                Ok(()) => fsync_folder(live.join(part).parent().unwrap_or(&live)).map_err(fail)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fail(error)),
            }
        }
        match fs::read(&path) {
            // The stop may have come between the rename and its sync.
            Ok(known) if known == bytes => return fsync_folder(&folder).map_err(fail),
            Ok(_) => return Err(self.io(&path, "another log of this name is there")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            Err(_) => {}
        }
        let beside = self.path.join("work/tmp").join(format!("{}-{name}", short_name(object)));
        let _ = fs::remove_file(&beside);
        write_synced(&beside, bytes).map_err(fail)?;
        self.rename_new(&beside, &path).map_err(fail)?;
        fsync_folder(&folder).map_err(fail)
    }
}

/// A short name that no other object has.
fn short_name(object: &ObjectId) -> String {
    hex(&Sha256::digest(object.0.as_bytes())[..12])
}

/// Removes what `keep` does not want, and folders with nothing in them; gives the number of files left. No folder: 0.
fn prune(folder: &Path, keep: &mut dyn FnMut(&Path) -> bool) -> io::Result<u64> {
    let found = match entries(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut files = 0;
    for entry in found {
        let entry = entry?;
        if entry.is_dir()? {
            files += prune(&entry.path(), keep)?;
        } else if keep(&entry.path()) {
            files += 1;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    if files == 0 {
        fs::remove_dir(folder)?;
    }
    Ok(files)
}

/// The same tree again, its files linked.
pub(super) fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    if !from.symlink_metadata()?.is_dir() {
        return fs::hard_link(from, to);
    }
    fs::create_dir(to)?;
    for entry in entries(from)? {
        let entry = entry?;
        link_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

pub(super) fn cannot_link(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(error.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}
