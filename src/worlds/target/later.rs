//! A target that is opened when it is first needed, so that one that is not mounted does not keep the others from work.
//!
//! - As long as it cannot be opened, every verb says why; as soon as it can, every verb works.

use super::burial::{Burial, Buried, GoOn};
use super::holdings::{Holdings, KeptFile, Lies, UnderWay};
use super::mending::{Aside, Mend, Mended, Mending, Quarantined};
use super::probe::Ability;
use super::{Head, Publication, Put, Sink, Target, TargetError, Txn, Vouched, Where};
use crate::model::object::ObjectId;
use crate::rules::read::ReadAt;
use crate::worlds::Space;
use std::sync::{Arc, Mutex};

type Open = dyn Fn() -> Result<Arc<dyn Target>, TargetError> + Send + Sync;

/// A target, sooner or later.
pub struct LaterTarget {
    root: String,
    open: Box<Open>,
    opened: Mutex<Option<Arc<dyn Target>>>,
}

impl LaterTarget {
    /// The target that `open` gives; `root` names its storage root until then.
    pub fn new(
        root: String,
        open: impl Fn() -> Result<Arc<dyn Target>, TargetError> + Send + Sync + 'static,
    ) -> LaterTarget {
        LaterTarget { root, open: Box::new(open), opened: Mutex::new(None) }
    }

    fn target(&self) -> Result<Arc<dyn Target>, TargetError> {
        let mut opened = self.opened.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(target) = &*opened {
            return Ok(target.clone());
        }
        let target = (self.open)()?;
        *opened = Some(target.clone());
        Ok(target)
    }
}

impl Target for LaterTarget {
    fn root(&self) -> String {
        self.target().map_or_else(|_| self.root.clone(), |target| target.root())
    }

    fn space(&self) -> Result<Space, TargetError> {
        self.target()?.space()
    }

    fn head(&self, object: &ObjectId) -> Result<Option<Head>, TargetError> {
        self.target()?.head(object)
    }

    fn begin(&self, txn: &Txn, object: &ObjectId, version: u32) -> Result<(), TargetError> {
        self.target()?.begin(txn, object, version)
    }

    fn put(&self, txn: &Txn, files: &[Put<'_>]) -> Result<u64, TargetError> {
        self.target()?.put(txn, files)
    }

    fn read(&self, at: Where<'_>, sink: &mut dyn FnMut(&[u8])) -> Result<u64, TargetError> {
        self.target()?.read(at, sink)
    }

    fn read_while(&self, at: Where<'_>, sink: Sink<'_>) -> Result<u64, TargetError> {
        self.target()?.read_while(at, sink)
    }

    fn readers(&self) -> usize {
        self.target().map_or(1, |target| target.readers())
    }

    fn vouches(&self, at: Where<'_>) -> Result<Option<Vouched>, TargetError> {
        self.target()?.vouches(at)
    }

    fn publish(&self, txn: &Txn, what: &Publication<'_>) -> Result<String, TargetError> {
        self.target()?.publish(txn, what)
    }

    fn log(&self, object: &ObjectId, name: &str, bytes: &[u8]) -> Result<(), TargetError> {
        self.target()?.log(object, name, bytes)
    }

    fn entomb(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        self.target()?.entomb(txn, what, go_on)
    }

    fn discard(&self, txn: &Txn) -> Result<(), TargetError> {
        self.target()?.discard(txn)
    }

    fn probe(&self) -> Result<Vec<Ability>, TargetError> {
        self.target()?.probe()
    }
}

impl Holdings for LaterTarget {
    fn walk(&self, after: Option<&str>, each: &mut dyn FnMut(Lies<'_>) -> bool) -> Result<(), TargetError> {
        self.target()?.walk(after, each)
    }

    fn files(&self, folder: &str, each: &mut dyn FnMut(&str, u64)) -> Result<(), TargetError> {
        self.target()?.files(folder, each)
    }

    fn open(&self, at: Where<'_>) -> Result<Box<dyn ReadAt>, TargetError> {
        self.target()?.open(at)
    }

    fn under_way(&self) -> Result<Vec<UnderWay>, TargetError> {
        self.target()?.under_way()
    }

    fn keep(&self, name: &str, from: &dyn ReadAt) -> Result<(), TargetError> {
        self.target()?.keep(name, from)
    }

    fn kept(&self) -> Result<Vec<KeptFile>, TargetError> {
        self.target()?.kept()
    }

    fn forget(&self, name: &str) -> Result<(), TargetError> {
        self.target()?.forget(name)
    }
}

impl Mending for LaterTarget {
    fn mend(&self, what: &Mend<'_>) -> Result<Mended, TargetError> {
        self.target()?.mend(what)
    }

    fn set_aside(&self, aside: &Aside) -> Result<Option<u64>, TargetError> {
        self.target()?.set_aside(aside)
    }

    fn sweep_up(&self, starts: &str) -> Result<(), TargetError> {
        self.target()?.sweep_up(starts)
    }

    fn quarantine(&self, starts: &str) -> Result<Vec<Quarantined>, TargetError> {
        self.target()?.quarantine(starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::fate::Fate;
    use crate::worlds::target::rehearsal::RehearsalTarget;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_target_that_is_mounted_later_works_from_then_on() {
        let mounted = Arc::new(AtomicBool::new(false));
        let seen = mounted.clone();
        let later = LaterTarget::new("/srv/a/ocfl".into(), move || match seen.load(Ordering::Relaxed) {
            true => Ok(Arc::new(RehearsalTarget::new("a", Arc::new(Fate::default())))),
            false => Err(TargetError::Missing { target: "a".into(), why: "no marker".into() }),
        });
        assert_eq!(later.root(), "/srv/a/ocfl");
        assert!(matches!(later.space(), Err(TargetError::Missing { .. })));
        mounted.store(true, Ordering::Relaxed);
        assert!(later.space().is_ok());
        assert_eq!(later.head(&ObjectId::of("u", "b")), Ok(None));
    }
}
