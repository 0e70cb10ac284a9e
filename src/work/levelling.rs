//! Levelling: a target that has no copy of an object, or an older version, gets what it lacks from copies that are there.
//!
//! - Every file is read back from the target past the page cache and compared with the inventory before its version is
//!   published; a source that gives other bytes is passed over for the next.
//! - A version is published when all its files are proved, oldest first, so the target is sound at every moment.
//! - What was staged before a stop is proved by reading it, and not copied again.
//! - The object is claimed meanwhile: no item stores a version of it.

use crate::books::facts::{open_blob, scratch_stop};
use crate::books::ledger::{EventDraft, Ledger};
use crate::model::digest::Algorithm;
use crate::model::event::{EventType, Outcome};
use crate::model::object::{ObjectId, ObjectRow, StoredCopy, VersionRow};
use crate::model::trouble::{Kind, Stop, Trouble, Wait};
use crate::rules::digester::Digester;
use crate::rules::ocfl::inventory::{self, InventoryError, Row};
use crate::rules::ocfl::layout;
use crate::rules::read::{ReadAt, Slice};
use crate::work::bringing::bring;
use crate::work::job::Settings;
use crate::work::logs::{self, Change};
use crate::work::policies::in_reading_order;
use crate::worlds::World;
use crate::worlds::disk::Place;
use crate::worlds::target::{Publication, Put, Target, TargetError, Txn, Where};
use std::io;

/// A later fence than any item's lease: what its ingest left staged is taken over, never mixed up with.
const FENCE: u64 = 1 << 62;

/// Files put at once, and bytes unless one alone is larger.
const BATCH_FILES: usize = 512;
const BATCH_BYTES: u64 = 64 << 20;

/// Bytes of one file of events at most.
const LOG_MAX: u64 = 64 << 20;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levelled {
    /// Versions that the target lacked.
    pub versions: u32,
    /// Files copied.
    pub files: u64,
    /// Bytes copied.
    pub bytes: u64,
}

/// Who levels.
pub struct Leveller<'a> {
    /// The worlds.
    pub world: &'a World,
    /// The registry.
    pub ledger: &'a Ledger,
    /// What the configuration says.
    pub settings: &'a Settings,
    /// Asked before every file with the bytes that are to come; it may wait, or say to stop.
    pub step: &'a (dyn Fn(u64) -> Result<(), Stop> + Sync),
}

/// A file that a version brought.
struct Content {
    path: String,
    sha512: String,
}

/// One version on its way.
struct Way<'a> {
    txn: Txn,
    to: &'a str,
    target: &'a dyn Target,
    object: &'a ObjectId,
    from: Vec<(&'a str, &'a dyn Target)>,
}

impl Leveller<'_> {
    /// Brings this object's copy on this target to the newest version.
    pub fn level(&self, object: &ObjectId, to: &str) -> Result<Levelled, Stop> {
        let _claim = self.ledger.claim_object(object);
        self.level_claimed(object, to).map_err(|stop| stop.while_doing(format!("copying {object} to {to}")))
    }

    /// As `level`, by somebody who holds the object's claim.
    pub fn level_claimed(&self, object: &ObjectId, to: &str) -> Result<Levelled, Stop> {
        let levelled = self.bring_up(object, to);
        // Also when it failed: each object has a folder of its own, and there may be many.
        let folder = self.scratch(to, object)?;
        if let Err(error) = self.world.disk.remove(&folder) {
            log::warn!("{} is left in staging: {}", folder.path, Trouble::from(error).sentence());
        }
        levelled
    }

    fn bring_up(&self, object: &ObjectId, to: &str) -> Result<Levelled, Stop> {
        let failed = |error| Stop::from(logs::failed(&error));
        let Some(row) = self.ledger.object(object).map_err(failed)? else { return Ok(Levelled::default()) };
        if let Some(item) = self.ledger.giving_up(object).map_err(failed)? {
            return Err(Stop::Wait(Wait::Turn { behind: item.0 }));
        }
        let mut versions = self.ledger.versions(object).map_err(failed)?;
        let target = self.target(to)?;
        let there = self.there(&versions, target, object, to)?;
        let mut done = Levelled::default();
        let mut proved = Vec::new();
        for place in 0..versions.len() {
            if versions[place].version <= there {
                continue;
            }
            let base = place.checked_sub(1).map(|before| versions[before].inventory_sha512.clone());
            let (files, bytes) = self.copy(&row.policy, &versions[place], base.as_deref(), (to, target))?;
            done = Levelled {
                versions: done.versions + 1,
                files: done.files + files,
                bytes: done.bytes + bytes,
            };
            proved.push(versions[place].version);
        }
        self.copy_logs(&row, &versions, (to, target))?;
        let lacks = |version: &VersionRow| !version.copies.iter().any(|copy| copy.target == to);
        if !versions.iter().any(lacks) {
            return Ok(done);
        }
        // Published before a stop, and not recorded: whether it is sound can only be seen by reading it.
        if versions.iter().any(|version| lacks(version) && !proved.contains(&version.version)) {
            self.prove(object, &versions, (to, target))?;
        }
        self.record(row, &mut versions, (to, target), done)?;
        Ok(done)
    }

    fn target(&self, name: &str) -> Result<&dyn Target, Trouble> {
        let target = self.world.targets.get(name);
        target
            .map(|target| &**target)
            .ok_or_else(|| Trouble::new(Kind::TargetMissing, "it is not in the configuration").about(name))
    }

    /// The newest version that is on the target; 0 for none.
    fn there(
        &self,
        versions: &[VersionRow],
        target: &dyn Target,
        object: &ObjectId,
        to: &str,
    ) -> Result<u32, Stop> {
        let Some(head) = target.head(object)? else { return Ok(0) };
        let known = versions.iter().find(|version| version.version == head.version);
        if known.is_some_and(|known| known.inventory_sha512 == head.inventory_sha512) {
            return Ok(head.version);
        }
        let because =
            format!("{to} has version {} with an inventory that the registry does not know", head.version);
        Err(Trouble::new(Kind::TargetsDisagree, because).about(object.to_string()).into())
    }

    fn copy(
        &self,
        policy: &str,
        version: &VersionRow,
        base: Option<&str>,
        (to, target): (&str, &dyn Target),
    ) -> Result<(u64, u64), Stop> {
        self.room(version, (to, target))?;
        let mut from: Vec<StoredCopy> = version.copies.clone();
        from.retain(|copy| copy.target != to);
        in_reading_order(self.settings, policy, &mut from);
        let way = Way {
            txn: Txn { ledger: self.settings.ledger_id.clone(), item: version.item, fence: FENCE },
            to,
            target,
            object: &version.object,
            from: from
                .iter()
                .filter_map(|copy| {
                    let (name, target) = self.world.targets.get_key_value(&copy.target)?;
                    Some((name.as_str(), &**target))
                })
                .collect(),
        };
        let inventory = self.inventory(version, &way)?;
        way.target.begin(&way.txn, way.object, version.version)?;
        let prefix = format!("v{}/content/", version.version);
        let mut batch = Vec::new();
        let mut stop = None;
        let mut sums = (0, 0);
        let walked = inventory::walk(Slice::whole(&*inventory), &mut |row| {
            if let Row::Content { sha512, path } = row
                && path.starts_with(&prefix)
            {
                batch.push(Content { path: path.to_string(), sha512: sha512.to_string() });
                if batch.len() == BATCH_FILES {
                    let copied = self.copy_files(&way, &std::mem::take(&mut batch), &mut sums);
                    return copied.map_err(|error| {
                        stop = Some(error);
                        io::Error::other("stopped")
                    });
                }
            }
            Ok(())
        });
        match (stop, walked) {
            (Some(stop), _) => return Err(stop),
            (None, Err(InventoryError::Io(error))) => {
                return Err(scratch_stop(&self.scratch(to, way.object)?.volume, error));
            }
            (None, Err(error)) => return Err(Trouble::new(Kind::CopyDiffers, error.to_string()).into()),
            (None, Ok(_)) => self.copy_files(&way, &batch, &mut sums)?,
        }
        let what = Publication {
            object: way.object,
            version: version.version,
            inventory: &*inventory,
            inventory_sha512: &version.inventory_sha512,
            base_sha512: base,
        };
        target.publish(&way.txn, &what)?;
        Ok(sums)
    }

    /// Space on the target for all that the version may bring.
    fn room(&self, version: &VersionRow, (to, target): (&str, &dyn Target)) -> Result<(), Stop> {
        let space = target.space()?;
        let need = version.bytes + version.files * (space.block_bytes + 2_048) + (1 << 20);
        let free = space.free_bytes.saturating_sub(self.settings.floor(to, space.total_bytes));
        if free >= need {
            return Ok(());
        }
        Err(Stop::Wait(Wait::Space { place: to.into(), bytes: need, inodes: 2 * version.files + 64, free }))
    }

    fn scratch(&self, to: &str, object: &ObjectId) -> Result<Place, Trouble> {
        self.settings.scratch("level", to, object)
    }

    /// The version's inventory in staging, its bytes those that the registry holds.
    fn inventory(&self, version: &VersionRow, way: &Way<'_>) -> Result<Box<dyn ReadAt>, Stop> {
        let folder = self.scratch(way.to, way.object)?;
        let path = format!("v{}/{}", version.version, layout::INVENTORY);
        let mut last = Trouble::new(Kind::TargetMissing, "no other copy is on a target of the configuration");
        for (name, from) in &way.from {
            let place = (&*self.world.disk, &folder, "inventory", 1);
            match bring(*from, Where::Object(way.object, &path), place, &|_| Ok(())) {
                Ok(Ok((sha512, seal))) if sha512 == version.inventory_sha512 => {
                    return Ok(open_blob(&*self.world.disk, &folder, &seal)?);
                }
                Ok(Ok(_)) => {
                    last =
                        Trouble::new(Kind::CopyDiffers, "its inventory is not the recorded one").about(*name)
                }
                Ok(Err(error)) => last = Trouble::from(error).about(*name),
                Err(Stop::Trouble(trouble)) => last = trouble.about(*name),
                Err(stop) => return Err(stop),
            }
        }
        Err(last.into())
    }

    fn copy_files(&self, way: &Way<'_>, files: &[Content], sums: &mut (u64, u64)) -> Result<(), Stop> {
        let mut batch: Vec<(&Content, Box<dyn ReadAt>)> = Vec::new();
        let mut bytes = 0;
        for file in files {
            (self.step)(0)?;
            if way.is_staged(file)? {
                continue;
            }
            let opened = way.open(file, 0)?.1;
            bytes += opened.size();
            (self.step)(opened.size())?;
            batch.push((file, opened));
            if bytes >= BATCH_BYTES {
                self.put(way, std::mem::take(&mut batch), sums)?;
                bytes = 0;
            }
        }
        self.put(way, batch, sums)
    }

    fn put(
        &self,
        way: &Way<'_>,
        batch: Vec<(&Content, Box<dyn ReadAt>)>,
        sums: &mut (u64, u64),
    ) -> Result<(), Stop> {
        let puts: Vec<Put<'_>> = batch.iter().map(|(file, from)| put(file, &**from)).collect();
        // A source that fails is passed over file by file.
        let put_all = match way.target.put(&way.txn, &puts) {
            Err(TargetError::Source { .. }) => false,
            other => other.map(|_| true)?,
        };
        for (file, from) in &batch {
            (self.step)(0)?;
            if !(put_all && way.is_staged(file)?) {
                way.try_each_source(file)?;
            }
            *sums = (sums.0 + 1, sums.1 + from.size());
        }
        Ok(())
    }

    /// Files of events that lie beside other copies.
    fn copy_logs(
        &self,
        object: &ObjectRow,
        versions: &[VersionRow],
        (to, target): (&str, &dyn Target),
    ) -> Result<(), Stop> {
        let mut names: Vec<&str> =
            versions.iter().flat_map(|version| &version.copies).map(|copy| copy.target.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let folder = layout::object_path(&object.id);
        let mut known = self.logs_on(target, &folder)?;
        for name in names.into_iter().filter(|name| *name != to) {
            let Some(other) = self.world.targets.get(name) else { continue };
            // A copy that cannot be looked at now has its logs beside the others, too.
            let Ok(found) = self.logs_on(&**other, &folder) else { continue };
            for (path, size) in found {
                if known.iter().any(|(known, _)| *known == path) || size > LOG_MAX {
                    continue;
                }
                let mut bytes = Vec::new();
                other.read(Where::Object(&object.id, &path), &mut |chunk| bytes.extend_from_slice(chunk))?;
                target.log(&object.id, path.trim_start_matches("logs/premis/"), &bytes)?;
                known.push((path, size));
            }
        }
        Ok(())
    }

    fn logs_on(&self, target: &dyn Target, folder: &str) -> Result<Vec<(String, u64)>, Stop> {
        let mut found = Vec::new();
        target.files(folder, &mut |path, size| {
            if path.starts_with("logs/premis/") && path.ends_with(".jsonl") {
                found.push((path.to_string(), size));
            }
        })?;
        Ok(found)
    }

    fn prove(
        &self,
        object: &ObjectId,
        versions: &[VersionRow],
        (to, target): (&str, &dyn Target),
    ) -> Result<(), Stop> {
        let inventories =
            versions.iter().map(|version| (version.version, version.inventory_sha512.clone())).collect();
        let scratch = crate::books::facts::StagingScratch::new(
            &*self.world.disk,
            self.scratch(to, object)?.join("runs"),
        );
        let wanted = crate::work::proving::Wanted { object, inventories: &inventories };
        let proof = crate::work::proving::prove(target, &wanted, &scratch, self.step)?;
        match proof.faults.first() {
            None => Ok(()),
            Some(fault) => {
                let because = format!("{}: {}", fault.outcome.name(), fault.why);
                Err(Trouble::new(Kind::CopyDiffers, because).about(&fault.path).into())
            }
        }
    }

    fn record(
        &self,
        object: ObjectRow,
        versions: &mut [VersionRow],
        (to, target): (&str, &dyn Target),
        done: Levelled,
    ) -> Result<(), Stop> {
        let now = self.world.clock.now();
        // What lay there before keeps its time of proof: nobody read it again.
        let lacks = |version: &&mut VersionRow| !version.copies.iter().any(|copy| copy.target == to);
        for version in versions.iter_mut().filter(lacks) {
            version.copies.push(StoredCopy {
                target: to.into(),
                root: target.root(),
                path: layout::object_path(&object.id),
                inventory_sha512: version.inventory_sha512.clone(),
                proved_at: now,
            });
        }
        let told = EventDraft {
            event_type: EventType::Replication,
            outcome: Outcome::Success,
            detail: format!(
                "versions of {} copied from other targets: {}, with {} files and {} bytes, read back and equal",
                object.id, done.versions, done.files, done.bytes
            ),
            target: Some(to.into()),
            at: Some(now),
        };
        let change = Change { object, versions: versions.to_vec(), told, damage: Vec::new() };
        logs::change(self.world, self.ledger, change)?;
        Ok(())
    }
}

fn put<'a>(file: &'a Content, from: &'a dyn ReadAt) -> Put<'a> {
    Put { content_path: &file.path, from, offset: 0, size: from.size() }
}

impl<'a> Way<'a> {
    /// True when the file lies staged with the right bytes.
    fn is_staged(&self, file: &Content) -> Result<bool, Stop> {
        let mut digester = Digester::new(&[Algorithm::Sha512]);
        let read =
            self.target.read(Where::Staged(&self.txn, &file.path), &mut |bytes| digester.update(bytes));
        match read {
            Ok(_) => Ok(digester.finish().get(Algorithm::Sha512) == Some(&file.sha512)),
            Err(TargetError::Absent { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the file on the first source from this place on that has it; gives the place, too.
    fn open(&self, file: &Content, from: usize) -> Result<(usize, Box<dyn ReadAt>), Stop> {
        let mut last = Trouble::new(Kind::TargetMissing, "no other copy is on a target of the configuration");
        for (place, (name, source)) in self.from.iter().enumerate().skip(from) {
            match source.open(Where::Object(self.object, &file.path)) {
                Ok(opened) => return Ok((place, opened)),
                Err(error) => last = Trouble::from(error).about(format!("{} on {name}", file.path)),
            }
        }
        Err(last.into())
    }

    /// Tries one source after the other until the target holds the right bytes.
    fn try_each_source(&self, file: &Content) -> Result<(), Stop> {
        let mut at = 0;
        let mut sound = None;
        while let Ok((place, opened)) = self.open(file, at) {
            let put = self.target.put(&self.txn, &[put(file, &*opened)]);
            match put {
                Err(TargetError::Source { .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(_) if self.is_staged(file)? => return Ok(()),
                // Whose fault it is, the source's own bytes say.
                Ok(_) if digest_of(&*opened).as_deref() == Some(&file.sha512) => {
                    sound = Some(self.from[place].0)
                }
                Ok(_) => log::warn!(
                    "{} of {} on {} has other bytes than recorded",
                    file.path,
                    self.object,
                    self.from[place].0
                ),
            }
            at = place + 1;
        }
        let (kind, because) = match sound {
            Some(name) => (Kind::CopyDiffers, format!("{} does not give back what {name} has", self.to)),
            None => (Kind::CopyDiffers, "no copy has the recorded bytes, or can be read".to_string()),
        };
        Err(Trouble::new(kind, because).about(&file.path).into())
    }
}

fn digest_of(from: &dyn ReadAt) -> Option<String> {
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    let mut chunk = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        match from.read_at(&mut chunk, at).ok()? {
            0 => return digester.finish().get(Algorithm::Sha512).map(String::from),
            got => {
                digester.update(&chunk[..got]);
                at += got as u64;
            }
        }
    }
}
