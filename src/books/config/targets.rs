//! `[[target]]`: where copies are kept.
//!
//! - What a kind of target has no use for is a fault, not passed over: it would look as if it held.
//! - A class of storage from which nothing can be read back is refused: its copies could not be proved.

use super::build::Builder;
use super::fault::Fault;
use super::{At, Config};
use crate::worlds::clock::system::SystemClock;
use crate::worlds::target::s3::{BucketTarget, ReadBack};
use std::collections::BTreeMap;
use std::path::Path;

/// Keys that only one kind has a use for.
const OF_KINDS: &[(&str, &[&str])] = &[
    ("path", &["local"]),
    ("endpoint", &["s3"]),
    ("bucket", &["s3"]),
    ("prefix", &["s3"]),
    ("region", &["s3"]),
    ("style", &["s3"]),
    ("credentials", &["s3"]),
    ("storage_class", &["s3"]),
    ("read_back", &["s3"]),
    ("quota", &["s3"]),
    ("connections", &["s3"]),
    ("bandwidth", &["s3"]),
    ("proxy", &["s3"]),
    ("ca_file", &["s3"]),
    ("allow_private", &["s3"]),
    ("timeout_connect", &["s3"]),
    ("timeout_answer", &["s3"]),
    ("timeout_stall", &["s3"]),
];

/// Longest prefix in bytes: a key holds 1,024, and the longest path of a file in an object must fit behind it.
const PREFIX_MAX: usize = 60;

/// Classes from which an object must be thawed before it can be read.
const FROZEN: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

impl Builder {
    /// Where a target lies.
    pub(super) fn target_place(&mut self, at: &str, name: &str, data: &Path) -> Option<At> {
        let kind = self.text(&format!("{at}.kind"));
        self.useless(at, name, &kind, OF_KINDS);
        if kind != "s3" {
            return Some(At::Folder(self.path(&format!("{at}.path"), Some(data.join(name)))));
        }
        let reaching = self.reaching(at);
        let place = self.bucket(at, name, reaching.allow_private);
        let storage_class = self.storage_class(at);
        let read_back = match self.text(&format!("{at}.read_back")).as_str() {
            "store-checksum" => ReadBack::StoreChecksum,
            _ => ReadBack::Bytes,
        };
        let path = format!("{at}.quota");
        let quota = match self.tree.settings.contains_key(&path) {
            true => Some(self.number(&path)),
            false => {
                self.note_text(&path, "none");
                None
            }
        };
        let place = place?;
        let prefix = place.prefix.trim_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let sound = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(plain);
        if prefix.len() > PREFIX_MAX || !(prefix.is_empty() || prefix.split('/').all(sound)) {
            let fault = Fault::new(format!("{at}.prefix cannot be the prefix of a target")).because(format!(
                "it has at most {PREFIX_MAX} letters, digits, and - _ . between single slashes: every store keeps those"
            ));
            self.fault(&format!("{at}.prefix"), fault.then_try("prefix = \"vault-a/\""));
        }
        Some(At::Bucket(Box::new(BucketTarget { place, storage_class, read_back, quota, reaching })))
    }

    fn storage_class(&mut self, at: &str) -> Option<String> {
        let path = format!("{at}.storage_class");
        let class = self.optional_text(&path)?;
        if FROZEN.contains(&class.as_str()) {
            let fault = Fault::new(format!("{path} is {class}, from which nothing can be read back"))
                .because("an object there must be thawed for hours before it can be read")
                .so("no copy on this target could be proved");
            self.fault(&path, fault.then_try("storage_class = \"GLACIER_IR\""));
        } else if class.is_empty() || !class.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
            let fault = Fault::new(format!("{path} is no storage class"));
            self.fault(&path, fault.then_try("storage_class = \"STANDARD_IA\""));
        }
        Some(class)
    }
}

/// Targets of one policy whose buckets are reached with one access key, unless that was accepted. Where the key cannot be
/// had now nothing is said; `doctor` says it.
pub fn one_account(config: &Config) -> Vec<Fault> {
    if config.one_account_accepted {
        return Vec::new();
    }
    let clock = SystemClock::new();
    let account = |name: &String| config.target(name)?.bucket()?.account(&clock).ok();
    let mut faults = Vec::new();
    for policy in &config.policies {
        let mut seen: BTreeMap<String, &String> = BTreeMap::new();
        for name in &policy.targets {
            let Some(account) = account(name) else { continue };
            let Some(other) = seen.insert(account, name) else { continue };
            faults.push(Fault {
                file: config.file.clone(),
                ..Fault::new(format!("targets {other} and {name} of policy {} have one access key", policy.name))
                    .because("their buckets are reached at one service with the same access key id")
                    .so("whoever has that key, or loses it, has or loses both copies")
                    .then_try(
                        "give one of them another account; for trying out only: i_accept_copies_on_one_credential = true",
                    )
            });
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use crate::books::config::At;
    use crate::books::config::tests::told as read;
    use crate::worlds::net::credentials::Access;
    use crate::worlds::target::s3::ReadBack;

    const LOCAL: &str = "[[target]]\nname='a'\npath='/srv/a'\n";

    #[test]
    fn a_target_in_a_bucket_is_read_with_its_defaults() {
        let text = format!(
            "{LOCAL}[[target]]\nname='b'\nkind='s3'\nbucket='keep'\nprefix='vault/'\nendpoint='https://s3.example.org'\n\
             credentials='file:keys'\nstorage_class='GLACIER_IR'\nread_back='store-checksum'\nquota='2 TiB'\n"
        );
        let config = read(&text).unwrap();
        assert_eq!(config.targets[0].at, At::Folder("/srv/a".into()));
        let bucket = config.targets[1].bucket().unwrap();
        assert_eq!((bucket.place.bucket.as_str(), bucket.root().as_str()), ("keep", "s3://keep/vault/ocfl"));
        assert_eq!(bucket.place.access, Access::File { path: "/etc/strongroom/keys".into(), profile: None });
        assert_eq!((bucket.read_back, bucket.quota), (ReadBack::StoreChecksum, Some(2 << 40)));
        assert_eq!((bucket.reaching.connections, bucket.storage_class.as_deref()), (16, Some("GLACIER_IR")));
        assert_eq!(config.targets[1].place(), "s3://keep/vault at https://s3.example.org");
        assert_eq!(config.policies[0].targets, ["a", "b"]);
        let shown = config.effective.iter().find(|row| row.key == "target.b.read_back").unwrap();
        assert_eq!(shown.value, "\"store-checksum\"");
    }

    #[test]
    fn every_mistake_in_a_target_is_told_with_its_line() {
        let s3 = "[[target]]\nname='b'\nkind='s3'\n";
        let table = [
            (s3.to_string(), 4, "target b has no bucket"),
            (format!("{s3}bucket='x/y'\n"), 7, "\"x/y\" is no name of a bucket"),
            (format!("{s3}bucket='x'\npath='/srv/b'\n"), 8, "target b is of the kind s3 and has no path"),
            (
                "[[target]]\nname='b'\nbucket='x'\n".into(),
                6,
                "target b is of the kind local and has no bucket",
            ),
            (format!("{s3}bucket='x'\nstorage_class='DEEP_ARCHIVE'\n"), 8, "nothing can be read back"),
            (format!("{s3}bucket='x'\nprefix='a//b'\n"), 8, "cannot be the prefix of a target"),
            (format!("{s3}bucket='x'\nprefix='{}'\n", "a".repeat(61)), 8, "cannot be the prefix of a target"),
            (format!("{s3}bucket='x'\nendpoint='http://10.0.0.1'\n"), 8, "is a private address"),
            (
                format!("{s3}bucket='x'\ncredentials='AKIAs3cret:xs3cret'\n"),
                8,
                "does not say where credentials",
            ),
            (
                format!("{s3}bucket='x'\n[[target]]\nname='c'\nkind='s3'\nbucket='x'\nprefix='in'\n"),
                9,
                "not apart",
            ),
            (
                format!("{s3}bucket='x'\nprefix='v'\n[[source]]\nname='in'\nkind='s3'\nbucket='x'\n"),
                10,
                "not apart",
            ),
        ];
        for (text, line, wanted) in table {
            let faults = read(&format!("{LOCAL}{text}")).err().unwrap_or_default();
            let told = faults.iter().find(|fault| fault.contains(wanted));
            let told = told.unwrap_or_else(|| panic!("{text}: {faults:?}"));
            assert!(told.contains(&format!(" line {line}: ")), "{text}: {told}");
            assert!(!faults.iter().any(|fault| fault.contains("s3cret")), "{faults:?}");
        }
        let apart = format!(
            "{LOCAL}{s3}bucket='x'\nprefix='v'\n[[target]]\nname='c'\nkind='s3'\nbucket='x'\nprefix='v2'\n"
        );
        assert!(read(&apart).is_ok());
    }

    #[test]
    fn two_buckets_reached_with_one_access_key_are_refused_unless_it_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let keys = |file: &str, id: &str| {
            let path = folder.path().join(file);
            let text = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = s3cret\n");
            std::fs::write(&path, text).unwrap();
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path.display().to_string()
        };
        let (one, same, other) = (keys("one", "AKIA1"), keys("same", "AKIA1"), keys("other", "AKIA2"));
        let told = |first: &str, second: &str, said: &str| {
            let bucket = |name: &str, file: &str| {
                format!(
                    "[[target]]\nname='{name}'\nkind='s3'\nbucket='{name}'\nendpoint='https://s3.example.org'\n\
                     credentials='file:{file}'\n"
                )
            };
            let text = format!("{said}{}{}", bucket("a", first), bucket("b", second));
            super::one_account(&read(&text).unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let refused = told(&one, &same, "");
        assert_eq!(refused.len(), 1);
        assert!(refused[0].contains("targets a and b of policy default have one access key"), "{refused:?}");
        assert!(!refused[0].contains("s3cret"));
        assert!(told(&one, &other, "").is_empty());
        assert!(told(&one, &same, "i_accept_copies_on_one_credential = true\n").is_empty());
    }
}
