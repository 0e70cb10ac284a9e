//! The doctor: tries what the service must be able to do, as the service, and says how to mend what fails.
//!
//! - A check that could not be made is a failure, never "ok".
//! - What it writes it removes; it writes only under names that no item has.

use super::words::{Answer, Check, Level, PlaceView};
use super::{Desk, Told};
use crate::books::config::needs::Needs;
use crate::books::config::units::show_bytes;
use crate::books::unit::Lack;
use crate::books::unit::service::Service;
use crate::model::item::ItemId;
use crate::model::object::ObjectId;
use crate::model::trouble::Trouble;
use crate::worlds::disk::Place;
use crate::worlds::target::{Put, Target, Txn, Where};
use jiff::Timestamp;
use std::path::Path;

/// What is written to see whether it can be read back.
const SAMPLE: &[u8] = b"strongroom doctor was here\n";

/// No machine that runs this has a clock before this (2025-01-01).
const BUILT_AFTER: i64 = 1_735_689_600;

/// Where systemd's time synchronisation says that it is synchronised.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

impl Desk {
    pub(super) fn doctor(&self) -> Told<Answer> {
        let mut checks = vec![self.check_disks()];
        let config = self.config();
        let (service, needs) = (Service::here(), Needs::of(&config));
        for place in self.places()? {
            let tried = match place.role.as_str() {
                "staging" => self.try_volume(&place.name),
                _ => self.try_target(&place.name),
            };
            let need = needs.paths.iter().find(|need| need.path == Path::new(&place.path));
            let hindrance = || need.and_then(|need| service.hindrance(need));
            checks.push(place_check(&place, tried, &hindrance));
        }
        checks.extend(check_needs(&needs, &service, &checks));
        checks.extend(self.intakes().iter().map(|intake| self.probe_one(intake)));
        checks.push(self.check_ledger());
        checks.extend(self.check_backup());
        checks.extend(self.check_reconciled());
        checks.extend(self.check_clock()?);
        Ok(Answer::Checks { checks })
    }

    fn check_disks(&self) -> Check {
        let config = self.config();
        let mut pairs = Vec::new();
        for policy in &config.policies {
            pairs.extend(config.same_disk(&policy.targets));
        }
        pairs.sort();
        pairs.dedup();
        let file = config
            .file
            .as_ref()
            .map_or("no file, embedded default".into(), |file| file.display().to_string());
        let text = format!("configuration {file}, {} targets", config.targets.len());
        match pairs.is_empty() {
            true => Check::ok(format!("{text} on different disks")),
            false => {
                let named: Vec<String> =
                    pairs.iter().map(|(one, other)| format!("{one} and {other}")).collect();
                Check::warn(
                    text,
                    format!("on one disk: {}; one broken disk takes both copies", named.join(", ")),
                )
            }
        }
    }

    fn try_volume(&self, name: &str) -> Result<(), Trouble> {
        let disk = &self.ledger.world().disk;
        let place = Place { volume: name.into(), path: format!("{}-doctor", self.settings.ledger_id) };
        let tried = disk.write(&place, &mut &*SAMPLE).and_then(|_| {
            let file = disk.open(&place)?;
            let mut found = vec![0; SAMPLE.len()];
            let got = file.read_at(&mut found, 0);
            Ok(got.is_ok_and(|got| got == SAMPLE.len()) && found == SAMPLE)
        });
        disk.remove(&place)?;
        match tried? {
            true => Ok(()),
            false => Err(Trouble::new(
                crate::model::trouble::Kind::StagingIo,
                "what was written reads differently",
            )),
        }
    }

    fn try_target(&self, name: &str) -> Result<(), Trouble> {
        let Some(target) = self.ledger.world().targets.get(name) else { return Ok(()) };
        // Items are numbered from 1.
        let txn = Txn { ledger: self.settings.ledger_id.clone(), item: 0, fence: 0 };
        let tried = try_txn(&**target, &txn);
        let cleared = target.discard(&txn);
        tried?;
        Ok(cleared?)
    }

    fn check_ledger(&self) -> Check {
        match self.ledger.world().book.verify() {
            Err(error) => Check::fail("the ledger cannot be read", error.to_string()),
            Ok(report) if report.wrong.is_empty() && report.repaired.is_empty() => {
                Check::ok(format!("ledger: {} rows up to commit {}, all sound", report.rows, report.sequence))
            }
            Ok(report) if report.wrong.is_empty() => {
                Check::warn("ledger: sound after repair", report.repaired.join("\n"))
            }
            Ok(report) => Check::fail(
                "ledger: damaged",
                format!("{}\nstrongroom state verify", report.wrong.join("\n")),
            ),
        }
    }

    fn check_clock(&self) -> Told<Vec<Check>> {
        let now = self.ledger.world().clock.now();
        let newest = self.newest()?;
        let item = self.ledger.item(ItemId(newest)).ok().flatten();
        let received = item.map(|item| item.received_at);
        let synchronised = Path::new(SYNCHRONISED).exists();
        Ok(vec![clock_check(now, received, synchronised)])
    }
}

fn try_txn(target: &dyn Target, txn: &Txn) -> Result<(), Trouble> {
    let object = ObjectId::of("strongroom", "doctor");
    let path = "v1/content/bag/doctor";
    target.begin(txn, &object, 1)?;
    let sample = SAMPLE.to_vec();
    target.put(txn, &[Put { content_path: path, from: &sample, offset: 0, size: SAMPLE.len() as u64 }])?;
    let mut found = Vec::new();
    target.read(Where::Staged(txn, path), &mut |bytes| found.extend_from_slice(bytes))?;
    match found == SAMPLE {
        true => Ok(()),
        false => {
            Err(Trouble::new(crate::model::trouble::Kind::CopyDiffers, "what was written reads differently"))
        }
    }
}

/// What else the configuration names, beside staging volumes and targets.
fn check_needs(needs: &Needs, service: &Service, told: &[Check]) -> Vec<Check> {
    let unusable = service.unusable(needs);
    if unusable.is_empty() {
        let credentials = if service.is_one() { needs.credentials.len() } else { 0 };
        let text = format!(
            "what the configuration names can be used: {} paths, {credentials} credentials",
            needs.paths.len()
        );
        return vec![Check::ok(text)];
    }
    let is_new = |lack: &Lack| told.iter().all(|check| check.text != lack.text);
    unusable.into_iter().filter(is_new).map(|lack| Check::fail(lack.text, lack.detail)).collect()
}

fn place_check(place: &PlaceView, tried: Result<(), Trouble>, hindrance: &dyn Fn() -> Option<Lack>) -> Check {
    let what = format!("{} {} at {}", place.role, place.name, place.path);
    let wrong = place.wrong.clone().or_else(|| tried.err().map(|trouble| trouble.sentence()));
    if let Some(why) = wrong {
        return match hindrance() {
            Some(lack) => Check::fail(lack.text, lack.detail),
            None => Check::fail(what, mend(place, &why)),
        };
    }
    let text = format!("{what}: marker seen, written and read back, {} free", show_bytes(place.free));
    if place.room == 0 {
        let why = format!(
            "nothing can be promised: {} free, {} promised, floor {}",
            show_bytes(place.free),
            show_bytes(place.promised),
            show_bytes(place.floor)
        );
        return Check::warn(text, why);
    }
    Check::ok(text)
}

/// What to do about a place that fails.
fn mend(place: &PlaceView, why: &str) -> String {
    if why.contains("Permission denied") || why.contains("os error 13") {
        return format!("{why}\ngive the service's user the right to write there: {}", place.path);
    }
    format!("{why}\nmount it, or look at the kernel log for its disk")
}

fn clock_check(now: Timestamp, newest: Option<Timestamp>, synchronised: bool) -> Check {
    if now.as_second() < BUILT_AFTER {
        return Check::fail(
            format!("clock: it says {now:.0}"),
            "set the clock; events carry this machine's time",
        );
    }
    if let Some(newest) = newest.filter(|newest| *newest > now) {
        let why = format!("the newest item was received at {newest:.0}, after now: the clock went back");
        return Check::fail(format!("clock: it says {now:.0}"), why);
    }
    if !synchronised {
        let why = "events carry this machine's time; if chrony or ntpd keeps it, all is well";
        return Check::warn("clock: systemd knows of no time synchronisation", why);
    }
    Check::ok(format!("clock: {now:.0}, synchronised"))
}

impl Check {
    /// It works.
    pub fn ok(text: impl Into<String>) -> Check {
        Check { level: Level::Ok, text: text.into(), detail: String::new() }
    }

    /// It works, and should be looked at.
    pub fn warn(text: impl Into<String>, detail: impl Into<String>) -> Check {
        Check { level: Level::Warn, text: text.into(), detail: detail.into() }
    }

    /// It does not work.
    pub fn fail(text: impl Into<String>, detail: impl Into<String>) -> Check {
        Check { level: Level::Fail, text: text.into(), detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_fails() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-20T12:00:00Z");
        assert_eq!(clock_check(now, None, true).level, Level::Ok);
        assert_eq!(clock_check(now, None, false).level, Level::Warn);
        assert_eq!(clock_check(now, Some(at("2026-11-21T12:00:00Z")), true).level, Level::Fail);
        assert_eq!(clock_check(at("1970-01-01T00:10:00Z"), None, true).level, Level::Fail);
    }

    #[test]
    fn a_place_that_fails_is_told_with_the_reason_that_the_unit_gives_or_else_with_its_own() {
        let place = PlaceView {
            name: "vault-b".into(),
            role: "target".into(),
            path: "/srv/vault-b".into(),
            total: 0,
            free: 0,
            free_inodes: None,
            promised: 0,
            floor: 0,
            room: 0,
            wrong: Some("Read-only file system (os error 30)".into()),
        };
        let lack = || {
            Some(Lack {
                text: "target vault-b: /srv/vault-b is read-only for the service (ProtectSystem=strict)"
                    .into(),
                detail: "put this into volumes.conf".into(),
                by_unit: true,
            })
        };
        let check = place_check(&place, Ok(()), &lack);
        assert_eq!((check.level, check.text), (Level::Fail, lack().unwrap().text));
        assert_eq!(check.detail, "put this into volumes.conf");
        let check = place_check(&place, Ok(()), &|| None);
        assert!(check.detail.contains("Read-only file system"), "{}", check.detail);
        let denied = PlaceView { wrong: None, ..place };
        let trouble =
            Trouble::new(crate::model::trouble::Kind::TargetDenied, "Permission denied (os error 13)");
        assert!(place_check(&denied, Err(trouble), &|| None).detail.contains("right to write"));
    }
}
