//! Errands: what an item does with an object that is kept already.
//!
//! - An errand is an item: it has a checkpoint, a journal and events, and is held, requeued and cancelled like any other.

use crate::model::item::Form;
use crate::model::object::ObjectId;
use crate::model::stage::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an item does with an object that is kept already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Errand {
    /// Gives it back.
    Restore(RestoreOrder),
    /// Gives it up, on the word of two persons.
    Delete(DeleteOrder),
}

impl Errand {
    /// Its word.
    pub fn name(&self) -> &'static str {
        match self {
            Errand::Restore(_) => "restore",
            Errand::Delete(_) => "delete",
        }
    }

    /// The object.
    pub fn object(&self) -> &ObjectId {
        match self {
            Errand::Restore(order) => &order.object,
            Errand::Delete(order) => &order.object,
        }
    }

    /// The line of stages it goes along.
    pub fn line(&self) -> &'static [Stage] {
        match self {
            Errand::Restore(_) => &Stage::RESTORE,
            Errand::Delete(_) => &Stage::DELETE,
        }
    }
}

/// What is to be given back, and where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOrder {
    /// The object.
    pub object: ObjectId,
    /// Its version, from 1.
    pub version: u32,
    /// Only this file of the bag: its path in the bag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// As one tar or as a folder.
    pub form: Form,
    /// Files that are given back.
    #[serde(default)]
    pub files: u64,
    /// Where it is brought to: an absolute folder, or `s3://bucket/prefix`.
    pub to: String,
    /// True for a test of what is kept: nobody asked for the bag, and it is not delivered to anybody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot_test: bool,
    /// What the object of a test was drawn with: the same gives the same choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What is to be given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteOrder {
    /// The object.
    pub object: ObjectId,
    /// Number of the request that two persons gave their word for.
    pub request: u64,
    /// Nothing is removed before (UTC), whoever holds and releases it meanwhile.
    #[serde(default)]
    pub not_before: Timestamp,
}
