//! What became of things that were given back, and the orders there are.
//!
//! | key | row |
//! |---|---|
//! | `g/ITEM` | what became of what this item brought to its place |

use super::rows::put;
use super::{Ledger, LedgerError};
use crate::model::checkpoint::Standing;
use crate::model::item::ItemId;
use crate::model::stage::Stage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of what was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GivenState {
    /// Its time is over, and it is being removed.
    Removing,
    /// It was removed, or somebody had taken it away.
    Expired,
    /// Its time is over; it is not what was put there any more, and was left.
    Left,
}

impl GivenState {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            GivenState::Removing => "removing",
            GivenState::Expired => "expired",
            GivenState::Left => "left",
        }
    }
}

/// What became of what an item brought to its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenRow {
    /// What.
    pub state: GivenState,
    /// Since when (UTC).
    pub at: Timestamp,
    /// Why, in one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

fn given_key(item: ItemId) -> String {
    format!("g/{:012}", item.0)
}

impl Ledger {
    /// What became of what this item brought; none: it lies there, as far as is known.
    pub fn given(&self, item: ItemId) -> Result<Option<GivenRow>, LedgerError> {
        Ok(self.read(&given_key(item))?.map(|(_, row)| row))
    }

    /// Says what became of it; durable when it returns.
    pub fn note_given(&self, item: ItemId, row: &GivenRow) -> Result<(), LedgerError> {
        self.world.book.commit(&[put(&given_key(item), row)?], &[])?;
        Ok(())
    }

    /// Items that give something back, oldest first: of every standing, or of this one.
    pub fn restorations(&self, standing: Option<&str>) -> Result<Vec<ItemId>, LedgerError> {
        let mut items = Vec::new();
        let names = Standing::NAMES.iter().filter(|name| standing.is_none_or(|wanted| wanted == **name));
        for name in names {
            for stage in Stage::RESTORE {
                items.extend(self.standing(name, stage, usize::MAX)?);
            }
        }
        items.sort_unstable();
        Ok(items)
    }
}
