//! Verbs that ask the desk: items, troubles, requeue, status, disk, state, objects.

use super::args::{ConfigVerb, ItemVerb, Steer, TroubleVerb, Verb, Which};
use super::ingest::findings;
use super::table::moment;
use super::talk::{Talk, Told, unexpected};
use super::{Screen, letter, overview, text, usage, whole};
use crate::books::config::Config;
use crate::books::config::units::parse_time;
use crate::doors::exit::{self, Exit};
use crate::doors::signals::{Asked, Signals};
use crate::work::desk::words::{Answer, Ask, Filter, ItemView, ROWS_MAX, SCHEMA, Steering};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

/// Rows of a list that is not asked for in full.
pub(super) const LIST_MAX: usize = 50;

/// Findings in a story, and in an export, of one item.
const FINDINGS_MAX: usize = 10_000;

/// How long one question for news waits, in milliseconds.
pub(super) const NEWS_MILLIS: u64 = 2_000;

/// Does a verb.
pub fn run(screen: &Screen, config: &Arc<Config>, verb: Verb) -> Told<Exit> {
    if let Verb::Config(ConfigVerb::Show { .. }) = verb {
        return whole::config_show(screen, config);
    }
    let mut talk = Talk::open(config)?;
    let talk = &mut talk;
    match verb {
        Verb::Item(verb) => item(screen, talk, verb),
        Verb::Trouble(verb) => trouble(screen, talk, verb),
        Verb::Requeue { ids, from, which, dry_run, yes, reason } => {
            let ask = |dry_run| -> Told<Ask> {
                let filter = filter(screen, &which, Vec::new())?;
                Ok(Ask::Requeue {
                    items: ids.clone(),
                    filter,
                    from: from.clone(),
                    reason: reason.clone(),
                    dry_run,
                })
            };
            if ids.is_empty() && which.is_empty() {
                return Err(usage(
                    "it is not said which items to requeue",
                    "strongroom requeue ID..., or --kind KIND",
                ));
            }
            if ids.is_empty() && !dry_run && !yes && !sure(screen, talk, &ask(true)?)? {
                return Ok(exit::DONE);
            }
            moved(screen, talk, "requeue", &ask(dry_run)?)
        }
        Verb::Status { watch } => whole::status(screen, talk, watch),
        Verb::Disk => show(screen, talk, &Ask::Disk, |style, answer| match answer {
            Answer::Disk { places } => Some(overview::disk(style, places)),
            _ => None,
        }),
        Verb::State(verb) => whole::state(screen, talk, verb),
        Verb::Object(verb) => super::object::run(screen, talk, verb),
        Verb::Delete(verb) => super::delete::run(screen, talk, verb),
        Verb::Approve(what) => super::delete::approve(screen, talk, what),
        Verb::Reject { id, reason } => super::delete::reject(screen, talk, id, reason),
        Verb::Target(verb) => super::targets::run(screen, talk, verb),
        Verb::Repair(verb) => super::repair::run(screen, talk, verb),
        Verb::Fixity(verb) => super::fixity::run(screen, talk, verb),
        Verb::Events(verb) => super::events::run(screen, talk, verb),
        Verb::Source(verb) => super::source::run(screen, talk, verb),
        // The others are done before anybody is asked.
        other => Err(usage(format!("{other:?} is no question for the desk"), "strongroom help")),
    }
}

/// Asks, and shows the answer as JSON or as text.
pub(super) fn show(
    screen: &Screen,
    talk: &mut Talk,
    ask: &Ask,
    render: impl FnOnce(&super::table::Style, &Answer) -> Option<String>,
) -> Told<Exit> {
    let answer = talk.ask(ask)?;
    if screen.json {
        screen.document(&document(&answer));
        return Ok(exit::DONE);
    }
    let text = render(&screen.style, &answer).ok_or_else(|| unexpected(&answer))?;
    if text.is_empty() {
        screen.hint("nothing to list");
    }
    screen.text(&text);
    Ok(exit::DONE)
}

/// An answer as a JSON document of its own.
pub(super) fn document(answer: &Answer) -> Value {
    let mut value = serde_json::to_value(answer).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("schema".into(), SCHEMA.into());
    }
    value
}

// --- items --------------------------------------------------------------------------------------------------------

fn item(screen: &Screen, talk: &mut Talk, verb: ItemVerb) -> Told<Exit> {
    match verb {
        ItemVerb::List { which, standing, all } => {
            let filter = filter(screen, &which, standing)?;
            let (mut items, mut more, mut before) = (Vec::new(), true, None);
            while more && (all || items.is_empty()) {
                let limit = if all { ROWS_MAX } else { LIST_MAX };
                let answer = talk.ask(&Ask::Items { filter: filter.clone(), before, limit })?;
                let Answer::Items { items: page, more: rest } = answer else {
                    return Err(unexpected(&answer));
                };
                before = page.last().map(|item: &ItemView| item.id);
                more = rest && before.is_some();
                items.extend(page);
                if items.is_empty() {
                    break;
                }
            }
            list(screen, &Answer::Items { items, more }, text::items)
        }
        ItemVerb::Show { id } => story(screen, talk, &id),
        ItemVerb::Events { id } => {
            show(screen, talk, &Ask::Events { item: id }, |style, answer| match answer {
                Answer::Events { events, .. } => Some(text::events(style, events)),
                _ => None,
            })
        }
        ItemVerb::Files { id } => files(screen, talk, &id),
        ItemVerb::Follow { id } => follow(screen, talk, &id),
        ItemVerb::Hold(steer) => steered(screen, talk, "hold", Steering::Hold, steer),
        ItemVerb::Release(steer) => steered(screen, talk, "release", Steering::Release, steer),
        ItemVerb::Cancel(steer) => steered(screen, talk, "cancel", Steering::Cancel, steer),
    }
}

fn list(
    screen: &Screen,
    answer: &Answer,
    render: fn(&super::table::Style, &[ItemView], bool) -> String,
) -> Told<Exit> {
    let Answer::Items { items, more } = answer else { return Err(unexpected(answer)) };
    if screen.json {
        screen.document(&document(answer));
        return Ok(exit::DONE);
    }
    if items.is_empty() && !screen.style.tty {
        screen.hint("nothing to list");
    }
    screen.text(&render(&screen.style, items, *more));
    Ok(exit::DONE)
}

fn story(screen: &Screen, talk: &mut Talk, id: &str) -> Told<Exit> {
    let answer = talk.ask(&Ask::Item { item: id.into() })?;
    let Answer::Item(mut story) = answer else { return Err(unexpected(&answer)) };
    if screen.json {
        (story.findings, story.more_findings) = findings(talk, &story.item, FINDINGS_MAX);
        screen.document(&document(&Answer::Item(story)));
        return Ok(exit::DONE);
    }
    screen.text(&text::story(&screen.style, &story));
    Ok(exit::DONE)
}

fn files(screen: &Screen, talk: &mut Talk, id: &str) -> Told<Exit> {
    let mut after = 0;
    loop {
        let answer = talk.ask(&Ask::Files { item: id.into(), after, limit: ROWS_MAX })?;
        let Answer::Files { files, more } = answer else { return Err(unexpected(&answer)) };
        if files.is_empty() && after == 0 {
            screen.hint("no files are known yet: they are from the stage unpack on");
        }
        after += files.len() as u64;
        for file in &files {
            match screen.json {
                // A stream: a bag may have a million files.
                true => screen.document(&serde_json::to_value(file).unwrap_or_default()),
                false => screen.text(&text::file(&screen.style, file)),
            }
        }
        if !more {
            return Ok(exit::DONE);
        }
    }
}

fn follow(screen: &Screen, talk: &mut Talk, id: &str) -> Told<Exit> {
    let answer = talk.ask(&Ask::Item { item: id.into() })?;
    let Answer::Item(story) = answer else { return Err(unexpected(&answer)) };
    if !talk.is_daemon() && !story.item.rests {
        screen.hint("no daemon runs: nothing will happen to it until strongroom serve or strongroom ingest");
    }
    let signals = Signals::listen();
    let (mut seen, mut last) = (0, String::new());
    loop {
        let answer = talk.ask(&Ask::Watch { seen, items: vec![story.item.id], millis: NEWS_MILLIS })?;
        let Answer::Watched { seen: now, items, progress } = answer else { return Err(unexpected(&answer)) };
        seen = now;
        let Some(item) = items.first() else { return Ok(exit::NOT_FOUND) };
        let done = progress
            .first()
            .map(|found| format!("  {} of {} bytes", found.done, found.total))
            .unwrap_or_default();
        let line = format!("{}  {}{done}", item.stage, item.standing);
        if line != last {
            match screen.json {
                true => {
                    screen.document(&json!({ "schema": SCHEMA, "item": item, "progress": progress.first() }))
                }
                false => screen.line(&format!("{}  {line}", moment(jiff::Timestamp::now()))),
            }
            last = line;
        }
        if item.rests {
            return Ok(if item.standing == "kept" { exit::DONE } else { exit::WRONG });
        }
        match signals.asked() {
            Some(Asked::Interrupt) => return Ok(exit::INTERRUPTED),
            Some(_) => return Ok(exit::TERMINATED),
            None => {}
        }
    }
}

fn steered(screen: &Screen, talk: &mut Talk, verb: &str, how: Steering, steer: Steer) -> Told<Exit> {
    let ask = Ask::Steer { items: steer.ids, how, reason: steer.reason, dry_run: steer.dry_run };
    moved(screen, talk, verb, &ask)
}

pub(super) fn moved(screen: &Screen, talk: &mut Talk, verb: &str, ask: &Ask) -> Told<Exit> {
    let answer = talk.ask(ask)?;
    let Answer::Moved { done, refused, dry_run } = &answer else { return Err(unexpected(&answer)) };
    match screen.json {
        true => screen.document(&document(&answer)),
        false => screen.text(&text::moved(&screen.style, verb, done, refused, *dry_run)),
    }
    if done.is_empty() && refused.is_empty() && !screen.style.tty {
        screen.hint(&format!("no items to {verb}"));
    }
    Ok(match (done.is_empty(), refused.first()) {
        (_, None) => exit::DONE,
        (false, Some(_)) => exit::PARTLY,
        (true, Some(row)) => row.complaint.sort.into(),
    })
}

/// Says what a bulk order would do, and asks once; a script that has no terminal means what it says.
fn sure(screen: &Screen, talk: &mut Talk, dry: &Ask) -> Told<bool> {
    if !std::io::stdin().is_terminal() || !screen.stderr_tty || screen.json {
        return Ok(true);
    }
    let answer = talk.ask(dry)?;
    let Answer::Moved { done, refused, dry_run } = &answer else { return Err(unexpected(&answer)) };
    screen.text(&text::moved(&screen.style, "requeue", done, refused, *dry_run));
    if done.is_empty() {
        return Ok(false);
    }
    screen.hint(&format!("requeue {} items? [y/N]", done.len()));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    Ok(read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes"))
}

// --- troubles -----------------------------------------------------------------------------------------------------

fn trouble(screen: &Screen, talk: &mut Talk, verb: TroubleVerb) -> Told<Exit> {
    match verb {
        TroubleVerb::List { which, all } => {
            let filter = filter(screen, &which, Vec::new())?;
            let (items, more) = troubles(talk, &filter, all)?;
            list(screen, &Answer::Items { items, more }, text::troubles)
        }
        TroubleVerb::Show { id, letter: false, .. } => story(screen, talk, &id),
        TroubleVerb::Show { id, letter: true, to } => letter::letter(screen, talk, id, to.as_deref()),
        TroubleVerb::Summary { which } => {
            let ask = Ask::Summary { filter: filter(screen, &which, Vec::new())? };
            show(screen, talk, &ask, |style, answer| match answer {
                Answer::Summary { rows } => Some(text::summary(style, rows)),
                _ => None,
            })
        }
        TroubleVerb::Export { ids } => export_troubles(screen, talk, ids),
    }
}

fn troubles(talk: &mut Talk, filter: &Filter, all: bool) -> Told<(Vec<ItemView>, bool)> {
    let (mut items, mut after): (Vec<ItemView>, Option<u64>) = (Vec::new(), None);
    loop {
        let limit = if all { ROWS_MAX } else { LIST_MAX };
        let answer = talk.ask(&Ask::Troubles { filter: filter.clone(), after, limit })?;
        let Answer::Items { items: page, more } = answer else { return Err(unexpected(&answer)) };
        after = page.last().map(|item| item.id);
        items.extend(page);
        if !all || !more || after.is_none() {
            return Ok((items, more));
        }
    }
}

fn export_troubles(screen: &Screen, talk: &mut Talk, ids: Vec<String>) -> Told<Exit> {
    let ids = match ids.is_empty() {
        true => troubles(talk, &Filter::default(), true)?.0.iter().map(|item| item.id.to_string()).collect(),
        false => ids,
    };
    let mut items = Vec::new();
    for id in ids {
        let answer = talk.ask(&Ask::Item { item: id.clone() })?;
        let Answer::Item(mut story) = answer else { return Err(unexpected(&answer)) };
        (story.findings, story.more_findings) = findings(talk, &story.item, FINDINGS_MAX);
        let answer = talk.ask(&Ask::Events { item: id })?;
        let Answer::Events { events, .. } = answer else { return Err(unexpected(&answer)) };
        items.push(json!({ "story": story, "events": events }));
    }
    let config = match talk.ask(&Ask::Config)? {
        Answer::Config { values, .. } => values,
        other => return Err(unexpected(&other)),
    };
    let version = env!("CARGO_PKG_VERSION");
    screen.document(&json!({ "schema": SCHEMA, "version": version, "items": items, "config": config }));
    Ok(exit::DONE)
}

// --- filters ------------------------------------------------------------------------------------------------------

fn filter(screen: &Screen, which: &Which, standings: Vec<String>) -> Told<Filter> {
    let since = which.since.as_deref().map(|text| since(text, screen.style.now)).transpose()?;
    Ok(Filter {
        depositor: which.depositor.clone(),
        kind: which.kind.clone(),
        stage: which.stage.clone(),
        standings,
        since,
    })
}

/// A moment, a day, or an age.
pub fn since(text: &str, now: jiff::Timestamp) -> Told<jiff::Timestamp> {
    let wrong = || {
        usage(
            format!("--since {text}: it is no time, no day and no age"),
            "--since 2026-11-20T00:00Z, --since 2026-11-20, --since \"3 d\"",
        )
    };
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(moment);
    }
    if let Ok(day) = format!("{text}T00:00:00Z").parse::<jiff::Timestamp>() {
        return Ok(day);
    }
    let age = parse_time(text).map_err(|_| wrong())?;
    now.checked_sub(jiff::SignedDuration::try_from(age).map_err(|_| wrong())?).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_a_moment_a_day_or_an_age() {
        let now: jiff::Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let table = [
            ("2026-11-19T01:02:03Z", Some("2026-11-19T01:02:03Z")),
            ("2026-11-19", Some("2026-11-19T00:00:00Z")),
            ("3 d", Some("2026-11-17T12:00:00Z")),
            ("90min", Some("2026-11-20T10:30:00Z")),
            ("yesterday", None),
        ];
        for (text, wanted) in table {
            assert_eq!(since(text, now).ok().map(moment).as_deref(), wanted, "{text}");
        }
    }
}
