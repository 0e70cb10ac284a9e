//! How we prove who we are: where credentials come from, and reading them just before they are used.

use super::secret::Secret;
use crate::rules::http::to_base64;
use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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

/// Longest file of credentials.
const FILE_MAX: u64 = 64 << 10;

/// The value of an `Authorization` header, from a file that holds `user:password` or `bearer TOKEN`.
pub fn authorization(access: &Access) -> Result<Option<Secret>, String> {
    let text = match access {
        Access::Anonymous | Access::Chain => return Ok(None),
        Access::File { path, .. } => read(path)?,
        Access::Systemd { name, .. } => read(&systemd_path(name)?)?,
        Access::Environment | Access::Profile(_) | Access::Instance => {
            return Err("credentials of a web server come from file:PATH or systemd:NAME".into());
        }
    };
    let line = text.reveal().lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let line = line.ok_or_else(|| format!("{access} holds no credentials"))?;
    if line.chars().any(char::is_control) {
        return Err(format!("{access} holds what cannot be sent"));
    }
    if let Some((word, token)) = line.split_once(' ')
        && word.eq_ignore_ascii_case("bearer")
    {
        return Ok(Some(Secret::new(format!("Bearer {}", token.trim()))));
    }
    if !line.contains(':') {
        return Err(format!("{access} holds neither \"user:password\" nor \"bearer TOKEN\""));
    }
    Ok(Some(Secret::new(format!("Basic {}", to_base64(line.as_bytes())))))
}

/// Where systemd put a credential.
pub fn systemd_path(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
    systemd_path_in(folder.map(PathBuf::from), name)
}

fn systemd_path_in(folder: Option<PathBuf>, name: &str) -> Result<PathBuf, String> {
    let path = folder.map(|folder| folder.join(name)).filter(|path| path.try_exists().unwrap_or(true));
    path.ok_or_else(|| {
        format!(
            "there is no credential {name}: systemd started this process without LoadCredential={name}, or did not \
             start it; strongroom setup unit --write, then daemon-reload and restart"
        )
    })
}

/// A file of credentials, which nobody else may read.
pub fn read(path: &Path) -> Result<Secret, String> {
    let failed =
        |error: std::io::Error| format!("credentials cannot be read from {}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.mode() & 0o007 != 0 {
        return Err(format!("{} may be read by everybody: chmod o= it first", path.display()));
    }
    let mut text = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_MAX {
        return Err(format!("{} is longer than credentials are", path.display()));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_was_not_handed_over_is_told_with_what_hands_it_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("keys"), "x:y").unwrap();
        let at = |folder: Option<&Path>, name| systemd_path_in(folder.map(Path::to_path_buf), name);
        assert_eq!(at(Some(folder.path()), "keys"), Ok(folder.path().join("keys")));
        for (folder, name) in [(Some(folder.path()), "other"), (None, "keys")] {
            let why = at(folder, name).unwrap_err();
            assert!(
                why.contains(&format!("LoadCredential={name}")) && why.contains("setup unit --write"),
                "{why}"
            );
        }
    }
}
