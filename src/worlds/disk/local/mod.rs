//! Staging volumes on local file systems.
//!
//! - Every path is opened beneath its volume, by parts of our own characters, following no link.
//! - A volume counts only while its marker says its name and the id it had before: a missing mount, or another one in
//!   its place, is refused by every verb, and the disk below it is not filled.
//! - When a writing verb returns, file and folders survive a power cut. When it fails, what it wrote is cut off again.
//! - After a failed sync nothing is synced again: the bytes are discarded, and the caller writes them anew.

mod files;

use crate::model::digest::hex;
use crate::rules::read::ReadAt;
use crate::worlds::disk::{Disk, DiskError, Place, below, ours};
use crate::worlds::{Space, beneath};
use files::{FOLDER, append_within, folder_within, names, remove_within, rename_within, write_within};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// The file that makes a folder a staging volume.
pub const MARKER: &str = "strongroom-volume.json";

/// The newest form of marker we know.
const MARKER_SCHEMA: u64 = 1;
/// A marker is read up to here.
const MARKER_MAX: u64 = 4_096;
/// Folders remembered as durable; beyond that we forget and sync them once more.
const FOLDERS_MAX: usize = 10_000;

/// Staging volumes on local file systems.
pub struct LocalDisk {
    volumes: Vec<Volume>,
}

struct Volume {
    name: String,
    path: PathBuf,
    /// Id of the marker when it was first seen by this process.
    id: OnceLock<String>,
    /// Folders whose entry in the folder above is known to be durable.
    ///
    /// A folder that merely exists is not enough: it may have been made by a process that was killed before its sync.
    durable: Mutex<BTreeSet<String>>,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    schema: u64,
    name: String,
    id: String,
}

impl LocalDisk {
    /// The volumes of these names at these folders, in the order of preference. One that is not mounted now is refused
    /// verb by verb until it is, so that the others work meanwhile.
    pub fn open(volumes: &[(String, PathBuf)]) -> Result<LocalDisk, DiskError> {
        let mut names = BTreeSet::new();
        let mut disk = LocalDisk { volumes: Vec::new() };
        for (name, path) in volumes {
            check_name(name)?;
            if !names.insert(name) {
                let why = "two volumes have this name".to_string();
                return Err(DiskError::Io { path: name.clone(), why });
            }
            disk.volumes.push(Volume {
                name: name.clone(),
                path: path.clone(),
                id: OnceLock::new(),
                durable: Mutex::new(BTreeSet::new()),
            });
        }
        for volume in &disk.volumes {
            // Its id is what later mounts are compared with, so it is learned as early as possible.
            let _ = volume.mounted();
        }
        Ok(disk)
    }

    /// Makes the folder, if needed, and its marker. A folder that is this volume already stays as it is.
    pub fn create_volume(name: &str, path: &Path) -> Result<(), DiskError> {
        check_name(name)?;
        make_marker(name, path).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                DiskError::Full { volume: name.to_string() }
            }
            _ => DiskError::Io { path: path.display().to_string(), why: error.to_string() },
        })
    }

    fn volume(&self, name: &str) -> Result<&Volume, DiskError> {
        self.volumes.iter().find(|volume| volume.name == name).ok_or_else(|| DiskError::Missing {
            volume: name.to_string(),
            why: "no volume of this name is configured".to_string(),
        })
    }
}

fn check_name(name: &str) -> Result<(), DiskError> {
    if ours(name) && !name.contains('/') {
        return Ok(());
    }
    let why = "a volume's name has letters, digits, '-', '_' and '.' only".to_string();
    Err(DiskError::Io { path: name.to_string(), why })
}

fn make_marker(name: &str, path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)?;
    let folder = File::open(path)?;
    let marker = path.join(MARKER);
    if marker.exists() {
        return match read_marker(&folder) {
            Ok(found) if found.name == name => Ok(()),
            Ok(found) => Err(io::Error::other(format!("its marker names another volume, {}", found.name))),
            Err(why) => Err(io::Error::other(why)),
        };
    }
    let mut id = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut id)?;
    let text = serde_json::to_string_pretty(&Marker {
        schema: MARKER_SCHEMA,
        name: name.to_string(),
        id: hex(&id),
    })?;
    let part = path.join(format!("{MARKER}.part"));
    let mut file = File::create(&part)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&part, &marker)?;
    folder.sync_all()?;
    // The folder itself may be new, and so may those above it.
    for above in path.canonicalize()?.ancestors().skip(1) {
        match File::open(above).and_then(|folder| folder.sync_all()) {
            Ok(()) => {}
            // Above what belongs to us there may be folders that we cannot read; those were not made here.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_marker(folder: impl AsFd) -> Result<Marker, String> {
    let file = beneath::open(folder.as_fd(), MARKER.as_bytes(), beneath::READ, Mode::empty())
        .map_err(|error| format!("{MARKER}: {error}"))?;
    let mut text = String::new();
    File::from(file)
        .take(MARKER_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("{MARKER}: {error}"))?;
    let marker: Marker =
        serde_json::from_str(&text).map_err(|error| format!("{MARKER} cannot be understood: {error}"))?;
    if marker.schema > MARKER_SCHEMA {
        return Err(format!("{MARKER} has schema {}, this strongroom knows {MARKER_SCHEMA}", marker.schema));
    }
    Ok(marker)
}

impl Volume {
    /// The volume's folder, held open, when its marker is the right one.
    fn mounted(&self) -> Result<OwnedFd, DiskError> {
        let missing = |why: String| DiskError::Missing {
            volume: self.name.clone(),
            why: format!("{}: {why}", self.path.display()),
        };
        let folder = File::open(&self.path).map_err(|error| missing(error.to_string()))?;
        let marker = read_marker(&folder).map_err(missing)?;
        if marker.name != self.name {
            return Err(missing(format!("its marker names another volume, {}", marker.name)));
        }
        let known = self.id.get_or_init(|| marker.id.clone());
        if *known != marker.id {
            return Err(missing(format!("another volume is mounted: id {}, not {known}", marker.id)));
        }
        Ok(folder.into())
    }

    fn error(&self, path: &str, error: io::Error) -> DiskError {
        let path = self.path.join(path).display().to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                DiskError::Full { volume: self.name.clone() }
            }
            io::ErrorKind::NotFound => DiskError::Absent { path },
            _ => DiskError::Io { path, why: error.to_string() },
        }
    }

    /// Folder and name of a place; refuses paths that are not ours.
    fn split<'p>(&self, place: &'p Place) -> Result<(&'p str, &'p str), DiskError> {
        let first = place.path.split('/').next().unwrap_or("");
        if !ours(&place.path) || first == MARKER {
            let why = "it is not a path of ours".to_string();
            return Err(DiskError::Io { path: format!("{}:{}", place.volume, place.path), why });
        }
        Ok(place.path.rsplit_once('/').unwrap_or(("", &place.path)))
    }

    /// Opens a folder; makes it and those above it when they are not there, durably.
    fn folder(&self, root: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
        if path.is_empty() {
            return root.try_clone();
        }
        if self.is_durable(path) {
            match beneath::open(root.as_fd(), path.as_bytes(), FOLDER, Mode::empty()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        let mut above = root.try_clone()?;
        let mut end = 0;
        for part in path.split('/') {
            end += part.len();
            let (folder, made) = folder_within(&above, part)?;
            if made || !self.is_durable(&path[..end]) {
                rustix::fs::fsync(&above)?;
                let mut durable = self.durable();
                if durable.len() >= FOLDERS_MAX {
                    durable.clear();
                }
                durable.insert(path[..end].to_string());
            }
            above = folder;
            end += 1;
        }
        Ok(above)
    }

    fn is_durable(&self, path: &str) -> bool {
        self.durable().contains(path)
    }

    fn durable(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.durable.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// A folder that was removed or renamed is not durable any more when it is made again.
    fn forget(&self, path: &str) {
        self.durable().retain(|folder| {
            folder.strip_prefix(path).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'))
        });
    }
}

impl Disk for LocalDisk {
    fn volumes(&self) -> Vec<String> {
        self.volumes.iter().map(|volume| volume.name.clone()).collect()
    }

    fn space(&self, volume: &str) -> Result<Space, DiskError> {
        let volume = self.volume(volume)?;
        let failed = |error: io::Error| DiskError::Missing {
            volume: volume.name.clone(),
            why: format!("{}: {error}", volume.path.display()),
        };
        // Asked before the marker is looked at: figures of a folder whose mount is gone never get past it.
        let bytes = fs2::statvfs(&volume.path).map_err(failed)?;
        let root = volume.mounted()?;
        let inodes = rustix::fs::fstatvfs(&root).map_err(|error| failed(error.into()))?;
        let device = File::from(root).metadata().map_err(failed)?.dev();
        Ok(Space {
            free_bytes: bytes.available_space(),
            // btrfs has no limit and says 0 of 0.
            free_inodes: if inodes.f_files == 0 { u64::MAX } else { inodes.f_favail },
            total_bytes: bytes.total_space(),
            block_bytes: bytes.allocation_granularity().max(1),
            device,
        })
    }

    fn append(&self, place: &Place, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let volume = self.volume(&place.volume)?;
        let (folder, name) = volume.split(place)?;
        let root = volume.mounted()?;
        volume
            .folder(&root, folder)
            .and_then(|folder| append_within(&folder, name, offset, bytes))
            .map_err(|error| volume.error(&place.path, error))
    }

    fn write(&self, place: &Place, bytes: &mut dyn Read) -> Result<u64, DiskError> {
        let volume = self.volume(&place.volume)?;
        let (folder, name) = volume.split(place)?;
        let root = volume.mounted()?;
        volume
            .folder(&root, folder)
            .and_then(|folder| write_within(&folder, name, bytes))
            .map_err(|error| volume.error(&place.path, error))
    }

    fn rename(&self, from: &Place, to: &Place) -> Result<(), DiskError> {
        let volume = self.volume(&from.volume)?;
        if from.volume != to.volume {
            let why = format!("it cannot be renamed to the volume {}", to.volume);
            return Err(DiskError::Io { path: from.path.clone(), why });
        }
        if below(to, from).is_some() || below(from, to).is_some() {
            let why = format!("one lies within the other: {}", to.path);
            return Err(DiskError::Io { path: from.path.clone(), why });
        }
        let (old_folder, old) = volume.split(from)?;
        let (new_folder, new) = volume.split(to)?;
        let root = volume.mounted()?;
        let renamed = || -> io::Result<()> {
            let source = match old_folder {
                "" => root.try_clone()?,
                path => beneath::open(root.as_fd(), path.as_bytes(), FOLDER, Mode::empty())?,
            };
            rustix::fs::statat(&source, old, AtFlags::SYMLINK_NOFOLLOW)?;
            let goal = volume.folder(&root, new_folder)?;
            volume.forget(&from.path);
            volume.forget(&to.path);
            rename_within(&source, old, &goal, new)?;
            // The new name first: between the two syncs the file may have both names, but never none.
            rustix::fs::fsync(&goal)?;
            if old_folder != new_folder {
                rustix::fs::fsync(&source)?;
            }
            Ok(())
        };
        renamed().map_err(|error| volume.error(&from.path, error))
    }

    fn open(&self, place: &Place) -> Result<Box<dyn ReadAt>, DiskError> {
        let volume = self.volume(&place.volume)?;
        volume.split(place)?;
        let root = volume.mounted()?;
        beneath::open(root.as_fd(), place.path.as_bytes(), beneath::READ, Mode::empty())
            .and_then(beneath::Pread::new)
            .map(|file| Box::new(file) as Box<dyn ReadAt>)
            .map_err(|error| volume.error(&place.path, error))
    }

    fn list(&self, folder: &Place) -> Result<Vec<String>, DiskError> {
        let volume = self.volume(&folder.volume)?;
        let root = volume.mounted()?;
        let opened = match folder.path.as_str() {
            "" => Ok(root),
            path => {
                volume.split(folder)?;
                beneath::open(root.as_fd(), path.as_bytes(), FOLDER, Mode::empty())
            }
        };
        match opened.and_then(|folder| names(&folder)) {
            Ok(mut names) => {
                if folder.path.is_empty() {
                    // A file system's own folder, and our own marker: neither is work in progress.
                    names.retain(|name| name != MARKER && name != "lost+found");
                }
                Ok(names)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(volume.error(&folder.path, error)),
        }
    }

    fn remove(&self, place: &Place) -> Result<(), DiskError> {
        let volume = self.volume(&place.volume)?;
        let (folder, name) = volume.split(place)?;
        let root = volume.mounted()?;
        volume.forget(&place.path);
        let removed = || -> io::Result<()> {
            let folder = match folder {
                "" => root.try_clone()?,
                path => match beneath::open(root.as_fd(), path.as_bytes(), FOLDER, Mode::empty()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    other => other?,
                },
            };
            if remove_within(&folder, name, 0)? {
                rustix::fs::fsync(&folder)?;
            }
            Ok(())
        };
        removed().map_err(|error| volume.error(&place.path, error))
    }
}
