//! Copies are proved again: the oldest first, none twice, none forgotten, and nothing is said that was not seen.

use crate::rehearsal::{House, house};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strongroom::books::config::fixity::FixityConfig;
use strongroom::books::ledger::{Ledger, LedgerError, SweepRow, SweepState, SweepTarget};
use strongroom::model::event::Outcome as Ended;
use strongroom::model::object::ObjectId;
use strongroom::model::proof::Proof;
use strongroom::model::trouble::Stop;
use strongroom::rules::sort::Scratch;
use strongroom::work::proving::{How, Wanted, prove_from};
use strongroom::work::stages::INGEST_LINE;
use strongroom::work::sweep::gate::Budget;
use strongroom::work::sweep::report;
use strongroom::work::sweep::{Order, Prove, Sweep};
use strongroom::worlds::World;
use strongroom::worlds::book::{Book, BookError, BookReport, Guard, Row, Write};
use strongroom::worlds::target::holdings::Holdings;
use strongroom::worlds::target::{Target, Where};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn bag(number: usize) -> ObjectId {
    ObjectId::of("uva.edu", &format!("bag-{number:03}"))
}

/// This many bags on every target, a minute between them.
pub(crate) fn stocked(bags: usize) -> House {
    let house = house();
    for number in 0..bags {
        let text = format!("text {number}");
        house.deposit(&format!("bag-{number:03}"), &[("a.txt", &text), ("b/c.txt", "the same")]);
        house.run();
        house.clock.advance(Duration::from_secs(60));
    }
    house
}

pub(crate) fn all() -> Order {
    Order { asked_by: "tester".into(), all: true, ..Order::default() }
}

pub(crate) fn due() -> Order {
    Order { all: false, ..all() }
}

pub(crate) fn sweep_by(
    house: &House,
    order: &Order,
    config: &FixityConfig,
    prove: &Prove<'_>,
    over: &(dyn Fn() -> bool + Sync),
) -> Result<SweepRow, LedgerError> {
    // Time goes on between one thing and the next.
    house.clock.advance(Duration::from_secs(1));
    let sweep = Sweep {
        world: &house.world,
        ledger: &house.ledger,
        settings: &house.settings,
        config,
        prove,
        over,
        busy: &|| false,
        told: &|_| {},
    };
    let row = sweep.begin(order)?;
    sweep.run(row)
}

pub(crate) fn sweep(house: &House, order: &Order) -> (SweepRow, BTreeMap<String, SweepTarget>) {
    let row = sweep_by(house, order, &FixityConfig::default(), &prove_from, &|| false).unwrap();
    let parts = house.ledger.sweep_targets(row.number).unwrap();
    (row, parts.into_iter().map(|part| (part.target.clone(), part)).collect())
}

/// Everything is proved, and found sound.
pub fn sweep_all(house: &House) {
    let (row, parts) = sweep(house, &all());
    assert!(row.why.is_none() && parts.values().all(|part| part.faulty + part.left == 0), "{parts:?}");
}

/// Which copies were proved, in their order, as target and object.
pub(crate) type Seen = Mutex<Vec<(String, ObjectId)>>;

pub(crate) fn noting<'a>(
    seen: &'a Seen,
) -> impl Fn(&dyn Target, &Wanted<'_>, &dyn Scratch, How<'_>) -> Result<Proof, Stop> + Sync + 'a {
    move |target, wanted, scratch, how| {
        if !wanted.object.0.contains("canary") {
            let root = target.root().trim_start_matches("rehearsal:").to_string();
            seen.lock().unwrap().push((root, wanted.object.clone()));
        }
        prove_from(target, wanted, scratch, how)
    }
}

/// The index of proofs must be what follows from the version rows, and nothing else.
pub(crate) fn index_follows(house: &House) {
    let mut wanted = BTreeSet::new();
    for object in house.ledger.objects(None, usize::MAX).unwrap() {
        let mut oldest = BTreeMap::new();
        for version in house.ledger.versions(&object.id).unwrap() {
            for copy in version.copies {
                let at = oldest.entry(copy.target).or_insert(copy.proved_at);
                *at = copy.proved_at.min(*at);
            }
        }
        let rows = oldest.into_iter();
        wanted
            .extend(rows.map(|(target, at)| format!("u/{target}/{:014}/{}", at.as_millisecond(), object.id)));
    }
    let mut found = BTreeSet::new();
    house.ledger.export(&mut |key, _| found.extend(key.starts_with("u/").then(|| key.to_string()))).unwrap();
    assert_eq!(found, wanted);
}

#[test]
fn after_200_days_every_copy_is_proved_oldest_first_and_none_twice() {
    let house = stocked(70);
    assert_eq!(sweep(&house, &due()).0.why, None, "nothing is due on the first day");
    house.clock.advance(200 * DAY);
    let seen = Seen::default();
    // One thread for each target's copies is not what runs; order is judged by pages of what is due.
    let row = sweep_by(&house, &due(), &FixityConfig::default(), &noting(&seen), &|| false).unwrap();
    assert_eq!((row.why, row.refused), (None, false));
    let seen = seen.into_inner().unwrap();
    for target in ["a", "b"] {
        let order: Vec<&ObjectId> = seen.iter().filter(|(on, _)| on == target).map(|(_, id)| id).collect();
        assert_eq!(order.len(), 70);
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 70, "none twice");
        // The oldest page before the rest.
        let first: BTreeSet<&ObjectId> = order[..64].iter().copied().collect();
        assert_eq!(first, (0..64).map(bag).collect::<Vec<_>>().iter().collect(), "{target}");
    }
    index_follows(&house);
    let parts = house.ledger.sweep_targets(row.number).unwrap();
    assert!(parts.iter().all(|part| (part.sound, part.faulty, part.left) == (70, 0, 0)), "{parts:?}");
    // Every proof is from now, and nothing more is due.
    let now = house.world.clock.now();
    for object in house.ledger.objects(None, usize::MAX).unwrap() {
        for version in house.ledger.versions(&object.id).unwrap() {
            assert!(version.copies.iter().all(|copy| now.duration_until(copy.proved_at).as_secs().abs() < 5));
        }
    }
    let seen = Seen::default();
    sweep_by(&house, &due(), &FixityConfig::default(), &noting(&seen), &|| false).unwrap();
    assert_eq!(seen.into_inner().unwrap(), []);
    house.clock.advance(91 * DAY);
    let (_, parts) = sweep(&house, &due());
    assert_eq!((parts["a"].sound, parts["b"].sound), (70, 70));
    // Passes are folded: none of them is an event of its own.
    assert!(house.ledger.object_events(&bag(0)).unwrap().is_empty());
}

#[test]
fn each_target_has_its_own_interval() {
    let house = stocked(3);
    house.clock.advance(100 * DAY);
    let config =
        FixityConfig { targets: BTreeMap::from([("b".to_string(), 180 * DAY)]), ..FixityConfig::default() };
    let row = sweep_by(&house, &due(), &config, &prove_from, &|| false).unwrap();
    let parts = house.ledger.sweep_targets(row.number).unwrap();
    assert_eq!(parts.iter().map(|part| part.sound).collect::<Vec<_>>(), [3, 0]);
}

#[test]
fn every_kind_of_damage_is_found_with_its_outcome_and_told_beside_the_copy() {
    let house = stocked(9);
    let a = &house.targets["a"];
    let file = "v1/content/bag/data/a.txt";
    a.damage(&bag(0), file, b"Text 0".to_vec());
    a.damage(&bag(1), file, Vec::new());
    a.lose(&bag(2), Some(file));
    a.damage(&bag(3), "v1/content/stranger", b"?".to_vec());
    a.damage(&bag(4), "inventory.json", b"{}".to_vec());
    a.damage(&bag(5), "inventory.json.sha512", b"0  inventory.json\n".to_vec());
    a.damage(&bag(6), "0=ocfl_object_1.1", Vec::new());
    a.lose(&bag(7), None);
    let (row, parts) = sweep(&house, &all());
    let on_a = &parts["a"];
    assert_eq!((on_a.sound, on_a.faulty, on_a.left), (1, 8, 0));
    // The lost one lacks its declaration, two inventories and two side-cars; without them nothing names its files.
    assert_eq!((on_a.mismatched, on_a.missing, on_a.extra, on_a.unreadable), (5, 1 + 5, 1, 0));
    assert_eq!((parts["b"].sound, parts["b"].faulty), (9, 0));
    let damaged = house.ledger.damaged(None, 100).unwrap();
    assert_eq!(
        damaged.iter().map(|copy| copy.object.clone()).collect::<Vec<_>>(),
        (0..8).map(bag).collect::<Vec<_>>()
    );
    assert!(damaged.iter().all(|copy| copy.target == "a" && copy.run == row.number));
    let findings = house.ledger.sweep_findings(row.number, None, 100).unwrap();
    assert_eq!(findings.len(), 8);
    assert!(findings.iter().all(|(_, finding)| finding.marked));
    for number in 0..8 {
        let events = house.ledger.object_events(&bag(number)).unwrap();
        assert_eq!(events.len(), 1, "{number}");
        assert_eq!((events[0].outcome, events[0].target.as_deref()), (Ended::Failure, Some("a")));
        let logged =
            house.targets["b"].files(&bag(number)).keys().filter(|path| path.starts_with("logs/")).count();
        assert_eq!(logged, 2, "beside the other copy, too");
    }
    index_follows(&house);
    // What failed keeps its old time, and what is sound has a new one.
    let at = |number: usize, target: &str| {
        let versions = house.ledger.versions(&bag(number)).unwrap();
        versions[0].copies.iter().find(|copy| copy.target == target).unwrap().proved_at
    };
    assert!(at(0, "a") < at(0, "b"));
}

#[test]
fn a_known_bad_copy_is_counted_and_not_read_again_until_its_time_comes_or_everything_is_asked_for() {
    let house = stocked(3);
    house.targets["a"].damage(&bag(1), "v1/content/bag/data/a.txt", b"?".to_vec());
    house.clock.advance(91 * DAY);
    assert_eq!(sweep(&house, &due()).1["a"].faulty, 1);
    house.clock.advance(DAY);
    let seen = Seen::default();
    let row = sweep_by(&house, &due(), &FixityConfig::default(), &noting(&seen), &|| false).unwrap();
    let part = house.ledger.sweep_target(row.number, "a").unwrap().unwrap();
    assert_eq!((part.faulty, part.mismatched, part.bytes), (1, 1, 0), "it is still wrong");
    assert_eq!(seen.into_inner().unwrap(), []);
    house.clock.advance(7 * DAY);
    assert!(sweep(&house, &due()).1["a"].bytes > 0);
    assert_eq!(house.ledger.object_events(&bag(1)).unwrap().len(), 2);
    // Put right, it is found sound, its mark goes, and an event says so.
    house.targets["a"].damage(&bag(1), "v1/content/bag/data/a.txt", b"text 1".to_vec());
    let (_, parts) = sweep(&house, &all());
    assert_eq!((parts["a"].sound, parts["a"].faulty), (3, 0));
    assert_eq!(house.ledger.damaged(None, 9).unwrap(), []);
    let events = house.ledger.object_events(&bag(1)).unwrap();
    assert_eq!(events.last().unwrap().outcome, Ended::Success);
    index_follows(&house);
}

#[test]
fn a_target_that_is_away_is_not_reached_and_the_other_is_proved() {
    let house = stocked(5);
    house.targets["a"].unmount(true);
    let before = house.ledger.oldest_proofs("a", None, 9).unwrap();
    let (row, parts) = sweep(&house, &all());
    assert_eq!((parts["a"].state, parts["a"].sound, parts["a"].faulty), (SweepState::Away, 0, 0));
    assert_eq!((parts["a"].left, parts["a"].not_reached), (5, 5 * 7));
    assert_eq!((parts["b"].state, parts["b"].sound), (SweepState::Done, 5));
    assert_eq!(row.why.as_deref(), Some("away"));
    assert_eq!(house.ledger.oldest_proofs("a", None, 9).unwrap(), before);
    assert!(house.ledger.damaged(None, 9).unwrap().is_empty());
    house.targets["a"].unmount(false);
    assert_eq!(sweep(&house, &all()).1["a"].sound, 5);
}

#[test]
fn a_prover_that_lets_bad_bytes_pass_is_refused_and_nothing_is_recorded() {
    let house = stocked(2);
    let before = house.ledger.oldest_proofs("a", None, 9).unwrap();
    let lies = |target: &dyn Target, wanted: &Wanted<'_>, scratch: &dyn Scratch, how: How<'_>| {
        let found = prove_from(target, wanted, scratch, how)?;
        Ok(Proof { matched: found.matched + found.mismatched, bytes: found.bytes, ..Proof::default() })
    };
    let row = sweep_by(&house, &all(), &FixityConfig::default(), &lies, &|| false).unwrap();
    assert!(row.refused && row.ended.is_some());
    assert!(row.why.unwrap().starts_with("one bit of a file is another, and it came out as sound"));
    assert_eq!(house.ledger.oldest_proofs("a", None, 9).unwrap(), before);
    let parts = house.ledger.sweep_targets(row.number).unwrap();
    assert!(parts.iter().all(|part| (part.sound, part.matched, part.left) == (0, 0, 2)), "{parts:?}");
}

#[test]
fn many_failures_of_one_kind_are_the_targets_fault_and_no_copy_is_marked() {
    let house = stocked(30);
    for number in 5..25 {
        house.targets["a"].lose(&bag(number), Some("v1/content/bag/data/a.txt"));
    }
    let (row, parts) = sweep(&house, &all());
    assert_eq!(parts["a"].state, SweepState::Ill);
    assert_eq!((parts["b"].state, parts["b"].sound), (SweepState::Done, 30));
    assert!(house.ledger.damaged(None, 99).unwrap().is_empty());
    assert!((0..30).all(|number| house.ledger.object_events(&bag(number)).unwrap().is_empty()));
    let ill = house.ledger.ill("a").unwrap().unwrap();
    assert!(ill.run == row.number && ill.because.contains("10 of the last copies are missing"), "{ill:?}");
    assert_eq!(house.ledger.ill("b").unwrap(), None);
    let findings = house.ledger.sweep_findings(row.number, None, 99).unwrap();
    assert_eq!(findings.iter().filter(|(_, told)| told.object.is_none()).count(), 1, "one alert");
    assert!(findings.iter().all(|(_, told)| !told.marked));
    // The cable is put in again.
    for number in 5..25 {
        let text = format!("text {number}").into_bytes();
        house.targets["a"].damage(&bag(number), "v1/content/bag/data/a.txt", text);
    }
    assert_eq!(sweep(&house, &all()).1["a"].state, SweepState::Done);
    assert_eq!(house.ledger.ill("a").unwrap(), None);
}

#[test]
fn a_run_that_looked_at_nothing_does_not_say_that_an_ill_target_is_well() {
    let house = stocked(30);
    for number in 5..25 {
        house.targets["a"].lose(&bag(number), Some("v1/content/bag/data/a.txt"));
    }
    sweep(&house, &all());
    assert!(house.ledger.ill("a").unwrap().is_some());
    // The next night nothing is due.
    house.clock.advance(DAY);
    let (_, parts) = sweep(&house, &due());
    assert_eq!((parts["a"].state, parts["a"].sound + parts["a"].faulty), (SweepState::Done, 0));
    assert!(house.ledger.ill("a").unwrap().is_some(), "nobody looked whether it is well again");
}

#[test]
fn a_run_ends_when_its_bytes_are_used_up_and_the_next_goes_on_with_the_oldest() {
    let house = stocked(100);
    house.clock.advance(200 * DAY);
    let mut runs = 0;
    let mut proved: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let order = Order { budget: Budget { time: None, bytes: Some(100_000) }, ..due() };
        let (row, parts) = sweep(&house, &order);
        runs += 1;
        for part in parts.values() {
            *proved.entry(part.target.clone()).or_default() += part.sound;
            let open = house.ledger.oldest_proofs(&part.target, None, 999).unwrap();
            let open = open.iter().filter(|copy| copy.proved_at <= part.before).count() as u64;
            assert_eq!(part.left, open, "what is left is said");
        }
        if row.why.is_none() {
            break;
        }
        assert_eq!(row.why.as_deref(), Some("budget"));
        house.clock.advance(DAY);
        assert!(runs < 100);
    }
    assert!(runs > 1, "{runs}");
    assert_eq!(proved, BTreeMap::from([("a".to_string(), 100), ("b".to_string(), 100)]), "none twice");
}

#[test]
fn a_run_that_is_asked_to_stop_ends_there_and_says_so() {
    let house = stocked(10);
    let read = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let prove = |target: &dyn Target, wanted: &Wanted<'_>, scratch: &dyn Scratch, how: How<'_>| {
        if !wanted.object.0.contains("canary") && read.fetch_add(1, Ordering::Relaxed) == 3 {
            stop.store(true, Ordering::Relaxed);
        }
        prove_from(target, wanted, scratch, how)
    };
    let row = sweep_by(&house, &all(), &FixityConfig::default(), &prove, &|| stop.load(Ordering::Relaxed));
    let row = row.unwrap();
    assert_eq!(row.why.as_deref(), Some("stopped"));
    let parts = house.ledger.sweep_targets(row.number).unwrap();
    assert!(parts.iter().map(|part| part.sound).sum::<u64>() < 20);
    assert!(parts.iter().all(|part| part.sound + part.left == 10), "{parts:?}");
}

#[test]
fn a_clock_that_was_set_back_keeps_no_copy_from_being_proved() {
    let house = stocked(4);
    house.clock.set_wall(jiff::SignedDuration::from_hours(-24 * 300));
    let (_, parts) = sweep(&house, &all());
    assert_eq!((parts["a"].sound, parts["b"].sound), (4, 4));
    let now = house.world.clock.now();
    let proofs = house.ledger.oldest_proofs("a", None, 9).unwrap();
    assert!(proofs.iter().all(|copy| now.duration_until(copy.proved_at).as_secs() < 60), "{proofs:?}");
    // Also where only what is due is looked at: a proof from the future is none.
    house.clock.set_wall(jiff::SignedDuration::from_hours(-24 * 300));
    assert_eq!(sweep(&house, &due()).1["a"].sound, 4);
    // And a copy that was found damaged at such a time is looked at again like any other.
    house.targets["a"].damage(&bag(1), "v1/content/bag/data/a.txt", b"?".to_vec());
    sweep(&house, &all());
    house.clock.set_wall(jiff::SignedDuration::from_hours(-24 * 300));
    let seen = Seen::default();
    sweep_by(&house, &due(), &FixityConfig::default(), &noting(&seen), &|| false).unwrap();
    assert!(seen.into_inner().unwrap().contains(&("a".to_string(), bag(1))));
}

#[test]
fn an_object_that_somebody_changes_is_left_to_the_next_run() {
    let house = stocked(3);
    let claim = house.ledger.claim_object(&bag(1));
    let (_, parts) = sweep(&house, &all());
    assert_eq!((parts["a"].sound, parts["a"].left), (2, 1));
    drop(claim);
    assert_eq!(sweep(&house, &all()).1["a"].sound, 3);
    // A version that comes while its object is read: nothing bad is said of it.
    let once = AtomicBool::new(false);
    let prove = |target: &dyn Target, wanted: &Wanted<'_>, scratch: &dyn Scratch, how: How<'_>| {
        if *wanted.object == bag(2) && !once.swap(true, Ordering::Relaxed) {
            house.deposit("bag-002", &[("a.txt", "another")]);
            house.run();
        }
        prove_from(target, wanted, scratch, how)
    };
    let row = sweep_by(&house, &all(), &FixityConfig::default(), &prove, &|| false).unwrap();
    assert_eq!(house.ledger.damaged(None, 9).unwrap(), []);
    let parts = house.ledger.sweep_targets(row.number).unwrap();
    assert!(parts.iter().all(|part| part.faulty == 0), "{parts:?}");
    assert_eq!(sweep(&house, &all()).1["a"].sound, 3);
    index_follows(&house);
}

#[test]
fn what_a_run_proved_is_kept_beside_every_storage_root() {
    let house = stocked(3);
    let (row, _) = sweep(&house, &all());
    for target in house.targets.values() {
        let kept = target.kept().unwrap();
        let names: Vec<&str> = kept.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["fixity-rehearsal-000001-a-0001.jsonl", "fixity-rehearsal-000001-b-0001.jsonl"]);
        let mut bytes = Vec::new();
        target.read(Where::Kept(names[0]), &mut |chunk| bytes.extend_from_slice(chunk)).unwrap();
        let (head, proved) = report::decode(&bytes).unwrap();
        assert_eq!((head.run, head.target.as_str(), proved.len()), (row.number, "a", 3));
    }
}

/// Counts the rows that are read from a book.
struct Counting {
    book: Arc<dyn Book>,
    rows: AtomicU64,
}

impl Book for Counting {
    fn get(&self, key: &str) -> Result<Option<Row>, BookError> {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.book.get(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Row)>, BookError> {
        let rows = self.book.scan(prefix, after, limit)?;
        self.rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok(rows)
    }

    fn commit(&self, batch: &[Write], guards: &[Guard]) -> Result<u64, BookError> {
        self.book.commit(batch, guards)
    }

    fn watch(&self, seen: u64, at_most: Duration) -> u64 {
        self.book.watch(seen, at_most)
    }

    fn copy(&self, each: &mut dyn FnMut(&str, Option<&Row>) -> bool) -> Result<u64, BookError> {
        self.book.copy(each)
    }

    fn verify(&self) -> Result<BookReport, BookError> {
        self.book.verify()
    }
}

#[test]
fn choosing_what_is_due_reads_a_page_however_many_copies_there_are() {
    let mut house = stocked(3);
    house.clock.advance(100 * DAY);
    let now = house.world.clock.now().as_millisecond();
    for page in 0..400 {
        let row = |number: u64| {
            let object = format!("strongroom:uva.edu/other-{page:04}-{number:04}");
            Write::Put(format!("u/a/{:014}/{object}", now - 1_000), br#"{"files":1,"bytes":1}"#.to_vec())
        };
        house.world.book.commit(&(0..500).map(row).collect::<Vec<_>>(), &[]).unwrap();
    }
    let book = Arc::new(Counting { book: house.world.book.clone(), rows: AtomicU64::new(0) });
    house.world = Arc::new(World {
        outlets: house.world.outlets.clone(),
        source: house.source.clone(),
        targets: house.world.targets.clone(),
        disk: house.disk.clone(),
        clock: house.clock.clone(),
        book: book.clone(),
    });
    house.ledger = Arc::new(Ledger::new(house.world.clone(), &INGEST_LINE));
    assert_eq!(house.ledger.oldest_proofs("a", None, 64).unwrap().len(), 64);
    assert_eq!(book.rows.swap(0, Ordering::Relaxed), 64);
    let (_, parts) = sweep(&house, &due());
    assert_eq!((parts["a"].sound, parts["b"].sound), (3, 3));
    // A page for each question on each target, and the few rows of what is due.
    let read = book.rows.load(Ordering::Relaxed);
    assert!(read < 1_000, "{read} rows were read");
}
