//! Deposits with one thing wrong: a sound bag from the project's own maker, changed by hand, as a folder or as a tar.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom::model::digest::{Algorithm, Digests};
use strongroom::model::finding::Finding;
use strongroom::rules::bagit::make::{self, Plan, Source, TarWriter};
use strongroom::rules::bagit::policy::Policy;
use strongroom::rules::digester::digest_reader;
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::Limits;
use strongroom::work::judging::pool::{Meter, Pool};
use strongroom::work::judging::{Judging, Outcome};

/// The name of every deposit, unless it is told otherwise.
pub const NAME: &str = "bag";

/// A bag in memory.
#[derive(Clone)]
pub struct Bag {
    /// Files by path.
    pub files: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Folders with nothing in them.
    pub empty: BTreeSet<String>,
    /// Symbolic links.
    pub links: BTreeMap<String, String>,
    /// The tag manifests stay as they are, whatever else changes.
    pub unsealed: bool,
}

/// A sound bag of two payload files.
pub fn bag() -> Bag {
    bag_of(&["a.txt", "sub/b.txt"], Algorithm::OURS[2..3].to_vec())
}

/// A sound bag of these payload files, with manifests by these algorithms.
pub fn bag_of(names: &[&str], algorithms: Vec<Algorithm>) -> Bag {
    let plan = Plan { algorithms, ..Plan::default() };
    let mut files = names.iter().map(|name| -> Source<'static> {
        let text = format!("this is {name}\n").into_bytes();
        (name.to_string(), text.len() as u64, Box::new(io::Cursor::new(text)))
    });
    let mut made = BTreeMap::new();
    let mut place = |path: &str, _: u64, read: &mut dyn Read| {
        let mut bytes = Vec::new();
        read.read_to_end(&mut bytes)?;
        made.insert(path.as_bytes().to_vec(), bytes);
        Ok(())
    };
    make::bag(&mut place, &mut files, &plan, &MemoryScratch::default()).unwrap();
    Bag { files: made, empty: BTreeSet::new(), links: BTreeMap::new(), unsealed: false }
}

pub fn digests(bytes: &[u8]) -> Digests {
    digest_reader(&mut &bytes[..], &Algorithm::ALL, &mut [0; 4096]).unwrap().1
}

pub const MANIFEST: &str = "manifest-sha256.txt";
pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
pub const INFO: &str = "bag-info.txt";

impl Bag {
    /// The text of a tag file.
    pub fn text(&self, path: &str) -> String {
        String::from_utf8(self.files[path.as_bytes()].clone()).unwrap()
    }

    pub fn put(mut self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Bag {
        self.files.insert(path.as_ref().to_vec(), bytes.as_ref().to_vec());
        self
    }

    pub fn remove(mut self, path: &str) -> Bag {
        self.files.remove(path.as_bytes()).unwrap();
        self
    }

    pub fn rename(mut self, from: &str, to: &str) -> Bag {
        let bytes = self.files.remove(from.as_bytes()).unwrap();
        self.put(to, bytes)
    }

    /// A text in a tag file becomes another one.
    pub fn change(self, path: &str, from: &str, to: &str) -> Bag {
        let text = self.text(path);
        assert!(text.contains(from), "{path} does not hold {from:?}: {text}");
        let text = text.replacen(from, to, 1);
        self.put(path, text)
    }

    pub fn append(self, path: &str, more: &str) -> Bag {
        let text = self.text(path) + more;
        self.put(path, text)
    }

    pub fn declare(self, version: &str) -> Bag {
        self.change("bagit.txt", "1.0", version)
    }

    /// The tag manifests stay as they are.
    pub fn unsealed(mut self) -> Bag {
        self.unsealed = true;
        self
    }

    /// An entry of the manifest for bytes, under whatever path.
    pub fn list(self, path: &str, bytes: &[u8]) -> Bag {
        let digest = digests(bytes).get(Algorithm::Sha256).unwrap().to_string();
        self.append(MANIFEST, &format!("{digest}  {path}\n"))
    }

    /// A payload file that is there and listed, with Payload-Oxum as it must be.
    pub fn add(self, path: &str, listed: &str) -> Bag {
        let bytes = b"one more\n";
        self.put(path, bytes).list(listed, bytes).count()
    }

    /// Payload-Oxum says what there is.
    pub fn count(self) -> Bag {
        let payload = self.files.iter().filter(|(path, _)| path.starts_with(b"data/"));
        let (files, bytes) = payload.fold((0, 0), |sum, (_, bytes)| (sum.0 + 1, sum.1 + bytes.len()));
        let info = self.text(INFO);
        let kept: String = info
            .lines()
            .filter(|line| !line.starts_with("Payload-Oxum"))
            .map(|line| format!("{line}\n"))
            .collect();
        self.put(INFO, format!("{kept}Payload-Oxum: {bytes}.{files}\n"))
    }

    /// The tag manifest lists every tag file as it is now.
    fn sealed(mut self) -> Bag {
        if self.unsealed || !self.files.contains_key(TAG_MANIFEST.as_bytes()) {
            return self;
        }
        let mut text = Vec::new();
        for (path, bytes) in &self.files {
            if path.starts_with(b"data/") || path.starts_with(b"tagmanifest-") {
                continue;
            }
            text.extend(digests(bytes).get(Algorithm::Sha256).unwrap().bytes());
            text.extend(b"  ");
            text.extend(path);
            text.push(b'\n');
        }
        self.files.insert(TAG_MANIFEST.into(), text);
        self
    }

    pub fn folder(self) -> Deposit {
        Deposit::Folder(self.sealed())
    }

    /// The bag as a tar, its members below `top` (with its slash, or nothing).
    pub fn members(self, tar: &mut Tar, top: &str) {
        for (path, bytes) in &self.sealed().files {
            tar.file(&[top.as_bytes(), path].concat(), bytes);
        }
    }

    pub fn tar(self) -> Tar {
        let mut tar = Tar::default();
        self.members(&mut tar, "bag/");
        tar
    }
}

/// A tar, member by member.
#[derive(Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn file(&mut self, name: &[u8], bytes: &[u8]) {
        self.raw(b'0', name, bytes);
    }

    /// Any member, also one that no honest tool makes.
    pub fn raw(&mut self, kind: u8, name: &[u8], bytes: &[u8]) {
        let mut header = tar::Header::new_ustar();
        let fields = header.as_ustar_mut().unwrap();
        let length = name.len().min(fields.name.len());
        fields.name[..length].copy_from_slice(&name[..length]);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        if kind == b'2' {
            header.set_link_name("elsewhere").unwrap();
        }
        header.set_cksum();
        if name.len() > 100 {
            let mut whole = Vec::new();
            let name = std::str::from_utf8(name).unwrap();
            TarWriter::new(&mut whole, 0).file(name, bytes.len() as u64, &mut &bytes[..]).unwrap();
            self.0.extend(whole);
            return;
        }
        self.0.extend(header.as_bytes());
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    pub fn deposit(self) -> Deposit {
        Deposit::File("bag.tar".into(), self.end())
    }
}

/// What is handed to the judge.
pub enum Deposit {
    Folder(Bag),
    File(String, Vec<u8>),
}

impl Deposit {
    /// Puts it on disk.
    pub fn place(&self, folder: &Path) -> PathBuf {
        match self {
            Deposit::File(name, bytes) => {
                let path = folder.join(name);
                fs::write(&path, bytes).unwrap();
                path
            }
            Deposit::Folder(bag) => {
                let root = folder.join(NAME);
                fs::create_dir(&root).unwrap();
                for (path, bytes) in &bag.files {
                    let path = root.join(std::ffi::OsStr::from_bytes(path));
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, bytes).unwrap();
                }
                bag.empty.iter().for_each(|path| fs::create_dir_all(root.join(path)).unwrap());
                for (path, target) in &bag.links {
                    std::os::unix::fs::symlink(target, root.join(path)).unwrap();
                }
                root
            }
        }
    }
}

/// Judges as `strongroom bag validate` does; `meanwhile` runs at each finding, while the bag is being judged.
pub fn judge_while(
    deposit: &Deposit,
    judging: &Judging,
    meanwhile: &dyn Fn(&Path),
) -> (Outcome, Vec<Finding>) {
    let place = tempfile::tempdir().unwrap();
    let path = deposit.place(place.path());
    let mut findings = Vec::new();
    let judged = judging.judge(&path, &mut |finding| {
        meanwhile(&path);
        findings.push(finding);
    });
    (judged.outcome, findings)
}

pub fn judging(policy: Policy, limits: Limits) -> Judging {
    Judging {
        policy,
        limits,
        unpack: false,
        scratch: std::env::temp_dir(),
        pool: Pool::start(1).unwrap(),
        meter: Arc::new(Meter::default()),
    }
}
