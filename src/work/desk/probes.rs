//! Probes of targets, as people ask for them: what each target really does, tried now and remembered.
//!
//! - A probe writes beside the storage root only, and removes what it wrote.
//! - What is remembered is for people. Targets try what they lean on at every opening, and lean on nothing older.

use super::keep_words::{KeepAnswer, TargetProbe};
use super::words::Answer;
use super::{Desk, Told, of_ledger};
use crate::model::trouble::Trouble;
use crate::worlds::book::Write;

fn key(target: &str) -> String {
    format!("m/probe/target/{target}")
}

impl Desk {
    pub(super) fn probe_targets(&self, name: Option<&str>) -> Told<Answer> {
        if let Some(name) = name {
            self.target_name(name)?;
        }
        let world = self.ledger.world();
        let mut probes = Vec::new();
        for (known, target) in
            world.targets.iter().filter(|(known, _)| name.is_none_or(|name| name == *known))
        {
            let (abilities, wrong) = match target.probe() {
                Ok(abilities) => (abilities, None),
                Err(error) => (Vec::new(), Some(Trouble::from(error).sentence())),
            };
            let at = world.clock.now();
            let probe = TargetProbe { target: known.clone(), root: target.root(), at, abilities, wrong };
            // One that could not be tried says nothing new about what it does.
            if probe.wrong.is_none() {
                let row = serde_json::to_vec(&probe).expect("plain data becomes JSON");
                let written = world.book.commit(&[Write::Put(key(known), row)], &[]);
                written.map_err(|error| of_ledger(&error.into(), "remembering what the targets do"))?;
            }
            probes.push(probe);
        }
        Ok(Answer::Keep(KeepAnswer::Probed { probes }))
    }

    /// What a target was seen to do when it was tried last.
    pub(super) fn last_probe(&self, target: &str) -> Option<TargetProbe> {
        let row = self.ledger.world().book.get(&key(target)).ok()??;
        serde_json::from_slice(&row.value).ok()
    }
}
