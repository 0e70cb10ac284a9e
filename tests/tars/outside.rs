//! Whatever a tar says: nothing of it appears outside of the data folder, and no link, device or pipe anywhere.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("STRONGROOM_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"), PathBuf::from);
    let there = folder.join("bagit/EXPECTED.tsv").exists();
    if !there {
        println!("skipped: no corpora (STRONGROOM_CORPORA)");
    }
    there.then_some(folder)
}

/// Everything below a folder that is neither a file, a folder nor the socket of the program itself.
fn odd(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            odd(&entry.path(), into);
        } else if !kind.is_file() && !kind.is_socket() {
            into.push(entry.path());
        }
    }
}

#[test]
fn a_hostile_tar_leaves_nothing_outside_and_no_link_or_device() {
    let Some(corpora) = corpora() else { return };
    let canary = std::env::temp_dir().join("strongroom-canary");
    std::fs::create_dir_all(&canary).unwrap();
    let before = std::fs::read_dir(&canary).unwrap().count();
    let table = std::fs::read_to_string(corpora.join("bagit/EXPECTED.tsv")).unwrap();
    let expected: BTreeMap<&str, &str> = table
        .lines()
        .filter(|line| line.starts_with("synthetic-tar/"))
        .filter_map(|line| {
            let mut columns = line.split('\t');
            Some((columns.next()?, columns.next()?))
        })
        .collect();
    assert!(expected.len() > 40);
    let house = tempfile::tempdir().unwrap();
    let inbox = house.path().join("inbox");
    std::fs::create_dir(&inbox).unwrap();
    let mut paths = Vec::new();
    for name in expected.keys() {
        let to = inbox.join(name.rsplit('/').next().unwrap());
        std::fs::copy(corpora.join("bagit").join(name), &to).unwrap();
        paths.push(to);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .current_dir(house.path())
        .env_remove("STRONGROOM_CONFIG")
        .env_remove("STRONGROOM_DATA")
        .args(["--data", "data", "ingest", "--json"])
        .args(&paths)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut standings = BTreeMap::new();
    for line in text.lines() {
        let told: serde_json::Value = serde_json::from_str(line).unwrap();
        collect(&told, &mut standings);
    }
    for (name, class) in &expected {
        let bag = name.rsplit('/').next().unwrap().strip_suffix(".tar").unwrap();
        let standing = standings.get(bag).map(String::as_str);
        // Another tar behind the end mark: the rule refuses what parses as a member, the table warns.
        let disputed = bag == "bad-concatenated";
        let wanted = if *class == "invalid" || disputed { "refused" } else { "kept" };
        assert_eq!(standing, Some(wanted), "{bag}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut found = Vec::new();
    odd(house.path(), &mut found);
    assert!(found.is_empty(), "{found:?}");
    let names: Vec<_> =
        std::fs::read_dir(house.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "beside the inbox and the data folder lies something: {names:?}");
    assert_eq!(std::fs::read_dir(&canary).unwrap().count(), before, "the canary folder is not as it was");
}

/// Every item in an answer, wherever it stands in it: its bag and standing.
fn collect(told: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    match told {
        serde_json::Value::Object(fields) => {
            if let (Some(bag), Some(standing)) = (told["bag"].as_str(), told["standing"].as_str()) {
                into.insert(bag.to_string(), standing.to_string());
            }
            fields.values().for_each(|value| collect(value, into));
        }
        serde_json::Value::Array(rows) => rows.iter().for_each(|row| collect(row, into)),
        _ => {}
    }
}
