use super::*;
use crate::books::config::{Config, Given};
use crate::books::unit::drop_in::is_ours;
use std::path::Path;

fn needs(text: &str) -> Needs {
    let file = Path::new("/etc/strongroom/strongroom.toml");
    Needs::of(&Config::from_text(text, Some(file), &Given::default()).unwrap())
}

/// A host without units, in a folder of its own.
fn host() -> (tempfile::TempDir, Units) {
    let root = tempfile::tempdir().unwrap();
    let units = Units::below(root.path());
    (root, units)
}

fn made(text: &str, unit: &str) -> String {
    let (_root, units) = host();
    let frame = frame(&units, unit).unwrap();
    let made = DropIn::new(&needs(text), &frame, &units, &Who::default());
    made.text(Some(Path::new("/etc/strongroom/strongroom.toml"))).unwrap()
}

const HEAD: &str = "# Made by: strongroom setup unit\n\
     # From /etc/strongroom/strongroom.toml; after a change of it: strongroom setup unit --write\n";

const TWO: &str = "data='/var/lib/strongroom'\n[socket]\npath='/run/strongroom/admin.sock'\n\
     [[target]]\nname='a'\npath='/srv/vault-a'\n[[target]]\nname='b'\npath='/srv/vault b/100%'\n";

#[test]
fn the_drop_in_names_every_folder_outside_once_and_waits_for_its_mount() {
    let wanted = format!(
        "{HEAD}\n[Unit]\nRequiresMountsFor=/srv/vault-a\nRequiresMountsFor=\"/srv/vault b/100%%\"\n\
         \n[Service]\n# target a\nReadWritePaths=/srv/vault-a\n# target b\nReadWritePaths=\"/srv/vault b/100%%\"\n"
    );
    assert_eq!(made(TWO, SERVICE), wanted);
    assert_eq!(made(TWO, JOB), wanted, "without a daemon a job writes by itself");
    assert!(is_ours(&wanted));
}

#[test]
fn what_lies_below_the_services_own_folders_needs_nothing() {
    assert_eq!(made("data='/var/lib/strongroom'\n", SERVICE), HEAD);
}

#[test]
fn a_data_folder_elsewhere_is_named_once_for_all_that_lies_in_it() {
    let text = made("data='/srv/strongroom'\n", SERVICE);
    assert_eq!(text.matches("ReadWritePaths=").count(), 1, "{text}");
    assert_eq!(text.matches("RequiresMountsFor=").count(), 1, "{text}");
}

#[test]
fn a_mount_within_a_folder_that_is_named_is_waited_for_too() {
    let (root, units) = host();
    std::fs::create_dir_all(root.path().join("etc")).unwrap();
    std::fs::write(
        root.path().join("etc/fstab"),
        "# x\n/dev/sdb1 /var/lib/strongroom/a\\040b xfs defaults 0 2\n",
    )
    .unwrap();
    let text = "data='/var/lib/strongroom'\n[[target]]\nname='a'\npath='/var/lib/strongroom/a b'\n\
                [[target]]\nname='b'\npath='/srv/b'\n";
    let frame = frame(&units, SERVICE).unwrap();
    let text = DropIn::new(&needs(text), &frame, &units, &Who::default()).text(None).unwrap();
    assert!(text.contains("RequiresMountsFor=\"/var/lib/strongroom/a b\"\n"), "{text}");
    assert!(!text.contains("ReadWritePaths=\"/var/lib"), "{text}");
}

#[test]
fn homes_and_temporary_folders_are_bound_because_leave_to_write_would_not_show_them() {
    let text = made(
        "data='/var/lib/strongroom'\n[[target]]\nname='a'\npath='/home/vault'\n[[target]]\nname='b'\npath='/var/tmp/v'\n\
         [[source]]\nname='drop'\npath='/root/drop'\ndepositor='local'\n",
        SERVICE,
    );
    for line in
        ["ProtectHome=tmpfs", "BindPaths=/home/vault", "BindPaths=/var/tmp/v", "BindReadOnlyPaths=/root/drop"]
    {
        assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
    }
    assert!(!text.contains("ReadWritePaths"), "{text}");
}

#[test]
fn credentials_are_loaded_from_beside_the_configuration_unless_another_drop_in_has_them() {
    let s3 = format!("{TWO}[[target]]\nname='c'\nkind='s3'\nbucket='x'\ncredentials='systemd:vault-c'\n");
    let line = "LoadCredential=vault-c:/etc/strongroom/credentials/vault-c\n";
    assert!(made(&s3, SERVICE).contains(line));
    assert!(made(&s3, JOB).contains(line));
    let (_root, units) = host();
    units.write(&Units::place_of(SERVICE, "volumes.conf"), line, &|_| true).unwrap();
    let place = Units::place_of(SERVICE, "secrets.conf");
    units.write(&place, "[Service]\nLoadCredentialEncrypted=vault-c:/etc/x\n", &|_| true).unwrap();
    // A unit must be there for its drop-ins to count.
    let (_, shipped) = SHIPPED[0];
    let fragment = units.within(Path::new("/usr/lib/systemd/system/strongroom.service"));
    std::fs::create_dir_all(fragment.parent().unwrap()).unwrap();
    std::fs::write(fragment, shipped).unwrap();
    let made = DropIn::new(&needs(&s3), &frame(&units, SERVICE).unwrap(), &units, &Who::default());
    assert_eq!(made.loads(), []);
}

#[test]
fn a_path_that_a_unit_file_cannot_say_is_refused_by_name() {
    let (_root, units) = host();
    let text = "data='/var/lib/strongroom'\n[[target]]\nname='a'\npath='../a'\n[[target]]\nname='b'\npath='/srv/b'\n";
    let frame = frame(&units, SERVICE).unwrap();
    let wrong = DropIn::new(&needs(text), &frame, &units, &Who::default()).text(None).unwrap_err();
    assert!(wrong[0].contains("climbs with"), "{wrong:?}");
}

#[test]
fn user_and_group_are_named_only_where_they_differ() {
    let (_root, units) = host();
    let frame = frame(&units, SERVICE).unwrap();
    let who = Who { user: Some("archive".into()), group: Some("strongroom".into()) };
    let text = DropIn::new(&needs(TWO), &frame, &units, &who).text(None).unwrap();
    assert!(text.contains("User=archive\n") && !text.contains("Group="), "{text}");
}

#[test]
fn an_installed_unit_lacks_nothing_once_it_has_the_drop_in() {
    let (_root, units) = host();
    let (_, shipped) = SHIPPED[0];
    let fragment = units.within(Path::new("/usr/lib/systemd/system/strongroom.service"));
    std::fs::create_dir_all(fragment.parent().unwrap()).unwrap();
    std::fs::write(fragment, shipped).unwrap();
    let needs = needs(&format!(
        "{TWO}[[target]]\nname='c'\nkind='s3'\nbucket='x'\ncredentials='systemd:vault-c'\n\
         [[source]]\nname='drop'\npath='/home/drop'\ndepositor='local'\n"
    ));
    let lacking = |units: &Units| lacks(&needs, &units.unit(SERVICE, None).unwrap().unwrap(), units).unwrap();
    let texts: Vec<String> = lacking(&units).into_iter().map(|lack| lack.text).collect();
    assert_eq!(
        texts,
        [
            "target a: /srv/vault-a is read-only for the service (ProtectSystem=strict)",
            "target b: /srv/vault b/100% is read-only for the service (ProtectSystem=strict)",
            "source drop: /home/drop is hidden from the service (ProtectHome=yes)",
            "credential vault-c of target c is not handed over to the service",
            "the service does not wait until /srv/vault-a is mounted",
            "the service does not wait until /srv/vault b/100% is mounted",
            "the service does not wait until /home/drop is mounted",
        ]
    );
    let made = DropIn::new(&needs, &frame(&units, SERVICE).unwrap(), &units, &Who::default());
    units.write(&made.place(), &made.text(None).unwrap(), &is_ours).unwrap();
    let absent: Vec<String> = lacking(&units).into_iter().map(|lack| lack.text).collect();
    assert_eq!(
        absent,
        [
            "target a: /srv/vault-a is not there, so that the unit cannot start",
            "target b: /srv/vault b/100% is not there, so that the unit cannot start",
            "source drop: /home/drop is not there, so that the unit cannot start",
            "credential vault-c: /etc/strongroom/credentials/vault-c is not there, so that the unit cannot start",
        ]
    );
    for path in ["/srv/vault-a", "/srv/vault b/100%", "/home/drop", "/etc/strongroom/credentials/vault-c"] {
        std::fs::create_dir_all(units.within(Path::new(path))).unwrap();
    }
    assert_eq!(lacking(&units), []);
    let again = DropIn::new(&needs, &frame(&units, SERVICE).unwrap(), &units, &Who::default());
    assert_eq!(again, made, "what is installed already changes nothing of what is made");
}

#[test]
fn jobs_that_lack_what_the_daemon_has_are_told_in_one_sentence() {
    let (_root, units) = host();
    for (name, shipped) in SHIPPED {
        let fragment = units.within(Path::new("/usr/lib/systemd/system")).join(name);
        std::fs::create_dir_all(fragment.parent().unwrap()).unwrap();
        std::fs::write(fragment, shipped).unwrap();
    }
    let needs = needs(TWO);
    for path in ["/srv/vault-a", "/srv/vault b/100%"] {
        std::fs::create_dir_all(units.within(Path::new(path))).unwrap();
    }
    let lacking = |units: &Units| {
        let unit = units.unit(SERVICE, None).unwrap().unwrap();
        Lacking::of(&needs, &unit, units).unwrap()
    };
    assert_eq!(lacking(&units).jobs.len(), 4);
    assert_eq!(lacking(&units).only_jobs(), None, "what both lack is told of the daemon");
    let made = |name| DropIn::new(&needs, &frame(&units, name).unwrap(), &units, &Who::default());
    units.write(&made(SERVICE).place(), &made(SERVICE).text(None).unwrap(), &is_ours).unwrap();
    let told = lacking(&units).only_jobs().unwrap();
    assert!(told.text.contains("no daemon runs") && told.detail.contains("/srv/vault-a"), "{told:?}");
    units.write(&made(JOB).place(), &made(JOB).text(None).unwrap(), &is_ours).unwrap();
    assert_eq!(lacking(&units), Lacking::default());
}

#[test]
fn of_a_unit_with_another_root_folder_nothing_is_told_about_paths() {
    let (root, units) = host();
    let place = root.path().join("etc/systemd/system").join(SERVICE);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    for (setting, said) in [("", false), ("RootDirectory=/other\n", true), ("RootImage=/other.img\n", true)] {
        std::fs::write(&place, format!("[Service]\nProtectSystem=strict\n{setting}")).unwrap();
        let unit = units.unit(SERVICE, None).unwrap().unwrap();
        let found = Lacking::of(&needs(TWO), &unit, &units).unwrap();
        assert_eq!(found.daemon.is_empty(), said, "{setting}: {:?}", found.daemon);
        let told = found.untold.map(|lack| lack.text).unwrap_or_default();
        assert_eq!(told.contains(setting.trim()) && !told.is_empty(), said, "{told}");
    }
}
