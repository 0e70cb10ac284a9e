//! The whole line: the built program ingests one bag into a fresh data folder, two targets, synced and read back.

use divan::Bencher;
use divan::counter::BytesCount;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use strongroom::model::digest::Algorithm;
use strongroom::rules::bagit::make;
use strongroom::rules::sort::MemoryScratch;

/// Files and bytes of each.
const BAGS: [(u64, u64); 3] = [(1, 64 << 20), (1_000, 4 << 10), (20, 1 << 20)];

fn main() {
    divan::main();
}

fn make_bag(folder: &Path, files: u64, size: u64) -> PathBuf {
    let path = folder.join("bench.tar");
    let mut out = BufWriter::new(File::create(&path).expect("the temporary folder can be written"));
    let mut files = (0..files).map(|number| {
        // Every file another content, or the targets would hold it once.
        let head = format!("{number:016}");
        let bytes = std::io::Cursor::new(head.into_bytes()).chain(std::io::repeat(b'x')).take(size);
        (format!("file-{number:06}.bin"), size, Box::new(bytes) as Box<dyn Read>)
    });
    let plan = make::Plan { algorithms: vec![Algorithm::Sha256, Algorithm::Sha512], ..make::Plan::default() };
    make::tar_bag(&mut out, "bench", &mut files, &plan, &MemoryScratch::default())
        .expect("a bag can be made");
    out.flush().expect("the temporary folder can be written");
    path
}

#[divan::bench(args = BAGS, sample_count = 5, sample_size = 1)]
fn ingest(bencher: Bencher<'_, '_>, (files, size): (u64, u64)) {
    let bags = tempfile::tempdir().expect("there is a temporary folder");
    let tar = make_bag(bags.path(), files, size);
    bencher
        .counter(BytesCount::new(files * size))
        .with_inputs(|| tempfile::tempdir().expect("there is a temporary folder"))
        .bench_values(|data| {
            let ended = Command::new(env!("CARGO_BIN_EXE_strongroom"))
                .args(["-q", "--data"])
                .arg(data.path())
                .arg("ingest")
                .arg(&tar)
                .output()
                .expect("the program starts");
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
            data
        });
}
