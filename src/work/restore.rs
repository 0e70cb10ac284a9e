//! Giving an object back: the bag as it was deposited, byte for byte, every file's digest compared while it is read.
//!
//! - The inventory is believed only if its digest is the one the registry holds.
//! - A file that differs or cannot be read on one target is taken from the next; what was written of it is removed.
//! - It is done only when every file was proved and synced.

use crate::books::facts::{StagingScratch, keep_compressed, open_blob, scratch_stop, write_blob};
use crate::books::ledger::{Ledger, LedgerError};
use crate::model::digest::Algorithm;
use crate::model::item::StoredFound;
use crate::model::object::{ObjectId, StoredCopy, VersionRow};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::ocfl::restore::{RestoreStep, restore_steps};
use crate::work::job::Settings;
use crate::work::policies::in_reading_order;
use crate::worlds::World;
use crate::worlds::disk::Place;
use crate::worlds::disk::outlet::Outlet;
use crate::worlds::target::{Target, Where};
use jiff::Timestamp;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

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
    let mut version = newest(ledger, object)?;
    let known = ledger.object(object).map_err(|error| ledger_trouble(&error))?;
    if let Some(known) = &known {
        in_reading_order(settings, &known.policy, &mut version.copies);
    }
    let folder = to.join(known.map_or_else(|| "bag".to_string(), |object| object.bag));
    let outlet = Outlet::create(&folder)?;
    let volume = settings
        .staging
        .first()
        .ok_or_else(|| Trouble::new(Kind::VolumeMissing, "the configuration names no staging volume"))?;
    let name = format!("{}-restore-{}", settings.ledger_id, std::process::id());
    let staging = Place { volume: volume.clone(), path: name };
    let result = give(
        world,
        &version,
        &staging,
        &outlet,
        Restored {
            object: object.clone(),
            version: version.version,
            folder,
            files: 0,
            bytes: 0,
            passed_over: Vec::new(),
        },
    );
    world.disk.remove(&staging)?;
    result
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
    version: &VersionRow,
    staging: &Place,
    outlet: &Outlet,
    mut restored: Restored,
) -> Result<Restored, Stop> {
    let inventory = fetch_inventory(world, version, staging)?;
    let scratch = StagingScratch::new(&*world.disk, staging.join("scratch"));
    let (_, steps) = restore_steps(&*inventory, Some(version.version), &scratch).map_err(|error| {
        Trouble::new(Kind::CopyDiffers, error.to_string()).while_doing("reading the inventory")
    })?;
    for step in steps {
        let step = step.map_err(|error| scratch_stop(&staging.volume, error))?;
        let Some(path) = step.logical_path.strip_prefix("bag/") else { continue };
        restored.bytes += give_file(world, version, &step, path, outlet, &mut restored.passed_over)?;
        restored.files += 1;
    }
    outlet.finish()?;
    Ok(restored)
}

/// Copies in the order in which they are read back from.
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
    let volume = settings.staging.first().cloned().unwrap_or_default();
    let name = format!("{}-inventory-{}", settings.ledger_id, std::process::id());
    let staging = Place { volume, path: name };
    let fetched = fetch_inventory(world, &version, &staging);
    let kept = match fetched {
        Ok(inventory) => keep_compressed(&*world.disk, to, &*inventory).map_err(Trouble::from),
        Err(Stop::Trouble(trouble)) => Err(trouble),
        Err(stop) => Err(Trouble::new(Kind::StagingIo, format!("{stop:?}"))),
    };
    world.disk.remove(&staging)?;
    kept
}

fn copies<'w>(
    world: &'w World,
    version: &'w VersionRow,
) -> impl Iterator<Item = (&'w StoredCopy, &'w dyn Target)> {
    version.copies.iter().filter_map(|copy| Some((copy, &**world.targets.get(&copy.target)?)))
}

fn fetch_inventory(
    world: &World,
    version: &VersionRow,
    staging: &Place,
) -> Result<Box<dyn crate::rules::read::ReadAt>, Stop> {
    let mut last = Trouble::new(Kind::TargetMissing, "no copy is on a target of the configuration");
    // The version's own inventory: the root one may belong to a newer version by now.
    let path = format!("v{}/inventory.json", version.version);
    for (copy, target) in copies(world, version) {
        let mut digester = Digester::new(&[Algorithm::Sha512]);
        let fetched = write_blob::<Stop>(&*world.disk, staging, "inventory", 1, &mut |out| {
            let mut failed = None;
            target
                .read(Where::Object(&version.object, &path), &mut |bytes| {
                    digester.update(bytes);
                    if failed.is_none() {
                        failed = out.write_all(bytes).err();
                    }
                })
                .map_err(Trouble::from)?;
            failed.map_or(Ok(()), |error| Err(scratch_stop(&staging.volume, error)))
        });
        let digests = digester.finish();
        match fetched {
            Ok(seal) if digests.get(Algorithm::Sha512) == Some(&version.inventory_sha512) => {
                return Ok(open_blob(&*world.disk, staging, &seal)?);
            }
            Ok(_) => {
                last = Trouble::new(Kind::CopyDiffers, "its inventory is not the recorded one")
                    .about(&copy.target)
            }
            Err(Stop::Trouble(trouble)) => last = trouble.about(&copy.target),
            Err(stop) => return Err(stop),
        }
    }
    Err(last.into())
}

fn give_file(
    world: &World,
    version: &VersionRow,
    step: &RestoreStep,
    path: &str,
    outlet: &Outlet,
    passed_over: &mut Vec<String>,
) -> Result<u64, Stop> {
    let mut last = Trouble::new(Kind::TargetMissing, "no copy is on a target of the configuration");
    for (copy, target) in copies(world, version) {
        let mut file = outlet.file(path)?;
        let mut digester = Digester::new(&[Algorithm::Sha512]);
        let mut failed = None;
        let read = target.read(Where::Object(&version.object, &step.content_path), &mut |bytes| {
            digester.update(bytes);
            if failed.is_none() {
                failed = file.write_all(bytes).err();
            }
        });
        if let Some(error) = failed {
            return Err(Trouble::new(Kind::StagingIo, error.to_string()).about(path).into());
        }
        let found = digester.finish();
        match read {
            Ok(bytes) if found.get(Algorithm::Sha512) == Some(&step.sha512) => return Ok(bytes),
            Ok(_) => last = Trouble::new(Kind::CopyDiffers, "its digest is not the recorded one").about(path),
            Err(error) => last = Trouble::from(error).about(path),
        }
        outlet.remove(path)?;
        if passed_over.len() < PASSED_OVER_MAX {
            passed_over.push(format!("{} on {}", last.sentence(), copy.target));
        }
    }
    Err(last.into())
}
