//! What the corpora say about their bags, in words, and what we call it.

/// Rows called valid for which the rules ask for a warning all the same: the codes, and no others.
/// Rows of the checklist: TAGM-NONE 48, INFO-DATE INFO-REPEATED INFO-BAG-COUNT 56, TAGM-OMITS-TAGFILE 47,
/// DECL-ENCODING-NOT-UTF8 6, PATH-DOT-SLASH 22 (the suite itself has it as valid twice and once as a warning).
/// PATH-SYSTEM-FILE and FETCH-PRESENT are warnings by the table of codes, SER-NO-END by 4.4, 7.
#[rustfmt::skip]
pub const WARNED: &[(&str, &[&str])] = &[
    ("aptrust-exchange/testdata/unit_test_bags/dpn/a9f7cbab-b531-4eb7-b532-770f592629ba.tar", &["INFO-BAG-COUNT", "SER-NO-END"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.multipart.b01.of02.tar", &["TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.multipart.b02.of02.tar", &["TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.sample_no_bag_info.tar", &["TAGM-NONE"]),
    ("bagit-profiles-validator/fixtures/test-foo", &["TAGM-NONE"]),
    ("bagittools-composed/TestBag-manifest-CR-sha256.tar", &["TAGM-NONE"]),
    ("bagittools-composed/TestBag-manifest-CRLF-sha256.tar", &["TAGM-NONE"]),
    ("bagittools-composed/baginfo-long-lines.tar", &["TAGM-NONE"]),
    ("bagittools/TestBag", &["TAGM-NONE"]),
    ("bagittools/TestEncodingBag", &["TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.sample_bad_access.tar", &["INFO-DATE", "PATH-SYSTEM-FILE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.sample_no_aptrust_info.tar", &["INFO-DATE", "PATH-SYSTEM-FILE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.sample_no_title.tar", &["INFO-DATE", "PATH-SYSTEM-FILE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.sample_glacier_oh.tar", &["INFO-DATE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.sample_glacier_or.tar", &["INFO-DATE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.sample_glacier_va.tar", &["INFO-DATE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.sample_good.tar", &["INFO-DATE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/updated/example.edu.sample_glacier_oh.tar", &["INFO-DATE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/virginia.edu.uva-lib_2278801.tar", &["INFO-DATE", "TAGM-NONE"]),
    ("aptrust-exchange/testdata/unit_test_bags/example.edu.tagsample_good.tar", &["INFO-DATE", "TAGM-OMITS-TAGFILE"]),
    ("aptrust-exchange/testdata/unit_test_bags/updated/example.edu.tagsample_good.tar", &["INFO-DATE", "TAGM-OMITS-TAGFILE"]),
    ("loc-conformance-suite/v0.96/valid/bag-with-leading-dot-slash-in-manifest", &["PATH-DOT-SLASH"]),
    ("loc-conformance-suite/v0.97/valid/bag-with-leading-dot-slash-in-manifest", &["PATH-DOT-SLASH"]),
    ("loc-conformance-suite/v0.96/valid/holey-bag", &["FETCH-PRESENT", "TAGM-OMITS-TAGFILE"]),
    ("loc-conformance-suite/v0.97/valid/holey-bag", &["FETCH-PRESENT", "TAGM-OMITS-TAGFILE"]),
    ("loc-conformance-suite/v0.97/valid/ISO-8859-1-encoded-tag-files", &["DECL-ENCODING-NOT-UTF8"]),
    ("loc-conformance-suite/v0.97/valid/UTF-16-encoded-tag-files", &["DECL-ENCODING-NOT-UTF8"]),
    ("loc-conformance-suite/v0.97/valid/duplicate-metadata-entries", &["INFO-REPEATED"]),
];

/// A row that we judge otherwise, and are sure of it: refused, for "anything non-zero after the end: warn, and refuse if
/// it parses as a member header" (4.4, 7), and the second archive behind the end mark does.
pub const OURS: [(&str, &str, &str); 1] =
    [("synthetic-tar/bad-concatenated.tar", "invalid", "SER-HIDDEN-MEMBERS")];

/// Endings of deposits that must be decompressed before this reader can look at them: it says so and no more.
pub const PACKED: [&str; 5] = [".gz", ".tgz", ".bz2", ".zip", ".zst"];

/// What the words of a reason mean: an invalid row must be refused with one of the codes of every phrase that its reason
/// holds, and first of all with one of them.
#[rustfmt::skip]
pub const REASONS: &[(&str, &[&str])] = &[
    // Declaration.
    ("no bagit.txt", &["DECL-MISSING"]),
    ("unsupported or malformed version", &["DECL-VERSION", "DECL-VERSION-UNSUPPORTED"]),
    ("version \"", &["DECL-VERSION", "DECL-VERSION-UNSUPPORTED"]),
    ("lacks encoding line", &["DECL-LINES"]),
    ("bagit-version: 1.0", &["DECL-LINES"]),
    ("BOM in bagit.txt", &["DECL-BOM"]),
    ("bagit.txt in UTF-16", &["DECL-BOM", "TEXT-UNDECODABLE"]),
    ("X-KLINGON", &["DECL-ENCODING-UNKNOWN"]),
    ("space before colon in bagit.txt", &["DECL-SPACING"]),
    // Structure and manifests.
    ("no data/ directory", &["STRUCT-NO-PAYLOAD-DIR"]),
    ("no payload manifest", &["MAN-NONE"]),
    ("malformed checksums", &["MAN-CHECKSUM-NOT-HEX", "MAN-CHECKSUM-LENGTH"]),
    ("bad checksum text", &["MAN-CHECKSUM-NOT-HEX", "MAN-CHECKSUM-LENGTH"]),
    ("checksum has 63 digits", &["MAN-CHECKSUM-LENGTH"]),
    ("md5 value inside manifest-sha256.txt", &["MAN-CHECKSUM-LENGTH"]),
    ("second manifest cannot be verified", &["MAN-ALG-UNSUPPORTED"]),
    ("# line is not checksum+path", &["MAN-LINE"]),
    ("MUST NOT list bag-info.txt", &["MAN-OUTSIDE-PAYLOAD"]),
    ("lists a directory", &["MAN-LISTS-DIRECTORY"]),
    ("same line twice", &["MAN-DUPLICATE"]),
    ("duplicate path, same checksum", &["MAN-DUPLICATE"]),
    ("duplicate path, conflicting checksums", &["MAN-CONFLICT"]),
    ("same path twice, different checksums", &["MAN-CONFLICT"]),
    ("bare % and %25 mixed", &["PATH-PERCENT-RAW"]),
    ("unsafe path in", &["PATH-ABSOLUTE", "PATH-PARENT", "PATH-HOME", "PATH-DRIVE"]),
    ("data/../.. path", &["PATH-PARENT"]),
    ("name is Latin-1 bytes", &["TEXT-UNDECODABLE", "COMP-MISSING", "COMP-RENAMED"]),
    // Payload.
    ("payload file missing", &["COMP-MISSING"]),
    ("missing payload", &["COMP-MISSING"]),
    ("files missing", &["COMP-MISSING"]),
    ("data/datastream-DC missing", &["COMP-MISSING"]),
    ("data/hello.txt absent", &["COMP-MISSING"]),
    ("file absent", &["COMP-MISSING"]),
    ("AS STORED incomplete", &["COMP-MISSING"]),
    ("disk data/hello.txt", &["COMP-RENAMED"]),
    ("payload unlisted", &["COMP-UNLISTED"]),
    ("payload file not in manifest", &["COMP-UNLISTED"]),
    ("payload file in no manifest", &["COMP-UNLISTED"]),
    ("unlisted empty files", &["COMP-UNLISTED"]),
    ("files split over two manifests", &["COMP-NOT-IN-ALL"]),
    ("payload checksum", &["FIX-MISMATCH", "FIX-EMPTY"]),
    ("one payload byte changed", &["FIX-MISMATCH"]),
    ("sha512 wrong", &["FIX-MISMATCH"]),
    // Tag files.
    ("tag checksum", &["TAGM-MISMATCH"]),
    ("tag file checksum", &["TAGM-MISMATCH"]),
    ("tag manifests are checked there too", &["TAGM-MISMATCH"]),
    ("changed after tag manifest", &["TAGM-MISMATCH"]),
    ("and tag files", &["TAGM-MISSING-FILE"]),
    ("lists absent bag-info.txt", &["TAGM-MISSING-FILE"]),
    ("MUST NOT list tag manifests", &["TAGM-LISTS-TAGM"]),
    ("label with leading/trailing space", &["INFO-ORPHAN-CONTINUATION", "INFO-LABEL-SPACE"]),
    ("label ends with space", &["INFO-LABEL-SPACE"]),
    ("continuation with no element", &["INFO-ORPHAN-CONTINUATION"]),
    ("line without colon", &["INFO-LINE"]),
    ("Latin-1 bytes in UTF-8 bag-info.txt", &["TEXT-UNDECODABLE"]),
    ("Payload-Oxum: 6 bytes", &["OXUM-FORM"]),
    ("Payload-Oxum MUST NOT be repeated", &["OXUM-REPEATED"]),
    ("Payload-Oxum 6.2, found", &["OXUM-MISMATCH"]),
    ("Payload-Oxum 7.1, found", &["OXUM-MISMATCH"]),
    ("Payload-Oxum counted", &["OXUM-MISMATCH"]),
    ("Payload-Oxum", &["OXUM-MISMATCH", "OXUM-FORM", "OXUM-REPEATED"]),
    ("Oxum also wrong", &["OXUM-MISMATCH"]),
    ("octets include 4096 for one directory", &["OXUM-MISMATCH"]),
    // fetch.txt.
    ("fetch.txt holds prose", &["FETCH-LINE", "FETCH-URL"]),
    ("path outside data/ and %2F", &["FETCH-OUTSIDE"]),
    ("length is letters", &["FETCH-LENGTH"]),
    ("length missing", &["FETCH-LINE"]),
    ("ftp URL", &["FETCH-SCHEME"]),
    ("entry not in manifest", &["FETCH-NOT-IN-MANIFEST"]),
    ("fetch entry in no manifest", &["FETCH-NOT-IN-MANIFEST"]),
    ("file only in fetch.txt", &["FETCH-HOLE"]),
];

/// Rows with a fault that their reason does not name, which is told before the one it names.
pub const MORE_FAULTS: [&str; 3] = [
    // The tag manifest knows another bag-info.txt.
    "go-bagit/malformed-oxum",
    // The tag manifests know other manifests.
    "loc-conformance-suite/v1.0/invalid/same-filename-listed-twice-with-different-hashes",
    "loc-conformance-suite/v1.0/invalid/same-filename-listed-twice-with-the-same-hash",
];
