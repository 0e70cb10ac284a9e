//! Targets, as people ask about them: what they are for, what lies on them, and filling what lacks.
//!
//! - A target is drained only when every policy can be met without it, and retired only when nothing depends on it.
//! - Nothing here deletes: what a retired target holds stays there, and only does not count any more.

use super::complaint::{Complaint, Sort};
use super::keep_words::{KeepAnswer, TargetView, UsageRow};
use super::words::Answer;
use super::{Desk, Told, of_ledger, unknown_among};
use crate::books::ledger::TargetUse;
use crate::model::item::Asker;
use crate::model::object::ObjectId;
use crate::model::trouble::Trouble;
use crate::work::keeping::{self, Fill};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one answer fills; whoever asks goes on with the next part.
const FILL: Duration = Duration::from_secs(2);

/// Objects read at once.
const PAGE: usize = 256;

impl Desk {
    pub(super) fn targets(&self, name: Option<&str>) -> Told<Answer> {
        let config = self.config();
        let world = self.ledger.world();
        if let Some(name) = name {
            self.target_name(name)?;
        }
        let wanted = world.targets.iter().filter(|(known, _)| name.is_none_or(|name| name == *known));
        let view = |(known, target): (&String, &std::sync::Arc<dyn crate::worlds::target::Target>)| {
            let space = target.space();
            let policies = config.policies.iter().filter(|policy| policy.targets.contains(known));
            TargetView {
                name: known.clone(),
                root: target.root(),
                state: self.settings.uses.of_target(known),
                said: self.settings.uses.row(known),
                policies: policies.map(|policy| policy.name.clone()).collect(),
                free: space.as_ref().ok().map(|space| space.free_bytes).filter(|free| *free < u64::MAX / 2),
                total: space.as_ref().ok().map(|space| space.total_bytes).filter(|all| *all < u64::MAX / 2),
                wrong: space.err().map(|error| Trouble::from(error).sentence()),
                probed: self.last_probe(known).map(Box::new),
            }
        };
        Ok(Answer::Keep(KeepAnswer::Targets { targets: wanted.map(view).collect() }))
    }

    pub(super) fn target_name(&self, name: &str) -> Told<()> {
        let known = &self.ledger.world().targets;
        if known.contains_key(name) {
            return Ok(());
        }
        let mut complaint = unknown_among("target", name, known.keys().map(String::as_str).collect());
        complaint.so = "a target is first named in the configuration, by [[target]] and in a policy".into();
        Err(complaint)
    }

    pub(super) fn usage(&self, only: Option<&str>) -> Told<Answer> {
        let failed = |error| of_ledger(&error, "counting what lies on the targets");
        if let Some(name) = only {
            self.target_name(name)?;
        }
        let mut rows: BTreeMap<(String, String), UsageRow> = BTreeMap::new();
        let mut after: Option<ObjectId> = None;
        loop {
            let page = self.ledger.objects(after.as_ref(), PAGE).map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for object in &page {
                let versions = self.ledger.versions(&object.id).map_err(failed)?;
                let mut on: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
                let mut row_of = |target: &str, each: &mut dyn FnMut(&mut UsageRow)| {
                    if only.is_none_or(|only| only == target) {
                        let key = (target.to_string(), object.depositor.clone());
                        each(rows.entry(key).or_insert_with(|| UsageRow {
                            target: target.to_string(),
                            depositor: object.depositor.clone(),
                            ..UsageRow::default()
                        }));
                    }
                };
                for version in &versions {
                    for copy in &version.copies {
                        let sums = on.entry(&copy.target).or_default();
                        *sums = (sums.0 + 1, sums.1 + version.files, sums.2 + version.bytes);
                        row_of(&copy.target, &mut |row| {
                            row.oldest_proof =
                                Some(row.oldest_proof.map_or(copy.proved_at, |old| old.min(copy.proved_at)));
                        });
                    }
                }
                for (target, (count, files, bytes)) in on {
                    row_of(target, &mut |row| {
                        row.objects += 1;
                        row.versions += count;
                        row.files += files;
                        row.bytes += bytes;
                    });
                }
                for target in keeping::lacking(&self.settings, object, &versions).unwrap_or_default() {
                    let there = |version: &&crate::model::object::VersionRow| {
                        version.copies.iter().any(|copy| copy.target == target)
                    };
                    let count = versions.len() - versions.iter().filter(there).count();
                    row_of(&target, &mut |row| row.lacking += count as u64);
                }
            }
        }
        Ok(Answer::Keep(KeepAnswer::Usage { usage: rows.into_values().collect() }))
    }

    pub(super) fn fill(&self, target: Option<&str>, after: Option<&str>, only_count: bool) -> Told<Answer> {
        if let Some(name) = target {
            self.target_name(name)?;
        }
        let over = || self.pipeline.upgrade().is_some_and(|pipeline| pipeline.is_draining());
        let after = after.filter(|after| !after.is_empty());
        let what = Fill { target, after, at_most: FILL, only_count, over: &over };
        let filled = keeping::fill(self.ledger.world(), &self.ledger, &self.settings, &what)
            .map_err(|error| of_ledger(&error, "copies are not made"))?;
        if filled.next.is_none() && !only_count {
            keeping::spread(self.ledger.world(), &self.ledger);
        }
        Ok(Answer::Keep(KeepAnswer::Filled(filled)))
    }

    /// How often it is looked whether copies lack; zero: never by itself.
    pub fn keep_every(&self) -> Duration {
        self.settings.keeping.every
    }

    pub(super) fn use_target(
        &self,
        name: &str,
        state: TargetUse,
        reason: &str,
        dry_run: bool,
        asker: &Asker,
    ) -> Told<Answer> {
        self.target_name(name)?;
        let doing = format!("target {name} is not {}", state.name());
        if state != TargetUse::Active {
            self.policies_without(name, &doing)?;
        }
        if state == TargetUse::Retired {
            self.nothing_depends_on(name, &doing)?;
        }
        if !dry_run {
            let set =
                self.ledger.set_target(name, state, asker, &reason.chars().take(300).collect::<String>());
            set.map_err(|error| of_ledger(&error, &doing))?;
            self.settings.uses.reread(&self.ledger).map_err(|error| of_ledger(&error, &doing))?;
            log::info!("target {name} is {} now, said {} (uid {})", state.name(), asker.name, asker.uid);
        }
        self.targets(Some(name))
    }

    /// Every policy that names this target can be met by its others.
    fn policies_without(&self, name: &str, doing: &str) -> Told<()> {
        for policy in
            self.settings.policies.values().filter(|policy| policy.targets.iter().any(|n| n == name))
        {
            let others = policy
                .targets
                .iter()
                .filter(|other| *other != name && self.settings.uses.of_target(other) == TargetUse::Active);
            let others = others.count();
            if others < policy.copies {
                return Err(Box::new(
                    Complaint::new(Sort::Refused, doing)
                        .because(format!(
                            "policy {} asks for {} copies and would have {others} targets left",
                            policy.name, policy.copies
                        ))
                        .so("nothing was changed")
                        .then_try("name another target in the policy first, then strongroom target add NAME"),
                ));
            }
        }
        Ok(())
    }

    fn nothing_depends_on(&self, name: &str, doing: &str) -> Told<()> {
        let (count, first) = keeping::depends_on(&self.ledger, &self.settings, name)
            .map_err(|error| of_ledger(&error, doing))?;
        if count == 0 {
            return Ok(());
        }
        Err(Box::new(
            Complaint::new(Sort::Refused, doing)
                .because(format!(
                    "{count} objects would have fewer proved copies than their policy asks for: {}{}",
                    first.join(", "),
                    if count > first.len() as u64 { ", …" } else { "" }
                ))
                .so("nothing was changed")
                .then_try(format!(
                    "strongroom target drain {name}, which copies them to the other targets, and then again"
                )),
        ))
    }
}
