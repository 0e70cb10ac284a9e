//! What every kind of staging disk must do.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use strongroom::rules::read::{ReadAt, Slice};
use strongroom::worlds::disk::local::{LocalDisk, MARKER};
use strongroom::worlds::disk::rehearsal::RehearsalDisk;
use strongroom::worlds::disk::{Disk, DiskError, Place};
use strongroom::worlds::fate::{Blow, Fate};

/// A disk with the volume `staging`, of each kind.
fn every_kind(check: impl Fn(&dyn Disk, &str)) {
    let folder = tempfile::tempdir().unwrap();
    check(&local(folder.path()), "local");
    check(&RehearsalDisk::new(Arc::new(Fate::default())), "rehearsal");
}

fn local(path: &Path) -> LocalDisk {
    LocalDisk::create_volume("staging", path).unwrap();
    LocalDisk::open(&[("staging".to_string(), path.to_path_buf())]).unwrap()
}

fn at(path: &str) -> Place {
    Place { volume: "staging".to_string(), path: path.to_string() }
}

fn text(disk: &dyn Disk, path: &str) -> Option<String> {
    match disk.open(&at(path)) {
        Ok(file) => {
            let mut text = String::new();
            Slice::whole(&file).read_to_string(&mut text).unwrap();
            Some(text)
        }
        Err(DiskError::Absent { .. }) => None,
        Err(error) => panic!("{path}: {error:?}"),
    }
}

#[test]
fn what_is_appended_reads_back_and_cuts_what_lay_behind() {
    every_kind(|disk, kind| {
        disk.append(&at("41/facts/members"), 0, b"0123456789").unwrap();
        disk.append(&at("41/facts/members"), 10, b"abc").unwrap();
        assert_eq!(text(disk, "41/facts/members").as_deref(), Some("0123456789abc"), "{kind}");
        disk.append(&at("41/facts/members"), 4, b"xy").unwrap();
        assert_eq!(text(disk, "41/facts/members").as_deref(), Some("0123xy"), "{kind}");
        disk.append(&at("41/facts/members"), 2, b"").unwrap();
        assert_eq!(text(disk, "41/facts/members").as_deref(), Some("01"), "{kind}");
        disk.append(&at("empty"), 0, b"").unwrap();
        assert_eq!(text(disk, "empty").as_deref(), Some(""), "{kind}");
    });
}

#[test]
fn an_append_that_would_leave_a_hole_is_refused_and_leaves_nothing() {
    every_kind(|disk, kind| {
        let hole = disk.append(&at("new"), 1, b"x");
        assert!(matches!(hole, Err(DiskError::Io { .. })), "{kind}: {hole:?}");
        assert_eq!(text(disk, "new"), None, "{kind}");
        disk.append(&at("old"), 0, b"abc").unwrap();
        assert!(disk.append(&at("old"), 4, b"x").is_err(), "{kind}");
        assert_eq!(text(disk, "old").as_deref(), Some("abc"), "{kind}");
    });
}

#[test]
fn a_written_file_is_whole_or_what_it_was() {
    struct Fails(usize);
    impl Read for Fails {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let count = self.0.min(buf.len());
            self.0 -= count;
            buf[..count].fill(b'x');
            if count == 0 { Err(io::Error::other("the source went away")) } else { Ok(count) }
        }
    }
    every_kind(|disk, kind| {
        let big = vec![b'b'; 3 << 20];
        assert_eq!(disk.write(&at("41/blob"), &mut &big[..]), Ok(3 << 20), "{kind}");
        assert_eq!(disk.open(&at("41/blob")).unwrap().size(), 3 << 20, "{kind}");
        assert_eq!(disk.write(&at("41/blob"), &mut &b"new"[..]), Ok(3), "{kind}");
        let failed = disk.write(&at("41/blob"), &mut Fails(2 << 20)).unwrap_err();
        assert!(format!("{failed:?}").contains("the source went away"), "{kind}: {failed:?}");
        assert_eq!(text(disk, "41/blob").as_deref(), Some("new"), "{kind}");
        assert_eq!(disk.list(&at("41")).unwrap(), ["blob"], "{kind}: nothing partial is left");
    });
}

#[test]
fn a_file_that_was_opened_is_read_at_any_place() {
    every_kind(|disk, kind| {
        disk.append(&at("tar"), 0, b"0123456789").unwrap();
        let file = disk.open(&at("tar")).unwrap();
        let mut some = [0; 4];
        assert_eq!(file.read_at(&mut some, 3).unwrap(), 4, "{kind}");
        assert_eq!(&some, b"3456", "{kind}");
        assert_eq!(file.read_at(&mut some, 8).unwrap(), 2, "{kind}");
        assert_eq!(file.read_at(&mut some, 10).unwrap(), 0, "{kind}");
        assert_eq!(file.read_at(&mut some, u64::MAX >> 1).unwrap(), 0, "{kind}");
        assert!(
            disk.open(&at("none")).is_err_and(|error| matches!(error, DiskError::Absent { .. })),
            "{kind}"
        );
    });
}

#[test]
fn a_rename_moves_files_and_folders_and_replaces_what_lay_there() {
    every_kind(|disk, kind| {
        disk.append(&at("41/a"), 0, b"a").unwrap();
        disk.append(&at("41/b"), 0, b"b").unwrap();
        disk.rename(&at("41/a"), &at("41/b")).unwrap();
        assert_eq!(text(disk, "41/b").as_deref(), Some("a"), "{kind}");
        disk.rename(&at("41/b"), &at("made/on/the/way")).unwrap();
        assert_eq!(text(disk, "made/on/the/way").as_deref(), Some("a"), "{kind}");
        disk.append(&at("42/deep/x"), 0, b"x").unwrap();
        disk.append(&at("43/y"), 0, b"y").unwrap();
        disk.rename(&at("42"), &at("43")).unwrap();
        assert_eq!(text(disk, "43/deep/x").as_deref(), Some("x"), "{kind}");
        assert_eq!(text(disk, "43/y"), None, "{kind}: the folder was replaced, not merged");
        assert!(disk.list(&at("42")).unwrap().is_empty(), "{kind}");
        // What was moved away can be made again at once.
        disk.append(&at("42/deep/x"), 0, b"again").unwrap();
        assert_eq!(text(disk, "42/deep/x").as_deref(), Some("again"), "{kind}");
        let absent = disk.rename(&at("none"), &at("43"));
        assert!(matches!(absent, Err(DiskError::Absent { .. })), "{kind}: {absent:?}");
        assert_eq!(text(disk, "43/deep/x").as_deref(), Some("x"), "{kind}: nothing was removed for it");
        for (from, to) in [("43", "43/deep/z"), ("43/deep", "43")] {
            assert!(disk.rename(&at(from), &at(to)).is_err(), "{kind}: {from} to {to}");
            assert_eq!(text(disk, "43/deep/x").as_deref(), Some("x"), "{kind}");
        }
    });
}

#[test]
fn a_folder_lists_its_names_in_order_and_an_absent_one_lists_none() {
    every_kind(|disk, kind| {
        for path in ["41/z", "41/b/1", "41/b/2", "41/a-1", "42"] {
            disk.append(&at(path), 0, b"x").unwrap();
        }
        assert_eq!(disk.list(&at("41")).unwrap(), ["a-1", "b", "z"], "{kind}");
        assert_eq!(disk.list(&at("")).unwrap(), ["41", "42"], "{kind}: the volume itself");
        assert!(disk.list(&at("none/such")).unwrap().is_empty(), "{kind}");
        assert_eq!(at("").join("41"), at("41"));
    });
}

#[test]
fn what_is_removed_is_gone_and_removing_it_again_is_fine() {
    every_kind(|disk, kind| {
        disk.append(&at("41/a/b/c"), 0, b"x").unwrap();
        disk.append(&at("41/z"), 0, b"x").unwrap();
        disk.remove(&at("41/a")).unwrap();
        assert_eq!(disk.list(&at("41")).unwrap(), ["z"], "{kind}");
        disk.remove(&at("41/a")).unwrap();
        disk.remove(&at("41")).unwrap();
        disk.remove(&at("41/a/b/c")).unwrap();
        assert!(disk.list(&at("")).unwrap().is_empty(), "{kind}");
        disk.append(&at("41/a/b/c"), 0, b"again").unwrap();
        assert_eq!(text(disk, "41/a/b/c").as_deref(), Some("again"), "{kind}");
    });
}

#[test]
fn only_paths_of_our_own_making_are_touched() {
    let long = "x".repeat(300);
    let bad =
        ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a/.", "ä", "a b", "a\0", "a\n", "a\\b", "~", &long];
    every_kind(|disk, kind| {
        disk.append(&at("good"), 0, b"x").unwrap();
        for path in bad {
            assert!(disk.append(&at(path), 0, b"x").is_err(), "{kind}: {path:?}");
            assert!(disk.write(&at(path), &mut &b"x"[..]).is_err(), "{kind}: {path:?}");
            assert!(disk.open(&at(path)).is_err(), "{kind}: {path:?}");
            assert!(disk.remove(&at(path)).is_err(), "{kind}: {path:?}");
            assert!(disk.rename(&at("good"), &at(path)).is_err(), "{kind}: {path:?}");
            assert!(disk.rename(&at(path), &at("good")).is_err(), "{kind}: {path:?}");
            assert!(path.is_empty() || disk.list(&at(path)).is_err(), "{kind}: {path:?}");
        }
        assert_eq!(disk.list(&at("")).unwrap(), ["good"], "{kind}");
    });
}

#[test]
fn a_volume_that_nobody_configured_is_missing() {
    every_kind(|disk, kind| {
        let other = Place { volume: "other".to_string(), path: "x".to_string() };
        assert!(matches!(disk.space("other"), Err(DiskError::Missing { .. })), "{kind}");
        assert!(matches!(disk.append(&other, 0, b""), Err(DiskError::Missing { .. })), "{kind}");
        assert!(matches!(disk.list(&other), Err(DiskError::Missing { .. })), "{kind}");
        assert_eq!(disk.volumes(), ["staging"], "{kind}");
    });
}

#[test]
fn space_has_room_and_blocks() {
    every_kind(|disk, kind| {
        let space = disk.space("staging").unwrap();
        assert!(space.free_bytes > 0 && space.free_bytes <= space.total_bytes, "{kind}: {space:?}");
        assert!(space.free_inodes > 0 && space.block_bytes > 0, "{kind}: {space:?}");
    });
}

/// Every verb that writes, and space, at a volume that is not there.
fn refuses_everything(disk: &dyn Disk, story: &str) {
    let refusals = [
        disk.space("staging").map(drop),
        disk.append(&at("x"), 0, b"x"),
        disk.write(&at("x"), &mut &b"x"[..]).map(drop),
        disk.rename(&at("good"), &at("x")),
        disk.remove(&at("good")),
        disk.open(&at("good")).map(drop),
        disk.list(&at("")).map(drop),
    ];
    for (verb, refusal) in refusals.into_iter().enumerate() {
        assert!(matches!(refusal, Err(DiskError::Missing { .. })), "{story}, verb {verb}: {refusal:?}");
    }
}

#[test]
fn a_volume_without_its_marker_is_never_filled() {
    let folder = tempfile::tempdir().unwrap();
    let disk = local(folder.path());
    disk.append(&at("good"), 0, b"x").unwrap();
    let marker = folder.path().join(MARKER);
    let text = std::fs::read(&marker).unwrap();

    std::fs::remove_file(&marker).unwrap();
    refuses_everything(&disk, "no marker");
    std::fs::write(&marker, b"{").unwrap();
    refuses_everything(&disk, "half a marker");
    std::fs::write(&marker, String::from_utf8_lossy(&text).replace("\"staging\"", "\"other\"")).unwrap();
    refuses_everything(&disk, "another volume's marker");
    std::fs::write(&marker, r#"{"schema":1,"name":"staging","id":"00"}"#).unwrap();
    refuses_everything(&disk, "the marker of another volume of this name");
    std::fs::write(&marker, r#"{"schema":2,"name":"staging","id":"00"}"#).unwrap();
    refuses_everything(&disk, "a marker from the future");
    std::fs::remove_file(&marker).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &marker).unwrap();
    refuses_everything(&disk, "a link instead of a marker");
    std::fs::remove_file(&marker).unwrap();
    std::fs::write(&marker, &text).unwrap();
    assert_eq!(disk.list(&at("")).unwrap(), ["good"], "back again, and nothing was lost");

    let rehearsal = RehearsalDisk::new(Arc::new(Fate::default()));
    rehearsal.append(&at("good"), 0, b"x").unwrap();
    rehearsal.set_mounted("staging", false);
    refuses_everything(&rehearsal, "rehearsal");
    rehearsal.set_mounted("staging", true);
    assert_eq!(rehearsal.list(&at("")).unwrap(), ["good"]);
}

#[test]
fn a_volume_that_comes_later_is_found_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late");
    let disk = LocalDisk::open(&[("staging".to_string(), path.clone())]).unwrap();
    refuses_everything(&disk, "not there yet");
    LocalDisk::create_volume("staging", &path).unwrap();
    disk.append(&at("x"), 0, b"x").unwrap();
    LocalDisk::create_volume("staging", &path).unwrap();
    assert_eq!(text(&disk, "x").as_deref(), Some("x"), "creating it again changes nothing");
    assert!(LocalDisk::create_volume("other", &path).is_err(), "it is somebody else's");
    assert!(LocalDisk::create_volume("../up", &path).is_err());
    let twice = [("a".to_string(), path.clone()), ("a".to_string(), path.clone())];
    assert!(LocalDisk::open(&twice).is_err());
}

#[test]
fn the_marker_itself_cannot_be_touched() {
    let folder = tempfile::tempdir().unwrap();
    let disk = local(folder.path());
    disk.append(&at("x"), 0, b"x").unwrap();
    assert!(disk.remove(&at(MARKER)).is_err());
    assert!(disk.append(&at(MARKER), 0, b"").is_err());
    assert!(disk.rename(&at("x"), &at(MARKER)).is_err());
    assert!(disk.space("staging").is_ok());
}

#[test]
fn links_that_somebody_planted_in_staging_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let disk = local(folder.path());
    std::os::unix::fs::symlink(outside.path(), folder.path().join("41")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
    assert!(disk.append(&at("41/x"), 0, b"x").is_err());
    assert!(disk.append(&at("file"), 0, b"x").is_err());
    assert!(disk.open(&at("file")).is_err());
    assert!(disk.list(&at("41")).is_err());
    assert!(disk.rename(&at("41/secret"), &at("mine")).is_err());
    // Writing and removing put their own file, or nothing, in the place of the link.
    disk.write(&at("file"), &mut &b"ours"[..]).unwrap();
    disk.remove(&at("41")).unwrap();
    let left: Vec<_> = std::fs::read_dir(outside.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
}

#[test]
fn a_full_rehearsal_volume_takes_nothing_and_gives_space_back() {
    let disk = RehearsalDisk::new(Arc::new(Fate::default()));
    disk.append(&at("a"), 0, &[1; 5_000]).unwrap();
    disk.set_free(8_192);
    assert_eq!(disk.space("staging").unwrap().free_bytes, 8_192);
    let full = Err(DiskError::Full { volume: "staging".to_string() });
    assert_eq!(disk.append(&at("b"), 0, &[1; 8_193]), full);
    assert_eq!(disk.append(&at("a"), 5_000, &[1; 3_192]), Ok(()), "the rest of a block is there already");
    assert_eq!(disk.append(&at("a"), 8_192, &[1; 8_193]), full);
    assert_eq!(disk.write(&at("b"), &mut &[1; 8_193][..]).map(drop), full);
    assert_eq!(disk.files().len(), 1);
    disk.remove(&at("a")).unwrap();
    assert_eq!(disk.space("staging").unwrap().free_bytes, 16_384);
    disk.append(&at("b"), 0, &[1; 8_193]).unwrap();
}

#[test]
fn each_writing_verb_of_a_rehearsal_is_one_write_of_its_fate() {
    type Verb = fn(&RehearsalDisk) -> Result<(), DiskError>;
    let verbs: [(&str, Verb); 4] = [
        ("append", |disk| disk.append(&at("a"), 4, b"next")),
        ("write", |disk| disk.write(&at("a"), &mut &b"next"[..]).map(drop)),
        ("rename", |disk| disk.rename(&at("a"), &at("b"))),
        ("remove", |disk| disk.remove(&at("a"))),
    ];
    for (name, verb) in verbs {
        for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
            let fate = Arc::new(Fate::default());
            let disk = RehearsalDisk::new(fate.clone());
            disk.append(&at("a"), 0, b"once").unwrap();
            let before = disk.files();
            fate.plan(1, blow);
            let error = verb(&disk).unwrap_err();
            assert_eq!(fate.writes(), 1, "{name}");
            assert_eq!(
                matches!(error, DiskError::Full { .. }),
                blow == Blow::Full,
                "{name} {blow:?}: {error:?}"
            );
            assert_eq!(fate.dark(), matches!(blow, Blow::PowerBefore | Blow::PowerAfter));
            if fate.dark() {
                assert!(verb(&disk).is_err() && disk.open(&at("a")).is_err() && disk.list(&at("")).is_err());
            }
            fate.recover();
            match (name, blow) {
                ("append", Blow::PowerBefore) => {
                    assert_eq!(text(&disk, "a").as_deref(), Some("oncene"), "torn")
                }
                (_, Blow::PowerAfter) => assert_ne!(disk.files(), before, "{name}"),
                _ => assert_eq!(disk.files(), before, "{name} {blow:?}"),
            }
        }
    }
}

/// A file system of this size, taken away at the end; nothing where we may not mount one.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(options: &str) -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()).output();
        match mount {
            Ok(done) if done.status.success() => Some(Small(folder)),
            other => {
                println!("skipped: a small file system cannot be mounted here: {other:?}");
                None
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_real_volume_says_so_and_keeps_no_partial_bytes() {
    let Some(small) = Small::mount("size=1m") else { return };
    let disk = local(small.0.path());
    let free = disk.space("staging").unwrap().free_bytes;
    assert!(free < 1 << 20);
    let full = Err(DiskError::Full { volume: "staging".to_string() });
    let big = vec![7; 2 << 20];
    assert_eq!(disk.write(&at("41/big"), &mut &big[..]).map(drop), full);
    assert_eq!(disk.append(&at("41/big"), 0, &big), full);
    assert!(disk.list(&at("41")).unwrap().is_empty());
    assert_eq!(disk.space("staging").unwrap().free_bytes, free, "all of it came back");
    disk.append(&at("41/some"), 0, &big[..100_000]).unwrap();
    assert_eq!(disk.append(&at("41/some"), 100_000, &big), full);
    assert_eq!(disk.open(&at("41/some")).unwrap().size(), 100_000, "what was promised durable stays");
    disk.append(&at("41/some"), 100_000, b"goes on").unwrap();
}

#[test]
fn a_real_volume_without_inodes_is_full() {
    let Some(small) = Small::mount("size=1m,nr_inodes=8") else { return };
    let disk = local(small.0.path());
    let mut made = 0;
    let error = loop {
        match disk.append(&at(&format!("file-{made}")), 0, b"x") {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 8);
    };
    assert_eq!(error, DiskError::Full { volume: "staging".to_string() });
    assert_eq!(disk.space("staging").unwrap().free_inodes, 0);
    disk.remove(&at("file-0")).unwrap();
    disk.append(&at("again"), 0, b"x").unwrap();
}

#[test]
fn a_mount_that_goes_away_is_noticed_and_the_folder_below_it_stays_empty() {
    let Some(small) = Small::mount("size=1m") else { return };
    let path = small.0.path().to_path_buf();
    let disk = local(&path);
    disk.append(&at("good"), 0, b"x").unwrap();
    assert!(Command::new("umount").arg(&path).status().unwrap().success());
    refuses_everything(&disk, "unmounted");
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    let options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
    assert!(Command::new("mount").args(options).arg(&path).status().unwrap().success());
    LocalDisk::create_volume("staging", &path).unwrap();
    refuses_everything(&disk, "another volume of this name");
}

#[derive(Clone, Debug)]
enum Verb {
    Append(usize, u64, Vec<u8>),
    Write(usize, Vec<u8>),
    Rename(usize, usize),
    Remove(usize),
    RemoveFolder(usize),
}

const FILES: [&str; 6] = ["a", "b/c", "b/d", "e/f/g", "e/f/h", "e/i"];
const FOLDERS: [&str; 3] = ["b", "e/f", "e"];

fn verbs() -> impl Strategy<Value = Vec<Verb>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let file = || 0..FILES.len();
    let verb = prop_oneof![
        (file(), 0u64..30, bytes()).prop_map(|(file, offset, bytes)| Verb::Append(file, offset, bytes)),
        (file(), bytes()).prop_map(|(file, bytes)| Verb::Write(file, bytes)),
        (file(), file()).prop_map(|(from, to)| Verb::Rename(from, to)),
        file().prop_map(Verb::Remove),
        (0..FOLDERS.len()).prop_map(Verb::RemoveFolder),
    ];
    prop::collection::vec(verb, 0..40)
}

fn perform(disk: &dyn Disk, verb: &Verb) -> bool {
    match verb {
        Verb::Append(file, offset, bytes) => disk.append(&at(FILES[*file]), *offset, bytes).is_ok(),
        Verb::Write(file, bytes) => disk.write(&at(FILES[*file]), &mut bytes.as_slice()).is_ok(),
        Verb::Rename(from, to) => disk.rename(&at(FILES[*from]), &at(FILES[*to])).is_ok(),
        Verb::Remove(file) => disk.remove(&at(FILES[*file])).is_ok(),
        Verb::RemoveFolder(folder) => disk.remove(&at(FOLDERS[*folder])).is_ok(),
    }
}

fn contents(disk: &dyn Disk) -> BTreeMap<&'static str, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in FILES {
        if let Ok(file) = disk.open(&at(path)) {
            let mut bytes = Vec::new();
            Slice::whole(&file).read_to_end(&mut bytes).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_kinds_come_to_the_same_whatever_is_done(verbs in verbs()) {
        let folder = tempfile::tempdir().unwrap();
        let real = local(folder.path());
        let rehearsal = RehearsalDisk::new(Arc::new(Fate::default()));
        for verb in &verbs {
            prop_assert_eq!(perform(&real, verb), perform(&rehearsal, verb), "{:?}", verb);
            prop_assert_eq!(contents(&real), contents(&rehearsal), "{:?}", verb);
        }
    }
}
