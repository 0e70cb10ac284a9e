//! `state version`: which release this is, what the ledger is of, and whether the two go together.
//!
//! - The ledger is neither opened nor locked, and nothing is changed: a program that is to be installed may ask, while the one
//!   before works on.
//! - Exit 0: this program can open it. 78: it cannot. 4: there is no ledger yet.

use super::table::moment;
use super::talk::Told;
use super::{Screen, complain};
use crate::books::config::Config;
use crate::doors::exit::{self, Exit};
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::SCHEMA as WORDS;
use crate::worlds::book::imprint::{BackupBefore, Seen};
use crate::worlds::book::{BookError, SCHEMA, SCHEMA_MIN, mirrored};
use serde_json::{Value, json};

/// Says it.
pub fn run(screen: &Screen, config: &Config) -> Told<Exit> {
    let doing = "the ledger's schema is not known";
    let seen = mirrored::look(&config.ledger, config.mirror.as_deref())
        .map_err(|error| Box::new(Complaint::of_ledger(&error.into(), doing)))?;
    let why_not = refusal(config, seen.as_ref());
    if screen.json {
        screen.document(&document(config, seen.as_ref(), why_not.is_none()));
    }
    screen.text(&text(config, seen.as_ref()));
    if let Some(complaint) = &why_not {
        complain(screen, complaint);
    }
    Ok(why_not.map_or(exit::DONE, |complaint| complaint.sort.into()))
}

/// Refuses a ledger that is not for this release; none at all is fine.
pub fn can_be_opened(config: &Config) -> Told<()> {
    match mirrored::look(&config.ledger, config.mirror.as_deref()) {
        Ok(Some(seen)) if !(SCHEMA_MIN..=SCHEMA).contains(&seen.schema) => {
            refusal(config, Some(&seen)).map_or(Ok(()), |complaint| Err(Box::new(complaint)))
        }
        // What is wrong otherwise shows when it is opened.
        _ => Ok(()),
    }
}

/// Why this program opens no ledger there.
fn refusal(config: &Config, seen: Option<&Seen>) -> Option<Complaint> {
    let Some(seen) = seen else {
        let place = config.ledger.display();
        return Some(match config.ledger.exists() {
            false => Complaint::new(Sort::NotFound, format!("there is no ledger at {place}"))
                .because("nothing was ingested there yet"),
            true => Complaint::new(Sort::Io, format!("nothing of the ledger at {place} can be read"))
                .because("no file of its journal has a good head")
                .then_try("strongroom state verify"),
        });
    };
    let (found, imprint) = (seen.schema, seen.imprint.clone().map(Box::new));
    let error = match found {
        found if found > SCHEMA => BookError::Newer { found, known: SCHEMA, imprint },
        found if found < SCHEMA_MIN => BookError::Older { found, known: SCHEMA },
        _ => return None,
    };
    let mut complaint = Complaint::of_ledger(&error.into(), "this strongroom cannot open the ledger");
    complaint.sort = Sort::Config;
    Some(complaint)
}

fn document(config: &Config, seen: Option<&Seen>, can_open: bool) -> Value {
    let imprint = seen.and_then(|seen| seen.imprint.as_ref());
    let ledger = seen.map(|seen| {
        json!({
            "path": config.ledger, "id": seen.ledger, "schema": seen.schema,
            "written_by": imprint.map(|imprint| &imprint.written_by),
            "oldest": imprint.map(|imprint| &imprint.oldest),
            "since": imprint.and_then(|imprint| imprint.at),
            "backup": imprint.and_then(|imprint| imprint.backup.as_ref()),
            "backup_is_there": imprint.and_then(|imprint| imprint.backup.as_ref()).map(is_there),
        })
    });
    json!({
        "schema": WORDS, "version": env!("CARGO_PKG_VERSION"), "words_schema": WORDS, "ledger_schema": SCHEMA,
        "opens": { "from": SCHEMA_MIN, "to": SCHEMA }, "ledger": ledger, "can_open": can_open,
        "brings_up": can_open && seen.is_some_and(|seen| seen.schema < SCHEMA),
    })
}

fn text(config: &Config, seen: Option<&Seen>) -> String {
    let mut text = format!(
        "strongroom {}, ledger schema {SCHEMA} (opens {SCHEMA_MIN} to {SCHEMA}), JSON schema {WORDS}\n",
        env!("CARGO_PKG_VERSION")
    );
    let Some(seen) = seen else { return text };
    let mut line = format!("ledger at {}: schema {}", config.ledger.display(), seen.schema);
    if let Some(imprint) = &seen.imprint {
        line.push_str(&format!(", by strongroom {}", imprint.written_by));
        line.push_str(&imprint.at.map_or_else(String::new, |at| format!(", since {}", moment(at))));
    }
    text.push_str(&line);
    if seen.schema < SCHEMA {
        text.push_str(&format!("; the next start makes a backup and brings it to {SCHEMA}"));
    }
    text.push('\n');
    if let Some(backup) = seen.imprint.as_ref().and_then(|imprint| imprint.backup.as_ref()) {
        let gone = if is_there(backup) { "" } else { ", which is not there any more" };
        text.push_str(&format!("backup of schema {} before it: {}{gone}\n", backup.schema, backup.file));
    }
    text
}

fn is_there(backup: &BackupBefore) -> bool {
    std::path::Path::new(&backup.file).is_file()
}
