//! Findings: what judging a bag found wrong or remarkable, as data.
//!
//! - A code never changes its meaning; sentences may.
//! - A path is bag-relative, as the depositor knows it, never a path of this machine; it is kept byte for byte, and
//!   escaped only where people read it.

use crate::model::digest::{hex, unhex};
use crate::model::fact::BagPath;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Accepted, and worth mending.
    Warning,
    /// The bag is not valid.
    Error,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Code of the taxonomy: `FIX-MISMATCH`.
    pub code: String,
    /// Its weight.
    pub severity: Severity,
    /// The bag-relative path it is about, byte for byte; empty for the bag as a whole. In JSON `path` is the text itself;
    /// when the bytes are not UTF-8 it is the escaped text, and `path_hex` beside it holds the bytes.
    #[serde(flatten)]
    pub path: At,
    /// Line of the tag file that gave rise to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// One sentence: what is wrong, with both values.
    pub message: String,
    /// One sentence: what to do.
    pub advice: String,
    /// The rule: "RFC 8493, 2.1.3".
    pub clause: String,
    /// The depositor's rule that decided its weight, where one did: `oxum = warning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// The path of a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At(pub BagPath);

impl At {
    /// As people may read it.
    pub fn shown(&self) -> String {
        self.0.shown()
    }

    /// True for the bag as a whole.
    pub fn is_bag(&self) -> bool {
        self.0.0.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
struct Spelled {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let spelled = match self.0.text() {
            Some(text) => Spelled { path: text.to_string(), path_hex: None },
            None => Spelled { path: self.shown(), path_hex: Some(hex(&self.0.0)) },
        };
        spelled.serialize(out)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<At, D::Error> {
        let spelled = Spelled::deserialize(input)?;
        let bytes = match spelled.path_hex {
            None => Some(spelled.path.into_bytes()),
            Some(digits) => unhex(&digits),
        };
        let bytes = bytes.ok_or_else(|| serde::de::Error::custom("path_hex is not hexadecimal"))?;
        Ok(At(BagPath(bytes)))
    }
}

impl Finding {
    /// A finding about `path` ("" for the whole bag).
    pub fn new(
        code: &str,
        severity: Severity,
        path: impl AsRef<[u8]>,
        message: impl Into<String>,
    ) -> Finding {
        Finding {
            code: code.to_string(),
            severity,
            path: At(BagPath(path.as_ref().to_vec())),
            line: None,
            expected: None,
            found: None,
            message: tame(message.into()),
            advice: String::new(),
            clause: String::new(),
            rule: None,
        }
    }

    /// Says on which line it was seen.
    pub fn line(mut self, line: u64) -> Finding {
        self.line = Some(line);
        self
    }

    /// Gives both values; of a very long one its beginning.
    pub fn values(mut self, expected: impl Into<String>, found: impl Into<String>) -> Finding {
        self.expected = Some(cut(tame(expected.into())));
        self.found = Some(cut(tame(found.into())));
        self
    }

    /// Says what to do.
    pub fn advice(mut self, advice: impl Into<String>) -> Finding {
        self.advice = tame(advice.into());
        self
    }

    /// Names the rule.
    pub fn clause(mut self, clause: impl Into<String>) -> Finding {
        self.clause = clause.into();
        self
    }
}

/// A name as people may read it: control and direction-changing characters as `\u{…}`, undecodable bytes as `\xNN`,
/// a backslash doubled.
pub fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' {
                text.push_str("\\\\");
            } else if is_unsayable(c) {
                text.extend(c.escape_unicode());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Control and direction-changing characters.
fn is_unsayable(c: char) -> bool {
    let turns_text = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    c.is_control() || turns_text
}

/// Bytes of a value that are kept. Names and lines of a deposit may be longer, and written out for people longer still; a
/// finding must stay a row that facts take, whatever the deposit holds.
const VALUE_MAX: usize = 16 << 10;

fn cut(mut text: String) -> String {
    if text.len() > VALUE_MAX {
        // Not inside a character, and zero is no place inside one.
        let end = (0..=VALUE_MAX).rev().find(|place| text.is_char_boundary(*place)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A sentence or value, whatever stands in it: where a name or value in it was not escaped, its unsayable characters are
/// now. Backslashes stay single, for they may be those of `escape`.
fn tame(text: String) -> String {
    if !text.chars().any(is_unsayable) {
        return text;
    }
    let mut tamed = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsayable(c) { tamed.extend(c.escape_unicode()) } else { tamed.push(c) }
    }
    tamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_json_byte_for_byte_and_stays_a_string() {
        for (raw, shown) in [(&b"data/a\\b"[..], "data/a\\b"), (b"data/\xff\n", "data/\\xff\\u{a}")] {
            let finding = Finding::new("COMP-MISSING", Severity::Error, raw, "x").line(3);
            let json = serde_json::to_value(&finding).unwrap();
            assert_eq!(json["path"], shown);
            assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), finding);
        }
    }

    #[test]
    fn a_value_that_was_not_escaped_cannot_speak_to_the_terminal() {
        let finding =
            Finding::new("OXUM-FORM", Severity::Error, "", "is \u{7}`\\u{7}`").values("a.b", "0\u{1b}[2J");
        assert_eq!(
            (finding.found.as_deref(), finding.message.as_str()),
            (Some("0\\u{1b}[2J"), "is \\u{7}`\\u{7}`")
        );
    }

    #[test]
    fn a_finding_is_no_longer_than_a_row_of_facts_may_be() {
        for name in ["\u{1b}", "\u{202e}", "\\", "\"", "é"] {
            let name = name.repeat((64 << 10) / name.len());
            let finding = Finding::new("PATH-BACKSLASH", Severity::Error, &name, "x").values(&name, &name);
            let bytes = serde_json::to_vec(&finding).unwrap().len();
            assert!(bytes < 1 << 20, "{bytes}");
            assert!(finding.found.is_some_and(|found| found.ends_with('…')));
        }
        let bytes = vec![0xff; 64 << 10];
        let finding = Finding::new("PATH-BACKSLASH", Severity::Error, &bytes, "x");
        let finding = finding.values(escape(&bytes), escape(&bytes));
        assert!(serde_json::to_vec(&finding).unwrap().len() < 1 << 20);
        let digest = "ab".repeat(64);
        assert_eq!(finding.values(&digest, "x").expected, Some(digest));
    }

    #[test]
    fn a_name_cannot_speak_to_the_terminal() {
        assert_eq!(escape(b"a\x1b[2Jb\xff\\"), "a\\u{1b}[2Jb\\xff\\\\");
        assert_eq!(escape("ü\u{202e}x".as_bytes()), "ü\\u{202e}x");
    }
}
