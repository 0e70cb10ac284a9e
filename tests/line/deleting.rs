//! Objects are given up on the word of two persons, and of no one else; on every target or not at all; and stay told.

use crate::rehearsal::{House, house, house_of, log_files, tar};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use strongroom::books::config::{Config, Given};
use strongroom::books::ledger::additions::Additions;
use strongroom::books::ledger::{Ledger, TargetUse};
use strongroom::model::checkpoint::Stage;
use strongroom::model::event::EventType;
use strongroom::model::item::{Asker, Item, ItemId};
use strongroom::model::object::ObjectId;
use strongroom::rules::ocfl::metadata::Tombstone;
use strongroom::rules::premis::chain::follow;
use strongroom::work::desk::Desk;
use strongroom::work::desk::complaint::{Complaint, Sort};
use strongroom::work::desk::words::{
    Answer, Ask, DeleteAnswer, DeleteAsk, DeletionView, KeepAnswer, KeepAsk, Steering,
};
use strongroom::work::pipeline::Pipeline;
use strongroom::work::rebuild::Rebuild;
use strongroom::work::stages::INGEST_LINE;
use strongroom::worlds::World;
use strongroom::worlds::book::rehearsal::RehearsalBook;
use strongroom::worlds::fate::{Blow, Fate};
use strongroom::worlds::target::Target;

const ONE: [(&str, &str); 3] = [("a.txt", "alpha"), ("b/c.txt", "gamma"), ("twin.txt", "alpha")];
const TWO: [(&str, &str); 2] = [("a.txt", "alpha"), ("new.txt", "delta")];

const ROLES: &str = "[roles]\napprover = [\"berta\", \"dora\"]\noperator = [\"otto\"]\n";

fn person(uid: u32, name: &str) -> Asker {
    Asker { uid, name: name.into(), door: "test".into() }
}

fn anna() -> Asker {
    person(1000, "anna")
}

fn berta() -> Asker {
    person(1001, "berta")
}

fn photos() -> ObjectId {
    ObjectId::of("uva.edu", "photos")
}

/// A desk under this configuration.
fn desk_of(house: &House, text: &str) -> Desk {
    let given = Given {
        file: None,
        data: Some(("/nowhere/strongroom".into(), strongroom::books::config::Origin::Default)),
    };
    let text = format!(
        "{text}\n[[target]]\nname = \"a\"\n[[target]]\nname = \"b\"\n[[depositor]]\nname = \"uva.edu\"\n"
    );
    let config = Config::from_text(&text, Some(Path::new("/nowhere/strongroom.toml")), &given);
    let config = config.unwrap_or_else(|faults| panic!("{faults:?}"));
    Desk::new(house.ledger.clone(), Weak::new(), Arc::new(config), house.settings.clone(), false)
}

fn desk(house: &House) -> Desk {
    desk_of(house, &format!("{ROLES}[deletion]\ngrace = \"7 d\"\n"))
}

fn ask(desk: &Desk, ask: DeleteAsk, who: &Asker) -> Result<DeletionView, Box<Complaint>> {
    match desk.answer(&Ask::Delete(ask), who) {
        Answer::Delete(DeleteAnswer::Request { request, .. }) => Ok(*request),
        Answer::Refused(complaint) => Err(Box::new(complaint)),
        other => panic!("{other:?}"),
    }
}

fn request(desk: &Desk, who: &Asker) -> Result<DeletionView, Box<Complaint>> {
    let object = "uva.edu/photos".into();
    ask(desk, DeleteAsk::Request { object, reason: "a duplicate".into(), dry_run: false }, who)
}

fn approve(desk: &Desk, who: &Asker) -> Result<DeletionView, Box<Complaint>> {
    ask(desk, DeleteAsk::Approve { request: "uva.edu/photos".into(), dry_run: false }, who)
}

fn show(desk: &Desk) -> DeletionView {
    ask(desk, DeleteAsk::Show { request: "uva.edu/photos".into() }, &anna()).unwrap()
}

fn sort<T: std::fmt::Debug>(told: Result<T, Box<Complaint>>) -> Sort {
    told.unwrap_err().sort
}

/// Two versions on a and b, and another object beside it.
fn two_versions() -> House {
    let house = house();
    house.deposit("photos", &ONE);
    house.run();
    house.source.add_tar("/inbox/photos.tar", tar("photos", &TWO));
    house.submit("photos", "/inbox/photos.tar");
    house.deposit("letters", &ONE);
    house.run();
    house
}

/// Asked for and approved; nothing has begun.
fn approved() -> House {
    let house = two_versions();
    let desk = desk(&house);
    request(&desk, &anna()).unwrap();
    approve(&desk, &berta()).unwrap();
    house
}

fn after_grace(house: &House) {
    house.clock.advance(Duration::from_secs(7 * 24 * 3_600 + 1));
}

fn deletion_item(house: &House) -> Item {
    house.items().into_iter().find(|item| item.errand.is_some()).unwrap()
}

fn tombstone_on(house: &House, target: &str) -> Option<Tombstone> {
    let files = house.targets[target].files(&photos());
    files.get("v1/content/metadata/tombstone.json").map(|bytes| serde_json::from_slice(bytes).unwrap())
}

/// Nothing of the object is anywhere but its tombstone, its logs and what the ledger tells of it.
fn is_gone(house: &House) {
    assert_eq!(house.ledger.object(&photos()).unwrap(), None);
    assert_eq!(house.ledger.versions(&photos()).unwrap(), []);
    // No row says any more that it is kept, due, damaged, or still to be written to.
    let mut left = Vec::new();
    let about = |key: &str| {
        let of_kept = ["o/", "v/", "u/", "b/", "l/", "mend/"].iter().any(|prefix| key.starts_with(prefix));
        of_kept && key.contains(&photos().0)
    };
    house.ledger.export(&mut |key, _| left.extend(about(key).then(|| key.to_string()))).unwrap();
    assert_eq!(left, [] as [String; 0]);
    let stone = house.ledger.deletion(&photos()).unwrap().expect("there is a tombstone");
    assert_eq!(
        (stone.requested_by.as_str(), stone.approved_by.as_str()),
        ("anna (uid 1000)", "berta (uid 1001)")
    );
    assert_eq!((stone.versions, stone.files, stone.reason.as_str()), (2, 7, "a duplicate"));
    let mut logged = Vec::new();
    for (name, target) in &house.targets {
        if target.files(&photos()).is_empty() {
            continue;
        }
        assert_eq!(tombstone_on(house, name), Some(stone.clone()), "{name}");
        let files = target.files(&photos());
        let others: Vec<&String> = files
            .keys()
            .filter(|path| {
                !path.starts_with("logs/") && !path.starts_with("v1/") && !path.contains("inventory")
            })
            .collect();
        assert_eq!(others, ["0=ocfl_object_1.1"], "{name}");
        assert!(!files.keys().any(|path| path.contains("/bag/")), "{name}");
        assert_eq!(target.trash() + target.staged(), 0, "{name}");
        let logs = log_files(house, name, &photos());
        let lines = follow(&logs).unwrap();
        let last: Vec<EventType> = lines.iter().rev().take(3).map(|line| line.event.event_type).collect();
        assert_eq!(last, [EventType::Deaccession, EventType::Deletion, EventType::Deletion], "{name}");
        logged.push(logs.iter().map(|log| log.link().sha256).collect::<BTreeSet<_>>().len());
    }
    assert!(logged.len() >= 2 && logged.iter().all(|count| *count == logged[0]), "{logged:?}");
    let item = deletion_item(house);
    assert_eq!(item.checkpoint.standing.name(), "done");
    let events = house.ledger.events(item.id).unwrap();
    let ids: BTreeSet<&String> = events.iter().map(|event| &event.id).collect();
    assert_eq!((events.len(), ids.len()), (3, 3), "each once: {events:#?}");
    for event in &events {
        assert!(
            event.detail.contains("anna (uid 1000)") && event.detail.contains("berta (uid 1001)"),
            "{event:?}"
        );
        assert_eq!(event.person.as_deref(), Some("berta"));
    }
    assert_eq!(show(&desk(house)).state, "done");
    // The other object is as it was.
    let letters = ObjectId::of("uva.edu", "letters");
    assert!(house.ledger.object(&letters).unwrap().is_some());
    assert!(house.targets["a"].files(&letters).keys().any(|path| path.contains("/bag/")));
}

#[test]
fn an_object_is_given_up_on_two_persons_word_and_stays_told() {
    let house = approved();
    let view = show(&desk(&house));
    assert_eq!(
        (view.state.as_str(), view.request.loses.versions, view.request.loses.files),
        ("approved", 2, 7)
    );
    assert_eq!(view.request.loses.targets, ["a", "b"]);
    after_grace(&house);
    house.run();
    is_gone(&house);
    let desk = desk(&house);
    let told = desk.answer(&Ask::Object { object: "uva.edu/photos".into() }, &anna());
    assert!(matches!(told, Answer::Delete(DeleteAnswer::Tombstone { .. })), "{told:?}");
    let told = desk.answer(&Ask::Keep(KeepAsk::History { object: "uva.edu/photos".into() }), &anna());
    let Answer::Keep(KeepAnswer::History { events, .. }) = told else { panic!("{told:?}") };
    let types: Vec<EventType> = events.iter().map(|told| told.event.event_type).collect();
    assert!(types.contains(&EventType::Ingestion) && types.contains(&EventType::Deaccession), "{types:?}");
    let told =
        desk.answer(&Ask::Delete(DeleteAsk::Deleted { depositor: None, after: None, limit: 10 }), &anna());
    assert!(
        matches!(told, Answer::Delete(DeleteAnswer::Deleted { objects, more: false }) if objects.len() == 1)
    );
    // Reading it is refused, and says why.
    let files =
        KeepAsk::ObjectFiles { object: "uva.edu/photos".into(), version: None, after: None, limit: 10 };
    let told = desk.answer(&Ask::Keep(files), &anna());
    assert!(matches!(&told, Answer::Refused(why) if why.error.contains("was deleted")), "{told:?}");
}

#[test]
fn nothing_is_removed_before_the_time_of_grace_is_over_whoever_holds_and_releases() {
    let house = approved();
    let desk = desk(&house);
    let item = deletion_item(&house);
    let steer = |how| {
        let items = vec![item.id.to_string()];
        let told = desk.answer(&Ask::Steer { items, how, reason: String::new(), dry_run: false }, &anna());
        assert!(matches!(told, Answer::Moved { ref refused, .. } if refused.is_empty()), "{told:?}");
    };
    steer(Steering::Hold);
    steer(Steering::Release);
    let pipeline =
        Pipeline::start(house.world.clone(), house.ledger.clone(), house.settings.clone()).unwrap();
    for _ in 0..50 {
        house.clock.advance(Duration::from_secs(3_600));
        std::thread::sleep(Duration::from_millis(2));
    }
    pipeline.stop().unwrap();
    let item = deletion_item(&house);
    assert_eq!((item.checkpoint.standing.name(), item.checkpoint.fence), ("waiting", 0), "{item:#?}");
    assert!(house.targets["a"].files(&photos()).keys().any(|path| path.contains("/bag/")));
    after_grace(&house);
    house.run();
    is_gone(&house);
}

#[test]
fn one_person_alone_gives_nothing_up() {
    let house = two_versions();
    let desk = desk(&house);
    assert_eq!(sort(approve(&desk, &berta())), Sort::NotFound, "nobody asked");
    request(&desk, &berta()).unwrap();
    let refused = [
        (berta(), "second person"),
        (person(1001, "dora"), "second person"),
        (person(0, "root"), "root"),
        (person(0, "dora"), "root"),
        (person(1004, "otto"), "not yours"),
        (person(1005, "emil"), "not yours"),
    ];
    for (who, why) in refused {
        let told = approve(&desk, &who).unwrap_err();
        assert_eq!(told.sort, Sort::Denied, "{}", who.name);
        assert!(told.because.contains(why), "{}: {}", who.name, told.because);
    }
    assert_eq!(show(&desk).state, "requested");
    let reject =
        |who: &Asker| ask(&desk, DeleteAsk::Reject { request: "1".into(), reason: "we need it".into() }, who);
    assert_eq!(sort(reject(&person(1004, "otto"))), Sort::Denied);
    assert_eq!(reject(&person(1002, "dora")).unwrap().state, "rejected");
    assert_eq!(sort(approve(&desk, &person(1002, "dora"))), Sort::Refused, "no means no");
    // Asked for anew, it is a new request.
    assert_eq!(request(&desk, &anna()).unwrap().request.number, 2);
    assert!(house.items().iter().all(|item| item.errand.is_none()));
}

#[test]
fn what_stands_against_a_deletion_is_told_and_nothing_is_done() {
    let house = two_versions();
    let nobody = desk_of(&house, "");
    let told = request(&nobody, &anna()).unwrap_err();
    assert!(told.sort == Sort::Refused && told.because.contains("no approver"), "{told:?}");
    let desk = desk(&house);
    let unknown = DeleteAsk::Request { object: "uva.edu/none".into(), reason: "x".into(), dry_run: false };
    assert_eq!(sort(ask(&desk, unknown, &anna())), Sort::NotFound);
    let unsaid = DeleteAsk::Request { object: "uva.edu/photos".into(), reason: " ".into(), dry_run: false };
    assert_eq!(sort(ask(&desk, unsaid, &anna())), Sort::Usage);
    // Too young.
    let young = desk_of(&house, &format!("{ROLES}[deletion]\nretention = \"30 d\"\n"));
    let told = request(&young, &anna()).unwrap_err();
    assert!(told.sort == Sort::Refused && told.because.contains("30 d"), "{told:?}");
    let longer = desk_of(&house, &format!("{ROLES}[policy.default]\nretention = \"60 d\"\n"));
    assert!(request(&longer, &anna()).unwrap_err().because.contains("60 d"));
    house.clock.advance(Duration::from_secs(31 * 24 * 3_600));
    assert_eq!(sort(request(&longer, &anna())), Sort::Refused);
    // Work on it is pending: a deposit that nobody works on yet, or one that is held.
    house.source.add_tar("/inbox/again/photos.tar", tar("photos", &ONE));
    let pending = house.submit("photos", "/inbox/again/photos.tar");
    let told = request(&young, &anna()).unwrap_err();
    assert!(told.sort == Sort::Refused && told.because.contains("concerns it"), "{told:?}");
    house.ledger.ask(pending.id, &strongroom::model::checkpoint::Move::Hold, &anna(), "").unwrap();
    assert_eq!(sort(request(&young, &anna())), Sort::Refused);
    house.ledger.ask(pending.id, &strongroom::model::checkpoint::Move::Cancel, &anna(), "").unwrap();
    // Only asked about, nothing is made.
    let dry = DeleteAsk::Request { object: "uva.edu/photos".into(), reason: "x".into(), dry_run: true };
    assert_eq!(ask(&young, dry, &anna()).unwrap().request.loses.versions, 2);
    assert_eq!(sort(ask(&young, DeleteAsk::Show { request: "1".into() }, &anna())), Sort::NotFound);
    request(&young, &anna()).unwrap();
    assert_eq!(sort(request(&young, &berta())), Sort::Refused, "asked for already");
    // Another version came: it is not what was asked about.
    house.source.add_tar("/inbox/third/photos.tar", tar("photos", &ONE));
    house.submit("photos", "/inbox/third/photos.tar");
    house.run();
    house.clock.advance(Duration::from_secs(31 * 24 * 3_600));
    let told = approve(&young, &berta()).unwrap_err();
    assert!(told.sort == Sort::Refused && told.because.contains("version 3"), "{told:?}");
    assert!(house.items().iter().all(|item| item.errand.is_none()));
}

#[test]
fn a_deletion_may_be_taken_back_until_it_begins_and_not_after() {
    let house = two_versions();
    let desk = desk(&house);
    let cancel = |desk: &Desk| {
        ask(
            desk,
            DeleteAsk::Cancel { request: "uva.edu/photos".into(), reason: "no".into() },
            &person(7, "gast"),
        )
    };
    request(&desk, &anna()).unwrap();
    assert_eq!(cancel(&desk).unwrap().state, "cancelled");
    assert_eq!(sort(cancel(&desk)), Sort::Refused);
    request(&desk, &anna()).unwrap();
    approve(&desk, &berta()).unwrap();
    assert_eq!(cancel(&desk).unwrap().state, "cancelled");
    let first = deletion_item(&house);
    assert_eq!(first.checkpoint.standing.name(), "cancelled");
    // A person's word that was taken back is not given again by a requeue.
    let requeue = strongroom::model::checkpoint::Move::Requeue { from: None };
    assert!(house.ledger.ask(first.id, &requeue, &anna(), "").is_err());
    after_grace(&house);
    house.run();
    assert!(house.ledger.object(&photos()).unwrap().is_some());
    request(&desk, &anna()).unwrap();
    approve(&desk, &berta()).unwrap();
    after_grace(&house);
    house.targets["b"].unmount(true);
    house.run();
    let view = show(&desk);
    assert_eq!((view.state.as_str(), view.gone_from), ("held", vec!["a".to_string()]), "{:?}", view.because);
    assert_eq!(sort(cancel(&desk)), Sort::Refused, "it has begun");
}

#[test]
fn a_target_that_is_away_is_waited_for_and_the_others_are_done() {
    let house = approved();
    after_grace(&house);
    house.targets["a"].unmount(true);
    house.run();
    let item = deletion_item(&house);
    assert_eq!(item.checkpoint.standing.name(), "held");
    assert!(tombstone_on(&house, "b").is_some());
    assert!(house.ledger.object(&photos()).unwrap().is_some(), "not deleted before all are");
    assert!(house.ledger.giving_up(&photos()).unwrap().is_some());
    house.targets["a"].unmount(false);
    house.clock.advance(Duration::from_secs(3_600));
    house
        .ledger
        .ask(item.id, &strongroom::model::checkpoint::Move::Requeue { from: None }, &anna(), "")
        .unwrap();
    house.run();
    is_gone(&house);
    // Each copy's deletion has its own time.
    let mut at: Vec<_> = house.ledger.events(item.id).unwrap().iter().map(|event| event.at).collect();
    at.sort();
    assert!(at[2].as_second() - at[1].as_second() >= 3_600, "{at:?}");
}

#[test]
fn a_copy_on_a_retired_target_goes_too() {
    let house = two_versions();
    house.ledger.set_target("b", TargetUse::Retired, &anna(), "").unwrap();
    house.settings.uses.reread(&house.ledger).unwrap();
    let over = || false;
    let what = strongroom::work::keeping::Fill {
        target: None,
        after: None,
        at_most: Duration::from_secs(60),
        only_count: false,
        over: &over,
    };
    strongroom::work::keeping::fill(&house.world, &house.ledger, &house.settings, &what).unwrap();
    let desk = desk(&house);
    assert_eq!(request(&desk, &anna()).unwrap().request.loses.targets, ["a"]);
    approve(&desk, &berta()).unwrap();
    after_grace(&house);
    house.run();
    for name in ["a", "b"] {
        assert!(tombstone_on(&house, name).is_some(), "{name}");
        assert!(!house.targets[name].files(&photos()).keys().any(|path| path.contains("/bag/")), "{name}");
    }
    assert_eq!(show(&desk).gone_from, ["a", "b"]);
}

#[test]
fn five_hundred_files_that_cannot_be_removed_end_in_a_trouble_and_not_in_a_loop() {
    let house = house();
    let names: Vec<String> = (0..500).map(|n| format!("{n:03}.txt")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    house.deposit("photos", &files);
    house.run();
    let desk = desk(&house);
    request(&desk, &anna()).unwrap();
    approve(&desk, &berta()).unwrap();
    after_grace(&house);
    house.targets["a"].refuse_removal("/data/");
    house.run();
    let item = deletion_item(&house);
    let trouble = item.checkpoint.standing.trouble().expect("it is held").clone();
    assert_eq!(item.checkpoint.standing.name(), "held");
    assert!(trouble.because.contains("500 of its files could not be removed"), "{trouble:?}");
    assert_eq!(house.targets["a"].trash(), 500);
    assert_eq!(house.targets["b"].trash(), 0, "the other target is done");
    assert!(house.ledger.deletion(&photos()).unwrap().is_none(), "it is not called deleted");
    house.targets["a"].refuse_removal("");
    house
        .ledger
        .ask(item.id, &strongroom::model::checkpoint::Move::Requeue { from: None }, &anna(), "")
        .unwrap();
    house.run();
    assert_eq!(house.targets["a"].trash(), 0);
    assert!(house.ledger.deletion(&photos()).unwrap().is_some());
}

#[test]
fn every_write_of_a_deletion_may_fail_or_lose_the_power_and_it_comes_to_its_end() {
    let undisturbed = approved();
    after_grace(&undisturbed);
    undisturbed.fate.recover();
    undisturbed.run();
    is_gone(&undisturbed);
    let writes = undisturbed.fate.writes();
    assert!(writes > 40, "a deletion made only {writes} writes");
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = approved();
            after_grace(&house);
            house.fate.plan(at, blow);
            house.run_once();
            // Whatever the moment: on each target the object is whole, or its tombstone is there.
            house.fate.recover();
            for (name, target) in &house.targets {
                let head = target.head(&photos()).unwrap().expect("something is there at every moment");
                let files = target.files(&photos());
                assert!(
                    (head.version == 2 && files.keys().any(|path| path.contains("/bag/data/new.txt")))
                        || tombstone_on(&house, name).is_some(),
                    "{name}: {blow:?} at {at}"
                );
            }
            house.run();
            is_gone(&house);
        }
    }
}

fn rebuilt(house: &House, names: &[&str]) -> (Ledger, strongroom::work::rebuild::Report) {
    let fate = Arc::new(Fate::default());
    let world = World {
        source: house.source.clone(),
        targets: house.world.targets.clone(),
        disk: house.disk.clone(),
        clock: house.clock.clone(),
        book: Arc::new(RehearsalBook::new(fate)),
        outlets: house.world.outlets.clone(),
    };
    let ledger = Ledger::new(Arc::new(world), &INGEST_LINE);
    let report = rebuild_into(house, names, &ledger);
    (ledger, report)
}

fn rebuild_into(house: &House, names: &[&str], ledger: &Ledger) -> strongroom::work::rebuild::Report {
    let from: Vec<(String, Arc<dyn Target>)> =
        names.iter().map(|name| (name.to_string(), house.world.targets[*name].clone())).collect();
    let roots = house.world.targets.iter().map(|(name, target)| (name.clone(), target.root())).collect();
    let rebuild = Rebuild { from: &from, roots: &roots, told: &|_| {} };
    let mut additions = Additions::new(Some(ledger), false).unwrap();
    rebuild.run(&mut additions, false).unwrap_or_else(|error| panic!("{}", error.sentence()))
}

#[test]
fn a_registry_made_again_from_each_target_alone_knows_the_deletion_and_not_the_object() {
    let house = approved();
    after_grace(&house);
    house.run();
    let stone = house.ledger.deletion(&photos()).unwrap();
    for names in [&["a"][..], &["b"], &["a", "b"]] {
        let (ledger, report) = rebuilt(&house, names);
        assert_eq!(report.disagreements, [], "{names:?}");
        assert_eq!((report.objects, report.deletions), (1, 1), "{names:?}");
        assert_eq!(ledger.object(&photos()).unwrap(), None);
        assert_eq!(ledger.deletion(&photos()).unwrap(), stone);
        // What happened to it is there, too: the items that brought it, and how it ended.
        assert_eq!(ledger.named("uva.edu", "photos").unwrap().len(), 2);
        let events = ledger.object_events(&photos()).unwrap();
        assert_eq!(events.last().unwrap().event_type, EventType::Deaccession);
        assert_eq!(events, house.ledger.events(deletion_item(&house).id).unwrap());
        // The numbers of the lost ledger are not given again.
        let next: u64 =
            serde_json::from_slice(&ledger.world().book.get("m/next").unwrap().unwrap().value).unwrap();
        assert!(next > deletion_item(&house).id.0);
    }
}

#[test]
fn a_backup_from_before_the_deletion_does_not_bring_the_object_back() {
    let house = approved();
    let (backup, _) = rebuilt(&house, &["a"]);
    assert!(backup.object(&photos()).unwrap().is_some());
    after_grace(&house);
    house.run();
    let report = rebuild_into(&house, &["b"], &backup);
    assert_eq!(report.deletions, 1);
    assert_eq!(backup.object(&photos()).unwrap(), None);
    assert_eq!(backup.versions(&photos()).unwrap(), []);
    assert!(backup.deletion(&photos()).unwrap().is_some());
    assert!(backup.object(&ObjectId::of("uva.edu", "letters")).unwrap().is_some());
}

#[test]
fn of_a_deposit_and_a_deletion_the_older_goes_first() {
    // A deposit that arrives while the deletion waits, waits for it, and is refused then.
    let house = approved();
    house.source.add_tar("/inbox/late/photos.tar", tar("photos", &ONE));
    let late = house.submit("photos", "/inbox/late/photos.tar");
    let pipeline =
        Pipeline::start(house.world.clone(), house.ledger.clone(), house.settings.clone()).unwrap();
    let at_store = || {
        let item = house.ledger.item(late.id).unwrap().unwrap();
        item.checkpoint.stage == Stage::Store && item.checkpoint.standing.name() == "waiting"
    };
    while !at_store() {
        std::thread::sleep(Duration::from_millis(1));
    }
    pipeline.stop().unwrap();
    assert_eq!(house.ledger.versions(&photos()).unwrap().len(), 2);
    after_grace(&house);
    house.run();
    is_gone(&house);
    let late = house.ledger.item(late.id).unwrap().unwrap();
    assert_eq!(late.checkpoint.standing.name(), "refused");
    let trouble = late.checkpoint.standing.trouble().unwrap();
    assert!(
        trouble.kind.name() == "object-deleted" && trouble.because.contains("a duplicate"),
        "{trouble:?}"
    );
    // And one that comes afterwards is refused before anything of it is read.
    house.source.add_tar("/inbox/later/photos.tar", tar("photos", &ONE));
    let later = house.submit("photos", "/inbox/later/photos.tar");
    house.run();
    let later = house.ledger.item(later.id).unwrap().unwrap();
    assert_eq!((later.checkpoint.standing.name(), later.checkpoint.stage), ("refused", Stage::Download));
    is_gone(&house);
}

#[test]
fn a_deletion_waits_for_older_work_and_comes_to_nothing_if_that_made_a_new_version() {
    let house = two_versions();
    // Refused once, it is sent back to work after the deletion was approved.
    house.source.add_tar("/inbox/old/photos.tar", b"no tar at all".repeat(100));
    let old = house.submit("photos", "/inbox/old/photos.tar");
    house.run();
    assert_eq!(house.ledger.item(old.id).unwrap().unwrap().checkpoint.standing.name(), "refused");
    let desk = desk(&house);
    request(&desk, &anna()).unwrap();
    approve(&desk, &berta()).unwrap();
    house.source.add_tar("/inbox/old/photos.tar", tar("photos", &ONE));
    let from = strongroom::model::checkpoint::Move::Requeue { from: Some(Stage::Download) };
    house.ledger.ask(old.id, &from, &anna(), "").unwrap();
    house.ledger.ask(old.id, &strongroom::model::checkpoint::Move::Hold, &anna(), "").unwrap();
    after_grace(&house);
    let pipeline =
        Pipeline::start(house.world.clone(), house.ledger.clone(), house.settings.clone()).unwrap();
    while show(&desk).state != "waiting" {
        std::thread::sleep(Duration::from_millis(1));
    }
    let writes = house.fate.writes();
    house.clock.advance(Duration::from_secs(60));
    std::thread::sleep(Duration::from_millis(100));
    assert!(house.fate.writes() < writes + 10, "it does not turn in circles");
    pipeline.stop().unwrap();
    assert_eq!(deletion_item(&house).checkpoint.fence, 0, "it may be cancelled still");
    house.ledger.ask(old.id, &strongroom::model::checkpoint::Move::Release, &anna(), "").unwrap();
    house.run();
    assert_eq!(house.ledger.versions(&photos()).unwrap().len(), 3);
    let view = show(&desk);
    assert_eq!(view.state, "void");
    assert!(view.because.unwrap().contains("version is 3"), "it says why");
    assert!(house.targets["a"].files(&photos()).keys().any(|path| path.starts_with("v3/")));
}

#[test]
fn nobody_takes_half_a_deletion_for_damage() {
    let house = house_of(&["a", "b", "c"], &|target| target);
    house.deposit("photos", &ONE);
    house.run();
    let desk = desk(&house);
    request(&desk, &anna()).unwrap();
    approve(&desk, &berta()).unwrap();
    after_grace(&house);
    house.targets["b"].unmount(true);
    house.run();
    assert_eq!(deletion_item(&house).checkpoint.standing.name(), "held");
    house.targets["b"].unmount(false);
    let told =
        desk.answer(&Ask::Keep(KeepAsk::Prove { object: "uva.edu/photos".into(), target: None }), &anna());
    assert!(matches!(told, Answer::Refused(why) if why.because.contains("is deleting it")));
    assert_eq!(house.ledger.damaged(None, 10).unwrap(), []);
    let mut answer = desk.answer(&Ask::Reconcile { targets: Vec::new(), check: None }, &anna());
    for _ in 0..50 {
        let Answer::Reconciled { check: Some(check), findings, .. } = &answer else { panic!("{answer:?}") };
        if check.ended.is_some() {
            assert_eq!(check.wrong(), 0, "{findings:#?}");
            return;
        }
        answer = desk.answer(&Ask::Reconcile { targets: Vec::new(), check: Some(check.number) }, &anna());
    }
    panic!("the check does not end");
}

#[test]
fn a_copy_that_comes_back_after_the_deletion_is_told() {
    let house = approved();
    let item = ItemId(deletion_item(&house).id.0);
    after_grace(&house);
    let saved = house.targets["b"].files(&photos());
    house.run();
    assert_eq!(house.ledger.item(item).unwrap().unwrap().checkpoint.standing.name(), "done");
    for (path, _) in house.targets["b"].files(&photos()) {
        house.targets["b"].lose(&photos(), Some(&path));
    }
    for (path, bytes) in saved {
        house.targets["b"].damage(&photos(), &path, bytes.to_vec());
    }
    let desk = desk(&house);
    let mut answer = desk.answer(&Ask::Reconcile { targets: Vec::new(), check: None }, &anna());
    for _ in 0..50 {
        let Answer::Reconciled { check: Some(check), .. } = &answer else { panic!("{answer:?}") };
        if check.ended.is_some() {
            break;
        }
        answer = desk.answer(&Ask::Reconcile { targets: Vec::new(), check: Some(check.number) }, &anna());
    }
    let told = desk.answer(&Ask::Reconciled { after: 0, limit: 10 }, &anna());
    let Answer::Reconciled { findings, .. } = told else { panic!("{told:?}") };
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].target == "b" && findings[0].because.contains("was deleted"), "{findings:#?}");
}
