//! Findings of one pass, with a bound on how many are kept.

use crate::model::finding::{Finding, Severity};
use std::collections::BTreeMap;

/// Findings in the order they were made; of each code the first ones are kept and all are counted.
#[derive(Debug)]
pub struct Caught {
    kept: Vec<Finding>,
    counts: BTreeMap<String, u64>,
    kept_max: u64,
    refused: bool,
}

impl Caught {
    /// Keeps up to `kept_max` findings of each code.
    pub fn new(kept_max: u64) -> Caught {
        Caught { kept: Vec::new(), counts: BTreeMap::new(), kept_max, refused: false }
    }

    /// Takes a finding.
    pub fn push(&mut self, finding: Finding) {
        self.refused |= finding.severity == Severity::Error;
        let count = self.counts.entry(finding.code.clone()).or_insert(0);
        *count += 1;
        if *count <= self.kept_max {
            self.kept.push(finding);
        }
    }

    /// True when one of them is an error.
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// Those kept, and for each code with more of them one that says how many more.
    pub fn into_findings(mut self) -> Vec<Finding> {
        for (code, count) in &self.counts {
            let more = count.saturating_sub(self.kept_max);
            if more == 0 {
                continue;
            }
            let severity = self
                .kept
                .iter()
                .find(|finding| finding.code == *code)
                .map_or(Severity::Note, |first| first.severity);
            let message = format!("{more} more of the same kind were found and are not listed.");
            self.kept.push(Finding::new(code, severity, "", message));
        }
        self.kept
    }
}

/// A finding about a name that need not be UTF-8.
pub fn about(code: &str, severity: Severity, name: &[u8], message: impl Into<String>) -> Finding {
    Finding::new(code, severity, name, message)
}

/// A number with its thousands parted: 18,253,611,008.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_beyond_the_bound_are_counted() {
        let mut caught = Caught::new(2);
        for n in 0..5 {
            caught.push(Finding::new("SER-LINK", Severity::Error, n.to_string(), "x"));
        }
        assert!(caught.refused());
        let findings = caught.into_findings();
        assert_eq!(findings.len(), 3);
        assert!(findings[2].message.starts_with("3 more"));
        assert_eq!(grouped(18_253_611_008), "18,253,611,008");
        assert_eq!(grouped(512), "512");
    }
}
