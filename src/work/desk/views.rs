//! The shapes in which answers come: plain, flat, with stable names.

use super::complaint::Complaint;
use crate::books::ledger::{LastScan, Paused};
use crate::model::finding::Finding;
use crate::model::item::{Attempt, ProfilePin};
use crate::model::object::StoredCopy;
use crate::worlds::book::BookReport;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Shape of these words.
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// Data folder.
    pub data: String,
    /// When it started (UTC).
    pub started: Timestamp,
}

/// An item, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemView {
    /// Number.
    pub id: u64,
    /// The bag's name.
    pub bag: String,
    /// Who deposits.
    pub depositor: String,
    /// How it stands.
    pub standing: String,
    /// At which stage.
    pub stage: String,
    /// The object it became.
    pub object: Option<String>,
    /// The version it became.
    pub version: Option<u32>,
    /// True when the bag equals a version that was there, and no new one was made.
    pub unchanged: bool,
    /// The proved copies.
    pub copies: Vec<CopyView>,
    /// Errors that judging the bag found.
    pub errors: u64,
    /// Warnings that judging the bag found.
    pub warnings: u64,
    /// Where the deposit lies.
    pub path: String,
    /// `tar` or `folder`.
    pub form: String,
    /// Bytes of the deposit.
    pub bytes: u64,
    /// Files of the bag, once they are known.
    pub files: Option<u64>,
    /// Policy.
    pub policy: String,
    /// BagIt version of the bag, once it was judged.
    #[serde(default)]
    pub bagit_version: Option<String>,
    /// The profile it was judged by.
    #[serde(default)]
    pub profile: Option<ProfilePin>,
    /// The depositor's rules that decided what a finding weighs.
    #[serde(default)]
    pub rules: Vec<String>,
    /// When it was submitted (UTC).
    pub received_at: Timestamp,
    /// When it was kept (UTC).
    pub kept_at: Option<Timestamp>,
    /// Who submitted it.
    pub asked_by: String,
    /// Tries used at this stage.
    pub tries: u32,
    /// Times it was requeued.
    pub round: u32,
    /// What stops it.
    pub trouble: Option<TroubleView>,
    /// What it waits for, one sentence.
    pub waits_for: Option<String>,
    /// Not before (UTC).
    pub waits_until: Option<Timestamp>,
    /// `hold` or `cancel`, when that will be done as soon as the worker lets go.
    pub asked: Option<String>,
    /// True when nothing will happen unless a person asks.
    pub rests: bool,
    /// When its object was deleted (UTC); then it has no copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// `restore` or `delete`, when it takes no deposit in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errand: Option<String>,
}

/// A proved copy, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyView {
    /// The target.
    pub target: String,
    /// Folder of the OCFL storage root.
    pub root: String,
    /// The object's folder below the root.
    pub path: String,
    /// When its files were last read and found equal (UTC).
    pub proved: Timestamp,
}

impl From<&StoredCopy> for CopyView {
    fn from(copy: &StoredCopy) -> CopyView {
        CopyView {
            target: copy.target.clone(),
            root: copy.root.clone(),
            path: copy.path.clone(),
            proved: copy.proved_at,
        }
    }
}

/// A trouble, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleView {
    /// Name of the kind.
    pub kind: String,
    /// Who can help: time, depositor, operator, alarm, developer.
    pub helps: String,
    /// What the kind means.
    pub meaning: String,
    /// What we were doing, to what, and why it failed.
    pub sentence: String,
    /// What happens next by itself.
    pub next: String,
    /// What to type.
    pub advice: String,
}

/// All about one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemStory {
    /// The item.
    pub item: ItemView,
    /// Its journal, oldest first: attempts and requests.
    pub journal: Vec<Attempt>,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// True when there are more findings.
    pub more_findings: bool,
    /// Space promised to it, as sentences.
    pub promises: Vec<String>,
}

/// A file of a bag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Path in the bag, for people.
    pub path: String,
    /// Bytes, when they are known.
    pub bytes: Option<u64>,
    /// Digests, by algorithm.
    pub digests: BTreeMap<String, String>,
}

/// Items in one kind of trouble, of one depositor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryRow {
    /// Kind.
    pub kind: String,
    /// Who can help.
    pub helps: String,
    /// Depositor.
    pub depositor: String,
    /// Stage.
    pub stage: String,
    /// How many.
    pub items: u64,
    /// Bytes of their deposits.
    pub bytes: u64,
    /// The oldest.
    pub oldest: u64,
    /// When the oldest was received (UTC).
    pub oldest_at: Timestamp,
}

/// An item that was moved, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedRow {
    /// The item before.
    pub item: ItemView,
    /// How it stands then.
    pub standing: String,
    /// At which stage.
    pub stage: String,
    /// What else is to be said.
    pub note: String,
}

/// An item that was not moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// As it was asked for.
    pub item: String,
    /// Why not, and what to do.
    pub complaint: Complaint,
}

/// How far a stage is with an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The item.
    pub item: u64,
    /// The stage.
    pub stage: String,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 when not known.
    pub total: u64,
}

/// Space of a volume or target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceView {
    /// Name.
    pub name: String,
    /// `staging` or `target`.
    pub role: String,
    /// Its folder.
    pub path: String,
    /// Bytes in all.
    pub total: u64,
    /// Bytes free.
    pub free: u64,
    /// Inodes free; absent where there is no limit.
    pub free_inodes: Option<u64>,
    /// Bytes promised.
    pub promised: u64,
    /// Bytes never promised.
    pub floor: u64,
    /// Bytes that can be promised now.
    pub room: u64,
    /// Why it cannot be used.
    pub wrong: Option<String>,
}

/// Is it well, what is it doing, what needs somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Shape of these words.
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// True when a daemon answers.
    pub daemon: bool,
    /// Seconds since it started.
    pub up_seconds: i64,
    /// True when nothing needs a person.
    pub well: bool,
    /// Items by standing and stage.
    pub counts: Vec<CountRow>,
    /// Items in trouble, by who can help.
    pub troubles: BTreeMap<String, u64>,
    /// When the oldest of them was received (UTC).
    pub oldest_trouble: Option<Timestamp>,
    /// What items wait for, and how many.
    pub waits: BTreeMap<String, u64>,
    /// Objects' items that are kept.
    pub kept: u64,
    /// Space.
    pub places: Vec<PlaceView>,
    /// Deletions that wait for a second person, if any do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// Sources that somebody should look at; none when all are well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceView>,
}

/// What waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// Deletions.
    pub deletions: u64,
    /// Since when the oldest waits (UTC).
    pub since: Timestamp,
}

/// Items in one standing at one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountRow {
    /// Standing.
    pub standing: String,
    /// Stage.
    pub stage: String,
    /// How many.
    pub items: u64,
}

/// An object with its newest version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectView {
    /// Id.
    #[serde(rename = "object")]
    pub id: String,
    /// Who deposits it.
    pub depositor: String,
    /// The bag's name.
    pub bag: String,
    /// Policy it follows.
    #[serde(default)]
    pub policy: String,
    /// Newest version.
    pub version: u32,
    /// Files in it.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Its proved copies, in the order in which they are read back from.
    pub copies: Vec<CopyView>,
    /// When the newest version was kept (UTC).
    pub kept_at: Option<Timestamp>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It works.
    Ok,
    /// It works, and should be looked at.
    Warn,
    /// It does not work.
    Fail,
}

/// One check of the doctor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// How it ended.
    pub level: Level,
    /// What was checked, and what was found.
    pub text: String,
    /// Why, and what to do; lines.
    pub detail: String,
}

/// What was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredView {
    /// The object.
    pub object: String,
    /// Version.
    pub version: u32,
    /// The bag's folder.
    pub folder: String,
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
    /// Files that one copy could not give and another did.
    pub passed_over: Vec<String>,
}

/// What reading the whole ledger found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookReportView {
    /// Number of the newest commit.
    pub sequence: u64,
    /// Live rows.
    pub rows: u64,
    /// What was repaired.
    pub repaired: Vec<String>,
    /// What is wrong.
    pub wrong: Vec<String>,
}

impl From<BookReport> for BookReportView {
    fn from(report: BookReport) -> BookReportView {
        BookReportView {
            sequence: report.sequence,
            rows: report.rows,
            repaired: report.repaired,
            wrong: report.wrong,
        }
    }
}

/// A configured source, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// Whose deposits lie there.
    pub depositor: String,
    /// Where: folder, address or bucket.
    pub place: String,
    /// `well`, `failing`, `resting` (left alone for a while), `trying`, `overdue`, `paused`, or `not asked` since the
    /// start.
    pub state: String,
    /// Why, when it is not well.
    pub why: Option<String>,
    /// Since when, when it is not well (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it is asked again, while it is left alone (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// When it is listed next by itself, when a daemon does that (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_listing: Option<Timestamp>,
    /// Since when it is being listed, if it is (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing_since: Option<Timestamp>,
    /// When the last listing began that came to its end (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Timestamp>,
    /// What came of it, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<SourceCounts>,
    /// What is done with a deposit once it is kept.
    pub after_kept: String,
    /// Seconds between two listings; none by itself if absent.
    pub every_seconds: Option<u64>,
    /// A person wants it left alone.
    pub paused: Option<Paused>,
    /// The last listing.
    pub last: LastScan,
}

/// What came of what a source lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCounts {
    /// Keys that are known.
    pub known: u64,
    /// Items on their way.
    pub waiting: u64,
    /// Bytes of those.
    pub waiting_bytes: u64,
    /// Items that wait for an operator.
    pub held: u64,
    /// Items that were refused, or not taken.
    pub refused: u64,
}
