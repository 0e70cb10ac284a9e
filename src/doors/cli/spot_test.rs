//! `spot-test`: an object of each depositor is drawn, read back whole, judged, and thrown away again.
//!
//! - The exit code is by evidence: 0 only when every test that was begun was passed.

use super::Screen;
use super::args_giving::SpotTestVerb;
use super::restore;
use super::table::{Table, Tone};
use super::talk::{Talk, Told, unexpected};
use super::waiting::Working;
use crate::books::config::Config;
use crate::doors::exit::{self, Exit};
use crate::work::desk::giving_words::{GivingAnswer, GivingAsk, OrderView};
use crate::work::desk::words::{Answer, Ask, ItemView, SCHEMA};
use serde_json::json;
use std::sync::Arc;

/// Does a verb on tests.
pub fn run(screen: &Screen, config: &Arc<Config>, verb: SpotTestVerb) -> Told<Exit> {
    match verb {
        SpotTestVerb::Run { depositor, seed, due } => test(screen, config, depositor, seed, due),
        SpotTestVerb::List { all } => restore::list(screen, &mut Talk::open(config)?, true, all),
        SpotTestVerb::Show { item } => restore::show_one(screen, &mut Talk::open(config)?, item),
    }
}

fn test(
    screen: &Screen,
    config: &Arc<Config>,
    depositor: Option<String>,
    seed: Option<u64>,
    due: bool,
) -> Told<Exit> {
    let mut working = Working::open(config)?;
    let (drawn_with, orders) = loop {
        let ask = GivingAsk::Test { depositor: depositor.clone(), seed, due };
        match working.talk.ask(&Ask::Giving(ask))? {
            Answer::Giving(GivingAnswer::Tests { orders, drawn: true, seed }) => break (seed, orders),
            Answer::Giving(GivingAnswer::Tests { drawn: false, .. }) => {}
            other => return Err(unexpected(&other)),
        }
    };
    let items = orders.iter().map(|order: &OrderView| order.item.clone()).collect();
    let (rest, interrupted) = working.follow(screen, items)?;
    let passed = rest.iter().filter(|item| item.standing == "done").count();
    match screen.json {
        true => screen.document(&json!({
            "schema": SCHEMA, "seed": drawn_with, "tests": rest, "passed": passed, "failed": rest.len() - passed
        })),
        false => screen.text(&told(screen, &orders, &rest)),
    }
    working.end()?;
    Ok(interrupted.unwrap_or(if passed == orders.len() { exit::DONE } else { exit::WRONG }))
}

fn told(screen: &Screen, orders: &[OrderView], rest: &[ItemView]) -> String {
    if orders.is_empty() {
        screen.hint("no test is due");
        return String::new();
    }
    let mut table = Table::new(&[">ITEM", "OBJECT", ">VERSION", "RESULT", "WHY"]);
    for order in orders {
        let item = rest.iter().find(|item| item.id == order.item.id);
        let (tone, result) = match item.map(|item| item.standing.as_str()) {
            Some("done") => (Tone::Good, "passed"),
            Some(_) => (Tone::Bad, "not passed"),
            None => (Tone::Dim, "not at its end"),
        };
        let why = item.and_then(|item| item.trouble.as_ref()).map(|trouble| trouble.sentence.clone());
        table.row(vec![
            order.item.id.into(),
            (&order.object).into(),
            order.version.into(),
            super::table::Cell::from(result).tone(tone),
            why.unwrap_or_default().into(),
        ]);
    }
    table.render(&screen.style)
}
