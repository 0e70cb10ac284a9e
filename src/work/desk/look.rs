//! Looking: lists, one item's story, status, space, objects, rows.

use super::complaint::{Complaint, Sort};
use super::words::{
    Answer, CountRow, Filter, ItemStory, ItemView, PlaceView, Progress, ROWS_MAX, SCHEMA, Status, SummaryRow,
};
use super::{Desk, Told, WATCH_MAX, kind_of, of_ledger, stage_of, unknown, view};
use crate::books::config::PlaceConfig;
use crate::books::config::units::show_bytes;
use crate::books::ledger::ItemFilter;
use crate::model::checkpoint::{Stage, Standing, WaitWhy};
use crate::model::item::{Item, ItemId};
use crate::model::object::ObjectId;
use crate::model::trouble::Wait;
use crate::worlds::Space;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Items looked at for figures about troubles and promises; beyond it figures are of the oldest ones only.
const FIGURES_MAX: usize = 20_000;

/// Standings in which an item may have a trouble.
const TROUBLED: [&str; 3] = ["held", "refused", "waiting"];

/// Items read at once while a list is made.
const PAGE: u64 = 256;

/// Findings that come with an item's story.
const STORY_FINDINGS: usize = 50;

impl Desk {
    pub(super) fn items(&self, filter: &Filter, before: Option<u64>, limit: usize) -> Told<Answer> {
        let filter = self.filter(filter)?;
        let limit = limit.clamp(1, ROWS_MAX);
        let mut items: Vec<ItemView> = Vec::new();
        // Few items stand in these; the index names them, however many others there are.
        let few = |name: &String| !matches!(name.as_str(), "kept" | "cancelled");
        if !filter.standings.is_empty() && filter.standings.iter().all(few) {
            for id in self
                .standing_in(&filter)?
                .into_iter()
                .rev()
                .filter(|id| before.is_none_or(|before| id.0 < before))
            {
                let item = self.ledger.item(id).map_err(|error| of_ledger(&error, "listing items"))?;
                items.extend(item.filter(|item| filter.passes(item)).as_ref().map(view::item));
                if items.len() > limit {
                    break;
                }
            }
            let more = items.len() > limit;
            items.truncate(limit);
            return Ok(Answer::Items { items, more });
        }
        // Newest first over a book that is read in order: by pages of numbers, from the last one down.
        let mut end = before.map_or_else(|| self.newest(), |before| Ok(before.saturating_sub(1)))?;
        while end > 0 && items.len() <= limit {
            let start = end.saturating_sub(PAGE);
            let page = self.ledger.scan(&ItemFilter::default(), Some(ItemId(start)), (end - start) as usize);
            let page = page.map_err(|error| of_ledger(&error, "listing items"))?;
            items.extend(
                page.iter().rev().filter(|item| item.id.0 <= end && filter.passes(item)).map(view::item),
            );
            end = start;
        }
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Answer::Items { items, more })
    }

    /// Number of the newest item.
    pub(super) fn newest(&self) -> Told<u64> {
        let row = self
            .ledger
            .world()
            .book
            .get("m/next")
            .map_err(|error| of_ledger(&error.into(), "listing items"))?;
        let next: Option<u64> = row.and_then(|row| serde_json::from_slice(&row.value).ok());
        Ok(next.map_or(0, |next| next.saturating_sub(1)))
    }

    pub(super) fn troubles(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Told<Answer> {
        let (items, more) = self.in_trouble(filter, after, limit.clamp(1, ROWS_MAX))?;
        Ok(Answer::Items { items: items.iter().map(view::item).collect(), more })
    }

    /// Items that wait for a person, or for time to cure what stopped them, oldest first.
    pub(super) fn in_trouble(
        &self,
        filter: &Filter,
        after: Option<u64>,
        limit: usize,
    ) -> Told<(Vec<Item>, bool)> {
        let mut filter = self.filter(filter)?;
        if filter.standings.is_empty() {
            filter.standings = TROUBLED.map(String::from).to_vec();
        }
        filter.standings.retain(|name| TROUBLED.contains(&name.as_str()));
        let ids = self.standing_in(&filter)?;
        let mut items = Vec::new();
        for id in ids.into_iter().filter(|id| after.is_none_or(|after| id.0 > after)) {
            let item = self.ledger.item(id).map_err(|error| of_ledger(&error, "listing troubles"))?;
            items.extend(
                item.filter(|item| item.checkpoint.standing.trouble().is_some() && filter.passes(item)),
            );
            if items.len() > limit {
                items.truncate(limit);
                return Ok((items, true));
            }
        }
        Ok((items, false))
    }

    /// Numbers of the items in the standings of this filter, at its stage, lowest first.
    fn standing_in(&self, filter: &ItemFilter) -> Told<Vec<ItemId>> {
        let mut ids: Vec<ItemId> = Vec::new();
        for standing in &filter.standings {
            for stage in
                Stage::ALL.into_iter().filter(|stage| filter.stage.is_none_or(|wanted| wanted == *stage))
            {
                let found = self.ledger.standing(standing, stage, FIGURES_MAX);
                ids.extend(found.map_err(|error| of_ledger(&error, "listing items"))?);
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    pub(super) fn summary(&self, filter: &Filter) -> Told<Answer> {
        let (items, _) = self.in_trouble(filter, None, FIGURES_MAX)?;
        let mut rows: BTreeMap<(String, String, String), SummaryRow> = BTreeMap::new();
        for item in &items {
            let Some(trouble) = item.checkpoint.standing.trouble() else { continue };
            let row = trouble.kind.row();
            let key = (row.name.to_string(), item.depositor.clone(), item.checkpoint.stage.to_string());
            let row = rows.entry(key).or_insert_with(|| SummaryRow {
                kind: row.name.into(),
                helps: view::helps(row.remedy).into(),
                depositor: item.depositor.clone(),
                stage: item.checkpoint.stage.to_string(),
                items: 0,
                bytes: 0,
                oldest: item.id.0,
                oldest_at: item.received_at,
            });
            row.items += 1;
            row.bytes += item.deposit.bytes;
        }
        let mut rows: Vec<SummaryRow> = rows.into_values().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.items));
        Ok(Answer::Summary { rows })
    }

    /// An item, as it is shown: one that was kept, and whose object was deleted since, has no copies.
    fn shown(&self, item: &Item) -> Told<ItemView> {
        let mut view = view::item(item);
        if let Some(object) = view.object.clone() {
            let stone = self.ledger.deletion(&ObjectId(object));
            if let Some(stone) = stone.map_err(|error| of_ledger(&error, "looking for an object"))? {
                view.deleted_at = Some(stone.deleted_at);
                view.copies.clear();
            }
        }
        Ok(view)
    }

    pub(super) fn story(&self, item: &Item) -> Told<Answer> {
        let journal =
            self.ledger.attempts(item.id).map_err(|error| of_ledger(&error, "reading the journal"))?;
        let (findings, more_findings) = self.findings_of(item, 0, STORY_FINDINGS).unwrap_or_default();
        let promises = item
            .promises
            .iter()
            .map(|promise| {
                format!("{} on {} for {}", show_bytes(promise.bytes), promise.place, promise.stage)
            })
            .collect();
        let item = self.shown(item)?;
        Ok(Answer::Item(Box::new(ItemStory { item, journal, findings, more_findings, promises })))
    }

    pub(super) fn events(&self, item: &Item) -> Told<Answer> {
        let events = self.ledger.events(item.id).map_err(|error| of_ledger(&error, "reading events"))?;
        Ok(Answer::Events { item: Box::new(view::item(item)), events })
    }

    pub(super) fn watch(&self, seen: u64, ids: &[u64], at_most: Duration) -> Told<Answer> {
        let seen = self.ledger.watch(seen, at_most.min(WATCH_MAX));
        let mut items = Vec::new();
        for id in ids.iter().take(ROWS_MAX) {
            let item = self.ledger.item(ItemId(*id)).map_err(|error| of_ledger(&error, "watching"))?;
            items.extend(item.as_ref().map(view::item));
        }
        let underway = self.pipeline.upgrade().map(|pipeline| pipeline.underway()).unwrap_or_default();
        let progress = underway
            .iter()
            .filter(|job| ids.contains(&job.item.0))
            .map(|job| Progress {
                item: job.item.0,
                stage: job.stage.name().into(),
                done: job.meter.bytes.load(Ordering::Relaxed),
                total: job.meter.bytes_total.load(Ordering::Relaxed),
            })
            .collect();
        Ok(Answer::Watched { seen, items, progress })
    }

    pub(super) fn status(&self) -> Told<Answer> {
        let counts = self.ledger.counts().map_err(|error| of_ledger(&error, "counting items"))?;
        let (troubled, _) = self.in_trouble(&Filter::default(), None, FIGURES_MAX)?;
        let mut troubles: BTreeMap<String, u64> = BTreeMap::new();
        for item in &troubled {
            if let Some(trouble) = item.checkpoint.standing.trouble() {
                *troubles.entry(view::helps(trouble.kind.remedy()).into()).or_insert(0) += 1;
            }
        }
        let mut waits: BTreeMap<String, u64> = BTreeMap::new();
        for item in self.waiting()? {
            if let Standing::Waiting { why: WaitWhy::For(wait), .. } = &item.checkpoint.standing {
                let what = match wait {
                    Wait::Space { place, .. } => format!("space on {place}"),
                    Wait::Grace => "the end of the time of grace".to_string(),
                    Wait::Turn { .. } => "an older deposit of the same bag".to_string(),
                };
                *waits.entry(what).or_insert(0) += 1;
            }
        }
        let places = self.places()?;
        let kept =
            counts.iter().filter(|((standing, _), _)| standing == "kept").map(|(_, count)| count).sum();
        let (sources, source_wrong) = self.ailing_sources()?;
        let now = self.ledger.world().clock.now();
        let needs_nobody = troubles.keys().all(|helps| helps == "time");
        Ok(Answer::Status(Box::new(Status {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            daemon: self.daemon,
            up_seconds: now.as_second() - self.started.as_second(),
            well: needs_nobody && !source_wrong && places.iter().all(|place| place.wrong.is_none()),
            counts: counts
                .into_iter()
                .map(|((standing, stage), items)| CountRow { standing, stage: stage.name().into(), items })
                .collect(),
            troubles,
            oldest_trouble: troubled.iter().map(|item| item.received_at).min(),
            waits,
            kept,
            places,
            approvals: self.approvals()?,
            sources,
        })))
    }

    /// Items that are not kept and not given up, as far as figures reach.
    pub(super) fn unfinished(&self) -> Told<Vec<Item>> {
        let standings = ["ready", "working", "waiting", "held", "refused"].map(String::from).to_vec();
        let mut items = Vec::new();
        for id in self.standing_in(&ItemFilter { standings, ..ItemFilter::default() })? {
            items.extend(self.ledger.item(id).map_err(|error| of_ledger(&error, "counting items"))?);
        }
        Ok(items)
    }

    fn waiting(&self) -> Told<Vec<Item>> {
        let mut items = Vec::new();
        for stage in Stage::ALL {
            let ids = self.ledger.standing("waiting", stage, ROWS_MAX);
            for id in ids.map_err(|error| of_ledger(&error, "listing what waits"))? {
                items.extend(self.ledger.item(id).map_err(|error| of_ledger(&error, "listing what waits"))?);
            }
        }
        Ok(items)
    }

    pub(super) fn places(&self) -> Told<Vec<PlaceView>> {
        let config = self.config();
        let world = self.ledger.world();
        let totals = self.pipeline.upgrade().map(|pipeline| pipeline.promised()).unwrap_or_default();
        let promised: BTreeMap<String, u64> =
            totals.into_iter().map(|total| (total.place, total.promised_bytes)).collect();
        let mut places = Vec::new();
        for volume in &config.staging {
            let space = world
                .disk
                .space(&volume.name)
                .map_err(|error| crate::model::trouble::Trouble::from(error).sentence());
            places.push(place("staging", volume, space, &promised));
        }
        for target in &config.targets {
            let space = match world.targets.get(&target.name) {
                Some(found) => {
                    found.space().map_err(|error| crate::model::trouble::Trouble::from(error).sentence())
                }
                None => Err("it was added to the configuration since the start; restart to use it".into()),
            };
            places.push(place("target", target, space, &promised));
        }
        Ok(places)
    }

    pub(super) fn rows(&self, after: Option<&str>, limit: usize) -> Told<Answer> {
        let page = self.ledger.world().book.scan("", after, limit.clamp(1, ROWS_MAX));
        let page = page.map_err(|error| of_ledger(&error.into(), "exporting the ledger"))?;
        let mut rows = Vec::new();
        for (key, row) in page {
            let value = serde_json::from_slice(&row.value).map_err(|error| {
                Box::new(
                    Complaint::new(Sort::Io, "exporting the ledger")
                        .because(format!("the row {key} cannot be read: {error}"))
                        .then_try("strongroom state verify"),
                )
            })?;
            rows.push((key, row.revision, value));
        }
        Ok(Answer::Rows { rows })
    }

    pub(super) fn verify(&self) -> Told<Answer> {
        let report = self.ledger.world().book.verify();
        report
            .map(|report| Answer::Verified(report.into()))
            .map_err(|error| of_ledger(&error.into(), "verifying the ledger"))
    }

    pub(super) fn config_view(&self) -> Answer {
        let config = self.config();
        let values =
            config.effective.iter().map(|row| (row.key.clone(), row.value.clone(), row.origin.to_string()));
        Answer::Config {
            file: config.file.as_ref().map(|file| file.display().to_string()),
            values: values.collect(),
        }
    }

    fn filter(&self, filter: &Filter) -> Told<ItemFilter> {
        let names = Standing::NAMES;
        if let Some(wrong) = filter.standings.iter().find(|name| !names.contains(&name.as_str())) {
            return Err(unknown("standing", wrong, names.to_vec()));
        }
        Ok(ItemFilter {
            depositor: filter.depositor.clone(),
            bag: None,
            stage: filter.stage.as_deref().map(stage_of).transpose()?,
            standings: filter.standings.clone(),
            kind: filter.kind.as_deref().map(kind_of).transpose()?,
            since: filter.since,
        })
    }
}

fn place(
    role: &str,
    config: &PlaceConfig,
    space: Result<Space, String>,
    promised: &BTreeMap<String, u64>,
) -> PlaceView {
    let promised = promised.get(&config.name).copied().unwrap_or(0);
    let (space, wrong) = match space {
        Ok(space) => (Some(space), None),
        Err(why) => (None, Some(why)),
    };
    let free = space.as_ref().map_or(0, |space| space.free_bytes);
    let floor = config.floor.on(space.as_ref().map_or(u64::MAX, |space| space.total_bytes));
    PlaceView {
        name: config.name.clone(),
        role: role.into(),
        path: config.place(),
        total: space.as_ref().map_or(0, |space| space.total_bytes),
        free,
        free_inodes: space.as_ref().map(|space| space.free_inodes).filter(|inodes| *inodes != u64::MAX),
        promised,
        floor,
        room: free.saturating_sub(promised).saturating_sub(floor),
        wrong,
    }
}
