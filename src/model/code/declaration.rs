//! DECL, STRUCT and TEXT: bagit.txt, the parts of a bag, and the encoding of tag files.

use super::About::{Bag, File};
use super::Weight::{Depends, Error, Note, Warning};
use super::{Code, row};

const BAGIT_TXT: &str = "RFC 8493, 2.1.1";
const REWRITE: &str = "Write two lines into bagit.txt, without a byte order mark: \"BagIt-Version: 1.0\" and \"Tag-File-Character-Encoding: UTF-8\"; then make the tag manifests again.";

#[rustfmt::skip]
pub(super) const DECL: [Code; 9] = [
    row("DECL-MISSING", Error, Bag, BAGIT_TXT, [
        "There is no bagit.txt, so this is no bag; it is judged by BagIt 0.97 as far as it goes.",
        "A plain folder was sent, the bag lies one folder too deep, or the file was left out of the tar.",
        "Make a bag of the folder with a bagging tool (strongroom bag make DIR, bagit.py DIR), and send that.",
    ]),
    row("DECL-BOM", Error, Bag, BAGIT_TXT, [
        "bagit.txt starts with a byte order mark, which BagIt forbids there.",
        "The file was saved by an editor of Windows, as \"UTF-8 with BOM\" or \"Unicode\".",
        REWRITE,
    ]),
    row("DECL-LINES", Depends("an error in 1.0, and in 0.97 when version or encoding cannot be read; else a warning"), Bag, BAGIT_TXT, [
        "bagit.txt is not exactly the two lines it must be: version, then encoding, under their exact labels.",
        "It was written by hand, or a tool added lines of its own.",
        REWRITE,
    ]),
    row("DECL-VERSION", Error, Bag, BAGIT_TXT, [
        "bagit.txt does not say which version of BagIt the bag follows, or not in the form M.N.",
        "It was written by hand or by a script.",
        REWRITE,
    ]),
    row("DECL-VERSION-UNSUPPORTED", Error, Bag, BAGIT_TXT, [
        "bagit.txt names a version of BagIt that does not exist: there are 0.93 to 0.97, and 1.0.",
        "A mistyped version, or the version of a tool or profile in its place.",
        "Make the bag again with a current tool; it writes 1.0.",
    ]),
    row("DECL-VERSION-OLD", Note, Bag, BAGIT_TXT, [
        "The bag follows a draft older than 0.97; it is judged by the rules of that draft.",
        "The bag, or the tool that made it, is from before 2011.",
        "Nothing to do; make new bags with BagIt 1.0.",
    ]),
    row("DECL-SPACING", Depends("a space before the colon is an error in 1.0 and a warning before; other white space is a warning"), Bag, BAGIT_TXT, [
        "A line of bagit.txt has white space where none may be, or not exactly one space after the colon.",
        "Some older tools write \"BagIt-Version : 0.97\".",
        REWRITE,
    ]),
    row("DECL-ENCODING-UNKNOWN", Error, Bag, BAGIT_TXT, [
        "bagit.txt names a character encoding that is not registered or cannot be read, so the tag files are read as UTF-8.",
        "A mistyped name, or the name that one operating system has for it.",
        "Write the tag files in UTF-8, and say so: \"Tag-File-Character-Encoding: UTF-8\".",
    ]),
    row("DECL-ENCODING-NOT-UTF8", Warning, Bag, BAGIT_TXT, [
        "The tag files are in another encoding than UTF-8, which is allowed and not recommended.",
        "The bag was made by an old tool, or on a system of another default.",
        "Nothing to do; make new bags with UTF-8.",
    ]),
];

#[rustfmt::skip]
pub(super) const STRUCT: [Code; 5] = [
    row("STRUCT-NO-PAYLOAD-DIR", Error, Bag, "RFC 8493, 2.1.2", [
        "The bag has no folder data.",
        "The payload lies beside the tag files, or data is a file, or the folder was left out of the tar because it is empty.",
        "Put the payload into a folder named data, and make the manifests again.",
    ]),
    row("STRUCT-NOT-A-FILE", Error, File, "RFC 8493, 2", [
        "Something that must be a plain file or folder of the bag is none: a link, device, socket or pipe, or a folder in a tag file's place.",
        "A working folder was sent as it is, with links or sockets of programs in it.",
        "Put a copy of the file there or leave it out, and make the bag again.",
    ]),
    row("STRUCT-EMPTY-DIR", Warning, File, "RFC 8493, 2.1.3", [
        "A folder is empty. A bag lists files only, so nothing says that this folder belongs to it, and it is not kept.",
        "The folder was empty in the original, or its files were left out.",
        "If it matters, put a file (.keep) into it and make the bag again; else nothing.",
    ]),
    row("STRUCT-TAG-DIR-096", Warning, File, "BagIt 0.96, 2.1", [
        "There is a folder beside data, which BagIt 0.96 did not allow; older and newer versions do.",
        "A tool put metadata into a folder of its own and declared 0.96.",
        "Nothing to do; make new bags with BagIt 1.0.",
    ]),
    row("STRUCT-EMPTY-PAYLOAD", Warning, Bag, "RFC 8493, 2.1.2", [
        "The bag has no payload file.",
        "The bag was made before its content was there, or of the wrong folder.",
        "Look whether the bag is what you wanted to send.",
    ]),
];

#[rustfmt::skip]
pub(super) const TEXT: [Code; 2] = [
    row("TEXT-UNDECODABLE", Error, File, BAGIT_TXT, [
        "A tag file holds bytes that are no text in the encoding that bagit.txt declares.",
        "File names were written in the encoding of the system (Latin-1, Shift-JIS) while UTF-8 is declared.",
        "Write the tag files in the encoding that bagit.txt declares, best UTF-8; a bagging tool does that.",
    ]),
    row("TEXT-BOM", Depends("an error in 1.0, a warning before"), File, "RFC 8493, 2.3", [
        "A tag file starts with a UTF-8 byte order mark.",
        "The file was saved by an editor of Windows as \"UTF-8 with BOM\".",
        "Save it as UTF-8 without a byte order mark, and make the tag manifests again.",
    ]).strict(),
];
