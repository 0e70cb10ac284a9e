//! The job fixity: one run that proves copies again, oldest proof first, within the budget of the configuration.
//!
//! - The run goes on by itself; the job watches it, and ends it when it is itself stopped. One that is under way already is
//!   watched to its end, whoever began it; when it was not about every target, the job's own run comes after it.
//! - A target that could not be reached is wrong, never well: what was not looked at is not sound.

use super::{Step, Work};
use crate::books::ledger::{SweepRow, SweepState, SweepTarget};
use crate::model::item::Asker;
use crate::model::job::{LINES_MAX, Told};
use crate::work::desk::Desk;
use crate::work::desk::fixity_words::{FixityAnswer, FixityAsk, SweepView};
use crate::work::desk::words::{Answer, Ask};
use jiff::Timestamp;

/// How long one step waits for the end.
const WAIT_MILLIS: u64 = 2_000;

/// Runs looked at for the last one that was over every target.
const RUNS_MAX: usize = 50;

/// A run.
#[derive(Default)]
pub(super) struct Fixity {
    run: Option<u64>,
}

/// When the last run began that looked at every target and could be trusted.
pub(super) fn done(desk: &Desk) -> Option<Timestamp> {
    let runs = desk.ledger().sweeps(RUNS_MAX).ok()?;
    let whole = runs.into_iter().find(|run| run.ended.is_some() && !run.refused && is_whole(desk, run))?;
    let parts = desk.ledger().sweep_targets(whole.number).ok()?;
    let stopped = parts.iter().any(|part| matches!(part.state, SweepState::Stopped | SweepState::Going));
    (!stopped).then_some(whole.started)
}

impl Work for Fixity {
    fn step(&mut self, desk: &Desk, asker: &Asker) -> Step {
        let ask = match self.run.or_else(|| under_way(desk, asker)) {
            Some(run) => FixityAsk::Watch { run, millis: WAIT_MILLIS },
            None => FixityAsk::Run { all: false, seconds: None, bytes: None, targets: Vec::new() },
        };
        match desk.answer(&Ask::Fixity(ask), asker) {
            Answer::Fixity(FixityAnswer::Run(view)) => {
                self.run = Some(view.run.number);
                if view.under_way {
                    return Step::Going(going(&view));
                }
                if !is_whole(desk, &view.run) {
                    self.run = None;
                    let names = view.run.targets.join(", ");
                    return Step::Going(format!("run {} was of {names} only", view.run.number));
                }
                over(desk, asker, &view)
            }
            Answer::Refused(complaint) => Step::Failed(format!("{}: {}", complaint.error, complaint.because)),
            _ => Step::Failed("the desk gave an answer that was not asked for".into()),
        }
    }

    fn stop(&mut self, desk: &Desk, asker: &Asker) {
        if let Some(run) = self.run {
            // What it proved is recorded; where it stopped the next one goes on.
            desk.answer(&Ask::Fixity(FixityAsk::Stop { run }), asker);
        }
    }
}

/// True when a run was about every target whose copies count.
fn is_whole(desk: &Desk, run: &SweepRow) -> bool {
    desk.counted_targets().iter().all(|name| run.targets.contains(name))
}

/// The run that somebody else began and that goes on.
fn under_way(desk: &Desk, asker: &Asker) -> Option<u64> {
    match desk.answer(&Ask::Fixity(FixityAsk::Runs { limit: 1 }), asker) {
        Answer::Fixity(FixityAnswer::Runs { runs }) => {
            runs.first().filter(|view| view.under_way).map(|view| view.run.number)
        }
        _ => None,
    }
}

fn going(view: &SweepView) -> String {
    let copies: u64 = view.parts.iter().map(|part| part.sound + part.faulty).sum();
    let faulty: u64 = view.parts.iter().map(|part| part.faulty).sum();
    format!("{copies} copies read, {faulty} of them damaged so far")
}

fn over(desk: &Desk, asker: &Asker, view: &SweepView) -> Step {
    let number = view.run.number;
    let why = || view.run.why.clone().unwrap_or_else(|| "no reason is known".into());
    if view.run.refused {
        return Step::Failed(format!(
            "run {number} cannot be trusted and says nothing of any copy: {}; next: strongroom doctor",
            why()
        ));
    }
    let sum = |of: fn(&SweepTarget) -> u64| -> u64 { view.parts.iter().map(of).sum() };
    let (copies, faulty, left) =
        (sum(|part| part.sound + part.faulty), sum(|part| part.faulty), sum(|part| part.left));
    let cut_off = view.parts.iter().any(|part| matches!(part.state, SweepState::Stopped | SweepState::Going));
    if view.run.ended.is_none() || cut_off {
        return Step::Failed(format!(
            "run {number} was stopped after {copies} copies; the next run goes on there"
        ));
    }
    let away: Vec<&SweepTarget> =
        view.parts.iter().filter(|part| matches!(part.state, SweepState::Away | SweepState::Ill)).collect();
    let rest = if left > 0 { format!(", {left} more are due and were not reached") } else { String::new() };
    if faulty == 0 && away.is_empty() {
        let targets = view.parts.len();
        return Step::Done(
            false,
            Told::line(format!("fixity: {copies} copies on {targets} targets proved, none damaged{rest}")),
        );
    }
    let all = format!("strongroom fixity failures --run {number}");
    let files = format!(
        "{} files mismatched, {} missing, {} unreadable, {} extra",
        sum(|part| part.mismatched),
        sum(|part| part.missing),
        sum(|part| part.unreadable),
        sum(|part| part.extra)
    );
    let names: Vec<String> =
        away.iter().map(|part| format!("{} {}", part.target, part.state.name())).collect();
    let away_told = if names.is_empty() { String::new() } else { format!(", {}", names.join(", ")) };
    let mut told = Told::line(format!(
        "fixity: {faulty} of {copies} copies damaged ({files}){away_told}{rest}; next: {all}"
    ));
    for part in away {
        told.add(format!(
            "{} {}: {}",
            part.target,
            part.state.name(),
            part.why.as_deref().unwrap_or("no reason is known")
        ));
    }
    let ask = FixityAsk::Failures { run: Some(number), after: None, limit: LINES_MAX + 1 };
    if let Answer::Fixity(FixityAnswer::Failures { findings, .. }) = desk.answer(&Ask::Fixity(ask), asker) {
        for found in &findings {
            let object = found.object.as_ref().map_or(String::new(), |object| format!("{object} on "));
            told.add(format!("{object}{}: {}", found.target, found.because));
        }
    }
    told.more = faulty.saturating_sub(told.lines.len() as u64);
    told.all = all;
    Step::Done(true, told)
}
