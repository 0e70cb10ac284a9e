//! A whole house in memory: rehearsal worlds, one fate, and a way to run the line until everything rests.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strongroom::books::ledger::{ItemFilter, Ledger, NewItem};
use strongroom::model::digest::Algorithm;
use strongroom::model::event::Event;
use strongroom::model::item::{Asker, Deposit, Item};
use strongroom::model::object::{ObjectId, Policy};
use strongroom::rules::bagit::make;
use strongroom::rules::packed::{Caps, Container};
use strongroom::rules::premis::chain::{LogFile, LogLine, follow};
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::Limits;
use strongroom::work::job::{Accept, Settings};
use strongroom::work::pipeline::Pipeline;
use strongroom::work::stages::INGEST_LINE;
use strongroom::worlds::World;
use strongroom::worlds::book::rehearsal::RehearsalBook;
use strongroom::worlds::clock::rehearsal::RehearsalClock;
use strongroom::worlds::disk::rehearsal::RehearsalDisk;
use strongroom::worlds::fate::Fate;
use strongroom::worlds::outlet::rehearsal::RehearsalOutlet;
use strongroom::worlds::source::Source;
use strongroom::worlds::source::rehearsal::RehearsalSource;
use strongroom::worlds::target::Target;
use strongroom::worlds::target::rehearsal::RehearsalTarget;

/// The longest a rehearsal may take before it counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

pub struct House {
    pub fate: Arc<Fate>,
    pub source: Arc<RehearsalSource>,
    pub disk: Arc<RehearsalDisk>,
    pub targets: BTreeMap<String, Arc<RehearsalTarget>>,
    pub outlet: RehearsalOutlet,
    pub clock: Arc<RehearsalClock>,
    pub world: Arc<World>,
    pub ledger: Arc<Ledger>,
    pub settings: Settings,
}

pub fn house() -> House {
    house_over(&|target| target)
}

/// A house whose line sees its targets through `wrap`.
pub fn house_over(wrap: &dyn Fn(Arc<RehearsalTarget>) -> Arc<dyn Target>) -> House {
    house_of(&["a", "b"], wrap)
}

/// A house with these targets; the policy is of a and b.
pub fn house_of(names: &[&str], wrap: &dyn Fn(Arc<RehearsalTarget>) -> Arc<dyn Target>) -> House {
    let fate = Arc::new(Fate::default());
    let source = Arc::new(RehearsalSource::new(fate.clone()));
    let disk = Arc::new(RehearsalDisk::with_volumes(fate.clone(), &["staging", "records"]));
    let clock = Arc::new(RehearsalClock::new());
    let targets: BTreeMap<String, Arc<RehearsalTarget>> = names
        .iter()
        .map(|name| (name.to_string(), Arc::new(RehearsalTarget::new(name, fate.clone()))))
        .collect();
    let outlet = RehearsalOutlet::new(fate.clone());
    let world = Arc::new(World {
        source: source.clone(),
        targets: targets.iter().map(|(name, target)| (name.clone(), wrap(target.clone()))).collect(),
        disk: disk.clone(),
        clock: clock.clone(),
        book: Arc::new(RehearsalBook::new(fate.clone())),
        outlets: Arc::new(outlet.clone()),
    });
    let ledger = Arc::new(Ledger::new(world.clone(), &INGEST_LINE));
    House { fate, source, disk, targets, outlet, clock, world, ledger, settings: settings() }
}

fn settings() -> Settings {
    let policy = Policy { name: "default".into(), targets: vec!["a".into(), "b".into()], copies: 2 };
    Settings {
        ledger_id: "rehearsal".into(),
        policies: BTreeMap::from([("default".into(), policy)]),
        storage_options: BTreeMap::new(),
        uses: Arc::default(),
        keeping: Arc::default(),
        staging: vec!["staging".into()],
        records: "records".into(),
        floors: BTreeMap::new(),
        workers: BTreeMap::new(),
        digesters: 1,
        copiers: 1,
        tar: Limits { members: 10_000, ..Limits::default() },
        sources: Vec::new(),
        part_min: 1 << 10,
        bytes_max: 1 << 30,
        accept: Accept { everybody: Container::READ.to_vec(), ..Accept::default() },
        packed: Caps::default(),
        files_versions_max: 10_000,
        look_every: Duration::from_millis(2),
        retry_first: Duration::from_secs(1),
        retry_longest: Duration::from_secs(60),
        judging: Arc::default(),
        given_for: Some(Duration::from_secs(14 * 86_400)),
        spot_test_every: Some(Duration::from_secs(30 * 86_400)),
    }
}

/// A policy of two copies.
pub fn policy(name: &str, targets: &[&str]) -> Policy {
    Policy { name: name.into(), targets: targets.iter().map(|name| name.to_string()).collect(), copies: 2 }
}

/// A bag with these payload files, as a tar.
pub fn tar(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut files = files.iter().map(|(path, text)| {
        ((*path).to_string(), text.len() as u64, Box::new(text.as_bytes()) as Box<dyn Read>)
    });
    let plan = make::Plan { algorithms: vec![Algorithm::Md5, Algorithm::Sha256], ..make::Plan::default() };
    make::tar_bag(&mut out, name, &mut files, &plan, &MemoryScratch::default()).unwrap();
    out
}

impl House {
    pub fn deposit(&self, bag: &str, files: &[(&str, &str)]) -> Item {
        let key = format!("/inbox/{bag}.tar");
        self.source.add_tar(&key, tar(bag, files));
        self.submit(bag, &key)
    }

    /// A deposit that must be fetched, in several parts.
    pub fn deposit_afar(&self, bag: &str, files: &[(&str, &str)]) -> Item {
        let key = format!("https://uva.edu/drop/{bag}.tar");
        self.source.add_tar(&key, tar(bag, files));
        self.submit(bag, &key)
    }

    /// The same bag as a gzip-compressed tar.
    pub fn deposit_packed(&self, bag: &str, files: &[(&str, &str)]) -> Item {
        let key = format!("/inbox/{bag}.tar.gz");
        let tar = tar(bag, files);
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(&tar[..], flate2::Compression::fast()).read_to_end(&mut packed).unwrap();
        self.source.add_tar(&key, packed);
        self.submit(bag, &key)
    }

    /// A bag with this Storage-Option.
    pub fn deposit_for(&self, bag: &str, files: &[(&str, &str)], option: &str) -> Item {
        let mut out = Vec::new();
        let mut files = files.iter().map(|(path, text)| {
            ((*path).to_string(), text.len() as u64, Box::new(text.as_bytes()) as Box<dyn Read>)
        });
        let plan =
            make::Plan { info: vec![("Storage-Option".into(), option.into())], ..make::Plan::default() };
        make::tar_bag(&mut out, bag, &mut files, &plan, &MemoryScratch::default()).unwrap();
        let key = format!("/inbox/{bag}.tar");
        self.source.add_tar(&key, out);
        self.submit(bag, &key)
    }

    pub fn submit(&self, bag: &str, key: &str) -> Item {
        self.submit_asking(bag, key, None)
    }

    /// Somebody asks for this policy.
    pub fn submit_asking(&self, bag: &str, key: &str, policy: Option<&str>) -> Item {
        let arrival = self.source.look(key).unwrap();
        let asked_by = Asker { uid: 0, name: "tester".into(), door: "test".into() };
        let deposit = Deposit {
            key: key.into(),
            form: arrival.form,
            bytes: arrival.bytes,
            pin: arrival.pin,
            mark: arrival.mark,
            fetched: !arrival.in_place,
        };
        let new = NewItem {
            depositor: "uva.edu".into(),
            bag: bag.into(),
            deposit,
            policy: policy.unwrap_or("default").into(),
            policy_asked: policy.is_some(),
            asked_by,
            listed: None,
            refused: None,
            replaces: None,
        };
        self.ledger.submit(new).unwrap()
    }

    pub fn items(&self) -> Vec<Item> {
        self.ledger.scan(&ItemFilter::default(), None, usize::MAX).unwrap()
    }

    /// Runs one process until `until` holds of the only item, without moving the clock further than a second a look.
    pub fn run_until(&self, until: impl Fn(&Item) -> bool) -> Item {
        let pipeline =
            Pipeline::start(self.world.clone(), self.ledger.clone(), self.settings.clone()).unwrap();
        let started = Instant::now();
        loop {
            let item = self.items().remove(0);
            if until(&item) {
                pipeline.stop().unwrap();
                return item;
            }
            assert!(started.elapsed() < STUCK, "stuck: {item:#?}");
            std::thread::sleep(Duration::from_millis(1));
            self.clock.advance(Duration::from_secs(1));
        }
    }

    /// Runs one process until every item rests, the power is gone, or the process must end. True: all rest.
    pub fn run_once(&self) -> bool {
        let Ok(pipeline) = Pipeline::start(self.world.clone(), self.ledger.clone(), self.settings.clone())
        else {
            return false;
        };
        let started = Instant::now();
        loop {
            if self.fate.dark() || pipeline.fatal().is_some() {
                return false;
            }
            let resting = self
                .ledger
                .scan(&ItemFilter::default(), None, usize::MAX)
                .is_ok_and(|items| items.iter().all(|item| item.checkpoint.standing.rests()));
            if resting {
                return pipeline.stop().is_ok();
            }
            assert!(started.elapsed() < STUCK, "stuck: {:#?}", self.items());
            std::thread::sleep(Duration::from_millis(1));
            self.clock.advance(Duration::from_secs(1));
        }
    }

    /// Runs processes, with the power back before each, until every item rests.
    pub fn run(&self) {
        for _ in 0..20 {
            if self.run_once() {
                return;
            }
            self.fate.recover();
        }
        panic!("after 20 starts there is still work: {:#?}", self.items());
    }

    pub fn events(&self) -> Vec<Event> {
        self.items().iter().flat_map(|item| self.ledger.events(item.id).unwrap()).collect()
    }
}

/// The files of events beside a copy.
pub fn log_files(house: &House, target: &str, object: &ObjectId) -> Vec<LogFile> {
    let files = house.targets[target].files(object);
    let log = |(path, bytes): (&String, &_)| {
        let bytes: &Arc<Vec<u8>> = bytes;
        Some(LogFile { name: path.strip_prefix("logs/premis/")?.into(), bytes: bytes.to_vec() })
    };
    files.iter().filter_map(log).collect()
}

/// What they tell, their chain checked.
pub fn log_lines(house: &House, target: &str, object: &ObjectId) -> Vec<LogLine> {
    follow(&log_files(house, target, object)).unwrap()
}
