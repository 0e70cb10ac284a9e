//! Names of files: patterns of profiles, and rules for how a file may be called.
//!
//! - In a pattern `*` stands for any characters, `/` among them; nothing else is special.
//! - Matching takes at worst as many steps as pattern times name, and no memory.

use regex_lite::Regex;
use std::fmt;

/// A path, or a pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(pub String);

impl Glob {
    /// True when the path matches.
    pub fn matches(&self, path: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut at, mut place) = (0, 0);
        // Where the last star stood, and how much it stands for so far.
        let mut star: Option<(usize, usize)> = None;
        while place < path.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, place));
                    at += 1;
                }
                Some(byte) if *byte == path[place] => {
                    at += 1;
                    place += 1;
                }
                _ => {
                    let Some((of, upto)) = star else { return false };
                    star = Some((of, upto + 1));
                    (at, place) = (of + 1, upto + 1);
                }
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }

    /// True when every path that `other` matches is matched, too, as far as stars can tell.
    pub fn covers(&self, other: &str) -> bool {
        self.matches(other.as_bytes())
    }
}

/// How files and folders may be called.
#[derive(Clone, Debug)]
pub enum NameRule {
    /// APTrust's guide: printable, no leading dash, at most 255 characters.
    Guide,
    /// APTrust's first pattern: letters, digits, `.`, `-`, `_` and `%`, and no leading dash.
    Aptrust,
    /// POSIX's portable names: letters, digits, `.`, `-` and `_`.
    Posix,
    /// Anything without control characters, be they written as `\u0007`.
    Permissive,
    /// A pattern of the profile's own.
    Pattern(Pattern),
}

/// A regular expression, with its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl PartialEq for NameRule {
    fn eq(&self, other: &NameRule) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for NameRule {}

impl fmt::Display for NameRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameRule::Guide => out.write_str("printable, no leading dash, at most 255 characters"),
            NameRule::Aptrust => out.write_str("letters, digits, . - _ and %, no leading dash"),
            NameRule::Posix => out.write_str("letters, digits, . - and _"),
            NameRule::Permissive => out.write_str("no control characters, also not written as \\u0007"),
            NameRule::Pattern(pattern) => write!(out, "names that match {}", pattern.text),
        }
    }
}

/// Longest name that APTrust's guide allows.
const CHARS_MAX: usize = 255;

/// A pattern longer than this is no pattern for names.
const PATTERN_MAX: usize = 4 << 10;

impl NameRule {
    /// The rule of this name, or the regular expression; why it is none.
    pub fn from_config(text: &str) -> Result<NameRule, String> {
        match text.to_ascii_uppercase().as_str() {
            "APTRUST" => Ok(NameRule::Aptrust),
            "POSIX" => Ok(NameRule::Posix),
            "PERMISSIVE" => Ok(NameRule::Permissive),
            "GUIDE" => Ok(NameRule::Guide),
            _ if text.len() > PATTERN_MAX => Err(format!("it is longer than {PATTERN_MAX} bytes")),
            _ => {
                let regex =
                    Regex::new(text).map_err(|error| format!("it is no regular expression: {error}"))?;
                Ok(NameRule::Pattern(Pattern { text: text.to_string(), regex }))
            }
        }
    }

    /// Its word; the text of a pattern.
    pub fn word(&self) -> &str {
        match self {
            NameRule::Guide => "guide",
            NameRule::Aptrust => "aptrust",
            NameRule::Posix => "posix",
            NameRule::Permissive => "permissive",
            NameRule::Pattern(pattern) => &pattern.text,
        }
    }

    /// What is wrong with a path, component by component; `None` when nothing is.
    pub fn broken_by(&self, path: &[u8]) -> Option<String> {
        path.split(|byte| *byte == b'/').find_map(|name| self.part_broken(name))
    }

    fn part_broken(&self, name: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(name);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        match self {
            NameRule::Guide if text.chars().count() > CHARS_MAX => {
                Some(format!("is longer than {CHARS_MAX} characters"))
            }
            NameRule::Guide if name.first() == Some(&b'-') => Some("starts with a dash".into()),
            NameRule::Guide => unprintable(&text).map(String::from),
            NameRule::Permissive => unprintable(&text).map(String::from),
            NameRule::Aptrust if name.first() == Some(&b'-') => Some("starts with a dash".into()),
            NameRule::Aptrust => odd(&text, |byte| plain(byte) || byte == b'%'),
            NameRule::Posix => odd(&text, plain),
            NameRule::Pattern(pattern) if !pattern.regex.is_match(&text) => {
                Some(format!("does not match {}", pattern.text))
            }
            NameRule::Pattern(_) => None,
        }
    }
}

fn odd(text: &str, allowed: impl Fn(u8) -> bool) -> Option<String> {
    let odd = text.chars().find(|c| !(c.is_ascii() && allowed(*c as u8)))?;
    Some(format!("has the character {}", odd.escape_debug()))
}

/// Why a name cannot be printed: a control character, one written out as `\u0007`, or bytes that are no text.
fn unprintable(text: &str) -> Option<&'static str> {
    if text.contains('\u{fffd}') {
        return Some("is not UTF-8");
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Some("has a control character");
    }
    let escaped = text.match_indices('\\').any(|(place, _)| {
        let digits = text[place + 1..].strip_prefix(['u', 'U']).and_then(|rest| rest.get(..4));
        digits.is_some_and(|digits| {
            let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
            digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && code.is_some_and(char::is_control)
        })
    });
    escaped.then_some("has a control character, written out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_spans_folders_and_nothing_else_is_special() {
        #[rustfmt::skip]
        let table = [
            ("*", "a/b/c", true), ("metadata/*", "metadata/mods.xml", true), ("metadata/*", "metadata/a/b", true),
            ("metadata/*", "metadata", false), ("*.xml", "a/b.xml", true), ("*.xml", "a.xmlx", false),
            ("a*b*c", "a/x/b/y/c", true), ("a*b*c", "acb", false), ("a?c", "abc", false), ("[a]", "a", false),
            ("", "", true), ("", "a", false), ("**", "", true), ("a", "a", true), ("a*", "b", false),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(Glob(pattern.into()).matches(path.as_bytes()), expected, "{pattern} {path}");
        }
        let hostile = Glob(format!("{}b", "*a".repeat(200)));
        assert!(!hostile.matches("a".repeat(4_000).as_bytes()));
    }

    #[test]
    fn names_are_judged_component_by_component() {
        let own = NameRule::from_config("^[a-z/.]+$").unwrap();
        #[rustfmt::skip]
        let table: &[(&NameRule, &str, bool)] = &[
            (&NameRule::Guide, "data/Käthe #1 (a*b).txt", true), (&NameRule::Guide, "data/-a", false),
            (&NameRule::Guide, "data/-a/b", false), (&NameRule::Guide, "data/a-", true),
            (&NameRule::Guide, "data/a\u{7}", false), (&NameRule::Guide, "data/a\\u007f.txt", false),
            (&NameRule::Guide, "data/a\\u0061.txt", true), (&NameRule::Guide, "data/a\\u", true),
            (&NameRule::Permissive, "data/-a", true), (&NameRule::Permissive, "data/a\\U0085", false),
            (&NameRule::Permissive, "data/a\u{85}", false), (&NameRule::Aptrust, "data/a b", false),
            (&NameRule::Aptrust, "data/a%20b", true), (&NameRule::Aptrust, "data/-a", false),
            (&NameRule::Posix, "data/a%20b", false), (&NameRule::Posix, "data/-a", true), (&own, "data/a.b", true),
            (&own, "data/A", false),
        ];
        for (rule, path, good) in table {
            assert_eq!(rule.broken_by(path.as_bytes()).is_none(), *good, "{rule}: {path}");
        }
        assert!(NameRule::Guide.broken_by(b"data/\xff").is_some());
        let long = format!("data/{}", "ä".repeat(256));
        assert!(NameRule::Guide.broken_by(long.as_bytes()).is_some());
        assert!(NameRule::Guide.broken_by(&long.as_bytes()[..5 + 2 * 255]).is_none());
        assert!(NameRule::from_config("(").is_err());
    }
}
