//! Events: what stages and keepers tell, and the events that become of it.
//!
//! - An event's id is a function of what it tells, so that a stage run twice tells the same event.

use crate::model::event::{AGENT, Event, EventType, Outcome};
use crate::model::item::Item;
use crate::rules::digester::sha256_hex;

/// An event before it has a time and an id.
#[derive(Clone, Debug)]
pub struct EventDraft {
    /// What happened.
    pub event_type: EventType,
    /// How it ended.
    pub outcome: Outcome,
    /// One sentence with figures.
    pub detail: String,
    /// The target concerned.
    pub target: Option<String>,
    /// When; now if not given.
    pub at: Option<jiff::Timestamp>,
}

/// The event with its id: a digest over what it tells, so that the same event has the same id.
pub(super) fn event(item: &Item, draft: &EventDraft, now: jiff::Timestamp) -> Event {
    let mut told = format!("{}\n{}\n", item.id, item.deposit.key);
    // An object is given up once, whatever the stage and round that tell of it: its tombstone does before the registry can.
    if !matches!(draft.event_type, EventType::Deletion | EventType::Deaccession) {
        told.push_str(&format!("{}\n{}\n", item.checkpoint.stage, item.checkpoint.round));
    }
    told.push_str(&format!(
        "{:?}\n{:?}\n{}",
        draft.event_type,
        draft.outcome,
        draft.target.as_deref().unwrap_or_default()
    ));
    Event {
        id: sha256_hex(told.as_bytes())[..32].to_string(),
        event_type: draft.event_type,
        at: draft.at.unwrap_or(now),
        outcome: draft.outcome,
        detail: draft.detail.clone(),
        target: draft.target.clone(),
        agent: AGENT.into(),
        // Who sent it, or gave their word; the stages after it follow by themselves.
        person: matches!(
            draft.event_type,
            EventType::Transfer | EventType::Deletion | EventType::Deaccession
        )
        .then(|| item.asked_by.name.clone()),
    }
}
