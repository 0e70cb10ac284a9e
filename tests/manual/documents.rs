//! The documents that strongroom-json(7) tells of are those that the program gives.

use super::text;
use clap::CommandFactory;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use strongroom::doors::cli::args::Cli;
use strongroom::doors::man::json::{DOCUMENTS, Document, ITEM};

const CONFIG: &str = r#"
data = "data"
i_accept_copies_on_one_disk = true
[[target]]
name = "vault-a"
path = "vault-a"
[[target]]
name = "vault-b"
path = "vault-b"
[[target]]
name = "vault-c"
path = "vault-c"
[policy.default]
targets = ["vault-a", "vault-b"]
[[depositor]]
name = "local"
[[source]]
name = "drop"
path = "drop"
still_for = "0 s"
[[place]]
name = "room"
path = "room"
[roles]
approver = ["nobody"]
[notice]
command = ["/bin/true"]
"#;

const PROFILE: &str = r#"{"BagIt-Profile-Info": {"BagIt-Profile-Identifier": "https://example.org/house.json",
    "BagIt-Profile-Version": "1.3.0", "Source-Organization": "Example", "External-Description": "Ours", "Version": "1"},
    "Bag-Info": {}, "Manifests-Required": ["sha256"], "Accept-BagIt-Version": ["1.0"]}"#;

/// What is asked, in this order, and the verb of the table that its answer belongs to.
#[rustfmt::skip]
const ASKED: &[(&str, &str)] = &[
    ("ingest", "ingest a.tar b.tar bad.tar"), ("submit", "submit later.tar"),
    ("item list", "item list"), ("trouble list", "trouble list"), ("item show", "item show 1"), ("trouble show", "trouble show 3"),
    ("trouble show --letter", "trouble show 3 --letter"), ("trouble show --letter", "trouble show 3 --letter --to letters"),
    ("item events", "item events 1"), ("item files", "item files 1"), ("item follow", "item follow 1"),
    ("item hold", "item hold 4 --reason x"), ("item release", "item release 4"), ("item cancel", "item cancel 4"),
    ("requeue", "requeue 3 --dry-run"), ("trouble summary", "trouble summary"), ("trouble export", "trouble export 3"),
    ("source list", "source list"), ("source show", "source show drop"), ("source probe", "source probe drop"), ("source scan", "source scan drop"),
    ("source pause", "source pause drop --reason x"), ("source resume", "source resume drop"),
    ("object list", "object list"), ("object show", "object show local/a"), ("object copies", "object copies local/a"), ("object history", "object history local/a"),
    ("object events", "object events local/a"), ("object files", "object files local/a"), ("object verify", "object verify local/a"),
    ("object restore", "object restore local/a --to out"), ("object list --deleted", "object list --deleted"),
    ("events export", "events export"),
    ("delete request", "delete request local/a --reason x --yes"), ("delete show", "delete show 1"), ("delete list", "delete list"),
    ("approve list", "approve list"), ("approve show", "approve show 1"), ("delete cancel", "delete cancel 1"),
    ("spot-test run", "spot-test run"), ("spot-test list", "spot-test list"), ("spot-test show", "spot-test show 5"),
    ("restore request --wait", "restore request local/b --wait --to room"), ("restore show", "restore show 6"), ("restore fetch", "restore fetch 6 --to fetched"),
    ("restore list", "restore list"), ("restore expire", "restore expire --dry-run"), ("restore request", "restore request local/a"), ("restore cancel", "restore cancel 7"),
    ("target list", "target list"), ("target show", "target show vault-a"), ("target probe", "target probe vault-a"), ("target usage", "target usage"),
    ("target add", "target add vault-c"), ("target drain", "target drain vault-c --reason x"), ("target retire", "target retire vault-c --reason x"),
    ("target reconcile", "target reconcile"), ("repair plan", "repair plan local/a"), ("repair run", "repair run local/a --yes"), ("repair show", "repair show"),
    ("fixity schedule", "fixity schedule"), ("fixity run", "fixity run --all"), ("fixity status", "fixity status"), ("fixity report", "fixity report"), ("fixity failures", "fixity failures"),
    ("status", "status"), ("doctor", "doctor"), ("disk", "disk"),
    ("check health", "check health --offline"), ("check trouble", "check trouble --offline"), ("check fixity", "check fixity --offline"), ("check disk", "check disk --offline"),
    ("check stalled", "check stalled --offline"), ("check backup", "check backup --offline"),
    ("report fixity", "report fixity"), ("report deposits", "report deposits"), ("report storage", "report storage"), ("report audit", "report audit"),
    ("explain", "explain FIX-MISMATCH"), ("job run", "job run retention"), ("job run", "job run retention --cron"), ("job list", "job list"), ("job history", "job history"),
    ("job skip", "job skip report --times 1 --reason x"), ("notice test", "notice test"), ("notice send", "notice send"), ("notice list", "notice list"),
    ("config show", "config show"), ("config show --defaults", "config show --defaults"), ("setup unit", "setup unit --root ."), ("check-config", "check-config strongroom.toml"),
    ("state version", "state version"), ("state verify", "state verify"), ("state backup", "state backup"), ("state export", "state export"),
    ("rebuild", "rebuild --from vault-a --into-existing --dry-run"), ("state restore", "state restore vault-a --replace"),
    ("bag validate", "bag validate a.tar bad.tar"), ("bag inspect", "bag inspect a.tar"), ("bag make", "bag make payload --to made.tar"),
    ("profile check", "profile check house.json"), ("profile add", "profile add house.json --name house-1"), ("profile list", "profile list"), ("profile show", "profile show aptrust-2.3"), ("profile remove", "profile remove house-1"),
    ("man", "man"), ("man item", "man item"), ("man --to DIR", "man --to manual"), ("completions bash", "completions bash"), ("completions --to DIR", "completions --to shells"),
];

/// Documents that need a second person, so that one alone does not get them.
const OF_TWO: [&str; 2] = ["approve", "reject"];

fn run(house: &Path, words: &str) -> Vec<Value> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    program.args(["--config", "strongroom.toml", "--json"]).args(words.split(' ')).current_dir(house);
    let said = program.stdin(Stdio::null()).output().unwrap();
    let out = text(&said.stdout);
    assert!(!out.is_empty(), "{words}: {}", text(&said.stderr));
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{words}: {error}: {line}")))
        .collect()
}

fn make(house: &Path, words: &str) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    assert!(program.arg("make-bag").args(words.split(' ')).current_dir(house).status().unwrap().success());
}

/// Names that a document may have, and those that it must have.
fn names(
    fields: &'static [(&'static str, &'static str)],
) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let may = fields.iter().map(|(name, _)| name.trim_end_matches('?')).collect();
    let must = fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    (may, must)
}

fn agrees(words: &str, document: &'static Document, found: &Value) {
    let (may, must) = names(document.fields);
    let has: BTreeSet<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
    // What every document may have is told once, at the top of the page.
    let own: BTreeSet<&str> = has
        .iter()
        .copied()
        .filter(|name| may.contains(name) || !["schema", "answer", "about"].contains(name))
        .collect();
    assert!(own.is_subset(&may), "{words}: not told of: {:?}", own.difference(&may));
    assert!(must.is_subset(&has), "{words}: told of, and not there: {:?}", must.difference(&has));
    if !document.lines {
        assert_eq!(found["schema"], 1, "{words}");
    }
}

#[test]
fn every_document_has_the_fields_that_the_manual_tells_of() {
    let house = tempfile::tempdir().unwrap();
    let house = house.path();
    fs::write(house.join("strongroom.toml"), CONFIG).unwrap();
    for folder in ["drop", "room", "payload"] {
        fs::create_dir(house.join(folder)).unwrap();
    }
    fs::write(house.join("payload/letter.txt"), "Dear archivist").unwrap();
    fs::write(house.join("house.json"), PROFILE).unwrap();
    for words in ["a.tar", "b.tar --seed 2", "later.tar --seed 3", "bad.tar --seed 4 --damage wrong-oxum"] {
        make(house, words);
    }
    let mut left: BTreeMap<&str, &'static Document> = BTreeMap::new();
    for (_, documents) in &DOCUMENTS {
        for document in *documents {
            left.extend(document.verbs.iter().map(|verb| (*verb, document)));
        }
    }
    let table = left.clone();
    for (verb, words) in ASKED {
        let document = table.get(verb).unwrap_or_else(|| panic!("the table does not tell of {verb}"));
        let found = run(house, words);
        assert!(document.lines || found.len() == 1, "{words}: {} documents", found.len());
        found.iter().for_each(|found| agrees(words, document, found));
        left.remove(verb);
        if *verb == "item show" {
            let has: BTreeSet<&str> =
                found[0]["item"].as_object().unwrap().keys().map(String::as_str).collect();
            let (may, must) = (
                ITEM.iter().map(|(name, _)| name.trim_end_matches('?')).collect(),
                ITEM.iter().filter(|(name, _)| !name.ends_with('?')),
            );
            assert!(has.is_subset(&may), "{:?}", has.difference(&may));
            must.for_each(|(name, _)| assert!(has.contains(name), "{name}"));
        }
    }
    OF_TWO.iter().for_each(|verb| assert!(left.remove(verb).is_some()));
    assert!(left.is_empty(), "never asked: {:?}", left.keys());
}

#[test]
fn no_verb_is_left_out_of_the_table_of_documents() {
    let told: Vec<&str> =
        DOCUMENTS.iter().flat_map(|(_, documents)| *documents).flat_map(|one| one.verbs).copied().collect();
    let mut untold = Vec::new();
    super::each_verb(&Cli::command(), "", &mut |words, verb| {
        let is_leaf = !verb.is_subcommand_required_set();
        let is_told = told.iter().any(|known| {
            *known == words || known.strip_prefix(words).is_some_and(|rest| rest.starts_with(' '))
        });
        // It gives no answer: it runs until it is told to end.
        if is_leaf && !is_told && words != "serve" {
            untold.push(words.to_string());
        }
    });
    assert!(untold.is_empty(), "{untold:?}");
}

#[test]
fn a_complaint_is_a_document_too_with_the_exit_code_in_it() {
    let house = tempfile::tempdir().unwrap();
    let said = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["--data", "none", "item", "show", "1", "--json"])
        .current_dir(house.path())
        .output()
        .unwrap();
    let complaint: Value = serde_json::from_slice(&said.stderr).unwrap();
    assert_eq!((said.status.code(), &complaint["exit"]), (Some(4), &Value::from(4)));
    for name in ["sort", "error", "because", "try"] {
        assert!(complaint["complaint"][name].is_string(), "{complaint}");
    }
    assert!(said.stdout.is_empty());
}
