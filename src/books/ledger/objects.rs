//! The registry after ingest: copies that are made, proved or given up later, and what happened to objects.
//!
//! - One change of an object at a time: who changes its rows holds its claim, and an item waits for it before it stores.
//! - Rows and the events that tell why they changed are one commit, guarded by the object's row.
//!
//! | key | row |
//! |---|---|
//! | `x/OBJECT/NUMBER` | events of an object that belong to no item |
//! | `t/TARGET` | what a person said of a target |
//! | `l/OBJECT/NAME` | a file of events that is still to be written beside copies of the object |

use super::rows::{decode, object_event_key, object_key, put, version_key};
use super::{Ledger, LedgerError};
use crate::model::event::{AGENT, Event};
use crate::model::item::Asker;
use crate::model::object::{ObjectId, ObjectRow, VersionRow};
use crate::rules::digester::sha256_hex;
use crate::worlds::book::{Guard, Write};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex};

use super::{DamageMark, EventDraft};

/// Objects that somebody is changing.
#[derive(Default)]
pub(super) struct Claims {
    busy: Mutex<BTreeSet<ObjectId>>,
    freed: Condvar,
}

/// An object that nobody else changes until this is dropped.
pub struct ObjectClaim<'a> {
    claims: &'a Claims,
    object: ObjectId,
}

impl Drop for ObjectClaim<'_> {
    fn drop(&mut self) {
        self.claims.busy.lock().unwrap_or_else(|broken| broken.into_inner()).remove(&self.object);
        self.claims.freed.notify_all();
    }
}

/// What a target is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetUse {
    /// It gets the copies that policies ask for.
    #[default]
    Active,
    /// It gets nothing new; what it holds still counts.
    Draining,
    /// Its copies do not count any more.
    Retired,
}

impl TargetUse {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            TargetUse::Active => "active",
            TargetUse::Draining => "draining",
            TargetUse::Retired => "retired",
        }
    }
}

/// What a person said of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRow {
    /// What it is for.
    pub state: TargetUse,
    /// Who said so.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Since when (UTC).
    pub at: Timestamp,
}

/// A change of an object.
#[derive(Clone, Debug)]
pub struct ObjectChange {
    /// The object's row as it will be; its number of events is set here.
    pub object: ObjectRow,
    /// Versions whose rows change.
    pub versions: Vec<VersionRow>,
    /// What happened.
    pub events: Vec<Event>,
    /// The file of these events, to be written beside the copies.
    pub log: Option<PendingLog>,
    /// Marks of damaged copies that change with it.
    pub damage: Vec<DamageMark>,
}

/// A file of events on its way to the copies of its object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLog {
    /// The object.
    pub object: ObjectId,
    /// The file's name in `logs/premis/`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Targets that have not got it yet.
    pub left: Vec<String>,
}

fn log_key(log: &PendingLog) -> String {
    format!("l/{}/{}", log.object, log.name)
}

impl Ledger {
    /// Waits until nobody changes this object, and keeps others from it.
    pub fn claim_object(&self, object: &ObjectId) -> ObjectClaim<'_> {
        let mut busy = self.claims.busy.lock().unwrap_or_else(|broken| broken.into_inner());
        while !busy.insert(object.clone()) {
            busy = self.claims.freed.wait(busy).unwrap_or_else(|broken| broken.into_inner());
        }
        ObjectClaim { claims: &self.claims, object: object.clone() }
    }

    /// Keeps others from this object, unless somebody changes it now.
    pub fn try_claim_object(&self, object: &ObjectId) -> Option<ObjectClaim<'_>> {
        let mut busy = self.claims.busy.lock().unwrap_or_else(|broken| broken.into_inner());
        busy.insert(object.clone()).then(|| ObjectClaim { claims: &self.claims, object: object.clone() })
    }

    /// Commits a change of an object whose claim the caller holds.
    pub fn change_object(&self, change: ObjectChange) -> Result<ObjectRow, LedgerError> {
        let key = object_key(&change.object.id);
        let known = self.read::<ObjectRow>(&key)?;
        let mut object = change.object;
        object.events = known.as_ref().map_or(0, |(_, known)| known.events);
        let mut batch = self.due_with(&object.id, &change.versions)?;
        for version in &change.versions {
            batch.push(put(&version_key(&version.object, version.version), version)?);
        }
        for event in &change.events {
            object.events += 1;
            batch.push(put(&object_event_key(&object.id, object.events), event)?);
        }
        if let Some(log) = &change.log {
            batch.push(put(&log_key(log), log)?);
        }
        for mark in &change.damage {
            batch.push(mark.write(&object.id)?);
        }
        batch.push(put(&key, &object)?);
        let guard = Guard { key, revision: known.map(|(revision, _)| revision) };
        self.world.book.commit(&batch, &[guard])?;
        Ok(object)
    }

    /// Events of an object that belong to no item, oldest first.
    pub fn object_events(&self, object: &ObjectId) -> Result<Vec<Event>, LedgerError> {
        self.all(&format!("x/{object}/"))?.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// An event of an object, by an agent that is strongroom or a person. The same event at the same time has the same id.
    pub fn object_event(&self, object: &ObjectId, version: u32, draft: &EventDraft) -> Event {
        let at = draft.at.unwrap_or_else(|| self.world.clock.now());
        let told = format!(
            "{object}\n{version}\n{:?}\n{:?}\n{}\n{at}",
            draft.event_type,
            draft.outcome,
            draft.target.as_deref().unwrap_or_default()
        );
        Event {
            id: sha256_hex(told.as_bytes())[..32].to_string(),
            event_type: draft.event_type,
            at,
            outcome: draft.outcome,
            detail: draft.detail.clone(),
            target: draft.target.clone(),
            agent: AGENT.into(),
            person: None,
        }
    }

    /// Files of events that some target has not got yet, of one object or of all.
    pub fn pending_logs(
        &self,
        object: Option<&ObjectId>,
        limit: usize,
    ) -> Result<Vec<PendingLog>, LedgerError> {
        self.pending_logs_behind(object, None, limit)
    }

    /// The same, behind this one.
    pub fn pending_logs_behind(
        &self,
        object: Option<&ObjectId>,
        after: Option<&PendingLog>,
        limit: usize,
    ) -> Result<Vec<PendingLog>, LedgerError> {
        let prefix = object.map_or_else(|| "l/".to_string(), |object| format!("l/{object}/"));
        let rows = self.world.book.scan(&prefix, after.map(log_key).as_deref(), limit)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// Says which targets a file of events is still to be written to; none: it is done.
    pub fn log_spread(&self, log: &PendingLog, left: Vec<String>) -> Result<(), LedgerError> {
        let key = log_key(log);
        let write = match left.is_empty() {
            true => Write::Delete(key),
            false => put(&key, &PendingLog { left, ..log.clone() })?,
        };
        self.world.book.commit(&[write], &[])?;
        Ok(())
    }

    /// What was said of targets, by name; one that nothing was said of is active.
    pub fn target_rows(&self) -> Result<BTreeMap<String, TargetRow>, LedgerError> {
        let rows = self.all("t/")?;
        rows.iter().map(|(key, row)| Ok((key[2..].to_string(), decode(key, row)?))).collect()
    }

    /// Says of a target what it is for from now on.
    pub fn set_target(
        &self,
        name: &str,
        state: TargetUse,
        asker: &Asker,
        reason: &str,
    ) -> Result<TargetRow, LedgerError> {
        let row = TargetRow {
            state,
            by: asker.name.clone(),
            reason: reason.to_string(),
            at: self.world.clock.now(),
        };
        let key = format!("t/{name}");
        let revision = self.read::<TargetRow>(&key)?.map(|(revision, _)| revision);
        let write: Write = put(&key, &row)?;
        self.world.book.commit(&[write], &[Guard { key, revision }])?;
        Ok(row)
    }
}
