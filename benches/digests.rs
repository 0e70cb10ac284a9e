//! How fast bytes are digested: each algorithm alone, our four in one read, and one large file over threads.

use divan::Bencher;
use divan::counter::BytesCount;
use strongroom::model::digest::Algorithm;
use strongroom::rules::digester::{Digester, digest_fanned};

/// Large enough to outgrow the caches.
const SIZE: usize = 32 << 20;

fn main() {
    divan::main();
}

fn bytes() -> Vec<u8> {
    (0..SIZE).map(|n| (n % 251) as u8).collect()
}

fn digest(bencher: Bencher<'_, '_>, algorithms: &[Algorithm]) {
    let bytes = bytes();
    bencher.counter(BytesCount::new(SIZE)).bench(|| {
        let mut digester = Digester::new(algorithms);
        for chunk in bytes.chunks(256 << 10) {
            digester.update(chunk);
        }
        digester.finish()
    });
}

#[divan::bench(args = Algorithm::ALL, max_time = 3)]
fn alone(bencher: Bencher<'_, '_>, algorithm: &Algorithm) {
    digest(bencher, &[*algorithm]);
}

#[divan::bench(max_time = 3)]
fn our_four_in_one_thread(bencher: Bencher<'_, '_>) {
    digest(bencher, &Algorithm::OURS);
}

#[divan::bench(args = [1, 2, 4], max_time = 3)]
fn our_four_over_threads(bencher: Bencher<'_, '_>, threads: usize) {
    let bytes = bytes();
    bencher
        .counter(BytesCount::new(SIZE))
        .bench(|| digest_fanned(&bytes, 0, SIZE as u64, &Algorithm::OURS, threads, &|_| {}));
}
