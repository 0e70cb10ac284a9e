//! A letter for a program: its text comes to stdin, what else is known of it by the environment.
//!
//! - No shell reads anything of it. A program that does not end in time is ended, with all that it started.

use super::{Letter, Unsent};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Bytes of what it complains about that are told.
const SAID_MAX: u64 = 300;

/// Gives the letter to the program.
pub(super) fn give(command: &[String], letter: &Letter, patience: Duration) -> Result<(), Unsent> {
    let (program, args) = command.split_first().ok_or_else(|| Unsent::away("no command is named"))?;
    let failed = |error: std::io::Error| Unsent::away(format!("{program}: {error}"));
    let mut child = Command::new(program)
        .args(args)
        .env("STRONGROOM_SUBJECT", &letter.subject)
        .env("STRONGROOM_DEPOSITOR", letter.depositor.as_deref().unwrap_or_default())
        .env("STRONGROOM_TO", letter.to.join(" "))
        .env("STRONGROOM_NOTICE", &letter.name)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A letter is smaller than a pipe, so this does not wait. A program that has no use for it says so by its code.
        let _ = stdin.write_all(letter.text.as_bytes());
    }
    let end = Instant::now() + patience;
    loop {
        match child.try_wait().map_err(failed)? {
            Some(code) if code.success() => return Ok(()),
            Some(code) => {
                return Err(Unsent::refused(format!("{program} ended with {code}{}", said(&mut child))));
            }
            None if Instant::now() >= end => {
                end_all(&mut child);
                return Err(Unsent::away(format!("{program} did not end within {} s", patience.as_secs())));
            }
            None => std::thread::sleep(LOOK),
        }
    }
}

fn end_all(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended just now; then there is nothing to end.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// What it said last on stderr, if it said it before it ended.
fn said(child: &mut Child) -> String {
    use rustix::fs::{OFlags, fcntl_setfl};
    let Some(stderr) = child.stderr.take() else { return String::new() };
    // What it left running may hold the pipe open: what is not there yet is not waited for.
    if fcntl_setfl(&stderr, OFlags::NONBLOCK).is_err() {
        return String::new();
    }
    let mut bytes = Vec::new();
    let _ = stderr.take(SAID_MAX).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            name: "notice-7".into(),
            depositor: Some("uva.edu".into()),
            to: vec!["a@b.org".into()],
            subject: "$(touch x); 1 of 2".into(),
            text: "first\n`second`\n".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn the_program_gets_the_text_and_no_shell_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out").display().to_string();
        let script = "{ cat; echo \"$STRONGROOM_SUBJECT|$STRONGROOM_DEPOSITOR|$STRONGROOM_TO\"; } > \"$0\"";
        give(&words(&["/bin/sh", "-c", script, &out]), &letter(), Duration::from_secs(20)).unwrap();
        let got = std::fs::read_to_string(&out).unwrap();
        assert_eq!(got, "first\n`second`\n$(touch x); 1 of 2|uva.edu|a@b.org\n");
    }

    #[test]
    fn a_program_that_fails_hangs_or_is_not_there_is_told() {
        let run = |command: &[&str], millis| {
            give(&words(command), &letter(), Duration::from_millis(millis)).unwrap_err().why
        };
        let failed = run(&["/bin/sh", "-c", "echo no such user >&2; exit 3"], 20_000);
        assert!(failed.contains("exit status: 3") && failed.contains("no such user"), "{failed}");
        // It leaves a child that holds stderr open; that one is not waited for either.
        let left = run(&["/bin/sh", "-c", "sleep 60 & exit 4"], 20_000);
        assert!(left.contains("exit status: 4"), "{left}");
        assert!(run(&["/bin/sleep", "60"], 100).contains("did not end within"));
        assert!(run(&["/no/such/program"], 100).contains("No such file"));
        assert!(give(&[], &letter(), Duration::ZERO).is_err());
    }

    #[test]
    fn a_program_that_ends_well_without_reading_has_taken_it() {
        give(&words(&["/bin/true"]), &letter(), Duration::from_secs(20)).unwrap();
    }
}
