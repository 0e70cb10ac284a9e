//! INFO and OXUM: bag-info.txt, and the size of the payload that it gives.

use super::About::{Bag, File};
use super::Weight::{Depends, Error, Note, Warning};
use super::{Code, row};

const INFO_TXT: &str = "RFC 8493, 2.2.2";
const FORM: &str = "Write each element as \"Label: value\", one space behind the colon, and start continued lines with a space.";
const FROM_1_0: &str = "an error in 1.0, a warning before";

#[rustfmt::skip]
pub(super) const INFO: [Code; 8] = [
    row("INFO-LINE", Error, File, INFO_TXT, [
        "A line of bag-info.txt has no colon or no label, so it is no element; or it is too long to be one.",
        "A long value was broken over lines without a space at the start of the next one.",
        FORM,
    ]),
    row("INFO-ORPHAN-CONTINUATION", Depends("an error in 1.0; a warning before, unless the file holds nothing else"), File, INFO_TXT, [
        "A line starts with white space, so it continues an element, but none comes before it.",
        "The file was indented, or its first line was lost.",
        "Take the white space at the start of the line out.",
    ]),
    row("INFO-LABEL-SPACE", Depends(FROM_1_0), File, INFO_TXT, [
        "There is white space before the colon of an element.",
        "The file was written by hand, or aligned in columns.",
        FORM,
    ]),
    row("INFO-SEPARATOR", Warning, File, INFO_TXT, [
        "There is not exactly one space behind the colon of an element.",
        "The file was written by hand, or aligned in columns.",
        FORM,
    ]).strict(),
    row("INFO-BLANK-LINE", Warning, File, INFO_TXT, [
        "There is a blank line in bag-info.txt; it is passed over.",
        "The file was edited by hand.",
        "Take blank lines out.",
    ]),
    row("INFO-REPEATED", Warning, File, INFO_TXT, [
        "An element is given more than once that should be given once: Bagging-Date, Bag-Size, Bag-Group-Identifier or Bag-Count.",
        "Metadata was merged, or a tool was run twice and appended.",
        "Keep the right one of them.",
    ]),
    row("INFO-DATE", Warning, File, INFO_TXT, [
        "A date is not of the form YYYY-MM-DD, or is no day of the calendar.",
        "The date was written by hand, with a time, or in the order of another country.",
        "Write it as 2024-05-17.",
    ]),
    row("INFO-BAG-COUNT", Warning, File, INFO_TXT, [
        "Bag-Count is not of the form \"N of T\".",
        "It was written by hand, as a plain number or as N/T.",
        "Write it as \"2 of 5\", or \"2 of ?\" when the total is not known.",
    ]),
];

#[rustfmt::skip]
pub(super) const OXUM: [Code; 4] = [
    row("OXUM-MISMATCH", Error, Bag, INFO_TXT, [
        "Payload-Oxum gives other numbers of bytes and files than the payload has.",
        "Files are missing or cut short, or were added after bagging; some tools count folders as 4,096 bytes each.",
        "If every checksum is right, correct Payload-Oxum to the numbers in the message and make the tag manifests again; else mend what the other findings say.",
    ]),
    row("OXUM-FORM", Depends(FROM_1_0), Bag, INFO_TXT, [
        "Payload-Oxum is not of the form BYTES.FILES.",
        "It was written by hand, with separators or units.",
        "Write it as 279164409832.1198: bytes, a dot, number of files.",
    ]),
    row("OXUM-REPEATED", Depends(FROM_1_0), Bag, INFO_TXT, [
        "Payload-Oxum is given more than once; the first one is compared.",
        "A tool was run twice and appended.",
        "Keep the right one of them.",
    ]),
    row("OXUM-NONE", Note, Bag, INFO_TXT, [
        "The bag does not say how many bytes and files its payload has.",
        "Payload-Oxum is optional; some tools do not write it.",
        "Nothing to do; with it a short transfer is noticed sooner.",
    ]),
];
