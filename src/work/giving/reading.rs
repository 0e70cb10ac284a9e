//! Reading a version back from its copies, file by file, every digest compared while it is read.
//!
//! - The inventory is believed only if its digest is the one that the registry holds.
//! - Copies are asked in the order of the policy; those in which something was found wrong come last. A target that is away
//!   is asked once.
//! - A file that one copy cannot give as it was recorded comes from the next; the taker gives up what it took of it.
//! - That no copy gives a file is an alarm only when every copy was asked and gave something else.

use crate::books::facts::open_blob;
use crate::books::ledger::Ledger;
use crate::model::digest::Algorithm;
use crate::model::item::Seal;
use crate::model::object::{StoredCopy, VersionRow};
use crate::model::proof::{Outcome, Proof};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::{Digester, digest_reader};
use crate::rules::ocfl::restore::RestoreStep;
use crate::rules::read::{ReadAt, Slice};
use crate::work::bringing::bring;
use crate::work::job::Settings;
use crate::work::logs;
use crate::work::policies::in_reading_order;
use crate::worlds::World;
use crate::worlds::disk::{Disk, DiskError, Place};
use crate::worlds::target::{Target, TargetError, Where};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Mutex;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Who takes a file that is read back.
pub trait Taker {
    /// A file of so many bytes comes.
    fn begin(&mut self, bytes: u64) -> Result<(), Stop>;

    /// The next bytes of it.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Stop>;

    /// What was taken since `begin` was wrong: it is given up, and the file begins anew.
    fn undo(&mut self) -> Result<(), Stop>;
}

/// A copy that did not give a file as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The target.
    pub target: String,
    /// Its bytes are others, or it has none: the copy is damaged. Else it could only not be asked.
    pub wrong: bool,
    /// Why.
    pub why: String,
}

/// The copies of one version.
pub struct Copies<'w> {
    version: VersionRow,
    from: Vec<(&'w str, &'w dyn Target)>,
    /// What is read comes from the medium, not from memory.
    medium: bool,
    away: Mutex<BTreeSet<&'w str>>,
    wrong: Mutex<BTreeMap<String, Proof>>,
}

impl<'w> Copies<'w> {
    /// The copies of this version of an object that follows `policy`, in the order in which they are asked.
    pub fn of(
        world: &'w World,
        ledger: &Ledger,
        settings: &Settings,
        policy: &str,
        version: &VersionRow,
    ) -> Result<Copies<'w>, Trouble> {
        let mut version = version.clone();
        in_reading_order(settings, policy, &mut version.copies);
        let mut from = Vec::new();
        let mut damaged = Vec::new();
        for copy in &version.copies {
            let Some((name, target)) = world.targets.get_key_value(&copy.target) else { continue };
            let mark = ledger.damage_of(name, &version.object).map_err(|error| logs::failed(&error))?;
            let last = if mark.is_some() { &mut damaged } else { &mut from };
            last.push((name.as_str(), &**target));
        }
        from.extend(damaged);
        Ok(Copies { version, from, medium: false, away: Mutex::default(), wrong: Mutex::default() })
    }

    /// The copies of this version in the order in which its row has them.
    pub fn plain(world: &'w World, version: &VersionRow) -> Copies<'w> {
        let known = |copy: &StoredCopy| {
            world.targets.get_key_value(&copy.target).map(|(name, target)| (name.as_str(), &**target))
        };
        let from = version.copies.iter().filter_map(known).collect();
        Copies {
            version: version.clone(),
            from,
            medium: false,
            away: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    /// Reads past the page cache, so that the medium vouches for the bytes.
    pub fn from_the_medium(self, medium: bool) -> Copies<'w> {
        Copies { medium, ..self }
    }

    /// What was found wrong in copies so far, by target.
    pub fn found_wrong(&self) -> BTreeMap<String, Proof> {
        self.wrong.lock().unwrap_or_else(|broken| broken.into_inner()).clone()
    }

    fn note_wrong(&self, target: &str, outcome: Outcome, path: &str, why: &str) {
        let mut wrong = self.wrong.lock().unwrap_or_else(|broken| broken.into_inner());
        wrong.entry(target.to_string()).or_default().count(outcome, path, why);
    }

    fn none() -> Trouble {
        Trouble::new(Kind::TargetMissing, "no copy is on a target of the configuration")
    }

    /// The copies that may be asked now.
    fn there(&self) -> Vec<(&'w str, &'w dyn Target)> {
        let away = self.away.lock().unwrap_or_else(|broken| broken.into_inner());
        self.from.iter().filter(|(name, _)| !away.contains(name)).copied().collect()
    }

    fn note_away(&self, name: &'w str, error: &TargetError) {
        if matches!(error, TargetError::Missing { .. }) {
            log::warn!("{} is not read from {name}: {error:?}", self.version.object);
            self.away.lock().unwrap_or_else(|broken| broken.into_inner()).insert(name);
        }
    }

    /// The version's inventory, in staging; what an earlier attempt put there is not fetched again.
    pub fn inventory(&self, disk: &dyn Disk, staging: &Place, fence: u64) -> Result<Staged, Stop> {
        if let Some(found) = self.staged_inventory(disk, staging)? {
            return Ok(found);
        }
        let mut last = Self::none();
        // The version's own inventory: the root one may belong to a newer version by now.
        let path = format!("v{}/inventory.json", self.version.version);
        for (name, target) in self.there() {
            let at = Where::Object(&self.version.object, &path);
            match bring(target, at, (disk, staging, INVENTORY, fence), &|_| Ok(())) {
                Ok(Ok((sha512, seal))) if sha512 == self.version.inventory_sha512 => {
                    return Ok((seal.clone(), open_blob(disk, staging, &seal)?));
                }
                Ok(Ok(_)) => {
                    self.note_wrong(name, Outcome::Mismatched, &path, "it is not the recorded inventory");
                    last =
                        Trouble::new(Kind::NoGoodCopy, "its inventory is not the recorded one").about(name);
                }
                Ok(Err(error)) => {
                    self.note_away(name, &error);
                    last = Trouble::from(error).about(name);
                }
                Err(Stop::Trouble(trouble)) if trouble.kind == Kind::StagingIo => return Err(trouble.into()),
                Err(Stop::Trouble(trouble)) => last = trouble.about(name),
                Err(stop) => return Err(stop),
            }
        }
        Err(last.into())
    }

    fn staged_inventory(&self, disk: &dyn Disk, staging: &Place) -> Result<Option<Staged>, Stop> {
        let opened = match disk.open(&staging.join(INVENTORY)) {
            Ok(opened) => opened,
            Err(DiskError::Absent { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut chunk = vec![0; CHUNK];
        let wanted = [Algorithm::Sha512, Algorithm::Sha256];
        let Ok((bytes, digests)) = digest_reader(&mut Slice::whole(&*opened), &wanted, &mut chunk) else {
            return Ok(None);
        };
        if digests.get(Algorithm::Sha512) != Some(&self.version.inventory_sha512) {
            return Ok(None);
        }
        let sha256 = digests.get(Algorithm::Sha256).expect("it was asked for").to_string();
        Ok(Some((Seal { file: INVENTORY.into(), count: 0, bytes, sha256 }, opened)))
    }

    /// Hands a file to its taker, from the first copy that gives it as it was recorded. Gives its bytes, and the copies that
    /// were passed over.
    pub fn file(&self, step: &RestoreStep, taker: &mut dyn Taker) -> Result<(u64, Vec<Passed>), Stop> {
        let mut passed: Vec<Passed> = Vec::new();
        let mut unasked: Option<Trouble> = None;
        for (name, target) in self.there() {
            let at = Where::Object(&self.version.object, &step.content_path);
            let read = if self.medium { from_medium(target, at, taker) } else { through(target, at, taker) };
            let (outcome, why) = match read {
                Ok((bytes, found)) if found == step.sha512 => return Ok((bytes, passed)),
                Ok((bytes, found)) => {
                    let why = format!("{bytes} bytes with sha512 {found:.12}…, not {:.12}…", step.sha512);
                    (Outcome::Mismatched, why)
                }
                Err(Broken::Taker(stop)) => return Err(stop),
                Err(Broken::Target(error)) => {
                    self.note_away(name, &error);
                    let absent = matches!(error, TargetError::Absent { .. });
                    let trouble = Trouble::from(error).about(name);
                    let why = trouble.because.clone();
                    if !absent {
                        passed.push(Passed { target: name.into(), wrong: false, why });
                        unasked = Some(trouble);
                        taker.undo()?;
                        continue;
                    }
                    (Outcome::Missing, why)
                }
            };
            taker.undo()?;
            self.note_wrong(name, outcome, &step.content_path, &why);
            passed.push(Passed { target: name.into(), wrong: true, why });
        }
        if let Some(trouble) = unasked {
            return Err(trouble.while_doing(format!("reading {}", step.logical_path)).into());
        }
        if passed.is_empty() {
            return Err(Self::none().about(&step.logical_path).into());
        }
        let each: Vec<String> =
            passed.iter().map(|passed| format!("{}: {}", passed.target, passed.why)).collect();
        let trouble = Trouble::new(Kind::NoGoodCopy, each.join("; ")).while_doing("reading back");
        Err(trouble.about(&step.logical_path).into())
    }
}

/// The inventory in staging, and what it must be.
type Staged = (Seal, Box<dyn ReadAt>);

/// Name of the inventory in staging.
const INVENTORY: &str = "inventory";

enum Broken {
    Target(TargetError),
    Taker(Stop),
}

type ReadBack = Result<(u64, String), Broken>;

fn finished(digester: Digester) -> String {
    digester.finish().get(Algorithm::Sha512).expect("it was asked for").to_string()
}

fn size_of(target: &dyn Target, at: Where<'_>) -> Result<u64, Broken> {
    target.open(at).map(|opened| opened.size()).map_err(Broken::Target)
}

fn from_medium(target: &dyn Target, at: Where<'_>, taker: &mut dyn Taker) -> ReadBack {
    taker.begin(size_of(target, at)?).map_err(Broken::Taker)?;
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    let mut stop = None;
    let read = target.read(at, &mut |bytes| {
        digester.update(bytes);
        if stop.is_none() {
            stop = taker.take(bytes).err();
        }
    });
    match stop {
        Some(stop) => Err(Broken::Taker(stop)),
        None => Ok((read.map_err(Broken::Target)?, finished(digester))),
    }
}

fn through(target: &dyn Target, at: Where<'_>, taker: &mut dyn Taker) -> ReadBack {
    let opened = target.open(at).map_err(Broken::Target)?;
    taker.begin(opened.size()).map_err(Broken::Taker)?;
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    let mut from = Slice::whole(&*opened);
    let mut chunk = vec![0; CHUNK.min(usize::try_from(opened.size()).unwrap_or(CHUNK)).max(1)];
    let mut bytes = 0;
    loop {
        let got = from.read(&mut chunk).map_err(|error| {
            let path = match at {
                Where::Object(_, path) | Where::Staged(_, path) | Where::Root(path) | Where::Kept(path) => {
                    path
                }
            };
            let why = error.to_string();
            Broken::Target(TargetError::Io { target: String::new(), path: path.into(), why })
        })?;
        if got == 0 {
            return Ok((bytes, finished(digester)));
        }
        digester.update(&chunk[..got]);
        bytes += got as u64;
        taker.take(&chunk[..got]).map_err(Broken::Taker)?;
    }
}
