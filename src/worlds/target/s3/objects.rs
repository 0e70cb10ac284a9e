//! What is done with single keys: read, written, listed, removed.
//!
//! - A read that breaks off goes on where it was, of the very object that it began with.
//! - A body has the length that its head gave, or the read is an error.
//! - A listing is read page by page; a page that leads nowhere is an error, not an end.

use super::abilities::Checksum;
use super::talk::{No, Stretch, Talk};
use crate::model::digest::Algorithm;
use crate::rules::digester::Digester;
use crate::rules::http;
use crate::rules::read::{ReadAt, Slice};
use crate::worlds::net::client::{Answer, Method, NetBody, NetError, of_io};
use crate::worlds::net::turns::Turn;
use crate::worlds::s3::{Details, decoded, xml};
use crate::worlds::target::TargetError;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

/// Longest page of a listing: a thousand keys of a thousand bytes, escaped.
const PAGE_MAX: usize = 16 << 20;
/// Pages of one listing: a hundred million keys.
const PAGES_MAX: usize = 100_000;
/// A read is taken up again so often without having got on.
const RESUMES_MAX: u32 = 5;
/// Bytes read or hashed at once.
pub const CHUNK: usize = 256 << 10;
/// Largest object that one request may write.
pub const PUT_MAX: u64 = 5 << 30;

/// On what a write depends.
#[derive(Clone, Copy, Debug)]
pub enum If<'a> {
    /// On nothing.
    Any,
    /// Nothing lies there.
    New,
    /// What lies there has this tag.
    Is(&'a str),
}

/// A key as a listing gives it.
#[derive(Clone, Debug)]
pub struct Key {
    /// Below the prefix of the target.
    pub key: String,
    /// Bytes.
    pub bytes: u64,
    /// Entity tag, without quotes.
    pub tag: String,
}

/// The base64 of a digest, and of how many bytes.
pub fn digest(algorithm: Algorithm, stretch: Stretch<'_>) -> Result<Vec<u8>, String> {
    let mut digester = Digester::new(&[algorithm]);
    let mut from = Slice::new(stretch.from, stretch.offset, stretch.size);
    let mut buffer = vec![0; CHUNK.min(usize::try_from(stretch.size).unwrap_or(CHUNK)).max(1)];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => digester.update(&buffer[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let digests = digester.finish();
    Ok(crate::model::digest::unhex(digests.get(algorithm).expect("it was asked for")).unwrap_or_default())
}

impl Talk {
    /// The header that carries the digest of these bytes.
    pub fn checksum(
        &self,
        how: Checksum,
        path: &str,
        stretch: Stretch<'_>,
    ) -> Result<(&'static str, String), No> {
        let lost = |why| No::Failed(TargetError::Source { path: path.to_string(), why });
        let (name, algorithm) = match how {
            Checksum::Sha256 => ("x-amz-checksum-sha256", Algorithm::Sha256),
            Checksum::Md5 => ("content-md5", Algorithm::Md5),
        };
        Ok((name, http::to_base64(&digest(algorithm, stretch).map_err(lost)?)))
    }

    /// Writes an object; gives its entity tag with quotes. `class`: in which storage class, when not the usual one.
    pub fn put(
        &self,
        key: &str,
        stretch: Stretch<'_>,
        how: Checksum,
        only: If<'_>,
        class: Option<&str>,
    ) -> Result<String, No> {
        let mut details = Details::default();
        let (name, text) = self.checksum(how, key, stretch)?;
        match how {
            Checksum::Sha256 => details.signed.push((name, text)),
            Checksum::Md5 => details.plain.push((name, text)),
        }
        match only {
            If::Any => {}
            If::New => details.plain.push(("if-none-match", "*".into())),
            If::Is(tag) => details.plain.push(("if-match", tag.to_string())),
        }
        details.signed.extend(class.map(|class| ("x-amz-storage-class", class.to_string())));
        let answer = self.send(Method::Put, key, stretch, details)?;
        Ok(answer.header("etag").unwrap_or_default().trim().to_string())
    }

    /// The head of an object; none when it is not there.
    pub fn head(&self, key: &str) -> Result<Option<Answer>, TargetError> {
        let signed = vec![("x-amz-checksum-mode", "ENABLED".to_string())];
        match self.ask(Method::Head, Some(key), &Details { signed, ..Details::default() }) {
            Ok(answer) => Ok(Some(answer)),
            Err(no) if no.is_absent() => Ok(None),
            // A head has no words: the first byte is refused for the same reason, with them.
            Err(No::Refused(_)) => match self.ask(Method::Get, Some(key), &Details::default()) {
                Err(no) if no.is_absent() => Ok(None),
                Err(no) => Err(self.told(key, no)),
                Ok(_) => Err(self.io(key, "its head is refused, and it is not")),
            },
            Err(no) => Err(self.told(key, no)),
        }
    }

    /// Opens an object for reading.
    pub fn open(self: &Arc<Talk>, key: &str) -> Result<Reading, No> {
        let turn = self.turn(Some(key))?;
        let answer = self.ask_in_turn(Method::Get, Some(key), &fresh(None))?;
        let total = answer.header("content-length").and_then(http::number);
        let Some(total) = total else {
            return Err(No::Failed(self.io(key, "it does not say how many bytes it has")));
        };
        let tag = answer.header("etag").map(|tag| tag.trim().to_string());
        let body = Some(answer.into_body());
        let talk = self.clone();
        Ok(Reading { talk, key: key.to_string(), tag, total, done: 0, body, resumes: 0, turn: Some(turn) })
    }

    /// A short object, whole, with its entity tag; none when it is not there.
    pub fn get(self: &Arc<Talk>, key: &str, most: u64) -> Result<Option<(Vec<u8>, String)>, TargetError> {
        let reading = match self.open(key) {
            Err(no) if no.is_absent() => return Ok(None),
            other => other.map_err(|no| self.told(key, no))?,
        };
        if reading.total > most {
            let why = format!("it has {} bytes where at most {most} belong", reading.total);
            return Err(self.io(key, why));
        }
        let tag = reading.tag.clone().unwrap_or_default();
        let mut bytes = Vec::new();
        let read = { reading }.read_to_end(&mut bytes);
        read.map_err(|error| self.io(key, error.to_string()))?;
        Ok(Some((bytes, tag)))
    }

    /// Gives all bytes of an object to `sink`, and their number.
    pub fn read(self: &Arc<Talk>, key: &str, sink: &mut dyn FnMut(&[u8])) -> Result<u64, TargetError> {
        self.read_while(key, &mut |bytes| {
            sink(bytes);
            true
        })
    }

    /// Gives the bytes of an object to `sink`, as long as it wants them, and their number.
    pub fn read_while(
        self: &Arc<Talk>,
        key: &str,
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<u64, TargetError> {
        let mut reading = self.open(key).map_err(|no| self.told(key, no))?;
        let size = CHUNK.min(usize::try_from(reading.total).unwrap_or(CHUNK)).max(1);
        let mut buffer = vec![0; size];
        loop {
            match reading.read(&mut buffer).map_err(|error| self.io(key, error.to_string()))? {
                0 => return Ok(reading.done),
                got if sink(&buffer[..got]) => {}
                _ => return Ok(reading.done),
            }
        }
    }

    /// Removes an object; not there: fine.
    pub fn delete(&self, key: &str) -> Result<(), TargetError> {
        let details = Details { again: true, ..Details::default() };
        match self.ask(Method::Delete, Some(key), &details) {
            Ok(_) => Ok(()),
            Err(no) if no.is_absent() => Ok(()),
            Err(no) => Err(self.told(key, no)),
        }
    }

    /// Gives every key that starts with `start`, in the store's order, from behind `after`; `each` says how to go on.
    pub fn list(
        &self,
        start: &str,
        after: Option<&str>,
        each: &mut dyn FnMut(Key) -> Go,
    ) -> Result<(), TargetError> {
        let mut from = after.map(|after| format!("{}{after}", self.prefix));
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![("list-type", "2".to_string()), ("max-keys", "1000".to_string())];
            query.push(("prefix", format!("{}{start}", self.prefix)));
            match (&token, &from) {
                (Some(token), _) => query.push(("continuation-token", token.clone())),
                (None, Some(from)) => query.push(("start-after", from.clone())),
                (None, None) => {}
            }
            let root = self.page(query, "ListBucketResult")?;
            let encoded = root.text_of("EncodingType").is_some_and(|kind| kind.trim() == "url");
            let mut jump = None;
            for entry in root.all("Contents") {
                let key = self.listed(entry, encoded)?;
                if jump.as_ref().is_some_and(|jump: &String| key.key.starts_with(jump.as_str())) {
                    continue;
                }
                // The page holds what is behind it: the next one goes on behind the page.
                jump = None;
                match each(key) {
                    Go::On => {}
                    Go::Past(folder) => jump = Some(folder),
                    Go::Stop => return Ok(()),
                }
            }
            if root.text_of("IsTruncated").map(str::trim) != Some("true") {
                return Ok(());
            }
            token = match jump {
                // What is left of the folder that nobody wants to see is not asked for: a slash is followed by a 0.
                Some(folder) => {
                    from = Some(format!("{}{}0", self.prefix, folder.trim_end_matches('/')));
                    None
                }
                None => match root.text_of("NextContinuationToken").map(str::to_string) {
                    Some(next) if !next.is_empty() && Some(&next) != token.as_ref() => Some(next),
                    _ => return Err(self.io(start, "its listing goes on, but it does not say how")),
                },
            };
        }
        Err(self.io(start, "its listing does not end"))
    }

    /// An XML answer of the bucket itself.
    pub fn page(
        &self,
        query: Vec<(&'static str, String)>,
        wanted: &str,
    ) -> Result<xml::Element, TargetError> {
        self.ask_document(Method::Get, None, &Details { query, ..Details::default() }, wanted)
            .map_err(|no| self.told("", no))
    }

    /// Asks for an XML document, of which the outermost element must be `wanted`; one that broke off is asked for again.
    pub fn ask_document(
        &self,
        method: Method,
        key: Option<&str>,
        details: &Details<'_>,
        wanted: &str,
    ) -> Result<xml::Element, No> {
        let mut tries = 0;
        loop {
            tries += 1;
            let text = self.ask(method, key, details)?.into_text(PAGE_MAX);
            match text {
                Ok(text) => {
                    let document = self.document(&text, key.unwrap_or_default(), wanted);
                    return document.map_err(No::Failed);
                }
                Err(NetError::Failed(_)) if tries < RESUMES_MAX => {}
                Err(error) => return Err(No::Failed(self.io(key.unwrap_or_default(), error.to_string()))),
            }
        }
    }

    /// The outermost element of an XML document, which must be `wanted`.
    pub fn document(&self, text: &str, key: &str, wanted: &str) -> Result<xml::Element, TargetError> {
        let root =
            xml::parse(text).map_err(|why| self.io(key, format!("it answers what is no XML: {why}")))?;
        // rclone's server leaves the "Result" out.
        match root.name == wanted || wanted.strip_suffix("Result") == Some(root.name.as_str()) {
            true => Ok(root),
            false => Err(self.io(key, format!("it answers <{}> where <{wanted}> belongs", root.name))),
        }
    }

    fn listed(&self, entry: &xml::Element, encoded: bool) -> Result<Key, TargetError> {
        let wrong = |why: &str| self.io("", why);
        let key = entry.text_of("Key").ok_or_else(|| wrong("an entry of its listing has no key"))?;
        let key = if encoded { decoded(key) } else { key.to_string() };
        let bytes = entry.text_of("Size").map(str::trim).and_then(http::number);
        let bytes = bytes.ok_or_else(|| wrong("an entry of its listing has no size"))?;
        let tag = entry.text_of("ETag").unwrap_or_default().trim().trim_matches('"').to_string();
        match key.strip_prefix(&self.prefix) {
            Some(key) => Ok(Key { key: key.to_string(), bytes, tag }),
            None => Err(wrong("its listing gives a key that was not asked for")),
        }
    }
}

/// How a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Go {
    /// With the next key.
    On,
    /// Behind everything that starts so.
    Past(String),
    /// Not at all.
    Stop,
}

/// A request for the bytes as they are now, from `from` on of the object with this tag.
fn fresh(part: Option<(u64, Option<&str>)>) -> Details<'static> {
    let mut plain = vec![("cache-control", "no-cache".to_string())];
    if let Some((from, tag)) = part {
        plain.push(("range", format!("bytes={from}-")));
        plain.extend(tag.map(|tag| ("if-match", tag.to_string())));
    }
    Details { plain, again: true, ..Details::default() }
}

/// An object while it is read.
pub struct Reading {
    talk: Arc<Talk>,
    key: String,
    /// Its entity tag, with quotes.
    pub tag: Option<String>,
    /// Its bytes.
    pub total: u64,
    done: u64,
    body: Option<NetBody>,
    resumes: u32,
    turn: Option<Turn>,
}

impl Reading {
    /// Opens the rest of it. The very same object, or an error.
    fn resume(&mut self, why: &str) -> io::Result<()> {
        self.resumes += 1;
        if self.resumes > RESUMES_MAX {
            return Err(io::Error::other(format!("it broke off again and again: {why}")));
        }
        let (from, told) =
            (self.done, |no| io::Error::other(NoText(self.talk.told(&self.key, no)).to_string()));
        let part = (from > 0).then_some((from, self.tag.as_deref()));
        let answer = self.talk.ask_in_turn(Method::Get, Some(&self.key), &fresh(part)).map_err(told)?;
        if answer.header("etag").map(str::trim) != self.tag.as_deref() {
            return Err(io::Error::other("it changed while it was read"));
        }
        let placed = match answer.header("content-range") {
            Some(text) => http::content_range(text).and_then(|range| range.part).map(|(first, _)| first),
            // All of it, from its beginning.
            None => Some(0),
        };
        let sent = answer.header("content-length").and_then(http::number);
        let skip = match (placed, sent) {
            (Some(first), Some(sent)) if first == from && sent == self.total - from => 0,
            (Some(0), Some(sent)) if sent == self.total => from,
            _ => return Err(io::Error::other("it answers another part than the one that was asked for")),
        };
        let mut body = answer.into_body();
        let skipped = io::copy(&mut (&mut body).take(skip), &mut io::sink())?;
        if skipped < skip {
            return Err(io::Error::other("it broke off before the part that was asked for"));
        }
        self.body = Some(body);
        Ok(())
    }
}

struct NoText(TargetError);

impl std::fmt::Display for NoText {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            TargetError::Missing { why, .. }
            | TargetError::Denied { why, .. }
            | TargetError::Io { why, .. } => out.write_str(why),
            TargetError::Absent { .. } => out.write_str("it is not there any more"),
            other => write!(out, "{other:?}"),
        }
    }
}

impl Read for Reading {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.done == self.total {
                // Its end gives the connection back to the pool; more than its length would be another object.
                return match self.body.take().map(|mut body| body.read(&mut [0])) {
                    Some(Ok(1..)) => Err(io::Error::other("it gives more bytes than its head said")),
                    _ => Ok(0),
                };
            }
            let most = usize::try_from(self.total - self.done).unwrap_or(usize::MAX).min(buf.len());
            if most == 0 {
                return Ok(0);
            }
            let Some(body) = &mut self.body else { return Err(io::Error::other("it broke off")) };
            let got = self.talk.paced(most, &mut |most| body.read(&mut buf[..most]));
            let why = match got {
                Ok(got @ 1..) => {
                    self.done += got as u64;
                    self.resumes = 0;
                    return Ok(got);
                }
                Ok(_) => "it broke off".to_string(),
                Err(error) => of_io(&error).to_string(),
            };
            self.body = None;
            self.resume(&why)?;
        }
    }
}

/// An object that is read at any place. One that reads it from front to back keeps one answer open.
pub struct Remote {
    reading: Mutex<Reading>,
    total: u64,
}

impl Remote {
    /// Of this object, just opened. It keeps nobody waiting for a turn: who holds it may hold it for long.
    pub fn new(mut reading: Reading) -> Remote {
        reading.turn = None;
        Remote { total: reading.total, reading: Mutex::new(reading) }
    }
}

impl ReadAt for Remote {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.total || buf.is_empty() {
            return Ok(0);
        }
        let mut reading = self.reading.lock().unwrap_or_else(|broken| broken.into_inner());
        if reading.done != offset || reading.body.is_none() {
            reading.body = None;
            reading.resumes = 0;
            reading.done = offset;
            reading.resume("it is read elsewhere")?;
        }
        reading.read(buf)
    }

    fn size(&self) -> u64 {
        self.total
    }
}
