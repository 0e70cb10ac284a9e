//! What lies in the two copies of the journal: which files count, whether all of it is readable, and how to mend it.
//!
//! - Nothing is altered before all of it is known to be readable: a survey only reads.
//! - The newest whole snapshot counts, and the segments from its commit on, one following the other without a gap.
//! - A copy that belongs to another ledger is refused; what is newer than the program was refused before (`imprint`).
//! - The schema is the newest that the files in use name: the snapshot's, when it was made to bring the ledger there.

use super::BookError;
use super::durable::{self, SyncMode, io_error};
use super::files::{Name, append_to};
use super::imprint::Imprint;
use super::journal::{Head, hex};
use super::merge::{Merge, Merged, Start, Verdict};
use super::opening::Opening;
use super::record::{self, Chain, Kind, Record};
use super::snapshot;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// What merging all files found.
pub(super) struct Survey {
    pub ledger: String,
    pub schema: u64,
    pub imprint: Option<Imprint>,
    pub base: u64,
    pub base_chain: Chain,
    pub snapshot: Option<Merged>,
    pub segments: Vec<(u64, Merged)>,
    pub tail: Chain,
    /// Snapshots that are good in neither copy, though older ones are.
    broken: Vec<u64>,
}

impl Survey {
    pub fn is_stale(&self, name: Name) -> bool {
        match name {
            Name::Segment(at) => at < self.base,
            Name::Snapshot(at) => at < self.base || self.broken.contains(&at),
        }
    }

    pub fn newest(&self) -> u64 {
        self.segments.last().map_or(0, |(_, merged)| merged.last)
    }

    fn note(&mut self, head: Head) {
        if head.schema >= self.schema {
            self.schema = head.schema;
            self.imprint = head.imprint.or(self.imprint.take());
        }
    }

    pub fn refuse_newer(&self, known: u64) -> Result<(), BookError> {
        let (found, imprint) = (self.schema, self.imprint.clone().map(Box::new));
        if found > known { Err(BookError::Newer { found, known, imprint }) } else { Ok(()) }
    }

    /// The files in use, with what merging each found.
    pub fn files(&self) -> impl Iterator<Item = (Name, &Merged)> {
        let snapshot = self.snapshot.iter().map(|merged| (Name::Snapshot(self.base), merged));
        snapshot.chain(self.segments.iter().map(|(at, merged)| (Name::Segment(*at), merged)))
    }

    pub fn notes(&self) -> Vec<String> {
        self.files().flat_map(|(_, merged)| merged.notes.iter().flatten().cloned()).collect()
    }
}

/// Merges all files that are needed, and changes nothing.
pub(super) fn survey(
    folders: &[PathBuf; 2],
    names: &[Name],
    opening: &mut Opening<'_>,
) -> Result<Survey, BookError> {
    let ledger = known_ledger(folders, names)?;
    let genesis = record::chain_of(ledger.as_bytes());
    let mut survey = Survey {
        ledger,
        schema: 0,
        imprint: None,
        base: 0,
        base_chain: genesis,
        snapshot: None,
        segments: Vec::new(),
        tail: genesis,
        broken: Vec::new(),
    };
    let through = survey_snapshots(folders, names, &mut survey, opening)?;
    let (mut before, mut expected) = (None, survey.base);
    if survey.base == 0 {
        before = Some(genesis);
    }
    let segments: Vec<u64> = names
        .iter()
        .filter_map(|name| match name {
            Name::Segment(at) if *at >= survey.base => Some(*at),
            _ => None,
        })
        .collect();
    if segments.first() != Some(&survey.base) {
        let what = format!("{} is missing in both copies", Name::Segment(survey.base).text());
        return Err(BookError::Damaged { what });
    }
    for at in segments {
        if at != expected {
            let what = format!("commits {} to {at} are missing at the end of a segment", expected + 1);
            return Err(BookError::Damaged { what });
        }
        let (mut tail, mut head) = (survey.tail, None);
        let text = Name::Segment(at).text();
        let merged = Merge::open(&text, folders)?.run(Start { number: at, before }, &mut |found| {
            opening.read("commits of the journal", 1);
            match found.record.kind {
                Kind::Head => head = Some(follows(&found.record, &tail, &text)?),
                _ => tail = found.chain,
            }
            Ok(())
        })?;
        (survey.tail, expected, before) = (tail, merged.last, Some(merged.chain));
        head.into_iter().for_each(|head| survey.note(head));
        survey.segments.push((at, merged));
    }
    if survey.newest() < through {
        let what = format!("commits {} to {through} are missing in both copies", survey.newest() + 1);
        return Err(BookError::Damaged { what });
    }
    Ok(survey)
}

/// Reads these files again, whose last commit should be this one: what could be mended, and what could not.
pub(super) fn verify(
    folders: &[PathBuf; 2],
    names: &[Name],
    (last, tail): (u64, &Chain),
) -> Result<(Vec<String>, Option<String>), BookError> {
    match survey(folders, names, &mut Opening::new(&mut |_| ())) {
        Ok(survey) => {
            let lost = survey.newest() < last || survey.tail != *tail;
            let text = format!("the journal ends at {}, not at {last}", survey.newest());
            Ok((survey.notes(), lost.then_some(text)))
        }
        Err(BookError::Io { path, why }) => Err(BookError::Io { path, why }),
        Err(error) => Ok((Vec::new(), Some(error.to_string()))),
    }
}

/// A segment's head names the commit before it; with a snapshot as base nothing else ties the two together.
fn follows(head: &Record, tail: &Chain, file: &str) -> Result<Head, BookError> {
    match serde_json::from_slice::<Head>(&head.body) {
        Ok(said) if said.at == head.number && said.chain == hex(tail) => Ok(said),
        _ => Err(BookError::Damaged { what: format!("{file} does not follow commit {}", head.number) }),
    }
}

/// Finds the newest snapshot that is whole; gives the newest commit that it may hold rows of.
fn survey_snapshots(
    folders: &[PathBuf; 2],
    names: &[Name],
    survey: &mut Survey,
    opening: &mut Opening<'_>,
) -> Result<u64, BookError> {
    let mut snapshots: Vec<u64> = names
        .iter()
        .filter_map(|name| match name {
            Name::Snapshot(at) => Some(*at),
            Name::Segment(_) => None,
        })
        .collect();
    snapshots.sort_unstable();
    let mut why_not = None;
    while let Some(at) = snapshots.pop() {
        match snapshot::survey(folders, at, opening) {
            Ok(whole) => {
                (survey.base, survey.base_chain, survey.tail) = (at, whole.chain, whole.chain);
                survey.snapshot = Some(whole.merged);
                survey.note(whole.head);
                return Ok(whole.through);
            }
            Err(BookError::Io { path, why }) => return Err(BookError::Io { path, why }),
            Err(error) => {
                survey.broken.push(at);
                why_not.get_or_insert(error);
            }
        }
    }
    match why_not {
        // Older files than the broken snapshot still tell all of it.
        Some(_) if names.contains(&Name::Segment(0)) => Ok(0),
        Some(error) => Err(error),
        None => Ok(0),
    }
}

/// The one ledger that all heads name; also where a stranger's copy is refused.
fn known_ledger(folders: &[PathBuf; 2], names: &[Name]) -> Result<String, BookError> {
    let mut ledger: Option<(String, String)> = None;
    for name in names {
        let text = name.text();
        for (folder, head) in Merge::open(&text, folders)?.heads() {
            let place = folders[folder].join(&text).display().to_string();
            let head: Head = serde_json::from_slice(&head.record.body).map_err(|why| BookError::Damaged {
                what: format!("{place}: its head cannot be read: {why}"),
            })?;
            match &ledger {
                None => ledger = Some((head.ledger, place)),
                Some((known, first)) if *known != head.ledger => {
                    let other = head.ledger;
                    let what = format!("{place} belongs to ledger {other}, {first} to ledger {known}");
                    return Err(BookError::Damaged { what });
                }
                Some(_) => {}
            }
        }
    }
    let nothing = || BookError::Damaged { what: "no head of any journal file is good in either copy".into() };
    ledger.map(|(ledger, _)| ledger).ok_or_else(nothing)
}

/// Makes both copies equal to what merging them gave; tells what was mended.
pub(super) fn mend(
    folders: &[PathBuf; 2],
    survey: &Survey,
    sync: SyncMode,
    opening: &mut Opening<'_>,
) -> Result<Vec<String>, BookError> {
    for (name, merged) in survey.files() {
        for (folder, verdict) in folders.iter().zip(merged.verdicts) {
            let path = folder.join(name.text());
            match verdict {
                Verdict::Whole => {}
                Verdict::Cut(bytes) => {
                    let file = append_to(&path)?;
                    file.set_len(bytes).map_err(|error| io_error(&path, error))?;
                    durable::sync_all(&file, &path, sync)?;
                }
                Verdict::Rewrite => rewrite(folders, (name, merged), &path, sync, opening)?,
            }
        }
    }
    Ok(survey.notes())
}

fn rewrite(
    folders: &[PathBuf; 2],
    (name, merged): (Name, &Merged),
    path: &Path,
    sync: SyncMode,
    opening: &mut Opening<'_>,
) -> Result<(), BookError> {
    let mut out = BufWriter::with_capacity(1 << 20, durable::create_part(path)?);
    let (Name::Segment(number) | Name::Snapshot(number)) = name;
    let number = if matches!(name, Name::Snapshot(_)) { 0 } else { number };
    let text = name.text();
    let again = Merge::open(&text, folders)?.run(Start { number, before: None }, &mut |found| {
        opening.read("records for the copy that lacks them", 1);
        out.write_all(&found.record.encode()).map_err(|error| io_error(path, error))
    })?;
    if again.chain != merged.chain {
        let why = "the copies changed while they were mended".into();
        return Err(BookError::Io { path: path.display().to_string(), why });
    }
    let file = out.into_inner().map_err(|error| io_error(path, error.into_error()))?;
    durable::publish(&file, path, sync)
}
