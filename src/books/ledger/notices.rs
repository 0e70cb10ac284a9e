//! Notices on their way to people.
//!
//! - A notice is a row until every way it is to go was gone, or it is too old; the record never waits for one.
//! - There are at most so many. Of too many the oldest goes, and what goes untold is counted in the next.
//!
//! | key | row |
//! |---|---|
//! | `j/notice/NUMBER` | a notice on its way |
//! | `j/notices` | the number of the last one, how many went untold, and up to which item depositors were told |

use super::rows::{decode, put};
use super::{Ledger, LedgerError};
use crate::worlds::book::{Guard, Write};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Notices on their way at once.
pub const NOTICES_MAX: usize = 500;

/// Bytes of a notice's text; what is longer is cut by who writes it.
pub const NOTICE_TEXT_MAX: usize = 3_000;

/// A notice on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// Its number.
    pub number: u64,
    /// Whom it is for: a depositor; the operators, if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depositor: Option<String>,
    /// The run that had something to say: `reconcile 12`.
    pub about: String,
    /// What it says in one line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// When it was written (UTC).
    pub at: Timestamp,
    /// Ways that it is still to go: `command`, `smtp`, `webhook`.
    pub ways: Vec<String>,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
    /// Why it did not go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}

/// What is known of all notices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticesRow {
    /// Number of the last one.
    pub last: u64,
    /// How many went untold since somebody was told of it.
    #[serde(default)]
    pub untold: u64,
    /// When depositors were last told of their items (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depositors_told: Option<Timestamp>,
}

const ALL: &str = "j/notices";

fn key_of(number: u64) -> String {
    format!("j/notice/{number:010}")
}

impl Ledger {
    /// What is known of all notices.
    pub fn notices_row(&self) -> Result<NoticesRow, LedgerError> {
        Ok(self.read(ALL)?.map(|(_, row)| row).unwrap_or_default())
    }

    /// Notices on their way, oldest first.
    pub fn notices(&self) -> Result<Vec<NoticeRow>, LedgerError> {
        let rows = self.world.book.scan("j/notice/", None, NOTICES_MAX)?;
        rows.iter().map(|(key, row)| decode(key, row)).collect()
    }

    /// Puts notices on their way; their numbers are given here. With them it is noted up to when depositors are told.
    pub fn add_notices(
        &self,
        notices: Vec<NoticeRow>,
        depositors_told: Option<Timestamp>,
    ) -> Result<(), LedgerError> {
        let known = self.read::<NoticesRow>(ALL)?;
        let revision = known.as_ref().map(|(revision, _)| *revision);
        let mut all = known.map(|(_, row)| row).unwrap_or_default();
        all.depositors_told = depositors_told.or(all.depositors_told);
        let there = self.notices()?;
        let mut batch = Vec::new();
        let too_many = (there.len() + notices.len()).saturating_sub(NOTICES_MAX);
        for old in there.iter().take(too_many) {
            batch.push(Write::Delete(key_of(old.number)));
            all.untold += 1;
        }
        for mut notice in notices.into_iter().take(NOTICES_MAX) {
            all.last += 1;
            notice.number = all.last;
            batch.push(put(&key_of(notice.number), &notice)?);
        }
        batch.push(put(ALL, &all)?);
        self.world.book.commit(&batch, &[Guard { key: ALL.into(), revision }])?;
        Ok(())
    }

    /// Notes how it went with a notice; one that has no way left to go is over.
    pub fn keep_notice(&self, notice: &NoticeRow) -> Result<(), LedgerError> {
        let key = key_of(notice.number);
        let write = match notice.ways.is_empty() {
            true => Write::Delete(key),
            false => put(&key, notice)?,
        };
        self.world.book.commit(&[write], &[])?;
        Ok(())
    }

    /// Gives a notice up: it went untold, or what went untold was told.
    pub fn count_untold(&self, given_up: Option<&NoticeRow>, told: u64) -> Result<(), LedgerError> {
        let known = self.read::<NoticesRow>(ALL)?;
        let revision = known.as_ref().map(|(revision, _)| *revision);
        let mut all = known.map(|(_, row)| row).unwrap_or_default();
        let mut batch = Vec::new();
        if let Some(notice) = given_up {
            batch.push(Write::Delete(key_of(notice.number)));
            all.untold += 1;
        }
        all.untold = all.untold.saturating_sub(told);
        batch.push(put(ALL, &all)?);
        self.world.book.commit(&batch, &[Guard { key: ALL.into(), revision }])?;
        Ok(())
    }
}
