//! Conclude: the registry has the object no more, and says why.
//!
//! - The events lie beside the tombstone on every target before the registry names it.
//! - Object and versions give way to the tombstone in the commit that ends the item. Its items, their events and the
//!   inventories kept beside the ledger stay: what was deleted can be told file by file.

use super::remove::{Given, failed, order_of, removed};
use crate::books::ledger::Conclusion;
use crate::model::checkpoint::Stage;
use crate::model::item::{Item, Removed};
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::premis::chain::{LogFile, LogRef};
use crate::work::job::{Done, Job, Settings};
use crate::work::stages::{Room, StageWork};
use crate::worlds::World;

/// Files of events of one object that may still be to be written.
const LOGS_MAX: usize = 10_000;

/// The stage.
pub struct Conclude;

impl StageWork for Conclude {
    fn name(&self) -> Stage {
        Stage::Conclude
    }

    fn room(&self, _: &Item, _: &World, _: &Settings) -> Result<Vec<Room>, Stop> {
        Ok(Vec::new())
    }

    fn work(&self, job: &Job<'_>) -> Result<Done, Stop> {
        let order = order_of(job.item)?;
        let _claim = job.ledger.claim_object(&order.object);
        let removed = removed(job.item)?;
        if let Some(why) = &removed.void {
            let concluded = Some(Conclusion::Void { request: order.request, why: why.clone() });
            return Ok(Done { found: job.found(), concluded, ..Done::default() });
        }
        let given = match Given::read(job)? {
            Ok(given) => given,
            Err(why) => {
                return Err(Trouble::new(Kind::TargetsDisagree, why).about(order.object.to_string()).into());
            }
        };
        let told = given.deaccession();
        write_logs(job, &given, removed)?;
        let tombstone = Box::new(given.tombstone(job));
        let concluded = Some(Conclusion::Gone { request: order.request, tombstone });
        Ok(Done { found: job.found(), events: vec![told], concluded, ..Done::default() })
    }
}

/// What happened to the object, to its end, beside its tombstone on every target; the same file in every attempt.
fn write_logs(job: &Job<'_>, given: &Given, removed: &Removed) -> Result<(), Stop> {
    let object = &given.request.object;
    let doing = |error: crate::worlds::target::TargetError, name: &str| {
        Stop::from(error).while_doing("writing events to").about(name)
    };
    let pending = job.ledger.pending_logs(Some(object), LOGS_MAX).map_err(|error| failed(&error))?;
    let mut events = job.ledger.events(job.item.id).map_err(|error| failed(&error))?;
    events.push(job.ledger.event_of(job.item, &given.deaccession()));
    let row = job.ledger.object(object).map_err(|error| failed(&error))?;
    let previous = row.and_then(|row| row.last_log).map(|log| LogRef { name: log.name, sha256: log.sha256 });
    let log = LogFile::new(object, given.request.loses.versions, &events, previous.as_ref());
    for copy in &removed.copies {
        let name = copy.target.as_str();
        let missing = || Trouble::new(Kind::TargetMissing, "it is not in the configuration").about(name);
        let target = job.world.targets.get(name).ok_or_else(missing)?;
        for late in pending.iter().filter(|late| late.left.iter().any(|left| left == name)) {
            target.log(object, &late.name, late.text.as_bytes()).map_err(|error| doing(error, name))?;
        }
        if let Some(log) = &log {
            target.log(object, &log.name, &log.bytes).map_err(|error| doing(error, name))?;
        }
    }
    Ok(())
}
