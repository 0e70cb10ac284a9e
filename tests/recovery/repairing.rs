//! A copy rots, or a whole target is lost: the verbs of repair say what is wrong, put it right, and tell what they did.

use crate::house::House;
use std::fs;
use std::path::PathBuf;

const FILE: &str = "v1/content/bag/data/000/file-000001.bin";

fn house() -> House {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.deposit("uva.edu", 2, "letters.tar", 2);
    house
}

/// Flips a bit of this file in the copy of photos on a target; gives the file and its bytes from before.
fn flip(house: &House, target: &str, bit: u8) -> (PathBuf, Vec<u8>) {
    let file = house.object(target, "photos").join(FILE);
    let bytes = fs::read(&file).unwrap();
    let mut bad = bytes.clone();
    bad[7] ^= bit;
    fs::write(&file, bad).unwrap();
    (file, bytes)
}

#[test]
fn a_rotten_copy_is_planned_refused_without_a_yes_and_then_put_right() {
    let house = house();
    let said = house.ok(&["repair", "plan"]);
    assert_eq!(said.out, "nothing is known to be wrong with any copy\n");
    let (file, bytes) = flip(&house, "vault-a", 1);
    let bad = fs::read(&file).unwrap();
    assert_eq!(house.run(&["object", "verify", "uva.edu/photos"]).code, 1);
    let said = house.run(&["repair", "plan", "--json"]);
    let plan = &said.json()["copies"][0];
    assert_eq!((said.code, plan["files"].as_u64(), plan["cannot"].as_u64()), (1, Some(1), Some(0)), "{plan}");
    assert_eq!(
        (&plan["target"], &plan["first"][0]["from"]),
        (&"vault-a".into(), &"vault-b".into()),
        "{plan}"
    );
    let said = house.run(&["repair", "run"]);
    assert_eq!(said.code, 5, "{}{}", said.out, said.err);
    assert!(said.err.contains("1 copy would be changed") && said.err.contains("--yes"), "{}", said.err);
    assert_eq!(house.run(&["repair", "run", "--yes", "--dry-run"]).code, 1);
    assert_eq!(fs::read(&file).unwrap(), bad, "nothing was changed");
    let said = house.ok(&["repair", "run", "--yes", "--json"]);
    let done = said.json();
    assert_eq!((done["schema"].as_u64(), done["repaired"].as_u64()), (Some(1), Some(1)), "{done}");
    assert_eq!((done["failed"].as_u64(), done["aside"].as_u64()), (Some(0), Some(1)), "{done}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    house.ok(&["object", "verify", "uva.edu/photos"]);
    let shown = house.ok(&["repair", "show", "--json"]).json();
    let aside = &shown["quarantine"][0]["newest"][0];
    assert_eq!(aside["of"]["path"], FILE, "{shown}");
    let kept = house.path("data/vault-a/work/quarantine").join(aside["name"].as_str().unwrap());
    assert_eq!(fs::read(kept).unwrap(), bad);
    assert_eq!(shown["damaged"].as_array().unwrap().len(), 0, "{shown}");
    let text = house.ok(&["repair", "show"]).out;
    assert!(text.contains("nothing is put right by itself") && text.contains(FILE), "{text}");
    assert_eq!(house.ok(&["repair", "run", "--yes", "--json"]).json()["repaired"], 0);
}

#[test]
fn with_both_copies_bad_nothing_is_written_and_the_exit_code_says_so() {
    let house = house();
    let (one, bytes) = flip(&house, "vault-a", 1);
    let (other, _) = flip(&house, "vault-b", 2);
    let before = (fs::read(&one).unwrap(), fs::read(&other).unwrap());
    let said = house.run(&["repair", "run", "uva.edu/photos", "--yes", "--json"]);
    assert_eq!((said.code, said.json()["failed"].as_u64()), (1, Some(2)), "{}", said.out);
    assert_eq!((fs::read(&one).unwrap(), fs::read(&other).unwrap()), before);
    assert!(!house.path("data/vault-a/work/quarantine").exists());
    let text = house.run(&["repair", "plan"]).out;
    assert!(text.contains("no proved copy: vault-b has other bytes"), "{text}");
    // A person finds the right bytes elsewhere.
    fs::write(&other, &bytes).unwrap();
    let said = house.ok(&["repair", "run", "--yes"]);
    assert!(said.out.starts_with("repair 2: 1 copy put right"), "{}", said.out);
    assert_eq!(fs::read(&one).unwrap(), bytes);
    assert_eq!(house.run(&["repair", "plan", "uva.edu/none"]).code, 4);
    assert_eq!(house.run(&["repair", "plan", "--target", "vault-c"]).code, 2);
    assert_eq!(house.run(&["repair", "run", "--bytes", "many", "--yes"]).code, 2);
}

#[test]
fn copies_of_a_target_that_was_lost_are_made_anew_and_a_ledger_made_anew_tells_it() {
    let house = house();
    let object = house.object("vault-b", "photos");
    let count = || walk(&house.path("data/vault-b/ocfl"));
    let whole = count();
    fs::remove_dir_all(&object).unwrap();
    fs::remove_dir_all(house.object("vault-b", "letters")).unwrap();
    let said = house.run(&["repair", "plan", "--lost"]);
    assert!(said.code == 1 && said.out.matches("made anew").count() == 2, "{}", said.out);
    let said = house.ok(&["repair", "run", "--lost", "--target", "vault-b", "--yes", "--json"]);
    assert_eq!(said.json()["repaired"], 2, "{}", said.out);
    // Each has three files of events more: let go, copied, whole again.
    assert_eq!(count(), whole + 6);
    house.ok(&["object", "verify", "uva.edu/photos"]);
    let told = |house: &House| {
        let history = house.ok(&["object", "history", "uva.edu/photos", "--json"]).json();
        let events = history["events"].as_array().unwrap().iter();
        events.map(|event| event["id"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    let before = told(&house);
    house.lose_ledger();
    house.ok(&["rebuild", "--from", "vault-b"]);
    assert_eq!(told(&house), before);
}

fn walk(folder: &std::path::Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
}
