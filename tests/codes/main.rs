//! One bag for each code: the table of codes is walked, and a code that no bag brings about is a fault.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod bags;
mod kit;
mod ours;
mod tars;

use kit::{Deposit, bag, judge_while, judging};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use strongroom::model::code::{AREAS, Weight, Whose, code, codes, weigh};
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::bagit::policy::Policy;
use strongroom::rules::tar::Limits;
use strongroom::work::judging::Outcome;

/// A code, and a deposit that has this fault.
pub type Case = (&'static str, fn() -> Deposit);

/// Areas whose codes have no bag here yet.
const NOT_YET_WALKED: [&str; 1] = ["PROF"];

/// A finding weighs what its code says, and says what a finding must say.
fn look(finding: &Finding) {
    let name = finding.code.as_str();
    let code = code(name).unwrap_or_else(|| panic!("{name} is not in the table"));
    let fits = match code.weight {
        Weight::Error => finding.severity == Severity::Error,
        Weight::Warning => finding.severity == Severity::Warning,
        Weight::Note => finding.severity == Severity::Note,
        Weight::Depends(_) => true,
    };
    assert!(fits, "{name} is {:?} and weighs {:?}: {finding:?}", finding.severity, code.weight);
    assert!(finding.message.ends_with('.') && !finding.advice.is_empty(), "{finding:?}");
}

fn judge(deposit: &Deposit, limits: Limits) -> (Outcome, Vec<Finding>) {
    let (outcome, findings) = judge_while(deposit, &judging(Policy::default(), limits), &|_| ());
    findings.iter().for_each(look);
    (outcome, findings)
}

fn named(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().map(|finding| finding.code.clone()).collect()
}

#[test]
fn a_bag_without_damage_brings_about_no_code() {
    for deposit in [bag().folder(), bag().tar().deposit()] {
        let (outcome, findings) = judge(&deposit, Limits::default());
        assert_eq!((outcome, named(&findings)), (Outcome::Valid, BTreeSet::new()));
    }
}

#[test]
fn every_code_of_the_table_is_brought_about_by_a_bag() {
    let (mut seen, mut wrong) = (BTreeMap::new(), Vec::new());
    for (name, deposit) in bags::CASES.iter().chain(tars::CASES) {
        let (outcome, findings) = judge(&deposit(), tars::limits_for(name));
        let found = named(&findings);
        if !found.contains(*name) {
            wrong.push(format!("the bag for {name} brought about {found:?}"));
        }
        let wanted = match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Error) => Outcome::Invalid,
            Some(Severity::Warning) => Outcome::Warning,
            _ => Outcome::Valid,
        };
        if outcome != wanted {
            wrong.push(format!("the bag for {name} is {outcome:?}, not {wanted:?}: {found:?}"));
        }
        seen.insert(name.to_string(), "a bag");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, finding) in ours::faults() {
        look(&finding);
        assert_eq!(finding.code, name);
        assert_eq!(code(name).unwrap().whose, Whose::Ours, "{name}");
        seen.insert(name.to_string(), "a fault");
    }
    let lacking: Vec<&str> = codes().map(|code| code.name).filter(|name| !seen.contains_key(*name)).collect();
    let (later, lacking): (Vec<&str>, Vec<&str>) =
        lacking.into_iter().partition(|name| NOT_YET_WALKED.iter().any(|area| name.starts_with(area)));
    println!("{} codes were brought about; not yet walked: {}", seen.len(), later.join(", "));
    assert!(lacking.is_empty(), "no bag brings about {}", lacking.join(", "));
}

#[test]
fn strict_judging_raises_the_codes_that_the_table_says_and_no_others() {
    for (name, deposit) in bags::CASES.iter().chain(tars::CASES) {
        let limits = || tars::limits_for(name);
        let strict = Policy { strict: true, ..Policy::default() };
        let of = |findings: Vec<Finding>| -> BTreeMap<String, Severity> {
            findings.into_iter().map(|finding| (finding.code, finding.severity)).collect()
        };
        let mild = of(judge_while(&deposit(), &judging(Policy::default(), limits()), &|_| ()).1);
        let strict = of(judge_while(&deposit(), &judging(strict, limits()), &|_| ()).1);
        for (code, severity) in mild {
            assert_eq!(
                strict.get(&code),
                Some(&weigh(&code, severity, true)),
                "{code} in the bag for {name}"
            );
        }
    }
}

fn sources(folder: &Path, each: &mut dyn FnMut(&Path, &str)) {
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|ending| ending == "rs") {
            each(entry.path(), &fs::read_to_string(entry.path()).unwrap());
        }
    }
}

#[test]
fn every_code_that_the_program_names_is_in_the_table() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut looked = 0;
    for floor in ["rules", "work", "doors"] {
        sources(&top.join(floor), &mut |path, text| {
            // What tests say is not what the program says.
            let code_of = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            if path.ends_with("tests.rs") {
                return;
            }
            for literal in code_of.split('"').skip(1) {
                let area = AREAS.iter().any(|area| literal.starts_with(&format!("{}-", area.name)));
                let plain = literal
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
                // "ENV-" alone is the start of a name.
                if area && plain && !literal.ends_with('-') {
                    looked += 1;
                    assert!(code(literal).is_some(), "{} names {literal}", path.display());
                }
            }
        });
    }
    assert!(looked > 150, "only {looked} codes were seen");
}
