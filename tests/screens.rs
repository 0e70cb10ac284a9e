//! Screens that a person sees, as golden files in `tests/screens/`. After a wanted change: `STRONGROOM_BLESS=1 cargo test
//! --test screens`, and read the difference as the operator at three in the morning would.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use clap::CommandFactory;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use strongroom::books::config::needs::Needs;
use strongroom::books::config::{Config, Given};
use strongroom::books::unit::drop_in::{DropIn, Who};
use strongroom::books::unit::{SERVICE, frame, lacks};
use strongroom::doors::cli::bag::told;
use strongroom::doors::cli::table::Style;
use strongroom::doors::cli::{
    args::Cli, coverage, delete, explain, fixity, offline, overview, repair, source, text,
};
use strongroom::model::digest::Algorithm;
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::groups::Groups;
use strongroom::work::desk::complaint::{Complaint, Sort};
use strongroom::work::desk::fixity_words::{Coverage, SweepView};
use strongroom::work::desk::letter::Letter;
use strongroom::work::desk::words::{
    Check, DeletionView, ItemStory, ItemView, MovedRow, RefusedRow, SourceView,
};
use strongroom::work::judging::{Judged, Outcome};
use strongroom::work::repair::CopyPlan;
use strongroom::worlds::unit::Units;

fn style(tty: bool) -> Style {
    Style { tty, color: false, quiet: false, now: "2026-11-21T10:00:00Z".parse().unwrap() }
}

/// Compares with the golden file of this name.
fn see(name: &str, screen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name);
    if std::env::var_os("STRONGROOM_BLESS").is_some() {
        fs::write(&path, screen).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(screen, golden, "the screen {name} changed; see the head of tests/screens.rs");
    assert!(screen.lines().all(|line| !line.ends_with(' ')), "{name} has blanks at the end of a line");
}

fn view<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// An item; `with` replaces what is special about it.
fn item(id: u64, with: Value) -> ItemView {
    let mut value = json!({
        "id": id, "bag": "uva-ms-2213", "depositor": "uva.edu", "standing": "working", "stage": "download",
        "object": null, "version": null, "unchanged": false, "copies": [], "errors": 0, "warnings": 0,
        "path": "/srv/inbox/uva.edu/uva-ms-2213.tar", "form": "tar", "bytes": 19_756_849_561u64, "files": null,
        "policy": "default", "received_at": "2026-11-18T22:04:00Z", "kept_at": null, "asked_by": "anna", "tries": 0,
        "round": 0, "trouble": null, "waits_for": null, "waits_until": null, "asked": null, "rests": false,
    });
    for (key, special) in with.as_object().unwrap() {
        value[key] = special.clone();
    }
    view(value)
}

fn trouble(kind: &str, helps: &str, sentence: &str, id: u64) -> Value {
    let row = strongroom::model::trouble::KINDS.iter().find(|row| row.name == kind).unwrap();
    json!({
        "kind": kind, "helps": helps, "meaning": row.meaning, "sentence": sentence, "next": row.next,
        "advice": row.advice.replace("ID", &id.to_string()),
    })
}

fn refused() -> ItemView {
    let why = trouble("invalid-bag", "depositor", "validating uva-ms-2213: 2 errors", 41);
    item(
        41,
        json!({"standing": "refused", "stage": "validate", "trouble": why, "files": 2110, "errors": 2, "tries": 1, "rests": true}),
    )
}

fn retrying() -> ItemView {
    let why = trouble("target-io", "time", "copying data/a.wav to vault-b: the disk answered EIO", 58);
    item(
        58,
        json!({
            "bag": "uva-av-0098", "standing": "waiting", "stage": "store", "trouble": why, "tries": 3,
            "waits_for": "copying data/a.wav to vault-b: the disk answered EIO", "waits_until": "2026-11-21T10:20:00Z",
            "received_at": "2026-11-21T04:00:00Z",
        }),
    )
}

fn kept() -> ItemView {
    item(
        7,
        json!({
            "bag": "vt-theses-2026-10", "depositor": "vt.edu", "standing": "kept", "stage": "record", "version": 2,
            "object": "strongroom:vt.edu/vt-theses-2026-10", "files": 310, "bytes": 5_368_709_120u64, "rests": true,
            "received_at": "2026-11-20T21:00:00Z", "kept_at": "2026-11-20T21:30:00Z",
            "copies": [
                {"target": "vault-a", "root": "/srv/vault-a/ocfl", "path": "0a1/b2c/d3e/strongroom%3avt.edu%2fvt-theses", "proved": "2026-11-20T10:00:00Z"},
                {"target": "vault-b", "root": "/srv/vault-b/ocfl", "path": "0a1/b2c/d3e/strongroom%3avt.edu%2fvt-theses", "proved": "2026-11-20T10:00:00Z"},
            ],
        }),
    )
}

fn short_of_space() -> ItemView {
    item(
        60,
        json!({
            "standing": "waiting", "stage": "store", "bag": "films", "received_at": "2026-11-21T09:59:30Z",
            "waits_for": "space on vault-a: it needs 1.2 TiB and 3 files, 310.0 GiB can be promised",
            "waits_until": "2026-11-21T10:00:02Z",
        }),
    )
}

fn findings() -> Vec<Finding> {
    let differs = |path: &str, given: &str, found: &str| {
        Finding::new(
            "FIX-MISMATCH",
            Severity::Error,
            path,
            format!("has sha256 {found}, manifest-sha256.txt says {given}"),
        )
        .advice("The file changed after bagging or was damaged on its way: compare it with your original.")
        .clause("RFC 8493, 3")
    };
    vec![
        differs("data/img/0044.tif", "9f2c…", "07ab…"),
        differs("data/img/0045.tif", "51d0…", "c2e9…"),
        Finding::new("INF-OXUM-ABSENT", Severity::Warning, "", "bag-info.txt has no Payload-Oxum")
            .clause("RFC 8493, 2.2.2"),
    ]
}

fn journal() -> Value {
    json!([
        {"number": 1, "stage": "download", "fence": 1, "started": "2026-11-18T22:04:00Z", "ended": "2026-11-18T22:10:00Z",
         "bytes": 19_756_849_561u64, "files": 1, "files_kept": 0, "outcome": "done"},
        {"number": 2, "stage": "validate", "fence": 2, "started": "2026-11-18T22:16:00Z", "ended": "2026-11-18T22:16:04Z",
         "bytes": 0, "files": 2110, "files_kept": 0, "outcome": "invalid-bag: validating uva-ms-2213: 2 errors"},
    ])
}

fn story(item: &ItemView, found: &[Finding]) -> ItemStory {
    view(
        json!({"item": item, "journal": journal(), "findings": found, "more_findings": false, "promises": []}),
    )
}

#[test]
fn lists_are_tables_for_people_and_tabs_for_scripts() {
    let items = [retrying(), short_of_space(), refused(), kept()];
    see("item_list.txt", &text::items(&style(true), &items, true));
    see("item_list.tsv", &text::items(&style(false), &items, true));
    see("trouble_list.txt", &text::troubles(&style(true), &[refused(), retrying()], false));
    see("trouble_list_empty.txt", &text::troubles(&style(true), &[], false));
}

#[test]
fn one_item_says_what_happened_to_it_and_what_to_do() {
    see("item_refused.txt", &text::story(&style(true), &story(&refused(), &findings())));
    see("item_retrying.txt", &text::story(&style(true), &story(&retrying(), &[])));
    see("item_kept.txt", &text::story(&style(true), &story(&kept(), &[])));
}

#[test]
fn a_letter_says_what_to_do_first_what_blocks_then_file_by_file() {
    let letter = |item: &ItemView, found: &[Finding]| {
        let mut groups = Groups::default();
        found.iter().for_each(|finding| groups.take(finding));
        Letter { item, groups: &groups, all: "all in uva-ms-2213.findings.json" }.text()
    };
    let mut found = findings();
    found.extend((0..4_330).map(|n| {
        let path = format!("data/img/{n:04}.tif");
        let what =
            format!("`{path}` is listed in manifest-sha256.txt (line {}) but is not in the bag.", n + 1);
        Finding::new("COMP-MISSING", Severity::Error, path, what)
            .advice("Add the file, or make the bag again if it should not be there.")
    }));
    found.push(
        Finding::new(
            "OXUM-MISMATCH",
            Severity::Error,
            "bag-info.txt",
            "Payload-Oxum says 4 files and 22,178 bytes; the payload has 4 files and 5,794 bytes.",
        )
        .advice("Every checksum is right. Correct Payload-Oxum to 5794.4."),
    );
    see("letter.txt", &letter(&refused(), &found));
    see("letter_ours.txt", &letter(&retrying(), &[]));
    let over =
        trouble("over-limit", "operator", "reading /srv/inbox/uva.edu/films.tar: 12,000,000 members", 61);
    see("letter_over_limit.txt", &letter(&item(61, json!({"standing": "held", "trouble": over})), &[]));
}

#[test]
fn ingest_tells_what_became_of_each_deposit() {
    let mut screen = text::rested(&style(true), &kept(), &[], false, true);
    screen.push_str(&text::rested(&style(true), &refused(), &findings(), false, true));
    screen.push_str(&text::rested(&style(true), &kept(), &[], false, false));
    see("ingest.txt", &screen);
}

#[test]
fn an_order_says_what_it_would_do_and_what_it_refuses() {
    let done = MovedRow {
        item: retrying(),
        standing: "ready".into(),
        stage: "store".into(),
        note: "files already stored are kept and checked, not copied again".into(),
    };
    let complaint = Complaint::new(Sort::Refused, "requeue 61")
        .because("requeue is not possible while the item is working: it is being worked on now");
    let refused = RefusedRow { item: "61".into(), complaint };
    see("requeue_dry_run.txt", &text::moved(&style(true), "requeue", &[done], &[refused], true));
}

fn status(troubled: bool) -> Value {
    let troubles = if troubled { json!({"depositor": 7, "operator": 5}) } else { json!({}) };
    json!({
        "schema": 1, "version": "0.4.0", "daemon": true, "up_seconds": 1_040_000, "well": !troubled,
        "counts": [
            {"standing": "working", "stage": "download", "items": 2}, {"standing": "ready", "stage": "store", "items": 8},
            {"standing": "working", "stage": "store", "items": 1}, {"standing": "kept", "stage": "record", "items": 41},
        ],
        "troubles": troubles, "oldest_trouble": troubled.then_some("2026-11-18T09:00:00Z"),
        "waits": if troubled { json!({"space on vault-a": 3}) } else { json!({}) }, "kept": 41,
        "places": places(troubled),
        "approvals": troubled.then(|| json!({"deletions": 1, "since": "2026-11-19T10:00:00Z"})),
        "sources": if troubled { sources().split_off(1) } else { Vec::new() },
    })
}

/// One that is well, one that is left alone, one whose listing fails, one that is paused.
fn sources() -> Vec<Value> {
    let source = |name: &str, with: Value| {
        let mut value = json!({
            "name": name, "depositor": "uva.edu", "place": format!("s3://{name}/in/"), "state": "well", "why": null,
            "next_listing": "2026-11-21T10:04:00Z", "listed": "2026-11-21T09:49:00Z", "after_kept": "move to done",
            "every_seconds": 900, "paused": null,
            "counts": {"known": 9_812, "waiting": 3, "waiting_bytes": 19_756_849_561u64, "held": 0, "refused": 1},
            "last": {"at": "2026-11-21T09:49:00Z", "pages": 10, "keys": 9_812, "bytes": 2_199_023_255_552u64, "new": 3,
                     "not_taken": 1, "changed": 0, "disposed": 2},
        });
        for (key, special) in with.as_object().unwrap() {
            value[key] = special.clone();
        }
        value
    };
    let mut failed = source("box", json!({}))["last"].clone();
    failed["trouble"] = "/srv/in/box is not there; is it mounted?".into();
    let why = "its last listing failed: /srv/in/box is not there; is it mounted?";
    vec![
        source("drop", json!({})),
        source(
            "far",
            json!({"state": "resting", "why": "it failed too often: connection refused",
            "since": "2026-11-21T09:53:20Z", "next_try": "2026-11-21T10:00:42Z"}),
        ),
        source(
            "box",
            json!({"state": "failing", "since": "2026-11-20T21:04:00Z", "place": "/srv/in/box", "why": why,
            "listed": "2026-11-20T20:49:00Z", "last": failed}),
        ),
        source(
            "old",
            json!({"state": "paused", "why": "by anna: they move house", "since": "2026-11-18T08:00:00Z",
            "next_listing": null,
            "paused": {"by": "anna", "reason": "they move house", "at": "2026-11-18T08:00:00Z"}}),
        ),
    ]
}

#[test]
fn sources_say_how_they_are_and_what_came_of_them() {
    let sources: Vec<SourceView> = sources().into_iter().map(view).collect();
    see("source_list.txt", &source::list(&style(true), &sources));
    see("source_list.tsv", &source::list(&style(false), &sources));
    let stories: Vec<String> = sources.iter().map(|one| source::story(&style(true), one)).collect();
    see("source_show.txt", &stories.join("\n"));
}

fn deletion(number: u64, state: &str, phase: Value, with: Value) -> DeletionView {
    let by = |uid: u32, name: &str| json!({"uid": uid, "name": name, "door": "socket"});
    let mut value = json!({
        "number": number, "object": "strongroom:uva.edu/photos_1923", "depositor": "uva.edu", "bag": "photos_1923",
        "reason": "deposited twice", "state": state, "phase": phase,
        "requested": {"by": by(1000, "anna"), "at": "2026-11-19T10:00:00Z"},
        "loses": {"versions": 3, "files": 2110, "bytes": 19_756_849_561u64, "targets": ["vault-a", "vault-b"],
                  "inventory_sha512": "0f".repeat(64)},
    });
    for (key, special) in with.as_object().unwrap() {
        value[key] = special.clone();
    }
    view(value)
}

#[test]
fn a_deletion_says_what_is_lost_who_said_what_and_what_comes_next() {
    let said = json!({"by": {"uid": 1001, "name": "berta", "door": "socket"}, "at": "2026-11-20T10:00:00Z"});
    let approved = json!({"is": "approved", "said": said, "item": 71, "not_before": "2026-11-27T10:00:00Z"});
    let away = "deleting the copy on vault-b: the marker file is absent: it is not mounted";
    let views = [
        deletion(
            1,
            "requested",
            json!({"is": "requested"}),
            json!({"because": "it waits for a second person"}),
        ),
        deletion(
            2,
            "approved",
            approved.clone(),
            json!({"item": 71, "not_before": "2026-11-27T10:00:00Z", "because": "its time of grace is not over"}),
        ),
        deletion(3, "held", approved, json!({"item": 72, "because": away, "gone_from": ["vault-a"]})),
        deletion(
            4,
            "rejected",
            json!({"is": "rejected", "said": said, "reason": "it is the better scan"}),
            json!({"because": "it is the better scan"}),
        ),
    ];
    let stories: Vec<String> = views.iter().map(|one| delete::story(&style(true), one, false)).collect();
    see("delete_show.txt", &stories.join("\n"));
    see("delete_list.txt", &delete::rows(&style(true), &views, true));
    see("delete_list.tsv", &delete::rows(&style(false), &views, true));
    let stone = view(json!({
        "schema": 1, "object": "strongroom:uva.edu/photos_1923", "depositor": "uva.edu", "bag": "photos_1923",
        "deleted_at": "2026-11-27T10:00:00Z", "requested_by": "anna (uid 1000)", "requested_at": "2026-11-19T10:00:00Z",
        "approved_by": "berta (uid 1001)", "approved_at": "2026-11-20T10:00:00Z", "reason": "deposited twice",
        "inventory_sha512": "0f".repeat(64), "versions": 3, "files": 2110, "bytes": 19_756_849_561u64,
    }));
    see("object_deleted.txt", &delete::tombstone(&style(true), &stone));
}

fn covered() -> Vec<Coverage> {
    let tib = 1_099_511_627_776u64;
    let one = |target: &str, overdue: u64, oldest: &str, every: u64, late: u64| -> Coverage {
        view(json!({
            "target": target, "copies": 6_138, "bytes": 40 * tib, "proved": 6_138 - overdue, "overdue": overdue,
            "bad": u64::from(overdue > 0), "oldest": oldest, "every": every * 86_400, "ages": {"days_30": 6_138,
            "days_60": 0, "days_90": 0, "days_180": 0, "older": 0}, "coming": {"now": [overdue, tib], "day": [12, tib],
            "week": [410, 2 * tib], "month": [1_702, 9 * tib]}, "round_days": 31.2 + late as f64 * 10.8,
            "late_days": late, "needs": (late > 0).then_some(18_000),
        }))
    };
    let mut all = vec![
        one("vault-a", 0, "2026-09-11T10:00:00Z", 90, 0),
        one("vault-b", 5, "2026-08-17T10:00:00Z", 90, 6),
    ];
    all[1].ill = view(json!({
        "run": 11, "at": "2026-11-20T02:31:00Z",
        "because": "10 of the last copies are unreadable: the target itself looks ill; none of them is marked to be put right",
    }));
    all
}

fn swept() -> SweepView {
    let part = |target: &str, faulty: u64, left: u64, state: &str| {
        json!({
            "target": target, "state": state, "before": "2026-08-23T02:30:00Z", "sound": 402, "faulty": faulty,
            "left": left, "not_reached": left * 20, "matched": 41_022, "mismatched": faulty, "missing": 0, "unreadable": 0,
            "extra": 0, "bytes": 2_089_072_092_774u64, "millis": 14_400_000,
        })
    };
    view(json!({
        "number": 12, "asked_by": "schedule", "started": "2026-11-21T02:30:00Z", "ended": "2026-11-21T06:30:01Z",
        "all": false, "seconds": 14_400, "targets": ["vault-a", "vault-b"], "why": "budget", "under_way": false,
        "parts": [part("vault-a", 0, 0, "done"), part("vault-b", 1, 5, "budget")],
    }))
}

#[test]
fn fixity_says_how_copies_are_covered_and_what_will_become_of_it() {
    see("fixity_status.txt", &coverage::status(&style(true), &covered(), Some(&swept())));
    see("fixity_schedule.txt", &coverage::schedule(&style(true), &covered()));
    let found = view(json!([{
        "target": "vault-b", "object": "strongroom:uva.edu/uva-ms-2213", "at": "2026-11-21T04:00:00Z", "marked": true,
        "because": "2113 matched (19756849561 bytes), 1 mismatched, 0 missing, 0 unreadable, 0 extra",
        "proof": {"matched": 2_113, "mismatched": 1, "missing": 0, "unreadable": 0, "extra": 0, "bytes": 0, "faults": [
            {"outcome": "mismatched", "path": "v1/content/bag/data/img/0044.tif",
             "why": "40960 bytes with sha512 ed0df845438c…, not c714427652f9…"}]},
    }]));
    let found: Vec<strongroom::books::ledger::SweepFinding> = found;
    see("fixity_report.txt", &fixity::report(&style(true), &swept(), &found));
}

fn places(broken: bool) -> Value {
    let wrong = broken.then_some("vault-b: the marker file is absent: it is not mounted");
    json!([
        {"name": "staging", "role": "staging", "path": "/var/lib/strongroom/staging", "total": 2_199_023_255_552u64,
         "free": 1_319_413_953_331u64, "free_inodes": null, "promised": 332_859_965_440u64, "floor": 1_073_741_824,
         "room": 985_480_246_067u64, "wrong": null},
        {"name": "vault-b", "role": "target", "path": "/srv/vault-b", "total": 0, "free": 0, "free_inodes": null,
         "promised": 0, "floor": 1_073_741_824, "room": 0, "wrong": wrong},
    ])
}

#[test]
fn status_says_first_whether_it_is_well() {
    see("status_attention.txt", &overview::status(&style(true), &view(status(true))));
    see("status_well.txt", &overview::status(&style(true), &view(status(false))));
    let places: Vec<_> = view(places(true));
    see("disk.txt", &overview::disk(&style(true), &places));
}

/// A host in a folder with the units that come with the program, and the needs of a configuration with a target outside.
fn host() -> (tempfile::TempDir, Units, Needs) {
    let root = tempfile::tempdir().unwrap();
    let systemd = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let folder = root.path().join("usr/lib/systemd/system");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(root.path().join("srv/vault-b")).unwrap();
    fs::copy(systemd.join(SERVICE), folder.join(SERVICE)).unwrap();
    let text = "data = '/var/lib/strongroom'\n[[target]]\nname = 'vault-a'\n[[target]]\nname = 'vault-b'\npath = '/srv/vault-b'\n\
                [[source]]\nname = 'drop'\npath = '/home/drop box'\nafter_kept = 'delete'\n[notice]\nwebhook = 'systemd:hook'\n";
    let file = Path::new("/etc/strongroom/strongroom.toml");
    let config = Config::from_text(text, Some(file), &Given::default()).unwrap();
    let units = Units::below(root.path());
    (root, units, Needs::of(&config))
}

#[test]
fn the_doctor_says_how_to_mend_what_fails() {
    let (_root, units, needs) = host();
    let unit = units.unit(SERVICE, None).unwrap().unwrap();
    let lacking = lacks(&needs, &unit, &units).unwrap();
    let mut checks =
        vec![Check::ok("configuration /etc/strongroom/strongroom.toml, 2 targets on different disks")];
    checks.extend(lacking.into_iter().take(3).map(|lack| Check::fail(lack.text, lack.detail)));
    checks.push(Check::warn(
        "clock: systemd knows of no time synchronisation",
        "events carry this machine's time",
    ));
    see("doctor.txt", &offline::checklist(&style(true), &checks));
}

#[test]
fn a_drop_in_says_for_each_line_what_it_is() {
    let (_root, units, needs) = host();
    let made = DropIn::new(&needs, &frame(&units, SERVICE).unwrap(), &units, &Who::default());
    see("setup_unit.txt", &made.text(Some(Path::new("/etc/strongroom/strongroom.toml"))).unwrap());
}

#[test]
fn explanations_come_from_the_tables_the_program_uses() {
    see("explain_kind.txt", &explain::explain(Some("target-io")).unwrap());
    see("explain_exit.txt", &explain::explain(Some("75")).unwrap());
    see("explain_all.txt", &explain::explain(None).unwrap());
    see("explain_code.txt", &explain::explain(Some("fix-mismatch")).unwrap());
    see("explain_area.txt", &explain::explain(Some("oxum")).unwrap());
}

#[test]
fn a_wrong_configuration_says_line_cause_and_cure() {
    let text = "data = \"/srv/d\"\n[policy.default]\ncopeis = 2\n\n[retry]\nfirst = \"soon\"\n\n[[target]]\nname = \"../x\"\n";
    let file = Path::new("/etc/strongroom/strongroom.toml");
    let faults = Config::from_text(text, Some(file), &Given::default()).unwrap_err();
    let screen: Vec<String> = faults.0.into_iter().map(|fault| Complaint::from(fault).to_string()).collect();
    see("config_faults.txt", &(screen.join("\n") + "\n"));
}

#[test]
fn the_first_help_fits_on_a_screen() {
    let help = Cli::command().term_width(100).render_help().to_string();
    assert!(help.lines().count() < 60, "{help}");
    see("help.txt", &help);
}

#[test]
fn a_repair_says_what_it_would_do_what_it_cannot_and_what_lies_in_quarantine() {
    let proof = json!({ "matched": 2_110, "mismatched": 1, "missing": 1, "unreadable": 0, "extra": 1, "bytes": 9, "faults": [] });
    let copy = |with: Value| -> CopyPlan {
        let mut copy = json!({
            "object": "strongroom:uva.edu/uva-ms-2213", "target": "vault-a", "proof": proof.clone(), "files": 2,
            "bytes": 19_756_849u64, "extra": 1, "from": { "vault-b": 1, "text": 1 }, "cannot": 0, "first": [
                { "path": "inventory.json.sha512", "outcome": "missing", "why": "it is not there", "from": "text" },
                { "path": "v1/content/bag/data/0001.tif", "outcome": "mismatched", "why": "other bytes", "from": "vault-b" },
                { "path": "v1/content/bag/data/x", "outcome": "extra", "why": "no inventory names it" },
            ],
        });
        for (key, special) in with.as_object().unwrap() {
            copy[key] = special.clone();
        }
        view(copy)
    };
    let none = json!({ "path": "v1/content/bag/data/0007.tif", "outcome": "unreadable", "why": "input/output error",
        "cannot": "vault-b has other bytes, vault-c: it is not there" });
    let copies = [
        copy(json!({})),
        copy(json!({ "target": "vault-b", "files": 0, "bytes": 0, "cannot": 1, "first": [none] })),
        copy(
            json!({ "target": "vault-c", "gone": true, "files": 2_112, "extra": 0, "proof": null, "first": [] }),
        ),
        copy(
            json!({ "target": "vault-d", "proof": null, "left_alone": "target vault-d is retired: its copies are not counted" }),
        ),
    ];
    see("repair_plan.txt", &repair::planned(&style(true), &copies));
    let run = json!({
        "number": 7, "asked_by": "anna", "started": "2026-11-21T09:50:00Z", "ended": "2026-11-21T09:58:00Z",
        "wanted": {}, "place": {}, "repaired": 2, "failed": 1, "sound": 0, "skipped": 1, "bounded": true, "files": 2_114,
        "bytes": 19_776_606_410u64, "aside": 3, "failures": [{ "object": "strongroom:uva.edu/uva-ms-2213",
        "target": "vault-b", "why": "v1/content/bag/data/0007.tif (unreadable) has no proved copy: vault-b has other bytes" }],
    });
    see("repair_run.txt", &repair::ran(&style(true), &view(run.clone())));
    let of = json!({ "object": "strongroom:uva.edu/uva-ms-2213", "path": "v1/content/bag/data/0001.tif",
        "at": "2026-11-21T09:50:00Z", "why": "mismatched: other bytes" });
    let damaged = json!({ "object": "strongroom:uva.edu/uva-ms-2213", "target": "vault-b",
        "found_at": "2026-11-20T10:00:00Z", "run": 12, "proof": proof });
    let shown = json!({
        "mode": "auto", "runs": [run], "damaged": [damaged], "more": false, "quarantine": [
            { "target": "vault-a", "count": 4, "bytes": 99, "newest": [
                { "name": "20261121T095000Z-299f79640284-654ce4809274a4e05031", "bytes": 19_756_849u64, "of": of }] },
            { "target": "vault-b", "count": 0, "bytes": 0, "newest": [], "wrong": "target-missing: /srv/vault-b: no marker" },
        ],
    });
    see("repair_show.txt", &repair::shown(&style(true), &view(shown)));
}

#[test]
fn validating_says_the_verdict_first_and_then_what_blocks() {
    let judged = |outcome, errors, warnings| Judged {
        outcome,
        errors,
        warnings,
        notes: 0,
        files: 2_112,
        bytes: 19_756_849_561,
        version: Some("1.0".into()),
        algorithms: vec![Algorithm::Sha256],
    };
    let mut groups = Groups::default();
    findings().iter().for_each(|finding| groups.take(finding));
    for n in 0..4_331 {
        let path = format!("data/lost/{n:04}.tif");
        let what = format!("`{path}` is listed in manifest-sha256.txt (line {n}) but is not in the bag.");
        let missing = Finding::new("COMP-MISSING", Severity::Error, &path, what);
        groups.take(&missing.advice("Add the file, or make the bag again if it should not be there."));
    }
    let (none, took) = (Groups::default(), std::time::Duration::from_secs(61));
    for (name, style) in [("bag_validate.txt", style(true)), ("bag_validate.tsv", style(false))] {
        let line = |path: &str, judged: &Judged, groups: &Groups| {
            told::line(&style, &told::Report { path: Path::new(path), judged, groups, took })
        };
        let mut screen = line("uva-ms-2213.tar", &judged(Outcome::Invalid, 4_333, 1), &groups);
        screen.push_str(&told::groups(&style, &groups));
        screen.push('\n');
        screen.push_str(&line("in/uva-ms-2214.tar", &judged(Outcome::Valid, 0, 0), &none));
        screen.push_str(&line("in/uva-ms-2215", &judged(Outcome::Unjudged, 1, 0), &none));
        let bags = [(Outcome::Valid, 12, 4_096), (Outcome::Invalid, 1, 100), (Outcome::Unjudged, 0, 0)];
        screen.push_str(&told::summary(&bags, took));
        see(name, &screen);
    }
}
