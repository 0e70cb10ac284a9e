//! Words about what is kept: targets and what they are for, objects, their copies, files and events.

use crate::books::ledger::{TargetRow, TargetUse};
use crate::model::event::Event;
use crate::model::object::{ObjectRow, VersionRow};
use crate::work::keeping::Filled;
use crate::work::proving::Proof;
use crate::worlds::target::probe::Ability;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A question or an order about what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum KeepAsk {
    /// The targets, or the one of this name.
    Targets {
        /// Which.
        #[serde(default)]
        target: Option<String>,
    },
    /// What lies on targets, by depositor.
    Usage {
        /// Only on this one.
        #[serde(default)]
        target: Option<String>,
    },
    /// Make copies that policies ask for and that are not there; for a bounded time.
    Fill {
        /// Only on this target.
        #[serde(default)]
        target: Option<String>,
        /// Only objects behind this one.
        #[serde(default)]
        after: Option<String>,
        /// Only count them.
        #[serde(default)]
        only_count: bool,
    },
    /// Say what a target is for from now on.
    UseTarget {
        /// Which.
        target: String,
        /// What for.
        state: TargetUse,
        /// Why.
        #[serde(default)]
        reason: String,
        /// Only say what stands against it.
        #[serde(default)]
        dry_run: bool,
    },
    /// Try what targets really do, and remember it; all of them, if none is named.
    Probe {
        /// Which.
        #[serde(default)]
        target: Option<String>,
    },
    /// What happened to an object, from its first deposit on.
    History {
        /// Its id, or depositor/bag.
        object: String,
    },
    /// The files of an object's version.
    ObjectFiles {
        /// Its id, or depositor/bag.
        object: String,
        /// Which version; the newest, if not said.
        #[serde(default)]
        version: Option<u32>,
        /// Only behind this path.
        #[serde(default)]
        after: Option<String>,
        /// At most so many.
        limit: usize,
    },
    /// Read every file of an object's copies, and compare.
    Prove {
        /// Its id, or depositor/bag.
        object: String,
        /// Only on this target.
        #[serde(default)]
        target: Option<String>,
    },
}

/// An answer about what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum KeepAnswer {
    /// Targets.
    Targets {
        /// One row each.
        targets: Vec<TargetView>,
    },
    /// What lies on targets.
    Usage {
        /// One row a target and depositor.
        usage: Vec<UsageRow>,
    },
    /// Copies made.
    Filled(Filled),
    /// What targets do.
    Probed {
        /// One a target.
        probes: Vec<TargetProbe>,
    },
    /// What happened.
    History {
        /// The object.
        object: ObjectRow,
        /// Its versions.
        versions: Vec<VersionRow>,
        /// Its events, oldest first.
        events: Vec<ObjectEvent>,
    },
    /// Files.
    ObjectFiles {
        /// The object's id.
        object: String,
        /// The version.
        version: u32,
        /// Its files, by path.
        files: Vec<ObjectFile>,
        /// True when there are more.
        more: bool,
    },
    /// How copies are.
    Proved {
        /// The object's id.
        object: String,
        /// One row a copy.
        copies: Vec<ProvedCopy>,
    },
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// Its storage root.
    pub root: String,
    /// What it is for.
    pub state: TargetUse,
    /// Who said so, when and why; none: it is active from the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<TargetRow>,
    /// Policies that name it.
    pub policies: Vec<String>,
    /// Bytes that are free; none where there is no limit, or it cannot be asked.
    pub free: Option<u64>,
    /// Bytes in all.
    pub total: Option<u64>,
    /// Why it cannot be used now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// What it was seen to do when it was tried last; none: it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed: Option<Box<TargetProbe>>,
}

/// What a target was seen to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetProbe {
    /// The target.
    pub target: String,
    /// Its storage root.
    pub root: String,
    /// When it was tried.
    pub at: Timestamp,
    /// What was found.
    pub abilities: Vec<Ability>,
    /// Why it could not be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}

/// What lies on a target of one depositor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// The target.
    pub target: String,
    /// The depositor.
    pub depositor: String,
    /// Objects with a copy.
    pub objects: u64,
    /// Copies of versions.
    pub versions: u64,
    /// Files of the bags in them.
    pub files: u64,
    /// Bytes of those files. Files that did not change from one version to the next lie there once and are counted in both.
    pub bytes: u64,
    /// Copies of versions that a policy asks for and that are not there.
    pub lacking: u64,
    /// When the copy was proved that was proved longest ago (UTC).
    pub oldest_proof: Option<Timestamp>,
}

/// An event of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEvent {
    /// The version it is about.
    pub version: u32,
    /// The item it belongs to, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u64>,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// A file of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFile {
    /// Logical path: `bag/…` or `metadata/…`.
    pub path: String,
    /// Where its bytes lie in the object.
    pub content_path: String,
    /// Its bytes; none when the target that was asked does not have it.
    pub bytes: Option<u64>,
    /// Lower-case hexadecimal.
    pub sha512: String,
}

/// How one copy is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvedCopy {
    /// The target.
    pub target: String,
    /// What was found; none when the target could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// When it was read (UTC).
    pub at: Timestamp,
}
