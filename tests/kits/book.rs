//! The kit of the book: every test runs over the real kind and the rehearsal kind.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use strongroom::worlds::book::mirrored::{MirroredBook, Options, SyncMode};
use strongroom::worlds::book::rehearsal::RehearsalBook;
use strongroom::worlds::book::{Book, BookError, Guard, Row, VALUE_MAX, Write};
use strongroom::worlds::fate::Fate;

/// A book that can be closed and opened again.
trait Subject: Sync {
    fn book(&self) -> &dyn Book;
    fn reopen(&mut self);
    /// Brings forward what the book otherwise does now and then.
    fn compact(&mut self) {}
}

struct Rehearsed(RehearsalBook);

impl Subject for Rehearsed {
    fn book(&self) -> &dyn Book {
        &self.0
    }

    fn reopen(&mut self) {
        self.0 = self.0.clone();
    }
}

struct Real {
    book: Option<MirroredBook>,
    folder: tempfile::TempDir,
    clean: bool,
}

impl Real {
    fn open(folder: &std::path::Path) -> MirroredBook {
        // The sweeps of tests/faults prove what syncing is for; here it would only be slow.
        let sync = SyncMode::NeverForNegativeControl;
        MirroredBook::open(folder, None, Options { sync, ..Options::default() }).unwrap()
    }
}

impl Subject for Real {
    fn book(&self) -> &dyn Book {
        self.book.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.clean = !self.clean;
        let book = self.book.take().unwrap();
        if self.clean {
            book.close().unwrap();
        } else {
            drop(book);
        }
        self.book = Some(Real::open(self.folder.path()));
    }

    fn compact(&mut self) {
        self.book.as_ref().unwrap().compact().unwrap();
    }
}

fn rehearsed() -> Box<dyn Subject> {
    Box::new(Rehearsed(RehearsalBook::new(Arc::new(Fate::default()))))
}

fn real() -> Box<dyn Subject> {
    let folder = tempfile::tempdir().unwrap();
    Box::new(Real { book: Some(Real::open(folder.path())), folder, clean: false })
}

fn put(key: &str, value: &str) -> Write {
    Write::Put(key.into(), value.into())
}

fn guard(key: &str, revision: impl Into<Option<u64>>) -> Guard {
    Guard { key: key.into(), revision: revision.into() }
}

fn keys(found: Vec<(String, Row)>) -> Vec<String> {
    found.into_iter().map(|(key, _)| key).collect()
}

fn a_commit_is_whole_or_not_at_all(subject: Box<dyn Subject>) {
    let book = subject.book();
    let first = book.commit(&[put("a", "1"), put("b", "2")], &[]).unwrap();
    let refused =
        book.commit(&[put("a", "10"), Write::Delete("b".into()), put("c", "3")], &[guard("b", first + 7)]);
    assert_eq!(refused, Err(BookError::Conflict { key: "b".into() }));
    let long = format!("\"{}\"", "x".repeat(VALUE_MAX - 1));
    let refused = book.commit(&[put("a", "10"), put("c", &long)], &[]);
    assert_eq!(refused, Err(BookError::TooLarge { key: "c".into(), bytes: VALUE_MAX + 1 }));
    assert!(book.commit(&[put("a", "10"), put("c", "not JSON")], &[]).is_err());
    assert_eq!(keys(book.scan("", None, 9).unwrap()), ["a", "b"]);
    assert_eq!(book.get("a").unwrap().unwrap(), Row { revision: first, value: b"1".to_vec() });
    assert_eq!(book.verify().unwrap().sequence, first, "a refused commit has no number");
}

fn a_guard_holds_a_row_to_its_revision(subject: Box<dyn Subject>) {
    let book = subject.book();
    let first = book.commit(&[put("a", "1")], &[guard("a", None)]).unwrap();
    assert!(matches!(book.commit(&[put("a", "2")], &[guard("a", None)]), Err(BookError::Conflict { .. })));
    let second = book.commit(&[put("a", "2")], &[guard("a", first), guard("other", None)]).unwrap();
    assert!(second > first);
    assert!(matches!(book.commit(&[put("a", "3")], &[guard("a", first)]), Err(BookError::Conflict { .. })));
    book.commit(&[Write::Delete("a".into())], &[guard("a", second)]).unwrap();
    assert!(matches!(book.commit(&[put("a", "4")], &[guard("a", second)]), Err(BookError::Conflict { .. })));
    book.commit(&[put("a", "4")], &[guard("a", None)]).unwrap();
}

fn a_revision_is_the_number_of_the_commit_that_wrote_the_row(mut subject: Box<dyn Subject>) {
    let first = subject.book().commit(&[put("a", "1"), put("b", "1")], &[]).unwrap();
    let second = subject.book().commit(&[put("b", "1")], &[]).unwrap();
    let empty = subject.book().commit(&[], &[]).unwrap();
    assert_eq!((second, empty), (first + 1, first + 2));
    for _ in 0..2 {
        assert_eq!(subject.book().get("a").unwrap().unwrap().revision, first);
        assert_eq!(subject.book().get("b").unwrap().unwrap().revision, second);
        subject.compact();
        subject.reopen();
    }
    assert_eq!(
        subject.book().commit(&[put("c", "1")], &[]).unwrap(),
        empty + 1,
        "numbers go on after reopening"
    );
}

fn of_two_writes_of_one_key_the_last_counts(subject: Box<dyn Subject>) {
    let book = subject.book();
    let batch = [put("a", "1"), put("a", "2"), Write::Delete("b".into()), put("b", "3"), put("c", "4")];
    book.commit(&batch, &[]).unwrap();
    book.commit(&[put("c", "5"), Write::Delete("c".into())], &[]).unwrap();
    assert_eq!(book.get("a").unwrap().unwrap().value, b"2");
    assert_eq!(book.get("b").unwrap().unwrap().value, b"3");
    assert_eq!(book.get("c").unwrap(), None);
    let report = book.verify().unwrap();
    assert_eq!((report.rows, report.wrong), (2, vec![]));
}

fn a_scan_gives_rows_in_order_page_by_page(subject: Box<dyn Subject>) {
    let book = subject.book();
    let names = ["i/1", "i/10", "i/2", "i", "j/1", "é/1", "", "h/9"];
    let batch: Vec<Write> = names.iter().map(|key| put(key, "0")).collect();
    book.commit(&batch, &[]).unwrap();
    assert_eq!(keys(book.scan("i/", None, 9).unwrap()), ["i/1", "i/10", "i/2"]);
    assert_eq!(keys(book.scan("i/", Some("i/1"), 1).unwrap()), ["i/10"]);
    assert_eq!(keys(book.scan("i/", Some("i/2"), 9).unwrap()), [""; 0]);
    assert_eq!(keys(book.scan("i/", Some("a"), 2).unwrap()), ["i/1", "i/10"], "a key before the prefix");
    assert_eq!(keys(book.scan("i/", Some("z"), 2).unwrap()), [""; 0], "a key behind the prefix");
    assert_eq!(keys(book.scan("i/", None, 0).unwrap()), [""; 0]);
    let mut sorted: Vec<String> = names.map(String::from).to_vec();
    sorted.sort();
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = keys(book.scan("", after.as_deref(), 3).unwrap());
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        paged.extend(page);
    }
    assert_eq!(paged, sorted);
}

fn the_longest_value_is_kept_byte_for_byte(mut subject: Box<dyn Subject>) {
    let odd = "{ \"a\" :\t1.50, \"a\": \"\\u0000é\" }";
    let value = format!("[{odd},\"{}\"]", "y".repeat(VALUE_MAX - odd.len() - 5));
    assert_eq!(value.len(), VALUE_MAX);
    subject.book().commit(&[put("a", &value), put("key \"in\" quotes\n", "1e400")], &[]).unwrap();
    for _ in 0..2 {
        assert_eq!(subject.book().get("a").unwrap().unwrap().value, value.as_bytes());
        assert_eq!(subject.book().get("key \"in\" quotes\n").unwrap().unwrap().value, b"1e400");
        subject.compact();
        subject.reopen();
    }
}

fn watching_ends_with_the_next_commit_or_with_the_time(subject: Box<dyn Subject>) {
    let book = subject.book();
    let first = book.commit(&[put("a", "1")], &[]).unwrap();
    assert_eq!(book.watch(0, Duration::from_secs(60)), first, "a commit that is there already");
    let start = Instant::now();
    assert_eq!(book.watch(first, Duration::from_millis(50)), first);
    assert!(start.elapsed() >= Duration::from_millis(50));
    let start = Instant::now();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| subject.book().watch(first, Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(30));
        let second = subject.book().commit(&[put("a", "2")], &[]).unwrap();
        assert_eq!(watcher.join().unwrap(), second);
    });
    assert!(start.elapsed() < Duration::from_secs(30));
}

fn many_threads_that_race_for_one_row_lose_no_update(subject: Box<dyn Subject>) {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 40;
    subject.book().commit(&[put("counter", "0")], &[]).unwrap();
    let (barrier, conflicts) = (Barrier::new(THREADS as usize), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (subject, barrier, conflicts) = (&subject, &barrier, &conflicts);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..ROUNDS {
                    loop {
                        let row = subject.book().get("counter").unwrap().unwrap();
                        let count: u64 = std::str::from_utf8(&row.value).unwrap().parse().unwrap();
                        let mine = format!("log/{:03}", count + 1);
                        let batch = [
                            put("counter", &(count + 1).to_string()),
                            put(&mine, &format!("[{thread},{round}]")),
                        ];
                        match subject.book().commit(&batch, &[guard("counter", row.revision)]) {
                            Ok(_) => break,
                            Err(BookError::Conflict { .. }) => conflicts.fetch_add(1, Ordering::Relaxed),
                            Err(error) => panic!("{error}"),
                        };
                    }
                }
            });
        }
    });
    let total = THREADS * ROUNDS;
    assert_eq!(subject.book().get("counter").unwrap().unwrap().value, total.to_string().as_bytes());
    assert_eq!(subject.book().scan("log/", None, 1000).unwrap().len() as u64, total);
    assert_eq!(subject.book().verify().unwrap().sequence, total + 1);
}

/// Readers that look while others commit see every commit whole: two rows written together never differ.
fn a_scan_never_sees_half_a_commit(subject: Box<dyn Subject>) {
    const VALUES: usize = 20;
    let end = Instant::now() + Duration::from_secs(60);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while seen.len() < VALUES && Instant::now() < end {
                let rows = subject.book().scan("pair/", None, 9).unwrap();
                assert!(rows.windows(2).all(|two| two[0].1 == two[1].1), "{rows:?}");
                seen.extend(rows.into_iter().map(|(_, row)| row.revision));
            }
            seen.len()
        });
        for round in 0u64.. {
            if reader.is_finished() {
                break;
            }
            let value = round.to_string();
            subject.book().commit(&[put("pair/a", &value), put("pair/b", &value)], &[]).unwrap();
        }
        assert_eq!(reader.join().unwrap(), VALUES, "readers and writers overlap");
    });
}

/// A copy of all rows that is made while others commit is as of one commit: rows that were written together are equal at
/// both ends of the keys, and a row that was replaced by another is there once.
fn a_copy_is_as_of_one_commit(subject: Box<dyn Subject>) {
    const VALUES: usize = 10;
    let many: Vec<Write> = (0..3_000).map(|number| put(&format!("m/{number}"), "0")).collect();
    subject.book().commit(&many, &[]).unwrap();
    subject.book().commit(&[put("a", "0"), put("z", "0"), put("t/0", "0")], &[]).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while seen.len() < VALUES && Instant::now() < end {
                let mut rows: BTreeMap<String, Row> = BTreeMap::new();
                let copied = subject.book().copy(&mut |key, row| {
                    match row {
                        Some(row) => drop(rows.insert(key.into(), row.clone())),
                        None => drop(rows.remove(key)),
                    }
                    true
                });
                let through = copied.unwrap();
                assert_eq!(rows["a"], rows["z"]);
                let short: Vec<(&String, &Row)> = rows.range("t/".to_string().."u".into()).collect();
                let name = format!("t/{}", String::from_utf8_lossy(&rows["a"].value));
                assert_eq!(short, [(&name, &rows["a"])]);
                assert_eq!(rows.len(), 3_003);
                assert!(rows.values().all(|row| row.revision <= through));
                seen.insert(rows["a"].revision);
            }
            seen.len()
        });
        for round in 1u64.. {
            if reader.is_finished() {
                break;
            }
            let (value, before) = (round.to_string(), format!("t/{}", round - 1));
            let new = put(&format!("t/{round}"), &value);
            let batch = [put("a", &value), put("z", &value), Write::Delete(before), new];
            subject.book().commit(&batch, &[]).unwrap();
        }
        assert_eq!(reader.join().unwrap(), VALUES, "copies and writers overlap");
    });
}

/// A step of the model test.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(u8, Option<u16>)>, Vec<(u8, i8)>),
    Scan(u8, u8, usize),
    Compact,
    Reopen,
}

fn key_of(number: u8) -> String {
    format!("{}/{:02}", ["a", "ab", "b"][usize::from(number) % 3], number % 24)
}

fn step() -> impl Strategy<Value = Step> {
    let writes = prop::collection::vec((any::<u8>(), prop::option::weighted(0.75, any::<u16>())), 0..6);
    let guards = prop::collection::vec((any::<u8>(), -1i8..=1), 0..2);
    prop_oneof![
        12 => (writes, guards).prop_map(|(writes, guards)| Step::Commit(writes, guards)),
        3 => (any::<u8>(), any::<u8>(), 0usize..12).prop_map(|(prefix, after, limit)| Step::Scan(prefix, after, limit)),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

/// The model: what a book is, in one line of types.
type Model = BTreeMap<String, Row>;

fn take_step(subject: &mut dyn Subject, model: &mut Model, sequence: &mut u64, step: &Step) {
    match step {
        Step::Commit(writes, guards) => {
            let batch: Vec<Write> = writes
                .iter()
                .map(|(key, value)| match value {
                    Some(value) => put(&key_of(*key), &format!("{{\"n\":{value}}}")),
                    None => Write::Delete(key_of(*key)),
                })
                .collect();
            // An offset of 0 is the truth; others are mostly wrong, and the model says when.
            let guards: Vec<Guard> = guards
                .iter()
                .map(|(key, offset)| {
                    let now = model.get(&key_of(*key)).map(|row| row.revision);
                    let revision = match (now, offset) {
                        (now, 0) => now,
                        (Some(now), offset) => now.checked_add_signed(i64::from(*offset)),
                        (None, _) => Some(1),
                    };
                    guard(&key_of(*key), revision)
                })
                .collect();
            let met = guards.iter().all(|g| model.get(&g.key).map(|row| row.revision) == g.revision);
            let answer = subject.book().commit(&batch, &guards);
            if !met {
                assert!(matches!(answer, Err(BookError::Conflict { .. })), "{answer:?}");
                return;
            }
            *sequence += 1;
            assert_eq!(answer, Ok(*sequence));
            for write in batch {
                match write {
                    Write::Put(key, value) => drop(model.insert(key, Row { revision: *sequence, value })),
                    Write::Delete(key) => drop(model.remove(&key)),
                }
            }
        }
        Step::Scan(prefix, after, limit) => {
            let prefix = ["", "a", "a/", "ab/", "b/1", "c"][usize::from(*prefix) % 6];
            let after = (after % 4 > 0).then(|| key_of(*after));
            let expected: Vec<(String, Row)> = model
                .iter()
                .filter(|(key, _)| key.starts_with(prefix) && after.as_ref().is_none_or(|after| *key > after))
                .take(*limit)
                .map(|(key, row)| (key.clone(), row.clone()))
                .collect();
            assert_eq!(subject.book().scan(prefix, after.as_deref(), *limit).unwrap(), expected);
        }
        Step::Compact => subject.compact(),
        Step::Reopen => subject.reopen(),
    }
}

fn it_does_what_a_sorted_map_does(make: fn() -> Box<dyn Subject>, cases: u32) {
    let steps = prop::collection::vec(step(), 1..60);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        let (mut subject, mut model, mut sequence) = (make(), Model::new(), 0);
        for step in &steps {
            take_step(&mut *subject, &mut model, &mut sequence, step);
        }
        subject.reopen();
        let all: Vec<(String, Row)> = subject.book().scan("", None, usize::MAX).unwrap();
        assert_eq!(all, model.clone().into_iter().collect::<Vec<_>>());
        for (key, row) in model {
            assert_eq!(subject.book().get(&key).unwrap(), Some(row));
        }
        let report = subject.book().verify().unwrap();
        assert_eq!((report.sequence, report.rows, report.wrong), (sequence, all.len() as u64, vec![]));
        Ok(())
    });
    outcome.unwrap();
}

/// Runs each of these over both kinds.
macro_rules! kit {
    ($($test:ident),* $(,)?) => {
        mod rehearsal {
            $(#[test] fn $test() { super::$test(super::rehearsed()) })*
        }
        mod mirrored {
            $(#[test] fn $test() { super::$test(super::real()) })*
        }
    };
}

kit![
    a_commit_is_whole_or_not_at_all,
    a_guard_holds_a_row_to_its_revision,
    a_revision_is_the_number_of_the_commit_that_wrote_the_row,
    of_two_writes_of_one_key_the_last_counts,
    a_scan_gives_rows_in_order_page_by_page,
    the_longest_value_is_kept_byte_for_byte,
    watching_ends_with_the_next_commit_or_with_the_time,
    many_threads_that_race_for_one_row_lose_no_update,
    a_scan_never_sees_half_a_commit,
    a_copy_is_as_of_one_commit,
];

#[test]
fn the_rehearsal_book_does_what_a_sorted_map_does() {
    it_does_what_a_sorted_map_does(rehearsed, 300);
}

#[test]
fn the_mirrored_book_does_what_a_sorted_map_does() {
    it_does_what_a_sorted_map_does(real, 40);
}
