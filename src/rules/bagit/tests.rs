//! Small bags with one thing wrong, judged.
#![allow(clippy::type_complexity)] // tables of cases

use super::*;
use crate::rules::digester::digest_reader;
use crate::rules::sort::MemoryScratch;
use std::collections::BTreeMap;

/// A bag in memory: path and bytes.
#[derive(Clone)]
pub struct Bag(pub BTreeMap<Vec<u8>, Vec<u8>>);

fn md5(bytes: &[u8]) -> String {
    let (_, digests) = digest_reader(&mut &bytes[..], &[Algorithm::Md5], &mut [0; 99]).unwrap();
    digests.get(Algorithm::Md5).unwrap().to_string()
}

/// What every finding of every test must be.
fn sane(finding: &Finding) {
    assert!(crate::model::code::code(&finding.code).is_some(), "{finding:?}");
    assert!(finding.message.ends_with('.') && finding.advice.ends_with('.'), "{finding:?}");
    assert!(finding.severity < Severity::Error || !finding.clause.is_empty(), "{finding:?}");
    for text in [&finding.message, &finding.advice] {
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")) && !text.contains("/tmp/"), "{finding:?}");
    }
}

impl Bag {
    /// A bag of this version with these payload files (below `data/`) and no manifest yet.
    pub fn new(version: &str, files: &[(&str, &str)]) -> Bag {
        let mut bag = Bag(BTreeMap::new());
        bag.put("bagit.txt", &format!("BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n"));
        for (name, text) in files {
            bag.put(&format!("data/{name}"), text);
        }
        bag
    }

    pub fn put(&mut self, path: &str, text: &str) -> &mut Bag {
        self.0.insert(path.into(), text.into());
        self
    }

    /// A manifest line for bytes that need not be in the bag.
    pub fn line(path: &str, text: &str) -> String {
        format!("{}  {path}\n", md5(text.as_bytes()))
    }

    /// Adds the payload manifest that lists all payload files as they are, and these lines behind them.
    pub fn listed(&mut self, more: &str) -> &mut Bag {
        let mut text = String::new();
        for (path, bytes) in self.0.iter().filter(|(path, _)| path.starts_with(b"data/")) {
            text.push_str(&format!("{}  {}\n", md5(bytes), String::from_utf8_lossy(path)));
        }
        self.put("manifest-md5.txt", &(text + more))
    }

    /// Adds the tag manifest, with these lines behind its own.
    pub fn sealed(&mut self, more: &str) -> &mut Bag {
        let mut text = String::new();
        let is_tag_file = |path: &[u8]| !path.starts_with(b"data/") && !path.starts_with(b"tagmanifest-");
        for (path, bytes) in self.0.iter().filter(|(path, _)| is_tag_file(path)) {
            text.push_str(&format!("{}  {}\n", md5(bytes), String::from_utf8_lossy(path)));
        }
        self.put("tagmanifest-md5.txt", &(text + more))
    }

    fn members(&self, algorithms: &[Algorithm]) -> Vec<Member> {
        let member = |(number, (path, bytes)): (usize, (&Vec<u8>, &Vec<u8>))| Member {
            number: number as u64,
            path: BagPath(path.clone()),
            size: bytes.len() as u64,
            digests: digest_reader(&mut &bytes[..], algorithms, &mut [0; 99]).unwrap().1,
            ..Member::default()
        };
        self.0.iter().enumerate().map(member).collect()
    }

    pub fn judge_with(
        &self,
        limits: &Limits,
        algorithms: &[Algorithm],
    ) -> Result<(Verdict, Vec<Finding>), JudgeError<String>> {
        self.judge_whole(limits, algorithms, &Policy::default())
    }

    /// Judged by this policy.
    pub fn judge_by(&self, policy: &Policy) -> (Verdict, Vec<Finding>) {
        self.judge_whole(&Limits::default(), &Algorithm::OURS, policy).unwrap()
    }

    fn judge_whole(
        &self,
        limits: &Limits,
        algorithms: &[Algorithm],
        policy: &Policy,
    ) -> Result<(Verdict, Vec<Finding>), JudgeError<String>> {
        let mut findings = Vec::new();
        let bag = BagFacts {
            name: "bag",
            top: "bag",
            payload_folder: self.0.keys().any(|path| path.starts_with(b"data/")),
            packed: "",
        };
        let verdict = judge::<String>(
            &bag,
            &mut self.members(algorithms).into_iter().map(Ok),
            &|member| Ok(Box::new(&self.0[&member.path.0][..])),
            &MemoryScratch::default(),
            limits,
            policy,
            &mut |finding| {
                sane(&finding);
                findings.push(finding);
                Ok(())
            },
        )?;
        Ok((verdict, findings))
    }

    pub fn judge(&self) -> (Verdict, Vec<Finding>) {
        self.judge_with(&Limits::default(), &Algorithm::OURS).unwrap()
    }

    /// Codes with `!` for errors and `~` for warnings; notes are left out.
    pub fn codes(&self) -> Vec<String> {
        let weight = |finding: &Finding| match finding.severity {
            Severity::Error => Some(format!("!{}", finding.code)),
            Severity::Warning => Some(format!("~{}", finding.code)),
            Severity::Note => None,
        };
        self.judge().1.iter().filter_map(weight).collect()
    }
}

#[test]
fn a_sound_bag_has_no_fault_in_any_version() {
    for version in Version::ALL {
        let mut bag = Bag::new(version.name(), &[("a", "ay"), ("b/c", "sea")]);
        bag.put(version.info_name(), "Payload-Oxum: 5.2\n").listed("").sealed("");
        assert_eq!(bag.codes(), [""; 0], "{version}");
        let (verdict, _) = bag.judge();
        assert_eq!((verdict.version, verdict.payload_oxum), (Some(version), Some((5, 2))));
        assert_eq!((verdict.payload_bytes, verdict.payload_files), (5, 2));
        assert_eq!(verdict.algorithms, [Algorithm::Md5]);
    }
}

#[test]
fn payload_and_manifest_are_compared_both_ways() {
    let line = Bag::line;
    let table: Vec<(&str, &[(&str, &str)], String, &[&str])> = vec![
        ("missing", &[("a", "ay")], line("data/b", "bee"), &["!COMP-MISSING"]),
        (
            "empty",
            &[],
            line("data/a", "ay"),
            &["!STRUCT-NO-PAYLOAD-DIR", "!COMP-MISSING", "~STRUCT-EMPTY-PAYLOAD"],
        ),
        ("twice", &[("a", "ay")], line("data/a", "ay"), &["!MAN-DUPLICATE"]),
        ("conflict", &[("a", "ay")], line("data/a", "oh"), &["!MAN-CONFLICT"]),
        ("folder", &[("a/b", "ay")], line("data/a", "ay"), &["!MAN-LISTS-DIRECTORY"]),
        ("no folder", &[("a-b", "ay")], line("data/a", "ay"), &["!COMP-MISSING"]),
        ("case alias", &[("a", "ay")], line("data/A", "ay"), &["~PATH-CASE-ALIAS"]),
        ("other case, other digest", &[("a", "ay")], line("data/A", "oh"), &["!COMP-MISSING"]),
        ("case pair", &[("a", "ay"), ("A", "oh")], String::new(), &["~PATH-CASE-PAIR"]),
        ("NFC and NFD", &[("\u{fc}", "ay"), ("u\u{308}", "oh")], String::new(), &["~PATH-NORMALISATION"]),
        ("NFD listed too", &[("\u{fc}", "ay")], line("data/u\u{308}", "ay"), &["~PATH-NORMALISATION"]),
    ];
    for (story, files, more, expected) in table {
        let mut bag = Bag::new("1.0", files);
        bag.listed(&more).sealed("");
        assert_eq!(bag.codes(), expected, "{story}");
    }
}

#[test]
fn what_is_not_listed_or_not_the_same_is_told() {
    let mut bag = Bag::new("1.0", &[("a", "ay"), ("empty", "full"), ("b", "bee")]);
    bag.listed("").put("data/extra", "x").put("data/a", "changed").put("data/empty", "");
    bag.put("bag-info.txt", "Payload-Oxum: 9.3\n").sealed("");
    assert_eq!(bag.codes(), ["!FIX-MISMATCH", "!FIX-EMPTY", "!COMP-UNLISTED", "!OXUM-MISMATCH"]);
    let (verdict, findings) = bag.judge();
    assert_eq!(verdict.errors, 4);
    let mismatch = &findings[0];
    assert_eq!((mismatch.path.shown().as_str(), mismatch.line), ("data/a", Some(1)));
    assert_eq!(mismatch.expected.as_deref(), Some(md5(b"ay").as_str()));
    assert_eq!(mismatch.found.as_deref(), Some(md5(b"changed").as_str()));
}

#[test]
fn a_name_is_matched_by_normalisation_in_both_directions() {
    for (listed, there) in [("data/\u{fc}", "u\u{308}"), ("data/u\u{308}", "\u{fc}")] {
        let mut bag = Bag::new("1.0", &[(there, "ay")]);
        bag.put("manifest-md5.txt", &Bag::line(listed, "ay")).sealed("");
        assert_eq!(bag.codes(), ["~COMP-RENAMED"]);
        let (_, findings) = bag.judge();
        let matched = findings.iter().find(|finding| finding.code == "COMP-RENAMED").unwrap();
        assert!(matched.message.contains("(NFC)") && matched.message.contains("(NFD)"), "{matched:?}");
        bag.put("manifest-md5.txt", &Bag::line(listed, "oh")).sealed("");
        assert_eq!(bag.codes(), ["~PATH-NORMALISATION", "!FIX-MISMATCH"]);
    }
}

#[test]
fn a_file_whose_case_differs_is_an_error_that_names_it() {
    let mut bag = Bag::new("1.0", &[("hello", "ay")]);
    bag.put("manifest-md5.txt", &Bag::line("data/HELLO", "ay")).sealed("");
    let (_, findings) = bag.judge();
    assert_eq!(bag.codes(), ["!COMP-RENAMED"]);
    let renamed = findings.iter().find(|finding| finding.code == "COMP-RENAMED").unwrap();
    assert!(renamed.message.contains("`data/hello`"));
}

#[test]
fn percent_signs_mean_the_decoded_name_first() {
    // Version, names in the bag, name listed, verdict.
    let table: [(&str, &[&str], &str, &[&str]); 9] = [
        ("1.0", &["a%b"], "a%25b", &[]),
        ("1.0", &["a\nb"], "a%0ab", &[]),
        ("0.97", &["a\nb"], "a%0Ab", &[]),
        ("1.0", &["a%25b"], "a%25b", &["~PATH-PERCENT-RAW"]),
        ("1.0", &["a%41"], "a%41", &["~PATH-PERCENT-RAW"]),
        ("0.97", &["a%25b"], "a%25b", &[]),
        ("1.0", &[], "a%25b", &["!COMP-MISSING", "~STRUCT-EMPTY-PAYLOAD"]),
        ("1.0", &["a%b", "a%25b"], "a%25b", &["!COMP-UNLISTED"]),
        ("1.0", &["a%0Ab"], "a%250Ab", &[]),
    ];
    for (version, there, listed, expected) in table {
        let files: Vec<(&str, &str)> = there.iter().map(|name| (*name, "ay")).collect();
        let mut bag = Bag::new(version, &files);
        bag.put("manifest-md5.txt", &Bag::line(&format!("data/{listed}"), "ay")).sealed("");
        let codes: Vec<String> =
            bag.codes().into_iter().filter(|code| code != "!STRUCT-NO-PAYLOAD-DIR").collect();
        assert_eq!(codes, expected, "{version} {there:?} {listed}");
    }
}

#[test]
fn every_payload_file_is_in_every_manifest_by_the_version() {
    for (version, expected) in
        [("0.96", None), ("0.97", Some("~COMP-NOT-IN-ALL")), ("1.0", Some("!COMP-NOT-IN-ALL"))]
    {
        let mut bag = Bag::new(version, &[("a", "ay"), ("b", "bee")]);
        let sha1 = digest_reader(&mut &b"ay"[..], &[Algorithm::Sha1], &mut [0; 9]).unwrap().1;
        bag.listed("").put("manifest-sha1.txt", &format!("{}  data/a\n", sha1.get(Algorithm::Sha1).unwrap()));
        bag.sealed("");
        assert_eq!(bag.codes(), expected.into_iter().collect::<Vec<_>>(), "{version}");
    }
}

#[test]
fn tag_files_are_checked_in_every_version() {
    for (version, omitted) in [("0.93", "~TAGM-OMITS-MANIFEST"), ("1.0", "!TAGM-OMITS-MANIFEST")] {
        let mut bag = Bag::new(version, &[("a", "ay")]);
        bag.listed("").put("notes.txt", "n").sealed(&Bag::line("gone.txt", "g"));
        bag.put("notes.txt", "changed");
        assert_eq!(bag.codes(), ["!TAGM-MISSING-FILE", "!TAGM-MISMATCH"], "{version}");
        bag.put("tagmanifest-md5.txt", &Bag::line("notes.txt", "changed"));
        assert_eq!(bag.codes(), ["~TAGM-OMITS-TAGFILE", omitted], "{version}");
    }
    let mut bag = Bag::new("1.0", &[("a", "ay")]);
    assert_eq!(bag.listed("").codes(), ["~TAGM-NONE"]);
}

#[test]
fn structure_is_told() {
    let mut bag = Bag::new("1.0", &[]);
    assert_eq!(bag.codes(), ["!STRUCT-NO-PAYLOAD-DIR", "!MAN-NONE", "~TAGM-NONE", "~STRUCT-EMPTY-PAYLOAD"]);
    bag.0.remove(&b"bagit.txt"[..]);
    assert_eq!(bag.codes()[0], "!DECL-MISSING");
    let mut bag = Bag::new("0.96", &[("a", "ay")]);
    bag.put("tags/x.txt", "x").listed("").sealed("");
    assert_eq!(bag.codes(), ["~STRUCT-TAG-DIR-096"]);
    let mut bag = Bag::new("1.0", &[("a", "ay")]);
    bag.put("manifest-whirlpool.txt", &format!("{}  data/a\n", "0".repeat(128))).listed("").sealed("");
    assert_eq!(bag.codes(), ["!MAN-ALG-UNSUPPORTED"]);
    let mut bag = Bag::new("1.0", &[]);
    bag.put("data", "no folder").listed("").sealed("");
    assert_eq!(bag.codes(), ["!STRUCT-NO-PAYLOAD-DIR", "~STRUCT-EMPTY-PAYLOAD"]);
    assert!(bag.judge().1[0].message.contains("`data` is a file"));
}

#[test]
fn holes_and_sizes_of_fetch_are_told() {
    let mut bag = Bag::new("1.0", &[("a", "ay")]);
    bag.listed(&Bag::line("data/b", "bee"));
    bag.put("fetch.txt", "https://a.org/a 99 data/a\nhttps://a.org/b - data/b\nhttps://a.org/c 1 data/c\n")
        .sealed("");
    let expected = ["~FETCH-PRESENT", "~FETCH-SIZE", "!FETCH-NOT-IN-MANIFEST", "!FETCH-HOLE"];
    assert_eq!(bag.codes(), expected);
    let (_, findings) = bag.judge();
    assert!(findings.last().is_some_and(|hole| hole.code == "FETCH-HOLE" || hole.code == "OXUM-NONE"));
    assert!(findings.iter().any(|hole| hole.code == "FETCH-HOLE" && hole.message.starts_with("2 files")));
}

#[test]
fn a_file_that_fetch_names_in_another_unicode_form_is_no_hole() {
    let (nfc, nfd) = ("data/caf\u{e9}", "data/cafe\u{301}");
    for (there, listed, fetched) in [(nfd, nfc, nfc), (nfd, nfd, nfc), (nfc, nfd, nfd), (nfc, nfc, nfd)] {
        let mut bag = Bag::new("1.0", &[]);
        bag.put(there, "x").put("manifest-md5.txt", &Bag::line(listed, "x"));
        bag.put("fetch.txt", &format!("https://a.org/x 1 {fetched}\n")).sealed("");
        assert_eq!(bag.judge().0.errors, 0, "{there} {listed} {fetched}: {:?}", bag.codes());
    }
    // Another length is told of the file that is there, and what is not there stays a hole.
    let mut bag = Bag::new("1.0", &[]);
    bag.put(nfd, "x").put("manifest-md5.txt", &(Bag::line(nfc, "x") + &Bag::line("data/b", "b")));
    bag.put("fetch.txt", &format!("https://a.org/x 9 {nfc}\nhttps://a.org/b 1 data/b\n")).sealed("");
    assert_eq!(bag.codes(), ["~FETCH-PRESENT", "~COMP-RENAMED", "~FETCH-SIZE", "!FETCH-HOLE"]);
}

#[test]
fn macos_side_files_are_tolerated_only_when_they_are_what_they_look_like() {
    let mut bag = Bag::new("1.0", &[("a", "ay")]);
    bag.listed("").put("bag-info.txt", "Payload-Oxum: 2.1\n").sealed("");
    bag.put("data/._a", "\0\u{5}\u{16}\u{7}mac");
    assert_eq!(bag.codes(), ["~PATH-SYSTEM-FILE", "~SER-APPLEDOUBLE"]);
    bag.put("data/._a", "a hidden text");
    assert_eq!(bag.codes(), ["~PATH-SYSTEM-FILE", "!COMP-UNLISTED", "!OXUM-MISMATCH"]);
}

#[test]
fn an_oxum_that_counts_folders_is_explained() {
    // What Payload-Oxum says, and how many folders explain it: data, data/b and data/b/c hold payload.
    for (oxum, folders) in [
        ("12293.3", Some(3)),
        ("8197.3", Some(2)),
        ("12293.6", Some(3)),
        ("4101.3", None),
        ("16389.3", None),
        ("12294.3", None),
        ("4.3", None),
    ] {
        let mut bag = Bag::new("0.97", &[("a", "a"), ("b/c/d", "bb"), ("b/e", "cc")]);
        bag.listed("").put("bag-info.txt", &format!("Payload-Oxum: {oxum}\n")).sealed("");
        let (_, findings) = bag.judge();
        let finding = findings.iter().find(|finding| finding.code == "OXUM-MISMATCH").unwrap();
        let said = folders.map(|count| format!("{count} × 4,096, one for each directory"));
        assert_eq!(finding.message.contains("counted directories"), said.is_some(), "{oxum}");
        assert!(said.is_none_or(|said| finding.message.contains(&said)), "{}", finding.message);
        assert_eq!(finding.advice, "Correct Payload-Oxum to 5.3.");
    }
}

#[test]
fn the_name_of_the_tar_is_compared_with_its_folder() {
    let bag = Bag::new("1.0", &[("a", "ay")]);
    let facts = BagFacts { name: "sent", top: "made", payload_folder: true, packed: "" };
    let mut codes = Vec::new();
    let judged = judge::<()>(
        &facts,
        &mut bag.members(&[]).into_iter().map(Ok),
        &|member| Ok(Box::new(&bag.0[&member.path.0][..])),
        &MemoryScratch::default(),
        &Limits::default(),
        &Policy::default(),
        &mut |finding| {
            codes.push(finding.code);
            Ok(())
        },
    );
    assert!(judged.is_ok() && codes.contains(&"SER-NAME-DIFFERS".to_string()));
}

#[test]
fn the_verdict_does_not_depend_on_how_much_memory_sorting_has() {
    let names: Vec<String> = (0..2_000).map(|n| format!("folder {}/file %{n}\u{fc}", n % 7)).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let mut bag = Bag::new("1.0", &files);
    bag.listed(&Bag::line("data/gone", "")).sealed("");
    bag.put("data/extra", "");
    let roomy = bag.judge();
    assert_eq!(roomy.0.errors, 2);
    let narrow = Limits { sort_bytes: 4_000, ..Limits::default() };
    assert_eq!(bag.judge_with(&narrow, &Algorithm::OURS).unwrap(), roomy);
}

#[test]
fn many_spellings_and_endless_depth_are_still_told_one_by_one() {
    let mut bag = Bag::new("1.0", &[("x", "ay")]);
    let mut lines = String::new();
    for n in 0..64u32 {
        let name: String = "abcdef"
            .chars()
            .enumerate()
            .map(|(place, c)| if n >> place & 1 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        lines.push_str(&Bag::line(&format!("data/{name}"), "ay"));
        lines.push_str(&Bag::line(&format!("data/{}", vec!["d"; n as usize * 3 + 1].join("/")), "ay"));
    }
    bag.listed(&lines).sealed("");
    let codes = bag.codes();
    assert_eq!(codes.len(), 128);
    assert!(codes.iter().all(|code| code == "!COMP-MISSING"));
}

#[test]
fn what_is_our_fault_is_an_error_and_no_finding() {
    let mut bag = Bag::new("1.0", &[("a", "ay")]);
    bag.listed("").sealed("");
    let unsummed = bag.judge_with(&Limits::default(), &[Algorithm::Sha256]).unwrap_err();
    assert!(matches!(unsummed, JudgeError::Unsummed { algorithm: Algorithm::Md5, .. }));

    let facts = BagFacts { name: "bag", top: "", payload_folder: true, packed: "" };
    let scratch = MemoryScratch::default();
    let mut members = bag.members(&Algorithm::OURS).into_iter().map(Ok);
    let failed = judge::<&str>(
        &facts,
        &mut members,
        &|_| Err("no disk"),
        &scratch,
        &Limits::default(),
        &Policy::default(),
        &mut |_| Ok(()),
    );
    assert!(matches!(failed, Err(JudgeError::Given("no disk"))));
    let mut members = [Err("no facts")].into_iter();
    let failed = judge::<&str>(
        &facts,
        &mut members,
        &|_| Err("no disk"),
        &scratch,
        &Limits::default(),
        &Policy::default(),
        &mut |_| Ok(()),
    );
    assert!(matches!(failed, Err(JudgeError::Given("no facts"))));
}

proptest::proptest! {
    #[test]
    fn no_tag_file_makes_the_judge_panic(
        texts in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), 5),
        lines in proptest::collection::vec("[0-9a-f]{32} [*]?[./]{0,3}(data|\\PC)/[a-c%0-9/\\\\~ ]{0,6}", 0..8),
    ) {
        let mut bag = Bag::new("1.0", &[("a", "ay"), ("b%25", "bee")]);
        bag.listed(&(lines.join("\n") + "\n")).sealed(&lines.join("\r"));
        let names = ["bag-info.txt", "fetch.txt", "manifest-sha1.txt", "tagmanifest-sha1.txt"];
        for (name, text) in names.iter().zip(&texts) {
            bag.0.insert(name.as_bytes().to_vec(), text.clone());
        }
        bag.judge();
        bag.0.insert(b"bagit.txt".to_vec(), texts[4].clone());
        bag.judge();
    }

    #[test]
    fn a_path_written_as_bagit_wants_is_read_as_it_was(name in "[^/\\x00\\\\~]{1,12}") {
        let path = format!("data/x{name}");
        let written = path.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let listed = paths::read(written.as_bytes(), Version::V1_0).unwrap();
        proptest::prop_assert_eq!(listed.path, path.into_bytes());
    }
}
