//! The manual and the completions: what they say is in the tables, and what they tell people to type is understood.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

#[path = "manual/commands.rs"]
mod commands;
#[path = "manual/documents.rs"]
mod documents;
#[path = "manual/ladder.rs"]
mod ladder;
#[path = "manual/shells.rs"]
mod shells;

use clap::{Command as Tree, CommandFactory};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use strongroom::books::config::keys::KEYS;
use strongroom::doors::cli::args::Cli;
use strongroom::doors::cli::explain::{self, STAGES, STANDINGS};
use strongroom::doors::exit::EXITS;
use strongroom::doors::man::{Sheet, find, sheets};
use strongroom::model::code::codes;
use strongroom::model::trouble::KINDS;

/// The program, with these words.
pub fn strongroom(words: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    // No configuration of the machine, and no terminal.
    let program = program.args(words).stdin(Stdio::null()).env_remove("STRONGROOM_CONFIG");
    program.env_remove("STRONGROOM_DATA").output().unwrap()
}

/// What was printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every page as people read it, at this width; nothing where there is no man.
fn read(sheet: &Sheet, width: u32) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join(sheet.file());
    fs::write(&file, sheet.roff()).unwrap();
    let width = width.to_string();
    let envs = [("LC_ALL", "C.UTF-8"), ("MANWIDTH", &width), ("MANPAGER", "cat"), ("MANROFFOPT", "-ww")];
    let man = Command::new("man").args(["--warnings", "-E", "UTF-8", "-l"]).arg(&file).envs(envs).output();
    let man = man.ok()?;
    // What a machine without documentation has in its place.
    if String::from_utf8_lossy(&man.stdout).contains("has been minimized") {
        return None;
    }
    let said = String::from_utf8_lossy(&man.stderr).into_owned();
    assert!(man.status.success() && said.is_empty(), "{}: {said}", sheet.file());
    Some(text(&man.stdout))
}

/// A page without its line ends, so that a sentence is found wherever it was broken.
fn flat(page: &str) -> String {
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn every_page_is_read_by_man_without_a_warning_and_shows_its_head() {
    for sheet in sheets() {
        let Some(page) = read(&sheet, 100) else { return println!("skipped: there is no man here") };
        assert!(flat(&page).contains(&flat(&format!("{} - {}", sheet.name, sheet.title))), "{page}");
        assert!(page.contains("SEE ALSO"), "{} names no other page", sheet.file());
        // The way in which the host lane and packages ask.
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join(sheet.file());
        fs::write(&file, sheet.roff()).unwrap();
        let man = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(&file)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        assert!(man.status.success() && man.stderr.is_empty(), "{}: {}", sheet.file(), text(&man.stderr));
    }
}

#[test]
fn apropos_finds_every_page_by_its_name_and_title() {
    let place = tempfile::tempdir().unwrap();
    for sheet in sheets() {
        let file = place.path().join(sheet.file());
        fs::write(&file, sheet.roff()).unwrap();
        let Ok(said) = Command::new("lexgrog").arg(&file).env("LC_ALL", "C.UTF-8").output() else {
            return println!("skipped: there is no lexgrog here");
        };
        let wanted = format!("{}: \"{} - {}\"\n", file.display(), sheet.name, sheet.title);
        assert_eq!(text(&said.stdout), wanted, "{}", text(&said.stderr));
    }
}

#[test]
fn on_a_terminal_a_page_is_shown_by_man() {
    // On a terminal, with what the shell there is told first.
    let shown = |first: &str| {
        let call = format!("{first} {} man requeue", env!("CARGO_BIN_EXE_strongroom"));
        let envs = [("MANPAGER", "cat"), ("LC_ALL", "C.UTF-8"), ("TERM", "dumb"), ("SHELL", "/bin/sh")];
        let mut script = Command::new("script");
        let script = script.args(["-qec", &call, "/dev/null"]).envs(envs).stdin(Stdio::null());
        script.output().ok().map(|said| text(&said.stdout))
    };
    // Without man there is still the page itself.
    let Some(bare) = shown("PATH=/nowhere") else {
        return println!("skipped: there is no script here");
    };
    assert!(bare.contains(".TH \"STRONGROOM"), "{bare}");
    if !is_there("man") {
        return println!("skipped: there is no man here");
    }
    let read = shown("").expect("it was there a moment ago");
    assert!(read.contains("History is never lost.") && !read.contains(".TH"), "{read}");
}

#[test]
fn mandoc_finds_no_fault_in_a_page_either() {
    if !is_there("mandoc") && Command::new("mandoc").arg("-V").output().is_err() {
        return println!("skipped: there is no mandoc here");
    }
    let place = tempfile::tempdir().unwrap();
    for sheet in sheets() {
        let file = place.path().join(sheet.file());
        fs::write(&file, sheet.roff()).unwrap();
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&file).output().unwrap();
        let said: Vec<String> = text(&lint.stdout)
            .lines()
            // A date would make other bytes of the same program.
            .filter(|line| !line.contains("missing date"))
            .map(String::from)
            .collect();
        assert!(said.is_empty(), "{}", said.join("\n"));
    }
}

#[test]
fn the_same_program_makes_the_same_bytes_and_needs_no_configuration() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&one, &two] {
        let to = folder.path().to_str().unwrap();
        for verb in ["man", "completions"] {
            let said = strongroom(&["--config", "/nowhere/at/all.toml", verb, "--to", to]);
            assert!(said.status.success(), "{}", text(&said.stderr));
        }
    }
    let mut names: Vec<String> = Vec::new();
    for sheet in sheets() {
        names.push(format!("{}/{}", sheet.folder(), sheet.file()));
    }
    for name in [
        "bash-completion/completions/strongroom",
        "zsh/vendor-completions/_strongroom",
        "fish/vendor_completions.d/strongroom.fish",
    ] {
        names.push(name.into());
    }
    for name in &names {
        let (a, b) = (fs::read(one.path().join(name)).unwrap(), fs::read(two.path().join(name)).unwrap());
        assert!(!a.is_empty() && a == b, "{name}");
        assert_eq!(a.last(), Some(&b'\n'), "{name}");
    }
    let made = walkdir::WalkDir::new(one.path())
        .into_iter()
        .filter(|one| one.as_ref().unwrap().file_type().is_file());
    assert_eq!(made.count(), names.len(), "nothing else is left behind");
    let printed = strongroom(&["man", "recovery"]);
    assert_eq!(printed.stdout, fs::read(one.path().join("man7/strongroom-recovery.7")).unwrap());
}

#[test]
fn every_page_that_a_page_names_is_there() {
    let ours: BTreeSet<String> =
        sheets().iter().map(|sheet| format!("{}({})", sheet.name, sheet.section)).collect();
    for sheet in sheets() {
        let plain = plain(&sheet.roff());
        let named = plain.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).filter_map(|word| {
            let start = word.find("strongroom")?;
            let word = &word[start..];
            let end = word.find("(")?;
            word.get(..end + 3)
        });
        for name in named {
            assert!(ours.contains(name), "{} names {name}, which there is not", sheet.file());
        }
    }
}

/// The words of a page, without what sets them.
fn plain(roff: &str) -> String {
    let mut plain = roff.to_string();
    for (from, to) in [
        ("\\fB", ""),
        ("\\fI", ""),
        ("\\fR", ""),
        ("\\-", "-"),
        ("\\&", ""),
        ("\\ ", " "),
        ("\\[aq]", "'"),
        ("\\[dq]", "\""),
        ("\\[ha]", "^"),
        ("\\[ti]", "~"),
        ("\\[ga]", "`"),
        ("\\[rs]", "\\"),
    ] {
        plain = plain.replace(from, to);
    }
    while let Some((before, rest)) = plain.split_once("\\[u") {
        let (code, after) = rest.split_once(']').unwrap();
        let letter = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
        plain = format!("{before}{letter}{after}");
    }
    plain
}

#[test]
fn every_key_every_kind_every_code_and_every_exit_code_is_on_its_page() {
    let page = |word: &str| plain(&find(word).unwrap().roff());
    let toml = page("strongroom.toml");
    for key in KEYS {
        let name = key.path.rsplit('.').next().unwrap();
        assert!(toml.contains(&format!(".TP\n{name}\n{}\n", key.reason)), "{}", key.path);
    }
    let troubles = page("troubles");
    for row in KINDS {
        for part in [row.next, row.advice] {
            assert!(troubles.contains(part), "{}: {part}", row.name);
        }
        assert!(troubles.contains(&format!(".TP\n{}\n", row.name)));
        let said = explain::explain(Some(row.name)).unwrap();
        assert!(said.contains(row.advice) && said.contains(&explain::who_can_help(row.remedy)), "{said}");
        assert!(flat(&troubles).to_lowercase().contains(&explain::who_can_help(row.remedy).to_lowercase()));
    }
    STAGES.iter().for_each(|(stage, ..)| assert!(troubles.contains(&format!(".TP\n{stage}\n"))));
    STANDINGS.iter().for_each(|(name, means)| {
        assert!(troubles.contains(&format!(".TP\n{name}\n")));
        assert!(troubles.to_lowercase().contains(&means.to_lowercase()), "{name}");
    });
    let findings = page("findings");
    for code in codes() {
        for part in [code.meaning, code.cause, code.remedy, code.clause] {
            assert!(findings.contains(&part.replace('`', "")), "{}: {part}", code.name);
        }
    }
    let whole = page("strongroom");
    for (exit, means, todo) in EXITS {
        assert!(whole.contains(&format!(".TP\n{}\n{means}.\n", exit.0)), "{}", exit.0);
        assert!(todo == "nothing" || whole.contains(&format!("What to do: {todo}.\n")), "{}", exit.0);
    }
}

/// Every verb that people are told of, with its words: `item list`.
fn each_verb(tree: &Tree, words: &str, see: &mut dyn FnMut(&str, &Tree)) {
    for verb in tree.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let words = format!("{words} {}", verb.get_name());
        see(words.trim_start(), verb);
        each_verb(verb, &words, see);
    }
}

#[test]
fn every_verb_and_every_option_of_the_tree_is_on_its_page() {
    let (mut verbs, mut options) = (0, 0);
    let tree = Cli::command();
    let mut see = |words: &str, verb: &Tree| {
        let page = plain(&find(words.split(' ').nth(1).unwrap_or("strongroom")).unwrap().roff());
        assert!(page.contains(words), "{words}");
        verbs += 1;
        let shown = |arg: &&clap::Arg| !arg.is_hide_set();
        for arg in verb.get_arguments().filter(shown) {
            options += 1;
            let help = arg.get_long_help().or_else(|| arg.get_help()).unwrap().to_string().replace('\n', " ");
            assert!(page.contains(&help.replace('`', "")), "{words}: {help}");
            if let Some(long) = arg.get_long() {
                assert!(page.contains(&format!("--{long}")), "{words}: --{long}");
            }
        }
    };
    see("strongroom", &tree);
    each_verb(&tree, "strongroom", &mut see);
    assert!(verbs > 80 && options > 120, "{verbs} verbs, {options} options");
}

#[test]
fn every_variable_that_the_program_reads_is_told_of() {
    let page = plain(&find("strongroom").unwrap().roff());
    let mut looked = BTreeSet::new();
    for entry in walkdir::WalkDir::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let entry = entry.unwrap();
        if entry.path().extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let source = fs::read_to_string(entry.path()).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for before in [
            "env::var(\"",
            "env::var_os(\"",
            "variable(\"",
            "number(\"",
            "variable([\"",
            "_DEFAULT_",
            "\"STRONGROOM_",
        ] {
            for (place, _) in code.match_indices(before) {
                let name: &str = code[place..].split('"').nth(1).unwrap();
                // What is given to a command of `notice` is told where its key is.
                let of_notice = entry.path().ends_with("post/command.rs");
                if name.len() > 2
                    && name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
                    && !of_notice
                {
                    looked.insert(name.to_string());
                }
            }
        }
    }
    assert!(looked.len() > 14, "{looked:?}");
    let untold: Vec<&String> =
        looked.iter().filter(|name| *name != "HOME" && !page.contains(*name)).collect();
    assert!(untold.is_empty(), "{untold:?}");
}

#[test]
fn pages_are_listed_and_a_page_that_is_not_there_is_told_with_the_nearest() {
    let listed = strongroom(&["man"]);
    let listed = text(&listed.stdout);
    assert_eq!(listed.lines().count(), sheets().len());
    assert!(listed.contains("requeue\tstrongroom-requeue(1)\tsend items back to work"), "{listed}");
    let json: serde_json::Value = serde_json::from_slice(&strongroom(&["man", "--json"]).stdout).unwrap();
    assert_eq!(json["pages"].as_array().unwrap().len(), sheets().len());
    let wrong = strongroom(&["man", "requeu"]);
    assert_eq!(wrong.status.code(), Some(4));
    assert!(text(&wrong.stderr).contains("strongroom man requeue"), "{}", text(&wrong.stderr));
    let nowhere = strongroom(&["man", "--to", "/dev/null/x"]);
    assert_eq!(nowhere.status.code(), Some(74));
    assert!(text(&nowhere.stderr).contains("/dev/null/x/man1/strongroom.1 is not written"));
}
