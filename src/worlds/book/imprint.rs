//! The imprint: what any release can read of a ledger, also of one that is newer than itself.
//!
//! This is a contract with every release to come, and with every one that was. It is kept even if all else changes:
//!
//! - Each folder of the journal holds `imprint.json`: one JSON object. `schema` is a number; whatever else is there may be
//!   missing or unknown, and is passed over then. The same object stands in the head of each journal file.
//! - A program that finds a newer `schema` in a good head opens nothing and changes nothing, not even the lock's text. So it
//!   does where no head can be read, or no journal file is known by its name, and the file tells of a newer one.
//! - Else heads decide. The file is written before the journal is brought to a new schema, and the journal is brought
//!   there by one rename: power lost between the two leaves a file that tells what did not come, and the ledger as it was.
//! - `backup` names a file that the program of `backup.schema` takes: `strongroom state restore --replace FILE`.
//!
//! Ledgers of schema 1 are from before it, and have none.

use super::durable::{self, SyncMode, io_error};
use super::files::Name;
use super::record::{Kind, Scanner};
use super::{BookError, OLDEST};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

/// The file beside the journal's.
pub(super) const FILE: &str = "imprint.json";

/// Nobody's imprint is longer.
const BYTES_MAX: u64 = 64 << 10;

/// Which release gave the ledger its schema, and what there is to go back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imprint {
    /// The schema.
    pub schema: u64,
    /// The release that brought the ledger to it, or made the ledger.
    #[serde(default)]
    pub written_by: String,
    /// The oldest release that can open it.
    #[serde(default)]
    pub oldest: String,
    /// When that was (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The backup that was made before; none for a ledger that never had another schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupBefore>,
}

/// A backup of the ledger from before it was brought to its schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupBefore {
    /// Its file, with its whole path.
    pub file: String,
    /// The schema that the ledger had.
    #[serde(default)]
    pub schema: u64,
    /// The release that had written that.
    #[serde(default)]
    pub written_by: String,
    /// When it was made (UTC): whatever is newer is not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The commit that it is as of.
    #[serde(default)]
    pub through: u64,
    /// Rows.
    #[serde(default)]
    pub rows: u64,
    /// Bytes of the file.
    #[serde(default)]
    pub bytes: u64,
    /// SHA-256 of the file.
    #[serde(default)]
    pub sha256: String,
}

impl Imprint {
    /// Of a ledger that this release makes; ledgers of schema 1 have none.
    pub(super) fn of_new(schema: u64) -> Option<Imprint> {
        let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).ok();
        (schema > 1).then(|| Imprint {
            schema,
            written_by: env!("CARGO_PKG_VERSION").into(),
            oldest: OLDEST.into(),
            at: now,
            backup: None,
        })
    }
}

/// What was read of a ledger without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its schema.
    pub schema: u64,
    /// Its id, as far as it could be read.
    pub ledger: String,
    /// Its imprint.
    pub imprint: Option<Imprint>,
}

/// What the first record of a journal file tells, of whatever release.
#[derive(Deserialize)]
struct HeadSeen {
    schema: u64,
    #[serde(default)]
    ledger: String,
    #[serde(default)]
    imprint: Option<Imprint>,
}

/// What the file tells.
#[derive(Deserialize)]
struct FileSeen {
    #[serde(default)]
    ledger: String,
    #[serde(flatten)]
    imprint: Imprint,
}

#[derive(Serialize)]
struct FileText<'a> {
    /// What this is, for who finds it.
    strongroom: &'a str,
    ledger: &'a str,
    #[serde(flatten)]
    imprint: &'a Imprint,
}

/// Looks at these two copies of a journal; nothing is opened, locked or changed. None: there is no ledger, or nothing of
/// it can be read, which opening it will tell better.
pub(super) fn look(copies: &[PathBuf; 2]) -> Result<Option<Seen>, BookError> {
    let mut seen: Option<Seen> = None;
    let mut files = Vec::new();
    for folder in copies {
        if !folder.is_dir() {
            continue;
        }
        let names = durable::names(folder)?;
        files.extend(names.iter().any(|name| name == FILE).then(|| read(folder)).transpose()?.flatten());
        for name in names.iter().filter(|name| Name::parse(name).is_some()) {
            let Some(head) = head_of(&folder.join(name))? else { continue };
            let other = Seen { schema: head.schema, ledger: head.ledger, imprint: head.imprint };
            let is_more =
                |one: &Seen| (one.schema, one.imprint.is_some()) < (other.schema, other.imprint.is_some());
            if seen.as_ref().is_none_or(is_more) {
                seen = Some(other);
            }
        }
    }
    match &mut seen {
        Some(seen) if seen.imprint.is_none() => {
            seen.imprint = files.into_iter().map(|file| file.imprint).find(|told| told.schema == seen.schema);
        }
        Some(_) => {}
        None => {
            let newest = files.into_iter().max_by_key(|file| file.imprint.schema);
            seen = newest.map(|file| Seen {
                schema: file.imprint.schema,
                ledger: file.ledger,
                imprint: Some(file.imprint),
            });
        }
    }
    Ok(seen)
}

/// The head of a journal file, if its first record is a good one.
fn head_of(path: &Path) -> Result<Option<HeadSeen>, BookError> {
    let first = Scanner::open(path)?.and_then(|mut scanner| scanner.next_good());
    let first = first.filter(|found| found.from == 0 && found.record.kind == Kind::Head);
    Ok(first.and_then(|found| serde_json::from_slice(&found.record.body).ok()))
}

/// The file of this folder, if it can be understood.
fn read(folder: &Path) -> Result<Option<FileSeen>, BookError> {
    let path = folder.join(FILE);
    let mut text = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text));
    match read {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(&path, error)),
        _ => Ok(serde_json::from_slice(&text).ok()),
    }
}

/// Refuses a ledger that is newer than `known`.
pub(super) fn refuse_newer(copies: &[PathBuf; 2], known: u64) -> Result<(), BookError> {
    match look(copies)? {
        Some(seen) if seen.schema > known => {
            let (found, imprint) = (seen.schema, seen.imprint.map(Box::new));
            Err(BookError::Newer { found, known, imprint })
        }
        _ => Ok(()),
    }
}

/// Writes the file into both copies, where it is not there already as it should be.
pub(super) fn write(
    copies: &[PathBuf; 2],
    ledger: &str,
    imprint: &Imprint,
    sync: SyncMode,
) -> Result<(), BookError> {
    let told = FileText { strongroom: "imprint of a ledger", ledger, imprint };
    let mut text = serde_json::to_vec_pretty(&told).expect("numbers and strings serialise");
    text.push(b'\n');
    for folder in copies {
        let path = folder.join(FILE);
        // A left-over of a start that was cut off; nobody reads it.
        durable::remove(&durable::part_of(&path))?;
        if std::fs::read(&path).is_ok_and(|there| there == text) {
            continue;
        }
        let mut file = durable::create_part(&path)?;
        file.write_all(&text).map_err(|error| io_error(&path, error))?;
        durable::publish(&file, &path, sync)?;
    }
    Ok(())
}
