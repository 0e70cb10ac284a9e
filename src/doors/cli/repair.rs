//! `repair`: what is wrong with copies, putting them right, and what was put aside.

use super::args_repair::{RepairVerb, Repairing};
use super::overview::counted;
use super::table::{Cell, Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::text::hint;
use super::{Screen, usage};
use crate::books::config::units::{parse_bytes, parse_time};
use crate::books::ledger::RepairRun;
use crate::doors::exit::{self, Exit};
use crate::doors::signals::{Asked, Signals};
use crate::model::finding::escape;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::{Answer, Ask, RepairAnswer, RepairAsk, RepairView, RepairWish, SCHEMA};
use crate::work::repair::CopyPlan;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal};
use std::time::{Duration, Instant};

/// A line about how far it is, at least so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Copies that are shown one by one.
const COPIES_MAX: usize = 50;

/// Files of a copy that are shown one by one.
const FILES_MAX: usize = 10;

/// Does a verb on repairs.
pub fn run(screen: &Screen, talk: &mut Talk, verb: RepairVerb) -> Told<Exit> {
    match verb {
        RepairVerb::Plan(which) => plan(screen, talk, &wish(&which)?),
        RepairVerb::Run { which, dry_run: true, .. } => plan(screen, talk, &wish(&which)?),
        RepairVerb::Run { which, yes, .. } => {
            let wish = wish(&which)?;
            if !yes && !sure(screen, talk, &wish)? {
                return Ok(exit::DONE);
            }
            mend(screen, talk, &wish)
        }
        RepairVerb::Show { last } => show(screen, talk, last),
    }
}

fn wish(which: &Repairing) -> Told<RepairWish> {
    let bytes = which.bytes.as_deref().map(parse_bytes).transpose();
    let time = which.time.as_deref().map(parse_time).transpose();
    Ok(RepairWish {
        object: which.object.clone(),
        target: which.target.clone(),
        lost: which.lost,
        bytes: bytes.map_err(|why| usage(format!("--bytes: {why}"), "--bytes \"2 TiB\""))?,
        seconds: time
            .map_err(|why| usage(format!("--for: {why}"), "--for \"4 h\""))?
            .map(|time| time.as_secs()),
        by_itself: false,
    })
}

/// All that would be done.
fn plans(screen: &Screen, talk: &mut Talk, wish: &RepairWish) -> Told<Vec<CopyPlan>> {
    let (mut all, mut place) = (Vec::new(), None);
    loop {
        let ask = Ask::Repair(RepairAsk::Plan { wish: wish.clone(), place: place.take() });
        let answer = talk.ask(&ask)?;
        let Answer::Repair(RepairAnswer::Planned { copies, next }) = answer else {
            return Err(unexpected(&answer));
        };
        all.extend(copies);
        match next {
            Some(next) => place = Some(next),
            None => return Ok(all),
        }
        if screen.style.tty && !screen.json {
            screen.hint(&format!("{} looked at", copies_of(all.len() as u64)));
        }
    }
}

fn plan(screen: &Screen, talk: &mut Talk, wish: &RepairWish) -> Told<Exit> {
    let copies = plans(screen, talk, wish)?;
    match screen.json {
        true => screen.document(&json!({ "schema": SCHEMA, "copies": copies })),
        false => screen.text(&planned(&screen.style, &copies)),
    }
    Ok(if copies.iter().all(CopyPlan::is_sound) { exit::DONE } else { exit::WRONG })
}

/// What would be done, as people read it.
pub fn planned(style: &Style, copies: &[CopyPlan]) -> String {
    if copies.is_empty() {
        return "nothing is known to be wrong with any copy\n".into();
    }
    let mut text = String::new();
    for copy in copies.iter().take(COPIES_MAX) {
        text.push_str(&of_copy(style, copy));
    }
    if copies.len() > COPIES_MAX {
        text.push_str(&format!("… and {} copies more: --json\n", copies.len() - COPIES_MAX));
    }
    text
}

fn of_copy(style: &Style, copy: &CopyPlan) -> String {
    let name = format!("{} on {}", copy.object, copy.target);
    if let Some(why) = &copy.left_alone {
        return format!("{}  {name}: it is left alone: {why}\n", style.paint(Tone::Warn, "wait"));
    }
    if copy.is_sound() {
        return format!("{}  {name}: nothing is wrong with it\n", style.paint(Tone::Good, "ok  "));
    }
    let size = style.bytes(copy.bytes);
    let size = size.shown();
    if copy.gone {
        let files = counted(copy.files, "file");
        return format!(
            "{}  {name}: nothing of it is there; it would be made anew: {files}, {size}\n",
            style.paint(Tone::Warn, "gone")
        );
    }
    let word = if copy.cannot > 0 { style.paint(Tone::Bad, "FAIL") } else { style.paint(Tone::Warn, "mend") };
    let files = match copy.files {
        0 => "nothing would be put right".to_string(),
        files => format!("{} would be put right ({size})", counted(files, "file")),
    };
    let mut text = format!("{word}  {name}: {files}");
    if copy.extra > 0 && copy.cannot == 0 {
        text.push_str(&format!(", {} put aside", copy.extra));
    }
    if copy.cannot > 0 {
        text.push_str(&format!(", {} cannot be", copy.cannot));
    }
    text.push('\n');
    // What cannot be put right first: that is for a person.
    let mut files: Vec<_> = copy.first.iter().collect();
    files.sort_by_key(|file| file.cannot.is_none());
    for file in files.iter().take(FILES_MAX) {
        let how = match (&file.from, &file.cannot) {
            (_, Some(cannot)) => format!("no proved copy: {cannot}"),
            (Some(from), None) if from == "text" => "as the registry says".into(),
            (Some(from), None) if from == "ledger" => "from the ledger's records".into(),
            (Some(from), None) => format!("from {from}"),
            (None, None) if copy.cannot > 0 => "left where it is".into(),
            (None, None) => "into quarantine".into(),
        };
        text.push_str(&format!("      {}  {}: {}\n", file.outcome.name(), file.path, how));
    }
    let all = copy.files + copy.extra + copy.cannot;
    let shown = files.len().min(FILES_MAX) as u64;
    if all > shown {
        text.push_str(&format!("      … and {} more\n", all - shown));
    }
    text
}

fn copies_of(count: u64) -> String {
    if count == 1 { "1 copy".into() } else { format!("{count} copies") }
}

/// Says what would be done, and asks once; without a terminal it is not done unless it was said.
fn sure(screen: &Screen, talk: &mut Talk, wish: &RepairWish) -> Told<bool> {
    let copies = plans(screen, talk, wish)?;
    let doable = copies.iter().filter(|copy| copy.gone || copy.files + copy.extra > 0).count() as u64;
    if !std::io::stdin().is_terminal() || !screen.stderr_tty || screen.json {
        return Err(Box::new(
            Complaint::new(Sort::Refused, "copies are not put right")
                .because(format!(
                    "{} would be changed, and nobody can be asked whether that is meant",
                    copies_of(doable)
                ))
                .so("nothing was changed")
                .then_try("strongroom repair plan, then strongroom repair run --yes"),
        ));
    }
    screen.text(&planned(&screen.style, &copies));
    if doable == 0 {
        return Ok(false);
    }
    screen.hint(&format!("put {} right? [y/N]", copies_of(doable)));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    Ok(read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Goes on until the run is at its end.
fn mend(screen: &Screen, talk: &mut Talk, wish: &RepairWish) -> Told<Exit> {
    let signals = Signals::listen();
    let (mut number, mut told_at) = (None, Instant::now());
    let (run, interrupted) = loop {
        let answer = talk.ask(&Ask::Repair(RepairAsk::Run { wish: wish.clone(), run: number }))?;
        let Answer::Repair(RepairAnswer::Run(run)) = answer else { return Err(unexpected(&answer)) };
        if run.ended.is_some() {
            break (run, None);
        }
        number = Some(run.number);
        if told_at.elapsed() >= LINE_EVERY {
            told_at = Instant::now();
            screen.hint(&format!("{} put right, {} failed so far", copies_of(run.repaired), run.failed));
        }
        if let Some(asked) = signals.asked() {
            break (run, Some(asked));
        }
    };
    match screen.json {
        true => screen.document(&document(&run)),
        false => screen.text(&ran(&screen.style, &run)),
    }
    if interrupted.is_some() {
        screen.hint("interrupted between two copies; the same command goes on with what is left");
    }
    Ok(match interrupted {
        Some(Asked::Interrupt) => exit::INTERRUPTED,
        Some(_) => exit::TERMINATED,
        None if run.failed > 0 => exit::WRONG,
        None if run.bounded || run.skipped > 0 => exit::PARTLY,
        None => exit::DONE,
    })
}

/// A run as a document of its own, its counts at the top.
pub fn document(run: &RepairRun) -> Value {
    let mut value = serde_json::to_value(run).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("schema".into(), SCHEMA.into());
    }
    value
}

/// A run, as people read it.
pub fn ran(style: &Style, run: &RepairRun) -> String {
    let mut text = format!(
        "repair {}: {} put right ({}, {}), {} failed, {} found whole, {} left alone; {} put aside\n",
        run.number,
        copies_of(run.repaired),
        counted(run.files, "file"),
        style.bytes(run.bytes).shown(),
        run.failed,
        run.sound,
        run.skipped,
        counted(run.aside, "file")
    );
    for failure in &run.failures {
        text.push_str(&format!(
            "{}  {} on {}: {}\n",
            style.paint(Tone::Bad, "FAIL"),
            failure.object,
            failure.target,
            failure.why
        ));
    }
    if run.bounded {
        text.push_str("its bound ended it; the same command goes on with what is left\n");
    }
    text
}

fn show(screen: &Screen, talk: &mut Talk, last: usize) -> Told<Exit> {
    let answer = talk.ask(&Ask::Repair(RepairAsk::Show { limit: last }))?;
    let Answer::Repair(RepairAnswer::Shown(view)) = &answer else { return Err(unexpected(&answer)) };
    match screen.json {
        true => screen.document(&super::verbs::document(&answer)),
        false => screen.text(&shown(&screen.style, view)),
    }
    Ok(exit::DONE)
}

/// How it stands, as people read it.
pub fn shown(style: &Style, view: &RepairView) -> String {
    let mut text = match view.mode.as_str() {
        "auto" => "what a sweep finds is put right by itself (repair.mode)\n".to_string(),
        _ => "nothing is put right by itself (repair.mode); strongroom repair run\n".to_string(),
    };
    let mut table = Table::new(&["DAMAGED", "TARGET", "FOUND", ">FILES"]);
    for copy in &view.damaged {
        let proof = &copy.proof;
        let files = proof.mismatched + proof.missing + proof.unreadable + proof.extra;
        table.row(vec![
            (&copy.object.0).into(),
            (&copy.target).into(),
            style.age(copy.found_at),
            Cell::from(files).tone(Tone::Bad),
        ]);
    }
    match view.damaged.is_empty() {
        true => text.push_str("no copy is known to be damaged\n"),
        false => text.push_str(&table.render(style)),
    }
    if view.more {
        text.push_str("… there are more\n");
    }
    let mut runs = Table::new(&[">RUN", "BEGAN", "BY", ">REPAIRED", ">FAILED", ">FILES", ">SIZE", ">ASIDE"]);
    for run in &view.runs {
        let failed = Cell::from(run.failed);
        runs.row(vec![
            run.number.into(),
            moment(run.started).into(),
            (&run.asked_by).into(),
            run.repaired.into(),
            if run.failed > 0 { failed.tone(Tone::Bad) } else { failed },
            run.files.into(),
            style.bytes(run.bytes),
            run.aside.into(),
        ]);
    }
    if !view.runs.is_empty() {
        text.push_str(&runs.render(style));
    }
    text + &quarantine(style, view)
}

fn quarantine(style: &Style, view: &RepairView) -> String {
    let mut table = Table::new(&["QUARANTINE", "SINCE", ">SIZE", "NAME", "WAS"]);
    let (mut some, mut notes) = (false, String::new());
    for place in &view.quarantine {
        for one in &place.newest {
            some = true;
            let was = one
                .of
                .as_ref()
                .map_or("-".to_string(), |of| format!("{} {}", of.object, escape(of.path.as_bytes())));
            let since = one.of.as_ref().map_or("-".into(), |of| style.age(of.at));
            table.row(vec![
                (&place.target).into(),
                since,
                style.bytes(one.bytes),
                (&one.name).into(),
                was.into(),
            ]);
        }
        let left = place.count - place.newest.len() as u64;
        if left > 0 {
            notes.push_str(&format!("… and {left} more on {}: --last N\n", place.target));
        }
        if let Some(wrong) = &place.wrong {
            notes.push_str(&format!("{}  {}: {wrong}\n", style.paint(Tone::Bad, "FAIL"), place.target));
        }
    }
    if !some {
        return format!("nothing lies in quarantine\n{notes}");
    }
    let advice =
        "strongroom never deletes what lies in work/quarantine of a target; that is for you".to_string();
    table.render(style) + &notes + &hint(style, advice)
}
