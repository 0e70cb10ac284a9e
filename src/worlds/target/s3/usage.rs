//! What is recorded of the space that a bucket's target takes; only where it has a quota.

use super::objects::{Go, If};
use super::{S3Target, TEXT_MAX, json};
use crate::worlds::target::TargetError;
use serde::{Deserialize, Serialize};

/// Where it lies.
const USAGE: &str = "work/usage.json";

/// What is recorded of the space that is taken.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Usage {
    pub(super) bytes: u64,
}

impl S3Target {
    pub(super) fn load_usage(&self) -> Result<(), TargetError> {
        if self.config.quota.is_none() {
            // From now on nobody counts: what is recorded would be taken for the truth when there is a quota again.
            return match self.talk.head(USAGE)? {
                Some(_) => self.talk.delete(USAGE),
                None => Ok(()),
            };
        }
        let known = self.talk.get(USAGE, TEXT_MAX)?.and_then(|(text, _)| serde_json::from_slice(&text).ok());
        let usage: Usage = match known {
            Some(usage) => usage,
            None => {
                // Once: from then on it is recorded.
                let mut usage = Usage::default();
                self.talk.list("", None, &mut |found| {
                    usage.bytes += found.bytes;
                    Go::On
                })?;
                usage
            }
        };
        *self.usage.lock().unwrap_or_else(|broken| broken.into_inner()) = usage;
        self.used(0)
    }

    /// Records that so many bytes more are taken, when there is a quota.
    pub(super) fn used(&self, bytes: u64) -> Result<(), TargetError> {
        if self.config.quota.is_none() {
            return Ok(());
        }
        let mut usage = self.usage.lock().unwrap_or_else(|broken| broken.into_inner());
        usage.bytes += bytes;
        let text = json(&*usage);
        self.put_text(USAGE, &text, If::Any).map(drop).map_err(|no| self.talk.told(USAGE, no))
    }

    /// Records that so many bytes are taken no more, when there is a quota.
    pub(super) fn freed(&self, bytes: u64) -> Result<(), TargetError> {
        {
            let mut usage = self.usage.lock().unwrap_or_else(|broken| broken.into_inner());
            usage.bytes = usage.bytes.saturating_sub(bytes);
        }
        self.used(0)
    }
}
