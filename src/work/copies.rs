//! Looking at copies where they lie: what a published object says of itself, without any ledger.
//!
//! - An inventory is believed only if its digest is the one in its sidecar, a document only if its digest is the one in
//!   the inventory.
//! - Inventories are read as streams, and what is held of them is bounded; of small files at most so many bytes are read.
//! - What cannot be believed is told with its path. What a target cannot read at all is an error of the target's.

use crate::model::digest::Algorithm;
use crate::model::object::ObjectId;
use crate::model::trouble::Trouble;
use crate::rules::digester::Digester;
use crate::rules::ocfl::census::{self, Census, File};
use crate::rules::ocfl::inventory::{self, Row, Summary};
use crate::rules::ocfl::layout;
use crate::rules::ocfl::metadata::{DOCUMENT, PREMIS, TOMBSTONE};
use crate::rules::premis::chain::{Gathered, LogFile, gather};
use crate::worlds::target::{Target, TargetError, Where};
use crossbeam_channel::{Receiver, bounded};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

/// Bytes of a document that are read.
const DOCUMENT_MAX: usize = 16 << 20;

/// Bytes of an object's log files together that are read.
const LOGS_MAX: usize = 64 << 20;

/// Bytes of a sidecar that are read.
const SIDECAR_MAX: usize = 4 << 10;

/// Extra or missing files of one object that are named.
pub const NAMED_MAX: usize = 20;

/// Why a copy is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsound {
    /// A file of it is wrong: its path in the object, and why.
    Wrong {
        /// Path in the object's folder.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The target failed.
    Target(TargetError),
}

impl fmt::Display for Unsound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsound::Wrong { path, why } => write!(out, "{path}: {why}"),
            Unsound::Target(error) => out.write_str(&Trouble::from(error.clone()).sentence()),
        }
    }
}

/// A document of a version: where it lies in the object's folder, and its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Lower-case hexadecimal.
    pub sha512: String,
    /// Content path.
    pub path: String,
}

/// A copy of an object as its inventories tell it.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The object.
    pub id: ObjectId,
    /// Newest version, from 1.
    pub head: u32,
    /// SHA-512 of the inventories of its versions, from the first.
    pub inventories: Vec<String>,
    /// Our documents by version and logical path.
    pub documents: BTreeMap<(u32, String), Part>,
    /// Content paths that the inventory names.
    pub content: u64,
}

/// The files in an object's folder, held against its inventory.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Names of its log files.
    pub logs: Vec<String>,
    /// Files that nothing names.
    pub extra: u64,
    /// The first of them.
    pub extra_named: Vec<String>,
    /// Files that the inventory names and that are not there.
    pub missing: u64,
    /// The first of them.
    pub missing_named: Vec<String>,
}

/// Which inventories of a copy are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The newest whole, the sidecars of the others.
    Sidecars,
    /// All of them whole.
    Whole,
}

/// Looks at the copy in this folder below the storage root.
pub fn look(target: &dyn Target, folder: &str, depth: Depth) -> Result<(Copy, Census), Unsound> {
    let mut census = Census::new(0, 1);
    let mut copy = Copy {
        id: ObjectId(String::new()),
        head: 0,
        inventories: Vec::new(),
        documents: BTreeMap::new(),
        content: 0,
    };
    let mut wanted: Vec<(u32, String, String)> = Vec::new();
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    let sidecar = sidecar(target, folder, "")?;
    let (summary, found) = walk(target, folder, "inventory.json", &mut |row| match row {
        Row::Content { sha512, path } => {
            copy.content += 1;
            // Of a very large object the parts are counted later, one by one.
            if copy.content <= census::PATHS_MAX {
                census.name(path);
            }
            if is_ours_content(path) {
                paths.entry(sha512.into()).or_insert_with(|| path.into());
            }
        }
        Row::State { version, sha512, path } => {
            if is_ours(path) {
                wanted.push((version, path.into(), sha512.into()));
            }
        }
    })?;
    if found != sidecar {
        return Err(differs("inventory.json", &found, &sidecar));
    }
    copy.id = ObjectId(summary.id);
    copy.head = summary.head;
    census.head(copy.head);
    find_documents(target, folder, &mut copy, wanted, paths)?;
    for version in 1..=copy.head {
        let at = format!("v{version}/");
        let told = self::sidecar(target, folder, &at)?;
        // The newest version's inventory is the root one (E064).
        let checked = depth == Depth::Whole || version == copy.head;
        let path = format!("{at}inventory.json");
        if checked {
            let found = digest(target, folder, &path)?;
            if found != told {
                return Err(differs(&path, &found, &told));
            }
        }
        if version == copy.head && told != sidecar {
            return Err(differs(&path, &told, &sidecar));
        }
        copy.inventories.push(told);
    }
    Ok((copy, census))
}

fn is_ours(logical: &str) -> bool {
    [DOCUMENT, PREMIS, TOMBSTONE].contains(&logical)
}

fn is_ours_content(content: &str) -> bool {
    content.split_once("/content/").is_some_and(|(_, path)| is_ours(path))
}

/// Gives each wanted document its content path. Bytes that lie at another path than their own (as those of a file of the
/// bag that was equal) are looked for in a second walk.
fn find_documents(
    target: &dyn Target,
    folder: &str,
    copy: &mut Copy,
    wanted: Vec<(u32, String, String)>,
    mut paths: BTreeMap<String, String>,
) -> Result<(), Unsound> {
    let elsewhere: Vec<String> =
        wanted.iter().filter(|row| !paths.contains_key(&row.2)).map(|row| row.2.clone()).collect();
    if !elsewhere.is_empty() {
        walk(target, folder, "inventory.json", &mut |row| {
            if let Row::Content { sha512, path } = row
                && elsewhere.iter().any(|wanted| wanted == sha512)
            {
                paths.entry(sha512.into()).or_insert_with(|| path.into());
            }
        })?;
    }
    for (version, logical, sha512) in wanted {
        if let Some(path) = paths.get(&sha512) {
            copy.documents.insert((version, logical), Part { path: path.clone(), sha512 });
        }
    }
    Ok(())
}

/// Holds the files in the folder against the inventory, which `first` has the names of unless there are too many.
pub fn count(target: &dyn Target, folder: &str, copy: &Copy, first: Census) -> Result<Counted, Unsound> {
    let mut counted = Counted::default();
    let parts = census::parts(copy.content);
    let mut first = Some(first).filter(|_| parts == 1);
    for part in 0..parts {
        let mut census = match first.take() {
            Some(census) => census,
            None => {
                let mut census = Census::new(part, parts);
                census.head(copy.head);
                walk(target, folder, "inventory.json", &mut |row| {
                    if let Row::Content { path, .. } = row {
                        census.name(path);
                    }
                })?;
                census
            }
        };
        let listed = target.files(folder, &mut |path, _| match census.meet(path) {
            File::Log(name) => counted.logs.push(name.into()),
            File::Extra => {
                counted.extra += 1;
                if counted.extra_named.len() < NAMED_MAX {
                    counted.extra_named.push(path.into());
                }
            }
            File::Named | File::Frame | File::Later => {}
        });
        listed.map_err(Unsound::Target)?;
        if census.missing() > 0 {
            counted.missing += census.missing();
            walk(target, folder, "inventory.json", &mut |row| {
                if let Row::Content { path, .. } = row
                    && counted.missing_named.len() < NAMED_MAX
                    && census.misses(path)
                {
                    counted.missing_named.push(path.into());
                }
            })?;
        }
    }
    counted.extra_named.sort();
    counted.missing_named.sort();
    counted.logs.sort();
    Ok(counted)
}

/// The log files of these names, as far as they can be read.
pub fn logs(target: &dyn Target, folder: &str, names: &[String]) -> Result<Gathered, Unsound> {
    let mut files = Vec::new();
    let mut left = LOGS_MAX;
    for name in names {
        let bytes = small(target, folder, &format!("logs/premis/{name}"), left)?;
        left -= bytes.len();
        files.push(LogFile { name: name.clone(), bytes });
    }
    Ok(gather(&files))
}

/// The bytes of a document, its digest compared.
pub fn document(target: &dyn Target, folder: &str, part: &Part) -> Result<Vec<u8>, Unsound> {
    let bytes = small(target, folder, &part.path, DOCUMENT_MAX)?;
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    digester.update(&bytes);
    match digester.finish().get(Algorithm::Sha512) {
        Some(found) if found == part.sha512 => Ok(bytes),
        found => Err(differs(&part.path, found.unwrap_or_default(), &part.sha512)),
    }
}

/// The digest in the sidecar in this folder of an object (`""`, `v1/`).
pub fn sidecar(target: &dyn Target, folder: &str, at: &str) -> Result<String, Unsound> {
    let path = format!("{at}{}", layout::SIDECAR);
    let bytes = small(target, folder, &path, SIDECAR_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let digest = layout::sidecar_digest(&text).map(str::to_ascii_lowercase);
    digest.ok_or_else(|| wrong(&path, "it is no sidecar of an inventory"))
}

/// A small file of an object.
fn small(target: &dyn Target, folder: &str, path: &str, max: usize) -> Result<Vec<u8>, Unsound> {
    let mut bytes = Vec::new();
    let mut long = false;
    let read = target.read(Where::Root(&format!("{folder}/{path}")), &mut |piece| match bytes.len()
        + piece.len()
        <= max
    {
        true => bytes.extend_from_slice(piece),
        false => long = true,
    });
    match (read, long) {
        (Err(TargetError::Absent { .. }), _) => Err(wrong(path, "it is not there")),
        (Err(error), _) => Err(Unsound::Target(error)),
        (Ok(_), true) => Err(wrong(path, format!("it has more than {max} bytes"))),
        (Ok(_), false) => Ok(bytes),
    }
}

/// The SHA-512 of a file of an object.
fn digest(target: &dyn Target, folder: &str, path: &str) -> Result<String, Unsound> {
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    match target.read(Where::Root(&format!("{folder}/{path}")), &mut |bytes| digester.update(bytes)) {
        Ok(_) => Ok(digester.finish().get(Algorithm::Sha512).unwrap_or_default().to_string()),
        Err(TargetError::Absent { .. }) => Err(wrong(path, "it is not there")),
        Err(error) => Err(Unsound::Target(error)),
    }
}

/// Walks an inventory while it is read; gives its digest, too.
fn walk(
    target: &dyn Target,
    folder: &str,
    path: &str,
    each: &mut (dyn FnMut(Row<'_>) + Send),
) -> Result<(Summary, String), Unsound> {
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    let (read, walked) = std::thread::scope(|scope| {
        let (send, pieces) = bounded::<Vec<u8>>(4);
        let walking = scope.spawn(move || {
            inventory::walk(Pipe { pieces, piece: Vec::new(), at: 0 }, &mut |row| {
                each(row);
                Ok(())
            })
        });
        let read = target.read(Where::Root(&format!("{folder}/{path}")), &mut |bytes| {
            digester.update(bytes);
            // Whoever stopped reading has found what is wrong; the rest is only hashed.
            let _ = send.send(bytes.to_vec());
        });
        drop(send);
        (read, walking.join())
    });
    match read {
        Err(TargetError::Absent { .. }) => return Err(wrong(path, "it is not there")),
        Err(error) => return Err(Unsound::Target(error)),
        Ok(_) => {}
    }
    let summary = match walked {
        Ok(Ok(summary)) => summary,
        Ok(Err(error)) => return Err(wrong(path, error.to_string())),
        Err(_) => return Err(wrong(path, "reading it panicked")),
    };
    Ok((summary, digester.finish().get(Algorithm::Sha512).unwrap_or_default().to_string()))
}

/// What one thread reads, read by another.
struct Pipe {
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.pieces.recv() {
                Ok(piece) => (self.piece, self.at) = (piece, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = buf.len().min(self.piece.len() - self.at);
        buf[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn wrong(path: &str, why: impl Into<String>) -> Unsound {
    Unsound::Wrong { path: path.into(), why: why.into() }
}

fn differs(path: &str, found: &str, told: &str) -> Unsound {
    wrong(path, format!("its SHA-512 is {found:.12}…, and {told:.12}… is expected"))
}
