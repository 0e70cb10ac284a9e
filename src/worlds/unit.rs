//! The host's service manager, as its files and the kernel show it: units, drop-ins, mounts, and which service we are.
//!
//! - Units are read from their files, as systemd would after a daemon-reload: that works without a running systemd, in a
//!   chroot and in an image that is being built.
//! - A drop-in is written whole or not at all, and what somebody else wrote there is kept beside it.

use crate::rules::unit::Unit;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where units lie; of two with one name the first counts.
const FOLDERS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// Longest file of a unit that is read.
const FILE_MAX: u64 = 256 << 10;

/// Drop-ins of one unit that are read.
const DROP_INS_MAX: usize = 200;

/// Longest list of mounts that is read.
const MOUNTS_MAX: u64 = 8 << 20;

/// A host's service manager.
#[derive(Clone, Debug)]
pub struct Units {
    root: PathBuf,
}

impl Units {
    /// Of the host whose files lie below this folder: `/`, or an image that is being built.
    pub fn below(root: &Path) -> Units {
        Units { root: root.to_path_buf() }
    }

    /// What the files of this unit say, but for one drop-in; `None` when there is no such unit, or it is masked.
    pub fn unit(&self, name: &str, without: Option<&Path>) -> io::Result<Option<Unit>> {
        let fragment =
            FOLDERS.iter().map(|folder| self.root.join(folder).join(name)).find(|path| path.exists());
        let Some(fragment) = fragment else { return Ok(None) };
        let text = read(&fragment)?;
        // A masked unit is a link to /dev/null.
        if text.trim().is_empty() {
            return Ok(None);
        }
        let mut texts = vec![text];
        for path in self.drop_ins(name)?.into_values().filter(|path| Some(path.as_path()) != without) {
            texts.push(read(&path)?);
        }
        Ok(Some(Unit::read(name, &texts).resolved(&|path| self.real(path))))
    }

    /// Drop-ins of this unit, by their names: that is the order in which they hold.
    fn drop_ins(&self, name: &str) -> io::Result<BTreeMap<std::ffi::OsString, PathBuf>> {
        let mut found = BTreeMap::new();
        for of in names_of_drop_ins(name) {
            for folder in FOLDERS {
                let folder = self.root.join(folder).join(format!("{of}.d"));
                let entries = match std::fs::read_dir(&folder) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(about(&folder, &error)),
                };
                for entry in entries.take(DROP_INS_MAX) {
                    let path = entry.map_err(|error| about(&folder, &error))?.path();
                    let Some(file) = path.file_name().map(ToOwned::to_owned) else { continue };
                    if path.extension().is_some_and(|ending| ending == "conf") {
                        found.entry(file).or_insert(path);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The real path of what is there of it, and the rest, as seen on that host.
    pub fn real(&self, path: &Path) -> PathBuf {
        if self.root != Path::new("/") {
            // Links of an image lead to places of the image, which only a change of root would follow.
            return path.to_path_buf();
        }
        let mut rest = PathBuf::new();
        for above in path.ancestors() {
            if let Ok(found) = std::fs::canonicalize(above) {
                return if rest.as_os_str().is_empty() { found } else { found.join(rest) };
            }
            let Some(name) = above.file_name() else { break };
            rest = if rest.as_os_str().is_empty() { name.into() } else { Path::new(name).join(rest) };
        }
        path.to_path_buf()
    }

    /// True when something lies there on that host, and when that cannot be told.
    pub fn has(&self, path: &Path) -> bool {
        self.within(path).try_exists().unwrap_or(true)
    }

    /// A path of that host, as this process sees it.
    pub fn within(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Where an administrator's drop-in of this name lies, as that host sees it.
    pub fn place_of(unit: &str, drop_in: &str) -> PathBuf {
        Path::new("/").join(FOLDERS[0]).join(format!("{unit}.d")).join(drop_in)
    }

    /// The text of a drop-in, if it is there.
    pub fn text(&self, place: &Path) -> io::Result<Option<String>> {
        let path = self.within(place);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(about(&path, &error)),
            Ok(_) => read(&path).map(Some),
        }
    }

    /// Writes a drop-in. What is there and is not `ours` is kept beside it; says where.
    pub fn write(
        &self,
        place: &Path,
        text: &str,
        ours: &dyn Fn(&str) -> bool,
    ) -> io::Result<Option<PathBuf>> {
        let path = self.within(place);
        let folder = path.parent().unwrap_or(Path::new("/"));
        let failed = |error: io::Error| about(&path, &error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let kept = match self.text(place)? {
            Some(before) if before != text && !ours(&before) => Some(path.with_extension("conf.before")),
            _ => None,
        };
        if let Some(kept) = &kept {
            // A copy, not a move: there is no moment in which the unit has no drop-in.
            std::fs::copy(&path, kept).map_err(failed)?;
        }
        let part = path.with_extension("conf.part");
        let mut how = File::options();
        let mut file = how.write(true).create(true).truncate(true).mode(0o644).open(&part).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&part, &path).and_then(|()| File::open(folder)?.sync_all()).map_err(failed)?;
        Ok(kept)
    }

    /// Removes a drop-in.
    pub fn remove(&self, place: &Path) -> io::Result<()> {
        let path = self.within(place);
        std::fs::remove_file(&path).map_err(|error| about(&path, &error))
    }

    /// True when systemd runs here and has not read what the files of this unit say now.
    pub fn is_behind(&self, unit: &str) -> bool {
        if self.root != Path::new("/") || !Path::new("/run/systemd/system").exists() {
            return false;
        }
        let asked = Command::new("systemctl")
            .args(["show", "--property=NeedDaemonReload", "--value", unit])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        asked.is_ok_and(|said| said.stdout.trim_ascii() == b"yes")
    }

    /// Where something is mounted, and where something is to be (`/etc/fstab`).
    pub fn mount_points(&self) -> Vec<PathBuf> {
        let mut points: Vec<PathBuf> = match self.root == Path::new("/") {
            true => mounts().into_iter().map(|mount| mount.at).collect(),
            false => Vec::new(),
        };
        let table = read(&self.root.join("etc/fstab")).unwrap_or_default();
        let lines = table.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        points.extend(lines.filter_map(|line| line.split_whitespace().nth(1)).map(unescaped));
        points
    }
}

/// Names whose drop-ins hold for a unit: its own, then those of all whose names begin as its own does, then of its type.
fn names_of_drop_ins(name: &str) -> Vec<String> {
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, "service"));
    let (prefix, instance) = match stem.split_once('@') {
        Some((prefix, instance)) => (prefix, Some(instance)),
        None => (stem, None),
    };
    let mut names = vec![name.to_string()];
    if instance.is_some_and(|instance| !instance.is_empty()) {
        names.push(format!("{prefix}@.{kind}"));
    }
    let dashes: Vec<usize> = prefix.match_indices('-').map(|(at, _)| at).collect();
    names.extend(dashes.iter().rev().map(|at| format!("{}-.{kind}", &prefix[..*at])));
    names.push(kind.to_string());
    names
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| about(path, &error))?;
    file.take(FILE_MAX).read_to_string(&mut text).map_err(|error| about(path, &error))?;
    Ok(text)
}

/// Something mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub at: PathBuf,
    /// Nothing may be written through it.
    pub read_only: bool,
    /// Nothing may be written to the file system that it shows, by whatever way.
    pub file_system_read_only: bool,
}

/// What this process sees mounted; nothing, where the kernel does not tell.
pub fn mounts() -> Vec<Mount> {
    let mut text = String::new();
    let read =
        File::open("/proc/self/mountinfo").and_then(|file| file.take(MOUNTS_MAX).read_to_string(&mut text));
    if read.is_ok() { text.lines().filter_map(mount_of).collect() } else { Vec::new() }
}

/// One line of `/proc/self/mountinfo`.
fn mount_of(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(4);
    let (at, options) = (fields.next()?, fields.next()?);
    let of_file_system = after.split(' ').nth(2)?;
    let says_no = |options: &str| options.split(',').any(|option| option == "ro");
    let (read_only, file_system_read_only) = (says_no(options), says_no(of_file_system));
    Some(Mount { at: unescaped(at), read_only, file_system_read_only })
}

/// The mount on which a path lies: of those above it the nearest, and of those at one place the last.
pub fn mount_under<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.at));
    above.max_by_key(|mount| mount.at.components().count())
}

/// A path as the kernel writes it: blanks and the like as `\040`.
fn unescaped(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits =
            bytes.get(at + 1..at + 4).filter(|digits| digits.iter().all(|d| (b'0'..b'8').contains(d)));
        match (bytes[at], digits) {
            (b'\\', Some(&[a, b, c])) => {
                plain.push((a - b'0').wrapping_mul(64).wrapping_add((b - b'0') * 8 + (c - b'0')));
                at += 4;
            }
            (byte, _) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(plain))
}

/// The unit that systemd started this process for; `None` for a process that somebody started by hand.
pub fn this_service() -> Option<String> {
    // Without the variable it could be a shell that a service's process opened, as cron's jobs are.
    std::env::var_os("INVOCATION_ID").filter(|id| !id.is_empty())?;
    service_of(&read(Path::new("/proc/self/cgroup")).ok()?)
}

/// The service that `/proc/self/cgroup` names, as its unit file is called.
fn service_of(cgroup: &str) -> Option<String> {
    let last =
        cgroup.lines().filter_map(|line| line.rsplit('/').next()).find(|name| name.ends_with(".service"))?;
    Some(match last.split_once('@') {
        Some((prefix, _)) => format!("{prefix}@.service"),
        None => last.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::unit::May;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn drop_ins_hold_in_the_order_of_their_names_and_the_administrators_take_the_place_of_the_packages() {
        let root = tempfile::tempdir().unwrap();
        let units = Units::below(root.path());
        assert_eq!(units.unit("strongroom.service", None).unwrap(), None);
        put(
            root.path(),
            "usr/lib/systemd/system/strongroom.service",
            "[Service]\nProtectSystem=strict\nUser=a\n",
        );
        put(root.path(), "usr/lib/systemd/system/strongroom.service.d/20-user.conf", "[Service]\nUser=b\n");
        put(root.path(), "etc/systemd/system/strongroom.service.d/20-user.conf", "[Service]\nUser=c\n");
        put(root.path(), "etc/systemd/system/strongroom.service.d/30-user.conf.off", "[Service]\nUser=d\n");
        put(root.path(), "etc/systemd/system/service.d/10-all.conf", "[Service]\nUser=e\nProtectHome=yes\n");
        let place = Units::place_of("strongroom.service", "volumes.conf");
        let text = "[Service]\nReadWritePaths=/srv/a\n";
        assert_eq!(units.write(&place, text, &|_| true).unwrap(), None);
        let unit = units.unit("strongroom.service", None).unwrap().unwrap();
        assert_eq!(unit.user.as_deref(), Some("c"));
        assert_eq!(unit.may(Path::new("/srv/a")), May::Write);
        assert!(matches!(unit.may(Path::new("/home/x")), May::Nothing { .. }));
        let without = units.unit("strongroom.service", Some(&units.within(&place))).unwrap().unwrap();
        assert!(matches!(without.may(Path::new("/srv/a")), May::Read { .. }));
        std::os::unix::fs::symlink("/dev/null", root.path().join("etc/systemd/system/strongroom.service"))
            .unwrap();
        assert_eq!(units.unit("strongroom.service", None).unwrap(), None, "masked");
    }

    #[test]
    fn what_somebody_else_wrote_is_kept_beside() {
        let root = tempfile::tempdir().unwrap();
        let units = Units::below(root.path());
        let place = Units::place_of("strongroom.service", "volumes.conf");
        put(root.path(), place.strip_prefix("/").unwrap().to_str().unwrap(), "by hand\n");
        let ours = |text: &str| text.starts_with("# ours");
        let kept = units.write(&place, "# ours 1\n", &ours).unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "by hand\n");
        assert_eq!(units.write(&place, "# ours 2\n", &ours).unwrap(), None);
        assert_eq!(units.text(&place).unwrap().as_deref(), Some("# ours 2\n"));
        units.remove(&place).unwrap();
        assert_eq!(units.text(&place).unwrap(), None);
    }

    #[test]
    fn a_unit_has_the_drop_ins_of_its_template_of_its_dashes_and_of_its_type() {
        assert_eq!(
            names_of_drop_ins("strongroom-job@.service"),
            ["strongroom-job@.service", "strongroom-.service", "service"]
        );
        assert_eq!(
            names_of_drop_ins("a-b-c@x.service"),
            ["a-b-c@x.service", "a-b-c@.service", "a-b-.service", "a-.service", "service"]
        );
    }

    #[test]
    fn a_mount_that_forbids_writing_is_told_from_a_file_system_that_does() {
        let text = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                    30 22 8:1 / / ro,relatime - ext4 /dev/sda1 rw\n\
                    31 30 8:17 / /srv/vault\\040a rw - xfs /dev/sdb1 ro,errors=remount-ro\n";
        let mounts: Vec<Mount> = text.lines().filter_map(mount_of).collect();
        let of = |path: &str| {
            let mount = mount_under(&mounts, Path::new(path)).unwrap();
            (mount.at.display().to_string(), mount.read_only, mount.file_system_read_only)
        };
        assert_eq!(of("/srv/x"), ("/".into(), true, false));
        assert_eq!(of("/srv/vault a/x"), ("/srv/vault a".into(), false, true));
        assert!(!super::mounts().is_empty());
    }

    #[test]
    fn the_service_of_a_process_is_named_as_its_unit_file_is() {
        let service = |text| service_of(text);
        assert_eq!(service("0::/system.slice/strongroom.service\n").as_deref(), Some("strongroom.service"));
        let job = "0::/system.slice/system-strongroom\\x2djob.slice/strongroom-job@fixity.service\n";
        assert_eq!(service(job).as_deref(), Some("strongroom-job@.service"));
        assert_eq!(service("0::/user.slice/user-0.slice/session-3.scope\n"), None);
    }
}
