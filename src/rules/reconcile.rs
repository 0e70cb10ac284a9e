//! Registry against storage and storage against registry, one object on one target. Pure.
//!
//! - Nothing is decided about what to do with a finding but the words of advice; looking changes nothing.
//! - What an item at work explains is in flight, and nothing is wrong with it.

use serde::{Deserialize, Serialize};

/// What is wrong, or not wrong yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The registry has it on this target, and it is not there.
    Lost,
    /// It is there, and is not what the registry has.
    Damaged,
    /// It is there, and the registry does not know it.
    Orphaned,
    /// A file that no inventory names.
    Extra,
    /// On its way; nothing is wrong.
    InFlight,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 5] = [Kind::Lost, Kind::Damaged, Kind::Orphaned, Kind::Extra, Kind::InFlight];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Lost => "lost",
            Kind::Damaged => "damaged",
            Kind::Orphaned => "orphaned",
            Kind::Extra => "extra",
            Kind::InFlight => "in-flight",
        }
    }

    /// What to do.
    pub fn advice(self) -> &'static str {
        match self {
            Kind::Lost => {
                "find out what took it; deposit the bag again, or copy the object there from another target"
            }
            Kind::Damaged => {
                "find out what changed it; its other copies are not touched, and serve until it is made whole"
            }
            Kind::Orphaned => {
                "strongroom rebuild --into-existing --from TARGET takes in what was kept; else look at it"
            }
            Kind::Extra => "look at it; strongroom leaves it alone",
            Kind::InFlight => "nothing; an item is at it",
        }
    }
}

/// What the registry has of an object, as far as one target is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Version, inventory digest, and whether the registry has a copy of it on this target.
    pub versions: Vec<(u32, String, bool)>,
    /// It was deleted, and its tombstone is what should be there: SHA-512 of its last inventory.
    pub deleted: Option<String>,
    /// An item is making a version of it now.
    pub at_work: bool,
}

/// What lies on the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lying {
    /// Nothing.
    Nothing,
    /// A copy that cannot be believed, and why.
    Unsound(String),
    /// A copy: inventory digests of its versions from the first, and how its files are.
    Copy {
        /// From version 1.
        inventories: Vec<String>,
        /// Files that are missing, and a sentence about them.
        missing: Option<(u64, String)>,
        /// Files that nothing names, and a sentence about them.
        extra: Option<(u64, String)>,
    },
}

/// What was found about an object on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its kind.
    pub kind: Kind,
    /// The version concerned, from 1.
    pub version: Option<u32>,
    /// How many things it counts for: files, or one.
    pub count: u64,
    /// What was found.
    pub because: String,
}

/// Everything that is not as the registry has it.
pub fn compare(known: &Known, lying: &Lying) -> Vec<Verdict> {
    let mut found = Vec::new();
    let mut say =
        |kind, version, count, because: String| found.push(Verdict { kind, version, count, because });
    let here = || known.versions.iter().filter(|(.., here)| *here);
    match lying {
        Lying::Nothing => {
            if let Some((newest, ..)) = here().next_back() {
                let versions = here().count();
                say(
                    Kind::Lost,
                    Some(*newest),
                    1,
                    format!("the object is not there; {versions} of its versions should be"),
                );
            }
        }
        Lying::Unsound(_) if known.versions.is_empty() && known.at_work => {
            say(Kind::InFlight, None, 1, "an item is making it".into());
        }
        Lying::Unsound(why) if known.versions.is_empty() && known.deleted.is_none() => {
            say(
                Kind::Orphaned,
                None,
                1,
                format!("the registry does not know it, and it cannot be read: {why}"),
            );
        }
        Lying::Unsound(why) => say(Kind::Damaged, None, 1, why.clone()),
        Lying::Copy { inventories, .. }
            if known.deleted.is_some() && known.deleted.as_ref() == inventories.last() =>
        {
            say(Kind::Orphaned, None, 1, "the object was deleted, and this copy of it is still there".into());
        }
        Lying::Copy { inventories, missing, extra } => {
            for (version, inventory, _) in here() {
                match inventories.get(*version as usize - 1) {
                    None => say(Kind::Lost, Some(*version), 1, "the version is not there".into()),
                    Some(found) if found != inventory => {
                        let because =
                            format!("its inventory is {found:.12}…, and the registry has {inventory:.12}…");
                        say(Kind::Damaged, Some(*version), 1, because);
                    }
                    Some(_) => {}
                }
            }
            for (at, _) in inventories.iter().enumerate() {
                let version = at as u32 + 1;
                if known.deleted.is_some() || here().any(|(known, ..)| *known == version) {
                    continue;
                }
                let elsewhere = known.versions.iter().any(|(known, ..)| *known == version);
                match (known.at_work, elsewhere, known.versions.is_empty()) {
                    (true, false, _) => say(Kind::InFlight, Some(version), 1, "an item is making it".into()),
                    (_, true, _) => {
                        say(
                            Kind::Orphaned,
                            Some(version),
                            1,
                            "the registry has no copy of it on this target".into(),
                        );
                    }
                    (_, _, true) if version > 1 => {}
                    (_, _, true) => {
                        say(Kind::Orphaned, None, 1, "the registry does not know the object".into())
                    }
                    _ => {
                        say(Kind::Orphaned, Some(version), 1, "the registry does not know the version".into())
                    }
                }
            }
            if let Some((count, because)) = missing {
                say(Kind::Lost, None, *count, because.clone());
            }
            if let Some((count, because)) = extra {
                say(Kind::Extra, None, *count, because.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(rows: &[(u32, &str, bool)]) -> Known {
        let versions = rows.iter().map(|(version, digest, here)| (*version, (*digest).to_string(), *here));
        Known { versions: versions.collect(), ..Known::default() }
    }

    fn copy(inventories: &[&str]) -> Lying {
        let inventories = inventories.iter().map(|digest| (*digest).to_string()).collect();
        Lying::Copy { inventories, missing: None, extra: None }
    }

    fn kinds(known: &Known, lying: &Lying) -> Vec<(Kind, Option<u32>)> {
        compare(known, lying).iter().map(|found| (found.kind, found.version)).collect()
    }

    #[test]
    fn every_way_in_which_registry_and_storage_differ_has_its_kind() {
        let two = known(&[(1, "x", true), (2, "y", true)]);
        let at_work = Known { at_work: true, ..two.clone() };
        let deleted = Known { deleted: Some("z".into()), ..Known::default() };
        let nothing = Known::default();
        let starting = Known { at_work: true, ..Known::default() };
        let unsound = Lying::Unsound("torn".into());
        type Told<'a> = &'a [(Kind, Option<u32>)];
        let table: [(&Known, Lying, Told<'_>); 17] = [
            (&two, copy(&["x", "y"]), &[]),
            (&two, Lying::Nothing, &[(Kind::Lost, Some(2))]),
            (&two, copy(&["x"]), &[(Kind::Lost, Some(2))]),
            (&two, copy(&["x", "z"]), &[(Kind::Damaged, Some(2))]),
            (&two, copy(&["x", "y", "z"]), &[(Kind::Orphaned, Some(3))]),
            (&two, unsound.clone(), &[(Kind::Damaged, None)]),
            (&at_work, copy(&["x", "y", "z"]), &[(Kind::InFlight, Some(3))]),
            (&at_work, copy(&["x"]), &[(Kind::Lost, Some(2))]),
            (&known(&[(1, "x", true), (2, "y", false)]), copy(&["x"]), &[]),
            (&known(&[(1, "x", true), (2, "y", false)]), copy(&["x", "y"]), &[(Kind::Orphaned, Some(2))]),
            (&known(&[(1, "x", false)]), Lying::Nothing, &[]),
            (&nothing, copy(&["x", "y", "z"]), &[(Kind::Orphaned, None)]),
            (&nothing, unsound.clone(), &[(Kind::Orphaned, None)]),
            (&starting, copy(&["x"]), &[(Kind::InFlight, Some(1))]),
            (&starting, unsound, &[(Kind::InFlight, None)]),
            (&deleted, copy(&["x"]), &[]),
            (&nothing, Lying::Nothing, &[]),
        ];
        for (known, lying, wanted) in table {
            assert_eq!(kinds(known, &lying), wanted, "{known:?} {lying:?}");
        }
    }

    #[test]
    fn missing_and_extra_files_count_each() {
        let lying = Lying::Copy {
            inventories: vec!["x".into()],
            missing: Some((3, "m".into())),
            extra: Some((2, "e".into())),
        };
        let found = compare(&known(&[(1, "x", true)]), &lying);
        assert_eq!(
            found.iter().map(|found| (found.kind, found.count)).collect::<Vec<_>>(),
            [(Kind::Lost, 3), (Kind::Extra, 2)]
        );
    }
}
