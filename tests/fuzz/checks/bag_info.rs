//! bag-info.txt: any text is judged, and elements as BagIt writes them are read without a finding.

use super::draw::Draw;
use super::finding;
use strongroom::model::finding::Finding;
use strongroom::rules::bagit::info::{Oxum, Reader};
use strongroom::rules::bagit::text::{Charset, lines};
use strongroom::rules::bagit::version::Version;

fn judge(text: &[u8], version: Version) -> (Option<Oxum>, Vec<Finding>) {
    let mut oxum = None;
    let findings = finding::findings(|out| {
        let mut reader = Reader::new(version.info_name(), version);
        lines(&mut &text[..], Charset::Utf8, 64 << 10, &|error| panic!("{error}"), &mut |line| {
            reader.take(&line, out)
        })?;
        oxum = reader.finish(out)?;
        Ok(())
    });
    (oxum, findings)
}

pub fn check(data: &[u8]) {
    let mut draw = Draw::new(data);
    let version = draw.one(&Version::ALL);
    let text = draw.rest();
    let (oxum, findings) = judge(text, version);
    let lines = text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64 + 1;
    for line in findings.iter().filter_map(|finding| finding.line).chain(oxum.map(|oxum| oxum.line)) {
        assert!((1..=lines).contains(&line), "line {line} of {lines}");
    }
    // How lines end must not show.
    let one = |text: &[u8]| text.iter().filter(|byte| **byte != b'\r').copied().collect::<Vec<u8>>();
    if text.starts_with(b"\xef\xbb\xbf") {
        return;
    }
    let plain = one(text);
    let (with_lf, _) = judge(&plain, version);
    let crlf: Vec<u8> =
        plain.iter().flat_map(|byte| if *byte == b'\n' { b"\r\n".to_vec() } else { vec![*byte] }).collect();
    assert_eq!(judge(&crlf, version).0, with_lf);
    written(text, version);
}

/// Labels and values from the text, written and folded as the specification says.
fn written(text: &[u8], version: Version) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (bytes, files) = (text.len() as u64 * 0x0101_0101_0101, text.len() as u64 % 7);
    let mut bag_info = String::new();
    for (place, words) in text.split(['\n', '\r']).enumerate() {
        let words: Vec<&str> =
            words.split(|c: char| c.is_whitespace()).filter(|word| !word.is_empty()).collect();
        bag_info.push_str(&format!("X-Label-{place}: {}\n", words.join("\n  ")));
    }
    bag_info.push_str(&format!("pAyLoAd-OxUm: {bytes}.{files}\n"));
    let (oxum, findings) = judge(bag_info.as_bytes(), version);
    // A word may be of no-break spaces or the like only, which this splitting takes out; so nothing is left to find.
    assert!(findings.is_empty(), "{bag_info:?}: {findings:?}");
    assert_eq!(oxum.map(|oxum| (oxum.bytes, oxum.files)), Some((bytes, files)));
}
