//! Ledgers of older releases, made by their programs (`fixtures/ledgers`), opened by today's; and a ledger of a release that
//! is still to come.

use crate::house::{House, Rows, same};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use strongroom::books::ledger::migrations::Step;
use strongroom::work::upgrade::Upgrade;
use strongroom::worlds::book::migrating::{Migration, NewRows};
use strongroom::worlds::book::mirrored::{MirroredBook, Options};
use strongroom::worlds::book::{Book, BookError, Row, SCHEMA, Write, durable};

/// Ledgers of schema 1, with the targets that they tell of: one by the program before there were verbs for targets, one by the
/// program before there were sweeps, repairs, deletions and jobs. Their indexes are left out.
const OLD: [&str; 2] = ["schema-1/before_target_verbs.tar.gz", "schema-1/before_sweeps.tar.gz"];

/// The house of an older release, as it was left.
fn house_of(fixture: &str) -> House {
    let house = House::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ledgers").join(fixture);
    let unpacked = flate2::read::GzDecoder::new(File::open(path).unwrap());
    tar::Archive::new(unpacked).unpack(house.path(".")).unwrap();
    house
}

/// Rows as the program of then exported them.
fn rows_of_then(house: &House) -> Rows {
    let text = fs::read_to_string(house.path("export.jsonl")).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter_map(|row| Some((row.get("key")?.as_str()?.to_string(), row["value"].clone()))).collect()
}

/// Everything below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

fn version(house: &House) -> Value {
    house.ok(&["state", "version", "--json"]).json()
}

/// The backup that the ledger says was made before its last step.
fn backup_before(house: &House) -> PathBuf {
    version(house)["ledger"]["backup"]["file"].as_str().unwrap().into()
}

/// Rows without what a step adds.
fn less_steps(rows: &Rows) -> Rows {
    let added = |key: &str| key.starts_with("u/") || key.starts_with("m/schema/");
    rows.iter().filter(|(key, _)| !added(key)).map(|(key, row)| (key.clone(), row.clone())).collect()
}

#[test]
fn a_ledger_of_schema_1_is_brought_up_by_the_first_start_with_every_row_it_had() {
    for fixture in OLD {
        let house = house_of(fixture);
        let then = rows_of_then(&house);
        let told = version(&house);
        assert_eq!(
            (&told["ledger"]["schema"], &told["can_open"], &told["brings_up"]),
            (&1.into(), &true.into(), &true.into())
        );
        let said = house.ok(&["item", "list"]);
        assert!(said.err.contains("brought from schema 1 to 2"), "{}", said.err);
        let now = house.export();
        same(&then, &less_steps(&now));
        let told = version(&house);
        assert_eq!((&told["ledger"]["schema"], &told["brings_up"]), (&SCHEMA.into(), &false.into()));
        assert_eq!(told["ledger"]["backup"], now["m/schema/000002"]["backup"]);
        assert_eq!(
            (&told["ledger"]["backup"]["schema"], &told["ledger"]["backup_is_there"]),
            (&1.into(), &true.into())
        );
        assert_eq!(house.ok(&["state", "verify", "--json"]).json()["repaired"], Value::Array(vec![]));
    }
}

#[test]
fn what_a_step_makes_is_what_a_rebuild_by_this_release_makes() {
    for fixture in OLD {
        let house = house_of(fixture);
        let brought_up = house.export();
        house.lose_ledger();
        house.ok(&["rebuild", "--from", "vault-a"]);
        let rebuilt = house.export();
        let proofs = |rows: &Rows| -> Vec<String> {
            // Times of proofs are not all kept on targets; which copies there are, and what they weigh, is.
            let of = |(key, row): (&String, &Value)| {
                let (target, object) = (key.split('/').nth(1)?, key.splitn(4, '/').nth(3)?);
                key.starts_with("u/").then(|| format!("{target} {object} {row}"))
            };
            let mut proofs: Vec<String> = rows.iter().filter_map(of).collect();
            proofs.sort();
            proofs
        };
        assert_eq!(proofs(&brought_up), proofs(&rebuilt), "{fixture}");
        assert_eq!(version(&house)["ledger"]["schema"], SCHEMA);
        assert_eq!(version(&house)["ledger"]["backup"], Value::Null);
    }
}

#[test]
fn a_house_of_an_older_release_goes_on_where_it_was() {
    for fixture in OLD {
        let house = house_of(fixture);
        // What waited is taken up; that deposit is not on this machine.
        let path = house.bag(60, "photos.tar", 60);
        house.ok(&["ingest", "-q", "--depositor", "uva.edu", &path]);
        let rows = house.export();
        assert_eq!(rows["o/strongroom:uva.edu/photos"]["head"], 3, "{fixture}");
        let told = house.run(&["trouble", "list", "--json"]).json();
        assert!(told["items"].as_array().unwrap().len() >= 2, "{told}");
        house.ok(&["fixity", "run", "--all"]);
        assert_eq!(house.ok(&["target", "reconcile", "--json"]).json()["wrong"], 0, "{fixture}");
        house.ok(&["object", "restore", "example.org/letters", "--to", house.path("out").to_str().unwrap()]);
        let before = rows.keys().filter(|key| key.starts_with("u/")).count();
        assert_eq!(house.export().keys().filter(|key| key.starts_with("u/")).count(), before);
    }
}

#[test]
fn the_backup_before_a_step_brings_the_ledger_back_and_it_is_brought_up_again() {
    let house = house_of(OLD[1]);
    let then = rows_of_then(&house);
    house.ok(&["item", "list"]);
    let backup = backup_before(&house);
    let first = house.export();
    let said = house.ok(&["state", "restore", "--replace", backup.to_str().unwrap(), "--json"]);
    let places = |key: &String| !key.starts_with("m/place/volume");
    let then: Rows = then.into_iter().filter(|(key, _)| places(key)).collect();
    let now: Rows = less_steps(&house.export()).into_iter().filter(|(key, _)| places(key)).collect();
    same(&then, &now);
    assert_eq!(said.json()["rows"], first.keys().filter(|key| places(key)).count());
    assert_eq!(version(&house)["ledger"]["schema"], SCHEMA);
    assert!(backup.is_file(), "the backup before it is still there");
}

#[test]
fn a_backup_that_the_older_release_kept_on_a_target_is_restored_and_brought_up() {
    let house = house_of(OLD[1]);
    house.lose_ledger();
    house.ok(&["state", "restore", "vault-b"]);
    assert_eq!(version(&house)["ledger"]["schema"], SCHEMA);
    let rows = house.export();
    assert!(rows.keys().any(|key| key.starts_with("u/vault-b/")), "copies are ordered by proof");
    assert_eq!(rows["i/000000000001"]["checkpoint"]["standing"]["is"], "kept");
}

#[test]
fn a_second_copy_on_another_volume_is_brought_up_with_the_first_and_carries_the_ledger_alone() {
    let house = house_of(OLD[1]);
    let config = fs::read_to_string(house.path("strongroom.toml")).unwrap();
    fs::write(house.path("strongroom.toml"), format!("{config}\n[ledger]\nmirror = \"mirror\"\n")).unwrap();
    fs::rename(house.path("data/ledger/journal-b"), house.path("mirror")).unwrap();
    let before = house.export();
    fs::remove_dir_all(house.path("data/ledger/journal-a")).unwrap();
    assert_eq!(version(&house)["ledger"]["schema"], SCHEMA);
    same(&before, &house.export());
    let copies = ["data/ledger/journal-a", "mirror"]
        .map(|copy| files(&house.path(copy)).into_values().collect::<Vec<_>>());
    assert_eq!(copies[0], copies[1]);
    assert!(house.path("mirror/imprint.json").is_file());
}

/// What a release that is still to come does: one table is written in another way.
struct ToCome;

impl Migration for ToCome {
    fn row(&self, _: &dyn Book, key: &str, row: &Row, new: &mut NewRows<'_>) -> Result<(), BookError> {
        match key.strip_prefix("n/") {
            Some(rest) => new.make(&format!("name/{rest}"), row.value.clone()),
            None => new.keep(key, row),
        }
        Ok(())
    }
}

/// A house whose ledger the release 9.2.0 brought to schema 3, and worked with.
fn house_to_come() -> (House, Rows) {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    let then = house.export();
    let options = Options { schema: SCHEMA + 1, ..Options::default() };
    let book = MirroredBook::open(&house.path("data/ledger"), None, options).unwrap();
    let refused = book.commit(&[Write::Delete("m/next".into())], &[]);
    assert_eq!(refused, Err(BookError::Older { found: SCHEMA, known: SCHEMA + 1 }));
    let upgrade = Upgrade {
        backups: &fs::canonicalize(house.path("data")).unwrap().join("backups"),
        steps: &[Step { to: SCHEMA + 1, what: "names have a table of their own", by: &ToCome }],
        program: "9.2.0",
        oldest: "9.1.0",
        now: "2031-03-04T05:06:07Z".parse().unwrap(),
        room: durable::room,
    };
    let book = upgrade.run(book, &mut |_| ()).unwrap();
    book.commit(&[Write::Put("new/table".into(), b"{}".to_vec())], &[]).unwrap();
    book.close().unwrap();
    (house, then)
}

#[test]
fn an_older_program_refuses_a_newer_ledger_by_every_verb_and_changes_nothing() {
    let (house, _) = house_to_come();
    let before = files(&house.path("data"));
    let verbs: [&[&str]; 14] = [
        &["state", "version"],
        &["state", "verify"],
        &["state", "export"],
        &["state", "backup"],
        &["state", "restore", "vault-a"],
        &["item", "list"],
        &["status"],
        &["doctor"],
        &["serve"],
        &["ingest", "in/1/photos.tar", "--depositor", "uva.edu"],
        &["rebuild", "--from", "vault-a", "--into-existing"],
        &["fixity", "run"],
        &["target", "list"],
        &["requeue", "1"],
    ];
    for verb in verbs {
        let said = house.run(verb);
        assert_eq!(said.code, 78, "{verb:?}: {}{}", said.out, said.err);
        let told = format!("{}{}", said.out, said.err);
        for word in [
            "schema 3",
            "strongroom 9.2.0",
            "up to 2",
            "install strongroom 9.1.0",
            "state restore --replace",
            "before-schema-3-",
            "2031-03-04T05:06:07Z",
        ] {
            assert!(told.contains(word), "{verb:?} does not say {word}: {told}");
        }
        assert_eq!(before, files(&house.path("data")), "{verb:?}");
    }
    let said = house.run(&["state", "version", "--json"]);
    let told: Value = serde_json::from_str(said.out.trim()).unwrap();
    assert_eq!(
        (&told["can_open"], &told["ledger"]["schema"], &told["opens"]["to"]),
        (&false.into(), &3.into(), &2.into())
    );
    assert_eq!(
        (&told["ledger"]["written_by"], &told["ledger"]["oldest"]),
        (&"9.2.0".into(), &"9.1.0".into())
    );
}

#[test]
fn what_an_older_program_says_to_type_brings_the_ledger_back_to_it() {
    let (house, then) = house_to_come();
    let said = house.run(&["status"]).err;
    let command = said.split("go back with strongroom ").nth(1).unwrap().split(',').next().unwrap();
    house.ok(&command.split(' ').collect::<Vec<&str>>());
    let places = |rows: Rows| -> Rows {
        rows.into_iter().filter(|(key, _)| !key.starts_with("m/place/volume")).collect()
    };
    same(&places(then), &places(house.export()));
    assert!(
        house.path("data/ledger.before-restore-1/journal-a/imprint.json").is_file(),
        "the newer one lies aside"
    );
    house.deposit("uva.edu", 2, "photos.tar", 2);
}

#[test]
fn going_back_waits_until_nobody_works_on_the_newer_ledger() {
    let (house, _) = house_to_come();
    let options = Options { schema: SCHEMA + 1, ..Options::default() };
    let book = MirroredBook::open(&house.path("data/ledger"), None, options).unwrap();
    let backup = book.imprint().unwrap().backup.clone().unwrap().file;
    let said = house.run(&["state", "restore", "--replace", &backup]);
    assert_eq!(said.code, 75, "{}", said.err);
    drop(book);
    house.ok(&["state", "restore", "--replace", &backup]);
}

#[test]
fn the_imprint_alone_tells_of_a_ledger_in_a_form_that_is_not_known_at_all() {
    let (house, _) = house_to_come();
    for copy in ["journal-a", "journal-b"] {
        for path in files(&house.path(&format!("data/ledger/{copy}"))).into_keys() {
            if path.file_name().is_some_and(|name| name != "imprint.json") {
                fs::rename(&path, path.with_extension("form-to-come")).unwrap();
            }
        }
    }
    fs::remove_dir_all(house.path("data/ledger/index")).unwrap();
    let before = files(&house.path("data"));
    let said = house.run(&["serve"]);
    assert_eq!(said.code, 78, "{}", said.err);
    assert!(said.err.contains("schema 3") && said.err.contains("before-schema-3-"), "{}", said.err);
    assert_eq!(before, files(&house.path("data")));
}

#[test]
fn a_backup_of_a_newer_schema_is_refused_and_an_older_one_on_the_target_is_taken() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.ok(&["state", "backup"]);
    let options = Options { schema: SCHEMA + 1, ..Options::default() };
    let scratch = house.path("scratch");
    let book = MirroredBook::open(&scratch, None, options).unwrap();
    let newer = house.path("newer.jsonl.gz");
    let mut out = File::create(&newer).unwrap();
    let of = (book.ledger_id(), book.schema());
    strongroom::work::backup::file::write(&book, of, "2031-03-04T05:06:07Z".parse().unwrap(), &mut out)
        .unwrap();
    house.lose_ledger();
    let said = house.run(&["state", "restore", newer.to_str().unwrap()]);
    assert_eq!(said.code, 78, "{}", said.err);
    assert!(
        said.err.contains("backup of schema 3") && said.err.contains("nothing was changed"),
        "{}",
        said.err
    );
    assert!(!house.path("data/ledger").exists());
    house.ok(&["state", "restore", "vault-a"]);
}

#[test]
fn state_version_says_4_where_there_is_no_ledger() {
    let house = House::new();
    let said = house.run(&["state", "version", "--json"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert_eq!(said.json()["ledger"], Value::Null);
    assert!(!house.path("data").exists(), "looking makes nothing");
}
