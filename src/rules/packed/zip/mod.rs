//! A zip as a plain tar: its directory is judged first, then its members are read once, from front to back.
//!
//! - The directory names every member, in the order in which they lie, and nothing lies between them: overlapping,
//!   hidden and doubly told members are refused, and one pass over the bytes is enough.
//! - A member's own header must say what the directory says; its bytes must have the length and checksum of both.
//! - Names keep their bytes. What they may be, the tar reader judges.
//! - One entry of the directory is in memory at a time.
//!
//! Written here and not with a crate, because those that read zips hold the whole directory in memory, turn names into
//! text, and do not compare the directory with the headers.

mod directory;
mod entry;

use super::pump::{Done, Feed, Halt, Sink};
use super::{Caps, REMAKE, UPLOAD, deflate, refusal, shown};
use crate::model::finding::{Finding, Severity};
use crate::rules::bagit::make::TarWriter;
use crate::rules::read::ReadAt;
use crate::rules::tar::grouped;
use directory::{Directory, End};
use entry::{DEFLATED, Entry};
use std::io::{self, Read};

/// Refusals kept of one zip; the rest is left out.
const FINDINGS_MAX: usize = 1_000;

/// Writes the members of a zip as a tar. `feed` stands at the first byte of `zip`.
pub fn to_tar(zip: &dyn ReadAt, feed: &mut Feed<'_>, sink: &mut Sink<'_>, caps: &Caps) -> Result<Done, Halt> {
    let end = directory::find_end(zip)?;
    let survey = survey(zip, &end, caps)?;
    if survey.bytes > sink.allowed() {
        return Err(Halt::Over);
    }
    if !survey.refused.is_empty() {
        return Err(Halt::Refused(survey.refused));
    }
    feed.end_at(end.start);
    let mut members = Directory::open(zip, &end);
    let mut next = members.next()?;
    if let Some(first) = &next
        && first.offset > 0
    {
        return Err(between(0, first.offset).into());
    }
    let mut done = Done::default();
    while let Some(entry) = next {
        next = members.next()?;
        let until = next.as_ref().map_or(end.start, |after| after.offset);
        let beside = is_of_macos(&entry.name);
        member(feed, sink, &entry, until, beside)?;
        done.parts += u64::from(!beside);
        if beside && done.findings.is_empty() {
            done.findings.push(of_macos(&entry.name));
        }
    }
    match TarWriter::new(sink, 0).finish() {
        Ok(()) => Ok(done),
        Err(error) => Err(sink.failed().unwrap_or(Halt::Taker(error))),
    }
}

/// What the directory alone tells.
#[derive(Default)]
struct Survey {
    bytes: u64,
    refused: Vec<Finding>,
}

fn survey(zip: &dyn ReadAt, end: &End, caps: &Caps) -> Result<Survey, Halt> {
    let mut survey = Survey::default();
    if end.entries > caps.members {
        // Our limit, and no fault of the bag's.
        let what = format!(
            "The zip has {} members; {} is the most that is taken here.",
            grouped(end.entries),
            grouped(caps.members)
        );
        let advice = "Nothing is wrong with the bag: ask for a higher limit, or split it.";
        return Err(refusal("ENV-LIMIT", b"", what, advice).into());
    }
    let mut members = Directory::open(zip, end);
    let mut above = None;
    while let Some(entry) = members.next()? {
        if above.is_some_and(|above| entry.offset <= above) {
            let what = format!(
                "The directory of the zip lists {} out of order, or in the same place as another member.",
                shown(&entry.name)
            );
            return Err(refusal("SER-HEADER-DAMAGED", &entry.name, what, REMAKE).into());
        }
        above = Some(entry.offset);
        survey.bytes = survey.bytes.saturating_add(entry.plain).saturating_add(512);
        if let Some(finding) = entry.refused()
            && survey.refused.len() < FINDINGS_MAX
        {
            survey.refused.push(finding);
        }
    }
    Ok(survey)
}

/// Reads one member and writes it; `until` is where the next one starts.
/// `beside`: it is read, and left out of the tar.
fn member(
    feed: &mut Feed<'_>,
    sink: &mut Sink<'_>,
    entry: &Entry,
    until: u64,
    beside: bool,
) -> Result<(), Halt> {
    entry::compare_header(feed, entry)?;
    let room = until.saturating_sub(feed.place());
    if entry.packed > room {
        let what = format!(
            "{} is said to take {} bytes of the zip, but only {} are there for it.",
            shown(&entry.name),
            grouped(entry.packed),
            grouped(room)
        );
        return Err(refusal("SER-HEADER-DAMAGED", &entry.name, what, UPLOAD).into());
    }
    if beside {
        feed.skip(entry.packed)?;
    } else {
        write(feed, sink, entry).map_err(|error| blame(feed, sink, entry, &error))?;
    }
    entry::read_descriptor(feed, entry, until)?;
    if feed.place() < until {
        return Err(between(feed.place(), until).into());
    }
    Ok(())
}

/// Writes a member, and holds its bytes against their length and checksum.
fn write(feed: &mut Feed<'_>, sink: &mut Sink<'_>, entry: &Entry) -> io::Result<()> {
    let mut stretch = feed.by_ref().take(entry.packed);
    let crc = {
        let read: Box<dyn Read + '_> = match entry.method {
            DEFLATED => Box::new(deflate::inflate(&mut stretch)),
            _ => Box::new(&mut stretch),
        };
        let mut summed = Summed { read, crc: crc32fast::Hasher::new() };
        let mut tar = TarWriter::new(sink, entry.mtime);
        if entry.is_folder() {
            tar.folder(&entry.name)?;
            // Some programs deflate nothing to two bytes.
            if summed.read(&mut [0])? > 0 {
                return Err(broken("a folder has no bytes".to_string()));
            }
        } else {
            tar.file(&entry.name, entry.plain, &mut summed)?;
        }
        summed.crc.finalize()
    };
    if stretch.limit() > 0 {
        return Err(broken(format!("{} bytes of it are left over", stretch.limit())));
    }
    if crc != entry.crc {
        return Err(broken(format!("its CRC-32 is {crc:08x}, the zip says {:08x}", entry.crc)));
    }
    Ok(())
}

/// An error that says itself what is wrong with a member.
fn broken(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn blame(feed: &mut Feed<'_>, sink: &mut Sink<'_>, entry: &Entry, error: &io::Error) -> Halt {
    let damaged = || {
        let what = format!("{} is damaged in the zip: {error}.", shown(&entry.name));
        refusal("SER-HEADER-DAMAGED", &entry.name, what, UPLOAD).into()
    };
    feed.failed().or_else(|| sink.failed()).unwrap_or_else(damaged)
}

/// What macOS puts beside the folder that it packs: nothing of the bag.
fn is_of_macos(name: &[u8]) -> bool {
    name.starts_with(b"__MACOSX/")
}

fn of_macos(name: &[u8]) -> Finding {
    let what = "`__MACOSX` beside the bag is what macOS adds to a zip; it is passed over.".to_string();
    let advice = "Nothing to do; a plain tar made with COPYFILE_DISABLE=1 would not have it.";
    Finding::new("SER-APPLEDOUBLE", Severity::Warning, name, what).advice(advice)
}

fn between(from: u64, to: u64) -> Finding {
    let what = format!(
        "In the zip lie {} bytes, from byte {}, that its directory does not name.",
        grouped(to - from),
        grouped(from)
    );
    refusal("SER-HIDDEN-MEMBERS", b"", what, REMAKE)
}

/// Sums what passes through.
struct Summed<'r> {
    read: Box<dyn Read + 'r>,
    crc: crc32fast::Hasher,
}

impl Read for Summed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.read.read(buf)?;
        self.crc.update(&buf[..got]);
        Ok(got)
    }
}
