//! One header block: v7, ustar, old GNU; both checksums; octal and base-256 numbers.

/// Bytes of a header and of the unit that members are padded to.
pub const BLOCK: usize = 512;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file (`0`, NUL, `7`).
    File,
    /// A folder.
    Folder,
    /// A hard link.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A device or pipe, by its name for people.
    Special(&'static str),
    /// A sparse file in the old GNU form.
    Sparse,
    /// A GNU volume label.
    VolumeLabel,
    /// Extension header for the next member.
    Pax,
    /// Extension header for all that follow.
    PaxGlobal,
    /// GNU: the next member's name.
    LongName,
    /// GNU: the next member's link target.
    LongLink,
    /// A type we do not know.
    Unknown(u8),
}

impl Kind {
    /// True for headers that say something of members behind them.
    pub fn speaks_for_others(self) -> bool {
        matches!(self, Kind::Pax | Kind::PaxGlobal | Kind::LongName | Kind::LongLink)
    }
}

/// A header as it stands, before extension headers are applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Its name, prefix included.
    pub name: Vec<u8>,
    /// Bytes; `None` when the field holds no number that a size can be.
    pub size: Option<u64>,
    /// Seconds since 1970; 0 when the field holds no number.
    pub mtime: i64,
    /// What a link points to.
    pub link: Vec<u8>,
    /// An old GNU sparse file whose map goes on in blocks behind this one.
    pub map_goes_on: bool,
}

/// True when all of it is zero.
pub fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// True when this block could be a header: its checksum is right.
pub fn is_header(block: &[u8; BLOCK]) -> bool {
    checksum_holds(block)
}

/// Which tar writers' format a header is in, for whoever wants to know what made an archive.
pub fn format(block: &[u8; BLOCK]) -> &'static str {
    match (block[156], &block[257..265]) {
        (b'x' | b'g', _) => "pax",
        (_, b"ustar  \0") => "gnu",
        (_, [b'u', b's', b't', b'a', b'r', 0, ..]) => "ustar",
        _ => "v7",
    }
}

/// The header in this block, or `None` when its checksum is wrong.
pub fn parse(block: &[u8; BLOCK]) -> Option<Header> {
    if !checksum_holds(block) {
        return None;
    }
    Some(Header {
        kind: match kind(block[156]) {
            // Other readers would take these for files: what we skip, they would extract.
            kind if kind.speaks_for_others() && &block[257..262] != b"ustar" => Kind::Unknown(block[156]),
            kind => kind,
        },
        name: name(block),
        size: size(block),
        mtime: number(&block[136..148]).unwrap_or(0),
        link: until_nul(&block[157..257]).to_vec(),
        map_goes_on: block[156] == b'S' && block[482] != 0,
    })
}

fn kind(flag: u8) -> Kind {
    match flag {
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::Special("a character device"),
        b'4' => Kind::Special("a block device"),
        b'5' => Kind::Folder,
        b'6' => Kind::Special("a named pipe"),
        b'D' => Kind::Special("a GNU dump of a folder's names"),
        b'M' => Kind::Special("a part of a file from another tar volume"),
        b'S' => Kind::Sparse,
        b'V' => Kind::VolumeLabel,
        b'x' => Kind::Pax,
        b'g' => Kind::PaxGlobal,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        other => Kind::Unknown(other),
    }
}

/// The checksum is the sum of all bytes, its own field counted as spaces; some old writers summed signed bytes.
fn checksum_holds(block: &[u8; BLOCK]) -> bool {
    let Some(stored) = octal(&block[148..156]) else { return false };
    let (mut unsigned, mut signed) = (0i64, 0i64);
    for (place, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&place) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte as i8);
    }
    i64::try_from(stored).is_ok_and(|stored| stored == unsigned || stored == signed)
}

fn name(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(&block[..100]);
    // Only POSIX ustar has a prefix there; old GNU headers keep times in the same place.
    let prefix = if &block[257..263] == b"ustar\0" { until_nul(&block[345..500]) } else { &[] };
    if prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}

/// The bytes before the first NUL.
pub fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(&[])
}

fn size(block: &[u8; BLOCK]) -> Option<u64> {
    let field = &block[124..136];
    if field[0] & 0x80 == 0 && is_zero(field) {
        return Some(0);
    }
    number(field).and_then(|number| u64::try_from(number).ok())
}

/// A numeric field: base-256 when its first bit is set, else octal.
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 == 0 {
        return octal(field).and_then(|number| i64::try_from(number).ok());
    }
    let negative = field[0] & 0x40 != 0;
    let mut value = i128::from(field[0] & 0x3f) - if negative { 0x40 } else { 0 };
    for byte in &field[1..] {
        value = value.checked_mul(256)?.checked_add(i128::from(*byte))?;
    }
    i64::try_from(value).ok()
}

/// Octal digits between spaces, ended by NUL or space; `None` when there is anything else, or no digit.
fn octal(field: &[u8]) -> Option<u64> {
    let text = until_nul(field).trim_ascii();
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> [u8; BLOCK] {
        let mut header = tar::Header::new_ustar();
        header.set_path("bag/data/a").unwrap();
        header.set_size(7);
        header.set_mtime(1_700_000_000);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        *header.as_bytes()
    }

    fn resum(block: &mut [u8; BLOCK], signed: bool) {
        block[148..156].copy_from_slice(b"        ");
        let sum: i64 =
            block.iter().map(|byte| if signed { i64::from(*byte as i8) } else { i64::from(*byte) }).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    #[test]
    fn a_header_of_the_tar_crate_is_read() {
        let header = parse(&block()).unwrap();
        assert_eq!((header.kind, header.size, header.mtime), (Kind::File, Some(7), 1_700_000_000));
        assert_eq!(header.name, b"bag/data/a");
    }

    #[test]
    fn one_changed_byte_breaks_the_checksum() {
        for place in 0..BLOCK {
            let mut changed = block();
            changed[place] ^= 1;
            // The last byte of the checksum field ends the number, whatever it is.
            assert!(parse(&changed).is_none() || (148..156).contains(&place), "byte {place}");
        }
    }

    #[test]
    fn an_extension_header_without_the_mark_of_its_format_is_none() {
        for flag in *b"xgLK" {
            let mut odd = block();
            odd[156] = flag;
            resum(&mut odd, false);
            assert!(parse(&odd).unwrap().kind.speaks_for_others());
            odd[258] = b'-';
            resum(&mut odd, false);
            assert_eq!(parse(&odd).unwrap().kind, Kind::Unknown(flag));
        }
    }

    #[test]
    fn signed_sums_are_accepted() {
        let mut odd = block();
        odd[9] = 0xe9;
        resum(&mut odd, true);
        assert_eq!(parse(&odd).unwrap().name, b"bag/data/\xe9");
    }

    #[test]
    fn sizes_are_read_in_every_form_and_nothing_else() {
        #[rustfmt::skip]
        let table: [(&[u8; 12], Option<u64>); 9] = [
            (b"00000000007\0", Some(7)),
            (b"          7 ", Some(7)),
            (b"7\0\0\0\0\0\0\0\0\0\0\0", Some(7)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", Some(0)),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(2 << 32)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"0000000008x\0", None),
            (b"-0000000001\0", None),
        ];
        for (field, expected) in table {
            let mut odd = block();
            odd[124..136].copy_from_slice(field);
            resum(&mut odd, false);
            assert_eq!(parse(&odd).unwrap().size, expected, "{field:?}");
        }
    }
}
