//! A run's part on one target: what is due, copy by copy.
//!
//! - Large copies are proved alone, by many threads; small ones many at once, each by one thread.
//! - A copy that failed is held back by the breaker until it is known to be a single one. The place that is committed is
//!   never behind one that is held back.
//! - Copies that stay where they are in the order of proofs are counted in the commit that moves the place behind them:
//!   whoever goes on after a cut comes upon them once more, and they are counted once.
//! - The object of a copy is claimed only while its proof is recorded. Who has it then keeps it, and the proof waits.

use super::Sweep;
use super::breaker::{Breaker, Verdict, kind_of};
use super::gate::Gate;
use super::look::{Looked, Reading, is_large};
use super::recording::said;
use crate::books::ledger::{
    Ill, Ledger, LedgerError, ProvenCopy, SweepFinding, SweepNews, SweepRow, SweepState, SweepTarget,
};
use crate::model::proof::DamagedCopy;
use crate::rules::due;
use crate::worlds::target::Target;
use std::time::Duration;

/// Copies read from the index at once, and proved before their times are committed.
pub const PAGE: usize = 64;

/// A run's part on one target.
pub(super) struct Round<'a> {
    pub sweep: &'a Sweep<'a>,
    pub row: &'a SweepRow,
    pub gate: &'a Gate<'a>,
}

/// What is to be committed next.
pub(super) struct News {
    pub sound: Vec<Reading>,
    pub findings: Vec<SweepFinding>,
    pub breaker: Breaker<Box<Reading>>,
    /// The place behind which nothing was looked at and is held back.
    pub place: Option<String>,
    /// The last place that was looked at.
    pub looked: Option<String>,
    /// Counts of copies behind the place of the last commit that whoever goes on there comes upon again.
    pub ahead: SweepTarget,
    /// The copy that may have been stopped in was read to its end.
    pub partial_over: bool,
}

impl Round<'_> {
    /// Goes on until nothing is due, or something ends it.
    pub fn run(&self, mut part: SweepTarget) -> Result<(), LedgerError> {
        let clock = &self.sweep.world.clock;
        let Some(target) = self.sweep.world.targets.get(&part.target) else {
            part.state = SweepState::Away;
            part.why = Some("it is not in the configuration".into());
            return self.commit(&mut part, &SweepNews::default());
        };
        let mut news = News {
            sound: Vec::new(),
            findings: Vec::new(),
            breaker: Breaker::new(self.sweep.config.breaker),
            place: part.place.clone(),
            looked: part.place.clone(),
            ahead: SweepTarget::default(),
            partial_over: false,
        };
        let mut place = part.place.clone();
        let (mut since, earlier) = (clock.monotonic(), part.millis);
        let mut spent = Duration::ZERO;
        while part.state == SweepState::Going {
            let page = self.page(&part, place.as_deref())?;
            if page.is_empty() {
                part.state = SweepState::Done;
                break;
            }
            for group in groups(page) {
                if self.ends(&mut part) {
                    break;
                }
                place = group.last().map(|copy| copy.place.clone());
                self.group(&**target, &mut part, group, &mut news)?;
                let now = clock.monotonic();
                spent += now.saturating_sub(std::mem::replace(&mut since, now));
                part.millis = earlier + u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
                self.record(&mut part, &mut news)?;
            }
        }
        self.last(&mut part, &mut news)
    }

    /// Copies that are due, behind this place: those proved before, and those proved in a time that is still to come.
    fn page(&self, part: &SweepTarget, place: Option<&str>) -> Result<Vec<ProvenCopy>, LedgerError> {
        let ledger = self.sweep.ledger;
        let ahead = due::not_yet(self.row.started);
        let wanted = |copy: &ProvenCopy| copy.proved_at <= part.before || copy.proved_at > ahead;
        let mut page = ledger.oldest_proofs(&part.target, place, PAGE)?;
        page.truncate(page.iter().take_while(|copy| wanted(copy)).count());
        let future = Ledger::proofs_after(&part.target, ahead);
        if page.is_empty() && place.is_none_or(|place| place < future.as_str()) {
            page = ledger.oldest_proofs(&part.target, Some(&future), PAGE)?;
        }
        Ok(page)
    }

    /// True when the run is to stop; the part says why.
    fn ends(&self, part: &mut SweepTarget) -> bool {
        if part.state != SweepState::Going {
            return true;
        }
        if self.gate.is_over() {
            part.state = SweepState::Stopped;
        } else if self.gate.is_spent() {
            part.state = SweepState::Budget;
        }
        part.state != SweepState::Going
    }

    /// Proves these copies, one large or several small ones, and sorts out what came of it.
    fn group(
        &self,
        target: &dyn Target,
        part: &mut SweepTarget,
        group: Vec<ProvenCopy>,
        news: &mut News,
    ) -> Result<(), LedgerError> {
        let looked = self.look_at_all(target, part, &group)?;
        for (copy, looked) in group.into_iter().zip(looked) {
            if is_large(&copy) && matches!(looked, Looked::Read(_)) {
                let begun = self.sweep.ledger.partial(&part.target)?;
                news.partial_over |= begun.is_some_and(|begun| begun.object == copy.object);
            }
            let verdict = match looked {
                Looked::Read(reading) if reading.proof.is_sound() => {
                    news.sound.push(*reading);
                    news.breaker.sound()
                }
                Looked::Read(mut reading) => {
                    // Only as much as is recorded of it: many may be held back.
                    let (run, began) = (self.row.number, reading.began);
                    reading.proof =
                        DamagedCopy::new(&copy.object, &part.target, began, run, &reading.proof).proof;
                    news.breaker.failed(kind_of(&reading.proof), reading)
                }
                Looked::Known(mark) => {
                    self.known(part, news, mark);
                    Verdict::Held
                }
                Looked::Gone => Verdict::Held,
                Looked::Left(because) => {
                    self.leave(part, news, &copy, because);
                    Verdict::Held
                }
                Looked::Away(why) => {
                    part.state = SweepState::Away;
                    part.why = Some(why);
                    return Ok(());
                }
                Looked::Stopped => {
                    let spent = self.gate.is_spent() && !self.gate.is_over();
                    part.state = if spent { SweepState::Budget } else { SweepState::Stopped };
                    return Ok(());
                }
            };
            news.looked = Some(copy.place);
            self.judge(part, news, verdict)?;
            if part.state != SweepState::Going {
                return Ok(());
            }
            // Copies that are held back are looked at again if the run is cut off now.
            if news.breaker.is_empty() {
                news.place.clone_from(&news.looked);
            }
        }
        Ok(())
    }

    /// Does what the breaker says.
    fn judge(
        &self,
        part: &mut SweepTarget,
        news: &mut News,
        verdict: Verdict<Box<Reading>>,
    ) -> Result<(), LedgerError> {
        match verdict {
            Verdict::Held => Ok(()),
            Verdict::Single(copies) => copies.into_iter().try_for_each(|one| self.damaged(part, news, *one)),
            Verdict::Ill(copies) => {
                let kind = copies.last().map(|one| kind_of(&one.proof).name()).unwrap_or_default();
                let because = format!(
                    "{} of the last copies are {kind}: the target itself looks ill; none of them is marked to be put right",
                    copies.len()
                );
                log::error!("run {} of fixity, target {}: {because}", self.row.number, part.target);
                part.state = SweepState::Ill;
                part.why = Some(because.clone());
                news.findings.push(self.finding(part, None, because));
                for one in copies {
                    news.ahead.count(&one.proof);
                    let told = said(&one.proof);
                    let mut finding = self.finding(part, Some(one.copy.object.clone()), told);
                    finding.proof = Some(one.proof);
                    news.findings.push(finding);
                }
                Ok(())
            }
        }
    }

    /// What is left when the part ends.
    fn last(&self, part: &mut SweepTarget, news: &mut News) -> Result<(), LedgerError> {
        match part.state {
            // What failed just before it was away says nothing.
            SweepState::Away | SweepState::Ill => drop(news.breaker.take()),
            _ => {
                let verdict = news.breaker.end();
                self.judge(part, news, verdict)?;
            }
        }
        let ended = part.state;
        if ended != SweepState::Away {
            news.place.clone_from(&news.looked);
        }
        // Not over before all of it is recorded: whoever goes on after a cut must come upon what still waits.
        part.state = SweepState::Going;
        self.record(part, news)?;
        for one in std::mem::take(&mut news.sound) {
            self.record_late(part, news, one)?;
        }
        part.state = ended;
        part.place = news.place.take().filter(|_| ended != SweepState::Done);
        part.add(&std::mem::take(&mut news.ahead));
        let ill = Ill {
            run: self.row.number,
            at: self.sweep.world.clock.now(),
            because: part.why.clone().unwrap_or_default(),
        };
        let ill = match ended {
            SweepState::Ill => Some(Some(&ill)),
            // Who looked at nothing cannot say that it is well again.
            SweepState::Done if part.sound > 0 => Some(None),
            _ => None,
        };
        let findings = std::mem::take(&mut news.findings);
        self.commit(part, &SweepNews { findings: &findings, ill, ..SweepNews::default() })
    }

    fn commit(&self, part: &mut SweepTarget, news: &SweepNews<'_>) -> Result<(), LedgerError> {
        let rows = self.sweep.ledger.sweep_rows(self.row.number, part, news)?;
        self.sweep.ledger.move_proofs(&[], rows)?;
        (self.sweep.told)(part);
        Ok(())
    }
}

/// Large copies alone, small ones together.
fn groups(page: Vec<ProvenCopy>) -> Vec<Vec<ProvenCopy>> {
    let mut groups: Vec<Vec<ProvenCopy>> = Vec::new();
    let mut open = false;
    for copy in page {
        let large = is_large(&copy);
        match groups.last_mut() {
            Some(group) if open && !large => group.push(copy),
            _ => groups.push(vec![copy]),
        }
        open = !large;
    }
    groups
}
