//! Tests of freezing and reading back.

use super::*;
use crate::rules::ocfl::restore::restore_steps;
use crate::rules::sort::MemoryScratch;
use sha2::Sha256;

const OBJECT: &str = "strongroom:uva.edu/bag";

fn file(path: &str, content: &str, number: u64) -> Logical {
    Logical {
        path: path.into(),
        size: content.len() as u64,
        sha256: hex(&Sha256::digest(content)),
        sha512: hex(&Sha512::digest(content)),
        source: Source::Member { number, offset: 10_000 - number * 512 },
    }
}

struct Planned {
    json: Vec<u8>,
    unchanged: bool,
    counts: (u64, u64, u64, u64),
    steps: Vec<CopyStep>,
}

fn plan(version: u32, files: &[Logical], base: Option<&Vec<u8>>) -> Result<Planned, PlanError> {
    let object = ObjectId(OBJECT.into());
    let new = NewVersion {
        object: &object,
        version,
        created: "2025-11-22T10:15:00Z".parse().unwrap(),
        message: "a \"bag\"",
        user_name: "n",
        user_address: "mailto:a@b",
    };
    let scratch = MemoryScratch::default();
    let mut json = Vec::new();
    let files = files.iter().cloned().map(Ok);
    let frozen = freeze(&new, files, base.map(|json| json as &dyn ReadAt), &scratch, &mut json)?;
    if !frozen.unchanged {
        assert_eq!(frozen.inventory_sha512, hex(&Sha512::digest(&json)));
        assert_eq!(frozen.inventory_bytes, json.len() as u64);
    }
    let counts = (frozen.files, frozen.bytes, frozen.copy_files, frozen.copy_bytes);
    let steps = frozen.steps.map(Result::unwrap).collect();
    Ok(Planned { json, unchanged: frozen.unchanged, counts, steps })
}

fn content_paths(planned: &Planned) -> Vec<&str> {
    planned.steps.iter().map(|step| step.content_path.as_str()).collect()
}

fn restored(json: &dyn ReadAt, version: Option<u32>) -> Vec<(String, String, String)> {
    let scratch = MemoryScratch::default();
    let (_, steps) = restore_steps(json, version, &scratch).unwrap();
    steps.map(|step| step.map(|s| (s.logical_path, s.content_path, s.sha512)).unwrap()).collect()
}

#[test]
fn a_new_object_copies_each_digest_once_in_the_order_of_the_deposit() {
    let mut files =
        vec![file("bag/data/b", "same", 1), file("bag/data/a", "same", 2), file("bag/bagit.txt", "decl", 3)];
    files.push(Logical { source: Source::Inline(0), ..file("metadata/strongroom.json", "{}", 9) });
    let first = plan(1, &files, None).unwrap();
    assert_eq!(
        content_paths(&first),
        ["v1/content/bag/bagit.txt", "v1/content/bag/data/a", "v1/content/metadata/strongroom.json"]
    );
    assert_eq!(first.counts, (3, 12, 3, 10));
    files.reverse();
    let again = plan(1, &files, None).unwrap();
    assert_eq!(again.json, first.json);
    assert_eq!(again.steps, first.steps);
    let back = restored(&first.json, None);
    assert_eq!(back.len(), 4);
    assert_eq!(back[1].0, "bag/data/a");
    assert_eq!(back[2], ("bag/data/b".into(), "v1/content/bag/data/a".into(), files[2].sha512.clone()));
}

#[test]
fn a_new_version_copies_only_what_no_version_holds_and_keeps_older_blocks() {
    let one = [file("bag/data/a", "one", 0), file("bag/data/b", "two", 1), file("metadata/m", "m1", 2)];
    let first = plan(1, &one, None).unwrap();
    let two = [file("bag/data/a", "new", 0), file("metadata/m", "m2", 1)];
    let second = plan(2, &two, Some(&first.json)).unwrap();
    assert_eq!(content_paths(&second), ["v2/content/metadata/m", "v2/content/bag/data/a"]);
    // Reinstated content of version 1 is referred to, not copied again.
    let three = [file("bag/data/c", "two", 0), file("bag/data/a", "new", 1), file("metadata/m", "m3", 2)];
    let third = plan(3, &three, Some(&second.json)).unwrap();
    assert_eq!(content_paths(&third), ["v3/content/metadata/m"]);
    let text = String::from_utf8(third.json.clone()).unwrap();
    let older = String::from_utf8(second.json.clone()).unwrap();
    let blocks = older.split_once("\"versions\":{").unwrap().1.trim_end().trim_end_matches("}}");
    assert!(text.contains(blocks), "version blocks of the base are carried on as they are");
    assert_eq!(restored(&third.json, Some(1)).len(), 3);
    assert_eq!(restored(&third.json, Some(2))[0].1, "v2/content/bag/data/a");
    assert_eq!(restored(&third.json, None)[1].1, "v1/content/bag/data/b");
    let scratch = MemoryScratch::default();
    assert!(restore_steps(&third.json, Some(4), &scratch).is_err());
}

#[test]
fn the_same_bag_makes_no_version_whatever_our_metadata_says() {
    let one = [file("bag/data/a", "one", 0), file("bag/data/b", "two", 1), file("metadata/m", "m1", 2)];
    let first = plan(1, &one, None).unwrap();
    let same = [file("metadata/m", "m2", 0), file("bag/data/b", "two", 1), file("bag/data/a", "one", 2)];
    let second = plan(2, &same, Some(&first.json)).unwrap();
    assert!(second.unchanged && second.json.is_empty() && second.steps.is_empty());
    assert_eq!(second.counts, (2, 6, 0, 0));
    for (files, why) in [
        (vec![file("bag/data/a", "one", 0)], "a file is gone"),
        (vec![file("bag/data/a", "one", 0), file("bag/data/b", "other", 1)], "a file is other"),
        (vec![file("bag/data/a", "one", 0), file("bag/data/B", "two", 1)], "a file is renamed"),
        ([&one[..], &[file("bag/data/z", "two", 3)]].concat(), "a file is more"),
    ] {
        assert!(!plan(2, &files, Some(&first.json)).unwrap().unchanged, "{why}");
    }
}

#[test]
fn paths_that_some_file_systems_would_join_are_stored_apart() {
    let files = [
        file("bag/data/A", "1", 0),
        file("bag/data/a", "2", 1),
        file("bag/data/Dir/x", "3", 2),
        file("bag/data/dir/y", "4", 3),
        file("bag/data/F", "5", 4),
        file("bag/data/f/x", "6", 5),
        file("bag/data/cafe\u{301}", "7", 6),
        file("bag/data/café", "8", 7),
        file("bag/data/ends.", "9", 8),
        file("bag/data/plain", "10", 9),
    ];
    let planned = plan(1, &files, None).unwrap();
    let back = restored(&planned.json, None);
    assert_eq!(back.len(), files.len());
    let mut folded: Vec<Vec<u8>> = back.iter().map(|row| layout::fold(&row.1)).collect();
    folded.sort();
    folded.dedup();
    assert_eq!(folded.len(), files.len());
    let mapped: Vec<&str> =
        back.iter().filter(|row| row.1.contains("/.mapped/")).map(|row| row.0.as_str()).collect();
    assert_eq!(mapped, ["bag/data/a", "bag/data/café", "bag/data/dir/y", "bag/data/ends.", "bag/data/f/x"]);
    for row in &back {
        let wanted = files.iter().find(|file| file.path == row.0).unwrap();
        assert_eq!(row.2, wanted.sha512);
    }
}

#[test]
fn paths_that_no_object_may_have_are_refused() {
    for paths in [
        vec!["bag/a", "bag/a"],
        vec!["bag/a", "bag/a/b"],
        vec!["bag/a/b/c", "bag/a b", "bag/a"],
        vec!["bag/A", "bag/a", "bag/a/x/y"],
        vec!["bag/../x"],
        vec!["bag/./x"],
        vec!["bag//x"],
        vec!["/bag"],
        vec!["bag/"],
        vec!["bag/a\0b"],
    ] {
        let files: Vec<Logical> = paths.iter().enumerate().map(|(n, p)| file(p, p, n as u64)).collect();
        assert!(matches!(plan(1, &files, None), Err(PlanError::Path { .. })), "{paths:?}");
    }
    assert!(plan(1, &[file("bag/A", "1", 0), file("bag/a/b", "2", 1)], None).is_ok());
}

#[test]
fn a_base_that_is_not_the_version_before_is_refused() {
    let first = plan(1, &[file("bag/a", "1", 0)], None).unwrap();
    for (version, base) in [(3, Some(&first.json)), (1, Some(&first.json)), (2, None)] {
        assert!(matches!(plan(version, &[file("bag/a", "2", 0)], base), Err(PlanError::Base(_))));
    }
    let other = String::from_utf8(first.json.clone()).unwrap().replace(OBJECT, "strongroom:other/bag");
    let refused = plan(2, &[file("bag/a", "2", 0)], Some(&other.into_bytes()));
    assert!(matches!(refused, Err(PlanError::Base(_))));
}

#[test]
fn an_empty_bag_folder_still_makes_a_sound_inventory() {
    let planned = plan(1, &[], None).unwrap();
    let summary = inventory::walk(&planned.json[..], &mut |_| Ok(())).unwrap();
    assert_eq!((summary.head, summary.rows), (1, 0));
    let second = plan(2, &[file("bag/a", "1", 0)], Some(&planned.json)).unwrap();
    assert_eq!(content_paths(&second), ["v2/content/bag/a"]);
}

#[test]
fn rows_over_all_versions_have_a_limit_that_the_first_version_has_not() {
    let object = ObjectId(OBJECT.into());
    let scratch = MemoryScratch::default();
    let within = |version, rows_max, paths: &[&str], base: Option<&Vec<u8>>| {
        let new = NewVersion {
            object: &object,
            version,
            created: Timestamp::UNIX_EPOCH,
            message: "",
            user_name: "",
            user_address: "",
        };
        let files = paths.iter().map(|path| Ok(file(path, path, 0)));
        let mut json = Vec::new();
        let base = base.map(|json| json as &dyn ReadAt);
        freeze_within(rows_max, &new, files, base, &scratch, &mut json).map(|_| json)
    };
    let first = within(1, 2, &["bag/a", "bag/b", "bag/c"], None).unwrap();
    assert!(within(2, 5, &["bag/a", "bag/b"], Some(&first)).is_ok());
    let over = within(2, 4, &["bag/a", "bag/b"], Some(&first));
    assert!(matches!(over, Err(PlanError::OverLimit { rows: 5 })));
}

#[test]
fn a_trouble_of_the_caller_comes_back_as_it_was() {
    let object = ObjectId(OBJECT.into());
    let new = NewVersion {
        object: &object,
        version: 1,
        created: Timestamp::UNIX_EPOCH,
        message: "",
        user_name: "",
        user_address: "",
    };
    let scratch = MemoryScratch::default();
    let files = [Err(Trouble::new(Kind::FactsDamaged, "a line is cut"))];
    let result = freeze(&new, files.into_iter(), None, &scratch, &mut Vec::new());
    assert!(matches!(result, Err(PlanError::Input(trouble)) if trouble.kind == Kind::FactsDamaged));
}
