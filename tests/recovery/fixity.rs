//! Copies proved again, by the built program: what it says, and how it ends.

use crate::house::{House, less_losses, same};
use serde_json::Value;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TOP: [&str; 7] = ["schema", "matched", "mismatched", "missing", "unreadable", "extra", "not_reached"];

fn stocked() -> House {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.deposit("uva.edu", 2, "letters.tar", 2);
    house
}

/// Counts of a run of everything, and how it ended.
fn run_all(house: &House) -> (i32, Value) {
    let said = house.run(&["fixity", "run", "--all", "--json"]);
    (said.code, said.json())
}

fn counts(told: &Value) -> Vec<u64> {
    TOP[1..].iter().map(|name| told[name].as_u64().unwrap_or_else(|| panic!("no {name} in {told}"))).collect()
}

#[test]
fn a_run_counts_files_by_outcome_and_ends_by_what_it_found() {
    let house = stocked();
    let (code, told) = run_all(&house);
    let matched = told["matched"].as_u64().unwrap();
    assert_eq!((code, counts(&told)), (0, vec![matched, 0, 0, 0, 0, 0]), "{told}");
    assert!(matched > 20 && told["schema"] == 1);
    let object = house.object("vault-a", "photos");
    let content = object.join("v1/content/bag/data");
    let file = find_file(&content);
    let bytes = fs::read(&file).unwrap();
    let mut flipped = bytes.clone();
    flipped[0] ^= 1;
    fs::write(&file, &flipped).unwrap();
    fs::write(content.join("stranger"), "?").unwrap();
    let (code, told) = run_all(&house);
    assert_eq!((code, counts(&told)), (1, vec![matched - 1, 1, 0, 0, 1, 0]));
    let said = house.run(&["fixity", "failures"]);
    assert!(said.code == 1 && said.out.contains("FAULTY") && said.out.contains("photos"), "{}", said.out);
    assert_eq!(house.run(&["fixity", "status"]).code, 1);
    fs::remove_file(content.join("stranger")).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(counts(&run_all(&house).1), [matched - 1, 0, 1, 0, 0, 0]);
    // Put right by hand, it is sound, and nothing is said of it any more.
    fs::write(&file, &bytes).unwrap();
    let (code, told) = run_all(&house);
    assert_eq!((code, counts(&told)), (0, vec![matched, 0, 0, 0, 0, 0]));
    assert_eq!(house.ok(&["fixity", "status", "--json"]).json()["targets"][0]["bad"], 0);
    assert_eq!(house.ok(&["target", "reconcile", "--json"]).json()["wrong"], 0);
    // A target that is not there is no sound one.
    fs::rename(house.path("data/vault-b"), house.path("data/elsewhere")).unwrap();
    let (code, told) = run_all(&house);
    assert_eq!(code, 3, "{told}");
    assert!(told["not_reached"].as_u64().unwrap() > 0 && told["matched"].as_u64().unwrap() == matched / 2);
    assert_eq!(house.run(&["fixity", "run", "--target", "vault-c"]).code, 2);
    assert_eq!(house.run(&["fixity", "run", "--for", "soon"]).code, 2);
    // Nothing is due on the day on which it was proved.
    assert_eq!(counts(&house.ok(&["fixity", "run", "--json", "--target", "vault-a"]).json()), [0; 6]);
}

fn find_file(folder: &std::path::Path) -> std::path::PathBuf {
    let entry = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if entry.is_dir() { find_file(&entry) } else { entry }
}

/// A process that is not left behind.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Kept {
    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), pid]).status().unwrap().success());
    }

    fn end(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(60);
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.0.wait().unwrap().code()
    }
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_run_at_a_time_and_one_that_is_interrupted_goes_on() {
    let house = stocked();
    // So slow that it would take an hour.
    let config = house.path("strongroom.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[fixity]\nbandwidth = \"1 KiB/s\"\n")).unwrap();
    let serve = || Kept(house.command(&["serve"]).stderr(Stdio::null()).spawn().unwrap());
    let mut daemon = serve();
    wait_for("the daemon does not answer", || house.path("data/socket").exists());
    let run = || {
        let mut command = house.command(&["fixity", "run", "--all", "--json"]);
        Kept(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let under_way = || house.run(&["fixity", "report", "--json"]).out.contains("\"ended\"");
    let mut first = run();
    wait_for("no run is begun", || house.run(&["fixity", "report"]).out.contains("under way"));
    let second = house.run(&["fixity", "run"]);
    assert!(second.code == 75 && second.err.contains("run 1 is under way since"), "{}", second.err);
    // Interrupted, it ends at once and says how far it is.
    first.signal("INT");
    assert_eq!(first.end(), Some(130));
    assert!(under_way());
    let told = house.run(&["fixity", "report"]);
    assert!(told.code == 3 && told.out.contains("stopped"), "{}", told.out);
    // The daemon ends while one is under way, and does not wait an hour.
    let mut third = run();
    wait_for("no run is begun", || house.run(&["fixity", "report"]).out.contains("run 2"));
    daemon.signal("TERM");
    assert_eq!(daemon.end(), Some(0));
    assert_ne!(third.end(), Some(0));
    fs::write(&config, text).unwrap();
    let (code, told) = run_all(&house);
    assert_eq!((code, told["copies"]["left"].as_u64()), (0, Some(0)), "{told}");
}

#[test]
fn a_ledger_that_is_lost_after_a_sweep_knows_when_copies_were_proved() {
    let house = stocked();
    assert_eq!(run_all(&house).0, 0);
    let mut before = less_losses(&house.export());
    before.retain(|key, _| !key.starts_with("m/"));
    house.lose_ledger();
    house.ok(&["rebuild", "--from", "vault-b"]);
    let mut after = less_losses(&house.export());
    after.retain(|key, _| !key.starts_with("m/"));
    same(&before, &after);
}
