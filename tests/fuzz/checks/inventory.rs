//! Inventories: any JSON is read as a stream to the same rows that a plain reading gives, and version blocks are copied
//! as they stand.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;
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
    let plain: Plain = serde_json::from_slice(data).expect("an inventory is JSON, each field once");
    assert_eq!((plain.id, plain.head), (summary.id, format!("v{}", summary.head)));
    let mut expected = paths(0, &plain.manifest);
    for (name, block) in &plain.versions.0 {
        expected.extend(paths(version_number(name).expect("a version has a number"), &block.state));
    }
    // The manifest may come behind the versions.
    rows.sort_by_key(|row| row.0);
    expected.sort_by_key(|row| row.0);
    assert_eq!(rows, expected);
    let text = [b"{", &copied[..], b"}"].concat();
    let again: Value = serde_json::from_slice(&text).expect("what is copied is JSON");
    let json: Value = serde_json::from_slice(data).expect("it was read above");
    assert_eq!(again, json["versions"]);
}

fn paths(version: u32, by_digest: &Pairs<Vec<String>>) -> Rows {
    let row = |digest: &String, path: &String| (version, digest.clone(), path.clone());
    by_digest.0.iter().flat_map(|(digest, paths)| paths.iter().map(move |path| row(digest, path))).collect()
}

/// An inventory, held whole.
#[derive(Deserialize)]
struct Plain {
    id: String,
    head: String,
    #[serde(default)]
    manifest: Pairs<Vec<String>>,
    versions: Pairs<Block>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    state: Pairs<Vec<String>>,
}

/// The fields of an object in their order, repeated ones among them.
struct Pairs<T>(Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Pairs<T> {
        Pairs(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Pairs<T>, D::Error> {
        struct Each<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<T> {
            type Value = Pairs<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<T>, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        input.deserialize_map(Each(PhantomData))
    }
}
