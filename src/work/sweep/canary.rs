//! The canary: before a sweep says anything of copies, it proves objects of which it is known how they are.
//!
//! - A good object must come out as good, and each way of being bad must come out as just that.
//! - They go through the very code that proves copies. A prover that lets a bad one pass, or fails a good one, is not
//!   believed: the run refuses to report.

use super::Prove;
use crate::model::object::ObjectId;
use crate::model::proof::Proof;
use crate::rules::digester::sha512_hex;
use crate::rules::ocfl::inventory::TYPE;
use crate::rules::ocfl::layout;
use crate::rules::sort::MemoryScratch;
use crate::work::proving::reading::AHEAD_FROM;
use crate::work::proving::{How, Wanted};
use crate::worlds::fate::Fate;
use crate::worlds::target::rehearsal::RehearsalTarget;
use crate::worlds::target::{Publication, Put, Target, TargetError, Txn};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A short file, and one that is read ahead of being digested.
const SHORT: &str = "v1/content/bag/short";
const LONG: &str = "v1/content/bag/long";
const EXTRA: &str = "v1/content/bag/stranger";

/// Files of the good object: two of content, declaration, and two inventories with their side-cars.
const FILES: u64 = 7;

/// What is done to an object, and what must be found then.
type Story = (&'static str, fn(&RehearsalTarget, &ObjectId), fn(&Proof) -> u64);

const STORIES: [Story; 7] = [
    ("one bit of a file is another", flip, |proof| proof.mismatched),
    ("one bit of a long file is another", flip_long, |proof| proof.mismatched),
    ("a file is cut short", |target, id| target.damage(id, SHORT, bytes(0, 99)), |proof| proof.mismatched),
    ("a file is empty", |target, id| target.damage(id, SHORT, Vec::new()), |proof| proof.mismatched),
    ("a file is gone", |target, id| target.lose(id, Some(SHORT)), |proof| proof.missing),
    (
        "a file is there that nothing names",
        |target, id| target.damage(id, EXTRA, bytes(2, 9)),
        |proof| proof.extra,
    ),
    (
        "the inventory is another",
        |target, id| target.damage(id, layout::INVENTORY, bytes(3, 99)),
        |proof| proof.mismatched,
    ),
];

fn flip(target: &RehearsalTarget, id: &ObjectId) {
    let mut changed = bytes(0, 100);
    changed[50] ^= 4;
    target.damage(id, SHORT, changed);
}

fn flip_long(target: &RehearsalTarget, id: &ObjectId) {
    let mut changed = bytes(1, long());
    let last = changed.len() - 1;
    changed[last] ^= 1;
    target.damage(id, LONG, changed);
}

fn long() -> usize {
    usize::try_from(AHEAD_FROM).unwrap_or(1 << 20) + 1
}

/// Made-up bytes, the same at every run.
fn bytes(seed: u8, count: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..251).map(|byte| byte ^ seed).collect();
    let mut bytes = pattern.repeat(count / pattern.len() + 1);
    bytes.truncate(count);
    bytes
}

/// Why the prover is not to be believed; `None`: it is.
pub fn sing(prove: &Prove<'_>) -> Option<String> {
    let told = |error: TargetError| format!("the known objects could not be laid out: {error:?}");
    let known = Known::new();
    let look = |target: &dyn Target| look(prove, target, &known.id, &known.sha512);
    let good = match known.lay_out() {
        Ok(target) => look(&target),
        Err(error) => return Some(told(error)),
    };
    match good {
        Ok(proof) if proof.is_sound() && proof.matched == FILES => {}
        other => return Some(format!("a known-good object did not come out as good: {}", shown(&other))),
    }
    for (story, damage, of) in STORIES {
        let target = match known.lay_out() {
            Ok(target) => target,
            Err(error) => return Some(told(error)),
        };
        damage(&target, &known.id);
        match look(&target) {
            Ok(proof) if !proof.is_sound() && of(&proof) == 1 && proof.faults.len() == 1 => {}
            other => return Some(format!("{story}, and it came out as {}", shown(&other))),
        }
    }
    None
}

fn look(prove: &Prove<'_>, target: &dyn Target, id: &ObjectId, inventory: &str) -> Result<Proof, String> {
    let inventories = BTreeMap::from([(1, inventory.to_string())]);
    let wanted = Wanted { object: id, inventories: &inventories };
    let how = How { threads: 2, gentle: false, step: &|_| Ok(()), begun: None, keep: &|_| Ok(()) };
    prove(target, &wanted, &MemoryScratch::default(), how).map_err(|stop| format!("{stop:?}"))
}

fn shown(found: &Result<Proof, String>) -> String {
    match found {
        Ok(proof) if proof.is_sound() => format!("sound, with {} files", proof.matched),
        Ok(proof) => format!(
            "{} matched, {} mismatched, {} missing, {} unreadable, {} extra",
            proof.matched, proof.mismatched, proof.missing, proof.unreadable, proof.extra
        ),
        Err(why) => why.clone(),
    }
}

/// A good object.
struct Known {
    id: ObjectId,
    files: [(&'static str, Vec<u8>); 2],
    inventory: Vec<u8>,
    sha512: String,
}

impl Known {
    fn new() -> Known {
        let id = ObjectId("strongroom:canary/canary".into());
        let files = [(SHORT, bytes(0, 100)), (LONG, bytes(1, long()))];
        let digests = files.each_ref().map(|(_, bytes)| sha512_hex(bytes));
        let rows = |of: &dyn Fn(&str) -> String| {
            let rows = files.iter().zip(&digests);
            let rows = rows.map(|((path, _), digest)| format!(r#""{digest}":["{}"]"#, of(path)));
            rows.collect::<Vec<_>>().join(",")
        };
        let manifest = rows(&|path| path.to_string());
        let state = rows(&|path| path.trim_start_matches("v1/content/").to_string());
        let inventory = format!(
            r#"{{"id":"{id}","type":"{TYPE}","digestAlgorithm":"sha512","head":"v1","manifest":{{{manifest}}},"versions":{{"v1":{{"created":"2026-01-01T00:00:00Z","state":{{{state}}}}}}}}}"#
        )
        .into_bytes();
        let sha512 = sha512_hex(&inventory);
        Known { id, files, inventory, sha512 }
    }

    /// The object on a target in memory.
    fn lay_out(&self) -> Result<RehearsalTarget, TargetError> {
        let target = RehearsalTarget::new("canary", Arc::new(Fate::default()));
        let txn = Txn { ledger: "canary".into(), item: 1, fence: 1 };
        target.begin(&txn, &self.id, 1)?;
        for (path, bytes) in &self.files {
            let size = bytes.len() as u64;
            target.put(&txn, &[Put { content_path: path, from: bytes, offset: 0, size }])?;
        }
        let what = Publication {
            object: &self.id,
            version: 1,
            inventory: &self.inventory,
            inventory_sha512: &self.sha512,
            base_sha512: None,
        };
        target.publish(&txn, &what)?;
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::proving;

    #[test]
    fn the_prover_that_is_built_in_is_believed() {
        assert_eq!(sing(&proving::prove_from), None);
    }

    #[test]
    fn a_prover_that_lets_bad_ones_pass_or_fails_good_ones_is_not() {
        let lies = |_: &dyn Target, _: &Wanted<'_>, _: &dyn crate::rules::sort::Scratch, _: How<'_>| {
            Ok(Proof { matched: FILES, ..Proof::default() })
        };
        let why = sing(&lies).unwrap();
        assert_eq!(why, "one bit of a file is another, and it came out as sound, with 7 files");
        let blind = |_: &dyn Target, _: &Wanted<'_>, _: &dyn crate::rules::sort::Scratch, _: How<'_>| {
            Ok(Proof { unreadable: 1, ..Proof::default() })
        };
        assert!(sing(&blind).unwrap().starts_with("a known-good object did not come out as good"));
        // It looks at nothing but what is named.
        let narrow = |target: &dyn Target,
                      wanted: &Wanted<'_>,
                      scratch: &dyn crate::rules::sort::Scratch,
                      how: How<'_>| {
            let found = proving::prove_from(target, wanted, scratch, how)?;
            let faults = found.faults.into_iter().filter(|fault| fault.outcome.name() != "extra").collect();
            Ok(Proof { extra: 0, faults, ..found })
        };
        assert!(sing(&narrow).unwrap().starts_with("a file is there that nothing names"));
    }
}
