//! Bags as folders: everything but the archive.

use crate::Case;
use crate::kit::{Bag, Deposit, INFO, MANIFEST, TAG_MANIFEST, bag, bag_of, digests};
use strongroom::model::digest::Algorithm;

fn bagit_txt(text: impl AsRef<[u8]>) -> Deposit {
    bag().put("bagit.txt", text).folder()
}

/// A line of bag-info.txt more.
fn info(line: &str) -> Deposit {
    bag().append(INFO, line).folder()
}

/// A manifest line of a path that is not there, or must not be.
fn listed(path: &str) -> Deposit {
    bag().list(path, b"").folder()
}

/// A payload file of this name, listed as it must be.
fn named(path: &str) -> Deposit {
    bag().add(path, path).folder()
}

/// A line in fetch.txt.
fn fetch(line: &str) -> Deposit {
    bag().put("fetch.txt", line).folder()
}

fn tag_line(bag: &Bag, path: &str) -> String {
    let digest = digests(&bag.files[path.as_bytes()]);
    format!("{}  {path}\n", digest.get(Algorithm::Sha256).unwrap())
}

const ENCODING: &str = "Tag-File-Character-Encoding: UTF-8\n";

/// A code, and a deposit that has this fault.
pub const CASES: &[Case] = &[
    ("DECL-MISSING", || bag().remove("bagit.txt").folder()),
    ("DECL-BOM", || bagit_txt(format!("\u{feff}BagIt-Version: 1.0\n{ENCODING}"))),
    ("DECL-LINES", || bagit_txt(format!("BagIt-Version: 1.0\n{ENCODING}Tool: mine\n"))),
    ("DECL-VERSION", || bagit_txt(format!("BagIt-Version: one\n{ENCODING}"))),
    ("DECL-VERSION-UNSUPPORTED", || bagit_txt(format!("BagIt-Version: 2.0\n{ENCODING}"))),
    ("DECL-VERSION-OLD", || bag().declare("0.96").folder()),
    ("DECL-SPACING", || bagit_txt(format!("BagIt-Version : 1.0\n{ENCODING}"))),
    ("DECL-ENCODING-UNKNOWN", || bag().change("bagit.txt", "UTF-8", "klingon").folder()),
    ("DECL-ENCODING-NOT-UTF8", || bag().change("bagit.txt", "UTF-8", "ISO-8859-1").folder()),
    ("STRUCT-NO-PAYLOAD-DIR", || {
        bag().remove("data/a.txt").remove("data/sub/b.txt").put(MANIFEST, "").count().folder()
    }),
    ("STRUCT-NOT-A-FILE", || {
        let links = [("data/latest".to_string(), "a.txt".to_string())].into();
        Bag { links, ..bag() }.folder()
    }),
    ("STRUCT-EMPTY-DIR", || Bag { empty: ["data/empty".to_string()].into(), ..bag() }.folder()),
    ("STRUCT-TAG-DIR-096", || bag().declare("0.96").put("tags/more.txt", "x\n").folder()),
    ("STRUCT-EMPTY-PAYLOAD", || {
        let bare = bag().remove("data/a.txt").remove("data/sub/b.txt").put(MANIFEST, "").count();
        Bag { empty: ["data".to_string()].into(), ..bare }.folder()
    }),
    ("TEXT-UNDECODABLE", || bag().put(INFO, b"Contact-Name: Andr\xe9\n").folder()),
    ("TEXT-BOM", || {
        let text = format!("\u{feff}{}", bag().text(INFO));
        bag().put(INFO, text).folder()
    }),
    ("MAN-NONE", || bag().remove(MANIFEST).folder()),
    ("MAN-LINE", || bag().append(MANIFEST, "# made by hand\n").folder()),
    ("MAN-CHECKSUM-LENGTH", || {
        let text = bag().text(MANIFEST);
        bag().put(MANIFEST, &text[1..]).folder()
    }),
    ("MAN-CHECKSUM-NOT-HEX", || {
        let text = bag().text(MANIFEST);
        bag().put(MANIFEST, format!("z{}", &text[1..])).folder()
    }),
    ("MAN-ALG-UNSUPPORTED", || {
        bag().put("manifest-whirlpool.txt", "00  data/a.txt\n00  data/sub/b.txt\n").folder()
    }),
    ("MAN-ALG-NAME", || bag().rename(MANIFEST, "manifest-SHA-256.txt").folder()),
    ("MAN-DUPLICATE", || {
        let first = bag().text(MANIFEST).lines().next().unwrap().to_string();
        bag().append(MANIFEST, &format!("{first}\n")).folder()
    }),
    ("MAN-CONFLICT", || bag().list("data/a.txt", b"other bytes").folder()),
    ("MAN-OUTSIDE-PAYLOAD", || {
        let declaration = bag().files[&b"bagit.txt"[..]].clone();
        bag().list("bagit.txt", &declaration).folder()
    }),
    ("MAN-LISTS-DIRECTORY", || listed("data/sub")),
    ("MAN-ASTERISK", || bag().change(MANIFEST, "  data/a.txt", " *data/a.txt").folder()),
    ("MAN-MD5SUM-ESCAPE", || {
        let text = bag().text(MANIFEST);
        bag().put(MANIFEST, format!("\\{text}")).folder()
    }),
    ("MAN-BLANK-LINE", || bag().append(MANIFEST, "\n").folder()),
    ("PATH-ABSOLUTE", || listed("/etc/passwd")),
    ("PATH-PARENT", || listed("data/../../x")),
    ("PATH-HOME", || listed("~root/x")),
    ("PATH-DRIVE", || listed("C:\\x")),
    ("PATH-BACKSLASH", || bag().change(MANIFEST, "data/a.txt", "data\\a.txt").folder()),
    ("PATH-DOT-SLASH", || bag().change(MANIFEST, "data/a.txt", "./data/a.txt").folder()),
    ("PATH-PERCENT-RAW", || bag().add("data/fcr%3Aacl.ttl", "data/fcr%3Aacl.ttl").folder()),
    ("PATH-NORMALISATION", || {
        let (nfd, nfc) = ("data/cera\u{301}mica.txt", "data/cer\u{e1}mica.txt");
        bag().add(nfd, nfd).add(nfc, nfc).folder()
    }),
    ("PATH-CASE-PAIR", || named("data/A.txt")),
    ("PATH-CASE-ALIAS", || {
        let bytes = bag().files[&b"data/a.txt"[..]].clone();
        bag().list("data/A.TXT", &bytes).folder()
    }),
    ("PATH-CONTROL", || named("data/bell\u{7}.txt")),
    ("PATH-WINDOWS", || named("data/CON.txt")),
    ("PATH-SYSTEM-FILE", || named("data/.DS_Store")),
    ("COMP-MISSING", || listed("data/gone.txt")),
    ("COMP-UNLISTED", || bag().put("data/late.txt", "late\n").count().folder()),
    ("COMP-NOT-IN-ALL", || {
        let two = bag_of(&["a.txt", "b.txt"], vec![Algorithm::Sha256, Algorithm::Sha512]);
        let text = two.text("manifest-sha512.txt");
        let first = text.lines().next().unwrap();
        two.put("manifest-sha512.txt", format!("{first}\n")).folder()
    }),
    ("COMP-RENAMED", || bag().rename("data/a.txt", "data/A.txt").folder()),
    ("FIX-MISMATCH", || bag().put("data/a.txt", "this is a_txt\n").folder()),
    ("FIX-EMPTY", || bag().put("data/a.txt", "").count().folder()),
    ("TAGM-NONE", || bag().remove(TAG_MANIFEST).folder()),
    ("TAGM-MISSING-FILE", || {
        bag().append(TAG_MANIFEST, &tag_line(&bag(), INFO).replace(INFO, "gone.txt")).unsealed().folder()
    }),
    ("TAGM-MISMATCH", || bag().append(INFO, "Contact-Name: Anna\n").unsealed().folder()),
    ("TAGM-OMITS-MANIFEST", || {
        bag().change(TAG_MANIFEST, &tag_line(&bag(), MANIFEST), "").unsealed().folder()
    }),
    ("TAGM-OMITS-TAGFILE", || bag().put("notes.txt", "x\n").unsealed().folder()),
    ("TAGM-LISTS-PAYLOAD", || {
        bag().append(TAG_MANIFEST, &tag_line(&bag(), "data/a.txt")).unsealed().folder()
    }),
    ("TAGM-LISTS-TAGM", || bag().append(TAG_MANIFEST, &tag_line(&bag(), TAG_MANIFEST)).unsealed().folder()),
    ("TAGM-SETS-DIFFER", || {
        let bag = bag();
        let md5 = |path: &str| {
            format!("{}  {path}\n", digests(&bag.files[path.as_bytes()]).get(Algorithm::Md5).unwrap())
        };
        let lacking_info = md5("bagit.txt") + &md5(MANIFEST);
        bag.clone().put("tagmanifest-md5.txt", lacking_info).folder()
    }),
    ("INFO-LINE", || info("a line without its sign\n")),
    ("INFO-ORPHAN-CONTINUATION", || {
        let text = format!(" continued\n{}", bag().text(INFO));
        bag().put(INFO, text).folder()
    }),
    ("INFO-LABEL-SPACE", || info("Contact-Name : Anna\n")),
    ("INFO-SEPARATOR", || info("Contact-Name:Anna\n")),
    ("INFO-BLANK-LINE", || info("\nContact-Name: Anna\n")),
    ("INFO-REPEATED", || info("Bagging-Date: 2024-05-17\n")),
    ("INFO-DATE", || bag().change(INFO, "2024-05-17", "17 May 2024").folder()),
    ("INFO-BAG-COUNT", || info("Bag-Count: first\n")),
    ("OXUM-MISMATCH", || bag().change(INFO, "Payload-Oxum: ", "Payload-Oxum: 1").folder()),
    ("OXUM-FORM", || bag().change(INFO, "Payload-Oxum: ", "Payload-Oxum: about ").folder()),
    ("OXUM-REPEATED", || info("Payload-Oxum: 1.1\n")),
    ("OXUM-NONE", || bag().put(INFO, "Contact-Name: Anna\n").folder()),
    ("FETCH-PRESENT", || fetch("https://example.org/a 14 data/a.txt\n")),
    ("FETCH-LINE", || fetch("https://example.org/a\n")),
    ("FETCH-URL", || fetch("example.org/a 14 data/a.txt\n")),
    ("FETCH-SCHEME", || fetch("ftp://example.org/a 14 data/a.txt\n")),
    ("FETCH-LENGTH", || fetch("https://example.org/a much data/a.txt\n")),
    ("FETCH-OUTSIDE", || fetch("https://example.org/a 14 bag-info.txt\n")),
    ("FETCH-NOT-IN-MANIFEST", || fetch("https://example.org/a 14 data/other.txt\n")),
    ("FETCH-HOLE", || {
        bag().remove("data/a.txt").put("fetch.txt", "https://example.org/a 14 data/a.txt\n").folder()
    }),
    ("FETCH-SIZE", || fetch("https://example.org/a 99 data/a.txt\n")),
];
