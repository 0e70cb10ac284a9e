//! `ingest` and `submit`: deposits go in; `ingest` also waits until they rest and tells what became of them.
//!
//! - The exit code is by evidence: 0 only when every deposit named is kept.
//! - Interrupted, it lets the workers reach a safe point; the same command goes on from there.

use super::talk::{Talk, Told, unexpected};
use super::{Screen, complain, text};
use crate::books::config::Config;
use crate::doors::asker;
use crate::doors::exit::{self, Exit};
use crate::doors::house::{self, House};
use crate::doors::progress::{Bars, Shown, Tally};
use crate::doors::signals::{Asked, Signals};
use crate::model::finding::Finding;
use crate::model::finding::escape;
use crate::rules::address::shown;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::{Answer, Ask, ItemView, ROWS_MAX, SCHEMA};
use crate::work::pipeline::Pipeline;
use crate::worlds::source;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Findings of one item that are printed or put into the JSON document.
const FINDINGS_MAX: usize = 10_000;

/// Findings of one item that are printed as text.
const FINDINGS_SHOWN: usize = 20;

/// How often progress is looked at, in milliseconds.
const LOOK_MILLIS: u64 = 250;

/// What is handed in.
pub struct What<'a> {
    /// Paths and addresses.
    pub paths: &'a [PathBuf],
    /// Whose it is.
    pub depositor: Option<&'a str>,
    /// Policy that they shall follow, when it was said.
    pub policy: Option<&'a str>,
    /// Addresses may be loopback or private ones.
    pub allow_private: bool,
}

/// Hands deposits in and returns.
pub fn submit(screen: &Screen, config: &Arc<Config>, what: &What<'_>) -> Told<Exit> {
    let mut talk = match Talk::daemon(config)? {
        Some(talk) => talk,
        None => Talk::here(config)?,
    };
    let handed = hand_in(&mut talk, what);
    for (item, new) in handed.items.values() {
        let known = if *new { "" } else { ", known already" };
        screen.line(&format!("{}\t{}/{}\t{}{known}", item.id, item.depositor, item.bag, item.standing));
    }
    if screen.json {
        let items: Vec<&ItemView> = handed.items.values().map(|(item, _)| item).collect();
        screen.document(&json!({ "schema": SCHEMA, "items": items, "failed": handed.failed() }));
    }
    if !talk.is_daemon() && !handed.items.is_empty() {
        screen.hint("no daemon runs: they wait for the next `strongroom serve` or `strongroom ingest`");
    }
    handed.complain(screen);
    Ok(handed.exit())
}

/// Takes deposits in and waits until they rest.
pub fn ingest(screen: &Screen, config: &Arc<Config>, what: &What<'_>) -> Told<Exit> {
    let signals = Signals::listen();
    let (mut talk, pipeline) = match Talk::daemon(config)? {
        Some(talk) => (talk, None),
        None => {
            let house = House::open(config.clone())?;
            let pipeline = house.start()?;
            let desk = house.desk(Some(&pipeline), false);
            (Talk::Here(Box::new(desk), asker::this_process()), Some(pipeline))
        }
    };
    let handed = hand_in(&mut talk, what);
    let mut run = Run { screen, handed, talk, ended: BTreeMap::new(), interrupted: None, broken: None };
    run.follow(&signals, pipeline.as_ref());
    run.finish(pipeline)
}

/// What was handed in.
struct Handed {
    /// Items by number, and whether they are new.
    items: BTreeMap<u64, (ItemView, bool)>,
    refused: Vec<(PathBuf, Complaint)>,
}

fn hand_in(talk: &mut Talk, what: &What<'_>) -> Handed {
    let mut handed = Handed { items: BTreeMap::new(), refused: Vec::new() };
    for path in what.paths {
        match hand_in_one(talk, path, what) {
            Ok((item, new)) => {
                // The same deposit named twice is new once.
                handed.items.entry(item.id).or_insert((item, new));
            }
            Err(complaint) => handed.refused.push((path.clone(), *complaint)),
        }
    }
    handed
}

fn hand_in_one(talk: &mut Talk, path: &Path, what: &What<'_>) -> Told<(ItemView, bool)> {
    let address = path.to_str().filter(|text| source::is_address(text));
    let path = match address {
        Some(address) => {
            // A fragment is the reader's own business; no server is ever sent it.
            let plain = address.split('#').next().unwrap_or(address);
            format!("{plain}{}", if what.allow_private { source::PRIVATE } else { "" })
        }
        None => real_path(path)?,
    };
    let ask = Ask::Submit {
        path,
        depositor: what.depositor.map(String::from),
        policy: what.policy.map(String::from),
        unasked: false,
    };
    match talk.ask(&ask)? {
        Answer::Submitted { item, new } => Ok((*item, new)),
        other => Err(unexpected(&other)),
    }
}

fn real_path(path: &Path) -> Told<String> {
    // By its real path, so that a link that is moved later does not change what was deposited.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| crate::books::config::absolute(path));
    let real = real.to_str().ok_or_else(|| {
        Box::new(
            Complaint::new(
                Sort::Usage,
                format!("{} is not taken", escape(path.as_os_str().as_encoded_bytes())),
            )
            .because("its path is not UTF-8")
            .then_try("rename it"),
        )
    })?;
    Ok(real.to_string())
}

impl Handed {
    fn failed(&self) -> Vec<serde_json::Value> {
        let row = |(path, complaint): &(PathBuf, Complaint)| json!({ "path": shown(&path.display().to_string()), "complaint": complaint });
        self.refused.iter().map(row).collect()
    }

    fn complain(&self, screen: &Screen) {
        self.refused.iter().for_each(|(_, complaint)| complain(screen, complaint));
    }

    fn exit(&self) -> Exit {
        match (self.refused.first(), self.items.is_empty()) {
            (None, _) => exit::DONE,
            (Some((_, complaint)), true) => complaint.sort.into(),
            (Some(_), false) => exit::PARTLY,
        }
    }
}

struct Run<'a> {
    screen: &'a Screen,
    handed: Handed,
    talk: Talk,
    /// Items at rest, with their findings.
    ended: BTreeMap<u64, (ItemView, Vec<Finding>)>,
    interrupted: Option<Exit>,
    broken: Option<Box<Complaint>>,
}

impl Run<'_> {
    /// Shows progress until every item rests, or somebody wants it to end.
    fn follow(&mut self, signals: &Signals, pipeline: Option<&Arc<Pipeline>>) {
        let all: Vec<ItemView> = self.handed.items.values().map(|(item, _)| item.clone()).collect();
        let mut tally = Tally::new(all.len(), Instant::now());
        let mut shown = match (
            self.screen.quiet || self.screen.json && !self.screen.stderr_tty,
            self.screen.stderr_tty,
        ) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bars(Bars::new()),
            (false, false) => Shown::Lines,
        };
        tally.update(&all, &[]);
        let mut open: Vec<u64> = all.iter().map(|item| item.id).collect();
        let mut seen = 0;
        while !open.is_empty() {
            if let Some(asked) = signals.asked() {
                self.interrupted =
                    Some(if asked == Asked::Interrupt { exit::INTERRUPTED } else { exit::TERMINATED });
                return;
            }
            if let Some(why) = pipeline.and_then(|pipeline| pipeline.fatal()) {
                let stopped = Complaint::new(Sort::Io, "the line stopped").because(why);
                self.broken =
                    Some(Box::new(stopped.then_try("look at the kernel log; then the same command again")));
                return;
            }
            let items = open.iter().copied().take(ROWS_MAX).collect();
            let answer = self.talk.ask(&Ask::Watch { seen, items, millis: LOOK_MILLIS });
            let (items, progress) = match answer {
                Ok(Answer::Watched { seen: now, items, progress }) => {
                    seen = now;
                    (items, progress)
                }
                Ok(other) => return self.broken = Some(unexpected(&other)),
                Err(complaint) => return self.broken = Some(complaint),
            };
            shown.update(&mut tally, &items, &progress);
            for item in items.into_iter().filter(|item| item.rests) {
                open.retain(|id| *id != item.id);
                self.rest(item, &shown);
            }
        }
    }

    fn rest(&mut self, item: ItemView, shown: &Shown) {
        let limit = if self.screen.json { FINDINGS_MAX } else { FINDINGS_SHOWN };
        let (findings, more) = findings(&mut self.talk, &item, limit);
        if !self.screen.json {
            let new = self.handed.items.get(&item.id).is_none_or(|(_, new)| *new);
            shown.print(&text::rested(&self.screen.style, &item, &findings, more, new));
        }
        self.ended.insert(item.id, (item, findings));
    }

    fn finish(mut self, pipeline: Option<Arc<Pipeline>>) -> Told<Exit> {
        let own = pipeline.is_some();
        if let Some(pipeline) = pipeline {
            if self.interrupted.is_some() {
                self.screen.hint("stopping at a safe point; once more to stop at once");
            }
            if let Err(why) = house::stop(pipeline) {
                let stopped = Complaint::new(Sort::Io, "the line stopped").because(why);
                self.broken.get_or_insert_with(|| {
                    Box::new(stopped.then_try("look at the kernel log; strongroom doctor"))
                });
            }
        }
        let exit = self.exit();
        self.tell(exit);
        self.handed.complain(self.screen);
        if let Some(interrupted) = self.interrupted {
            let goes_on =
                if own { "the same command goes on from here" } else { "the daemon goes on with it" };
            self.screen.hint(&format!("interrupted; nothing is lost, {goes_on}"));
            return Ok(interrupted);
        }
        match self.broken.take() {
            Some(complaint) => Err(complaint),
            None => Ok(exit),
        }
    }

    fn exit(&self) -> Exit {
        let kept = self.ended.values().filter(|(item, _)| item.standing == "kept").count();
        let stopped = self.ended.len() - kept;
        let unfinished = self.handed.items.len() - self.ended.len();
        match (stopped, unfinished, self.handed.exit()) {
            (0, 0, exit) => exit,
            (0, _, _) => exit::PARTLY,
            // Somebody must look: that outweighs what a second run would finish.
            _ => exit::WRONG,
        }
    }

    fn tell(&self, exit: Exit) {
        let count =
            |standing: &str| self.ended.values().filter(|(item, _)| item.standing == standing).count();
        if self.screen.json {
            let items: Vec<serde_json::Value> =
                self.handed.items.values().map(|(first, new)| self.item(first, *new)).collect();
            self.screen
                .document(&json!({ "schema": SCHEMA, "items": items, "failed": self.handed.failed() }));
            return;
        }
        let mut parts = Vec::new();
        for standing in ["kept", "refused", "held", "cancelled"] {
            let count = count(standing);
            if count > 0 {
                parts.push(format!("{count} {standing}"));
            }
        }
        let unfinished = self.handed.items.len() - self.ended.len();
        if unfinished > 0 {
            parts.push(format!("{unfinished} not at rest"));
        }
        if !self.handed.refused.is_empty() {
            parts.push(format!("{} not taken", self.handed.refused.len()));
        }
        self.screen.hint(&format!("{}. Exit {}.", parts.join(", "), exit.0));
    }

    fn item(&self, first: &ItemView, new: bool) -> serde_json::Value {
        let (item, findings) = match self.ended.get(&first.id) {
            Some((item, findings)) => (item, findings.as_slice()),
            None => (first, &[][..]),
        };
        let mut value = serde_json::to_value(item).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("new".into(), new.into());
            object.insert("findings".into(), serde_json::to_value(findings).unwrap_or_default());
        }
        value
    }
}

/// The first findings about an item, and whether there are more.
pub fn findings(talk: &mut Talk, item: &ItemView, limit: usize) -> (Vec<Finding>, bool) {
    let mut found: Vec<Finding> = Vec::new();
    // Findings that cannot be read are no reason to hide how the item stands; `item show` says why.
    let more = each_finding(talk, item, limit, &mut |finding| {
        found.push(finding);
        Ok(())
    });
    (found, more.unwrap_or(false))
}

/// Hands the first findings about an item to `each`, page by page; true when there are more.
pub fn each_finding(
    talk: &mut Talk,
    item: &ItemView,
    limit: usize,
    each: &mut dyn FnMut(Finding) -> Told<()>,
) -> Told<bool> {
    let (mut count, mut from) = (0, None);
    while count < limit {
        let page = (limit - count).min(ROWS_MAX);
        let ask = Ask::Findings { item: item.id.to_string(), after: count as u64, from, limit: page };
        let answer = talk.ask(&ask)?;
        let Answer::Findings { findings, more, next } = answer else { return Err(unexpected(&answer)) };
        let empty = findings.is_empty();
        count += findings.len();
        findings.into_iter().try_for_each(&mut *each)?;
        if !more || empty {
            return Ok(false);
        }
        from = next;
    }
    Ok(true)
}
