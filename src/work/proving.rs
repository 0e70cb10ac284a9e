//! Proving a copy: every file of every version of an object on one target, read past the page cache and compared.
//!
//! - What is claimed is what was read: a file that could not be read is unreadable, never matched.
//! - What lies there and no inventory names is told too, and so are damaged inventories, side-cars and declarations.
//! - Memory does not grow with the number of files: what should be there meets what is there in the external sorter.
//! - It can be stopped after every part of the files, and goes on behind it: `Begun` says where, and what was found so far.
//! - Each file is held against the SHA-512 of the inventory: the one digest that is recorded of every file of a copy, the
//!   structure's own files among them.

pub mod reading;

use crate::model::digest::{Algorithm, hex, unhex};
use crate::model::object::ObjectId;
pub use crate::model::proof::{Fault, Outcome, Proof};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::ocfl::inventory::{self, InventoryError, Row};
use crate::rules::ocfl::layout;
use crate::rules::read::Slice;
use crate::rules::sort::{Scratch, Sorter};
use crate::worlds::target::{Target, TargetError, Where};
use reading::{Reader, Wish};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard};
use std::thread::ScopedJoinHandle;

/// Memory of the sorter.
const BUDGET: usize = 8 << 20;

/// Bytes of a side-car or declaration that are looked at.
const SMALL_MAX: usize = 4_096;

/// Files of one part, and bytes unless one alone is larger.
const PART_FILES: usize = 2_048;
const PART_BYTES: u64 = 2 << 30;

/// Files that a thread has at least, so that it is worth starting.
const FILES_A_THREAD: usize = 4;

/// What a copy must be held against.
pub struct Wanted<'a> {
    /// The object.
    pub object: &'a ObjectId,
    /// SHA-512 of the inventory of each version, by version number.
    pub inventories: &'a BTreeMap<u32, String>,
}

/// Told of bytes as they are read; says when to stop.
pub type Step<'a> = &'a (dyn Fn(u64) -> Result<(), Stop> + Sync);

/// How far proving a copy came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// The last content file that was looked at.
    pub after: String,
    /// What everything up to there came to.
    pub proof: Proof,
}

/// How a copy is proved.
pub struct How<'a> {
    /// Files read at once.
    pub threads: usize,
    /// The threads let others go first.
    pub gentle: bool,
    /// Told of bytes as they are read; says when to stop.
    pub step: Step<'a>,
    /// Goes on behind what was looked at before.
    pub begun: Option<Begun>,
    /// Told after every part how far it is.
    pub keep: &'a (dyn Fn(&Begun) -> Result<(), Stop> + Sync),
}

/// Proves the copy of an object on one target. An error only when it cannot be looked at at all: the target is away, the
/// scratch place failed, or `step` said to stop.
pub fn prove(
    target: &dyn Target,
    wanted: &Wanted<'_>,
    scratch: &dyn Scratch,
    step: Step<'_>,
) -> Result<Proof, Stop> {
    let threads = readers(target);
    prove_from(target, wanted, scratch, How { threads, gentle: false, step, begun: None, keep: &|_| Ok(()) })
}

/// How many files of a copy on this target are best read at once: as many as the target likes, and enough that no processor
/// waits for a disk.
pub fn readers(target: &dyn Target) -> usize {
    (cores() * 8).max(target.readers()).clamp(2, READERS_MAX)
}

/// Small files are waited for much longer than they are digested. Measured, two processors and a virtual disk, cold: 62 us a
/// file with one reader, 25 with four, 13 with sixteen, 10 with thirty-two.
const READERS_MAX: usize = 32;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// As `prove`, from where it was stopped, in a way of the caller's.
pub fn prove_from(
    target: &dyn Target,
    wanted: &Wanted<'_>,
    scratch: &dyn Scratch,
    how: How<'_>,
) -> Result<Proof, Stop> {
    let reader =
        Reader { target, object: wanted.object, threads: how.threads, gentle: how.gentle, step: how.step };
    let prover = Prover { reader, keep: how.keep };
    let (&head, head_sha512) = wanted.inventories.last_key_value().ok_or_else(|| {
        Trouble::new(Kind::FactsDamaged, "no version is known").about(wanted.object.to_string())
    })?;
    // Who goes on has looked at the structure.
    let goes_on = how.begun.is_some();
    let (mut proof, after) = match how.begun {
        Some(begun) => (Some(begun.proof), begun.after),
        None => (None, String::new()),
    };
    // A damaged root inventory names nothing; the head version holds the same bytes.
    for path in [layout::INVENTORY.to_string(), format!("v{head}/{}", layout::INVENTORY)] {
        let rows = Mutex::new(Sorter::new(scratch, BUDGET));
        // Listing waits for the disk, and reading inventories for the processor: all at once.
        let (structure, named, there) = std::thread::scope(|scope| {
            let structure = || prover.structure(wanted, head_sha512);
            let looking = proof.is_none().then(|| scope.spawn(structure));
            let listing = scope.spawn(|| prover.there(&rows, wanted.inventories));
            let named = prover.named(&path, head_sha512, &rows);
            (looking.map(ended), named, ended(listing))
        });
        if let Some(structure) = structure {
            proof = Some(structure?);
        }
        if named? {
            there?;
            let rows = rows.into_inner().unwrap_or_else(|broken| broken.into_inner());
            return prover.compare(Begun { after, proof: proof.unwrap_or_default() }, rows);
        }
    }
    // There is nothing that the files could be held against: what says so is what was found of the structure now.
    let structure = if goes_on { prover.structure(wanted, head_sha512)? } else { proof.unwrap_or_default() };
    match structure.is_sound() {
        false => Ok(structure),
        // It was there when it was digested, and not when it was opened: no file was read, so nothing can be said of them.
        true => {
            let because = "no inventory of the copy could be read to its end, though they are as recorded";
            Err(Trouble::new(Kind::TargetIo, because).about(wanted.object.to_string()).into())
        }
    }
}

/// What a thread came to.
fn ended<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

struct Prover<'a> {
    reader: Reader<'a>,
    keep: &'a (dyn Fn(&Begun) -> Result<(), Stop> + Sync),
}

impl Prover<'_> {
    /// Declaration, inventories and side-cars.
    fn structure(&self, wanted: &Wanted<'_>, head_sha512: &str) -> Result<Proof, Stop> {
        let mut proof = Proof::default();
        self.small(&mut proof, layout::OBJECT_DECLARATION.0, layout::OBJECT_DECLARATION.1)?;
        for (version, sha512) in wanted.inventories {
            self.inventory(&mut proof, &format!("v{version}/"), sha512)?;
        }
        self.inventory(&mut proof, "", head_sha512)?;
        Ok(proof)
    }

    /// A small file that must hold just this text.
    fn small(&self, proof: &mut Proof, path: &str, text: &str) -> Result<(), Stop> {
        let wanted = crate::rules::digester::sha256_hex(text.as_bytes());
        match self.reader.digest(&Wish { path: path.into(), size: 0 }, Algorithm::Sha256)? {
            Ok((found, size)) => {
                proof.bytes += size;
                let outcome = if found == wanted { Outcome::Matched } else { Outcome::Mismatched };
                proof.count(outcome, path, "it does not say what it must");
            }
            Err((outcome, why)) => proof.count(outcome, path, why),
        }
        Ok(())
    }

    /// An inventory and its side-car.
    fn inventory(&self, proof: &mut Proof, folder: &str, sha512: &str) -> Result<(), Stop> {
        let path = format!("{folder}{}", layout::INVENTORY);
        match self.reader.digest(&Wish { path: path.clone(), size: 0 }, Algorithm::Sha512)? {
            Ok((found, size)) => {
                proof.bytes += size;
                let outcome = if found == sha512 { Outcome::Matched } else { Outcome::Mismatched };
                let why = format!("its sha512 is {:.12}…, not {:.12}…", found, sha512);
                proof.count(outcome, &path, why);
            }
            Err((outcome, why)) => proof.count(outcome, &path, why),
        }
        let mut text = Vec::new();
        let side = format!("{folder}{}", layout::SIDECAR);
        let read = self.reader.target.read(Where::Object(self.reader.object, &side), &mut |bytes| {
            text.extend_from_slice(&bytes[..bytes.len().min(SMALL_MAX.saturating_sub(text.len()))]);
        });
        match read {
            Ok(size) => {
                proof.bytes += size;
                let said = std::str::from_utf8(&text).ok().and_then(layout::sidecar_digest);
                let same = said.is_some_and(|said| said.eq_ignore_ascii_case(sha512));
                let outcome = if same { Outcome::Matched } else { Outcome::Mismatched };
                proof.count(outcome, &side, "it names another digest, or none");
            }
            Err(TargetError::Absent { .. }) => proof.count(Outcome::Missing, &side, "it is not there"),
            Err(error @ TargetError::Missing { .. }) => return Err(error.into()),
            Err(error) => proof.count(Outcome::Unreadable, &side, Trouble::from(error).because),
        }
        Ok(())
    }

    /// What the inventory names: path, and digest as value. False: its bytes are not those that were recorded, and what it
    /// names is nothing to go by.
    fn named(&self, path: &str, sha512: &str, rows: &Mutex<Sorter<'_>>) -> Result<bool, Stop> {
        let opened = match self.reader.target.open(Where::Object(self.reader.object, path)) {
            Ok(opened) => opened,
            Err(error @ TargetError::Missing { .. }) => return Err(error.into()),
            // Whether it is missing or unreadable is said by who looks at the structure.
            Err(_) => return Ok(false),
        };
        let mut hashed =
            Hashed { from: Slice::whole(&*opened), digester: Digester::new(&[Algorithm::Sha512]) };
        let walked = inventory::walk(&mut hashed, &mut |row| {
            if let Row::Content { sha512, path } = row {
                let digest = unhex(sha512).ok_or_else(|| io::Error::other("a digest is not hexadecimal"))?;
                lock(rows).push(path.as_bytes().to_vec(), digest)?;
            }
            Ok(())
        });
        let same = hashed.digester.finish().get(Algorithm::Sha512) == Some(sha512);
        match walked {
            Ok(_) => Ok(same),
            Err(InventoryError::Io(error)) if same => Err(scratch(error)),
            Err(error) if same => Err(Trouble::new(Kind::CopyDiffers, error.to_string()).about(path).into()),
            Err(_) => Ok(false),
        }
    }

    /// What is there, but for what every object has: path, and its size as value.
    fn there(&self, rows: &Mutex<Sorter<'_>>, versions: &BTreeMap<u32, String>) -> Result<(), Stop> {
        let folder = layout::object_path(self.reader.object);
        let mut failed = None;
        let listed = self.reader.target.files(&folder, &mut |path, size| {
            if failed.is_none() && !is_structure(path, versions) {
                failed = lock(rows).push(path.as_bytes().to_vec(), size.to_be_bytes().to_vec()).err();
            }
        });
        match (listed, failed) {
            (_, Some(error)) => Err(scratch(error)),
            (Ok(()), None) => Ok(()),
            // Nothing is there: every file that is named will be missing.
            (Err(TargetError::Absent { .. }), None) => Ok(()),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// Goes through what is named and what is there, part by part, behind what was looked at before.
    fn compare(&self, mut begun: Begun, rows: Sorter<'_>) -> Result<Proof, Stop> {
        let mut rows = rows.finish().map_err(scratch)?.peekable();
        let (mut part, mut digests, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(row) = rows.next() {
            let (path, value) = row.map_err(scratch)?;
            let (mut digest, mut size) = told(value);
            while let Some(Ok((_, value))) =
                rows.next_if(|next| matches!(next, Ok((same, _)) if *same == path))
            {
                let other = told(value);
                (digest, size) = (digest.or(other.0), size.or(other.1));
            }
            if path.as_slice() <= begun.after.as_bytes() {
                continue;
            }
            bytes += size.unwrap_or(0);
            part.push(Wish { path: String::from_utf8_lossy(&path).into_owned(), size: size.unwrap_or(0) });
            digests.push(digest);
            if part.len() == PART_FILES || bytes >= PART_BYTES {
                self.part(&mut begun, std::mem::take(&mut part), std::mem::take(&mut digests))?;
                bytes = 0;
                (self.keep)(&begun)?;
            }
        }
        self.part(&mut begun, part, digests)?;
        Ok(begun.proof)
    }

    /// Reads and compares the files of one part; those without a digest are there, and nothing names them.
    fn part(&self, begun: &mut Begun, part: Vec<Wish>, digests: Vec<Option<Vec<u8>>>) -> Result<(), Stop> {
        let last = part.last().map(|file| file.path.clone());
        let (mut files, mut wanted) = (Vec::with_capacity(part.len()), Vec::new());
        for (file, digest) in part.into_iter().zip(digests) {
            match digest {
                None => begun.proof.count(Outcome::Extra, &file.path, "no inventory names it"),
                Some(digest) => {
                    wanted.push(hex(&digest));
                    files.push(file);
                }
            }
        }
        let large = files.iter().any(|file| file.size >= reading::AHEAD_FROM);
        // Large ones are digested for longer than they are waited for, and each holds chunks that were read ahead.
        let worth = if large { files.len().min(cores() * 2) } else { files.len() / FILES_A_THREAD };
        let reader = Reader { threads: self.reader.threads.min(worth).max(1), ..self.reader };
        for ((file, wanted), found) in files.iter().zip(&wanted).zip(reader.digests(&files)?) {
            match found {
                Ok((found, size)) => {
                    begun.proof.bytes += size;
                    if found == *wanted {
                        begun.proof.matched += 1;
                        continue;
                    }
                    let why = format!("{size} bytes with sha512 {:.12}…, not {:.12}…", found, wanted);
                    begun.proof.count(Outcome::Mismatched, &file.path, why);
                }
                Err((outcome, why)) => begun.proof.count(outcome, &file.path, why),
            }
        }
        if let Some(last) = last {
            begun.after = last;
        }
        Ok(())
    }
}

/// The digest that an inventory names, or the size that was listed: a digest is longer than a size.
fn told(value: Vec<u8>) -> (Option<Vec<u8>>, Option<u64>) {
    match <[u8; 8]>::try_from(value.as_slice()) {
        Ok(size) => (None, Some(u64::from_be_bytes(size))),
        Err(_) => (Some(value), None),
    }
}

/// True for what an object has beside its content: declaration, inventories, side-cars, logs.
fn is_structure(path: &str, versions: &BTreeMap<u32, String>) -> bool {
    let is_inventory = |path: &str| path == layout::INVENTORY || path == layout::SIDECAR;
    if path == layout::OBJECT_DECLARATION.0 || is_inventory(path) || path.starts_with("logs/") {
        return !path.ends_with('/');
    }
    let Some((version, rest)) = path.split_once('/') else { return false };
    let number = version.strip_prefix('v').and_then(|number| number.parse().ok());
    number.is_some_and(|number: u32| versions.contains_key(&number)) && is_inventory(rest)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

fn scratch(error: io::Error) -> Stop {
    Trouble::new(Kind::StagingIo, error.to_string()).while_doing("sorting what should be there").into()
}

struct Hashed<R> {
    from: R,
    digester: Digester,
}

impl<R: io::Read> io::Read for &mut Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.from.read(buf)?;
        self.digester.update(&buf[..got]);
        Ok(got)
    }
}
