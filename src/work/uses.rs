//! What targets are for, as people said: a policy in effect has only those that get new copies.
//!
//! - It is read from the ledger at start, and changed only together with the ledger.
//! - A policy that could not be met without a target does not let it go.

use crate::books::ledger::{Ledger, LedgerError, TargetRow, TargetUse};
use crate::model::object::Policy;
use crate::model::trouble::{Kind, Trouble};
use std::collections::BTreeMap;
use std::sync::RwLock;

/// What was said of targets, by name.
#[derive(Debug, Default)]
pub struct TargetUses(RwLock<BTreeMap<String, TargetRow>>);

impl TargetUses {
    /// As the ledger has it.
    pub fn of(ledger: &Ledger) -> Result<TargetUses, LedgerError> {
        Ok(TargetUses(RwLock::new(ledger.target_rows()?)))
    }

    /// As the ledger has it by now.
    pub fn reread(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        let rows = ledger.target_rows()?;
        *self.0.write().unwrap_or_else(|broken| broken.into_inner()) = rows;
        Ok(())
    }

    /// What this target is for.
    pub fn of_target(&self, name: &str) -> TargetUse {
        self.row(name).map_or(TargetUse::Active, |row| row.state)
    }

    /// True when copies on this target count.
    pub fn counts(&self, name: &str) -> bool {
        self.of_target(name) != TargetUse::Retired
    }

    /// What was said of this target, if anything was.
    pub fn row(&self, name: &str) -> Option<TargetRow> {
        self.0.read().unwrap_or_else(|broken| broken.into_inner()).get(name).cloned()
    }

    /// The policy without the targets that get nothing new.
    pub fn in_effect(&self, policy: &Policy) -> Result<Policy, Trouble> {
        let active = |name: &&String| self.of_target(name) == TargetUse::Active;
        let targets: Vec<String> = policy.targets.iter().filter(active).cloned().collect();
        if targets.len() >= policy.copies {
            return Ok(Policy { targets, ..policy.clone() });
        }
        let rest: Vec<&str> = policy
            .targets
            .iter()
            .filter(|name| self.of_target(name) != TargetUse::Active)
            .map(String::as_str)
            .collect();
        let because = format!(
            "policy {} asks for {} copies and has {} targets left; {} gets nothing new",
            policy.name,
            policy.copies,
            targets.len(),
            rest.join(", ")
        );
        Err(Trouble::new(Kind::PolicyUnmet, because))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn a_draining_target_gets_nothing_and_a_policy_keeps_its_copies() {
        let policy =
            Policy { name: "p".into(), targets: vec!["a".into(), "b".into(), "c".into()], copies: 2 };
        let said = |names: &[&str]| {
            let row = TargetRow {
                state: TargetUse::Draining,
                by: "anna".into(),
                reason: String::new(),
                at: Timestamp::UNIX_EPOCH,
            };
            TargetUses(RwLock::new(names.iter().map(|name| (name.to_string(), row.clone())).collect()))
        };
        assert_eq!(said(&[]).in_effect(&policy).unwrap(), policy);
        assert_eq!(said(&["b"]).in_effect(&policy).unwrap().targets, ["a", "c"]);
        let told = said(&["b", "c"]).in_effect(&policy).unwrap_err();
        assert!(told.because.contains("1 targets left; b, c gets nothing new"), "{told:?}");
    }
}
