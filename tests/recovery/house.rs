//! A house in a folder of its own: two targets, two depositors, and a month of deposits.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const CONFIG: &str = r#"
data = "data"
i_accept_copies_on_one_disk = true
accept = ["tar", "gzip"]

[[staging]]
name = "staging"
path = "data/staging"

[[target]]
name = "vault-a"
kind = "local"
path = "data/vault-a"

[[target]]
name = "vault-b"
kind = "local"
path = "data/vault-b"

[policy.default]
targets = ["vault-a", "vault-b"]
copies = 2

[[depositor]]
name = "uva.edu"

[[depositor]]
name = "example.org"
"#;

/// A data folder with the program around it.
pub struct House {
    folder: TempDir,
}

/// What the program said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The last line of stdout, which is one JSON document.
    pub fn json(&self) -> Value {
        let last =
            self.out.lines().last().unwrap_or_else(|| panic!("nothing on stdout; stderr: {}", self.err));
        serde_json::from_str(last).unwrap()
    }
}

/// Rows of a ledger by key.
pub type Rows = BTreeMap<String, Value>;

impl House {
    pub fn new() -> House {
        let house = House { folder: tempfile::tempdir().unwrap() };
        fs::write(house.path("strongroom.toml"), CONFIG).unwrap();
        house
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.current_dir(self.folder.path()).args(args).env("STRONGROOM_CONFIG", "strongroom.toml");
        command.env_remove("NOTIFY_SOCKET").env_remove("STRONGROOM_DATA").env_remove("JOURNAL_STREAM");
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    /// The program, which must end well.
    pub fn ok(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
        said
    }

    /// Makes a bag of this name from this seed, in a folder of its own for each deposit.
    pub fn bag(&self, number: u64, name: &str, seed: u64) -> String {
        let path = format!("in/{number}/{name}");
        fs::create_dir_all(self.path(&format!("in/{number}"))).unwrap();
        self.ok(&["make-bag", &path, "--seed", &seed.to_string(), "--size", "700"]);
        path
    }

    /// A bag that is deposited and kept.
    pub fn deposit(&self, depositor: &str, number: u64, name: &str, seed: u64) {
        let path = self.bag(number, name, seed);
        self.ok(&["ingest", "-q", "--depositor", depositor, &path]);
    }

    /// A month: new bags, changed ones, ones that are the same, folders, packed ones, and one that is refused.
    pub fn month(&self) {
        for day in 0..4 {
            self.deposit("uva.edu", day, "photos.tar", day);
        }
        self.deposit("uva.edu", 10, "letters.tar", 10);
        self.deposit("example.org", 11, "letters.tar", 11);
        self.deposit("example.org", 12, "Bücher 100%.tar", 12);
        self.deposit("uva.edu", 13, "folder", 13);
        // The same bag from another place: proved again, no new version.
        self.deposit("uva.edu", 20, "letters.tar", 10);
        let path = self.bag(21, "refused.tar", 21);
        fs::remove_file(self.path(&path)).unwrap();
        self.ok(&["make-bag", &path, "--damage", "wrong-oxum"]);
        assert_ne!(self.run(&["ingest", "-q", "--depositor", "uva.edu", &path]).code, 0);
        let packed = self.bag(22, "maps.tar", 22);
        let gzip = Command::new("gzip").arg(self.path(&packed)).status().unwrap();
        assert!(gzip.success());
        self.ok(&["ingest", "-q", "--depositor", "example.org", &format!("{packed}.gz")]);
        self.deposit("uva.edu", 23, "folder", 23);
    }

    pub fn export(&self) -> Rows {
        let said = self.ok(&["state", "export"]);
        let rows = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let row = |row: Value| Some((row.get("key")?.as_str()?.to_string(), row["value"].clone()));
        rows.filter_map(row).collect()
    }

    /// Takes the ledger away.
    pub fn lose_ledger(&self) {
        fs::remove_dir_all(self.path("data/ledger")).unwrap();
    }

    /// The folder of an object on a target.
    pub fn object(&self, target: &str, name: &str) -> PathBuf {
        let root = self.path(&format!("data/{target}/ocfl"));
        let mut found = Vec::new();
        find(&root, "0=ocfl_object_1.1", &mut found);
        let named = |path: &PathBuf| path.to_string_lossy().contains(name);
        found.into_iter().find(named).unwrap().parent().unwrap().to_path_buf()
    }
}

fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            find(&entry.path(), name, found);
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
}

/// What is left of rows when everything is taken away that a rebuild is not able to know: journals of items and how often
/// something was tried; items that were not kept; notes on sources; what checks of targets and sweeps found.
pub fn less_losses(rows: &Rows) -> Rows {
    let kept = |id: &str| rows.get(&format!("s/kept/5/{id}")).is_some();
    let mut left = Rows::new();
    for (key, value) in rows {
        let mut parts = key.split('/');
        let (table, item) = (parts.next().unwrap(), parts.next_back().unwrap_or_default());
        let keep = match table {
            "a" | "q" | "c" | "f" => false,
            "i" | "s" | "n" => kept(item),
            "e" => kept(key.split('/').nth(1).unwrap()),
            _ => true,
        };
        if keep {
            let mut value = value.clone();
            if table == "i" {
                value["attempts"] = 0.into();
                value["checkpoint"]["fence"] = 0.into();
            }
            left.insert(key.clone(), value);
        }
    }
    left
}

pub fn same(before: &Rows, after: &Rows) {
    for key in before.keys().chain(after.keys()) {
        assert_eq!(before.get(key), after.get(key), "{key}");
    }
}
