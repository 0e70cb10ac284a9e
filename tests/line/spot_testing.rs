//! Objects are drawn by chance, given back to staging, judged and thrown away; what cannot be given back is an alarm.

use crate::giving_back::{anna, now, photos, standing};
use crate::rehearsal::{House, house};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use strongroom::model::errand::Errand;
use strongroom::model::item::Item;
use strongroom::model::trouble::Remedy;
use strongroom::work::spot_tests::{Drawing, Scope};
use strongroom::worlds::fate::Blow;

const FILES: [(&str, &str); 2] = [("a.txt", "alpha"), ("b/c.txt", "gamma")];

fn kept(bags: &[&str]) -> House {
    let house = house();
    bags.iter().for_each(|bag| drop(house.deposit(bag, &FILES)));
    house.run();
    house
}

fn test(house: &House, seed: u64, every: Option<Duration>) -> Vec<Item> {
    let scope = Scope { depositor: None, every, seed };
    let mut drawing = Drawing::new(&house.ledger, scope).unwrap();
    while !drawing.step(&house.ledger, Instant::now()).unwrap() {}
    drawing.order(&house.ledger, &anna()).unwrap()
}

fn object(item: &Item) -> String {
    item.errand.as_ref().map(Errand::object).unwrap().0.clone()
}

#[test]
fn a_test_reads_everything_judges_it_and_leaves_nothing_but_its_record() {
    let house = kept(&["photos"]);
    let before = house.disk.files();
    let item = test(&house, 1, None).remove(0);
    house.run();
    assert_eq!(standing(&house, &item), "done");
    assert!(house.outlet.names().is_empty(), "nothing is delivered");
    let left: Vec<_> = house.disk.files().into_keys().filter(|place| !before.contains_key(place)).collect();
    assert!(left.is_empty(), "{left:?}");
    let told = house.ledger.object_events(&photos()).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].event_type.term().1, "fix");
    assert!(told[0].detail.starts_with("spot test (item 2): version 1"), "{}", told[0].detail);
    let done = now(&house, &item).found.deliver.unwrap();
    assert!(done.list.is_none() && done.expires.is_none());
}

#[test]
fn an_object_that_cannot_be_given_back_is_an_alarm_and_a_target_that_is_away_is_none() {
    let house = kept(&["photos"]);
    for target in house.targets.values() {
        target.damage(&photos(), "v1/content/bag/data/b/c.txt", b"GAMMA".to_vec());
    }
    let item = test(&house, 1, None).remove(0);
    house.run();
    assert_eq!(standing(&house, &item), "held at gather: no-good-copy");
    let trouble = now(&house, &item).checkpoint.standing.trouble().cloned().unwrap();
    assert_eq!(trouble.kind.remedy(), Remedy::Alarm);

    let house = kept(&["photos"]);
    house.targets.values().for_each(|target| target.unmount(true));
    let item = test(&house, 1, None).remove(0);
    house.run();
    assert_eq!(standing(&house, &item), "held at gather: target-missing");
}

#[test]
fn every_depositor_is_due_once_in_a_period() {
    let house = kept(&["photos", "maps", "letters"]);
    let every = Some(Duration::from_secs(30 * 86_400));
    assert_eq!(test(&house, 1, every).len(), 1);
    house.run();
    assert!(test(&house, 2, every).is_empty());
    house.clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(test(&house, 3, every).len(), 1);
    house.run();
    assert_eq!(test(&house, 4, None).len(), 1, "a person may ask whenever");
}

#[test]
fn in_the_long_run_every_object_is_tested() {
    let house = kept(&["photos", "maps", "letters", "films"]);
    let mut drawn = BTreeSet::new();
    for seed in 0..12 {
        house.clock.advance(Duration::from_secs(30 * 86_400));
        let items = test(&house, seed, None);
        drawn.extend(items.iter().map(object));
        house.run();
    }
    assert_eq!(drawn.len(), 4, "{drawn:?}");
}

#[test]
fn the_same_seed_over_the_same_objects_draws_the_same() {
    let bags = ["photos", "maps", "letters", "films", "plans"];
    let one = object(&test(&kept(&bags), 42, None)[0]);
    let other = object(&test(&kept(&bags), 42, None)[0]);
    assert_eq!(one, other);
}

#[test]
fn a_test_survives_every_fault_and_is_told_once() {
    let undisturbed = kept(&["photos"]);
    test(&undisturbed, 1, None);
    undisturbed.fate.recover();
    undisturbed.run();
    let writes = undisturbed.fate.writes();
    assert!(writes > 10, "{writes}");
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = kept(&["photos"]);
            let item = test(&house, 1, None).remove(0);
            house.fate.plan(at, blow);
            house.run();
            house.fate.recover();
            assert_eq!(standing(&house, &item), "done", "{blow:?} at write {at} of {writes}");
            assert_eq!(house.ledger.object_events(&photos()).unwrap().len(), 1, "{blow:?} at write {at}");
            assert!(house.run_once());
            let left = house.disk.files().into_keys().any(|place| place.path.starts_with("rehearsal-"));
            assert!(!left, "{blow:?} at write {at}: staging was not cleared");
        }
    }
}
