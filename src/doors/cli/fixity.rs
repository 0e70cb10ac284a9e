//! `fixity`: proving copies again, and what was found.

use super::args_fixity::{FixityVerb, Running};
use super::table::{Cell, Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::text::hint;
use super::{Screen, coverage, usage};
use crate::books::config::units::{exact_time, parse_bytes, parse_time, show_bytes};
use crate::books::ledger::{SweepFinding, SweepState, SweepTarget};
use crate::doors::exit::{self, Exit};
use crate::doors::signals::{Asked, Signals};
use crate::work::desk::fixity_words::SweepView;
use crate::work::desk::words::{Answer, Ask, FixityAnswer, FixityAsk, ROWS_MAX, SCHEMA};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A line about how far it is, at least so often.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How long one question waits for the end of a run.
const WATCH_MILLIS: u64 = 1_000;

/// Findings that are shown one by one; `--json` gives all that are kept.
const SHOWN_MAX: usize = 50;

/// Runs that a table of them shows.
const RUNS_SHOWN: usize = 10;

/// Does a verb.
pub fn run(screen: &Screen, talk: &mut Talk, verb: FixityVerb) -> Told<Exit> {
    match verb {
        FixityVerb::Status => coverage::show_status(screen, talk),
        FixityVerb::Run(what) => make_run(screen, talk, &what),
        FixityVerb::Failures { run } => show_failures(screen, talk, run),
        FixityVerb::Schedule => coverage::show_schedule(screen, talk),
        FixityVerb::Report { run } => show_report(screen, talk, run),
    }
}

// --- a run --------------------------------------------------------------------------------------------------------

fn make_run(screen: &Screen, talk: &mut Talk, what: &Running) -> Told<Exit> {
    let seconds = what.time.as_deref().map(seconds_of).transpose()?;
    let bytes = what.bytes.as_deref().map(bytes_of).transpose()?;
    let signals = Signals::listen();
    let ask = FixityAsk::Run { all: what.all, seconds, bytes, targets: what.targets.clone() };
    let mut view = ask_run(talk, ask)?;
    let (mut told_at, mut interrupted) = (Instant::now(), None);
    while view.run.ended.is_none() {
        if let Some(asked) = signals.asked().filter(|_| interrupted.is_none()) {
            interrupted = Some(asked);
            screen.hint("it ends at the next safe point; the same command again goes on");
            view = ask_run(talk, FixityAsk::Stop { run: view.run.number })?;
        }
        if told_at.elapsed() >= LINE_EVERY {
            told_at = Instant::now();
            screen.hint(&progress(&view));
        }
        view = ask_run(talk, FixityAsk::Watch { run: view.run.number, millis: WATCH_MILLIS })?;
    }
    match screen.json {
        true => screen.document(&document(&view)),
        false => {
            let (_, findings, _) = failures(talk, Some(view.run.number), SHOWN_MAX)?;
            screen.text(&report(&screen.style, &view, &findings));
        }
    }
    Ok(match interrupted {
        Some(Asked::Interrupt) => exit::INTERRUPTED,
        Some(_) => exit::TERMINATED,
        None => exit_of(&view),
    })
}

fn ask_run(talk: &mut Talk, ask: FixityAsk) -> Told<SweepView> {
    match talk.ask(&Ask::Fixity(ask))? {
        Answer::Fixity(FixityAnswer::Run(view)) => Ok(*view),
        other => Err(unexpected(&other)),
    }
}

fn seconds_of(text: &str) -> Told<u64> {
    let time = parse_time(text).map_err(|why| usage(format!("--for {text}: {why}"), "--for 4h"))?;
    match time.as_secs() {
        0 => Err(usage("--for is less than a second", "--for 4h")),
        seconds => Ok(seconds),
    }
}

/// A size as people type it where there is no room for quotes: `2T` is `2 TiB`.
fn bytes_of(text: &str) -> Told<u64> {
    let long = match text.chars().last() {
        Some(unit) if "KMGTPE".contains(unit) => format!("{text}iB"),
        _ => text.to_string(),
    };
    match parse_bytes(&long) {
        Ok(0) => Err(usage("--bytes is nothing", "--bytes 2T")),
        Ok(bytes) => Ok(bytes),
        Err(why) => Err(usage(format!("--bytes {text}: {why}"), "--bytes 2T")),
    }
}

/// Wrong wins over partly: what was seen is worse than what was not.
fn exit_of(view: &SweepView) -> Exit {
    let partly = |part: &SweepTarget| part.state != SweepState::Done || part.left > 0;
    match () {
        () if view.run.refused || view.parts.iter().any(SweepTarget::is_wrong) => exit::WRONG,
        () if view.parts.iter().any(partly) => exit::PARTLY,
        () => exit::DONE,
    }
}

fn sum(view: &SweepView, of: fn(&SweepTarget) -> u64) -> u64 {
    view.parts.iter().map(of).sum()
}

/// A run as JSON: files by outcome at the top, and everything else beside them.
pub fn document(view: &SweepView) -> Value {
    json!({
        "schema": SCHEMA,
        "matched": sum(view, |part| part.matched),
        "mismatched": sum(view, |part| part.mismatched),
        "missing": sum(view, |part| part.missing),
        "unreadable": sum(view, |part| part.unreadable),
        "extra": sum(view, |part| part.extra),
        "not_reached": sum(view, |part| part.not_reached),
        "copies": {
            "sound": sum(view, |part| part.sound),
            "faulty": sum(view, |part| part.faulty),
            "left": sum(view, |part| part.left),
        },
        "bytes": sum(view, |part| part.bytes),
        "refused": view.run.refused,
        "run": view.run,
        "targets": view.parts,
    })
}

fn progress(view: &SweepView) -> String {
    format!(
        "run {}: {} sound, {} read, {} faulty so far",
        view.run.number,
        copies(sum(view, |part| part.sound)),
        show_bytes(sum(view, |part| part.bytes)),
        sum(view, |part| part.faulty)
    )
}

/// A run as people read it.
pub fn report(style: &Style, view: &SweepView, findings: &[SweepFinding]) -> String {
    let mut text = String::new();
    if view.run.refused {
        let word = style.paint(Tone::Bad, "REFUSED");
        let why = view.run.why.as_deref().unwrap_or_default();
        text.push_str(&format!("{word}: what proves copies is not to be believed: {why}\n"));
    }
    text.push_str(&told(style, findings, SHOWN_MAX));
    let mut table = Table::new(&[
        "TARGET",
        ">SOUND",
        ">FAULTY",
        ">NOT REACHED",
        ">MATCHED",
        ">MISMATCHED",
        ">MISSING",
        ">UNREADABLE",
        ">EXTRA",
        ">READ",
        "ENDED",
    ]);
    for part in &view.parts {
        let bad = |count: u64| {
            let cell = Cell::from(count);
            if count > 0 { cell.tone(Tone::Bad) } else { cell }
        };
        let left = Cell::from(part.left);
        table.row(vec![
            (&part.target).into(),
            part.sound.into(),
            bad(part.faulty),
            if part.left > 0 { left.tone(Tone::Warn) } else { left },
            part.matched.into(),
            bad(part.mismatched),
            bad(part.missing),
            bad(part.unreadable),
            bad(part.extra),
            style.bytes(part.bytes),
            state(part),
        ]);
    }
    text.push_str(&table.render(style));
    text.push_str(&format!("{}\n", line(view)));
    for part in view.parts.iter().filter(|part| part.why.is_some()) {
        let why = part.why.as_deref().unwrap_or_default();
        text.push_str(&format!("{}: {}: {why}\n", state_word(style, part), part.target));
    }
    text
}

fn state(part: &SweepTarget) -> Cell {
    Cell::from(part.state.name()).tone(tone(part.state))
}

fn state_word(style: &Style, part: &SweepTarget) -> String {
    style.paint(tone(part.state), &part.state.name().to_uppercase())
}

fn tone(state: SweepState) -> Tone {
    match state {
        SweepState::Done => Tone::Good,
        SweepState::Going | SweepState::Budget | SweepState::Stopped => Tone::Warn,
        SweepState::Away | SweepState::Ill => Tone::Bad,
    }
}

pub(super) fn copies(count: u64) -> String {
    if count == 1 { "1 copy".into() } else { format!("{count} copies") }
}

/// A run in one line.
pub(super) fn line(view: &SweepView) -> String {
    let budget = match (view.run.seconds, view.run.bytes) {
        (Some(seconds), _) => format!(", {} budget", exact_time(Duration::from_secs(seconds))),
        (None, Some(bytes)) => format!(", budget of {}", show_bytes(bytes)),
        (None, None) => String::new(),
    };
    let wrong = match sum(view, |part| part.faulty) {
        0 => String::new(),
        faulty => format!(", {faulty} faulty"),
    };
    let ended = match (&view.run.why, view.run.ended, view.under_way) {
        (_, None, true) => "under way".into(),
        (_, None, false) => "cut off".into(),
        _ if view.run.refused => "refused to report".into(),
        (Some(why), ..) => format!("ended by: {why}"),
        (None, ..) => "nothing is due any more".into(),
    };
    format!(
        "run {} of {} by {}{budget}: {} sound{wrong}, {} read, {ended}",
        view.run.number,
        moment(view.run.started),
        view.run.asked_by,
        copies(sum(view, |part| part.sound)),
        show_bytes(sum(view, |part| part.bytes)),
    )
}

// --- what was found -----------------------------------------------------------------------------------------------

type Found = (Option<SweepView>, Vec<SweepFinding>, bool);

/// The run, its findings, and whether there are more.
fn failures(talk: &mut Talk, run: Option<u64>, at_most: usize) -> Told<Found> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let limit = ROWS_MAX.min(at_most - all.len()).max(1);
        let answer = talk.ask(&Ask::Fixity(FixityAsk::Failures { run, after, limit }))?;
        let Answer::Fixity(FixityAnswer::Failures { run: view, findings, next }) = answer else {
            return Err(unexpected(&answer));
        };
        all.extend(findings);
        if next.is_none() || all.len() >= at_most {
            return Ok((view.map(|view| *view), all, next.is_some()));
        }
        after = next;
    }
}

fn show_failures(screen: &Screen, talk: &mut Talk, run: Option<u64>) -> Told<Exit> {
    let most = if screen.json { usize::MAX } else { SHOWN_MAX };
    let (view, findings, more) = failures(talk, run, most)?;
    let Some(view) = view else { return Err(no_run(run)) };
    match screen.json {
        true => {
            screen.document(&json!({ "schema": SCHEMA, "run": view.run, "findings": findings, "more": more }))
        }
        false if findings.is_empty() => screen.line(&format!("run {} found nothing wrong", view.run.number)),
        false => {
            screen.text(&told(&screen.style, &findings, SHOWN_MAX));
            if more {
                let all = format!("all of them: strongroom fixity failures --run {} --json", view.run.number);
                screen.text(&hint(&screen.style, all));
            }
        }
    }
    let wrong = view.run.refused || view.parts.iter().any(SweepTarget::is_wrong);
    Ok(if wrong { exit::WRONG } else { exit::DONE })
}

fn no_run(run: Option<u64>) -> Box<crate::work::desk::complaint::Complaint> {
    use crate::work::desk::complaint::{Complaint, Sort};
    let error = match run {
        Some(run) => format!("there is no run {run} of fixity"),
        None => "no run of fixity was made yet".into(),
    };
    Box::new(Complaint::new(Sort::NotFound, error).then_try("strongroom fixity run"))
}

fn told(style: &Style, findings: &[SweepFinding], most: usize) -> String {
    let mut text = String::new();
    for finding in findings.iter().take(most) {
        let word = match (&finding.object, &finding.proof) {
            (None, _) => style.paint(Tone::Bad, "ILL"),
            (Some(_), Some(_)) => style.paint(Tone::Bad, "FAULTY"),
            (Some(_), None) => style.paint(Tone::Warn, "NOT REACHED"),
        };
        let about = finding.object.as_ref().map_or(String::new(), |object| format!("{object} "));
        text.push_str(&format!("{word}  {about}on {}: {}\n", finding.target, finding.because));
        for fault in finding.proof.iter().flat_map(|proof| &proof.faults) {
            text.push_str(&format!("        {} {}: {}\n", fault.outcome.name(), fault.path, fault.why));
        }
    }
    text
}

fn show_report(screen: &Screen, talk: &mut Talk, run: Option<u64>) -> Told<Exit> {
    let most = if screen.json { usize::MAX } else { SHOWN_MAX };
    let (view, findings, more) = failures(talk, run, most)?;
    let Some(view) = view else { return Err(no_run(run)) };
    if screen.json {
        let mut told = document(&view);
        told["findings"] = json!(findings);
        told["more"] = json!(more);
        screen.document(&told);
        return Ok(exit_of(&view));
    }
    screen.text(&report(&screen.style, &view, &findings));
    if run.is_none() {
        let earlier = runs(talk, RUNS_SHOWN)?;
        let lines: Vec<String> = earlier.iter().skip(1).map(line).collect();
        if !lines.is_empty() {
            screen.text(&format!("before it:\n  {}\n", lines.join("\n  ")));
        }
    }
    Ok(exit_of(&view))
}

pub(super) fn runs(talk: &mut Talk, limit: usize) -> Told<Vec<SweepView>> {
    match talk.ask(&Ask::Fixity(FixityAsk::Runs { limit }))? {
        Answer::Fixity(FixityAnswer::Runs { runs }) => Ok(runs),
        other => Err(unexpected(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(parts: Vec<SweepTarget>) -> SweepView {
        SweepView { parts, ..SweepView::default() }
    }

    #[test]
    fn what_is_wrong_wins_over_what_was_not_reached() {
        let done = || SweepTarget { state: SweepState::Done, sound: 3, ..SweepTarget::default() };
        let budget = || SweepTarget { state: SweepState::Budget, left: 2, ..done() };
        let faulty = || SweepTarget { faulty: 1, ..done() };
        assert_eq!(exit_of(&view(vec![done(), done()])), exit::DONE);
        assert_eq!(exit_of(&view(vec![done(), budget()])), exit::PARTLY);
        assert_eq!(exit_of(&view(vec![SweepTarget { left: 1, ..done() }])), exit::PARTLY);
        assert_eq!(exit_of(&view(vec![budget(), faulty()])), exit::WRONG);
        assert_eq!(exit_of(&view(vec![SweepTarget { state: SweepState::Ill, ..done() }])), exit::WRONG);
        assert_eq!(exit_of(&view(vec![SweepTarget { state: SweepState::Away, ..done() }])), exit::PARTLY);
        let mut refused = view(vec![done()]);
        refused.run.refused = true;
        assert_eq!(exit_of(&refused), exit::WRONG);
    }

    #[test]
    fn budgets_are_read_as_people_type_them() {
        for (text, bytes) in [("2T", 2 << 40), ("500 GiB", 500 << 30), ("10MB", 10_000_000), ("7", 7)] {
            assert_eq!(bytes_of(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(seconds_of("4h").unwrap(), 14_400);
        assert!(bytes_of("0").is_err() && bytes_of("T").is_err() && seconds_of("0 s").is_err());
    }
}
