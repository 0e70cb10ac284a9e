//! Receiving: every key a source lists becomes an item once for every version it has, or an item that says why not.

use crate::rehearsal::{House, house, tar};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use strongroom::books::config::{Config, Given};
use strongroom::books::ledger::LastScan;
use strongroom::model::checkpoint::{Move, Stage, Standing};
use strongroom::model::item::{Asker, Item, ItemId};
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

/// What waits for a person: bags, with the kind of their trouble.
fn troubles(house: &House) -> Vec<(u64, Kind)> {
    let of = |item: Item| item.checkpoint.standing.trouble().map(|trouble| (item.id.0, trouble.kind));
    house.items().into_iter().filter_map(of).collect()
}

fn journal(house: &House, id: u64) -> Vec<String> {
    let lines = house.ledger.attempts(ItemId(id)).unwrap();
    lines.into_iter().map(|line| line.outcome).collect()
}

#[test]
fn a_new_upload_in_the_place_of_a_refused_or_held_one_puts_that_to_rest() {
    let house = house();
    house.source.add_tar(&key("refused.tar"), b"no tar at all".repeat(100));
    house.source.add_tar(&key("empty.tar"), Vec::new());
    put(&house, "held.tar", "x");
    scan(&house);
    house.source.lock_out(&key("held.tar"), true);
    house.run();
    assert_eq!(troubles(&house), [(1, Kind::NotTaken), (2, Kind::SourceDenied), (3, Kind::TarRefused)]);
    house.source.lock_out(&key("held.tar"), false);
    for name in ["refused.tar", "empty.tar", "held.tar"] {
        put(&house, name, "a better one");
    }
    let told = scan(&house);
    assert_eq!((told.changed, told.new), (3, 3));
    assert_eq!(troubles(&house), []);
    house.run();
    for (bag, old, new, was) in
        [("empty", 1, 4, "refused"), ("held", 2, 5, "held"), ("refused", 3, 6, "refused")]
    {
        // What was not taken had the key's name, not a bag's.
        let stood = if bag == "empty" { "empty.tar" } else { bag };
        assert_eq!(standings(&house)[stood][0], "cancelled", "{bag}");
        assert_eq!(standings(&house)[bag].last(), Some(&"kept"), "{bag}");
        let last = journal(&house, old).pop().unwrap();
        assert_eq!(last, format!("replaced by item {new}: another deposit arrived in its place"));
        assert_eq!(journal(&house, new)[0], format!("replaces item {old}, which was {was}"));
    }
    assert_eq!(scan(&house).changed, 0);
}

#[test]
fn what_an_operator_holds_stays_held_and_takes_the_new_upload_when_it_is_released() {
    let house = house();
    put(&house, "a.tar", "first");
    scan(&house);
    let anna = Asker { uid: 0, name: "anna".into(), door: "test".into() };
    house.ledger.ask(ItemId(1), &Move::Hold, &anna, "").unwrap();
    put(&house, "a.tar", "second");
    assert_eq!((scan(&house).new, troubles(&house)), (0, vec![(1, Kind::HeldByOperator)]));
    house.ledger.ask(ItemId(1), &Move::Release, &anna, "").unwrap();
    house.run();
    assert_eq!((scan(&house).new, standings(&house)["a"].as_slice()), (0, &["kept"][..]));
}

#[test]
fn a_key_that_changes_while_its_item_is_at_work_is_noticed_before_it_is_stored_and_after() {
    for stage in [Stage::Unpack, Stage::Checksum, Stage::Validate, Stage::Store, Stage::Record] {
        let house = house();
        put(&house, "a.tar", "first");
        scan(&house);
        house.run_until(|item| item.checkpoint.stage == stage || item.checkpoint.standing == Standing::Kept);
        put(&house, "a.tar", "second");
        scan(&house);
        house.run();
        scan(&house);
        house.run();
        let last = item(&house, "a");
        let files = house.targets["a"].files(&last.found.store.clone().unwrap().object);
        let holds = |text: &str| files.values().any(|bytes| bytes.as_slice() == text.as_bytes());
        assert!(holds("second"), "{stage}");
        // What was stored before is a version of its own; what was not is never seen.
        let versions = last.found.store.unwrap().version;
        assert_eq!(versions, if holds("first") { 2 } else { 1 }, "{stage}");
        assert_eq!(house.items().len() as u32, versions, "{stage}");
        assert_eq!(scan(&house).changed, 0, "{stage}");
    }
}

#[test]
fn wherever_the_power_goes_a_replacement_is_whole_or_not_begun() {
    let prepared = || {
        let house = house();
        house.source.add_tar(&key("a.tar"), Vec::new());
        scan(&house);
        put(&house, "a.tar", "a better one");
        house
    };
    let undisturbed = prepared();
    let before = undisturbed.fate.writes();
    scan(&undisturbed);
    let writes = undisturbed.fate.writes() - before;
    assert!(writes >= 1);
    for blow in [Blow::Error, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = prepared();
            house.fate.plan(at, blow);
            let _ = scan_with(&house, &intake(None));
            house.fate.recover();
            let stood: Vec<&str> = house.items().iter().map(|item| item.checkpoint.standing.name()).collect();
            assert!(stood == ["refused"] || stood == ["cancelled", "ready"], "{blow:?} at {at}: {stood:?}");
            scan(&house);
            house.run();
            assert_eq!((troubles(&house).len(), house.items().len()), (0, 2), "{blow:?} at {at}");
        }
    }
}

fn known(house: &House) -> u64 {
    house.ledger.count_seen("drop").unwrap()
}

#[test]
fn what_is_known_of_keys_that_vanished_is_forgotten_after_a_day() {
    let house = house();
    for name in ["a.tar", "b.tar", "c.tar", "d.tar"] {
        put(&house, name, name);
    }
    scan(&house);
    house.run();
    let lost = tar("b", &[("a.txt", "b.tar")]);
    house.source.remove(&key("a.tar"));
    house.source.rename(&key("b.tar"), "away");
    assert_eq!((scan(&house).forgotten, known(&house)), (0, 4), "it may only be out of sight");
    house.clock.advance(Duration::from_secs(23 * 3_600));
    assert_eq!((scan(&house).forgotten, known(&house)), (0, 4));
    // One of them is back in time, unchanged: it is known, and its day begins anew when it goes again.
    house.source.rename("away", &key("b.tar"));
    assert_eq!(scan(&house).new, 0);
    house.source.remove(&key("b.tar"));
    house.clock.advance(Duration::from_secs(2 * 3_600));
    assert_eq!((scan(&house).forgotten, known(&house)), (1, 3));
    house.clock.advance(Duration::from_secs(25 * 3_600));
    assert_eq!((scan(&house).forgotten, known(&house)), (1, 2));
    // Sent again after that it is a deposit like any other, and the same object.
    house.source.add_tar(&key("b.tar"), lost);
    assert_eq!(scan(&house).new, 1);
    house.run();
    let again = item(&house, "b").found.store.unwrap();
    assert!(again.unchanged && again.version == 1);
}

#[test]
fn what_we_took_away_is_forgotten_at_once_and_an_empty_listing_forgets_nothing_else() {
    let house = house();
    let delete = intake(Some(Disposal::Delete));
    put(&house, "a.tar", "alpha");
    put(&house, "b.tar", "beta");
    scan(&house);
    house.run();
    house.source.change(&key("b.tar"), |bytes| bytes.extend_from_slice(&[0; 512]));
    assert_eq!(scan_with(&house, &delete).unwrap().disposed, 1);
    house.source.remove(&key("b.tar"));
    assert_eq!((scan(&house).forgotten, known(&house)), (1, 1));
    // Nothing is listed at all: perhaps it is not mounted.
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(48 * 3_600));
        assert_eq!((scan(&house).forgotten, known(&house)), (0, 1));
    }
    house.source.fail_listing(Some(SourceError::Unreachable { key: "drop".into(), why: "no route".into() }));
    assert!(scan_with(&house, &intake(None)).is_err());
    assert_eq!(known(&house), 1);
}

#[test]
fn one_depositors_flood_does_not_keep_the_others_from_being_listed() {
    const FLOOD: u64 = 100_000;
    let house = house();
    let others = 20;
    for n in 0..FLOOD {
        house.source.add_tar(&format!("source://flood/{n:06}.docx"), vec![1]);
    }
    for n in 0..others {
        house.source.add_tar(&format!("source://calm-{n}/a.tar"), vec![1; 600]);
    }
    let asker = Asker { uid: 0, name: "receiver".into(), door: "source".into() };
    let receiving = Receiving::default();
    let scan = &|name: String| {
        receiving.scan(&house.ledger, &Intake { name, ..intake(None) }, &asker, &|_| {}).unwrap()
    };
    let counted = |standing| house.ledger.standing(standing, Stage::Download, usize::MAX).unwrap().len();
    let flooded = std::thread::scope(|scope| {
        let flood = scope.spawn(|| scan("flood".into()));
        while counted("refused") == 0 {
            std::thread::yield_now();
        }
        let calm: Vec<_> = (0..others).map(|n| scope.spawn(move || scan(format!("calm-{n}")))).collect();
        assert!(calm.into_iter().all(|calm| calm.join().unwrap().new == 1));
        assert!(receiving.listing_since("flood").is_some(), "they did not wait for its end");
        assert_eq!(counted("ready"), others);
        flood.join().unwrap()
    });
    assert_eq!((flooded.keys, flooded.new, flooded.not_taken), (FLOOD, FLOOD, FLOOD));
    // A row a key, and no more of them however often it is listed; none is left when the keys are gone.
    assert_eq!(house.ledger.count_seen("flood").unwrap(), FLOOD);
    house.source.add_tar("source://flood/new.tar", vec![1; 600]);
    for n in 0..FLOOD {
        house.source.remove(&format!("source://flood/{n:06}.docx"));
    }
    assert_eq!(scan("flood".into()).forgotten, 0);
    house.clock.advance(Duration::from_secs(25 * 3_600));
    assert_eq!(scan("flood".into()).forgotten, FLOOD);
    assert_eq!(house.ledger.count_seen("flood").unwrap(), 1);
}
