//! Rows and their keys.

use super::LedgerError;
use crate::model::item::{Item, ItemId};
use crate::model::object::ObjectId;
use crate::worlds::book::{Row, Write};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) fn put<T: Serialize>(key: &str, value: &T) -> Result<Write, LedgerError> {
    let value = serde_json::to_vec(value)
        .map_err(|error| LedgerError::Row { key: key.into(), why: error.to_string() })?;
    Ok(Write::Put(key.into(), value))
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, row: &Row) -> Result<T, LedgerError> {
    serde_json::from_slice(&row.value)
        .map_err(|error| LedgerError::Row { key: key.into(), why: error.to_string() })
}

pub(super) fn item_key(id: ItemId) -> String {
    format!("i/{:012}", id.0)
}

pub(super) fn standing_key(item: &Item) -> String {
    format!("s/{}/{}/{:012}", item.checkpoint.standing.name(), item.checkpoint.stage as u8, item.id.0)
}

pub(super) fn name_key(item: &Item) -> String {
    format!("n/{}/{}/{:012}", item.depositor, item.bag, item.id.0)
}

pub(super) fn attempt_key(id: ItemId, number: u64) -> String {
    format!("a/{:012}/{number:06}", id.0)
}

pub(super) fn event_key(id: ItemId, number: u64) -> String {
    format!("e/{:012}/{number:06}", id.0)
}

pub(super) fn object_key(id: &ObjectId) -> String {
    format!("o/{id}")
}

pub(super) fn version_key(id: &ObjectId, version: u32) -> String {
    format!("v/{id}/{version:06}")
}

pub(super) fn deletion_key(id: &ObjectId) -> String {
    format!("d/{id}")
}

pub(super) fn object_event_key(id: &ObjectId, number: u64) -> String {
    format!("x/{id}/{number:06}")
}
