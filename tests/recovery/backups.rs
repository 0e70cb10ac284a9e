//! A crash, and a ledger that is lost while there are backups of it.

use crate::house::{House, Rows, less_losses, same};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Backups on a target, oldest first.
fn kept(house: &House, target: &str) -> Vec<PathBuf> {
    let folder = house.path(&format!("data/{target}/work/kept"));
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

/// Rows without what a restore makes anew: places that were met, and the row about backups.
fn less_places(rows: &Rows) -> Rows {
    let own = |key: &str| key.starts_with("m/place/volume") || key == "m/backup";
    rows.iter().filter(|(key, _)| !own(key)).map(|(key, row)| (key.clone(), row.clone())).collect()
}

#[test]
fn a_crash_needs_nothing_but_a_start() {
    let house = House::new();
    let path = house.bag(1, "photos.tar", 1);
    house.ok(&["submit", "--depositor", "uva.edu", &path]);
    let mut child = house.command(&["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    // Killed as soon as it has begun to work.
    while !house.path("data/socket").exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The next start goes on with it; whoever hands it in once more waits for it.
    house.ok(&["ingest", "-q", "--depositor", "uva.edu", &path]);
    let rows = house.export();
    assert_eq!(rows["i/000000000001"]["checkpoint"]["standing"]["is"], "kept");
    assert_eq!(house.ok(&["target", "reconcile", "--json"]).json()["wrong"], 0);
}

#[test]
fn the_ledger_is_lost_and_a_backup_with_what_is_newer_on_the_targets_brings_it_back() {
    let house = House::new();
    house.month();
    let then = house.export();
    let said = house.ok(&["state", "backup", "--json"]).json();
    let places = said["backup"]["places"].as_array().unwrap();
    assert!(places.len() == 2 && places.iter().all(|place| place.get("wrong").is_none()), "{said:#}");
    assert_eq!(said["backup"]["rows"], then.len());
    // After the backup: a next version, a new bag, and a refused one.
    house.deposit("uva.edu", 40, "photos.tar", 40);
    house.deposit("example.org", 41, "new.tar", 41);
    let newest = house.export();
    let refused = house.run(&["state", "restore", "vault-a"]);
    assert_eq!(refused.code, 5, "{}", refused.err);
    house.lose_ledger();
    let restored = house.ok(&["state", "restore", "vault-a", "--json"]).json();
    assert_eq!(restored["ledger"].as_str().unwrap().len(), 32);
    // Nothing is lost of what was there then: journals, refused items, everything.
    same(&less_places(&then), &less_places(&house.export()));
    house.ok(&["rebuild", "--from", "vault-b", "--into-existing"]);
    same(&less_places(&less_losses(&newest)), &less_places(&less_losses(&house.export())));
    assert!(house.export().contains_key("a/000000000001/000001"), "journals came with the backup");
    house.deposit("uva.edu", 50, "photos.tar", 50);
    assert_eq!(house.export()["o/strongroom:uva.edu/photos"]["head"], 6);
    assert_eq!(house.ok(&["target", "reconcile", "--json"]).json()["wrong"], 0);
}

#[test]
fn a_restore_over_a_ledger_moves_it_aside_and_loses_nothing() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.ok(&["state", "backup"]);
    house.deposit("uva.edu", 2, "photos.tar", 2);
    let file = kept(&house, "vault-b").pop().unwrap();
    house.ok(&["state", "restore", file.to_str().unwrap(), "--replace"]);
    assert_eq!(house.export()["o/strongroom:uva.edu/photos"]["head"], 1);
    assert!(house.path("data/ledger.before-restore-1/journal-a").is_dir());
    assert!(
        house.ok(&["item", "files", "1"]).out.contains("bagit.txt"),
        "inventories beside the ledger stay"
    );
}

#[test]
fn a_ledger_too_damaged_to_be_opened_is_moved_aside_for_the_backup() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.ok(&["state", "backup"]);
    let then = house.export();
    for copy in ["journal-a", "journal-b"] {
        for entry in fs::read_dir(house.path("data/ledger").join(copy)).unwrap() {
            fs::write(entry.unwrap().path(), [7; 500]).unwrap();
        }
    }
    let damaged = house.run(&["item", "list"]);
    assert_eq!(damaged.code, 74, "{}", damaged.err);
    assert!(damaged.err.contains("strongroom state restore --replace"), "{}", damaged.err);
    house.ok(&["state", "restore", "--replace", "vault-a"]);
    same(&less_places(&then), &less_places(&house.export()));
    assert_eq!(
        fs::read(house.path("data/ledger.before-restore-1/journal-a/imprint.json")).unwrap(),
        [7; 500]
    );
}

#[test]
fn a_restore_that_was_cut_off_between_two_moves_keeps_the_records_when_it_is_done_again() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.ok(&["state", "backup"]);
    let record = |ledger: &str| house.path(ledger).join("records/inventories/1.json.gz");
    assert!(record("data/ledger").is_file());
    // As a power cut leaves it: the former ledger is aside, its records are with the new one, which is not in place.
    fs::rename(house.path("data/ledger"), house.path("data/ledger.before-restore-1")).unwrap();
    fs::create_dir(house.path("data/ledger.restoring")).unwrap();
    let moved =
        [house.path("data/ledger.before-restore-1/records"), house.path("data/ledger.restoring/records")];
    fs::rename(&moved[0], &moved[1]).unwrap();
    house.ok(&["state", "restore", "vault-a"]);
    assert!(record("data/ledger").is_file());
}

#[test]
fn a_second_copy_that_cannot_be_moved_aside_leaves_everything_where_it_is() {
    let house = House::new();
    let config = fs::read_to_string(house.path("strongroom.toml")).unwrap();
    fs::write(house.path("strongroom.toml"), format!("{config}\n[ledger]\nmirror = \"mirror\"\n")).unwrap();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.ok(&["state", "backup"]);
    house.deposit("uva.edu", 2, "photos.tar", 2);
    // A name that is taken and leads nowhere: no folder can be made there.
    std::os::unix::fs::symlink("nowhere", house.path("mirror/journal.before-restore-1")).unwrap();
    let said = house.run(&["state", "restore", "--replace", "vault-a"]);
    assert_eq!(said.code, 74, "{}", said.err);
    assert_eq!(house.export()["o/strongroom:uva.edu/photos"]["head"], 2);
}

#[test]
fn nobody_takes_anything_in_while_a_backup_is_being_restored() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    let path = house.bag(2, "letters.tar", 2);
    // A pipe where the backup is copied to, and more than it holds: the restore stands still until somebody reads.
    let pipe = house.path("data/ledger.backup");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let kept = house.path("data/vault-a/work/kept");
    fs::create_dir_all(&kept).unwrap();
    let name = "ledger-e4dbb29a-20261122T222055.439Z-s2-b7d15d6bdd0b315e.jsonl.gz";
    fs::write(kept.join(name), vec![7; 300_000]).unwrap();
    let mut restoring = house.command(&["state", "restore", "--replace", "vault-a"]).spawn().unwrap();
    let reader = fs::File::open(&pipe).unwrap();
    let said = house.run(&["submit", "--depositor", "uva.edu", &path]);
    restoring.kill().unwrap();
    restoring.wait().unwrap();
    drop(reader);
    assert_eq!(said.code, 75, "{}{}", said.out, said.err);
}

#[test]
fn a_damaged_backup_is_passed_over_for_an_older_one_and_never_taken() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.ok(&["state", "backup"]);
    let older = kept(&house, "vault-a").pop().unwrap();
    house.deposit("uva.edu", 2, "photos.tar", 2);
    house.ok(&["state", "backup"]);
    let newer = kept(&house, "vault-a").pop().unwrap();
    assert_ne!(older, newer);
    let mut bytes = fs::read(&newer).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newer, &bytes).unwrap();
    house.lose_ledger();
    let said = house.ok(&["state", "restore", "vault-a", "--json"]);
    assert!(said.err.contains("is passed over"), "{}", said.err);
    assert_eq!(said.json()["backup"], older.file_name().unwrap().to_str().unwrap());
    let whole = kept(&house, "vault-b").pop().unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(&whole).unwrap()).read_to_string(&mut text).unwrap();
    // Every way in which a file may be short or changed, given by its name.
    let lines: Vec<&str> = text.lines().collect();
    let without_end = lines[..lines.len() - 1].join("\n") + "\n";
    let one_less = [&lines[..5], &lines[6..]].concat().join("\n") + "\n";
    let changed = text.replacen("photos", "phatos", 1);
    let twice = format!("{text}{text}");
    for (number, bad) in [String::new(), without_end, one_less, changed, twice].iter().enumerate() {
        let path = house.path(&format!("bad-{number}.gz"));
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(bad.as_bytes(), flate2::Compression::fast())
            .read_to_end(&mut packed)
            .unwrap();
        fs::write(&path, packed).unwrap();
        let before = house.export();
        let said = house.run(&["state", "restore", "--replace", path.to_str().unwrap()]);
        assert_ne!(said.code, 0, "{number}");
        same(&before, &house.export());
    }
}

#[test]
fn old_backups_go_by_count_and_the_last_good_one_stays() {
    let house = House::new();
    let config = fs::read_to_string(house.path("strongroom.toml")).unwrap();
    fs::write(house.path("strongroom.toml"), format!("{config}\n[serve]\nbackups = 2\n")).unwrap();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    for _ in 0..4 {
        house.ok(&["state", "backup"]);
    }
    assert_eq!((kept(&house, "vault-a").len(), kept(&house, "vault-b").len()), (2, 2));
    // A target that takes nothing: what lies there stays, and it is told.
    let newest = kept(&house, "vault-b");
    fs::rename(house.path("data/vault-b"), house.path("away")).unwrap();
    let said = house.run(&["state", "backup", "--json"]);
    assert_eq!(said.code, 1);
    fs::rename(house.path("away"), house.path("data/vault-b")).unwrap();
    assert_eq!(kept(&house, "vault-b"), newest);
    assert_eq!(house.run(&["state", "backup", "--last", "--json"]).json()["backup"], said.json()["backup"]);
}

#[test]
fn a_backup_is_made_while_the_daemon_works() {
    let house = House::new();
    let mut daemon = house.command(&["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while house.run(&["status"]).code == 4 || !house.path("data/socket").exists() {
        assert!(Instant::now() < end, "the daemon does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    for number in 0..6 {
        let path = house.bag(number, "photos.tar", number);
        house.ok(&["submit", "--depositor", "uva.edu", &path]);
    }
    let said = house.run(&["state", "backup", "--json"]);
    let ended = std::process::Command::new("kill").arg(daemon.id().to_string()).status();
    assert!(ended.unwrap().success());
    daemon.wait().unwrap();
    assert_eq!(said.code, 0, "{}", said.err);
    house.lose_ledger();
    house.ok(&["state", "restore", "vault-b"]);
    house.ok(&["rebuild", "--from", "vault-a", "--into-existing"]);
    // What was in work then goes on, and all of it comes to its end.
    house.deposit("uva.edu", 20, "photos.tar", 20);
    let rows = house.export();
    let kept = rows.keys().filter(|key| key.starts_with("s/kept/")).count();
    assert_eq!(kept, rows.keys().filter(|key| key.starts_with("i/")).count(), "{:?}", rows.keys());
    assert_eq!(house.ok(&["target", "reconcile", "--json"]).json()["wrong"], 0);
}

/// What the doctor says about this, with its level.
fn doctor(house: &House, about: &str) -> Vec<(String, String)> {
    let said = house.run(&["doctor", "--json"]).json();
    let checks = said["checks"].as_array().unwrap();
    let text = |check: &serde_json::Value| {
        (check["level"].as_str().unwrap().to_string(), format!("{} {}", check["text"], check["detail"]))
    };
    checks.iter().map(text).filter(|(_, text)| text.contains(about)).collect()
}

#[test]
fn the_doctor_knows_whether_there_is_a_backup_on_every_target_and_what_the_last_check_found() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    assert!(doctor(&house, "backup").is_empty(), "a ledger of a minute needs none yet");
    house.ok(&["state", "backup"]);
    let said = doctor(&house, "backup");
    assert!(
        matches!(&said[..], [(level, text)] if level == "ok" && text.contains("on 2 targets")),
        "{said:?}"
    );
    // A target is away: the backup lies on the other only, and the doctor names the one that lacks it.
    fs::rename(house.path("data/vault-b"), house.path("away")).unwrap();
    fs::write(house.path("data/vault-b"), "").unwrap();
    assert_eq!(house.run(&["state", "backup"]).code, 1);
    fs::remove_file(house.path("data/vault-b")).unwrap();
    fs::rename(house.path("away"), house.path("data/vault-b")).unwrap();
    let said = doctor(&house, "backup");
    assert!(matches!(&said[..], [(level, text)] if level == "warn" && text.contains("vault-b")), "{said:?}");
    house.ok(&["target", "reconcile"]);
    assert_eq!(doctor(&house, "check 1")[0].0, "ok");
    let object = house.export()["v/strongroom:uva.edu/photos/000001"]["copies"][0]["path"].clone();
    let inventory = format!("data/vault-a/ocfl/{}/inventory.json", object.as_str().unwrap());
    fs::write(house.path(&inventory), "{}").unwrap();
    assert_eq!(house.run(&["target", "reconcile"]).code, 1);
    assert_eq!(doctor(&house, "check 2")[0].0, "fail");
}
