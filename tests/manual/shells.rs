//! The scripts are loaded by real shells, and complete verbs, options and words of our tables there.

use super::{strongroom, text};
use std::process::{Command, Output};

/// What a shell says when it has read our script and then does this.
fn shell(program: &str, words: &[&str], script: &str, then: &str) -> Option<Output> {
    let place = tempfile::tempdir().unwrap();
    let said = strongroom(&["completions", script]);
    assert!(said.status.success());
    let file = place.path().join(if script == "zsh" { "_strongroom" } else { "strongroom" });
    std::fs::write(&file, said.stdout).unwrap();
    let then = then.replace("FILE", file.to_str().unwrap()).replace("DIR", place.path().to_str().unwrap());
    let home = place.path().join("home");
    std::fs::create_dir(&home).unwrap();
    Command::new(program).args(words).arg(then).env("HOME", &home).env("LC_ALL", "C.UTF-8").output().ok()
}

/// Asks bash for what it would offer at the end of this line.
fn bash(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let list: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let then = format!(
        "set -eu; source FILE; COMP_WORDS=({}); COMP_CWORD={}; COMP_LINE='{line}'; COMP_POINT={}; COMPREPLY=(); \
         complete -p strongroom >/dev/null; _strongroom strongroom '{}' '{}' || true; printf '%s\\n' \"${{COMPREPLY[@]:-}}\"",
        list.join(" "),
        words.len() - 1,
        line.len(),
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let said =
        shell("bash", &["--norc", "-c"], "bash", &then).expect("bash is on every machine that builds this");
    assert!(said.stderr.is_empty() && said.status.success(), "{}", text(&said.stderr));
    text(&said.stdout).lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn bash_completes_verbs_options_and_words_of_our_tables() {
    assert_eq!(bash("strongroom requ"), ["requeue"]);
    assert_eq!(bash("strongroom item sh"), ["show"]);
    assert_eq!(bash("strongroom requeue --dry"), ["--dry-run"]);
    assert_eq!(bash("strongroom requeue --kind target-m"), ["target-missing"]);
    assert_eq!(bash("strongroom explain FIX-MIS"), ["FIX-MISMATCH"]);
    assert_eq!(bash("strongroom completions z"), ["zsh"]);
    assert_eq!(bash("strongroom man rec"), ["recovery"]);
    assert_eq!(bash("strongroom make"), Vec::<String>::new(), "what is hidden is not offered");
    assert!(bash("strongroom ").len() > 30);
}

#[test]
fn zsh_loads_the_script_and_knows_whom_it_completes() {
    let then = "fpath=(DIR $fpath); autoload -Uz compinit; compinit -u -d DIR/dump; print -r -- $_comps[strongroom]; \
                autoload +X _strongroom; print -r -- $+functions[_strongroom]";
    let Some(said) = shell("zsh", &["-f", "-c"], "zsh", then) else {
        return println!("skipped: there is no zsh here");
    };
    assert_eq!(text(&said.stdout), "_strongroom\n1\n", "{}", text(&said.stderr));
    let syntax = shell("zsh", &["-f", "-n"], "zsh", "FILE").unwrap();
    assert!(syntax.status.success() && syntax.stderr.is_empty(), "{}", text(&syntax.stderr));
}

#[test]
fn fish_completes_verbs_and_words_of_our_tables() {
    let asked =
        "source FILE; complete -C 'strongroom requ'; complete -C 'strongroom requeue --kind target-m'";
    let Some(said) = shell("fish", &["--no-config", "-c"], "fish", asked) else {
        return println!("skipped: there is no fish here");
    };
    let offered = text(&said.stdout);
    let firsts: Vec<&str> = offered.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(firsts, ["requeue", "target-missing"], "{offered}{}", text(&said.stderr));
}
