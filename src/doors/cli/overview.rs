//! The whole as people read it: status, space, objects, the ledger.

use super::table::{Cell, Style, Table, Tone, moment};
use super::text::hint;
use crate::books::config::units::{show_age, show_bytes};
use crate::model::object::{ObjectRow, VersionRow};
use crate::work::desk::words::{BookReportView, ObjectView, PlaceView, SourceView, Status};

/// Is it well?
pub fn status(style: &Style, status: &Status) -> String {
    let word =
        if status.well { style.paint(Tone::Good, "well") } else { style.paint(Tone::Bad, "NEEDS ATTENTION") };
    let daemon =
        if status.daemon { format!("up {}", show_age(status.up_seconds)) } else { "no daemon".into() };
    let mut text = format!("strongroom {}: {word}, {daemon}\n", status.version);
    let of = |standing: &str| -> u64 {
        status.counts.iter().filter(|row| row.standing == standing).map(|row| row.items).sum()
    };
    let troubled: u64 = status.troubles.values().sum();
    if troubled == 0 {
        text.push_str("  trouble    none\n");
    } else {
        let who: Vec<String> =
            status.troubles.iter().map(|(helps, count)| format!("{count} {}", needs_short(helps))).collect();
        let oldest =
            status.oldest_trouble.map(|at| format!(", oldest {}", style.age(at).shown())).unwrap_or_default();
        text.push_str(&format!(
            "  trouble    {}{oldest} ({})   strongroom trouble list\n",
            counted(troubled, "item"),
            who.join(", ")
        ));
    }
    text.push_str(&format!(
        "  work       {} working, {} ready, {} waiting   {} kept\n",
        of("working"),
        of("ready"),
        of("waiting"),
        status.kept
    ));
    let stages: Vec<String> = crate::model::checkpoint::Stage::INGEST
        .iter()
        .map(|stage| {
            let alive = |row: &&crate::work::desk::words::CountRow| {
                row.stage == stage.name() && ["ready", "working", "waiting"].contains(&row.standing.as_str())
            };
            format!("{stage} {}", status.counts.iter().filter(alive).map(|row| row.items).sum::<u64>())
        })
        .collect();
    text.push_str(&format!("  stages     {}\n", stages.join("  ")));
    for (what, count) in &status.waits {
        text.push_str(&format!("  waiting    {count} for {what}\n"));
    }
    if let Some(approvals) = &status.approvals {
        let waits = if approvals.deletions == 1 { "waits" } else { "wait" };
        text.push_str(&format!(
            "  approvals  {} {waits} for a second person since {}   strongroom approve list\n",
            counted(approvals.deletions, "deletion"),
            style.age(approvals.since).shown()
        ));
    }
    for place in &status.places {
        let role = if place.role == "staging" { "disk   " } else { "target " };
        match &place.wrong {
            Some(why) => text.push_str(&format!(
                "  {role}    {} {}: {why}\n",
                place.name,
                style.paint(Tone::Bad, "FAILS")
            )),
            None => text.push_str(&format!(
                "  {role}    {} {} free, {} promised\n",
                place.name,
                show_bytes(place.free),
                show_bytes(place.promised)
            )),
        }
    }
    for source in &status.sources {
        text.push_str(&format!("  source     {}\n", ailing(style, source)));
    }
    text
}

/// One line about a source that somebody should look at.
fn ailing(style: &Style, source: &SourceView) -> String {
    let tone = if source.state == "paused" { Tone::Warn } else { Tone::Bad };
    let word = style
        .paint(tone, &if source.state == "paused" { "paused".into() } else { source.state.to_uppercase() });
    let since = source.since.map_or(String::new(), |at| format!(" since {}", style.age(at).shown()));
    let next = source.next_try.map_or(String::new(), |at| {
        format!(", asked again in {}", show_age(at.as_second() - style.now.as_second()))
    });
    let why = source.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
    format!("{} {word}{since}{next}{why}   strongroom source show {}", source.name, source.name)
}

fn needs_short(helps: &str) -> &str {
    match helps {
        "depositor" => "need the depositor",
        "operator" => "need you",
        "alarm" => "ALARM",
        "developer" => "need the developers",
        _ => "retry by themselves",
    }
}

/// Space of every volume and target.
pub fn disk(style: &Style, places: &[PlaceView]) -> String {
    let mut table = Table::new(&["NAME", "ROLE", ">TOTAL", ">FREE", ">PROMISED", ">FLOOR", ">ROOM", "PATH"]);
    for place in places {
        let path = match &place.wrong {
            Some(why) => Cell::from(format!("{}  {why}", place.path)).tone(Tone::Bad),
            None => (&place.path).into(),
        };
        table.row(vec![
            (&place.name).into(),
            (&place.role).into(),
            style.bytes(place.total),
            style.bytes(place.free),
            style.bytes(place.promised),
            style.bytes(place.floor),
            style.bytes(place.room),
            path,
        ]);
    }
    table.render(style)
}

/// Objects of a list.
pub fn objects(style: &Style, objects: &[ObjectView], more: bool) -> String {
    if objects.is_empty() {
        return hint(style, "no objects".into());
    }
    let mut table = Table::new(&["OBJECT", ">VERSION", ">FILES", ">SIZE", "COPIES", "KEPT"]);
    for object in objects {
        let kept: Cell = object.kept_at.map_or("-".into(), |at| style.age(at));
        table.row(vec![
            (&object.id).into(),
            object.version.into(),
            object.files.into(),
            style.bytes(object.bytes),
            object.copies.iter().map(|copy| copy.target.as_str()).collect::<Vec<_>>().join(" ").into(),
            kept,
        ]);
    }
    let mut text = table.render(style);
    if more {
        text.push_str(&hint(style, format!("{} shown (--all for every one)", objects.len())));
    }
    text
}

/// One object.
pub fn object(style: &Style, object: &ObjectRow, versions: &[VersionRow]) -> String {
    let mut text = format!(
        "object {}  policy {}, version {}, since {}\n",
        object.id,
        object.policy,
        object.head,
        moment(object.created)
    );
    for version in versions {
        text.push_str(&format!(
            "version {}  {} files, {}, kept {} from item {}\n",
            version.version,
            version.files,
            style.bytes(version.bytes).shown(),
            moment(version.kept_at),
            version.item
        ));
        for copy in &version.copies {
            text.push_str(&format!(
                "  {}  {}/{}  proved {}\n",
                copy.target,
                copy.root,
                copy.path,
                moment(copy.proved_at)
            ));
        }
    }
    text + &hint(style, format!("give it back: strongroom object restore {} --to DIR", object.id))
}

/// What reading the whole ledger found.
pub fn verified(style: &Style, report: &BookReportView) -> String {
    let mut text = format!("{} rows up to commit {}\n", report.rows, report.sequence);
    for said in &report.repaired {
        text.push_str(&format!("{}  repaired: {said}\n", style.paint(Tone::Warn, "warn")));
    }
    for said in &report.wrong {
        text.push_str(&format!("{}  {said}\n", style.paint(Tone::Bad, "FAIL")));
    }
    let (tone, word) = match report.wrong.is_empty() {
        true => (Tone::Good, "ok    nothing is wrong"),
        false => (Tone::Bad, "FAIL  the ledger is damaged"),
    };
    text + &style.paint(tone, word) + "\n"
}

/// `1 item`, `2 items`.
pub fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
