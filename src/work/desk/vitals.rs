//! Vital signs: the figures that monitoring asks for, in one answer.
//!
//! - What could not be found out is absent, never zero.

use super::words::{Answer, SourceView};
use super::{Desk, Told, of_ledger};
use crate::model::checkpoint::Stage;
use crate::model::object::ObjectId;
use crate::work::reports::tally::{self, Period, Walk};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// Damaged copies that are counted one by one.
const DAMAGED_MAX: usize = 10_000;

/// How long one part of counting takes.
const PART: Duration = Duration::from_secs(2);

/// Rows read at once.
const PAGE: usize = 512;

/// Items looked at from the newest down for when one was kept last.
const NEWEST: u64 = 512;

/// Figures for monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vitals {
    /// Items that the line has to get on with: ready, working, waiting.
    pub in_line: u64,
    /// Since when the line has not got on, as far as was looked; absent when it just did, or nobody works (UTC).
    #[serde(default)]
    pub still_since: Option<Timestamp>,
    /// When an item was kept last, of the newest ones (UTC).
    #[serde(default)]
    pub last_kept: Option<Timestamp>,
    /// Copies known to be damaged, by target.
    pub damaged: BTreeMap<String, u64>,
    /// True when there are more than were counted.
    #[serde(default)]
    pub damaged_more: bool,
    /// When one of the kept objects was kept first (UTC); nothing is kept, if absent.
    #[serde(default)]
    pub first_object: Option<Timestamp>,
    /// Notices that could not go.
    pub notices: u64,
    /// Since when (UTC).
    #[serde(default)]
    pub notices_since: Option<Timestamp>,
    /// Sources that somebody should look at.
    #[serde(default)]
    pub sources: Vec<SourceView>,
}

/// What was seen of the line when somebody looked.
#[derive(Default)]
pub(super) struct Pulse(Mutex<Option<(u64, Timestamp)>>);

impl Pulse {
    /// Since when this number has been the same, as far as was looked.
    fn since(&self, progress: u64, now: Timestamp) -> Timestamp {
        let mut seen = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        match *seen {
            Some((known, since)) if known == progress && since <= now => since,
            _ => {
                *seen = Some((progress, now));
                now
            }
        }
    }
}

impl Desk {
    pub(super) fn vitals(&self) -> Told<Answer> {
        let failed = |error| of_ledger(&error, "looking for vital signs");
        let now = self.ledger.world().clock.now();
        let counts = self.ledger.counts().map_err(failed)?;
        let alive = |standing: &str| matches!(standing, "ready" | "working" | "waiting");
        let in_line: u64 = counts.iter().filter(|((standing, _), _)| alive(standing)).map(|(_, n)| n).sum();
        let pulse = self.pipeline.upgrade().map(|pipeline| self.pulse.since(pipeline.progress(), now));
        let notices = self.ledger.notices().map_err(failed)?;
        let late: Vec<_> = notices.iter().filter(|notice| notice.wrong.is_some()).collect();
        let (damaged, damaged_more) = self.damaged_counts()?;
        Ok(Answer::Vitals(Box::new(Vitals {
            in_line,
            still_since: pulse.filter(|_| in_line > 0),
            last_kept: self.last_kept()?,
            damaged,
            damaged_more,
            first_object: self.ledger.objects(None, 1).map_err(failed)?.first().map(|object| object.created),
            notices: late.len() as u64,
            notices_since: late.iter().map(|notice| notice.at).min(),
            sources: self.ailing_sources()?.0,
        })))
    }

    /// Counts a part for a report.
    pub(super) fn tally(&self, walk: Walk, period: Period, after: Option<String>) -> Told<Answer> {
        let part = tally::part(&self.ledger, &self.settings, walk, period, after, PART);
        let (sums, next) = part.map_err(|error| of_ledger(&error, "counting for the report"))?;
        Ok(Answer::Tallied { tally: Box::new(sums), next })
    }

    fn damaged_counts(&self) -> Told<(BTreeMap<String, u64>, bool)> {
        let failed = |error| of_ledger(&error, "counting damaged copies");
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let (mut after, mut seen): (Option<(String, ObjectId)>, usize) = (None, 0);
        loop {
            let from = after.as_ref().map(|(target, object)| (target.as_str(), object));
            let page = self.ledger.damaged(from, PAGE).map_err(failed)?;
            let Some(last) = page.last() else { return Ok((counts, false)) };
            after = Some((last.target.clone(), last.object.clone()));
            seen += page.len();
            for copy in page {
                *counts.entry(copy.target).or_default() += 1;
            }
            if seen >= DAMAGED_MAX {
                return Ok((counts, true));
            }
        }
    }

    /// When an item was kept last, among the newest: those before them were received long ago.
    fn last_kept(&self) -> Told<Option<Timestamp>> {
        use crate::books::ledger::ItemFilter;
        use crate::model::item::ItemId;
        let failed = |error| of_ledger(&error, "looking for the last item that was kept");
        let after = self.newest()?.saturating_sub(NEWEST);
        let filter = ItemFilter { stage: Some(Stage::Record), ..ItemFilter::default() };
        let items = self.ledger.scan(&filter, Some(ItemId(after)), NEWEST as usize).map_err(failed)?;
        Ok(items.iter().filter_map(|item| Some(item.found.record.as_ref()?.kept_at)).max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_still_from_when_it_was_first_seen_so() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let pulse = Pulse::default();
        let seen =
            [(1, 10, 10), (1, 20, 10), (1, 90, 10), (2, 100, 100), (2, 110, 100), (2, 50, 50), (1, 120, 120)];
        for (progress, now, since) in seen {
            assert_eq!(pulse.since(progress, at(now)), at(since), "{progress} at {now}");
        }
    }
}
