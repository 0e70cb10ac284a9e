//! What the join has to say, sentence by sentence.
//!
//! - A sentence states the fact with both values; the advice is something its reader can do.
//! - Nothing is decided here but wording and weight.

use super::correlate::Absent;
use super::line_ends::Change;
use super::manifest::Manifest;
use super::paths::{Cause, base_name, cause, encoded, form};
use super::report::{about, bytes, files, grouped, quoted, short};
use super::rows::{Entry, Present};
use super::version::Version;
use crate::model::digest::{Algorithm, hex};
use crate::model::finding::{Finding, Severity, escape};

fn name<'s>(sources: &'s [Manifest], entry: &Entry) -> &'s str {
    sources.get(usize::from(entry.source)).map_or("a manifest", |source| &source.name)
}

/// "manifest-md5.txt (line 3) and manifest-sha256.txt (line 7)".
fn places(sources: &[Manifest], entries: &[&Entry]) -> String {
    const NAMED_MAX: usize = 4;
    let mut named: Vec<String> = entries
        .iter()
        .take(NAMED_MAX)
        .map(|entry| format!("{} (line {})", name(sources, entry), grouped(entry.line)))
        .collect();
    if entries.len() > NAMED_MAX {
        named.push(format!("{} more", entries.len() - NAMED_MAX));
    }
    match named.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "no manifest".to_string(),
    }
}

fn first_line(finding: Finding, entries: &[Entry]) -> Finding {
    match entries.first() {
        Some(entry) => finding.line(entry.line),
        None => finding,
    }
}

/// A manifest lists one path twice; `found` is the digest of the file, when it is known.
pub fn twice(
    manifest: &Manifest,
    path: &[u8],
    (first, again): (&Entry, &Entry),
    found: Option<&[u8]>,
    version: Version,
) -> Finding {
    let conflict = first.digest.is_some() && again.digest.is_some() && first.digest != again.digest;
    let (code, severity, how) = if conflict {
        ("MAN-CONFLICT", Severity::Error, "with different checksums")
    } else if first.digest == again.digest {
        ("MAN-DUPLICATE", version.rfc_error(), "with the same checksum")
    } else {
        ("MAN-DUPLICATE", version.rfc_error(), "once without a usable checksum")
    };
    let (manifest, shown) = (&manifest.name, quoted(path));
    let (one, other) = (grouped(first.line), grouped(again.line));
    let mut what = format!("{manifest} lists {shown} on lines {one} and {other}, {how}.");
    let right = [first, again].into_iter().find(|entry| conflict && entry.digest.as_deref() == found);
    let mut advice = "Take one of the lines out: each file is listed once.".to_string();
    if let Some(right) = right.filter(|_| found.is_some()) {
        what.push_str(&format!(" The file has the one of line {}.", grouped(right.line)));
        let wrong = if right.line == first.line { &other } else { &one };
        advice = format!("Take line {wrong} out, if the file is the one you mean.");
    }
    let mut finding = about(code, severity, path, what).line(again.line).clause("RFC 8493, 2.1.3");
    if let (true, Some(one), Some(other)) = (conflict, &first.digest, &again.digest) {
        finding = finding.values(hex(one), hex(other));
    }
    finding.advice(advice)
}

/// How a name that differs in normalisation came to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalised {
    /// It stands for the file, which has the listed checksum.
    Matched,
    /// It stands for the file, whose checksum is another, or is not known.
    ByName,
    /// The manifest lists the file's own name, too.
    ListedToo,
}

/// A name was matched after normalisation.
pub fn normalised(
    sources: &[Manifest],
    path: &[u8],
    entries: &[Entry],
    found: &[u8],
    how: Normalised,
) -> Finding {
    let spelled = |path: &[u8]| match form(path) {
        "NFC" => "single characters (NFC)",
        "NFD" => "combining accents (NFD)",
        _ => "both single characters and combining accents",
    };
    let (there, here) = (spelled(path), spelled(found));
    let listing = places(sources, &entries.iter().collect::<Vec<_>>());
    let shown = quoted(found);
    let (code, what, advice) = match how {
        Normalised::Matched => (
            "COMP-RENAMED",
            format!(
                "{shown} is present with the listed checksum, but its name is spelled with {here} where {listing} uses {there}."
            ),
            "Nothing to do; we matched them.",
        ),
        Normalised::ByName => (
            "PATH-NORMALISATION",
            format!(
                "{shown} is in the bag, but its name is spelled with {here} where {listing} uses {there}."
            ),
            "Make the bag again, so that its manifests spell names as the bag does; we matched them here.",
        ),
        Normalised::ListedToo => (
            "PATH-NORMALISATION",
            format!(
                "{listing} lists {} with {there}, and again with {here}; only the latter is in the bag.",
                quoted(path)
            ),
            "Take the line out if there is only one such file.",
        ),
    };
    let finding = first_line(about(code, Severity::Warning, found, what), entries);
    finding.values(escape(path), escape(found)).advice(advice).clause("RFC 8493, 6.1.1.3")
}

/// An entry differs from another only in case, has its checksum, and is not there.
pub fn alias(sources: &[Manifest], path: &[u8], entries: &[Entry], found: &[u8]) -> Finding {
    let what = format!(
        "{} lists {} beside {}, with the same checksum; only the latter is in the bag.",
        places(sources, &entries.iter().collect::<Vec<_>>()),
        quoted(path),
        quoted(found)
    );
    let finding = first_line(about("PATH-CASE-ALIAS", Severity::Warning, path, what), entries);
    let finding = finding.values(escape(path), escape(found));
    finding.advice("Take the line out if there is only one such file.").clause("RFC 8493, 6.1.1.1")
}

/// A listed file is there under another name.
pub fn renamed(sources: &[Manifest], path: &[u8], entries: &[Entry], found: &[u8]) -> Finding {
    let how = match cause(path, found) {
        Some(Cause::Normalisation) => "which spells its accents otherwise (NFC, NFD)",
        Some(Cause::Case) => "which differs in upper and lower case",
        Some(Cause::Percent) => "which differs in how it is percent-encoded",
        Some(Cause::Backslash) => "which differs in `/` and backslash",
        Some(Cause::AppleDouble) => "which differs in the `._` of macOS's side files",
        Some(Cause::Space) => "which differs in white space at the end of a name",
        Some(Cause::Encoding) => "whose name is stored in ISO-8859-1 instead of UTF-8",
        None if base_name(path) == base_name(found) => "so it was moved to another folder",
        None => "so it was renamed or moved",
    };
    let what = format!(
        "{} is listed in {} but is not in the bag; a file with that checksum is there as {}, {how}.",
        quoted(path),
        places(sources, &entries.iter().collect::<Vec<_>>()),
        quoted(found)
    );
    let finding = first_line(about("COMP-RENAMED", Severity::Error, path, what), entries);
    let finding = finding.values(escape(path), escape(found)).clause("RFC 8493, 3");
    finding.advice("Give the file the listed name, or make the bag again as it is now.")
}

/// A listed file is not there.
pub fn missing(sources: &[Manifest], absent: &Absent) -> Finding {
    let (path, entries) = (&absent.path, &absent.entries);
    let source = entries.first().and_then(|entry| sources.get(usize::from(entry.source)));
    let (code, clause) = match source {
        Some(source) if source.is_tag => ("TAGM-MISSING-FILE", "RFC 8493, 2.2.1"),
        _ => ("COMP-MISSING", "RFC 8493, 3"),
    };
    let listing = places(sources, &entries.iter().collect::<Vec<_>>());
    if entries.iter().any(|entry| entry.spelling.backslashes) {
        let written = String::from_utf8_lossy(path).replace('/', "\\");
        let what = format!(
            "{listing} writes {} with backslashes; BagIt separates folders with `/`, and {} is not in the bag.",
            quoted(written.as_bytes()),
            quoted(path)
        );
        let finding = first_line(about("PATH-BACKSLASH", Severity::Error, path, what), entries);
        let finding = finding.values(escape(path), written).clause("RFC 8493, 2.1.3");
        return finding
            .advice("Make the manifest again with `/` in place of `\\`, and see that the file is there.");
    }
    let mut what = format!("{} is listed in {listing} but is not in the bag.", quoted(path));
    if let Some(near) = &absent.near {
        what.push_str(&format!(
            " The bag has {}, whose name differs only in upper and lower case, but whose checksum is not the listed one.",
            quoted(near)
        ));
    }
    let finding = first_line(about(code, Severity::Error, path, what), entries).clause(clause);
    finding.advice("Add the file, or make the bag again if it should not be there.")
}

/// A listed file is a folder.
pub fn folder(sources: &[Manifest], absent: &Absent) -> Finding {
    let what = format!(
        "{} lists the folder {}; manifests list files.",
        places(sources, &absent.entries.iter().collect::<Vec<_>>()),
        quoted(&absent.path)
    );
    let finding = about("MAN-LISTS-DIRECTORY", Severity::Error, &absent.path, what);
    let finding = first_line(finding, &absent.entries);
    finding.advice("Take the line out; a folder is listed by its files.").clause("RFC 8493, 2.1.3")
}

/// A digest that is not the one listed.
pub struct Wrong<'e> {
    /// The line.
    pub entry: &'e Entry,
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// What the line says.
    pub expected: &'e [u8],
    /// What the file has.
    pub found: &'e [u8],
}

/// What else is known of a file that does not have its listed digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Another kind of line ends would explain it.
    pub line_ends: Option<Change>,
    /// Bytes that the payload is shorter than Payload-Oxum says, with no file missing.
    pub shortfall: Option<u64>,
}

/// A file does not have the digests listed: one finding, however many manifests say so.
pub fn mismatch(
    sources: &[Manifest],
    path: &[u8],
    present: &Present,
    wrong: &[Wrong<'_>],
    right: &[&Entry],
    hints: Hints,
) -> Option<Finding> {
    let (first, others) = wrong.split_first()?;
    let is_tag = sources.get(usize::from(first.entry.source)).is_some_and(|source| source.is_tag);
    let (code, clause) = match (is_tag, present.size) {
        (true, _) => ("TAGM-MISMATCH", "RFC 8493, 2.2.1"),
        (false, 0) => ("FIX-EMPTY", "RFC 8493, 3"),
        (false, _) => ("FIX-MISMATCH", "RFC 8493, 3"),
    };
    let (expected, found) = (hex(first.expected), hex(first.found));
    let mut what = format!(
        "{} ({}) has {} {}…, {} says {}….",
        quoted(path),
        bytes(present.size),
        first.algorithm,
        short(&found),
        places(sources, &[first.entry]),
        short(&expected)
    );
    if !others.is_empty() {
        let entries: Vec<&Entry> = others.iter().map(|wrong| wrong.entry).collect();
        what.push_str(&format!(" Nor does it have the checksum in {}.", places(sources, &entries)));
    }
    if !right.is_empty() {
        what.push_str(&format!(" It has the checksum in {}.", places(sources, right)));
    }
    let advice = if let Some(change) = hints.line_ends {
        let (now, then) = match change {
            Change::ToLf => ("LF", "CRLF"),
            Change::ToCrlf => ("CRLF", "LF"),
        };
        what.push_str(&format!(
            " With {then} in place of {now} at the ends of its lines it has the listed checksum: line endings were changed in transfer."
        ));
        "Send the file again by a binary transfer, which leaves line endings alone.".to_string()
    } else if !right.is_empty() {
        let wrong = name(sources, first.entry);
        format!(
            "The file is as another manifest lists it: make {wrong} again, and the tag manifests after it."
        )
    } else if present.size == 0 {
        what.push_str(" It is empty, so it looks truncated.");
        "Deposit it again from your original.".to_string()
    } else if let Some(short) = hints.shortfall.filter(|_| !is_tag) {
        what.push_str(&format!(
            " The payload is {} shorter than Payload-Oxum says: the file looks truncated.",
            bytes(short)
        ));
        "Upload it again; the file on your side is probably whole.".to_string()
    } else if is_tag {
        "If the change was meant, make the tag manifests again; else put the original tag file back."
            .to_string()
    } else {
        "The file changed after bagging or was damaged in transfer: compare it with your original and deposit again."
            .to_string()
    };
    let finding = about(code, Severity::Error, path, what).line(first.entry.line);
    Some(finding.values(expected, found).advice(advice).clause(clause))
}

/// A name was found as it was written, not as it decodes.
pub fn percent(sources: &[Manifest], path: &[u8], entry: &Entry, version: Version, found: bool) -> Finding {
    let manifest = name(sources, entry);
    let line = grouped(entry.line);
    let shown = quoted(path);
    let wanted = quoted(&encoded(path));
    let spelling = entry.spelling;
    let (severity, what, advice) = if spelling.mixed_percent {
        let mut what = format!(
            "{manifest} line {line} writes a bare `%` and an encoded one in {shown}, so nobody can tell which name it means; BagIt 1.0 wants every `%` written as %25."
        );
        if !found {
            what.push_str(" Neither name is in the bag.");
        }
        (Severity::Error, what, format!("Write {wanted}, if that is the file's name."))
    } else if version.is_rfc() {
        let what = format!(
            "{manifest} line {line} writes {shown} with a bare `%`; BagIt 1.0 wants {wanted}. We found the file under the written name."
        );
        (Severity::Warning, what, "Write `%` as %25 in manifests.".to_string())
    } else {
        let what = format!(
            "{manifest} line {line} writes {shown}, which means another name; only a file of the written name is in the bag, so we took that."
        );
        let advice = "Rename the file, or make the bag again by BagIt 1.0, which writes `%` as %25.";
        (Severity::Warning, what, advice.to_string())
    };
    let finding = about("PATH-PERCENT-RAW", severity, path, what).line(entry.line);
    finding.values(escape(&encoded(path)), escape(path)).advice(advice).clause("RFC 8493, 2.1.3")
}

/// A path was written with backslashes, and the file is there.
pub fn backslashes(sources: &[Manifest], path: &[u8], entry: &Entry) -> Finding {
    let written = String::from_utf8_lossy(path).replace('/', "\\");
    let what = format!(
        "{} writes {} with backslashes; BagIt separates folders with `/`, and the bag has the file as {}.",
        places(sources, &[entry]),
        quoted(written.as_bytes()),
        quoted(path)
    );
    let finding = about("PATH-BACKSLASH", Severity::Error, path, what).line(entry.line);
    let finding = finding.values(escape(path), written).clause("RFC 8493, 2.1.3");
    finding.advice("Make the manifest again with `/` in place of `\\`.")
}

/// A file that could not be read: nothing is known of it, and that is no fault of the bag's.
pub fn unreadable(path: &[u8], error: &std::io::Error) -> Finding {
    let what = format!("{} could not be read on our side: {error}.", quoted(path));
    let finding = about("FIX-UNREADABLE", Severity::Error, path, what).clause("RFC 8493, 3");
    finding.advice("See that the file may be read and that its disk is well, then judge the bag again.")
}

/// A name that travels badly.
pub fn remark(code: &str, severity: Severity, path: &[u8], why: &str) -> Finding {
    let finding = about(code, severity, path, format!("{} {why}.", quoted(path))).clause("RFC 8493, 6.1");
    finding.advice("Nothing to do for this deposit; in new bags choose names that every system can hold.")
}

/// A payload file that nothing lists.
pub fn unlisted(path: &[u8], size: u64) -> Finding {
    let what = format!("{} ({}) is in the bag but in no payload manifest.", quoted(path), bytes(size));
    let finding = about("COMP-UNLISTED", Severity::Error, path, what).clause("RFC 8493, 3");
    finding.advice("Take the file out, or make the bag again with it.")
}

/// A payload file that some manifests list and others do not.
pub fn not_in_all(path: &[u8], there: &str, lacking: &str, version: Version) -> Finding {
    let what = format!(
        "{} is in {there} but not in {lacking}; BagIt 1.0 wants every payload file in every payload manifest.",
        quoted(path)
    );
    let finding = about("COMP-NOT-IN-ALL", version.rfc_error(), path, what).clause("RFC 8493, 3");
    finding.advice(format!("Rebuild {lacking}, and the tag manifests after it."))
}

/// A side file of macOS that nothing lists.
pub fn apple_double(path: &[u8]) -> Finding {
    let what = format!("{} is a side file that macOS adds; no manifest lists it.", quoted(path));
    let finding = about("SER-APPLEDOUBLE", Severity::Warning, path, what).clause("RFC 8493, 3");
    finding.advice("To leave such files out, set COPYFILE_DISABLE=1 when making the tar.")
}

/// A tag file that tag manifests leave out: code, weight, and their names.
pub fn tag_omitted(code: &str, severity: Severity, path: &[u8], lacking: &str) -> Finding {
    let what = match code {
        "TAGM-OMITS-MANIFEST" => format!("{lacking} does not list the payload manifest {}.", quoted(path)),
        "TAGM-SETS-DIFFER" => {
            format!("{lacking} does not list {}, which another tag manifest lists.", quoted(path))
        }
        _ => format!("The tag file {} is in no tag manifest.", quoted(path)),
    };
    let finding = about(code, severity, path, what).clause("RFC 8493, 2.2.1");
    finding.advice("Make the tag manifests again, each with every tag file but tag manifests.")
}

/// fetch.txt names one path twice.
pub fn fetch_twice(path: &[u8], line: u64) -> Finding {
    let what = format!("fetch.txt names {} twice.", quoted(path));
    let finding = about("FETCH-LINE", Severity::Warning, b"fetch.txt", what).line(line);
    finding.advice("Keep one of the lines.").clause("RFC 8493, 2.2.3")
}

/// fetch.txt names a file that a payload manifest does not list.
pub fn fetch_not_listed(path: &[u8], line: u64, lacking: &str) -> Finding {
    let what =
        format!("fetch.txt (line {}) names {}, which {lacking} does not list.", grouped(line), quoted(path));
    let finding = about("FETCH-NOT-IN-MANIFEST", Severity::Error, path, what).line(line);
    finding.advice("List the file in every payload manifest.").clause("RFC 8493, 2.2.3")
}

/// fetch.txt gives a file that is there another length.
pub fn fetch_size(path: &[u8], line: u64, length: u64, size: u64) -> Finding {
    let what = format!(
        "fetch.txt (line {}) says that {} has {}; it has {}.",
        grouped(line),
        quoted(path),
        bytes(length),
        bytes(size)
    );
    let finding = about("FETCH-SIZE", Severity::Warning, path, what).line(line);
    let finding = finding.values(length.to_string(), size.to_string());
    finding
        .advice(
            "Nothing to do: the checksum decides. Correct the length in fetch.txt, or leave fetch.txt out.",
        )
        .clause("RFC 8493, 5.3")
}

/// Files that are only in fetch.txt.
pub fn holes(count: u64, first: &[u8]) -> Finding {
    let what = match count {
        1 => format!("{} is named in fetch.txt but is not in the bag: the bag is incomplete.", quoted(first)),
        _ => format!(
            "{} that fetch.txt names are not in the bag, {} first: the bag is incomplete.",
            files(count),
            quoted(first)
        ),
    };
    let finding = about("FETCH-HOLE", Severity::Error, first, what).clause("RFC 8493, 3");
    finding
        .advice("Fetch what fetch.txt names into the bag, and send the whole bag; nothing is fetched here.")
}

/// Two files whose names some systems cannot tell apart.
pub fn twins(first: &[u8], second: &[u8], same_text: bool) -> Finding {
    let (code, how) = if same_text {
        ("PATH-NORMALISATION", "in how their accents are spelled")
    } else {
        ("PATH-CASE-PAIR", "in upper and lower case")
    };
    let what = format!("{} and {} differ only {how}.", quoted(first), quoted(second));
    let finding = about(code, Severity::Warning, second, what).clause("RFC 8493, 6.1.1");
    finding.advice(
        "Nothing to do for this deposit; some systems can hold only one of them, so rename one in new bags.",
    )
}

/// There is no payload file.
pub fn empty_payload() -> Finding {
    let finding = about("STRUCT-EMPTY-PAYLOAD", Severity::Warning, b"data", "The bag has no payload file.");
    finding.advice("Look whether the bag is what you wanted to send.").clause("RFC 8493, 2.1.2")
}
