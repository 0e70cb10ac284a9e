//! Reading the ledger: items by filter, standing and name; journals, events, and the registry.

use super::rows::{decode, deletion_key, object_key};
use super::{Ledger, LedgerError, PAGE};
use crate::model::checkpoint::Stage;
use crate::model::event::Event;
use crate::model::item::{Attempt, Item, ItemId};
use crate::model::object::{ObjectId, ObjectRow, VersionRow};
use crate::rules::ocfl::metadata::Tombstone;
use crate::worlds::World;
use crate::worlds::book::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which items a scan wants.
#[derive(Clone, Debug, Default)]
pub struct ItemFilter {
    /// Only of this depositor.
    pub depositor: Option<String>,
    /// Only of this bag name.
    pub bag: Option<String>,
    /// Only at this stage.
    pub stage: Option<Stage>,
    /// Only in these standings (names); empty: all.
    pub standings: Vec<String>,
    /// Only in this kind of trouble.
    pub kind: Option<crate::model::trouble::Kind>,
    /// Only received at or after this time.
    pub since: Option<jiff::Timestamp>,
}

impl Ledger {
    /// One item.
    pub fn item(&self, id: ItemId) -> Result<Option<Item>, LedgerError> {
        Ok(self.read_item(id)?.map(|(_, item)| item))
    }

    /// Numbers of up to `limit` items in this standing at this stage, lowest first.
    pub fn standing(&self, standing: &str, stage: Stage, limit: usize) -> Result<Vec<ItemId>, LedgerError> {
        self.standing_after(standing, stage, None, limit)
    }

    /// As `standing`, only those behind this item.
    pub fn standing_after(
        &self,
        standing: &str,
        stage: Stage,
        after: Option<ItemId>,
        limit: usize,
    ) -> Result<Vec<ItemId>, LedgerError> {
        let prefix = format!("s/{standing}/{}/", stage as u8);
        let after = after.map(|after| format!("{prefix}{:012}", after.0));
        let rows = self.world.book.scan(&prefix, after.as_deref(), limit)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// Objects that unfinished items at these stages are on their way to.
    pub fn objects_at_work(&self, stages: &[Stage]) -> Result<BTreeSet<ObjectId>, LedgerError> {
        let mut objects = BTreeSet::new();
        for standing in ["ready", "working", "waiting", "held"] {
            for stage in stages {
                for id in self.standing(standing, *stage, usize::MAX)? {
                    let item = self.item(id)?;
                    objects.extend(item.map(|item| ObjectId::of(&item.depositor, &item.bag)));
                }
            }
        }
        Ok(objects)
    }

    /// Items of this depositor with this bag name, oldest first.
    pub fn named(&self, depositor: &str, bag: &str) -> Result<Vec<Item>, LedgerError> {
        let prefix = format!("n/{depositor}/{bag}/");
        let mut items = Vec::new();
        for (key, row) in self.all(&prefix)? {
            items.extend(self.item(decode(&key, &row)?)?);
        }
        Ok(items)
    }

    /// The journal of an item: attempts and requests, oldest first.
    pub fn attempts(&self, id: ItemId) -> Result<Vec<Attempt>, LedgerError> {
        self.all(&format!("a/{:012}/", id.0))?.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// The events of an item, oldest first.
    pub fn events(&self, id: ItemId) -> Result<Vec<Event>, LedgerError> {
        self.all(&format!("e/{:012}/", id.0))?.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// Events of items (`e/`) or of objects that belong to no item (`x/`), a page of them behind this key; gives the last key.
    pub fn events_page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        each: &mut dyn FnMut(&Event),
    ) -> Result<Option<String>, LedgerError> {
        let page = self.world.book.scan(prefix, after, limit)?;
        for (key, row) in &page {
            each(&decode(key, row)?);
        }
        Ok(page.into_iter().next_back().map(|(key, _)| key))
    }

    /// An object of the registry.
    pub fn object(&self, id: &ObjectId) -> Result<Option<ObjectRow>, LedgerError> {
        Ok(self.read(&object_key(id))?.map(|(_, row)| row))
    }

    /// Objects of the registry in the order of their ids, after `after`.
    pub fn objects(&self, after: Option<&ObjectId>, limit: usize) -> Result<Vec<ObjectRow>, LedgerError> {
        let rows = self.world.book.scan("o/", after.map(object_key).as_deref(), limit)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// Versions of an object, oldest first.
    pub fn versions(&self, id: &ObjectId) -> Result<Vec<VersionRow>, LedgerError> {
        self.all(&format!("v/{id}/"))?.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// The tombstone of an object that was deleted.
    pub fn deletion(&self, id: &ObjectId) -> Result<Option<Tombstone>, LedgerError> {
        Ok(self.read(&deletion_key(id))?.map(|(_, row)| row))
    }

    /// How many items stand how at which stage: `(standing, stage) -> count`.
    pub fn counts(&self) -> Result<BTreeMap<(String, Stage), u64>, LedgerError> {
        let mut counts = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.world.book.scan("s/", cursor.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(counts) };
            cursor = Some(last.clone());
            for (key, _) in &page {
                let mut parts = key.split('/').skip(1);
                let standing = parts.next().unwrap_or_default().to_string();
                let stage = parts.next().and_then(|n| n.parse::<usize>().ok());
                if let Some(stage) = stage.and_then(|n| Stage::ALL.get(n)) {
                    *counts.entry((standing, *stage)).or_insert(0) += 1;
                }
            }
        }
    }

    /// Every row as `(key, revision, JSON)`, in key order: for export.
    pub fn export(&self, each: &mut dyn FnMut(&str, &Row)) -> Result<(), LedgerError> {
        let mut cursor: Option<String> = None;
        loop {
            let page = self.world.book.scan("", cursor.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            cursor = Some(last.clone());
            page.iter().for_each(|(key, row)| each(key, row));
        }
    }

    /// The world it lives in.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    pub(super) fn all(&self, prefix: &str) -> Result<Vec<(String, Row)>, LedgerError> {
        let mut rows: Vec<(String, Row)> = Vec::new();
        loop {
            let after = rows.last().map(|(key, _)| key.clone());
            let page = self.world.book.scan(prefix, after.as_deref(), PAGE)?;
            if page.is_empty() {
                return Ok(rows);
            }
            rows.extend(page);
        }
    }
}

impl ItemFilter {
    /// True when the item is wanted.
    pub fn passes(&self, item: &Item) -> bool {
        let is = |wanted: &Option<String>, got: &str| wanted.as_deref().is_none_or(|wanted| wanted == got);
        is(&self.depositor, &item.depositor)
            && is(&self.bag, &item.bag)
            && self.stage.is_none_or(|stage| stage == item.checkpoint.stage)
            && (self.standings.is_empty()
                || self.standings.iter().any(|name| name == item.checkpoint.standing.name()))
            && self.kind.is_none_or(|kind| item.checkpoint.standing.trouble().is_some_and(|t| t.kind == kind))
            && self.since.is_none_or(|since| item.received_at >= since)
    }
}
