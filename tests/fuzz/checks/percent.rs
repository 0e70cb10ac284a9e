//! Percent encoding: what is encoded is decoded to itself, and what is read can be written and read again.

use super::path;
use strongroom::rules::bagit::make::encode;
use strongroom::rules::bagit::paths;
use strongroom::rules::bagit::version::Version;

pub fn check(data: &[u8]) {
    for version in Version::ALL {
        if let Ok(listed) = paths::read(data, version) {
            path::listed(&listed);
            let Ok(meant) = std::str::from_utf8(&listed.path) else { continue };
            let again =
                paths::read(encode(meant).as_bytes(), Version::V1_0).expect("what was read can be written");
            assert_eq!(again.path, listed.path);
            assert!(!again.spelling.bare_percent && !again.dots && !again.folder);
        }
    }
    let Ok(name) = std::str::from_utf8(data) else { return };
    let written = encode(name);
    assert!(!written.contains(['\n', '\r']), "a name takes one line");
    // Below a folder nothing but `..`, NUL and empty components is kept from being looked up.
    let below = format!("data/{written}");
    let plain = name.split('/').all(|part| !part.is_empty() && part != ".");
    match paths::read(below.as_bytes(), Version::V1_0) {
        Ok(listed) if plain => {
            assert_eq!(listed.path, format!("data/{name}").as_bytes());
            assert!(!listed.dots && !listed.folder && !listed.spelling.bare_percent);
        }
        Ok(_) => {}
        Err(why) => {
            let kept_out = name.contains('\0') || name.split(['/', '\\']).any(|part| part == "..");
            assert!(kept_out, "{name:?} is kept out: {why:?}");
        }
    }
}
