//! `bag validate`: several bags at once, the members of each over all processors, told in the order they were named.
//!
//! - The worst bag decides the exit code: valid, invalid, not judged.
//! - What was found waits for its turn in bounded memory, or in an unnamed temporary file.
//! - Progress is a message: on a terminal only, and not when quiet.

use super::args::Validate;
use super::told::{self, Report};
use crate::books::config::{Config, Given};
use crate::books::profiles::{self, ProfileError};
use crate::doors::cli::Screen;
use crate::doors::cli::args::Global;
use crate::doors::cli::talk::Told;
use crate::doors::exit::{self, Exit};
use crate::doors::progress::Gauge;
use crate::model::finding::{Finding, Severity};
use crate::rules::bagit::policy::Policy;
use crate::rules::groups::Groups;
use crate::rules::ours;
use crate::rules::tar::Limits;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::judging::pool::{Meter, Pool};
use crate::work::judging::{Judged, Judging, Outcome};
use crate::worlds::temporary::Spool;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Bags that may be done before their turn to be told has come.
const AHEAD_MAX: usize = 64;

/// Findings of one bag held in memory, in bytes of their JSON.
const SPOOL_BYTES: usize = 64 << 10;

/// Memory of one sorter before it turns to the scratch folder; a bag has up to four at a time.
const SORT_BYTES: usize = 4 << 20;

/// Threads that open small files, unless there are more processors: no disk gains from more.
const OPENERS_MAX: usize = 32;

/// How often progress is shown.
const LOOK: Duration = Duration::from_millis(125);

/// Judges every bag.
pub fn validate(screen: &Screen, global: &Global, what: &Validate) -> Told<Exit> {
    let judging = judging(policy(global, what)?, what.unpack, threads(what))?;
    let began = Instant::now();
    let mut told = Vec::with_capacity(what.paths.len());
    std::thread::scope(|scope| {
        let (tasks, given) = bounded(AHEAD_MAX);
        let (done, results) = bounded(AHEAD_MAX);
        for _ in 0..what.paths.len().min(judging.pool.digesters()) {
            let (given, done, judging) = (given.clone(), done.clone(), &judging);
            scope.spawn(move || judge_some(judging, screen.json, &given, &done));
        }
        drop((given, done));
        let turns = Turns { screen, judging: &judging, paths: &what.paths };
        turns.take(tasks, &results, &mut told);
    });
    if !screen.json && what.paths.len() > 1 {
        screen.text(&told::summary(&told, began.elapsed()));
    }
    Ok(exit_of(told.iter().map(|bag| bag.0).max()))
}

/// How bags are judged: nothing but what was given on the command line has a say in it.
fn policy(global: &Global, what: &Validate) -> Told<Policy> {
    let mut policy = Policy { strict: what.strict, ..Policy::default() };
    if let Some(profile) = &what.profile {
        let registry = registry(global)?;
        let found = profiles::find(profile, registry.as_deref()).map_err(|error| {
            let sort = if matches!(error, ProfileError::Unknown { .. }) { Sort::NotFound } else { Sort::Io };
            let complaint = Complaint::new(sort, "no bag was judged").because(error.to_string());
            Box::new(complaint.then_try(error.advice()))
        })?;
        policy.profile = Some(found);
    }
    Ok(policy)
}

/// The registry of profiles, when somebody says where it is: this verb looks for no configuration by itself.
fn registry(global: &Global) -> Told<Option<PathBuf>> {
    let data = match (&global.data, &global.config) {
        (Some(data), _) => Some(data.clone()),
        (None, Some(file)) => {
            let given = Given::new(Some(file.clone()), None);
            let config = Config::load(&given).map_err(|faults| {
                let first = faults.0.into_iter().next().map(Complaint::from);
                Box::new(first.unwrap_or_else(|| Complaint::new(Sort::Config, "the configuration is wrong")))
            })?;
            Some(config.data.clone())
        }
        (None, None) => None,
    };
    Ok(data.map(|data| profiles::folder_of(&data)).filter(|folder| folder.is_dir()))
}

/// What judges bags at the command line: no configuration has a say in it.
pub fn judging(policy: Policy, unpack: bool, threads: (usize, usize)) -> Told<Judging> {
    Ok(Judging {
        policy,
        limits: Limits { sort_bytes: SORT_BYTES, ..Limits::default() },
        unpack,
        scratch: std::env::temp_dir(),
        pool: Pool::with_openers(threads.0, threads.1).map_err(no_threads)?,
        meter: Arc::new(Meter::default()),
    })
}

/// Threads that digest, and threads that open small files. Who says how many means all of them.
fn threads(what: &Validate) -> (usize, usize) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match what.threads {
        Some(threads) => (threads.clamp(1, 256), threads.clamp(1, 256)),
        None => (processors, (processors * 8).min(OPENERS_MAX).max(processors)),
    }
}

fn no_threads(error: io::Error) -> Box<Complaint> {
    Box::new(Complaint::new(Sort::Busy, "no thread could be started").because(error.to_string()))
}

/// The exit code of the worst bag.
pub fn exit_of(worst: Option<Outcome>) -> Exit {
    match worst {
        None | Some(Outcome::Valid | Outcome::Warning) => exit::DONE,
        Some(Outcome::Invalid) => exit::WRONG,
        Some(Outcome::Unjudged) => exit::PARTLY,
    }
}

/// A bag that was judged.
struct Done {
    place: usize,
    judged: Judged,
    groups: Groups,
    findings: Option<Spool>,
    took: Duration,
}

fn judge_some(judging: &Judging, json: bool, given: &Receiver<(usize, &Path)>, done: &Sender<Done>) {
    for (place, path) in given {
        let began = Instant::now();
        let mut sink = Sink {
            groups: Groups::default(),
            findings: json.then(|| Spool::new(&judging.scratch, SPOOL_BYTES)),
            failed: None,
        };
        let judge = AssertUnwindSafe(|| judging.judge(path, &mut |finding| sink.take(&finding)));
        // A fault of ours on one bag must not cost the others their verdict.
        let mut judged = std::panic::catch_unwind(judge).unwrap_or_else(|_| {
            sink.take(&broken());
            Judged { errors: 1, ..Judged::none() }
        });
        if let Some(error) = sink.failed.take() {
            judged.outcome = Outcome::Unjudged;
            judged.errors += 1;
            sink.lost(&judging.scratch, &error);
        }
        let Sink { groups, findings, .. } = sink;
        let bag = Done { place, judged, groups, findings, took: began.elapsed() };
        if done.send(bag).is_err() {
            return;
        }
    }
}

fn broken() -> Finding {
    let what = "The program broke off while it judged this bag.";
    let advice = "It is a fault of the program: send the bag's name and what was printed to its makers.";
    Finding::new("ENV-INTERRUPTED", Severity::Error, b"", what).advice(advice)
}

/// Where the findings of one bag go.
struct Sink {
    groups: Groups,
    findings: Option<Spool>,
    failed: Option<io::Error>,
}

impl Sink {
    fn take(&mut self, finding: &Finding) {
        self.groups.take(finding);
        let Some(spool) = self.findings.as_mut().filter(|_| self.failed.is_none()) else { return };
        let mut text = if spool.is_empty() { String::new() } else { ",".to_string() };
        text.push_str(&told::finding(finding).to_string());
        if let Err(error) = spool.push(text.as_bytes()) {
            self.failed = Some(error);
        }
    }

    /// Findings could not be kept: a list that is cut short must not pass for the whole.
    fn lost(&mut self, scratch: &Path, error: &io::Error) {
        let what = format!("The findings could not be kept until they are told: {error}.");
        let advice = "Point TMPDIR to a folder with space, then judge the bag again.";
        let finding = ours::of_io(error, b"", what).advice(advice);
        self.groups.take(&finding);
        let mut spool = Spool::new(scratch, usize::MAX);
        if spool.push(told::finding(&finding).to_string().as_bytes()).is_ok() {
            self.findings = Some(spool);
        }
    }
}

/// Gives bags to the threads and tells of them in their order.
struct Turns<'a> {
    screen: &'a Screen,
    judging: &'a Judging,
    paths: &'a [PathBuf],
}

impl<'a> Turns<'a> {
    fn take(
        &self,
        tasks: Sender<(usize, &'a Path)>,
        results: &Receiver<Done>,
        told: &mut Vec<(Outcome, u64, u64)>,
    ) {
        let mut gauge = Gauge::new(self.screen.stderr_tty && !self.screen.quiet && !self.screen.json);
        let mut waiting: BTreeMap<usize, Done> = BTreeMap::new();
        let mut given = 0;
        while told.len() < self.paths.len() {
            while given < self.paths.len().min(told.len() + AHEAD_MAX) {
                if tasks.try_send((given, &self.paths[given])).is_err() {
                    break;
                }
                given += 1;
            }
            match results.recv_timeout(LOOK) {
                Ok(done) => {
                    waiting.insert(done.place, done);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Every thread ended: there is nobody left to wait for.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Some(done) = waiting.remove(&told.len()) {
                told.push((done.judged.outcome, done.judged.files, done.judged.bytes));
                gauge.above(|| self.tell(&done));
            }
            let Meter { expected, done } = &*self.judging.meter;
            let message = format!("{} of {} bags", told.len(), self.paths.len());
            gauge.update(done.load(Ordering::Relaxed), expected.load(Ordering::Relaxed), &message);
        }
    }

    fn tell(&self, done: &Done) {
        let (screen, path) = (self.screen, &self.paths[done.place]);
        if let Some(findings) = &done.findings {
            return self.tell_json(path, done, findings);
        }
        let report = Report { path, judged: &done.judged, groups: &done.groups, took: done.took };
        screen.text(&told::line(&screen.style, &report));
        if self.paths.len() == 1 {
            screen.text(&told::groups(&screen.style, &done.groups));
        }
    }

    fn tell_json(&self, path: &Path, done: &Done, findings: &Spool) {
        self.screen.bytes(told::head(path, &done.judged, done.took).as_bytes());
        let mut buf = vec![0; 64 << 10];
        let mut read = findings.read();
        loop {
            match read.read(&mut buf) {
                Ok(0) => break,
                Ok(count) => self.screen.bytes(&buf[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Half a line is no JSON: whoever reads it must fail, and hear why.
                    self.screen.hint(&format!("strongroom: findings were lost: {error}"));
                    std::process::exit(exit::IO.0.into());
                }
            }
        }
        self.screen.bytes(b"]}\n");
    }
}
