//! Packed deposits made byte by byte, sound and hostile.

use super::*;
use crate::model::fact::Member;
use crate::rules::bagit::make::TarWriter;
use crate::rules::sort::MemoryScratch;
use crate::rules::tar::{IndexError, Limits, index};
use std::convert::Infallible;
use std::io::Read;

fn plain_tar() -> Vec<u8> {
    let mut out = Vec::new();
    let mut tar = TarWriter::new(&mut out, 17);
    tar.folder("bag/").unwrap();
    tar.file("bag/data/a", 200_000, &mut std::io::repeat(7).take(200_000)).unwrap();
    tar.file("bag/bagit.txt", 2, &mut &b"ok"[..]).unwrap();
    tar.finish().unwrap();
    out
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

fn try_with(deposit: &[u8], caps: &Caps) -> (Result<Unpacked, PackedError>, Vec<u8>) {
    let deposit = deposit.to_vec();
    let mut out = Vec::new();
    let container = sniff(&deposit).unwrap();
    let done = unpack(&deposit, container, caps, &mut out, &mut |_| Ok(()));
    (done, out)
}

fn unpacked(deposit: &[u8]) -> (Unpacked, Vec<u8>) {
    let (done, out) = try_with(deposit, &Caps::default());
    (done.unwrap_or_else(|error| panic!("{error:?}")), out)
}

fn codes(deposit: &[u8]) -> Vec<String> {
    let findings = match try_with(deposit, &Caps::default()).0 {
        Ok(done) => done.findings,
        Err(PackedError::Refused(findings)) => findings,
        Err(other) => panic!("{other}"),
    };
    findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn every_compression_gives_back_the_tar_also_from_several_streams() {
    let tar = plain_tar();
    let (front, back) = tar.split_at(100_000);
    for (pack, name) in
        [(gz as fn(&[u8]) -> Vec<u8>, "gzip"), (bzip::compress, "bzip2"), (zstd::compress, "zstd")]
    {
        let packed = pack(&tar);
        assert_eq!(sniff(&packed).unwrap().name(), name);
        assert_eq!(unpacked(&packed).1, tar, "{name}");
        let (done, out) = unpacked(&[pack(front), pack(back)].concat());
        assert_eq!((done.parts, done.bytes, out == tar), (2, tar.len() as u64, true), "{name}");
        // Zeros behind the end are padding; anything else is told.
        assert_eq!(codes(&[packed.clone(), vec![0; 700]].concat()), [""; 0], "{name}");
        assert_eq!(codes(&[packed, b"left over".to_vec()].concat()), ["SER-TRAILING-DATA"], "{name}");
    }
}

#[test]
fn a_packed_deposit_that_is_cut_or_damaged_is_refused_wherever_it_is() {
    let tar = plain_tar();
    for (pack, name) in
        [(gz as fn(&[u8]) -> Vec<u8>, "gzip"), (bzip::compress, "bzip2"), (zstd::compress, "zstd")]
    {
        let packed = pack(&tar);
        for cut in 4..packed.len() {
            assert_eq!(codes(&packed[..cut]), ["SER-TRUNCATED"], "{name} cut at {cut} of {}", packed.len());
        }
        for place in 4..packed.len() {
            let mut flipped = packed.clone();
            flipped[place] ^= 0x10;
            let (done, out) = try_with(&flipped, &Caps::default());
            // Time, name and the like in a gzip header mean nothing to us; a change there must change no byte.
            assert!(done.is_err() || out == tar, "{name}: byte {place} changed, unseen");
        }
    }
}

#[test]
fn a_skippable_frame_and_a_frame_with_a_huge_window() {
    let tar = plain_tar();
    let skippable =
        [&b"\x50\x2a\x4d\x18\x03\0\0\0abc"[..], &zstd::compress(&tar), b"\x5f\x2a\x4d\x18\0\0\0\0"].concat();
    assert_eq!(unpacked(&skippable).1, tar);
    // Window descriptor 0xff: 3.75 TiB.
    assert_eq!(codes(b"\x28\xb5\x2f\xfd\x00\xff\x01\0\0"), ["SER-LIMIT"]);
}

#[test]
fn more_than_the_caps_allow_is_refused_before_it_is_written() {
    let bomb = gz(&vec![0; 70 << 20]);
    let (done, out) = try_with(&bomb, &Caps { ratio: 10, ..Caps::default() });
    assert!(matches!(&done, Err(PackedError::Refused(found)) if found[0].code == "SER-LIMIT"), "{done:?}");
    assert!(out.len() as u64 <= RATIO_FROM);
    let (done, out) = try_with(&bomb, &Caps { bytes: 1 << 20, ..Caps::default() });
    assert!(matches!(&done, Err(PackedError::Refused(found)) if found[0].message.contains("1,048,576")));
    assert!(out.len() <= 1 << 20);
    let many = gz(b"").repeat(20_000);
    assert_eq!(codes(&many), ["SER-LIMIT"]);
}

#[test]
fn what_is_packed_twice_or_in_a_way_we_do_not_read_is_refused_by_name() {
    let tar = plain_tar();
    assert_eq!(codes(&gz(&gz(&tar))), ["SER-COMPRESSED"]);
    for (first, word) in [(&b"\xfd7zXZ\0more"[..], "xz"), (b"7z\xbc\xaf\x27\x1cmore", "7z")] {
        let (done, out) = try_with(first, &Caps::default());
        let Err(PackedError::Refused(found)) = done else { panic!("accepted") };
        assert!(found[0].code == "SER-COMPRESSED" && found[0].message.contains(word) && out.is_empty());
    }
}

#[test]
fn a_disk_that_fails_and_a_taker_that_stops_are_told_apart_from_refusals() {
    struct Failing(Vec<u8>);
    impl ReadAt for Failing {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            let left = self.0.len() as u64 - offset;
            if left <= 100 {
                Err(io::Error::from_raw_os_error(5))
            } else {
                self.0.read_at(&mut buf[..1], offset)
            }
        }
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
    }
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(28))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let tar = plain_tar();
    let zip = Zip::of(&[("bag/", b""), ("bag/data/a", &[3; 500]), ("bag/data/b", b"x")]).bytes();
    for packed in [gz(&tar), bzip::compress(&tar), zstd::compress(&tar), zip] {
        let container = Container::of(&packed);
        let full = unpack(&packed, container, &Caps::default(), &mut Full, &mut |_| Ok(()));
        assert!(matches!(full, Err(PackedError::Taker(error)) if error.raw_os_error() == Some(28)));
        let drain = &mut |_| Err(io::Error::other("drained"));
        let stopped = unpack(&packed, container, &Caps::default(), &mut Vec::new(), drain);
        assert!(matches!(stopped, Err(PackedError::Taker(error)) if error.to_string() == "drained"));
        let broken = unpack(&Failing(packed), container, &Caps::default(), &mut Vec::new(), &mut |_| Ok(()));
        assert!(matches!(broken, Err(PackedError::Read { .. })), "{broken:?}");
    }
}

/// A zip made member by member.
#[derive(Clone)]
struct Zip {
    members: Vec<Part>,
    comment: Vec<u8>,
}

#[derive(Clone)]
struct Part {
    name: Vec<u8>,
    bytes: Vec<u8>,
    deflated: bool,
    late: bool,
    mode: u32,
    flags: u16,
    local_name: Option<Vec<u8>>,
    extra: Vec<u8>,
}

impl Zip {
    fn of(members: &[(&str, &[u8])]) -> Zip {
        let part = |(name, bytes): &(&str, &[u8])| Part {
            name: name.as_bytes().to_vec(),
            bytes: bytes.to_vec(),
            deflated: bytes.len() > 10,
            late: false,
            mode: 0,
            flags: 0,
            local_name: None,
            extra: Vec::new(),
        };
        Zip { members: members.iter().map(part).collect(), comment: Vec::new() }
    }

    fn bytes(&self) -> Vec<u8> {
        let (mut out, mut rows) = (Vec::new(), Vec::new());
        for part in &self.members {
            let mut packed = part.bytes.clone();
            if part.deflated {
                packed.clear();
                flate2::read::DeflateEncoder::new(&part.bytes[..], flate2::Compression::fast())
                    .read_to_end(&mut packed)
                    .unwrap();
            }
            let offset = out.len() as u32;
            let flags = part.flags | if part.late { 8 } else { 0 };
            let method = if part.deflated { 8u16 } else { 0 };
            let sums = [crc32fast::hash(&part.bytes), packed.len() as u32, part.bytes.len() as u32];
            let sums: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            let shorts =
                |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
            let local = part.local_name.as_ref().unwrap_or(&part.name);
            out.extend(b"PK\x03\x04");
            out.extend(shorts(&[20, flags, method, 0x6ca0, 0x58b1]));
            out.extend(if part.late { vec![0; 12] } else { sums.clone() });
            out.extend(shorts(&[local.len() as u16, 0]));
            out.extend(local);
            out.extend(packed);
            if part.late {
                out.extend(b"PK\x07\x08");
                out.extend(&sums);
            }
            rows.extend(b"PK\x01\x02");
            rows.extend(shorts(&[0x031e, 20, flags, method, 0x6ca0, 0x58b1]));
            rows.extend(&sums);
            rows.extend(shorts(&[part.name.len() as u16, part.extra.len() as u16, 0, 0, 0]));
            rows.extend((part.mode << 16).to_le_bytes());
            rows.extend(offset.to_le_bytes());
            rows.extend(&part.name);
            rows.extend(&part.extra);
        }
        let (start, count) = (out.len() as u32, self.members.len() as u16);
        out.extend(&rows);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
        out.extend([(rows.len() as u32).to_le_bytes(), start.to_le_bytes()].concat());
        out.extend((self.comment.len() as u16).to_le_bytes());
        out.extend(&self.comment);
        out
    }
}

/// What the tar reader says of a zip.
fn indexed(zip: &[u8]) -> Result<Vec<Member>, Vec<String>> {
    let (_, tar) = unpacked(zip);
    let mut members = Vec::new();
    let indexed = index::<Infallible>(&tar, &Limits::default(), &MemoryScratch::default(), &mut |member| {
        members.push(member);
        Ok(())
    });
    match indexed {
        Ok(_) => Ok(members),
        Err(IndexError::Refused(found)) => Err(found.into_iter().map(|finding| finding.code).collect()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_zip_becomes_a_tar_with_its_names_and_bytes() {
    let mut zip =
        Zip::of(&[("bag/", b""), ("bag/data/a", &[3; 5_000]), ("bag/bagit.txt", b"x"), ("bag/e", b"")]);
    zip.members[1].late = true;
    zip.members[2].name = b"bag/caf\xe9".to_vec();
    zip.comment = b"made by hand".to_vec();
    let (done, tar) = unpacked(&zip.bytes());
    assert_eq!((done.parts, done.bytes), (4, tar.len() as u64));
    let members = indexed(&zip.bytes()).unwrap();
    let paths: Vec<&[u8]> = members.iter().map(|member| &member.path.0[..]).collect();
    assert_eq!(paths, [&b"data/a"[..], b"caf\xe9", b"e"]);
    assert_eq!(tar[members[0].offset as usize..][..5_000], [3; 5_000]);
    // 2024-05-17 13:37 as DOS writes it.
    assert_eq!(members[0].mtime, 1_715_953_020);
    assert_eq!(unpacked(&Zip::of(&[]).bytes()).0.parts, 0);
}

#[test]
fn the_unicode_name_of_a_member_counts_when_it_is_this_members() {
    let mut zip = Zip::of(&[("bag/data/caf_", b"x")]);
    zip.members[0].local_name = None;
    for (crc, expected) in [(crc32fast::hash(b"bag/data/caf_"), "data/caf\u{e9}"), (7, "data/caf_")] {
        let body = [&[1][..], &crc.to_le_bytes(), "bag/data/caf\u{e9}".as_bytes()].concat();
        zip.members[0].extra =
            [&0x7075u16.to_le_bytes()[..], &(body.len() as u16).to_le_bytes(), &body].concat();
        assert_eq!(indexed(&zip.bytes()).unwrap()[0].path.text(), Some(expected));
    }
}

#[test]
fn hostile_names_in_a_zip_are_refused_by_the_same_rules_as_in_a_tar() {
    for (name, expected) in [
        ("bag/../../etc/passwd", "SER-PATH-ESCAPES"),
        ("/etc/passwd", "SER-PATH-ESCAPES"),
        ("C:\\windows", "SER-PATH-ESCAPES"),
        ("loose", "SER-STRAY-TOP-LEVEL"),
    ] {
        let zip = Zip::of(&[("bag/data/a", b"x"), (name, b"y")]);
        assert_eq!(indexed(&zip.bytes()), Err(vec![expected.to_string()]), "{name}");
    }
    let twice = Zip::of(&[("bag/data/a", b"x"), ("bag/data/a", b"y")]);
    assert_eq!(indexed(&twice.bytes()), Err(vec!["SER-DUPLICATE-MEMBER".to_string()]));
}

#[test]
fn what_the_directory_alone_tells_is_refused_all_at_once() {
    let mut zip = Zip::of(&[("bag/l", b"t"), ("bag/p", b""), ("bag/s", b"s"), ("", b""), ("bag/\0", b"")]);
    zip.members[0].mode = 0o120_777;
    zip.members[1].mode = 0o010_644;
    zip.members[2].flags = 1;
    assert_eq!(
        codes(&zip.bytes()),
        ["SER-LINK", "SER-SPECIAL-FILE", "SER-COMPRESSED", "SER-PATH-ESCAPES", "SER-PATH-ESCAPES"]
    );
}

#[test]
fn a_zip_that_says_two_things_is_refused() {
    let sound = Zip::of(&[("bag/data/a", &[3; 500]), ("bag/data/b", b"x")]);
    let mut renamed = sound.clone();
    renamed.members[0].local_name = Some(b"bag/data/c".to_vec());
    assert_eq!(codes(&renamed.bytes()), ["SER-HEADER-DAMAGED"]);
    let bytes = sound.bytes();
    // Something in front, something between, something behind.
    assert_eq!(codes(&[b"PK\x03\x04", &bytes[..]].concat()), ["SER-TRUNCATED"]);
    assert_eq!(codes(&[&bytes[..], b"more"].concat()), ["SER-HIDDEN-MEMBERS"]);
    let mut hidden = sound.clone();
    hidden.members.insert(1, Zip::of(&[("bag/data/hidden", b"h")]).members[0].clone());
    let mut three = hidden.bytes();
    drop_row(&mut three, 1);
    assert_eq!(codes(&three), ["SER-HIDDEN-MEMBERS"]);
    let mut commented = sound.clone();
    commented.comment = Zip::of(&[]).bytes();
    assert_eq!(unpacked(&commented.bytes()).0.parts, 2);
}

/// Takes one row out of the directory of a zip with equally long rows.
fn drop_row(zip: &mut Vec<u8>, row: usize) {
    let record = zip.len() - 22;
    let start = u32::from_le_bytes(zip[record + 16..record + 20].try_into().unwrap()) as usize;
    let mut at = start;
    let mut rows = Vec::new();
    while at < record {
        let length = 46 + zip[at + 28] as usize;
        rows.push(at..at + length);
        at += length;
    }
    let gone = rows[row].clone();
    let (count, size) = (rows.len() as u16 - 1, (record - start - gone.len()) as u32);
    zip[record + 8..record + 10].copy_from_slice(&count.to_le_bytes());
    zip[record + 10..record + 12].copy_from_slice(&count.to_le_bytes());
    zip[record + 12..record + 16].copy_from_slice(&size.to_le_bytes());
    zip.drain(gone);
}

#[test]
fn members_that_lie_over_each_other_are_refused() {
    let mut zip = Zip::of(&[("bag/data/a", &[3; 500]), ("bag/data/b", &[3; 500])]).bytes();
    let record = zip.len() - 22;
    let second = record - 56 + 42;
    zip[second..second + 4].copy_from_slice(&0u32.to_le_bytes());
    assert_eq!(codes(&zip), ["SER-HEADER-DAMAGED"]);
}

#[test]
fn a_cut_or_changed_zip_is_refused_or_gives_the_same_bytes() {
    let mut zip = Zip::of(&[("bag/", b""), ("bag/data/a", &[3; 5_000]), ("bag/bagit.txt", b"xyz")]);
    zip.members[1].late = true;
    let bytes = zip.bytes();
    let sound = unpacked(&bytes).1;
    for cut in 4..bytes.len() {
        assert_eq!(codes(&bytes[..cut]), ["SER-TRUNCATED"], "cut at {cut}");
    }
    let record = bytes.len() - 22;
    let start = u32::from_le_bytes(bytes[record + 16..record + 20].try_into().unwrap()) as usize;
    for place in 4..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x04;
        let (done, out) = try_with(&flipped, &Caps::default());
        // The directory's times and modes are said once; every other byte is said twice or summed.
        assert!(done.is_err() || out == sound || place >= start, "byte {place} of {} unseen", bytes.len());
    }
}

#[test]
fn a_zip64_is_read() {
    let mut zip = Zip::of(&[("bag/data/a", b"x")]).bytes();
    let record = zip.len() - 22;
    let start = u32::from_le_bytes(zip[record + 16..record + 20].try_into().unwrap());
    let size = record as u64 - u64::from(start);
    let tail = zip.split_off(record);
    let mut wide = b"PK\x06\x06".to_vec();
    wide.extend(44u64.to_le_bytes());
    wide.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [1, 1, size, u64::from(start)] {
        wide.extend(value.to_le_bytes());
    }
    wide.extend(b"PK\x06\x07\0\0\0\0");
    wide.extend((record as u64).to_le_bytes());
    wide.extend(1u32.to_le_bytes());
    zip.extend(wide);
    let mut tail = tail;
    tail[8..20].fill(0xff);
    zip.extend(tail);
    assert_eq!(unpacked(&zip).0.parts, 1);
    let place = record + 32;
    zip[place] = 2;
    assert_eq!(codes(&zip).len(), 1);
}

#[test]
fn what_macos_puts_beside_the_bag_is_passed_over_and_told() {
    let zip = Zip::of(&[
        ("bag/data/a", b"x"),
        ("__MACOSX/", b""),
        ("__MACOSX/bag/data/._a", &[9; 100]),
        ("bag/bagit.txt", b"y"),
    ]);
    assert_eq!(codes(&zip.bytes()), ["SER-APPLEDOUBLE"]);
    let paths: Vec<String> =
        indexed(&zip.bytes()).unwrap().iter().map(|member| member.path.shown()).collect();
    assert_eq!(paths, ["data/a", "bagit.txt"]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic_or_write_more_than_is_allowed(
        flips in proptest::collection::vec((proptest::prelude::any::<u16>(), proptest::prelude::any::<u8>()), 1..30),
        which in 0usize..4,
    ) {
        let tar = plain_tar();
        let zip = Zip::of(&[("bag/", b""), ("bag/data/a", &[3; 5_000]), ("bag/bagit.txt", b"xyz")]).bytes();
        let mut packed = match which {
            0 => gz(&tar),
            1 => bzip::compress(&tar),
            2 => zstd::compress(&tar),
            _ => zip,
        };
        let size = packed.len();
        for (place, byte) in flips {
            packed[usize::from(place) % size] = byte;
        }
        for container in Container::READ {
            let mut out = Vec::new();
            let caps = Caps { bytes: 300_000, ..Caps::default() };
            let done = unpack(&packed, container, &caps, &mut out, &mut |_| Ok(()));
            proptest::prop_assert!(out.len() <= 300_000);
            if let Err(error) = done {
                proptest::prop_assert!(matches!(error, PackedError::Refused(_)), "{error}");
            }
        }
    }
}
