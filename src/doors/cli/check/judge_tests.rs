use super::*;
use serde_json::json;

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    now().checked_sub(jiff::SignedDuration::from_hours(hours)).unwrap()
}

const DAY: u64 = 86_400;

fn place(free: u64, room: u64, wrong: Option<&str>) -> PlaceView {
    PlaceView {
        name: "vault-a".into(),
        role: "target".into(),
        path: "/srv".into(),
        total: 1_000,
        free,
        free_inodes: None,
        promised: 0,
        floor: 10,
        room,
        wrong: wrong.map(String::from),
    }
}

#[test]
fn a_disk_is_judged_by_what_is_free_and_by_what_can_be_promised() {
    let limits = Limits { warning: 10, critical: 5 };
    let table = [
        (place(500, 490, None), Grade::Ok),
        (place(100, 90, None), Grade::Ok),
        (place(99, 89, None), Grade::Warning),
        (place(49, 39, None), Grade::Critical),
        (place(500, 0, None), Grade::Warning),
        (place(500, 490, Some("it is not mounted")), Grade::Critical),
    ];
    for (place, grade) in table {
        assert_eq!(disk(std::slice::from_ref(&place), limits).grade, grade, "{place:?}");
    }
    let line = disk(&[place(99, 89, None)], limits).line();
    assert_eq!(line, "WARNING: target vault-a: 99 B of 1000 B free | vault-a=901B;900;950;0;1000");
    let few = PlaceView { free_inodes: Some(3), ..place(500, 490, None) };
    assert_eq!(disk(&[few], limits).grade, Grade::Critical);
    let bucket = PlaceView { total: u64::MAX / 2, free: u64::MAX / 2, ..place(0, 1, None) };
    assert_eq!(disk(&[bucket], limits).line(), "OK: target vault-a has no end");
}

fn summary(helps: &str, items: u64, hours: i64) -> SummaryRow {
    serde_json::from_value(json!({
        "kind": "k", "helps": helps, "depositor": "d", "stage": "store", "items": items, "bytes": 1, "oldest": 1,
        "oldest_at": ago(hours),
    }))
    .unwrap()
}

#[test]
fn trouble_counts_what_waits_for_us_and_an_alarm_is_never_small() {
    let limits = Limits { warning: 1, critical: 5 };
    let judge = |rows: &[SummaryRow]| trouble(rows, limits, 7 * DAY, now());
    let table = [
        (vec![], Grade::Ok),
        (vec![summary("depositor", 400, 9_000), summary("time", 9, 1)], Grade::Ok),
        (vec![summary("operator", 1, 2)], Grade::Warning),
        (vec![summary("operator", 3, 2), summary("developer", 2, 1)], Grade::Critical),
        (vec![summary("operator", 1, 7 * 24)], Grade::Critical),
        (vec![summary("alarm", 1, 1)], Grade::Critical),
    ];
    for (rows, grade) in table {
        assert_eq!(judge(&rows).grade, grade, "{rows:?}");
    }
    assert_eq!(
        judge(&[summary("operator", 2, 3), summary("depositor", 1, 99)]).line(),
        "WARNING: 2 items need you, oldest 3 h; 1 need the depositor, 0 retry by themselves; strongroom trouble list \
         | operator=2;1;5;0 depositor=1;;;0 retrying=0;;;0 oldest=10800s;604800;604800;0"
    );
}

fn covered(target: &str, hours: Option<i64>, bad: u64) -> Coverage {
    let every = 90 * DAY;
    Coverage { target: target.into(), copies: 3, bad, oldest: hours.map(ago), every, ..Coverage::default() }
}

#[test]
fn fixity_is_as_good_as_its_worst_target_and_damage_is_critical() {
    let vitals = Vitals { first_object: Some(ago(9_000)), ..Vitals::default() };
    let judge = |rows: &[Coverage]| fixity(&vitals, rows, (None, None), now());
    let well = covered("a", Some(1), 0);
    let table = [
        (vec![well.clone(), covered("b", Some(2), 0)], Grade::Ok),
        (vec![well.clone(), covered("b", Some(96 * 24), 0)], Grade::Ok),
        (vec![well.clone(), covered("b", Some(97 * 24), 0)], Grade::Warning),
        (vec![covered("a", Some(120 * 24), 0)], Grade::Critical),
        (vec![covered("a", Some(1), 1)], Grade::Critical),
        (vec![covered("a", None, 0)], Grade::Ok),
    ];
    for (rows, grade) in table {
        assert_eq!(judge(&rows).grade, grade, "{rows:?}");
    }
    let hour = Some(Duration::from_secs(3_600));
    assert_eq!(fixity(&vitals, &[covered("a", Some(1), 0)], (hour, None), now()).grade, Grade::Warning);
    let line = judge(&[covered("a", Some(1), 2)]).line();
    assert!(
        line.starts_with("CRITICAL: a: 2 damaged copies; strongroom repair plan | oldest_proof_a=3600s;"),
        "{line}"
    );
}

#[test]
fn a_line_is_stalled_only_while_something_is_in_it() {
    let limits = Limits { warning: 7_200, critical: 21_600 };
    let judge = |in_line, hours: Option<i64>| {
        stalled(&Vitals { in_line, still_since: hours.map(ago), ..Vitals::default() }, limits, now())
    };
    for (in_line, hours, grade) in [
        (0, Some(99), Grade::Ok),
        (3, None, Grade::Ok),
        (3, Some(1), Grade::Ok),
        (3, Some(2), Grade::Warning),
        (3, Some(6), Grade::Critical),
    ] {
        assert_eq!(judge(in_line, hours).grade, grade, "{in_line} {hours:?}");
    }
    assert!(judge(3, Some(2)).line().contains("3 items in line, and the line has not got on for 2 h"));
}

#[test]
fn a_backup_is_judged_by_its_age_and_by_where_it_lies() {
    let row = |hours, wrong: &[bool]| -> BackupRow {
        let places: Vec<_> = wrong
            .iter()
            .enumerate()
            .map(|(at, wrong)| json!({"target": format!("t{at}"), "wrong": wrong.then_some("gone")}))
            .collect();
        serde_json::from_value(json!({
            "name": "n", "at": ago(hours), "through": 1, "rows": 1, "bytes": 1, "sha256": "", "places": places,
        }))
        .unwrap()
    };
    let limits = Limits { warning: 2 * DAY, critical: 4 * DAY };
    let judge = |row: Option<&BackupRow>, first: Option<i64>| backup(row, first.map(ago), limits, now());
    for (first, grade) in
        [(None, Grade::Ok), (Some(47), Grade::Ok), (Some(48), Grade::Warning), (Some(96), Grade::Critical)]
    {
        assert_eq!(judge(None, first).grade, grade, "{first:?}");
    }
    for (hours, wrong, grade) in [
        (1, vec![false, false], Grade::Ok),
        (48, vec![false, false], Grade::Warning),
        (96, vec![false, false], Grade::Critical),
        (1, vec![false, true], Grade::Warning),
        (1, vec![true, true], Grade::Critical),
    ] {
        assert_eq!(judge(Some(&row(hours, &wrong)), Some(1)).grade, grade, "{hours} {wrong:?}");
    }
    assert_eq!(
        judge(Some(&row(1, &[false, true])), Some(1)).line(),
        "WARNING: it is not on t1; strongroom state backup --last | age=3600s;172800;345600;0 targets=1;;;0;2"
    );
}

fn status(troubles: serde_json::Value, places: &[PlaceView]) -> Status {
    serde_json::from_value(json!({
        "schema": 1, "version": "0.1.0", "daemon": true, "up_seconds": 700, "well": true, "counts": [],
        "troubles": troubles, "oldest_trouble": null, "waits": {}, "kept": 9, "places": places,
    }))
    .unwrap()
}

fn job(name: &str, late: bool, end: Option<&str>, skip: bool) -> JobView {
    let last = end.map(|end| {
        json!({"job": name, "number": 1, "by": "cron", "started": ago(2), "ended": ago(1), "end": end, "line": format!("{name} {end}")})
    });
    let skip = skip.then(|| json!({"times": 1, "reason": "a move", "by": "anna", "at": ago(1)}));
    serde_json::from_value(json!({
        "job": name, "does": "x", "every_seconds": 86_400, "done": ago(60), "due": ago(1), "late": late, "running": null,
        "skip": skip, "last": last,
    }))
    .unwrap()
}

#[test]
fn health_is_as_good_as_its_worst_part() {
    let well = status(json!({"depositor": 3}), &[place(1, 1, None)]);
    let vitals = Vitals::default();
    let judge = |status: &Status, vitals: &Vitals, jobs: &[JobView]| health(status, vitals, jobs, now());
    let none = judge(&well, &vitals, &[job("reconcile", false, Some("well"), false)]);
    assert_eq!(
        none.line(),
        "OK: strongroom 0.1.0, up 11 min, 0 items in line, 9 kept | in_line=0;;;0 kept=9;;;0 notices_waiting=0;;;0"
    );
    let cases = [
        (
            judge(&well, &Vitals { damaged: [("a".to_string(), 3)].into(), ..Vitals::default() }, &[]),
            Grade::Critical,
            "3 damaged copies",
        ),
        (
            judge(&status(json!({"alarm": 1}), &[]), &vitals, &[]),
            Grade::Critical,
            "bytes are not what they were",
        ),
        (
            judge(&status(json!({}), &[place(1, 1, Some("gone"))]), &vitals, &[]),
            Grade::Critical,
            "target vault-a fails: gone",
        ),
        (
            judge(&well, &vitals, &[job("reconcile", false, Some("wrong"), false)]),
            Grade::Warning,
            "reconcile wrong",
        ),
        (
            judge(&well, &vitals, &[job("retention", true, None, false)]),
            Grade::Warning,
            "retention is late: it was done 2 d ago",
        ),
        (
            judge(&well, &vitals, &[job("retention", true, None, true)]),
            Grade::Ok,
            "retention is left out, says anna: a move",
        ),
        (
            judge(&well, &Vitals { notices: 2, notices_since: Some(ago(30)), ..Vitals::default() }, &[]),
            Grade::Warning,
            "2 notices could not be sent since 30 h",
        ),
        (
            judge(&well, &Vitals { notices: 2, notices_since: Some(ago(3)), ..Vitals::default() }, &[]),
            Grade::Ok,
            "9 kept",
        ),
    ];
    for (verdict, grade, text) in cases {
        assert_eq!(verdict.grade, grade, "{}", verdict.line());
        assert!(verdict.text().contains(text), "{}", verdict.line());
    }
}
