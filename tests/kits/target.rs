//! What every target must do, real or rehearsal.

#![allow(clippy::unwrap_used)] // helpers of tests, too

#[path = "target_burial.rs"]
mod burial;
#[path = "target_local.rs"]
mod local;
#[path = "target_mending.rs"]
mod mending;
#[path = "target_oracles.rs"]
mod oracles;
#[path = "target_s3.rs"]
mod s3;
#[path = "tiny_s3.rs"]
mod tiny_s3;

use jiff::Timestamp;
use sha2::{Digest, Sha256, Sha512};
use std::sync::Arc;
use strongroom::model::digest::hex;
use strongroom::model::object::ObjectId;
use strongroom::rules::ocfl::plan::{CopyStep, Logical, NewVersion, Source, freeze};
use strongroom::rules::read::ReadAt;
use strongroom::rules::sort::MemoryScratch;
use strongroom::worlds::fate::Fate;
use strongroom::worlds::target::holdings::Lies;
use strongroom::worlds::target::rehearsal::{RehearsalTarget, Rot};
use strongroom::worlds::target::{Publication, Put, Target, TargetError, Txn, Where};

/// A frozen version, and the bytes of its files by number.
pub struct Plan {
    pub object: ObjectId,
    pub version: u32,
    pub json: Vec<u8>,
    pub sha512: String,
    pub base: Option<String>,
    pub steps: Vec<CopyStep>,
    pub bytes: Vec<Vec<u8>>,
}

pub fn plan(object: &str, version: u32, files: &[(&str, &str)], base: Option<&Plan>) -> Plan {
    let object = ObjectId(object.into());
    let bytes: Vec<Vec<u8>> = files.iter().map(|(_, text)| text.as_bytes().to_vec()).collect();
    let logical = files.iter().enumerate().map(|(n, (path, text))| {
        Ok(Logical {
            path: path.to_string(),
            size: text.len() as u64,
            sha256: hex(&Sha256::digest(text)),
            sha512: hex(&Sha512::digest(text)),
            source: Source::Member { number: n as u64, offset: 0 },
        })
    });
    let new = NewVersion {
        object: &object,
        version,
        created: Timestamp::from_second(1_763_806_500).unwrap(),
        message: "taken in",
        user_name: "strongroom",
        user_address: "https://example.org/strongroom",
    };
    let scratch = MemoryScratch::default();
    let mut json = Vec::new();
    let base_json = base.map(|base| &base.json as &dyn ReadAt);
    let frozen = freeze(&new, logical, base_json, &scratch, &mut json).unwrap();
    let sha512 = frozen.inventory_sha512.clone();
    let steps = frozen.steps.map(Result::unwrap).collect();
    Plan { object, version, json, sha512, base: base.map(|base| base.sha512.clone()), steps, bytes }
}

pub fn txn(item: u64, fence: u64) -> Txn {
    Txn { ledger: "k3v9".into(), item, fence }
}

impl Plan {
    pub fn put(&self, target: &dyn Target, txn: &Txn) -> Result<u64, TargetError> {
        let puts: Vec<Put<'_>> = self.steps.iter().map(|step| self.one(step)).collect();
        target.put(txn, &puts)
    }

    pub fn one<'a>(&'a self, step: &'a CopyStep) -> Put<'a> {
        let Source::Member { number, .. } = step.source else { panic!("only members here") };
        let from = &self.bytes[number as usize];
        Put { content_path: &step.content_path, from, offset: 0, size: step.size }
    }

    pub fn publish(&self, target: &dyn Target, txn: &Txn) -> Result<String, TargetError> {
        target.publish(
            txn,
            &Publication {
                object: &self.object,
                version: self.version,
                inventory: &self.json,
                inventory_sha512: &self.sha512,
                base_sha512: self.base.as_deref(),
            },
        )
    }

    pub fn store(&self, target: &dyn Target, txn: &Txn) -> String {
        target.begin(txn, &self.object, self.version).unwrap();
        self.put(target, txn).unwrap();
        self.publish(target, txn).unwrap()
    }

    pub fn is_head(&self, target: &dyn Target) -> bool {
        let head = target.head(&self.object).unwrap();
        head.is_some_and(|h| h.version == self.version && h.inventory_sha512 == self.sha512)
    }
}

pub fn bytes(target: &dyn Target, at: Where<'_>) -> Result<Vec<u8>, TargetError> {
    let mut bytes = Vec::new();
    let count = target.read(at, &mut |chunk| bytes.extend_from_slice(chunk))?;
    assert_eq!(count, bytes.len() as u64);
    Ok(bytes)
}

const ONE: [(&str, &str); 4] = [
    ("bag/bagit.txt", "BagIt-Version: 1.0\n"),
    ("bag/data/a", "one"),
    ("bag/data/empty", ""),
    ("metadata/m", "m1"),
];
const TWO: [(&str, &str); 4] = [
    ("bag/bagit.txt", "BagIt-Version: 1.0\n"),
    ("bag/data/a", "new"),
    ("bag/data/old", "one"),
    ("metadata/m", "m2"),
];

pub fn first() -> Plan {
    plan("strongroom:uva.edu/a", 1, &ONE, None)
}

pub fn second(first: &Plan) -> Plan {
    plan("strongroom:uva.edu/a", 2, &TWO, Some(first))
}

/// Runs a test over every kind of target.
fn each(test: impl Fn(&dyn Target)) {
    test(&RehearsalTarget::new("r", Arc::new(Fate::default())));
    let folder = tempfile::tempdir().unwrap();
    test(&local::open(folder.path()));
    let folder = tempfile::tempdir().unwrap();
    test(&local::open(folder.path()).without_exchange());
    // A file system without disk: other abilities, other speed.
    if let Ok(folder) = tempfile::tempdir_in("/dev/shm") {
        test(&local::open(folder.path()));
    }
    let store = tiny_s3::TinyS3::new();
    test(&s3::open(&store));
    let without =
        tiny_s3::Without { conditions: true, uploads_listed: true, checksums: true, ..Default::default() };
    let store = tiny_s3::TinyS3::without(without);
    test(&s3::open(&store));
}

#[test]
fn a_new_object_is_seen_when_it_is_published_and_not_before() {
    each(|target| {
        let (plan, txn) = (first(), txn(1, 1));
        assert_eq!(target.head(&plan.object).unwrap(), None);
        target.begin(&txn, &plan.object, 1).unwrap();
        assert_eq!(plan.put(target, &txn).unwrap(), 24);
        assert_eq!(target.head(&plan.object).unwrap(), None);
        assert_eq!(bytes(target, Where::Staged(&txn, "v1/content/bag/data/a")).unwrap(), b"one");
        assert_eq!(bytes(target, Where::Staged(&txn, "v1/content/bag/data/empty")).unwrap(), b"");
        let path = plan.publish(target, &txn).unwrap();
        let head = target.head(&plan.object).unwrap().unwrap();
        assert_eq!((head.version, head.inventory_sha512.as_str()), (1, plan.sha512.as_str()));
        assert_eq!(head.path, path);
        let object = |path| bytes(target, Where::Object(&plan.object, path));
        assert_eq!(object("v1/content/bag/data/a").unwrap(), b"one");
        assert_eq!(object("inventory.json").unwrap(), plan.json);
        assert_eq!(object("v1/inventory.json").unwrap(), plan.json);
        let sidecar = format!("{}  inventory.json\n", plan.sha512).into_bytes();
        assert_eq!(object("inventory.json.sha512").unwrap(), sidecar);
        assert_eq!(object("v1/inventory.json.sha512").unwrap(), sidecar);
        assert_eq!(object("0=ocfl_object_1.1").unwrap(), b"ocfl_object_1.1\n");
        assert!(bytes(target, Where::Staged(&txn, "v1/content/bag/data/a")).is_err());
    });
}

#[test]
fn publishing_again_says_the_same() {
    each(|target| {
        let (plan, again) = (first(), txn(1, 2));
        let path = plan.store(target, &txn(1, 1));
        assert_eq!(plan.publish(target, &txn(1, 1)).unwrap(), path);
        // The stop came before the ledger heard of it: the whole stage runs once more.
        assert_eq!(plan.store(target, &again), path);
        assert!(plan.is_head(target));
        let two = second(&plan);
        two.store(target, &txn(2, 1));
        assert_eq!(two.store(target, &txn(2, 2)), path);
        assert!(two.is_head(target));
    });
}

#[test]
fn a_new_version_holds_the_older_ones() {
    each(|target| {
        let one = first();
        one.store(target, &txn(1, 1));
        target.log(&one.object, "20251122T101500Z-a-ingestion.jsonl", b"{}\n").unwrap();
        let two = second(&one);
        two.store(target, &txn(2, 1));
        assert!(two.is_head(target));
        let object = |path| bytes(target, Where::Object(&two.object, path)).unwrap();
        assert_eq!(object("v1/content/bag/data/a"), b"one");
        assert_eq!(object("v1/inventory.json"), one.json);
        assert_eq!(object("v2/inventory.json"), two.json);
        assert_eq!(object("inventory.json"), two.json);
        assert_eq!(object("v2/content/bag/data/a"), b"new");
        assert_eq!(object("logs/premis/20251122T101500Z-a-ingestion.jsonl"), b"{}\n");
        assert!(bytes(target, Where::Object(&two.object, "v2/content/bag/data/old")).is_err());
    });
}

#[test]
fn a_version_planned_on_another_base_is_not_published() {
    each(|target| {
        let one = first();
        let mut two = second(&one);
        two.begin_and_put(target, &txn(2, 1));
        assert!(matches!(two.publish(target, &txn(2, 1)), Err(TargetError::Moved { .. })), "no object");
        one.store(target, &txn(1, 1));
        two.base = Some("0".repeat(128));
        assert!(matches!(two.publish(target, &txn(2, 1)), Err(TargetError::Moved { .. })), "other base");
        let other = plan(&one.object.0, 1, &TWO, None);
        other.begin_and_put(target, &txn(3, 1));
        assert!(
            matches!(other.publish(target, &txn(3, 1)), Err(TargetError::Moved { .. })),
            "new, but there"
        );
        assert!(one.is_head(target));
        two.base = Some(one.sha512.clone());
        two.publish(target, &txn(2, 1)).unwrap();
        assert!(two.is_head(target));
    });
}

impl Plan {
    pub fn begin_and_put(&self, target: &dyn Target, txn: &Txn) {
        target.begin(txn, &self.object, self.version).unwrap();
        self.put(target, txn).unwrap();
    }
}

#[test]
fn a_later_fence_takes_over_what_was_staged_and_shuts_the_earlier_out() {
    each(|target| {
        let plan = first();
        plan.begin_and_put(target, &txn(1, 1));
        target.begin(&txn(1, 4), &plan.object, 1).unwrap();
        let path = "v1/content/bag/data/a";
        assert_eq!(bytes(target, Where::Staged(&txn(1, 4), path)).unwrap(), b"one");
        assert!(bytes(target, Where::Staged(&txn(1, 1), path)).is_err());
        assert!(plan.put(target, &txn(1, 1)).is_err());
        assert!(plan.publish(target, &txn(1, 1)).is_err());
        assert!(target.begin(&txn(1, 1), &plan.object, 1).is_err());
        assert_eq!(target.head(&plan.object).unwrap(), None);
        target.begin(&txn(1, 4), &plan.object, 1).unwrap();
        plan.publish(target, &txn(1, 4)).unwrap();
        assert!(plan.is_head(target));
    });
}

#[test]
fn staged_files_of_an_earlier_plan_are_not_published() {
    each(|target| {
        let earlier =
            plan("strongroom:uva.edu/a", 1, &[("bag/data/x/y", "x"), ("bag/data/a", "not one")], None);
        earlier.begin_and_put(target, &txn(1, 1));
        let plan = first();
        plan.begin_and_put(target, &txn(1, 2));
        plan.publish(target, &txn(1, 2)).unwrap();
        assert!(bytes(target, Where::Object(&plan.object, "v1/content/bag/data/x/y")).is_err());
        assert_eq!(bytes(target, Where::Object(&plan.object, "v1/content/bag/data/a")).unwrap(), b"one");
    });
}

#[test]
fn an_object_is_not_published_while_a_file_is_missing() {
    each(|target| {
        let plan = first();
        target.begin(&txn(1, 1), &plan.object, 1).unwrap();
        let puts: Vec<Put<'_>> = plan.steps.iter().skip(1).map(|step| plan.one(step)).collect();
        target.put(&txn(1, 1), &puts).unwrap();
        assert!(matches!(plan.publish(target, &txn(1, 1)), Err(TargetError::Io { .. })));
        assert_eq!(target.head(&plan.object).unwrap(), None);
        plan.put(target, &txn(1, 1)).unwrap();
        plan.publish(target, &txn(1, 1)).unwrap();
    });
}

#[test]
fn discarding_an_item_touches_no_other() {
    each(|target| {
        let plan = first();
        for (item, fence) in [(12, 1), (123, 1), (1, 2), (12, 7)] {
            plan.begin_and_put(target, &txn(item, fence));
        }
        let other = Txn { ledger: "x-k3v9".into(), item: 12, fence: 1 };
        plan.begin_and_put(target, &other);
        target.discard(&txn(12, 7)).unwrap();
        target.discard(&txn(12, 7)).unwrap();
        let path = "v1/content/bag/data/a";
        let there = |txn: &Txn| bytes(target, Where::Staged(txn, path)).is_ok();
        assert!(!there(&txn(12, 1)) && !there(&txn(12, 7)));
        assert!(there(&txn(123, 1)) && there(&txn(1, 2)) && there(&other));
    });
}

#[test]
fn a_log_is_added_once_and_never_changed() {
    each(|target| {
        let plan = first();
        let name = "20251122T101500Z-0f-ingestion.jsonl";
        assert!(target.log(&plan.object, name, b"a\n").is_err(), "no object");
        plan.store(target, &txn(1, 1));
        target.log(&plan.object, name, b"a\n").unwrap();
        target.log(&plan.object, name, b"a\n").unwrap();
        assert!(target.log(&plan.object, name, b"b\n").is_err());
        let path = format!("logs/premis/{name}");
        assert_eq!(bytes(target, Where::Object(&plan.object, &path)).unwrap(), b"a\n");
    });
}

#[test]
fn a_source_that_ends_early_is_named_as_the_source() {
    each(|target| {
        let plan = first();
        target.begin(&txn(1, 1), &plan.object, 1).unwrap();
        let short = b"12".to_vec();
        let put = Put { content_path: "v1/content/bag/data/a", from: &short, offset: 0, size: 3 };
        assert!(matches!(target.put(&txn(1, 1), &[put]), Err(TargetError::Source { .. })));
        assert!(bytes(target, Where::Staged(&txn(1, 1), "v1/content/bag/data/a")).is_err());
        assert!(matches!(target.put(&txn(9, 9), &[plan.one(&plan.steps[0])]), Err(TargetError::Io { .. })));
    });
}

#[test]
fn an_inventory_that_is_not_the_frozen_one_is_not_published() {
    each(|target| {
        let mut plan = first();
        plan.begin_and_put(target, &txn(1, 1));
        plan.json.push(b'\n');
        assert!(matches!(plan.publish(target, &txn(1, 1)), Err(TargetError::Source { .. })));
        assert_eq!(target.head(&plan.object).unwrap(), None);
    });
}

#[test]
fn files_of_any_size_come_back_as_they_went() {
    each(|target| {
        let sizes = [0usize, 1, 4_095, 4_096, 4_097, 1 << 20, (1 << 20) + 1, (9 << 20) + 5];
        let blobs: Vec<Vec<u8>> =
            sizes.iter().map(|size| (0..*size).map(|n| (n * 31 + n / 251) as u8).collect()).collect();
        let names: Vec<String> = sizes.iter().map(|size| format!("v1/content/bag/{size}")).collect();
        let put =
            |n: usize| Put { content_path: &names[n], from: &blobs[n], offset: 0, size: sizes[n] as u64 };
        target.begin(&txn(1, 1), &ObjectId("x".into()), 1).unwrap();
        let few: Vec<Put<'_>> = (0..3).map(put).collect();
        target.put(&txn(1, 1), &few).unwrap();
        // More than are synced one by one.
        let all: Vec<Put<'_>> = (0..sizes.len()).chain(0..3).map(put).collect();
        target.put(&txn(1, 1), &all).unwrap();
        for (name, blob) in names.iter().zip(&blobs) {
            assert!(bytes(target, Where::Staged(&txn(1, 1), name)).unwrap() == *blob, "{name}");
        }
    });
}

#[test]
fn a_rehearsal_target_can_store_what_it_was_not_given() {
    for rot in [Rot::Empty, Rot::Zeroes, Rot::Short, Rot::BitFlip, Rot::OtherBytes] {
        let target = RehearsalTarget::new("r", Arc::new(Fate::default()));
        let plan = plan("x", 1, &[("bag/a", "one")], None);
        target.begin(&txn(1, 1), &plan.object, 1).unwrap();
        target.corrupt_next_put(rot);
        plan.put(&target, &txn(1, 1)).unwrap();
        let at = Where::Staged(&txn(1, 1), "v1/content/bag/a");
        assert_ne!(bytes(&target, at).unwrap(), b"one", "{rot:?}");
        plan.put(&target, &txn(1, 1)).unwrap();
        assert_eq!(bytes(&target, at).unwrap(), b"one", "only the next put is struck");
    }
}

#[test]
fn a_rehearsal_target_that_is_away_is_missing() {
    let target = RehearsalTarget::new("r", Arc::new(Fate::default()));
    target.unmount(true);
    assert!(matches!(target.space(), Err(TargetError::Missing { .. })));
    target.unmount(false);
    assert!(target.space().is_ok());
}

/// Everything in the storage root that a walk tells.
fn walked(target: &dyn Target, after: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let told = &mut |lies: Lies<'_>| {
        found.push(match lies {
            Lies::Object(path) => path.to_string(),
            Lies::Stray(path) => format!("stray {path}"),
        });
        true
    };
    target.walk(after, told).unwrap();
    found
}

#[test]
fn a_walk_names_every_object_once_and_goes_on_behind_any() {
    each(|target| {
        let names: Vec<String> = (0..12).map(|n| format!("strongroom:u/b{n}")).collect();
        let paths: Vec<String> = names
            .iter()
            .zip(1..)
            .map(|(name, item)| plan(name, 1, &ONE, None).store(target, &txn(item, 1)))
            .collect();
        let all = walked(target, None);
        let mut sorted = paths.clone();
        sorted.sort();
        assert_eq!(all, sorted);
        for (place, path) in all.iter().enumerate() {
            assert_eq!(walked(target, Some(path)), all[place + 1..]);
        }
        let mut first = None;
        let until = &mut |lies: Lies<'_>| {
            assert!(first.is_none());
            first = Some(format!("{lies:?}"));
            false
        };
        target.walk(None, until).unwrap();
        assert!(first.is_some());
    });
}

#[test]
fn the_files_of_an_object_are_told_with_their_bytes() {
    each(|target| {
        let plan = first();
        let path = plan.store(target, &txn(1, 1));
        target.log(&plan.object, "20251122T101500Z-a-ingestion.jsonl", b"{}\n").unwrap();
        let mut files = Vec::new();
        target.files(&path, &mut |path, bytes| files.push((path.to_string(), bytes))).unwrap();
        files.sort();
        let json = plan.json.len() as u64;
        let wanted = [
            ("0=ocfl_object_1.1", 16),
            ("inventory.json", json),
            ("inventory.json.sha512", 145),
            ("logs/premis/20251122T101500Z-a-ingestion.jsonl", 3),
            ("v1/content/bag/bagit.txt", 19),
            ("v1/content/bag/data/a", 3),
            ("v1/content/bag/data/empty", 0),
            ("v1/content/metadata/m", 2),
            ("v1/inventory.json", json),
            ("v1/inventory.json.sha512", 145),
        ];
        assert_eq!(files, wanted.map(|(path, bytes)| (path.to_string(), bytes)));
        for (file, size) in &files {
            let read = bytes(target, Where::Root(&format!("{path}/{file}"))).unwrap();
            assert_eq!(read.len() as u64, *size, "{file}");
            let opened = target.open(Where::Root(&format!("{path}/{file}"))).unwrap();
            let mut again = vec![0; read.len()];
            assert_eq!(opened.size(), *size);
            assert_eq!(opened.read_at(&mut again, 0).unwrap(), read.len());
            assert_eq!(again, read);
        }
        let none = target.read(Where::Root(&format!("{path}/none")), &mut |_| ());
        assert!(matches!(none, Err(TargetError::Absent { .. })), "{none:?}");
        assert!(target.files("none", &mut |_, _| ()).is_err());
    });
}

#[test]
fn what_is_on_its_way_is_told_until_it_is_published_or_discarded() {
    each(|target| {
        let (one, two) = (plan("strongroom:u/a", 1, &ONE, None), plan("strongroom:u/b", 1, &ONE, None));
        one.begin_and_put(target, &txn(1, 1));
        two.begin_and_put(target, &txn(2, 3));
        let items = |target: &dyn Target| -> Vec<u64> {
            target
                .under_way()
                .unwrap()
                .iter()
                .map(|way| (assert_eq!(way.ledger, "k3v9"), way.item).1)
                .collect()
        };
        assert_eq!(items(target), [1, 2]);
        one.publish(target, &txn(1, 1)).unwrap();
        assert_eq!(items(target), [2]);
        target.discard(&txn(2, 3)).unwrap();
        assert_eq!(items(target), [] as [u64; 0]);
    });
}

#[test]
fn things_are_kept_beside_the_root_replaced_and_forgotten() {
    each(|target| {
        let names = |target: &dyn Target| -> Vec<(String, u64)> {
            target.kept().unwrap().into_iter().map(|kept| (kept.name, kept.bytes)).collect()
        };
        assert_eq!(names(target), []);
        let large = vec![7u8; 3_000_000];
        target.keep("state-2.jsonl", &large).unwrap();
        target.keep("state-1.jsonl", &b"old".to_vec()).unwrap();
        target.keep("state-1.jsonl", &b"newer".to_vec()).unwrap();
        assert_eq!(names(target), [("state-1.jsonl".into(), 5), ("state-2.jsonl".into(), 3_000_000)]);
        assert_eq!(bytes(target, Where::Kept("state-1.jsonl")).unwrap(), b"newer");
        assert_eq!(bytes(target, Where::Kept("state-2.jsonl")).unwrap(), large);
        target.forget("state-1.jsonl").unwrap();
        target.forget("state-1.jsonl").unwrap();
        assert_eq!(names(target), [("state-2.jsonl".into(), 3_000_000)]);
        assert!(matches!(
            target.read(Where::Kept("state-1.jsonl"), &mut |_| ()),
            Err(TargetError::Absent { .. })
        ));
        for name in ["", "..", ".x", "a/b", "../x"] {
            assert!(target.keep(name, &Vec::new()).is_err(), "{name}");
        }
        assert_eq!(walked(target, None), [] as [String; 0]);
    });
}
