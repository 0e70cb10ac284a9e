//! Making a bag of a folder: a BagIt 1.0 bag with manifests, tag manifests and Payload-Oxum, as a folder or as a tar.
//!
//! - The folder is only read. A link, device, pipe or a name that a bag cannot spell stops the work before it starts.
//! - The same folder makes the same bytes: files in the order of their paths, their own modification times, no owner; what
//!   is not a file of the folder carries the bag's date.
//! - The bag appears whole and on disk, or not at all: it grows under a name that ends in `.part`, and is renamed.

use crate::model::digest::Algorithm;
use crate::model::fact::{BagPath, Member};
use crate::model::trouble::{Kind, Trouble};
use crate::rules::bagit::make::{Made, Plan, Source, TarWriter, bag};
use crate::rules::bagit::paths;
use crate::work::judging::Whole;
use crate::work::judging::roster::Roster;
use crate::worlds::source::Entry;
use crate::worlds::source::held::HeldBag;
use crate::worlds::temporary::TemporaryScratch;
use rustix::fs::RenameFlags;
use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Names of one sort that are named; all are counted.
const NAMED_MAX: usize = 20;

/// What bag to make.
#[derive(Clone, Debug)]
pub struct Order {
    /// The folder with the payload.
    pub from: PathBuf,
    /// The bag: the tar, or the folder.
    pub to: PathBuf,
    /// The bag's name: its top-level folder in a tar.
    pub name: String,
    /// A tar.
    pub tar: bool,
    /// Of payload and tag manifests.
    pub algorithms: Vec<Algorithm>,
    /// Elements of bag-info.txt.
    pub info: Vec<(String, String)>,
    /// The bag's moment (SOURCE_DATE_EPOCH); without one, when the newest file was modified.
    pub moment: Option<i64>,
    /// Where unnamed temporary files go.
    pub scratch: PathBuf,
}

/// A bag that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bagged {
    /// Payload files and bytes.
    pub made: Made,
    /// What bag-info.txt gives as Bagging-Date.
    pub date: String,
    /// Folders that are not in the bag, because they are empty.
    pub left_out: Names,
    /// Names that other systems cannot store, or that are often lost.
    pub frail: Names,
}

/// Names of one sort: the first, and how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The first of them, for people.
    pub named: Vec<String>,
    /// All of them.
    pub count: u64,
}

impl Names {
    fn add(&mut self, path: &BagPath) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(path.shown());
        }
    }
}

/// Why no bag was made.
#[derive(Debug)]
pub enum NotBagged {
    /// The folder cannot be read.
    Source(String),
    /// It holds links, devices, sockets or pipes.
    Special(Names),
    /// It holds names that are not UTF-8, which manifests in UTF-8 cannot spell.
    Unspelled(Names),
    /// It holds no file.
    Empty,
    /// Something lies where the bag, or its unfinished form, shall be.
    Taken(PathBuf),
    /// The bag would lie in the folder that it is made of.
    Inside,
    /// The folder is fine, the bag could not be written.
    Io(io::Error),
}

impl fmt::Display for NotBagged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &Names| {
            let more = names.count - names.named.len() as u64;
            let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
            names.named.join(", ") + &rest
        };
        match self {
            NotBagged::Source(why) => out.write_str(why),
            NotBagged::Special(names) => {
                write!(out, "a bag holds only files, and these are links, devices or pipes: {}", list(names))
            }
            NotBagged::Unspelled(names) => {
                write!(out, "these names are not UTF-8, so no manifest can spell them: {}", list(names))
            }
            NotBagged::Empty => out.write_str("the folder holds no file"),
            NotBagged::Taken(path) => write!(out, "{} is there already", path.display()),
            NotBagged::Inside => out.write_str("the bag would lie in the folder that it is made of"),
            NotBagged::Io(error) => error.fmt(out),
        }
    }
}

impl From<io::Error> for NotBagged {
    fn from(error: io::Error) -> NotBagged {
        NotBagged::Io(error)
    }
}

/// What a walk through the folder found.
struct Surveyed {
    folder: HeldBag,
    files: Roster,
    newest: i64,
    left_out: Names,
    frail: Names,
}

/// Makes the bag. `meet` hears of the bytes of each file as they pass.
pub fn make(order: &Order, meet: &dyn Fn(u64)) -> Result<Bagged, NotBagged> {
    let found = survey(order)?;
    let part = part_of(&order.to);
    for path in [&order.to, &part] {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(NotBagged::Taken(path.clone()));
        }
    }
    let source = std::fs::canonicalize(&order.from)?;
    let parent = parent_of(&order.to);
    if std::fs::canonicalize(parent)?.starts_with(&source) {
        return Err(NotBagged::Inside);
    }
    let moment = order.moment.unwrap_or(found.newest).max(0);
    let date = date_of(order, moment);
    let made = write(order, &part, &found, moment, &date, meet).inspect_err(|_| {
        // Half a bag helps nobody; if it cannot be removed either, its name says what it is.
        let _ = if order.tar { std::fs::remove_file(&part) } else { std::fs::remove_dir_all(&part) };
    })?;
    publish(&part, &order.to, parent)?;
    Ok(Bagged { made, date, left_out: found.left_out, frail: found.frail })
}

fn part_of(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    to.with_file_name(name)
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn survey(order: &Order) -> Result<Surveyed, NotBagged> {
    let folder = HeldBag::open(&order.from).map_err(|error| NotBagged::Source(error.to_string()))?;
    if folder.tar().is_some() {
        return Err(NotBagged::Source("it is a file, not a folder".into()));
    }
    let mut files = Roster::new(&order.scratch);
    let (mut special, mut unspelled) = (Names::default(), Names::default());
    let (mut left_out, mut frail) = (Names::default(), Names::default());
    let mut newest = i64::MIN;
    let mut full = None;
    let walked = folder.walk(&mut |path, entry| {
        let (size, mtime) = match entry {
            Entry::File { size, mtime } if path.text().is_some() => (size, mtime),
            Entry::File { .. } => {
                unspelled.add(&path);
                return Ok(());
            }
            Entry::EmptyFolder => {
                left_out.add(&path);
                return Ok(());
            }
            Entry::Special => {
                special.add(&path);
                return Ok(());
            }
        };
        if !paths::remarks(&path.0).is_empty() {
            frail.add(&path);
        }
        newest = newest.max(mtime);
        files.push(&Member { path, size, mtime, ..Member::default() }).map_err(|error| {
            let trouble = Trouble::new(Kind::StagingIo, error.to_string());
            full = Some(error);
            trouble
        })
    });
    match (full, walked) {
        (Some(error), _) => return Err(error.into()),
        (None, Err(trouble)) => return Err(NotBagged::Source(trouble.sentence())),
        (None, Ok(())) => {}
    }
    for (names, wrong) in [
        (special, NotBagged::Special as fn(Names) -> NotBagged),
        (unspelled, NotBagged::Unspelled as fn(Names) -> NotBagged),
    ] {
        if names.count > 0 {
            return Err(wrong(names));
        }
    }
    if newest == i64::MIN {
        return Err(NotBagged::Empty);
    }
    Ok(Surveyed { folder, files, newest, left_out, frail })
}

const DATE: &str = "Bagging-Date";

fn date_of(order: &Order, moment: i64) -> String {
    let given = order.info.iter().find(|(label, _)| label.eq_ignore_ascii_case(DATE));
    let of_moment = || {
        let at = jiff::Timestamp::from_second(moment).unwrap_or_default();
        at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
    };
    given.map_or_else(of_moment, |(_, date)| date.clone())
}

/// Elements of bag-info.txt: what was asked for, then what we add.
fn elements(order: &Order, date: &str) -> Vec<(String, String)> {
    let mut info = order.info.clone();
    for (label, value) in [(DATE, date), ("Bag-Software-Agent", AGENT)] {
        if !info.iter().any(|(known, _)| known.eq_ignore_ascii_case(label)) {
            info.push((label.to_string(), value.to_string()));
        }
    }
    info
}

const AGENT: &str = concat!("strongroom ", env!("CARGO_PKG_VERSION"));

fn write(
    order: &Order,
    part: &Path,
    found: &Surveyed,
    moment: i64,
    date: &str,
    meet: &dyn Fn(u64),
) -> Result<Made, NotBagged> {
    let plan = Plan {
        algorithms: order.algorithms.clone(),
        tag_algorithms: order.algorithms.clone(),
        info: elements(order, date),
        mtime: moment.unsigned_abs(),
        damage: Vec::new(),
    };
    let scratch = TemporaryScratch::new(&order.scratch);
    // When the file was modified that is being written; a date given from outside is the latest that any may have.
    let mtime = Cell::new(moment);
    let failed = Cell::new(None);
    let mut files = found.files.read().map_while(|row| match row {
        Ok(member) => {
            mtime.set(order.moment.map_or(member.mtime, |latest| member.mtime.min(latest)));
            Some(source(&found.folder, member, meet))
        }
        Err(error) => {
            failed.set(Some(error));
            None
        }
    });
    let of = |path: &str| if path.starts_with("data/") { mtime.get() } else { moment };
    let made = if order.tar {
        let file = File::options().write(true).create_new(true).open(part)?;
        let mut out = BufWriter::with_capacity(256 << 10, &file);
        let made = write_tar(&order.name, &mut out, &plan, &scratch, &mut files, &of)?;
        out.flush()?;
        drop(out);
        file.sync_all()?;
        made
    } else {
        std::fs::create_dir(part)?;
        let mut place = |path: &str, size: u64, read: &mut dyn Read| put(part, path, size, read, of(path));
        let made = bag(&mut place, &mut files, &plan, &scratch)?;
        rustix::fs::syncfs(File::open(part)?).map_err(io::Error::from)?;
        made
    };
    match failed.take() {
        Some(error) => Err(error.into()),
        None => Ok(made),
    }
}

fn write_tar(
    name: &str,
    out: &mut dyn Write,
    plan: &Plan,
    scratch: &TemporaryScratch,
    files: &mut dyn Iterator<Item = Source<'_>>,
    mtime_of: &dyn Fn(&str) -> i64,
) -> io::Result<Made> {
    let mut tar = TarWriter::new(out, plan.mtime);
    tar.folder(format!("{name}/"))?;
    tar.folder(format!("{name}/data/"))?;
    let mut place = |path: &str, size: u64, read: &mut dyn Read| {
        // A tar has no time before 1970.
        tar.set_mtime(mtime_of(path).max(0).unsigned_abs());
        tar.file(format!("{name}/{path}"), size, read)
    };
    let made = bag(&mut place, files, plan, scratch)?;
    tar.finish()?;
    Ok(made)
}

/// Writes one file of a folder bag.
fn put(top: &Path, path: &str, size: u64, read: &mut dyn Read, mtime: i64) -> io::Result<()> {
    let path = top.join(path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    let copied = io::copy(read, &mut file)?;
    if copied != size {
        return Err(io::Error::other(format!("{} changed while it was bagged", path.display())));
    }
    let since = Duration::from_secs(mtime.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let moment = if mtime < 0 { epoch.checked_sub(since) } else { epoch.checked_add(since) };
    moment.map_or(Ok(()), |moment| file.set_modified(moment))
}

/// A file of the folder, opened when it is read: there may be more files than a process may have open.
fn source<'a>(folder: &'a HeldBag, member: Member, meet: &'a dyn Fn(u64)) -> Source<'a> {
    let name = member.path.text().unwrap_or_default().to_string();
    let size = member.size;
    (name, size, Box::new(Later { folder, path: member.path, file: None, meet }))
}

struct Later<'a> {
    folder: &'a HeldBag,
    path: BagPath,
    file: Option<Whole>,
    meet: &'a dyn Fn(u64),
}

impl Read for Later<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let opened = self.folder.open_member(&self.path).map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", self.path.shown()))
                })?;
                self.file.insert(Whole::of(opened))
            }
        };
        let got = file.read(buf)?;
        (self.meet)(got as u64);
        Ok(got)
    }
}

/// Gives the bag its name, never over something that came there meanwhile.
fn publish(part: &Path, to: &Path, parent: &Path) -> Result<(), NotBagged> {
    let here = rustix::fs::CWD;
    match rustix::fs::renameat_with(here, part, here, to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => return Err(NotBagged::Taken(to.to_path_buf())),
        // Not every file system knows the flag.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => std::fs::rename(part, to)?,
        Err(error) => return Err(io::Error::from(error).into()),
    }
    File::open(parent)?.sync_all()?;
    Ok(())
}
