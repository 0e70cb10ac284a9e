//! Reading past the page cache, so that the medium vouches for the bytes and not our memory.
//!
//! - Where the file system takes O_DIRECT it is used; elsewhere cached pages are dropped before reading.
//! - Buffers are lent and given back: reading a small file costs an open, a stat, a read and a close.

use super::LocalTarget;
use crate::worlds::target::TargetError;
use rustix::fs::{Advice, fadvise};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// What O_DIRECT asks of addresses, places and lengths: the largest block any of our file systems has.
const ALIGNED: usize = 4096;

/// Bytes read or copied at once.
pub(super) const CHUNK: usize = 1 << 20;

/// Buffers kept for the next reader.
const BUFFERS_MAX: usize = 16;

/// A file read from start to end, past the page cache where that is possible.
pub(in crate::worlds) struct Direct {
    file: File,
    size: u64,
    at: u64,
    buffer: Vec<u8>,
    start: usize,
    /// Bytes of the current chunk, and how many of them were given out by `Read`.
    held: usize,
    given: usize,
}

impl Direct {
    /// Opens a file; `buffer` is used if it is large enough.
    pub(in crate::worlds) fn open(path: &Path, direct: bool, mut buffer: Vec<u8>) -> io::Result<Direct> {
        let flags = rustix::fs::OFlags::DIRECT.bits() as i32;
        let flags = if direct { flags } else { 0 } | rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        if !direct {
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
            let _ = fadvise(&file, 0, None, Advice::Sequential);
        }
        if buffer.len() < CHUNK + ALIGNED {
            buffer = vec![0; CHUNK + ALIGNED];
        }
        let start = buffer.as_ptr().align_offset(ALIGNED).min(ALIGNED);
        Ok(Direct { file, size: found.len(), at: 0, buffer, start, held: 0, given: 0 })
    }

    /// The next bytes; none at the end.
    pub(in crate::worlds) fn chunk(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        self.given = self.held;
        Ok(&self.buffer[self.start..self.start + self.held])
    }

    fn fill(&mut self) -> io::Result<()> {
        self.held = 0;
        self.given = 0;
        if self.at > 0 && self.at >= self.size {
            return Ok(());
        }
        if !self.at.is_multiple_of(ALIGNED as u64) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before its end"));
        }
        // A small file asks for no more than its blocks: the kernel pins every page of the buffer it is given.
        let left = usize::try_from(self.size - self.at).unwrap_or(CHUNK).clamp(1, CHUNK);
        let length = left.next_multiple_of(ALIGNED);
        let room = &mut self.buffer[self.start..self.start + length];
        self.held = loop {
            match self.file.read_at(room, self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.at += self.held as u64;
        Ok(())
    }

    /// The buffer, for the next reader.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

impl Read for Direct {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.given == self.held {
            self.fill()?;
        }
        let rest = &self.buffer[self.start + self.given..self.start + self.held];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

impl LocalTarget {
    /// Gives the bytes of a file to `sink`, as long as it wants them.
    pub(super) fn read_file(
        &self,
        path: &Path,
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<u64, TargetError> {
        let opened = Direct::open(path, self.abilities.direct, self.buffer());
        let mut file = opened.map_err(|error| self.fail_asked(path, error))?;
        let mut bytes = 0;
        let done = loop {
            match file.chunk() {
                Ok([]) => break Ok(bytes),
                Ok(chunk) => {
                    bytes += chunk.len() as u64;
                    if !sink(chunk) {
                        break Ok(bytes);
                    }
                }
                Err(error) => break Err(self.fail(path, error)),
            }
        };
        self.give_back(file.into_buffer());
        done
    }

    /// A buffer of at least a chunk and what aligning it takes, or an empty one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(|broken| broken.into_inner()).pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        let mut buffers = self.buffers.lock().unwrap_or_else(|broken| broken.into_inner());
        if buffers.len() < BUFFERS_MAX && buffer.len() >= CHUNK {
            buffers.push(buffer);
        }
    }

    /// A buffer for copying.
    pub(super) fn copy_buffer(&self) -> Vec<u8> {
        let buffer = self.buffer();
        if buffer.len() >= CHUNK + ALIGNED { buffer } else { vec![0; CHUNK + ALIGNED] }
    }
}
