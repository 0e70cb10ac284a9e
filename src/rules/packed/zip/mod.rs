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
use crate::model::finding::Finding;
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
        member(feed, sink, &entry, until)?;
        done.parts += 1;
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
        let what = format!(
            "The zip has {} members; at most {} are taken.",
            grouped(end.entries),
            grouped(caps.members)
        );
        return Err(refusal("SER-LIMIT", b"", what, "Split the deposit into several bags.").into());
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
fn member(feed: &mut Feed<'_>, sink: &mut Sink<'_>, entry: &Entry, until: u64) -> Result<(), Halt> {
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
    let written = if entry.is_folder() {
        TarWriter::new(sink, entry.mtime).folder(&entry.name)
    } else {
        file(feed, sink, entry)
    };
    written.map_err(|error| blame(feed, sink, entry, &error))?;
    entry::read_descriptor(feed, entry, until)?;
    if feed.place() < until {
        return Err(between(feed.place(), until).into());
    }
    Ok(())
}

fn file(feed: &mut Feed<'_>, sink: &mut Sink<'_>, entry: &Entry) -> io::Result<()> {
    let mut stretch = feed.by_ref().take(entry.packed);
    let crc = {
        let read: Box<dyn Read + '_> = match entry.method {
            DEFLATED => Box::new(deflate::inflate(&mut stretch)),
            _ => Box::new(&mut stretch),
        };
        let mut summed = Summed { read, crc: crc32fast::Hasher::new() };
        TarWriter::new(sink, entry.mtime).file(&entry.name, entry.plain, &mut summed)?;
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
