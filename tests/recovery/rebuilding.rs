//! The ledger and every backup of it are lost; or the machine is, and one target is left.

use crate::house::{House, less_losses, same};
use std::fs;

#[test]
fn after_a_month_each_target_alone_gives_the_ledger_back_but_for_the_stated_losses() {
    let house = House::new();
    house.month();
    let before = house.export();
    let listed = house.ok(&["object", "list", "--all", "--json"]).json();
    for target in ["vault-a", "vault-b"] {
        house.lose_ledger();
        let said = house.ok(&["rebuild", "--from", target, "--json"]);
        assert_eq!(said.json()["disagreements"], serde_json::json!([]));
        assert_eq!(said.json()["refused"], 0);
        same(&less_losses(&before), &less_losses(&house.export()));
        assert_eq!(house.ok(&["object", "list", "--all", "--json"]).json(), listed);
    }
    // What was taken away by `less_losses` is all that is missing.
    let lost: Vec<&str> = before.keys().map(|key| key.split('/').next().unwrap()).collect();
    assert!(lost.contains(&"a"));
    assert_eq!(house.ok(&["state", "verify", "--json"]).json()["wrong"], serde_json::json!([]));
}

#[test]
fn the_machine_is_lost_and_one_target_and_the_configuration_bring_the_house_back_to_work() {
    let old = House::new();
    old.month();
    let before = old.export();
    // Another machine, where the same target is mounted at the same place.
    let house = House::new();
    fs::create_dir(house.path("data")).unwrap();
    fs::rename(old.path("data/vault-b"), house.path("data/vault-b")).unwrap();
    let dry = house.ok(&["rebuild", "--from", "vault-b", "--dry-run", "--json"]);
    assert!(!house.path("data/ledger").exists(), "a dry run writes nothing");
    let wet = house.ok(&["rebuild", "--from", "vault-b", "--json"]);
    assert_eq!(dry.json()["versions"], wet.json()["versions"]);
    assert!(!house.path("data/vault-a").exists(), "a target that is not mounted is not made anew");
    let versions = |rows: &crate::house::Rows| {
        rows.iter()
            .filter(|(key, _)| key.starts_with("v/"))
            .map(|(key, row)| (key.clone(), row["inventory_sha512"].clone(), row["item"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&before), versions(&house.export()));
    // The other target is put back, and deposits go on: the next version, the next number.
    fs::rename(old.path("data/vault-a"), house.path("data/vault-a")).unwrap();
    let last = before.keys().rfind(|key| key.starts_with("i/")).unwrap();
    house.deposit("uva.edu", 40, "photos.tar", 40);
    let rows = house.export();
    let newest = rows.keys().rfind(|key| key.starts_with("i/")).unwrap();
    assert!(newest > last, "{newest} after {last}");
    assert_eq!(rows["o/strongroom:uva.edu/photos"]["head"], 5);
    let to = house.path("out");
    house.ok(&["object", "restore", "example.org/maps", "--to", to.to_str().unwrap()]);
    let said = house.ok(&["bag", "validate", "out/maps"]);
    assert_eq!(said.code, 0);
    // What lies beside the ledger is taken from a target when it is asked for.
    assert!(house.ok(&["item", "files", "1"]).out.contains("data/000/file-000000.bin"));
}

#[test]
fn a_ledger_with_objects_is_only_added_to_and_only_when_told() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    let copy = house.path("old-ledger");
    let copied =
        std::process::Command::new("cp").arg("-r").arg(house.path("data/ledger")).arg(&copy).status();
    assert!(copied.unwrap().success());
    house.deposit("uva.edu", 2, "photos.tar", 2);
    house.deposit("uva.edu", 3, "maps.tar", 3);
    let newest = house.export();
    house.lose_ledger();
    fs::rename(&copy, house.path("data/ledger")).unwrap();
    let before = house.export();
    let refused = house.run(&["rebuild", "--from", "vault-a"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    assert!(refused.err.contains("--into-existing"));
    same(&before, &house.export());
    house.ok(&["rebuild", "--from", "vault-a", "--into-existing"]);
    same(&less_losses(&newest), &less_losses(&house.export()));
    let after = house.export();
    for (key, value) in &before {
        // What a copy weighs follows from its versions.
        let grown = key == "m/next" || key.starts_with("o/") || key.starts_with("u/");
        assert!(grown || after.get(key) == Some(value), "{key} was there and is another");
    }
}

#[test]
fn what_targets_disagree_about_is_told_with_what_to_do_and_an_exit_of_one() {
    let house = House::new();
    house.month();
    let spoil = |target: &str, name: &str, path: &str, text: &str| {
        fs::write(house.object(target, name).join(path), text).unwrap();
    };
    spoil("vault-a", "maps", "inventory.json.sha512", &format!("{}  inventory.json\n", "0".repeat(128)));
    spoil("vault-a", "folder", "notes.txt", "mine");
    fs::remove_dir_all(house.object("vault-b", "100%25")).unwrap();
    let photos = house.object("vault-b", "photos");
    let log = fs::read_dir(photos.join("logs/premis")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&log).unwrap();
    fs::remove_file(photos.join("v1/content/bag/bagit.txt")).unwrap();
    house.lose_ledger();
    let said = house.run(&["rebuild", "--from", "vault-a", "--from", "vault-b", "--json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let told = said.json();
    let mut odd: Vec<String> = told["disagreements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| {
            assert!(!told["try"].as_str().unwrap().is_empty());
            format!("{} {}", told["odd"].as_str().unwrap(), told["target"].as_str().unwrap_or("-"))
        })
        .collect();
    odd.sort();
    odd.dedup();
    let wanted = [
        "damaged vault-a",
        "file-missing vault-b",
        "log-differs vault-b",
        "stray vault-b",
        "unknown-file vault-a",
        "version-missing vault-a",
        "version-missing vault-b",
    ];
    assert_eq!(odd, wanted, "{told:#}");
    assert_eq!(told["objects"], 6, "every object is taken from the target that has it whole");
    let wrong = house.run(&["rebuild", "--from", "vault-c"]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
}
