//! The journal: what the ledger cannot derive again, in two copies.
//!
//! ```text
//! COPY/snapshot-N   live rows as of commit N or a little later (snapshot.rs)
//! COPY/segment-N    a head, then one record for each commit after N
//! ```
//!
//! - `append` returns when the records are on disk in both copies.
//! - A file has its name only when it is whole; what is older than the newest whole snapshot is removed only when that
//!   snapshot is on disk in both copies.
//! - Opening merges the copies and mends each from the other (survey.rs).

use super::durable::{self, SyncMode, io_error};
use super::files::{Name, append_to, create_both, list, remove};
use super::imprint::Imprint;
use super::opening::Opening;
use super::options::Options;
use super::record::{self, Chain, Found, Kind, Record, Scanner};
use super::snapshot;
use super::survey::{self, Survey};
use super::twin::Twin;
use super::{BookError, Write, batch};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// First record of every file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// "segment" or "snapshot".
    pub strongroom: String,
    /// Number of the format.
    pub schema: u64,
    /// Id of the ledger.
    pub ledger: String,
    /// Number of the last commit before this file.
    pub at: u64,
    /// Digest of that commit's record, or of the ledger's id when there is none.
    pub chain: String,
    /// Who gave the ledger its schema; other releases read it (`imprint`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imprint: Option<Imprint>,
}

/// The open journal.
pub(super) struct Journal {
    folders: [PathBuf; 2],
    sync: SyncMode,
    ledger: String,
    /// Number of its format, and who gave it that.
    schema: u64,
    imprint: Option<Imprint>,
    /// Commits before it are in the snapshot of this number; 0: there is no snapshot.
    base: u64,
    /// Digest of commit `base`.
    base_chain: Chain,
    /// Segments from `base` on, ascending.
    segments: Vec<u64>,
    /// The last segment, in both copies.
    files: [Arc<File>; 2],
    twin: Twin,
    /// Bytes of the segments and of the snapshot.
    segment_bytes: u64,
    snapshot_bytes: u64,
    /// Number of the newest commit.
    last: u64,
    /// Digest of its record.
    tail: Chain,
    /// Digest of the newest record: that one, or the head of a new segment.
    chain: Chain,
    /// A write failed: what lies there is not what is known here, and nothing is written behind it.
    broken: bool,
}

/// Sees commits one by one: number, digest of the record, writes.
pub(super) type EachCommit<'a> = &'a mut dyn FnMut(u64, &Chain, Vec<Write>) -> Result<(), BookError>;

impl Journal {
    /// Opens the journal in these two folders, mending each copy from the other. Both empty: makes a new one, if it is to
    /// be `new`. Gives with it what was mended, one sentence each.
    pub fn open(
        folders: [PathBuf; 2],
        new: bool,
        &Options { schema: known, sync, .. }: &Options,
        opening: &mut Opening<'_>,
    ) -> Result<(Journal, Vec<String>), BookError> {
        let mut names = Vec::new();
        for folder in &folders {
            durable::make_folder(folder, sync)?;
            names.push(list(folder)?);
        }
        let mut all: Vec<Name> = names.concat();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() && new {
            return Ok((Journal::create(folders, known, sync)?, Vec::new()));
        }
        if all.is_empty() {
            let [first, second] = folders.each_ref().map(|folder| folder.display());
            let what = format!("both copies of the journal are empty or missing: {first}, {second}");
            return Err(BookError::Damaged { what });
        }
        let survey = survey::survey(&folders, &all, opening)?;
        // It was looked at before; a disk may have given an error then.
        survey.refuse_newer(known)?;
        let mut notes = survey::mend(&folders, &survey, sync, opening)?;
        for (folder, other, names) in [(0, 1, &names[0]), (1, 0, &names[1])] {
            if names.is_empty() {
                let (lost, good) = (folders[folder].display(), folders[other].display());
                notes.retain(|note| !note.starts_with(&format!("{lost}/")));
                notes.push(format!("{lost} was empty or missing: made anew from {good}"));
            }
        }
        let stale: Vec<Name> = all.into_iter().filter(|name| survey.is_stale(*name)).collect();
        remove(&folders, &stale, sync)?;
        Ok((Journal::ready(folders, sync, survey)?, notes))
    }

    fn create(folders: [PathBuf; 2], schema: u64, sync: SyncMode) -> Result<Journal, BookError> {
        let ledger = new_id()?;
        let genesis = record::chain_of(ledger.as_bytes());
        let imprint = Imprint::of_new(schema);
        let head = Head {
            strongroom: "segment".into(),
            schema,
            ledger: ledger.clone(),
            at: 0,
            chain: hex(&genesis),
            imprint: imprint.clone(),
        };
        let bytes = head.record(genesis).encode();
        let files = create_both(&folders, Name::Segment(0), &bytes, sync)?;
        Ok(Journal {
            folders,
            sync,
            ledger,
            schema,
            imprint,
            base: 0,
            base_chain: genesis,
            segments: vec![0],
            files,
            twin: Twin::start()?,
            segment_bytes: bytes.len() as u64,
            snapshot_bytes: 0,
            last: 0,
            tail: genesis,
            chain: record::chain_of(&bytes),
            broken: false,
        })
    }

    fn ready(folders: [PathBuf; 2], sync: SyncMode, survey: Survey) -> Result<Journal, BookError> {
        let (at, newest) = survey.segments.last().expect("a survey without segments is an error");
        let name = Name::Segment(*at).text();
        let open = |folder: &PathBuf| Ok(Arc::new(append_to(&folder.join(&name))?));
        let files = [open(&folders[0])?, open(&folders[1])?];
        Ok(Journal {
            folders,
            sync,
            ledger: survey.ledger,
            schema: survey.schema,
            imprint: survey.imprint,
            base: survey.base,
            base_chain: survey.base_chain,
            last: newest.last,
            chain: newest.chain,
            tail: survey.tail,
            segment_bytes: survey.segments.iter().map(|(_, merged)| merged.bytes).sum(),
            snapshot_bytes: survey.snapshot.map_or(0, |merged| merged.bytes),
            segments: survey.segments.into_iter().map(|(at, _)| at).collect(),
            files,
            twin: Twin::start()?,
            broken: false,
        })
    }

    /// Id of the ledger.
    pub fn ledger(&self) -> &str {
        &self.ledger
    }

    /// Number of its format.
    pub fn schema(&self) -> u64 {
        self.schema
    }

    /// Who gave it that.
    pub fn imprint(&self) -> Option<&Imprint> {
        self.imprint.as_ref()
    }

    /// Its two folders.
    pub fn folders(&self) -> &[PathBuf; 2] {
        &self.folders
    }

    /// Number of the newest commit.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Digest of the newest commit's record.
    pub fn tail(&self) -> &Chain {
        &self.tail
    }

    /// Number and digest of the commit from which on all records are there.
    pub fn base(&self) -> (u64, &Chain) {
        (self.base, &self.base_chain)
    }

    /// Bytes of the segments, and of the snapshot before them.
    pub fn bytes(&self) -> (u64, u64) {
        (self.segment_bytes, self.snapshot_bytes)
    }

    /// Adds a commit for each body, on disk in both copies when it returns. After an error nothing is known of them, and
    /// the journal may not be used again.
    pub fn append(&mut self, bodies: &[&[u8]]) -> Result<(), BookError> {
        self.writable()?;
        let (mut last, mut chain, synced) = (self.last, self.chain, self.last);
        let mut bytes = Vec::new();
        for body in bodies {
            last += 1;
            let record =
                Record { kind: Kind::Commit, number: last, synced, before: chain, body: body.to_vec() };
            let encoded = record.encode();
            chain = record::chain_of(&encoded);
            bytes.extend_from_slice(&encoded);
        }
        let added = bytes.len() as u64;
        let bytes = Arc::new(bytes);
        let [first, second] = [self.addition(0, &bytes), self.addition(1, &bytes)];
        self.broken = true;
        self.twin.both(move || first.write(), move || second.write())?;
        self.broken = false;
        self.segment_bytes += added;
        (self.last, self.chain, self.tail) = (last, chain, chain);
        Ok(())
    }

    /// Others wait for their turn to write while a write fails; theirs would come behind what is half there.
    fn writable(&self) -> Result<(), BookError> {
        let why = || "a write failed before, and the process must end and start again".to_string();
        let failed = || BookError::Io { path: self.folders[0].display().to_string(), why: why() };
        if self.broken { Err(failed()) } else { Ok(()) }
    }

    fn addition(&self, copy: usize, bytes: &Arc<Vec<u8>>) -> Addition {
        let name = Name::Segment(*self.segments.last().expect("there is always a segment"));
        let path = self.folders[copy].join(name.text());
        Addition { file: self.files[copy].clone(), path, bytes: bytes.clone(), sync: self.sync }
    }

    #[cfg(test)]
    pub fn fail_writes_to_second_copy(&mut self) {
        self.files[1] = Arc::new(append_to(Path::new("/dev/full")).expect("Linux has it"));
    }

    /// Starts a new segment; a snapshot of its number may be written from now on. `None` when the newest is still empty.
    pub fn start_segment(&mut self) -> Result<Option<snapshot::Writer>, BookError> {
        if self.segments.last() == Some(&self.last) {
            return Ok(None);
        }
        self.new_segment()?;
        self.snapshot(self.schema, self.imprint.clone()).map(Some)
    }

    /// Starts a snapshot of another schema, to which every row is given anew. Until it is finished the journal is what it was,
    /// for this program and for those before it.
    pub fn start_migration(&mut self, imprint: &Imprint) -> Result<snapshot::Writer, BookError> {
        let is_empty = self.segments.last() == Some(&self.last);
        if is_empty && self.base == self.last {
            // There is a snapshot of this number already, or no commit to name one after.
            self.append(&[&batch::encode(&[])?])?;
        }
        // An empty segment without a snapshot is left from a migration that was cut off.
        if self.segments.last() != Some(&self.last) {
            self.new_segment()?;
        }
        self.snapshot(imprint.schema, Some(imprint.clone()))
    }

    /// The snapshot of another schema is on disk in both copies.
    pub fn migrated(&mut self, imprint: &Imprint) {
        (self.schema, self.imprint) = (imprint.schema, Some(imprint.clone()));
    }

    fn new_segment(&mut self) -> Result<(), BookError> {
        let bytes = self.head("segment", self.schema, self.imprint.clone()).record(self.chain).encode();
        self.writable()?;
        self.broken = true;
        self.files = create_both(&self.folders, Name::Segment(self.last), &bytes, self.sync)?;
        self.broken = false;
        self.chain = record::chain_of(&bytes);
        self.segments.push(self.last);
        self.segment_bytes += bytes.len() as u64;
        Ok(())
    }

    fn snapshot(&self, schema: u64, imprint: Option<Imprint>) -> Result<snapshot::Writer, BookError> {
        let head = self.head("snapshot", schema, imprint).record(self.tail);
        snapshot::Writer::create(&self.folders, self.last, self.tail, head, self.sync)
    }

    /// The head of a file that follows the newest commit.
    fn head(&self, what: &str, schema: u64, imprint: Option<Imprint>) -> Head {
        let (ledger, chain) = (self.ledger.clone(), hex(&self.tail));
        Head { strongroom: what.into(), schema, ledger, at: self.last, chain, imprint }
    }

    /// The snapshot `at` is on disk in both copies: what it makes unneeded is removed.
    pub fn retire(&mut self, at: u64, chain: Chain, snapshot_bytes: u64) -> Result<(), BookError> {
        let mut stale: Vec<Name> =
            self.segments.iter().filter(|segment| **segment < at).map(|n| Name::Segment(*n)).collect();
        if self.base > 0 {
            stale.push(Name::Snapshot(self.base));
        }
        (self.base, self.base_chain, self.snapshot_bytes) = (at, chain, snapshot_bytes);
        self.segments.retain(|segment| *segment >= at);
        remove(&self.folders, &stale, self.sync)?;
        self.segment_bytes = 0;
        for segment in &self.segments {
            let path = self.folders[0].join(Name::Segment(*segment).text());
            self.segment_bytes += path.metadata().map_err(|error| io_error(&path, error))?.len();
        }
        Ok(())
    }

    /// Gives every row of the snapshot, if there is one.
    pub fn rows(
        &self,
        each: &mut dyn FnMut(Vec<snapshot::Line>) -> Result<(), BookError>,
    ) -> Result<(), BookError> {
        if self.base == 0 {
            return Ok(());
        }
        self.read(Name::Snapshot(self.base), &mut |found| match found.record.kind {
            Kind::Rows => {
                each(snapshot::decode_rows(&found.record.body).map_err(|why| unreadable(found, &why))?)
            }
            _ => Ok(()),
        })
    }

    /// Gives every commit from number `from` on, in order: its number, the digest of its record, its writes.
    pub fn commits(&self, from: u64, each: EachCommit<'_>) -> Result<(), BookError> {
        for (n, segment) in self.segments.iter().enumerate() {
            if self.segments.get(n + 1).is_some_and(|next| *next < from) {
                continue;
            }
            self.read(Name::Segment(*segment), &mut |found| {
                if found.record.kind != Kind::Commit || found.record.number < from {
                    return Ok(());
                }
                let writes = batch::decode(&found.record.body).map_err(|why| unreadable(found, &why))?;
                each(found.record.number, &found.chain, writes)
            })?;
        }
        Ok(())
    }

    /// Reads a file of the first copy, which opening has proved to be whole.
    fn read(
        &self,
        name: Name,
        each: &mut dyn FnMut(&Found) -> Result<(), BookError>,
    ) -> Result<(), BookError> {
        let path = self.folders[0].join(name.text());
        let gone = || BookError::Damaged { what: format!("{} is gone", path.display()) };
        let mut scanner = Scanner::open(&path)?.ok_or_else(gone)?;
        while let Some(found) = scanner.next_good() {
            each(&found)?;
        }
        if scanner.bad_bytes > 0 {
            let what = format!("{} was whole when it was opened, and is not now", path.display());
            return Err(BookError::Damaged { what });
        }
        Ok(())
    }

    /// Reads both copies again: what could be mended at the next start, and what could not.
    pub fn verify(&self) -> Result<(Vec<String>, Option<String>), BookError> {
        let snapshot = (self.base > 0).then_some(Name::Snapshot(self.base));
        let segments = self.segments.iter().map(|at| Name::Segment(*at));
        let names: Vec<Name> = snapshot.into_iter().chain(segments).collect();
        survey::verify(&self.folders, &names, (self.last, &self.tail))
    }
}

/// What is added to one copy.
struct Addition {
    file: Arc<File>,
    path: PathBuf,
    bytes: Arc<Vec<u8>>,
    sync: SyncMode,
}

impl Addition {
    fn write(self) -> Result<(), BookError> {
        (&*self.file).write_all(&self.bytes).map_err(|error| io_error(&self.path, error))?;
        match self.sync {
            SyncMode::NotCommitsForNegativeControl => Ok(()),
            sync => durable::sync_data(&self.file, &self.path, sync),
        }
    }
}

impl Head {
    fn record(&self, before: Chain) -> Record {
        let body = serde_json::to_vec(self).expect("a head always serialises");
        Record { kind: Kind::Head, number: self.at, synced: self.at, before, body }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An id that no other ledger has.
fn new_id() -> Result<String, BookError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    let mut random = File::open(path).map_err(|error| io_error(path, error))?;
    std::io::Read::read_exact(&mut random, &mut bytes).map_err(|error| io_error(path, error))?;
    Ok(hex(&bytes))
}

fn unreadable(found: &Found, why: &str) -> BookError {
    BookError::Damaged { what: format!("record {} is whole but cannot be read: {why}", found.record.number) }
}
