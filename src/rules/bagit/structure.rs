//! Structure: what a bag must hold before any file is looked at.

use super::manifest::Manifest;
use super::report::{Halt, Out, about, quoted};
use super::version::Version;
use super::{BagFacts, TagFiles};
use crate::model::digest::Algorithm;
use crate::model::fact::BagPath;
use crate::model::finding::{Severity, escape};

/// Judges what is there and what is not.
pub fn judge(
    bag: &BagFacts<'_>,
    tags: &TagFiles,
    tag_folder: Option<&BagPath>,
    version: Version,
    out: &mut Out<'_>,
) -> Result<(), Halt> {
    if !bag.top.is_empty() && bag.top != escape(bag.name.as_bytes()) {
        let what = format!("The tar is called {}, its folder `{}`.", quoted(bag.name.as_bytes()), bag.top);
        let finding = about("SER-NAME-DIFFERS", Severity::Warning, b"", what).clause("BagIt 0.97, 4.2");
        let finding = finding.values(bag.name, bag.top);
        out.say(finding.advice("Nothing to do for this deposit; give both the same name next time."))?;
    }
    if !bag.payload_folder {
        let what = match tags.data_file {
            true => "`data` is a file; it must be the folder that holds the payload.",
            false => "The bag has no folder `data`.",
        };
        let finding = about("STRUCT-NO-PAYLOAD-DIR", Severity::Error, b"data", what);
        let advice = "Put the payload into a folder named data, and make the bag again.";
        out.say(finding.advice(advice).clause("RFC 8493, 2.1.2"))?;
    }
    if let Some(path) = tag_folder.filter(|_| version == Version::V0_96) {
        let what =
            format!("{} lies in a folder beside data/, which BagIt 0.96 does not allow.", quoted(&path.0));
        let finding = about("STRUCT-TAG-DIR-096", Severity::Warning, &path.0, what).clause("BagIt 0.96, 2");
        out.say(finding.advice("Nothing to do for this deposit; make new bags with BagIt 1.0."))?;
    }
    if !tags.manifests.iter().any(|(manifest, _)| !manifest.is_tag) {
        let finding = about("MAN-NONE", Severity::Error, b"", "The bag has no payload manifest.");
        out.say(finding.advice("Make the bag again with a bagging tool.").clause("RFC 8493, 2.1.3"))?;
    }
    if !tags.manifests.iter().any(|(manifest, _)| manifest.is_tag) {
        let what = "The bag has no tag manifest, so changes in its tag files would go unseen.";
        let finding = about("TAGM-NONE", Severity::Warning, b"", what).clause("RFC 8493, 2.2.1");
        return out.say(finding.advice("Nothing to do for this deposit; make new bags with a tag manifest."));
    }
    algorithms(tags, out)
}

/// Tag manifests should use the algorithms of the payload manifests.
fn algorithms(tags: &TagFiles, out: &mut Out<'_>) -> Result<(), Halt> {
    let of = |is_tag: bool| -> Vec<String> {
        let manifests = tags.manifests.iter().map(|(manifest, _)| manifest);
        let mut names: Vec<String> =
            manifests.filter(|manifest| manifest.is_tag == is_tag).map(algorithm_name).collect();
        names.sort();
        names.dedup();
        names
    };
    let (payload, tag) = (of(false), of(true));
    if payload.is_empty() || payload == tag {
        return Ok(());
    }
    let (payload, tag) = (payload.join(", "), tag.join(", "));
    let what = format!("The payload manifests use {payload}, the tag manifests {tag}.");
    // No more than a note: it is how most tools make bags of more than one algorithm.
    let finding = about("TAGM-SETS-DIFFER", Severity::Note, b"", what).clause("RFC 8493, 2.2.1");
    let finding = finding.values(payload, tag);
    out.say(finding.advice("Nothing to do for this deposit; use the same algorithms for both in new bags."))
}

fn algorithm_name(manifest: &Manifest) -> String {
    manifest
        .algorithm
        .map_or_else(|| escape(manifest.label.as_bytes()), |known| Algorithm::name(known).into())
}
