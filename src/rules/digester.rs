//! Digests of bytes that pass by, any set of algorithms in one read.
//!
//! - Every byte is read once, however many algorithms are asked for.
//! - Memory is bounded: one buffer, or a ring of `RING` chunks when one large file is spread over threads.
//! - Only this file names the crates that compute digests.

use crate::model::digest::{Algorithm, Digests};
use crate::rules::read::{ReadAt, Slice};
use crossbeam_channel::{Receiver, Sender};
use digest_of::Hasher;
use std::io::{self, Read};
use std::sync::Arc;

/// Computes several digests of one stream of bytes.
pub struct Digester {
    /// MD5 and a companion, block by block.
    beside: Vec<Hasher>,
    /// All others, piece by piece.
    alone: Vec<Hasher>,
}

impl Digester {
    /// A digester for these algorithms; naming one twice changes nothing.
    pub fn new(algorithms: &[Algorithm]) -> Digester {
        let mut wanted = algorithms.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let pair = pair_of(&wanted);
        let (beside, alone) = wanted.into_iter().partition::<Vec<_>, _>(|algorithm| pair.contains(algorithm));
        let start = |algorithms: Vec<Algorithm>| algorithms.into_iter().map(Hasher::new).collect();
        Digester { beside: start(beside), alone: start(alone) }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        // Piece by piece, so that every algorithm after the first finds the bytes in the processor's cache.
        for piece in bytes.chunks(PIECE) {
            for hasher in &mut self.alone {
                hasher.update(piece);
            }
            if self.beside.is_empty() {
                continue;
            }
            for block in piece.chunks(BLOCK) {
                for hasher in &mut self.beside {
                    hasher.update(block);
                }
            }
        }
    }

    /// The digests of all bytes taken.
    pub fn finish(self) -> Digests {
        let mut found = Digests::default();
        for hasher in self.beside.into_iter().chain(self.alone) {
            let (algorithm, bytes) = hasher.finish();
            found.set(algorithm, &bytes);
        }
        found
    }
}

/// Bytes given to one algorithm before the next: half of a first-level cache.
const PIECE: usize = 16 << 10;

/// Bytes given to MD5 and its companion in turns: one block of either. Each step of MD5 waits for the one before it, and
/// so does SHA with the processor's own instructions; in turns this short, one works while the other waits. Measured:
/// 0.47 GB/s for MD5 and SHA-256 together instead of 0.40, which is what both take one after the other.
const BLOCK: usize = 64;

/// MD5 and the algorithm that runs beside it. SHA-512 is none: it leaves the processor nothing to do meanwhile.
fn pair_of(wanted: &[Algorithm]) -> Vec<Algorithm> {
    let companion = [Algorithm::Sha256, Algorithm::Sha1].into_iter().find(|other| wanted.contains(other));
    match companion {
        Some(companion) if wanted.contains(&Algorithm::Md5) => vec![Algorithm::Md5, companion],
        _ => Vec::new(),
    }
}

/// Reads to the end through `buf`; gives the number of bytes and their digests.
pub fn digest_reader(
    read: &mut dyn Read,
    algorithms: &[Algorithm],
    buf: &mut [u8],
) -> io::Result<(u64, Digests)> {
    let mut digester = Digester::new(algorithms);
    let mut bytes = 0;
    loop {
        match read.read(buf) {
            Ok(0) => return Ok((bytes, digester.finish())),
            Ok(count) => {
                digester.update(&buf[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes of a chunk handed from the reader to the digesting threads.
const CHUNK: usize = 256 << 10;

/// Chunks that wait for one thread at most.
const WAITING: usize = 4;

/// Chunks in all: those waiting, one in work, one being read.
const RING: usize = WAITING + 2;

/// Digests `size` bytes from `offset` with the algorithms spread over threads, for `threads` processors: for one large file, when
/// there are no other files to keep the processors busy. `progress` hears of every chunk's bytes as it is read.
pub fn digest_fanned(
    from: &dyn ReadAt,
    offset: u64,
    size: u64,
    algorithms: &[Algorithm],
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<Digests> {
    let groups = group(algorithms, threads);
    let mut read = Slice::new(from, offset, size);
    std::thread::scope(|scope| {
        let mut senders = Vec::with_capacity(groups.len());
        let mut workers = Vec::with_capacity(groups.len());
        for algorithms in &groups {
            let (sender, receiver) = crossbeam_channel::bounded(WAITING);
            senders.push(sender);
            workers.push(scope.spawn(move || digest_chunks(algorithms, &receiver)));
        }
        let outcome = feed(&mut read, &senders, progress);
        // The threads end when their channels close; an early error must not leave them waiting.
        drop(senders);
        let mut found = Digests::default();
        for worker in workers {
            match worker.join() {
                Ok(digests) => found.0.extend(digests.0),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcome.map(|()| found)
    })
}

/// A chunk and how many of its bytes count.
type Chunk = (Arc<Vec<u8>>, usize);

fn feed(read: &mut Slice<'_>, senders: &[Sender<Chunk>], progress: &dyn Fn(u64)) -> io::Result<()> {
    let mut ring: Vec<Arc<Vec<u8>>> = Vec::with_capacity(RING);
    let mut turn = 0;
    while read.left() > 0 {
        if ring.len() < RING {
            ring.push(Arc::new(vec![0; CHUNK]));
            turn = ring.len() - 1;
        }
        // The channels are shorter than the ring, so the oldest chunk is nearly always free again; where a thread
        // still holds it, a new one takes its place and the old one goes when that thread lets go.
        if Arc::get_mut(&mut ring[turn]).is_none() {
            ring[turn] = Arc::new(vec![0; CHUNK]);
        }
        let chunk =
            Arc::get_mut(&mut ring[turn]).expect("nobody else holds a chunk just made or just found free");
        let count = fill(read, chunk)?;
        for sender in senders {
            if sender.send((ring[turn].clone(), count)).is_err() {
                return Err(io::Error::other("a digesting thread stopped"));
            }
        }
        progress(count as u64);
        turn = (turn + 1) % RING;
    }
    Ok(())
}

fn fill(read: &mut Slice<'_>, chunk: &mut [u8]) -> io::Result<usize> {
    let want = usize::try_from(read.left()).unwrap_or(usize::MAX).min(chunk.len());
    read.read_exact(&mut chunk[..want])?;
    Ok(want)
}

fn digest_chunks(algorithms: &[Algorithm], chunks: &Receiver<Chunk>) -> Digests {
    let mut digester = Digester::new(algorithms);
    for (chunk, count) in chunks {
        digester.update(&chunk[..count]);
    }
    digester.finish()
}

/// Algorithms in groups, a thread each. One group more than threads to run on, where there are algorithms enough: no
/// two groups of ours cost the same, so the scheduler evens out what is left over. Measured, two processors: 2.9 s a GiB
/// with MD5 and SHA-256, SHA-512, SHA-1 in three groups, 3.2 s with SHA-512 and SHA-1 in one.
fn group(algorithms: &[Algorithm], threads: usize) -> Vec<Vec<Algorithm>> {
    let mut wanted = algorithms.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    // Who runs beside another saves time, but not when each may have a processor of its own.
    let pair = if threads < wanted.len() { pair_of(&wanted) } else { Vec::new() };
    let mut units: Vec<Vec<Algorithm>> =
        wanted.iter().filter(|one| !pair.contains(one)).map(|one| vec![*one]).collect();
    units.extend(Some(pair).filter(|pair| !pair.is_empty()));
    let cost_of = |unit: &Vec<Algorithm>| unit.iter().map(|algorithm| cost(*algorithm)).sum::<u32>();
    // The dearest first, each to the cheapest group.
    units.sort_by_key(|unit| std::cmp::Reverse(cost_of(unit)));
    let count = if threads > 1 { threads + 1 } else { 1 };
    let mut groups = vec![(0, Vec::new()); count.clamp(1, units.len().max(1))];
    for unit in units {
        let cheapest = groups.iter_mut().min_by_key(|group| group.0).expect("there is at least one group");
        cheapest.0 += cost_of(&unit);
        cheapest.1.extend(unit);
    }
    groups.into_iter().map(|group| group.1).collect()
}

/// Picoseconds a byte, measured on one x86-64 core with SHA extensions, each alone; only their proportions matter.
fn cost(algorithm: Algorithm) -> u32 {
    match algorithm {
        Algorithm::Md5 => 1_590,
        Algorithm::Sha1 => 530,
        Algorithm::Sha224 | Algorithm::Sha256 => 560,
        Algorithm::Sha384 | Algorithm::Sha512 | Algorithm::Sha512_256 => 1_720,
        Algorithm::Sha3_256 => 2_300,
        Algorithm::Sha3_512 => 4_300,
        Algorithm::Blake2b512 => 1_200,
    }
}

/// One enum over the digest crates, so that a digester is a plain `Send` value without boxes.
mod digest_of {
    use crate::model::digest::Algorithm;
    use sha2::Digest;

    macro_rules! hashers {
        ($($name:ident: $kind:ty),* $(,)?) => {
            /// The running state of one algorithm.
            pub enum Hasher { $($name(Box<$kind>)),* }

            impl Hasher {
                /// Nothing hashed yet.
                pub fn new(algorithm: Algorithm) -> Hasher {
                    match algorithm { $(Algorithm::$name => Hasher::$name(Box::new(<$kind>::new()))),* }
                }

                /// Takes the next bytes.
                pub fn update(&mut self, bytes: &[u8]) {
                    match self { $(Hasher::$name(state) => state.update(bytes)),* }
                }

                /// The digest.
                pub fn finish(self) -> (Algorithm, Vec<u8>) {
                    match self { $(Hasher::$name(state) => (Algorithm::$name, state.finalize().to_vec())),* }
                }
            }
        };
    }

    hashers! {
        Md5: md5::Md5,
        Sha1: sha1::Sha1,
        Sha224: sha2::Sha224,
        Sha256: sha2::Sha256,
        Sha384: sha2::Sha384,
        Sha512: sha2::Sha512,
        Sha512_256: sha2::Sha512_256,
        Sha3_256: sha3::Sha3_256,
        Sha3_512: sha3::Sha3_512,
        Blake2b512: blake2::Blake2b512,
    }
}

/// SHA-256 of a few bytes held in memory, in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex_of(Algorithm::Sha256, bytes)
}

/// SHA-512 of a few bytes held in memory, in lower-case hexadecimal.
pub fn sha512_hex(bytes: &[u8]) -> String {
    hex_of(Algorithm::Sha512, bytes)
}

fn hex_of(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut digester = Digester::new(&[algorithm]);
    digester.update(bytes);
    digester.finish().get(algorithm).expect("it was asked for").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests of "abc": FIPS 180-4 and 202 examples, RFC 1321 and RFC 7693.
    #[rustfmt::skip]
    const ABC: [(Algorithm, &str); 10] = [
        (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Algorithm::Sha224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (Algorithm::Sha384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
        (Algorithm::Sha512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
        (Algorithm::Sha512_256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        (Algorithm::Sha3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        (Algorithm::Sha3_512, "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0"),
        (Algorithm::Blake2b512, "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"),
    ];

    #[test]
    fn every_algorithm_gives_its_published_digest_of_abc() {
        let mut digester = Digester::new(&Algorithm::ALL);
        digester.update(b"a");
        digester.update(b"bc");
        let found = digester.finish();
        for (algorithm, expected) in ABC {
            assert_eq!(found.get(algorithm), Some(expected), "{algorithm}");
            assert_eq!(expected.len(), algorithm.len() * 2);
        }
    }

    #[test]
    fn one_file_over_threads_gives_the_digests_of_one_thread() {
        let bytes: Vec<u8> = (0..3 * CHUNK as u32 + 17).map(|n| (n % 251) as u8).collect();
        // SHA-3 is left out: without optimisation it would take seconds.
        let all: Vec<Algorithm> = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| !matches!(algorithm, Algorithm::Sha3_256 | Algorithm::Sha3_512))
            .collect();
        let (count, alone) = digest_reader(&mut &bytes[5..], &all, &mut [0; 999]).unwrap();
        assert_eq!(count, bytes.len() as u64 - 5);
        for threads in [1, 2, 3, 40] {
            let seen = std::sync::atomic::AtomicU64::new(0);
            let hear = |n| {
                seen.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
            };
            let fanned = digest_fanned(&bytes, 5, count, &all, threads, &hear).unwrap();
            assert_eq!(fanned, alone, "{threads} threads");
            assert_eq!(seen.into_inner(), count);
        }
    }

    #[test]
    fn a_file_that_ends_early_is_an_error_and_no_thread_is_left_waiting() {
        let bytes = vec![0; CHUNK];
        let error = digest_fanned(&bytes, 0, 2 * CHUNK as u64, &Algorithm::OURS, 2, &|_| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn our_four_algorithms_are_spread_over_one_group_more_than_threads() {
        use Algorithm::{Md5, Sha1, Sha256, Sha512};
        assert_eq!(group(&Algorithm::OURS, 1), [vec![Md5, Sha256, Sha512, Sha1]]);
        assert_eq!(group(&Algorithm::OURS, 2), [vec![Md5, Sha256], vec![Sha512], vec![Sha1]]);
        assert_eq!(group(&Algorithm::OURS, 4), [vec![Sha512], vec![Md5], vec![Sha256], vec![Sha1]]);
        fn is_send<T: Send>() {}
        is_send::<Digester>();
    }

    #[test]
    fn md5_beside_another_gives_what_it_gives_alone_whatever_the_pieces() {
        let bytes: Vec<u8> = (0..3 * PIECE as u32 + 29).map(|n| (n % 253) as u8).collect();
        for set in
            [&[Algorithm::Md5, Algorithm::Sha256][..], &[Algorithm::Md5, Algorithm::Sha1], &Algorithm::OURS]
        {
            for step in [1, 63, 64, 65, 4_096, PIECE + 1] {
                let mut together = Digester::new(set);
                bytes.chunks(step).for_each(|piece| together.update(piece));
                let together = together.finish();
                for algorithm in set {
                    let mut alone = Digester::new(&[*algorithm]);
                    alone.update(&bytes);
                    assert_eq!(
                        together.get(*algorithm),
                        alone.finish().get(*algorithm),
                        "{algorithm}, {step} bytes"
                    );
                }
            }
        }
    }
}
