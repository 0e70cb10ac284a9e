//! What depositors are told: once a day, of their own deposits that came to rest since the last time.
//!
//! - The first look tells nothing: a depositor who is named today is not told of years.
//! - What is on our side is not told; nothing says where anything lies here.

use super::{names, notice, ways};
use crate::books::config::Config;
use crate::books::ledger::{ItemFilter, Ledger, LedgerError};
use crate::model::checkpoint::{Stage, Standing};
use crate::model::finding::escape;
use crate::model::item::{Item, ItemId};
use crate::model::job::LINES_MAX;
use crate::model::trouble::Remedy;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Depositors are told so often at most; a little less than a day, for the run that comes at the same hour.
const EVERY: SignedDuration = SignedDuration::from_hours(20);

/// How long one part looks.
const AT_MOST: Duration = Duration::from_secs(2);

/// Items read at once.
const PAGE: usize = 256;

/// A look over all items, in parts.
pub(super) struct Look {
    since: Timestamp,
    until: Timestamp,
    after: Option<ItemId>,
    found: BTreeMap<String, News>,
}

/// What a depositor is told.
#[derive(Default)]
struct News {
    kept: u64,
    refused: u64,
    lines: Vec<String>,
}

/// Looks on, if it is time; true while there is more to look at.
pub(super) fn look(look: &mut Option<Look>, ledger: &Ledger, config: &Config) -> Result<bool, LedgerError> {
    let wanted = config.depositors.iter().any(|depositor| depositor.notify.is_some());
    if !wanted || ways(config, true).is_empty() {
        *look = None;
        return Ok(false);
    }
    let now = ledger.world().clock.now();
    if look.is_none() {
        let Some(since) = ledger.notices_row()?.depositors_told else {
            ledger.add_notices(Vec::new(), Some(now))?;
            return Ok(false);
        };
        let age = now.duration_since(since);
        if age < EVERY && age > -EVERY {
            return Ok(false);
        }
        *look = Some(Look { since: since.min(now), until: now, after: None, found: BTreeMap::new() });
    }
    let Some(at) = look else { return Ok(false) };
    if at.part(ledger, config)? {
        return Ok(true);
    }
    let ways = names(&ways(config, true));
    let found = std::mem::take(&mut at.found);
    let until = at.until;
    *look = None;
    let write = |(depositor, news): (String, News)| {
        let subject = news.subject(&depositor);
        let text = format!("{subject}\n\n{}", news.text());
        notice(ledger, Some(depositor), "deposits".into(), subject, text, ways.clone())
    };
    ledger.add_notices(found.into_iter().map(write).collect(), Some(until))?;
    // What was written now is sent by the parts that follow.
    Ok(true)
}

impl Look {
    /// One part; true while there is more.
    fn part(&mut self, ledger: &Ledger, config: &Config) -> Result<bool, LedgerError> {
        let began = Instant::now();
        while began.elapsed() < AT_MOST {
            let page = ledger.scan(&ItemFilter::default(), self.after, PAGE)?;
            let Some(last) = page.last() else { return Ok(false) };
            self.after = Some(last.id);
            for item in &page {
                let notified = |item: &Item| {
                    config
                        .depositors
                        .iter()
                        .any(|known| known.name == item.depositor && known.notify.is_some())
                };
                if item.received_at < self.until && notified(item) {
                    self.item(ledger, item)?;
                }
            }
        }
        Ok(true)
    }

    fn item(&mut self, ledger: &Ledger, item: &Item) -> Result<(), LedgerError> {
        let bag = escape(item.bag.as_bytes());
        let (at, is_kept, line) = match &item.checkpoint.standing {
            Standing::Kept => {
                let Some((record, store)) = item.found.record.as_ref().zip(item.found.store.as_ref()) else {
                    return Ok(());
                };
                // Its copies were proved before it was kept, perhaps long before: a look in between saw nothing of it.
                // What was made again from a target has no journal.
                let attempts = ledger.attempts(item.id)?.into_iter();
                let recorded = attempts.filter(|attempt| attempt.stage == Stage::Record);
                let at = recorded.filter(|attempt| attempt.outcome == "done").find_map(|done| done.ended);
                let again = if store.unchanged { ", as it was already" } else { "" };
                let copies = store.copies.len();
                (
                    at.unwrap_or(record.kept_at),
                    true,
                    format!("{bag}: kept, version {}, {copies} proved copies{again}", store.version),
                )
            }
            standing => {
                let trouble = standing.trouble().filter(|_| standing.rests());
                let Some(trouble) = trouble.filter(|trouble| trouble.kind.row().remedy == Remedy::Depositor)
                else {
                    return Ok(());
                };
                let errors = item.found.validate.as_ref().map_or(0, |judged| judged.errors);
                let errors = if errors > 0 { format!(" ({errors} errors)") } else { String::new() };
                let last = ledger.attempts(item.id)?.into_iter().rev().find_map(|attempt| attempt.ended);
                let at = last.unwrap_or(item.received_at);
                (at, false, format!("{bag}: not accepted: {}{errors}", trouble.kind.row().meaning))
            }
        };
        if at <= self.since || at > self.until {
            return Ok(());
        }
        let news = self.found.entry(item.depositor.clone()).or_default();
        *if is_kept { &mut news.kept } else { &mut news.refused } += 1;
        // What must be done comes first.
        match is_kept {
            false => {
                news.lines.insert(news.refused.saturating_sub(1).min(news.lines.len() as u64) as usize, line)
            }
            true => news.lines.push(line),
        }
        news.lines.truncate(LINES_MAX);
        Ok(())
    }
}

impl News {
    fn subject(&self, depositor: &str) -> String {
        let all = self.kept + self.refused;
        match self.refused {
            0 => format!("{depositor}: kept: {all} deposits"),
            refused => format!("{depositor}: not accepted: {refused} of {all} deposits"),
        }
    }

    fn text(&self) -> String {
        let mut text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        let more = (self.kept + self.refused).saturating_sub(self.lines.len() as u64);
        if more > 0 {
            text.push_str(&format!("and {more} more\n"));
        }
        if self.refused > 0 {
            text.push_str("\nNothing of what was not accepted was stored. Please keep your originals; what is wrong with each is in its letter, which we send on request.\n");
        }
        text
    }
}
