//! The ledger made again from what lies on targets.
//!
//! ```text
//! walk the targets together -> read each copy -> agree on versions -> rows -> commits of many objects
//! ```
//!
//! - Only reading is done on targets.
//! - Whatever is not taken is told, with its target and what to do; nothing is passed over silently.
//! - Memory is one object and one page of folders a target. A run that is cut off is run again, and leaves nothing twice.

mod report;
pub mod together;

pub use report::{LISTED_MAX, Report, TargetCount};

use crate::books::ledger::LedgerError;
use crate::books::ledger::additions::Additions;
use crate::model::object::ObjectId;
use crate::model::trouble::Trouble;
use crate::rules::ocfl::layout;
use crate::rules::ocfl::metadata::{self, DepositRecord, Tombstone};
use crate::rules::premis;
use crate::rules::premis::chain::Gathered;
use crate::rules::registry::{self, Agreed, CopySeen, Disagreement, Made, Odd, Places, VersionDocuments};
use crate::work::copies::{self, Copy, Counted, Depth, Unsound};
use crate::work::sweep::report as sweep;
use crate::worlds::target::{Target, TargetError, Where};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use together::{Folder, Together};

/// Why a rebuild ended before its end.
#[derive(Debug)]
pub enum RebuildError {
    /// A target could not be read.
    Target(String, TargetError),
    /// The ledger failed.
    Ledger(LedgerError),
}

impl From<LedgerError> for RebuildError {
    fn from(error: LedgerError) -> RebuildError {
        RebuildError::Ledger(error)
    }
}

/// What is rebuilt from what.
pub struct Rebuild<'a> {
    /// Targets to read, by name.
    pub from: &'a [(String, Arc<dyn Target>)],
    /// Storage roots of all targets that the configuration names.
    pub roots: &'a BTreeMap<String, String>,
    /// Told after every object how many there were.
    pub told: &'a dyn Fn(u64),
}

/// A copy on one of the targets.
struct Read {
    target: usize,
    copy: Copy,
}

impl Rebuild<'_> {
    /// Reads everything, and adds it.
    pub fn run(&self, additions: &mut Additions<'_>, dry_run: bool) -> Result<Report, RebuildError> {
        let names: Vec<String> = self.from.iter().map(|(name, _)| name.clone()).collect();
        let mut report = Report { from: names.clone(), dry_run, ..Report::default() };
        additions.begin(&names)?;
        let places = Places { walked: names.iter().cloned().collect(), roots: self.roots.clone() };
        for (name, target) in self.from {
            report.target(name);
            let under_way = target.under_way().map_err(|error| RebuildError::Target(name.clone(), error))?;
            // Their numbers were given by a ledger that is lost; people may have been told of them.
            under_way.iter().for_each(|item| additions.number_in_use(item.item));
        }
        let mut together = Together::new(self.from);
        loop {
            let next = together.next_folder();
            let next = next.map_err(|(name, error)| RebuildError::Target(name, error))?;
            for (target, path) in together.strays.drain(..) {
                let then_try = "look at it; strongroom leaves it alone";
                report.tell_of(Odd::Stray, &target, &path, "it belongs to no object".into(), then_try);
            }
            let Some(folder) = next else { break };
            report.found += 1;
            self.object(&folder, &places, additions, &mut report)?;
            (self.told)(report.found);
        }
        self.proofs(additions)?;
        additions.end()?;
        Ok(report)
    }

    /// When copies were proved, from the reports of sweeps. A report that cannot be read or believed is passed over: its copies
    /// have an older time, and are proved again the sooner.
    fn proofs(&self, additions: &mut Additions<'_>) -> Result<(), RebuildError> {
        for (name, target) in self.from {
            let kept = target.kept().map_err(|error| RebuildError::Target(name.clone(), error))?;
            for file in kept.iter().filter(|file| file.name.starts_with(sweep::PREFIX)) {
                if file.bytes > sweep::BYTES_MAX {
                    continue;
                }
                let mut bytes = Vec::new();
                let read = target.read(Where::Kept(&file.name), &mut |chunk| bytes.extend_from_slice(chunk));
                let read = read.map_err(|error| Trouble::from(error).sentence());
                match read.and_then(|_| sweep::decode(&bytes)) {
                    Err(why) => log::warn!("{} on {name} is not believed: {why}", file.name),
                    Ok((head, proved)) => {
                        for one in proved {
                            additions.proved(&head.target, &one.object, one.proved_at)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn object(
        &self,
        folder: &Folder,
        places: &Places,
        additions: &mut Additions<'_>,
        report: &mut Report,
    ) -> Result<(), RebuildError> {
        let (mut reads, mut seen): (Vec<Read>, Vec<CopySeen>) = (Vec::new(), Vec::new());
        for at in &folder.on {
            let (name, target) = &self.from[*at];
            report.target(name).objects += 1;
            match read_copy(&**target, &folder.path) {
                Ok((copy, counted, logs)) => {
                    tell_counted(name, &copy.id, &counted, report);
                    seen.push(CopySeen {
                        target: name.clone(),
                        path: folder.path.clone(),
                        inventories: copy.inventories.clone(),
                        logs,
                    });
                    reads.push(Read { target: *at, copy });
                }
                Err(Unsound::Target(error)) => return Err(RebuildError::Target(name.clone(), error)),
                Err(unsound @ Unsound::Wrong { .. }) => {
                    let then_try = "repair it from another target; its bytes are left as they are";
                    report.tell_of(Odd::Damaged, name, &folder.path, unsound.to_string(), then_try);
                }
            }
        }
        let Some(id) = self.id_of(folder, &mut reads, &mut seen, report) else { return Ok(()) };
        let mut odd = Vec::new();
        let made = self.made(&id, folder, &reads, &seen, places, &mut odd)?;
        odd.into_iter().for_each(|told| report.tell(told));
        for copy in made.versions.iter().flat_map(|version| &version.copies) {
            match places.walked.contains(&copy.target) {
                true => report.target(&copy.target).copies += 1,
                false => report.target(&copy.target).unseen += 1,
            }
        }
        let mut differs = Vec::new();
        report.count(additions.add(made, &mut differs)?);
        for because in differs {
            report.tell(Disagreement {
                odd: Odd::LedgerDiffers,
                about: id.to_string(),
                version: None,
                target: None,
                because,
                then_try: "nothing was changed; look at which of them is right".into(),
            });
        }
        Ok(())
    }

    /// The id that all copies in this folder have; one that has another is left out.
    fn id_of(
        &self,
        folder: &Folder,
        reads: &mut Vec<Read>,
        seen: &mut Vec<CopySeen>,
        report: &mut Report,
    ) -> Option<ObjectId> {
        let right = |id: &ObjectId| layout::object_path(id) == folder.path;
        let id = reads.iter().map(|read| &read.copy.id).find(|id| right(id));
        let id = id.or_else(|| reads.first().map(|read| &read.copy.id)).cloned()?;
        for at in (0..reads.len()).rev() {
            let other = &reads[at].copy.id;
            if *other != id || !right(other) {
                let because = format!("the object {other} lies where it should not");
                let then_try = "look at what moved it there";
                report.tell_of(Odd::Damaged, &seen[at].target, &folder.path, because, then_try);
                reads.remove(at);
                seen.remove(at);
            }
        }
        (!reads.is_empty()).then_some(id)
    }

    fn made(
        &self,
        id: &ObjectId,
        folder: &Folder,
        reads: &[Read],
        seen: &[CopySeen],
        places: &Places,
        odd: &mut Vec<Disagreement>,
    ) -> Result<Made, RebuildError> {
        let line = registry::agree(id, seen, odd);
        let logs = registry::join_logs(id, seen, odd);
        if let Some((at, tombstone)) = self.tombstone(folder, reads, odd)? {
            for other in seen.iter().filter(|copy| copy.target != seen[at].target) {
                let read = reads.iter().find(|read| self.from[read.target].0 == other.target);
                let dead = read.is_some_and(|read| tombstone_part(&read.copy).is_some());
                if !dead {
                    odd.push(Disagreement {
                        odd: Odd::HalfDeleted,
                        about: id.to_string(),
                        version: None,
                        target: Some(other.target.clone()),
                        because: format!("it was deleted on {}, and is still there", seen[at].target),
                        then_try: "it counts as deleted; finish the deletion".into(),
                    });
                }
            }
            odd.retain(|told| told.odd != Odd::InventoryDiffers && told.odd != Odd::LogDiffers);
            return Ok(registry::make_deleted(tombstone, &logs));
        }
        let mut documents = Vec::new();
        for (at, agreed) in line.iter().enumerate() {
            documents.push(self.documents(folder, at as u32 + 1, agreed, reads, &logs, odd)?);
        }
        Ok(registry::make(id, seen, &line, &documents, &logs, places, odd))
    }

    /// The tombstone at the head of a copy, and whose copy.
    fn tombstone(
        &self,
        folder: &Folder,
        reads: &[Read],
        odd: &mut Vec<Disagreement>,
    ) -> Result<Option<(usize, Tombstone)>, RebuildError> {
        for (at, read) in reads.iter().enumerate() {
            let Some(part) = tombstone_part(&read.copy) else { continue };
            if let Some(tombstone) = self.document::<Tombstone>(folder, read, part, odd)? {
                return Ok(Some((at, tombstone)));
            }
        }
        Ok(None)
    }

    /// What the documents of a version say, from the first copy that gives them as its inventory tells them.
    fn documents(
        &self,
        folder: &Folder,
        version: u32,
        agreed: &Agreed,
        reads: &[Read],
        logs: &Gathered,
        odd: &mut Vec<Disagreement>,
    ) -> Result<VersionDocuments, RebuildError> {
        let holders = || agreed.holders.iter().map(|holder| &reads[*holder]);
        let part = |read: &Read, path: &str| read.copy.documents.get(&(version, path.to_string())).cloned();
        let mut told = VersionDocuments::default();
        for read in holders() {
            if let Some(part) = part(read, metadata::DOCUMENT) {
                told.record = self.document::<DepositRecord>(folder, read, &part, odd)?;
            }
            if told.record.is_some() {
                break;
            }
        }
        // A receipt comes with every event of its item; without one the document has those before the copies were made.
        let receipt = logs.files.iter().any(|file| {
            file.lines.first().is_some_and(|line| line.receipt.is_some() && line.version == version)
        });
        for read in holders().take_while(|_| !receipt) {
            let Some(part) = part(read, metadata::PREMIS) else { continue };
            let (name, target) = &self.from[read.target];
            let bytes = copies::document(&**target, &folder.path, &part);
            let events = match bytes {
                Ok(bytes) => premis::read::events(&String::from_utf8_lossy(&bytes))
                    .map_err(|why| Unsound::Wrong { path: part.path.clone(), why }),
                Err(unsound) => Err(unsound),
            };
            match events {
                Ok(events) => {
                    told.premis = events;
                    break;
                }
                Err(Unsound::Target(error)) => return Err(RebuildError::Target(name.clone(), error)),
                Err(unsound) => odd.push(unread(name, read, &unsound)),
            }
        }
        Ok(told)
    }

    fn document<T: DeserializeOwned>(
        &self,
        folder: &Folder,
        read: &Read,
        part: &copies::Part,
        odd: &mut Vec<Disagreement>,
    ) -> Result<Option<T>, RebuildError> {
        let (name, target) = &self.from[read.target];
        let found = copies::document(&**target, &folder.path, part).and_then(|bytes| {
            serde_json::from_slice(&bytes)
                .map_err(|error| Unsound::Wrong { path: part.path.clone(), why: error.to_string() })
        });
        match found {
            Ok(document) => Ok(Some(document)),
            Err(Unsound::Target(error)) => Err(RebuildError::Target(name.clone(), error)),
            Err(unsound) => {
                odd.push(unread(name, read, &unsound));
                Ok(None)
            }
        }
    }
}

fn tombstone_part(copy: &Copy) -> Option<&copies::Part> {
    copy.documents.get(&(copy.head, metadata::TOMBSTONE.to_string()))
}

fn read_copy(target: &dyn Target, folder: &str) -> Result<(Copy, Counted, Gathered), Unsound> {
    let (copy, census) = copies::look(target, folder, Depth::Whole)?;
    let counted = copies::count(target, folder, &copy, census)?;
    let logs = copies::logs(target, folder, &counted.logs)?;
    Ok((copy, counted, logs))
}

fn tell_counted(target: &str, id: &ObjectId, counted: &Counted, report: &mut Report) {
    if counted.missing > 0 {
        let because = named(counted.missing, &counted.missing_named, "not there");
        report.tell_of(Odd::FileMissing, target, &id.0, because, "repair it from another target");
    }
    if counted.extra > 0 {
        let because = named(counted.extra, &counted.extra_named, "named by no inventory");
        report.tell_of(
            Odd::UnknownFile,
            target,
            &id.0,
            because,
            "look at them; strongroom leaves them alone",
        );
    }
}

/// "3 files are not there: a, b, c".
pub fn named(count: u64, names: &[String], what: &str) -> String {
    let (files, are) = if count == 1 { ("file", "is") } else { ("files", "are") };
    let more = if count > names.len() as u64 { ", …" } else { "" };
    format!("{count} {files} {are} {what}: {}{more}", names.join(", "))
}

fn unread(target: &str, read: &Read, unsound: &Unsound) -> Disagreement {
    Disagreement {
        odd: Odd::Damaged,
        about: read.copy.id.to_string(),
        version: None,
        target: Some(target.into()),
        because: unsound.to_string(),
        then_try: "repair it from another target".into(),
    }
}

impl RebuildError {
    /// What failed, as a sentence.
    pub fn sentence(&self) -> String {
        match self {
            RebuildError::Target(name, error) => {
                format!("target {name}: {}", Trouble::from(error.clone()).sentence())
            }
            RebuildError::Ledger(error) => error.to_string(),
        }
    }
}
