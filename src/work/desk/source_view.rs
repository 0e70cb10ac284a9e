//! How a source is doing, in one word, drawn from all that is known of it: pure.
//!
//! - The word is the worst that holds; the reason and the time say since when and why.
//! - A source that was never asked is not called well.

use super::words::SourceView;
use crate::books::config::units::show_age;
use crate::books::ledger::SourceRow;
use crate::work::receiving::Intake;
use crate::worlds::net::breaker::Health;
use crate::worlds::source::Disposal;
use crate::worlds::source::sources::SourceState;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A listing may begin this much later than it should before anybody is told.
const LATE: Duration = Duration::from_secs(60);

/// What is known of a source.
pub struct Known<'a> {
    /// What the configuration says.
    pub intake: &'a Intake,
    /// What the ledger remembers.
    pub row: SourceRow,
    /// How its line is doing, when it is on a network and was asked since the start.
    pub state: Option<&'a SourceState>,
    /// Since when it is being listed.
    pub listing_since: Option<Timestamp>,
    /// When the daemon that lists it was started; none when none runs.
    pub started: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// State, reason, since when.
type Word = (&'static str, Option<String>, Option<Timestamp>);

/// A source as it is shown.
pub fn view(known: Known<'_>) -> SourceView {
    let (word, why, since) = word(&known);
    let remaining = match known.state.map(|state| &state.health) {
        Some(Health::Resting { remaining, .. }) if word == "resting" => Some(*remaining),
        _ => None,
    };
    let intake = known.intake;
    let next_listing = match (known.started, intake.every, known.listing_since) {
        (Some(started), Some(every), None) if known.row.paused.is_none() => {
            let after = known.row.last.at.map(|at| later(at, every)).filter(|at| *at > started);
            Some(after.unwrap_or(started).max(known.now))
        }
        _ => None,
    };
    SourceView {
        name: intake.name.clone(),
        depositor: intake.depositor.clone(),
        place: intake.place.clone(),
        state: word.into(),
        why,
        since,
        next_try: remaining.map(|remaining| later(known.now, remaining)),
        next_listing,
        listing_since: known.listing_since,
        listed: known.row.listed,
        after_kept: match &intake.after_kept {
            None => "leave".into(),
            Some(Disposal::Delete) => "delete".into(),
            Some(Disposal::Move { to }) => format!("move to {to}"),
        },
        every_seconds: intake.every.map(|every| every.as_secs()),
        counts: None,
        paused: known.row.paused,
        last: known.row.last,
    }
}

fn word(known: &Known<'_>) -> Word {
    let row = &known.row;
    let health = known.state.map_or(&Health::Well, |state| &state.health);
    let line_since = known.state.and_then(|state| state.since);
    let with_error = |why: String| {
        let error = known.state.and_then(|state| state.last_error.as_deref());
        Some(error.map_or(why.clone(), |error| format!("{why}: {error}")))
    };
    if let Some(paused) = &row.paused {
        return ("paused", Some(format!("by {}: {}", paused.by, paused.reason)), Some(paused.at));
    }
    match health {
        Health::Resting { asked: true, .. } => {
            return ("resting", with_error("it asked for it".into()), line_since);
        }
        Health::Resting { asked: false, .. } => {
            return ("resting", with_error("it failed too often".into()), line_since);
        }
        Health::Trying => {
            return (
                "trying",
                with_error("it failed too often; one request tries it now".into()),
                line_since,
            );
        }
        Health::Well | Health::Failing { .. } => {}
    }
    if let Some(trouble) = &row.last.trouble {
        return ("failing", Some(format!("its last listing failed: {trouble}")), row.failing_since);
    }
    if let Some(since) = overdue(known) {
        let every = known.intake.every.map_or(0, |every| every.as_secs());
        let doing = match known.listing_since {
            Some(at) => format!("; it is being listed for {}", age(known.now, at)),
            None => String::new(),
        };
        return ("overdue", Some(format!("it should be listed every {every} s{doing}")), Some(since));
    }
    match health {
        Health::Failing { failures } => {
            ("failing", with_error(format!("{failures} requests failed in a row")), line_since)
        }
        _ if row.last.at.is_some() || known.state.is_some() => ("well", None, None),
        _ => ("not asked", None, None),
    }
}

/// When it should have been listed, if that is long ago: two rounds were missed, or one of them takes as long.
fn overdue(known: &Known<'_>) -> Option<Timestamp> {
    let (started, every) = (known.started?, known.intake.every?);
    let last = known.row.last.at.map_or(started, |at| at.max(started));
    let due = later(last, every);
    (known.now > later(due, every + LATE)).then_some(due)
}

/// True when somebody should look at it.
pub fn needs_attention(source: &SourceView) -> bool {
    match source.state.as_str() {
        "well" | "not asked" => false,
        // A request or two that failed are tried again by whoever sent them.
        "failing" => source.last.trouble.is_some(),
        _ => true,
    }
}

/// True when it will not be well by itself, and nobody wants it so.
pub fn is_wrong(source: &SourceView, state: Option<&SourceState>) -> bool {
    let asked = matches!(state.map(|state| &state.health), Some(Health::Resting { asked: true, .. }));
    needs_attention(source) && source.state != "paused" && !asked
}

fn age(now: Timestamp, at: Timestamp) -> String {
    show_age(now.as_second() - at.as_second())
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::ledger::{LastScan, Paused};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn intake() -> Intake {
        Intake {
            name: "drop".into(),
            place: "s3://drop/".into(),
            depositor: "uva.edu".into(),
            policy: "default".into(),
            suffixes: vec![".tar".into()],
            temporary: Vec::new(),
            bytes_max: 1,
            after_kept: None,
            in_place: false,
            every: Some(Duration::from_secs(900)),
        }
    }

    fn scanned(second: i64, trouble: Option<&str>) -> SourceRow {
        let last =
            LastScan { at: Some(at(second)), trouble: trouble.map(String::from), ..LastScan::default() };
        let failing_since = trouble.map(|_| at(second - 5));
        SourceRow { last, failing_since, ..SourceRow::default() }
    }

    fn state(health: Health) -> SourceState {
        let last_error = Some("no route".to_string());
        SourceState { name: "drop".into(), health, since: Some(at(7)), last_error, fetching: 0 }
    }

    fn seen(row: SourceRow, state: Option<&SourceState>, now: i64) -> SourceView {
        let intake = intake();
        view(Known { intake: &intake, row, state, listing_since: None, started: Some(at(0)), now: at(now) })
    }

    #[test]
    fn the_worst_that_holds_is_said_with_its_time_and_reason() {
        let paused = Paused { by: "anna".into(), reason: "they move house".into(), at: at(3) };
        let resting = |asked| state(Health::Resting { remaining: Duration::from_secs(12), asked });
        let table = [
            (SourceRow::default(), None, 1, "not asked", None, ""),
            (scanned(10, None), None, 20, "well", None, ""),
            (
                SourceRow { paused: Some(paused), ..scanned(10, Some("x")) },
                Some(resting(false)),
                20,
                "paused",
                Some(3),
                "by anna: they move house",
            ),
            (
                scanned(10, Some("x")),
                Some(resting(false)),
                20,
                "resting",
                Some(7),
                "it failed too often: no route",
            ),
            (scanned(10, None), Some(resting(true)), 20, "resting", Some(7), "it asked for it: no route"),
            (scanned(10, Some("denied")), None, 20, "failing", Some(5), "its last listing failed: denied"),
            (
                scanned(10, None),
                Some(state(Health::Failing { failures: 2 })),
                20,
                "failing",
                Some(7),
                "2 requests failed in a row: no route",
            ),
            (scanned(10, None), None, 10 + 1_800 + 60, "well", None, ""),
            (scanned(10, None), None, 10 + 1_800 + 61, "overdue", Some(910), "every 900 s"),
            // What a former process did not do is not this one's fault.
            (scanned(-100_000, None), None, 1_800, "well", None, ""),
        ];
        for (row, state, now, word, since, why) in table {
            let view = seen(row, state.as_ref(), now);
            assert_eq!((view.state.as_str(), view.since), (word, since.map(at)), "{view:?}");
            assert!(
                view.why.clone().unwrap_or_default().contains(why) && view.why.is_some() != why.is_empty(),
                "{view:?}"
            );
            let quiet = matches!(word, "well" | "not asked") || why.starts_with('2');
            assert_eq!(needs_attention(&view), !quiet, "{view:?}");
            let wanted = word == "paused" || why.starts_with("it asked");
            assert_eq!(is_wrong(&view, state.as_ref()), !quiet && !wanted, "{view:?}");
            assert_eq!(view.next_try, (word == "resting").then(|| at(now + 12)));
        }
    }

    #[test]
    fn the_next_listing_is_told_when_somebody_will_do_it() {
        assert_eq!(seen(scanned(10, None), None, 20).next_listing, Some(at(910)));
        assert_eq!(seen(scanned(10, None), None, 2_000).next_listing, Some(at(2_000)), "any moment now");
        assert_eq!(seen(scanned(-5_000, None), None, 1).next_listing, Some(at(1)));
        let intake = Intake { every: None, ..intake() };
        let row = scanned(10, None);
        let asked_only = Known {
            intake: &intake,
            row,
            state: None,
            listing_since: None,
            started: Some(at(0)),
            now: at(20),
        };
        assert_eq!(view(asked_only).next_listing, None);
    }
}
