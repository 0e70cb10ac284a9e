//! What the file system of a local target really does: what is leaned on at every opening, everything when asked for.
//!
//! - Nothing is left behind, on a full disk neither.

use super::durable::fsync_folder;
use super::folders::remove_tree;
use super::reading::Direct;
use super::{Abilities, LocalTarget};
use crate::worlds::target::TargetError;
use crate::worlds::target::probe::{Ability, Has};
use rustix::fs::{CWD, RenameFlags, fdatasync, renameat_with};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// What is written to be read back.
const SAMPLE: [u8; 8192] = [7; 8192];

/// Tries what the file system can do, with files: a folder of ours in the root, however short, would be an error there.
pub(super) fn probe(path: &Path) -> io::Result<Abilities> {
    let inside = path.join("ocfl/strongroom-probe");
    let (a, b) = (path.join("work/tmp/probe-a"), path.join("work/tmp/probe-b"));
    let _ = fs::remove_file(&inside);
    let tried = probe_with(&a, &b, &inside);
    // Also when it failed: a probe is nothing to leave behind on a full disk.
    for file in [&a, &b, &inside] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    tried
}

fn probe_with(a: &Path, b: &Path, inside: &Path) -> io::Result<Abilities> {
    fs::write(a, [7; 8192])?;
    fs::write(b, b"b")?;
    let supported = |done: rustix::io::Result<()>| match done {
        Ok(()) => Ok(true),
        Err(error) if [rustix::io::Errno::INVAL, rustix::io::Errno::NOSYS].contains(&error) => Ok(false),
        Err(error) => Err(io::Error::from(error)),
    };
    let noreplace = supported(renameat_with(CWD, a, CWD, inside, RenameFlags::NOREPLACE))?;
    if !noreplace {
        fs::rename(a, inside)?;
    }
    let swaps = supported(renameat_with(CWD, b, CWD, inside, RenameFlags::EXCHANGE))?;
    let links = fs::hard_link(b, a).is_ok();
    let big = if swaps { b } else { inside };
    let direct =
        Direct::open(big, true, Vec::new()).and_then(|mut file| file.chunk().map(|c| c.len() == 8192));
    Ok(Abilities { noreplace, exchange: swaps && links, direct: direct.unwrap_or(false) })
}

impl LocalTarget {
    /// Tries everything; the storage root is not touched.
    pub(super) fn try_out(&self) -> Result<Vec<Ability>, TargetError> {
        let place = self.path.join(format!("work/tmp/probe-{}", std::process::id()));
        let fail = |error: io::Error| self.fail(&place, error);
        if place.exists() {
            remove_tree(&place).map_err(fail)?;
        }
        fs::create_dir(&place).map_err(fail)?;
        let tried = try_all(&place);
        // Also when it failed: a probe is nothing to leave behind on a full disk.
        let removed = remove_tree(&place).map_err(fail);
        let tried = tried.map_err(fail)?;
        removed.map(|()| tried)
    }
}

fn try_all(place: &Path) -> io::Result<Vec<Ability>> {
    let yes =
        |seen: bool, with: &str, without: &str| if seen { with.to_string() } else { without.to_string() };
    let (noreplace, exchange) = renames(place)?;
    let (links, direct) = (linked(place)?, direct(place)?);
    let synced = File::create(place.join("synced")).and_then(|file| Ok(fdatasync(&file)?));
    let synced = synced.and_then(|()| fsync_folder(place)).is_ok();
    let swaps = exchange && links;
    let with_exchange = "a new version appears by one swap of folders";
    let without = "a new version takes three renames; a reader between them sees it half";
    Ok(vec![
        Ability::new(
            "rename-noreplace",
            Has::of(noreplace),
            "renamed a file onto another with RENAME_NOREPLACE",
            yes(
                noreplace,
                "nothing is ever moved over anything",
                "looked at before the rename; our lock keeps others out",
            ),
        ),
        Ability::new(
            "rename-exchange",
            Has::of(exchange),
            "swapped two folders with RENAME_EXCHANGE",
            yes(swaps, with_exchange, without),
        ),
        Ability::new(
            "hard-links",
            Has::of(links),
            "linked a file, and counted its names",
            yes(swaps, "older versions are linked into the folder that is swapped in", without),
        ),
        Ability::new(
            "fsync",
            Has::of(synced),
            "synced a file and its folder; only a power cut tells whether the disk keeps its word",
            yes(synced, "", "nothing here can be proved to last: do not use it"),
        ),
        Ability::new(
            "direct-io",
            Has::of(direct),
            "wrote a file, and read it with O_DIRECT",
            yes(direct, "read back past the page cache", "cached pages are dropped before reading back"),
        ),
        named(
            place,
            "case-sensitive",
            ["Case", "case"],
            "made two files whose names differ in case",
            "names that differ in case only are mapped in every object, here too",
        )?,
        named(
            place,
            "unicode-names",
            ["e\u{301}", "\u{e9}"],
            "made two files whose names differ in Unicode form, and listed them",
            "names that differ in form only are mapped in every object, here too",
        )?,
    ])
}

/// Whether renames refuse to replace, and whether two folders can be swapped.
fn renames(place: &Path) -> io::Result<(bool, bool)> {
    let [a, b] = ["a", "b"].map(|name| place.join(name));
    fs::write(&a, "a")?;
    fs::write(&b, "b")?;
    let refused = renameat_with(CWD, &a, CWD, &b, RenameFlags::NOREPLACE);
    let noreplace = refused == Err(rustix::io::Errno::EXIST) && fs::read(&b)? == b"b";
    let [one, other] = ["one", "other"].map(|name| place.join(name));
    fs::create_dir(&one)?;
    fs::create_dir(&other)?;
    fs::write(one.join("in-one"), "")?;
    let swapped = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
    Ok((noreplace, swapped.is_ok() && other.join("in-one").exists() && !one.join("in-one").exists()))
}

fn linked(place: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let file = place.join("linked");
    fs::write(&file, "")?;
    Ok(fs::hard_link(&file, place.join("link")).is_ok() && file.metadata()?.nlink() == 2)
}

fn direct(place: &Path) -> io::Result<bool> {
    let file = place.join("direct");
    fs::write(&file, SAMPLE)?;
    let read = Direct::open(&file, true, Vec::new()).and_then(|mut file| file.chunk().map(|c| c == SAMPLE));
    Ok(read.unwrap_or(false))
}

/// Whether both names are kept as they are.
fn named(place: &Path, name: &str, names: [&str; 2], tried: &str, so: &str) -> io::Result<Ability> {
    let folder = place.join(name);
    fs::create_dir(&folder)?;
    for one in names {
        if let Err(error) = fs::write(folder.join(one), one) {
            let refused = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidFilename];
            let has = if refused.contains(&error.kind()) { Has::No } else { Has::Unknown };
            return Ok(Ability::new(name, has, format!("{tried}: {error}"), so));
        }
    }
    let mut found: Vec<String> = Vec::new();
    for entry in fs::read_dir(&folder)? {
        found.push(entry?.file_name().to_string_lossy().into_owned());
    }
    found.sort();
    let mut wanted = names.map(String::from).to_vec();
    wanted.sort();
    let has = Has::of(found == wanted);
    Ok(Ability::new(name, has, tried, if has == Has::Yes { "" } else { so }))
}
