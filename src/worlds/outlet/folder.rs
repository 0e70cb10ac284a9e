//! An outlet: a folder outside of staging that a bag is given back to.
//!
//! - Nothing is written outside the folder, no link is followed, and no file that is there is replaced.
//! - A file has its name only when it is whole; `finish` returns when all of it would survive a power cut.

use crate::model::trouble::{Kind, Trouble};
use crate::worlds::beneath;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that a bag is given back to.
pub struct OutFolder {
    top: OwnedFd,
    path: PathBuf,
}

impl OutFolder {
    /// Makes `path`, which must not exist or be empty; the folders above it are made if needed.
    pub fn create(path: &Path) -> Result<OutFolder, Trouble> {
        let failed = |error: io::Error| {
            Trouble::new(Kind::StagingIo, error.to_string())
                .while_doing("making")
                .about(path.display().to_string())
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        if std::fs::read_dir(path).map_err(failed)?.next().is_some() {
            let trouble = Trouble::new(Kind::StagingIo, "something lies there; nothing was written");
            return Err(trouble.while_doing("restoring to").about(path.display().to_string()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        Ok(OutFolder { top, path: path.to_path_buf() })
    }

    /// The folder at `path`, whatever lies in it; it is made if needed.
    pub fn over(path: &Path) -> Result<OutFolder, Trouble> {
        let failed = |error: io::Error| {
            Trouble::new(Kind::StagingIo, error.to_string())
                .while_doing("making")
                .about(path.display().to_string())
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        Ok(OutFolder { top, path: path.to_path_buf() })
    }

    /// Makes a new file at this path below the outlet, with the folders above it.
    pub fn file(&self, path: &str) -> Result<File, Trouble> {
        self.make(path).map_err(|error| {
            let about = self.path.join(path).display().to_string();
            Trouble::new(Kind::StagingIo, error.to_string()).while_doing("restoring").about(about)
        })
    }

    /// Removes a file made here that turned out wrong.
    pub fn remove(&self, path: &str) -> Result<(), Trouble> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let above = if folder.is_empty() { None } else { Some(self.opened(folder)) };
        let removed = match &above {
            None => rustix::fs::unlinkat(&self.top, name, rustix::fs::AtFlags::empty()),
            Some(Ok(fd)) => rustix::fs::unlinkat(fd, name, rustix::fs::AtFlags::empty()),
            Some(Err(_)) => Err(Errno::IO),
        };
        removed.map_err(|error| {
            Trouble::new(Kind::StagingIo, error.to_string()).while_doing("removing").about(path)
        })
    }

    /// Syncs everything that was written.
    pub fn finish(&self) -> Result<(), Trouble> {
        rustix::fs::syncfs(&self.top).map_err(|error| {
            let about = self.path.display().to_string();
            Trouble::new(Kind::StagingIo, error.to_string()).while_doing("syncing").about(about)
        })
    }

    fn make(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o644);
        match beneath::open(self.top.as_fd(), path.as_bytes(), flags, mode) {
            Ok(file) => Ok(File::from(file)),
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                self.opened(folder)?;
                Ok(File::from(beneath::open(self.top.as_fd(), path.as_bytes(), flags, mode)?))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a folder at this path below the outlet, unless it is there.
    pub fn folder(&self, path: &str) -> Result<(), Trouble> {
        self.opened(path).map(drop).map_err(|error| {
            let about = self.path.join(path).display().to_string();
            Trouble::new(Kind::StagingIo, error.to_string()).while_doing("restoring").about(about)
        })
    }

    /// Opens a folder below the outlet, making what is missing of it.
    fn opened(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let mut made = String::new();
        for part in path.split('/') {
            made.push_str(if made.is_empty() { "" } else { "/" });
            made.push_str(part);
            // Part by part and beneath the parent that is held open: a link put there meanwhile is not followed.
            let (above, name) = made.rsplit_once('/').unwrap_or(("", made.as_str()));
            let mode = Mode::from_raw_mode(0o755);
            let tried = if above.is_empty() {
                rustix::fs::mkdirat(&self.top, name, mode)
            } else {
                let parent = beneath::open(self.top.as_fd(), above.as_bytes(), flags, Mode::empty())?;
                rustix::fs::mkdirat(&parent, name, mode)
            };
            match tried {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        beneath::open(self.top.as_fd(), path.as_bytes(), flags, Mode::empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn files_are_made_beneath_and_never_through_a_link() {
        let scratch = tempfile::tempdir().unwrap();
        let outside = scratch.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let outlet = OutFolder::create(&scratch.path().join("out/bag")).unwrap();
        outlet.file("data/a/b.txt").unwrap().write_all(b"b").unwrap();
        assert!(outlet.file("data/a/b.txt").is_err(), "a file that is there is not replaced");
        assert!(outlet.file("../escaped").is_err());
        std::os::unix::fs::symlink(&outside, scratch.path().join("out/bag/link")).unwrap();
        assert!(outlet.file("link/x").is_err());
        assert!(std::fs::read_dir(&outside).unwrap().next().is_none());
        outlet.remove("data/a/b.txt").unwrap();
        outlet.file("data/a/b.txt").unwrap();
        outlet.finish().unwrap();
        assert!(OutFolder::create(&scratch.path().join("out/bag")).is_err(), "it is not empty any more");
    }
}
