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

fn list(style: &Style, sources: &[SourceView]) -> String {
    if sources.is_empty() {
        return hint(style, "no source is configured; see: strongroom config show --sample".into());
    }
    let mut table = Table::new(&["NAME", "DEPOSITOR", "STATE", "LISTED", ">KEYS", ">NEW", "PLACE"]);
    for source in sources {
        let listed: Cell = source.last.at.map_or("never".into(), |at| style.age(at));
        table.row(vec![
            (&source.name).into(),
            (&source.depositor).into(),
            Cell::from(source.state.as_str()).tone(tone(&source.state)),
            listed,
            source.last.keys.into(),
            source.last.new.into(),
            (&source.place).into(),
        ]);
    }
    table.render(style)
}

fn story(style: &Style, source: &SourceView) -> String {
    let state = style.paint(tone(&source.state), &source.state);
    let why = source.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
    let every =
        source.every_seconds.map_or("only when asked".to_string(), |seconds| format!("every {seconds} s"));
    let mut text = format!(
        "source {}  {}\n  state      {state}{why}\n  depositor  {}\n  listed     {every}\n  kept       {}\n",
        source.name, source.place, source.depositor, source.after_kept
    );
    if let Some(at) = source.last.at {
        let last = &source.last;
        text.push_str(&format!(
            "  last       {}: {} on {}, {} new ({} not taken), {} changed, {} disposed of\n",
            moment(at),
            counted(last.keys, "key"),
            counted(last.pages, "page"),
            last.new,
            last.not_taken,
            last.changed,
            last.disposed
        ));
    }
    if let Some(trouble) = &source.last.trouble {
        text.push_str(&format!("  {}       {trouble}\n", style.paint(Tone::Bad, "FAIL")));
    }
    let next = if source.paused.is_some() { "resume" } else { "probe" };
    text + &hint(style, format!("strongroom source {next} {}", source.name))
}
