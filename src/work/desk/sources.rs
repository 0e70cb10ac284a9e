//! Sources, as people ask about them: how they are, listing them now, leaving them alone.
//!
//! - Who paused a source is kept, and shown until it is resumed.
//! - A probe asks the source itself, past nothing that is remembered; what it cannot try it says.

use super::complaint::{Complaint, Sort};
use super::words::{Answer, Check, SourceView};
use super::{Desk, Told, of_ledger, unknown_among};
use crate::books::ledger::{Paused, SourceRow};
use crate::model::item::Asker;
use crate::work::receiving::{Intake, ScanError};
use crate::worlds::net::breaker::Health;
use crate::worlds::source::sources::SourceState;
use crate::worlds::source::{Disposal, SourceError};
use std::time::Instant;

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 300;

impl Desk {
    pub(super) fn sources(&self, name: Option<&str>) -> Told<Answer> {
        let intakes: Vec<&Intake> = match name {
            Some(name) => vec![self.intake(name)?],
            None => self.settings.sources.iter().collect(),
        };
        let states = self.ledger.world().source.states();
        let view = |intake: &Intake| -> Told<SourceView> {
            let row = self.ledger.source(&intake.name);
            let row = row.map_err(|error| of_ledger(&error, "looking at the sources"))?;
            Ok(view(intake, row, states.iter().find(|state| state.name == intake.name)))
        };
        Ok(Answer::Sources { sources: intakes.into_iter().map(view).collect::<Told<_>>()? })
    }

    pub(super) fn scan_source(&self, name: &str, asker: &Asker) -> Told<Answer> {
        let intake = self.intake(name)?;
        let doing = format!("source {name} is not listed");
        let pipeline = self.pipeline.upgrade();
        let told = self.receiving.scan(&self.ledger, intake, asker, &|item| {
            if let Some(pipeline) = &pipeline {
                pipeline.ring(item);
            }
        });
        match told {
            Ok(told) => Ok(Answer::Scanned { source: name.into(), told }),
            Err(ScanError::Paused(why)) => Err(Box::new(
                Complaint::new(Sort::Refused, doing)
                    .because(why)
                    .then_try(format!("strongroom source resume {name}")),
            )),
            Err(ScanError::Busy) => {
                Err(Box::new(Complaint::new(Sort::Busy, doing).because("it is being listed just now")))
            }
            Err(ScanError::Source(error)) => Err(Box::new(Complaint::of_source(&error, &doing))),
            Err(ScanError::Ledger(error)) => Err(of_ledger(&error, &doing)),
        }
    }

    pub(super) fn pause_source(&self, name: &str, reason: &str, asker: &Asker) -> Told<Answer> {
        self.intake(name)?;
        let paused = Paused {
            by: asker.name.clone(),
            reason: reason.chars().take(REASON_MAX).collect(),
            at: self.ledger.world().clock.now(),
        };
        self.change_source(name, &|row| row.paused = Some(paused.clone()))
    }

    pub(super) fn resume_source(&self, name: &str) -> Told<Answer> {
        self.intake(name)?;
        self.change_source(name, &|row| row.paused = None)
    }

    fn change_source(&self, name: &str, change: &dyn Fn(&mut SourceRow)) -> Told<Answer> {
        let changed = self.ledger.change_source(name, change);
        changed.map_err(|error| of_ledger(&error, &format!("source {name} is left as it is")))?;
        self.sources(Some(name))
    }

    pub(super) fn probe(&self, name: Option<&str>) -> Told<Answer> {
        let checks = match name {
            Some(name) => vec![self.probe_one(self.intake(name)?)],
            None => self.settings.sources.iter().map(|intake| self.probe_one(intake)).collect(),
        };
        Ok(Answer::Checks { checks })
    }

    /// Lists the first page; a place that has no listing is asked for a deposit that it need not have.
    pub(super) fn probe_one(&self, intake: &Intake) -> Check {
        let source = &self.ledger.world().source;
        let started = Instant::now();
        let what = format!("source {} ({})", intake.name, intake.place);
        let listed = source.list(&intake.name, None).map(|page| {
            let more = if page.next.is_some() { " on the first page" } else { "" };
            format!("lists {} keys{more}", page.entries.len())
        });
        let found = match listed {
            Err(SourceError::NoListing { .. }) => {
                match source.look(&format!("source://{}/strongroom-probe", intake.name)) {
                    Ok(_) | Err(SourceError::Gone { .. }) => Ok("answers; it has no listing".to_string()),
                    Err(error) => Err(error),
                }
            }
            other => other,
        };
        match found {
            Ok(found) => Check::ok(format!("{what}: {found}, {} ms", started.elapsed().as_millis())),
            Err(error) => {
                let complaint = Complaint::of_source(&error, &what);
                let advice = if complaint.then_try.is_empty() {
                    format!("strongroom source show {}", intake.name)
                } else {
                    complaint.then_try
                };
                Check::fail(what, format!("{}\n{advice}", complaint.because))
            }
        }
    }

    fn intake(&self, name: &str) -> Told<&Intake> {
        let names = || self.settings.sources.iter().map(|intake| intake.name.as_str()).collect();
        self.settings
            .sources
            .iter()
            .find(|intake| intake.name == name)
            .ok_or_else(|| unknown_among("configured source", name, names()))
    }

    /// Listings end after the page they are at: the process ends.
    pub fn stop_receiving(&self) {
        self.receiving.stop();
    }

    /// What is received from where.
    pub fn intakes(&self) -> &[Intake] {
        &self.settings.sources
    }
}

fn view(intake: &Intake, row: SourceRow, state: Option<&SourceState>) -> SourceView {
    let (word, why) = match (&row.paused, state.map(|state| &state.health)) {
        (Some(paused), _) => ("paused", Some(format!("by {}: {}", paused.by, paused.reason))),
        (None, None) if row.last.trouble.is_some() => ("failing", row.last.trouble.clone()),
        (None, None) if row.last.at.is_some() => ("well", None),
        (None, None) => ("not asked", None),
        (None, Some(Health::Well)) => ("well", None),
        (None, Some(Health::Failing { failures })) => {
            ("failing", Some(format!("{failures} failures in a row")))
        }
        (None, Some(Health::Resting { remaining, asked })) => {
            let who = if *asked { "it asked for it" } else { "it failed too often" };
            ("resting", Some(format!("for {} s, {who}", remaining.as_secs())))
        }
        (None, Some(Health::Trying)) => ("trying", None),
    };
    let last_error = state.and_then(|state| state.last_error.clone()).filter(|_| word != "well");
    SourceView {
        name: intake.name.clone(),
        depositor: intake.depositor.clone(),
        place: intake.place.clone(),
        state: word.into(),
        why: match (why, last_error) {
            (Some(why), Some(error)) => Some(format!("{why}; {error}")),
            (why, error) => why.or(error),
        },
        after_kept: match &intake.after_kept {
            None => "leave".into(),
            Some(Disposal::Delete) => "delete".into(),
            Some(Disposal::Move { to }) => format!("move to {to}"),
        },
        every_seconds: intake.every.map(|every| every.as_secs()),
        paused: row.paused,
        last: row.last,
    }
}
