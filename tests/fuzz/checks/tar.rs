//! The tar's reader: no input makes it panic, give a member of a refused tar, or give bytes that are not the member's.

use super::{finding, path};
use std::convert::Infallible;
use strongroom::model::fact::Member;
use strongroom::model::finding::Severity;
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::{BLOCK, IndexError, Indexed, Limits, index};

type Looked = (Result<Indexed, IndexError<Infallible>>, Vec<Member>);

#[allow(clippy::ptr_arg)] // the reader at a place is the vector
fn look(tar: &Vec<u8>, limits: &Limits) -> Looked {
    let mut members = Vec::new();
    let scratch = MemoryScratch::default();
    let indexed = index(tar, limits, &scratch, &mut |member| {
        members.push(member);
        Ok(())
    });
    (indexed, members)
}

pub fn check(data: &[u8]) {
    let tar = data.to_vec();
    let limits = Limits::default();
    let (indexed, members) = look(&tar, &limits);
    let shown = format!("{indexed:?}");
    match indexed {
        Ok(indexed) => {
            indexed.findings.iter().for_each(finding::sound);
            assert!(!finding::refused(&indexed.findings), "accepted with an error: {shown}");
            accepted(&tar, &indexed, &members, &limits);
            agrees_with_the_peer(&tar, &indexed, &members);
        }
        Err(IndexError::Refused(findings)) => {
            findings.iter().for_each(finding::sound);
            assert!(members.is_empty(), "a refused tar gave a member");
            assert!(finding::refused(&findings), "refused without an error: {shown}");
            assert!(findings.iter().all(|finding| finding.severity >= Severity::Warning), "{shown}");
        }
        Err(other) => panic!("reading bytes in memory failed: {other}"),
    }
    // What memory sorting has, or how many reads it takes, must not show.
    let narrow = Limits { sort_bytes: 300, ..limits };
    let (again, again_members) = look(&tar, &narrow);
    assert_eq!((format!("{again:?}"), again_members), (shown, members));
}

fn accepted(tar: &[u8], indexed: &Indexed, members: &[Member], limits: &Limits) {
    assert!(!indexed.top.is_empty() && !indexed.top.contains('/'), "{:?}", indexed.top);
    let top = indexed.top.as_bytes();
    assert!(!(top.len() == 2 && top[0].is_ascii_alphabetic() && top[1] == b':'), "a drive: {}", indexed.top);
    // A backslash of the name is doubled; a single one escapes.
    assert!(!top.starts_with(br"\\") && top != b".." && top != b".", "it leads outside: {}", indexed.top);
    assert_eq!(indexed.files, members.len() as u64);
    assert_eq!(indexed.bytes, members.iter().map(|member| member.size).sum::<u64>());
    let mut free_from = 0;
    for (number, member) in members.iter().enumerate() {
        assert_eq!(member.number, number as u64);
        path::inside(&member.path.0);
        assert!(member.path.0.len() <= limits.path_bytes);
        let block = BLOCK as u64;
        assert!(
            member.offset.is_multiple_of(block) && member.offset >= free_from + block,
            "{member:?} overlaps"
        );
        let end = member.offset.checked_add(member.size).expect("an end that is a number");
        assert!(end <= tar.len() as u64, "{member:?} is not inside the tar");
        assert!(summed(&tar[member.offset as usize - BLOCK..][..BLOCK]), "no header lies before {member:?}");
        free_from = end.next_multiple_of(block);
    }
    let mut paths: Vec<&[u8]> = members.iter().map(|member| &member.path.0[..]).collect();
    // With `/` before all other bytes, what lies below a name follows it at once.
    paths.sort_by_key(|path| {
        path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect::<Vec<_>>()
    });
    for pair in paths.windows(2) {
        assert_ne!(pair[0], pair[1], "one path twice");
        let below = pair[1].strip_prefix(pair[0]).is_some_and(|rest| rest.starts_with(b"/"));
        assert!(!below, "{} is a file and a folder", pair[0].escape_ascii());
    }
}

/// What the `tar` crate, which other programs read this tar with, finds in it: name without dots, place, size. `None`
/// when it does not read it to the end.
fn of_the_peer(tar: &[u8]) -> Option<Vec<(Vec<u8>, u64, u64)>> {
    let mut found = Vec::new();
    for entry in ::tar::Archive::new(tar).entries().ok()? {
        let entry = entry.ok()?;
        let header = entry.header().as_bytes();
        // It takes the prefix of a name only in the one version of ustar that was ever written; GNU tar and we, in any.
        if header[257..263] == *b"ustar\0" && header[263..265] != *b"00" {
            return None;
        }
        // Likewise GNU's long names: it passes over them when their header has another version, and GNU tar takes them.
        if header[257..263] == *b"ustar " && header[263..265] != *b" \0" {
            return None;
        }
        let name = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type();
        // Old tars tell a folder by its name.
        if !(kind.is_file() || kind.is_contiguous()) || name.ends_with(b"/") {
            continue;
        }
        let parts: Vec<&[u8]> =
            name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
        found.push((parts.join(&b'/'), entry.raw_file_position(), entry.size()));
    }
    Some(found)
}

/// A member that another reader sees elsewhere, or not at all, would be one bag here and another there.
fn agrees_with_the_peer(tar: &[u8], indexed: &Indexed, members: &[Member]) {
    let Some(found) = of_the_peer(tar) else { return };
    let escaped = |name: &[u8]| strongroom::model::finding::escape(name);
    let ours: Vec<(String, u64, u64)> = members
        .iter()
        .map(|member| (format!("{}/{}", indexed.top, escaped(&member.path.0)), member.offset, member.size))
        .collect();
    let theirs: Vec<(String, u64, u64)> =
        found.iter().map(|(name, at, size)| (escaped(name), *at, *size)).collect();
    for one in &ours {
        assert!(theirs.contains(one), "{one:?} is not what the tar crate finds: {theirs:?}");
    }
    for other in theirs {
        let known = ours.contains(&other);
        let again = ours.iter().any(|one| one.0 == other.0 && one.1 < other.1 && one.2 == other.2);
        let beside = !other.0.contains('/');
        assert!(known || again || beside, "the tar crate finds {other:?}, which is not in {ours:?}");
    }
}

/// The header's checksum holds: the field's octal number is the sum of the bytes, signed or not, the field as spaces.
fn summed(block: &[u8]) -> bool {
    let field = |place: usize| (148..156).contains(&place);
    let sum = |value: fn(u8) -> i64| -> i64 {
        block.iter().enumerate().map(|(place, byte)| value(if field(place) { b' ' } else { *byte })).sum()
    };
    let text: String = block[148..156].iter().map(|byte| char::from(*byte)).collect();
    let text = text.split('\0').next().unwrap_or_default().trim();
    let stored = i64::from_str_radix(text, 8);
    stored.is_ok_and(|stored| stored == sum(i64::from) || stored == sum(|byte| i64::from(byte as i8)))
}

/// Gives every header its checksum, going from header to header as their sizes say.
pub fn mend(tar: &mut [u8]) {
    let mut at = 0;
    while at + BLOCK <= tar.len() {
        let block = &mut tar[at..at + BLOCK];
        at += BLOCK;
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits: String = block[124..136].iter().map(|byte| char::from(*byte)).collect();
        let digits = digits.trim_matches(['\0', ' ']).to_string();
        let size = usize::from_str_radix(&digits, 8).unwrap_or(0);
        at = at.saturating_add(size.checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX));
    }
}
