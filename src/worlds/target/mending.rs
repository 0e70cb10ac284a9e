//! Putting published objects right, file by file.
//!
//! - New bytes are written beside, synced, read back and compared before anything that lies there is touched.
//! - What is found wrong is put aside beside the storage root and never deleted by us; a note beside it says what it was.
//! - A stop at any place leaves the old file or the new one; doing the same again ends the same way, and what was put aside
//!   lies there once.

use crate::model::object::ObjectId;
use crate::rules::digester::sha256_hex;
use crate::rules::read::ReadAt;
use crate::worlds::target::TargetError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// How the name of a note ends.
pub const NOTE: &str = ".json";

/// Files of one name in a quarantine: more is a machine gone wild.
pub const SAME_MAX: u32 = 1_000;

/// What was put aside, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Aside {
    /// The object.
    pub object: ObjectId,
    /// Path in it.
    pub path: String,
    /// When the repair began that put it aside (UTC); who does it again after a stop says the same.
    pub at: Timestamp,
    /// What was wrong with it.
    pub why: String,
}

impl Aside {
    /// Its name in the quarantine: a function of object, path and time, so that doing it again finds it.
    pub fn name(&self) -> String {
        let path = sha256_hex(format!("{}\n{}", self.object, self.path).as_bytes());
        format!("{}{}", Aside::names_of(&self.object, self.at), &path[..20])
    }

    /// How the names start of all that one repair of an object puts aside.
    pub fn names_of(object: &ObjectId, at: Timestamp) -> String {
        let at = at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
        format!("{at}-{}-", &sha256_hex(object.0.as_bytes())[..12])
    }

    /// The names it may have, the first that is free counts.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let name = self.name();
        (1..=SAME_MAX).map(move |number| match number {
            1 => name.clone(),
            _ => format!("{name}.{number}"),
        })
    }
}

/// A file that is to be put right.
pub struct Mend<'a> {
    /// The object.
    pub object: &'a ObjectId,
    /// Path in it.
    pub path: &'a str,
    /// The right bytes.
    pub from: &'a dyn ReadAt,
    /// Their SHA-512, lower-case hexadecimal.
    pub sha512: &'a str,
    /// What is said of the wrong bytes.
    pub aside: &'a Aside,
}

/// What putting a file right came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Its bytes were right.
    Already,
    /// Nothing lay there.
    Filled,
    /// Other bytes lay there, and are in quarantine: their name and number.
    Replaced {
        /// Name in the quarantine.
        name: String,
        /// Bytes.
        bytes: u64,
    },
}

/// Something in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its name there.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// What it was; none when its note cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Aside>,
}

/// Putting published objects right.
pub trait Mending: Send + Sync {
    /// Puts these bytes where they belong; durable, and read back past the page cache, when it returns.
    fn mend(&self, what: &Mend<'_>) -> Result<Mended, TargetError>;

    /// Moves what no inventory names into quarantine; folders that are empty then go, too. Gives its bytes; none when it
    /// was not there.
    fn set_aside(&self, aside: &Aside) -> Result<Option<u64>, TargetError>;

    /// A repair has ended: what a process that was killed had sent for it beside its place, and did not remove, goes.
    /// `starts` is how its names start (`Aside::names_of`).
    fn sweep_up(&self, starts: &str) -> Result<(), TargetError>;

    /// What is in quarantine under names that start so, by name.
    fn quarantine(&self, starts: &str) -> Result<Vec<Quarantined>, TargetError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_quarantine_is_the_same_for_the_same_thing_and_another_for_any_other() {
        let one = Aside {
            object: ObjectId::of("u", "b"),
            path: "v1/content/a".into(),
            at: "2026-11-22T12:00:00.5Z".parse().unwrap(),
            why: "x".into(),
        };
        assert!(one.name().starts_with("20261122T120000Z-"));
        assert_eq!(one.name(), Aside { why: "y".into(), ..one.clone() }.name());
        assert_ne!(one.name(), Aside { path: "v1/content/b".into(), ..one.clone() }.name());
        assert_ne!(one.name(), Aside { object: ObjectId::of("u", "c"), ..one.clone() }.name());
        let names: Vec<String> = one.names().take(3).collect();
        assert_eq!(names, [one.name(), format!("{}.2", one.name()), format!("{}.3", one.name())]);
        assert!(names.iter().all(|name| !name.ends_with(NOTE)));
    }
}
