//! The pass over the headers.

use super::caught::{Caught, about, grouped};
use super::extension::{Fault, Pending, read_exact_at, read_gnu, read_pax};
use super::header::{BLOCK, Header, Kind, format, is_zero, parse};
use super::names::{Top, clean, kept};
use super::twins::{Named, Twins};
use super::{IndexError, Indexed, Limits, end};
use crate::model::fact::{BagPath, Member};
use crate::model::finding::{Finding, Severity, escape};
use crate::rules::packed::{Container, refused_by_name};
use crate::rules::read::ReadAt;
use crate::rules::sort::{Scratch, Sorter};
use std::io;

/// Why the pass stopped without a verdict.
pub enum Stop {
    /// The tar could not be read.
    Read {
        /// Where.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
    /// The scratch place failed.
    Scratch(io::Error),
}

/// One pass: what it collects.
pub struct Survey<'a> {
    limits: &'a Limits,
    caught: Caught,
    top: Top,
    members: Sorter<'a>,
    twins: Twins<'a>,
    found: Indexed,
    number: u64,
    seen: u64,
}

/// Whether the pass can go on behind what was just read.
enum Then {
    /// The next header starts here.
    At(u64),
    /// Nothing more can be read with sense.
    Enough,
}

impl<'a> Survey<'a> {
    /// An empty survey.
    pub fn new(limits: &'a Limits, scratch: &'a dyn Scratch) -> Survey<'a> {
        Survey {
            limits,
            caught: Caught::new(limits.findings),
            top: Top::default(),
            members: Sorter::new(scratch, limits.sort_bytes),
            twins: Twins::new(scratch, limits.sort_bytes),
            found: Indexed::default(),
            number: 0,
            seen: 0,
        }
    }

    /// Reads all headers and what lies behind the end.
    pub fn run(&mut self, tar: &dyn ReadAt) -> Result<(), Stop> {
        let mut blocks = Blocks { tar, at: 0, bytes: Vec::new() };
        let mut pending = Pending::default();
        let mut at = 0;
        loop {
            let Some(block) = blocks.get(at)? else {
                self.cut_off(&mut blocks, at, &pending)?;
                break;
            };
            if is_zero(block) {
                end::judge(tar, at, self.seen == 0, &mut self.caught)?;
                break;
            }
            let Some(header) = parse(block) else {
                let first = *block;
                self.damaged(at, &first);
                break;
            };
            self.found.formats.insert(format(block));
            match self.member(tar, at, header, &mut pending)? {
                Then::At(next) => at = next,
                Then::Enough => return self.close(tar),
            }
        }
        if pending.waits() {
            let what = "An extension header at the end of the tar has no member.";
            self.refuse("SER-EXT-HEADER", b"", what.into(), REMAKE);
        }
        if self.seen > 0 {
            self.top.judge(&mut self.caught);
        }
        self.close(tar)
    }

    fn close(&mut self, tar: &dyn ReadAt) -> Result<(), Stop> {
        self.twins.judge(tar, &mut self.caught)
    }

    fn refuse(&mut self, code: &str, name: &[u8], what: String, advice: &str) {
        let name =
            self.top.folder().and_then(|top| name.strip_prefix(top)?.strip_prefix(b"/")).unwrap_or(name);
        self.caught.push(about(code, Severity::Error, kept(name), what).advice(advice));
    }

    /// The tar ends here without its end mark.
    fn cut_off(&mut self, blocks: &mut Blocks<'_>, at: u64, pending: &Pending) -> Result<(), Stop> {
        let rest = blocks.rest(at)?;
        if self.seen == 0 && is_zero(&rest) && !pending.waits() {
            let what = "The tar is empty.".to_string();
            self.refuse("SER-EMPTY", b"", what, "Upload it again; look into it before you send it.");
        } else if self.seen == 0 {
            self.damaged(at, &rest);
        } else if !is_zero(&rest) {
            let what = format!(
                "The tar ends inside the header at byte {}: {} of {BLOCK} bytes are there.",
                grouped(at),
                rest.len()
            );
            self.refuse("SER-TRUNCATED", b"", what, UPLOAD);
        } else {
            end::no_end(&mut self.caught);
        }
        Ok(())
    }

    /// There is no header where one must be.
    fn damaged(&mut self, at: u64, block: &[u8]) {
        if at > 0 {
            let what = format!("The header at byte {} is damaged: its checksum is wrong.", grouped(at));
            return self.refuse("SER-HEADER-DAMAGED", b"", what, UPLOAD);
        }
        let container = Container::of(block);
        if container != Container::Plain {
            return self.caught.push(refused_by_name(container));
        }
        let what = "The deposit is not a tar: it does not start with a tar header.".to_string();
        self.refuse("SER-NOT-TAR", b"", what, "Send the bag as a tar: tar -cf NAME.tar NAME.");
    }

    /// One header, be it of a member or an extension.
    fn member(
        &mut self,
        tar: &dyn ReadAt,
        at: u64,
        mut header: Header,
        pending: &mut Pending,
    ) -> Result<Then, Stop> {
        self.seen += 1;
        if self.seen > self.limits.members.saturating_mul(4) {
            let what = format!("The tar has more than {} headers.", grouped(self.limits.members * 4));
            self.refuse("SER-LIMIT", b"", what, "Split the deposit into several bags.");
            return Ok(Then::Enough);
        }
        let extension = header.kind.speaks_for_others();
        let spoken = if extension { Pending::default() } else { std::mem::take(pending) };
        if let Some(path) = &spoken.path {
            header.name = path.clone();
        }
        let shown = escape(&header.name[..header.name.len().min(300)]);
        // A pax size counts, but a header whose own size is no number is damaged.
        let Some(size) = header.size.map(|size| spoken.size.unwrap_or(size)) else {
            let what = format!("The size of `{shown}` is no number that a size can be.");
            self.refuse("SER-HEADER-DAMAGED", &header.name, what, UPLOAD);
            return Ok(Then::Enough);
        };
        let data = at + BLOCK as u64;
        if extension && size > self.limits.extension_bytes {
            let what =
                format!("The extension header at byte {} claims {} bytes.", grouped(at), grouped(size));
            self.refuse("SER-EXT-HEADER", b"", what, REMAKE);
            return Ok(Then::Enough);
        }
        let there = tar.size().saturating_sub(data);
        if size > there {
            let inside = if extension { "an extension header".to_string() } else { format!("`{shown}`") };
            let what = format!(
                "The tar ends inside {inside}: {} of {} bytes are there.",
                grouped(there),
                grouped(size)
            );
            self.refuse("SER-TRUNCATED", &header.name, what, UPLOAD);
            return Ok(Then::Enough);
        }
        if extension {
            return self.extension(tar, at, size, header.kind, pending);
        }
        if self.take(header, spoken, data, size)? {
            return Ok(Then::Enough);
        }
        Ok(Then::At(padded(data, size)))
    }

    fn extension(
        &mut self,
        tar: &dyn ReadAt,
        at: u64,
        size: u64,
        kind: Kind,
        pending: &mut Pending,
    ) -> Result<Then, Stop> {
        let data = at + BLOCK as u64;
        let read = match kind {
            Kind::Pax | Kind::PaxGlobal => {
                let global = kind == Kind::PaxGlobal;
                if pending.pax && !global {
                    Ok(Err(Fault::Broken("the one before it spoke for the same member".into())))
                } else {
                    pending.pax |= !global;
                    read_pax(tar, data, size, global, self.limits, pending)
                }
            }
            _ => {
                pending.gnu = true;
                read_gnu(tar, data, size, kind == Kind::LongName, self.limits, pending)
            }
        };
        let broken = match read.map_err(|error| Stop::Read { offset: data, error })? {
            Ok(()) if pending.pax && pending.gnu => {
                Fault::Lost("pax and GNU headers both speak for one member".into())
            }
            Ok(()) => return Ok(Then::At(padded(data, size))),
            Err(fault) => fault,
        };
        let (code, why, lost) = match &broken {
            Fault::Broken(why) => ("SER-EXT-HEADER", why, false),
            Fault::Lost(why) => ("SER-EXT-HEADER", why, true),
            Fault::TooMuch(why) => ("SER-LIMIT", why, false),
        };
        let what = format!("The extension header at byte {} is refused: {why}.", grouped(at));
        self.refuse(code, b"", what, REMAKE);
        Ok(if lost { Then::Enough } else { Then::At(padded(data, size)) })
    }

    /// A real member with all that is known of it. True when nothing behind it can be read with sense.
    fn take(&mut self, header: Header, spoken: Pending, data: u64, size: u64) -> Result<bool, Stop> {
        let shown = escape(&header.name[..header.name.len().min(300)]);
        let is_folder =
            header.kind == Kind::Folder || (header.kind == Kind::File && header.name.ends_with(b"/"));
        let link = spoken.link.as_ref().unwrap_or(&header.link);
        if let Some((code, what, advice)) = refused_kind(header.kind, spoken.sparse, &shown, link) {
            self.refuse(code, &header.name, what, advice);
            if header.map_goes_on {
                return Ok(true);
            }
            // Whether a link's size counts bytes behind it differs between writers.
            return Ok(size > 0 && matches!(header.kind, Kind::HardLink | Kind::Symlink | Kind::Special(_)));
        }
        if header.kind == Kind::VolumeLabel {
            let what = format!("The tar has a volume label, `{shown}`; it is passed over.");
            self.caught.push(
                about("SER-EXT-HEADER", Severity::Warning, b"", what)
                    .advice("Nothing to do; to leave it out, make the tar without --label."),
            );
            return Ok(false);
        }
        if is_folder && size > 0 {
            let what = format!("The folder `{shown}` is said to have {} bytes.", grouped(size));
            self.refuse("SER-HEADER-DAMAGED", &header.name, what, REMAKE);
            return Ok(true);
        }
        let path = match clean(&header.name, self.limits) {
            Ok(path) if path.is_empty() && is_folder => return Ok(false),
            Ok(path) if path.is_empty() => {
                self.refuse("SER-PATH-ESCAPES", b"", "A member has no name.".into(), REMAKE);
                return Ok(false);
            }
            Ok(path) => path,
            Err(finding) => {
                self.caught.push(*finding);
                return Ok(false);
            }
        };
        let Some(below) = self.top.below(&path, is_folder, &mut self.caught) else { return Ok(false) };
        let below = BagPath(below.to_vec());
        let mtime = spoken.mtime.unwrap_or(header.mtime);
        self.keep(below, is_folder, Member { offset: data, size, mtime, ..Member::default() })?;
        Ok(false)
    }

    /// Notes a clean path below the top-level folder.
    pub fn keep(&mut self, path: BagPath, is_folder: bool, mut member: Member) -> Result<(), Stop> {
        if path.0.is_empty() {
            return Ok(());
        }
        self.found.payload_folder |= path.is_payload() || (is_folder && path.0 == b"data");
        let named = if is_folder {
            Named::Folder
        } else {
            Named::File { number: self.number, offset: member.offset, size: member.size }
        };
        self.twins.push(&path.0, named).map_err(Stop::Scratch)?;
        if is_folder {
            return Ok(());
        }
        if self.number >= self.limits.members {
            if self.number == self.limits.members {
                // Our limit, and no fault of the bag's.
                let what = format!(
                    "The deposit has more than {} files, which is the most that is taken here.",
                    grouped(self.limits.members)
                );
                let advice = "Nothing is wrong with the bag: ask for a higher limit, or split it.";
                self.refuse("ENV-LIMIT", b"", what, advice);
            }
            return Ok(());
        }
        member.number = self.number;
        member.path = path;
        self.number += 1;
        let row = serde_json::to_vec(&member).map_err(|error| Stop::Scratch(error.into()))?;
        self.members.push(member.number.to_be_bytes().to_vec(), row).map_err(Stop::Scratch)
    }

    /// Notes a finding.
    pub fn catch(&mut self, finding: Finding) {
        self.caught.push(finding);
    }

    /// Looks for names that clash, when there is no tar to compare bytes in.
    pub fn close_folder(&mut self) -> Result<(), Stop> {
        self.close(&Vec::new())
    }

    /// Gives the members, or the refusals.
    pub fn give<E>(self, each: &mut dyn FnMut(Member) -> Result<(), E>) -> Result<Indexed, IndexError<E>> {
        if self.caught.refused() {
            return Err(IndexError::Refused(self.caught.into_findings()));
        }
        let mut found = self.found;
        found.top = self.top.folder().map(escape).unwrap_or_default();
        let repeats = self.twins.into_repeats();
        for row in self.members.finish().map_err(IndexError::Scratch)? {
            let (_, row) = row.map_err(IndexError::Scratch)?;
            let mut member: Member =
                serde_json::from_slice(&row).map_err(|error| IndexError::Scratch(error.into()))?;
            if repeats.contains(&member.number) {
                continue;
            }
            member.number = found.files;
            found.files += 1;
            found.bytes += member.size;
            each(member).map_err(IndexError::Each)?;
        }
        found.findings = self.caught.into_findings();
        Ok(found)
    }
}

const UPLOAD: &str = "Upload it again; the file on your side is probably whole.";
const REMAKE: &str = "Make the tar again with a current tar program.";

fn padded(data: u64, size: u64) -> u64 {
    data + size.div_ceil(BLOCK as u64) * BLOCK as u64
}

/// Code, sentence and advice for kinds that no bag may hold.
fn refused_kind(
    kind: Kind,
    sparse: bool,
    shown: &str,
    link: &[u8],
) -> Option<(&'static str, String, &'static str)> {
    let target = escape(&link[..link.len().min(300)]);
    const LINKS: &str = "Bags hold only files and folders: put a copy there or leave it out (tar --hard-dereference --dereference stores what links point to).";
    const FILES: &str = "Bags hold only files and folders: leave it out.";
    match kind {
        Kind::HardLink => Some(("SER-LINK", format!("`{shown}` is a hard link to `{target}`."), LINKS)),
        Kind::Symlink => Some(("SER-LINK", format!("`{shown}` is a symbolic link to `{target}`."), LINKS)),
        Kind::Special(what) => Some(("SER-SPECIAL-FILE", format!("`{shown}` is {what}."), FILES)),
        Kind::Unknown(flag) => {
            let what = format!("`{shown}` is a member of the unknown type `{}`.", escape(&[flag]));
            Some(("SER-SPECIAL-FILE", what, REMAKE))
        }
        Kind::Sparse => Some(sparse_refused(shown)),
        _ if sparse => Some(sparse_refused(shown)),
        _ => None,
    }
}

fn sparse_refused(shown: &str) -> (&'static str, String, &'static str) {
    (
        "SER-SPARSE",
        format!("`{shown}` is stored as a sparse file."),
        "Make the tar again without --sparse (-S).",
    )
}

/// Header blocks through a window, so that small members cost less than one read each.
struct Blocks<'a> {
    tar: &'a dyn ReadAt,
    at: u64,
    bytes: Vec<u8>,
}

/// Bytes read at once. Larger ones would read the files themselves for nothing.
const WINDOW: u64 = 16 << 10;

impl Blocks<'_> {
    /// The block at `at`, or `None` when the tar ends before its end.
    fn get(&mut self, at: u64) -> Result<Option<&[u8; BLOCK]>, Stop> {
        if at.saturating_add(BLOCK as u64) > self.tar.size() {
            return Ok(None);
        }
        let end = self.at + self.bytes.len() as u64;
        if at < self.at || at + BLOCK as u64 > end {
            let size = WINDOW.min(self.tar.size() - at);
            self.bytes.resize(size as usize, 0);
            read_exact_at(self.tar, &mut self.bytes, at).map_err(|error| Stop::Read { offset: at, error })?;
            self.at = at;
        }
        let start = (at - self.at) as usize;
        Ok(self.bytes[start..start + BLOCK].first_chunk::<BLOCK>())
    }

    /// What lies between `at` and the end of the tar: less than a block.
    fn rest(&mut self, at: u64) -> Result<Vec<u8>, Stop> {
        let mut rest = vec![0; self.tar.size().saturating_sub(at).min(BLOCK as u64) as usize];
        read_exact_at(self.tar, &mut rest, at).map_err(|error| Stop::Read { offset: at, error })?;
        Ok(rest)
    }
}
