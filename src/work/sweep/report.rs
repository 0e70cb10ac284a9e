//! What a run proved, kept beside the storage roots: JSON lines, so that a registry that is made anew from targets alone can
//! learn when copies were proved.
//!
//! - Each file is whole: its last line has the number of lines before it and their digest.
//! - A report is made from the registry: it names every copy on its target that was proved since the run began.
//! - It lies on every target that is there. One that is away lacks it; nothing waits for that.

use super::Sweep;
use crate::books::ledger::{Ledger, LedgerError, SweepRow};
use crate::model::object::ObjectId;
use crate::rules::digester::sha256_hex;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What all names start with.
pub const PREFIX: &str = "fixity-";

/// Lines of one file; a longer report is several.
const LINES_MAX: usize = 20_000;

/// Bytes of one file at most; a line has an id and a time.
pub const BYTES_MAX: u64 = 64 << 20;

/// Number of the form of these files.
const SCHEMA: u32 = 1;

/// The first line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the form.
    pub schema: u32,
    /// Short id of the ledger.
    pub ledger: String,
    /// The run.
    pub run: u64,
    /// The target that the copies are on.
    pub target: String,
    /// When the run began (UTC).
    pub started: Timestamp,
}

/// A line: a copy that was proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proved {
    /// The object.
    pub object: ObjectId,
    /// When reading it began (UTC); of its versions, the one that was proved longest ago.
    pub proved_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Foot {
    lines: usize,
    sha256: String,
}

/// Keeps the report of a run on every target that is there. What cannot be kept is logged: the registry has it all the same.
pub(super) fn keep(sweep: &Sweep<'_>, row: &SweepRow) {
    for target in &row.targets {
        if let Err(why) = keep_one(sweep, row, target) {
            log::warn!("the report of run {} of {target} is not kept: {why}", row.number);
        }
    }
}

fn keep_one(sweep: &Sweep<'_>, row: &SweepRow, target: &str) -> Result<(), LedgerError> {
    let head = Head {
        schema: SCHEMA,
        ledger: sweep.settings.ledger_id.clone(),
        run: row.number,
        target: target.to_string(),
        started: row.started,
    };
    let before = row.started.checked_sub(SignedDuration::from_millis(1)).unwrap_or(row.started);
    let mut place = Ledger::proofs_after(target, before);
    let mut lines: Vec<Proved> = Vec::new();
    let mut part = 1;
    loop {
        let page = sweep.ledger.oldest_proofs(target, Some(&place), super::round::PAGE)?;
        let Some(last) = page.last() else { break };
        place.clone_from(&last.place);
        lines.extend(page.into_iter().map(|copy| Proved { object: copy.object, proved_at: copy.proved_at }));
        if lines.len() >= LINES_MAX {
            put(sweep, &head, part, &std::mem::take(&mut lines));
            part += 1;
        }
    }
    if !lines.is_empty() {
        put(sweep, &head, part, &lines);
    }
    Ok(())
}

fn put(sweep: &Sweep<'_>, head: &Head, part: u32, lines: &[Proved]) {
    let name = format!("{PREFIX}{}-{:06}-{}-{part:04}.jsonl", head.ledger, head.run, head.target);
    let bytes = encode(head, lines);
    for (on, target) in &sweep.world.targets {
        if let Err(error) = target.keep(&name, &bytes) {
            log::warn!("{name} is not kept on {on}: {error:?}");
        }
    }
}

fn encode(head: &Head, lines: &[Proved]) -> Vec<u8> {
    let mut text = String::new();
    let mut line = |row: serde_json::Result<String>| {
        text.push_str(&row.expect("plain rows are JSON"));
        text.push('\n');
    };
    line(serde_json::to_string(head));
    lines.iter().for_each(|row| line(serde_json::to_string(row)));
    let foot = Foot { lines: lines.len() + 1, sha256: sha256_hex(text.as_bytes()) };
    text.push_str(&serde_json::to_string(&foot).expect("plain rows are JSON"));
    text.push('\n');
    text.into_bytes()
}

/// What a file says, or why it is not taken.
pub fn decode(bytes: &[u8]) -> Result<(Head, Vec<Proved>), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let body = text.strip_suffix('\n').ok_or("its last line has no end")?;
    let (rows, foot) = body.rsplit_once('\n').ok_or("it has one line only")?;
    let foot: Foot = serde_json::from_str(foot).map_err(|error| format!("its last line: {error}"))?;
    let whole = &text[..rows.len() + 1];
    if foot.lines != whole.lines().count() || foot.sha256 != sha256_hex(whole.as_bytes()) {
        return Err("its lines are not those that it was written with".into());
    }
    let mut lines = whole.lines();
    let head = lines.next().and_then(|line| serde_json::from_str::<Head>(line).ok());
    let head = head.filter(|head| head.schema == SCHEMA).ok_or("it is of another form")?;
    let proved = lines.map(|line| serde_json::from_str(line).map_err(|error| error.to_string()));
    Ok((head, proved.collect::<Result<Vec<Proved>, String>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_back_as_it_was_and_one_flipped_bit_is_noticed_anywhere() {
        let at = Timestamp::from_millisecond(1_767_225_600_123).unwrap();
        let head = Head { schema: SCHEMA, ledger: "l".into(), run: 7, target: "vault-a".into(), started: at };
        let lines: Vec<Proved> = (0..3)
            .map(|number| Proved { object: ObjectId::of("uva.edu", &format!("b{number}")), proved_at: at })
            .collect();
        let bytes = encode(&head, &lines);
        assert_eq!(decode(&bytes), Ok((head, lines)));
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 2;
            assert!(decode(&flipped).is_err(), "byte {place}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
