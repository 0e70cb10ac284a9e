//! Requests to delete an object: who asked, who gave their word, and what became of it.
//!
//! - A request is for the object as it was when it was made: with another newest version it is for nothing.
//! - It is carried out by an errand; how that stands, its item says.

use crate::model::item::{Asker, ItemId};
use crate::model::object::ObjectId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A request to delete an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Its number, from 1.
    pub number: u64,
    /// The object.
    pub object: ObjectId,
    /// Who deposited it.
    pub depositor: String,
    /// The bag's name.
    pub bag: String,
    /// Why.
    pub reason: String,
    /// Who asked, and when.
    pub requested: Said,
    /// What will be lost, as it was told to who asked.
    pub loses: Loss,
    /// What became of it.
    pub phase: Phase,
}

/// What a person said, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub by: Asker,
    /// When (UTC).
    pub at: Timestamp,
}

impl Said {
    /// "anna (uid 1000)".
    pub fn name(&self) -> String {
        format!("{} (uid {})", self.by.name, self.by.uid)
    }
}

/// What a deletion takes away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Versions.
    pub versions: u32,
    /// Files of the bag in the newest version.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Targets with a copy.
    pub targets: Vec<String>,
    /// SHA-512 of the inventory of the newest version.
    pub inventory_sha512: String,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Phase {
    /// It waits for a second person.
    Requested,
    /// A second person gave their word; its item carries it out.
    Approved {
        /// Who, and when.
        said: Said,
        /// The item.
        item: ItemId,
        /// Nothing is removed before (UTC).
        not_before: Timestamp,
    },
    /// A second person said no.
    Rejected {
        /// Who, and when.
        said: Said,
        /// Why.
        reason: String,
    },
    /// It was taken back before a second person spoke.
    Cancelled {
        /// Who, and when.
        said: Said,
        /// Why.
        reason: String,
    },
    /// The object is gone; its tombstone is in its place.
    Done {
        /// Who gave their word, and when.
        said: Said,
        /// The item.
        item: ItemId,
        /// When it was over (UTC).
        at: Timestamp,
    },
    /// It came to nothing: the object is not what two persons gave their word for.
    Void {
        /// Who gave their word, and when.
        said: Said,
        /// The item.
        item: ItemId,
        /// Why.
        why: String,
    },
}

impl Deletion {
    /// Who gave their word for it, and the item that carries it out.
    pub fn approved(&self) -> Option<(&Said, ItemId)> {
        match &self.phase {
            Phase::Approved { said, item, .. }
            | Phase::Done { said, item, .. }
            | Phase::Void { said, item, .. } => Some((said, *item)),
            Phase::Requested | Phase::Rejected { .. } | Phase::Cancelled { .. } => None,
        }
    }
}
