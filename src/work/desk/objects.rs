//! Objects, as people ask about them: lists, copies, history, files, and proving them now.
//!
//! - A list and its figures come from the registry; files come from a copy's inventory, whose digest the registry holds.
//! - What was proved is recorded with the copies, and told in an event beside them, whatever came out.

use super::complaint::{Complaint, Sort};
use super::keep_words::{KeepAnswer, ObjectEvent, ObjectFile, ProvedCopy};
use super::words::{Answer, CopyView, DeleteAnswer, ObjectView, ROWS_MAX};
use super::{Desk, Told, of_ledger};
use crate::books::facts::StagingScratch;
use crate::books::ledger::{DamageMark, EventDraft};
use crate::model::event::{EventType, Outcome};
use crate::model::item::ItemId;
use crate::model::object::{ObjectId, ObjectRow, VersionRow};
use crate::model::proof::DamagedCopy;
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::ocfl::metadata::Tombstone;
use crate::rules::ocfl::restore::restore_steps;
use crate::rules::sort::Scratch;
use crate::work::logs::{self, Change};
use crate::work::proving::{self, Proof, Wanted};
use crate::worlds::disk::Place;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which objects a list wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ObjectFilter {
    /// Only of this depositor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depositor: Option<String>,
    /// Only that follow this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Only with a copy of the newest version on this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only those that lack a copy their policy asks for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacking: bool,
}

impl Desk {
    pub(super) fn objects(&self, filter: &ObjectFilter, after: Option<&str>, limit: usize) -> Told<Answer> {
        let limit = limit.clamp(1, ROWS_MAX);
        let failed = |error| of_ledger(&error, "listing objects");
        let is = |wanted: &Option<String>, got: &str| wanted.as_deref().is_none_or(|wanted| wanted == got);
        let mut objects = Vec::new();
        let mut cursor = after.map(|after| ObjectId(after.into()));
        while objects.len() <= limit {
            let page = self.ledger.objects(cursor.as_ref(), ROWS_MAX).map_err(failed)?;
            let Some(last) = page.last() else { break };
            cursor = Some(last.id.clone());
            let wanted =
                |row: &&ObjectRow| is(&filter.depositor, &row.depositor) && is(&filter.policy, &row.policy);
            for row in page.iter().filter(wanted) {
                let versions = self.ledger.versions(&row.id).map_err(failed)?;
                let view = view(row, versions.last());
                let on = |name: &String| view.copies.iter().any(|copy| copy.target == *name);
                let lacks = || {
                    crate::work::keeping::lacking(&self.settings, row, &versions)
                        .map_or(true, |names| !names.is_empty())
                };
                if filter.target.as_ref().is_none_or(on) && (!filter.lacking || lacks()) {
                    objects.push(view);
                }
                if objects.len() > limit {
                    break;
                }
            }
        }
        let more = objects.len() > limit;
        objects.truncate(limit);
        Ok(Answer::Objects { objects, more })
    }

    pub(super) fn object(&self, word: &str) -> Told<Answer> {
        match self.known_object(word) {
            Ok((object, versions)) => Ok(Answer::Object { object, versions }),
            Err(complaint) => match self.tombstone(word)? {
                Some(tombstone) => {
                    Ok(Answer::Delete(DeleteAnswer::Tombstone { tombstone: Box::new(tombstone) }))
                }
                None => Err(complaint),
            },
        }
    }

    pub(super) fn known_object(&self, word: &str) -> Told<(ObjectRow, Vec<VersionRow>)> {
        let failed = |error| of_ledger(&error, "looking for an object");
        for id in self.object_ids(word) {
            if let Some(object) = self.ledger.object(&id).map_err(failed)? {
                let versions = self.ledger.versions(&id).map_err(failed)?;
                return Ok((object, versions));
            }
        }
        if let Some(stone) = self.tombstone(word)? {
            return Err(Box::new(
                Complaint::new(Sort::NotFound, format!("{} was deleted", stone.object))
                    .because(format!(
                        "asked for by {}, approved by {}",
                        stone.requested_by, stone.approved_by
                    ))
                    .then_try(format!("strongroom object show {}", stone.object)),
            ));
        }
        Err(Box::new(
            Complaint::new(Sort::NotFound, format!("there is no object \"{}\"", word.escape_debug()))
                .then_try("strongroom object list --all"),
        ))
    }

    /// All events: of the items that brought its versions, and those that belong to none.
    pub(super) fn history(&self, word: &str) -> Told<Answer> {
        let failed = |error| of_ledger(&error, "reading an object's events");
        let (object, versions) = match self.known_object(word) {
            Ok(known) => known,
            Err(complaint) => {
                return match self.tombstone(word)? {
                    Some(tombstone) => self.history_of_deleted(&tombstone),
                    None => Err(complaint),
                };
            }
        };
        let mut events = Vec::new();
        for version in &versions {
            let of_item = self.ledger.events(ItemId(version.item)).map_err(failed)?;
            events.extend(of_item.into_iter().map(|event| ObjectEvent {
                version: version.version,
                item: Some(version.item),
                event,
            }));
        }
        for event in self.ledger.object_events(&object.id).map_err(failed)? {
            let at = versions.iter().rev().find(|version| version.kept_at <= event.at);
            let version = at.map_or(object.head, |version| version.version);
            events.push(ObjectEvent { version, item: None, event });
        }
        events.sort_by_key(|told| told.event.at);
        Ok(Answer::Keep(KeepAnswer::History { object, versions, events }))
    }

    /// The same of an object that was deleted: its items and their events stay.
    fn history_of_deleted(&self, tombstone: &Tombstone) -> Told<Answer> {
        let failed = |error| of_ledger(&error, "reading an object's events");
        let id = ObjectId(tombstone.object.clone());
        let mut items = self.ledger.named(&tombstone.depositor, &tombstone.bag).map_err(failed)?;
        items.extend(self.ledger.errands_of(&id).map_err(failed)?);
        let mut events = Vec::new();
        for item in items {
            let version = item.found.store.as_ref().map_or(tombstone.versions, |store| store.version);
            for event in self.ledger.events(item.id).map_err(failed)? {
                events.push(ObjectEvent { version, item: Some(item.id.0), event });
            }
        }
        for event in self.ledger.object_events(&id).map_err(failed)? {
            events.push(ObjectEvent { version: tombstone.versions, item: None, event });
        }
        events.sort_by_key(|told| told.event.at);
        let object = ObjectRow {
            id,
            depositor: tombstone.depositor.clone(),
            bag: tombstone.bag.clone(),
            policy: String::new(),
            head: tombstone.versions,
            created: events.first().map_or(tombstone.deleted_at, |told| told.event.at),
            events: 0,
            last_log: None,
        };
        Ok(Answer::Keep(KeepAnswer::History { object, versions: Vec::new(), events }))
    }

    pub(super) fn object_files(
        &self,
        word: &str,
        version: Option<u32>,
        after: Option<&str>,
        limit: usize,
    ) -> Told<Answer> {
        let (object, versions) = self.known_object(word)?;
        let doing = format!("the files of {} are not listed", object.id);
        let wanted = version.unwrap_or(object.head);
        let Some(row) = versions.iter().find(|row| row.version == wanted) else {
            return Err(Box::new(
                Complaint::new(Sort::NotFound, doing)
                    .because(format!("it has no version {wanted}; its newest is {}", object.head)),
            ));
        };
        let failed = |trouble: Trouble| {
            Box::new(
                Complaint::new(Sort::Io, &doing)
                    .because(trouble.sentence())
                    .then_try("strongroom doctor; strongroom object verify"),
            )
        };
        let place = self.scratch("files").map_err(failed)?;
        let scratch = StagingScratch::new(&*self.ledger.world().disk, place.clone());
        let listed = self.list_files(row, (after, limit.clamp(1, ROWS_MAX)), &scratch);
        drop(scratch);
        let _ = self.ledger.world().disk.remove(&place);
        let (files, more) = listed.map_err(failed)?;
        Ok(Answer::Keep(KeepAnswer::ObjectFiles { object: object.id.0, version: wanted, files, more }))
    }

    /// Files by logical path, with sizes as the first copy has them.
    fn list_files(
        &self,
        row: &VersionRow,
        (after, limit): (Option<&str>, usize),
        scratch: &dyn Scratch,
    ) -> Result<(Vec<ObjectFile>, bool), Trouble> {
        let io = |error: std::io::Error| Trouble::new(Kind::StagingIo, error.to_string());
        let (folder, opened) = self.inventory_of(row)?;
        let (_, steps) = restore_steps(&*opened, Some(row.version), scratch)
            .map_err(|error| Trouble::new(Kind::CopyDiffers, error.to_string()))?;
        let mut files = Vec::new();
        let mut more = false;
        for step in steps {
            let step = step.map_err(io)?;
            if after.is_some_and(|after| step.logical_path.as_str() <= after) {
                continue;
            }
            if files.len() == limit {
                more = true;
                break;
            }
            files.push(ObjectFile {
                path: step.logical_path,
                content_path: step.content_path,
                bytes: None,
                sha512: step.sha512,
            });
        }
        let mut by_content: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, file) in files.iter().enumerate() {
            by_content.entry(file.content_path.clone()).or_default().push(place);
        }
        if let Some(target) = row.copies.iter().find_map(|copy| self.ledger.world().targets.get(&copy.target))
        {
            target.files(&folder, &mut |path, bytes| {
                for place in by_content.get(path).into_iter().flatten() {
                    files[*place].bytes = Some(bytes);
                }
            })?;
        }
        Ok((files, more))
    }

    /// The version's inventory on the first copy that has the recorded one, and the object's folder.
    pub(super) fn inventory_of(
        &self,
        row: &VersionRow,
    ) -> Result<(String, Box<dyn crate::rules::read::ReadAt>), Trouble> {
        use crate::model::digest::Algorithm;
        use crate::rules::digester::digest_reader;
        use crate::rules::read::Slice;
        use crate::worlds::target::Where;
        let kind = Kind::TargetMissing;
        let mut last = Trouble::new(kind, "no copy is on a target of the configuration");
        let path = format!("v{}/inventory.json", row.version);
        let mut chunk = vec![0; 1 << 18];
        for copy in &row.copies {
            let Some(target) = self.ledger.world().targets.get(&copy.target) else { continue };
            let opened = match target.open(Where::Object(&row.object, &path)) {
                Ok(opened) => opened,
                Err(error) => {
                    last = error.into();
                    continue;
                }
            };
            let read = digest_reader(&mut Slice::whole(&*opened), &[Algorithm::Sha512], &mut chunk);
            match read {
                Ok((_, digests)) if digests.get(Algorithm::Sha512) == Some(&row.inventory_sha512) => {
                    return Ok((copy.path.clone(), opened));
                }
                Ok(_) => {
                    let kind = Kind::CopyDiffers;
                    last = Trouble::new(kind, "its inventory is not the recorded one").about(&copy.target);
                }
                Err(error) => {
                    last = Trouble::new(Kind::TargetIo, error.to_string()).about(&copy.target);
                }
            }
        }
        Err(last)
    }

    /// A folder in staging for one answer.
    pub(super) fn scratch(&self, what: &str) -> Result<Place, Trouble> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // With it, what a process leaves that ended in the middle can be told from what is in use.
        let process = std::process::id();
        let kind = Kind::VolumeMissing;
        let volume = self.settings.staging.first().cloned();
        let volume = volume.ok_or_else(|| Trouble::new(kind, "the configuration names no staging volume"))?;
        Ok(Place { volume, path: format!("{}-desk-{what}-{process}-{number}", self.settings.ledger_id) })
    }

    /// Reads every file of every copy, or of one, and records what was found.
    pub(super) fn prove(&self, word: &str, only: Option<&str>) -> Told<Answer> {
        let (object, _) = self.known_object(word)?;
        let doing = format!("{} is not proved", object.id);
        let failed = |trouble: Trouble| {
            Box::new(
                Complaint::new(Sort::Io, &doing).because(trouble.sentence()).then_try("strongroom doctor"),
            )
        };
        let claim = self.ledger.claim_object(&object.id);
        let (object, mut versions) = self.known_object(&object.id.0)?;
        let given_up = self.ledger.giving_up(&object.id);
        if let Some(item) = given_up.map_err(|error| of_ledger(&error, "looking for an object"))? {
            return Err(Box::new(
                Complaint::new(Sort::Refused, doing)
                    .because(format!("item {item} is deleting it"))
                    .then_try(format!("strongroom item show {item}")),
            ));
        }
        let mut names: Vec<String> =
            versions.iter().flat_map(|version| &version.copies).map(|copy| copy.target.clone()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| only.is_none_or(|only| only == name));
        if names.is_empty() {
            let known: Vec<&str> = versions
                .iter()
                .flat_map(|version| &version.copies)
                .map(|copy| copy.target.as_str())
                .collect();
            return Err(Box::new(
                Complaint::new(Sort::NotFound, doing)
                    .because(format!("it has no copy there; it has copies on {}", known.join(", "))),
            ));
        }
        let mut copies = Vec::new();
        let mut row = object;
        for name in names {
            let proved = self.prove_copy(&row, &versions, &name);
            let at = self.ledger.world().clock.now();
            let (proof, wrong) = match proved {
                Ok(proof) => (Some(proof), None),
                Err(trouble) => (None, Some(trouble.sentence())),
            };
            if let Some(proof) = &proof {
                if proof.is_sound() {
                    let of_target = versions.iter_mut().flat_map(|version| &mut version.copies);
                    of_target.filter(|copy| copy.target == name).for_each(|copy| copy.proved_at = at);
                }
                let told = told(&row, &name, proof, at);
                let damage = vec![match proof.is_sound() {
                    true => DamageMark::Over(name.clone()),
                    false => DamageMark::Found(DamagedCopy::new(&row.id, &name, at, 0, proof)),
                }];
                let change = Change { object: row, versions: versions.clone(), told, damage };
                row = logs::change(self.ledger.world(), &self.ledger, change).map_err(failed)?;
            }
            copies.push(ProvedCopy { target: name, proof, wrong, at });
        }
        drop(claim);
        Ok(Answer::Keep(KeepAnswer::Proved { object: row.id.0, copies }))
    }

    fn prove_copy(&self, object: &ObjectRow, versions: &[VersionRow], name: &str) -> Result<Proof, Trouble> {
        let world = self.ledger.world();
        let missing = || Trouble::new(Kind::TargetMissing, "it is not in the configuration").about(name);
        let target = world.targets.get(name).ok_or_else(missing)?;
        let inventories =
            versions.iter().map(|version| (version.version, version.inventory_sha512.clone())).collect();
        let place = self.scratch("proof")?;
        let scratch = StagingScratch::new(&*world.disk, place.clone());
        let over = |_| match self.pipeline.upgrade().is_some_and(|pipeline| pipeline.is_draining()) {
            true => Err(Stop::Drained),
            false => Ok(()),
        };
        let wanted = Wanted { object: &object.id, inventories: &inventories };
        let proved = proving::prove(&**target, &wanted, &scratch, &over);
        drop(scratch);
        let _ = world.disk.remove(&place);
        proved.map_err(|stop| match stop {
            Stop::Trouble(trouble) => trouble,
            other => Trouble::new(Kind::TargetIo, format!("it was not finished: {other:?}")),
        })
    }
}

fn told(object: &ObjectRow, target: &str, proof: &Proof, at: jiff::Timestamp) -> EventDraft {
    let mut detail = format!(
        "every file of {} read on {target}: {} matched ({} bytes), {} mismatched, {} missing, {} unreadable, {} extra",
        object.id, proof.matched, proof.bytes, proof.mismatched, proof.missing, proof.unreadable, proof.extra
    );
    for fault in proof.faults.iter().take(3) {
        detail.push_str(&format!(
            "; {} {}",
            fault.outcome.name(),
            fault.path.chars().take(200).collect::<String>()
        ));
    }
    EventDraft {
        event_type: EventType::FixityCheck,
        outcome: if proof.is_sound() { Outcome::Success } else { Outcome::Failure },
        detail,
        target: Some(target.to_string()),
        at: Some(at),
    }
}

fn view(row: &ObjectRow, head: Option<&VersionRow>) -> ObjectView {
    let copies = head.map(|head| &head.copies[..]).unwrap_or_default();
    ObjectView {
        id: row.id.0.clone(),
        depositor: row.depositor.clone(),
        bag: row.bag.clone(),
        policy: row.policy.clone(),
        version: row.head,
        files: head.map_or(0, |head| head.files),
        bytes: head.map_or(0, |head| head.bytes),
        copies: copies.iter().map(CopyView::from).collect(),
        kept_at: head.map(|head| head.kept_at),
    }
}
