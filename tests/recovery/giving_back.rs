//! What was taken in comes back, file for file, and others find it a bag as they did before.

use crate::house::House;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files below a folder, by path.
fn files(folder: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    fn walk(top: &Path, folder: &Path, into: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(top, &path, into),
                false => {
                    let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec();
                    into.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// Files of the single folder in a tar, by path in it.
fn files_of_tar(tar: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in tar::Archive::new(fs::File::open(tar).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let kind = entry.header().entry_type();
        if kind.is_file() || kind.is_contiguous() {
            let path = entry.path_bytes().to_vec();
            let path = path.strip_prefix(b"./").unwrap_or(&path);
            // What lies beside the bag's folder is no part of the bag.
            let Some(top) = path.iter().position(|byte| *byte == b'/') else { continue };
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            found.insert(path[top + 1..].to_vec(), bytes);
        }
    }
    found
}

/// bagit.py and the python it runs in.
fn bagit_py() -> Option<(String, String)> {
    let folders = [std::env::var("STRONGROOM_PEERS").map(|folder| folder + "/bin").unwrap_or_default()];
    let home = std::env::var("HOME").unwrap_or_default() + "/.cache/strongroom-peers/bin";
    let bin = folders.into_iter().chain([home]).find(|bin| Path::new(&format!("{bin}/bagit.py")).exists())?;
    let python = format!("{bin}/python3");
    let python = if Path::new(&python).exists() { python } else { "python3".to_string() };
    Some((python, format!("{bin}/bagit.py")))
}

fn validates((python, script): &(String, String), bag: &Path) -> bool {
    let said = Command::new(python).arg(script).args(["--quiet", "--validate"]).arg(bag).output().unwrap();
    said.status.success()
}

fn corpora() -> Option<PathBuf> {
    let folder = std::env::var_os("STRONGROOM_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"), PathBuf::from);
    let folder = folder.join("bagit");
    if !folder.is_dir() {
        println!("skipped: no corpora (STRONGROOM_CORPORA)");
        return None;
    }
    Some(folder)
}

fn tars(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tars(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "tar") {
            found.push(path);
        }
    }
}

#[test]
fn a_bag_comes_back_as_folder_as_tar_and_as_one_file_and_can_be_fetched() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    let deposited = files_of_tar(&house.path("in/1/photos.tar"));
    house.ok(&["restore", "request", "uva.edu/photos", "--to", "out", "--as", "folder", "--wait"]);
    assert!(files(&house.path("out/photos")) == deposited);
    let said = house.ok(&["restore", "request", "uva.edu/photos", "--to", "out", "--wait", "--json"]);
    let order = said.json();
    assert_eq!((order["item"]["standing"].as_str(), order["state"].as_str()), (Some("done"), Some("there")));
    assert!(files_of_tar(&house.path("out/photos.tar")) == deposited);
    for bag in ["out/photos", "out/photos.tar", "in/1/photos.tar"] {
        assert_eq!(house.run(&["bag", "validate", bag]).code, 0, "{bag}");
    }
    let one = "uva.edu/photos:bag-info.txt";
    house.ok(&["restore", "request", one, "--to", "out", "--wait"]);
    assert_eq!(fs::read(house.path("out/bag-info.txt")).unwrap(), deposited[&b"bag-info.txt"[..]]);
    // Twice to the same place is refused before anything is done.
    let again = house.run(&["restore", "request", one, "--to", "out"]);
    assert!(again.err.contains("something lies at"), "{}", again.err);
    let said = house.run(&["restore", "request", "uva.edu/photos:data/none", "--to", "out"]);
    assert!(said.err.contains("has no file data/none"), "{}", said.err);
    let said = house.run(&["restore", "request", "uva.edu/photos", "--to", "data/vault-a/ocfl"]);
    assert!(said.err.contains("which is ours"), "{}", said.err);
    let listed = house.ok(&["restore", "list", "--json"]).json();
    let items: Vec<u64> = listed["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| order["item"]["id"].as_u64().unwrap())
        .collect();
    assert_eq!(items.len(), 3, "{listed}");
    for item in items.iter().map(u64::to_string) {
        house.ok(&["restore", "fetch", &item, "--to", "fetched"]);
    }
    assert!(files(&house.path("fetched/photos")) == deposited);
    assert!(
        fs::read(house.path("fetched/photos.tar")).unwrap()
            == fs::read(house.path("out/photos.tar")).unwrap()
    );
    let folder = items.last().unwrap().to_string();
    fs::write(house.path("out/photos/bag-info.txt"), "other").unwrap();
    let spoilt = house.run(&["restore", "fetch", &folder, "--to", "again"]);
    assert!(spoilt.code != 0 && spoilt.err.contains("is not what was put there"), "{}", spoilt.err);
}

#[test]
fn a_spot_test_passes_leaves_no_trace_and_fails_loudly() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    let said = house.ok(&["spot-test", "run", "--seed", "7", "--json"]).json();
    assert_eq!((said["passed"].as_u64(), said["failed"].as_u64()), (Some(1), Some(0)), "{said}");
    let due = house.ok(&["spot-test", "run", "--due", "--json"]).json();
    assert_eq!(due["tests"].as_array().map(Vec::len), Some(0), "{due}");
    let staging = fs::read_dir(house.path("data/staging")).unwrap();
    let left: Vec<String> = staging.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left == ["strongroom-volume.json"], "{left:?}");
    for target in ["vault-a", "vault-b"] {
        let info = house.object(target, "photos").join("v1/content/bag/bag-info.txt");
        fs::set_permissions(&info, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(info, "rotten").unwrap();
    }
    let failed = house.run(&["spot-test", "run", "--json"]);
    assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
    assert_eq!(failed.json()["tests"][0]["trouble"]["kind"], "no-good-copy");
    let status = house.run(&["status"]);
    assert!(status.out.contains("1 ALARM"), "{}", status.out);
}

#[test]
fn every_bag_of_the_corpora_that_is_kept_comes_back_equal_and_others_judge_it_as_before() {
    let Some(folder) = corpora() else { return };
    let peer = bagit_py();
    if peer.is_none() {
        println!("skipped in part: bagit.py is not there");
    }
    let house = House::new();
    let mut found = Vec::new();
    tars(&folder, &mut found);
    found.sort();
    fs::create_dir_all(house.path("in")).unwrap();
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    for tar in found {
        let name = tar.file_stem().unwrap().to_string_lossy().into_owned();
        if fs::metadata(&tar).unwrap().len() < 1 << 20 && !names.contains_key(&name) {
            names.insert(name, tar);
        }
    }
    let mut args: Vec<&str> = vec!["ingest", "-q", "--depositor", "uva.edu"];
    args.extend(names.values().map(|tar| tar.to_str().unwrap()));
    let taken = house.run(&args);
    assert!(matches!(taken.code, 0 | 1), "{}", taken.err);
    let kept = house.ok(&["object", "list", "--json"]).json();
    let kept: Vec<String> = kept["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["bag"].as_str().unwrap().to_string())
        .collect();
    assert!(kept.len() > 30, "only {} bags were kept", kept.len());
    // All are ordered, and then it is waited for one after another: most are done by the time the first one is.
    let order = |bag: &str, more: &[&str]| {
        let object = format!("uva.edu/{bag}");
        house.run(&[&["restore", "request", &object, "--to", "out", "--as", "folder", "-q"], more].concat())
    };
    for bag in &kept {
        let said = order(bag, &[]);
        assert_eq!(said.code, 0, "{bag}: {}", said.err);
    }
    for bag in &kept {
        let there = || house.path(&format!("out/{bag}")).exists();
        if !there() {
            // The process that waits works on all of them, and may be done with this one before it is asked again.
            let said = order(bag, &["--wait"]);
            assert!(said.code == 0 || (said.code == 5 && there()), "{bag}: {}", said.err);
        }
    }
    let mut judged = 0;
    for bag in &kept {
        let deposited = files_of_tar(&names[bag]);
        let out = house.path(&format!("out/{bag}"));
        assert!(files(&out) == deposited, "{bag} comes back otherwise than it was deposited");
        let verdict = |path: &str| house.run(&["bag", "validate", path, "-q"]).code;
        assert!(verdict(&format!("out/{bag}")) <= verdict(names[bag].to_str().unwrap()), "{bag}");
        if let Some(peer) = &peer {
            let before = house.path(&format!("before/{bag}"));
            for (path, bytes) in &deposited {
                let path = before.join(std::ffi::OsStr::from_bytes(path));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            fs::create_dir_all(before.join("data")).unwrap();
            let good = validates(peer, &before);
            assert_eq!(validates(peer, &out), good, "bagit.py judges {bag} otherwise than before");
            judged += usize::from(good);
        }
    }
    println!("{} bags came back equal; bagit.py found {judged} of them valid, before and after", kept.len());
    assert!(peer.is_none() || judged > 20, "bagit.py judged only {judged} valid");
}
