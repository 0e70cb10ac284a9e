//! The members of one bag between indexing and digesting, for which algorithms are wanted is known only when all names are;
//! and the files of a folder that a bag is made of.
//!
//! - Rows are packed; beyond a few MiB they go to an unnamed file, so memory does not grow with the number of members.

use crate::model::fact::{BagPath, Member};
use crate::worlds::temporary::{Spool, Stretch};
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Bytes of rows held in memory.
const MEMORY_MAX: usize = 2 << 20;

/// Numbers of a row before its path: offset, size, modification time, length of the path.
const HEAD: usize = 28;

/// Members in the order in which they lie in the bag.
pub struct Roster {
    rows: Spool,
    row: Vec<u8>,
}

impl Roster {
    /// An empty one.
    pub fn new(scratch: &Path) -> Roster {
        Roster { rows: Spool::new(scratch, MEMORY_MAX), row: Vec::new() }
    }

    /// Adds a member; its number is its place here.
    pub fn push(&mut self, member: &Member) -> io::Result<()> {
        let path = &member.path.0;
        self.row.clear();
        self.row.extend_from_slice(&member.offset.to_le_bytes());
        self.row.extend_from_slice(&member.size.to_le_bytes());
        self.row.extend_from_slice(&member.mtime.to_le_bytes());
        self.row.extend_from_slice(&(path.len() as u32).to_le_bytes());
        self.row.extend_from_slice(path);
        self.rows.push(&self.row)
    }

    /// All members.
    pub fn read(&self) -> Rows<'_> {
        Rows { rows: BufReader::with_capacity(64 << 10, self.rows.read()), next: 0, left: self.rows.len() }
    }
}

/// Members, one after the other.
pub struct Rows<'a> {
    rows: BufReader<Stretch<'a>>,
    next: u64,
    left: u64,
}

impl Rows<'_> {
    fn row(&mut self) -> io::Result<Member> {
        let mut head = [0; HEAD];
        self.rows.read_exact(&mut head)?;
        let number_at = |at: usize| head[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let length = head[24..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
        let mut path = vec![0; length];
        self.rows.read_exact(&mut path)?;
        self.left = self.left.saturating_sub((HEAD + length) as u64);
        let member = Member {
            number: self.next,
            path: BagPath(path),
            offset: number_at(0),
            size: number_at(8),
            mtime: number_at(16).cast_signed(),
            ..Member::default()
        };
        self.next += 1;
        Ok(member)
    }
}

impl Iterator for Rows<'_> {
    type Item = io::Result<Member>;

    fn next(&mut self) -> Option<io::Result<Member>> {
        (self.left > 0).then(|| self.row())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_back_in_their_order_also_through_a_file() {
        let place = tempfile::tempdir().unwrap();
        let mut roster = Roster::new(place.path());
        let member = |n: u64| Member {
            number: n,
            path: BagPath(vec![b'x'; 1 + (n % 90) as usize]),
            offset: n * 512,
            size: n,
            mtime: -(n as i64),
            ..Member::default()
        };
        let count = 50_000;
        for n in 0..count {
            roster.push(&member(n)).unwrap();
        }
        assert!(roster.rows.len() > MEMORY_MAX as u64);
        let mut seen = 0;
        for (n, row) in (0..).zip(roster.read()) {
            assert_eq!(row.unwrap(), member(n));
            seen += 1;
        }
        assert_eq!(seen, count);
    }
}
