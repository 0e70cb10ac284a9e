//! Programs that depositors use, as oracles: GNU tar lists what we index, and Python packs what we unpack.

use crate::generate::{BLOCK, Naming, Sizing, header, ours, parts, plain, tar_of};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use strongroom::rules::packed::{Caps, Container, sniff, unpack};

fn there(program: &str, argument: &str) -> bool {
    let there = Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: {program} is not there");
    }
    there
}

/// Name and size of every regular file, as GNU tar lists them.
fn listed(tar: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let mut child = Command::new("tar")
        .args(["--list", "--verbose", "--numeric-owner", "--quoting-style=escape", "--file=-"])
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (bytes, writer) = (tar.to_vec(), ());
    let feeding = std::thread::spawn(move || {
        let () = writer;
        // tar may close its end before it has read the last padding.
        let _ = stdin.write_all(&bytes);
    });
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    assert!(
        output.status.success(),
        "GNU tar refuses what we accept: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    // `C` is a contiguous file, which nobody writes and everybody reads as a plain one.
    text.lines().filter(|line| line.starts_with(['-', 'C'])).map(row).collect()
}

/// "-rw-r--r-- 1000/1000  12 2021-01-19 16:06 bag/a\040b", its columns parted by any number of spaces but the last.
fn row(line: &str) -> (Vec<u8>, u64) {
    let mut rest = line;
    let mut columns = Vec::new();
    for _ in 0..5 {
        let (column, behind) = rest.trim_start().split_once(' ').unwrap();
        columns.push(column);
        rest = behind;
    }
    (unescaped(rest.as_bytes()), columns[2].parse().unwrap())
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            bytes.push(text[at]);
            at += 1;
            continue;
        }
        let (byte, length) = match text[at + 1] {
            b'n' => (b'\n', 2),
            b't' => (b'\t', 2),
            b'0'..=b'3' => {
                let digits = std::str::from_utf8(&text[at + 1..at + 4]).unwrap();
                (u8::from_str_radix(digits, 8).unwrap(), 4)
            }
            other => (other, 2),
        };
        bytes.push(byte);
        at += length;
    }
    bytes
}

#[test]
fn gnu_tar_lists_the_files_that_we_index() {
    if !there("tar", "--version") {
        return;
    }
    let config = Config { rng_seed: RngSeed::Fixed(1_923), ..Config::default() };
    let mut runner = TestRunner::new(config);
    let mut compared = 0;
    for _ in 0..120 {
        let parts = parts().new_tree(&mut runner).unwrap().current();
        let tar = tar_of(&parts);
        let Ok(members) = ours(&tar) else { continue };
        let mine: Vec<(Vec<u8>, u64)> =
            members.into_iter().map(|member| ([b"bag/", &member.path.0[..]].concat(), member.size)).collect();
        let mut seen = BTreeSet::new();
        let theirs: Vec<(Vec<u8>, u64)> = listed(&tar)
            .into_iter()
            .map(|(name, size)| (plain(&name), size))
            .filter(|(name, _)| seen.insert(name.clone()))
            .collect();
        assert_eq!(mine, theirs, "{parts:#?}");
        compared += 1;
    }
    assert!(compared > 60, "only {compared} tars could be compared");
}

#[test]
fn what_gnu_tar_packs_in_each_of_its_formats_is_read() {
    if !there("tar", "--version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let long = "an unusually long name ".repeat(9) + "\u{e4}\u{20ac}";
    let deep = format!("bag/data/{}", "folder of some length/".repeat(9));
    std::fs::create_dir_all(folder.path().join(&deep)).unwrap();
    for name in ["bag/bagit.txt".to_string(), format!("bag/data/{long}"), format!("{deep}{long}")] {
        std::fs::write(folder.path().join(name), "text\n").unwrap();
    }
    for format in ["gnu", "oldgnu", "pax", "posix", "ustar", "v7"] {
        for more in [&["bag"][..], &["./bag"]] {
            let output = Command::new("tar")
                .args(["--create", "--format", format, "--file=-", "--blocking-factor=1"])
                .args(more)
                .current_dir(folder.path())
                .output()
                .unwrap();
            let members = ours(&output.stdout).unwrap_or_else(|findings| panic!("{format}: {findings:?}"));
            // v7 and ustar leave out what does not fit, and say so; the others hold everything.
            assert!(
                members.len() == 3 || matches!(format, "v7" | "ustar") && !output.status.success(),
                "{format}"
            );
        }
    }
    // Sparse files and links are refused in the depositor's words, in every format that has them.
    std::fs::File::create(folder.path().join("bag/data/holes")).unwrap().set_len(1 << 20).unwrap();
    std::os::unix::fs::symlink("holes", folder.path().join("bag/data/link")).unwrap();
    for (format, version) in [
        ("gnu", ""),
        ("pax", "--sparse-version=0.0"),
        ("pax", "--sparse-version=0.1"),
        ("pax", "--sparse-version=1.0"),
    ] {
        let mut command = Command::new("tar");
        command.args(["--create", "--sparse", "--format", format, "--file=-"]);
        if !version.is_empty() {
            command.arg(version);
        }
        let tar = command.arg("bag").current_dir(folder.path()).output().unwrap().stdout;
        let codes: BTreeSet<String> =
            ours(&tar).unwrap_err().into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["SER-LINK", "SER-SPARSE"], "{format} {version}");
    }
}

const PACK: &str = r#"
import sys, zipfile, io
class Pipe(io.RawIOBase):
    def writable(self): return True
    def write(self, b): sys.stdout.buffer.write(b); return len(b)
streamed, method = sys.argv[1] == "streamed", int(sys.argv[2])
out = Pipe() if streamed else io.BytesIO()
with zipfile.ZipFile(out, "w", method) as z:
    z.writestr("bag/", b"")
    z.writestr("bag/data/caf\u00e9.txt", b"text" * 5000)
    z.writestr("bag/data/empty", b"")
    with z.open("bag/data/wide", "w", force_zip64=True) as f: f.write(b"wide" * 100)
    z.writestr("bag/bagit.txt", b"x")
if not streamed: sys.stdout.buffer.write(out.getvalue())
"#;

#[test]
fn what_python_zips_is_unpacked() {
    if !there("python3", "--version") {
        return;
    }
    for how in [["whole", "0"], ["whole", "8"], ["streamed", "0"], ["streamed", "8"]] {
        let output = Command::new("python3").args(["-c", PACK]).args(how).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let zip = output.stdout;
        assert_eq!(sniff(&zip).unwrap(), Container::Zip);
        let mut tar = Vec::new();
        let done = unpack(&zip, Container::Zip, &Caps::default(), &mut tar, &mut |_| Ok(())).unwrap();
        assert_eq!((done.parts, tar.len() % BLOCK), (5, 0), "{how:?}");
        let rows: Vec<(String, u64)> =
            ours(&tar).unwrap().iter().map(|member| (member.path.shown(), member.size)).collect();
        let expected =
            [("data/caf\u{e9}.txt", 20_000), ("data/empty", 0), ("data/wide", 400), ("bagit.txt", 1)];
        assert_eq!(rows, expected.map(|(name, size)| (name.to_string(), size)), "{how:?}");
    }
}

#[test]
fn what_the_usual_programs_compress_is_unpacked() {
    let tar = tar_of(&[]);
    let first = header(b"bag/", 0, b'5', Naming::Ustar, Sizing::Octal).to_vec();
    let tar = [first, tar, vec![0; 300_000]].concat();
    for program in ["gzip", "bzip2", "zstd", "pigz", "xz"] {
        if !there(program, "--version") {
            continue;
        }
        let mut child = Command::new(program)
            .args(["-c", "-q"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = tar.clone();
        let feeding = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
        let packed = child.wait_with_output().unwrap().stdout;
        feeding.join().unwrap();
        let container = sniff(&packed).unwrap();
        let mut out = Vec::new();
        let done = unpack(&packed, container, &Caps::default(), &mut out, &mut |_| Ok(()));
        match program {
            "xz" => assert!(container == Container::Xz && done.is_err()),
            _ => assert!(done.is_ok() && out == tar, "{program}: {done:?}"),
        }
    }
}
