//! A profile in words, for people who want to know what it asks.

use super::{Empty, Files, Kinds, Presence, Profile, TagRule};
use crate::model::finding::escape;

/// What a profile asks, one rule a line; empty when it asks for nothing beyond BagIt.
pub fn describe(profile: &Profile) -> Vec<String> {
    let mut lines = Vec::new();
    match profile.serialization {
        Presence::Required => lines.push(format!("bags come packed: {}", any(&profile.media))),
        Presence::Forbidden => lines.push("bags come as folders, not packed".into()),
        Presence::Optional if !profile.media.is_empty() => {
            lines.push(format!("packed bags come as {}", any(&profile.media)));
        }
        Presence::Optional => {}
    }
    if !profile.versions.is_empty() {
        lines.push(format!("BagIt {}", any(&profile.versions)));
    }
    if profile.must_be_named {
        lines.push(format!("bag-info.txt names {}", one(&profile.identifier)));
    }
    if profile.folder_is_name {
        lines.push("the tar and the folder in it have one name".into());
    }
    kinds(&profile.manifests, "payload manifests", &mut lines);
    kinds(&profile.tag_manifests, "tag manifests", &mut lines);
    if profile.fetch != Presence::Optional {
        lines.push(format!("fetch.txt is {}", profile.fetch));
    }
    if profile.data_empty {
        lines.push("the payload is no file, or one empty file".into());
    }
    files(&profile.tag_files, "tag files", &mut lines);
    files(&profile.payload_files, "payload files", &mut lines);
    if profile.no_other_top_files {
        lines.push("no files at the top that are not named here".into());
    }
    if profile.no_other_folders {
        lines.push("no folders beside data/ that are not named here".into());
    }
    if let Some(names) = &profile.names {
        lines.push(format!("names of files: {}", one(&names.to_string())));
    }
    lines.extend(profile.tags.iter().filter_map(tag));
    lines
}

fn one(text: &str) -> String {
    escape(text.as_bytes())
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| one(text)).collect();
    texts.join(", ")
}

fn any(texts: &[String]) -> String {
    if texts.is_empty() { "anything".into() } else { format!("any of {}", list(texts)) }
}

fn kinds(kinds: &Kinds, what: &str, lines: &mut Vec<String>) {
    if !kinds.required.is_empty() {
        lines.push(format!("{what} required: {}", list(&kinds.required)));
    }
    if let Some(allowed) = &kinds.allowed {
        lines.push(format!("{what} allowed: {}", list(allowed)));
    }
    if !kinds.forbidden.is_empty() {
        lines.push(format!("{what} forbidden: {}", list(&kinds.forbidden)));
    }
}

fn files(files: &Files, what: &str, lines: &mut Vec<String>) {
    if !files.required.is_empty() {
        lines.push(format!("{what} required: {}", list(&files.required)));
    }
    if let Some(allowed) = files.allowed.as_ref().filter(|globs| !globs.iter().any(|glob| glob.0 == "*")) {
        let allowed: Vec<String> = allowed.iter().map(|glob| glob.0.clone()).collect();
        let allowed = if allowed.is_empty() { "none but BagIt's own".into() } else { list(&allowed) };
        lines.push(format!("{what} allowed: {allowed}"));
    }
    if !files.forbidden.is_empty() {
        lines.push(format!("{what} forbidden: {}", list(&files.forbidden)));
    }
}

fn tag(rule: &TagRule) -> Option<String> {
    let mut says: Vec<String> = Vec::new();
    match rule.presence {
        Presence::Required => says.push("required".into()),
        Presence::Forbidden => says.push("forbidden".into()),
        Presence::Optional if rule.recommended => says.push("recommended".into()),
        Presence::Optional => {}
    }
    if rule.presence == Presence::Required && rule.empty == Empty::Fine {
        says.push("may be empty".into());
    }
    if !rule.repeatable {
        says.push("once at most".into());
    }
    if !rule.values.is_empty() {
        let case = if rule.any_case { ", in any case" } else { "" };
        says.push(format!("any of {}{case}", list(&rule.values)));
    }
    (!says.is_empty()).then(|| format!("{} {}: {}", one(&rule.file), one(&rule.label), says.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::super::shipped;
    use super::*;

    #[test]
    fn a_profile_is_told_rule_by_rule() {
        let lines = describe(&shipped::find("aptrust-2.3").unwrap());
        for line in [
            "bags come packed: any of application/tar",
            "BagIt any of 0.97, 1.0",
            "the tar and the folder in it have one name",
            "payload manifests required: md5",
            "fetch.txt is forbidden",
            "aptrust-info.txt Title: required",
            "aptrust-info.txt Access: required; any of Consortia, Institution, Restricted, in any case",
        ] {
            assert!(lines.iter().any(|told| told == line), "{line} in {lines:#?}");
        }
        assert_eq!(describe(&Profile { ..Profile::default() }), [""; 0]);
    }
}
