//! Text of tag files: lines are what a plain reading says, however the bytes come and in whatever character set; and
//! bagit.txt itself.

use super::draw::Draw;
use super::finding;
use std::io::{self, Read};
use strongroom::model::finding::Severity;
use strongroom::rules::bagit::declaration;
use strongroom::rules::bagit::text::{Charset, lines};
use strongroom::rules::bagit::version::Version;

const LABELS: [&str; 12] = [
    "utf-8",
    "utf-16",
    "utf-16le",
    "utf-16be",
    "iso-8859-1",
    "us-ascii",
    "windows-1252",
    "koi8-r",
    "shift_jis",
    "gb18030",
    "iso-2022-jp",
    "big5",
];

/// Longest line, short enough to be met.
const LINE_MAX: usize = 400;

/// Gives a few bytes at a time.
struct Trickle<'t>(&'t [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buf.len());
        self.0.read(&mut buf[..count])
    }
}

type Seen = Vec<(u64, Vec<u8>, Option<u64>, bool)>;

fn read(text: &[u8], step: usize, charset: Charset) -> (Seen, bool) {
    let mut seen = Vec::new();
    let told = lines::<io::Error>(&mut Trickle(text, step), charset, LINE_MAX, &|error| error, &mut |line| {
        assert!(line.text.len() <= LINE_MAX);
        assert!(!line.text.contains(&b'\n') && !line.text.contains(&b'\r'));
        seen.push((line.number, line.text.to_vec(), line.too_long, line.undecodable));
        Ok(())
    })
    .expect("bytes in memory are read");
    assert_eq!(told.lines, seen.len() as u64);
    (seen, told.bom)
}

pub fn check(data: &[u8]) {
    let mut draw = Draw::new(data);
    let charset = Charset::from_label(draw.one(&LABELS)).expect("it is a character set");
    let step = 1 + draw.below(9);
    let text = draw.rest();
    let whole = read(text, usize::MAX, charset);
    assert!(whole == read(text, step, charset), "lines depend on how bytes come");
    for (place, line) in whole.0.iter().enumerate() {
        assert_eq!(line.0, place as u64 + 1);
        assert!(
            line.3 || line.2.is_some() || std::str::from_utf8(&line.1).is_ok(),
            "decoded to no text: {line:?}"
        );
    }
    declared(text);
    if let Ok(text) = std::str::from_utf8(text)
        // Byte order marks, one of them read backwards.
        && !text.starts_with(['\u{feff}', '\u{fffe}'])
    {
        in_every_charset(text);
    }
}

/// The lines of a text, by the plainest reading of the rule.
fn plainly(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<String> = text.split('\n').map(str::to_string).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn in_every_charset(text: &str) {
    let expected = plainly(text);
    if expected.iter().any(|line| line.len() > LINE_MAX) {
        return;
    }
    let units = |order: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(order).collect()
    };
    let charset = |label: &str| Charset::from_label(label).expect("it is a character set");
    let mut forms = vec![
        (charset("utf-8"), text.as_bytes().to_vec()),
        (charset("utf-16"), units(u16::to_be_bytes, true)),
        (charset("utf-16"), units(u16::to_le_bytes, true)),
        (charset("utf-16le"), units(u16::to_le_bytes, false)),
        (charset("utf-16be"), units(u16::to_be_bytes, false)),
    ];
    if text.chars().all(|c| u32::from(c) < 256) {
        forms.push((charset("iso-8859-1"), text.chars().map(|c| c as u8).collect()));
    }
    for (charset, bytes) in forms {
        // Bytes that look like the byte order mark of UTF-8 are taken for it, whatever is declared.
        if bytes.starts_with(b"\xef\xbb\xbf") {
            continue;
        }
        let (seen, _) = read(&bytes, usize::MAX, charset);
        let got: Vec<&[u8]> = seen.iter().map(|line| &line.1[..]).collect();
        assert_eq!(got, expected.iter().map(|line| line.as_bytes()).collect::<Vec<_>>(), "{charset:?}");
        assert!(seen.iter().all(|line| !line.3 && line.2.is_none()));
    }
}

fn declared(text: &[u8]) {
    let mut declared = None;
    let findings = finding::findings(|out| {
        declared = Some(declaration::judge(text, out)?);
        Ok(())
    });
    let declared = declared.expect("judging gave what is declared");
    let silent = findings.iter().all(|finding| finding.severity == Severity::Note);
    assert!(declared.certain || finding::refused(&findings), "no version, and no error");
    if silent && declared.version == Version::V1_0 {
        let read = plainly(std::str::from_utf8(text).expect("a bagit.txt without fault is UTF-8"));
        assert_eq!(read[0], "BagIt-Version: 1.0");
        assert!(read.len() == 2 && read[1].starts_with("Tag-File-Character-Encoding: "), "{read:?}");
    }
}
