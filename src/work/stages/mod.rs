//! The stages, and the line they make.
//!
//! - A stage run twice leaves what it leaves run once.
//! - Order in every stage: facts, then checkpoint with its events, then the next stage's bell. The stage writes facts;
//!   the pipeline does the rest.
//! - A stage's place in the line is one entry of `INGEST`.

pub mod checksum;
pub mod conclude;
pub mod deliver;
pub mod download;
pub mod gather;
pub mod recheck;
pub mod record;
pub mod remove;
pub mod store;
pub mod unpack;
pub mod validate;

use crate::model::checkpoint::Stage;
use crate::model::item::Item;
use crate::model::trouble::{Stop, Trouble};
use crate::work::job::{Done, Job, Settings};
use crate::worlds::World;

/// Space that a stage must be promised before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Where.
    pub place: RoomPlace,
    /// Bytes, rounded to blocks.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
    /// Bytes of them that lie there already.
    pub already: u64,
}

/// Where a stage needs space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomPlace {
    /// The item's staging volume; if it has none yet, any that has the space.
    Staging,
    /// This target.
    Target(String),
}

/// One stage of the line.
pub trait StageWork: Send + Sync {
    /// Its name.
    fn name(&self) -> Stage;

    /// Space it must be promised before it starts on this item.
    fn room(&self, item: &Item, world: &World, settings: &Settings) -> Result<Vec<Room>, Stop>;

    /// Does it.
    fn work(&self, job: &Job<'_>) -> Result<Done, Stop>;

    /// Tidies up once the checkpoint is committed. Not doing it loses only space, until the next start.
    fn tidy(&self, _job: &Job<'_>, _done: &Done) -> Result<(), Trouble> {
        Ok(())
    }
}

/// The line of ingest: stages in their order.
pub static INGEST: [&dyn StageWork; 6] = [
    &download::Download,
    &unpack::Unpack,
    &checksum::Checksum,
    &validate::Validate,
    &store::Store,
    &record::Record,
];

/// The line of deletion.
pub static DELETE: [&dyn StageWork; 2] = [&remove::Remove, &conclude::Conclude];

/// The stage names of the line of ingest, for `checkpoint::next`.
pub static INGEST_LINE: [Stage; 6] = Stage::INGEST;

/// The line that gives objects back: stages in their order.
pub static RESTORE: [&dyn StageWork; 3] = [&gather::Gather, &recheck::Recheck, &deliver::Deliver];

/// Every stage of every line.
pub fn all() -> impl Iterator<Item = &'static dyn StageWork> {
    INGEST.into_iter().chain(RESTORE).chain(DELETE)
}

/// The stage of this name.
pub fn of(stage: Stage) -> &'static dyn StageWork {
    all().find(|work| work.name() == stage).expect("every stage is in a line: checked by a test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_and_its_names_agree() {
        let names: Vec<Stage> = INGEST.iter().map(|stage| stage.name()).collect();
        assert_eq!(names, INGEST_LINE);
        assert_eq!(DELETE.map(|stage| stage.name()), Stage::DELETE);
        let names: Vec<Stage> = RESTORE.iter().map(|stage| stage.name()).collect();
        assert_eq!(names, Stage::RESTORE);
        Stage::ALL.into_iter().for_each(|stage| assert_eq!(of(stage).name(), stage));
    }
}
