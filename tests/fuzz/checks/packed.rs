//! Packed deposits: no bytes make unpacking panic, give more than its caps, or give other bytes than were packed.

use super::draw::Draw;
use super::{finding, tar};
use std::io::{self, Read, Write};
use strongroom::model::finding::Finding;
use strongroom::rules::packed::{Caps, Container, PackedError, Unpacked, sniff, unpack};
use strongroom::rules::read::ReadAt;
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::{IndexError, Limits, index};

const CAPS: Caps = Caps { bytes: 1 << 20, ratio: 250, members: 200 };

/// Gives a few bytes at a time.
struct Trickle<'t>(&'t [u8], usize);

impl ReadAt for Trickle<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = buf.len().min(self.1);
        self.0.read_at(&mut buf[..count], offset)
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Takes so many bytes, then none.
struct Taker {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Taker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(deposit: &dyn ReadAt, container: Container, most: usize) -> (Result<Unpacked, PackedError>, Vec<u8>) {
    let mut taker = Taker { bytes: Vec::new(), most };
    let mut last = 0;
    let done = unpack(deposit, container, &CAPS, &mut taker, &mut |bytes| {
        last += bytes;
        Ok(())
    });
    (done, taker.bytes)
}

pub fn check(data: &[u8]) {
    let mut draw = Draw::new(data);
    match draw.below(4) {
        0 => any(draw.rest(), 3),
        1 => {
            let step = 1 + draw.below(9);
            let plain = draw.rest();
            let packed = gzip(plain);
            any(&packed, step);
            round(&packed, plain);
        }
        2 => {
            let step = 1 + draw.below(9);
            any(&zipped(&mut draw), step);
        }
        _ => {
            // Damage behind the checksums of a whole one.
            let at = draw.place(1 << 10);
            let with = draw.byte();
            let mut packed = gzip(draw.rest());
            let at = at % packed.len();
            packed[at] ^= with;
            any(&packed, 7);
        }
    }
}

fn any(bytes: &[u8], step: usize) {
    let deposit = bytes.to_vec();
    let container = sniff(&deposit).expect("bytes in memory are read");
    let (done, out) = run(&deposit, container, usize::MAX);
    assert!(out.len() as u64 <= CAPS.allowed(deposit.len() as u64), "{} bytes came out", out.len());
    match &done {
        Ok(unpacked) => {
            assert_eq!(unpacked.bytes, out.len() as u64);
            unpacked.findings.iter().for_each(finding::sound);
            assert!(!finding::refused(&unpacked.findings), "unpacked with an error: {unpacked:?}");
            assert!(container != Container::Plain || out == deposit, "a plain tar was changed");
            if container == Container::Zip {
                a_tar_of_ours(&out);
            }
            if out.len() < 32 << 10 {
                tar::check(&out);
            }
        }
        Err(PackedError::Refused(findings)) => {
            findings.iter().for_each(finding::sound);
            assert!(finding::refused(findings), "refused without an error");
        }
        Err(other) => panic!("nothing but the deposit can be wrong here: {other}"),
    }
    let (again, again_out) = run(&Trickle(&deposit, step), container, usize::MAX);
    // Where damage was met is told as far as was read, which differs.
    assert_eq!(codes(&again), codes(&done), "it depends on how bytes come");
    let (short, long) = if out.len() < again_out.len() { (&out, &again_out) } else { (&again_out, &out) };
    assert!(long.starts_with(short), "the bytes before the damage depend on how bytes come");
    assert!(done.is_err() || short.len() == long.len(), "the bytes depend on how bytes come");
    if !out.is_empty() && done.is_ok() {
        let (stopped, _) = run(&deposit, container, out.len() - 1);
        assert!(matches!(stopped, Err(PackedError::Taker(_))), "a full disk is told as {stopped:?}");
    }
}

fn codes(done: &Result<Unpacked, PackedError>) -> Result<(u64, Vec<&str>), Vec<&str>> {
    fn codes(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.code.as_str()).collect()
    }
    match done {
        Ok(unpacked) => Ok((unpacked.parts, codes(&unpacked.findings))),
        Err(PackedError::Refused(findings)) => Err(codes(findings)),
        Err(other) => panic!("{other}"),
    }
}

/// What is made of a zip may hold names that are refused, but it is a tar from its first byte to its last.
#[allow(clippy::ptr_arg)] // the reader at a place is the vector
fn a_tar_of_ours(made: &Vec<u8>) {
    let scratch = MemoryScratch::default();
    let indexed = index::<()>(made, &Limits::default(), &scratch, &mut |_| Ok(()));
    let findings = match indexed {
        Ok(indexed) => indexed.findings,
        Err(IndexError::Refused(findings)) => findings,
        Err(_) => panic!("bytes in memory are read"),
    };
    for finding in findings {
        let form = ["SER-NOT-TAR", "SER-TRUNCATED", "SER-NO-END", "SER-TRAILING-DATA", "SER-HIDDEN-MEMBERS"];
        assert!(!form.contains(&finding.code.as_str()), "what was made is no whole tar: {finding:?}");
        let form = ["SER-HEADER-DAMAGED", "SER-EXT-HEADER", "SER-LINK", "SER-SPECIAL-FILE", "SER-SPARSE"];
        assert!(!form.contains(&finding.code.as_str()), "what was made is no plain tar: {finding:?}");
    }
}

fn round(packed: &[u8], plain: &[u8]) {
    let (done, out) = run(&packed.to_vec(), Container::Gzip, usize::MAX);
    match done {
        Ok(_) => assert!(out == plain, "unpacked to other bytes"),
        Err(PackedError::Refused(findings)) => {
            // What was packed before it was packed is refused by its name.
            let again = sniff(&plain.to_vec()).is_ok_and(|inner| inner != Container::Plain);
            assert!(again && findings[0].code == "SER-COMPRESSED", "{findings:?}");
        }
        Err(other) => panic!("{other}"),
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(plain, flate2::Compression::fast());
    encoder.read_to_end(&mut out).expect("bytes in memory are read");
    out
}

/// A zip as zip programs write it, then changed in a few places.
fn zipped(draw: &mut Draw<'_>) -> Vec<u8> {
    const NAMES: [&[u8]; 10] = [
        b"bag/",
        b"bag/data/a",
        b"bag/data/",
        b"bag/bagit.txt",
        b"a",
        b"bag/../x",
        b"",
        b"bag/\xff",
        b"./bag/b",
        b"bag/data/a/b",
    ];
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    let count = draw.below(5);
    for _ in 0..count {
        let name = draw.one(&NAMES);
        let deflated = draw.below(2) == 1;
        let behind = draw.below(3) == 1;
        let plain = if name.ends_with(b"/") { &[][..] } else { draw.some() };
        let mut packed = plain.to_vec();
        if deflated {
            packed.clear();
            let mut encoder = flate2::read::DeflateEncoder::new(plain, flate2::Compression::fast());
            encoder.read_to_end(&mut packed).expect("bytes in memory are read");
        }
        let offset = zip.len() as u32;
        let crc = crc32fast::hash(plain);
        let sums = [crc, packed.len() as u32, plain.len() as u32];
        let common = |sums: [u32; 3]| {
            let mut row = Vec::new();
            let method = if deflated { 8 } else { 0 };
            for short in [20u16, if behind { 8 } else { 0 }, method, 0, 0x21] {
                row.extend_from_slice(&short.to_le_bytes());
            }
            sums.iter().for_each(|long| row.extend_from_slice(&long.to_le_bytes()));
            row.extend_from_slice(&(name.len() as u16).to_le_bytes());
            row.extend_from_slice(&0u16.to_le_bytes());
            row
        };
        zip.extend_from_slice(b"PK\x03\x04");
        zip.extend(common(if behind { [0; 3] } else { sums }));
        zip.extend_from_slice(name);
        zip.extend_from_slice(&packed);
        if behind {
            if draw.below(2) == 0 {
                zip.extend_from_slice(b"PK\x07\x08");
            }
            sums.iter().for_each(|long| zip.extend_from_slice(&long.to_le_bytes()));
        }
        directory.extend_from_slice(b"PK\x01\x02\x14\x03");
        directory.extend(common(sums));
        directory.extend_from_slice(&[0; 12]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name);
    }
    let start = zip.len() as u32;
    zip.extend_from_slice(&directory);
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        zip.extend_from_slice(&(count as u16).to_le_bytes());
    }
    zip.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    zip.extend_from_slice(&start.to_le_bytes());
    zip.extend_from_slice(&[0; 2]);
    for _ in 0..draw.below(4) {
        let at = draw.place(zip.len() - 1);
        zip[at] = draw.byte();
    }
    zip
}
