//! Fitting the host to the configuration: drop-ins for the units.
//!
//! - What is printed, written and checked is made by one function from the configuration in effect.
//! - Nothing is started, stopped or reloaded here: what to type next is said.

use super::args_setup::{SettingUp, SetupVerb};
use super::overview::counted;
use super::talk::Told;
use super::{Screen, offline, usage};
use crate::books::config::needs::Needs;
use crate::books::config::{Config, Origin, SYSTEM_FILE};
use crate::books::unit::drop_in::{DropIn, Who, is_ours};
use crate::books::unit::{JOB, Lack, SERVICE, frame, lacks, make_it, place_of, untold};
use crate::doors::exit::{self, Exit};
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::{Check, SCHEMA};
use crate::worlds::unit::Units;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// What to type when a drop-in changed.
const NEXT: &str = "systemctl daemon-reload; systemctl restart strongroom";

/// Does a verb.
pub fn run(screen: &Screen, config: &Config, verb: &SetupVerb) -> Told<Exit> {
    let SetupVerb::Unit(what) = verb;
    let units = Units::below(&what.root);
    if let Some(complaint) = of_nowhere(config) {
        return Err(complaint);
    }
    let unit = units.unit(SERVICE, None).map_err(|error| not_read(SERVICE, &error))?;
    // Secrets lie beside the configuration that the service reads, not beside one that is to become it.
    let file = unit.and_then(|unit| unit.config()).unwrap_or(SYSTEM_FILE.into());
    let needs = Needs::with_file(config, &file);
    let drop_ins = [SERVICE, JOB]
        .into_iter()
        .map(|unit| made(unit, &needs, &file, &units, what))
        .collect::<Told<Vec<_>>>()?;
    match (what.write, what.check) {
        (true, _) => write(screen, &needs, &drop_ins, &units),
        (_, true) => check(screen, &needs, &drop_ins, &units),
        _ => Ok(show(screen, &needs, &drop_ins, &units)),
    }
}

/// A data folder that depends on where a process was started is another one for the service.
fn of_nowhere(config: &Config) -> Option<Box<Complaint>> {
    let is_default =
        |row: &&crate::books::config::Effective| row.key == "data" && row.origin == Origin::Default;
    config.effective.iter().find(is_default)?;
    Some(Box::new(
        Complaint::new(Sort::Config, "no drop-in is made: the configuration names no data folder")
            .because("without one it is ./strongroom-data of wherever a process is started, which is another folder for the service")
            .then_try("data = \"/var/lib/strongroom\" in the configuration, or --config FILE"),
    ))
}

/// A drop-in, and what lies in its place.
struct Made {
    unit: &'static str,
    place: PathBuf,
    drop_in: DropIn,
    text: String,
    /// What is installed now.
    is: Option<String>,
}

impl Made {
    /// True when what is installed is what would be written.
    fn is_same(&self) -> bool {
        match &self.is {
            Some(is) => *is == self.text,
            None => self.drop_in.is_empty(),
        }
    }
}

fn made(unit: &'static str, needs: &Needs, file: &Path, units: &Units, what: &SettingUp) -> Told<Made> {
    let failed = |error: io::Error| not_read(unit, &error);
    let frame = frame(units, unit).map_err(failed)?;
    // What an administrator said once stays: the next change of a folder must not change whom the service runs as.
    let now = units.unit(unit, None).map_err(failed)?;
    let who = Who {
        user: what.user.clone().or_else(|| now.as_ref().and_then(|now| now.user.clone())),
        group: what.group.clone().or_else(|| now.as_ref().and_then(|now| now.group.clone())),
    };
    for name in [&who.user, &who.group].into_iter().flatten() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
            return Err(usage(
                format!("\"{}\" is no name of a user or group", name.escape_debug()),
                "--user strongroom",
            ));
        }
    }
    let drop_in = DropIn::new(needs, &frame, units, &who);
    let text = drop_in.text(Some(file)).map_err(|wrong| {
        Box::new(
            Complaint::new(Sort::Config, format!("no drop-in is made for {unit}"))
                .because(wrong.join("\n"))
                .then_try("name another path in the configuration"),
        )
    })?;
    let place = place_of(unit);
    let is = units.text(&place).map_err(failed)?;
    Ok(Made { unit, place, drop_in, text, is })
}

fn not_read(unit: &str, error: &io::Error) -> Box<Complaint> {
    Box::new(Complaint::new(Sort::Io, format!("the files of {unit} are not read")).because(error.to_string()))
}

/// What must be there before the units can start, and is not; and what no drop-in mends.
fn notes(needs: &Needs, drop_ins: &[Made], units: &Units) -> Vec<String> {
    let mut notes = Vec::new();
    for made in drop_ins {
        for need in needs.folders().filter(|need| made.drop_in.paths().any(|path| path == need.path)) {
            if !units.has(&need.path) {
                let unit = frame(units, made.unit).unwrap_or_default();
                notes.push(format!("{}: {}", need.path.display(), make_it(need, &unit)));
            }
        }
        for (name, file) in made.drop_in.loads().iter().filter(|(_, file)| !units.has(file)) {
            notes.push(format!(
                "credential {name} is not there; without it the unit does not start: install -m 0600 /dev/stdin '{}'",
                file.display()
            ));
        }
        notes.extend(made.drop_in.beyond.iter().cloned());
    }
    let mut seen = std::collections::BTreeSet::new();
    notes.retain(|note| seen.insert(note.clone()));
    notes
}

fn document(drop_ins: &[Made], notes: &[String], done: &[&str]) -> Value {
    let rows: Vec<Value> = drop_ins
        .iter()
        .enumerate()
        .map(|(number, made)| {
            json!({
                "unit": made.unit, "file": made.place, "text": made.text, "needed": !made.drop_in.is_empty(),
                "installed": made.is.is_some(), "same": made.is_same(), "done": done.get(number),
            })
        })
        .collect();
    json!({ "schema": SCHEMA, "units": rows, "notes": notes })
}

fn show(screen: &Screen, needs: &Needs, drop_ins: &[Made], units: &Units) -> Exit {
    let notes = notes(needs, drop_ins, units);
    if screen.json {
        screen.document(&document(drop_ins, &notes, &[]));
    }
    for made in drop_ins {
        screen.line(&format!("# {}", made.place.display()));
        match made.drop_in.is_empty() {
            true => {
                screen.line(&format!("# Nothing: {} allows all that the configuration names.", made.unit))
            }
            false => screen.text(&made.text),
        }
        screen.line("");
    }
    notes.iter().for_each(|note| screen.hint(&format!("note: {note}")));
    exit::DONE
}

fn write(screen: &Screen, needs: &Needs, drop_ins: &[Made], units: &Units) -> Told<Exit> {
    let mut done = Vec::new();
    for made in drop_ins {
        done.push(write_one(screen, made, units)?);
    }
    let notes = notes(needs, drop_ins, units);
    if screen.json {
        screen.document(&document(drop_ins, &notes, &done));
    }
    for (made, done) in drop_ins.iter().zip(&done) {
        screen.line(&format!("{done:<10} {}", made.place.display()));
    }
    notes.iter().for_each(|note| screen.hint(&format!("note: {note}")));
    if done.iter().any(|done| *done != "unchanged") {
        screen.line(&format!("next: {NEXT}"));
    }
    Ok(exit::DONE)
}

fn write_one(screen: &Screen, made: &Made, units: &Units) -> Told<&'static str> {
    let failed = |error: io::Error| {
        let sort = if error.kind() == io::ErrorKind::PermissionDenied { Sort::Denied } else { Sort::Io };
        Box::new(
            Complaint::new(sort, format!("{} is not written", made.place.display()))
                .because(error.to_string())
                .so("what lay there is as it was")
                .then_try("become root: sudo strongroom setup unit --write"),
        )
    };
    match &made.is {
        _ if made.is_same() => Ok("unchanged"),
        // One of ours that is needed no more; somebody else's stays, it does no harm.
        Some(is) if made.drop_in.is_empty() && is_ours(is) => {
            units.remove(&made.place).map_err(failed)?;
            Ok("removed")
        }
        _ if made.drop_in.is_empty() => Ok("unchanged"),
        _ => {
            if let Some(kept) = units.write(&made.place, &made.text, &is_ours).map_err(failed)? {
                screen.hint(&format!(
                    "note: what was there was not made here; it is kept as {}",
                    kept.display()
                ));
            }
            Ok("written")
        }
    }
}

fn check(screen: &Screen, needs: &Needs, drop_ins: &[Made], units: &Units) -> Told<Exit> {
    let (mut checks, mut seen) = (Vec::new(), 0);
    for made in drop_ins {
        let unit = units.unit(made.unit, None).map_err(|error| not_read(made.unit, &error))?;
        let Some(unit) = unit else { continue };
        seen += 1;
        let lacking = lacks(needs, &unit, units).map_err(|error| not_read(made.unit, &error))?;
        if let Some(untold) = untold(&unit) {
            checks.push(Check::warn(untold.text, untold.detail));
        } else if lacking.is_empty() {
            checks.push(Check::ok(format!("{} covers the configuration", made.unit)));
        }
        let told = |lack: Lack| Check::fail(format!("{}: {}", made.unit, lack.text), String::new());
        checks.extend(lacking.into_iter().map(told));
        if units.is_behind(made.unit) {
            checks.push(Check::warn(format!("{}: systemd has not read what it says now", made.unit), NEXT));
        }
    }
    if seen == 0 {
        return Err(Box::new(
            Complaint::new(Sort::NotFound, format!("there is no {SERVICE} on this host"))
                .because("neither a package nor the role installed it")
                .then_try("install it, then strongroom setup unit --write"),
        ));
    }
    let wrong = checks.iter().any(|check| check.level == crate::work::desk::words::Level::Fail);
    let changes: Vec<String> = drop_ins.iter().flat_map(difference).collect();
    if screen.json {
        let mut document = document(drop_ins, &notes(needs, drop_ins, units), &[]);
        document["checks"] = json!(checks);
        document["difference"] = json!(changes);
        screen.document(&document);
    }
    screen.text(&offline::checklist(&screen.style, &checks));
    changes.iter().for_each(|line| screen.line(line));
    if wrong {
        let count = checks.iter().filter(|check| !check.text.ends_with("covers the configuration")).count();
        screen.line(&format!(
            "{}: strongroom setup unit --write, then {NEXT}",
            counted(count as u64, "finding")
        ));
    }
    Ok(if wrong { exit::WRONG } else { exit::DONE })
}

/// Lines that would come and go.
fn difference(made: &Made) -> Vec<String> {
    if made.is_same() {
        return Vec::new();
    }
    let is = made.is.as_deref().unwrap_or_default();
    let wanted = if made.drop_in.is_empty() { "" } else { made.text.as_str() };
    let says = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let (before, after): (Vec<&str>, Vec<&str>) =
        (is.lines().filter(says).collect(), wanted.lines().filter(says).collect());
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("-{line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+{line}"));
    let lines: Vec<String> = gone.chain(new).collect();
    if lines.is_empty() {
        return Vec::new();
    }
    let mut told = vec![format!("@@ {}", made.place.display())];
    told.extend(lines);
    told
}
