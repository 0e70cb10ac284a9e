//! Profiles at the command line: list, show, add, remove, check. No daemon is asked, and nothing is fetched.

use super::args::ProfileVerb;
use super::table::Table;
use super::talk::Told;
use super::{Screen, offline};
use crate::books::config::{Config, Given};
use crate::books::profiles::{self, Listed, ProfileError};
use crate::doors::exit::{self, Exit};
use crate::model::finding::escape;
use crate::rules::bagit::profile::Profile;
use crate::rules::bagit::profile::describe::describe;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::SCHEMA;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Answers.
pub fn run(screen: &Screen, verb: &ProfileVerb, given: &Given) -> Told<Exit> {
    match verb {
        ProfileVerb::List => list(screen, &registry(screen, given)?),
        ProfileVerb::Show { profile } => show(screen, profile, &registry(screen, given)?),
        ProfileVerb::Add { file, name } => add(screen, &registry(screen, given)?, file, name.as_deref()),
        ProfileVerb::Remove { name } => remove(screen, &registry(screen, given)?, name),
        ProfileVerb::Check { file } => check(screen, file),
    }
}

fn registry(screen: &Screen, given: &Given) -> Told<PathBuf> {
    match Config::load(given) {
        Ok(config) => Ok(profiles::folder_of(&config.data)),
        Err(faults) => Err(offline::first_of(screen, faults)),
    }
}

/// What is wrong with a profile, as a complaint.
pub fn complaint(doing: &str, error: &ProfileError) -> Box<Complaint> {
    let sort = match error {
        ProfileError::Unknown { .. } => Sort::NotFound,
        ProfileError::Changed { .. } | ProfileError::Wrong { .. } | ProfileError::Pins { .. } => {
            Sort::Refused
        }
        ProfileError::Name { .. } => Sort::Usage,
        ProfileError::Io { .. } => Sort::Io,
    };
    Box::new(Complaint::new(sort, doing).because(error.to_string()).then_try(error.advice()))
}

fn row(listed: &Listed) -> serde_json::Value {
    let (sound, what) = match &listed.state {
        Ok(title) => (true, title),
        Err(why) => (false, why),
    };
    json!({
        "name": listed.name, "sha256": listed.sha256, "shipped": listed.shipped, "sound": sound, "about": what,
    })
}

fn list(screen: &Screen, registry: &Path) -> Told<Exit> {
    let rows =
        profiles::list(registry).map_err(|error| complaint("the profiles cannot be listed", &error))?;
    let broken = rows.iter().any(|row| row.state.is_err());
    let exit = if broken { exit::WRONG } else { exit::DONE };
    if screen.json {
        let rows: Vec<_> = rows.iter().map(row).collect();
        screen.document(&json!({ "schema": SCHEMA, "profiles": rows }));
        return Ok(exit);
    }
    let mut table = Table::new(&["NAME", "FROM", "SHA256", "ABOUT"]);
    for listed in &rows {
        let from = if listed.shipped { "strongroom" } else { "taken in" };
        let about = match &listed.state {
            Ok(title) => title.clone(),
            Err(why) => format!("cannot be used: {why}"),
        };
        table.row(vec![
            listed.name.as_str().into(),
            from.into(),
            listed.sha256.get(..12).unwrap_or_default().into(),
            about.into(),
        ]);
    }
    screen.text(&table.render(&screen.style));
    Ok(exit)
}

fn show(screen: &Screen, asked: &str, registry: &Path) -> Told<Exit> {
    let failed = |error: ProfileError| complaint("the profile cannot be shown", &error);
    let profile = profiles::find(asked, Some(registry)).map_err(failed)?;
    let bytes = profiles::text(asked, Some(registry)).map_err(failed)?;
    let (rules, faults) = (describe(&profile), faults_of(&profile));
    let exit = if profile.is_sound() { exit::DONE } else { exit::WRONG };
    if screen.json {
        screen.document(&json!({
            "schema": SCHEMA, "name": asked, "title": profile.title, "identifier": profile.identifier,
            "sha256": profile.sha256, "dialect": profile.dialect.to_string(), "rules": rules,
            "notes": profile.notes, "faults": faults, "text": String::from_utf8_lossy(&bytes),
        }));
        return Ok(exit);
    }
    screen.line(&format!("{}  ({})", profile.title, profile.dialect));
    if !profile.identifier.is_empty() {
        screen.line(&format!("identifier {}", escape(profile.identifier.as_bytes())));
    }
    screen.line(&format!("sha256 {}", profile.sha256));
    rules.iter().for_each(|rule| screen.line(&format!("  {rule}")));
    if rules.is_empty() && profile.is_sound() {
        screen.line("  asks for nothing beyond BagIt itself");
    }
    told(screen, &profile);
    Ok(exit)
}

fn add(screen: &Screen, registry: &Path, file: &Path, name: Option<&str>) -> Told<Exit> {
    let doing = format!("{} is not taken in", escape(file.as_os_str().as_encoded_bytes()));
    let added = profiles::add(registry, file, name).map_err(|error| complaint(&doing, &error))?;
    if screen.json {
        screen.document(&json!({ "schema": SCHEMA, "profile": row(&added) }));
    }
    screen.line(&format!("profile {} is taken in, sha256 {}", added.name, added.sha256));
    screen.hint(&format!(
        "to judge a depositor's bags by it: profile = \"{}\" in its [[depositor]]",
        added.name
    ));
    Ok(exit::DONE)
}

fn remove(screen: &Screen, registry: &Path, name: &str) -> Told<Exit> {
    let doing = format!("profile {} is not removed", escape(name.as_bytes()));
    profiles::remove(registry, name).map_err(|error| complaint(&doing, &error))?;
    if screen.json {
        screen.document(&json!({ "schema": SCHEMA, "removed": name }));
    }
    screen.line(&format!("profile {name} is removed"));
    Ok(exit::DONE)
}

fn check(screen: &Screen, file: &Path) -> Told<Exit> {
    let shown = escape(file.as_os_str().as_encoded_bytes());
    let profile =
        profiles::of_file(file).map_err(|error| complaint(&format!("{shown} is not checked"), &error))?;
    let exit = if profile.is_sound() { exit::DONE } else { exit::WRONG };
    if screen.json {
        screen.document(&json!({
            "schema": SCHEMA, "ok": profile.is_sound(), "title": profile.title, "sha256": profile.sha256,
            "dialect": profile.dialect.to_string(), "notes": profile.notes, "faults": faults_of(&profile),
        }));
        return Ok(exit);
    }
    match profile.is_sound() {
        true => screen.line(&format!("ok    {shown}: {} ({})", profile.title, profile.dialect)),
        false => screen.line(&format!("FAIL  {shown}: it cannot be applied")),
    }
    told(screen, &profile);
    Ok(exit)
}

fn faults_of(profile: &Profile) -> Vec<serde_json::Value> {
    let fault = |fault: &crate::rules::bagit::profile::Fault| json!({ "line": fault.line, "field": fault.field, "what": fault.what });
    profile.faults.iter().map(fault).collect()
}

fn told(screen: &Screen, profile: &Profile) {
    for fault in &profile.faults {
        screen.line(&format!("  wrong: {}", escape(fault.to_string().as_bytes())));
    }
    for note in &profile.notes {
        screen.line(&format!("  note: {}", escape(note.as_bytes())));
    }
}
