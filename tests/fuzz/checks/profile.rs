//! Profiles: any file is read to a profile or to its faults, and a profile may ask for more than BagIt, never for less.

use super::finding;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use strongroom::model::digest::Algorithm;
use strongroom::model::fact::{BagPath, Member};
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::bagit::policy::Policy;
use strongroom::rules::bagit::profile::{Glob, Profile};
use strongroom::rules::bagit::{BagFacts, judge};
use strongroom::rules::digester::digest_reader;
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::Limits;

pub fn check(data: &[u8]) {
    let profile = Profile::read(data);
    assert_eq!(profile, Profile::read(data));
    let faults = profile.findings();
    faults.iter().for_each(finding::sound);
    assert_eq!(profile.is_sound(), faults.is_empty());
    for fault in &profile.faults {
        assert!(fault.to_string().len() < 12_000, "{fault:?}");
    }
    assert!(!profile.title.contains(char::is_control));
    let sound = profile.is_sound();
    let identifier = profile.identifier.clone();
    let with = Policy { profile: Some(Arc::new(profile)), ..Policy::default() };
    for (named, tags) in
        [("", "Title: x\nAccess: Institution\nAccess: acksess\nEmpty:\n"), (identifier.as_str(), "")]
    {
        if named.contains(char::is_control) {
            continue;
        }
        let files = bag(named, tags);
        let plain = findings(&files, &Policy::default());
        let judged = findings(&files, &with);
        let errors = |findings: &[Finding]| {
            findings.iter().filter(|finding| finding.severity == Severity::Error).count()
        };
        assert!(errors(&judged) >= errors(&plain), "a profile made the judge milder");
        assert!(
            sound || judged.iter().any(|finding| finding.code == "PROF-FILE-INVALID"),
            "a broken profile was applied"
        );
        let mut left: Vec<&str> = judged.iter().map(|finding| finding.code.as_str()).collect();
        for finding in plain.iter().filter(|finding| !finding.code.starts_with("PROF-")) {
            let place = left.iter().position(|code| *code == finding.code);
            left.remove(place.unwrap_or_else(|| panic!("a profile silenced {finding:?}")));
        }
        // It may have tag files read that BagIt alone does not look into.
        let of_its_own = |code: &&str| ["PROF-", "INFO-", "TEXT-"].iter().any(|area| code.starts_with(area));
        assert!(left.iter().all(of_its_own), "a profile made the judge say {left:?}");
    }
    globs(data);
}

fn bag(named: &str, tags: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut put = |path: &str, text: String| files.insert(path.as_bytes().to_vec(), text.into_bytes());
    put("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".into());
    put(
        "bag-info.txt",
        format!("Source-Organization: x\nBagIt-Profile-Identifier: {named}\n{tags}Payload-Oxum: 3.1\n"),
    );
    put("aptrust-info.txt", format!("Title: t\n{tags}Storage-Option: Standard\n"));
    put("data/a", "abc".into());
    put("data/-b\u{fc}", String::new());
    put("custom/notes.txt", "n".into());
    put("manifest-md5.txt", "900150983cd24fb0d6963f7d28e17f72  data/a\n".into());
    files
}

fn findings(files: &BTreeMap<Vec<u8>, Vec<u8>>, policy: &Policy) -> Vec<Finding> {
    let mut members = Vec::new();
    for (path, bytes) in files {
        let (size, digests) = digest_reader(&mut &bytes[..], &[Algorithm::Md5], &mut [0; 256])
            .expect("bytes in memory are read");
        let path = BagPath(path.clone());
        members.push(Member { number: members.len() as u64, path, size, digests, ..Member::default() });
    }
    let facts = BagFacts { name: "bag", top: "bag", payload_folder: true, ..BagFacts::default() };
    let mut findings = Vec::new();
    judge::<Infallible>(
        &facts,
        &mut members.into_iter().map(Ok),
        &|member| Ok(Box::new(&files[&member.path.0][..])),
        &MemoryScratch::default(),
        &Limits::default(),
        policy,
        &mut |finding| {
            finding::sound(&finding);
            findings.push(finding);
            Ok(())
        },
    )
    .unwrap_or_else(|error| panic!("no verdict: {error}"));
    findings
}

/// Patterns match what the plainest table says they match.
fn globs(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(&data[..data.len().min(120)]) else { return };
    let Some((pattern, path)) = text.split_once(['\n', '"']) else { return };
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for byte in pattern {
        let before = reached.clone();
        for at in 0..=path.len() {
            reached[at] = match byte {
                b'*' => before[at] || (at > 0 && reached[at - 1]),
                byte => at > 0 && before[at - 1] && path[at - 1] == *byte,
            };
        }
    }
    let glob = Glob(String::from_utf8_lossy(pattern).into_owned());
    assert_eq!(glob.matches(path), reached[path.len()], "{glob:?} {}", path.escape_ascii());
}
