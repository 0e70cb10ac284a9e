//! The house: everything that the configuration names, opened.
//!
//! - One process has the ledger; a second one is told who has it.
//! - A volume or target is given its marker once, when the ledger meets it first. From then on one without its marker is
//!   not mounted, and is not written.
//! - Targets are opened when they are first needed: one that is missing does not keep the others from work.

use crate::books::config::needs::{Need, Needs};
use crate::books::config::{At, Config, PlaceConfig};
use crate::books::judging::JudgingRules;
use crate::books::ledger::Ledger;
use crate::books::ledger::migrations::STEPS;
use crate::books::unit::service::Service;
use crate::books::volume::Floor;
use crate::model::checkpoint::Stage;
use crate::model::trouble::Trouble;
use crate::rules::address;
use crate::rules::packed::{Caps, Container};
use crate::rules::tar;
use crate::work::desk::Desk;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::job::{Accept, Settings};
use crate::work::keeping::Keeping;
use crate::work::pipeline::Pipeline;
use crate::work::receiving::Intake;
use crate::work::stages::INGEST_LINE;
use crate::work::upgrade::Upgrade;
use crate::work::uses::TargetUses;
use crate::worlds::World;
use crate::worlds::book::mirrored::{MirroredBook, Options};
use crate::worlds::book::{Book, BookError, Guard, OLDEST, Write, durable};
use crate::worlds::clock::Clock;
use crate::worlds::clock::system::SystemClock;
use crate::worlds::disk::local::LocalDisk;
use crate::worlds::outlet::places::Places;
use crate::worlds::source::Disposal;
use crate::worlds::source::configured::{AfterKept, Place, SourceConfig};
use crate::worlds::source::local::LocalSource;
use crate::worlds::source::sources::{SourceOptions, Sources};
use crate::worlds::source::withheld::Withheld;
use crate::worlds::target::later::LaterTarget;
use crate::worlds::target::local::LocalTarget;
use crate::worlds::target::s3::S3Target;
use crate::worlds::target::{Target, TargetError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Name of the volume beside the ledger that keeps inventories of kept objects.
pub use crate::books::config::RECORDS;

/// Folder below the data folder for addresses with something secret in them.
const WITHHELD: &str = "withheld";

/// Folder below the data folder for backups of the ledger from before it was brought up.
const BACKUPS: &str = "backups";

/// How often the ledger is looked at for items that may go on; a commit is noticed at once.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a drained pipeline is given to be let go by those who only look at it.
const LET_GO: Duration = Duration::from_secs(5);

/// An open house.
pub struct House {
    /// The configuration it was opened with.
    pub config: Arc<Config>,
    /// What the configuration says about the work.
    pub settings: Settings,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    world: Arc<World>,
    sources: Arc<Sources>,
}

type Opened<T> = Result<T, Box<Complaint>>;

impl House {
    /// Opens the ledger under its lock, and knows volumes and targets.
    pub fn open(config: Arc<Config>) -> Opened<House> {
        House::open_telling(config, &mut |_| ())
    }

    /// The same; `told` hears of what goes on while the ledger is read, or brought up from an older release.
    pub fn open_telling(config: Arc<Config>, told: &mut dyn FnMut(&str)) -> Opened<House> {
        House::opened(config.clone(), told).map_err(|complaint| by_unit(complaint, &config))
    }

    fn opened(config: Arc<Config>, told: &mut dyn FnMut(&str)) -> Opened<House> {
        if let Some(fault) = config.faults_of_places().into_iter().next() {
            return Err(Box::new(fault.into()));
        }
        let book = open_book(&config, told)?;
        let ledger_id = book.ledger_id().to_string();
        for told in &book.report().repaired {
            log::warn!("the ledger was repaired: {told}");
        }
        let records = PlaceConfig {
            name: RECORDS.into(),
            at: At::Folder(config.ledger.join(RECORDS)),
            floor: Floor::default(),
        };
        for volume in config.staging.iter().chain([&records]) {
            let Some(path) = volume.folder() else { continue };
            meet(&book, "volume", volume, || {
                LocalDisk::create_volume(&volume.name, path).map_err(Trouble::from)
            })?;
        }
        for target in &config.targets {
            let Some(path) = target.folder() else { continue };
            meet(&book, "target", target, || LocalTarget::create(&target.name, path).map_err(Trouble::from))?;
        }
        let volumes: Vec<(String, PathBuf)> = config
            .staging
            .iter()
            .chain([&records])
            .filter_map(|place| Some((place.name.clone(), place.folder()?.to_path_buf())))
            .collect();
        let disk = LocalDisk::open(&volumes)
            .map_err(|error| in_trouble("opening the staging volumes", error.into()))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let withheld = Withheld::in_folder(config.data.join(WITHHELD), clock.clone());
        let options = SourceOptions { reaching: config.network.clone(), clock: clock.clone(), withheld };
        let sources = Arc::new(Sources::new(LocalSource::new(), config.sources.clone(), options));
        let book: Arc<dyn Book> = Arc::new(book);
        let outlets = Arc::new(outlets(&config, clock.clone()));
        let world = Arc::new(World {
            source: sources.clone(),
            targets: config.targets.iter().map(|target| later(target, &ledger_id, &book, &clock)).collect(),
            disk: Arc::new(disk),
            clock,
            book,
            outlets,
        });
        let ledger = Arc::new(Ledger::new(world.clone(), &INGEST_LINE));
        let uses = TargetUses::of(&ledger)
            .map_err(|error| Box::new(Complaint::of_ledger(&error, "the targets' rows are not read")))?;
        let settings = settings(&config, ledger_id, uses);
        Ok(House { config, settings, ledger, world, sources })
    }

    /// Starts the line.
    pub fn start(&self) -> Opened<Arc<Pipeline>> {
        let pipeline = Pipeline::start(self.world.clone(), self.ledger.clone(), self.settings.clone());
        pipeline
            .map(Arc::new)
            .map_err(|error| Box::new(Complaint::of_ledger(&error, "the line is not started")))
    }

    /// From now on the sources of this configuration are received from; gives what is received from where.
    pub fn reconfigure(&self, config: &Config) -> Vec<Intake> {
        self.sources.reconfigure(config.sources.clone());
        config.sources.iter().map(|source| intake(config, source)).collect()
    }

    /// A desk over this house. Without a pipeline only looking and steering is possible.
    pub fn desk(&self, pipeline: Option<&Arc<Pipeline>>, daemon: bool) -> Desk {
        let pipeline = pipeline.map_or_else(Weak::new, Arc::downgrade);
        Desk::new(self.ledger.clone(), pipeline, self.config.clone(), self.settings.clone(), daemon)
    }
}

/// The ledger alone, without the places it works with: to make it anew, or to look into it.
pub struct BareLedger {
    /// The ledger.
    pub ledger: Ledger,
}

impl BareLedger {
    /// Opens the ledger of this configuration under its lock, or makes a new one.
    pub fn open(config: &Config) -> Opened<BareLedger> {
        let book = open_book(config, &mut |_| ())?;
        let disk = LocalDisk::open(&[]).map_err(|error| in_trouble("opening no volumes", error.into()))?;
        let world = World {
            source: Arc::new(LocalSource::new()),
            targets: BTreeMap::new(),
            disk: Arc::new(disk),
            clock: Arc::new(SystemClock::new()),
            book: Arc::new(book),
            outlets: Arc::new(outlets(config, Arc::new(SystemClock::new()))),
        };
        Ok(BareLedger { ledger: Ledger::new(Arc::new(world), &INGEST_LINE) })
    }

    /// Remembers that the ledger has met these targets: one of them that is not there is not mounted, and not made.
    pub fn has_met(&self, targets: &[&PlaceConfig]) -> Opened<()> {
        let book = &self.ledger.world().book;
        for target in targets {
            let failed = |error: BookError| {
                Box::new(Complaint::of_ledger(&error.into(), "the targets are not noted in the ledger"))
            };
            let (key, write) = met("target", target);
            if book.get(&key).map_err(failed)?.is_none() {
                book.commit(&[write], &[Guard { key, revision: None }]).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// The places that objects of this configuration may be given back to.
pub fn outlets(config: &Config, clock: Arc<dyn Clock>) -> Places {
    let folders = config.staging.iter().chain(&config.targets).filter_map(PlaceConfig::folder);
    let mut ours: Vec<PathBuf> = folders.map(Path::to_path_buf).collect();
    ours.extend([config.data.clone(), config.ledger.clone()]);
    ours.extend(config.mirror.clone());
    ours.extend(config.serve.inbox.clone());
    ours.extend(config.sources.iter().filter_map(|source| match &source.place {
        Place::Folder { path } => Some(path.clone()),
        _ => None,
    }));
    Places { named: config.restoring.places.clone(), ours, clock }
}

/// A target of this configuration, opened only to look at what it holds.
pub fn look_at(target: &PlaceConfig) -> Result<Arc<dyn Target>, Trouble> {
    Ok(match &target.at {
        At::Folder(path) => Arc::new(LocalTarget::look(&target.name, path)?),
        At::Bucket(bucket) => Arc::new(S3Target::look(&target.name, bucket, Arc::new(SystemClock::new()))?),
    })
}

/// Storage roots of the targets of this configuration, by name.
pub fn roots(config: &Config) -> BTreeMap<String, String> {
    config.targets.iter().map(|target| (target.name.clone(), root_of(target))).collect()
}

fn root_of(target: &PlaceConfig) -> String {
    match &target.at {
        At::Folder(path) => path.join("ocfl").display().to_string(),
        At::Bucket(bucket) => bucket.root(),
    }
}

/// Drains the pipeline and waits for its workers; says why it stopped by itself, if it did.
pub fn stop(mut pipeline: Arc<Pipeline>) -> Result<(), String> {
    pipeline.drain();
    let end = std::time::Instant::now() + LET_GO;
    loop {
        match Arc::try_unwrap(pipeline) {
            Ok(alone) => return alone.stop(),
            // Somebody who asked for `status` still looks at it; that takes a moment.
            Err(shared) if std::time::Instant::now() < end => {
                pipeline = shared;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(shared) => return shared.fatal().map_or(Ok(()), Err),
        }
    }
}

/// The same complaint with what the unit forbids, if systemd started this process and that is the reason.
fn by_unit(complaint: Box<Complaint>, config: &Config) -> Box<Complaint> {
    if !matches!(complaint.sort, Sort::Io | Sort::Denied) {
        return complaint;
    }
    let service = Service::here();
    // Only what the complaint is about: another folder that is hidden, too, did not keep the house from opening.
    let said = format!("{}: {}", complaint.error, complaint.because);
    let is_meant =
        |need: &&Need| said.contains(&need.what) || said.contains(&need.path.display().to_string());
    let needs = Needs::of(config);
    let mut found = needs.paths.iter().filter(is_meant).filter_map(|need| service.hindrance(need));
    let Some(lack) = found.find(|lack| lack.by_unit) else { return complaint };
    // Not tried again by itself: only a person can change the unit.
    let because = format!("{}; {}", lack.text, complaint.because);
    let so = "nothing was stored, and nothing is taken in until the unit allows it";
    Box::new(Complaint { sort: Sort::Config, because, so: so.into(), then_try: lack.detail, ..*complaint })
}

fn open_book(config: &Config, told: &mut dyn FnMut(&str)) -> Opened<MirroredBook> {
    let doing = "the ledger is not opened";
    let parent = config.ledger.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(|error| {
        Box::new(
            Complaint::new(Sort::Io, doing)
                .because(format!("{}: {error}", parent.display()))
                .then_try("make the folder, or name another one: --data DIR"),
        )
    })?;
    let book = MirroredBook::open_telling(&config.ledger, config.mirror.as_deref(), Options::default(), told);
    let book = book.map_err(|error| {
        let complaint = Complaint::of_ledger(&error.clone().into(), doing);
        Box::new(match error {
            BookError::Busy { holder } => complaint
                .because(format!("{} is in use by {holder}", config.ledger.display()))
                .then_try("wait until it has ended; a daemon is asked through its socket, with the same --config or --data"),
            BookError::Damaged { .. } => complaint
                .then_try("strongroom state restore --replace TARGET, which moves it aside; man strongroom-recovery says more"),
            _ => complaint,
        })
    })?;
    brought_up(book, &config.data, told)
}

/// The book at the schema of this release; an older one is backed up below the data folder, and brought to it.
pub fn brought_up(book: MirroredBook, data: &Path, told: &mut dyn FnMut(&str)) -> Opened<MirroredBook> {
    let upgrade = Upgrade {
        backups: &data.join(BACKUPS),
        steps: &STEPS,
        program: env!("CARGO_PKG_VERSION"),
        oldest: OLDEST,
        now: SystemClock::new().now(),
        room: durable::room,
    };
    upgrade.run(book, told).map_err(|error| Box::new(Complaint::of_upgrade(&error)))
}

/// Gives a place its marker when the ledger meets it first, and remembers that it did.
fn meet(
    book: &dyn Book,
    what: &str,
    place: &PlaceConfig,
    create: impl FnOnce() -> Result<(), Trouble>,
) -> Opened<()> {
    let (key, write) = met(what, place);
    let doing = format!("{what} {} is not made", place.name);
    let failed = |error: BookError| Box::new(Complaint::of_ledger(&error.into(), &doing));
    if book.get(&key).map_err(failed)?.is_some() {
        return Ok(());
    }
    create().map_err(|trouble| in_trouble(&doing, trouble))?;
    book.commit(&[write], &[Guard { key, revision: None }]).map_err(failed)?;
    log::info!("{what} {} is at {}", place.name, place.place());
    Ok(())
}

/// The row that remembers a place that was met.
fn met(what: &str, place: &PlaceConfig) -> (String, Write) {
    let key = format!("m/place/{what}/{}", place.name);
    let met = serde_json::json!({ "path": place.place() });
    (key.clone(), Write::Put(key, met.to_string().into_bytes()))
}

fn in_trouble(doing: &str, trouble: Trouble) -> Box<Complaint> {
    Box::new(Complaint::new(Sort::Io, doing).because(trouble.sentence()).then_try(
        "check that it is mounted, empty, and may be written by the service; then strongroom doctor",
    ))
}

fn later(
    target: &PlaceConfig,
    ledger_id: &str,
    book: &Arc<dyn Book>,
    clock: &Arc<dyn Clock>,
) -> (String, Arc<dyn Target>) {
    let (place, name, ledger) = (target.clone(), target.name.clone(), ledger_id.to_string());
    let (book, clock) = (book.clone(), clock.clone());
    let root = root_of(target);
    let open = move || -> Result<Arc<dyn Target>, TargetError> {
        match &place.at {
            At::Folder(path) => Ok(Arc::new(LocalTarget::open(&name, path, &ledger)?)),
            At::Bucket(bucket) => {
                // Met when it is first needed, not at the start: a network that is away must not keep us from starting.
                let mut failed = None;
                let met = meet(&*book, "target", &place, || {
                    let created = S3Target::create(&name, bucket, clock.clone());
                    failed = created.as_ref().err().cloned();
                    created.map_err(Trouble::from)
                });
                met.map_err(|complaint| {
                    let missing = TargetError::Missing { target: name.clone(), why: complaint.because };
                    failed.unwrap_or(missing)
                })?;
                Ok(Arc::new(S3Target::open(&name, bucket, &ledger, clock.clone())?))
            }
        }
    };
    (target.name.clone(), Arc::new(LaterTarget::new(root, open)))
}

/// What the configuration says about receiving from a source.
fn intake(config: &Config, source: &SourceConfig) -> Intake {
    let depositor = config.depositor(Some(&source.depositor));
    let place = match &source.place {
        Place::Folder { path } => path.display().to_string(),
        Place::Web { url, .. } => address::shown(url),
        Place::Bucket(place) => {
            let at = place
                .endpoint
                .as_ref()
                .map_or(String::new(), |endpoint| format!(" at {}", address::shown(endpoint)));
            format!("s3://{}/{}{at}", place.bucket, place.prefix)
        }
    };
    Intake {
        name: source.name.clone(),
        place,
        depositor: source.depositor.clone(),
        policy: depositor.map_or_else(|_| "default".into(), |depositor| depositor.policy),
        // Every name ends with nothing.
        suffixes: if source.suffixes.is_empty() { vec![String::new()] } else { source.suffixes.clone() },
        temporary: source.temporary.clone(),
        bytes_max: source.size_max.unwrap_or(config.limits.bytes_max).min(config.limits.bytes_max),
        after_kept: match &source.after_kept {
            AfterKept::Leave => None,
            AfterKept::Delete => Some(Disposal::Delete),
            AfterKept::Move(to) => Some(Disposal::Move { to: to.clone() }),
        },
        in_place: matches!(source.place, Place::Folder { .. }),
        every: source.scan_every,
    }
}

/// What each depositor may send packed. The words were held against the table of keys; those for which there is no
/// container cannot be in it.
fn accept(config: &Config) -> Accept {
    let read = |words: &[String]| words.iter().filter_map(|word| Container::from_name(word)).collect();
    Accept {
        everybody: read(&config.accept),
        depositors: config
            .depositors
            .iter()
            .map(|depositor| (depositor.name.clone(), read(&depositor.accept)))
            .collect(),
    }
}

fn settings(config: &Config, ledger_id: String, uses: TargetUses) -> Settings {
    let floors = config.staging.iter().chain(&config.targets).map(|place| (place.name.clone(), place.floor));
    Settings {
        ledger_id,
        policies: config.policies.iter().map(|policy| (policy.name.clone(), policy.clone())).collect(),
        storage_options: config.storage_options.clone(),
        staging: config.staging.iter().map(|place| place.name.clone()).collect(),
        records: RECORDS.into(),
        floors: floors.collect::<BTreeMap<String, Floor>>(),
        workers: Stage::ALL.iter().map(|stage| (*stage, config.workers.of(*stage))).collect(),
        digesters: config.workers.hashers,
        copiers: config.workers.copiers,
        sources: config.sources.iter().map(|source| intake(config, source)).collect(),
        part_min: crate::work::staged::PART_MIN,
        tar: tar::Limits {
            members: config.limits.files_max,
            path_bytes: config.limits.path_bytes_max,
            component_bytes: config.limits.name_bytes_max,
            depth: config.limits.depth_max,
            ..tar::Limits::default()
        },
        bytes_max: config.limits.bytes_max,
        accept: accept(config),
        packed: Caps {
            bytes: config.limits.packed_bytes_max,
            ratio: config.limits.packed_ratio_max,
            members: config.limits.files_max,
        },
        files_versions_max: config.limits.files_versions_max,
        retry_first: config.retry.first,
        look_every: LOOK_EVERY,
        retry_longest: config.retry.longest,
        uses: Arc::new(uses),
        keeping: Arc::new(Keeping::new(config.keeping.every, config.keeping.bandwidth.clone())),
        judging: Arc::new(JudgingRules::new(config)),
        given_for: config.restoring.keep,
        spot_test_every: config.restoring.spot_test_every,
    }
}
