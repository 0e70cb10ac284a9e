//! A drop-in for a unit, made from what the service needs.
//!
//! - It says everything by itself: it does not lean on other drop-ins that give leave for paths, which may go.
//! - The same configuration makes the same bytes, and every line holds one path.
//! - A folder below one that may be written is not named again: a folder that is not there yet would keep the unit from
//!   starting, and the service makes such folders by itself.

use super::{FILE, place_of};
use crate::books::config::needs::{Need, Needs, Use};
use crate::rules::unit::text::{rest_of, word_of};
use crate::rules::unit::{May, Unit};
use crate::worlds::unit::Units;
use std::path::{Path, PathBuf};

/// First words of every drop-in that we made.
const MADE: &str = "# Made by: strongroom setup unit";

/// A path, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    what: String,
    path: PathBuf,
}

/// Whom the unit shall run as, where it is somebody else than it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The user.
    pub user: Option<String>,
    /// The group.
    pub group: Option<String>,
}

/// What a drop-in says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DropIn {
    unit: String,
    who: Who,
    mounts_for: Vec<PathBuf>,
    covers_home: bool,
    writable: Vec<Named>,
    bound: Vec<(Named, bool)>,
    credentials: Vec<(String, PathBuf)>,
    /// What no drop-in of ours can mend, in sentences.
    pub beyond: Vec<String>,
}

impl DropIn {
    /// What `frame` lacks for `needs`. The frame is the unit without leave for paths: see `Unit::without_leave`.
    pub fn new(needs: &Needs, frame: &Unit, units: &Units, who: &Who) -> DropIn {
        let other = |wanted: &Option<String>, is: &Option<String>| {
            wanted.clone().filter(|name| Some(name) != is.as_ref())
        };
        let mut made = DropIn {
            unit: frame.name.clone(),
            who: Who { user: other(&who.user, &frame.user), group: other(&who.group, &frame.group) },
            ..DropIn::default()
        };
        for need in needs.paths.iter().filter(|need| !super::passes_over(frame, need)) {
            made.allow(need, frame.may(&units.real(&need.path)));
        }
        made.wait(needs, frame, &units.mount_points());
        let lacking = needs.credentials.iter().filter(|one| !frame.hands_over(&one.name));
        made.credentials = lacking.map(|one| (one.name.clone(), one.file.clone())).collect();
        made.prune();
        made
    }

    fn allow(&mut self, need: &Need, may: May) {
        let named = Named { what: need.what.clone(), path: need.path.clone() };
        let writes = need.used == Use::Writes;
        match may {
            May::Read { .. } if writes => self.writable.push(named),
            May::Write | May::Read { .. } => {}
            May::Nothing { by } if by.starts_with("ProtectHome=") => {
                // What ProtectHome=yes hides cannot be given leave for; what its tmpfs covers can be bound over it.
                self.covers_home = true;
                self.bound.push((named, writes));
            }
            May::Nothing { by } if by == "PrivateTmp=yes" || by.starts_with("TemporaryFileSystem=") => {
                self.bound.push((named, writes));
            }
            May::Nothing { by } => self.beyond.push(format!(
                "{} at {} is hidden by {by} of {}: take that away",
                need.what,
                need.path.display(),
                self.unit
            )),
        }
    }

    /// Waits for the mounts of folders outside, and of those inside that are mounts of their own.
    fn wait(&mut self, needs: &Needs, frame: &Unit, mounts: &[PathBuf]) {
        let folders: Vec<&Need> = needs.folders().filter(|need| !super::passes_over(frame, need)).collect();
        for need in &folders {
            let below = |other: &&&Need| need.path != other.path && need.path.starts_with(&other.path);
            let inner = frame.owns(&need.path) || folders.iter().any(|other| below(&other));
            if (!inner || mounts.contains(&need.path)) && !self.mounts_for.contains(&need.path) {
                self.mounts_for.push(need.path.clone());
            }
        }
    }

    /// What lies below another that is named need not be.
    fn prune(&mut self) {
        let all: Vec<PathBuf> = self.writable.iter().map(|named| named.path.clone()).collect();
        let below =
            |path: &Path, all: &[PathBuf]| all.iter().any(|other| path != other && path.starts_with(other));
        self.writable.retain(|named| !below(&named.path, &all));
        self.writable.dedup_by(|one, before| one.path == before.path);
        let all: Vec<(PathBuf, bool)> =
            self.bound.iter().map(|(named, writes)| (named.path.clone(), *writes)).collect();
        let covered = |path: &Path, writes: bool| {
            all.iter()
                .any(|(other, can_write)| path != other && path.starts_with(other) && (*can_write || !writes))
        };
        self.bound.retain(|(named, writes)| !covered(&named.path, *writes));
    }

    /// True when nothing is to be said.
    pub fn is_empty(&self) -> bool {
        let DropIn { who, mounts_for, covers_home, writable, bound, credentials, .. } = self;
        *who == Who::default()
            && mounts_for.is_empty()
            && !covers_home
            && writable.is_empty()
            && bound.is_empty()
            && credentials.is_empty()
    }

    /// Paths that must be there before the unit can start.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let bound = self.bound.iter().map(|(named, _)| named);
        self.writable.iter().chain(bound).map(|named| named.path.as_path())
    }

    /// Paths whose mounts it waits for.
    pub fn waits_for(&self) -> &[PathBuf] {
        &self.mounts_for
    }

    /// Credentials that it loads: name and file.
    pub fn loads(&self) -> &[(String, PathBuf)] {
        &self.credentials
    }

    /// Where it belongs.
    pub fn place(&self) -> PathBuf {
        place_of(&self.unit)
    }

    /// Its text, or what of it a unit file cannot say.
    pub fn text(&self, config: Option<&Path>) -> Result<String, Vec<String>> {
        let from = config.map_or("the embedded default".into(), |file| file.display().to_string());
        // A path may hold what ends a line.
        let from: String = from.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let mut text =
            format!("{MADE}\n# From {from}; after a change of it: strongroom setup unit --write\n");
        let (mounts, service) = (self.unit_lines(), self.service_lines(true));
        let wrong: Vec<String> =
            mounts.iter().chain(&service).filter_map(|line| line.as_ref().err().cloned()).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        for (section, lines) in [("Unit", mounts), ("Service", service)] {
            if !lines.is_empty() {
                text.push_str(&format!("\n[{section}]\n"));
                lines.into_iter().flatten().for_each(|line| text.push_str(&format!("{line}\n")));
            }
        }
        Ok(text)
    }

    fn unit_lines(&self) -> Vec<Result<String, String>> {
        self.mounts_for.iter().map(|path| Ok(format!("RequiresMountsFor={}", word_of(path)?))).collect()
    }

    /// The lines of `[Service]`, with a comment before each path that says what it is.
    pub fn service_lines(&self, comments: bool) -> Vec<Result<String, String>> {
        let comment = |what: &str| Some(Ok(format!("# {what}"))).filter(|_| comments);
        let mut lines = Vec::new();
        lines.extend(self.who.user.iter().map(|user| Ok(format!("User={user}"))));
        lines.extend(self.who.group.iter().map(|group| Ok(format!("Group={group}"))));
        for named in &self.writable {
            lines.extend(comment(&named.what));
            lines.push(word_of(&named.path).map(|word| format!("ReadWritePaths={word}")));
        }
        if self.covers_home {
            lines.extend(comment("homes stay hidden, but for what is bound below"));
            lines.push(Ok("ProtectHome=tmpfs".into()));
        }
        for (named, writes) in &self.bound {
            lines.extend(comment(&named.what));
            let key = if *writes { "BindPaths" } else { "BindReadOnlyPaths" };
            lines.push(word_of(&named.path).map(|word| format!("{key}={word}")));
        }
        for (name, file) in &self.credentials {
            lines.push(rest_of(file).map(|file| format!("LoadCredential={name}:{file}")));
        }
        lines
    }
}

/// True for a drop-in that was made here, by hand or by the role: it may be made anew.
pub fn is_ours(text: &str) -> bool {
    text.starts_with(MADE) || text.starts_with("# Written by Ansible; the same as: strongroom setup unit")
}

/// What to do about a path, in the words of every door: the drop-in with these lines, and the verb that writes it.
pub fn advice(made: &DropIn) -> String {
    let mut text =
        format!("put this into {}, then daemon-reload and restart:\n  [Service]", made.place().display());
    for line in made.service_lines(false) {
        match line {
            Ok(line) => text.push_str(&format!("\n  {line}")),
            Err(why) => return format!("it cannot be allowed: {why}"),
        }
    }
    text.push_str("\nor have it written there: strongroom setup unit --write");
    debug_assert!(text.contains(FILE));
    text
}
