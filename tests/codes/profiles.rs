//! What profiles ask for beyond BagIt: PROF.

use crate::Case;
use crate::kit::{Bag, Deposit, INFO, bag};
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom::rules::bagit::policy::{FileNames, Policy};
use strongroom::rules::bagit::profile::Profile;

const IDENTIFIER: &str = "https://example.org/profile.json";

/// A profile that a sound bag which names it conforms to, and this on top of it.
fn profile(name: &str) -> Option<Value> {
    let special = match name {
        "PROF-UNKNOWN" => return None,
        "PROF-FILE-INVALID" => json!({ "Serialization": "now and then" }),
        "PROF-VERSION" => json!({ "Accept-BagIt-Version": ["0.97"] }),
        "PROF-SERIALIZATION" => json!({ "Serialization": "required" }),
        "PROF-MANIFEST-REQUIRED" => json!({ "Manifests-Required": ["sha512"] }),
        "PROF-MANIFEST-NOT-ALLOWED" => json!({ "Manifests-Allowed": ["sha512"] }),
        "PROF-TAG-MISSING" | "PROF-TAG-EMPTY" => {
            json!({ "Bag-Info": { "Contact-Name": { "required": true } } })
        }
        "PROF-TAG-VALUE" => json!({ "Bag-Info": { "Source-Organization": { "values": ["Another"] } } }),
        "PROF-TAG-REPEATED" => json!({ "Bag-Info": { "Title": { "repeatable": false } } }),
        "PROF-TAG-RECOMMENDED" => json!({ "Bag-Info": { "Title": { "recommended": true } } }),
        "PROF-LABEL-CASE" => json!({ "Bag-Info": { "Title": { "required": true } } }),
        "PROF-TAGFILE-REQUIRED" => json!({ "Tag-Files-Required": ["rights.txt"] }),
        "PROF-TAGFILE-NOT-ALLOWED" => json!({ "Tag-Files-Allowed": ["rights*"] }),
        "PROF-PAYLOAD-REQUIRED" => json!({ "Payload-Files-Required": ["data/index.csv"] }),
        "PROF-PAYLOAD-NOT-ALLOWED" => json!({ "Payload-Files-Allowed": ["data/sub/*"] }),
        "PROF-DATA-EMPTY" => json!({ "Data-Empty": true }),
        "PROF-FETCH" => json!({ "Allow-Fetch.txt": false }),
        _ => json!({}),
    };
    let mut profile = json!({
        "BagIt-Profile-Info": {
            "BagIt-Profile-Identifier": IDENTIFIER, "BagIt-Profile-Version": "1.4.0",
            "Source-Organization": "Example Archive", "External-Description": "for tests", "Version": "1",
        },
        "Manifests-Required": [], "Serialization": "optional",
        "Accept-Serialization": ["application/tar"], "Accept-BagIt-Version": ["1.0", "0.97"],
    });
    for (key, value) in special.as_object().unwrap() {
        profile[key] = value.clone();
    }
    Some(profile)
}

/// What the bag for this code is judged by: codes of other areas by BagIt alone.
pub fn policy_for(name: &str) -> Policy {
    let mut policy = Policy::default();
    if name.starts_with("PROF-") {
        let bytes = profile(name).map(|profile| profile.to_string().into_bytes());
        policy.profile = bytes.map(|bytes| Arc::new(Profile::read(&bytes)));
    }
    if name == "PROF-NAME-RULE" {
        policy.switches.file_names = FileNames::from_word("posix").unwrap();
    }
    policy
}

/// A sound bag that names the profile.
pub fn named() -> Bag {
    bag().append(INFO, &format!("BagIt-Profile-Identifier: {IDENTIFIER}\n"))
}

fn plain() -> Deposit {
    named().folder()
}

fn info(lines: &str) -> Deposit {
    named().append(INFO, lines).folder()
}

/// A code, and a deposit that has this fault.
pub const CASES: &[Case] = &[
    ("PROF-UNKNOWN", plain),
    ("PROF-NOT-DECLARED", || bag().folder()),
    ("PROF-VERSION", plain),
    ("PROF-SERIALIZATION", plain),
    ("PROF-MANIFEST-REQUIRED", plain),
    ("PROF-MANIFEST-NOT-ALLOWED", plain),
    ("PROF-TAG-MISSING", plain),
    ("PROF-TAG-EMPTY", || info("Contact-Name:\n")),
    ("PROF-TAG-VALUE", plain),
    ("PROF-TAG-REPEATED", || info("Title: one\nTitle: two\n")),
    ("PROF-TAG-RECOMMENDED", plain),
    ("PROF-LABEL-CASE", || info("TITLE: one\n")),
    ("PROF-TAGFILE-REQUIRED", plain),
    ("PROF-TAGFILE-NOT-ALLOWED", || named().put("notes.txt", "x\n").folder()),
    ("PROF-PAYLOAD-REQUIRED", plain),
    ("PROF-PAYLOAD-NOT-ALLOWED", plain),
    ("PROF-DATA-EMPTY", plain),
    ("PROF-FETCH", || named().put("fetch.txt", "https://example.org/a 14 data/a.txt\n").folder()),
    ("PROF-NAME-RULE", || named().add("data/a b.txt", "data/a b.txt").folder()),
];
