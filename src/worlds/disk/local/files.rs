//! Files and folders below a folder that is held open: made, written, renamed and removed so that they survive a power cut.
//!
//! - Names are of our own making; no link is followed.
//! - What fails half done is cut off again, and never synced a second time.

use crate::worlds::beneath;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

/// Bytes held while a stream is written.
const BUFFER: usize = 1 << 20;
/// Folders within folders that `remove` goes down; our own trees have three.
const DEPTH_MAX: u32 = 64;

pub(super) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

pub(super) fn folder_within(above: &OwnedFd, name: &str) -> io::Result<(OwnedFd, bool)> {
    match beneath::open(above.as_fd(), name.as_bytes(), FOLDER, Mode::empty()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return Ok((other?, false)),
    }
    match rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o750)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((beneath::open(above.as_fd(), name.as_bytes(), FOLDER, Mode::empty())?, true))
}

const NEW_FILE: OFlags = OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL);

pub(super) fn new_file(folder: &OwnedFd, name: &str) -> io::Result<File> {
    let mode = Mode::from_raw_mode(0o640);
    Ok(beneath::open(folder.as_fd(), name.as_bytes(), NEW_FILE, mode)?.into())
}

pub(super) fn append_within(folder: &OwnedFd, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let found = beneath::open(folder.as_fd(), name.as_bytes(), OFlags::RDWR, Mode::empty());
    let (file, made) = match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => (new_file(folder, name)?, true),
        other => (File::from(other?), false),
    };
    let written = put(&file, offset, bytes);
    if written.is_err() {
        // Best effort: the bytes behind `offset` are not counted on by anyone, they only take space.
        if made {
            let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        } else if file.metadata().is_ok_and(|found| found.len() > offset) {
            let _ = file.set_len(offset);
        }
    }
    written?;
    // At offset 0 also when the file was there: it may come from a process that was killed before this very sync.
    if made || offset == 0 {
        rustix::fs::fsync(folder)?;
    }
    Ok(())
}

pub(super) fn put(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let had = file.metadata()?.len();
    if had < offset {
        let why = format!("it has {had} bytes; writing at {offset} would leave a hole");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    if had > offset {
        file.set_len(offset)?;
    }
    file.write_all_at(bytes, offset)?;
    file.sync_data()
}

pub(super) fn write_within(folder: &OwnedFd, name: &str, bytes: &mut dyn Read) -> io::Result<u64> {
    let part = format!("{name}.part");
    match rustix::fs::unlinkat(folder, &part, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let file = new_file(folder, &part)?;
    let written = copy(bytes, &file).and_then(|count| {
        file.sync_all()?;
        rename_within(folder, &part, folder, name)?;
        Ok(count)
    });
    if written.is_err() {
        let _ = rustix::fs::unlinkat(folder, &part, AtFlags::empty());
    }
    let count = written?;
    rustix::fs::fsync(folder)?;
    Ok(count)
}

pub(super) fn copy(from: &mut dyn Read, mut to: &File) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut count = 0;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match from.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            return Ok(count);
        }
        to.write_all(&buffer[..filled])?;
        count += filled as u64;
    }
}

pub(super) fn rename_within(from: &OwnedFd, name: &str, to: &OwnedFd, new: &str) -> io::Result<()> {
    match rustix::fs::renameat(from, name, to, new) {
        Err(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR) => {}
        other => return Ok(other?),
    }
    // A folder is in the way. Removed first, not swapped: when the process ends between the two, a second try finds
    // `from` as it was and comes to the same end.
    remove_within(to, new, 0)?;
    Ok(rustix::fs::renameat(from, name, to, new)?)
}

/// Removes what lies there; false when nothing does.
pub(super) fn remove_within(folder: &OwnedFd, name: &str, depth: u32) -> io::Result<bool> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => return Ok(true),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    if depth >= DEPTH_MAX {
        return Err(io::Error::other(format!(
            "folders lie more than {DEPTH_MAX} deep, which is not our doing"
        )));
    }
    let within = beneath::open(folder.as_fd(), name.as_bytes(), FOLDER, Mode::empty())?;
    for inner in names(&within)? {
        remove_within(&within, &inner, depth + 1)?;
    }
    match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn names(folder: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let name = entry?.file_name().to_str().map(str::to_string);
        match name {
            Ok(name) if name == "." || name == ".." => {}
            Ok(name) => names.push(name),
            Err(_) => return Err(io::Error::other("a name in it is not UTF-8, so it is not ours")),
        }
    }
    names.sort();
    Ok(names)
}
