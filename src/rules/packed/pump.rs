//! Bytes of a deposit in, bytes of a tar out, and who is to blame when they stop.
//!
//! - Decoders pass on whatever error comes up from below. So the feed keeps its own errors, and the sink its own: what is
//!   left is the deposit's fault.

use super::container::SNIFF;
use super::{Container, UPLOAD, refusal};
use crate::model::finding::{Finding, Severity};
use crate::rules::read::ReadAt;
use crate::rules::tar::grouped;
use std::io::{self, BufRead, Read, Write};

/// Why the work stopped.
pub enum Halt {
    /// The deposit must be refused.
    Refused(Vec<Finding>),
    /// The deposit could not be read.
    Read {
        /// Where.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
    /// Whoever takes the bytes stopped.
    Taker(io::Error),
    /// More bytes come out than are allowed.
    Over,
}

impl From<Finding> for Halt {
    fn from(finding: Finding) -> Halt {
        Halt::Refused(vec![finding])
    }
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// Compressed streams, or members.
    pub parts: u64,
    /// Warnings.
    pub findings: Vec<Finding>,
}

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// The deposit, read once from front to back.
pub struct Feed<'a> {
    from: &'a dyn ReadAt,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
    progress: Option<&'a mut dyn FnMut(u64) -> io::Result<()>>,
    failed: Option<Halt>,
    dry: bool,
}

impl<'a> Feed<'a> {
    /// The bytes before `end`.
    pub fn new(
        from: &'a dyn ReadAt,
        end: u64,
        progress: &'a mut dyn FnMut(u64) -> io::Result<()>,
    ) -> Feed<'a> {
        Feed { progress: Some(progress), ..Feed::between(from, 0, end) }
    }

    /// A stretch of the deposit, read beside the pass that is told as progress.
    pub fn between(from: &'a dyn ReadAt, start: u64, end: u64) -> Feed<'a> {
        Feed { from, at: start, end, buffer: Vec::new(), used: 0, progress: None, failed: None, dry: false }
    }

    /// True when more was asked for than there is.
    pub fn is_dry(&self) -> bool {
        self.dry
    }

    /// What lies at `end` and behind it is not read.
    pub fn end_at(&mut self, end: u64) {
        self.end = end;
    }

    /// The next byte that will be read.
    pub fn place(&self) -> u64 {
        self.at - (self.buffer.len() - self.used) as u64
    }

    /// Up to `want` bytes without taking them; fewer only at the end. `want` is far below a chunk.
    pub fn peek(&mut self, want: usize) -> Result<&[u8], Halt> {
        while self.buffer.len() - self.used < want && self.at < self.end {
            self.fill().map_err(|error| self.blame(error))?;
        }
        let have = (self.buffer.len() - self.used).min(want);
        Ok(&self.buffer[self.used..self.used + have])
    }

    /// Exactly so many bytes.
    pub fn take_bytes(&mut self, count: usize) -> Result<Vec<u8>, Halt> {
        let mut bytes = vec![0; count];
        match self.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(self.blame(error)),
        }
    }

    /// Passes over bytes.
    pub fn skip(&mut self, mut count: u64) -> Result<(), Halt> {
        while count > 0 {
            let here = match self.fill_buf() {
                Ok(here) => here.len(),
                Err(error) => return Err(self.blame(error)),
            };
            if here == 0 {
                return Err(self.cut_short());
            }
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(here);
            self.consume(step);
            count -= step as u64;
        }
        Ok(())
    }

    /// True when nothing but zeros is left; reads to the end.
    pub fn only_zeros_left(&mut self) -> Result<bool, Halt> {
        loop {
            let (here, zeros) = match self.fill_buf() {
                Ok(here) => (here.len(), here.iter().all(|byte| *byte == 0)),
                Err(error) => return Err(self.blame(error)),
            };
            if here == 0 || !zeros {
                return Ok(zeros);
            }
            self.consume(here);
        }
    }

    /// Why it stopped, when it did.
    pub fn failed(&mut self) -> Option<Halt> {
        self.failed.take()
    }

    /// Who is to blame for an error that came up through a decoder: the disk or the taker, when they failed; else the
    /// deposit, which is cut short or damaged.
    pub fn blame(&mut self, error: io::Error) -> Halt {
        if let Some(halt) = self.failed.take() {
            return halt;
        }
        if self.dry {
            return self.cut_short();
        }
        let what = format!("The compressed data is damaged before byte {}: {error}.", grouped(self.place()));
        refusal("SER-HEADER-DAMAGED", b"", what, UPLOAD).into()
    }

    /// The deposit ends before it should.
    pub fn cut_short(&self) -> Halt {
        let what = format!(
            "The deposit ends in the middle of its compressed data: all of its {} bytes were read, and more must follow.",
            grouped(self.end)
        );
        refusal("SER-TRUNCATED", b"", what, UPLOAD).into()
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let had = self.buffer.len();
        let want = CHUNK.min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        if want == 0 {
            self.dry = true;
            return Ok(());
        }
        self.buffer.resize(had + want, 0);
        let got = loop {
            match self.from.read_at(&mut self.buffer[had..], self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) => {
                    let why = "it became shorter while it was read";
                    break Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
                other => break other,
            }
        };
        self.buffer.truncate(had + got.as_ref().copied().unwrap_or(0));
        let got = match got {
            Ok(got) => got,
            Err(error) => {
                let again = io::Error::new(error.kind(), "the deposit could not be read");
                self.failed = Some(Halt::Read { offset: self.at, error });
                return Err(again);
            }
        };
        self.at += got as u64;
        let Some(progress) = &mut self.progress else { return Ok(()) };
        progress(got as u64).map_err(|error| {
            let again = io::Error::new(error.kind(), "stopped");
            self.failed = Some(Halt::Taker(error));
            again
        })
    }
}

impl Read for Feed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let here = self.fill_buf()?;
        let count = here.len().min(buf.len());
        buf[..count].copy_from_slice(&here[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Feed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.buffer.len() {
            self.fill()?;
        }
        Ok(&self.buffer[self.used..])
    }

    fn consume(&mut self, count: usize) {
        self.used = (self.used + count).min(self.buffer.len());
    }
}

/// The tar that comes out.
pub struct Sink<'a> {
    out: &'a mut dyn Write,
    written: u64,
    allowed: u64,
    first: Vec<u8>,
    failed: Option<Halt>,
}

impl<'a> Sink<'a> {
    /// Takes up to `allowed` bytes.
    pub fn new(out: &'a mut dyn Write, allowed: u64) -> Sink<'a> {
        Sink { out, written: 0, allowed, first: Vec::with_capacity(SNIFF), failed: None }
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that may come out in all.
    pub fn allowed(&self) -> u64 {
        self.allowed
    }

    /// Why it stopped, when it did.
    pub fn failed(&mut self) -> Option<Halt> {
        self.failed.take()
    }

    /// What came out, when that is packed, too.
    pub fn packed_again(&self) -> Option<Container> {
        Some(Container::of(&self.first)).filter(|container| *container != Container::Plain)
    }

    /// Takes all that a decoder gives; an error of the decoder is handed back apart from our own.
    pub fn pour(&mut self, decoder: &mut dyn Read) -> Result<u64, Poured> {
        let mut chunk = [0; 64 << 10];
        let before = self.written;
        loop {
            let got = match decoder.read(&mut chunk) {
                Ok(0) => return Ok(self.written - before),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Poured::Decoder(error)),
            };
            if let Err(error) = self.write_all(&chunk[..got]) {
                return Err(Poured::Halt(self.failed().unwrap_or(Halt::Taker(error))));
            }
        }
    }
}

/// Why not all was poured.
pub enum Poured {
    /// The decoder gave an error: the feed knows whose fault it is.
    Decoder(io::Error),
    /// The sink stopped.
    Halt(Halt),
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.allowed - self.written {
            self.failed = Some(Halt::Over);
            return Err(io::Error::other("too many bytes come out"));
        }
        if let Err(error) = self.out.write_all(bytes) {
            let again = io::Error::new(error.kind(), "the taker stopped");
            self.failed = Some(Halt::Taker(error));
            return Err(again);
        }
        let room = SNIFF - self.first.len();
        self.first.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Copies what is not packed.
pub fn copy(feed: &mut Feed<'_>, sink: &mut Sink<'_>) -> Result<Done, Halt> {
    match sink.pour(feed) {
        Ok(_) => Ok(Done { parts: 1, ..Done::default() }),
        Err(Poured::Halt(halt)) => Err(halt),
        Err(Poured::Decoder(error)) => Err(feed.blame(error)),
    }
}

/// One stream behind the other, as `part` decodes them, for as long as another one begins with `magic`.
pub fn each_stream(
    feed: &mut Feed<'_>,
    sink: &mut Sink<'_>,
    begins: &dyn Fn(&[u8]) -> bool,
    part: &mut dyn FnMut(&mut Feed<'_>, &mut Sink<'_>) -> Result<(), Halt>,
) -> Result<Done, Halt> {
    let mut done = Done::default();
    let parts_max = PARTS_FREE + feed.end / PART_BYTES;
    loop {
        let next = feed.peek(4)?;
        if next.is_empty() {
            return Ok(done);
        }
        if done.parts > 0 && !begins(next) {
            done.findings.extend(behind(feed)?);
            return Ok(done);
        }
        if done.parts == parts_max {
            let what = format!("The deposit consists of more than {} compressed pieces.", grouped(parts_max));
            let advice = "Compress it in one piece, or send a plain tar.";
            return Err(refusal("SER-LIMIT", b"", what, advice).into());
        }
        part(feed, sink)?;
        done.parts += 1;
    }
}

/// Starting a stream costs as much as decoding this many bytes, so there may be one for so many bytes, and some more.
const PART_BYTES: u64 = 1 << 10;
const PARTS_FREE: u64 = 10_000;

/// What lies behind the last stream.
fn behind(feed: &mut Feed<'_>) -> Result<Option<Finding>, Halt> {
    let from = feed.place();
    if feed.only_zeros_left()? {
        return Ok(None);
    }
    let what =
        format!("Behind the compressed data, from byte {}, lie bytes that belong to nothing.", grouped(from));
    let advice = "Nothing to do if the bag is as you made it; compressing it anew would leave them out.";
    Ok(Some(Finding::new("SER-TRAILING-DATA", Severity::Warning, "", what).advice(advice)))
}
