//! The file of a backup: JSON lines, packed with gzip.
//!
//! ```text
//! {"backup":1,"schema":…,"ledger":…,"at":…,"program":…}
//! {"key":…,"value":…}          a row; a key may come again
//! {"key":…,"gone":true}        it is no row any more
//! {"lines":…,"through":…,"sha256":…}     how many lines, as of which commit, digest of all lines before this one
//! ```
//!
//! - What comes last of a key counts. Without its last line a file is no backup.
//! - Anybody can read it with `zcat`.

use crate::model::digest::hex;
use crate::rules::read::{ReadAt, Slice};
use crate::worlds::book::{Book, BookError, Row, SCHEMA, VALUE_MAX, Write as Change};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

/// Number of this format.
const FORMAT: u32 = 1;

/// Longest line: a key and a value, each of which the book bounds.
const LINE_MAX: u64 = 4 * VALUE_MAX as u64;

/// Rows of one commit while a ledger is made from a backup, and their bytes, about.
const ROWS_MAX: usize = 2_000;
const BYTES_MAX: usize = 2 << 20;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the format.
    pub backup: u32,
    /// Schema of the ledger.
    pub schema: u64,
    /// Id of the ledger.
    pub ledger: String,
    /// When it was made (UTC).
    pub at: Timestamp,
    /// Version of the program.
    pub program: String,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Lines of rows.
    pub lines: u64,
    /// The commit that it is as of.
    pub through: u64,
    /// SHA-256 of all lines before.
    pub sha256: String,
}

#[derive(Serialize)]
struct LineOut<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    gone: bool,
}

#[derive(Deserialize)]
struct LineIn {
    key: String,
    value: Option<Box<RawValue>>,
    #[serde(default)]
    gone: bool,
}

/// Why a backup is none, or could not be read or put into a ledger.
#[derive(Debug)]
pub enum BackupError {
    /// Reading or writing failed.
    Io(io::Error),
    /// The file is not a whole backup.
    Wrong(String),
    /// It is of a newer schema than we know.
    Newer {
        /// Its schema.
        schema: u64,
        /// The release that made it.
        program: String,
    },
    /// A book failed.
    Book(BookError),
}

impl fmt::Display for BackupError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Io(error) => error.fmt(out),
            BackupError::Wrong(why) => write!(out, "not a whole backup: {why}"),
            BackupError::Newer { schema, program } => {
                let known =
                    format!("strongroom {}, which takes those up to {SCHEMA}", env!("CARGO_PKG_VERSION"));
                write!(
                    out,
                    "it is a backup of schema {schema}, made by strongroom {program}; this is {known}"
                )
            }
            BackupError::Book(error) => error.fmt(out),
        }
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> BackupError {
        // gzip that is cut short or changed says so by these.
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                BackupError::Wrong(error.to_string())
            }
            _ => BackupError::Io(error),
        }
    }
}

impl From<BookError> for BackupError {
    fn from(error: BookError) -> BackupError {
        BackupError::Book(error)
    }
}

/// Writes the book as of one commit, while others go on.
pub fn write(
    book: &dyn Book,
    (ledger, schema): (&str, u64),
    at: Timestamp,
    out: &mut dyn Write,
) -> Result<End, BackupError> {
    let mut lines = Lines { out: GzEncoder::new(out, flate2::Compression::fast()), digest: Sha256::new() };
    let program = env!("CARGO_PKG_VERSION").to_string();
    lines.push(&Head { backup: FORMAT, schema, ledger: ledger.into(), at, program })?;
    let (mut count, mut failed) = (0, None);
    let through = book.copy(&mut |key, row| {
        count += 1;
        failed = lines.row(key, row).err();
        failed.is_none()
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let end = End { lines: count, through, sha256: hex(&lines.digest.clone().finalize()) };
    lines.push(&end)?;
    lines.out.finish()?;
    Ok(end)
}

struct Lines<W: Write> {
    out: GzEncoder<W>,
    digest: Sha256,
}

impl<W: Write> Lines<W> {
    fn row(&mut self, key: &str, row: Option<&Row>) -> Result<(), BackupError> {
        let value = row.map(|row| serde_json::from_slice::<&RawValue>(&row.value)).transpose();
        let value =
            value.map_err(|error| BackupError::Wrong(format!("the row {key} is not JSON: {error}")))?;
        self.push(&LineOut { key, value, gone: value.is_none() })
    }

    fn push(&mut self, line: &impl Serialize) -> Result<(), BackupError> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::from)?;
        text.push(b'\n');
        self.digest.update(&text);
        Ok(self.out.write_all(&text)?)
    }
}

/// Reads a backup to its end; every row goes to `each`, in order, `None` for one that is gone. It is a whole backup only
/// if this returns well: until then nothing that was given counts.
pub fn read(
    from: &dyn ReadAt,
    each: &mut dyn FnMut(String, Option<Vec<u8>>) -> Result<(), BackupError>,
) -> Result<(Head, End), BackupError> {
    let wrong = |why: &str| BackupError::Wrong(why.to_string());
    let mut lines = BufReader::new(GzDecoder::new(Slice::whole(from)));
    let mut digest = Sha256::new();
    let first = line(&mut lines)?.ok_or_else(|| wrong("it is empty"))?;
    let head: Head = serde_json::from_slice(&first).map_err(|_| wrong("it does not begin as one"))?;
    if head.backup > FORMAT || head.schema > SCHEMA {
        return Err(BackupError::Newer { schema: head.schema, program: head.program });
    }
    let mut before = first;
    let mut count = 0;
    loop {
        digest.update(&before);
        let next = line(&mut lines)?.ok_or_else(|| wrong("its end is missing"))?;
        if let Ok(end) = serde_json::from_slice::<End>(&next) {
            let found = hex(&digest.finalize());
            if end.lines != count || end.sha256 != found {
                return Err(wrong("its lines are not those that it ended with"));
            }
            return match line(&mut lines)? {
                None => Ok((head, end)),
                Some(_) => Err(wrong("something follows its end")),
            };
        }
        let row: LineIn = serde_json::from_slice(&next).map_err(|_| wrong("a line is no row"))?;
        count += 1;
        match (row.value, row.gone) {
            (Some(value), false) => {
                each(row.key, Some(Box::<str>::from(value).into_boxed_bytes().into_vec()))?
            }
            (None, true) => each(row.key, None)?,
            _ => return Err(wrong("a line is no row")),
        }
        before = next;
    }
}

/// The first line of a backup.
pub fn head(from: &dyn ReadAt) -> Result<Head, BackupError> {
    let mut lines = BufReader::new(GzDecoder::new(Slice::whole(from)));
    let first = line(&mut lines)?.ok_or_else(|| BackupError::Wrong("it is empty".into()))?;
    let head: Head =
        serde_json::from_slice(&first).map_err(|_| BackupError::Wrong("it does not begin as one".into()))?;
    match head.backup > FORMAT || head.schema > SCHEMA {
        true => Err(BackupError::Newer { schema: head.schema, program: head.program }),
        false => Ok(head),
    }
}

/// Reads a backup to its end, and holds every row of it against a book in which nobody commits.
pub fn prove(from: &dyn ReadAt, book: &dyn Book) -> Result<(Head, End), BackupError> {
    let mut rows = Pages::new(book);
    let differs = |key: &str| BackupError::Wrong(format!("the row {key} is not as it is in the ledger"));
    let ends = read(from, &mut |key, value| {
        rows.peek()?;
        match rows.take() {
            Some((there, row)) if there == key && Some(&row.value) == value.as_ref() => Ok(()),
            _ => Err(differs(&key)),
        }
    })?;
    match rows.peek()? {
        None => Ok(ends),
        Some((key, _)) => Err(differs(key)),
    }
}

fn line(lines: &mut impl BufRead) -> Result<Option<Vec<u8>>, BackupError> {
    let mut text = Vec::new();
    lines.take(LINE_MAX).read_until(b'\n', &mut text)?;
    match text.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(text)),
        Some(_) => Err(BackupError::Wrong("a line is cut short or too long".into())),
    }
}

/// Puts the rows of a backup into a new book of the backup's schema. `m/restoring` is there until the last of them is.
pub fn load(from: &dyn ReadAt, book: &dyn Book) -> Result<(Head, End), BackupError> {
    let mark = || Change::Put("m/restoring".into(), b"true".to_vec());
    book.commit(&[mark()], &[])?;
    let mut batch: BTreeMap<String, Change> = BTreeMap::new();
    let mut bytes = 0;
    let ends = read(from, &mut |key, value| {
        bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        let change = match value {
            Some(value) => Change::Put(key.clone(), value),
            None => Change::Delete(key.clone()),
        };
        batch.insert(key, change);
        if batch.len() >= ROWS_MAX || bytes >= BYTES_MAX {
            bytes = 0;
            book.commit(&std::mem::take(&mut batch).into_values().collect::<Vec<_>>(), &[])?;
        }
        Ok(())
    })?;
    batch.insert("m/restoring".into(), Change::Delete("m/restoring".into()));
    book.commit(&batch.into_values().collect::<Vec<_>>(), &[])?;
    Ok(ends)
}

/// Compares two books row by row: every row of `live` that is not newer than `through` must be in `copy` as it is, and
/// nothing may be in `copy` that is another row in `live`. Gives the number of rows in `copy`, or what differs.
pub fn compare(live: &dyn Book, copy: &dyn Book, through: u64) -> Result<u64, BackupError> {
    let (mut live, mut copy) = (Pages::new(live), Pages::new(copy));
    let mut rows = 0;
    let differs = |key: &str| BackupError::Wrong(format!("the row {key} is not as it is in the ledger"));
    loop {
        let ahead = match (live.peek()?, copy.peek()?) {
            (None, None) => return Ok(rows),
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
        };
        let mine = if ahead.is_le() { live.take() } else { None };
        let theirs = if ahead.is_ge() { copy.take() } else { None };
        rows += u64::from(theirs.is_some());
        // What is newer was written or taken away since.
        if let Some((key, row)) = mine.filter(|(_, row)| row.revision <= through)
            && theirs.is_none_or(|(_, copied)| copied.value != row.value)
        {
            return Err(differs(&key));
        }
    }
}

struct Pages<'a> {
    book: &'a dyn Book,
    page: std::vec::IntoIter<(String, Row)>,
    next: Option<(String, Row)>,
    after: Option<String>,
    ended: bool,
}

impl<'a> Pages<'a> {
    fn new(book: &'a dyn Book) -> Pages<'a> {
        Pages { book, page: Vec::new().into_iter(), next: None, after: None, ended: false }
    }

    fn peek(&mut self) -> Result<Option<&(String, Row)>, BackupError> {
        if self.next.is_none() && !self.ended {
            self.next = self.page.next();
            if self.next.is_none() {
                let page = self.book.scan("", self.after.as_deref(), 512)?;
                self.after = page.last().map(|(key, _)| key.clone()).or(self.after.take());
                self.page = page.into_iter();
                self.next = self.page.next();
                self.ended = self.next.is_none();
            }
        }
        Ok(self.next.as_ref())
    }

    fn take(&mut self) -> Option<(String, Row)> {
        self.next.take()
    }
}
