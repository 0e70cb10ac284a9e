//! FETCH: fetch.txt. Nothing is ever fetched.

use super::About::{Bag, File};
use super::Weight::{Depends, Error, Warning};
use super::{Code, row};

const FETCH_TXT: &str = "RFC 8493, 2.2.3";
const FORM: &str =
    "Write each line as URL, length in bytes (or -) and path, or send the whole bag without fetch.txt.";

#[rustfmt::skip]
pub(super) const FETCH: [Code; 9] = [
    row("FETCH-PRESENT", Depends("a warning; an error under a profile that forbids it"), Bag, FETCH_TXT, [
        "The bag has a fetch.txt. Nothing is fetched here: only what is in the bag is kept.",
        "The bag was made to be completed from the network.",
        "Fetch the files into the bag, and send the whole bag without fetch.txt.",
    ]),
    row("FETCH-LINE", Depends("an error; a warning for a blank line, or for a file that is named twice"), File, FETCH_TXT, [
        "A line of fetch.txt does not have its three fields, or names a file a second time.",
        "The file was written by hand, or a URL with spaces was not encoded.",
        FORM,
    ]),
    row("FETCH-URL", Error, File, FETCH_TXT, [
        "A line of fetch.txt has no absolute URL in its first field.",
        "A path or a host name was written in its place.",
        FORM,
    ]),
    row("FETCH-SCHEME", Error, File, "RFC 8493, 5.2", [
        "A line of fetch.txt names a URL of another scheme than https or http.",
        "The file lies on an FTP server, or a file: URL points into somebody's disk.",
        "Put the file into the bag.",
    ]),
    row("FETCH-LENGTH", Error, File, FETCH_TXT, [
        "The length in a line of fetch.txt is neither a number of bytes nor -.",
        "It was written with separators or units, or the field was left out.",
        FORM,
    ]),
    row("FETCH-OUTSIDE", Error, File, FETCH_TXT, [
        "A line of fetch.txt names a file that does not lie below data/; tag files must not be fetched.",
        "The whole bag was listed instead of its payload.",
        "Name only files below data/, and put tag files into the bag.",
    ]),
    row("FETCH-NOT-IN-MANIFEST", Error, File, FETCH_TXT, [
        "A file that fetch.txt names is not in every payload manifest, so nobody could tell whether the right bytes came.",
        "Lines were added to fetch.txt after the manifests were made.",
        "List the file in every payload manifest.",
    ]),
    row("FETCH-HOLE", Error, Bag, "RFC 8493, 3", [
        "Files that fetch.txt names are not in the bag, so the bag is incomplete.",
        "The bag was sent before its files were fetched.",
        "Fetch the files into the bag, and send the whole bag.",
    ]),
    row("FETCH-SIZE", Warning, File, "RFC 8493, 5.3", [
        "fetch.txt gives a file that is in the bag another length than it has.",
        "The file changed on the server, or the length was estimated.",
        "Nothing to do if its checksum is right.",
    ]),
];
