//! Progress: bars on a terminal, a line every 30 s or 10 % without one.
//!
//! - Progress is a message: it goes to stderr, and `--quiet` silences it.
//! - Whatever is printed meanwhile goes above the bars, never through them.

use crate::books::config::units::show_bytes;
use crate::doors::log::set_screen;
use crate::model::checkpoint::Stage;
use crate::work::desk::words::{ItemView, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

/// Items shown with a bar of their own.
const BARS_MAX: usize = 6;

/// A line at least so often without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How far a set of items is.
#[derive(Debug)]
pub struct Tally {
    total: usize,
    bytes: BTreeMap<u64, u64>,
    share: BTreeMap<u64, f64>,
    resting: usize,
    said_at: Instant,
    said_tenths: u32,
}

impl Tally {
    /// For so many items.
    pub fn new(total: usize, now: Instant) -> Tally {
        let (bytes, share) = (BTreeMap::new(), BTreeMap::new());
        Tally { total, bytes, share, resting: 0, said_at: now, said_tenths: 0 }
    }

    /// How these items stand now.
    pub fn update(&mut self, items: &[ItemView], progress: &[Progress]) {
        for item in items {
            self.bytes.insert(item.id, item.bytes.max(1));
            let place = Stage::INGEST.iter().position(|stage| stage.name() == item.stage).unwrap_or(0);
            let within = progress.iter().find(|found| found.item == item.id && found.stage == item.stage);
            let within =
                within.map_or(0.0, |found| found.done as f64 / found.total.max(found.done).max(1) as f64);
            let share = if item.rests { 1.0 } else { (place as f64 + within) / Stage::INGEST.len() as f64 };
            self.share.insert(item.id, share.clamp(0.0, 1.0));
        }
        self.resting = self.share.values().filter(|share| **share >= 1.0).count();
    }

    /// From 0 to 1, by bytes.
    pub fn share(&self) -> f64 {
        let all: f64 = self.bytes.values().map(|bytes| *bytes as f64).sum();
        let done: f64 = self
            .share
            .iter()
            .map(|(id, share)| share * self.bytes.get(id).copied().unwrap_or(0) as f64)
            .sum();
        if all > 0.0 { done / all } else { 0.0 }
    }

    /// `3 of 10 bags at rest, 41 % of 12.0 GiB`.
    pub fn sentence(&self) -> String {
        let all: u64 = self.bytes.values().sum();
        format!(
            "{} of {} bags at rest, {:.0} % of {}",
            self.resting,
            self.total,
            self.share() * 100.0,
            show_bytes(all)
        )
    }

    /// True when a line is due: 30 s after the last one, or 10 % further.
    pub fn due(&mut self, now: Instant) -> bool {
        let tenths = (self.share() * 10.0) as u32;
        let due = tenths > self.said_tenths || now.duration_since(self.said_at) >= LINE_EVERY;
        if due {
            self.said_tenths = tenths;
            self.said_at = now;
        }
        due
    }
}

/// How progress is shown.
pub enum Shown {
    /// Not at all.
    Nothing,
    /// As lines.
    Lines,
    /// As bars.
    Bars(Bars),
}

/// Bars on a terminal.
pub struct Bars {
    screen: MultiProgress,
    whole: ProgressBar,
    items: BTreeMap<u64, ProgressBar>,
}

impl Bars {
    /// Bars on stderr; the log goes above them from now on.
    pub fn new() -> Bars {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let whole = screen.add(ProgressBar::new(1_000));
        whole.set_style(style("[{bar:32}] {msg}  {elapsed}"));
        let above = screen.clone();
        set_screen(Some(Box::new(move |line| {
            above.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{line}");
            });
        })));
        Bars { screen, whole, items: BTreeMap::new() }
    }

    fn update(&mut self, tally: &Tally, items: &[ItemView], progress: &[Progress]) {
        self.whole.set_position((tally.share() * 1_000.0) as u64);
        self.whole.set_message(tally.sentence());
        let working: Vec<(&ItemView, &Progress)> = progress
            .iter()
            .filter_map(|found| Some((items.iter().find(|item| item.id == found.item)?, found)))
            .take(BARS_MAX)
            .collect();
        self.items.retain(|id, bar| {
            let stays = working.iter().any(|(item, _)| item.id == *id);
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        for (item, found) in working {
            let bar = self.items.entry(item.id).or_insert_with(|| {
                let bar = self.screen.insert_before(&self.whole, ProgressBar::new(1));
                bar.set_style(style("  {msg:40!}  [{bar:20}] {bytes}/{total_bytes}  {binary_bytes_per_sec}"));
                bar
            });
            bar.set_message(format!("{:<9} {} {}", found.stage, item.id, item.bag));
            bar.set_length(found.total.max(found.done).max(1));
            bar.set_position(found.done);
        }
    }
}

impl Default for Bars {
    fn default() -> Bars {
        Bars::new()
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        set_screen(None);
        self.items.values().for_each(ProgressBar::finish_and_clear);
        self.whole.finish_and_clear();
    }
}

impl Shown {
    /// Shows how far it is, when it is time.
    pub fn update(&mut self, tally: &mut Tally, items: &[ItemView], progress: &[Progress]) {
        tally.update(items, progress);
        match self {
            Shown::Nothing => {}
            Shown::Lines => {
                if tally.due(Instant::now()) {
                    eprintln!("{}", tally.sentence());
                }
            }
            Shown::Bars(bars) => bars.update(tally, items, progress),
        }
    }

    /// Prints to stdout, above the bars.
    pub fn print(&self, text: &str) {
        let print = || {
            let mut out = std::io::stdout().lock();
            // A reader that has gone away does not stop the work.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        };
        match self {
            Shown::Bars(bars) => bars.screen.suspend(print),
            _ => print(),
        }
    }
}

/// One bar on a terminal, for work that is counted in bytes; nothing without one.
pub struct Gauge(Option<ProgressBar>);

impl Gauge {
    /// A bar on stderr, if it is to be shown.
    pub fn new(shown: bool) -> Gauge {
        Gauge(shown.then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(style(
                "[{bar:32}] {msg}  {bytes} of {total_bytes}  {binary_bytes_per_sec}  {elapsed}",
            ));
            bar
        }))
    }

    /// How far it is.
    pub fn update(&mut self, done: u64, expected: u64, message: &str) {
        let Some(bar) = &self.0 else { return };
        bar.set_length(expected.max(done).max(1));
        bar.set_position(done);
        bar.set_message(message.to_string());
    }

    /// Prints above the bar.
    pub fn above(&self, print: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::cli::tests::item_view;

    #[test]
    fn a_line_is_due_every_tenth_and_every_half_minute() {
        let start = Instant::now();
        let mut tally = Tally::new(2, start);
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut one = item_view(1, "working", "download");
        one.bytes = 900;
        let mut two = item_view(2, "ready", "download");
        two.bytes = 100;
        tally.update(&[one.clone(), two.clone()], &[]);
        assert!(!tally.due(at(1)));
        let progress = Progress { item: 1, stage: "download".into(), done: 450, total: 900 };
        tally.update(&[one.clone()], &[progress]);
        assert!((tally.share() - 0.075).abs() < 1e-9);
        assert!(!tally.due(at(2)));
        one.stage = "checksum".into();
        tally.update(&[one.clone()], &[]);
        assert!(tally.due(at(3)), "30 % is more than the last tenth");
        assert!(!tally.due(at(4)));
        assert!(tally.due(at(33)), "half a minute later");
        (one.rests, two.rests) = (true, true);
        tally.update(&[one, two], &[]);
        assert_eq!(tally.sentence(), "2 of 2 bags at rest, 100 % of 1000 B");
    }
}
