//! Manifests: their file names and their lines.

use super::paths::{self, Listed};
use super::report::{Halt, Here, Out, about, bytes, quoted};
use super::text::Line;
use super::version::Version;
use crate::model::digest::{Algorithm, unhex};
use crate::model::finding::{Finding, Severity, escape};

/// A manifest, as its file name tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its file name.
    pub name: String,
    /// A tag manifest.
    pub is_tag: bool,
    /// The algorithm's label, as written.
    pub label: String,
    /// The algorithm, when we can compute it.
    pub algorithm: Option<Algorithm>,
}

impl Manifest {
    /// The manifest of this path relative to the bag, if it is one.
    pub fn from_path(path: &[u8]) -> Option<Manifest> {
        let name = std::str::from_utf8(path).ok()?;
        let (is_tag, rest) = match name.strip_prefix("tagmanifest-") {
            Some(rest) => (true, rest),
            None => (false, name.strip_prefix("manifest-")?),
        };
        let label = rest.strip_suffix(".txt").filter(|label| !label.is_empty() && !label.contains('/'))?;
        let algorithm = Algorithm::from_label(label);
        Some(Manifest { name: name.to_string(), is_tag, label: label.to_string(), algorithm })
    }

    /// Says what is wrong with the algorithm it names.
    pub fn judge_name(&self, out: &mut Out<'_>) -> Result<(), Halt> {
        let name = &self.name;
        let label = escape(self.label.as_bytes());
        if self.algorithm.is_none() {
            let known: Vec<&str> = Algorithm::ALL.into_iter().map(Algorithm::name).collect();
            let what = format!(
                "`{name}` uses the algorithm `{label}`, which we cannot compute; its digests were not compared."
            );
            let advice = format!("Replace it by a manifest of one of {}.", known.join(", "));
            let finding = about("MAN-ALG-UNSUPPORTED", Severity::Error, name.as_bytes(), what).advice(advice);
            return out.say(finding.clause("RFC 8493, 2.4"));
        }
        if !self.label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            let what = format!(
                "The name `{name}` spells its algorithm `{label}`; BagIt wants lower-case letters and digits only."
            );
            let plain = self.algorithm.map(Algorithm::name).unwrap_or_default();
            let advice =
                format!("Call it {}-{plain}.txt.", if self.is_tag { "tagmanifest" } else { "manifest" });
            let finding = about("MAN-ALG-NAME", Severity::Warning, name.as_bytes(), what).advice(advice);
            out.say(finding.clause("RFC 8493, 2.4"))?;
        }
        Ok(())
    }

    fn fault(&self, code: &str, severity: Severity, line: u64, what: String) -> Finding {
        about(code, severity, self.name.as_bytes(), what).line(line).clause("RFC 8493, 2.1.3")
    }
}

/// Places of the tag manifests, or of the payload manifests, in the list of both.
pub fn places(sources: &[Manifest], is_tag: bool) -> Vec<u16> {
    (0u16..).zip(sources).filter(|(_, source)| source.is_tag == is_tag).map(|(place, _)| place).collect()
}

/// One line that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line number, from 1.
    pub line: u64,
    /// The path.
    pub listed: Listed,
    /// The digest; `None` when it is not one by this algorithm.
    pub digest: Option<Vec<u8>>,
}

/// Judges one line; gives the file it names, when it can be looked up.
pub fn read_line(
    manifest: &Manifest,
    line: &Line<'_>,
    version: Version,
    out: &mut Out<'_>,
) -> Result<Option<Entry>, Halt> {
    let at = line.number;
    let here = Here(&manifest.name, at);
    if let Some(length) = line.too_long {
        let what = format!("{here} has {}; no path is that long.", bytes(length));
        out.say(manifest.fault("MAN-LINE", Severity::Error, at, what).advice(REBUILD))?;
        return Ok(None);
    }
    if line.undecodable {
        let what = format!("{here} is not in the encoding that bagit.txt declares: {}.", quoted(line.text));
        let finding = manifest.fault("TEXT-UNDECODABLE", Severity::Error, at, what);
        let advice = "Write the tag files in the encoding that bagit.txt declares, best UTF-8.";
        out.say(finding.advice(advice).clause("RFC 8493, 2.1.1"))?;
    }
    if line.text.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
        let what = format!("{here} is blank.");
        out.say(
            manifest.fault("MAN-BLANK-LINE", Severity::Warning, at, what).advice("Take blank lines out."),
        )?;
        return Ok(None);
    }
    let mut text = line.text.to_vec();
    if text.first() == Some(&b'\\') {
        let what = format!("{here} is escaped as md5sum and its kin do (`\\` before the checksum).");
        let advice = "Write the path with %0A, %0D and %25, as BagIt does.";
        let finding = manifest.fault("MAN-MD5SUM-ESCAPE", Severity::Warning, at, what);
        out.say(finding.advice(advice).clause("RFC 8493, 6.1.3"))?;
        text = unescape(&text[1..]);
    }
    let Some((checksum, path)) = split(&text) else {
        let what = format!("{here} is not a checksum and a path: {}.", quoted(line.text));
        out.say(manifest.fault("MAN-LINE", Severity::Error, at, what).advice(REBUILD))?;
        return Ok(None);
    };
    let path = strip_mark(manifest, at, path, out)?;
    let Some(digest) = read_checksum(manifest, at, checksum, path, out)? else { return Ok(None) };
    let listed = match paths::read(path, version) {
        Ok(listed) => listed,
        Err((code, why)) => {
            let what = format!("{here} lists {}, which {why}.", quoted(path));
            let finding = manifest.fault(code, Severity::Error, at, what);
            out.say(
                finding
                    .advice("List only files of the bag, by their path from its folder.")
                    .clause("RFC 8493, 5.1"),
            )?;
            return Ok(None);
        }
    };
    Ok(judge_path(manifest, at, listed, version, out)?.map(|listed| Entry { line: at, listed, digest }))
}

const REBUILD: &str = "Make the manifest again with a bagging tool.";

/// Checksum, white space, path. Trailing spaces belong to the path.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_gap = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = text.iter().position(is_gap)?;
    let start = end + text[end..].iter().position(|byte| !is_gap(byte))?;
    (end > 0).then(|| (&text[..end], &text[start..]))
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'\\' {
            plain.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => plain.push(b'\n'),
            Some(b'r') => plain.push(b'\r'),
            Some(other) => plain.push(*other),
            None => plain.push(b'\\'),
        }
    }
    plain
}

fn strip_mark<'p>(manifest: &Manifest, at: u64, path: &'p [u8], out: &mut Out<'_>) -> Result<&'p [u8], Halt> {
    let Some(rest) = path.strip_prefix(b"*") else { return Ok(path) };
    let here = Here(&manifest.name, at);
    let what = format!("{here} has a `*` before the path, as md5sum and its kin write for binary files.");
    let finding = manifest.fault("MAN-ASTERISK", Severity::Warning, at, what);
    out.say(finding.advice("Take the `*` out; BagIt has no such mark.").clause("RFC 8493, 6.1.3"))?;
    Ok(rest)
}

/// The digest; the inner `None` when it is not one, but the line still names a file; the outer when it is no line at all.
fn read_checksum(
    manifest: &Manifest,
    at: u64,
    checksum: &[u8],
    path: &[u8],
    out: &mut Out<'_>,
) -> Result<Option<Option<Vec<u8>>>, Halt> {
    let here = Here(&manifest.name, at);
    let text = escape(checksum);
    let Some(algorithm) = manifest.algorithm else { return Ok(Some(None)) };
    let digits = algorithm.len() * 2;
    if checksum.iter().all(u8::is_ascii_hexdigit) {
        if checksum.len() == digits {
            return Ok(Some(unhex(&text)));
        }
        let what = format!(
            "{here} has a checksum of {} digits for {}; {algorithm} has {digits}.",
            checksum.len(),
            quoted(path)
        );
        let finding = manifest.fault("MAN-CHECKSUM-LENGTH", Severity::Error, at, what);
        out.say(finding.values(format!("{digits} digits"), text).advice(REBUILD).clause("RFC 8493, 2.4"))?;
        return Ok(Some(None));
    }
    let names_a_file = checksum.len() == digits || path.starts_with(b"data/") || path.starts_with(b"./data/");
    if !names_a_file || checksum[0] == b'#' {
        let what = format!("{here} is not a checksum and a path: it starts with {}.", quoted(checksum));
        out.say(manifest.fault("MAN-LINE", Severity::Error, at, what).advice(REBUILD))?;
        return Ok(None);
    }
    let what = format!(
        "{here} has {} where the checksum of {} must be, in hexadecimal.",
        quoted(checksum),
        quoted(path)
    );
    let finding = manifest.fault("MAN-CHECKSUM-NOT-HEX", Severity::Error, at, what);
    out.say(
        finding.values(format!("{digits} hexadecimal digits"), text).advice(REBUILD).clause("RFC 8493, 2.4"),
    )?;
    Ok(Some(None))
}

/// Whether this kind of manifest may list such a path.
fn judge_path(
    manifest: &Manifest,
    at: u64,
    listed: Listed,
    version: Version,
    out: &mut Out<'_>,
) -> Result<Option<Listed>, Halt> {
    let here = Here(&manifest.name, at);
    let path = &listed.path;
    let shown = quoted(path);
    let is_payload = path.starts_with(b"data/");
    if listed.dots {
        let what = format!("{here} writes {shown} with `./` or doubled `/` in it.");
        out.say(
            manifest
                .fault("PATH-DOT-SLASH", Severity::Warning, at, what)
                .advice("Take it out; paths start with data/."),
        )?;
    }
    if listed.folder {
        let what = format!("{here} lists the folder {shown}; manifests list files.");
        out.say(manifest.fault("MAN-LISTS-DIRECTORY", Severity::Error, at, what).advice(REBUILD))?;
        return Ok(None);
    }
    if !manifest.is_tag && !is_payload {
        let early = version < Version::V0_97;
        let what = format!("{here} lists {shown}, which is not below data/.");
        let severity = if early { Severity::Warning } else { Severity::Error };
        let finding = manifest.fault("MAN-OUTSIDE-PAYLOAD", severity, at, what);
        out.say(finding.advice("List tag files in a tag manifest."))?;
        return Ok(early.then_some(listed));
    }
    if manifest.is_tag && is_payload {
        let what = format!("{here} lists the payload file {shown}.");
        let finding =
            manifest.fault("TAGM-LISTS-PAYLOAD", Severity::Error, at, what).clause("RFC 8493, 2.2.1");
        out.say(finding.advice("List payload files in a payload manifest."))?;
        return Ok(None);
    }
    if manifest.is_tag && Manifest::from_path(path).is_some_and(|other| other.is_tag) {
        let what = format!("{here} lists the tag manifest {shown}.");
        let finding =
            manifest.fault("TAGM-LISTS-TAGM", version.rfc_error(), at, what).clause("RFC 8493, 2.2.1");
        out.say(finding.advice("Take the line out."))?;
        // A file cannot hold its own digest.
        return Ok((path != manifest.name.as_bytes()).then_some(listed));
    }
    Ok(Some(listed))
}

#[cfg(test)]
#[allow(clippy::type_complexity)] // tables of cases
mod tests {
    use super::super::report::tests::codes;
    use super::*;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn judge(file: &str, text: &str, version: Version) -> (Option<Entry>, Vec<(String, Severity)>) {
        let manifest = Manifest::from_path(file.as_bytes()).unwrap();
        let mut entry = None;
        let line = Line { number: 7, text: text.as_bytes(), too_long: None, undecodable: false };
        let codes = codes(|out| {
            entry = read_line(&manifest, &line, version, out)?;
            Ok(())
        });
        (entry, codes)
    }

    #[test]
    fn file_names_tell_the_algorithm() {
        for (name, expected) in [
            ("manifest-md5.txt", Some((false, Some(Algorithm::Md5)))),
            ("tagmanifest-SHA-256.txt", Some((true, Some(Algorithm::Sha256)))),
            ("manifest-whirlpool.txt", Some((false, None))),
            ("manifest-.txt", None),
            ("manifest-md5.csv", None),
            ("sub/manifest-md5.txt", None),
            ("._manifest-md5.txt", None),
        ] {
            let got =
                Manifest::from_path(name.as_bytes()).map(|manifest| (manifest.is_tag, manifest.algorithm));
            assert_eq!(got, expected, "{name}");
        }
    }

    #[test]
    fn lines_are_judged_by_the_version() {
        use Severity::{Error, Warning};
        use Version::{V0_96, V0_97, V1_0};
        #[rustfmt::skip]
        let table: &[(&str, &str, Version, Option<&str>, &[(&str, Severity)])] = &[
            ("manifest-md5.txt", "MD5  data/a", V1_0, Some("data/a"), &[]),
            ("manifest-md5.txt", "MD5\t data/a b ", V1_0, Some("data/a b "), &[]),
            ("manifest-md5.txt", "MD5 *data/a", V0_97, Some("data/a"), &[("MAN-ASTERISK", Warning)]),
            ("manifest-md5.txt", "\\MD5  data/a\\\\b\\nc", V1_0, Some("data/a\\b\nc"), &[("MAN-MD5SUM-ESCAPE", Warning)]),
            ("manifest-md5.txt", "MD5  ./data/a", V0_97, Some("data/a"), &[("PATH-DOT-SLASH", Warning)]),
            ("manifest-md5.txt", "MD5  ./data/a", V0_96, Some("data/a"), &[("PATH-DOT-SLASH", Warning)]),
            ("manifest-md5.txt", "  ", V1_0, None, &[("MAN-BLANK-LINE", Warning)]),
            ("manifest-md5.txt", "# MD5 data/a", V1_0, None, &[("MAN-LINE", Error)]),
            ("manifest-md5.txt", "MD5", V1_0, None, &[("MAN-LINE", Error)]),
            ("manifest-md5.txt", "what is this", V1_0, None, &[("MAN-LINE", Error)]),
            ("manifest-md5.txt", "abc  data/a", V1_0, Some("data/a"), &[("MAN-CHECKSUM-LENGTH", Error)]),
            ("manifest-md5.txt", "wrong  data/a", V1_0, Some("data/a"), &[("MAN-CHECKSUM-NOT-HEX", Error)]),
            ("manifest-md5.txt", "MD5  bag-info.txt", V1_0, None, &[("MAN-OUTSIDE-PAYLOAD", Error)]),
            ("manifest-md5.txt", "MD5  bag-info.txt", V0_96, Some("bag-info.txt"), &[("MAN-OUTSIDE-PAYLOAD", Warning)]),
            ("manifest-md5.txt", "MD5  /data/a", V0_97, None, &[("PATH-ABSOLUTE", Error)]),
            ("manifest-md5.txt", "MD5  data\\a", V0_97, Some("data/a"), &[]),
            ("manifest-md5.txt", "\u{c}", V1_0, None, &[("MAN-LINE", Error)]),
            ("manifest-md5.txt", "MD5     data/a", V1_0, Some("data/a"), &[]),
            ("manifest-md5.txt", "MD5 data/a\u{2028}\u{85}\u{b}\u{c}", V1_0, Some("data/a\u{2028}\u{85}\u{b}\u{c}"), &[]),
            ("manifest-md5.txt", "MD5 *data/a", V0_96, Some("data/a"), &[("MAN-ASTERISK", Warning)]),
            ("manifest-md5.txt", "MD5 *data/a", V1_0, Some("data/a"), &[("MAN-ASTERISK", Warning)]),
            ("manifest-md5.txt", "MD5  ./data/a", V1_0, Some("data/a"), &[("PATH-DOT-SLASH", Warning)]),
            ("manifest-md5.txt", "MD5  data/../x", V0_96, None, &[("PATH-PARENT", Error)]),
            ("manifest-md5.txt", "MD5  %APPDATA%\\x", V0_96, None, &[("PATH-HOME", Error)]),
            ("manifest-md5.txt", "MD5  data/a\0b", V1_0, None, &[("MAN-LINE", Error)]),
            ("manifest-whirlpool.txt", "0123  data/a", V1_0, Some("data/a"), &[]),
            ("tagmanifest-md5.txt", "MD5  data/a", V0_97, None, &[("TAGM-LISTS-PAYLOAD", Error)]),
            ("manifest-md5.txt", "MD5  data/a/", V1_0, None, &[("MAN-LISTS-DIRECTORY", Error)]),
            ("tagmanifest-md5.txt", "MD5  data/a", V1_0, None, &[("TAGM-LISTS-PAYLOAD", Error)]),
            ("tagmanifest-md5.txt", "MD5  bag-info.txt", V1_0, Some("bag-info.txt"), &[]),
            ("tagmanifest-md5.txt", "MD5  tagmanifest-md5.txt", V0_97, None, &[("TAGM-LISTS-TAGM", Warning)]),
            ("tagmanifest-md5.txt", "MD5  tagmanifest-sha1.txt", V1_0, Some("tagmanifest-sha1.txt"), &[("TAGM-LISTS-TAGM", Error)]),
        ];
        for (file, text, version, path, expected) in table {
            let (entry, got) = judge(file, &text.replace("MD5", MD5), *version);
            let got: Vec<(&str, Severity)> =
                got.iter().map(|(code, severity)| (code.as_str(), *severity)).collect();
            assert_eq!(got, *expected, "{text}");
            assert_eq!(entry.map(|entry| entry.listed.path).as_deref(), path.map(str::as_bytes), "{text}");
        }
        let upper = judge("manifest-md5.txt", &format!("{}  data/a", MD5.to_uppercase()), V1_0).0.unwrap();
        assert_eq!(upper.digest, unhex(MD5));
    }
}
