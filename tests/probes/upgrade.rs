//! The program under the sweeps of upgrades (`tests/faults/upgrade.py`): makes a ledger of schema 1, brings it to today's, and
//! says after whatever happened to it whether it is the one or the other, whole.
//!
//! - Its rows follow from the number of commits alone: a registry whose objects grow versions, and rows beside it.
//! - `old` acknowledges 1 when all its commits are there, `up` acknowledges 2 when the ledger is brought up: a line on stdout,
//!   and with `--marks` a block on the device, which lies in one row with the device's other writes.
//! - `check DIR ACKED` wants schema 1 with all rows of then, which the program of then can open, or today's with what follows
//!   from them and a backup that is whole; and a ledger that the next start brings up, or leaves as it is.

mod failure;

use failure::Failure;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use strongroom::books::ledger::migrations::STEPS;
use strongroom::rules::read::ReadAt;
use strongroom::work::backup::file;
use strongroom::work::upgrade::{Upgrade, UpgradeError};
use strongroom::worlds::book::mirrored::{MirroredBook, Options, SyncMode, look};
use strongroom::worlds::book::{Book, OLDEST, Row, SCHEMA, Write};

const USAGE: &str = "usage: upgrade_probe old DIR COMMITS [--marks DEVICE]
       upgrade_probe up DIR [--marks DEVICE] [--no-sync]
       upgrade_probe check DIR ACKED
old    makes a ledger of schema 1 in DIR/ledger with so many commits
up     brings it to today's schema; the backup goes to DIR/backups
check  exit 0 when it is one of the two, whole; exit 1 with a sentence when not
--no-sync is a negative control: a sweep of power cuts must find that it is not enough";

/// The process could not write or sync: it ends, as the real one does.
const EXIT_IO: u8 = 74;

/// Marks lie in the last 4 MiB of the device, behind the file system.
const MARKS_BYTES: u64 = 4 << 20;

/// Commits between two snapshots, about.
const COMPACT_BYTES: u64 = 6_000;

impl From<UpgradeError> for Failure {
    fn from(error: UpgradeError) -> Failure {
        match error {
            UpgradeError::Book(error) => error.into(),
            // Also where a disk gives an error: without a backup nothing is done.
            other => Failure::Io(other.to_string()),
        }
    }
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = given.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["old", folder, commits, marks @ ..] => old(Path::new(folder), number(commits), device(marks)),
        ["up", folder, more @ ..] => {
            let sync = match more.contains(&"--no-sync") {
                true => SyncMode::NeverForNegativeControl,
                false => SyncMode::Durable,
            };
            up(Path::new(folder), sync).and_then(|_| acknowledge(2, device(more)))
        }
        ["check", folder, acked] => check(Path::new(folder), number(acked)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
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

fn number(word: &str) -> u64 {
    word.parse().expect("the sweep gives a number")
}

fn device<'a>(marks: &[&'a str]) -> Option<&'a str> {
    marks.strip_prefix(&["--marks"]).and_then(|rest| rest.first().copied())
}

fn options(schema: u64) -> Options {
    let patience = Duration::from_secs(5);
    Options { compact_bytes: COMPACT_BYTES, index_patience: patience, schema, ..Options::default() }
}

/// Commit `number`, counted from 1: a version of one of seven objects, its object's row, and a row that only counts.
fn batch_of(number: u64) -> Vec<Write> {
    let put = |key: String, value: String| Write::Put(key, value.into_bytes());
    let (object, version) = (format!("strongroom:uva.edu/bag-{}", number % 7), number / 7 + 1);
    let at = jiff::Timestamp::from_second(1_700_000_000 + i64::try_from(number).expect("it is small"));
    let at = at.expect("it is a time of this century");
    let copy = |target: &str| {
        serde_json::json!({
            "target": target, "path": "p", "root": "r", "inventory_sha512": "", "proved_at": at,
        })
    };
    let row = serde_json::json!({
        "object": object, "version": version, "item": number, "inventory_sha512": "", "files": number,
        "bytes": 10 * number, "kept_at": at, "copies": [copy("vault-a"), copy("vault-b")],
    });
    vec![
        put(format!("o/{object}"), serde_json::json!({ "id": object, "head": version }).to_string()),
        put(format!("v/{object}/{version:06}"), row.to_string()),
        put("hot".into(), number.to_string()),
    ]
}

type Rows = BTreeMap<String, Vec<u8>>;

fn rows_after(commits: u64) -> Rows {
    let writes = (1..=commits).flat_map(batch_of);
    writes
        .filter_map(|write| match write {
            Write::Put(key, value) => Some((key, value)),
            Write::Delete(_) => None,
        })
        .collect()
}

/// What of the order of proofs follows from these rows: told once more, by other words than the program's.
fn proofs_of(rows: &Rows) -> Rows {
    let mut proofs: BTreeMap<(String, String), (i64, u64, u64)> = BTreeMap::new();
    for row in rows.iter().filter(|(key, _)| key.starts_with("v/")).map(|(_, value)| value) {
        let row: serde_json::Value = serde_json::from_slice(row).expect("it was made here");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
        for copy in row["copies"].as_array().into_iter().flatten() {
            let at: jiff::Timestamp = text(&copy["proved_at"]).parse().expect("it was made here");
            let (files, bytes) = (row["files"].as_u64().unwrap_or(0), row["bytes"].as_u64().unwrap_or(0));
            let known =
                proofs.entry((text(&copy["target"]), text(&row["object"]))).or_insert((i64::MAX, 0, 0));
            *known = (known.0.min(at.as_millisecond()), known.1 + files, known.2 + bytes);
        }
    }
    let row = |((target, object), (at, files, bytes)): ((String, String), (i64, u64, u64))| {
        (
            format!("u/{target}/{at:014}/{object}"),
            format!("{{\"files\":{files},\"bytes\":{bytes}}}").into_bytes(),
        )
    };
    proofs.into_iter().map(row).collect()
}

fn old(folder: &Path, commits: u64, marks: Option<&str>) -> Result<(), Failure> {
    let book = MirroredBook::open(&folder.join("ledger"), None, options(1))?;
    for number in 1..=commits {
        book.commit(&batch_of(number), &[])?;
    }
    // Not closed: the next start has something to apply.
    drop(book);
    acknowledge(1, marks)
}

fn up(folder: &Path, sync: SyncMode) -> Result<MirroredBook, Failure> {
    let options = Options { sync, ..options(SCHEMA) };
    let book = MirroredBook::open(&folder.join("ledger"), None, options)?;
    let upgrade = Upgrade {
        backups: &folder.join("backups"),
        steps: &STEPS,
        program: "9.2.0",
        oldest: OLDEST,
        now: jiff::Timestamp::now(),
        // The sweeps' disks are small, and full when they say so.
        room: |_| Ok((1 << 40, 1)),
    };
    Ok(upgrade.run(book, &mut |_| ())?)
}

fn acknowledge(number: u64, marks: Option<&str>) -> Result<(), Failure> {
    if let Some(path) = marks {
        let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).expect("a flag fits");
        let mut device = OpenOptions::new().write(true).custom_flags(direct).open(path)?;
        let offset = device.seek(SeekFrom::End(0))?.saturating_sub(MARKS_BYTES);
        mark(&device, offset, number)?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{number}")?;
    Ok(out.flush()?)
}

fn mark(device: &File, offset: u64, number: u64) -> std::io::Result<()> {
    // O_DIRECT wants an address that is a multiple of the sector.
    let mut room = vec![0u8; 1024 + 512];
    let from = room.as_ptr().align_offset(512);
    let sector = &mut room[from..from + 512];
    sector[..8].copy_from_slice(b"SRMARK!!");
    sector[8..16].copy_from_slice(&number.to_le_bytes());
    device.write_all_at(sector, offset)
}

fn check(folder: &Path, acked: u64) -> Result<(), Failure> {
    let wrong = |why: String| Err(Failure::Wrong(why));
    let ledger = folder.join("ledger");
    let seen = look(&ledger, None)?.map(|seen| seen.schema);
    let schema = match seen {
        Some(schema) => schema,
        None if acked == 0 => {
            println!("nothing yet");
            return Ok(());
        }
        None => return wrong("there is no ledger, and one was acknowledged".into()),
    };
    if acked >= 2 && schema != SCHEMA {
        return wrong(format!("it was brought up, and has schema {schema}"));
    }
    let book = MirroredBook::open(&ledger, None, options(schema))?;
    let commits = newest_of(&book)?;
    if schema == 1 {
        same(&book, &rows_after(commits), commits)?;
    } else {
        is_brought_up(folder, &book, commits)?;
    }
    let mended = book.report().repaired.len();
    drop(book);
    // The next start brings it up, or leaves it; and the one after it finds nothing to do.
    let book = up(folder, SyncMode::Durable)?;
    is_brought_up(folder, &book, commits)?;
    book.commit(&[], &[])?;
    book.close()?;
    let again = up(folder, SyncMode::Durable)?;
    if let Some(first) = again.report().repaired.first() {
        return wrong(format!("mended once more after it was mended: {first}"));
    }
    println!("schema {schema}, {commits} commits, mended: {mended}");
    Ok(())
}

fn newest_of(book: &MirroredBook) -> Result<u64, Failure> {
    let hot = book.get("hot")?;
    Ok(hot.and_then(|row| String::from_utf8(row.value).ok()?.parse().ok()).unwrap_or(0))
}

/// Today's schema, with what follows from the rows of then, and a backup that holds those rows.
fn is_brought_up(folder: &Path, book: &MirroredBook, commits: u64) -> Result<(), Failure> {
    let then = rows_after(commits);
    let mut expected = then.clone();
    expected.extend(proofs_of(&then));
    let imprint = book.imprint().ok_or_else(|| Failure::Wrong("it has no imprint".into()))?;
    let told = serde_json::to_vec(imprint).expect("it serialises");
    expected.insert("m/schema/000002".into(), told);
    same(book, &expected, commits)?;
    let backup = imprint.backup.as_ref().ok_or_else(|| Failure::Wrong("it names no backup".into()))?;
    let mut kept = Rows::new();
    // The sweep of power cuts looks at it elsewhere than where it was made.
    let named = Path::new(&backup.file).file_name().unwrap_or_default();
    let bytes = std::fs::read(folder.join("backups").join(named))
        .map_err(|error| Failure::Wrong(format!("the backup {}: {error}", backup.file)))?;
    let read = file::read(&bytes as &dyn ReadAt, &mut |key, value| {
        value.map(|value| kept.insert(key, value));
        Ok(())
    });
    match read {
        Err(error) => Err(Failure::Wrong(format!("the backup {}: {error}", backup.file))),
        Ok(_) if kept != then => Err(Failure::Wrong("the backup does not hold the rows of then".into())),
        Ok(_) => Ok(()),
    }
}

/// The book holds these rows and no others, and nothing is wrong with it.
fn same(book: &MirroredBook, expected: &Rows, commits: u64) -> Result<(), Failure> {
    let report = book.verify()?;
    if let Some(first) = report.wrong.first() {
        return Err(Failure::Wrong(first.clone()));
    }
    let rows: Vec<(String, Row)> = book.scan("", None, usize::MAX)?;
    let found: Rows = rows.into_iter().map(|(key, row)| (key, row.value)).collect();
    for key in expected.keys().chain(found.keys()) {
        if expected.get(key) != found.get(key) {
            return Err(Failure::Wrong(format!(
                "after {commits} commits the row {key} is not what it must be"
            )));
        }
    }
    Ok(())
}
