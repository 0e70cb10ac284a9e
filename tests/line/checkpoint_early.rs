//! A negative control: with targets that are published to only after the checkpoint says so, `every_fault` must not hold.

use crate::every_fault::end;
use crate::rehearsal::{House, house_over};
use std::sync::{Arc, Mutex};
use strongroom::model::object::ObjectId;
use strongroom::rules::ocfl::layout;
use strongroom::rules::read::ReadAt;
use strongroom::worlds::Space;
use strongroom::worlds::fate::Blow;
use strongroom::worlds::target::burial::{Burial, Buried, GoOn};
use strongroom::worlds::target::holdings::{Holdings, KeptFile, Lies, UnderWay};
use strongroom::worlds::target::mending::{Aside, Mend, Mended, Mending, Quarantined};
use strongroom::worlds::target::rehearsal::RehearsalTarget;
use strongroom::worlds::target::{Head, Publication, Put, Target, TargetError, Txn, Where};

/// Says "published" at once, and publishes when it is next asked for anything: by then the checkpoint is written.
struct Hasty {
    target: Arc<RehearsalTarget>,
    owed: Mutex<Option<Owed>>,
}

struct Owed {
    txn: Txn,
    object: ObjectId,
    version: u32,
    inventory: Vec<u8>,
    inventory_sha512: String,
    base_sha512: Option<String>,
}

impl Hasty {
    fn pay(&self) -> Result<&RehearsalTarget, TargetError> {
        if let Some(owed) = self.owed.lock().unwrap().take() {
            let what = Publication {
                object: &owed.object,
                version: owed.version,
                inventory: &owed.inventory,
                inventory_sha512: &owed.inventory_sha512,
                base_sha512: owed.base_sha512.as_deref(),
            };
            self.target.publish(&owed.txn, &what)?;
        }
        Ok(&self.target)
    }

    /// What a process meant to do ends with it.
    fn the_process_ended(&self) {
        self.owed.lock().unwrap().take();
    }
}

impl Target for Hasty {
    fn root(&self) -> String {
        self.target.root()
    }

    fn space(&self) -> Result<Space, TargetError> {
        self.target.space()
    }

    fn head(&self, object: &ObjectId) -> Result<Option<Head>, TargetError> {
        self.pay()?.head(object)
    }

    fn begin(&self, txn: &Txn, object: &ObjectId, version: u32) -> Result<(), TargetError> {
        self.pay()?.begin(txn, object, version)
    }

    fn put(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError> {
        self.pay()?.put(txn, files)
    }

    fn read(&self, at: Where<'_>, sink: &mut dyn FnMut(&[u8])) -> Result<u64, TargetError> {
        self.pay()?.read(at, sink)
    }

    fn publish(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError> {
        self.pay()?;
        let mut inventory = vec![0; what.inventory.size() as usize];
        let read = what.inventory.read_at(&mut inventory, 0).unwrap();
        assert_eq!(read, inventory.len(), "an inventory in memory is read whole");
        *self.owed.lock().unwrap() = Some(Owed {
            txn: txn.clone(),
            object: what.object.clone(),
            version: what.version,
            inventory,
            inventory_sha512: what.inventory_sha512.into(),
            base_sha512: what.base_sha512.map(String::from),
        });
        Ok(layout::object_path(what.object))
    }

    fn log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        self.pay()?.log(object, name, bytes)
    }

    fn entomb(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        self.pay()?.entomb(txn, what, go_on)
    }

    fn discard(&self, txn: &Txn) -> Result<(), TargetError> {
        self.pay()?.discard(txn)
    }
}

impl Holdings for Hasty {
    fn walk(&self, after: Option<&str>, each: &mut dyn FnMut(Lies<'_>) -> bool) -> Result<(), TargetError> {
        self.pay()?.walk(after, each)
    }

    fn files(&self, folder: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), TargetError> {
        Holdings::files(self.pay()?, folder, each)
    }

    fn open(&self, at: Where<'_>) -> Result<Box<dyn ReadAt>, TargetError> {
        self.pay()?.open(at)
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, TargetError> {
        self.pay()?.under_way()
    }

    fn keep(&self, name: &str, from: &dyn ReadAt) -> Result<(), TargetError> {
        self.pay()?.keep(name, from)
    }

    fn kept(&self) -> Result<Vec<KeptFile>, TargetError> {
        self.pay()?.kept()
    }

    fn forget(&self, name: &str) -> Result<(), TargetError> {
        self.pay()?.forget(name)
    }
}

impl Mending for Hasty {
    fn mend(&self, what: &Mend<'_>) -> Result<Mended, TargetError> {
        self.pay()?.mend(what)
    }

    fn set_aside(&self, aside: &Aside) -> Result<Option<u64>, TargetError> {
        self.pay()?.set_aside(aside)
    }

    fn sweep_up(&self, starts: &str) -> Result<(), TargetError> {
        self.pay()?.sweep_up(starts)
    }

    fn quarantine(&self, starts: &str) -> Result<Vec<Quarantined>, TargetError> {
        self.pay()?.quarantine(starts)
    }
}

fn hasty_house() -> (House, Vec<Arc<Hasty>>) {
    let targets = Mutex::new(Vec::new());
    let house = house_over(&|target| {
        let hasty = Arc::new(Hasty { target, owed: Mutex::new(None) });
        targets.lock().unwrap().push(hasty.clone());
        hasty
    });
    house.deposit("photos", &[("a.txt", "alpha"), ("b/c.txt", "gamma")]);
    (house, targets.into_inner().unwrap())
}

fn run((house, targets): &(House, Vec<Arc<Hasty>>)) {
    for _ in 0..20 {
        if house.run_once() {
            return;
        }
        targets.iter().for_each(|target| target.the_process_ended());
        house.fate.recover();
    }
    panic!("after 20 starts there is still work");
}

#[test]
fn a_checkpoint_written_before_the_publication_is_caught_by_a_power_cut() {
    let undisturbed = hasty_house();
    undisturbed.0.fate.recover();
    run(&undisturbed);
    let wanted = end(&undisturbed.0);
    assert_eq!(undisturbed.0.items()[0].checkpoint.standing.name(), "kept", "without a cut nobody notices");
    let writes = undisturbed.0.fate.writes();
    let mut caught = Vec::new();
    for at in 1..=writes {
        for blow in [Blow::PowerBefore, Blow::PowerAfter] {
            let hasty = hasty_house();
            hasty.0.fate.plan(at, blow);
            run(&hasty);
            hasty.0.fate.recover();
            if end(&hasty.0) != wanted {
                // What a checkpoint promised and no target holds is noticed before anything is called kept.
                let standing = hasty.0.items()[0].checkpoint.standing.name();
                assert_eq!(standing, "held", "{blow:?} at write {at} of {writes}");
                caught.push((at, blow));
            }
        }
    }
    assert!(!caught.is_empty(), "every fault would pass a line that writes its checkpoints too early");
    println!("caught at {} of {} cuts", caught.len(), 2 * writes);
}
