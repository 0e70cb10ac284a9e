//! Orders to give something back: the same order twice is one item, as long as the first is not at its end.

use crate::books::ledger::{Ledger, LedgerError, NewErrand};
use crate::model::checkpoint::Standing;
use crate::model::errand::{Errand, RestoreOrder};
use crate::model::item::{Asker, Form, Item};
use crate::model::object::{ObjectRow, VersionRow};

/// What is wanted of a version.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Only this file: its path in the bag, and its bytes.
    pub file: Option<(String, u64)>,
    /// As one tar or as a folder.
    pub form: Form,
    /// Where it is brought to; empty for a test.
    pub to: String,
    /// A test of what is kept: what its object was drawn with.
    pub spot_test: Option<u64>,
}

/// What is ordered.
pub fn order_for(object: &ObjectRow, version: &VersionRow, wanted: &Wanted) -> RestoreOrder {
    RestoreOrder {
        object: object.id.clone(),
        version: version.version,
        path: wanted.file.as_ref().map(|(path, _)| path.clone()),
        form: wanted.form,
        files: if wanted.file.is_some() { 1 } else { version.files },
        to: wanted.to.clone(),
        spot_test: wanted.spot_test.is_some(),
        seed: wanted.spot_test,
    }
}

/// The item of the same order that is not at its end.
pub fn known(ledger: &Ledger, order: &RestoreOrder) -> Result<Option<Item>, LedgerError> {
    let ended = |item: &Item| matches!(item.checkpoint.standing, Standing::Done | Standing::Cancelled);
    let same = |item: &Item| matches!(&item.errand, Some(Errand::Restore(known)) if known == order);
    Ok(ledger.errands_of(&order.object)?.into_iter().find(|item| same(item) && !ended(item)))
}

/// Orders it. Gives the item, and whether it is a new one.
pub fn order(
    ledger: &Ledger,
    object: &ObjectRow,
    version: &VersionRow,
    wanted: Wanted,
    asked_by: &Asker,
) -> Result<(Item, bool), LedgerError> {
    let order = order_for(object, version, &wanted);
    if let Some(item) = known(ledger, &order)? {
        return Ok((item, false));
    }
    let new = NewErrand {
        errand: Errand::Restore(order),
        object: object.clone(),
        bytes: wanted.file.map_or(version.bytes, |(_, bytes)| bytes),
        inventory_sha512: version.inventory_sha512.clone(),
        asked_by: asked_by.clone(),
        not_before: None,
    };
    Ok((ledger.submit_errand(new)?, true))
}
