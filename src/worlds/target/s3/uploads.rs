//! Uploads in parts: begun, sent, found again, completed.
//!
//! - A part that is there already is not sent again, if it has the digest that ours has.
//! - An answer of success may hold an error; only the answer that belongs there completes an upload.

use super::abilities::Checksum;
use super::objects::{PUT_MAX, digest};
use super::talk::{No, Stretch, Talk};
use crate::model::digest::{Algorithm, hex};
use crate::rules::http;
use crate::worlds::net::ask::Body;
use crate::worlds::net::client::Method;
use crate::worlds::s3::refusal::Refusal;
use crate::worlds::s3::sign::encoded;
use crate::worlds::s3::{Details, xml};
use crate::worlds::target::TargetError;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Smallest part.
pub const PART_MIN: u64 = 8 << 20;
/// Parts of one object, below what services allow.
const PARTS: u64 = 9_000;
/// Pages of a listing of uploads or parts.
const PAGES_MAX: usize = 1_000;
/// Bytes of one part of a copy.
const COPIED_AT_ONCE: usize = 1 << 30;

/// Bytes of each part of an object of so many.
pub fn part_size(size: u64) -> u64 {
    size.div_ceil(PARTS).max(PART_MIN)
}

/// Names and values, of a query or of headers.
type Pairs = Vec<(&'static str, String)>;

/// Asks for a copy with this query and these headers, and gives the answer of this name.
type CopyPart<'a> = dyn Fn(Pairs, Pairs, &str) -> Result<xml::Element, TargetError> + 'a;

/// A part that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which, from 1.
    pub number: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its entity tag, without quotes.
    pub tag: String,
    /// Its SHA-256 in base64, where the store tells it.
    pub sha256: Option<String>,
}

impl Talk {
    /// Begins an upload; gives its id.
    pub fn begin_upload(&self, key: &str, how: Checksum, class: Option<&str>) -> Result<String, TargetError> {
        let mut signed = Vec::new();
        if how == Checksum::Sha256 {
            signed.push(("x-amz-checksum-algorithm", "SHA256".to_string()));
        }
        signed.extend(class.map(|class| ("x-amz-storage-class", class.to_string())));
        let details = Details { query: vec![("uploads", String::new())], signed, ..Details::default() };
        let begun = self.ask_document(Method::Post, Some(key), &details, "InitiateMultipartUploadResult");
        let begun = begun.map_err(|no| self.told(key, no))?;
        let id = begun.text_of("UploadId").unwrap_or_default().trim();
        match id.is_empty() {
            true => Err(self.io(key, "it begins an upload in parts without naming it")),
            false => Ok(id.to_string()),
        }
    }

    /// Sends a part.
    pub fn put_part(
        &self,
        key: &str,
        id: &str,
        number: u64,
        stretch: Stretch<'_>,
        how: Checksum,
    ) -> Result<Part, No> {
        let (name, text) = self.checksum(how, key, stretch)?;
        let query = vec![("partNumber", number.to_string()), ("uploadId", id.to_string())];
        let mut details = Details { query, ..Details::default() };
        match how {
            Checksum::Sha256 => details.signed.push((name, text.clone())),
            Checksum::Md5 => details.plain.push((name, text.clone())),
        }
        let answer = self.send(Method::Put, key, stretch, details)?;
        let tag = answer.header("etag").unwrap_or_default().trim().trim_matches('"').to_string();
        if !is_tag(&tag) {
            return Err(No::Failed(self.io(key, format!("it takes part {number} without giving its tag"))));
        }
        let sha256 = (how == Checksum::Sha256).then_some(text);
        Ok(Part { number, bytes: stretch.size, tag, sha256 })
    }

    /// Unfinished uploads whose keys start so: key and id.
    pub fn uploads(&self, start: &str) -> Result<Vec<(String, String)>, TargetError> {
        let mut found = Vec::new();
        let mut marker: Option<(String, String)> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![("uploads", String::new()), ("max-uploads", "1000".to_string())];
            query.push(("prefix", format!("{}{start}", self.prefix)));
            if let Some((key, id)) = &marker {
                query.push(("key-marker", key.clone()));
                query.push(("upload-id-marker", id.clone()));
            }
            let root = self.page(query, "ListMultipartUploadsResult")?;
            for upload in root.all("Upload") {
                let (key, id) = (upload.text_of("Key"), upload.text_of("UploadId"));
                let Some(key) = key.and_then(|key| key.strip_prefix(&self.prefix)) else { continue };
                // Some give uploads of other keys, too.
                if let Some(id) = id.filter(|_| key.starts_with(start)) {
                    found.push((key.to_string(), id.trim().to_string()));
                }
            }
            let next = |name| root.text_of(name).unwrap_or_default().to_string();
            let next = (next("NextKeyMarker"), next("NextUploadIdMarker"));
            if root.text_of("IsTruncated").map(str::trim) != Some("true") {
                return Ok(found);
            }
            if next.0.is_empty() || marker.as_ref() == Some(&next) {
                break;
            }
            marker = Some(next);
        }
        Err(self.io(start, "its listing of uploads goes on, but it does not say how"))
    }

    /// The parts that are there of an upload.
    pub fn parts(&self, key: &str, id: &str) -> Result<Vec<Part>, TargetError> {
        let mut found: Vec<Part> = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![("uploadId", id.to_string()), ("max-parts", "1000".to_string())];
            query.extend(marker.clone().map(|marker| ("part-number-marker", marker)));
            let details = Details { query, ..Details::default() };
            let root = match self.ask_document(Method::Get, Some(key), &details, "ListPartsResult") {
                Err(no) if no.is_absent() => return Ok(Vec::new()),
                other => other.map_err(|no| self.told(key, no))?,
            };
            for part in root.all("Part") {
                let number = |name| part.text_of(name).map(str::trim).and_then(http::number);
                let tag = part.text_of("ETag").unwrap_or_default().trim().trim_matches('"').to_string();
                let sha256 = part.text_of("ChecksumSHA256").map(|text| text.trim().to_string());
                if let (Some(number), Some(bytes)) = (number("PartNumber"), number("Size")) {
                    found.push(Part { number, bytes, tag, sha256 });
                }
            }
            let next = root.text_of("NextPartNumberMarker").map(|text| text.trim().to_string());
            if root.text_of("IsTruncated").map(str::trim) != Some("true") {
                return Ok(found);
            }
            if next.is_none() || next == marker {
                break;
            }
            marker = next;
        }
        Err(self.io(key, "its listing of parts goes on, but it does not say how"))
    }

    /// Gives an upload up; not there: fine.
    pub fn abort(&self, key: &str, id: &str) -> Result<(), TargetError> {
        let query = vec![("uploadId", id.to_string())];
        let details = Details { query, again: true, ..Details::default() };
        match self.ask(Method::Delete, Some(key), &details) {
            Ok(_) => Ok(()),
            Err(no) if no.is_absent() => Ok(()),
            Err(no) => Err(self.told(key, no)),
        }
    }

    /// Makes one object of the parts. Done before, as its length tells: fine.
    pub fn complete(&self, key: &str, id: &str, parts: &[Part], size: u64) -> Result<(), TargetError> {
        let mut list = String::from("<CompleteMultipartUpload>");
        for part in parts {
            let sha256 = part.sha256.as_ref().filter(|text| http::base64(text).is_some());
            let sha256 =
                sha256.map_or(String::new(), |text| format!("<ChecksumSHA256>{text}</ChecksumSHA256>"));
            list.push_str(&format!(
                "<Part><PartNumber>{}</PartNumber><ETag>&quot;{}&quot;</ETag>{sha256}</Part>",
                part.number, part.tag
            ));
        }
        list.push_str("</CompleteMultipartUpload>");
        let query = vec![("uploadId", id.to_string())];
        let details = Details { query, body: Body::Bytes(list.into_bytes()), ..Details::default() };
        let answer = match self.ask(Method::Post, Some(key), &details) {
            Ok(answer) => answer,
            // A try before this one was answered into the void.
            Err(no) if no.is_absent() => return self.was_completed(key, size, no),
            Err(no) => return Err(self.told(key, no)),
        };
        let (status, told) = (answer.status(), answer.told());
        let text = answer.into_text(1 << 20).map_err(|error| self.io(key, error.to_string()))?;
        let mut refusal = Refusal { status: 500, told, ..Refusal::default() };
        if refusal.take(&text) {
            return Err(self.told(key, No::Refused(Box::new(refusal))));
        }
        match text.contains("CompleteMultipartUploadResult") {
            true => Ok(()),
            false => {
                let why =
                    format!("it answers {status} to an upload's end, and something else than how it ended");
                Err(self.io(key, why))
            }
        }
    }

    fn was_completed(&self, key: &str, size: u64, no: No) -> Result<(), TargetError> {
        let found = self.head(key)?.and_then(|head| head.header("content-length").and_then(http::number));
        if found == Some(size) { Ok(()) } else { Err(self.told(key, no)) }
    }

    /// Copies an object within the bucket.
    pub fn copy(&self, from: &str, to: &str, class: Option<&str>) -> Result<(), TargetError> {
        let head = self.head(from)?;
        let size = head.as_ref().and_then(|head| head.header("content-length")).and_then(http::number);
        let Some(size) = size else {
            return Err(TargetError::Absent { target: self.target.clone(), path: from.to_string() });
        };
        let whole = encoded(&format!("{}{from}", self.prefix), "/");
        let origin = format!("/{}/{whole}", self.bucket.site.bucket);
        let copied = |query: Pairs, signed: Pairs, wanted: &str| -> Result<xml::Element, TargetError> {
            let details = Details { query, signed, ..Details::default() };
            self.ask_document(Method::Put, Some(to), &details, wanted).map_err(|no| self.told(to, no))
        };
        if size <= PUT_MAX {
            let mut signed = vec![("x-amz-copy-source", origin)];
            signed.extend(class.map(|class| ("x-amz-storage-class", class.to_string())));
            return copied(Vec::new(), signed, "CopyObjectResult").map(drop);
        }
        // Who begins with digests must end with those of all parts, and copied parts come without: reading proves them.
        let id = self.begin_upload(to, Checksum::Md5, class)?;
        let done = self.copy_parts(&copied, size, (to, &id, &origin));
        if done.is_err() {
            // Why it failed is told already; parts that stay would only be paid for.
            let _ = self.abort(to, &id);
        }
        done
    }

    /// Copies so many bytes part by part, and makes one object of them.
    fn copy_parts(
        &self,
        copied: &CopyPart<'_>,
        size: u64,
        (to, id, origin): (&str, &str, &str),
    ) -> Result<(), TargetError> {
        let mut parts = Vec::new();
        for (place, first) in (0..size).step_by(COPIED_AT_ONCE).enumerate() {
            let bytes = (COPIED_AT_ONCE as u64).min(size - first);
            let range = format!("bytes={first}-{}", first + bytes - 1);
            let signed = vec![("x-amz-copy-source", origin.to_string()), ("x-amz-copy-source-range", range)];
            let number = place as u64 + 1;
            let query = vec![("partNumber", number.to_string()), ("uploadId", id.to_string())];
            let part = copied(query, signed, "CopyPartResult")?;
            let tag = part.text_of("ETag").unwrap_or_default().trim().trim_matches('"').to_string();
            if !is_tag(&tag) {
                return Err(self.io(to, format!("it copies part {number} without giving its tag")));
            }
            parts.push(Part { number, bytes, tag, sha256: None });
        }
        self.complete(to, id, &parts, size)
    }

    /// Writes an object in parts, several at once; `known`: an upload that was begun before. Gives the bytes sent.
    pub fn put_in_parts(
        &self,
        key: &str,
        stretch: Stretch<'_>,
        how: Checksum,
        class: Option<&str>,
        known: Option<&str>,
        go_on: &(dyn Fn() -> Result<(), TargetError> + Sync),
    ) -> Result<u64, TargetError> {
        let there = known.map_or(Ok(Vec::new()), |id| self.parts(key, id))?;
        let id = match known {
            Some(id) => id.to_string(),
            None => self.begin_upload(key, how, class)?,
        };
        let size = part_size(stretch.size);
        let count = stretch.size.div_ceil(size).max(1);
        let (next, sent, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let done: Mutex<Vec<Part>> = Mutex::default();
        let work = || -> Result<(), TargetError> {
            while !failed.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= count {
                    break;
                }
                go_on()?;
                let offset = stretch.offset + place * size;
                let part = Stretch { offset, size: size.min(stretch.size - place * size), ..stretch };
                let number = place + 1;
                let known = there.iter().find(|known| known.number == number && known.bytes == part.size);
                let part = match known {
                    // Who began with digests must end with those of all parts, and few stores list them.
                    Some(known) if is_same(known, part)? => {
                        Part { sha256: own_sha256(how, part)?, ..known.clone() }
                    }
                    _ => {
                        sent.fetch_add(part.size, Ordering::Relaxed);
                        self.put_part(key, &id, number, part, how).map_err(|no| self.told(key, no))?
                    }
                };
                done.lock().unwrap_or_else(|broken| broken.into_inner()).push(part);
            }
            Ok(())
        };
        let threads = usize::try_from(count).unwrap_or(usize::MAX).min(self.connections);
        in_threads(threads, &|| work().inspect_err(|_| failed.store(true, Ordering::Relaxed)))?;
        let mut done = done.into_inner().unwrap_or_else(|broken| broken.into_inner());
        done.sort_by_key(|part| part.number);
        self.complete(key, &id, &done, stretch.size)?;
        Ok(sent.into_inner())
    }
}

/// Does this in so many threads; gives the first error.
pub fn in_threads<E: Send>(threads: usize, work: &(dyn Fn() -> Result<(), E> + Sync)) -> Result<(), E> {
    if threads <= 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let under_way: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut ended = Ok(());
        for thread in under_way {
            // A panic goes on in the thread that asked.
            let own = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ended = ended.and(own);
        }
        ended
    })
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.chars().all(|c| c.is_ascii_alphanumeric() || "-_+/=".contains(c))
}

fn own_sha256(how: Checksum, own: Stretch<'_>) -> Result<Option<String>, TargetError> {
    match how {
        Checksum::Sha256 => Ok(Some(http::to_base64(&digest(Algorithm::Sha256, own).map_err(lost)?))),
        Checksum::Md5 => Ok(None),
    }
}

fn lost(why: String) -> TargetError {
    TargetError::Source { path: String::new(), why }
}

/// True when a part that is there has the digest that ours has, or a tag that is no digest: reading back finds the rest.
fn is_same(known: &Part, own: Stretch<'_>) -> Result<bool, TargetError> {
    if let Some(sha256) = &known.sha256 {
        return Ok(http::to_base64(&digest(Algorithm::Sha256, own).map_err(lost)?) == *sha256);
    }
    match http::digest_of_hex(Algorithm::Md5, &known.tag) {
        Some(md5) => Ok(hex(&digest(Algorithm::Md5, own).map_err(lost)?) == md5),
        None => Ok(is_tag(&known.tag)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::clock::rehearsal::RehearsalClock;
    use crate::worlds::net::credentials::Access;
    use crate::worlds::net::tiny::{Then, Tiny, answer, near};
    use crate::worlds::s3::{BucketPlace, Style};
    use crate::worlds::target::s3::{BucketTarget, ReadBack};
    use std::io::Write;
    use std::sync::Arc;

    #[test]
    fn parts_are_as_small_as_their_number_allows() {
        assert_eq!(part_size(0), PART_MIN);
        assert_eq!(part_size(PART_MIN * 9_000), PART_MIN);
        assert_eq!(part_size(PART_MIN * 9_000 + 1), PART_MIN + 1);
        for size in [1, PART_MIN, 5 << 40] {
            assert!(size.div_ceil(part_size(size)) <= PARTS, "{size}");
            assert!(part_size(size) <= 5 << 30, "{size}");
        }
    }

    /// A store that holds one object of 6 GiB and copies it, as long as `may_copy`; what it was asked for. An upload that
    /// was begun with a digest's name must end with those of all parts, as services have it.
    fn copied(may_copy: bool) -> (Result<(), TargetError>, Vec<String>) {
        let digests = Mutex::new(false);
        let tiny = Tiny::new(move |asked, stream| {
            let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
            match (asked.method.as_str(), path) {
                ("HEAD", _) => {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 6u64 << 30);
                    let _ = stream.write_all(head.as_bytes());
                }
                ("POST", _) if query.contains("uploads") => {
                    *digests.lock().unwrap() = asked.header("x-amz-checksum-algorithm").is_some();
                    let begun = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
                    answer(stream, "200 OK", begun);
                }
                ("PUT", _) if may_copy => {
                    answer(stream, "200 OK", b"<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>");
                }
                ("POST", _) => {
                    let told = String::from_utf8_lossy(&asked.body).into_owned();
                    match *digests.lock().unwrap() && told.matches("<ChecksumSHA256>").count() != 6 {
                        true => answer(stream, "400 x", b"<Error><Code>InvalidRequest</Code></Error>"),
                        false => answer(stream, "200 OK", b"<CompleteMultipartUploadResult/>"),
                    }
                }
                ("DELETE", _) => answer(stream, "204 x", b""),
                _ => answer(stream, "403 x", b"<Error><Code>AccessDenied</Code></Error>"),
            }
            Then::Close
        });
        let config = BucketTarget {
            place: BucketPlace {
                endpoint: Some(tiny.at("")),
                bucket: "b".into(),
                prefix: String::new(),
                region: None,
                style: Style::Path,
                access: Access::Anonymous,
            },
            storage_class: None,
            read_back: ReadBack::Bytes,
            quota: None,
            reaching: near(),
        };
        let talk = Talk::new("cloud", &config, Arc::new(RehearsalClock::new()));
        let ended = talk.copy("from", "to", None);
        (ended, tiny.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect())
    }

    #[test]
    fn what_is_too_large_to_be_copied_at_once_is_copied_in_parts_without_their_digests() {
        let (ended, asked) = copied(true);
        assert_eq!(ended, Ok(()), "{asked:?}");
        assert_eq!(asked.iter().filter(|asked| asked.starts_with("PUT ")).count(), 6, "{asked:?}");
    }

    #[test]
    fn a_copy_in_parts_that_fails_leaves_no_parts_to_be_paid_for() {
        let (ended, asked) = copied(false);
        assert!(matches!(ended, Err(TargetError::Denied { .. })), "{ended:?}");
        assert_eq!(asked.last().map(String::as_str), Some("DELETE /b/to?uploadId=u"));
    }

    #[test]
    fn a_part_is_known_by_its_digest_and_not_by_its_length() {
        let bytes = b"part".to_vec();
        let own = Stretch::whole(&bytes);
        let md5 = hex(&digest(Algorithm::Md5, own).unwrap());
        let part = |tag: &str, sha256: Option<&str>| Part {
            number: 1,
            bytes: 4,
            tag: tag.into(),
            sha256: sha256.map(String::from),
        };
        assert!(is_same(&part(&md5, None), own).unwrap());
        assert!(!is_same(&part(&"0".repeat(32), None), own).unwrap());
        assert!(is_same(&part("opaque-1", None), own).unwrap());
        assert!(!is_same(&part(&md5, Some("AAAA")), own).unwrap());
    }
}
