//! The tender: what a former process left is recovered, what is ready is rung, what has waited long enough is woken.

use super::{CHANNEL, LATER_MAX, LOOK_AGAIN, Shared, lock};
use crate::books::ledger::LedgerError;
use crate::model::checkpoint::{Move, Stage, Standing, WaitWhy};
use crate::model::item::{Item, ItemId};
use crate::model::object::Policy;
use crate::model::trouble::{Trouble, Wait};
use crate::work::job::{staging_folder, staging_name};
use crate::worlds::disk::{DiskError, Place};
use crossbeam_channel::{Receiver, TryRecvError, TrySendError};
use jiff::Timestamp;
use std::time::Duration;

impl Shared {
    /// Items found *working* belong to a process that ended; and staging of items at rest is cleared.
    pub(super) fn recover(&self) -> Result<(), LedgerError> {
        for item in self.standing("working")? {
            let progress = self.staged_bytes(&item);
            let item = self.ledger.nudge(item.id, &Move::Recover { progress })?;
            log::warn!(ITEM = item.id.0, STAGE = item.checkpoint.stage.name();
                "item {} was in work when the process ended; now {}", item.id, item.checkpoint.standing.name());
        }
        for item in self.standing("ready")?.iter().chain(&self.standing("waiting")?) {
            self.restore_promises(item);
        }
        self.forget_addresses()?;
        for volume in &self.settings.staging {
            if let Err(error) = self.clear_leftovers(volume) {
                log::warn!("clearing leftovers on {volume}: {}", Trouble::from(error).sentence());
            }
        }
        Ok(())
    }

    /// Removes secret parts of addresses that no unfinished item needs: of items that came to rest, or never came to be,
    /// when the process ended.
    fn forget_addresses(&self) -> Result<(), LedgerError> {
        let Some(withheld) = self.world.source.withheld() else { return Ok(()) };
        if withheld.is_empty().unwrap_or(false) {
            return Ok(());
        }
        let mut keys = Vec::new();
        for standing in ["ready", "working", "waiting", "held"] {
            keys.extend(self.standing(standing)?.into_iter().map(|item| item.deposit.key));
        }
        if let Err(error) = withheld.retain(keys.iter().map(String::as_str)) {
            log::warn!("secret parts of addresses are not removed: {error}");
        }
        Ok(())
    }

    /// Unfinished items in this standing; found by the index, so that what was kept long ago costs nothing.
    fn standing(&self, standing: &str) -> Result<Vec<Item>, LedgerError> {
        let mut items = Vec::new();
        for stage in Stage::ALL {
            for id in self.ledger.standing(standing, stage, usize::MAX)? {
                items.extend(self.ledger.item(id)?);
            }
        }
        Ok(items)
    }

    /// Bytes of facts in the item's staging folder: they grow as a stage gets on.
    fn staged_bytes(&self, item: &Item) -> u64 {
        let Ok(folder) = staging_folder(&self.settings, item) else { return 0 };
        let disk = &*self.world.disk;
        let names = disk.list(&folder).unwrap_or_default();
        let facts: u64 =
            names.iter().filter_map(|name| disk.open(&folder.join(name)).ok()).map(|file| file.size()).sum();
        facts + crate::work::staged::bytes_there(disk, &folder)
    }

    /// Removes staging folders of items of this ledger that are kept or cancelled.
    pub(super) fn clear_leftovers(&self, volume: &str) -> Result<(), DiskError> {
        let top = Place { volume: volume.into(), path: String::new() };
        let prefix = format!("{}-", self.settings.ledger_id);
        for name in self.world.disk.list(&top)? {
            let Some(id) = name.strip_prefix(&prefix).and_then(|number| number.parse().ok()) else {
                continue;
            };
            let item = self.ledger.item(ItemId(id)).ok().flatten();
            let over = item.is_some_and(|item| {
                matches!(item.checkpoint.standing, Standing::Kept | Standing::Done | Standing::Cancelled)
            });
            if over {
                let path = staging_name(&self.settings.ledger_id, ItemId(id));
                self.world.disk.remove(&Place { volume: volume.into(), path })?;
            }
        }
        Ok(())
    }

    /// Rings what is ready and wakes what has waited long enough, for as long as the pipeline runs.
    pub(super) fn tend(&self, stopped: &Receiver<()>) {
        let mut seen = 0;
        while !self.over() && stopped.is_empty() && !disconnected(stopped) {
            if let Err(error) = self.tend_once() {
                self.fail(&format!("reading the ledger: {error}"));
            }
            seen = self.ledger.watch(seen, self.settings.look_every);
        }
    }

    pub(super) fn tend_once(&self) -> Result<(), LedgerError> {
        let now = self.world.clock.now();
        for (stage, bell) in &self.bells {
            for id in self.waiting(*stage)? {
                let Some(item) = self.ledger.item(id)? else { continue };
                if self.may_wake(&item, now)? {
                    self.wake(&item)?;
                }
            }
            let room = CHANNEL - bell.len();
            for id in self.ledger.standing("ready", *stage, room)? {
                // Full: the next look rings it.
                if let Err(TrySendError::Full(_)) = bell.try_send(id) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The next waiting items of a stage, a bounded number of them: a look goes on where the last one ended, so that those
    /// that wait for long keep nobody behind them waiting, too.
    fn waiting(&self, stage: Stage) -> Result<Vec<ItemId>, LedgerError> {
        let mut looked = lock(&self.looked);
        let last = looked.remove(&stage);
        let mut ids = self.ledger.standing_after("waiting", stage, last, CHANNEL)?;
        if ids.is_empty() && last.is_some() {
            ids = self.ledger.standing("waiting", stage, CHANNEL)?;
        }
        if let Some(last) = ids.last().filter(|_| ids.len() == CHANNEL) {
            looked.insert(stage, *last);
        }
        Ok(ids)
    }

    pub(super) fn may_wake(&self, item: &Item, now: Timestamp) -> Result<bool, LedgerError> {
        let Standing::Waiting { until, why } = &item.checkpoint.standing else { return Ok(false) };
        Ok(match why {
            WaitWhy::For(Wait::Space { place, bytes, .. }) => {
                has_come(*until, LOOK_AGAIN, now) && self.may_fit(item, place, *bytes)
            }
            // Asked the way it was found that it must wait: it would be sent back to wait again at once.
            WaitWhy::For(Wait::Turn { behind }) => {
                let older = self.ledger.item(ItemId(*behind))?;
                older.is_none_or(|older| older.checkpoint.standing.rests())
                    && self.older_at_work(item)?.is_none()
            }
            WaitWhy::Trouble(_) => has_come(*until, LATER_MAX.max(self.settings.retry_longest), now),
            WaitWhy::For(Wait::Grace) => now >= *until,
        })
    }

    /// True when there may be room for what an item waits with; it is asked again with all that it needs. One that has no
    /// volume yet takes any of them: the place that its waiting names is only the last one that was asked.
    fn may_fit(&self, item: &Item, place: &str, bytes: u64) -> bool {
        let fits = |place: &str| self.free_in(place).is_none_or(|free| free >= bytes);
        let volumes = &self.settings.staging;
        match item.volume {
            None if volumes.iter().any(|volume| volume == place) => volumes.iter().any(|volume| fits(volume)),
            _ => fits(place) || self.needs_no_more(item, place),
        }
    }

    /// True for a target that the item's policy asks no copy on any more: it is drained, or the policy names another one.
    fn needs_no_more(&self, item: &Item, place: &str) -> bool {
        let names = |policy: Policy| policy.targets.iter().any(|name| name == place);
        self.world.targets.contains_key(place) && !self.settings.policy_of(item).is_ok_and(names)
    }

    pub(super) fn wake(&self, item: &Item) -> Result<(), LedgerError> {
        match self.ledger.nudge(item.id, &Move::Wake) {
            Ok(item) => self.ring(&item),
            // Somebody else moved it meanwhile.
            Err(LedgerError::Illegal(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn ring(&self, item: &Item) {
        if item.checkpoint.standing == Standing::Ready
            && let Some(bell) = self.bells.get(&item.checkpoint.stage)
        {
            // A full channel loses nothing: the tender looks into the ledger.
            let _ = bell.try_send(item.id);
        }
    }
}

/// True when this time has come; also when it is further off than `longest`, the most that anybody was told to wait: then
/// the clock was set back since, perhaps by years.
fn has_come(until: Timestamp, longest: Duration, now: Timestamp) -> bool {
    now >= until || Duration::try_from(until.duration_since(now)).is_ok_and(|left| left > longest)
}

fn disconnected(stopped: &Receiver<()>) -> bool {
    matches!(stopped.try_recv(), Err(TryRecvError::Disconnected))
}
