//! How we prove who we are: where credentials come from, and reading them just before they are used.

use std::fmt;
use std::path::PathBuf;

/// Where credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// None are sent.
    Anonymous,
    /// What is there, in this order: environment, shared file, container, instance; none at all otherwise.
    #[default]
    Chain,
    /// The environment of the process.
    Environment,
    /// A file, and which profile of it.
    File {
        /// Where.
        path: PathBuf,
        /// Which part of it.
        profile: Option<String>,
    },
    /// A credential that systemd hands over (`LoadCredential=NAME:…`).
    Systemd {
        /// Its name.
        name: String,
        /// Which part of it.
        profile: Option<String>,
    },
    /// This profile of the shared file (`~/.aws/credentials`).
    Profile(String),
    /// The machine's own, from its cloud.
    Instance,
}

impl Access {
    /// Reads `anonymous`, `chain`, `environment`, `instance`, `profile:NAME`, `file:PATH`, `file:PATH#PROFILE`,
    /// `systemd:NAME`, `systemd:NAME#PROFILE`.
    pub fn parse(text: &str) -> Result<Access, String> {
        let (word, rest) = text.split_once(':').unwrap_or((text, ""));
        let part = |rest: &str| match rest.rsplit_once('#') {
            Some((before, profile)) if !profile.is_empty() => (before.to_string(), Some(profile.to_string())),
            _ => (rest.to_string(), None),
        };
        match (word, rest) {
            ("anonymous", "") => Ok(Access::Anonymous),
            ("chain", "") => Ok(Access::Chain),
            ("environment", "") => Ok(Access::Environment),
            ("instance", "") => Ok(Access::Instance),
            ("profile", name) if !name.is_empty() => Ok(Access::Profile(name.into())),
            ("file", rest) if !rest.is_empty() => {
                let (path, profile) = part(rest);
                Ok(Access::File { path: path.into(), profile })
            }
            ("systemd", rest) if !rest.is_empty() => {
                let (name, profile) = part(rest);
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
                if name.starts_with('.') || !name.chars().all(plain) {
                    return Err("the name of a systemd credential has letters, digits, and - _ . @ only".into());
                }
                Ok(Access::Systemd { name, profile })
            }
            _ => Err("it is none of anonymous, chain, environment, instance, profile:NAME, file:PATH and systemd:NAME; \
                 keys and passwords themselves do not belong into a configuration"
                .into()),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part =
            |profile: &Option<String>| profile.as_ref().map_or(String::new(), |name| format!("#{name}"));
        match self {
            Access::Anonymous => out.write_str("anonymous"),
            Access::Chain => out.write_str("chain"),
            Access::Environment => out.write_str("environment"),
            Access::Instance => out.write_str("instance"),
            Access::Profile(name) => write!(out, "profile:{name}"),
            Access::File { path, profile } => write!(out, "file:{}{}", path.display(), part(profile)),
            Access::Systemd { name, profile } => write!(out, "systemd:{name}{}", part(profile)),
        }
    }
}
