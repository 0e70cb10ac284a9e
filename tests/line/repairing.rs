//! Copies in which something is wrong are put right from proved copies, whatever is wrong, wherever it stops, and never from
//! anything else.

use crate::rehearsal::{House, house_of, log_lines, policy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strongroom::books::ledger::{DamageMark, EventDraft, RepairRun, RepairWanted};
use strongroom::model::event::{Event, EventType, Outcome};
use strongroom::model::object::{ObjectId, VersionRow};
use strongroom::model::proof::DamagedCopy;
use strongroom::rules::sort::MemoryScratch;
use strongroom::work::logs::{self, Change};
use strongroom::work::proving::{Proof, Wanted, prove};
use strongroom::work::repair::{Came, CopyPlan, Done, Repairer};
use strongroom::worlds::fate::Blow;
use strongroom::worlds::target::mending::Mending;
use strongroom::worlds::target::rehearsal::Rot;

const ONE: [(&str, &str); 3] = [("a.txt", "alpha"), ("b/c.txt", "gamma"), ("twin.txt", "alpha")];
const TWO: [(&str, &str); 3] = [("a.txt", "alpha"), ("b/c.txt", "gamma, changed"), ("new.txt", "delta")];
const ALPHA: &str = "v1/content/bag/data/a.txt";
const NEW: &str = "v2/content/bag/data/new.txt";
const NEVER: fn(u64) -> Result<(), strongroom::model::trouble::Stop> = |_| Ok(());

fn photos() -> ObjectId {
    ObjectId::of("uva.edu", "photos")
}

/// Two versions on a, b and c.
fn house() -> House {
    let mut house = house_of(&["a", "b", "c"], &|target| target);
    house.settings.policies.insert("default".into(), policy("default", &["a", "b", "c"]));
    house.deposit("photos", &ONE);
    house.run();
    house.deposit("photos", &TWO);
    house.run();
    house.clock.advance(Duration::from_secs(3_600));
    house
}

fn repairer(house: &House) -> Repairer<'_> {
    Repairer { world: &house.world, ledger: &house.ledger, settings: &house.settings, step: &NEVER }
}

fn mend(house: &House, target: &str) -> Done {
    repairer(house).mend(&photos(), target).unwrap()
}

fn plan(house: &House, target: &str) -> CopyPlan {
    repairer(house).plan(&photos(), target).unwrap()
}

fn versions(house: &House) -> Vec<VersionRow> {
    house.ledger.versions(&photos()).unwrap()
}

fn proof(house: &House, target: &str) -> Proof {
    let inventories: BTreeMap<u32, String> =
        versions(house).into_iter().map(|version| (version.version, version.inventory_sha512)).collect();
    let wanted = Wanted { object: &photos(), inventories: &inventories };
    prove(&*house.targets[target], &wanted, &MemoryScratch::default(), &NEVER).unwrap()
}

/// Marks a copy as a sweep of this number does.
fn mark(house: &House, target: &str, run: u64) {
    let at = house.world.clock.now();
    let damage = DamageMark::Found(DamagedCopy::new(&photos(), target, at, run, &proof(house, target)));
    let told = EventDraft {
        event_type: EventType::FixityCheck,
        outcome: Outcome::Failure,
        detail: format!("something is wrong on {target}"),
        target: Some(target.into()),
        at: Some(at),
    };
    let object = house.ledger.object(&photos()).unwrap().unwrap();
    let change = Change { object, versions: versions(house), told, damage: vec![damage] };
    logs::change(&house.world, &house.ledger, change).unwrap();
    house.clock.advance(Duration::from_secs(1));
}

fn is_marked(house: &House, target: &str) -> bool {
    house.ledger.damage_of(target, &photos()).unwrap().is_some()
}

/// Files of a copy, but for those of events.
fn files(house: &House, target: &str) -> BTreeMap<String, Arc<Vec<u8>>> {
    let mut files = house.targets[target].files(&photos());
    files.retain(|path, _| !path.starts_with("logs/"));
    files
}

/// What is in quarantine: path and bytes.
fn quarantine(house: &House, target: &str) -> Vec<(String, Vec<u8>)> {
    let target = &house.targets[target];
    let found = target.quarantine("").unwrap();
    found
        .iter()
        .map(|one| (one.of.as_ref().unwrap().path.clone(), target.quarantined(&one.name).unwrap().to_vec()))
        .collect()
}

/// Events of these kinds about the copy on a target.
fn told(house: &House, target: &str, kinds: &[EventType]) -> Vec<Event> {
    let mut events = house.ledger.object_events(&photos()).unwrap();
    events.retain(|event| event.target.as_deref() == Some(target) && kinds.contains(&event.event_type));
    events
}

/// Ids of all events beside a copy, their chain checked.
fn beside(house: &House, target: &str) -> Vec<String> {
    logs::spread(&house.world, &house.ledger, None).unwrap();
    log_lines(house, target, &photos()).into_iter().map(|line| line.event.id).collect()
}

/// A kind of damage, and what does it.
type Damage = (&'static str, fn(&House));

/// What may be wrong with a copy: what rot, a person or a disk does.
fn damages() -> Vec<Damage> {
    fn damage(house: &House, path: &str, bytes: &[u8]) {
        house.targets["b"].damage(&photos(), path, bytes.to_vec());
    }
    vec![
        ("one bit", |house| damage(house, ALPHA, b"alphA")),
        ("cut short", |house| damage(house, ALPHA, b"alph")),
        ("zeroes", |house| damage(house, NEW, &[0; 5])),
        ("empty", |house| damage(house, NEW, b"")),
        ("missing", |house| house.targets["b"].lose(&photos(), Some(NEW))),
        ("extra", |house| damage(house, "v2/content/bag/data/stranger", b"?")),
        ("extra beside", |house| damage(house, "stranger", b"?")),
        ("swapped", |house| {
            damage(house, ALPHA, b"delta");
            damage(house, NEW, b"alpha");
        }),
        ("root inventory", |house| damage(house, "inventory.json", b"{}")),
        ("older inventory", |house| damage(house, "v1/inventory.json", b"")),
        ("both newest inventories", |house| {
            damage(house, "inventory.json", b"{}");
            damage(house, "v2/inventory.json", b"[]");
            damage(house, NEW, b"dElta");
        }),
        ("no inventory", |house| house.targets["b"].lose(&photos(), Some("inventory.json"))),
        ("root side-car", |house| damage(house, "inventory.json.sha512", b"0 inventory.json\n")),
        ("no side-car", |house| house.targets["b"].lose(&photos(), Some("v2/inventory.json.sha512"))),
        ("declaration", |house| damage(house, "0=ocfl_object_1.1", b"ocfl_object_1.0\n")),
        ("no declaration", |house| house.targets["b"].lose(&photos(), Some("0=ocfl_object_1.1"))),
        ("all content", |house| {
            let paths: Vec<String> = files(house, "b").into_keys().collect();
            paths.iter().for_each(|path| house.targets["b"].lose(&photos(), Some(path)));
        }),
        ("everything at once", |house| {
            for (path, bytes) in files(house, "b") {
                damage(house, &path, &[bytes.as_slice(), b"!"].concat());
            }
            damage(house, "v2/content/bag/data/stranger", b"?");
        }),
    ]
}

#[test]
fn whatever_is_wrong_is_put_right_and_told_once_and_what_was_wrong_is_in_quarantine() {
    for (name, damage) in damages() {
        let house = house();
        let whole = files(&house, "b");
        damage(&house);
        let bad = files(&house, "b");
        mark(&house, "b", 3);
        let planned = plan(&house, "b");
        assert!(planned.files + planned.extra > 0 && planned.cannot == 0, "{name}: {planned:?}");
        assert_eq!(files(&house, "b"), bad, "{name}: a plan changes nothing");
        let done = mend(&house, "b");
        assert_eq!(done.came, Came::Whole, "{name}: {done:?}");
        assert_eq!(done.files, planned.files + planned.extra, "{name}");
        assert_eq!(files(&house, "b"), whole, "{name}");
        assert!(proof(&house, "b").is_sound(), "{name}");
        assert!(!is_marked(&house, "b"), "{name}");
        // Just those bytes that were wrong, as they were.
        let mut wrong: Vec<(String, Vec<u8>)> = bad
            .iter()
            .filter(|(path, bytes)| whole.get(*path) != Some(*bytes))
            .map(|(path, bytes)| (path.clone(), bytes.to_vec()))
            .collect();
        let mut aside = quarantine(&house, "b");
        wrong.sort();
        aside.sort();
        assert_eq!(aside, wrong, "{name}");
        assert_eq!(done.aside as usize, wrong.len(), "{name}");
        let events = told(&house, "b", &[EventType::Quarantine]);
        assert_eq!(events.len(), usize::from(!wrong.is_empty()), "{name}: {events:?}");
        let events = told(&house, "b", &[EventType::Recovery]);
        assert_eq!((events.len(), events[0].outcome), (1, Outcome::Success), "{name}: {events:?}");
        assert_eq!(beside(&house, "a"), beside(&house, "b"));
        assert!(beside(&house, "c").contains(&events[0].id));
        let proved = |target: &str| {
            let versions = versions(&house);
            let copy = versions[0].copies.iter().find(|copy| copy.target == target).unwrap();
            copy.proved_at
        };
        assert!(proved("b") > proved("a"), "{name}");
        assert_eq!(mend(&house, "b").came, Came::Sound, "{name}");
    }
}

#[test]
fn a_repair_that_is_cut_off_anywhere_ends_the_same_when_done_again() {
    std::thread::scope(|scope| {
        for (number, blow) in
            [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter].into_iter().enumerate()
        {
            scope.spawn(move || {
                cut_off("several files", several, blow, (1, 1));
                cut_off("gone", |house| house.targets["b"].lose(&photos(), None), blow, (1, 1));
                // Of a copy in which everything is wrong each tenth write will do: its files are alike.
                let (_, everything) = damages().pop().unwrap();
                cut_off("everything", everything, blow, (2 * number as u64 + 1, 10));
            });
        }
    });
}

/// One mismatched, one missing, one extra.
fn several(house: &House) {
    house.targets["b"].damage(&photos(), ALPHA, b"alphA".to_vec());
    house.targets["b"].lose(&photos(), Some(NEW));
    house.targets["b"].damage(&photos(), "v2/content/x", b"?".to_vec());
}

fn cut_off(name: &str, damage: fn(&House), blow: Blow, (first, step): (u64, usize)) {
    for at in (first..).step_by(step) {
        let house = house();
        let whole = files(&house, "b");
        damage(&house);
        mark(&house, "b", 3);
        house.fate.plan(at, blow);
        let tried = repairer(&house).mend(&photos(), "b");
        let struck = house.fate.writes() >= at;
        house.fate.recover();
        house.clock.advance(Duration::from_secs(60));
        let again = mend(&house, "b");
        let doing = format!("{name}: {blow:?} at {at}: {tried:?}, then {again:?}");
        assert!(matches!(again.came, Came::Whole | Came::Sound), "{doing}");
        assert_eq!(files(&house, "b"), whole, "{doing}");
        assert!(proof(&house, "b").is_sound() && !is_marked(&house, "b"), "{doing}");
        if name == "several files" {
            assert_eq!(quarantine(&house, "b").len(), 2, "{doing}");
        }
        let recovered = told(&house, "b", &[EventType::Recovery]);
        let successes = recovered.iter().filter(|event| event.outcome == Outcome::Success).count();
        assert_eq!(successes, 1, "{doing}: {recovered:?}");
        // After an error that was told, what is left is another repair.
        let put_aside = told(&house, "b", &[EventType::Quarantine]);
        assert!(put_aside.len() <= if blow == Blow::Error { 2 } else { 1 }, "{doing}: {put_aside:?}");
        assert_eq!(beside(&house, "b"), beside(&house, "a"), "{doing}");
        assert_eq!(house.targets["b"].staged(), 0, "{doing}");
        assert!(house.ledger.mend_of("b", &photos()).unwrap().is_none(), "{doing}");
        if !struck {
            assert!(at > 8, "only {at} writes were struck");
            return;
        }
    }
}

#[test]
fn with_all_copies_bad_nothing_is_overwritten_and_nothing_put_aside() {
    let house = house();
    for (target, bytes) in [("a", "alphA"), ("b", "Alpha"), ("c", "")] {
        house.targets[target].damage(&photos(), ALPHA, bytes.as_bytes().to_vec());
        house.targets[target].damage(&photos(), "v1/content/stranger", b"?".to_vec());
        mark(&house, target, 1);
    }
    let before: Vec<_> = ["a", "b", "c"].map(|target| files(&house, target)).into();
    for target in ["a", "b", "c"] {
        let planned = plan(&house, target);
        assert_eq!((planned.files, planned.cannot, planned.extra), (0, 1, 1), "{planned:?}");
        let done = mend(&house, target);
        let Came::Failed(why) = &done.came else { panic!("{done:?}") };
        assert!(why.contains("has other bytes"), "{why}");
        assert!(is_marked(&house, target));
        assert_eq!(quarantine(&house, target), []);
        // An alarm, told once however often it is tried.
        mend(&house, target);
        let events = told(&house, target, &[EventType::Recovery, EventType::Quarantine]);
        assert_eq!((events.len(), events[0].outcome), (1, Outcome::Failure), "{events:?}");
    }
    let after: Vec<_> = ["a", "b", "c"].map(|target| files(&house, target)).into();
    assert_eq!(before, after);
}

#[test]
fn inventories_that_are_bad_on_every_target_come_from_the_ledgers_records() {
    let house = house();
    let whole = files(&house, "b");
    for target in ["a", "b", "c"] {
        for path in ["inventory.json", "v2/inventory.json", "v1/inventory.json"] {
            house.targets[target].damage(&photos(), path, b"{}".to_vec());
        }
    }
    house.targets["b"].damage(&photos(), NEW, b"dElta".to_vec());
    let planned = plan(&house, "b");
    assert_eq!((planned.from["ledger"], planned.files, planned.cannot), (3, 4, 0), "{planned:?}");
    for target in ["a", "b", "c"] {
        assert_eq!(mend(&house, target).came, Came::Whole);
        assert_eq!(files(&house, target), whole);
    }
    // Without any inventory nothing can be said of content: it is not extra, and stays where it is.
    let house = self::house();
    for target in ["a", "b", "c"] {
        for path in ["inventory.json", "v2/inventory.json"] {
            house.targets[target].damage(&photos(), path, b"{}".to_vec());
        }
    }
    let records = strongroom::worlds::disk::Place { volume: "records".into(), path: "inventories".into() };
    house.world.disk.remove(&records).unwrap();
    let (before, planned) = (files(&house, "b"), plan(&house, "b"));
    assert_eq!((planned.files, planned.extra), (0, 0), "{planned:?}");
    assert!(matches!(mend(&house, "b").came, Came::Failed(_)));
    assert_eq!(files(&house, "b"), before);
    assert_eq!(quarantine(&house, "b"), []);
}

#[test]
fn damage_that_comes_back_the_same_after_a_sweep_found_the_copy_sound_is_marked_again() {
    let house = house();
    let right = files(&house, "a")[ALPHA].to_vec();
    let rot = |target: &str| house.targets[target].damage(&photos(), ALPHA, b"?".to_vec());
    ["a", "b", "c"].into_iter().for_each(rot);
    assert!(matches!(mend(&house, "a").came, Came::Failed(_)));
    assert!(is_marked(&house, "a"));
    house.targets["a"].damage(&photos(), ALPHA, right);
    crate::sweeping::sweep(&house, &crate::sweeping::all());
    assert!(!is_marked(&house, "a"), "it was read and found sound");
    rot("a");
    assert!(matches!(mend(&house, "a").came, Came::Failed(_)));
    assert!(is_marked(&house, "a"), "what was found wrong now is known");
}

#[test]
fn what_has_a_proved_copy_is_put_right_also_when_something_else_has_none() {
    let house = house();
    for target in ["a", "b", "c"] {
        house.targets[target].damage(&photos(), ALPHA, b"alphA".to_vec());
    }
    house.targets["b"].lose(&photos(), Some(NEW));
    house.targets["b"].damage(&photos(), "v1/content/stranger", b"alpha".to_vec());
    let done = mend(&house, "b");
    assert!(matches!(done.came, Came::Failed(_)), "{done:?}");
    let there = files(&house, "b");
    assert_eq!(there[NEW].as_slice(), b"delta");
    assert_eq!(there[ALPHA].as_slice(), b"alphA");
    // What nobody knows may be what somebody needs.
    assert!(there.contains_key("v1/content/stranger"));
    assert!(is_marked(&house, "b"), "it was proved anew, and something is wrong");
    house.targets["c"].damage(&photos(), ALPHA, b"alpha".to_vec());
    assert_eq!(mend(&house, "b").came, Came::Whole);
    assert_eq!(files(&house, "b"), files(&house, "c"));
    assert_eq!(mend(&house, "a").came, Came::Whole);
}

#[test]
fn a_source_that_is_bad_or_away_is_passed_over_file_by_file() {
    let house = house();
    let whole = files(&house, "b");
    house.targets["b"].damage(&photos(), ALPHA, b"alphA".to_vec());
    house.targets["b"].damage(&photos(), NEW, b"dElta".to_vec());
    house.targets["a"].damage(&photos(), ALPHA, b"Alpha".to_vec());
    house.targets["c"].lose(&photos(), Some(NEW));
    let planned = plan(&house, "b");
    assert_eq!(planned.from, BTreeMap::from([("a".to_string(), 1), ("c".to_string(), 1)]));
    assert_eq!(mend(&house, "b").came, Came::Whole);
    assert_eq!(files(&house, "b"), whole);
    assert_eq!((proof(&house, "a").mismatched, proof(&house, "c").missing), (1, 1));
    house.targets["a"].unmount(true);
    assert_eq!(mend(&house, "c").came, Came::Whole);
    assert!(matches!(mend(&house, "a").came, Came::LeftAlone(_)));
    house.targets["a"].unmount(false);
    assert_eq!(mend(&house, "a").came, Came::Whole);
}

#[test]
fn a_target_that_stores_other_bytes_keeps_the_bad_ones_until_it_does_not() {
    for rot in [Rot::Empty, Rot::BitFlip, Rot::Lost] {
        let house = house();
        house.targets["b"].damage(&photos(), ALPHA, b"alphA".to_vec());
        house.targets["b"].corrupt_next_put(rot);
        // The second look of the same repair finds it again.
        assert_eq!(mend(&house, "b").came, Came::Whole, "{rot:?}");
        assert_eq!(quarantine(&house, "b"), [(ALPHA.to_string(), b"alphA".to_vec())]);
    }
}

#[test]
fn a_copy_that_is_gone_is_let_go_and_made_anew() {
    let house = house();
    let whole = files(&house, "b");
    house.targets["b"].lose(&photos(), None);
    mark(&house, "b", 1);
    assert!(plan(&house, "b").gone);
    let done = mend(&house, "b");
    assert_eq!(done.came, Came::Whole, "{done:?}");
    assert_eq!(files(&house, "b"), whole);
    assert!(versions(&house).iter().all(|version| version.copies.len() == 3));
    let kinds = [EventType::FixityCheck, EventType::Replication, EventType::Recovery];
    let events = told(&house, "b", &kinds);
    let terms: Vec<&str> = events.iter().map(|event| event.event_type.term().1).collect();
    assert_eq!(terms, ["fix", "fix", "rep", "rec"], "{events:?}");
    assert_eq!(beside(&house, "b"), beside(&house, "a"));
    // The last copy is never let go.
    let house = house_alone();
    let done = mend(&house, "a");
    assert!(matches!(&done.came, Came::Failed(why) if why.contains("no other copy")), "{done:?}");
    assert_eq!(versions(&house)[0].copies.len(), 1);
    // Nor that of a version of which there is none elsewhere.
    let mut house = house_of(&["a", "b"], &|target| target);
    house.deposit("photos", &ONE);
    house.run();
    let alone = strongroom::model::object::Policy { copies: 1, ..policy("default", &["a"]) };
    house.settings.policies.insert("default".into(), alone);
    house.deposit("photos", &[("a.txt", "other")]);
    house.run();
    let counted = |house: &House| -> Vec<usize> {
        versions(house).iter().map(|version| version.copies.len()).collect()
    };
    assert_eq!(counted(&house), [2, 1]);
    house.targets["a"].lose(&photos(), None);
    let done = mend(&house, "a");
    assert!(matches!(&done.came, Came::Failed(why) if why.contains("of its version 2")), "{done:?}");
    assert_eq!(counted(&house), [2, 1]);
}

/// One version on a alone, and nothing of it there.
fn house_alone() -> House {
    let mut house = house_of(&["a", "b"], &|target| target);
    let alone = strongroom::model::object::Policy { copies: 1, ..policy("default", &["a"]) };
    house.settings.policies.insert("default".into(), alone);
    house.deposit("photos", &ONE);
    house.run();
    house.targets["a"].lose(&photos(), None);
    house
}

#[test]
fn files_of_events_are_put_right_by_their_chain() {
    let house = house();
    let target = &house.targets["b"];
    let logs: Vec<String> =
        target.files(&photos()).into_keys().filter(|path| path.starts_with("logs/")).collect();
    assert_eq!(logs.len(), 2);
    let whole = target.files(&photos());
    let first_bytes = whole[&logs[0]].to_vec();
    target.damage(&photos(), &logs[0], [first_bytes.as_slice(), b"{}\n"].concat());
    target.lose(&photos(), Some(&logs[1]));
    // A file that no chain reaches is nobody's fault.
    target.damage(&photos(), "logs/premis/odd.jsonl", b"{}\n".to_vec());
    assert_eq!(plan(&house, "b").files, 2);
    assert_eq!(mend(&house, "b").came, Came::Whole);
    let there = target.files(&photos());
    assert!(logs.iter().all(|path| there[path] == whole[path]));
    assert!(there.contains_key("logs/premis/odd.jsonl"));
    assert_eq!(quarantine(&house, "b").len(), 1);
    target.lose(&photos(), Some("logs/premis/odd.jsonl"));
    assert_eq!(beside(&house, "b"), beside(&house, "a"));
    // One that is still to be written is not missing.
    target.unmount(true);
    mark(&house, "a", 1);
    target.unmount(false);
    assert!(plan(&house, "b").is_sound(), "{:?}", plan(&house, "b"));
}

#[test]
fn a_version_that_the_registry_does_not_know_is_never_replaced() {
    let house = house();
    let newer = house_of_three_versions();
    // As if the registry had been lost, and an older one restored.
    for (path, bytes) in newer.targets["b"].files(&photos()) {
        house.targets["b"].damage(&photos(), &path, bytes.to_vec());
    }
    let there = files(&house, "b");
    let done = mend(&house, "b");
    // The rehearsal's head is what was published there; its inventory is not the one any more.
    assert!(!matches!(done.came, Came::Sound), "{done:?}");
    if let Came::LeftAlone(why) = &done.came {
        assert!(why.contains("registry"), "{why}");
        assert_eq!(files(&house, "b"), there);
    }
}

fn house_of_three_versions() -> House {
    let house = house();
    house.deposit("photos", &ONE);
    house.run();
    house
}

fn run(house: &House, wanted: RepairWanted) -> RepairRun {
    let run = house.ledger.begin_repair("anna", wanted).unwrap();
    let mut run = run;
    for _ in 0..100 {
        run = repairer(house).step(run, Duration::ZERO).unwrap();
        assert_eq!(house.ledger.repair(run.number).unwrap().as_ref(), Some(&run));
        if run.ended.is_some() {
            return run;
        }
    }
    panic!("it does not end: {run:?}");
}

#[test]
fn a_run_puts_every_damaged_copy_right_and_tells_those_it_cannot() {
    let house = house();
    house.targets["a"].damage(&photos(), ALPHA, b"alphA".to_vec());
    house.targets["b"].lose(&photos(), Some(NEW));
    mark(&house, "a", 4);
    mark(&house, "b", 4);
    let done = run(&house, RepairWanted { target: Some("b".into()), ..RepairWanted::default() });
    assert_eq!((done.repaired, done.failed, done.files, done.aside), (1, 0, 1, 0), "{done:?}");
    assert!(is_marked(&house, "a") && !is_marked(&house, "b"));
    house.targets["b"].damage(&photos(), ALPHA, b"alphA".to_vec());
    house.targets["c"].damage(&photos(), ALPHA, b"alphA".to_vec());
    let done = run(&house, RepairWanted::default());
    assert_eq!((done.number, done.repaired, done.failed), (2, 0, 1), "{done:?}");
    assert!(done.failures[0].why.contains("has no proved copy"));
    house.targets["c"].damage(&photos(), ALPHA, b"alpha".to_vec());
    let of_one = RepairWanted { object: Some(photos()), ..RepairWanted::default() };
    let done = run(&house, of_one);
    assert_eq!((done.repaired, done.failed, done.sound), (2, 0, 1), "{done:?}");
    assert_eq!(run(&house, RepairWanted::default()).repaired, 0);
    let numbers: Vec<u64> = house.ledger.repairs(2).unwrap().iter().map(|run| run.number).collect();
    assert_eq!(numbers, [4, 3]);
}

#[test]
fn by_itself_only_what_a_sweep_found_on_a_target_that_is_well_is_put_right() {
    let house = house();
    let by_itself = || RepairWanted { by_itself: true, ..RepairWanted::default() };
    house.targets["b"].damage(&photos(), ALPHA, b"alphA".to_vec());
    mark(&house, "b", 0);
    let done = run(&house, by_itself());
    assert_eq!((done.repaired, done.skipped), (0, 1), "{done:?}");
    mark(&house, "b", 7);
    let row = strongroom::books::ledger::Ill {
        run: 7,
        at: house.world.clock.now(),
        because: "ten copies in a row are unreadable".into(),
    };
    let ill = strongroom::worlds::book::Write::Put("f/ill/b".into(), serde_json::to_vec(&row).unwrap());
    house.world.book.commit(&[ill], &[]).unwrap();
    let done = run(&house, by_itself());
    assert_eq!((done.repaired, done.skipped), (0, 1), "{done:?}");
    assert!(done.failures[0].why.contains("looks ill"));
    let well = strongroom::worlds::book::Write::Delete("f/ill/b".into());
    house.world.book.commit(&[well], &[]).unwrap();
    assert_eq!(run(&house, by_itself()).repaired, 1);
}

#[test]
fn a_bound_ends_a_run_before_the_next_copy() {
    let house = house();
    for target in ["a", "b"] {
        house.targets[target].lose(&photos(), Some(NEW));
        mark(&house, target, 1);
    }
    let done = run(&house, RepairWanted { bytes: Some(1), ..RepairWanted::default() });
    assert_eq!((done.repaired, done.bounded), (1, true), "{done:?}");
    let until = Some(house.world.clock.now());
    let done = run(&house, RepairWanted { until, ..RepairWanted::default() });
    assert_eq!((done.repaired, done.bounded), (0, true), "{done:?}");
    let done = run(&house, RepairWanted::default());
    assert_eq!((done.repaired, done.bounded), (1, false), "{done:?}");
}

#[test]
fn copies_of_a_target_that_was_lost_are_made_anew_when_somebody_says_so() {
    let house = house();
    house.deposit("films", &ONE);
    house.run();
    let (films, lost) = (ObjectId::of("uva.edu", "films"), |target: Option<&str>| RepairWanted {
        lost: true,
        target: target.map(String::from),
        ..RepairWanted::default()
    });
    for object in [photos(), films.clone()] {
        house.targets["b"].lose(&object, None);
        house.targets["c"].lose(&object, None);
    }
    assert_eq!(run(&house, RepairWanted::default()).repaired, 0, "nobody found it yet");
    assert_eq!(run(&house, lost(Some("b"))).repaired, 2);
    assert_eq!(house.targets["b"].objects(), [films.clone(), photos()]);
    assert!(house.targets["c"].objects().is_empty());
    assert_eq!(run(&house, lost(None)).repaired, 2);
    assert_eq!(house.targets["c"].files(&films).len(), house.targets["a"].files(&films).len());
    assert_eq!(run(&house, lost(None)).repaired, 0);
}

#[test]
fn a_copy_of_which_a_deposit_is_being_stored_is_left_alone() {
    let house = house();
    house.targets["b"].damage(&photos(), ALPHA, b"alphA".to_vec());
    mark(&house, "b", 1);
    house.targets["c"].unmount(true);
    house.deposit("photos", &ONE);
    house.run_until_store();
    let done = mend(&house, "b");
    assert!(matches!(&done.came, Came::LeftAlone(why) if why.contains("is changing it")), "{done:?}");
    house.targets["c"].unmount(false);
    let item = house.items().pop().unwrap();
    let asked = strongroom::model::item::Asker { uid: 7, name: "anna".into(), door: "test".into() };
    let again = strongroom::model::checkpoint::Move::Requeue { from: None };
    house.ledger.ask(item.id, &again, &asked, "").unwrap();
    house.run();
    assert_eq!(mend(&house, "b").came, Came::Whole);
    assert_eq!(versions(&house).len(), 3);
}

impl House {
    /// Runs until the newest item has tried to store, and is held.
    fn run_until_store(&self) {
        use strongroom::work::pipeline::Pipeline;
        let pipeline =
            Pipeline::start(self.world.clone(), self.ledger.clone(), self.settings.clone()).unwrap();
        let started = std::time::Instant::now();
        loop {
            let item = self.items().pop().unwrap();
            let held = item.checkpoint.standing.name() == "held";
            if item.checkpoint.stage.name() == "store" && held {
                pipeline.stop().unwrap();
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "stuck: {item:#?}");
            std::thread::sleep(Duration::from_millis(1));
            self.clock.advance(Duration::from_millis(10));
        }
    }
}

/// A desk over this house, with this way of repairing.
fn desk(house: &House, mode: &str) -> strongroom::work::desk::Desk {
    use strongroom::books::config::{Config, Given};
    let text =
        format!("data = \"/tmp/none\"\ni_accept_copies_on_one_disk = true\n[repair]\nmode = \"{mode}\"\n");
    let config = Arc::new(Config::from_text(&text, None, &Given::default()).unwrap());
    let ledger = house.ledger.clone();
    strongroom::work::desk::Desk::new(ledger, std::sync::Weak::new(), config, house.settings.clone(), true)
}

#[test]
fn the_daemon_mends_once_what_a_sweep_found_and_once_a_day_what_it_could_not() {
    use strongroom::model::item::Asker;
    use strongroom::work::desk::words::{Answer, Ask, RepairAnswer, RepairAsk, RepairWish};
    let house = house();
    let (by_person, by_itself) = (desk(&house, "plan"), desk(&house, "auto"));
    let schedule = Asker { uid: 0, name: "schedule".into(), door: "test".into() };
    let round = || {
        let wish = RepairWish { by_itself: true, ..RepairWish::default() };
        let ask = Ask::Repair(RepairAsk::Run { wish, run: None });
        match by_itself.answer(&ask, &schedule) {
            Answer::Repair(RepairAnswer::Run(run)) => run,
            other => panic!("{other:?}"),
        }
    };
    assert!(!by_itself.repair_due());
    house.targets["b"].damage(&photos(), ALPHA, b"alphA".to_vec());
    mark(&house, "b", 0);
    assert!(!by_itself.repair_due(), "a person had it looked at");
    mark(&house, "b", 3);
    assert!(by_itself.repair_due() && !by_person.repair_due());
    assert_eq!(round().repaired, 1);
    assert!(!by_itself.repair_due());
    // One that cannot be put right is no reason to try all day.
    for target in ["a", "b", "c"] {
        house.targets[target].damage(&photos(), ALPHA, b"alphA".to_vec());
    }
    house.clock.advance(Duration::from_secs(1));
    mark(&house, "b", 4);
    assert!(by_itself.repair_due());
    let run = round();
    assert_eq!((run.failed, run.asked_by.as_str()), (1, "schedule"));
    house.clock.advance(Duration::from_secs(3_600));
    assert!(!by_itself.repair_due());
    house.clock.advance(Duration::from_secs(86_400));
    assert!(by_itself.repair_due());
    house.targets["c"].damage(&photos(), ALPHA, b"alpha".to_vec());
    assert_eq!(round().repaired, 1);
    let shown = by_itself.answer(&Ask::Repair(RepairAsk::Show { limit: 2 }), &schedule);
    let Answer::Repair(RepairAnswer::Shown(shown)) = shown else { panic!("{shown:?}") };
    assert_eq!((shown.mode.as_str(), shown.runs.len(), shown.damaged.len()), ("auto", 2, 0));
    assert_eq!(shown.quarantine[1].count, 2);
}
