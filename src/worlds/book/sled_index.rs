//! The index: sled, as the fast view of what the journal says. The only file that names sled.
//!
//! - It is never the truth. What it does not prove when it is opened is thrown away and made again from the journal.
//! - One batch holds the rows of a commit and the meta row: `applied`, the number of rows, and a sum over all of them
//!   in which their order does not count. Opening reads every row and compares.
//! - Each row carries a CRC over key, revision and value; a row that does not agree with it is `Damaged`.
//! - Nothing here is synced for a commit: losing the newest batches only means applying them again.
//! - sled 0.34 can panic on damaged files, and waits for ever when a write of its own threads fails: a panic is an error
//!   here, and so is a flush that does not end in time.

use super::durable::{self, SyncMode, io_error};
use super::opening::Opening;
use super::record::Chain;
use super::snapshot::Line;
use super::{BookError, Row, Write, journal};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Memory sled may use for pages; it takes somewhat more.
const CACHE_BYTES: u64 = 16 << 20;

const META: &[u8] = b"meta";

/// Every key of a row starts with it, so that no row can be the meta row.
const ROW: u8 = b'=';

/// Rows written in one batch while an index is made.
const BATCH_ROWS: usize = 500;

/// What the meta row says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    schema: u64,
    /// Id of the ledger.
    pub ledger: String,
    /// Number of the newest commit in it.
    pub applied: u64,
    /// Digest of that commit, in hexadecimal.
    pub chain: String,
    /// Rows.
    pub rows: u64,
    /// Sum over all rows.
    sum: String,
}

/// A commit on its way into the index.
pub(super) struct Commit<'a> {
    pub number: u64,
    pub writes: &'a [Write],
}

/// The open index.
pub(super) struct SledIndex {
    db: Handle,
    folder: PathBuf,
    ledger: String,
    schema: u64,
    applied: u64,
    chain: Chain,
    rows: u64,
    sum: u128,
}

impl SledIndex {
    /// Opens the index in `folder` and reads all of it; the sentence says why it cannot be used.
    pub fn open(
        folder: &Path,
        (ledger, schema): (&str, u64),
        patience: Duration,
        opening: &mut Opening<'_>,
    ) -> Result<SledIndex, String> {
        opening.read("rows of the index", 0);
        remove_generating(folder).map_err(|error| error.to_string())?;
        let db = open_sled(folder, patience)?;
        let meta = caught(|| db.sled().get(META))?.ok_or("it has no meta row")?;
        let meta: Meta = serde_json::from_slice(unseal(META, &meta).ok_or("its meta row is damaged")?.1)
            .map_err(|why| format!("its meta row cannot be read: {why}"))?;
        let chain = parse_hex(&meta.chain).ok_or("its meta row names no digest")?;
        if meta.schema != schema || meta.ledger != ledger {
            return Err(format!("it belongs to ledger {}, schema {}", meta.ledger, meta.schema));
        }
        let sum = u128::from_str_radix(&meta.sum, 16).map_err(|why| why.to_string())?;
        let (applied, rows) = (meta.applied, meta.rows);
        let (folder, ledger) = (folder.to_owned(), ledger.to_owned());
        let index = SledIndex { db, folder, ledger, schema, applied, chain, rows, sum };
        match index.faults(opening).as_slice() {
            [] => Ok(index),
            [first, ..] => Err(first.clone()),
        }
    }

    /// An empty index as of commit `applied`.
    pub fn create(
        folder: &Path,
        (ledger, schema): (&str, u64),
        (applied, chain): (u64, Chain),
        patience: Duration,
    ) -> Result<SledIndex, BookError> {
        std::fs::create_dir(folder).map_err(|error| io_error(folder, error))?;
        let db = open_sled(folder, patience).map_err(|why| failed(folder, why))?;
        let (folder, ledger) = (folder.to_owned(), ledger.to_owned());
        let mut index = SledIndex { db, folder, ledger, schema, applied, chain, rows: 0, sum: 0 };
        index.write(HashMap::new(), applied, chain)?;
        Ok(index)
    }

    /// Number of the newest commit in it, and its digest.
    pub fn applied(&self) -> (u64, &Chain) {
        (self.applied, &self.chain)
    }

    /// Rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The row of this key.
    pub fn get(&self, key: &str) -> Result<Option<Row>, BookError> {
        let sled_key = row_key(key);
        let found = caught(|| self.db.sled().get(&sled_key)).map_err(|why| failed(&self.folder, why))?;
        found.map(|sealed| row_of(key, &sealed)).transpose()
    }

    /// Up to `limit` rows whose keys start with `prefix`, in key order, after the key `after`.
    pub fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Row)>, BookError> {
        let (from, excluded) = match after {
            Some(after) if after >= prefix => (row_key(after), true),
            _ => (row_key(prefix), false),
        };
        let prefix = row_key(prefix);
        let mut found = Vec::new();
        let read = caught(|| {
            for entry in self.db.sled().range(from.clone()..) {
                let (key, sealed) = entry?;
                if found.len() == limit || !key.starts_with(&prefix) {
                    break;
                }
                if !(excluded && *key == *from) {
                    found.push((key, sealed));
                }
            }
            Ok(())
        });
        read.map_err(|why| failed(&self.folder, why))?;
        found
            .into_iter()
            .map(|(key, sealed)| {
                let key = text_of(&key)?;
                let row = row_of(&key, &sealed)?;
                Ok((key, row))
            })
            .collect()
    }

    /// Applies commits that are durable in the journal, all in one batch; `chain` is the digest of the last.
    pub fn apply(&mut self, commits: &[Commit<'_>], chain: Chain) -> Result<(), BookError> {
        let mut rows: HashMap<String, Option<Row>> = HashMap::new();
        let mut applied = self.applied;
        for commit in commits {
            applied = commit.number;
            for write in commit.writes {
                match write {
                    Write::Put(key, value) => {
                        let row = Row { revision: commit.number, value: value.clone() };
                        rows.insert(key.clone(), Some(row))
                    }
                    Write::Delete(key) => rows.insert(key.clone(), None),
                };
            }
        }
        self.write(rows, applied, chain)
    }

    /// Takes rows of a snapshot, as they are.
    pub fn load(&mut self, lines: Vec<Line>) -> Result<(), BookError> {
        let (applied, chain) = (self.applied, self.chain);
        let mut rows = HashMap::new();
        for (key, row) in lines {
            rows.insert(key, Some(row));
            if rows.len() == BATCH_ROWS {
                self.write(std::mem::take(&mut rows), applied, chain)?;
            }
        }
        self.write(rows, applied, chain)
    }

    /// One batch: these rows (`None`: no row), and the meta row.
    fn write(
        &mut self,
        rows: HashMap<String, Option<Row>>,
        applied: u64,
        chain: Chain,
    ) -> Result<(), BookError> {
        let (mut count, mut sum) = (self.rows, self.sum);
        let mut batch = sled::Batch::default();
        for (key, row) in rows {
            if let Some(old) = self.get(&key)? {
                count -= 1;
                sum = sum.wrapping_sub(weight(&key, &old));
            }
            match row {
                Some(row) => {
                    count += 1;
                    sum = sum.wrapping_add(weight(&key, &row));
                    let sled_key = row_key(&key);
                    batch.insert(sled_key.as_slice(), seal(&sled_key, row.revision, &row.value));
                }
                None => batch.remove(row_key(&key)),
            }
        }
        let meta = Meta {
            schema: self.schema,
            ledger: self.ledger.clone(),
            applied,
            chain: journal::hex(&chain),
            rows: count,
            sum: format!("{sum:032x}"),
        };
        let meta = serde_json::to_vec(&meta).expect("numbers and strings serialise");
        batch.insert(META, seal(META, applied, &meta));
        caught(|| self.db.sled().apply_batch(batch)).map_err(|why| failed(&self.folder, why))?;
        (self.applied, self.chain, self.rows, self.sum) = (applied, chain, count, sum);
        Ok(())
    }

    /// Reads every row: what does not agree, one sentence each, at most a few.
    pub fn faults(&self, opening: &mut Opening<'_>) -> Vec<String> {
        const FAULTS_MAX: usize = 8;
        let (mut rows, mut sum, mut faults) = (0u64, 0u128, Vec::new());
        let read = caught(|| {
            for entry in self.db.sled().range::<&[u8], _>(..) {
                let (key, sealed) = entry?;
                if *key == *META {
                    continue;
                }
                match text_of(&key).and_then(|key| Ok((row_of(&key, &sealed)?, key))) {
                    Ok((row, key)) => sum = sum.wrapping_add(weight(&key, &row)),
                    Err(error) if faults.len() < FAULTS_MAX => faults.push(error.to_string()),
                    Err(_) => {}
                }
                rows += 1;
                opening.read("rows of the index", 1);
            }
            Ok(())
        });
        if let Err(why) = read {
            faults.push(format!("reading it failed: {why}"));
        } else if rows != self.rows {
            faults.push(format!("it has {rows} rows, and says that it has {}", self.rows));
        } else if sum != self.sum && faults.is_empty() {
            faults.push("the sum over its rows is not the one it names".into());
        }
        faults
    }

    /// Hands everything to the disk, so that the next start has less to apply. sled's own flush does not sync the file.
    pub fn flush(&self, sync: SyncMode) -> Result<(), BookError> {
        let db = self.db.sled().clone();
        in_time(self.db.patience, move || caught(|| db.flush()))
            .unwrap_or_else(|| Err(format!("sled did not flush within {:?}", self.db.patience)))
            .map_err(|why| failed(&self.folder, why))?;
        let path = self.folder.join("db");
        let file = File::open(&path).map_err(|error| io_error(&path, error))?;
        durable::sync_data(&file, &path, sync)
    }

    /// Syncs what sled never does: its settings, its folders.
    pub fn settle(&self, sync: SyncMode) -> Result<(), BookError> {
        self.flush(sync)?;
        let conf = self.folder.join("conf");
        let file = File::open(&conf).map_err(|error| io_error(&conf, error))?;
        durable::sync_data(&file, &conf, sync)?;
        durable::sync_folder(&self.folder, sync)
    }
}

/// sled writes while it is dropped, unwraps what comes of it, and may wait for ever.
struct Handle {
    sled: Option<sled::Db>,
    patience: Duration,
}

impl Handle {
    fn sled(&self) -> &sled::Db {
        self.sled.as_ref().expect("it is taken only in drop")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let db = self.sled.take();
        // One that never ends keeps its thread; the process is about to end then.
        let _ = in_time(self.patience, move || {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
        });
    }
}

/// What `call` gives, on a thread of its own; `None` when it takes longer than this.
fn in_time<T: Send + 'static>(patience: Duration, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("index".into()).spawn(move || {
        // Nobody listens any more when it comes too late.
        let _ = answer.send(call());
    });
    thread.ok()?;
    answered.recv_timeout(patience).ok()
}

fn open_sled(folder: &Path, patience: Duration) -> Result<Handle, String> {
    // sled's threads may hold its lock a little longer than its handle.
    let end = Instant::now() + Duration::from_secs(2);
    let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    loop {
        let config = config.clone();
        let opened = in_time(patience, move || caught(|| config.open()));
        match opened.unwrap_or_else(|| Err(format!("sled did not open within {patience:?}"))) {
            Err(why) if why.contains("could not acquire lock") && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(10));
            }
            answer => return answer.map(|db| Handle { sled: Some(db), patience }),
        }
    }
}

/// An unfinished snapshot makes sled refuse to open, though its log is whole.
fn remove_generating(folder: &Path) -> Result<(), BookError> {
    let names = durable::names(folder)?.into_iter();
    names
        .filter(|name| name.ends_with(".generating"))
        .try_for_each(|name| durable::remove(&folder.join(name)))
}

/// What sled says; a panic in it is a sentence, too.
fn caught<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let said = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
            Err(format!("sled panicked: {said}"))
        }
    }
}

fn failed(folder: &Path, why: String) -> BookError {
    BookError::Io { path: folder.display().to_string(), why }
}

fn row_key(key: &str) -> Vec<u8> {
    let mut sled_key = Vec::with_capacity(1 + key.len());
    sled_key.push(ROW);
    sled_key.extend_from_slice(key.as_bytes());
    sled_key
}

fn text_of(sled_key: &[u8]) -> Result<String, BookError> {
    match sled_key.split_first() {
        Some((&ROW, key)) => String::from_utf8(key.to_vec()).ok(),
        _ => None,
    }
    .ok_or_else(|| BookError::Damaged { what: "the index has a key of no row".into() })
}

/// crc32 4 | revision 8 | value; the CRC is over key, revision and value.
fn seal(sled_key: &[u8], revision: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12 + value.len());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&revision.to_le_bytes());
    bytes.extend_from_slice(value);
    let crc = crc_of(sled_key, &bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn unseal<'a>(sled_key: &[u8], sealed: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (crc, rest) = sealed.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc_of(sled_key, rest) {
        return None;
    }
    let (revision, value) = rest.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*revision), value))
}

fn crc_of(sled_key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(sled_key);
    hasher.update(rest);
    hasher.finalize()
}

fn row_of(key: &str, sealed: &[u8]) -> Result<Row, BookError> {
    match unseal(&row_key(key), sealed) {
        Some((revision, value)) => Ok(Row { revision, value: value.to_vec() }),
        None => Err(BookError::Damaged {
            what: format!("the row {key} does not agree with its checksum; a restart makes the index again"),
        }),
    }
}

/// What a row adds to the sum.
fn weight(key: &str, row: &Row) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update((key.len() as u64).to_le_bytes());
    hasher.update(key.as_bytes());
    hasher.update(row.revision.to_le_bytes());
    hasher.update(&row.value);
    let digest: Chain = hasher.finalize().into();
    digest[..16].iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

fn parse_hex(text: &str) -> Option<Chain> {
    let mut chain = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (n, byte) in chain.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(chain)
}
