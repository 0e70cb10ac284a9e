//! What a profile has to say about a bag, sentence by sentence.
//!
//! - A sentence names the tag file, the tag, the value found and the values allowed; the advice can be followed.
//! - Nothing is decided here but wording.

use super::{Fault, Presence, Profile, TagRule};
use crate::model::finding::{Finding, Severity, escape};
use crate::rules::bagit::report::{about, quoted};

/// Values of a list that are named in a sentence; the finding's `expected` holds more.
const NAMED_MAX: usize = 12;

/// Bytes of a found value, or of a list of values, that a finding holds.
const VALUE_MAX: usize = 1_000;

fn cut(text: &str) -> String {
    let end = text.char_indices().nth(VALUE_MAX).map_or(text.len(), |(end, _)| end);
    escape(&text.as_bytes()[..end])
}

/// `a, b or c`.
fn any_of(words: &[String]) -> String {
    let named: Vec<String> = words.iter().take(NAMED_MAX).map(|word| cut(word)).collect();
    match (named.split_last(), words.len() > NAMED_MAX) {
        (None, _) => "nothing".into(),
        (Some(_), true) => format!("{} and {} more", named.join(", "), words.len() - NAMED_MAX),
        (Some((last, [])), false) => last.clone(),
        (Some((last, rest)), false) => format!("{} or {last}", rest.join(", ")),
    }
}

fn finding(profile: &Profile, code: &str, path: &[u8], what: String) -> Finding {
    about(code, Severity::Error, path, what).clause(format!("profile {}", escape(profile.title.as_bytes())))
}

/// The profile itself is wrong: our fault, or the operator's.
pub fn file_invalid(fault: &Fault) -> Finding {
    let what = format!("The profile cannot be applied: {}.", cut(&fault.to_string()));
    let mut finding = about("PROF-FILE-INVALID", Severity::Error, b"", what);
    finding.line = fault.line;
    finding
        .advice("Nothing is wrong with the bag by this; whoever keeps the profile must correct it.")
        .clause("BagIt Profiles 1.4")
}

/// The bag comes in a form that is not accepted.
pub fn serialization(profile: &Profile, found: &str) -> Finding {
    let wanted = match profile.serialization {
        Presence::Forbidden => "a folder, not packed".to_string(),
        _ => any_of(&profile.media),
    };
    let what = format!("The bag comes as {found}; {} wants {wanted}.", profile.title);
    finding(profile, "PROF-SERIALIZATION", b"", what)
        .values(wanted, found)
        .advice("Send the bag in the form that the profile wants.")
}

/// The bag's version is not accepted.
pub fn version(profile: Option<&Profile>, accepted: &[String], found: &str) -> Finding {
    let who = profile.map_or("the rule for this depositor", |profile| &profile.title);
    let what = format!("The bag is BagIt {found}; {who} accepts {}.", any_of(accepted));
    let clause = profile.map_or(String::new(), |profile| format!("profile {}", profile.title));
    about("PROF-VERSION", Severity::Error, b"bagit.txt", what)
        .values(any_of(accepted), found)
        .advice("Make the bag again in an accepted version.")
        .clause(clause)
}

/// A manifest that must be there is not.
pub fn manifest_required(profile: &Profile, name: &str) -> Finding {
    let what = format!("{name} is not in the bag; {} wants it.", profile.title);
    finding(profile, "PROF-MANIFEST-REQUIRED", name.as_bytes(), what)
        .advice("Make the bag again with this algorithm, too.")
}

/// A manifest is there that must not.
pub fn manifest_not_allowed(profile: &Profile, name: &str, allowed: Option<&[String]>) -> Finding {
    let allowed = allowed.map_or("others".to_string(), any_of);
    let what = format!("{name} is in the bag; {} allows {allowed}.", profile.title);
    finding(profile, "PROF-MANIFEST-NOT-ALLOWED", name.as_bytes(), what)
        .values(allowed, name)
        .advice("Make the bag again with allowed algorithms only.")
}

/// fetch.txt is there, or is not.
pub fn fetch(profile: &Profile) -> Finding {
    let (what, advice) = match profile.fetch {
        Presence::Required => ("is not in the bag, but must be", "Make the bag again with a fetch.txt."),
        _ => ("is in the bag, but must not be", "Put the files it names into the bag, and take it out."),
    };
    let what = format!("fetch.txt {what}, says {}.", profile.title);
    finding(profile, "PROF-FETCH", b"fetch.txt", what).advice(advice)
}

/// The bag names no profile, or others.
pub fn not_declared(profile: &Profile, file: &str, named: &[String]) -> Finding {
    let what = match named {
        [] => format!("{file} names no profile; {} wants to be named.", profile.title),
        _ => format!("{file} names {}, not {}.", any_of(named), profile.title),
    };
    let mut finding = finding(profile, "PROF-NOT-DECLARED", file.as_bytes(), what);
    finding.expected = Some(cut(&profile.identifier));
    finding.found = (!named.is_empty()).then(|| any_of(named));
    finding.advice(format!("Add `BagIt-Profile-Identifier: {}` to {file}.", cut(&profile.identifier)))
}

/// The bag names a profile by which it was not judged.
pub fn unknown(file: &str, line: u64, named: &str) -> Finding {
    let what =
        format!("{file} names the profile {}; the bag was not judged by it.", quoted(named.as_bytes()));
    about("PROF-UNKNOWN", Severity::Note, file.as_bytes(), what).line(line).advice(
        "Nothing to do. Profiles are never fetched because a bag names them; give one to judge by it.",
    )
}

/// A tag file that must be there is not.
pub fn tag_file_required(profile: &Profile, file: &str) -> Finding {
    let what = format!("{} is not in the bag; {} wants it.", quoted(file.as_bytes()), profile.title);
    finding(profile, "PROF-TAGFILE-REQUIRED", file.as_bytes(), what).advice("Add the file.")
}

/// A tag file is there that must not.
pub fn tag_file_not_allowed(profile: &Profile, path: &[u8]) -> Finding {
    let what = format!("{} is not among the tag files that {} allows.", quoted(path), profile.title);
    let mut finding = finding(profile, "PROF-TAGFILE-NOT-ALLOWED", path, what);
    finding.expected = profile.tag_files.allowed.as_ref().map(|globs| {
        let globs: Vec<String> = globs.iter().map(|glob| glob.0.clone()).collect();
        any_of(&globs)
    });
    finding.advice("Take the file out, or put it into the payload.")
}

/// A payload file that must be there is not.
pub fn payload_required(profile: &Profile, file: &str) -> Finding {
    let what = match file.ends_with('/') {
        true => format!("No file lies in {}; {} wants at least one.", quoted(file.as_bytes()), profile.title),
        false => format!("{} is not in the bag; {} wants it.", quoted(file.as_bytes()), profile.title),
    };
    finding(profile, "PROF-PAYLOAD-REQUIRED", file.as_bytes(), what).advice("Add it, and make the bag again.")
}

/// A payload file is there that must not.
pub fn payload_not_allowed(profile: &Profile, path: &[u8]) -> Finding {
    let what = format!("{} is not among the payload files that {} allows.", quoted(path), profile.title);
    finding(profile, "PROF-PAYLOAD-NOT-ALLOWED", path, what)
        .advice("Take the file out, and make the bag again.")
}

/// The payload is not empty.
pub fn data_empty(profile: &Profile, files: u64, bytes: u64) -> Finding {
    let what = format!(
        "The payload has {files} files and {bytes} bytes; {} wants no file, or one empty file.",
        profile.title
    );
    finding(profile, "PROF-DATA-EMPTY", b"data", what).advice("Send a bag whose payload is empty.")
}

/// A file has a name that must not be.
pub fn name_rule(profile: Option<&Profile>, path: &[u8], rule: &str, why: &str) -> Finding {
    let who = profile.map_or("the rule for this depositor", |profile| &profile.title);
    let what = format!("The name {} {why}; {who} wants {rule}.", quoted(path));
    let clause = profile.map_or(String::new(), |profile| format!("profile {}", profile.title));
    about("PROF-NAME-RULE", Severity::Error, path, what)
        .advice("Give the file another name, and make the bag again.")
        .clause(clause)
}

/// A tag that must be there is not.
pub fn tag_missing(profile: &Profile, rule: &TagRule, file: &str) -> Finding {
    let what = format!("{file} has no {}; {} wants it.", rule.label, profile.title);
    let mut finding = finding(profile, "PROF-TAG-MISSING", file.as_bytes(), what);
    let values = (!rule.values.is_empty()).then(|| any_of(&rule.values));
    let advice = match &values {
        Some(values) => format!("Add `{}: ` with {values}.", rule.label),
        None => format!("Add `{}: ` with its value.", rule.label),
    };
    finding.expected = values;
    finding.advice(advice)
}

/// A tag that must have a value has none.
pub fn tag_empty(profile: &Profile, rule: &TagRule, file: &str, line: u64, severity: Severity) -> Finding {
    let what = format!("{file}: {} has no value; {} wants one.", rule.label, profile.title);
    let mut finding = finding(profile, "PROF-TAG-EMPTY", file.as_bytes(), what).line(line);
    finding.severity = severity;
    finding.expected = (!rule.values.is_empty()).then(|| any_of(&rule.values));
    finding.advice(format!("Write the value of {} behind its colon.", rule.label))
}

/// A tag has a value that is not allowed.
pub fn tag_value(profile: &Profile, rule: &TagRule, file: &str, line: u64, value: &str) -> Finding {
    let allowed = any_of(&rule.values);
    let what = format!("{file}: {} is \"{}\"; {} allows {allowed}.", rule.label, cut(value), profile.title);
    let near = rule.values.iter().find(|known| known.to_lowercase() == value.to_lowercase());
    let advice = match near {
        Some(near) => format!("Write `{}: {}`; upper and lower case count.", rule.label, cut(near)),
        None => format!("Give {} one of the allowed values.", rule.label),
    };
    finding(profile, "PROF-TAG-VALUE", file.as_bytes(), what)
        .line(line)
        .values(allowed, cut(value))
        .advice(advice)
}

/// A tag is there that must not.
pub fn tag_forbidden(profile: &Profile, rule: &TagRule, file: &str, line: u64) -> Finding {
    let what = format!("{file} has {}, which {} does not allow.", rule.label, profile.title);
    finding(profile, "PROF-TAG-VALUE", file.as_bytes(), what).line(line).advice("Take the line out.")
}

/// A tag stands there more than once.
pub fn tag_repeated(profile: &Profile, rule: &TagRule, file: &str, first: u64, again: u64) -> Finding {
    let what = format!(
        "{file} gives {} on lines {first} and {again}; {} allows it once.",
        rule.label, profile.title
    );
    finding(profile, "PROF-TAG-REPEATED", file.as_bytes(), what).line(again).advice("Keep the right one.")
}

/// A tag that should be there is not.
pub fn tag_recommended(profile: &Profile, rule: &TagRule, file: &str) -> Finding {
    let what = format!("{file} has no {}; {} recommends it.", rule.label, profile.title);
    let mut finding = finding(profile, "PROF-TAG-RECOMMENDED", file.as_bytes(), what);
    finding.severity = Severity::Warning;
    finding.advice(format!("Nothing to do; add {} to new bags.", rule.label))
}

/// A label is written in other case than the profile has it.
pub fn label_case(profile: &Profile, rule: &TagRule, file: &str, line: u64, found: &str) -> Finding {
    let what = format!(
        "{file} writes {} where {} has {}; the label is BagIt's own affair only where BagIt reserves it.",
        quoted(found.as_bytes()),
        profile.title,
        rule.label
    );
    let mut finding = finding(profile, "PROF-LABEL-CASE", file.as_bytes(), what).line(line);
    finding.severity = Severity::Warning;
    finding
        .values(&rule.label, cut(found))
        .advice("Nothing to do; write it as the profile has it in new bags.")
}
