//! Which policy an object follows.
//!
//! - What a person asked for wins; then the policy the object has, so that every copy ends in the same version; then what
//!   the bag asks for by its Storage-Option; then the depositor's.
//! - It is chosen once, when the bag is judged, and said in an event with the reason.

use crate::model::finding::escape;
use crate::model::item::PolicyChosen;
use crate::model::object::{ObjectId, StoredCopy};
use crate::model::trouble::{Kind, Trouble};
use crate::work::job::{Job, Settings};

/// Puts copies into the order in which their policy has its targets: they are read back from in it.
pub fn in_reading_order(settings: &Settings, policy: &str, copies: &mut [StoredCopy]) {
    if let Some(policy) = settings.policies.get(policy) {
        let place = |copy: &StoredCopy| policy.targets.iter().position(|name| *name == copy.target);
        copies.sort_by_key(|copy| place(copy).unwrap_or(usize::MAX));
    }
}

/// The policy of this job's item, whose bag has this Storage-Option.
pub fn choose(job: &Job<'_>, storage_option: Option<&str>) -> Result<PolicyChosen, Trouble> {
    let item = job.item;
    let object = ObjectId::of(&item.depositor, &item.bag);
    let known = job.ledger.object(&object).map_err(|error| {
        Trouble::new(Kind::FactsDamaged, error.to_string()).while_doing("reading the registry")
    })?;
    let mapped = storage_option.and_then(|option| job.settings.storage_options.get(option));
    let shown = storage_option.map(|option| escape(option.as_bytes()));
    let (name, because) = match (item.policy_asked, known, mapped) {
        (true, _, _) => (item.policy.clone(), "asked for when it was submitted".to_string()),
        (false, Some(known), mapped) => {
            let mut because = "its earlier versions follow it".to_string();
            if let (Some(other), Some(option)) = (mapped.filter(|other| **other != known.policy), &shown) {
                because.push_str(&format!("; its Storage-Option {option} asks for {other}"));
            }
            (known.policy, because)
        }
        (false, None, Some(mapped)) => {
            (mapped.clone(), format!("its Storage-Option is {}", shown.unwrap_or_default()))
        }
        (false, None, None) => {
            let unmapped = shown.map(|option| format!("; no policy is for its Storage-Option {option}"));
            (item.policy.clone(), format!("its depositor's{}", unmapped.unwrap_or_default()))
        }
    };
    job.settings.policy(&name)?;
    Ok(PolicyChosen { name, because })
}
