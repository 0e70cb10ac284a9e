//! The command line: arguments to `Ask`, `Answer` to text or JSON.
//!
//! - stdout is data, stderr is messages and progress.
//! - What fails says what, why, what happens now and what to type; and ends with the code of its sort.

pub mod args;
mod args_check;
mod args_delete;
mod args_fixity;
mod args_giving;
pub mod args_jobs;
mod args_kept;
mod args_manual;
mod args_repair;
mod args_setup;
mod backup;
pub mod bag;
mod check;
pub mod codes;
pub mod coverage;
pub mod delete;
mod events;
pub mod explain;
pub mod fixity;
mod ingest;
pub mod job;
mod letter;
mod manual;
mod notice;
mod object;
pub mod offline;
pub mod overview;
mod profile;
mod rebuild;
mod reconcile;
pub mod repair;
mod report;
mod restore;
mod setup;
pub mod source;
mod spot_test;
pub mod table;
mod talk;
mod targets;
pub mod text;
mod verbs;
mod version;
mod waiting;
mod whole;

use crate::books::config::{Config, Given};
use crate::doors::exit::{self, Exit};
use crate::doors::{daemon, log as house_log};
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::SCHEMA;
use args::{Cli, Color, Verb};
use clap::Parser;
use log::LevelFilter;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use table::Style;
use talk::Told;

/// Where output goes.
pub struct Screen {
    /// How it looks.
    pub style: Style,
    /// JSON instead of text.
    pub json: bool,
    /// Messages are not wanted.
    pub quiet: bool,
    /// A person reads stderr on a terminal.
    pub stderr_tty: bool,
}

impl Screen {
    /// Text, to stdout, unless JSON is wanted.
    pub fn text(&self, text: &str) {
        if !self.json {
            self.raw(text);
        }
    }

    /// A line of text, to stdout, unless JSON is wanted.
    pub fn line(&self, line: &str) {
        self.text(&format!("{line}\n"));
    }

    /// A JSON document, to stdout, on one line.
    pub fn document(&self, document: &serde_json::Value) {
        self.raw(&format!("{document}\n"));
    }

    /// A message for people, to stderr.
    pub fn hint(&self, message: &str) {
        if !self.quiet {
            // Nobody reading messages is no failure.
            let _ = writeln!(std::io::stderr(), "{message}");
        }
    }

    fn raw(&self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Bytes to stdout, as they are.
    fn bytes(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
            // `strongroom ... | head` closes the pipe when it has enough.
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                std::process::exit(0);
            }
            // The work is done; only its answer is lost, and whoever waits for it must hear why.
            let _ =
                writeln!(std::io::stderr(), "strongroom: the answer could not be written to stdout: {error}");
            std::process::exit(exit::IO.0.into());
        }
    }
}

/// The program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() && check::is_meant(std::env::args_os()) {
                println!("{}", check::not_understood(&error));
                return ExitCode::from(check::UNKNOWN.0);
            }
            let _ = error.print();
            // clap's own codes: 0 for help and version, 2 for what is not understood.
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE.0));
        }
    };
    let screen = screen_of(&cli);
    let checks = matches!(cli.verb, Verb::Check(_));
    let exit = run(&screen, cli).unwrap_or_else(|complaint| {
        if checks {
            return check::complain(&screen, &complaint);
        }
        complain(&screen, &complaint);
        complaint.sort.into()
    });
    ExitCode::from(exit.0)
}

fn run(screen: &Screen, cli: Cli) -> Told<Exit> {
    let given = Given::new(cli.global.config.clone(), cli.global.data.clone());
    match &cli.verb {
        Verb::Explain { word } => return offline::explain(screen, word.as_deref()),
        Verb::Man(what) => return manual::man(screen, what),
        Verb::Completions(what) => return manual::completions(screen, what),
        Verb::CheckConfig { file } => return offline::check_config(screen, file.clone(), &given),
        Verb::Profile(what) => return profile::run(screen, what, &given),
        Verb::MakeBag(what) => return offline::make_bag(screen, what),
        Verb::Bag(verb) => return bag::run(screen, &cli.global, verb),
        Verb::Config(args::ConfigVerb::Show { defaults: true, .. }) => {
            return offline::config_defaults(screen);
        }
        Verb::Config(args::ConfigVerb::Show { sample: true, .. }) => return offline::config_sample(screen),
        _ => {}
    }
    let config = match Config::load(&given) {
        Ok(config) => Arc::new(config),
        Err(faults) => return Err(offline::first_of(screen, faults)),
    };
    start_log(&cli, &config);
    match cli.verb {
        Verb::Serve => daemon::serve(screen, config, &given),
        Verb::Ingest { depositor, policy, paths, allow_private } => {
            let what = ingest::What {
                paths: &paths,
                depositor: depositor.as_deref(),
                policy: policy.as_deref(),
                allow_private,
            };
            ingest::ingest(screen, &config, &what)
        }
        Verb::Submit { depositor, policy, paths, allow_private } => {
            let what = ingest::What {
                paths: &paths,
                depositor: depositor.as_deref(),
                policy: policy.as_deref(),
                allow_private,
            };
            ingest::submit(screen, &config, &what)
        }
        Verb::Doctor => offline::doctor(screen, &config),
        Verb::State(args::StateVerb::Version) => version::run(screen, &config),
        Verb::Setup(verb) => setup::run(screen, &config, &verb),
        Verb::State(args::StateVerb::Restore(what)) => backup::restore(screen, &config, &what),
        Verb::Rebuild(what) => rebuild::run(screen, &config, &what),
        Verb::Job(verb) => job::run(screen, &config, verb),
        Verb::Report(what) => report::run(screen, &config, &what),
        Verb::Check(what) => Ok(check::run(screen, &config, &what)),
        Verb::Notice(verb) => notice::run(screen, &config, &verb),
        Verb::Restore(verb) => restore::run(screen, &config, verb),
        Verb::SpotTest(verb) => spot_test::run(screen, &config, verb),
        verb => verbs::run(screen, &config, verb),
    }
}

fn start_log(cli: &Cli, config: &Config) {
    let format = cli.global.log.as_deref().unwrap_or(&config.log_format);
    let serves = matches!(cli.verb, Verb::Serve);
    let level = match (serves, cli.global.quiet, cli.global.verbose) {
        (_, true, _) => LevelFilter::Error,
        (true, false, 0) | (false, false, 1) => LevelFilter::Info,
        // At the command line the answer says it all; what the line tells of itself is for `-v`.
        (false, false, 0) => LevelFilter::Warn,
        (true, false, 1) => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    house_log::start(house_log::Format::from_name(format), level);
}

fn screen_of(cli: &Cli) -> Screen {
    let tty = std::io::stdout().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = match cli.global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => tty && !no_color && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
    };
    let style = Style { tty, color, quiet: cli.global.quiet, now: jiff::Timestamp::now() };
    Screen {
        style,
        json: cli.global.json,
        quiet: cli.global.quiet,
        stderr_tty: std::io::stderr().is_terminal(),
    }
}

/// Prints a complaint to stderr, in the form that was asked for.
pub fn complain(screen: &Screen, complaint: &Complaint) {
    let text = match screen.json {
        true => json!({ "schema": SCHEMA, "complaint": complaint, "exit": Exit::from(complaint.sort).0 })
            .to_string(),
        false => complaint.to_string(),
    };
    // Without stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A complaint about how something was asked.
fn usage(error: impl Into<String>, then_try: impl Into<String>) -> Box<Complaint> {
    Box::new(Complaint::new(Sort::Usage, error).then_try(then_try))
}

#[cfg(test)]
pub mod tests {
    //! What tests of screens share.

    use crate::work::desk::words::ItemView;

    /// An item for tests of what is shown.
    pub fn item_view(id: u64, standing: &str, stage: &str) -> ItemView {
        let value = serde_json::json!({
            "id": id, "bag": format!("bag-{id}"), "depositor": "uva.edu", "standing": standing, "stage": stage,
            "object": null, "version": null, "unchanged": false, "copies": [], "errors": 0, "warnings": 0,
            "path": "/in/bag.tar", "form": "tar", "bytes": 1000, "files": null, "policy": "default",
            "received_at": "2026-11-20T10:00:00Z", "kept_at": null, "asked_by": "anna", "tries": 0, "round": 0,
            "trouble": null, "waits_for": null, "waits_until": null, "asked": null, "rests": false,
        });
        serde_json::from_value(value).unwrap()
    }
}
