//! From sums to tables: which report shows what.

use super::tally::{Deposits, Stored, Tally};
use super::{Cell, Kind, Section};
use crate::books::config::units::show_bytes;
use crate::rules::groups::parted;

/// The sections of a report.
pub(super) fn of(kind: Kind, tally: &Tally) -> Vec<Section> {
    match kind {
        Kind::Deposits => vec![deposits(tally)],
        Kind::Storage => vec![storage(tally)],
        Kind::Fixity => vec![fixity(tally), damaged(tally)],
        Kind::Audit => {
            vec![deposits(tally), storage(tally), fixity(tally), damaged(tally), events(tally), runs(tally)]
        }
    }
}

/// What counts most.
pub(super) fn summary(kind: Kind, tally: &Tally) -> Vec<String> {
    let mut sums = Deposits::default();
    for row in tally.deposits.values() {
        sums.received += row.received;
        sums.kept += row.kept;
        sums.refused += row.refused;
        sums.held += row.held;
        sums.versions += row.versions;
        sums.version_bytes += row.version_bytes;
    }
    let mut all = Stored::default();
    tally.stored.values().flat_map(|rows| rows.values()).for_each(|row| all.add(row));
    let damaged: u64 = tally.damaged_on.values().sum();
    let deposits = format!(
        "{} deposits received: {} kept, {} refused, {} held; {} versions kept, {}",
        parted(sums.received),
        parted(sums.kept),
        parted(sums.refused),
        parted(sums.held),
        parted(sums.versions),
        show_bytes(sums.version_bytes)
    );
    let storage = format!(
        "{} copies on {} targets, {}, {} added; {} lacking",
        parted(all.versions),
        tally.stored.len(),
        show_bytes(all.bytes),
        show_bytes(all.added),
        parted(all.lacking)
    );
    let checks = tally.events.get("fixity check").copied().unwrap_or_default();
    let oldest = all.oldest.map_or(String::new(), |at| format!(", oldest proof {at:.0}"));
    let fixity = format!(
        "{} of {} copies proved in the time; {} fixity checks told, {} of them found something; {} copies damaged now{oldest}",
        parted(all.proved),
        parted(all.versions),
        parted(checks.success + checks.failure),
        parted(checks.failure),
        parted(damaged)
    );
    match kind {
        Kind::Deposits => vec![deposits],
        Kind::Storage => vec![storage],
        Kind::Fixity => vec![fixity],
        Kind::Audit => vec![deposits, storage, fixity],
    }
}

fn deposits(tally: &Tally) -> Section {
    let row = |(depositor, row): (&String, &Deposits)| {
        vec![
            Cell::Text(depositor.clone()),
            Cell::Count(row.received),
            Cell::Bytes(row.bytes),
            Cell::Count(row.kept),
            Cell::Count(row.refused),
            Cell::Count(row.held),
            Cell::Count(row.cancelled),
            Cell::Count(row.in_line),
            Cell::Count(row.versions),
            Cell::Count(row.version_files),
            Cell::Bytes(row.version_bytes),
        ]
    };
    Section {
        name: "deposits",
        title: "Deposits",
        note: "received in the time, and what became of them by now; versions: those that became kept in the time",
        columns: &[
            "depositor",
            "received",
            "bytes",
            "kept",
            "refused",
            "held",
            "cancelled",
            "in_line",
            "versions",
            "version_files",
            "version_bytes",
        ],
        rows: tally.deposits.iter().map(row).collect(),
        more: 0,
    }
}

fn storage(tally: &Tally) -> Section {
    let rows = tally.stored.iter().flat_map(|(target, depositors)| {
        depositors.iter().map(move |(depositor, row)| {
            vec![
                Cell::Text(target.clone()),
                Cell::Text(depositor.clone()),
                Cell::Count(row.objects),
                Cell::Count(row.versions),
                Cell::Count(row.files),
                Cell::Bytes(row.bytes),
                Cell::Bytes(row.added),
                Cell::Count(row.lacking),
            ]
        })
    });
    Section {
        name: "storage",
        title: "Storage",
        note: "as of now; files that did not change from one version to the next lie there once and count in both; added: of versions kept in the time",
        columns: &["target", "depositor", "objects", "versions", "files", "bytes", "added", "lacking"],
        rows: rows.collect(),
        more: 0,
    }
}

fn fixity(tally: &Tally) -> Section {
    let rows = tally.stored.iter().map(|(target, depositors)| {
        let mut sum = Stored::default();
        depositors.values().for_each(|row| sum.add(row));
        vec![
            Cell::Text(target.clone()),
            Cell::Count(sum.versions),
            Cell::Count(sum.proved),
            Cell::Time(sum.oldest),
            Cell::Count(tally.damaged_on.get(target).copied().unwrap_or(0)),
        ]
    });
    Section {
        name: "fixity",
        title: "Fixity",
        note: "proved: copies of versions whose last proof is of the time; damaged: as of now",
        columns: &["target", "copies", "proved", "oldest_proof", "damaged"],
        rows: rows.collect(),
        more: 0,
    }
}

fn damaged(tally: &Tally) -> Section {
    let all: u64 = tally.damaged_on.values().sum();
    let row = |row: &super::tally::Listed| {
        vec![
            Cell::Text(row.about.clone()),
            Cell::Text(row.which.clone()),
            Cell::Time(Some(row.at)),
            Cell::Text(row.what.clone()),
        ]
    };
    Section {
        name: "damaged",
        title: "Damaged copies",
        note: "as of now, whenever they were found",
        columns: &["target", "object", "found", "what"],
        rows: tally.damaged.iter().map(row).collect(),
        more: all.saturating_sub(tally.damaged.len() as u64),
    }
}

fn events(tally: &Tally) -> Section {
    let row = |(term, row): (&String, &super::tally::Happened)| {
        vec![Cell::Text(term.clone()), Cell::Count(row.success), Cell::Count(row.failure)]
    };
    Section {
        name: "events",
        title: "Events",
        note: "PREMIS events of the time, by type; all of them: strongroom events export",
        columns: &["type", "success", "failure"],
        rows: tally.events.iter().map(row).collect(),
        more: 0,
    }
}

fn runs(tally: &Tally) -> Section {
    let all: u64 = tally.runs_by.values().flat_map(|ends| ends.values()).sum();
    let row = |row: &super::tally::Listed| {
        vec![
            Cell::Time(Some(row.at)),
            Cell::Text(row.about.clone()),
            Cell::Text(row.which.clone()),
            Cell::Text(row.what.clone()),
        ]
    };
    Section {
        name: "runs",
        title: "Runs of jobs",
        note: "started in the time; of each job the newest 400 runs are known",
        columns: &["started", "job", "run", "said"],
        rows: tally.runs.iter().map(row).collect(),
        more: all.saturating_sub(tally.runs.len() as u64),
    }
}
