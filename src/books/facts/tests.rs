use super::*;
use crate::model::trouble::Stop;
use crate::rules::sort::{Row, Scratch, Sorter};
use crate::worlds::disk::rehearsal::RehearsalDisk;
use crate::worlds::fate::{Blow, Fate};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fact {
    n: u64,
    text: String,
}

fn facts(count: u64) -> Vec<Fact> {
    (0..count)
        .map(|n| Fact { n, text: format!("data/ä \"{n}\"\n{}", "x".repeat((n % 7) as usize)) })
        .collect()
}

fn disk() -> (RehearsalDisk, Arc<Fate>) {
    let fate = Arc::new(Fate::default());
    (RehearsalDisk::new(fate.clone()), fate)
}

fn folder() -> Place {
    Place { volume: "staging".to_string(), path: "41".to_string() }
}

fn write(disk: &RehearsalDisk, fence: u64, rows: &[Fact]) -> Seal {
    let mut writer = FactsWriter::create(disk, &folder(), "members", fence).unwrap();
    for row in rows {
        writer.push(row).unwrap();
    }
    writer.seal().unwrap()
}

fn read(disk: &RehearsalDisk, seal: &Seal) -> Result<Vec<Fact>, Trouble> {
    FactsReader::open(disk, &folder(), seal)?.collect()
}

#[test]
fn sealed_facts_read_back_as_they_were_pushed() {
    for count in [0, 1, 2_000, 30_000] {
        let (disk, _) = disk();
        let rows = facts(count);
        let seal = write(&disk, 1, &rows);
        assert_eq!(seal.count, count);
        assert_eq!(read(&disk, &seal).unwrap(), rows);
        let files: Vec<String> = disk.files().into_keys().map(|place| place.path).collect();
        assert_eq!(files, ["41/members"], "nothing else is left");
    }
}

#[test]
fn a_line_is_crc_space_json_newline() {
    let (disk, _) = disk();
    let seal = write(&disk, 1, &[Fact { n: 7, text: "a".to_string() }]);
    let bytes = disk.files().remove(&folder().join(&seal.file)).unwrap();
    let json = "{\"n\":7,\"text\":\"a\"}";
    let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    assert_eq!(String::from_utf8(bytes).unwrap(), line);
}

#[test]
fn one_flipped_bit_anywhere_is_noticed() {
    let (disk, _) = disk();
    let seal = write(&disk, 1, &facts(12));
    let place = folder().join("members");
    for bit in 0..seal.bytes * 8 {
        let flip = |bytes: &mut Vec<u8>| bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        assert!(disk.damage(&place, flip));
        let trouble = read(&disk, &seal).unwrap_err();
        assert_eq!(trouble.kind, Kind::FactsDamaged, "bit {bit}: {}", trouble.sentence());
        disk.damage(&place, flip);
    }
    read(&disk, &seal).unwrap();
}

#[test]
fn a_shorter_longer_missing_or_exchanged_file_is_noticed() {
    let (disk, _) = disk();
    let seal = write(&disk, 1, &facts(12));
    let place = folder().join("members");
    let good = disk.files().remove(&place).unwrap();
    for length in 0..good.len() {
        disk.damage(&place, |bytes| *bytes = good[..length].to_vec());
        assert_eq!(read(&disk, &seal).unwrap_err().kind, Kind::FactsDamaged, "{length} bytes");
    }
    disk.damage(&place, |bytes| *bytes = [&good[..], b"\n"].concat());
    assert_eq!(read(&disk, &seal).unwrap_err().kind, Kind::FactsDamaged, "one more");
    // Whole lines in another order: every CRC and the length are right, the digest is not.
    let text = String::from_utf8(good).unwrap();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.reverse();
    disk.damage(&place, |bytes| *bytes = lines.concat().into_bytes());
    assert_eq!(read(&disk, &seal).unwrap_err().kind, Kind::FactsDamaged, "reversed");
    disk.remove(&place).unwrap();
    assert_eq!(read(&disk, &seal).unwrap_err().kind, Kind::FactsDamaged, "missing");
}

#[test]
fn a_reader_ends_after_its_trouble() {
    let (disk, _) = disk();
    let seal = write(&disk, 1, &facts(3));
    disk.damage(&folder().join("members"), |bytes| bytes[0] ^= 1);
    let mut reader: FactsReader<Fact> = FactsReader::open(&disk, &folder(), &seal).unwrap();
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

#[test]
fn a_file_torn_at_any_byte_resumes_to_the_same_seal() {
    let (whole, _) = disk();
    let rows = facts(9);
    let undisturbed = write(&whole, 3, &rows);
    let bytes = whole.files().remove(&folder().join("members")).unwrap();
    for length in 0..=bytes.len() {
        let (disk, _) = disk();
        disk.append(&folder().join("members.2.part"), 0, &bytes[..length]).unwrap();
        // An even older one, which a crash between two takeovers left.
        disk.append(&folder().join("members.1.part"), 0, &bytes).unwrap();
        let mut back: Vec<Fact> = Vec::new();
        let mut each = |json: &[u8]| back.push(serde_json::from_slice(json).unwrap());
        let mut writer = FactsWriter::resume(&disk, &folder(), "members", 3, &mut each).unwrap();
        let whole_lines = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(back, rows[..whole_lines], "torn at {length}");
        assert_eq!(writer.count(), whole_lines as u64);
        for row in &rows[whole_lines..] {
            writer.push(row).unwrap();
        }
        assert_eq!(writer.seal().unwrap(), undisturbed, "torn at {length}");
        assert_eq!(disk.files().into_keys().map(|place| place.path).collect::<Vec<_>>(), ["41/members"]);
        assert_eq!(read(&disk, &undisturbed).unwrap(), rows);
    }
}

#[test]
fn resume_goes_no_further_than_the_first_bad_line() {
    let (disk, _) = disk();
    let mut writer = FactsWriter::create(&disk, &folder(), "members", 1).unwrap();
    let rows = facts(9);
    for row in &rows {
        writer.push(row).unwrap();
    }
    writer.sync().unwrap();
    let part = folder().join("members.1.part");
    let bytes = disk.files().remove(&part).unwrap();
    let fifth = bytes.split_inclusive(|byte| *byte == b'\n').take(4).map(<[u8]>::len).sum::<usize>();
    disk.damage(&part, |bytes| bytes[fifth + 12] ^= 0x10);
    let mut count = 0;
    let writer = FactsWriter::resume(&disk, &folder(), "members", 2, &mut |_| count += 1).unwrap();
    assert_eq!((count, writer.count()), (4, 4));
    let seal = writer.seal().unwrap();
    assert_eq!(read(&disk, &seal).unwrap(), rows[..4]);
}

#[test]
fn an_earlier_lease_cannot_write_into_the_file_that_was_taken_over() {
    let (disk, _) = disk();
    let mut late = FactsWriter::create(&disk, &folder(), "members", 1).unwrap();
    late.push(&facts(1)[0]).unwrap();
    late.sync().unwrap();
    let mut owner = FactsWriter::resume(&disk, &folder(), "members", 2, &mut |_| {}).unwrap();
    late.push(&facts(2)[1]).unwrap();
    assert!(late.sync().is_err(), "its file is gone");
    owner.push(&facts(3)[2]).unwrap();
    let seal = owner.seal().unwrap();
    assert_eq!(read(&disk, &seal).unwrap(), [facts(3)[0].clone(), facts(3)[2].clone()]);
    drop(FactsWriter::resume(&disk, &folder(), "other", 9, &mut |_| {}).unwrap());
    disk.append(&folder().join("members.3.part"), 0, b"").unwrap();
    assert!(FactsWriter::create(&disk, &folder(), "members", 2).is_err(), "a newer lease is at work");
}

#[test]
fn reopen_takes_back_what_was_published_before_its_checkpoint() {
    let (disk, _) = disk();
    let rows = facts(5);
    write(&disk, 1, &rows[..3]);
    let mut back = 0;
    let plain = FactsWriter::resume(&disk, &folder(), "members", 2, &mut |_| back += 1).unwrap();
    assert_eq!((back, plain.count()), (0, 0), "resume leaves published files alone");
    let mut writer = FactsWriter::reopen(&disk, &folder(), "members", 3, &mut |_| back += 1).unwrap();
    assert_eq!(back, 3);
    writer.push(&rows[3]).unwrap();
    writer.push(&rows[4]).unwrap();
    let seal = writer.seal().unwrap();
    assert_eq!(read(&disk, &seal).unwrap(), rows);
}

#[test]
fn whatever_write_fails_or_loses_power_the_resumed_facts_are_the_undisturbed_ones() {
    let rows = facts(40);
    let attempt = |disk: &RehearsalDisk, fence: u64| -> Result<Seal, DiskError> {
        let mut done = 0;
        let mut writer = FactsWriter::resume(disk, &folder(), "members", fence, &mut |_| done += 1)?;
        for (place, row) in rows.iter().enumerate().skip(done) {
            writer.push(row)?;
            if place % 8 == 7 {
                writer.sync()?;
            }
        }
        writer.seal()
    };
    let (calm, calm_fate) = disk();
    calm_fate.plan(u64::MAX, Blow::Error);
    let undisturbed = attempt(&calm, 1).unwrap();
    let writes = calm_fate.writes();
    assert_eq!(writes, 6);
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let (disk, fate) = disk();
            fate.plan(at, blow);
            assert!(attempt(&disk, 1).is_err(), "{blow:?} at {at}");
            fate.recover();
            assert_eq!(attempt(&disk, 2).unwrap(), undisturbed, "{blow:?} at {at}");
            assert_eq!(read(&disk, &undisturbed).unwrap(), rows, "{blow:?} at {at}");
        }
    }
}

#[test]
fn a_row_that_is_too_long_is_refused_and_the_others_stay() {
    let (disk, _) = disk();
    let mut writer = FactsWriter::create(&disk, &folder(), "members", 1).unwrap();
    writer.push(&facts(1)[0]).unwrap();
    assert!(writer.push(&"x".repeat(LINE_MAX)).is_err());
    let longest = "x".repeat(LINE_MAX - HEAD - 3);
    writer.push(&Fact { n: 1, text: String::new() }).unwrap();
    let seal = writer.seal().unwrap();
    assert_eq!(read(&disk, &seal).unwrap().len(), 2);
    let mut writer = FactsWriter::create(&disk, &folder(), "long", 1).unwrap();
    writer.push(&longest).unwrap();
    let seal = writer.seal().unwrap();
    let back: Vec<String> =
        FactsReader::open(&disk, &folder(), &seal).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(back, [longest]);
}

#[test]
fn a_blob_is_read_back_only_if_it_is_what_was_sealed() {
    let (disk, fate) = disk();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut fill = |out: &mut dyn Write| -> Result<(), Stop> {
        out.write_all(&bytes).map_err(|error| Trouble::new(Kind::Panicked, error.to_string()).into())
    };
    let seal = write_blob(&disk, &folder(), "inventory.json", 1, &mut fill).unwrap();
    assert_eq!((seal.count, seal.bytes), (0, 3_000_000));
    let blob = open_blob(&disk, &folder(), &seal).unwrap();
    let mut some = [0; 4];
    assert_eq!(blob.read_at(&mut some, 251 * 10_000).unwrap(), 4);
    assert_eq!(some, [0, 1, 2, 3]);
    drop(blob);
    disk.damage(&folder().join("inventory.json"), |bytes| bytes[2_999_999] ^= 1);
    assert_eq!(open_blob(&disk, &folder(), &seal).err().unwrap().kind, Kind::FactsDamaged);

    // A full volume comes through as waiting for space, whatever the filler makes of the error.
    fate.plan(2, Blow::Full);
    let stop = write_blob(&disk, &folder(), "second", 1, &mut fill).unwrap_err();
    assert!(matches!(stop, Stop::Wait(_)), "{stop:?}");
}

#[test]
fn a_sorter_in_staging_sorts_and_leaves_nothing() {
    let (disk, fate) = disk();
    let place = folder().join("sort");
    disk.append(&place.join("run-7"), 0, b"left by a process that was killed").unwrap();
    let scratch = StagingScratch::new(&disk, place.clone());
    let mut sorter = Sorter::new(&scratch, 2_000);
    for n in 0..5_000u32 {
        sorter.push(n.wrapping_mul(2_654_435_761).to_be_bytes().to_vec(), vec![1]).unwrap();
    }
    let sorted: Vec<Row> = sorter.finish().unwrap().map(Result::unwrap).collect();
    assert_eq!(sorted.len(), 5_000);
    assert!(sorted.is_sorted());
    assert!(disk.list(&place).unwrap().is_empty(), "every run was forgotten");

    let run = scratch.keep(&mut &b"bytes"[..]).unwrap();
    let mut text = String::new();
    scratch.open(run).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "bytes");
    fate.plan(1, Blow::Full);
    let full = scratch.keep(&mut &b"bytes"[..]).unwrap_err();
    assert!(matches!(scratch_stop("staging", full), Stop::Wait(_)));
    drop(scratch);
    assert!(disk.files().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_strings_in_any_batches_come_back(rows in prop::collection::vec(".*", 0..40), syncs in prop::collection::btree_set(0usize..40, 0..10), stop in 0usize..40) {
        any_rows(&rows, &syncs, stop);
    }
}

fn any_rows(rows: &[String], syncs: &BTreeSet<usize>, stop: usize) {
    let (disk, _) = disk();
    let stop = stop.min(rows.len());
    let mut writer = FactsWriter::create(&disk, &folder(), "any", 1).unwrap();
    for (place, row) in rows[..stop].iter().enumerate() {
        writer.push(row).unwrap();
        if syncs.contains(&place) {
            writer.sync().unwrap();
        }
    }
    // Dropped without seal: rows behind the last sync are lost, those before it are not.
    drop(writer);
    let durable = syncs.iter().filter(|place| **place < stop).max().map_or(0, |last| last + 1);
    let mut back: Vec<String> = Vec::new();
    let mut each = |json: &[u8]| back.push(serde_json::from_slice(json).unwrap());
    let mut writer = FactsWriter::resume(&disk, &folder(), "any", 2, &mut each).unwrap();
    assert_eq!(back, rows[..durable]);
    for row in &rows[durable..] {
        writer.push(row).unwrap();
    }
    let seal = writer.seal().unwrap();
    let all: Vec<String> =
        FactsReader::open(&disk, &folder(), &seal).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(all, rows);
}

#[test]
fn a_reader_goes_on_where_another_stopped_and_a_wrong_place_is_noticed() {
    let (disk, _) = disk();
    let rows = facts(5_000);
    let seal = write(&disk, 1, &rows);
    let (mut from, mut read) = (0, Vec::new());
    while from < seal.bytes {
        let mut reader = FactsReader::<Fact>::open_at(&disk, &folder(), &seal, from).unwrap();
        read.extend(reader.by_ref().take(700).map(Result::unwrap));
        assert!(reader.at() > from);
        from = reader.at();
    }
    assert_eq!(read, rows);
    let mut reader = FactsReader::<Fact>::open_at(&disk, &folder(), &seal, 1).unwrap();
    assert!(reader.next().unwrap().is_err());
    assert!(FactsReader::<Fact>::open_at(&disk, &folder(), &seal, u64::MAX).unwrap().next().is_none());
}
