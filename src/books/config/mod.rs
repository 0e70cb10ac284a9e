//! The configuration: one TOML file, or none.
//!
//! - Without a file everything lies below one data folder, with two local targets: a first try needs no words.
//! - A key that is not known is refused, with its line and the nearest name; so is a value of the wrong shape.
//! - Nothing in a configuration may quietly mean fewer than two copies on two disks: who wants that says so in words.
//! - Every effective value knows where it came from: default, file and line, environment or command line.
//!
//! Which file: `--config FILE`, else `STRONGROOM_CONFIG`; else none, when `--data` or `STRONGROOM_DATA` names a data folder;
//! else `/etc/strongroom/strongroom.toml` when it is there. `--data` and `STRONGROOM_DATA` win over the file's `data`.

mod build;
mod check;
mod deleting;
pub mod fault;
pub mod fixity;
pub mod jobs;
pub mod keys;
pub mod needs;
mod repair;
mod restore;
mod show;
mod sources;
mod targets;
mod tree;
pub mod units;

use crate::books::volume::Floor;
use crate::model::checkpoint::Stage;
use crate::model::object::Policy;
use crate::rules::bagit::policy::Switches;
use crate::worlds::net::Reaching;
use crate::worlds::net::pace::Schedule;
use crate::worlds::source::configured::SourceConfig;
use crate::worlds::target::s3::BucketTarget;
pub use build::absolute;
pub use check::{changes, in_effect, is_taken_over};
pub use deleting::{DeletionConfig, GROUP, Roles};
use fault::{Fault, Faults};
pub use repair::{RepairConfig, RepairMode};
pub use restore::RestoreConfig;
pub use show::{defaults, example, sample};
use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where an installed service has its configuration.
pub const SYSTEM_FILE: &str = "/etc/strongroom/strongroom.toml";

/// Name of the volume beside the ledger that keeps inventories of kept objects; no other place may have it.
pub const RECORDS: &str = "records";

/// A staging volume or target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceConfig {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub at: At,
    /// Bytes never promised.
    pub floor: Floor,
}

/// Where a staging volume or target lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket; only targets do.
    Bucket(Box<BucketTarget>),
}

impl PlaceConfig {
    /// Its folder, if it lies in one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.at {
            At::Folder(path) => Some(path),
            At::Bucket(_) => None,
        }
    }

    /// Its bucket, if it lies in one.
    pub fn bucket(&self) -> Option<&BucketTarget> {
        match &self.at {
            At::Folder(_) => None,
            At::Bucket(target) => Some(target),
        }
    }

    /// Where it lies, for people.
    pub fn place(&self) -> String {
        match &self.at {
            At::Folder(path) => path.display().to_string(),
            At::Bucket(target) => target.place_shown(),
        }
    }
}

/// Who sends bags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositorConfig {
    /// Name.
    pub name: String,
    /// Policy of its objects.
    pub policy: String,
    /// Forms in which it may send a bag in one file.
    pub accept: Vec<String>,
    /// How its bags are judged.
    pub judging: Judging,
    /// Mail address that is told what became of its deposits.
    pub notify: Option<String>,
}

/// How a depositor's bags are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judging {
    /// Name of the profile.
    pub profile: Option<String>,
    /// Some warnings are errors.
    pub strict: bool,
    /// The six rules about which receivers disagree.
    pub switches: Switches,
}

/// How many do something at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Items at once, by stage, in the order of `Stage::INGEST`.
    pub stages: [usize; 6],
    /// Threads that digest one item.
    pub hashers: usize,
    /// Threads that copy one item to one target.
    pub copiers: usize,
}

impl Workers {
    /// Items that may be in this stage at once; one at a time in lines that are not ingest.
    pub fn of(&self, stage: Stage) -> usize {
        let place = Stage::INGEST.iter().position(|known| *known == stage);
        place.map_or(1, |place| self.stages[place])
    }
}

/// What is too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files in a bag.
    pub files_max: u64,
    /// Files times versions of an object.
    pub files_versions_max: u64,
    /// Bytes of a bag.
    pub bytes_max: u64,
    /// Bytes of a path.
    pub path_bytes_max: usize,
    /// Bytes of one part of a path.
    pub name_bytes_max: usize,
    /// Parts of a path.
    pub depth_max: usize,
    /// Bytes that come out of a packed deposit for each of its own.
    pub packed_ratio_max: u64,
    /// Bytes that come out of a packed deposit.
    pub packed_bytes_max: u64,
}

/// When to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// First pause.
    pub first: Duration,
    /// Longest pause.
    pub longest: Duration,
}

/// How copies are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepingConfig {
    /// How often it is looked whether copies lack; zero: never by itself.
    pub every: Duration,
    /// How fast they are made.
    pub bandwidth: Schedule,
}

/// The daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// How long a drain may take.
    pub drain: Duration,
    /// Folder with one folder a depositor.
    pub inbox: Option<PathBuf>,
    /// How long a deposit in the inbox must not have changed.
    pub inbox_settle: Duration,
    /// How often targets are held against the registry by themselves; never, if absent.
    pub reconcile_every: Option<Duration>,
    /// How often the ledger is backed up by itself; never, if absent.
    pub backup_every: Option<Duration>,
    /// Backups that stay on each target.
    pub backups: usize,
    /// Socket.
    pub socket: PathBuf,
    /// Connections at once.
    pub connections_max: usize,
}

/// Where an effective value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table of keys.
    Default,
    /// This line of the file.
    File(usize),
    /// This variable of the environment.
    Environment(&'static str),
    /// This option of the command line.
    Option(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => out.write_str("default"),
            Origin::File(line) => write!(out, "file line {line}"),
            Origin::Environment(name) => write!(out, "environment {name}"),
            Origin::Option(name) => write!(out, "option {name}"),
        }
    }
}

/// One effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its key: `target.vault-a.path`.
    pub key: String,
    /// Its value, as it would be written.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from.
    pub file: Option<PathBuf>,
    /// The data folder.
    pub data: PathBuf,
    /// Folder of the ledger.
    pub ledger: PathBuf,
    /// Folder of the journal's second copy.
    pub mirror: Option<PathBuf>,
    /// Staging volumes, in the order of preference.
    pub staging: Vec<PlaceConfig>,
    /// Targets.
    pub targets: Vec<PlaceConfig>,
    /// Policies.
    pub policies: Vec<Policy>,
    /// Policies by the Storage-Option of bags that ask for them.
    pub storage_options: BTreeMap<String, String>,
    /// Forms in which depositors may send a bag in one file.
    pub accept: Vec<String>,
    /// Depositors.
    pub depositors: Vec<DepositorConfig>,
    /// True when the file names no depositor: then any name is taken, with the default policy.
    pub any_depositor: bool,
    /// How addresses are reached that belong to no source.
    pub network: Reaching,
    /// Places where deposits arrive.
    pub sources: Vec<SourceConfig>,
    /// How copies are kept.
    pub keeping: KeepingConfig,
    /// Who may approve.
    pub roles: Roles,
    /// When an object may be deleted.
    pub deletion: DeletionConfig,
    /// How copies are put right.
    pub repair: RepairConfig,
    /// How often each job has to do its work.
    pub jobs: jobs::Periods,
    /// Who is told, and how.
    pub notice: jobs::NoticeConfig,
    /// How copies are proved again.
    pub fixity: fixity::FixityConfig,
    /// How objects are given back.
    pub restoring: RestoreConfig,
    /// How many do something at once.
    pub workers: Workers,
    /// What is too much.
    pub limits: Limits,
    /// When to try again.
    pub retry: Retry,
    /// The daemon.
    pub serve: Serve,
    /// `auto`, `text`, `journald` or `json`.
    pub log_format: String,
    /// True when copies on one disk were accepted.
    pub one_disk_accepted: bool,
    /// True when copies in buckets of one account were accepted.
    pub one_account_accepted: bool,
    /// Every effective value with its origin.
    pub effective: Vec<Effective>,
}

/// What the command line and the environment say about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The file, and how it was named.
    pub file: Option<(PathBuf, Origin)>,
    /// The data folder, and how it was named.
    pub data: Option<(PathBuf, Origin)>,
}

impl Given {
    /// From the options of the command line, then from the environment.
    pub fn new(file: Option<PathBuf>, data: Option<PathBuf>) -> Given {
        let of = |option: Option<PathBuf>, name, variable: &'static str| {
            let from_option = option.map(|path| (path, Origin::Option(name)));
            let from_environment = || {
                let path = std::env::var_os(variable).filter(|path| !path.is_empty())?;
                Some((PathBuf::from(path), Origin::Environment(variable)))
            };
            from_option.or_else(from_environment)
        };
        // A data folder given by hand means "this folder, and no other configuration": a file that only the
        // environment names must not move the ledger out of it.
        let file = match (file, &data) {
            (None, Some(_)) => None,
            (file, _) => of(file, "--config", "STRONGROOM_CONFIG"),
        };
        Given { file, data: of(data, "--data", "STRONGROOM_DATA") }
    }
}

impl Config {
    /// Reads and judges the configuration. Touches no volume or target: see `faults_of_places`.
    pub fn load(given: &Given) -> Result<Config, Faults> {
        let file = match (&given.file, &given.data) {
            (Some((file, _)), _) => Some(file.clone()),
            (None, Some(_)) => None,
            (None, None) => system_file(Path::new(SYSTEM_FILE)),
        };
        let text = match &file {
            Some(file) => read_file(file).map_err(|fault| Faults(vec![*fault]))?,
            None => String::new(),
        };
        Config::from_text(&text, file.as_deref(), given)
    }

    /// Judges the text of a configuration.
    pub fn from_text(text: &str, file: Option<&Path>, given: &Given) -> Result<Config, Faults> {
        let name_file = |mut faults: Vec<Fault>| {
            for fault in &mut faults {
                fault.file = file.map(Path::to_path_buf);
            }
            Faults(faults)
        };
        let tree = tree::read(text).map_err(name_file)?;
        let config = build::build(tree, file, given).map_err(name_file)?;
        Ok(config)
    }

    /// The policy of this name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// The depositor of this name; without a name the only one there is. Where the file names none, any name will do.
    pub fn depositor(&self, name: Option<&str>) -> Result<DepositorConfig, Box<Fault>> {
        let names: Vec<&str> = self.depositors.iter().map(|depositor| depositor.name.as_str()).collect();
        let Some(name) = name else {
            return match self.depositors.as_slice() {
                [only] => Ok(only.clone()),
                _ => Err(Box::new(
                    Fault::new("it is not said whose deposit this is")
                        .because(format!("there are {} depositors: {}", names.len(), names.join(", ")))
                        .then_try("--depositor NAME"),
                )),
            };
        };
        if let Some(known) = self.depositors.iter().find(|depositor| depositor.name == name) {
            return Ok(known.clone());
        }
        if self.any_depositor {
            return self.unknown_depositor(name);
        }
        let near = keys::nearest(name, names.iter().copied());
        let fault = Fault::new(format!("no depositor has the name \"{}\"", name.escape_debug()))
            .because(format!("the configuration knows {}", names.join(", ")));
        Err(Box::new(match near {
            Some(near) => fault.then_try(format!("--depositor {near}")),
            None => fault.then_try("add a [[depositor]] to the configuration"),
        }))
    }

    /// A depositor that no file names: its name becomes part of object ids and keys, so it must be a plain one.
    fn unknown_depositor(&self, name: &str) -> Result<DepositorConfig, Box<Fault>> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if name.is_empty() || name.len() > 100 || name.starts_with(['.', '-']) || !name.chars().all(plain) {
            let fault = Fault::new(format!("\"{}\" is no name for a depositor", name.escape_debug()));
            return Err(Box::new(
                fault
                    .because("it becomes part of object ids: letters, digits, and - _ . @, at most 100")
                    .then_try("--depositor uva.edu"),
            ));
        }
        let first = self.depositors.first();
        let policy = first.map_or_else(|| "default".into(), |first| first.policy.clone());
        Ok(DepositorConfig {
            name: name.to_string(),
            policy,
            accept: self.accept.clone(),
            judging: self.judging(name),
            notify: None,
        })
    }

    /// How bags of this depositor are judged. Where the file names no depositor, all are judged alike; one that it names no
    /// more is judged as a depositor without settings is.
    pub fn judging(&self, depositor: &str) -> Judging {
        let known = self.depositors.iter().find(|known| known.name == depositor);
        match known.or(self.depositors.first().filter(|_| self.any_depositor)) {
            Some(known) => known.judging.clone(),
            None => build::judging_without_settings(),
        }
    }

    /// The target of this name.
    pub fn target(&self, name: &str) -> Option<&PlaceConfig> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// Pairs of these targets that share a file system.
    pub fn same_disk(&self, targets: &[String]) -> Vec<(String, String)> {
        check::same_disk(self, targets)
    }

    /// Profiles that it names and that cannot be used.
    pub fn faults_of_profiles(&self) -> Vec<Fault> {
        check::profiles(self)
    }

    /// What is wrong with what it names on the disk: targets of one policy on one file system, profiles that are not there.
    pub fn faults_of_places(&self) -> Vec<Fault> {
        let mut faults = check::one_disk(self);
        faults.extend(targets::one_account(self));
        faults.extend(self.faults_of_profiles());
        faults
    }
}

fn read_file(file: &Path) -> Result<String, Box<Fault>> {
    let fault = |why: String| {
        let fault = Fault::new("the configuration cannot be read").because(why);
        Box::new(Fault { file: Some(file.to_path_buf()), ..fault })
    };
    let unread = |error: std::io::Error| {
        let told = fault(error.to_string());
        match error.kind() {
            ErrorKind::PermissionDenied => Box::new(told.then_try(JOIN)),
            _ => told,
        }
    };
    let size = std::fs::metadata(file).map_err(unread)?.len();
    if size > tree::BYTES_MAX as u64 {
        return Err(fault(format!("it has {size} bytes; a configuration has at most {}", tree::BYTES_MAX)));
    }
    std::fs::read_to_string(file).map_err(unread)
}

/// What somebody can do who may not read the configuration of the service.
const JOIN: &str = "become a member of the service's group (usermod -aG strongroom NAME, then log in anew), or name a data folder of your own: --data DIR";

/// The configuration of the service, unless there surely is none. Where that cannot be seen, it is taken to be there: whoever
/// may not look into its folder must hear that, and not work on an empty data folder unaware.
fn system_file(file: &Path) -> Option<PathBuf> {
    (!matches!(file.try_exists(), Ok(false))).then(|| file.to_path_buf())
}

#[cfg(test)]
mod tests;
