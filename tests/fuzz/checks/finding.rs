//! What holds for every finding, and a way to collect them.

use strongroom::model::code::{Weight, code};
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::bagit::policy::Policy;
use strongroom::rules::bagit::report::{Halt, Out};

/// Longest sentence: names of 500 bytes, each byte of them escaped, and words around them.
const SENTENCE_MAX: usize = 12_000;

/// Longest value: a whole line, each byte of it escaped.
const VALUE_MAX: usize = 8 * (64 << 10);

/// Panics unless the finding can be shown to people and kept as JSON.
pub fn sound(finding: &Finding) {
    let known = code(&finding.code).unwrap_or_else(|| panic!("no such code: {finding:?}"));
    match known.weight {
        Weight::Error => assert_eq!(finding.severity, Severity::Error, "{finding:?}"),
        Weight::Warning => assert_ne!(finding.severity, Severity::Note, "{finding:?}"),
        Weight::Note => assert_eq!(finding.severity, Severity::Note, "{finding:?}"),
        Weight::Depends(_) => {}
    }
    assert!(!finding.message.is_empty() && !finding.advice.is_empty(), "{finding:?}");
    let sentences = [Some(&finding.message), Some(&finding.advice)].map(|text| (text, SENTENCE_MAX));
    let values = [&finding.expected, &finding.found].map(|text| (text.as_ref(), VALUE_MAX));
    for (text, most) in sentences.into_iter().chain(values) {
        let text = text.map_or("", String::as_str);
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let speaks = text.chars().any(|c| c.is_control() || turns(c));
        assert!(!speaks, "it speaks to the terminal: {finding:?}");
        assert!(text.len() <= most, "{} bytes: {finding:?}", text.len());
    }
    let json = serde_json::to_string(finding).expect("a finding is JSON");
    let again: Finding = serde_json::from_str(&json).expect("a finding is read again");
    assert_eq!(again, *finding);
}

/// Runs a judge of lines; its findings, each of them sound.
pub fn findings(judge: impl FnOnce(&mut Out<'_>) -> Result<(), Halt>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |finding: Finding| {
        sound(&finding);
        findings.push(finding);
        Ok(())
    };
    judge(&mut Out::new(&mut say, &Policy::default())).expect("nothing but the parser can fail here");
    findings
}

/// True when one of them is an error.
pub fn refused(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
