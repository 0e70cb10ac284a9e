//! What validators that we did not write say of the roots we write: `tests/oracles.py` over versions, odd names and logs.

use super::{Plan, local::open, plan, txn};
use std::path::{Path, PathBuf};
use std::process::Command;
use strongroom::model::event::{AGENT, Event, EventType, Outcome};
use strongroom::model::object::ObjectId;
use strongroom::rules::ocfl::metadata::DepositOrigin;
use strongroom::rules::premis::{self, Subject, chain::LogFile};
use strongroom::worlds::target::Target;
use strongroom::worlds::target::local::LocalTarget;

const BAG: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

fn events() -> Vec<Event> {
    [(EventType::Transfer, AGENT), (EventType::FixityCheck, AGENT), (EventType::Validation, "jane & co. <x>")]
        .into_iter()
        .enumerate()
        .map(|(n, (event_type, agent))| Event {
            id: format!("{n:032x}"),
            event_type,
            at: "2025-11-22T10:15:00.25Z".parse().unwrap(),
            outcome: if n == 1 { Outcome::Failure } else { Outcome::Success },
            detail: "3 files: \u{1b}[1m <b>&amp; ]]> \u{fffe}".into(),
            target: (n == 2).then(|| "east".into()),
            agent: agent.into(),
            person: None,
        })
        .collect()
}

fn premis(object: &str, version: u32) -> String {
    let object = ObjectId(object.into());
    let deposit = DepositOrigin {
        name: "Fotos & Briefe <1923>.tar".into(),
        form: if version == 1 { "tar" } else { "folder" }.into(),
        bytes: 10_240,
        digests: [("sha256", 32), ("sha512", 64)]
            .map(|(name, len)| (name.to_string(), "0".repeat(len * 2)))
            .into(),
    };
    let subject =
        Subject { object: &object, version, bag: "Fotos & Briefe", files: 3, bytes: 99, deposit: &deposit };
    let mut xml = Vec::new();
    premis::write(&subject, &events(), &mut xml).unwrap();
    String::from_utf8(xml).unwrap()
}

/// Objects of one, two and three versions, with names that test every rule for paths.
fn fill(target: &LocalTarget) {
    let long = "x".repeat(250);
    let ids =
        [ObjectId::of("uva.edu", "plain").0, ObjectId::of("uva.edu", &"Bücher und Briefe ".repeat(9)).0];
    let mut item = 0;
    for id in &ids {
        let mut before: Option<Plan> = None;
        for version in 1..=3 {
            item += 1;
            let xml = premis(id, version);
            let meta = format!("{{\"version\":{version}}}");
            let mut files = vec![
                ("bag/bagit.txt", BAG),
                ("bag/data/a", "one"),
                ("bag/data/A", "one more"),
                ("bag/data/same", "one"),
                ("bag/data/empty", ""),
                ("bag/data/cafe\u{301}/b", "nfd"),
                ("bag/data/café/b", "nfc"),
                ("bag/data/ends. ", "odd"),
                ("bag/data/line\nfeed\\", "odder"),
                ("bag/data/quote\"d", "\""),
                ("bag/data/percent%0A", "%"),
                ("metadata/premis.xml", xml.as_str()),
                ("metadata/strongroom.json", meta.as_str()),
            ];
            match version {
                1 => files.push(("bag/data/old", "gone in version 2, back in version 3")),
                2 => files.push((&long, "a long name")),
                _ => files.push(("bag/data/back", "gone in version 2, back in version 3")),
            }
            let new = plan(id, version, &files, before.as_ref());
            new.store(target, &txn(item, 1));
            before = Some(new);
        }
        let object = ObjectId(id.clone());
        let first = LogFile::new(&object, 3, &events()[..1], None).unwrap();
        let second = LogFile::new(&object, 3, &events()[1..], Some(&first.link())).unwrap();
        for log in [first, second] {
            target.log(&object, &log.name, &log.bytes).unwrap();
        }
    }
    // A version that brings no content of its own has no content folder.
    let one = plan("strongroom:uva.edu/moved", 1, &[("bag/data/a", "one")], None);
    one.store(target, &txn(90, 1));
    plan("strongroom:uva.edu/moved", 2, &[("bag/data/b", "one")], Some(&one)).store(target, &txn(91, 1));
}

/// Exit code and text of the oracles; `None` (told on stdout) when one of them is not here.
fn oracles(root: &Path) -> Option<(bool, String)> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let corpora = std::env::var_os("STRONGROOM_CORPORA").map(PathBuf::from);
    let xsd = corpora.unwrap_or(here.join("../shared/corpora")).join("ocfl/premis/premis-v3-0.xsd");
    let mut command = Command::new("python3");
    command.arg(here.join("tests/oracles.py"));
    if xsd.exists() {
        command.arg("--xsd").arg(xsd);
    }
    let Ok(done) = command.arg(root).output() else {
        println!("skipped: python3 is not installed");
        return None;
    };
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    text.lines().filter(|line| line.starts_with("skipped:")).for_each(|line| println!("{line}"));
    Some((done.status.success(), text))
}

#[test]
fn validators_of_others_find_nothing_in_what_we_write() {
    for exchange in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let target = open(folder.path());
        fill(&if exchange { target } else { target.without_exchange() });
        let Some((sound, text)) = oracles(&folder.path().join("ocfl")) else { return };
        assert!(sound, "{text}");
        assert!(text.contains(": 3\n"), "three objects: {text}");
    }
}

#[test]
fn validators_of_others_are_looked_at_when_they_find_something() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()));
    let root = folder.path().join("ocfl");
    let object = strongroom::rules::ocfl::layout::object_path(&ObjectId::of("uva.edu", "moved"));
    std::fs::write(root.join(object).join("v1/content/bag/data/a"), "oNe").unwrap();
    let Some((sound, text)) = oracles(&root) else { return };
    if text.contains("skipped: rocfl") && text.contains("skipped: ocfl-py") {
        return;
    }
    assert!(!sound, "{text}");
    assert!(text.contains("E092") || text.contains("E093"), "{text}");
}
