//! Unpack: the members are indexed where they lie; nothing is written from a member's path.
//!
//! - A packed deposit becomes a plain tar in staging first, when its depositor may send such; then all is the same.
//! - A tar is read once, header by header; its members' bytes are read later, in place.
//! - A hostile or damaged tar is refused with every fault found, and leaves nothing but its findings.

mod plain_tar;

use crate::books::facts::{FactsWriter, StagingScratch, scratch_stop};
use crate::model::checkpoint::Stage;
use crate::model::event::EventType;
use crate::model::fact::Member;
use crate::model::finding::{Finding, Severity};
use crate::model::item::{Form, Item, Judged, Packed, Unpacked};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::packed::{Container, sniff};
use crate::rules::read::ReadAt;
use crate::rules::tar::{FolderEntry, FolderIndex, IndexError, Indexed, Limits, index};
use crate::work::job::{Done, Job, Settings, success};
use crate::work::stages::{Room, RoomPlace, StageWork};
use crate::worlds::World;
use crate::worlds::source::Entry;

/// Bytes a row of the member index takes, generously.
const ROW_BYTES: u64 = 200;

/// The stage.
pub struct Unpack;

impl StageWork for Unpack {
    fn name(&self) -> Stage {
        Stage::Unpack
    }

    fn room(&self, item: &Item, _: &World, _: &Settings) -> Result<Vec<Room>, Stop> {
        // Whether it is packed is not known before it is looked at; what it unpacks to is promised step by step.
        Ok(vec![Room {
            place: RoomPlace::Staging,
            bytes: facts_room(item.deposit.bytes),
            inodes: INODES,
            already: 0,
        }])
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let folder = job.folder()?;
        let disk = &*job.world.disk;
        let mut members = FactsWriter::create(disk, &folder, "members", job.fence)?;
        let mut findings = FactsWriter::create(disk, &folder, "findings-unpack", job.fence)?;
        let scratch = StagingScratch::new(disk, folder.join("scratch-unpack"));
        job.meter.expect(job.item.deposit.bytes);
        let mut each = |member: Member| -> Result<(), Stop> {
            job.drained()?;
            job.meter.count(member.size, 1);
            members.push(&member)?;
            Ok(())
        };
        let limits = &job.settings.tar;
        let (mut packed, mut warned): (Option<Packed>, Vec<Finding>) = (None, Vec::new());
        let indexed = match job.item.deposit.form {
            Form::Tar => {
                let tar = job.tar()?;
                let container = packed_as(job, &*tar)?;
                match plain_tar::unpack(job, &folder, &*tar, container) {
                    Ok(None) => index(&*tar, limits, &scratch, &mut each),
                    Ok(Some((made, told))) => {
                        warned = told;
                        let tar = job.world.disk.open(&folder.join(&made.file)).map_err(Trouble::from)?;
                        packed = Some(made);
                        index(&*tar, limits, &scratch, &mut each).map_err(plain_tar::of_staging)
                    }
                    Err(error) => Err(error),
                }
            }
            Form::Folder => walk_folder(job, limits, &scratch, &mut each),
        };
        drop(scratch);
        job.deposit_unchanged()?;
        let mut found = job.found();
        match indexed {
            Ok(indexed) => {
                for finding in warned.iter().chain(&indexed.findings) {
                    findings.push(finding)?;
                }
                let detail = detail(job, packed.as_ref(), &indexed);
                found.unpack = Some(Unpacked {
                    members: members.seal()?,
                    files: indexed.files,
                    bytes: indexed.bytes,
                    top: indexed.top,
                    payload_folder: indexed.payload_folder,
                    findings: findings.seal()?,
                    packed,
                });
                Ok(Done { found, events: vec![success(EventType::Unpacking, detail)], ..Done::default() })
            }
            Err(IndexError::Refused(refused)) => {
                // A limit of ours is no fault of the bag's: the operator may raise it.
                if let Some(limit) = refused.iter().find(|finding| finding.code == "ENV-LIMIT") {
                    let trouble = Trouble::new(Kind::OverLimit, limit.message.clone());
                    return Err(trouble.while_doing("indexing").about(&job.item.deposit.key).into());
                }
                for finding in &refused {
                    findings.push(finding)?;
                }
                let errors = refused.iter().filter(|finding| finding.severity == Severity::Error).count();
                found.validate = Some(Judged {
                    policy: None,
                    profile: None,
                    rules: Vec::new(),
                    findings: findings.seal()?,
                    errors: errors as u64,
                    warnings: (refused.len() - errors) as u64,
                    bagit_version: None,
                });
                Err(Stop::Refused { trouble: refusal(job, &refused, errors), found: Box::new(found) })
            }
            Err(IndexError::Read { offset, error }) => {
                let because = format!("at byte {offset}: {error}");
                let trouble = Trouble::new(Kind::SourceIo, because).while_doing("indexing");
                Err(trouble.about(&job.item.deposit.key).into())
            }
            Err(IndexError::Scratch(error)) => Err(scratch_stop(&folder.volume, error)),
            Err(IndexError::Each(stop)) => Err(stop),
        }
    }
}

/// Space for the facts of a tar of so many bytes. How many members there are is not known before they are counted; a tar
/// of files of 4 KiB takes this much.
fn facts_room(tar_bytes: u64) -> u64 {
    2 * (tar_bytes / (4 << 10) + 64) * ROW_BYTES
}

/// Files that the stage makes: facts and their scratch; and a tar.
const INODES: u64 = 5;

/// How the deposit is packed, when its depositor may send it so; `Plain` leaves it to the tar reader to say what it is.
fn packed_as(job: &Job<'_>, deposit: &dyn ReadAt) -> Result<Container, Trouble> {
    let container = sniff(deposit).map_err(|error| {
        Trouble::new(Kind::SourceIo, error.to_string()).while_doing("reading").about(&job.item.deposit.key)
    })?;
    let takes = job.settings.accept.takes(&job.item.depositor, container);
    Ok(if takes { container } else { Container::Plain })
}

fn detail(job: &Job<'_>, packed: Option<&Packed>, indexed: &Indexed) -> String {
    let counted = format!("{} files, {} bytes", indexed.files, indexed.bytes);
    match packed {
        None => format!("{counted}, indexed in place"),
        Some(tar) => format!(
            "{counted}, unpacked from {} ({} bytes) to a tar of {} bytes, sha256 {}",
            tar.container, job.item.deposit.bytes, tar.bytes, tar.sha256
        ),
    }
}

fn refusal(job: &Job<'_>, findings: &[Finding], errors: usize) -> Trouble {
    let first = findings.iter().find(|finding| finding.severity == Severity::Error);
    let mut because = first.map_or_else(String::new, |finding| finding.message.clone());
    if errors > 1 {
        because.push_str(&format!(" (and {} more)", errors - 1));
    }
    Trouble::new(Kind::TarRefused, because).while_doing("indexing").about(&job.item.deposit.key)
}

fn walk_folder(
    job: &Job<'_>,
    limits: &Limits,
    scratch: &StagingScratch<'_>,
    each: &mut dyn FnMut(Member) -> Result<(), Stop>,
) -> Result<Indexed, IndexError<Stop>> {
    let mut index = FolderIndex::new(limits, scratch);
    let mut full = None;
    let walked = job.world.source.walk(&job.item.deposit.key, &mut |path, entry| {
        let entry = match entry {
            Entry::File { size, mtime } => FolderEntry::File { size, mtime },
            Entry::EmptyFolder => FolderEntry::EmptyFolder,
            Entry::Special => FolderEntry::Special,
        };
        index.take(path, entry).map_err(|error| {
            let trouble = Trouble::new(Kind::StagingIo, error.to_string());
            full = Some(error);
            trouble
        })
    });
    match (full, walked) {
        (Some(error), _) => return Err(IndexError::Scratch(error)),
        (None, walked) => walked.map_err(|trouble| IndexError::Each(trouble.into()))?,
    }
    index.finish(each)
}
