//! Giving back, as people and the schedule ask for it: orders, what became of them, and tests of what is kept.
//!
//! - What can be known to fail is said at once: an object that is not there or was deleted, a path that it does not have, a
//!   place where something lies already.
//! - An answer takes a few seconds; what takes longer is asked for in steps.

use super::complaint::{Complaint, Sort};
use super::giving_words::{GivingAnswer, GivingAsk, OrderView};
use super::words::{Answer, ROWS_MAX};
use super::{Desk, Told, of_ledger, unknown_among, view};
use crate::books::facts::{FactsReader, StagingScratch};
use crate::model::checkpoint::Standing;
use crate::model::errand::Errand;
use crate::model::item::{Asker, Form, Item, ItemId};
use crate::model::object::{ObjectRow, VersionRow};
use crate::model::trouble::{Kind, Trouble};
use crate::rules::ocfl::restore::restore_steps;
use crate::work::giving::expiring::{Cursor, Expiring};
use crate::work::giving::ordering::{Wanted, known, order, order_for};
use crate::work::giving::parcel::{GivenFile, name_of, order_of, parcel_of};
use crate::work::spot_tests::{Drawing, Scope, tests};
use crate::worlds::disk::Place;
use crate::worlds::outlet::Parcel;
use crate::worlds::target::Where;
use std::time::{Duration, Instant};

/// How long one answer may work.
const AT_MOST: Duration = Duration::from_secs(2);

impl Desk {
    pub(super) fn giving(&self, ask: &GivingAsk, asker: &Asker) -> Told<Answer> {
        match ask {
            GivingAsk::Order { what, version, to, form } => {
                self.order(what, *version, to.as_deref(), *form, asker)
            }
            GivingAsk::Orders { tests, before, limit } => self.orders(*tests, *before, *limit),
            GivingAsk::Order1 { item } => {
                let order = self.order_view(&self.restoration(*item)?)?;
                Ok(Answer::Giving(GivingAnswer::Order(Box::new(order))))
            }
            GivingAsk::Files { item, from, limit } => self.given_files(*item, *from, *limit),
            GivingAsk::Expire { from, dry_run } => self.expire(*from, *dry_run),
            GivingAsk::Test { depositor, seed, due } => {
                self.spot_test(depositor.as_deref(), *seed, *due, asker)
            }
        }
    }

    fn order(
        &self,
        what: &str,
        version: Option<u32>,
        to: Option<&str>,
        form: Form,
        asker: &Asker,
    ) -> Told<Answer> {
        let doing = format!("{} is not given back", what.escape_debug());
        let (object, versions, path) = self.object_or_file(what)?;
        let wanted = version.unwrap_or(object.head);
        let Some(row) = versions.iter().find(|row| row.version == wanted) else {
            return Err(Box::new(
                Complaint::new(Sort::NotFound, doing)
                    .because(format!("it has no version {wanted}; its newest is {}", object.head))
                    .then_try(format!("strongroom object show {}", object.id)),
            ));
        };
        self.not_given_up(&object, &doing)?;
        let file = path.map(|path| self.file_of(row, &path, &doing)).transpose()?;
        let to = self.place_to(to)?;
        let wanted = Wanted { file, form, to, spot_test: None };
        let (item, new) = self.order_at_place(&object, row, wanted, &doing, asker)?;
        if new {
            log::info!(ITEM = item.id.0; "item {}: {} is given back for {} (uid {})", item.id, object.id, asker.name, asker.uid);
        }
        self.after(&item);
        let order = Box::new(self.order_view(&item)?);
        Ok(Answer::Giving(GivingAnswer::Ordered { order, new }))
    }

    fn order_at_place(
        &self,
        object: &ObjectRow,
        row: &VersionRow,
        wanted: Wanted,
        doing: &str,
        asker: &Asker,
    ) -> Told<(Item, bool)> {
        let failed = |trouble: Trouble| {
            let complaint = Complaint::new(Sort::Refused, doing).because(trouble.sentence());
            Box::new(complaint.so("nothing was ordered").then_try(
                trouble.kind.row().advice.replace(", then run strongroom requeue ID", "; then ask again"),
            ))
        };
        let _one_at_a_time = self.submitting.lock().unwrap_or_else(|broken| broken.into_inner());
        let same = order_for(object, row, &wanted);
        if let Some(item) = known(&self.ledger, &same).map_err(|error| of_ledger(&error, doing))? {
            return Ok((item, false));
        }
        let outlet = self.ledger.world().outlets.open(&same.to).map_err(|error| failed(error.into()))?;
        let name = name_of(&object.bag, &same);
        let parcel = Parcel { name, work: String::new(), folder: true };
        // A place that does not answer now may do so when its time comes; then the stage says so.
        if outlet.lies(&parcel).unwrap_or(false) {
            return Err(Box::new(
                Complaint::new(Sort::Refused, doing)
                    .because(format!("something lies at {}/{} already", outlet.shown(), parcel.name))
                    .so("nothing was written")
                    .then_try("move it away, or name another place with --to"),
            ));
        }
        order(&self.ledger, object, row, wanted, asker).map_err(|error| of_ledger(&error, doing))
    }

    /// An object, or an object and the path of a file in it. Both may hold colons.
    fn object_or_file(&self, what: &str) -> Told<(ObjectRow, Vec<VersionRow>, Option<String>)> {
        let whole = self.known_object(what);
        if let Ok((object, versions)) = whole {
            return Ok((object, versions, None));
        }
        for (place, _) in what.rmatch_indices(':') {
            if let Ok((object, versions)) = self.known_object(&what[..place]) {
                let path = what[place + 1..].trim_start_matches('/');
                let path = path.strip_prefix("bag/").unwrap_or(path);
                return Ok((object, versions, Some(path.to_string())));
            }
            self.not_deleted(&what[..place])?;
        }
        self.not_deleted(what)?;
        whole.map(|(object, versions)| (object, versions, None))
    }

    /// Refuses with the words of the tombstone.
    fn not_deleted(&self, word: &str) -> Told<()> {
        for id in self.object_ids(word) {
            let tombstone =
                self.ledger.deletion(&id).map_err(|error| of_ledger(&error, "looking for an object"))?;
            if let Some(tombstone) = tombstone {
                let reason = if tombstone.reason.is_empty() {
                    String::new()
                } else {
                    format!(": {}", tombstone.reason)
                };
                return Err(Box::new(
                    Complaint::new(Sort::NotFound, format!("{id} was deleted"))
                        .because(format!(
                            "on {}, asked for by {} and approved by {}{reason}",
                            tombstone.deleted_at.strftime("%Y-%m-%d"),
                            tombstone.requested_by,
                            tombstone.approved_by
                        ))
                        .so("no copy of it is left on any target"),
                ));
            }
        }
        Ok(())
    }

    /// Refuses while two persons' word to delete it stands.
    fn not_given_up(&self, object: &ObjectRow, doing: &str) -> Told<()> {
        let errands = self.ledger.errands_of(&object.id).map_err(|error| of_ledger(&error, doing))?;
        let ended = |item: &Item| matches!(item.checkpoint.standing, Standing::Done | Standing::Cancelled);
        let deletes = |item: &&Item| matches!(item.errand, Some(Errand::Delete(_))) && !ended(item);
        match errands.iter().find(deletes) {
            None => Ok(()),
            Some(item) => Err(Box::new(
                Complaint::new(Sort::Refused, doing)
                    .because(format!("it is being deleted by item {}", item.id))
                    .then_try(format!("strongroom item show {}", item.id)),
            )),
        }
    }

    /// The file of this path in the bag, and its bytes.
    fn file_of(&self, row: &VersionRow, path: &str, doing: &str) -> Told<(String, u64)> {
        let failed = |trouble: Trouble| {
            let complaint = Complaint::new(Sort::Io, doing).because(trouble.sentence());
            Box::new(complaint.then_try("strongroom doctor; strongroom object verify"))
        };
        let found = self.scratch("restore").and_then(|place| {
            let scratch = StagingScratch::new(&*self.ledger.world().disk, place);
            let (_, json) = self.inventory_of(row)?;
            let (_, steps) = restore_steps(&*json, Some(row.version), &scratch)
                .map_err(|error| Trouble::new(Kind::NoGoodCopy, error.to_string()))?;
            let wanted = format!("bag/{path}");
            for step in steps {
                let step = step.map_err(|error| Trouble::new(Kind::StagingIo, error.to_string()))?;
                if step.logical_path == wanted {
                    return Ok(Some(step.content_path));
                }
            }
            Ok(None)
        });
        let Some(content) = found.map_err(failed)? else {
            return Err(Box::new(
                Complaint::new(Sort::NotFound, doing)
                    .because(format!("version {} has no file {}", row.version, path.escape_debug()))
                    .then_try(format!("strongroom object files {} --version {}", row.object, row.version)),
            ));
        };
        let mut last = Trouble::new(Kind::TargetMissing, "no copy is on a target of the configuration");
        for copy in &row.copies {
            let Some(target) = self.ledger.world().targets.get(&copy.target) else { continue };
            match target.open(Where::Object(&row.object, &content)) {
                Ok(opened) => return Ok((path.to_string(), opened.size())),
                Err(error) => last = error.into(),
            }
        }
        Err(failed(last))
    }

    /// Where it is brought to: a place of the configuration by its name or address, or an absolute folder.
    fn place_to(&self, to: Option<&str>) -> Told<String> {
        let config = self.config();
        let places = &config.restoring.places;
        let usage =
            |error: &str, then_try: &str| Box::new(Complaint::new(Sort::Usage, error).then_try(then_try));
        let Some(to) = to else {
            let first = places.first().map(|place| place.to());
            return first.ok_or_else(|| {
                usage(
                    "it is not said where it shall be given back to",
                    "--to FOLDER, or a [[place]] in the configuration",
                )
            });
        };
        if let Some(place) =
            places.iter().find(|place| place.name == to || place.to() == to.trim_end_matches('/'))
        {
            return Ok(place.to());
        }
        if to.starts_with('/') {
            let path = crate::books::config::absolute(std::path::Path::new(to));
            return Ok(path.display().to_string());
        }
        Err(unknown_among(
            "place of the configuration",
            to,
            places.iter().map(|place| place.name.as_str()).collect(),
        ))
    }

    fn restoration(&self, id: u64) -> Told<Item> {
        let item = self.ledger.item(ItemId(id)).map_err(|error| of_ledger(&error, "looking for an order"))?;
        item.filter(|item| matches!(item.errand, Some(Errand::Restore(_)))).ok_or_else(|| {
            let complaint = Complaint::new(Sort::NotFound, format!("item {id} gives nothing back"));
            Box::new(complaint.then_try("strongroom restore list"))
        })
    }

    fn orders(&self, want_tests: bool, before: Option<u64>, limit: usize) -> Told<Answer> {
        let failed = |error| of_ledger(&error, "listing orders");
        let limit = limit.clamp(1, ROWS_MAX);
        let mut orders = Vec::new();
        let ids = self.ledger.restorations(None).map_err(failed)?;
        for id in ids.into_iter().rev().filter(|id| before.is_none_or(|before| id.0 < before)) {
            let Some(item) = self.ledger.item(id).map_err(failed)? else { continue };
            let Some(Errand::Restore(order)) = &item.errand else { continue };
            if order.spot_test == want_tests {
                orders.push(self.order_view(&item)?);
            }
            if orders.len() > limit {
                break;
            }
        }
        let more = orders.len() > limit;
        orders.truncate(limit);
        Ok(Answer::Giving(GivingAnswer::Orders { orders, more }))
    }

    fn order_view(&self, item: &Item) -> Told<OrderView> {
        let failed = |trouble: Trouble| Box::new(Complaint::new(Sort::Io, trouble.sentence()));
        let order = order_of(item).map_err(failed)?;
        let given = self.ledger.given(item.id).map_err(|error| of_ledger(&error, "looking for an order"))?;
        let delivered = item.found.deliver.as_ref();
        let there = delivered.filter(|delivered| delivered.list.is_some());
        Ok(OrderView {
            item: view::item(item),
            object: order.object.0.clone(),
            version: order.version,
            path: order.path.clone(),
            form: if order.form == Form::Tar { "tar".into() } else { "folder".into() },
            to: order.to.clone(),
            name: parcel_of("", item, order).name,
            files: delivered.map(|delivered| delivered.files),
            bytes: delivered.map(|delivered| delivered.bytes),
            delivered_at: delivered.map(|delivered| delivered.at),
            expires: delivered.and_then(|delivered| delivered.expires),
            state: there.map(|_| given.as_ref().map_or("there", |row| row.state.name()).to_string()),
            why: given.map(|row| row.why).unwrap_or_default(),
            passed_over: item.found.gather.as_ref().map_or(0, |gathered| gathered.passed_over),
            seed: order.seed,
        })
    }

    fn given_files(&self, id: u64, from: u64, limit: usize) -> Told<Answer> {
        let item = self.restoration(id)?;
        let doing = format!("the files of item {id} are not listed");
        let seal = item.found.deliver.as_ref().and_then(|delivered| delivered.list.clone());
        let gone = |because: &str| {
            let complaint = Complaint::new(Sort::Refused, &doing).because(because);
            Box::new(complaint.then_try(format!("strongroom restore show {id}")))
        };
        let seal = seal.ok_or_else(|| gone("nothing was brought to a place, or not yet"))?;
        let given = self.ledger.given(item.id).map_err(|error| of_ledger(&error, &doing))?;
        if given.is_some() {
            return Err(gone("its time was over, and it is not there any more, or was changed"));
        }
        let failed =
            |trouble: Trouble| Box::new(Complaint::new(Sort::Io, &doing).because(trouble.sentence()));
        let folder = Place { volume: self.settings.records.clone(), path: "given".into() };
        let disk = &*self.ledger.world().disk;
        let mut list = FactsReader::<GivenFile>::open_at(disk, &folder, &seal, from).map_err(failed)?;
        let mut files = Vec::new();
        let limit = limit.clamp(1, ROWS_MAX);
        for row in list.by_ref().take(limit) {
            files.push(row.map_err(failed)?);
        }
        let next = (files.len() == limit && list.at() < seal.bytes).then(|| list.at());
        Ok(Answer::Giving(GivingAnswer::Files { files, next }))
    }

    fn expire(&self, from: Option<Cursor>, dry_run: bool) -> Told<Answer> {
        let expiring = Expiring {
            world: self.ledger.world(),
            ledger: &self.ledger,
            settings: &self.settings,
            until: Instant::now() + AT_MOST,
            dry_run,
        };
        let (expired, next) = expiring.step(from).map_err(|trouble| {
            let complaint = Complaint::new(Sort::Io, "what was given back is not removed");
            Box::new(complaint.because(trouble.sentence()).then_try("strongroom doctor"))
        })?;
        for told in &expired {
            log::info!(ITEM = told.item; "what item {} brought to {}: {} {}", told.item, told.place, told.what, told.why);
        }
        Ok(Answer::Giving(GivingAnswer::Expired { expired, next }))
    }

    fn spot_test(
        &self,
        depositor: Option<&str>,
        seed: Option<u64>,
        due: bool,
        asker: &Asker,
    ) -> Told<Answer> {
        let doing = "no object is drawn";
        let failed = |error| of_ledger(&error, doing);
        let mut held = self.drawing.lock().unwrap_or_else(|broken| broken.into_inner());
        let every = match (due, self.settings.spot_test_every) {
            (false, _) => None,
            (true, Some(every)) => Some(every),
            // The schedule never asks for one.
            (true, None) => {
                return Ok(Answer::Giving(GivingAnswer::Tests { orders: Vec::new(), drawn: true, seed: 0 }));
            }
        };
        let chance = || {
            self.ledger.world().clock.jitter().to_bits()
                ^ self.ledger.world().clock.now().as_nanosecond() as u64
        };
        let wanted = |scope: &Scope| {
            scope.depositor.as_deref() == depositor
                && scope.every == every
                && seed.is_none_or(|seed| scope.seed == seed)
        };
        let mut drawing = match held.take().filter(|drawing| wanted(drawing.scope())) {
            Some(drawing) => drawing,
            None => {
                // What is told to people must come back from JSON as it was.
                let seed = seed.unwrap_or_else(chance) & ((1 << 53) - 1);
                let scope = Scope { depositor: depositor.map(String::from), every, seed };
                Drawing::new(&self.ledger, scope).map_err(failed)?
            }
        };
        let seed = drawing.scope().seed;
        if !drawing.step(&self.ledger, Instant::now() + AT_MOST).map_err(failed)? {
            *held = Some(drawing);
            return Ok(Answer::Giving(GivingAnswer::Tests { orders: Vec::new(), drawn: false, seed }));
        }
        let items = drawing.order(&self.ledger, asker).map_err(failed)?;
        if items.is_empty() && !due {
            let whose = depositor.map_or(String::new(), |name| format!(" of {}", name.escape_debug()));
            let complaint =
                Complaint::new(Sort::NotFound, doing).because(format!("no object{whose} is kept"));
            return Err(Box::new(complaint.then_try("strongroom object list")));
        }
        items.iter().for_each(|item| self.after(item));
        let orders = items.iter().map(|item| self.order_view(item)).collect::<Told<Vec<_>>>()?;
        Ok(Answer::Giving(GivingAnswer::Tests { orders, drawn: true, seed }))
    }

    /// True when a depositor's test is due: cheap, for a schedule that asks often.
    pub fn spot_test_due(&self) -> bool {
        let Some(every) = self.settings.spot_test_every else { return false };
        let now = self.ledger.world().clock.now();
        let Ok(tests) = tests(&self.ledger) else { return false };
        let last =
            |name: &str| tests.iter().rev().find(|item| item.depositor == name).map(|item| item.received_at);
        self.config()
            .depositors
            .iter()
            .any(|depositor| crate::work::spot_tests::is_due(last(&depositor.name), every, now))
    }
}
