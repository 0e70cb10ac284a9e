use super::*;
use crate::worlds::clock::rehearsal::RehearsalClock;
use crate::worlds::net::Reaching;
use crate::worlds::source::configured::Place;
use std::fs;

fn source(folder: &Path, after: AfterKept) -> FolderSource {
    still(folder, after, Duration::ZERO, Arc::new(RehearsalClock::new()))
}

fn still(
    folder: &Path,
    after_kept: AfterKept,
    still_for: Duration,
    clock: Arc<RehearsalClock>,
) -> FolderSource {
    let config = SourceConfig {
        name: "in".into(),
        depositor: "uva.edu".into(),
        place: Place::Folder { path: folder.into() },
        suffixes: Vec::new(),
        size_max: None,
        after_kept,
        scan_every: None,
        still_for,
        temporary: vec![".part".into()],
        marker: None,
        reaching: Reaching::default(),
    };
    FolderSource::new(&config, folder.into(), Arc::new(LocalSource::new()), clock)
}

/// When this was changed, by the clock of its file system; that one and the machine's may differ.
fn changed(path: &Path) -> Timestamp {
    changed_at(&path.symlink_metadata().unwrap()).unwrap()
}

#[test]
fn what_changed_a_moment_ago_is_not_listed_yet() {
    let place = tempfile::tempdir().unwrap();
    let (tar, bag, late) =
        (place.path().join("a.tar"), place.path().join("bag"), place.path().join("bag/data/late"));
    fs::create_dir_all(bag.join("data")).unwrap();
    fs::write(bag.join("bagit.txt"), "x").unwrap();
    fs::write(&tar, "x").unwrap();
    let minute = Duration::from_secs(60);
    let clock = Arc::new(RehearsalClock::new());
    let source = still(place.path(), AfterKept::Leave, minute, clock.clone());
    let set = |to: Timestamp| clock.set_wall(to.duration_since(clock.now()));
    set(changed(&tar) + Duration::from_secs(59));
    assert_eq!(names(&source), Vec::<String>::new());
    set(changed(&tar) + Duration::from_secs(61));
    assert_eq!(names(&source), ["a.tar", "bag"]);
    // A bag is as new as the newest of what is in it.
    let margin = SignedDuration::from_millis(20);
    for round in 0..1_000 {
        fs::write(&late, "y").unwrap();
        if changed(&late).duration_since(changed(&tar)) > margin {
            break;
        }
        assert!(round < 999, "the file system's clock stands still");
        std::thread::sleep(Duration::from_millis(5));
    }
    set(changed(&tar) + Duration::from_millis(60_002));
    assert_eq!(names(&source), ["a.tar"]);
    let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
    assert!(!is_still(at(0), at(59), minute) && is_still(at(0), at(60), minute));
    assert!(!is_still(at(30), at(0), minute) && is_still(at(90_000), at(0), minute));
}

fn names(source: &FolderSource) -> Vec<String> {
    let mut names = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = source.list("in", after.as_deref()).unwrap();
        names.extend(page.entries.into_iter().map(|entry| entry.name));
        match page.next {
            Some(next) => after = Some(next),
            None => return names,
        }
    }
}

#[test]
fn every_file_is_listed_a_bag_folder_once_and_nothing_that_is_done() {
    let place = tempfile::tempdir().unwrap();
    for name in ["a.tar", "sub/deep/b.tar", "bag/bagit.txt", "bag/data/x", "done/old.tar", "c.txt"] {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    fs::write(place.path().join(format!("d.tar{GONE}")), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.path().join("link.tar")).unwrap();
    fs::create_dir(place.path().join("empty")).unwrap();
    let done = source(place.path(), AfterKept::Move("done".into()));
    assert_eq!(names(&done), ["a.tar", "bag", "c.txt", "link.tar", "sub/deep/b.tar"]);
    let page = done.list("in", None).unwrap();
    for entry in page.entries.iter().filter(|entry| entry.name != "link.tar") {
        let looked = done.look(&entry.key).unwrap();
        assert_eq!((looked.bytes, &looked.mark), (entry.bytes, &entry.mark), "{}", entry.name);
    }
    assert!(matches!(done.look("source://in/link.tar"), Err(SourceError::Denied { .. })));
}

#[test]
fn a_large_folder_comes_in_pages_each_name_once() {
    let place = tempfile::tempdir().unwrap();
    let mut wanted: Vec<String> = (0..2_345).map(|number| format!("{number}.tar")).collect();
    wanted.iter().for_each(|name| fs::write(place.path().join(name), "").unwrap());
    wanted.sort();
    assert_eq!(names(&source(place.path(), AfterKept::Leave)), wanted);
}

#[test]
fn no_key_leads_out_of_the_folder() {
    let place = tempfile::tempdir().unwrap();
    let source = source(place.path(), AfterKept::Leave);
    for key in [
        "source://in/../x",
        "source://in/",
        "source://in//etc",
        "source://other/x",
        "/etc/passwd",
        "source://inx/y",
    ] {
        assert!(matches!(source.look(key), Err(SourceError::Denied { .. })), "{key}");
    }
    assert!(matches!(source.look("source://in/none.tar"), Err(SourceError::Gone { .. })));
}

#[test]
fn a_kept_deposit_is_moved_and_no_name_is_taken_twice() {
    let place = tempfile::tempdir().unwrap();
    let source = source(place.path(), AfterKept::Move("done".into()));
    let how = Disposal::Move { to: "done".into() };
    let key = "source://in/sub/a.tar";
    let mut moved = Vec::new();
    for text in ["one", "two"] {
        fs::create_dir_all(place.path().join("sub")).unwrap();
        fs::write(place.path().join("sub/a.tar"), text).unwrap();
        let pin = source.look(key).unwrap().pin;
        moved.push(source.dispose(key, &pin, &how).unwrap());
        assert_eq!(source.dispose(key, &pin, &how), Ok(Disposed::Absent));
    }
    let to = |name: &str| Disposed::Done { to: Some(format!("source://in/done/sub/{name}")) };
    assert_eq!(moved, [to("a.tar"), to("a.2.tar")]);
    assert_eq!(fs::read_to_string(place.path().join("done/sub/a.2.tar")).unwrap(), "two");
}

#[test]
fn what_is_no_longer_what_was_ingested_stays_where_it_is() {
    let place = tempfile::tempdir().unwrap();
    let source = source(place.path(), AfterKept::Delete);
    let file = place.path().join("a.tar");
    fs::write(&file, "one").unwrap();
    let pin = source.look("source://in/a.tar").unwrap().pin;
    fs::write(&file, "another").unwrap();
    for how in [Disposal::Delete, Disposal::Move { to: "done".into() }] {
        assert_eq!(source.dispose("source://in/a.tar", &pin, &how), Ok(Disposed::Changed));
        assert_eq!(fs::read_to_string(&file).unwrap(), "another");
    }
}

#[test]
fn a_deleted_deposit_is_gone_file_or_folder_also_when_deleting_was_cut_off() {
    let place = tempfile::tempdir().unwrap();
    let source = source(place.path(), AfterKept::Delete);
    fs::create_dir_all(place.path().join("bag/data")).unwrap();
    fs::write(place.path().join("bag/bagit.txt"), "x").unwrap();
    fs::write(place.path().join("a.tar"), "x").unwrap();
    for name in ["bag", "a.tar"] {
        let key = format!("source://in/{name}");
        let pin = source.look(&key).unwrap().pin;
        assert_eq!(source.dispose(&key, &pin, &Disposal::Delete), Ok(Disposed::Done { to: None }));
        assert_eq!(source.dispose(&key, &pin, &Disposal::Delete), Ok(Disposed::Absent));
    }
    for name in ["b.tar", "c.tar"] {
        fs::write(place.path().join(format!("{name}{GONE}")), "rest").unwrap();
    }
    assert_eq!(source.dispose("source://in/b.tar", "any", &Disposal::Delete), Ok(Disposed::Absent));
    assert_eq!(names(&source), Vec::<String>::new());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "also what no listing would ask for again");
}

#[test]
fn a_folder_that_is_not_mounted_is_unreachable_not_empty() {
    let place = tempfile::tempdir().unwrap();
    let source = source(&place.path().join("none"), AfterKept::Leave);
    assert!(matches!(source.list("in", None), Err(SourceError::Unreachable { .. })));
}

/// Writes until the file system's clock has moved on from this time.
fn write_after(path: &Path, then: Timestamp) {
    for _ in 0..1_000 {
        fs::write(path, "later").unwrap();
        if written_at(&path.symlink_metadata().unwrap()).unwrap() > then {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the file system's clock stands still");
}

fn marked(folder: &Path, after: AfterKept) -> FolderSource {
    let mut source = still(folder, after, Duration::from_secs(3_600), Arc::new(RehearsalClock::new()));
    source.arrival = Arrives::Marked(".done".into());
    source
}

#[test]
fn names_of_what_is_being_written_are_no_deposits_nor_is_anything_below_them() {
    let place = tempfile::tempdir().unwrap();
    for name in ["a.tar", "b.tar.part", ".c.tar", "bag.part/data/x", ".rsync/d.tar", "e.tar.tmp"] {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    assert_eq!(names(&source(place.path(), AfterKept::Leave)), ["a.tar", "e.tar.tmp"], "as configured");
    fs::rename(place.path().join("b.tar.part"), place.path().join("b.tar")).unwrap();
    assert_eq!(names(&source(place.path(), AfterKept::Leave)), ["a.tar", "b.tar", "e.tar.tmp"]);
}

#[test]
fn of_a_bag_that_is_being_copied_nothing_is_listed_before_it_is_still() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("bag/data/deep")).unwrap();
    fs::write(place.path().join("bag/data/deep/x.tar"), "x").unwrap();
    let clock = Arc::new(RehearsalClock::new());
    let source = still(place.path(), AfterKept::Leave, Duration::from_secs(60), clock.clone());
    let newest = changed(&place.path().join("bag/data/deep/x.tar"));
    let set = |to: Timestamp| clock.set_wall(to.duration_since(clock.now()));
    set(newest + Duration::from_secs(30));
    assert_eq!(names(&source), Vec::<String>::new());
    set(newest + Duration::from_secs(61));
    assert_eq!(names(&source), ["bag/data/deep/x.tar"], "it never became a bag, and that is explained");
}

#[test]
fn with_markers_a_deposit_counts_when_its_marker_lies_beside_it_and_is_not_older() {
    let place = tempfile::tempdir().unwrap();
    let (tar, marker) = (place.path().join("a.tar"), place.path().join("a.tar.done"));
    fs::create_dir_all(place.path().join("bag/data")).unwrap();
    for name in ["a.tar", "b.tar", "bag/bagit.txt", "bag/data/x"] {
        fs::write(place.path().join(name), name).unwrap();
    }
    let source = marked(place.path(), AfterKept::Leave);
    assert_eq!(names(&source), Vec::<String>::new(), "however still it is");
    fs::write(&marker, "").unwrap();
    fs::write(place.path().join("bag.done"), "").unwrap();
    assert_eq!(names(&source), ["a.tar", "bag"]);
    write_after(&tar, changed(&marker));
    assert_eq!(names(&source), ["bag"], "a former deposit's marker");
    write_after(&place.path().join("bag/data/x"), changed(&place.path().join("bag.done")));
    assert_eq!(names(&source), Vec::<String>::new());
    fs::write(&marker, "again").unwrap();
    assert_eq!(names(&source), ["a.tar"]);
}

#[test]
fn a_marker_leaves_with_its_deposit() {
    for after in [AfterKept::Delete, AfterKept::Move("done".into())] {
        let place = tempfile::tempdir().unwrap();
        let source = marked(place.path(), after.clone());
        let how = match &after {
            AfterKept::Move(to) => Disposal::Move { to: to.clone() },
            _ => Disposal::Delete,
        };
        for _ in 0..2 {
            fs::write(place.path().join("a.tar"), "x").unwrap();
            fs::write(place.path().join("a.tar.done"), "").unwrap();
            assert_eq!(names(&source), ["a.tar"]);
            let pin = source.look("source://in/a.tar").unwrap().pin;
            source.dispose("source://in/a.tar", &pin, &how).unwrap();
            assert!(!place.path().join("a.tar.done").exists(), "{after:?}");
        }
        let moved = after != AfterKept::Delete;
        for name in ["done/a.tar.done", "done/a.2.tar.done"] {
            assert_eq!(place.path().join(name).exists(), moved, "{name}");
        }
        // What a crash left of one that was disposed of already.
        fs::write(place.path().join("a.tar.done"), "").unwrap();
        assert_eq!(source.dispose("source://in/a.tar", "any", &how), Ok(Disposed::Absent));
        assert!(!place.path().join("a.tar.done").exists());
    }
}

/// A bag in a folder, all of whose files say this.
fn write_bag(bag: &Path, text: &str) {
    fs::create_dir_all(bag.join("data")).unwrap();
    fs::write(bag.join("bagit.txt"), "x").unwrap();
    fs::write(bag.join("data/a"), text).unwrap();
}

#[test]
fn a_stop_between_renaming_a_deposit_and_looking_at_it_hides_nothing() {
    for how in [Disposal::Delete, Disposal::Move { to: "done".into() }] {
        let place = tempfile::tempdir().unwrap();
        let after = match &how {
            Disposal::Delete => AfterKept::Delete,
            Disposal::Move { to } => AfterKept::Move(to.clone()),
        };
        let source = source(place.path(), after);
        let path = |name: &str| place.path().join(name);
        fs::write(path("a.tar"), "one").unwrap();
        write_bag(&path("bag"), "one");
        let pin = source.look("source://in/a.tar").unwrap().pin;
        let pin_of_bag = source.look("source://in/bag").unwrap().pin;
        // Others of their names came, and then the process ended between the rename and the look.
        fs::write(path("a.tar"), "never taken in").unwrap();
        write_bag(&path("bag"), "never taken in");
        for name in ["a.tar", "bag"] {
            fs::rename(path(name), path(&format!("{name}{GOING}"))).unwrap();
        }
        assert_eq!(names(&source), ["a.tar", "bag"], "{how:?}");
        assert_eq!(source.dispose("source://in/a.tar", &pin, &how), Ok(Disposed::Changed));
        assert_eq!(source.dispose("source://in/bag", &pin_of_bag, &how), Ok(Disposed::Changed));
        assert_eq!(fs::read_to_string(path("a.tar")).unwrap(), "never taken in");
        assert_eq!(fs::read_to_string(path("bag/data/a")).unwrap(), "never taken in");
        // A third one has the name meanwhile: both stay.
        fs::rename(path("a.tar"), path(&format!("a.tar{GOING}"))).unwrap();
        fs::write(path("a.tar"), "third").unwrap();
        assert_eq!(names(&source), ["a.tar", "bag"]);
        assert!(source.dispose("source://in/a.tar", &pin, &how).is_err());
        assert_eq!(fs::read_to_string(path(&format!("a.tar{GOING}"))).unwrap(), "never taken in");
        assert_eq!(fs::read_to_string(path("a.tar")).unwrap(), "third");
    }
}
