//! What a store that speaks S3 really does, tried at every opening.
//!
//! - Only what was seen to work is leaned on. A store that answers 200 to a condition it does not know has not got it.
//! - Probes lie under `work/probe/`, and are removed.

use super::objects::If;
use super::talk::{No, Stretch, Talk};
use crate::worlds::net::client::Method;
use crate::worlds::s3::Details;
use crate::worlds::target::TargetError;
use crate::worlds::target::probe::{Ability, Has};
use std::io::Read;
use std::sync::Arc;

/// How what is written carries its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// `x-amz-checksum-sha256`.
    Sha256,
    /// `Content-MD5`, which every store knows.
    Md5,
}

/// What the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// How digests are sent.
    pub checksum: Checksum,
    /// What does not fit its digest is refused.
    pub refuses: bool,
    /// `If-None-Match: *` keeps a write from replacing anything.
    pub if_new: bool,
    /// `If-Match` keeps a write from replacing anything else.
    pub if_is: bool,
    /// A part of an object is given when it is asked for.
    pub ranges: bool,
    /// Objects can be written in parts.
    pub parts: bool,
    /// Unfinished uploads, and their parts, are listed.
    pub uploads_listed: bool,
}

/// Where probes lie.
pub const PLACE: &str = "work/probe/";

impl Abilities {
    /// Nothing was tried.
    pub const NONE: Abilities = Abilities {
        checksum: Checksum::Md5,
        refuses: false,
        if_new: false,
        if_is: false,
        ranges: false,
        parts: false,
        uploads_listed: false,
    };
}

const SAMPLE: &[u8] = b"strongroom was here, to see what this store does\n";
const OTHER: &[u8] = b"strongroom was here, and this is not what was there\n";

/// Another name at every probe, so that what an interrupted one left does not count.
fn probe_key(talk: &Arc<Talk>, name: &str) -> String {
    format!("{PLACE}{}-{}-{name}", talk.clock.now().as_millisecond(), std::process::id())
}

/// Tries what code paths depend on.
pub fn find_out(talk: &Arc<Talk>) -> Result<Abilities, TargetError> {
    let key = probe_key(talk, "a");
    let tried = try_writes(talk, &key);
    talk.delete(&key)?;
    let tried = tried?;
    let (parts, uploads_listed) = try_parts(talk, &probe_key(talk, "b"), tried.checksum)?;
    Ok(Abilities { parts, uploads_listed, ..tried })
}

fn try_writes(talk: &Arc<Talk>, key: &str) -> Result<Abilities, TargetError> {
    let sample = SAMPLE.to_vec();
    let whole = Stretch::whole(&sample);
    let checksum = match talk.put(key, whole, Checksum::Sha256, If::Any, None) {
        Ok(_) => Checksum::Sha256,
        // One that does not know the header may say so in many ways.
        Err(No::Refused(refusal)) if matches!(refusal.status, 400 | 501) => {
            talk.put(key, whole, Checksum::Md5, If::Any, None).map_err(|no| talk.told(key, no))?;
            Checksum::Md5
        }
        Err(no) => return Err(talk.told(key, no)),
    };
    let md5 = refuses_wrong(talk, key, Checksum::Md5)?;
    let sha256 = checksum == Checksum::Sha256 && refuses_wrong(talk, key, Checksum::Sha256)?;
    // A digest that is looked at is worth more than a longer one that is not.
    let checksum = if sha256 || !md5 { checksum } else { Checksum::Md5 };
    let other = OTHER.to_vec();
    let put = |only: If<'_>| talk.put(key, Stretch::whole(&other), checksum, only, None);
    let if_new = held(put(If::New), talk, key)?;
    let if_is = held(put(If::Is("\"00000000000000000000000000000000\"")), talk, key)?;
    // What was refused must not be there all the same; and a right tag must be let through.
    let (found, tag) = talk.get(key, 1 << 10)?.unwrap_or_default();
    let held_both = found == SAMPLE;
    let lets = if if_is { put(If::Is(&tag)).is_ok() } else { false };
    Ok(Abilities {
        checksum,
        refuses: sha256 || md5,
        if_new: if_new && held_both,
        if_is: if_is && held_both && lets,
        ranges: gives_ranges(talk, key)?,
        parts: false,
        uploads_listed: false,
    })
}

/// True when the condition kept the write from being done.
fn held(put: Result<String, No>, talk: &Arc<Talk>, key: &str) -> Result<bool, TargetError> {
    match put {
        Ok(_) => Ok(false),
        Err(no) if no.is_condition() => Ok(true),
        // It does not know the header, and says so: nothing was written either.
        Err(No::Refused(refusal)) if matches!(refusal.status, 400 | 405 | 409 | 501) => Ok(false),
        Err(no) => Err(talk.told(key, no)),
    }
}

/// True when bytes that do not fit their digest are refused. They are written beside the sample.
fn refuses_wrong(talk: &Arc<Talk>, key: &str, how: Checksum) -> Result<bool, TargetError> {
    let key = format!("{key}-wrong");
    let (sample, other) = (SAMPLE.to_vec(), OTHER.to_vec());
    let (name, text) = talk.checksum(how, &key, Stretch::whole(&other)).map_err(|no| talk.told(&key, no))?;
    let mut details = Details { body: crate::worlds::net::ask::Body::Bytes(sample), ..Details::default() };
    match how {
        Checksum::Sha256 => details.signed.push((name, text)),
        Checksum::Md5 => details.plain.push((name, text)),
    }
    // Asked of the bucket itself: a refusal of this kind is otherwise tried again.
    let whole = format!("{}{key}", talk.prefix);
    let refused = match talk.bucket.send(Method::Put, Some(&whole), &details) {
        Ok(_) => false,
        Err(crate::worlds::s3::Failure::Refused(refusal)) => (400..500).contains(&refusal.status),
        Err(_) => false,
    };
    if !refused {
        talk.delete(&key)?;
    }
    Ok(refused)
}

/// True when the part that was asked for comes, whatever the status says.
fn gives_ranges(talk: &Arc<Talk>, key: &str) -> Result<bool, TargetError> {
    let plain = vec![("range", "bytes=7-9".to_string())];
    let answer = talk.ask(Method::Get, Some(key), &Details { plain, again: true, ..Details::default() });
    let answer = match answer {
        Ok(answer) => answer,
        Err(No::Refused(_)) => return Ok(false),
        Err(no) => return Err(talk.told(key, no)),
    };
    let placed = answer.header("content-range").is_some();
    let mut bytes = Vec::new();
    let read = answer.into_body().take(1 << 10).read_to_end(&mut bytes);
    Ok(read.is_ok() && bytes.len() == 3 && placed)
}

/// Whether objects can be written in parts, and whether unfinished ones are listed.
fn try_parts(talk: &Arc<Talk>, key: &str, how: Checksum) -> Result<(bool, bool), TargetError> {
    let id = match talk.begin_upload(key, how, None) {
        Ok(id) => id,
        Err(TargetError::Io { .. } | TargetError::Absent { .. }) => return Ok((false, false)),
        Err(error) => return Err(error),
    };
    let sample = SAMPLE.to_vec();
    let part = talk.put_part(key, &id, 1, Stretch::whole(&sample), how);
    let listed = part.is_ok()
        && talk.uploads(key).is_ok_and(|found| found.iter().any(|(own, found)| own == key && *found == id))
        && talk.parts(key, &id).is_ok_and(|parts| parts.len() == 1 && parts[0].bytes == SAMPLE.len() as u64);
    let done = part.map_err(|no| talk.told(key, no));
    let done = done.and_then(|part| talk.complete(key, &id, &[part], SAMPLE.len() as u64));
    if done.is_err() {
        talk.abort(key, &id)?;
    }
    talk.delete(key)?;
    Ok((done.is_ok(), done.is_ok() && listed))
}

/// What was found, for people, with what only they want to know.
pub fn tell(talk: &Arc<Talk>, found: &Abilities) -> Result<Vec<Ability>, TargetError> {
    let yes =
        |seen: bool, with: &str, without: &str| if seen { with.to_string() } else { without.to_string() };
    let digest = match found.checksum {
        Checksum::Sha256 => "x-amz-checksum-sha256",
        Checksum::Md5 => "Content-MD5",
    };
    let mut told = vec![
        Ability::new(
            "refuses-wrong-digest",
            Has::of(found.refuses),
            format!("wrote bytes with a wrong {digest}"),
            yes(
                found.refuses,
                &format!("every write carries {digest}"),
                "only reading back finds what changed on the way",
            ),
        ),
        Ability::new(
            "if-none-match",
            Has::of(found.if_new),
            "wrote over an object with If-None-Match: *",
            yes(
                found.if_new,
                "an object appears by a write that replaces nothing",
                "looked at before the write; our own lock keeps others out",
            ),
        ),
        Ability::new(
            "if-match",
            Has::of(found.if_is),
            "wrote over an object with a wrong If-Match, then with the right one",
            yes(
                found.if_is,
                "a version is published only over the one it was planned on",
                "read right before the write; our own lock keeps others out",
            ),
        ),
        Ability::new(
            "ranges",
            Has::of(found.ranges),
            "asked for bytes 7 to 9",
            yes(
                found.ranges,
                "a read that broke off goes on where it was",
                "a read that broke off begins again",
            ),
        ),
        Ability::new(
            "multipart",
            Has::of(found.parts),
            "wrote an object in parts",
            yes(
                found.parts,
                "files of 8 MiB and more go in parts, several at once",
                "each file goes in one request, at most 5 GiB",
            ),
        ),
        Ability::new(
            "lists-uploads",
            Has::of(found.uploads_listed),
            "looked for that upload and its part in listings",
            yes(
                found.uploads_listed,
                "after a stop, parts that are there are not sent again",
                "after a stop, unfinished files are sent anew",
            ),
        ),
    ];
    told.push(versioning(talk)?);
    told.push(object_lock(talk)?);
    told.push(odd_key(talk, "double-slash", "x//y", "keys with // were written and listed")?);
    told.push(odd_key(
        talk,
        "unicode-keys",
        "e\u{301}-\u{e9}-\u{65e5}",
        "a key with combining letters was written and listed",
    )?);
    Ok(told)
}

fn sub_resource(talk: &Arc<Talk>, name: &'static str) -> Result<Result<String, String>, TargetError> {
    let query = vec![(name, String::new())];
    match talk.ask(Method::Get, None, &Details { query, ..Details::default() }) {
        Ok(answer) => Ok(Ok(answer.into_text(64 << 10).unwrap_or_default())),
        Err(No::Refused(refusal)) => Ok(Err(refusal.words())),
        Err(no) => Err(talk.told("", no)),
    }
}

fn versioning(talk: &Arc<Talk>) -> Result<Ability, TargetError> {
    let tried = "asked for the bucket's versioning";
    Ok(match sub_resource(talk, "versioning")? {
        Ok(text) if text.contains(">Enabled<") => Ability::new(
            "versioning",
            Has::Yes,
            tried,
            "what is removed is paid for until a rule of the bucket ends it",
        ),
        Ok(_) => Ability::new("versioning", Has::No, tried, "what is replaced or removed is gone"),
        Err(why) => Ability::new("versioning", Has::Unknown, format!("{tried}: {why}"), ""),
    })
}

fn object_lock(talk: &Arc<Talk>) -> Result<Ability, TargetError> {
    let tried = "asked for the bucket's object lock";
    Ok(match sub_resource(talk, "object-lock")? {
        Ok(text) if text.contains(">Enabled<") => Ability::new(
            "object-lock",
            Has::Yes,
            tried,
            "copies cannot be removed before their time, not even by us",
        ),
        Ok(_) => Ability::new("object-lock", Has::No, tried, ""),
        Err(why) if why.contains("NotFound") => Ability::new("object-lock", Has::No, tried, ""),
        Err(why) => Ability::new("object-lock", Has::Unknown, format!("{tried}: {why}"), ""),
    })
}

/// Writes a key with something odd in it, and looks how it is listed.
fn odd_key(talk: &Arc<Talk>, name: &str, odd: &str, tried: &str) -> Result<Ability, TargetError> {
    let start = probe_key(talk, "odd");
    let key = format!("{start}-{odd}");
    let sample = SAMPLE.to_vec();
    let put = talk.put(&key, Stretch::whole(&sample), Checksum::Md5, If::Any, None);
    let mut listed = Vec::new();
    if put.is_ok() {
        talk.list(&start, None, &mut |found| {
            listed.push(found.key);
            super::objects::Go::On
        })?;
    }
    let has = Has::of(listed == [key.clone()]);
    for found in listed {
        talk.delete(&found)?;
    }
    talk.delete(&key).or_else(|error| if has == Has::Yes { Err(error) } else { Ok(()) })?;
    let so = match (name, has) {
        ("unicode-keys", Has::No) => "names come back differently: object ids and paths should be plain",
        (_, Has::No) => "no key of ours has it",
        _ => "",
    };
    Ok(Ability::new(name, has, tried, so))
}
