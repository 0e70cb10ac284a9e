//! Targets that do not answer at some moment: what was not looked at is never called sound, and never called done.

use crate::jobs::{asker, office_in};
use crate::rehearsal::{House, house_of};
use crate::sweeping::{DAY, bag, due, sweep};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use strongroom::books::ledger::SweepState;
use strongroom::model::job::RunEnd;
use strongroom::model::object::ObjectId;
use strongroom::rules::ocfl::layout;
use strongroom::rules::read::ReadAt;
use strongroom::work::desk::fixity_words::FixityAsk;
use strongroom::work::desk::words::{Answer, Ask, JobStep, Starter};
use strongroom::work::levelling::Leveller;
use strongroom::work::repair::{Came, Repairer};
use strongroom::worlds::Space;
use strongroom::worlds::target::burial::{Burial, Buried, GoOn};
use strongroom::worlds::target::holdings::{Holdings, KeptFile, Lies, UnderWay};
use strongroom::worlds::target::mending::{Aside, Mend, Mended, Mending, Quarantined};
use strongroom::worlds::target::rehearsal::RehearsalTarget;
use strongroom::worlds::target::{Head, Publication, Put, Target, TargetError, Txn, Where};

/// A target whose inventories cannot be opened while it is shy, on which every reader waits while it is held, and where
/// something else happens in the middle of a reading.
struct Fickle {
    target: Arc<RehearsalTarget>,
    shy: AtomicBool,
    held: Mutex<bool>,
    freed: Condvar,
    meanwhile: Mutex<Option<Meanwhile>>,
}

/// What happens while a file of this object is read at this path, the first so many times left out.
struct Meanwhile {
    object: ObjectId,
    path: &'static str,
    but: usize,
    what: Box<dyn FnOnce() + Send>,
}

impl Fickle {
    fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.freed.notify_all();
    }

    fn meanwhile(
        &self,
        (object, path): (ObjectId, &'static str),
        but: usize,
        what: impl FnOnce() + Send + 'static,
    ) {
        *self.meanwhile.lock().unwrap() = Some(Meanwhile { object, path, but, what: Box::new(what) });
    }

    /// What is to happen in this reading.
    fn now(&self, at: Where<'_>) -> Option<Box<dyn FnOnce() + Send>> {
        let mut meanwhile = self.meanwhile.lock().unwrap();
        let Where::Object(object, path) = at else { return None };
        let one = meanwhile.as_mut().filter(|one| one.object == *object && one.path == path)?;
        if one.but > 0 {
            one.but -= 1;
            return None;
        }
        meanwhile.take().map(|one| one.what)
    }

    fn wait(&self) {
        drop(self.freed.wait_while(self.held.lock().unwrap(), |held| *held).unwrap());
    }
}

impl Target for Fickle {
    fn root(&self) -> String {
        self.target.root()
    }

    fn space(&self) -> Result<Space, TargetError> {
        self.target.space()
    }

    fn head(&self, object: &ObjectId) -> Result<Option<Head>, TargetError> {
        self.target.head(object)
    }

    fn begin(&self, txn: &Txn, object: &ObjectId, version: u32) -> Result<(), TargetError> {
        self.target.begin(txn, object, version)
    }

    fn put(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError> {
        self.target.put(txn, files)
    }

    fn read(&self, at: Where<'_>, sink: &mut dyn FnMut(&[u8])) -> Result<u64, TargetError> {
        self.wait();
        let Some(what) = self.now(at) else { return self.target.read(at, sink) };
        let mut bytes = Vec::new();
        let size = self.target.read(at, &mut |piece| bytes.extend_from_slice(piece))?;
        sink(&bytes[..bytes.len() / 2]);
        sink(&bytes[bytes.len() / 2..bytes.len() - 1]);
        what();
        sink(&bytes[bytes.len() - 1..]);
        Ok(size)
    }

    fn publish(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError> {
        self.target.publish(txn, what)
    }

    fn log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        self.target.log(object, name, bytes)
    }

    fn entomb(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        self.target.entomb(txn, what, go_on)
    }

    fn discard(&self, txn: &Txn) -> Result<(), TargetError> {
        self.target.discard(txn)
    }
}

impl Holdings for Fickle {
    fn walk(&self, after: Option<&str>, each: &mut dyn FnMut(Lies<'_>) -> bool) -> Result<(), TargetError> {
        self.target.walk(after, each)
    }

    fn files(&self, folder: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), TargetError> {
        Holdings::files(&*self.target, folder, each)
    }

    fn open(&self, at: Where<'_>) -> Result<Box<dyn ReadAt>, TargetError> {
        match at {
            Where::Object(_, path)
                if path.ends_with(layout::INVENTORY) && self.shy.load(Ordering::Relaxed) =>
            {
                let why = "too many open files".into();
                Err(TargetError::Io { target: "fickle".into(), path: path.into(), why })
            }
            at => self.target.open(at),
        }
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, TargetError> {
        self.target.under_way()
    }

    fn keep(&self, name: &str, from: &dyn ReadAt) -> Result<(), TargetError> {
        self.target.keep(name, from)
    }

    fn kept(&self) -> Result<Vec<KeptFile>, TargetError> {
        self.target.kept()
    }

    fn forget(&self, name: &str) -> Result<(), TargetError> {
        self.target.forget(name)
    }
}

impl Mending for Fickle {
    fn mend(&self, what: &Mend<'_>) -> Result<Mended, TargetError> {
        self.target.mend(what)
    }

    fn set_aside(&self, aside: &Aside) -> Result<Option<u64>, TargetError> {
        self.target.set_aside(aside)
    }

    fn sweep_up(&self, starts: &str) -> Result<(), TargetError> {
        self.target.sweep_up(starts)
    }

    fn quarantine(&self, starts: &str) -> Result<Vec<Quarantined>, TargetError> {
        self.target.quarantine(starts)
    }
}

/// A house with one bag on a and b, and its targets.
fn house() -> (House, Vec<Arc<Fickle>>) {
    let (house, targets) = empty();
    house.deposit("bag-000", &[("a.txt", "alpha"), ("b/c.txt", "gamma")]);
    house.run();
    house.clock.advance(200 * DAY);
    (house, targets)
}

/// A house whose policy is of a and b, and its targets a, b and c.
fn empty() -> (House, Vec<Arc<Fickle>>) {
    let targets = Mutex::new(Vec::new());
    let house = house_of(&["a", "b", "c"], &|target| {
        let fickle = Arc::new(Fickle {
            target,
            shy: AtomicBool::new(false),
            held: Mutex::new(false),
            freed: Condvar::new(),
            meanwhile: Mutex::default(),
        });
        targets.lock().unwrap().push(fickle.clone());
        fickle
    });
    (house, targets.into_inner().unwrap())
}

#[test]
fn a_copy_whose_inventory_could_not_be_opened_for_a_moment_is_not_called_sound() {
    let (house, targets) = house();
    house.targets["a"].damage(&bag(0), "v1/content/bag/data/a.txt", b"?".to_vec());
    targets[0].shy.store(true, Ordering::Relaxed);
    let (_, parts) = sweep(&house, &due());
    assert_eq!((parts["a"].sound, parts["a"].left), (0, 1), "{:?}", parts["a"]);
    assert_eq!((parts["b"].sound, parts["b"].left), (1, 0), "{:?}", parts["b"]);
    targets[0].shy.store(false, Ordering::Relaxed);
    let (_, parts) = sweep(&house, &due());
    assert_eq!((parts["a"].faulty, parts["a"].state), (1, SweepState::Done), "{:?}", parts["a"]);
}

#[test]
fn the_job_fixity_that_found_a_run_of_one_target_under_way_proves_the_others_too() {
    let (house, targets) = house();
    let office = office_in(house, "");
    targets[0].hold(true);
    let only_a = FixityAsk::Run { all: false, seconds: None, bytes: None, targets: vec!["a".into()] };
    let begun = office.desk.answer(&Ask::Fixity(only_a), &asker("anna"));
    assert!(matches!(begun, Answer::Fixity(_)), "{begun:?}");
    let first = office.step("fixity", None, Some(Starter::Cron));
    let JobStep::Going { run, .. } = first else { panic!("{first:?}") };
    targets[0].hold(false);
    let end = loop {
        match office.step("fixity", Some(run), Some(Starter::Cron)) {
            JobStep::Going { .. } => {}
            JobStep::Over { run } => break *run,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end.end, RunEnd::Well);
    let since = office.house.world.clock.now().checked_sub(Duration::from_secs(86_400)).unwrap();
    for target in ["a", "b"] {
        let proofs = office.house.ledger.oldest_proofs(target, None, 9).unwrap();
        assert!(proofs.iter().all(|copy| copy.proved_at > since), "{target}: {end:?}, {proofs:?}");
    }
}

#[test]
fn two_objects_are_copied_to_one_target_at_once() {
    let (house, targets) = empty();
    let names: Vec<String> = (0..2_400).map(|number| format!("{number:0>100}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    house.deposit("bag-000", &files);
    house.deposit("bag-001", &[("a.txt", "alpha")]);
    house.run();
    let inventory = house.targets["a"].files(&bag(0))["v1/inventory.json"].len();
    assert!(inventory > 1 << 20, "{inventory} bytes are written in one go");
    let (world, ledger, settings) = (house.world.clone(), house.ledger.clone(), house.settings.clone());
    let level = move |number| {
        let leveller = Leveller { world: &world, ledger: &ledger, settings: &settings, step: &|_| Ok(()) };
        leveller.level(&bag(number), "c").map(|done| done.versions).map_err(|stop| format!("{stop:?}"))
    };
    let other = level.clone();
    // There is no other copy to go to.
    house.targets["b"].unmount(true);
    let of_other = Arc::new(Mutex::new(None));
    let noted = of_other.clone();
    let then = move || *noted.lock().unwrap() = Some(other(1));
    targets[0].meanwhile((bag(0), "v1/inventory.json"), 0, then);
    assert_eq!(level(0), Ok(1));
    assert_eq!(of_other.lock().unwrap().take(), Some(Ok(1)));
    assert_eq!(house.targets["c"].objects(), [bag(0), bag(1)]);
    let left: Vec<_> =
        house.disk.files().into_keys().filter(|place| place.path.contains("-level-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn who_only_looks_at_a_plan_does_not_disturb_a_repair_on_the_same_target() {
    let (house, targets) = empty();
    let text = "x".repeat(2 << 20);
    house.deposit("bag-000", &[("a.txt", &text)]);
    house.deposit("bag-001", &[("a.txt", "alpha")]);
    house.run();
    const LONG: &str = "v1/content/bag/data/a.txt";
    for number in 0..2 {
        house.targets["b"].damage(&bag(number), LONG, b"?".to_vec());
    }
    let (world, ledger, settings) = (house.world.clone(), house.ledger.clone(), house.settings.clone());
    let then = move || {
        let repairer = Repairer { world: &world, ledger: &ledger, settings: &settings, step: &|_| Ok(()) };
        assert_eq!(repairer.plan(&bag(1), "b").unwrap().files, 1);
    };
    // It is digested first, and fetched then.
    targets[0].meanwhile((bag(0), LONG), 1, then);
    let repairer =
        Repairer { world: &house.world, ledger: &house.ledger, settings: &house.settings, step: &|_| Ok(()) };
    assert_eq!(repairer.mend(&bag(0), "b").unwrap().came, Came::Whole);
    assert!(targets[0].meanwhile.lock().unwrap().is_none(), "the plan was made in the middle of it");
    let left: Vec<_> =
        house.disk.files().into_keys().filter(|place| place.path.contains("-repair-")).collect();
    assert!(left.is_empty(), "{left:?}");
}
