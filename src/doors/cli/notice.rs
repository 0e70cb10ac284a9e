//! `notice`: what is told to people about runs of jobs.
//!
//! - That a notice did not go is a warning; it is tried again with the next run.

use super::Screen;
use super::args_jobs::NoticeVerb;
use super::overview::counted;
use super::table::{Cell, Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::verbs::document;
use crate::books::config::Config;
use crate::books::ledger::NoticeRow;
use crate::doors::exit::{self, Exit};
use crate::work::desk::words::{Answer, Ask, JobAnswer, JobAsk, SCHEMA};
use serde_json::json;
use std::sync::Arc;

/// Parts of one telling: more notices and looks than there can be.
const PARTS_MAX: usize = 10_000;

/// Does it.
pub fn run(screen: &Screen, config: &Arc<Config>, verb: &NoticeVerb) -> Told<Exit> {
    let talk = &mut Talk::open(config)?;
    match verb {
        NoticeVerb::List => {
            let answer = talk.ask(&Ask::Job(JobAsk::Notices))?;
            let Answer::Job(JobAnswer::Notices { notices, untold }) = &answer else {
                return Err(unexpected(&answer));
            };
            match screen.json {
                true => screen.document(&document(&answer)),
                false => screen.text(&list(&screen.style, notices, *untold)),
            }
            Ok(exit::DONE)
        }
        NoticeVerb::Send => send(screen, talk),
        NoticeVerb::Test => {
            talk.ask(&Ask::Job(JobAsk::TryNotice))?;
            send(screen, talk)
        }
    }
}

fn send(screen: &Screen, talk: &mut Talk) -> Told<Exit> {
    let (sent, wrong) = parts(talk)?;
    if screen.json {
        screen.document(&json!({ "schema": SCHEMA, "sent": sent, "failed": wrong.len(), "wrong": wrong }));
    }
    screen.line(&format!("{} sent, {} not", counted(sent, "notice"), wrong.len()));
    wrong.iter().for_each(|why| screen.line(&format!("  {why}")));
    Ok(match (sent, wrong.is_empty()) {
        (_, true) => exit::DONE,
        (0, false) => exit::WRONG,
        (_, false) => exit::PARTLY,
    })
}

/// Sends what waits, after a run.
pub fn tell(screen: &Screen, talk: &mut Talk, cron: bool) {
    let wrong = match parts(talk) {
        Ok((_, wrong)) => wrong,
        Err(complaint) => vec![complaint.error],
    };
    // Under cron what was found was printed, and goes by cron's mail; the log and `notice list` have the rest.
    if let (Some(why), false) = (wrong.first(), cron) {
        screen.hint(&format!(
            "{} could not be sent: {why}; it is tried again with the next run",
            counted(wrong.len() as u64, "notice")
        ));
    }
}

/// How many went everywhere, and why others did not.
fn parts(talk: &mut Talk) -> Told<(u64, Vec<String>)> {
    let (mut after, mut sent, mut failed) = (0, 0, Vec::new());
    for _ in 0..PARTS_MAX {
        let answer = talk.ask(&Ask::Job(JobAsk::Tell { after }))?;
        let Answer::Job(JobAnswer::Telling { number, wrong, more }) = answer else {
            return Err(unexpected(&answer));
        };
        after = number.unwrap_or(after);
        match (number, wrong) {
            (_, Some(wrong)) => failed.push(wrong),
            (Some(_), None) => sent += 1,
            (None, None) => {}
        }
        if !more {
            break;
        }
    }
    Ok((sent, failed))
}

/// Notices on their way, as people read them.
fn list(style: &Style, notices: &[NoticeRow], untold: u64) -> String {
    let mut table = Table::new(&[">NUMBER", "SINCE", "FOR", "BY", ">TRIES", "SUBJECT", "WHY NOT"]);
    for notice in notices {
        let wrong = notice.wrong.clone().unwrap_or_else(|| "not tried yet".into());
        table.row(vec![
            notice.number.into(),
            moment(notice.at).into(),
            notice.depositor.as_deref().unwrap_or("operators").into(),
            notice.ways.join(" ").into(),
            notice.tries.into(),
            (&notice.subject).into(),
            Cell::from(wrong).tone(Tone::Warn),
        ]);
    }
    let mut text =
        if notices.is_empty() && style.tty { "no notice waits\n".into() } else { table.render(style) };
    if untold > 0 {
        text.push_str(&format!("{} given up; the next one says so\n", counted(untold, "notice")));
    }
    text
}
