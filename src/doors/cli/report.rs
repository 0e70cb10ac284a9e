//! `report`: for managers and auditors, by period, from the ledger alone.

use super::talk::{Talk, Told, unexpected};
use super::verbs::since;
use super::{Screen, usage};
use crate::books::config::Config;
use crate::doors::exit::{self, Exit};
use crate::work::desk::words::{Answer, Ask, SCHEMA};
use crate::work::reports::tally::{Period, Tally};
use crate::work::reports::{Kind, Report, csv, html, text};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::sync::Arc;

/// What is reported.
#[derive(Clone, Debug, Args)]
pub struct Reporting {
    /// What about
    #[arg(value_enum)]
    pub kind: What,
    /// Form; html is one page that stands alone and can be printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    pub format: Form,
    /// From then: a time (2026-10-01T00:00Z), a day, or an age (90 d)
    #[arg(long, value_name = "TIME", default_value = "30 d")]
    pub since: String,
    /// Until before then: a time, a day, or an age [default: now]
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// How copies are proved, and which are damaged
    Fixity,
    /// What was sent, and what became of it
    Deposits,
    /// What lies where
    Storage,
    /// All of it, with events and runs of jobs
    Audit,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Columns
    Text,
    /// Comma-separated (RFC 4180), exact
    Csv,
    /// One page that stands alone
    Html,
    /// One JSON document
    Json,
}

/// Makes it.
pub fn run(screen: &Screen, config: &Arc<Config>, what: &Reporting) -> Told<Exit> {
    let now = screen.style.now;
    let period = Period {
        since: since(&what.since, now)?,
        until: what.until.as_deref().map_or(Ok(now), |text| since(text, now))?,
    };
    if period.since >= period.until {
        return Err(usage("--since is not before --until", "--since 2026-10-01 --until 2026-11-01"));
    }
    let kind = match what.kind {
        What::Fixity => Kind::Fixity,
        What::Deposits => Kind::Deposits,
        What::Storage => Kind::Storage,
        What::Audit => Kind::Audit,
    };
    let tally = count(&mut Talk::open(config)?, kind, period)?;
    let report = Report::new(kind, now, period, &tally);
    let form = if screen.json { Form::Json } else { what.format };
    match form {
        Form::Text => screen.bytes(text::text(&report).as_bytes()),
        Form::Csv => screen.bytes(csv::csv(&report).as_bytes()),
        Form::Html => screen.bytes(html::html(&report).as_bytes()),
        Form::Json => screen.document(&json!({ "schema": SCHEMA, "report": report })),
    }
    Ok(exit::DONE)
}

fn count(talk: &mut Talk, kind: Kind, period: Period) -> Told<Tally> {
    let mut sum = Tally::default();
    for walk in kind.walks() {
        let mut after = None;
        loop {
            let answer = talk.ask(&Ask::Tally { walk: *walk, period, after })?;
            let Answer::Tallied { tally, next } = answer else { return Err(unexpected(&answer)) };
            sum.add(*tally);
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(sum)
}
