//! The files in an object's folder, held against what its inventory names: both ways.
//!
//! - Memory is bounded: of a very large object a part of the paths is compared at a time, chosen by their digests, and
//!   the same rows are gone through once more for the next part.
//! - Paths are compared by 128 bits of their SHA-256, so nobody who names files can make two of them look like one.

use super::inventory::version_number;
use super::layout;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Paths held at once; about 16 MiB.
pub const PATHS_MAX: u64 = 500_000;

/// What a file in an object's folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File<'a> {
    /// The inventory names it.
    Named,
    /// Declaration, inventory or sidecar.
    Frame,
    /// A log file: its name.
    Log(&'a str),
    /// Nothing names it.
    Extra,
    /// It belongs to a part that is compared another time.
    Later,
}

/// Which names of an inventory a listing has met.
pub struct Census {
    part: u64,
    parts: u64,
    head: u32,
    missing: HashSet<u128>,
}

/// How many parts an inventory with so many content paths is compared in.
pub fn parts(content_paths: u64) -> u64 {
    content_paths.div_ceil(PATHS_MAX).max(1)
}

impl Census {
    /// A census of this part of an object.
    pub fn new(part: u64, parts: u64) -> Census {
        Census { part, parts: parts.max(1), head: 0, missing: HashSet::new() }
    }

    /// The inventory names this content path.
    pub fn name(&mut self, content_path: &str) {
        if let Some(key) = self.key(content_path) {
            self.missing.insert(key);
        }
    }

    /// The newest version, which bounds where inventories may lie.
    pub fn head(&mut self, head: u32) {
        self.head = head;
    }

    /// A file that the folder holds; a path that ends with a slash is a link or the like.
    pub fn meet<'p>(&mut self, path: &'p str) -> File<'p> {
        let Some(key) = self.key(path) else { return File::Later };
        if self.missing.remove(&key) {
            return File::Named;
        }
        if let Some(name) = path.strip_prefix("logs/premis/")
            && !name.is_empty()
            && !name.contains('/')
        {
            return File::Log(name);
        }
        match self.is_frame(path) {
            true => File::Frame,
            false => File::Extra,
        }
    }

    /// Named paths of this part that were not met.
    pub fn missing(&self) -> u64 {
        self.missing.len() as u64
    }

    /// True when the inventory names this path, and it was not met.
    pub fn misses(&self, content_path: &str) -> bool {
        self.key(content_path).is_some_and(|key| self.missing.contains(&key))
    }

    fn is_frame(&self, path: &str) -> bool {
        let inventory = |name: &str| name == layout::INVENTORY || name == layout::SIDECAR;
        match path.split_once('/') {
            None => path == layout::OBJECT_DECLARATION.0 || inventory(path),
            Some((version, name)) => {
                version_number(version).is_some_and(|number| number <= self.head) && inventory(name)
            }
        }
    }

    /// The path's key, when it belongs to this part.
    fn key(&self, path: &str) -> Option<u128> {
        let digest = Sha256::digest(path.as_bytes());
        let key = digest.iter().take(16).fold(0u128, |key, byte| (key << 8) | u128::from(*byte));
        (key % u128::from(self.parts) == u128::from(self.part)).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_what_the_inventory_and_the_layout_make_of_it() {
        let mut census = Census::new(0, 1);
        census.head(2);
        ["v1/content/bag/a", "v2/content/bag/b", "v2/content/bag/c"]
            .iter()
            .for_each(|path| census.name(path));
        for (path, file) in [
            ("v1/content/bag/a", File::Named),
            ("v2/content/bag/b", File::Named),
            ("0=ocfl_object_1.1", File::Frame),
            ("inventory.json", File::Frame),
            ("inventory.json.sha512", File::Frame),
            ("v2/inventory.json", File::Frame),
            ("v1/inventory.json.sha512", File::Frame),
            ("logs/premis/x.jsonl", File::Log("x.jsonl")),
            ("v3/inventory.json", File::Extra),
            ("v01/inventory.json", File::Extra),
            ("v1/content/inventory.json", File::Extra),
            ("v1/content/bag/a/", File::Extra),
            ("v2/content/bag/d", File::Extra),
            ("logs/other.txt", File::Extra),
            ("logs/premis/x/y", File::Extra),
            ("notes.txt", File::Extra),
        ] {
            assert_eq!(census.meet(path), file, "{path}");
        }
        assert_eq!(census.missing(), 1);
        assert!(census.misses("v2/content/bag/c") && !census.misses("v1/content/bag/a"));
    }

    #[test]
    fn a_file_met_twice_is_extra_the_second_time() {
        let mut census = Census::new(0, 1);
        census.name("v1/content/a");
        assert_eq!(census.meet("v1/content/a"), File::Named);
        assert_eq!(census.meet("v1/content/a"), File::Extra);
    }

    #[test]
    fn the_parts_together_see_every_path_once() {
        let paths: Vec<String> = (0..1_000).map(|n| format!("v1/content/{n}")).collect();
        let (mut named, mut extra, mut missing) = (0, 0, 0);
        for part in 0..7 {
            let mut census = Census::new(part, 7);
            paths.iter().filter(|path| !path.ends_with('3')).for_each(|path| census.name(path));
            for path in paths.iter().filter(|path| !path.ends_with('7')) {
                match census.meet(path) {
                    File::Named => named += 1,
                    File::Extra => extra += 1,
                    _ => {}
                }
            }
            missing += census.missing();
        }
        assert_eq!((named, extra, missing), (800, 100, 100));
        assert_eq!((parts(0), parts(PATHS_MAX), parts(PATHS_MAX + 1)), (1, 1, 2));
    }
}
