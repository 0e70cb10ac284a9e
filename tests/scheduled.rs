//! Scheduled work from outside: what cron, a timer, a monitoring server and an auditor see of the built program.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

struct House(TempDir);

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl House {
    /// A data folder in which a bag is kept.
    fn with_a_bag() -> House {
        let house = House(tempfile::tempdir().unwrap());
        house.run(&["make-bag", "letters.tar", "--size", "3 KiB"]);
        assert_eq!(house.run(&["ingest", "letters.tar", "-q"]).code, 0);
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null());
        for name in
            ["STRONGROOM_CONFIG", "STRONGROOM_DATA", "NOTIFY_SOCKET", "JOURNAL_STREAM", "INVOCATION_ID"]
        {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    fn serve(&self) -> Daemon {
        let mut child = self.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        while !text.contains(" ready, answering at ") {
            assert!(log.read_line(&mut text).unwrap() > 0, "the daemon ended: {text}");
        }
        std::thread::spawn(move || log.read_to_string(&mut String::new()));
        Daemon(child)
    }

    /// The one target is not there any more.
    fn lose(&self, target: &str) {
        fs::rename(self.path(&format!("strongroom-data/{target}")), self.path("lost")).unwrap();
    }
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn under_cron_nothing_is_printed_when_all_is_well_and_one_line_says_everything_when_not() {
    let house = House::with_a_bag();
    for job in ["fixity", "repair", "spot-test", "reconcile", "retention", "state-backup", "report"] {
        for _ in 0..2 {
            let said = house.run(&["job", "run", job, "--cron"]);
            assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""), "{job}");
        }
    }
    let runs = house.run(&["job", "history", "--json"]);
    let runs: Value = serde_json::from_str(&runs.out).unwrap();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 6, "each ran once, and repair is off: {runs}");
    assert_eq!(runs["runs"][0]["by"], "cron (root)".replace("root", &whoami()));

    house.lose("target-b");
    // A person has it done now; what a schedule would print is the same, and its exit code says the same.
    let said = house.run(&["job", "run", "state-backup"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let first = said.out.lines().next().unwrap();
    assert!(
        first.starts_with("state-backup: ledger-")
            && first.contains("on 1 of 2 targets; next: strongroom state backup --last"),
        "{first}"
    );
    assert!(said.out.lines().count() <= 22);
    let said = house.run(&["job", "run", "nonsense", "--cron"]);
    assert_eq!((said.code, said.out.lines().count()), (2, 1), "{}", said.out);
    assert!(
        said.out.starts_with("nonsense was not done: \"nonsense\" is no job: there are fixity"),
        "{}",
        said.out
    );
}

fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

#[test]
fn a_job_that_cannot_be_done_under_cron_says_so_in_one_line_and_is_due_still() {
    let house = House(tempfile::tempdir().unwrap());
    let said = house.run(&["job", "run", "state-backup", "--cron"]);
    assert_eq!((said.code, said.out.lines().count(), said.err.as_str()), (4, 1, ""), "{}", said.out);
    assert!(said.out.starts_with("state-backup was not done: there is no ledger at "), "{}", said.out);
    assert!(said.out.contains("; next: "), "{}", said.out);
}

#[test]
fn a_second_run_says_that_the_first_one_is_under_way() {
    let house = House::with_a_bag();
    let _daemon = house.serve();
    // The first run's command is stopped in the middle: it began, and asks for no step meanwhile.
    let begun = ask(
        &house.path("strongroom-data/socket"),
        "{\"ask\":\"job\",\"about\":\"run\",\"job\":\"reconcile\",\"scheduled\":\"timer\"}",
    );
    assert!(begun.contains("\"step\":\"going\",\"run\":1"), "{begun}");
    let said = house.run(&["job", "run", "reconcile"]);
    assert_eq!((said.code, said.out.as_str()), (75, ""), "{}", said.err);
    assert!(
        said.err.starts_with("reconcile is already running since 2")
            && said.err.contains(", started by timer ("),
        "{}",
        said.err
    );
    let said = house.run(&["job", "run", "reconcile", "--cron"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("is already running since"), "{}", said.err);
    let list = house.run(&["job", "list"]);
    assert!(list.out.contains("\nreconcile\truns since "), "{}", list.out);
}

/// One question through the socket, as the program would ask it.
fn ask(socket: &Path, question: &str) -> String {
    use std::io::Write;
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    stream.write_all(format!("{question}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer
}

#[test]
fn a_monitoring_server_gets_one_line_and_a_code_for_every_check() {
    let house = House::with_a_bag();
    let checks = ["health", "trouble", "fixity", "disk", "stalled", "backup"];
    for check in checks {
        let said = house.run(&["check", check]);
        let code = if check == "health" { 2 } else { 3 };
        assert_eq!((said.code, said.out.lines().count()), (code, 1), "{check}: {}", said.out);
        assert!(said.out.contains("no daemon answers"), "{}", said.out);
    }
    let _daemon = house.serve();
    for check in checks {
        // The disk of the machine this runs on may be as full as it likes.
        let more: &[&str] = if check == "disk" { &["-w", "0", "-c", "0"] } else { &[] };
        let said = house.run(&[&["check", check], more].concat());
        assert_eq!(
            (said.code, said.out.lines().count(), said.err.as_str()),
            (0, 1, ""),
            "{check}: {}",
            said.out
        );
        let (text, figures) =
            said.out.trim_end().split_once(" | ").unwrap_or_else(|| (said.out.trim_end(), ""));
        assert!(text.starts_with("OK: "), "{text}");
        for figure in figures.split_whitespace() {
            let (_, values) = figure.split_once('=').unwrap();
            assert!(
                values.starts_with(|c: char| c.is_ascii_digit()) && values.split(';').count() <= 5,
                "{figure}"
            );
        }
    }
    assert_eq!(house.run(&["check", "disk", "-w", "101", "-c", "0"]).code, 1);
    assert_eq!(house.run(&["check", "fixity", "-w", "0 s", "-c", "0 s"]).code, 2);
}

#[test]
fn what_cannot_be_checked_is_unknown() {
    let house = House::with_a_bag();
    fs::write(house.path("bad.toml"), "datta = 1\n").unwrap();
    for args in [
        &["check", "disk", "--warning", "many"][..],
        &["check", "nothing"],
        &["check"],
        &["check", "fixity", "-w", "soon"],
        &["--config", "bad.toml", "check", "health"],
        &["--data", "elsewhere", "check", "disk", "--offline"],
    ] {
        let said = house.run(args);
        assert_eq!(said.code, 3, "{args:?}: {}{}", said.out, said.err);
        assert!(said.out.starts_with("UNKNOWN: ") && said.out.lines().count() == 1, "{args:?}: {}", said.out);
    }
    // Help is no mistake, and another verb's usage error keeps its code.
    assert_eq!(house.run(&["check", "--help"]).code, 0);
    assert_eq!(house.run(&["submit", "--nonsense", "check"]).code, 2);
}

#[test]
fn a_report_comes_in_every_form_with_the_same_figures() {
    let house = House::with_a_bag();
    let said = house.run(&["report", "audit"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.starts_with("Audit report, ") && said.out.contains("1 deposits received: 1 kept"),
        "{}",
        said.out
    );
    let csv = house.run(&["report", "deposits", "--format", "csv"]).out;
    let mut lines = csv.split("\r\n");
    assert!(lines.next().unwrap().starts_with("depositor,received,bytes,kept,"));
    assert!(lines.next().unwrap().starts_with("local,1,"), "{csv}");
    let json: Value =
        serde_json::from_str(&house.run(&["report", "storage", "--format", "json"]).out).unwrap();
    assert_eq!(json["report"]["sections"][0]["rows"].as_array().unwrap().len(), 2, "{json}");
    let html = house.run(&["report", "fixity", "--format", "html"]).out;
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<td>target-a</td>"), "{html}");
    let before = house.run(&["report", "deposits", "--since", "2001-01-01", "--until", "2001-02-01"]);
    assert!(before.out.contains("0 deposits received"), "{}", before.out);
    assert_eq!(house.run(&["report", "audit", "--since", "2026-02-01", "--until", "2026-01-01"]).code, 2);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn an_object_that_no_copy_gives_back_is_told_by_the_job_and_stays_an_alarm() {
    let house = House::with_a_bag();
    let said = house.run(&["job", "run", "spot-test"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "spot-test: 1 objects given back, all sound\n"),
        "{}",
        said.err
    );
    let said = house.run(&["job", "run", "spot-test"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "spot-test: 0 objects given back, all sound\n"),
        "{}",
        said.err
    );
    // Another house, in which every copy of one file rots before the first test.
    let house = House::with_a_bag();
    let of_bag = files(&house.path("strongroom-data")).into_iter();
    let content: Vec<PathBuf> =
        of_bag.filter(|path| path.to_str().unwrap().contains("/content/bag/data/")).collect();
    assert!(content.len() >= 2, "{content:?}");
    content.iter().for_each(|path| fs::write(path, "rot").unwrap());
    let said = house.run(&["job", "run", "spot-test", "--cron"]);
    let first = said.out.lines().next().unwrap_or_default();
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert_eq!(first, "spot-test: 1 of 1 objects were not given back; next: strongroom spot-test list");
    let troubles = house.run(&["trouble", "list"]);
    assert!(troubles.out.contains("gather"), "{}", troubles.out);
}
