//! fetch.txt: what it lists, judged; nothing is ever fetched.

use super::manifest::Manifest;
use super::paths::{self, Listed};
use super::report::{Halt, Here, Out, about, bytes, quoted};
use super::text::Line;
use super::version::Version;
use crate::model::finding::{Finding, Severity};

/// One line of fetch.txt that can be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Line number, from 1.
    pub line: u64,
    /// The path.
    pub listed: Listed,
    /// Bytes, when they are given.
    pub length: Option<u64>,
}

/// The file's name.
pub const FILE: &str = "fetch.txt";

fn fault(code: &str, severity: Severity, line: u64, what: String) -> Finding {
    about(code, severity, FILE.as_bytes(), what).line(line).clause("RFC 8493, 2.2.3")
}

const FORM: &str = "Write each line as URL, length (or `-`) and path.";

/// Says that there is a fetch.txt.
pub fn present(out: &mut Out<'_>) -> Result<(), Halt> {
    let what = "The bag has a fetch.txt; only what is in the bag is kept, nothing is fetched.";
    let finding = about("FETCH-PRESENT", Severity::Warning, FILE.as_bytes(), what);
    out.say(finding.advice("Send the whole bag, without fetch.txt.").clause("RFC 8493, 2.2.3"))
}

/// Judges one line.
pub fn read_line(line: &Line<'_>, version: Version, out: &mut Out<'_>) -> Result<Option<Fetch>, Halt> {
    let at = line.number;
    let here = Here(FILE, at);
    if let Some(length) = line.too_long {
        let what = format!("{here} has {}, more than we read of one line.", bytes(length));
        out.say(
            fault("FETCH-LINE", Severity::Error, at, what)
                .advice("Put the file into the bag, and take the line out."),
        )?;
        return Ok(None);
    }
    if line.undecodable {
        let what = format!("{here} is not in the encoding that bagit.txt declares: {}.", quoted(line.text));
        let finding = fault("TEXT-UNDECODABLE", Severity::Error, at, what).clause("RFC 8493, 2.1.1");
        let advice = "Write the tag files in the encoding that bagit.txt declares, best UTF-8.";
        out.say(finding.advice(advice))?;
        return Ok(None);
    }
    if line.text.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
        let what = format!("{here} is blank.");
        out.say(fault("FETCH-LINE", Severity::Warning, at, what).advice("Take blank lines out."))?;
        return Ok(None);
    }
    let Some((url, length, path)) = split(line.text) else {
        let what = format!("{here} does not have three fields: {}.", quoted(line.text));
        out.say(fault("FETCH-LINE", Severity::Error, at, what).advice(FORM))?;
        return Ok(None);
    };
    judge_url(at, url, out)?;
    let given = match std::str::from_utf8(length) {
        Ok("-") => None,
        Ok(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u64>().is_ok() => {
            digits.parse().ok()
        }
        _ => {
            let what = format!("{here} gives the length {}, which is no number.", quoted(length));
            out.say(fault("FETCH-LENGTH", Severity::Error, at, what).advice(FORM))?;
            None
        }
    };
    let listed = judge_path(at, path, version, out)?;
    Ok(listed.map(|listed| Fetch { line: at, listed, length: given }))
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let is_gap = |byte: &u8| matches!(byte, b' ' | b'\t');
    let field = |text: &'_ [u8]| -> Option<(usize, usize)> {
        let end = text.iter().position(is_gap)?;
        let next = end + text[end..].iter().position(|byte| !is_gap(byte))?;
        (end > 0).then_some((end, next))
    };
    let (url_end, rest) = field(text)?;
    let (length_end, path) = field(&text[rest..])?;
    Some((&text[..url_end], &text[rest..rest + length_end], &text[rest + path..]))
}

fn judge_url(at: u64, url: &[u8], out: &mut Out<'_>) -> Result<(), Halt> {
    let here = Here(FILE, at);
    let scheme = url.iter().position(|byte| *byte == b':').map(|end| &url[..end]).filter(|scheme| {
        scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
    });
    let Some(scheme) = scheme.filter(|scheme| url.len() > scheme.len() + 1) else {
        let what = format!("{here} has {} where an absolute URL must be.", quoted(url));
        return out.say(fault("FETCH-URL", Severity::Error, at, what).advice(FORM));
    };
    let is_web = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    if !is_web {
        let what =
            format!("{here} names a URL of the scheme {}; only https and http are accepted.", quoted(scheme));
        return out.say(
            fault("FETCH-SCHEME", Severity::Error, at, what)
                .advice("Put the file into the bag, and take the line out."),
        );
    }
    let host = url[scheme.len() + 1..].strip_prefix(b"//").and_then(|rest| rest.first());
    if host.is_none_or(|first| *first == b'/') {
        let what = format!("{here} names {}, which has no host.", quoted(url));
        return out.say(fault("FETCH-URL", Severity::Error, at, what).advice(FORM));
    }
    Ok(())
}

fn judge_path(at: u64, mut path: &[u8], version: Version, out: &mut Out<'_>) -> Result<Option<Listed>, Halt> {
    let here = Here(FILE, at);
    if !version.is_rfc()
        && let Some(rest) = path.strip_prefix(b"/").filter(|rest| rest.starts_with(b"data/"))
    {
        let what =
            format!("{here} writes {} with a leading `/`; it is read from the bag's folder.", quoted(path));
        out.say(fault("PATH-ABSOLUTE", Severity::Warning, at, what).advice("Take the leading `/` out."))?;
        path = rest;
    }
    let listed = match paths::read(path, version) {
        Ok(listed) => listed,
        Err((code, why)) => {
            let code = if code == "MAN-LINE" { "FETCH-LINE" } else { code };
            let what = format!("{here} names {}, which {why}.", quoted(path));
            let finding = fault(code, Severity::Error, at, what).clause("RFC 8493, 5.1");
            out.say(finding.advice("Name only files below data/."))?;
            return Ok(None);
        }
    };
    if listed.folder {
        let what = format!("{here} names the folder {}; fetch.txt names files.", quoted(path));
        out.say(fault("FETCH-LINE", Severity::Error, at, what).advice("Name each file of the folder."))?;
        return Ok(None);
    }
    if listed.dots {
        let what = format!("{here} writes {} with `./` or doubled `/` in it.", quoted(path));
        let finding = fault("PATH-DOT-SLASH", Severity::Warning, at, what);
        out.say(finding.advice("Take it out; paths start with data/."))?;
    }
    if !listed.path.starts_with(b"data/") {
        let kind = if Manifest::from_path(&listed.path).is_some() { "a manifest" } else { "no payload file" };
        let what = format!("{here} names {}, which is {kind}.", quoted(&listed.path));
        out.say(fault("FETCH-OUTSIDE", Severity::Error, at, what).advice("Name only files below data/."))?;
        return Ok(None);
    }
    Ok(Some(listed))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::codes;
    use super::*;

    #[test]
    fn lines_are_judged_field_by_field() {
        #[rustfmt::skip]
        let table: &[(&str, Version, &[&str], bool)] = &[
            ("https://a.org/x 12 data/x", Version::V1_0, &[], true),
            ("https://a.org/x - data/x y", Version::V1_0, &[], true),
            ("HTTP://a.org/x\t12\tdata/x", Version::V0_97, &[], true),
            ("https://a.org/x data/x", Version::V1_0, &["FETCH-LINE"], false),
            ("https://a.org/x many data/x", Version::V1_0, &["FETCH-LENGTH"], true),
            ("ftp://a.org/x 12 data/x", Version::V1_0, &["FETCH-SCHEME"], true),
            ("file:///etc/passwd 12 data/x", Version::V1_0, &["FETCH-SCHEME"], true),
            ("a.org/x 12 data/x", Version::V1_0, &["FETCH-URL"], true),
            ("https:///x 12 data/x", Version::V1_0, &["FETCH-URL"], true),
            ("https://a.org/x 12 bag-info.txt", Version::V1_0, &["FETCH-OUTSIDE"], false),
            ("https://a.org/x 12 manifest-md5.txt", Version::V0_97, &["FETCH-OUTSIDE"], false),
            ("https://a.org/x 12 ./data/x", Version::V1_0, &["PATH-DOT-SLASH"], true),
            ("https://a.org/x 12 data/x/", Version::V1_0, &["FETCH-LINE"], false),
            ("https://a.org/x -1 data/x", Version::V0_96, &["FETCH-LENGTH"], true),
            ("https://a.org/x 12 data/x", Version::V0_93, &[], true),
            ("https://a.org/x 12 /etc/passwd", Version::V0_97, &["PATH-ABSOLUTE"], false),
            ("  ", Version::V1_0, &["FETCH-LINE"], false),
            ("https://a.org/x 12 data/../x", Version::V1_0, &["PATH-PARENT"], false),
            ("https://a.org/x 12 /data/x", Version::V1_0, &["PATH-ABSOLUTE"], false),
            ("https://a.org/x 12 /data/x", Version::V0_97, &["PATH-ABSOLUTE"], true),
            ("this is prose", Version::V0_97, &["FETCH-URL", "FETCH-LENGTH", "FETCH-OUTSIDE"], false),
        ];
        for (text, version, expected, looked_up) in table {
            let line = Line { number: 1, text: text.as_bytes(), too_long: None, undecodable: false };
            let mut fetch = None;
            let got = codes(|out| {
                fetch = read_line(&line, *version, out)?;
                Ok(())
            });
            assert_eq!(got.iter().map(|code| code.0.as_str()).collect::<Vec<_>>(), *expected, "{text}");
            assert_eq!(fetch.is_some(), *looked_up, "{text}");
        }
    }
}
