//! Spot tests: an object of each depositor, drawn by chance, is given back to staging, judged and thrown away again.
//!
//! - Who was not tested for longest is drawn most often; the same seed over the same objects draws the same one.
//! - Memory does not grow with the number of objects: one pass, one best draw a depositor.
//! - What was tested when is in the items that tested it; nothing else keeps count.

use crate::books::ledger::{Ledger, LedgerError};
use crate::model::errand::Errand;
use crate::model::item::{Asker, Form, Item};
use crate::model::object::{ObjectId, ObjectRow};
use crate::work::giving::ordering::{Wanted, order};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Objects read at once.
const PAGE: usize = 256;

/// A candidate's draw: of several the highest wins. An object of twice the weight wins twice as often, whatever comes in
/// what order (Efraimidis and Spirakis).
pub fn draw(seed: u64, object: &ObjectId, weight: f64) -> f64 {
    let mut told = Sha256::new();
    told.update(seed.to_be_bytes());
    told.update(object.0.as_bytes());
    let digest = told.finalize();
    let bits = digest.iter().take(8).fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    // In (0, 1), never at its ends: the logarithm must be finite and below zero.
    let chance = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    chance.ln() / weight.max(f64::MIN_POSITIVE)
}

/// What an object weighs that was kept, or tested last, so long ago: the square of its days, so that who was not tested for
/// twice as long is drawn four times as often.
pub fn weight(untested: Duration) -> f64 {
    let days = untested.as_secs_f64() / 86_400.0;
    (days + 1.0).powi(2)
}

/// True when a depositor whose last test was begun then is due again.
pub fn is_due(last: Option<Timestamp>, every: Duration, now: Timestamp) -> bool {
    last.is_none_or(|last| crate::rules::due::again(last, every, now))
}

/// Which depositors are tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Only this depositor.
    pub depositor: Option<String>,
    /// Only those whose last test was begun so long ago.
    pub every: Option<Duration>,
    /// What is drawn with.
    pub seed: u64,
}

/// The best draw of a depositor so far.
struct Best {
    draw: f64,
    object: ObjectRow,
}

/// A drawing under way.
pub struct Drawing {
    scope: Scope,
    after: Option<ObjectId>,
    /// When an object was tested last.
    tested: BTreeMap<ObjectId, Timestamp>,
    /// When a test of a depositor was begun last.
    begun: BTreeMap<String, Timestamp>,
    best: BTreeMap<String, Best>,
    now: Timestamp,
}

impl Drawing {
    /// A new drawing.
    pub fn new(ledger: &Ledger, scope: Scope) -> Result<Drawing, LedgerError> {
        let (mut tested, mut begun) = (BTreeMap::new(), BTreeMap::new());
        for item in tests(ledger)? {
            let Some(errand) = &item.errand else { continue };
            begun.insert(item.depositor.clone(), item.received_at);
            if let Some(delivered) = &item.found.deliver {
                tested.insert(errand.object().clone(), delivered.at);
            }
        }
        let now = ledger.world().clock.now();
        Ok(Drawing { scope, after: None, tested, begun, best: BTreeMap::new(), now })
    }

    /// What it draws for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Goes on until this time; true when every object took part.
    pub fn step(&mut self, ledger: &Ledger, until: Instant) -> Result<bool, LedgerError> {
        loop {
            let page = ledger.objects(self.after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(true) };
            self.after = Some(last.id.clone());
            page.into_iter().for_each(|object| self.take(object));
            if Instant::now() >= until {
                return Ok(false);
            }
        }
    }

    fn takes(&self, depositor: &str) -> bool {
        let wanted = self.scope.depositor.as_deref().is_none_or(|only| only == depositor);
        let due = |every| is_due(self.begun.get(depositor).copied(), every, self.now);
        wanted && self.scope.every.is_none_or(due)
    }

    fn take(&mut self, object: ObjectRow) {
        if !self.takes(&object.depositor) {
            return;
        }
        let since = self.tested.get(&object.id).copied().unwrap_or(object.created);
        let untested = Duration::try_from(self.now.duration_since(since)).unwrap_or_default();
        let draw = draw(self.scope.seed, &object.id, weight(untested));
        if self.best.get(&object.depositor).is_none_or(|best| best.draw < draw) {
            self.best.insert(object.depositor.clone(), Best { draw, object });
        }
    }

    /// Orders the tests of what was drawn.
    pub fn order(self, ledger: &Ledger, asked_by: &Asker) -> Result<Vec<Item>, LedgerError> {
        let mut items = Vec::new();
        for Best { object, .. } in self.best.into_values() {
            let Some(version) = ledger.versions(&object.id)?.pop() else { continue };
            let wanted = Wanted {
                file: None,
                form: Form::Folder,
                to: String::new(),
                spot_test: Some(self.scope.seed),
            };
            items.push(order(ledger, &object, &version, wanted, asked_by)?.0);
        }
        Ok(items)
    }
}

/// Items that test what is kept, oldest first.
pub fn tests(ledger: &Ledger) -> Result<Vec<Item>, LedgerError> {
    let mut items = Vec::new();
    for id in ledger.restorations(None)? {
        let item = ledger.item(id)?;
        items.extend(
            item.filter(|item| matches!(&item.errand, Some(Errand::Restore(order)) if order.spot_test)),
        );
    }
    Ok(items)
}

#[cfg(test)]
mod drawn {
    use super::*;

    fn object(number: u64) -> ObjectId {
        ObjectId(format!("strongroom:uva.edu/{number}"))
    }

    fn winner(seed: u64, days: &[u64]) -> usize {
        let drawn = |(number, days): (usize, &u64)| {
            let weight = weight(Duration::from_secs(days * 86_400));
            (draw(seed, &object(number as u64), weight), number)
        };
        days.iter().enumerate().map(drawn).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
    }

    #[test]
    fn who_was_not_tested_for_twice_as_long_is_drawn_four_times_as_often() {
        // Days and one, squared: 1, 4, 16, 100 of 121.
        let days = [0, 1, 3, 9];
        let mut won = [0u32; 4];
        let draws = 20_000;
        (0..draws).for_each(|seed| won[winner(seed, &days)] += 1);
        for (number, weight) in [1.0, 4.0, 16.0, 100.0].into_iter().enumerate() {
            let wanted = weight / 121.0 * draws as f64;
            let off = (f64::from(won[number]) - wanted).abs();
            // Five standard deviations: the seeds are fixed, so this never fails by chance later.
            assert!(off < 5.0 * wanted.sqrt() + 1.0, "{number}: {} of {wanted}", won[number]);
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_whatever_the_order_and_another_seed_another() {
        let ids: Vec<ObjectId> = (0..50).map(object).collect();
        let best = |ids: &mut dyn Iterator<Item = &ObjectId>, seed| {
            ids.max_by(|a, b| draw(seed, a, 1.0).total_cmp(&draw(seed, b, 1.0))).unwrap().clone()
        };
        let forward = best(&mut ids.iter(), 7);
        assert_eq!(forward, best(&mut ids.iter().rev(), 7));
        assert!((8..20).any(|seed| best(&mut ids.iter(), seed) != forward));
    }

    #[test]
    fn a_test_is_due_when_none_was_begun_or_the_last_is_old_enough() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let every = Duration::from_secs(100);
        #[rustfmt::skip]
        let table = [
            (None, 0, true),
            (Some(0), 99, false),
            (Some(0), 100, true),
            (Some(50), 20, false),
            // By a clock that was far ahead.
            (Some(5_000), 20, true),
        ];
        for (last, now, due) in table {
            assert_eq!(is_due(last.map(at), every, at(now)), due, "{last:?} {now}");
        }
    }

    #[test]
    fn weights_grow_with_the_time_untested() {
        let day = Duration::from_secs(86_400);
        for (days, wanted) in [(0, 1.0), (1, 4.0), (9, 100.0), (364, 133_225.0)] {
            assert_eq!(weight(day * days), wanted);
        }
    }
}
