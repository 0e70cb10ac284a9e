//! The ledger's book: a journal in two copies, and an index over it.
//!
//! ```text
//! commit --> queue --> leader: guards, both copies of the journal, sync --> index --> answer, bell
//! ```
//!
//! - A commit is answered when it is on disk in both copies. Commits that wait together are synced together; each
//!   sees those before it in its guards.
//! - Nothing is read that is not durable: rows enter the index after the sync, all rows of a group at once.
//! - After a failed write or sync every call fails: what the kernel did with the pages is unknown, so the process must
//!   end and start again.
//! - The index may be lost at any time (`sled_index.rs`); the journal may lose either copy (`merge.rs`).

pub use super::durable::SyncMode;
use super::imprint::{self, Imprint};
use super::journal::Journal;
use super::lock::Lock;
use super::opening::Opening;
pub use super::opening::{hold, look};
pub use super::options::Options;
use super::sled_index::{Commit, SledIndex};
use super::snapshot::Writer;
use super::tap::Tap;
use super::{Book, BookError, BookReport, Guard, Row, Write, batch};
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

/// Commits synced together at most.
const GROUP_COMMITS: usize = 64;

/// Their bytes, unless one alone has more.
const GROUP_BYTES: usize = 4 << 20;

/// Rows read at once while a snapshot is written.
const PAGE_ROWS: usize = 500;

/// Commits after which the index is handed to the disk, so that a start has little to apply again.
const SETTLE_COMMITS: u64 = 4096;

/// A commit that waits for its turn.
struct Request {
    body: Vec<u8>,
    batch: Vec<Write>,
    guards: Vec<Guard>,
    answer: OnceLock<Result<u64, BookError>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Request>>,
    /// Somebody writes a group now.
    leading: bool,
    /// Why everything fails from now on.
    failed: Option<BookError>,
}

/// The ledger's book.
pub struct MirroredBook {
    queue: Mutex<Queue>,
    turn: Condvar,
    journal: Mutex<Journal>,
    index: RwLock<SledIndex>,
    newest: Mutex<u64>,
    bell: Condvar,
    compacting: AtomicBool,
    tap: Tap,
    options: Options,
    ledger: String,
    schema: u64,
    imprint: Option<Imprint>,
    opened: BookReport,
    folder: PathBuf,
    // Last, so that it is let go when everything else is closed.
    held: Lock,
}

/// What an open book is made of.
pub(super) struct Parts {
    pub journal: Journal,
    pub index: SledIndex,
    pub options: Options,
    pub opened: BookReport,
    pub folder: PathBuf,
    pub held: Lock,
}

impl Parts {
    pub fn together(self) -> MirroredBook {
        let Parts { journal, index, options, opened, folder, held } = self;
        MirroredBook {
            queue: Mutex::default(),
            turn: Condvar::new(),
            newest: Mutex::new(journal.last()),
            bell: Condvar::new(),
            compacting: AtomicBool::new(false),
            tap: Tap::default(),
            ledger: journal.ledger().to_owned(),
            schema: journal.schema(),
            imprint: journal.imprint().cloned(),
            journal: Mutex::new(journal),
            index: RwLock::new(index),
            options,
            opened,
            folder,
            held,
        }
    }
}

impl MirroredBook {
    /// Id of the ledger: 32 hexadecimal digits, made when it was new, the same in both copies.
    pub fn ledger_id(&self) -> &str {
        &self.ledger
    }

    /// Number of its format.
    pub fn schema(&self) -> u64 {
        self.schema
    }

    /// Which release gave it that; none for schema 1.
    pub fn imprint(&self) -> Option<&Imprint> {
        self.imprint.as_ref()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the copies of its journal lie, and their bytes: each has as many.
    pub fn journal(&self) -> ([PathBuf; 2], u64) {
        let journal = lock(&self.journal);
        let (segments, snapshot) = journal.bytes();
        (journal.folders().clone(), segments + snapshot)
    }

    /// What opening it found and mended.
    pub fn report(&self) -> &BookReport {
        &self.opened
    }

    pub(super) fn apart(self) -> Parts {
        let broken = "a book that is taken apart was used by nobody else, and none of its calls panicked";
        let MirroredBook { journal, index, options, opened, folder, held, .. } = self;
        let journal = journal.into_inner().expect(broken);
        Parts { journal, index: index.into_inner().expect(broken), options, opened, folder, held }
    }

    /// Closes it, so that the next start has nothing to apply again. Dropping it instead loses nothing.
    pub fn close(self) -> Result<(), BookError> {
        self.usable()?;
        self.read_index().settle(self.options.sync)
    }

    /// Replaces what was written so far by a snapshot of the live rows; commits go on meanwhile. Done by itself when
    /// `Options::compact_bytes` says so.
    pub fn compact(&self) -> Result<(), BookError> {
        if self.compacting.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let done = self.usable().and_then(|()| self.is_current()).and_then(|()| self.write_snapshot());
        self.compacting.store(false, Ordering::Release);
        done.map_err(|error| self.fail(error))
    }

    /// The snapshot that rows of another schema go to; whoever reads no head finds the imprint beside it.
    pub(super) fn start_migration(&self, imprint: &Imprint) -> Result<Writer, BookError> {
        self.usable()?;
        let mut journal = lock(&self.journal);
        imprint::write(journal.folders(), journal.ledger(), imprint, self.options.sync)?;
        journal.start_migration(imprint)
    }

    fn write_snapshot(&self) -> Result<(), BookError> {
        let Some(mut writer) = lock(&self.journal).start_segment()? else { return Ok(()) };
        let (at, tail) = (writer.at, writer.tail);
        let mut after: Option<String> = None;
        loop {
            let page = self.read_index().scan("", after.as_deref(), PAGE_ROWS)?;
            for (key, row) in &page {
                writer.push(key, row)?;
            }
            match page.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => break,
            }
        }
        let through = self.read_index().applied().0;
        let bytes = writer.finish(through)?;
        // An index that is behind the snapshot would have to be made anew.
        self.read_index().flush(self.options.sync)?;
        lock(&self.journal).retire(at, tail, bytes)
    }

    /// Writes one group, or everything that waits if that is less.
    fn lead(&self, group: Vec<Arc<Request>>) {
        let relay = Relay { book: self, group };
        let mut journal = lock(&self.journal);
        if let Err(error) = self.write_group(&mut journal, &relay.group) {
            self.fail(error);
        }
    }

    fn write_group(&self, journal: &mut Journal, group: &[Arc<Request>]) -> Result<(), BookError> {
        let accepted = self.judge(group);
        if accepted.is_empty() {
            return Ok(());
        }
        let first = journal.last() + 1;
        let bodies: Vec<&[u8]> = accepted.iter().map(|request| request.body.as_slice()).collect();
        journal.append(&bodies)?;
        let numbered = || (first..).zip(&accepted);
        let commits: Vec<Commit<'_>> =
            numbered().map(|(number, request)| Commit { number, writes: &request.batch }).collect();
        let mut index = self.index.write().unwrap_or_else(|broken| broken.into_inner());
        index.apply(&commits, *journal.tail())?;
        accepted.iter().for_each(|request| self.tap.note(&request.batch));
        if first / SETTLE_COMMITS != (journal.last() + 1) / SETTLE_COMMITS {
            index.flush(self.options.sync)?;
        }
        drop(index);
        for (number, request) in numbered() {
            let _ = request.answer.set(Ok(number));
        }
        *lock(&self.newest) = journal.last();
        self.bell.notify_all();
        Ok(())
    }

    /// The requests whose guards are met, each seeing those before it; the others are answered.
    fn judge<'a>(&self, group: &'a [Arc<Request>]) -> Vec<&'a Request> {
        let index = self.read_index();
        // What the commits before in this group will have done; their numbers are not given yet.
        let mut written: HashMap<&str, Found> = HashMap::new();
        let mut accepted = Vec::new();
        for request in group {
            let refusal = request.guards.iter().find_map(|guard| {
                let met = match written.get(guard.key.as_str()) {
                    Some(Found::Absent) => guard.revision.is_none(),
                    // Nobody can know the revision yet.
                    Some(Found::New) => false,
                    None => match index.get(&guard.key) {
                        Ok(row) => row.map(|row| row.revision) == guard.revision,
                        Err(error) => return Some(error),
                    },
                };
                (!met).then(|| BookError::Conflict { key: guard.key.clone() })
            });
            if let Some(error) = refusal {
                let _ = request.answer.set(Err(error));
                continue;
            }
            for write in &request.batch {
                match write {
                    Write::Put(key, _) => written.insert(key, Found::New),
                    Write::Delete(key) => written.insert(key, Found::Absent),
                };
            }
            accepted.push(&**request);
        }
        accepted
    }

    #[cfg(test)]
    pub(super) fn fail_writes_to_second_copy(&self) {
        lock(&self.journal).fail_writes_to_second_copy();
    }

    /// From now on every call fails; gives what they fail with.
    fn fail(&self, error: BookError) -> BookError {
        let why = match error {
            BookError::Io { .. } => error,
            other => BookError::Io { path: self.folder.display().to_string(), why: other.to_string() },
        };
        let failed = lock(&self.queue).failed.get_or_insert(why).clone();
        self.turn.notify_all();
        self.bell.notify_all();
        failed
    }

    /// Rows of this program go into no older ledger.
    fn is_current(&self) -> Result<(), BookError> {
        let (found, known) = (self.schema, self.options.schema);
        if found == known { Ok(()) } else { Err(BookError::Older { found, known }) }
    }

    fn usable(&self) -> Result<(), BookError> {
        lock(&self.queue).failed.clone().map_or(Ok(()), Err)
    }

    fn read_index(&self) -> RwLockReadGuard<'_, SledIndex> {
        self.index.read().unwrap_or_else(|broken| broken.into_inner())
    }

    fn compact_if_due(&self) {
        let (segments, snapshot) = lock(&self.journal).bytes();
        if segments > self.options.compact_bytes.max(2 * snapshot) {
            // The commit that came by is durable whatever comes of this; the next call tells of a failure.
            let _ = self.compact();
        }
    }
}

/// What a commit earlier in the group does to a row.
#[derive(Clone, Copy)]
enum Found {
    New,
    Absent,
}

/// Hands the lead over when a group is done, also when its thread panics: nobody may wait for ever.
struct Relay<'a> {
    book: &'a MirroredBook,
    group: Vec<Arc<Request>>,
}

impl Drop for Relay<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = self.book.folder.display().to_string();
            self.book.fail(BookError::Io { path, why: "the thread that wrote a commit panicked".into() });
        }
        let mut queue = lock(&self.book.queue);
        if let Some(error) = &queue.failed {
            for request in self.group.iter().chain(&queue.waiting) {
                let _ = request.answer.set(Err(error.clone()));
            }
        }
        queue.leading = false;
        drop(queue);
        self.book.turn.notify_all();
    }
}

impl Queue {
    fn take_group(&mut self) -> Vec<Arc<Request>> {
        let (mut count, mut bytes) = (0, 0);
        for request in self.waiting.iter().take(GROUP_COMMITS) {
            bytes += request.body.len();
            if count > 0 && bytes > GROUP_BYTES {
                break;
            }
            count += 1;
        }
        self.waiting.drain(..count).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

impl Book for MirroredBook {
    fn get(&self, key: &str) -> Result<Option<Row>, BookError> {
        self.usable()?;
        self.read_index().get(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Row)>, BookError> {
        self.usable()?;
        self.read_index().scan(prefix, after, limit)
    }

    fn commit(&self, batch: &[Write], guards: &[Guard]) -> Result<u64, BookError> {
        self.is_current()?;
        let body = batch::encode(batch)?;
        let (batch, guards) = (batch.to_vec(), guards.to_vec());
        let request = Arc::new(Request { body, batch, guards, answer: OnceLock::new() });
        let mut queue = lock(&self.queue);
        if let Some(error) = &queue.failed {
            return Err(error.clone());
        }
        queue.waiting.push_back(request.clone());
        let mut led = false;
        while request.answer.get().is_none() {
            if queue.leading {
                queue = self.turn.wait(queue).unwrap_or_else(|broken| broken.into_inner());
                continue;
            }
            queue.leading = true;
            let group = queue.take_group();
            drop(queue);
            self.lead(group);
            led = true;
            queue = lock(&self.queue);
        }
        drop(queue);
        if led {
            self.compact_if_due();
        }
        request.answer.get().expect("the loop ends with an answer").clone()
    }

    fn watch(&self, seen: u64, at_most: Duration) -> u64 {
        let end = Instant::now() + at_most;
        let mut newest = lock(&self.newest);
        while *newest <= seen && self.usable().is_ok() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            newest = self.bell.wait_timeout(newest, left).unwrap_or_else(|broken| broken.into_inner()).0;
        }
        *newest
    }

    /// Commits go on while the rows are read; what they changed is read again at the end, when for a moment none does.
    fn copy(&self, each: &mut dyn FnMut(&str, Option<&Row>) -> bool) -> Result<u64, BookError> {
        self.usable()?;
        let tap = self.tap.open()?;
        let mut after: Option<String> = None;
        loop {
            let page = self.read_index().scan("", after.as_deref(), PAGE_ROWS)?;
            if !page.iter().all(|(key, row)| each(key, Some(row))) {
                return Ok(0);
            }
            match page.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => break,
            }
        }
        let index = self.read_index();
        for key in tap.noted()? {
            if !each(&key, index.get(&key)?.as_ref()) {
                return Ok(0);
            }
        }
        Ok(index.applied().0)
    }

    /// Commits wait while it reads.
    fn verify(&self) -> Result<BookReport, BookError> {
        self.usable()?;
        let journal = lock(&self.journal);
        let (mendable, lost) = journal.verify()?;
        let index = self.read_index();
        let mut wrong: Vec<String> = mendable
            .into_iter()
            .map(|note| format!("{note}; the next start mends it from the other copy"))
            .collect();
        wrong.extend(lost);
        wrong.extend(
            index
                .faults(&mut Opening::new(&mut |_| ()))
                .into_iter()
                .map(|fault| format!("index: {fault}; the next start makes it anew")),
        );
        wrong.extend(self.opened.wrong.iter().cloned());
        Ok(BookReport {
            sequence: journal.last(),
            rows: index.rows(),
            repaired: self.opened.repaired.clone(),
            wrong,
        })
    }
}
