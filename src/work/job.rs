//! A job: one item at one stage, with all that the stage may use.
//!
//! - A stage reaches the world only through its job.
//! - `drained` is asked at every part boundary; a part is at most a file or 64 MiB of small ones.

use crate::books::judging::JudgingRules;
use crate::books::ledger::{Conclusion, EventDraft, Ledger};
use crate::books::volume::{Floor, Promises};
use crate::model::checkpoint::Stage;
use crate::model::digest::Algorithm;
use crate::model::event::{EventType, Outcome};
use crate::model::fact::Member;
use crate::model::item::{Deposit, Form, Found, Gathered, Item, ItemId, Parts};
use crate::model::object::{Kept, ObjectId, ObjectRow, Policy, VersionRow};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::{digest_reader, sha256_hex};
use crate::rules::packed::{Caps, Container};
use crate::rules::read::{ReadAt, Slice};
use crate::rules::tar::Limits;
use crate::work::keeping::Keeping;
use crate::work::receiving::Intake;
use crate::work::staged::Joined;
use crate::work::uses::TargetUses;
use crate::worlds::World;
use crate::worlds::disk::Place;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// File in an item's staging that an object's files are gathered in, as a tar.
pub const GATHERED: &str = "gathered.tar";

/// What the configuration says about the work, in the work's own words.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Short id of the ledger; part of the names of everything we put on volumes and targets.
    pub ledger_id: String,
    /// Policies by name.
    pub policies: BTreeMap<String, Policy>,
    /// Policies by the Storage-Option of bags that ask for them.
    pub storage_options: BTreeMap<String, String>,
    /// Staging volumes, in the order of preference.
    pub staging: Vec<String>,
    /// The volume beside the ledger that keeps inventories of kept objects.
    pub records: String,
    /// Bytes that stay free on each volume and target.
    pub floors: BTreeMap<String, Floor>,
    /// Worker threads per stage.
    pub workers: BTreeMap<Stage, usize>,
    /// Threads that digest members of one item.
    pub digesters: usize,
    /// Threads that copy to one target.
    pub copiers: usize,
    /// What a tar or folder may cost to index: files, lengths of paths.
    pub tar: Limits,
    /// What is received from where.
    pub sources: Vec<Intake>,
    /// Bytes of the smallest part that a deposit is fetched in.
    pub part_min: u64,
    /// Bytes that one deposit may have.
    pub bytes_max: u64,
    /// Forms in which a bag may come in one file.
    pub accept: Accept,
    /// What unpacking a deposit may cost.
    pub packed: Caps,
    /// Files times versions that one object may have.
    pub files_versions_max: u64,
    /// How often the ledger is looked at for items that may go on, if nothing is committed meanwhile.
    pub look_every: Duration,
    /// First pause after a trouble that time may cure.
    pub retry_first: Duration,
    /// Longest pause after such a trouble.
    pub retry_longest: Duration,
    /// What targets are for, as people said.
    pub uses: Arc<TargetUses>,
    /// How copies are kept once they are made.
    pub keeping: Arc<Keeping>,
    /// Who is judged how; what the configuration says when it is read again holds at once.
    pub judging: Arc<JudgingRules>,
    /// How long what was given back stays at its place; none: for ever.
    pub given_for: Option<Duration>,
    /// How often an object of each depositor is given back for a test; none: only when asked.
    pub spot_test_every: Option<Duration>,
}

/// Forms in which depositors may send a bag in one file; a plain tar is always one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    /// Depositors that have no row of their own.
    pub everybody: Vec<Container>,
    /// By depositor.
    pub depositors: BTreeMap<String, Vec<Container>>,
}

impl Accept {
    /// True when this depositor may send this.
    pub fn takes(&self, depositor: &str, container: Container) -> bool {
        container == Container::Plain
            || self.depositors.get(depositor).unwrap_or(&self.everybody).contains(&container)
    }
}

impl Settings {
    /// The policy of this name.
    pub fn policy(&self, name: &str) -> Result<&Policy, Trouble> {
        self.policies
            .get(name)
            .ok_or_else(|| Trouble::new(Kind::OverLimit, format!("the configuration has no policy {name}")))
    }

    /// The policy that this item's object follows, with the targets that get new copies.
    pub fn policy_of(&self, item: &Item) -> Result<Policy, Trouble> {
        self.uses.in_effect(self.policy(item.chosen_policy())?)
    }

    /// The targets whose copies count.
    pub fn counted_targets(&self, world: &World) -> Vec<String> {
        world.targets.keys().filter(|name| self.uses.counts(name)).cloned().collect()
    }

    /// A folder in staging for what is done with this object's copy on a target: no two at once do the same with one copy.
    pub fn scratch(&self, what: &str, to: &str, object: &ObjectId) -> Result<Place, Trouble> {
        let volume =
            self.staging.first().cloned().ok_or_else(|| {
                Trouble::new(Kind::VolumeMissing, "the configuration names no staging volume")
            })?;
        let of = sha256_hex(object.0.as_bytes());
        Ok(Place { volume, path: format!("{}-{what}-{to}-{of:.16}", self.ledger_id) })
    }

    /// Bytes that stay free on this volume or target, whose file system has so many bytes.
    pub fn floor(&self, place: &str, total_bytes: u64) -> u64 {
        self.floors.get(place).map_or(0, |floor| floor.on(total_bytes))
    }
}

/// How far a job has come; read by `status` and progress bars while the job runs.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes done.
    pub bytes: AtomicU64,
    /// Bytes in all, once known.
    pub bytes_total: AtomicU64,
    /// Files done.
    pub files: AtomicU64,
    /// Files passed over because an earlier attempt had finished them.
    pub files_kept: AtomicU64,
}

impl Meter {
    /// Counts bytes and files as done.
    pub fn count(&self, bytes: u64, files: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.files.fetch_add(files, Ordering::Relaxed);
    }

    /// Says how many bytes there will be.
    pub fn expect(&self, bytes: u64) {
        self.bytes_total.store(bytes, Ordering::Relaxed);
    }
}

/// One item at one stage.
pub struct Job<'a> {
    /// The five worlds.
    pub world: &'a World,
    /// For reading only: the pipeline commits.
    pub ledger: &'a Ledger,
    /// What the configuration says.
    pub settings: &'a Settings,
    /// The item as it was claimed.
    pub item: &'a Item,
    /// The lease's fence.
    pub fence: u64,
    /// How far it has come.
    pub meter: &'a Meter,
    /// True when the process wants to end.
    pub drain: &'a AtomicBool,
    /// Told of bytes that landed, so that they are not counted twice.
    pub promises: &'a Promises,
}

/// What a stage did.
#[derive(Debug, Default)]
pub struct Done {
    /// What the stages found, this one included.
    pub found: Found,
    /// The deposit as it was read, when that changed.
    pub deposit: Option<Deposit>,
    /// Events.
    pub events: Vec<EventDraft>,
    /// Registry rows.
    pub registry: Option<(ObjectRow, VersionRow)>,
    /// How a deletion ended.
    pub concluded: Option<Conclusion>,
    /// The proof that the object is kept: staging may be cleared.
    pub kept: Option<Kept>,
}

impl<'a> Job<'a> {
    /// The item's folder on its staging volume.
    pub fn folder(&self) -> Result<Place, Trouble> {
        staging_folder(self.settings, self.item)
    }

    /// Name of a facts file that attempts of this round go on with. Another round makes it void, so it has another name.
    pub fn of_round(&self, name: &str) -> String {
        of_round(self.item, name)
    }

    /// Stops here when the process wants to end.
    pub fn drained(&self) -> Result<(), Stop> {
        if self.drain.load(Ordering::Relaxed) { Err(Stop::Drained) } else { Ok(()) }
    }

    /// What the stages before this one found.
    pub fn found(&self) -> Found {
        self.item.found.clone()
    }

    /// Fails when the object that the deposit would become was deleted: what was given up does not come back by itself.
    pub fn not_deleted(&self) -> Result<(), Trouble> {
        let object = ObjectId::of(&self.item.depositor, &self.item.bag);
        let tombstone = self.ledger.deletion(&object).map_err(|error| crate::work::logs::failed(&error))?;
        let Some(tombstone) = tombstone else { return Ok(()) };
        let because = format!(
            "it was deleted on {}, asked for by {} and approved by {}: {}",
            tombstone.deleted_at.strftime("%Y-%m-%d"),
            tombstone.requested_by,
            tombstone.approved_by,
            tombstone.reason
        );
        Err(Trouble::new(Kind::ObjectDeleted, because).about(object.0))
    }

    /// Fails when the deposit is no longer what was received.
    pub fn deposit_unchanged(&self) -> Result<(), Trouble> {
        let now = match self.world.source.look(&self.item.deposit.key) {
            // What was fetched is here, whole, and was proved: its source may go away.
            Err(error) if self.fetched().is_some() => {
                log::info!(ITEM = self.item.id.0; "the source was not asked again: {error}");
                return Ok(());
            }
            other => other?,
        };
        if now.pin == self.item.deposit.pin {
            return Ok(());
        }
        let because = format!(
            "it had {} bytes when it was received and has {} now, or was replaced",
            self.item.deposit.bytes, now.bytes
        );
        Err(Trouble::new(Kind::DepositChanged, because).about(&self.item.deposit.key))
    }

    fn fetched(&self) -> Option<&'a Parts> {
        self.item.found.download.as_ref()?.parts.as_ref()
    }

    /// The deposited tar: in staging when it was fetched, else where it lies.
    pub fn tar(&self) -> Result<Arc<dyn ReadAt>, Stop> {
        let Some(parts) = self.fetched() else {
            return Ok(Arc::from(self.world.source.open(&self.item.deposit.key).map_err(Trouble::from)?));
        };
        match Joined::open(self.world.disk.clone(), self.folder()?, parts) {
            Ok(joined) => Ok(Arc::new(joined)),
            Err(trouble) if trouble.kind == Kind::FactsDamaged => {
                Err(Stop::Back { trouble: trouble.while_doing("reading the deposit"), to: Stage::Download })
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The plain tar that a packed deposit was unpacked to; `None` when the deposit itself is the tar.
    fn unpacked_tar(&self) -> Result<Option<Arc<dyn ReadAt>>, Trouble> {
        let Some(packed) = self.item.found.unpack.as_ref().and_then(|unpack| unpack.packed.as_ref()) else {
            return Ok(None);
        };
        let place = self.folder()?.join(&packed.file);
        // Absent, it is damaged facts, and unpack runs again.
        let tar = self.world.disk.open(&place)?;
        if tar.size() == packed.bytes {
            return Ok(Some(Arc::from(tar)));
        }
        let because = format!("it has {} bytes, {} were unpacked", tar.size(), packed.bytes);
        Err(Trouble::new(Kind::FactsDamaged, because).about(place.path))
    }

    /// The tar in staging that an object's files were gathered in.
    pub fn gathered_tar(&self, gathered: &Gathered) -> Result<Arc<dyn ReadAt>, Trouble> {
        let place = self.folder()?.join(&self.of_round(GATHERED));
        let tar = self.world.disk.open(&place)?;
        if tar.size() == gathered.tar_bytes {
            return Ok(Arc::from(tar));
        }
        let because = format!("it has {} bytes, {} were gathered", tar.size(), gathered.tar_bytes);
        Err(Trouble::new(Kind::FactsDamaged, because).about(place.path))
    }

    /// Fails when the tar in staging is no longer what was unpacked: its faults would not be the depositor's.
    pub fn unpacked_tar_unchanged(&self) -> Result<(), Stop> {
        let packed = self.item.found.unpack.as_ref().and_then(|unpack| unpack.packed.as_ref());
        let (Some(packed), Some(tar)) = (packed, self.unpacked_tar()?) else { return Ok(()) };
        let mut chunk = vec![0; 1 << 20];
        let (_, digests) = digest_reader(&mut Slice::whole(&*tar), &[Algorithm::Sha256], &mut chunk)
            .map_err(|error| Trouble::new(Kind::StagingIo, error.to_string()).while_doing("reading again"))?;
        if digests.get(Algorithm::Sha256) == Some(packed.sha256.as_str()) {
            return Ok(());
        }
        Err(Trouble::new(Kind::FactsDamaged, "the unpacked tar changed in staging")
            .about(&packed.file)
            .into())
    }

    /// The bytes of the bag's members.
    pub fn members(&self) -> Result<MemberBytes<'a>, Stop> {
        let key = &self.item.deposit.key;
        if let Some(gathered) = &self.item.found.gather {
            let tar = self.gathered_tar(gathered)?;
            return Ok(MemberBytes { world: self.world, key, tar: Some(tar) });
        }
        let tar = match self.item.deposit.form {
            Form::Tar => match self.unpacked_tar()? {
                Some(tar) => Some(tar),
                None => Some(self.tar()?),
            },
            Form::Folder => None,
        };
        Ok(MemberBytes { world: self.world, key, tar })
    }
}

/// The item's folder on its staging volume.
pub fn staging_folder(settings: &Settings, item: &Item) -> Result<Place, Trouble> {
    let volume = item.volume.clone().ok_or_else(|| {
        Trouble::new(Kind::FactsDamaged, "the item has no staging volume; run it from download")
    })?;
    Ok(Place { volume, path: staging_name(&settings.ledger_id, item.id) })
}

/// Name of a facts file of the item's present round.
pub fn of_round(item: &Item, name: &str) -> String {
    match item.checkpoint.round {
        0 => name.to_string(),
        round => format!("{name}.r{round}"),
    }
}

/// Name of an item's staging folder: the ledger's id keeps items of another ledger apart.
pub fn staging_name(ledger_id: &str, item: ItemId) -> String {
    format!("{ledger_id}-{item}")
}

/// The bytes of a deposit's members: in place in the tar, or file by file beneath the folder.
pub struct MemberBytes<'a> {
    world: &'a World,
    key: &'a str,
    tar: Option<Arc<dyn ReadAt>>,
}

impl MemberBytes<'_> {
    /// Where this member's bytes are: a reader, and the offset of the first byte in it.
    pub fn of(&self, member: &Member) -> Result<(Arc<dyn ReadAt>, u64), Trouble> {
        match &self.tar {
            Some(tar) => Ok((tar.clone(), member.offset)),
            None => Ok((Arc::from(self.world.source.open_member(self.key, &member.path)?), 0)),
        }
    }
}

/// An event that went well.
pub fn success(event_type: EventType, detail: impl Into<String>) -> EventDraft {
    EventDraft { event_type, outcome: Outcome::Success, detail: detail.into(), target: None, at: None }
}
