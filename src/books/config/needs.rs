//! What the service needs of its host, as the configuration says it: folders that it writes, what it reads, credentials.
//!
//! - Everything that the configuration names by a path is in this list, so that drop-ins, `check-config`, `doctor` and the
//!   start of the daemon cannot mean different things by it; a test holds it against the table of keys.

use super::{Config, SYSTEM_FILE};
use crate::worlds::net::Reaching;
use crate::worlds::net::credentials::Access;
use crate::worlds::outlet::places::OutAt;
use crate::worlds::post::Webhook;
use crate::worlds::source::configured::{AfterKept, Place, SourceConfig};
use std::path::{Path, PathBuf};

/// What the service does with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It writes into this folder.
    Writes,
    /// It reads what lies in this folder.
    Reads,
    /// It reads this file, or runs it.
    ReadsFile,
}

/// A path that the service needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it is: `target vault-a`, `the ledger`.
    pub what: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What is done there.
    pub used: Use,
    /// Only by the daemon; no job has anything to do there.
    pub daemon_only: bool,
}

/// A credential that systemd hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Its name.
    pub name: String,
    /// The file that it is taken from, where nothing else is said.
    pub file: PathBuf,
    /// What it is for.
    pub used_by: String,
}

/// All that the service needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Paths, in the order of the configuration's tables; each once.
    pub paths: Vec<Need>,
    /// Credentials, each once.
    pub credentials: Vec<Handed>,
    /// Where the files lie that credentials are taken from.
    pub folder: PathBuf,
}

impl Needs {
    /// What the service of this configuration needs.
    pub fn of(config: &Config) -> Needs {
        Needs::with_file(config, config.file.as_deref().unwrap_or(Path::new(SYSTEM_FILE)))
    }

    /// What a service needs that finds this configuration in this file: one that is checked before it is put there lies
    /// elsewhere.
    pub fn with_file(config: &Config, file: &Path) -> Needs {
        let file = super::build::absolute(file);
        let folder = file.parent().unwrap_or(Path::new("/")).join("credentials");
        let mut needs = Needs { folder, ..Needs::default() };
        needs.file("the configuration", config.file.is_some().then_some(&file));
        needs.own(config);
        for volume in &config.staging {
            needs.writes(&format!("staging volume {}", volume.name), volume.folder());
        }
        for target in &config.targets {
            let what = format!("target {}", target.name);
            needs.writes(&what, target.folder());
            if let Some(bucket) = target.bucket() {
                needs.access(&what, &bucket.place.access);
                needs.reaching(&what, &bucket.reaching);
            }
        }
        config.sources.iter().for_each(|source| needs.source(source));
        needs.reads("the inbox", config.serve.inbox.as_deref());
        for place in &config.restoring.places {
            let what = format!("place {}", place.name);
            match &place.at {
                OutAt::Folder(path) => needs.writes(&what, Some(path)),
                OutAt::Bucket(bucket) => {
                    needs.access(&what, &bucket.place.access);
                    needs.reaching(&what, &bucket.reaching);
                }
            }
        }
        needs.reaching("the network", &config.network);
        needs.notices(config);
        needs
    }

    fn own(&mut self, config: &Config) {
        self.writes("the data folder", Some(&config.data));
        self.writes("the ledger", Some(&config.ledger));
        self.writes("the ledger's mirror", config.mirror.as_deref());
        let socket = config.serve.socket.parent();
        self.add("the socket's folder", socket, Use::Writes, true);
    }

    fn source(&mut self, source: &SourceConfig) {
        let what = format!("source {}", source.name);
        match &source.place {
            // What is kept leaves the folder, or stays.
            Place::Folder { path } if source.after_kept == AfterKept::Leave => self.reads(&what, Some(path)),
            Place::Folder { path } => self.writes(&what, Some(path)),
            Place::Web { access, .. } => self.access(&what, access),
            Place::Bucket(bucket) => self.access(&what, &bucket.access),
        }
        self.reaching(&what, &source.reaching);
    }

    fn notices(&mut self, config: &Config) {
        let notice = &config.notice;
        self.file("the command for notices", notice.command.first().map(Path::new));
        let credentials = match &notice.webhook {
            None => return,
            Some(Webhook::At { credentials, .. }) => credentials,
            Some(Webhook::Within { address, credentials }) => {
                self.access("the webhook", address);
                credentials
            }
        };
        if let Some(access) = credentials {
            self.access("the webhook", access);
        }
        self.reaching("the webhook", &notice.reaching);
    }

    fn access(&mut self, what: &str, access: &Access) {
        match access {
            Access::File { path, .. } => self.file(&format!("credentials of {what}"), Some(path)),
            Access::Systemd { name, .. } => {
                match self.credentials.iter_mut().find(|known| known.name == *name) {
                    Some(known) if !known.used_by.split(", ").any(|one| one == what) => {
                        known.used_by = format!("{}, {what}", known.used_by);
                    }
                    Some(_) => {}
                    None => {
                        let file = self.folder.join(name);
                        self.credentials.push(Handed { name: name.clone(), file, used_by: what.into() });
                    }
                }
            }
            _ => {}
        }
    }

    fn reaching(&mut self, what: &str, reaching: &Reaching) {
        self.file(&format!("certificates of {what}"), reaching.ca_file.as_deref());
    }

    fn writes(&mut self, what: &str, path: Option<&Path>) {
        self.add(what, path, Use::Writes, false);
    }

    fn reads(&mut self, what: &str, path: Option<&Path>) {
        self.add(what, path, Use::Reads, false);
    }

    fn file(&mut self, what: &str, path: Option<&Path>) {
        self.add(what, path, Use::ReadsFile, false);
    }

    fn add(&mut self, what: &str, path: Option<&Path>, used: Use, daemon_only: bool) {
        let Some(path) = path.filter(|path| path.is_absolute()) else { return };
        if self.paths.iter().all(|known| known.path != path || known.used != used) {
            self.paths.push(Need { what: what.into(), path: path.to_path_buf(), used, daemon_only });
        }
    }

    /// Folders, without the files.
    pub fn folders(&self) -> impl Iterator<Item = &Need> {
        self.paths.iter().filter(|need| need.used != Use::ReadsFile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::config::keys::{KEYS, Shape};
    use crate::books::config::tests::told as read;

    /// Every table with every key that is a path or says where a secret is.
    const ALL: &str = "data='/p/data'\n[ledger]\npath='/p/ledger'\nmirror='/p/mirror'\n\
        [[staging]]\nname='s'\npath='/p/staging'\n[[target]]\nname='a'\npath='/p/target'\n\
        [[target]]\nname='b'\nkind='s3'\nbucket='x'\ncredentials='systemd:keys#b'\nca_file='/p/target-ca'\n\
        [[depositor]]\nname='uva.edu'\n\
        [[source]]\nname='drop'\npath='/p/source'\nafter_kept='delete'\n\
        [[source]]\nname='look'\npath='/p/look'\n\
        [[source]]\nname='web'\nkind='http'\nurl='https://x.org/'\ncredentials='systemd:web'\nca_file='/p/source-ca'\n\
        [network]\nca_file='/p/network-ca'\n[[place]]\nname='desk'\npath='/p/place'\n\
        [[place]]\nname='far'\nkind='s3'\nbucket='y'\ncredentials='file:/p/place-keys'\nca_file='/p/place-ca'\n\
        [socket]\npath='/p/run/socket'\n[serve]\ninbox='/p/inbox'\n\
        [notice]\ncommand=['/p/tell','x']\nwebhook='systemd:hook'\nwebhook_credentials='systemd:keys'\nca_file='/p/notice-ca'\n";

    #[test]
    fn every_path_of_the_table_of_keys_is_needed() {
        let needs = Needs::of(&read(ALL).unwrap());
        let text = ALL.replace('\n', " ");
        for key in KEYS.iter().filter(|key| key.shape == Shape::Path) {
            let name = key.path.rsplit('.').next().unwrap();
            assert!(
                text.contains(&format!("{name}='/p/")),
                "{} is not in this test's configuration",
                key.path
            );
        }
        let paths = ALL.split('\'').filter(|part| part.starts_with("/p/") || part.starts_with("file:/p/"));
        for path in paths {
            let path = Path::new(path.trim_start_matches("file:"));
            let known = |need: &Need| need.path == path || path.parent() == Some(&need.path);
            assert!(needs.paths.iter().any(known), "{}", path.display());
        }
    }

    #[test]
    fn what_is_written_and_what_is_only_read_are_told_apart() {
        let needs = Needs::of(&read(ALL).unwrap());
        let of = |used: Use| -> Vec<&str> {
            needs
                .paths
                .iter()
                .filter(|need| need.used == used)
                .map(|need| need.path.to_str().unwrap())
                .collect()
        };
        assert_eq!(
            of(Use::Writes),
            [
                "/p/data",
                "/p/ledger",
                "/p/mirror",
                "/p/run",
                "/p/staging",
                "/p/target",
                "/p/source",
                "/p/place"
            ]
        );
        assert_eq!(of(Use::Reads), ["/p/look", "/p/inbox"]);
        assert!(of(Use::ReadsFile).contains(&"/etc/strongroom/strongroom.toml"));
    }

    #[test]
    fn a_credential_is_named_once_with_all_that_it_is_for_and_lies_beside_the_configuration() {
        let needs = Needs::of(&read(ALL).unwrap());
        let told: Vec<String> = needs
            .credentials
            .iter()
            .map(|one| format!("{} {} {}", one.name, one.file.display(), one.used_by))
            .collect();
        let folder = "/etc/strongroom/credentials";
        assert_eq!(
            told,
            [
                format!("keys {folder}/keys target b, the webhook"),
                format!("web {folder}/web source web"),
                format!("hook {folder}/hook the webhook")
            ]
        );
    }
}
