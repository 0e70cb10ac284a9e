//! A registry made again from what lies on targets: which version is which, and the rows of an object. Pure.
//!
//! - Nothing is guessed: a row comes from a receipt, or from documents and events that a version's inventory covers.
//! - Where targets disagree, what more of the evidence says is taken, and every other copy is named with what to do.
//! - A copy on a target that was looked at is taken only if it was seen there. One on a target that was not looked at is
//!   taken as the events tell it.

mod disagreement;
mod version;

pub use disagreement::{Disagreement, Odd};

use crate::model::event::{Event, EventType};
use crate::model::item::{Item, StoredFound};
use crate::model::object::{LastLog, ObjectId, ObjectRow, VersionRow};
use crate::rules::ocfl::metadata::{DepositRecord, Tombstone};
use crate::rules::premis::chain::{Gathered, Told};
use std::collections::{BTreeMap, BTreeSet};
use version::One;

/// A copy that was read on one target.
#[derive(Clone, Debug)]
pub struct CopySeen {
    /// The target.
    pub target: String,
    /// The object's folder below its storage root.
    pub path: String,
    /// SHA-512 of the inventories of its versions, from the first.
    pub inventories: Vec<String>,
    /// Its log files.
    pub logs: Gathered,
}

/// A version as the copies agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// SHA-512 of its inventory.
    pub inventory_sha512: String,
    /// Which copies have it, by their places in the list.
    pub holders: Vec<usize>,
}

/// What the documents of a version say.
#[derive(Clone, Debug, Default)]
pub struct VersionDocuments {
    /// `metadata/strongroom.json`.
    pub record: Option<DepositRecord>,
    /// Events of `metadata/premis.xml`.
    pub premis: Vec<Event>,
}

/// Where copies may be.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Targets that were looked at.
    pub walked: BTreeSet<String>,
    /// Storage roots of the targets that are known.
    pub roots: BTreeMap<String, String>,
}

/// An item with the ledger that numbered it and its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemMade {
    /// Short id of the ledger; two ledgers may have given the same number.
    pub ledger: String,
    /// The item.
    pub item: Item,
    /// Its events, in their order.
    pub events: Vec<Event>,
}

/// The rows of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// The object, unless it was deleted or nothing of it can be taken.
    pub object: Option<ObjectRow>,
    /// Its versions, oldest first.
    pub versions: Vec<VersionRow>,
    /// The items that brought them, and those that brought them again.
    pub items: Vec<ItemMade>,
    /// Events that belong to none of the items, oldest first.
    pub events: Vec<Event>,
    /// Names of the log files that the chain reaches, oldest first.
    pub chain: Vec<String>,
    /// Its tombstone.
    pub deletion: Option<Tombstone>,
}

/// The line of versions that the copies agree on. A copy that leaves the line is not asked about later versions.
pub fn agree(object: &ObjectId, copies: &[CopySeen], odd: &mut Vec<Disagreement>) -> Vec<Agreed> {
    let mut line: Vec<Agreed> = Vec::new();
    let mut on_line: Vec<usize> = (0..copies.len()).collect();
    loop {
        let at = line.len();
        let mut told: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for copy in &on_line {
            if let Some(digest) = copies[*copy].inventories.get(at) {
                told.entry(digest).or_default().push(*copy);
            }
        }
        let Some(chosen) = choose(at as u32 + 1, &told, copies) else {
            let names: Vec<&str> =
                told.values().flatten().map(|copy| copies[*copy].target.as_str()).collect();
            if !names.is_empty() {
                odd.push(Disagreement {
                    odd: Odd::InventoryDiffers,
                    about: object.to_string(),
                    version: Some(at as u32 + 1),
                    target: None,
                    because: format!("{} differ, and nothing says which of them is right", names.join(", ")),
                    then_try: "rebuild from the one target that you trust".into(),
                });
            }
            return line;
        };
        let holders = told.get(chosen.as_str()).cloned().unwrap_or_default();
        for copy in told.iter().filter(|(digest, _)| **digest != chosen).flat_map(|(_, copies)| copies) {
            odd.push(Disagreement {
                odd: Odd::InventoryDiffers,
                about: object.to_string(),
                version: Some(at as u32 + 1),
                target: Some(copies[*copy].target.clone()),
                because: format!("its inventory is not {:.12}…, which others have", chosen),
                then_try: format!(
                    "look at what changed it; then copy the object there again: {}",
                    copies[*copy].path
                ),
            });
            on_line.retain(|known| known != copy);
        }
        line.push(Agreed { inventory_sha512: chosen, holders });
    }
}

/// The inventory of a version: the only one, else the one that a receipt names, else what most copies have.
fn choose(version: u32, told: &BTreeMap<&str, Vec<usize>>, copies: &[CopySeen]) -> Option<String> {
    if told.len() <= 1 {
        return told.keys().next().map(|digest| (*digest).to_string());
    }
    let named: BTreeSet<&str> = copies
        .iter()
        .flat_map(|copy| &copy.logs.files)
        .filter_map(|file| stored(file).filter(|store| store.version == version))
        .map(|store| store.inventory_sha512.as_str())
        .filter(|digest| told.contains_key(digest))
        .collect();
    if named.len() == 1 {
        return named.first().map(|digest| (*digest).to_string());
    }
    let most = told.values().map(Vec::len).max()?;
    let mut with_most = told.iter().filter(|(_, copies)| copies.len() == most);
    let first = with_most.next()?;
    with_most.next().is_none().then(|| (*first.0).to_string())
}

fn stored(file: &Told) -> Option<&StoredFound> {
    file.lines.first()?.receipt.as_ref()?.item.found.store.as_ref()
}

/// The log files of all copies, each once, in the order of the longest chain; what differs is told.
pub fn join_logs(object: &ObjectId, copies: &[CopySeen], odd: &mut Vec<Disagreement>) -> Gathered {
    for copy in copies {
        for fault in &copy.logs.faults {
            odd.push(Disagreement {
                odd: Odd::LogDiffers,
                about: object.to_string(),
                version: None,
                target: Some(copy.target.clone()),
                because: fault.to_string(),
                then_try: "compare it with the other targets".into(),
            });
        }
    }
    let best =
        copies.iter().max_by_key(|copy| (copy.logs.files.len(), std::cmp::Reverse(copy.logs.faults.len())));
    let Some(best) = best else { return Gathered::default() };
    let mut joined = best.logs.clone();
    for copy in copies {
        for file in &copy.logs.files {
            if joined.files.iter().all(|known| known.link != file.link) {
                odd.push(log_on_one(object, &copy.target, &file.link.name, &best.target));
                joined.files.push(file.clone());
            }
        }
        for file in
            best.logs.files.iter().filter(|file| copy.logs.files.iter().all(|own| own.link != file.link))
        {
            odd.push(log_on_one(object, &best.target, &file.link.name, &copy.target));
        }
    }
    joined
}

fn log_on_one(object: &ObjectId, on: &str, name: &str, not_on: &str) -> Disagreement {
    Disagreement {
        odd: Odd::LogDiffers,
        about: object.to_string(),
        version: None,
        target: Some(not_on.into()),
        because: format!("logs/premis/{name} is on {on}, and not, or otherwise, on {not_on}"),
        then_try: "nothing is lost: its events are taken; copy the file if it is missing".into(),
    }
}

/// The rows of an object whose versions are these.
pub fn make(
    object: &ObjectId,
    copies: &[CopySeen],
    line: &[Agreed],
    documents: &[VersionDocuments],
    logs: &Gathered,
    places: &Places,
    odd: &mut Vec<Disagreement>,
) -> Made {
    let of_none = logs.files.iter().filter(|file| !is_of_item(file)).flat_map(|file| &file.lines);
    let events = of_none.map(|line| line.event.clone()).collect();
    let chain = logs.files.iter().map(|file| file.link.name.clone()).collect();
    let mut made = Made { items: items(logs), events, chain, ..Made::default() };
    let mut policy = String::new();
    for (at, agreed) in line.iter().enumerate() {
        let version = at as u32 + 1;
        let none = VersionDocuments::default();
        let told = documents.get(at).unwrap_or(&none);
        let one = One { object, version, agreed, copies, told, logs, places };
        if let Some((row, terms)) = one.row(&mut made.items, odd) {
            made.versions.push(row);
            policy = terms;
        }
    }
    let (Some(first), Some(head)) = (made.versions.first(), made.versions.last()) else { return made };
    let item = made.items.iter().find(|made| made.item.id.0 == head.item).map(|made| &made.item);
    let record = documents.iter().rev().find_map(|told| told.record.as_ref());
    let names = item
        .map(|item| (item.depositor.clone(), item.bag.clone()))
        .or_else(|| record.map(|record| (record.depositor.clone(), record.bag.clone())));
    let Some((depositor, bag)) = names else { return made };
    made.object = Some(ObjectRow {
        id: object.clone(),
        depositor,
        bag,
        policy,
        head: head.version,
        created: first.kept_at,
        events: made.events.len() as u64,
        last_log: logs.tip.as_ref().map(|tip| LastLog { name: tip.name.clone(), sha256: tip.sha256.clone() }),
    });
    made
}

/// The rows of an object that was deleted: its tombstone, the items that brought it, and what happened to it.
pub fn make_deleted(tombstone: Tombstone, logs: &Gathered) -> Made {
    let of_none = logs.files.iter().filter(|file| !is_of_item(file)).flat_map(|file| &file.lines);
    let events = of_none.map(|line| line.event.clone()).collect();
    Made { items: items(logs), events, deletion: Some(tombstone), ..Made::default() }
}

/// True for a file of what an item did: it has a receipt, or it was written before receipts were.
fn is_of_item(file: &Told) -> bool {
    let Some(first) = file.lines.first() else { return false };
    first.receipt.is_some() || first.event.event_type == EventType::Ingestion
}

/// The items whose receipts lie beside the object. One that came to its end twice is told by its last receipt.
fn items(logs: &Gathered) -> Vec<ItemMade> {
    let mut items: Vec<ItemMade> = Vec::new();
    for file in &logs.files {
        let Some(receipt) = file.lines.first().and_then(|line| line.receipt.as_deref()) else { continue };
        let events = file.lines.iter().map(|line| line.event.clone()).collect();
        let made = ItemMade { ledger: receipt.ledger.clone(), item: receipt.item.clone(), events };
        let same = |known: &&mut ItemMade| known.ledger == made.ledger && known.item.id == made.item.id;
        match items.iter_mut().find(same) {
            Some(known) if known.item.checkpoint.round > made.item.checkpoint.round => {}
            Some(known) => *known = made,
            None => items.push(made),
        }
    }
    items
}

#[cfg(test)]
mod tests;
