//! What may be asked of the desk, and what it answers.
//!
//! - Names and meanings are stable: `--json` prints them, and others' scripts read them. Additions are allowed.
//! - Every list has a bound; what is left is said in `more`.

use super::complaint::Complaint;
use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::model::item::Attempt;
use crate::model::object::{ObjectRow, StoredCopy, VersionRow};
use crate::worlds::book::BookReport;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Number of the shape of these words; goes up when a name changes or vanishes.
pub const SCHEMA: u32 = 1;

/// Rows in one answer, whatever was asked for.
pub const ROWS_MAX: usize = 1_000;

/// Which items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Only of this depositor.
    pub depositor: Option<String>,
    /// Only in this kind of trouble.
    pub kind: Option<String>,
    /// Only at this stage.
    pub stage: Option<String>,
    /// Only in these standings; none named: all.
    pub standings: Vec<String>,
    /// Only received at or after this time.
    pub since: Option<Timestamp>,
}

/// How a person steers an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steering {
    /// Nobody works on it until it is released.
    Hold,
    /// It goes on.
    Release,
    /// It is given up.
    Cancel,
}

/// A question or an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Who are you?
    Hello,
    /// Take this deposit in.
    Submit {
        /// Absolute path of a tar or folder.
        path: String,
        /// Whose it is; the only depositor there is, if not said.
        #[serde(default)]
        depositor: Option<String>,
    },
    /// List items, newest first.
    Items {
        /// Which.
        #[serde(default)]
        filter: Filter,
        /// Only older than this one.
        #[serde(default)]
        before: Option<u64>,
        /// At most so many.
        limit: usize,
    },
    /// List items that wait for a person or for a cure, oldest first.
    Troubles {
        /// Which.
        #[serde(default)]
        filter: Filter,
        /// Only later than this one.
        #[serde(default)]
        after: Option<u64>,
        /// At most so many.
        limit: usize,
    },
    /// How many are in trouble, by cause.
    Summary {
        /// Which.
        #[serde(default)]
        filter: Filter,
    },
    /// All about one item: number or name.
    Item {
        /// Number, `depositor/bag`, or bag.
        item: String,
    },
    /// Events of one item.
    Events {
        /// Number or name.
        item: String,
    },
    /// Files of one item.
    Files {
        /// Number or name.
        item: String,
        /// After so many.
        #[serde(default)]
        after: u64,
        /// At most so many.
        limit: usize,
    },
    /// Findings about one item.
    Findings {
        /// Number or name.
        item: String,
        /// After so many.
        #[serde(default)]
        after: u64,
        /// At most so many.
        limit: usize,
    },
    /// Hold, release or cancel items.
    Steer {
        /// Numbers or names.
        items: Vec<String>,
        /// How.
        how: Steering,
        /// Why.
        #[serde(default)]
        reason: String,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
    },
    /// Send items back to work.
    Requeue {
        /// Numbers or names; none: by the filter.
        items: Vec<String>,
        /// Which, when none is named.
        #[serde(default)]
        filter: Filter,
        /// From this stage; where it stopped, if not said.
        #[serde(default)]
        from: Option<String>,
        /// Why.
        #[serde(default)]
        reason: String,
        /// Only say what would happen.
        #[serde(default)]
        dry_run: bool,
    },
    /// Wait until something happens, and say how these items stand.
    Watch {
        /// The number of the last answer; 0 at first.
        seen: u64,
        /// Which items.
        items: Vec<u64>,
        /// Wait at most so long.
        millis: u64,
    },
    /// Is it well?
    Status,
    /// Space of every volume and target.
    Disk,
    /// List objects.
    Objects {
        /// Only of this depositor.
        #[serde(default)]
        depositor: Option<String>,
        /// Only after this id.
        #[serde(default)]
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// Versions and copies of one object.
    Object {
        /// Its id, or `depositor/bag`.
        object: String,
    },
    /// Rows of the ledger, in key order.
    Rows {
        /// Only after this key.
        #[serde(default)]
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// Read the whole ledger, and say what is wrong.
    Verify,
    /// The configuration in effect.
    Config,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Who answers.
    Hello(Hello),
    /// The item of a deposit.
    Submitted {
        /// The item.
        item: Box<ItemView>,
        /// False when this very deposit was known already.
        new: bool,
    },
    /// Items.
    Items {
        /// The items.
        items: Vec<ItemView>,
        /// True when there are more.
        more: bool,
    },
    /// Troubles by cause.
    Summary {
        /// One row a cause and depositor.
        rows: Vec<SummaryRow>,
    },
    /// All about one item.
    Item(Box<ItemStory>),
    /// Events.
    Events {
        /// The item.
        item: Box<ItemView>,
        /// Its events, oldest first.
        events: Vec<Event>,
    },
    /// Files.
    Files {
        /// The files.
        files: Vec<FileView>,
        /// True when there are more.
        more: bool,
    },
    /// Findings.
    Findings {
        /// The findings.
        findings: Vec<Finding>,
        /// True when there are more.
        more: bool,
    },
    /// What was done, or would be.
    Moved {
        /// Done.
        done: Vec<MovedRow>,
        /// Not done.
        refused: Vec<RefusedRow>,
        /// True when nothing was done because it was only asked about.
        dry_run: bool,
    },
    /// How items stand now.
    Watched {
        /// To be given with the next watch.
        seen: u64,
        /// The items.
        items: Vec<ItemView>,
        /// How far the ones in work are.
        progress: Vec<Progress>,
    },
    /// Is it well?
    Status(Box<Status>),
    /// Space.
    Disk {
        /// One row a volume or target.
        places: Vec<PlaceView>,
    },
    /// Objects.
    Objects {
        /// The objects, each with its newest version.
        objects: Vec<ObjectView>,
        /// True when there are more.
        more: bool,
    },
    /// One object.
    Object {
        /// Its row.
        object: ObjectRow,
        /// Its versions, oldest first.
        versions: Vec<VersionRow>,
    },
    /// Rows of the ledger.
    Rows {
        /// Key, revision, value.
        rows: Vec<(String, u64, serde_json::Value)>,
    },
    /// What reading the whole ledger found.
    Verified(BookReportView),
    /// The configuration.
    Config {
        /// The file.
        file: Option<String>,
        /// Key, value, origin.
        values: Vec<(String, String, String)>,
    },
    /// It is not done.
    Refused(Complaint),
}

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
}

impl From<&StoredCopy> for CopyView {
    fn from(copy: &StoredCopy) -> CopyView {
        CopyView { target: copy.target.clone(), root: copy.root.clone(), path: copy.path.clone() }
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
    /// Bytes.
    pub bytes: u64,
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
    pub id: String,
    /// Who deposits it.
    pub depositor: String,
    /// The bag's name.
    pub bag: String,
    /// Newest version.
    pub version: u32,
    /// Files in it.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Targets with a proved copy.
    pub targets: Vec<String>,
    /// When the newest version was kept (UTC).
    pub kept_at: Option<Timestamp>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_wire() {
        let asks = [
            Ask::Hello,
            Ask::Submit { path: "/a.tar".into(), depositor: None },
            Ask::Requeue {
                items: vec!["41".into()],
                filter: Filter { since: Some(Timestamp::UNIX_EPOCH), ..Filter::default() },
                from: Some("unpack".into()),
                reason: "why".into(),
                dry_run: true,
            },
        ];
        for ask in asks {
            let text = serde_json::to_string(&ask).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<Ask>(&text).unwrap(), ask);
        }
        assert_eq!(serde_json::from_str::<Ask>("{\"ask\":\"hello\"}").unwrap(), Ask::Hello);
        let refused = Answer::Refused(Complaint::new(super::super::complaint::Sort::Busy, "x").then_try("y"));
        let text = serde_json::to_string(&refused).unwrap();
        assert_eq!(text, "{\"answer\":\"refused\",\"sort\":\"busy\",\"error\":\"x\",\"try\":\"y\"}");
        assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), refused);
    }
}
