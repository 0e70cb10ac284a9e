//! Where deposits come from.
//!
//! - A key names one deposit of one source: an absolute path, an address (`https://…`, `s3://bucket/key`), or
//!   `source://NAME/KEY` of a configured source.
//! - A deposit is read in place where that is possible (`open`, `walk`, `open_member`), else fetched range by range
//!   (`fetch`); every range is held against the pin of the arrival, so that bytes of two versions never meet.
//! - Only `dispose` changes anything at a source, and only what still is the version that was ingested.
//! - No path from a bag is opened except beneath its deposit, and no link is followed.

pub mod configured;
pub mod folder;
pub mod held;
pub mod line;
pub mod local;
pub mod ranged;
pub mod rehearsal;
pub mod s3;
pub mod sources;
pub mod web;
pub mod withheld;

use crate::model::digest::Algorithm;
use crate::model::fact::BagPath;
use crate::model::item::Form;
use crate::model::trouble::{Kind, Trouble};
use crate::rules::read::ReadAt;
use jiff::Timestamp;
use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

/// A key that ends so may lie at a loopback or private address: who submitted it said so.
pub const PRIVATE: &str = "#allow-private";

/// What of an address is not in the ledger is not where it was kept, either.
const LOST: &str = "the secret part of its address, which is kept apart from the ledger, is no longer there";

/// True for an address; every other key is a path of this machine.
pub fn is_address(key: &str) -> bool {
    key.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// The last part of an address's path, percent-decoded where addresses of its scheme are.
pub fn name_in_address(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let plain = rest.split('#').next()?;
    let (path, decoded) = match is_web {
        true => (plain.split('?').next()?, true),
        false => (plain, false),
    };
    let (_, name) = path.split_once('/')?;
    let name = name.trim_end_matches('/').rsplit('/').next()?;
    match decoded {
        true => percent_decoded(name),
        false => Some(name.to_string()),
    }
}

/// `None` when what comes out is no text.
fn percent_decoded(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// A deposit as it lies at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Tar or folder.
    pub form: Form,
    /// Bytes: of the tar, or of all files of the folder.
    pub bytes: u64,
    /// Pins these very bytes without reading them; another pin means "look again".
    pub pin: String,
    /// What a listing of its source marks it with; empty where there is no listing.
    pub mark: String,
    /// It is read where it lies; else it must be fetched first.
    pub in_place: bool,
    /// Connections that may fetch it at once, at most.
    pub connections: usize,
    /// Digests that the source itself gives for the whole deposit, to be compared with what arrived.
    pub given: Vec<GivenDigest>,
}

impl Arrival {
    /// A deposit that is read where it lies.
    pub fn in_place(form: Form, bytes: u64, pin: String) -> Arrival {
        Arrival { form, bytes, pin, mark: String::new(), in_place: true, connections: 1, given: Vec::new() }
    }
}

/// A digest that a source gives for a deposit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenDigest {
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// Lower-case hexadecimal.
    pub hex: String,
    /// Where it was given: "ETag", "x-amz-checksum-sha256", "Content-Digest", "side-car bag.tar.sha256".
    pub by: String,
}

/// One deposit in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key, to be given to `look`.
    pub key: String,
    /// Its name below the place that is listed; may hold `/`.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// Changes when the deposit does; `look` gives the same.
    pub mark: String,
    /// When it was last changed (UTC), when the source says so.
    pub modified: Option<Timestamp>,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What is on it, in the order of the source.
    pub entries: Vec<Listed>,
    /// Gives the next page; `None` on the last.
    pub next: Option<String>,
}

/// What to do with a deposit once its object is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposal {
    /// Move it to this place of the same source.
    Move {
        /// Folder or prefix.
        to: String,
    },
    /// Delete it.
    Delete,
}

/// What became of a deposit that was to be disposed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposed {
    /// It is done; where it lies now, if it was moved.
    Done {
        /// The new key.
        to: Option<String>,
    },
    /// It is no longer what was ingested: nothing was done.
    Changed,
    /// It was not there any more.
    Absent,
}

/// What a folder deposit holds at one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file: bytes and modification time (seconds since 1970).
    File {
        /// Bytes.
        size: u64,
        /// Seconds since 1970 (UTC).
        mtime: i64,
    },
    /// A folder with nothing in it.
    EmptyFolder,
    /// A link, device, socket or pipe.
    Special,
}

/// Why a source did not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// Nothing lies there.
    Gone {
        /// The key.
        key: String,
    },
    /// We may not read it.
    Denied {
        /// The key.
        key: String,
        /// What the system said.
        why: String,
    },
    /// Reading failed.
    Io {
        /// The key.
        key: String,
        /// What the system said.
        why: String,
    },
    /// It is no longer what was pinned, or the source gave bytes of something else.
    Changed {
        /// The key.
        key: String,
        /// What was expected and what was found.
        why: String,
    },
    /// The source cannot be reached, stalled, or broke off.
    Unreachable {
        /// The key.
        key: String,
        /// What was tried and what happened.
        why: String,
    },
    /// The source asks to be left alone for a while (429, 503), or our own breaker does.
    Busy {
        /// The key.
        key: String,
        /// What it said.
        why: String,
        /// How long it asks for, when it says.
        after: Option<Duration>,
    },
    /// It gives the whole deposit only, from its first byte on.
    NoRanges {
        /// The key.
        key: String,
    },
    /// It has no listing.
    NoListing {
        /// The source.
        key: String,
    },
    /// What was withheld of its address is lost.
    AddressLost {
        /// The key.
        key: String,
    },
    /// What the source answers cannot be used: it breaks its protocol, or cannot do what is needed.
    Wrong {
        /// The key.
        key: String,
        /// What was asked and what came.
        why: String,
    },
}

impl SourceError {
    /// The error as reading a range gives it.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// The error within an I/O error, when a source made it.
    pub fn of_io(error: &io::Error) -> Option<&SourceError> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}

impl std::error::Error for SourceError {}

impl fmt::Display for SourceError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::Gone { .. } => out.write_str("nothing lies there"),
            SourceError::NoListing { .. } => out.write_str("it has no listing"),
            SourceError::NoRanges { .. } => out.write_str("it gives no part of it alone"),
            SourceError::AddressLost { .. } => out.write_str(LOST),
            SourceError::Denied { why, .. }
            | SourceError::Io { why, .. }
            | SourceError::Changed { why, .. }
            | SourceError::Unreachable { why, .. }
            | SourceError::Busy { why, .. }
            | SourceError::Wrong { why, .. } => out.write_str(why),
        }
    }
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Trouble {
        match error {
            SourceError::Gone { key } => Trouble::new(Kind::DepositGone, "nothing lies there").about(key),
            SourceError::Denied { key, why } => Trouble::new(Kind::SourceDenied, why).about(key),
            SourceError::Io { key, why } => Trouble::new(Kind::SourceIo, why).about(key),
            SourceError::Changed { key, why } => Trouble::new(Kind::DepositChanged, why).about(key),
            SourceError::Unreachable { key, why } => Trouble::new(Kind::SourceUnreachable, why).about(key),
            SourceError::Busy { key, why, .. } => Trouble::new(Kind::SourceBusy, why).about(key),
            SourceError::NoListing { key } => Trouble::new(Kind::SourceWrong, "it has no listing").about(key),
            SourceError::NoRanges { key } => {
                Trouble::new(Kind::SourceWrong, "it gives no part of the deposit alone").about(key)
            }
            SourceError::Wrong { key, why } => Trouble::new(Kind::SourceWrong, why).about(key),
            SourceError::AddressLost { key } => Trouble::new(Kind::AddressLost, LOST).about(key),
        }
    }
}

/// Where deposits come from.
pub trait Source: Send + Sync {
    /// What lies at this key.
    fn look(&self, key: &str) -> Result<Arrival, SourceError>;

    /// The tar at this key, to be read at any place.
    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError>;

    /// Every file, empty folder and special entry of a folder deposit, in the order of their paths.
    fn walk(
        &self,
        key: &str,
        each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble>;

    /// One file of a folder deposit.
    fn open_member(&self, key: &str, path: &BagPath) -> Result<Box<dyn ReadAt>, SourceError>;

    /// The bytes `from .. from + length` of a deposit that must be fetched: exactly so many, or an error that
    /// `SourceError::of_io` knows. The first byte comes only after the answer was found to be that range of what
    /// `arrival` pins. Nothing is tried twice here, but for a pooled connection that was closed under us.
    fn fetch(
        &self,
        key: &str,
        arrival: &Arrival,
        from: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        let _ = (arrival, from, length);
        Err(SourceError::Wrong { key: key.to_string(), why: "it is read in place, not fetched".into() })
    }

    /// One page of what lies at a configured source; `after` is the last page's `next`.
    fn list(&self, source: &str, after: Option<&str>) -> Result<Page, SourceError> {
        let _ = after;
        Err(SourceError::NoListing { key: source.to_string() })
    }

    /// Where addresses lie that have something secret in them, if such are taken.
    fn withheld(&self) -> Option<&withheld::Withheld> {
        None
    }

    /// How each source on a network is doing that was asked since the start.
    fn states(&self) -> Vec<sources::SourceState> {
        Vec::new()
    }

    /// Moves or deletes a deposit, if it still is what `pin` pins. Doing it twice is doing it once.
    fn dispose(&self, key: &str, pin: &str, how: &Disposal) -> Result<Disposed, SourceError> {
        let _ = (pin, how);
        Err(SourceError::Wrong { key: key.to_string(), why: "nothing is moved or deleted there".into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_its_scheme_and_named_by_its_last_part() {
        for (key, name) in [
            ("https://a.org/drop/b%C3%A4g%201.tar?token=x#allow-private", Some("bäg 1.tar")),
            ("s3://bucket/a/b%20c.tar", Some("b%20c.tar")),
            ("source://uva/drop/d.tar", Some("d.tar")),
            ("http://a.org", None),
            ("http://a.org/%ff.tar", None),
        ] {
            assert!(is_address(key), "{key}");
            assert_eq!(name_in_address(key).as_deref(), name, "{key}");
        }
        for key in ["/in/a.tar", "a b://x", "://x", "/in/http://x"] {
            assert!(!is_address(key), "{key}");
        }
    }
}
