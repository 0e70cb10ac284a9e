//! The frozen plan of a version: inventory bytes, copy steps, and our own documents, before the first copy.
//!
//! - A plan is made once a round; its note is written last, so a plan without a note is no plan and is made anew.
//! - A plan of another round is void: what was staged by it is discarded before a new one is made, and its marks with it.

use crate::books::facts::{
    FactsReader, FactsWriter, StagingScratch, open_blob, read_note, scratch_stop, write_blob, write_note,
};
use crate::model::digest::Algorithm;
use crate::model::event::AGENT;
use crate::model::fact::Member;
use crate::model::item::{Form, Seal};
use crate::model::object::ObjectId;
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::ocfl::metadata::{self, DepositOrigin, DepositRecord, FindingCounts, PolicyTerms};
use crate::rules::ocfl::plan::{Logical, NewVersion, PlanError, Source, freeze};
use crate::rules::premis;
use crate::rules::read::ReadAt;
use crate::work::job::Job;
use crate::worlds::disk::Place;
use crate::worlds::source;
use crate::worlds::target::{Head, Target, Where};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A frozen version, as its note in staging tells it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The round of the item it was made in.
    pub round: u32,
    /// The object.
    pub object: ObjectId,
    /// Version number, from 1.
    pub version: u32,
    /// SHA-512 of the inventory it builds on.
    pub base_sha512: Option<String>,
    /// SHA-512 of the frozen inventory.
    pub inventory_sha512: String,
    /// The frozen inventory.
    pub inventory: Seal,
    /// The copy steps.
    pub steps: Seal,
    /// Our own documents: `metadata/strongroom.json`, `metadata/premis.xml`.
    pub documents: Vec<Seal>,
    /// Files to copy.
    pub copy_files: u64,
    /// Bytes to copy.
    pub copy_bytes: u64,
    /// The head version that the bag equals, if it does.
    pub unchanged: Option<Head>,
}

/// Logical paths of our own documents, in the order of `Plan::documents`.
const DOCUMENTS: [&str; 2] = [metadata::DOCUMENT, metadata::PREMIS];

/// The plan of this round: as it was frozen by an earlier attempt, or frozen now.
pub fn frozen_or_freeze(
    job: &Job<'_>,
    object: &ObjectId,
    targets: &[(&str, &dyn Target)],
) -> Result<Plan, Stop> {
    let folder = job.folder()?;
    let note = folder.join("plan");
    if let Some(plan) = read_note::<Plan>(&*job.world.disk, &note)? {
        if plan.round == job.item.checkpoint.round {
            return Ok(plan);
        }
        // Made before a requeue. The note goes first: without it nothing of the old plan is ever trusted.
        job.world.disk.remove(&note)?;
    }
    for (name, target) in targets {
        let txn = super::txn(job);
        target.discard(&txn).map_err(|error| Stop::from(error).while_doing("clearing").about(*name))?;
    }
    // Nothing that was marked lies there any more, also when it was marked in this round by a plan that was damaged since.
    super::copy::forget_marks(&*job.world.disk, &folder)?;
    let plan = freeze_now(job, object, targets, &folder)?;
    write_note(&*job.world.disk, &note, &plan)?;
    Ok(plan)
}

/// The frozen inventory, its digest checked.
pub fn inventory(job: &Job<'_>, plan: &Plan) -> Result<Box<dyn ReadAt>, Stop> {
    Ok(open_blob(&*job.world.disk, &job.folder()?, &plan.inventory)?)
}

/// One of our own documents.
pub fn document(job: &Job<'_>, plan: &Plan, number: u32) -> Result<Box<dyn ReadAt>, Stop> {
    let seal = plan
        .documents
        .get(number as usize)
        .ok_or_else(|| Trouble::new(Kind::FactsDamaged, format!("the plan has no document {number}")))?;
    Ok(open_blob(&*job.world.disk, &job.folder()?, seal)?)
}

fn freeze_now(
    job: &Job<'_>,
    object: &ObjectId,
    targets: &[(&str, &dyn Target)],
    folder: &Place,
) -> Result<Plan, Stop> {
    let disk = &*job.world.disk;
    let head = common_head(object, targets)?;
    let base = match &head {
        Some(_) => Some(fetch_inventory(job, object, targets[0], folder)?),
        None => None,
    };
    let base = match &base {
        Some(seal) => Some(open_blob(disk, folder, seal)?),
        None => None,
    };
    let version = head.as_ref().map_or(1, |head| head.version + 1);
    let created = job.world.clock.now();
    let documents = write_documents(job, object, version, created, folder)?;
    let message = format!("deposit {} of {}, item {}", job.item.bag, job.item.depositor, job.item.id);
    let new = NewVersion {
        object,
        version,
        created,
        message: &message,
        user_name: &job.item.asked_by.name,
        user_address: "https://github.com/strongroom/strongroom",
    };
    let digests = job
        .item
        .found
        .checksum
        .as_ref()
        .ok_or_else(|| Stop::from(Trouble::new(Kind::FactsDamaged, "the digests are missing")))?;
    let members = FactsReader::<Member>::open(disk, folder, &digests.digests)?;
    let files = members.map(|member| member.and_then(logical)).chain(
        documents.iter().zip(DOCUMENTS).enumerate().map(|(n, (document, path))| {
            Ok(Logical {
                path: path.to_string(),
                size: document.seal.bytes,
                sha256: document.sha256.clone(),
                sha512: document.sha512.clone(),
                source: Source::Inline(n as u32),
            })
        }),
    );
    let scratch = StagingScratch::new(disk, folder.join("scratch-store"));
    let mut files = Some(files);
    let mut frozen = None;
    let inventory = write_blob::<Stop>(disk, folder, "inventory", job.fence, &mut |out| {
        let files = files.take().expect("a blob asks for its bytes once");
        frozen = Some(
            freeze(&new, files, base.as_deref(), &scratch, out).map_err(|error| plan_stop(folder, error))?,
        );
        Ok(())
    })?;
    let frozen = frozen.expect("a blob asks for its bytes once");
    let mut steps = FactsWriter::create(disk, folder, "steps", job.fence)?;
    for step in frozen.steps {
        steps.push(&step.map_err(|error| scratch_stop(&folder.volume, error))?)?;
    }
    Ok(Plan {
        round: job.item.checkpoint.round,
        object: object.clone(),
        version,
        base_sha512: head.as_ref().map(|head| head.inventory_sha512.clone()),
        inventory_sha512: frozen.inventory_sha512,
        inventory,
        steps: steps.seal()?,
        documents: documents.into_iter().map(|document| document.seal).collect(),
        copy_files: frozen.copy_files,
        copy_bytes: frozen.copy_bytes,
        unchanged: head.filter(|_| frozen.unchanged),
    })
}

/// The newest version of the object, which must be the same on every target.
fn common_head(object: &ObjectId, targets: &[(&str, &dyn Target)]) -> Result<Option<Head>, Stop> {
    let mut common: Option<(&str, Option<Head>)> = None;
    for (name, target) in targets {
        let head = target.head(object).map_err(|error| Stop::from(error).while_doing("reading"))?;
        match &common {
            None => common = Some((name, head)),
            Some((_, first)) if *first == head => {}
            Some((first_name, first)) => {
                let said = |head: &Option<Head>| match head {
                    Some(head) => format!("version {} ({}…)", head.version, &head.inventory_sha512[..12]),
                    None => "nothing".to_string(),
                };
                let because = format!("{first_name} has {}, {name} has {}", said(first), said(&head));
                let trouble = Trouble::new(Kind::TargetsDisagree, because);
                return Err(trouble.while_doing("comparing").about(object.to_string()).into());
            }
        }
    }
    Ok(common.and_then(|(_, head)| head))
}

/// Brings the root inventory of the object to staging, so that it can be read at any place.
pub fn fetch_inventory(
    job: &Job<'_>,
    object: &ObjectId,
    (name, target): (&str, &dyn Target),
    folder: &Place,
) -> Result<Seal, Stop> {
    let seal = write_blob::<Stop>(&*job.world.disk, folder, "base-inventory", job.fence, &mut |out| {
        let mut failed = None;
        target
            .read(Where::Object(object, "inventory.json"), &mut |bytes| {
                if failed.is_none() {
                    failed = out.write_all(bytes).err();
                }
            })
            .map_err(|error| Stop::from(error).while_doing("reading").about(name))?;
        match failed {
            Some(error) => Err(scratch_stop(&folder.volume, error)),
            None => Ok(()),
        }
    })?;
    Ok(seal)
}

/// A document of our own with the digests the inventory needs.
struct Document {
    seal: Seal,
    sha256: String,
    sha512: String,
}

fn write_documents(
    job: &Job<'_>,
    object: &ObjectId,
    version: u32,
    created: Timestamp,
    folder: &Place,
) -> Result<Vec<Document>, Stop> {
    let events = job.ledger.events(job.item.id).map_err(|error| {
        Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading the events")
    })?;
    let record = deposit_record(job, object, version, created)?;
    let subject = premis::Subject {
        object,
        version,
        bag: &job.item.bag,
        files: record.files,
        bytes: record.bytes,
        deposit: &record.deposit,
    };
    let mut xml = Vec::new();
    premis::write(&subject, &events, &mut xml)
        .map_err(|error| Trouble::new(Kind::Panicked, error.to_string()).while_doing("writing PREMIS"))?;
    let mut documents = Vec::new();
    for (name, bytes) in [("strongroom.json", record.to_bytes()), ("premis.xml", xml)] {
        let mut digester = Digester::new(&[Algorithm::Sha256, Algorithm::Sha512]);
        digester.update(&bytes);
        let digests = digester.finish();
        let seal = write_blob::<Stop>(&*job.world.disk, folder, name, job.fence, &mut |out| {
            out.write_all(&bytes).map_err(|error| scratch_stop(&folder.volume, error))
        })?;
        let of = |algorithm| digests.get(algorithm).expect("it was asked for").to_string();
        documents.push(Document { seal, sha256: of(Algorithm::Sha256), sha512: of(Algorithm::Sha512) });
    }
    Ok(documents)
}

fn deposit_record(
    job: &Job<'_>,
    object: &ObjectId,
    version: u32,
    created: Timestamp,
) -> Result<DepositRecord, Stop> {
    let item = job.item;
    let policy = job.settings.policy_of(item)?;
    let found = &item.found;
    let (files, bytes) = found.unpack.as_ref().map_or((0, 0), |unpack| (unpack.files, unpack.bytes));
    let sha256 = found.download.as_ref().map(|download| ("sha256".to_string(), download.sha256.clone()));
    let judged = found.validate.as_ref();
    Ok(DepositRecord {
        schema: metadata::SCHEMA,
        object: object.0.clone(),
        version,
        depositor: item.depositor.clone(),
        bag: item.bag.clone(),
        item: item.id.0,
        ledger: job.settings.ledger_id.clone(),
        received_at: item.received_at,
        created,
        deposit: DepositOrigin {
            name: name_of(&item.deposit.key),
            form: match item.deposit.form {
                Form::Tar => found
                    .unpack
                    .as_ref()
                    .and_then(|unpack| unpack.packed.as_ref())
                    .map_or_else(|| "tar".into(), |packed| packed.container.clone()),
                Form::Folder => "folder".into(),
            },
            bytes: item.deposit.bytes,
            digests: sha256.into_iter().collect::<BTreeMap<_, _>>(),
        },
        policy: PolicyTerms {
            name: policy.name.clone(),
            targets: policy.targets.clone(),
            copies: policy.copies,
        },
        files,
        bytes,
        bagit_version: judged.and_then(|judged| judged.bagit_version.clone()),
        findings: FindingCounts {
            errors: judged.map_or(0, |judged| judged.errors),
            warnings: judged.map_or(0, |judged| judged.warnings),
        },
        submitted_by: item.asked_by.name.clone(),
        agent: AGENT.into(),
    })
}

fn plan_stop(folder: &Place, error: PlanError) -> Stop {
    match error {
        PlanError::Io(error) => scratch_stop(&folder.volume, error),
        other => Trouble::from(other).while_doing("planning").into(),
    }
}

fn logical(member: Member) -> Result<Logical, Trouble> {
    let path = member.path.text().ok_or_else(|| {
        Trouble::new(Kind::InvalidBag, "its name is not UTF-8, which OCFL cannot express")
            .about(member.path.shown())
    })?;
    let digest = |algorithm: Algorithm| {
        member.digests.get(algorithm).map(str::to_string).ok_or_else(|| {
            Trouble::new(Kind::FactsDamaged, format!("its {algorithm} is missing")).about(member.path.shown())
        })
    };
    Ok(Logical {
        path: format!("bag/{path}"),
        size: member.size,
        sha256: digest(Algorithm::Sha256)?,
        sha512: digest(Algorithm::Sha512)?,
        source: Source::Member { number: member.number, offset: member.offset },
    })
}
/// The deposit's own name: the last part of its path or address, without what stands behind it there.
fn name_of(key: &str) -> String {
    let of_address = source::is_address(key).then(|| source::name_in_address(key)).flatten();
    of_address.unwrap_or_else(|| key.rsplit('/').next().unwrap_or_default().to_string())
}
