//! `bag inspect`: what is in a bag, from its headers and tag files; no payload file is read.

use super::args::Inspect;
use super::told::{self, files, shown};
use super::validate::{exit_of, judging};
use crate::books::config::units::show_bytes;
use crate::doors::cli::Screen;
use crate::doors::cli::table::Style;
use crate::doors::cli::talk::Told;
use crate::doors::exit::Exit;
use crate::model::fact::BagPath;
use crate::model::finding::{Finding, escape};
use crate::rules::bagit::manifest::Manifest;
use crate::rules::bagit::policy::Policy;
use crate::rules::groups::{Groups, parted};
use crate::work::judging::inspecting::Inside;
use crate::work::judging::{Judged, Outcome};
use serde_json::{Value, json};
use std::path::Path;

/// Findings that are kept of one bag: those of a refused archive, which are capped by kind.
const FINDINGS_MAX: usize = 100_000;

/// Looks into every bag.
pub fn inspect(screen: &Screen, what: &Inspect) -> Told<Exit> {
    let judging = judging(Policy::default(), what.unpack, (1, 1))?;
    let mut worst = None;
    for (place, path) in what.paths.iter().enumerate() {
        let mut findings: Vec<Finding> = Vec::new();
        let (judged, inside) = judging.inspect(path, &mut |finding| {
            if findings.len() < FINDINGS_MAX {
                findings.push(finding);
            }
        });
        worst = worst.max(Some(judged.outcome));
        if screen.json {
            screen.document(&document(path, &judged, inside.as_ref(), &findings));
            continue;
        }
        if place > 0 {
            screen.text("\n");
        }
        screen.text(&text(&screen.style, path, &judged, inside.as_ref(), &findings));
    }
    Ok(exit_of(worst))
}

fn document(path: &Path, judged: &Judged, inside: Option<&Inside>, findings: &[Finding]) -> Value {
    let mut value = json!({
        "bag": path.to_str().map_or_else(|| shown(path), str::to_string),
        "findings": findings.iter().map(told::finding).collect::<Vec<_>>(),
        "readable": inside.is_some(),
    });
    let Some((inside, object)) = inside.zip(value.as_object_mut()) else { return value };
    let info: Vec<Value> =
        inside.info.iter().map(|(label, value)| json!({ "label": label, "value": value })).collect();
    let manifests: Vec<Value> = inside.manifests.iter().map(|(name, count)| manifest(name, *count)).collect();
    let largest: Vec<Value> =
        inside.largest.iter().map(|(bytes, path)| json!({ "path": path, "bytes": bytes })).collect();
    let more = json!({
        "form": inside.form,
        "top": inside.top,
        "formats": inside.formats,
        "bagit_version": inside.version,
        "encoding": inside.encoding,
        "info": info,
        "payload_oxum": inside.element("Payload-Oxum"),
        "profiles": profiles(inside),
        "files": judged.files,
        "bytes": judged.bytes,
        "payload": { "files": inside.payload.0, "bytes": inside.payload.1 },
        "tags": { "files": inside.tags.0, "bytes": inside.tags.1 },
        "manifests": manifests,
        "fetch": inside.fetch,
        "largest": largest,
    });
    if let Value::Object(more) = more {
        object.extend(more);
    }
    value
}

fn manifest(name: &str, count: u64) -> Value {
    let known = Manifest::from_path(name.as_bytes());
    let algorithm = known.as_ref().and_then(|manifest| manifest.algorithm).map(|algorithm| algorithm.name());
    json!({ "name": name, "algorithm": algorithm, "tag": known.is_some_and(|known| known.is_tag), "files": count })
}

/// Profiles that the bag says it follows.
fn profiles(inside: &Inside) -> Vec<&str> {
    let named = |label: &str| label.eq_ignore_ascii_case("BagIt-Profile-Identifier");
    inside.info.iter().filter(|(label, _)| named(label)).map(|(_, value)| value.as_str()).collect()
}

/// What a person sees of one bag.
pub fn text(
    style: &Style,
    path: &Path,
    judged: &Judged,
    inside: Option<&Inside>,
    findings: &[Finding],
) -> String {
    let mut text = format!("{}\n", shown(path));
    if let Some(inside) = inside {
        text.push_str(&inside_of(inside));
    } else if judged.outcome == Outcome::Invalid {
        text.push_str("  cannot be looked into: it is refused as it is\n");
    }
    let mut groups = Groups::default();
    findings.iter().for_each(|finding| groups.take(finding));
    let told = told::groups(style, &groups);
    text.extend(told.lines().map(|line| format!("  {line}\n")));
    text
}

fn inside_of(inside: &Inside) -> String {
    let safe = |text: &str| escape(text.as_bytes());
    let mut rows: Vec<(&str, String)> = Vec::new();
    let said = |value: &Option<String>| value.as_deref().map_or("not said".to_string(), safe);
    rows.push(("BagIt", format!("{}, tag files in {}", said(&inside.version), said(&inside.encoding))));
    rows.push(("form", form(inside)));
    let sized = |(count, bytes): (u64, u64)| format!("{}, {}", files(count), show_bytes(bytes));
    rows.push(("payload", format!("{} ({} bytes)", sized(inside.payload), parted(inside.payload.1))));
    if let Some(oxum) = inside.element("Payload-Oxum") {
        let found = format!("{}.{}", inside.payload.1, inside.payload.0);
        let verdict = if oxum == found { "as found".to_string() } else { format!("found {found}") };
        rows.push(("Oxum", format!("{}: {verdict}", safe(oxum))));
    }
    rows.push(("beside it", sized(inside.tags)));
    for (name, count) in &inside.manifests {
        rows.push(("manifest", format!("{name}: {}", files(*count))));
    }
    if let Some(count) = inside.fetch {
        rows.push(("fetch.txt", format!("{} to be fetched", files(count))));
    }
    for profile in profiles(inside) {
        rows.push(("profile", safe(profile)));
    }
    for (label, value) in &inside.info {
        rows.push(("info", format!("{}: {}", safe(label), safe(value))));
    }
    for (bytes, path) in &inside.largest {
        rows.push(("largest", largest(*bytes, path)));
    }
    let mut last = "";
    let mut text = String::new();
    for (head, row) in rows {
        // A head is said once for all of its rows.
        let shown = if head == last { "" } else { head };
        text.push_str(&format!("  {shown:<10} {row}\n"));
        last = head;
    }
    text
}

fn form(inside: &Inside) -> String {
    if inside.form == "folder" {
        return "a folder".to_string();
    }
    format!("a tar ({}) with the folder {}/", inside.formats.join(", "), inside.top)
}

fn largest(bytes: u64, path: &BagPath) -> String {
    format!("{:>9}  {}", show_bytes(bytes), path.shown())
}
