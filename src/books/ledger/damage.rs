//! Copies in which something is wrong: found by a sweep or by a person, until they are mended or found sound.
//!
//! - A mark is set and taken away in the commit that tells why (`ObjectChange::damage`).
//!
//! | key | row |
//! |---|---|
//! | `b/TARGET/OBJECT` | what was found wrong in this copy |

use super::rows::{decode, put};
use super::{Ledger, LedgerError};
use crate::model::object::ObjectId;
use crate::model::proof::DamagedCopy;
use crate::worlds::book::Write;

/// How the mark of a damaged copy changes.
#[derive(Clone, Debug)]
pub enum DamageMark {
    /// Something is wrong in it.
    Found(DamagedCopy),
    /// The copy on this target is sound, or is no copy any more.
    Over(String),
}

pub(super) fn damage_key(target: &str, object: &ObjectId) -> String {
    format!("b/{target}/{object}")
}

impl DamageMark {
    pub(super) fn write(&self, object: &ObjectId) -> Result<Write, LedgerError> {
        match self {
            DamageMark::Found(copy) => put(&damage_key(&copy.target, object), copy),
            DamageMark::Over(target) => Ok(Write::Delete(damage_key(target, object))),
        }
    }
}

impl Ledger {
    /// Damaged copies in the order of targets and objects, after this one.
    pub fn damaged(
        &self,
        after: Option<(&str, &ObjectId)>,
        limit: usize,
    ) -> Result<Vec<DamagedCopy>, LedgerError> {
        let after = after.map(|(target, object)| damage_key(target, object));
        let rows = self.world.book.scan("b/", after.as_deref(), limit)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// Damaged copies on this target, behind this object.
    pub fn damaged_on(
        &self,
        target: &str,
        after: Option<&ObjectId>,
        limit: usize,
    ) -> Result<Vec<DamagedCopy>, LedgerError> {
        let after = after.map(|object| damage_key(target, object));
        let rows = self.world.book.scan(&format!("b/{target}/"), after.as_deref(), limit)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// What is wrong with this copy, if anything is known to be.
    pub fn damage_of(&self, target: &str, object: &ObjectId) -> Result<Option<DamagedCopy>, LedgerError> {
        Ok(self.read(&damage_key(target, object))?.map(|(_, row)| row))
    }
}
