//! The row of one version: from a receipt, else from the version's own documents and the events beside the object.

use super::{Agreed, CopySeen, Disagreement, ItemMade, Odd, Places, VersionDocuments};
use crate::model::checkpoint::{Checkpoint, Stage, Standing};
use crate::model::event::{Event, EventType, Outcome};
use crate::model::item::{Asker, Deposit, Form, Found, Item, ItemId, Recorded, StoredFound};
use crate::model::object::{ObjectId, StoredCopy, VersionRow};
use crate::rules::ocfl::layout;
use crate::rules::ocfl::metadata::DepositRecord;
use crate::rules::premis::chain::Gathered;
use jiff::Timestamp;

/// One version.
pub(super) struct One<'a> {
    pub(super) object: &'a ObjectId,
    pub(super) version: u32,
    pub(super) agreed: &'a Agreed,
    pub(super) copies: &'a [CopySeen],
    pub(super) told: &'a VersionDocuments,
    pub(super) logs: &'a Gathered,
    pub(super) places: &'a Places,
}

impl One<'_> {
    /// Its row, and the policy it follows.
    pub(super) fn row(
        &self,
        items: &mut Vec<ItemMade>,
        odd: &mut Vec<Disagreement>,
    ) -> Option<(VersionRow, String)> {
        let receipt = self.logs.files.iter().find_map(|file| {
            let receipt = file.lines.first()?.receipt.as_deref()?;
            let store = receipt.item.found.store.as_ref()?;
            let this =
                store.version == self.version && store.inventory_sha512 == self.agreed.inventory_sha512;
            this.then_some((receipt, store))
        });
        let record = self.told.record.as_ref();
        if receipt.is_none() && record.is_none() {
            odd.push(self.odd(
                Odd::Stranger,
                None,
                "it has no metadata/strongroom.json",
                "give its bag to strongroom ingest",
            ));
            return None;
        }
        let mut copies = receipt.map(|(_, store)| store.copies.clone()).unwrap_or_default();
        self.replay(&mut copies);
        let ended = self
            .events()
            .filter(|event| event.event_type == EventType::IngestionEnd)
            .map(|event| event.at)
            .next();
        let mut kept_at =
            receipt.and_then(|(receipt, _)| Some(receipt.item.found.record.as_ref()?.kept_at)).or(ended);
        if copies.is_empty() && kept_at.is_none() {
            copies = self.published(record?, odd);
        }
        self.keep_seen(&mut copies, odd);
        kept_at = kept_at.or_else(|| copies.iter().map(|copy| copy.proved_at).max());
        let kept_at = kept_at?;
        let item = match receipt {
            Some((receipt, _)) => receipt.item.id.0,
            None => record?.item,
        };
        if receipt.is_none() {
            items.push(self.item_without_receipt(record?, &copies, kept_at));
        }
        let unpacked = receipt.and_then(|(receipt, _)| receipt.item.found.unpack.as_ref());
        let (files, bytes) = match (unpacked, record) {
            (Some(unpacked), _) => (unpacked.files, unpacked.bytes),
            (None, Some(record)) => (record.files, record.bytes),
            (None, None) => (0, 0),
        };
        let policy = receipt.map(|(receipt, _)| receipt.item.chosen_policy().to_string());
        let policy = policy.or_else(|| record.map(|record| record.policy.name.clone())).unwrap_or_default();
        let row = VersionRow {
            object: self.object.clone(),
            version: self.version,
            item,
            inventory_sha512: self.agreed.inventory_sha512.clone(),
            files,
            bytes,
            copies,
            kept_at,
        };
        Some((row, policy))
    }

    /// Events of this version beside the object.
    fn events(&self) -> impl Iterator<Item = &Event> {
        let lines = self.logs.files.iter().flat_map(|file| &file.lines);
        lines.filter(|line| line.is_about(self.version)).map(|line| &line.event)
    }

    /// What the events say of copies, one after the other: proved, made later, or counted no more.
    fn replay(&self, copies: &mut Vec<StoredCopy>) {
        for event in self.events().filter(|event| event.outcome == Outcome::Success) {
            let Some(target) = &event.target else { continue };
            match event.event_type {
                EventType::Ingestion | EventType::Replication | EventType::FixityCheck => {
                    match copies.iter_mut().find(|copy| copy.target == *target) {
                        Some(copy) => copy.proved_at = copy.proved_at.max(event.at),
                        None => copies.push(self.copy(target, event.at)),
                    }
                }
                // The target was retired.
                EventType::PolicyAssignment => copies.retain(|copy| copy.target != *target),
                _ => {}
            }
        }
    }

    fn copy(&self, target: &str, proved_at: Timestamp) -> StoredCopy {
        let seen = self.copies.iter().find(|copy| copy.target == target);
        StoredCopy {
            target: target.into(),
            root: self.places.roots.get(target).cloned().unwrap_or_default(),
            path: seen.map_or_else(|| layout::object_path(self.object), |copy| copy.path.clone()),
            inventory_sha512: self.agreed.inventory_sha512.clone(),
            proved_at,
        }
    }

    /// A version without any word of its being kept was published all the same, and each of its copies was read back
    /// before that: the copies that are there are copies, be they fewer than its policy asks for.
    fn published(&self, record: &DepositRecord, odd: &mut Vec<Disagreement>) -> Vec<StoredCopy> {
        let holders = self.agreed.holders.iter().map(|copy| &self.copies[*copy].target);
        let copies: Vec<StoredCopy> = holders.map(|target| self.copy(target, record.created)).collect();
        if copies.len() < record.policy.copies {
            let because = format!(
                "{} of {} copies were seen, and no event says that it was kept; it is taken as it is",
                copies.len(),
                record.policy.copies
            );
            odd.push(self.odd(
                Odd::Unfinished,
                None,
                because,
                "the copies that lack are made by themselves; strongroom target usage shows them",
            ));
        }
        copies
    }

    /// Copies on targets that were looked at must have been seen there.
    fn keep_seen(&self, copies: &mut Vec<StoredCopy>, odd: &mut Vec<Disagreement>) {
        copies.retain(|copy| {
            let seen = self.agreed.holders.iter().any(|holder| self.copies[*holder].target == copy.target);
            if seen || !self.places.walked.contains(&copy.target) {
                return true;
            }
            let because = format!("it was proved there at {}, and is not there now", copy.proved_at);
            odd.push(self.odd(
                Odd::VersionMissing,
                Some(&copy.target),
                because,
                "look at what was done to the target; deposit the bag again, or copy the object there",
            ));
            false
        });
    }

    /// The item as far as the version's own documents tell it: written before receipts were.
    fn item_without_receipt(
        &self,
        record: &DepositRecord,
        copies: &[StoredCopy],
        kept_at: Timestamp,
    ) -> ItemMade {
        let mut events = self.told.premis.clone();
        let files = self.logs.files.iter().filter(|file| super::is_of_item(file));
        for line in files.flat_map(|file| &file.lines).filter(|line| line.version == self.version) {
            if events.iter().all(|event| event.id != line.event.id) {
                events.push(line.event.clone());
            }
        }
        let form = if record.deposit.form == "folder" { Form::Folder } else { Form::Tar };
        let store = StoredFound {
            object: self.object.clone(),
            version: self.version,
            inventory_sha512: self.agreed.inventory_sha512.clone(),
            unchanged: false,
            inventory: None,
            copies: copies.to_vec(),
        };
        let item = Item {
            id: ItemId(record.item),
            depositor: record.depositor.clone(),
            bag: record.bag.clone(),
            deposit: Deposit {
                key: record.deposit.name.clone(),
                form,
                bytes: record.deposit.bytes,
                pin: String::new(),
                mark: String::new(),
                fetched: false,
            },
            policy: record.policy.name.clone(),
            policy_asked: false,
            errand: None,
            volume: None,
            received_at: record.received_at,
            asked_by: Asker { uid: 0, name: record.submitted_by.clone(), door: "rebuild".into() },
            checkpoint: Checkpoint { standing: Standing::Kept, ..Checkpoint::first(&[Stage::Record]) },
            found: Found { store: Some(store), record: Some(Recorded { kept_at }), ..Found::default() },
            promises: Vec::new(),
            attempts: 0,
            events: events.len() as u64,
        };
        ItemMade { ledger: record.ledger.clone(), item, events }
    }

    fn odd(
        &self,
        odd: Odd,
        target: Option<&str>,
        because: impl Into<String>,
        then_try: &str,
    ) -> Disagreement {
        Disagreement {
            odd,
            about: self.object.to_string(),
            version: Some(self.version),
            target: target.map(String::from),
            because: because.into(),
            then_try: then_try.into(),
        }
    }
}
