//! Extension headers: pax records and GNU long names, read without holding what is not wanted.
//!
//! - A value that is kept has at most `extension_value_bytes`; everything else is passed over unread.
//! - What a header says counts for the next real member only.

use super::Limits;
use super::header::{BLOCK, is_zero, until_nul};
use crate::model::finding::escape;
use crate::rules::read::ReadAt;
use std::io;

/// What extension headers say about the next member.
#[derive(Debug, Default)]
pub struct Pending {
    /// Its name.
    pub path: Option<Vec<u8>>,
    /// What it points to, when it is a link.
    pub link: Option<Vec<u8>>,
    /// Its size.
    pub size: Option<u64>,
    /// Its modification time, whole seconds.
    pub mtime: Option<i64>,
    /// It is sparse.
    pub sparse: bool,
    /// A pax header spoke.
    pub pax: bool,
    /// A GNU header spoke.
    pub gnu: bool,
}

impl Pending {
    /// True when some header waits for its member.
    pub fn waits(&self) -> bool {
        self.pax || self.gnu
    }
}

/// What is wrong with an extension header.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks the format: how.
    Broken(String),
    /// Its size record is broken, so where the next member starts is not known.
    Lost(String),
    /// It is larger than we accept: how.
    TooMuch(String),
}

/// Bytes of one read; most headers are smaller.
const WINDOW: usize = 4 << 10;

/// Bytes looked at for the length and key of a record; no key that matters is longer.
const HEAD_MAX: usize = 256;

/// Reads the records of a pax header of `size` bytes at `offset` into `pending`. `global`: only comments are harmless.
pub fn read_pax(
    tar: &dyn ReadAt,
    offset: u64,
    size: u64,
    global: bool,
    limits: &Limits,
    pending: &mut Pending,
) -> io::Result<Result<(), Fault>> {
    let mut body = Window { tar, end: offset + size, at: u64::MAX, bytes: Vec::new() };
    let mut at = offset;
    let mut records = 0;
    while at < offset + size {
        records += 1;
        if records > limits.extension_records {
            return Ok(Err(Fault::TooMuch(format!("it has more than {} records", limits.extension_records))));
        }
        let head = body.get(at, HEAD_MAX)?;
        let Some((length, key_at)) = record_length(head) else {
            // Some writers pad the body with NULs; that is no record. More than a block of them is no padding.
            let rest = offset + size - at;
            if head[0] == 0 && rest <= BLOCK as u64 && is_zero(body.get(at, rest as usize)?) {
                return Ok(Ok(()));
            }
            return Ok(Err(Fault::Broken("a record does not start with its length".into())));
        };
        if length <= key_at as u64 + 1 || length > offset + size - at {
            return Ok(Err(Fault::Broken(format!(
                "a record says it is {length} bytes long, which cannot be"
            ))));
        }
        let head = &head[key_at..head.len().min(usize::try_from(length).unwrap_or(usize::MAX))];
        let key = match head.iter().position(|byte| *byte == b'=') {
            Some(equals) => head[..equals].to_vec(),
            None if head.len() + key_at < HEAD_MAX => {
                return Ok(Err(Fault::Broken("a record has no `=`".into())));
            }
            None => Vec::new(),
        };
        let value_at = at + key_at as u64 + key.len() as u64 + 1;
        let value_size = (at + length - 1).saturating_sub(value_at);
        if wanted(&key) {
            if value_size > limits.extension_value_bytes as u64 {
                return Ok(Err(Fault::TooMuch(format!("one of its values has {value_size} bytes"))));
            }
            let value = body.take(value_at, value_size as usize)?;
            if let Err(fault) = keep(&key, &value, global, pending) {
                return Ok(Err(fault));
            }
        }
        if body.get(at + length - 1, 1)? != b"\n" {
            return Ok(Err(Fault::Broken("a record does not end with a line end".into())));
        }
        at += length;
    }
    Ok(Ok(()))
}

/// The decimal length a record starts with, and where its key starts.
fn record_length(head: &[u8]) -> Option<(u64, usize)> {
    let space = head.iter().take(20).position(|byte| *byte == b' ')?;
    Some((decimal(&head[..space])?, space + 1))
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn wanted(key: &[u8]) -> bool {
    matches!(key, b"path" | b"linkpath" | b"size" | b"mtime") || key.starts_with(b"GNU.sparse.")
}

fn keep(key: &[u8], value: &[u8], global: bool, pending: &mut Pending) -> Result<(), Fault> {
    if global && key != b"mtime" {
        return Err(Fault::Broken(format!("it sets `{}` for all members that follow", escape(key))));
    }
    let repeated = |key: &str| Err(Fault::Broken(format!("it gives `{key}` twice")));
    match key {
        b"path" if pending.path.is_some() => repeated("path"),
        b"path" if value.contains(&0) => Err(Fault::Broken("its path holds a NUL byte".into())),
        // An empty value takes back what was said: the header's own name counts.
        b"path" if value.is_empty() => Ok(()),
        b"path" => {
            pending.path = Some(value.to_vec());
            Ok(())
        }
        b"linkpath" => {
            pending.link = Some(value.to_vec());
            Ok(())
        }
        b"size" if pending.size.is_some() => repeated("size"),
        b"size" if value.is_empty() => Ok(()),
        b"size" => {
            let size = decimal(value).filter(|size| i64::try_from(*size).is_ok());
            let size = size.ok_or_else(|| {
                Fault::Lost(format!("its size is `{}`", escape(&value[..value.len().min(40)])))
            })?;
            pending.size = Some(size);
            Ok(())
        }
        b"mtime" if !global => {
            let whole = value.split(|byte| *byte == b'.').next().unwrap_or(&[]);
            pending.mtime = std::str::from_utf8(whole).ok().and_then(|text| text.parse().ok());
            Ok(())
        }
        b"mtime" => Ok(()),
        _ => {
            pending.sparse = true;
            Ok(())
        }
    }
}

/// Reads a GNU long name, or (not `is_name`) the long target of a link.
pub fn read_gnu(
    tar: &dyn ReadAt,
    offset: u64,
    size: u64,
    is_name: bool,
    limits: &Limits,
    pending: &mut Pending,
) -> io::Result<Result<(), Fault>> {
    if size > limits.extension_value_bytes as u64 {
        return Ok(Err(Fault::TooMuch(format!("it has {size} bytes"))));
    }
    if is_name && pending.path.is_some() || !is_name && pending.link.is_some() {
        return Ok(Err(Fault::Broken("it names a member that has been named before".into())));
    }
    let mut body = Window { tar, end: offset + size, at: u64::MAX, bytes: Vec::new() };
    let told = body.take(offset, size as usize)?;
    let name = until_nul(&told).to_vec();
    // Some readers would stop at it, and others go on behind it.
    if !is_zero(&told[name.len()..]) {
        return Ok(Err(Fault::Broken("its name holds a NUL byte".into())));
    }
    if is_name {
        pending.path = Some(name);
    } else {
        pending.link = Some(name);
    }
    Ok(Ok(()))
}

/// A stretch of the tar through a small window.
struct Window<'a> {
    tar: &'a dyn ReadAt,
    end: u64,
    at: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// Up to `want` bytes at `at`; fewer only at the end of the stretch.
    fn get(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        let want = want.min(usize::try_from(self.end - at).unwrap_or(usize::MAX));
        let inside =
            at.checked_sub(self.at).is_some_and(|skip| skip + want as u64 <= self.bytes.len() as u64);
        if !inside {
            let size = WINDOW.max(want).min(usize::try_from(self.end - at).unwrap_or(usize::MAX));
            self.bytes.resize(size, 0);
            read_exact_at(self.tar, &mut self.bytes, at)?;
            self.at = at;
        }
        let start = (at - self.at) as usize;
        Ok(&self.bytes[start..start + want])
    }

    fn take(&mut self, at: u64, want: usize) -> io::Result<Vec<u8>> {
        self.get(at, want).map(<[u8]>::to_vec)
    }
}

/// Fills `buf` from `at`.
pub fn read_exact_at(tar: &dyn ReadAt, buf: &mut [u8], at: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < buf.len() {
        match tar.read_at(&mut buf[filled..], at + filled as u64) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it became shorter while it was read",
                ));
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pax(body: &[u8], global: bool) -> Result<Pending, Fault> {
        let mut pending = Pending::default();
        let body = body.to_vec();
        read_pax(&body, 0, body.len() as u64, global, &Limits::default(), &mut pending).unwrap()?;
        Ok(pending)
    }

    #[test]
    fn records_are_kept_or_passed_over() {
        let long = "x".repeat(70_000);
        let skipped = format!("{} SCHILY.xattr.a={long}\n", long.len() + 22);
        assert_eq!(skipped.len(), long.len() + 22);
        let body = format!("{skipped}20 path=bag/data/\u{fc}\n11 size=42\n19 mtime=17.123456\n");
        let pending = pax(body.as_bytes(), false).unwrap();
        assert_eq!(pending.path.as_deref(), Some("bag/data/\u{fc}".as_bytes()));
        assert_eq!((pending.size, pending.mtime, pending.sparse), (Some(42), Some(17), false));
        assert!(pax(b"22 GNU.sparse.major=1\n", false).unwrap().sparse);
    }

    #[test]
    fn broken_records_are_refused() {
        for body in [
            &b"999 path=a\n"[..],
            b"x path=a\n",
            b"8 path=a\n",
            b"11 path=ab\n12 path=abc\n",
            b"11 pathaxb\n",
            b"11 path=a\0\n",
            b"3 a",
        ] {
            assert!(matches!(pax(body, false), Err(Fault::Broken(_))), "{}", body.escape_ascii());
        }
        assert!(matches!(pax(b"11 size=-1\n", false), Err(Fault::Lost(_))));
        assert!(matches!(pax(b"10 path=a\n", true), Err(Fault::Broken(_))));
        assert!(pax(b"15 comment=abc\n", true).is_ok());
        // What a hostile tar says is never said to a terminal as it stands.
        let Err(Fault::Lost(why)) = pax(b"13 size=\x1b[2J\n", false) else { panic!("no size") };
        assert_eq!(why, "its size is `\\u{1b}[2J`");
        let many = b"5 a=\n".repeat(10_001);
        assert!(matches!(pax(&many, false), Err(Fault::TooMuch(_))));
    }
}
