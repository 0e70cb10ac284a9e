//! The ledger is lost, and made again from what lies on targets.

use crate::rehearsal::{House, house, house_of, policy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strongroom::books::ledger::additions::Additions;
use strongroom::books::ledger::{Ledger, RepairWanted, TargetUse};
use strongroom::model::item::Asker;
use strongroom::rules::registry::Odd;
use strongroom::work::keeping::{self, Fill};
use strongroom::work::rebuild::{Rebuild, Report};
use strongroom::work::repair::Repairer;
use strongroom::work::stages::INGEST_LINE;
use strongroom::worlds::World;
use strongroom::worlds::book::rehearsal::RehearsalBook;
use strongroom::worlds::fate::{Blow, Fate};
use strongroom::worlds::target::Target;
use strongroom::worlds::target::holdings::Holdings;

/// Rows by key; what a rebuild cannot know is left out: journals, and how often something was tried.
fn rows(ledger: &Ledger) -> BTreeMap<String, serde_json::Value> {
    let mut rows = BTreeMap::new();
    ledger
        .export(&mut |key, row| {
            let mut value: serde_json::Value = serde_json::from_slice(&row.value).unwrap();
            if key.starts_with("a/") || key.starts_with("m/place") {
                return;
            }
            if key.starts_with("i/") {
                value["attempts"] = 0.into();
                value["checkpoint"]["fence"] = 0.into();
            }
            rows.insert(key.to_string(), value);
        })
        .unwrap();
    rows
}

fn same(
    before: &BTreeMap<String, serde_json::Value>,
    after: &BTreeMap<String, serde_json::Value>,
    what: &str,
) {
    for key in before.keys().chain(after.keys()) {
        assert_eq!(before.get(key), after.get(key), "{what}: {key}");
    }
}

/// An empty ledger under a fate of its own, beside the same targets.
fn new_ledger(house: &House) -> (Ledger, Arc<Fate>) {
    let fate = Arc::new(Fate::default());
    let world = World {
        source: house.source.clone(),
        targets: house.world.targets.clone(),
        disk: house.disk.clone(),
        clock: house.clock.clone(),
        book: Arc::new(RehearsalBook::new(fate.clone())),
        outlets: house.world.outlets.clone(),
    };
    (Ledger::new(Arc::new(world), &INGEST_LINE), fate)
}

fn from(house: &House, names: &[&str]) -> Vec<(String, Arc<dyn Target>)> {
    names.iter().map(|name| ((*name).to_string(), house.world.targets[*name].clone())).collect()
}

fn run(
    house: &House,
    names: &[&str],
    ledger: Option<&Ledger>,
    dry_run: bool,
    commit_rows: usize,
) -> Result<Report, String> {
    let roots = house.world.targets.iter().map(|(name, target)| (name.clone(), target.root())).collect();
    let rebuild = Rebuild { from: &from(house, names), roots: &roots, told: &|_| {} };
    let mut additions = Additions::new(ledger, dry_run).unwrap().in_commits_of(commit_rows);
    rebuild.run(&mut additions, dry_run).map_err(|error| error.sentence())
}

fn rebuilt(house: &House, names: &[&str]) -> (Ledger, Report) {
    let (ledger, _) = new_ledger(house);
    let report = run(house, names, Some(&ledger), false, 2_000).unwrap();
    (ledger, report)
}

/// A few bags, one of them in three versions, one deposited twice as it was.
fn lived_in() -> House {
    let house = house();
    for round in 0..3 {
        house.deposit("photos", &[("a.txt", "alpha"), ("n.txt", ["1", "2", "3"][round])]);
        house.run();
    }
    house.deposit("letters", &[("l.txt", "dear")]);
    house.deposit_packed("maps", &[("m.txt", "here")]);
    house.deposit_afar("films", &[("f.txt", "far away")]);
    house.run();
    house.source.add_tar("/again/letters.tar", crate::rehearsal::tar("letters", &[("l.txt", "dear")]));
    house.submit("letters", "/again/letters.tar");
    house.run();
    assert!(house.items().iter().all(|item| item.checkpoint.standing.name() == "kept"));
    house
}

#[test]
fn each_target_alone_gives_back_every_row_but_the_journals() {
    let house = lived_in();
    let before = rows(&house.ledger);
    for names in [&["a"][..], &["b"], &["a", "b"], &["b", "a"]] {
        let (ledger, report) = rebuilt(&house, names);
        assert_eq!(report.disagreements, [], "{names:?}");
        assert_eq!((report.found, report.objects, report.versions, report.items), (4, 4, 6, 7));
        same(&before, &rows(&ledger), &format!("{names:?}"));
    }
}

#[test]
fn when_copies_were_proved_is_learned_from_the_reports_of_sweeps() {
    let house = lived_in();
    house.clock.advance(Duration::from_secs(100 * 86_400));
    crate::sweeping::sweep_all(&house);
    house.deposit("later", &[("l.txt", "later")]);
    house.run();
    let of_sweeps = |key: &String| key.starts_with("f/");
    let mut before = rows(&house.ledger);
    before.retain(|key, _| !of_sweeps(key));
    for names in [&["a"][..], &["b"], &["a", "b"]] {
        let (ledger, _) = rebuilt(&house, names);
        same(&before, &rows(&ledger), &format!("{names:?}"));
    }
    // A report that is not whole says nothing, and nothing worse comes of it.
    let a = &house.targets["a"];
    for file in a.kept().unwrap() {
        a.keep(&file.name, &b"{}\n".to_vec()).unwrap();
    }
    let (ledger, report) = rebuilt(&house, &["a"]);
    assert_eq!(report.disagreements, []);
    let after = rows(&ledger);
    assert_eq!(after.keys().filter(|key| key.starts_with("v/")).count(), 7);
    assert_ne!(after, before);
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let house = lived_in();
    let (ledger, wet) = rebuilt(&house, &["a"]);
    let dry = run(&house, &["a"], None, true, 2_000).unwrap();
    assert_eq!(Report { dry_run: false, ..dry }, wet);
    let (empty, _) = new_ledger(&house);
    run(&house, &["a"], Some(&empty), true, 3).unwrap();
    assert!(rows(&empty).is_empty());
    // Once more over what is there: nothing is new.
    let again = run(&house, &["a", "b"], Some(&ledger), false, 2_000).unwrap();
    assert_eq!((again.found, again.objects, again.versions, again.items, again.events), (4, 0, 0, 0, 0));
}

#[test]
fn a_rebuild_that_is_cut_off_anywhere_and_run_again_leaves_what_one_run_leaves() {
    let house = lived_in();
    let (whole, _) = rebuilt(&house, &["a"]);
    let whole = rows(&whole);
    let mut cut = 0;
    for blow in [Blow::PowerBefore, Blow::PowerAfter, Blow::Error] {
        for at in 1.. {
            let (ledger, fate) = new_ledger(&house);
            fate.plan(at, blow);
            let ended = run(&house, &["a"], Some(&ledger), false, 5);
            fate.recover();
            if ended.is_ok() {
                break;
            }
            cut += 1;
            let additions = Additions::new(Some(&ledger), false).unwrap();
            // Cut off after its last commit, it was done.
            let done = rows(&ledger) == whole;
            assert_eq!(additions.is_of_use_already().unwrap(), done, "else it may be run again as it was");
            run(&house, &["a"], Some(&ledger), false, 5).unwrap();
            same(&whole, &rows(&ledger), &format!("{blow:?} at write {at}"));
            let additions = Additions::new(Some(&ledger), false).unwrap();
            assert!(additions.is_of_use_already().unwrap());
        }
    }
    assert!(cut > 20, "only {cut} cuts");
}

#[test]
fn the_house_works_on_after_a_rebuild() {
    let house = lived_in();
    let next = house.items().len() as u64 + 1;
    let (ledger, _) = rebuilt(&house, &["b"]);
    let house = House { world: ledger.world().clone(), ledger: Arc::new(ledger), ..house };
    house.deposit("photos", &[("a.txt", "alpha"), ("n.txt", "4")]);
    house.run();
    let item = house.items().pop().unwrap();
    assert_eq!((item.id.0, item.found.store.as_ref().unwrap().version), (next, 4));
    let versions = house.ledger.versions(&item.found.store.unwrap().object).unwrap();
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let (again, report) = rebuilt(&house, &["a"]);
    assert_eq!(report.disagreements, [], "the chain of events goes on where it was");
    same(&rows(&house.ledger), &rows(&again), "after one more version");
}

#[test]
fn two_ledgers_that_gave_the_same_numbers_are_taken_without_mixing_them_up() {
    let house = house();
    house.deposit("first", &[("a", "1")]);
    house.run();
    // The ledger is lost, nobody rebuilds, and a new one numbers from 1.
    let (ledger, _) = new_ledger(&house);
    let mut settings = house.settings.clone();
    settings.ledger_id = "another".into();
    let house = House { world: ledger.world().clone(), ledger: Arc::new(ledger), settings, ..house };
    house.clock.advance(std::time::Duration::from_secs(60));
    house.deposit("second", &[("b", "2")]);
    house.run();
    assert_eq!(house.items()[0].id.0, 1);
    for _ in 0..2 {
        let (ledger, report) = rebuilt(&house, &["a"]);
        assert_eq!((report.items, report.refused), (2, 0));
        let again = run(&house, &["b"], Some(&ledger), false, 2_000).unwrap();
        assert_eq!((again.items, again.events), (0, 0), "the second run knows both");
        let objects = ledger.objects(None, 10).unwrap();
        let mut items = Vec::new();
        for object in &objects {
            let version = ledger.versions(&object.id).unwrap().remove(0);
            let item = ledger.item(strongroom::model::item::ItemId(version.item)).unwrap().unwrap();
            assert_eq!(item.bag, object.bag);
            assert_eq!(ledger.events(item.id).unwrap().len() as u64, item.events);
            items.push(version.item);
        }
        items.sort_unstable();
        assert_eq!(items, [1, 2]);
    }
}

#[test]
fn what_is_wrong_on_one_target_is_told_and_the_other_serves() {
    let house = lived_in();
    let before = rows(&house.ledger);
    let object = |bag: &str| strongroom::model::object::ObjectId::of("uva.edu", bag);
    let a = &house.targets["a"];
    a.damage(
        &object("maps"),
        "inventory.json.sha512",
        format!("{}  inventory.json\n", "0".repeat(128)).into(),
    );
    a.damage(&object("films"), "notes.txt", b"mine".to_vec());
    let log = a.files(&object("letters")).keys().find(|path| path.starts_with("logs/")).unwrap().clone();
    a.damage(&object("letters"), &log, b"{}\n".to_vec());
    let (ledger, report) = rebuilt(&house, &["a", "b"]);
    let odd: Vec<Odd> = report.disagreements.iter().map(|told| told.odd).collect();
    for kind in [Odd::Damaged, Odd::UnknownFile, Odd::LogDiffers, Odd::VersionMissing] {
        assert!(odd.contains(&kind), "{kind:?} in {:#?}", report.disagreements);
    }
    assert!(report.disagreements.iter().all(|told| told.target.as_deref() == Some("a")));
    assert_eq!(report.refused, 2, "maps on a cannot be read, and is not a copy");
    let after = rows(&ledger);
    let own = before.keys().filter(|key| !key.starts_with("u/"));
    let differ: Vec<&String> = own.filter(|key| after.get(*key) != before.get(*key)).collect();
    assert_eq!(differ, [&format!("v/{}/000001", object("maps"))], "only the copy that cannot be read");
}

#[test]
fn a_copy_that_was_damaged_when_the_ledger_was_lost_is_put_right_when_somebody_asks() {
    let house = house();
    house.deposit("photos", &[("a.txt", "alpha")]);
    house.run();
    let object = house.ledger.objects(None, 1).unwrap().remove(0).id;
    house.targets["b"].damage(&object, "inventory.json", b"{}".to_vec());
    let (ledger, report) = rebuilt(&house, &["a", "b"]);
    assert_eq!(report.odd.get("damaged"), Some(&1), "{report:?}");
    let on = || {
        let version = ledger.versions(&object).unwrap().remove(0);
        version.copies.into_iter().map(|copy| copy.target).collect::<Vec<_>>()
    };
    assert_eq!(on(), ["a"]);
    let repairer =
        Repairer { world: ledger.world(), ledger: &ledger, settings: &house.settings, step: &|_| Ok(()) };
    let wanted = RepairWanted { object: Some(object.clone()), ..RepairWanted::default() };
    let run = ledger.begin_repair("anna", wanted).unwrap();
    let run = repairer.step(run, Duration::from_secs(3_600)).unwrap();
    assert_eq!((run.repaired, run.failed), (1, 0), "{run:?}");
    assert_eq!(on(), ["a", "b"]);
    assert_eq!(
        house.targets["a"].files(&object)["inventory.json"],
        house.targets["b"].files(&object)["inventory.json"]
    );
}

#[test]
fn what_happened_to_objects_after_they_were_kept_is_rebuilt_too() {
    let mut house = house_of(&["a", "b", "c"], &|target| target);
    house.deposit("photos", &[("a.txt", "alpha")]);
    house.run();
    house.deposit("photos", &[("a.txt", "beta")]);
    house.run();
    // A target joins, another is retired.
    house.settings.policies.insert("default".into(), policy("default", &["a", "b", "c"]));
    let fill = || {
        let over = || false;
        let what = Fill { target: None, after: None, at_most: Duration::MAX, only_count: false, over: &over };
        let filled = keeping::fill(&house.world, &house.ledger, &house.settings, &what).unwrap();
        assert_eq!(filled.lacking, 0, "{filled:?}");
    };
    fill();
    house.clock.advance(Duration::from_secs(3_600));
    let anna = Asker { uid: 7, name: "anna".into(), door: "test".into() };
    house.ledger.set_target("b", TargetUse::Retired, &anna, "").unwrap();
    house.settings.uses.reread(&house.ledger).unwrap();
    fill();
    let mut before = rows(&house.ledger);
    // What people said of targets is lost with the ledger, as is told.
    assert!(before.remove("t/b").is_some());
    for names in [&["a"][..], &["c"], &["a", "c"]] {
        let (ledger, report) = rebuilt(&house, names);
        assert_eq!(report.disagreements, [], "{names:?}");
        same(&before, &rows(&ledger), &format!("{names:?}"));
    }
}
