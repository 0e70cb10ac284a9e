//! One range of a deposit, believed only when the answer proves that it is that range of what was pinned.
//!
//! - The answer's own words count (`Content-Range`, length, entity tag, date), never what was asked for.
//! - What was compressed on the way, comes in several parts or says nothing of its place is not taken.
//! - A body gives exactly as many bytes as were asked for; one more or one fewer is an error before the last of them.

use crate::rules::address::shown;
use crate::rules::http;
use crate::worlds::net::client::{Answer, NetError, of_io};
use crate::worlds::source::SourceError;
use jiff::Timestamp;
use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

/// What pins a deposit on the network: whatever its server says that changes with its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// Bytes of the whole.
    pub bytes: u64,
    /// Version of the object, where there are versions.
    pub version: Option<String>,
    /// Seconds since 1970 of its last change.
    pub modified: Option<i64>,
    /// Strong entity tag, with its quotes.
    pub tag: Option<String>,
}

impl Pin {
    /// What an answer pins.
    pub fn of(answer: &Answer, bytes: u64) -> Pin {
        let modified = answer.header("last-modified").and_then(http::date).map(Timestamp::as_second);
        let version = answer.header("x-amz-version-id").filter(|id| is_version(id)).map(String::from);
        let tag = answer.header("etag").and_then(http::strong_tag).map(String::from);
        Pin { bytes, version, modified, tag }
    }

    /// The pin that is written so.
    pub fn parse(text: &str) -> Option<Pin> {
        let mut pin =
            Pin { bytes: http::number(text.strip_prefix("bytes ")?.split(' ').next()?)?, ..Pin::default() };
        let (before, tag) = match text.split_once(" tag ") {
            Some((before, tag)) => (before, Some(tag)),
            None => (text, None),
        };
        pin.tag = tag.map(String::from);
        let words: Vec<&str> = before.split(' ').skip(2).collect();
        for pair in words.chunks(2) {
            match pair {
                ["version", id] => pin.version = Some(id.to_string()),
                ["changed", seconds] => pin.modified = Some(seconds.parse().ok()?),
                _ => return None,
            }
        }
        Some(pin)
    }

    /// Why this answer is not of what is pinned. What it does not say cannot differ, but it must say one thing at least
    /// that was pinned besides the length, when there was one.
    fn differs(&self, answer: &Answer) -> Option<String> {
        let now = Pin::of(answer, self.bytes);
        let mut compared = false;
        let mut differ = |what: &str, was: Option<String>, is: Option<String>| match (was, is) {
            (Some(was), Some(is)) if was != is => Some(format!("its {what} was {was} and is {is}")),
            (Some(_), Some(_)) => {
                compared = true;
                None
            }
            _ => None,
        };
        let seconds = |at: Option<i64>| {
            at.map(|at| Timestamp::from_second(at).map_or(at.to_string(), |at| at.to_string()))
        };
        let found = differ("entity tag", self.tag.clone(), now.tag.clone())
            .or_else(|| differ("version", self.version.clone(), now.version.clone()))
            .or_else(|| differ("last change", seconds(self.modified), seconds(now.modified)));
        if found.is_some() {
            return found;
        }
        let pinned = self.tag.is_some() || self.version.is_some() || self.modified.is_some();
        (pinned && !compared).then(|| "it no longer says by what it was pinned".to_string())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "bytes {}", self.bytes)?;
        if let Some(version) = &self.version {
            write!(out, " version {version}")?;
        }
        if let Some(modified) = self.modified {
            write!(out, " changed {modified}")?;
        }
        // Last, because it may hold anything.
        if let Some(tag) = &self.tag {
            write!(out, " tag {tag}")?;
        }
        Ok(())
    }
}

fn is_version(text: &str) -> bool {
    // "null": the bucket has no versions.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~=+/".contains(c);
    text != "null" && !text.is_empty() && text.len() <= 1_024 && text.chars().all(plain)
}

/// A failure of the network as a failure of the source.
pub fn of_net(key: &str, error: NetError) -> SourceError {
    let key = shown(key);
    match error {
        NetError::Forbidden(why) | NetError::Setup(why) => SourceError::Denied { key, why },
        NetError::Failed(why) => SourceError::Unreachable { key, why },
        NetError::Wrong(why) => SourceError::Wrong { key, why },
    }
}

/// What a status that is no success means.
pub fn of_status(key: &str, status: u16, told: &str, after: Option<Duration>) -> SourceError {
    let key = shown(key);
    let why = format!("it answers {told}");
    match status {
        404 | 410 => SourceError::Gone { key },
        401 | 402 | 403 | 407 | 451 => SourceError::Denied { key, why },
        412 | 416 => SourceError::Changed { key, why },
        429 | 503 => SourceError::Busy { key, why, after },
        408 | 425 | 500 | 502 | 504 | 507..=599 => SourceError::Unreachable { key, why },
        _ => SourceError::Wrong { key, why },
    }
}

/// How long an answer asks to wait.
pub fn asks_to_wait(answer: &Answer, now: Timestamp) -> Option<Duration> {
    answer.header("retry-after").and_then(|text| http::retry_after(text, now))
}

/// The header that asks for a range.
pub fn range_header(from: u64, length: u64) -> String {
    format!("bytes={from}-{}", from + length.saturating_sub(1))
}

/// True when the answer was compressed, or is otherwise not the bytes themselves.
pub fn is_coded(answer: &Answer) -> Option<String> {
    if !answer.has("content-encoding") {
        return None;
    }
    let coding = answer.header("content-encoding").unwrap_or("several codings");
    // "aws-chunked" is how a bucket was written to, and some hand it on.
    let plain = ["", "identity", "aws-chunked"].iter().any(|word| coding.trim().eq_ignore_ascii_case(word));
    (!plain).then(|| format!("it answers with its bytes coded ({coding}), though that was not asked for"))
}

/// The bytes of an answer to a request for `length` bytes from `from` of what `pin` pins.
pub fn body(key: &str, pin: &Pin, from: u64, length: u64, answer: Answer) -> Result<ExactBody, SourceError> {
    let wrong = |why: String| SourceError::Wrong { key: shown(key), why };
    if let Some(why) = is_coded(&answer) {
        return Err(wrong(why));
    }
    let kind = answer.header("content-type").unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("multipart/byteranges") {
        return Err(wrong("it answers in several parts, where one was asked for".into()));
    }
    if let Some(why) = pin.differs(&answer) {
        return Err(SourceError::Changed { key: shown(key), why });
    }
    let sent = match answer.header("content-length") {
        Some(text) => Some(http::number(text).ok_or_else(|| wrong(format!("its length is \"{text}\"")))?),
        None if answer.has("content-length") => return Err(wrong("it gives two lengths".into())),
        None => None,
    };
    if answer.has("content-range") {
        placed(key, pin, from, length, &answer)?;
    } else if answer.status() == 206 {
        return Err(wrong("it answers 206 without saying which part it gives".into()));
    } else {
        whole(key, pin, from, length, sent)?;
    }
    if let Some(sent) = sent.filter(|sent| *sent != length) {
        return Err(wrong(format!("{length} bytes were asked for and it sends {sent}")));
    }
    Ok(ExactBody { key: shown(key), body: Box::new(answer.into_body()), length, left: length, ended: false })
}

/// The answer says which part it is: it must be the one that was asked for, of as many bytes as there were.
fn placed(key: &str, pin: &Pin, from: u64, length: u64, answer: &Answer) -> Result<(), SourceError> {
    let key = shown(key);
    let text = answer.header("content-range").unwrap_or("several ranges");
    let Some(range) = http::content_range(text) else {
        return Err(SourceError::Wrong {
            key,
            why: format!("it answers with the range \"{}\"", text.escape_debug()),
        });
    };
    if let Some(whole) = range.whole.filter(|whole| *whole != pin.bytes) {
        return Err(SourceError::Changed { key, why: format!("it had {} bytes and has {whole}", pin.bytes) });
    }
    // Without the number of all bytes only a tag tells that they are the same.
    if range.whole.is_none() && (pin.tag.is_none() || answer.header("etag") != pin.tag.as_deref()) {
        return Err(SourceError::Wrong { key, why: "it does not say how many bytes there are".into() });
    }
    if range.part != Some((from, from + length - 1)) {
        let why = format!("{} were asked for and it answers {text}", range_header(from, length));
        return Err(SourceError::Wrong { key, why });
    }
    Ok(())
}

/// The answer is the whole: taken when the whole was asked for.
fn whole(key: &str, pin: &Pin, from: u64, length: u64, sent: Option<u64>) -> Result<(), SourceError> {
    let key = shown(key);
    match sent {
        _ if from == 0 && length == pin.bytes => Ok(()),
        Some(sent) if sent == length => {
            let why = "it sends as many bytes as were asked for, but does not say which";
            Err(SourceError::Wrong { key, why: why.into() })
        }
        Some(sent) if sent != pin.bytes => {
            Err(SourceError::Changed { key, why: format!("it had {} bytes and has {sent}", pin.bytes) })
        }
        _ => Err(SourceError::NoRanges { key }),
    }
}

/// Exactly as many bytes as were asked for. Errors are `SourceError`s within I/O errors.
pub struct ExactBody {
    key: String,
    body: Box<dyn Read + Send>,
    length: u64,
    left: u64,
    ended: bool,
}

impl ExactBody {
    fn wrong(&self, why: String) -> io::Error {
        SourceError::Wrong { key: self.key.clone(), why }.into_io()
    }
}

impl Read for ExactBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.ended || buf.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let got =
            self.body.read(&mut buf[..most]).map_err(|error| of_net(&self.key, of_io(&error)).into_io())?;
        if got == 0 {
            let why = format!("it broke off after {} of {} bytes", self.length - self.left, self.length);
            return Err(SourceError::Unreachable { key: self.key.clone(), why }.into_io());
        }
        self.left -= got as u64;
        if self.left == 0 {
            self.ended = true;
            // Also gives the connection back to the pool. That everything came is known; an error after it is none.
            if let Ok(1..) = self.body.read(&mut [0]) {
                return Err(self.wrong(format!("it gives more than the {} bytes asked for", self.length)));
            }
        }
        Ok(got)
    }
}
