//! Findings put together for people: by what they weigh and what they say, the first few of each kind by name.
//!
//! - Memory does not grow with the number of findings: of each kind a bounded number is kept, and all are counted.
//! - The order is always the same: what blocks the bag as a whole, then faults of single files, then warnings, then notes;
//!   what is our own fault stands apart, so that nobody is blamed for it.
//! - Within a part the kinds come in the order of the table of codes, the findings of a kind in the order they were taken.

use crate::model::code::{About, Whose, about, place, whose};
use crate::model::finding::{Finding, Severity, escape};
use std::collections::BTreeMap;

/// Findings of one kind that are named; the rest is counted.
pub const NAMED_MAX: usize = 20;

/// Kinds that are told apart. There are fewer codes; only findings of another release could bring more.
const KINDS_MAX: usize = 512;

/// Bytes kept of one text of a finding; the whole of it stays in the JSON.
const TEXT_MAX: usize = 2_000;

/// Bytes of a path that are shown.
const SHOWN_MAX: usize = 500;

/// Where a kind of findings stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Errors about the bag as a whole.
    Blocks,
    /// Errors about single files, names or lines.
    Files,
    /// Warnings.
    Warnings,
    /// Notes.
    Notes,
    /// Our own fault: nobody else can do anything about it.
    Ours,
}

impl Part {
    /// Every part, in the order of reading.
    pub const ALL: [Part; 5] = [Part::Blocks, Part::Files, Part::Warnings, Part::Notes, Part::Ours];

    /// The part that findings of this code and weight belong to.
    pub fn of(code: &str, severity: Severity) -> Part {
        match (whose(code), severity, about(code)) {
            (Whose::Ours, Severity::Error | Severity::Warning, _) => Part::Ours,
            (_, Severity::Error, About::Bag) => Part::Blocks,
            (_, Severity::Error, About::File) => Part::Files,
            (_, Severity::Warning, _) => Part::Warnings,
            (_, Severity::Note, _) => Part::Notes,
        }
    }
}

/// Findings of one code and weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where it stands.
    pub part: Part,
    /// The code.
    pub code: String,
    /// The weight.
    pub severity: Severity,
    /// All of them.
    pub count: u64,
    /// The first of them.
    pub named: Vec<Finding>,
}

impl Group {
    /// Findings beyond those that are named.
    pub fn more(&self) -> u64 {
        self.count - self.named.len() as u64
    }

    /// The advice that holds for every one that is named, when it is the same for all: it is said once.
    pub fn advice(&self) -> Option<&str> {
        let first = self.named.first()?.advice.as_str();
        (!first.is_empty() && self.named.iter().all(|finding| finding.advice == first)).then_some(first)
    }

    /// "and 4,312 more, all in bag.findings.json"; nothing when all are named.
    pub fn rest(&self, where_all: &str) -> Option<String> {
        let more = self.more();
        (more > 0).then(|| format!("and {} more, {where_all}", parted(more)))
    }
}

/// Collects findings as they come.
#[derive(Clone, Debug)]
pub struct Groups {
    named_max: usize,
    groups: BTreeMap<(Part, usize, String, Severity), Group>,
    unsorted: u64,
}

impl Default for Groups {
    fn default() -> Groups {
        Groups::new(NAMED_MAX)
    }
}

impl Groups {
    /// Nothing taken yet; of each kind so many are named.
    pub fn new(named_max: usize) -> Groups {
        Groups { named_max, groups: BTreeMap::new(), unsorted: 0 }
    }

    /// Takes a finding.
    pub fn take(&mut self, finding: &Finding) {
        let part = Part::of(&finding.code, finding.severity);
        let key = (part, place(&finding.code), finding.code.clone(), finding.severity);
        if self.groups.len() >= KINDS_MAX && !self.groups.contains_key(&key) {
            self.unsorted += 1;
            return;
        }
        let group = self.groups.entry(key).or_insert_with(|| Group {
            part,
            code: finding.code.clone(),
            severity: finding.severity,
            count: 0,
            named: Vec::new(),
        });
        group.count += 1;
        if group.named.len() < self.named_max {
            group.named.push(shortened(finding));
        }
    }

    /// The kinds of one part.
    pub fn part(&self, part: Part) -> impl Iterator<Item = &Group> {
        self.groups.values().filter(move |group| group.part == part)
    }

    /// Every kind, in the order of reading.
    pub fn all(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    /// Findings of one part.
    pub fn count(&self, part: Part) -> u64 {
        self.part(part).map(|group| group.count).sum()
    }

    /// All findings taken.
    pub fn total(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum::<u64>() + self.unsorted
    }

    /// True when some kind has more findings than are named.
    pub fn leaves_out(&self) -> bool {
        self.unsorted > 0 || self.groups.values().any(|group| group.more() > 0)
    }
}

/// What a finding says, with the path it is about (said once, not twice) and the switch that decided its weight.
pub fn told(finding: &Finding) -> String {
    // Sentences name at most so much of a path, too.
    let raw = &finding.path.0.0;
    let path = escape(&raw[..raw.len().min(SHOWN_MAX)]);
    let mut text = match finding.path.is_bag() || finding.message.contains(&path) {
        true => finding.message.clone(),
        false => format!("{path}: {}", finding.message),
    };
    if let Some(rule) = &finding.rule {
        text.push_str(&format!(" (by the rule {rule})"));
    }
    text
}

/// A number with its thousands parted: 4,312.
pub fn parted(number: u64) -> String {
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

/// At most so many bytes of a text, and no character by half.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn shortened(finding: &Finding) -> Finding {
    let mut finding = finding.clone();
    finding.path.0.0.truncate(TEXT_MAX);
    for text in [Some(&mut finding.message), finding.expected.as_mut(), finding.found.as_mut()] {
        let Some(text) = text.filter(|text| text.len() > TEXT_MAX) else { continue };
        text.truncate(cut(text, TEXT_MAX).len());
        text.push('…');
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &str, severity: Severity, path: &str) -> Finding {
        Finding::new(code, severity, path, "says so").advice("do so")
    }

    #[test]
    fn what_blocks_comes_first_then_files_then_warnings_and_our_own_faults_apart() {
        let mut groups = Groups::default();
        for (code, severity) in [
            ("DECL-VERSION-OLD", Severity::Note),
            ("PATH-WINDOWS", Severity::Warning),
            ("FIX-MISMATCH", Severity::Error),
            ("COMP-MISSING", Severity::Error),
            ("ENV-IO", Severity::Error),
            ("MAN-NONE", Severity::Error),
            ("SER-TRUNCATED", Severity::Error),
            ("A-NEW-ONE", Severity::Error),
        ] {
            groups.take(&finding(code, severity, "data/a"));
        }
        let order: Vec<(Part, &str)> = groups.all().map(|group| (group.part, group.code.as_str())).collect();
        assert_eq!(
            order,
            [
                (Part::Blocks, "SER-TRUNCATED"),
                (Part::Blocks, "MAN-NONE"),
                (Part::Files, "COMP-MISSING"),
                (Part::Files, "FIX-MISMATCH"),
                (Part::Files, "A-NEW-ONE"),
                (Part::Warnings, "PATH-WINDOWS"),
                (Part::Notes, "DECL-VERSION-OLD"),
                (Part::Ours, "ENV-IO"),
            ]
        );
    }

    #[test]
    fn the_first_twenty_of_a_kind_are_named_and_all_are_counted() {
        let mut groups = Groups::default();
        for n in 0..4_332 {
            groups.take(&finding("COMP-MISSING", Severity::Error, &format!("data/{n}")));
        }
        let group = groups.part(Part::Files).next().unwrap();
        assert_eq!((group.named.len(), group.count, groups.total()), (20, 4_332, 4_332));
        assert_eq!(group.named[19].path.shown(), "data/19");
        assert_eq!(group.rest("all in x.json").as_deref(), Some("and 4,312 more, all in x.json"));
        assert_eq!(group.advice(), Some("do so"));
        assert!(groups.leaves_out());
    }

    #[test]
    fn memory_is_bounded_whatever_the_findings_are() {
        let mut groups = Groups::new(2);
        for n in 0..2_000 {
            let mut long = finding(&format!("X-{n}"), Severity::Error, "data/a");
            long.message = "é".repeat(100_000);
            groups.take(&long);
        }
        assert_eq!((groups.all().count(), groups.total()), (KINDS_MAX, 2_000));
        assert!(groups.all().all(|group| group.named[0].message.len() < TEXT_MAX + 4));
    }

    #[test]
    fn a_path_is_said_once() {
        assert_eq!(told(&finding("X", Severity::Error, "data/a")), "data/a: says so");
        let named = Finding::new("X", Severity::Error, "data/a", "`data/a` is not there.");
        assert_eq!(told(&named), "`data/a` is not there.");
        let ruled = Finding { rule: Some("oxum = warning".into()), ..named };
        assert_eq!(told(&ruled), "`data/a` is not there. (by the rule oxum = warning)");
        assert_eq!(parted(18_253_611_008), "18,253,611,008");
        assert_eq!(parted(999), "999");
    }
}
