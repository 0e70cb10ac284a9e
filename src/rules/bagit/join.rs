//! The join: what is in the bag beside what is listed, name by name.
//!
//! - Names that differ only in case or normalisation form one group; a name is matched exactly first, then by NFC, then
//!   as a renamed file of the same digest.
//! - A group is bounded; so is what waits to be known as a missing file or a folder.

use super::Open;
use super::manifest::Manifest;
use super::paths::{self, base_name, is_apple_double, same_text};
use super::profile::watch::Watch;
use super::report::{Halt, Out};
use super::rows::{Entry, Present, Value, is_below, split_key};
use super::told;
use super::version::Version;
use crate::model::fact::BagPath;
use crate::model::finding::Severity;
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

/// Names of one group that are looked at together, each with each; more of them differ in case only to do harm.
const GROUP_MAX: usize = 16;

/// Listed names, one below the other, that wait to be known as folders; deeper ones are called missing at once.
const WAITING_MAX: usize = 64;

/// Joins the rows and tells what does not fit.
pub fn run(
    rows: Sorter<'_>,
    sources: &[Manifest],
    version: Version,
    open: &Open<'_, '_>,
    watch: &mut Watch<'_>,
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
        watch,
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

struct Join<'a, 'o, 'x, 'y, 'p> {
    sources: &'a [Manifest],
    payload: Vec<u16>,
    tags: Vec<u16>,
    version: Version,
    open: &'a Open<'x, 'y>,
    counted: Counted,
    holes: u64,
    first_hole: Vec<u8>,
    waiting: Vec<Waiting>,
    watch: &'a mut Watch<'p>,
    out: &'a mut Out<'o>,
}

impl<'a> Join<'a, '_, '_, '_, '_> {
    fn source(&self, place: u16) -> &'a Manifest {
        &self.sources[usize::from(place)]
    }

    /// Names of these manifests, for a sentence.
    fn names(&self, places: &[u16]) -> String {
        let names: Vec<&str> = places.iter().map(|place| self.source(*place).name.as_str()).collect();
        names.join(", ")
    }

    fn take(&mut self, name: &mut Name, value: Value) -> Result<(), Halt> {
        match value {
            Value::Present(present) => {
                name.present.get_or_insert(present);
            }
            Value::Entry(entry) => {
                let manifest = self.source(entry.source);
                match name.entries.get(&entry.source) {
                    Some(first) => {
                        return self.out.say(told::twice(manifest, &name.path, first, &entry, self.version));
                    }
                    None => {
                        name.entries.insert(entry.source, entry);
                    }
                }
            }
            Value::Fetch { line, .. } if name.fetch.is_some() => {
                return self.out.say(told::fetch_twice(&name.path, line));
            }
            Value::Fetch { line, length } => name.fetch = Some((line, length)),
        }
        Ok(())
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
            for (path, entry) in
                std::mem::take(&mut self.waiting).into_iter().flat_map(|waiting| waiting.listed)
            {
                self.out.say(told::folder(self.source(entry.source), &path, &entry))?;
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
        if self.waiting.len() >= WAITING_MAX {
            self.missing(Waiting { folded: Vec::new(), listed })?;
        } else if !listed.is_empty() {
            self.waiting.push(Waiting { folded: folded.to_vec(), listed });
        }
        for name in &group {
            if let Some(present) = &name.present {
                self.watch.file(&name.path, present.size, self.out)?;
                self.count(name, present)?;
            }
            if let Some((line, length)) = name.fetch {
                self.fetch(name, line, length)?;
            }
        }
        let mut present = group.iter().filter(|name| name.present.is_some());
        if let (Some(first), Some(second)) = (present.next(), present.next()) {
            let same = same_text(&first.path, &second.path);
            self.out.say(told::twins(&first.path, &second.path, same))?;
        }
        Ok(())
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
                if self.match_one(group, &path, &entry)? {
                    continue;
                }
                // The manifests that list a hole are still asked for by fetch.
                group[place].covered.push(entry.source);
                if group[place].fetch.is_none() {
                    listed.push((path.clone(), entry));
                }
            }
        }
        Ok(listed)
    }

    /// True when another name of the group stands for this entry.
    fn match_one(&mut self, group: &mut [Name], path: &[u8], entry: &Entry) -> Result<bool, Halt> {
        let source = entry.source;
        let manifest = self.source(source);
        let twin = group.iter_mut().find(|name| name.present.is_some() && same_text(&name.path, path));
        if let Some(twin) = twin {
            self.out.say(told::normalised(manifest, path, entry, &twin.path))?;
            self.verify(path, entry, twin.present.as_ref().expect("it was found by being present"))?;
            twin.covered.push(source);
            return Ok(true);
        }
        let same_digest = |other: &Entry| other.digest.is_some() && other.digest == entry.digest;
        let alias = group
            .iter()
            .find(|name| name.present.is_some() && name.entries.get(&source).is_some_and(same_digest));
        if let Some(alias) = alias {
            self.out.say(told::alias(manifest, path, entry, &alias.path))?;
            return Ok(true);
        }
        let renamed = group.iter_mut().find(|name| {
            let both = name.present.as_ref().zip(manifest.algorithm);
            let found = both.and_then(|(present, algorithm)| present.digest(algorithm));
            !name.covered.contains(&source) && found.is_some() && found == entry.digest.as_deref()
        });
        let Some(renamed) = renamed else { return Ok(false) };
        renamed.covered.push(source);
        self.counted.faults += 1;
        self.out.say(told::renamed(manifest, path, entry, &renamed.path))?;
        Ok(true)
    }

    fn missing(&mut self, waiting: Waiting) -> Result<(), Halt> {
        for (path, entry) in waiting.listed {
            let manifest = self.source(entry.source);
            self.counted.faults += u64::from(!manifest.is_tag);
            self.out.say(told::missing(manifest, &path, &entry))?;
        }
        Ok(())
    }

    /// Compares the digest listed with the one found.
    fn verify(&mut self, path: &[u8], entry: &Entry, present: &Present) -> Result<(), Halt> {
        let manifest = self.source(entry.source);
        if entry.bare_percent || entry.as_written {
            self.out.say(told::percent(manifest, path, entry))?;
        }
        let (Some(algorithm), Some(expected)) = (manifest.algorithm, &entry.digest) else { return Ok(()) };
        let Some(found) = present.digest(algorithm) else {
            return Err(Halt::Unsummed { path: BagPath(path.to_vec()), algorithm });
        };
        if found == expected {
            return Ok(());
        }
        self.counted.faults += u64::from(!manifest.is_tag);
        self.out.say(told::mismatch(manifest, algorithm, path, entry, present, (expected, found)))
    }

    /// One file of the bag: whether it is listed where it must be, and what is remarkable about its name.
    fn count(&mut self, name: &Name, present: &Present) -> Result<(), Halt> {
        for (code, severity, why) in paths::remarks(&name.path) {
            self.out.say(told::remark(code, severity, &name.path, why))?;
        }
        if !name.path.starts_with(b"data/") {
            return self.tag_file(name, present);
        }
        let (there, lacking): (Vec<u16>, Vec<u16>) =
            self.payload.iter().partition(|place| name.covered.contains(place));
        if there.is_empty() && !lacking.is_empty() {
            if self.apple_double(name, present)? {
                return Ok(());
            }
            self.counted.faults += 1;
            self.out.say(told::unlisted(&name.path, present))?;
        } else if !lacking.is_empty() && self.version >= Version::V0_97 {
            let (there, lacking) = (self.names(&there), self.names(&lacking));
            self.out.say(told::not_in_all(&name.path, &there, &lacking, self.version))?;
        }
        self.counted.files += 1;
        self.counted.bytes += present.size;
        Ok(())
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
        self.out.say(told::apple_double(&name.path))?;
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
        let (code, severity) = if manifest.is_some() {
            ("TAGM-OMITS-MANIFEST", self.version.rfc_error())
        } else if lacking.len() < self.tags.len() {
            ("TAGM-SETS-DIFFER", Severity::Warning)
        } else if self.apple_double(name, present)? {
            return Ok(());
        } else {
            ("TAGM-OMITS-TAGFILE", Severity::Warning)
        };
        let lacking = self.names(&lacking);
        self.out.say(told::tag_omitted(code, severity, &name.path, &lacking))
    }

    fn fetch(&mut self, name: &Name, line: u64, length: Option<u64>) -> Result<(), Halt> {
        let lacking: Vec<u16> =
            self.payload.iter().copied().filter(|place| !name.covered.contains(place)).collect();
        if !lacking.is_empty() {
            let lacking = self.names(&lacking);
            self.out.say(told::fetch_not_listed(&name.path, line, &lacking))?;
        }
        match (&name.present, length) {
            (None, _) => {
                if self.holes == 0 {
                    self.first_hole = name.path.clone();
                }
                self.holes += 1;
                self.counted.faults += 1;
                Ok(())
            }
            (Some(present), Some(length)) if length != present.size => {
                self.out.say(told::fetch_size(&name.path, line, length, present.size))
            }
            _ => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Counted, Halt> {
        while let Some(waiting) = self.waiting.pop() {
            self.missing(waiting)?;
        }
        if self.holes > 0 {
            self.out.say(told::holes(self.holes, &self.first_hole))?;
        }
        if self.counted.files == 0 {
            self.out.say(told::empty_payload())?;
        }
        Ok(self.counted)
    }
}
