//! MAN and TAGM: payload manifests and tag manifests.

use super::About::{Bag, File};
use super::Weight::{Depends, Error, Warning};
use super::{Code, row};

const MANIFEST: &str = "RFC 8493, 2.1.3";
const ALGORITHMS: &str = "RFC 8493, 2.4";
const LEGACY: &str = "RFC 8493, 6.1.3";
const TAG_MANIFEST: &str = "RFC 8493, 2.2.1";
const REBUILD: &str = "Make the manifest again with a bagging tool, from the files as they are.";
const FROM_1_0: &str = "an error in 1.0, a warning before";

#[rustfmt::skip]
pub(super) const MAN: [Code; 13] = [
    row("MAN-NONE", Error, Bag, MANIFEST, [
        "The bag has no payload manifest (manifest-ALGORITHM.txt), so nothing says what its payload must be.",
        "A plain folder was sent, or the manifests were left out or renamed.",
        "Make the bag again with a bagging tool (strongroom bag make DIR, bagit.py DIR).",
    ]),
    row("MAN-LINE", Error, File, MANIFEST, [
        "A line of a manifest is no checksum followed by a path.",
        "A comment or heading was written into it, a line was broken in two, or the file is no manifest.",
        REBUILD,
    ]),
    row("MAN-CHECKSUM-LENGTH", Error, File, ALGORITHMS, [
        "A checksum has more or fewer digits than its algorithm gives.",
        "The line was cut, or the manifest's name says another algorithm than the one that was used.",
        REBUILD,
    ]),
    row("MAN-CHECKSUM-NOT-HEX", Error, File, ALGORITHMS, [
        "Where a checksum must stand there are other characters than hexadecimal digits.",
        "The checksums were written in Base64, with a 0x in front, or the line is damaged.",
        REBUILD,
    ]),
    row("MAN-ALG-UNSUPPORTED", Error, Bag, ALGORITHMS, [
        "A manifest uses an algorithm that this program cannot compute. That is our limit; but checksums that cannot be compared prove nothing.",
        "The bagging tool was set to a rare algorithm, or the file name is mistyped.",
        "Add a manifest by sha256 or sha512, and take the other one out or leave it beside as an ordinary tag file under another name.",
    ]),
    row("MAN-ALG-NAME", Warning, File, ALGORITHMS, [
        "A manifest's file name spells its algorithm with capitals, - or _; BagIt wants lower-case letters and digits only.",
        "The name was written by hand or by a script: manifest-SHA-256.txt.",
        "Rename it: manifest-sha256.txt; then make the tag manifests again.",
    ]).strict(),
    row("MAN-DUPLICATE", Depends(FROM_1_0), File, MANIFEST, [
        "A manifest lists one file twice, with the same checksum.",
        "Manifests were merged, or a tool was run twice and appended.",
        "List each file once: sort -u does that for identical lines.",
    ]),
    row("MAN-CONFLICT", Error, File, MANIFEST, [
        "A manifest lists one file twice, with different checksums; both cannot be right.",
        "The file changed between two runs of a tool that appended to the manifest.",
        REBUILD,
    ]),
    row("MAN-OUTSIDE-PAYLOAD", Depends("an error from 0.97 on, a warning before"), File, MANIFEST, [
        "A payload manifest lists a file that does not lie below data/.",
        "Tag files were listed beside the payload, or paths were written from another folder.",
        "List tag files in a tag manifest, and payload files by their path from the bag's folder: data/...",
    ]),
    row("MAN-LISTS-DIRECTORY", Error, File, MANIFEST, [
        "A manifest lists a folder; manifests list files.",
        "The manifest was made by a script that walks over folders, too.",
        "Take the line out.",
    ]),
    row("MAN-ASTERISK", Warning, File, LEGACY, [
        "A * stands before the path; it is passed over.",
        "md5sum and its kin write it for files read in binary mode.",
        "Nothing to do where it is a warning; take the * out of new manifests.",
    ]).strict(),
    row("MAN-MD5SUM-ESCAPE", Warning, File, LEGACY, [
        "A line starts with a backslash and escapes its path as md5sum does; it is read so.",
        "md5sum and its kin write it for names that hold a backslash or a line end.",
        "Write such names as BagIt does: a line end as %0A or %0D, a percent sign as %25, a backslash as it is.",
    ]).strict(),
    row("MAN-BLANK-LINE", Warning, File, MANIFEST, [
        "A manifest has a blank line; it is passed over.",
        "The file was edited by hand.",
        "Take blank lines out.",
    ]).strict(),
];

#[rustfmt::skip]
pub(super) const TAGM: [Code; 8] = [
    row("TAGM-NONE", Warning, Bag, TAG_MANIFEST, [
        "The bag has no tag manifest, so changes in its tag files would go unseen.",
        "Tag manifests are optional; some tools make none.",
        "Nothing to do; make new bags with a tag manifest.",
    ]),
    row("TAGM-MISSING-FILE", Error, File, "RFC 8493, 3", [
        "A tag manifest lists a file that is not in the bag.",
        "A tag file was taken out or renamed after the bag was made, or left out of the tar.",
        "Put the file back, or make the tag manifests again without it.",
    ]),
    row("TAGM-MISMATCH", Error, File, "RFC 8493, 3", [
        "A tag file does not have the checksum that a tag manifest lists.",
        "bag-info.txt or a manifest was edited after the bag was made, or the transfer changed line ends.",
        "If the tag files are as you want them, make the tag manifests again; else send the bag again from your original.",
    ]),
    row("TAGM-OMITS-MANIFEST", Depends(FROM_1_0), File, TAG_MANIFEST, [
        "A tag manifest does not list a payload manifest, which it must.",
        "A payload manifest was added after the tag manifest was made.",
        "Make the tag manifests again, each with every tag file but tag manifests.",
    ]),
    row("TAGM-OMITS-TAGFILE", Warning, File, TAG_MANIFEST, [
        "A tag file is listed in no tag manifest, so changes in it would go unseen.",
        "The file was added after the bag was made.",
        "Make the tag manifests again; nothing to do if the file does not matter.",
    ]),
    row("TAGM-LISTS-PAYLOAD", Error, File, TAG_MANIFEST, [
        "A tag manifest lists a payload file.",
        "The tag manifest was made of the whole bag with a checksum tool.",
        "List payload files in payload manifests and tag files in tag manifests.",
    ]),
    row("TAGM-LISTS-TAGM", Depends(FROM_1_0), File, TAG_MANIFEST, [
        "A tag manifest lists a tag manifest; it cannot hold its own checksum, and must not hold another's.",
        "The tag manifest was made of the whole bag with a checksum tool.",
        "Take the line out.",
    ]),
    row("TAGM-SETS-DIFFER", Depends("a warning when they list different files, a note when only the algorithms differ"), File, TAG_MANIFEST, [
        "Tag manifests do not list the same files, or are not of the same algorithms as the payload manifests.",
        "One of them was made anew after a tag file was added, and the other was not.",
        "Make the tag manifests again, one for each algorithm of the payload manifests.",
    ]),
];
