//! Words about giving back: orders, what became of them, and tests of what is kept.

use super::views::ItemView;
use crate::model::item::Form;
use crate::work::giving::expiring::{Cursor, Expired};
use crate::work::giving::parcel::GivenFile;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A question or an order about giving back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum GivingAsk {
    /// Give an object back, or one file of it. The same order twice is one item until it is at its end.
    Order {
        /// `OBJECT`, or `OBJECT:PATH` for one file.
        what: String,
        /// Which version; the newest, if not said.
        #[serde(default)]
        version: Option<u32>,
        /// A place by its name, an absolute folder, or `s3://bucket/prefix` of a place; the first place, if not said.
        #[serde(default)]
        to: Option<String>,
        /// As one tar or as a folder.
        form: Form,
    },
    /// Orders, newest first.
    Orders {
        /// Only tests of what is kept (true), or only what people asked for (false).
        tests: bool,
        /// Only older than this one.
        #[serde(default)]
        before: Option<u64>,
        /// At most so many.
        limit: usize,
    },
    /// One order.
    Order1 {
        /// Its number.
        item: u64,
    },
    /// Files of what an order brought to its place.
    Files {
        /// The order's number.
        item: u64,
        /// From where the last answer ended.
        #[serde(default)]
        from: u64,
        /// At most so many.
        limit: usize,
    },
    /// Remove what was given back and whose time is over, if it still is what was put there: one step, of a few seconds.
    /// Asked again with the `next` of the answer, until there is none, it comes to its end. Doing it twice does no harm.
    Expire {
        /// Where the last answer ended.
        #[serde(default)]
        from: Option<Cursor>,
        /// Only say what would go.
        #[serde(default)]
        dry_run: bool,
    },
    /// Draw an object of each depositor and order its test: one step, of a few seconds. Asked again while the answer is not
    /// `drawn`, it comes to its end. Only of depositors that are due, when `due` says so: then doing it twice does no harm.
    Test {
        /// Only of this depositor.
        #[serde(default)]
        depositor: Option<String>,
        /// What to draw with; by chance, if not said.
        #[serde(default)]
        seed: Option<u64>,
        /// Only where the schedule asks for it.
        #[serde(default)]
        due: bool,
    },
}

/// What the desk answers about giving back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum GivingAnswer {
    /// The order.
    Ordered {
        /// It.
        order: Box<OrderView>,
        /// False when the same was asked for already and is not at its end.
        new: bool,
    },
    /// Orders.
    Orders {
        /// They.
        orders: Vec<OrderView>,
        /// True when there are more.
        more: bool,
    },
    /// One order.
    Order(Box<OrderView>),
    /// Files.
    Files {
        /// They.
        files: Vec<GivenFile>,
        /// From where to ask for the next ones; none: that was all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
    },
    /// What became of what was given back.
    Expired {
        /// Of which.
        expired: Vec<Expired>,
        /// Where the next step begins; none: it is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Cursor>,
    },
    /// Tests of what is kept.
    Tests {
        /// They; empty while drawing is not over.
        orders: Vec<OrderView>,
        /// True when drawing is over.
        drawn: bool,
        /// What was drawn with.
        seed: u64,
    },
}

/// An order, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    /// The item.
    pub item: ItemView,
    /// The object.
    pub object: String,
    /// Its version.
    pub version: u32,
    /// Only this file of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `tar` or `folder`.
    pub form: String,
    /// Where it is brought to; empty for a test.
    pub to: String,
    /// Its name there.
    pub name: String,
    /// Files that were brought, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Their bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When it was read back there (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// It is removed after this (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// `there`, `removing`, `expired` or `left`, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why it is so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Files that one copy could not give and another did.
    #[serde(default)]
    pub passed_over: u64,
    /// A test of what is kept: what its object was drawn with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}
