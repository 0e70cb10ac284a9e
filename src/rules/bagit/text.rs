//! Text of tag files: character sets, and lines.
//!
//! - A line ends with LF, CR or CRLF and with nothing else: U+0085, U+2028, VT and FF are ordinary characters.
//! - Text is decoded first and split into lines after, so UTF-16 works; a path that cannot be decoded keeps its bytes.
//! - A line has a length cap; a longer one is told and passed over, and reading goes on behind it.

use std::io::{self, Read};

/// A character set that bagit.txt may declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    Utf8,
    /// US-ASCII.
    Ascii,
    /// ISO-8859-1 as it is registered; encoding_rs would read it as windows-1252.
    Latin1,
    /// UTF-16, be the order declared or not: the byte order mark decides.
    Utf16(Order),
    /// Any other that encoding_rs knows.
    Other(&'static encoding_rs::Encoding),
}

/// Which byte of a UTF-16 unit comes first when there is no byte order mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The low one is declared.
    Little,
    /// The high one is declared.
    Big,
    /// Nothing is declared: what the first character shows, else the high one (RFC 2781, 4.3).
    Unsaid,
}

impl Charset {
    /// The character set of this registered name; `None` when it is none, or none that can be read here.
    pub fn from_label(label: &str) -> Option<Charset> {
        match label.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Charset::Utf8),
            "us-ascii" | "ascii" | "ansi_x3.4-1968" | "ansi_x3.4-1986" | "iso646-us" | "iso_646.irv:1991"
            | "iso-ir-6" | "us" | "ibm367" | "cp367" | "csascii" => Some(Charset::Ascii),
            "iso-8859-1" | "iso_8859-1" | "iso_8859-1:1987" | "iso8859-1" | "iso88591" | "iso-ir-100"
            | "latin1" | "l1" | "ibm819" | "cp819" | "csisolatin1" => Some(Charset::Latin1),
            "utf-16" | "utf16" | "csutf16" | "iso-10646-ucs-2" | "csunicode" | "ucs-2" | "unicode" => {
                Some(Charset::Utf16(Order::Unsaid))
            }
            "utf-16le" | "csutf16le" => Some(Charset::Utf16(Order::Little)),
            "utf-16be" | "csutf16be" => Some(Charset::Utf16(Order::Big)),
            // A label of the web's that stands for no character set.
            "x-user-defined" => None,
            other => encoding_rs::Encoding::for_label_no_replacement(other.as_bytes()).map(Charset::Other),
        }
    }
}

/// Decides the order of UTF-16 by its first bytes, and passes over the mark.
fn order_of(bytes: &mut &[u8], declared: Order) -> &'static encoding_rs::Encoding {
    for (mark, encoding) in [(b"\xff\xfe", encoding_rs::UTF_16LE), (b"\xfe\xff", encoding_rs::UTF_16BE)] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            *bytes = rest;
            return encoding;
        }
    }
    match (declared, bytes) {
        (Order::Little, _) => encoding_rs::UTF_16LE,
        // The first character of a tag file is ASCII: a digit or a letter of a label.
        (Order::Unsaid, [low, 0, ..]) if *low != 0 => encoding_rs::UTF_16LE,
        _ => encoding_rs::UTF_16BE,
    }
}

/// One line of a tag file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its text without its end, in UTF-8 unless it could not be decoded.
    pub text: &'a [u8],
    /// Its bytes, when there are more than the cap; `text` then holds the first of them.
    pub too_long: Option<u64>,
    /// It could not be decoded.
    pub undecodable: bool,
}

/// What reading the lines told of the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Lines.
    pub lines: u64,
    /// It starts with the byte order mark of UTF-8.
    pub bom: bool,
}

/// Reads all lines of a tag file; `failed` makes the caller's error of a reading error.
pub fn lines<H>(
    read: &mut dyn Read,
    charset: Charset,
    line_max: usize,
    failed: &dyn Fn(io::Error) -> H,
    each: &mut dyn FnMut(Line<'_>) -> Result<(), H>,
) -> Result<Told, H> {
    let mut splitter =
        Splitter { line_max, text: Vec::new(), dropped: 0, number: 0, after_cr: false, broken: false };
    let mut decoder = Decoder::new(charset);
    let mut bom = false;
    let mut buf = vec![0; 64 << 10];
    let mut start = 0;
    loop {
        let count = match read.read(&mut buf[start..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(failed)?,
        };
        let end = start + count;
        // The first bytes decide about byte order marks, of which there may be two; wait for them.
        if decoder.first && end < 5 && count > 0 {
            start = end;
            continue;
        }
        let mut bytes = &buf[..end];
        if std::mem::take(&mut decoder.first) {
            if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
                bom = true;
                bytes = rest;
            }
            decoder.settle(&mut bytes);
        }
        decoder.feed(bytes, count == 0, &mut splitter, each)?;
        start = 0;
        if count == 0 {
            splitter.finish(decoder.charset, each)?;
            return Ok(Told { lines: splitter.number, bom });
        }
    }
}

struct Decoder {
    charset: Charset,
    first: bool,
    decoder: Option<encoding_rs::Decoder>,
    text: String,
}

impl Decoder {
    fn new(charset: Charset) -> Decoder {
        Decoder { charset, first: true, decoder: None, text: String::with_capacity(64 << 10) }
    }

    /// Decides the byte order and passes over its mark.
    fn settle(&mut self, bytes: &mut &[u8]) {
        let encoding = match self.charset {
            Charset::Utf8 | Charset::Ascii | Charset::Latin1 => return,
            Charset::Utf16(declared) => order_of(bytes, declared),
            Charset::Other(encoding) => encoding,
        };
        self.decoder = Some(encoding.new_decoder_without_bom_handling());
    }

    fn feed<H>(
        &mut self,
        mut bytes: &[u8],
        last: bool,
        splitter: &mut Splitter,
        each: &mut dyn FnMut(Line<'_>) -> Result<(), H>,
    ) -> Result<(), H> {
        let charset = self.charset;
        let Some(decoder) = &mut self.decoder else {
            if charset != Charset::Latin1 {
                return splitter.take(bytes, charset, each);
            }
            self.text.clear();
            self.text.extend(bytes.iter().map(|byte| char::from(*byte)));
            return splitter.take(self.text.as_bytes(), charset, each);
        };
        loop {
            self.text.clear();
            let (result, used) = decoder.decode_to_string_without_replacement(bytes, &mut self.text, last);
            bytes = &bytes[used..];
            splitter.take(self.text.as_bytes(), charset, each)?;
            match result {
                encoding_rs::DecoderResult::InputEmpty => return Ok(()),
                encoding_rs::DecoderResult::OutputFull => {}
                encoding_rs::DecoderResult::Malformed(_, _) => {
                    splitter.broken = true;
                    splitter.take("\u{fffd}".as_bytes(), charset, each)?;
                }
            }
        }
    }
}

struct Splitter {
    line_max: usize,
    text: Vec<u8>,
    dropped: u64,
    number: u64,
    after_cr: bool,
    broken: bool,
}

impl Splitter {
    fn take<H>(
        &mut self,
        mut text: &[u8],
        charset: Charset,
        each: &mut dyn FnMut(Line<'_>) -> Result<(), H>,
    ) -> Result<(), H> {
        while !text.is_empty() {
            if std::mem::take(&mut self.after_cr) && text[0] == b'\n' {
                text = &text[1..];
                continue;
            }
            let Some(end) = text.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.add(text);
                return Ok(());
            };
            self.add(&text[..end]);
            self.after_cr = text[end] == b'\r';
            self.give(charset, each)?;
            text = &text[end + 1..];
        }
        Ok(())
    }

    fn add(&mut self, text: &[u8]) {
        let room = self.line_max.saturating_sub(self.text.len()).min(text.len());
        self.text.extend_from_slice(&text[..room]);
        self.dropped += (text.len() - room) as u64;
    }

    fn give<H>(
        &mut self,
        charset: Charset,
        each: &mut dyn FnMut(Line<'_>) -> Result<(), H>,
    ) -> Result<(), H> {
        self.number += 1;
        let too_long = (self.dropped > 0).then(|| self.text.len() as u64 + self.dropped);
        let undecodable = match charset {
            // A cut line may be cut inside a character.
            Charset::Utf8 => too_long.is_none() && std::str::from_utf8(&self.text).is_err(),
            Charset::Ascii => !self.text.is_ascii(),
            _ => std::mem::take(&mut self.broken),
        };
        let given = each(Line { number: self.number, text: &self.text, too_long, undecodable });
        self.text.clear();
        self.dropped = 0;
        given
    }

    fn finish<H>(
        &mut self,
        charset: Charset,
        each: &mut dyn FnMut(Line<'_>) -> Result<(), H>,
    ) -> Result<(), H> {
        if self.text.is_empty() && self.dropped == 0 && !self.broken {
            return Ok(());
        }
        self.give(charset, each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], charset: Charset) -> (Vec<(u64, Vec<u8>, bool)>, Told) {
        let mut seen = Vec::new();
        let told = lines::<io::Error>(&mut &bytes[..], charset, 10, &|error| error, &mut |line| {
            seen.push((line.number, line.text.to_vec(), line.undecodable || line.too_long.is_some()));
            Ok(())
        });
        (seen, told.unwrap())
    }

    fn texts(bytes: &[u8], charset: Charset) -> Vec<String> {
        read(bytes, charset).0.into_iter().map(|line| String::from_utf8(line.1).unwrap()).collect()
    }

    #[test]
    fn lines_end_with_lf_cr_or_crlf_and_nothing_else() {
        let text = "a\nb\rc\r\nd\n\re\u{85}\u{2028}\u{b}\u{c}f";
        let expected = ["a", "b", "c", "d", "", "e\u{85}\u{2028}\u{b}\u{c}f"];
        assert_eq!(texts(text.as_bytes(), Charset::Utf8)[..5], expected[..5]);
        assert_eq!(texts(b"a\n", Charset::Utf8), ["a"]);
        assert_eq!(texts(b"", Charset::Utf8), [""; 0]);
    }

    #[test]
    fn every_charset_gives_the_same_text() {
        assert_eq!(texts(b"gr\xfc\xdf\n\x85", Charset::Latin1), ["grüß", "\u{85}"]);
        assert_eq!(texts(b"\xff\xfeg\0\xfc\0\n\0x\0", Charset::Utf16(Order::Unsaid)), ["gü", "x"]);
        assert_eq!(texts(b"\xfe\xff\0g\0\xfc\0\n\0x", Charset::Utf16(Order::Unsaid)), ["gü", "x"]);
        assert_eq!(texts(b"\0g\0\xfc\0\n\0x", Charset::Utf16(Order::Unsaid)), ["gü", "x"]);
        assert_eq!(texts(b"g\0\xfc\0\n\0x\0", Charset::from_label("UTF-16LE").unwrap()), ["gü", "x"]);
        for label in ["UTF-16", "UTF-16LE"] {
            let charset = Charset::from_label(label).unwrap();
            assert_eq!(texts(b"g\0\xfc\0\n\0x\0", charset), ["gü", "x"], "{label}");
            assert_eq!(texts(b"\xfe\xff\0g\0\xfc\0\n\0x", charset), ["gü", "x"], "{label}");
        }
        let cyrillic = Charset::from_label("KOI8-R").unwrap();
        assert_eq!(texts(b"\xc4\xc1", cyrillic), ["да"]);
        for unknown in ["x-klingon", "x-user-defined", "replacement", "hz-gb-2312", ""] {
            assert_eq!(Charset::from_label(unknown), None, "{unknown}");
        }
        assert_eq!(Charset::from_label("ISO_8859-1:1987"), Some(Charset::Latin1));
    }

    #[test]
    fn a_bom_is_told_and_what_cannot_be_decoded_keeps_its_bytes() {
        let (lines, told) = read(b"\xef\xbb\xbfa\n\xe9\nb", Charset::Utf8);
        assert!(told.bom && told.lines == 3);
        assert_eq!(
            lines,
            [(1, b"a".to_vec(), false), (2, b"\xe9".to_vec(), true), (3, b"b".to_vec(), false)]
        );
        assert!(read(b"\xd8\0", Charset::Utf16(Order::Big)).0[0].2);
    }

    #[test]
    fn no_border_between_two_reads_changes_a_line() {
        let text = "aü\r\n\u{1f600}b\rc\n";
        let utf16: Vec<u8> =
            std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for (bytes, charset) in [(text.as_bytes(), Charset::Utf8), (&utf16, Charset::Utf16(Order::Unsaid))] {
            for pad in (64 << 10) - 20..(64 << 10) + 4 {
                // A first line of this length moves everything behind it over the border of the buffer.
                let unit = if charset == Charset::Utf8 { 1 } else { 2 };
                let mut padded = bytes[..unit * usize::from(unit == 2)].to_vec();
                for _ in 0..pad / unit - 1 {
                    padded.extend_from_slice(&[b'x', 0][..unit]);
                }
                padded.extend_from_slice(&[b'\n', 0][..unit]);
                padded.extend_from_slice(&bytes[unit * usize::from(unit == 2)..]);
                let mut seen = Vec::new();
                lines::<io::Error>(&mut &padded[..], charset, 99_999, &|error| error, &mut |line| {
                    seen.push(String::from_utf8_lossy(line.text).into_owned());
                    assert!(!line.undecodable);
                    Ok(())
                })
                .unwrap();
                assert_eq!(seen[1..], ["aü", "\u{1f600}b", "c"], "{charset:?} {pad}");
            }
        }
    }

    #[test]
    fn two_byte_order_marks_are_passed_over_however_the_bytes_come() {
        let bytes = b"\xef\xbb\xbf\xfe\xff\0g";
        let be = Charset::from_label("utf-16be").unwrap();
        for cut in 0..bytes.len() {
            let (front, back) = bytes.split_at(cut);
            let mut seen = Vec::new();
            let mut read = front.chain(back);
            let told = lines::<io::Error>(&mut read, be, 10, &|error| error, &mut |line| {
                seen.push(line.text.to_vec());
                Ok(())
            });
            assert!(told.unwrap().bom && seen == [b"g"], "cut at {cut}: {seen:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_read() {
        let mut text = vec![b'x'; 200_000];
        text.extend_from_slice(b"\nshort\n");
        let mut seen = Vec::new();
        lines::<io::Error>(&mut &text[..], Charset::Utf8, 10, &|error| error, &mut |line| {
            seen.push((line.text.len(), line.too_long));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(10, Some(200_000)), (5, None)]);
    }
}
