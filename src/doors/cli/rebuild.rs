//! `rebuild`: the ledger made anew from what lies on targets.
//!
//! - It needs the configuration and the targets, and no ledger; while a daemon has the ledger it is refused.
//! - A ledger that has objects already is only added to, and only when that is asked for.

use super::overview::counted;
use super::table::{Style, Table, Tone};
use super::talk::Told;
use super::{Screen, usage};
use crate::books::config::{Config, PlaceConfig};
use crate::books::ledger::additions::Additions;
use crate::doors::exit::{self, Exit};
use crate::doors::house::{BareLedger, look_at, roots};
use crate::doors::socket::Client;
use crate::model::trouble::Trouble;
use crate::rules::registry::Disagreement;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::unknown_among;
use crate::work::desk::words::SCHEMA;
use crate::work::rebuild::{Rebuild, RebuildError, Report};
use crate::worlds::target::Target;
use clap::Args;
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A line about how far it is, at least so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is rebuilt.
#[derive(Debug, Args)]
pub struct Rebuilding {
    /// A target to read; may be repeated, and disagreements between them are told
    #[arg(long = "from", required = true, value_name = "TARGET")]
    pub from: Vec<String>,
    /// Only read, and say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// The ledger has objects: add what it does not know, and change nothing else
    #[arg(long)]
    pub into_existing: bool,
}

/// Does it.
pub fn run(screen: &Screen, config: &Arc<Config>, what: &Rebuilding) -> Told<Exit> {
    let doing = "nothing is rebuilt";
    if Client::connect(&config.serve.socket)?.is_some() {
        return Err(Box::new(
            Complaint::new(Sort::Busy, doing)
                .because("a daemon has the ledger and the targets")
                .then_try("systemctl stop strongroom; then the same command"),
        ));
    }
    // Before the ledger is touched: whoever forgot to mount a target gets no empty ledger for it.
    let from = targets(config, &what.from)?;
    let bare = match what.dry_run && !config.ledger.exists() {
        true => None,
        false => Some(BareLedger::open(config)?),
    };
    let failed = |error: RebuildError| Box::new(complaint(&error, doing));
    let ledger = bare.as_ref().map(|bare| &bare.ledger);
    let additions = Additions::new(ledger, what.dry_run);
    let mut additions = additions.map_err(|error| failed(error.into()))?;
    let in_use = additions.is_of_use_already().map_err(|error| failed(error.into()))?;
    if in_use && !what.into_existing {
        return Err(Box::new(
            Complaint::new(Sort::Refused, doing)
                .because(format!("the ledger at {} has objects already", config.ledger.display()))
                .so("nothing was changed")
                .then_try("strongroom rebuild --into-existing --from TARGET adds what it does not know; to start anew, move the ledger's folder away first"),
        ));
    }
    let told_at = Cell::new(Instant::now());
    let told = |objects: u64| {
        if told_at.get().elapsed() >= LINE_EVERY {
            told_at.set(Instant::now());
            screen.hint(&format!("{} read", counted(objects, "object")));
        }
    };
    let rebuild = Rebuild { from: &from, roots: &roots(config), told: &told };
    let report = rebuild.run(&mut additions, what.dry_run).map_err(failed)?;
    if let Some(bare) = bare.as_ref().filter(|_| !what.dry_run) {
        let met = |target: &&PlaceConfig| report.targets.contains_key(&target.name);
        bare.has_met(&config.targets.iter().filter(met).collect::<Vec<_>>())?;
    }
    match screen.json {
        true => screen.document(&document(&report)),
        false => screen.text(&text(&screen.style, &report)),
    }
    Ok(if report.refused > 0 { exit::WRONG } else { exit::DONE })
}

/// The targets of these names, opened.
fn targets(config: &Config, names: &[String]) -> Told<Vec<(String, Arc<dyn Target>)>> {
    let mut targets: Vec<(String, Arc<dyn Target>)> = Vec::new();
    for name in names {
        if targets.iter().any(|(known, _)| known == name) {
            return Err(usage(format!("--from {name} is said twice"), "name each target once"));
        }
        let known = config.targets.iter().find(|target| target.name == *name);
        let known = known.ok_or_else(|| {
            unknown_among(
                "target of the configuration",
                name,
                config.targets.iter().map(|target| target.name.as_str()).collect(),
            )
        })?;
        let target = look_at(known).map_err(|trouble: Trouble| {
            Box::new(
                Complaint::new(Sort::Io, format!("target {name} cannot be read"))
                    .because(trouble.because)
                    .so("nothing is rebuilt")
                    .then_try("check that it is mounted, and that the configuration names its path"),
            )
        })?;
        targets.push((name.clone(), target));
    }
    Ok(targets)
}

fn complaint(error: &RebuildError, doing: &str) -> Complaint {
    match error {
        RebuildError::Ledger(error) => Complaint::of_ledger(error, doing),
        RebuildError::Target(..) => Complaint::new(Sort::Io, "the rebuild is not finished")
            .because(error.sentence())
            .so("what was read so far is in the ledger")
            .then_try("when the target is well again, the same command starts over; nothing is taken twice"),
    }
}

fn document(report: &Report) -> serde_json::Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("schema".into(), SCHEMA.into());
    }
    value
}

/// The report as people read it.
pub fn text(style: &Style, report: &Report) -> String {
    let mut text = disagreements(style, &report.disagreements);
    if report.more {
        text.push_str("  … there are more; --json counts them by kind\n");
    }
    let mut table = Table::new(&["TARGET", ">OBJECTS", ">COPIES", ">UNSEEN"]);
    for (name, count) in &report.targets {
        table.row(vec![name.into(), count.objects.into(), count.copies.into(), count.unseen.into()]);
    }
    text.push_str(&table.render(style));
    let did = if report.dry_run { "would be added" } else { "added" };
    text.push_str(&format!(
        "{} found; {} {did}: {}, {}, {}, {}\n",
        counted(report.found, "object"),
        counted(report.objects, "object"),
        counted(report.versions, "version"),
        counted(report.items, "item"),
        counted(report.events, "event"),
        counted(report.deletions, "deletion"),
    ));
    if report.refused > 0 {
        let word = style.paint(Tone::Bad, "NOT ALL WAS TAKEN");
        text.push_str(&format!("{word}: {} are to be looked at, see above\n", report.refused));
    }
    if report.targets.values().any(|count| count.unseen > 0) {
        text.push_str(
            "copies that were not seen are taken as the events tell them: strongroom target reconcile\n",
        );
    }
    text
}

/// Disagreements, two lines each.
fn disagreements(style: &Style, told: &[Disagreement]) -> String {
    let mut text = String::new();
    for told in told {
        let version = told.version.map_or(String::new(), |version| format!(" v{version}"));
        let target = told.target.as_ref().map_or(String::new(), |target| format!(" on {target}"));
        let tone = if told.odd.is_refusal() { Tone::Bad } else { Tone::Warn };
        let odd = style.paint(tone, told.odd.name());
        text.push_str(&format!("{odd}  {}{version}{target}: {}\n", told.about, told.because));
        text.push_str(&format!("        {}\n", told.then_try));
    }
    text
}
