//! Making bags: BagIt 1.0, byte for byte the same for the same input; for fixtures, tests and measurements.
//!
//! - Files stream through; manifest lines wait in the external sorter, so memory grows neither with bytes nor with files.
//! - In a tar the manifests come behind the payload, because only then their digests are known.
//! - Damage is asked for by name; nothing else of the bag changes with it.

use crate::model::digest::{Algorithm, Digests};
use crate::model::finding::escape;
use crate::rules::digester::{Digester, digest_reader};
use crate::rules::sort::{Scratch, Sorted, Sorter};
use std::io::{self, Read, Write};

/// What kind of bag to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Payload manifests.
    pub algorithms: Vec<Algorithm>,
    /// Tag manifests; none when empty.
    pub tag_algorithms: Vec<Algorithm>,
    /// Elements of bag-info.txt before Payload-Oxum.
    pub info: Vec<(String, String)>,
    /// Modification time of every member (seconds since 1970).
    pub mtime: u64,
    /// What shall be wrong.
    pub damage: Vec<Damage>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            algorithms: vec![Algorithm::Sha256],
            tag_algorithms: vec![Algorithm::Sha256],
            info: vec![
                ("Source-Organization".into(), "Example Archive".into()),
                ("Bagging-Date".into(), "2024-05-17".into()),
            ],
            mtime: 1_715_904_000,
            damage: Vec::new(),
        }
    }
}

/// One thing that shall be wrong with the bag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Every manifest gives another digest for this path (`data/…` or a tag file).
    WrongDigest(String),
    /// This path is listed but not there.
    Missing(String),
    /// This path is there but not listed.
    Unlisted(String),
    /// Payload-Oxum counts one byte more than there is.
    WrongOxum,
}

/// A file to put into the bag: path below `data/`, bytes, and a reader that gives exactly as many.
pub type Source<'a> = (String, u64, Box<dyn Read + 'a>);

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Payload files.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// Memory for the lines of one manifest before they go to the scratch place.
const SORT_BYTES: usize = 8 << 20;

/// Makes a bag; `place` gets every file with its path relative to the bag, its size and its bytes, which it must read
/// to their end.
pub fn bag(
    place: &mut dyn FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
    files: &mut dyn Iterator<Item = Source<'_>>,
    plan: &Plan,
    scratch: &dyn Scratch,
) -> io::Result<Made> {
    let mut maker = Maker { place, plan, tag_files: Vec::new() };
    let mut manifests: Vec<Manifest<'_>> = plan
        .algorithms
        .iter()
        .map(|algorithm| Manifest { algorithm: *algorithm, size: 0, lines: Sorter::new(scratch, SORT_BYTES) })
        .collect();
    let mut made = Made { files: 0, bytes: 0 };
    for (name, size, mut read) in files {
        let path = format!("data/{name}");
        let digests = maker.payload(&path, size, &mut read)?;
        made.files += 1;
        made.bytes += size;
        if !plan.damage.contains(&Damage::Unlisted(path.clone())) {
            for manifest in &mut manifests {
                manifest.list(&path, &digests)?;
            }
        }
    }
    maker.tag_file("bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")?;
    maker.tag_file("bag-info.txt", bag_info(plan, made).as_bytes())?;
    for manifest in manifests {
        let name = format!("manifest-{}.txt", manifest.algorithm);
        let mut lines = Lines { rows: manifest.lines.finish()?, text: Vec::new(), at: 0 };
        maker.tag_stream(&name, manifest.size, &mut lines)?;
    }
    maker.tag_manifests()?;
    Ok(made)
}

/// Makes a bag and writes it as a tar with the single top-level folder `name`.
pub fn tar_bag(
    out: &mut dyn Write,
    name: &str,
    files: &mut dyn Iterator<Item = Source<'_>>,
    plan: &Plan,
    scratch: &dyn Scratch,
) -> io::Result<Made> {
    let mut tar = TarWriter::new(out, plan.mtime);
    tar.folder(format!("{name}/"))?;
    tar.folder(format!("{name}/data/"))?;
    let made =
        bag(&mut |path, size, read| tar.file(format!("{name}/{path}"), size, read), files, plan, scratch)?;
    tar.finish()?;
    Ok(made)
}

struct Maker<'a> {
    place: &'a mut dyn FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
    plan: &'a Plan,
    tag_files: Vec<(String, Digests)>,
}

impl Maker<'_> {
    fn damaged(&self, damage: Damage) -> bool {
        self.plan.damage.contains(&damage)
    }

    fn put(
        &mut self,
        path: &str,
        size: u64,
        read: &mut dyn Read,
        algorithms: &[Algorithm],
    ) -> io::Result<Digests> {
        let mut digests = if self.damaged(Damage::Missing(path.into())) {
            digest_reader(read, algorithms, &mut vec![0; 64 << 10])?.1
        } else {
            let mut tee = Tee { read, digester: Digester::new(algorithms) };
            (self.place)(path, size, &mut tee)?;
            tee.digester.finish()
        };
        if self.damaged(Damage::WrongDigest(path.into())) {
            for digest in digests.0.values_mut() {
                let other = if digest.starts_with('0') { "1" } else { "0" };
                digest.replace_range(..1, other);
            }
        }
        Ok(digests)
    }

    fn payload(&mut self, path: &str, size: u64, read: &mut dyn Read) -> io::Result<Digests> {
        let plan = self.plan;
        self.put(path, size, read, &plan.algorithms)
    }

    fn tag_file(&mut self, path: &str, mut bytes: &[u8]) -> io::Result<()> {
        self.tag_stream(path, bytes.len() as u64, &mut bytes)
    }

    fn tag_stream(&mut self, path: &str, size: u64, read: &mut dyn Read) -> io::Result<()> {
        let plan = self.plan;
        let digests = self.put(path, size, read, &plan.tag_algorithms)?;
        if !self.damaged(Damage::Unlisted(path.into())) {
            self.tag_files.push((path.to_string(), digests));
        }
        Ok(())
    }

    fn tag_manifests(&mut self) -> io::Result<()> {
        self.tag_files.sort_by(|a, b| a.0.cmp(&b.0));
        for algorithm in &self.plan.tag_algorithms {
            let mut text = String::new();
            for (path, digests) in &self.tag_files {
                text.push_str(&line(path, digests.get(*algorithm).unwrap_or_default()));
            }
            (self.place)(&format!("tagmanifest-{algorithm}.txt"), text.len() as u64, &mut text.as_bytes())?;
        }
        Ok(())
    }
}

fn bag_info(plan: &Plan, made: Made) -> String {
    let mut text = String::new();
    for (label, value) in &plan.info {
        text.push_str(&format!("{label}: {value}\n"));
    }
    let wrong = u64::from(plan.damage.contains(&Damage::WrongOxum));
    text.push_str(&format!("Payload-Oxum: {}.{}\n", made.bytes + wrong, made.files));
    text
}

fn line(path: &str, digest: &str) -> String {
    format!("{digest}  {}\n", encode(path))
}

/// A path as manifests of BagIt 1.0 write it.
pub fn encode(path: &str) -> String {
    path.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

struct Manifest<'a> {
    algorithm: Algorithm,
    size: u64,
    lines: Sorter<'a>,
}

impl Manifest<'_> {
    fn list(&mut self, path: &str, digests: &Digests) -> io::Result<()> {
        let text = line(path, digests.get(self.algorithm).unwrap_or_default());
        self.size += text.len() as u64;
        self.lines.push(path.as_bytes().to_vec(), text.into_bytes())
    }
}

/// Sorted lines as a reader.
struct Lines<'a> {
    rows: Sorted<'a>,
    text: Vec<u8>,
    at: usize,
}

impl Read for Lines<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.text.len() {
            self.at = 0;
            self.text.clear();
            match self.rows.next() {
                Some(row) => self.text = row?.1,
                None => return Ok(0),
            }
        }
        let count = buf.len().min(self.text.len() - self.at);
        buf[..count].copy_from_slice(&self.text[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Digests what passes through.
struct Tee<'a> {
    read: &'a mut dyn Read,
    digester: Digester,
}

impl Read for Tee<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(buf)?;
        self.digester.update(&buf[..count]);
        Ok(count)
    }
}

/// Writes a tar: ustar, with pax records where a name or size does not fit.
pub struct TarWriter<'a> {
    out: &'a mut dyn Write,
    mtime: u64,
}

const BLOCK: usize = 512;

impl<'a> TarWriter<'a> {
    /// A tar whose members all carry this modification time.
    pub fn new(out: &'a mut dyn Write, mtime: u64) -> TarWriter<'a> {
        TarWriter { out, mtime }
    }

    /// What is written from now on carries this modification time.
    pub fn set_mtime(&mut self, mtime: u64) {
        self.mtime = mtime;
    }

    /// Writes a folder; its name ends with `/`, and holds no NUL byte.
    pub fn folder(&mut self, name: impl AsRef<[u8]>) -> io::Result<()> {
        self.header(name.as_ref(), 0, tar::EntryType::Directory, None)
    }

    /// Writes a file of exactly `size` bytes; its name holds no NUL byte.
    pub fn file(&mut self, name: impl AsRef<[u8]>, size: u64, read: &mut dyn Read) -> io::Result<()> {
        let name = name.as_ref();
        self.header(name, size, tar::EntryType::Regular, None)?;
        let copied = io::copy(&mut read.take(size), self.out)?;
        if copied != size || read.read(&mut [0])? != 0 {
            let name = escape(name);
            return Err(io::Error::other(format!("{name} does not have the {size} bytes it should have")));
        }
        self.pad(size)
    }

    /// Writes only the head of a file; whoever writes its bytes fills them up to whole blocks.
    pub fn file_head(&mut self, name: impl AsRef<[u8]>, size: u64) -> io::Result<()> {
        self.header(name.as_ref(), size, tar::EntryType::Regular, None)
    }

    /// Writes a symbolic link: what no bag may hold, for fixtures.
    pub fn symlink(&mut self, name: &str, target: &str) -> io::Result<()> {
        self.header(name.as_bytes(), 0, tar::EntryType::Symlink, Some(target))
    }

    /// Writes the end mark.
    pub fn finish(self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK])
    }

    fn header(&mut self, name: &[u8], size: u64, kind: tar::EntryType, link: Option<&str>) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.mtime);
        if let Some(link) = link {
            header.set_link_name_literal(link)?;
        }
        let mut records = Vec::new();
        if !fit_name(&mut header, name) {
            records.extend(record("path", name));
        }
        // Eleven octal digits: larger sizes go into a pax record.
        const OCTAL_MAX: u64 = 0o77_777_777_777;
        header.set_size(size.min(OCTAL_MAX));
        if size > OCTAL_MAX {
            records.extend(record("size", size.to_string().as_bytes()));
        }
        if !records.is_empty() {
            let mut pax = tar::Header::new_ustar();
            pax.set_entry_type(tar::EntryType::XHeader);
            pax.set_mode(0o644);
            pax.set_mtime(self.mtime);
            pax.set_size(records.len() as u64);
            pax.set_path("PaxHeader")?;
            pax.set_cksum();
            self.out.write_all(pax.as_bytes())?;
            self.out.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = (size % BLOCK as u64) as usize;
        if over == 0 { Ok(()) } else { self.out.write_all(&[0; BLOCK][over..]) }
    }
}

/// Writes the name into the name and prefix fields as it stands; false (and a cut name) when it does not fit.
fn fit_name(header: &mut tar::Header, name: &[u8]) -> bool {
    let Some(fields) = header.as_ustar_mut() else { return false };
    if name.len() <= fields.name.len() {
        fields.name[..name.len()].copy_from_slice(name);
        return true;
    }
    let split = (1..name.len().saturating_sub(1)).find(|place| {
        name[*place] == b'/' && name.len() - place - 1 <= fields.name.len() && *place <= fields.prefix.len()
    });
    match split {
        Some(place) => {
            fields.prefix[..place].copy_from_slice(&name[..place]);
            fields.name[..name.len() - place - 1].copy_from_slice(&name[place + 1..]);
            true
        }
        None => {
            let length = fields.name.len();
            fields.name.copy_from_slice(&name[..length]);
            false
        }
    }
}

/// One pax record: its own length in front, which counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sort::MemoryScratch;

    fn files(names: &[(&str, &'static [u8])]) -> Vec<Source<'static>> {
        names
            .iter()
            .map(|(name, bytes)| (name.to_string(), bytes.len() as u64, Box::new(*bytes) as Box<dyn Read>))
            .collect()
    }

    #[test]
    fn a_bag_is_the_same_every_time_and_the_tar_crate_reads_it() {
        let long = "x/".repeat(90) + &"y".repeat(120);
        let make = || {
            let mut out = Vec::new();
            let mut files = files(&[("b%\n.txt", b"bee"), ("a.txt", b"")]);
            files.push((long.clone(), 2, Box::new(&b"zz"[..])));
            let plan = Plan { algorithms: vec![Algorithm::Md5, Algorithm::Sha512], ..Plan::default() };
            let made =
                tar_bag(&mut out, "bag", &mut files.into_iter(), &plan, &MemoryScratch::default()).unwrap();
            assert_eq!(made, Made { files: 3, bytes: 5 });
            out
        };
        let tar = make();
        assert_eq!(tar, make());
        let mut names = Vec::new();
        let mut archive = tar::Archive::new(&tar[..]);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = String::new();
            entry.read_to_string(&mut bytes).unwrap();
            let name = String::from_utf8(entry.path_bytes().to_vec()).unwrap();
            if name == "bag/manifest-md5.txt" {
                assert!(bytes.contains("  data/b%25%0A.txt\n"), "{bytes}");
            }
            names.push(name);
        }
        assert_eq!(names[..4], ["bag/", "bag/data/", "bag/data/b%\n.txt", "bag/data/a.txt"]);
        assert_eq!(names[4], format!("bag/data/{long}"));
        assert_eq!(names.last().unwrap(), "bag/tagmanifest-sha256.txt");
    }

    #[test]
    fn a_source_that_is_shorter_than_it_says_is_an_error() {
        let mut out = Vec::new();
        let mut files = vec![("a".to_string(), 9, Box::new(&b"four"[..]) as Box<dyn Read>)].into_iter();
        assert!(tar_bag(&mut out, "bag", &mut files, &Plan::default(), &MemoryScratch::default()).is_err());
    }
}
