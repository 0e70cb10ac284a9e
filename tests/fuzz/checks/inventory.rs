//! Inventories: any JSON is read as a stream to the same rows that a plain reading gives, and version blocks are copied
//! as they stand.

use serde_json::Value;
use strongroom::rules::ocfl::inventory::{Row, copy_versions, version_number, walk};

type Rows = Vec<(u32, String, String)>;

pub fn check(data: &[u8]) {
    let mut rows = Rows::new();
    let walked = walk(data, &mut |row| {
        rows.push(match row {
            Row::Content { sha512, path } => (0, sha512.to_string(), path.to_string()),
            Row::State { version, sha512, path } => (version, sha512.to_string(), path.to_string()),
        });
        Ok(())
    });
    let mut copied = Vec::new();
    let copy = copy_versions(data, &mut copied);
    let Ok(summary) = walked else { return };
    assert!(summary.head > 0 && !summary.id.is_empty());
    for (version, sha512, _) in &rows {
        assert!(*version <= summary.head);
        assert!(sha512.len() == 128 && !sha512.bytes().any(|byte| byte.is_ascii_uppercase()));
    }
    assert_eq!(summary.rows, rows.iter().filter(|row| row.0 > 0).count() as u64);
    // What lies in parts that are passed over need not even be text; who copies them sees it.
    if copy.is_err() {
        return;
    }
    // Nothing of an inventory may be lost by reading it as a stream.
    let json: Value = serde_json::from_slice(data).expect("an inventory is JSON");
    assert_eq!(json["id"], summary.id.as_str());
    assert_eq!(json["head"], format!("v{}", summary.head).as_str());
    let mut expected = paths(0, &json["manifest"]);
    for (name, block) in json["versions"].as_object().expect("versions are named") {
        expected.extend(paths(version_number(name).expect("a version has a number"), &block["state"]));
    }
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
    let text = [b"{", &copied[..], b"}"].concat();
    let again: Value = serde_json::from_slice(&text).expect("what is copied is JSON");
    assert_eq!(again, json["versions"]);
}

fn paths(version: u32, by_digest: &Value) -> Rows {
    let mut rows = Rows::new();
    for (digest, paths) in by_digest.as_object().into_iter().flatten() {
        for path in paths.as_array().expect("paths are a list") {
            rows.push((version, digest.clone(), path.as_str().expect("a path is text").to_string()));
        }
    }
    rows
}
