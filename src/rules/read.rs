//! Reading at a place: how rules and stages look at bytes that lie in a tar, a folder or a target.
//!
//! - Reading at a place moves nothing, so many threads may read one tar.
//! - A slice never reads outside its bounds, and reading fewer bytes than it promises is an error, not an end.

use std::io;

/// Bytes that can be read at any place, by several threads at once.
pub trait ReadAt: Send + Sync {
    /// Reads up to `buf.len()` bytes at `offset`; 0 only at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Bytes in all, as they were when it was opened.
    fn size(&self) -> u64;
}

impl ReadAt for [u8] {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or(&[]);
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buf, offset)
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Box<T> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buf, offset)
    }

    fn size(&self) -> u64 {
        (**self).size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for std::sync::Arc<T> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buf, offset)
    }

    fn size(&self) -> u64 {
        (**self).size()
    }
}

/// A stretch of something readable, as an ordinary reader.
pub struct Slice<'a> {
    from: &'a dyn ReadAt,
    at: u64,
    left: u64,
}

impl<'a> Slice<'a> {
    /// `size` bytes from `offset`.
    pub fn new(from: &'a dyn ReadAt, offset: u64, size: u64) -> Slice<'a> {
        Slice { from, at: offset, left: size }
    }

    /// All of it.
    pub fn whole(from: &'a dyn ReadAt) -> Slice<'a> {
        Slice { from, at: 0, left: from.size() }
    }

    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl io::Read for Slice<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        if want == 0 {
            return Ok(0);
        }
        let got = self.from.read_at(&mut buf[..want], self.at)?;
        if got == 0 {
            let why = format!("ends {} bytes early", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_slice_that_ends_early_is_an_error() {
        let bytes = b"0123456789".to_vec();
        let mut text = String::new();
        Slice::new(&bytes, 2, 3).read_to_string(&mut text).unwrap();
        assert_eq!(text, "234");
        let error = Slice::new(&bytes, 8, 5).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
