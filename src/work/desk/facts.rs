//! Reading what the stages found: files and findings; and giving an object back.
//!
//! - While an item is in work its facts lie in staging; once it is kept, its inventory lies beside the ledger.
//! - One page is read at a time, so that a bag of a million files needs no more memory than a small one.

use super::complaint::{Complaint, Sort};
use super::words::{Answer, FileView, ROWS_MAX, RestoredView};
use super::{Desk, Told};
use crate::books::facts::FactsReader;
use crate::model::fact::Member;
use crate::model::finding::Finding;
use crate::model::item::{Asker, Item, Seal};
use crate::model::trouble::Trouble;
use crate::rules::ocfl::inventory::{self, InventoryError, Row};
use crate::rules::read::Slice;
use crate::work::job::staging_folder;
use crate::work::restore::{keep_inventory_again, restore};
use crate::work::stages::record::{findings_of, findings_place, inventory_place};
use crate::worlds::disk::DiskError;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Bytes of facts in one answer, or one row.
const PAGE_BYTES: u64 = 8 << 20;

impl Desk {
    pub(super) fn findings(&self, item: &Item, after: u64, from: Option<u64>, limit: usize) -> Told<Answer> {
        let limit = limit.clamp(1, ROWS_MAX);
        let judged = findings_of(&item.found).filter(|_| item.found.record.is_none());
        // Whoever starts at the start is told where to go on.
        let from = from.or((after == 0).then_some(0));
        if let (Some(from), Some((_, seal))) = (from, judged) {
            return self.findings_from(item, seal, from, limit);
        }
        let (findings, more) = self.findings_of(item, after, limit)?;
        Ok(Answer::Findings { findings, more, next: None })
    }

    fn findings_from(&self, item: &Item, seal: &Seal, from: u64, limit: usize) -> Told<Answer> {
        let doing = format!("reading what was found about item {}", item.id);
        let failed = |trouble: Trouble| in_trouble(&doing, &trouble, item);
        let folder = staging_folder(&self.settings, item).map_err(failed)?;
        let disk = &*self.ledger.world().disk;
        let mut reader = FactsReader::<Finding>::open_at(disk, &folder, seal, from).map_err(failed)?;
        let mut findings = Vec::new();
        // A bag made to do harm has long findings; an answer must stay one that the other end takes.
        while findings.len() < limit && reader.at().saturating_sub(from) < PAGE_BYTES {
            let Some(row) = reader.next() else { break };
            findings.push(row.map_err(failed)?);
        }
        let at = reader.at();
        let more = at < seal.bytes;
        Ok(Answer::Findings { findings, more, next: more.then_some(at) })
    }

    /// Findings of reading the tar and of judging the bag.
    pub(super) fn findings_of(&self, item: &Item, after: u64, limit: usize) -> Told<(Vec<Finding>, bool)> {
        let mut findings: Vec<Finding> = Vec::new();
        if let Some((of, seal)) = findings_of(&item.found).filter(|(_, seal)| after < seal.count) {
            match item.found.record {
                Some(_) => self.kept_findings(item, of, after, limit + 1, &mut findings)?,
                None => self.page(item, seal, after, limit + 1, &mut findings)?,
            }
        }
        let more = findings.len() > limit;
        findings.truncate(limit);
        Ok((findings, more))
    }

    /// Findings about a kept item, from the copy beside the ledger.
    fn kept_findings(
        &self,
        item: &Item,
        of: &str,
        skip: u64,
        limit: usize,
        rows: &mut Vec<Finding>,
    ) -> Told<()> {
        let doing = format!("reading what was remarked about item {}", item.id);
        let place = findings_place(&self.settings, item.id.0, of);
        let file = match self.ledger.world().disk.open(&place) {
            Ok(file) => file,
            // A ledger that was made anew from targets counts them, and no longer has them.
            Err(DiskError::Absent { .. }) => return Ok(()),
            Err(error) => return Err(in_trouble(&doing, &error.into(), item)),
        };
        let failed = |why: String| {
            Box::new(Complaint::new(Sort::Io, &doing).because(why).then_try("strongroom doctor"))
        };
        let lines = BufReader::new(GzDecoder::new(Slice::whole(&*file))).lines();
        for line in lines.skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(limit) {
            let line = line.map_err(|error| failed(error.to_string()))?;
            // A row of a facts file: its CRC, then JSON. gzip has proved the bytes already.
            let (_, json) = line.split_once(' ').unwrap_or(("", &line));
            rows.push(serde_json::from_str(json).map_err(|error| failed(error.to_string()))?);
        }
        Ok(())
    }

    pub(super) fn files(&self, item: &Item, after: u64, limit: usize) -> Told<Answer> {
        let limit = limit.clamp(1, ROWS_MAX);
        let mut files = match (&item.found.checksum, &item.found.unpack) {
            _ if item.found.record.is_some() => self.kept_files(item, after, limit + 1)?,
            (Some(summed), _) => self.members(item, &summed.digests, after, limit + 1)?,
            (None, Some(unpacked)) => self.members(item, &unpacked.members, after, limit + 1)?,
            (None, None) => Vec::new(),
        };
        let more = files.len() > limit;
        files.truncate(limit);
        Ok(Answer::Files { files, more })
    }

    fn members(&self, item: &Item, seal: &Seal, after: u64, limit: usize) -> Told<Vec<FileView>> {
        let mut members: Vec<Member> = Vec::new();
        self.page(item, seal, after, limit, &mut members)?;
        let view = |member: Member| FileView {
            path: member.path.shown(),
            bytes: Some(member.size),
            digests: member
                .digests
                .0
                .iter()
                .map(|(name, digest)| (name.to_string(), digest.clone()))
                .collect(),
        };
        Ok(members.into_iter().map(view).collect())
    }

    /// Up to `limit` rows of a facts file, after `skip` of them.
    fn page<T: serde::de::DeserializeOwned>(
        &self,
        item: &Item,
        seal: &Seal,
        skip: u64,
        limit: usize,
        rows: &mut Vec<T>,
    ) -> Told<()> {
        let doing = format!("reading what was found about item {}", item.id);
        let failed = |trouble: Trouble| in_trouble(&doing, &trouble, item);
        let folder = staging_folder(&self.settings, item).map_err(failed)?;
        let reader = FactsReader::<T>::open(&*self.ledger.world().disk, &folder, seal).map_err(failed)?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        for row in reader.skip(skip).take(limit) {
            rows.push(row.map_err(failed)?);
        }
        Ok(())
    }

    /// Files of a kept item, from the inventory beside the ledger.
    fn kept_files(&self, item: &Item, after: u64, limit: usize) -> Told<Vec<FileView>> {
        let doing = format!("reading the inventory of item {}", item.id);
        let Some(store) = item.found.store.as_ref().filter(|store| !store.unchanged) else {
            return Err(Box::new(
                Complaint::new(Sort::Refused, doing)
                    .because("it was the same bag as before, and made no version of its own")
                    .then_try(format!(
                        "strongroom item list --depositor {}: the item that made it",
                        item.depositor
                    )),
            ));
        };
        let place = inventory_place(&self.settings, item.id.0);
        let world = self.ledger.world();
        let file = match world.disk.open(&place) {
            // A ledger that was made anew from targets takes it from there when it is first asked for.
            Err(DiskError::Absent { .. }) => keep_inventory_again(world, &self.settings, store, &place)
                .and_then(|()| Ok(world.disk.open(&place)?))
                .map_err(|trouble| in_trouble(&doing, &trouble, item))?,
            other => other.map_err(|error| in_trouble(&doing, &error.into(), item))?,
        };
        let (mut files, mut seen) = (Vec::new(), 0u64);
        let walked = inventory::walk(GzDecoder::new(Slice::whole(&*file)), &mut |row| {
            let Row::State { version, sha512, path } = row else { return Ok(()) };
            let Some(path) = path.strip_prefix("bag/").filter(|_| version == store.version) else {
                return Ok(());
            };
            seen += 1;
            if seen > after {
                let digests = BTreeMap::from([("sha512".to_string(), sha512.to_string())]);
                files.push(FileView { path: path.to_string(), bytes: None, digests });
            }
            // Enough: the rest need not be read.
            if files.len() >= limit { Err(io::Error::from(io::ErrorKind::Interrupted)) } else { Ok(()) }
        });
        match walked {
            Ok(_) => Ok(files),
            Err(_) if files.len() >= limit => Ok(files),
            Err(error) => Err(damaged(&doing, &error)),
        }
    }

    pub(super) fn restore(&self, word: &str, to: &str, asker: &Asker) -> Told<Answer> {
        let doing = format!("{} is not given back", word.escape_debug());
        if !Path::new(to).is_absolute() {
            return Err(Box::new(
                Complaint::new(Sort::Usage, doing).because("the folder's path is not absolute"),
            ));
        }
        let Answer::Object { object, .. } = self.object(word)? else {
            return Err(Box::new(Complaint::new(Sort::NotFound, doing)));
        };
        let folder = Path::new(to).join(&object.bag);
        if folder.symlink_metadata().is_ok() {
            return Err(Box::new(
                Complaint::new(Sort::Refused, doing)
                    .because(format!("something lies at {} already", folder.display()))
                    .so("nothing was written")
                    .then_try("name another folder with --to"),
            ));
        }
        log::info!("object {} is being given back to {to} for {} (uid {})", object.id, asker.name, asker.uid);
        let restored = restore(self.ledger.world(), &self.ledger, &self.settings, &object.id, Path::new(to));
        let restored = restored.map_err(|trouble| {
            Box::new(
                Complaint::new(Sort::Io, doing)
                    .because(trouble.sentence())
                    .so("what was written may be incomplete")
                    .then_try("give another folder with --to, or look at strongroom doctor"),
            )
        })?;
        Ok(Answer::Restored(RestoredView {
            object: restored.object.0,
            version: restored.version,
            folder: restored.folder.display().to_string(),
            files: restored.files,
            bytes: restored.bytes,
            passed_over: restored.passed_over,
        }))
    }
}

fn in_trouble(doing: &str, trouble: &Trouble, item: &Item) -> Box<Complaint> {
    let gone = item.checkpoint.standing.rests() && item.found.record.is_some();
    let complaint =
        Complaint::new(if gone { Sort::NotFound } else { Sort::Io }, doing).because(trouble.sentence());
    Box::new(match gone {
        true => complaint.then_try("staging was cleared when it was kept; the record lies beside the object"),
        false => complaint.then_try("strongroom doctor"),
    })
}

fn damaged(doing: &str, error: &InventoryError) -> Box<Complaint> {
    Box::new(
        Complaint::new(Sort::Io, doing)
            .because(error.to_string())
            .then_try("the same inventory lies in the object's folder on every target"),
    )
}
