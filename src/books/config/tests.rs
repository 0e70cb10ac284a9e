use super::*;

fn given(data: &str) -> Given {
    Given { file: None, data: Some((data.into(), Origin::Option("--data"))) }
}

fn read(text: &str) -> Result<Config, Faults> {
    Config::from_text(text, Some(Path::new("/etc/strongroom/strongroom.toml")), &Given::default())
}

/// The configuration of this text, or all that is wrong with it, in whole sentences.
pub(super) fn told(text: &str) -> Result<Config, Vec<String>> {
    read(text).map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
}

fn errors(text: &str) -> Vec<String> {
    read(text).err().map(|faults| faults.0.into_iter().map(|fault| fault.error).collect()).unwrap_or_default()
}

const TWO: &str =
    "data = \"/srv/d\"\n[[target]]\nname=\"a\"\npath=\"/srv/a\"\n[[target]]\nname=\"b\"\npath=\"/srv/b\"\n";

#[test]
fn without_a_file_everything_lies_below_the_data_folder() {
    let config = Config::from_text("", None, &given("/tmp/x")).unwrap();
    assert_eq!(config.ledger, Path::new("/tmp/x/ledger"));
    assert_eq!(config.staging[0].folder(), Some(Path::new("/tmp/x/staging")));
    let targets: Vec<&str> = config.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(targets, ["target-a", "target-b"]);
    assert_eq!(config.policy("default").map(|policy| policy.copies), Some(2));
    assert_eq!(config.policies[0].targets, targets);
    assert_eq!(config.depositor(None).map(|depositor| depositor.name).as_deref(), Ok("local"));
    assert_eq!(config.depositor(Some("uva.edu")).map(|depositor| depositor.name).as_deref(), Ok("uva.edu"));
    for wrong in ["", "../x", "a/b", ".hidden", "a b"] {
        assert!(config.depositor(Some(wrong)).is_err(), "{wrong}");
    }
    assert!(config.one_disk_accepted);
    assert!(config.effective.iter().any(|row| row.key == "data" && row.origin == Origin::Option("--data")));
}

#[test]
fn every_key_of_the_table_has_an_effective_value() {
    let far = "[[target]]\nname=\"c\"\nkind=\"s3\"\nbucket=\"keep\"\n";
    let sources = "[[source]]\nname=\"f\"\npath=\"/in\"\nsize_max=\"1 GB\"\n[[source]]\nname=\"w\"\nkind=\"http\"\n\
                   url=\"https://a.org\"\n[[source]]\nname=\"s\"\nkind=\"s3\"\nbucket=\"b\"\n";
    let places = "[[place]]\nname=\"p\"\npath=\"/back\"\n[[place]]\nname=\"q\"\nkind=\"s3\"\nbucket=\"q\"\n";
    let config = read(&format!("{TWO}{far}{sources}{places}")).unwrap();
    for key in keys::KEYS {
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let table = table.split(['[', '.']).next().unwrap_or("");
        let is_there = config.effective.iter().any(|row| {
            let last = row.key.rsplit('.').next().unwrap_or("");
            row.key.starts_with(table) && (last == name || name == "name")
        });
        let is_name_of_default = matches!(key.path, "staging[].name" | "depositor[].name");
        assert!(is_there || is_name_of_default, "{}", key.path);
    }
}

#[test]
fn packed_deposits_are_taken_when_the_file_says_so_and_per_depositor() {
    let config = read(TWO).unwrap();
    assert_eq!(
        (config.accept.as_slice(), config.limits.packed_bytes_max),
        (&["tar".to_string()][..], 1 << 40)
    );
    let depositors =
        "[[depositor]]\nname = \"a\"\n[[depositor]]\nname = \"b\"\naccept = [\"tar\", \"zip\"]\n";
    let config = read(&format!("accept = [\"gzip\"]\n{TWO}{depositors}")).unwrap();
    assert_eq!(config.depositor(Some("a")).unwrap().accept, ["gzip"]);
    assert_eq!(config.depositor(Some("b")).unwrap().accept, ["tar", "zip"]);
    let wrong = errors(&format!("accept = [\"rar\"]\n{TWO}"));
    assert_eq!(wrong, ["accept is not a list of some of tar, gzip, zstd, bzip2, zip"]);
}

#[test]
fn paths_of_a_file_are_below_its_folder_and_know_their_line() {
    let config = read("data = \"d\"\n[ledger]\nmirror = \"/mnt/m\"\n").unwrap();
    assert_eq!(config.data, Path::new("/etc/strongroom/d"));
    assert_eq!(config.mirror.as_deref(), Some(Path::new("/mnt/m")));
    let row = config.effective.iter().find(|row| row.key == "ledger.mirror").unwrap();
    assert_eq!((row.value.as_str(), row.origin.to_string().as_str()), ("\"/mnt/m\"", "file line 3"));
    assert!(!config.one_disk_accepted);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let both =
        Config::from_text("data = \"/srv/d\"", Some(Path::new("/etc/s.toml")), &given("/tmp/y")).unwrap();
    assert_eq!(both.ledger, Path::new("/tmp/y/ledger"));
}

#[test]
fn fewer_than_two_copies_must_be_meant() {
    assert_eq!(errors(&format!("{TWO}[policy.p]\ncopies = 1\n")), ["policy p asks for one copy"]);
    assert!(
        errors(&format!("{TWO}[policy.p]\ncopies = 1\ni_accept_one_copy = true\n"))
            .iter()
            .all(|e| !e.contains("one copy"))
    );
    assert_eq!(errors(&format!("{TWO}[policy.default]\ncopies = 3\n")), ["policy default can never be met"]);
    let one = "[[target]]\nname=\"a\"\n";
    assert_eq!(errors(one), ["policy default can never be met"]);
}

#[test]
fn places_that_lie_in_one_another_are_refused() {
    let text = "data = \"/srv/d\"\n[[target]]\nname=\"a\"\npath=\"/srv/d\"\n[[target]]\nname=\"b\"\npath=\"/srv/b\"\n";
    let found = errors(text);
    assert!(found.contains(&"target a and the ledger are not apart".to_string()), "{found:?}");
    let same = TWO.replace("/srv/b", "/srv/a");
    assert!(errors(&same).contains(&"target b and target a are not apart".to_string()));
}

#[test]
fn names_that_clash_or_lead_nowhere_are_refused_with_their_line() {
    let twice = read(&TWO.replace("\"b\"", "\"a\"")).unwrap_err();
    assert!(
        twice
            .0
            .iter()
            .any(|fault| fault.error == "two [[target]] have the name \"a\"" && fault.line == Some(6))
    );
    let found = read(&format!(
        "{TWO}[policy.default]\ntargets=[\"a\",\"vb\"]\n[[depositor]]\nname=\"u\"\npolicy=\"gold\"\n"
    ));
    let told: Vec<String> = found.unwrap_err().0.iter().map(|fault| fault.to_string()).collect();
    assert!(
        told.iter().any(|text| text.contains("line 9: policy default names a target that is not there")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|text| text.contains("depositor u follows a policy that is not there")),
        "{told:?}"
    );
    let doubled = format!("{TWO}[policy.default]\ntargets=[\"a\",\"a\"]\n");
    assert!(errors(&doubled).contains(&"policy default names target \"a\" twice".to_string()));
}

#[test]
fn targets_on_one_file_system_are_refused_unless_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "data = \"{0}/d\"\n[[target]]\nname=\"a\"\npath=\"{0}/a\"\n[[target]]\nname=\"b\"\npath=\"{0}/b\"\n",
        folder.path().display()
    );
    let faults = read(&text).unwrap().faults_of_places();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].error, "targets a and b of policy default are on one disk");
    let accepted = format!("i_accept_copies_on_one_disk = true\n{text}");
    assert_eq!(read(&accepted).unwrap().faults_of_places(), []);
}

#[test]
fn a_depositor_is_never_guessed() {
    let two = "[[depositor]]\nname=\"uva.edu\"\n[[depositor]]\nname=\"vt.edu\"\n";
    let config = read(two).unwrap();
    assert!(config.depositor(None).is_err());
    assert_eq!(config.depositor(Some("vt.edu")).map(|d| d.name).as_deref(), Ok("vt.edu"));
    assert_eq!(config.depositor(Some("uvaedu")).unwrap_err().then_try, "--depositor uva.edu");
}

#[test]
fn the_sample_is_valid_and_says_what_is_the_default_anyway() {
    let sample = sample();
    let plain = read(&sample).unwrap();
    assert_eq!(plain.effective, read("").unwrap().effective);
    // Every commented key, with its table, is understood as it stands.
    let live: String = sample
        .lines()
        .filter_map(|line| {
            let line = line.strip_prefix('#')?;
            let is_key = line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(" = ");
            let is_table = line.starts_with(" [") && line.ends_with(']');
            (is_key || is_table).then(|| format!("{}\n", line.trim()))
        })
        .collect();
    let tree = tree::read(&live);
    assert!(tree.is_ok(), "{tree:?}\n{live}");
}

#[test]
fn a_reload_knows_what_it_can_take_over() {
    let old = read(TWO).unwrap();
    let new = read(&format!("{TWO}[serve]\ndrain = \"5 s\"\n[socket]\npath=\"/run/x\"\n")).unwrap();
    let (taken, restart) = changes(&old, &new);
    assert_eq!(taken, ["serve.drain: \"100 s\" -> \"5 s\""]);
    assert_eq!(restart, ["socket.path: \"/srv/d/socket\" -> \"/run/x\""]);
}

#[test]
fn a_configuration_that_cannot_be_looked_for_is_not_taken_for_absent() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("strongroom.toml");
    assert_eq!(system_file(&absent), None);
    // Root may look everywhere: a name that no folder can hold stands for one that may not be looked at.
    let unknowable = folder.path().join("x".repeat(300));
    assert_eq!(system_file(&unknowable), Some(unknowable.clone()));
    std::fs::write(&absent, "").unwrap();
    assert_eq!(system_file(&absent), Some(absent));
}
