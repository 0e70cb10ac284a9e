//! How well copies are covered by proofs: `fixity status` and `fixity schedule`.

use super::Screen;
use super::fixity::{copies, line, runs};
use super::table::{Cell, Style, Table, Tone};
use super::talk::{Talk, Told, unexpected};
use super::text::hint;
use crate::books::config::units::{exact_time, show_bytes};
use crate::doors::exit::{self, Exit};
use crate::work::desk::fixity_words::{Coverage, SweepView};
use crate::work::desk::keep_words::TargetView;
use crate::work::desk::words::{Answer, Ask, FixityAnswer, FixityAsk, KeepAnswer, KeepAsk, SCHEMA};
use serde_json::json;
use std::time::Duration;

const DAY: f64 = 86_400.0;

/// Every target, one question each: counting a million copies takes a moment.
fn coverage(talk: &mut Talk) -> Told<Vec<Coverage>> {
    let answer = talk.ask(&Ask::Keep(KeepAsk::Targets { target: None }))?;
    let Answer::Keep(KeepAnswer::Targets { targets }) = answer else { return Err(unexpected(&answer)) };
    targets.iter().map(|target: &TargetView| of_target(talk, &target.name)).collect()
}

fn of_target(talk: &mut Talk, target: &str) -> Told<Coverage> {
    match talk.ask(&Ask::Fixity(FixityAsk::Status { target: target.into() }))? {
        Answer::Fixity(FixityAnswer::Status(covered)) => Ok(*covered),
        other => Err(unexpected(&other)),
    }
}

/// `fixity status`.
pub(super) fn show_status(screen: &Screen, talk: &mut Talk) -> Told<Exit> {
    let (covered, runs) = (coverage(talk)?, runs(talk, 1)?);
    match screen.json {
        true => screen.document(&json!({ "schema": SCHEMA, "targets": covered, "last": runs.first() })),
        false => screen.text(&status(&screen.style, &covered, runs.first())),
    }
    let wrong = covered.iter().any(|one| one.bad > 0 || one.ill.is_some());
    Ok(if wrong { exit::WRONG } else { exit::DONE })
}

/// The table of coverage, the last run, and what is to be expected.
pub fn status(style: &Style, covered: &[Coverage], last: Option<&SweepView>) -> String {
    let mut table = Table::new(&[
        "TARGET",
        ">COPIES",
        ">PROVED",
        ">OVERDUE",
        ">BAD",
        ">OLDEST PROOF",
        ">INTERVAL",
        ">A FULL ROUND TAKES",
    ]);
    for one in covered {
        let count = |count: u64, tone: Tone| {
            let cell = Cell::from(count);
            if count > 0 { cell.tone(tone) } else { cell }
        };
        table.row(vec![
            (&one.target).into(),
            one.copies.into(),
            one.proved.into(),
            count(one.overdue, Tone::Warn),
            count(one.bad, Tone::Bad),
            one.oldest.map_or("-".into(), |at| style.age(at)),
            exact_time(Duration::from_secs(one.every)).into(),
            one.round_days.map_or("-".into(), |days| round(days).into()),
        ]);
    }
    let mut text = table.render(style);
    match last {
        Some(view) => text.push_str(&format!("last {}\n", line(view))),
        None => text.push_str("no run was made yet: strongroom fixity run\n"),
    }
    covered.iter().for_each(|one| text.push_str(&expected(style, one)));
    text
}

/// What is to be expected of a target; nothing, if all is well.
fn expected(style: &Style, one: &Coverage) -> String {
    let mut text = String::new();
    if let Some(ill) = &one.ill {
        let word = style.paint(Tone::Bad, "ILL");
        text.push_str(&format!("{word}  {}: {} (run {})\n", one.target, ill.because, ill.run));
    }
    if one.bad > 0 {
        text.push_str(&format!("{}: {} damaged: strongroom fixity failures\n", one.target, copies(one.bad)));
    }
    if one.late_days > 0 {
        let interval = (one.every as f64 / DAY + one.late_days as f64).ceil();
        let budget = one.needs.map_or(String::new(), |seconds| {
            format!("raise its budget to {}, or ", exact_time(Duration::from_secs(seconds)))
        });
        text.push_str(&format!(
            "at this pace {} will always be {} d late: {budget}set the interval to {interval} d\n",
            one.target, one.late_days
        ));
    }
    text
}

/// Days, or what is shorter, rounded for people.
fn round(days: f64) -> String {
    let seconds = days * DAY;
    match days {
        days if days >= 2.0 => format!("{} d", days.ceil()),
        _ if seconds >= 7_200.0 => format!("{} h", (seconds / 3_600.0).ceil()),
        _ if seconds >= 120.0 => format!("{} min", (seconds / 60.0).ceil()),
        _ => format!("{} s", seconds.ceil().max(1.0)),
    }
}

/// `fixity schedule`.
pub(super) fn show_schedule(screen: &Screen, talk: &mut Talk) -> Told<Exit> {
    let covered = coverage(talk)?;
    match screen.json {
        true => screen.document(&json!({ "schema": SCHEMA, "targets": covered })),
        false => screen.text(&schedule(&screen.style, &covered)),
    }
    Ok(exit::DONE)
}

/// What comes due when.
pub fn schedule(style: &Style, covered: &[Coverage]) -> String {
    let mut table =
        Table::new(&["TARGET", ">INTERVAL", ">DUE NOW", ">IN 1 D", ">IN 7 D", ">IN 30 D", "NEXT"]);
    for one in covered {
        let shown = |(copies, bytes): (u64, u64)| match copies {
            0 => "0".to_string(),
            _ => format!("{copies} ({})", show_bytes(bytes)),
        };
        let every = Duration::from_secs(one.every);
        let next = one.oldest.and_then(|at| at.checked_add(every).ok());
        let next = match next {
            None => "-".into(),
            Some(at) if at <= style.now => Cell::from("now"),
            Some(at) => style.until(at),
        };
        table.row(vec![
            (&one.target).into(),
            exact_time(every).into(),
            shown(one.coming.now).into(),
            shown(one.coming.day).into(),
            shown(one.coming.week).into(),
            shown(one.coming.month).into(),
            next,
        ]);
    }
    table.render(style) + &hint(style, "prove what is due: strongroom fixity run --for 4h".into())
}
