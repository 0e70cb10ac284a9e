//! A bag that equals the head version on every target: no version is made, and the copies that are there are proved again.
//!
//! - Nothing is claimed of a copy that was not read: every file of the version is read past the page cache, on every
//!   target, and compared with the inventory's digest.
//! - So a registry that was lost learns of the version by evidence, not by hearsay.

use super::plan::{self, Plan};
use crate::books::facts::{StagingScratch, open_blob, scratch_stop};
use crate::books::ledger::EventDraft;
use crate::model::digest::Algorithm;
use crate::model::event::{EventType, Outcome};
use crate::model::item::{Seal, StoredFound};
use crate::model::object::StoredCopy;
use crate::model::trouble::{Kind, Stop, Trouble};
use crate::rules::digester::Digester;
use crate::rules::ocfl::restore::restore_steps;
use crate::work::job::{Done, Job};
use crate::worlds::target::{Head, Target, Where};

/// Proves the head version on every target.
pub fn prove_again(
    job: &Job<'_>,
    plan: &Plan,
    head: &Head,
    targets: &[(&str, &dyn Target)],
) -> Result<Done, Stop> {
    let folder = job.folder()?;
    let inventory = plan::fetch_inventory(job, &plan.object, targets[0], &folder)?;
    let mut copies = Vec::new();
    let mut events = Vec::new();
    for (name, target) in targets {
        // As of when reading began: what goes bad behind the reader is not proved.
        let proved_at = job.world.clock.now();
        let (files, bytes) = prove_copy(job, plan, head, (*name, *target), &inventory)?;
        events.push(EventDraft {
            event_type: EventType::FixityCheck,
            outcome: Outcome::Success,
            detail: format!(
                "deposited again, the same bag: version {} of {}, {files} files and {bytes} bytes read back and equal",
                head.version, plan.object
            ),
            target: Some((*name).to_string()),
            at: Some(proved_at),
        });
        copies.push(StoredCopy {
            target: (*name).to_string(),
            root: target.root(),
            path: head.path.clone(),
            inventory_sha512: head.inventory_sha512.clone(),
            proved_at,
        });
    }
    let mut found = job.found();
    found.store = Some(StoredFound {
        object: plan.object.clone(),
        version: head.version,
        inventory_sha512: head.inventory_sha512.clone(),
        unchanged: true,
        inventory: Some(inventory),
        copies,
    });
    Ok(Done { found, events, ..Done::default() })
}

/// Reads every file of the version on one target; gives their number and bytes.
fn prove_copy(
    job: &Job<'_>,
    plan: &Plan,
    head: &Head,
    (name, target): (&str, &dyn Target),
    inventory: &Seal,
) -> Result<(u64, u64), Stop> {
    let (disk, folder) = (&*job.world.disk, job.folder()?);
    let json = open_blob(disk, &folder, inventory)?;
    let scratch = StagingScratch::new(disk, folder.join("scratch-proof"));
    let (_, steps) = restore_steps(&*json, Some(head.version), &scratch).map_err(|error| {
        Trouble::new(Kind::CopyDiffers, error.to_string()).while_doing("reading the inventory of").about(name)
    })?;
    let doing = format!("reading back from {name}");
    let (mut files, mut bytes) = (0, 0);
    for step in steps {
        job.drained()?;
        let step = step.map_err(|error| scratch_stop(&folder.volume, error))?;
        let mut digester = Digester::new(&[Algorithm::Sha512]);
        let size = target
            .read(Where::Object(&plan.object, &step.content_path), &mut |chunk| digester.update(chunk))
            .map_err(|error| Trouble::from(error).while_doing(&doing))?;
        if digester.finish().get(Algorithm::Sha512) != Some(&step.sha512) {
            let trouble = Trouble::new(Kind::CopyDiffers, "its sha512 is not the one in the inventory");
            return Err(trouble.while_doing(doing).about(&step.content_path).into());
        }
        job.meter.count(size, 1);
        files += 1;
        bytes += size;
    }
    Ok((files, bytes))
}
