//! Profiles read and applied: every trap that others fell into.

use super::test_bag::{Bag, NAMED};
use super::*;
use crate::model::finding::Severity;
use crate::rules::bagit::policy::{FileNames, Policy, StorageOption, Switches, Versions};
use serde_json::{Value, json};
use std::sync::Arc;

/// A standard profile that asks for nothing, with these fields set or (null) taken out.
fn standard(fields: &Value) -> Value {
    let mut profile = json!({
        "BagIt-Profile-Info": {
            "BagIt-Profile-Identifier": "https://example.org/p.json", "BagIt-Profile-Version": "1.4.0",
            "Source-Organization": "Example", "External-Description": "x", "Version": "1.0"
        },
        "Bag-Info": {}, "Manifests-Required": [], "Accept-BagIt-Version": ["1.0", "0.97"],
    });
    for (field, value) in fields.as_object().unwrap() {
        match value.is_null() {
            true => profile.as_object_mut().unwrap().remove(field),
            false => profile.as_object_mut().unwrap().insert(field.clone(), value.clone()),
        };
    }
    profile
}

fn of_spec(version: Option<&str>, fields: &Value) -> Value {
    let mut profile = standard(fields);
    let info = profile["BagIt-Profile-Info"].as_object_mut().unwrap();
    info.remove("BagIt-Profile-Version");
    if let Some(version) = version {
        info.insert("BagIt-Profile-Version".into(), version.into());
    }
    profile
}

fn dart(fields: &Value) -> Value {
    let mut profile = json!({
        "name": "House", "acceptBagItVersion": ["0.97", "1.0"], "acceptSerialization": ["application/tar"],
        "allowFetchTxt": false, "manifestsRequired": [], "manifestsAllowed": ["md5", "sha256"],
        "tagManifestsRequired": [], "tagManifestsAllowed": ["md5", "sha256"], "tagFilesAllowed": ["*", ""],
        "serialization": "required", "tarDirMustMatchName": false, "tags": [],
        "bagItProfileInfo": {"bagItProfileIdentifier": "https://example.org/d.json", "bagItProfileVersion": "",
                             "sourceOrganization": "example.org", "version": "2"},
    });
    for (field, value) in fields.as_object().unwrap() {
        profile[field] = value.clone();
    }
    profile
}

#[test]
fn a_bag_that_asks_no_favours_passes_every_rule() {
    let bag = Bag::new(NAMED);
    let profile = standard(&json!({
        "Bag-Info": {"Payload-Oxum": {}, "X": {"values": ["a"]}}, "Manifests-Required": ["sha256"],
        "Manifests-Allowed": ["sha256", "md5"], "Tag-Manifests-Required": ["sha256"], "Serialization": "required",
        "Accept-Serialization": ["application/x-tar"], "Payload-Files-Required": ["data/a.txt"],
        "Payload-Files-Allowed": ["data/*"], "Tag-Files-Allowed": [], "Allow-Fetch.txt": false,
    }));
    assert_eq!(bag.told(&profile), [""; 0]);
}

#[test]
#[allow(clippy::too_many_lines)] // one row for each rule
fn every_field_of_the_specification_is_applied() {
    let plain = || Bag::new(NAMED);
    let tag = |rule: Value| standard(&json!({"Bag-Info": {"Title": rule}}));
    let titled = |text: &str| Bag::new(&format!("{NAMED}{text}"));
    let (required, none): (_, &[&str]) = (json!({"required": true}), &[]);
    #[rustfmt::skip]
    let table: Vec<(Bag, Value, &[&str])> = vec![
        // The bag names its profile; it may name several.
        (Bag::new("A: b\n"), standard(&json!({})), &["Error PROF-NOT-DECLARED"]),
        (plain().without("bag-info.txt"), standard(&json!({})), &["Error PROF-NOT-DECLARED"]),
        (Bag::new("BagIt-Profile-Identifier: https://example.org/q.json\n"), standard(&json!({})), &["Error PROF-NOT-DECLARED"]),
        (titled("BagIt-Profile-Identifier: https://example.org/q.json\n"), standard(&json!({})), none),
        // Tags: required, values (empty or missing: any), repeatable (yes, unless not), recommended.
        (plain(), tag(json!({})), none),
        (plain(), tag(required.clone()), &["Error PROF-TAG-MISSING"]),
        (titled("Title:\n"), tag(required.clone()), &["Warning PROF-TAG-EMPTY"]),
        (titled("Title: x\n"), tag(required.clone()), none),
        (titled("title: x\n"), tag(required), &["Warning PROF-LABEL-CASE"]),
        (titled("contact-name: x\n"), standard(&json!({"Bag-Info": {"Contact-Name": {"required": true}}})), none),
        (plain(), tag(json!({"values": ["a"]})), none),
        (titled("Title: a\n"), tag(json!({"values": ["a", "b"]})), none),
        (titled("Title: A\n"), tag(json!({"values": ["a", "b"]})), &["Error PROF-TAG-VALUE"]),
        (titled("Title: c\n"), tag(json!({"values": []})), none),
        (titled("Title:\n"), tag(json!({"values": ["a"]})), &["Error PROF-TAG-EMPTY"]),
        (titled("Title:\n"), tag(json!({"values": ["", "a"]})), none),
        (titled("Title:\n"), tag(json!({"values": ["", "a"], "required": true})), &["Warning PROF-TAG-EMPTY"]),
        (titled("Title:\n a\n"), tag(json!({"values": ["a"]})), none),
        (titled("Title: c\n"), tag(json!({"values": null})), none),
        (titled("Title: a\nTitle: b\n"), tag(json!({"values": ["a", "b"]})), none),
        (titled("Title: a\nTitle: c\n"), tag(json!({"values": ["a", "b"]})), &["Error PROF-TAG-VALUE"]),
        (titled("Title: a\nTitle: b\n"), tag(json!({"repeatable": false})), &["Error PROF-TAG-REPEATED"]),
        (titled("Title: a\n  b\n"), tag(json!({"values": ["a b"]})), none),
        (plain(), tag(json!({"recommended": true})), &["Warning PROF-TAG-RECOMMENDED"]),
        // Manifests.
        (plain(), standard(&json!({"Manifests-Required": ["md5"]})), &["Error PROF-MANIFEST-REQUIRED"]),
        (plain(), standard(&json!({"Manifests-Required": ["SHA-256"]})), none),
        (plain(), standard(&json!({"Manifests-Allowed": ["md5"]})), &["Error PROF-MANIFEST-NOT-ALLOWED"]),
        (plain(), standard(&json!({"Manifests-Allowed": []})), none),
        (plain(), standard(&json!({"Tag-Manifests-Required": ["md5"]})), &["Error PROF-MANIFEST-REQUIRED"]),
        (plain(), standard(&json!({"Tag-Manifests-Allowed": ["md5"]})), &["Error PROF-MANIFEST-NOT-ALLOWED"]),
        // fetch.txt; an empty one is the mildest there is.
        (plain().with("fetch.txt", ""), standard(&json!({"Allow-Fetch.txt": false})), &["Error PROF-FETCH", "Warning FETCH-PRESENT"]),
        (plain().with("fetch.txt", ""), standard(&json!({})), &["Warning FETCH-PRESENT"]),
        (plain(), standard(&json!({"Fetch.txt-Required": true})), &["Error PROF-FETCH"]),
        // The payload.
        (plain(), standard(&json!({"Data-Empty": true})), &["Error PROF-DATA-EMPTY"]),
        (plain().with("data/a.txt", ""), standard(&json!({"Data-Empty": true})), none),
        (plain().with("data/a.txt", "").with("data/b.txt", ""), standard(&json!({"Data-Empty": true})), &["Error PROF-DATA-EMPTY"]),
        (plain(), standard(&json!({"Payload-Files-Required": ["data/b.txt"]})), &["Error PROF-PAYLOAD-REQUIRED"]),
        (plain(), standard(&json!({"Payload-Files-Required": ["data/x/"]})), &["Error PROF-PAYLOAD-REQUIRED"]),
        (plain().with("data/x/y", "z"), standard(&json!({"Payload-Files-Required": ["data/x/"]})), none),
        (plain(), standard(&json!({"Payload-Files-Allowed": ["data/*.tif"]})), &["Error PROF-PAYLOAD-NOT-ALLOWED"]),
        (plain().with("data/x/y.txt", "z"), standard(&json!({"Payload-Files-Allowed": ["data/*.txt"]})), none),
        // How it is packed: without the type of the tar, with it under another name, packed otherwise, and not at all.
        (plain(), standard(&json!({"Serialization": "required", "Accept-Serialization": ["application/zip"]})), &["Error PROF-SERIALIZATION"]),
        (plain(), standard(&json!({"Accept-Serialization": ["application/x-gtar"]})), none),
        (Bag { packed: "application/gzip", ..plain() }, standard(&json!({"Accept-Serialization": ["application/x-tar"]})), &["Error PROF-SERIALIZATION"]),
        (Bag { packed: "application/gzip", ..plain() }, standard(&json!({"Accept-Serialization": ["application/x-gzip"]})), none),
        (plain(), standard(&json!({"Serialization": "forbidden"})), &["Error PROF-SERIALIZATION"]),
        (Bag { top: "", ..plain() }, standard(&json!({"Serialization": "forbidden"})), none),
        (Bag { top: "", ..plain() }, standard(&json!({"Serialization": "required", "Accept-Serialization": ["application/tar"]})), &["Error PROF-SERIALIZATION"]),
        (Bag { top: "", ..plain() }, standard(&json!({"Serialization": "optional", "Accept-Serialization": ["application/zip"]})), none),
        // Tag files: `*` spans folders, BagIt's own are exempt, `database/` is not the payload.
        (plain().with("notes.txt", "x"), standard(&json!({"Tag-Files-Allowed": []})), &["Error PROF-TAGFILE-NOT-ALLOWED"]),
        (plain().with("notes.txt", "x"), standard(&json!({})), none),
        (plain().with("m/a/b.xml", "x"), standard(&json!({"Tag-Files-Allowed": ["m/*"]})), none),
        (plain().with("database/x", "x"), standard(&json!({"Tag-Files-Allowed": ["m/*"]})), &["Error PROF-TAGFILE-NOT-ALLOWED"]),
        (plain(), standard(&json!({"Tag-Files-Required": ["m/a.xml"]})), &["Error PROF-TAGFILE-REQUIRED"]),
        (plain(), standard(&json!({"Tag-Files-Required": ["bag-info.txt", "manifest-sha256.txt"], "Tag-Files-Allowed": []})), none),
        // Rules for further tag files.
        (plain(), standard(&json!({"Other-Info": [{"My-Info": {"A": {"required": true}}}]})), &["Error PROF-TAGFILE-REQUIRED", "Error PROF-TAG-MISSING"]),
        (plain().with("my-info.txt", "A: b\n"), standard(&json!({"Other-Info": [{"My-Info": {"A": {"required": true}}}], "Tag-Files-Allowed": []})), none),
        (plain().with("my-info.txt", "no colon\n"), standard(&json!({"Other-Info": [{"My-Info": {"A": {}}}]})), &["Error INFO-LINE"]),
        // Nobody's business.
        (plain(), standard(&json!({"Other-Info": {"a": 1}, "X-Y": 7})), none),
        (plain(), standard(&json!({"Bag-Info": null, "Manifests-Required": null})), none),
    ];
    for (bag, profile, expected) in table {
        let read = Profile::read(profile.to_string().as_bytes());
        assert!(read.is_sound(), "{profile}: {:?}", read.faults);
        assert_eq!(bag.told(&profile), *expected, "{profile} on {:?}", bag.files);
    }
}

#[test]
fn what_is_fatal_is_told_first_and_the_rest_is_told_all_the_same() {
    let bag = Bag { version: "0.97", ..Bag::new("") }.kinds(&["manifest-md5"]);
    let profile = standard(&json!({
        "Serialization": "forbidden", "Accept-BagIt-Version": ["1.0"], "Manifests-Required": ["sha256"],
        "Bag-Info": {"Title": {"required": true}},
    }));
    let told = bag.told(&profile);
    assert_eq!(told[0], "Error PROF-SERIALIZATION");
    assert_eq!(told[1], "Error PROF-VERSION");
    for code in ["PROF-MANIFEST-REQUIRED", "PROF-NOT-DECLARED", "PROF-TAG-MISSING"] {
        assert!(told.iter().any(|one| one.ends_with(code)), "{code} in {told:?}");
    }
}

#[test]
fn a_field_counts_from_the_version_of_the_specification_that_brought_it() {
    #[rustfmt::skip]
    let table = [
        ("Manifests-Allowed", json!(["md5"]), "1.2.0", "1.3.0"),
        ("Tag-Manifests-Allowed", json!(["md5"]), "1.2.0", "1.3.0"),
        ("Data-Empty", json!(true), "1.3.0", "1.4.0"),
        ("Fetch.txt-Required", json!(true), "1.3.0", "1.4.0"),
        ("Payload-Files-Allowed", json!([]), "1.3.0", "1.4.0"),
        ("Payload-Files-Required", json!(["data/z"]), "1.3.0", "1.4.0"),
    ];
    for (field, value, before, since) in table {
        let bag = Bag::new(NAMED);
        let fields = json!({ field: value });
        for (version, told) in
            [(Some(before), 0), (None, 0), (Some(""), 0), (Some(since), 1), (Some("1.9.0"), 1)]
        {
            let profile = of_spec(version, &fields);
            assert_eq!(bag.told(&profile).len(), told, "{field} in {version:?}");
            let noted = Profile::read(profile.to_string().as_bytes()).notes.len();
            assert_eq!(noted, usize::from(version != Some(since)), "{field} in {version:?} is noted");
        }
    }
}

#[test]
fn a_profile_that_is_wrong_in_itself_is_told_field_by_field_and_never_applied() {
    let info = |field: &str| {
        let mut profile = standard(&json!({}));
        profile["BagIt-Profile-Info"].as_object_mut().unwrap().remove(field);
        profile
    };
    #[rustfmt::skip]
    let table = [
        (info("BagIt-Profile-Identifier"), "BagIt-Profile-Info"), (info("Version"), "BagIt-Profile-Info"),
        (info("Source-Organization"), "BagIt-Profile-Info"), (info("External-Description"), "BagIt-Profile-Info"),
        (standard(&json!({"BagIt-Profile-Info": null})), "BagIt-Profile-Info"),
        (of_spec(Some("2.0"), &json!({})), "BagIt-Profile-Info.BagIt-Profile-Version"),
        (standard(&json!({"Accept-BagIt-Version": [1.0]})), "Accept-BagIt-Version[0]"),
        (standard(&json!({"Accept-BagIt-Version": []})), "Accept-BagIt-Version"),
        (standard(&json!({"Accept-BagIt-Version": null})), "Accept-BagIt-Version"),
        (standard(&json!({"Serialization": "maybe"})), "Serialization"),
        (standard(&json!({"Serialization": "required"})), "Accept-Serialization"),
        (standard(&json!({"Serialization": "optional", "Accept-Serialization": []})), "Accept-Serialization"),
        (standard(&json!({"Manifests-Required": ["md5"], "Manifests-Allowed": ["sha256"]})), "md5"),
        (standard(&json!({"Tag-Manifests-Required": ["md5"], "Tag-Manifests-Allowed": ["sha256"]})), "md5"),
        (standard(&json!({"Tag-Files-Required": ["a.txt"], "Tag-Files-Allowed": ["b*"]})), "a.txt"),
        (standard(&json!({"Payload-Files-Required": ["data/a"], "Payload-Files-Allowed": ["data/b*"]})), "data/a"),
        (standard(&json!({"Allow-Fetch.txt": false, "Fetch.txt-Required": true})), "Fetch.txt-Required"),
        (standard(&json!({"Bag-Info": {"T": {"required": "yes"}}})), "Bag-Info.T.required"),
        (standard(&json!({"Bag-Info": {"T": {"values": "a"}}})), "Bag-Info.T.values"),
        (standard(&json!({"Bag-Info": {"T": {"values": [1]}}})), "Bag-Info.T.values[0]"),
        (standard(&json!({"Bag-Info": ["T"]})), "Bag-Info"),
        (standard(&json!({"Bag-Info": {"": {}}})), ""),
        (standard(&json!({"Strongroom": {"fileNames": "("}})), "Strongroom.fileNames"),
        (dart(&json!({"acceptBagItVersion": []})), "acceptBagItVersion"),
        (dart(&json!({"manifestsAllowed": [""]})), "manifestsAllowed"),
        (dart(&json!({"serialization": "x"})), "serialization"),
        (dart(&json!({"acceptSerialization": []})), "acceptSerialization"),
        (dart(&json!({"tags": null})), "tags"), (dart(&json!({"tags": [{"tagFile": "a"}]})), "tags[0]"),
        (json!({"FileSpecs": {"a": {}}}), "FileSpecs.a"),
        (json!({"FileSpecs": {"a": {"Presence": "often"}}}), "FileSpecs.a.Presence"),
        (json!({"TagSpecs": {"T": {"Presence": "required"}}}), "TagSpecs.T"),
        (json!({"FileSpecs": {}, "FileNamePattern": "("}), "FileNamePattern"),
        (json!({"ordered": true}), ""), (json!({}), ""), (json!([]), ""),
    ];
    let bag = Bag::new("");
    for (profile, field) in table {
        let read = Profile::read(profile.to_string().as_bytes());
        let fields: Vec<&str> = read.faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, [field], "{profile}");
        let told = bag.told(&profile);
        assert_eq!(told, ["Error PROF-FILE-INVALID"], "{profile}");
    }
    for bytes in [&b"\xff"[..], b"{", b"", &vec![b' '; BYTES_MAX + 1]] {
        assert_eq!(Profile::read(bytes).faults.len(), 1);
    }
}

#[test]
fn darts_rules_are_applied_as_dart_means_them() {
    let tag = |more: Value| {
        let mut tag =
            json!({"tagFile": "aptrust-info.txt", "tagName": "Title", "required": true, "emptyOk": false});
        more.as_object().unwrap().iter().for_each(|(field, value)| tag[field] = value.clone());
        dart(&json!({ "tags": [tag] }))
    };
    let bag = |text: &str| Bag::new("").with("aptrust-info.txt", text);
    let none: &[&str] = &[];
    #[rustfmt::skip]
    let table: Vec<(Bag, Value, &[&str])> = vec![
        (bag("Title: x\n"), tag(json!({})), none),
        (bag("TITLE: x\n"), tag(json!({})), none),
        (bag("Title: \n"), tag(json!({})), &["Error PROF-TAG-EMPTY"]),
        (bag("Title: \nTitle: x\n"), tag(json!({})), none),
        (bag("Title:\n"), tag(json!({"emptyOk": true})), none),
        (bag("Title:\n"), tag(json!({"emptyOk": null, "emptyOK": true})), none),
        (bag("Title:\n"), tag(json!({"required": false})), none),
        (bag("A: b\n"), tag(json!({"required": false})), none),
        (bag("A: b\n"), tag(json!({"defaultValue": "Standard", "userValue": "x"})), &["Error PROF-TAG-MISSING"]),
        (bag("Title: consortia\n"), tag(json!({"values": ["Consortia"]})), none),
        (bag("Title: x\n"), tag(json!({"values": ["Consortia"]})), &["Error PROF-TAG-VALUE"]),
        (bag("Title: x\n"), tag(json!({"values": []})), none),
        (Bag::new(""), tag(json!({})), &["Error PROF-TAGFILE-REQUIRED", "Error PROF-TAG-MISSING"]),
        (bag("Title: x\n").with("fetch.txt", ""), tag(json!({})), &["Error PROF-FETCH", "Warning FETCH-PRESENT"]),
        (Bag { top: "other", ..bag("Title: x\n") }, dart(&json!({})), &["Warning SER-NAME-DIFFERS"]),
        (Bag { top: "other", ..bag("Title: x\n") }, dart(&json!({"tarDirMustMatchName": true})), &["Error SER-NAME-DIFFERS"]),
        (Bag { version: "0.96", ..Bag::new("") }, dart(&json!({"tags": [{"tagFile": "bagit.txt", "tagName": "BagIt-Version", "required": true, "values": ["0.97", "1.0"]}]})), &["Error PROF-VERSION"]),
        (bag(""), dart(&json!({"tags": [{"tagFile": "bagit.txt", "tagName": "Tag-File-Character-Encoding", "required": true, "values": ["UTF-16"]}]})), &["Error PROF-TAG-VALUE"]),
        (bag("").kinds(&["manifest-sha256", "manifest-sha512", "tagmanifest-sha256"]), dart(&json!({})), &["Error PROF-MANIFEST-NOT-ALLOWED"]),
    ];
    for (bag, profile, expected) in table {
        assert_eq!(bag.told(&profile), *expected, "{profile} on {:?}", bag.files);
    }
}

#[test]
fn exchanges_configuration_is_applied_to_files_tags_and_names() {
    let config = |fields: &Value| {
        let mut config = json!({
            "AllowFetchTxt": false, "AllowMiscTopLevelFiles": true, "AllowMiscDirectories": true,
            "TopLevelDirMustMatchBagName": true, "FixityAlgorithms": ["md5"],
            "FileSpecs": {"manifest-sha256.txt": {"Presence": "required"}}, "TagSpecs": {},
        });
        fields.as_object().unwrap().iter().for_each(|(field, value)| config[field] = value.clone());
        config
    };
    let specs = |path: &str, presence: &str| {
        config(&json!({"FileSpecs": {path: {"Presence": presence, "ParseAsTagFile": true}}}))
    };
    let tags = |more: Value| {
        let mut tag = json!({"FilePath": "x/info.txt", "Presence": "required", "EmptyOK": false});
        more.as_object().unwrap().iter().for_each(|(field, value)| tag[field] = value.clone());
        config(&json!({"TagSpecs": {"Access": tag}}))
    };
    let bag = || Bag::new("");
    let info = |text: &str| bag().with("x/info.txt", text);
    let none: &[&str] = &[];
    #[rustfmt::skip]
    let table: Vec<(Bag, Value, &[&str])> = vec![
        (bag(), config(&json!({})), none),
        (bag(), specs("manifest-md5.txt", "required"), &["Error PROF-MANIFEST-REQUIRED"]),
        (bag(), specs("tagmanifest-md5.txt", "required"), &["Error PROF-MANIFEST-REQUIRED"]),
        (bag(), specs("manifest-md5.txt", "optional"), none),
        (bag(), specs("manifest-sha256.txt", "forbidden"), &["Error PROF-MANIFEST-NOT-ALLOWED"]),
        (bag(), specs("x/a.txt", "required"), &["Error PROF-TAGFILE-REQUIRED"]),
        (bag().with("x/a.txt", ""), specs("x/a.txt", "forbidden"), &["Error PROF-TAGFILE-NOT-ALLOWED"]),
        (bag().with("a.txt", ""), config(&json!({"AllowMiscTopLevelFiles": false})), &["Error PROF-TAGFILE-NOT-ALLOWED"]),
        (bag().with("x/a.txt", ""), config(&json!({"AllowMiscTopLevelFiles": false})), none),
        (bag().with("x/a.txt", ""), config(&json!({"AllowMiscDirectories": false})), &["Error PROF-TAGFILE-NOT-ALLOWED"]),
        (bag().with("a.txt", ""), config(&json!({"AllowMiscTopLevelFiles": false, "FileSpecs": {"a.txt": {"Presence": "optional"}}})), none),
        (info("access: institution\n"), tags(json!({"AllowedValues": ["Institution"]})), none),
        (info("Access: x\n"), tags(json!({"AllowedValues": ["Institution"]})), &["Error PROF-TAG-VALUE"]),
        (info("Access:\n"), tags(json!({})), &["Error PROF-TAG-EMPTY"]),
        (info("Access:\n"), tags(json!({"EmptyOK": true, "AllowedValues": ["a"]})), none),
        (info("Access: x\n"), tags(json!({"Presence": "forbidden"})), &["Error PROF-TAG-VALUE"]),
        (info("A: b\n"), tags(json!({"Presence": "optional"})), none),
        (bag(), tags(json!({})), &["Error PROF-TAGFILE-REQUIRED", "Error PROF-TAG-MISSING"]),
        (Bag { top: "other", ..bag() }, config(&json!({})), &["Error SER-NAME-DIFFERS"]),
        (bag().with("data/-a b", "x"), config(&json!({"FileNamePattern": "PERMISSIVE"})), none),
        (bag().with("data/-a b", "x"), config(&json!({"FileNamePattern": "aptrust"})), &["Error PROF-NAME-RULE"]),
        (bag().with("data/-a b", "x"), config(&json!({"FileNamePattern": "POSIX"})), &["Error PROF-NAME-RULE"]),
        (bag().with("data/é", "x"), config(&json!({"FileNamePattern": "^[a-z0-9.-]+$"})), &["Error PROF-NAME-RULE"]),
    ];
    for (bag, config, expected) in table {
        assert_eq!(bag.told(&config), *expected, "{config} on {:?}", bag.files);
    }
}

#[test]
fn a_switch_wins_over_the_profile_and_is_named() {
    let profile = Arc::new(Profile::read(shipped::text("aptrust-2.3").unwrap().as_bytes()));
    let policy =
        |switches: Switches| Policy { profile: Some(profile.clone()), switches, ..Policy::default() };
    let info = "Title: T\nAccess: Institution\n";
    let bag = || Bag::new("").with("aptrust-info.txt", info).kinds(&["manifest-md5", "tagmanifest-md5"]);
    let usual = policy(Switches::default());
    assert_eq!(bag().told_by(&usual), ["Error PROF-TAG-MISSING"]);
    let rules = |bag: Bag, policy: &Policy| -> Vec<(String, Severity, Option<String>)> {
        let ruled = |finding: Finding| (finding.code, finding.severity, finding.rule);
        bag.judged(policy).into_iter().map(ruled).filter(|(.., rule)| rule.is_some()).collect()
    };
    let mild = policy(Switches {
        storage_option: StorageOption::Standard,
        bagit_version: Versions::Any,
        file_names: FileNames::Any,
        ..Switches::default()
    });
    let told = |code: &str, severity, rule: &str| (code.to_string(), severity, Some(rule.to_string()));
    assert_eq!(rules(bag(), &usual), []);
    assert_eq!(
        rules(Bag { version: "0.96", ..bag() }.with("data/-a", "x"), &mild),
        [
            told("PROF-VERSION", Severity::Note, "bagit_version = any"),
            told("PROF-NAME-RULE", Severity::Note, "file_names = any"),
            told("PROF-TAG-MISSING", Severity::Note, "storage_option = standard"),
        ]
    );
    let hard = Policy {
        switches: Switches {
            bagit_version: Versions::Current,
            file_names: FileNames::By(NameRule::Posix),
            ..Switches::default()
        },
        ..Policy::default()
    };
    assert_eq!(
        rules(Bag { version: "0.96", ..bag() }.with("data/a b", "x"), &hard),
        [
            told("PROF-VERSION", Severity::Error, "bagit_version = current"),
            told("PROF-NAME-RULE", Severity::Error, "file_names = posix"),
        ]
    );
}

#[test]
fn a_bag_may_name_what_nobody_asked_for() {
    let findings = Bag::new(NAMED).judged(&Policy::default());
    let unknown: Vec<&Finding> = findings.iter().filter(|finding| finding.code == "PROF-UNKNOWN").collect();
    assert_eq!(unknown.len(), 1);
    assert_eq!((unknown[0].severity, unknown[0].line), (Severity::Note, Some(1)));
    let many = NAMED.repeat(1_000);
    let findings = Bag::new(&many).judged(&Policy::default());
    assert!(findings.iter().filter(|finding| finding.code == "PROF-UNKNOWN").count() < 10, "it is bounded");
}

#[test]
fn a_finding_names_file_tag_found_value_and_allowed_values() {
    let profile = Profile::read(shipped::text("aptrust-2.3").unwrap().as_bytes());
    let policy = Policy { profile: Some(Arc::new(profile)), ..Policy::default() };
    let info = "Title: T\nAccess: acksess\nStorage-Option: Standard\n";
    let bag = Bag::new("").with("aptrust-info.txt", info).kinds(&["manifest-md5", "tagmanifest-md5"]);
    let findings = bag.judged(&policy);
    let finding = findings.iter().find(|finding| finding.code == "PROF-TAG-VALUE").unwrap();
    assert_eq!(
        finding.message,
        "aptrust-info.txt: Access is \"acksess\"; APTrust 2.3 allows Consortia, Institution or Restricted."
    );
    assert_eq!(finding.path.shown(), "aptrust-info.txt");
    assert_eq!(finding.line, Some(2));
    assert_eq!(finding.found.as_deref(), Some("acksess"));
    assert_eq!(finding.expected.as_deref(), Some("Consortia, Institution or Restricted"));
}
