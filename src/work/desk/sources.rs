//! Sources, as people ask about them: how they are, listing them now, leaving them alone.
//!
//! - Who paused a source is kept, and shown until it is resumed.
//! - A probe asks the source itself, past nothing that is remembered; what it cannot try it says.

use super::complaint::{Complaint, Sort};
use super::source_view::{self, Known};
use super::words::{Answer, Check, SourceCounts, SourceView};
use super::{Desk, Told, of_ledger, unknown_among};
use crate::books::ledger::{Paused, SourceRow};
use crate::model::checkpoint::Standing;
use crate::model::item::Asker;
use crate::work::receiving::{Intake, ScanError};
use crate::worlds::source::SourceError;
use rustix::fs::Access;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 300;

impl Desk {
    pub(super) fn sources(&self, name: Option<&str>) -> Told<Answer> {
        let intakes = match name {
            Some(name) => vec![self.intake(name)?],
            None => self.intakes().to_vec(),
        };
        let mut counts = self.source_counts()?;
        let mut sources = Vec::new();
        for (mut source, _) in self.source_views(&intakes)? {
            let known = self.ledger.count_seen(&source.name);
            let known = known.map_err(|error| of_ledger(&error, "counting what is known"))?;
            let counted = counts.remove(&source.name).unwrap_or_default();
            source.counts = Some(SourceCounts { known, ..counted });
            sources.push(source);
        }
        Ok(Answer::Sources { sources })
    }

    /// Sources that somebody should look at; and whether one of them will not be well by itself.
    pub(super) fn ailing_sources(&self) -> Told<(Vec<SourceView>, bool)> {
        let mut sources = self.source_views(&self.intakes())?;
        sources.retain(|(source, _)| source_view::needs_attention(source));
        let wrong = sources.iter().any(|(_, wrong)| *wrong);
        Ok((sources.into_iter().map(|(source, _)| source).collect(), wrong))
    }

    /// How these are doing, each with whether that is wrong.
    fn source_views(&self, intakes: &[Intake]) -> Told<Vec<(SourceView, bool)>> {
        let states = self.ledger.world().source.states();
        let now = self.ledger.world().clock.now();
        let view = |intake: &Intake| {
            let row = self.ledger.source(&intake.name);
            let row = row.map_err(|error| of_ledger(&error, "looking at the sources"))?;
            let state = states.iter().find(|state| state.name == intake.name);
            let listing_since = self.receiving.listing_since(&intake.name);
            let started = self.daemon.then_some(self.started);
            let source = source_view::view(Known { intake, row, state, listing_since, started, now });
            let wrong = source_view::is_wrong(&source, state);
            Ok((source, wrong))
        };
        intakes.iter().map(view).collect()
    }

    /// Unfinished items, by the source they are of.
    fn source_counts(&self) -> Told<BTreeMap<String, SourceCounts>> {
        let mut counts: BTreeMap<String, SourceCounts> = BTreeMap::new();
        for item in self.unfinished()? {
            let name = item.deposit.key.strip_prefix("source://").and_then(|rest| rest.split('/').next());
            let Some(name) = name else { continue };
            let row = counts.entry(name.to_string()).or_default();
            match item.checkpoint.standing {
                Standing::Held { .. } => row.held += 1,
                Standing::Refused { .. } => row.refused += 1,
                _ => {
                    row.waiting += 1;
                    row.waiting_bytes = row.waiting_bytes.saturating_add(item.deposit.bytes);
                }
            }
        }
        Ok(counts)
    }

    pub(super) fn scan_source(&self, name: &str, asker: &Asker) -> Told<Answer> {
        let intake = &self.intake(name)?;
        let doing = format!("source {name} is not listed");
        let told = self.receiving.scan(&self.ledger, intake, asker, &|item| self.after(item));
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
            Some(name) => vec![self.probe_one(&self.intake(name)?)],
            None => self.intakes().iter().map(|intake| self.probe_one(intake)).collect(),
        };
        Ok(Answer::Checks { checks })
    }

    /// Lists the first page; a place that has no listing is asked for a deposit that it need not have. What must be moved
    /// or deleted one day must lie where we may write.
    pub(super) fn probe_one(&self, intake: &Intake) -> Check {
        let what = format!("source {} ({})", intake.name, intake.place);
        let paused = self.ledger.source(&intake.name).ok().and_then(|row| row.paused);
        if let Some(paused) = paused {
            let why =
                format!("{} paused it at {:.0}: {}; it was not asked", paused.by, paused.at, paused.reason);
            return Check::warn(what, format!("{why}\nstrongroom source resume {}", intake.name));
        }
        let source = &self.ledger.world().source;
        let started = Instant::now();
        let listed = source.list(&intake.name, None).map(|page| {
            let more = if page.next.is_some() { " on the first page" } else { "" };
            format!("lists {}{more}", counted(page.entries.len()))
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
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let because = Complaint::of_source(&error, &what).because;
                return Check::fail(what, format!("{because}\n{}", remedy(&error, intake)));
            }
        };
        if intake.in_place
            && intake.after_kept.is_some()
            && let Err(error) = rustix::fs::access(&intake.place, Access::WRITE_OK | Access::EXEC_OK)
        {
            let why = format!("kept deposits cannot leave it: {error}");
            let mend = format!(
                "give the service the right to write there, or: after_kept = \"leave\" for {}",
                intake.name
            );
            return Check::fail(what, format!("{why}\n{mend}"));
        }
        Check::ok(format!("{what}: {found}, {} ms", started.elapsed().as_millis()))
    }

    fn intake(&self, name: &str) -> Told<Intake> {
        let intakes = self.intakes();
        let names = || intakes.iter().map(|intake| intake.name.as_str()).collect();
        let found = intakes.iter().find(|intake| intake.name == name).cloned();
        found.ok_or_else(|| unknown_among("configured source", name, names()))
    }

    /// Listings end after the page they are at: the process ends.
    pub fn stop_receiving(&self) {
        self.receiving.stop();
    }

    /// What is received from where.
    pub fn intakes(&self) -> Arc<Vec<Intake>> {
        self.intakes.read().unwrap_or_else(|broken| broken.into_inner()).clone()
    }

    /// From now on this is received.
    pub fn set_intakes(&self, intakes: Vec<Intake>) {
        *self.intakes.write().unwrap_or_else(|broken| broken.into_inner()) = Arc::new(intakes);
    }
}

fn counted(keys: usize) -> String {
    if keys == 1 { "1 key".into() } else { format!("{keys} keys") }
}

/// What to do about a source that does not give.
fn remedy(error: &SourceError, intake: &Intake) -> String {
    let name = &intake.name;
    match error {
        SourceError::Unreachable { .. } if intake.in_place => {
            format!("mount {}, or correct path of {name}", intake.place)
        }
        SourceError::Unreachable { .. } => {
            format!("look at network, proxy and certificates (proxy, ca_file of {name}), and at the server")
        }
        SourceError::Denied { .. } if intake.in_place => {
            format!("give the service's user the right to read {}", intake.place)
        }
        SourceError::Denied { .. } => {
            format!("check credentials of {name}, and that they may list and read there")
        }
        SourceError::Busy { .. } => format!("it is asked again by itself: strongroom source show {name}"),
        SourceError::Gone { .. } | SourceError::Wrong { .. } => {
            format!("check what the configuration says of {name}: strongroom config show")
        }
        SourceError::Io { .. } => "look at the kernel log for its disk".into(),
        _ => format!("strongroom source show {name}"),
    }
}
