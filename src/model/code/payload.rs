//! COMP, FIX and ENV: whether the payload is complete and unchanged, and what hindered us from knowing.

use super::About::{Bag, File};
use super::Weight::{Depends, Error};
use super::{Code, row};

const VALID: &str = "RFC 8493, 3";
const NO_RULE: &str = "No rule of BagIt";

#[rustfmt::skip]
pub(super) const COMP: [Code; 4] = [
    row("COMP-MISSING", Error, File, VALID, [
        "A file that a payload manifest lists is not in the bag.",
        "It was left out of the tar or the transfer, renamed or deleted after bagging; a name with special characters may have been changed on the way.",
        "Add the file, or make the bag again if it should not be there.",
    ]),
    row("COMP-UNLISTED", Error, File, VALID, [
        "A payload file is in the bag but in no payload manifest.",
        "It was added after bagging: a file of the desktop, a log, a late arrival.",
        "Take the file out, or make the bag again with it.",
    ]),
    row("COMP-NOT-IN-ALL", Depends("an error in 1.0, a warning in 0.97; older drafts do not ask for it"), File, VALID, [
        "A payload file is in one payload manifest and not in another; BagIt 1.0 wants each file in all of them.",
        "One manifest was made anew after a file was added, the other was not.",
        "Make the manifest that lacks it again.",
    ]),
    row("COMP-RENAMED", Depends("an error; a warning where only the spelling of accents differs (NFC, NFD), for then the file was found"), File, VALID, [
        "A listed file is not there, and an unlisted one has its checksum: the file was renamed.",
        "The name was changed after bagging, or on the way: upper and lower case, accents, percent encoding, backslashes.",
        "Nothing to do where it is a warning. Else give the file the listed name, or make the bag again.",
    ]),
];

#[rustfmt::skip]
pub(super) const FIX: [Code; 3] = [
    row("FIX-MISMATCH", Error, File, VALID, [
        "A payload file does not have the checksum that a manifest lists.",
        "The file changed after bagging, or was damaged or had its line ends changed in transfer.",
        "Compare it with your original; send the bag again, or make it again if the change was meant.",
    ]),
    row("FIX-EMPTY", Error, File, VALID, [
        "A payload file has no bytes, and the manifest lists the checksum of one that has.",
        "The transfer created the file and was cut off before its content came, or a cloud drive had left a placeholder.",
        "Send the bag again from your original.",
    ]),
    row("FIX-UNREADABLE", Error, File, NO_RULE, [
        "A payload file could not be read on our side, so nothing is known of it.",
        "A disk or mount of ours fails, or we may not open the file.",
        "Nothing for the depositor to do. The operator looks at the disk (strongroom doctor) and at the file's permissions, and tries again.",
    ]).ours(),
];

#[rustfmt::skip]
pub(super) const ENV: [Code; 4] = [
    row("ENV-DISK-SPACE", Error, Bag, NO_RULE, [
        "Our side lacks the space to judge the bag.",
        "The staging or scratch disk is full.",
        "Nothing for the depositor to do. The operator gives the scratch place more room (strongroom disk); a deposit in the queue then starts by itself.",
    ]).ours(),
    row("ENV-IO", Error, Bag, NO_RULE, [
        "Reading the bag, or writing our notes on it, failed on our side.",
        "A disk, mount or network of ours fails, or we may not open the bag.",
        "Nothing for the depositor to do. The operator looks at the kernel log and at strongroom doctor, and tries again.",
    ]).ours(),
    row("ENV-INTERRUPTED", Error, Bag, NO_RULE, [
        "Judging was interrupted before it came to a verdict.",
        "The program was stopped, or the bag changed while it was being read.",
        "Nothing for the depositor to do. Run it again; a deposit in the queue goes on by itself.",
    ]).ours(),
    row("ENV-LIMIT", Error, Bag, NO_RULE, [
        "A limit of this machine was reached while the bag was being judged: open files, memory, processes.",
        "Other work on the machine, or limits set too low for it.",
        "Nothing for the depositor to do. The operator raises the limit that the message names, and tries again.",
    ]).ours(),
];
