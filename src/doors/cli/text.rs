//! Answers as people read them.
//!
//! - stdout is data; what is to be done next is said where it helps.
//! - An empty list says that it is empty.

use super::overview::counted;
use super::table::{Cell, Style, Table, Tone, moment};
use crate::books::config::units::{show_age, show_bytes};
use crate::model::event::{Event, Outcome};
use crate::model::finding::{Finding, Severity};
use crate::model::item::Attempt;
use crate::rules::groups::told;
use crate::work::desk::words::{FileView, ItemStory, ItemView, MovedRow, RefusedRow, SummaryRow};

/// Items of a list.
pub fn items(style: &Style, items: &[ItemView], more: bool) -> String {
    if items.is_empty() {
        return hint(style, "no items".into());
    }
    let mut table = Table::new(&["ID", "AGE", "DEPOSITOR", "BAG", ">SIZE", "STAGE", "STANDING", "WHY"]);
    for item in items {
        table.row(vec![
            item.id.into(),
            style.age(item.received_at),
            (&item.depositor).into(),
            (&item.bag).into(),
            style.bytes(item.bytes),
            (&item.stage).into(),
            Cell::from(&item.standing).tone(tone_of(&item.standing)),
            why(item).into(),
        ]);
    }
    let mut text = table.render(style);
    if more {
        text.push_str(&hint(style, format!("{} shown, newest first (--all for every one)", items.len())));
    }
    text
}

/// Items that wait for a person or a cure.
pub fn troubles(style: &Style, items: &[ItemView], more: bool) -> String {
    if items.is_empty() {
        return hint(style, "no items in trouble".into());
    }
    let mut table = Table::new(&["ID", "AGE", "DEPOSITOR", "BAG", "STAGE", "KIND", ">TRIES", "HELPS"]);
    for item in items {
        let Some(trouble) = &item.trouble else { continue };
        let helps = match item.waits_until {
            Some(until) => format!("retries {}", moment(until)),
            None => trouble.helps.clone(),
        };
        table.row(vec![
            item.id.into(),
            style.age(item.received_at),
            (&item.depositor).into(),
            (&item.bag).into(),
            (&item.stage).into(),
            (&trouble.kind).into(),
            item.tries.into(),
            helps.into(),
        ]);
    }
    let count = if more { "oldest shown (--all for every one)" } else { "in all, oldest first" };
    let say = format!(
        "{} {count}. Why: strongroom trouble show ID. By cause: strongroom trouble summary.",
        items.len()
    );
    table.render(style) + &hint(style, say)
}

/// Troubles by cause.
pub fn summary(style: &Style, rows: &[SummaryRow]) -> String {
    if rows.is_empty() {
        return hint(style, "no items in trouble".into());
    }
    let mut table = Table::new(&["KIND", "STAGE", "DEPOSITOR", ">ITEMS", ">SIZE", "OLDEST", "AGE", "HELPS"]);
    for row in rows {
        table.row(vec![
            (&row.kind).into(),
            (&row.stage).into(),
            (&row.depositor).into(),
            row.items.into(),
            style.bytes(row.bytes),
            row.oldest.into(),
            style.age(row.oldest_at),
            (&row.helps).into(),
        ]);
    }
    table.render(style) + &hint(style, "What a kind means: strongroom explain KIND".into())
}

/// All about one item.
pub fn story(style: &Style, story: &ItemStory) -> String {
    let item = &story.item;
    let mut text = head(style, item);
    for promise in &story.promises {
        text.push_str(&format!("promised: {promise}\n"));
    }
    text.push_str(&findings(style, &story.findings, story.more_findings, item));
    text.push_str(&copies(item));
    if let Some(at) = item.deleted_at {
        let object = item.object.as_deref().unwrap_or_default();
        text.push_str(&format!("deleted {}: strongroom object show {object}\n", moment(at)));
    }
    if !story.journal.is_empty() {
        text.push_str("journal:\n");
        let mut table = Table::new(&["#", "STAGE", "STARTED", "TOOK", ">SIZE", ">FILES", ">KEPT", "OUTCOME"]);
        story.journal.iter().for_each(|attempt| table.row(attempt_row(style, attempt)));
        text.push_str(&table.render(style));
    }
    text + &next_step(item)
}

fn head(style: &Style, item: &ItemView) -> String {
    let files = item.files.map(|files| format!(", {files} files")).unwrap_or_default();
    let came = match &item.errand {
        Some(errand) => format!("{errand} of {}, asked for {}", item.path, moment(item.received_at)),
        None => format!("received {} from {}", moment(item.received_at), item.path),
    };
    let mut text = format!(
        "item {}  {}/{}  {}{files}, {came} by {}\n",
        item.id,
        item.depositor,
        item.bag,
        show_bytes(item.bytes),
        item.asked_by
    );
    let standing = style.paint(tone_of(&item.standing), &item.standing);
    match (&item.trouble, item.waits_until) {
        (Some(trouble), None) => {
            text.push_str(&format!(
                "{standing} at {}: {} (needs {})\n",
                item.stage,
                trouble.kind,
                needs(&trouble.helps)
            ));
            text.push_str(&format!("  {}\n  {}; {}\n", trouble.sentence, trouble.meaning, trouble.next));
        }
        (Some(trouble), Some(until)) => {
            let (kind, tries) = (&trouble.kind, item.tries);
            text.push_str(&format!(
                "{standing} at {} until {}: {kind}, try {tries}\n",
                item.stage,
                moment(until)
            ));
            text.push_str(&format!("  {}\n  {}; {}\n", trouble.sentence, trouble.meaning, trouble.next));
        }
        (None, _) => match (&item.waits_for, &item.object) {
            (Some(what), _) => text.push_str(&format!("{standing} at {} for {what}\n", item.stage)),
            (None, Some(object)) => {
                let version = item.version.unwrap_or(0);
                let same = if item.unchanged { ", the same bag as before: no new version" } else { "" };
                text.push_str(&format!("{standing} as {object} version {version}{same}\n"));
            }
            (None, None) => text.push_str(&format!("{standing} at {}\n", item.stage)),
        },
    }
    if let Some(pin) = &item.profile {
        text.push_str(&format!("judged by profile {} (sha256 {})\n", pin.name, pin.sha256));
    }
    if !item.rules.is_empty() {
        text.push_str(&format!("rules that decided: {}\n", item.rules.join(", ")));
    }
    if let Some(asked) = &item.asked {
        text.push_str(&format!("asked to {asked}; done as soon as the worker lets go\n"));
    }
    text
}

fn needs(helps: &str) -> &str {
    match helps {
        "depositor" => "the depositor",
        "operator" => "you",
        "alarm" => "you, now",
        "developer" => "the developers",
        _ => "time",
    }
}

fn next_step(item: &ItemView) -> String {
    match &item.trouble {
        Some(trouble) => format!("next: {}\n", trouble.advice),
        None => String::new(),
    }
}

fn copies(item: &ItemView) -> String {
    item.copies.iter().map(|copy| format!("  {}  {}/{}\n", copy.target, copy.root, copy.path)).collect()
}

fn attempt_row(style: &Style, attempt: &Attempt) -> Vec<Cell> {
    let took = match attempt.ended {
        Some(ended) => show_age(ended.as_second() - attempt.started.as_second()),
        None => "-".into(),
    };
    vec![
        attempt.number.into(),
        attempt.stage.name().into(),
        moment(attempt.started).into(),
        took.into(),
        style.bytes(attempt.bytes),
        attempt.files.into(),
        attempt.files_kept.into(),
        (&attempt.outcome).into(),
    ]
}

/// Findings about a bag.
pub fn findings(style: &Style, findings: &[Finding], more: bool, item: &ItemView) -> String {
    let mut text = String::new();
    for finding in findings {
        let (word, tone) = match finding.severity {
            Severity::Error => ("error", Tone::Bad),
            Severity::Warning => ("warning", Tone::Warn),
            Severity::Note => ("note", Tone::Dim),
        };
        let rule = finding.rule.as_ref().map(|rule| format!("rule {rule}"));
        let why: Vec<&str> = [finding.clause.as_str(), rule.as_deref().unwrap_or("")]
            .into_iter()
            .filter(|why| !why.is_empty())
            .collect();
        let clause = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        let (word, told) = (style.paint(tone, word), told(finding));
        text.push_str(&format!("  {word} {}  {told}{clause}\n", finding.code));
        if !finding.advice.is_empty() {
            text.push_str(&format!("      {}\n", finding.advice));
        }
    }
    if more {
        let all = item.errors + item.warnings;
        text.push_str(&format!(
            "  {} of {all} shown; all: strongroom trouble show {} --json\n",
            findings.len(),
            item.id
        ));
    }
    text
}

/// Events of an item.
pub fn events(style: &Style, events: &[Event]) -> String {
    if events.is_empty() {
        return hint(style, "no events yet".into());
    }
    let mut table = Table::new(&["TIME", "EVENT", "OUTCOME", "TARGET", "DETAIL"]);
    for event in events {
        let (word, tone) = match event.outcome {
            Outcome::Success => ("success", Tone::Good),
            Outcome::Failure => ("failure", Tone::Bad),
        };
        table.row(vec![
            moment(event.at).into(),
            event.event_type.term().0.into(),
            Cell::from(word).tone(tone),
            event.target.as_deref().unwrap_or("-").into(),
            (&event.detail).into(),
        ]);
    }
    table.render(style)
}

/// One file a line.
pub fn file(style: &Style, file: &FileView) -> String {
    let best =
        ["sha512", "sha256", "sha1", "md5"].iter().find_map(|name| Some((name, file.digests.get(*name)?)));
    let digest = best.map(|(name, digest)| format!("{name}:{digest}")).unwrap_or_else(|| "-".into());
    let bytes = file.bytes.map_or("-".into(), |bytes| style.bytes(bytes));
    if style.tty {
        return format!("{:>10}  {digest}  {}\n", bytes.shown(), file.path);
    }
    let bytes = file.bytes.map_or("-".to_string(), |bytes| bytes.to_string());
    format!("{bytes}\t{digest}\t{}\n", file.path)
}

/// What was done with items, or would be.
pub fn moved(style: &Style, verb: &str, done: &[MovedRow], refused: &[RefusedRow], dry_run: bool) -> String {
    let mut text = String::new();
    if done.is_empty() && refused.is_empty() {
        return hint(style, format!("no items to {verb}"));
    }
    if !done.is_empty() {
        let items = counted(done.len() as u64, "item");
        let would = if dry_run { "would " } else { "" };
        text.push_str(&format!("{would}{verb} {items}:\n"));
    }
    for row in done {
        let note = if row.note.is_empty() { String::new() } else { format!(" ({})", row.note) };
        let (item, standing) = (&row.item, style.paint(tone_of(&row.standing), &row.standing));
        text.push_str(&format!(
            "  {} {}/{}  {standing} at {}{note}\n",
            item.id, item.depositor, item.bag, row.stage
        ));
    }
    if !refused.is_empty() {
        text.push_str(&format!("refused {}:\n", refused.len()));
    }
    for row in refused {
        let complaint = &row.complaint;
        text.push_str(&format!("  {}: {}: {}\n", row.item, complaint.error, complaint.because));
        for (word, said) in [("so", &complaint.so), ("try", &complaint.then_try)] {
            if !said.is_empty() {
                text.push_str(&format!("    {word}: {said}\n"));
            }
        }
    }
    if dry_run && !done.is_empty() {
        text.push_str(&hint(style, "run without --dry-run to do it".into()));
    }
    text
}

/// One item that came to rest, as `ingest` tells it.
pub fn rested(style: &Style, item: &ItemView, found: &[Finding], more: bool, new: bool) -> String {
    let standing = style.paint(tone_of(&item.standing), &item.standing);
    let name = format!("{}/{}", item.depositor, item.bag);
    let mut text = match (&item.object, &item.trouble) {
        (Some(object), _) => {
            let version = item.version.unwrap_or(0);
            let known = if !new {
                ", known already: nothing was done"
            } else if item.unchanged {
                ", the same bag as before: no new version"
            } else {
                ""
            };
            format!("{standing}  item {}  {name}  as {object} version {version}{known}\n", item.id)
        }
        (None, Some(trouble)) => {
            // The findings tell it with more detail.
            let told = if found.is_empty() { format!("  {}\n", trouble.sentence) } else { String::new() };
            format!("{standing}  item {}  {name}  at {}: {}\n{told}", item.id, item.stage, trouble.kind)
        }
        (None, None) => format!("{standing}  item {}  {name}  at {}\n", item.id, item.stage),
    };
    text.push_str(&copies(item));
    let worth: Vec<Finding> = found
        .iter()
        .filter(|finding| item.object.is_none() || finding.severity != Severity::Note)
        .cloned()
        .collect();
    text.push_str(&findings(style, &worth, more, item));
    text + &next_step(item)
}

fn why(item: &ItemView) -> String {
    if let Some(trouble) = &item.trouble {
        return format!("{}: {}", trouble.kind, trouble.sentence);
    }
    if let Some(waits) = &item.waits_for {
        return waits.clone();
    }
    match &item.errand {
        Some(errand) => format!("{errand} of {}", item.path),
        None => item.object.clone().unwrap_or_default(),
    }
}

/// Tone of a standing.
pub fn tone_of(standing: &str) -> Tone {
    match standing {
        "kept" => Tone::Good,
        "held" | "refused" => Tone::Bad,
        "waiting" => Tone::Warn,
        "cancelled" => Tone::Dim,
        _ => Tone::Good,
    }
}

/// A hint for a person; scripts get none.
pub(super) fn hint(style: &Style, text: String) -> String {
    if style.tty && !style.quiet { text + "\n" } else { String::new() }
}
