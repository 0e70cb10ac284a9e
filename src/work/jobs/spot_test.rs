//! The job spot-test: of each depositor that is due an object is drawn, given back to staging, judged and thrown away.
//!
//! - Tests are items of the line: they go on by themselves, also when nobody watches them. Tests that an earlier run left
//!   under way are watched to their end.
//! - Only a test that came to its end well is counted as passed.

use super::{Step, Work};
use crate::model::checkpoint::Standing;
use crate::model::item::{Asker, Item, ItemId};
use crate::model::job::Told;
use crate::work::desk::Desk;
use crate::work::desk::giving_words::{GivingAnswer, GivingAsk};
use crate::work::desk::words::{Answer, Ask};
use crate::work::spot_tests::tests;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long one step waits for news.
const WAIT: Duration = Duration::from_secs(2);

const LIST: &str = "strongroom spot-test list";

/// A run.
#[derive(Default)]
pub(super) struct SpotTest {
    /// What is drawn with, once it is known.
    seed: Option<u64>,
    drawn: bool,
    /// Tests that are not at their end.
    open: BTreeSet<u64>,
    passed: u64,
    failed: Vec<String>,
    seen: u64,
}

impl Work for SpotTest {
    fn step(&mut self, desk: &Desk, asker: &Asker) -> Step {
        if !desk.has_line() {
            return Step::Failed("nothing works on items here; next: systemctl start strongroom".into());
        }
        match self.drawn {
            false => self.draw(desk, asker),
            true => self.watch(desk),
        }
    }
}

impl SpotTest {
    fn draw(&mut self, desk: &Desk, asker: &Asker) -> Step {
        let ask = GivingAsk::Test { depositor: None, seed: self.seed, due: true };
        match desk.answer(&Ask::Giving(ask), asker) {
            Answer::Giving(GivingAnswer::Tests { orders, drawn, seed }) => {
                (self.seed, self.drawn) = (Some(seed), drawn);
                self.open.extend(orders.iter().map(|order| order.item.id));
                if drawn {
                    let under_way = match tests(desk.ledger()) {
                        Ok(items) => items.into_iter().filter(|item| !item.checkpoint.standing.rests()),
                        Err(error) => return Step::Failed(error.to_string()),
                    };
                    self.open.extend(under_way.map(|item| item.id.0));
                }
                Step::Going("objects are drawn".into())
            }
            Answer::Refused(complaint) => Step::Failed(format!("{}: {}", complaint.error, complaint.because)),
            _ => Step::Failed("the desk gave an answer that was not asked for".into()),
        }
    }

    fn watch(&mut self, desk: &Desk) -> Step {
        for id in self.open.clone() {
            match desk.ledger().item(ItemId(id)) {
                Ok(Some(item)) if item.checkpoint.standing.rests() => {
                    self.open.remove(&id);
                    self.ended(&item);
                }
                Ok(Some(_)) => {}
                Ok(None) => return Step::Failed(format!("item {id} is not there any more")),
                Err(error) => return Step::Failed(error.to_string()),
            }
        }
        let all = self.passed + self.failed.len() as u64 + self.open.len() as u64;
        if !self.open.is_empty() {
            self.seen = desk.ledger().watch(self.seen, WAIT);
            return Step::Going(format!(
                "{} of {all} tests passed, {} under way",
                self.passed,
                self.open.len()
            ));
        }
        if self.failed.is_empty() {
            return Step::Done(false, Told::line(format!("spot-test: {all} objects given back, all sound")));
        }
        let line =
            format!("spot-test: {} of {all} objects were not given back; next: {LIST}", self.failed.len());
        let mut told = Told { all: LIST.into(), ..Told::line(line) };
        self.failed.drain(..).for_each(|line| told.add(line));
        Step::Done(true, told)
    }

    fn ended(&mut self, item: &Item) {
        if item.checkpoint.standing == Standing::Done {
            self.passed += 1;
            return;
        }
        let why = item.checkpoint.standing.trouble().map(|trouble| trouble.sentence());
        let why = why.unwrap_or_else(|| item.checkpoint.standing.name().into());
        self.failed.push(format!("item {} ({}): {why}", item.id, item.deposit.key));
    }
}
