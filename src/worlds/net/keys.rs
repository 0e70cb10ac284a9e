//! Keys of a cloud: read from where the configuration says, renewed before they run out, kept in memory only.
//!
//! - Files and systemd credentials are read anew for every use, so that a rotated key counts at once.
//! - What a machine's cloud gives out is kept until shortly before it expires.
//! - Nothing is sent for keys to anywhere but the fixed places of the cloud's metadata.

use super::client::{Answer, Ask, Client, Method};
use super::credentials::{Access, read, systemd_path};
use super::secret::Secret;
use crate::rules::address::Address;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// Keys are renewed so long before they expire.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// A machine without keys of its own is not asked again so soon.
const NONE_FOR: SignedDuration = SignedDuration::from_mins(5);
/// Longest answer of the metadata.
const ANSWER_MAX: usize = 64 << 10;

/// Keys that sign requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Which key it is; no secret.
    pub id: String,
    /// What signs.
    pub secret: Secret,
    /// Proof that a temporary key was given out.
    pub token: Option<Secret>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where the keys of one source come from.
pub struct KeyRing {
    access: Access,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: Option<Keys>,
    none_until: Option<Timestamp>,
}

impl KeyRing {
    /// From there.
    pub fn new(access: Access) -> KeyRing {
        KeyRing { access, held: Mutex::default() }
    }

    /// The keys to sign with now; none for anonymous requests.
    pub fn keys(&self, now: Timestamp) -> Result<Option<Keys>, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        self.keys_by(now, &variable)
    }

    /// Forgets what is held: a service said that it is no longer good.
    pub fn forget(&self) {
        *self.lock() = Held::default();
    }

    fn keys_by(&self, now: Timestamp, variable: Variable<'_>) -> Result<Option<Keys>, String> {
        let required = |keys: Option<Keys>| match keys {
            Some(keys) => Ok(Some(keys)),
            None => Err(format!("there are no credentials by \"{}\"", self.access)),
        };
        match &self.access {
            Access::Anonymous => Ok(None),
            Access::Environment => required(of_environment(variable)),
            Access::File { path, profile } => {
                of_file(path, profile.as_deref().unwrap_or("default")).and_then(required)
            }
            Access::Systemd { name, profile } => {
                of_file(&systemd_path(name)?, profile.as_deref().unwrap_or("default")).and_then(required)
            }
            Access::Profile(profile) => {
                let path = shared_file(variable)
                    .ok_or("there is no home folder with a shared file of credentials")?;
                of_file(&path, profile).and_then(required)
            }
            Access::Instance => self.of_cloud(now, variable).and_then(required),
            Access::Chain => self.of_chain(now, variable),
        }
    }

    fn of_chain(&self, now: Timestamp, variable: Variable<'_>) -> Result<Option<Keys>, String> {
        if let Some(keys) = of_environment(variable) {
            return Ok(Some(keys));
        }
        if let Some(path) = shared_file(variable).filter(|path| path.exists()) {
            let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".into());
            if let Some(keys) = of_file(&path, &profile)? {
                return Ok(Some(keys));
            }
        }
        if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            && container(variable).is_none()
        {
            return Ok(None);
        }
        // Most machines are in no cloud: that nothing answers there means that there are no keys.
        Ok(self.of_cloud(now, variable).unwrap_or_default())
    }

    /// The keys that this machine, or its container, is given by its cloud.
    fn of_cloud(&self, now: Timestamp, variable: Variable<'_>) -> Result<Option<Keys>, String> {
        let mut held = self.lock();
        if let Some(keys) = &held.keys
            && keys.expires.is_none_or(|expires| now.duration_until(expires) > RENEW_BEFORE)
        {
            return Ok(Some(keys.clone()));
        }
        // Further off than ever we set it: the clock was set back since, and that may be years.
        if held.none_until.is_some_and(|until| now < until && now.duration_until(until) <= NONE_FOR) {
            return Ok(None);
        }
        let client = Client::for_metadata();
        let found = match container(variable) {
            Some(place) => of_container(&client, &place, variable),
            None => of_instance(&client, variable),
        };
        match found {
            Ok(keys) => {
                *held = Held { keys: Some(keys.clone()), none_until: None };
                Ok(Some(keys))
            }
            // Old keys that still hold are better than none.
            Err(why) => match &held.keys {
                Some(keys) if keys.expires.is_none_or(|expires| now < expires) => Ok(Some(keys.clone())),
                _ => {
                    held.none_until = now.checked_add(NONE_FOR).ok();
                    Err(why)
                }
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

fn of_environment(variable: Variable<'_>) -> Option<Keys> {
    let id = variable("AWS_ACCESS_KEY_ID")?;
    let secret = Secret::new(variable("AWS_SECRET_ACCESS_KEY")?);
    Some(Keys { id, secret, token: variable("AWS_SESSION_TOKEN").map(Secret::new), expires: None })
}

fn shared_file(variable: Variable<'_>) -> Option<PathBuf> {
    let named = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".aws/credentials")))
}

fn of_file(path: &Path, profile: &str) -> Result<Option<Keys>, String> {
    of_text(read(path)?.reveal(), profile).map_err(|why| format!("{}: {why}", path.display()))
}

/// Keys from a file as Amazon's tools write it, or from one line `ID:SECRET`.
fn of_text(text: &str, profile: &str) -> Result<Option<Keys>, String> {
    let lines =
        || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let mut all = lines();
    if let (Some(only), None) = (all.next(), all.next())
        && let Some((id, secret)) = only.split_once(':')
        && !only.starts_with('[')
    {
        return Ok(Some(Keys { id: id.into(), secret: Secret::new(secret), token: None, expires: None }));
    }
    let (mut within, mut is_there) = (profile == "default", false);
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            within = name.trim() == profile;
            is_there |= within;
        } else if within && let Some((name, value)) = line.split_once('=') {
            let value = value.trim();
            match name.trim() {
                "aws_access_key_id" => id = Some(value.to_string()),
                "aws_secret_access_key" => secret = Some(Secret::new(value)),
                "aws_session_token" => token = Some(Secret::new(value)),
                _ => {}
            }
        }
    }
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some(Keys { id, secret, token, expires: None })),
        (None, None) if !is_there => Ok(None),
        _ => Err(format!("profile {profile} lacks aws_access_key_id or aws_secret_access_key")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<Timestamp>,
}

fn of_json(text: &str) -> Result<Keys, String> {
    // The parser's words could quote what it read.
    let given: Given =
        serde_json::from_str(text).map_err(|_| "the cloud's metadata answers no keys".to_string())?;
    Ok(Keys {
        id: given.access_key_id,
        secret: Secret::new(given.secret_access_key),
        token: given.token.map(Secret::new),
        expires: given.expiration,
    })
}

/// Where a container's cloud gives out keys.
fn container(variable: Variable<'_>) -> Option<String> {
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let relative =
        relative.filter(|path| path.starts_with('/')).map(|path| format!("http://169.254.170.2{path}"));
    relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
}

fn of_container(client: &Client, place: &str, variable: Variable<'_>) -> Result<Keys, String> {
    let address = Address::parse(place)?;
    let near = ["169.254.170.2", "169.254.170.23", "127.0.0.1", "localhost", "[::1]", "[fd00:ec2::23]"];
    if !address.is_https() && !near.contains(&address.host()) {
        return Err(format!("keys are not asked of {} without TLS", address.host()));
    }
    let mut ask = Ask::new(Method::Get, address).as_it_is();
    let token = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(read(Path::new(&path))?.reveal().trim().to_string()),
        None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    if let Some(token) = token {
        ask = ask.own_header("authorization", token);
    }
    of_json(&text(client, ask)?)
}

/// By the second form of the instance's metadata, which cannot be had through a forged request.
fn of_instance(client: &Client, variable: Variable<'_>) -> Result<Keys, String> {
    let place =
        variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| "http://169.254.169.254".into());
    let at = |path: &str| Address::parse(&format!("{}/latest/{path}", place.trim_end_matches('/')));
    let ask = Ask::new(Method::Put, at("api/token")?).header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    let token = text(client, ask)?;
    let get = |path: &str| -> Result<String, String> {
        let ask = Ask::new(Method::Get, at(path)?).as_it_is();
        text(client, ask.own_header("x-aws-ec2-metadata-token", token.trim()))
    };
    let roles = "meta-data/iam/security-credentials/";
    let role = get(roles)?;
    let role = role.lines().next().unwrap_or_default().trim();
    if role.is_empty() || role.contains(['/', '?', '#']) {
        return Err("this machine has no role in its cloud".into());
    }
    of_json(&get(&format!("{roles}{role}"))?)
}

fn text(client: &Client, ask: Ask) -> Result<String, String> {
    let answer: Answer = client.send(ask).map_err(|error| format!("the cloud's metadata: {error}"))?;
    match answer.status() {
        200 => answer.into_text(ANSWER_MAX).map_err(|error| format!("the cloud's metadata: {error}")),
        _ => Err(format!("the cloud's metadata answers {}", answer.told())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::net::tiny::{Then, Tiny, answer};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_is_read_as_amazons_tools_write_it() {
        let text = "# comment\n[default]\naws_access_key_id = A\naws_secret_access_key=s=1\n\n[other]\n\
                    aws_access_key_id=B\naws_secret_access_key = s2\naws_session_token = t\n[half]\naws_access_key_id=C\n";
        let id = |profile| of_text(text, profile).map(|keys| keys.map(|keys| keys.id));
        assert_eq!(id("default"), Ok(Some("A".into())));
        assert_eq!(id("other"), Ok(Some("B".into())));
        assert_eq!(id("none"), Ok(None));
        assert!(id("half").unwrap_err().contains("profile half lacks"));
        let keys = of_text(text, "default").unwrap().unwrap();
        assert_eq!((keys.secret.reveal(), keys.token), ("s=1", None));
        assert!(!format!("{:?}", of_text(text, "other")).contains("s2"));
        let one = of_text("ID:SEC:RET\n", "default").unwrap().unwrap();
        assert_eq!((one.id.as_str(), one.secret.reveal()), ("ID", "SEC:RET"));
    }

    #[test]
    fn the_chain_takes_what_is_there_in_its_order_and_else_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        std::fs::write(&file, "[default]\naws_access_key_id=F\naws_secret_access_key=f\n").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let file = file.to_str().unwrap().to_string();
        let ring = KeyRing::new(Access::Chain);
        let found = |variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
            };
            ring.keys_by(at("2026-01-01T00:00:00Z"), &variable).unwrap().map(|keys| keys.id)
        };
        let off = ("AWS_EC2_METADATA_DISABLED", "true");
        let environment = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "e")];
        let shared = ("AWS_SHARED_CREDENTIALS_FILE", file.as_str());
        assert_eq!(found(&[environment[0], environment[1], shared, off]).as_deref(), Some("E"));
        assert_eq!(found(&[shared, off]).as_deref(), Some("F"));
        assert_eq!(found(&[shared, off, ("AWS_PROFILE", "none")]), None);
        assert_eq!(found(&[off]), None);
    }

    #[test]
    fn an_instances_keys_are_held_until_shortly_before_they_expire() {
        let tiny = Tiny::new(|asked, stream| {
            let expires = if asked.number < 3 { "2026-01-01T06:00:00Z" } else { "2026-01-01T12:00:00Z" };
            match (asked.method.as_str(), asked.path.as_str(), asked.header("x-aws-ec2-metadata-token")) {
                ("PUT", "/latest/api/token", None) => answer(stream, "200 OK", b"tok"),
                ("GET", "/latest/meta-data/iam/security-credentials/", Some("tok")) => {
                    answer(stream, "200 OK", b"role-1")
                }
                ("GET", "/latest/meta-data/iam/security-credentials/role-1", Some("tok")) => {
                    let json = format!(
                        "{{\"Code\":\"Success\",\"AccessKeyId\":\"I{}\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
                         \"Expiration\":\"{expires}\"}}",
                        asked.number
                    );
                    answer(stream, "200 OK", json.as_bytes());
                }
                _ => answer(stream, "401 Unauthorized", b""),
            }
            Then::Keep
        });
        let place = tiny.at("");
        let variable = |name: &str| (name == "AWS_EC2_METADATA_SERVICE_ENDPOINT").then(|| place.clone());
        let ring = KeyRing::new(Access::Instance);
        let id = |time: &str| ring.keys_by(at(time), &variable).unwrap().unwrap().id;
        assert_eq!(id("2026-01-01T00:00:00Z"), "I2");
        assert_eq!(id("2026-01-01T05:54:00Z"), "I2");
        assert_eq!(id("2026-01-01T05:56:00Z"), "I5");
        assert_eq!(tiny.asked().len(), 6);
        drop(tiny);
        assert_eq!(id("2026-01-01T11:58:00Z"), "I5", "old keys hold while the metadata is silent");
        ring.forget();
        assert!(ring.keys_by(at("2026-01-01T11:58:00Z"), &variable).is_err());
    }

    #[test]
    fn a_machine_without_keys_is_asked_again_in_time_also_when_its_clock_was_set_back() {
        let tiny = Tiny::new(|asked, stream| {
            match asked.number {
                0 => answer(stream, "503 x", b""),
                _ => answer(stream, "200 OK", b"{\"AccessKeyId\":\"C\",\"SecretAccessKey\":\"s\"}"),
            }
            Then::Keep
        });
        let place = tiny.at("/v2");
        let variable = |name: &str| (name == "AWS_CONTAINER_CREDENTIALS_FULL_URI").then(|| place.clone());
        let ring = KeyRing::new(Access::Instance);
        assert!(ring.keys_by(at("2036-01-01T00:00:00Z"), &variable).is_err());
        assert!(ring.keys_by(at("2036-01-01T00:04:00Z"), &variable).is_err());
        assert_eq!(tiny.asked().len(), 1, "not so soon");
        let keys = ring.keys_by(at("2026-01-01T00:00:00Z"), &variable);
        assert_eq!(keys.unwrap().unwrap().id, "C");
    }

    #[test]
    fn a_containers_keys_are_asked_of_near_places_only() {
        let tiny = Tiny::new(|asked, stream| {
            assert_eq!(asked.header("authorization"), Some("proof"));
            answer(stream, "200 OK", b"{\"AccessKeyId\":\"C\",\"SecretAccessKey\":\"s\"}");
            Then::Keep
        });
        let keys = |place: String| {
            let variable = move |name: &str| match name {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI" => Some(place.clone()),
                "AWS_CONTAINER_AUTHORIZATION_TOKEN" => Some("proof".into()),
                _ => None,
            };
            KeyRing::new(Access::Instance).keys_by(Timestamp::UNIX_EPOCH, &variable)
        };
        assert_eq!(keys(tiny.at("/v2")).unwrap().unwrap().id, "C");
        assert!(keys("http://192.0.1.1/v2".into()).unwrap_err().contains("without TLS"));
    }
}
