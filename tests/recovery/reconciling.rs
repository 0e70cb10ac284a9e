//! One target is damaged or lost: reconcile tells what is missing where, by the real verb on real folders.

use crate::house::House;
use std::fs;

/// Kind, target and object of every finding.
fn found(told: &serde_json::Value) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
    let findings = told["findings"].as_array().unwrap().iter();
    let mut found: Vec<String> = findings
        .map(|one| format!("{} {} {}", text(&one["kind"]), text(&one["target"]), text(&one["about"])))
        .collect();
    found.sort();
    found
}

#[test]
fn what_was_planted_on_local_targets_is_found_and_nothing_else() {
    let house = House::new();
    house.month();
    let well = house.ok(&["target", "reconcile", "--json"]);
    assert_eq!(found(&well.json()), Vec::<String>::new());
    assert_eq!(well.json()["check"]["counts"]["vault-a"]["objects"], 6);
    // Lost: an object with its folders, and a file. Damaged: a sidecar, and a declaration that is gone.
    let lost = house.object("vault-a", "maps");
    fs::remove_dir_all(lost.parent().unwrap().parent().unwrap().parent().unwrap()).unwrap();
    let file = house.object("vault-b", "uva%2eedu%2fletters").join("v1/content/bag/bagit.txt");
    fs::remove_file(file).unwrap();
    let sidecar = house.object("vault-a", "photos").join("v2/inventory.json.sha512");
    fs::write(sidecar, "no digest\n").unwrap();
    fs::remove_file(house.object("vault-b", "100%25").join("0=ocfl_object_1.1")).unwrap();
    // Orphaned: an object that the registry does not know, by its own right a whole one.
    let other = House::new();
    other.deposit("uva.edu", 1, "orphan.tar", 1);
    let orphan = other.object("vault-a", "orphan");
    let relative = orphan.strip_prefix(other.path("data/vault-a/ocfl")).unwrap();
    let to = house.path("data/vault-a/ocfl").join(relative);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::rename(&orphan, &to).unwrap();
    // Extra: a file in an object, and one that is in none.
    fs::write(house.object("vault-b", "folder").join("v1/content/notes.txt"), "mine").unwrap();
    let tuple = house.object("vault-b", "photos");
    fs::write(tuple.parent().unwrap().join("stray.txt"), "mine").unwrap();
    let said = house.run(&["target", "reconcile", "--json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let stray = tuple.parent().unwrap().join("stray.txt");
    let stray = stray.strip_prefix(house.path("data/vault-b/ocfl")).unwrap().display().to_string();
    let mut wanted = vec![
        "lost vault-a strongroom:example.org/maps".to_string(),
        "lost vault-b strongroom:uva.edu/letters".into(),
        "damaged vault-a strongroom:uva.edu/photos".into(),
        "damaged vault-b strongroom:example.org/B%C3%BCcher%20100%25".into(),
        "orphaned vault-a strongroom:uva.edu/orphan".into(),
        "extra vault-b strongroom:uva.edu/folder".into(),
        format!("extra vault-b {stray}"),
    ];
    wanted.sort();
    assert_eq!(found(&said.json()), wanted);
    let last = house.run(&["target", "reconcile", "--last", "--json"]);
    assert_eq!((last.code, found(&last.json())), (1, wanted));
    let text = house.run(&["target", "reconcile", "--last"]);
    assert!(text.out.contains("is not there") && text.out.contains("7 wrong"), "{}", text.out);
    // Its advice is true: a rebuild takes in what was kept by another ledger.
    let taken = house.run(&["rebuild", "--from", "vault-a", "--into-existing", "--json"]);
    assert_eq!((taken.code, &taken.json()["objects"]), (1, &1.into()), "what is damaged is told again");
    house.ok(&["object", "show", "uva.edu/orphan"]);
}

#[test]
fn one_target_is_lost_and_reconcile_names_every_object_that_it_had() {
    let house = House::new();
    house.month();
    fs::rename(house.path("data/vault-b"), house.path("broken")).unwrap();
    let away = house.run(&["target", "reconcile", "--json"]);
    assert_eq!(away.code, 1);
    assert!(away.json()["check"]["counts"]["vault-b"]["unread"].is_string());
    // A new disk, empty, with the old one's marker: as after a restore of nothing.
    fs::create_dir_all(house.path("data/vault-b")).unwrap();
    let marker = "strongroom-target.json";
    fs::copy(house.path("broken").join(marker), house.path("data/vault-b").join(marker)).unwrap();
    let said = house.run(&["target", "reconcile", "vault-b", "--json"]);
    assert_eq!((said.code, said.json()["findings"].as_array().unwrap().len()), (1, 6));
    assert!(found(&said.json()).iter().all(|one| one.starts_with("lost vault-b ")));
    // The other target serves meanwhile.
    house.ok(&["object", "restore", "uva.edu/photos", "--to", house.path("out").to_str().unwrap()]);
}
