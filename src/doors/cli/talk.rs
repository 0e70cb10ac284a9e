//! Who answers the command line: the daemon through its socket, or the ledger itself when no daemon runs.

use crate::books::config::Config;
use crate::doors::asker;
use crate::doors::house::House;
use crate::doors::socket::Client;
use crate::model::item::Asker;
use crate::work::desk::Desk;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::{Answer, Ask, SCHEMA};
use std::sync::Arc;

/// An answer, or why there is none.
pub type Told<T> = Result<T, Box<Complaint>>;

/// Who answers.
pub enum Talk {
    /// The daemon.
    Daemon(Client),
    /// This process, which has the ledger's lock.
    Here(Box<Desk>, Asker),
}

impl Talk {
    /// The daemon of this configuration; `None` when none runs.
    pub fn daemon(config: &Config) -> Told<Option<Talk>> {
        let Some(mut client) = Client::connect(&config.serve.socket)? else { return Ok(None) };
        match client.ask(&Ask::Hello)? {
            Answer::Hello(hello) if hello.schema == SCHEMA => Ok(Some(Talk::Daemon(client))),
            Answer::Refused(complaint) => Err(Box::new(complaint)),
            _ => Err(Box::new(
                Complaint::new(Sort::Unreachable, "the daemon speaks another language")
                    .because(format!(
                        "it is of another release than this command, {}",
                        env!("CARGO_PKG_VERSION")
                    ))
                    .then_try("restart the daemon after an upgrade: systemctl restart strongroom"),
            )),
        }
    }

    /// The daemon, or else the ledger itself; it must be there already.
    pub fn open(config: &Arc<Config>) -> Told<Talk> {
        if let Some(talk) = Talk::daemon(config)? {
            return Ok(talk);
        }
        if !config.ledger.exists() {
            return Err(Box::new(
                Complaint::new(Sort::NotFound, format!("there is no ledger at {}", config.ledger.display()))
                    .because("nothing was ingested there yet, and no daemon runs")
                    .then_try("--data DIR or --config FILE, or start with: strongroom ingest PATH"),
            ));
        }
        Talk::here(config)
    }

    /// The ledger itself.
    pub fn here(config: &Arc<Config>) -> Told<Talk> {
        let house = House::open(config.clone())?;
        Ok(Talk::Here(Box::new(house.desk(None, false)), asker::this_process()))
    }

    /// True when a daemon answers.
    pub fn is_daemon(&self) -> bool {
        matches!(self, Talk::Daemon(_))
    }

    /// Asks; what is refused is an error.
    pub fn ask(&mut self, ask: &Ask) -> Told<Answer> {
        let answer = match self {
            Talk::Daemon(client) => client.ask(ask)?,
            Talk::Here(desk, asker) => desk.answer(ask, asker),
        };
        match answer {
            Answer::Refused(complaint) => Err(Box::new(complaint)),
            answer => Ok(answer),
        }
    }
}

/// An answer of a shape that this question does not have: only a daemon of another release gives one.
pub fn unexpected(answer: &Answer) -> Box<Complaint> {
    let shape =
        serde_json::to_value(answer).ok().and_then(|value| Some(value.get("answer")?.as_str()?.to_string()));
    Box::new(
        Complaint::new(Sort::Unreachable, "the daemon gave an answer that was not asked for")
            .because(format!("it is \"{}\"", shape.unwrap_or_default()))
            .then_try("restart the daemon after an upgrade: systemctl restart strongroom"),
    )
}
