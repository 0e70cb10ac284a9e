//! What an order brings to its place: its name there, its shape, and the list of its files.

use crate::model::errand::{Errand, RestoreOrder};
use crate::model::item::{Form, Item, Seal};
use crate::model::trouble::{Kind, Trouble};
use crate::worlds::disk::Place;
use crate::worlds::outlet::Parcel;
use serde::{Deserialize, Serialize};

/// One file of a parcel, as it was read back at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenFile {
    /// Path in the parcel; empty when the parcel is one file.
    #[serde(rename = "p")]
    pub path: String,
    /// Bytes.
    #[serde(rename = "s")]
    pub size: u64,
    /// Lower-case hexadecimal.
    #[serde(rename = "d")]
    pub sha512: String,
    /// What pinned it when it had been read back: size and time, or what the store names its bytes by.
    #[serde(rename = "k")]
    pub pin: String,
}

/// What this item is to give back.
pub fn order_of(item: &Item) -> Result<&RestoreOrder, Trouble> {
    match &item.errand {
        Some(Errand::Restore(order)) => Ok(order),
        _ => Err(Trouble::new(Kind::Panicked, format!("item {} gives nothing back", item.id))),
    }
}

/// The name under which it lies at its place.
pub fn name_of(bag: &str, order: &RestoreOrder) -> String {
    match (&order.path, order.form) {
        (Some(path), _) => path.rsplit('/').next().unwrap_or(path).to_string(),
        (None, Form::Tar) => format!("{bag}.tar"),
        (None, Form::Folder) => bag.to_string(),
    }
}

/// What is brought to the place.
pub fn parcel_of(ledger_id: &str, item: &Item, order: &RestoreOrder) -> Parcel {
    Parcel {
        name: name_of(&item.bag, order),
        work: format!("{ledger_id}-{}", item.id),
        folder: order.path.is_none() && order.form == Form::Folder,
    }
}

/// Where the list of what an item brought is kept, beside the ledger.
pub fn list_place(records: &str, item: &Item) -> Place {
    Place { volume: records.into(), path: "given".into() }.join(&item.id.to_string())
}

/// The seal of that list, once it is kept there.
pub fn list_seal(item: &Item, seal: Seal) -> Seal {
    Seal { file: item.id.to_string(), ..seal }
}
