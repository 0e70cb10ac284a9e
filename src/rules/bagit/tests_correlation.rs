//! One fault, one finding: renamed files, changed line ends, truncated files, files that several manifests list.

use super::tests::Bag;
use super::*;
use crate::model::finding::escape;
use crate::rules::digester::digest_reader;

#[test]
fn what_is_missing_under_one_name_and_there_under_another_is_one_fault() {
    // Listed, there, and what the finding says of it.
    for (listed, there, how) in [
        ("data/B/c", "b/c", "upper and lower case"),
        ("data/x y", "x%20y", "percent-encoded"),
        ("data/x:y", "x%3Ay", "percent-encoded"),
        ("data/x/y", "x\\y", "backslash"),
        ("data/x", "._x", "side files"),
        ("data/x", "x ", "white space"),
        ("data/old/x", "new/x", "moved to another folder"),
        ("data/x", "y", "renamed or moved"),
    ] {
        for version in ["0.93", "0.96", "0.97", "1.0"] {
            let mut bag = Bag::new(version, &[("a", "ay"), (there, "content")]);
            let lines = Bag::line("data/a", "ay") + &Bag::line(listed, "content");
            bag.put("manifest-md5.txt", &lines).sealed("");
            let (verdict, findings) = bag.judge();
            let errors: Vec<&Finding> =
                findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
            assert_eq!((verdict.errors, errors[0].code.as_str()), (1, "COMP-RENAMED"), "{listed} {there}");
            assert!(errors[0].message.contains(how), "{}", errors[0].message);
            assert_eq!((errors[0].path.0.0.as_slice(), errors[0].line), (listed.as_bytes(), Some(2)));
            assert_eq!(errors[0].found, Some(escape(format!("data/{there}").as_bytes())));
        }
    }
    let mut bag = Bag::new("1.0", &[("a", "ay")]);
    bag.0.insert(b"data/\xfc".to_vec(), b"content".to_vec());
    let lines = Bag::line("data/a", "ay") + &Bag::line("data/\u{fc}", "content");
    bag.put("manifest-md5.txt", &lines).sealed("");
    let (_, findings) = bag.judge();
    assert_eq!(bag.codes(), ["!COMP-RENAMED"]);
    assert!(findings.iter().any(|finding| finding.message.contains("ISO-8859-1")));
}

#[test]
fn empty_files_are_no_renamed_ones_unless_their_names_say_so() {
    let mut bag = Bag::new("1.0", &[("x/.keep", ""), ("other", "")]);
    let lines = Bag::line("data/y/.keep", "") + &Bag::line("data/gone", "");
    bag.put("manifest-md5.txt", &lines).sealed("");
    assert_eq!(bag.codes(), ["!COMP-MISSING", "!COMP-UNLISTED", "!COMP-RENAMED"]);
}

#[test]
fn a_renamed_folder_gives_one_finding_a_file_in_any_memory() {
    let names: Vec<String> = (0..3_000).map(|n| format!("new/{n}")).collect();
    // Every content is there a hundred times.
    let texts: Vec<String> = (0..3_000).map(|n| format!("text {}", n % 30)).collect();
    let files: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let mut bag = Bag::new("1.0", &files);
    let lines: String = names
        .iter()
        .zip(&texts)
        .map(|(name, text)| Bag::line(&format!("data/{}", name.replace("new", "old")), text))
        .collect();
    bag.put("manifest-md5.txt", &lines).sealed("");
    let roomy = bag.judge();
    assert_eq!(roomy.0.errors, 3_000);
    for finding in roomy.1.iter().filter(|finding| finding.severity == Severity::Error) {
        assert_eq!(finding.code, "COMP-RENAMED");
        let expected = finding.path.shown().replace("old", "new");
        assert_eq!(finding.found.as_deref(), Some(expected.as_str()), "the same place in the other folder");
    }
    let narrow = Limits { sort_bytes: 40_000, ..Limits::default() };
    assert_eq!(bag.judge_with(&narrow, &Algorithm::OURS).unwrap(), roomy);
}

#[test]
fn a_file_is_told_once_however_many_manifests_list_it() {
    let mut bag = Bag::new("1.0", &[("a", "ay"), ("b", "bee"), ("c", "sea")]);
    let sha1 = |path: &str, text: &str| {
        let (_, digests) = digest_reader(&mut text.as_bytes(), &[Algorithm::Sha1], &mut [0; 9]).unwrap();
        format!("{}  data/{path}\n", digests.get(Algorithm::Sha1).unwrap())
    };
    let both = [("a", "oh"), ("b", "bee"), ("gone", "g"), ("c", "sea")];
    bag.put("manifest-sha1.txt", &both.map(|(path, text)| sha1(path, text)).concat());
    let md5s = [("a", "oh"), ("b", "oh"), ("gone", "g"), ("c", "sea")];
    let lines = md5s.map(|(path, text)| Bag::line(&format!("data/{path}"), text)).concat();
    bag.put("manifest-md5.txt", &lines).sealed("");
    let (_, findings) = bag.judge();
    assert_eq!(bag.codes(), ["!FIX-MISMATCH", "!FIX-MISMATCH", "!COMP-MISSING"]);
    let errors: Vec<&Finding> =
        findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(errors[0].message.contains("Nor does it have the checksum in manifest-sha1.txt (line 1)."));
    assert!(errors[1].message.contains("It has the checksum in manifest-sha1.txt (line 2)."));
    assert!(errors[2].message.contains("manifest-md5.txt (line 3) and manifest-sha1.txt (line 3)"));
}

#[test]
fn line_ends_changed_in_transfer_are_seen() {
    let mut bag = Bag::new("1.0", &[("dos", "a\r\nb\r\n"), ("unix", "a\nb\n"), ("torn", "a\r\nc\r\n")]);
    let names = ["data/dos", "data/unix", "data/torn"].into_iter().zip(["a\nb\n", "a\r\nb\r\n", "a\nb\n"]);
    let lines: String = names.map(|(path, text)| Bag::line(path, text)).collect();
    bag.put("manifest-md5.txt", &lines).put("note.txt", "n\n").sealed("").put("note.txt", "n\r\n");
    let (_, findings) = bag.judge();
    assert_eq!(bag.codes(), ["!FIX-MISMATCH", "!FIX-MISMATCH", "!FIX-MISMATCH", "!TAGM-MISMATCH"]);
    let said = |path: &str| {
        let finding = findings.iter().find(|finding| finding.path.shown() == path).unwrap();
        finding.message.contains("line endings were changed in transfer")
    };
    assert!(said("data/dos") && said("data/unix") && said("note.txt") && !said("data/torn"));
}

#[test]
fn a_payload_shorter_than_its_oxum_makes_a_wrong_file_look_truncated() {
    for (oxum, truncated) in [("5.2", true), ("5.3", false), ("4.2", false), ("3.2", false)] {
        let mut bag = Bag::new("1.0", &[("a", "ay"), ("b", "bee")]);
        bag.listed("").put("data/b", "be").put("bag-info.txt", &format!("Payload-Oxum: {oxum}\n")).sealed("");
        let (_, findings) = bag.judge();
        let finding = findings.iter().find(|finding| finding.code == "FIX-MISMATCH").unwrap();
        assert_eq!(finding.message.contains("looks truncated"), truncated, "{oxum}");
    }
}
