//! Items: one deposit being taken in, with its checkpoint and what its stages found.
//!
//! - An item's row stays under 4,000 bytes; what grows with the number of files lives in facts files, and the row holds
//!   their seals.
//! - What a stage found is void when the item is requeued from that stage or an earlier one.

use crate::model::checkpoint::{Checkpoint, Stage};
use crate::model::errand::Errand;
use crate::model::object::{ObjectId, StoredCopy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Short number of an item, from 1, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub u64);

impl fmt::Display for ItemId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// What kind of thing was deposited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// One bag in one tar file.
    Tar,
    /// One unserialised bag: a folder.
    Folder,
}

/// A deposit: one source key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// Where it lies: an absolute path for local deposits.
    pub key: String,
    /// Tar or folder.
    pub form: Form,
    /// Bytes: of the tar, or of all files of the folder.
    pub bytes: u64,
    /// What pins these very bytes without reading them: device, inode, size and modification time; or what its source
    /// names a version by.
    pub pin: String,
    /// What a listing of its source marked it with; empty when it was not listed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mark: String,
    /// It is fetched into staging; else it is read where it lies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fetched: bool,
}

/// Who asked for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// User id, by peer credentials or of this process.
    pub uid: u32,
    /// User name, when known.
    pub name: String,
    /// Through which door: `cli`, `socket`.
    pub door: String,
}

/// Space promised to an item before work starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Staging volume or target.
    pub place: String,
    /// The stage it was promised for.
    pub stage: Stage,
    /// Bytes, rounded to blocks.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// Count, length and digest of a facts file: lost or damaged facts are noticed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// File name within the item's folder.
    pub file: String,
    /// Lines.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file.
    pub sha256: String,
}

/// Download: the deposit as it was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// SHA-256 of the tar; for a folder, of its sorted listing (path, size, modification time).
    pub sha256: String,
    /// Bytes read.
    pub bytes: u64,
    /// Where it lies in staging; absent when it is read at its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
}

/// A deposit that was fetched: consecutive parts in a folder of their own, each whole and durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Folder within the item's folder; its name follows from the deposit's pin.
    pub folder: String,
    /// Bytes of every part but the last.
    pub part_bytes: u64,
    /// Bytes in all.
    pub bytes: u64,
}

/// Unpack: the member index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// The member index.
    pub members: Seal,
    /// Regular files.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// The single top-level folder of the tar; empty for a folder deposit.
    pub top: String,
    /// True when there is a folder `data`, be it empty.
    pub payload_folder: bool,
    /// Findings of the tar reader (warnings).
    pub findings: Seal,
    /// When the deposit was packed: the plain tar that it was unpacked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Packed>,
}

/// The plain tar in staging that a packed deposit was unpacked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// What the deposit is: `gzip`, `zstd`, `bzip2`, `zip`.
    pub container: String,
    /// Its file within the item's folder.
    pub file: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

/// Checksum: digests of every member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summed {
    /// Members with their digests, in the order of the member index.
    pub digests: Seal,
}

/// Validate: the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Every finding.
    pub findings: Seal,
    /// Errors among them.
    pub errors: u64,
    /// Warnings among them.
    pub warnings: u64,
    /// BagIt version of the bag's declaration, when it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bagit_version: Option<String>,
    /// The profile it was judged by, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfilePin>,
    /// The policy that was chosen, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyChosen>,
    /// The depositor's rules that decided what a finding weighs: `oxum = warning`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// A policy, and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChosen {
    /// Its name.
    pub name: String,
    /// Why, as a half-sentence.
    pub because: String,
}

/// A profile, by the name it was asked for and by the bytes it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfilePin {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// Store: the frozen plan and the copies made by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFound {
    /// The object.
    pub object: ObjectId,
    /// Version number, from 1.
    pub version: u32,
    /// SHA-512 of the frozen inventory.
    pub inventory_sha512: String,
    /// True when the bag equals the head version, and no new version was made.
    pub unchanged: bool,
    /// The frozen inventory, so that it can be kept beside the ledger.
    pub inventory: Option<Seal>,
    /// The proved copies.
    pub copies: Vec<StoredCopy>,
}

/// Record: the registry has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// When (UTC).
    pub kept_at: Timestamp,
}

/// Remove: where the object was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The targets where nothing of it is left.
    pub copies: Vec<RemovedCopy>,
    /// Why nothing was removed, when what was found is not what two persons gave their word for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

/// A copy that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedCopy {
    /// Name of the target.
    pub target: String,
    /// When nothing of it was left (UTC).
    pub at: Timestamp,
}

/// Gather: the files of the object, in staging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathered {
    /// The version's inventory.
    pub inventory: Seal,
    /// Files that one copy could not give and another did.
    pub passed_over: u64,
    /// Bytes of the tar that holds them.
    pub tar_bytes: u64,
}

/// Deliver: what was brought to its place, and read back there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Its name there.
    pub name: String,
    /// Every file of it, kept beside the ledger; none for a test, which is brought nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Seal>,
    /// Its files: one for a tar.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When it was whole (UTC).
    pub at: Timestamp,
    /// It is removed after this (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// What the stages found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// By download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<Received>,
    /// By unpack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpack: Option<Unpacked>,
    /// By checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Summed>,
    /// By validate; also when the bag was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<Judged>,
    /// By store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoredFound>,
    /// By record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Recorded>,
    /// By remove; also when some targets are still to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<Removed>,
    /// By gather.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Gathered>,
    /// By deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver: Option<Delivered>,
}

impl Found {
    /// Makes void what this stage and every later one found.
    pub fn void_from(&mut self, stage: Stage) {
        self.deliver = None;
        if stage <= Stage::Gather {
            self.gather = None;
        }
        if stage <= Stage::Download {
            self.download = None;
        }
        // What an object is given back from is indexed and judged as a deposit is, by other stages.
        if stage <= Stage::Unpack || stage == Stage::Gather {
            self.unpack = None;
        }
        if stage <= Stage::Checksum || matches!(stage, Stage::Gather | Stage::Recheck) {
            self.checksum = None;
        }
        if stage <= Stage::Validate || matches!(stage, Stage::Gather | Stage::Recheck) {
            self.validate = None;
        }
        if stage <= Stage::Store {
            self.store = None;
        }
        self.record = None;
        if stage <= Stage::Remove {
            self.remove = None;
        }
    }
}

/// One deposit being taken in; or one object being given back or up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its number.
    pub id: ItemId,
    /// Who deposits.
    pub depositor: String,
    /// The bag's name: the tar's file name without its suffix, or the folder's name.
    pub bag: String,
    /// The deposit.
    pub deposit: Deposit,
    /// What it does with an object that is kept already; none: it takes the deposit in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errand: Option<Errand>,
    /// Policy it will be stored by, unless its bag or its object is of another one; `chosen_policy` says.
    pub policy: String,
    /// True when a person asked for this policy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub policy_asked: bool,
    /// Staging volume that holds its facts, once one was promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// When it was submitted (UTC).
    pub received_at: Timestamp,
    /// Who submitted it.
    pub asked_by: Asker,
    /// Where it stands.
    pub checkpoint: Checkpoint,
    /// What its stages found.
    pub found: Found,
    /// Space promised to it.
    #[serde(default)]
    pub promises: Vec<Promise>,
    /// Attempts so far, over all stages; numbers the rows of its journal.
    pub attempts: u64,
    /// Events so far; numbers its event rows.
    pub events: u64,
}

impl Item {
    /// The policy that the object follows: as it was chosen when the bag was judged.
    pub fn chosen_policy(&self) -> &str {
        let chosen = self.found.validate.as_ref().and_then(|judged| judged.policy.as_ref());
        chosen.map_or(&self.policy, |chosen| &chosen.name)
    }
}

/// One row of an item's journal: one attempt at one stage, or one request concerning the item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Number, from 1.
    pub number: u64,
    /// The stage.
    pub stage: Stage,
    /// The lease's fence.
    pub fence: u64,
    /// When it started (UTC).
    pub started: Timestamp,
    /// When it ended (UTC); absent while it runs, and for ever when the process ended in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Bytes read, hashed or copied.
    pub bytes: u64,
    /// Files read, hashed or copied.
    pub files: u64,
    /// Files passed over because an earlier attempt had finished them.
    pub files_kept: u64,
    /// How it ended: `done`, `working`, `waiting: …`, `trouble: …`, `drained`, `interrupted`, or what a person asked.
    pub outcome: String,
}
