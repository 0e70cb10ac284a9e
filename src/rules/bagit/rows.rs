//! Rows of the join: what is in the bag and what is listed, in one sorted order.
//!
//! - A key is the folded path, NUL, the path itself: names that differ only in case or normalisation are neighbours.
//! - In the folded part `/` sorts before every other character, so all below a folder follows the folder's own name.
//! - Values are our own compact encoding: rows by the million go through the sorter.

use super::paths::fold;
use crate::model::digest::{Algorithm, Digests, unhex};
use crate::model::fact::{BagPath, Member};
use std::io;

/// A row's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A file of the bag.
    Present(Present),
    /// A line of a manifest.
    Entry(Entry),
    /// A line of fetch.txt.
    Fetch {
        /// Line number.
        line: u64,
        /// Bytes, when given.
        length: Option<u64>,
    },
}

/// A file of the bag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Member number.
    pub number: u64,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Digests found, raw.
    pub digests: Vec<(Algorithm, Vec<u8>)>,
}

impl Present {
    /// Of a member with digests.
    pub fn of(member: &Member) -> Present {
        let raw = |digests: &Digests| {
            digests.0.iter().filter_map(|(algorithm, hex)| Some((*algorithm, unhex(hex)?))).collect()
        };
        Present {
            number: member.number,
            offset: member.offset,
            size: member.size,
            digests: raw(&member.digests),
        }
    }

    /// The digest by this algorithm.
    pub fn digest(&self, algorithm: Algorithm) -> Option<&[u8]> {
        self.digests.iter().find(|(known, _)| *known == algorithm).map(|(_, digest)| &digest[..])
    }

    /// The member again, without its digests: to open it.
    pub fn member(&self, path: &[u8]) -> Member {
        Member {
            number: self.number,
            path: BagPath(path.to_vec()),
            offset: self.offset,
            size: self.size,
            ..Member::default()
        }
    }
}

/// A line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which manifest.
    pub source: u16,
    /// Line number.
    pub line: u64,
    /// The digest it gives; `None` when it gives none that can be compared.
    pub digest: Option<Vec<u8>>,
    /// How the line spells its path.
    pub spelling: Spelling,
}

/// What is remarkable about how a line spells its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spelling {
    /// It has a `%` that should be encoded.
    pub bare_percent: bool,
    /// It has such a `%` and an encoded one: nobody can tell which rule its writer followed.
    pub mixed_percent: bool,
    /// It separates folders with backslashes.
    pub backslashes: bool,
    /// The name as written was found, the decoded one was not.
    pub as_written: bool,
}

impl Spelling {
    fn encode(self) -> u8 {
        let flags = [self.bare_percent, self.mixed_percent, self.backslashes, self.as_written];
        flags.into_iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(flag))
    }

    fn decode(bits: u8) -> Spelling {
        let flag = |place: u8| bits >> place & 1 == 1;
        Spelling { bare_percent: flag(0), mixed_percent: flag(1), backslashes: flag(2), as_written: flag(3) }
    }
}

/// Stands for `/` in the folded part of a key.
pub const SLASH: u8 = 1;

/// Separates the folded path from the path; no path holds it.
const END: u8 = 0;

/// The sort key of a path.
pub fn key(path: &[u8]) -> Vec<u8> {
    let mut key = folded_key(path);
    key.push(END);
    key.extend_from_slice(path);
    key
}

/// The folded part of a key.
pub fn folded_key(path: &[u8]) -> Vec<u8> {
    let folded = fold(path);
    let mut key = Vec::with_capacity(folded.len() + path.len() + 1);
    for byte in folded {
        match byte {
            b'/' => key.push(SLASH),
            1 => key.extend_from_slice(&[2, 1]),
            2 => key.extend_from_slice(&[2, 2]),
            other => key.push(other),
        }
    }
    key
}

/// Folded part and path of a key.
pub fn split_key(key: &[u8]) -> (&[u8], &[u8]) {
    let end = key.iter().position(|byte| *byte == END).unwrap_or(key.len());
    (&key[..end], key.get(end + 1..).unwrap_or(&[]))
}

/// True when the folded name lies below the folded folder.
pub fn is_below(folded: &[u8], folder: &[u8]) -> bool {
    folded.strip_prefix(folder).is_some_and(|rest| rest.first() == Some(&SLASH))
}

impl Value {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(200);
        match self {
            Value::Present(present) => {
                bytes.push(b'p');
                for number in [present.number, present.offset, present.size] {
                    bytes.extend_from_slice(&number.to_le_bytes());
                }
                for (algorithm, digest) in &present.digests {
                    let place =
                        Algorithm::ALL.iter().position(|known| known == algorithm).unwrap_or_default();
                    bytes.extend_from_slice(&[place as u8, digest.len() as u8]);
                    bytes.extend_from_slice(digest);
                }
            }
            Value::Entry(entry) => {
                bytes.push(b'e');
                bytes.extend_from_slice(&entry.source.to_le_bytes());
                bytes.extend_from_slice(&entry.line.to_le_bytes());
                bytes.push(entry.spelling.encode());
                if let Some(digest) = &entry.digest {
                    bytes.push(digest.len() as u8);
                    bytes.extend_from_slice(digest);
                }
            }
            Value::Fetch { line, length } => {
                bytes.push(b'f');
                bytes.extend_from_slice(&line.to_le_bytes());
                if let Some(length) = length {
                    bytes.extend_from_slice(&length.to_le_bytes());
                }
            }
        }
        bytes
    }

    /// From bytes; an error means that the scratch place gave back something else than it was given.
    pub fn decode(bytes: &[u8]) -> io::Result<Value> {
        let mut take = Take(bytes);
        decode(&mut take)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a sorted row came back damaged"))
    }
}

fn decode(take: &mut Take<'_>) -> Option<Value> {
    match take.byte()? {
        b'p' => {
            let (number, offset, size) = (take.number()?, take.number()?, take.number()?);
            let mut digests = Vec::with_capacity(4);
            while let Some(place) = take.byte() {
                let algorithm = *Algorithm::ALL.get(usize::from(place))?;
                let length = usize::from(take.byte()?);
                digests.push((algorithm, take.bytes(length)?.to_vec()));
            }
            Some(Value::Present(Present { number, offset, size, digests }))
        }
        b'e' => {
            let source = u16::from_le_bytes(*take.bytes(2)?.first_chunk()?);
            let line = take.number()?;
            let spelling = Spelling::decode(take.byte()?);
            let digest = match take.byte() {
                Some(length) => Some(take.bytes(usize::from(length))?.to_vec()),
                None => None,
            };
            Some(Value::Entry(Entry { source, line, digest, spelling }))
        }
        b'f' => Some(Value::Fetch { line: take.number()?, length: take.number() }),
        _ => None,
    }
}

struct Take<'b>(&'b [u8]);

impl<'b> Take<'b> {
    fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<u64> {
        self.bytes(8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_there_and_back() {
        let digests = vec![(Algorithm::Md5, vec![1; 16]), (Algorithm::Blake2b512, vec![2; 64])];
        let spelling = Spelling { bare_percent: true, backslashes: true, ..Spelling::default() };
        for value in [
            Value::Present(Present { number: 1, offset: 2, size: 3, digests }),
            Value::Entry(Entry { source: 300, line: 9, digest: Some(vec![0; 32]), spelling }),
            Value::Entry(Entry {
                source: 0,
                line: 9,
                digest: None,
                spelling: Spelling { mixed_percent: true, as_written: true, ..Spelling::default() },
            }),
            Value::Fetch { line: 7, length: Some(0) },
            Value::Fetch { line: 7, length: None },
        ] {
            assert_eq!(Value::decode(&value.encode()).unwrap(), value);
        }
        assert!(Value::decode(b"").is_err());
        assert!(Value::decode(b"e12").is_err());
    }

    #[test]
    fn twins_are_neighbours_and_children_follow_their_folder() {
        let mut names = ["a-", "a/b", "a", "A", "a\u{1}", "a!", "b", "a/\u{1}a", "a\u{2}"]
            .map(|name| key(name.as_bytes()));
        names.sort();
        let sorted: Vec<&str> =
            names.iter().map(|key| std::str::from_utf8(split_key(key).1).unwrap()).collect();
        assert_eq!(sorted, ["A", "a", "a/\u{1}a", "a/b", "a\u{1}", "a\u{2}", "a!", "a-", "b"]);
        assert!(is_below(&folded_key(b"a/b"), &folded_key(b"A")));
        assert!(!is_below(&folded_key(b"a-b"), &folded_key(b"a")));
    }
}
