//! Two copies of one journal file, read as one.
//!
//! - A record counts when its CRC fits and it follows the record before it. One good copy of it is enough.
//! - Nothing is guessed: a record that was durable once and is good in neither copy is `Damaged`, and so are two
//!   different good records with one number.
//! - Only what was never acknowledged may be cut: a record beyond every `synced` that was seen.
//! - Memory is bounded: one record of each copy.

use super::BookError;
use super::record::{Chain, Found, Kind, Scanner};
use std::path::{Path, PathBuf};

/// What is to be done to one copy so that it equals the merged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Whole,
    /// Bytes from here on are an unfinished write.
    Cut(u64),
    /// Write it anew.
    Rewrite,
}

/// What merging one file found.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    /// Number of the last record.
    pub last: u64,
    /// Its digest.
    pub chain: Chain,
    /// The last record is the end of a snapshot.
    pub ended: bool,
    /// Bytes of all good records.
    pub bytes: u64,
    /// For each copy.
    pub verdicts: [Verdict; 2],
    /// What is wrong with each copy, in one sentence.
    pub notes: [Option<String>; 2],
}

/// Where a file must begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Number of its first record.
    pub number: u64,
    /// What that record must name as `before`, where known.
    pub before: Option<Chain>,
}

/// Damaged stretches that are named one by one; the rest is counted.
const GAPS_NAMED: usize = 8;

struct Side {
    scanner: Option<Scanner>,
    next: Option<Found>,
    /// End of the last record that was taken, if all before it lay there too without a hole.
    good_to: u64,
    /// Records it has not, or not well: how many, the first, the last.
    lacks: Option<(u64, u64, u64)>,
    /// Bytes that belong to no record lie before a good record.
    hole: bool,
}

impl Side {
    fn open(path: &Path) -> Result<Side, BookError> {
        let mut scanner = Scanner::open(path)?;
        let next = scanner.as_mut().and_then(Scanner::next_good);
        Ok(Side { scanner, next, good_to: 0, lacks: None, hole: false })
    }

    fn advance(&mut self) -> Option<Found> {
        let next = self.scanner.as_mut().and_then(Scanner::next_good);
        std::mem::replace(&mut self.next, next)
    }

    /// Passes over records that cannot be the one expected.
    fn drop_before(&mut self, number: u64) {
        while self.next.as_ref().is_some_and(|found| found.record.number < number) {
            self.hole = true;
            self.advance();
        }
    }

    fn take(&mut self, number: u64, chain: &Chain) {
        match &self.next {
            Some(found) if found.record.number == number && found.chain == *chain => {
                self.hole |= found.from != self.good_to;
                self.good_to = found.to;
                self.advance();
            }
            other => {
                if other.as_ref().is_some_and(|found| found.record.number == number) {
                    self.advance();
                }
                let (count, first, _) = self.lacks.unwrap_or((0, number, number));
                self.lacks = Some((count + 1, first, number));
            }
        }
    }

    fn verdict(&self) -> Verdict {
        match &self.scanner {
            Some(scanner) if self.lacks.is_none() && !self.hole => {
                if self.good_to == scanner.size() {
                    Verdict::Whole
                } else {
                    Verdict::Cut(self.good_to)
                }
            }
            _ => Verdict::Rewrite,
        }
    }

    fn unreadable(&self) -> bool {
        self.scanner.as_ref().is_some_and(|scanner| scanner.unreadable)
    }

    /// The sentence about this copy, if there is something to say.
    fn note(&self, name: &str, last: u64) -> Option<String> {
        let Some(scanner) = &self.scanner else { return Some(format!("{name} was missing")) };
        let unreadable = if scanner.unreadable { "; the disk gave a read error" } else { "" };
        Some(match (self.lacks, self.verdict()) {
            (Some((count, first, to)), _) if to == last && count == last - first + 1 && !self.hole => {
                format!("{name} ended before record {first}, and {last} is the last{unreadable}")
            }
            (Some((count, first, to)), _) => {
                format!("{name} had {count} damaged or missing records between {first} and {to}{unreadable}")
            }
            (None, Verdict::Whole) => return None,
            (None, Verdict::Cut(at)) => {
                let bytes = scanner.size() - at;
                format!("{name} had {bytes} bytes of an unfinished write behind record {last}{unreadable}")
            }
            (None, Verdict::Rewrite) => format!("{name} had bytes between its records{unreadable}"),
        })
    }
}

/// Reads both copies of a file as one; `each` sees every record once, in order.
pub(super) struct Merge<'a> {
    name: &'a str,
    sides: [Side; 2],
    labels: [String; 2],
}

impl<'a> Merge<'a> {
    /// The file `name` in these two folders.
    pub fn open(name: &'a str, folders: &[PathBuf; 2]) -> Result<Merge<'a>, BookError> {
        let sides = [Side::open(&folders[0].join(name))?, Side::open(&folders[1].join(name))?];
        let labels = folders.each_ref().map(|folder| folder.join(name).display().to_string());
        Ok(Merge { name, sides, labels })
    }

    /// The heads of the copies, as far as they are good: the first records, if they are of the right kind.
    pub fn heads(&self) -> impl Iterator<Item = (usize, &Found)> {
        let first = self.sides.iter().enumerate().filter_map(|(n, side)| Some((n, side.next.as_ref()?)));
        first.filter(|(_, found)| found.record.kind == Kind::Head && found.from == 0)
    }

    /// Reads all.
    pub fn run(
        mut self,
        start: Start,
        each: &mut dyn FnMut(&Found) -> Result<(), BookError>,
    ) -> Result<Merged, BookError> {
        let (mut expected, mut before) = (start.number, start.before);
        let mut merged: Option<(u64, Chain, bool)> = None;
        let mut bytes = 0;
        while let Some(found) = self.choose(expected, before)? {
            each(&found)?;
            for side in &mut self.sides {
                side.take(found.record.number, &found.chain);
            }
            bytes += found.to - found.from;
            merged = Some((found.record.number, found.chain, found.record.kind == Kind::End));
            expected = found.record.number + 1;
            before = Some(found.chain);
        }
        let Some((last, chain, ended)) = merged else {
            return Err(self.damaged(&format!("its first record, {expected}, is good in neither copy")));
        };
        self.trust_the_end()?;
        let notes = [0, 1].map(|n| self.sides[n].note(&self.labels[n], last));
        let verdicts = [self.sides[0].verdict(), self.sides[1].verdict()];
        Ok(Merged { last, chain, ended, bytes, verdicts, notes })
    }

    /// The next record: good, following the one before, in at least one copy; `None` where the file ends.
    fn choose(&mut self, expected: u64, before: Option<Chain>) -> Result<Option<Found>, BookError> {
        for side in &mut self.sides {
            side.drop_before(expected);
        }
        let here: Vec<&Found> = self
            .sides
            .iter()
            .filter_map(|side| side.next.as_ref())
            .filter(|found| found.record.number == expected)
            .collect();
        let fits: Vec<&&Found> =
            here.iter().filter(|found| before.is_none_or(|chain| chain == found.record.before)).collect();
        match fits.as_slice() {
            [one] => return Ok(Some((**one).clone())),
            [one, other] if one.chain == other.chain => return Ok(Some((**one).clone())),
            [_, _, ..] => return Err(self.damaged(&format!("its copies disagree on record {expected}"))),
            [] => {}
        }
        if !here.is_empty() {
            let what = format!("record {expected} does not follow the record before it in any copy");
            return Err(self.damaged(&what));
        }
        self.gap(expected)
    }

    /// Nothing good has the number `expected`: the end of the file, a torn write, or damage.
    fn gap(&mut self, expected: u64) -> Result<Option<Found>, BookError> {
        let mut seen: Vec<(u64, u64)> = Vec::new();
        let mut synced = None;
        for side in &mut self.sides {
            while let Some(found) = side.advance() {
                synced = synced.max(Some(found.record.synced));
                match seen.iter_mut().find(|(_, to)| *to + 1 == found.record.number) {
                    Some((_, to)) => *to = found.record.number,
                    None => seen.push((found.record.number, found.record.number)),
                }
                seen.truncate(4 * GAPS_NAMED);
            }
        }
        if synced.is_none_or(|synced| synced < expected) {
            // Never acknowledged.
            return Ok(None);
        }
        let missing = missing_between(expected, seen);
        Err(self.damaged(&format!("records {missing} were durable and are good in neither copy")))
    }

    /// A read error may hide acknowledged records at the end; then the other copy must be beyond doubt.
    fn trust_the_end(&self) -> Result<(), BookError> {
        for (one, other) in [(0, 1), (1, 0)] {
            let doubt = match self.sides[other].verdict() {
                Verdict::Whole => false,
                Verdict::Cut(_) | Verdict::Rewrite => true,
            };
            if self.sides[one].unreadable() && doubt {
                let why =
                    "the disk gives a read error, and the other copy alone does not prove where it ends";
                return Err(BookError::Io { path: self.labels[one].clone(), why: why.into() });
            }
        }
        Ok(())
    }

    fn damaged(&self, what: &str) -> BookError {
        BookError::Damaged { what: format!("ledger file {}: {what}", self.name) }
    }
}

/// "3 to 5, 9": the numbers from `expected` on that are in none of the stretches seen.
fn missing_between(expected: u64, mut seen: Vec<(u64, u64)>) -> String {
    seen.sort_unstable();
    let mut missing = Vec::new();
    let mut next = expected;
    for (from, to) in seen {
        if from > next {
            missing.push(if from - 1 == next {
                format!("{next}")
            } else {
                format!("{next} to {}", from - 1)
            });
        }
        next = next.max(to + 1);
    }
    if missing.len() > GAPS_NAMED {
        missing.truncate(GAPS_NAMED);
        missing.push("and more".into());
    }
    missing.join(", ")
}
