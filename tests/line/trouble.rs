//! What items stumble over, and what people may ask of them.

use crate::rehearsal::{House, house, tar};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use strongroom::books::config::{Config, Given, Origin};
use strongroom::books::judging::JudgingRules;
use strongroom::books::profiles;
use strongroom::model::checkpoint::{Move, Stage};
use strongroom::model::item::{Asker, Item};
use strongroom::work::desk::Desk;
use strongroom::work::desk::words::{Answer, Ask, Filter, ROWS_MAX};
use strongroom::worlds::disk::Place;
use strongroom::worlds::fate::Blow;
use strongroom::worlds::target::rehearsal::Rot;

fn tester() -> Asker {
    Asker { uid: 7, name: "anna".into(), door: "test".into() }
}

fn only(house: &House) -> Item {
    house.items().remove(0)
}

fn kind(item: &Item) -> Option<&'static str> {
    item.checkpoint.standing.trouble().map(|trouble| trouble.kind.name())
}

#[test]
fn a_target_that_stores_other_bytes_is_found_out_before_anything_is_published() {
    for rot in [Rot::Empty, Rot::Zeroes, Rot::Short, Rot::BitFlip, Rot::OtherBytes] {
        let house = house();
        house.deposit("photos", &[("a.txt", "alpha"), ("b.txt", "beta")]);
        house.targets["b"].corrupt_next_put(rot);
        let item = house.run_until(|item| item.checkpoint.standing.rests());
        assert_eq!(kind(&item), Some("copy-differs"), "{rot:?}");
        assert!(house.targets.values().all(|target| target.objects().is_empty()), "{rot:?}");
        house.ledger.ask(item.id, &Move::Requeue { from: Some(Stage::Store) }, &tester(), "").unwrap();
        house.run();
        assert_eq!(only(&house).checkpoint.standing.name(), "kept", "{rot:?}");
    }
}

#[test]
fn what_a_target_says_of_a_file_is_never_taken_for_its_being_there() {
    for (rot, word) in [(Rot::Lost, "reading back from"), (Rot::Unsaid, "writing to")] {
        let house = house();
        house.deposit("photos", &[("a.txt", "alpha"), ("b.txt", "beta")]);
        house.targets["b"].corrupt_next_put(rot);
        house.run();
        let item = only(&house);
        assert_eq!(item.checkpoint.standing.name(), "kept", "{rot:?}");
        let journal = house.ledger.attempts(item.id).unwrap();
        let told: Vec<&str> = journal.iter().map(|attempt| attempt.outcome.as_str()).collect();
        assert!(told.iter().any(|told| told.starts_with("target-io: ") && told.contains(word)), "{told:?}");
        let object = item.found.store.unwrap().object;
        assert_eq!(house.targets["a"].files(&object), house.targets["b"].files(&object), "{rot:?}");
    }
}

#[test]
fn a_deposit_that_changes_under_work_is_received_again() {
    for stage in [Stage::Unpack, Stage::Checksum, Stage::Validate, Stage::Store] {
        let mut house = house();
        house.deposit("photos", &[("a.txt", "alpha")]);
        let item = stop_before(&mut house, stage);
        house.source.add_tar("/inbox/photos.tar", tar("photos", &[("a.txt", "ALPHA")]));
        house.ledger.ask(item.id, &Move::Release, &tester(), "").unwrap();
        house.run();
        let item = only(&house);
        assert_eq!(item.checkpoint.standing.name(), "kept", "changed before {stage}");
        let files = house.targets["a"].files(&item.found.store.unwrap().object);
        assert_eq!(files["v1/content/bag/data/a.txt"].to_vec(), b"ALPHA", "changed before {stage}");
    }
}

#[test]
fn damaged_facts_are_never_trusted() {
    // Each facts file in turn is damaged between two stages; the line runs the stage again and ends as ever.
    let mut seen = BTreeSet::new();
    for stage in [Stage::Checksum, Stage::Validate, Stage::Store, Stage::Record] {
        for name in ["members", "digests", "findings", "findings-unpack", "inventory"] {
            let mut house = house();
            house.deposit("photos", &[("a.txt", "alpha"), ("b.txt", "beta")]);
            // A pause before this stage: nobody works there.
            let item = stop_before(&mut house, stage);
            let place = Place { volume: "staging".into(), path: format!("rehearsal-{}/{name}", item.id) };
            let damaged = house.disk.damage(&place, |bytes| {
                if let Some(byte) = bytes.first_mut() {
                    *byte ^= 1;
                }
            });
            if !damaged {
                continue;
            }
            seen.insert(name);
            house.ledger.ask(item.id, &Move::Release, &tester(), "").unwrap();
            house.run();
            let item = only(&house);
            assert_eq!(item.checkpoint.standing.name(), "kept", "{name} before {stage}: {item:#?}");
            assert_eq!(house.targets["a"].objects().len(), 1);
        }
    }
    assert!(seen.contains("members") && seen.contains("digests") && seen.contains("inventory"), "{seen:?}");
}

/// Runs until the item stands before this stage, held by an operator.
pub fn stop_before(house: &mut House, stage: Stage) -> Item {
    for work in strongroom::work::stages::INGEST {
        if work.name() == stage {
            break;
        }
        let id = only(house).id;
        let lease = house.ledger.claim(id, work.name(), Some("staging".into()), Vec::new()).unwrap().unwrap();
        let job = strongroom::work::job::Job {
            world: &house.world,
            ledger: &house.ledger,
            settings: &house.settings,
            item: &lease.item,
            fence: lease.fence,
            meter: &strongroom::work::job::Meter::default(),
            drain: &std::sync::atomic::AtomicBool::new(false),
            promises: &strongroom::books::volume::Promises::new(),
        };
        let done = work.work(&job).unwrap();
        let report = strongroom::books::ledger::Report {
            found: Some(done.found),
            deposit: done.deposit,
            events: done.events,
            ..Default::default()
        };
        house.ledger.commit(&lease, &Move::Finish, report).unwrap();
    }
    let id = only(house).id;
    house.ledger.ask(id, &Move::Hold, &tester(), "for the test").unwrap()
}

#[test]
fn a_requeue_from_a_stage_makes_its_facts_void_and_keeps_the_history() {
    let mut house = house();
    house.deposit("photos", &[("a.txt", "alpha")]);
    let item = stop_before(&mut house, Stage::Store);
    let before = house.ledger.attempts(item.id).unwrap().len();
    let item = house
        .ledger
        .ask(item.id, &Move::Requeue { from: Some(Stage::Checksum) }, &tester(), "suspect disk")
        .unwrap();
    assert!(item.found.unpack.is_some() && item.found.checksum.is_none() && item.found.validate.is_none());
    let journal = house.ledger.attempts(item.id).unwrap();
    assert_eq!(journal.len(), before + 1);
    let request = &journal.last().unwrap().outcome;
    assert!(request.contains("anna") && request.contains("suspect disk"), "{request}");
    house.run();
    assert_eq!(only(&house).checkpoint.standing.name(), "kept");
    let refused = house.ledger.ask(item.id, &Move::Requeue { from: None }, &tester(), "");
    assert!(refused.unwrap_err().to_string().contains("submit a new deposit"));
}

#[test]
fn a_lease_from_before_a_requeue_can_commit_nothing() {
    let house = house();
    let item = house.deposit("photos", &[("a.txt", "alpha")]);
    let old = house.ledger.claim(item.id, Stage::Download, None, Vec::new()).unwrap().unwrap();
    house.ledger.nudge(item.id, &Move::Recover { progress: 0 }).unwrap();
    let new = house.ledger.claim(item.id, Stage::Download, None, Vec::new()).unwrap().unwrap();
    assert!(new.fence > old.fence);
    assert!(house.ledger.commit(&old, &Move::Finish, Default::default()).is_err());
    assert!(house.ledger.renew(&old).is_err());
    house.ledger.renew(&new).unwrap();
}

#[test]
fn trouble_that_time_may_cure_is_tried_again_with_growing_pauses() {
    let house = house();
    house.deposit("photos", &[("a.txt", "alpha")]);
    // Somewhere in the middle of the writes of the line; the very place does not matter.
    house.fate.plan(12, Blow::Error);
    house.run();
    assert_eq!(only(&house).checkpoint.standing.name(), "kept");
}

#[test]
fn a_cancelled_item_leaves_nothing_in_staging() {
    let mut house = house();
    house.deposit("photos", &[("a.txt", "alpha")]);
    let item = stop_before(&mut house, Stage::Validate);
    house.ledger.ask(item.id, &Move::Cancel, &tester(), "sent by mistake").unwrap();
    house.run();
    let left: Vec<_> =
        house.disk.files().into_keys().filter(|place| place.path.starts_with("rehearsal-1/")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(house.targets.values().all(|target| target.objects().is_empty() && target.staged() == 0));
}

#[test]
fn a_missing_target_is_refused_and_the_item_goes_on_when_it_is_back() {
    let house = house();
    house.deposit("photos", &[("a.txt", "alpha")]);
    house.targets["b"].unmount(true);
    let item = house.run_until(|item| item.checkpoint.standing.rests());
    assert_eq!(kind(&item), Some("target-missing"));
    house.targets["b"].unmount(false);
    house.ledger.ask(item.id, &Move::Requeue { from: None }, &tester(), "").unwrap();
    house.run();
    assert_eq!(only(&house).checkpoint.standing.name(), "kept");
}

/// Who is judged how, as a configuration with this text has it.
fn judged_by(house: &mut House, data: &std::path::Path, text: &str) {
    let given = Given { data: Some((data.to_path_buf(), Origin::Default)), ..Given::default() };
    let config = Config::from_text(text, None, &given).unwrap();
    house.settings.judging = Arc::new(JudgingRules::new(&config));
}

#[test]
fn a_verdict_names_the_profile_and_the_rules_it_came_by() {
    let data = tempfile::tempdir().unwrap();
    let bag = || {
        let house = house();
        house.deposit("photos", &[("a.txt", "alpha")]);
        house
    };
    let mut house = bag();
    judged_by(&mut house, data.path(), "[[depositor]]\nname = \"uva.edu\"\nprofile = \"aptrust-2.3\"\n");
    house.run();
    let item = only(&house);
    assert_eq!(kind(&item), Some("invalid-bag"), "it has no aptrust-info.txt");
    let judged = item.found.validate.unwrap();
    let pin = judged.profile.unwrap();
    assert!(pin.name == "aptrust-2.3" && pin.sha256.len() == 64);
    assert_eq!(judged.rules, ["storage_option = standard"]);

    let mut house = bag();
    judged_by(&mut house, data.path(), "[[depositor]]\nname = \"uva.edu\"\nprofile = \"bagit\"\n");
    house.run();
    assert_eq!(only(&house).checkpoint.standing.name(), "kept");
    let told = house.events().iter().any(|event| event.detail.contains("profile bagit (sha256 "));
    assert!(told, "the event of the validation says by which bytes: {:#?}", house.events());
}

#[test]
fn a_profile_that_changed_holds_the_item_until_it_is_put_right() {
    let data = tempfile::tempdir().unwrap();
    let registry = profiles::folder_of(data.path());
    let file = data.path().join("ours.json");
    let text = strongroom::rules::bagit::profile::shipped::text("bagit").unwrap();
    std::fs::write(&file, text).unwrap();
    profiles::add(&registry, &file, None).unwrap();
    std::fs::write(registry.join("ours.json"), text.replace("1.0", "1.1")).unwrap();
    let mut house = house();
    judged_by(&mut house, data.path(), "[[depositor]]\nname = \"uva.edu\"\nprofile = \"ours\"\n");
    house.deposit("photos", &[("a.txt", "alpha")]);
    house.run();
    let item = only(&house);
    assert_eq!(kind(&item), Some("profile-unusable"));
    assert!(item.found.validate.is_none(), "nobody judged it");
    std::fs::write(registry.join("ours.json"), text).unwrap();
    house.ledger.ask(item.id, &Move::Requeue { from: None }, &tester(), "").unwrap();
    house.run();
    assert_eq!(only(&house).checkpoint.standing.name(), "kept");
}

#[test]
fn an_order_about_many_items_says_when_it_does_not_reach_them_all() {
    let house = house();
    house.source.add_tar("/inbox/x.tar", tar("x", &[("a.txt", "alpha")]));
    for number in 0..=ROWS_MAX {
        let item = house.submit(&format!("bag-{number}"), "/inbox/x.tar");
        house.ledger.ask(item.id, &Move::Hold, &tester(), "").unwrap();
    }
    let config = Arc::new(Config::from_text("", None, &Given::default()).unwrap());
    let desk = Desk::new(house.ledger.clone(), Weak::new(), config, house.settings.clone(), true);
    let filter = Filter { depositor: Some("uva.edu".into()), ..Filter::default() };
    let ask = Ask::Requeue { items: Vec::new(), filter, from: None, reason: String::new(), dry_run: false };
    let mut told = Vec::new();
    for _ in 0..2 {
        let Answer::Moved { done, refused, .. } = desk.answer(&ask, &tester()) else { panic!() };
        let because: Vec<String> = refused.into_iter().map(|row| row.complaint.because).collect();
        told.push((done.len(), because));
    }
    let more = format!("{ROWS_MAX} items are the limit of one order, and there are more of them");
    assert_eq!(told, [(ROWS_MAX, vec![more]), (1, vec![])]);
}
