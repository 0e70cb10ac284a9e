//! The program under the ledger's sweeps (`tests/faults/ledger.py`): writes records one after another and says which are
//! acknowledged; and checks, after whatever happened to it, that nothing acknowledged is lost and nothing is torn.
//!
//! - What the book must hold after commit K depends on K alone, so one number tells all of it, also after restarts.
//! - `write` acknowledges K after its commit: a line on stdout, and with `--marks` a block on the device, which lies in
//!   one row with the device's other writes.
//! - With threads, records are committed in rounds of N at a time: each of a round that was under way is there or not, but
//!   whole.
//! - `check DIR ACKED` wants the state after commit ACKED or the one that was under way, ACKED + 1; every row of it
//!   and no other, and a book that goes on from there.

mod failure;

use failure::Failure;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use strongroom::worlds::book::mirrored::{MirroredBook, Options, SyncMode};
use strongroom::worlds::book::{Book, Guard, Write};

const USAGE: &str = "usage: ledger_probe write DIR COUNT [--marks DEVICE] [--mirror DIR] [--compact BYTES] [--threads N]
                          [--no-sync | --no-commit-sync]
       ledger_probe check DIR ACKED [--mirror DIR] [--threads N]
write  opens or makes the ledger in DIR and commits COUNT more records; prints each number once it is acknowledged
check  opens it again; exit 0 when everything acknowledged is there, whole and consistent; exit 1 with a sentence when not
--threads N commits N records at a time, so that they are synced in groups; acknowledged when all N are
--no-sync and --no-commit-sync are negative controls: a sweep of power cuts must find that records get lost";

/// The process could not write or sync: it ends, as the real one does.
const EXIT_IO: u8 = 74;

/// Marks lie in the last 4 MiB of the device, behind the file system.
const MARKS_BYTES: u64 = 4 << 20;

struct Arguments {
    verb: String,
    folder: PathBuf,
    number: u64,
    marks: Option<PathBuf>,
    mirror: Option<PathBuf>,
    threads: u64,
    options: Options,
}

fn main() -> ExitCode {
    let Some(arguments) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let done = match arguments.verb.as_str() {
        "write" => write(&arguments),
        _ => check(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Io(why)) => {
            // The standard macro would panic if this failed, too.
            let _ = writeln!(std::io::stderr(), "stopped: {why}");
            ExitCode::from(EXIT_IO)
        }
        Err(Failure::Wrong(why)) => {
            let _ = writeln!(std::io::stderr(), "WRONG: {why}");
            ExitCode::from(1)
        }
    }
}

fn parse(mut given: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments {
        verb: given.next().filter(|verb| verb == "write" || verb == "check")?,
        folder: given.next()?.into(),
        number: given.next()?.parse().ok()?,
        marks: None,
        mirror: None,
        threads: 1,
        // sled waits for ever after some failed writes; a sweep would wait with it.
        options: Options { index_patience: Duration::from_secs(5), ..Options::default() },
    };
    while let Some(option) = given.next() {
        match option.as_str() {
            "--marks" => arguments.marks = Some(given.next()?.into()),
            "--mirror" => arguments.mirror = Some(given.next()?.into()),
            "--threads" => arguments.threads = given.next()?.parse().ok().filter(|threads| *threads > 0)?,
            "--compact" => arguments.options.compact_bytes = given.next()?.parse().ok()?,
            "--no-sync" => arguments.options.sync = SyncMode::NeverForNegativeControl,
            "--no-commit-sync" => arguments.options.sync = SyncMode::NotCommitsForNegativeControl,
            _ => return None,
        }
    }
    Some(arguments)
}

/// Commit `number`, counted from 1: a record, now and then two rows beside it, older ones taken away again; and the row
/// that every commit changes.
fn batch_of(number: u64) -> Vec<Write> {
    let mut batch =
        vec![put("hot", format!("{{\"last\":{number}}}")), put(&record_key(number), record_of(number))];
    if number.is_multiple_of(3) {
        for side in ["a", "b"] {
            batch.push(put(
                &format!("x/{number:08}/{side}"),
                format!("{{\"of\":{number},\"side\":\"{side}\"}}"),
            ));
        }
    }
    if number.is_multiple_of(4) {
        batch.push(Write::Delete(format!("x/{:08}/a", number / 4 * 3)));
        batch.push(Write::Delete(record_key(number / 4)));
    }
    batch
}

fn record_key(number: u64) -> String {
    format!("r/{number:08}")
}

/// About a kilobyte that tells one record from every other.
fn record_of(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(1000);
    while text.len() < 960 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("{:08x}", state >> 32));
    }
    format!("{{\"n\":{number},\"text\":\"{text}\"}}")
}

fn put(key: &str, value: String) -> Write {
    Write::Put(key.into(), value.into_bytes())
}

/// All rows after commit `number`.
fn rows_after(number: u64) -> BTreeMap<String, (u64, Vec<u8>)> {
    let mut rows = BTreeMap::new();
    for commit in 1..=number {
        for write in batch_of(commit) {
            match write {
                Write::Put(key, value) => drop(rows.insert(key, (commit, value))),
                Write::Delete(key) => drop(rows.remove(&key)),
            }
        }
    }
    rows
}

fn write(arguments: &Arguments) -> Result<(), Failure> {
    let marks = arguments.marks.as_ref().map(Marks::open).transpose()?;
    let book = MirroredBook::open(&arguments.folder, arguments.mirror.as_deref(), arguments.options.clone())?;
    if arguments.threads > 1 {
        write_rounds(&book, arguments, marks.as_ref())?;
        return Ok(book.close()?);
    }
    let mut hot = book.get("hot")?;
    let done = hot.as_ref().map_or(0, |row| row.revision);
    for number in done + 1..=done + arguments.number {
        let guards = [
            Guard { key: "hot".into(), revision: hot.map(|row| row.revision) },
            Guard { key: record_key(number), revision: None },
        ];
        let revision = book.commit(&batch_of(number), &guards)?;
        if revision != number {
            return Err(Failure::Wrong(format!("commit {number} got the number {revision}")));
        }
        acknowledge(number, marks.as_ref())?;
        hot = book.get("hot")?;
    }
    Ok(book.close()?)
}

fn acknowledge(number: u64, marks: Option<&Marks>) -> Result<(), Failure> {
    if let Some(marks) = marks {
        marks.set(number)?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{number}")?;
    Ok(out.flush()?)
}

/// One record of a round: three rows of its own, and the row that all write.
fn member_of(number: u64) -> Vec<Write> {
    let side = |side: &str| put(&format!("g/{number:08}/{side}"), format!("{{\"of\":{number}}}"));
    vec![side("a"), put("hot", number.to_string()), put(&record_key(number), record_of(number)), side("b")]
}

fn write_rounds(book: &MirroredBook, arguments: &Arguments, marks: Option<&Marks>) -> Result<(), Failure> {
    let done =
        book.scan("r/", None, usize::MAX)?.last().and_then(|(key, _)| key[2..].parse().ok()).unwrap_or(0);
    let mut round = done + 1;
    while round <= done + arguments.number {
        let next = round + arguments.threads;
        std::thread::scope(|scope| {
            let commit = |number| scope.spawn(move || book.commit(&member_of(number), &[]));
            let threads: Vec<_> = (round..next).map(commit).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(answer) => answer.map(drop).map_err(Failure::from),
                Err(_) => Err(Failure::Wrong("a commit panicked".into())),
            })
        })?;
        acknowledge(next - 1, marks)?;
        round = next;
    }
    Ok(())
}

/// After rounds: all that was acknowledged is there; of the round under way each record is whole or absent.
fn compare_rounds(book: &MirroredBook, acked: u64, threads: u64) -> Result<usize, Failure> {
    let wrong = |why: String| Err(Failure::Wrong(why));
    let report = book.verify()?;
    if let Some(first) = report.wrong.first() {
        return wrong(first.clone());
    }
    let mut newest = None;
    let (mut rows, mut revisions) = (0, std::collections::BTreeSet::new());
    for number in 1..=acked + threads {
        let mut found = Vec::new();
        for write in member_of(number) {
            let Write::Put(key, value) = write else { continue };
            if key != "hot" {
                found.push(book.get(&key)?.map(|row| (row.revision, row.value == value)));
            }
        }
        match found.as_slice() {
            [None, None, None] if number > acked => {}
            [Some((a, true)), Some((b, true)), Some((c, true))] if a == b && b == c => {
                if !revisions.insert(*a) {
                    return wrong(format!("two records have revision {a}"));
                }
                newest = newest.max(Some((*a, number)));
                rows += found.len();
            }
            _ => return wrong(format!("{acked} was acknowledged; record {number} is {found:?}")),
        }
    }
    let hot = book.get("hot")?.map(|row| (row.revision, String::from_utf8_lossy(&row.value).into_owned()));
    if hot != newest.map(|(revision, number)| (revision, number.to_string())) {
        return wrong(format!("the row that all write is {hot:?}, and the newest record {newest:?}"));
    }
    rows += usize::from(hot.is_some());
    if report.rows != rows as u64 || report.sequence != revisions.last().copied().unwrap_or(0) {
        return wrong(format!("{} rows at commit {}, found {rows}", report.rows, report.sequence));
    }
    Ok(rows)
}

fn check(arguments: &Arguments) -> Result<(), Failure> {
    let open =
        || MirroredBook::open(&arguments.folder, arguments.mirror.as_deref(), arguments.options.clone());
    let book = open()?;
    let rows = match arguments.threads {
        1 => compare(&book, arguments.number)?,
        threads => compare_rounds(&book, arguments.number, threads)?,
    };
    let report = book.report().clone();
    if let Some(first) = report.wrong.first() {
        return Err(Failure::Wrong(first.clone()));
    }
    book.close()?;
    let again = open()?;
    if let Some(first) = again.report().repaired.first() {
        return Err(Failure::Wrong(format!("mended once more after it was mended: {first}")));
    }
    // It goes on, and the next start finds what it writes now. (`write` cannot go on after this: the number is used.)
    let newest = again.commit(&[], &[])?;
    drop(again);
    if open()?.verify()?.sequence != newest {
        return Err(Failure::Wrong(format!("commit {newest}, made after the check, is not there")));
    }
    println!("commit {}, {rows} rows, mended: {}", report.sequence, report.repaired.len());
    for note in report.repaired {
        println!("{note}");
    }
    Ok(())
}

/// The book holds what it must, and nothing else.
fn compare(book: &MirroredBook, acked: u64) -> Result<usize, Failure> {
    let wrong = |why: String| Err(Failure::Wrong(why));
    let report = book.verify()?;
    if let Some(first) = report.wrong.first() {
        return wrong(first.clone());
    }
    let newest = report.sequence;
    if newest < acked || newest > acked + 1 {
        return wrong(format!("{acked} was acknowledged, and the book ends at {newest}"));
    }
    let mut expected = rows_after(newest).into_iter();
    let (mut after, mut count): (Option<String>, usize) = (None, 0);
    loop {
        let page = book.scan("", after.as_deref(), 100)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        count += page.len();
        for (key, row) in page {
            match expected.next() {
                Some((wanted, (revision, value)))
                    if wanted == key && revision == row.revision && value == row.value => {}
                Some((wanted, _)) => {
                    return wrong(format!("row {wanted} is lost or altered; there is {key}"));
                }
                None => return wrong(format!("row {key} should not be there")),
            }
        }
    }
    match expected.next() {
        None => Ok(count),
        Some((key, _)) => wrong(format!("row {key} is lost")),
    }
}

/// Marks on the device, past the page cache, in one row with its other writes.
struct Marks {
    device: File,
    offset: u64,
}

impl Marks {
    fn open(path: &PathBuf) -> std::io::Result<Marks> {
        let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).expect("a flag fits");
        let mut device = OpenOptions::new().write(true).custom_flags(direct).open(path)?;
        let offset = device.seek(SeekFrom::End(0))?.saturating_sub(MARKS_BYTES);
        Ok(Marks { device, offset })
    }

    fn set(&self, number: u64) -> std::io::Result<()> {
        const BLOCK: usize = 512;
        const PAGE: usize = 4096;
        // O_DIRECT wants aligned memory; a piece of a larger buffer is.
        let mut buffer = vec![0u8; PAGE + BLOCK];
        let start = buffer.as_ptr().align_offset(PAGE);
        let block = &mut buffer[start..start + BLOCK];
        block[..8].copy_from_slice(b"SRMARK!!");
        block[8..16].copy_from_slice(&number.to_le_bytes());
        self.device.write_all_at(block, self.offset)
    }
}
