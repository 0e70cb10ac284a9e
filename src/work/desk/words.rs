//! What may be asked of the desk, and what it answers.
//!
//! - Names and meanings are stable: `--json` prints them, and others' scripts read them. Additions are allowed.
//! - Every list has a bound; what is left is said in `more`.

use super::complaint::Complaint;
pub use super::views::*;
use crate::books::ledger::{BackupRow, CheckFinding, CheckRow, LastScan};
use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::model::object::{ObjectRow, VersionRow};
pub use crate::work::desk::delete_words::{DeleteAnswer, DeleteAsk, DeletionView};
pub use crate::work::desk::fixity_words::{FixityAnswer, FixityAsk};
pub use crate::work::desk::giving_words::{GivingAnswer, GivingAsk};
pub use crate::work::desk::job_words::{JobAnswer, JobAsk, JobStep, JobView, Starter};
pub use crate::work::desk::keep_words::{KeepAnswer, KeepAsk};
pub use crate::work::desk::objects::ObjectFilter;
pub use crate::work::desk::repair_words::{RepairAnswer, RepairAsk, RepairView, RepairWish};
use crate::work::desk::vitals::Vitals;
use crate::work::reports::tally::{Period, Tally, Walk};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
        /// Policy it shall follow; the object's, the bag's or the depositor's, if not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<String>,
        /// True when nobody asked just now: a known item that is held stays held.
        #[serde(default)]
        unasked: bool,
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
        /// From where the last answer ended, if it said so: quicker than counting, however many there are.
        #[serde(default)]
        from: Option<u64>,
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
        /// Which.
        #[serde(default)]
        filter: ObjectFilter,
        /// Only behind this one.
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
    /// Give the newest version of an object back.
    Restore {
        /// Its id, or `depositor/bag`.
        object: String,
        /// Absolute path of the folder in which the bag's folder is made.
        to: String,
    },
    /// Rows of the ledger, in key order.
    Rows {
        /// Only after this key.
        #[serde(default)]
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// Try what the service must be able to do.
    Doctor,
    /// The configured sources; or the one of this name.
    Sources {
        /// Which.
        #[serde(default)]
        source: Option<String>,
    },
    /// List a source now, and take what is new.
    Scan {
        /// Which.
        source: String,
    },
    /// Try what a source must be able to do; all of them, if none is named.
    Probe {
        /// Which.
        #[serde(default)]
        source: Option<String>,
    },
    /// Leave a source alone until it is resumed.
    PauseSource {
        /// Which.
        source: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Receive from a paused source again.
    ResumeSource {
        /// Which.
        source: String,
    },
    /// Hold what lies on targets against the registry, and the registry against what lies there: one step, of a few
    /// seconds. Asked again and again, it comes to its end.
    Reconcile {
        /// Which targets; none: all. A check of the same ones that is under way goes on.
        #[serde(default)]
        targets: Vec<String>,
        /// Number of the check that an earlier answer named.
        #[serde(default)]
        check: Option<u64>,
    },
    /// The last check of targets that came to its end, and its findings after so many.
    Reconciled {
        /// After so many.
        #[serde(default)]
        after: u64,
        /// At most so many.
        limit: usize,
    },
    /// About what is kept.
    Keep(KeepAsk),
    /// About deletions.
    Delete(DeleteAsk),
    /// About putting copies right.
    Repair(RepairAsk),
    /// About jobs.
    Job(JobAsk),
    /// Figures for monitoring.
    Vitals,
    /// Count for a report: one part, of a few seconds.
    Tally {
        /// What is counted.
        walk: Walk,
        /// Of which time.
        period: Period,
        /// Where the last part ended.
        #[serde(default)]
        after: Option<String>,
    },
    /// About proving copies again.
    Fixity(FixityAsk),
    /// About giving back.
    Giving(GivingAsk),
    /// Make a backup of the ledger on every target.
    Backup,
    /// The last backup of the ledger.
    LastBackup,
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
        /// Where the next ones start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
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
    /// About what is kept.
    Keep(KeepAnswer),
    /// About deletions.
    Delete(DeleteAnswer),
    /// About putting copies right.
    Repair(RepairAnswer),
    /// About jobs.
    Job(JobAnswer),
    /// Figures for monitoring.
    Vitals(Box<Vitals>),
    /// Sums of a part, to be added to those of the others.
    Tallied {
        /// The sums.
        tally: Box<Tally>,
        /// Where the next part starts; none: that was all.
        #[serde(default)]
        next: Option<String>,
    },
    /// About proving copies again.
    Fixity(FixityAnswer),
    /// About giving back.
    Giving(GivingAnswer),
    /// One object.
    Object {
        /// Its row.
        object: ObjectRow,
        /// Its versions, oldest first.
        versions: Vec<VersionRow>,
    },
    /// What was given back.
    Restored(RestoredView),
    /// Rows of the ledger.
    Rows {
        /// Key, revision, value.
        rows: Vec<(String, u64, serde_json::Value)>,
    },
    /// Configured sources.
    Sources {
        /// One row a source.
        sources: Vec<SourceView>,
    },
    /// What a listing came to.
    Scanned {
        /// The source.
        source: String,
        /// What it came to.
        #[serde(flatten)]
        told: LastScan,
    },
    /// A backup of the ledger; none was made yet if it is absent.
    BackedUp {
        /// The backup.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backup: Option<Box<BackupRow>>,
    },
    /// How far a check of targets is, or what it came to.
    Reconciled {
        /// The check; none was made yet if it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        check: Option<Box<CheckRow>>,
        /// Its findings.
        findings: Vec<CheckFinding>,
        /// True when there are more.
        more: bool,
    },
    /// What the doctor found.
    Checks {
        /// One row a check.
        checks: Vec<Check>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_wire() {
        let asks = [
            Ask::Hello,
            Ask::Submit { path: "/a.tar".into(), depositor: None, policy: None, unasked: false },
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
