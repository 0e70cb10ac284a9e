//! DART's JSON, as APTrust publishes its own profiles.
//!
//! - A tag without `required` may be absent and, when it is there, empty; one with it must have a value unless `emptyOk`.
//! - Values are compared without case, as APTrust's guide has it for Access.
//! - `defaultValue` and `userValue` fill forms; they excuse nothing in a bag.
//! - A bag need not name its profile: DART asks for the tag only where a profile lists it.

use super::json::{Page, Table};
use super::names::{Glob, NameRule};
use super::{Dialect, Empty, Files, Kinds, Presence, Profile, TagRule, plain_kind};

/// Reads a profile.
pub fn read<'t>(page: &mut Page<'t>, mut table: Table<'t>) -> Profile {
    let mut profile = Profile { dialect: Dialect::Dart, ..Profile::default() };
    info(page, &mut table, &mut profile);
    profile.versions = needed(page, &mut table, "acceptBagItVersion");
    let required = list(page, &mut table, "manifestsRequired");
    profile.manifests = kinds(required, needed(page, &mut table, "manifestsAllowed"));
    let required = list(page, &mut table, "tagManifestsRequired");
    profile.tag_manifests = kinds(required, list(page, &mut table, "tagManifestsAllowed"));
    if !page.flag_of(&mut table, "allowFetchTxt", true) {
        profile.fetch = Presence::Forbidden;
    }
    profile.folder_is_name = page.flag_of(&mut table, "tarDirMustMatchName", false);
    let allowed = list(page, &mut table, "tagFilesAllowed");
    profile.tag_files = Files {
        required: list(page, &mut table, "tagFilesRequired"),
        allowed: (!allowed.is_empty()).then(|| allowed.into_iter().map(Glob).collect()),
        ..Files::default()
    };
    serialization(page, &mut table, &mut profile);
    if let Some(node) = table.take("tags") {
        for row in page.list(&node).unwrap_or_default() {
            let rule = page.table(&row).and_then(|table| tag(page, table));
            profile.tags.extend(rule);
        }
        said_twice(&mut profile);
    } else {
        page.wrong_field("tags", "it is missing; a profile without rules for tags has an empty list");
    }
    for known in [
        "id",
        "userCanDelete",
        "required",
        "errors",
        "description",
        "baseProfileId",
        "isBuiltIn",
        "help",
        "deleteTagsFromFile",
        "isUserAdded",
    ] {
        table.take(known);
    }
    super::standard::unknown(page, table);
    profile
}

/// DART's profiles list the versions they accept twice; one fault must be told once.
fn said_twice(profile: &mut Profile) {
    let versions = &profile.versions;
    for rule in &mut profile.tags {
        let of_version = rule.file == "bagit.txt" && rule.label.eq_ignore_ascii_case("BagIt-Version");
        if of_version && versions.iter().all(|version| rule.values.contains(version)) {
            rule.values.retain(|value| !versions.contains(value));
        }
    }
}

fn info<'t>(page: &mut Page<'t>, table: &mut Table<'t>, profile: &mut Profile) {
    let name = page.text_of(table, "name").unwrap_or_default();
    let Some(mut info) = page.table_of(table, "bagItProfileInfo") else {
        profile.title = name;
        return;
    };
    let identifier = page.text_of(&mut info, "bagItProfileIdentifier").unwrap_or_default();
    profile.identifier = identifier.trim().to_string();
    let version = page.text_of(&mut info, "version").unwrap_or_default();
    profile.title = if name.contains(&version) { name } else { format!("{name} {version}") };
    if profile.title.trim().is_empty() {
        profile.title = "a profile without a name".into();
    }
    // DART's JSON has no word for names of files. APTrust's guide has, for the bags that its profiles describe.
    let publisher = page.text_of(&mut info, "sourceOrganization").unwrap_or_default();
    if publisher == "aptrust.org" {
        profile.names = Some(NameRule::Guide);
    }
}

/// A list without the empty texts that DART's forms leave in it.
fn list<'t>(page: &mut Page<'t>, table: &mut Table<'t>, name: &str) -> Vec<String> {
    let mut texts = page.texts_of(table, name).unwrap_or_default();
    texts.retain(|text| !text.trim().is_empty());
    texts
}

fn kinds(required: Vec<String>, allowed: Vec<String>) -> Kinds {
    let plain = |kinds: Vec<String>| kinds.iter().map(|kind| plain_kind(kind)).collect();
    let any = allowed.is_empty();
    Kinds { required: plain(required), allowed: (!any).then(|| plain(allowed)), forbidden: Vec::new() }
}

/// A list that must not be empty.
fn needed<'t>(page: &mut Page<'t>, table: &mut Table<'t>, name: &str) -> Vec<String> {
    let Some(node) = table.take(name) else {
        page.wrong_field(name, "it is missing; at least one is needed");
        return Vec::new();
    };
    let Some(mut texts) = page.texts(&node) else { return Vec::new() };
    texts.retain(|text| !text.trim().is_empty());
    if texts.is_empty() {
        page.wrong(&node, "it is empty; at least one is needed");
    }
    texts
}

fn serialization<'t>(page: &mut Page<'t>, table: &mut Table<'t>, profile: &mut Profile) {
    if let Some(node) = table.take("serialization")
        && let Some(word) = page.text(&node)
    {
        match Presence::from_word(&word) {
            Some(presence) => profile.serialization = presence,
            None => page.wrong(&node, format!("\"{word}\" is none of forbidden, required, optional")),
        }
    }
    profile.media = list(page, table, "acceptSerialization");
    if profile.serialization == Presence::Required && profile.media.is_empty() {
        page.wrong_field(
            "acceptSerialization",
            "it is empty; a serialised bag needs at least one media type",
        );
    }
}

fn tag<'t>(page: &mut Page<'t>, mut table: Table<'t>) -> Option<TagRule> {
    let field = table.field().to_string();
    let file = page.text_of(&mut table, "tagFile").unwrap_or_default();
    let label = page.text_of(&mut table, "tagName").unwrap_or_default();
    if file.trim().is_empty() || label.trim().is_empty() {
        page.wrong_field(field, "a tag needs tagFile and tagName");
        return None;
    }
    let required = page.flag_of(&mut table, "required", false);
    // Both spellings are in published profiles.
    let empty_ok = page.flag_of(&mut table, "emptyOk", false) | page.flag_of(&mut table, "emptyOK", false);
    Some(TagRule {
        file: file.trim().to_string(),
        label: label.trim().to_string(),
        presence: if required { Presence::Required } else { Presence::Optional },
        empty: if empty_ok { Empty::Fine } else { Empty::Wrong },
        values: list(page, &mut table, "values"),
        any_case: true,
        repeatable: true,
        recommended: false,
    })
}
