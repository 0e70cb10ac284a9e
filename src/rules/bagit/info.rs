//! bag-info.txt (package-info.txt before 0.96): elements, continuations, and the reserved labels.
//!
//! - Labels are compared without case; order and repeats are kept.
//! - Elements stream; only what a rule needs is remembered.

use super::report::{Halt, Here, Out, about, grouped, quoted};
use super::text::Line;
use super::version::Version;
use crate::model::finding::{Finding, Severity};
use std::collections::BTreeMap;

/// What Payload-Oxum says: bytes and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oxum {
    /// Bytes of all payload files.
    pub bytes: u64,
    /// Payload files.
    pub files: u64,
    /// Line it stands on.
    pub line: u64,
}

/// Labels that RFC 8493 says should not be repeated.
const ONCE: [&str; 4] = ["Bagging-Date", "Bag-Size", "Bag-Group-Identifier", "Bag-Count"];

/// The element that a continuation would continue.
enum Open {
    /// None yet.
    Nothing,
    /// A line that was told to be none: what continues it is passed over.
    Broken,
    /// Label, value, line.
    Element(String, String, u64),
}

/// White space as BagIt knows it.
const BLANKS: [char; 2] = [' ', '\t'];

/// Takes an element when it is whole: label as written, value, line.
pub type Watching<'w> = dyn FnMut(&str, &str, u64, &mut Out<'_>) -> Result<(), Halt> + 'w;

/// Judges the file line by line.
pub struct Reader<'n> {
    name: &'n str,
    version: Version,
    plain: bool,
    watching: Option<&'n mut Watching<'n>>,
    open: Open,
    elements: u64,
    /// Continuations of nothing: how many, and the first one's line.
    orphans: (u64, u64),
    seen: BTreeMap<String, u64>,
    oxum: Option<Oxum>,
}

impl<'n> Reader<'n> {
    /// Nothing read yet.
    pub fn new(name: &'n str, version: Version) -> Reader<'n> {
        Reader {
            name,
            version,
            plain: false,
            watching: None,
            open: Open::Nothing,
            elements: 0,
            orphans: (0, 0),
            seen: BTreeMap::new(),
            oxum: None,
        }
    }

    /// Gives every element to `watching`, too.
    pub fn watched(self, watching: &'n mut Watching<'n>) -> Reader<'n> {
        Reader { watching: Some(watching), ..self }
    }

    /// For a tag file that is not the bag's own metadata: no label has a meaning of its own.
    pub fn plain(self) -> Reader<'n> {
        Reader { plain: true, ..self }
    }

    fn fault(&self, code: &str, severity: Severity, line: u64, what: String) -> Finding {
        about(code, severity, self.name.as_bytes(), what).line(line).clause("RFC 8493, 2.2.2")
    }

    /// Takes one line.
    pub fn take(&mut self, line: &Line<'_>, out: &mut Out<'_>) -> Result<(), Halt> {
        let at = line.number;
        let here = Here(self.name, at);
        if line.undecodable {
            self.close(out)?;
            self.open = Open::Broken;
            let what =
                format!("{here} is not in the encoding that bagit.txt declares: {}.", quoted(line.text));
            let finding = self.fault("TEXT-UNDECODABLE", Severity::Error, at, what).clause("RFC 8493, 2.1.1");
            return out.say(
                finding.advice("Write the tag files in the encoding that bagit.txt declares, best UTF-8."),
            );
        }
        // A long line is no fault; what was cut off belongs to a value that no rule of BagIt looks at.
        let text = String::from_utf8_lossy(line.text).into_owned();
        if text.trim_matches(BLANKS).is_empty() {
            let what = format!("{here} is blank.");
            return out.say(
                self.fault("INFO-BLANK-LINE", Severity::Warning, at, what).advice("Take blank lines out."),
            );
        }
        if text.starts_with(BLANKS) {
            self.continuation(at, &text);
            return Ok(());
        }
        self.close(out)?;
        let Some((label, value)) = text.split_once(':') else {
            let what = format!("{here} has no colon: {}.", quoted(line.text));
            let advice = "Write each element as `Label: value`, and start continued lines with a space.";
            self.open = Open::Broken;
            return out.say(self.fault("INFO-LINE", Severity::Error, at, what).advice(advice));
        };
        self.orphaned(Severity::Warning, out)?;
        self.judge_separator(at, label, value, out)?;
        self.elements += 1;
        let (label, value) = (label.trim_matches(BLANKS), value.trim_matches(BLANKS));
        self.open = Open::Element(label.to_string(), value.to_string(), at);
        Ok(())
    }

    fn continuation(&mut self, at: u64, text: &str) {
        /// No reserved element is longer; the rest of a folded value is not needed.
        const VALUE_MAX: usize = 4 << 10;
        match &mut self.open {
            Open::Element(_, value, _) if value.len() < VALUE_MAX => {
                // A value may begin on this line only.
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(text.trim_matches(BLANKS));
            }
            Open::Element(..) | Open::Broken => {}
            Open::Nothing if self.orphans.0 == 0 => self.orphans = (1, at),
            Open::Nothing => self.orphans.0 += 1,
        }
    }

    /// Tells the continuations of nothing once: before the first element, or when none came.
    fn orphaned(&mut self, severity: Severity, out: &mut Out<'_>) -> Result<(), Halt> {
        let (count, at) = std::mem::take(&mut self.orphans);
        let (line, name) = (grouped(at), self.name);
        let severity = severity.max(self.version.rfc_error());
        let what = match count {
            0 => return Ok(()),
            1 => format!("Line {line} of {name} continues an element, but none comes before it."),
            count => format!(
                "Line {line} of {name} and {} more continue an element, but none comes before them.",
                grouped(count - 1)
            ),
        };
        let finding = self.fault("INFO-ORPHAN-CONTINUATION", severity, at, what);
        out.say(finding.advice("Take out the white space at the start of the line."))
    }

    fn judge_separator(&self, at: u64, label: &str, value: &str, out: &mut Out<'_>) -> Result<(), Halt> {
        let here = Here(self.name, at);
        if label.trim_matches(BLANKS).is_empty() {
            let what = format!("{here} has no label before the colon.");
            return out
                .say(self.fault("INFO-LINE", Severity::Error, at, what).advice("Write `Label: value`."));
        }
        // The drafts allow any white space there; RFC 8493 allows one space after the colon.
        if !self.version.is_rfc() {
            return Ok(());
        }
        if label.ends_with(BLANKS) {
            let what = format!("{here} has white space before the colon.");
            out.say(
                self.fault("INFO-LABEL-SPACE", Severity::Error, at, what)
                    .advice("Write `Label: value`, without white space before the colon."),
            )?;
        }
        let gap = value.len() - value.trim_start_matches(BLANKS).len();
        if !value.is_empty() && (gap != 1 || !value.starts_with(' ')) {
            let what = format!("{here} has not exactly one space after the colon.");
            out.say(
                self.fault("INFO-SEPARATOR", Severity::Warning, at, what).advice("Write `Label: value`."),
            )?;
        }
        Ok(())
    }

    /// The element that was open is whole now.
    fn close(&mut self, out: &mut Out<'_>) -> Result<(), Halt> {
        let open = std::mem::replace(&mut self.open, Open::Nothing);
        let Open::Element(label, value, at) = open else { return Ok(()) };
        if let Some(watching) = &mut self.watching {
            watching(&label, &value, at, out)?;
        }
        if self.plain {
            return Ok(());
        }
        let label = label.to_ascii_lowercase();
        let (name, here) = (self.name, Here(self.name, at));
        let once = ONCE.iter().find(|once| once.eq_ignore_ascii_case(&label));
        let count = if once.is_some() || label == "payload-oxum" {
            *self.seen.entry(label.clone()).and_modify(|count| *count += 1).or_insert(1)
        } else {
            0
        };
        if let Some(once) = once.filter(|_| count == 2) {
            let what = format!("{name} gives {once} more than once.");
            out.say(self.fault("INFO-REPEATED", Severity::Warning, at, what).advice("Keep one of them."))?;
        }
        match label.as_str() {
            "payload-oxum" => self.oxum(&value, at, count, out),
            _ if label == self.version.date_label() && !is_date(&value) => {
                let what =
                    format!("{here} gives the date {}; it must be YYYY-MM-DD.", quoted(value.as_bytes()));
                out.say(
                    self.fault("INFO-DATE", Severity::Warning, at, what)
                        .values("YYYY-MM-DD", value)
                        .advice("Write the date as 2024-05-17."),
                )
            }
            "bag-count" if !is_bag_count(&value) => {
                let what =
                    format!("{here} gives Bag-Count {}; it must be `N of T`.", quoted(value.as_bytes()));
                out.say(
                    self.fault("INFO-BAG-COUNT", Severity::Warning, at, what)
                        .values("N of T", value)
                        .advice("Write it as `2 of 5` or `2 of ?`."),
                )
            }
            _ => Ok(()),
        }
    }

    fn oxum(&mut self, value: &str, at: u64, count: u64, out: &mut Out<'_>) -> Result<(), Halt> {
        let (name, here) = (self.name, Here(self.name, at));
        if count > 1 {
            let what = format!("{name} gives Payload-Oxum more than once.");
            out.say(
                self.fault("OXUM-REPEATED", self.version.rfc_error(), at, what).advice("Keep the right one."),
            )?;
        }
        let digits = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if plain { text.parse::<u64>().ok() } else { None }
        };
        match value.split_once('.').and_then(|(bytes, files)| Some((digits(bytes)?, digits(files)?))) {
            Some((bytes, files)) => {
                self.oxum.get_or_insert(Oxum { bytes, files, line: at });
                Ok(())
            }
            None => {
                let what = format!(
                    "{here} gives Payload-Oxum {}; it must be BYTES.FILES.",
                    quoted(value.as_bytes())
                );
                out.say(
                    self.fault("OXUM-FORM", self.version.rfc_error(), at, what)
                        .values("BYTES.FILES", value)
                        .advice("Write it as 279164409832.1198."),
                )
            }
        }
    }

    /// The file is at its end; what Payload-Oxum says.
    pub fn finish(mut self, out: &mut Out<'_>) -> Result<Option<Oxum>, Halt> {
        self.close(out)?;
        // Nothing but continuations: that is no metadata in any version.
        self.orphaned(Severity::Error, out)?;
        Ok(self.oxum)
    }
}

fn is_date(value: &str) -> bool {
    let form = value.len() == 10
        && value.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    form && value.parse::<jiff::civil::Date>().is_ok()
}

fn is_bag_count(value: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    value.split_once(" of ").is_some_and(|(n, of)| number(n) && (number(of) || of == "?"))
}

#[cfg(test)]
#[allow(clippy::type_complexity)] // tables of cases
mod tests {
    use super::super::report::tests::codes;
    use super::*;

    fn judge(text: &str, version: Version) -> (Option<Oxum>, Vec<(String, Severity)>) {
        let mut oxum = None;
        let codes = codes(|out| {
            let mut reader = Reader::new("bag-info.txt", version);
            for (place, line) in text.lines().enumerate() {
                let line = Line {
                    number: place as u64 + 1,
                    text: line.as_bytes(),
                    too_long: None,
                    undecodable: false,
                };
                reader.take(&line, out)?;
            }
            oxum = reader.finish(out)?;
            Ok(())
        });
        (oxum, codes)
    }

    #[test]
    fn elements_are_judged_by_the_version() {
        use Severity::{Error, Warning};
        use Version::{V0_97, V1_0};
        #[rustfmt::skip]
        let table: &[(&str, Version, &[(&str, Severity)])] = &[
            ("A: b\n c\nD: e: f\n", V1_0, &[]),
            ("A : b", V0_97, &[]),
            ("A : b", V1_0, &[("INFO-LABEL-SPACE", Error)]),
            ("A:b\nC:  d", V1_0, &[("INFO-SEPARATOR", Warning), ("INFO-SEPARATOR", Warning)]),
            ("A:", V1_0, &[]),
            (" a\nB: c", V0_97, &[("INFO-ORPHAN-CONTINUATION", Warning)]),
            (" a\nB: c", V1_0, &[("INFO-ORPHAN-CONTINUATION", Error)]),
            (" a\n\tb", V0_97, &[("INFO-ORPHAN-CONTINUATION", Error)]),
            ("no colon\n more of it\nA: b", V1_0, &[("INFO-LINE", Error)]),
            ("A: b\u{85}\u{2028}c", V1_0, &[]),
            ("Bag-Size: 1\nBAG-SIZE: 1\nBag-Group-Identifier: a\nBag-Group-Identifier: b", V1_0, &[("INFO-REPEATED", Warning), ("INFO-REPEATED", Warning)]),
            ("Bag-Count: 1 of 2\nBag-Count: 1 of 2\nBag-Count: 1 of 2", V0_97, &[("INFO-REPEATED", Warning)]),
            ("Packing-Date: yesterday", Version::V0_95, &[("INFO-DATE", Warning)]),
            ("Packing-Date: yesterday", V1_0, &[]),
            ("A\t:\tb", Version::V0_93, &[]),
            ("A:\tb", V1_0, &[("INFO-SEPARATOR", Warning)]),
            (" : b", V1_0, &[("INFO-ORPHAN-CONTINUATION", Error)]),
            (": b", V0_97, &[("INFO-LINE", Error)]),
            ("no colon", V0_97, &[("INFO-LINE", Error)]),
            ("A: b\n\nC: d", V1_0, &[("INFO-BLANK-LINE", Warning)]),
            ("Bagging-Date: 2024-05-17\nBAGGING-DATE: 2024-05-18", V1_0, &[("INFO-REPEATED", Warning)]),
            ("Bagging-Date: 2024-05-17\nBAGGING-DATE: 2024-05-18", V0_97, &[("INFO-REPEATED", Warning)]),
            ("Bagging-Date: 2024-13-17", V1_0, &[("INFO-DATE", Warning)]),
            ("Bag-Count: 1 of ?\nBag-Size: 3", V1_0, &[]),
            ("Bag-Count: first", V1_0, &[("INFO-BAG-COUNT", Warning)]),
            ("Payload-Oxum: 6 bytes", V1_0, &[("OXUM-FORM", Error)]),
            ("Payload-Oxum: +6.1", V0_97, &[("OXUM-FORM", Warning)]),
            ("Payload-Oxum: 6.1\npayload-oxum: 6.1", V1_0, &[("OXUM-REPEATED", Error)]),
            ("Payload-Oxum: 6.1\npayload-oxum: 6.1", V0_97, &[("OXUM-REPEATED", Warning)]),
        ];
        for (text, version, expected) in table {
            let (_, got) = judge(text, *version);
            let got: Vec<(&str, Severity)> =
                got.iter().map(|(code, severity)| (code.as_str(), *severity)).collect();
            assert_eq!(got, *expected, "{text:?} in {version}");
        }
        assert_eq!(judge("A: b\npayload-oxum: 6.1", V1_0).0, Some(Oxum { bytes: 6, files: 1, line: 2 }));
    }

    #[test]
    fn a_value_may_begin_on_the_line_behind_its_label() {
        for text in ["Payload-Oxum:\n 6.1", "Payload-Oxum: \n\t6.1"] {
            let (oxum, codes) = judge(text, Version::V0_97);
            assert_eq!(oxum, Some(Oxum { bytes: 6, files: 1, line: 1 }), "{text:?} {codes:?}");
            assert_eq!(judge(text, Version::V1_0).0, oxum, "{text:?}");
        }
        assert_eq!(judge("Bagging-Date:\n 2024-05-17", Version::V1_0).1, []);
    }
}
