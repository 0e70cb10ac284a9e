//! `[roles]` and `[deletion]`: who may say yes to a deletion, and when it may be done.
//!
//! - Nobody both runs the house and gives the second word: a name in both roles is a fault.
//! - What is not said allows nobody: without approvers no object can be deleted.

use super::build::Builder;
use super::fault::Fault;
use super::{Config, tree::Tree};
use crate::model::object::Policy;
use std::collections::BTreeMap;
use std::time::Duration;

/// Who may do what: names of users, and `group:NAME` for all of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// May give the second word for a deletion.
    pub approver: Vec<String>,
    /// Run the house; never approve.
    pub operator: Vec<String>,
}

/// When an object may be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionConfig {
    /// How long an object is kept at least after its newest version was.
    pub retention: Duration,
    /// The same, by policy, where it is another.
    pub retention_of: BTreeMap<String, Duration>,
    /// Between the second word and the first file that is removed.
    pub grace: Duration,
}

impl DeletionConfig {
    /// How long an object that follows this policy is kept at least.
    pub fn retention_under(&self, policy: &str) -> Duration {
        self.retention_of.get(policy).copied().unwrap_or(self.retention)
    }
}

/// How a group is named.
pub const GROUP: &str = "group:";

impl Builder {
    pub(super) fn roles(&mut self) -> Roles {
        Roles { approver: self.texts("roles.approver"), operator: self.texts("roles.operator") }
    }

    pub(super) fn deletion(&mut self, policies: &[Policy]) -> DeletionConfig {
        let retention = self.time("deletion.retention");
        let grace = self.time("deletion.grace");
        let mut retention_of = BTreeMap::new();
        for policy in policies {
            let path = format!("policy.{}.retention", policy.name);
            if self.tree.settings.contains_key(&path) {
                retention_of.insert(policy.name.clone(), self.time(&path));
            } else {
                self.note_text(&path, "none");
            }
        }
        DeletionConfig { retention, retention_of, grace }
    }
}

/// What the roles must not say.
pub(super) fn faults(config: &Config, tree: &Tree) -> Vec<Fault> {
    let line = |role: &str| tree.settings.get(&format!("roles.{role}")).map_or(1, |setting| setting.line);
    let roles = &config.roles;
    let mut faults = Vec::new();
    for name in roles.approver.iter().filter(|name| roles.operator.contains(name)) {
        faults.push(
            Fault::new(format!("{name} is operator and approver"))
                .line(line("approver"))
                .because("who runs the house could ask for a deletion under one hat and approve it under the other")
                .then_try("take the name out of one of them"),
        );
    }
    for (role, names) in [("approver", &roles.approver), ("operator", &roles.operator)] {
        for name in names {
            let plain = name.strip_prefix(GROUP).unwrap_or(name);
            if plain.is_empty() || plain.contains([':', ',', ' ']) {
                faults.push(
                    Fault::new(format!("\"{}\" is no {role}", name.escape_debug()))
                        .line(line(role))
                        .because("it is the name of a user, or group:NAME")
                        .then_try(format!("{role} = [\"anna\", \"group:archivists\"]")),
                );
            }
        }
    }
    if roles.approver.iter().any(|name| name == "root") {
        faults.push(
            Fault::new("root is no approver")
                .line(line("approver"))
                .because("root may be anybody, so its word is no second person's")
                .then_try("name people"),
        );
    }
    faults
}
