//! Validate: pure judgement over facts. Every fault is listed.
//!
//! - The verdict rests on digests found by checksum and on tag files read again here; the payload is not read again.
//! - A refused bag leaves its findings, and nothing on any target.

use crate::books::facts::{FactsReader, FactsWriter, StagingScratch, scratch_stop};
use crate::books::judging::Judge;
use crate::model::checkpoint::Stage;
use crate::model::event::EventType;
use crate::model::fact::Member;
use crate::model::finding::{Finding, Severity};
use crate::model::item::{Item, Judged, Seal};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::bagit::policy::Policy;
use crate::rules::bagit::{BagFacts, JudgeError, Verdict, judge};
use crate::rules::packed::Container;
use crate::rules::read::Slice;
use crate::rules::tar::Limits;
use crate::work::job::{Done, Job, Settings, success};
use crate::work::policies;
use crate::work::stages::checksum::{ROW_BYTES, unpacked};
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;
use std::collections::BTreeSet;
use std::io::Read;

/// The stage.
pub struct Validate;

impl StageWork for Validate {
    fn name(&self) -> Stage {
        Stage::Validate
    }

    fn room(&self, item: &Item, _: &World, _: &Settings) -> Result<Vec<Room>, Stop> {
        let files = item.found.unpack.as_ref().map_or(0, |unpack| unpack.files);
        // Sorted runs of members and of manifest lines, and at worst a finding a file.
        Ok(vec![Room {
            place: RoomPlace::Staging,
            bytes: 3 * files * ROW_BYTES + (64 << 10),
            inodes: 200,
            already: 0,
        }])
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let unpack = unpacked(job)?;
        let digests = job.item.found.checksum.clone().ok_or_else(|| Stop::Back {
            trouble: Trouble::new(Kind::FactsDamaged, "the digests are missing"),
            to: Stage::Checksum,
        })?;
        let (disk, folder) = (&*job.world.disk, job.folder()?);
        let mut facts = FactsWriter::create(disk, &folder, "findings", job.fence)?;
        let Judge { policy, pin } = how_judged(job)?;
        let mut tally = Tally::default();
        for finding in FactsReader::<Finding>::open(disk, &folder, &unpack.findings)? {
            let finding = policy.weigh(finding?);
            tally.count(&finding);
            facts.push(&finding)?;
        }
        let packed = unpack.packed.as_ref().and_then(|packed| Container::from_name(&packed.container));
        let packed = packed.map_or("", Container::media);
        let bag =
            BagFacts { name: &job.item.bag, top: &unpack.top, payload_folder: unpack.payload_folder, packed };
        let judged = verdict(job, &digests.digests, (&bag, &policy), &mut facts, &mut tally)?;
        job.deposit_unchanged()?;
        let mut found = job.found();
        found.validate = Some(Judged {
            findings: facts.seal()?,
            errors: tally.errors,
            warnings: tally.warnings,
            bagit_version: judged.version.map(|version| version.to_string()),
            profile: pin.clone(),
            policy: None,
            rules: tally.rules.iter().cloned().collect(),
        });
        if tally.errors > 0 {
            job.unpacked_tar_unchanged()?;
            return Err(Stop::Refused { trouble: tally.trouble(job), found: Box::new(found) });
        }
        let chosen = policies::choose(job, judged.storage_option.as_deref())?;
        let assigned = format!("policy {}: {}", chosen.name, chosen.because);
        if let Some(judged) = &mut found.validate {
            judged.policy = Some(chosen);
        }
        let names: Vec<&str> = judged.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let checked = format!(
            "{} payload files, {} bytes: equal to the digests of the bag's manifests ({})",
            judged.payload_files,
            judged.payload_bytes,
            names.join(", ")
        );
        let version = found.validate.as_ref().and_then(|judged| judged.bagit_version.as_deref());
        let mut valid = format!("valid BagIt {}, {} warnings", version.unwrap_or("?"), tally.warnings);
        if let Some(pin) = &pin {
            valid.push_str(&format!("; profile {} (sha256 {})", pin.name, pin.sha256));
        }
        for rule in &tally.rules {
            valid.push_str(&format!("; rule {rule}"));
        }
        let events = vec![
            success(EventType::FixityCheck, checked),
            success(EventType::Validation, valid),
            success(EventType::PolicyAssignment, assigned),
        ];
        Ok(Done { found, events, ..Done::default() })
    }
}

/// Judges a bag whose members are digested; findings are written down and counted.
pub(super) fn verdict(
    job: &Job<'_>,
    digests: &Seal,
    (bag, policy): (&BagFacts<'_>, &Policy),
    facts: &mut FactsWriter<'_>,
    tally: &mut Tally,
) -> Result<Verdict, Stop> {
    let (disk, folder) = (&*job.world.disk, job.folder()?);
    let scratch = StagingScratch::new(disk, folder.join("scratch-validate"));
    let bytes = job.members()?;
    let mut members = FactsReader::<Member>::open(disk, &folder, digests)?
        .map(|member| member.map_err(Stop::from).and_then(|member| job.drained().map(|()| member)));
    let open = |member: &Member| -> Result<Box<dyn Read>, Stop> {
        let (from, offset) = bytes.of(member)?;
        Ok(Box::new(OwnedSlice { from, at: offset, left: member.size }))
    };
    judge(bag, &mut members, &open, &scratch, &Limits::default(), policy, &mut |finding| {
        tally.count(&finding);
        facts.push(&finding).map_err(Stop::from)
    })
    .map_err(|error| no_verdict(&folder.volume, error))
}

/// How this item's bag is judged.
pub(super) fn how_judged(job: &Job<'_>) -> Result<Judge, Trouble> {
    job.settings.judging.judge(&job.item.depositor).map_err(|error| {
        Trouble::new(Kind::ProfileUnusable, error.to_string()).while_doing("validating").about(&job.item.bag)
    })
}

fn no_verdict(volume: &str, error: JudgeError<Stop>) -> Stop {
    match error {
        JudgeError::Given(stop) => stop,
        JudgeError::Scratch(error) => scratch_stop(volume, error),
        JudgeError::Read { path, error } => {
            Trouble::new(Kind::SourceIo, error.to_string()).while_doing("reading").about(path.shown()).into()
        }
        JudgeError::Unsummed { path, algorithm } => {
            let trouble = Trouble::new(Kind::FactsDamaged, format!("its {algorithm} digest is missing"));
            Stop::Back { trouble: trouble.about(path.shown()), to: Stage::Checksum }
        }
    }
}

/// Findings counted, and the first error kept for the trouble's sentence.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) errors: u64,
    pub(super) warnings: u64,
    pub(super) first: Option<String>,
    pub(super) rules: BTreeSet<String>,
}

impl Tally {
    fn count(&mut self, finding: &Finding) {
        if let Some(rule) = &finding.rule {
            self.rules.insert(rule.clone());
        }
        match finding.severity {
            Severity::Error => {
                self.errors += 1;
                self.first.get_or_insert_with(|| format!("{}: {}", finding.code, finding.message));
            }
            Severity::Warning => self.warnings += 1,
            Severity::Note => {}
        }
    }

    fn trouble(&self, job: &Job<'_>) -> Trouble {
        let mut because = self.first.clone().unwrap_or_default();
        if self.errors > 1 {
            because.push_str(&format!(" (and {} more)", self.errors - 1));
        }
        Trouble::new(Kind::InvalidBag, because).while_doing("validating").about(&job.item.bag)
    }
}

/// A slice that keeps its reader alive.
struct OwnedSlice {
    from: std::sync::Arc<dyn crate::rules::read::ReadAt>,
    at: u64,
    left: u64,
}

impl Read for OwnedSlice {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let got = Slice::new(&*self.from, self.at, self.left).read(buf)?;
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}
