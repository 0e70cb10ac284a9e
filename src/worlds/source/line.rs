//! The line to one source on a network: breaker, turns and pace in front of every verb.
//!
//! - Nothing is sent while the breaker is open; whoever asks learns when to come again.
//! - A range keeps its turn until its reader is dropped.
//! - All ranges of a source share its pace.

use crate::rules::address::shown;
use crate::worlds::clock::Clock;
use crate::worlds::net::Reaching;
use crate::worlds::net::breaker::{Breaker, Health};
use crate::worlds::net::pace::{Pace, portion};
use crate::worlds::net::turns::{Turn, Turns};
use crate::worlds::source::{Source, SourceError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a range waits for its turn. Ranges are short beside it, so only a source that crawls makes anybody give up.
const PATIENCE: Duration = Duration::from_secs(120);

/// The line to one source.
pub struct Line {
    name: String,
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    breaker: Breaker,
    ill_since: Mutex<Option<Timestamp>>,
    turns: Arc<Turns>,
    pace: Pace,
}

impl Line {
    /// To this source, which is reached so.
    pub fn new(
        name: String,
        source: Arc<dyn Source>,
        clock: Arc<dyn Clock>,
        reaching: &Reaching,
    ) -> Arc<Line> {
        Arc::new(Line {
            name,
            source,
            clock,
            breaker: Breaker::default(),
            ill_since: Mutex::default(),
            turns: Turns::new(reaching.connections),
            pace: Pace::new(reaching.bandwidth.clone()),
        })
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the source is doing, and what it said last when it failed.
    pub fn health(&self) -> (Health, Option<String>) {
        self.breaker.health(self.clock.monotonic())
    }

    /// Since when it is not well (UTC).
    pub fn ill_since(&self) -> Option<Timestamp> {
        *self.lock_ill()
    }

    fn lock_ill(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.ill_since.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// Ranges being fetched now.
    pub fn fetching(&self) -> usize {
        self.turns.taken()
    }

    /// Asks the source, unless it is to be left alone.
    pub fn ask<T>(
        &self,
        key: &str,
        verb: impl FnOnce(&dyn Source) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        self.breaker.admit(self.clock.monotonic()).map_err(|after| self.resting(key, after))?;
        let outcome = verb(&*self.source);
        self.notice(outcome.as_ref().err());
        outcome
    }

    fn resting(&self, key: &str, after: Duration) -> SourceError {
        let (_, last) = self.health();
        let last = last.map_or(String::new(), |last| format!(": {last}"));
        let why = format!("{} is left alone for {} s{last}", self.name, after.as_secs().max(1));
        SourceError::Busy { key: shown(key), why, after: Some(after) }
    }

    /// Draws the breaker's conclusion from how a request ended.
    fn notice(&self, error: Option<&SourceError>) {
        let now = self.clock.monotonic();
        match error {
            Some(SourceError::Unreachable { why, .. }) => self.breaker.failed(now, why),
            Some(SourceError::Busy { why, after: Some(after), .. }) => self.breaker.rest(now, *after, why),
            Some(SourceError::Busy { why, after: None, .. }) => self.breaker.failed(now, why),
            // What we refused ourselves was never sent; what it refused is no sign of trouble either.
            Some(
                SourceError::Denied { .. } | SourceError::NoListing { .. } | SourceError::AddressLost { .. },
            ) => self.breaker.undecided(),
            _ => self.breaker.answered(),
        }
        let well = self.breaker.health(now).0 == Health::Well;
        let mut ill = self.lock_ill();
        *ill = if well { None } else { ill.or_else(|| Some(self.clock.now())) };
    }

    /// Fetches a range in its turn, at the source's pace.
    pub fn fetch(
        self: &Arc<Line>,
        key: &str,
        verb: impl FnOnce(&dyn Source) -> Result<Box<dyn Read + Send>, SourceError>,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        let Some(turn) = self.turns.take(PATIENCE) else {
            let why = format!("every connection to {} was taken for {PATIENCE:?}", self.name);
            return Err(SourceError::Busy { key: shown(key), why, after: Some(Duration::from_secs(5)) });
        };
        let read = self.ask(key, verb)?;
        Ok(Box::new(Paced { read, line: self.clone(), _turn: turn }))
    }

    fn hour(&self) -> u8 {
        // Hours are those of the people on site; a machine without a time zone counts in UTC.
        let hour = self.clock.now().to_zoned(TimeZone::system()).hour();
        u8::try_from(hour).unwrap_or(0)
    }
}

/// A range while it is read.
struct Paced {
    read: Box<dyn Read + Send>,
    line: Arc<Line>,
    _turn: Turn,
}

impl Read for Paced {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.line.pace.is_unlimited() {
            return self.read_noticing(buf);
        }
        let hour = self.line.hour();
        let most = portion(self.line.pace.rate(hour), buf.len());
        let got = self.read_noticing(&mut buf[..most])?;
        let wait = self.line.pace.take(got as u64, self.line.clock.monotonic(), hour);
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        Ok(got)
    }
}

impl Paced {
    fn read_noticing(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read.read(buf).inspect_err(|error| {
            if let Some(error) = SourceError::of_io(error) {
                self.line.notice(Some(error));
            }
        })
    }
}
