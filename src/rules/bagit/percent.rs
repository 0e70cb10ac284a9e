//! Names with percent signs: whether the decoded or the written name is meant.
//!
//! - The decoded name is meant when it is in the bag, or when neither is; the written one when only that is.
//! - Only names with `%0A`, `%0D` or `%25` come here; deciding them first keeps the join free of second guesses.

use super::paths::Listed;
use super::report::Halt;
use super::rows::{Value, key};
use crate::rules::sort::{Row, Scratch, Sorter};
use std::io;

/// Collects the names in question, then decides.
pub struct Percents<'a> {
    names: Sorter<'a>,
    entries: Sorter<'a>,
    any: bool,
}

const PRESENT: u8 = b'p';
const DECODED: u8 = b'd';
const WRITTEN: u8 = b'w';
const BODY: u8 = b'b';

impl<'a> Percents<'a> {
    /// Nothing collected yet.
    pub fn new(scratch: &'a dyn Scratch, budget: usize) -> Percents<'a> {
        Percents { names: Sorter::new(scratch, budget), entries: Sorter::new(scratch, budget), any: false }
    }

    /// Notes a file of the bag, if its name can be meant by an encoded one.
    pub fn present(&mut self, path: &[u8]) -> io::Result<()> {
        if path.iter().any(|byte| matches!(byte, b'%' | b'\n' | b'\r')) {
            self.names.push(path.to_vec(), vec![PRESENT])?;
        }
        Ok(())
    }

    /// Notes a line of a manifest or of fetch.txt whose name changes when it is decoded. `id` is the line's alone.
    pub fn ask(&mut self, id: (u16, u64), names: &Listed, written: &[u8], value: &Value) -> io::Result<()> {
        self.any = true;
        let id = [&id.0.to_be_bytes()[..], &id.1.to_be_bytes()].concat();
        self.names.push(names.path.clone(), [&[DECODED], &id[..]].concat())?;
        self.names.push(written.to_vec(), [&[WRITTEN], &id[..]].concat())?;
        for path in [&names.path[..], written] {
            self.entries.push(id.clone(), [&[BODY], path].concat())?;
        }
        self.entries.push(id, [&[BODY], &value.encode()[..]].concat())
    }

    /// Decides every line, and gives its row.
    pub fn decide(mut self, rows: &mut Sorter<'_>) -> Result<(), Halt> {
        if !self.any {
            return Ok(());
        }
        let mut here: Option<Vec<u8>> = None;
        for row in self.names.finish().map_err(Halt::Scratch)? {
            let (path, value) = row.map_err(Halt::Scratch)?;
            match value.split_first() {
                Some((&PRESENT, _)) => here = Some(path),
                Some((which, id)) if here.as_deref() == Some(&path[..]) => {
                    self.entries.push(id.to_vec(), vec![*which]).map_err(Halt::Scratch)?;
                }
                _ => {}
            }
        }
        let mut asked: Vec<Row> = Vec::new();
        for row in self.entries.finish().map_err(Halt::Scratch)? {
            let row = row.map_err(Halt::Scratch)?;
            if asked.first().is_some_and(|first| first.0 != row.0) {
                give(&asked, rows).map_err(Halt::Scratch)?;
                asked.clear();
            }
            asked.push(row);
        }
        give(&asked, rows).map_err(Halt::Scratch)
    }
}

/// One line's rows: decoded path, written path, entry, then which of the names are in the bag.
fn give(asked: &[Row], rows: &mut Sorter<'_>) -> io::Result<()> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a sorted row came back damaged");
    let [decoded, written, body, found @ ..] = asked else {
        return if asked.is_empty() { Ok(()) } else { Err(damaged()) };
    };
    let is_there = |which: u8| found.iter().any(|row| row.1.first() == Some(&which));
    let as_written = !is_there(DECODED) && is_there(WRITTEN);
    let mut value = Value::decode(body.1.get(1..).unwrap_or(&[]))?;
    if let Value::Entry(entry) = &mut value {
        entry.spelling.as_written = as_written;
    }
    let path = if as_written { &written.1 } else { &decoded.1 };
    rows.push(key(path.get(1..).ok_or_else(damaged)?), value.encode())
}
