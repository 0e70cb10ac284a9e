//! Why something that was asked for is not done, for the person who asked.
//!
//! Every complaint names the thing, the cause, what happens now, and the next thing to type.

use crate::books::config::fault::Fault;
use crate::books::ledger::LedgerError;
use crate::work::upgrade::UpgradeError;
use crate::worlds::book::BookError;
use crate::worlds::book::imprint::Imprint;
use crate::worlds::source::SourceError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What sort of refusal it is; the exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// The question is not understood.
    Usage,
    /// It is not there.
    NotFound,
    /// Its state does not allow it.
    Refused,
    /// The daemon cannot be reached.
    Unreachable,
    /// Reading or writing failed.
    Io,
    /// Another process is at it.
    Busy,
    /// Not permitted.
    Denied,
    /// The configuration is wrong, or a newer release was here.
    Config,
}

/// A complaint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// Its sort.
    pub sort: Sort,
    /// What was asked, and that it is not done.
    pub error: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// What happens now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub so: String,
    /// What to type, or to do.
    #[serde(default, rename = "try", skip_serializing_if = "String::is_empty")]
    pub then_try: String,
}

impl Complaint {
    /// A complaint of this sort.
    pub fn new(sort: Sort, error: impl Into<String>) -> Complaint {
        Complaint {
            sort,
            error: error.into(),
            because: String::new(),
            so: String::new(),
            then_try: String::new(),
        }
    }

    /// For this reason.
    pub fn because(self, because: impl Into<String>) -> Complaint {
        Complaint { because: because.into(), ..self }
    }

    /// With this consequence.
    pub fn so(self, so: impl Into<String>) -> Complaint {
        Complaint { so: so.into(), ..self }
    }

    /// With this advice.
    pub fn then_try(self, then_try: impl Into<String>) -> Complaint {
        Complaint { then_try: then_try.into(), ..self }
    }

    /// What was being done when the ledger refused.
    pub fn of_ledger(error: &LedgerError, doing: &str) -> Complaint {
        let sort = match error {
            LedgerError::Book(BookError::Busy { .. } | BookError::Conflict { .. }) => Sort::Busy,
            LedgerError::Book(BookError::Newer { .. }) => Sort::Config,
            LedgerError::Book(BookError::Io { why, .. }) if is_denied(why) => Sort::Denied,
            LedgerError::Book(_) | LedgerError::Row { .. } => Sort::Io,
            LedgerError::NoItem(_) => Sort::NotFound,
            LedgerError::Illegal(_) | LedgerError::Lost { .. } => Sort::Refused,
        };
        let complaint = Complaint::new(sort, doing).because(error.to_string());
        match error {
            LedgerError::Book(BookError::Busy { .. }) => complaint.then_try("wait until it has ended"),
            LedgerError::Book(BookError::Newer { imprint, .. }) => {
                let then_try = way_back(imprint.as_deref());
                complaint.so("nothing was touched").then_try(then_try)
            }
            LedgerError::Book(BookError::Damaged { .. }) | LedgerError::Row { .. } => {
                complaint.then_try("strongroom state verify")
            }
            LedgerError::Book(BookError::Io { why, .. }) if is_denied(why) => complaint
                .then_try("become the service's user or root; with a daemon, a member of its group will do"),
            LedgerError::Book(BookError::Io { .. }) => {
                complaint.then_try("look at the kernel log; strongroom doctor")
            }
            LedgerError::NoItem(_) => complaint.then_try("strongroom item list"),
            _ => complaint,
        }
    }

    /// Why the ledger of an older release was not brought up.
    pub fn of_upgrade(error: &UpgradeError) -> Complaint {
        let doing = "the ledger of an older release is not brought up";
        let complaint = match error {
            UpgradeError::Book(error) => Complaint::of_ledger(&error.clone().into(), doing),
            UpgradeError::NoStep { .. } => Complaint::new(Sort::Config, doing).because(error.to_string()),
            _ => Complaint::new(Sort::Io, doing).because(error.to_string()),
        };
        match error {
            UpgradeError::NoRoom { .. } => complaint
                .so("nothing was changed: the release before can go on with it")
                .then_try("make room there, then start again"),
            UpgradeError::Backup { .. } => complaint
                .so("without a backup nothing is brought up: the release before can go on with it")
                .then_try("look at the disk below the data folder, then start again"),
            UpgradeError::NoStep { .. } => complaint
                .so("nothing was changed")
                .then_try("install the releases between, one after the other"),
            UpgradeError::Book(_) => complaint,
        }
    }

    /// What was being done when the source did not give.
    pub fn of_source(error: &SourceError, doing: &str) -> Complaint {
        match error {
            SourceError::Gone { key } => Complaint::new(Sort::NotFound, doing)
                .because(format!("nothing lies at {key}"))
                .then_try("check the path; the service must see it, too"),
            SourceError::Denied { key, why } => Complaint::new(Sort::Denied, doing)
                .because(format!("{key} may not be read: {why}"))
                .then_try("give the service read access to it"),
            SourceError::Io { key, why } => {
                Complaint::new(Sort::Io, doing).because(format!("reading {key} failed: {why}"))
            }
            SourceError::Changed { key, why } => Complaint::new(Sort::Refused, doing)
                .because(format!("{key} changed meanwhile: {why}"))
                .then_try("wait until the upload is complete, then ask again"),
            SourceError::Unreachable { key, why } => Complaint::new(Sort::Io, doing)
                .because(format!("{key} cannot be reached: {why}"))
                .then_try("look at the network and at the server, then ask again"),
            SourceError::Busy { key, why, after } => {
                let when = after.map_or(String::new(), |after| format!(" in {} s", after.as_secs().max(1)));
                Complaint::new(Sort::Busy, doing)
                    .because(format!("{key} asks to be left alone: {why}"))
                    .then_try(format!("ask again{when}"))
            }
            SourceError::NoListing { key } => Complaint::new(Sort::Refused, doing)
                .because(format!("{key} has no listing"))
                .then_try("submit what lies there by its address"),
            SourceError::NoRanges { key } => {
                Complaint::new(Sort::Io, doing).because(format!("{key} gives no part of the deposit alone"))
            }
            SourceError::AddressLost { .. } => Complaint::new(Sort::NotFound, doing)
                .because(error.to_string())
                .then_try("submit the address again, as the depositor gave it"),
            SourceError::Wrong { key, why } => {
                Complaint::new(Sort::Io, doing).because(format!("{key} answers what cannot be used: {why}"))
            }
        }
    }
}

/// What to do with a ledger that is newer than this program.
fn way_back(imprint: Option<&Imprint>) -> String {
    let told = |text: &str| (!text.is_empty()).then(|| format!("strongroom {text}"));
    let release = imprint.and_then(|imprint| told(&imprint.oldest).or_else(|| told(&imprint.written_by)));
    let mut text = match release {
        Some(release) => format!("install {release} or a newer one"),
        None => "install the release that wrote it, or a newer one".into(),
    };
    if let Some(backup) = imprint.and_then(|imprint| imprint.backup.as_ref()) {
        let since = backup.at.map_or_else(|| format!("commit {}", backup.through), |at| format!("{at:.0}"));
        text.push_str(&format!(
            "; or go back with strongroom state restore --replace {}, a backup of schema {}: what the ledger learned since {since} is lost, but for what strongroom rebuild --into-existing --from TARGET reads back from a target",
            quoted(&backup.file),
            backup.schema
        ));
    }
    text
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if path.chars().all(plain) { path.into() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// True when the system said EACCES or EPERM; the book gives its words, not its number.
fn is_denied(why: &str) -> bool {
    why.contains("Permission denied") || why.contains("Operation not permitted")
}

impl From<Fault> for Complaint {
    fn from(fault: Fault) -> Complaint {
        Complaint {
            sort: Sort::Config,
            error: format!("{}{}", fault.place(), fault.error),
            because: fault.because,
            so: fault.so,
            then_try: fault.then_try,
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "error: {}", self.error)?;
        for (word, text) in [("because", &self.because), ("so", &self.so), ("try", &self.then_try)] {
            if !text.is_empty() {
                write!(out, "\n  {word}: {}", text.replace('\n', "\n    "))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Complaint {}
