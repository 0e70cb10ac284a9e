//! What is in a bag, without judging it: headers and tag files are read, no payload file is.
//!
//! - Nothing is held to account here: what cannot be read as BagIt wants it is shown as far as it goes.
//! - Everything that is kept is bounded: the largest files, the first elements, one count for each manifest.

use super::{Judging, Stop, Tally, index_bag, open, settle};
use crate::model::fact::{BagPath, Member};
use crate::rules::bagit::manifest::Manifest;
use crate::rules::bagit::text::{Charset, Line, lines};
use crate::worlds::source::held::HeldBag;
use crate::worlds::temporary::TemporaryScratch;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Largest files that are named.
const LARGEST_MAX: usize = 10;

/// Elements of a tag file that are kept.
const ELEMENTS_MAX: usize = 1_000;

/// Bytes kept of one value.
const VALUE_MAX: usize = 4 << 10;

/// Manifests that are counted.
const MANIFESTS_MAX: usize = 64;

/// Bytes of a line that are read.
const LINE_MAX: usize = 64 << 10;

/// What is in a bag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// "tar" or "folder".
    pub form: &'static str,
    /// The single top-level folder of a tar.
    pub top: String,
    /// Formats of the tar's headers.
    pub formats: Vec<&'static str>,
    /// What bagit.txt says of the version.
    pub version: Option<String>,
    /// What bagit.txt says of the encoding.
    pub encoding: Option<String>,
    /// Elements of bag-info.txt (package-info.txt in old bags), in their order.
    pub info: Vec<(String, String)>,
    /// Files below data/, and their bytes.
    pub payload: (u64, u64),
    /// Files beside data/, and their bytes.
    pub tags: (u64, u64),
    /// Manifests by name: how many files each lists.
    pub manifests: Vec<(String, u64)>,
    /// Files that fetch.txt lists.
    pub fetch: Option<u64>,
    /// The largest files: bytes, path.
    pub largest: Vec<(u64, BagPath)>,
}

impl Inside {
    /// The first value of this label, whatever its case.
    pub fn element(&self, label: &str) -> Option<&str> {
        let found = self.info.iter().find(|(known, _)| known.eq_ignore_ascii_case(label));
        found.map(|(_, value)| value.as_str())
    }
}

/// Collects what the index gives.
#[derive(Default)]
struct Collector {
    inside: Inside,
    largest: BinaryHeap<Reverse<(u64, BagPath)>>,
    declaration: Option<Member>,
    info: Option<Member>,
    fetch: Option<Member>,
    manifests: Vec<Member>,
}

impl Collector {
    fn take(&mut self, member: Member) {
        let is_payload = member.path.is_payload();
        let of = if is_payload { &mut self.inside.payload } else { &mut self.inside.tags };
        *of = (of.0 + 1, of.1.saturating_add(member.size));
        self.largest.push(Reverse((member.size, member.path.clone())));
        if self.largest.len() > LARGEST_MAX {
            self.largest.pop();
        }
        match &member.path.0[..] {
            b"bagit.txt" => self.declaration = Some(member),
            b"bag-info.txt" => self.info = Some(member),
            b"package-info.txt" if self.info.is_none() => self.info = Some(member),
            b"fetch.txt" => self.fetch = Some(member),
            path if Manifest::from_path(path).is_some() && self.manifests.len() < MANIFESTS_MAX => {
                self.manifests.push(member);
            }
            _ => {}
        }
    }

    fn read(mut self, bag: &HeldBag) -> Result<Inside, Stop> {
        let mut inside = self.inside;
        if let Some(member) = &self.declaration {
            for (label, value) in elements(bag, member, Charset::Utf8)? {
                match label.as_str() {
                    "BagIt-Version" => inside.version.get_or_insert(value),
                    "Tag-File-Character-Encoding" => inside.encoding.get_or_insert(value),
                    _ => continue,
                };
            }
        }
        let charset = inside.encoding.as_deref().and_then(Charset::from_label).unwrap_or(Charset::Utf8);
        if let Some(member) = &self.info {
            inside.info = elements(bag, member, charset)?;
        }
        self.manifests.sort_by(|a, b| a.path.cmp(&b.path));
        for member in &self.manifests {
            inside.manifests.push((member.path.shown(), count(bag, member, charset)?));
        }
        inside.fetch = self.fetch.map(|member| count(bag, &member, charset)).transpose()?;
        inside.largest = self.largest.into_sorted_vec().into_iter().map(|Reverse(row)| row).collect();
        Ok(inside)
    }
}

/// Reads the lines of a tag file.
fn each_line(
    bag: &HeldBag,
    member: &Member,
    charset: Charset,
    each: &mut dyn FnMut(Line<'_>),
) -> Result<(), Stop> {
    let failed = |error| Stop::Unreadable(vec![(member.clone(), error)]);
    let mut read = open(bag, member)?;
    lines(&mut *read, charset, LINE_MAX, &failed, &mut |line| {
        each(line);
        Ok(())
    })?;
    Ok(())
}

/// `Label: value`, with folded lines put together.
fn elements(bag: &HeldBag, member: &Member, charset: Charset) -> Result<Vec<(String, String)>, Stop> {
    let mut found: Vec<(String, String)> = Vec::new();
    each_line(bag, member, charset, &mut |line| {
        let text = String::from_utf8_lossy(line.text);
        if text.starts_with([' ', '\t']) {
            if let Some((_, value)) = found.last_mut().filter(|(_, value)| value.len() < VALUE_MAX) {
                value.push(' ');
                value.push_str(text.trim());
            }
        } else if let Some((label, value)) = text.split_once(':').filter(|_| found.len() < ELEMENTS_MAX) {
            found.push((label.trim().to_string(), value.trim().to_string()));
        }
    })?;
    Ok(found)
}

fn count(bag: &HeldBag, member: &Member, charset: Charset) -> Result<u64, Stop> {
    let mut count = 0;
    each_line(bag, member, charset, &mut |line| count += u64::from(!line.text.trim_ascii().is_empty()))?;
    Ok(count)
}

impl Judging {
    pub(super) fn look(&self, path: &std::path::Path, tally: &mut Tally<'_>) -> Result<Inside, Stop> {
        let (bag, _) = self.open(path, tally)?;
        let scratch = TemporaryScratch::new(&self.scratch);
        let mut collector = Collector::default();
        let indexed = index_bag(&bag, &self.limits, &scratch, &mut |member| {
            collector.take(member);
            Ok(())
        });
        let indexed = settle(indexed, tally)?;
        (tally.judged.files, tally.judged.bytes) = (indexed.files, indexed.bytes);
        let mut inside = collector.read(&bag)?;
        inside.form = if bag.tar().is_some() { "tar" } else { "folder" };
        inside.top = indexed.top;
        inside.formats = indexed.formats.into_iter().collect();
        Ok(inside)
    }
}
