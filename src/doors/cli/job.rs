//! `job`: scheduled work, started by cron, a timer or a person.
//!
//! - Under `--cron` nothing is printed unless something is wrong: cron sends a mail for every line, and its subject is the
//!   command, so the first line says everything.
//! - A start too many says so and does no harm.

use super::args_jobs::JobVerb;
use super::table::{Cell, Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::verbs::document;
use super::waiting::Working;
use super::{Screen, notice, usage};
use crate::books::config::Config;
use crate::books::config::units::{exact_time, parse_time};
use crate::doors::exit::{self, Exit};
use crate::doors::signals::{Asked, Signals};
use crate::model::job::{Job, Run, RunEnd};
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::{Answer, Ask, JobAnswer, JobAsk, JobStep, JobView, ROWS_MAX, SCHEMA, Starter};
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A line about how far it is, at least so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Without a daemon the ledger may be in use by another job that was started at the same minute. Nobody waits for a scheduled
/// start, so it waits so long for its turn.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often it looks whether it is its turn.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs of a history without `--all`.
const RUNS_SHOWN: usize = 20;

/// Does it.
pub fn run(screen: &Screen, config: &Arc<Config>, verb: JobVerb) -> Told<Exit> {
    match verb {
        JobVerb::Run { job, cron } => start(screen, config, &job, cron),
        verb => look(screen, &mut Talk::open(config)?, verb),
    }
}

fn look(screen: &Screen, talk: &mut Talk, verb: JobVerb) -> Told<Exit> {
    let now = screen.style.now;
    let ask = match verb {
        JobVerb::Run { .. } | JobVerb::List => JobAsk::List,
        JobVerb::History { job, all } => {
            let limit = if all { ROWS_MAX } else { RUNS_SHOWN };
            return history(screen, talk, JobAsk::Runs { job, limit }, all);
        }
        JobVerb::Skip { job, end: true, .. } => JobAsk::Unskip { job },
        JobVerb::Skip { job, until, times, reason, .. } => {
            let until = until.as_deref().map(|text| later(text, now)).transpose()?;
            JobAsk::Skip { job, until, times, reason }
        }
    };
    let answer = talk.ask(&Ask::Job(ask))?;
    let Answer::Job(JobAnswer::Jobs { jobs }) = &answer else { return Err(unexpected(&answer)) };
    match screen.json {
        true => screen.document(&document(&answer)),
        false => screen.text(&list(&screen.style, jobs)),
    }
    Ok(exit::DONE)
}

fn history(screen: &Screen, talk: &mut Talk, ask: JobAsk, all: bool) -> Told<Exit> {
    let answer = talk.ask(&Ask::Job(ask))?;
    let Answer::Job(JobAnswer::Runs { runs }) = &answer else { return Err(unexpected(&answer)) };
    match screen.json {
        true => screen.document(&document(&answer)),
        false => {
            let shown = if all { runs.len() } else { RUNS_SHOWN };
            screen.text(&histories(&screen.style, &runs[..runs.len().min(shown)], all));
        }
    }
    Ok(exit::DONE)
}

// --- running ------------------------------------------------------------------------------------------------------

fn start(screen: &Screen, config: &Arc<Config>, job: &str, cron: bool) -> Told<Exit> {
    let signals = Signals::listen();
    let began = Instant::now();
    let opened = loop {
        let complaint = match opened(config, job) {
            Ok(working) => break Ok(working),
            Err(complaint) => complaint,
        };
        if let Some(who) = other_starter(&complaint, job) {
            return Ok(runs_already(screen, job, &who, cron));
        }
        let waits = cron && complaint.sort == Sort::Busy && began.elapsed() < PATIENCE;
        if !waits || signals.asked().is_some() {
            break Err(complaint);
        }
        std::thread::sleep(PAUSE);
    };
    let done = opened.and_then(|mut working| {
        let exit = steps(screen, &mut working.talk, &signals, job, cron)?;
        working.end()?;
        Ok(exit)
    });
    match done {
        // One line, because of cron's mail: what, why, what to type.
        Err(complaint) if cron && !screen.json => {
            screen.line(&format!("{job} was not done: {}", in_one_line(&complaint)));
            Ok(complaint.sort.into())
        }
        other => other,
    }
}

/// Who answers. Tests of what is kept are items: without a daemon there must be a line that works on them.
fn opened(config: &Arc<Config>, job: &str) -> Told<Working> {
    match job == Job::SpotTest.name() {
        true => Working::open(config),
        false => Talk::open(config).map(Working::without_line),
    }
}

fn steps(screen: &Screen, talk: &mut Talk, signals: &Signals, job: &str, cron: bool) -> Told<Exit> {
    let scheduled = cron.then(|| match std::env::var_os("INVOCATION_ID") {
        Some(_) => Starter::Timer,
        None => Starter::Cron,
    });
    let (mut run, mut told_at) = (None, Instant::now());
    loop {
        let ask = JobAsk::Run { job: job.to_string(), run, scheduled };
        let answer = talk.ask(&Ask::Job(ask))?;
        let Answer::Job(JobAnswer::Stepped(step)) = answer else { return Err(unexpected(&answer)) };
        match step {
            JobStep::Going { run: number, told } => {
                run = Some(number);
                if !cron && told_at.elapsed() >= LINE_EVERY {
                    told_at = Instant::now();
                    screen.hint(&told);
                }
                if let Some(asked) = signals.asked() {
                    return stop(screen, talk, job, number, asked);
                }
            }
            JobStep::Over { run } => {
                let exit = over(screen, &run, cron);
                // Nothing about the run depends on it.
                notice::tell(screen, talk, cron);
                return Ok(exit);
            }
            JobStep::Runs { running } => {
                let who = format!("{}, started by {}", moment(running.since), running.by);
                return Ok(runs_already(screen, job, &who, cron));
            }
            JobStep::NotDue { due } => {
                let due = due.map_or_else(
                    || "is done only when a person asks".into(),
                    |due| format!("is due at {}", moment(due)),
                );
                return Ok(nothing(screen, job, &format!("{job} {due}")));
            }
            JobStep::LeftOut { skip } => {
                return Ok(nothing(
                    screen,
                    job,
                    &format!("{job} is left out, says {}: {}", skip.by, skip.reason),
                ));
            }
        }
    }
}

fn stop(screen: &Screen, talk: &mut Talk, job: &str, run: u64, asked: Asked) -> Told<Exit> {
    let answer = talk.ask(&Ask::Job(JobAsk::Stop { job: job.to_string(), run }))?;
    if let Answer::Job(JobAnswer::Stepped(JobStep::Over { run })) = &answer {
        screen.hint(&run.told.line);
    }
    Ok(match asked {
        Asked::Interrupt => exit::INTERRUPTED,
        _ => exit::TERMINATED,
    })
}

fn over(screen: &Screen, run: &Run, cron: bool) -> Exit {
    if screen.json {
        screen.document(&json!({ "schema": SCHEMA, "run": run }));
    }
    if !cron || run.end != RunEnd::Well {
        screen.text(&run.told.text());
    }
    match run.end {
        RunEnd::Well => exit::DONE,
        RunEnd::Wrong => exit::WRONG,
        RunEnd::Failed => exit::IO,
        RunEnd::Interrupted => exit::BUSY,
    }
}

/// It is no success that another run has taken so long: it is told also under `--cron`, on stderr.
fn runs_already(screen: &Screen, job: &str, who: &str, cron: bool) -> Exit {
    let said = format!("{job} is already running since {who}");
    if screen.json {
        screen.document(&json!({ "schema": SCHEMA, "job": job, "nothing_done": said }));
    } else {
        screen.hint(&said);
    }
    if cron { exit::DONE } else { exit::BUSY }
}

/// A scheduled start that has nothing to do: silent, unless a script wants to know.
fn nothing(screen: &Screen, job: &str, why: &str) -> Exit {
    if screen.json {
        screen.document(&json!({ "schema": SCHEMA, "job": job, "nothing_done": why }));
    }
    log::info!("{why}");
    exit::DONE
}

fn in_one_line(complaint: &Complaint) -> String {
    let mut line = complaint.error.clone();
    for (word, part) in [(": ", &complaint.because), ("; next: ", &complaint.then_try)] {
        if !part.is_empty() {
            line.push_str(word);
            line.push_str(part);
        }
    }
    line.replace('\n', " ")
}

/// Without a daemon the ledger's lock is all there is: who holds it, if that is another start of the same job.
fn other_starter(complaint: &Complaint, job: &str) -> Option<String> {
    if complaint.sort != Sort::Busy {
        return None;
    }
    let (_, rest) = complaint.because.split_once("in use by process ")?;
    let mut words = rest.split_whitespace();
    let process: u32 = words.next()?.parse().ok()?;
    let since = words.nth(1)?;
    let line = std::fs::read(format!("/proc/{process}/cmdline")).ok()?;
    is_start_of(&line, job).then(|| format!("{since}, started as process {process}"))
}

/// True when this line of words, each ended by a zero, starts this job. Options may stand anywhere between them.
fn is_start_of(line: &[u8], job: &str) -> bool {
    let mut words = line.split(|byte| *byte == 0).filter(|word| !word.starts_with(b"-"));
    words.any(|word| word == b"job") && words.next() == Some(b"run") && words.next() == Some(job.as_bytes())
}

/// A moment or a day to come, or so long from now.
fn later(text: &str, now: Timestamp) -> Told<Timestamp> {
    let wrong = || {
        usage(
            format!("--until {text}: it is no time, no day and no number of days"),
            "--until 2026-12-24T18:00Z, --until 2026-12-24, --until \"3 d\"",
        )
    };
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if let Ok(day) = format!("{text}T00:00:00Z").parse::<Timestamp>() {
        return Ok(day);
    }
    let time = parse_time(text).map_err(|_| wrong())?;
    now.checked_add(jiff::SignedDuration::try_from(time).map_err(|_| wrong())?).map_err(|_| wrong())
}

// --- as it is shown -----------------------------------------------------------------------------------------------

/// Jobs as people read them.
pub fn list(style: &Style, jobs: &[JobView]) -> String {
    let mut table = Table::new(&["JOB", "STATE", "EVERY", "DONE", "DUE", "LAST SAID"]);
    for job in jobs {
        let (state, tone) = state(style, job);
        let every = job.every_seconds.map(|seconds| exact_time(Duration::from_secs(seconds)));
        let due: Cell = match job.due {
            None => "when asked".into(),
            Some(due) if due <= style.now => "now".into(),
            Some(due) => style.until(due),
        };
        table.row(vec![
            job.job.name().into(),
            Cell::from(state).tone(tone),
            every.unwrap_or_else(|| "-".into()).into(),
            job.done.map_or("never".into(), |at| style.age(at)),
            due,
            job.last.as_ref().map_or_else(|| job.does.clone(), |run| run.told.line.clone()).into(),
        ]);
    }
    let mut text = table.render(style);
    for job in jobs {
        if let Some(skip) = &job.skip {
            let until = skip.until.map_or(String::new(), |until| format!(" until {}", moment(until)));
            let times = skip.times.map_or(String::new(), |times| format!(", {times} times more"));
            text.push_str(&format!(
                "{} is left out{until}{times}, says {}: {}\n",
                job.job.name(),
                skip.by,
                skip.reason
            ));
        }
    }
    text
}

/// In one word how a job is; the worst wins.
fn state(style: &Style, job: &JobView) -> (String, Tone) {
    if let Some(running) = &job.running {
        return (format!("runs since {}", style.age(running.since).shown()), Tone::Good);
    }
    if job.skip.is_some() {
        return ("left out".into(), Tone::Warn);
    }
    match job.last.as_ref().map(|run| run.end) {
        Some(end @ (RunEnd::Wrong | RunEnd::Failed)) => (end.name().to_uppercase(), Tone::Bad),
        _ if job.late => ("LATE".into(), Tone::Bad),
        Some(end) => (end.name().into(), Tone::Good),
        None => ("not run".into(), Tone::Dim),
    }
}

/// Runs as people read them.
pub fn histories(style: &Style, runs: &[Run], all: bool) -> String {
    if runs.is_empty() && style.tty {
        return "no runs yet\n".into();
    }
    let mut table = Table::new(&["STARTED", "JOB", ">RUN", "TOOK", "BY", "END", "SAID"]);
    for run in runs {
        let tone = if run.end == RunEnd::Well { Tone::Good } else { Tone::Bad };
        let seconds = run.ended.as_second() - run.started.as_second();
        let took = crate::books::config::units::show_age(seconds);
        table.row(vec![
            moment(run.started).into(),
            run.job.name().into(),
            run.number.into(),
            took.into(),
            (&run.by).into(),
            Cell::from(run.end.name()).tone(tone),
            (&run.told.line).into(),
        ]);
        if all && style.tty {
            for line in &run.told.lines {
                let blank = || Cell::from("");
                table.row(vec![blank(), blank(), blank(), blank(), blank(), blank(), line.into()]);
            }
        }
    }
    table.render(style)
}

#[cfg(test)]
mod tests {
    use super::is_start_of;

    #[test]
    fn a_start_of_the_same_job_is_known_wherever_its_options_stand() {
        let starts = |line: &str| is_start_of(line.replace(' ', "\0").as_bytes(), "fixity");
        assert!(starts("strongroom job run fixity --cron"));
        assert!(starts("strongroom job run --cron fixity"));
        assert!(starts("strongroom --config /etc/c.toml job --json run -q fixity"));
        assert!(!starts("strongroom job run --cron report"));
        assert!(!starts("strongroom job history fixity"));
        assert!(!starts("strongroom fixity run"));
    }
}
