//! Choosing what is due to be proved among a million copies: time of one choice, time of counting all of them, and what
//! memory either takes. The ledger is the real one, in the target folder.
//!
//! Another number may be given: `cargo bench --bench due -- 100000`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Instant;
use strongroom::books::ledger::Ledger;
use strongroom::work::stages::INGEST_LINE;
use strongroom::worlds::World;
use strongroom::worlds::book::mirrored::{MirroredBook, Options};
use strongroom::worlds::book::{Book, Write};
use strongroom::worlds::clock::system::SystemClock;
use strongroom::worlds::disk::local::LocalDisk;
use strongroom::worlds::outlet::rehearsal::RehearsalOutlet;
use strongroom::worlds::source::local::LocalSource;

/// Copies, unless another number is given.
const COPIES: u64 = 1_000_000;

/// Rows of one commit.
const BATCH: u64 = 10_000;

/// Rows of one choice, as a sweep makes it.
const PAGE: usize = 64;

fn main() {
    let copies = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(COPIES);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
    let book = MirroredBook::open(&folder.path().join("ledger"), None, Options::default());
    let book: Arc<dyn Book> = Arc::new(book.expect("a new ledger can be opened"));
    let began = Instant::now();
    for batch in 0..copies.div_ceil(BATCH) {
        let rows: Vec<Write> = (0..BATCH).map(|row| row_of(batch * BATCH + row)).collect();
        book.commit(&rows, &[]).expect("the disk has room");
    }
    println!("{copies} copies noted in {:.1} s", began.elapsed().as_secs_f64());
    let world = World {
        source: Arc::new(LocalSource::new()),
        targets: BTreeMap::new(),
        disk: Arc::new(LocalDisk::open(&[]).expect("no volumes can be opened")),
        outlets: Arc::new(RehearsalOutlet::new(Arc::default())),
        clock: Arc::new(SystemClock::new()),
        book,
    };
    let ledger = Ledger::new(Arc::new(world), &INGEST_LINE);
    let before = memory();
    let choices = 1_000;
    let (began, mut place, mut seen) = (Instant::now(), None, 0);
    for _ in 0..choices {
        let page = ledger.oldest_proofs("vault-a", place.as_deref(), PAGE).expect("the ledger can be read");
        seen += page.len();
        place = page.last().map(|copy| copy.place.clone());
    }
    let each = began.elapsed().as_secs_f64() * 1_000.0 / f64::from(choices);
    println!("choosing {PAGE} of them: {each:.3} ms ({seen} chosen), {} KiB more memory", memory() - before);
    let (began, mut place, mut seen) = (Instant::now(), None, 0);
    loop {
        let page = ledger.oldest_proofs("vault-a", place.as_deref(), 4_096).expect("the ledger can be read");
        let Some(last) = page.last() else { break };
        seen += page.len();
        place = Some(last.place.clone());
    }
    println!(
        "counting all {seen}: {:.2} s, {} KiB more memory",
        began.elapsed().as_secs_f64(),
        memory() - before
    );
}

/// A copy, its time of proof scattered over a quarter.
fn row_of(number: u64) -> Write {
    let time = 1_767_225_600_000 + (number * 7_919_000) % (90 * 86_400_000);
    let key = format!("u/vault-a/{time:014}/strongroom:uva.edu/a-bag-of-some-name-{number:08}");
    Write::Put(key, br#"{"files":120,"bytes":734003200}"#.to_vec())
}

/// The memory that this process holds, in KiB.
fn memory() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
