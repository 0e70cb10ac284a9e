//! Units of systemd: what their files say, and what a service may therefore read and write.
//!
//! - Only what decides about files is read; of everything else nothing is said.
//! - Where two settings speak of one path, the one that names more of it holds, as in systemd's own mount namespace; what is
//!   inaccessible stays so, whatever is named below it.

pub mod text;

use std::path::{Path, PathBuf};
use text::{Setting, expand, parts, words};

/// What the service may do with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum May {
    /// Read and write.
    Write,
    /// Read.
    Read {
        /// The setting that forbids writing.
        by: String,
    },
    /// Nothing: it does not see what lies there.
    Nothing {
        /// The setting that hides it.
        by: String,
    },
}

/// What a path is to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Writable,
    ReadOnly,
    /// Not there at all, nor anything below it.
    Inaccessible,
    /// Something empty lies over it.
    Covered,
    /// Brought back from below what covers it.
    Bound(bool),
}

/// A rule about a path, and the setting that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct About {
    path: PathBuf,
    rule: Rule,
    by: String,
}

/// What the files of a unit say about files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// `strongroom.service`, or the template `strongroom-job@.service`.
    pub name: String,
    /// Whose it runs as; nobody named: root.
    pub user: Option<String>,
    /// With which group.
    pub group: Option<String>,
    /// Names of credentials that it hands over; one that ends with `*` stands for many.
    pub credentials: Vec<String>,
    /// Paths whose mounts it waits for.
    pub mounts_for: Vec<PathBuf>,
    /// What it starts.
    pub command: Vec<String>,
    /// The folder it starts in.
    pub working: Option<PathBuf>,
    /// The setting that gives it another root folder: then nothing can be said about paths.
    pub other_root: Option<String>,
    own: Vec<About>,
    listed: Vec<About>,
    system: String,
    home: String,
    tmp: bool,
}

/// Folders that homes lie in.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// Folders that a private /tmp takes the place of.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

impl Unit {
    /// What these texts, fragment first and then drop-ins in their order, say of the unit.
    pub fn read(name: &str, texts: &[String]) -> Unit {
        let mut unit = Unit { name: name.to_string(), ..Unit::default() };
        for setting in texts.iter().flat_map(|text| text::settings(text)) {
            match setting.section.as_str() {
                "Service" => unit.take(&setting),
                "Unit" if setting.key == "RequiresMountsFor" => {
                    let found = unit.paths(&setting.value).into_iter().map(|(path, _)| path);
                    unit.mounts_for.extend(found);
                }
                _ => {}
            }
        }
        unit
    }

    fn take(&mut self, setting: &Setting) {
        let value = setting.value.as_str();
        let text = || Some(value.to_string()).filter(|value| !value.is_empty());
        match setting.key.as_str() {
            "User" => self.user = text(),
            "Group" => self.group = text(),
            "WorkingDirectory" => self.working = Some(PathBuf::from(value)).filter(|path| path.is_absolute()),
            "ExecStart" => self.command = words(value.trim_start_matches(['-', '@', ':', '+', '!'])),
            "ProtectSystem" => self.system = value.to_string(),
            "ProtectHome" => self.home = value.to_string(),
            "PrivateTmp" => self.tmp = is_true(value) || value == "disconnected",
            "DynamicUser" if is_true(value) => {
                self.system = "strict".into();
                self.home = "read-only".into();
                self.tmp = true;
            }
            "RootDirectory" | "RootImage" => {
                self.other_root = text().map(|value| format!("{}={value}", setting.key));
            }
            "StateDirectory" => self.owned(setting, "/var/lib"),
            "CacheDirectory" => self.owned(setting, "/var/cache"),
            "LogsDirectory" => self.owned(setting, "/var/log"),
            "RuntimeDirectory" => self.owned(setting, "/run"),
            "ReadWritePaths" | "ReadWriteDirectories" => self.list(setting, &Rule::Writable),
            "ReadOnlyPaths" | "ReadOnlyDirectories" => self.list(setting, &Rule::ReadOnly),
            "InaccessiblePaths" | "InaccessibleDirectories" => self.list(setting, &Rule::Inaccessible),
            "TemporaryFileSystem" => self.list(setting, &Rule::Covered),
            "BindPaths" => self.list(setting, &Rule::Bound(true)),
            "BindReadOnlyPaths" => self.list(setting, &Rule::Bound(false)),
            "LoadCredential"
            | "LoadCredentialEncrypted"
            | "SetCredential"
            | "SetCredentialEncrypted"
            | "ImportCredential" => match value.split(':').next().filter(|name| !name.is_empty()) {
                Some(name) => self.credentials.extend(expand(name, &self.name)),
                None => self.credentials.clear(),
            },
            _ => {}
        }
    }

    /// Paths of a value, and the same as they stand there; those with specifiers that are not known here are left out.
    fn paths(&self, value: &str) -> Vec<(PathBuf, String)> {
        let path = |word: String| {
            let plain = word.trim_start_matches(['-', '+']);
            let path = PathBuf::from(expand(plain, &self.name)?);
            path.is_absolute().then(|| (path.components().collect(), word.clone()))
        };
        words(value).into_iter().filter_map(path).collect()
    }

    fn owned(&mut self, setting: &Setting, below: &str) {
        self.own
            .retain(|about| !about.by.starts_with(&format!("{}=", setting.key)) || !setting.value.is_empty());
        for name in words(&setting.value).iter().filter_map(|word| expand(word, &self.name)) {
            let name = name.split(':').next().unwrap_or_default().to_string();
            let by = format!("{}={name}", setting.key);
            self.own.push(About { path: Path::new(below).join(name), rule: Rule::Writable, by });
        }
    }

    fn list(&mut self, setting: &Setting, rule: &Rule) {
        if setting.value.is_empty() {
            self.listed.retain(|about| about.rule != *rule);
        }
        let found = match rule {
            // The last part that is a path is where it is seen; what follows are options.
            Rule::Bound(_) => parts(&setting.value)
                .into_iter()
                .filter_map(|parts| parts.into_iter().take(2).rfind(|part| part.contains('/')))
                .flat_map(|part| self.paths(&quoted(&part)))
                .collect(),
            Rule::Covered => parts(&setting.value)
                .into_iter()
                .filter_map(|parts| parts.into_iter().next())
                .flat_map(|part| self.paths(&quoted(&part)))
                .collect(),
            _ => self.paths(&setting.value),
        };
        let about = |(path, word)| About { path, rule: rule.clone(), by: format!("{}={word}", setting.key) };
        self.listed.extend(found.into_iter().map(about));
    }

    /// The same unit with the paths that links lead to: that is what the kernel looks at.
    pub fn resolved(mut self, real: &dyn Fn(&Path) -> PathBuf) -> Unit {
        self.own.iter_mut().chain(&mut self.listed).for_each(|about| about.path = real(&about.path));
        self
    }

    /// The same unit without the paths that it was given leave for.
    pub fn without_leave(mut self) -> Unit {
        self.listed.retain(|about| !matches!(about.rule, Rule::Writable | Rule::Bound(_)));
        self.mounts_for.clear();
        self
    }

    /// What the service may do with this path.
    pub fn may(&self, path: &Path) -> May {
        let rules = self.rules();
        let holds = |about: &&About| path.starts_with(&about.path);
        let longest = |of: &dyn Fn(&Rule) -> bool| {
            // Of two that are equally long the first holds: what forbids stands before what allows.
            let depth = |about: &About| about.path.components().count();
            rules
                .iter()
                .filter(|about| of(&about.rule))
                .filter(holds)
                .reduce(|best, one| if depth(one) > depth(best) { one } else { best })
        };
        if let Some(about) = longest(&|rule| *rule == Rule::Inaccessible) {
            return May::Nothing { by: about.by.clone() };
        }
        let bound = longest(&|rule| matches!(rule, Rule::Bound(_)));
        if let Some(cover) = longest(&|rule| *rule == Rule::Covered)
            && bound.is_none_or(|bound| !bound.path.starts_with(&cover.path))
        {
            return May::Nothing { by: cover.by.clone() };
        }
        match longest(&|rule| matches!(rule, Rule::Writable | Rule::ReadOnly | Rule::Bound(_))) {
            Some(About { rule: Rule::ReadOnly | Rule::Bound(false), by, .. }) => May::Read { by: by.clone() },
            _ => May::Write,
        }
    }

    /// True when it lies in a folder that the unit itself makes for the service.
    pub fn owns(&self, path: &Path) -> bool {
        self.own.iter().any(|about| path.starts_with(&about.path))
    }

    /// True when the mounts that this path lies on are waited for.
    pub fn waits_for(&self, path: &Path) -> bool {
        // systemd adds the mounts of the folders that it makes for the service by itself.
        let own = self.own.iter().map(|about| &about.path);
        own.chain(&self.mounts_for).any(|waited| waited.starts_with(path))
    }

    /// True when it hands over a credential of this name.
    pub fn hands_over(&self, name: &str) -> bool {
        self.credentials.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => known == name,
        })
    }

    /// The configuration file that it names, if it names one.
    pub fn config(&self) -> Option<PathBuf> {
        let mut words = self.command.iter();
        while let Some(word) = words.next() {
            if word == "--config" {
                return words.next().map(PathBuf::from);
            }
            if let Some(path) = word.strip_prefix("--config=") {
                return Some(path.into());
            }
        }
        None
    }

    /// All rules; what forbids stands before what allows.
    fn rules(&self) -> Vec<About> {
        let about = |path: &str, rule: Rule, by: &str| About { path: path.into(), rule, by: by.to_string() };
        let mut rules = Vec::new();
        let home = format!("ProtectHome={}", self.home);
        let of_home = match self.home.as_str() {
            "tmpfs" => Some(Rule::Covered),
            "read-only" => Some(Rule::ReadOnly),
            word if is_true(word) => Some(Rule::Inaccessible),
            _ => None,
        };
        rules.extend(of_home.iter().flat_map(|rule| HOMES.map(|path| about(path, rule.clone(), &home))));
        if self.tmp {
            rules.extend(TEMPORARY.map(|path| about(path, Rule::Covered, "PrivateTmp=yes")));
        }
        let system = format!("ProtectSystem={}", self.system);
        let system_paths: &[&str] = match self.system.as_str() {
            "strict" => &["/"],
            "full" => &["/usr", "/boot", "/efi", "/etc"],
            word if is_true(word) => &["/usr", "/boot", "/efi"],
            _ => &[],
        };
        rules.extend(system_paths.iter().map(|path| about(path, Rule::ReadOnly, &system)));
        let forbids = |about: &&About| !matches!(about.rule, Rule::Writable | Rule::Bound(_));
        rules.extend(self.listed.iter().filter(forbids).cloned());
        rules.extend(self.listed.iter().filter(|about| !forbids(about)).cloned());
        rules.extend(self.own.iter().cloned());
        rules
    }
}

fn is_true(word: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].contains(&word.to_ascii_lowercase().as_str())
}

/// A word that was taken apart, so that it is read as one word again.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: &str = "[Service]\nUser=strongroom\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\n\
                          StateDirectory=strongroom\nRuntimeDirectory=strongroom\n\
                          ExecStart=/usr/bin/strongroom --config /etc/strongroom/strongroom.toml serve\n";

    fn unit(more: &str) -> Unit {
        Unit::read("strongroom.service", &[STRICT.into(), format!("[Service]\n{more}")])
    }

    fn may(unit: &Unit, path: &str) -> String {
        match unit.may(Path::new(path)) {
            May::Write => "write".into(),
            May::Read { by } => format!("read: {by}"),
            May::Nothing { by } => format!("nothing: {by}"),
        }
    }

    #[test]
    fn the_rule_that_names_more_of_a_path_holds() {
        let table = [
            ("", "/srv/a", "read: ProtectSystem=strict"),
            ("", "/var/lib/strongroom/ledger", "write"),
            ("", "/var/lib/strongroomer", "read: ProtectSystem=strict"),
            ("", "/run/strongroom/admin.sock", "write"),
            ("", "/home/anna/x", "nothing: ProtectHome=yes"),
            ("", "/root", "nothing: ProtectHome=yes"),
            ("", "/var/tmp/x", "nothing: PrivateTmp=yes"),
            ("ReadWritePaths=/srv/a -/srv/b", "/srv/a/deep", "write"),
            ("ReadWritePaths=/srv/a -/srv/b", "/srv/b", "write"),
            ("ReadWritePaths=/srv/a", "/srv/ab", "read: ProtectSystem=strict"),
            ("ReadWritePaths=/srv\nReadOnlyPaths=/srv/a", "/srv/a/x", "read: ReadOnlyPaths=/srv/a"),
            ("ReadWritePaths=/srv/a\nReadWritePaths=", "/srv/a", "read: ProtectSystem=strict"),
            ("ReadWritePaths=/home/x", "/home/x", "nothing: ProtectHome=yes"),
            ("ProtectHome=tmpfs\nBindPaths=/home/x", "/home/x/y", "write"),
            ("ProtectHome=tmpfs\nBindReadOnlyPaths=/home/x", "/home/x/y", "read: BindReadOnlyPaths=/home/x"),
            ("ProtectHome=tmpfs\nReadWritePaths=/home/x", "/home/x", "nothing: ProtectHome=tmpfs"),
            ("ProtectHome=read-only", "/home/x", "read: ProtectHome=read-only"),
            ("ProtectHome=no\nProtectSystem=full", "/home/x", "write"),
            ("ProtectSystem=full", "/etc/x", "read: ProtectSystem=full"),
            ("ProtectSystem=yes", "/etc/x", "write"),
            ("BindPaths=\"/tmp/with space\"", "/tmp/with space/x", "write"),
            ("BindPaths=/mnt/disk:/srv/seen:norbind", "/srv/seen/x", "write"),
            ("InaccessiblePaths=/srv/no", "/srv/no/x", "nothing: InaccessiblePaths=/srv/no"),
            ("TemporaryFileSystem=/srv:ro", "/srv/x", "nothing: TemporaryFileSystem=/srv"),
            ("ReadWritePaths=%S/other \"/srv/50%%\"", "/srv/50%", "write"),
            ("ReadWritePaths=%S/other", "/var/lib/other", "write"),
            ("ReadWritePaths=%h/other", "/srv/other", "read: ProtectSystem=strict"),
        ];
        for (more, path, wanted) in table {
            assert_eq!(may(&unit(more), path), wanted, "{more:?} {path}");
        }
    }

    #[test]
    fn credentials_mounts_user_and_configuration_are_read() {
        let text = "[Unit]\nRequiresMountsFor=/srv/a/b \"/srv/c d\"\n[Service]\nLoadCredential=keys:/etc/x\n\
                    SetCredential=word:secret\nImportCredential=strongroom.*\nUser=archive\n";
        let unit = Unit::read("strongroom.service", &[STRICT.into(), text.into()]);
        for (name, wanted) in [("keys", true), ("word", true), ("strongroom.x", true), ("other", false)] {
            assert_eq!(unit.hands_over(name), wanted, "{name}");
        }
        for (path, wanted) in
            [("/srv/a", true), ("/srv/a/b", true), ("/srv/a/b/c", false), ("/srv/c d", true), ("/mnt", false)]
        {
            assert_eq!(unit.waits_for(Path::new(path)), wanted, "{path}");
        }
        assert_eq!(unit.user.as_deref(), Some("archive"));
        assert_eq!(unit.config().as_deref(), Some(Path::new("/etc/strongroom/strongroom.toml")));
        assert!(
            !Unit::read("x.service", &["[Service]\nLoadCredential=a:/b\nLoadCredential=\n".into()])
                .hands_over("a")
        );
    }

    #[test]
    fn links_are_followed_before_paths_are_held_against_each_other() {
        let real = |path: &Path| match path.strip_prefix("/srv/link") {
            Ok(rest) => Path::new("/mnt/disk").join(rest),
            Err(_) => path.to_path_buf(),
        };
        let unit = unit("ReadWritePaths=/srv/link").resolved(&real);
        assert_eq!(unit.may(Path::new("/mnt/disk/x")), May::Write);
    }
}
