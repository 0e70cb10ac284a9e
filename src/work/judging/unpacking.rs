//! A packed bag is unpacked to an unnamed temporary file before it is judged.
//!
//! - What it is, its first bytes say. A bag whose own name says that it is packed was packed knowingly; one that is called
//!   .tar and is something else is refused, unless it is asked for.
//! - The temporary file never takes the last space of its disk, and bytes out are capped by a ratio to the bytes in.

use super::Stop;
use crate::model::finding::{Finding, Severity};
use crate::rules::packed::{Caps, Container, PackedError, refused_by_name, sniff, unpack};
use crate::rules::read::ReadAt;
use crate::worlds::beneath::Pread;
use crate::worlds::temporary::unnamed;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// How the free space of the scratch folder is treated.
const LOOK_EVERY: u64 = 16 << 20;

/// Bytes that stay free on the disk of the scratch folder, beside a hundredth of it.
const KEPT_FREE: u64 = 64 << 20;

/// Suffixes of names that say what is in the file.
const SUFFIXES: [(Container, &[&str]); 4] = [
    (Container::Gzip, &[".tar.gz", ".tgz", ".gz"]),
    (Container::Bzip2, &[".tar.bz2", ".tbz2", ".tbz", ".bz2"]),
    (Container::Zstd, &[".tar.zst", ".tzst", ".zst"]),
    (Container::Zip, &[".zip"]),
];

/// What came out of a deposit.
pub enum Found {
    /// It is a plain tar, or nothing that we know: the tar's reader says what is wrong with it.
    Plain,
    /// The tar that was in it, and what is remarkable.
    Tar(Box<dyn ReadAt>, Container, Vec<Finding>),
    /// It is refused.
    Refused(Vec<Finding>),
}

/// Unpacks a deposit that is packed, when its name says so or when `asked`.
pub fn plain(deposit: &dyn ReadAt, name: &[u8], asked: bool, scratch: &Path) -> Result<Found, Stop> {
    let container = sniff(deposit).map_err(Stop::Io)?;
    if container == Container::Plain {
        return Ok(Found::Plain);
    }
    if !Container::READ.contains(&container) {
        return Ok(Found::Refused(vec![refused_by_name(container)]));
    }
    if !asked && !is_named(name, container) {
        let mut finding = refused_by_name(container);
        finding.advice.push_str(" To look into it as it is: --unpack.");
        return Ok(Found::Refused(vec![finding]));
    }
    let file = unnamed(scratch).map_err(Stop::Scratch)?;
    let mut out = BufWriter::with_capacity(256 << 10, Guarded { file, since: LOOK_EVERY });
    let unpacked = unpack(deposit, container, &Caps::default(), &mut out, &mut |_| Ok(()));
    let unpacked = match unpacked {
        Ok(unpacked) => unpacked,
        Err(PackedError::Refused(findings)) => return Ok(Found::Refused(findings)),
        Err(PackedError::Taker(error)) => return Err(Stop::Scratch(error)),
        Err(PackedError::Read { offset, error }) => {
            return Err(Stop::Io(io::Error::new(error.kind(), format!("at byte {offset}: {error}"))));
        }
    };
    let file = out.into_inner().map_err(|error| Stop::Scratch(error.into_error()))?.file;
    let mut findings = unpacked.findings;
    findings.push(told(container));
    let tar = Pread::new(file.into()).map_err(Stop::Scratch)?;
    Ok(Found::Tar(Box::new(tar), container, findings))
}

/// The name says that it is packed so.
fn is_named(name: &[u8], container: Container) -> bool {
    let lower = name.to_ascii_lowercase();
    let of = SUFFIXES.iter().find(|(known, _)| *known == container);
    of.is_some_and(|(_, suffixes)| suffixes.iter().any(|suffix| lower.ends_with(suffix.as_bytes())))
}

fn told(container: Container) -> Finding {
    let what = format!("The bag is {}; it was unpacked to be judged.", container.described());
    Finding::new("SER-COMPRESSED", Severity::Note, "", what)
        .advice("Ask whether your repository takes packed bags; a plain tar is taken everywhere.")
}

/// A file that stops growing before its disk is full.
struct Guarded {
    file: File,
    since: u64,
}

impl Write for Guarded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.since >= LOOK_EVERY {
            self.since = 0;
            let found = rustix::fs::fstatvfs(&self.file)?;
            let (free, all) = (found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize);
            if free < KEPT_FREE + LOOK_EVERY + all / 100 {
                let why = "the disk of the folder for temporary files is nearly full";
                return Err(io::Error::new(io::ErrorKind::StorageFull, why));
            }
        }
        let count = self.file.write(bytes)?;
        self.since += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn look(bytes: &[u8], name: &str, asked: bool) -> Found {
        plain(&bytes.to_vec(), name.as_bytes(), asked, &std::env::temp_dir()).unwrap()
    }

    #[test]
    fn a_bag_is_unpacked_when_its_name_or_its_user_says_so() {
        let packed = gzip(b"a tar, or so");
        for (name, asked) in [("bag.tar.gz", false), ("BAG.TGZ", false), ("bag.tar", true)] {
            let Found::Tar(tar, container, findings) = look(&packed, name, asked) else {
                panic!("{name} is refused")
            };
            let mut text = String::new();
            crate::rules::read::Slice::whole(&*tar).read_to_string(&mut text).unwrap();
            assert_eq!((text.as_str(), container.media()), ("a tar, or so", "application/gzip"));
            assert_eq!(findings[0].code, "SER-COMPRESSED");
            assert_eq!(findings[0].severity, Severity::Note);
        }
        for name in ["bag.tar", "bag.zip", "bag"] {
            let Found::Refused(findings) = look(&packed, name, false) else { panic!("{name} is taken") };
            assert_eq!(
                (findings[0].code.as_str(), findings[0].severity),
                ("SER-COMPRESSED", Severity::Error)
            );
        }
        assert!(matches!(look(b"anything", "bag.tar.gz", false), Found::Plain));
    }

    #[test]
    fn what_ends_early_is_refused() {
        let packed = gzip(&[7; 5_000]);
        assert!(matches!(look(&packed[..packed.len() - 4], "bag.tgz", false), Found::Refused(_)));
    }
}
