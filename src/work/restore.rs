//! Giving an object back: the bag as it was deposited, byte for byte, every file's digest compared while it is read.
//!
//! - The inventory is believed only if its digest is the one the registry holds.
//! - A file that differs or cannot be read on one target is taken from the next; what was written of it is removed.
//! - It is done only when every file was proved and synced.

use crate::books::facts::{StagingScratch, keep_compressed, scratch_stop};
use crate::books::ledger::{Ledger, LedgerError};
use crate::model::item::StoredFound;
use crate::model::object::{ObjectId, VersionRow};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::ocfl::restore::restore_steps;
use crate::work::giving::reading::{Copies, Taker};
use crate::work::job::Settings;
use crate::worlds::World;
use crate::worlds::disk::Place;
use crate::worlds::outlet::folder::OutFolder;
use jiff::Timestamp;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What was given back.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// The object.
    pub object: ObjectId,
    /// Version number.
    pub version: u32,
    /// The bag's folder.
    pub folder: PathBuf,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Files that one copy could not give and another did: the target, and why.
    pub passed_over: Vec<String>,
}

/// Findings of this kind that are named one by one.
const PASSED_OVER_MAX: usize = 100;

/// Gives the newest version of an object back as a folder named after the bag, below `to`.
pub fn restore(
    world: &World,
    ledger: &Ledger,
    settings: &Settings,
    object: &ObjectId,
    to: &Path,
) -> Result<Restored, Trouble> {
    let doing = format!("restoring {object}");
    restore_version(world, ledger, settings, object, to).map_err(|stop| match stop {
        Stop::Trouble(trouble) => trouble.while_doing(doing),
        Stop::Wait(wait) => Trouble::new(Kind::StagingIo, format!("no space: {wait:?}")).while_doing(doing),
        other => Trouble::new(Kind::Panicked, format!("{other:?}")).while_doing(doing),
    })
}

fn restore_version(
    world: &World,
    ledger: &Ledger,
    settings: &Settings,
    object: &ObjectId,
    to: &Path,
) -> Result<Restored, Stop> {
    let version = newest(ledger, object)?;
    let known = ledger.object(object).map_err(|error| ledger_trouble(&error))?;
    let policy = known.as_ref().map(|known| known.policy.clone()).unwrap_or_default();
    let copies = Copies::of(world, ledger, settings, &policy, &version)?;
    let folder = to.join(known.map_or_else(|| "bag".to_string(), |object| object.bag));
    let outlet = OutFolder::create(&folder)?;
    let staging = staging(settings, "restore")?;
    let restored = Restored {
        object: object.clone(),
        version: version.version,
        folder,
        files: 0,
        bytes: 0,
        passed_over: Vec::new(),
    };
    let result = give(world, &copies, &staging, &outlet, restored);
    world.disk.remove(&staging)?;
    result
}

/// A folder in staging for one answer.
fn staging(settings: &Settings, what: &str) -> Result<Place, Trouble> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let volume = settings.staging.first().cloned();
    let volume = volume
        .ok_or_else(|| Trouble::new(Kind::VolumeMissing, "the configuration names no staging volume"))?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Ok(Place { volume, path: format!("{}-{what}-{}-{number}", settings.ledger_id, std::process::id()) })
}

fn ledger_trouble(error: &LedgerError) -> Trouble {
    Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading the registry")
}

fn newest(ledger: &Ledger, object: &ObjectId) -> Result<VersionRow, Trouble> {
    let versions = ledger.versions(object).map_err(|error| ledger_trouble(&error))?;
    versions.into_iter().next_back().ok_or_else(|| {
        Trouble::new(Kind::DepositGone, "the registry has no such object").about(object.to_string())
    })
}

fn give(
    world: &World,
    copies: &Copies<'_>,
    staging: &Place,
    outlet: &OutFolder,
    mut restored: Restored,
) -> Result<Restored, Stop> {
    let (_, inventory) = copies.inventory(&*world.disk, staging, 1)?;
    let scratch = StagingScratch::new(&*world.disk, staging.join("scratch"));
    let (_, steps) = restore_steps(&*inventory, Some(restored.version), &scratch).map_err(|error| {
        Trouble::new(Kind::NoGoodCopy, error.to_string()).while_doing("reading the inventory")
    })?;
    for step in steps {
        let step = step.map_err(|error| scratch_stop(&staging.volume, error))?;
        let Some(path) = step.logical_path.strip_prefix("bag/") else { continue };
        let mut out = Out { outlet, path, file: None };
        let (bytes, passed) = copies.file(&step, &mut out)?;
        restored.bytes += bytes;
        restored.files += 1;
        let told = passed.into_iter().map(|passed| format!("{path}: {} on {}", passed.why, passed.target));
        restored.passed_over.extend(told);
        restored.passed_over.truncate(PASSED_OVER_MAX);
    }
    outlet.folder("data")?;
    outlet.finish()?;
    Ok(restored)
}

/// A file on its way to the outlet.
struct Out<'a> {
    outlet: &'a OutFolder,
    path: &'a str,
    file: Option<File>,
}

impl Taker for Out<'_> {
    fn begin(&mut self, _: u64) -> Result<(), Stop> {
        self.file = Some(self.outlet.file(self.path)?);
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes));
        written.map_err(|error| Trouble::new(Kind::StagingIo, error.to_string()).about(self.path).into())
    }

    fn undo(&mut self) -> Result<(), Stop> {
        match self.file.take() {
            Some(_) => Ok(self.outlet.remove(self.path)?),
            None => Ok(()),
        }
    }
}

/// Keeps the inventory of a version beside the ledger again, from any copy that gives it as it was recorded.
pub fn keep_inventory_again(
    world: &World,
    settings: &Settings,
    store: &StoredFound,
    to: &Place,
) -> Result<(), Trouble> {
    let version = VersionRow {
        object: store.object.clone(),
        version: store.version,
        item: 0,
        inventory_sha512: store.inventory_sha512.clone(),
        files: 0,
        bytes: 0,
        copies: store.copies.clone(),
        kept_at: Timestamp::UNIX_EPOCH,
    };
    let staging = staging(settings, "inventory")?;
    let fetched = Copies::plain(world, &version).inventory(&*world.disk, &staging, 1);
    let kept = match fetched {
        Ok((_, inventory)) => keep_compressed(&*world.disk, to, &*inventory).map_err(Trouble::from),
        Err(Stop::Trouble(trouble)) => Err(trouble),
        Err(stop) => Err(Trouble::new(Kind::StagingIo, format!("{stop:?}"))),
    };
    world.disk.remove(&staging)?;
    kept
}
