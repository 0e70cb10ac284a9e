//! BagIt (RFC 8493 and its drafts from 0.93 on): judging bags, and making them.
//!
//! - Every fault is told in one run; an earlier fault hides a later one only where nothing can follow.
//! - Memory does not grow with the number of files: manifests and members meet in the external sorter.
//! - Nothing is fetched, nothing is written, and no path of a bag is opened but that of a member.
//! - What a bag's text says is checked against what is there; only hexadecimal digests are compared, without case.

mod correlate;
pub mod declaration;
pub mod fetch;
pub mod info;
mod join;
mod line_ends;
pub mod make;
pub mod manifest;
mod oxum;
pub mod paths;
mod percent;
pub mod policy;
pub mod profile;
pub mod report;
mod rows;
mod structure;
pub mod text;
mod told;
pub mod version;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_correlation;
#[cfg(test)]
mod tests_rows;

use crate::model::digest::Algorithm;
use crate::model::fact::{BagPath, Member};
use crate::model::finding::{Finding, Severity};
use crate::rules::sort::{Scratch, Sorter};
use crate::rules::tar::Limits;
use declaration::Declared;
use info::Oxum;
use manifest::Manifest;
use percent::Percents;
use policy::Policy;
use profile::watch::Watch;
use report::{Halt, Out, about, quoted};
use rows::{Present, Value, key};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read};
use version::Version;

pub use told::unreadable;

/// What is known of a bag beside its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BagFacts<'a> {
    /// The bag's name: the tar's file name without its suffix, or the folder's name.
    pub name: &'a str,
    /// The top-level folder of the tar; empty for a folder deposit.
    pub top: &'a str,
    /// There is a folder `data`, be it empty.
    pub payload_folder: bool,
    /// The media type of what the bag was packed in, where that is not a plain tar; else empty.
    pub packed: &'a str,
}

impl<'a> BagFacts<'a> {
    /// The media type of what the bag came in; `None` for a folder.
    pub fn media(&self) -> Option<&'a str> {
        match (self.packed.is_empty(), self.top.is_empty()) {
            (false, _) => Some(self.packed),
            (true, false) => Some("application/tar"),
            (true, true) => None,
        }
    }
}

/// What judging came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Errors; a bag without errors is valid.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
    /// Notes.
    pub notes: u64,
    /// The version the bag was judged by; `None` when bagit.txt names none that we know.
    pub version: Option<Version>,
    /// Payload-Oxum as the bag gives it: bytes, files.
    pub payload_oxum: Option<(u64, u64)>,
    /// Bytes of the payload files found.
    pub payload_bytes: u64,
    /// Payload files found.
    pub payload_files: u64,
    /// Algorithms of the payload manifests.
    pub algorithms: Vec<Algorithm>,
    /// Value of the tag Storage-Option: how the bag asks to be stored.
    pub storage_option: Option<String>,
}

/// Why there is no verdict; never the depositor's fault.
#[derive(Debug)]
pub enum JudgeError<E> {
    /// One of the caller's own functions failed.
    Given(E),
    /// The scratch place failed.
    Scratch(io::Error),
    /// A tag file could not be read.
    Read {
        /// Which.
        path: BagPath,
        /// What the system said.
        error: io::Error,
    },
    /// A member has no digest by an algorithm that a manifest names: it must be digested again.
    Unsummed {
        /// Which member.
        path: BagPath,
        /// Which algorithm.
        algorithm: Algorithm,
    },
}

impl<E: fmt::Display> fmt::Display for JudgeError<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JudgeError::Given(error) => error.fmt(out),
            JudgeError::Scratch(error) => write!(out, "sorting the manifests: {error}"),
            JudgeError::Read { path, error } => write!(out, "reading {}: {error}", path.shown()),
            JudgeError::Unsummed { path, algorithm } => {
                write!(out, "{} has no {algorithm} digest", path.shown())
            }
        }
    }
}

/// The algorithm that a manifest or tag manifest at this path needs, beside our own four, when we can compute it.
pub fn algorithm_named_by(path: &BagPath) -> Option<Algorithm> {
    Manifest::from_path(&path.0)?.algorithm
}

/// The bytes of a tag file, or why they cannot be had.
pub type Opened<'o, E> = Result<Box<dyn Read + 'o>, E>;

/// Judges a bag: its members with their digests come in, in any order; findings go out through `each`. `open` gives the
/// bytes of a tag file.
pub fn judge<'o, E>(
    bag: &BagFacts<'_>,
    members: &mut dyn Iterator<Item = Result<Member, E>>,
    open: &dyn Fn(&Member) -> Opened<'o, E>,
    scratch: &dyn Scratch,
    limits: &Limits,
    policy: &Policy,
    each: &mut dyn FnMut(Finding) -> Result<(), E>,
) -> Result<Verdict, JudgeError<E>> {
    // The judge itself is not generic: an error of the caller is kept here while `Halt::Given` stands for it.
    let given: RefCell<Option<E>> = RefCell::new(None);
    let keep = |error: E| {
        *given.borrow_mut() = Some(error);
        Halt::Given
    };
    let verdict = {
        let open = |member: &Member| open(member).map_err(keep);
        let mut say = |finding: Finding| each(finding).map_err(keep);
        let mut members = members.map(|member| member.map_err(keep));
        let mut out = Out::new(&mut say, policy);
        let desk = Desk { bag, open: &open, scratch, limits, policy };
        desk.judge(&mut members, &mut out)
    };
    verdict.map_err(|halt| match halt {
        Halt::Given => JudgeError::Given(given.into_inner().expect("it was kept where Halt::Given was made")),
        Halt::Scratch(error) => JudgeError::Scratch(error),
        Halt::Read { path, error } => JudgeError::Read { path, error },
        Halt::Unsummed { path, algorithm } => JudgeError::Unsummed { path, algorithm },
    })
}

/// Opens a member.
type Open<'a, 'o> = dyn Fn(&Member) -> Opened<'o, Halt> + 'a;

/// What every part of the judge works with.
struct Desk<'a, 'o> {
    bag: &'a BagFacts<'a>,
    open: &'a Open<'a, 'o>,
    scratch: &'a dyn Scratch,
    limits: &'a Limits,
    policy: &'a Policy,
}

/// Tag files with a meaning of their own.
#[derive(Default)]
struct TagFiles {
    declaration: Option<Member>,
    info: Vec<Member>,
    /// There is a file where the payload folder must be.
    data_file: bool,
    fetch: Option<Member>,
    manifests: Vec<(Manifest, Member)>,
}

/// Manifests and tag manifests of one bag; there are fewer algorithms than that.
const MANIFESTS_MAX: usize = 64;

impl TagFiles {
    fn note(&mut self, member: &Member, out: &mut Out<'_>) -> Result<(), Halt> {
        match &member.path.0[..] {
            b"bagit.txt" => self.declaration = Some(member.clone()),
            b"bag-info.txt" | b"package-info.txt" => self.info.push(member.clone()),
            b"data" => self.data_file = true,
            b"fetch.txt" => self.fetch = Some(member.clone()),
            path => {
                let Some(manifest) = Manifest::from_path(path) else { return Ok(()) };
                if self.manifests.len() == MANIFESTS_MAX {
                    let what =
                        format!("{} is one manifest more than the {MANIFESTS_MAX} we read.", quoted(path));
                    return out.say(
                        about("SER-LIMIT", Severity::Error, path, what).advice("Send fewer manifests."),
                    );
                }
                self.manifests.push((manifest, member.clone()));
            }
        }
        Ok(())
    }
}

impl Desk<'_, '_> {
    fn judge(
        &self,
        members: &mut dyn Iterator<Item = Result<Member, Halt>>,
        out: &mut Out<'_>,
    ) -> Result<Verdict, Halt> {
        let mut rows = Sorter::new(self.scratch, self.limits.sort_bytes);
        let mut percents = Percents::new(self.scratch, self.limits.sort_bytes / 8);
        let mut tags = TagFiles::default();
        let mut tag_folder = None;
        let mut watch = Watch::new(self.policy);
        watch.start(self.bag, out)?;
        let mut payload = (0, 0u64);
        for member in members {
            let member = member?;
            percents.present(&member.path.0).map_err(Halt::Scratch)?;
            rows.push(key(&member.path.0), Value::Present(Present::of(&member)).encode())
                .map_err(Halt::Scratch)?;
            tags.note(&member, out)?;
            watch.member(&member);
            if member.path.is_payload() {
                payload = (payload.0 + 1, payload.1.saturating_add(member.size));
            }
            if tag_folder.is_none() && !member.path.is_payload() && member.path.0.contains(&b'/') {
                tag_folder = Some(member.path);
            }
        }
        tags.manifests.sort_by(|a, b| (a.0.is_tag, &a.0.name).cmp(&(b.0.is_tag, &b.0.name)));
        let declared = self.declaration(&tags, out)?;
        let mut manifests = tags.manifests.iter().map(|(manifest, _)| manifest);
        watch.declared(declared, &mut manifests, tags.fetch.is_some(), out)?;
        structure::judge(self.bag, &tags, tag_folder.as_ref(), declared.version, out)?;
        self.read_manifests(&tags, declared, &mut rows, &mut percents, out)?;
        self.read_fetch(&tags, declared, &mut rows, &mut percents, out)?;
        percents.decide(&mut rows)?;
        let oxum = self.read_info(&tags, declared, &mut watch, out)?;
        self.read_ruled(declared, &mut watch, out)?;
        let sources: Vec<Manifest> = tags.manifests.iter().map(|(manifest, _)| manifest.clone()).collect();
        let setting = join::Setting {
            sources: &sources,
            version: declared.version,
            open: self.open,
            scratch: self.scratch,
            sort_bytes: self.limits.sort_bytes / 8,
            shortfall: oxum
                .filter(|oxum| oxum.files == payload.0)
                .and_then(|oxum| oxum.bytes.checked_sub(payload.1))
                .filter(|short| *short > 0),
        };
        let counted = join::run(rows, &setting, &mut watch, out)?;
        watch.finish(out)?;
        oxum::judge(oxum, counted, declared.version, out)?;
        Ok(Verdict {
            errors: out.errors,
            warnings: out.warnings,
            notes: out.notes,
            version: declared.certain.then_some(declared.version),
            payload_oxum: oxum.map(|oxum| (oxum.bytes, oxum.files)),
            payload_bytes: counted.bytes,
            payload_files: counted.files,
            algorithms: sources
                .iter()
                .filter(|source| !source.is_tag)
                .filter_map(|source| source.algorithm)
                .collect(),
            storage_option: watch.storage_option(),
        })
    }

    fn declaration(&self, tags: &TagFiles, out: &mut Out<'_>) -> Result<Declared, Halt> {
        /// Two short lines; whatever is longer is no bagit.txt.
        const BYTES_MAX: u64 = 64 << 10;
        let Some(member) = &tags.declaration else { return declaration::missing(out) };
        let failed = |error| Halt::Read { path: member.path.clone(), error };
        let mut bytes = Vec::new();
        (self.open)(member)?.take(BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
        declaration::judge(&bytes, out)
    }

    /// Reads the lines of a tag file.
    fn lines(
        &self,
        member: &Member,
        declared: Declared,
        out: &mut Out<'_>,
        each: &mut dyn FnMut(text::Line<'_>, &mut Out<'_>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let failed = |error| Halt::Read { path: member.path.clone(), error };
        let mut read = (self.open)(member)?;
        let told = text::lines(&mut *read, declared.charset, self.limits.line_bytes, &failed, &mut |line| {
            each(line, out)
        })?;
        if told.bom {
            let path = &member.path.0;
            let what = format!("{} starts with a byte order mark.", quoted(path));
            let finding = about("TEXT-BOM", declared.version.rfc_error(), path, what).clause("RFC 8493, 2.3");
            out.say(finding.advice("Save it as UTF-8 without a byte order mark."))?;
        }
        Ok(())
    }

    fn read_manifests(
        &self,
        tags: &TagFiles,
        declared: Declared,
        rows: &mut Sorter<'_>,
        percents: &mut Percents<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Halt> {
        for (source, (manifest, member)) in tags.manifests.iter().enumerate() {
            let source = source as u16;
            manifest.judge_name(out)?;
            self.lines(member, declared, out, &mut |line, out| {
                let Some(entry) = manifest::read_line(manifest, &line, declared.version, out)? else {
                    return Ok(());
                };
                let spelling = entry.listed.spelling;
                let (listed, line) = (entry.listed, entry.line);
                let value = Value::Entry(rows::Entry { source, line, digest: entry.digest, spelling });
                if let Some(written) = &listed.written {
                    return percents.ask((source, line), &listed, written, &value).map_err(Halt::Scratch);
                }
                rows.push(key(&listed.path), value.encode()).map_err(Halt::Scratch)
            })?;
        }
        Ok(())
    }

    fn read_fetch(
        &self,
        tags: &TagFiles,
        declared: Declared,
        rows: &mut Sorter<'_>,
        percents: &mut Percents<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Halt> {
        /// Stands for fetch.txt where manifests have their place.
        const FETCH: u16 = u16::MAX;
        let Some(member) = &tags.fetch else { return Ok(()) };
        fetch::present(out)?;
        self.lines(member, declared, out, &mut |line, out| {
            let Some(fetch) = fetch::read_line(&line, declared.version, out)? else { return Ok(()) };
            let value = Value::Fetch { line: fetch.line, length: fetch.length };
            if let Some(written) = &fetch.listed.written {
                let id = (FETCH, fetch.line);
                return percents.ask(id, &fetch.listed, written, &value).map_err(Halt::Scratch);
            }
            rows.push(key(&fetch.listed.path), value.encode()).map_err(Halt::Scratch)
        })
    }

    fn read_info(
        &self,
        tags: &TagFiles,
        declared: Declared,
        watch: &mut Watch<'_>,
        out: &mut Out<'_>,
    ) -> Result<Option<Oxum>, Halt> {
        // The other version's name is a tag file like any other: what it holds need not be metadata.
        let name = declared.version.info_name();
        let member = tags.info.iter().find(|member| member.path.0 == name.as_bytes());
        let Some(member) = member else { return Ok(None) };
        let mut each = |label: &str, value: &str, line: u64, out: &mut Out<'_>| {
            watch.element(name, label, value, line, out)
        };
        let mut reader = info::Reader::new(name, declared.version).watched(&mut each);
        self.lines(member, declared, out, &mut |line, out| reader.take(&line, out))?;
        reader.finish(out)
    }

    /// Reads the other tag files that the profile has rules for, as mildly as the drafts read the bag's metadata.
    fn read_ruled(&self, declared: Declared, watch: &mut Watch<'_>, out: &mut Out<'_>) -> Result<(), Halt> {
        /// Lines of bagit.txt that are looked at; it has two.
        const ELEMENTS_MAX: usize = 100;
        for member in watch.to_read() {
            let name = member.path.shown();
            if name == "bagit.txt" {
                // Its faults were told by those who judge it; here only its values are of interest.
                let mut elements: Vec<(String, String, u64)> = Vec::new();
                let mut each = |label: &str, value: &str, line: u64, _: &mut Out<'_>| {
                    if elements.len() < ELEMENTS_MAX {
                        elements.push((label.to_string(), value.to_string(), line));
                    }
                    Ok(())
                };
                let mut hush = |_| Ok(());
                let mut hush = Out::new(&mut hush, self.policy);
                let utf8 = Declared { charset: text::Charset::Utf8, ..declared };
                let mut reader = info::Reader::new(&name, Version::V0_97).plain().watched(&mut each);
                self.lines(&member, utf8, &mut hush, &mut |line, out| reader.take(&line, out))?;
                reader.finish(&mut hush)?;
                for (label, value, line) in elements {
                    watch.element(&name, &label, &value, line, out)?;
                }
                continue;
            }
            let mut each = |label: &str, value: &str, line: u64, out: &mut Out<'_>| {
                watch.element(&name, label, value, line, out)
            };
            let mut reader = info::Reader::new(&name, Version::V0_97).plain().watched(&mut each);
            self.lines(&member, declared, out, &mut |line, out| reader.take(&line, out))?;
            reader.finish(out)?;
        }
        Ok(())
    }
}
