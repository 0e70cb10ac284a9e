//! What happens to objects after ingest, written where it lasts: into the registry, and beside every copy.
//!
//! - Registry and the file of events are one commit; the file is written to each target afterwards, as often as it takes.
//! - A target that is away gets its files when it is back: they are immutable and named by their chain.

use crate::books::ledger::{DamageMark, EventDraft, Ledger, LedgerError, ObjectChange, PendingLog};
use crate::model::object::{LastLog, ObjectId, ObjectRow, VersionRow};
use crate::model::trouble::{Kind, Trouble};
use crate::rules::premis::chain::{LogFile, LogRef};
use crate::worlds::World;
use crate::worlds::target::TargetError;
use std::collections::BTreeSet;

/// Files of events that are read at once.
const AT_ONCE: usize = 256;

/// A change of an object, with what is told of it.
pub struct Change {
    /// The object's row as it is.
    pub object: ObjectRow,
    /// All its versions, those that change as they will be.
    pub versions: Vec<VersionRow>,
    /// What happened; told of all versions.
    pub told: EventDraft,
    /// Marks of damaged copies that change with it.
    pub damage: Vec<DamageMark>,
}

/// Commits a change whose object the caller claims, and writes its events beside the copies.
pub fn change(world: &World, ledger: &Ledger, change: Change) -> Result<ObjectRow, Trouble> {
    let Change { mut object, versions, told, damage } = change;
    let head = object.head;
    let told = EventDraft { at: told.at.or_else(|| Some(world.clock.now())), ..told };
    let event = ledger.object_event(&object.id, head, &told);
    let previous = object.last_log.as_ref();
    let previous = previous.map(|log| LogRef { name: log.name.clone(), sha256: log.sha256.clone() });
    let file = LogFile::of_object(&object.id, head, &event, previous.as_ref());
    let link = file.link();
    object.last_log = Some(LastLog { name: link.name, sha256: link.sha256 });
    let targets = versions.iter().flat_map(|version| &version.copies).map(|copy| copy.target.clone());
    let log = PendingLog {
        object: object.id.clone(),
        name: file.name,
        text: String::from_utf8_lossy(&file.bytes).into_owned(),
        left: targets.collect::<BTreeSet<_>>().into_iter().collect(),
    };
    let id = object.id.clone();
    let change = ObjectChange { object, versions, events: vec![event], log: Some(log), damage };
    let object = ledger.change_object(change).map_err(|error| failed(&error))?;
    // What cannot be written now is written by whoever keeps the copies.
    if let Err(trouble) = spread(world, ledger, Some(&id)) {
        log::warn!("events of {id} are not beside every copy yet: {}", trouble.sentence());
    }
    Ok(object)
}

/// Writes files of events to the targets that have not got them yet. Gives how many are left.
pub fn spread(world: &World, ledger: &Ledger, object: Option<&ObjectId>) -> Result<usize, Trouble> {
    let mut left = 0;
    let mut away = BTreeSet::new();
    let mut after: Option<PendingLog> = None;
    loop {
        // Page by page: what one target does not take must not keep another from what lies behind it.
        let page = ledger.pending_logs_behind(object, after.as_ref(), AT_ONCE);
        let page = page.map_err(|error| failed(&error))?;
        for log in &page {
            let mut still = log.left.clone();
            still.retain(|name| !is_written(world, log, name, &mut away));
            left += usize::from(!still.is_empty());
            if still != log.left {
                ledger.log_spread(log, still).map_err(|error| failed(&error))?;
            }
        }
        if page.len() < AT_ONCE {
            return Ok(left);
        }
        after = page.into_iter().next_back();
    }
}

/// Writes a file of events to this target; one that is away is asked once.
fn is_written(world: &World, log: &PendingLog, name: &str, away: &mut BTreeSet<String>) -> bool {
    let Some(target) = world.targets.get(name).filter(|_| !away.contains(name)) else { return false };
    match target.log(&log.object, &log.name, log.text.as_bytes()) {
        Ok(()) => true,
        Err(error) => {
            if matches!(error, TargetError::Missing { .. }) {
                away.insert(name.to_string());
            }
            log::warn!("{} beside {} on {name}: {}", log.name, log.object, Trouble::from(error).because);
            false
        }
    }
}

/// What the ledger could not do.
pub fn failed(error: &LedgerError) -> Trouble {
    Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading or writing the registry")
}
