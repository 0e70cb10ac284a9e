//! The units that run us, held against the configuration: what they do not allow, and the drop-ins that would.
//!
//! - What the service needs is said by one function, `Needs::of`; nothing here adds to it.
//! - A path is judged by the files of the units, as systemd would read them; from within the service also by trying.

pub mod drop_in;
pub mod service;

use crate::books::config::needs::{Need, Needs, Use};
use crate::rules::unit::{May, Unit};
use crate::worlds::unit::Units;
use drop_in::{DropIn, Who, advice};
use std::io;
use std::path::PathBuf;

/// The unit of the daemon.
pub const SERVICE: &str = "strongroom.service";

/// The unit of the jobs.
pub const JOB: &str = "strongroom-job@.service";

/// Name of the drop-in.
pub const FILE: &str = "volumes.conf";

/// The units that come with the program, for machines that have none yet.
const SHIPPED: [(&str, &str); 2] = [
    (SERVICE, include_str!("../../../systemd/strongroom.service")),
    (JOB, include_str!("../../../systemd/strongroom-job@.service")),
];

/// Where the drop-in of a unit belongs.
pub fn place_of(unit: &str) -> PathBuf {
    Units::place_of(unit, FILE)
}

/// A unit without our drop-in and without leave for paths: what a drop-in is made for. Where none is installed, the one
/// that comes with the program.
pub fn frame(units: &Units, name: &str) -> io::Result<Unit> {
    let ours = units.within(&place_of(name));
    let unit = match units.unit(name, Some(&ours))? {
        Some(unit) => unit,
        None => {
            let texts: Vec<String> = SHIPPED
                .iter()
                .filter(|(known, _)| *known == name)
                .map(|(_, text)| text.to_string())
                .collect();
            Unit::read(name, &texts).resolved(&|path| units.real(path))
        }
    };
    Ok(unit.without_leave())
}

/// Something that a unit does not do for the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What is not so.
    pub text: String,
    /// What to do about it, in lines.
    pub detail: String,
    /// True when the unit's files are the reason, and a drop-in helps.
    pub by_unit: bool,
}

/// What the job's unit has no use for.
fn passes_over(unit: &Unit, need: &Need) -> bool {
    need.daemon_only && unit.name == JOB
}

/// What keeps everything about paths from being told: a service with a root folder of its own sees others.
pub fn untold(unit: &Unit) -> Option<Lack> {
    let setting = unit.other_root.as_ref()?;
    Some(Lack {
        text: format!(
            "{} has another root folder ({setting}): which folders it may use is not checked",
            unit.name
        ),
        detail: "its log says what it cannot use: journalctl -u strongroom".into(),
        by_unit: true,
    })
}

/// All that `unit`, as it is installed, does not do for a service with these needs.
pub fn lacks(needs: &Needs, unit: &Unit, units: &Units) -> io::Result<Vec<Lack>> {
    let frame = frame(units, &unit.name)?;
    let mut found = Vec::new();
    let of_paths = untold(unit).is_none();
    for need in needs.paths.iter().filter(|need| of_paths && !passes_over(unit, need)) {
        found.extend(lack_of_path(need, unit, &frame, units));
    }
    for one in needs.credentials.iter().filter(|one| !unit.hands_over(&one.name)) {
        let alone = Needs { credentials: vec![one.clone()], ..Needs::default() };
        found.push(Lack {
            text: format!("credential {} of {} is not handed over to the service", one.name, one.used_by),
            detail: advice(&DropIn::new(&alone, &frame, units, &Who::default())),
            by_unit: true,
        });
    }
    if !of_paths {
        return Ok(found);
    }
    let made = DropIn::new(needs, &frame, units, &Who::default());
    found.extend(not_there(needs, &made, unit, units));
    for path in made.waits_for() {
        if !unit.waits_for(path) {
            found.push(Lack {
                text: format!("the service does not wait until {} is mounted", path.display()),
                detail: "started before, it takes what is not mounted yet for missing: strongroom setup unit --write".into(),
                by_unit: true,
            });
        }
    }
    Ok(found)
}

/// Of what the unit allows, what is not there: systemd starts no unit that names it.
fn not_there(needs: &Needs, made: &DropIn, unit: &Unit, units: &Units) -> Vec<Lack> {
    let mut found = Vec::new();
    for need in needs.folders().filter(|need| made.paths().any(|path| path == need.path)) {
        if is_allowed(need, unit, units).is_ok() && !units.has(&need.path) {
            let text = told(need, "is not there, so that the unit cannot start");
            found.push(Lack { text, detail: make_it(need, unit), by_unit: false });
        }
    }
    for (name, file) in made.loads() {
        if unit.hands_over(name) && !units.has(file) {
            found.push(Lack {
                text: format!(
                    "credential {name}: {} is not there, so that the unit cannot start",
                    file.display()
                ),
                detail: format!("write the secret into it: install -m 0600 /dev/stdin '{}'", file.display()),
                by_unit: false,
            });
        }
    }
    found
}

/// What the unit of the daemon, and that of the jobs where there is one, do not do for a service with these needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// The daemon's: what is named here cannot be used.
    pub daemon: Vec<Lack>,
    /// The jobs': they write by themselves only while no daemon runs.
    pub jobs: Vec<Lack>,
    /// Why of paths nothing is told.
    pub untold: Option<Lack>,
}

impl Lacking {
    /// Of this host, whose unit of the daemon is known already.
    pub fn of(needs: &Needs, unit: &Unit, units: &Units) -> io::Result<Lacking> {
        let jobs = match units.unit(JOB, None)? {
            Some(job) => lacks(needs, &job, units)?,
            None => Vec::new(),
        };
        Ok(Lacking { daemon: lacks(needs, unit, units)?, jobs, untold: untold(unit) })
    }

    /// One sentence about the jobs, where they lack what the daemon has.
    pub fn only_jobs(&self) -> Option<Lack> {
        let only = |one: &&Lack| self.daemon.iter().all(|known| known.text != one.text);
        let texts: Vec<&str> = self.jobs.iter().filter(only).map(|lack| lack.text.as_str()).collect();
        if texts.is_empty() {
            return None;
        }
        let detail =
            format!("{}\nthe drop-in of the jobs lacks it: strongroom setup unit --write", texts.join("\n"));
        let text = format!("{JOB}: a job that starts while no daemon runs could not do its work");
        Some(Lack { text, detail, by_unit: true })
    }
}

/// What the unit does not allow of one path.
fn lack_of_path(need: &Need, unit: &Unit, frame: &Unit, units: &Units) -> Option<Lack> {
    let how = is_allowed(need, unit, units).err()?;
    Some(Lack { text: told(need, &how), detail: remedy(need, frame, units), by_unit: true })
}

/// Whether the unit allows what is needed of a path, or how it does not.
fn is_allowed(need: &Need, unit: &Unit, units: &Units) -> Result<(), String> {
    match (unit.may(&units.real(&need.path)), need.used) {
        (May::Write, _) | (May::Read { .. }, Use::Reads | Use::ReadsFile) => Ok(()),
        (May::Read { by }, Use::Writes) => Err(format!("is read-only for the service ({by})")),
        (May::Nothing { by }, _) => Err(format!("is hidden from the service ({by})")),
    }
}

fn told(need: &Need, how: &str) -> String {
    format!("{}: {} {how}", need.what, need.path.display())
}

/// The drop-in for one path, and what must be there before.
fn remedy(need: &Need, frame: &Unit, units: &Units) -> String {
    let alone = Needs { paths: vec![need.clone()], ..Needs::default() };
    let made = DropIn::new(&alone, frame, units, &Who::default());
    if let Some(beyond) = made.beyond.first() {
        return beyond.clone();
    }
    let advice = advice(&made);
    match units.has(&need.path) {
        true => advice,
        false => format!("{}\n{advice}", make_it(need, frame)),
    }
}

/// How to make what is not there: systemd does not start a unit that names a path which is absent.
pub fn make_it(need: &Need, unit: &Unit) -> String {
    let shown = need.path.display();
    let user = unit.user.as_deref().unwrap_or("root");
    match need.used {
        Use::Writes => {
            let group = unit.group.as_deref().unwrap_or(user);
            format!("it is not there: mount it, or install -d -o {user} -g {group} -m 0750 '{shown}'")
        }
        Use::Reads | Use::ReadsFile => "it is not there: mount it, or correct the configuration".into(),
    }
}

#[cfg(test)]
mod tests;
