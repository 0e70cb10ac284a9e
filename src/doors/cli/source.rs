//! `source`: how sources are, listing them now, leaving them alone.

use super::args::SourceVerb;
use super::overview::counted;
use super::table::{Cell, Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::text::hint;
use super::verbs::{document, show};
use super::{Screen, complain};
use crate::doors::exit::{self, Exit};
use crate::work::desk::words::{Answer, Ask, Level, SourceView};
use serde_json::json;

/// Does a verb on sources.
pub fn run(screen: &Screen, talk: &mut Talk, verb: SourceVerb) -> Told<Exit> {
    match verb {
        SourceVerb::List => {
            show(screen, talk, &Ask::Sources { source: None }, |style, answer| match answer {
                Answer::Sources { sources } => Some(list(style, sources)),
                _ => None,
            })
        }
        SourceVerb::Show { name } => one(screen, talk, &Ask::Sources { source: Some(name) }),
        SourceVerb::Pause { name, reason } => one(screen, talk, &Ask::PauseSource { source: name, reason }),
        SourceVerb::Resume { name } => one(screen, talk, &Ask::ResumeSource { source: name }),
        SourceVerb::Scan { names } => scan(screen, talk, names),
        SourceVerb::Probe { name } => {
            let answer = talk.ask(&Ask::Probe { source: name })?;
            let Answer::Checks { checks } = &answer else { return Err(unexpected(&answer)) };
            match screen.json {
                true => screen.document(&document(&answer)),
                false => screen.text(&super::offline::checklist(&screen.style, checks)),
            }
            let failed = checks.iter().any(|check| check.level == Level::Fail);
            Ok(if failed { exit::WRONG } else { exit::DONE })
        }
    }
}

fn one(screen: &Screen, talk: &mut Talk, ask: &Ask) -> Told<Exit> {
    show(screen, talk, ask, |style, answer| match answer {
        Answer::Sources { sources } => sources.first().map(|source| story(style, source)),
        _ => None,
    })
}

/// Lists these sources, or all; one that fails does not keep the others from being listed.
fn scan(screen: &Screen, talk: &mut Talk, mut names: Vec<String>) -> Told<Exit> {
    if names.is_empty() {
        let answer = talk.ask(&Ask::Sources { source: None })?;
        let Answer::Sources { sources } = answer else { return Err(unexpected(&answer)) };
        names = sources.into_iter().map(|source| source.name).collect();
    }
    let (mut told_all, mut failed) = (Vec::new(), 0);
    for name in &names {
        match talk.ask(&Ask::Scan { source: name.clone() }) {
            Ok(Answer::Scanned { source, told }) => {
                screen.line(&format!(
                    "{source}\t{}\t{} new\t{} not taken\t{} changed\t{} disposed of",
                    counted(told.keys, "key"),
                    told.new,
                    told.not_taken,
                    told.changed,
                    told.disposed
                ));
                told_all.push(document(&Answer::Scanned { source, told }));
            }
            Ok(other) => return Err(unexpected(&other)),
            Err(complaint) if names.len() == 1 => return Err(complaint),
            Err(complaint) => {
                failed += 1;
                complain(screen, &complaint);
            }
        }
    }
    if screen.json {
        let schema = crate::work::desk::words::SCHEMA;
        screen.document(&json!({ "schema": schema, "scanned": told_all, "failed": failed }));
    }
    if names.is_empty() {
        screen.hint("no source is configured; see: strongroom config show --sample");
    }
    Ok(if failed > 0 { exit::PARTLY } else { exit::DONE })
}

fn tone(state: &str) -> Tone {
    match state {
        "well" => Tone::Good,
        "paused" | "not asked" => Tone::Dim,
        "trying" => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// Sources of a list.
pub fn list(style: &Style, sources: &[SourceView]) -> String {
    if sources.is_empty() {
        return hint(style, "no source is configured; see: strongroom config show --sample".into());
    }
    let head = [
        "NAME",
        "DEPOSITOR",
        "STATE",
        "LISTED",
        "NEXT",
        ">KNOWN",
        ">NEW",
        ">WAITING",
        ">SIZE",
        ">HELD",
        ">REFUSED",
        "PLACE",
    ];
    let mut table = Table::new(&head);
    for source in sources {
        let counts = source.counts.unwrap_or_default();
        let next: Cell = match (source.listing_since, source.next_listing) {
            (Some(_), _) => "now".into(),
            (None, Some(at)) => style.until(at),
            (None, None) => "-".into(),
        };
        table.row(vec![
            (&source.name).into(),
            (&source.depositor).into(),
            Cell::from(source.state.as_str()).tone(tone(&source.state)),
            source.listed.map_or("never".into(), |at| style.age(at)),
            next,
            counts.known.into(),
            source.last.new.into(),
            counts.waiting.into(),
            style.bytes(counts.waiting_bytes),
            counts.held.into(),
            counts.refused.into(),
            (&source.place).into(),
        ]);
    }
    table.render(style)
}

/// One source.
pub fn story(style: &Style, source: &SourceView) -> String {
    let state = style.paint(tone(&source.state), &source.state);
    let since = source.since.map_or(String::new(), |at| format!(" since {}", moment(at)));
    let why = source.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let every =
        source.every_seconds.map_or("only when asked".to_string(), |seconds| format!("every {seconds} s"));
    let mut text = format!("source {}  {}\n  state      {state}{since}{why}\n", source.name, source.place);
    if let Some(at) = source.next_try {
        text.push_str(&format!("  asked      again at {}\n", moment(at)));
    }
    text.push_str(&format!("  depositor  {}\n  listed     {every}", source.depositor));
    match (source.listing_since, source.next_listing) {
        (Some(at), _) => text.push_str(&format!(", now (since {})\n", moment(at))),
        (None, Some(at)) => text.push_str(&format!(", next at {}\n", moment(at))),
        (None, None) => text.push('\n'),
    }
    text.push_str(&format!("  kept       {}\n", source.after_kept));
    if let Some(counts) = &source.counts {
        text.push_str(&format!(
            "  keys       {} known; {} on their way ({}), {} held, {} refused or not taken\n",
            counts.known,
            counts.waiting,
            style.bytes(counts.waiting_bytes).shown(),
            counts.held,
            counts.refused
        ));
    }
    if let Some(at) = source.last.at {
        text.push_str(&last(style, source, at));
    }
    let next = if source.paused.is_some() { "resume" } else { "probe" };
    text + &hint(style, format!("strongroom source {next} {}", source.name))
}

fn last(style: &Style, source: &SourceView, at: jiff::Timestamp) -> String {
    let last = &source.last;
    let mut text = format!(
        "  last       {}: {} on {} ({}), {} new ({} not taken), {} changed, {} disposed of\n",
        moment(at),
        counted(last.keys, "key"),
        counted(last.pages, "page"),
        style.bytes(last.bytes).shown(),
        last.new,
        last.not_taken,
        last.changed,
        last.disposed
    );
    if let Some(trouble) = &last.trouble {
        text.push_str(&format!("  {}       {trouble}\n", style.paint(Tone::Bad, "FAIL")));
        if let Some(listed) = source.listed {
            text.push_str(&format!("  complete   {}\n", moment(listed)));
        }
    }
    text
}
