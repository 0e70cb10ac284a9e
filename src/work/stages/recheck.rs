//! Recheck: what was gathered is read again, compared with the inventory, and judged as any bag is judged.
//!
//! - Staging that changed meanwhile is gathered anew; it is nobody's fault but the disk's.
//! - A bag that was taken in is not held back because rules became stricter since: it must be a whole bag by BagIt itself,
//!   and what its depositor's rules of today say of it is told.

use crate::books::facts::{FactsReader, FactsWriter, StagingScratch, open_blob, scratch_stop};
use crate::model::checkpoint::Stage;
use crate::model::digest::Algorithm;
use crate::model::event::EventType;
use crate::model::fact::Member;
use crate::model::item::{Form, Gathered, Item, ItemId, Judged, Seal};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::bagit::policy::{FileNames, Policy, StorageOption, Switches, Versions, Weighs};
use crate::rules::bagit::{BagFacts, Verdict};
use crate::rules::ocfl::restore::restore_steps;
use crate::rules::packed::Container;
use crate::work::giving::parcel::order_of;
use crate::work::job::{Done, Job, Settings, success};
use crate::work::logs;
use crate::work::stages::checksum::{ROW_BYTES, digest, unpacked};
use crate::work::stages::gather::known;
use crate::work::stages::validate::{Tally, how_judged, verdict};
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;

/// The stage.
pub struct Recheck;

impl StageWork for Recheck {
    fn name(&self) -> Stage {
        Stage::Recheck
    }

    fn room(&self, item: &Item, _: &World, _: &Settings) -> Result<Vec<Room>, Stop> {
        let files = item.found.unpack.as_ref().map_or(0, |unpack| unpack.files);
        // Digests, sorted runs of members and of manifest lines, and at worst a finding a file.
        Ok(vec![Room {
            place: RoomPlace::Staging,
            bytes: 4 * files * ROW_BYTES + (128 << 10),
            inodes: 200,
            already: 0,
        }])
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let order = order_of(job.item)?;
        let unpack = unpacked(job)?;
        let gathered = gathered(job)?;
        let (summed, _) = digest(job, &unpack).map_err(of_staging)?;
        compare(job, gathered, order.version, order.path.as_deref(), &summed.digests)?;
        let mut found = job.found();
        found.checksum = Some(summed.clone());
        if order.path.is_some() {
            let detail = "the file in staging was read again and is the recorded one";
            return Ok(Done {
                found,
                events: vec![success(EventType::FixityCheck, detail)],
                ..Done::default()
            });
        }
        let (judged, note, first) = self.judge(job, &summed.digests).map_err(of_staging)?;
        let errors = judged.errors;
        let told = format!(
            "{} files in staging read again and equal to the inventory; valid BagIt {}, {} warnings{note}",
            unpack.files,
            judged.bagit_version.as_deref().unwrap_or("?"),
            judged.warnings,
        );
        found.validate = Some(judged);
        if errors > 0 {
            let because = format!("{} errors; the first: {}", errors, first.unwrap_or_default());
            let trouble = Trouble::new(Kind::NotAsKept, because).while_doing("judging").about(&job.item.bag);
            // Its kind holds it: the findings go with it, for whoever looks.
            return Err(Stop::Refused { trouble, found: Box::new(found) });
        }
        Ok(Done { found, events: vec![success(EventType::Validation, told)], ..Done::default() })
    }
}

/// What gather left.
pub fn gathered<'a>(job: &Job<'a>) -> Result<&'a Gathered, Stop> {
    job.item.found.gather.as_ref().ok_or_else(|| Stop::Back {
        trouble: Trouble::new(Kind::FactsDamaged, "nothing was gathered"),
        to: Stage::Gather,
    })
}

/// What cannot be read here lies in staging, not at a source.
fn of_staging(stop: Stop) -> Stop {
    match stop {
        Stop::Trouble(trouble) if trouble.kind == Kind::SourceIo => {
            Stop::Trouble(Trouble { kind: Kind::StagingIo, ..trouble })
        }
        other => other,
    }
}

/// Every file that the inventory names is there with its digest, and no other.
fn compare(
    job: &Job<'_>,
    gathered: &Gathered,
    version: u32,
    only: Option<&str>,
    digests: &Seal,
) -> Result<(), Stop> {
    let (disk, folder) = (&*job.world.disk, job.folder()?);
    let json = open_blob(disk, &folder, &gathered.inventory)?;
    let scratch = StagingScratch::new(disk, folder.join("scratch-recheck"));
    let (_, steps) = restore_steps(&*json, Some(version), &scratch)
        .map_err(|error| Trouble::new(Kind::FactsDamaged, error.to_string()))?;
    let mut members = FactsReader::<Member>::open(disk, &folder, digests)?;
    let differs = |path: &str, why: &str| -> Stop {
        Trouble::new(Kind::FactsDamaged, format!("in staging {why}")).about(path).into()
    };
    for step in steps {
        let step = step.map_err(|error| scratch_stop(&folder.volume, error))?;
        let Some(path) = step.logical_path.strip_prefix("bag/") else { continue };
        if only.is_some_and(|only| only != path) {
            continue;
        }
        let member = members.next().ok_or_else(|| differs(path, "it is missing"))??;
        if member.path.text() != Some(path) {
            return Err(differs(path, "another file lies in its place"));
        }
        if member.digests.get(Algorithm::Sha512) != Some(&step.sha512) {
            return Err(differs(path, "it has other bytes than were read back"));
        }
    }
    match members.next() {
        None => Ok(()),
        Some(row) => Err(differs(&row?.path.shown(), "is a file that the inventory does not name")),
    }
}

/// How the bag came: as a folder it has no top, and packed it was judged as such.
fn came_as(job: &Job<'_>) -> Result<(bool, &'static str), Trouble> {
    let (_, version) = known(job, order_of(job.item)?)?;
    let item = job.ledger.item(ItemId(version.item)).map_err(|error| logs::failed(&error))?;
    let Some(item) = item.filter(|item| item.errand.is_none()) else { return Ok((true, "")) };
    let packed = item.found.unpack.as_ref().and_then(|unpack| unpack.packed.as_ref());
    let packed = packed.and_then(|packed| Container::from_name(&packed.container));
    Ok((item.deposit.form == Form::Tar, packed.map_or("", Container::media)))
}

/// BagIt, and nothing that receivers disagree about.
fn bagit_alone() -> Policy {
    Policy {
        strict: false,
        profile: None,
        switches: Switches {
            folder_name: Weighs::Warning,
            bagit_version: Versions::Any,
            oxum: Weighs::Warning,
            file_names: FileNames::Any,
            apple_double: Weighs::Warning,
            storage_option: StorageOption::Standard,
        },
    }
}

type Judgement = (Judged, String, Option<String>);

impl Recheck {
    /// By the depositor's rules; where they find errors that BagIt itself does not, by BagIt.
    fn judge(&self, job: &Job<'_>, digests: &Seal) -> Result<Judgement, Stop> {
        let (top, packed) = came_as(job)?;
        let bag = BagFacts {
            name: &job.item.bag,
            top: if top { &job.item.bag } else { "" },
            payload_folder: true,
            packed,
        };
        let (note, pin) = match how_judged(job) {
            Ok(judge) => {
                let (judged, first) = self.once(job, digests, (&bag, &judge.policy))?;
                if judged.errors == 0 {
                    return Ok((Judged { profile: judge.pin, ..judged }, String::new(), first));
                }
                let first = first.unwrap_or_default();
                (
                    format!("; by the depositor's rules of today it has {} errors: {first}", judged.errors),
                    judge.pin,
                )
            }
            Err(trouble) => (format!("; judged without its depositor's profile: {}", trouble.because), None),
        };
        let (judged, first) = self.once(job, digests, (&bag, &bagit_alone()))?;
        Ok((Judged { profile: pin, ..judged }, note, first))
    }

    fn once(
        &self,
        job: &Job<'_>,
        digests: &Seal,
        by: (&BagFacts<'_>, &Policy),
    ) -> Result<(Judged, Option<String>), Stop> {
        let folder = job.folder()?;
        let mut facts = FactsWriter::create(&*job.world.disk, &folder, "findings-recheck", job.fence)?;
        let mut tally = Tally::default();
        let Verdict { version, .. } = verdict(job, digests, by, &mut facts, &mut tally)?;
        let judged = Judged {
            findings: facts.seal()?,
            errors: tally.errors,
            warnings: tally.warnings,
            bagit_version: version.map(|version| version.to_string()),
            profile: None,
            policy: None,
            rules: tally.rules.iter().cloned().collect(),
        };
        Ok((judged, tally.first))
    }
}
