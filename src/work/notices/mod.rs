//! Notices: what runs found is told to people, by the ways that the configuration names.
//!
//! - The record comes first and never depends on this: a notice is a row, written after the run has ended, and goes when it
//!   can. What does not go is a warning, and is tried again with the next run, until it is too old.
//! - One digest a run for the operators, one a day for each depositor that wants it, about its own deposits only; every list
//!   is capped and counted.
//! - A way that is away is not tried again for every notice.

mod depositors;

use crate::books::config::Config;
use crate::books::ledger::{Ledger, LedgerError, NOTICE_TEXT_MAX, NoticeRow};
use crate::model::job::{Run, RunEnd};
use crate::worlds::post::{Letter, Way};
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// A notice that could not go for so long is given up.
const TOO_OLD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A way that was away is not tried again so soon.
const REST: Duration = Duration::from_secs(60);

/// What is under way with notices.
#[derive(Default)]
pub struct Notices {
    look: Mutex<Option<depositors::Look>>,
    away: Mutex<BTreeMap<&'static str, Duration>>,
}

/// What came of one part of the telling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The notice that was tried; none: there was something else to do, or nothing.
    pub number: Option<u64>,
    /// Why it did not go everywhere.
    pub wrong: Option<String>,
    /// True when there may be more to do.
    pub more: bool,
}

/// Ways that the configuration names for the operators, or for a depositor.
fn ways<'a>(config: &'a Config, is_depositor: bool) -> Vec<Way<'a>> {
    let notice = &config.notice;
    let mut ways = Vec::new();
    let mail = notice.smtp.as_deref().zip(notice.from.as_deref());
    let mail = mail.filter(|_| is_depositor || !notice.to.is_empty());
    if let Some((relay, from)) = mail {
        ways.push(Way::Mail { relay, from });
    }
    // A depositor is written to once; by the command where there is no relay.
    if !notice.command.is_empty() && (!is_depositor || mail.is_none()) {
        ways.push(Way::Command(&notice.command));
    }
    if let Some(hook) = notice.webhook.as_ref().filter(|_| !is_depositor) {
        ways.push(Way::Webhook { hook, reaching: &notice.reaching });
    }
    ways
}

fn names(ways: &[Way<'_>]) -> Vec<String> {
    ways.iter().map(|way| way.name().to_string()).collect()
}

/// Writes down what is to be told of a run that ended: nothing, when all is well.
pub fn of_run(ledger: &Ledger, config: &Config, run: &Run) -> Result<(), LedgerError> {
    if matches!(run.end, RunEnd::Well | RunEnd::Interrupted) {
        return Ok(());
    }
    let about = format!("{} {}", run.job.name(), run.number);
    let text = format!(
        "{}\nrun {} of {}, started by {} at {:.0}, ended {:.0}\nstrongroom job history {} --all\n",
        run.told.text(),
        run.number,
        run.job.name(),
        run.by,
        run.started,
        run.ended,
        run.job.name()
    );
    to_operators(ledger, config, about, run.told.line.clone(), text)
}

/// Writes a notice down for the operators; without a way to tell them, none.
pub fn to_operators(
    ledger: &Ledger,
    config: &Config,
    about: String,
    subject: String,
    text: String,
) -> Result<(), LedgerError> {
    let ways = names(&ways(config, false));
    if ways.is_empty() {
        return Ok(());
    }
    let untold = ledger.notices_row()?.untold;
    let text = match untold {
        0 => text,
        _ => format!(
            "{text}\n{untold} earlier notices could not be sent; strongroom job history has what they said\n"
        ),
    };
    ledger.add_notices(vec![notice(ledger, None, about, subject, text, ways)], None)?;
    if untold > 0 {
        ledger.count_untold(None, untold)?;
    }
    Ok(())
}

fn notice(
    ledger: &Ledger,
    depositor: Option<String>,
    about: String,
    subject: String,
    text: String,
    ways: Vec<String>,
) -> NoticeRow {
    NoticeRow {
        number: 0,
        depositor,
        about,
        subject,
        text: cut(text),
        at: ledger.world().clock.now(),
        ways,
        tries: 0,
        wrong: None,
    }
}

fn cut(mut text: String) -> String {
    if text.len() > NOTICE_TEXT_MAX {
        let mut end = NOTICE_TEXT_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("…\n");
    }
    text
}

impl Notices {
    /// Does the next part: looks for what depositors are to be told, or sends the next notice after this one.
    pub fn next(
        &self,
        ledger: &Ledger,
        ledger_id: &str,
        config: &Config,
        after: u64,
    ) -> Result<Sent, LedgerError> {
        // Somebody else looks; what they find goes with them, or with the next run.
        if after == 0
            && let Ok(mut look) = self.look.try_lock()
            && depositors::look(&mut look, ledger, config)?
        {
            return Ok(Sent { more: true, ..Sent::default() });
        }
        let Some(row) = ledger.notices()?.into_iter().find(|row| row.number > after) else {
            return Ok(Sent::default());
        };
        let number = Some(row.number);
        let wrong = self.send(ledger, ledger_id, config, row)?;
        Ok(Sent { number, wrong, more: true })
    }

    /// Sends a notice by every way it has not gone; why it did not go, if so.
    fn send(
        &self,
        ledger: &Ledger,
        ledger_id: &str,
        config: &Config,
        mut row: NoticeRow,
    ) -> Result<Option<String>, LedgerError> {
        let known = ways(config, row.depositor.is_some());
        let to = match &row.depositor {
            None => config.notice.to.clone(),
            Some(depositor) => {
                let of_depositor = config.depositors.iter().find(|known| known.name == *depositor);
                of_depositor.and_then(|known| known.notify.clone()).into_iter().collect()
            }
        };
        let letter = Letter {
            name: format!("notice-{}-of-{ledger_id}", row.number),
            depositor: row.depositor.clone(),
            to,
            subject: format!("[strongroom] {}", row.subject),
            text: row.text.clone(),
            at: row.at,
        };
        let mut wrong = Vec::new();
        let mut left = Vec::new();
        for name in std::mem::take(&mut row.ways) {
            // A way that the configuration names no more is none.
            let Some(way) = known.iter().find(|way| way.name() == name) else { continue };
            if letter.to.is_empty() && row.depositor.is_some() {
                continue;
            }
            if let Err(why) = self.by(ledger, way, &letter) {
                wrong.push(why);
                left.push(name);
            }
        }
        row.ways = left;
        row.tries += 1;
        row.wrong = (!wrong.is_empty()).then(|| wrong.join("; "));
        let age = ledger.world().clock.now().duration_since(row.at);
        match row.wrong.is_some() && age > TOO_OLD {
            true => ledger.count_untold(Some(&row), 0)?,
            false => ledger.keep_notice(&row)?,
        }
        if let Some(why) = &row.wrong {
            log::warn!("the notice \"{}\" was not sent: {why}", row.subject);
        }
        Ok(row.wrong)
    }

    fn by(&self, ledger: &Ledger, way: &Way<'_>, letter: &Letter) -> Result<(), String> {
        let now = ledger.world().clock.monotonic();
        if self.away().get(way.name()).is_some_and(|at| now.saturating_sub(*at) < REST) {
            return Err(format!("{} was away a moment ago", way.name()));
        }
        way.send(letter).map_err(|unsent| {
            if unsent.away {
                self.away().insert(way.name(), now);
            }
            unsent.why
        })
    }

    fn away(&self) -> MutexGuard<'_, BTreeMap<&'static str, Duration>> {
        self.away.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}
