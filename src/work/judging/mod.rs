//! Judging bags where they lie: no daemon, no ledger, no data folder.
//!
//! - Nothing is written but unnamed temporary files in the folder for scratch; a bag is the same before and after.
//! - Every byte is digested once, by the algorithms that the bag's own manifests name and by no other.
//! - A bag that cannot be read to its end has no verdict; that is told as ENV-* findings, never as the depositor's fault.
//! - Memory grows neither with the number of files nor with that of findings.

mod digested;
pub mod inspecting;
pub mod pool;
pub mod roster;
mod unpacking;

use crate::model::code::{Whose, whose};
use crate::model::digest::Algorithm;
use crate::model::fact::Member;
use crate::model::finding::{Finding, Severity, escape};
use crate::model::trouble::{Kind, Trouble};
use crate::rules::bagit::policy::Policy;
use crate::rules::bagit::{BagFacts, JudgeError, Opened, algorithm_named_by, judge};
use crate::rules::ours;
use crate::rules::packed::Container;
use crate::rules::read::{ReadAt, Slice};
use crate::rules::tar::{FolderEntry, FolderIndex, IndexError, Indexed, Limits, index};
use crate::work::desk::bag_name;
use crate::worlds::beneath::Pread;
use crate::worlds::source::Entry;
use crate::worlds::source::held::HeldBag;
use crate::worlds::temporary::TemporaryScratch;
use digested::Digesting;
use inspecting::Inside;
use pool::{Meter, Pool};
use roster::Roster;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use unpacking::Found;

/// What a bag is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Neither errors nor warnings.
    Valid,
    /// Warnings, no errors.
    Warning,
    /// Errors.
    Invalid,
    /// It could not be judged.
    Unjudged,
}

/// What judging one bag came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict.
    pub outcome: Outcome,
    /// Findings by weight.
    pub errors: u64,
    /// Findings by weight.
    pub warnings: u64,
    /// Findings by weight.
    pub notes: u64,
    /// Files of the bag, tag files among them.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// BagIt version it was judged by.
    pub version: Option<String>,
    /// Algorithms whose digests were compared.
    pub algorithms: Vec<Algorithm>,
}

impl Judged {
    /// Nothing is known yet.
    pub fn none() -> Judged {
        Judged {
            outcome: Outcome::Unjudged,
            errors: 0,
            warnings: 0,
            notes: 0,
            files: 0,
            bytes: 0,
            version: None,
            algorithms: Vec::new(),
        }
    }
}

/// How bags are judged.
pub struct Judging {
    /// Where BagIt leaves a choice.
    pub policy: Policy,
    /// What a bag may cost.
    pub limits: Limits,
    /// Packed bags are unpacked whatever they are called.
    pub unpack: bool,
    /// Where unnamed temporary files go.
    pub scratch: PathBuf,
    /// Who digests.
    pub pool: Pool,
    /// Who counts.
    pub meter: Arc<Meter>,
}

/// Why there is no verdict.
#[derive(Debug)]
pub enum Stop {
    /// The bag itself cannot be read.
    Io(io::Error),
    /// The scratch folder fails.
    Scratch(io::Error),
    /// Something went wrong on a walk through the folder.
    Trouble(Trouble),
    /// Files of it cannot be read.
    Unreadable(Vec<(Member, io::Error)>),
    /// The archive is refused; its findings are told already.
    Refused,
}

/// What was found so far, also when there is no verdict in the end.
struct Tally<'a> {
    judged: Judged,
    policy: &'a Policy,
    each: &'a mut dyn FnMut(Finding),
    /// Errors that are ours and kept us from judging: they give no verdict on the bag.
    ours: u64,
}

impl<'a> Tally<'a> {
    fn new(policy: &'a Policy, each: &'a mut dyn FnMut(Finding)) -> Tally<'a> {
        Tally { judged: Judged::none(), policy, each, ours: 0 }
    }

    fn take(&mut self, finding: Finding) {
        // A wrong profile is not the depositor's fault either, but the bag was judged: it is not valid by that profile.
        let kept_us = whose(&finding.code) == Whose::Ours && finding.code != "PROF-FILE-INVALID";
        let is_ours = finding.severity == Severity::Error && kept_us;
        self.ours += u64::from(is_ours);
        match finding.severity {
            Severity::Error => self.judged.errors += 1,
            Severity::Warning => self.judged.warnings += 1,
            Severity::Note => self.judged.notes += 1,
        }
        (self.each)(finding);
    }

    /// A finding that was made without knowing the policy.
    fn weigh(&mut self, finding: Finding) {
        let finding = self.policy.weigh(finding);
        self.take(finding);
    }

    fn finish(mut self, ended: Result<(), Stop>) -> Judged {
        let unjudged = match ended {
            Ok(()) | Err(Stop::Refused) => Vec::new(),
            Err(stop) => told(stop),
        };
        let theirs = self.judged.errors - self.ours;
        let outcome = match (unjudged.is_empty(), theirs, self.ours, self.judged.warnings) {
            (false, ..) => Outcome::Unjudged,
            (true, 1.., ..) => Outcome::Invalid,
            (true, 0, 1.., _) => Outcome::Unjudged,
            (true, 0, 0, 0) => Outcome::Valid,
            (true, 0, 0, _) => Outcome::Warning,
        };
        unjudged.into_iter().for_each(|finding| self.take(finding));
        self.judged.outcome = outcome;
        self.judged
    }
}

/// Why there is no verdict, as findings that are nobody's fault but ours.
fn told(stop: Stop) -> Vec<Finding> {
    let env = ours::of_io;
    match stop {
        Stop::Refused => Vec::new(),
        Stop::Io(error) => {
            let what = format!("The bag could not be read: {error}.");
            vec![env(&error, b"", what).advice("See that it is there and may be read, then judge it again.")]
        }
        Stop::Scratch(error) => {
            let what = format!("Sorting what is in the bag failed: {error}.");
            vec![env(&error, b"", what).advice("Point TMPDIR to a folder with space, then judge it again.")]
        }
        Stop::Trouble(trouble) => {
            let what = format!("The bag could not be read: {}.", trouble.sentence());
            let finding = Finding::new("ENV-IO", Severity::Error, b"", what);
            vec![finding.advice("See that all of it may be read, then judge it again.")]
        }
        Stop::Unreadable(members) => {
            let each = |(member, error): (Member, io::Error)| {
                let path = &member.path.0;
                let what = format!("`{}` could not be read: {error}.", escape(path));
                env(&error, path, what).advice("See that it may be read, then judge the bag again.")
            };
            members.into_iter().map(each).collect()
        }
    }
}

impl Judging {
    /// Judges the bag at this path; findings go out through `each`, in the order they are made.
    pub fn judge(&self, path: &Path, each: &mut dyn FnMut(Finding)) -> Judged {
        let mut tally = Tally::new(&self.policy, each);
        let ended = self.run(path, &mut tally);
        tally.finish(ended)
    }

    /// Looks into the bag at this path without judging it; what is found wrong on the way goes out through `each`.
    pub fn inspect(&self, path: &Path, each: &mut dyn FnMut(Finding)) -> (Judged, Option<Inside>) {
        let mut tally = Tally::new(&self.policy, each);
        match self.look(path, &mut tally) {
            Ok(inside) => (tally.finish(Ok(())), Some(inside)),
            Err(stop) => (tally.finish(Err(stop)), None),
        }
    }

    /// Opens the bag; a packed one is unpacked first.
    fn open(&self, path: &Path, tally: &mut Tally<'_>) -> Result<(HeldBag, Container), Stop> {
        let bag = HeldBag::open(path).map_err(Stop::Io)?;
        let Some(tar) = bag.tar() else { return Ok((bag, Container::Plain)) };
        match unpacking::plain(tar, bag.name(), self.unpack, &self.scratch)? {
            Found::Plain => Ok((bag, Container::Plain)),
            Found::Tar(tar, container, findings) => {
                findings.into_iter().for_each(|finding| tally.weigh(finding));
                Ok((bag.with_tar(tar), container))
            }
            Found::Refused(findings) => {
                findings.into_iter().for_each(|finding| tally.weigh(finding));
                Err(Stop::Refused)
            }
        }
    }

    fn run(&self, path: &Path, tally: &mut Tally<'_>) -> Result<(), Stop> {
        let (bag, container) = self.open(path, tally)?;
        let bag = Arc::new(bag);
        let scratch = TemporaryScratch::new(&self.scratch);
        let mut roster = Roster::new(&self.scratch);
        let mut algorithms = BTreeSet::new();
        let mut each = |member: Member| {
            algorithms.extend(algorithm_named_by(&member.path));
            self.meter.expected.fetch_add(member.size, Ordering::Relaxed);
            roster.push(&member).map_err(Stop::Scratch)
        };
        let indexed = index_bag(&bag, &self.limits, &scratch, &mut each);
        let indexed = settle(indexed, tally)?;
        (tally.judged.files, tally.judged.bytes) = (indexed.files, indexed.bytes);
        let algorithms: Arc<[Algorithm]> = algorithms.into_iter().collect();
        let mut members = Digesting::new(
            &self.pool,
            bag.clone(),
            algorithms,
            self.meter.clone(),
            roster.read(),
            indexed.bytes,
        );
        let name = name_of(&bag);
        let facts = BagFacts {
            name: &name,
            top: &indexed.top,
            payload_folder: indexed.payload_folder,
            packed: container.media(),
        };
        let policy = &self.policy;
        let verdict = judge(
            &facts,
            &mut members,
            &|member| open(&bag, member),
            &scratch,
            &self.limits,
            policy,
            &mut |finding| {
                tally.take(finding);
                Ok(())
            },
        )
        .map_err(no_verdict)?;
        if !bag.unchanged().map_err(Stop::Io)? {
            return Err(Stop::Io(ours::changed()));
        }
        tally.judged.version = verdict.version.map(|version| version.to_string());
        tally.judged.algorithms = verdict.algorithms;
        Ok(())
    }
}

/// The bag's name: the tar's file name without its suffix, or the folder's name.
fn name_of(bag: &HeldBag) -> String {
    let name = String::from_utf8_lossy(bag.name());
    match bag.tar() {
        Some(_) => bag_name(name.strip_suffix(".zip").unwrap_or(&name)).unwrap_or_else(|| name.to_string()),
        None => name.to_string(),
    }
}

/// Tells the findings of the index; whether there is more to judge.
fn settle(indexed: Result<Indexed, IndexError<Stop>>, tally: &mut Tally<'_>) -> Result<Indexed, Stop> {
    let mut indexed = match indexed {
        Ok(indexed) => indexed,
        Err(IndexError::Refused(findings)) => {
            findings.into_iter().for_each(|finding| tally.weigh(finding));
            return Err(Stop::Refused);
        }
        Err(IndexError::Read { offset, error }) => {
            let error = io::Error::new(error.kind(), format!("at byte {offset}: {error}"));
            return Err(Stop::Io(error));
        }
        Err(IndexError::Scratch(error)) => return Err(Stop::Scratch(error)),
        Err(IndexError::Each(stop)) => return Err(stop),
    };
    std::mem::take(&mut indexed.findings).into_iter().for_each(|finding| tally.weigh(finding));
    Ok(indexed)
}

/// Why a bag could not be judged, as findings.
pub fn unjudged(error: JudgeError<Stop>) -> Vec<Finding> {
    told(no_verdict(error))
}

fn no_verdict(error: JudgeError<Stop>) -> Stop {
    match error {
        JudgeError::Given(stop) => stop,
        JudgeError::Scratch(error) => Stop::Scratch(error),
        JudgeError::Read { path, error } => {
            let member = Member { path, ..Member::default() };
            Stop::Unreadable(vec![(member, error)])
        }
        JudgeError::Unsummed { path, algorithm } => {
            let error = io::Error::other(format!("its {algorithm} digest was not computed"));
            Stop::Unreadable(vec![(Member { path, ..Member::default() }, error)])
        }
    }
}

fn open<'b>(bag: &'b HeldBag, member: &Member) -> Opened<'b, Stop> {
    if let Some(tar) = bag.tar() {
        return Ok(Box::new(Slice::new(tar, member.offset, member.size)));
    }
    let unreadable = |error| Stop::Unreadable(vec![(member.clone(), error)]);
    let file = bag.open_member(&member.path).map_err(unreadable)?;
    Ok(Box::new(Whole::of(file)))
}

/// A file of a folder bag, from its first byte to its last.
pub struct Whole {
    file: Pread,
    at: u64,
    left: u64,
}

impl Whole {
    /// All of it.
    pub fn of(file: Pread) -> Whole {
        Whole { at: 0, left: file.size(), file }
    }
}

impl Read for Whole {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = Slice::new(&self.file, self.at, self.left).read(buf)?;
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

fn index_bag(
    bag: &HeldBag,
    limits: &Limits,
    scratch: &TemporaryScratch,
    each: &mut dyn FnMut(Member) -> Result<(), Stop>,
) -> Result<Indexed, IndexError<Stop>> {
    match bag.tar() {
        Some(tar) => index(tar, limits, scratch, each),
        None => index_folder(bag, limits, scratch, each),
    }
}

fn index_folder(
    bag: &HeldBag,
    limits: &Limits,
    scratch: &TemporaryScratch,
    each: &mut dyn FnMut(Member) -> Result<(), Stop>,
) -> Result<Indexed, IndexError<Stop>> {
    let mut index = FolderIndex::new(limits, scratch);
    let mut full = None;
    let walked = bag.walk(&mut |path, entry| {
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
        (None, walked) => walked.map_err(|trouble| IndexError::Each(Stop::Trouble(trouble)))?,
    }
    index.finish(each)
}
