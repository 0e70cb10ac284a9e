//! Reading and copying inventories as streams.
//!
//! - An inventory is never held whole: rows go to the caller one by one, older version blocks are copied as they pass.
//! - Only inventories of the shape we write are taken (sha512, lower case, `content`, unpadded versions); any other is
//!   an error that says which, never a guess.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::{self, BufReader, Read, Write};

/// The `type` of every inventory we write.
pub const TYPE: &str = "https://ocfl.io/1.1/spec/#inventory";

/// One row of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row<'a> {
    /// Manifest: these bytes lie at this content path.
    Content {
        /// Lower-case hexadecimal.
        sha512: &'a str,
        /// Relative to the object root.
        path: &'a str,
    },
    /// State: this logical path has these bytes in this version.
    State {
        /// From 1.
        version: u32,
        /// Lower-case hexadecimal.
        sha512: &'a str,
        /// Logical path.
        path: &'a str,
    },
}

/// What an inventory says besides its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Object id.
    pub id: String,
    /// Newest version, from 1.
    pub head: u32,
    /// State rows of all versions together.
    pub rows: u64,
}

/// Why an inventory could not be read.
#[derive(Debug)]
pub enum InventoryError {
    /// Its bytes could not be read, or a row could not be passed on.
    Io(io::Error),
    /// It is not an inventory of the shape we write.
    Wrong(String),
}

impl fmt::Display for InventoryError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InventoryError::Io(error) => error.fmt(out),
            InventoryError::Wrong(why) => write!(out, "not an inventory of ours: {why}"),
        }
    }
}

impl std::error::Error for InventoryError {}

impl From<io::Error> for InventoryError {
    fn from(error: io::Error) -> InventoryError {
        InventoryError::Io(error)
    }
}

/// Gives every row to `each`, in the order of the file, then what the inventory says of itself. Reads to the end.
pub fn walk(
    json: impl Read,
    each: &mut dyn FnMut(Row<'_>) -> io::Result<()>,
) -> Result<Summary, InventoryError> {
    let mut walk = Walk { each, stopped: None, summary: Summary::default(), versions: 0 };
    let mut reader = serde_json::Deserializer::from_reader(BufReader::with_capacity(256 << 10, json));
    let seen = Top(&mut walk).deserialize(&mut reader).and_then(|()| reader.end());
    if let Some(error) = walk.stopped.take() {
        return Err(InventoryError::Io(error));
    }
    seen.map_err(told)?;
    if walk.summary.head == 0 || walk.summary.head != walk.versions || walk.summary.id.is_empty() {
        let why = format!("head v{}, {} versions", walk.summary.head, walk.versions);
        return Err(InventoryError::Wrong(why));
    }
    Ok(walk.summary)
}

/// Writes the version blocks of an inventory, without the braces around them, as they stand.
pub fn copy_versions(json: impl Read, out: &mut dyn Write) -> Result<(), InventoryError> {
    let mut stopped = None;
    let mut reader = serde_json::Deserializer::from_reader(BufReader::with_capacity(256 << 10, json));
    let seen = Blocks(&mut Transcode { out, stopped: &mut stopped, bare: true }).deserialize(&mut reader);
    match stopped {
        Some(error) => Err(InventoryError::Io(error)),
        None => seen.map_err(told),
    }
}

fn told(error: serde_json::Error) -> InventoryError {
    if error.is_io() { InventoryError::Io(error.into()) } else { InventoryError::Wrong(error.to_string()) }
}

struct Walk<'a> {
    each: &'a mut dyn FnMut(Row<'_>) -> io::Result<()>,
    stopped: Option<io::Error>,
    summary: Summary,
    versions: u32,
}

/// The number in `v12`; none when it is padded or anything else.
pub fn version_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix('v')?;
    let plain = digits.bytes().all(|c| c.is_ascii_digit()) && !digits.starts_with('0');
    plain.then(|| digits.parse().ok())?
}

/// A visitor of JSON objects only, with its seed: how each part of an inventory is read.
macro_rules! map_seed {
    ($name:ident, $what:literal) => {
        impl<'de> DeserializeSeed<'de> for $name<'_, '_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
                input.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_, '_> {
            type Value = ();

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str($what)
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
                self.read(map)
            }
        }
    };
}

struct Top<'w, 'a>(&'w mut Walk<'a>);
map_seed!(Top, "an inventory");

impl Top<'_, '_> {
    fn read<'de, M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        // A field that comes twice would be read twice here, and once by whoever takes the last one. There are seven
        // fields; any other ends the reading.
        let mut seen: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(M::Error::custom(format!("it has the field {key:?} twice")));
            }
            match key.as_str() {
                "id" => self.0.summary.id = map.next_value()?,
                "head" => {
                    let head: String = map.next_value()?;
                    self.0.summary.head = version_number(&head).ok_or_else(|| M::Error::custom("head"))?;
                }
                "type" => expect(&mut map, &key, &[TYPE])?,
                "digestAlgorithm" => expect(&mut map, &key, &["sha512"])?,
                "contentDirectory" => expect(&mut map, &key, &["content"])?,
                "manifest" => map.next_value_seed(Paths { walk: self.0, version: None })?,
                "versions" => map.next_value_seed(Versions(self.0))?,
                other => return Err(M::Error::custom(format!("it has a field {other:?}"))),
            }
            seen.push(key);
        }
        Ok(())
    }
}

fn expect<'de, M: MapAccess<'de>>(map: &mut M, key: &str, known: &[&str]) -> Result<(), M::Error> {
    let found: String = map.next_value()?;
    if known.contains(&found.as_str()) {
        return Ok(());
    }
    Err(M::Error::custom(format!("{key} is {found:?}")))
}

struct Versions<'w, 'a>(&'w mut Walk<'a>);
map_seed!(Versions, "versions");

impl Versions<'_, '_> {
    fn read<'de, M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let version = version_number(&key).filter(|n| *n == self.0.versions + 1);
            let version = version.ok_or_else(|| M::Error::custom(format!("version {key:?} out of order")))?;
            self.0.versions = version;
            map.next_value_seed(Block { walk: self.0, version })?;
        }
        Ok(())
    }
}

struct Block<'w, 'a> {
    walk: &'w mut Walk<'a>,
    version: u32,
}
map_seed!(Block, "a version");

impl Block<'_, '_> {
    fn read<'de, M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut stated = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "state" {
                if std::mem::replace(&mut stated, true) {
                    return Err(M::Error::custom(format!("v{} has the field \"state\" twice", self.version)));
                }
                map.next_value_seed(Paths { walk: self.walk, version: Some(self.version) })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Paths by digest: the manifest, or the state of a version.
struct Paths<'w, 'a> {
    walk: &'w mut Walk<'a>,
    version: Option<u32>,
}
map_seed!(Paths, "paths by digest");

impl Paths<'_, '_> {
    fn read<'de, M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(sha512) = map.next_key::<String>()? {
            if sha512.len() != 128 || !sha512.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(M::Error::custom(format!("digest {sha512:?}")));
            }
            map.next_value_seed(List { walk: self.walk, version: self.version, sha512: &sha512 })?;
        }
        Ok(())
    }
}

struct List<'w, 'a, 's> {
    walk: &'w mut Walk<'a>,
    version: Option<u32>,
    sha512: &'s str,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of paths")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        while let Some(path) = list.next_element::<String>()? {
            let row = match self.version {
                None => Row::Content { sha512: self.sha512, path: &path },
                Some(version) => {
                    self.walk.summary.rows += 1;
                    Row::State { version, sha512: self.sha512, path: &path }
                }
            };
            if let Err(error) = (self.walk.each)(row) {
                let text = error.to_string();
                self.walk.stopped = Some(error);
                return Err(S::Error::custom(text));
            }
        }
        Ok(())
    }
}

struct Blocks<'w, 'a>(&'w mut Transcode<'a>);
map_seed!(Blocks, "an inventory");

impl Blocks<'_, '_> {
    fn read<'de, M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "versions" {
                map.next_value_seed(&mut *self.0)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Writes any JSON value again as it passes. What we wrote ourselves comes out byte for byte.
struct Transcode<'a> {
    out: &'a mut dyn Write,
    stopped: &'a mut Option<io::Error>,
    /// The next map is written without its braces.
    bare: bool,
}

impl Transcode<'_> {
    fn raw<E: serde::de::Error>(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.out.write_all(bytes).map_err(|error| {
            let told = E::custom(&error);
            *self.stopped = Some(error);
            told
        })
    }

    fn value<E: serde::de::Error>(&mut self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), E> {
        let text = serde_json::to_vec(value).map_err(E::custom)?;
        self.raw(&text)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Transcode<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Transcode<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON of a version block")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.value(text)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        self.raw(b"[")?;
        let mut first = true;
        loop {
            // The comma must be out before the element, and is not wanted after the last.
            let comma = Comma { inner: self, first };
            if list.next_element_seed(comma)?.is_none() {
                break;
            }
            first = false;
        }
        self.raw(b"]")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let bare = std::mem::take(&mut self.bare);
        if !bare {
            self.raw(b"{")?;
        }
        let mut first = true;
        while let Some(key) = map.next_key::<String>()? {
            if !first {
                self.raw(b",")?;
            }
            first = false;
            self.value(&key)?;
            self.raw(b":")?;
            map.next_value_seed(&mut *self)?;
        }
        if bare { Ok(()) } else { self.raw(b"}") }
    }
}

struct Comma<'w, 'a> {
    inner: &'w mut Transcode<'a>,
    first: bool,
}

impl<'de> DeserializeSeed<'de> for Comma<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        if !self.first {
            self.inner.raw(b",")?;
        }
        self.inner.deserialize(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> String {
        let (a, b) = ("a".repeat(128), "b".repeat(128));
        format!(
            r#"{{"id":"x","type":"{TYPE}","digestAlgorithm":"sha512","head":"v2","manifest":{{"{a}":["v1/content/a"],"{b}":["v2/content/\n"]}},"versions":{{"v1":{{"created":"2025-01-01T00:00:00Z","message":"m","state":{{"{a}":["bag/a","bag/\"b"]}},"user":{{"name":"n"}}}},"v2":{{"state":{{"{b}":["bag/a"]}}}}}}}}"#
        )
    }

    #[test]
    fn rows_and_summary_come_in_one_pass() {
        let json = inventory();
        let mut rows = Vec::new();
        let summary = walk(json.as_bytes(), &mut |row| {
            rows.push(match row {
                Row::Content { sha512, path } => format!("{} {path}", &sha512[..1]),
                Row::State { version, sha512, path } => format!("v{version} {} {path}", &sha512[..1]),
            });
            Ok(())
        })
        .unwrap();
        assert_eq!(summary, Summary { id: "x".into(), head: 2, rows: 3 });
        assert_eq!(rows, ["a v1/content/a", "b v2/content/\n", "v1 a bag/a", "v1 a bag/\"b", "v2 b bag/a"]);
    }

    #[test]
    fn version_blocks_are_copied_byte_for_byte() {
        let json = inventory();
        let mut out = Vec::new();
        copy_versions(json.as_bytes(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(json.ends_with(&format!("\"versions\":{{{text}}}}}")), "{text}");
    }

    #[test]
    fn inventories_of_another_shape_are_refused() {
        let whole = inventory();
        for (from, to) in [
            (r#""digestAlgorithm":"sha512""#, r#""digestAlgorithm":"sha256""#),
            (r#""head":"v2""#, r#""head":"v3""#),
            (r#""head":"v2""#, r#""head":"v02""#),
            (r#""v2":{"#, r#""v3":{"#),
            (r#""id":"x","#, ""),
            (r#""head":"v2","#, r#""head":"v2","fixity":{},"#),
            (r#""head":"v2","#, r#""head":"v2","head":"v2","#),
            (r#","v2":{"#, r#"},"versions":{"v2":{"#),
            (r#""state":{"#, r#""state":{},"state":{"#),
            ("aaaa", "AAAA"),
            ("1.1/spec", "9.9/spec"),
        ] {
            let other = whole.replacen(from, to, 1);
            assert_ne!(other, whole);
            let error = walk(other.as_bytes(), &mut |_| Ok(())).unwrap_err();
            assert!(matches!(error, InventoryError::Wrong(_)), "{from}: {error}");
        }
        assert!(walk(&whole.as_bytes()[..whole.len() - 1], &mut |_| Ok(())).is_err());
        assert!(walk(format!("{whole}x").as_bytes(), &mut |_| Ok(())).is_err());
    }

    #[test]
    fn an_error_of_the_taker_comes_back_as_it_was() {
        let error =
            walk(inventory().as_bytes(), &mut |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(matches!(error, InventoryError::Io(e) if e.kind() == io::ErrorKind::StorageFull));
    }
}
