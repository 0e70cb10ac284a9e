//! The service that this process is, if systemd started it: why a path that it needs cannot be used, told from within.
//!
//! - Nothing is guessed: a path is tried first, and only one that fails is explained.

use super::{Lack, SERVICE, frame, remedy, told, untold};
use crate::books::config::needs::{Need, Needs, Use};
use crate::rules::unit::{May, Unit};
use crate::worlds::net::credentials::{read, systemd_path};
use crate::worlds::unit::{Mount, Units, mount_under, mounts, this_service};
use rustix::fs::Access;
use rustix::io::Errno;
use std::path::Path;

/// The service that this process is.
#[derive(Clone, Debug)]
pub struct Service {
    name: Option<String>,
    unit: Option<Unit>,
    frame: Option<Unit>,
    units: Units,
    mounts: Vec<Mount>,
}

impl Service {
    /// This process: a service that systemd started, or one that somebody started by hand.
    pub fn here() -> Service {
        let units = Units::below(Path::new("/"));
        let name = this_service();
        // Files that cannot be read explain nothing; what was tried is told all the same.
        let of = |unit: &String| units.unit(unit, None).ok().flatten();
        let unit = name.as_ref().and_then(of);
        let frame = name.as_ref().and_then(|name| frame(&units, name).ok());
        Service { name, unit, frame, units, mounts: mounts() }
    }

    /// True when systemd started it.
    pub fn is_one(&self) -> bool {
        self.name.is_some()
    }

    /// Everything of these needs that cannot be used, with what to do about it.
    pub fn unusable(&self, needs: &Needs) -> Vec<Lack> {
        let paths = needs.paths.iter().filter_map(|need| {
            let error = tried(need)?;
            Some(self.explained(need, error).unwrap_or_else(|| unexplained(need, error)))
        });
        // Whom systemd did not start has no credentials of it; what asks for one says so by itself.
        let credentials = needs.credentials.iter().filter(|_| self.is_one());
        let credentials = credentials.filter_map(|one| {
            let why = systemd_path(&one.name).and_then(|path| read(&path)).err()?;
            let text = format!("credential {} of {} cannot be read", one.name, one.used_by);
            Some(Lack { text, detail: why, by_unit: false })
        });
        paths.chain(credentials).collect()
    }

    /// Why this path cannot be used, if the unit, or the way it is mounted, is the reason.
    pub fn hindrance(&self, need: &Need) -> Option<Lack> {
        self.explained(need, tried(need)?)
    }

    fn explained(&self, need: &Need, error: Errno) -> Option<Lack> {
        let paths_of = self.unit.as_ref().filter(|unit| untold(unit).is_none());
        let may = paths_of.map(|unit| unit.may(&self.units.real(&need.path)));
        let frame = self.frame.as_ref();
        let by_unit = |how: String| {
            let detail = frame.map(|frame| remedy(need, frame, &self.units)).unwrap_or_default();
            Some(Lack { text: told(need, &how), detail, by_unit: true })
        };
        match (may, error) {
            (Some(May::Nothing { by }), Errno::NOENT | Errno::ACCESS | Errno::NOTDIR) => {
                by_unit(format!("is hidden from the service ({by})"))
            }
            (_, Errno::ROFS) if self.is_of_file_system(&need.path) => Some(self.mounted_read_only(need)),
            (Some(May::Read { by }), Errno::ROFS | Errno::NOENT) if need.used == Use::Writes => {
                by_unit(format!("is read-only for the service ({by})"))
            }
            (Some(May::Write), Errno::ROFS) => {
                let name = self.name.as_deref().unwrap_or(SERVICE);
                Some(Lack {
                    text: told(need, "is read-only for the service, though its unit allows it by now"),
                    detail: format!(
                        "it was started before that: systemctl daemon-reload; systemctl restart {name}"
                    ),
                    by_unit: true,
                })
            }
            (_, Errno::ROFS) => Some(self.mounted_read_only(need)),
            _ => None,
        }
    }

    fn is_of_file_system(&self, path: &Path) -> bool {
        mount_under(&self.mounts, &self.units.real(path)).is_some_and(|mount| mount.file_system_read_only)
    }

    fn mounted_read_only(&self, need: &Need) -> Lack {
        let real = self.units.real(&need.path);
        let at = mount_under(&self.mounts, &real).map_or(need.path.as_path(), |mount| mount.at.as_path());
        Lack {
            text: told(need, &format!("is mounted read-only (at {})", at.display())),
            detail: format!(
                "a disk with errors is made read-only by the kernel: look at its log (journalctl -k), then\n\
                 mount -o remount,rw '{}'",
                at.display()
            ),
            by_unit: false,
        }
    }
}

/// Tries what is needed of a path; says what came of it, if it cannot be had.
fn tried(need: &Need) -> Option<Errno> {
    let wanted = match need.used {
        Use::Writes => Access::WRITE_OK | Access::EXEC_OK,
        Use::Reads => Access::READ_OK | Access::EXEC_OK,
        Use::ReadsFile => Access::READ_OK,
    };
    rustix::fs::access(&need.path, wanted).err()
}

fn unexplained(need: &Need, error: Errno) -> Lack {
    let (shown, right) = (need.path.display(), if need.used == Use::Writes { "write" } else { "read" });
    let detail = match error {
        Errno::NOENT | Errno::NOTDIR => format!("mount it, make it, or correct the configuration: {shown}"),
        Errno::ACCESS | Errno::PERM => format!("give the service's user the right to {right} there: {shown}"),
        _ => "look at the kernel log for its disk".into(),
    };
    Lack { text: told(need, &format!("cannot be used: {error}")), detail, by_unit: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(text: &str, mounts: &[(&str, bool, bool)]) -> Service {
        let unit = Unit::read(SERVICE, &[text.to_string()]);
        let mount = |(at, read_only, file_system_read_only): &(&str, bool, bool)| Mount {
            at: at.into(),
            read_only: *read_only,
            file_system_read_only: *file_system_read_only,
        };
        Service {
            name: Some(SERVICE.into()),
            frame: Some(unit.clone().without_leave()),
            unit: Some(unit),
            units: Units::below(Path::new("/")),
            mounts: mounts.iter().map(mount).collect(),
        }
    }

    fn need(path: &str) -> Need {
        Need { what: "target vault-b".into(), path: path.into(), used: Use::Writes, daemon_only: false }
    }

    #[test]
    fn what_the_unit_forbids_is_told_from_a_disk_that_is_read_only_and_from_a_unit_that_was_mended_too_late()
    {
        let strict = "[Service]\nProtectSystem=strict\nProtectHome=yes\n";
        let allowed = "[Service]\nProtectSystem=strict\nReadWritePaths=/nowhere\n";
        let table = [
            (strict, "/nowhere/v", Errno::ROFS, false, "is read-only for the service (ProtectSystem=strict)"),
            (strict, "/nowhere/v", Errno::ROFS, true, "is mounted read-only (at /)"),
            (
                strict,
                "/nowhere/v",
                Errno::NOENT,
                false,
                "is read-only for the service (ProtectSystem=strict)",
            ),
            (strict, "/home/v", Errno::NOENT, false, "is hidden from the service (ProtectHome=yes)"),
            (allowed, "/nowhere/v", Errno::ROFS, false, "though its unit allows it by now"),
            ("", "/nowhere/v", Errno::ROFS, true, "is mounted read-only"),
        ];
        for (text, path, error, broken, wanted) in table {
            let service = service(text, &[("/", true, broken)]);
            let lack = service.explained(&need(path), error).unwrap();
            assert!(lack.text.starts_with("target vault-b: ") && lack.text.contains(wanted), "{}", lack.text);
        }
        let elsewhere = service(&format!("{strict}RootDirectory=/other\n"), &[("/", false, false)]);
        assert_eq!(elsewhere.explained(&need("/home/v"), Errno::NOENT), None, "it has other folders");
        let service = service(strict, &[("/", true, false)]);
        assert_eq!(service.explained(&need("/nowhere/v"), Errno::ACCESS), None, "rights are not the unit's");
        assert_eq!(service.hindrance(&need("/")).map(|lack| lack.text), None);
    }

    #[test]
    fn from_within_the_drop_in_that_mends_it_is_told_to_the_letter() {
        let strict = "[Service]\nUser=strongroom\nGroup=strongroom\nProtectSystem=strict\n";
        let service = service(strict, &[("/", true, false)]);
        let lack = service.explained(&need("/srv"), Errno::ROFS).unwrap();
        assert_eq!(lack.text, "target vault-b: /srv is read-only for the service (ProtectSystem=strict)");
        assert_eq!(
            lack.detail,
            "put this into /etc/systemd/system/strongroom.service.d/volumes.conf, then daemon-reload and restart:\n  \
             [Service]\n  ReadWritePaths=/srv\nor have it written there: strongroom setup unit --write"
        );
        let lack = service.explained(&need("/nowhere/v"), Errno::NOENT).unwrap();
        assert!(
            lack.detail.starts_with("it is not there: mount it, or install -d -o strongroom"),
            "{}",
            lack.detail
        );
    }
}
