//! A ledger of schema 1 brought to today's by the first start, and the start after it: time and the most memory, by the built
//! program, at several sizes. The cost of an object must not grow with their number.
//!
//! One bag is ingested; its rows are then written again and again under other names into a ledger of schema 1. Numbers of
//! objects may be given: `cargo bench --bench upgrade -- 20000 100000`.

use std::fs;
use std::path::Path;
use std::time::Duration;
use strongroom::worlds::book::mirrored::{MirroredBook, Options};
use strongroom::worlds::book::{Book, Write};

mod watched;

use watched::run;

/// Sizes, unless others are given.
const SIZES: [u64; 2] = [5_000, 20_000];

/// Objects in one commit.
const AT_ONCE: u64 = 200;

fn main() {
    println!("  objects     rows  MiB  start      seconds  us an object  us of a core  MiB at most");
    for size in watched::given_or(&SIZES) {
        measure(size);
    }
}

fn measure(objects: u64) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
    let data = folder.path();
    let (rows, bytes) = fill(data, objects);
    // What was written is on its way to the disk; it is not to be waited for by what is measured.
    rustix::fs::sync();
    for start in ["upgrade", "the next"] {
        let run = run(data, &["item", "show", "1"]);
        let each = |time: Duration| time.as_micros() as u64 / objects.max(1);
        println!(
            "{objects:>9} {rows:>8} {:>4}  {start:<8} {:>9.1} {:>13} {:>13} {:>12}",
            bytes >> 20,
            run.took.as_secs_f64(),
            each(run.took),
            each(run.cpu),
            run.most >> 10
        );
    }
}

const NAME: &str = "bag-00000000";

/// The rows of one item and its object, and where its number stands in them.
fn model(data: &Path) -> Vec<(String, String)> {
    watched::one_bag(data, NAME);
    let ledger = data.join("data/ledger");
    let book = MirroredBook::open(&ledger, None, Options::default()).expect("the ledger opens");
    let rows = book.scan("", None, 10_000).expect("the ledger can be read");
    // What a ledger has once for all, and what today's schema adds.
    let of_schema_1 = |key: &str| !key.starts_with("u/") && !key.starts_with("m/");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("rows are text");
    rows.into_iter().filter(|(key, _)| of_schema_1(key)).map(|(key, row)| (key, text(row.value))).collect()
}

/// How many rows there are, and how many bytes they have.
fn fill(data: &Path, objects: u64) -> (u64, u64) {
    let model = model(data);
    let ledger = data.join("data/ledger");
    fs::remove_dir_all(&ledger).expect("there is a ledger to lose");
    let options = Options { schema: 1, ..Options::default() };
    let book = MirroredBook::open(&ledger, None, options).expect("a new ledger opens");
    let (mut rows, mut bytes) = (0, 0);
    for first in (0..objects).step_by(AT_ONCE as usize) {
        let numbers = first..objects.min(first + AT_ONCE);
        let batch: Vec<Write> = numbers.flat_map(|number| again(&model, number)).collect();
        rows += batch.len() as u64;
        bytes += batch.iter().map(weight).sum::<u64>();
        book.commit(&batch, &[]).expect("the disk has room");
    }
    book.close().expect("the ledger closes");
    (rows, bytes)
}

fn weight(write: &Write) -> u64 {
    match write {
        Write::Put(key, value) => (key.len() + value.len()) as u64,
        Write::Delete(key) => key.len() as u64,
    }
}

/// The rows of the model under another name and number.
fn again(model: &[(String, String)], number: u64) -> Vec<Write> {
    let (id, name) = (number + 1, format!("bag-{number:08}"));
    let (old_key, key) = (format!("{:012}", 1), format!("{id:012}"));
    let (old_item, item) = ("\"item\":1", format!("\"item\":{id}"));
    let rows = model.iter().map(|(row, value)| {
        let value = value.replace(NAME, &name).replace(old_item, &item);
        let value =
            if row.starts_with("i/") { value.replace("\"id\":1,", &format!("\"id\":{id},")) } else { value };
        Write::Put(row.replace(NAME, &name).replace(&old_key, &key), value.into_bytes())
    });
    rows.collect()
}
