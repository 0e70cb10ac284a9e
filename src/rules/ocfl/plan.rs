//! Freezing a version of an object: its inventory's bytes, and the copies they ask for, before the first is made.
//!
//! - The same files, base, time and words give the same bytes, in whatever order the files come.
//! - Every digest is copied at most once in the life of an object; a version refers to what older versions hold.
//! - Content paths never collide, also not where case or Unicode form is lost; logical paths never contain each other.
//! - Memory is a few sorters' budgets, whatever the number of files; older version blocks pass through as a stream.

use crate::model::digest::hex;
use crate::model::object::ObjectId;
use crate::model::trouble::{Kind, Trouble};
use crate::rules::ocfl::inventory::{self, InventoryError, Row};
use crate::rules::ocfl::layout;
use crate::rules::ocfl::neighbours::Neighbours;
use crate::rules::ocfl::rows::{
    STORED, Stored, broken, digest_bytes, digest_key, encode, path_key, split_digest_key, split_path_key,
    step_key,
};
use crate::rules::read::{ReadAt, Slice};
use crate::rules::sort::{Scratch, Sorted, Sorter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512};
use std::io::{self, BufWriter, Write};

/// State rows over all versions of one object: beyond it, inventories cost more than the files (`OverLimit`). Version 1
/// may have any number.
pub const ROWS_MAX: u64 = 1_000_000;

/// Memory of one sorter; at most four are alive at once.
const BUDGET: usize = 12 << 20;

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A member of the deposit.
    Member {
        /// Place in the deposit, from 0.
        #[serde(rename = "n")]
        number: u64,
        /// Where its bytes start in the tar; 0 for a folder deposit.
        #[serde(rename = "o")]
        offset: u64,
    },
    /// A document of our own making, by the caller's count.
    Inline(u32),
}

/// A file of the new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logical {
    /// Logical path: `bag/…` or `metadata/…`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Lower-case hexadecimal.
    pub sha512: String,
    /// Where its bytes are.
    pub source: Source,
}

/// One file that must be copied to every target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyStep {
    /// Path relative to the object root.
    #[serde(rename = "p")]
    pub content_path: String,
    /// Logical path, where the content path is not made of it.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub logical: Option<String>,
    /// Bytes.
    #[serde(rename = "s")]
    pub size: u64,
    /// Lower-case hexadecimal: what read-back compares.
    pub sha256: String,
    /// Lower-case hexadecimal: as in the inventory.
    pub sha512: String,
    /// Where its bytes are.
    #[serde(rename = "f")]
    pub source: Source,
}

impl CopyStep {
    /// Logical path: as given, or what stands behind `vN/content/`.
    pub fn logical_path(&self) -> &str {
        let plain = || self.content_path.splitn(3, '/').nth(2).unwrap_or_default();
        self.logical.as_deref().unwrap_or_else(plain)
    }
}

/// What is said of the new version, besides its files.
#[derive(Clone, Debug)]
pub struct NewVersion<'a> {
    /// The object.
    pub object: &'a ObjectId,
    /// Version number, from 1.
    pub version: u32,
    /// When (UTC).
    pub created: Timestamp,
    /// Why, for people.
    pub message: &'a str,
    /// Who: name.
    pub user_name: &'a str,
    /// Who: a `mailto:` or other URI (W009 wants one).
    pub user_address: &'a str,
}

/// A frozen version.
pub struct Frozen<'s> {
    /// The bag equals that of the head version: nothing was written, and nothing is to be copied.
    pub unchanged: bool,
    /// SHA-512 of the inventory.
    pub inventory_sha512: String,
    /// Bytes of the inventory.
    pub inventory_bytes: u64,
    /// Files of the bag.
    pub files: u64,
    /// Bytes of the bag.
    pub bytes: u64,
    /// Files to be copied.
    pub copy_files: u64,
    /// Bytes to be copied.
    pub copy_bytes: u64,
    /// The copies, in the order in which their bytes lie in the deposit.
    pub steps: Steps<'s>,
}

/// Why a version cannot be frozen.
#[derive(Debug)]
pub enum PlanError {
    /// The caller's files could not be read.
    Input(Trouble),
    /// A logical path that no object may have.
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// More state rows over all versions than an inventory should carry.
    OverLimit {
        /// Rows there would be.
        rows: u64,
    },
    /// The base is not the version before this one, or cannot be read.
    Base(String),
    /// The scratch space or the inventory's writer failed.
    Io(io::Error),
}

impl From<io::Error> for PlanError {
    fn from(error: io::Error) -> PlanError {
        PlanError::Io(error)
    }
}

impl From<PlanError> for Trouble {
    fn from(error: PlanError) -> Trouble {
        match error {
            PlanError::Input(trouble) => trouble,
            PlanError::Path { path, why } => Trouble::new(Kind::InvalidBag, why).about(path),
            PlanError::OverLimit { rows } => {
                let why = format!(
                    "its inventory would have {rows} rows over all versions; the limit is {ROWS_MAX}"
                );
                Trouble::new(Kind::OverLimit, why)
            }
            PlanError::Base(why) => Trouble::new(Kind::TargetsDisagree, why),
            PlanError::Io(error) => Trouble::new(Kind::StagingIo, error.to_string()),
        }
    }
}

/// Freezes a version. `base` is the inventory of the version before it; the new inventory is written to `inventory`
/// (not a byte when the bag is unchanged).
pub fn freeze<'s>(
    new: &NewVersion<'_>,
    files: impl Iterator<Item = Result<Logical, Trouble>>,
    base: Option<&dyn ReadAt>,
    scratch: &'s dyn Scratch,
    inventory: &mut dyn Write,
) -> Result<Frozen<'s>, PlanError> {
    freeze_within(ROWS_MAX, new, files, base, scratch, inventory)
}

fn freeze_within<'s>(
    rows_max: u64,
    new: &NewVersion<'_>,
    files: impl Iterator<Item = Result<Logical, Trouble>>,
    base: Option<&dyn ReadAt>,
    scratch: &'s dyn Scratch,
    inventory: &mut dyn Write,
) -> Result<Frozen<'s>, PlanError> {
    let mut base = BaseRows::read(new, base, scratch)?;
    let judged = judge(new, files, &mut base, scratch)?;
    let mut frozen = Frozen {
        unchanged: judged.unchanged,
        inventory_sha512: String::new(),
        inventory_bytes: 0,
        files: judged.files,
        bytes: judged.bytes,
        copy_files: 0,
        copy_bytes: 0,
        steps: Steps { rows: Sorter::new(scratch, BUDGET).finish()? },
    };
    if frozen.unchanged {
        return Ok(frozen);
    }
    if new.version > 1 && base.rows + judged.rows > rows_max {
        return Err(PlanError::OverLimit { rows: base.rows + judged.rows });
    }
    let mut out =
        Hashing { out: BufWriter::with_capacity(256 << 10, inventory), hash: Sha512::new(), bytes: 0 };
    write_head(new, &mut out)?;
    let mut steps = Sorter::new(scratch, BUDGET);
    let rows = judged.by_digest.finish()?;
    let state =
        write_manifest(new.version, rows, scratch, &mut out, &mut |mut file, content_path, logical| {
            let stored = Stored::decode(&file)?;
            frozen.copy_files += 1;
            frozen.copy_bytes += stored.size;
            file.extend_from_slice(content_path.as_bytes());
            if let Some(logical) = logical {
                // No path holds a zero byte, so it parts the two.
                file.push(0);
                file.extend_from_slice(logical.as_bytes());
            }
            steps.push(step_key(stored.source), file)
        })?;
    write_versions(new, base.json, state, &mut out)?;
    out.out.flush()?;
    frozen.inventory_sha512 = hex(&out.hash.finalize());
    frozen.inventory_bytes = out.bytes;
    frozen.steps = Steps { rows: steps.finish()? };
    Ok(frozen)
}

/// The version before this one, as rows.
struct BaseRows<'b, 's> {
    json: Option<&'b dyn ReadAt>,
    /// Manifest rows, and later those of the new version: digest, tag, path.
    by_digest: Option<Sorter<'s>>,
    /// `bag/` rows of its head version: digest by path.
    bag: Option<Sorted<'s>>,
    rows: u64,
}

/// Tags behind the digest in the key of a row; they order rows of one digest.
const HELD: u8 = 0;
const PLAIN: u8 = 1;
const MAPPED: u8 = 2;

impl<'b, 's> BaseRows<'b, 's> {
    fn read(
        new: &NewVersion<'_>,
        json: Option<&'b dyn ReadAt>,
        scratch: &'s dyn Scratch,
    ) -> Result<BaseRows<'b, 's>, PlanError> {
        let mut by_digest = Sorter::new(scratch, BUDGET);
        let Some(json) = json else {
            if new.version != 1 {
                return Err(PlanError::Base(format!("version {} has no base", new.version)));
            }
            return Ok(BaseRows { json: None, by_digest: Some(by_digest), bag: None, rows: 0 });
        };
        let mut bag = Sorter::new(scratch, BUDGET);
        let head = new.version.saturating_sub(1);
        let summary = inventory::walk(Slice::whole(json), &mut |row| match row {
            Row::Content { sha512, path } => {
                by_digest.push(digest_key(&digest_bytes(sha512)?, HELD, path), Vec::new())
            }
            Row::State { version, sha512, path } if version == head && in_bag(path) => {
                bag.push(path_key(path), digest_bytes(sha512)?)
            }
            Row::State { .. } => Ok(()),
        });
        let summary = summary.map_err(|error| match error {
            InventoryError::Io(error) => PlanError::Io(error),
            wrong => PlanError::Base(wrong.to_string()),
        })?;
        if summary.id != new.object.0 || summary.head != head {
            let why = format!("the base is version {} of {}", summary.head, summary.id);
            return Err(PlanError::Base(why));
        }
        let bag = Some(bag.finish()?);
        Ok(BaseRows { json: Some(json), by_digest: Some(by_digest), bag, rows: summary.rows })
    }
}

struct Judged<'s> {
    by_digest: Sorter<'s>,
    unchanged: bool,
    files: u64,
    bytes: u64,
    rows: u64,
}

/// Looks at all paths in folded order: refuses what no object may have, decides which need another content path, and
/// compares the bag with the base's.
fn judge<'s>(
    new: &NewVersion<'_>,
    files: impl Iterator<Item = Result<Logical, Trouble>>,
    base: &mut BaseRows<'_, 's>,
    scratch: &'s dyn Scratch,
) -> Result<Judged<'s>, PlanError> {
    let mut by_path = Sorter::new(scratch, BUDGET);
    for file in files {
        let file = file.map_err(PlanError::Input)?;
        if let Some(why) = layout::logical_fault(&file.path) {
            return Err(PlanError::Path { path: file.path, why: why.into() });
        }
        by_path.push(path_key(&file.path), encode(&file)?)?;
    }
    let by_digest = base.by_digest.take().unwrap_or_else(|| Sorter::new(scratch, BUDGET));
    let mut judged = Judged { by_digest, unchanged: base.bag.is_some(), files: 0, bytes: 0, rows: 0 };
    let mut neighbours = Neighbours::default();
    for row in by_path.finish()? {
        let (key, value) = row?;
        let (folded, path) = split_path_key(&key)?;
        let file = Stored::decode(&value)?;
        judged.rows += 1;
        if in_bag(path) {
            judged.files += 1;
            judged.bytes += file.size;
            judged.unchanged = judged.unchanged && next_is(&mut base.bag, &key, &file.sha512)?;
        }
        let apart = neighbours.admit(folded, path, layout::is_plain(new.version, path))?;
        let tag = if apart { PLAIN } else { MAPPED };
        judged.by_digest.push(digest_key(&file.sha512, tag, path), value)?;
    }
    if let Some(rest) = &mut base.bag {
        judged.unchanged = judged.unchanged && rest.next().transpose()?.is_none();
    }
    base.bag = None;
    Ok(judged)
}

fn next_is(rows: &mut Option<Sorted<'_>>, key: &[u8], sha512: &[u8]) -> io::Result<bool> {
    let next = rows.as_mut().and_then(Iterator::next).transpose()?;
    Ok(next.is_some_and(|(path, digest)| path == key && digest == sha512))
}

fn write_head(new: &NewVersion<'_>, out: &mut impl Write) -> io::Result<()> {
    let id = serde_json::to_string(&new.object.0)?;
    write!(
        out,
        r#"{{"id":{id},"type":"{}","digestAlgorithm":"sha512","head":"v{}","manifest":{{"#,
        inventory::TYPE,
        new.version
    )
}

/// Takes a file to be copied: its row, its content path, and its logical path where that is another.
type Copy<'a> = dyn FnMut(Vec<u8>, String, Option<&str>) -> io::Result<()> + 'a;

/// Writes the manifest, tells each copy that must be made, and gives the rows of the new state.
fn write_manifest<'s>(
    version: u32,
    rows: Sorted<'s>,
    scratch: &'s dyn Scratch,
    out: &mut impl Write,
    copy: &mut Copy<'_>,
) -> Result<Sorted<'s>, PlanError> {
    let mut state = Sorter::new(scratch, BUDGET);
    let mut digest: Option<Vec<u8>> = None;
    for row in rows {
        let (key, value) = row?;
        let (sha512, tag, path) = split_digest_key(&key)?;
        let first = digest.as_deref() != Some(sha512);
        if first {
            out.write_all(if digest.is_some() { b"]," } else { b"" })?;
            write!(out, "\"{}\":[", hex(sha512))?;
            digest = Some(sha512.to_vec());
        }
        if tag == HELD {
            out.write_all(if first { b"" } else { b"," })?;
            serde_json::to_writer(&mut *out, path).map_err(io::Error::from)?;
            continue;
        }
        if first {
            let content_path = match tag {
                PLAIN => layout::plain_path(version, path),
                _ => layout::mapped_path(version, path),
            };
            serde_json::to_writer(&mut *out, &content_path).map_err(io::Error::from)?;
            copy(value, content_path, (tag == MAPPED).then_some(path))?;
        }
        state.push(key, Vec::new())?;
    }
    out.write_all(if digest.is_some() { b"]" } else { b"" })?;
    Ok(state.finish()?)
}

fn write_versions(
    new: &NewVersion<'_>,
    base: Option<&dyn ReadAt>,
    state: Sorted<'_>,
    out: &mut impl Write,
) -> Result<(), PlanError> {
    out.write_all(b"},\"versions\":{")?;
    if let Some(json) = base {
        inventory::copy_versions(Slice::whole(json), out).map_err(|error| match error {
            InventoryError::Io(error) => PlanError::Io(error),
            wrong => PlanError::Base(wrong.to_string()),
        })?;
        out.write_all(b",")?;
    }
    let quoted = |text: &str| serde_json::to_string(text).map_err(io::Error::from);
    let message = quoted(new.message)?;
    write!(out, r#""v{}":{{"created":"{}","message":{message},"state":{{"#, new.version, new.created)?;
    let mut digest: Option<Vec<u8>> = None;
    for row in state {
        let (key, _) = row?;
        let (sha512, _, path) = split_digest_key(&key)?;
        if digest.as_deref() == Some(sha512) {
            out.write_all(b",")?;
        } else {
            out.write_all(if digest.is_some() { b"]," } else { b"" })?;
            write!(out, "\"{}\":[", hex(sha512))?;
            digest = Some(sha512.to_vec());
        }
        serde_json::to_writer(&mut *out, path).map_err(io::Error::from)?;
    }
    out.write_all(if digest.is_some() { b"]" } else { b"" })?;
    let (name, address) = (quoted(new.user_name)?, quoted(new.user_address)?);
    write!(out, r#"}},"user":{{"name":{name},"address":{address}}}}}}}}}"#)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// The copies of a frozen version, in the order in which their bytes lie in the deposit.
pub struct Steps<'s> {
    rows: Sorted<'s>,
}

impl Iterator for Steps<'_> {
    type Item = io::Result<CopyStep>;

    fn next(&mut self) -> Option<io::Result<CopyStep>> {
        self.rows.next().map(|row| {
            let (_, value) = row?;
            let (file, path) = value.split_at_checked(STORED).ok_or_else(|| broken("a step is short"))?;
            let path = std::str::from_utf8(path).map_err(|_| broken("a step's path is no text"))?;
            let (content, logical) = path.split_once('\0').map_or((path, None), |(c, l)| (c, Some(l)));
            Ok(Stored::decode(file)?.step(content.to_string(), logical.map(str::to_string)))
        })
    }
}

struct Hashing<W> {
    out: W,
    hash: Sha512,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn in_bag(path: &str) -> bool {
    path.starts_with("bag/")
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
