//! What opening a ledger does with damage of every kind, on real files.

use super::durable::SyncMode;
use super::journal::{Head, Journal};
use super::mirrored::{MirroredBook, Options};
use super::opening::Opening;
use super::record::{Kind, Record, Scanner};
use super::{Book, BookError, SCHEMA, Write};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

fn options() -> Options {
    // What syncing is for shows in tests/faults; here it would only be slow.
    Options { sync: SyncMode::NeverForNegativeControl, lock_patience: Duration::ZERO, ..Options::default() }
}

fn open(folder: &Path) -> Result<MirroredBook, BookError> {
    MirroredBook::open(folder, None, options())
}

fn damage_named(folder: &Path) -> String {
    match open(folder) {
        Err(BookError::Damaged { what }) => what,
        Err(other) => panic!("not damaged: {other}"),
        Ok(book) => panic!("it opened: {:?}", book.report()),
    }
}

fn put(number: u64) -> Write {
    Write::Put(format!("k/{number:03}"), format!("{{\"n\":{number}}}").into_bytes())
}

fn open_journal(copies: [PathBuf; 2], new: bool) -> Result<(Journal, Vec<String>), BookError> {
    Journal::open(copies, new, &Options::default(), &mut Opening::new(&mut |_| ()))
}

/// Commits these numbers, one each.
fn fill(book: &MirroredBook, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        assert_eq!(book.commit(&[put(number)], &[]).unwrap(), number);
    }
}

/// A ledger with commits 1 to `count`, closed.
fn ledger(count: u64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path()).unwrap();
    fill(&book, 1..=count);
    book.close().unwrap();
    folder
}

/// All is there, up to `count`; gives what was mended.
fn holds(folder: &Path, count: u64) -> Vec<String> {
    let book = open(folder).unwrap();
    let report = book.verify().unwrap();
    assert_eq!((report.sequence, report.rows, &report.wrong), (count, count, &vec![]));
    for number in 1..=count {
        let Write::Put(key, value) = put(number) else { unreachable!("put gives a Put") };
        assert_eq!(book.get(&key).unwrap().unwrap().value, value);
    }
    report.repaired
}

fn segment(folder: &Path, copy: &str, at: u64) -> PathBuf {
    folder.join(copy).join(format!("segment-{at:020}"))
}

/// Places of the records of a file, head first.
fn records(path: &Path) -> Vec<std::ops::Range<usize>> {
    let mut scanner = Scanner::open(path).unwrap().unwrap();
    let found = std::iter::from_fn(|| scanner.next_good());
    found.map(|found| usize::try_from(found.from).unwrap()..usize::try_from(found.to).unwrap()).collect()
}

/// Flips a bit in the middle of each of these records.
fn flip(path: &Path, which: &[usize]) {
    let places = records(path);
    let mut bytes = std::fs::read(path).unwrap();
    for place in which.iter().map(|nth| &places[*nth]) {
        bytes[(place.start + place.end) / 2] ^= 4;
    }
    std::fs::write(path, bytes).unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &place)
        } else {
            drop(std::fs::copy(entry.path(), place))
        }
    }
}

fn all_files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for copy in ["journal-a", "journal-b"] {
        for entry in folder.join(copy).read_dir().unwrap() {
            let path = entry.unwrap().path();
            files.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    files
}

#[test]
fn a_copy_that_is_lost_is_made_anew_from_the_other() {
    for lost in ["journal-a", "journal-b"] {
        let folder = ledger(7);
        std::fs::remove_dir_all(folder.path().join(lost)).unwrap();
        let mended = holds(folder.path(), 7);
        assert_eq!(mended.len(), 1, "{mended:?}");
        assert!(mended[0].contains(lost) && mended[0].contains("made anew"), "{mended:?}");
        assert_eq!(holds(folder.path(), 7), [""; 0], "the second start has nothing to mend");
    }
}

#[test]
fn a_mirror_on_another_volume_carries_the_ledger_alone() {
    let (folder, volume) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mirror = volume.path().join("ledger-mirror");
    let book = MirroredBook::open(folder.path(), Some(&mirror), options()).unwrap();
    fill(&book, 1..=9);
    let id = book.ledger_id().to_owned();
    drop(book);
    let elsewhere = tempfile::tempdir().unwrap();
    let book = MirroredBook::open(elsewhere.path(), Some(&mirror), options()).unwrap();
    assert_eq!((book.ledger_id(), book.schema(), book.report().rows), (id.as_str(), SCHEMA, 9));
}

#[test]
fn records_damaged_in_one_copy_each_are_mended_from_the_other() {
    let folder = ledger(9);
    flip(&segment(folder.path(), "journal-a", 0), &[0, 2, 3, 8]);
    flip(&segment(folder.path(), "journal-b", 0), &[1, 4, 9]);
    let mended = holds(folder.path(), 9);
    assert_eq!(mended.len(), 2, "{mended:?}");
    let files: Vec<Vec<u8>> = all_files(folder.path()).into_values().collect();
    assert_eq!(files[..2], files[2..], "imprint and segment are the same in both copies");
}

#[test]
fn a_record_damaged_in_both_copies_is_named_and_nothing_is_altered() {
    let folder = ledger(9);
    for copy in ["journal-a", "journal-b"] {
        flip(&segment(folder.path(), copy, 0), &[3, 4, 5, 8]);
    }
    let before = all_files(folder.path());
    let what = damage_named(folder.path());
    assert!(what.contains("records 3 to 5, 8 were durable"), "{what}");
    assert_eq!(all_files(folder.path()), before);
}

#[test]
fn the_head_of_a_segment_damaged_in_both_copies_is_refused() {
    let folder = ledger(2);
    for copy in ["journal-a", "journal-b"] {
        flip(&segment(folder.path(), copy, 0), &[0]);
    }
    assert!(damage_named(folder.path()).contains("no head"), "the ledger's id cannot be known");
}

#[test]
fn an_unfinished_write_is_cut_wherever_it_ends() {
    let folder = ledger(4);
    let path = |copy| segment(folder.path(), copy, 0);
    let whole = std::fs::read(path("journal-a")).unwrap();
    let last = records(&path("journal-a"))[4].clone();
    for end in last.clone().step_by(5) {
        // The second copy was not even begun.
        std::fs::write(path("journal-a"), &whole[..end]).unwrap();
        std::fs::write(path("journal-b"), &whole[..last.start]).unwrap();
        let _ = std::fs::remove_dir_all(folder.path().join("index"));
        holds(folder.path(), 3);
        assert_eq!(std::fs::read(path("journal-a")).unwrap().len(), last.start, "cut at {end}");
    }
    let book = open(folder.path()).unwrap();
    fill(&book, 4..=5);
    drop(book);
    assert_eq!(holds(folder.path(), 5), [""; 0]);
}

/// Commits that were synced together may reach the disk in any order: a hole among them is no damage, for none of them
/// was acknowledged.
#[test]
fn a_group_torn_by_a_power_cut_is_cut_where_it_begins_to_lack() {
    let folder = tempfile::tempdir().unwrap();
    let copies = ["a", "b"].map(|name| folder.path().join(name));
    let body = |number: u64| super::batch::encode(&[put(number)]).unwrap();
    let bodies: Vec<Vec<u8>> = (1..=5).map(body).collect();
    let (mut journal, _) = open_journal(copies.clone(), true).unwrap();
    journal.append(&[&bodies[0], &bodies[1]]).unwrap();
    journal.append(&[&bodies[2], &bodies[3], &bodies[4]]).unwrap();
    drop(journal);
    let path = |n: usize| copies[n].join(format!("segment-{:020}", 0));
    let whole = std::fs::read(path(0)).unwrap();
    let places = records(&path(0));
    let hole = |nth: usize| {
        let mut bytes = whole.clone();
        bytes[places[nth].clone()].fill(0);
        bytes
    };
    for n in [0, 1] {
        std::fs::write(path(n), hole(4)).unwrap();
    }
    let (journal, notes) = open_journal(copies.clone(), false).unwrap();
    assert_eq!((journal.last(), notes.len()), (3, 2), "{notes:?}");
    drop(journal);
    // The same hole in the group before: it had been acknowledged when record 5 was written.
    for n in [0, 1] {
        std::fs::write(path(n), hole(2)).unwrap();
    }
    let refused = open_journal(copies, false).err();
    assert!(matches!(refused, Some(BookError::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_record_that_was_changed_with_a_fitting_checksum_shows_in_the_chain() {
    let folder = ledger(5);
    let path = segment(folder.path(), "journal-a", 0);
    let mut scanner = Scanner::open(&path).unwrap().unwrap();
    let third = std::iter::from_fn(|| scanner.next_good()).nth(3).unwrap();
    let mut forged = third.record.clone();
    forged.body = String::from_utf8(forged.body).unwrap().replace("\"n\":3", "\"n\":9").into_bytes();
    let mut bytes = std::fs::read(&path).unwrap();
    let place = usize::try_from(third.from).unwrap()..usize::try_from(third.to).unwrap();
    bytes[place].copy_from_slice(&forged.encode());
    std::fs::write(&path, &bytes).unwrap();
    assert!(damage_named(folder.path()).contains("disagree on record 3"));
    std::fs::write(segment(folder.path(), "journal-b", 0), &bytes).unwrap();
    assert!(damage_named(folder.path()).contains("record 4 does not follow"));
}

#[test]
fn copies_that_went_on_apart_are_refused() {
    let (folder, twin) = (ledger(3), tempfile::tempdir().unwrap());
    copy_tree(folder.path(), twin.path());
    let book = open(twin.path()).unwrap();
    book.commit(&[Write::Delete("k/001".into())], &[]).unwrap();
    drop(book);
    fill(&open(folder.path()).unwrap(), 4..=4);
    std::fs::copy(segment(twin.path(), "journal-b", 0), segment(folder.path(), "journal-b", 0)).unwrap();
    assert!(damage_named(folder.path()).contains("disagree on record 4"));
}

#[test]
fn a_copy_of_another_ledger_is_refused() {
    let (folder, other) = (ledger(3), ledger(4));
    std::fs::copy(segment(other.path(), "journal-b", 0), segment(folder.path(), "journal-b", 0)).unwrap();
    assert!(damage_named(folder.path()).contains("belongs to ledger"));
}

#[test]
fn a_ledger_of_a_newer_strongroom_is_refused() {
    let folder = ledger(1);
    let path = segment(folder.path(), "journal-b", 0);
    let first = Scanner::open(&path).unwrap().unwrap().next_good().unwrap();
    let mut head: Head = serde_json::from_slice(&first.record.body).unwrap();
    head.schema = SCHEMA + 1;
    let body = serde_json::to_vec(&head).unwrap();
    std::fs::write(&path, Record { kind: Kind::Head, body, ..first.record }.encode()).unwrap();
    let newer = open(folder.path()).err();
    assert!(
        matches!(newer, Some(BookError::Newer { found, known: SCHEMA, .. }) if found == SCHEMA + 1),
        "{newer:?}"
    );
}

#[test]
fn a_ledger_whose_journal_is_gone_is_not_taken_for_a_new_one() {
    let folder = ledger(3);
    for copy in ["journal-a", "journal-b"] {
        std::fs::remove_dir_all(folder.path().join(copy)).unwrap();
    }
    assert!(damage_named(folder.path()).contains("both copies of the journal are empty or missing"));
}

#[test]
fn an_index_that_knows_more_than_the_journal_is_evidence_of_a_loss() {
    let (folder, earlier) = (ledger(3), tempfile::tempdir().unwrap());
    copy_tree(folder.path(), earlier.path());
    let book = open(folder.path()).unwrap();
    fill(&book, 4..=6);
    book.close().unwrap();
    for copy in ["journal-a", "journal-b"] {
        std::fs::copy(segment(earlier.path(), copy, 0), segment(folder.path(), copy, 0)).unwrap();
    }
    let book = open(folder.path()).unwrap();
    assert_eq!(book.report().sequence, 3);
    assert!(
        book.report().wrong[0].contains("knew of commit 6, the journal ends at 3"),
        "{:?}",
        book.report()
    );
    assert!(!book.verify().unwrap().wrong.is_empty());
    assert!(folder.path().join("index.ahead").is_dir());
}

#[test]
fn a_lost_or_damaged_index_is_made_anew() {
    let folder = ledger(30);
    let book = open(folder.path()).unwrap();
    book.compact().unwrap();
    fill(&book, 31..=40);
    book.close().unwrap();
    let index = folder.path().join("index");
    let damages: [(&str, &dyn Fn()); 4] = [
        ("it was missing", &|| std::fs::remove_dir_all(&index).unwrap()),
        ("", &|| std::fs::write(index.join("db"), b"").unwrap()),
        ("the process ended while", &|| std::fs::write(folder.path().join("index.opening"), b"").unwrap()),
        ("", &|| {
            let mut bytes = std::fs::read(index.join("db")).unwrap();
            bytes[600..3000].fill(0x55);
            std::fs::write(index.join("db"), bytes).unwrap();
        }),
    ];
    for (n, (said, damage)) in damages.iter().enumerate() {
        damage();
        let mended = holds(folder.path(), 40);
        assert!(mended.len() == 1 && mended[0].contains("the index was made anew"), "damage {n}: {mended:?}");
        assert!(mended[0].contains(said), "damage {n}: {mended:?}");
        assert_eq!(holds(folder.path(), 40), [""; 0]);
    }
}

#[test]
fn compacting_leaves_the_live_rows_with_their_revisions() {
    let folder = ledger(50);
    let book = open(folder.path()).unwrap();
    let before = book.scan("", None, 99).unwrap();
    book.compact().unwrap();
    book.compact().unwrap();
    assert_eq!(all_files(folder.path()).len(), 6, "a snapshot, a segment and the imprint in each copy");
    fill(&book, 51..=55);
    drop(book);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    holds(folder.path(), 55);
    let book = open(folder.path()).unwrap();
    assert_eq!(book.scan("", None, 50).unwrap(), before);
}

#[test]
fn a_segment_that_grows_beyond_its_bound_is_compacted() {
    let folder = tempfile::tempdir().unwrap();
    let bounded = Options { compact_bytes: 10_000, ..options() };
    let book = MirroredBook::open(folder.path(), None, bounded).unwrap();
    for number in 1..=2_000u64 {
        book.commit(&[Write::Put("hot".into(), number.to_string().into_bytes())], &[]).unwrap();
        let bytes: usize = all_files(folder.path()).values().map(Vec::len).sum();
        assert!(bytes < 2 * 11_000, "{bytes} bytes after commit {number}");
    }
    assert_eq!(book.verify().unwrap().wrong, [""; 0]);
}

/// Every moment of a compaction at which the process may end, told by the files that are there then.
#[test]
fn a_compaction_that_was_cut_short_is_harmless() {
    let (folder, before) = (ledger(20), tempfile::tempdir().unwrap());
    let book = open(folder.path()).unwrap();
    book.compact().unwrap();
    fill(&book, 21..=23);
    book.close().unwrap();
    copy_tree(folder.path(), before.path());
    let book = open(folder.path()).unwrap();
    book.compact().unwrap();
    fill(&book, 24..=25);
    book.close().unwrap();
    // Old and new files side by side, and then without some of them.
    let name = |kind: &str, at: u64| format!("{kind}-{at:020}");
    let (old, new) =
        ([name("snapshot", 20), name("segment", 20)], [name("snapshot", 23), name("segment", 23)]);
    let missing: [(&str, &[(&str, &String)]); 5] = [
        ("nothing is removed yet", &[]),
        ("the snapshot is in one copy only", &[("journal-b", &new[0])]),
        ("no snapshot yet", &[("journal-a", &new[0]), ("journal-b", &new[0])]),
        ("one copy has lost its old files", &[("journal-a", &old[0]), ("journal-a", &old[1])]),
        ("the old segment is gone, its snapshot not", &[("journal-a", &old[1]), ("journal-b", &old[1])]),
    ];
    for (moment, gone) in missing {
        let trial = tempfile::tempdir().unwrap();
        copy_tree(before.path(), trial.path());
        copy_tree(folder.path(), trial.path());
        for (copy, name) in gone {
            std::fs::remove_file(trial.path().join(copy).join(name)).unwrap();
        }
        std::fs::write(trial.path().join("journal-a").join(name("snapshot", 99) + ".part"), b"begun")
            .unwrap();
        println!("{moment}");
        holds(trial.path(), 25);
        assert_eq!(holds(trial.path(), 25), [""; 0]);
    }
}

#[test]
fn a_new_snapshot_that_is_damaged_in_both_copies_is_not_needed_while_the_old_files_are_there() {
    let (folder, before) = (ledger(20), tempfile::tempdir().unwrap());
    copy_tree(folder.path(), before.path());
    let book = open(folder.path()).unwrap();
    book.compact().unwrap();
    fill(&book, 21..=22);
    drop(book);
    for copy in ["journal-a", "journal-b"] {
        flip(&folder.path().join(copy).join(format!("snapshot-{:020}", 20)), &[1]);
    }
    let what = damage_named(folder.path());
    assert!(what.contains("snapshot-00000000000000000020"), "{what}");
    copy_tree(&before.path().join("journal-a"), &folder.path().join("journal-a"));
    holds(folder.path(), 22);
}

#[test]
fn after_a_failed_write_every_call_fails() {
    let folder = ledger(3);
    let book = open(folder.path()).unwrap();
    book.fail_writes_to_second_copy();
    let failed = book.commit(&[put(4)], &[]).unwrap_err();
    assert!(matches!(&failed, BookError::Io { why, .. } if why.contains("No space left")), "{failed}");
    assert_eq!(book.get("k/001"), Err(failed.clone()));
    assert_eq!(book.scan("", None, 1), Err(failed.clone()));
    assert_eq!(book.commit(&[put(4)], &[]), Err(failed.clone()));
    assert_eq!(book.verify(), Err(failed.clone()));
    assert_eq!(book.watch(3, Duration::from_secs(60)), 3, "nobody waits for what cannot come");
    assert_eq!(book.close(), Err(failed));
    // The first copy had the record: it was never acknowledged, and may be there.
    holds(folder.path(), 4);
}

#[test]
fn after_a_segment_that_could_not_be_begun_in_both_copies_no_commit_is_taken_and_nothing_is_lost() {
    for copy in ["journal-b", "journal-a"] {
        let folder = ledger(3);
        let copies = ["journal-a", "journal-b"].map(|copy| folder.path().join(copy));
        let (mut journal, _) = open_journal(copies.clone(), false).unwrap();
        // The disk of one copy takes no new file.
        let blocked = segment(folder.path(), copy, 3).with_extension("part");
        std::fs::write(&blocked, "").unwrap();
        assert!(matches!(journal.start_segment(), Err(BookError::Io { .. })));
        // A commit that waited for its turn meanwhile: once it is acknowledged it must be there.
        let body = super::batch::encode(&[put(4)]).unwrap();
        let acknowledged = journal.append(&[&body]).is_ok();
        drop(journal);
        holds(folder.path(), 3 + u64::from(acknowledged));
        assert!(!acknowledged, "the process must end: {copy}");
    }
}

#[test]
fn a_second_process_is_told_who_has_the_ledger() {
    let folder = ledger(1);
    let book = open(folder.path()).unwrap();
    let Some(BookError::Busy { holder }) = open(folder.path()).err() else { panic!("two have it") };
    assert!(holder.contains(&std::process::id().to_string()));
    drop(book);
    holds(folder.path(), 1);
}

/// Whoever waits for a start hears how far it is, whether the index is read, made anew, or the second copy as well.
#[test]
fn how_far_opening_is_is_told_at_every_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path()).unwrap();
    for hundred in 0..450 {
        let batch: Vec<Write> = (0..100).map(|number| put(1_000 * hundred + number)).collect();
        book.commit(&batch, &[]).unwrap();
    }
    book.compact().unwrap();
    book.close().unwrap();
    let told = || {
        let mut told = Vec::new();
        let heard = &mut |text: &str| told.push(text.replace("the ledger is opened: ", ""));
        drop(MirroredBook::open_telling(folder.path(), None, options(), heard).unwrap());
        told
    };
    let counted = |what: &str| {
        let count = |count| format!("{what}, {count} read");
        vec![what.to_string(), count("20000"), count("40000")]
    };
    let (snapshot, commits) = (counted("rows of the snapshot"), vec!["commits of the journal".to_string()]);
    let index = counted("rows of the index");
    assert_eq!(told(), [snapshot.clone(), commits.clone(), index.clone()].concat());
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    std::fs::remove_dir_all(folder.path().join("journal-b")).unwrap();
    let copied = vec!["records for the copy that lacks them".to_string()];
    let made = counted("rows for a new index");
    assert_eq!(told(), [snapshot, commits, copied, made, index].concat());
}
