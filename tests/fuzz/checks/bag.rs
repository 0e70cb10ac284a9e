//! The whole judge over small bags: a sound bag is valid however it is written, a bag whose payload or tag files are not
//! what its manifests list is not, and nothing makes the judge panic or say other things for other reasons than the bag.

use super::draw::Draw;
use super::finding;
use std::collections::BTreeMap;
use std::convert::Infallible;
use strongroom::model::digest::Algorithm;
use strongroom::model::fact::{BagPath, Member};
use strongroom::model::finding::{Finding, Severity};
use strongroom::rules::bagit::policy::Policy;
use strongroom::rules::bagit::version::Version;
use strongroom::rules::bagit::{BagFacts, Verdict, algorithm_named_by, judge};
use strongroom::rules::digester::digest_reader;
use strongroom::rules::sort::MemoryScratch;
use strongroom::rules::tar::Limits;

type Files = BTreeMap<Vec<u8>, Vec<u8>>;

pub fn check(data: &[u8]) {
    let mut draw = Draw::new(data);
    let bag = Bag::draw(&mut draw);
    let verdict = bag.judged(bag.members(), &limits(), &Policy::default());
    assert_eq!(verdict.0.errors, 0, "a sound bag is refused: {:?}\n{}", verdict.1, shown(&bag.files));
    assert_eq!(verdict.0.version, Some(bag.version));
    let payload = || {
        bag.files.iter().filter(|(path, _)| path.starts_with(b"data/")).map(|(_, bytes)| bytes.len() as u64)
    };
    assert_eq!(
        (verdict.0.payload_files, verdict.0.payload_bytes),
        (payload().count() as u64, payload().sum())
    );
    let mut damaged = Bag { files: bag.files.clone(), ..bag };
    for _ in 0..1 + draw.below(4) {
        damaged.damage(&mut draw);
    }
    let (verdict, findings) = damaged.judge_in_every_way(draw.below(4) == 3);
    let must_fail = damaged.cannot_be_what_is_listed(&bag.files);
    assert!(verdict.errors > 0 || !must_fail, "damage was not seen: {findings:?}\n{}", shown(&damaged.files));
}

fn shown(files: &Files) -> String {
    let one =
        |(path, bytes): (&Vec<u8>, &Vec<u8>)| format!("{}: {}\n", path.escape_ascii(), bytes.escape_ascii());
    files.iter().map(one).collect()
}

/// Lines short enough that too long ones are met.
fn limits() -> Limits {
    Limits { line_bytes: 600, ..Limits::default() }
}

struct Bag {
    version: Version,
    files: Files,
}

/// Names that have met readers before, and pieces to make others of.
const PIECES: [&str; 32] = [
    "a",
    "A",
    "b",
    "\u{fc}",
    "u\u{308}",
    "%",
    "%25",
    "%0A",
    "%0d",
    "\n",
    "\r",
    " ",
    "*",
    "\\",
    "\"",
    "~",
    "C:",
    ".",
    "..",
    "._",
    "/",
    "//x",
    "con",
    "\u{7}",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "\u{202e}",
    "\u{1f5ff}",
    "data",
    "manifest-md5.txt",
    "\t",
];

const ALGORITHMS: [Algorithm; 4] = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];

/// Tag files that damage may bring in or take away.
const TAG_FILES: [&str; 12] = [
    "bagit.txt",
    "bag-info.txt",
    "package-info.txt",
    "fetch.txt",
    "manifest-md5.txt",
    "tagmanifest-md5.txt",
    "manifest-sha256.txt",
    "manifest-sha3512.txt",
    "tagmanifest-blake2b512.txt",
    "manifest-SHA-256.txt",
    "manifest-none.txt",
    "meta/notes.txt",
];

impl Bag {
    /// A bag without fault, written in one of the ways that its version allows.
    fn draw(draw: &mut Draw<'_>) -> Bag {
        let version = draw.one(&Version::ALL);
        let mut bag = Bag { version, files: Files::new() };
        for _ in 0..draw.below(6) {
            let mut name = String::from("data/");
            for _ in 0..1 + draw.below(5) {
                name.push_str(draw.one(&PIECES));
            }
            let bytes = draw.some();
            if bag.takes(&name) {
                bag.files.insert(name.into_bytes(), bytes.to_vec());
            }
        }
        let style = Style::draw(draw);
        bag.write(draw, &style);
        bag
    }

    /// True when a manifest of this version can list such a file beside those there are.
    fn takes(&self, name: &str) -> bool {
        let parts = name.split('/').all(|part| !part.is_empty() && part != "." && part.len() < 200);
        let outside = name.split(['/', '\\']).any(|part| part == "..");
        // Before RFC 8493 a percent sign stands for itself, so these names cannot be written.
        let upper = name.to_ascii_uppercase();
        let ambiguous = !self.version.is_rfc() && (upper.contains("%0A") || upper.contains("%0D"));
        let clash =
            |path: &[u8], other: &[u8]| path.strip_prefix(other).is_some_and(|rest| rest.starts_with(b"/"));
        let name = name.as_bytes();
        parts
            && !outside
            && !ambiguous
            && !self.files.keys().any(|path| clash(path, name) || clash(name, path))
    }

    fn write(&mut self, draw: &mut Draw<'_>, style: &Style) {
        let encoding = style.encoding;
        // Drafts had their own spacing; what all of them have in common is written.
        let end = style.end;
        let declaration =
            format!("BagIt-Version: {}{end}Tag-File-Character-Encoding: {encoding}{end}", self.version);
        let payload: Vec<(&Vec<u8>, &Vec<u8>)> = self.files.iter().collect();
        let bytes: usize = payload.iter().map(|(_, bytes)| bytes.len()).sum();
        let info = format!("Source-Organization: x{end}Payload-Oxum: {bytes}.{}{end}", payload.len());
        let manifests: Vec<(String, Vec<u8>)> = style
            .algorithms
            .iter()
            .map(|algorithm| {
                (format!("manifest-{algorithm}.txt"), style.manifest(*algorithm, &self.files, self.version))
            })
            .collect();
        if draw.below(2) == 0 {
            self.files.insert(b"meta/notes.txt".into(), draw.some().to_vec());
        }
        self.files.insert(b"bagit.txt".into(), declaration.into_bytes());
        self.files.insert(self.version.info_name().into(), style.encode(&info));
        self.files.extend(manifests.into_iter().map(|(name, text)| (name.into_bytes(), text)));
        let mut tags = self.files.clone();
        tags.retain(|path, _| !path.starts_with(b"data/"));
        for algorithm in &style.algorithms {
            let text = style.manifest(*algorithm, &tags, self.version);
            self.files.insert(format!("tagmanifest-{algorithm}.txt").into_bytes(), text);
        }
    }

    /// Damages it in one way.
    fn damage(&mut self, draw: &mut Draw<'_>) {
        let paths: Vec<Vec<u8>> = self.files.keys().cloned().collect();
        let path = paths[draw.below(paths.len())].clone();
        let bytes = self.files[&path].clone();
        match draw.below(5) {
            0 => {
                let at = draw.place(bytes.len());
                let cut = draw.below(40).min(bytes.len() - at);
                let with = draw.some().to_vec();
                self.files.entry(path).and_modify(|bytes| drop(bytes.splice(at..at + cut, with)));
            }
            1 if paths.len() > 1 => drop(self.files.remove(&path)),
            2 => {
                let name = format!("data/{}{}", draw.one(&PIECES), draw.byte());
                if self.takes(&name) {
                    self.files.insert(name.into_bytes(), draw.some().to_vec());
                }
            }
            3 => drop(self.files.insert(draw.one(&TAG_FILES).as_bytes().to_vec(), draw.some().to_vec())),
            _ if !bytes.is_empty() => {
                let at = draw.place(bytes.len() - 1);
                self.files.entry(path).and_modify(|bytes| bytes[at] ^= 1 << draw.below(8));
            }
            _ => {}
        }
    }

    /// Manifests and bagit.txt are as they were, and the payload is one that they cannot mean. A missing file may be there
    /// under another name, if its bytes are; and side files of macOS are passed over.
    fn cannot_be_what_is_listed(&self, sound: &Files) -> bool {
        let part = |files: &Files, payload: bool| -> Files {
            let mut files = files.clone();
            files.retain(|path, _| match payload {
                true => path.starts_with(b"data/"),
                false => path.starts_with(b"manifest-") || path == b"bagit.txt",
            });
            files
        };
        if part(&self.files, false) != part(sound, false) {
            return false;
        }
        let (there, listed) = (part(&self.files, true), part(sound, true));
        let changed =
            there.iter().any(|(path, bytes)| listed.get(path).is_some_and(|before| before != bytes));
        let missing: Vec<&Vec<u8>> =
            listed.iter().filter(|(path, _)| !there.contains_key(*path)).map(|row| row.1).collect();
        let lost = missing.iter().any(|bytes| !there.values().any(|other| other == *bytes));
        let side = |path: &[u8]| path.windows(3).any(|part| part == b"/._");
        let unlisted = |(path, bytes): (&Vec<u8>, &Vec<u8>)| {
            !listed.contains_key(path) && !side(path) && !missing.contains(&bytes)
        };
        changed || lost || there.iter().any(unlisted)
    }

    /// Judges it in several ways that must not matter; the verdict with its findings.
    fn judge_in_every_way(&self, narrowly: bool) -> (Verdict, Vec<Finding>) {
        let limits = limits();
        let mut members = self.members();
        let lax = self.judged(members.clone(), &limits, &Policy::default());
        let weights = |findings: &[Finding]| {
            let mut weights: Vec<(String, Severity)> =
                findings.iter().map(|finding| (finding.code.clone(), finding.severity)).collect();
            weights.sort();
            weights
        };
        // Merging many runs is slow, and seldom needed to see a difference.
        if narrowly {
            let narrow = Limits { sort_bytes: 200, ..limits.clone() };
            let narrow = self.judged(members.clone(), &narrow, &Policy::default());
            assert_eq!(narrow, lax, "the verdict depends on memory");
        }
        members.reverse();
        let turned = self.judged(members.clone(), &limits, &Policy::default());
        assert_eq!(weights(&turned.1), weights(&lax.1), "the verdict depends on the order of members");
        let strict = self.judged(members, &limits, &Policy { strict: true, ..Policy::default() });
        assert!(strict.0.errors >= lax.0.errors && strict.1.len() == lax.1.len(), "strict judging is milder");
        lax
    }

    fn members(&self) -> Vec<Member> {
        let mut algorithms = ALGORITHMS.to_vec();
        algorithms.extend(self.files.keys().filter_map(|path| algorithm_named_by(&BagPath(path.clone()))));
        let mut members: Vec<Member> = Vec::new();
        for (path, bytes) in &self.files {
            let (size, digests) =
                digest_reader(&mut &bytes[..], &algorithms, &mut [0; 256]).expect("bytes in memory are read");
            let path = BagPath(path.clone());
            members.push(Member { number: members.len() as u64, path, size, digests, ..Member::default() });
        }
        members
    }

    fn judged(&self, members: Vec<Member>, limits: &Limits, policy: &Policy) -> (Verdict, Vec<Finding>) {
        // A bag without payload has its folder none the less.
        let facts = BagFacts { name: "bag", top: "bag", payload_folder: true, ..BagFacts::default() };
        let mut findings = Vec::new();
        let verdict = judge::<Infallible>(
            &facts,
            &mut members.into_iter().map(Ok),
            &|member| Ok(Box::new(&self.files[&member.path.0][..])),
            &MemoryScratch::default(),
            limits,
            policy,
            &mut |finding| {
                finding::sound(&finding);
                findings.push(finding);
                Ok(())
            },
        )
        .unwrap_or_else(|error| panic!("no verdict: {error}"));
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
        assert_eq!(verdict.errors, count(Severity::Error));
        assert_eq!(verdict.warnings, count(Severity::Warning));
        assert_eq!(verdict.notes, count(Severity::Note));
        (verdict, findings)
    }
}

/// How a bag's tag files are written.
struct Style {
    encoding: &'static str,
    end: &'static str,
    gap: &'static str,
    upper: bool,
    algorithms: Vec<Algorithm>,
}

impl Style {
    fn draw(draw: &mut Draw<'_>) -> Style {
        let first = draw.below(ALGORITHMS.len());
        let mut algorithms = vec![ALGORITHMS[first]];
        if draw.below(2) == 1 {
            algorithms.push(ALGORITHMS[(first + 1) % ALGORITHMS.len()]);
        }
        Style {
            encoding: draw.one(&["UTF-8", "UTF-16", "utf-8", "UTF-16LE", "UTF-16BE"]),
            end: draw.one(&["\n", "\r\n", "\r"]),
            gap: draw.one(&["  ", " ", "\t", " \t "]),
            upper: draw.below(2) == 1,
            algorithms,
        }
    }

    fn manifest(&self, algorithm: Algorithm, files: &Files, version: Version) -> Vec<u8> {
        let mut text = String::new();
        for (path, bytes) in files {
            let (_, digests) = digest_reader(&mut &bytes[..], &[algorithm], &mut [0; 256])
                .expect("bytes in memory are read");
            let mut digest = digests.get(algorithm).expect("it was asked for").to_string();
            if self.upper {
                digest.make_ascii_uppercase();
            }
            let mut path = String::from_utf8(path.clone()).expect("names are made of text");
            if version.is_rfc() {
                path = path.replace('%', "%25");
            }
            let path = path.replace('\n', if self.upper { "%0A" } else { "%0a" }).replace('\r', "%0D");
            text.push_str(&format!("{digest}{}{path}{}", self.gap, self.end));
        }
        self.encode(&text)
    }

    fn encode(&self, text: &str) -> Vec<u8> {
        match self.encoding {
            "UTF-16LE" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "UTF-16BE" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            "UTF-16" if self.upper => {
                [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
            }
            "UTF-16" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => text.as_bytes().to_vec(),
        }
    }
}
