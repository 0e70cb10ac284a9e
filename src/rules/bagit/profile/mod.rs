//! BagIt profiles: what a receiver asks of a bag beyond BagIt itself.
//!
//! - One model for every dialect: rules over any tag file, and lists of what must and what may be there. What a dialect
//!   cannot say stays at the value that asks for nothing.
//! - A profile that is wrong in itself is never applied: its faults are told, and they are ours, not the depositor's.
//! - A profile is known by its bytes: two files with one identifier may differ, their digests do.
//! - Nothing is fetched: neither a profile because a bag names it, nor anything that a profile names.
//!
//! ```text
//! bytes -> read -> dialect (standard | dart | exchange) -> Profile -> Watch (beside the judge) -> findings
//! ```

mod dart;
pub mod describe;
mod exchange;
mod json;
mod names;
pub mod shipped;
mod standard;
mod told;
pub mod watch;

#[cfg(test)]
mod test_bag;
#[cfg(test)]
mod tests;

use crate::model::digest::Algorithm;
use crate::model::finding::{Finding, escape};
use crate::rules::digester::sha256_hex;
pub use json::BYTES_MAX;
use json::{Page, Table};
pub use names::{Glob, NameRule};
use std::fmt;

/// What a receiver asks of a bag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What people call it: "APTrust 2.3".
    pub title: String,
    /// The URI by which bags name it; empty when its dialect knows none.
    pub identifier: String,
    /// Further identifiers that mean this profile.
    pub aliases: Vec<String>,
    /// SHA-256 of the file it was read from.
    pub sha256: String,
    /// How its file is written.
    pub dialect: Dialect,
    /// A bag must name it in its metadata.
    pub must_be_named: bool,
    /// Rules for tags, in the order of the file.
    pub tags: Vec<TagRule>,
    /// Payload manifests, by algorithm.
    pub manifests: Kinds,
    /// Tag manifests, by algorithm.
    pub tag_manifests: Kinds,
    /// fetch.txt.
    pub fetch: Presence,
    /// The payload is no file, or one empty file.
    pub data_empty: bool,
    /// Whether bags come in one file.
    pub serialization: Presence,
    /// Media types they may come in, as the profile writes them; empty for any.
    pub media: Vec<String>,
    /// Versions of BagIt; empty for any.
    pub versions: Vec<String>,
    /// Tag files beside those that BagIt itself names.
    pub tag_files: Files,
    /// Payload files.
    pub payload_files: Files,
    /// Files at the top that no rule speaks of are refused (exchange).
    pub no_other_top_files: bool,
    /// Folders beside data/ that no rule speaks of are refused (exchange).
    pub no_other_folders: bool,
    /// The folder in the tar must have the tar's name.
    pub folder_is_name: bool,
    /// How files may be called.
    pub names: Option<NameRule>,
    /// What the file says beyond what is applied.
    pub notes: Vec<String>,
    /// What is wrong with the file; a profile with faults is never applied.
    pub faults: Vec<Fault>,
}

/// How a profile is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The BagIt Profiles Specification, 1.1 to 1.4; with `Other-Info`, when it has rules for further tag files.
    #[default]
    Standard,
    /// DART's JSON.
    Dart,
    /// The configuration of APTrust's exchange.
    Exchange,
}

impl fmt::Display for Dialect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Dialect::Standard => "BagIt Profiles",
            Dialect::Dart => "DART",
            Dialect::Exchange => "exchange",
        })
    }
}

/// Whether something must, may or must not be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It may.
    #[default]
    Optional,
    /// It must.
    Required,
    /// It must not.
    Forbidden,
}

impl Presence {
    fn from_word(word: &str) -> Option<Presence> {
        match word {
            "optional" => Some(Presence::Optional),
            "required" => Some(Presence::Required),
            "forbidden" => Some(Presence::Forbidden),
            _ => None,
        }
    }
}

impl fmt::Display for Presence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Presence::Optional => "optional",
            Presence::Required => "required",
            Presence::Forbidden => "forbidden",
        })
    }
}

/// How much an empty value weighs where one is required.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// The specification does not say: a warning.
    #[default]
    Unsaid,
    /// It is as good as any.
    Fine,
    /// It is as bad as none.
    Wrong,
}

/// What is asked of one tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagRule {
    /// The tag file; `bag-info.txt` also stands for the older `package-info.txt`.
    pub file: String,
    /// The label.
    pub label: String,
    /// Whether it must be there.
    pub presence: Presence,
    /// Whether it may be empty where it must be there.
    pub empty: Empty,
    /// Values it may have; empty for any.
    pub values: Vec<String>,
    /// Values are compared without case.
    pub any_case: bool,
    /// It may stand there more than once.
    pub repeatable: bool,
    /// A warning is due where it is absent.
    pub recommended: bool,
}

/// Algorithms of manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// That must be there.
    pub required: Vec<String>,
    /// That may be there; `None` for any.
    pub allowed: Option<Vec<String>>,
    /// That must not be there.
    pub forbidden: Vec<String>,
}

/// Files of one sort.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// That must be there; one that ends with `/` is a folder that must not be empty.
    pub required: Vec<String>,
    /// That may be there; `None` for any.
    pub allowed: Option<Vec<Glob>>,
    /// That must not be there.
    pub forbidden: Vec<String>,
    /// That may be there where files nobody speaks of may not (exchange).
    pub optional: Vec<String>,
}

/// What is wrong with the file of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its line, when it has one.
    pub line: Option<u64>,
    /// Its field: `Bag-Info.Title.values`; empty for the file as a whole.
    pub field: String,
    /// What is wrong, as a sentence about the field.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.field.is_empty()) {
            (Some(line), true) => write!(out, "line {line}: {}", self.what),
            (Some(line), false) => write!(out, "line {line}, {}: {}", self.field, self.what),
            (None, true) => out.write_str(&self.what),
            (None, false) => write!(out, "{}: {}", self.field, self.what),
        }
    }
}

/// Bytes of a tag's label, or of the path of a tag file that rules speak of.
const NAME_MAX: usize = 1_000;

impl Profile {
    /// Reads a profile, whatever dialect it is written in.
    pub fn read(bytes: &[u8]) -> Profile {
        let sha256 = sha256_hex(bytes);
        let faulty = |what: String| Profile {
            sha256: sha256.clone(),
            faults: vec![Fault { line: None, field: String::new(), what }],
            ..Profile::default()
        };
        if bytes.len() > BYTES_MAX {
            return faulty(format!("it has {} bytes; a profile has at most {BYTES_MAX}", bytes.len()));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let Ok(text) = std::str::from_utf8(bytes) else { return faulty("it is not UTF-8".into()) };
        let (mut page, table) = Page::open(text);
        let mut profile = table.map_or_else(Profile::default, |table| read_table(&mut page, table));
        profile.check(&mut page);
        profile.title = shown_title(&profile.title);
        profile.sha256 = sha256;
        (profile.faults, profile.notes) = (page.faults, page.notes);
        profile
    }

    /// True when it can be applied.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults of its file as findings.
    pub fn findings(&self) -> Vec<Finding> {
        self.faults.iter().map(told::file_invalid).collect()
    }

    /// True when this identifier names the profile.
    pub fn is_named(&self, identifier: &str) -> bool {
        identifier == self.identifier || self.aliases.iter().any(|alias| alias == identifier)
    }

    /// Tag files that its rules speak of, each once.
    pub fn files_with_rules(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self.tags.iter().map(|rule| rule.file.as_str()).collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// What is wrong in every dialect.
    fn check(&self, page: &mut Page<'_>) {
        for rule in &self.tags {
            for name in [&rule.file, &rule.label] {
                if name.is_empty() || name.len() > NAME_MAX || name.contains(char::is_control) {
                    let name: String = escape(name.as_bytes()).chars().take(100).collect();
                    page.wrong_field(name, "it is no name of a tag or of a tag file");
                }
            }
        }
        for (kinds, what) in [(&self.manifests, "manifest"), (&self.tag_manifests, "tag manifest")] {
            let Some(allowed) = &kinds.allowed else { continue };
            for kind in kinds.required.iter().filter(|kind| !allowed.contains(kind)) {
                page.wrong_field(
                    kind.as_str(),
                    format!("a {what} that is required is not among those allowed"),
                );
            }
        }
        let lists = [(&self.tag_files, "tag file"), (&self.payload_files, "payload file")];
        for (files, what) in lists {
            let Some(allowed) = &files.allowed else { continue };
            for file in &files.required {
                let covered =
                    allowed.iter().any(|glob| glob.covers(file) || glob.0.starts_with(file.as_str()));
                if !covered && !is_standard(file.as_bytes()) {
                    page.wrong_field(
                        file.as_str(),
                        format!("a {what} that is required is not among those allowed"),
                    );
                }
            }
        }
    }
}

/// A title for sentences: one line, not too long.
fn shown_title(title: &str) -> String {
    let title: String = title.trim().chars().take(100).collect();
    if title.is_empty() { "the profile".into() } else { escape(title.as_bytes()) }
}

/// The plain name of an algorithm that a profile or a manifest names: `SHA-256` is `sha256`.
pub fn plain_kind(label: &str) -> String {
    Algorithm::from_label(label)
        .map_or_else(|| label.to_ascii_lowercase(), |algorithm| algorithm.name().to_string())
}

/// True for the tag files that BagIt itself names; rules about further tag files do not speak of them.
pub fn is_standard(path: &[u8]) -> bool {
    let known: [&[u8]; 4] = [b"bagit.txt", b"bag-info.txt", b"package-info.txt", b"fetch.txt"];
    known.contains(&path) || super::manifest::Manifest::from_path(path).is_some()
}

fn read_table<'t>(page: &mut Page<'t>, table: Table<'t>) -> Profile {
    let any = |names: &[&str]| names.iter().any(|name| table.has(name));
    if any(&["FileSpecs", "TagSpecs"]) {
        return exchange::read(page, table);
    }
    if any(&["bagItProfileInfo", "acceptBagItVersion", "manifestsAllowed", "tags"]) {
        return dart::read(page, table);
    }
    if any(&["BagIt-Profile-Info", "Bag-Info", "Accept-BagIt-Version", "Manifests-Required", "Serialization"])
    {
        return standard::read(page, table);
    }
    page.wrong_field(
        "",
        "it is no profile that we can read: neither BagIt-Profile-Info (BagIt Profiles), nor bagItProfileInfo (DART), \
         nor FileSpecs (exchange) is in it",
    );
    Profile::default()
}
