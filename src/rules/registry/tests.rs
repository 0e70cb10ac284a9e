use super::*;
use crate::model::checkpoint::{Checkpoint, Stage, Standing};
use crate::model::event::{AGENT, EventType, Outcome};
use crate::model::item::{Asker, Deposit, Form, Found, ItemId, Recorded, Unpacked};
use crate::model::object::StoredCopy;
use crate::rules::ocfl::layout;
use crate::rules::ocfl::metadata::{DepositOrigin, FindingCounts, PolicyTerms};
use crate::rules::premis::chain::{LogFile, LogRef, Receipt, gather};
use jiff::Timestamp;

const ID: &str = "strongroom:uva.edu/a";

fn id() -> ObjectId {
    ObjectId(ID.into())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn digest(letter: char) -> String {
    letter.to_string().repeat(128)
}

fn seen(target: &str, inventories: &[char], logs: &[LogFile]) -> CopySeen {
    CopySeen {
        target: target.into(),
        path: layout::object_path(&id()),
        inventories: inventories.iter().map(|letter| digest(*letter)).collect(),
        logs: gather(logs),
    }
}

fn copy(target: &str, inventory: char, second: i64) -> StoredCopy {
    StoredCopy {
        target: target.into(),
        root: format!("/{target}"),
        path: layout::object_path(&id()),
        inventory_sha512: digest(inventory),
        proved_at: at(second),
    }
}

fn event(number: u64, event_type: EventType, target: Option<&str>, second: i64) -> Event {
    Event {
        id: format!("{number:032x}"),
        event_type,
        at: at(second),
        outcome: Outcome::Success,
        detail: "d".into(),
        target: target.map(String::from),
        agent: AGENT.into(),
        person: None,
    }
}

/// The log of an item that brought this version to a and b.
fn log(item: u64, version: u32, inventory: char, before: Option<&LogFile>) -> LogFile {
    let second = 100 * i64::from(version);
    let events = [
        event(10 * item, EventType::Transfer, None, second),
        event(10 * item + 1, EventType::Ingestion, Some("a"), second + 1),
        event(10 * item + 2, EventType::Replication, Some("b"), second + 2),
        event(10 * item + 3, EventType::IngestionEnd, None, second + 2),
    ];
    let store = StoredFound {
        object: id(),
        version,
        inventory_sha512: digest(inventory),
        unchanged: false,
        inventory: None,
        copies: vec![copy("a", inventory, second + 1), copy("b", inventory, second + 2)],
    };
    let unpack = Unpacked { files: 5, bytes: 50, ..unpacked() };
    let kept_at = at(second + 2);
    let found = Found {
        unpack: Some(unpack),
        store: Some(store),
        record: Some(Recorded { kept_at }),
        ..Found::default()
    };
    let item = Item {
        id: ItemId(item),
        depositor: "uva.edu".into(),
        bag: "a".into(),
        deposit: Deposit {
            key: "/a.tar".into(),
            form: Form::Tar,
            bytes: 1,
            pin: String::new(),
            mark: String::new(),
            fetched: false,
        },
        policy: "standard".into(),
        policy_asked: false,
        errand: None,
        volume: None,
        received_at: at(second),
        asked_by: Asker { uid: 0, name: "jane".into(), door: "cli".into() },
        checkpoint: Checkpoint { standing: Standing::Kept, ..Checkpoint::first(&[Stage::Record]) },
        found,
        promises: Vec::new(),
        attempts: 0,
        events: 4,
    };
    let receipt = Receipt { ledger: "k3v9".into(), item };
    let before: Option<LogRef> = before.map(LogFile::link);
    LogFile::of_item(&id(), version, &events, receipt, before.as_ref()).unwrap()
}

fn unpacked() -> Unpacked {
    let seal = || serde_json::json!({ "file": "f", "count": 0, "bytes": 0, "sha256": "" });
    serde_json::from_value(serde_json::json!({
        "files": 0, "bytes": 0, "members": seal(), "findings": seal(), "top": "", "payload_folder": true,
    }))
    .unwrap()
}

fn record(version: u32) -> DepositRecord {
    DepositRecord {
        schema: 1,
        object: ID.into(),
        version,
        depositor: "uva.edu".into(),
        bag: "a".into(),
        item: u64::from(version),
        ledger: "k3v9".into(),
        received_at: at(100 * i64::from(version)),
        created: at(100 * i64::from(version)),
        deposit: DepositOrigin {
            name: "a.tar".into(),
            form: "tar".into(),
            bytes: 1,
            digests: BTreeMap::new(),
        },
        policy: PolicyTerms { name: "standard".into(), targets: vec!["a".into(), "b".into()], copies: 2 },
        files: 5,
        bytes: 50,
        bagit_version: None,
        findings: FindingCounts::default(),
        submitted_by: "jane".into(),
        agent: AGENT.into(),
    }
}

fn documents(versions: u32) -> Vec<VersionDocuments> {
    let one = |version| VersionDocuments { record: Some(record(version)), premis: Vec::new() };
    (1..=versions).map(one).collect()
}

fn places(walked: &[&str]) -> Places {
    Places {
        walked: walked.iter().map(|name| (*name).to_string()).collect(),
        roots: [("a".to_string(), "/a".to_string()), ("b".to_string(), "/b".to_string())].into(),
    }
}

fn run(copies: &[CopySeen], told: &[VersionDocuments], walked: &[&str]) -> (Made, Vec<Disagreement>) {
    let mut odd = Vec::new();
    let line = agree(&id(), copies, &mut odd);
    let logs = join_logs(&id(), copies, &mut odd);
    let made = make(&id(), copies, &line, told, &logs, &places(walked), &mut odd);
    (made, odd)
}

fn kinds(odd: &[Disagreement]) -> Vec<(Odd, Option<&str>)> {
    odd.iter().map(|told| (told.odd, told.target.as_deref())).collect()
}

#[test]
fn two_equal_copies_make_the_rows_that_were_there() {
    let logs = [log(1, 1, 'x', None)];
    let logs = [logs[0].clone(), log(2, 2, 'y', Some(&logs[0]))];
    let copies = [seen("a", &['x', 'y'], &logs), seen("b", &['x', 'y'], &logs)];
    let (made, odd) = run(&copies, &documents(2), &["a", "b"]);
    assert_eq!(odd, []);
    let object = made.object.unwrap();
    assert_eq!((object.head, object.created, object.policy.as_str()), (2, at(102), "standard"));
    assert_eq!((object.depositor.as_str(), object.bag.as_str()), ("uva.edu", "a"));
    assert_eq!(object.last_log.unwrap().name, logs[1].name);
    assert_eq!(made.versions[1].copies, [copy("a", 'y', 201), copy("b", 'y', 202)]);
    let first = &made.versions[0];
    assert_eq!((first.item, first.files, first.bytes, first.kept_at), (1, 5, 50, at(102)));
    assert_eq!(made.items.iter().map(|item| item.events.len()).collect::<Vec<_>>(), [4, 4]);
    // One target alone tells the same.
    let (alone, odd) = run(&copies[..1], &documents(2), &["a"]);
    assert_eq!((alone.versions, odd.len()), (made.versions, 0));
}

#[test]
fn a_version_that_one_target_lacks_keeps_only_the_copy_that_was_seen() {
    let first = log(1, 1, 'x', None);
    let logs = [first.clone(), log(2, 2, 'y', Some(&first))];
    let copies = [seen("a", &['x', 'y'], &logs), seen("b", &['x'], &logs[..1])];
    let (made, odd) = run(&copies, &documents(2), &["a", "b"]);
    assert_eq!(made.versions[1].copies, [copy("a", 'y', 201)]);
    assert_eq!(made.versions[0].copies.len(), 2);
    assert_eq!(kinds(&odd), [(Odd::LogDiffers, Some("b")), (Odd::VersionMissing, Some("b"))]);
}

#[test]
fn of_two_inventories_the_one_that_a_receipt_names_is_right() {
    let logs = [log(1, 1, 'y', None)];
    let copies = [seen("a", &['x'], &logs), seen("b", &['y'], &logs)];
    let (made, odd) = run(&copies, &documents(1), &["a", "b"]);
    assert_eq!(made.versions[0].inventory_sha512, digest('y'));
    assert_eq!(kinds(&odd), [(Odd::InventoryDiffers, Some("a")), (Odd::VersionMissing, Some("a"))]);
}

#[test]
fn of_inventories_that_no_receipt_names_most_copies_decide_or_nobody() {
    let copies = [seen("a", &['x'], &[]), seen("b", &['y'], &[]), seen("c", &['y'], &[])];
    let mut odd = Vec::new();
    let line = agree(&id(), &copies, &mut odd);
    assert_eq!(line, [Agreed { inventory_sha512: digest('y'), holders: vec![1, 2] }]);
    assert_eq!(kinds(&odd), [(Odd::InventoryDiffers, Some("a"))]);
    let mut odd = Vec::new();
    assert_eq!(agree(&id(), &copies[..2], &mut odd), []);
    assert_eq!(kinds(&odd), [(Odd::InventoryDiffers, None)]);
}

#[test]
fn a_log_that_one_target_lost_is_taken_from_the_other_and_told() {
    let first = log(1, 1, 'x', None);
    let logs = [first.clone(), log(2, 2, 'y', Some(&first))];
    let copies = [seen("a", &['x', 'y'], &logs[..1]), seen("b", &['x', 'y'], &logs)];
    let (made, odd) = run(&copies, &documents(2), &["a", "b"]);
    assert_eq!(made.items.len(), 2);
    assert_eq!(made.object.unwrap().last_log.unwrap().name, logs[1].name);
    assert_eq!(kinds(&odd), [(Odd::LogDiffers, Some("a"))]);
    // Lost in the middle of the only chain there is: told, and what is left is taken.
    let (made, odd) = run(&[seen("a", &['x', 'y'], &logs[1..])], &documents(2), &["a"]);
    assert_eq!((made.items.len(), made.versions.len()), (2, 2), "the first version has its document");
    assert_eq!(kinds(&odd), [(Odd::LogDiffers, Some("a")), (Odd::Unfinished, None)]);
}

#[test]
fn without_receipts_the_documents_and_events_tell_the_rows() {
    let events = [
        event(1, EventType::Ingestion, Some("a"), 101),
        event(2, EventType::Replication, Some("b"), 102),
        event(3, EventType::IngestionEnd, None, 103),
    ];
    let old = LogFile::new(&id(), 1, &events, None).unwrap();
    let mut told = documents(1);
    told[0].premis = vec![event(9, EventType::Transfer, None, 90)];
    let (made, odd) = run(&[seen("a", &['x'], &[old])], &told, &["a"]);
    assert_eq!(odd, []);
    assert_eq!(made.versions[0].copies, [copy("a", 'x', 101), copy("b", 'x', 102)]);
    assert_eq!(made.versions[0].kept_at, at(103));
    let item = &made.items[0];
    assert_eq!((item.item.id, item.item.events, item.events.len()), (ItemId(1), 4, 4));
    assert_eq!(item.events[0].event_type, EventType::Transfer);
}

#[test]
fn a_version_that_nothing_says_was_kept_is_taken_with_the_copies_that_are_there_and_told() {
    let both = [seen("a", &['x'], &[]), seen("b", &['x'], &[])];
    let (made, odd) = run(&both, &documents(1), &["a", "b"]);
    assert_eq!((made.versions[0].copies.len(), odd.len()), (2, 0));
    let (made, odd) = run(&both[..1], &documents(1), &["a"]);
    assert_eq!((made.versions[0].copies.len(), kinds(&odd)), (1, vec![(Odd::Unfinished, None)]));
    assert!(made.object.is_some() && !Odd::Unfinished.is_refusal());
}

#[test]
fn an_object_of_others_is_told_and_not_taken() {
    let (made, odd) = run(&[seen("a", &['x'], &[])], &[VersionDocuments::default()], &["a"]);
    assert_eq!((made.object, kinds(&odd)), (None, vec![(Odd::Stranger, None)]));
}

#[test]
fn the_last_proof_of_a_copy_counts_and_a_copy_made_later_is_a_copy() {
    let first = log(1, 1, 'x', None);
    let later = [
        event(50, EventType::FixityCheck, Some("a"), 500),
        event(51, EventType::Replication, Some("c"), 600),
    ];
    let more = LogFile::new(&id(), 1, &later, Some(&first.link())).unwrap();
    let (made, odd) = run(&[seen("a", &['x'], &[first, more])], &documents(1), &["a"]);
    assert_eq!(odd, []);
    let proved: Vec<(&str, Timestamp)> =
        made.versions[0].copies.iter().map(|copy| (copy.target.as_str(), copy.proved_at)).collect();
    assert_eq!(proved, [("a", at(500)), ("b", at(102)), ("c", at(600))]);
}
