//! The lock of a target in a bucket: an object that who works there renews.
//!
//! - It names ledger, machine and process. The same ledger takes it over at once: only one process has a ledger.
//! - Another ledger gets it when it was given back, or not renewed for a while by the store's own clock.
//! - Who finds that it was taken stops writing.

use super::abilities::Abilities;
use super::objects::If;
use super::talk::{Stretch, Talk};
use super::{TEXT_MAX, json};
use crate::rules::http;
use crate::worlds::net::client::Method;
use crate::worlds::s3::Details;
use crate::worlds::target::TargetError;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const KEY: &str = "work/lock.json";
/// It is renewed when it was not for so long, by whoever writes.
const RENEW: Duration = Duration::from_secs(60);
/// Not renewed for so long, whoever held it is taken to be gone.
const GONE: i64 = 600;
/// Where a store knows no conditions: two that write at once have both written after this.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lock {
    ledger: String,
    host: String,
    process: u32,
    /// Another for each opening.
    opening: String,
}

/// The lock while it is held.
pub struct Lease {
    own: Lock,
    held: Mutex<Held>,
}

struct Held {
    tag: String,
    renewed: Instant,
    lost: Option<String>,
}

impl Lease {
    /// Takes the lock, or says who has it.
    pub fn take(talk: &Arc<Talk>, ledger: &str, abilities: &Abilities) -> Result<Lease, TargetError> {
        let own = Lock {
            ledger: ledger.into(),
            host: host(),
            process: std::process::id(),
            opening: format!("{}-{:x}", talk.clock.now(), (talk.clock.jitter() * 4e9) as u64),
        };
        let found = talk.get(KEY, TEXT_MAX)?;
        let other = found.as_ref().and_then(|(text, _)| serde_json::from_slice::<Lock>(text).ok());
        let of_another = other.as_ref().filter(|other| other.ledger != ledger);
        if let Some(other) = of_another {
            let age = age(talk)?;
            if age < GONE {
                let why = format!(
                    "the ledger {} on {} (process {}) works on this target; it said so {age} s ago, and counts as gone \
                     after {GONE} s",
                    other.ledger, other.host, other.process
                );
                return Err(talk.io(KEY, why));
            }
            log::warn!(
                "target {}: the ledger {} left its lock behind; it is taken over",
                talk.target,
                other.ledger
            );
        }
        let only = match &found {
            Some((_, tag)) if abilities.if_is => If::Is(tag),
            None if abilities.if_new => If::New,
            _ => If::Any,
        };
        let tag = own.write(talk, abilities, only)?;
        if !abilities.if_new && other.is_none_or(|other| other.ledger != ledger) {
            std::thread::sleep(SETTLE);
        }
        let lease = Lease { own, held: Mutex::new(Held { tag, renewed: Instant::now(), lost: None }) };
        lease.look(talk)?;
        Ok(lease)
    }

    /// An error when somebody else holds it now; renews it now and then.
    pub fn hold(&self, talk: &Arc<Talk>, abilities: &Abilities) -> Result<(), TargetError> {
        let mut held = self.held.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(why) = &held.lost {
            return Err(talk.io(KEY, why.clone()));
        }
        if held.renewed.elapsed() < RENEW {
            return Ok(());
        }
        if let Err(error) = self.look(talk) {
            if let TargetError::Io { why, .. } = &error
                && why.starts_with(TAKEN)
            {
                held.lost = Some(why.clone());
            }
            return Err(error);
        }
        let only = if abilities.if_is { If::Is(&held.tag) } else { If::Any };
        held.tag = self.own.write(talk, abilities, only)?;
        held.renewed = Instant::now();
        Ok(())
    }

    fn look(&self, talk: &Arc<Talk>) -> Result<(), TargetError> {
        let found = talk.get(KEY, TEXT_MAX)?.and_then(|(text, _)| serde_json::from_slice::<Lock>(&text).ok());
        match found {
            Some(found) if found == self.own => Ok(()),
            Some(other) => {
                let why =
                    format!("{TAKEN} process {} of ledger {} on {}", other.process, other.ledger, other.host);
                Err(talk.io(KEY, why))
            }
            None => Err(talk.io(KEY, format!("{TAKEN} nobody knows whom: its lock is gone"))),
        }
    }

    /// Gives it back, if that goes at once: otherwise it is found to be old later.
    pub fn release(&self, talk: &Arc<Talk>) {
        if self.look(talk).is_ok() {
            let whole = format!("{}{KEY}", talk.prefix);
            let _ = talk.bucket.send(Method::Delete, Some(&whole), &Details::default());
        }
    }
}

const TAKEN: &str = "this target was taken over by";

impl Lock {
    fn write(&self, talk: &Arc<Talk>, abilities: &Abilities, only: If<'_>) -> Result<String, TargetError> {
        let text = json(self);
        match talk.put(KEY, Stretch::whole(&text), abilities.checksum, only, None) {
            Ok(tag) => Ok(tag),
            // Another took it at the same time; or an answer was lost, and it is ours.
            Err(no) if no.is_condition() => match talk.get(KEY, TEXT_MAX)? {
                Some((found, tag)) if found == text => Ok(tag),
                _ => Err(talk.io(KEY, "another process takes this target at the same time")),
            },
            Err(no) => Err(talk.told(KEY, no)),
        }
    }
}

/// Seconds since the lock was written, by the store's clock.
fn age(talk: &Arc<Talk>) -> Result<i64, TargetError> {
    let Some(head) = talk.head(KEY)? else { return Ok(i64::MAX) };
    let date = |name: &str| head.header(name).and_then(http::date).map(|at| at.as_second());
    match (date("last-modified"), date("date")) {
        (Some(written), now) => Ok(now.unwrap_or_else(|| talk.clock.now().as_second()) - written),
        // A store that does not say when: nobody can tell that it is old.
        (None, _) => Ok(0),
    }
}

/// Name of this machine.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "a machine without a name".into() } else { name.to_string() }
}
