//! `delete`, `approve`, `reject`: giving objects up, on the word of two persons.
//!
//! - Before anything is asked for or approved it is said what will be lost: versions, files, bytes, copies.
//! - On a terminal the name of the object is to be typed; a script says `--yes`.

use super::args::{ApproveVerb, Approving, DeleteVerb};
use super::overview::counted;
use super::table::{Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::text::hint;
use super::verbs::{LIST_MAX, document};
use super::{Screen, usage};
use crate::books::config::units::show_age;
use crate::doors::exit::{self, Exit};
use crate::model::deletion::Phase;
use crate::rules::ocfl::metadata::Tombstone;
use crate::work::desk::words::{Answer, Ask, DeleteAnswer, DeleteAsk, DeletionView, ROWS_MAX};
use std::io::{BufRead, IsTerminal};

/// Does a verb on deletions.
pub fn run(screen: &Screen, talk: &mut Talk, verb: DeleteVerb) -> Told<Exit> {
    match verb {
        DeleteVerb::Request { object, reason, dry_run, yes } => {
            let asking =
                |dry_run| DeleteAsk::Request { object: object.clone(), reason: reason.clone(), dry_run };
            settled(screen, talk, &asking, (dry_run, yes), "ask for this")
        }
        DeleteVerb::List { all } => list(screen, talk, false, all),
        DeleteVerb::Show { request } => said(screen, talk, DeleteAsk::Show { request }),
        DeleteVerb::Cancel { request, reason } => said(screen, talk, DeleteAsk::Cancel { request, reason }),
    }
}

/// Gives the second word, or looks at what waits for it.
pub fn approve(screen: &Screen, talk: &mut Talk, what: Approving) -> Told<Exit> {
    match (what.verb, what.id) {
        (Some(ApproveVerb::List), _) => list(screen, talk, true, true),
        (Some(ApproveVerb::Show { request }), _) => said(screen, talk, DeleteAsk::Show { request }),
        (None, Some(request)) => {
            let asking = |dry_run| DeleteAsk::Approve { request: request.clone(), dry_run };
            settled(screen, talk, &asking, (what.dry_run, what.yes), "approve this")
        }
        (None, None) => Err(usage("it is not said what to approve", "strongroom approve list")),
    }
}

/// Says no.
pub fn reject(screen: &Screen, talk: &mut Talk, request: String, reason: String) -> Told<Exit> {
    said(screen, talk, DeleteAsk::Reject { request, reason })
}

/// Shows what will be lost, has the name typed, and does it.
fn settled(
    screen: &Screen,
    talk: &mut Talk,
    asking: &dyn Fn(bool) -> DeleteAsk,
    (dry_run, yes): (bool, bool),
    what: &str,
) -> Told<Exit> {
    if dry_run {
        return said(screen, talk, asking(true));
    }
    if !yes {
        let asked = std::io::stdin().is_terminal() && screen.stderr_tty && !screen.json;
        if !asked {
            return Err(usage(
                "nothing is done without a word",
                "--dry-run to see what would be lost, --yes when that is meant",
            ));
        }
        let request = view(talk, asking(true))?.0;
        screen.text(&loss(&screen.style, &request));
        let object = &request.request.object.0;
        screen.hint(&format!("to {what}, type the name of the object: {object}"));
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let short = format!("{}/{}", request.request.depositor, request.request.bag);
        if read.is_err() || (line.trim() != object && line.trim() != short) {
            screen.hint("that is not its name: nothing was done");
            return Ok(exit::REFUSED);
        }
    }
    said(screen, talk, asking(false))
}

fn view(talk: &mut Talk, ask: DeleteAsk) -> Told<(DeletionView, Answer)> {
    let answer = talk.ask(&Ask::Delete(ask))?;
    match &answer {
        Answer::Delete(DeleteAnswer::Request { request, .. }) => Ok(((**request).clone(), answer)),
        other => Err(unexpected(other)),
    }
}

fn said(screen: &Screen, talk: &mut Talk, ask: DeleteAsk) -> Told<Exit> {
    let (request, answer) = view(talk, ask)?;
    match screen.json {
        true => screen.document(&document(&answer)),
        false => {
            let dry_run = matches!(answer, Answer::Delete(DeleteAnswer::Request { dry_run: true, .. }));
            screen.text(&story(&screen.style, &request, dry_run));
        }
    }
    Ok(exit::DONE)
}

fn list(screen: &Screen, talk: &mut Talk, waiting: bool, all: bool) -> Told<Exit> {
    let (mut requests, mut more, mut before): (Vec<DeletionView>, _, _) = (Vec::new(), true, None);
    while more && (all || requests.is_empty()) {
        let limit = if all || screen.json { ROWS_MAX } else { LIST_MAX };
        let answer = talk.ask(&Ask::Delete(DeleteAsk::List { waiting, before, limit }))?;
        let Answer::Delete(DeleteAnswer::Requests { requests: page, more: rest }) = answer else {
            return Err(unexpected(&answer));
        };
        before = page.last().map(|request| request.request.number);
        more = rest && before.is_some() && !waiting;
        requests.extend(page);
        if requests.is_empty() {
            break;
        }
    }
    if screen.json {
        screen.document(&document(&Answer::Delete(DeleteAnswer::Requests { requests, more })));
        return Ok(exit::DONE);
    }
    if requests.is_empty() && !screen.style.tty {
        screen.hint("nothing to list");
    }
    screen.text(&rows(&screen.style, &requests, more));
    Ok(exit::DONE)
}

/// Objects that were deleted.
pub fn deleted(screen: &Screen, talk: &mut Talk, depositor: Option<String>, all: bool) -> Told<Exit> {
    let (mut objects, mut more, mut after): (Vec<Tombstone>, _, _) = (Vec::new(), true, None);
    while more && (all || objects.is_empty()) {
        let limit = if all || screen.json { ROWS_MAX } else { LIST_MAX };
        let ask = DeleteAsk::Deleted { depositor: depositor.clone(), after, limit };
        let answer = talk.ask(&Ask::Delete(ask))?;
        let Answer::Delete(DeleteAnswer::Deleted { objects: page, more: rest }) = answer else {
            return Err(unexpected(&answer));
        };
        after = page.last().map(|stone| stone.object.clone());
        more = rest && after.is_some();
        objects.extend(page);
        if objects.is_empty() {
            break;
        }
    }
    if screen.json {
        screen.document(&document(&Answer::Delete(DeleteAnswer::Deleted { objects, more })));
        return Ok(exit::DONE);
    }
    if objects.is_empty() && !screen.style.tty {
        screen.hint("nothing to list");
    }
    screen.text(&tombstones(&screen.style, &objects, more));
    Ok(exit::DONE)
}

/// Requests of a list.
pub fn rows(style: &Style, requests: &[DeletionView], more: bool) -> String {
    if requests.is_empty() {
        return hint(style, "no deletions".into());
    }
    let mut table =
        Table::new(&[">ID", "STATE", "OBJECT", ">VERSIONS", ">FILES", ">SIZE", "ASKED BY", "AGE", "REASON"]);
    for view in requests {
        let request = &view.request;
        table.row(vec![
            request.number.into(),
            super::table::Cell::from(view.state.as_str()).tone(tone(&view.state)),
            (&request.object.0).into(),
            request.loses.versions.into(),
            request.loses.files.into(),
            style.bytes(request.loses.bytes),
            (&request.requested.by.name).into(),
            style.age(request.requested.at),
            (&request.reason).into(),
        ]);
    }
    let mut text = table.render(style);
    if more {
        text.push_str(&hint(style, format!("{} shown (--all for every one)", requests.len())));
    }
    text
}

fn tone(state: &str) -> Tone {
    match state {
        "held" | "void" => Tone::Bad,
        "requested" | "approved" | "waiting" | "working" => Tone::Warn,
        _ => Tone::Dim,
    }
}

/// What will be lost.
fn loss(style: &Style, view: &DeletionView) -> String {
    let (request, loses) = (&view.request, &view.request.loses);
    format!(
        "{}\n  {}, the newest of {} and {}\n  copies on {}\n",
        style.paint(Tone::Bad, &format!("{} will be lost for ever:", request.object)),
        counted(u64::from(loses.versions), "version"),
        counted(loses.files, "file"),
        style.bytes(loses.bytes).shown(),
        loses.targets.join(", ")
    )
}

/// All about one request.
pub fn story(style: &Style, view: &DeletionView, dry_run: bool) -> String {
    let (request, loses) = (&view.request, &view.request.loses);
    let number = if request.number == 0 { "not asked for yet".into() } else { format!("{}", request.number) };
    let mut text = format!(
        "deletion {number}: {}   {}{}\n",
        request.object,
        style.paint(tone(&view.state), &view.state),
        if dry_run { ", only asked about: nothing was done" } else { "" }
    );
    text.push_str(&format!("  reason     {}\n", request.reason));
    text.push_str(&format!("  asked by   {}, {}\n", request.requested.name(), moment(request.requested.at)));
    let (word, said) = match &request.phase {
        Phase::Requested => ("", None),
        Phase::Approved { said, .. } | Phase::Done { said, .. } | Phase::Void { said, .. } => {
            ("approved  ", Some(said))
        }
        Phase::Rejected { said, .. } => ("rejected  ", Some(said)),
        Phase::Cancelled { said, .. } => ("cancelled ", Some(said)),
    };
    if let Some(said) = said {
        text.push_str(&format!("  {word} {}, {}\n", said.name(), moment(said.at)));
    }
    if let Some(because) = &view.because {
        text.push_str(&format!("  because    {because}\n"));
    }
    text.push_str(&format!(
        "  {}      {}, the newest of {} and {}; copies on {}\n",
        if view.state == "done" { "lost " } else { "loses" },
        counted(u64::from(loses.versions), "version"),
        counted(loses.files, "file"),
        style.bytes(loses.bytes).shown(),
        loses.targets.join(", ")
    ));
    if !view.gone_from.is_empty() {
        text.push_str(&format!("  gone from  {}\n", view.gone_from.join(", ")));
    }
    if let (Some(not_before), "approved") = (view.not_before, view.state.as_str()) {
        let left = show_age(not_before.as_second() - style.now.as_second());
        text.push_str(&format!("  not before {} (in {left})\n", moment(not_before)));
    }
    if let Some(item) = view.item {
        text.push_str(&format!("  item       {item}\n"));
    }
    let next = match view.state.as_str() {
        "requested" if request.number > 0 => Some(format!(
            "a second person: strongroom approve {0}, or strongroom reject {0} --reason TEXT",
            request.number
        )),
        "approved" | "waiting" => {
            Some(format!("until it begins: strongroom delete cancel {}", request.number))
        }
        "held" => view.item.map(|item| format!("mend it, then: strongroom requeue {item}")),
        _ => None,
    };
    text + &next.map_or(String::new(), |next| hint(style, next))
}

fn tombstones(style: &Style, objects: &[Tombstone], more: bool) -> String {
    if objects.is_empty() {
        return hint(style, "no deleted objects".into());
    }
    let mut table = Table::new(&[
        "OBJECT",
        "DELETED",
        ">VERSIONS",
        ">FILES",
        ">SIZE",
        "ASKED BY",
        "APPROVED BY",
        "REASON",
    ]);
    for stone in objects {
        table.row(vec![
            (&stone.object).into(),
            style.age(stone.deleted_at),
            stone.versions.into(),
            stone.files.into(),
            style.bytes(stone.bytes),
            (&stone.requested_by).into(),
            (&stone.approved_by).into(),
            (&stone.reason).into(),
        ]);
    }
    let mut text = table.render(style);
    if more {
        text.push_str(&hint(style, format!("{} shown (--all for every one)", objects.len())));
    }
    text
}

/// An object that was deleted.
pub fn tombstone(style: &Style, stone: &Tombstone) -> String {
    let at = |at: Option<jiff::Timestamp>| at.map_or(String::new(), |at| format!(", {}", moment(at)));
    format!(
        "object {}  {} {}\n  reason     {}\n  asked by   {}{}\n  approved   {}{}\n  lost       {}, the newest of {} and {}\n  \
         inventory  sha512 {}\n{}",
        stone.object,
        style.paint(Tone::Bad, "deleted"),
        moment(stone.deleted_at),
        stone.reason,
        stone.requested_by,
        at(stone.requested_at),
        stone.approved_by,
        at(stone.approved_at),
        counted(u64::from(stone.versions), "version"),
        counted(stone.files, "file"),
        style.bytes(stone.bytes).shown(),
        stone.inventory_sha512,
        hint(style, format!("all that happened to it: strongroom object history {}", stone.object))
    )
}
