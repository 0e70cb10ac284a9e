//! Objects have the copies that their policy asks for: the one that was chosen, on the targets that are in use, also when
//! targets come, lag, rot or go.

use crate::rehearsal::{House, house_of, log_lines, policy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strongroom::books::ledger::{ObjectChange, PendingLog, TargetUse};
use strongroom::model::item::Asker;
use strongroom::model::object::{ObjectId, VersionRow};
use strongroom::model::trouble::Stop;
use strongroom::rules::sort::MemoryScratch;
use strongroom::work::keeping::{Fill, Filled, depends_on, fill};
use strongroom::work::levelling::Leveller;
use strongroom::work::proving::{Proof, Wanted, prove};
use strongroom::worlds::fate::Blow;
use strongroom::worlds::target::rehearsal::Rot;

const ONE: [(&str, &str); 3] = [("a.txt", "alpha"), ("b/c.txt", "gamma"), ("twin.txt", "alpha")];
const TWO: [(&str, &str); 3] = [("a.txt", "alpha"), ("b/c.txt", "gamma, changed"), ("new.txt", "delta")];

/// A third target is there, and no policy names it.
fn house() -> House {
    house_of(&["a", "b", "c"], &|target| target)
}

fn anna() -> Asker {
    Asker { uid: 7, name: "anna".into(), door: "test".into() }
}

fn photos() -> ObjectId {
    ObjectId::of("uva.edu", "photos")
}

fn versions(house: &House) -> Vec<VersionRow> {
    house.ledger.versions(&photos()).unwrap()
}

fn copies(house: &House) -> Vec<Vec<String>> {
    let names = |version: &VersionRow| version.copies.iter().map(|copy| copy.target.clone()).collect();
    versions(house).iter().map(names).collect()
}

fn fill_all(house: &House) -> Filled {
    let what = Fill {
        target: None,
        after: None,
        at_most: Duration::from_secs(3_600),
        only_count: false,
        over: &|| false,
    };
    fill(&house.world, &house.ledger, &house.settings, &what).unwrap()
}

fn proof(house: &House, target: &str) -> Proof {
    let inventories: BTreeMap<u32, String> =
        versions(house).into_iter().map(|version| (version.version, version.inventory_sha512)).collect();
    let wanted = Wanted { object: &photos(), inventories: &inventories };
    prove(&*house.targets[target], &wanted, &MemoryScratch::default(), &|_| Ok(())).unwrap()
}

/// Two versions on a and b.
fn two_versions() -> House {
    let house = house();
    house.deposit("photos", &ONE);
    house.run();
    house.deposit("photos", &TWO);
    house.run();
    assert_eq!(copies(&house), [["a", "b"], ["a", "b"]]);
    house
}

/// The policy gets c as its third target.
fn with_c(mut house: House) -> House {
    house.settings.policies.insert("default".into(), policy("default", &["a", "c", "b"]));
    house
}

/// Events of logs on a target, their chain checked.
fn logged(house: &House, target: &str) -> Vec<String> {
    log_lines(house, target, &photos())
        .iter()
        .map(|line| line.event.event_type.term().1.to_string())
        .collect()
}

#[test]
fn a_bag_may_ask_for_a_policy_by_its_storage_option() {
    let mut house = house();
    house.settings.policies.insert("cold".into(), policy("cold", &["b", "c"]));
    house.settings.storage_options.insert("Glacier-OH".into(), "cold".into());
    house.deposit_for("photos", &ONE, "Glacier-OH");
    house.deposit_for("films", &ONE, "Standard");
    house.run();
    assert_eq!(copies(&house), [["b", "c"]]);
    assert_eq!(house.ledger.object(&photos()).unwrap().unwrap().policy, "cold");
    let films = ObjectId::of("uva.edu", "films");
    assert_eq!(house.ledger.object(&films).unwrap().unwrap().policy, "default");
    let told: Vec<String> = house.events().into_iter().map(|event| event.detail).collect();
    assert!(told.iter().any(|told| told == "policy cold: its Storage-Option is Glacier-OH"), "{told:?}");
    assert!(told.iter().any(|told| told.ends_with("; no policy is for its Storage-Option Standard")));
}

#[test]
fn a_later_version_follows_the_policy_of_the_object_unless_somebody_asks() {
    let mut house = house();
    house.settings.policies.insert("cold".into(), policy("cold", &["b", "c"]));
    house.settings.storage_options.insert("Glacier-OH".into(), "cold".into());
    house.deposit("photos", &ONE);
    house.run();
    house.deposit_for("photos", &TWO, "Glacier-OH");
    house.run();
    assert_eq!(copies(&house), [["a", "b"], ["a", "b"]]);
    // Asked for by a person: every copy ends in the same version, so the new target gets the older ones, too.
    house.source.add_tar("/inbox/photos.tar", crate::rehearsal::tar("photos", &ONE));
    house.submit_asking("photos", "/inbox/photos.tar", Some("cold"));
    house.run();
    let found = copies(&house);
    assert_eq!(found[2], ["b", "c"]);
    assert!(found[..2].iter().all(|copies| copies.contains(&"c".to_string())), "{found:?}");
    assert_eq!(house.ledger.object(&photos()).unwrap().unwrap().policy, "cold");
    assert!(proof(&house, "c").is_sound(), "{:?}", proof(&house, "c"));
}

#[test]
fn a_target_that_joins_a_policy_gets_every_version_with_its_events() {
    let house = with_c(two_versions());
    let filled = fill_all(&house);
    assert_eq!((filled.objects, filled.versions, filled.lacking), (1, 2, 0), "{filled:?}");
    assert_eq!(copies(&house), [["a", "b", "c"], ["a", "b", "c"]]);
    assert!(proof(&house, "c").is_sound(), "{:?}", proof(&house, "c"));
    assert_eq!(house.targets["a"].files(&photos()), house.targets["c"].files(&photos()));
    for target in ["a", "b", "c"] {
        assert_eq!(logged(&house, target).last().map(String::as_str), Some("rep"), "{target}");
    }
    assert_eq!(house.ledger.object_events(&photos()).unwrap().len(), 1);
    assert_eq!(fill_all(&house), Filled { objects: 1, ..Filled::default() });
}

#[test]
fn what_lay_there_before_keeps_its_time_of_proof_when_a_later_version_is_copied() {
    let mut house = house();
    house.deposit("photos", &ONE);
    house.run();
    house.clock.advance(Duration::from_secs(60 * 86_400));
    house.settings.policies.insert("default".into(), policy("default", &["a", "c"]));
    house.deposit("photos", &TWO);
    house.run();
    let proved = |version: usize, target: &str| {
        let row = versions(&house).swap_remove(version);
        row.copies.into_iter().find(|copy| copy.target == target).map(|copy| copy.proved_at)
    };
    let before = proved(0, "b").unwrap();
    assert_eq!(proved(1, "b"), None, "b lags");
    let step = |_| Ok(());
    let leveller =
        Leveller { world: &house.world, ledger: &house.ledger, settings: &house.settings, step: &step };
    assert_eq!(leveller.level(&photos(), "b").unwrap().versions, 1);
    assert!(proved(1, "b").unwrap() > before, "the later version was read back");
    assert_eq!(proved(0, "b"), Some(before), "nobody read the first one again");
}

#[test]
fn events_that_one_target_cannot_take_do_not_keep_those_of_another_from_it() {
    let house = house();
    house.deposit("photos", &ONE);
    house.run();
    // As many as are spread at once wait for a target that left the configuration.
    let row = house.ledger.object(&photos()).unwrap().unwrap();
    for (number, to) in (0..300).map(|number| (number, "gone")).chain([(300, "b")]) {
        let log = PendingLog {
            object: photos(),
            name: format!("{number:04}.jsonl"),
            text: "{}\n".into(),
            left: vec![to.into()],
        };
        let change = ObjectChange {
            object: row.clone(),
            versions: Vec::new(),
            events: Vec::new(),
            log: Some(log),
            damage: Vec::new(),
        };
        house.ledger.change_object(change).unwrap();
    }
    for _ in 0..3 {
        strongroom::work::keeping::spread(&house.world, &house.ledger);
    }
    let files = house.targets["b"].files(&photos());
    assert!(files.contains_key("logs/premis/0300.jsonl"), "{:?}", files.keys());
}

#[test]
fn a_deposit_levels_a_target_that_lags_before_its_own_version() {
    let house = with_c(two_versions());
    house.deposit("photos", &ONE);
    house.run();
    assert_eq!(copies(&house), [["a", "b", "c"], ["a", "b", "c"], ["a", "c", "b"]]);
    assert!(proof(&house, "c").is_sound());
    assert_eq!(logged(&house, "c"), logged(&house, "a"));
}

#[test]
fn copying_goes_on_after_every_error_and_power_cut_and_copies_are_sound() {
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1.. {
            let house = with_c(two_versions());
            house.fate.plan(at, blow);
            let step = |_| Ok(());
            let leveller = Leveller {
                world: &house.world,
                ledger: &house.ledger,
                settings: &house.settings,
                step: &step,
            };
            let first = leveller.level(&photos(), "c");
            let struck = house.fate.writes() >= at;
            house.fate.recover();
            let filled = fill_all(&house);
            strongroom::work::logs::spread(&house.world, &house.ledger, None).unwrap();
            assert_eq!(filled.lacking, 0, "{blow:?} at {at}: {filled:?}, {first:?}");
            assert_eq!(copies(&house), [["a", "b", "c"], ["a", "b", "c"]], "{blow:?} at {at}");
            assert!(proof(&house, "c").is_sound(), "{blow:?} at {at}: {:?}", proof(&house, "c"));
            assert_eq!(house.ledger.object_events(&photos()).unwrap().len(), 1, "{blow:?} at {at}");
            assert_eq!(logged(&house, "c"), logged(&house, "a"), "{blow:?} at {at}");
            assert_eq!(house.targets["c"].staged(), 0, "{blow:?} at {at}");
            if !struck {
                assert!(at > 10, "only {at} writes were struck");
                break;
            }
        }
    }
}

#[test]
fn a_rotten_source_is_passed_over_and_a_rotten_target_gets_no_copy() {
    let house = with_c(two_versions());
    house.targets["a"].damage(&photos(), "v1/content/bag/data/b/c.txt", b"gamm".to_vec());
    house.targets["b"].damage(&photos(), "v2/content/bag/data/new.txt", b"DELTA".to_vec());
    assert_eq!(fill_all(&house).lacking, 0);
    assert!(proof(&house, "c").is_sound(), "{:?}", proof(&house, "c"));
    assert_eq!((proof(&house, "a").mismatched, proof(&house, "b").mismatched), (1, 1));
    for rot in [Rot::Empty, Rot::Zeroes, Rot::Short, Rot::BitFlip, Rot::OtherBytes] {
        let house = with_c(two_versions());
        house.targets["c"].corrupt_next_put(rot);
        // It is put again from the next source, and then it is what it should be.
        assert_eq!(fill_all(&house).lacking, 0, "{rot:?}");
        assert!(proof(&house, "c").is_sound(), "{rot:?}");
    }
    let house = with_c(two_versions());
    for name in ["a", "b"] {
        house.targets[name].damage(&photos(), "v1/content/bag/data/a.txt", b"ALPHA".to_vec());
    }
    let filled = fill_all(&house);
    assert_eq!(filled.lacking, 1);
    assert!(filled.failed[0].contains("no copy has the recorded bytes"), "{filled:?}");
    assert_eq!(copies(&house), [["a", "b"], ["a", "b"]]);
    assert!(house.targets["c"].objects().is_empty());
}

#[test]
fn every_kind_of_damage_to_a_copy_is_told() {
    let house = two_versions();
    assert!(proof(&house, "a").is_sound());
    let whole = proof(&house, "a").matched;
    type Count = fn(&Proof) -> u64;
    let damages: [(&str, Vec<u8>, Count); 6] = [
        ("v1/content/bag/data/a.txt", b"alphA".to_vec(), |proof| proof.mismatched),
        ("v1/content/bag/data/a.txt", Vec::new(), |proof| proof.mismatched),
        ("inventory.json", b"{}".to_vec(), |proof| proof.mismatched),
        ("v1/inventory.json.sha512", b"0 inventory.json\n".to_vec(), |proof| proof.mismatched),
        ("0=ocfl_object_1.1", b"ocfl_object_1.0\n".to_vec(), |proof| proof.mismatched),
        ("v2/content/bag/data/stranger", b"?".to_vec(), |proof| proof.extra),
    ];
    for (path, bytes, of) in damages {
        let house = two_versions();
        house.targets["a"].damage(&photos(), path, bytes);
        let found = proof(&house, "a");
        assert_eq!((of(&found), found.faults.len()), (1, 1), "{path}: {found:?}");
        assert_eq!(found.faults[0].path, path);
        assert!(!found.is_sound() && found.matched >= whole - 1);
    }
}

#[test]
fn a_target_that_is_away_is_copied_to_when_it_is_back() {
    let house = with_c(two_versions());
    house.targets["c"].unmount(true);
    let filled = fill_all(&house);
    assert_eq!((filled.lacking, filled.versions), (1, 0));
    assert!(filled.failed[0].contains("taken away"), "{filled:?}");
    house.targets["c"].unmount(false);
    // A target that keeps the others' events from it gets them later.
    house.targets["b"].unmount(true);
    assert_eq!(fill_all(&house).lacking, 0);
    assert_ne!(logged(&house, "a"), {
        house.targets["b"].unmount(false);
        logged(&house, "b")
    });
    assert_eq!(strongroom::work::logs::spread(&house.world, &house.ledger, None), Ok(0));
    assert_eq!(logged(&house, "a"), logged(&house, "b"));
}

#[test]
fn copying_stops_between_files_when_the_process_ends_and_goes_on() {
    let house = with_c(two_versions());
    let steps = AtomicU64::new(0);
    let step = |_| match steps.fetch_add(1, Ordering::Relaxed) {
        0..4 => Ok(()),
        _ => Err(Stop::Drained),
    };
    let leveller =
        Leveller { world: &house.world, ledger: &house.ledger, settings: &house.settings, step: &step };
    assert!(matches!(leveller.level(&photos(), "c"), Err(Stop::Drained)));
    assert_eq!(fill_all(&house).lacking, 0);
    assert!(proof(&house, "c").is_sound());
}

#[test]
fn a_draining_target_gets_nothing_new_and_what_depends_on_it_is_known() {
    let house = with_c(two_versions());
    house.ledger.set_target("b", TargetUse::Draining, &anna(), "old disks").unwrap();
    house.settings.uses.reread(&house.ledger).unwrap();
    let of_b = |house: &House| depends_on(&house.ledger, &house.settings, "b").unwrap();
    assert_eq!(of_b(&house), (1, vec![photos().0]));
    house.deposit("films", &ONE);
    house.run();
    assert_eq!(house.targets["b"].objects(), [photos()]);
    assert_eq!(fill_all(&house).lacking, 0);
    assert_eq!(of_b(&house).0, 0);
    // A copy that is known to be damaged is none to depend on.
    house.targets["a"].damage(&photos(), "v1/content/bag/data/a.txt", b"alphA".to_vec());
    crate::sweeping::sweep(&house, &crate::sweeping::all());
    assert_eq!(of_b(&house), (1, vec![photos().0]));
    house.targets["a"].damage(&photos(), "v1/content/bag/data/a.txt", b"alpha".to_vec());
    crate::sweeping::sweep(&house, &crate::sweeping::all());
    assert_eq!(of_b(&house).0, 0);
    // Retired, its copies are counted no more, and nothing of them is touched.
    let there = house.targets["b"].files(&photos());
    house.ledger.set_target("b", TargetUse::Retired, &anna(), "").unwrap();
    house.settings.uses.reread(&house.ledger).unwrap();
    assert_eq!(fill_all(&house).lacking, 0);
    assert_eq!(copies(&house), [["a", "c"], ["a", "c"]]);
    assert_eq!(house.targets["b"].files(&photos()), there);
    let events = house.ledger.object_events(&photos()).unwrap();
    assert!(events.iter().any(|event| event.detail.starts_with("b was retired by anna")), "{events:?}");
    // Taken back, what lies there is proved by reading before it counts.
    house.targets["b"].damage(&photos(), "v1/content/bag/data/a.txt", b"alphA".to_vec());
    house.ledger.set_target("b", TargetUse::Active, &anna(), "").unwrap();
    house.settings.uses.reread(&house.ledger).unwrap();
    let filled = fill_all(&house);
    assert!(filled.lacking == 1 && filled.failed[0].contains("mismatched"), "{filled:?}");
    house.targets["b"].damage(&photos(), "v1/content/bag/data/a.txt", b"alpha".to_vec());
    assert_eq!(fill_all(&house).lacking, 0);
    assert_eq!(copies(&house), [["a", "c", "b"], ["a", "c", "b"]]);
}

#[test]
fn levelling_and_storing_one_object_never_meet() {
    let house = Arc::new(with_c(two_versions()));
    let claim = house.ledger.claim_object(&photos());
    house.deposit("photos", &ONE);
    let other = house.clone();
    let running = std::thread::spawn(move || other.run());
    // The deposit waits at store for as long as somebody changes the object.
    while house.items().last().unwrap().checkpoint.stage.name() != "store" {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(versions(&house).len(), 2);
    drop(claim);
    running.join().unwrap();
    assert_eq!(copies(&house), [["a", "b", "c"], ["a", "b", "c"], ["a", "c", "b"]]);
}
