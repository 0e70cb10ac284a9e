//! Codes of findings: what judging can say, each with its weight, how it comes about, and what to do about it.
//!
//! - A code never changes its meaning, and never goes away; sentences may change.
//! - `explain`, the manual page and the tests are made from this table; there is no second list.
//! - What a code of varying weight weighs in one bag, the finding says.

mod archive;
mod declaration;
mod fetch;
mod info;
mod manifest;
mod path;
mod payload;
mod profile;

use crate::model::finding::Severity;

/// How much findings of a code weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Always an error.
    Error,
    /// It depends: on what, this sentence says.
    Depends(&'static str),
    /// A warning.
    Warning,
    /// A note.
    Note,
}

/// Whose a fault of a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The depositor's: something else must be sent.
    Depositor,
    /// Ours: nothing is asked of the depositor.
    Ours,
}

/// What a fault of a code is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The bag as a whole.
    Bag,
    /// One file, one name or one line; there may be millions of them.
    File,
}

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name: "FIX-MISMATCH".
    pub name: &'static str,
    /// Its weight.
    pub weight: Weight,
    /// A warning of this code is an error under `--strict`.
    pub strict: bool,
    /// Whose fault it is.
    pub whose: Whose,
    /// What it is about.
    pub about: About,
    /// What it says.
    pub meaning: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// The rule it rests on.
    pub clause: &'static str,
}

/// The codes of one subject; their names start with the area's.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// "SER".
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its codes.
    pub codes: &'static [Code],
}

/// Every area, in the order of reading.
pub static AREAS: [Area; 14] = [
    Area { name: "SER", title: "the archive that carries the bag", codes: &archive::SER },
    Area { name: "DECL", title: "the declaration, bagit.txt", codes: &declaration::DECL },
    Area { name: "STRUCT", title: "what a bag is made of", codes: &declaration::STRUCT },
    Area { name: "TEXT", title: "encoding of the tag files", codes: &declaration::TEXT },
    Area { name: "MAN", title: "manifests", codes: &manifest::MAN },
    Area { name: "PATH", title: "names of files", codes: &path::PATH },
    Area { name: "COMP", title: "completeness of the payload", codes: &payload::COMP },
    Area { name: "FIX", title: "fixity of the payload", codes: &payload::FIX },
    Area { name: "TAGM", title: "tag manifests", codes: &manifest::TAGM },
    Area { name: "INFO", title: "the bag's metadata, bag-info.txt", codes: &info::INFO },
    Area { name: "OXUM", title: "Payload-Oxum: bytes and files of the payload", codes: &info::OXUM },
    Area { name: "FETCH", title: "files to be fetched, fetch.txt", codes: &fetch::FETCH },
    Area { name: "PROF", title: "the profile", codes: &profile::PROF },
    Area { name: "ENV", title: "our own side: never the depositor's fault", codes: &payload::ENV },
];

/// Every code, in the order of reading.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    AREAS.iter().flat_map(|area| area.codes)
}

/// The code of this name.
pub fn code(name: &str) -> Option<&'static Code> {
    let area = AREAS.iter().find(|area| name.split('-').next() == Some(area.name))?;
    area.codes.iter().find(|code| code.name == name)
}

/// What a finding of this code and severity weighs: under `strict`, some warnings are errors.
pub fn weigh(name: &str, severity: Severity, strict: bool) -> Severity {
    let raised = strict && severity == Severity::Warning && code(name).is_some_and(|code| code.strict);
    if raised { Severity::Error } else { severity }
}

/// Place in the order of reading; codes that we do not know come last.
pub fn place(name: &str) -> usize {
    codes().position(|code| code.name == name).unwrap_or(usize::MAX)
}

/// Whose a fault of this code is; of a code that we do not know, the depositor's.
pub fn whose(name: &str) -> Whose {
    code(name).map_or(Whose::Depositor, |code| code.whose)
}

/// What a fault of this code is about.
pub fn about(name: &str) -> About {
    code(name).map_or(About::File, |code| code.about)
}

/// Meaning, cause and remedy of a row.
type Told = [&'static str; 3];

const fn row(name: &'static str, weight: Weight, about: About, clause: &'static str, told: Told) -> Code {
    let [meaning, cause, remedy] = told;
    Code { name, weight, strict: false, whose: Whose::Depositor, about, meaning, cause, remedy, clause }
}

impl Code {
    /// Raised to an error by `--strict`.
    const fn strict(mut self) -> Code {
        self.strict = true;
        self
    }

    /// A fault of our own.
    const fn ours(mut self) -> Code {
        self.whose = Whose::Ours;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_one_row_in_its_area_and_says_all_there_is_to_say() {
        let mut names = BTreeSet::new();
        for area in &AREAS {
            for code in area.codes {
                let name = code.name;
                assert!(name.starts_with(&format!("{}-", area.name)), "{name} in {}", area.name);
                assert!(names.insert(name), "{name} has two rows");
                assert_eq!(super::code(name).map(|found| found.name), Some(name));
                for text in [code.meaning, code.cause, code.remedy] {
                    assert!(text.len() > 15 && text.ends_with('.'), "{name}: {text:?}");
                }
                assert!(!code.clause.is_empty(), "{name} names no rule");
            }
        }
        assert!(names.len() >= 125, "codes never go away; there are {}", names.len());
    }

    #[test]
    fn strict_raises_warnings_of_marked_codes_only() {
        use Severity::{Error, Note, Warning};
        assert_eq!(weigh("MAN-ASTERISK", Warning, true), Error);
        assert_eq!(weigh("MAN-ASTERISK", Warning, false), Warning);
        assert_eq!(weigh("SER-NO-END", Warning, true), Warning);
        assert_eq!(weigh("OXUM-NONE", Note, true), Note);
        for code in codes().filter(|code| code.strict) {
            assert!(!matches!(code.weight, Weight::Error | Weight::Note), "{} cannot be raised", code.name);
        }
    }

    #[test]
    fn a_code_of_another_release_is_the_depositors_until_we_know_better() {
        assert_eq!((whose("NEW-CODE"), about("NEW-CODE")), (Whose::Depositor, About::File));
        assert_eq!((place("NEW-CODE"), code("")), (usize::MAX, None));
        assert!(place("SER-NOT-TAR") < place("DECL-MISSING"));
    }
}
