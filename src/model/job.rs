//! Jobs: work that is done by the clock, whoever has one: cron, a timer, or a person.
//!
//! - What is due follows from what was done, so a start too many or one too few does no harm.
//! - A run that could not do its work says so; it never counts as done.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Proves copies again, oldest proof first.
    Fixity,
    /// Puts right what sweeps found damaged, where that is allowed.
    Repair,
    /// Gives an object of each depositor back by chance, and judges it.
    SpotTest,
    /// Holds what lies on targets against the registry, both ways.
    Reconcile,
    /// Removes what has no use any more.
    Retention,
    /// Backs up the ledger on every target.
    StateBackup,
    /// Tells what happened since the last time.
    Report,
}

impl Job {
    /// Every job, in the order in which a list shows them.
    pub const ALL: [Job; 7] = [
        Job::Fixity,
        Job::Repair,
        Job::SpotTest,
        Job::Reconcile,
        Job::Retention,
        Job::StateBackup,
        Job::Report,
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Job::Fixity => "fixity",
            Job::Repair => "repair",
            Job::SpotTest => "spot-test",
            Job::Reconcile => "reconcile",
            Job::Retention => "retention",
            Job::StateBackup => "state-backup",
            Job::Report => "report",
        }
    }

    /// The job of this word.
    pub fn from_name(name: &str) -> Option<Job> {
        Job::ALL.into_iter().find(|job| job.name() == name)
    }

    /// What it does, for a list.
    pub fn does(self) -> &'static str {
        match self {
            Job::Fixity => "proves copies again, oldest proof first",
            Job::Repair => "puts damaged copies right, where the configuration says so",
            Job::SpotTest => "draws an object of each depositor, and tries whether it can be given back",
            Job::Reconcile => "holds what lies on targets against the registry",
            Job::Retention => {
                "removes leftovers that nothing needs, and what was given back when its time is over"
            }
            Job::StateBackup => "backs up the ledger on every target",
            Job::Report => "tells the operators what happened since the last one",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// It did all it had to, and nothing is wrong.
    Well,
    /// It did all it had to, and something is wrong.
    Wrong,
    /// It could not do what it had to.
    Failed,
    /// Somebody stopped it, or the process ended.
    Interrupted,
}

impl RunEnd {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            RunEnd::Well => "well",
            RunEnd::Wrong => "wrong",
            RunEnd::Failed => "failed",
            RunEnd::Interrupted => "interrupted",
        }
    }

    /// True when the work was done, whatever it found.
    pub fn is_done(self) -> bool {
        matches!(self, RunEnd::Well | RunEnd::Wrong)
    }
}

/// What a run has to say: one line that says everything, a few more, and where the rest is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What, how many of how many, and what to type.
    pub line: String,
    /// The first few of what was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// How many more there are.
    #[serde(default)]
    pub more: u64,
    /// The command that shows all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub all: String,
}

/// Lines below the first one.
pub const LINES_MAX: usize = 20;

/// Characters of a line that is kept; `Told::line` may have twice as many.
const LINE_MAX: usize = 160;

impl Told {
    /// This line only.
    pub fn line(line: impl Into<String>) -> Told {
        Told { line: line.into(), ..Told::default() }
    }

    /// With one more line, as long as there is room; counted in any case.
    pub fn add(&mut self, line: impl Into<String>) {
        match self.lines.len() < LINES_MAX {
            true => self.lines.push(line.into()),
            false => self.more += 1,
        }
    }

    /// As a row holds it: no line is longer than it may be, and none holds two.
    pub fn bounded(mut self) -> Told {
        self.more += self.lines.len().saturating_sub(LINES_MAX) as u64;
        self.lines.truncate(LINES_MAX);
        self.line = one_line(&self.line, 2 * LINE_MAX);
        self.lines.iter_mut().for_each(|line| *line = one_line(line, LINE_MAX));
        self
    }

    /// All of it as lines, as a person or a mail shows it.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.line);
        self.lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        if self.more > 0 {
            text.push_str(&format!("and {} more: {}\n", self.more, self.all));
        }
        text
    }
}

fn one_line(text: &str, most: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = plain.take(most + 1).collect();
    if line.chars().count() > most {
        line = line.chars().take(most - 1).chain(['…']).collect();
    }
    line
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The job.
    pub job: Job,
    /// Its number, from 1 for each job.
    pub number: u64,
    /// Who started it.
    pub by: String,
    /// True when nobody asked just now: cron or a timer started it.
    #[serde(default)]
    pub scheduled: bool,
    /// When it started (UTC).
    pub started: Timestamp,
    /// When it ended (UTC).
    pub ended: Timestamp,
    /// How it ended.
    pub end: RunEnd,
    /// What it has to say.
    #[serde(flatten)]
    pub told: Told,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_found_by_its_word() {
        for job in Job::ALL {
            assert_eq!(Job::from_name(job.name()), Some(job));
            assert_eq!(serde_json::to_value(job).unwrap(), job.name());
        }
        assert_eq!(Job::from_name("sweep"), None);
    }

    #[test]
    fn what_is_told_has_a_first_line_twenty_more_and_a_count() {
        let mut told = Told::line("3 of 9\nare wrong\u{1b}[31m");
        (0..25).for_each(|number| told.add(format!("line {number} {}", "x".repeat(300))));
        told.all = "strongroom job history".into();
        let text = told.bounded().text();
        assert_eq!(text.lines().count(), 22);
        assert!(text.starts_with("3 of 9 are wrong [31m\n  line 0 "), "{text}");
        assert!(text.ends_with("and 5 more: strongroom job history\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 2 * LINE_MAX + 2));
    }

    #[test]
    fn a_row_that_was_filled_by_hand_is_bounded_too() {
        let told = Told { lines: vec!["y".into(); 30], more: 2, ..Told::line("x") }.bounded();
        assert_eq!((told.lines.len(), told.more), (20, 12));
    }
}
