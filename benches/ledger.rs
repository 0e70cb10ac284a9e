//! Commits a second: one thread, and eight that share their syncs.
//!
//! Lies under the target folder, so that the disk is the one the project lies on and not a memory file system.

use divan::Bencher;
use divan::counter::ItemsCount;
use std::sync::atomic::{AtomicU64, Ordering};
use strongroom::worlds::book::mirrored::{MirroredBook, Options};
use strongroom::worlds::book::{Book, Guard, Write};

fn main() {
    divan::main();
}

const COMMITS: u64 = 200;

fn value(number: u64) -> Vec<u8> {
    format!("{{\"n\":{number},\"text\":\"{}\"}}", "0123456789abcdef".repeat(60)).into_bytes()
}

fn fresh() -> (tempfile::TempDir, MirroredBook) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
    let book = MirroredBook::open(folder.path(), None, Options::default()).expect("a new ledger opens");
    (folder, book)
}

/// Commits of one record of about 1 KB, each guarded, from this many threads.
#[divan::bench(args = [1, 8], sample_count = 10, sample_size = 1)]
fn commit(bencher: Bencher<'_, '_>, threads: u64) {
    bencher.counter(ItemsCount::new(threads * COMMITS)).with_inputs(fresh).bench_local_refs(
        |(_folder, book)| {
            let next = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for _ in 0..COMMITS {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            let key = format!("i/{number:08}");
                            let guard = Guard { key: key.clone(), revision: None };
                            book.commit(&[Write::Put(key, value(number))], &[guard])
                                .expect("a commit succeeds");
                        }
                    });
                }
            });
        },
    );
}

/// A batch as a large stage writes it: many rows in one commit.
#[divan::bench(args = [10, 100], sample_count = 20, sample_size = 1)]
fn batch(bencher: Bencher<'_, '_>, rows: u64) {
    bencher.counter(ItemsCount::new(rows)).with_inputs(fresh).bench_local_refs(|(_folder, book)| {
        let batch: Vec<Write> = (0..rows).map(|n| Write::Put(format!("i/{n:08}"), value(n))).collect();
        book.commit(&batch, &[]).expect("a commit succeeds");
    });
}
