//! What a deposit is, by its first bytes.

use crate::rules::tar::{BLOCK, is_header};

/// What a deposit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Container {
    /// A plain tar, or nothing that we know: the tar reader says what is wrong with it.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// A ZIP archive.
    Zip,
    /// xz; recognised, never read.
    Xz,
    /// 7z; recognised, never read.
    SevenZip,
    /// Unix compress; recognised, never read.
    Compress,
    /// LZ4; recognised, never read.
    Lz4,
    /// lzip; recognised, never read.
    Lzip,
    /// RAR; recognised, never read.
    Rar,
}

/// Bytes that are looked at.
pub const SNIFF: usize = BLOCK;

/// First bytes and what they say; the first row that fits counts.
const MAGIC: [(&[u8], Container); 12] = [
    (b"\x1f\x8b", Container::Gzip),
    (b"\x28\xb5\x2f\xfd", Container::Zstd),
    (b"BZh", Container::Bzip2),
    (b"PK\x03\x04", Container::Zip),
    (b"PK\x05\x06", Container::Zip),
    (b"PK\x06\x06", Container::Zip),
    (b"\xfd7zXZ\0", Container::Xz),
    (b"7z\xbc\xaf\x27\x1c", Container::SevenZip),
    (b"\x1f\x9d", Container::Compress),
    (b"\x04\x22\x4d\x18", Container::Lz4),
    (b"LZIP", Container::Lzip),
    (b"Rar!\x1a\x07", Container::Rar),
];

impl Container {
    /// By the first bytes of a deposit. A tar whose first member's name begins like another format is a tar.
    pub fn of(first: &[u8]) -> Container {
        if first.first_chunk::<BLOCK>().is_some_and(is_header) {
            return Container::Plain;
        }
        // A skippable frame may come first (pzstd writes one).
        if first.len() >= 4 && first[0] & 0xf0 == 0x50 && first[1..4] == *b"\x2a\x4d\x18" {
            return Container::Zstd;
        }
        MAGIC
            .iter()
            .find(|(magic, _)| first.starts_with(magic))
            .map_or(Container::Plain, |(_, container)| *container)
    }

    /// The word for it: in the configuration, in events and in records.
    pub fn name(self) -> &'static str {
        match self {
            Container::Plain => "tar",
            Container::Gzip => "gzip",
            Container::Zstd => "zstd",
            Container::Bzip2 => "bzip2",
            Container::Zip => "zip",
            Container::Xz => "xz",
            Container::SevenZip => "7z",
            Container::Compress => "compress",
            Container::Lz4 => "lz4",
            Container::Lzip => "lzip",
            Container::Rar => "rar",
        }
    }

    /// By its word, if it is one that can be unpacked.
    pub fn from_name(name: &str) -> Option<Container> {
        Container::READ.into_iter().find(|container| container.name() == name)
    }

    /// Those that can be unpacked.
    pub const READ: [Container; 5] =
        [Container::Plain, Container::Gzip, Container::Zstd, Container::Bzip2, Container::Zip];

    /// For sentences: "compressed with gzip".
    pub fn described(self) -> &'static str {
        match self {
            Container::Plain => "a tar",
            Container::Gzip => "compressed with gzip",
            Container::Zstd => "compressed with zstd",
            Container::Bzip2 => "compressed with bzip2",
            Container::Zip => "a ZIP archive",
            Container::Xz => "compressed with xz",
            Container::SevenZip => "a 7z archive",
            Container::Compress => "compressed with compress",
            Container::Lz4 => "compressed with lz4",
            Container::Lzip => "compressed with lzip",
            Container::Rar => "a RAR archive",
        }
    }

    /// Its media type, as profiles name it; nothing for a plain tar and for what is never read.
    pub fn media(self) -> &'static str {
        match self {
            Container::Gzip => "application/gzip",
            Container::Zstd => "application/zstd",
            Container::Bzip2 => "application/x-bzip2",
            Container::Zip => "application/zip",
            _ => "",
        }
    }

    /// What a depositor can do to make a plain tar of it.
    pub fn advice(self) -> &'static str {
        match self {
            Container::Plain => "Send the bag as a tar: tar -cf NAME.tar NAME.",
            Container::Gzip => "Send the plain tar: gunzip NAME.tar.gz makes NAME.tar of it.",
            Container::Zstd => "Send the plain tar: unzstd NAME.tar.zst makes NAME.tar of it.",
            Container::Bzip2 => "Send the plain tar: bunzip2 NAME.tar.bz2 makes NAME.tar of it.",
            Container::Xz => "Send the plain tar: unxz NAME.tar.xz makes NAME.tar of it.",
            Container::Compress => "Send the plain tar: uncompress NAME.tar.Z makes NAME.tar of it.",
            Container::Lz4 => "Send the plain tar: unlz4 NAME.tar.lz4 makes NAME.tar of it.",
            Container::Lzip => "Send the plain tar: lzip -d NAME.tar.lz makes NAME.tar of it.",
            Container::Zip | Container::SevenZip | Container::Rar => {
                "Unpack it, and send a plain tar of the folder NAME: tar -cf NAME.tar NAME."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_whose_first_name_begins_like_a_zip_is_a_tar() {
        let mut tar = Vec::new();
        let writer = &mut tar;
        let mut writer = crate::rules::bagit::make::TarWriter::new(writer, 0);
        writer.folder("PK\x03\x04/").unwrap();
        writer.finish().unwrap();
        assert_eq!(Container::of(&tar), Container::Plain);
        assert_eq!(Container::of(b"PK\x03\x04and more"), Container::Zip);
    }

    #[test]
    fn every_magic_is_told_and_a_cut_one_is_not() {
        for (magic, container) in MAGIC {
            assert_eq!(Container::of(magic), container);
            assert_eq!(Container::of(&magic[..magic.len() - 1]), Container::Plain);
        }
        assert_eq!(Container::of(b"\x5a\x2a\x4d\x18\0\0\0\0"), Container::Zstd);
        assert_eq!(Container::of(b""), Container::Plain);
    }

    #[test]
    fn names_go_there_and_back_for_what_can_be_unpacked() {
        for container in Container::READ {
            assert_eq!(Container::from_name(container.name()), Some(container));
        }
        assert_eq!(Container::from_name("xz"), None);
    }
}
