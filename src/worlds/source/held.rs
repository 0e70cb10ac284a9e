//! A bag held open where it lies, for verbs that only look: a tar, or a folder.
//!
//! - Everything is opened for reading only, and nothing is written anywhere near it.
//! - The path that a person names may be a link; beneath a folder bag none is followed.
//! - What is no regular file and no folder is refused before it can make us wait.

use super::Entry;
use super::local::LocalSource;
use crate::model::fact::BagPath;
use crate::model::finding::escape;
use crate::model::trouble::Trouble;
use crate::rules::read::ReadAt;
use crate::worlds::beneath::{self, Pread};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Mode;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A bag held open.
pub struct HeldBag {
    name: Vec<u8>,
    shown: String,
    what: What,
    watch: Option<(File, Stamp)>,
}

enum What {
    Tar(Box<dyn ReadAt>),
    Folder(OwnedFd),
}

/// What tells that a file was written to: its size, and when it was modified, to the nanosecond.
type Stamp = (u64, i64, i64);

fn stamp(found: &Metadata) -> Stamp {
    (found.len(), found.mtime(), found.mtime_nsec())
}

impl HeldBag {
    /// Opens what lies at this path.
    pub fn open(path: &Path) -> io::Result<HeldBag> {
        let shown = escape(path.as_os_str().as_bytes());
        let real = std::fs::canonicalize(path)?;
        let name = real.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
        let file = File::from(rustix::fs::open(&real, beneath::READ, Mode::empty())?);
        let found = file.metadata()?;
        if found.is_dir() {
            return Ok(HeldBag { name, shown, what: What::Folder(file.into()), watch: None });
        }
        let tar = Pread::new(file.try_clone()?.into())
            .map_err(|error| io::Error::new(error.kind(), "it is neither a file nor a folder"))?;
        let what = What::Tar(Box::new(tar.front_to_back()));
        Ok(HeldBag { name, shown, what, watch: Some((file, stamp(&found))) })
    }

    /// The same bag, its bytes read from elsewhere: the plain tar that was in a compressed one.
    pub fn with_tar(self, tar: Box<dyn ReadAt>) -> HeldBag {
        HeldBag { what: What::Tar(tar), ..self }
    }

    /// The name of the file or folder itself, links resolved.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The tar; `None` for a folder.
    pub fn tar(&self) -> Option<&dyn ReadAt> {
        match &self.what {
            What::Tar(tar) => Some(&**tar),
            What::Folder(_) => None,
        }
    }

    /// Every file, empty folder and special entry of a folder bag, in the order of their paths; nothing for a tar.
    pub fn walk(&self, each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let What::Folder(folder) = &self.what else { return Ok(()) };
        let folder = folder.try_clone().map_err(|error| {
            Trouble::new(crate::model::trouble::Kind::SourceIo, error.to_string()).about(&self.shown)
        })?;
        LocalSource::new().walk_held(&self.shown, folder, each)
    }

    /// One file of a folder bag.
    pub fn open_member(&self, path: &BagPath) -> io::Result<Pread> {
        match &self.what {
            What::Folder(folder) => {
                Pread::new(beneath::open(folder.as_fd(), &path.0, beneath::READ, Mode::empty())?)
            }
            What::Tar(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a member of a tar")),
        }
    }

    /// False when the file was written to since it was opened. For a folder, sizes tell, file by file.
    pub fn unchanged(&self) -> io::Result<bool> {
        match &self.watch {
            Some((file, was)) => Ok(stamp(&file.metadata()?) == *was),
            None => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_that_is_written_to_while_it_is_held_is_noticed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bag.tar");
        std::fs::write(&path, "tar").unwrap();
        let bag = HeldBag::open(&path).unwrap();
        assert!(bag.unchanged().unwrap());
        assert_eq!((bag.name(), bag.tar().unwrap().size()), (&b"bag.tar"[..], 3));
        File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        assert!(!bag.unchanged().unwrap());
    }

    #[test]
    fn a_person_may_name_a_link_but_a_bag_may_hold_none() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("bag")).unwrap();
        std::fs::write(place.path().join("secret"), "outside").unwrap();
        std::os::unix::fs::symlink("../secret", place.path().join("bag/out")).unwrap();
        std::os::unix::fs::symlink("bag", place.path().join("link")).unwrap();
        let bag = HeldBag::open(&place.path().join("link")).unwrap();
        assert_eq!(bag.name(), b"bag");
        assert!(bag.open_member(&BagPath::from("out")).is_err());
        let mut met = Vec::new();
        bag.walk(&mut |path, entry| {
            met.push((path.shown(), entry));
            Ok(())
        })
        .unwrap();
        assert_eq!(met, [("out".to_string(), Entry::Special)]);
    }

    #[test]
    fn a_device_is_no_bag() {
        let error = HeldBag::open(Path::new("/dev/null")).err().unwrap();
        assert!(error.to_string().contains("neither a file nor a folder"), "{error}");
    }
}
