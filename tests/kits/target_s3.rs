//! What only a target in a bucket must do: its marker and lock, and going on from every state a stop can leave.

use super::tiny_s3::{TinyS3, Without, Wrong};
use super::{Plan, bytes, first, plan, second, txn};
use std::sync::Arc;
use std::time::Duration;
use strongroom::rules::ocfl::layout;
use strongroom::worlds::clock::Clock;
use strongroom::worlds::clock::system::SystemClock;
use strongroom::worlds::net::credentials::Access;
use strongroom::worlds::net::{ProxyChoice, Reaching, Timeouts};
use strongroom::worlds::s3::{BucketPlace, Style};
use strongroom::worlds::target::holdings::{Holdings, Lies};
use strongroom::worlds::target::probe::Has;
use strongroom::worlds::target::s3::{BucketTarget, ReadBack, S3Target};
use strongroom::worlds::target::{Put, Target, TargetError, Where};

pub fn config(store: &TinyS3) -> BucketTarget {
    let moment = Duration::from_secs(5);
    BucketTarget {
        place: BucketPlace {
            endpoint: Some(store.url()),
            bucket: "b".into(),
            prefix: "vault/".into(),
            region: None,
            style: Style::Path,
            access: Access::Anonymous,
        },
        storage_class: None,
        read_back: ReadBack::Bytes,
        quota: None,
        reaching: Reaching {
            timeouts: Timeouts { connect: moment, answer: moment, stall: moment },
            proxy: ProxyChoice::Direct,
            allow_private: true,
            ..Reaching::default()
        },
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

pub fn open_with(config: &BucketTarget) -> Result<S3Target, TargetError> {
    S3Target::create("cloud", config, clock())?;
    S3Target::open("cloud", config, "k3v9", clock())
}

pub fn open(store: &TinyS3) -> S3Target {
    open_with(&config(store)).unwrap()
}

fn object(plan: &Plan) -> String {
    format!("vault/ocfl/{}", layout::object_path(&plan.object))
}

#[test]
fn a_prefix_is_made_a_target_only_when_it_is_empty_or_one_already() {
    let store = TinyS3::new();
    let config = config(&store);
    let missing = S3Target::open("cloud", &config, "k3v9", clock()).err();
    assert!(matches!(missing, Some(TargetError::Missing { .. })), "{missing:?}");
    S3Target::create("cloud", &config, clock()).unwrap();
    S3Target::create("cloud", &config, clock()).unwrap();
    assert!(matches!(S3Target::open("other", &config, "k3v9", clock()), Err(TargetError::Missing { .. })));
    let other = TinyS3::new();
    other.look(|state| {
        let sample =
            super::tiny_s3::Object { bytes: Arc::default(), tag: "\"x\"".into(), sha256: None, class: None };
        state.objects.insert("vault/letters".into(), sample)
    });
    let taken = S3Target::create("cloud", &self::config(&other), clock());
    assert!(matches!(taken, Err(TargetError::Missing { .. })), "{taken:?}");
    let mut elsewhere = config.clone();
    elsewhere.place.bucket = "none".into();
    assert!(S3Target::create("cloud", &elsewhere, clock()).is_err());
}

#[test]
fn another_ledger_gets_a_target_when_its_lock_is_given_back() {
    let store = TinyS3::new();
    let target = open(&store);
    let config = config(&store);
    let why = S3Target::open("cloud", &config, "other", clock()).err();
    assert!(format!("{why:?}").contains("the ledger k3v9 on"), "{why:?}");
    // The same ledger is one process only: whoever opens it again has it.
    let again = S3Target::open("cloud", &config, "k3v9", clock()).unwrap();
    drop(target);
    assert!(S3Target::open("cloud", &config, "other", clock()).is_err(), "the second one has it still");
    drop(again);
    let other = S3Target::open("cloud", &config, "other", clock()).unwrap();
    first().store(&other, &txn(1, 1));
    assert!(store.keys("vault/work/probe").is_empty());
}

#[test]
fn a_storage_root_explains_itself_and_says_nothing_else() {
    let store = TinyS3::new();
    drop(open(&store));
    drop(open(&store));
    let extension = format!("vault/ocfl/extensions/{}/config.json", layout::EXTENSION);
    let wanted =
        ["vault/ocfl/0=ocfl_1.1", "vault/ocfl/STRONGROOM.md", &extension, "vault/ocfl/ocfl_layout.json"];
    assert_eq!(store.keys("vault/ocfl/"), wanted);
    assert_eq!(store.keys("vault/work/"), ["vault/work/target.json"]);
}

/// Stores both versions; a request that fails ends it, as if the process had.
fn ingest(config: &BucketTarget, plans: &[&Plan], fence: u64) -> Result<(), TargetError> {
    let target = open_with(config)?;
    for (item, plan) in (1..).zip(plans) {
        let txn = txn(item, fence);
        // What is published is not planned again; its events are written all the same.
        if target.head(&plan.object)?.is_none_or(|head| head.version < plan.version) {
            target.begin(&txn, &plan.object, plan.version)?;
            plan.put(&target, &txn)?;
            plan.publish(&target, &txn)?;
        }
        target.log(&plan.object, &format!("20260101T000000Z-{item}-x.jsonl"), b"{}\n")?;
        target.discard(&txn)?;
    }
    Ok(())
}

/// What must hold of the root at every moment: no object without all that its inventory names.
fn check(store: &TinyS3, plans: &[&Plan]) {
    let folder = object(plans[0]);
    let keys = store.keys(&format!("{folder}/"));
    let holds = |name: &str| keys.contains(&format!("{folder}/{name}"));
    if !holds("0=ocfl_object_1.1") {
        return;
    }
    let root = store.look(|state| state.objects[&format!("{folder}/inventory.json")].bytes.clone());
    let plan =
        plans.iter().find(|plan| plan.json == *root).expect("the root inventory is one that was frozen");
    for step in plans.iter().filter(|other| other.version <= plan.version).flat_map(|plan| &plan.steps) {
        assert!(holds(&step.content_path), "{} is published without {}", plan.version, step.content_path);
    }
}

#[test]
fn a_stop_at_any_request_is_gone_on_from_and_nothing_is_seen_before_its_time() {
    let one = first();
    let two = second(&one);
    let plans = [&one, &two];
    for without in
        [Without::default(), Without { conditions: true, uploads_listed: true, ..Without::default() }]
    {
        // A store without conditions is waited for when its lock is new; here it is there before.
        let whole = TinyS3::without(without);
        let all = config(&whole);
        std::mem::forget(open(&whole));
        let opened = whole.look(|state| state.objects.clone());
        whole.goes_wrong(Wrong::default());
        ingest(&all, &plans, 1).unwrap();
        let requests = whole.look(|state| state.requests);
        assert!(requests > 60, "{requests}");
        let wanted = whole.keys("vault/ocfl/");
        for stop in 1..=requests {
            for after in [false, true] {
                let store = TinyS3::without(without);
                let config = config(&store);
                store.look(|state| state.objects.clone_from(&opened));
                store.goes_wrong(Wrong { stop_at: Some(stop), after, ..Wrong::default() });
                let ended = ingest(&config, &plans, 1);
                check(&store, &plans);
                store.goes_wrong(Wrong::default());
                let again = ingest(&config, &plans, 2);
                assert!(again.is_ok(), "stop at {stop} ({after}), {ended:?}: {again:?}");
                check(&store, &plans);
                assert_eq!(store.keys("vault/ocfl/"), wanted, "stop at {stop} ({after}): {ended:?}");
                let left = store.keys("vault/work/");
                let plain = ["vault/work/lock.json", "vault/work/target.json"];
                assert!(left.iter().all(|key| plain.contains(&key.as_str())), "{stop}: {left:?}");
                let sidecar = store.look(|state| {
                    state.objects[&format!("{}/inventory.json.sha512", object(&two))].bytes.clone()
                });
                assert!(sidecar.starts_with(two.sha512.as_bytes()), "{stop}");
                // What is not listed cannot be given up.
                assert!(without.uploads_listed || store.look(|state| state.uploads.is_empty()), "{stop}");
            }
        }
    }
}

fn large(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 31 + n / 251) as u8).collect()
}

#[test]
fn parts_that_are_there_are_not_sent_again() {
    let store = TinyS3::new();
    let config = config(&store);
    let blob = large((40 << 20) + 5);
    let object = first().object;
    let put = [Put { content_path: "v1/content/bag/large", from: &blob, offset: 0, size: blob.len() as u64 }];
    let target = open(&store);
    target.begin(&txn(1, 1), &object, 1).unwrap();
    store.goes_wrong(Wrong { stop_at: Some(5), ..Wrong::default() });
    assert!(target.put(&txn(1, 1), &put).is_err());
    std::mem::forget(target);
    let (id, there) = store.look(|state| {
        let (id, upload) = state.uploads.iter().next().expect("an upload was begun");
        (id.clone(), upload.parts.len())
    });
    assert!((1..6).contains(&there), "{there}");
    store.goes_wrong(Wrong::default());
    let target = open_with(&config).unwrap();
    target.begin(&txn(1, 2), &object, 1).unwrap();
    target.put(&txn(1, 2), &put).unwrap();
    let writes = store.look(|state| state.writes.clone());
    let parts =
        writes.iter().filter(|write| write.contains("/large") && write.contains("partNumber")).count();
    assert_eq!(parts, 6 - there, "{writes:?}");
    assert!(
        !writes.iter().any(|write| write.contains("\"uploads\"") && write.contains("large")),
        "{id}: {writes:?}"
    );
    assert!(bytes(&target, Where::Staged(&txn(1, 2), "v1/content/bag/large")).unwrap() == blob);
    // And whole files that are there are not sent at all.
    target.begin(&txn(1, 2), &object, 1).unwrap();
    store.goes_wrong(Wrong::default());
    target.put(&txn(1, 2), &put).unwrap();
    assert_eq!(store.look(|state| (state.bytes_in, state.writes.len())), (0, 0));
    let small = large(100);
    let put = [Put { content_path: "v1/content/bag/small", from: &small, offset: 0, size: 100 }];
    target.put(&txn(1, 2), &put).unwrap();
    target.begin(&txn(1, 3), &object, 1).unwrap();
    store.goes_wrong(Wrong::default());
    target.put(&txn(1, 3), &put).unwrap();
    assert_eq!(store.look(|state| state.bytes_in), 0);
    let other = large(101)[1..].to_vec();
    let put = [Put { content_path: "v1/content/bag/small", from: &other, offset: 0, size: 100 }];
    target.put(&txn(1, 3), &put).unwrap();
    assert!(bytes(&target, Where::Staged(&txn(1, 3), "v1/content/bag/small")).unwrap() == other);
}

#[test]
fn a_store_that_is_busy_or_loses_answers_is_asked_again() {
    let one = first();
    let two = second(&one);
    for wrong in [
        Wrong { busy_every: Some(3), ..Wrong::default() },
        Wrong { lost_every: Some(4), ..Wrong::default() },
        Wrong { cut_at: Some(100), ..Wrong::default() },
    ] {
        let store = TinyS3::new();
        let config = config(&store);
        store.goes_wrong(wrong.clone());
        let ended = ingest(&config, &[&one, &two], 1);
        assert!(ended.is_ok(), "{wrong:?}: {ended:?}");
        check(&store, &[&one, &two]);
    }
}

#[test]
fn what_a_store_refuses_is_told_in_its_kind() {
    let store = TinyS3::new();
    let target = open(&store);
    let plan = first();
    store.goes_wrong(Wrong { stop_at: Some(1), ..Wrong::default() });
    let denied = target.head(&plan.object);
    assert!(matches!(denied, Err(TargetError::Denied { .. })), "{denied:?}");
    store.goes_wrong(Wrong::default());
    store.look(|state| state.objects.remove("vault/work/target.json"));
    assert!(matches!(target.space(), Err(TargetError::Missing { .. })));
    assert!(matches!(target.begin(&txn(1, 1), &plan.object, 1), Err(TargetError::Missing { .. })));
    assert!(matches!(target.head(&plan.object), Err(TargetError::Missing { .. })));
}

#[test]
fn what_is_stored_wrongly_reads_wrongly() {
    for rot in [
        |_: Vec<u8>| Some(Vec::new()),
        |bytes: Vec<u8>| Some(vec![0; bytes.len()]),
        |mut bytes: Vec<u8>| bytes.pop().map(|_| bytes),
        |bytes: Vec<u8>| Some(bytes.iter().map(|byte| byte ^ 4).collect()),
        |_: Vec<u8>| None,
    ] {
        let store = TinyS3::new();
        let target = open(&store);
        let plan = plan("x", 1, &[("bag/a", "one")], None);
        target.begin(&txn(1, 1), &plan.object, 1).unwrap();
        store.goes_wrong(Wrong { rot: Some(rot), ..Wrong::default() });
        plan.put(&target, &txn(1, 1)).unwrap();
        let read = bytes(&target, Where::Staged(&txn(1, 1), "v1/content/bag/a"));
        assert_ne!(read.ok(), Some(b"one".to_vec()));
    }
}

#[test]
fn only_content_lies_in_the_storage_class_that_was_asked_for() {
    let store = TinyS3::new();
    let target =
        open_with(&BucketTarget { storage_class: Some("GLACIER_IR".into()), ..config(&store) }).unwrap();
    let plan = first();
    plan.store(&target, &txn(1, 1));
    let blob = large(9 << 20);
    let put = [Put { content_path: "v1/content/large", from: &blob, offset: 0, size: blob.len() as u64 }];
    target.begin(&txn(2, 1), &second(&plan).object, 2).unwrap();
    target.put(&txn(2, 1), &put).unwrap();
    store.look(|state| {
        for (key, object) in &state.objects {
            assert_eq!(object.class.is_some(), key.contains("/content/"), "{key}");
        }
    });
}

#[test]
fn the_stores_word_is_taken_only_where_the_configuration_says_so() {
    let store = TinyS3::new();
    let config = BucketTarget { read_back: ReadBack::StoreChecksum, ..config(&store) };
    let target = open_with(&config).unwrap();
    let plan = first();
    plan.begin_and_put(&target, &txn(1, 1));
    let txn = txn(1, 1);
    let at = Where::Staged(&txn, "v1/content/bag/data/a");
    let vouched = target.vouches(at).unwrap().unwrap();
    let sha256 = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    assert_eq!((vouched.bytes, vouched.sha256.as_str()), (3, sha256));
    drop(target);
    let target = open(&store);
    assert_eq!(target.vouches(Where::Object(&plan.object, "v1/content/bag/data/a")).unwrap(), None);
}

#[test]
fn a_quota_is_what_is_free_and_remembered() {
    let store = TinyS3::new();
    let config = BucketTarget { quota: Some(1 << 20), ..config(&store) };
    let target = open_with(&config).unwrap();
    let before = target.space().unwrap();
    first().store(&target, &txn(1, 1));
    let after = target.space().unwrap();
    assert!(after.free_bytes < before.free_bytes && after.total_bytes == 1 << 20);
    drop(target);
    assert_eq!(open_with(&config).unwrap().space().unwrap().free_bytes, after.free_bytes);
    let plain = open(&store).space().unwrap();
    assert!(plain.free_bytes >= 1 << 60);
    assert_eq!(plain.device, after.device);
    let other = TinyS3::new();
    assert_ne!(open(&other).space().unwrap().device, after.device);
}

#[test]
fn what_is_on_its_way_is_no_stray() {
    let store = TinyS3::new();
    let target = open(&store);
    let (one, other) = (first(), plan("strongroom:u/other", 1, &[("bag/a", "x")], None));
    one.begin_and_put(&target, &txn(1, 1));
    other.store(&target, &txn(2, 1));
    store.look(|state| {
        let stray = state.objects["vault/ocfl/0=ocfl_1.1"].clone();
        state.objects.insert("vault/ocfl/zzz/lost".into(), stray)
    });
    let mut found = Vec::new();
    let each = &mut |lies: Lies<'_>| {
        found.push(format!("{lies:?}"));
        true
    };
    target.walk(None, each).unwrap();
    let wanted = [format!("Object({:?})", layout::object_path(&other.object)), "Stray(\"zzz/lost\")".into()];
    assert_eq!(found, wanted);
    let way = target.under_way().unwrap();
    assert_eq!(way[0].path, Some(layout::object_path(&one.object)));
}

#[test]
fn a_probe_tells_what_a_store_does_and_leaves_nothing() {
    let table = [
        (Without::default(), vec![]),
        (Without { conditions: true, ..Without::default() }, vec!["if-none-match", "if-match"]),
        (Without { uploads_listed: true, ..Without::default() }, vec!["lists-uploads"]),
        (Without { ranges: true, ..Without::default() }, vec!["ranges"]),
        (Without { parts: true, ..Without::default() }, vec!["multipart", "lists-uploads"]),
        (Without { checksums: true, ..Without::default() }, vec![]),
    ];
    for (without, lacks) in table {
        let store = TinyS3::without(without);
        let target = open(&store);
        let keys = store.keys("");
        let found = target.probe().unwrap();
        assert_eq!(store.keys(""), keys, "{without:?}");
        assert!(store.look(|state| state.uploads.is_empty()));
        let no: Vec<&str> = found
            .iter()
            .filter(|ability| ability.has == Has::No)
            .map(|ability| ability.name.as_str())
            .collect();
        let always = ["versioning", "object-lock"];
        let no: Vec<&str> = no.into_iter().filter(|name| !always.contains(name)).collect();
        assert_eq!(no, lacks, "{found:?}");
    }
}

#[test]
fn a_target_that_is_looked_at_needs_no_lock_and_takes_nothing() {
    let store = TinyS3::new();
    let target = open(&store);
    let plan = first();
    let path = plan.store(&target, &txn(1, 1));
    store.goes_wrong(Wrong::default());
    let looked = S3Target::look("cloud", &config(&store), clock()).unwrap();
    assert!(plan.is_head(&looked));
    let mut files = 0;
    looked.files(&path, &mut |_, _| files += 1).unwrap();
    assert_eq!(files, 9);
    let file = looked.open(Where::Object(&plan.object, "inventory.json")).unwrap();
    let mut tail = vec![0; 10];
    assert_eq!(file.read_at(&mut tail, plan.json.len() as u64 - 10).unwrap(), 10);
    assert_eq!(tail, plan.json[plan.json.len() - 10..]);
    let mut head = vec![0; 5];
    assert_eq!(file.read_at(&mut head, 0).unwrap(), 5);
    assert_eq!(head, plan.json[..5]);
    assert!(looked.begin(&txn(2, 1), &plan.object, 2).is_err());
    drop(looked);
    assert!(store.look(|state| state.writes.is_empty()));
    target.space().unwrap();
    second(&plan).store(&target, &txn(2, 1));
}

#[test]
fn what_comes_behind_an_object_is_told_once() {
    let store = TinyS3::new();
    let target = open(&store);
    let one = first();
    let path = one.store(&target, &txn(1, 1));
    store.look(|state| {
        let stray = state.objects["vault/ocfl/0=ocfl_1.1"].clone();
        for number in 0..20 {
            state.objects.insert(format!("vault/ocfl/{path}-stray/{number:02}"), stray.clone());
            state.objects.insert(format!("vault/ocfl/{path}0/{number:02}"), stray.clone());
        }
    });
    let mut found = Vec::new();
    let each = &mut |lies: Lies<'_>| {
        found.push(format!("{lies:?}"));
        true
    };
    target.walk(None, each).unwrap();
    let told = found.len();
    found.sort();
    found.dedup();
    assert_eq!((told, found.len()), (41, 41));
}

#[test]
fn what_lies_damaged_under_its_old_tag_is_sent_again() {
    let store = TinyS3::new();
    let target = open(&store);
    let object = first().object;
    let (small, blob) = (large(100), large((9 << 20) + 5));
    let files = [
        Put { content_path: "v1/content/small", from: &small, offset: 0, size: small.len() as u64 },
        Put { content_path: "v1/content/large", from: &blob, offset: 0, size: blob.len() as u64 },
    ];
    target.begin(&txn(1, 1), &object, 1).unwrap();
    target.put(&txn(1, 1), &files).unwrap();
    // It was taken with its digest, and went bad before it was read back; its tag is still that of what was sent.
    store.look(|state| {
        for (_, object) in state.objects.iter_mut().filter(|(key, _)| key.contains("/content/")) {
            let mut bytes = object.bytes.to_vec();
            bytes[7] ^= 1;
            object.bytes = Arc::new(bytes);
        }
    });
    target.begin(&txn(1, 2), &object, 1).unwrap();
    target.put(&txn(1, 2), &files).unwrap();
    assert!(bytes(&target, Where::Staged(&txn(1, 2), "v1/content/small")).unwrap() == small);
    assert!(bytes(&target, Where::Staged(&txn(1, 2), "v1/content/large")).unwrap() == blob);
}

#[test]
fn what_was_stored_while_there_was_no_quota_counts_when_there_is_one_again() {
    let store = TinyS3::new();
    let quota = BucketTarget { quota: Some(1 << 20), ..config(&store) };
    let empty = open_with(&quota).unwrap().space().unwrap().free_bytes;
    first().store(&open(&store), &txn(1, 1));
    let stored: u64 = store.look(|state| {
        let content = state.objects.iter().filter(|(key, _)| key.contains("/v1/"));
        content.map(|(_, object)| object.bytes.len() as u64).sum()
    });
    let free = open_with(&quota).unwrap().space().unwrap().free_bytes;
    assert!(free <= empty - stored, "{empty} were free, {stored} were stored, {free} are said to be free");
}

#[test]
fn giving_up_a_version_takes_nothing_of_an_object_that_lost_its_declaration() {
    let store = TinyS3::new();
    let target = open(&store);
    let (one, two) = (first(), second(&first()));
    one.store(&target, &txn(1, 1));
    two.begin_and_put(&target, &txn(2, 1));
    store.look(|state| state.objects.remove(&format!("{}/0=ocfl_object_1.1", object(&one))));
    let before = store.keys(&format!("{}/", object(&one)));
    target.discard(&txn(2, 1)).unwrap();
    let kept: Vec<String> = before.into_iter().filter(|key| !key.contains("/v2/")).collect();
    assert_eq!(store.keys(&format!("{}/", object(&one))), kept);
}
