//! PREMIS events: what happened to a deposit or an object, once each.
//!
//! - An event's id is a function of what it tells (item, stage, round, target, outcome), never of when or by which
//!   try it was reached; so a stage run twice writes the same event, and the ledger holds it once.
//! - Events are committed together with the checkpoint they describe, or not at all.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kinds of event we record: terms of the Library of Congress eventType vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventType {
    /// `tra`: the deposit was received.
    Transfer,
    /// `unp`: the tar's members were indexed.
    Unpacking,
    /// `mes`: digests of every member were computed.
    MessageDigestCalculation,
    /// `fix`: digests were compared with the manifests, or a copy was proved again.
    FixityCheck,
    /// `val`: the bag was judged.
    Validation,
    /// `poa`: the policy that the object follows was chosen.
    PolicyAssignment,
    /// `ing`: the object was stored on its first target.
    Ingestion,
    /// `rep`: the object was stored on a further target.
    Replication,
    /// `ine`: the policy is met and the registry says so.
    IngestionEnd,
    /// `dis`: the object was given back.
    Dissemination,
    /// `pac`: a bag was packed to be given back.
    Packing,
    /// `qua`: bytes that were found wrong were put aside.
    Quarantine,
    /// `rec`: what was wrong or missing was put right from a proved copy.
    Recovery,
    /// `del`: a copy was deleted.
    Deletion,
    /// `dea`: the object was given up on two persons' word.
    Deaccession,
}

impl EventType {
    /// Every kind.
    pub const ALL: [EventType; 15] = [
        EventType::Transfer,
        EventType::Unpacking,
        EventType::MessageDigestCalculation,
        EventType::FixityCheck,
        EventType::Validation,
        EventType::PolicyAssignment,
        EventType::Ingestion,
        EventType::Replication,
        EventType::IngestionEnd,
        EventType::Dissemination,
        EventType::Packing,
        EventType::Quarantine,
        EventType::Recovery,
        EventType::Deletion,
        EventType::Deaccession,
    ];

    /// The kind of this term.
    pub fn from_term(term: &str) -> Option<EventType> {
        EventType::ALL.into_iter().find(|kind| kind.term().0 == term)
    }

    /// Term and three-letter code of the vocabulary at `http://id.loc.gov/vocabulary/preservation/eventType/`.
    pub fn term(self) -> (&'static str, &'static str) {
        match self {
            EventType::Transfer => ("transfer", "tra"),
            EventType::Unpacking => ("unpacking", "unp"),
            EventType::MessageDigestCalculation => ("message digest calculation", "mes"),
            EventType::FixityCheck => ("fixity check", "fix"),
            EventType::Validation => ("validation", "val"),
            EventType::PolicyAssignment => ("policy assignment", "poa"),
            EventType::Ingestion => ("ingestion", "ing"),
            EventType::Replication => ("replication", "rep"),
            EventType::IngestionEnd => ("ingestion end", "ine"),
            EventType::Dissemination => ("dissemination", "dis"),
            EventType::Packing => ("packing", "pac"),
            EventType::Quarantine => ("quarantine", "qua"),
            EventType::Recovery => ("recovery", "rec"),
            EventType::Deletion => ("deletion", "del"),
            EventType::Deaccession => ("deaccession", "dea"),
        }
    }
}

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it set out to do, and found nothing wrong.
    Success,
    /// It found something wrong.
    Failure,
}

/// One PREMIS event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// First 32 hexadecimal digits of the SHA-256 over what the event tells; the same event has the same id.
    pub id: String,
    /// What happened.
    pub event_type: EventType,
    /// When (UTC).
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// One sentence with figures, for people.
    pub detail: String,
    /// The target concerned, for copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Who or what did it: software with version, or a person.
    pub agent: String,
    /// The person on whose word it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// Name and version of this software, as PREMIS agent.
pub const AGENT: &str = concat!("strongroom ", env!("CARGO_PKG_VERSION"));
