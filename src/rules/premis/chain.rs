//! `logs/premis/`: events beside an object, as JSON lines in files that are never changed.
//!
//! - Each file's first line names the file before it and that file's SHA-256: a lost, added or edited file shows.
//! - A file's name is a function of one of its events, so that writing it twice writes the same file.
//! - The file of an item holds all events of that item, in their order, and the item itself as it is kept: with it the
//!   ledger's rows can be made again as they were.

use crate::model::digest::hex;
use crate::model::event::Event;
use crate::model::item::Item;
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
    /// The first version concerned, when it is about earlier ones, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
    /// The event.
    pub event: Event,
    /// In a file's first line only: its place in the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// In the first line of an item's file only: the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Box<Receipt>>,
}

/// An item as it is kept, beside the object it became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Short id of the ledger that numbered it.
    pub ledger: String,
    /// The item. What depends on how often somebody tried (fence, tries, journal) is left out, so that every attempt
    /// writes the same file.
    pub item: Item,
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

impl LogLine {
    /// True when it is about this version.
    pub fn is_about(&self, version: u32) -> bool {
        (self.first.unwrap_or(self.version)..=self.version).contains(&version)
    }
}

impl LogFile {
    /// The file of these events, which follows `previous`. None when there are no events.
    pub fn new(
        object: &ObjectId,
        version: u32,
        events: &[Event],
        previous: Option<&LogRef>,
    ) -> Option<LogFile> {
        Some(LogFile::named_after(events.first()?, object, (None, version), events, None, previous))
    }

    /// The file of an event that is about all versions up to this one.
    pub fn of_object(object: &ObjectId, version: u32, event: &Event, previous: Option<&LogRef>) -> LogFile {
        let first = (version > 1).then_some(1);
        LogFile::named_after(event, object, (first, version), std::slice::from_ref(event), None, previous)
    }

    /// The file of an item: all its events, and its receipt. It is named after the last event, which alone differs when
    /// the item is sent back and comes to its end a second time. None when there are no events.
    pub fn of_item(
        object: &ObjectId,
        version: u32,
        events: &[Event],
        receipt: Receipt,
        previous: Option<&LogRef>,
    ) -> Option<LogFile> {
        Some(LogFile::named_after(events.last()?, object, (None, version), events, Some(receipt), previous))
    }

    fn named_after(
        event: &Event,
        object: &ObjectId,
        (first, version): (Option<u32>, u32),
        events: &[Event],
        receipt: Option<Receipt>,
        previous: Option<&LogRef>,
    ) -> LogFile {
        let mut bytes = Vec::new();
        let mut chain = Some(previous.cloned().map_or(Chain::First, Chain::After));
        let mut receipt = receipt.map(Box::new);
        for event in events {
            let line = LogLine {
                object: object.clone(),
                version,
                first,
                event: event.clone(),
                chain: chain.take(),
                receipt: receipt.take(),
            };
            serde_json::to_writer(&mut bytes, &line).expect("plain data with text keys is always JSON");
            bytes.push(b'\n');
        }
        let at = event.at.to_zoned(TimeZone::UTC);
        let kind = event.event_type.term().0.replace(' ', "-");
        let name = format!("{}-{}-{kind}.jsonl", at.strftime("%Y%m%dT%H%M%SZ"), event.id);
        LogFile { name, bytes }
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

/// A file that was read, with its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// How the next file names it.
    pub link: LogRef,
    /// Its lines.
    pub lines: Vec<LogLine>,
}

/// As much as can be read of an object's log files, and what is wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// The readable files, in the order of their chain; those that no chain reaches come last, by name.
    pub files: Vec<Told>,
    /// The newest file that the chain reaches.
    pub tip: Option<LogRef>,
    /// Where the chain is broken, and which files cannot be read.
    pub faults: Vec<ChainFault>,
}

/// Reads what can be read. Where a whole chain is there, it gives the same lines as `follow`, and no faults.
pub fn gather(files: &[LogFile]) -> Gathered {
    let mut found = Gathered::default();
    let mut rest: Vec<Told> = Vec::new();
    for file in files {
        match file.lines() {
            Ok(lines) => rest.push(Told { link: file.link(), lines }),
            Err(fault) => found.faults.push(fault),
        }
    }
    // Names start with a time: of two that follow the same file, the later one goes on.
    rest.sort_by(|a, b| a.link.name.cmp(&b.link.name));
    loop {
        let last = found.tip.as_ref().map(|tip| tip.name.clone());
        let next: Vec<usize> =
            (0..rest.len()).filter(|at| before(&rest[*at].lines).map(|link| link.name) == last).collect();
        let Some(at) = next.last() else { break };
        if let [other, .., _] = next.as_slice() {
            let why = format!("{} follows the same file", rest[*at].link.name);
            found.faults.push(ChainFault { file: rest[*other].link.name.clone(), line: 1, why });
        }
        let told = rest.remove(*at);
        if before(&told.lines) != found.tip {
            let why = "the file before it is not what it was".into();
            found.faults.push(ChainFault { file: told.link.name.clone(), line: 1, why });
        }
        found.tip = Some(told.link.clone());
        found.files.push(told);
    }
    for told in rest {
        let forked = found.faults.iter().any(|fault| fault.file == told.link.name);
        if !forked {
            let previous = before(&told.lines).map(|link| link.name).unwrap_or_default();
            let why = format!("it follows {previous}, which no chain from the first file reaches");
            found.faults.push(ChainFault { file: told.link.name.clone(), line: 1, why });
        }
        found.files.push(told);
    }
    found
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
    fn gathering_a_whole_chain_gives_what_following_gives() {
        let mut files = chain();
        files.rotate_left(2);
        let found = gather(&files);
        let lines: Vec<LogLine> = found.files.iter().flat_map(|file| file.lines.clone()).collect();
        assert_eq!(lines, follow(&files).unwrap());
        assert_eq!(found.tip, Some(chain()[2].link()));
        assert_eq!(found.faults, []);
        assert_eq!(gather(&[]), Gathered::default());
    }

    #[test]
    fn gathering_a_broken_chain_gives_what_is_left_and_says_what_is_wrong() {
        let mut lost = chain();
        lost.remove(1);
        let found = gather(&lost);
        assert_eq!((found.files.len(), found.faults.len()), (2, 1));
        assert_eq!(found.tip, Some(lost[0].link()), "the third one hangs in the air");

        let mut cut = chain();
        cut[2].bytes.pop();
        let found = gather(&cut);
        assert_eq!((found.files.len(), found.faults.len()), (2, 1));
        assert_eq!(found.tip, Some(cut[1].link()));

        // Written before a crash, and once more after the item was sent back.
        let mut forked = chain();
        let object = ObjectId("strongroom:uva.edu/a".into());
        let again = [event(200, EventType::Ingestion)];
        forked.push(LogFile::new(&object, 1, &again, Some(&forked[1].link())).unwrap());
        let found = gather(&forked);
        assert_eq!((found.files.len(), found.faults.len()), (4, 1), "{:?}", found.faults);
        assert_eq!(found.tip, Some(forked[3].link()));
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
