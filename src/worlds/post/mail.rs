//! A letter as a mail (RFC 5322, 2045, 2047): plain text, for machines of every age.
//!
//! - Every line ends with CRLF, has at most 998 bytes, and is ASCII; what is not is encoded.
//! - No header holds what the letter says but the subject, and that is encoded unless it is plain.

use super::Letter;
use crate::rules::http::to_base64;

/// Longest line that goes out as it is.
const LINE_MAX: usize = 900;

/// Bytes of one encoded word: base64 of them, and what is around it, stays below 75.
const WORD_MAX: usize = 42;

/// The mail, headers and text, without what ends it.
pub(super) fn message(letter: &Letter, from: &str, host: &str) -> String {
    let (encoding, body) = body(&letter.text);
    let date = letter.at.strftime("%a, %d %b %Y %H:%M:%S +0000");
    let headers = [
        format!("From: strongroom <{from}>"),
        // One a line, however many there are.
        format!("To: {}", letter.to.join(",\r\n ")),
        format!("Subject: {}", words(&letter.subject)),
        format!("Date: {date}"),
        format!("Message-ID: <{}@{host}>", letter.name),
        // No answering machine answers to this (RFC 3834).
        "Auto-Submitted: auto-generated".into(),
        "MIME-Version: 1.0".into(),
        "Content-Type: text/plain; charset=utf-8".into(),
        format!("Content-Transfer-Encoding: {encoding}"),
    ];
    format!("{}\r\n\r\n{body}", headers.join("\r\n"))
}

fn body(text: &str) -> (&'static str, String) {
    let plain =
        |line: &str| line.len() <= LINE_MAX && line.chars().all(|c| c == '\t' || (' '..='~').contains(&c));
    if text.lines().all(plain) {
        return ("7bit", text.lines().map(|line| format!("{line}\r\n")).collect());
    }
    let encoded = to_base64(text.as_bytes());
    let lines = encoded.as_bytes().chunks(76).map(|line| format!("{}\r\n", String::from_utf8_lossy(line)));
    ("base64", lines.collect())
}

/// A header's text: as it is when it is short and plain, else in encoded words, one a line.
fn words(text: &str) -> String {
    let plain = text.chars().all(|c| (' '..='~').contains(&c)) && !text.contains("=?");
    if plain && text.len() <= LINE_MAX {
        return text.to_string();
    }
    let mut parts = vec![String::new()];
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        let last = parts.last_mut().expect("there is always a last part: the list starts with one");
        match last.len() + c.len_utf8() > WORD_MAX {
            true => parts.push(c.to_string()),
            false => last.push(c),
        }
    }
    let encoded: Vec<String> =
        parts.iter().map(|part| format!("=?utf-8?B?{}?=", to_base64(part.as_bytes()))).collect();
    encoded.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(subject: &str, text: &str) -> Letter {
        Letter {
            name: "notice-7-of-x".into(),
            depositor: None,
            to: vec!["a@b.org".into(), "c@d.org".into()],
            subject: subject.into(),
            text: text.into(),
            at: "2026-11-01T02:03:04Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_plain_letter_stays_readable() {
        let mail = message(&letter("reconcile: 3 wrong", "one\n.two\n"), "s@r.org", "vault01");
        assert_eq!(
            mail,
            "From: strongroom <s@r.org>\r\nTo: a@b.org,\r\n c@d.org\r\nSubject: reconcile: 3 wrong\r\n\
             Date: Sun, 01 Nov 2026 02:03:04 +0000\r\nMessage-ID: <notice-7-of-x@vault01>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\r\none\r\n.two\r\n"
        );
    }

    #[test]
    fn no_line_of_a_letter_becomes_a_header_and_all_lines_are_ascii() {
        let subject = format!("Bücher\r\nBcc: x@y.org {}", "ü".repeat(100));
        let mail = message(&letter(&subject, &"日本 ".repeat(200)), "s@r.org", "h");
        assert!(mail.is_ascii() && !mail.contains("Bcc"), "{mail}");
        assert!(mail.split("\r\n").all(|line| line.len() <= 78 && !line.contains(['\r', '\n'])), "{mail}");
        assert!(mail.contains("Content-Transfer-Encoding: base64"));
        // Both ways of making a header up: an encoded word that the letter brings along, and a line that is too long.
        assert!(words("=?utf-8?B?eA==?=").starts_with("=?utf-8?B?PT9"));
        assert!(words(&"x".repeat(2_000)).split("\r\n ").all(|word| word.len() <= 75));
    }
}
