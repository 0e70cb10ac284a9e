//! Every row of the checklist of BagIt's rules: what is an error, a warning or nothing, version by version.
//!
//! A case is one bag with one thing about it; its four verdicts stand for 0.93 to 0.95, 0.96, 0.97 and 1.0.

use super::tests::Bag;
use super::*;
use crate::rules::digester::digest_reader;

/// Codes with `!` for errors and `~` for warnings.
type Codes = &'static [&'static str];

struct Case {
    row: u8,
    story: &'static str,
    change: fn(&mut Bag),
    expected: [Codes; 4],
}

const fn case(row: u8, story: &'static str, change: fn(&mut Bag), expected: [Codes; 4]) -> Case {
    Case { row, story, change, expected }
}

/// The same in every version.
const fn always(row: u8, story: &'static str, change: fn(&mut Bag), expected: Codes) -> Case {
    case(row, story, change, [expected; 4])
}

/// An error in 1.0, a warning before.
const fn since_rfc(row: u8, story: &'static str, change: fn(&mut Bag), expected: [Codes; 2]) -> Case {
    case(row, story, change, [expected[0], expected[0], expected[0], expected[1]])
}

const INFO: &str = "bag-info.txt";
const MANIFEST: &str = "manifest-md5.txt";
const TAGS: &str = "tagmanifest-md5.txt";

/// A line of an MD5 manifest.
fn line(path: &str, text: &str) -> String {
    Bag::line(path, text)
}

fn add(bag: &mut Bag, file: &str, text: &str) {
    bag.0.entry(file.into()).or_default().extend_from_slice(text.as_bytes());
}

/// A change of the info file, whatever its name is in the bag's version.
fn info(bag: &mut Bag, text: &str) {
    let name = [INFO, "package-info.txt"].into_iter().find(|name| bag.0.contains_key(name.as_bytes()));
    bag.put(name.unwrap_or(INFO), text);
}

fn replace(bag: &mut Bag, file: &str, from: &str, to: &str) {
    let text = String::from_utf8(bag.0[file.as_bytes()].clone()).unwrap();
    assert!(text.contains(from), "{file} does not hold {from:?}");
    bag.put(file, &text.replace(from, to));
}

/// Lists the payload anew, as it is now.
fn relist(bag: &mut Bag) {
    bag.listed("");
}

fn sha1_line(path: &str, text: &str) -> String {
    let (_, digests) = digest_reader(&mut text.as_bytes(), &[Algorithm::Sha1], &mut [0; 99]).unwrap();
    format!("{}  {path}\n", digests.get(Algorithm::Sha1).unwrap())
}

/// Turns a unit of UTF-16 into bytes.
type ToBytes = fn(u16) -> [u8; 2];

/// The text in UTF-16, `order` turning units into bytes.
fn utf16(text: &[u8], mark: bool, order: ToBytes) -> Vec<u8> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let mark = mark.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(order).collect()
}

/// Declares UTF-16 and writes the tag files in it.
fn in_utf16(bag: &mut Bag, label: &str, mark: bool, order: ToBytes) {
    replace(bag, "bagit.txt", "UTF-8", label);
    // The digests of the tag files change, so the tag manifest comes last.
    bag.0.remove(TAGS.as_bytes());
    let is_text =
        |path: &[u8]| path.ends_with(b".txt") && !path.starts_with(b"data/") && path != b"bagit.txt";
    for (_, bytes) in bag.0.iter_mut().filter(|(path, _)| is_text(path)) {
        *bytes = utf16(bytes, mark, order);
    }
    bag.sealed("");
    let tags = utf16(&bag.0[TAGS.as_bytes()], mark, order);
    bag.0.insert(TAGS.into(), tags);
}

const FETCH: &str = "https://example.org/a 2 data/a\n";

#[rustfmt::skip]
const CASES: &[Case] = &[
    always(0, "sound", |_| (), &[]),
    always(1, "no bagit.txt", |bag| { bag.0.remove(&b"bagit.txt"[..]); }, &["!DECL-MISSING"]),
    since_rfc(2, "third line", |bag| add(bag, "bagit.txt", "X: y\n"), [&["~DECL-LINES"], &["!DECL-LINES"]]),
    case(2, "no encoding", |bag| replace(bag, "bagit.txt", "Tag-File-Character-Encoding: UTF-8\n", ""),
        [&["~DECL-LINES"], &["~DECL-LINES"], &["!DECL-LINES"], &["!DECL-LINES"]]),
    since_rfc(3, "space before the colon", |bag| replace(bag, "bagit.txt", "Version:", "Version :"), [&["~DECL-SPACING"], &["!DECL-SPACING"]]),
    always(4, "byte order mark", |bag| replace(bag, "bagit.txt", "BagIt", "\u{feff}BagIt"), &["!DECL-BOM"]),
    always(5, "no such version", |bag| { bag.put("bagit.txt", "BagIt-Version: 0.98\nTag-File-Character-Encoding: UTF-8\n"); }, &["!DECL-VERSION-UNSUPPORTED"]),
    always(6, "not UTF-8", |bag| replace(bag, "bagit.txt", "UTF-8", "ISO-8859-15"), &["~DECL-ENCODING-NOT-UTF8"]),
    always(6, "no charset", |bag| replace(bag, "bagit.txt", "UTF-8", "X-KLINGON"), &["!DECL-ENCODING-UNKNOWN"]),
    always(7, "undecodable manifest, the name in the same bytes", |bag| {
        bag.0.insert(b"data/\xe9".to_vec(), b"e".to_vec());
        let mut manifest = bag.0[MANIFEST.as_bytes()].clone();
        manifest.extend_from_slice(&[line("", "e").trim_end().as_bytes(), b"  data/\xe9\n"].concat());
        bag.0.insert(MANIFEST.into(), manifest);
        info(bag, "Payload-Oxum: 6.3\n");
    }, &["!TEXT-UNDECODABLE"]),
    always(7, "undecodable info", |bag| {
        let name = if bag.0.contains_key(INFO.as_bytes()) { INFO } else { "package-info.txt" };
        bag.0.insert(name.into(), b"A: b\xe9\n c\n".to_vec());
    }, &["!TEXT-UNDECODABLE"]),
    always(7, "undecodable fetch.txt", |bag| { bag.0.insert(b"fetch.txt".to_vec(), b"https://a.org/ 2 data/\xe9\n".to_vec()); }, &["~FETCH-PRESENT", "!TEXT-UNDECODABLE"]),
    since_rfc(8, "byte order mark in a manifest", |bag| {
        let text = String::from_utf8(bag.0[MANIFEST.as_bytes()].clone()).unwrap();
        bag.put(MANIFEST, &format!("\u{feff}{text}"));
    }, [&["~TEXT-BOM"], &["!TEXT-BOM"]]),
    since_rfc(8, "byte order mark in info", |bag| info(bag, "\u{feff}Payload-Oxum: 5.2\n"), [&["~TEXT-BOM"], &["!TEXT-BOM"]]),
    always(9, "line ends of all kinds, and characters that are none", |bag| {
        bag.put("data/a\u{85}\u{2028}\u{b}\u{c}b", "").put("data/n", "");
        relist(bag);
        let text = String::from_utf8(bag.0[MANIFEST.as_bytes()].clone()).unwrap();
        let ends = ["\r\n", "\r", "\n", "\r"];
        let lines: String = text.lines().zip(ends.iter().cycle()).map(|(line, end)| format!("{line}{end}")).collect();
        bag.put(MANIFEST, &lines);
        info(bag, "A: b\u{85}\u{2028}c\rPayload-Oxum: 5.4\r\nD: e\n");
    }, &[]),
    always(10, "no end of the last line", |bag| {
        for name in [MANIFEST, "bagit.txt"] {
            let text = String::from_utf8(bag.0[name.as_bytes()].clone()).unwrap();
            bag.put(name, text.trim_end());
        }
        info(bag, "Payload-Oxum: 5.2");
    }, &[]),
    always(12, "no data folder", |bag| {
        bag.0.retain(|path, _| !path.starts_with(b"data/"));
        relist(bag);
        info(bag, "Payload-Oxum: 0.0\n");
    }, &["!STRUCT-NO-PAYLOAD-DIR", "~STRUCT-EMPTY-PAYLOAD"]),
    always(13, "no payload manifest", |bag| { bag.0.remove(MANIFEST.as_bytes()); }, &["!MAN-NONE"]),
    case(14, "in one of two manifests", |bag| { bag.put("manifest-sha1.txt", &sha1_line("data/a", "ay")); },
        [&[], &[], &["~COMP-NOT-IN-ALL"], &["!COMP-NOT-IN-ALL"]]),
    always(14, "in no manifest", |bag| { bag.put("data/new", ""); info(bag, "Payload-Oxum: 5.3\n"); }, &["!COMP-UNLISTED"]),
    always(15, "listed and absent", |bag| add(bag, MANIFEST, &line("data/gone", "g")), &["!COMP-MISSING"]),
    always(16, "upper-case checksums", |bag| {
        let text = String::from_utf8(bag.0[MANIFEST.as_bytes()].clone()).unwrap();
        let upper: String = text.lines().map(|line| format!("{}{}\n", line[..32].to_uppercase(), &line[32..])).collect();
        bag.put(MANIFEST, &upper);
    }, &[]),
    always(16, "a digit lost", |bag| { let text = line("data/a", "ay"); replace(bag, MANIFEST, &text, &text[1..]); }, &["!MAN-CHECKSUM-LENGTH"]),
    always(16, "a letter wrong", |bag| { let text = line("data/a", "ay"); replace(bag, MANIFEST, &text, &format!("x{}", &text[1..])); }, &["!MAN-CHECKSUM-NOT-HEX"]),
    always(17, "one space", |bag| replace(bag, MANIFEST, "  data/a", " data/a"), &[]),
    always(17, "many blanks", |bag| replace(bag, MANIFEST, "  data/a", " \t \t data/a"), &[]),
    always(18, "asterisk", |bag| replace(bag, MANIFEST, "  data/a", " *data/a"), &["~MAN-ASTERISK"]),
    always(19, "escapes of md5sum", |bag| {
        bag.put("data/x\\y\nz", "why");
        info(bag, "Payload-Oxum: 8.3\n");
        add(bag, MANIFEST, &format!("\\{}", line("data/x\\\\y\\nz", "why")));
    }, &["~MAN-MD5SUM-ESCAPE", "~PATH-WINDOWS"]),
    always(20, "backslashes, the file is there", |bag| replace(bag, MANIFEST, "data/b/c", "data\\b\\c"), &["!PATH-BACKSLASH"]),
    always(20, "backslashes, no file", |bag| add(bag, MANIFEST, &line("data\\x\\y", "y")), &["!PATH-BACKSLASH"]),
    case(21, "a tag file in a payload manifest", |bag| add(bag, MANIFEST, &line("note.txt", "note")),
        [&["~MAN-OUTSIDE-PAYLOAD"], &["~MAN-OUTSIDE-PAYLOAD"], &["!MAN-OUTSIDE-PAYLOAD"], &["!MAN-OUTSIDE-PAYLOAD"]]),
    always(22, "./", |bag| replace(bag, MANIFEST, "  data/a", "  ./data/a"), &["~PATH-DOT-SLASH"]),
    always(23, "absolute", |bag| add(bag, MANIFEST, &line("/data/a", "ay")), &["!PATH-ABSOLUTE"]),
    always(23, "..", |bag| add(bag, MANIFEST, &line("data/../data/a", "ay")), &["!PATH-PARENT"]),
    always(23, "~", |bag| add(bag, MANIFEST, &line("~/a", "ay")), &["!PATH-HOME"]),
    always(23, "~user", |bag| add(bag, MANIFEST, &line("~root/a", "ay")), &["!PATH-HOME"]),
    always(23, "drive", |bag| add(bag, MANIFEST, &line("C:\\a", "ay")), &["!PATH-DRIVE"]),
    always(23, "long drive", |bag| add(bag, MANIFEST, &line("\\\\?\\C:\\a", "ay")), &["!PATH-DRIVE"]),
    always(23, "server", |bag| add(bag, MANIFEST, &line("\\\\server\\a", "ay")), &["!PATH-DRIVE"]),
    always(23, "variable", |bag| add(bag, MANIFEST, &line("%HOME%\\a", "ay")), &["!PATH-HOME"]),
    always(23, "NUL", |bag| add(bag, MANIFEST, &line("data/\0", "ay")), &["!MAN-LINE"]),
    always(24, "LF and CR in a name", |bag| {
        bag.put("data/x\n\ry", "why");
        info(bag, "Payload-Oxum: 8.3\n");
        add(bag, MANIFEST, &line("data/x%0a%0Dy", "why"));
    }, &[]),
    case(24, "a written %25 means % in 1.0 only", |bag| {
        bag.put("data/x%25y", "old").put("data/x%y", "new");
        info(bag, "Payload-Oxum: 11.4\n");
        add(bag, MANIFEST, &(line("data/x%25y", "old") + &line("data/x%y", "new")));
    }, [&[], &[], &[], &["!MAN-CONFLICT", "~PATH-PERCENT-RAW", "!COMP-UNLISTED"]]),
    case(25, "bare %", |bag| { bag.put("data/a%b", ""); info(bag, "Payload-Oxum: 5.3\n"); add(bag, MANIFEST, &line("data/a%b", "")); },
        [&[], &[], &[], &["~PATH-PERCENT-RAW"]]),
    case(25, "%25 where only the written name is there", |bag| { bag.put("data/a%25b", ""); info(bag, "Payload-Oxum: 5.3\n"); add(bag, MANIFEST, &line("data/a%25b", "")); },
        [&[], &[], &[], &["~PATH-PERCENT-RAW"]]),
    case(25, "% and %25 in one path", |bag| { bag.put("data/a%b%25c", ""); info(bag, "Payload-Oxum: 5.3\n"); add(bag, MANIFEST, &line("data/a%b%25c", "")); },
        [&[], &[], &[], &["!PATH-PERCENT-RAW"]]),
    case(25, "% and %25 in one path, neither name there", |bag| add(bag, MANIFEST, &line("data/a%b%25c", "")),
        [&["!COMP-MISSING"], &["!COMP-MISSING"], &["!COMP-MISSING"], &["!PATH-PERCENT-RAW", "!COMP-MISSING"]]),
    since_rfc(26, "twice alike", |bag| add(bag, MANIFEST, &line("data/a", "ay")), [&["~MAN-DUPLICATE"], &["!MAN-DUPLICATE"]]),
    always(27, "twice, with another checksum", |bag| add(bag, MANIFEST, &line("data/a", "oh")), &["!MAN-CONFLICT"]),
    always(27, "twice, with another checksum first", |bag| { bag.put(MANIFEST, &(line("data/a", "oh") + &line("data/a", "ay") + &line("data/b/c", "sea"))); }, &["!MAN-CONFLICT"]),
    since_rfc(28, "twice, once with ./ and in upper case", |bag| {
        let again = line("./data/a", "ay");
        add(bag, MANIFEST, &format!("{}{}", again[..32].to_uppercase(), &again[32..]));
    }, [&["~PATH-DOT-SLASH", "~MAN-DUPLICATE"], &["~PATH-DOT-SLASH", "!MAN-DUPLICATE"]]),
    always(29, "NFC listed, NFD there", |bag| { bag.put("data/u\u{308}", ""); info(bag, "Payload-Oxum: 5.3\n"); add(bag, MANIFEST, &line("data/\u{fc}", "")); }, &["~COMP-RENAMED"]),
    always(29, "NFD listed, NFC there", |bag| { bag.put("data/\u{fc}", ""); info(bag, "Payload-Oxum: 5.3\n"); add(bag, MANIFEST, &line("data/u\u{308}", "")); }, &["~COMP-RENAMED"]),
    always(30, "NFC and NFD there, each listed", |bag| { bag.put("data/\u{fc}", "1").put("data/u\u{308}", "2"); info(bag, "Payload-Oxum: 7.4\n"); relist(bag); }, &["~PATH-NORMALISATION"]),
    always(30, "NFC and NFD there, checksums exchanged", |bag| {
        bag.put("data/\u{fc}", "1").put("data/u\u{308}", "2");
        info(bag, "Payload-Oxum: 7.4\n");
        add(bag, MANIFEST, &(line("data/\u{fc}", "2") + &line("data/u\u{308}", "1")));
    }, &["!FIX-MISMATCH", "!FIX-MISMATCH", "~PATH-NORMALISATION"]),
    always(30, "two cases there, each listed", |bag| { bag.put("data/A", "1"); info(bag, "Payload-Oxum: 6.3\n"); relist(bag); }, &["~PATH-CASE-PAIR"]),
    always(31, "another case of a listed file", |bag| add(bag, MANIFEST, &line("data/A", "ay")), &["~PATH-CASE-ALIAS"]),
    always(32, "listed in another case", |bag| replace(bag, MANIFEST, "data/b/c", "data/B/c"), &["!COMP-RENAMED"]),
    always(33, "a folder", |bag| add(bag, MANIFEST, &line("data/b", "")), &["!MAN-LISTS-DIRECTORY"]),
    always(33, "a folder, with its slash", |bag| add(bag, MANIFEST, &line("data/b/", "")), &["!MAN-LISTS-DIRECTORY"]),
    always(34, "label with a hyphen", |bag| {
        let text = bag.0.remove(MANIFEST.as_bytes()).unwrap();
        bag.0.insert(b"manifest-MD-5.txt".to_vec(), text);
    }, &["~MAN-ALG-NAME"]),
    always(35, "no such algorithm", |bag| { bag.put("manifest-tiger.txt", "00  data/a\n00  data/b/c\n"); }, &["!MAN-ALG-UNSUPPORTED"]),
    always(36, "blank line", |bag| add(bag, MANIFEST, " \n"), &["~MAN-BLANK-LINE"]),
    always(37, "comment", |bag| add(bag, MANIFEST, "# made by hand\n"), &["!MAN-LINE"]),
    always(37, "prose", |bag| add(bag, MANIFEST, "and so on\n"), &["!MAN-LINE"]),
    always(38, "space at the end of a name", |bag| { bag.put("data/x ", "1"); info(bag, "Payload-Oxum: 6.3\n"); add(bag, MANIFEST, &line("data/x ", "1")); }, &["~PATH-WINDOWS"]),
    always(39, "names of devices", |bag| { bag.put("data/NUL.txt", "1"); info(bag, "Payload-Oxum: 6.3\n"); relist(bag); }, &["~PATH-WINDOWS"]),
    always(39, "control character", |bag| { bag.put("data/\u{7}", "1"); info(bag, "Payload-Oxum: 6.3\n"); relist(bag); }, &["~PATH-CONTROL"]),
    case(40, "a folder beside data", |bag| { bag.put("notes/x", "1"); }, [&[], &["~STRUCT-TAG-DIR-096"], &[], &[]]),
    always(50, "colon in a value", |bag| info(bag, "A: b: c\n"), &[]),
    case(50, "space before the colon", |bag| info(bag, "A : b\n"), [&[], &[], &[], &["!INFO-LABEL-SPACE"]]),
    case(50, "no space after the colon", |bag| info(bag, "A:b\n"), [&[], &[], &[], &["~INFO-SEPARATOR"]]),
    since_rfc(51, "continuation of nothing", |bag| info(bag, " a\nB: c\n"), [&["~INFO-ORPHAN-CONTINUATION"], &["!INFO-ORPHAN-CONTINUATION"]]),
    always(51, "nothing but continuations", |bag| info(bag, " a\n\tb\n"), &["!INFO-ORPHAN-CONTINUATION"]),
    always(52, "no colon", |bag| info(bag, "A b\n"), &["!INFO-LINE"]),
    always(53, "labels in any case", |bag| info(bag, "payload-OXUM: 6.2\n"), &["!OXUM-MISMATCH"]),
    since_rfc(54, "Payload-Oxum twice", |bag| info(bag, "Payload-Oxum: 5.2\nPayload-Oxum: 5.2\n"), [&["~OXUM-REPEATED"], &["!OXUM-REPEATED"]]),
    since_rfc(54, "Payload-Oxum in words", |bag| info(bag, "Payload-Oxum: five\n"), [&["~OXUM-FORM"], &["!OXUM-FORM"]]),
    always(55, "Payload-Oxum wrong", |bag| info(bag, "Payload-Oxum: 5.3\n"), &["!OXUM-MISMATCH"]),
    always(56, "repeated", |bag| info(bag, "Bag-Group-Identifier: a\nBag-Group-Identifier: a\n"), &["~INFO-REPEATED"]),
    always(56, "Bag-Count", |bag| info(bag, "Bag-Count: 2/3\n"), &["~INFO-BAG-COUNT"]),
    always(57, "two fields", |bag| { bag.put("fetch.txt", "https://example.org/a data/a\n"); }, &["~FETCH-PRESENT", "!FETCH-LINE"]),
    always(57, "relative URL", |bag| { bag.put("fetch.txt", "a 2 data/a\n"); }, &["~FETCH-PRESENT", "!FETCH-URL"]),
    always(57, "length in words", |bag| { bag.put("fetch.txt", "https://example.org/a two data/a\n"); }, &["~FETCH-PRESENT", "!FETCH-LENGTH"]),
    always(57, "a tag file", |bag| { bag.put("fetch.txt", "https://example.org/a 2 bagit.txt\n"); }, &["~FETCH-PRESENT", "!FETCH-OUTSIDE"]),
    always(57, "in no manifest", |bag| { bag.put("fetch.txt", "https://example.org/a 2 data/new\n"); }, &["~FETCH-PRESENT", "!FETCH-NOT-IN-MANIFEST", "!FETCH-HOLE"]),
    always(57, "a file that is there", |bag| { bag.put("fetch.txt", FETCH); }, &["~FETCH-PRESENT"]),
    since_rfc(58, "leading /", |bag| { bag.put("fetch.txt", "https://example.org/a 2 /data/a\n"); },
        [&["~FETCH-PRESENT", "~PATH-ABSOLUTE"], &["~FETCH-PRESENT", "!PATH-ABSOLUTE"]]),
    always(59, "hole", |bag| {
        bag.put("fetch.txt", "https://example.org/a - data/hole\n");
        add(bag, MANIFEST, &line("data/hole", ""));
    }, &["~FETCH-PRESENT", "!FETCH-HOLE"]),
    always(60, "other length, right checksum", |bag| { bag.put("fetch.txt", "https://example.org/a 3 data/a\n"); }, &["~FETCH-PRESENT", "~FETCH-SIZE"]),
    always(61, "file: URL", |bag| { bag.put("fetch.txt", "file:///etc/passwd 2 data/a\n"); }, &["~FETCH-PRESENT", "!FETCH-SCHEME"]),
];

/// Cases about tag manifests: they change the bag after it was sealed.
#[rustfmt::skip]
const SEALED: &[Case] = &[
    always(43, "tag file changed", |bag| info(bag, "A: b\n"), &["!TAGM-MISMATCH"]),
    always(43, "tag file gone", |bag| { bag.0.remove(&b"note.txt"[..]); }, &["!TAGM-MISSING-FILE"]),
    since_rfc(44, "payload manifest left out", |bag| {
        let manifest = String::from_utf8(bag.0[MANIFEST.as_bytes()].clone()).unwrap();
        replace(bag, TAGS, &line(MANIFEST, &manifest), "");
    }, [&["~TAGM-OMITS-MANIFEST"], &["!TAGM-OMITS-MANIFEST"]]),
    always(45, "payload file", |bag| add(bag, TAGS, &line("data/a", "ay")), &["!TAGM-LISTS-PAYLOAD"]),
    since_rfc(46, "tag manifest", |bag| add(bag, TAGS, &line(TAGS, "")), [&["~TAGM-LISTS-TAGM"], &["!TAGM-LISTS-TAGM"]]),
    always(47, "tag file left out", |bag| replace(bag, TAGS, &line("note.txt", "note"), ""), &["~TAGM-OMITS-TAGFILE"]),
    always(47, "tag file left out of one", |bag| {
        let mut other = String::new();
        for (path, bytes) in bag.0.iter().filter(|(path, _)| !path.starts_with(b"data/") && !path.starts_with(b"tag")) {
            let path = std::str::from_utf8(path).unwrap();
            if path != "note.txt" {
                other.push_str(&sha1_line(path, std::str::from_utf8(bytes).unwrap()));
            }
        }
        bag.put("tagmanifest-sha1.txt", &other);
    }, &["~TAGM-SETS-DIFFER"]),
    always(48, "no tag manifest", |bag| { bag.0.remove(TAGS.as_bytes()); }, &["~TAGM-NONE"]),
];

/// A bag with nothing wrong, but not sealed.
fn unsealed(version: Version) -> Bag {
    let mut bag = Bag::new(version.name(), &[("a", "ay"), ("b/c", "sea")]);
    bag.put(version.info_name(), "Payload-Oxum: 5.2\n").put("note.txt", "note").listed("");
    bag
}

/// Adds a tag manifest for every payload manifest that can be computed.
fn seal(bag: &mut Bag) {
    bag.sealed("");
    if !bag.0.contains_key(&b"manifest-sha1.txt"[..]) {
        return;
    }
    let tag_files = bag.0.iter().filter(|(path, _)| !path.starts_with(b"data/") && !path.starts_with(b"tag"));
    let lines: String = tag_files
        .map(|(path, bytes)| {
            sha1_line(std::str::from_utf8(path).unwrap(), std::str::from_utf8(bytes).unwrap())
        })
        .collect();
    bag.put("tagmanifest-sha1.txt", &lines);
}

fn column(version: Version) -> usize {
    match version {
        Version::V0_93 | Version::V0_94 | Version::V0_95 => 0,
        Version::V0_96 => 1,
        Version::V0_97 => 2,
        Version::V1_0 => 3,
    }
}

#[test]
fn every_row_of_the_checklist_weighs_what_its_version_says() {
    let mut wrong = Vec::new();
    for version in Version::ALL {
        let unsealed_first = CASES.iter().map(|case| (case, false));
        for (case, sealed_before) in unsealed_first.chain(SEALED.iter().map(|case| (case, true))) {
            let mut bag = unsealed(version);
            if sealed_before {
                seal(&mut bag);
                (case.change)(&mut bag);
            } else {
                (case.change)(&mut bag);
                seal(&mut bag);
            }
            let (got, expected) = (bag.codes(), case.expected[column(version)]);
            if got != expected {
                wrong.push(format!(
                    "row {} ({}) in {version}: {got:?}, not {expected:?}",
                    case.row, case.story
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn tag_files_in_utf_16_are_read_in_either_order_with_or_without_a_mark() {
    let table: [(&str, bool, ToBytes); 9] = [
        ("UTF-16", true, u16::to_le_bytes),
        ("UTF-16", true, u16::to_be_bytes),
        ("UTF-16", false, u16::to_le_bytes),
        ("UTF-16", false, u16::to_be_bytes),
        ("utf-16le", false, u16::to_le_bytes),
        ("UTF-16LE", true, u16::to_le_bytes),
        ("UTF-16LE", true, u16::to_be_bytes),
        ("UTF-16BE", false, u16::to_be_bytes),
        ("UTF-16BE", true, u16::to_be_bytes),
    ];
    for version in Version::ALL {
        for (label, mark, order) in table {
            let mut bag = unsealed(version);
            bag.put("data/\u{fc}\u{1f600}\u{2028}", "");
            relist(&mut bag);
            info(&mut bag, "Payload-Oxum: 5.3\r\n");
            in_utf16(&mut bag, label, mark, order);
            assert_eq!(bag.codes(), ["~DECL-ENCODING-NOT-UTF8"], "{version} {label} {mark}");
            assert_eq!(bag.judge().0.payload_oxum, Some((5, 3)));
        }
    }
}

#[test]
fn a_manifest_of_any_algorithm_is_compared() {
    for algorithm in Algorithm::ALL {
        let digest = |text: &str| {
            let (_, digests) = digest_reader(&mut text.as_bytes(), &[algorithm], &mut [0; 99]).unwrap();
            digests.get(algorithm).unwrap().to_string()
        };
        for (listed, expected) in [("ay", None), ("oh", Some("!FIX-MISMATCH"))] {
            let mut bag = Bag::new("1.0", &[("a", "ay")]);
            let name = format!("manifest-{algorithm}.txt");
            bag.put(&name, &format!("{}  data/a\n", digest(listed))).sealed("");
            assert_eq!(algorithm_named_by(&name.as_str().into()), Some(algorithm));
            let (_, findings) = bag.judge_with(&Limits::default(), &[algorithm, Algorithm::Md5]).unwrap();
            let errors: Vec<String> = findings
                .iter()
                .filter(|finding| finding.severity == Severity::Error)
                .map(|finding| format!("!{}", finding.code))
                .collect();
            assert_eq!(errors, expected.into_iter().collect::<Vec<_>>(), "{algorithm}");
        }
    }
    let plain = algorithm_named_by(&"manifest-blake2b.txt".into());
    assert_eq!(plain, Some(Algorithm::Blake2b512), "as Python's hashlib calls it");
}

#[test]
fn only_files_in_the_bag_s_own_folder_are_manifests() {
    for version in Version::ALL {
        let mut bag = unsealed(version);
        let prose = "no manifest at all\n";
        bag.put("data/tagmanifest-md5.txt", prose).put("data/manifest-sha1.txt", prose);
        bag.put("data/inner/bagit.txt", prose).put("data/fetch.txt", prose);
        relist(&mut bag);
        info(&mut bag, &format!("Payload-Oxum: {}.6\n", 5 + 4 * prose.len()));
        bag.sealed("");
        assert_eq!(bag.codes(), [""; 0], "{version}");
    }
}

#[test]
fn metadata_is_read_under_its_version_s_name_only() {
    for version in Version::ALL {
        let other = if version < Version::V0_96 { INFO } else { "package-info.txt" };
        let mut bag = unsealed(version);
        bag.put(other, "no metadata at all\nPayload-Oxum: 1.1\n");
        seal(&mut bag);
        assert_eq!(bag.codes(), [""; 0], "{version}");
    }
}

/// Every code that strict judging raises.
#[test]
fn strict_judging_raises_the_warnings_that_are_marked_so() {
    let strict = Policy { strict: true, ..Policy::default() };
    let mut raised = std::collections::BTreeSet::new();
    for version in [Version::V0_97, Version::V1_0] {
        for case in CASES {
            let mut bag = unsealed(version);
            (case.change)(&mut bag);
            seal(&mut bag);
            let (_, lenient) = bag.judge();
            let (verdict, findings) = bag.judge_by(&strict);
            assert_eq!(lenient.len(), findings.len(), "{}", case.story);
            for (was, is) in lenient.iter().zip(&findings) {
                let marked = crate::model::code::code(&is.code).is_some_and(|code| code.strict);
                let expected = match was.severity {
                    Severity::Warning if marked => Severity::Error,
                    other => other,
                };
                assert_eq!(is.severity, expected, "{}: {is:?}", case.story);
                if was.severity != is.severity {
                    raised.insert(is.code.clone());
                }
            }
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
            assert_eq!(verdict.errors, errors as u64);
        }
    }
    let expected = [
        "INFO-SEPARATOR",
        "MAN-ALG-NAME",
        "MAN-ASTERISK",
        "MAN-BLANK-LINE",
        "MAN-MD5SUM-ESCAPE",
        "PATH-CASE-ALIAS",
        "PATH-DOT-SLASH",
        "PATH-PERCENT-RAW",
        "TEXT-BOM",
    ];
    assert_eq!(raised.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
