//! Space for a stage: promised before it is claimed, all of it or none.

use super::Shared;
use crate::books::volume::Need;
use crate::model::checkpoint::Stage;
use crate::model::item::{Item, Promise};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::work::job::staging_name;
use crate::work::stages::{self, Room, RoomPlace, StageWork};
use crate::worlds::Space;
use crate::worlds::disk::{DiskError, Place};

impl Shared {
    /// Promises all the space the stage asks for, or none of it.
    pub(super) fn promise(
        &self,
        item: &Item,
        stage: &dyn StageWork,
    ) -> Result<(Option<String>, Vec<Promise>), Stop> {
        let mut volume = item.volume.clone();
        let mut promises = Vec::new();
        for room in stage.room(item, &self.world, &self.settings)? {
            let promised = match &room.place {
                RoomPlace::Target(target) => self.promise_at(item, stage.name(), target, &room),
                RoomPlace::Staging => match &volume {
                    Some(volume) => self.promise_at(item, stage.name(), volume, &room),
                    None => self.promise_on_any(item, stage.name(), &room),
                },
            };
            match promised {
                Ok(promise) => {
                    if room.place == RoomPlace::Staging {
                        volume = Some(promise.place.clone());
                    }
                    promises.push(promise);
                }
                Err(stop) => {
                    self.promises.give_back_all(item.id);
                    return Err(stop);
                }
            }
        }
        if let Some(volume) = volume.as_deref().filter(|_| item.checkpoint.fence == 0)
            && let Err(error) = self.clear_strangers(item, volume)
        {
            self.promises.give_back_all(item.id);
            return Err(error.into());
        }
        Ok((volume, promises))
    }

    /// An item that was never claimed has left nothing in staging. What lies there under its name is of another one, which
    /// had its number in a ledger that was lost: a backup knows nothing of the numbers that were given after it.
    fn clear_strangers(&self, item: &Item, volume: &str) -> Result<(), DiskError> {
        let path = staging_name(&self.settings.ledger_id, item.id);
        let folder = Place { volume: volume.into(), path };
        if self.world.disk.list(&folder)?.is_empty() {
            return Ok(());
        }
        log::warn!(ITEM = item.id.0; "{} on {volume} is of another item of this number: removed", folder.path);
        self.world.disk.remove(&folder)
    }

    pub(super) fn promise_on_any(&self, item: &Item, stage: Stage, room: &Room) -> Result<Promise, Stop> {
        let mut last = None;
        for volume in &self.settings.staging {
            match self.promise_at(item, stage, volume, room) {
                Ok(promise) => return Ok(promise),
                Err(stop) => last = Some(stop),
            }
        }
        Err(last.unwrap_or_else(|| {
            Trouble::new(Kind::VolumeMissing, "the configuration names no staging volume").into()
        }))
    }

    pub(super) fn promise_at(
        &self,
        item: &Item,
        stage: Stage,
        place: &str,
        room: &Room,
    ) -> Result<Promise, Stop> {
        let need =
            Need { bytes: room.bytes, inodes: room.inodes, already_bytes: room.already, already_inodes: 0 };
        let total = self.space(place)?.total_bytes;
        let floor = self.settings.floor(place, total);
        self.promises.promise(&|| self.space(place), floor, place, item.id, stage, need)
    }

    /// Bytes that could be promised on this volume or target now; `None` when it does not say.
    pub(super) fn free_in(&self, place: &str) -> Option<u64> {
        let space = self.space(place).ok()?;
        let totals = self.promises.totals();
        let promised: u64 =
            totals.iter().filter(|total| total.place == place).map(|total| total.promised_bytes).sum();
        Some(
            space
                .free_bytes
                .saturating_sub(promised)
                .saturating_sub(self.settings.floor(place, space.total_bytes)),
        )
    }

    pub(super) fn space(&self, place: &str) -> Result<Space, Stop> {
        match self.world.targets.get(place) {
            Some(target) => Ok(target.space()?),
            None => Ok(self.world.disk.space(place)?),
        }
    }

    /// Books what the item's row holds, less what lies there already.
    pub(super) fn restore_promises(&self, item: &Item) {
        let stage = stages::of(item.checkpoint.stage);
        let rooms = stage.room(item, &self.world, &self.settings).unwrap_or_default();
        for promise in &item.promises {
            let of_target = |room: &&Room| room.place == RoomPlace::Target(promise.place.clone());
            let already = rooms.iter().find(of_target).map_or(0, |room| room.already);
            let device = self.space(&promise.place).ok().map(|space| space.device);
            self.promises.restore(device, item.id, promise, already, 0);
        }
    }
}
