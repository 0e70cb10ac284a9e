//! Findings: what judging a bag found wrong or remarkable, as data.
//!
//! - A code never changes its meaning; sentences may.
//! - A path is bag-relative, as the depositor knows it, never a path of this machine.

use serde::{Deserialize, Serialize};

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
    /// The bag-relative path it is about, escaped for people; empty for the bag as a whole.
    pub path: String,
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
}

impl Finding {
    /// A finding about `path` ("" for the whole bag).
    pub fn new(code: &str, severity: Severity, path: &str, message: impl Into<String>) -> Finding {
        Finding {
            code: code.to_string(),
            severity,
            path: escape(path.as_bytes()),
            line: None,
            expected: None,
            found: None,
            message: message.into(),
            advice: String::new(),
            clause: String::new(),
        }
    }

    /// Says on which line it was seen.
    pub fn line(mut self, line: u64) -> Finding {
        self.line = Some(line);
        self
    }

    /// Gives both values.
    pub fn values(mut self, expected: impl Into<String>, found: impl Into<String>) -> Finding {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }

    /// Says what to do.
    pub fn advice(mut self, advice: impl Into<String>) -> Finding {
        self.advice = advice.into();
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
            let turns_text = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
            if c == '\\' {
                text.push_str("\\\\");
            } else if c.is_control() || turns_text {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_speak_to_the_terminal() {
        assert_eq!(escape(b"a\x1b[2Jb\xff\\"), "a\\u{1b}[2Jb\\xff\\\\");
        assert_eq!(escape("ü\u{202e}x".as_bytes()), "ü\\u{202e}x");
    }
}
