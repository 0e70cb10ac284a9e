//! What the join has to say, sentence by sentence.
//!
//! - A sentence states the fact with both values; the advice is something its reader can do.
//! - Nothing is decided here but wording and weight.

use super::manifest::Manifest;
use super::paths::form;
use super::report::{about, quoted, short};
use super::rows::{Entry, Present};
use super::version::Version;
use crate::model::digest::{Algorithm, hex};
use crate::model::finding::{Finding, Severity, escape};

/// A manifest lists one path twice.
pub fn twice(manifest: &Manifest, path: &[u8], first: &Entry, again: &Entry, version: Version) -> Finding {
    let alike = first.digest == again.digest;
    let (code, severity, how) = if alike {
        ("MAN-DUPLICATE", version.rfc_error(), "with the same checksum")
    } else {
        ("MAN-CONFLICT", Severity::Error, "with different checksums")
    };
    let what = format!(
        "{} lists {} on lines {} and {}, {how}.",
        manifest.name,
        quoted(path),
        first.line,
        again.line
    );
    let mut finding = about(code, severity, path, what).line(again.line).clause("RFC 8493, 2.1.3");
    if let (false, Some(one), Some(other)) = (alike, &first.digest, &again.digest) {
        finding = finding.values(hex(one), hex(other));
    }
    finding.advice("List each file once.")
}

/// A name was matched after normalisation.
pub fn normalised(manifest: &Manifest, path: &[u8], entry: &Entry, found: &[u8]) -> Finding {
    let what = format!(
        "{} is in the bag, but {} (line {}) spells its accents otherwise ({} there, {} in the bag).",
        quoted(found),
        manifest.name,
        entry.line,
        form(path),
        form(found)
    );
    let finding = about("PATH-NORMALISATION", Severity::Warning, found, what).line(entry.line);
    let finding = finding.values(escape(path), escape(found));
    finding.advice("Nothing to do; we matched them.").clause("RFC 8493, 6.1.1.3")
}

/// An entry differs from another only in case, has its checksum, and is not there.
pub fn alias(manifest: &Manifest, path: &[u8], entry: &Entry, found: &[u8]) -> Finding {
    let what = format!(
        "{} lists {} (line {}) beside {}, with the same checksum; only the latter is in the bag.",
        manifest.name,
        quoted(path),
        entry.line,
        quoted(found)
    );
    let finding = about("PATH-CASE-ALIAS", Severity::Warning, path, what).line(entry.line);
    finding.advice("Take the line out if there is only one such file.").clause("RFC 8493, 6.1.1.1")
}

/// A listed file is there under a name of other case.
pub fn renamed(manifest: &Manifest, path: &[u8], entry: &Entry, found: &[u8]) -> Finding {
    let what = format!(
        "{} is listed in {} (line {}); a file with that checksum is in the bag as {}, which differs in upper and lower case.",
        quoted(path),
        manifest.name,
        entry.line,
        quoted(found)
    );
    let finding = about("COMP-RENAMED", Severity::Error, path, what).line(entry.line);
    let finding = finding.values(escape(path), escape(found));
    finding.advice("Give the file the listed name, or make the bag again.").clause("RFC 8493, 3")
}

/// A listed file is not there.
pub fn missing(manifest: &Manifest, path: &[u8], entry: &Entry) -> Finding {
    let code = if manifest.is_tag { "TAGM-MISSING-FILE" } else { "COMP-MISSING" };
    let what = format!(
        "{} is listed in {} (line {}) but is not in the bag.",
        quoted(path),
        manifest.name,
        entry.line
    );
    let finding = about(code, Severity::Error, path, what).line(entry.line).clause("RFC 8493, 3");
    finding.advice("Add the file, or make the bag again if it should not be there.")
}

/// A listed file is a folder.
pub fn folder(manifest: &Manifest, path: &[u8], entry: &Entry) -> Finding {
    let what = format!(
        "{} (line {}) lists the folder {}; manifests list files.",
        manifest.name,
        entry.line,
        quoted(path)
    );
    let finding = about("MAN-LISTS-DIRECTORY", Severity::Error, path, what).line(entry.line);
    finding.advice("Take the line out.").clause("RFC 8493, 2.1.3")
}

/// A file does not have the digest listed.
pub fn mismatch(
    manifest: &Manifest,
    algorithm: Algorithm,
    path: &[u8],
    entry: &Entry,
    present: &Present,
    both: (&[u8], &[u8]),
) -> Finding {
    let code = match (manifest.is_tag, present.size) {
        (true, _) => "TAGM-MISMATCH",
        (false, 0) => "FIX-EMPTY",
        (false, _) => "FIX-MISMATCH",
    };
    let (expected, found) = (hex(both.0), hex(both.1));
    let what = format!(
        "{} ({} bytes) has {algorithm} {}…, {} (line {}) says {}….",
        quoted(path),
        present.size,
        short(&found),
        manifest.name,
        entry.line,
        short(&expected)
    );
    let advice = match present.size {
        0 => "The file is empty: deposit it again from your original.",
        _ => {
            "The file changed after bagging or was damaged in transfer: compare it with your original and deposit again."
        }
    };
    let finding = about(code, Severity::Error, path, what).line(entry.line).values(expected, found);
    finding.advice(advice).clause("RFC 8493, 3")
}

/// A name was found as it was written, not as it decodes.
pub fn percent(manifest: &Manifest, path: &[u8], entry: &Entry) -> Finding {
    let what = format!(
        "{} line {} writes {} without encoding its `%`; we found the file under the written name and accept it.",
        manifest.name,
        entry.line,
        quoted(path)
    );
    let finding = about("PATH-PERCENT-RAW", Severity::Warning, path, what).line(entry.line);
    finding.advice("Write `%` as %25 in manifests.").clause("RFC 8493, 2.1.3")
}

/// A name that travels badly.
pub fn remark(code: &str, severity: Severity, path: &[u8], why: &str) -> Finding {
    let finding = about(code, severity, path, format!("{} {why}.", quoted(path))).clause("RFC 8493, 6.1");
    finding.advice("Nothing to do here; it may not survive on other systems.")
}

/// A payload file that nothing lists.
pub fn unlisted(path: &[u8], present: &Present) -> Finding {
    let what = format!("{} ({} bytes) is in the bag but in no payload manifest.", quoted(path), present.size);
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
    finding.advice(format!("Rebuild {lacking}."))
}

/// A side file of macOS that nothing lists.
pub fn apple_double(path: &[u8]) -> Finding {
    let what = format!("{} is a side file that macOS adds; no manifest lists it.", quoted(path));
    let finding = about("SER-APPLEDOUBLE", Severity::Warning, path, what);
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
    let what = format!("fetch.txt (line {line}) names {}, which {lacking} does not list.", quoted(path));
    let finding = about("FETCH-NOT-IN-MANIFEST", Severity::Error, path, what).line(line);
    finding.advice("List the file in every payload manifest.").clause("RFC 8493, 2.2.3")
}

/// fetch.txt gives a file that is there another length.
pub fn fetch_size(path: &[u8], line: u64, length: u64, size: u64) -> Finding {
    let what = format!("fetch.txt (line {line}) gives {} {length} bytes; it has {size}.", quoted(path));
    let finding = about("FETCH-SIZE", Severity::Warning, path, what).line(line);
    let finding = finding.values(length.to_string(), size.to_string());
    finding.advice("Nothing to do if its checksum is right.").clause("RFC 8493, 5.3")
}

/// Files that are only in fetch.txt.
pub fn holes(count: u64, first: &[u8]) -> Finding {
    let what = format!("{count} files that fetch.txt names are not in the bag, {} first.", quoted(first));
    let finding = about("FETCH-HOLE", Severity::Error, first, what).clause("RFC 8493, 3");
    finding.advice("Fetch them into the bag, and send the whole bag.")
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
    finding.advice("Both are kept; some systems can hold only one of them.")
}

/// There is no payload file.
pub fn empty_payload() -> Finding {
    let finding = about("STRUCT-EMPTY-PAYLOAD", Severity::Warning, b"data", "The bag has no payload file.");
    finding.advice("Look whether the bag is what you wanted to send.").clause("RFC 8493, 2.1.2")
}
