//! Bags with known verdicts: our own fixtures, and the corpora of others when they are at hand.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use strongroom::model::digest::Algorithm;
use strongroom::model::fact::{BagPath, Member};
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::bagit::{self, BagFacts};
use strongroom::rules::digester::digest_reader;
use strongroom::rules::read::{ReadAt, Slice};
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
    judge_tar(&tar, name)
}

fn judge_tar(tar: &Vec<u8>, name: &str) -> Judged {
    let scratch = MemoryScratch::default();
    let mut members = Vec::new();
    let indexed = tar::index::<Infallible>(tar, &Limits::default(), &scratch, &mut |member| {
        members.push(member);
        Ok(())
    });
    let open = |member: &Member| Box::new(Slice::new(tar, member.offset, member.size)) as Box<dyn Read + '_>;
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
    let facts = BagFacts { name, top: &indexed.top, payload_folder: indexed.payload_folder };
    let mut findings = indexed.findings;
    let verdict = bagit::judge::<Infallible>(
        &facts,
        &mut members.into_iter().map(Ok),
        &|member| Ok(open(member)),
        &MemoryScratch::default(),
        &Limits::default(),
        &mut |finding| {
            assert!(!finding.message.is_empty() && !finding.advice.is_empty(), "{finding:?}");
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

#[test]
fn the_corpora_get_their_verdicts() {
    let Some(corpora) = corpora() else { return };
    let bagit = corpora.join("bagit");
    let mut by_corpus: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut differ = Vec::new();
    for row in rows(&bagit).iter().filter(|row| row.profile == "-") {
        let judged = judge(&bagit.join(&row.path));
        let corpus = row.path.split('/').next().unwrap().to_string();
        let count = by_corpus.entry(corpus).or_default();
        count.1 += 1;
        let agrees = judged.class == row.expected;
        count.0 += u32::from(agrees);
        let least = if judged.class == "invalid" { Severity::Error } else { Severity::Warning };
        let mut codes = judged.codes(least);
        codes.dedup();
        codes.truncate(6);
        let told = format!(
            "{} | {} | {} | {} | {}",
            row.path,
            row.expected,
            judged.class,
            row.reason,
            codes.join(" ")
        );
        if std::env::var_os("STRONGROOM_VERBOSE").is_some() {
            println!("row: {told}");
        }
        if !agrees {
            differ.push(told);
        }
    }
    for (corpus, (agree, total)) in &by_corpus {
        println!("{corpus}: {agree}/{total}");
    }
    let agree: u32 = by_corpus.values().map(|count| count.0).sum();
    let total: u32 = by_corpus.values().map(|count| count.1).sum();
    println!("agree: {agree}/{total}");
    for told in &differ {
        println!("differs: {told}");
    }
    assert!(agree >= 1, "agree: {agree}/{total}");
}
