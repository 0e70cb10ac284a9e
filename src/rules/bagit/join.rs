//! The join: what is in the bag beside what is listed, name by name.
//!
//! - Names that differ only in case or normalisation form one group; a name is matched exactly first, then by NFC, then
//!   as a renamed file of the same digest. What is left goes to the correlation by digest.
//! - A group is bounded; so is what waits to be known as a missing file or a folder.
//! - A file gives one finding for one fault, however many manifests list it.

use super::Open;
use super::correlate::{Absent, Correlation};
use super::line_ends::{self, Budget};
use super::manifest::{Manifest, places};
use super::paths::{self, base_name, is_apple_double, same_text};
use super::profile::watch::Watch;
use super::report::{Halt, Out};
use super::rows::{self, Entry, Present, Value, is_below, split_key};
use super::told::{self, Hints, Normalised, Wrong};
use super::version::Version;
use crate::model::fact::BagPath;
use crate::model::finding::Severity;
use crate::rules::sort::{Scratch, Sorter};
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
    /// Folders that hold payload, `data` among them.
    pub folders: u64,
}

/// What the join works with.
pub struct Setting<'a, 'x, 'y> {
    /// The manifests; a row names one by its place here.
    pub sources: &'a [Manifest],
    /// Rules to judge by.
    pub version: Version,
    /// Opens a file of the bag.
    pub open: &'a Open<'x, 'y>,
    /// Where rows go that do not fit into memory.
    pub scratch: &'a dyn Scratch,
    /// Memory for each sorter of the correlation.
    pub sort_bytes: usize,
    /// Bytes that the payload is shorter than Payload-Oxum says, with no file missing.
    pub shortfall: Option<u64>,
}

/// Names of one group that are looked at together, each with each; more of them differ in case only to do harm.
const GROUP_MAX: usize = 16;

/// Listed names, one below the other, that wait to be known as folders; deeper ones are called missing at once.
const WAITING_MAX: usize = 64;

/// Joins the rows and tells what does not fit.
pub fn run(
    rows: Sorter<'_>,
    setting: &Setting<'_, '_, '_>,
    watch: &mut Watch<'_>,
    out: &mut Out<'_>,
) -> Result<Counted, Halt> {
    let sources = setting.sources;
    let mut join = Join {
        setting,
        payload: places(sources, false),
        tags: places(sources, true),
        counted: Counted::default(),
        folder: Vec::new(),
        holes: 0,
        first_hole: Vec::new(),
        waiting: Vec::new(),
        watch,
        correlation: Correlation::new(sources, setting.scratch, setting.sort_bytes),
        budget: Budget::default(),
        out,
    };
    let (mut folded, mut group): (Vec<u8>, Vec<Name>) = (Vec::new(), Vec::new());
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

/// One name, byte for byte: what is there and what lists it.
#[derive(Debug, Default)]
struct Name {
    path: Vec<u8>,
    present: Option<Present>,
    /// One of each manifest that lists it.
    entries: Vec<Entry>,
    fetch: Option<(u64, Option<u64>)>,
    /// Manifests that list the file under whatever spelling.
    covered: Vec<u16>,
}

/// Listed names that are not there: missing, unless what follows shows that they are folders.
struct Waiting {
    folded: Vec<u8>,
    absent: Vec<Absent>,
}

struct Join<'a, 'o, 'x, 'y, 'p> {
    setting: &'a Setting<'a, 'x, 'y>,
    payload: Vec<u16>,
    tags: Vec<u16>,
    counted: Counted,
    /// The folder of the last payload file, folded.
    folder: Vec<u8>,
    holes: u64,
    first_hole: Vec<u8>,
    waiting: Vec<Waiting>,
    watch: &'a mut Watch<'p>,
    correlation: Correlation<'a>,
    budget: Budget,
    out: &'a mut Out<'o>,
}

impl<'a> Join<'a, '_, '_, '_, '_> {
    fn source(&self, place: u16) -> &'a Manifest {
        &self.setting.sources[usize::from(place)]
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
                let Some(first) = name.entries.iter_mut().find(|known| known.source == entry.source) else {
                    name.entries.push(entry);
                    return Ok(());
                };
                let both = name.present.as_ref().zip(manifest.algorithm);
                let found = both.and_then(|(present, algorithm)| present.digest(algorithm));
                let version = self.setting.version;
                self.out.say(told::twice(manifest, &name.path, (first, &entry), found, version))?;
                // Of two checksums the one that fits is kept: the other is told already.
                if entry.digest.is_some() && (first.digest.is_none() || entry.digest.as_deref() == found) {
                    *first = entry;
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
            let folders = std::mem::take(&mut self.waiting);
            for absent in folders.into_iter().flat_map(|waiting| waiting.absent) {
                self.out.say(told::folder(self.setting.sources, &absent))?;
            }
        }
        for name in &mut group {
            if let Some(present) = &name.present {
                self.verify(&name.path, &name.path, &name.entries, present)?;
                name.covered = name.entries.iter().map(|entry| entry.source).collect();
            }
        }
        let absent = self.match_absent(&mut group)?;
        if self.waiting.len() >= WAITING_MAX {
            self.missing(Waiting { folded: Vec::new(), absent })?;
        } else if !absent.is_empty() {
            self.waiting.push(Waiting { folded: folded.to_vec(), absent });
        }
        for name in &group {
            if let Some(present) = &name.present {
                self.watch.file(&name.path, present.size, self.out)?;
                self.count(name, folded, present)?;
            }
            if let Some((line, length)) = name.fetch {
                // As for a line of a manifest: the file may be there in another Unicode form.
                let twin = |other: &&Name| other.present.is_some() && same_text(&other.path, &name.path);
                let there = if name.present.is_some() { Some(name) } else { group.iter().find(twin) };
                self.fetch(there.unwrap_or(name), line, length)?;
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
    fn match_absent(&mut self, group: &mut [Name]) -> Result<Vec<Absent>, Halt> {
        let mut absent = Vec::new();
        for place in 0..group.len() {
            if group[place].present.is_some() || group[place].entries.is_empty() {
                continue;
            }
            let path = group[place].path.clone();
            let entries = std::mem::take(&mut group[place].entries);
            let left = self.match_name(group, &path, entries)?;
            // The manifests that list a hole are still asked for by fetch.
            group[place].covered.extend(left.iter().map(|entry| entry.source));
            if left.is_empty() || group[place].fetch.is_some() {
                continue;
            }
            let near = group.iter().find(|name| name.present.is_some()).map(|name| name.path.clone());
            let (tag, payload): (Vec<Entry>, Vec<Entry>) =
                left.into_iter().partition(|entry| self.source(entry.source).is_tag);
            for entries in [payload, tag] {
                if !entries.is_empty() {
                    absent.push(Absent { path: path.clone(), entries, near: near.clone() });
                }
            }
        }
        Ok(absent)
    }

    /// What other names of the group stand for; gives the entries for which none does.
    fn match_name(
        &mut self,
        group: &mut [Name],
        path: &[u8],
        mut entries: Vec<Entry>,
    ) -> Result<Vec<Entry>, Halt> {
        let sources = self.setting.sources;
        let twin = group.iter_mut().find(|name| name.present.is_some() && same_text(&name.path, path));
        if let Some(twin) = twin {
            let present = twin.present.as_ref().expect("it was found by being present");
            let fits = |entry: &Entry| {
                let found = sources[usize::from(entry.source)].algorithm.and_then(|by| present.digest(by));
                found.is_some() && found == entry.digest.as_deref()
            };
            let how = if entries.iter().all(|entry| twin.covered.contains(&entry.source)) {
                Normalised::ListedToo
            } else if entries.iter().all(fits) {
                Normalised::Matched
            } else {
                Normalised::ByName
            };
            self.out.say(told::normalised(sources, path, &entries, &twin.path, how))?;
            self.verify(path, &twin.path, &entries, present)?;
            twin.covered.extend(entries.iter().map(|entry| entry.source));
            return Ok(Vec::new());
        }
        for name in group.iter_mut().filter(|name| name.present.is_some()) {
            let listed_too = |entry: &Entry| {
                let same = |other: &Entry| other.source == entry.source && other.digest == entry.digest;
                entry.digest.is_some() && name.entries.iter().any(same)
            };
            let (aliases, others): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(listed_too);
            if !aliases.is_empty() {
                self.out.say(told::alias(sources, path, &aliases, &name.path))?;
            }
            let renamed = |entry: &Entry| {
                let both = name.present.as_ref().zip(sources[usize::from(entry.source)].algorithm);
                let found = both.and_then(|(present, algorithm)| present.digest(algorithm));
                found.is_some() && found == entry.digest.as_deref() && !name.covered.contains(&entry.source)
            };
            let (renamed, others): (Vec<Entry>, Vec<Entry>) = others.into_iter().partition(renamed);
            if !renamed.is_empty() {
                name.covered.extend(renamed.iter().map(|entry| entry.source));
                self.counted.faults += 1;
                self.out.say(told::renamed(sources, path, &renamed, &name.path))?;
            }
            entries = others;
        }
        Ok(entries)
    }

    fn missing(&mut self, waiting: Waiting) -> Result<(), Halt> {
        let sources = self.setting.sources;
        for absent in waiting.absent {
            let percent = absent.entries.iter().find(|entry| entry.spelling.mixed_percent);
            if let Some(entry) = percent {
                let version = self.setting.version;
                self.out.say(told::percent(sources, &absent.path, entry, version, false))?;
            }
            let is_tag = absent.entries.first().is_some_and(|entry| self.source(entry.source).is_tag);
            if is_tag {
                self.out.say(told::missing(sources, &absent))?;
                continue;
            }
            self.counted.faults += 1;
            self.correlation.missing(&absent).map_err(Halt::Scratch)?;
        }
        Ok(())
    }

    /// Compares the digests listed for `path` with those of the file, whose own name is `found`; payload manifests and tag
    /// manifests are told apart.
    fn verify(
        &mut self,
        path: &[u8],
        found: &[u8],
        entries: &[Entry],
        present: &Present,
    ) -> Result<(), Halt> {
        let (sources, version) = (self.setting.sources, self.setting.version);
        let odd = |entry: &&Entry| entry.spelling.bare_percent || entry.spelling.as_written;
        if let Some(entry) = entries.iter().find(odd) {
            self.out.say(told::percent(sources, path, entry, version, true))?;
        }
        if let Some(entry) = entries.iter().find(|entry| entry.spelling.backslashes) {
            self.out.say(told::backslashes(sources, path, entry))?;
        }
        let mut wrong = Vec::new();
        let mut right = Vec::new();
        for entry in entries {
            let algorithm = self.source(entry.source).algorithm;
            let (Some(algorithm), Some(expected)) = (algorithm, &entry.digest) else { continue };
            let Some(digest) = present.digest(algorithm) else {
                return Err(Halt::Unsummed { path: BagPath(found.to_vec()), algorithm });
            };
            if digest == expected {
                right.push(entry);
            } else {
                wrong.push(Wrong { entry, algorithm, expected, found: digest });
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let is_tag = |entry: &Entry| self.source(entry.source).is_tag;
        let (tag, payload): (Vec<Wrong<'_>>, Vec<Wrong<'_>>) =
            wrong.into_iter().partition(|wrong| is_tag(wrong.entry));
        let (tag_right, payload_right): (Vec<&Entry>, Vec<&Entry>) =
            right.into_iter().partition(|entry| is_tag(entry));
        for (wrong, right) in [(payload, payload_right), (tag, tag_right)] {
            let Some(first) = wrong.first() else { continue };
            self.counted.faults += u64::from(!self.source(first.entry.source).is_tag);
            let hints = Hints {
                line_ends: if right.is_empty() { self.line_ends(found, present, &wrong)? } else { None },
                shortfall: self.setting.shortfall,
            };
            let finding = told::mismatch(sources, path, present, &wrong, &right, hints);
            finding.map_or(Ok(()), |finding| self.out.say(finding))?;
        }
        Ok(())
    }

    /// Whether another kind of line ends explains the wrong digests: reads the file again, within the budget.
    fn line_ends(
        &mut self,
        path: &[u8],
        present: &Present,
        wrong: &[Wrong<'_>],
    ) -> Result<Option<line_ends::Change>, Halt> {
        if !self.budget.allows(present.size) {
            return Ok(None);
        }
        let member = present.member(path);
        let listed: Vec<_> = wrong.iter().map(|wrong| (wrong.algorithm, wrong.expected)).collect();
        let mut read = (self.setting.open)(&member)?;
        let failed = |error| Halt::Read { path: member.path.clone(), error };
        line_ends::changed(&mut *read, &listed).map_err(failed)
    }

    /// One file of the bag: whether it is listed where it must be, and what is remarkable about its name.
    fn count(&mut self, name: &Name, folded: &[u8], present: &Present) -> Result<(), Halt> {
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
            self.correlation.unlisted(&name.path, present).map_err(Halt::Scratch)?;
        } else if !lacking.is_empty() && self.setting.version >= Version::V0_97 {
            let (there, lacking) = (self.names(&there), self.names(&lacking));
            self.out.say(told::not_in_all(&name.path, &there, &lacking, self.setting.version))?;
        }
        self.count_folders(folded);
        self.counted.files += 1;
        self.counted.bytes += present.size;
        Ok(())
    }

    /// Counts the folders of a payload file that the file before it was not in. Names come sorted, so that all below one
    /// folder comes together.
    fn count_folders(&mut self, folded: &[u8]) {
        let end = folded.iter().rposition(|byte| *byte == rows::SLASH).unwrap_or(0);
        let folder = &folded[..end];
        if folder == self.folder {
            return;
        }
        let last = self.folder.split(|byte| *byte == rows::SLASH);
        let now = folder.split(|byte| *byte == rows::SLASH);
        let common = last.zip(now.clone()).take_while(|(last, now)| last == now).count();
        self.counted.folders += (now.count() - common) as u64;
        self.folder = folder.to_vec();
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
        (self.setting.open)(&member)?.take(4).read_to_end(&mut first).map_err(failed)?;
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
            ("TAGM-OMITS-MANIFEST", self.setting.version.rfc_error())
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
        self.correlation.tell(self.out)?;
        let holes = (self.holes > 0).then(|| told::holes(self.holes, &self.first_hole));
        let empty = (self.counted.files == 0).then(told::empty_payload);
        holes.into_iter().chain(empty).try_for_each(|finding| self.out.say(finding))?;
        Ok(self.counted)
    }
}
