//! A snapshot: the live rows, so that older segments are not needed any more.
//!
//! - It is named after the commit N it starts from, and was written while later commits went on: a row may be as of N
//!   or of any commit up to `through`, which its last record names. Commits after N, applied over it in order, give
//!   the state of every commit from `through` on; a journal that ends before `through` has lost something.
//! - Without its last record it is not whole, and is not used.

use super::durable::{self, SyncMode, io_error};
use super::files::Name;
use super::journal::Head;
use super::merge::{Merge, Merged, Start};
use super::opening::Opening;
use super::record::{self, Chain, Kind, Record};
use super::{BookError, Row};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

/// Bytes of rows in one record.
const ROWS_BYTES: usize = 64 << 10;

#[derive(Serialize)]
struct LineOut<'a> {
    key: &'a str,
    revision: u64,
    value: &'a RawValue,
}

#[derive(Deserialize)]
struct LineIn {
    key: String,
    revision: u64,
    value: Box<RawValue>,
}

/// A row and its key.
pub(super) type Line = (String, Row);

/// What the last record says.
#[derive(Serialize, Deserialize)]
struct End {
    rows: u64,
    through: u64,
}

/// Writes a snapshot into both copies.
pub(super) struct Writer {
    files: [BufWriter<File>; 2],
    paths: [PathBuf; 2],
    sync: SyncMode,
    /// Number of the commit it starts from.
    pub at: u64,
    /// Digest of that commit.
    pub tail: Chain,
    number: u64,
    chain: Chain,
    rows: u64,
    bytes: u64,
    page: Vec<u8>,
}

impl Writer {
    /// A snapshot from commit `at` on; `head` is its first record.
    pub fn create(
        folders: &[PathBuf; 2],
        at: u64,
        tail: Chain,
        head: Record,
        sync: SyncMode,
    ) -> Result<Writer, BookError> {
        let paths = folders.each_ref().map(|folder| folder.join(Name::Snapshot(at).text()));
        let open = |path| Ok(BufWriter::with_capacity(1 << 20, durable::create_part(path)?));
        let files = [open(&paths[0])?, open(&paths[1])?];
        let (rows, bytes, page) = (0, 0, Vec::new());
        let mut writer = Writer { files, paths, sync, at, tail, number: 0, chain: tail, rows, bytes, page };
        writer.put(head.kind, head.body)?;
        Ok(writer)
    }

    /// Adds a row.
    pub fn push(&mut self, key: &str, row: &Row) -> Result<(), BookError> {
        let value: &RawValue = serde_json::from_slice(&row.value)
            .map_err(|why| BookError::Damaged { what: format!("the row {key} is not JSON: {why}") })?;
        self.page.push(if self.page.is_empty() { b'[' } else { b',' });
        let line = LineOut { key, revision: row.revision, value };
        serde_json::to_writer(&mut self.page, &line).expect("strings and raw JSON always serialise");
        self.rows += 1;
        if self.page.len() >= ROWS_BYTES { self.put_page() } else { Ok(()) }
    }

    /// Ends it: on disk under its name in both copies when it returns. Gives its bytes.
    pub fn finish(mut self, through: u64) -> Result<u64, BookError> {
        self.put_page()?;
        let end = serde_json::to_vec(&End { rows: self.rows, through }).expect("two numbers serialise");
        self.put(Kind::End, end)?;
        for (file, path) in self.files.into_iter().zip(&self.paths) {
            let file = file.into_inner().map_err(|error| io_error(path, error.into_error()))?;
            durable::publish(&file, path, self.sync)?;
        }
        Ok(self.bytes)
    }

    fn put_page(&mut self) -> Result<(), BookError> {
        if self.page.is_empty() {
            return Ok(());
        }
        self.page.push(b']');
        let page = std::mem::take(&mut self.page);
        self.put(Kind::Rows, page)
    }

    fn put(&mut self, kind: Kind, body: Vec<u8>) -> Result<(), BookError> {
        // Every record before this one was there: a hole is always damage, never a torn write.
        let synced = self.number.saturating_sub(1);
        let bytes = Record { kind, number: self.number, synced, before: self.chain, body }.encode();
        for (file, path) in self.files.iter_mut().zip(&self.paths) {
            file.write_all(&bytes).map_err(|error| io_error(path, error))?;
        }
        self.chain = record::chain_of(&bytes);
        self.number += 1;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// The rows in a record's body.
pub(super) fn decode_rows(body: &[u8]) -> Result<Vec<Line>, String> {
    let lines: Vec<LineIn> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let row = |line: LineIn| {
        let value = Box::<str>::from(line.value).into_boxed_bytes().into_vec();
        (line.key, Row { revision: line.revision, value })
    };
    Ok(lines.into_iter().map(row).collect())
}

/// A snapshot that is whole in at least one copy.
pub(super) struct Whole {
    pub merged: Merged,
    pub head: Head,
    /// Digest of the commit it starts from.
    pub chain: Chain,
    pub through: u64,
}

/// Reads both copies of a snapshot.
pub(super) fn survey(folders: &[PathBuf; 2], at: u64, opening: &mut Opening<'_>) -> Result<Whole, BookError> {
    let name = Name::Snapshot(at).text();
    let damaged = |why: String| BookError::Damaged { what: format!("ledger file {name}: {why}") };
    let (mut head, mut end, mut rows) = (None, None, 0);
    let merged = Merge::open(&name, folders)?.run(Start { number: 0, before: None }, &mut |found| {
        let record = &found.record;
        let unreadable = |why: serde_json::Error| damaged(format!("record {}: {why}", record.number));
        match record.kind {
            Kind::Head => {
                head =
                    Some((serde_json::from_slice::<Head>(&record.body).map_err(unreadable)?, record.before));
            }
            Kind::Rows => {
                let more = decode_rows(&record.body).map_err(damaged)?.len() as u64;
                opening.read("rows of the snapshot", more);
                rows += more;
            }
            Kind::End => end = Some(serde_json::from_slice::<End>(&record.body).map_err(unreadable)?),
            Kind::Commit => return Err(damaged("a commit lies in a snapshot".into())),
        }
        Ok(())
    })?;
    match (head, end) {
        (Some((head, chain)), Some(end)) if merged.ended && end.rows == rows && head.at == at => {
            Ok(Whole { merged, head, chain, through: end.through })
        }
        (Some(_), Some(end)) if merged.ended => {
            Err(damaged(format!("it has {rows} rows, and says that it has {}", end.rows)))
        }
        _ => Err(damaged("it has no good end in either copy".into())),
    }
}
