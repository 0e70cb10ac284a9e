//! Reports: what managers and auditors ask, by period, from the ledger alone.
//!
//! - A report is sections of a table each; every format shows the same cells.
//! - What is counted is counted in parts of a few seconds (`tally`); nothing grows with the holdings.

pub mod csv;
pub mod html;
mod sections;
pub mod tally;
pub mod text;

use jiff::Timestamp;
use serde::Serialize;
use tally::{Period, Tally, Walk};

/// What is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// How copies are proved.
    Fixity,
    /// What was sent, and what became of it.
    Deposits,
    /// What lies where.
    Storage,
    /// All of it, and what happened.
    Audit,
}

impl Kind {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Fixity => "Fixity",
            Kind::Deposits => "Deposits",
            Kind::Storage => "Storage",
            Kind::Audit => "Audit",
        }
    }

    /// What must be counted for it.
    pub fn walks(self) -> &'static [Walk] {
        match self {
            Kind::Fixity => &[Walk::Objects, Walk::Damage, Walk::ItemEvents, Walk::ObjectEvents],
            Kind::Deposits => &[Walk::Items, Walk::Objects],
            Kind::Storage => &[Walk::Objects],
            Kind::Audit => {
                &[Walk::Items, Walk::Objects, Walk::Damage, Walk::ItemEvents, Walk::ObjectEvents, Walk::Runs]
            }
        }
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Text.
    Text(String),
    /// How many.
    Count(u64),
    /// Bytes.
    Bytes(u64),
    /// When; never, if absent.
    Time(Option<Timestamp>),
}

impl Cell {
    /// As people read it.
    pub fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => crate::rules::groups::parted(*count),
            Cell::Bytes(bytes) => crate::books::config::units::show_bytes(*bytes),
            Cell::Time(at) => at.map_or_else(|| "-".into(), |at| format!("{at:.0}")),
        }
    }

    /// As programs read it: exact.
    pub fn exact(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) | Cell::Bytes(count) => count.to_string(),
            Cell::Time(at) => at.map_or_else(String::new, |at| format!("{at:.0}")),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Cell::Count(_) | Cell::Bytes(_))
    }
}

/// A table with a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name for programs.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What must be known to read it.
    pub note: &'static str,
    /// Names of its columns.
    pub columns: &'static [&'static str],
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
    /// Rows that are counted elsewhere and not listed.
    pub more: u64,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is reported.
    pub kind: Kind,
    /// When it was made (UTC).
    pub made: Timestamp,
    /// Which time it is about.
    #[serde(flatten)]
    pub period: Period,
    /// What counts most, in sentences.
    pub summary: Vec<String>,
    /// Its sections.
    pub sections: Vec<Section>,
}

impl Report {
    /// The report over these sums.
    pub fn new(kind: Kind, made: Timestamp, period: Period, tally: &Tally) -> Report {
        let sections = sections::of(kind, tally);
        Report { kind, made, period, summary: sections::summary(kind, tally), sections }
    }

    /// Its first line: title and time.
    pub fn title(&self) -> String {
        format!("{} report, {} to {}", self.kind.title(), day(self.period.since), day(self.period.until))
    }
}

/// A whole day as a day, any other moment to the second.
fn day(at: Timestamp) -> String {
    let text = format!("{at:.0}");
    text.strip_suffix("T00:00:00Z").map_or(text.clone(), String::from)
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
