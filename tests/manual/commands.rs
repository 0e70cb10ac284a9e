//! What pages tell people to type is understood by the command tree, and the configuration that is shown is accepted.

use super::{plain, strongroom, text};
use clap::{CommandFactory, Parser};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use strongroom::books::config::{Config, Given};
use strongroom::doors::cli::args::Cli;
use strongroom::doors::exit::EXITS;
use strongroom::doors::man::{find, sheets};
use strongroom::model::code::codes;
use strongroom::model::trouble::KINDS;

/// The words of a line as a shell would part them; what goes elsewhere (`>`, `|`, `;`, `&&`) ends it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, is_word) = (Some(c), true),
            // `2>file`: the number belongs to what follows it.
            (None, '>') => {
                word = word.trim_end_matches(|c: char| c.is_ascii_digit()).to_string();
                break;
            }
            (None, '|' | ';' | '&' | '#' | ')') => break,
            (None, ' ') => {
                if is_word || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            (None, c) => word.push(c),
        }
    }
    assert_eq!(quote, None, "{line}: a quote is not closed");
    if is_word || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The calls of strongroom in the examples of a page.
fn examples(roff: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in roff.lines() {
        match line {
            ".nf" => inside = true,
            ".fi" => inside = false,
            _ if inside => {
                let line = plain(line);
                if let Some(place) = line.find("strongroom ").filter(|_| is_call(&line)) {
                    found.push(line[place..].to_string());
                }
            }
            _ => {}
        }
    }
    found
}

/// A line that starts the program, and not one that only names it (`systemctl start strongroom`).
fn is_call(line: &str) -> bool {
    line.starts_with("strongroom ")
        || line.starts_with("sudo strongroom ")
        || line.starts_with("sudo -u strongroom strongroom ")
        || line.contains("<(strongroom ")
}

fn understood(line: &str) -> Result<(), String> {
    let line = line
        .strip_prefix("strongroom strongroom ")
        .map_or(line.to_string(), |rest| format!("strongroom {rest}"));
    Cli::try_parse_from(words(&line)).map(|_| ()).map_err(|error| format!("{line}: {error}"))
}

#[test]
fn every_example_of_every_page_is_understood_by_the_command_tree() {
    let (mut count, mut verbs) = (0, BTreeSet::new());
    for sheet in sheets() {
        for line in examples(&sheet.roff()) {
            understood(&line).unwrap_or_else(|why| panic!("{}: {why}", sheet.file()));
            verbs.extend(
                words(&line)
                    .into_iter()
                    .skip(1)
                    .find(|word| find(word).is_some_and(|sheet| sheet.word == *word)),
            );
            count += 1;
        }
    }
    assert!(count > 100, "only {count} examples were found");
    assert!(understood("strongroom requeu 41").is_err() && understood("strongroom state restore").is_err());
    assert!(verbs.len() > 25, "{verbs:?}");
}

/// Where a text says what to type: from `strongroom` as far as words are words of the tree, options or placeholders.
fn typed(text: &str) -> Vec<Vec<String>> {
    let starts = text.match_indices("strongroom ").map(|(place, _)| &text[place..]);
    starts
        .filter_map(|rest| {
            let end = rest.find([',', ';', ')', '`', '(', ':']).unwrap_or(rest.len());
            let words: Vec<String> =
                rest[..end].split_whitespace().map(|word| word.trim_end_matches('.').to_string()).collect();
            let tree = Cli::command();
            // "strongroom keeps", "a release of strongroom that": prose, not a call.
            words.get(1).filter(|word| tree.find_subcommand(word.as_str()).is_some())?;
            Some(words)
        })
        .collect()
}

/// As far as it is a call: verbs, then whatever is an option, in capitals, a number, or a value of an option.
fn call(all: &[String]) -> Vec<String> {
    let tree = Cli::command();
    let (mut words, mut at) = (vec![all[0].clone()], &tree);
    let mut rest = all[1..].iter().peekable();
    while let Some(verb) = rest.peek().and_then(|word| at.find_subcommand(word.as_str())) {
        at = verb;
        words.extend(rest.next().cloned());
    }
    let is_ours = |word: &str| {
        word.starts_with('-')
            || word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || ".|[]<>".contains(c))
    };
    while let Some(word) =
        rest.next_if(|word| is_ours(word) || words.last().is_some_and(|last| last.starts_with("--")))
    {
        words.push(word.clone());
    }
    words
}

#[test]
fn every_call_that_tables_advise_is_understood_by_the_command_tree() {
    let mut texts: Vec<String> =
        KINDS.iter().flat_map(|row| [row.advice, row.next]).map(String::from).collect();
    texts.extend(EXITS.iter().map(|(_, _, todo)| todo.to_string()));
    texts.extend(codes().map(|code| code.remedy.to_string()));
    // In pages every such call stands between marks of bold.
    for sheet in sheets() {
        let roff = sheet.roff();
        texts.extend(roff.split("\\fB").skip(1).filter_map(|part| part.split("\\fR").next()).map(plain));
    }
    let mut count = 0;
    for text in &texts {
        for words in typed(text) {
            let words = call(&words);
            // A placeholder may stand for a number.
            let numbered = words.iter().map(|word| {
                if ["ID", "ITEM", "N"].contains(&word.as_str()) { "41".into() } else { word.clone() }
            });
            let line: Vec<String> = numbered.collect();
            let complete = Cli::try_parse_from(&line);
            let missing = complete.as_ref().err().map(clap::Error::kind);
            let fine = matches!(
                missing,
                // A call may be named without all that it needs: `strongroom object verify`.
                None | Some(
                    clap::error::ErrorKind::MissingRequiredArgument
                        | clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                )
            );
            assert!(fine, "{text}: {}", complete.unwrap_err());
            count += 1;
        }
    }
    assert!(count > 60, "only {count} calls were found");
}

/// The last example of strongroom.toml(5) that is a configuration.
fn shown() -> String {
    let roff = find("strongroom.toml").unwrap().roff();
    let blocks: Vec<&str> =
        roff.split(".nf\n").skip(1).map(|block| block.split(".fi\n").next().unwrap()).collect();
    let block = blocks.into_iter().find(|block| block.contains("[[target]]")).unwrap();
    plain(block)
}

#[test]
fn the_configuration_that_is_shown_is_accepted_as_it_stands_and_by_check_config() {
    let file = Path::new("/etc/strongroom/strongroom.toml");
    let config = Config::from_text(&shown(), Some(file), &Given::default()).unwrap();
    assert_eq!((config.targets.len(), config.policies[0].copies, config.depositors.len()), (3, 3, 1));
    // On this machine, with places that are there; all of them on one disk, which is what may be said in words.
    let house = tempfile::tempdir().unwrap();
    let below = |text: &str| text.replace("\"/srv/", &format!("\"{}/", house.path().display()));
    let text = below(&shown()).replace("/var/lib/strongroom", house.path().join("data").to_str().unwrap());
    for folder in [
        "data",
        "staging/strongroom",
        "vault-a/strongroom",
        "vault-b/strongroom",
        "receiving/uva",
        "reading-room",
    ] {
        fs::create_dir_all(house.path().join(folder)).unwrap();
    }
    let file = house.path().join("strongroom.toml");
    fs::write(&file, format!("i_accept_copies_on_one_disk = true\n{text}")).unwrap();
    let said = strongroom(&["check-config", file.to_str().unwrap()]);
    assert!(said.status.success(), "{}{}", text_of(&said.stdout), text_of(&said.stderr));
    assert!(text_of(&said.stdout).starts_with("ok "), "{}", text_of(&said.stdout));
}

fn text_of(bytes: &[u8]) -> String {
    text(bytes)
}
