//! `check`: the monitoring plugin. One line `TEXT | label=value;warn;crit;min;max`; exit 0, 1, 2 or 3.
//!
//! - What could not be checked is never OK. A daemon that does not answer is CRITICAL for `check health`, whose business it
//!   is, and UNKNOWN for the others: one cause, one alarm.
//! - A mistake in the command is UNKNOWN, not CRITICAL as its usual exit code would be.
//! - The ledger is not opened unless `--offline` says so: a daemon that starts meanwhile would find it in use.

mod judge;
mod verdict;

use super::Screen;
use super::args_check::{CheckVerb, Checking};
use super::talk::{Talk, Told, unexpected};
use crate::books::config::Config;
use crate::books::config::units::parse_time;
use crate::doors::exit::Exit;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::fixity_words::{FixityAnswer, FixityAsk};
use crate::work::desk::vitals::Vitals;
use crate::work::desk::words::{Answer, Ask, Filter, JobAnswer, JobAsk, SCHEMA};
use crossbeam_channel::bounded;
use jiff::Timestamp;
use judge::Limits;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use verdict::{Grade, Verdict};

/// How a check ends that could not be made.
pub const UNKNOWN: Exit = Exit(3);

/// Checks, and prints what it came to.
pub fn run(screen: &Screen, config: &Arc<Config>, what: &Checking) -> Exit {
    let now = screen.style.now;
    let verdict =
        match limits_of(&what.what).and_then(|limits| Ok((limits, time("--timeout", &what.timeout)?))) {
            Ok((limits, timeout)) => in_time(config, what, limits, timeout, now),
            Err(complaint) => Verdict::unknown(told(&complaint)),
        };
    say(screen, &verdict)
}

/// A complaint from before anything was checked.
pub fn complain(screen: &Screen, complaint: &Complaint) -> Exit {
    say(screen, &Verdict::unknown(told(complaint)))
}

/// True when the command line means to check, whatever else is wrong with it.
pub fn is_meant(args: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    let mut args = args.into_iter().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--config" | "--data" | "--log" | "--color" => drop(args.next()),
            option if option.starts_with('-') => {}
            verb => return verb == "check",
        }
    }
    false
}

/// A command that is not understood, as a plugin says it.
pub fn not_understood(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string();
    Verdict::unknown(format!("{first}; strongroom check --help")).line()
}

fn say(screen: &Screen, verdict: &Verdict) -> Exit {
    match screen.json {
        true => screen.document(&json!({
            "schema": SCHEMA, "grade": verdict.grade.word(), "code": verdict.grade.code(), "text": verdict.text(),
            "figures": verdict.figures(),
        })),
        false => screen.line(&verdict.line()),
    }
    Exit(verdict.grade.code())
}

fn told(complaint: &Complaint) -> String {
    let parts = [&complaint.error, &complaint.because, &complaint.then_try];
    let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join(": ")
}

fn time(option: &str, text: &str) -> Told<Duration> {
    parse_time(text)
        .map_err(|why| Box::new(Complaint::new(Sort::Usage, format!("{option} {text}")).because(why)))
}

/// The limits of a check, and the one that has a third.
fn limits_of(what: &CheckVerb) -> Told<(Limits, u64)> {
    let times = |warning: &str, critical: &str| -> Told<(Limits, u64)> {
        Ok((Limits::times(time("--warning", warning)?, time("--critical", critical)?), 0))
    };
    match what {
        CheckVerb::Health => Ok((Limits { warning: 0, critical: 0 }, 0)),
        CheckVerb::Trouble { warning, critical, age } => {
            Ok((Limits { warning: *warning, critical: *critical }, time("--age", age)?.as_secs()))
        }
        CheckVerb::Disk { warning, critical } => Ok((Limits { warning: *warning, critical: *critical }, 0)),
        CheckVerb::Fixity { warning, critical } => {
            fixity_limits(warning.as_deref(), critical.as_deref())?;
            Ok((Limits { warning: 0, critical: 0 }, 0))
        }
        CheckVerb::Stalled { warning, critical } | CheckVerb::Backup { warning, critical } => {
            times(warning, critical)
        }
    }
}

/// Limits of proofs, where they are given: others follow from the interval of each target.
fn fixity_limits(
    warning: Option<&str>,
    critical: Option<&str>,
) -> Told<(Option<Duration>, Option<Duration>)> {
    let one = |option, text: Option<&str>| text.map(|text| time(option, text)).transpose();
    Ok((one("--warning", warning)?, one("--critical", critical)?))
}

/// Asks in a thread of its own: a daemon that hangs must not make the plugin hang.
fn in_time(
    config: &Arc<Config>,
    what: &Checking,
    limits: (Limits, u64),
    timeout: Duration,
    now: Timestamp,
) -> Verdict {
    let is_health = matches!(what.what, CheckVerb::Health);
    let (tell, hear) = bounded(1);
    let (config, what) = (config.clone(), what.clone());
    let asking = move || {
        // Nobody may hear it any more.
        let _ = tell.send(ask(&config, &what, limits, now));
    };
    let heard = match std::thread::Builder::new().name("check".into()).spawn(asking) {
        Ok(_) => hear.recv_timeout(timeout).ok(),
        Err(_) => None,
    };
    let unreachable = |why: String| match is_health {
        true => Verdict::new().with(Grade::Critical, why),
        false => Verdict::unknown(why),
    };
    match heard {
        Some(Ok(verdict)) => verdict,
        Some(Err(complaint)) if complaint.sort == Sort::Unreachable => unreachable(told(&complaint)),
        Some(Err(complaint)) => Verdict::unknown(told(&complaint)),
        None => unreachable(format!("no answer within {} s", timeout.as_secs())),
    }
}

fn ask(config: &Arc<Config>, what: &Checking, limits: (Limits, u64), now: Timestamp) -> Told<Verdict> {
    let mut talk = match Talk::daemon(config)? {
        Some(talk) => talk,
        None if what.offline => Talk::open(config)?,
        None => {
            return Err(Box::new(
                Complaint::new(Sort::Unreachable, "no daemon answers")
                    .because(format!("there is none at {}", config.serve.socket.display()))
                    .then_try("systemctl status strongroom (where none is to run: --offline)"),
            ));
        }
    };
    let talk = &mut talk;
    let (limits, oldest) = limits;
    match &what.what {
        CheckVerb::Health => {
            let answer = talk.ask(&Ask::Status)?;
            let Answer::Status(status) = answer else { return Err(unexpected(&answer)) };
            let answer = talk.ask(&Ask::Job(JobAsk::List))?;
            let Answer::Job(JobAnswer::Jobs { jobs }) = answer else { return Err(unexpected(&answer)) };
            Ok(judge::health(&status, &vitals(talk)?, &jobs, now))
        }
        CheckVerb::Trouble { .. } => {
            let answer = talk.ask(&Ask::Summary { filter: Filter::default() })?;
            let Answer::Summary { rows } = answer else { return Err(unexpected(&answer)) };
            Ok(judge::trouble(&rows, limits, oldest, now))
        }
        CheckVerb::Fixity { warning, critical } => {
            let mut coverage = Vec::new();
            for target in &config.targets {
                let answer = talk.ask(&Ask::Fixity(FixityAsk::Status { target: target.name.clone() }))?;
                let Answer::Fixity(FixityAnswer::Status(covered)) = answer else {
                    return Err(unexpected(&answer));
                };
                coverage.push(*covered);
            }
            let given = fixity_limits(warning.as_deref(), critical.as_deref())?;
            Ok(judge::fixity(&vitals(talk)?, &coverage, given, now))
        }
        CheckVerb::Disk { .. } => {
            let answer = talk.ask(&Ask::Disk)?;
            let Answer::Disk { places } = answer else { return Err(unexpected(&answer)) };
            Ok(judge::disk(&places, limits))
        }
        CheckVerb::Stalled { .. } => Ok(judge::stalled(&vitals(talk)?, limits, now)),
        CheckVerb::Backup { .. } => {
            let answer = talk.ask(&Ask::LastBackup)?;
            let Answer::BackedUp { backup } = answer else { return Err(unexpected(&answer)) };
            Ok(judge::backup(backup.as_deref(), vitals(talk)?.first_object, limits, now))
        }
    }
}

fn vitals(talk: &mut Talk) -> Told<Vitals> {
    match talk.ask(&Ask::Vitals)? {
        Answer::Vitals(vitals) => Ok(*vitals),
        other => Err(unexpected(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_meant_when_it_is_the_verb_and_not_when_it_is_a_file() {
        let table = [
            ("strongroom check disk -w x", true),
            ("strongroom --config f.toml -q check", true),
            ("strongroom --data=check status", false),
            ("strongroom --data check submit", false),
            ("strongroom submit check", false),
            ("strongroom", false),
        ];
        for (line, wanted) in table {
            assert_eq!(is_meant(line.split(' ').map(Into::into)), wanted, "{line}");
        }
    }
}
