//! A target in a folder: `<path>/ocfl` is the storage root, `<path>/work` is ours, on the same file system.
//!
//! ```text
//! begin    work/<ledger>-<item>.<fence>/obj                       (an older fence's folder is renamed)
//! put      …/obj/v1/content/bag/…                 written, then the batch synced
//! publish  …/obj/v1/inventory.json, obj/inventory.json, obj/0=ocfl_object_1.1      synced
//!          new object:  rename into ocfl/ (never over anything), both parents synced
//!          new version: link the older versions in, swap with the live object, both parents synced
//! ```
//!
//! - The storage root is valid OCFL at every moment, whoever looks and whenever the power goes: an object, and a version
//!   of it, appears by one rename. (File systems that cannot swap folders show three renames; `publish` says more.)
//! - One process at a time works on a target: it holds `work/lock`.
//! - Without its marker file nothing is written: a missing mount must not fill the disk below it.
//! - Another ledger's transactions are put aside into `work/orphans`, never deleted.

mod burial;
mod durable;
mod explanation;
mod folders;
mod holdings;
mod mending;
mod probing;
mod publish;
pub(crate) mod reading;
mod staging;

use crate::model::digest::hex;
use crate::model::object::ObjectId;
use crate::rules::ocfl::inventory;
use crate::rules::ocfl::layout;
use crate::worlds::Space;
use crate::worlds::target::burial::{Burial, Buried, GoOn};
use crate::worlds::target::probe::Ability;
use crate::worlds::target::{Head, Publication, Put, Sink, Target, TargetError, Txn, Where};
use durable::{fsync_folder, write_beside};
pub(super) use explanation::EXPLANATION;
use folders::{empty_folder, entries};
use reading::Direct;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Condvar, Mutex};

/// Name of the marker file.
pub const MARKER: &str = "strongroom-target.json";

/// What the marker file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    target: String,
    id: String,
}

/// What the target's file system can do; found out at every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Rename only if nothing is there.
    pub noreplace: bool,
    /// Swap two folders in one step, and link files: new versions appear at once.
    pub exchange: bool,
    /// Read past the page cache.
    pub direct: bool,
}

/// A target in a folder.
pub struct LocalTarget {
    name: String,
    path: PathBuf,
    ledger: String,
    marker: Marker,
    abilities: Abilities,
    /// Objects being changed now; one change at a time each.
    busy: Mutex<BTreeSet<ObjectId>>,
    freed: Condvar,
    /// One file is put right at a time.
    mending: Mutex<()>,
    /// Buffers for copying and reading, used again.
    buffers: Mutex<Vec<Vec<u8>>>,
    /// Held as long as the target is open; the lock dies with the process.
    _lock: File,
}

impl LocalTarget {
    /// Makes a folder a target, by giving it a marker. Done before under the same name: fine.
    pub fn create(name: &str, path: &Path) -> Result<(), TargetError> {
        let fail = |error: io::Error| told(name, path, error);
        fs::create_dir_all(path).map_err(fail)?;
        match read_marker(name, path) {
            Ok(_) => return Ok(()),
            Err(error) if path.join(MARKER).exists() => return Err(error),
            Err(_) => {}
        }
        // A fresh file system has lost+found; anything else is somebody's. The marker is the first thing we write, so
        // what an interrupted start of ours left has one.
        for entry in entries(path).map_err(fail)? {
            let found = entry.map_err(fail)?.file_name().to_os_string();
            if found != "lost+found" && !found.to_string_lossy().starts_with(durable::TEMPORARY) {
                let why =
                    format!("{} holds {found:?} and no {MARKER}; give it an empty folder", path.display());
                return Err(TargetError::Missing { target: name.into(), why });
            }
        }
        let mut random = [0; 16];
        File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random)).map_err(fail)?;
        let marker = Marker { target: name.into(), id: hex(&random) };
        let text = serde_json::to_vec_pretty(&marker).map_err(io::Error::from).map_err(fail)?;
        write_beside(path, &path.join(MARKER), &text).map_err(fail)?;
        path.parent().map_or(Ok(()), fsync_folder).map_err(fail)
    }

    /// Opens a target for the ledger of this id: takes its lock, makes what is missing in its storage root, finds out
    /// what its file system can do, and puts aside what other ledgers left.
    pub fn open(name: &str, path: &Path, ledger: &str) -> Result<LocalTarget, TargetError> {
        let fail = |error: io::Error| told(name, path, error);
        let marker = read_marker(name, path)?;
        for folder in ["ocfl", "work", "work/tmp", "work/orphans"] {
            match fs::create_dir(path.join(folder)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
                _ => {}
            }
        }
        drop(File::create(path.join("work/lock")).map_err(fail)?);
        // Held open for reading only, so that an administrator may still remount the file system read-only.
        let lock = File::open(path.join("work/lock")).map_err(fail)?;
        lock.try_lock().map_err(|_| {
            let why = "another process works on this target".to_string();
            TargetError::Io { target: name.into(), path: path.join("work/lock").display().to_string(), why }
        })?;
        if fs::metadata(path.join("ocfl")).map_err(fail)?.dev()
            != fs::metadata(path.join("work")).map_err(fail)?.dev()
        {
            let why = "ocfl and work are on different file systems; no rename leads from one to the other";
            return Err(TargetError::Missing { target: name.into(), why: why.into() });
        }
        empty_folder(&path.join("work/tmp")).map_err(fail)?;
        let abilities = probing::probe(path).map_err(fail)?;
        let target = LocalTarget {
            name: name.into(),
            path: path.into(),
            ledger: ledger.into(),
            marker,
            abilities,
            busy: Mutex::default(),
            freed: Condvar::new(),
            mending: Mutex::default(),
            buffers: Mutex::default(),
            _lock: lock,
        };
        target.make_root()?;
        target.put_strangers_aside()?;
        target.finish_mending()?;
        Ok(target)
    }

    /// Opens a target only to look at what it holds: nothing on it is changed, so it may be mounted read-only.
    pub fn look(name: &str, path: &Path) -> Result<LocalTarget, TargetError> {
        let fail = |error: io::Error| told(name, path, error);
        let marker = read_marker(name, path)?;
        let lock = match File::open(path.join("work/lock")) {
            Ok(lock) => lock,
            // Never opened to write; its marker serves.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                File::open(path.join(MARKER)).map_err(fail)?
            }
            Err(error) => return Err(fail(error)),
        };
        lock.try_lock().map_err(|_| {
            let why = "another process works on this target".to_string();
            TargetError::Io { target: name.into(), path: path.join("work/lock").display().to_string(), why }
        })?;
        Ok(LocalTarget {
            name: name.into(),
            path: path.into(),
            ledger: String::new(),
            marker,
            abilities: Abilities { noreplace: false, exchange: false, direct: false },
            busy: Mutex::default(),
            freed: Condvar::new(),
            mending: Mutex::default(),
            buffers: Mutex::default(),
            _lock: lock,
        })
    }

    /// What its file system can do.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// Works as if the file system could not swap folders; for tests of the slower way.
    pub fn without_exchange(mut self) -> LocalTarget {
        self.abilities.exchange = false;
        self
    }

    fn make_root(&self) -> Result<(), TargetError> {
        let root = self.path.join("ocfl");
        let extension = root.join("extensions").join(layout::EXTENSION);
        let fail = |error: io::Error| told(&self.name, &root, error);
        fs::create_dir_all(&extension).map_err(fail)?;
        fsync_folder(&root.join("extensions")).map_err(fail)?;
        let (declaration, text) = layout::ROOT_DECLARATION;
        let declared = |entry: &folders::Entry| entry.file_name().to_string_lossy().starts_with("0=");
        for entry in entries(&root).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if declared(&entry) && entry.file_name() != declaration {
                return Err(self.io(&entry.path(), "this storage root is of another version"));
            }
        }
        for (file, text) in [
            (extension.join("config.json"), layout::EXTENSION_CONFIG),
            (root.join("ocfl_layout.json"), layout::LAYOUT_JSON),
            (root.join("STRONGROOM.md"), EXPLANATION),
            (root.join(declaration), text),
        ] {
            match fs::read(&file) {
                Ok(found) if found == text.as_bytes() => {}
                // The layout decides where every object lies; a file of another text means another root.
                Ok(_) if !file.ends_with("STRONGROOM.md") => {
                    return Err(self.io(&file, "it says something else than strongroom writes"));
                }
                _ => write_beside(&self.path.join("work/tmp"), &file, text.as_bytes()).map_err(fail)?,
            }
        }
        fsync_folder(&root).map_err(fail)?;
        fsync_folder(&self.path).map_err(fail)
    }

    /// An error unless our marker lies there now.
    fn look_for_marker(&self) -> Result<(), TargetError> {
        let found = read_marker(&self.name, &self.path)?;
        if found == self.marker {
            return Ok(());
        }
        let why = format!("another target ({}) lies at {}", found.id, self.path.display());
        Err(TargetError::Missing { target: self.name.clone(), why })
    }

    fn live(&self, object: &ObjectId) -> PathBuf {
        self.path.join("ocfl").join(layout::object_path(object))
    }

    fn fail(&self, path: &Path, error: io::Error) -> TargetError {
        told(&self.name, path, error)
    }

    /// As `fail`, for a file or folder that was asked for by its name.
    fn fail_asked(&self, path: &Path, error: io::Error) -> TargetError {
        match error.kind() {
            io::ErrorKind::NotFound => {
                TargetError::Absent { target: self.name.clone(), path: path.display().to_string() }
            }
            _ => self.fail(path, error),
        }
    }

    fn io(&self, path: &Path, why: impl Into<String>) -> TargetError {
        TargetError::Io { target: self.name.clone(), path: path.display().to_string(), why: why.into() }
    }

    /// A path below `folder`; only plain names may lead there.
    fn beneath(&self, folder: &Path, path: &str) -> Result<PathBuf, TargetError> {
        let inside = Path::new(path);
        let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty() || path.ends_with('/') || !plain {
            return Err(self.io(inside, "no path inside an object"));
        }
        Ok(folder.join(inside))
    }

    fn path_of(&self, at: Where<'_>) -> Result<PathBuf, TargetError> {
        match at {
            Where::Staged(txn, path) => self.beneath(&self.txn_folder(txn).join("obj"), path),
            Where::Object(object, path) => self.beneath(&self.live(object), path),
            Where::Root(path) => self.beneath(&self.path.join("ocfl"), path),
            Where::Kept(name) => self.kept_path(name),
        }
    }

    /// Moves a file or folder where nothing is.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.abilities.noreplace {
            return Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?);
        }
        // We hold the lock of this target, so nobody comes between the look and the rename.
        if to.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(from, to)
    }

    fn claim<'a>(&'a self, object: &ObjectId) -> Claim<'a> {
        let mut busy = self.busy.lock().unwrap_or_else(|broken| broken.into_inner());
        while !busy.insert(object.clone()) {
            busy = self.freed.wait(busy).unwrap_or_else(|broken| broken.into_inner());
        }
        Claim { target: self, object: object.clone() }
    }

    /// The live object's head, its inventory read past the page cache, hashed and parsed.
    fn look_at_head(&self, object: &ObjectId) -> Result<Option<Head>, TargetError> {
        let live = self.live(object);
        match live.symlink_metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(self.io(&live, "it is no folder")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.look_for_marker()?;
                return Ok(None);
            }
            Err(error) => return Err(self.fail(&live, error)),
        }
        let (name, text) = layout::OBJECT_DECLARATION;
        let declaration = live.join(name);
        let declared = fs::read(&declaration).map_err(|error| self.fail(&declaration, error))?;
        if declared != text.as_bytes() {
            return Err(self.io(&declaration, "it does not say what its name says"));
        }
        let sidecar = self.read_sidecar(&live)?;
        let path = live.join(layout::INVENTORY);
        let direct = Direct::open(&path, self.abilities.direct, self.buffer());
        let mut json = Hashed { from: direct.map_err(|error| self.fail(&path, error))?, hash: Sha512::new() };
        let summary = inventory::walk(&mut json, &mut |_| Ok(()));
        let found = hex(&json.hash.finalize());
        self.give_back(json.from.into_buffer());
        let summary = summary.map_err(|error| self.io(&path, error.to_string()))?;
        if found != sidecar {
            return Err(self.io(&path, format!("its SHA-512 is {found}, its sidecar says {sidecar}")));
        }
        if summary.id != object.0 {
            return Err(self.io(&path, format!("it belongs to {}", summary.id)));
        }
        Ok(Some(Head { version: summary.head, inventory_sha512: found, path: layout::object_path(object) }))
    }

    /// The digest in a folder's sidecar.
    fn read_sidecar(&self, folder: &Path) -> Result<String, TargetError> {
        let path = folder.join(layout::SIDECAR);
        let text = fs::read_to_string(&path).map_err(|error| self.fail(&path, error))?;
        let digest = layout::sidecar_digest(&text).map(str::to_ascii_lowercase);
        digest.ok_or_else(|| self.io(&path, "it is no sidecar of an inventory"))
    }
}

/// An object that nobody else may change meanwhile.
struct Claim<'a> {
    target: &'a LocalTarget,
    object: ObjectId,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.target.busy.lock().unwrap_or_else(|broken| broken.into_inner()).remove(&self.object);
        self.target.freed.notify_all();
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

impl Target for LocalTarget {
    fn root(&self) -> String {
        self.path.join("ocfl").display().to_string()
    }

    fn space(&self) -> Result<Space, TargetError> {
        self.look_for_marker()?;
        let fail = |error: io::Error| self.fail(&self.path, error);
        let system = rustix::fs::statvfs(&self.path).map_err(|error| fail(error.into()))?;
        Ok(Space {
            free_bytes: fs2::available_space(&self.path).map_err(fail)?,
            // btrfs says 0 of 0: it has no limit.
            free_inodes: if system.f_files == 0 { u64::MAX } else { system.f_favail },
            total_bytes: fs2::total_space(&self.path).map_err(fail)?,
            block_bytes: system.f_frsize.max(1),
            device: fs::metadata(&self.path).map_err(fail)?.dev(),
        })
    }

    fn head(&self, object: &ObjectId) -> Result<Option<Head>, TargetError> {
        let _claim = self.claim(object);
        self.look_at_head(object)
    }

    fn begin(&self, txn: &Txn, object: &ObjectId, version: u32) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.begin_txn(txn, object, version)
    }

    fn put(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError> {
        self.put_files(txn, files)
    }

    fn read_while(&self, at: Where<'_>, sink: Sink<'_>) -> Result<u64, TargetError> {
        self.read_file(&self.path_of(at)?, sink)
    }

    fn publish(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError> {
        self.look_for_marker()?;
        let _claim = self.claim(what.object);
        self.publish_object(txn, what)
    }

    fn log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        self.look_for_marker()?;
        let _claim = self.claim(object);
        self.add_log(object, name, bytes)
    }

    fn entomb(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        self.look_for_marker()?;
        let _claim = self.claim(what.tombstone.object);
        self.bury(txn, what, go_on)
    }

    fn discard(&self, txn: &Txn) -> Result<(), TargetError> {
        self.look_for_marker()?;
        self.discard_item(txn)
    }

    fn probe(&self) -> Result<Vec<Ability>, TargetError> {
        self.look_for_marker()?;
        self.try_out()
    }
}

fn read_marker(name: &str, path: &Path) -> Result<Marker, TargetError> {
    let missing = |why: String| TargetError::Missing { target: name.into(), why };
    let file = path.join(MARKER);
    let text = fs::read(&file).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => told(name, &file, error),
        _ => missing(format!("{}: {error}", file.display())),
    })?;
    let marker: Marker = serde_json::from_slice(&text)
        .map_err(|error| missing(format!("{} is no marker: {error}", file.display())))?;
    if marker.target != name {
        return Err(missing(format!("{} belongs to the target {:?}", file.display(), marker.target)));
    }
    Ok(marker)
}

/// What the system said, in our words.
fn told(target: &str, path: &Path, error: io::Error) -> TargetError {
    let target = target.to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TargetError::Full { target },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            TargetError::Denied { target, why: format!("{}: {error}", path.display()) }
        }
        _ => TargetError::Io { target, path: path.display().to_string(), why: error.to_string() },
    }
}
