//! Packed deposits: a compressed tar or a zip in, the bytes of a plain tar out.
//!
//! - What a deposit is, its first bytes say, never its name. Whether it may be packed at all is the caller's policy.
//! - Nothing is written by a member's name: a zip becomes a tar, so that one reader judges every name.
//! - Bytes out are capped before they are made: by a ratio to the bytes in, and in all. Memory does not grow with either,
//!   nor with the number of members; work grows with the bytes in and out.
//! - Whatever the container says twice (checksums, sizes, a zip's directory and headers) must agree, or it is refused.
//! - A deposit that cannot be read, and a taker that stops, are apart from refusals.

mod bzip;
mod container;
mod deflate;
mod pump;
mod zip;
mod zstd;

#[cfg(test)]
mod tests;

pub use container::Container;

use crate::model::finding::{Finding, Severity, escape};
use crate::rules::read::ReadAt;
use crate::rules::tar::grouped;
use pump::{Feed, Halt, Sink};
use std::fmt;
use std::io::{self, Write};

/// What unpacking a deposit may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes that may come out of it, in all.
    pub bytes: u64,
    /// Bytes that may come out for each byte of the deposit.
    pub ratio: u64,
    /// Members of a zip, files and folders.
    pub members: u64,
}

impl Default for Caps {
    fn default() -> Caps {
        Caps { bytes: 1 << 40, ratio: 250, members: 10_000_000 }
    }
}

/// The ratio does not count below so many bytes: a bag of a few empty files packs better than any bomb.
const RATIO_FROM: u64 = 64 << 20;

impl Caps {
    /// Bytes that may come out of a deposit of so many bytes.
    pub fn allowed(&self, packed_bytes: u64) -> u64 {
        self.bytes.min(packed_bytes.saturating_mul(self.ratio).max(RATIO_FROM))
    }
}

/// What was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of the plain tar.
    pub bytes: u64,
    /// Compressed streams, or members of a zip.
    pub parts: u64,
    /// Warnings.
    pub findings: Vec<Finding>,
}

/// Why a deposit was not unpacked.
#[derive(Debug)]
pub enum PackedError {
    /// The deposit must be refused: every reason that could be found.
    Refused(Vec<Finding>),
    /// The deposit could not be read at this byte.
    Read {
        /// Where.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
    /// Whoever takes the bytes, or is told of the progress, stopped.
    Taker(io::Error),
}

impl fmt::Display for PackedError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackedError::Refused(findings) => {
                write!(out, "the deposit is refused ({} findings)", findings.len())
            }
            PackedError::Read { offset, error } => {
                write!(out, "reading the deposit at byte {offset}: {error}")
            }
            PackedError::Taker(error) => write!(out, "writing the tar: {error}"),
        }
    }
}

/// What the deposit is, by its first bytes.
pub fn sniff(deposit: &dyn ReadAt) -> io::Result<Container> {
    let mut first = [0; container::SNIFF];
    let mut filled = 0;
    while filled < first.len() {
        match deposit.read_at(&mut first[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Container::of(&first[..filled]))
}

/// Unpacks a deposit into the bytes of a plain tar. `progress` is told how many bytes of the deposit were read, and may
/// stop the work by an error. A plain tar is copied as it is.
pub fn unpack(
    deposit: &dyn ReadAt,
    container: Container,
    caps: &Caps,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64) -> io::Result<()>,
) -> Result<Unpacked, PackedError> {
    let mut sink = Sink::new(out, caps.allowed(deposit.size()));
    let mut feed = Feed::new(deposit, deposit.size(), progress);
    let done = match container {
        Container::Plain => pump::copy(&mut feed, &mut sink),
        Container::Gzip => deflate::gzip(&mut feed, &mut sink),
        Container::Bzip2 => bzip::streams(&mut feed, &mut sink),
        Container::Zstd => zstd::frames(&mut feed, &mut sink),
        Container::Zip => zip::to_tar(deposit, &mut feed, &mut sink, caps),
        other => Err(vec![refused_by_name(other)]).map_err(Halt::Refused),
    };
    let done = done.and_then(|done| match sink.packed_again() {
        Some(inner) if container != Container::Plain => {
            Err(Halt::Refused(vec![packed_twice(container, inner)]))
        }
        _ => Ok(done),
    });
    match done {
        Ok(done) => Ok(Unpacked { bytes: sink.written(), parts: done.parts, findings: done.findings }),
        Err(Halt::Refused(findings)) => Err(PackedError::Refused(findings)),
        Err(Halt::Read { offset, error }) => Err(PackedError::Read { offset, error }),
        Err(Halt::Taker(error)) => Err(PackedError::Taker(error)),
        Err(Halt::Over) => Err(PackedError::Refused(vec![over(container, deposit.size(), caps)])),
    }
}

/// A packed deposit that is not taken: what it is, and how to send it instead.
pub fn refused_by_name(container: Container) -> Finding {
    let what = format!("The deposit is {}, not a plain tar.", container.described());
    Finding::new("SER-COMPRESSED", Severity::Error, "", what).advice(container.advice())
}

fn packed_twice(outer: Container, inner: Container) -> Finding {
    let what =
        format!("The deposit is {}, and what is in it is {} again.", outer.described(), inner.described());
    Finding::new("SER-COMPRESSED", Severity::Error, "", what)
        .advice("Send the plain tar: tar -cf NAME.tar NAME.")
}

fn over(container: Container, packed: u64, caps: &Caps) -> Finding {
    let allowed = caps.allowed(packed);
    let what = if allowed == caps.bytes {
        format!(
            "The deposit is {}; more than {} bytes come out of it, which is the most taken from a packed deposit.",
            container.described(),
            grouped(allowed)
        )
    } else {
        format!(
            "The deposit is {} of {} bytes; more than {} bytes come out of it, which no bag does.",
            container.described(),
            grouped(packed),
            grouped(allowed)
        )
    };
    Finding::new("SER-LIMIT", Severity::Error, "", what)
        .advice("Send it as a plain tar: tar -cf NAME.tar NAME.")
}

/// A finding about a member, or about the whole deposit when the name is empty.
fn refusal(code: &str, name: &[u8], what: String, advice: &str) -> Finding {
    Finding::new(code, Severity::Error, name, what).advice(advice)
}

/// A name as sentences show it.
fn shown(name: &[u8]) -> String {
    format!("`{}`", escape(&name[..name.len().min(300)]))
}

const UPLOAD: &str = "Upload it again; the file on your side is probably whole.";
const REMAKE: &str = "Make it again with a current program, or send a plain tar: tar -cf NAME.tar NAME.";
