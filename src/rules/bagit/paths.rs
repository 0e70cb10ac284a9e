//! Paths: how manifests spell them, which of them lead outside, and which of them travel badly.
//!
//! - `%0A`, `%0D` and (RFC 8493) `%25` are decoded, in either case, once; nothing else, ever.
//! - A path that leads outside the bag is told and never looked up.

use super::rows::Spelling;
use super::version::Version;
use crate::model::finding::Severity;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A path as a manifest lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// What it means: decoded, without `.` components.
    pub path: Vec<u8>,
    /// What was written, when decoding changed it: some writers do not encode.
    pub written: Option<Vec<u8>>,
    /// It had `.` components or doubled `/`.
    pub dots: bool,
    /// What is remarkable about the spelling.
    pub spelling: Spelling,
    /// It ends with `/`.
    pub folder: bool,
}

/// Why a path is not looked up: code, and what it does.
pub type Outside = (&'static str, &'static str);

/// Reads a path of a manifest or of fetch.txt.
pub fn read(written: &[u8], version: Version) -> Result<Listed, Outside> {
    let decoded = decode(written, version.is_rfc());
    let joined = join(&decoded);
    // `./C:/x` leads outside only when its `.` is gone.
    if let Some(outside) = outside(written).or_else(|| outside(&decoded)).or_else(|| outside(&joined)) {
        return Err(outside);
    }
    let backslashes = joined.starts_with(b"data\\") || joined.starts_with(b".\\data\\");
    let changed = decoded != written;
    let (decoded, path) = if backslashes {
        let decoded = with_slashes(&decoded);
        let path = join(&decoded);
        (decoded, path)
    } else {
        (decoded, joined)
    };
    if path.is_empty() {
        return Err(("MAN-LINE", "names nothing"));
    }
    let bare_percent = version.is_rfc() && has_bare_percent(written);
    Ok(Listed {
        dots: path.len() != decoded.len() - usize::from(decoded.ends_with(b"/")),
        spelling: Spelling {
            bare_percent,
            mixed_percent: bare_percent && written.windows(3).any(|three| three == b"%25"),
            backslashes,
            as_written: false,
        },
        folder: decoded.ends_with(b"/"),
        written: changed.then(|| join(written)),
        path,
    })
}

/// The path with `/` for every backslash.
pub fn with_slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

/// The path as RFC 8493 wants it written in a manifest.
pub fn encoded(path: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(path.len());
    for byte in path {
        match byte {
            b'%' => written.extend_from_slice(b"%25"),
            b'\n' => written.extend_from_slice(b"%0A"),
            b'\r' => written.extend_from_slice(b"%0D"),
            other => written.push(*other),
        }
    }
    written
}

fn join(path: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    parts.join(&b'/')
}

/// Where a path leads that does not stay in the bag.
fn outside(path: &[u8]) -> Option<Outside> {
    if path.contains(&0) {
        return Some(("MAN-LINE", "holds a NUL character"));
    }
    if path.first() == Some(&b'/') {
        return Some(("PATH-ABSOLUTE", "is absolute"));
    }
    if path.first() == Some(&b'~') {
        return Some(("PATH-HOME", "starts with `~`, which names a home folder"));
    }
    let variable = path.strip_prefix(b"%").and_then(|rest| {
        let end = rest.iter().position(|byte| *byte == b'%')?;
        (end > 0 && matches!(rest.get(end + 1), Some(b'\\' | b'/'))).then_some(())
    });
    if variable.is_some() {
        return Some(("PATH-HOME", "starts with a variable of Windows"));
    }
    if path.first() == Some(&b'\\') {
        return Some((
            "PATH-DRIVE",
            "starts with a backslash, which names a place outside the bag on Windows",
        ));
    }
    if path.len() > 1 && path[0].is_ascii_alphabetic() && path[1] == b':' {
        return Some(("PATH-DRIVE", "starts with a drive letter"));
    }
    if path.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"..") {
        return Some(("PATH-PARENT", "holds a `..` component"));
    }
    None
}

fn decode(written: &[u8], percent_too: bool) -> Vec<u8> {
    let mut path = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some((byte, after)) = rest.split_first() {
        let decoded = match (byte, after) {
            (b'%', [b'0', b'a' | b'A', ..]) => Some(b'\n'),
            (b'%', [b'0', b'd' | b'D', ..]) => Some(b'\r'),
            (b'%', [b'2', b'5', ..]) if percent_too => Some(b'%'),
            _ => None,
        };
        path.push(decoded.unwrap_or(*byte));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    path
}

fn has_bare_percent(written: &[u8]) -> bool {
    written.iter().enumerate().any(|(place, byte)| {
        *byte == b'%'
            && !matches!(&written[place + 1..], [b'0', b'a' | b'A' | b'd' | b'D', ..] | [b'2', b'5', ..])
    })
}

/// The path with every difference of case and of Unicode normalisation taken away.
pub fn fold(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Ok(text) if !text.is_ascii() => {
            text.nfc().collect::<String>().to_lowercase().nfc().collect::<String>().into()
        }
        _ => path.to_ascii_lowercase(),
    }
}

/// True when both paths are the same text after normalisation (NFC).
pub fn same_text(one: &[u8], other: &[u8]) -> bool {
    match (std::str::from_utf8(one), std::str::from_utf8(other)) {
        (Ok(one), Ok(other)) => one.nfc().eq(other.nfc()),
        _ => one == other,
    }
}

/// "NFC", "NFD" or "mixed": how a path's accents are spelled.
pub fn form(path: &[u8]) -> &'static str {
    match std::str::from_utf8(path) {
        Ok(text) if is_nfc(text) => "NFC",
        Ok(text) if unicode_normalization::is_nfd(text) => "NFD",
        _ => "mixed",
    }
}

/// How two names that mean the same file came to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Unicode normalisation.
    Normalisation,
    /// Upper and lower case.
    Case,
    /// Percent-encoding.
    Percent,
    /// Backslashes for `/`.
    Backslash,
    /// The `._` of macOS's side files.
    AppleDouble,
    /// White space at the end of a component.
    Space,
    /// Bytes of ISO-8859-1 where the manifest's text is Unicode.
    Encoding,
}

/// What makes the name found of the name listed, when it is no other name altogether.
pub fn cause(listed: &[u8], found: &[u8]) -> Option<Cause> {
    let trimmed = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|byte| *byte == b'/').map(|part| part.trim_ascii_end().to_vec()).collect()
    };
    let folder = |path: &[u8]| path[..path.len() - base_name(path).len()].to_vec();
    let side = |one: &[u8], other: &[u8]| base_name(one).strip_prefix(b"._") == Some(base_name(other));
    let latin1 = |bytes: &[u8]| -> String { bytes.iter().map(|byte| char::from(*byte)).collect() };
    if same_text(listed, found) {
        Some(Cause::Normalisation)
    } else if fold(listed) == fold(found) {
        Some(Cause::Case)
    } else if percent_decoded(listed) == percent_decoded(found) {
        Some(Cause::Percent)
    } else if with_slashes(listed) == with_slashes(found) {
        Some(Cause::Backslash)
    } else if folder(listed) == folder(found) && (side(listed, found) || side(found, listed)) {
        Some(Cause::AppleDouble)
    } else if trimmed(listed) == trimmed(found) {
        Some(Cause::Space)
    } else if std::str::from_utf8(found).is_err() && same_text(latin1(found).as_bytes(), listed) {
        Some(Cause::Encoding)
    } else {
        None
    }
}

/// Every `%XX` decoded, twice over: only to see whether two names are one; nothing is opened by it.
fn percent_decoded(path: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| (*byte as char).to_digit(16).map(|digit| digit as u8);
    let mut path = path.to_vec();
    // Twice: some tools encode what was encoded.
    for _ in 0..2 {
        let mut plain = Vec::with_capacity(path.len());
        let mut rest = &path[..];
        while let Some((byte, after)) = rest.split_first() {
            let value = match after {
                [high, low, ..] if *byte == b'%' => digit(high).zip(digit(low)),
                _ => None,
            };
            plain.push(value.map_or(*byte, |(high, low)| high << 4 | low));
            rest = if value.is_some() { &after[2..] } else { after };
        }
        path = plain;
    }
    path
}

/// What travels badly in a name: code, weight, what it is. At most one of each code.
pub fn remarks(path: &[u8]) -> Vec<(&'static str, Severity, &'static str)> {
    let mut remarks = Vec::new();
    let parts = || path.split(|byte| *byte == b'/');
    if let Ok(text) = std::str::from_utf8(path)
        && text.chars().any(|c| c.is_control() && !c.is_whitespace())
    {
        remarks.push(("PATH-CONTROL", Severity::Warning, "holds a control character"));
    }
    if let Some(why) = parts().find_map(bad_on_windows) {
        remarks.push(("PATH-WINDOWS", Severity::Warning, why));
    }
    if parts().next_back().is_some_and(is_system_file) {
        remarks.push((
            "PATH-SYSTEM-FILE",
            Severity::Warning,
            "is a file that an operating system leaves behind",
        ));
    }
    remarks
}

fn bad_on_windows(part: &[u8]) -> Option<&'static str> {
    const DEVICES: [&[u8]; 4] = [b"con", b"prn", b"aux", b"nul"];
    if part.iter().any(|byte| b"<>:\"|?*\\".contains(byte)) {
        return Some("holds a character that Windows does not allow in names");
    }
    // A name of dots only is made on purpose, and does not turn into another name.
    let drops = part.ends_with(b".") || part.ends_with(b" ");
    if drops && part.iter().any(|byte| *byte != b'.') {
        return Some("has a component that ends with a dot or space, which Windows drops");
    }
    let stem = part.split(|byte| *byte == b'.').next().unwrap_or(part).to_ascii_lowercase();
    let numbered = stem.len() == 4
        && (stem.starts_with(b"com") || stem.starts_with(b"lpt"))
        && matches!(stem[3], b'1'..=b'9');
    (numbered || DEVICES.contains(&&stem[..])).then_some("has a component that is a device name on Windows")
}

fn is_system_file(name: &[u8]) -> bool {
    is_apple_double(name)
        || name == b"Icon\r"
        || [&b".DS_Store"[..], b"Thumbs.db", b"desktop.ini"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
}

/// True for what macOS adds beside files on other file systems (`._name`).
pub fn is_apple_double(name: &[u8]) -> bool {
    name.len() > 2 && name.starts_with(b"._")
}

/// The last component.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(written: &str, version: Version) -> Result<String, &'static str> {
        read(written.as_bytes(), version)
            .map(|listed| String::from_utf8(listed.path).unwrap())
            .map_err(|out| out.0)
    }

    #[test]
    fn only_line_ends_and_from_1_0_the_percent_sign_are_decoded() {
        for (written, before, now) in [
            ("data/a%0Ab%0d", "data/a\nb\r", "data/a\nb\r"),
            ("data/a%25b", "data/a%25b", "data/a%b"),
            ("data/a%250A", "data/a%250A", "data/a%0A"),
            ("data/%2e%2e/x", "data/%2e%2e/x", "data/%2e%2e/x"),
            ("data/a%", "data/a%", "data/a%"),
        ] {
            assert_eq!(path(written, Version::V0_97), Ok(before.to_string()));
            assert_eq!(path(written, Version::V1_0), Ok(now.to_string()));
        }
        assert!(read(b"data/a%41", Version::V1_0).unwrap().spelling.bare_percent);
        assert!(!read(b"data/a%41", Version::V0_97).unwrap().spelling.bare_percent);
        assert!(!read(b"data/a%25%0a", Version::V1_0).unwrap().spelling.bare_percent);
    }

    #[test]
    fn paths_that_lead_outside_are_told_by_their_kind() {
        for (written, expected) in [
            ("/data/x", "PATH-ABSOLUTE"),
            ("../x", "PATH-PARENT"),
            ("data/../x", "PATH-PARENT"),
            ("data\\..\\x", "PATH-PARENT"),
            ("~/x", "PATH-HOME"),
            ("~root/x", "PATH-HOME"),
            ("%USERPROFILE%\\x", "PATH-HOME"),
            ("C:\\x", "PATH-DRIVE"),
            ("\\\\?\\C:\\x", "PATH-DRIVE"),
            ("\\\\server\\x", "PATH-DRIVE"),
            ("./C:/x", "PATH-DRIVE"),
            (".//~/x", "PATH-HOME"),
            ("a\0b", "MAN-LINE"),
            ("./", "MAN-LINE"),
        ] {
            assert_eq!(path(written, Version::V1_0), Err(expected), "{written}");
        }
        for written in ["data/~root", "data/..hidden", "data/a..b", "data/C:x"] {
            assert_eq!(path(written, Version::V1_0), Ok(written.to_string()));
        }
    }

    #[test]
    fn dots_and_doubled_slashes_name_the_same_place() {
        let listed = read(b"./data//a/./b", Version::V0_97).unwrap();
        assert!(listed.dots && !listed.folder);
        assert_eq!(listed.path, b"data/a/b");
        assert!(!read(b"data/a", Version::V0_97).unwrap().dots);
        let folder = read(b"data/a/", Version::V0_97).unwrap();
        assert!(folder.folder && !folder.dots);
    }

    #[test]
    fn folding_meets_case_and_normalisation() {
        assert_eq!(fold("data/Ü".as_bytes()), fold("data/u\u{308}".as_bytes()));
        assert_eq!(fold(b"data/A\xff"), b"data/a\xff");
        assert!(same_text("ü".as_bytes(), "u\u{308}".as_bytes()));
        assert!(!same_text("ü".as_bytes(), "Ü".as_bytes()));
    }

    #[test]
    fn the_cause_of_another_name_is_seen() {
        use Cause::*;
        let table: [(&str, &[u8], Option<Cause>); 11] = [
            ("data/\u{fc}", "data/u\u{308}".as_bytes(), Some(Normalisation)),
            ("data/A", b"data/a", Some(Case)),
            ("data/\u{dc}", "data/u\u{308}".as_bytes(), Some(Case)),
            ("data/a b", b"data/a%20b", Some(Percent)),
            ("data/a%3Ab", b"data/a%253Ab", Some(Percent)),
            ("data/a/b", b"data/a\\b", Some(Backslash)),
            ("data/a", b"data/._a", Some(AppleDouble)),
            ("data/x/a", b"data/._a", None),
            ("data/a /b", b"data/a/b", Some(Space)),
            ("data/\u{fc}", b"data/\xfc", Some(Encoding)),
            ("data/a", b"data/b", None),
        ];
        for (listed, found, expected) in table {
            assert_eq!(cause(listed.as_bytes(), found), expected, "{listed}");
        }
    }

    #[test]
    fn a_path_is_encoded_as_it_is_decoded() {
        for path in ["data/a%b\n\r", "data/%0A", "plain"] {
            let written = encoded(path.as_bytes());
            assert_eq!(read(&written, Version::V1_0).unwrap().path, path.as_bytes());
        }
        let mixed = read(b"data/a%b%25c", Version::V1_0).unwrap();
        assert!(mixed.spelling.mixed_percent && mixed.spelling.bare_percent);
        let backslashes = read(b"data\\x\\y", Version::V1_0).unwrap();
        assert!(backslashes.spelling.backslashes && backslashes.written.is_none());
        assert_eq!(backslashes.path, b"data/x/y");
        let behind_a_dot = read(b"./data\\x\\y", Version::V1_0).unwrap();
        assert!(behind_a_dot.spelling.backslashes && behind_a_dot.dots);
        assert_eq!(behind_a_dot.path, b"data/x/y");
    }

    #[test]
    fn names_that_travel_badly_are_remarked() {
        for (name, expected) in [
            ("data/a\u{7}", vec!["PATH-CONTROL"]),
            ("data/a\n\u{b}\u{c}\u{85}\u{2028}", vec![]),
            ("data/CON.txt", vec!["PATH-WINDOWS"]),
            ("data/COM0", vec![]),
            ("data/a:b", vec!["PATH-WINDOWS"]),
            ("data/dir./x", vec!["PATH-WINDOWS"]),
            ("data/._x", vec!["PATH-SYSTEM-FILE"]),
            ("data/thumbs.DB", vec!["PATH-SYSTEM-FILE"]),
            ("data/plain", vec![]),
        ] {
            let got: Vec<&str> = remarks(name.as_bytes()).into_iter().map(|remark| remark.0).collect();
            assert_eq!(got, expected, "{name}");
        }
    }
}
