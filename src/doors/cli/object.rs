//! `object`: what is kept, where, what happened to it, proving it now, and giving it back.

use super::args::ObjectVerb;
use super::overview::{self, counted};
use super::table::{Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::text::hint;
use super::verbs::{LIST_MAX, document, show};
use super::{Screen, usage};
use crate::books::config::absolute;
use crate::doors::exit::{self, Exit};
use crate::model::object::VersionRow;
use crate::work::desk::keep_words::{ObjectEvent, ObjectFile, ProvedCopy};
use crate::work::desk::words::{
    Answer, Ask, DeleteAnswer, KeepAnswer, KeepAsk, ObjectFilter, ROWS_MAX, RestoredView,
};

/// Does a verb on objects.
pub fn run(screen: &Screen, talk: &mut Talk, verb: ObjectVerb) -> Told<Exit> {
    match verb {
        ObjectVerb::List { depositor, deleted: true, all, .. } => {
            super::delete::deleted(screen, talk, depositor, all)
        }
        ObjectVerb::List { depositor, policy, target, lacking, all, .. } => {
            list(screen, talk, &ObjectFilter { depositor, policy, target, lacking }, all)
        }
        ObjectVerb::Show { object } => {
            show(screen, talk, &Ask::Object { object }, |style, answer| match answer {
                Answer::Object { object, versions } => Some(overview::object(style, object, versions)),
                Answer::Delete(DeleteAnswer::Tombstone { tombstone }) => {
                    Some(super::delete::tombstone(style, tombstone))
                }
                _ => None,
            })
        }
        ObjectVerb::Copies { object } => {
            show(screen, talk, &Ask::Object { object }, |style, answer| match answer {
                Answer::Object { versions, .. } => Some(copies(style, versions)),
                _ => None,
            })
        }
        ObjectVerb::History { object } | ObjectVerb::Events { object } => {
            show(screen, talk, &Ask::Keep(KeepAsk::History { object }), |style, answer| match answer {
                Answer::Keep(KeepAnswer::History { events, .. }) => Some(history(style, events)),
                _ => None,
            })
        }
        ObjectVerb::Files { object, version, all } => files(screen, talk, &object, version, all),
        ObjectVerb::Verify { object, target } => verify(screen, talk, object, target),
        ObjectVerb::Restore { object, to } => {
            let to = absolute(&to);
            let to =
                to.to_str().ok_or_else(|| usage("the folder's path is not UTF-8", "name another folder"))?;
            show(screen, talk, &Ask::Restore { object, to: to.into() }, |_, answer| match answer {
                Answer::Restored(restored) => Some(given_back(restored)),
                _ => None,
            })
        }
    }
}

fn list(screen: &Screen, talk: &mut Talk, filter: &ObjectFilter, all: bool) -> Told<Exit> {
    let (mut objects, mut more, mut after) = (Vec::new(), true, None);
    while more && (all || objects.is_empty()) {
        let limit = if all || screen.json { ROWS_MAX } else { LIST_MAX };
        let answer = talk.ask(&Ask::Objects { filter: filter.clone(), after, limit })?;
        let Answer::Objects { objects: page, more: rest } = answer else {
            return Err(unexpected(&answer));
        };
        after = page.last().map(|object| object.id.clone());
        more = rest && after.is_some();
        objects.extend(page);
    }
    if screen.json {
        screen.document(&document(&Answer::Objects { objects, more }));
        return Ok(exit::DONE);
    }
    if objects.is_empty() && !screen.style.tty {
        screen.hint("nothing to list");
    }
    screen.text(&overview::objects(&screen.style, &objects, more));
    Ok(exit::DONE)
}

fn copies(style: &Style, versions: &[VersionRow]) -> String {
    let mut table = Table::new(&[">VERSION", "TARGET", "PROVED", "FOLDER"]);
    for version in versions {
        for copy in &version.copies {
            table.row(vec![
                version.version.into(),
                (&copy.target).into(),
                style.age(copy.proved_at),
                format!("{}/{}", copy.root, copy.path).into(),
            ]);
        }
    }
    table.render(style)
}

fn history(style: &Style, events: &[ObjectEvent]) -> String {
    use crate::model::event::Outcome;
    let mut table = Table::new(&["AT", ">VERSION", "EVENT", "OUTCOME", "TARGET", "WHAT"]);
    for told in events {
        let (term, _) = told.event.event_type.term();
        let (tone, outcome) = match told.event.outcome {
            Outcome::Success => (Tone::Good, "success"),
            Outcome::Failure => (Tone::Bad, "failure"),
        };
        table.row(vec![
            moment(told.event.at).into(),
            told.version.into(),
            term.into(),
            super::table::Cell::from(outcome).tone(tone),
            told.event.target.as_deref().unwrap_or("-").into(),
            (&told.event.detail).into(),
        ]);
    }
    table.render(style)
}

fn files(screen: &Screen, talk: &mut Talk, object: &str, version: Option<u32>, all: bool) -> Told<Exit> {
    let (mut rows, mut after, mut more): (Vec<ObjectFile>, _, _) = (Vec::new(), None, true);
    let mut of = (String::new(), 0);
    while more && (all || rows.is_empty()) {
        let limit = if all || screen.json { ROWS_MAX } else { LIST_MAX };
        let ask = KeepAsk::ObjectFiles { object: object.into(), version, after, limit };
        let answer = talk.ask(&Ask::Keep(ask))?;
        let Answer::Keep(KeepAnswer::ObjectFiles { object, version, files, more: rest }) = answer else {
            return Err(unexpected(&answer));
        };
        of = (object, version);
        after = files.last().map(|file| file.path.clone());
        more = rest && after.is_some();
        rows.extend(files);
        if rows.is_empty() {
            break;
        }
    }
    if screen.json {
        let (object, version) = of;
        let answer = KeepAnswer::ObjectFiles { object, version, files: rows, more };
        screen.document(&document(&Answer::Keep(answer)));
        return Ok(exit::DONE);
    }
    let mut table = Table::new(&["FILE", ">SIZE", "SHA512"]);
    for file in &rows {
        let size = file.bytes.map_or("-".into(), |bytes| screen.style.bytes(bytes));
        let digest =
            if screen.style.tty { format!("{}…", &file.sha512[..16]) } else { file.sha512.clone() };
        table.row(vec![(&file.path).into(), size, digest.into()]);
    }
    let mut text = table.render(&screen.style);
    if more {
        text.push_str(&hint(&screen.style, format!("{} shown (--all for every one)", rows.len())));
    }
    screen.text(&text);
    Ok(exit::DONE)
}

fn verify(screen: &Screen, talk: &mut Talk, object: String, target: Option<String>) -> Told<Exit> {
    let answer = talk.ask(&Ask::Keep(KeepAsk::Prove { object, target }))?;
    let Answer::Keep(KeepAnswer::Proved { object, copies }) = &answer else {
        return Err(unexpected(&answer));
    };
    match screen.json {
        true => screen.document(&document(&answer)),
        false => screen.text(&proved(&screen.style, object, copies)),
    }
    let sound = |copy: &ProvedCopy| copy.proof.as_ref().is_some_and(|proof| proof.is_sound());
    Ok(if copies.iter().all(sound) { exit::DONE } else { exit::WRONG })
}

fn proved(style: &Style, object: &str, copies: &[ProvedCopy]) -> String {
    let mut text = String::new();
    for copy in copies {
        let Some(proof) = &copy.proof else {
            let why = copy.wrong.as_deref().unwrap_or("it could not be read");
            text.push_str(&format!(
                "{}  {}: not reached: {why}\n",
                style.paint(Tone::Bad, "FAIL"),
                copy.target
            ));
            continue;
        };
        let word = match proof.is_sound() {
            true => style.paint(Tone::Good, "ok  "),
            false => style.paint(Tone::Bad, "FAIL"),
        };
        text.push_str(&format!(
            "{word}  {}: {} read, {} matched, {} mismatched, {} missing, {} unreadable, {} extra\n",
            copy.target,
            style.bytes(proof.bytes).shown(),
            counted(proof.matched, "file"),
            proof.mismatched,
            proof.missing,
            proof.unreadable,
            proof.extra
        ));
        for fault in &proof.faults {
            text.push_str(&format!("      {}  {}: {}\n", fault.outcome.name(), fault.path, fault.why));
        }
    }
    text + &hint(style, format!("all that happened to it: strongroom object history {object}"))
}

fn given_back(restored: &RestoredView) -> String {
    let mut text = format!(
        "{} version {}: {} files, {} bytes, every digest compared\n  {}\n",
        restored.object, restored.version, restored.files, restored.bytes, restored.folder
    );
    for passed in &restored.passed_over {
        text.push_str(&format!("  taken from another copy: {passed}\n"));
    }
    text
}
