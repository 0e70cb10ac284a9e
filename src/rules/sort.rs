//! Sorting more rows than memory should hold.
//!
//! - Memory is bounded by the budget and by the number of runs merged at once, never by the number of rows.
//! - Rows come back in the order of their keys, byte by byte; equal keys in the order they were pushed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, BufReader, Read};

/// Where a sorter puts the runs that do not fit into memory. Nothing in it needs to outlive the sorter.
pub trait Scratch: Sync {
    /// Keeps `bytes` as a new run and gives its number.
    fn keep(&self, bytes: &mut dyn Read) -> io::Result<u64>;

    /// Reads a run from its start.
    fn open(&self, run: u64) -> io::Result<Box<dyn Read + Send + '_>>;

    /// Forgets a run.
    fn forget(&self, run: u64);
}

/// A row: what it is sorted by, and what it carries.
pub type Row = (Vec<u8>, Vec<u8>);

/// Runs merged at once; each costs a read buffer of 64 KiB.
const RUNS_MAX: usize = 64;

/// Collects rows, then gives them back sorted.
pub struct Sorter<'a> {
    scratch: &'a dyn Scratch,
    budget: usize,
    used: usize,
    rows: Vec<Row>,
    runs: Vec<u64>,
}

impl<'a> Sorter<'a> {
    /// A sorter that holds about `budget` bytes of rows in memory.
    pub fn new(scratch: &'a dyn Scratch, budget: usize) -> Sorter<'a> {
        Sorter { scratch, budget, used: 0, rows: Vec::new(), runs: Vec::new() }
    }

    /// Takes a row.
    pub fn push(&mut self, key: Vec<u8>, value: Vec<u8>) -> io::Result<()> {
        // Two vectors of three words each, and what the allocator rounds up.
        self.used += key.len() + value.len() + 80;
        self.rows.push((key, value));
        if self.used > self.budget { self.spill() } else { Ok(()) }
    }

    /// The rows, sorted.
    pub fn finish(mut self) -> io::Result<Sorted<'a>> {
        if self.runs.is_empty() {
            self.rows.sort_by(|a, b| a.0.cmp(&b.0));
            return Ok(Sorted { source: From::Memory(std::mem::take(&mut self.rows).into_iter()) });
        }
        self.spill()?;
        Ok(Sorted { source: From::Runs(Merge::open(self.scratch, std::mem::take(&mut self.runs))?) })
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.rows.sort_by(|a, b| a.0.cmp(&b.0));
        let mut rows = std::mem::take(&mut self.rows).into_iter();
        self.used = 0;
        let run = self.scratch.keep(&mut Encoded::new(|| Ok(rows.next())))?;
        self.runs.push(run);
        if self.runs.len() < RUNS_MAX {
            return Ok(());
        }
        let mut merge = Merge::open(self.scratch, std::mem::take(&mut self.runs))?;
        let merged = self.scratch.keep(&mut Encoded::new(|| merge.next_row()))?;
        self.runs.push(merged);
        Ok(())
    }
}

impl Drop for Sorter<'_> {
    fn drop(&mut self) {
        for run in &self.runs {
            self.scratch.forget(*run);
        }
    }
}

enum From<'a> {
    Memory(std::vec::IntoIter<Row>),
    Runs(Merge<'a>),
}

/// Rows in the order of their keys.
pub struct Sorted<'a> {
    source: From<'a>,
}

impl Iterator for Sorted<'_> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        match &mut self.source {
            From::Memory(rows) => rows.next().map(Ok),
            From::Runs(merge) => merge.next_row().transpose(),
        }
    }
}

/// Key, run, value. Equal keys come in the order they were pushed, for runs are numbered in that order.
type Headed = (Vec<u8>, usize, Vec<u8>);

type OpenRun<'a> = BufReader<Box<dyn Read + Send + 'a>>;

struct Merge<'a> {
    scratch: &'a dyn Scratch,
    runs: Vec<u64>,
    open: Vec<OpenRun<'a>>,
    heads: BinaryHeap<Reverse<Headed>>,
}

impl<'a> Merge<'a> {
    fn open(scratch: &'a dyn Scratch, runs: Vec<u64>) -> io::Result<Merge<'a>> {
        let mut merge = Merge { scratch, runs, open: Vec::new(), heads: BinaryHeap::new() };
        for place in 0..merge.runs.len() {
            let run = scratch.open(merge.runs[place])?;
            merge.open.push(BufReader::with_capacity(64 << 10, run));
            merge.refill(place)?;
        }
        Ok(merge)
    }

    fn refill(&mut self, place: usize) -> io::Result<()> {
        if let Some((key, value)) = read_row(&mut self.open[place])? {
            self.heads.push(Reverse((key, place, value)));
        }
        Ok(())
    }

    fn next_row(&mut self) -> io::Result<Option<Row>> {
        let Some(Reverse((key, place, value))) = self.heads.pop() else { return Ok(None) };
        self.refill(place)?;
        Ok(Some((key, value)))
    }
}

impl Drop for Merge<'_> {
    fn drop(&mut self) {
        self.open.clear();
        for run in &self.runs {
            self.scratch.forget(*run);
        }
    }
}

/// Rows as bytes: two lengths, then key and value.
struct Encoded<F> {
    rows: F,
    bytes: Vec<u8>,
    at: usize,
}

impl<F: FnMut() -> io::Result<Option<Row>>> Encoded<F> {
    fn new(rows: F) -> Encoded<F> {
        Encoded { rows, bytes: Vec::new(), at: 0 }
    }
}

impl<F: FnMut() -> io::Result<Option<Row>>> Read for Encoded<F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
            while self.bytes.len() < 64 << 10 {
                let Some((key, value)) = (self.rows)()? else { break };
                for part in [&key, &value] {
                    self.bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
                    self.bytes.extend_from_slice(part);
                }
            }
        }
        let count = (self.bytes.len() - self.at).min(buf.len());
        buf[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn read_row(run: &mut impl Read) -> io::Result<Option<Row>> {
    let mut length = [0; 4];
    if run.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    run.read_exact(&mut length[1..])?;
    let key = read_part(run, length)?;
    run.read_exact(&mut length)?;
    Ok(Some((key, read_part(run, length)?)))
}

fn read_part(run: &mut impl Read, length: [u8; 4]) -> io::Result<Vec<u8>> {
    let mut part = vec![0; u32::from_le_bytes(length) as usize];
    run.read_exact(&mut part)?;
    Ok(part)
}

/// Runs in memory: for small bags and for tests.
#[derive(Default)]
pub struct MemoryScratch {
    runs: std::sync::Mutex<std::collections::BTreeMap<u64, std::sync::Arc<Vec<u8>>>>,
}

struct SharedRun(std::sync::Arc<Vec<u8>>, usize);

impl Read for SharedRun {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut rest = &self.0[self.1..];
        let count = rest.read(buf)?;
        self.1 += count;
        Ok(count)
    }
}

impl Scratch for MemoryScratch {
    fn keep(&self, bytes: &mut dyn Read) -> io::Result<u64> {
        let mut run = Vec::new();
        bytes.read_to_end(&mut run)?;
        let mut runs = self.runs.lock().unwrap_or_else(|broken| broken.into_inner());
        let number = runs.keys().next_back().map_or(0, |last| last + 1);
        runs.insert(number, std::sync::Arc::new(run));
        Ok(number)
    }

    fn open(&self, run: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let runs = self.runs.lock().unwrap_or_else(|broken| broken.into_inner());
        let found = runs.get(&run).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SharedRun(found, 0)))
    }

    fn forget(&self, run: u64) {
        self.runs.lock().unwrap_or_else(|broken| broken.into_inner()).remove(&run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_sorted_whether_they_fit_or_not() {
        for budget in [1 << 20, 900, 90] {
            let scratch = MemoryScratch::default();
            let mut sorter = Sorter::new(&scratch, budget);
            let mut wanted = Vec::new();
            for n in 0..2_000u32 {
                let key = (n.wrapping_mul(2_654_435_761) % 500).to_be_bytes().to_vec();
                let value = n.to_be_bytes().to_vec();
                wanted.push((key.clone(), value.clone()));
                sorter.push(key, value).unwrap();
            }
            wanted.sort_by(|a, b| a.0.cmp(&b.0));
            let sorted: Vec<Row> = sorter.finish().unwrap().map(Result::unwrap).collect();
            assert_eq!(sorted, wanted, "budget {budget}");
            assert!(scratch.runs.lock().unwrap().is_empty());
        }
    }
}
