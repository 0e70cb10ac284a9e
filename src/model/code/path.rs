//! PATH: names of files, as they are listed and as they are.

use super::About::File;
use super::Weight::{Depends, Error, Warning};
use super::{Code, row};

const OUTSIDE: &str = "RFC 8493, 5.1";
const RELATIVE: &str = "List files of the bag only, by their path from its folder: data/...";
const NAMES: &str = "RFC 8493, 6.1.2";

#[rustfmt::skip]
pub(super) const PATH: [Code; 13] = [
    row("PATH-ABSOLUTE", Depends("an error; a warning for a leading / in fetch.txt before 1.0"), File, OUTSIDE, [
        "A manifest or fetch.txt gives an absolute path; it is never looked up.",
        "The manifest was made from outside the bag's folder, with full paths.",
        RELATIVE,
    ]),
    row("PATH-PARENT", Error, File, OUTSIDE, [
        "A listed path holds a .. component, which leads out of the folder it stands in; it is never looked up.",
        "The manifest was made from another folder, or to reach files outside the bag.",
        RELATIVE,
    ]),
    row("PATH-HOME", Error, File, OUTSIDE, [
        "A listed path starts with ~ or with a variable of Windows, which names a home folder on some systems; it is never looked up.",
        "The manifest was made from another folder, or to reach files outside the bag.",
        RELATIVE,
    ]),
    row("PATH-DRIVE", Error, File, OUTSIDE, [
        "A listed path starts with a drive letter or a backslash, which names a place outside the bag on Windows; it is never looked up.",
        "The manifest was made on Windows with full paths.",
        RELATIVE,
    ]),
    row("PATH-BACKSLASH", Error, File, "RFC 8493, 2.1.3", [
        "A listed path separates its folders with backslashes; BagIt separates them with /.",
        "The manifest was made by a script on Windows.",
        "Make the manifest again with / in place of the backslash.",
    ]),
    row("PATH-DOT-SLASH", Warning, File, "RFC 8493, 2.1.3", [
        "A listed path has ./ or a doubled / in it; it is read without.",
        "The manifest was made with find . and a checksum tool.",
        "Nothing to do where it is a warning; new manifests should start each path with data/.",
    ]).strict(),
    row("PATH-PERCENT-RAW", Depends("a warning; an error where % and %25 stand in one name, for nobody can tell which file it means"), File, "RFC 8493, 2.1.3", [
        "A listed path has a % that BagIt 1.0 wants written as %25; the file was found under the written name.",
        "Many tools, Fedora's among them, did not encode the percent sign when BagIt 1.0 was new.",
        "Nothing to do where it is a warning; update the bagging tool. Else write every % of the name as %25.",
    ]).strict(),
    row("PATH-NORMALISATION", Warning, File, "RFC 8493, 6.1.1.3", [
        "Two names are the same text with accents spelled differently (NFC, NFD): listed one way and stored the other, or both in the bag.",
        "The bag went over macOS or a file system that changes the spelling of names.",
        "Nothing to do; they were matched, and every file is kept under the name it has.",
    ]),
    row("PATH-CASE-PAIR", Warning, File, "RFC 8493, 6.1.1.1", [
        "Two files of the bag have names that differ only in upper and lower case.",
        "The bag was made on a system that tells them apart; Windows and macOS can hold only one of them.",
        "Nothing to do; both are kept.",
    ]),
    row("PATH-CASE-ALIAS", Warning, File, "RFC 8493, 6.1.1.1", [
        "A manifest lists a name that differs from another one only in case, with the same checksum, and only the other is in the bag.",
        "The manifest was merged from two systems, or one of two alike files was lost on a system that ignores case.",
        "Take the line out if there is only one such file; else send the other one, too.",
    ]).strict(),
    row("PATH-CONTROL", Warning, File, NAMES, [
        "A name holds a control character, a character that turns the direction of text, or one that cannot be seen.",
        "A typing error, a name pasted from a document, or the Icon file of old Macs.",
        "Nothing to do here; rename the file if it shall be opened elsewhere.",
    ]),
    row("PATH-WINDOWS", Warning, File, NAMES, [
        "A name cannot exist on Windows: it holds one of < > : \" \\ | ? *, ends with a dot or space, or is a device's name.",
        "The files come from a system that allows such names.",
        "Nothing to do here; rename the file if it shall be used on Windows.",
    ]),
    row("PATH-SYSTEM-FILE", Warning, File, NAMES, [
        "A file is one that operating systems leave behind: .DS_Store, Thumbs.db, desktop.ini, ._NAME.",
        "The folder was looked at in Finder or Explorer before it was bagged.",
        "Nothing to do; it is kept like any other file. Delete such files before the bag is made.",
    ]),
];
