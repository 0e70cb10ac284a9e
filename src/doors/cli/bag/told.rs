//! What judging came to, as people and as programs read it.
//!
//! - The verdict is the first word of a bag's line, and never says less without colour.
//! - A line of JSON has every key of every finding; what has no value is null.

use crate::books::config::units::show_bytes;
use crate::doors::cli::table::{Style, Tone};
use crate::model::finding::{Finding, Severity, escape};
use crate::rules::groups::{Group, Groups, Part, parted, told};
use crate::work::judging::{Judged, Outcome};
use serde_json::{Value, json};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// What became of one bag.
pub struct Report<'a> {
    /// The bag as it was named.
    pub path: &'a Path,
    /// What judging came to.
    pub judged: &'a Judged,
    /// Its findings, put together.
    pub groups: &'a Groups,
    /// How long it took.
    pub took: Duration,
}

/// The word of a verdict, as text has it and as JSON has it.
pub fn words(outcome: Outcome) -> (&'static str, &'static str, Tone) {
    match outcome {
        Outcome::Valid => ("valid", "valid", Tone::Good),
        Outcome::Warning => ("warning", "warning", Tone::Warn),
        Outcome::Invalid => ("INVALID", "invalid", Tone::Bad),
        Outcome::Unjudged => ("UNJUDGED", "unjudged", Tone::Bad),
    }
}

/// A path of this machine as people may read it.
pub fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

/// `1 file`, `4,312 files`.
pub fn files(count: u64) -> String {
    format!("{} file{}", parted(count), if count == 1 { "" } else { "s" })
}

fn a_second(bytes: u64, took: Duration) -> u64 {
    (bytes as f64 / took.as_secs_f64().max(0.001)) as u64
}

/// One line about a bag: verdict, path, files, bytes, version, rate, and the first thing that is wrong.
pub fn line(style: &Style, report: &Report<'_>) -> String {
    let Report { path, judged, took, .. } = report;
    let (word, _, tone) = words(judged.outcome);
    let version = judged.version.as_deref().unwrap_or("?");
    let rate = a_second(judged.bytes, *took);
    let why = why(report);
    if !style.tty {
        let cells = [
            word.to_string(),
            shown(path),
            judged.files.to_string(),
            judged.bytes.to_string(),
            version.to_string(),
            rate.to_string(),
            why,
        ];
        return cells.join("\t").trim_end().to_string() + "\n";
    }
    let mut line = format!(
        "{}  {}  {}, {}, BagIt {version}, {}/s",
        style.paint(tone, &format!("{word:<8}")),
        shown(path),
        files(judged.files),
        show_bytes(judged.bytes),
        show_bytes(rate)
    );
    if !why.is_empty() {
        line.push_str(&format!("  {why}"));
    }
    line + "\n"
}

/// The first kind of findings that decided the verdict: "FIX-MISMATCH data/a (3 errors)".
fn why(report: &Report<'_>) -> String {
    let judged = report.judged;
    let severity = if judged.errors > 0 { Severity::Error } else { Severity::Warning };
    let ours = judged.outcome == Outcome::Unjudged;
    let first =
        report.groups.all().find(|group| group.severity == severity && (!ours || group.part == Part::Ours));
    let Some(first) = first else { return String::new() };
    let path = first.named.first().map(|finding| finding.path.shown()).filter(|path| !path.is_empty());
    let at = path.map(|path| format!(" {path}")).unwrap_or_default();
    let (count, word) = match severity {
        Severity::Error => (judged.errors, "error"),
        _ => (judged.warnings, "warning"),
    };
    format!("{}{at} ({} {word}{})", first.code, parted(count), if count == 1 { "" } else { "s" })
}

/// All that was found in one bag: what blocks first, of each kind the first ones by name.
pub fn groups(style: &Style, groups: &Groups) -> String {
    let mut text = String::new();
    for group in groups.all() {
        let (word, tone) = match group.severity {
            Severity::Error => ("error", Tone::Bad),
            Severity::Warning => ("warning", Tone::Warn),
            Severity::Note => ("note", Tone::Dim),
        };
        let count = if group.count > 1 { format!(" ({})", parted(group.count)) } else { String::new() };
        text.push_str(&format!("{} {}{count}\n", style.paint(tone, word), group.code));
        text.push_str(&named(group));
    }
    text
}

fn named(group: &Group) -> String {
    let mut text = String::new();
    let common = group.advice();
    for finding in &group.named {
        text.push_str(&format!("  {}\n", told(finding)));
        if common.is_none() && !finding.advice.is_empty() {
            text.push_str(&format!("      {}\n", finding.advice));
        }
    }
    if let Some(rest) = group.rest("all with --json") {
        text.push_str(&format!("  {rest}\n"));
    }
    if let Some(advice) = common {
        text.push_str(&format!("      {advice}\n"));
    }
    text
}

/// The last line about several bags.
pub fn summary(bags: &[(Outcome, u64, u64)], took: Duration) -> String {
    let count = |outcome| bags.iter().filter(|bag| bag.0 == outcome).count() as u64;
    let mut parts = Vec::new();
    for (outcome, what) in [
        (Outcome::Valid, "valid"),
        (Outcome::Warning, "valid with warnings"),
        (Outcome::Invalid, "invalid"),
        (Outcome::Unjudged, "not judged"),
    ] {
        if count(outcome) > 0 {
            parts.push(format!("{} {what}", parted(count(outcome))));
        }
    }
    let (all_files, bytes) = bags.iter().fold((0, 0), |sum, bag| (sum.0 + bag.1, sum.1 + bag.2));
    format!(
        "{} bags: {}; {}, {} in {:.1} s, {}/s\n",
        parted(bags.len() as u64),
        parts.join(", "),
        files(all_files),
        show_bytes(bytes),
        took.as_secs_f64(),
        show_bytes(a_second(bytes, took))
    )
}

/// One finding as JSON.
pub fn finding(finding: &Finding) -> Value {
    let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let mut value = serde_json::to_value(finding).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        if finding.path.is_bag() {
            object.insert("path".into(), Value::Null);
        }
        object.insert("line".into(), finding.line.into());
        object.insert("expected".into(), finding.expected.clone().into());
        object.insert("found".into(), finding.found.clone().into());
        object.insert("advice".into(), text(&finding.advice));
        object.insert("clause".into(), text(&finding.clause));
    }
    value
}

/// The line of JSON about a bag up to its findings; they follow, and then `]}`.
pub fn head(path: &Path, judged: &Judged, took: Duration) -> String {
    let raw = path.as_os_str().as_bytes();
    let mut value = json!({
        "bag": path.to_str().map_or_else(|| shown(path), str::to_string),
        "verdict": words(judged.outcome).1,
        "errors": judged.errors,
        "warnings": judged.warnings,
        "notes": judged.notes,
        "files": judged.files,
        "bytes": judged.bytes,
        "bagit_version": judged.version,
        "algorithms": judged.algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>(),
        "seconds": (took.as_secs_f64() * 1_000.0).round() / 1_000.0,
    });
    if path.to_str().is_none()
        && let Some(object) = value.as_object_mut()
    {
        object.insert("bag_hex".into(), crate::model::digest::hex(raw).into());
    }
    let text = value.to_string();
    format!("{},\"findings\":[", text.strip_suffix('}').unwrap_or(&text))
}
