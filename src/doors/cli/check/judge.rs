//! Judging what the desk tells: figures in, verdict out.

use super::verdict::{Figure, Grade, Verdict};
use crate::books::config::units::{show_age, show_bytes};
use crate::books::ledger::BackupRow;
use crate::doors::cli::overview::counted;
use crate::model::job::RunEnd;
use crate::work::desk::fixity_words::Coverage;
use crate::work::desk::vitals::Vitals;
use crate::work::desk::words::{JobView, PlaceView, Status, SummaryRow};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// From which values on it is bad.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// WARNING.
    pub warning: u64,
    /// CRITICAL.
    pub critical: u64,
}

impl Limits {
    /// Of times, in seconds.
    pub fn times(warning: Duration, critical: Duration) -> Limits {
        Limits { warning: warning.as_secs(), critical: critical.as_secs() }
    }
}

/// Seconds since then; none when it is to come.
fn age(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.as_second() - at.as_second()).unwrap_or(0)
}

fn shown(seconds: u64) -> String {
    show_age(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Notices that could not go for so long are worth a word.
const NOTICES_LATE: u64 = 86_400;

/// Seconds of a week.
const WEEK: u64 = 7 * 86_400;

/// Is it well?
pub fn health(status: &Status, vitals: &Vitals, jobs: &[JobView], now: Timestamp) -> Verdict {
    let mut verdict = Verdict::new();
    for place in &status.places {
        if let Some(why) = &place.wrong {
            verdict.add(Grade::Critical, format!("{} {} fails: {why}", place.role, place.name));
        }
    }
    for source in &vitals.sources {
        let why = source.why.as_deref().unwrap_or("no reason is known");
        verdict.add(Grade::Warning, format!("source {} is {}: {why}", source.name, source.state));
    }
    let alarms = status.troubles.get("alarm").copied().unwrap_or(0);
    if alarms > 0 {
        let what = format!(
            "{} in which bytes are not what they were; strongroom trouble list",
            counted(alarms, "item")
        );
        verdict.add(Grade::Critical, what);
    }
    let damaged: u64 = vitals.damaged.values().sum();
    if damaged > 0 {
        let at_least = if vitals.damaged_more { "at least " } else { "" };
        verdict.add(Grade::Critical, format!("{at_least}{damaged} damaged copies; strongroom repair plan"));
    }
    for job in jobs {
        let name = job.job.name();
        match job.last.as_ref().map(|run| (run.end, &run.told.line)) {
            Some((RunEnd::Failed, line)) => verdict.add(Grade::Warning, line.clone()),
            Some((RunEnd::Wrong, line)) => verdict.add(Grade::Warning, line.clone()),
            _ if job.late && job.skip.is_none() => {
                let done = job.done.map_or("never".into(), |at| format!("{} ago", shown(age(at, now))));
                verdict
                    .add(Grade::Warning, format!("{name} is late: it was done {done}; strongroom job list"));
            }
            _ => {}
        }
        if let Some(skip) = &job.skip {
            verdict.add(Grade::Ok, format!("{name} is left out, says {}: {}", skip.by, skip.reason));
        }
    }
    if let Some(since) = vitals.notices_since.filter(|since| age(*since, now) >= NOTICES_LATE) {
        let what = format!(
            "{} could not be sent since {}; strongroom notice list",
            counted(vitals.notices, "notice"),
            shown(age(since, now))
        );
        verdict.add(Grade::Warning, what);
    }
    let daemon =
        if status.daemon { format!("up {}", show_age(status.up_seconds)) } else { "no daemon".into() };
    verdict.add(
        Grade::Ok,
        format!(
            "strongroom {}, {daemon}, {} in line, {} kept",
            status.version,
            counted(vitals.in_line, "item"),
            status.kept
        ),
    );
    verdict.figure(Figure::new("in_line", vitals.in_line, ""));
    verdict.figure(Figure::new("kept", status.kept, ""));
    verdict.figure(Figure::new("notices_waiting", vitals.notices, ""));
    verdict
}

/// Items that wait for a person: those that the operator can help, those that are an alarm, those of others.
pub fn trouble(rows: &[SummaryRow], limits: Limits, oldest: u64, now: Timestamp) -> Verdict {
    let mut by: BTreeMap<&str, u64> =
        ["alarm", "depositor", "developer", "operator", "time"].map(|who| (who, 0)).into();
    for row in rows {
        *by.entry(&row.helps).or_default() += row.items;
    }
    let of = |who: &str| by.get(who).copied().unwrap_or(0);
    let ours: u64 = ["operator", "alarm", "developer"].map(of).iter().sum();
    let is_ours = |row: &&SummaryRow| matches!(row.helps.as_str(), "operator" | "alarm" | "developer");
    let since = rows.iter().filter(is_ours).map(|row| row.oldest_at).min();
    let oldest_age = since.map_or(0, |since| age(since, now));
    let mut verdict = Verdict::new();
    if of("alarm") > 0 {
        verdict.add(
            Grade::Critical,
            format!("{} in which bytes are not what they were", counted(of("alarm"), "item")),
        );
    }
    let mut grade = Grade::of(ours, limits.warning, limits.critical);
    if ours > 0 && oldest_age >= oldest {
        grade = Grade::Critical;
    }
    let age_told = if ours > 0 { format!(", oldest {}", shown(oldest_age)) } else { String::new() };
    let next = if ours > 0 { "; strongroom trouble list" } else { "" };
    let needs = if ours == 1 { "needs" } else { "need" };
    verdict.add(
        grade,
        format!(
            "{} {needs} you{age_told}; {} need the depositor, {} retry by themselves{next}",
            counted(ours, "item"),
            of("depositor"),
            of("time")
        ),
    );
    verdict.figure(Figure::new("operator", ours, "").limits(limits.warning, limits.critical));
    verdict.figure(Figure::new("depositor", of("depositor"), ""));
    verdict.figure(Figure::new("retrying", of("time"), ""));
    verdict.figure(Figure::new("oldest", oldest_age, "s").limits(oldest, oldest));
    verdict
}

/// Damaged copies, and the oldest proof of every target. Limits that are not given follow from the target's interval: a week
/// and a third more than it.
pub fn fixity(
    vitals: &Vitals,
    coverage: &[Coverage],
    given: (Option<Duration>, Option<Duration>),
    now: Timestamp,
) -> Verdict {
    let mut verdict = Verdict::new();
    let damaged: u64 = coverage.iter().map(|target| target.bad).sum();
    for target in coverage {
        let name = &target.target;
        if target.bad > 0 {
            let what = format!("{name}: {} damaged copies; strongroom repair plan", target.bad);
            verdict.add(Grade::Critical, what);
        }
        if let Some(ill) = &target.ill {
            verdict.add(Grade::Critical, format!("{name} looks ill: {}", ill.because));
        }
        let Some(oldest) = target.oldest else { continue };
        let warning = given.0.map_or(target.every + WEEK, |time| time.as_secs());
        let critical = given.1.map_or(target.every + (target.every / 3).max(WEEK), |time| time.as_secs());
        let seconds = age(oldest, now);
        let overdue =
            if target.overdue > 0 { format!(", {} overdue", target.overdue) } else { String::new() };
        let text = format!("{name}: {} copies, oldest proof {} old{overdue}", target.copies, shown(seconds));
        verdict.add(Grade::of(seconds, warning, critical), text);
        let label = format!("oldest_proof_{name}");
        verdict.figure(Figure::new(label, seconds, "s").limits(warning, critical));
    }
    if vitals.first_object.is_none() {
        verdict.add(Grade::Ok, "nothing is kept yet");
    }
    verdict.figure(Figure::new("damaged", damaged, "").limits(1, 1));
    verdict.figure(Figure::new("overdue", coverage.iter().map(|target| target.overdue).sum(), ""));
    verdict
}

/// Space of every volume and target; limits are percents that must stay free.
pub fn disk(places: &[PlaceView], limits: Limits) -> Verdict {
    let mut verdict = Verdict::new();
    for place in places {
        let name = format!("{} {}", place.role, place.name);
        if let Some(why) = &place.wrong {
            verdict.add(Grade::Critical, format!("{name} fails: {why}"));
            continue;
        }
        // A bucket without a quota has no end.
        let endless = place.total == 0 || place.total > u64::MAX / 4;
        if endless {
            verdict.add(Grade::Ok, format!("{name} has no end"));
            continue;
        }
        let share = |percent: u64| {
            u64::try_from(u128::from(place.total) * u128::from(percent) / 100).unwrap_or(u64::MAX)
        };
        let grade = match place.free {
            free if free < share(limits.critical) => Grade::Critical,
            free if free < share(limits.warning) || place.room == 0 => Grade::Warning,
            _ => Grade::Ok,
        };
        let room = if place.room == 0 { ", nothing more can be promised" } else { "" };
        verdict.add(
            grade,
            format!("{name}: {} of {} free{room}", show_bytes(place.free), show_bytes(place.total)),
        );
        let used = |percent: u64| place.total - share(percent).min(place.total);
        let figure = Figure::new(&place.name, place.total - place.free.min(place.total), "B");
        verdict.figure(figure.limits(used(limits.warning), used(limits.critical)).most(place.total));
        let few = place.free_inodes.is_some_and(|inodes| inodes < 1_000);
        if few {
            verdict.add(Grade::Critical, format!("{name}: fewer than 1,000 files can still be made"));
        }
    }
    verdict
}

/// Whether the line gets on.
pub fn stalled(vitals: &Vitals, limits: Limits, now: Timestamp) -> Verdict {
    let still = vitals.still_since.map_or(0, |since| age(since, now));
    let grade =
        if vitals.in_line > 0 { Grade::of(still, limits.warning, limits.critical) } else { Grade::Ok };
    let kept = vitals.last_kept.map_or("nothing was kept lately".into(), |at| {
        format!("the last was kept {} ago", shown(age(at, now)))
    });
    let text = match (vitals.in_line, grade) {
        (0, _) => format!("nothing is in line; {kept}"),
        (items, Grade::Ok) => format!("{} in line, getting on; {kept}", counted(items, "item")),
        (items, _) => format!(
            "{} in line, and the line has not got on for {}; {kept}; strongroom status",
            counted(items, "item"),
            shown(still)
        ),
    };
    let mut verdict = Verdict::new().with(grade, text);
    verdict.figure(Figure::new("still", still, "s").limits(limits.warning, limits.critical));
    verdict.figure(Figure::new("in_line", vitals.in_line, ""));
    if let Some(at) = vitals.last_kept {
        verdict.figure(Figure::new("since_last_kept", age(at, now), "s"));
    }
    verdict
}

/// The age of the last backup, and on how many targets it lies.
pub fn backup(row: Option<&BackupRow>, first: Option<Timestamp>, limits: Limits, now: Timestamp) -> Verdict {
    let Some(row) = row else {
        let Some(first) = first else {
            return Verdict::new().with(Grade::Ok, "nothing is kept yet, and no backup was made");
        };
        let seconds = age(first, now);
        let grade = Grade::of(seconds, limits.warning, limits.critical);
        let next = if grade > Grade::Ok { "; strongroom state backup" } else { "" };
        let text =
            format!("there is no backup of the ledger, and something is kept since {}{next}", shown(seconds));
        return Verdict::new().with(grade, text);
    };
    let seconds = age(row.at, now);
    let (good, all) = (row.good(), row.places.len());
    let grade = Grade::of(seconds, limits.warning, limits.critical);
    let mut verdict = Verdict::new()
        .with(grade, format!("the last backup is {} old, on {good} of {all} targets", shown(seconds)));
    match good {
        0 => verdict.add(Grade::Critical, "it is on no target; strongroom state backup --last"),
        good if good < all => {
            let wrong: Vec<&str> = row
                .places
                .iter()
                .filter(|place| place.wrong.is_some())
                .map(|place| place.target.as_str())
                .collect();
            verdict.add(
                Grade::Warning,
                format!("it is not on {}; strongroom state backup --last", wrong.join(", ")),
            );
        }
        _ => {}
    }
    verdict.figure(Figure::new("age", seconds, "s").limits(limits.warning, limits.critical));
    verdict.figure(Figure::new("targets", good as u64, "").most(all as u64));
    verdict
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
