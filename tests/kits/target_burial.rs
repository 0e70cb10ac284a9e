//! What every target must do when an object gives way to its tombstone.

use super::tiny_s3::{TinyS3, Without, Wrong};
use super::{Plan, bytes, each, first, local, plan, s3, second, txn};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom::rules::ocfl::layout;
use strongroom::worlds::fate::{Blow, Fate};
use strongroom::worlds::target::burial::{Burial, Buried};
use strongroom::worlds::target::rehearsal::RehearsalTarget;
use strongroom::worlds::target::{Publication, Target, TargetError, Txn, Where};

const LOG: &str = "20251122T101500Z-a-ingestion.jsonl";

/// The object that takes the place of the first plan's.
fn tombstone() -> Plan {
    let files = [("metadata/tombstone.json", "{\"schema\":1}"), ("metadata/premis.xml", "<premis/>")];
    plan("strongroom:uva.edu/a", 1, &files, None)
}

fn entomb_while(
    target: &dyn Target,
    txn: &Txn,
    versions: &[&Plan],
    go_on: &mut dyn FnMut(u64) -> bool,
) -> Result<Buried, TargetError> {
    let stone = tombstone();
    target.begin(txn, &stone.object, 1)?;
    stone.put(target, txn)?;
    let versions: Vec<String> = versions.iter().map(|plan| plan.sha512.clone()).collect();
    let publication = Publication {
        object: &stone.object,
        version: 1,
        inventory: &stone.json,
        inventory_sha512: &stone.sha512,
        base_sha512: None,
    };
    target.entomb(txn, &Burial { tombstone: publication, versions: &versions }, go_on)
}

fn entomb(target: &dyn Target, txn: &Txn, versions: &[&Plan]) -> Result<Buried, TargetError> {
    entomb_while(target, txn, versions, &mut |_| true)
}

/// Files of the object's folder, with their bytes.
fn files(target: &dyn Target, plan: &Plan) -> BTreeMap<String, Vec<u8>> {
    let mut paths = Vec::new();
    let listed =
        target.files(&layout::object_path(&plan.object), &mut |path, _| paths.push(path.to_string()));
    listed.unwrap();
    paths
        .into_iter()
        .map(|path| (path.clone(), bytes(target, Where::Object(&plan.object, &path)).unwrap()))
        .collect()
}

/// The tombstone, whole, with the logs of the object and nothing else.
fn is_buried(target: &dyn Target, logs: &[&str]) {
    let stone = tombstone();
    assert!(stone.is_head(target));
    let found: Vec<String> = files(target, &stone).into_keys().collect();
    let own = [
        "0=ocfl_object_1.1",
        "inventory.json",
        "inventory.json.sha512",
        "v1/content/metadata/premis.xml",
        "v1/content/metadata/tombstone.json",
        "v1/inventory.json",
        "v1/inventory.json.sha512",
    ];
    let mut wanted: Vec<String> = own.iter().map(|path| path.to_string()).collect();
    wanted.extend(logs.iter().map(|name| format!("logs/premis/{name}")));
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(target.under_way().unwrap(), []);
}

#[test]
fn a_tombstone_takes_the_place_of_an_object_and_keeps_its_logs() {
    each(|target| {
        let one = first();
        let two = second(&one);
        one.store(target, &txn(1, 1));
        target.log(&one.object, LOG, b"{}\n").unwrap();
        two.store(target, &txn(2, 1));
        let told = entomb(target, &txn(3, 1), &[&one, &two]).unwrap();
        assert!(told.is_over(), "{told:?}");
        is_buried(target, &[LOG]);
        // Once more, by a later try: nothing is left to do.
        let told = entomb(target, &txn(3, 2), &[&one, &two]).unwrap();
        assert_eq!(told, Buried::default());
        is_buried(target, &[LOG]);
        target.log(&one.object, "20251123T101500Z-b-deletion.jsonl", b"{}\n").unwrap();
        is_buried(target, &[LOG, "20251123T101500Z-b-deletion.jsonl"]);
    });
}

#[test]
fn a_tombstone_comes_also_where_the_object_is_not() {
    each(|target| {
        assert!(entomb(target, &txn(3, 1), &[&first()]).unwrap().is_over());
        is_buried(target, &[]);
    });
}

#[test]
fn an_object_that_nobody_gave_up_is_left_as_it_is() {
    each(|target| {
        let one = first();
        let two = second(&one);
        one.store(target, &txn(1, 1));
        two.store(target, &txn(2, 1));
        let before = files(target, &one);
        let told = entomb(target, &txn(3, 1), &[&one]);
        assert!(matches!(told, Err(TargetError::Moved { .. })), "{told:?}");
        assert_eq!(files(target, &one), before);
        target.discard(&txn(3, 1)).unwrap();
        assert!(two.is_head(target));
    });
}

#[test]
fn a_burial_that_is_broken_off_goes_on_where_it_was() {
    each(|target| {
        let payload: Vec<(String, String)> =
            (0..200).map(|n| (format!("bag/data/{}/{n}", n % 7), format!("bytes of {n}"))).collect();
        let payload: Vec<(&str, &str)> =
            payload.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let large = plan("strongroom:uva.edu/a", 1, &payload, None);
        large.store(target, &txn(1, 1));
        let told = entomb_while(target, &txn(3, 1), &[&large], &mut |_| false).unwrap();
        let told = match told.more {
            true => entomb(target, &txn(3, 2), &[&large]).unwrap(),
            // A page of keys is one step.
            false => told,
        };
        assert!(told.is_over(), "{told:?}");
        is_buried(target, &[]);
    });
}

#[test]
fn files_that_cannot_be_removed_are_counted_once_each_and_removed_by_a_later_try() {
    let stubborn: Vec<(String, String)> = (0..600)
        .map(|n| (format!("bag/data/{}{n:04}", if n < 500 { "stubborn/" } else { "" }), format!("{n}")))
        .collect();
    let stubborn: Vec<(&str, &str)> =
        stubborn.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let large = plan("strongroom:uva.edu/a", 1, &stubborn, None);
    let check = |target: &dyn Target, mend: &dyn Fn()| {
        let first = entomb(target, &txn(3, 1), &[&large]).unwrap();
        assert_eq!(first.left, 500, "{first:?}");
        assert!(!first.is_over() && first.why.is_some() && first.removed >= 100, "{first:?}");
        let second = entomb(target, &txn(3, 2), &[&large]).unwrap();
        assert_eq!(second.left, 500, "{second:?}");
        mend();
        let third = entomb(target, &txn(3, 3), &[&large]).unwrap();
        assert!(third.is_over() && third.removed >= 500, "{third:?}");
        is_buried(target, &[]);
    };
    let target = RehearsalTarget::new("r", Arc::new(Fate::default()));
    large.store(&target, &txn(1, 1));
    target.refuse_removal("stubborn");
    check(&target, &|| target.refuse_removal(""));
    let store = TinyS3::new();
    let target = s3::open(&store);
    large.store(&target, &txn(1, 1));
    store.goes_wrong(Wrong { keeps: Some("stubborn"), ..Wrong::default() });
    let undeclared = || {
        assert_eq!(target.head(&large.object), Ok(None), "no object is seen while keys are left");
        store.goes_wrong(Wrong::default());
    };
    check(&target, &undeclared);
    let folder = tempfile::tempdir().unwrap();
    let target = local::open(folder.path());
    let place = large.store(&target, &txn(1, 1));
    let content = folder.path().join("ocfl").join(place).join("v1/content/bag/data/stubborn");
    if !immutable("+i", &content) {
        return;
    }
    let trash = folder.path().join("work/trash/k3v9-3/1/v1/content/bag/data/stubborn");
    check(&target, &|| assert!(immutable("-i", &trash)));
    assert!(!folder.path().join("work/trash/k3v9-3").exists());
}

/// Makes a folder one of which no file can be removed, or takes that back; false, told on stdout, where nobody may.
fn immutable(how: &str, folder: &Path) -> bool {
    let done = Command::new("chattr").arg(how).arg(folder).output();
    let done = done.is_ok_and(|done| done.status.success());
    if !done {
        println!("skipped: chattr {how} does nothing here");
    }
    done
}

#[test]
fn a_damaged_object_is_given_up_as_it_is_if_it_is_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let (one, target) = (first(), local::open(folder.path()));
    let place = folder.path().join("ocfl").join(one.store(&target, &txn(1, 1)));
    fs::write(place.join("inventory.json"), "{").unwrap();
    assert!(entomb(&target, &txn(3, 1), &[&second(&one)]).is_err(), "it is another one");
    fs::remove_file(place.join("0=ocfl_object_1.1")).unwrap();
    assert!(entomb(&target, &txn(3, 1), &[&one]).unwrap().is_over());
    is_buried(&target, &[]);
    let store = TinyS3::new();
    let target = s3::open(&store);
    one.store(&target, &txn(1, 1));
    let key = format!("vault/ocfl/{}/inventory.json", layout::object_path(&one.object));
    store.look(|state| state.objects.get_mut(&key).unwrap().bytes = Arc::new(b"{".to_vec()));
    assert!(entomb(&target, &txn(3, 1), &[&second(&one)]).is_err(), "it is another one");
    assert!(entomb(&target, &txn(3, 1), &[&one]).unwrap().is_over());
    is_buried(&target, &[]);
}

#[test]
fn somebody_who_looks_all_the_time_sees_the_object_or_its_tombstone() {
    let folder = tempfile::tempdir().unwrap();
    let target = local::open(folder.path());
    if !target.abilities().exchange {
        println!("skipped: this file system cannot swap folders");
        return;
    }
    let (one, stone) = (first(), tombstone());
    let place = folder.path().join("ocfl").join(one.store(&target, &txn(1, 1)));
    let over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut before, mut after) = (0u64, 0u64);
            while !over.load(Ordering::Relaxed) || after == 0 {
                let found =
                    fs::read(place.join("inventory.json")).expect("there is an object at every moment");
                before += u64::from(found == one.json);
                after += u64::from(found == stone.json);
                assert!(found == one.json || found == stone.json);
            }
            (before, after)
        });
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(entomb(&target, &txn(3, 1), &[&one]).unwrap().is_over());
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(seen.0 > 0 && seen.1 > 0, "{seen:?}");
}

#[test]
fn a_burial_by_renames_is_finished_from_every_state_a_stop_can_leave() {
    // The steps of the slower way, made by hand, each followed by another opening of the target.
    for stop in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let (one, stone) = (first(), tombstone());
        let target = local::open(folder.path()).without_exchange();
        let place = folder.path().join("ocfl").join(one.store(&target, &txn(1, 1)));
        target.log(&one.object, LOG, b"{}\n").unwrap();
        // A tombstone made whole beside: as a burial leaves it before its first rename.
        let other = tempfile::tempdir().unwrap();
        let made = local::open(other.path());
        let stone_place = other.path().join("ocfl").join(stone.store(&made, &txn(9, 1)));
        let work = folder.path().join("work/k3v9-3.1");
        fs::create_dir_all(&work).unwrap();
        let copied = Command::new("cp").arg("-a").arg(&stone_place).arg(work.join("obj")).status();
        assert!(copied.unwrap().success());
        let trash = folder.path().join("work/trash/k3v9-3");
        fs::create_dir_all(&trash).unwrap();
        let intent = format!("{{\"object\":\"{}\",\"aside\":\"work/trash/k3v9-3/1\"}}", one.object);
        fs::write(work.join("burial.json"), intent).unwrap();
        if stop >= 1 {
            fs::rename(&place, trash.join("1")).unwrap();
        }
        if stop >= 2 {
            fs::rename(trash.join("1/logs"), work.join("obj/logs")).unwrap();
        }
        drop(target);
        let target = local::open(folder.path()).without_exchange();
        assert_eq!(stone.is_head(&target), stop > 0, "{stop}");
        assert_eq!(one.is_head(&target), stop == 0, "{stop}");
        assert!(entomb(&target, &txn(3, 2), &[&one]).unwrap().is_over(), "{stop}");
        is_buried(&target, &[LOG]);
        assert!(!trash.exists(), "{stop}");
    }
}

#[test]
fn a_stop_at_any_request_of_a_burial_is_gone_on_from() {
    for without in
        [Without::default(), Without { conditions: true, uploads_listed: true, ..Without::default() }]
    {
        let one = first();
        let two = second(&one);
        let begun = TinyS3::without(without);
        {
            let target = s3::open(&begun);
            one.store(&target, &txn(1, 1));
            target.log(&one.object, LOG, b"{}\n").unwrap();
            two.store(&target, &txn(2, 1));
            std::mem::forget(target);
        }
        let before = begun.look(|state| state.objects.clone());
        let bury = |store: &TinyS3, fence: u64| -> Result<Buried, TargetError> {
            entomb(&s3::open_with(&s3::config(store))?, &txn(3, fence), &[&one, &two])
        };
        begun.goes_wrong(Wrong::default());
        bury(&begun, 1).unwrap();
        let requests = begun.look(|state| state.requests);
        assert!(requests > 30, "{requests}");
        for stop in 1..=requests {
            for after in [false, true] {
                let store = TinyS3::without(without);
                store.look(|state| state.objects.clone_from(&before));
                store.goes_wrong(Wrong { stop_at: Some(stop), after, ..Wrong::default() });
                let ended = bury(&store, 1);
                store.goes_wrong(Wrong::default());
                let target = s3::open_with(&s3::config(&store)).unwrap();
                // Whatever the moment: the object as it was, nothing, or the tombstone; each whole.
                match target.head(&one.object).unwrap() {
                    Some(head) if head.inventory_sha512 == two.sha512 => {
                        assert_eq!(files(&target, &two).len(), 14, "{stop} ({after}): {ended:?}");
                    }
                    Some(_) => assert!(tombstone().is_head(&target)),
                    None => {}
                }
                let again = entomb(&target, &txn(3, 2), &[&one, &two]);
                assert!(again.as_ref().is_ok_and(Buried::is_over), "{stop} ({after}), {ended:?}: {again:?}");
                is_buried(&target, &[LOG]);
            }
        }
    }
}

#[test]
fn every_write_of_a_rehearsed_burial_may_fail_or_lose_the_power() {
    let (one, fate) = (first(), Arc::new(Fate::default()));
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1.. {
            let target = RehearsalTarget::new("r", fate.clone());
            fate.recover();
            one.store(&target, &txn(1, 1));
            fate.plan(at, blow);
            let first = entomb(&target, &txn(3, 1), &[&one]);
            let struck = fate.writes() >= at;
            fate.recover();
            assert!(one.is_head(&target) || tombstone().is_head(&target));
            assert!(entomb(&target, &txn(3, 2), &[&one]).unwrap().is_over(), "{blow:?} at {at}: {first:?}");
            is_buried(&target, &[]);
            assert_eq!(target.trash(), 0);
            if !struck {
                assert!(at > 10);
                break;
            }
        }
    }
}

#[test]
fn every_file_of_a_buried_object_is_counted_once() {
    each(|target| {
        let payload: Vec<(String, String)> =
            (0..40).map(|n| (format!("bag/data/{n:02}"), format!("bytes of {n}"))).collect();
        let payload: Vec<(&str, &str)> =
            payload.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let one = plan("strongroom:uva.edu/a", 1, &payload, None);
        one.store(target, &txn(1, 1));
        let bare = entomb(target, &txn(3, 1), &[&one]).unwrap().removed;
        assert!((40..=45).contains(&bare), "{bare}");
        // The same object with a log, which stays.
        let other = plan("strongroom:uva.edu/b", 1, &payload, None);
        other.store(target, &txn(2, 1));
        target.log(&other.object, LOG, b"{}\n").unwrap();
        let files = [("metadata/tombstone.json", "{\"schema\":1}"), ("metadata/premis.xml", "<premis/>")];
        let stone = plan("strongroom:uva.edu/b", 1, &files, None);
        target.begin(&txn(4, 1), &stone.object, 1).unwrap();
        stone.put(target, &txn(4, 1)).unwrap();
        let tombstone = Publication {
            object: &stone.object,
            version: 1,
            inventory: &stone.json,
            inventory_sha512: &stone.sha512,
            base_sha512: None,
        };
        let versions = [other.sha512.clone()];
        let told = target.entomb(&txn(4, 1), &Burial { tombstone, versions: &versions }, &mut |_| true);
        assert!(
            told.as_ref().is_ok_and(|told| told.removed == bare || told.removed == bare + 1),
            "{bare}: {told:?}"
        );
    });
}
