//! One bag for each code: the table of codes is walked, and a code that no bag brings about is a fault.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod bags;
mod kit;
mod ours;
mod profiles;
mod tars;

use kit::{Deposit, bag, judge_while, judging};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use strongroom::model::code::{AREAS, Weight, Whose, code, codes, weigh};
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::bagit::policy::Policy;
use strongroom::work::judging::{Judging, Outcome};

/// A code, and a deposit that has this fault.
pub type Case = (&'static str, fn() -> Deposit);

/// Every code of the depositor's, with its deposit.
fn cases() -> impl Iterator<Item = &'static Case> {
    bags::CASES.iter().chain(tars::CASES).chain(profiles::CASES)
}

/// What the deposit for this code is judged by.
fn judging_for(name: &str, strict: bool) -> Judging {
    judging(Policy { strict, ..profiles::policy_for(name) }, tars::limits_for(name))
}

/// A finding weighs what its code says, and says what a finding must say.
fn look(finding: &Finding, strict: bool) {
    let name = finding.code.as_str();
    let code = code(name).unwrap_or_else(|| panic!("{name} is not in the table"));
    let fits = match code.weight {
        Weight::Error => finding.severity == Severity::Error,
        Weight::Warning => finding.severity == Severity::Warning || (code.strict && strict),
        Weight::Note => finding.severity == Severity::Note,
        Weight::Depends(_) => true,
    };
    assert!(fits, "{name} is {:?} and weighs {:?}: {finding:?}", finding.severity, code.weight);
    assert!(finding.message.ends_with('.') && !finding.advice.is_empty(), "{finding:?}");
}

fn judge(deposit: &Deposit, judging: &Judging) -> (Outcome, Vec<Finding>) {
    let (outcome, findings) = judge_while(deposit, judging, &|_| ());
    findings.iter().for_each(|finding| look(finding, judging.policy.strict));
    (outcome, findings)
}

fn named(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().map(|finding| finding.code.clone()).collect()
}

#[test]
fn a_bag_without_damage_brings_about_no_code() {
    for (deposit, name) in
        [(bag().folder(), ""), (bag().tar().deposit(), ""), (profiles::named().folder(), "PROF-")]
    {
        let (outcome, findings) = judge(&deposit, &judging_for(name, false));
        assert_eq!((outcome, named(&findings)), (Outcome::Valid, BTreeSet::new()));
    }
}

#[test]
fn every_code_of_the_table_is_brought_about_by_a_bag() {
    let (mut seen, mut wrong) = (BTreeMap::new(), Vec::new());
    for (name, deposit) in cases() {
        let (outcome, findings) = judge(&deposit(), &judging_for(name, false));
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
        look(&finding, false);
        assert_eq!(finding.code, name);
        assert_eq!(code(name).unwrap().whose, Whose::Ours, "{name}");
        seen.insert(name.to_string(), "a fault");
    }
    let lacking: Vec<&str> = codes().map(|code| code.name).filter(|name| !seen.contains_key(*name)).collect();
    assert!(lacking.is_empty(), "no bag brings about {}", lacking.join(", "));
}

#[test]
fn strict_judging_raises_the_codes_that_the_table_says_and_no_others() {
    for (name, deposit) in cases() {
        let of = |strict| -> BTreeMap<String, Severity> {
            let (_, findings) = judge(&deposit(), &judging_for(name, strict));
            findings.into_iter().map(|finding| (finding.code, finding.severity)).collect()
        };
        let (mild, strict) = (of(false), of(true));
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
