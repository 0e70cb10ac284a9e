//! Every seed of the fuzzer, replayed: what holds for all inputs holds for them. Among them are the inputs that once
//! failed. `tests/lanes/fuzz` goes on from here.
#![allow(clippy::unwrap_used)] // helpers of tests

#[path = "fuzz/checks/mod.rs"]
mod checks;

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::{self, Limits};

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz-seeds")
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn every_seed_keeps_what_holds_for_all_inputs() {
    for (name, check) in checks::CHECKS {
        let seeds = files(&seeds().join(name));
        assert!(!seeds.is_empty(), "{name} has no seed");
        for (path, bytes) in seeds {
            let held = std::panic::catch_unwind(|| check(&bytes));
            assert!(held.is_ok(), "{} fails", path.display());
        }
    }
}

#[test]
fn every_fixture_keeps_what_holds_for_all_tars() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let tars = ["good", "bad", "hostile"].into_iter().flat_map(|kind| files(&fixtures.join(kind)));
    let mut looked = 0;
    for (path, bytes) in tars {
        let held = std::panic::catch_unwind(|| checks::tar::check(&bytes));
        assert!(held.is_ok(), "{} fails", path.display());
        looked += 1;
    }
    assert!(looked > 7, "only {looked} fixtures");
}

#[test]
fn seeds_are_few_and_small() {
    let mut total = 0;
    for entry in fs::read_dir(seeds()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_string();
        assert!(checks::CHECKS.iter().any(|check| check.0 == name), "no check is called {name}");
        for (path, bytes) in files(&folder) {
            assert!(bytes.len() <= 12 << 10, "{} has {} bytes", path.display(), bytes.len());
            total += bytes.len();
        }
    }
    assert!(total < 300 << 10, "{total} bytes in all");
}

#[test]
fn a_tar_whose_headers_were_changed_is_mended_to_one_that_is_read() {
    let members = |tar: &Vec<u8>| {
        let mut members = 0;
        let scratch = MemoryScratch::default();
        let indexed = tar::index::<Infallible>(tar, &Limits::default(), &scratch, &mut |_| {
            members += 1;
            Ok(())
        });
        indexed.is_ok().then_some(members)
    };
    let mut tar = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/good"))[0].1.clone();
    let whole = members(&tar);
    assert!(whole.is_some_and(|members| members > 5));
    tar[100] ^= 1;
    assert_eq!(members(&tar), None);
    checks::tar::mend(&mut tar);
    assert_eq!(members(&tar), whole);
}

#[test]
fn the_fuzzer_builds_the_lower_floors_with_the_crates_of_the_house() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dependencies = |file: &str| -> Vec<String> {
        let text = fs::read_to_string(top.join(file)).unwrap();
        let lines = text.lines().skip_while(|line| *line != "[dependencies]").skip(1);
        let lines = lines.take_while(|line| !line.starts_with('[')).filter(|line| line.contains(" = "));
        lines.map(str::to_string).collect()
    };
    let mut code = String::new();
    for floor in ["model", "rules"] {
        for entry in walkdir::WalkDir::new(top.join("src").join(floor)).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                code.push_str(&fs::read_to_string(entry.path()).unwrap_or_default());
            }
        }
    }
    let fuzz = dependencies("tests/fuzz/Cargo.toml");
    assert!(fuzz.len() > 10);
    for line in dependencies("Cargo.toml") {
        let package = line.split(" = ").next().unwrap();
        let name = if package == "md-5" { "md5".to_string() } else { package.replace('-', "_") };
        if code.contains(&format!("{name}::")) {
            assert!(fuzz.contains(&line), "tests/fuzz/Cargo.toml lacks: {line}");
        }
    }
}
