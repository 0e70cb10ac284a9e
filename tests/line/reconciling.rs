//! A thousand objects on two targets, and what was planted among them is found: all of it, and nothing else.

use crate::rehearsal::{House, house};
use sha2::{Digest, Sha512};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use strongroom::books::config::{Config, Given};
use strongroom::books::ledger::additions::Additions;
use strongroom::books::ledger::{CheckFinding, CheckRow};
use strongroom::model::digest::hex;
use strongroom::model::item::Asker;
use strongroom::model::object::{ObjectId, ObjectRow, StoredCopy, VersionRow};
use strongroom::rules::ocfl::inventory::TYPE;
use strongroom::rules::ocfl::layout;
use strongroom::rules::reconcile::Kind;
use strongroom::rules::registry::Made;
use strongroom::work::desk::Desk;
use strongroom::work::desk::words::{Answer, Ask};
use strongroom::work::reconcile::Reconcile;
use strongroom::worlds::fate::Blow;
use strongroom::worlds::target::{Publication, Put, Target, Txn};

const TARGETS: [&str; 2] = ["a", "b"];

fn sha512(bytes: &[u8]) -> String {
    hex(&Sha512::digest(bytes))
}

/// Inventory of an object whose versions each add one file.
fn inventory(id: &ObjectId, versions: u32) -> String {
    let text = |version: u32| format!("{id} {version}");
    let manifest: Vec<String> = (1..=versions)
        .map(|v| format!(r#""{}":["v{v}/content/bag/{v}.txt"]"#, sha512(text(v).as_bytes())))
        .collect();
    let state = |upto: u32| {
        let rows: Vec<String> =
            (1..=upto).map(|v| format!(r#""{}":["bag/{v}.txt"]"#, sha512(text(v).as_bytes()))).collect();
        format!(r#""v{upto}":{{"created":"2026-01-01T00:00:00Z","state":{{{}}}}}"#, rows.join(","))
    };
    let blocks: Vec<String> = (1..=versions).map(state).collect();
    format!(
        r#"{{"id":"{id}","type":"{TYPE}","digestAlgorithm":"sha512","head":"v{versions}","manifest":{{{}}},"versions":{{{}}}}}"#,
        manifest.join(","),
        blocks.join(",")
    )
}

/// Publishes the versions of an object one by one.
fn publish(target: &dyn Target, id: &ObjectId, versions: u32) {
    for version in 1..=versions {
        let txn = Txn { ledger: "rehearsal".into(), item: 1, fence: 1 };
        target.begin(&txn, id, version).unwrap();
        let text = format!("{id} {version}").into_bytes();
        let path = format!("v{version}/content/bag/{version}.txt");
        target
            .put(&txn, &[Put { content_path: &path, from: &text, offset: 0, size: text.len() as u64 }])
            .unwrap();
        let json = inventory(id, version).into_bytes();
        let base = (version > 1).then(|| sha512(inventory(id, version - 1).as_bytes()));
        let what = Publication {
            object: id,
            version,
            inventory: &json,
            inventory_sha512: &sha512(&json),
            base_sha512: base.as_deref(),
        };
        target.publish(&txn, &what).unwrap();
    }
}

fn rows(id: &ObjectId, versions: u32) -> Made {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let row = |version: u32| {
        let inventory_sha512 = sha512(inventory(id, version).as_bytes());
        let copy = |target: &&str| StoredCopy {
            target: (*target).into(),
            root: String::new(),
            path: layout::object_path(id),
            inventory_sha512: inventory_sha512.clone(),
            proved_at: at,
        };
        VersionRow {
            object: id.clone(),
            version,
            item: 1,
            inventory_sha512: inventory_sha512.clone(),
            files: 1,
            bytes: 1,
            copies: TARGETS.iter().map(copy).collect(),
            kept_at: at,
        }
    };
    let object = ObjectRow {
        id: id.clone(),
        depositor: "uva.edu".into(),
        bag: id.0.clone(),
        policy: "default".into(),
        head: versions,
        created: at,
        events: 0,
        last_log: None,
    };
    Made { object: Some(object), versions: (1..=versions).map(row).collect(), ..Made::default() }
}

/// This many objects, each fourth of them in two versions, on both targets and in the registry.
fn stocked(objects: u64) -> (House, Vec<(ObjectId, u32)>) {
    let house = house();
    let mut additions = Additions::new(Some(&house.ledger), false).unwrap();
    let mut all = Vec::new();
    for number in 0..objects {
        let id = ObjectId::of("uva.edu", &format!("bag {number}"));
        let versions = if number % 4 == 0 { 2 } else { 1 };
        for name in TARGETS {
            publish(&*house.targets[name], &id, versions);
        }
        additions.add(rows(&id, versions), &mut Vec::new()).unwrap();
        all.push((id, versions));
    }
    additions.end().unwrap();
    (house, all)
}

/// Steps until the check is at its end, each from what the ledger holds, as after a restart.
fn check(house: &House) -> (CheckRow, Vec<CheckFinding>) {
    let reconcile = Reconcile { ledger: &house.ledger, ledger_id: "rehearsal" };
    let targets = TARGETS.map(String::from).to_vec();
    let mut row = reconcile.begin(targets, "tester", |_| true).unwrap();
    while row.ended.is_none() {
        row = reconcile.step(row).unwrap();
        row = house.ledger.check_now().unwrap().unwrap_or(row);
    }
    let findings = house.ledger.check_findings(row.number, 0, usize::MAX).unwrap();
    (row, findings)
}

/// Numbers in an order that chance might have given, the same at every run.
fn shuffled<T>(mut rows: Vec<T>) -> Vec<T> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for at in (1..rows.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        rows.swap(at, (state % (at as u64 + 1)) as usize);
    }
    rows
}

type Planted = BTreeSet<(Kind, String, String)>;

/// Plants every kind of difference, each in objects of its own; gives what must be found.
fn plant(house: &House, all: Vec<(ObjectId, u32)>) -> Planted {
    let mut planted = Planted::new();
    for (number, (id, versions)) in shuffled(all).into_iter().take(210).enumerate() {
        let name = TARGETS[number % 2];
        let target = &house.targets[name];
        let kind = match number % 7 {
            0 => {
                target.lose(&id, None);
                Kind::Lost
            }
            1 => {
                target.lose(&id, Some("v1/content/bag/1.txt"));
                Kind::Lost
            }
            2 => {
                // Back to the version before, or to another object's bytes: the registry has another inventory.
                target.lose(&id, None);
                let other = if versions == 2 { 1 } else { 2 };
                publish(&**target, &id, other);
                if other == 1 { Kind::Lost } else { Kind::Orphaned }
            }
            3 => {
                target.damage(&id, "inventory.json", b"{}".to_vec());
                Kind::Damaged
            }
            4 => {
                target.lose(&id, Some("v1/inventory.json.sha512"));
                Kind::Damaged
            }
            5 => {
                target.damage(&id, "v1/content/notes.txt", b"mine".to_vec());
                Kind::Extra
            }
            _ => {
                let stranger = ObjectId(format!("{id}-unknown"));
                publish(&**target, &stranger, 2);
                planted.insert((Kind::Orphaned, name.into(), stranger.0));
                continue;
            }
        };
        planted.insert((kind, name.into(), id.0));
    }
    planted
}

#[test]
fn every_planted_loss_and_orphan_among_a_thousand_objects_is_found_and_nothing_else() {
    let (house, all) = stocked(1_000);
    let (row, findings) = check(&house);
    assert_eq!((row.wrong(), findings.len()), (0, 0), "{findings:#?}");
    assert_eq!((row.counts["a"].objects, row.counts["a"].versions), (1_000, 1_250));
    let planted = plant(&house, all);
    assert_eq!(planted.len(), 210);
    let (row, findings) = check(&house);
    let found: Planted =
        findings.iter().map(|told| (told.kind, told.target.clone(), told.about.clone())).collect();
    assert_eq!(found.difference(&planted).collect::<Vec<_>>(), Vec::<&(Kind, String, String)>::new());
    assert_eq!(planted.difference(&found).collect::<Vec<_>>(), Vec::<&(Kind, String, String)>::new());
    assert_eq!((row.number, row.wrong()), (2, 210));
    assert_eq!(house.ledger.check_last().unwrap(), Some(row));
    assert!(house.ledger.check_findings(1, 0, 10).unwrap().is_empty());
}

#[test]
fn a_check_that_is_cut_off_at_any_commit_counts_nothing_twice() {
    let (house, all) = stocked(420);
    let planted = plant(&house, all);
    let (whole, _) = check(&house);
    let mut cut = 0;
    for blow in [Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1.. {
            house.fate.plan(at, blow);
            let reconcile = Reconcile { ledger: &house.ledger, ledger_id: "rehearsal" };
            let begun = reconcile.begin(TARGETS.map(String::from).to_vec(), "tester", |_| true);
            let mut ended = begun;
            while let Ok(row) = &ended
                && row.ended.is_none()
            {
                ended = reconcile.step(row.clone());
            }
            let done = ended.is_ok();
            house.fate.recover();
            if done {
                break;
            }
            cut += 1;
            // It goes on where it was, or was at its end already.
            if house.ledger.check_now().unwrap().is_some() {
                check(&house);
            }
            let last = house.ledger.check_last().unwrap().unwrap();
            assert_eq!(
                (last.counts, last.findings),
                (whole.counts.clone(), planted.len() as u64),
                "{blow:?} {at}"
            );
        }
    }
    assert!(cut > 10, "only {cut} cuts");
}

#[test]
fn what_an_item_is_making_is_in_flight_and_not_wrong() {
    // The power goes after one target has the object and before the registry does.
    let mut seen = false;
    for at in 1.. {
        let house = house();
        house.deposit("photos", &[("a.txt", "alpha")]);
        house.fate.plan(at, Blow::PowerAfter);
        let ended = house.run_once();
        house.fate.recover();
        if ended {
            assert_eq!(check(&house).1, []);
            break;
        }
        let half = house.targets.values().filter(|target| !target.objects().is_empty()).count();
        if half > 0 && house.ledger.objects(None, 1).unwrap().is_empty() {
            let (row, findings) = check(&house);
            assert_eq!(row.wrong(), 0, "{findings:#?}");
            assert!(findings.iter().all(|told| told.kind == Kind::InFlight), "{findings:#?}");
            seen |= findings.iter().any(|told| told.about.starts_with("strongroom:"));
        }
    }
    assert!(seen);
}

#[test]
fn a_target_that_is_away_is_told_and_the_other_is_checked() {
    let (house, _) = stocked(5);
    house.targets["a"].unmount(true);
    let (row, findings) = check(&house);
    assert!(row.counts["a"].unread.is_some());
    assert_eq!((row.counts["b"].objects, row.wrong(), findings.len()), (5, 1, 0));
}

#[test]
fn a_check_that_was_cut_off_comes_to_its_end_though_a_target_left_the_configuration_since() {
    let (house, _) = stocked(5);
    let reconcile = Reconcile { ledger: &house.ledger, ledger_id: &house.settings.ledger_id };
    let names = ["a", "b", "gone"].map(String::from);
    let row = reconcile.begin(names.to_vec(), "schedule", |_| false).unwrap();
    let config = Arc::new(Config::from_text("", None, &Given::default()).unwrap());
    let desk = Desk::new(house.ledger.clone(), Weak::new(), config, house.settings.clone(), true);
    let asker = Asker { uid: 0, name: "schedule".into(), door: "test".into() };
    let ask = |targets: Vec<String>| desk.answer(&Ask::Reconcile { targets, check: None }, &asker);
    // As the schedule asks, and as the sentence says that another check is answered with.
    let Answer::Refused(busy) = ask(Vec::new()) else { panic!("another check is under way") };
    assert_eq!(busy.then_try, "strongroom target reconcile a b gone");
    let mut ended = None;
    for _ in 0..100 {
        match ask(desk.reconciling_targets()) {
            Answer::Reconciled { check: Some(check), .. } if check.number > row.number => break,
            Answer::Reconciled { check: Some(check), .. } => ended = Some(*check),
            other => panic!("{other:?}"),
        }
    }
    let ended = ended.unwrap();
    assert!(ended.ended.is_some() && ended.counts["gone"].unread.is_some(), "{ended:?}");
    assert_eq!((ended.counts["a"].objects, ended.counts["b"].objects), (5, 5));
    assert!(matches!(ask(vec!["gone".into()]), Answer::Refused(_)), "it is not begun anew");
}
