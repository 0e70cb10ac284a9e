//! The manual, made by the program itself from the tables it works with, so that it cannot be out of date.
//!
//! ```text
//! the command tree -> strongroom(1), strongroom-VERB(1)        kinds, stages, standings -> strongroom-troubles(7)
//! the table of keys -> strongroom.toml(5)                      codes of findings -> strongroom-findings(7)
//! ```
//!
//! - A page is plain roff with the `man` macros; no text of ours can be taken for a request or an escape.
//! - The same program makes the same bytes: no date, no name of a machine, nothing of the configuration.
//! - What a page tells people to type is understood by the command tree; `tests/manual.rs` types it.

mod about;
mod calls;
mod configuration;
mod findings;
pub mod json;
mod program;
mod recovery;
mod roff;
mod troubles;
mod verbs;

use super::cli::args::Cli;
use clap::{Command, CommandFactory};
pub use roff::{Page, Part};

/// Name of the program, and of its first page.
pub const PROGRAM: &str = "strongroom";

/// One page that can be made.
pub struct Sheet {
    /// What to ask for: `findings`, `item`.
    pub word: String,
    /// Its name in the manual: `strongroom-findings`.
    pub name: String,
    /// The section of the manual.
    pub section: u8,
    /// What it is about, in a few words.
    pub title: String,
    from: From,
}

/// What a page is made from.
enum From {
    /// The whole tree: strongroom(1).
    Tree(Box<Command>),
    /// One verb of the tree.
    Verb(Box<Command>),
    /// Other tables.
    Tables(fn(Page) -> Page),
}

/// Pages about other things than one verb: word, name, section, title, maker.
type Fixed = (&'static str, &'static str, u8, &'static str, fn(Page) -> Page);

#[rustfmt::skip]
const FIXED: [Fixed; 5] = [
    ("strongroom.toml", "strongroom.toml", 5, "configuration of strongroom", configuration::page),
    ("findings", "strongroom-findings", 7, "what judging a bag can find, and what to do about it", findings::page),
    ("json", "strongroom-json", 7, "documents that the option --json gives", json::page),
    ("recovery", "strongroom-recovery", 7, "what to do when something is lost, and what is lost for good", recovery::page),
    ("troubles", "strongroom-troubles", 7, "what stops an item, who can help, and what to type", troubles::page),
];

/// Every page there is, by section, strongroom(1) first.
pub fn sheets() -> Vec<Sheet> {
    let tree = tree();
    let verb = |verb: &Command| Sheet {
        word: verb.get_name().into(),
        name: format!("{PROGRAM}-{}", verb.get_name()),
        section: 1,
        title: verbs::title(verb),
        from: From::Verb(Box::new(verb.clone())),
    };
    let mut sheets: Vec<Sheet> = verbs_of(&tree).map(verb).collect();
    sheets.sort_by(|a, b| a.word.cmp(&b.word));
    let first = Sheet {
        word: PROGRAM.into(),
        name: PROGRAM.into(),
        section: 1,
        title: "takes deposits in for digital preservation, and keeps proved copies".into(),
        from: From::Tree(Box::new(tree)),
    };
    sheets.insert(0, first);
    sheets.extend(FIXED.into_iter().map(|(word, name, section, title, make)| Sheet {
        word: word.into(),
        name: name.into(),
        section,
        title: title.into(),
        from: From::Tables(make),
    }));
    sheets
}

/// Words that pages are asked for by.
pub fn words() -> Vec<&'static str> {
    let tree = Cli::command();
    let verbs = program::GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied());
    let verbs = verbs.filter(|name| verbs_of(&tree).any(|verb| verb.get_name() == *name));
    std::iter::once(PROGRAM).chain(verbs).chain(FIXED.iter().map(|fixed| fixed.0)).collect()
}

/// The page that is meant by a word: `item`, `strongroom-item`, `strongroom-item.1`, `toml`.
pub fn find(word: &str) -> Option<Sheet> {
    let is_meant = |sheet: &Sheet| {
        [&sheet.word, &sheet.name, &sheet.file()].into_iter().any(|known| known == word)
            || sheet.word.strip_prefix(PROGRAM).is_some_and(|rest| rest.strip_prefix('.') == Some(word))
    };
    sheets().into_iter().find(is_meant)
}

impl Sheet {
    /// The page as roff.
    pub fn roff(&self) -> String {
        let page = Page::new(&self.name, self.section, &self.title);
        match &self.from {
            From::Tree(tree) => program::page(page, tree),
            From::Verb(verb) => verbs::page(page, verb),
            From::Tables(make) => make(page),
        }
        .finish()
    }

    /// Name of its file: `strongroom-item.1`.
    pub fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    /// Its folder in a folder of manuals: `man1`.
    pub fn folder(&self) -> String {
        format!("man{}", self.section)
    }
}

/// The command tree, with everything in it that clap adds.
fn tree() -> Command {
    let mut tree = Cli::command();
    tree.build();
    tree
}

/// The verbs below a command that are told of: none that is hidden, and not clap's own `help`.
fn verbs_of(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_verb_has_a_page_a_group_and_something_to_say() {
        let tree = tree();
        let verbs: BTreeSet<&str> = verbs_of(&tree).map(Command::get_name).collect();
        let grouped: Vec<&str> =
            program::GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
        let told: BTreeSet<&str> = about::ABOUT.iter().map(|about| about.verb).collect();
        for verb in verbs {
            let groups = grouped.iter().filter(|name| **name == verb).count();
            assert_eq!(groups, 1, "{verb} stands in one group of program.rs");
            assert!(told.contains(verb), "{verb} stands in about.rs");
        }
        let gone = |name: &&&str| !verbs_of(&tree).any(|verb| verb.get_name() == **name);
        assert_eq!(told.iter().chain(&grouped).find(gone), None, "a verb that is told of is there");
        let sheets: BTreeSet<String> = sheets().into_iter().map(|sheet| sheet.word).collect();
        assert_eq!(sheets, words().into_iter().map(String::from).collect());
    }

    #[test]
    fn a_page_is_found_by_its_word_its_name_and_its_file() {
        for sheet in sheets() {
            for word in [&sheet.word, &sheet.name, &sheet.file()] {
                assert_eq!(find(word).map(|found| found.file()), Some(sheet.file()), "{word}");
            }
        }
        assert_eq!(find("toml").map(|sheet| sheet.file()).as_deref(), Some("strongroom.toml.5"));
        assert!(find("make-bag").is_none() && find("").is_none());
    }
}
