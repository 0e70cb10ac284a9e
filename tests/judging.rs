//! Bags with known verdicts: our own fixtures, and the corpora of others when they are at hand.
#![allow(clippy::unwrap_used)] // helpers of tests

#[path = "judging/reasons.rs"]
mod reasons;

use reasons::{MORE_FAULTS, OURS, PACKED, REASONS, WARNED};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use strongroom::model::digest::Algorithm;
use strongroom::model::fact::{BagPath, Member};
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::bagit::make::{self, Damage, Plan, TarWriter};
use strongroom::rules::bagit::policy::Policy;
use strongroom::rules::bagit::{self, BagFacts};
use strongroom::rules::digester::digest_reader;
use strongroom::rules::read::Slice;
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::{self, FolderEntry, FolderIndex, IndexError, Indexed, Limits};

/// The verdict a bag got, in the words of the corpora.
#[derive(Debug)]
struct Judged {
    class: &'static str,
    findings: Vec<Finding>,
}

impl Judged {
    fn of(findings: Vec<Finding>) -> Judged {
        for finding in &findings {
            assert!(finding.message.ends_with('.') && !finding.advice.is_empty(), "{finding:?}");
            // What a tar may hold is our own rule, not a clause of BagIt's.
            let needs_clause = finding.severity == Severity::Error && !finding.code.starts_with("SER-");
            assert!(!needs_clause || !finding.clause.is_empty(), "{finding:?}");
            let root = env!("CARGO_MANIFEST_DIR");
            assert!(!finding.message.contains(root) && !finding.advice.contains(root), "{finding:?}");
        }
        let worst = findings.iter().map(|finding| finding.severity).max();
        let class = match worst {
            Some(Severity::Error) => "invalid",
            Some(Severity::Warning) => "warning",
            _ => "valid",
        };
        Judged { class, findings }
    }

    fn codes(&self, at_least: Severity) -> Vec<&str> {
        let weighty = self.findings.iter().filter(|finding| finding.severity >= at_least);
        weighty.map(|finding| finding.code.as_str()).collect()
    }
}

/// Judges a deposit as the line does: index, digest, judge.
fn judge(path: &Path) -> Judged {
    if path.is_dir() {
        return judge_folder(path);
    }
    let tar = fs::read(path).unwrap();
    let name = path.file_stem().unwrap().to_str().unwrap();
    let scratch = MemoryScratch::default();
    let mut members = Vec::new();
    let indexed = tar::index::<Infallible>(&tar, &Limits::default(), &scratch, &mut |member| {
        members.push(member);
        Ok(())
    });
    let open = |member: &Member| Box::new(Slice::new(&tar, member.offset, member.size)) as Box<dyn Read + '_>;
    judge_members(name, indexed, members, &open)
}

fn judge_folder(root: &Path) -> Judged {
    let scratch = MemoryScratch::default();
    let limits = Limits::default();
    let mut walk = FolderIndex::new(&limits, &scratch);
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = BagPath(entry.path().strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec());
        let what = if entry.file_type().is_file() {
            FolderEntry::File { size: entry.metadata().unwrap().len(), mtime: 0 }
        } else if !entry.file_type().is_dir() {
            FolderEntry::Special
        } else if fs::read_dir(entry.path()).unwrap().next().is_none() {
            FolderEntry::EmptyFolder
        } else {
            continue;
        };
        walk.take(path, what).unwrap();
    }
    let mut members = Vec::new();
    let indexed = walk.finish::<Infallible>(&mut |member| {
        members.push(member);
        Ok(())
    });
    let open = |member: &Member| {
        let path = root.join(std::ffi::OsStr::from_bytes(&member.path.0));
        Box::new(fs::File::open(path).unwrap()) as Box<dyn Read>
    };
    judge_members(root.file_name().unwrap().to_str().unwrap(), indexed, members, &open)
}

fn judge_members<'o>(
    name: &str,
    indexed: Result<Indexed, IndexError<Infallible>>,
    mut members: Vec<Member>,
    open: &dyn Fn(&Member) -> Box<dyn Read + 'o>,
) -> Judged {
    let indexed = match indexed {
        Ok(indexed) => indexed,
        Err(IndexError::Refused(findings)) => return Judged::of(findings),
        Err(other) => panic!("{name}: {other}"),
    };
    let mut algorithms = Algorithm::OURS.to_vec();
    algorithms.extend(members.iter().filter_map(|member| bagit::algorithm_named_by(&member.path)));
    for member in &mut members {
        let (size, digests) = digest_reader(&mut *open(member), &algorithms, &mut [0; 8192]).unwrap();
        assert_eq!(size, member.size);
        member.digests = digests;
    }
    let facts = BagFacts { name, top: &indexed.top, payload_folder: indexed.payload_folder, packed: "" };
    let mut findings = indexed.findings;
    let verdict = bagit::judge::<Infallible>(
        &facts,
        &mut members.into_iter().map(Ok),
        &|member| Ok(open(member)),
        &MemoryScratch::default(),
        &Limits::default(),
        &Policy::default(),
        &mut |finding| {
            findings.push(finding);
            Ok(())
        },
    );
    let verdict = verdict.unwrap_or_else(|error| panic!("{name}: {error}"));
    let judged = Judged::of(findings);
    assert!(verdict.errors == 0 || judged.class == "invalid");
    judged
}

/// The corpora of others, when they are at hand.
fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let place = std::env::var_os("STRONGROOM_CORPORA").map_or(beside, PathBuf::from);
    if place.join("bagit/EXPECTED.tsv").is_file() {
        return Some(place);
    }
    println!("skipped: no corpora at STRONGROOM_CORPORA or {}", place.display());
    None
}

struct Row {
    path: String,
    expected: String,
    reason: String,
    profile: String,
}

fn rows(bagit: &Path) -> Vec<Row> {
    let text = fs::read_to_string(bagit.join("EXPECTED.tsv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        Row {
            path: fields[0].into(),
            expected: fields[1].into(),
            reason: fields[3].into(),
            profile: fields[6].into(),
        }
    };
    text.lines().skip(1).map(row).collect()
}

/// What a row must be, and whether it is.
fn differs(row: &Row, judged: &Judged) -> Option<String> {
    let codes =
        |at_least| -> BTreeSet<String> { judged.codes(at_least).into_iter().map(str::to_string).collect() };
    let (class, errors, warnings) = (judged.class, codes(Severity::Error), codes(Severity::Warning));
    let wrong = |why: &str| Some(format!("{} ({}): {why}; {class}, {warnings:?}", row.path, row.reason));
    if let Some((_, expected, code)) = OURS.iter().find(|ours| ours.0 == row.path) {
        return if class == *expected && errors.contains(*code) { None } else { wrong("not as we judge it") };
    }
    if PACKED.iter().any(|ending| row.path.ends_with(ending)) {
        return if errors.iter().eq(["SER-COMPRESSED"]) { None } else { wrong("not refused as compressed") };
    }
    if let Some((_, expected)) = WARNED.iter().find(|warned| warned.0 == row.path) {
        let same = class == "warning" && warnings.iter().eq(expected.iter());
        return if same { None } else { wrong("not warned about as it should be") };
    }
    if class != row.expected {
        return wrong(&format!("not {}", row.expected));
    }
    if class != "invalid" || row.path.starts_with("synthetic-tar/bad-") {
        return None;
    }
    let meant: Vec<_> = REASONS.iter().filter(|(words, _)| row.reason.contains(words)).collect();
    if meant.is_empty() {
        return wrong("no code is known for this reason");
    }
    if let Some((words, _)) = meant.iter().find(|(_, codes)| !codes.iter().any(|code| errors.contains(*code)))
    {
        return wrong(&format!("{words:?} is not among the errors"));
    }
    let first = judged.codes(Severity::Error)[0];
    let named = meant.iter().any(|(_, codes)| codes.contains(&first));
    if named || MORE_FAULTS.contains(&row.path.as_str()) {
        None
    } else {
        wrong(&format!("{first} comes first"))
    }
}

#[test]
fn the_corpora_get_their_verdicts_for_the_stated_reasons() {
    let Some(corpora) = corpora() else { return };
    let bagit = corpora.join("bagit");
    let rows: Vec<Row> = rows(&bagit).into_iter().filter(|row| row.profile == "-").collect();
    let mut wrong = Vec::new();
    for row in &rows {
        let judged = judge(&bagit.join(&row.path));
        if std::env::var_os("STRONGROOM_VERBOSE").is_some() {
            println!(
                "row: {} | {} | {} | {} | {}",
                row.path,
                row.expected,
                judged.class,
                row.reason,
                judged.codes(Severity::Warning).join(" ")
            );
        }
        wrong.extend(differs(row, &judged));
    }
    println!(
        "agree: {}/{}, {} as we are sure they must be",
        rows.len() - wrong.len(),
        rows.len(),
        OURS.len()
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Hostile tars and the code each must be refused with.
#[rustfmt::skip]
const REFUSED: [(&str, &str); 31] = [
    ("bad-absolute", "SER-PATH-ESCAPES"),
    ("bad-block-device", "SER-SPECIAL-FILE"),
    ("bad-char-device", "SER-SPECIAL-FILE"),
    ("bad-concatenated", "SER-HIDDEN-MEMBERS"),
    ("bad-dotdot", "SER-PATH-ESCAPES"),
    ("bad-double-slash", "SER-PATH-ESCAPES"),
    ("bad-empty-name", "SER-PATH-ESCAPES"),
    ("bad-gnu-sparse", "SER-SPARSE"),
    ("bad-hardlink-internal", "SER-LINK"),
    ("bad-multivolume", "SER-SPECIAL-FILE"),
    ("bad-no-top-dir", "SER-NO-BASE-DIR"),
    ("bad-pax-dotdot", "SER-PATH-ESCAPES"),
    ("bad-pax-header-huge", "SER-EXT-HEADER"),
    ("bad-pax-malformed-length", "SER-EXT-HEADER"),
    ("bad-pax-negative-size", "SER-EXT-HEADER"),
    ("bad-pax-nul", "SER-EXT-HEADER"),
    ("bad-pax-sparse-1.0", "SER-SPARSE"),
    ("bad-pax-then-longname", "SER-EXT-HEADER"),
    ("bad-size-huge", "SER-TRUNCATED"),
    ("bad-size-not-octal", "SER-HEADER-DAMAGED"),
    ("bad-symlink-dir-chmod", "SER-LINK"),
    ("bad-symlink-dir-then-write", "SER-LINK"),
    ("bad-symlink-internal", "SER-LINK"),
    ("bad-symlink-over-file", "SER-LINK"),
    ("bad-symlink-rel-escape", "SER-LINK"),
    ("bad-symlink-replaced-dir", "SER-LINK"),
    ("bad-top-level-file", "SER-STRAY-TOP-LEVEL"),
    ("bad-trailing-slash-file", "SER-HEADER-DAMAGED"),
    ("bad-truncated-header", "SER-TRUNCATED"),
    ("bad-unknown-type", "SER-SPECIAL-FILE"),
    ("bad-windows-path", "SER-PATH-ESCAPES"),
];

#[test]
fn every_hostile_tar_is_refused_for_its_reason_and_gives_no_member() {
    let Some(corpora) = corpora() else { return };
    let folder = corpora.join("bagit/synthetic-tar");
    for (name, code) in REFUSED {
        let tar =
            fs::read(folder.join(name).with_extension(if name.ends_with(".0") { "0.tar" } else { "tar" }))
                .unwrap();
        let scratch = MemoryScratch::default();
        let indexed = tar::index::<Infallible>(&tar, &Limits::default(), &scratch, &mut |member| {
            panic!("{name} gave {member:?}")
        });
        let Err(IndexError::Refused(findings)) = indexed else { panic!("{name} was not refused") };
        let first = findings.iter().find(|finding| finding.severity == Severity::Error).unwrap();
        assert_eq!(first.code, code, "{name}: {}", first.message);
    }
}

/// Our own fixtures: file, verdict, and the errors it must have, in their order.
#[rustfmt::skip]
const FIXTURES: [(&str, &str, &[&str]); 9] = [
    ("good/photos_1923.tar", "valid", &[]),
    ("good/letters.tar", "valid", &[]),
    ("good/folder_bag", "valid", &[]),
    ("bad/manifest_digest_mismatch.tar", "invalid", &["FIX-MISMATCH"]),
    ("bad/payload_file_missing.tar", "invalid", &["COMP-MISSING", "OXUM-MISMATCH"]),
    ("bad/many_faults.tar", "invalid", &["TAGM-MISMATCH", "FIX-MISMATCH", "COMP-MISSING", "COMP-UNLISTED", "OXUM-MISMATCH"]),
    ("hostile/path_escapes.tar", "invalid", &["SER-PATH-ESCAPES"]),
    ("hostile/symlink.tar", "invalid", &["SER-LINK"]),
    ("hostile/truncated.tar", "invalid", &["SER-TRUNCATED"]),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[test]
fn every_fixture_gets_its_verdict() {
    for (name, class, errors) in FIXTURES {
        let judged = judge(&fixtures().join(name));
        assert_eq!((judged.class, judged.codes(Severity::Error)), (class, errors.to_vec()), "{name}");
    }
}

/// Payload of the fixtures: the same bytes everywhere and for ever.
fn noise(seed: u32, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..size).map(|_| step()).collect()
}

type Files = Vec<(&'static str, Vec<u8>)>;

fn photos() -> Files {
    vec![
        ("album 1/harbour.tif", noise(1, 6_000)),
        ("album 1/harbour at night.tif", noise(2, 4_100)),
        ("album 2/market.tif", noise(3, 5_000)),
        ("album 2/empty sleeve.txt", Vec::new()),
        (
            "captions.csv",
            b"file,caption\nharbour.tif,The old harbour in 1923\nmarket.tif,Market day\n".to_vec(),
        ),
    ]
}

fn letters() -> Files {
    vec![
        ("1891-03-02 an Käthe.txt", "Liebe Käthe,\nwir sind gut angekommen.\n".into()),
        ("1891-03-02 an Käthe (100% copy).txt", "Liebe Käthe,\nwir sind gut angekommen.\n".into()),
        ("drafts/unsent.txt", b"Dear Sir,\r\n".to_vec()),
        ("scans/page 1.png", noise(4, 3_000)),
    ]
}

fn sources(files: Files) -> impl Iterator<Item = make::Source<'static>> {
    files.into_iter().map(|(name, bytes)| {
        let size = bytes.len() as u64;
        (name.to_string(), size, Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read>)
    })
}

fn tar_bag(name: &str, files: Files, plan: &Plan) -> Vec<u8> {
    let mut out = Vec::new();
    make::tar_bag(&mut out, name, &mut sources(files), plan, &MemoryScratch::default()).unwrap();
    out
}

fn damaged(damage: &[Damage]) -> Plan {
    Plan { algorithms: vec![Algorithm::Sha512], damage: damage.to_vec(), ..Plan::default() }
}

/// Every fixture that is a file, made anew.
fn made() -> Vec<(&'static str, Vec<u8>)> {
    let two = Plan { algorithms: vec![Algorithm::Sha256, Algorithm::Sha512], ..Plan::default() };
    let old = Plan {
        algorithms: vec![Algorithm::Md5],
        tag_algorithms: vec![Algorithm::Md5, Algorithm::Sha256],
        ..Plan::default()
    };
    let market = || "data/album 2/market.tif".to_string();
    let captions = || "data/captions.csv".to_string();
    let mut hostile = Vec::new();
    let mut tar = TarWriter::new(&mut hostile, 0);
    tar.folder("path_escapes/").unwrap();
    tar.file("path_escapes/data/../../../etc/cron.d/owned", 4, &mut &b"owned"[..4]).unwrap();
    tar.finish().unwrap();
    let mut linked = Vec::new();
    let mut tar = TarWriter::new(&mut linked, 0);
    tar.folder("symlink/").unwrap();
    tar.file("symlink/data/a.txt", 2, &mut &b"a\n"[..]).unwrap();
    tar.symlink("symlink/data/latest", "../../..").unwrap();
    tar.finish().unwrap();
    let mut cut = tar_bag("truncated", photos(), &two);
    cut.truncate(9_000);
    let many = [
        Damage::WrongDigest(market()),
        Damage::Missing("data/album 1/harbour.tif".into()),
        Damage::Unlisted(captions()),
        Damage::WrongDigest("bag-info.txt".into()),
        Damage::WrongOxum,
    ];
    vec![
        ("good/photos_1923.tar", tar_bag("photos_1923", photos(), &two)),
        ("good/letters.tar", tar_bag("letters", letters(), &old)),
        (
            "bad/manifest_digest_mismatch.tar",
            tar_bag("manifest_digest_mismatch", photos(), &damaged(&[Damage::WrongDigest(market())])),
        ),
        (
            "bad/payload_file_missing.tar",
            tar_bag("payload_file_missing", photos(), &damaged(&[Damage::Missing(captions())])),
        ),
        ("bad/many_faults.tar", tar_bag("many_faults", photos(), &damaged(&many))),
        ("hostile/path_escapes.tar", hostile),
        ("hostile/symlink.tar", linked),
        ("hostile/truncated.tar", cut),
    ]
}

/// The folder bag's files, made anew.
fn made_folder() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut place = |path: &str, _: u64, read: &mut dyn Read| {
        let mut bytes = Vec::new();
        read.read_to_end(&mut bytes)?;
        files.insert(format!("good/folder_bag/{path}"), bytes);
        Ok(())
    };
    make::bag(&mut place, &mut sources(letters()), &Plan::default(), &MemoryScratch::default()).unwrap();
    files
}

/// With STRONGROOM_REMAKE set, writes the fixtures instead of comparing them.
#[test]
fn the_fixtures_are_what_the_builder_makes() {
    let files = made().into_iter().map(|(name, bytes)| (name.to_string(), bytes)).chain(made_folder());
    let mut total = 0;
    for (name, bytes) in files {
        let path = fixtures().join(&name);
        if std::env::var_os("STRONGROOM_REMAKE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(fs::read(&path).unwrap() == bytes, "{name} is not what the builder makes");
        assert!(bytes.len() < 40 << 10, "{name} has {} bytes", bytes.len());
        total += bytes.len();
    }
    assert!(total < 300 << 10, "{total} bytes in all");
}

#[test]
fn judging_a_folder_changes_nothing_in_it() {
    let listing = |root: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().is_file());
        files.map(|entry| (entry.path().to_path_buf(), fs::read(entry.path()).unwrap())).collect()
    };
    let root = fixtures().join("good/folder_bag");
    let before = listing(&root);
    judge(&root);
    assert!(before == listing(&root));
}
