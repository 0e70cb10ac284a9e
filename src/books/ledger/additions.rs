//! Rows made again from what lies on targets, added to the ledger.
//!
//! - Rows are only added, or brought up to what lies beside an object: an item that the ledger has at work, and of which a
//!   receipt says that it was kept, is kept; an object whose events go on where the ledger ends has the copies that they
//!   tell. No other row is changed.
//! - Adding the same again changes nothing, so a run that was cut off is simply run again.
//! - Item numbers stay what they were. A number that another item has already (of another ledger) is given anew.
//! - `m/rebuild` says that a run is under way; the last commit takes it away. `d/OBJECT` is the tombstone of an object that
//!   was deleted.

use super::rows::{
    decode, deletion_key, event_key, item_key, name_key, object_event_key, object_key, put, standing_key,
    version_key,
};
use super::seen::seen_row;
use super::{Ledger, LedgerError};
use crate::model::event::Event;
use crate::model::item::{Item, ItemId};
use crate::model::object::{ObjectId, ObjectRow, VersionRow};
use crate::rules::ocfl::metadata::Tombstone;
use crate::rules::registry::{ItemMade, Made};
use crate::worlds::book::Write;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Rows in one commit, about.
const ROWS_MAX: usize = 2_000;

/// Their bytes, about; a commit takes eight times as much.
const BYTES_MAX: usize = 1 << 20;

/// The row that says that a run is under way.
const UNDER_WAY: &str = "m/rebuild";

/// What an object added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Objects that the ledger did not know.
    pub objects: u64,
    /// Versions that it did not know.
    pub versions: u64,
    /// Items that it did not know, or did not know to be kept.
    pub items: u64,
    /// Their events.
    pub events: u64,
    /// Objects that were deleted.
    pub deletions: u64,
}

impl Added {
    /// Both together.
    pub fn plus(self, other: Added) -> Added {
        Added {
            objects: self.objects + other.objects,
            versions: self.versions + other.versions,
            items: self.items + other.items,
            events: self.events + other.events,
            deletions: self.deletions + other.deletions,
        }
    }
}

/// Adds objects to a ledger, many in one commit.
pub struct Additions<'a> {
    /// None: there is no ledger yet, and none is made.
    ledger: Option<&'a Ledger>,
    dry_run: bool,
    /// What the next commit writes, by key: what comes later in it sees what came before.
    rows: BTreeMap<String, Write>,
    rows_max: usize,
    bytes: usize,
    next: u64,
}

impl<'a> Additions<'a> {
    /// Adds to this ledger; with `dry_run` nothing is written, and there need be no ledger.
    pub fn new(ledger: Option<&'a Ledger>, dry_run: bool) -> Result<Additions<'a>, LedgerError> {
        let mut additions =
            Additions { ledger, dry_run, rows: BTreeMap::new(), rows_max: ROWS_MAX, bytes: 0, next: 1 };
        if let Some(next) = additions.read::<u64>("m/next")? {
            additions.next = next;
        }
        Ok(additions)
    }

    /// Commits already after so many rows.
    pub fn in_commits_of(self, rows: usize) -> Additions<'a> {
        Additions { rows_max: rows, ..self }
    }

    /// True when the ledger has objects that no unfinished run brought there.
    pub fn is_of_use_already(&self) -> Result<bool, LedgerError> {
        let Some(ledger) = self.ledger else { return Ok(false) };
        let known = !ledger.objects(None, 1)?.is_empty();
        Ok(known && self.read::<serde_json::Value>(UNDER_WAY)?.is_none())
    }

    /// Notes that a run is under way.
    pub fn begin(&mut self, from: &[String]) -> Result<(), LedgerError> {
        self.put(UNDER_WAY, &serde_json::json!({ "from": from }))?;
        self.commit()
    }

    /// Numbers up to this one are in use somewhere: new items get later ones.
    pub fn number_in_use(&mut self, number: u64) {
        self.next = self.next.max(number.saturating_add(1));
    }

    /// Adds an object's rows; what the ledger says otherwise is told in `differs`.
    pub fn add(&mut self, made: Made, differs: &mut Vec<String>) -> Result<Added, LedgerError> {
        let mut added = Added::default();
        let mut numbers = BTreeMap::new();
        for item in made.items {
            let number = (item.ledger.clone(), item.item.id);
            let (id, events) = self.add_item(item)?;
            numbers.insert(number.1, id);
            if let Some(events) = events {
                added.items += 1;
                added.events += events;
            }
            self.commit_if_large()?;
        }
        if let Some(tombstone) = &made.deletion {
            let object = ObjectId(tombstone.object.clone());
            let key = deletion_key(&object);
            self.number_in_use(tombstone.item);
            if self.read::<Tombstone>(&key)?.is_none() {
                self.put(&key, tombstone)?;
                self.put_events(&object, &made.events)?;
                added.deletions += 1;
                added.events += made.events.len() as u64;
                // A ledger from before the deletion knows the object still. What was given up does not come back.
                for key in self.ledger.map_or(Ok(Vec::new()), |ledger| ledger.rows_of_object(&object))? {
                    self.rows.insert(key.clone(), Write::Delete(key));
                }
            }
        }
        if let Some(object) = &made.object {
            let known = self.read::<ObjectRow>(&object_key(&object.id))?;
            let behind = known.as_ref().is_none_or(|known| is_behind(known, object, &made.chain));
            let before = self.versions_of(&object.id)?;
            self.add_versions(made.versions, &numbers, behind, &mut added, differs)?;
            let after = self.versions_of(&object.id)?;
            self.index(&before, &after)?;
            if behind && differs.is_empty() {
                self.put_events(&object.id, &made.events)?;
                let events = known.as_ref().map_or(0, |known| known.events);
                added.events += object.events.saturating_sub(events);
                added.objects += u64::from(known.is_none());
                let created = known.map_or(object.created, |known| known.created.min(object.created));
                self.put(&object_key(&object.id), &ObjectRow { created, ..object.clone() })?;
            }
        }
        self.commit_if_large()?;
        Ok(added)
    }

    /// Versions that the ledger does not know; and, when it is behind, the copies of those that it knows.
    fn add_versions(
        &mut self,
        versions: Vec<VersionRow>,
        numbers: &BTreeMap<ItemId, ItemId>,
        behind: bool,
        added: &mut Added,
        differs: &mut Vec<String>,
    ) -> Result<(), LedgerError> {
        for mut version in versions {
            if let Some(id) = numbers.get(&ItemId(version.item)) {
                version.item = id.0;
            }
            let key = version_key(&version.object, version.version);
            match self.read::<VersionRow>(&key)? {
                None => {
                    self.put(&key, &version)?;
                    added.versions += 1;
                }
                Some(known) if known.inventory_sha512 != version.inventory_sha512 => differs.push(format!(
                    "version {}: the ledger has inventory {:.12}…, the targets have {:.12}…",
                    version.version, known.inventory_sha512, version.inventory_sha512
                )),
                Some(known) if behind && known.copies != version.copies => {
                    self.put(&key, &VersionRow { copies: version.copies, ..known })?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Versions of an object, those of the next commit among them.
    fn versions_of(&self, object: &ObjectId) -> Result<Vec<VersionRow>, LedgerError> {
        let known = self.ledger.map_or_else(|| Ok(Vec::new()), |ledger| ledger.versions(object))?;
        let mut versions: BTreeMap<u32, VersionRow> =
            known.into_iter().map(|version| (version.version, version)).collect();
        let prefix = format!("v/{object}/");
        for (key, write) in self.rows.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix))
        {
            if let Write::Put(_, value) = write
                && let Some(version) = value_of::<VersionRow>(key, value)?
            {
                versions.insert(version.version, version);
            }
        }
        Ok(versions.into_values().collect())
    }

    fn put_events(&mut self, object: &ObjectId, events: &[Event]) -> Result<(), LedgerError> {
        events
            .iter()
            .zip(1..)
            .try_for_each(|(event, number)| self.put(&object_event_key(object, number), event))
    }

    /// A report says that this copy was proved then: versions that were kept before it have that time, unless theirs is later.
    pub fn proved(&mut self, target: &str, object: &ObjectId, at: Timestamp) -> Result<(), LedgerError> {
        let before = self.versions_of(object)?;
        let mut after = before.clone();
        for version in after.iter_mut().filter(|version| version.kept_at <= at) {
            let copies = version.copies.iter_mut().filter(|copy| copy.target == target);
            copies.for_each(|copy| copy.proved_at = copy.proved_at.max(at));
        }
        for version in after.iter().filter(|version| !before.contains(version)) {
            self.put(&version_key(object, version.version), version)?;
        }
        self.index(&before, &after)?;
        self.commit_if_large()
    }

    /// What of the index of proofs changes with an object's versions.
    fn index(&mut self, before: &[VersionRow], after: &[VersionRow]) -> Result<(), LedgerError> {
        for write in super::due::moved(before, after)? {
            let (Write::Put(key, _) | Write::Delete(key)) = &write;
            self.rows.insert(key.clone(), write);
        }
        Ok(())
    }

    /// Commits what is left, and that the run is over.
    pub fn end(&mut self) -> Result<(), LedgerError> {
        let next = self.next;
        self.put("m/next", &next)?;
        self.rows.insert(UNDER_WAY.into(), Write::Delete(UNDER_WAY.into()));
        self.commit()
    }

    /// The item's number, and how many events came with it if it was not known as kept.
    fn add_item(&mut self, made: ItemMade) -> Result<(ItemId, Option<u64>), LedgerError> {
        let ItemMade { mut item, events, .. } = made;
        self.number_in_use(item.id.0);
        if let Some(known) = self.read::<Item>(&item_key(item.id))? {
            if !same_deposit(&known, &item) {
                match self.renumbered(&item)? {
                    Some(id) => return Ok((id, None)),
                    None => item.id = ItemId(self.next),
                }
            } else if known.checkpoint.standing.name() == "kept" {
                return Ok((item.id, None));
            } else {
                let old = standing_key(&known);
                self.rows.insert(old.clone(), Write::Delete(old));
                // Its journal is there, and goes on where it was.
                item.attempts = known.attempts;
                item.checkpoint.fence = known.checkpoint.fence;
            }
        }
        self.number_in_use(item.id.0);
        self.put(&item_key(item.id), &item)?;
        self.put(&standing_key(&item), &item.id)?;
        self.put(&name_key(&item), &item.id)?;
        for (at, event) in events.iter().enumerate() {
            self.put(&event_key(item.id, at as u64 + 1), event)?;
        }
        if let Some((key, seen)) = seen_row(&item) {
            // Of several deposits of one key the newest is remembered.
            let newer = self.read::<super::Seen>(&key)?.is_some_and(|known| known.item > seen.item);
            if !newer {
                self.put(&key, &seen)?;
            }
        }
        Ok((item.id, Some(events.len() as u64)))
    }

    /// The number under which an earlier run took in an item whose own number another item has.
    fn renumbered(&self, item: &Item) -> Result<Option<ItemId>, LedgerError> {
        let prefix = format!("n/{}/{}/", item.depositor, item.bag);
        let mut ids: Vec<ItemId> = Vec::new();
        for (key, write) in self.rows.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix))
        {
            if let Write::Put(_, value) = write {
                ids.extend(value_of::<ItemId>(key, value)?);
            }
        }
        if let Some(ledger) = self.ledger {
            let named = ledger.named(&item.depositor, &item.bag)?;
            ids.extend(named.iter().map(|item| item.id));
        }
        for id in ids {
            if self.read::<Item>(&item_key(id))?.is_some_and(|known| same_deposit(&known, item)) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn put<T: Serialize>(&mut self, key: &str, value: &T) -> Result<(), LedgerError> {
        let write = put(key, value)?;
        if let Write::Put(_, value) = &write {
            self.bytes += key.len() + value.len();
        }
        self.rows.insert(key.to_string(), write);
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, LedgerError> {
        match (self.rows.get(key), self.ledger) {
            (Some(Write::Put(_, value)), _) => value_of(key, value),
            (Some(Write::Delete(_)), _) | (None, None) => Ok(None),
            (None, Some(ledger)) => match ledger.world().book.get(key)? {
                Some(row) => Ok(Some(decode(key, &row)?)),
                None => Ok(None),
            },
        }
    }

    /// Items go before versions, and versions before their object: cut off in between, the object is not known yet, and
    /// the next run adds it.
    fn commit_if_large(&mut self) -> Result<(), LedgerError> {
        match self.rows.len() >= self.rows_max || self.bytes >= BYTES_MAX {
            true => self.commit(),
            false => Ok(()),
        }
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        self.bytes = 0;
        let rows: Vec<Write> = std::mem::take(&mut self.rows).into_values().collect();
        match self.ledger {
            // One process has the ledger: nobody else changes a row between the reading and this.
            Some(ledger) if !self.dry_run => drop(ledger.world().book.commit(&rows, &[])?),
            _ => {}
        }
        Ok(())
    }
}

fn value_of<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<Option<T>, LedgerError> {
    serde_json::from_slice(value)
        .map(Some)
        .map_err(|error| LedgerError::Row { key: key.into(), why: error.to_string() })
}

/// True when what lies on the targets goes on where the ledger ends: its newest file of events is not their newest one.
fn is_behind(known: &ObjectRow, found: &ObjectRow, chain: &[String]) -> bool {
    let newest = known.last_log.as_ref().map(|log| &log.name);
    known.head < found.head
        || (known.last_log != found.last_log && newest.is_none_or(|name| chain.contains(name)))
}

/// True when both are the same deposit, whoever numbered it.
fn same_deposit(a: &Item, b: &Item) -> bool {
    a.depositor == b.depositor && a.bag == b.bag && a.received_at == b.received_at
}
