//! bagit.txt: version and character set.
//!
//! - It is UTF-8 without a byte order mark, whatever it declares.
//! - Whatever is wrong with it, judging goes on: by the version it means, else by 0.97, the mildest of those in use.

use super::report::{Halt, Out, about, quoted};
use super::text::Charset;
use super::version::Version;
use crate::model::finding::{Finding, Severity, escape};

/// What bagit.txt declares, or what is assumed when it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Rules to judge by.
    pub version: Version,
    /// The version stands there and is one we know.
    pub certain: bool,
    /// Character set of the other tag files.
    pub charset: Charset,
}

impl Declared {
    /// For a bag without a readable bagit.txt.
    pub const ASSUMED: Declared =
        Declared { version: Version::V0_97, certain: false, charset: Charset::Utf8 };
}

const FILE: &[u8] = b"bagit.txt";
const CLAUSE: &str = "RFC 8493, 2.1.1";
const REWRITE: &str =
    "Make bagit.txt two lines: `BagIt-Version: 1.0` and `Tag-File-Character-Encoding: UTF-8`.";

fn fault(code: &str, severity: Severity, what: impl Into<String>) -> Finding {
    about(code, severity, FILE, what).advice(REWRITE).clause(CLAUSE)
}

/// Says that there is no bagit.txt.
pub fn missing(out: &mut Out<'_>) -> Result<Declared, Halt> {
    out.say(fault("DECL-MISSING", Severity::Error, "The bag has no bagit.txt."))?;
    Ok(Declared::ASSUMED)
}

/// One `Label: value` of bagit.txt.
struct Element<'t> {
    line: u64,
    value: &'t str,
    label_exact: bool,
    space_before: bool,
    space_after: &'t str,
    trailing: bool,
}

/// Judges the bytes of bagit.txt.
pub fn judge(bytes: &[u8], out: &mut Out<'_>) -> Result<Declared, Halt> {
    let mut bytes = bytes;
    for mark in [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            bytes = rest;
            out.say(fault("DECL-BOM", Severity::Error, "bagit.txt starts with a byte order mark."))?;
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        out.say(
            fault("TEXT-UNDECODABLE", Severity::Error, "bagit.txt is not UTF-8.").clause("RFC 8493, 2.1.1"),
        )?;
        return Ok(Declared::ASSUMED);
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(&text).split('\n').collect();
    let version = element(&lines, "BagIt-Version");
    let encoding = element(&lines, "Tag-File-Character-Encoding");
    let declared = version_of(version.as_ref(), out)?;
    let rules = declared.0;
    let in_order = lines.len() == 2
        && version.as_ref().is_some_and(|element| element.line == 1)
        && encoding.as_ref().is_some_and(|element| element.line == 2);
    if !in_order {
        let what = match (&version, &encoding) {
            (Some(_), Some(_)) => "bagit.txt is not exactly two lines, version first.".to_string(),
            _ => format!(
                "bagit.txt does not hold the two lines it must hold; its first is {}.",
                quoted(lines[0].as_bytes())
            ),
        };
        let unreadable = version.is_none() || encoding.is_none();
        let severity = match rules {
            Version::V1_0 => Severity::Error,
            Version::V0_97 if unreadable => Severity::Error,
            _ => Severity::Warning,
        };
        out.say(fault("DECL-LINES", severity, what))?;
    }
    for element in [&version, &encoding].into_iter().flatten() {
        spacing(element, rules, out)?;
    }
    let charset = charset_of(encoding.as_ref(), out)?;
    Ok(Declared { version: rules, certain: declared.1, charset })
}

fn element<'t>(lines: &[&'t str], label: &str) -> Option<Element<'t>> {
    for (place, line) in lines.iter().enumerate() {
        let Some((found, value)) = line.split_once(':') else { continue };
        if !found.trim().eq_ignore_ascii_case(label) {
            continue;
        }
        let trimmed = value.trim();
        let after = &value[..value.len() - value.trim_start().len()];
        return Some(Element {
            line: place as u64 + 1,
            value: trimmed,
            label_exact: found.trim() == label && !found.starts_with(char::is_whitespace),
            space_before: found.ends_with(char::is_whitespace),
            space_after: after,
            trailing: value.trim_end() != value && !trimmed.is_empty(),
        });
    }
    None
}

fn version_of(element: Option<&Element<'_>>, out: &mut Out<'_>) -> Result<(Version, bool), Halt> {
    let Some(element) = element else {
        out.say(fault(
            "DECL-VERSION",
            Severity::Error,
            "bagit.txt does not say which BagIt version it follows.",
        ))?;
        return Ok((Version::V0_97, false));
    };
    if let Some(version) = Version::from_name(element.value) {
        if version < Version::V0_97 {
            let what = format!(
                "The bag follows BagIt {version}, a draft from before 2011; it is judged by the rules of that draft."
            );
            let note = fault("DECL-VERSION-OLD", Severity::Note, what).line(element.line);
            out.say(note.advice("Nothing to do; make new bags with BagIt 1.0."))?;
        }
        return Ok((version, true));
    }
    let shown = quoted(element.value.as_bytes());
    let parts: Option<(u32, u32)> = element
        .value
        .split_once('.')
        .filter(|_| element.value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let (code, what, nearest) = match parts {
        Some((major, _)) => {
            let nearest = if major == 0 { Version::V0_97 } else { Version::V1_0 };
            let what = format!("bagit.txt names BagIt version {shown}; 0.93 to 0.97 and 1.0 exist.");
            ("DECL-VERSION-UNSUPPORTED", what, nearest)
        }
        None => {
            let what = format!("bagit.txt names the version {shown}, which is not of the form `M.N`.");
            ("DECL-VERSION", what, Version::V0_97)
        }
    };
    out.say(fault(code, Severity::Error, what).line(element.line).values("1.0", value_of(element)))?;
    Ok((nearest, false))
}

fn spacing(element: &Element<'_>, rules: Version, out: &mut Out<'_>) -> Result<(), Halt> {
    let line = element.line;
    if !element.label_exact {
        let what = format!("Line {line} of bagit.txt does not write its label as BagIt does.");
        out.say(fault("DECL-LINES", rules.rfc_error(), what).line(line))?;
    }
    if element.space_before {
        let what = format!("Line {line} of bagit.txt has a space before the colon.");
        out.say(fault("DECL-SPACING", rules.rfc_error(), what).line(line))?;
    } else if element.space_after != " " || element.trailing {
        let what = format!("Line {line} of bagit.txt has other white space than one space after the colon.");
        out.say(fault("DECL-SPACING", Severity::Warning, what).line(line))?;
    }
    Ok(())
}

/// What stands there, for a finding.
fn value_of(element: &Element<'_>) -> String {
    escape(element.value.as_bytes())
}

fn charset_of(element: Option<&Element<'_>>, out: &mut Out<'_>) -> Result<Charset, Halt> {
    let Some(element) = element else { return Ok(Charset::Utf8) };
    let Some(charset) = Charset::from_label(element.value) else {
        let shown = quoted(element.value.as_bytes());
        let what = format!("bagit.txt names the character encoding {shown}, which is not known.");
        let finding = fault("DECL-ENCODING-UNKNOWN", Severity::Error, what).line(element.line);
        out.say(finding.values("UTF-8", value_of(element)))?;
        return Ok(Charset::Utf8);
    };
    if charset != Charset::Utf8 {
        let what =
            format!("The tag files are in {}; UTF-8 is recommended.", quoted(element.value.as_bytes()));
        let finding = fault("DECL-ENCODING-NOT-UTF8", Severity::Warning, what).line(element.line);
        out.say(finding.advice("Nothing to do; make new bags with UTF-8."))?;
    }
    Ok(charset)
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::codes;
    use super::*;

    #[test]
    fn bagit_txt_is_judged_by_its_version() {
        use Severity::{Error, Note, Warning};
        #[rustfmt::skip]
        let table: &[(&str, &[(&str, Severity)])] = &[
            ("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", &[]),
            ("BagIt-Version: 1.0\r\nTag-File-Character-Encoding: utf-8", &[]),
            ("BagIt-Version: 0.97\rTag-File-Character-Encoding: UTF-8\r", &[]),
            ("BagIt-Version: 0.96\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION-OLD", Note)]),
            ("BagIt-Version : 1.0\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-SPACING", Error)]),
            ("BagIt-Version : 0.97\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-SPACING", Warning)]),
            ("BagIt-Version: 1.0\n", &[("DECL-LINES", Error)]),
            ("BagIt-Version: 0.97\n", &[("DECL-LINES", Error)]),
            ("BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n\n", &[("DECL-LINES", Warning)]),
            ("Tag-File-Character-Encoding: UTF-8\nBagIt-Version: 1.0\n", &[("DECL-LINES", Error)]),
            ("bagit-version: 1.0\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-LINES", Error)]),
            ("BagIt-Version: 0.98\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION-UNSUPPORTED", Error)]),
            ("BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION-UNSUPPORTED", Error)]),
            ("BagIt-Version: .97\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION", Error)]),
            ("BagIt-Version: 1\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION", Error)]),
            ("BagIt-Version: 1.0.0\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION", Error)]),
            ("BagIt-Version: 1.0\nTag-File-Character-Encoding: X-KLINGON\n", &[("DECL-ENCODING-UNKNOWN", Error)]),
            ("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-16\n", &[("DECL-ENCODING-NOT-UTF8", Warning)]),
            ("\u{feff}BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-BOM", Error)]),
            ("", &[("DECL-VERSION", Error), ("DECL-LINES", Error)]),
        ];
        for (text, expected) in table {
            let got = codes(|out| judge(text.as_bytes(), out).map(drop));
            let got: Vec<(&str, Severity)> =
                got.iter().map(|(code, severity)| (code.as_str(), *severity)).collect();
            assert_eq!(got, *expected, "{text:?}");
        }
    }
}
