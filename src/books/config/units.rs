//! Sizes and times as people write them: `5 GiB`, `64 MB`, `90 s`, `1 h`.
//!
//! - IEC (`KiB`, powers of 1024) and SI (`kB`, powers of 1000) are different units, and both are understood.
//! - A number without a unit is bytes or seconds.
//! - What is shown is exact or rounded, never both: settings are shown exactly, figures for people are rounded.

use std::time::Duration;

const SIZES: [(&str, u64); 13] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("EiB", 1 << 60),
];

const TIMES: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Bytes written as text, or why not.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = if unit.is_empty() { Some(1) } else { find(&SIZES, unit) };
    let factor = factor.ok_or_else(|| {
        format!("\"{unit}\" is no unit of size; kB MB GB TB PB and KiB MiB GiB TiB PiB are")
    })?;
    multiply(number, factor)
}

/// A time written as text, or why not.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let factor = if unit.is_empty() { Some(1_000) } else { find(&TIMES, unit) };
    let factor = factor.ok_or_else(|| format!("\"{unit}\" is no unit of time; ms, s, min, h and d are"))?;
    multiply(number, factor).map(Duration::from_millis)
}

/// Bytes for people, rounded: `18.4 GiB`.
pub fn show_bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut place = 0;
    while value >= 1023.95 && place + 1 < units.len() {
        value /= 1024.0;
        place += 1;
    }
    let digits = if value < 99.95 { 1 } else { 0 };
    format!("{value:.digits$} {}", units[place])
}

/// Bytes for a setting: exact, in the largest unit that divides them.
pub fn exact_bytes(bytes: u64) -> String {
    let unit =
        SIZES.iter().filter(|(name, _)| name.ends_with("iB")).rfind(|(_, size)| bytes.is_multiple_of(*size));
    match unit {
        Some((name, size)) if bytes > 0 => format!("{} {name}", bytes / size),
        _ => format!("{bytes} B"),
    }
}

/// A time for a setting: exact, in the largest unit that divides it.
pub fn exact_time(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let unit = TIMES.iter().rfind(|(_, size)| millis.is_multiple_of(*size)).filter(|_| millis > 0);
    unit.map_or_else(|| "0 s".to_string(), |(name, size)| format!("{} {name}", millis / size))
}

/// A time for people, rounded to its largest unit: `3 d`, `6 h`, `12 min`, `8 s`.
pub fn show_age(seconds: i64) -> String {
    match seconds.max(0) {
        s if s < 60 => format!("{s} s"),
        s if s < 3_600 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

fn split(text: &str) -> Result<(&str, &str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() { Err("it does not start with a number".into()) } else { Ok((number, unit.trim())) }
}

fn find(table: &[(&str, u64)], unit: &str) -> Option<u64> {
    table.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

fn multiply(number: &str, factor: u64) -> Result<u64, String> {
    let plain = number.replace('_', "");
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    let wrong = || format!("\"{number}\" is not a number");
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    // Nine digits behind the point are more than anybody writes, and keep the product within 128 bits.
    if part.len() > 9 || part.contains('.') {
        return Err(wrong());
    }
    let scale = 10u128.pow(part.len() as u32);
    let part: u128 = if part.is_empty() { 0 } else { part.parse().map_err(|_| wrong())? };
    let total = u128::from(whole) * u128::from(factor) + part * u128::from(factor) / scale;
    u64::try_from(total).map_err(|_| format!("{number} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_systems_and_shown_exactly() {
        let table = [
            ("5 GiB", 5 << 30, "5 GiB"),
            ("5GB", 5_000_000_000, "4882812.5 KiB"),
            ("0", 0, "0 B"),
            ("1.5 MiB", 3 << 19, "1536 KiB"),
            ("10_000", 10_000, "10000 B"),
            ("512 B", 512, "512 B"),
        ];
        for (text, bytes, shown) in table {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
            if !shown.contains('.') {
                assert_eq!(exact_bytes(bytes), shown);
                assert_eq!(parse_bytes(&exact_bytes(bytes)), Ok(bytes));
            }
        }
        for text in ["", "GiB", "5 gib", "1.2.3 MB", "-1", "99999999999 PiB", "5 h"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_and_shown_exactly() {
        for (text, millis, shown) in [
            ("90 s", 90_000, "90 s"),
            ("1 h", 3_600_000, "1 h"),
            ("2", 2_000, "2 s"),
            ("0.5 s", 500, "500 ms"),
        ] {
            let time = parse_time(text).unwrap();
            assert_eq!(time, Duration::from_millis(millis));
            assert_eq!(exact_time(time), shown);
        }
        assert!(parse_time("5 GiB").is_err());
    }

    #[test]
    fn figures_for_people_are_short() {
        for (bytes, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_048_575, "1.0 MiB"), (2 << 40, "2.0 TiB")]
        {
            assert_eq!(show_bytes(bytes), shown);
        }
        for (seconds, shown) in [(-5, "0 s"), (59, "59 s"), (119, "1 min"), (7_200, "2 h"), (259_200, "3 d")]
        {
            assert_eq!(show_age(seconds), shown);
        }
    }
}
