//! What items wait for: space, a turn. Waiting uses no try, and ends by itself.

use crate::rehearsal::{house, house_of, policy};
use crate::trouble::stop_before;
use jiff::SignedDuration;
use std::time::Duration;
use strongroom::books::ledger::TargetUse;
use strongroom::books::volume::Floor;
use strongroom::model::checkpoint::{Move, Stage, Standing, WaitWhy};
use strongroom::model::item::{Item, Promise};
use strongroom::model::object::Policy;
use strongroom::model::trouble::Wait;
use strongroom::work::pipeline::CHANNEL;
use strongroom::worlds::fate::Blow;

#[test]
fn without_room_an_item_waits_and_says_for_what_and_goes_on_when_there_is_room() {
    let house = house();
    house.disk.set_free(0);
    house.deposit("photos", &[("a.txt", "alpha")]);
    let item = house.run_until(|item| item.checkpoint.standing.name() == "waiting");
    let Standing::Waiting { why: WaitWhy::For(Wait::Space { place, bytes, .. }), .. } =
        item.checkpoint.standing
    else {
        panic!("{:?}", item.checkpoint)
    };
    assert_eq!(place, "staging");
    assert!(bytes > 0);
    house.disk.set_free(1 << 40);
    house.run();
    let item = house.items().remove(0);
    assert_eq!((item.checkpoint.standing.name(), item.checkpoint.tries), ("kept", 0));
    let tried = house.ledger.attempts(item.id).unwrap();
    assert_eq!(tried.len(), Stage::INGEST.len(), "waiting before a stage starts is no attempt: {tried:#?}");
}

#[test]
fn an_item_that_no_volume_had_room_for_goes_on_when_any_of_them_has() {
    let mut house = house();
    house.settings.staging.push("records".into());
    // The second volume never has room for anybody.
    house.settings.floors.insert("records".into(), Floor { bytes: 1 << 60, given: true });
    house.disk.set_free(0);
    house.deposit("photos", &[("a.txt", "alpha")]);
    house.run_until(|item| item.checkpoint.standing.name() == "waiting");
    house.disk.set_free(1 << 40);
    house.run();
    let item = house.items().remove(0);
    assert_eq!((item.checkpoint.standing.name(), item.volume.as_deref()), ("kept", Some("staging")));
}

#[test]
fn an_item_that_waits_for_room_on_a_target_goes_on_when_its_policy_needs_that_target_no_more() {
    let mut house = house_of(&["a", "b", "c"], &|target| target);
    let policy = Policy { copies: 2, ..policy("default", &["a", "b", "c"]) };
    house.settings.policies.insert("default".into(), policy);
    house.settings.floors.insert("a".into(), Floor { bytes: u64::MAX, given: true });
    house.deposit("photos", &[("a.txt", "alpha")]);
    let item = house.run_until(|item| item.checkpoint.standing.name() == "waiting");
    assert_eq!(item.checkpoint.stage, Stage::Store);
    let asker = item.asked_by.clone();
    house.ledger.set_target("a", TargetUse::Draining, &asker, "it is full").unwrap();
    house.settings.uses.reread(&house.ledger).unwrap();
    house.run();
    let item = house.items().remove(0);
    assert_eq!(item.checkpoint.standing.name(), "kept");
    let copies = item.found.store.unwrap().copies.into_iter().map(|copy| copy.target);
    assert_eq!(copies.collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn an_item_that_may_go_on_does_however_many_older_ones_wait() {
    let house = house();
    let waits = |number: u64, bytes: u64| {
        let item = house.deposit(&format!("bag-{number}"), &[("a.txt", "alpha")]);
        let wait = Wait::Space { place: "staging".into(), bytes, inodes: 0, free: 0 };
        house.ledger.nudge(item.id, &Move::Wait { wait, until: item.received_at }).unwrap();
        item.id
    };
    let large: Vec<_> = (0..3 * CHANNEL as u64).map(|number| waits(number, 1 << 60)).collect();
    let small = waits(1_000, 1);
    house.run_until(|_| house.ledger.item(small).unwrap().unwrap().checkpoint.standing.name() == "kept");
    for id in large {
        assert_eq!(house.ledger.item(id).unwrap().unwrap().checkpoint.standing.name(), "waiting");
    }
}

#[test]
fn an_item_that_waits_for_its_turn_keeps_no_space_from_the_one_it_waits_for() {
    let mut house = house();
    let asker = house.deposit("photos", &[("a.txt", "alpha")]).asked_by;
    let older = stop_before(&mut house, Stage::Store);
    house.source.add_tar("/inbox/2/photos.tar", crate::rehearsal::tar("photos", &[("a.txt", "beta")]));
    let younger = house.submit("photos", "/inbox/2/photos.tar");
    house.settings.floors.insert("a".into(), Floor { bytes: u64::MAX, given: true });
    let standing = |id| house.ledger.item(id).unwrap().unwrap().checkpoint.standing;
    house.run_until(|_| standing(younger.id).name() == "waiting");
    // The younger one is at work, with all the space there is, when the process ends; the older one is let go again.
    let all = 1 << 30;
    let promise = Promise { place: "a".into(), stage: Stage::Store, bytes: all, inodes: 0 };
    house.ledger.nudge(younger.id, &Move::Wake).unwrap();
    house.ledger.claim(younger.id, Stage::Store, None, vec![promise]).unwrap().unwrap();
    house.ledger.ask(older.id, &Move::Release, &asker, "").unwrap();
    house.settings.floors.insert("a".into(), Floor { bytes: (1 << 40) - all, given: true });
    house.run();
    let versions: Vec<u32> =
        house.items().iter().map(|item| item.found.store.as_ref().unwrap().version).collect();
    assert_eq!(versions, [1, 2]);
}

#[test]
fn nothing_is_promised_when_a_disk_does_not_answer() {
    let house = house();
    house.disk.set_mounted("staging", false);
    house.deposit("photos", &[("a.txt", "alpha")]);
    let item = house.run_until(|item| item.checkpoint.standing.rests());
    let trouble = item.checkpoint.standing.trouble().unwrap();
    assert_eq!(trouble.kind.name(), "volume-missing");
    house.disk.set_mounted("staging", true);
}

#[test]
fn a_second_deposit_of_a_bag_waits_for_the_first_and_becomes_the_next_version() {
    let house = house();
    house.deposit("photos", &[("a.txt", "alpha")]);
    house.source.add_tar("/inbox/2/photos.tar", crate::rehearsal::tar("photos", &[("a.txt", "beta")]));
    house.submit("photos", "/inbox/2/photos.tar");
    house.run();
    let versions: Vec<u32> =
        house.items().iter().map(|item| item.found.store.as_ref().unwrap().version).collect();
    assert_eq!(versions, [1, 2]);
}

#[test]
fn the_same_bag_in_another_tar_makes_no_version() {
    let house = house();
    house.deposit("photos", &[("a.txt", "alpha")]);
    house.run();
    let mut again = crate::rehearsal::tar("photos", &[("a.txt", "alpha")]);
    again.extend_from_slice(&[0; 10_240]);
    house.source.add_tar("/inbox/again/photos.tar", again);
    let item = house.submit("photos", "/inbox/again/photos.tar");
    house.run();
    let item = house.ledger.item(item.id).unwrap().unwrap();
    let store = item.found.store.as_ref().unwrap();
    assert_eq!((item.checkpoint.standing.name(), store.version, store.unchanged), ("kept", 1, true));
    assert_eq!(house.ledger.versions(&store.object).unwrap().len(), 1);
    let proofs: Vec<_> = house.ledger.events(item.id).unwrap();
    let again = proofs.iter().filter(|event| event.detail.contains("deposited again")).count();
    assert_eq!(again, 2, "both copies are read again before they are called kept");
}

#[test]
fn the_same_bag_again_over_a_rotten_copy_is_an_alarm() {
    let house = house();
    house.deposit("photos", &[("a.txt", "alpha")]);
    house.run();
    let object = house.targets["b"].objects().remove(0);
    house.targets["b"].damage(&object, "v1/content/bag/data/a.txt", b"alphA".to_vec());
    let mut again = crate::rehearsal::tar("photos", &[("a.txt", "alpha")]);
    again.extend_from_slice(&[0; 10_240]);
    house.source.add_tar("/inbox/again/photos.tar", again);
    let item = house.submit("photos", "/inbox/again/photos.tar");
    house.run();
    let item = house.ledger.item(item.id).unwrap().unwrap();
    assert_eq!(item.checkpoint.standing.trouble().map(|trouble| trouble.kind.name()), Some("copy-differs"));
}

#[test]
fn whatever_write_finds_the_disk_full_the_item_waits_and_nothing_has_failed() {
    let undisturbed = house();
    undisturbed.deposit("photos", &[("a.txt", "alpha"), ("b/c.txt", "gamma")]);
    undisturbed.fate.recover();
    undisturbed.run();
    let writes = undisturbed.fate.writes();
    for at in 1..=writes {
        let house = house();
        let item = house.deposit("photos", &[("a.txt", "alpha"), ("b/c.txt", "gamma")]);
        house.fate.plan(at, Blow::Full);
        house.run();
        assert_eq!(house.items()[0].checkpoint.standing.name(), "kept", "write {at} of {writes}");
        for attempt in house.ledger.attempts(item.id).unwrap() {
            // A full ledger ends the process; anything else is waited for.
            let well = ["done", "waiting"].contains(&attempt.outcome.as_str());
            assert!(
                well || attempt.outcome.starts_with("interrupted"),
                "write {at} of {writes}: {attempt:?}"
            );
        }
    }
}

#[test]
fn an_item_rung_twice_while_space_comes_and_goes_is_worked_on_by_one_worker() {
    let mut house = house();
    house.settings.workers = Stage::INGEST.iter().map(|stage| (*stage, 4)).collect();
    for number in 0..40 {
        house.deposit(&format!("bag-{number}"), &[("a.txt", "alpha")]);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for free in [0, 1 << 40].into_iter().cycle().take(2_000) {
                house.disk.set_free(free);
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        assert!(house.run_once(), "the process had to end");
    });
    for item in house.items() {
        assert_eq!((item.checkpoint.standing.name(), item.checkpoint.tries), ("kept", 0));
        for attempt in house.ledger.attempts(item.id).unwrap() {
            assert!(["done", "waiting"].contains(&attempt.outcome.as_str()), "{attempt:?}");
        }
    }
}

#[test]
fn many_that_wait_for_much_room_do_not_keep_one_waiting_that_fits() {
    let house = house();
    house.disk.set_free(0);
    let large = "x".repeat(400_000);
    for number in 0..70 {
        house.deposit_afar(&format!("large-{number}"), &[("a.txt", &large)]);
    }
    let small = house.deposit_afar("small", &[("a.txt", "alpha")]).id;
    house.run_until(|_| house.items().iter().all(|item| item.checkpoint.standing.name() == "waiting"));
    let needs = |item: &Item| match &item.checkpoint.standing {
        Standing::Waiting { why: WaitWhy::For(Wait::Space { bytes, .. }), .. } => *bytes,
        other => panic!("{other:?}"),
    };
    let items = house.items();
    let (one, rest) = items.split_last().unwrap();
    assert!(one.id == small && rest.iter().all(|item| needs(item) > needs(one)));
    house.disk.set_free(needs(one));
    house.run_until(|_| house.ledger.item(small).unwrap().unwrap().checkpoint.stage != Stage::Download);
    let stages = house.items().into_iter().filter(|item| item.id != small).map(|item| item.checkpoint.stage);
    assert!(stages.into_iter().all(|stage| stage == Stage::Download), "nothing is promised twice");
}

#[test]
fn an_item_that_waits_goes_on_though_the_clock_is_set_back() {
    for by in [SignedDuration::from_mins(10), SignedDuration::from_hours(24 * 365)] {
        let house = house();
        house.disk.set_free(0);
        house.deposit("photos", &[("a.txt", "alpha")]);
        house.run_until(|item| item.checkpoint.standing.name() == "waiting");
        house.clock.set_wall(-by);
        house.disk.set_free(1 << 40);
        house.run_until(|item| item.checkpoint.standing.name() == "kept");
    }
}
