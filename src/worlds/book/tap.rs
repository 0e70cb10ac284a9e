//! Which rows change while all of them are copied.
//!
//! - A tap is open for one copying at a time. Every commit whose rows enter the index while it is open is noted.
//! - Memory is bounded by the number of keys; beyond it the copying fails and may be tried again.

use super::{BookError, Write};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

/// Keys that may change while the rows are copied.
const KEYS_MAX: usize = 1_000_000;

/// Notes changed keys while it is open.
#[derive(Default)]
pub(super) struct Tap {
    keys: Mutex<Option<BTreeSet<String>>>,
}

/// An open tap; dropped, it is closed.
pub(super) struct Open<'a>(&'a Tap);

impl Tap {
    /// Opens it, unless somebody has it open.
    pub fn open(&self) -> Result<Open<'_>, BookError> {
        let mut keys = self.lock();
        if keys.is_some() {
            return Err(BookError::Busy { holder: "another copying of its rows".into() });
        }
        *keys = Some(BTreeSet::new());
        Ok(Open(self))
    }

    /// Notes what a commit changes. The caller keeps others from reading the index meanwhile.
    pub fn note(&self, batch: &[Write]) {
        if let Some(keys) = self.lock().as_mut() {
            for write in batch {
                let (Write::Put(key, _) | Write::Delete(key)) = write;
                if keys.len() <= KEYS_MAX {
                    keys.insert(key.clone());
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<String>>> {
        self.keys.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Open<'_> {
    /// What was noted so far. The caller keeps others from committing meanwhile.
    pub fn noted(&self) -> Result<BTreeSet<String>, BookError> {
        let keys = self.0.lock().as_mut().map(std::mem::take).unwrap_or_default();
        match keys.len() > KEYS_MAX {
            true => Err(BookError::Busy { holder: format!("more than {KEYS_MAX} changes at once") }),
            false => Ok(keys),
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}
