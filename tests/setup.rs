//! `strongroom setup unit`: drop-ins that systemd understands, for hosts that lie in a folder.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A host in a folder, with the units that come with the program, and its configuration.
struct Host {
    top: tempfile::TempDir,
}

const UNITS: &str = "usr/lib/systemd/system";
const SERVICE: &str = "etc/systemd/system/strongroom.service.d/volumes.conf";
const JOB: &str = "etc/systemd/system/strongroom-job@.service.d/volumes.conf";

const CONFIG: &str = "data = \"/var/lib/strongroom\"\n[socket]\npath = \"/run/strongroom/admin.sock\"\n\
    [[target]]\nname = \"a\"\npath = \"/srv/vault-a\"\n[[target]]\nname = \"b\"\npath = \"/srv/Tresor \\\"ä\\\" 100%\"\n\
    [notice]\nwebhook = \"systemd:webhook\"\n";

impl Host {
    fn new(config: &str) -> Host {
        let host = Host { top: tempfile::tempdir().unwrap() };
        let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
        fs::create_dir_all(host.path(UNITS)).unwrap();
        for unit in ["strongroom.service", "strongroom-job@.service"] {
            fs::copy(units.join(unit), host.path(UNITS).join(unit)).unwrap();
        }
        host.configure(config);
        host
    }

    fn configure(&self, config: &str) {
        fs::write(self.path("strongroom.toml"), config).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.top.path().join(path)
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .args(["--config", self.path("strongroom.toml").to_str().unwrap(), "setup", "unit"])
            .args(["--root", self.top.path().to_str().unwrap()])
            .args(words)
            .output()
            .unwrap()
    }

    fn ok(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert!(said.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    fn check(&self) -> (i32, String) {
        let said = self.run(&["--check"]);
        (said.status.code().unwrap(), String::from_utf8(said.stdout).unwrap())
    }

    fn make(&self, folder: &str) {
        fs::create_dir_all(self.path(folder)).unwrap();
    }
}

#[test]
fn what_is_written_covers_the_configuration_until_it_changes() {
    let host = Host::new(CONFIG);
    ["srv/vault-a", "srv/Tresor \"ä\" 100%", "etc/strongroom/credentials"]
        .iter()
        .for_each(|folder| host.make(folder));
    fs::write(host.path("etc/strongroom/credentials/webhook"), "https://x.org/").unwrap();
    let (code, told) = host.check();
    assert_eq!(code, 1, "{told}");
    for wanted in [
        "FAIL  strongroom.service: target a: /srv/vault-a is read-only for the service (ProtectSystem=strict)\n",
        "FAIL  strongroom.service: credential webhook of the webhook is not handed over to the service\n",
        "FAIL  strongroom-job@.service: target a: /srv/vault-a is read-only for the service (ProtectSystem=strict)\n",
        "+ReadWritePaths=\"/srv/Tresor \\\"ä\\\" 100%%\"\n",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    let told = host.ok(&["--write"]);
    assert!(told.contains("next: systemctl daemon-reload; systemctl restart strongroom\n"), "{told}");
    let (code, told) = host.check();
    let covered = ["strongroom.service", "strongroom-job@.service"]
        .map(|unit| format!("ok    {unit} covers the configuration\n"))
        .concat();
    assert_eq!((code, told), (0, covered));
    assert_eq!(host.ok(&["--write"]).matches("unchanged").count(), 2, "a second run changes nothing");
    host.configure(&CONFIG.replace("/srv/vault-a", "/srv/vault-c"));
    let (code, told) = host.check();
    assert_eq!(code, 1);
    assert!(
        told.contains("-ReadWritePaths=/srv/vault-a\n") && told.contains("+ReadWritePaths=/srv/vault-c\n"),
        "{told}"
    );
}

#[test]
fn what_is_printed_is_what_is_written() {
    let host = Host::new(CONFIG);
    let printed = host.ok(&[]);
    host.ok(&["--write"]);
    for file in [SERVICE, JOB] {
        let written = fs::read_to_string(host.path(file)).unwrap();
        assert!(printed.contains(&format!("# /{file}\n{written}\n")), "{printed}");
        assert!(
            written.contains("# From /etc/strongroom/strongroom.toml; "),
            "as the host sees it: {written}"
        );
        let directives = written.lines().filter(|line| line.contains('=') && !line.starts_with('#'));
        assert!(directives.clone().count() >= 5, "{written}");
        assert!(
            directives.into_iter().all(|line| line.matches("Paths=").count() < 2),
            "one directive a line"
        );
    }
}

#[test]
fn systemd_reads_every_path_as_it_was_meant() {
    let said = Command::new("systemd-analyze").arg("--version").output();
    if said.is_err() {
        println!("skipped: systemd-analyze is not installed");
        return;
    }
    let host = Host::new(CONFIG);
    host.ok(&["--write"]);
    // The drop-in stands beside a unit whose program is there: nothing but our lines can be complained about.
    let place = host.path("verified");
    fs::create_dir_all(place.join("strongroom.service.d")).unwrap();
    fs::copy(host.path(SERVICE), place.join("strongroom.service.d/volumes.conf")).unwrap();
    let unit = place.join("strongroom.service");
    let verify = |text: &str| {
        fs::write(&unit, text).unwrap();
        let said = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
        (said.status.success(), String::from_utf8(said.stderr).unwrap())
    };
    let (well, told) = verify("[Service]\nExecStart=/bin/true\n");
    assert!(well && !told.contains("volumes.conf"), "{told}");
    // It would say so if it were not well.
    let broken = fs::read_to_string(host.path(SERVICE)).unwrap().replace("=/srv/vault-a", "=srv/vault-a");
    fs::write(place.join("strongroom.service.d/volumes.conf"), broken).unwrap();
    let (_, told) = verify("[Service]\nExecStart=/bin/true\n");
    assert!(told.contains("not absolute") || told.contains("is not absolute"), "{told}");
}

#[test]
fn a_drop_in_that_is_needed_no_more_goes_and_somebody_elses_stays() {
    let host = Host::new(CONFIG);
    host.ok(&["--write"]);
    host.configure("data = \"/var/lib/strongroom\"\n");
    let told = host.ok(&["--write"]);
    assert_eq!(told.matches("removed").count(), 2, "{told}");
    assert!(!host.path(SERVICE).exists());
    assert_eq!(host.check().0, 0);
    fs::write(host.path(SERVICE), "[Service]\nLimitNOFILE=9999\n").unwrap();
    host.ok(&["--write"]);
    assert!(host.path(SERVICE).exists(), "it is not ours, and in nobody's way");
    host.configure(CONFIG);
    host.ok(&["--write"]);
    let kept = fs::read_to_string(host.path(SERVICE).with_extension("conf.before")).unwrap();
    assert_eq!(kept, "[Service]\nLimitNOFILE=9999\n");
}

#[test]
fn folders_and_secrets_that_are_not_there_are_told_because_the_unit_would_not_start() {
    let host = Host::new(CONFIG);
    let said = host.run(&["--write"]);
    let notes = String::from_utf8(said.stderr).unwrap();
    assert!(notes.contains("install -d -o strongroom -g strongroom -m 0750 '/srv/vault-a'"), "{notes}");
    assert!(notes.contains("install -m 0600 /dev/stdin '/etc/strongroom/credentials/webhook'"), "{notes}");
    let (code, told) = host.check();
    assert_eq!(code, 1);
    assert!(told.contains("/srv/vault-a is not there, so that the unit cannot start"), "{told}");
}

#[test]
fn the_user_is_said_once_and_stays() {
    let host = Host::new(CONFIG);
    host.ok(&["--write", "--user", "archive", "--group", "archive"]);
    host.ok(&["--write"]);
    let text = fs::read_to_string(host.path(SERVICE)).unwrap();
    assert!(text.contains("\nUser=archive\nGroup=archive\n"), "{text}");
    host.ok(&["--write", "--user", "strongroom", "--group", "strongroom"]);
    assert!(!fs::read_to_string(host.path(SERVICE)).unwrap().contains("User="));
    assert_eq!(host.run(&["--write", "--user", "a\nb"]).status.code(), Some(2));
}

#[test]
fn what_has_no_place_of_its_own_is_refused() {
    let host = Host::new(
        "[[target]]\nname = \"a\"\npath = \"/srv/a\"\n[[target]]\nname = \"b\"\npath = \"/srv/b\"\n",
    );
    let said = host.run(&[]);
    assert_eq!(said.status.code(), Some(78));
    assert!(String::from_utf8(said.stderr).unwrap().contains("names no data folder"));
    host.configure("data = \"/var/lib/strongroom\"\n[ledger]\npath = \"/srv/x/../ledger\"\n");
    let said = host.run(&["--write"]);
    assert_eq!(said.status.code(), Some(78));
    assert!(String::from_utf8(said.stderr).unwrap().contains("climbs with \"..\""));
    assert!(!host.path(SERVICE).exists());
    fs::remove_file(host.path(UNITS).join("strongroom.service")).unwrap();
    fs::remove_file(host.path(UNITS).join("strongroom-job@.service")).unwrap();
    host.configure(CONFIG);
    assert_eq!(
        host.run(&["--check"]).status.code(),
        Some(4),
        "nothing is installed that could cover anything"
    );
}

#[test]
fn as_json_every_drop_in_comes_whole() {
    let host = Host::new(CONFIG);
    let said: serde_json::Value = serde_json::from_str(&host.ok(&["--json"])).unwrap();
    let units = said["units"].as_array().unwrap();
    assert_eq!(units.len(), 2);
    assert_eq!(units[0]["file"], format!("/{SERVICE}"));
    assert!(units[0]["text"].as_str().unwrap().contains("RequiresMountsFor=/srv/vault-a\n"));
    assert_eq!((units[0]["needed"].as_bool(), units[0]["same"].as_bool()), (Some(true), Some(false)));
    assert!(!said["notes"].as_array().unwrap().is_empty());
}
