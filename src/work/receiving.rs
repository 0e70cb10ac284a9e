//! Receiving: from what a source lists to items.
//!
//! - A key becomes an item once for every mark it has; what is known costs no question to the source.
//! - A key that changes while its item is on its way is taken by that item; the stages notice it. When the item rests, a
//!   changed key is a new item: the next version of the object, and in the place of one that was refused or is in trouble.
//! - What is not taken becomes an item, too, that says why; nothing is passed over silently.
//! - A deposit is moved or deleted at its source only once its item is kept, and only if it still is what was ingested.
//! - Memory is one page and eight bytes a key, whatever the source holds; a listing that is cut off is simply run again.
//! - What is known of keys that are no longer there is forgotten, but only by a listing that came to its end.

use crate::books::ledger::{LastScan, Ledger, LedgerError, Listing, NewItem, Seen, mark_of};
use crate::model::checkpoint::{Stage, Standing};
use crate::model::finding::escape;
use crate::model::item::{Asker, Deposit, Form, Item, ItemId};
use crate::model::trouble::{Kind, Trouble};
use crate::work::desk::bag_name;
use crate::worlds::World;
use crate::worlds::book::BookError;
use crate::worlds::source::{Disposal, Disposed, Listed, SourceError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the configuration says about receiving from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// The source's name.
    pub name: String,
    /// Where it is, for people.
    pub place: String,
    /// Whose deposits lie there.
    pub depositor: String,
    /// Policy of what is taken from there.
    pub policy: String,
    /// Endings of names that are taken.
    pub suffixes: Vec<String>,
    /// Endings of names that are still being written.
    pub temporary: Vec<String>,
    /// Bytes that one deposit may have.
    pub bytes_max: u64,
    /// What is done with a deposit once it is kept; nothing if absent.
    pub after_kept: Option<Disposal>,
    /// Deposits are read where they lie.
    pub in_place: bool,
    /// Pause between two listings; none by itself if absent.
    pub every: Option<Duration>,
}

/// Endings of names that go with another deposit: digests of it.
const SIDE_CARS: [&str; 4] = [".md5", ".sha1", ".sha256", ".sha512"];

/// Keys of one listing that are compared with what is known, at most: 32 MB.
const COMPARED_MAX: usize = 4_000_000;

/// Longest name of an item that is not taken, in bytes.
const NAME_MAX: usize = 240;

/// Why a source was not listed, or not to its end.
#[derive(Clone, Debug)]
pub enum ScanError {
    /// A person wants it left alone.
    Paused(String),
    /// It is being listed just now.
    Busy,
    /// The source did not give.
    Source(SourceError),
    /// The ledger failed.
    Ledger(LedgerError),
}

impl fmt::Display for ScanError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScanError::Paused(why) => out.write_str(why),
            ScanError::Busy => out.write_str("it is being listed just now"),
            ScanError::Source(error) => error.fmt(out),
            ScanError::Ledger(error) => error.fmt(out),
        }
    }
}

impl From<LedgerError> for ScanError {
    fn from(error: LedgerError) -> ScanError {
        ScanError::Ledger(error)
    }
}

/// Receives from the configured sources.
pub struct Receiving {
    listing: Mutex<BTreeMap<String, Timestamp>>,
    stop: AtomicBool,
}

impl Default for Receiving {
    fn default() -> Receiving {
        Receiving { listing: Mutex::new(BTreeMap::new()), stop: AtomicBool::new(false) }
    }
}

impl Receiving {
    /// Listings end after the page they are at.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Since when a source is being listed, if it is.
    pub fn listing_since(&self, name: &str) -> Option<Timestamp> {
        self.listing.lock().unwrap_or_else(|broken| broken.into_inner()).get(name).copied()
    }

    /// Lists a source to its end; new keys become items, which `ring` is told of, as of those that they replaced.
    pub fn scan(
        &self,
        ledger: &Ledger,
        intake: &Intake,
        asker: &Asker,
        ring: &dyn Fn(&Item),
    ) -> Result<LastScan, ScanError> {
        if let Some(paused) = ledger.source(&intake.name)?.paused {
            let why = format!("{} paused it at {}: {}", paused.by, paused.at, paused.reason);
            return Err(ScanError::Paused(why));
        }
        let began = ledger.world().clock.now();
        let _alone = Alone::with(&self.listing, &intake.name, began).ok_or(ScanError::Busy)?;
        let (told, listed) = (LastScan::default(), Some(Vec::new()));
        let mut scan = Scan { ledger, intake, asker, ring, told, listed };
        scan.told.at = Some(began);
        let ended = scan.run(&self.stop);
        let mut told = scan.told;
        told.trouble = ended.as_ref().err().map(ToString::to_string);
        ledger.change_source(&intake.name, &|row| {
            row.last = told.clone();
            match told.trouble {
                None => (row.listed, row.failing_since) = (Some(began), None),
                Some(_) => row.failing_since = row.failing_since.or(Some(began)),
            }
        })?;
        ended.map(|()| told)
    }
}

struct Alone<'a> {
    listing: &'a Mutex<BTreeMap<String, Timestamp>>,
    name: &'a str,
}

impl<'a> Alone<'a> {
    fn with(
        listing: &'a Mutex<BTreeMap<String, Timestamp>>,
        name: &'a str,
        began: Timestamp,
    ) -> Option<Alone<'a>> {
        let mut held = listing.lock().unwrap_or_else(|broken| broken.into_inner());
        if held.contains_key(name) {
            return None;
        }
        held.insert(name.to_string(), began);
        Some(Alone { listing, name })
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.listing.lock().unwrap_or_else(|broken| broken.into_inner()).remove(self.name);
    }
}

struct Scan<'a> {
    ledger: &'a Ledger,
    intake: &'a Intake,
    asker: &'a Asker,
    ring: &'a dyn Fn(&Item),
    told: LastScan,
    /// Marks of all keys; none when there are too many to compare.
    listed: Option<Vec<u64>>,
}

impl Scan<'_> {
    fn world(&self) -> &World {
        self.ledger.world()
    }

    fn run(&mut self, stop: &AtomicBool) -> Result<(), ScanError> {
        let mut after = None;
        loop {
            let page = self.world().source.list(&self.intake.name, after.as_deref());
            let page = page.map_err(ScanError::Source)?;
            self.told.pages += 1;
            for entry in &page.entries {
                self.told.keys += 1;
                self.told.bytes = self.told.bytes.saturating_add(entry.bytes);
                self.note_listed(&entry.key);
                self.take(entry)?;
            }
            match page.next {
                // A source that gives the same place again would keep us for ever.
                Some(next) if after.as_ref() != Some(&next) && !stop.load(Ordering::Relaxed) => {
                    after = Some(next);
                }
                Some(_) => return Ok(()),
                None => return self.forget_gone(),
            }
        }
    }

    fn note_listed(&mut self, key: &str) {
        match &mut self.listed {
            Some(listed) if listed.len() >= COMPARED_MAX => self.listed = None,
            Some(listed) => listed.push(mark_of(key)),
            None => {}
        }
    }

    fn forget_gone(&mut self) -> Result<(), ScanError> {
        let Some(mut listed) = self.listed.take() else { return Ok(()) };
        listed.sort_unstable();
        self.told.forgotten = self.ledger.forget_gone(&self.intake.name, &listed)?;
        Ok(())
    }

    fn take(&mut self, entry: &Listed) -> Result<(), ScanError> {
        let on_its_way = self.intake.temporary.iter().any(|ending| entry.name.ends_with(ending.as_str()));
        let last = entry.name.rsplit('/').next().unwrap_or(&entry.name);
        if on_its_way || last.is_empty() || last.starts_with('.') {
            return Ok(());
        }
        let Some((revision, seen)) = self.ledger.seen(&self.intake.name, &entry.key)? else {
            return self.submit(entry, None, None);
        };
        if seen.mark == entry.mark && seen.gone.is_some() {
            let back = Seen { gone: None, ..seen };
            return self.noted(self.ledger.note_seen(&self.intake.name, &back, revision));
        }
        if seen.mark == entry.mark {
            return self.dispose(seen, revision);
        }
        self.told.changed += 1;
        let Some(item) = self.ledger.item(seen.item)? else {
            return self.submit(entry, Some(revision), None);
        };
        if item.deposit.mark == entry.mark {
            let seen = Seen { mark: entry.mark.clone(), disposed: None, gone: None, ..seen };
            return self.noted(self.ledger.note_seen(&self.intake.name, &seen, revision));
        }
        let standing = &item.checkpoint.standing;
        let on_the_way = !standing.rests() && item.checkpoint.stage <= Stage::Store;
        let by_operator = standing.trouble().is_some_and(|trouble| trouble.kind == Kind::HeldByOperator);
        if on_the_way || by_operator {
            // Its next look at the source notices; until it has taken it, the row stays.
            return Ok(());
        }
        self.submit(entry, Some(revision), Some(item.id))
    }

    fn submit(
        &mut self,
        entry: &Listed,
        revision: Option<u64>,
        replaces: Option<ItemId>,
    ) -> Result<(), ScanError> {
        let looked = self.intake.in_place.then(|| self.world().source.look(&entry.key));
        let is_folder = matches!(&looked, Some(Ok(arrival)) if arrival.form == Form::Folder);
        if !is_folder && is_side_car(&entry.name) && !entry.name.contains('/') {
            return Ok(());
        }
        let denied = match &looked {
            Some(Err(SourceError::Denied { why, .. })) => Some(format!("it cannot be read: {why}")),
            _ => None,
        };
        let refused = self.not_taken(entry, is_folder, denied);
        let mut deposit = Deposit {
            key: entry.key.clone(),
            form: Form::Tar,
            bytes: entry.bytes,
            pin: String::new(),
            mark: entry.mark.clone(),
            fetched: !self.intake.in_place,
        };
        match looked.filter(|_| refused.is_none()) {
            Some(Ok(arrival)) => {
                (deposit.form, deposit.bytes, deposit.pin) = (arrival.form, arrival.bytes, arrival.pin);
            }
            // Gone or changed since it was listed: the next listing tells.
            Some(Err(error)) => {
                log::info!("source {}: {} was not taken now: {error}", self.intake.name, entry.name);
                return Ok(());
            }
            None => {}
        }
        let bag = bag_name(&format!("/{}", entry.name)).filter(|_| refused.is_none());
        let taken = refused.is_none();
        let new = NewItem {
            depositor: self.intake.depositor.clone(),
            bag: bag.unwrap_or_else(|| shown(&entry.name)),
            deposit,
            policy: self.intake.policy.clone(),
            policy_asked: false,
            asked_by: self.asker.clone(),
            listed: Some(Listing { source: self.intake.name.clone(), revision }),
            refused,
            replaces,
        };
        match self.ledger.submit(new) {
            Ok(item) => {
                self.told.new += 1;
                if taken {
                    (self.ring)(&item);
                } else {
                    self.told.not_taken += 1;
                }
                // What it replaced has staging to be cleared.
                if let Some(old) = replaces.map(|old| self.ledger.item(old)).transpose()?.flatten() {
                    (self.ring)(&old);
                }
                Ok(())
            }
            other => self.noted(other.map(drop)),
        }
    }

    /// A row that somebody else changed meanwhile is looked at again by the next listing.
    fn noted(&self, noted: Result<(), LedgerError>) -> Result<(), ScanError> {
        match noted {
            Err(LedgerError::Book(BookError::Conflict { .. })) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Why a key is no deposit that is taken.
    fn not_taken(&self, entry: &Listed, is_folder: bool, denied: Option<String>) -> Option<Trouble> {
        let intake = self.intake;
        let because = if entry.name.contains('/') {
            "it lies in a sub-folder; only what lies at the top of the place is taken".to_string()
        } else if !is_folder && !intake.suffixes.iter().any(|suffix| ends_with(&entry.name, suffix)) {
            format!("its name ends with none of {}", intake.suffixes.join(", "))
        } else if let Some(denied) = denied {
            denied
        } else if entry.bytes == 0 {
            "it is empty; perhaps its upload was broken off".to_string()
        } else if entry.bytes > intake.bytes_max {
            format!("it has {} bytes; {} is the limit there", entry.bytes, intake.bytes_max)
        } else if let Err(why) = name_fits(&entry.name) {
            why
        } else {
            return None;
        };
        Some(Trouble::new(Kind::NotTaken, because).while_doing("receiving").about(shown(&entry.name)))
    }

    fn dispose(&mut self, seen: Seen, revision: u64) -> Result<(), ScanError> {
        let Some(how) = self.intake.after_kept.as_ref().filter(|_| seen.disposed.is_none()) else {
            return Ok(());
        };
        let Some(item) = self.ledger.item(seen.item)? else { return Ok(()) };
        if item.checkpoint.standing != Standing::Kept || item.deposit.key != seen.key {
            return Ok(());
        }
        let done = match self.world().source.dispose(&seen.key, &item.deposit.pin, how) {
            Ok(done) => done,
            Err(error) => {
                // It is asked again at the next listing; the deposit is kept, so nothing is in danger.
                log::warn!(ITEM = item.id.0; "source {}: {} stays there: {error}", self.intake.name, item.bag);
                return Ok(());
            }
        };
        let note = match (&done, how) {
            (Disposed::Changed, _) => return Ok(()),
            (Disposed::Absent, _) => "at its source it was gone already".to_string(),
            (Disposed::Done { to: Some(to) }, _) => format!("moved at its source to {to}"),
            (Disposed::Done { to: None }, Disposal::Move { to }) => format!("moved at its source to {to}"),
            (Disposed::Done { to: None }, Disposal::Delete) => "deleted at its source".to_string(),
        };
        self.told.disposed += 1;
        let now = self.world().clock.now();
        let seen = Seen { disposed: Some((note.clone(), now)), ..seen };
        let note = format!("source {}: {note}, for it is kept", self.intake.name);
        log::info!(ITEM = item.id.0; "{note}");
        self.noted(self.ledger.note_disposed(&self.intake.name, &seen, revision, &note))
    }
}

fn ends_with(name: &str, suffix: &str) -> bool {
    name.len() > suffix.len() && name.to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase())
}

fn is_side_car(name: &str) -> bool {
    SIDE_CARS.iter().any(|ending| ends_with(name, ending))
}

fn name_fits(name: &str) -> Result<(), String> {
    let bag = bag_name(&format!("/{name}")).ok_or("it has no name")?;
    crate::work::desk::check_name(&bag)
}

/// A name as an item that is not taken may carry it.
fn shown(name: &str) -> String {
    let mut shown = escape(name.as_bytes()).replace('/', "\u{2215}");
    while shown.len() > NAME_MAX {
        shown.pop();
    }
    shown
}
