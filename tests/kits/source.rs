//! What every kind of source must do.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom::model::fact::BagPath;
use strongroom::model::item::Form;
use strongroom::model::trouble::{Kind, Trouble};
use strongroom::rules::read::Slice;
use strongroom::worlds::fate::{Blow, Fate};
use strongroom::worlds::source::local::LocalSource;
use strongroom::worlds::source::rehearsal::RehearsalSource;
use strongroom::worlds::source::{Entry, Source, SourceError};

const TAR: &[u8] = b"not a tar, but a source does not mind";
const FILES: [(&[u8], &[u8]); 6] = [
    (b"bagit.txt", b"BagIt-Version: 1.0\n"),
    (b"data/a", b"1"),
    (b"data/a.txt", b"22"),
    (b"data/a/b", b"is never made: data/a is a file"),
    (b"data/sub/\xff\n", b"333"),
    (b"data/sub.txt", b"4444"),
];

fn files() -> impl Iterator<Item = (BagPath, Vec<u8>)> {
    FILES
        .iter()
        .filter(|(path, _)| *path != b"data/a/b")
        .map(|(path, bytes)| (BagPath(path.to_vec()), bytes.to_vec()))
}

type OnPath = dyn Fn(&[u8]);
type Change = dyn Fn(&[u8], &[u8]);

/// A source with a tar and a folder deposit, of each kind, and ways to change them.
struct Given {
    kind: &'static str,
    source: Box<dyn Source>,
    tar: String,
    folder: String,
    none: String,
    change_tar: Box<dyn Fn()>,
    change_member: Box<Change>,
    remove_member: Box<OnPath>,
    add_special: Box<OnPath>,
}

fn within(folder: &Path, path: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(path))
}

fn lay(folder: &Path) {
    for (path, bytes) in files() {
        let file = within(folder, &path.0);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

fn every_kind(check: impl Fn(&Given)) {
    let place = tempfile::tempdir().unwrap();
    let key = |name: &str| place.path().join(name).display().to_string();
    let (tar, folder) = (place.path().join("bag.tar"), place.path().join("bag"));
    std::fs::write(&tar, TAR).unwrap();
    lay(&folder);
    let [for_change, for_removal, for_special] = [folder.clone(), folder.clone(), folder.clone()];
    check(&Given {
        kind: "local",
        source: Box::new(LocalSource::new()),
        tar: key("bag.tar"),
        folder: key("bag"),
        none: key("none"),
        change_tar: Box::new(move || std::fs::write(&tar, [TAR, b"."].concat()).unwrap()),
        change_member: Box::new(move |path, bytes| std::fs::write(within(&for_change, path), bytes).unwrap()),
        remove_member: Box::new(move |path| std::fs::remove_file(within(&for_removal, path)).unwrap()),
        add_special: Box::new(move |path| symlink("/etc/hostname", within(&for_special, path)).unwrap()),
    });

    struct Shared(Arc<RehearsalSource>);
    impl Source for Shared {
        fn look(&self, key: &str) -> Result<strongroom::worlds::source::Arrival, SourceError> {
            self.0.look(key)
        }
        fn open(&self, key: &str) -> Result<Box<dyn strongroom::rules::read::ReadAt>, SourceError> {
            self.0.open(key)
        }
        fn walk(
            &self,
            key: &str,
            each: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
        ) -> Result<(), Trouble> {
            self.0.walk(key, each)
        }
        fn open_member(
            &self,
            key: &str,
            path: &BagPath,
        ) -> Result<Box<dyn strongroom::rules::read::ReadAt>, SourceError> {
            self.0.open_member(key, path)
        }
    }
    let source = Arc::new(RehearsalSource::new(Arc::new(Fate::default())));
    source.add_tar("/in/bag.tar", TAR.to_vec());
    source.add_folder("/in/bag", files());
    let [a, b, c, d] = [(); 4].map(|()| source.clone());
    check(&Given {
        kind: "rehearsal",
        source: Box::new(Shared(source)),
        tar: "/in/bag.tar".to_string(),
        folder: "/in/bag".to_string(),
        none: "/in/none".to_string(),
        change_tar: Box::new(move || a.change("/in/bag.tar", |bytes| bytes.push(b'.'))),
        change_member: Box::new(move |path, bytes| {
            b.change_member("/in/bag", &BagPath(path.to_vec()), Some(bytes.to_vec()));
        }),
        remove_member: Box::new(move |path| c.change_member("/in/bag", &BagPath(path.to_vec()), None)),
        add_special: Box::new(move |path| d.add_special("/in/bag", &BagPath(path.to_vec()))),
    });
}

fn walk(source: &dyn Source, key: &str) -> Vec<(BagPath, Entry)> {
    let mut seen = Vec::new();
    source
        .walk(key, &mut |path, entry| {
            seen.push((path, entry));
            Ok(())
        })
        .unwrap();
    seen
}

#[test]
fn a_tar_is_seen_and_read_as_it_lies_there() {
    every_kind(|given| {
        let seen = given.source.look(&given.tar).unwrap();
        assert_eq!((seen.form, seen.bytes), (Form::Tar, TAR.len() as u64), "{}", given.kind);
        assert_eq!(given.source.look(&given.tar).unwrap(), seen, "{}: looking changes nothing", given.kind);
        let tar = given.source.open(&given.tar).unwrap();
        let mut bytes = Vec::new();
        Slice::whole(&tar).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, TAR, "{}", given.kind);
        (given.change_tar)();
        assert_ne!(given.source.look(&given.tar).unwrap().pin, seen.pin, "{}: another pin", given.kind);
    });
}

#[test]
fn a_folder_is_walked_in_the_order_of_paths_byte_for_byte() {
    every_kind(|given| {
        let seen = given.source.look(&given.folder).unwrap();
        let bytes: usize = files().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!((seen.form, seen.bytes), (Form::Folder, bytes as u64), "{}", given.kind);
        let walked = walk(&*given.source, &given.folder);
        let mut wanted: Vec<(BagPath, u64)> =
            files().map(|(path, bytes)| (path, bytes.len() as u64)).collect();
        wanted.sort();
        let sizes: Vec<(BagPath, u64)> = walked
            .iter()
            .map(|(path, entry)| match entry {
                Entry::File { size, mtime } => {
                    assert!(*mtime > 1_600_000_000, "{}", given.kind);
                    (path.clone(), *size)
                }
                other => panic!("{}: {other:?}", given.kind),
            })
            .collect();
        assert_eq!(sizes, wanted, "{}", given.kind);
        for (path, bytes) in files() {
            let file = given.source.open_member(&given.folder, &path).unwrap();
            let mut found = Vec::new();
            Slice::whole(&file).read_to_end(&mut found).unwrap();
            assert_eq!(found, bytes, "{}", given.kind);
        }
    });
}

#[test]
fn any_change_within_a_folder_gives_it_another_pin() {
    every_kind(|given| {
        let pin = || given.source.look(&given.folder).unwrap().pin;
        let first = pin();
        assert_eq!(pin(), first, "{}", given.kind);
        (given.change_member)(b"data/a", b"longer");
        let second = pin();
        assert_ne!(second, first, "{}", given.kind);
        (given.remove_member)(b"data/a.txt");
        let third = pin();
        assert_ne!(third, second, "{}", given.kind);
        (given.change_member)(b"data/new", b"");
        assert_ne!(pin(), third, "{}", given.kind);
    });
}

#[test]
fn what_is_not_there_is_gone_and_what_is_no_deposit_is_denied() {
    every_kind(|given| {
        let kind = given.kind;
        let source = &given.source;
        assert_eq!(source.look(&given.none), Err(SourceError::Gone { key: given.none.clone() }), "{kind}");
        assert!(matches!(source.open(&given.none), Err(SourceError::Gone { .. })), "{kind}");
        let gone = source.walk(&given.none, &mut |_, _| Ok(())).unwrap_err();
        assert_eq!(gone.kind, Kind::DepositGone, "{kind}");
        let member = source.open_member(&given.folder, &BagPath::from("data/none"));
        assert!(matches!(member, Err(SourceError::Gone { .. })), "{kind}");
        let member = source.open_member(&given.none, &BagPath::from("data/a"));
        assert!(matches!(member, Err(SourceError::Gone { .. })), "{kind}");
        assert!(matches!(source.open(&given.folder), Err(SourceError::Denied { .. })), "{kind}: a folder");
        let denied = source.walk(&given.tar, &mut |_, _| Ok(())).unwrap_err();
        assert_eq!(denied.kind, Kind::SourceDenied, "{kind}: {denied:?}");
        let member = source.open_member(&given.tar, &BagPath::from("data/a"));
        assert!(matches!(member, Err(SourceError::Denied { .. })), "{kind}: no folder");
    });
}

#[test]
fn what_is_no_file_is_told_of_and_never_read() {
    every_kind(|given| {
        (given.add_special)(b"data/link");
        let walked: BTreeMap<BagPath, Entry> = walk(&*given.source, &given.folder).into_iter().collect();
        assert_eq!(walked.get(&BagPath::from("data/link")), Some(&Entry::Special), "{}", given.kind);
        let opened = given.source.open_member(&given.folder, &BagPath::from("data/link"));
        assert!(matches!(opened, Err(SourceError::Denied { .. })), "{}", given.kind);
    });
}

#[test]
fn a_walk_ends_with_the_trouble_of_who_walks() {
    every_kind(|given| {
        let mut count = 0;
        let stopped = given.source.walk(&given.folder, &mut |_, _| {
            count += 1;
            if count == 2 { Err(Trouble::new(Kind::OverLimit, "enough")) } else { Ok(()) }
        });
        assert_eq!(stopped.unwrap_err().kind, Kind::OverLimit, "{}", given.kind);
        assert_eq!(count, 2, "{}", given.kind);
    });
}

#[test]
fn a_deposit_that_is_a_link_is_denied_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    lay(&place.path().join("bag"));
    std::fs::write(place.path().join("bag.tar"), TAR).unwrap();
    symlink("bag", place.path().join("link")).unwrap();
    symlink("bag.tar", place.path().join("link.tar")).unwrap();
    let source = LocalSource::new();
    let key = |name: &str| format!("{}/{name}", place.path().display());
    // A slash at the end would make the kernel follow it.
    for name in ["link", "link/", "link///", "link.tar"] {
        let Err(SourceError::Denied { why, .. }) = source.look(&key(name)) else { panic!("{name}") };
        assert!(why.contains("symbolic link"), "{name}: {why}");
        assert!(matches!(source.open(&key(name)), Err(SourceError::Denied { .. })), "{name}");
        assert!(source.walk(&key(name), &mut |_, _| Ok(())).is_err(), "{name}");
        assert!(source.open_member(&key(name), &BagPath::from("data/a")).is_err(), "{name}");
    }
    assert!(source.look(&key("bag/")).is_ok());
    for bad in ["bag", "", "/", "./bag", &key("bag/../bag.tar"), &key("bag\0")] {
        assert!(matches!(source.look(bad), Err(SourceError::Denied { .. })), "{bad:?}");
    }
}

#[test]
fn no_path_leads_out_of_a_deposit() {
    let place = tempfile::tempdir().unwrap();
    let bag = place.path().join("bag");
    lay(&bag);
    std::fs::write(place.path().join("secret"), "secret").unwrap();
    symlink("..", bag.join("up")).unwrap();
    symlink("data", bag.join("alias")).unwrap();
    let source = LocalSource::new();
    let key = bag.display().to_string();
    let absolute = place.path().join("secret").display().to_string();
    for path in
        ["../secret", "data/../../secret", "up/secret", "alias/a", &absolute, "", ".", "data/./a", "data"]
    {
        let opened = source.open_member(&key, &BagPath::from(path)).map(drop);
        assert!(matches!(opened, Err(SourceError::Denied { .. })), "{path:?}: {opened:?}");
    }
    let opened = source.open_member(&key, &BagPath(b"data/a\0".to_vec())).map(drop);
    assert!(opened.is_err());
    let walked: Vec<String> = walk(&source, &key).into_iter().map(|(path, _)| path.shown()).collect();
    assert!(walked.contains(&"up".to_string()) && walked.contains(&"alias".to_string()));
    assert!(!walked.iter().any(|path| path.contains("secret") || path.starts_with("alias/")), "{walked:?}");
}

#[test]
fn empty_folders_and_pipes_are_told_of_and_nothing_hangs() {
    let place = tempfile::tempdir().unwrap();
    let bag = place.path().join("bag");
    lay(&bag);
    std::fs::create_dir_all(bag.join("data/z/empty")).unwrap();
    let pipe = bag.join("data/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let source = LocalSource::new();
    let key = bag.display().to_string();
    let walked: BTreeMap<BagPath, Entry> = walk(&source, &key).into_iter().collect();
    assert_eq!(walked.get(&BagPath::from("data/z/empty")), Some(&Entry::EmptyFolder));
    assert_eq!(walked.get(&BagPath::from("data/z")), None);
    assert_eq!(walked.get(&BagPath::from("data/pipe")), Some(&Entry::Special));
    assert!(matches!(source.open_member(&key, &BagPath::from("data/pipe")), Err(SourceError::Denied { .. })));
    let pipe = pipe.display().to_string();
    assert!(matches!(source.look(&pipe), Err(SourceError::Denied { .. })));
    assert!(matches!(source.open(&pipe), Err(SourceError::Denied { .. })));
}

#[test]
fn a_deep_tree_is_walked_without_a_deep_stack() {
    let place = tempfile::tempdir().unwrap();
    let mut path = place.path().join("bag");
    for _ in 0..1_500 {
        path.push("d");
    }
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("leaf"), "x").unwrap();
    let source = LocalSource::new();
    let walked = walk(&source, &place.path().join("bag").display().to_string());
    assert_eq!(walked.len(), 1);
    assert_eq!(walked[0].0.0.len(), 3_004);
}

#[test]
fn a_dark_rehearsal_reads_nothing() {
    let fate = Arc::new(Fate::default());
    let source = RehearsalSource::new(fate.clone());
    source.add_tar("/in/a.tar", TAR.to_vec());
    source.add_folder("/in/a", files());
    let opened = source.open("/in/a.tar").unwrap();
    fate.plan(1, Blow::PowerBefore);
    assert!(fate.write(|| ()).is_err());
    assert!(matches!(source.look("/in/a.tar"), Err(SourceError::Io { .. })));
    assert!(matches!(source.open("/in/a.tar"), Err(SourceError::Io { .. })));
    assert_eq!(source.walk("/in/a", &mut |_, _| Ok(())).unwrap_err().kind, Kind::SourceIo);
    assert!(Slice::whole(&opened).read_to_end(&mut Vec::new()).is_err());
    fate.recover();
    assert!(Slice::whole(&opened).read_to_end(&mut Vec::new()).is_ok());
    source.remove("/in/a.tar");
    assert!(matches!(source.look("/in/a.tar"), Err(SourceError::Gone { .. })));
}
