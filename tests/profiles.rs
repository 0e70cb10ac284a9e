//! Bags judged by profiles: the corpora of others when they are at hand, and bags made here for every rule.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::convert::Infallible;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom::model::digest::Algorithm;
use strongroom::model::fact::{BagPath, Member};
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::bagit::policy::Policy;
use strongroom::rules::bagit::profile::{Profile, shipped};
use strongroom::rules::bagit::{self, BagFacts};
use strongroom::rules::digester::digest_reader;
use strongroom::rules::read::Slice;
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::{self, FolderEntry, FolderIndex, IndexError, Indexed, Limits};

/// Judges a deposit as the line does: index, digest, judge.
fn judge(path: &Path, policy: &Policy) -> Vec<Finding> {
    if path.is_dir() {
        return judge_folder(path, policy);
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
    judge_members(name, indexed, members, &open, policy)
}

fn judge_folder(root: &Path, policy: &Policy) -> Vec<Finding> {
    let scratch = MemoryScratch::default();
    let limits = Limits::default();
    let mut walk = FolderIndex::new(&limits, &scratch);
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = BagPath(entry.path().strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec());
        if entry.file_type().is_file() {
            let size = entry.metadata().unwrap().len();
            walk.take(path, FolderEntry::File { size, mtime: 0 }).unwrap();
        }
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
    judge_members(root.file_name().unwrap().to_str().unwrap(), indexed, members, &open, policy)
}

fn judge_members<'o>(
    name: &str,
    indexed: Result<Indexed, IndexError<Infallible>>,
    mut members: Vec<Member>,
    open: &dyn Fn(&Member) -> Box<dyn Read + 'o>,
    policy: &Policy,
) -> Vec<Finding> {
    let indexed = match indexed {
        Ok(indexed) => indexed,
        Err(IndexError::Refused(findings)) => return findings,
        Err(other) => panic!("{name}: {other}"),
    };
    let mut algorithms = Algorithm::OURS.to_vec();
    algorithms.extend(members.iter().filter_map(|member| bagit::algorithm_named_by(&member.path)));
    for member in &mut members {
        member.digests = digest_reader(&mut *open(member), &algorithms, &mut [0; 8192]).unwrap().1;
    }
    let facts =
        BagFacts { name, top: &indexed.top, payload_folder: indexed.payload_folder, ..BagFacts::default() };
    let mut findings: Vec<Finding> =
        indexed.findings.into_iter().map(|finding| policy.weigh(finding)).collect();
    bagit::judge::<Infallible>(
        &facts,
        &mut members.into_iter().map(Ok),
        &|member| Ok(open(member)),
        &MemoryScratch::default(),
        &Limits::default(),
        policy,
        &mut |finding| {
            assert!(!finding.message.is_empty() && !finding.advice.is_empty(), "{finding:?}");
            findings.push(finding);
            Ok(())
        },
    )
    .unwrap_or_else(|error| panic!("{name}: {error}"));
    findings
}

/// The verdict in the words of the corpora.
fn class(findings: &[Finding]) -> &'static str {
    match findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Error) => "invalid",
        Some(Severity::Warning) => "warning",
        _ => "valid",
    }
}

fn codes(findings: &[Finding], least: Severity) -> Vec<&str> {
    findings.iter().filter(|finding| finding.severity >= least).map(|finding| finding.code.as_str()).collect()
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

/// Rows of the corpora that name a profile.
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
    text.lines().skip(1).map(row).filter(|row| row.profile != "-").collect()
}

/// Codes of which one must be told for a reason, by the reason's own words.
const REASONS: [(&str, &[&str]); 24] = [
    ("fetch.txt not allowed", &["PROF-FETCH"]),
    ("Title empty", &["PROF-TAG-EMPTY"]),
    ("Access 'Hands Off!'", &["PROF-TAG-VALUE"]),
    ("Access and Storage-Option illegal", &["PROF-TAG-VALUE"]),
    ("names break", &["PROF-NAME-RULE"]),
    ("illegal control", &["PROF-NAME-RULE"]),
    ("aptrust-info.txt missing", &["PROF-TAGFILE-REQUIRED"]),
    ("Access (and Storage-Option) missing", &["PROF-TAG-MISSING"]),
    ("manifest required", &["PROF-MANIFEST-REQUIRED"]),
    ("tar directory must match name", &["SER-NAME-DIFFERS"]),
    ("value not in list", &["PROF-TAG-VALUE"]),
    ("Contact-Phone missing", &["PROF-TAG-MISSING"]),
    ("serialisation required", &["PROF-SERIALIZATION"]),
    ("no BagIt-Profile-Identifier", &["PROF-NOT-DECLARED"]),
    ("identifier names another", &["PROF-NOT-DECLARED"]),
    ("manifest not allowed", &["PROF-MANIFEST-NOT-ALLOWED"]),
    ("the profile is wrong", &["PROF-FILE-INVALID"]),
    ("-Email required", &["PROF-TAG-MISSING"]),
    ("forbids notes.txt", &["PROF-TAGFILE-NOT-ALLOWED"]),
    ("is a tag file", &["PROF-TAGFILE-NOT-ALLOWED"]),
    ("notes.txt not allowed", &["PROF-TAGFILE-NOT-ALLOWED"]),
    ("tagmanifest-sha512 required", &["PROF-MANIFEST-REQUIRED"]),
    ("two tags missing", &["PROF-TAG-MISSING"]),
    ("custom label differs only in case", &["PROF-LABEL-CASE"]),
];

/// Rows that we are sure are wrong: they give what the profile alone says, of bags that other rows call invalid. The
/// specification says: validate the complete bag against the profile, and then against BagIt itself (1.4, workflow, 2).
/// With each, the codes that its profile has to tell.
#[rustfmt::skip]
const DISPUTED: [(&str, &[&str]); 2] = [
    // Its tag manifest lists a folder; and the identifier it declares is the address where the profile was found, not the
    // one that the profile declares (1.4, 1: "will have the same value").
    ("bagit-profiles-validator/fixtures/test-bar", &["PROF-NOT-DECLARED"]),
    // Its tag manifests have other digests than its tag files.
    ("bagit-profiles-validator/fixtures/test-tag-files-allowed/bag", &[]),
];

fn read_profile(path: &Path) -> Arc<Profile> {
    Arc::new(Profile::read(&fs::read(path).unwrap()))
}

#[test]
fn every_row_with_a_profile_gets_its_verdict_for_its_reason() {
    let Some(corpora) = corpora() else { return };
    let bagit = corpora.join("bagit");
    let (mut wrong, mut disputed) = (Vec::new(), 0);
    let rows = rows(&bagit);
    for row in &rows {
        let policy = Policy { profile: Some(read_profile(&bagit.join(&row.profile))), ..Policy::default() };
        let findings = judge(&bagit.join(&row.path), &policy);
        let class = class(&findings);
        if let Some((_, told)) =
            DISPUTED.iter().find(|(path, _)| row.path == *path && row.expected == "valid")
        {
            let mut codes = codes(&findings, Severity::Error);
            codes.retain(|code| code.starts_with("PROF-"));
            assert_eq!((codes, class), (told.to_vec(), "invalid"), "{}", row.path);
            disputed += 1;
            continue;
        }
        // A valid bag of the corpora may deserve a warning that its row does not speak of.
        let agrees = row.expected == class || (row.expected == "valid" && class == "warning");
        let least = if class == "invalid" { Severity::Error } else { Severity::Warning };
        let codes = codes(&findings, least);
        let told =
            format!("{} | {} | {class} | {} | {}", row.path, row.expected, row.reason, codes.join(" "));
        if std::env::var_os("STRONGROOM_VERBOSE").is_some() {
            println!("row: {told}");
            findings.iter().for_each(|finding| {
                println!("  {:?} {} {}", finding.severity, finding.code, finding.message)
            });
        }
        let unpacked = !row.path.ends_with(".zip");
        let reasons = REASONS.iter().filter(|(reason, _)| unpacked && row.reason.contains(reason));
        let lacking: Vec<&str> = reasons
            .filter(|(_, any)| row.expected != "valid" && !any.iter().any(|code| codes.contains(code)))
            .map(|(reason, _)| *reason)
            .collect();
        let known = row.expected == "valid" || REASONS.iter().any(|(reason, _)| row.reason.contains(reason));
        if !agrees || !lacking.is_empty() || !known {
            wrong.push(format!("{told} (no code for: {})", lacking.join("; ")));
        }
    }
    let as_expected = rows.len() - wrong.len() - disputed;
    println!("rows with a profile: {as_expected} of {} as expected, {disputed} disputed", rows.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_shipped_profile_is_sound() {
    for name in shipped::names() {
        let profile = shipped::find(name).unwrap();
        assert!(profile.faults.is_empty() && profile.notes.is_empty(), "{name}: {profile:?}");
    }
}

/// The file of its publisher that says what a shipped profile says.
const ORIGINALS: [(&str, &str); 3] = [
    ("aptrust-2.2", "aptrust-dart-runner/profiles/aptrust-v2.2.json"),
    ("aptrust-2.3", "aptrust-dart-runner/profiles/aptrust-v2.3.json"),
    ("btr-1.0", "btr/btr-bagit-profile.json"),
];

#[test]
fn a_shipped_profile_judges_as_the_file_of_its_publisher_does() {
    let Some(corpora) = corpora() else { return };
    let bagit = corpora.join("bagit");
    let text = fs::read_to_string(bagit.join("EXPECTED.tsv")).unwrap();
    let mut paths: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    paths.dedup();
    for (name, original) in ORIGINALS {
        let ours = Policy { profile: shipped::find(name), ..Policy::default() };
        let theirs = Policy { profile: Some(read_profile(&bagit.join(original))), ..Policy::default() };
        for path in paths.iter().filter(|path| !path.contains("huge")) {
            let path = bagit.join(path);
            let (a, b) = (judge(&path, &ours), judge(&path, &theirs));
            assert_eq!(class(&a), class(&b), "{name}: {}", path.display());
            let codes = |findings: &[Finding]| {
                let mut codes: Vec<String> = findings.iter().map(|finding| finding.code.clone()).collect();
                codes.sort();
                codes.retain(|code| code.starts_with("PROF-") || code == "SER-NAME-DIFFERS");
                codes
            };
            assert_eq!(codes(&a), codes(&b), "{name}: {}", path.display());
        }
    }
}

/// Runs the program; gives exit code, stdout and stderr.
fn strongroom(args: &[&str]) -> (i32, String, String) {
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(args)
        .env_remove("STRONGROOM_DATA")
        .env_remove("STRONGROOM_CONFIG")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
}

#[test]
fn profiles_are_taken_in_and_used_by_name_at_the_command_line() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, file) = (scratch.path().join("data"), scratch.path().join("house rules.json"));
    let (data, file_name) = (data.to_str().unwrap(), file.to_str().unwrap());
    let run = |args: &[&str]| strongroom(&[&["--data", data], args].concat());
    fs::write(&file, shipped::text("btr-1.0").unwrap().replace("BTR 1.0", "House rules")).unwrap();

    let (code, _, told) = run(&["profile", "add", file_name]);
    assert!(code == 2 && told.contains("--name"), "a name with a blank is refused: {told}");
    let (code, out, told) = run(&["profile", "add", file_name, "--name", "house-1"]);
    assert!(code == 0 && out.contains("house-1 is taken in"), "{out}{told}");
    let (code, out, _) = run(&["profile", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, listed["profiles"].as_array().unwrap().len()), (0, 5));
    assert_eq!(listed["profiles"][4]["name"], "house-1");
    let (code, out, _) = run(&["profile", "show", "house-1"]);
    assert!(code == 0 && out.starts_with("House rules") && out.contains("Payload-Oxum: required"), "{out}");
    let (code, out, _) = run(&["profile", "list"]);
    assert!(code == 0 && out.contains("aptrust-2.3") && out.contains("House rules"), "{out}");

    let config = scratch.path().join("strongroom.toml");
    let checked = |name: &str| {
        let text = format!(
            "data = \"{data}\"\ni_accept_copies_on_one_disk = true\n[[depositor]]\nname = \"u\"\nprofile = \"{name}\"\n"
        );
        fs::write(&config, text).unwrap();
        strongroom(&["check-config", config.to_str().unwrap()])
    };
    assert_eq!(checked("house-1").0, 0);
    let (code, _, told) = checked("house-2");
    assert!(code == 78 && told.contains("did you mean house-1?"), "{told}");

    let changed = fs::read_to_string(&file).unwrap().replace("0.97", "0.96");
    fs::write(Path::new(data).join("profiles/house-1.json"), changed).unwrap();
    let (code, _, told) = run(&["profile", "show", "house-1"]);
    assert!(code == 5 && told.contains("was changed since it was taken in"), "{told}");
    assert_eq!((checked("house-1").0, run(&["profile", "list"]).0), (78, 1));
    assert_eq!(run(&["profile", "remove", "house-1"]).0, 0);
    assert_eq!(run(&["profile", "show", "house-1"]).0, 4);

    fs::write(&file, "{\n\"Bag-Info\": [],\n\"Accept-BagIt-Version\": [1.0]}").unwrap();
    let (code, out, _) = run(&["profile", "check", file_name]);
    assert!(code == 1 && out.contains("line 3, Accept-BagIt-Version[0]: 1.0 is a number"), "{out}");
    let (code, out, _) = run(&["profile", "check", file_name, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let lines: Vec<Option<u64>> =
        told["faults"].as_array().unwrap().iter().map(|fault| fault["line"].as_u64()).collect();
    assert_eq!((code, &told["ok"], lines), (1, &false.into(), vec![None, Some(2), Some(3)]));
    let (code, _, told) = run(&["profile", "add", file_name, "--name", "x"]);
    assert!(code == 5 && told.contains("wrong in itself"), "{told}");
}
