//! Lines of manifests: what they list lies in the bag, and what a tool writes is read back.

use super::draw::Draw;
use super::{finding, path};
use strongroom::model::digest::hex;
use strongroom::rules::bagit::make::encode;
use strongroom::rules::bagit::manifest::{Entry, Manifest, read_line};
use strongroom::rules::bagit::text::{Charset, Line, lines};
use strongroom::rules::bagit::version::Version;

const NAMES: [&str; 8] = [
    "manifest-md5.txt",
    "tagmanifest-md5.txt",
    "manifest-sha256.txt",
    "tagmanifest-sha512.txt",
    "manifest-SHA-1.txt",
    "manifest-sha512256.txt",
    "tagmanifest-whirlpool.txt",
    "manifest-blake2b512.txt",
];

pub fn check(data: &[u8]) {
    let mut draw = Draw::new(data);
    let version = draw.one(&Version::ALL);
    let name = draw.one(&NAMES);
    let manifest = Manifest::from_path(name.as_bytes()).expect("it is the name of a manifest");
    let text = draw.rest();
    let findings = finding::findings(|out| {
        manifest.judge_name(out)?;
        lines(&mut &text[..], Charset::Utf8, 64 << 10, &|error| panic!("{error}"), &mut |line| {
            if let Some(entry) = read_line(&manifest, &line, version, out)? {
                sound(&manifest, &entry, &line, version);
            }
            Ok(())
        })?;
        Ok(())
    });
    assert!(findings.len() <= 12 * (text.len() + 1));
    written(&manifest, text, version);
}

fn sound(manifest: &Manifest, entry: &Entry, line: &Line<'_>, version: Version) {
    assert_eq!(entry.line, line.number);
    path::listed(&entry.listed);
    assert!(!entry.listed.folder);
    let is_payload = entry.listed.path.starts_with(b"data/");
    if manifest.is_tag {
        assert!(!is_payload, "a tag manifest lists a payload file: {entry:?}");
        assert_ne!(entry.listed.path, manifest.name.as_bytes());
    } else {
        assert!(is_payload || version < Version::V0_97, "a manifest lists a tag file: {entry:?}");
    }
    match (&entry.digest, manifest.algorithm) {
        (Some(digest), Some(algorithm)) => assert_eq!(digest.len(), algorithm.len()),
        (Some(_), None) => panic!("a digest by no algorithm: {entry:?}"),
        (None, _) => {}
    }
}

/// A line as BagIt 1.0 writes it for any name there can be is read back without a finding.
fn written(manifest: &Manifest, text: &[u8], version: Version) {
    let Ok(name) = std::str::from_utf8(text) else { return };
    let Some(algorithm) = manifest.algorithm else { return };
    let stands_for_itself = name.split(['/', '\\']).all(|part| part != "..")
        && name.split('/').all(|part| !part.is_empty() && part != ".")
        && !name.contains('\0');
    if !version.is_rfc() || manifest.is_tag || !stands_for_itself {
        return;
    }
    let name = format!("data/{name}");
    let digest: Vec<u8> = (0..algorithm.len()).map(|place| text[place % text.len()]).collect();
    let line = format!("{}  {}", hex(&digest), encode(&name));
    let line = Line { number: 1, text: line.as_bytes(), too_long: None, undecodable: false };
    let mut entry = None;
    let findings = finding::findings(|out| {
        entry = read_line(manifest, &line, version, out)?;
        Ok(())
    });
    let entry = entry.unwrap_or_else(|| panic!("{name:?} is not read back: {findings:?}"));
    assert!(findings.is_empty(), "{name:?}: {findings:?}");
    assert_eq!((entry.listed.path, entry.digest), (name.into_bytes(), Some(digest)));
    assert!(!entry.listed.spelling.bare_percent);
}
