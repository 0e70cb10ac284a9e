//! Archives: SER.

use crate::Case;
use crate::kit::{Deposit, Tar, bag};
use std::io::Write;
use strongroom::rules::tar::Limits;

/// The limits a bag is judged by: for one code there must be a limit that it breaks.
pub fn limits_for(name: &str) -> Limits {
    match name {
        "SER-LIMIT" => Limits { extension_records: 2, ..Limits::default() },
        _ => Limits::default(),
    }
}

fn file(bytes: impl Into<Vec<u8>>) -> Deposit {
    Deposit::File("bag.tar".into(), bytes.into())
}

/// A sound bag, and one more member.
fn with(kind: u8, name: &[u8], bytes: &[u8]) -> Deposit {
    let mut tar = bag().tar();
    tar.raw(kind, name, bytes);
    tar.deposit()
}

/// A sound bag, and one more file behind an extension header.
fn extended(record: &str) -> Deposit {
    let mut tar = bag().tar();
    tar.raw(b'x', b"PaxHeader", record.as_bytes());
    tar.file(b"bag/data/more.txt", b"more");
    tar.deposit()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// The bag at the top, or below these folders.
fn below(tops: &[&str]) -> Deposit {
    let mut tar = Tar::default();
    tops.iter().for_each(|top| bag().members(&mut tar, top));
    tar.deposit()
}

/// A code, and a deposit that has this fault.
pub const CASES: &[Case] = &[
    ("SER-NOT-TAR", || file(b"this is no tar\n".repeat(100))),
    ("SER-COMPRESSED", || file(gzip(&bag().tar().end()))),
    ("SER-EMPTY", || file([0; 1024])),
    ("SER-TRUNCATED", || file(&bag().tar().end()[..550])),
    ("SER-HEADER-DAMAGED", || {
        let mut tar = bag().tar().end();
        tar[1024] ^= 1;
        file(tar)
    }),
    ("SER-NO-END", || file(bag().tar().0)),
    ("SER-TRAILING-DATA", || file([bag().tar().end(), vec![b'x'; 512]].concat())),
    ("SER-HIDDEN-MEMBERS", || file([bag().tar().end(), bag().tar().end()].concat())),
    ("SER-NO-BASE-DIR", || below(&[""])),
    ("SER-MANY-BASE-DIRS", || below(&["bag/", "other/"])),
    ("SER-STRAY-TOP-LEVEL", || with(b'0', b"read me.txt", b"please")),
    ("SER-NAME-DIFFERS", || below(&["another/"])),
    ("SER-APPLEDOUBLE", || with(b'0', b"._bag", b"\0\x05\x16\x07")),
    ("SER-LINK", || with(b'2', b"bag/data/latest", b"")),
    ("SER-SPECIAL-FILE", || with(b'6', b"bag/data/pipe", b"")),
    ("SER-SPARSE", || extended("22 GNU.sparse.major=1\n")),
    ("SER-PATH-ESCAPES", || with(b'0', b"bag/data/../../../etc/cron.d/x", b"x")),
    ("SER-PATH-TOO-LONG", || with(b'0', format!("bag/data/{}", "x".repeat(256)).as_bytes(), b"x")),
    ("SER-TOO-DEEP", || with(b'0', format!("bag/data/{}x", "d/".repeat(300)).as_bytes(), b"x")),
    ("SER-DUPLICATE-MEMBER", || with(b'0', b"bag/bagit.txt", b"other bytes")),
    ("SER-CLASH", || with(b'5', b"bag/data/a.txt/", b"")),
    ("SER-EXT-HEADER", || extended("99 path=bag/data/x\n")),
    ("SER-LIMIT", || extended("6 a=b\n6 c=d\n6 e=f\n")),
];
