//! `events export`: what happened to objects, as PREMIS, JSON lines or a table for spreadsheets.
//!
//! - Nothing is held but the names of agents, so the number of objects does not matter.

use super::Screen;
use super::args::{EventsFormat, EventsVerb};
use super::talk::{Talk, Told, unexpected};
use crate::doors::exit::{self, Exit};
use crate::model::event::Outcome;
use crate::model::object::{ObjectId, ObjectRow, VersionRow};
use crate::rules::premis::{Document, Entity};
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::keep_words::ObjectEvent;
use crate::work::desk::words::{
    Answer, Ask, DeleteAnswer, DeleteAsk, KeepAnswer, KeepAsk, ObjectFilter, ROWS_MAX,
};
use serde_json::json;
use std::io::{self, Write};

/// Does a verb on events.
pub fn run(screen: &Screen, talk: &mut Talk, verb: EventsVerb) -> Told<Exit> {
    let EventsVerb::Export { objects, depositor, format } = verb;
    let filter = ObjectFilter { depositor, ..ObjectFilter::default() };
    let which = Which { named: objects, filter };
    match format {
        EventsFormat::PremisXml => premis(screen, talk, &which),
        EventsFormat::Json => each(talk, &which, &mut |object, _, events| {
            for told in events {
                screen.raw(&format!("{}\n", json!({ "object": object.id, "told": told })));
            }
        }),
        EventsFormat::Csv => {
            screen.raw("object,version,item,event,at,type,code,outcome,target,agent,person,detail\r\n");
            each(talk, &which, &mut |object, _, events| {
                events.iter().for_each(|told| screen.raw(&csv(object, told)));
            })
        }
    }
}

/// Which objects.
struct Which {
    named: Vec<String>,
    filter: ObjectFilter,
}

/// Takes an object with its versions and events.
type Give<'a> = dyn FnMut(&ObjectRow, &[VersionRow], &[ObjectEvent]) + 'a;

/// Gives every object with its versions and events.
fn each(talk: &mut Talk, which: &Which, give: &mut Give<'_>) -> Told<Exit> {
    ids(talk, which, &mut |talk, id| match talk
        .ask(&Ask::Keep(KeepAsk::History { object: id.to_string() }))?
    {
        Answer::Keep(KeepAnswer::History { object, versions, events }) => {
            give(&object, &versions, &events);
            Ok(())
        }
        other => Err(unexpected(&other)),
    })?;
    Ok(exit::DONE)
}

fn ids(talk: &mut Talk, which: &Which, give: &mut dyn FnMut(&mut Talk, &str) -> Told<()>) -> Told<()> {
    if !which.named.is_empty() {
        return which.named.iter().try_for_each(|id| give(talk, id));
    }
    let mut after = None;
    loop {
        let answer = talk.ask(&Ask::Objects { filter: which.filter.clone(), after, limit: ROWS_MAX })?;
        let Answer::Objects { objects, more } = answer else { return Err(unexpected(&answer)) };
        for object in &objects {
            give(talk, &object.id)?;
        }
        after = objects.last().map(|object| object.id.clone());
        if !more || after.is_none() {
            break;
        }
    }
    deleted(talk, which, give)
}

/// What was deleted is told, too: of it nothing else is left.
fn deleted(talk: &mut Talk, which: &Which, give: &mut dyn FnMut(&mut Talk, &str) -> Told<()>) -> Told<()> {
    let mut after = None;
    loop {
        let depositor = which.filter.depositor.clone();
        let answer = talk.ask(&Ask::Delete(DeleteAsk::Deleted { depositor, after, limit: ROWS_MAX }))?;
        let Answer::Delete(DeleteAnswer::Deleted { objects, more }) = answer else {
            return Err(unexpected(&answer));
        };
        for stone in &objects {
            give(talk, &stone.object)?;
        }
        after = objects.last().map(|stone| stone.object.clone());
        if !more || after.is_none() {
            return Ok(());
        }
    }
}

/// Objects come first in a document, so they are gone through twice.
fn premis(screen: &Screen, talk: &mut Talk, which: &Which) -> Told<Exit> {
    let mut out = Out { screen };
    let failed = |error: io::Error| {
        Box::new(Complaint::new(Sort::Io, "the events are not exported").because(error.to_string()))
    };
    let mut document = Document::begin(&mut out).map_err(failed)?;
    let mut count = 0u64;
    let mut stopped = None;
    each(talk, which, &mut |object, versions, _| {
        count += 1;
        let head = versions.last();
        let entity = Entity {
            object: &object.id,
            version: object.head,
            bag: &object.bag,
            files: head.map_or(0, |head| head.files),
            bytes: head.map_or(0, |head| head.bytes),
        };
        stopped = stopped.take().or(document.entity(&entity).err());
    })?;
    if count == 0 {
        return Err(Box::new(
            Complaint::new(Sort::NotFound, "the events are not exported")
                .because("there is no such object, and PREMIS has no document without one")
                .then_try("strongroom object list --all"),
        ));
    }
    each(talk, which, &mut |object, _, events| {
        let id: &ObjectId = &object.id;
        for told in events {
            stopped = stopped.take().or(document.event(id, &told.event).err());
        }
    })?;
    if let Some(error) = stopped {
        return Err(failed(error));
    }
    document.end().map_err(failed)?;
    Ok(exit::DONE)
}

fn csv(object: &ObjectRow, told: &ObjectEvent) -> String {
    let event = &told.event;
    let (term, code) = event.event_type.term();
    let outcome = if event.outcome == Outcome::Success { "success" } else { "failure" };
    let cells = [
        object.id.0.clone(),
        told.version.to_string(),
        told.item.map_or_else(String::new, |item| item.to_string()),
        event.id.clone(),
        event.at.to_string(),
        term.to_string(),
        code.to_string(),
        outcome.to_string(),
        event.target.clone().unwrap_or_default(),
        event.agent.clone(),
        event.person.clone().unwrap_or_default(),
        event.detail.clone(),
    ];
    cells.map(|cell| quoted(&cell)).join(",") + "\r\n"
}

/// A cell by RFC 4180. What a spreadsheet would take for a formula is told as text.
fn quoted(cell: &str) -> String {
    let cell = match cell.starts_with(['=', '+', '-', '@']) {
        true => format!("'{cell}"),
        false => cell.to_string(),
    };
    match cell.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

/// The screen, as a writer.
struct Out<'a> {
    screen: &'a Screen,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(|_| io::Error::other("what is written is no text"))?;
        self.screen.raw(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_cell_is_text_whatever_is_in_it() {
        let table =
            [("plain", "plain"), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""), ("=1+1", "'=1+1")];
        for (cell, wanted) in table {
            assert_eq!(quoted(cell), wanted);
        }
    }
}
