//! Deposits in buckets: `s3://bucket/key`, or a configured source.
//!
//! - Requests are signed just before they are sent, with keys that are read or renewed then; nothing of it is kept.
//! - A deposit is pinned by version, entity tag, date and length; of a page of a listing, by tag, date and length.
//! - An entity tag is a digest only where it can be: of one part, not encrypted under another's key.
//! - What a service answers in place of what was asked is read for its code, and told in its words.

mod disposing;
mod refusal;

use crate::model::digest::Algorithm;
use crate::model::fact::BagPath;
use crate::model::item::Form;
use crate::model::trouble::Trouble;
use crate::rules::address::shown;
use crate::rules::http;
use crate::rules::read::ReadAt;
use crate::worlds::clock::Clock;
use crate::worlds::net::client::{Answer, Client, Method};
use crate::worlds::s3::{Bucket, Details, Failure, decoded, xml};
use crate::worlds::source::configured::{AfterKept, BucketPlace};
use crate::worlds::source::ranged::{self, Pin, is_coded, of_net, range_header};
use crate::worlds::source::web::{fetched_only, pinned};
use crate::worlds::source::{
    Arrival, Disposal, Disposed, Entry, GivenDigest, Listed, Page, Source, SourceError,
};
use jiff::Timestamp;
use std::io::Read;
use std::sync::Arc;

/// Longest page of a listing: a thousand keys of a thousand bytes, escaped.
const PAGE_MAX: usize = 16 << 20;

/// Digests that a service may keep with an object, by the header that gives them.
const CHECKSUMS: [(&str, Algorithm); 4] = [
    ("x-amz-checksum-sha256", Algorithm::Sha256),
    ("x-amz-checksum-sha512", Algorithm::Sha512),
    ("x-amz-checksum-sha1", Algorithm::Sha1),
    ("x-amz-checksum-md5", Algorithm::Md5),
];

/// Deposits in one bucket.
pub struct S3Source {
    bucket: Bucket,
    prefix: String,
    clock: Arc<dyn Clock>,
    /// Name of the configured source, when it is one.
    name: Option<String>,
    /// Where kept deposits are moved; not listed.
    done: Option<String>,
    /// Objects above this many bytes are copied in parts of as many.
    copied_at_once_max: u64,
}

impl S3Source {
    /// The bucket at this place.
    pub fn new(place: BucketPlace, client: Arc<Client>, clock: Arc<dyn Clock>) -> S3Source {
        S3Source {
            bucket: Bucket::new(&place, client, clock.clone()),
            prefix: place.prefix,
            clock,
            name: None,
            done: None,
            copied_at_once_max: disposing::COPIED_AT_ONCE_MAX,
        }
    }

    /// As the configured source of this name: `source://NAME/KEY` is KEY below its prefix.
    pub fn named(self, name: &str, after: &AfterKept) -> S3Source {
        let done = match after {
            AfterKept::Move(to) => Some(self.place(to)),
            AfterKept::Leave | AfterKept::Delete => None,
        };
        S3Source { name: Some(name.to_string()), done, ..self }
    }

    /// The prefix of a place to move to: beside the source's own keys, ending in a slash.
    fn place(&self, to: &str) -> String {
        format!("{}{}/", self.prefix, to.trim_matches('/'))
    }

    /// The object that a key of ours names.
    fn object(&self, key: &str) -> Result<String, SourceError> {
        let (start, prefix) = match &self.name {
            Some(name) => (format!("source://{name}/"), self.prefix.as_str()),
            None => (format!("s3://{}/", self.bucket.site.bucket), ""),
        };
        match key.strip_prefix(&start) {
            Some(rest) if !rest.is_empty() => Ok(format!("{prefix}{rest}")),
            _ => Err(SourceError::Denied { key: key.to_string(), why: "it names no object".into() }),
        }
    }

    /// The key of ours for an object.
    fn key_of(&self, object: &str) -> String {
        match &self.name {
            Some(name) => format!("source://{name}/{}", object.strip_prefix(&self.prefix).unwrap_or(object)),
            None => format!("s3://{}/{object}", self.bucket.site.bucket),
        }
    }

    /// Sends a request; gives its answer when it is a success.
    fn send(
        &self,
        key: &str,
        method: Method,
        object: Option<&str>,
        details: &Details<'_>,
    ) -> Result<Answer, SourceError> {
        self.bucket.send(method, object, details).map_err(|failure| self.failed(key, failure))
    }

    fn failed(&self, key: &str, failure: Failure) -> SourceError {
        match failure {
            Failure::Refused(refusal) => refusal::error(&refusal, key, self.clock.now()),
            Failure::Net(error) => of_net(key, error),
            Failure::Unsent(why) => SourceError::Denied { key: shown(key), why },
        }
    }

    /// The head of an object.
    fn head(&self, key: &str, object: &str) -> Result<Answer, SourceError> {
        let enabled = || vec![("x-amz-checksum-mode", "ENABLED".to_string())];
        let details = Details { signed: enabled(), ..Details::default() };
        match self.bucket.send_once(Method::Head, Some(object), &details) {
            Ok(answer) => Ok(answer),
            // HEAD cannot say why; its first byte would be refused for the same reason, in words.
            Err(Failure::Refused(refusal)) if matches!(refusal.status, 301 | 307 | 400 | 403) => {
                let plain = vec![("range", "bytes=0-0".to_string())];
                let asked = Details { plain, ..Details::default() };
                drop(self.send(key, Method::Get, Some(object), &asked)?);
                self.send(key, Method::Head, Some(object), &details)
            }
            Err(failure) => Err(self.failed(key, failure)),
        }
    }

    /// One entry of a listing.
    fn listed(&self, entry: &xml::Element, encoded: bool) -> Result<Option<Listed>, String> {
        let key = entry.text_of("Key").ok_or("an entry of its listing has no key")?;
        let key = if encoded { decoded(key) } else { key.to_string() };
        let bytes = entry.text_of("Size").map(str::trim).and_then(http::number);
        let bytes = bytes.ok_or_else(|| format!("its listing gives no size of {}", key.escape_debug()))?;
        let Some(name) = key.strip_prefix(&self.prefix) else {
            return Err(format!("its listing gives {}, which was not asked for", key.escape_debug()));
        };
        // An empty object with a slash at its end only makes a folder seen in tools that show folders.
        let is_folder = name.is_empty() || (name.ends_with('/') && bytes == 0);
        if is_folder || self.done.as_ref().is_some_and(|done| key.starts_with(done.as_str())) {
            return Ok(None);
        }
        let modified = entry.text_of("LastModified").and_then(|text| text.trim().parse().ok());
        let tag = entry.text_of("ETag").unwrap_or_default();
        Ok(Some(Listed {
            key: self.key_of(&key),
            name: name.to_string(),
            bytes,
            mark: mark(bytes, tag, modified),
            modified,
        }))
    }

    fn page(&self, text: &str, after: Option<&str>) -> Result<Page, String> {
        let root = xml::parse(text).map_err(|why| format!("its listing is no XML: {why}"))?;
        if root.name != "ListBucketResult" {
            return Err("it answers something else than a listing".into());
        }
        let encoded = root.text_of("EncodingType").is_some_and(|kind| kind.trim() == "url");
        let mut entries = Vec::new();
        for entry in root.all("Contents") {
            entries.extend(self.listed(entry, encoded)?);
        }
        let next = match root.text_of("IsTruncated").map(str::trim) {
            Some("true") => Some(root.text_of("NextContinuationToken").unwrap_or_default().to_string()),
            _ => None,
        };
        // Without a way on the rest would never be seen; with the old one it would go round.
        if next.as_deref().is_some_and(|next| next.is_empty() || Some(next) == after) {
            return Err("its listing goes on, but it does not say how".into());
        }
        Ok(Page { entries, next })
    }
}

/// What changes when an object does, as a listing and the object's head both say it. The tag where there is one: dates
/// come in seconds here and in milliseconds there.
fn mark(bytes: u64, tag: &str, modified: Option<Timestamp>) -> String {
    match (tag.trim().trim_matches('"'), modified) {
        ("", Some(modified)) => format!("{bytes} of {}", modified.as_second()),
        (tag, _) => format!("{bytes} {tag}"),
    }
}

/// The digests that the head of an object gives.
fn given(answer: &Answer) -> Vec<GivenDigest> {
    let mut given = Vec::new();
    let composite = answer.header("x-amz-checksum-type").is_some_and(|kind| kind != "FULL_OBJECT");
    for (name, algorithm) in CHECKSUMS {
        // A digest of the digests of parts ends in their number, which is no base64.
        let digest = answer.header(name).and_then(|text| http::digest_of_base64(algorithm, text));
        given.extend(digest.filter(|_| !composite).map(|hex| GivenDigest {
            algorithm,
            hex,
            by: name.into(),
        }));
    }
    let encryption = answer.header("x-amz-server-side-encryption").unwrap_or_default();
    let foreign =
        encryption.starts_with("aws:kms") || answer.has("x-amz-server-side-encryption-customer-algorithm");
    let tag = answer.header("etag").unwrap_or_default().trim().trim_matches('"');
    if let Some(hex) = http::digest_of_hex(Algorithm::Md5, tag).filter(|_| !foreign) {
        given.push(GivenDigest { algorithm: Algorithm::Md5, hex, by: "ETag".into() });
    }
    given
}

impl Source for S3Source {
    fn look(&self, key: &str) -> Result<Arrival, SourceError> {
        let object = self.object(key)?;
        let answer = self.head(key, &object)?;
        let wrong = |why: String| SourceError::Wrong { key: shown(key), why };
        if let Some(why) = is_coded(&answer) {
            return Err(wrong(why));
        }
        let bytes = answer.header("content-length").and_then(http::number);
        let bytes = bytes.ok_or_else(|| wrong("it does not say how many bytes it has".into()))?;
        let connections = self.bucket.client().reaching().connections;
        let pin = Pin::of(&answer, bytes).to_string();
        let modified = answer.header("last-modified").and_then(http::date);
        let mark = mark(bytes, answer.header("etag").unwrap_or_default(), modified);
        Ok(Arrival { form: Form::Tar, bytes, pin, mark, in_place: false, connections, given: given(&answer) })
    }

    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError> {
        Err(fetched_only(key))
    }

    fn walk(
        &self,
        key: &str,
        _: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        Err(fetched_only(key).into())
    }

    fn open_member(&self, key: &str, _: &BagPath) -> Result<Box<dyn ReadAt>, SourceError> {
        Err(fetched_only(key))
    }

    fn fetch(
        &self,
        key: &str,
        arrival: &Arrival,
        from: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        let pin = pinned(key, arrival, from, length)?;
        if length == 0 {
            return Ok(Box::new(std::io::empty()));
        }
        let object = self.object(key)?;
        let mut details =
            Details { plain: vec![("range", range_header(from, length))], ..Details::default() };
        details.plain.extend(pin.tag.iter().map(|tag| ("if-match", tag.clone())));
        details.query.extend(pin.version.iter().map(|version| ("versionId", version.clone())));
        let answer = self.send(key, Method::Get, Some(&object), &details)?;
        Ok(Box::new(ranged::body(key, &pin, from, length, answer)?))
    }

    fn list(&self, source: &str, after: Option<&str>) -> Result<Page, SourceError> {
        let mut query = vec![("list-type", "2".to_string()), ("max-keys", "1000".to_string())];
        if !self.prefix.is_empty() {
            query.push(("prefix", self.prefix.clone()));
        }
        query.extend(after.map(|after| ("continuation-token", after.to_string())));
        let details = Details { query, ..Details::default() };
        let answer = self.send(source, Method::Get, None, &details)?;
        let text = answer.into_text(PAGE_MAX).map_err(|error| of_net(source, error))?;
        self.page(&text, after).map_err(|why| SourceError::Wrong { key: source.to_string(), why })
    }

    fn dispose(&self, key: &str, pin: &str, how: &Disposal) -> Result<Disposed, SourceError> {
        disposing::dispose(self, key, pin, how)
    }
}

#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;
