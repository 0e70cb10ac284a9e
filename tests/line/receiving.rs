//! Receiving: every key a source lists becomes an item once for every version it has, or an item that says why not.

use crate::rehearsal::{House, house, tar};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use strongroom::books::config::{Config, Given};
use strongroom::books::ledger::LastScan;
use strongroom::model::checkpoint::Standing;
use strongroom::model::item::{Asker, Item};
use strongroom::model::trouble::Kind;
use strongroom::work::desk::Desk;
use strongroom::work::desk::words::{Answer, Ask, SourceCounts, SourceView, Status};
use strongroom::work::job::Settings;
use strongroom::work::receiving::{Intake, Receiving, ScanError};
use strongroom::worlds::fate::Blow;
use strongroom::worlds::source::{Disposal, SourceError};

fn intake(after_kept: Option<Disposal>) -> Intake {
    Intake {
        name: "drop".into(),
        place: "a rehearsal".into(),
        depositor: "uva.edu".into(),
        policy: "default".into(),
        suffixes: vec![".tar".into()],
        temporary: vec![".part".into()],
        bytes_max: 100_000,
        after_kept,
        in_place: false,
        every: None,
    }
}

fn key(name: &str) -> String {
    format!("source://drop/{name}")
}

fn put(house: &House, name: &str, text: &str) {
    let bag = name.trim_end_matches(".tar");
    house.source.add_tar(&key(name), tar(bag, &[("a.txt", text)]));
}

fn scan_with(house: &House, intake: &Intake) -> Result<LastScan, ScanError> {
    let asker = Asker { uid: 0, name: "receiver".into(), door: "source".into() };
    Receiving::default().scan(&house.ledger, intake, &asker, &|_| {})
}

fn scan(house: &House) -> LastScan {
    scan_with(house, &intake(None)).unwrap()
}

/// What the daemon's desk says of a source that is listed every quarter of an hour: the source, and the whole.
fn told(house: &House) -> (SourceView, Status) {
    let intake = Intake { every: Some(Duration::from_secs(900)), ..intake(None) };
    let settings = Settings { sources: vec![intake], ..house.settings.clone() };
    let config = Arc::new(Config::from_text("", None, &Given::default()).unwrap());
    let desk = Desk::new(house.ledger.clone(), Weak::new(), config, settings, true);
    let asker = Asker { uid: 0, name: "anna".into(), door: "test".into() };
    let Answer::Sources { mut sources } = desk.answer(&Ask::Sources { source: None }, &asker) else {
        panic!()
    };
    let Answer::Status(status) = desk.answer(&Ask::Status, &asker) else { panic!() };
    (sources.remove(0), *status)
}

fn standings(house: &House) -> BTreeMap<String, Vec<&'static str>> {
    let mut all: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for item in house.items() {
        all.entry(item.bag.clone()).or_default().push(item.checkpoint.standing.name());
    }
    all
}

fn item(house: &House, bag: &str) -> Item {
    house.items().into_iter().rfind(|item| item.bag == bag).unwrap()
}

#[test]
fn every_key_on_every_page_becomes_an_item_once() {
    let house = house();
    (0..10).for_each(|n| put(&house, &format!("bag-{n}.tar"), "alpha"));
    let first = scan(&house);
    assert_eq!((first.pages, first.keys, first.new, first.not_taken), (4, 10, 10, 0));
    let looks = house.source.asked().looks;
    let second = scan(&house);
    assert_eq!((second.keys, second.new, second.changed), (10, 0, 0));
    assert_eq!(house.source.asked().looks, looks, "what is known costs no question");
    house.run();
    assert_eq!(scan(&house).new, 0);
    assert!(standings(&house).values().all(|all| all == &["kept"]), "{:?}", standings(&house));
}

#[test]
fn what_is_not_taken_is_an_item_that_says_why() {
    let house = house();
    for (name, bytes) in [
        ("notes.docx", 10),
        ("empty.tar", 0),
        ("huge.tar", 100_001),
        ("sub/folder.tar", 10),
        ("half.tar.part", 10),
        (".hidden.tar", 10),
        ("bag.tar.sha256", 65),
        ("turned\u{202e}.tar", 10),
    ] {
        house.source.add_tar(&key(name), vec![0; bytes]);
    }
    put(&house, "bag.tar", "x");
    let told = scan(&house);
    assert_eq!((told.new, told.not_taken), (6, 5));
    assert_eq!(scan(&house).new, 0, "it is told once");
    house.run();
    for (bag, because) in [
        ("notes.docx", "ends with none of .tar"),
        ("empty.tar", "it is empty"),
        ("huge.tar", "100000 is the limit"),
        ("sub\u{2215}folder.tar", "sub-folder"),
        ("turned\\u{202e}.tar", "turn the text around"),
    ] {
        let Standing::Refused { trouble } = item(&house, bag).checkpoint.standing else { panic!("{bag}") };
        assert_eq!(trouble.kind, Kind::NotTaken);
        assert!(trouble.because.contains(because), "{bag}: {}", trouble.because);
    }
    assert_eq!(item(&house, "bag").checkpoint.standing, Standing::Kept);
}

#[test]
fn a_key_that_changes_while_its_item_waits_is_taken_by_that_item() {
    let house = house();
    put(&house, "a.tar", "first");
    scan(&house);
    put(&house, "a.tar", "second, and longer");
    assert_eq!((scan(&house).new, house.items().len()), (0, 1));
    house.run();
    let told = scan(&house);
    assert_eq!((told.new, house.items().len()), (0, 1), "it has taken the second one");
    assert_eq!(scan(&house).changed, 0, "and the row knows it");
    let files = house.targets["a"].files(&item(&house, "a").found.store.unwrap().object);
    assert!(files.values().any(|bytes| bytes.windows(6).any(|part| part == b"second")));
}

#[test]
fn a_key_that_changes_after_it_was_kept_is_a_new_version() {
    let house = house();
    put(&house, "a.tar", "first");
    scan(&house);
    house.run();
    put(&house, "a.tar", "second");
    assert_eq!(scan(&house).new, 1);
    house.run();
    assert_eq!(standings(&house)["a"], ["kept", "kept"]);
    assert_eq!(item(&house, "a").found.store.unwrap().version, 2);
}

#[test]
fn a_deposit_leaves_its_source_only_once_it_is_kept_and_only_if_it_is_still_the_same() {
    for how in [Disposal::Delete, Disposal::Move { to: "source://done".into() }] {
        let house = house();
        let intake = intake(Some(how.clone()));
        put(&house, "a.tar", "alpha");
        put(&house, "b.tar", "beta");
        scan_with(&house, &intake).unwrap();
        assert_eq!(scan_with(&house, &intake).unwrap().disposed, 0, "nothing is kept yet");
        house.run();
        house.source.change(&key("b.tar"), |bytes| bytes.extend_from_slice(&[0; 512]));
        assert_eq!(scan_with(&house, &intake).unwrap().disposed, 1, "{how:?}");
        assert!(!house.source.holds(&key("a.tar")) && house.source.holds(&key("b.tar")));
        assert_eq!(house.source.holds("source://done/a.tar"), how != Disposal::Delete);
        let journal = house.ledger.attempts(item(&house, "a").id).unwrap();
        assert!(journal.last().unwrap().outcome.contains("for it is kept"), "{journal:?}");
    }
}

#[test]
fn a_listing_that_is_cut_off_anywhere_makes_no_item_twice() {
    let undisturbed = house();
    (0..7).for_each(|n| put(&undisturbed, &format!("bag-{n}.tar"), "x"));
    undisturbed.fate.recover();
    scan(&undisturbed);
    let writes = undisturbed.fate.writes();
    assert!(writes >= 7);
    for blow in [Blow::Error, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = house();
            (0..7).for_each(|n| put(&house, &format!("bag-{n}.tar"), "x"));
            house.fate.plan(at, blow);
            let _ = scan_with(&house, &intake(None));
            house.fate.recover();
            scan(&house);
            assert!(standings(&house).len() == 7 && house.items().len() == 7, "{blow:?} at {at} of {writes}");
        }
    }
}

#[test]
fn a_paused_source_is_left_alone() {
    let house = house();
    put(&house, "a.tar", "x");
    let pause = strongroom::books::ledger::Paused {
        by: "anna".into(),
        reason: "they move house".into(),
        at: house.world.clock.now(),
    };
    house.ledger.change_source("drop", &|row| row.paused = Some(pause.clone())).unwrap();
    let Err(ScanError::Paused(why)) = scan_with(&house, &intake(None)) else { panic!("it was listed") };
    assert!(why.contains("anna") && why.contains("they move house"), "{why}");
    house.ledger.change_source("drop", &|row| row.paused = None).unwrap();
    assert_eq!(scan(&house).new, 1);
}

#[test]
fn status_names_a_source_whose_listing_fails_until_it_is_whole_again() {
    let house = house();
    put(&house, "a.tar", "x");
    put(&house, "bad.docx", "x");
    scan(&house);
    let (source, status) = told(&house);
    let counts = SourceCounts {
        known: 2,
        waiting: 1,
        waiting_bytes: item(&house, "a").deposit.bytes,
        held: 0,
        refused: 1,
    };
    assert_eq!((source.state.as_str(), source.counts, source.last.new), ("well", Some(counts), 2));
    assert!(status.sources.is_empty() && source.listed.is_some() && source.next_listing.is_some());
    house.run();
    let counts = SourceCounts { waiting: 0, waiting_bytes: 0, ..counts };
    assert_eq!(told(&house).0.counts, Some(counts));

    house.source.fail_listing(Some(SourceError::Unreachable { key: "drop".into(), why: "no route".into() }));
    let mut failing_since = None;
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(900));
        assert!(scan_with(&house, &intake(None)).is_err());
        let (source, status) = told(&house);
        assert_eq!((source.state.as_str(), status.sources.len(), status.well), ("failing", 1, false));
        assert!(source.why.unwrap().contains("no route"));
        failing_since = failing_since.or(source.since);
        assert_eq!(source.since, failing_since, "since the first failure");
    }
    house.source.fail_listing(None);
    scan(&house);
    assert_eq!((told(&house).0.state.as_str(), told(&house).1.sources.len()), ("well", 0));
}
