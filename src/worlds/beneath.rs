//! Opening a path beneath a folder that is held open, following no link; for the local kinds of disk and source.
//!
//! - What is opened lies beneath the folder, whoever renames or swaps what in the meantime.
//! - No part of the path may be a link: one in its place is an error (`ELOOP`), never a way out.
//! - A file that is read here is a regular file: a pipe or device in its place is an error, and nothing hangs.

use crate::rules::read::ReadAt;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Times a lookup is tried again when something was renamed under it.
const RACES_MAX: u32 = 100;

/// Opens `path` beneath `folder`.
pub fn open(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    for part in path.split(|byte| *byte == b'/') {
        if part.is_empty() || part == b"." || part == b".." {
            return Err(Errno::XDEV.into());
        }
    }
    match in_one_call(folder, path, flags, mode) {
        // Kernels before 5.6 do not have the call; some container filters answer EPERM for it.
        Err(Errno::NOSYS | Errno::PERM) => Ok(part_by_part(folder, path, flags, mode)?),
        other => Ok(other?),
    }
}

fn in_one_call(
    folder: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let mut races = 0;
    loop {
        match rustix::fs::openat2(folder, path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Errno::AGAIN) if races < RACES_MAX => races += 1,
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

fn part_by_part(
    folder: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let mut parts = path.split(|byte| *byte == b'/');
    let last = parts.next_back().unwrap_or(path);
    let mut held: Option<OwnedFd> = None;
    for part in parts {
        let above = held.as_ref().map_or(folder, |fd| fd.as_fd());
        // A link opened this way is the link itself, so that it can be told from a plain file.
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = rustix::fs::openat(above, part, look, Mode::empty())?;
        match FileType::from_raw_mode(rustix::fs::fstat(&next)?.st_mode) {
            FileType::Directory => held = Some(next),
            FileType::Symlink => return Err(Errno::LOOP),
            _ => return Err(Errno::NOTDIR),
        }
    }
    let above = held.as_ref().map_or(folder, |fd| fd.as_fd());
    rustix::fs::openat(above, last, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode)
}

/// True when it failed because a link lay in the way.
pub fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Flags that open a file for reading without waiting for anybody, as a pipe would make us.
pub const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A regular file, read at any place.
pub struct Pread {
    file: File,
    size: u64,
}

impl Pread {
    /// Takes an opened file; what is no regular file is refused.
    pub fn new(file: OwnedFd) -> io::Result<Pread> {
        let file = File::from(file);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        Ok(Pread { size: found.len(), file })
    }

    /// Tells the kernel that it will be read from front to back.
    pub fn front_to_back(self) -> Pread {
        // Advice only: a file system that takes none is read all the same.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::Sequential);
        self
    }
}

impl ReadAt for Pread {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        // What is added behind the end meanwhile is not part of what was opened; and the kernel takes no offset near
        // its limits, which a hostile tar may well name.
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = buf.len().min(left);
        if want == 0 {
            return Ok(0);
        }
        loop {
            match self.file.read_at(&mut buf[..want], offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    type Opener = fn(BorrowedFd<'_>, &[u8], OFlags, Mode) -> rustix::io::Result<OwnedFd>;
    const WAYS: [(&str, Opener); 2] = [("one call", in_one_call), ("part by part", part_by_part)];

    #[test]
    fn no_link_is_followed_whichever_way_the_kernel_offers() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        std::fs::create_dir_all(base.join("a/b")).unwrap();
        std::fs::write(base.join("a/b/file"), "inside").unwrap();
        std::fs::write(folder.path().join("secret"), "outside").unwrap();
        symlink("../secret", base.join("out")).unwrap();
        symlink("b", base.join("a/link")).unwrap();
        let base = File::open(&base).unwrap();
        for (name, way) in WAYS {
            if matches!(way(base.as_fd(), b"a", READ, Mode::empty()), Err(Errno::NOSYS | Errno::PERM)) {
                println!("skipped: this kernel has no {name}");
                continue;
            }
            let open = |path: &[u8]| way(base.as_fd(), path, READ, Mode::empty()).map(drop);
            assert_eq!(open(b"a/b/file"), Ok(()), "{name}");
            assert_eq!(open(b"out"), Err(Errno::LOOP), "{name}");
            assert_eq!(open(b"a/link/file"), Err(Errno::LOOP), "{name}");
            assert_eq!(open(b"a/b/file/x"), Err(Errno::NOTDIR), "{name}");
            assert_eq!(open(b"a/none/x"), Err(Errno::NOENT), "{name}");
        }
    }

    #[test]
    fn a_path_that_climbs_is_refused_before_the_kernel_sees_it() {
        let base = File::open(".").unwrap();
        for path in [&b"../x"[..], b"a/../b", b"/etc/passwd", b"", b"a//b", b"./a", b"a/"] {
            let error = open(base.as_fd(), path, READ, Mode::empty()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::XDEV.raw_os_error()), "{path:?}");
        }
    }

    #[test]
    fn a_pipe_neither_hangs_nor_passes_for_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let base = File::open(folder.path()).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(&base, "pipe", FileType::Fifo, mode, 0).unwrap();
        let pipe = open(base.as_fd(), b"pipe", READ, Mode::empty()).unwrap();
        assert!(Pread::new(pipe).is_err());
    }
}
