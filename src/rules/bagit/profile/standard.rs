//! The BagIt Profiles Specification, 1.1 to 1.4, with `Other-Info` for further tag files.
//!
//! - A field that came with a later version of the specification than the profile declares is passed over and noted.
//! - `Strongroom` holds what the specification has no word for; our own profiles use it, and others may.

use super::json::{Node, Page, Table};
use super::names::{Glob, NameRule};
use super::{Dialect, Empty, Files, Kinds, Presence, Profile, TagRule, plain_kind};

/// A version of the specification.
type Spec = (u32, u32);

/// The newest whose fields we know.
const NEWEST: Spec = (1, 4);

/// Reads a profile.
pub fn read<'t>(page: &mut Page<'t>, mut table: Table<'t>) -> Profile {
    let mut profile = Profile { dialect: Dialect::Standard, must_be_named: true, ..Profile::default() };
    let spec = info(page, &mut table, &mut profile);
    if let Some(tags) = table.take("Bag-Info") {
        rules(page, &tags, "bag-info.txt", &mut profile.tags);
    }
    if let Some(other) = table.take("Other-Info") {
        other_info(page, &other, &mut profile);
    }
    let required = page.texts_of(&mut table, "Manifests-Required").unwrap_or_default();
    let allowed = since(page, &mut table, spec, (1, 3), "Manifests-Allowed");
    profile.manifests = kinds(page, required, allowed);
    let required = page.texts_of(&mut table, "Tag-Manifests-Required").unwrap_or_default();
    let allowed = since(page, &mut table, spec, (1, 3), "Tag-Manifests-Allowed");
    profile.tag_manifests = kinds(page, required, allowed);
    fetch(page, &mut table, spec, &mut profile);
    if let Some(node) = since(page, &mut table, spec, (1, 4), "Data-Empty") {
        profile.data_empty = page.flag(&node).unwrap_or(false);
    }
    serialization(page, &mut table, &mut profile);
    versions(page, &mut table, &mut profile);
    profile.tag_files = Files {
        required: page.texts_of(&mut table, "Tag-Files-Required").unwrap_or_default(),
        allowed: since(page, &mut table, spec, (1, 2), "Tag-Files-Allowed")
            .and_then(|node| globs(page, &node)),
        ..Files::default()
    };
    let required = since(page, &mut table, spec, (1, 4), "Payload-Files-Required");
    let allowed = since(page, &mut table, spec, (1, 4), "Payload-Files-Allowed");
    profile.payload_files = Files {
        required: required
            .and_then(|node| page.texts(&node))
            .unwrap_or_default()
            .into_iter()
            .map(payload)
            .collect(),
        allowed: allowed
            .and_then(|node| globs(page, &node))
            .map(|globs| globs.into_iter().map(|glob| Glob(payload(glob.0))).collect()),
        ..Files::default()
    };
    if let Some(ours) = table.take("Strongroom") {
        extension(page, &ours, &mut profile);
    }
    unknown(page, table);
    profile
}

/// Payload files are named from the top of the bag; some write them from data/ on.
fn payload(path: String) -> String {
    if path.starts_with("data/") || path == "*" { path } else { format!("data/{path}") }
}

/// Names once what nobody asked for.
pub fn unknown(page: &mut Page<'_>, table: Table<'_>) {
    let place = table.field().to_string();
    let names: Vec<String> = table.rest().into_iter().map(|(name, _)| name).collect();
    if names.is_empty() {
        return;
    }
    let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
    let place = if place.is_empty() { String::new() } else { format!(" in {place}") };
    let more = if names.len() > shown.len() { " and more" } else { "" };
    page.note(format!("passed over, because we do not know it{place}: {}{more}", shown.join(", ")));
}

fn info<'t>(page: &mut Page<'t>, table: &mut Table<'t>, profile: &mut Profile) -> Spec {
    let Some(node) = table.take("BagIt-Profile-Info") else {
        page.wrong_field("BagIt-Profile-Info", "it is missing; it says which profile this is");
        return NEWEST;
    };
    let Some(mut info) = page.table(&node) else { return NEWEST };
    let mut needed = |page: &mut Page<'t>, name: &str| {
        if !info.has(name) {
            page.wrong(&node, format!("{name} is missing"));
        }
        page.text_of(&mut info, name).unwrap_or_default()
    };
    profile.identifier = needed(page, "BagIt-Profile-Identifier").trim().to_string();
    let organization = needed(page, "Source-Organization");
    needed(page, "External-Description");
    let version = needed(page, "Version");
    profile.title = format!("{organization} {version}").trim().to_string();
    let Some(spec) = info.take("BagIt-Profile-Version") else { return (1, 1) };
    let Some(text) = page.text(&spec) else { return NEWEST };
    // DART writes it empty.
    if text.trim().is_empty() {
        return (1, 1);
    }
    let mut numbers = text.trim().split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(1), Some(minor)) if (1, minor) > NEWEST => {
            page.note(format!("it is written for version {text} of the specification; we know 1.1 to 1.4"));
            NEWEST
        }
        (Some(1), Some(minor)) => (1, minor),
        _ => {
            page.wrong(
                &spec,
                format!("\"{text}\" is no version of the specification that we know (1.1 to 1.4)"),
            );
            NEWEST
        }
    }
}

/// A field that came with this version of the specification.
fn since<'t>(
    page: &mut Page<'t>,
    table: &mut Table<'t>,
    spec: Spec,
    needs: Spec,
    name: &str,
) -> Option<Node<'t>> {
    let node = table.take(name)?;
    if spec >= needs {
        return Some(node);
    }
    page.note(format!(
        "{name} came with version {}.{} of the specification, the profile is written for {}.{}: passed over",
        needs.0, needs.1, spec.0, spec.1
    ));
    None
}

fn kinds<'t>(page: &mut Page<'t>, required: Vec<String>, allowed: Option<Node<'t>>) -> Kinds {
    let allowed = allowed.and_then(|node| {
        let kinds = page.texts(&node)?;
        if kinds.is_empty() {
            // A bag without any manifest is no bag, so nobody can mean it.
            page.note("an empty list of allowed manifests allows any");
            return None;
        }
        Some(kinds.iter().map(|kind| plain_kind(kind)).collect())
    });
    let required = required.iter().map(|kind| plain_kind(kind)).collect();
    Kinds { required, allowed, forbidden: Vec::new() }
}

fn globs<'t>(page: &mut Page<'t>, node: &Node<'t>) -> Option<Vec<Glob>> {
    Some(page.texts(node)?.into_iter().map(Glob).collect())
}

fn fetch<'t>(page: &mut Page<'t>, table: &mut Table<'t>, spec: Spec, profile: &mut Profile) {
    let allowed = page.flag_of(table, "Allow-Fetch.txt", true);
    let required = since(page, table, spec, (1, 4), "Fetch.txt-Required");
    let demanded = required.as_ref().and_then(|node| page.flag(node)).unwrap_or(false);
    profile.fetch = match (allowed, demanded, &required) {
        (false, true, Some(node)) => {
            page.wrong(node, "fetch.txt is required, and not allowed by Allow-Fetch.txt");
            Presence::Forbidden
        }
        (false, ..) => Presence::Forbidden,
        (true, true, _) => Presence::Required,
        (true, false, _) => Presence::Optional,
    };
}

fn serialization<'t>(page: &mut Page<'t>, table: &mut Table<'t>, profile: &mut Profile) {
    let given = table.take("Serialization");
    if let Some(node) = &given
        && let Some(word) = page.text(node)
    {
        match Presence::from_word(&word) {
            Some(presence) => profile.serialization = presence,
            None => page.wrong(node, format!("\"{word}\" is none of forbidden, required, optional")),
        }
    }
    let Some(media) = table.take("Accept-Serialization") else {
        if profile.serialization == Presence::Required {
            page.wrong_field(
                "Accept-Serialization",
                "it is missing; a serialised bag needs at least one media type",
            );
        }
        return;
    };
    profile.media = page.texts(&media).unwrap_or_default();
    if given.is_some() && profile.serialization != Presence::Forbidden && profile.media.is_empty() {
        page.wrong(&media, "it is empty; a serialised bag needs at least one media type");
    }
}

fn versions<'t>(page: &mut Page<'t>, table: &mut Table<'t>, profile: &mut Profile) {
    let Some(node) = table.take("Accept-BagIt-Version") else {
        page.wrong_field(
            "Accept-BagIt-Version",
            "it is missing; at least one version is needed, as [\"1.0\"]",
        );
        return;
    };
    let Some(rows) = page.list(&node) else { return };
    if rows.is_empty() {
        page.wrong(&node, "it is empty; at least one version is needed, as [\"1.0\"]");
    }
    for row in rows {
        // Guessing would be worse: many a tool writes the number 1.0 as 1.
        if row.is_number() {
            page.wrong(&row, format!("{} is a number; versions are text: write it in quotes", row.written()));
        } else {
            profile.versions.extend(page.text(&row));
        }
    }
}

/// Rules for the tags of one file.
fn rules<'t>(page: &mut Page<'t>, node: &Node<'t>, file: &str, into: &mut Vec<TagRule>) {
    let Some(tags) = page.table(node) else { return };
    for (label, node) in tags.rest() {
        let Some(mut rule) = page.table(&node) else { continue };
        let required = page.flag_of(&mut rule, "required", false);
        let empty = match rule.take("emptyOk").and_then(|node| page.flag(&node)) {
            None => Empty::Unsaid,
            Some(true) => Empty::Fine,
            Some(false) => Empty::Wrong,
        };
        page.text_of(&mut rule, "description");
        into.push(TagRule {
            file: file.to_string(),
            label: label.trim().to_string(),
            presence: if required { Presence::Required } else { Presence::Optional },
            empty,
            values: page.texts_of(&mut rule, "values").unwrap_or_default(),
            any_case: page.flag_of(&mut rule, "valuesAnyCase", false),
            repeatable: page.flag_of(&mut rule, "repeatable", true),
            recommended: page.flag_of(&mut rule, "recommended", false),
        });
        unknown(page, rule);
    }
}

/// `Other-Info`: a list of objects, each from a tag file's name to its rules. Who writes something else there means
/// something else by it.
fn other_info<'t>(page: &mut Page<'t>, node: &Node<'t>, profile: &mut Profile) {
    let elsewhere = "Other-Info is not a list of tag files with rules: passed over";
    if !node.is_list() {
        page.note(elsewhere);
        return;
    }
    for row in page.list(node).unwrap_or_default() {
        let Some(files) = row.is_table().then(|| page.table(&row)).flatten() else {
            page.note(elsewhere);
            continue;
        };
        for (name, tags) in files.rest() {
            if tags.is_table() {
                rules(page, &tags, &file_of(&name), &mut profile.tags);
            } else {
                page.note(elsewhere);
            }
        }
    }
}

/// `APTrust-Info` means aptrust-info.txt.
fn file_of(name: &str) -> String {
    match name.ends_with(".txt") {
        true => name.to_string(),
        false => format!("{}.txt", name.to_ascii_lowercase()),
    }
}

fn extension<'t>(page: &mut Page<'t>, node: &Node<'t>, profile: &mut Profile) {
    let Some(mut table) = page.table(node) else { return };
    if let Some(title) = page.text_of(&mut table, "title") {
        profile.title = title;
    }
    profile.aliases = page.texts_of(&mut table, "aliases").unwrap_or_default();
    profile.must_be_named = page.flag_of(&mut table, "mustBeNamed", true);
    profile.folder_is_name = page.flag_of(&mut table, "folderIsName", false);
    if let Some(node) = table.take("fileNames")
        && let Some(text) = page.text(&node)
    {
        match NameRule::from_config(&text) {
            Ok(rule) => profile.names = Some(rule),
            Err(why) => page.wrong(&node, why),
        }
    }
    unknown(page, table);
}
