//! Notices: who is told of what, once; and that nothing depends on whether they go.

use crate::jobs::{Office, asker, office};
use crate::rehearsal::house;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strongroom::books::ledger::{NewItem, NoticeRow};
use strongroom::model::checkpoint::Stage;
use strongroom::model::item::{Deposit, Form};
use strongroom::model::job::RunEnd;
use strongroom::model::trouble::{Kind, Trouble};
use strongroom::work::desk::words::{Answer, Ask, JobAnswer, JobAsk};
use strongroom::worlds::fate::Blow;

const DAY: Duration = Duration::from_secs(86_400);

/// A configuration whose command appends what it is told to a file of this folder, unless there is a file `away`.
fn telling(folder: &Path, more: &str) -> String {
    let script = "[ -e $0/away ] && exit 3; { echo \"TO $STRONGROOM_TO SUBJECT $STRONGROOM_SUBJECT\"; cat; } >> $0/told";
    format!("[notice]\ncommand = [\"/bin/sh\", \"-c\", '''{script}''', \"{}\"]\n{more}", folder.display())
}

struct Told(PathBuf);

impl Told {
    fn away(&self, is: bool) {
        let path = self.0.join("away");
        if is { std::fs::write(path, "").unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    /// What was told since the last time.
    fn take(&self) -> String {
        let path = self.0.join("told");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        text
    }
}

/// Goes on until everything was tried once: how many went, and why others did not.
fn tell(office: &Office) -> (u64, Vec<String>) {
    let (mut after, mut sent, mut failed) = (0, 0, Vec::new());
    loop {
        let JobAnswer::Telling { number, wrong, more } = office.ask(JobAsk::Tell { after }) else { panic!() };
        after = number.unwrap_or(after);
        sent += u64::from(number.is_some() && wrong.is_none());
        failed.extend(wrong);
        if !more {
            return (sent, failed);
        }
    }
}

fn waiting(office: &Office) -> Vec<NoticeRow> {
    let JobAnswer::Notices { notices, .. } = office.ask(JobAsk::Notices) else { panic!() };
    notices
}

#[test]
fn operators_are_told_once_of_a_run_that_found_something_and_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (office, told) = (office(&telling(folder.path(), "")), Told(folder.path().into()));
    assert_eq!(office.run("state-backup", None).unwrap().end, RunEnd::Well);
    assert_eq!(tell(&office), (0, vec![]));
    office.house.targets["b"].unmount(true);
    let run = office.run("state-backup", None).unwrap();
    assert_eq!(tell(&office), (1, vec![]));
    let text = told.take();
    let first = format!("TO  SUBJECT [strongroom] {}\n{}\n  b: ", run.told.line, run.told.line);
    assert!(text.starts_with(&first), "{text}");
    assert!(text.contains("run 2 of state-backup, started by anna at 2026-01-01"), "{text}");
    assert_eq!((tell(&office), told.take()), ((0, vec![]), String::new()));
}

#[test]
fn what_cannot_go_waits_for_the_next_run_and_the_record_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (office, told) = (office(&telling(folder.path(), "")), Told(folder.path().into()));
    office.house.targets["b"].unmount(true);
    told.away(true);
    for number in 1..=3 {
        let run = office.run("state-backup", None).unwrap();
        assert_eq!((run.number, run.end), (number, RunEnd::Wrong));
        assert_eq!(tell(&office).0, 0);
    }
    let rows = waiting(&office);
    assert_eq!(rows.iter().map(|row| row.tries).collect::<Vec<_>>(), [3, 2, 1]);
    assert!(rows[0].wrong.as_ref().unwrap().contains("exit status: 3"), "{rows:?}");
    told.away(false);
    assert_eq!(tell(&office), (3, vec![]));
    assert_eq!(told.take().matches("TO  SUBJECT").count(), 3);
    assert!(waiting(&office).is_empty());
}

#[test]
fn what_is_too_old_is_given_up_and_the_next_notice_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (office, told) = (office(&telling(folder.path(), "")), Told(folder.path().into()));
    office.house.targets["b"].unmount(true);
    told.away(true);
    office.run("state-backup", None).unwrap();
    office.house.clock.advance(15 * DAY);
    assert_eq!(tell(&office).0, 0);
    assert!(waiting(&office).is_empty());
    told.away(false);
    office.run("state-backup", None).unwrap();
    assert_eq!(tell(&office), (1, vec![]));
    let text = told.take();
    assert!(text.contains("1 earlier notices could not be sent"), "{text}");
    office.run("state-backup", None).unwrap();
    tell(&office);
    assert!(!told.take().contains("earlier notices"));
}

#[test]
fn a_way_that_is_away_is_tried_once_and_not_for_every_notice() {
    let text = "[notice]\nsmtp='127.0.0.1:1'\nfrom='s@r.org'\nto=['op@r.org']\n";
    let office = office(text);
    office.house.targets["b"].unmount(true);
    (0..3).for_each(|_| assert!(office.run("state-backup", None).is_some()));
    let (sent, failed) = tell(&office);
    assert_eq!((sent, failed.len()), (0, 3));
    assert!(failed[0].contains("cannot be reached"), "{failed:?}");
    assert!(failed[1..].iter().all(|why| why == "smtp was away a moment ago"), "{failed:?}");
}

#[test]
fn without_a_way_nothing_waits_and_a_trial_says_what_lacks() {
    let office = office("");
    office.house.targets["b"].unmount(true);
    assert_eq!(office.run("state-backup", None).unwrap().end, RunEnd::Wrong);
    assert!(waiting(&office).is_empty());
    let answer = office.desk.answer(&Ask::Job(JobAsk::TryNotice), &asker("anna"));
    assert!(
        matches!(&answer, Answer::Refused(complaint) if complaint.because.contains("no notice.command")),
        "{answer:?}"
    );
}

/// A deposit that was not taken.
fn refuse(office: &Office, depositor: &str, bag: &str) {
    let deposit = Deposit {
        key: format!("/inbox/{depositor}/{bag}.zip"),
        form: Form::Tar,
        bytes: 1,
        pin: bag.into(),
        mark: String::new(),
        fetched: false,
    };
    let new = NewItem {
        depositor: depositor.into(),
        bag: bag.into(),
        deposit,
        policy: "default".into(),
        policy_asked: false,
        asked_by: asker("anna"),
        listed: None,
        refused: Some(Trouble::new(Kind::NotTaken, "in /srv/secret/place")),
        replaces: None,
    };
    office.house.ledger.submit(new).unwrap();
}

#[test]
fn a_depositor_is_told_of_its_own_deposits_once_a_day_and_not_of_the_past() {
    let folder = tempfile::tempdir().unwrap();
    let depositors = "[[depositor]]\nname='uva.edu'\nnotify='bags@uva.edu'\n[[depositor]]\nname='vt.edu'\n";
    let (office, told) = (office(&telling(folder.path(), depositors)), Told(folder.path().into()));
    let kept = |name: &str| {
        office.house.deposit(name, &[("a.txt", "hello")]);
        office.house.run();
    };
    kept("old");
    assert_eq!((tell(&office), told.take()), ((0, vec![]), String::new()));
    office.house.clock.advance(Duration::from_secs(60));
    kept("new");
    refuse(&office, "uva.edu", "odd\nname");
    refuse(&office, "vt.edu", "theirs");
    assert_eq!(tell(&office).0, 0, "a day is not over");
    office.house.clock.advance(DAY);
    assert_eq!(tell(&office), (1, vec![]));
    let text = told.take();
    let first = "TO bags@uva.edu SUBJECT [strongroom] uva.edu: not accepted: 1 of 2 deposits\n\
                 uva.edu: not accepted: 1 of 2 deposits\n\nodd\\u{a}name: not accepted: what lies at the source is no deposit";
    assert!(text.starts_with(first), "{text}");
    assert!(text.contains("\nnew: kept, version 1, 2 proved copies\n"), "{text}");
    for hidden in ["old", "theirs", "/srv/secret"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    office.house.clock.advance(DAY);
    assert_eq!((tell(&office), told.take()), ((0, vec![]), String::new()));
}

/// The first write from the end after whose loss an item is found on its last stage, not kept.
fn cut_before_it_is_kept(office: &Office, bag: &str) -> bool {
    let whole = house();
    whole.deposit(bag, &[("a.txt", "hello")]);
    whole.fate.recover();
    whole.run();
    let item = office.house.deposit(bag, &[("a.txt", "hello")]);
    office.house.fate.plan(whole.fate.writes() - 2, Blow::PowerBefore);
    office.house.run_once();
    office.house.fate.recover();
    let item = office.house.ledger.item(item.id).unwrap().unwrap();
    item.checkpoint.stage == Stage::Record && item.found.record.is_none()
}

#[test]
fn a_depositor_is_told_of_a_deposit_whose_copies_were_proved_before_the_look_and_that_was_kept_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let depositors = "[[depositor]]\nname='uva.edu'\nnotify='bags@uva.edu'\n";
    let (office, told) = (office(&telling(folder.path(), depositors)), Told(folder.path().into()));
    assert_eq!(tell(&office), (0, vec![]), "the first look tells nothing");
    office.house.clock.advance(DAY);
    assert!(cut_before_it_is_kept(&office, "late"));
    office.house.clock.advance(Duration::from_secs(1));
    assert_eq!((tell(&office), told.take()), ((0, vec![]), String::new()), "it is not kept yet");
    office.house.clock.advance(Duration::from_secs(1));
    office.house.run();
    office.house.clock.advance(DAY);
    assert_eq!(tell(&office), (1, vec![]));
    let text = told.take();
    assert!(text.contains("\nlate: kept, version 1, 2 proved copies\n"), "{text}");
    office.house.clock.advance(DAY);
    assert_eq!(tell(&office), (0, vec![]), "once");
}

#[test]
fn a_flood_is_capped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let depositors = "[[depositor]]\nname='uva.edu'\nnotify='bags@uva.edu'\n";
    let (office, told) = (office(&telling(folder.path(), depositors)), Told(folder.path().into()));
    tell(&office);
    office.house.clock.advance(DAY);
    (0..300).for_each(|number| refuse(&office, "uva.edu", &format!("bag-{number}")));
    office.house.clock.advance(Duration::from_secs(1));
    assert_eq!(tell(&office), (1, vec![]));
    let text = told.take();
    assert!(text.contains("not accepted: 300 of 300 deposits"), "{text}");
    assert!(text.contains("\nand 280 more\n") && text.lines().count() < 30, "{text}");

    // Nobody takes anything for a long time: what waits is bounded, and what went is counted.
    told.away(true);
    let row = NoticeRow { ways: vec!["command".into()], subject: "x".into(), ..blank() };
    for _ in 0..12 {
        office.house.ledger.add_notices(vec![row.clone(); 50], None).unwrap();
    }
    assert_eq!(waiting(&office).len(), 500);
    assert_eq!(office.house.ledger.notices_row().unwrap().untold, 100);
}

fn blank() -> NoticeRow {
    serde_json::from_value(serde_json::json!({
        "number": 0, "about": "a", "subject": "", "text": "t", "at": "2026-01-01T00:00:00Z", "ways": [],
    }))
    .unwrap()
}
