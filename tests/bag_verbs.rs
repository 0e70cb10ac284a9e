//! `strongroom bag` from outside: exit codes, words of JSON, what a person sees, and that looking changes nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

struct Place(TempDir);

/// What the program said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// One document a line.
    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null());
        // None of these may matter.
        command.env("STRONGROOM_CONFIG", "/nowhere/strongroom.toml").env("STRONGROOM_DATA", "/nowhere/data");
        command.env_remove("SOURCE_DATE_EPOCH");
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    fn ok(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {}{}", said.out, said.err);
        said
    }

    fn bag(&self, name: &str, more: &[&str]) {
        let mut args = vec!["make-bag", name];
        args.extend_from_slice(more);
        self.ok(&args);
    }
}

fn codes(bag: &Value) -> Vec<&str> {
    bag["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

const BROKEN: &str = "wrong-digest:data/000/file-000001.bin";

#[test]
fn a_sound_bag_is_valid_and_a_broken_one_is_not_as_a_tar_and_as_a_folder() {
    let place = Place::new();
    for (name, broken) in [("good.tar", "bad.tar"), ("good", "bad")] {
        place.bag(name, &[]);
        place.bag(broken, &["--damage", BROKEN]);
        let said = place.ok(&["bag", "validate", name]);
        assert!(said.out.starts_with("valid\t"), "{}", said.out);
        assert_eq!(said.err, "");
        let said = place.run(&["bag", "validate", broken]);
        assert_eq!(said.code, 1);
        assert!(said.out.starts_with("INVALID\t"), "{}", said.out);
        assert!(said.out.contains("error FIX-MISMATCH\n"), "{}", said.out);
        assert!(said.out.contains("data/000/file-000001.bin"), "{}", said.out);
    }
}

#[test]
fn json_has_one_line_a_bag_and_every_key_of_every_finding() {
    let place = Place::new();
    place.bag("good.tar", &[]);
    place.bag("bad", &["--damage", BROKEN, "--damage", "missing:data/000/file-000002.bin"]);
    let said = place.run(&["bag", "validate", "good.tar", "bad", "none.tar", "--json"]);
    assert_eq!(said.code, 3, "the worst of several decides");
    let bags = said.lines();
    let words: Vec<_> =
        bags.iter().map(|bag| (bag["bag"].as_str().unwrap(), bag["verdict"].as_str().unwrap())).collect();
    assert_eq!(words, [("good.tar", "valid"), ("bad", "invalid"), ("none.tar", "unjudged")]);
    assert!(codes(&bags[1]).contains(&"FIX-MISMATCH") && codes(&bags[1]).contains(&"COMP-MISSING"));
    assert_eq!(codes(&bags[2]), ["ENV-IO"]);
    for finding in bags.iter().flat_map(|bag| bag["findings"].as_array().unwrap()) {
        for key in ["code", "severity", "path", "line", "expected", "found", "message", "advice", "clause"] {
            assert!(finding.get(key).is_some(), "{key} is absent: {finding}");
        }
        assert!(["error", "warning", "note"].contains(&finding["severity"].as_str().unwrap()));
    }
    let mismatch = bags[1]["findings"].as_array().unwrap();
    let mismatch = mismatch.iter().find(|finding| finding["code"] == "FIX-MISMATCH").unwrap();
    assert_eq!(mismatch["path"], "data/000/file-000001.bin");
    assert_eq!(mismatch["expected"].as_str().unwrap().len(), 64, "checksums are whole in JSON");
}

#[test]
fn several_bags_get_a_line_each_in_their_order_and_a_summary() {
    let place = Place::new();
    let mut names = Vec::new();
    for n in 0..70 {
        let name = format!("bag-{n}.tar");
        let damage: &[&str] = if n == 13 { &["--damage", BROKEN] } else { &[] };
        place.bag(&name, damage);
        names.push(name);
    }
    let mut args = vec!["bag", "validate"];
    args.extend(names.iter().map(String::as_str));
    let said = place.run(&args);
    assert_eq!(said.code, 1);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 71);
    for (line, name) in lines.iter().zip(&names) {
        let mut cells = line.split('\t');
        let verdict = if name == "bag-13.tar" { "INVALID" } else { "valid" };
        assert_eq!((cells.next(), cells.next()), (Some(verdict), Some(name.as_str())));
    }
    assert!(lines[70].starts_with("70 bags: 69 valid, 1 invalid; "), "{}", lines[70]);
}

#[test]
fn warnings_do_not_fail_a_bag_unless_strict() {
    let place = Place::new();
    place.bag("bag", &[]);
    let manifest = place.path("bag/manifest-sha256.txt");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("  data/", "  ./data/")).unwrap();
    fs::remove_file(place.path("bag/tagmanifest-sha256.txt")).unwrap();
    let said = place.ok(&["bag", "validate", "bag", "--json"]);
    assert_eq!(said.lines()[0]["verdict"], "warning");
    assert!(place.ok(&["bag", "validate", "bag"]).out.starts_with("warning\t"));
    let said = place.run(&["bag", "validate", "bag", "--json", "--strict"]);
    assert_eq!((said.code, &said.lines()[0]["verdict"]), (1, &Value::from("invalid")));
}

/// Runs it as somebody who may not read everything; root may.
fn as_nobody(place: &Place, args: &[&str]) -> Option<Said> {
    use std::os::unix::process::CommandExt;
    let mut command = place.command(args);
    if rustix::process::geteuid().is_root() {
        // The program as it was built may lie where only root looks.
        let program = place.path("strongroom");
        fs::copy(env!("CARGO_BIN_EXE_strongroom"), &program).unwrap();
        fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        command = Command::new(program);
        command.current_dir(place.0.path()).args(args).stdin(Stdio::null()).uid(65_534).gid(65_534);
    }
    command.output().ok().map(Said::of)
}

#[test]
fn what_cannot_be_read_is_not_judged_and_every_such_file_is_named() {
    let place = Place::new();
    place.bag("bag", &["--files", "4"]);
    for n in 1..3 {
        let path = place.path(&format!("bag/data/000/file-00000{n}.bin"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    match as_nobody(&place, &["bag", "validate", "bag", "--json"]) {
        None => println!("skipped: nobody but root may run the program here"),
        Some(said) => {
            assert_eq!(said.code, 3, "{}", said.err);
            assert_eq!(said.lines()[0]["verdict"], "unjudged");
            let found = said.lines()[0]["findings"].clone();
            let mut paths: Vec<_> =
                found.as_array().unwrap().iter().map(|one| one["path"].to_string()).collect();
            paths.sort();
            assert_eq!(paths, [r#""data/000/file-000001.bin""#, r#""data/000/file-000002.bin""#]);
            assert_eq!(codes(&said.lines()[0]), ["FIX-UNREADABLE", "FIX-UNREADABLE"]);
        }
    }
    for path in ["nothing-there", "/dev/null"] {
        let said = place.run(&["bag", "validate", path]);
        assert_eq!(said.code, 3, "{path}: {}", said.out);
        assert!(said.out.starts_with("UNJUDGED\t"), "{}", said.out);
        assert!(said.out.contains("error ENV-IO"), "{}", said.out);
    }
}

#[test]
fn a_scratch_folder_that_cannot_be_used_is_our_fault_and_named() {
    let place = Place::new();
    // Enough names that the sorters do not hold them in memory.
    place.bag("bag.tar", &["--files", "30000", "--size", "1"]);
    let said = Said::of(
        place.command(&["bag", "validate", "bag.tar"]).env("TMPDIR", "/nowhere/tmp").output().unwrap(),
    );
    assert_eq!(said.code, 3, "{}", said.out);
    assert!(said.out.contains("/nowhere/tmp") && said.out.contains("TMPDIR"), "{}", said.out);
    assert_eq!(place.run(&["bag", "validate", "bag.tar"]).code, 0);
}

/// Mode, size, mtime and ctime to the nanosecond, inode, bytes.
type Row = (u32, u64, i64, i64, i64, i64, u64, Vec<u8>);

/// Everything that a folder holds, by path.
fn everything(top: &Path) -> BTreeMap<PathBuf, Row> {
    let mut found = BTreeMap::new();
    let mut todo = vec![top.to_path_buf()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let stamps = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let row = (meta.mode(), meta.len(), stamps.0, stamps.1, stamps.2, stamps.3, meta.ino(), bytes);
        found.insert(path, row);
    }
    found
}

#[test]
fn validating_changes_nothing_on_disk() {
    let place = Place::new();
    let bags = place.path("bags");
    let tmp = place.path("tmp");
    fs::create_dir(&bags).unwrap();
    fs::create_dir(&tmp).unwrap();
    place.bag("bags/good.tar", &["--files", "20000", "--size", "1"]);
    place.bag("bags/good", &[]);
    place.bag("bags/bad", &["--damage", BROKEN, "--damage", "wrong-oxum"]);
    place.bag("bags/bad.tar", &["--damage", BROKEN]);
    // Faults that tempt others to mend them.
    fs::create_dir(bags.join("nothing")).unwrap();
    fs::create_dir_all(bags.join("no-declaration/data")).unwrap();
    fs::write(bags.join("no-declaration/data/a"), "a").unwrap();
    fs::write(bags.join("half.tar"), &fs::read(bags.join("bad.tar")).unwrap()[..3_000]).unwrap();
    for entry in walk_files(&bags) {
        fs::set_permissions(&entry, fs::Permissions::from_mode(0o444)).unwrap();
    }
    let names = ["good.tar", "good", "bad", "bad.tar", "nothing", "no-declaration", "half.tar"];
    let paths: Vec<String> = names.iter().map(|name| format!("bags/{name}")).collect();
    let before = everything(place.0.path());
    for more in [&["bag", "validate"][..], &["bag", "validate", "--json"], &["bag", "validate", "--strict"]] {
        let mut args = more.to_vec();
        args.extend(paths.iter().map(String::as_str));
        let said = Said::of(place.command(&args).env("TMPDIR", &tmp).output().unwrap());
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    }
    let mut after = everything(place.0.path());
    let mut before = before;
    // Unnamed files touch the folder that they are made in, and nothing else.
    before.remove(&tmp);
    after.remove(&tmp);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (path, was) in &before {
        assert!(after[path] == *was, "{} was changed", path.display());
    }
}

fn walk_files(top: &Path) -> Vec<PathBuf> {
    everything(top)
        .into_iter()
        .filter(|(_, row)| row.0 & 0o170_000 == 0o100_000)
        .map(|(path, _)| path)
        .collect()
}

#[test]
fn a_bag_is_judged_where_nobody_may_write() {
    let place = Place::new();
    place.bag("bag", &[]);
    for path in [place.path("bag/data/000"), place.path("bag/data"), place.path("bag")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let said = place.run(&["bag", "validate", "bag"]);
    for path in [place.path("bag"), place.path("bag/data"), place.path("bag/data/000")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(said.code, 0, "{}", said.out);
}

#[test]
fn threads_change_the_time_and_never_the_verdict() {
    let place = Place::new();
    place.bag("bag.tar", &["--files", "300", "--size", "7 KiB", "--damage", BROKEN]);
    let judge = |threads: &str| {
        let said = place.run(&["bag", "validate", "bag.tar", "--json", "--threads", threads]);
        assert_eq!(said.code, 1);
        said.lines()[0]["findings"].clone()
    };
    let one = judge("1");
    assert_eq!(one.as_array().unwrap().len(), 1, "{one}");
    for threads in ["2", "7"] {
        assert_eq!(judge(threads), one, "{threads} threads");
    }
}

/// A folder that tries what a bag must spell: names with line breaks and percent signs, non-ASCII, long, empty files.
fn payload(place: &Path, plain: bool) {
    fs::create_dir_all(place.join("sub/deep/er")).unwrap();
    fs::write(place.join("b.txt"), "bee").unwrap();
    fs::write(place.join("sub/deep/er/empty"), "").unwrap();
    fs::write(place.join("sub/ünïcode 日本.txt"), "words").unwrap();
    fs::write(place.join("sub").join("x".repeat(200)), vec![7; 70_000]).unwrap();
    if !plain {
        fs::write(place.join("100% of%0Ait.txt"), "percent").unwrap();
        fs::write(place.join("sub/Icon\r"), "return").unwrap();
        fs::write(place.join("line\nbreak"), "feed").unwrap();
    }
    for path in walk_files(place) {
        let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        fs::File::options().append(true).open(path).unwrap().set_modified(moment).unwrap();
    }
}

#[test]
fn a_bag_that_was_made_is_valid_without_a_warning_and_its_folder_is_as_it_was() {
    let place = Place::new();
    payload(&place.path("files"), true);
    let before = everything(&place.path("files"));
    place.ok(&["bag", "make", "files"]);
    place.ok(&["bag", "make", "files", "--tar", "--info", "Source-Organization: Example Archive"]);
    place.ok(&[
        "bag",
        "make",
        "files",
        "--to",
        "third.tar",
        "--algorithm",
        "md5,sha1",
        "--algorithm",
        "SHA-512",
    ]);
    assert!(everything(&place.path("files")) == before, "the folder was changed");
    for name in ["files-bag", "files.tar", "third.tar"] {
        let said = place.ok(&["bag", "validate", name, "--json"]);
        let bag = &said.lines()[0];
        assert_eq!((&bag["verdict"], codes(bag)), (&Value::from("valid"), vec![]), "{name}");
        assert_eq!(bag["bagit_version"], "1.0");
    }
    assert_eq!(
        place.ok(&["bag", "validate", "third.tar", "--json"]).lines()[0]["algorithms"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let names: Vec<_> =
        fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_str().unwrap().ends_with(".part")), "{names:?}");
    let info = fs::read_to_string(place.path("files-bag/bag-info.txt")).unwrap();
    assert!(info.starts_with("Bagging-Date: 2023-11-14\n"), "{info}");
    assert!(info.contains("\nPayload-Oxum: 70008.4\n"), "{info}");
}

#[test]
fn names_that_a_manifest_must_encode_come_through() {
    let place = Place::new();
    payload(&place.path("files"), false);
    let said = place.ok(&["bag", "make", "files", "--to", "bag.tar"]);
    assert!(said.err.contains("travel badly"), "{}", said.err);
    let said = place.ok(&["bag", "validate", "bag.tar", "--json"]);
    assert!(codes(&said.lines()[0]).iter().all(|code| code.starts_with("PATH-")), "{}", said.out);
    assert_eq!(said.lines()[0]["errors"], 0);
}

#[test]
fn the_same_folder_makes_the_same_bytes() {
    let place = Place::new();
    for name in ["one", "two"] {
        fs::create_dir(place.path(name)).unwrap();
        payload(&place.path(name).join("files"), false);
        place.ok(&["bag", "make", &format!("{name}/files"), "--to", &format!("{name}/bag.tar")]);
    }
    assert!(fs::read(place.path("one/bag.tar")).unwrap() == fs::read(place.path("two/bag.tar")).unwrap());
    let dated = |to: &str| {
        let mut command = place.command(&["bag", "make", "one/files", "--to", to]);
        assert!(command.env("SOURCE_DATE_EPOCH", "86400").output().unwrap().status.success());
    };
    dated("dated.tar");
    dated("dated");
    let info = fs::read_to_string(place.path("dated/bag-info.txt")).unwrap();
    assert!(info.contains("Bagging-Date: 1970-01-02\n"), "{info}");
    assert_eq!(fs::metadata(place.path("dated/data/b.txt")).unwrap().mtime(), 86_400);
}

#[test]
fn what_cannot_be_a_bag_is_refused_and_leaves_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    fs::create_dir_all(place.path("none/empty")).unwrap();
    payload(&place.path("links"), true);
    std::os::unix::fs::symlink("b.txt", place.path("links/to-b")).unwrap();
    payload(&place.path("latin"), true);
    fs::write(place.path("latin").join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    payload(&place.path("fine"), true);
    fs::write(place.path("taken"), "mine").unwrap();
    for (args, code, words) in [
        (&["none"][..], 5, "holds no file"),
        (&["links"], 5, "to-b"),
        (&["latin"], 5, "caf\\xe9"),
        (&["fine", "--to", "taken"], 5, "taken is there already"),
        (&["fine", "--to", "fine/bag"], 5, "would lie in the folder"),
        (&["fine", "--to", "no/such/place/bag"], 74, "No such file"),
        (&["nowhere"], 74, "No such file"),
        (&["fine", "--algorithm", "crc32"], 2, "sha256"),
        (&["fine", "--info", "no colon"], 2, "colon"),
        (&["fine", "--info", "Payload-Oxum: 1.1"], 2, "counted"),
        (&["fine", "--info", "Bagging-Date: yesterday"], 2, "YYYY-MM-DD"),
        (&["fine", "--info", "A: b\nC: d"], 2, "line break"),
    ] {
        let mut all = vec!["bag", "make"];
        all.extend_from_slice(args);
        let said = place.run(&all);
        assert_eq!(said.code, code, "{args:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(words), "{args:?}: {}", said.err);
    }
    let mut left: Vec<_> = fs::read_dir(place.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["fine", "latin", "links", "none", "taken"]);
    assert_eq!(fs::read_to_string(place.path("taken")).unwrap(), "mine");
}

#[test]
fn bagit_py_agrees_with_the_bags_that_we_make() {
    let folders = [std::env::var("STRONGROOM_PEERS").map(|folder| folder + "/bin").unwrap_or_default()];
    let home = std::env::var("HOME").unwrap_or_default() + "/.cache/strongroom-peers/bin";
    let Some(bin) =
        folders.into_iter().chain([home]).find(|bin| Path::new(&format!("{bin}/bagit.py")).exists())
    else {
        return println!("skipped: bagit.py is not there");
    };
    let place = Place::new();
    payload(&place.path("files"), true);
    // bagit.py does not decode %25, but it does decode line breaks.
    fs::write(place.path("files/line\nbreak"), "feed").unwrap();
    place.ok(&["bag", "make", "files", "--to", "bag"]);
    place.ok(&["bag", "make", "files", "--to", "packed.tar"]);
    assert!(
        Command::new("tar")
            .arg("-xf")
            .arg(place.path("packed.tar"))
            .arg("-C")
            .arg(place.0.path())
            .status()
            .unwrap()
            .success()
    );
    for name in ["bag", "packed"] {
        let python = format!("{bin}/python3");
        let python = if Path::new(&python).exists() { python } else { "python3".to_string() };
        let said = Command::new(python)
            .arg(format!("{bin}/bagit.py"))
            .arg("--validate")
            .arg(place.path(name))
            .output();
        let said = Said::of(said.unwrap());
        assert_eq!(said.code, 0, "{name}: {}{}", said.out, said.err);
        assert!(!said.err.to_lowercase().contains("warning"), "{}", said.err);
    }
}

#[test]
fn inspecting_shows_what_is_there_and_reads_no_payload() {
    let place = Place::new();
    payload(&place.path("files"), true);
    let profile = "BagIt-Profile-Identifier: https://example.org/profile.json";
    place.ok(&["bag", "make", "files", "--to", "bag.tar", "--info", profile]);
    // Bytes of the payload do not matter to it.
    let mut tar = fs::read(place.path("bag.tar")).unwrap();
    let at = tar.windows(5).position(|bytes| bytes == b"words").unwrap();
    tar[at] = b'W';
    fs::write(place.path("bag.tar"), tar).unwrap();
    let said = place.ok(&["bag", "inspect", "bag.tar", "--json"]);
    let inside = &said.lines()[0];
    assert_eq!(inside["bagit_version"], "1.0");
    assert_eq!(inside["encoding"], "UTF-8");
    assert_eq!(inside["top"], "bag");
    assert_eq!(inside["payload"], serde_json::json!({"files": 4, "bytes": 70_008}));
    assert_eq!(inside["payload_oxum"], "70008.4");
    assert_eq!(inside["profiles"], serde_json::json!(["https://example.org/profile.json"]));
    assert_eq!(
        inside["formats"],
        serde_json::json!(["pax", "ustar"]),
        "a name of 200 characters needs a pax header"
    );
    let manifests = inside["manifests"].as_array().unwrap();
    let rows: Vec<_> =
        manifests.iter().map(|row| (row["name"].as_str().unwrap(), row["files"].as_u64().unwrap())).collect();
    assert_eq!(
        rows,
        [
            ("manifest-sha256.txt", 4),
            ("manifest-sha512.txt", 4),
            ("tagmanifest-sha256.txt", 4),
            ("tagmanifest-sha512.txt", 4)
        ]
    );
    assert_eq!(inside["largest"][0]["bytes"], 70_000);
    let text = place.ok(&["bag", "inspect", "bag.tar"]).out;
    for words in ["BagIt      1.0", "70008.4: as found", "https://example.org/profile.json", "(pax, ustar)"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(place.run(&["bag", "validate", "bag.tar"]).code, 1);
    fs::write(place.path("no.tar"), vec![b'x'; 2_000]).unwrap();
    assert_eq!(place.run(&["bag", "inspect", "no.tar"]).code, 1);
    assert_eq!(place.run(&["bag", "inspect", "nowhere"]).code, 3);
}

#[test]
fn a_packed_bag_is_judged_when_its_name_or_its_user_says_that_it_is_packed() {
    let place = Place::new();
    place.bag("bag.tar", &[]);
    let gzip = Command::new("gzip").arg("-k").arg(place.path("bag.tar")).status();
    if !gzip.is_ok_and(|status| status.success()) {
        return println!("skipped: gzip is not there");
    }
    let said = place.ok(&["bag", "validate", "bag.tar.gz", "--json"]);
    assert_eq!(
        (&said.lines()[0]["verdict"], codes(&said.lines()[0])),
        (&Value::from("valid"), vec!["SER-COMPRESSED"])
    );
    fs::rename(place.path("bag.tar.gz"), place.path("bag.tar")).unwrap();
    let said = place.run(&["bag", "validate", "bag.tar", "--json"]);
    assert_eq!((said.code, codes(&said.lines()[0])), (1, vec!["SER-COMPRESSED"]));
    assert_eq!(place.run(&["bag", "validate", "--unpack", "bag.tar"]).code, 0);
}

#[test]
fn a_profile_is_given_by_name_or_as_a_file_and_an_unknown_one_judges_nothing() {
    let place = Place::new();
    payload(&place.path("files"), true);
    place.ok(&["bag", "make", "files", "--to", "bag.tar"]);
    let said = place.run(&["bag", "validate", "bag.tar", "--json", "--profile", "aptrust-2.3"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(codes(&said.lines()[0]).contains(&"PROF-TAG-MISSING"), "{}", said.out);
    let rule = r#"{"BagIt-Profile-Info": {"BagIt-Profile-Identifier": "https://example.org/p", "Source-Organization": "x",
        "External-Description": "x", "Version": "1", "BagIt-Profile-Version": "1.3.0"},
        "Manifests-Required": ["md5"], "Accept-BagIt-Version": ["1.0"]}"#;
    fs::write(place.path("rule.json"), rule).unwrap();
    let said = place.run(&["bag", "validate", "bag.tar", "--json", "--profile", "rule.json"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(codes(&said.lines()[0]).contains(&"PROF-MANIFEST-REQUIRED"), "{}", said.out);
    let said = place.run(&["bag", "validate", "bag.tar", "--profile", "aptrust-9"]);
    assert_eq!((said.code, said.out.as_str()), (4, ""));
    assert!(said.err.contains("aptrust-9"), "{}", said.err);
}
