//! What only a target in a folder must do: its marker and lock, and going on from every state a stop can leave.

use super::{bytes, first, plan, second, txn};
use std::fs;
use std::path::{Path, PathBuf};
use strongroom::rules::ocfl::layout;
use strongroom::worlds::target::holdings::{Holdings, Lies};
use strongroom::worlds::target::local::{LocalTarget, MARKER};
use strongroom::worlds::target::probe::Has;
use strongroom::worlds::target::{Put, Target, TargetError, Txn, Where};

pub fn open(folder: &Path) -> LocalTarget {
    LocalTarget::create("east", folder).unwrap();
    LocalTarget::open("east", folder, "k3v9").unwrap()
}

/// Every path below a folder, relative, sorted.
fn tree(folder: &Path) -> Vec<String> {
    let mut found: Vec<String> = walkdir::WalkDir::new(folder)
        .min_depth(1)
        .into_iter()
        .map(|entry| entry.unwrap().path().strip_prefix(folder).unwrap().display().to_string())
        .collect();
    found.sort();
    found
}

#[test]
fn a_folder_is_made_a_target_only_when_it_is_empty_or_one_already() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/vault");
    assert!(matches!(LocalTarget::open("east", &path, "k3v9"), Err(TargetError::Missing { .. })));
    LocalTarget::create("east", &path).unwrap();
    LocalTarget::create("east", &path).unwrap();
    assert!(matches!(LocalTarget::create("west", &path), Err(TargetError::Missing { .. })));
    assert!(matches!(LocalTarget::open("west", &path, "k3v9"), Err(TargetError::Missing { .. })));
    let foreign = folder.path().join("foreign");
    fs::create_dir_all(foreign.join("letters")).unwrap();
    assert!(matches!(LocalTarget::create("east", &foreign), Err(TargetError::Missing { .. })));
    assert_eq!(tree(&foreign), ["letters"]);
}

#[test]
fn a_storage_root_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    drop(open(folder.path()));
    assert_eq!(
        tree(&folder.path().join("ocfl")),
        [
            "0=ocfl_1.1",
            "STRONGROOM.md",
            "extensions",
            "extensions/0003-hash-and-id-n-tuple-storage-layout",
            "extensions/0003-hash-and-id-n-tuple-storage-layout/config.json",
            "ocfl_layout.json",
        ]
    );
    assert_eq!(tree(&folder.path().join("work")), ["lock", "orphans", "tmp"]);
    fs::write(folder.path().join("ocfl/ocfl_layout.json"), "{}").unwrap();
    assert!(LocalTarget::open("east", folder.path(), "k3v9").is_err(), "another layout");
}

#[test]
fn two_processes_cannot_work_on_one_target() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    assert!(matches!(LocalTarget::open("east", folder.path(), "k3v9"), Err(TargetError::Io { .. })));
}

#[test]
fn a_target_without_its_marker_is_neither_read_nor_written() {
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    let plan = first();
    target.space().unwrap();
    plan.begin_and_put(&target, &txn(1, 1));
    let marker = folder.path().join(MARKER);
    let text = fs::read_to_string(&marker).unwrap();
    for other in [None, Some(text.replacen("\"id\": \"", "\"id\": \"0", 1))] {
        fs::remove_file(&marker).unwrap();
        if let Some(other) = other {
            fs::write(&marker, other).unwrap();
        }
        let missing = |result: Result<(), TargetError>| matches!(result, Err(TargetError::Missing { .. }));
        assert!(missing(target.space().map(drop)));
        assert!(missing(target.head(&plan.object).map(drop)));
        assert!(missing(target.begin(&txn(2, 1), &plan.object, 1)));
        assert!(missing(plan.publish(&target, &txn(1, 1)).map(drop)));
        assert!(missing(target.discard(&txn(1, 1))));
        fs::write(&marker, &text).unwrap();
    }
    plan.publish(&target, &txn(1, 1)).unwrap();
}

#[test]
fn nothing_is_left_in_work_and_no_file_stays_linked() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    let one = first();
    let two = second(&one);
    one.store(&target, &txn(1, 1));
    two.store(&target, &txn(2, 1));
    assert_eq!(tree(&folder.path().join("work")), ["lock", "orphans", "tmp"]);
    for entry in walkdir::WalkDir::new(folder.path().join("ocfl")) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            assert_eq!(entry.metadata().unwrap().nlink(), 1, "{:?}", entry.path());
        }
    }
}

#[test]
fn objects_share_tuples_and_no_folder_is_ever_empty() {
    // 60 objects: some share a first tuple now and then; a root with a stray sibling must not be disturbed.
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    let id = "strongroom:uva.edu/a";
    let path = layout::object_path(&strongroom::model::object::ObjectId(id.into()));
    let sibling = folder.path().join("ocfl").join(&path[..7]).join("fff/other");
    fs::create_dir_all(&sibling).unwrap();
    fs::write(sibling.join("x"), "x").unwrap();
    first().store(&target, &txn(1, 1));
    for n in 0..60u64 {
        plan(&format!("o{n}"), 1, &[("bag/a", "one")], None).store(&target, &txn(n + 2, 1));
    }
    assert!(first().is_head(&target));
    for entry in walkdir::WalkDir::new(folder.path().join("ocfl")) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            assert!(fs::read_dir(entry.path()).unwrap().next().is_some(), "{:?}", entry.path());
        }
    }
}

#[test]
fn other_ledgers_transactions_are_put_aside_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let plan = first();
    plan.begin_and_put(&open(folder.path()), &txn(1, 1));
    let theirs = Txn { ledger: "other".into(), item: 1, fence: 1 };
    let target = LocalTarget::open("east", folder.path(), "other").unwrap();
    assert!(folder.path().join("work/orphans/k3v9-1.1/obj/v1/content/bag/data/a").exists());
    assert!(bytes(&target, Where::Staged(&theirs, "v1/content/bag/data/a")).is_err());
    drop(target);
    let target = LocalTarget::open("east", folder.path(), "k3v9").unwrap();
    target.begin(&txn(1, 2), &plan.object, 1).unwrap();
    plan.publish(&target, &txn(1, 2)).unwrap();
    assert!(plan.is_head(&target));
}

#[test]
fn a_transaction_put_aside_never_replaces_another() {
    let folder = tempfile::tempdir().unwrap();
    let plan = first();
    for round in 0..3 {
        drop(open(folder.path()));
        let obj = folder.path().join("work/other-1.1/obj");
        fs::create_dir_all(&obj).unwrap();
        fs::write(obj.join(round.to_string()), "x").unwrap();
    }
    let target = open(folder.path());
    assert_eq!(
        tree(&folder.path().join("work/orphans")).iter().filter(|path| path.contains("obj/")).count(),
        3
    );
    assert_eq!(target.head(&plan.object).unwrap(), None);
}

#[test]
fn a_broken_object_is_an_error_and_never_absent() {
    let (name, _) = layout::OBJECT_DECLARATION;
    for (file, with) in [
        (name, None),
        (name, Some("ocfl_object_1.0\n")),
        (layout::SIDECAR, None),
        (layout::SIDECAR, Some("nonsense")),
        (layout::INVENTORY, None),
        (layout::INVENTORY, Some("")),
        (layout::INVENTORY, Some("{}")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let target = open(folder.path());
        let plan = first();
        let path = folder.path().join("ocfl").join(plan.store(&target, &txn(1, 1))).join(file);
        match with {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        assert!(matches!(target.head(&plan.object), Err(TargetError::Io { .. })), "{file} {with:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    let plan = first();
    let path = folder.path().join("ocfl").join(plan.store(&target, &txn(1, 1))).join(layout::INVENTORY);
    let text = fs::read_to_string(&path).unwrap().replace("taken in", "taken out");
    fs::write(&path, text).unwrap();
    assert!(target.head(&plan.object).is_err(), "an inventory its sidecar does not vouch for");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    let plan = first();
    plan.store(&target, &txn(1, 1));
    target.begin(&txn(2, 1), &plan.object, 2).unwrap();
    let from = b"x".to_vec();
    for path in ["../x", "/tmp/x", "", "v1/../../x", "v1/"] {
        let put = Put { content_path: path, from: &from, offset: 0, size: 1 };
        assert!(target.put(&txn(2, 1), &[put]).is_err(), "{path}");
        assert!(bytes(&target, Where::Object(&plan.object, path)).is_err(), "{path}");
        assert!(target.log(&plan.object, path, b"").is_err(), "{path}");
    }
    assert!(target.log(&plan.object, "a/b", b"").is_err());
}

/// A target with version 1 published and version 2 staged, and the folders in question.
struct Halfway {
    folder: tempfile::TempDir,
    obj: PathBuf,
    live: PathBuf,
}

fn halfway() -> (Halfway, super::Plan, super::Plan) {
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    let one = first();
    let live = folder.path().join("ocfl").join(one.store(&target, &txn(1, 1)));
    let two = second(&one);
    two.begin_and_put(&target, &txn(2, 1));
    let obj = folder.path().join("work/k3v9-2.1/obj");
    (Halfway { folder, obj, live }, one, two)
}

/// After the stop: the target is opened, the stage runs again under the next fence, with every file marked.
fn goes_on(halfway: &Halfway, two: &super::Plan) {
    let target = LocalTarget::open("east", halfway.folder.path(), "k3v9").unwrap();
    target.begin(&txn(2, 2), &two.object, 2).unwrap();
    two.publish(&target, &txn(2, 2)).unwrap();
    assert!(two.is_head(&target));
    assert_eq!(bytes(&target, Where::Object(&two.object, "v1/content/bag/data/a")).unwrap(), b"one");
    assert_eq!(bytes(&target, Where::Object(&two.object, "v2/content/bag/data/a")).unwrap(), b"new");
    drop(target);
    assert_eq!(tree(&halfway.folder.path().join("work")), ["lock", "orphans", "tmp"]);
    let files = tree(&halfway.live);
    assert!(files.iter().all(|file| !file.contains("junk")), "{files:?}");
}

#[test]
fn a_stop_while_the_new_version_is_assembled_is_gone_on_from() {
    let (halfway, _, two) = halfway();
    fs::write(halfway.obj.join("v2/inventory.json"), &two.json[..10]).unwrap();
    fs::write(halfway.obj.join("inventory.json"), "").unwrap();
    fs::create_dir_all(halfway.obj.join("v1/content/bag/junk")).unwrap();
    fs::hard_link(halfway.live.join("v1/inventory.json"), halfway.obj.join("v1/inventory.json")).unwrap();
    goes_on(&halfway, &two);
}

#[test]
fn a_stop_after_the_swap_is_gone_on_from() {
    let (halfway, _, two) = halfway();
    // What the swap leaves: the new object live, the old one in its place.
    let target = LocalTarget::open("east", halfway.folder.path(), "k3v9").unwrap();
    let old = halfway.folder.path().join("old");
    copy_tree(&halfway.live, &old);
    two.publish(&target, &txn(2, 1)).unwrap();
    drop(target);
    fs::create_dir_all(halfway.obj.parent().unwrap()).unwrap();
    fs::rename(&old, &halfway.obj).unwrap();
    goes_on(&halfway, &two);
}

#[test]
fn a_stop_between_the_renames_of_the_slower_way_is_rolled_forward() {
    for step in 0..4 {
        let (halfway, _, two) = halfway();
        let next = halfway.obj.parent().unwrap().join("next");
        fs::create_dir(&next).unwrap();
        let sidecar = layout::sidecar(&two.sha512);
        for folder in [&next, &halfway.obj.join("v2")] {
            fs::write(folder.join("inventory.json"), &two.json).unwrap();
            fs::write(folder.join("inventory.json.sha512"), &sidecar).unwrap();
        }
        let intent = serde_json::json!({"object": two.object, "version": 2});
        fs::write(next.join("intent.json"), intent.to_string()).unwrap();
        if step > 0 {
            fs::rename(halfway.obj.join("v2"), halfway.live.join("v2")).unwrap();
        }
        if step > 1 {
            fs::rename(next.join("inventory.json"), halfway.live.join("inventory.json")).unwrap();
        }
        if step > 2 {
            fs::rename(next.join("inventory.json.sha512"), halfway.live.join("inventory.json.sha512"))
                .unwrap();
        }
        if step > 0 {
            let target = LocalTarget::open("east", halfway.folder.path(), "k3v9").unwrap();
            assert!(two.is_head(&target), "rolled forward when the target is opened, step {step}");
        }
        goes_on(&halfway, &two);
    }
}

#[test]
fn a_discarded_item_leaves_no_object_half_changed() {
    let (halfway, _, two) = halfway();
    let next = halfway.obj.parent().unwrap().join("next");
    let target = LocalTarget::open("east", halfway.folder.path(), "k3v9").unwrap();
    fs::create_dir(&next).unwrap();
    fs::write(next.join("inventory.json"), &two.json).unwrap();
    fs::write(next.join("inventory.json.sha512"), layout::sidecar(&two.sha512)).unwrap();
    let intent = serde_json::json!({"object": two.object, "version": 2});
    fs::write(next.join("intent.json"), intent.to_string()).unwrap();
    fs::rename(halfway.obj.join("v2"), halfway.live.join("v2")).unwrap();
    target.discard(&txn(2, 1)).unwrap();
    assert!(two.is_head(&target));
}

#[test]
fn a_stop_while_a_new_object_is_moved_in_is_gone_on_from() {
    for half in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let plan = first();
        plan.begin_and_put(&open(folder.path()), &txn(1, 1));
        let work = folder.path().join("work/k3v9-1.1");
        let placed = work.join("tree").join(layout::object_path(&plan.object));
        fs::create_dir_all(placed.parent().unwrap()).unwrap();
        if half {
            fs::rename(work.join("obj"), &placed).unwrap();
        }
        let target = LocalTarget::open("east", folder.path(), "k3v9").unwrap();
        target.begin(&txn(1, 2), &plan.object, 1).unwrap();
        plan.publish(&target, &txn(1, 2)).unwrap();
        assert!(plan.is_head(&target));
        assert_eq!(tree(&folder.path().join("work")), ["lock", "orphans", "tmp"]);
    }
}

#[test]
fn a_log_that_was_half_written_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let plan = first();
    let path = plan.store(&open(folder.path()), &txn(1, 1));
    let target = LocalTarget::open("east", folder.path(), "k3v9").unwrap();
    fs::create_dir_all(folder.path().join("ocfl").join(path).join("logs")).unwrap();
    target.log(&plan.object, "a.jsonl", b"whole\n").unwrap();
    assert_eq!(bytes(&target, Where::Object(&plan.object, "logs/premis/a.jsonl")).unwrap(), b"whole\n");
}

/// A file system of its own, small; `None` where we may not mount one.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(bytes: u64) -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={bytes}");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then(|| Small(folder))
    }

    fn remount(&self, options: &str) {
        let mut mount = std::process::Command::new("mount");
        assert!(mount.args(["-o", options]).arg(self.0.path()).status().unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_target_says_so_and_gives_the_space_back() {
    let Some(small) = Small::mount(4 << 20) else {
        println!("skipped: mounting a small file system needs more rights");
        return;
    };
    let target = open(small.0.path());
    target.begin(&txn(1, 1), &first().object, 1).unwrap();
    let before = target.space().unwrap();
    assert!(before.total_bytes == 4 << 20 && before.free_bytes > 3 << 20);
    let big = vec![7; 5 << 20];
    fn put<'a>(path: &'a str, from: &'a Vec<u8>, size: u64) -> Put<'a> {
        Put { content_path: path, from, offset: 0, size }
    }
    for files in [1, 20] {
        let names: Vec<String> = (0..files).map(|n| format!("v1/content/bag/a/{n}")).collect();
        let mut puts: Vec<Put<'_>> = names.iter().map(|name| put(name, &big, 100)).collect();
        puts.push(put("v1/content/bag/big", &big, 5 << 20));
        assert!(matches!(target.put(&txn(1, 1), &puts), Err(TargetError::Full { .. })));
        let after = target.space().unwrap();
        assert!(after.free_bytes + (64 << 10) > before.free_bytes, "{files} files: {after:?}");
    }
    target.put(&txn(1, 1), &[put("v1/content/bag/big", &big, 1 << 20)]).unwrap();
}

#[test]
fn a_target_that_may_only_be_read_is_denied() {
    let Some(small) = Small::mount(4 << 20) else {
        println!("skipped: mounting a small file system needs more rights");
        return;
    };
    let plan = first();
    drop({
        let target = open(small.0.path());
        plan.begin_and_put(&target, &txn(1, 1));
        small.remount("remount,ro");
        let denied = |result: Result<(), TargetError>| matches!(result, Err(TargetError::Denied { .. }));
        assert!(denied(target.begin(&txn(2, 1), &plan.object, 1)));
        assert!(denied(plan.put(&target, &txn(1, 1)).map(drop)));
        assert!(denied(plan.publish(&target, &txn(1, 1)).map(drop)));
        target
    });
    small.remount("remount,rw");
    let target = open(small.0.path());
    plan.publish(&target, &txn(1, 1)).unwrap();
    assert!(plan.is_head(&target));
}

#[test]
fn a_source_that_fails_leaves_no_partial_file() {
    struct Failing;
    impl strongroom::rules::read::ReadAt for Failing {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
            match offset {
                0 => Ok(buf.len().min(4096)),
                _ => Err(std::io::Error::other("a bad block")),
            }
        }
        fn size(&self) -> u64 {
            1 << 20
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    target.begin(&txn(1, 1), &first().object, 1).unwrap();
    let put = Put { content_path: "v1/content/bag/a", from: &Failing, offset: 0, size: 1 << 20 };
    let error = target.put(&txn(1, 1), &[put]).unwrap_err();
    assert!(matches!(&error, TargetError::Source { why, .. } if why == "a bad block"), "{error:?}");
    assert!(!folder.path().join("work/k3v9-1.1/obj/v1/content/bag/a").exists());
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let at = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(at).unwrap();
        } else {
            fs::copy(entry.path(), at).unwrap();
        }
    }
}

#[test]
fn a_walk_tells_what_belongs_to_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    let path = first().store(&target, &txn(1, 1));
    let root = folder.path().join("ocfl");
    fs::create_dir_all(root.join("000/empty")).unwrap();
    fs::write(root.join("fff"), "x").unwrap();
    fs::create_dir_all(root.join("aaa/bbb")).unwrap();
    fs::write(root.join("aaa/bbb/loose"), "x").unwrap();
    std::os::unix::fs::symlink("/etc", root.join("aaa/link")).unwrap();
    fs::write(root.join("note.txt"), "files in the root are nobody's business").unwrap();
    let mut found = Vec::new();
    let told = &mut |lies: Lies<'_>| {
        found.push(format!("{lies:?}"));
        true
    };
    target.walk(None, told).unwrap();
    let mut wanted = vec![
        "Stray(\"000/empty\")".to_string(),
        "Stray(\"aaa/bbb/loose\")".to_string(),
        "Stray(\"aaa/link\")".to_string(),
        format!("Object({path:?})"),
    ];
    wanted.sort_by_key(|told| told.split('"').nth(1).unwrap().to_string());
    assert_eq!(found, wanted);
}

#[test]
fn a_probe_tells_what_a_file_system_does_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = open(folder.path());
    let before = tree(folder.path());
    let found = target.probe().unwrap();
    assert_eq!(tree(folder.path()), before);
    let has = |name: &str| found.iter().find(|ability| ability.name == name).unwrap().has == Has::Yes;
    // What the target itself leans on is what the probe tells.
    let abilities = target.abilities();
    assert_eq!(has("rename-noreplace"), abilities.noreplace);
    assert_eq!(has("rename-exchange") && has("hard-links"), abilities.exchange);
    assert_eq!(has("direct-io"), abilities.direct);
    assert!(has("fsync") && has("case-sensitive") && has("unicode-names"), "{found:?}");
}
