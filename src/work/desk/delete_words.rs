//! Words about deletions: requests, second persons' words, and what was deleted.

use crate::model::deletion::Deletion;
use crate::rules::ocfl::metadata::Tombstone;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A question or an order about deletions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum DeleteAsk {
    /// Ask for an object to be deleted.
    Request {
        /// Its id, or depositor/bag.
        object: String,
        /// Why.
        reason: String,
        /// Only say what would be lost, and what stands against it.
        #[serde(default)]
        dry_run: bool,
    },
    /// Requests, newest first.
    List {
        /// Only those that wait for a second person.
        #[serde(default)]
        waiting: bool,
        /// Only older than this one.
        #[serde(default)]
        before: Option<u64>,
        /// At most so many.
        limit: usize,
    },
    /// One request.
    Show {
        /// Its number, or the object: then its newest one.
        request: String,
    },
    /// Take a request back, or an approved one before it has begun.
    Cancel {
        /// Its number, or the object.
        request: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Give the second word.
    Approve {
        /// Its number, or the object.
        request: String,
        /// Only say what would be lost, and what stands against it.
        #[serde(default)]
        dry_run: bool,
    },
    /// Say no.
    Reject {
        /// Its number, or the object.
        request: String,
        /// Why.
        reason: String,
    },
    /// Objects that were deleted, in the order of their ids.
    Deleted {
        /// Only of this depositor.
        #[serde(default)]
        depositor: Option<String>,
        /// Only behind this one.
        #[serde(default)]
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
}

/// An answer about deletions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum DeleteAnswer {
    /// Requests.
    Requests {
        /// One row each.
        requests: Vec<DeletionView>,
        /// True when there are more.
        more: bool,
    },
    /// One request, as it is now, or as it would be.
    Request {
        /// The request.
        request: Box<DeletionView>,
        /// True when nothing was done because it was only asked about.
        #[serde(default)]
        dry_run: bool,
    },
    /// Objects that were deleted.
    Deleted {
        /// What stands in their places.
        objects: Vec<Tombstone>,
        /// True when there are more.
        more: bool,
    },
    /// An object that was asked for and was deleted.
    Tombstone {
        /// What stands in its place.
        tombstone: Box<Tombstone>,
    },
}

/// A request, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionView {
    /// The request.
    #[serde(flatten)]
    pub request: Deletion,
    /// `requested`, `approved`, `waiting`, `working`, `held`, `done`, `rejected`, `cancelled` or `void`.
    pub state: String,
    /// What it waits for, or what stops it, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The item that carries it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u64>,
    /// Targets on which nothing of the object is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone_from: Vec<String>,
    /// When nothing was removed before (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}
