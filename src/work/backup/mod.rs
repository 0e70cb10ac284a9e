//! Backups of the ledger: made while it works, proved, and kept on every target.
//!
//! ```text
//! rows as of one commit -> file in staging -> restored into a scratch ledger, compared -> kept on each target, read back
//! ```
//!
//! - A backup is called good only when it was restored and every row was found equal, and only where it was read back.
//! - Old ones are taken away from a target only after the new one was read back there; so the last good one never goes.

pub mod file;

use crate::books::facts::{open_blob, scratch_stop, write_blob};
use crate::books::ledger::{BackupPlace, BackupRow, Ledger, LedgerError};
use crate::model::digest::{Algorithm, hex};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::read::ReadAt;
use crate::work::job::Settings;
use crate::worlds::book::mirrored::{MirroredBook, Options};
use crate::worlds::book::{SCHEMA, durable};
use crate::worlds::disk::Place;
use crate::worlds::target::{Target, TargetError, Where};
use file::BackupError;
use jiff::tz::TimeZone;
use std::io;
use std::path::Path;

/// Beginning of the name of every backup.
const NAMED: &str = "ledger-";

/// End of it.
const ENDING: &str = ".jsonl.gz";

/// Letters of the ledger's id in a name.
const ID_LETTERS: usize = 8;

/// How backups are made.
pub struct Backup<'a> {
    /// The ledger.
    pub ledger: &'a Ledger,
    /// What the configuration says.
    pub settings: &'a Settings,
    /// Folder for the scratch ledger; made, and taken away.
    pub scratch: &'a Path,
    /// Backups that stay on each target.
    pub keep: usize,
}

impl Backup<'_> {
    /// Makes one. It is an error when it could not be proved, or lies on no target.
    pub fn make(&self) -> Result<BackupRow, Trouble> {
        let world = self.ledger.world();
        let volume =
            self.settings.staging.first().cloned().ok_or_else(|| {
                Trouble::new(Kind::VolumeMissing, "the configuration names no staging volume")
            })?;
        let folder = Place { volume, path: format!("{}-backup", self.settings.ledger_id) };
        let made = self.make_in(&folder);
        let cleared = world.disk.remove(&folder).map_err(Trouble::from);
        let row = made?;
        cleared?;
        self.ledger.note_backup(&row).map_err(|error| of_ledger(&error))?;
        match row.good() {
            0 => Err(Trouble::new(Kind::TargetIo, whys(&row)).while_doing("keeping a backup of the ledger")),
            _ => Ok(row),
        }
    }

    fn make_in(&self, folder: &Place) -> Result<BackupRow, Trouble> {
        let world = self.ledger.world();
        let at = world.clock.now();
        let mut end = None;
        let seal = write_blob::<Stop>(&*world.disk, folder, "ledger", 1, &mut |out| {
            let of = (self.settings.ledger_id.as_str(), SCHEMA);
            let written = file::write(&*world.book, of, at, out);
            end = Some(written.map_err(|error| stop_of(&folder.volume, error))?);
            Ok(())
        });
        let seal = seal.map_err(|stop| of_stop(stop, "writing a backup of the ledger"))?;
        let end = end.expect("a blob that was written asked for its bytes");
        let written = open_blob(&*world.disk, folder, &seal)?;
        let rows = self.prove(&*written, end.through)?;
        let name = name(&self.settings.ledger_id, at, &seal.sha256);
        let places =
            world.targets.iter().map(|(target, on)| self.keep(target, &**on, &name, &*written, &seal.sha256));
        Ok(BackupRow {
            places: places.collect(),
            name,
            at,
            through: end.through,
            rows,
            bytes: seal.bytes,
            sha256: seal.sha256,
        })
    }

    /// Restores it into a scratch ledger and compares. Gives its rows.
    fn prove(&self, written: &dyn ReadAt, through: u64) -> Result<u64, Trouble> {
        let doing = "restoring a backup into a scratch ledger";
        let failed = |error: BackupError| {
            Trouble::new(Kind::FactsDamaged, error.to_string())
                .while_doing(doing)
                .about(self.scratch.display().to_string())
        };
        let clear = || durable::remove_tree(self.scratch).map_err(|error| failed(error.into()));
        clear()?;
        let proved = MirroredBook::open(self.scratch, None, Options::default())
            .map_err(BackupError::from)
            .and_then(|scratch| {
                file::load(written, &scratch)?;
                file::compare(&*self.ledger.world().book, &scratch, through)
            });
        clear()?;
        proved.map_err(failed)
    }

    /// Keeps it on a target, reads it back, and takes old ones away.
    fn keep(
        &self,
        name: &str,
        target: &dyn Target,
        backup: &str,
        written: &dyn ReadAt,
        sha256: &str,
    ) -> BackupPlace {
        let kept = target.keep(backup, written).and_then(|()| digest(target, backup));
        let mut place = BackupPlace { target: name.into(), wrong: None, pruned: 0 };
        match kept {
            Ok(found) if found == sha256 => match self.prune(target, backup) {
                Ok(pruned) => place.pruned = pruned,
                Err(error) => log::warn!("old backups stay on {name}: {}", Trouble::from(error).sentence()),
            },
            Ok(_) => place.wrong = Some("what was read back from there is not what was written".into()),
            Err(error) => place.wrong = Some(Trouble::from(error).sentence()),
        }
        place
    }

    /// Takes away this ledger's oldest backups; never the one that was just proved.
    fn prune(&self, target: &dyn Target, newest: &str) -> Result<u64, TargetError> {
        let own = prefix(&self.settings.ledger_id);
        let mut names: Vec<String> = target.kept()?.into_iter().map(|file| file.name).collect();
        names.retain(|name| name.starts_with(&own) && name.ends_with(ENDING) && name != newest);
        // Names are in the order of their times.
        names.sort();
        let over = (names.len() + 1).saturating_sub(self.keep.max(1));
        for name in &names[..over] {
            target.forget(name)?;
        }
        Ok(over as u64)
    }
}

/// True for the name of a backup, of any ledger.
pub fn is_backup(name: &str) -> bool {
    name.starts_with(NAMED) && name.ends_with(ENDING)
}

/// The time in a backup's name, which sorts as time does.
pub fn time_of(name: &str) -> &str {
    name.strip_prefix(NAMED).and_then(|rest| rest.split('-').nth(1)).unwrap_or_default()
}

fn prefix(ledger: &str) -> String {
    format!("{NAMED}{}-", ledger.chars().take(ID_LETTERS).collect::<String>())
}

/// `ledger-<id>-<time>-s<schema>-<digest>.jsonl.gz`.
fn name(ledger: &str, at: jiff::Timestamp, sha256: &str) -> String {
    let time = at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
    format!("{}{time}-s{SCHEMA}-{:.16}{ENDING}", prefix(ledger), sha256)
}

/// True when the beginning of the digest that a name tells is this one's.
pub fn is_named_after(name: &str, sha256: &str) -> bool {
    let told = name.strip_suffix(ENDING).and_then(|name| name.rsplit('-').next()).unwrap_or_default();
    told.len() == 16 && sha256.starts_with(told)
}

/// SHA-256 of something kept on a target, read past the page cache.
pub fn digest(target: &dyn Target, name: &str) -> Result<String, TargetError> {
    let mut digester = Digester::new(&[Algorithm::Sha256]);
    target.read(Where::Kept(name), &mut |bytes| digester.update(bytes))?;
    Ok(digester.finish().get(Algorithm::Sha256).unwrap_or_default().to_string())
}

fn whys(row: &BackupRow) -> String {
    let one = |place: &BackupPlace| format!("{}: {}", place.target, place.wrong.as_deref().unwrap_or("kept"));
    match row.places.is_empty() {
        true => "there is no target".into(),
        false => row.places.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

fn stop_of(volume: &str, error: BackupError) -> Stop {
    match error {
        BackupError::Io(error) => scratch_stop(volume, error),
        other => Trouble::new(Kind::FactsDamaged, other.to_string()).into(),
    }
}

fn of_stop(stop: Stop, doing: &str) -> Trouble {
    match stop {
        Stop::Trouble(trouble) => trouble.while_doing(doing),
        other => Trouble::new(Kind::StagingIo, format!("no space: {other:?}")).while_doing(doing),
    }
}

fn of_ledger(error: &LedgerError) -> Trouble {
    Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("noting the backup")
}

/// A file of this machine that holds a backup, or its digest if it cannot be read as one.
pub fn sha256_of(from: &dyn ReadAt) -> io::Result<String> {
    let mut chunk = vec![0; 1 << 20];
    let mut slice = crate::rules::read::Slice::whole(from);
    let (_, digests) = crate::rules::digester::digest_reader(&mut slice, &[Algorithm::Sha256], &mut chunk)?;
    Ok(digests.get(Algorithm::Sha256).map_or_else(|| hex(&[]), String::from))
}
