//! Burying: the object's declaration goes first, then its content, then its inventories; the tombstone comes last.
//!
//! ```text
//! work/<ledger>-<item>/v1/content/…      the tombstone's files, staged aside as of any version that is there already
//! 0=ocfl_object_1.1                      removed: no reader takes for whole what is not
//! v1/… v2/…                              removed page by page; then the root inventory and its sidecar
//! v1/… inventory.json … 0=ocfl_…         the tombstone, its declaration last
//! ```
//!
//! - The transaction's intent names the object's folder until the end, so that nobody takes what lies there for strays.
//! - Keys that cannot be removed are counted and passed over; as long as one is left the tombstone is not declared, for an
//!   object holds nothing that its inventory does not name.
//! - The logs of the object are the tombstone's from then on.

use super::intents::Staging;
use super::objects::Go;
use super::{S3Target, live};
use crate::rules::ocfl::layout::{self, INVENTORY, SIDECAR};
use crate::worlds::target::burial::{Burial, Buried, GoOn};
use crate::worlds::target::{TargetError, Txn};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Keys removed before it is asked whether to go on.
const PAGE: usize = 1_000;

/// Keys that a store failed at, other than by refusing, after which it is left alone until the next try.
const ILL: u64 = 32;

/// Versions whose sidecars are asked what a damaged object is.
const ASKED_MAX: usize = 16;

/// A page of keys that are being removed.
#[derive(Default)]
struct Page {
    told: Buried,
    freed: u64,
    ill: u64,
}

impl S3Target {
    pub(super) fn bury(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        let tombstone = &what.tombstone;
        let folder = live(tombstone.object);
        match self.look_at_head(tombstone.object) {
            Ok(Some((head, _))) if head.inventory_sha512 == tombstone.inventory_sha512 => {
                self.close_txn(txn)?;
                return Ok(Buried::default());
            }
            // Without a declaration: not there, or begun before.
            Ok(None) => {}
            Ok(Some((head, _))) if what.versions.contains(&head.inventory_sha512) => {}
            Ok(Some((head, _))) => {
                let why = format!(
                    "has version {} with inventory {}, which nobody gave up",
                    head.version, head.inventory_sha512
                );
                return Err(self.moved(tombstone.object, &why));
            }
            // It is damaged. What is given up is given up as it is, if it is what was meant.
            Err(TargetError::Io { .. }) if self.is_one_of(&folder, what.versions) => {}
            Err(error) => return Err(error),
        }
        // Whoever writes below this folder from now on must have the intent; it is taken before anything is removed.
        let open = self.open_txn(txn)?;
        // Nothing was there when it began, so the tombstone's own files lie at their final keys already.
        let mut staged = HashSet::new();
        if open.intent.staging == Staging::Final {
            self.each_content(tombstone, "v1/content/", &mut |path, _| {
                staged.insert(format!("{folder}/{path}"));
            })?;
        }
        self.talk.delete(&format!("{folder}/{}", layout::OBJECT_DECLARATION.0))?;
        let told = self.clear_object(&folder, &staged, go_on)?;
        if told.is_over() {
            let bytes = self.assemble(txn, tombstone)?;
            self.declare(tombstone)?;
            self.used(bytes)?;
            self.close_txn(txn)?;
        }
        Ok(told)
    }

    fn close_txn(&self, txn: &Txn) -> Result<(), TargetError> {
        match self.intents.of_item(txn).filter(|open| open.intent.fence <= txn.fence) {
            Some(open) => self.close(&open.intent),
            None => Ok(()),
        }
    }

    /// True when a sidecar of a damaged object names one of these inventories.
    fn is_one_of(&self, folder: &str, versions: &[String]) -> bool {
        let numbered = (1..=versions.len()).rev().take(ASKED_MAX).map(|number| format!("{folder}/v{number}"));
        let mut folders = std::iter::once(folder.to_string()).chain(numbered);
        folders.any(|folder| self.read_sidecar(&folder).is_ok_and(|digest| versions.contains(&digest)))
    }

    /// Removes everything of an object but its logs and what is staged; the root inventory and its sidecar last.
    fn clear_object(
        &self,
        folder: &str,
        staged: &HashSet<String>,
        go_on: GoOn<'_>,
    ) -> Result<Buried, TargetError> {
        let start = format!("{folder}/");
        if self.abilities.parts && self.abilities.uploads_listed {
            for (key, id) in self.talk.uploads(&start)? {
                self.talk.abort(&key, &id)?;
            }
        }
        let (logs, own) =
            (format!("{folder}/logs/"), [INVENTORY, SIDECAR].map(|name| format!("{folder}/{name}")));
        let mut told = Buried::default();
        let mut after: Option<String> = None;
        loop {
            // From behind the last page, not from the beginning: what cannot be removed is not met again.
            let mut keys = Vec::new();
            let from = after.take();
            self.talk.list(&start, from.as_deref(), &mut |found| {
                if found.key.starts_with(&logs) {
                    return Go::Past(logs.clone());
                }
                after = Some(found.key.clone());
                if !own.contains(&found.key) && !staged.contains(&found.key) {
                    keys.push((found.key, found.bytes));
                }
                if keys.len() < PAGE { Go::On } else { Go::Stop }
            })?;
            let last = keys.len() < PAGE;
            self.remove(keys, &mut told)?;
            if told.more || last {
                break;
            }
            if !go_on(told.removed) {
                told.more = true;
                break;
            }
        }
        if told.is_over() {
            let mut keys = Vec::new();
            for key in own {
                let size = self.talk.head(&key)?;
                let size = size.and_then(|head| head.header("content-length")?.trim().parse().ok());
                keys.extend(size.map(|bytes| (key, bytes)));
            }
            self.remove(keys, &mut told)?;
        }
        Ok(told)
    }

    /// Removes these keys, several at once; each is tried once.
    fn remove(&self, keys: Vec<(String, u64)>, told: &mut Buried) -> Result<(), TargetError> {
        let next = AtomicUsize::new(0);
        let page = Mutex::new(Page::default());
        let lock = || page.lock().unwrap_or_else(|broken| broken.into_inner());
        super::uploads::in_threads(keys.len().min(self.talk.connections), &|| {
            while let Some((key, bytes)) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                if lock().ill >= ILL {
                    break;
                }
                let removed = self.talk.delete(key);
                let mut page = lock();
                match removed {
                    Ok(()) => {
                        page.told.removed += 1;
                        page.freed += bytes;
                    }
                    Err(TargetError::Denied { why, .. }) => page.told.fail(key, why),
                    Err(error) => {
                        page.ill += 1;
                        page.told.fail(key, format!("{error:?}"));
                    }
                }
            }
            Ok::<(), TargetError>(())
        })?;
        let page = page.into_inner().unwrap_or_else(|broken| broken.into_inner());
        told.removed += page.told.removed;
        told.left += page.told.left;
        told.why = told.why.take().or(page.told.why);
        // A store that is ill is asked again later; until then more is left than was counted.
        told.more |= page.ill >= ILL;
        self.freed(page.freed)
    }
}
