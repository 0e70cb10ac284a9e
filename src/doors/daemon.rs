//! The daemon: the open house, its line, its socket and its signals.
//!
//! ```text
//! TERM, INT   nothing more is claimed, workers reach a safe point, exit 0; a second one: at once
//! HUP         the configuration is read again; a bad one changes nothing
//! USR1        what goes on, to the log
//! ```
//!
//! - A second daemon on the same data is refused by the ledger's lock, with the name of the first.
//! - When the ledger fails, the process ends: what the kernel did with the pages is unknown.

use crate::books::config::needs::Needs;
use crate::books::config::{Config, Given, changes, in_effect};
use crate::books::unit::service::Service;
use crate::doors::asker;
use crate::doors::cli::Screen;
use crate::doors::exit::{self, Exit};
use crate::doors::house::{self, House};
use crate::doors::inbox;
use crate::doors::keeper;
use crate::doors::mender;
use crate::doors::notify::Notify;
use crate::doors::receiver::Receivers;
use crate::doors::reconciler;
use crate::doors::signals::{Asked, Signals};
use crate::doors::socket::{Answerer, Listener, Serving};
use crate::work::desk::Desk;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::pipeline::Pipeline;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often the main loop looks around.
const LOOK: Duration = Duration::from_millis(500);

/// How often `systemctl status` is told what goes on.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Runs the daemon until it is asked to end.
pub fn serve(screen: &Screen, config: Arc<Config>, given: &Given) -> Result<Exit, Box<Complaint>> {
    let signals = Signals::listen_as_daemon();
    let mut notify = Notify::from_environment();
    // Ledger first: its lock tells a second daemon who the first one is.
    let house = House::open_telling(config.clone(), &mut |doing| notify.starting(doing))?;
    tell_unusable(&config);
    let listener = Listener::open(&config.serve.socket)?;
    let pipeline = house.start()?;
    let desk = Arc::new(house.desk(Some(&pipeline), true));
    let answering = desk.clone();
    let answerer: Answerer = Arc::new(move |ask, asker| answering.answer(ask, asker));
    let mut serving = listener.serve(answerer, config.serve.connections_max).map_err(|error| {
        Box::new(Complaint::new(Sort::Io, "the socket is not answered at").because(error.to_string()))
    })?;
    let looking = inbox::watch(desk.clone(), asker::this_process()).map_err(|error| {
        Box::new(Complaint::new(Sort::Io, "the inbox is not looked at").because(error.to_string()))
    })?;
    let receivers = Receivers::start(desk.clone(), asker::this_process()).map_err(|error| {
        Box::new(Complaint::new(Sort::Io, "the sources are not listed").because(error.to_string()))
    })?;
    let reconciling = reconciler::watch(&desk, &asker::this_process()).map_err(|error| {
        Box::new(Complaint::new(Sort::Io, "the targets are not checked").because(error.to_string()))
    })?;
    let keeping = keeper::watch(&desk, &asker::this_process()).map_err(|error| {
        Box::new(Complaint::new(Sort::Io, "copies are not kept").because(error.to_string()))
    })?;
    let mending = mender::watch(&desk, &asker::this_process()).map_err(|error| {
        Box::new(Complaint::new(Sort::Io, "copies are not put right").because(error.to_string()))
    })?;
    let ready = format!("ready, answering at {}", config.serve.socket.display());
    notify.ready(&ready);
    log::info!("strongroom {} {ready}; data in {}", env!("CARGO_PKG_VERSION"), config.data.display());

    let mut daemon = Daemon { desk, given, house: &house, receivers, told: Instant::now() };
    let ended = daemon.run(&signals, &mut notify, &pipeline);
    let drain = daemon.desk.config().serve.drain;
    notify.stopping(drain);
    daemon.desk.stop_receiving();
    daemon.desk.stop_sweeping();
    drop(daemon);
    drop(looking);
    drop(reconciling);
    drop(keeping);
    drop(mending);
    end(screen, &mut serving, pipeline, ended, drain)
}

/// What the configuration names and this process cannot use, to the log: what does not keep it from starting would be
/// found out when it is needed.
fn tell_unusable(config: &Config) {
    for lack in Service::here().unusable(&Needs::of(config)) {
        log::error!("{}; {}", lack.text, lack.detail);
    }
}

/// Why the main loop ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    Asked,
    Broken(String),
}

struct Daemon<'a> {
    desk: Arc<Desk>,
    given: &'a Given,
    house: &'a House,
    receivers: Receivers,
    told: Instant,
}

impl Daemon<'_> {
    fn run(&mut self, signals: &Signals, notify: &mut Notify, pipeline: &Arc<Pipeline>) -> Ended {
        loop {
            match signals.wait(LOOK) {
                Some(Asked::Terminate | Asked::Interrupt) => return Ended::Asked,
                Some(Asked::Reload) => self.reload(notify),
                Some(Asked::Dump) => dump(pipeline),
                None => {}
            }
            if let Some(why) = pipeline.fatal() {
                return Ended::Broken(why);
            }
            let underway = pipeline.underway().len();
            notify.feed(pipeline.progress(), underway == 0);
            if self.told.elapsed() >= STATUS_EVERY {
                self.told = Instant::now();
                notify.status(&format!("{underway} items in flight"));
            }
        }
    }

    /// Takes over what can be taken over, and says what needs a restart.
    fn reload(&mut self, notify: &Notify) {
        notify.reloading();
        let old = self.desk.config();
        let status = match Config::load(self.given) {
            Err(faults) => {
                for fault in &faults.0 {
                    log::error!("reload: {fault}");
                }
                log::error!("reload: the configuration is wrong; the former one holds");
                "reload failed: the configuration is wrong, the former one holds".to_string()
            }
            Ok(new) => {
                let (taken, restart) = changes(&old, &new);
                taken.iter().for_each(|change| log::info!("reload: {change}"));
                restart.iter().for_each(|change| log::warn!("reload: needs a restart: {change}"));
                new.faults_of_profiles().iter().for_each(|fault| log::error!("reload: {fault}"));
                let merged = Arc::new(merged(&old, new));
                tell_unusable(&merged);
                self.desk.set_config(merged.clone());
                self.desk.set_intakes(self.house.reconfigure(&merged));
                if let Err(error) = self.receivers.update() {
                    log::error!("reload: sources that are new are not listed: {error}");
                }
                format!("reloaded: {} changes taken over, {} need a restart", taken.len(), restart.len())
            }
        };
        log::info!("{status}");
        notify.ready(&status);
    }
}

/// The new configuration where it can be taken over, the old one elsewhere: what the line works by must not be told
/// otherwise.
fn merged(old: &Config, new: Config) -> Config {
    let mut merged = old.clone();
    let whole = new.clone();
    merged.any_depositor = new.any_depositor;
    merged.roles = new.roles;
    merged.deletion = new.deletion;
    // A depositor whose policy the running line does not know would be refused at every stage.
    merged.depositors = new
        .depositors
        .into_iter()
        .filter(|one| {
            let known = old.policy(&one.policy).is_some();
            if !known {
                log::warn!(
                    "reload: depositor {} needs a restart: its policy {} is new",
                    one.name,
                    one.policy
                );
            }
            known
        })
        .collect();
    merged.sources = new
        .sources
        .into_iter()
        .filter_map(|source| match old.sources.iter().find(|known| known.name == source.name) {
            Some(known) if known.needs_restart(&source) => Some(known.clone()),
            _ if merged.any_depositor || merged.depositors.iter().any(|one| one.name == source.depositor) => {
                Some(source)
            }
            known => {
                log::warn!(
                    "reload: source {} needs a restart: so does its depositor {}",
                    source.name,
                    source.depositor
                );
                known.cloned()
            }
        })
        .collect();
    merged.repair = new.repair;
    merged.jobs = new.jobs;
    merged.notice = new.notice;
    merged.serve.drain = new.serve.drain;
    merged.serve.inbox_settle = new.serve.inbox_settle;
    merged.effective = in_effect(old, &whole, &merged);
    merged
}

/// What goes on, to the log.
fn dump(pipeline: &Pipeline) {
    for (stage, depth) in pipeline.depths() {
        log::info!(STAGE = stage.name(); "{stage}: {depth} items rung");
    }
    for job in pipeline.underway() {
        let (done, total) =
            (job.meter.bytes.load(Ordering::Relaxed), job.meter.bytes_total.load(Ordering::Relaxed));
        log::info!(ITEM = job.item.0, STAGE = job.stage.name(); "item {} ({}): {done} of {total} bytes", job.item, job.bag);
    }
    for place in pipeline.promised() {
        log::info!("{}: {} bytes promised", place.place, place.promised_bytes);
    }
    log::info!("progress counter {}", pipeline.progress());
}

/// Drains within the limit, then ends.
fn end(
    screen: &Screen,
    serving: &mut Serving,
    pipeline: Arc<Pipeline>,
    ended: Ended,
    drain: Duration,
) -> Result<Exit, Box<Complaint>> {
    log::info!("draining: workers reach a safe point, at most {} s", drain.as_secs());
    pipeline.drain();
    serving.stop();
    let (tell, told) = crossbeam_channel::bounded(1);
    let stopping =
        std::thread::Builder::new().name("drain".into()).spawn(move || tell.send(house::stop(pipeline)));
    let stopped = match stopping {
        Ok(_) => told.recv_timeout(drain).ok(),
        Err(_) => None,
    };
    match (ended, stopped) {
        (Ended::Broken(why), _) | (_, Some(Err(why))) => Err(Box::new(
            Complaint::new(Sort::Io, "the daemon ends")
                .because(why)
                .so("what was acknowledged is on disk; the rest is recovered at the next start")
                .then_try("look at the kernel log; strongroom doctor"),
        )),
        (Ended::Asked, Some(Ok(()))) => {
            log::info!("drained; nothing is in work");
            Ok(exit::DONE)
        }
        (Ended::Asked, None) => {
            screen.hint("not drained in time; what was in work is recovered at the next start");
            log::warn!(
                "not drained within {} s; what was in work is recovered at the next start",
                drain.as_secs()
            );
            Ok(exit::TERMINATED)
        }
    }
}
