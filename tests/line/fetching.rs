//! Deposits that are fetched: whatever the source does, the end is the right bytes or the right trouble, and what arrived is
//! not paid for twice.

use crate::rehearsal::{House, house};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use strongroom::model::checkpoint::Standing;
use strongroom::model::digest::{Algorithm, hex};
use strongroom::model::item::Item;
use strongroom::model::trouble::Kind;
use strongroom::work::staged;
use strongroom::worlds::fate::Blow;
use strongroom::worlds::source::rehearsal::Fault;
use strongroom::worlds::source::{GivenDigest, Source, SourceError};

const KEY: &str = "https://uva.edu/drop/maps.tar";

fn maps(house: &House) -> Item {
    house.deposit_afar("maps", &[("north.txt", &"north ".repeat(900)), ("south.txt", "south")])
}

fn size(house: &House) -> u64 {
    house.source.look(KEY).unwrap().bytes
}

/// SHA-256 of the deposit as it lies at its source now.
fn sha256(house: &House) -> String {
    let arrival = house.source.look(KEY).unwrap();
    let mut bytes = Vec::new();
    house.source.fetch(KEY, &arrival, 0, arrival.bytes).unwrap().read_to_end(&mut bytes).unwrap();
    hex(&Sha256::digest(&bytes))
}

fn unreachable() -> SourceError {
    SourceError::Unreachable { key: KEY.into(), why: "connection refused".into() }
}

fn busy(after: Option<Duration>) -> SourceError {
    SourceError::Busy { key: KEY.into(), why: "503 Slow Down".into(), after }
}

/// Runs to the end; the item as it rests, and the bytes fetched.
fn kept(house: &House) -> (Item, u64) {
    let before = house.source.fetched();
    house.run();
    let fetched = house.source.fetched() - before;
    let item = house.items().remove(0);
    assert_eq!(item.checkpoint.standing.name(), "kept", "{item:#?}");
    assert_eq!(item.found.download.as_ref().unwrap().sha256, sha256(house));
    (item, fetched)
}

#[test]
fn an_undisturbed_deposit_is_fetched_once_in_parts() {
    let house = house();
    maps(&house);
    let size = size(&house);
    assert!(size > 8 * house.settings.part_min, "{size} bytes are too few parts");
    let (item, fetched) = kept(&house);
    assert_eq!(fetched, size);
    assert_eq!(item.found.download.unwrap().parts.unwrap().bytes, size);
}

#[test]
fn each_fault_costs_at_most_one_part() {
    let part = house().settings.part_min;
    let faults = [
        vec![Fault::BreaksAfter(0)],
        vec![Fault::BreaksAfter(1)],
        vec![Fault::BreaksAfter(part - 1), Fault::BreaksAfter(part / 2), Fault::BreaksAfter(7)],
        vec![Fault::Refuses(unreachable())],
        vec![Fault::Refuses(busy(None)), Fault::Refuses(busy(Some(Duration::from_millis(10))))],
        vec![Fault::Refuses(SourceError::Wrong { key: KEY.into(), why: "another range".into() })],
    ];
    for faults in faults {
        let house = house();
        maps(&house);
        let size = size(&house);
        house.source.fail(faults.clone());
        let (_, fetched) = kept(&house);
        let most = size + faults.len() as u64 * part;
        assert!((size..=most).contains(&fetched), "{faults:?}: {fetched} of {size}");
    }
}

#[test]
fn a_source_that_stays_away_is_trouble_and_what_arrived_is_not_fetched_again() {
    let house = house();
    maps(&house);
    let size = size(&house);
    // Three workers with five tries each; the parts before these are kept.
    house.source.fail((0..4).map(|_| Fault::BreaksAfter(u64::MAX)));
    house.source.fail((0..40).map(|_| Fault::Refuses(unreachable())));
    let stopped = house.run_until(|item| item.checkpoint.standing.trouble().is_some());
    assert_eq!(stopped.checkpoint.standing.trouble().unwrap().kind, Kind::SourceUnreachable);
    assert_eq!(house.source.fetched(), 4 * house.settings.part_min);
    let (_, more) = kept(&house);
    assert_eq!(more, size - 4 * house.settings.part_min);
}

#[test]
fn a_source_that_asks_for_rest_gets_it() {
    let house = house();
    maps(&house);
    house.source.fail((0..3).map(|_| Fault::Refuses(busy(Some(Duration::from_secs(3_000))))));
    let waits = house.run_until(|item| item.checkpoint.standing.trouble().is_some());
    assert_eq!(waits.checkpoint.standing.trouble().unwrap().kind, Kind::SourceBusy);
    let Standing::Waiting { until, .. } = waits.checkpoint.standing else { panic!("{waits:#?}") };
    let longest = house.settings.retry_longest.as_secs() as i64;
    assert!(until.as_second() - waits.received_at.as_second() > longest.max(2_900), "{until}");
    kept(&house);
}

#[test]
fn a_deposit_that_changes_in_the_middle_is_received_anew_and_never_mixed() {
    let house = house();
    maps(&house);
    house.source.fail([Fault::BreaksAfter(u64::MAX), Fault::BreaksAfter(u64::MAX), Fault::Changes]);
    let (item, _) = kept(&house);
    assert_eq!(item.deposit.bytes, size(&house));
    let events = house.events();
    assert_eq!(events.iter().filter(|event| event.detail.starts_with("received")).count(), 1);
}

#[test]
fn a_deposit_that_changed_before_it_was_fetched_gets_the_space_it_needs_now() {
    let house = house();
    maps(&house);
    house.source.change(KEY, |bytes| bytes.extend_from_slice(&[0; 4096]));
    let (item, fetched) = kept(&house);
    assert_eq!((item.deposit.bytes, fetched), (size(&house), size(&house)));
}

#[test]
fn without_ranges_it_comes_in_one_stream_and_parts_that_are_there_stay() {
    let house = house();
    maps(&house);
    let size = size(&house);
    house.source.without_ranges();
    house.source.fail([Fault::BreaksAfter(u64::MAX), Fault::BreaksAfter(3_000)]);
    let (_, fetched) = kept(&house);
    assert!(fetched <= 2 * size, "{fetched} of {size}");
}

#[test]
fn what_the_source_says_of_the_whole_must_be_true() {
    let given =
        |hex: String| vec![GivenDigest { algorithm: Algorithm::Sha256, hex, by: "Content-Digest".into() }];
    let house = house();
    maps(&house);
    house.source.give(given(sha256(&house)));
    let (item, _) = kept(&house);
    let events = house.ledger.events(item.id).unwrap();
    assert!(events.iter().any(|event| event.detail.contains("equal to sha256 given by Content-Digest")));

    let house = crate::rehearsal::house();
    maps(&house);
    house.source.give(given("0".repeat(64)));
    let stopped = house.run_until(|item| item.checkpoint.standing.trouble().is_some());
    assert_eq!(stopped.checkpoint.standing.trouble().unwrap().kind, Kind::SourceWrong);
    let left = house.disk.files().into_keys().filter(|place| place.path.contains("/deposit-")).count();
    assert_eq!(left, 0, "nothing of it was kept");
    house.source.give(Vec::new());
    kept(&house);
}

#[test]
fn a_process_that_ends_in_the_middle_fetches_only_what_is_missing() {
    let undisturbed = house();
    maps(&undisturbed);
    undisturbed.run();
    let (writes, size) = (undisturbed.fate.writes(), size(&undisturbed));
    for at in (1..=writes).step_by(3) {
        let house = house();
        maps(&house);
        house.fate.plan(at, Blow::PowerBefore);
        let (_, fetched) = kept(&house);
        // Three connections at most were under way when the power went.
        let most = size + 3 * house.settings.part_min;
        assert!(fetched <= most, "power cut before write {at} of {writes}: {fetched} of {size} bytes");
    }
}

#[test]
fn parts_lost_from_staging_are_fetched_again() {
    let house = house();
    maps(&house);
    let item = house.run_until(|item| item.found.unpack.is_some() && item.found.checksum.is_none());
    let parts = item.found.download.as_ref().unwrap().parts.clone().unwrap();
    let folder = strongroom::work::job::staging_folder(&house.settings, &item).unwrap();
    assert_eq!(parts, staged::layout(&item.deposit.pin, item.deposit.bytes, house.settings.part_min));
    let disk: Arc<_> = house.world.disk.clone();
    disk.remove(&parts.place(&folder, 2)).unwrap();
    let (_, fetched) = kept(&house);
    assert_eq!(fetched, house.settings.part_min);
}
