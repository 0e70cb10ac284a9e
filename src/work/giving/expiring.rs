//! What was given back is removed when its time is over.
//!
//! - Only what we put there goes, and only if all of it still is what was put there: somebody may be at work on it.
//! - That it goes is in the ledger before the first file does, so that a stop in between is taken up, not taken for a
//!   change.
//! - It works in steps; a step ends at its time and says where the next one begins.

use crate::books::facts::FactsReader;
use crate::books::ledger::{GivenRow, GivenState, Ledger};
use crate::model::item::{Item, ItemId};
use crate::model::trouble::Trouble;
use crate::work::giving::parcel::{GivenFile, list_place, order_of, parcel_of};
use crate::work::job::Settings;
use crate::work::logs;
use crate::worlds::World;
use crate::worlds::disk::Place;
use crate::worlds::outlet::{Outlet, Parcel, Stand};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;

/// Where a step goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Behind this item; or within it, when `at` is not 0.
    pub item: u64,
    /// Byte of its list.
    #[serde(default)]
    pub at: u64,
    /// Files of it that were found as they were left, in the steps before.
    #[serde(default)]
    pub seen: u64,
    /// True when files are being removed, false while they are looked at: the list is gone through for each.
    #[serde(default)]
    pub removing: bool,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// The item that brought it.
    pub item: u64,
    /// Where it lay.
    pub place: String,
    /// `expired`, `left`, or `failed`.
    pub what: String,
    /// Why, where that is not plain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Who removes.
pub struct Expiring<'a> {
    /// The worlds.
    pub world: &'a World,
    /// The ledger.
    pub ledger: &'a Ledger,
    /// What the configuration says.
    pub settings: &'a Settings,
    /// No new file is looked at after this.
    pub until: Instant,
    /// Only say what would go.
    pub dry_run: bool,
}

/// How far one list came.
enum Went {
    Through(u64),
    So { at: u64, seen: u64 },
    Stopped(String),
}

impl Expiring<'_> {
    /// One step from this cursor on. Gives what became of things, and where to go on.
    pub fn step(&self, from: Option<Cursor>) -> Result<(Vec<Expired>, Option<Cursor>), Trouble> {
        let failed = |error| logs::failed(&error);
        let now = self.world.clock.now();
        let from = from.unwrap_or_default();
        let mut told = Vec::new();
        for id in self.ledger.restorations(Some("done")).map_err(failed)? {
            if id.0 < from.item || id.0 == from.item && from.at == 0 {
                continue;
            }
            let Some(item) = self.ledger.item(id).map_err(failed)? else { continue };
            if !is_due(&item, now) {
                continue;
            }
            let row = self.ledger.given(id).map_err(failed)?;
            if row.as_ref().is_some_and(|row| row.state != GivenState::Removing) {
                continue;
            }
            // Somebody else may have begun to remove since: that begins at the first file, wherever the looking was.
            let same = id.0 == from.item && from.removing == row.is_some();
            let (at, seen) = if same { (from.at, from.seen) } else { (0, 0) };
            match self.one(&item, row.is_some(), (at, seen)) {
                Ok((expired, None)) => told.push(expired),
                Ok((_, Some(cursor))) => return Ok((told, Some(cursor))),
                Err(trouble) => told.push(self.told(&item, "failed", &trouble.sentence())),
            }
            if Instant::now() >= self.until {
                return Ok((told, Some(Cursor { item: id.0, ..Cursor::default() })));
            }
        }
        Ok((told, None))
    }

    fn told(&self, item: &Item, what: &str, why: &str) -> Expired {
        let place = order_of(item).map_or_else(|_| String::new(), |order| order.to.clone());
        let name = item.found.deliver.as_ref().map_or("", |delivered| delivered.name.as_str());
        Expired { item: item.id.0, place: format!("{place}/{name}"), what: what.into(), why: why.into() }
    }

    fn note(&self, item: ItemId, state: GivenState, why: &str) -> Result<(), Trouble> {
        let row = GivenRow { state, at: self.world.clock.now(), why: why.into() };
        self.ledger.note_given(item, &row).map_err(|error| logs::failed(&error))
    }

    fn one(
        &self,
        item: &Item,
        removing: bool,
        (at, seen): (u64, u64),
    ) -> Result<(Expired, Option<Cursor>), Trouble> {
        let order = order_of(item)?;
        let parcel = parcel_of(&self.settings.ledger_id, item, order);
        let outlet = self.world.outlets.open(&order.to)?;
        let expired = |why: &str| self.told(item, "expired", why);
        let go_on = |at, seen, removing| Some(Cursor { item: item.id.0, at, seen, removing });
        if removing && self.dry_run {
            return Ok((expired("it is being removed"), None));
        }
        let (mut at, mut seen) = (at, seen);
        if !removing {
            if !outlet.lies(&parcel)? {
                let why = "somebody had taken it away";
                return self.over(item, GivenState::Expired, why).map(|()| (expired(why), None));
            }
            let went = match self.look(item, (&outlet, &parcel), (at, seen))? {
                Went::So { at, seen } => return Ok((expired(""), go_on(at, seen, false))),
                Went::Stopped(why) => Err(why),
                Went::Through(count) => self.nothing_else(&outlet, &parcel, count)?,
            };
            if let Err(why) = went {
                return self
                    .over(item, GivenState::Left, &why)
                    .map(|()| (self.told(item, "left", &why), None));
            }
            if self.dry_run {
                return Ok((expired("it would be removed"), None));
            }
            self.note(item.id, GivenState::Removing, "")?;
            (at, seen) = (0, 0);
        }
        if let Went::So { at, seen } = self.remove(item, (&outlet, &parcel), (at, seen))? {
            return Ok((expired(""), go_on(at, seen, true)));
        }
        outlet.remove_empty(&parcel)?;
        self.over(item, GivenState::Expired, "its time was over")?;
        Ok((expired(""), None))
    }

    /// Notes the end; the list of it is of no use any more.
    fn over(&self, item: &Item, state: GivenState, why: &str) -> Result<(), Trouble> {
        if self.dry_run {
            return Ok(());
        }
        self.note(item.id, state, why)?;
        Ok(self.world.disk.remove(&list_place(&self.settings.records, item))?)
    }

    fn list(&self, item: &Item, at: u64) -> Result<FactsReader<GivenFile>, Trouble> {
        let seal = item.found.deliver.as_ref().and_then(|delivered| delivered.list.as_ref());
        let kind = crate::model::trouble::Kind::FactsDamaged;
        let seal = seal.ok_or_else(|| Trouble::new(kind, "it has no list of what was brought"))?;
        let folder = Place { volume: self.settings.records.clone(), path: "given".into() };
        FactsReader::open_at(&*self.world.disk, &folder, seal, at)
    }

    /// Every file is as it was left.
    fn look(
        &self,
        item: &Item,
        (outlet, parcel): (&Arc<dyn Outlet>, &Parcel),
        (at, mut seen): (u64, u64),
    ) -> Result<Went, Trouble> {
        let mut list = self.list(item, at)?;
        while let Some(row) = list.next() {
            let row = row?;
            match outlet.pin(parcel, (Stand::There, &row.path))? {
                Some(pin) if pin == row.pin => seen += 1,
                Some(_) => return Ok(Went::Stopped(format!("{} was changed since", shown(parcel, &row)))),
                None => return Ok(Went::Stopped(format!("{} was taken away since", shown(parcel, &row)))),
            }
            if Instant::now() >= self.until {
                return Ok(Went::So { at: list.at(), seen });
            }
        }
        Ok(Went::Through(seen))
    }

    fn nothing_else(
        &self,
        outlet: &Arc<dyn Outlet>,
        parcel: &Parcel,
        count: u64,
    ) -> Result<Result<(), String>, Trouble> {
        let mut there = 0;
        outlet.files(parcel, &mut |_| there += 1)?;
        match there == count {
            true => Ok(Ok(())),
            false => Ok(Err(format!("{there} files lie there, {count} were put there"))),
        }
    }

    fn remove(
        &self,
        item: &Item,
        (outlet, parcel): (&Arc<dyn Outlet>, &Parcel),
        (at, seen): (u64, u64),
    ) -> Result<Went, Trouble> {
        let mut list = self.list(item, at)?;
        while let Some(row) = list.next() {
            let row = row?;
            // Once more, now: what was changed since it was looked at stays.
            if outlet.pin(parcel, (Stand::There, &row.path))?.as_ref() == Some(&row.pin) {
                outlet.remove(parcel, &row.path)?;
            }
            if Instant::now() >= self.until {
                return Ok(Went::So { at: list.at(), seen });
            }
        }
        Ok(Went::Through(seen))
    }
}

fn shown(parcel: &Parcel, row: &GivenFile) -> String {
    if row.path.is_empty() { parcel.name.clone() } else { row.path.clone() }
}

fn is_due(item: &Item, now: Timestamp) -> bool {
    let delivered = item.found.deliver.as_ref().filter(|delivered| delivered.list.is_some());
    delivered.and_then(|delivered| delivered.expires).is_some_and(|expires| expires <= now)
}
