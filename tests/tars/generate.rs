//! Tars made block by block, in every format that we read.

use proptest::prelude::*;
use strongroom::model::fact::Member;
use strongroom::model::finding::Finding;
use strongroom::rules::read::ReadAt;
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::{IndexError, Limits, index};

pub const BLOCK: usize = 512;

/// How a member's name is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// In the header; a longer one in the prefix, and in a pax record when it fits nowhere.
    Ustar,
    /// In a pax record, and the size as well.
    Pax,
    /// In a GNU long-name member.
    Gnu,
    /// In the first hundred bytes; a longer one in a GNU long-name member.
    V7,
}

/// How a member's size is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizing {
    Octal,
    Padded,
    Base256,
}

/// One member to be.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: Vec<u8>,
    pub size: usize,
    pub kind: u8,
    pub naming: Naming,
    pub sizing: Sizing,
    /// Other pax records that come with it.
    pub more: Vec<(String, Vec<u8>)>,
}

/// A header block with its checksum.
pub fn header(name: &[u8], size: u64, kind: u8, naming: Naming, sizing: Sizing) -> [u8; BLOCK] {
    let mut block = [0u8; BLOCK];
    let (first, prefix) = match naming {
        Naming::Ustar => split(name).unwrap_or((&name[..name.len().min(100)], b"")),
        _ => (&name[..name.len().min(100)], &b""[..]),
    };
    block[..first.len()].copy_from_slice(first);
    block[345..345 + prefix.len()].copy_from_slice(prefix);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..124].copy_from_slice(b"0001750\x000001750\0");
    let size_field = match sizing {
        Sizing::Octal => format!("{size:011o}\0").into_bytes(),
        Sizing::Padded => format!("{size:>11o} ").into_bytes(),
        Sizing::Base256 => [&[0x80, 0, 0, 0][..], &size.to_be_bytes()].concat(),
    };
    block[124..136].copy_from_slice(&size_field);
    block[136..148].copy_from_slice(b"14000000000\0");
    block[156] = kind;
    match naming {
        Naming::Ustar | Naming::Pax => block[257..265].copy_from_slice(b"ustar\x0000"),
        Naming::Gnu => block[257..265].copy_from_slice(b"ustar  \0"),
        Naming::V7 => {}
    }
    resum(&mut block);
    block
}

/// Puts the right checksum into a header block.
pub fn resum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((name, b""));
    }
    let end = name.len() - usize::from(name.ends_with(b"/"));
    (1..end)
        .find(|place| name[*place] == b'/' && *place <= 155 && name.len() - place - 1 <= 100)
        .map(|place| (&name[place + 1..], &name[..place]))
}

/// One pax record.
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// Bytes up to the next block.
pub fn pad(tar: &mut Vec<u8>) {
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

/// Writes an extension header and its body.
pub fn extension(tar: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let naming = if matches!(kind, b'L' | b'K') { Naming::Gnu } else { Naming::Ustar };
    tar.extend(header(b"././@LongLink", body.len() as u64, kind, naming, Sizing::Octal));
    tar.extend(body);
    pad(tar);
}

impl Part {
    fn write(&self, tar: &mut Vec<u8>, fill: u8) {
        let mut records: Vec<u8> = self.more.iter().flat_map(|(key, value)| record(key, value)).collect();
        let too_long = match self.naming {
            Naming::Ustar => split(&self.name).is_none(),
            _ => self.name.len() > 100,
        };
        match self.naming {
            Naming::Pax => {
                records.extend(record("path", &self.name));
                records.extend(record("size", self.size.to_string().as_bytes()));
            }
            Naming::Ustar if too_long => records.extend(record("path", &self.name)),
            Naming::Gnu | Naming::V7 if too_long => {
                // Both at once for one member are refused; the other records stay away.
                records.clear();
                extension(tar, b'L', &[&self.name[..], b"\0"].concat());
            }
            _ => {}
        }
        if !records.is_empty() {
            extension(tar, b'x', &records);
        }
        tar.extend(header(&self.name, self.size as u64, self.kind, self.naming, self.sizing));
        tar.extend(std::iter::repeat_n(fill, self.size));
        pad(tar);
    }
}

/// The tar of these members, with its end mark.
pub fn tar_of(parts: &[Part]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        part.write(&mut tar, number as u8 | 1);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-zA-Z0-9 _.-]{1,12}".prop_map(String::into_bytes),
        2 => "[äöü€ñ中文字é\u{301}]{1,6}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(prop_oneof![Just(0xe9u8), Just(0xff), Just(b'\n'), Just(b'\\'), Just(b'x')], 1..5),
        1 => "[a-z]{90,130}".prop_map(String::into_bytes),
    ]
    .prop_filter("climbing or staying is no name", |part| part != b"." && part != b"..")
}

fn part() -> impl Strategy<Value = Part> {
    let naming = prop_oneof![Just(Naming::Ustar), Just(Naming::Pax), Just(Naming::Gnu), Just(Naming::V7)];
    let sizing = prop_oneof![Just(Sizing::Octal), Just(Sizing::Padded), Just(Sizing::Base256)];
    let kind = prop_oneof![4 => Just(b'0'), 1 => Just(0), 1 => Just(b'7'), 2 => Just(b'5')];
    let more = proptest::collection::vec(
        ("(mtime|comment|SCHILY\\.xattr\\.user\\.x|LIBARCHIVE\\.creationtime|uid)", "[0-9]{1,9}"),
        0..3,
    );
    (proptest::collection::vec(component(), 1..5), 0usize..2_000, kind, naming, sizing, more, any::<bool>())
        .prop_map(|(components, size, kind, naming, sizing, more, dotted)| {
            let mut name = if dotted { b"./bag/".to_vec() } else { b"bag/".to_vec() };
            name.extend(components.join(&b'/'));
            let folder = kind == b'5';
            if folder {
                name.push(b'/');
            }
            let mut more: Vec<(String, Vec<u8>)> =
                more.into_iter().map(|(key, value)| (key, value.into_bytes())).collect();
            more.sort();
            more.dedup_by(|a, b| a.0 == b.0);
            // v7 knows no type 7, and a header without magic is read as such.
            let kind = if naming == Naming::V7 && kind == b'7' { 0 } else { kind };
            Part { name, size: if folder { 0 } else { size }, kind, naming, sizing, more }
        })
}

/// Members of one bag.
pub fn parts() -> impl Strategy<Value = Vec<Part>> {
    proptest::collection::vec(part(), 1..12)
}

/// What our reader says.
pub fn ours(tar: &dyn ReadAt) -> Result<Vec<Member>, Vec<Finding>> {
    let mut members = Vec::new();
    let indexed = index::<()>(tar, &Limits::default(), &MemoryScratch::default(), &mut |member| {
        members.push(member);
        Ok(())
    });
    match indexed {
        Ok(_) => Ok(members),
        Err(IndexError::Refused(findings)) => Err(findings),
        Err(other) => panic!("{other:?}"),
    }
}

/// A name without what names the same place: `./`, `.`, doubled and trailing `/`.
pub fn plain(name: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> =
        name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    parts.join(&b'/')
}
