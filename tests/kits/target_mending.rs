//! Putting published objects right: on every kind of target, and from every state a stop can leave.

use super::tiny_s3::{TinyS3, Wrong};
use super::{Plan, bytes, each, first, local, plan, s3, second, txn};
use jiff::Timestamp;
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use strongroom::model::digest::hex;
use strongroom::model::object::ObjectId;
use strongroom::rules::ocfl::layout;
use strongroom::worlds::fate::{Blow, Fate};
use strongroom::worlds::target::local::LocalTarget;
use strongroom::worlds::target::mending::{Aside, Mend, Mended, Mending};
use strongroom::worlds::target::rehearsal::{RehearsalTarget, Rot};
use strongroom::worlds::target::{Target, TargetError, Where};

const PATH: &str = "v1/content/bag/data/a";

fn aside(object: &ObjectId, path: &str, second: i64) -> Aside {
    let at = Timestamp::from_second(1_763_806_500 + second).unwrap();
    Aside { object: object.clone(), path: path.into(), at, why: "it has other bytes".into() }
}

fn sha512(text: &[u8]) -> String {
    hex(&Sha512::digest(text))
}

fn mend(target: &dyn Target, aside: &Aside, text: &[u8]) -> Result<Mended, TargetError> {
    let what =
        Mend { object: &aside.object, path: &aside.path, from: &text.to_vec(), sha512: &sha512(text), aside };
    target.mend(&what)
}

/// Name and bytes of what is in quarantine.
fn names(target: &dyn Target) -> Vec<(String, u64)> {
    let found = target.quarantine("").unwrap();
    assert!(found.iter().all(|one| one.of.is_some()), "{found:?}");
    found.into_iter().map(|one| (one.name, one.bytes)).collect()
}

fn files(target: &dyn Target, plan: &Plan) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut paths = Vec::new();
    target.files(&layout::object_path(&plan.object), &mut |path, _| paths.push(path.to_string())).unwrap();
    for path in paths {
        let at = bytes(target, Where::Object(&plan.object, &path)).unwrap();
        found.insert(path, at);
    }
    found
}

#[test]
fn a_file_is_put_right_and_what_lay_there_is_in_quarantine() {
    each(|target| {
        let plan = first();
        plan.store(target, &txn(1, 1));
        let whole = files(target, &plan);
        // What rot does is done here by the same verb.
        let (rot, right) = (aside(&plan.object, PATH, 0), aside(&plan.object, PATH, 1));
        assert_eq!(mend(target, &rot, b"oNe!").unwrap(), Mended::Replaced { name: rot.name(), bytes: 3 });
        assert_eq!(bytes(target, Where::Object(&plan.object, PATH)).unwrap(), b"oNe!");
        assert_eq!(mend(target, &right, b"one").unwrap(), Mended::Replaced { name: right.name(), bytes: 4 });
        assert_eq!(mend(target, &right, b"one").unwrap(), Mended::Already);
        assert_eq!(files(target, &plan), whole);
        assert!(plan.is_head(target));
        let found = target.quarantine("").unwrap();
        assert_eq!(names(target), [(rot.name(), 3), (right.name(), 4)]);
        assert_eq!(found[1].of.as_ref(), Some(&right));
        // Nothing of it lies where walks and validators look.
        let mut strays = Vec::new();
        let told = &mut |lies: strongroom::worlds::target::holdings::Lies<'_>| {
            strays.push(format!("{lies:?}"));
            true
        };
        target.walk(None, told).unwrap();
        assert_eq!(strays.len(), 1, "{strays:?}");
        assert_eq!(target.kept().unwrap(), []);
    });
}

#[test]
fn inventories_side_cars_and_declarations_are_put_right_as_well() {
    each(|target| {
        let one = first();
        one.store(target, &txn(1, 1));
        let two = second(&one);
        two.store(target, &txn(2, 1));
        let whole = files(target, &two);
        for (number, path) in whole.keys().filter(|path| !path.contains("content")).enumerate() {
            let at = i64::try_from(number).unwrap();
            mend(target, &aside(&two.object, path, 10 * at), b"{}").unwrap();
            mend(target, &aside(&two.object, path, 10 * at + 1), &whole[path]).unwrap();
            assert!(two.is_head(target), "{path}");
        }
        assert_eq!(files(target, &two), whole);
    });
}

#[test]
fn what_nothing_names_is_set_aside_and_what_is_missing_is_filled() {
    each(|target| {
        let plan = first();
        plan.store(target, &txn(1, 1));
        let whole = files(target, &plan);
        let extra = aside(&plan.object, "v1/content/bag/new/er/x", 0);
        assert_eq!(mend(target, &extra, b"stranger").unwrap(), Mended::Filled);
        assert_eq!(names(target), []);
        assert_eq!(target.set_aside(&extra).unwrap(), Some(8));
        assert_eq!(target.set_aside(&extra).unwrap(), None);
        assert_eq!(files(target, &plan), whole, "folders that are empty are gone, too");
        let lost = aside(&plan.object, PATH, 1);
        assert_eq!(target.set_aside(&lost).unwrap(), Some(3));
        assert!(matches!(bytes(target, Where::Object(&plan.object, PATH)), Err(TargetError::Absent { .. })));
        assert_eq!(mend(target, &lost, b"one").unwrap(), Mended::Filled);
        assert_eq!(files(target, &plan), whole);
        assert_eq!(names(target), [(extra.name(), 8), (lost.name(), 3)]);
    });
}

#[test]
fn the_same_file_goes_into_quarantine_as_often_as_it_is_bad() {
    each(|target| {
        let plan = first();
        plan.store(target, &txn(1, 1));
        let one = aside(&plan.object, PATH, 0);
        for text in [b"bad 1", b"bad 2", b"bad 3"] {
            mend(target, &one, text).unwrap();
        }
        mend(target, &one, b"one").unwrap();
        let wanted = [(one.name(), 3), (format!("{}.2", one.name()), 5), (format!("{}.3", one.name()), 5)];
        assert_eq!(names(target)[..3], wanted);
        assert_eq!(names(target).len(), 4);
    });
}

#[test]
fn a_source_with_other_bytes_and_an_object_that_is_gone_change_nothing() {
    each(|target| {
        let plan = first();
        let one = aside(&plan.object, PATH, 0);
        assert!(matches!(mend(target, &one, b"one"), Err(TargetError::Moved { .. })));
        plan.store(target, &txn(1, 1));
        let whole = files(target, &plan);
        let what = Mend {
            object: &plan.object,
            path: PATH,
            from: &b"two".to_vec(),
            sha512: &sha512(b"three"),
            aside: &one,
        };
        assert!(target.mend(&what).is_err());
        assert_eq!(files(target, &plan), whole);
        assert_eq!(names(target), []);
        for path in ["", "/x", "../x", "v1/../../x"] {
            assert!(mend(target, &aside(&plan.object, path, 0), b"x").is_err(), "{path}");
            assert!(target.set_aside(&aside(&plan.object, path, 0)).is_err(), "{path}");
        }
    });
}

#[test]
fn rot_on_the_way_in_replaces_nothing() {
    for rot in [Rot::Empty, Rot::Zeroes, Rot::Short, Rot::BitFlip, Rot::OtherBytes, Rot::Lost] {
        let target = RehearsalTarget::new("r", Arc::new(Fate::default()));
        let plan = first();
        plan.store(&target, &txn(1, 1));
        target.damage(&plan.object, PATH, b"oNe".to_vec());
        target.corrupt_next_put(rot);
        assert!(mend(&target, &aside(&plan.object, PATH, 0), b"one").is_err(), "{rot:?}");
        assert_eq!(bytes(&target, Where::Object(&plan.object, PATH)).unwrap(), b"oNe");
        mend(&target, &aside(&plan.object, PATH, 0), b"one").unwrap();
        assert_eq!(names(&target).len(), 1);
    }
}

#[test]
fn a_rehearsal_that_is_cut_off_anywhere_ends_the_same_when_done_again() {
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=3 {
            let fate = Arc::new(Fate::default());
            let target = RehearsalTarget::new("r", fate.clone());
            let plan = first();
            plan.store(&target, &txn(1, 1));
            target.damage(&plan.object, PATH, b"oNe".to_vec());
            fate.plan(at, blow);
            let tried = mend(&target, &aside(&plan.object, PATH, 0), b"one");
            assert_eq!(tried.is_err(), at < 3, "{blow:?} at {at}");
            fate.recover();
            mend(&target, &aside(&plan.object, PATH, 0), b"one").unwrap();
            assert_eq!(bytes(&target, Where::Object(&plan.object, PATH)).unwrap(), b"one");
            assert_eq!(names(&target), [(aside(&plan.object, PATH, 0).name(), 3)], "{blow:?} at {at}");
        }
    }
}

#[test]
fn what_a_stop_left_in_a_folder_goes_on_its_way() {
    let open = |path: &std::path::Path| LocalTarget::open("east", path, "k3v9").unwrap();
    let plan = first();
    let one = aside(&plan.object, PATH, 0);
    let staged = format!("work/mending/{}.{}", one.name(), sha512(b"one"));
    // Before the exchange the right bytes lie beside, after it the bad ones.
    for (beside, live) in [("one", "oNe!"), ("oNe!", "one"), ("on", "oNe!")] {
        let folder = tempfile::tempdir().unwrap();
        let target = local::open(folder.path());
        let object = folder.path().join("ocfl").join(plan.store(&target, &txn(1, 1)));
        fs::write(object.join(PATH), "oNe!").unwrap();
        mend(&target, &one, b"one").unwrap();
        let kept = folder.path().join("work/quarantine").join(one.name());
        fs::remove_file(&kept).unwrap();
        fs::write(object.join(PATH), live).unwrap();
        fs::write(folder.path().join(&staged), beside).unwrap();
        drop(target);
        let target = open(folder.path());
        assert!(!folder.path().join(&staged).exists(), "{beside} {live}");
        mend(&target, &one, b"one").unwrap();
        assert_eq!(fs::read(object.join(PATH)).unwrap(), b"one");
        let found: Vec<u64> = names(&target).into_iter().map(|(_, bytes)| bytes).collect();
        // A staged file that is cut short is nobody's: it is kept, for it might have been the bad one.
        let wanted: &[u64] = if beside == "on" { &[2, 4] } else { &[4] };
        assert_eq!(found, wanted, "{beside} {live}");
    }
}

#[test]
fn where_nothing_can_be_swapped_a_stop_leaves_a_missing_file_that_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let target = local::open(folder.path()).without_exchange();
    let plan = first();
    let one = aside(&plan.object, PATH, 0);
    let object = folder.path().join("ocfl").join(plan.store(&target, &txn(1, 1)));
    fs::write(object.join(PATH), "oNe!").unwrap();
    mend(&target, &one, b"one").unwrap();
    // The bad file lay in quarantine already, the new one not yet in its place.
    let staged = folder.path().join(format!("work/mending/{}.{}", one.name(), sha512(b"one")));
    fs::rename(object.join(PATH), &staged).unwrap();
    drop(target);
    let target = LocalTarget::open("east", folder.path(), "k3v9").unwrap().without_exchange();
    assert!(!staged.exists());
    assert_eq!(mend(&target, &one, b"one").unwrap(), Mended::Filled);
    assert_eq!(fs::read(object.join(PATH)).unwrap(), b"one");
    assert_eq!(names(&target), [(one.name(), 4)]);
}

#[test]
fn links_and_folders_where_files_belong_are_set_aside_or_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let target = local::open(folder.path());
    let plan = first();
    let object = folder.path().join("ocfl").join(plan.store(&target, &txn(1, 1)));
    let whole = files(&target, &plan);
    fs::write(folder.path().join("elsewhere"), "one").unwrap();
    let path = object.join(PATH);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    mend(&target, &aside(&plan.object, PATH, 0), b"one").unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), "12345").unwrap();
    mend(&target, &aside(&plan.object, PATH, 1), b"one").unwrap();
    std::os::unix::fs::symlink("/", object.join("v1/content/root")).unwrap();
    fs::create_dir_all(object.join("v1/content/hollow/deep")).unwrap();
    let mut told = Vec::new();
    let path = layout::object_path(&plan.object);
    target.files_of(&path, &mut |path| told.push(path.to_string()));
    assert!(told.contains(&"v1/content/root/".into()), "{told:?}");
    assert!(told.contains(&"v1/content/hollow/deep/".into()), "{told:?}");
    assert_eq!(target.set_aside(&aside(&plan.object, "v1/content/root/", 2)).unwrap(), Some(0));
    assert_eq!(target.set_aside(&aside(&plan.object, "v1/content/hollow/deep/", 3)).unwrap(), Some(0));
    assert_eq!(files(&target, &plan), whole);
    assert!(!object.join("v1/content/hollow").exists());
    assert_eq!(fs::read(folder.path().join("elsewhere")).unwrap(), b"one");
    let kept: Vec<u64> = names(&target).into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(kept, [0, 5, 0]);
}

trait FilesOf {
    fn files_of(&self, folder: &str, each: &mut dyn FnMut(&str));
}

impl FilesOf for LocalTarget {
    fn files_of(&self, folder: &str, each: &mut dyn FnMut(&str)) {
        strongroom::worlds::target::holdings::Holdings::files(self, folder, &mut |path, _| each(path))
            .unwrap();
    }
}

#[test]
fn a_stop_at_any_request_to_a_bucket_loses_no_bad_bytes_and_ends_the_same_when_done_again() {
    let plan = plan("strongroom:uva.edu/a", 1, &[("bag/data/a", "one")], None);
    let (one, extra) = (aside(&plan.object, PATH, 0), aside(&plan.object, "v1/content/bag/x", 0));
    let (mut stops, mut half_done) = (0, 0);
    for after in [false, true] {
        for stop in 1.. {
            let store = TinyS3::new();
            let target = s3::open(&store);
            plan.store(&target, &txn(1, 1));
            mend(&target, &aside(&plan.object, PATH, -9), b"oNe!").unwrap();
            mend(&target, &extra, b"stranger").unwrap();
            store.goes_wrong(Wrong { stop_at: Some(stop), after, ..Wrong::default() });
            let work = |target: &dyn Target| -> Result<(), TargetError> {
                mend(target, &one, b"one")?;
                target.set_aside(&extra).map(drop)
            };
            let whole = work(&target).is_ok();
            store.goes_wrong(Wrong::default());
            std::mem::forget(target);
            let target = s3::open(&store);
            work(&target).unwrap();
            assert_eq!(files(&target, &plan)[PATH], b"one", "{stop} {after}");
            assert!(!files(&target, &plan).contains_key("v1/content/bag/x"), "{stop} {after}");
            let kept: Vec<u64> = names(&target).into_iter().map(|(_, bytes)| bytes).collect();
            assert_eq!(kept.iter().sum::<u64>(), 3 + 4 + 8, "{stop} {after}: {kept:?}");
            assert_eq!(kept.len(), 3, "{stop} {after}");
            // What was sent and not removed goes with the word of its own repair, and of no other.
            let lies = || store.keys("vault/work/mending/");
            let left = lies();
            target.sweep_up(&Aside::names_of(&plan.object, aside(&plan.object, PATH, 7).at)).unwrap();
            assert_eq!(lies(), left, "{stop} {after}");
            target.sweep_up(&Aside::names_of(&plan.object, one.at)).unwrap();
            assert_eq!(lies(), [""; 0], "{stop} {after}");
            half_done += left.len();
            stops += 1;
            if whole {
                break;
            }
        }
    }
    assert!(stops > 20, "{stops}");
    assert!(half_done > 0, "no stop left anything half-done");
}

#[test]
fn a_bucket_that_puts_other_bytes_aside_is_not_written_to() {
    let store = TinyS3::new();
    let target = s3::open(&store);
    let plan = first();
    plan.store(&target, &txn(1, 1));
    mend(&target, &aside(&plan.object, PATH, 0), b"oNe!").unwrap();
    store.goes_wrong(Wrong { rot: Some(|_| Some(b"??".to_vec())), ..Wrong::default() });
    assert!(mend(&target, &aside(&plan.object, PATH, 1), b"one").is_err());
    store.goes_wrong(Wrong::default());
    assert_eq!(bytes(&target, Where::Object(&plan.object, PATH)).unwrap(), b"oNe!");
    mend(&target, &aside(&plan.object, PATH, 1), b"one").unwrap();
    assert_eq!(bytes(&target, Where::Object(&plan.object, PATH)).unwrap(), b"one");
}
