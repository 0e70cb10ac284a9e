//! `target reconcile`: what lies on targets against the registry, and the registry against what lies there.

use super::overview::counted;
use super::table::{Cell, Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::{Screen, usage};
use crate::books::ledger::{CheckFinding, CheckRow};
use crate::doors::exit::{self, Exit};
use crate::doors::signals::{Asked, Signals};
use crate::rules::reconcile::Kind;
use crate::work::desk::words::{Answer, Ask, ROWS_MAX, SCHEMA};
use clap::Args;
use serde_json::json;
use std::time::{Duration, Instant};

/// A line about how far it is, at least so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Findings that are shown one by one; `--json` gives all that are kept.
const SHOWN_MAX: usize = 100;

/// What is checked.
#[derive(Debug, Args)]
pub struct Reconciling {
    /// The targets; without one, all
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Only show what the last check found
    #[arg(long, conflicts_with = "targets")]
    pub last: bool,
}

/// Does it.
pub fn run(screen: &Screen, talk: &mut Talk, what: Reconciling) -> Told<Exit> {
    if !what.last
        && let Some(exit) = check(screen, talk, &what.targets)?
    {
        return Ok(exit);
    }
    let (check, findings, more) = last(talk)?;
    let Some(check) = check else {
        return Err(usage("no check of targets was made yet", "strongroom target reconcile"));
    };
    let wrong = check.wrong();
    match screen.json {
        true => screen.document(&json!({
            "schema": SCHEMA, "check": check, "findings": findings, "more": more, "wrong": wrong,
        })),
        false => screen.text(&text(&screen.style, &check, &findings)),
    }
    Ok(if wrong > 0 { exit::WRONG } else { exit::DONE })
}

/// Goes on until the check is at its end; an exit when somebody interrupted it.
fn check(screen: &Screen, talk: &mut Talk, targets: &[String]) -> Told<Option<Exit>> {
    let signals = Signals::listen();
    let (mut number, mut told_at) = (None, Instant::now());
    loop {
        let answer = talk.ask(&Ask::Reconcile { targets: targets.to_vec(), check: number })?;
        let Answer::Reconciled { check: Some(check), .. } = answer else { return Err(unexpected(&answer)) };
        if check.ended.is_some() {
            return Ok(None);
        }
        number = Some(check.number);
        if told_at.elapsed() >= LINE_EVERY {
            told_at = Instant::now();
            let objects = check.counts.values().map(|counts| counts.objects).sum();
            screen.hint(&format!("{} looked at, {} wrong so far", counted(objects, "object"), check.wrong()));
        }
        let interrupted = signals.asked();
        if interrupted.is_some() {
            screen.hint("it goes on where it is: the same command again");
        }
        match interrupted {
            Some(Asked::Interrupt) => return Ok(Some(exit::INTERRUPTED)),
            Some(_) => return Ok(Some(exit::TERMINATED)),
            None => {}
        }
    }
}

/// The last check, and all its findings that were kept.
fn last(talk: &mut Talk) -> Told<(Option<Box<CheckRow>>, Vec<CheckFinding>, bool)> {
    let mut all: Vec<CheckFinding> = Vec::new();
    loop {
        let answer = talk.ask(&Ask::Reconciled { after: all.len() as u64, limit: ROWS_MAX })?;
        let Answer::Reconciled { check, findings, more } = answer else { return Err(unexpected(&answer)) };
        all.extend(findings);
        if !more {
            let kept_all = check.as_ref().is_none_or(|check| !check.more);
            return Ok((check, all, !kept_all));
        }
    }
}

/// The report as people read it.
pub fn text(style: &Style, check: &CheckRow, findings: &[CheckFinding]) -> String {
    let mut text = String::new();
    for finding in findings.iter().take(SHOWN_MAX) {
        let tone = if finding.kind == Kind::InFlight { Tone::Dim } else { Tone::Bad };
        let kind = style.paint(tone, finding.kind.name());
        let version = finding.version.map_or(String::new(), |version| format!(" v{version}"));
        text.push_str(&format!(
            "{kind}  {}{version} on {}: {}\n",
            finding.about, finding.target, finding.because
        ));
        if finding.kind != Kind::InFlight {
            text.push_str(&format!("        {}\n", finding.then_try));
        }
    }
    if findings.len() > SHOWN_MAX || check.more {
        text.push_str("… there are more: strongroom target reconcile --last --json\n");
    }
    let mut table = Table::new(&[
        "TARGET",
        ">OBJECTS",
        ">VERSIONS",
        ">LOST",
        ">DAMAGED",
        ">ORPHANED",
        ">EXTRA",
        ">IN FLIGHT",
    ]);
    for (name, counts) in &check.counts {
        let mut cells: Vec<Cell> = vec![name.into(), counts.objects.into(), counts.versions.into()];
        for kind in Kind::ALL {
            let count = counts.found.get(kind.name()).copied().unwrap_or(0);
            let cell = Cell::from(count);
            cells.push(if count > 0 && kind != Kind::InFlight { cell.tone(Tone::Bad) } else { cell });
        }
        table.row(cells);
    }
    text.push_str(&table.render(style));
    for (name, counts) in &check.counts {
        if let Some(why) = &counts.unread {
            let word = style.paint(Tone::Bad, "NOT READ TO ITS END");
            text.push_str(&format!("{word}: {name}: {why}\n"));
        }
    }
    let ended = check.ended.map_or_else(|| "not at its end".into(), moment);
    let verdict = match check.wrong() {
        0 => style.paint(Tone::Good, "nothing is wrong"),
        wrong => style.paint(Tone::Bad, &format!("{wrong} wrong")),
    };
    text.push_str(&format!("check {} by {}, {ended}: {verdict}\n", check.number, check.asked_by));
    text
}
