//! Counting for reports: rows of the ledger in, sums out, a few seconds at a time.
//!
//! - A tally grows with depositors, targets and kinds of events, never with items, objects or files.
//! - Tallies of parts are added; whoever asks keeps the sum, and the ledger nothing.

use crate::books::ledger::{ItemFilter, Ledger, LedgerError};
use crate::model::checkpoint::Standing;
use crate::model::event::{Event, Outcome};
use crate::model::item::{Item, ItemId};
use crate::model::job::Job;
use crate::model::object::{ObjectId, ObjectRow, VersionRow};
use crate::work::job::Settings;
use crate::work::keeping;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Rows read at once.
const PAGE: usize = 512;

/// Damaged copies and runs that are listed one by one; all are counted.
const LISTED_MAX: usize = 500;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Walk {
    /// Items: what was received and what became of it.
    Items,
    /// Objects, versions and copies.
    Objects,
    /// Events of items.
    ItemEvents,
    /// Events of objects that belong to no item.
    ObjectEvents,
    /// Damaged copies.
    Damage,
    /// Runs of jobs.
    Runs,
}

/// From when to when; `until` is not within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// From then (UTC).
    pub since: Timestamp,
    /// Until before then (UTC).
    pub until: Timestamp,
}

impl Period {
    /// True when this moment is within.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.since <= at && at < self.until
    }
}

/// What became of what a depositor sent in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposits {
    /// Items received.
    pub received: u64,
    /// Bytes of their deposits.
    pub bytes: u64,
    /// Of them, kept by now.
    pub kept: u64,
    /// Refused.
    pub refused: u64,
    /// Held for somebody here.
    pub held: u64,
    /// Given up.
    pub cancelled: u64,
    /// On their way.
    pub in_line: u64,
    /// Versions that became kept in the period, whenever they were received.
    pub versions: u64,
    /// Files of those.
    pub version_files: u64,
    /// Bytes of those.
    pub version_bytes: u64,
}

/// What lies on a target of one depositor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Objects.
    pub objects: u64,
    /// Copies of versions.
    pub versions: u64,
    /// Files of the bags in them.
    pub files: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Bytes of versions that became kept in the period.
    pub added: u64,
    /// Copies that a policy asks for and that are not there.
    pub lacking: u64,
    /// Copies whose last proof is of the period.
    pub proved: u64,
    /// The proof that is longest ago (UTC).
    pub oldest: Option<Timestamp>,
}

/// Events of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// That went well.
    pub success: u64,
    /// That found something wrong.
    pub failure: u64,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// When (UTC).
    pub at: Timestamp,
    /// What it is about: a target, a job.
    pub about: String,
    /// Which one: an object, the run's number and starter.
    pub which: String,
    /// What it came to.
    pub what: String,
}

/// Sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// By depositor.
    pub deposits: BTreeMap<String, Deposits>,
    /// By target and depositor.
    pub stored: BTreeMap<String, BTreeMap<String, Stored>>,
    /// By term of the kind.
    pub events: BTreeMap<String, Happened>,
    /// Damaged copies, the first few.
    pub damaged: Vec<Listed>,
    /// Damaged copies, by target.
    pub damaged_on: BTreeMap<String, u64>,
    /// Runs of jobs in the period, newest first, the first few.
    pub runs: Vec<Listed>,
    /// Runs by job and how they ended.
    pub runs_by: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Tally {
    /// Adds another part.
    pub fn add(&mut self, part: Tally) {
        for (depositor, more) in part.deposits {
            self.deposits.entry(depositor).or_default().add(&more);
        }
        for (target, depositors) in part.stored {
            for (depositor, more) in depositors {
                self.stored.entry(target.clone()).or_default().entry(depositor).or_default().add(&more);
            }
        }
        for (term, more) in part.events {
            let sum = self.events.entry(term).or_default();
            sum.success += more.success;
            sum.failure += more.failure;
        }
        for (target, more) in part.damaged_on {
            *self.damaged_on.entry(target).or_default() += more;
        }
        for (job, ends) in part.runs_by {
            for (end, more) in ends {
                *self.runs_by.entry(job.clone()).or_default().entry(end).or_default() += more;
            }
        }
        self.damaged.extend(part.damaged);
        self.damaged.truncate(LISTED_MAX);
        self.runs.extend(part.runs);
        self.runs.truncate(LISTED_MAX);
    }

    fn item(&mut self, item: &Item, period: Period) {
        // What is given back, tested or deleted is an item, too, and nobody sent it.
        if item.errand.is_some() || !period.holds(item.received_at) {
            return;
        }
        let sums = self.deposits.entry(item.depositor.clone()).or_default();
        sums.received += 1;
        sums.bytes += item.deposit.bytes;
        *match &item.checkpoint.standing {
            Standing::Kept => &mut sums.kept,
            Standing::Refused { .. } => &mut sums.refused,
            Standing::Held { .. } => &mut sums.held,
            Standing::Cancelled => &mut sums.cancelled,
            _ => &mut sums.in_line,
        } += 1;
    }

    fn object(&mut self, settings: &Settings, object: &ObjectRow, versions: &[VersionRow], period: Period) {
        let mut on: BTreeMap<&str, Stored> = BTreeMap::new();
        for version in versions {
            let is_new = period.holds(version.kept_at);
            if is_new {
                let sums = self.deposits.entry(object.depositor.clone()).or_default();
                sums.versions += 1;
                sums.version_files += version.files;
                sums.version_bytes += version.bytes;
            }
            for copy in &version.copies {
                on.entry(&copy.target).or_insert(Stored { objects: 1, ..Stored::default() }).add(&Stored {
                    versions: 1,
                    files: version.files,
                    bytes: version.bytes,
                    added: if is_new { version.bytes } else { 0 },
                    proved: u64::from(period.holds(copy.proved_at)),
                    oldest: Some(copy.proved_at),
                    ..Stored::default()
                });
            }
        }
        let mut add = |target: &str, more: &Stored| {
            let depositors = self.stored.entry(target.to_string()).or_default();
            depositors.entry(object.depositor.clone()).or_default().add(more);
        };
        on.iter().for_each(|(target, more)| add(target, more));
        for target in keeping::lacking(settings, object, versions).unwrap_or_default() {
            let there = |version: &&VersionRow| version.copies.iter().any(|copy| copy.target == target);
            let lacking = (versions.len() - versions.iter().filter(there).count()) as u64;
            add(&target, &Stored { lacking, ..Stored::default() });
        }
    }

    fn event(&mut self, event: &Event, period: Period) {
        if period.holds(event.at) {
            let sums = self.events.entry(event.event_type.term().0.to_string()).or_default();
            *match event.outcome {
                Outcome::Success => &mut sums.success,
                Outcome::Failure => &mut sums.failure,
            } += 1;
        }
    }
}

impl Deposits {
    fn add(&mut self, more: &Deposits) {
        self.received += more.received;
        self.bytes += more.bytes;
        self.kept += more.kept;
        self.refused += more.refused;
        self.held += more.held;
        self.cancelled += more.cancelled;
        self.in_line += more.in_line;
        self.versions += more.versions;
        self.version_files += more.version_files;
        self.version_bytes += more.version_bytes;
    }
}

impl Stored {
    /// Adds another.
    pub fn add(&mut self, more: &Stored) {
        self.objects += more.objects;
        self.versions += more.versions;
        self.files += more.files;
        self.bytes += more.bytes;
        self.added += more.added;
        self.lacking += more.lacking;
        self.proved += more.proved;
        self.oldest = match (self.oldest, more.oldest) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}

/// Counts a part, from behind this place for so long; the sums, and where the next part starts.
pub fn part(
    ledger: &Ledger,
    settings: &Settings,
    walk: Walk,
    period: Period,
    after: Option<String>,
    at_most: Duration,
) -> Result<(Tally, Option<String>), LedgerError> {
    let began = Instant::now();
    let mut tally = Tally::default();
    let mut after = after;
    loop {
        after = match walk {
            Walk::Items => items(ledger, &mut tally, period, after)?,
            Walk::Objects => objects(ledger, settings, &mut tally, period, after)?,
            Walk::ItemEvents | Walk::ObjectEvents => {
                let prefix = if walk == Walk::ItemEvents { "e/" } else { "x/" };
                ledger.events_page(prefix, after.as_deref(), PAGE, &mut |event| tally.event(event, period))?
            }
            Walk::Damage => damage(ledger, &mut tally, after)?,
            Walk::Runs => runs(ledger, &mut tally, period)?,
        };
        if after.is_none() || began.elapsed() >= at_most {
            return Ok((tally, after));
        }
    }
}

fn items(
    ledger: &Ledger,
    tally: &mut Tally,
    period: Period,
    after: Option<String>,
) -> Result<Option<String>, LedgerError> {
    let after = after.and_then(|after| after.parse().ok()).map(ItemId);
    let page = ledger.scan(&ItemFilter::default(), after, PAGE)?;
    page.iter().for_each(|item| tally.item(item, period));
    Ok(page.last().map(|item| item.id.0.to_string()))
}

fn objects(
    ledger: &Ledger,
    settings: &Settings,
    tally: &mut Tally,
    period: Period,
    after: Option<String>,
) -> Result<Option<String>, LedgerError> {
    let page = ledger.objects(after.map(ObjectId).as_ref(), PAGE)?;
    for object in &page {
        tally.object(settings, object, &ledger.versions(&object.id)?, period);
    }
    Ok(page.last().map(|object| object.id.0.clone()))
}

fn damage(ledger: &Ledger, tally: &mut Tally, after: Option<String>) -> Result<Option<String>, LedgerError> {
    // Target names hold no blank.
    let place = after.as_deref().and_then(|after| after.split_once(' '));
    let place = place.map(|(target, object)| (target, ObjectId(object.to_string())));
    let page = ledger.damaged(place.as_ref().map(|(target, object)| (*target, object)), PAGE)?;
    for copy in &page {
        *tally.damaged_on.entry(copy.target.clone()).or_default() += 1;
        let proof = &copy.proof;
        let what = format!(
            "{} mismatched, {} missing, {} unreadable, {} extra",
            proof.mismatched, proof.missing, proof.unreadable, proof.extra
        );
        if tally.damaged.len() < LISTED_MAX {
            let which = copy.object.0.clone();
            tally.damaged.push(Listed { at: copy.found_at, about: copy.target.clone(), which, what });
        }
    }
    Ok(page.last().map(|copy| format!("{} {}", copy.target, copy.object)))
}

fn runs(ledger: &Ledger, tally: &mut Tally, period: Period) -> Result<Option<String>, LedgerError> {
    for job in Job::ALL {
        for run in ledger.runs(job, None, PAGE)? {
            if !period.holds(run.started) {
                continue;
            }
            let ends = tally.runs_by.entry(job.name().into()).or_default();
            *ends.entry(run.end.name().into()).or_default() += 1;
            let which = format!("{} by {}", run.number, run.by);
            tally.runs.push(Listed { at: run.started, about: job.name().into(), which, what: run.told.line });
        }
    }
    tally.runs.sort_by_key(|run| std::cmp::Reverse(run.at));
    tally.runs.truncate(LISTED_MAX);
    Ok(None)
}
