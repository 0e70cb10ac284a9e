//! Rungs of strongroom-recovery(7) that nothing else tries: what the page says to type is typed, and what it promises holds.

use super::text;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A house with two targets of a policy, and a third one for when it is needed.
struct House(TempDir);

impl House {
    fn new() -> House {
        let house = House(tempfile::tempdir().unwrap());
        house.configure("staging-a", &["vault-a", "vault-b"], &["vault-a", "vault-b"]);
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn configure(&self, staging: &str, targets: &[&str], policy: &[&str]) {
        let mut text = format!(
            "data = \"data\"\ni_accept_copies_on_one_disk = true\n[[staging]]\nname = \"{staging}\"\npath = \"{staging}\"\n\
             [policy.default]\ntargets = {policy:?}\n"
        );
        targets
            .iter()
            .for_each(|name| text.push_str(&format!("[[target]]\nname = \"{name}\"\npath = \"{name}\"\n")));
        fs::write(self.path("strongroom.toml"), text).unwrap();
    }

    fn run(&self, words: &str) -> (i32, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        program.args(["--config", "strongroom.toml", "-q"]).args(words.split(' ')).current_dir(self.0.path());
        let said = program.stdin(Stdio::null()).output().unwrap();
        (said.status.code().unwrap_or(-1), text(&said.stdout) + &text(&said.stderr))
    }

    fn ok(&self, words: &str) -> String {
        let (code, said) = self.run(words);
        assert_eq!(code, 0, "{words}: {said}");
        said
    }

    fn bag(&self, name: &str, seed: u32) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        let said =
            program.args(["make-bag", name, "--seed", &seed.to_string()]).current_dir(self.0.path()).output();
        assert!(said.unwrap().status.success());
    }

    /// One object is kept; the second item stops in the middle of its way, for a target is away until `bring_back`.
    fn stopped_without_a_target(&self) {
        self.bag("a.tar", 1);
        self.ok("ingest a.tar");
        self.bag("b.tar", 2);
        fs::rename(self.path("vault-b"), self.path("away")).unwrap();
        assert_eq!(self.run("ingest b.tar").0, 1);
    }

    fn bring_back(&self) {
        fs::rename(self.path("away"), self.path("vault-b")).unwrap();
    }

    fn item(&self, id: u64) -> Value {
        let said = self.ok(&format!("item show {id} --json"));
        serde_json::from_str::<Value>(&said).unwrap()["item"].take()
    }
}

/// The page says to type a line that begins so.
fn is_said(line: &str) {
    let roff = strongroom::doors::man::find("recovery").unwrap().roff();
    assert!(super::plain(&roff).lines().any(|typed| typed.starts_with(line)), "the page does not say {line}");
}

fn lose(path: &Path) {
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_target_that_was_not_mounted_is_mounted_and_the_item_goes_on() {
    let house = House::new();
    house.stopped_without_a_target();
    assert_eq!(house.item(2)["trouble"]["kind"], "target-missing");
    assert!(!house.path("vault-b").exists(), "the folder below a missing mount is not filled");
    house.bring_back();
    is_said("strongroom requeue --kind target-missing");
    house.ok("requeue --kind target-missing");
    house.ok("ingest b.tar");
    assert_eq!(house.item(2)["standing"], "kept");
}

#[test]
fn a_staging_volume_is_lost_and_what_was_in_work_is_handed_in_again() {
    let house = House::new();
    house.stopped_without_a_target();
    house.bring_back();
    lose(&house.path("staging-a"));
    house.configure("staging-b", &["vault-a", "vault-b"], &["vault-a", "vault-b"]);
    is_said("strongroom check-config");
    house.ok("check-config");
    // It is tried once more, and only then in trouble of this kind.
    house.ok("requeue 2");
    assert_eq!(house.run("ingest b.tar").0, 1);
    assert_eq!(house.item(2)["trouble"]["kind"], "volume-missing");
    is_said("strongroom requeue --kind volume-missing --from download");
    house.ok("requeue --kind volume-missing --from download");
    is_said("strongroom item cancel 41 42 --reason");
    house.ok("item cancel 2 --reason dead");
    is_said("strongroom submit --depositor uva.edu");
    house.ok("submit b.tar");
    house.ok("ingest b.tar");
    assert_eq!(
        (&house.item(2)["standing"], &house.item(3)["standing"]),
        (&"cancelled".into(), &"kept".into())
    );
    house.ok("object verify local/a");
    house.ok("object verify local/b");
}

#[test]
fn a_target_is_lost_and_a_new_one_takes_its_place() {
    let house = House::new();
    house.bag("a.tar", 1);
    house.ok("ingest a.tar");
    lose(&house.path("vault-b"));
    house.configure("staging-a", &["vault-a", "vault-b", "vault-c"], &["vault-a", "vault-c"]);
    house.ok("check-config");
    is_said("strongroom target add vault-c");
    house.ok("target add vault-c");
    is_said("strongroom target retire vault-b --reason");
    house.ok("target retire vault-b --reason dead");
    assert!(!house.path("vault-b").exists(), "nothing is made anew in the lost one's place");
    house.configure("staging-a", &["vault-a", "vault-c"], &["vault-a", "vault-c"]);
    let said = house.ok("object verify local/a");
    assert!(said.contains("vault-a") && said.contains("vault-c") && !said.contains("vault-b"), "{said}");
    house.ok("target reconcile");
    house.ok("state backup");
    // The new one alone brings the house back.
    lose(&house.path("data/ledger"));
    lose(&house.path("vault-a"));
    is_said("strongroom rebuild --from vault-a --from vault-b");
    house.ok("rebuild --from vault-c");
    house.ok("object restore local/a --to out");
    house.ok("bag validate out/a");
}

#[test]
fn a_target_is_emptied_and_its_copies_are_made_anew() {
    let house = House::new();
    for (name, seed) in [("a.tar", 1), ("b.tar", 2)] {
        house.bag(name, seed);
        house.ok(&format!("ingest {name}"));
    }
    let root = house.path("vault-b/ocfl");
    for folder in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        let is_of_objects = folder.is_dir() && !folder.ends_with("extensions");
        if is_of_objects {
            lose(&folder);
        }
    }
    is_said("strongroom repair plan --lost --target vault-b");
    assert_eq!(house.run("repair plan --lost --target vault-b").0, 1);
    is_said("strongroom repair run --lost --target vault-b --for 4h --yes");
    house.ok("repair run --lost --target vault-b --for 4h --yes");
    house.ok("object verify local/a");
    house.ok("object verify local/b");
    house.ok("target reconcile");
}
