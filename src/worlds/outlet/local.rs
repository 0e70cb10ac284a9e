//! A folder of this machine that objects are given back to.
//!
//! - What is on its way lies beside its place as `.strongroom-LEDGER-ITEM.part`, and gets its name by one rename.
//! - No link below the place is followed, and no name that is there is replaced.

use super::{Bytes, Outlet, OutletError, Parcel, Stand};
use crate::rules::read::Slice;
use crate::worlds::beneath;
use crate::worlds::target::local::reading::Direct;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes copied at once.
const CHUNK: usize = 1 << 20;

/// Folders in each other that are walked: more than any path of a bag may have.
const DEPTH_MAX: usize = 512;

/// A folder of this machine.
pub struct LocalOutlet {
    top: OwnedFd,
    path: PathBuf,
}

impl LocalOutlet {
    /// The place at this folder; with `make` it is made if it is not there.
    pub fn open(path: &Path, make: bool) -> Result<LocalOutlet, OutletError> {
        let shown = path.display().to_string();
        if make {
            std::fs::create_dir_all(path).map_err(|error| told(&shown, error))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty());
        let top = top.map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR => {
                OutletError::Missing { place: shown.clone(), why: "there is no such folder".into() }
            }
            other => told(&shown, other.into()),
        })?;
        Ok(LocalOutlet { top, path: path.to_path_buf() })
    }

    fn shown_of(&self, path: &str) -> String {
        self.path.join(path).display().to_string()
    }

    fn fail(&self, path: &str, error: io::Error) -> OutletError {
        told(&self.shown_of(path), error)
    }

    /// Makes or empties a file, with the folders above it.
    fn make(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o644);
        match beneath::open(self.top.as_fd(), path.as_bytes(), flags, mode) {
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {
                self.make_folders(path)?;
                Ok(File::from(beneath::open(self.top.as_fd(), path.as_bytes(), flags, mode)?))
            }
            other => Ok(File::from(other?)),
        }
    }

    fn opened(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        beneath::open(self.top.as_fd(), path.as_bytes(), flags, Mode::empty())
    }

    /// Makes the folders above this path.
    fn make_folders(&self, path: &str) -> io::Result<()> {
        for (end, _) in path.match_indices('/') {
            let (above, name) = path[..end].rsplit_once('/').unwrap_or(("", &path[..end]));
            let mode = Mode::from_raw_mode(0o755);
            // Beneath a parent that is held open: a link put there meanwhile is not followed.
            let made = match above {
                "" => rustix::fs::mkdirat(&self.top, name, mode),
                above => rustix::fs::mkdirat(&self.opened(above)?, name, mode),
            };
            match made {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn is_there(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(&self.top, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Renames where nothing lies; what was there a moment before is not replaced either.
    fn rename_to_new(&self, from: &str, to: &str) -> Result<(), OutletError> {
        let renamed = rustix::fs::renameat_with(&self.top, from, &self.top, to, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(OutletError::Taken { place: self.shown_of(to) }),
            // Some file systems (NFS) do not know the condition; then it is asked right before.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if self.is_there(to).map_err(|error| self.fail(to, error))? {
                    return Err(OutletError::Taken { place: self.shown_of(to) });
                }
                let renamed = rustix::fs::renameat(&self.top, from, &self.top, to);
                renamed.map_err(|error| self.fail(to, error.into()))
            }
            Err(error) => Err(self.fail(to, error.into())),
        }
    }

    /// Goes through what is in a folder: `each` gets the path below it of every file, and of every folder when it was left,
    /// with a slash behind it.
    fn walk(
        &self,
        folder: &str,
        within: &str,
        depth: usize,
        each: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::other("its folders are too deep"));
        }
        let opened = self.opened(&joined(folder, within))?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&opened)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        for name in names {
            let path = joined(within, &name);
            let found = rustix::fs::statat(&opened, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Ok(FileType::Directory) => {
                    self.walk(folder, &path, depth + 1, each)?;
                    each(&format!("{path}/"))?;
                }
                Ok(_) => each(&path)?,
                Err(Errno::NOENT) => {}
                // A name that is no text was put there by somebody else.
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn unlink(&self, path: &str, flags: AtFlags) -> io::Result<()> {
        let removed = match path.rsplit_once('/') {
            None => rustix::fs::unlinkat(&self.top, path, flags),
            Some((above, name)) => match self.opened(above) {
                Ok(above) => rustix::fs::unlinkat(&above, name, flags),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            },
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn joined(above: &str, name: &str) -> String {
    match (above, name) {
        ("", name) => name.to_string(),
        (above, "") => above.to_string(),
        (above, name) => format!("{above}/{name}"),
    }
}

fn told(place: &str, error: io::Error) -> OutletError {
    let (place, why) = (place.to_string(), error.to_string());
    match error.kind() {
        io::ErrorKind::PermissionDenied => OutletError::Denied { place, why },
        io::ErrorKind::ReadOnlyFilesystem => {
            let leave = "a service of systemd may write only what the configuration names ([[place]]; strongroom setup unit)";
            OutletError::Denied { place, why: format!("{why}; {leave}") }
        }
        io::ErrorKind::NotFound => OutletError::Absent { place },
        _ => OutletError::Io { place, why },
    }
}

/// Path of a parcel's file below the place.
fn path_of(parcel: &Parcel, stand: Stand, path: &str) -> String {
    let name = match stand {
        // Without its own name, which may be as long as a name can be.
        Stand::UnderWay => format!(".strongroom-{}.part", parcel.work),
        Stand::There => parcel.name.clone(),
    };
    joined(&name, path)
}

impl Outlet for LocalOutlet {
    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn renames(&self) -> bool {
        true
    }

    fn lies(&self, parcel: &Parcel) -> Result<bool, OutletError> {
        self.is_there(&parcel.name).map_err(|error| self.fail(&parcel.name, error))
    }

    fn put(&self, parcel: &Parcel, path: &str, bytes: Bytes<'_>) -> Result<(), OutletError> {
        let place = path_of(parcel, Stand::UnderWay, path);
        let fail = |error| self.fail(&place, error);
        let mut file = self.make(&place).map_err(fail)?;
        let mut from = Slice::new(bytes.from, bytes.offset, bytes.size);
        let mut chunk = vec![0; CHUNK.min(usize::try_from(bytes.size).unwrap_or(CHUNK)).max(1)];
        loop {
            let got =
                from.read(&mut chunk).map_err(|error| OutletError::Source { why: error.to_string() })?;
            if got == 0 {
                return Ok(());
            }
            file.write_all(&chunk[..got]).map_err(fail)?;
        }
    }

    fn folder(&self, parcel: &Parcel, path: &str) -> Result<(), OutletError> {
        let place = path_of(parcel, Stand::UnderWay, path);
        self.make_folders(&format!("{place}/")).map_err(|error| self.fail(&place, error))
    }

    fn free(&self) -> Option<u64> {
        let found = rustix::fs::fstatvfs(&self.top).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn sync(&self, _: &Parcel) -> Result<(), OutletError> {
        // One call for a hundred thousand small files and their folders.
        rustix::fs::syncfs(&self.top).map_err(|error| self.fail("", error.into()))
    }

    fn read(
        &self,
        parcel: &Parcel,
        (stand, path): (Stand, &str),
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, OutletError> {
        let place = path_of(parcel, stand, path);
        // The folders above must be folders and no links; the file itself is opened without following one.
        if let Some((above, _)) = place.rsplit_once('/') {
            self.opened(above).map_err(|error| self.fail(&place, error))?;
        }
        let whole = self.path.join(&place);
        let opened = match Direct::open(&whole, true, Vec::new()) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                Direct::open(&whole, false, Vec::new())
            }
            other => other,
        };
        let mut file = opened.map_err(|error| self.fail(&place, error))?;
        let mut bytes = 0;
        loop {
            let chunk = file.chunk().map_err(|error| self.fail(&place, error))?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            bytes += chunk.len() as u64;
            sink(chunk);
        }
    }

    fn pin(&self, parcel: &Parcel, (stand, path): (Stand, &str)) -> Result<Option<String>, OutletError> {
        let place = path_of(parcel, stand, path);
        match std::fs::symlink_metadata(self.path.join(&place)) {
            Ok(found) if found.is_file() => {
                // Neither device nor change time: both change by a rename or a new mount.
                Ok(Some(format!("{} {}.{:09}", found.size(), found.mtime(), found.mtime_nsec())))
            }
            Ok(_) => Ok(Some("no file".into())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(self.fail(&place, error)),
        }
    }

    fn publish(&self, parcel: &Parcel) -> Result<(), OutletError> {
        self.rename_to_new(&path_of(parcel, Stand::UnderWay, ""), &parcel.name)?;
        rustix::fs::fsync(&self.top).map_err(|error| self.fail("", error.into()))
    }

    fn files(&self, parcel: &Parcel, each: &mut dyn FnMut(&str)) -> Result<(), OutletError> {
        if !parcel.folder {
            if self.lies(parcel)? {
                each("");
            }
            return Ok(());
        }
        let walked = self.walk(&parcel.name, "", 0, &mut |path| {
            if !path.ends_with('/') {
                each(path);
            }
            Ok(())
        });
        match walked {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|error| self.fail(&parcel.name, error)),
        }
    }

    fn remove(&self, parcel: &Parcel, path: &str) -> Result<(), OutletError> {
        let place = path_of(parcel, Stand::There, path);
        self.unlink(&place, AtFlags::empty()).map_err(|error| self.fail(&place, error))
    }

    fn remove_empty(&self, parcel: &Parcel) -> Result<(), OutletError> {
        if !parcel.folder {
            return Ok(());
        }
        let remove = |path: &str| match self.unlink(path, AtFlags::REMOVEDIR) {
            Err(error) if error.raw_os_error() == Some(Errno::NOTEMPTY.raw_os_error()) => Ok(()),
            other => other,
        };
        let walked = self.walk(&parcel.name, "", 0, &mut |path| match path.strip_suffix('/') {
            Some(folder) => remove(&joined(&parcel.name, folder)),
            None => Ok(()),
        });
        match walked.and_then(|()| remove(&parcel.name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|error| self.fail(&parcel.name, error)),
        }
    }

    fn discard(&self, parcel: &Parcel) -> Result<(), OutletError> {
        let name = path_of(parcel, Stand::UnderWay, "");
        let path = self.path.join(&name);
        let removed = match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(&path),
            Ok(_) => std::fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|error| self.fail(&name, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(name: &str, folder: bool) -> Parcel {
        Parcel { name: name.into(), work: "k3v9-7".into(), folder }
    }

    fn put(outlet: &LocalOutlet, parcel: &Parcel, path: &str, text: &str) {
        let bytes = text.as_bytes().to_vec();
        outlet.put(parcel, path, Bytes { from: &bytes, offset: 0, size: bytes.len() as u64 }).unwrap();
    }

    fn read(outlet: &LocalOutlet, parcel: &Parcel, at: (Stand, &str)) -> Vec<u8> {
        let mut all = Vec::new();
        outlet.read(parcel, at, &mut |chunk| all.extend_from_slice(chunk)).unwrap();
        all
    }

    #[test]
    fn a_parcel_has_its_name_only_when_it_is_whole_and_goes_without_a_trace() {
        let top = tempfile::tempdir().unwrap();
        let outlet = LocalOutlet::open(top.path(), false).unwrap();
        let bag = parcel("bag", true);
        outlet.folder(&bag, "data").unwrap();
        let large = "x".repeat(3 << 20) + "end";
        for (path, text) in [("data/a/large", large.as_str()), ("bagit.txt", "BagIt"), ("data/empty", "")] {
            put(&outlet, &bag, path, text);
        }
        outlet.sync(&bag).unwrap();
        assert!(!outlet.lies(&bag).unwrap());
        assert!(read(&outlet, &bag, (Stand::UnderWay, "data/a/large")) == large.as_bytes());
        let pin = outlet.pin(&bag, (Stand::UnderWay, "data/a/large")).unwrap();
        outlet.publish(&bag).unwrap();
        assert_eq!(outlet.pin(&bag, (Stand::There, "data/a/large")).unwrap(), pin, "a rename is no change");
        let mut names = Vec::new();
        outlet.files(&bag, &mut |path| names.push(path.to_string())).unwrap();
        names.sort();
        assert_eq!(names, ["bagit.txt", "data/a/large", "data/empty"]);
        assert!(read(&outlet, &bag, (Stand::There, "data/empty")).is_empty());
        put(&outlet, &bag, "bagit.txt", "other");
        assert!(matches!(outlet.publish(&bag), Err(OutletError::Taken { .. })), "nothing is replaced");
        outlet.discard(&bag).unwrap();
        names.iter().for_each(|path| outlet.remove(&bag, path).unwrap());
        outlet.remove(&bag, "data/never").unwrap();
        outlet.remove_empty(&bag).unwrap();
        assert_eq!(std::fs::read_dir(top.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_holds_what_others_put_there_stays() {
        let top = tempfile::tempdir().unwrap();
        let outlet = LocalOutlet::open(&top.path().join("made"), true).unwrap();
        let bag = parcel("bag", true);
        put(&outlet, &bag, "data/a", "a");
        outlet.publish(&bag).unwrap();
        std::fs::write(top.path().join("made/bag/mine"), "mine").unwrap();
        outlet.remove(&bag, "data/a").unwrap();
        outlet.remove_empty(&bag).unwrap();
        assert_eq!(std::fs::read(top.path().join("made/bag/mine")).unwrap(), b"mine");
        assert!(!top.path().join("made/bag/data").exists());
    }

    #[test]
    fn no_link_is_followed_and_a_place_that_is_not_there_is_told() {
        let top = tempfile::tempdir().unwrap();
        let (inside, outside) = (top.path().join("in"), top.path().join("out"));
        std::fs::create_dir(&outside).unwrap();
        let outlet = LocalOutlet::open(&inside, true).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join(".strongroom-k3v9-7.part")).unwrap();
        let bytes = b"x".to_vec();
        let put = outlet.put(&parcel("bag", true), "data/a", Bytes { from: &bytes, offset: 0, size: 1 });
        assert!(put.is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        let away = LocalOutlet::open(&top.path().join("away"), false).err();
        assert!(matches!(away, Some(OutletError::Missing { .. })));
    }
}
