//! One member of a zip: its row in the directory, its own header, and what may follow its bytes.

use crate::model::finding::Finding;
use crate::rules::packed::pump::{Feed, Halt};
use crate::rules::packed::{REMAKE, refusal, shown};
use crate::rules::tar::grouped;

/// Compression methods that are read.
pub const STORED: u16 = 0;
/// See `STORED`.
pub const DEFLATED: u16 = 8;

/// Bits of the flags that mean something here.
const ENCRYPTED: u16 = 1;
const SIZES_BEHIND: u16 = 1 << 3;
const STRONG_OR_MASKED: u16 = 1 << 6 | 1 << 13;

/// A 32-bit field that says: look into the zip64 extra field.
const ELSEWHERE: u32 = u32::MAX;

/// One member, as the directory tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name; a folder's ends with `/`.
    pub name: Vec<u8>,
    /// Its name as the headers have it.
    pub raw_name: Vec<u8>,
    /// Flags.
    pub flags: u16,
    /// Compression method.
    pub method: u16,
    /// CRC-32 of its bytes.
    pub crc: u32,
    /// Bytes in the zip.
    pub packed: u64,
    /// Bytes unpacked.
    pub plain: u64,
    /// Where its header starts.
    pub offset: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// The mode of a Unix file, 0 when not given.
    pub mode: u32,
}

impl Entry {
    /// True for a folder.
    pub fn is_folder(&self) -> bool {
        self.name.ends_with(b"/")
    }

    /// Why it cannot be taken, by what the directory says.
    pub fn refused(&self) -> Option<Finding> {
        let name = shown(&self.name);
        let refuse = |code: &str, what: String, advice: &str| Some(refusal(code, &self.name, what, advice));
        const LEAVE: &str = "Bags hold only files and folders: put a copy there or leave it out.";
        if self.name.is_empty() {
            return refuse("SER-PATH-ESCAPES", "A member of the zip has no name.".into(), REMAKE);
        }
        if self.name.contains(&0) {
            return refuse("SER-PATH-ESCAPES", format!("The name {name} holds a NUL byte."), REMAKE);
        }
        if self.flags & (ENCRYPTED | STRONG_OR_MASKED) != 0 {
            return refuse("SER-COMPRESSED", format!("{name} is encrypted."), "Send it without a password.");
        }
        match self.mode & 0o170_000 {
            0 | 0o100_000 => {}
            0o040_000 if self.is_folder() => {}
            0o120_000 => return refuse("SER-LINK", format!("{name} is a symbolic link."), LEAVE),
            0o040_000 => {
                return refuse("SER-HEADER-DAMAGED", format!("{name} is a folder without a `/`."), REMAKE);
            }
            _ => return refuse("SER-SPECIAL-FILE", format!("{name} is a device, pipe or socket."), LEAVE),
        }
        if self.is_folder() && self.plain > 0 {
            let what = format!("The folder {name} is said to have {} bytes.", grouped(self.plain));
            return refuse("SER-HEADER-DAMAGED", what, REMAKE);
        }
        match self.method {
            STORED if self.packed != self.plain => {
                let what = format!(
                    "{name} is stored as it is, but {} bytes are said to be {}.",
                    grouped(self.packed),
                    grouped(self.plain)
                );
                refuse("SER-HEADER-DAMAGED", what, REMAKE)
            }
            STORED | DEFLATED => None,
            other => {
                let what = format!("{name} is compressed by {}, which is not read here.", method_name(other));
                refuse("SER-COMPRESSED", what, "Make the zip with deflate, or send a plain tar.")
            }
        }
    }

    /// Reads a row of the directory whose signature was read already.
    pub fn read(row: &mut Feed<'_>) -> Result<Entry, Halt> {
        let fixed = row.take_bytes(42)?;
        let (short, long) = (|at| short_at(&fixed, at), |at| long_at(&fixed, at));
        let raw_name = row.take_bytes(usize::from(short(24)))?;
        let extra = row.take_bytes(usize::from(short(26)))?;
        row.skip(u64::from(short(28)))?;
        let mut entry = Entry {
            name: raw_name.clone(),
            raw_name,
            flags: short(4),
            method: short(6),
            crc: long(12),
            packed: u64::from(long(16)),
            plain: u64::from(long(20)),
            offset: u64::from(long(38)),
            mtime: dos_time(short(10), short(8)),
            mode: long(34) >> 16,
        };
        let wide = [&mut entry.plain, &mut entry.packed, &mut entry.offset];
        if widen(wide, &extra).is_none() {
            return Err(lacks_sizes(&entry.name).into());
        }
        if short(30) != 0 && short(30) != u16::MAX {
            return Err(split().into());
        }
        for (tag, body) in fields(&extra) {
            match tag {
                // Info-ZIP: seconds since 1970; the directory's copy holds the modification time only.
                0x5455 if body.len() >= 5 && body[0] & 1 != 0 => entry.mtime = u64::from(long_at(body, 1)),
                // Info-ZIP: the name in UTF-8, when it was made for this very name.
                0x7075
                    if body.len() > 5
                        && body[0] == 1
                        && long_at(body, 1) == crc32fast::hash(&entry.raw_name) =>
                {
                    entry.name = body[5..].to_vec();
                }
                _ => {}
            }
        }
        Ok(entry)
    }
}

/// The zip consists of several parts.
pub fn split() -> Finding {
    let what = "The zip is one part of several.".to_string();
    refusal("SER-TRUNCATED", b"", what, "Send it in one piece, as a plain tar: tar -cf NAME.tar NAME.")
}

fn lacks_sizes(name: &[u8]) -> Finding {
    let what = format!("The zip does not say how large {} is, or where it lies.", shown(name));
    refusal("SER-HEADER-DAMAGED", name, what, REMAKE)
}

/// Reads the header in front of a member's bytes and holds it against the directory.
pub fn compare_header(feed: &mut Feed<'_>, entry: &Entry) -> Result<(), Halt> {
    let at = feed.place();
    let fixed = feed.take_bytes(30)?;
    let (short, long) = (|at| short_at(&fixed, at), |at| long_at(&fixed, at));
    let differs = |what: &str| -> Halt {
        let what = format!(
            "The directory of the zip and the header at byte {} say different things of {}: its {what}.",
            grouped(at),
            shown(&entry.name)
        );
        refusal("SER-HEADER-DAMAGED", &entry.name, what, REMAKE).into()
    };
    if fixed[..4] != *b"PK\x03\x04" {
        return Err(differs("place"));
    }
    let name = feed.take_bytes(usize::from(short(26)))?;
    let extra = feed.take_bytes(usize::from(short(28)))?;
    if name != entry.raw_name {
        return Err(differs("name"));
    }
    let known = ENCRYPTED | SIZES_BEHIND | STRONG_OR_MASKED | 1 << 11;
    if short(6) & known != entry.flags & known {
        return Err(differs("flags"));
    }
    if short(8) != entry.method {
        return Err(differs("compression method"));
    }
    let (mut plain, mut packed) = (u64::from(long(22)), u64::from(long(18)));
    let late = entry.flags & SIZES_BEHIND != 0;
    // Sizes that follow the bytes may stand here as nothing, or as a reference to nothing.
    if widen([&mut plain, &mut packed, &mut 0], &extra).is_none() && !late {
        return Err(lacks_sizes(&entry.name).into());
    }
    let unsaid = |value: u64| late && (value == 0 || value == u64::from(ELSEWHERE));
    if packed != entry.packed && !unsaid(packed) || plain != entry.plain && !unsaid(plain) {
        return Err(differs("size"));
    }
    if long(14) != entry.crc && !(late && long(14) == 0) {
        return Err(differs("checksum"));
    }
    Ok(())
}

/// Reads the sizes that follow a member's bytes, when its flags say so; their form follows from the room up to the next
/// member.
pub fn read_descriptor(feed: &mut Feed<'_>, entry: &Entry, until: u64) -> Result<(), Halt> {
    if entry.flags & SIZES_BEHIND == 0 {
        return Ok(());
    }
    let room = until.saturating_sub(feed.place());
    let (signed, wide) = match room {
        12 => (false, false),
        16 => (true, false),
        20 => (false, true),
        24 => (true, true),
        // Some writers set the flag and write nothing; other gaps are told by whoever looks for them.
        _ => return Ok(()),
    };
    let bytes = feed.take_bytes(room as usize)?;
    let body = if signed { bytes.strip_prefix(b"PK\x07\x08") } else { Some(&bytes[..]) };
    let said = body.map(|body| match wide {
        false => (long_at(body, 0), u64::from(long_at(body, 4)), u64::from(long_at(body, 8))),
        true => (long_at(body, 0), wide_at(body, 4), wide_at(body, 12)),
    });
    if said == Some((entry.crc, entry.packed, entry.plain)) {
        return Ok(());
    }
    let what = format!(
        "The directory of the zip and the sizes behind {} say different things of it.",
        shown(&entry.name)
    );
    Err(refusal("SER-HEADER-DAMAGED", &entry.name, what, REMAKE).into())
}

/// Takes from the zip64 field what did not fit: unpacked size, packed size, place, in this order. `None` when it is not
/// there.
fn widen(values: [&mut u64; 3], extra: &[u8]) -> Option<()> {
    let mut body = fields(extra).find(|(tag, _)| *tag == 1).map_or(&[][..], |(_, body)| body);
    for value in values {
        if *value != u64::from(ELSEWHERE) {
            continue;
        }
        let (first, rest) = body.split_first_chunk::<8>()?;
        *value = u64::from_le_bytes(*first);
        body = rest;
    }
    Some(())
}

/// The extra fields; what is malformed behind the last whole one is left out.
fn fields(mut extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = extra.split_first_chunk::<4>()?;
        let size = usize::from(short_at(head, 2));
        let (body, rest) = rest.split_at_checked(size)?;
        extra = rest;
        Some((short_at(head, 0), body))
    })
}

fn method_name(method: u16) -> String {
    match method {
        9 => "deflate64".into(),
        12 => "bzip2".into(),
        14 => "LZMA".into(),
        93 => "zstd".into(),
        95 => "xz".into(),
        99 => "AES encryption".into(),
        other => format!("method {other}"),
    }
}

/// Two bytes, as a number; 0 where there are none.
pub fn short_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// Four bytes, as a number.
pub fn long_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Eight bytes, as a number.
pub fn wide_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Seconds since 1970 of a date and time of DOS. It knows no zone, so it is taken as UTC; impossible dates give 0.
fn dos_time(date: u16, time: u16) -> u64 {
    let (year, month, day) = (1980 + i64::from(date >> 9), i64::from(date >> 5 & 15), i64::from(date & 31));
    if !(1..=12).contains(&month) || day == 0 {
        return 0;
    }
    // Days since 1970, by counting years from March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + day - 1 - 719_468;
    let seconds = i64::from(time >> 11) * 3_600 + i64::from(time >> 5 & 63) * 60 + i64::from(time & 31) * 2;
    u64::try_from(days * 86_400 + seconds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dos_dates_are_counted_from_1970() {
        let date = |year: u16, month: u16, day: u16| (year - 1980) << 9 | month << 5 | day;
        assert_eq!(dos_time(date(1980, 1, 1), 0), 315_532_800);
        assert_eq!(dos_time(date(2000, 2, 29), 0), 951_782_400);
        assert_eq!(dos_time(date(2024, 5, 17), 13 << 11 | 37 << 5 | 21), 1_715_953_062);
        assert_eq!(dos_time(0, 0), 0);
    }
}
