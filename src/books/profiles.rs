//! Profiles at hand: those that come with the program, and those that an operator took in.
//!
//! - A profile is taken in by a person, never because a bag names it, and nothing is fetched.
//! - What was taken in is pinned by the SHA-256 of its bytes. A file that changed since is refused, not applied: what a
//!   verdict says it was judged by, it was judged by.
//! - A name never changes its meaning: under one name, other bytes are taken only after the old ones were removed.
//!
//! People speak of profiles by name, and verdicts must say bytes, so a registry keeps both: `profiles/NAME.json` is the
//! file as it was given, `profiles/pins.json` names its digest. Files named by their digests alone would need no pins, but
//! an operator could not see, compare or copy what stands there. The file is written before its pin: power lost between
//! the two leaves a file that is not known, and taking it in again mends that.

use crate::books::config::keys::nearest;
use crate::model::finding::escape;
use crate::rules::bagit::profile::{BYTES_MAX, Profile, shipped};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folder of the registry below the data folder.
pub const FOLDER: &str = "profiles";

/// The file that names every profile's digest.
const PINS: &str = "pins.json";

/// Profiles that one registry may have; a list with more is nobody's.
const PROFILES_MAX: usize = 1_000;

/// Bytes of a name.
const NAME_MAX: usize = 100;

/// The registry of a data folder.
pub fn folder_of(data: &Path) -> PathBuf {
    data.join(FOLDER)
}

/// Why there is no such profile.
#[derive(Debug)]
pub enum ProfileError {
    /// Nothing has this name.
    Unknown {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The file of a profile is not the one that was taken in.
    Changed {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The digest it was taken in with.
        pinned: String,
        /// The digest it has.
        found: String,
    },
    /// The profile is wrong in itself.
    Wrong {
        /// Which.
        name: String,
        /// What is wrong, fault by fault.
        faults: Vec<String>,
    },
    /// A name that cannot be given.
    Name {
        /// Which.
        name: String,
        /// Why not.
        why: String,
    },
    /// The registry's own list is damaged.
    Pins {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system failed.
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl ProfileError {
    /// What the reader can do.
    pub fn advice(&self) -> String {
        match self {
            ProfileError::Unknown { asked, known } => {
                match nearest(asked, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}? strongroom profile list shows all"),
                    None => "strongroom profile list shows all; strongroom profile add FILE takes another in"
                        .into(),
                }
            }
            ProfileError::Changed { name, .. } => format!(
                "put the old file back; or, if the change is meant: strongroom profile remove {name}, and add it again"
            ),
            ProfileError::Wrong { .. } => {
                "correct the file; strongroom profile check FILE says whether it is sound".into()
            }
            ProfileError::Name { .. } => "strongroom profile add FILE --name NAME".into(),
            ProfileError::Pins { .. } => {
                "put the file back from a backup, or remove it and add the profiles again".into()
            }
            ProfileError::Io { .. } => "check that it is there and may be read".into(),
        }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfileError::Unknown { asked, .. } => {
                write!(
                    out,
                    "no profile has the name \"{}\", and no file lies there",
                    escape(asked.as_bytes())
                )
            }
            ProfileError::Changed { name, path, pinned, found } => write!(
                out,
                "profile {name} was changed since it was taken in: {} has sha256 {found}, not {pinned}",
                path.display()
            ),
            ProfileError::Wrong { name, faults } => {
                write!(out, "profile {} is wrong in itself: {}", escape(name.as_bytes()), faults.join("; "))
            }
            ProfileError::Name { name, why } => {
                write!(out, "\"{}\" is no name for a profile: {why}", escape(name.as_bytes()))
            }
            ProfileError::Pins { path, why } => write!(out, "{} cannot be used: {why}", path.display()),
            ProfileError::Io { path, error } => write!(out, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for ProfileError {}

/// One profile of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The digest of its file.
    pub sha256: String,
    /// It comes with the program.
    pub shipped: bool,
    /// What it is; why it cannot be applied.
    pub state: Result<String, String>,
}

/// The profile of this name, or in this file: shipped, taken in, or a path. One that is wrong in itself is given, too: its
/// faults stand in it, and the judge tells them and applies nothing of it.
pub fn find(name_or_path: &str, registry: Option<&Path>) -> Result<Arc<Profile>, ProfileError> {
    let pins = registry.map(|folder| pins_for(folder, name_or_path)).transpose()?.unwrap_or_default();
    if let (Some(folder), Some(pinned)) = (registry, pins.get(name_or_path)) {
        return pinned_profile(folder, name_or_path, pinned).map(Arc::new);
    }
    if let Some(profile) = shipped::find(name_or_path) {
        return Ok(profile);
    }
    let path = Path::new(name_or_path);
    if !path.exists() {
        let known = shipped::names().map(String::from).chain(pins.into_keys()).collect();
        return Err(ProfileError::Unknown { asked: name_or_path.into(), known });
    }
    of_file(path).map(Arc::new)
}

/// The profile in this file.
pub fn of_file(path: &Path) -> Result<Profile, ProfileError> {
    Ok(Profile::read(&read(path)?))
}

/// As `find`, by name only, and refusing one that is wrong in itself: for configurations.
pub fn named(name: &str, registry: &Path) -> Result<Arc<Profile>, ProfileError> {
    if check_name(name).is_err() {
        let known = shipped::names().map(String::from).collect();
        return Err(ProfileError::Unknown { asked: name.into(), known });
    }
    let pins = pins_for(registry, name)?;
    let profile = match (pins.get(name), shipped::find(name)) {
        (Some(pinned), _) => Arc::new(pinned_profile(registry, name, pinned)?),
        (None, Some(profile)) => profile,
        (None, None) => {
            let known = shipped::names().map(String::from).chain(pins.into_keys()).collect();
            return Err(ProfileError::Unknown { asked: name.into(), known });
        }
    };
    sound(name, profile)
}

fn sound(name: &str, profile: Arc<Profile>) -> Result<Arc<Profile>, ProfileError> {
    if profile.is_sound() {
        return Ok(profile);
    }
    let faults = profile.faults.iter().map(ToString::to_string).collect();
    Err(ProfileError::Wrong { name: name.into(), faults })
}

/// Every profile at hand.
pub fn list(registry: &Path) -> Result<Vec<Listed>, ProfileError> {
    let mut rows: Vec<Listed> = Vec::new();
    let pins = read_pins(registry)?;
    for name in shipped::names().filter(|name| !pins.contains_key(*name)) {
        if let Some(profile) = shipped::find(name) {
            let row = Listed {
                name: name.into(),
                sha256: profile.sha256.clone(),
                shipped: true,
                state: state(&profile),
            };
            rows.push(row);
        }
    }
    for (name, pinned) in pins {
        let state = match pinned_profile(registry, &name, &pinned) {
            Ok(profile) => state(&profile),
            Err(error) => Err(error.to_string()),
        };
        rows.push(Listed { name, sha256: pinned, shipped: false, state });
    }
    Ok(rows)
}

fn state(profile: &Profile) -> Result<String, String> {
    match profile.faults.first() {
        None => Ok(format!("{} ({})", profile.title, profile.dialect)),
        Some(fault) => Err(fault.to_string()),
    }
}

/// Takes a file in under this name, or under its own; the same bytes again are fine.
pub fn add(registry: &Path, file: &Path, name: Option<&str>) -> Result<Listed, ProfileError> {
    let name = match name {
        Some(name) => name.to_string(),
        None => file.file_stem().map(|stem| stem.to_string_lossy().to_string()).unwrap_or_default(),
    };
    check_name(&name)?;
    let bytes = read(file)?;
    let profile = sound(&name, Arc::new(Profile::read(&bytes)))?;
    let mut pins = read_pins(registry)?;
    let refuse = |why: &str| ProfileError::Name { name: name.clone(), why: why.into() };
    if let Some(shipped) = shipped::find(&name)
        && shipped.sha256 != profile.sha256
        && !pins.contains_key(&name)
    {
        return Err(refuse("a profile that comes with strongroom has it"));
    }
    if pins.get(&name).is_some_and(|pinned| *pinned != profile.sha256) {
        return Err(refuse("another file was taken in under it; remove that first, or give another name"));
    }
    if pins.len() >= PROFILES_MAX {
        return Err(refuse("there are too many profiles already"));
    }
    make_folder(registry)?;
    write(&file_of(registry, &name), &bytes)?;
    pins.insert(name.clone(), profile.sha256.clone());
    write_pins(registry, &pins)?;
    Ok(Listed { name, sha256: profile.sha256.clone(), shipped: false, state: state(&profile) })
}

/// Lets a profile go that was taken in.
pub fn remove(registry: &Path, name: &str) -> Result<(), ProfileError> {
    let mut pins = read_pins(registry)?;
    if pins.remove(name).is_none() {
        if shipped::text(name).is_some() {
            let why = "it comes with strongroom and cannot be removed".into();
            return Err(ProfileError::Name { name: name.into(), why });
        }
        return Err(ProfileError::Unknown { asked: name.into(), known: pins.into_keys().collect() });
    }
    // The pin goes first: a file without one is not known.
    write_pins(registry, &pins)?;
    let path = file_of(registry, name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ProfileError::Io { path, error }),
        _ => Ok(()),
    }
}

/// The text of a profile, byte for byte.
pub fn text(name_or_path: &str, registry: Option<&Path>) -> Result<Vec<u8>, ProfileError> {
    // What is shown is what would be applied: a changed file is refused here, too.
    find(name_or_path, registry)?;
    let pins = registry.map(|folder| pins_for(folder, name_or_path)).transpose()?.unwrap_or_default();
    match (registry.filter(|_| pins.contains_key(name_or_path)), shipped::text(name_or_path)) {
        (Some(folder), _) => read(&file_of(folder, name_or_path)),
        (None, Some(text)) => Ok(text.as_bytes().to_vec()),
        (None, None) => read(Path::new(name_or_path)),
    }
}

/// Names become file names and words of configurations.
fn check_name(name: &str) -> Result<(), ProfileError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = !name.is_empty()
        && name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
        && format!("{name}.json") != PINS;
    if good {
        return Ok(());
    }
    let why = format!(
        "it has letters, digits, - _ and . only, at most {NAME_MAX}, and starts with a letter or digit"
    );
    Err(ProfileError::Name { name: name.into(), why })
}

fn file_of(registry: &Path, name: &str) -> PathBuf {
    registry.join(format!("{name}.json"))
}

fn pinned_profile(registry: &Path, name: &str, pinned: &str) -> Result<Profile, ProfileError> {
    let path = file_of(registry, name);
    let profile = Profile::read(&read(&path)?);
    if profile.sha256 == pinned {
        return Ok(profile);
    }
    let (name, pinned, found) = (name.to_string(), pinned.to_string(), profile.sha256);
    Err(ProfileError::Changed { name, path, pinned, found })
}

type Pins = BTreeMap<String, String>;

fn read_pins(registry: &Path) -> Result<Pins, ProfileError> {
    let path = registry.join(PINS);
    let bytes = match read(&path) {
        Err(ProfileError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Pins::new());
        }
        other => other?,
    };
    let wrong = |why: String| ProfileError::Pins { path: path.clone(), why };
    let pins: Pins = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    match pins.keys().find(|name| check_name(name).is_err()) {
        Some(name) => Err(wrong(format!("\"{}\" is no name for a profile", escape(name.as_bytes())))),
        None => Ok(pins),
    }
}

/// The pins, for whoever looks for this name. What was taken in under it counts before what is shipped: a release that
/// ships the name later does not change what it means. Who may not look into the registry has only what is shipped.
fn pins_for(registry: &Path, name: &str) -> Result<Pins, ProfileError> {
    match read_pins(registry) {
        Err(ProfileError::Io { error, .. })
            if error.kind() == io::ErrorKind::PermissionDenied && shipped::text(name).is_some() =>
        {
            Ok(Pins::new())
        }
        other => other,
    }
}

fn write_pins(registry: &Path, pins: &Pins) -> Result<(), ProfileError> {
    let mut bytes = serde_json::to_vec_pretty(pins).expect("texts by text are always JSON");
    bytes.push(b'\n');
    write(&registry.join(PINS), &bytes)
}

/// Reads a file that must not be large.
fn read(path: &Path) -> Result<Vec<u8>, ProfileError> {
    let failed = |error| ProfileError::Io { path: path.to_path_buf(), error };
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that the reader of profiles can say that it is too long.
    let file = File::open(path).map_err(failed)?;
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn make_folder(folder: &Path) -> Result<(), ProfileError> {
    fs::create_dir_all(folder).map_err(|error| ProfileError::Io { path: folder.to_path_buf(), error })
}

/// Writes a file beside its place, synced, then gives it its name.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ProfileError> {
    let part = path.with_extension("json.part");
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path))
        .and_then(|()| File::open(folder)?.sync_all());
    written.map_err(|error| ProfileError::Io { path: path.to_path_buf(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound_text(title: &str) -> String {
        let text = shipped::text("bagit").unwrap();
        text.replace("plain BagIt", title)
    }

    #[test]
    fn a_profile_is_taken_in_found_shown_and_let_go() {
        let scratch = tempfile::tempdir().unwrap();
        let (registry, file) = (scratch.path().join("data/profiles"), scratch.path().join("ours.json"));
        fs::write(&file, sound_text("Ours")).unwrap();
        assert!(matches!(find("ours", Some(&registry)), Err(ProfileError::Unknown { .. })));
        let added = add(&registry, &file, None).unwrap();
        assert_eq!((added.name.as_str(), added.shipped), ("ours", false));
        assert_eq!(add(&registry, &file, None).unwrap(), added, "the same bytes again change nothing");
        assert_eq!(find("ours", Some(&registry)).unwrap().title, "Ours");
        assert_eq!(named("ours", &registry).unwrap().sha256, added.sha256);
        assert_eq!(text("ours", Some(&registry)).unwrap(), sound_text("Ours").as_bytes());
        let names: Vec<String> = list(&registry).unwrap().into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["aptrust-2.2", "aptrust-2.3", "bagit", "btr-1.0", "ours"]);
        remove(&registry, "ours").unwrap();
        assert!(matches!(named("ours", &registry), Err(ProfileError::Unknown { .. })));
        assert!(!registry.join("ours.json").exists());
        assert!(matches!(remove(&registry, "bagit"), Err(ProfileError::Name { .. })));
    }

    #[test]
    fn a_file_that_changed_since_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let (registry, file) = (scratch.path().join("profiles"), scratch.path().join("ours.json"));
        fs::write(&file, sound_text("Ours")).unwrap();
        add(&registry, &file, Some("house-1")).unwrap();
        fs::write(registry.join("house-1.json"), sound_text("Theirs")).unwrap();
        for found in [find("house-1", Some(&registry)), named("house-1", &registry)] {
            let error = found.unwrap_err();
            assert!(matches!(&error, ProfileError::Changed { name, .. } if name == "house-1"), "{error}");
            assert!(error.advice().contains("profile remove house-1"));
        }
        assert!(text("house-1", Some(&registry)).is_err());
        assert!(list(&registry).unwrap().last().unwrap().state.is_err());
        // Other bytes under a name that is taken.
        fs::write(&file, sound_text("Others")).unwrap();
        assert!(matches!(add(&registry, &file, Some("house-1")), Err(ProfileError::Name { .. })));
        fs::write(registry.join(PINS), "[]").unwrap();
        assert!(matches!(named("house-1", &registry), Err(ProfileError::Pins { .. })));
    }

    #[test]
    fn a_name_that_a_later_release_ships_means_what_was_taken_in_under_it() {
        let scratch = tempfile::tempdir().unwrap();
        let (registry, file) = (scratch.path().join("profiles"), scratch.path().join("ours.json"));
        fs::write(&file, sound_text("Ours")).unwrap();
        let sha256 = add(&registry, &file, Some("house-1")).unwrap().sha256;
        // As a release left it that did not ship the name yet.
        fs::rename(registry.join("house-1.json"), registry.join("btr-1.0.json")).unwrap();
        write_pins(&registry, &Pins::from([("btr-1.0".to_string(), sha256.clone())])).unwrap();
        assert_eq!(named("btr-1.0", &registry).unwrap().title, "Ours");
        assert_eq!(find("btr-1.0", Some(&registry)).unwrap().title, "Ours");
        assert_eq!(text("btr-1.0", Some(&registry)).unwrap(), sound_text("Ours").as_bytes());
        let rows: Vec<Listed> = list(&registry).unwrap();
        let same: Vec<&Listed> = rows.iter().filter(|row| row.name == "btr-1.0").collect();
        assert!(same.len() == 1 && same[0].sha256 == sha256 && !same[0].shipped, "{same:?}");
        assert_eq!(add(&registry, &file, Some("btr-1.0")).unwrap().sha256, sha256);
        remove(&registry, "btr-1.0").unwrap();
        assert_eq!(named("btr-1.0", &registry).unwrap().title, "BTR 1.0");
        assert!(matches!(add(&registry, &file, Some("btr-1.0")), Err(ProfileError::Name { .. })));
    }

    #[test]
    fn what_is_wrong_is_not_taken_in() {
        let scratch = tempfile::tempdir().unwrap();
        let (registry, file) = (scratch.path().join("profiles"), scratch.path().join("x.json"));
        fs::write(&file, "{}").unwrap();
        assert!(matches!(add(&registry, &file, None), Err(ProfileError::Wrong { .. })));
        assert!(!registry.exists(), "nothing was written");
        fs::write(&file, sound_text("Ours")).unwrap();
        for name in ["", "../x", "-x", ".x", "a b", "pins", "a/b", "bagit"] {
            assert!(matches!(add(&registry, &file, Some(name)), Err(ProfileError::Name { .. })), "{name}");
            assert!(named(name, &registry).is_err() || name == "bagit", "{name}");
        }
        // By its path it can be used; it is given with its faults, for the judge to tell.
        fs::write(&file, "{}").unwrap();
        assert!(!find(file.to_str().unwrap(), None).unwrap().is_sound());
    }
}
