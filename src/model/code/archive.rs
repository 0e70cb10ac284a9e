//! SER: the archive that carries the bag.

use super::About::{Bag, File};
use super::Weight::{Depends, Error, Warning};
use super::{Code, row};

const TAR: &str = "POSIX.1-2017, pax: ustar interchange format";
const PAX: &str = "POSIX.1-2017, pax: pax header block";
const SERIAL: &str = "BagIt 0.97, 4.2: serialisation";
const FILES: &str = "RFC 8493, 2: a bag is files and folders";

#[rustfmt::skip]
pub(super) const SER: [Code; 23] = [
    row("SER-NOT-TAR", Error, Bag, TAR, [
        "The deposit is no tar: it does not start with a tar header.",
        "Another file was uploaded under the bag's name, the upload was damaged at its start, or the archive is of another kind.",
        "Send the bag as a plain tar, made beside its folder: tar -cf NAME.tar NAME.",
    ]),
    row("SER-COMPRESSED", Depends("an error where packed deposits are not accepted, or not so; else a note"), Bag, "Policy of this receiver", [
        "The deposit is compressed, or an archive of another kind (gzip, zstd, bzip2, xz, zip, 7z), and such deposits are not accepted here, or not within the limits set for them.",
        "The tar was made with -z or -j, or a tool compresses by default; the file name does not matter, its first bytes do.",
        "Unpack it and send a plain tar: gunzip NAME.tar.gz, or tar -cf NAME.tar NAME. The receiver can accept compressed deposits by its configuration.",
    ]),
    row("SER-EMPTY", Error, Bag, TAR, [
        "The archive holds no member, or the folder no file.",
        "The tar was made in the wrong folder or of an empty one, or the upload was cut off before its first byte.",
        "Look into it before you send it (tar -tf NAME.tar), and upload it again.",
    ]),
    row("SER-TRUNCATED", Error, Bag, TAR, [
        "The archive ends before the last of its bytes; the message names the member it ends in, and how much of it is there.",
        "An upload was interrupted, a disk ran full while the tar was written, or the tar was sent while it was still being made.",
        "Upload it again; the file on your side is probably whole. Compare both sizes first.",
    ]),
    row("SER-HEADER-DAMAGED", Error, Bag, TAR, [
        "A header inside the tar is damaged: its checksum or its size is wrong, so nothing behind it can be trusted.",
        "Bytes were changed in transfer (text mode of FTP, a failing disk or memory), or a tool wrote a tar that breaks the format.",
        "Compare the checksum of the whole file on both sides and upload it again; if they agree, make the tar again with a current tar program.",
    ]),
    row("SER-NO-END", Warning, Bag, TAR, [
        "The tar has no end mark (two blocks of zeros), but it ends behind a whole member.",
        "Some bagging tools, DART 2 among them, leave the mark out; or the tar was cut exactly there.",
        "Nothing to do if the bag is complete, which its manifests show. Make new tars with a current tar program.",
    ]),
    row("SER-TRAILING-DATA", Warning, Bag, TAR, [
        "Behind the end mark of the tar lie bytes that belong to no member.",
        "The tar was written over a longer file, or padded by a tape or transfer tool with something else than zeros.",
        "Nothing to do if the bag is as you made it; a new tar would not have them.",
    ]).strict(),
    row("SER-HIDDEN-MEMBERS", Error, Bag, TAR, [
        "Behind the end mark of the tar another archive begins; most tools never show its members.",
        "Two tars were joined with cat, or members were put there on purpose so that they are seen by some readers only.",
        "Make one tar of the whole bag; do not append archives to each other.",
    ]),
    row("SER-NO-BASE-DIR", Error, Bag, SERIAL, [
        "The bag's files lie at the top of the archive, not in one folder that carries the bag's name.",
        "The tar was made inside the bag (tar -cf ../NAME.tar *) instead of beside it.",
        "Make the tar from the folder that holds the bag: tar -cf NAME.tar NAME.",
    ]),
    row("SER-MANY-BASE-DIRS", Error, Bag, SERIAL, [
        "The archive has more than one folder at its top.",
        "Several bags were put into one tar, or other folders were taken along with the bag.",
        "Send one tar for each bag.",
    ]),
    row("SER-STRAY-TOP-LEVEL", Error, File, SERIAL, [
        "A file lies beside the bag's folder at the top of the archive.",
        "A read-me, a checksum list or a hidden file of the desktop was taken along when the tar was made.",
        "Put the file into the bag, or leave it out, and make the tar again.",
    ]),
    row("SER-NAME-DIFFERS", Depends("a warning; an error where the profile asks for the same name"), Bag, SERIAL, [
        "The archive's file name and the folder inside it have different names.",
        "The tar was renamed after it was made, or the bag's folder was renamed before.",
        "Nothing to do where it is a warning. Else give both the same name: NAME.tar with the folder NAME.",
    ]),
    row("SER-APPLEDOUBLE", Warning, File, "AppleDouble, no part of BagIt", [
        "A side file of macOS (._NAME) lies in the deposit, and no manifest lists it; it is passed over.",
        "The tar program of macOS stores attributes of files in such members.",
        "Nothing to do. To leave them out, set COPYFILE_DISABLE=1 when making the tar.",
    ]),
    row("SER-LINK", Error, File, FILES, [
        "A member is a symbolic or hard link; a bag holds only files and folders.",
        "The bag's folder had links in it, or one file under two names, which tar stores as a link.",
        "Put a copy in its place or leave it out. tar --dereference --hard-dereference -cf NAME.tar NAME stores what links point to.",
    ]),
    row("SER-SPECIAL-FILE", Error, File, FILES, [
        "A member is a device, a pipe, part of a volume set or of a type that is not known; a bag holds only files and folders.",
        "A whole system was archived, or the tar was made by backup software in a format of its own.",
        "Leave it out, and make the tar again.",
    ]),
    row("SER-SPARSE", Error, File, "GNU tar: storing sparse files", [
        "A file is stored as a sparse file, with holes left out.",
        "The tar was made with -S (--sparse); different readers make different bytes of it.",
        "Make the tar again without -S (--sparse).",
    ]),
    row("SER-PATH-ESCAPES", Error, File, "RFC 8493, 5.1", [
        "A member's name leads outside of the bag's folder, or could: it is absolute, holds a .. component, a NUL or a drive letter, or is empty.",
        "The tar was made with absolute names (-P), from a folder above, by a faulty tool, or to do harm.",
        "Make the tar again from the folder that holds the bag: tar -cf NAME.tar NAME.",
    ]),
    row("SER-PATH-TOO-LONG", Error, File, "Limits of this receiver; RFC 8493, 6.1.2", [
        "A name, or one component of it, is longer than file systems can store or than is accepted here.",
        "Deep folders with descriptive names, or a name made of a title.",
        "Shorten the name, and make the bag again. The message gives the length and the limit.",
    ]),
    row("SER-TOO-DEEP", Error, File, "Limits of this receiver", [
        "A file lies deeper in folders than is accepted here.",
        "A folder was copied into itself, or a tool went round a link.",
        "Flatten the folders, and make the bag again.",
    ]),
    row("SER-DUPLICATE-MEMBER", Depends("a warning when both have the same bytes, an error when they differ"), File, TAR, [
        "One file is in the archive more than once.",
        "The tar was appended to or updated (tar -r, tar -u) instead of being made anew.",
        "Make the tar anew, so that each file is in it once.",
    ]),
    row("SER-CLASH", Error, File, FILES, [
        "One name is in the archive both as a file and as a folder.",
        "The tar was appended to after the bag had changed, or two trees were merged into it.",
        "Make the tar anew from the bag's folder.",
    ]),
    row("SER-EXT-HEADER", Depends("an error; a warning for what can be passed over, like a volume label"), Bag, PAX, [
        "An extension header of the archive is malformed, contradicts itself, or speaks for all members that follow.",
        "The tar was made by a faulty tool, was damaged, or was made so that different readers see different members.",
        "Make the tar again with a current tar program, without --label.",
    ]),
    row("SER-LIMIT", Error, Bag, "Limits of this receiver", [
        "The deposit is larger in some way than is accepted here: members, manifests, or bytes of one header.",
        "The bag has very many small files, or was made to exhaust its reader.",
        "Split the deposit into several bags, or ask the receiver to raise the limit that the message names.",
    ]),
];
