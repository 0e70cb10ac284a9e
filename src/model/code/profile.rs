//! PROF: what the profile of a depositor asks for beyond BagIt.

use super::About::{Bag, File};
use super::Weight::{Depends, Error, Warning};
use super::{Code, row};

const INFO: &str = "BagIt Profiles 1.4, Bag-Info";
const FIELDS: &str = "BagIt Profiles 1.4";
const TAG_FILES: &str = "BagIt Profiles 1.4, Tag-Files-Required and Tag-Files-Allowed";
const PAYLOAD: &str = "BagIt Profiles 1.4, Payload-Files-Required and Payload-Files-Allowed";

#[rustfmt::skip]
pub(super) const PROF: [Code; 20] = [
    row("PROF-UNKNOWN", Depends("a note, for the bag is judged without it; an error where its depositor must use a registered one"), Bag, FIELDS, [
        "The bag names a profile by which it was not judged, because it is not registered here or another one was asked for. Profiles are never fetched because a bag names them.",
        "The identifier is mistyped or of another version, or the receiver has not been told of this profile.",
        "Compare BagIt-Profile-Identifier in bag-info.txt with the one agreed upon; the operator can register the profile.",
    ]),
    row("PROF-NOT-DECLARED", Error, Bag, FIELDS, [
        "The bag does not name the profile it is judged by.",
        "The bagging tool was not told of the profile.",
        "Write BagIt-Profile-Identifier with the profile's address into bag-info.txt, and make the tag manifests again.",
    ]),
    row("PROF-FILE-INVALID", Error, Bag, FIELDS, [
        "A profile that is registered here cannot be used: it is no JSON, or contradicts itself.",
        "The profile was edited, or written by a tool that breaks its format.",
        "Nothing for the depositor to do. The operator mends the profile's file, and tries again.",
    ]).ours(),
    row("PROF-VERSION", Error, Bag, "BagIt Profiles 1.4, Accept-BagIt-Version", [
        "The profile does not accept bags of this BagIt version.",
        "The bagging tool writes another version than the profile asks for.",
        "Make the bag again with a version that the message names.",
    ]),
    row("PROF-SERIALIZATION", Error, Bag, "BagIt Profiles 1.4, Serialization and Accept-Serialization", [
        "The profile wants the bag as an archive, as a folder, or as an archive of another format.",
        "The bag was packed, or left unpacked, against the agreement.",
        "Send it in the form that the message names; a tar is made with tar -cf NAME.tar NAME.",
    ]),
    row("PROF-MANIFEST-REQUIRED", Error, Bag, "BagIt Profiles 1.4, Manifests-Required and Tag-Manifests-Required", [
        "A manifest or tag manifest that the profile requires is not there.",
        "The bagging tool was set to other algorithms.",
        "Make the bag again with the algorithm that the message names.",
    ]),
    row("PROF-MANIFEST-NOT-ALLOWED", Error, Bag, "BagIt Profiles 1.4, Manifests-Allowed and Tag-Manifests-Allowed", [
        "There is a manifest or tag manifest by an algorithm that the profile does not allow.",
        "The bagging tool was set to other algorithms.",
        "Make the bag again with the algorithms that the message names.",
    ]),
    row("PROF-TAG-MISSING", Error, Bag, INFO, [
        "A tag that the profile requires is not there.",
        "The tag was not filled in, is misspelled, or stands in another tag file.",
        "Add the tag to the file that the message names, and make the tag manifests again.",
    ]),
    row("PROF-TAG-EMPTY", Depends("an error; a warning where the profile does not say whether a value is needed"), Bag, INFO, [
        "A tag that the profile requires is there, but without a value.",
        "The form was not filled in.",
        "Give the tag a value, and make the tag manifests again.",
    ]),
    row("PROF-TAG-VALUE", Error, Bag, INFO, [
        "A tag has a value that the profile does not allow.",
        "A typing error, or a word from another list.",
        "Write one of the values that the message names, and make the tag manifests again.",
    ]),
    row("PROF-TAG-REPEATED", Error, Bag, INFO, [
        "A tag is given more than once that the profile allows once.",
        "Metadata was merged, or a tool was run twice and appended.",
        "Keep the right one of them, and make the tag manifests again.",
    ]),
    row("PROF-TAG-RECOMMENDED", Warning, Bag, INFO, [
        "A tag that the profile recommends is not there.",
        "The tag was not filled in.",
        "Nothing to do; fill it in next time if you can.",
    ]),
    row("PROF-LABEL-CASE", Warning, Bag, INFO, [
        "A tag's label differs in upper and lower case from the one in the profile; it is taken for the same.",
        "The label was written by hand.",
        "Nothing to do; spell it as the profile does next time.",
    ]),
    row("PROF-TAGFILE-REQUIRED", Error, File, TAG_FILES, [
        "A tag file that the profile requires is not there.",
        "The bagging tool was not told of the profile, or the file was left out.",
        "Add the file that the message names, and make the tag manifests again.",
    ]),
    row("PROF-TAGFILE-NOT-ALLOWED", Error, File, TAG_FILES, [
        "There is a tag file that the profile does not allow.",
        "Something was put beside data/ that belongs into it, or that was left behind by a tool.",
        "Take the file out or move it below data/, and make the bag again.",
    ]),
    row("PROF-PAYLOAD-REQUIRED", Error, File, PAYLOAD, [
        "A payload file or folder that the profile requires is not there.",
        "The payload is laid out otherwise than agreed.",
        "Add what the message names, and make the bag again.",
    ]),
    row("PROF-PAYLOAD-NOT-ALLOWED", Error, File, PAYLOAD, [
        "There is a payload file that the profile does not allow.",
        "The payload is laid out otherwise than agreed, or holds files that nobody meant to send.",
        "Take the file out, and make the bag again.",
    ]),
    row("PROF-DATA-EMPTY", Error, Bag, "BagIt Profiles 1.4, Data-Empty", [
        "The profile wants a bag without payload (no file, or one of no bytes), and this one has some.",
        "The bag is of another kind than the profile is meant for.",
        "Make the bag without payload, or agree upon another profile.",
    ]),
    row("PROF-FETCH", Error, Bag, "BagIt Profiles 1.4, Allow-Fetch.txt and Fetch.txt-Required", [
        "The profile forbids fetch.txt and the bag has one, or requires one and the bag has none.",
        "The bag was made for another way of transfer.",
        "Do as the message says: send the whole bag without fetch.txt, or add one.",
    ]),
    row("PROF-NAME-RULE", Error, File, "Profile, rules for names", [
        "A name breaks a rule of the profile: the archive's name, the bag's folder, or a file's.",
        "Characters that the profile does not allow, or a name that was changed after bagging.",
        "Rename it as the message says, and make the bag again.",
    ]),
];
