//! The desk: everything that may be asked, and the answers. Every door translates to `Ask` and from `Answer`.
//!
//! - An order is done by the ledger's verbs only, and who gave it is written into the item's journal.
//! - A bulk order does what it can and says of every other item why not; it never stops at the first.
//! - Nothing here waits for work to be done; `Watch` waits for news, at most a bounded time.

mod backup;
pub mod complaint;
pub mod delete_words;
mod deletions;
mod doctor;
mod facts;
mod fixity;
pub mod fixity_words;
mod giving;
pub mod giving_words;
pub mod job_words;
mod jobs;
pub mod keep_words;
pub mod letter;
mod look;
pub mod objects;
mod probes;
mod reconcile;
mod repair;
pub mod repair_words;
mod source_view;
mod sources;
mod steer;
mod submit;
mod targets_use;
mod view;
pub mod views;
pub mod vitals;
pub mod words;

use crate::books::config::Config;
use crate::books::ledger::Ledger;
use crate::model::checkpoint::Stage;
use crate::model::item::{Asker, Item, ItemId};
use crate::model::object::ObjectId;
use crate::model::trouble::Kind;
use crate::work::job::Settings;
use crate::work::jobs::Jobs;
use crate::work::notices::Notices;
use crate::work::pipeline::Pipeline;
use crate::work::receiving::{Intake, Receiving};
use crate::work::spot_tests::Drawing;
use crate::work::sweep::running::Running;
use complaint::{Complaint, Sort};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::Duration;
pub use submit::{bag_name, check_name};
use words::{Answer, Ask, Hello, KeepAsk, SCHEMA};

/// Longest wait for news in one answer.
const WATCH_MAX: Duration = Duration::from_secs(20);

/// What the desk answers with.
pub struct Desk {
    ledger: Arc<Ledger>,
    pipeline: Weak<Pipeline>,
    config: RwLock<Arc<Config>>,
    settings: Settings,
    started: Timestamp,
    daemon: bool,
    // One deposit at a time: whether it is known already is a question and an answer.
    submitting: Mutex<()>,
    receiving: Receiving,
    backing_up: Mutex<()>,
    jobs: Jobs,
    notices: Notices,
    pulse: vitals::Pulse,
    // One step of one check of targets at a time.
    reconciling: Mutex<()>,
    // One step of repairs at a time.
    repairing: Mutex<()>,
    sweeping: Running,
    intakes: RwLock<Arc<Vec<Intake>>>,
    // An object is drawn in steps.
    drawing: Mutex<Option<Drawing>>,
}

/// An answer, or why there is none.
pub type Told<T> = Result<T, Box<Complaint>>;

impl Desk {
    /// A desk over this ledger. `pipeline` may be gone: then nothing is under way.
    pub fn new(
        ledger: Arc<Ledger>,
        pipeline: Weak<Pipeline>,
        config: Arc<Config>,
        settings: Settings,
        daemon: bool,
    ) -> Desk {
        let started = ledger.world().clock.now();
        let config = RwLock::new(config);
        let intakes = RwLock::new(Arc::new(settings.sources.clone()));
        Desk {
            ledger,
            pipeline,
            config,
            settings,
            started,
            daemon,
            submitting: Mutex::new(()),
            receiving: Receiving::default(),
            backing_up: Mutex::new(()),
            jobs: Jobs::default(),
            notices: Notices::default(),
            pulse: vitals::Pulse::default(),
            reconciling: Mutex::new(()),
            repairing: Mutex::new(()),
            sweeping: Running::default(),
            intakes,
            drawing: Mutex::new(None),
        }
    }

    /// Answers.
    pub fn answer(&self, ask: &Ask, asker: &Asker) -> Answer {
        match self.told(ask, asker) {
            Ok(answer) => answer,
            Err(complaint) => Answer::Refused(*complaint),
        }
    }

    /// From now on this configuration holds, as far as the desk is concerned.
    pub fn set_config(&self, config: Arc<Config>) {
        self.settings.judging.set(&config);
        *self.config.write().unwrap_or_else(|broken| broken.into_inner()) = config;
    }

    /// The configuration in effect.
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(|broken| broken.into_inner()).clone()
    }

    /// True when items are worked on in this process.
    pub fn has_line(&self) -> bool {
        self.pipeline.upgrade().is_some()
    }

    /// The ledger it answers from.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The name of this ledger among others that share a place.
    pub fn ledger_id(&self) -> &str {
        &self.settings.ledger_id
    }

    fn told(&self, ask: &Ask, asker: &Asker) -> Told<Answer> {
        match ask {
            Ask::Hello => Ok(Answer::Hello(self.hello())),
            Ask::Submit { path, depositor, policy, unasked } => {
                self.submit(path, depositor.as_deref(), policy.as_deref(), *unasked, asker)
            }
            Ask::Items { filter, before, limit } => self.items(filter, *before, *limit),
            Ask::Troubles { filter, after, limit } => self.troubles(filter, *after, *limit),
            Ask::Summary { filter } => self.summary(filter),
            Ask::Item { item } => self.story(&self.find(item)?),
            Ask::Events { item } => self.events(&self.find(item)?),
            Ask::Files { item, after, limit } => self.files(&self.find(item)?, *after, *limit),
            Ask::Findings { item, after, from, limit } => {
                self.findings(&self.find(item)?, *after, *from, *limit)
            }
            Ask::Steer { items, how, reason, dry_run } => self.steer(items, *how, reason, *dry_run, asker),
            Ask::Requeue { items, filter, from, reason, dry_run } => {
                self.requeue(items, filter, from.as_deref(), reason, *dry_run, asker)
            }
            Ask::Watch { seen, items, millis } => self.watch(*seen, items, Duration::from_millis(*millis)),
            Ask::Status => self.status(),
            Ask::Disk => Ok(Answer::Disk { places: self.places()? }),
            Ask::Objects { filter, after, limit } => self.objects(filter, after.as_deref(), *limit),
            Ask::Keep(ask) => self.keep(ask, asker),
            Ask::Delete(ask) => self.delete(ask, asker),
            Ask::Repair(ask) => self.repair(ask, asker),
            Ask::Job(ask) => self.job(ask, asker),
            Ask::Vitals => self.vitals(),
            Ask::Tally { walk, period, after } => self.tally(*walk, *period, after.clone()),
            Ask::Fixity(ask) => self.fixity(ask, asker),
            Ask::Giving(ask) => self.giving(ask, asker),
            Ask::Object { object } => self.object(object),
            Ask::Rows { after, limit } => self.rows(after.as_deref(), *limit),
            Ask::Restore { object, to } => self.restore(object, to, asker),
            Ask::Doctor => self.doctor(),
            Ask::Sources { source } => self.sources(source.as_deref()),
            Ask::Scan { source } => self.scan_source(source, asker),
            Ask::Probe { source } => self.probe(source.as_deref()),
            Ask::PauseSource { source, reason } => self.pause_source(source, reason, asker),
            Ask::ResumeSource { source } => self.resume_source(source),
            Ask::Reconcile { targets, check } => self.reconcile(targets, *check, asker),
            Ask::Reconciled { after, limit } => self.reconciled(*after, *limit),
            Ask::Backup => self.backup(),
            Ask::LastBackup => self.last_backup(),
            Ask::Verify => self.verify(),
            Ask::Config => Ok(self.config_view()),
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            data: self.config().data.display().to_string(),
            started: self.started,
        }
    }

    /// The item of this number or name.
    fn find(&self, word: &str) -> Told<Item> {
        if let Ok(number) = word.parse::<u64>() {
            let item =
                self.ledger.item(ItemId(number)).map_err(|error| of_ledger(&error, "looking for an item"))?;
            return item.ok_or_else(|| missing(word));
        }
        let mut found = Vec::new();
        for (depositor, bag) in self.names_of(word) {
            let named = self.ledger.named(&depositor, &bag);
            found.extend(named.map_err(|error| of_ledger(&error, "looking for an item"))?);
        }
        found.sort_by_key(|item: &Item| item.id);
        // The same bag sent several times: the newest is what people mean. Of two depositors: nobody can tell.
        let newest = found.last().cloned();
        let Some(newest) = newest else { return Err(missing(word)) };
        if found.iter().any(|item| item.depositor != newest.depositor) {
            let names: Vec<String> =
                found.iter().map(|item| format!("{} ({}/{})", item.id, item.depositor, item.bag)).collect();
            return Err(Box::new(
                Complaint::new(Sort::Usage, format!("\"{}\" is several items", word.escape_debug()))
                    .because(names.join(", "))
                    .then_try("name it by its number, or as depositor/bag"),
            ));
        }
        Ok(newest)
    }

    fn keep(&self, ask: &KeepAsk, asker: &Asker) -> Told<Answer> {
        match ask {
            KeepAsk::Targets { target } => self.targets(target.as_deref()),
            KeepAsk::Usage { target } => self.usage(target.as_deref()),
            KeepAsk::Fill { target, after, only_count } => {
                self.fill(target.as_deref(), after.as_deref(), *only_count)
            }
            KeepAsk::UseTarget { target, state, reason, dry_run } => {
                self.use_target(target, *state, reason, *dry_run, asker)
            }
            KeepAsk::Probe { target } => self.probe_targets(target.as_deref()),
            KeepAsk::History { object } => self.history(object),
            KeepAsk::ObjectFiles { object, version, after, limit } => {
                self.object_files(object, *version, after.as_deref(), *limit)
            }
            KeepAsk::Prove { object, target } => self.prove(object, target.as_deref()),
        }
    }

    /// Which depositor and bag a name may mean: `depositor/bag`, or a bag of any depositor.
    fn names_of(&self, word: &str) -> Vec<(String, String)> {
        let plain = word.strip_prefix("strongroom:").unwrap_or(word);
        let bag = |name: &str| bag_name(name).unwrap_or_else(|| name.to_string());
        match plain.split_once('/') {
            Some((depositor, name)) => vec![(depositor.to_string(), bag(name))],
            None => self
                .config()
                .depositors
                .iter()
                .map(|depositor| (depositor.name.clone(), bag(plain)))
                .collect(),
        }
    }

    /// The object ids a word may mean.
    fn object_ids(&self, word: &str) -> Vec<ObjectId> {
        let mut ids = vec![ObjectId(word.to_string())];
        ids.extend(self.names_of(word).into_iter().map(|(depositor, bag)| ObjectId::of(&depositor, &bag)));
        ids.dedup();
        ids
    }
}

fn missing(word: &str) -> Box<Complaint> {
    Box::new(
        Complaint::new(Sort::NotFound, format!("there is no item \"{}\"", word.escape_debug()))
            .then_try("strongroom item list --all"),
    )
}

fn of_ledger(error: &crate::books::ledger::LedgerError, doing: &str) -> Box<Complaint> {
    Box::new(Complaint::of_ledger(error, doing))
}

/// The stage of this name, or the nearest one there is.
pub fn stage_of(name: &str) -> Told<Stage> {
    Stage::from_name(name)
        .ok_or_else(|| unknown("stage", name, Stage::ALL.iter().map(|stage| stage.name()).collect()))
}

/// The kind of trouble of this name, or the nearest one there is.
pub fn kind_of(name: &str) -> Told<Kind> {
    let names = || crate::model::trouble::KINDS.iter().map(|row| row.name).collect();
    Kind::from_name(name).ok_or_else(|| unknown("kind of trouble", name, names()))
}

/// A word that is none of these.
pub fn unknown(what: &str, name: &str, names: Vec<&'static str>) -> Box<Complaint> {
    unknown_among(what, name, names)
}

/// A name that is none of these.
pub fn unknown_among(what: &str, name: &str, names: Vec<&str>) -> Box<Complaint> {
    if names.is_empty() {
        return Box::new(Complaint::new(Sort::NotFound, format!("there is no {what}")));
    }
    let near = crate::books::config::keys::nearest(name, names.iter().copied());
    let complaint = Complaint::new(Sort::Usage, format!("\"{}\" is no {what}", name.escape_debug()))
        .because(format!("there are {}", names.join(", ")));
    Box::new(match near {
        Some(near) => complaint.then_try(near),
        None => complaint,
    })
}
