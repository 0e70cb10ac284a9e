//! Verbs about the whole: status, configuration, ledger.

use super::args::StateVerb;
use super::table::Table;
use super::talk::{Talk, Told, unexpected};
use super::verbs::{NEWS_MILLIS, document};
use super::{Screen, overview, usage};
use crate::books::config::Config;
use crate::doors::exit::{self, Exit};
use crate::doors::signals::{Asked, Signals};
use crate::model::digest::hex;
use crate::work::desk::words::{Answer, Ask, ROWS_MAX, SCHEMA, SourceView};
use serde_json::json;
use sha2::{Digest, Sha256};

/// After so many waits for news in vain, sources are looked at.
const SOURCES_EVERY: u64 = 3;

/// Is it well?
pub fn status(screen: &Screen, talk: &mut Talk, watch: bool) -> Told<Exit> {
    let signals = watch.then(Signals::listen);
    let mut seen = 0;
    loop {
        let answer = talk.ask(&Ask::Status)?;
        let Answer::Status(status) = &answer else { return Err(unexpected(&answer)) };
        if watch && screen.style.tty && !screen.json {
            // Home and clear: the newest state is the only one of interest.
            screen.text("\u{1b}[H\u{1b}[2J");
        }
        match screen.json {
            true => screen.document(&document(&answer)),
            false => screen.text(&overview::status(&screen.style, status)),
        }
        let Some(signals) = &signals else { return Ok(exit::DONE) };
        let (before, ailing) = (seen, words_of(&status.sources));
        let mut waited = 0;
        while seen == before {
            // A source that begins to fail, or is well again, is no news of the ledger.
            waited += 1;
            if waited % SOURCES_EVERY == 0
                && let Answer::Status(now) = talk.ask(&Ask::Status)?
                && words_of(&now.sources) != ailing
            {
                break;
            }
            let answer = talk.ask(&Ask::Watch { seen, items: Vec::new(), millis: NEWS_MILLIS })?;
            let Answer::Watched { seen: now, .. } = answer else { return Err(unexpected(&answer)) };
            match signals.asked() {
                Some(Asked::Interrupt) => return Ok(exit::INTERRUPTED),
                Some(_) => return Ok(exit::TERMINATED),
                None => seen = now,
            }
        }
    }
}

fn words_of(sources: &[SourceView]) -> Vec<(String, String)> {
    sources.iter().map(|source| (source.name.clone(), source.state.clone())).collect()
}

/// The configuration in effect: the daemon's, or the one that was read. It names places, also those of a ledger that is
/// not there or cannot be opened.
pub fn config_show(screen: &Screen, config: &Config) -> Told<Exit> {
    let answer = match Talk::daemon(config)? {
        Some(mut talk) => talk.ask(&Ask::Config)?,
        None => read_now(config),
    };
    let Answer::Config { file, values } = &answer else { return Err(unexpected(&answer)) };
    if screen.json {
        screen.document(&document(&answer));
        return Ok(exit::DONE);
    }
    let mut table = Table::new(&["KEY", "VALUE", "FROM"]);
    for (key, value, origin) in values {
        table.row(vec![key.into(), value.into(), origin.into()]);
    }
    let from = file.as_deref().unwrap_or("no file, embedded default");
    let head = if screen.style.tty { format!("configuration: {from}\n") } else { String::new() };
    screen.text(&(head + &table.render(&screen.style)));
    Ok(exit::DONE)
}

fn read_now(config: &Config) -> Answer {
    let values =
        config.effective.iter().map(|row| (row.key.clone(), row.value.clone(), row.origin.to_string()));
    let file = config.file.as_ref().map(|file| file.display().to_string());
    Answer::Config { file, values: values.collect() }
}

/// The ledger.
pub fn state(screen: &Screen, talk: &mut Talk, verb: StateVerb) -> Told<Exit> {
    match verb {
        StateVerb::Version => {
            Err(usage("the schema is looked at before the ledger is opened", "strongroom state version"))
        }
        StateVerb::Verify => {
            let answer = talk.ask(&Ask::Verify)?;
            let Answer::Verified(report) = &answer else { return Err(unexpected(&answer)) };
            match screen.json {
                true => screen.document(&document(&answer)),
                false => screen.text(&overview::verified(&screen.style, report)),
            }
            Ok(if report.wrong.is_empty() { exit::DONE } else { exit::WRONG })
        }
        StateVerb::Export => export(screen, talk),
        StateVerb::Backup { last } => super::backup::backup(screen, talk, last),
        StateVerb::Restore(_) => {
            Err(usage("a restore is done before the ledger is opened", "strongroom state restore TARGET"))
        }
    }
}

/// Every row as a JSON line; the last line says how many there are, and the digest of the lines before it.
fn export(screen: &Screen, talk: &mut Talk) -> Told<Exit> {
    let (mut after, mut count, mut digest) = (None, 0u64, Sha256::new());
    loop {
        let answer = talk.ask(&Ask::Rows { after: after.clone(), limit: ROWS_MAX })?;
        let Answer::Rows { rows } = answer else { return Err(unexpected(&answer)) };
        let Some((last, ..)) = rows.last() else { break };
        after = Some(last.clone());
        for (key, revision, value) in &rows {
            let line = format!("{}\n", json!({ "key": key, "revision": revision, "value": value }));
            digest.update(line.as_bytes());
            screen.raw(&line);
            count += 1;
        }
    }
    let (version, ledger) = (env!("CARGO_PKG_VERSION"), crate::worlds::book::SCHEMA);
    screen.document(&json!({
        "schema": SCHEMA, "version": version, "ledger_schema": ledger, "rows": count,
        "sha256": hex(&digest.finalize()),
    }));
    Ok(exit::DONE)
}
