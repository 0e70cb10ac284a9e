//! bagit.txt: version and character set.
//!
//! - It is UTF-8 without a byte order mark, whatever it declares.
//! - Whatever is wrong with it, judging goes on: by the version it means, else by 0.97, the mildest of those in use.

use super::report::{Halt, Out, about, quoted};
use super::text::{self, Charset, Order};
use super::version::Version;
use crate::model::fact::BagPath;
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

fn fault(code: &str, severity: Severity, what: impl Into<String>) -> Finding {
    fault_in(Version::V1_0, code, severity, what)
}

/// A fault whose remedy leaves the version as it is.
fn fault_in(version: Version, code: &str, severity: Severity, what: impl Into<String>) -> Finding {
    let advice = format!(
        "Make bagit.txt the two lines `BagIt-Version: {version}` and `Tag-File-Character-Encoding: UTF-8`, then make the tag manifests again."
    );
    about(code, severity, FILE, what).advice(advice).clause(CLAUSE)
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
    let Some(text) = text_of(bytes, out)? else { return Ok(Declared::ASSUMED) };
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
        out.say(fault_in(rules, "DECL-LINES", severity, what))?;
    }
    for element in [&version, &encoding].into_iter().flatten() {
        spacing(element, rules, out)?;
    }
    let charset = charset_of(encoding.as_ref(), out)?;
    Ok(Declared { version: rules, certain: declared.1, charset })
}

/// The text of bagit.txt; what is no UTF-8 is told, and read as what it seems to be.
fn text_of(bytes: &[u8], out: &mut Out<'_>) -> Result<Option<String>, Halt> {
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    if is_utf16 || bytes.iter().take(64).any(|byte| *byte == 0) {
        let (code, how) = match is_utf16 {
            true => ("DECL-BOM", "starts with the byte order mark of UTF-16"),
            false => ("TEXT-UNDECODABLE", "is in UTF-16, or no text at all"),
        };
        let what =
            format!("bagit.txt {how}; it must be UTF-8, whatever it declares for the other tag files.");
        out.say(fault(code, Severity::Error, what))?;
        return decoded(bytes);
    }
    let rest = bytes.strip_prefix(b"\xef\xbb\xbf");
    if rest.is_some() {
        out.say(fault("DECL-BOM", Severity::Error, "bagit.txt starts with a byte order mark."))?;
    }
    let text = std::str::from_utf8(rest.unwrap_or(bytes)).ok().map(str::to_string);
    if text.is_none() {
        out.say(fault("TEXT-UNDECODABLE", Severity::Error, "bagit.txt is not UTF-8."))?;
    }
    Ok(text)
}

/// The text of a bagit.txt in UTF-16, so that the rest of it is judged, too.
fn decoded(mut bytes: &[u8]) -> Result<Option<String>, Halt> {
    let mut text = String::new();
    let mut broken = false;
    let failed = |error| Halt::Read { path: BagPath(FILE.to_vec()), error };
    text::lines(&mut bytes, Charset::Utf16(Order::Unsaid), 64 << 10, &failed, &mut |line| {
        broken |= line.undecodable;
        text.push_str(&String::from_utf8_lossy(line.text));
        text.push('\n');
        Ok(())
    })?;
    Ok(Some(text).filter(|_| !broken))
}

/// White space as BagIt knows it.
const BLANKS: [char; 2] = [' ', '\t'];

fn element<'t>(lines: &[&'t str], label: &str) -> Option<Element<'t>> {
    for (place, line) in lines.iter().enumerate() {
        let Some((found, value)) = line.split_once(':') else { continue };
        if !found.trim_matches(BLANKS).eq_ignore_ascii_case(label) {
            continue;
        }
        let trimmed = value.trim_matches(BLANKS);
        let after = &value[..value.len() - value.trim_start_matches(BLANKS).len()];
        return Some(Element {
            line: place as u64 + 1,
            value: trimmed,
            label_exact: found.trim_end_matches(BLANKS) == label,
            space_before: found.ends_with(BLANKS),
            space_after: after,
            trailing: value.trim_end_matches(BLANKS) != value && !trimmed.is_empty(),
        });
    }
    None
}

fn version_of(element: Option<&Element<'_>>, out: &mut Out<'_>) -> Result<(Version, bool), Halt> {
    let Some(element) = element else {
        out.say(fault(
            "DECL-VERSION",
            Severity::Error,
            "bagit.txt does not say which version of BagIt the bag follows.",
        ))?;
        return Ok((Version::V0_97, false));
    };
    if let Some(version) = Version::from_name(element.value) {
        if version < Version::V0_97 {
            let what = format!(
                "The bag follows BagIt {version}, an early draft; it is judged by the rules of that draft."
            );
            let note = fault("DECL-VERSION-OLD", Severity::Note, what).line(element.line);
            out.say(note.advice("Nothing to do for this deposit; make new bags with BagIt 1.0."))?;
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
        out.say(fault_in(rules, "DECL-LINES", rules.rfc_error(), what).line(line))?;
    }
    if element.space_before {
        let what = format!("Line {line} of bagit.txt has a space before the colon.");
        out.say(fault_in(rules, "DECL-SPACING", rules.rfc_error(), what).line(line))?;
    } else if element.space_after != " " || element.trailing {
        let what = format!("Line {line} of bagit.txt has other white space than one space after the colon.");
        out.say(fault_in(rules, "DECL-SPACING", Severity::Warning, what).line(line))?;
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
        let what = format!("bagit.txt names the character encoding {shown}, which is none that we can read.");
        let finding = fault("DECL-ENCODING-UNKNOWN", Severity::Error, what).line(element.line);
        out.say(finding.values("UTF-8", value_of(element)))?;
        return Ok(Charset::Utf8);
    };
    if charset != Charset::Utf8 {
        let what =
            format!("The tag files are in {}; UTF-8 is recommended.", quoted(element.value.as_bytes()));
        let finding = fault("DECL-ENCODING-NOT-UTF8", Severity::Warning, what).line(element.line);
        out.say(finding.advice("Nothing to do for this deposit; make new bags with UTF-8."))?;
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
            ("BagIt-Version: 1.0\nTag-File-Character-Encoding: ISO-8859-1\n", &[("DECL-ENCODING-NOT-UTF8", Warning)]),
            ("BagIt-Version: 0.97\nTag-File-Character-Encoding: X-KLINGON\n", &[("DECL-ENCODING-UNKNOWN", Error)]),
            ("BagIt-Version: 1.0\u{a0}\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION", Error)]),
            ("BagIt-Version: 1.1\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION-UNSUPPORTED", Error)]),
            ("BagIt-Version: 97\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION", Error)]),
            ("BagIt-Version: 0.95\nTag-File-Character-Encoding: UTF-8\nmore\n", &[("DECL-VERSION-OLD", Note), ("DECL-LINES", Warning)]),
            ("BagIt-Version: 0.96\n", &[("DECL-VERSION-OLD", Note), ("DECL-LINES", Warning)]),
            ("BagIt-Version : 0.93\nTag-File-Character-Encoding: UTF-8\n", &[("DECL-VERSION-OLD", Note), ("DECL-SPACING", Warning)]),
            ("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n\n", &[("DECL-LINES", Error)]),
            ("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8 \n", &[("DECL-SPACING", Warning)]),
            ("Tag-File-Character-Encoding: UTF-8\nBagIt-Version: 0.97\n", &[("DECL-LINES", Warning)]),
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

    #[test]
    fn a_bagit_txt_in_utf_16_is_one_fault_and_the_rest_of_it_is_still_judged() {
        let text = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-16\n";
        let units = |mark: &[u16]| -> Vec<u16> { mark.iter().copied().chain(text.encode_utf16()).collect() };
        let little: Vec<u8> = units(&[0xfeff]).into_iter().flat_map(u16::to_le_bytes).collect();
        let bare: Vec<u8> = units(&[]).into_iter().flat_map(u16::to_be_bytes).collect();
        for (bytes, code) in [(little, "DECL-BOM"), (bare, "TEXT-UNDECODABLE")] {
            let mut declared = Declared::ASSUMED;
            let got = codes(|out| {
                declared = judge(&bytes, out)?;
                Ok(())
            });
            let got: Vec<&str> = got.iter().map(|(code, _)| code.as_str()).collect();
            assert_eq!(got, [code, "DECL-ENCODING-NOT-UTF8"]);
            assert!(declared.certain && declared.version == Version::V1_0);
        }
        assert_eq!(codes(|out| judge(b"\xff\xff", out).map(drop))[0].0, "TEXT-UNDECODABLE");
    }
}
