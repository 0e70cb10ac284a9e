//! A stage run twice leaves what it leaves run once: under the same lease, and under the next one after the process
//! ended between its work and its commit.

use crate::rehearsal::{House, house};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use strongroom::books::ledger::{Lease, Ledger, Report};
use strongroom::books::volume::Promises;
use strongroom::model::checkpoint::{Move, Stage};
use strongroom::model::object::ObjectId;
use strongroom::work::job::{Done, Job, Meter};
use strongroom::work::stages::{INGEST, INGEST_LINE, StageWork};
use strongroom::worlds::World;
use strongroom::worlds::book::rehearsal::RehearsalBook;
use strongroom::worlds::disk::Place;
use strongroom::worlds::fate::Blow;

fn work(house: &House, stage: &dyn StageWork, lease: &Lease) -> Done {
    let job = Job {
        world: &house.world,
        ledger: &house.ledger,
        settings: &house.settings,
        item: &lease.item,
        fence: lease.fence,
        meter: &Meter::default(),
        drain: &AtomicBool::new(false),
        promises: &Promises::new(),
    };
    stage.work(&job).unwrap()
}

/// Everything that lies in staging and on targets, and what the stage said.
fn left(house: &House, done: &Done) -> (BTreeMap<String, Vec<u8>>, String) {
    let mut lies = BTreeMap::new();
    for (place, bytes) in house.disk.files() {
        // A name under work carries the lease's fence; what counts is what is published.
        if !place.path.ends_with(".part") {
            lies.insert(format!("{}/{}", place.volume, place.path), bytes);
        }
    }
    for (name, target) in &house.targets {
        for object in target.objects() {
            for (path, bytes) in target.files(&object) {
                lies.insert(format!("{name}/{object}/{path}"), bytes.to_vec());
            }
        }
    }
    (lies, format!("{:?} {:?} {:?}", done.found, done.events, done.registry))
}

fn claim(house: &House, stage: Stage) -> Lease {
    let id = house.items()[0].id;
    house.ledger.claim(id, stage, Some("staging".into()), Vec::new()).unwrap().expect("it is ready")
}

fn every_stage(between: impl Fn(&House, Stage, Lease) -> Lease) {
    let files = [("a.txt", "alpha"), ("b/c.txt", "gamma"), ("twin.txt", "alpha")];
    let plain = house();
    plain.deposit("photos", &files);
    every_stage_of(&plain, &between);
    let packed = house();
    packed.deposit_packed("photos", &files);
    every_stage_of(&packed, &between);
}

fn every_stage_of(house: &House, between: &dyn Fn(&House, Stage, Lease) -> Lease) {
    for stage in INGEST {
        let lease = claim(house, stage.name());
        let once = work(house, stage, &lease);
        let lies_once = left(house, &once);
        let lease = between(house, stage.name(), lease);
        let done = work(house, stage, &lease);
        assert_eq!(left(house, &done), lies_once, "{} run twice", stage.name());
        let report = Report {
            found: Some(done.found),
            deposit: done.deposit,
            events: done.events,
            registry: done.registry,
            ..Report::default()
        };
        house.ledger.commit(&lease, &Move::Finish, report).unwrap();
    }
    assert_eq!(house.items()[0].checkpoint.standing.name(), "kept");
    for target in house.targets.values() {
        assert_eq!(target.objects().len(), 1);
    }
    let kinds: Vec<&str> = house.events().iter().map(|event| event.event_type.term().1).collect();
    assert_eq!(kinds, ["tra", "unp", "mes", "fix", "val", "poa", "ing", "rep", "ine"]);
}

#[test]
fn under_the_same_lease() {
    every_stage(|_, _, lease| lease);
}

#[test]
fn under_the_next_lease_after_the_process_ended() {
    every_stage(|house, stage, _| {
        house.ledger.nudge(house.items()[0].id, &Move::Recover { progress: 0 }).unwrap();
        claim(house, stage)
    });
}

/// Cuts the power before each write of taking in a bag, one after the other, and hands over the house as it is then.
fn at_every_cut(mut then: impl FnMut(u64, House)) {
    let files = [("a.txt", "alpha"), ("b/c.txt", "gamma")];
    let undisturbed = house();
    undisturbed.deposit("letters", &files);
    undisturbed.fate.recover();
    undisturbed.run();
    for at in 1..=undisturbed.fate.writes() {
        let house = house();
        house.deposit("letters", &files);
        house.fate.plan(at, Blow::PowerBefore);
        house.run_once();
        house.fate.recover();
        then(at, house);
    }
}

#[test]
fn an_item_takes_nothing_from_one_that_had_its_number_before_the_ledger_was_restored() {
    at_every_cut(|at, mut house| {
        if house.items()[0].checkpoint.standing.name() == "kept" {
            // A kept item's number is read back from the targets.
            return;
        }
        // The ledger is lost, its backup is from before that deposit, and another one is handed in first.
        let book = Arc::new(RehearsalBook::new(house.fate.clone()));
        house.world = Arc::new(World {
            source: house.world.source.clone(),
            targets: house.world.targets.clone(),
            disk: house.world.disk.clone(),
            clock: house.world.clock.clone(),
            book,
            outlets: house.world.outlets.clone(),
        });
        house.ledger = Arc::new(Ledger::new(house.world.clone(), &INGEST_LINE));
        house.deposit("photos", &[("z.txt", "omega")]);
        house.run();
        let item = house.items().remove(0);
        assert_eq!(item.checkpoint.standing.name(), "kept", "cut before write {at}: {item:#?}");
        let object = ObjectId::of("uva.edu", "photos");
        assert_eq!(item.found.store.map(|store| store.object), Some(object.clone()), "cut before write {at}");
        for target in house.targets.values() {
            let files = target.files(&object);
            let stored = files.get("v1/content/bag/data/z.txt").map(|bytes| bytes.to_vec());
            assert_eq!(stored, Some(b"omega".to_vec()), "cut before write {at}");
        }
    });
}

#[test]
fn an_item_whose_plan_is_damaged_in_staging_makes_another_and_copies_again() {
    at_every_cut(|at, house| {
        if house.targets.values().any(|target| !target.objects().is_empty()) {
            // What is published on one target and not on the other is for a person to look at.
            return;
        }
        let plan = Place { volume: "staging".into(), path: "rehearsal-1/plan".into() };
        house.disk.damage(&plan, |bytes| bytes[20] ^= 1);
        house.run();
        let item = house.items().remove(0);
        assert_eq!(item.checkpoint.standing.name(), "kept", "cut before write {at}: {:#?}", item.checkpoint);
    });
}

#[test]
fn a_copy_is_proved_when_its_files_were_read_back_however_late_it_is_published() {
    let mut waited = 0;
    at_every_cut(|at, house| {
        let marked = |target: &str| {
            let name = format!("rehearsal-1/marks-{target}.");
            let marks = house.disk.files().into_iter().find(|(place, _)| place.path.starts_with(&name));
            marks.is_some_and(|(_, bytes)| bytes.ends_with(b"\n"))
        };
        let before: Vec<&str> = ["a", "b"].into_iter().filter(|target| marked(target)).collect();
        let stored = house.items()[0].found.store.is_some();
        // A person comes by after a quarter of a year.
        house.clock.advance(Duration::from_secs(90 * 86_400));
        let now = house.world.clock.now();
        house.run();
        let copies = house.items()[0].found.store.clone().unwrap().copies;
        for copy in copies.iter().filter(|copy| !stored && before.contains(&copy.target.as_str())) {
            assert!(copy.proved_at < now, "cut before write {at}: {copy:?} was read back before {now}");
            waited += 1;
        }
    });
    assert!(waited > 0, "no cut left files that were read back and not published");
}
