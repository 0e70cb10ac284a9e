//! Tars made byte by byte, and the `tar` crate as a second opinion.
#![allow(clippy::type_complexity, clippy::ptr_arg)] // tables of cases; a slice cannot be a `dyn ReadAt`

use super::*;
use crate::rules::bagit::make::{Plan, TarWriter, tar_bag};
use crate::rules::sort::MemoryScratch;
use std::convert::Infallible;
use std::io::Read;

fn look(tar: &Vec<u8>) -> (Result<Indexed, IndexError<Infallible>>, Vec<Member>) {
    let mut members = Vec::new();
    let scratch = MemoryScratch::default();
    let indexed = index(tar, &Limits::default(), &scratch, &mut |member| {
        members.push(member);
        Ok(())
    });
    (indexed, members)
}

/// Codes of the refusal, or of the warnings.
fn codes(tar: &Vec<u8>) -> Vec<String> {
    let (indexed, members) = look(tar);
    let findings = match indexed {
        Ok(indexed) => indexed.findings,
        Err(IndexError::Refused(findings)) => {
            assert!(members.is_empty(), "a refused tar gives no member");
            findings
        }
        Err(other) => panic!("{other:?}"),
    };
    findings.into_iter().map(|finding| finding.code).collect()
}

/// A tar written member by member; names that end with `/` are folders.
fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut tar = TarWriter::new(&mut out, 17);
    for (name, bytes) in members {
        let mut bytes = *bytes;
        match name.strip_suffix('/') {
            Some(_) => tar.folder(name).unwrap(),
            None => tar.file(name, bytes.len() as u64, &mut bytes).unwrap(),
        }
    }
    tar.finish().unwrap();
    out
}

#[test]
fn members_come_in_order_with_their_place_and_without_the_top_folder() {
    let tar = tar_of(&[("bag/", b""), ("bag/data/b", b"bee"), ("bag/bagit.txt", b""), ("bag/data/a", b"ay")]);
    let (indexed, members) = look(&tar);
    let indexed = indexed.unwrap();
    assert_eq!((indexed.top.as_str(), indexed.files, indexed.bytes), ("bag", 3, 5));
    assert!(indexed.payload_folder && indexed.findings.is_empty());
    let paths: Vec<&str> = members.iter().map(|member| member.path.text().unwrap()).collect();
    assert_eq!(paths, ["data/b", "bagit.txt", "data/a"]);
    for (number, member) in members.iter().enumerate() {
        assert_eq!((member.number, member.mtime), (number as u64, 17));
    }
    let bee = &tar[members[0].offset as usize..][..members[0].size as usize];
    assert_eq!(bee, b"bee");
}

#[test]
fn what_the_tar_crate_reads_is_what_we_index() {
    let mut files = (0..300u32).map(|n| {
        let name = format!("{}file {n}", "folder/".repeat(n as usize % 40));
        let bytes = vec![n as u8; n as usize * 7];
        (name, bytes.len() as u64, Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read>)
    });
    let mut tar = Vec::new();
    tar_bag(&mut tar, "bag", &mut files, &Plan::default(), &MemoryScratch::default()).unwrap();
    let (indexed, members) = look(&tar);
    assert_eq!(indexed.unwrap().files, 304);
    let mut ours = members.iter();
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let entry = entry.unwrap();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let member = ours.next().unwrap();
        assert_eq!(entry.path_bytes().strip_prefix(b"bag/").unwrap(), member.path.0);
        assert_eq!((entry.raw_file_position(), entry.size()), (member.offset, member.size));
    }
    assert!(ours.next().is_none());
}

#[test]
fn every_cut_is_refused_or_told() {
    let tar = tar_of(&[("bag/", b""), ("bag/data/a", &[7; 700])]);
    assert_eq!(tar.len(), 512 + 512 + 1024 + 1024);
    for cut in 0..tar.len() {
        let codes = codes(&tar[..cut].to_vec());
        let expected = match cut {
            0 => "SER-EMPTY",
            1..512 => "SER-NOT-TAR",
            512 => "SER-NO-END",
            513..1024 => "SER-TRUNCATED",
            1024..1724 => "SER-TRUNCATED",
            // All bytes of the member are there: only padding or the end mark is missing.
            _ => "SER-NO-END",
        };
        assert!(codes.contains(&expected.to_string()), "cut at {cut}: {codes:?}");
    }
}

#[test]
fn names_that_meet_are_told_apart() {
    #[rustfmt::skip]
    let table: [(&[(&str, &[u8])], &[&str]); 6] = [
        (&[("bag/data/a", b"x"), ("bag/./data//a", b"y")], &["SER-DUPLICATE-MEMBER"]),
        (&[("bag/data/a", b"x"), ("bag/data/a/b", b"y")], &["SER-CLASH"]),
        (&[("bag/data/a/b", b"y"), ("bag/data/a-c", b"z"), ("bag/data/a", b"x")], &["SER-CLASH"]),
        (&[("bag/data/a/", b""), ("bag/data/a", b"x")], &["SER-CLASH"]),
        (&[("bag/data/a/", b""), ("bag/data/a/", b""), ("bag/data/a/b", b"")], &[]),
        (&[("bag/data/a/", b""), ("bag/data/a-b", b"")], &["STRUCT-EMPTY-DIR"]),
    ];
    for (members, expected) in table {
        assert_eq!(codes(&tar_of(members)), expected, "{members:?}");
    }
}

#[test]
fn a_member_repeated_with_the_same_bytes_is_given_once() {
    let (indexed, members) =
        look(&tar_of(&[("bag/data/a", b"x"), ("bag/data/b", b"y"), ("bag/data/a", b"x"), ("bag/c", b"")]));
    assert_eq!(indexed.unwrap().findings[0].severity, crate::model::finding::Severity::Warning);
    let paths: Vec<&str> = members.iter().map(|member| member.path.text().unwrap()).collect();
    assert_eq!(paths, ["data/a", "data/b", "c"]);
    assert_eq!(members.iter().map(|member| member.number).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn there_is_one_top_folder() {
    #[rustfmt::skip]
    let table: [(&[(&str, &[u8])], &[&str]); 7] = [
        (&[("bagit.txt", b""), ("data/a", b"")], &["SER-NO-BASE-DIR"]),
        (&[("./", b""), ("./data/a", b""), ("./bagit.txt", b"")], &["SER-NO-BASE-DIR"]),
        (&[("a/x", b""), ("b/x", b""), ("c/", b"")], &["SER-MANY-BASE-DIRS"]),
        (&[("readme", b""), ("a/x", b"")], &["SER-STRAY-TOP-LEVEL"]),
        (&[("._a", b""), ("a/x", b"")], &["SER-APPLEDOUBLE"]),
        (&[("pax_global_header", b""), ("a/x", b"")], &[]),
        (&[], &["SER-EMPTY"]),
    ];
    for (members, expected) in table {
        assert_eq!(codes(&tar_of(members)), expected, "{members:?}");
    }
}

#[test]
fn every_refusal_of_one_pass_is_told() {
    let mut out = Vec::new();
    let mut tar = TarWriter::new(&mut out, 0);
    tar.file("bag/data/a", 1, &mut &b"x"[..]).unwrap();
    tar.symlink("bag/data/link", "a").unwrap();
    tar.file("bag/../b", 1, &mut &b"x"[..]).unwrap();
    tar.file("bag/data/a", 1, &mut &b"y"[..]).unwrap();
    tar.finish().unwrap();
    assert_eq!(codes(&out), ["SER-LINK", "SER-PATH-ESCAPES", "SER-DUPLICATE-MEMBER"]);
}

#[test]
fn other_formats_are_named() {
    for (first, expected) in [(&b"\x1f\x8b\x08"[..], "gzip"), (b"PK\x03\x04", "ZIP"), (b"\xfd7zXZ\0", "xz")] {
        let mut bytes = first.to_vec();
        bytes.resize(2_000, 1);
        let (indexed, _) = look(&bytes);
        let Err(IndexError::Refused(findings)) = indexed else { panic!("accepted") };
        assert_eq!(findings[0].code, "SER-COMPRESSED");
        assert!(findings[0].message.contains(expected));
    }
    assert_eq!(codes(&vec![b'x'; 2_000]), ["SER-NOT-TAR"]);
    assert_eq!(codes(&vec![0; 2_048]), ["SER-EMPTY"]);
}

#[test]
fn what_lies_behind_the_end_is_told_or_refused() {
    let mut tar = tar_of(&[("bag/data/a", b"x")]);
    tar.resize(tar.len() + 4_096, 0);
    assert_eq!(codes(&tar), [""; 0]);
    let mut rubbish = tar.clone();
    rubbish.extend_from_slice(b"left over");
    assert_eq!(codes(&rubbish), ["SER-TRAILING-DATA"]);
    tar.extend_from_slice(&tar_of(&[("bag/data/hidden", b"x")]));
    assert_eq!(codes(&tar), ["SER-HIDDEN-MEMBERS"]);
}

#[test]
fn a_tar_that_cannot_be_read_is_not_the_depositors_fault() {
    struct Failing(Vec<u8>);
    impl ReadAt for Failing {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            if offset > 0 { Err(io::Error::from_raw_os_error(5)) } else { self.0.read_at(buf, offset) }
        }
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
    }
    let mut big = vec![0; 40_000];
    big.fill(1);
    let tar = Failing(tar_of(&[("bag/data/a", &big), ("bag/data/b", b"")]));
    let scratch = MemoryScratch::default();
    let error = index::<Infallible>(&tar, &Limits::default(), &scratch, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(error, IndexError::Read { offset, .. } if offset > 0));
}

#[test]
fn a_folder_gives_the_same_members() {
    let scratch = MemoryScratch::default();
    let limits = Limits::default();
    let mut walk = FolderIndex::new(&limits, &scratch);
    walk.take("data/a".into(), FolderEntry::File { size: 3, mtime: 9 }).unwrap();
    walk.take("data/empty".into(), FolderEntry::EmptyFolder).unwrap();
    let mut members = Vec::new();
    let indexed = walk.finish::<Infallible>(&mut |member| {
        members.push(member);
        Ok(())
    });
    let indexed = indexed.unwrap();
    assert_eq!((indexed.files, indexed.bytes, indexed.top.as_str()), (1, 3, ""));
    assert_eq!(indexed.findings[0].code, "STRUCT-EMPTY-DIR");
    assert_eq!(members[0].path, "data/a".into());

    let mut walk = FolderIndex::new(&limits, &scratch);
    walk.take("data/link".into(), FolderEntry::Special).unwrap();
    let refused = walk.finish::<Infallible>(&mut |_| Ok(())).unwrap_err();
    assert!(matches!(refused, IndexError::Refused(findings) if findings[0].code == "STRUCT-NOT-A-FILE"));
}

#[test]
fn a_deep_path_and_a_huge_extension_header_cost_nothing() {
    let started = std::time::Instant::now();
    assert_eq!(
        codes(&tar_of(&[("bag/", b""), (&("bag/".to_string() + &"d/".repeat(1_500) + "f"), b"")])),
        ["SER-TOO-DEEP"]
    );
    // A pax header of 1 GiB that nobody has to hold or even to read.
    struct Sparse(Vec<u8>, u64);
    impl ReadAt for Sparse {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            let count = usize::try_from(self.1 - offset).unwrap().min(buf.len());
            buf[..count].fill(b'\n');
            if offset < self.0.len() as u64 {
                self.0.read_at(&mut buf[..count], offset)?;
            }
            Ok(count)
        }
        fn size(&self) -> u64 {
            self.1
        }
    }
    let size = 1u64 << 30;
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(size);
    header.set_cksum();
    let mut first = header.as_bytes().to_vec();
    first.extend_from_slice(format!("{size} SCHILY.xattr.user.x=").as_bytes());
    let tar = Sparse(first, 512 + size + 512);
    let scratch = MemoryScratch::default();
    let refused = index::<Infallible>(&tar, &Limits::default(), &scratch, &mut |_| Ok(()));
    assert!(matches!(refused, Err(IndexError::Refused(_))));
    assert!(started.elapsed().as_millis() < 200, "{:?}", started.elapsed());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_or_point_outside(
        flips in proptest::collection::vec((0usize..6_000, proptest::prelude::any::<u8>()), 1..12),
        resum in proptest::prelude::any::<bool>(),
    ) {
        let long = "bag/data/".to_string() + &"y".repeat(120);
        let mut tar = tar_of(&[("bag/", b""), ("bag/data/a", b"x"), (&long, &[3; 600]), ("bag/data/b", b"")]);
        let size = tar.len();
        for (place, byte) in flips {
            tar[place % size] = byte;
        }
        if resum {
            // Mend every header's checksum, so that the damage gets past it.
            for block in tar.chunks_mut(BLOCK).filter(|block| &block[257..262] == b"ustar") {
                block[148..156].copy_from_slice(b"        ");
                let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        let (indexed, members) = look(&tar);
        if indexed.is_ok() {
            for member in members {
                proptest::prop_assert!(member.offset + member.size <= size as u64);
                proptest::prop_assert!(!member.path.0.is_empty() && !member.path.0.starts_with(b"/"));
                proptest::prop_assert!(!member.path.0.split(|byte| *byte == b'/').any(|part| part == b".." || part.is_empty()));
            }
        }
    }
}

/// A tar of one file whose header says `size` in its own field, behind these extension headers.
fn spoken_for(extensions: &[(u8, &[u8])], size_field: &[u8; 12], magic: &[u8; 8]) -> Vec<u8> {
    let block = |kind: u8, size: &[u8], magic: &[u8; 8]| {
        let mut header = tar::Header::new_ustar();
        header.set_path("bag/data/a").unwrap();
        let bytes = header.as_mut_bytes();
        bytes[124..136].copy_from_slice(size);
        bytes[156] = kind;
        bytes[257..265].copy_from_slice(magic);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let mut out = Vec::new();
    for (kind, body) in extensions {
        out.extend(block(*kind, format!("{:011o}\0", body.len()).as_bytes(), magic));
        out.extend(*body);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.extend(block(b'0', size_field, b"ustar\x0000"));
    out.resize(out.len() + 3 * BLOCK, 0);
    out
}

#[test]
fn what_other_readers_would_read_otherwise_is_refused() {
    const ONE: &[u8; 12] = b"00000000001\0";
    const USTAR: &[u8; 8] = b"ustar\x0000";
    #[rustfmt::skip]
    let table: [(&str, Vec<u8>, &[&str]); 8] = [
        ("a sound one", spoken_for(&[(b'x', b"19 path=bag/data/b\n")], ONE, USTAR), &[]),
        ("two pax headers for one member", spoken_for(&[(b'x', b"11 size=01\n"), (b'x', b"19 path=bag/data/b\n")], ONE, USTAR), &["SER-EXT-HEADER"]),
        ("two long links for one member", spoken_for(&[(b'K', b"a\0"), (b'K', b"b\0")], ONE, b"ustar  \0"), &["SER-EXT-HEADER"]),
        ("a GNU name that goes on behind a NUL", spoken_for(&[(b'L', b"bag/data/b\0evil\0")], ONE, b"ustar  \0"), &["SER-EXT-HEADER"]),
        ("a GNU name with NULs at its end", spoken_for(&[(b'L', b"bag/data/b\0\0\0")], ONE, b"ustar  \0"), &[]),
        ("a size that is no number under a pax size", spoken_for(&[(b'x', b"10 size=1\n")], b"0000000x001\0", USTAR), &["SER-HEADER-DAMAGED"]),
        ("a pax header without the mark of its format", spoken_for(&[(b'x', b"10 size=1\n")], ONE, b"\0\0\0\0\0\0\0\0"), &["SER-SPECIAL-FILE"]),
        ("a pax body whose padding hides something", spoken_for(&[(b'x', b"10 size=1\n\0\0\0path=bag/../x")], ONE, USTAR), &["SER-EXT-HEADER"]),
    ];
    for (name, tar, expected) in table {
        assert_eq!(codes(&tar), expected, "{name}");
    }
}

#[test]
fn a_link_is_named_with_what_it_points_to() {
    let mut out = Vec::new();
    let mut tar = TarWriter::new(&mut out, 0);
    tar.file("bag/data/a", 1, &mut &b"x"[..]).unwrap();
    tar.symlink("bag/data/latest", "2024/").unwrap();
    tar.finish().unwrap();
    let Err(IndexError::Refused(findings)) = look(&out).0 else { panic!("accepted") };
    assert_eq!(findings[0].message, "`bag/data/latest` is a symbolic link to `2024/`.");
}

#[test]
fn more_files_than_we_take_are_our_limit_and_not_the_depositors_fault() {
    let tar = tar_of(&[("bag/a", b""), ("bag/b", b""), ("bag/c", b"")]);
    let limits = Limits { members: 2, ..Limits::default() };
    let refused = index::<Infallible>(&tar, &limits, &MemoryScratch::default(), &mut |_| Ok(()));
    let Err(IndexError::Refused(findings)) = refused else { panic!("accepted") };
    assert_eq!((findings.len(), findings[0].code.as_str()), (1, "ENV-LIMIT"));
}

#[test]
fn a_thousand_names_of_60_kib_keep_little_of_them() {
    let name = [b"bag/../".to_vec(), vec![b'n'; 60_000]].concat();
    let finding = names::clean(&name, &Limits::default()).unwrap_err();
    assert!(finding.path.0.0.len() <= 4_096 && finding.message.len() < 1_000);
}
