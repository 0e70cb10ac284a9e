//! Moving and deleting objects once they are kept.
//!
//! - Only what still is what was ingested: it is looked at right before, and every step names its tag or version again.
//!   Services that pass over the tag at a delete (rclone's does) leave a gap of that one request; versions close it.
//! - Where there are versions, one that comes to light under a deleted one is no deposit: it is hidden, and stays.
//! - An object is deleted only after its copy was looked at and has as many bytes; a copy that an earlier attempt finished
//!   is not made again, and nothing that lies at the new place is overwritten.
//! - A copy in parts that cannot be finished is given up, so that nobody pays for its parts.

use super::{S3Source, refusal};
use crate::rules::address::shown;
use crate::rules::http;
use crate::worlds::net::ask::Body;
use crate::worlds::net::client::{Answer, Method};
use crate::worlds::s3::refusal::Refusal;
use crate::worlds::s3::sign::encoded;
use crate::worlds::s3::{Details, xml};
use crate::worlds::source::ranged::{Pin, of_net};
use crate::worlds::source::{Disposal, Disposed, SourceError};

/// Largest object that services copy at once.
pub const COPIED_AT_ONCE_MAX: u64 = 5 << 30;
/// Parts of one copy.
const PARTS_MAX: u64 = 10_000;
/// Names tried for an object whose name is taken where it is moved to.
const NAMES_MAX: usize = 100;
/// Longest answer to a copy.
const ANSWER_MAX: usize = 1 << 20;

/// Moves or deletes the object of this key, if it still is what `pin` pins.
pub fn dispose(source: &S3Source, key: &str, pin: &str, how: &Disposal) -> Result<Disposed, SourceError> {
    let object = source.object(key)?;
    let Some(pin) = Pin::parse(pin) else { return Ok(Disposed::Changed) };
    let Some((_, found)) = look(source, key, &object)? else { return Ok(Disposed::Absent) };
    if found != pin {
        return Ok(Disposed::Changed);
    }
    match how {
        Disposal::Delete => Ok(if remove(source, key, &object, &pin)? {
            Disposed::Done { to: None }
        } else {
            Disposed::Changed
        }),
        Disposal::Move { to } => {
            let name = object.strip_prefix(&source.prefix).unwrap_or(&object);
            let place = format!("{}{name}", source.place(to));
            let Some(to) = copy(source, key, &object, &pin, &place)? else { return Ok(Disposed::Changed) };
            match remove(source, key, &object, &pin)? {
                true => Ok(Disposed::Done { to: Some(source.key_of(&to)) }),
                false => Ok(Disposed::Changed),
            }
        }
    }
}

/// The object's head and pin, if it is there.
fn look(source: &S3Source, key: &str, object: &str) -> Result<Option<(Answer, Pin)>, SourceError> {
    match source.head(key, object) {
        Ok(answer) => {
            let bytes = answer.header("content-length").and_then(http::number);
            let why = "it does not say how many bytes it has".to_string();
            let bytes = bytes.ok_or_else(|| SourceError::Wrong { key: shown(key), why })?;
            let pin = Pin::of(&answer, bytes);
            Ok(Some((answer, pin)))
        }
        Err(SourceError::Gone { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes what is pinned, and sees to it that nothing older has its name then; false when it is no longer pinned.
fn remove(source: &S3Source, key: &str, object: &str, pin: &Pin) -> Result<bool, SourceError> {
    if !delete(source, key, object, pin)? {
        return Ok(false);
    }
    if pin.version.is_some()
        && let Some((_, under)) = look(source, key, object)?
        && under.modified.zip(pin.modified).is_some_and(|(under, own)| under < own)
    {
        // It would be listed as a deposit that changed, and taken in as the newest version. Without a version's name a
        // delete only marks; the tag keeps it from what came this very moment.
        delete(source, key, object, &Pin { version: None, ..under })?;
    }
    Ok(true)
}

/// False when it is no longer what is pinned.
fn delete(source: &S3Source, key: &str, object: &str, pin: &Pin) -> Result<bool, SourceError> {
    // A version is deleted by its name: what came after it is not touched. Without versions the tag guards.
    let mut details = Details::default();
    match (&pin.version, &pin.tag) {
        (Some(version), _) => details.query.push(("versionId", version.clone())),
        (None, Some(tag)) => details.plain.push(("if-match", tag.clone())),
        (None, None) => {}
    }
    let outcome = match source.send(key, Method::Delete, Some(object), &details) {
        // The service does not know the condition; what it is was looked at right before.
        Err(SourceError::Wrong { .. }) if pin.version.is_none() => {
            source.send(key, Method::Delete, Some(object), &Details::default())
        }
        other => other,
    };
    match outcome {
        Ok(_) | Err(SourceError::Gone { .. }) => Ok(true),
        Err(SourceError::Changed { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Copies within the bucket, and gives the object that holds the copy; nothing when what is pinned is no longer there.
fn copy(
    source: &S3Source,
    key: &str,
    from: &str,
    pin: &Pin,
    to: &str,
) -> Result<Option<String>, SourceError> {
    for number in 1..=NAMES_MAX {
        let to = if number == 1 { to.to_string() } else { numbered(to, number) };
        match look(source, key, &to)? {
            // An earlier attempt copied it, and did not come to delete it.
            Some((_, there)) if there.bytes == pin.bytes && there.tag.is_some() && there.tag == pin.tag => {
                return Ok(Some(to));
            }
            Some(_) => continue,
            None => {}
        }
        let copied = match pin.bytes > source.copied_at_once_max {
            true => copy_in_parts(source, key, from, pin, &to),
            false => copy_at_once(source, key, from, pin, &to),
        };
        return match copied {
            Ok(()) => proved(source, key, pin, &to).map(|()| Some(to)),
            Err(SourceError::Changed { .. } | SourceError::Gone { .. }) => Ok(None),
            Err(error) => Err(error),
        };
    }
    let why = format!("{NAMES_MAX} objects of its name lie where it is to be moved");
    Err(SourceError::Io { key: shown(key), why })
}

/// The copy has as many bytes as the original.
fn proved(source: &S3Source, key: &str, pin: &Pin, to: &str) -> Result<(), SourceError> {
    let found = look(source, key, to)?.map(|(_, found)| found.bytes);
    if found == Some(pin.bytes) {
        return Ok(());
    }
    let found = found.map_or("is not there".to_string(), |bytes| format!("has {bytes} bytes"));
    let why = format!("its copy {found}, of {} bytes; it was not deleted", pin.bytes);
    Err(SourceError::Wrong { key: shown(key), why })
}

/// Headers that name what is to be copied.
fn origin(source: &S3Source, from: &str, pin: &Pin) -> Vec<(&'static str, String)> {
    let version = pin.version.as_ref().map_or(String::new(), |id| format!("?versionId={}", encoded(id, "")));
    let place = format!("/{}/{}{version}", source.bucket.site.bucket, encoded(from, "/"));
    let mut headers = vec![("x-amz-copy-source", place)];
    headers.extend(pin.tag.iter().map(|tag| ("x-amz-copy-source-if-match", tag.clone())));
    headers
}

fn copy_at_once(source: &S3Source, key: &str, from: &str, pin: &Pin, to: &str) -> Result<(), SourceError> {
    let details = Details { signed: origin(source, from, pin), ..Details::default() };
    let answer = source.send(key, Method::Put, Some(to), &details)?;
    read_outcome(source, key, answer, "CopyObjectResult").map(|_| ())
}

fn copy_in_parts(source: &S3Source, key: &str, from: &str, pin: &Pin, to: &str) -> Result<(), SourceError> {
    let begin = Details { query: vec![("uploads", String::new())], ..Details::default() };
    let answer = source.send(key, Method::Post, Some(to), &begin)?;
    let begun = read_outcome(source, key, answer, "InitiateMultipartUploadResult")?;
    let id = begun.text_of("UploadId").unwrap_or_default().trim().to_string();
    if id.is_empty() {
        let why = "it begins a copy in parts without naming it".into();
        return Err(SourceError::Wrong { key: shown(key), why });
    }
    let done = copy_parts(source, key, from, pin, to, &id);
    if done.is_err() {
        let give_up = Details { query: vec![("uploadId", id)], ..Details::default() };
        // What it cost to fail is told already.
        let _ = source.send(key, Method::Delete, Some(to), &give_up);
    }
    done
}

fn copy_parts(
    source: &S3Source,
    key: &str,
    from: &str,
    pin: &Pin,
    to: &str,
    id: &str,
) -> Result<(), SourceError> {
    let size = source.copied_at_once_max.min(1 << 30).max(pin.bytes.div_ceil(PARTS_MAX));
    let mut list = String::from("<CompleteMultipartUpload>");
    for (place, at) in (0..pin.bytes).step_by(usize::try_from(size).unwrap_or(usize::MAX)).enumerate() {
        let number = place + 1;
        let last = (at + size).min(pin.bytes) - 1;
        let mut signed = origin(source, from, pin);
        signed.push(("x-amz-copy-source-range", format!("bytes={at}-{last}")));
        let query = vec![("partNumber", number.to_string()), ("uploadId", id.to_string())];
        let answer =
            source.send(key, Method::Put, Some(to), &Details { query, signed, ..Details::default() })?;
        let copied = read_outcome(source, key, answer, "CopyPartResult")?;
        let tag = copied.text_of("ETag").unwrap_or_default().trim().trim_matches('"');
        if tag.is_empty() || !tag.chars().all(|c| c.is_ascii_alphanumeric() || "-_+/=".contains(c)) {
            let why = format!("it copies part {number} without giving its tag");
            return Err(SourceError::Wrong { key: shown(key), why });
        }
        list.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{tag}&quot;</ETag></Part>"
        ));
    }
    list.push_str("</CompleteMultipartUpload>");
    let query = vec![("uploadId", id.to_string())];
    let details = Details { query, body: Body::Bytes(list.into_bytes()), ..Details::default() };
    let answer = source.send(key, Method::Post, Some(to), &details)?;
    read_outcome(source, key, answer, "CompleteMultipartUploadResult").map(|_| ())
}

/// The answer to a copy. A copy that takes long is answered with success first, and with how it ended in its body.
fn read_outcome(
    source: &S3Source,
    key: &str,
    answer: Answer,
    wanted: &str,
) -> Result<xml::Element, SourceError> {
    let (status, told) = (answer.status(), answer.told());
    let text = answer.into_text(ANSWER_MAX).map_err(|error| of_net(key, error))?;
    let mut refused = Refusal { status: 500, told, ..Refusal::default() };
    if refused.take(&text) {
        return Err(refusal::error(&refused, key, source.clock.now()));
    }
    match xml::parse(&text) {
        Ok(root) if root.name == wanted => Ok(root),
        _ => {
            let why = format!("it answers {status} to a copy, and something else than how it ended");
            Err(SourceError::Wrong { key: shown(key), why })
        }
    }
}

/// `in/a.tar` as `in/a.2.tar`, and so on.
fn numbered(object: &str, number: usize) -> String {
    let (folder, name) = object.rsplit_once('/').map_or(("", object), |(folder, name)| (folder, name));
    let name = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem}.{number}.{ending}"),
        _ => format!("{name}.{number}"),
    };
    if folder.is_empty() { name } else { format!("{folder}/{name}") }
}
