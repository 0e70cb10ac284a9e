//! What a configuration must not say, and what changed between two of them.

use super::fault::Fault;
use super::keys::Key;
use super::tree::{Tree, Value};
use super::{Config, Effective, PlaceConfig};
use crate::books::profiles;
use crate::worlds::outlet::places::OutAt;
use crate::worlds::source::configured::{BucketPlace, Place, SourceConfig};
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that is wrong and can be told without asking a disk.
pub fn faults(config: &Config, tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    unique(&config.staging, "staging", tree, &mut faults);
    unique(&config.targets, "target", tree, &mut faults);
    for target in
        config.targets.iter().filter(|target| config.staging.iter().any(|volume| volume.name == target.name))
    {
        let fault =
            Fault::new(format!("a [[staging]] and a [[target]] both have the name \"{}\"", target.name))
                .because("promises of space are kept by name");
        faults.push(at(fault, name_line(tree, "target", &target.name, 0)));
    }
    depositors(config, tree, &mut faults);
    policies(config, tree, &mut faults);
    sources(config, tree, &mut faults);
    separate(config, &mut faults);
    buckets_apart(config, tree, &mut faults);
    faults.extend(super::deleting::faults(config, tree));
    if config.retry.longest < config.retry.first {
        faults.push(
            Fault::new("retry.longest is shorter than retry.first")
                .line(line(tree, "retry.longest").or(line(tree, "retry.first")).unwrap_or(1))
                .because("pauses grow from the first to the longest"),
        );
    }
    faults
}

fn line(tree: &Tree, path: &str) -> Option<usize> {
    tree.settings.get(path).map(|setting| setting.line)
}

fn at(fault: Fault, line: Option<usize>) -> Fault {
    match line {
        Some(line) => fault.line(line),
        None => fault,
    }
}

fn name_line(tree: &Tree, table: &str, name: &str, nth: usize) -> Option<usize> {
    let is = |setting: &&super::tree::Setting| setting.value == Value::Text(name.to_string());
    let mut lines: Vec<usize> = tree
        .settings
        .iter()
        .filter(|(path, _)| path.starts_with(&format!("{table}[")) && path.ends_with("].name"))
        .map(|(_, setting)| setting)
        .filter(is)
        .map(|setting| setting.line)
        .collect();
    lines.sort_unstable();
    lines.get(nth).or(lines.last()).copied()
}

fn unique(places: &[PlaceConfig], table: &str, tree: &Tree, faults: &mut Vec<Fault>) {
    for (place, one) in places.iter().enumerate() {
        if one.name == super::RECORDS {
            let fault = Fault::new(format!("no [[{table}]] may have the name \"{}\"", one.name))
                .because("a volume of this name lies beside the ledger already");
            faults.push(at(fault, name_line(tree, table, &one.name, 0)));
        }
        if places[..place].iter().any(|other| other.name == one.name) {
            let fault = Fault::new(format!("two [[{table}]] have the name \"{}\"", one.name))
                .because("a name stands for one place in every record");
            faults.push(at(fault, name_line(tree, table, &one.name, 1)));
        }
    }
}

fn depositors(config: &Config, tree: &Tree, faults: &mut Vec<Fault>) {
    for (place, depositor) in config.depositors.iter().enumerate() {
        if config.depositors[..place].iter().any(|other| other.name == depositor.name) {
            let fault = Fault::new(format!("two [[depositor]] have the name \"{}\"", depositor.name));
            faults.push(at(fault, name_line(tree, "depositor", &depositor.name, 1)));
        }
        if config.policy(&depositor.policy).is_none() {
            let known: Vec<&str> = config.policies.iter().map(|policy| policy.name.as_str()).collect();
            let fault =
                Fault::new(format!("depositor {} follows a policy that is not there", depositor.name))
                    .because(format!("\"{}\" is none of {}", depositor.policy, known.join(", ")))
                    .then_try(format!("[policy.{}]", depositor.policy));
            faults.push(at(fault, name_line(tree, "depositor", &depositor.name, 0)));
        }
    }
}

fn sources(config: &Config, tree: &Tree, faults: &mut Vec<Fault>) {
    for (place, source) in config.sources.iter().enumerate() {
        if config.sources[..place].iter().any(|other| other.name == source.name) {
            let fault = Fault::new(format!("two [[source]] have the name \"{}\"", source.name))
                .because("deposits are known by the name of their source");
            faults.push(at(fault, name_line(tree, "source", &source.name, 1)));
        }
        let known = config.depositors.iter().any(|depositor| depositor.name == source.depositor);
        if !known && !config.any_depositor {
            let names: Vec<&str> =
                config.depositors.iter().map(|depositor| depositor.name.as_str()).collect();
            let near = super::keys::nearest(&source.depositor, names.iter().copied());
            let fault = Fault::new(format!("source {} is of a depositor that is not there", source.name))
                .because(format!("\"{}\" is none of {}", source.depositor, names.join(", ")))
                .then_try(near.map_or(String::new(), |near| format!("did you mean \"{near}\"?")));
            faults.push(at(fault, name_line(tree, "source", &source.name, 0)));
        }
    }
}

fn policies(config: &Config, tree: &Tree, faults: &mut Vec<Fault>) {
    for policy in &config.policies {
        let path = format!("policy.{}", policy.name);
        let header = tree.tables.get(&path).copied();
        let targets_line = line(tree, &format!("{path}.targets")).or(header);
        for (place, name) in policy.targets.iter().enumerate() {
            if policy.targets[..place].contains(name) {
                let fault = Fault::new(format!("policy {} names target \"{name}\" twice", policy.name))
                    .because("two copies on one target are one copy");
                faults.push(at(fault, targets_line));
            }
            if config.target(name).is_none() {
                let known: Vec<&str> = config.targets.iter().map(|target| target.name.as_str()).collect();
                let near = super::keys::nearest(name, known.iter().copied()).map(String::from);
                let fault = Fault::new(format!("policy {} names a target that is not there", policy.name))
                    .because(format!("\"{name}\" is none of {}", known.join(", ")))
                    .then_try(near.map_or(String::new(), |near| format!("did you mean \"{near}\"?")));
                faults.push(at(fault, targets_line));
            }
        }
        if policy.copies > policy.targets.len() {
            let fault = Fault::new(format!("policy {} can never be met", policy.name))
                .because(format!("it asks for {} copies on {} targets", policy.copies, policy.targets.len()))
                .so("no object of it would ever be kept");
            faults.push(at(fault, line(tree, &format!("{path}.copies")).or(targets_line)));
        }
        let accepted = tree.settings.get(&format!("{path}.i_accept_one_copy")).map(|setting| &setting.value);
        if policy.copies < 2 && accepted != Some(&Value::Flag(true)) {
            let fault = Fault::new(format!("policy {} asks for one copy", policy.name))
                .because("with one copy, one broken disk loses every object")
                .then_try("copies = 2, or, if that is meant, i_accept_one_copy = true");
            faults.push(at(fault, line(tree, &format!("{path}.copies")).or(header)));
        }
    }
}

/// No place may lie in another: a target that is filled with staging, or cleared with it, is no target.
fn separate(config: &Config, faults: &mut Vec<Fault>) {
    let mut places: Vec<(String, &Path)> = vec![("the ledger".into(), &config.ledger)];
    places.extend(config.mirror.as_deref().map(|path| ("the ledger's mirror".to_string(), path)));
    places.extend(
        config
            .staging
            .iter()
            .filter_map(|place| Some((format!("staging volume {}", place.name), place.folder()?))),
    );
    places.extend(
        config.targets.iter().filter_map(|place| Some((format!("target {}", place.name), place.folder()?))),
    );
    places.extend(config.serve.inbox.as_deref().map(|path| ("the inbox".to_string(), path)));
    for source in &config.sources {
        if let Place::Folder { path } = &source.place {
            places.push((format!("source {}", source.name), path));
        }
    }
    for place in &config.restoring.places {
        if let OutAt::Folder(path) = &place.at {
            places.push((format!("place {}", place.name), path));
        }
    }
    for (place, (name, path)) in places.iter().enumerate() {
        for (other_name, other) in &places[..place] {
            if path.starts_with(other) || other.starts_with(path) {
                faults.push(
                    Fault::new(format!("{name} and {other_name} are not apart"))
                        .because(format!("one is {}, the other {}", path.display(), other.display()))
                        .then_try("give each a folder of its own, none below another"),
                );
            }
        }
    }
}

/// No bucket's target may lie in another, or where deposits arrive: what is listed as a deposit could be a copy.
fn buckets_apart(config: &Config, tree: &Tree, faults: &mut Vec<Fault>) {
    let targets = config.targets.iter().filter_map(|target| {
        let place = &target.bucket()?.place;
        let prefix = place.prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Some(("target", &target.name, place, prefix))
    });
    let sources = config.sources.iter().filter_map(|source| match &source.place {
        Place::Bucket(place) => Some(("source", &source.name, place, place.prefix.clone())),
        _ => None,
    });
    let outlets = config.restoring.places.iter().filter_map(|outlet| {
        let OutAt::Bucket(bucket) = &outlet.at else { return None };
        let prefix = bucket.place.prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Some(("place", &outlet.name, &bucket.place, prefix))
    });
    let places: Vec<_> = targets.chain(sources).chain(outlets).collect();
    let endpoint = |place: &BucketPlace| {
        place.endpoint.as_ref().map(|endpoint| endpoint.trim_end_matches('/').to_ascii_lowercase())
    };
    for (number, (kind, name, place, prefix)) in places.iter().enumerate() {
        for (other_kind, other_name, other, other_prefix) in &places[..number] {
            let one_bucket = place.bucket == other.bucket && endpoint(place) == endpoint(other);
            let inside =
                prefix.starts_with(other_prefix.as_str()) || other_prefix.starts_with(prefix.as_str());
            // Two sources in one place only find the same deposits.
            if one_bucket && inside && (*kind, *other_kind) != ("source", "source") {
                let fault = Fault::new(format!("{kind} {name} and {other_kind} {other_name} are not apart"))
                    .because(format!(
                        "one is \"{prefix}\", the other \"{other_prefix}\" of bucket {}",
                        place.bucket
                    ))
                    .then_try("give each a prefix of its own, none below another");
                faults.push(at(fault, name_line(tree, kind, name, 0)));
            }
        }
    }
}

/// Targets of one policy that share a file system, unless that was accepted.
pub fn one_disk(config: &Config) -> Vec<Fault> {
    if config.one_disk_accepted {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for policy in &config.policies {
        for (one, other) in same_disk(config, &policy.targets) {
            faults.push(Fault {
                file: config.file.clone(),
                ..Fault::new(format!("targets {one} and {other} of policy {} are on one disk", policy.name))
                    .because("their folders are on the same file system, or are not mounted")
                    .so("one broken disk would take both copies")
                    .then_try(
                        "mount the second disk; for trying out only: i_accept_copies_on_one_disk = true",
                    )
            });
        }
    }
    faults
}

/// Depositors whose profile is not there, or cannot be applied.
pub fn profiles(config: &Config) -> Vec<Fault> {
    let registry = profiles::folder_of(&config.data);
    let mut faults = Vec::new();
    for depositor in &config.depositors {
        let Some(name) = &depositor.judging.profile else { continue };
        if let Err(error) = profiles::named(name, &registry) {
            faults.push(Fault {
                file: config.file.clone(),
                ..Fault::new(format!("the profile of depositor {} cannot be used", depositor.name))
                    .because(error.to_string())
                    .so("none of its bags could be judged")
                    .then_try(error.advice())
            });
        }
    }
    faults
}

/// Pairs of these targets that share a file system.
pub(super) fn same_disk(config: &Config, targets: &[String]) -> Vec<(String, String)> {
    let mut seen: BTreeMap<u64, String> = BTreeMap::new();
    let mut pairs = Vec::new();
    for name in targets {
        let Some(device) = config.target(name).and_then(|target| device_of(target.folder()?)) else {
            continue;
        };
        match seen.get(&device) {
            Some(other) => pairs.push((other.clone(), name.clone())),
            None => {
                seen.insert(device, name.clone());
            }
        }
    }
    pairs
}

/// The file system of a folder, or of the nearest folder above it that is there.
fn device_of(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    path.ancestors().find_map(|folder| std::fs::metadata(folder).ok()).map(|found| found.dev())
}

/// Sources that are new, and those that are gone.
fn come_and_gone(old: &Config, new: &Config) -> Vec<String> {
    let only_in = |one: &Config, other: &Config, what: &str| {
        let gone = |source: &&SourceConfig| !other.sources.iter().any(|known| known.name == source.name);
        let say = |source: &SourceConfig| format!("source {}: {what}", source.name);
        one.sources.iter().filter(gone).map(say).collect::<Vec<_>>()
    };
    let gone = "gone; of its items those that are fetched go on, the others are held";
    [only_in(new, old, "new"), only_in(old, new, gone)].concat()
}

/// Keys of a source that say where it lies or whose it is.
const PLACE_OF_SOURCE: [&str; 7] = ["kind", "path", "url", "endpoint", "bucket", "prefix", "depositor"];

/// Of a key of this source, below `source.`: true when it says where it lies or whose it is.
fn is_place(key: &str, source: &str) -> Option<bool> {
    let key = key.strip_prefix(source).and_then(|rest| rest.strip_prefix('.'))?;
    Some(PLACE_OF_SOURCE.contains(&key))
}

/// Of a key at its concrete place (`policy.gold.copies`) that is no source's: true when a reload takes it over.
fn is_live(key: &str) -> bool {
    let live = [
        "depositor.",
        "jobs.",
        "notice.",
        "serve.inbox_settle",
        "serve.drain",
        "repair.",
        "roles.",
        "deletion.",
    ];
    // What is accepted is the line's to know, and the line is built at the start.
    live.iter().any(|prefix| key.starts_with(prefix)) && !key.ends_with(".accept")
        || key.starts_with("policy.") && key.ends_with(".retention")
}

/// Of a key of the table: true when a reload takes it over, false when it needs a restart.
pub fn is_taken_over(key: &Key) -> bool {
    match key.path.strip_prefix("source[].") {
        Some(name) => !PLACE_OF_SOURCE.contains(&name),
        None => is_live(&key.path.replace("[]", ".NAME").replace('*', "NAME")),
    }
}

/// What changed between two configurations: what a reload takes over, and what needs a restart.
pub fn changes(old: &Config, new: &Config) -> (Vec<String>, Vec<String>) {
    let values = |config: &Config| -> BTreeMap<String, String> {
        config.effective.iter().map(|row| (row.key.clone(), row.value.clone())).collect()
    };
    let (before, after) = (values(old), values(new));
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let (mut taken, mut restart) = (come_and_gone(old, new), Vec::new());
    for key in keys {
        let (was, is) = (before.get(key), after.get(key));
        if was == is {
            continue;
        }
        let none = "nothing".to_string();
        let text = format!("{key}: {} -> {}", was.unwrap_or(&none), is.unwrap_or(&none));
        if let Some(key) = key.strip_prefix("source.") {
            let stays = |source: &&SourceConfig| {
                let other = new.sources.iter().find(|other| other.name == source.name)?;
                is_place(key, &source.name).map(|is_place| is_place && source.needs_restart(other))
            };
            match old.sources.iter().find_map(|source| stays(&source)) {
                Some(true) => restart.push(text),
                Some(false) => taken.push(text),
                // Of one that came or went.
                None => {}
            }
            continue;
        }
        if is_live(key) { taken.push(text) } else { restart.push(text) }
    }
    (taken, restart)
}

/// What holds after a reload, value by value: of what waits for a restart the old one does. `held` was put together of both.
pub fn in_effect(old: &Config, new: &Config, held: &Config) -> Vec<Effective> {
    let by_key = |config: &Config| -> BTreeMap<String, Effective> {
        config.effective.iter().map(|row| (row.key.clone(), row.clone())).collect()
    };
    let (before, after) = (by_key(old), by_key(new));
    let gone = old.effective.iter().filter(|row| !after.contains_key(&row.key));
    let rows = new.effective.iter().chain(gone);
    rows.filter_map(|row| match is_new(&row.key, new, held)? {
        true => after.get(&row.key).cloned(),
        false => before.get(&row.key).cloned(),
    })
    .collect()
}

/// True when the new value of this key is in effect, false when the old one is; none of what is no more.
fn is_new(key: &str, new: &Config, held: &Config) -> Option<bool> {
    let is_below = |table: &str, name: &str| {
        let rest = key.strip_prefix(table).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    if key.starts_with("source.") {
        let named = held.sources.iter().filter(|source| is_below("source.", &source.name));
        return named.max_by_key(|source| source.name.len()).map(|source| new.sources.contains(source));
    }
    if key.starts_with("depositor.") && !held.depositors.iter().any(|one| is_below("depositor.", &one.name)) {
        return None;
    }
    Some(is_live(key))
}
