//! The house keeps its floors: a file uses only its own floor and those below, no file is orphaned, and each crate with
//! sharp edges is named by one file.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the ground up; `main.rs` and `lib.rs` stand beside the house.
const FLOORS: [&str; 6] = ["model", "rules", "worlds", "books", "work", "doors"];

/// Crates that only one file may name, so that another can take their place.
const ONE_FILE: [(&str, &str); 9] = [
    ("sled", "src/worlds/book/sled_index.rs"),
    ("md5", "src/rules/digester.rs"),
    ("bzip2", "src/rules/packed/bzip.rs"),
    ("ruzstd", "src/rules/packed/zstd.rs"),
    ("indicatif", "src/doors/progress.rs"),
    ("clap_complete", "src/doors/completions.rs"),
    ("ureq", "src/worlds/net/client.rs"),
    ("rusty_s3", "src/worlds/s3/sign.rs"),
    ("axum", "none"),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

fn house() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&top.join("src"), &mut files);
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_string();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The code of a file: comments and what tests say are left out.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn floor_of(file: &str) -> Option<usize> {
    let floor = file.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs");
    FLOORS.iter().position(|name| *name == floor)
}

#[test]
fn a_floor_uses_only_floors_below_it() {
    let mut wrong = Vec::new();
    let mut looked = 0;
    for (file, text) in house() {
        let Some(own) = floor_of(&file) else { continue };
        looked += 1;
        for (above, name) in FLOORS.iter().enumerate().skip(own + 1) {
            if code(&text).contains(&format!("crate::{name}")) {
                wrong.push(format!("{file} (floor {}) uses {name} (floor {})", own + 1, above + 1));
            }
        }
    }
    assert!(looked > 20, "only {looked} files were looked at");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_orphaned() {
    let files = house();
    let names: BTreeSet<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
    for (file, _) in &files {
        let last = file.rsplit('/').next().unwrap();
        let by_path = files.iter().any(|(_, text)| text.contains(&format!("#[path = \"{last}\"]")));
        if file == "src/lib.rs" || file == "src/main.rs" || by_path {
            continue;
        }
        let path = Path::new(file);
        let (module, folder) = if path.ends_with("mod.rs") {
            let folder = path.parent().unwrap();
            (folder.file_name().unwrap(), folder.parent().unwrap())
        } else {
            (path.file_stem().unwrap(), path.parent().unwrap())
        };
        let folder = folder.to_str().unwrap();
        let parents = [format!("{folder}/mod.rs"), format!("{folder}.rs"), format!("{folder}/lib.rs")];
        let parent = parents.iter().find(|parent| names.contains(parent.as_str()));
        let parent = parent.unwrap_or_else(|| panic!("{file} has no parent module"));
        let text = &files.iter().find(|(name, _)| name == parent).unwrap().1;
        let module = module.to_str().unwrap();
        let declared = text.lines().any(|line| {
            let line = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            line == format!("mod {module};")
        });
        assert!(declared, "{parent} does not declare {module}");
    }
}

#[test]
fn a_crate_with_sharp_edges_is_named_by_one_file() {
    for (file, text) in house() {
        for (name, only) in ONE_FILE {
            let code = code(&text);
            let named = code.contains(&format!("{name}::")) || code.contains(&format!("use {name};"));
            let of_another_path =
                code.contains(&format!("::{name}::")) || code.contains(&format!("_{name}::"));
            if named && !of_another_path {
                assert_eq!(file, only, "{file} names {name}");
            }
        }
    }
}

#[test]
fn a_file_has_one_subject_or_a_reason_for_its_length() {
    for (file, text) in house() {
        let lines = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
        let reason = text.contains("Longer than 500 lines because");
        assert!(lines <= 500 || reason, "{file} has {lines} lines and gives no reason");
    }
}
