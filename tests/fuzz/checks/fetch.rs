//! Lines of fetch.txt: what they name lies below data/.

use super::draw::Draw;
use super::{finding, path};
use strongroom::rules::bagit::fetch::read_line;
use strongroom::rules::bagit::make::encode;
use strongroom::rules::bagit::text::{Charset, Line, lines};
use strongroom::rules::bagit::version::Version;

pub fn check(data: &[u8]) {
    let mut draw = Draw::new(data);
    let version = draw.one(&Version::ALL);
    let text = draw.rest();
    finding::findings(|out| {
        lines(&mut &text[..], Charset::Utf8, 64 << 10, &|error| panic!("{error}"), &mut |line| {
            if let Some(fetch) = read_line(&line, version, out)? {
                assert_eq!(fetch.line, line.number);
                path::listed(&fetch.listed);
                assert!(fetch.listed.path.starts_with(b"data/"), "{fetch:?}");
            }
            Ok(())
        })?;
        Ok(())
    });
    let Ok(name) = std::str::from_utf8(text) else { return };
    let plain = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !plain || name.contains(['\\', '\0']) {
        return;
    }
    let line = format!("https://example.org/a%20b?c {} data/{}", name.len(), encode(name));
    let line = Line { number: 1, text: line.as_bytes(), too_long: None, undecodable: false };
    let mut fetch = None;
    let findings = finding::findings(|out| {
        fetch = read_line(&line, Version::V1_0, out)?;
        Ok(())
    });
    let fetch = fetch.unwrap_or_else(|| panic!("{name:?} is not read back: {findings:?}"));
    assert!(findings.is_empty(), "{name:?}: {findings:?}");
    assert_eq!(fetch.listed.path, format!("data/{name}").as_bytes());
    assert_eq!(fetch.length, Some(name.len() as u64));
}
