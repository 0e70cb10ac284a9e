//! An item's whole life, printed: every standing at every kind of stage, with every move.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use strongroom::model::checkpoint::{
    Asked, Checkpoint, Move, STOPS_MAX, Stage, Standing, TRIES_MAX, WaitWhy, next,
};
use strongroom::model::trouble::{KINDS, Kind, Trouble, Wait};

fn trouble(kind: Kind) -> Trouble {
    Trouble::new(kind, "because")
}

fn standings() -> Vec<(&'static str, Standing)> {
    let until = jiff::Timestamp::UNIX_EPOCH;
    vec![
        ("ready", Standing::Ready),
        ("working", Standing::Working),
        ("waiting for a turn", Standing::Waiting { until, why: WaitWhy::For(Wait::Turn { behind: 1 }) }),
        ("waiting in trouble", Standing::Waiting { until, why: WaitWhy::Trouble(trouble(Kind::TargetIo)) }),
        ("held by a trouble", Standing::Held { trouble: trouble(Kind::TargetMissing) }),
        ("held by an operator", Standing::Held { trouble: trouble(Kind::HeldByOperator) }),
        ("refused", Standing::Refused { trouble: trouble(Kind::InvalidBag) }),
        ("kept", Standing::Kept),
        ("done", Standing::Done),
        ("cancelled", Standing::Cancelled),
    ]
}

fn moves() -> Vec<(&'static str, Move)> {
    let until = jiff::Timestamp::UNIX_EPOCH;
    vec![
        ("claim", Move::Claim),
        ("finish", Move::Finish),
        ("wait", Move::Wait { wait: Wait::Turn { behind: 1 }, until }),
        ("fail: time", Move::Fail { trouble: trouble(Kind::TargetIo), until }),
        ("fail: depositor", Move::Fail { trouble: trouble(Kind::InvalidBag), until }),
        ("fail: operator", Move::Fail { trouble: trouble(Kind::TargetMissing), until }),
        ("back to unpack", Move::Back { trouble: trouble(Kind::FactsDamaged), to: Stage::Unpack, until }),
        ("drain", Move::Drain),
        ("recover", Move::Recover { progress: 0 }),
        ("wake", Move::Wake),
        ("requeue", Move::Requeue { from: None }),
        ("requeue from unpack", Move::Requeue { from: Some(Stage::Unpack) }),
        ("hold", Move::Hold),
        ("release", Move::Release),
        ("cancel", Move::Cancel),
    ]
}

fn at(stage: Stage, standing: Standing) -> Checkpoint {
    Checkpoint { stage, standing, fence: 7, tries: 1, stops: 0, progress: 0, round: 2, asked: None }
}

fn shown(then: &Checkpoint) -> String {
    let standing = match &then.standing {
        Standing::Waiting { why: WaitWhy::For(_), .. } => "waiting for a turn".to_string(),
        other => match other.trouble() {
            Some(trouble) => format!("{} ({})", other.name(), trouble.kind.name()),
            None => other.name().to_string(),
        },
    };
    let asked = then.asked.map_or(String::new(), |asked| format!(", asked {asked:?}").to_lowercase());
    format!(
        "{standing} at {}, fence {}, tries {}, stops {}, round {}{asked}",
        then.stage, then.fence, then.tries, then.stops, then.round
    )
}

fn table() -> String {
    let mut text = String::from("every checkpoint below starts with fence 7, tries 1, stops 0, round 2\n");
    for stage in [
        Stage::Unpack,
        Stage::Store,
        Stage::Record,
        Stage::Gather,
        Stage::Deliver,
        Stage::Remove,
        Stage::Conclude,
    ] {
        for (name, standing) in standings() {
            text.push_str(&format!("\n{name} at {stage}\n"));
            for (tried, then) in moves() {
                let result = match next(&at(stage, standing.clone()), &then, stage.line()) {
                    Ok(then) => shown(&then),
                    Err(illegal) => format!("no: {}", illegal.because),
                };
                text.push_str(&format!("  {tried:<20} {result}\n"));
            }
        }
    }
    text
}

#[test]
fn every_standing_and_every_move_are_as_printed() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/next_table.txt");
    let table = table();
    if std::env::var_os("STRONGROOM_BLESS").is_some() {
        std::fs::write(golden, &table).unwrap();
    }
    let wanted = std::fs::read_to_string(golden).unwrap();
    assert!(wanted == table, "the table changed; look at it and bless it with STRONGROOM_BLESS=1:\n{table}");
}

#[test]
fn every_stage_is_in_one_line() {
    for stage in Stage::ALL {
        let lines = [&Stage::INGEST[..], &Stage::RESTORE, &Stage::DELETE];
        assert_eq!(lines.iter().filter(|line| line.contains(&stage)).count(), 1, "{stage}");
        assert!(stage.line().contains(&stage));
        assert_eq!(Stage::from_name(stage.name()), Some(stage));
    }
}

#[test]
fn a_deletion_may_be_taken_back_until_it_begins() {
    let first = Checkpoint::first(&Stage::DELETE);
    assert_eq!(next(&first, &Move::Cancel, &Stage::DELETE).unwrap().standing, Standing::Cancelled);
    let until = jiff::Timestamp::UNIX_EPOCH;
    let grace = Standing::Waiting { until, why: WaitWhy::For(Wait::Grace) };
    let grace = Checkpoint { standing: grace, ..first.clone() };
    assert!(next(&grace, &Move::Requeue { from: None }, &Stage::DELETE).is_err());
    let held = next(&grace, &Move::Hold, &Stage::DELETE).unwrap();
    let again = next(&held, &Move::Requeue { from: None }, &Stage::DELETE).unwrap();
    assert_eq!(next(&again, &Move::Cancel, &Stage::DELETE).unwrap().standing, Standing::Cancelled);
    let begun = next(&first, &Move::Claim, &Stage::DELETE).unwrap();
    assert!(next(&begun, &Move::Cancel, &Stage::DELETE).is_err());
    let drained = next(&begun, &Move::Drain, &Stage::DELETE).unwrap();
    assert!(next(&drained, &Move::Cancel, &Stage::DELETE).is_err());
}

#[test]
fn a_trouble_that_time_may_cure_is_held_after_its_last_try() {
    let until = jiff::Timestamp::UNIX_EPOCH;
    let mut now = Checkpoint::first(&Stage::INGEST);
    for tried in 1..=TRIES_MAX {
        now = next(&now, &Move::Claim, &Stage::INGEST).unwrap();
        now = next(&now, &Move::Fail { trouble: trouble(Kind::SourceIo), until }, &Stage::INGEST).unwrap();
        assert_eq!(now.tries, tried);
        if tried < TRIES_MAX {
            assert_eq!(now.standing.name(), "waiting");
            now = next(&now, &Move::Wake, &Stage::INGEST).unwrap();
        }
    }
    assert_eq!(now.standing.name(), "held");
}

#[test]
fn waiting_for_space_uses_no_try() {
    let until = jiff::Timestamp::UNIX_EPOCH;
    let wait = Wait::Space { place: "staging".into(), bytes: 1, inodes: 1, free: 0 };
    let mut now = Checkpoint::first(&Stage::INGEST);
    for _ in 0..100 {
        now = next(&now, &Move::Wait { wait: wait.clone(), until }, &Stage::INGEST).unwrap();
        now = next(&now, &Move::Wake, &Stage::INGEST).unwrap();
        now = next(&now, &Move::Claim, &Stage::INGEST).unwrap();
        now = next(&now, &Move::Wait { wait: wait.clone(), until }, &Stage::INGEST).unwrap();
        now = next(&now, &Move::Wake, &Stage::INGEST).unwrap();
    }
    assert_eq!((now.tries, now.standing), (0, Standing::Ready));
}

#[test]
fn a_bag_that_stops_the_process_three_times_is_held() {
    let mut now = Checkpoint::first(&Stage::INGEST);
    for stops in 1..=STOPS_MAX {
        now = next(&now, &Move::Claim, &Stage::INGEST).unwrap();
        now = next(&now, &Move::Recover { progress: 0 }, &Stage::INGEST).unwrap();
        assert_eq!(now.stops, stops);
    }
    assert_eq!(now.standing.trouble().map(|trouble| trouble.kind), Some(Kind::StopsTheProcess));
}

#[test]
fn a_bag_that_gets_on_between_ends_of_the_process_is_not_held() {
    let mut now = Checkpoint::first(&Stage::INGEST);
    for progress in 1..50 {
        now = next(&now, &Move::Claim, &Stage::INGEST).unwrap();
        now = next(&now, &Move::Recover { progress }, &Stage::INGEST).unwrap();
        assert_eq!(now.standing, Standing::Ready);
    }
}

#[test]
fn what_a_person_asks_meanwhile_happens_when_the_worker_lets_go() {
    let working = at(Stage::Checksum, Standing::Working);
    let asked = next(&working, &Move::Hold, &Stage::INGEST).unwrap();
    assert_eq!((asked.standing.clone(), asked.asked), (Standing::Working, Some(Asked::Hold)));
    let held = next(&asked, &Move::Finish, &Stage::INGEST).unwrap();
    assert_eq!(held.stage, Stage::Validate);
    assert_eq!(held.standing.trouble().map(|trouble| trouble.kind), Some(Kind::HeldByOperator));
    let again = next(&held, &Move::Release, &Stage::INGEST).unwrap();
    assert_eq!(again.standing, Standing::Ready);
    let cancelled =
        next(&next(&working, &Move::Cancel, &Stage::INGEST).unwrap(), &Move::Drain, &Stage::INGEST);
    assert_eq!(cancelled.unwrap().standing, Standing::Cancelled);
    // Also when trouble would hold it: it is not to be asked twice. A verdict stands.
    let asked = next(&working, &Move::Cancel, &Stage::INGEST).unwrap();
    let fail = |kind| Move::Fail { trouble: trouble(kind), until: jiff::Timestamp::UNIX_EPOCH };
    let ends = |kind| next(&asked, &fail(kind), &Stage::INGEST).unwrap().standing.name();
    assert_eq!((ends(Kind::OverLimit), ends(Kind::InvalidBag)), ("cancelled", "refused"));
}

#[test]
fn the_fence_grows_with_every_claim_and_requeue_and_never_falls() {
    for (_, standing) in standings() {
        for (name, then) in moves() {
            let before = at(Stage::Store, standing.clone());
            if let Ok(after) = next(&before, &then, &Stage::INGEST) {
                assert!(after.fence >= before.fence);
                let grows = matches!(then, Move::Claim | Move::Requeue { .. });
                assert_eq!(after.fence > before.fence, grows, "{name}");
            }
        }
    }
}

#[test]
fn nothing_leaves_held_or_refused_by_itself() {
    for kind in KINDS {
        for standing in [
            Standing::Held { trouble: trouble(kind.kind) },
            Standing::Refused { trouble: trouble(kind.kind) },
        ] {
            for (name, then) in moves() {
                let of_a_person =
                    matches!(then, Move::Requeue { .. } | Move::Release | Move::Cancel | Move::Hold);
                let moved = next(&at(Stage::Unpack, standing.clone()), &then, &Stage::INGEST);
                assert!(of_a_person || moved.is_err(), "{} by {name}", kind.name);
            }
        }
    }
}
