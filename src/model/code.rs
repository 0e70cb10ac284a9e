//! Codes of findings: what judging can say, each with its weight.
//!
//! - A code never changes its meaning, and never goes away; sentences may change.
//! - `rfc_error` codes are warnings in bags older than RFC 8493; which they are in one bag, the finding says.

use crate::model::finding::Severity;

/// How much findings of a code weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Always an error.
    Error,
    /// An error in some versions of BagIt or under some profiles, a warning elsewhere.
    Depends,
    /// A warning.
    Warning,
    /// A note.
    Note,
}

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name: "FIX-MISMATCH".
    pub name: &'static str,
    /// Its weight.
    pub weight: Weight,
    /// A warning of this code is an error under `--strict`.
    pub strict: bool,
}

/// Whose a fault of a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The depositor's: something else must be sent.
    Depositor,
    /// Ours: nothing is asked of the depositor.
    Ours,
}

/// What a fault of a code is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The bag as a whole.
    Bag,
    /// One file, one name or one line; there may be millions of them.
    File,
}

/// Place in the order of reading: archive, declaration, structure, and so on; codes that we do not know come last.
pub fn place(name: &str) -> usize {
    CODES.iter().position(|code| code.name == name).unwrap_or(CODES.len())
}

/// Whose a fault of this code is; of a code that we do not know, the depositor's.
pub fn whose(name: &str) -> Whose {
    if name.starts_with("ENV-") || name == "PROF-FILE-INVALID" { Whose::Ours } else { Whose::Depositor }
}

/// What a fault of this code is about.
pub fn about(name: &str) -> About {
    if OF_BAG.contains(&name) || OF_BAG_AREAS.iter().any(|area| name.starts_with(area)) {
        About::Bag
    } else {
        About::File
    }
}

const OF_BAG_AREAS: [&str; 4] = ["DECL-", "OXUM-", "PROF-", "ENV-"];

#[rustfmt::skip]
const OF_BAG: [&str; 18] = [
    "SER-NOT-TAR", "SER-COMPRESSED", "SER-EMPTY", "SER-TRUNCATED", "SER-HEADER-DAMAGED", "SER-NO-END", "SER-TRAILING-DATA",
    "SER-HIDDEN-MEMBERS", "SER-NO-BASE-DIR", "SER-MANY-BASE-DIRS", "SER-NAME-DIFFERS", "SER-EXT-HEADER", "SER-LIMIT",
    "STRUCT-NO-PAYLOAD-DIR", "STRUCT-EMPTY-PAYLOAD", "MAN-NONE", "TAGM-NONE", "FETCH-HOLE",
];

/// The code of this name.
pub fn code(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.name == name)
}

/// What a finding of this code and severity weighs: under `strict`, some warnings are errors.
pub fn weigh(name: &str, severity: Severity, strict: bool) -> Severity {
    let raised = strict && severity == Severity::Warning && code(name).is_some_and(|code| code.strict);
    if raised { Severity::Error } else { severity }
}

const fn row(name: &'static str, weight: Weight, strict: bool) -> Code {
    Code { name, weight, strict }
}

/// Every code, by area.
#[rustfmt::skip]
pub const CODES: [Code; 125] = [
    row("SER-NOT-TAR", Weight::Error, false),
    row("SER-COMPRESSED", Weight::Error, false),
    row("SER-EMPTY", Weight::Error, false),
    row("SER-TRUNCATED", Weight::Error, false),
    row("SER-HEADER-DAMAGED", Weight::Error, false),
    row("SER-NO-END", Weight::Warning, false),
    row("SER-TRAILING-DATA", Weight::Warning, true),
    row("SER-HIDDEN-MEMBERS", Weight::Error, false),
    row("SER-NO-BASE-DIR", Weight::Error, false),
    row("SER-MANY-BASE-DIRS", Weight::Error, false),
    row("SER-STRAY-TOP-LEVEL", Weight::Error, false),
    row("SER-NAME-DIFFERS", Weight::Depends, false),
    row("SER-APPLEDOUBLE", Weight::Warning, false),
    row("SER-LINK", Weight::Error, false),
    row("SER-SPECIAL-FILE", Weight::Error, false),
    row("SER-SPARSE", Weight::Error, false),
    row("SER-PATH-ESCAPES", Weight::Error, false),
    row("SER-PATH-TOO-LONG", Weight::Error, false),
    row("SER-TOO-DEEP", Weight::Error, false),
    row("SER-DUPLICATE-MEMBER", Weight::Depends, false),
    row("SER-CLASH", Weight::Error, false),
    row("SER-EXT-HEADER", Weight::Error, false),
    row("SER-LIMIT", Weight::Error, false),
    row("DECL-MISSING", Weight::Error, false),
    row("DECL-BOM", Weight::Error, false),
    row("DECL-LINES", Weight::Error, false),
    row("DECL-VERSION", Weight::Error, false),
    row("DECL-VERSION-UNSUPPORTED", Weight::Error, false),
    row("DECL-VERSION-OLD", Weight::Note, false),
    row("DECL-SPACING", Weight::Depends, false),
    row("DECL-ENCODING-UNKNOWN", Weight::Error, false),
    row("DECL-ENCODING-NOT-UTF8", Weight::Warning, false),
    row("STRUCT-NO-PAYLOAD-DIR", Weight::Error, false),
    row("STRUCT-NOT-A-FILE", Weight::Error, false),
    row("STRUCT-EMPTY-DIR", Weight::Warning, false),
    row("STRUCT-TAG-DIR-096", Weight::Warning, false),
    row("STRUCT-EMPTY-PAYLOAD", Weight::Warning, false),
    row("TEXT-UNDECODABLE", Weight::Error, false),
    row("TEXT-BOM", Weight::Depends, true),
    row("MAN-NONE", Weight::Error, false),
    row("MAN-LINE", Weight::Error, false),
    row("MAN-CHECKSUM-LENGTH", Weight::Error, false),
    row("MAN-CHECKSUM-NOT-HEX", Weight::Error, false),
    row("MAN-ALG-UNSUPPORTED", Weight::Error, false),
    row("MAN-ALG-NAME", Weight::Warning, true),
    row("MAN-DUPLICATE", Weight::Depends, false),
    row("MAN-CONFLICT", Weight::Error, false),
    row("MAN-OUTSIDE-PAYLOAD", Weight::Depends, false),
    row("MAN-LISTS-DIRECTORY", Weight::Error, false),
    row("MAN-ASTERISK", Weight::Warning, true),
    row("MAN-MD5SUM-ESCAPE", Weight::Warning, true),
    row("MAN-BLANK-LINE", Weight::Warning, true),
    row("PATH-ABSOLUTE", Weight::Error, false),
    row("PATH-PARENT", Weight::Error, false),
    row("PATH-HOME", Weight::Error, false),
    row("PATH-DRIVE", Weight::Error, false),
    row("PATH-BACKSLASH", Weight::Error, false),
    row("PATH-DOT-SLASH", Weight::Warning, true),
    row("PATH-PERCENT-RAW", Weight::Warning, true),
    row("PATH-NORMALISATION", Weight::Warning, false),
    row("PATH-CASE-PAIR", Weight::Warning, false),
    row("PATH-CASE-ALIAS", Weight::Warning, true),
    row("PATH-CONTROL", Weight::Warning, false),
    row("PATH-WINDOWS", Weight::Warning, false),
    row("PATH-SYSTEM-FILE", Weight::Warning, false),
    row("COMP-MISSING", Weight::Error, false),
    row("COMP-UNLISTED", Weight::Error, false),
    row("COMP-NOT-IN-ALL", Weight::Depends, false),
    row("COMP-RENAMED", Weight::Error, false),
    row("FIX-MISMATCH", Weight::Error, false),
    row("FIX-EMPTY", Weight::Error, false),
    row("FIX-UNREADABLE", Weight::Error, false),
    row("TAGM-NONE", Weight::Warning, false),
    row("TAGM-MISSING-FILE", Weight::Error, false),
    row("TAGM-MISMATCH", Weight::Error, false),
    row("TAGM-OMITS-MANIFEST", Weight::Depends, false),
    row("TAGM-OMITS-TAGFILE", Weight::Warning, false),
    row("TAGM-LISTS-PAYLOAD", Weight::Error, false),
    row("TAGM-LISTS-TAGM", Weight::Depends, false),
    row("TAGM-SETS-DIFFER", Weight::Warning, false),
    row("INFO-LINE", Weight::Error, false),
    row("INFO-ORPHAN-CONTINUATION", Weight::Error, false),
    row("INFO-LABEL-SPACE", Weight::Depends, false),
    row("INFO-SEPARATOR", Weight::Warning, true),
    row("INFO-BLANK-LINE", Weight::Warning, false),
    row("INFO-REPEATED", Weight::Warning, false),
    row("INFO-DATE", Weight::Warning, false),
    row("INFO-BAG-COUNT", Weight::Warning, false),
    row("OXUM-MISMATCH", Weight::Error, false),
    row("OXUM-FORM", Weight::Depends, false),
    row("OXUM-REPEATED", Weight::Depends, false),
    row("OXUM-NONE", Weight::Note, false),
    row("FETCH-PRESENT", Weight::Depends, false),
    row("FETCH-LINE", Weight::Error, false),
    row("FETCH-URL", Weight::Error, false),
    row("FETCH-SCHEME", Weight::Error, false),
    row("FETCH-LENGTH", Weight::Error, false),
    row("FETCH-OUTSIDE", Weight::Error, false),
    row("FETCH-NOT-IN-MANIFEST", Weight::Error, false),
    row("FETCH-HOLE", Weight::Error, false),
    row("FETCH-SIZE", Weight::Warning, false),
    row("PROF-UNKNOWN", Weight::Error, false),
    row("PROF-NOT-DECLARED", Weight::Error, false),
    row("PROF-FILE-INVALID", Weight::Error, false),
    row("PROF-VERSION", Weight::Error, false),
    row("PROF-SERIALIZATION", Weight::Error, false),
    row("PROF-MANIFEST-REQUIRED", Weight::Error, false),
    row("PROF-MANIFEST-NOT-ALLOWED", Weight::Error, false),
    row("PROF-TAG-MISSING", Weight::Error, false),
    row("PROF-TAG-EMPTY", Weight::Error, false),
    row("PROF-TAG-VALUE", Weight::Error, false),
    row("PROF-TAG-REPEATED", Weight::Error, false),
    row("PROF-TAG-RECOMMENDED", Weight::Warning, false),
    row("PROF-LABEL-CASE", Weight::Warning, false),
    row("PROF-TAGFILE-REQUIRED", Weight::Error, false),
    row("PROF-TAGFILE-NOT-ALLOWED", Weight::Error, false),
    row("PROF-PAYLOAD-REQUIRED", Weight::Error, false),
    row("PROF-PAYLOAD-NOT-ALLOWED", Weight::Error, false),
    row("PROF-DATA-EMPTY", Weight::Error, false),
    row("PROF-FETCH", Weight::Error, false),
    row("PROF-NAME-RULE", Weight::Error, false),
    row("ENV-DISK-SPACE", Weight::Error, false),
    row("ENV-IO", Weight::Error, false),
    row("ENV-INTERRUPTED", Weight::Error, false),
    row("ENV-LIMIT", Weight::Error, false),
];
