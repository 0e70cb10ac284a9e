//! What HTTP headers say, as far as a download must believe or doubt it.
//!
//! - A header that is not written as its standard says gives nothing or an error, never a guess.
//! - Only a strong entity tag pins bytes (RFC 9110, 8.8.3).

use crate::model::digest::{Algorithm, hex};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use std::time::Duration;

/// What a `Content-Range` header says of bytes (RFC 9110, 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// First and last byte; none when no part of it was there to give (416).
    pub part: Option<(u64, u64)>,
    /// Bytes of the whole; none when the server does not know.
    pub whole: Option<u64>,
}

/// Reads a `Content-Range` header.
pub fn content_range(text: &str) -> Option<ContentRange> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (part, whole) = rest.trim().split_once('/')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let whole = if whole == "*" { None } else { Some(number(whole)?) };
    if part == "*" {
        return whole.map(|whole| ContentRange { part: None, whole: Some(whole) });
    }
    let (first, last) = part.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let fits = first <= last && whole.is_none_or(|whole| last < whole);
    fits.then_some(ContentRange { part: Some((first, last)), whole })
}

/// A number as headers write it: digits, nothing else.
pub fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Longest entity tag: it becomes part of the pin, which becomes part of an item's row.
const TAG_MAX: usize = 256;

/// The entity tag with its quotes, if it is a strong one.
pub fn strong_tag(text: &str) -> Option<&str> {
    let text = text.trim();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let plain = |byte: u8| byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80;
    (!inner.is_empty() && text.len() <= TAG_MAX && inner.bytes().all(plain)).then_some(text)
}

/// A date in one of the three forms that HTTP knows (RFC 9110, 5.6.7).
pub fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > 60 {
        return None;
    }
    if let Ok(time) = rfc2822::DateTimeParser::new().parse_timestamp(text) {
        return Some(time);
    }
    let old = text.strip_suffix(" GMT").unwrap_or(text);
    ["%A, %d-%b-%y %H:%M:%S", "%a %b %e %H:%M:%S %Y"].iter().find_map(|form| {
        let time = jiff::civil::DateTime::strptime(form, old).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

/// How long a `Retry-After` header asks to wait, seconds or a date (RFC 9110, 10.2.3).
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Some(seconds) = number(text) {
        return Some(Duration::from_secs(seconds));
    }
    let until = date(text)?.duration_since(now);
    Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
}

/// A digest that a header gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderDigest {
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// Lower-case hexadecimal.
    pub hex: String,
}

/// The digests of a header that has them by name: `Content-Digest` and `Repr-Digest` (`sha-256=:base64:`, RFC 9530), or
/// the older `Digest` (`sha-256=base64`, RFC 3230). What is not understood is passed over.
pub fn digests(text: &str) -> Vec<HeaderDigest> {
    let mut found = Vec::new();
    for part in text.split(',').take(32) {
        let Some((name, value)) = part.trim().split_once('=') else { continue };
        // Parameters of a structured field.
        let value = value.split(';').next().unwrap_or(value).trim();
        let inner = value.strip_prefix(':').and_then(|value| value.strip_suffix(':')).unwrap_or(value);
        let Some(algorithm) = algorithm(name.trim()) else { continue };
        if let Some(hex) = digest_of_base64(algorithm, inner) {
            found.push(HeaderDigest { algorithm, hex });
        }
    }
    found
}

fn algorithm(name: &str) -> Option<Algorithm> {
    // RFC 3230 writes SHA-1 as "sha".
    if name.eq_ignore_ascii_case("sha") { Some(Algorithm::Sha1) } else { Algorithm::from_label(name) }
}

/// A base64 digest as hexadecimal, if it has the length of this algorithm.
pub fn digest_of_base64(algorithm: Algorithm, text: &str) -> Option<String> {
    let bytes = base64(text.trim())?;
    (bytes.len() == algorithm.len()).then(|| hex(&bytes))
}

/// A hexadecimal digest in lower case, if it has the length of this algorithm.
pub fn digest_of_hex(algorithm: Algorithm, text: &str) -> Option<String> {
    let fits = text.len() == 2 * algorithm.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| text.to_ascii_lowercase())
}

/// The bytes that this base64 stands for (RFC 4648, 4), with its padding; nothing if it is not base64.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let raw = text.as_bytes();
    if raw.is_empty() || !raw.len().is_multiple_of(4) {
        return None;
    }
    let body = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    let mut bytes = Vec::with_capacity(raw.len() / 4 * 3);
    let (mut held, mut bits) = (0u32, 0);
    for byte in body.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    // What is left over says nothing; an encoder leaves zeros.
    (held == 0).then_some(bytes)
}

/// Base64 of these bytes, with its padding.
pub fn to_base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let held =
            three.iter().fold(0u32, |held, byte| (held << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(held >> (18 - 6 * place)) as usize & 63];
            text.push(if place > three.len() { '=' } else { letter as char });
        }
    }
    text
}

/// Longest side-car that is read: a list of some thousand names.
pub const SIDE_CAR_MAX: usize = 1 << 20;

/// The digest that a side-car gives for `name`: the digest alone, `DIGEST  NAME` lines as `sha256sum` writes them, or
/// `SHA256 (NAME) = DIGEST` lines as BSD does. A list of other names gives nothing.
pub fn side_car(text: &str, algorithm: Algorithm, name: &str) -> Option<String> {
    let mut nameless = None;
    let mut lines = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        lines += 1;
        let (digest, named) = match line.split_once(") = ") {
            Some((before, digest)) => (digest.trim(), before.split_once(" (").map(|(_, named)| named)),
            None => match line.split_once(char::is_whitespace) {
                Some((digest, named)) => {
                    let named = named.trim_start();
                    (digest, Some(named.strip_prefix('*').unwrap_or(named)))
                }
                None => (line, None),
            },
        };
        let Some(hex) = digest_of_hex(algorithm, digest) else { continue };
        match named.map(|named| named.rsplit('/').next().unwrap_or(named)) {
            Some(named) if named == name => return Some(hex),
            // "-": it was made from standard input, so it names nothing.
            None | Some("-") => nameless = Some(hex),
            Some(_) => {}
        }
    }
    nameless.filter(|_| lines == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_exactly_or_not_at_all() {
        let part = |first, last, whole| Some(ContentRange { part: Some((first, last)), whole });
        let table = [
            ("bytes 0-0/1", part(0, 0, Some(1))),
            ("bytes 5-9/10", part(5, 9, Some(10))),
            ("Bytes 5-9/*", part(5, 9, None)),
            ("bytes */47", Some(ContentRange { part: None, whole: Some(47) })),
            ("bytes 5-9/9", None),
            ("bytes 9-5/20", None),
            ("bytes */*", None),
            ("bytes=0-4/5", None),
            ("bytes 0-4", None),
            ("lines 0-4/5", None),
            ("bytes -4/5", None),
            ("bytes +0-4/5", None),
            ("bytes 0-4/99999999999999999999999", None),
            ("", None),
        ];
        for (text, wanted) in table {
            assert_eq!(content_range(text), wanted, "{text}");
        }
    }

    #[test]
    fn only_strong_tags_pin() {
        assert_eq!(strong_tag(" \"abc-2\" "), Some("\"abc-2\""));
        for weak in ["W/\"abc\"", "w/\"abc\"", "abc", "\"\"", "\"a\"b\"", "\"a b\"", "\"", "\"a\r\nX: y\""] {
            assert_eq!(strong_tag(weak), None, "{weak}");
        }
        assert_eq!(strong_tag(&format!("\"{}\"", "a".repeat(300))), None);
    }

    #[test]
    fn dates_are_read_in_all_three_forms() {
        let wanted: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(date(text), Some(wanted), "{text}");
        }
        for text in ["", "tomorrow", "1994-11-06", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_in_the_past() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0 ", now), Some(Duration::ZERO));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(37)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        for text in ["-5", "1.5", "soon", ""] {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
    }

    #[test]
    fn base64_goes_both_ways_and_takes_nothing_else() {
        for text in ["f", "fo", "foo", "foob", "fooba", "foobar"] {
            assert_eq!(base64(&to_base64(text.as_bytes())).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(to_base64(b"fooba"), "Zm9vYmE=");
        assert_eq!(to_base64(b"f"), "Zg==");
        for text in ["", "Zg", "Zg=", "Z===", "Zh==", "Zm9v!m8=", "Zm=v", "Zg==Zg=="] {
            assert_eq!(base64(text), None, "{text}");
        }
    }

    #[test]
    fn digests_of_headers_are_taken_when_their_length_is_right() {
        // Of "hello world".
        let sha256 = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
        let in_base64 = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=";
        let table = [
            (format!("sha-256=:{in_base64}:"), vec![sha256]),
            (format!("md5=:abc:, sha-256=:{in_base64}:;q=1, crc32c=:AAAA:"), vec![sha256]),
            (format!("SHA-256={in_base64}"), vec![sha256]),
            (format!("sha-512=:{in_base64}:"), vec![]),
            (format!("unixsum=30637,sha={in_base64}"), vec![]),
            ("sha-256".to_string(), vec![]),
        ];
        for (text, wanted) in table {
            let found: Vec<String> = digests(&text).into_iter().map(|digest| digest.hex).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn a_side_car_speaks_of_its_own_name_only() {
        let one = "d41d8cd98f00b204e9800998ecf8427e";
        let two = "900150983CD24FB0D6963F7D28E17F72";
        let find = |text: &str| side_car(text, Algorithm::Md5, "a.tar");
        let table = [
            (one.to_string(), Some(one)),
            (format!("{one}\n"), Some(one)),
            (format!("{one}  a.tar\n"), Some(one)),
            (format!("{one} *in/a.tar\r\n"), Some(one)),
            (format!("{one}  -\n"), Some(one)),
            (format!("MD5 (a.tar) = {one}\n"), Some(one)),
            (format!("{two}  b.tar\n{one}  a.tar\n"), Some(one)),
            (format!("{one}  b.tar\n"), None),
            (format!("{one}\n{two}\n"), None),
            (format!("{one}0  a.tar"), None),
            ("<html>404</html>".to_string(), None),
            (String::new(), None),
        ];
        for (text, wanted) in table {
            assert_eq!(find(&text).as_deref(), wanted, "{text}");
        }
        assert_eq!(find(two).as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
    }
}
