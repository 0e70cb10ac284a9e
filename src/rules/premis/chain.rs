//! `logs/premis/`: events beside an object, as JSON lines in files that are never changed.
//!
//! - Each file's first line names the file before it and that file's SHA-256: a lost, added or edited file shows.
//! - A file's name is a function of its first event, so that writing it twice writes the same file.

use crate::model::digest::hex;
use crate::model::event::Event;
use crate::model::object::ObjectId;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// A log file, as the next one names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRef {
    /// Its name in `logs/premis/`.
    pub name: String,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
}

/// A log file: what is written beside an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its name: `20251122T101500Z-<event id>-ingestion.jsonl`.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The object, so that a line still says what it is about when it lies elsewhere.
    pub object: ObjectId,
    /// The version concerned, from 1.
    pub version: u32,
    /// The event.
    pub event: Event,
    /// In a file's first line only: its place in the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
}

/// A file's place in the chain of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// It is the first.
    First,
    /// It follows this one.
    After(LogRef),
}

impl LogFile {
    /// The file of these events, which follows `previous`. None when there are no events.
    pub fn new(
        object: &ObjectId,
        version: u32,
        events: &[Event],
        previous: Option<&LogRef>,
    ) -> Option<LogFile> {
        let first = events.first()?;
        let mut bytes = Vec::new();
        let mut chain = Some(previous.cloned().map_or(Chain::First, Chain::After));
        for event in events {
            let line = LogLine { object: object.clone(), version, event: event.clone(), chain: chain.take() };
            serde_json::to_writer(&mut bytes, &line).expect("plain data with text keys is always JSON");
            bytes.push(b'\n');
        }
        let at = first.at.to_zoned(TimeZone::UTC);
        let kind = first.event_type.term().0.replace(' ', "-");
        let name = format!("{}-{}-{kind}.jsonl", at.strftime("%Y%m%dT%H%M%SZ"), first.id);
        Some(LogFile { name, bytes })
    }

    /// How the next file names this one.
    pub fn link(&self) -> LogRef {
        LogRef { name: self.name.clone(), sha256: hex(&Sha256::digest(&self.bytes)) }
    }

    /// The lines of a file that was read back.
    pub fn lines(&self) -> Result<Vec<LogLine>, ChainFault> {
        let fault = |line: usize, why: String| ChainFault { file: self.name.clone(), line, why };
        let mut lines = Vec::new();
        for (number, text) in self.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let whole =
                text.strip_suffix(b"\n").ok_or_else(|| fault(number + 1, "it is cut short".into()))?;
            let line: LogLine =
                serde_json::from_slice(whole).map_err(|error| fault(number + 1, error.to_string()))?;
            if line.chain.is_some() != (number == 0) {
                return Err(fault(number + 1, "only the first line names the file before".into()));
            }
            lines.push(line);
        }
        if lines.is_empty() {
            return Err(fault(0, "it has no lines".into()));
        }
        Ok(lines)
    }
}

/// Where a chain of log files is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFault {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for ChainFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.why)
    }
}

impl std::error::Error for ChainFault {}

/// Every line of an object's log files, in the order of their chain. `files` may come in any order.
pub fn follow(files: &[LogFile]) -> Result<Vec<LogLine>, ChainFault> {
    let fault = |file: &LogFile, why: String| ChainFault { file: file.name.clone(), line: 1, why };
    // By the name they follow: a chain has one file after each.
    let mut after: std::collections::BTreeMap<Option<String>, (&LogFile, Vec<LogLine>)> = Default::default();
    for file in files {
        let lines = file.lines()?;
        let previous = before(&lines);
        if let Some((other, _)) = after.insert(previous.map(|link| link.name), (file, lines)) {
            return Err(fault(file, format!("{} follows the same file", other.name)));
        }
    }
    let mut all = Vec::new();
    let mut last: Option<LogRef> = None;
    while let Some((file, lines)) = after.remove(&last.as_ref().map(|link| link.name.clone())) {
        if before(&lines) != last {
            return Err(fault(file, "the file before it is not what it was".into()));
        }
        all.extend(lines);
        last = Some(file.link());
    }
    match after.into_iter().next() {
        Some((previous, (file, _))) => {
            let name = previous.unwrap_or_default();
            Err(fault(file, format!("it follows {name}, which no chain from the first file reaches")))
        }
        None => Ok(all),
    }
}

fn before(lines: &[LogLine]) -> Option<LogRef> {
    match lines.first().and_then(|line| line.chain.clone()) {
        Some(Chain::After(link)) => Some(link),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{AGENT, EventType, Outcome};

    fn event(number: u8, event_type: EventType) -> Event {
        Event {
            id: hex(&[number; 16]),
            event_type,
            at: "2025-11-22T10:15:00.5Z".parse().unwrap(),
            outcome: Outcome::Success,
            detail: "d".into(),
            target: None,
            agent: AGENT.into(),
            person: None,
        }
    }

    fn chain() -> Vec<LogFile> {
        let object = ObjectId("strongroom:uva.edu/a".into());
        let mut files: Vec<LogFile> = Vec::new();
        for number in 1..=3 {
            let events = [event(number, EventType::Ingestion), event(100 + number, EventType::IngestionEnd)];
            let previous = files.last().map(LogFile::link);
            files.push(LogFile::new(&object, 1, &events, previous.as_ref()).unwrap());
        }
        files
    }

    #[test]
    fn a_chain_is_followed_in_any_order() {
        let mut files = chain();
        assert_eq!(files[0].name, format!("20251122T101500Z-{}-ingestion.jsonl", "01".repeat(16)));
        files.rotate_left(1);
        let lines = follow(&files).unwrap();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[4].event, event(3, EventType::Ingestion));
        assert_eq!(follow(&[]).unwrap(), []);
        assert_eq!(LogFile::new(&ObjectId("x".into()), 1, &[], None), None);
    }

    #[test]
    fn the_same_events_make_the_same_file() {
        assert_eq!(chain(), chain());
    }

    #[test]
    fn a_lost_or_edited_file_breaks_the_chain() {
        let whole = chain();
        for lost in 0..2 {
            let mut files = whole.clone();
            files.remove(lost);
            assert!(follow(&files).is_err(), "file {lost} lost");
        }
        let mut edited = whole.clone();
        let text = String::from_utf8(edited[1].bytes.clone()).unwrap();
        edited[1].bytes = text.replacen("\"d\"", "\"e\"", 1).into_bytes();
        assert!(follow(&edited).is_err());
        let mut cut = whole.clone();
        cut[2].bytes.pop();
        assert!(follow(&cut).is_err());
        let mut twice = whole.clone();
        twice.push(LogFile { name: "other".into(), ..whole[1].clone() });
        assert!(follow(&twice).is_err());
        let mut empty = whole;
        empty[2].bytes.clear();
        assert!(follow(&empty).is_err());
    }
}
