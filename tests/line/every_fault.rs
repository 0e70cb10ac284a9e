//! Each write of a full ingest fails once, finds the disk full, has the power cut before it, and after it; whatever happens, the end is the
//! same as if nothing had happened.

use crate::rehearsal::{House, house};
use std::collections::{BTreeMap, BTreeSet};
use strongroom::worlds::fate::Blow;

/// What an observer sees in the end, without times and tries.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    standings: Vec<(String, String, String)>,
    // Target, object, path in the object -> bytes; our own documents and inventories hold times and are left to others.
    stored: BTreeMap<(String, String, String), Vec<u8>>,
    events: Vec<(String, String, String, Option<String>)>,
    registry: Vec<(String, u32, u64, usize)>,
}

pub fn end(house: &House) -> End {
    let items = house.items();
    let standings = items
        .iter()
        .map(|item| {
            let at = item.checkpoint.stage.name().to_string();
            (item.bag.clone(), item.checkpoint.standing.name().to_string(), at)
        })
        .collect();
    let mut stored = BTreeMap::new();
    for (name, target) in &house.targets {
        for object in target.objects() {
            for (path, bytes) in target.files(&object) {
                if path.contains("/content/bag/") {
                    stored.insert((name.clone(), object.to_string(), path), bytes.to_vec());
                }
            }
        }
    }
    let mut events = Vec::new();
    for item in &items {
        for event in house.ledger.events(item.id).unwrap() {
            let kind = event.event_type.term().0.to_string();
            events.push((item.bag.clone(), kind, format!("{:?}", event.outcome), event.target));
        }
    }
    let mut registry = Vec::new();
    for object in house.ledger.objects(None, 100).unwrap() {
        for version in house.ledger.versions(&object.id).unwrap() {
            registry.push((object.id.to_string(), version.version, version.files, version.copies.len()));
        }
    }
    End { standings, stored, events, registry }
}

fn deposit_all(house: &House) {
    house.deposit("photos", &[("a.txt", "alpha"), ("b/c.txt", "gamma"), ("empty", "")]);
    house.deposit_packed("letters", &[("one", "1"), ("twin", "1")]);
    house.deposit_afar("maps", &[("north.txt", &"north ".repeat(300)), ("south.txt", "south")]);
    house.source.add_tar("/inbox/broken.tar", b"this is no tar, and never was".repeat(100));
    house.submit("broken", "/inbox/broken.tar");
}

/// What must hold at every end, disturbed or not.
fn nothing_without_proof(house: &House) {
    // A last start finds nothing to do, and clears what a power cut behind the last commit left in staging.
    house.fate.recover();
    assert!(house.run_once());
    let ids: Vec<String> = house.events().into_iter().map(|event| event.id).collect();
    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), different.len(), "an event was recorded twice");
    for item in house.items() {
        if item.checkpoint.standing.name() != "kept" {
            continue;
        }
        let store = item.found.store.as_ref().expect("a kept item knows its copies");
        assert_eq!(store.copies.len(), 2);
        for copy in &store.copies {
            let published = house.targets[&copy.target].files(&store.object);
            assert!(
                published.contains_key("inventory.json"),
                "{} shows nothing on {}",
                item.bag,
                copy.target
            );
        }
        let left: Vec<_> = house
            .disk
            .files()
            .into_keys()
            .filter(|place| place.path.starts_with(&format!("rehearsal-{}/", item.id)))
            .collect();
        assert!(left.is_empty(), "staging was not cleared: {left:?}");
    }
}

#[test]
fn every_write_may_fail_or_lose_the_power_and_the_end_is_the_same() {
    let undisturbed = house();
    deposit_all(&undisturbed);
    undisturbed.fate.recover();
    undisturbed.run();
    let wanted = end(&undisturbed);
    let writes = undisturbed.fate.writes();
    assert_eq!(wanted.registry.len(), 3, "{wanted:#?}");
    assert!(writes > 60, "a full ingest made only {writes} writes");
    nothing_without_proof(&undisturbed);

    let mut struck = 0;
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = house();
            deposit_all(&house);
            house.fate.plan(at, blow);
            house.run();
            // The blow may fall behind the last commit, while staging is cleared.
            house.fate.recover();
            assert_eq!(end(&house), wanted, "{blow:?} at write {at} of {writes}");
            nothing_without_proof(&house);
            struck += 1;
        }
    }
    println!("{struck} faults over {writes} writes, the same end every time");
}

#[test]
fn a_new_version_survives_every_fault_too() {
    let first = [("a.txt", "alpha"), ("b.txt", "beta")];
    let second = [("a.txt", "alpha"), ("b.txt", "BETA"), ("c.txt", "new")];
    let prepare = || {
        let house = house();
        house.deposit("photos", &first);
        house.run();
        house.source.add_tar("/inbox/again/photos.tar", crate::rehearsal::tar("photos", &second));
        house.submit("photos", "/inbox/again/photos.tar");
        house
    };
    let undisturbed = prepare();
    undisturbed.fate.recover();
    undisturbed.run();
    let wanted = end(&undisturbed);
    let writes = undisturbed.fate.writes();
    assert_eq!(wanted.registry.iter().map(|row| row.1).collect::<Vec<_>>(), [1, 2]);
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = prepare();
            house.fate.plan(at, blow);
            house.run();
            // The blow may fall behind the last commit, while staging is cleared.
            house.fate.recover();
            assert_eq!(end(&house), wanted, "{blow:?} at write {at} of {writes}");
            nothing_without_proof(&house);
        }
    }
}
