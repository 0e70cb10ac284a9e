//! Waiting for items until they rest: with the daemon, or with a line of our own when none runs.
//!
//! - Interrupted, workers reach a safe point; what is not at rest goes on later.

use super::Screen;
use super::talk::{Talk, Told, unexpected};
use crate::books::config::Config;
use crate::doors::asker;
use crate::doors::exit::{self, Exit};
use crate::doors::house::{self, House};
use crate::doors::progress::{Bars, Shown, Tally};
use crate::doors::signals::{Asked, Signals};
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::{Answer, Ask, ItemView, ROWS_MAX};
use crate::work::pipeline::Pipeline;
use std::sync::Arc;
use std::time::Instant;

/// How often progress is looked at, in milliseconds.
const LOOK_MILLIS: u64 = 250;

/// Who answers, and does the work.
pub struct Working {
    /// Who answers.
    pub talk: Talk,
    pipeline: Option<Arc<Pipeline>>,
    signals: Signals,
}

impl Working {
    /// The daemon; or a house and a line of our own.
    pub fn open(config: &Arc<Config>) -> Told<Working> {
        let signals = Signals::listen();
        if let Some(talk) = Talk::daemon(config)? {
            return Ok(Working { talk, pipeline: None, signals });
        }
        let house = House::open(config.clone())?;
        let pipeline = house.start()?;
        let desk = house.desk(Some(&pipeline), false);
        let talk = Talk::Here(Box::new(desk), asker::this_process());
        Ok(Working { talk, pipeline: Some(pipeline), signals })
    }

    /// Who answers, without a line: for what no item is worked on for.
    pub fn without_line(talk: Talk) -> Working {
        Working { talk, pipeline: None, signals: Signals::listen() }
    }

    /// Waits until these rest. Gives those that do; and how the process shall end, when it was interrupted.
    pub fn follow(&mut self, screen: &Screen, items: Vec<ItemView>) -> Told<(Vec<ItemView>, Option<Exit>)> {
        let mut tally = Tally::new(items.len(), Instant::now());
        let mut shown = match (screen.quiet || screen.json && !screen.stderr_tty, screen.stderr_tty) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bars(Bars::new()),
            (false, false) => Shown::Lines,
        };
        tally.update(&items, &[]);
        let mut open: Vec<u64> = items.iter().map(|item| item.id).collect();
        let (mut rest, mut seen) = (Vec::new(), 0);
        while !open.is_empty() {
            if let Some(asked) = self.signals.asked() {
                let exit = if asked == Asked::Interrupt { exit::INTERRUPTED } else { exit::TERMINATED };
                screen.hint("interrupted; nothing is lost, it goes on from here");
                return Ok((rest, Some(exit)));
            }
            if let Some(why) = self.pipeline.as_ref().and_then(|pipeline| pipeline.fatal()) {
                let stopped = Complaint::new(Sort::Io, "the line stopped").because(why);
                return Err(Box::new(
                    stopped.then_try("look at the kernel log; then the same command again"),
                ));
            }
            let items = open.iter().copied().take(ROWS_MAX).collect();
            let answer = self.talk.ask(&Ask::Watch { seen, items, millis: LOOK_MILLIS })?;
            let Answer::Watched { seen: now, items, progress } = answer else {
                return Err(unexpected(&answer));
            };
            seen = now;
            shown.update(&mut tally, &items, &progress);
            for item in items.into_iter().filter(|item| item.rests) {
                open.retain(|id| *id != item.id);
                rest.push(item);
            }
        }
        Ok((rest, None))
    }

    /// Lets a line of our own end at a safe point.
    pub fn end(self) -> Told<()> {
        drop(self.talk);
        let Some(pipeline) = self.pipeline else { return Ok(()) };
        house::stop(pipeline).map_err(|why| {
            let stopped = Complaint::new(Sort::Io, "the line stopped").because(why);
            Box::new(stopped.then_try("look at the kernel log; strongroom doctor"))
        })
    }
}
