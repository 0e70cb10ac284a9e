use super::*;
use crate::model::trouble::{Kind, Trouble};
use crate::worlds::disk::rehearsal::RehearsalDisk;
use crate::worlds::disk::{Disk, DiskError, Place};
use crate::worlds::fate::Fate;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const FLOOR: u64 = 1_000;

fn space(free_bytes: u64) -> Space {
    Space { free_bytes, free_inodes: u64::MAX, total_bytes: 1 << 40, block_bytes: 4_096, device: 1 }
}

fn need(bytes: u64) -> Need {
    Need { bytes, inodes: 1, ..Need::default() }
}

/// Asks for space at "staging" for download, where so much is free.
fn ask(promises: &Promises, free: u64, item: u64, need: Need) -> Result<Promise, Stop> {
    let space = || Ok::<_, Trouble>(space(free));
    promises.promise(&space, FLOOR, "staging", ItemId(item), Stage::Download, need)
}

fn waits(stop: Result<Promise, Stop>) -> (u64, u64) {
    match stop {
        Err(Stop::Wait(Wait::Space { bytes, free, .. })) => (bytes, free),
        other => panic!("{other:?}"),
    }
}

fn promised(promises: &Promises) -> u64 {
    promises.totals().iter().map(|total| total.promised_bytes).sum()
}

#[test]
fn a_promise_leaves_the_floor_and_all_other_promises() {
    let promises = Promises::new();
    ask(&promises, 10_000, 1, need(5_000)).unwrap();
    assert_eq!(waits(ask(&promises, 10_000, 2, need(4_001))), (4_001, 4_000));
    ask(&promises, 10_000, 2, need(4_000)).unwrap();
    assert_eq!(waits(ask(&promises, 10_000, 3, need(1))), (1, 0));
    assert_eq!(promised(&promises), 9_000);
    assert_eq!(promises.give_back(ItemId(1), "staging", Stage::Download), 5_000);
    assert_eq!(promises.give_back(ItemId(1), "staging", Stage::Download), 0, "once");
    ask(&promises, 10_000, 3, need(5_000)).unwrap();
}

#[test]
fn a_promise_made_again_replaces_the_first() {
    let promises = Promises::new();
    for _ in 0..10 {
        ask(&promises, 10_000, 1, need(9_000)).unwrap();
    }
    assert_eq!(promised(&promises), 9_000);
    ask(&promises, 10_000, 1, need(2_000)).unwrap();
    assert_eq!(promised(&promises), 2_000);
    // Refused, it leaves what was promised before.
    waits(ask(&promises, 10_000, 1, need(9_001)));
    assert_eq!(promised(&promises), 2_000);
    assert_eq!(promises.give_back_all(ItemId(1)), 2_000);
    assert!(promises.totals().is_empty());
}

#[test]
fn what_lies_on_disk_is_not_counted_twice() {
    let promises = Promises::new();
    // A terabyte, half of it there from before: half must be free.
    let half = need(1_000_000).already(500_000, 1);
    waits(ask(&promises, 500_000 + FLOOR - 1, 1, half));
    ask(&promises, 500_000 + FLOOR, 1, half).unwrap();
    // Half of the rest lands; the file system has less free and the promise shrank by the same.
    promises.landed(ItemId(1), "staging", 250_000);
    assert_eq!(promised(&promises), 250_000);
    ask(&promises, 250_000 + FLOOR + 10, 2, need(10)).unwrap();
    waits(ask(&promises, 250_000 + FLOOR + 10, 3, need(1)));
    // More than was promised lands: the promise is used up, never negative.
    promises.landed(ItemId(1), "staging", 1_000_000);
    assert_eq!(promised(&promises), 10);
    promises.landed(ItemId(1), "elsewhere", 5);
    promises.landed(ItemId(9), "staging", 5);
    assert_eq!(promised(&promises), 10);
}

#[test]
fn what_lands_is_taken_from_the_stage_at_work() {
    let promises = Promises::new();
    let space = || Ok::<_, Trouble>(space(1 << 30));
    for stage in [Stage::Download, Stage::Unpack] {
        promises.promise(&space, 0, "staging", ItemId(1), stage, need(100)).unwrap();
    }
    promises.landed(ItemId(1), "staging", 130);
    assert_eq!(promises.give_back(ItemId(1), "staging", Stage::Unpack), 0);
    assert_eq!(promises.give_back(ItemId(1), "staging", Stage::Download), 70);
}

#[test]
fn more_promised_than_free_refuses_and_does_not_wrap() {
    let promises = Promises::new();
    ask(&promises, 10_000, 1, need(9_000)).unwrap();
    // Somebody else filled the disk.
    for free in [0, 1, 500, FLOOR, 9_000] {
        assert_eq!(waits(ask(&promises, free, 2, need(1))), (1, 0), "{free} free");
    }
    for huge in [u64::MAX, u64::MAX - FLOOR, 1 << 63] {
        waits(ask(&promises, 10_000, 2, need(huge)));
    }
    let all = Need::at_most(u64::MAX, u64::MAX, 4_096).and_folders(u64::MAX, 4_096);
    waits(ask(&promises, u64::MAX - 1, 2, all));
    ask(&promises, 10_000, 2, need(0)).unwrap();
}

#[test]
fn no_answer_from_the_file_system_means_no_promise() {
    let promises = Promises::new();
    let deaf = || Err::<Space, _>(DiskError::Missing { volume: "staging".into(), why: "no marker".into() });
    let stop = promises.promise(&deaf, 0, "staging", ItemId(1), Stage::Download, need(1)).unwrap_err();
    let Stop::Trouble(trouble) = stop else { panic!("{stop:?}") };
    assert_eq!(trouble.kind, Kind::VolumeMissing);
    assert!(promises.totals().is_empty());
    // Also when it goes away between the two times it is asked.
    let asked = AtomicU64::new(0);
    let fickle = || match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(space(1 << 30)),
        _ => Err(DiskError::Missing { volume: "staging".into(), why: "gone".into() }),
    };
    assert!(promises.promise(&fickle, 0, "staging", ItemId(1), Stage::Download, need(1)).is_err());
    assert!(promises.totals().is_empty());
}

#[test]
fn inodes_are_promised_too_where_they_are_counted() {
    let promises = Promises::new();
    let space = |inodes| move || Ok::<_, Trouble>(Space { free_inodes: inodes, ..space(1 << 30) });
    let files = |inodes| Need { bytes: 0, inodes, ..Need::default() };
    let ask = |free, item, inodes| {
        promises.promise(&space(free), 0, "staging", ItemId(item), Stage::Unpack, files(inodes))
    };
    ask(100, 1, 60).unwrap();
    assert!(ask(100, 2, 41).is_err());
    ask(100, 2, 40).unwrap();
    ask(u64::MAX, 3, 1 << 50).unwrap();
    assert!(ask(200, 4, 1).is_err());
    promises.give_back_all(ItemId(3));
    promises.landed_files(ItemId(1), "staging", 0, 30);
    ask(71, 4, 1).unwrap();
}

#[test]
fn two_places_on_one_device_share_its_space_and_others_do_not() {
    let promises = Promises::new();
    let on = |device| move || Ok::<_, Trouble>(Space { device, ..space(1_000) });
    let ask = |device, place, item, bytes| {
        promises.promise(&on(device), 0, place, ItemId(item), Stage::Download, need(bytes))
    };
    ask(1, "staging", 1, 600).unwrap();
    assert_eq!(waits(ask(1, "target-a", 2, 401)), (401, 400));
    ask(1, "target-a", 2, 400).unwrap();
    ask(2, "target-b", 3, 1_000).unwrap();
    // The same volume, mounted anew under another device number, still carries its promises.
    assert_eq!(waits(ask(7, "staging", 4, 401)), (401, 400));
    let totals: Vec<(String, Option<u64>, u64)> = promises
        .totals()
        .into_iter()
        .map(|total| (total.place, total.device, total.promised_bytes))
        .collect();
    assert_eq!(
        totals,
        [
            ("staging".to_string(), Some(7), 600),
            ("target-a".to_string(), Some(1), 400),
            ("target-b".to_string(), Some(2), 1_000)
        ]
    );
}

#[test]
fn promises_survive_a_restart_by_the_rows_of_their_items() {
    let before = Promises::new();
    let kept = ask(&before, 10_000, 1, need(6_000)).unwrap();
    before.landed(ItemId(1), "staging", 1_000);
    let row = serde_json::to_string(&kept).unwrap();
    drop(before);

    let after = Promises::new();
    let kept: Promise = serde_json::from_str(&row).unwrap();
    after.restore(Some(1), ItemId(1), &kept, 1_000, 1);
    after.restore(Some(1), ItemId(1), &kept, 1_000, 1);
    assert_eq!(promised(&after), 5_000);
    assert_eq!(waits(ask(&after, 9_000, 2, need(3_001))), (3_001, 3_000));
    ask(&after, 9_000, 2, need(3_000)).unwrap();
    // Restored also when the disk has less than was promised; then nothing more is.
    let fuller = Promises::new();
    fuller.restore(Some(1), ItemId(1), &kept, 0, 0);
    assert_eq!(waits(ask(&fuller, 3_000, 2, need(1))), (1, 0));
}

#[test]
fn a_place_that_was_silent_at_the_start_counts_when_it_answers() {
    let promises = Promises::new();
    let kept = Promise { place: "staging".to_string(), stage: Stage::Store, bytes: 6_000, inodes: 1 };
    promises.restore(None, ItemId(1), &kept, 0, 0);
    let elsewhere = || Ok::<_, Trouble>(Space { device: 2, ..space(10_000) });
    promises.promise(&elsewhere, 0, "other", ItemId(2), Stage::Download, need(10_000)).unwrap();
    assert_eq!(waits(ask(&promises, 10_000, 3, need(3_001))), (3_001, 3_000));
    assert_eq!(promises.totals()[1].device, Some(1));
}

#[test]
fn a_guard_gives_back_also_when_the_stage_panics() {
    let promises = Promises::new();
    let space = || Ok::<_, Trouble>(space(10_000));
    let guarded = |bytes| {
        promises.promise_guarded(&space, 0, "staging", ItemId(1), Stage::Unpack, need(bytes)).unwrap()
    };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _held = guarded(5_000);
        assert_eq!(promised(&promises), 5_000);
        panic!("as asked");
    }));
    assert!(panicked.is_err());
    assert_eq!(promised(&promises), 0);

    let kept = guarded(4_000).keep();
    assert_eq!((kept.bytes, promised(&promises)), (4_000, 4_000), "it lives in the ledger now");

    let first = guarded(3_000);
    let second = guarded(2_000);
    drop(first);
    assert_eq!(promised(&promises), 2_000, "the second took its place");
    drop(second);
    assert_eq!(promised(&promises), 0);
}

#[test]
fn sizes_are_rounded_up_to_blocks() {
    let need = Need::for_files([0, 1, 4_096, 4_097], 4_096);
    assert_eq!((need.bytes, need.inodes), (4_096 * 4, 4));
    let bound = Need::at_most(4, 8_194, 4_096);
    assert!(bound.bytes >= need.bytes && bound.bytes.is_multiple_of(4_096), "{bound:?}");
    let with = need.and_folders(2, 4_096);
    assert_eq!((with.bytes, with.inodes), (4_096 * 6, 6));
    assert_eq!(Need::for_files([u64::MAX], 4_096).bytes, u64::MAX, "saturated, and refused by any disk");
    assert_eq!(Need::for_files([5], 0).bytes, 5);
}

#[test]
fn a_volume_that_fills_up_in_spite_of_a_promise_makes_the_item_wait() {
    let disk = RehearsalDisk::new(Arc::new(Fate::default()));
    disk.set_free(100_000);
    let promises = Promises::new();
    let space = || disk.space("staging");
    let held =
        promises.promise_guarded(&space, 0, "staging", ItemId(1), Stage::Download, need(80_000)).unwrap();
    // Somebody else writes without asking.
    let place = |path: &str| Place { volume: "staging".to_string(), path: path.to_string() };
    disk.append(&place("intruder"), 0, &[0; 60_000]).unwrap();
    let stop = Stop::from(disk.append(&place("1/tar"), 0, &[0; 80_000]).unwrap_err());
    assert!(matches!(stop, Stop::Wait(Wait::Space { .. })), "waiting, no try used: {stop:?}");
    assert_eq!(disk.files().len(), 1, "nothing partial is left");
    drop(held);
    assert_eq!(promised(&promises), 0);
}

/// A disk that many threads share; it is never below its floor unless somebody wrote more than was free.
#[derive(Default)]
struct Shared {
    free: AtomicU64,
    broken: AtomicBool,
}

impl Shared {
    fn write(&self, bytes: u64) {
        let left = self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(bytes));
        if left.is_err() || self.free.load(Ordering::SeqCst) < FLOOR {
            self.broken.store(true, Ordering::SeqCst);
        }
    }
}

/// One thread's work: promises are asked for, used in parts, and given back, some with all that was written.
fn one_worker(promises: &Promises, disk: &Shared, item: u64, sizes: &[u64]) -> u64 {
    let mut granted = 0;
    for (round, size) in sizes.iter().enumerate() {
        let ask = || Ok::<_, Trouble>(space(disk.free.load(Ordering::SeqCst)));
        let stage = Stage::ALL[round % 3];
        let Ok(held) = promises.promise_guarded(&ask, FLOOR, "staging", ItemId(item), stage, need(*size))
        else {
            continue;
        };
        granted += 1;
        let mut written = 0;
        while written < *size {
            let part = (size / 3 + 1).min(size - written);
            disk.write(part);
            promises.landed(ItemId(item), "staging", part);
            written += part;
            std::thread::yield_now();
        }
        drop(held);
        if round % 2 == 0 {
            disk.free.fetch_add(written, Ordering::SeqCst);
        }
    }
    granted
}

fn fifty_threads(free: u64, sizes: &[Vec<u64>]) -> (u64, bool, u64) {
    let promises = Promises::new();
    let disk = Shared { free: AtomicU64::new(free), broken: AtomicBool::new(false) };
    let granted = std::thread::scope(|scope| {
        let (promises, disk) = (&promises, &disk);
        let workers: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(item, sizes)| scope.spawn(move || one_worker(promises, disk, item as u64, sizes)))
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    (granted, disk.broken.load(Ordering::SeqCst), promised(&promises))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn fifty_threads_never_write_below_the_floor(
        free in 0u64..200_000,
        sizes in prop::collection::vec(prop::collection::vec(1u64..20_000, 8), 50),
    ) {
        let (_, broken, left) = fifty_threads(free, &sizes);
        prop_assert!(!broken);
        prop_assert_eq!(left, 0);
    }
}

#[test]
fn fifty_threads_do_get_promises_when_there_is_room() {
    let sizes = vec![vec![10; 8]; 50];
    let (granted, broken, _) = fifty_threads(1_000_000, &sizes);
    assert_eq!((granted, broken), (400, false));
}

#[test]
fn fifty_callers_at_once_get_no_more_than_there_is() {
    for round in 0..50 {
        let promises = Promises::new();
        let granted = AtomicU64::new(0);
        let gate = std::sync::Barrier::new(50);
        std::thread::scope(|scope| {
            for item in 0..50 {
                let (promises, granted, gate) = (&promises, &granted, &gate);
                scope.spawn(move || {
                    gate.wait();
                    if ask(promises, 10_000 + FLOOR, item, need(1_000)).is_ok() {
                        granted.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(granted.into_inner(), 10, "round {round}");
    }
}
