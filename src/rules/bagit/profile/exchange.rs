//! The configuration of APTrust's exchange: which files and tags must, may or must not be there.
//!
//! - It has no identifier, so no bag can name it.
//! - Values are compared without case.
//! - `FixityAlgorithms` says what exchange computes; it asks nothing of a bag.

use super::json::{Page, Table};
use super::names::NameRule;
use super::{Dialect, Empty, Presence, Profile, TagRule, plain_kind};
use crate::rules::bagit::manifest::Manifest;

/// Reads a configuration.
pub fn read<'t>(page: &mut Page<'t>, mut table: Table<'t>) -> Profile {
    let mut profile = Profile {
        dialect: Dialect::Exchange,
        title: "the exchange configuration".into(),
        ..Profile::default()
    };
    if !page.flag_of(&mut table, "AllowFetchTxt", false) {
        profile.fetch = Presence::Forbidden;
    }
    profile.no_other_top_files = !page.flag_of(&mut table, "AllowMiscTopLevelFiles", false);
    profile.no_other_folders = !page.flag_of(&mut table, "AllowMiscDirectories", false);
    profile.folder_is_name = page.flag_of(&mut table, "TopLevelDirMustMatchBagName", false);
    if let Some(files) = page.table_of(&mut table, "FileSpecs") {
        for (path, node) in files.rest() {
            if let Some(spec) = page.table(&node) {
                file(page, &path, spec, &mut profile);
            }
        }
    }
    if let Some(tags) = page.table_of(&mut table, "TagSpecs") {
        for (label, node) in tags.rest() {
            let rule = page.table(&node).and_then(|spec| tag(page, label, spec));
            profile.tags.extend(rule);
        }
    }
    if let Some(node) = table.take("FileNamePattern")
        && let Some(text) = page.text(&node).filter(|text| !text.is_empty())
    {
        match NameRule::from_config(&text) {
            Ok(rule) => profile.names = Some(rule),
            Err(why) => page.wrong(&node, why),
        }
    }
    for known in ["FixityAlgorithms", "FileNamePattern_Comment"] {
        table.take(known);
    }
    super::standard::unknown(page, table);
    profile
}

fn presence<'t>(page: &mut Page<'t>, spec: &mut Table<'t>) -> Option<Presence> {
    let field = spec.field().to_string();
    let Some(node) = spec.take("Presence") else {
        page.wrong_field(field, "Presence is missing: required, optional or forbidden");
        return None;
    };
    let word = page.text(&node)?;
    let presence = Presence::from_word(&word);
    if presence.is_none() {
        page.wrong(&node, format!("\"{word}\" is none of required, optional, forbidden"));
    }
    presence
}

fn file<'t>(page: &mut Page<'t>, path: &str, mut spec: Table<'t>, profile: &mut Profile) {
    let presence = presence(page, &mut spec);
    // Every tag file that a rule speaks of is read as one.
    spec.take("ParseAsTagFile");
    super::standard::unknown(page, spec);
    let manifest = Manifest::from_path(path.as_bytes());
    let Some(manifest) = manifest else {
        let list = match presence {
            Some(Presence::Required) => &mut profile.tag_files.required,
            Some(Presence::Forbidden) => &mut profile.tag_files.forbidden,
            Some(Presence::Optional) | None => &mut profile.tag_files.optional,
        };
        list.push(path.to_string());
        return;
    };
    let kinds = if manifest.is_tag { &mut profile.tag_manifests } else { &mut profile.manifests };
    match presence {
        Some(Presence::Required) => kinds.required.push(plain_kind(&manifest.label)),
        Some(Presence::Forbidden) => kinds.forbidden.push(plain_kind(&manifest.label)),
        // Manifests that nobody asks for are BagIt's own affair.
        Some(Presence::Optional) | None => {}
    }
}

fn tag<'t>(page: &mut Page<'t>, label: String, mut spec: Table<'t>) -> Option<TagRule> {
    let field = spec.field().to_string();
    let presence = presence(page, &mut spec)?;
    let file = page.text_of(&mut spec, "FilePath").unwrap_or_default();
    if file.trim().is_empty() {
        page.wrong_field(field, "FilePath is missing: the tag file in which the tag stands");
        return None;
    }
    let empty_ok = page.flag_of(&mut spec, "EmptyOK", false);
    let rule = TagRule {
        file: file.trim().to_string(),
        label,
        presence,
        empty: if empty_ok { Empty::Fine } else { Empty::Wrong },
        values: page.texts_of(&mut spec, "AllowedValues").unwrap_or_default(),
        any_case: true,
        repeatable: true,
        recommended: false,
    };
    super::standard::unknown(page, spec);
    Some(rule)
}
