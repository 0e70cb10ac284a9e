//! The join: what is in the bag beside what is listed, name by name.
//!
//! - Names that differ only in case or normalisation form one group; a name is matched exactly first, then by NFC, then
//!   as a renamed file of the same digest.
//! - A group is bounded; so is what waits to be known as a missing file or a folder.

use super::Open;
use super::manifest::Manifest;
use super::paths::{self, base_name, form, is_apple_double, same_text};
use super::report::{Halt, Out, about, quoted, short};
use super::rows::{Entry, Present, Value, is_below, split_key};
use super::version::Version;
use crate::model::digest::hex;
use crate::model::finding::{Finding, Severity};
use crate::rules::sort::Sorter;
use std::collections::BTreeMap;
use std::io::Read;

/// What the payload came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Bytes of the payload files.
    pub bytes: u64,
    /// Payload files.
    pub files: u64,
    /// Payload files that are missing, not listed or not what is listed.
    pub faults: u64,
}

/// Names of one group that are looked at together; more of them differ in case only to do harm.
const GROUP_MAX: usize = 256;

/// Joins the rows and tells what does not fit.
pub fn run(
    rows: Sorter<'_>,
    sources: &[Manifest],
    version: Version,
    open: &Open<'_, '_>,
    out: &mut Out<'_>,
) -> Result<Counted, Halt> {
    let mut join = Join {
        sources,
        payload: places(sources, false),
        tags: places(sources, true),
        version,
        open,
        counted: Counted::default(),
        holes: 0,
        first_hole: Vec::new(),
        waiting: Vec::new(),
        out,
    };
    let mut folded: Vec<u8> = Vec::new();
    let mut group: Vec<Name> = Vec::new();
    for row in rows.finish().map_err(Halt::Scratch)? {
        let (key, value) = row.map_err(Halt::Scratch)?;
        let (fold, path) = split_key(&key);
        let same_group = fold == folded && !group.is_empty();
        let same_name = same_group && group.last().is_some_and(|name| name.path == path);
        if !same_group || (!same_name && group.len() == GROUP_MAX) {
            join.close(&folded, std::mem::take(&mut group))?;
            folded = fold.to_vec();
        }
        if !same_name {
            group.push(Name { path: path.to_vec(), ..Name::default() });
        }
        let name = group.last_mut().expect("a name was pushed above, or is the same");
        join.take(name, Value::decode(&value).map_err(Halt::Scratch)?)?;
    }
    join.close(&folded, group)?;
    join.finish()
}

fn places(sources: &[Manifest], is_tag: bool) -> Vec<u16> {
    (0u16..).zip(sources).filter(|(_, source)| source.is_tag == is_tag).map(|(place, _)| place).collect()
}

/// One name, byte for byte: what is there and what lists it.
#[derive(Debug, Default)]
struct Name {
    path: Vec<u8>,
    present: Option<Present>,
    entries: BTreeMap<u16, Entry>,
    fetch: Option<(u64, Option<u64>)>,
    /// Manifests that list the file under whatever spelling.
    covered: Vec<u16>,
}

/// Listed names that are not there: missing, unless what follows shows that they are folders.
struct Waiting {
    folded: Vec<u8>,
    listed: Vec<(Vec<u8>, Entry)>,
}

struct Join<'a, 'o, 'x, 'y> {
    sources: &'a [Manifest],
    payload: Vec<u16>,
    tags: Vec<u16>,
    version: Version,
    open: &'a Open<'x, 'y>,
    counted: Counted,
    holes: u64,
    first_hole: Vec<u8>,
    waiting: Vec<Waiting>,
    out: &'a mut Out<'o>,
}

const BAG_AGAIN: &str = "Add the file, or make the bag again if it should not be there.";
const DAMAGED: &str = "The file changed after bagging or was damaged in transfer: compare it with your original and deposit again.";

impl Join<'_, '_, '_, '_> {
    fn source(&self, place: u16) -> &Manifest {
        &self.sources[usize::from(place)]
    }

    fn take(&mut self, name: &mut Name, value: Value) -> Result<(), Halt> {
        match value {
            Value::Present(present) => {
                name.present.get_or_insert(present);
            }
            Value::Entry(entry) => match name.entries.get(&entry.source) {
                Some(first) => return self.twice(&name.path, first, &entry),
                None => {
                    name.entries.insert(entry.source, entry);
                }
            },
            Value::Fetch { line, length } => {
                if name.fetch.is_some() {
                    let what = format!("fetch.txt names {} twice.", quoted(&name.path));
                    let finding = about("FETCH-LINE", Severity::Warning, b"fetch.txt", what).line(line);
                    return self.out.say(finding.advice("Keep one of the lines.").clause("RFC 8493, 2.2.3"));
                }
                name.fetch = Some((line, length));
            }
        }
        Ok(())
    }

    /// A manifest lists one path twice.
    fn twice(&mut self, path: &[u8], first: &Entry, again: &Entry) -> Result<(), Halt> {
        let manifest = &self.source(again.source).name;
        let alike = first.digest == again.digest;
        let (code, severity, how) = if alike {
            ("MAN-DUPLICATE", self.version.rfc_error(), "with the same checksum")
        } else {
            ("MAN-CONFLICT", Severity::Error, "with different checksums")
        };
        let what =
            format!("{manifest} lists {} on lines {} and {}, {how}.", quoted(path), first.line, again.line);
        let mut finding = about(code, severity, path, what).line(again.line).clause("RFC 8493, 2.1.3");
        if let (false, Some(one), Some(other)) = (alike, &first.digest, &again.digest) {
            finding = finding.values(hex(one), hex(other));
        }
        self.out.say(finding.advice("List each file once."))
    }

    /// A group is whole: settles what is there, what is listed, and what waited for it.
    fn close(&mut self, folded: &[u8], mut group: Vec<Name>) -> Result<(), Halt> {
        if group.is_empty() {
            return Ok(());
        }
        while let Some(last) = self.waiting.pop_if(|waiting| !is_below(folded, &waiting.folded)) {
            self.missing(last)?;
        }
        if group.iter().any(|name| name.present.is_some()) {
            for waiting in std::mem::take(&mut self.waiting) {
                self.folders(waiting)?;
            }
        }
        for name in &mut group {
            if let Some(present) = &name.present {
                for entry in name.entries.values() {
                    self.verify(&name.path, entry, present)?;
                }
                name.covered = name.entries.keys().copied().collect();
            }
        }
        let listed = self.match_absent(&mut group)?;
        if !listed.is_empty() {
            self.waiting.push(Waiting { folded: folded.to_vec(), listed });
        }
        for name in &group {
            if let Some(present) = &name.present {
                self.count(name, present)?;
            }
            if let Some((line, length)) = name.fetch {
                self.fetch(name, line, length)?;
            }
        }
        self.twins(&group)
    }

    /// Entries whose exact name is not there: the same text otherwise spelled, an alias, a renamed file, or missing.
    fn match_absent(&mut self, group: &mut [Name]) -> Result<Vec<(Vec<u8>, Entry)>, Halt> {
        let mut listed = Vec::new();
        for place in 0..group.len() {
            if group[place].present.is_some() {
                continue;
            }
            let path = group[place].path.clone();
            for entry in std::mem::take(&mut group[place].entries).into_values() {
                let source = entry.source;
                if let Some(twin) =
                    group.iter_mut().find(|name| name.present.is_some() && same_text(&name.path, &path))
                {
                    self.normalised(&path, &entry, &twin.path)?;
                    self.verify(&path, &entry, twin.present.as_ref().expect("found by it"))?;
                    twin.covered.push(source);
                    continue;
                }
                let alias = group.iter().find(|name| {
                    name.present.is_some()
                        && name
                            .entries
                            .get(&source)
                            .is_some_and(|other| other.digest.is_some() && other.digest == entry.digest)
                });
                if let Some(alias) = alias {
                    self.alias(&path, &entry, &alias.path)?;
                    continue;
                }
                let algorithm = self.source(source).algorithm;
                let renamed = group.iter_mut().find(|name| {
                    let found =
                        name.present.as_ref().zip(algorithm).and_then(|(present, by)| present.digest(by));
                    !name.covered.contains(&source) && found.is_some() && found == entry.digest.as_deref()
                });
                if let Some(renamed) = renamed {
                    renamed.covered.push(source);
                    self.renamed(&path, &entry, &renamed.path)?;
                    continue;
                }
                // The manifests that list a hole are still asked for by fetch.
                group[place].covered.push(source);
                if group[place].fetch.is_none() {
                    listed.push((path.clone(), entry));
                }
            }
        }
        Ok(listed)
    }

    fn normalised(&mut self, path: &[u8], entry: &Entry, found: &[u8]) -> Result<(), Halt> {
        let manifest = &self.source(entry.source).name;
        let what = format!(
            "{} is in the bag, but {manifest} (line {}) spells its accents otherwise ({} there, {} in the bag).",
            quoted(found),
            entry.line,
            form(path),
            form(found)
        );
        let finding = about("PATH-NORMALISATION", Severity::Warning, found, what).line(entry.line);
        let finding =
            finding.values(crate::model::finding::escape(path), crate::model::finding::escape(found));
        self.out.say(finding.advice("Nothing to do; we matched them.").clause("RFC 8493, 6.1.1.3"))
    }

    fn alias(&mut self, path: &[u8], entry: &Entry, found: &[u8]) -> Result<(), Halt> {
        let manifest = &self.source(entry.source).name;
        let what = format!(
            "{manifest} lists {} (line {}) beside {}, with the same checksum; only the latter is in the bag.",
            quoted(path),
            entry.line,
            quoted(found)
        );
        let finding = about("PATH-CASE-ALIAS", Severity::Warning, path, what).line(entry.line);
        self.out.say(
            finding.advice("Take the line out if there is only one such file.").clause("RFC 8493, 6.1.1.1"),
        )
    }

    fn renamed(&mut self, path: &[u8], entry: &Entry, found: &[u8]) -> Result<(), Halt> {
        let manifest = self.source(entry.source).name.clone();
        self.counted.faults += 1;
        let what = format!(
            "{} is listed in {manifest} (line {}); a file with that checksum is in the bag as {}, which differs in upper and lower case.",
            quoted(path),
            entry.line,
            quoted(found)
        );
        let finding = about("COMP-RENAMED", Severity::Error, path, what).line(entry.line);
        let finding =
            finding.values(crate::model::finding::escape(path), crate::model::finding::escape(found));
        self.out.say(
            finding.advice("Give the file the listed name, or make the bag again.").clause("RFC 8493, 3"),
        )
    }

    fn missing(&mut self, waiting: Waiting) -> Result<(), Halt> {
        for (path, entry) in waiting.listed {
            let manifest = self.source(entry.source);
            let code = if manifest.is_tag { "TAGM-MISSING-FILE" } else { "COMP-MISSING" };
            let what = format!(
                "{} is listed in {} (line {}) but is not in the bag.",
                quoted(&path),
                manifest.name,
                entry.line
            );
            self.counted.faults += u64::from(!manifest.is_tag);
            let finding = about(code, Severity::Error, &path, what).line(entry.line).clause("RFC 8493, 3");
            self.out.say(finding.advice(BAG_AGAIN))?;
        }
        Ok(())
    }

    fn folders(&mut self, waiting: Waiting) -> Result<(), Halt> {
        for (path, entry) in waiting.listed {
            let manifest = &self.source(entry.source).name;
            let what = format!(
                "{manifest} (line {}) lists the folder {}; manifests list files.",
                entry.line,
                quoted(&path)
            );
            let finding = about("MAN-LISTS-DIRECTORY", Severity::Error, &path, what).line(entry.line);
            self.out.say(finding.advice("Take the line out.").clause("RFC 8493, 2.1.3"))?;
        }
        Ok(())
    }

    /// Compares the digest listed with the one found.
    fn verify(&mut self, path: &[u8], entry: &Entry, present: &Present) -> Result<(), Halt> {
        self.percent(path, entry)?;
        let manifest = &self.sources[usize::from(entry.source)];
        let (Some(algorithm), Some(expected)) = (manifest.algorithm, &entry.digest) else { return Ok(()) };
        let Some(found) = present.digest(algorithm) else {
            return Err(Halt::Unsummed { path: crate::model::fact::BagPath(path.to_vec()), algorithm });
        };
        if found == expected {
            return Ok(());
        }
        let code = match (manifest.is_tag, present.size) {
            (true, _) => "TAGM-MISMATCH",
            (false, 0) => "FIX-EMPTY",
            (false, _) => "FIX-MISMATCH",
        };
        let (expected, found) = (hex(expected), hex(found));
        let what = format!(
            "{} ({} bytes) has {algorithm} {}…, {} (line {}) says {}….",
            quoted(path),
            present.size,
            short(&found),
            manifest.name,
            entry.line,
            short(&expected)
        );
        let advice = if present.size == 0 {
            "The file is empty: deposit it again from your original."
        } else {
            DAMAGED
        };
        self.counted.faults += u64::from(!manifest.is_tag);
        let finding = about(code, Severity::Error, path, what).line(entry.line).values(expected, found);
        self.out.say(finding.advice(advice).clause("RFC 8493, 3"))
    }

    fn percent(&mut self, path: &[u8], entry: &Entry) -> Result<(), Halt> {
        if !entry.bare_percent && !entry.as_written {
            return Ok(());
        }
        let manifest = &self.source(entry.source).name;
        let what = format!(
            "{manifest} line {} writes {} without encoding its `%`; we found the file under the written name and accept it.",
            entry.line,
            quoted(path)
        );
        let finding = about("PATH-PERCENT-RAW", Severity::Warning, path, what).line(entry.line);
        self.out.say(finding.advice("Write `%` as %25 in manifests.").clause("RFC 8493, 2.1.3"))
    }

    /// One file of the bag: whether it is listed where it must be, and what is remarkable about its name.
    fn count(&mut self, name: &Name, present: &Present) -> Result<(), Halt> {
        for (code, severity, why) in paths::remarks(&name.path) {
            let what = format!("{} {why}.", quoted(&name.path));
            let finding = about(code, severity, &name.path, what).clause("RFC 8493, 6.1");
            self.out.say(finding.advice("Nothing to do here; it may not survive on other systems."))?;
        }
        if !name.path.starts_with(b"data/") {
            return self.tag_file(name, present);
        }
        let lacking: Vec<u16> =
            self.payload.iter().copied().filter(|place| !name.covered.contains(place)).collect();
        if lacking.len() == self.payload.len() && !self.payload.is_empty() {
            if self.apple_double(name, present)? {
                return Ok(());
            }
            self.counted.faults += 1;
            let what = format!(
                "{} ({} bytes) is in the bag but in no payload manifest.",
                quoted(&name.path),
                present.size
            );
            let finding = about("COMP-UNLISTED", Severity::Error, &name.path, what).clause("RFC 8493, 3");
            self.out.say(finding.advice("Take the file out, or make the bag again with it."))?;
        } else if !lacking.is_empty() && self.version >= Version::V0_97 {
            self.not_in_all(name, &lacking)?;
        }
        self.counted.files += 1;
        self.counted.bytes += present.size;
        Ok(())
    }

    fn not_in_all(&mut self, name: &Name, lacking: &[u16]) -> Result<(), Halt> {
        let names = |places: &[u16]| {
            let names: Vec<&str> = places.iter().map(|place| self.source(*place).name.as_str()).collect();
            names.join(", ")
        };
        let (there, not) =
            (self.payload.iter().copied().filter(|place| name.covered.contains(place)), names(lacking));
        let what = format!(
            "{} is in {} but not in {not}; BagIt 1.0 wants every payload file in every payload manifest.",
            quoted(&name.path),
            names(&there.collect::<Vec<u16>>())
        );
        let finding =
            about("COMP-NOT-IN-ALL", self.version.rfc_error(), &name.path, what).clause("RFC 8493, 3");
        self.out.say(finding.advice(format!("Rebuild {not}.")))
    }

    /// What macOS's tar adds for a file's attributes is no payload of the bag: tolerated, and told.
    fn apple_double(&mut self, name: &Name, present: &Present) -> Result<bool, Halt> {
        const MAGIC: [u8; 4] = [0, 5, 0x16, 7];
        if !is_apple_double(base_name(&name.path)) {
            return Ok(false);
        }
        let member = present.member(&name.path);
        let mut first = Vec::new();
        let failed = |error| Halt::Read { path: member.path.clone(), error };
        (self.open)(&member)?.take(4).read_to_end(&mut first).map_err(failed)?;
        if first != MAGIC {
            return Ok(false);
        }
        let what = format!("{} is a side file that macOS adds; no manifest lists it.", quoted(&name.path));
        let finding = about("SER-APPLEDOUBLE", Severity::Warning, &name.path, what);
        self.out
            .say(finding.advice("To leave such files out, set COPYFILE_DISABLE=1 when making the tar."))?;
        Ok(true)
    }

    fn tag_file(&mut self, name: &Name, present: &Present) -> Result<(), Halt> {
        let manifest = Manifest::from_path(&name.path);
        if self.tags.is_empty() || manifest.as_ref().is_some_and(|manifest| manifest.is_tag) {
            return Ok(());
        }
        let lacking: Vec<u16> =
            self.tags.iter().copied().filter(|place| !name.covered.contains(place)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let shown = quoted(&name.path);
        let names: Vec<&str> = lacking.iter().map(|place| self.source(*place).name.as_str()).collect();
        let names = names.join(", ");
        let (code, severity, what) = if manifest.is_some() {
            (
                "TAGM-OMITS-MANIFEST",
                self.version.rfc_error(),
                format!("{names} does not list the payload manifest {shown}."),
            )
        } else if lacking.len() < self.tags.len() {
            (
                "TAGM-SETS-DIFFER",
                Severity::Warning,
                format!("{names} does not list {shown}, which another tag manifest lists."),
            )
        } else if self.apple_double(name, present)? {
            return Ok(());
        } else {
            ("TAGM-OMITS-TAGFILE", Severity::Warning, format!("The tag file {shown} is in no tag manifest."))
        };
        let finding: Finding = about(code, severity, &name.path, what).clause("RFC 8493, 2.2.1");
        self.out
            .say(finding.advice("Make the tag manifests again, each with every tag file but tag manifests."))
    }

    fn fetch(&mut self, name: &Name, line: u64, length: Option<u64>) -> Result<(), Halt> {
        let lacking: Vec<&str> = self
            .payload
            .iter()
            .filter(|place| !name.covered.contains(place))
            .map(|place| self.sources[usize::from(*place)].name.as_str())
            .collect();
        if !lacking.is_empty() {
            let what = format!(
                "fetch.txt (line {line}) names {}, which {} does not list.",
                quoted(&name.path),
                lacking.join(", ")
            );
            let finding = about("FETCH-NOT-IN-MANIFEST", Severity::Error, &name.path, what).line(line);
            self.out
                .say(finding.advice("List the file in every payload manifest.").clause("RFC 8493, 2.2.3"))?;
        }
        let Some(present) = &name.present else {
            if self.holes == 0 {
                self.first_hole = name.path.clone();
            }
            self.holes += 1;
            self.counted.faults += 1;
            return Ok(());
        };
        if let Some(length) = length.filter(|length| *length != present.size) {
            let what = format!(
                "fetch.txt (line {line}) gives {} {length} bytes; it has {}.",
                quoted(&name.path),
                present.size
            );
            let finding = about("FETCH-SIZE", Severity::Warning, &name.path, what).line(line);
            let finding = finding.values(length.to_string(), present.size.to_string());
            self.out
                .say(finding.advice("Nothing to do if its checksum is right.").clause("RFC 8493, 5.3"))?;
        }
        Ok(())
    }

    /// Files whose names some systems cannot tell apart.
    fn twins(&mut self, group: &[Name]) -> Result<(), Halt> {
        let mut present = group.iter().filter(|name| name.present.is_some());
        let (Some(first), Some(second)) = (present.next(), present.next()) else { return Ok(()) };
        let same = same_text(&first.path, &second.path);
        let (code, how) = if same {
            ("PATH-NORMALISATION", "in how their accents are spelled")
        } else {
            ("PATH-CASE-PAIR", "in upper and lower case")
        };
        let what = format!("{} and {} differ only {how}.", quoted(&first.path), quoted(&second.path));
        let finding = about(code, Severity::Warning, &second.path, what).clause("RFC 8493, 6.1.1");
        self.out.say(finding.advice("Both are kept; some systems can hold only one of them."))
    }

    fn finish(mut self) -> Result<Counted, Halt> {
        while let Some(waiting) = self.waiting.pop() {
            self.missing(waiting)?;
        }
        if self.holes > 0 {
            let what = format!(
                "{} files that fetch.txt names are not in the bag, {} first.",
                self.holes,
                quoted(&self.first_hole)
            );
            let finding = about("FETCH-HOLE", Severity::Error, &self.first_hole, what).clause("RFC 8493, 3");
            self.out.say(finding.advice("Fetch them into the bag, and send the whole bag."))?;
        }
        if self.counted.files == 0 {
            let finding =
                about("STRUCT-EMPTY-PAYLOAD", Severity::Warning, b"data", "The bag has no payload file.");
            self.out.say(
                finding.advice("Look whether the bag is what you wanted to send.").clause("RFC 8493, 2.1.2"),
            )?;
        }
        Ok(self.counted)
    }
}
