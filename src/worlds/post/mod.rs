//! Telling people: a letter is given to a command, a mail relay or a web address.
//!
//! - A letter is text of ours; no line of it becomes a command, a header or an address.
//! - Every wait has a bound, so that a relay that is away costs seconds; what did not go is the caller's to try again.

mod command;
mod mail;
mod smtp;
mod webhook;

use crate::worlds::net::Reaching;
use crate::worlds::net::credentials::Access;
use jiff::Timestamp;
use std::fmt;
use std::time::Duration;

/// Longest wait for one way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// What it is called wherever it comes twice: `notice-7-of-LEDGER`.
    pub name: String,
    /// Whom it is about: a depositor; all, if none.
    pub depositor: Option<String>,
    /// Mail addresses that it goes to.
    pub to: Vec<String>,
    /// What it says in one line.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// When it was written (UTC).
    pub at: Timestamp,
}

/// Why a letter did not go, in words without a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// Why.
    pub why: String,
    /// True when no letter goes this way now; false when it is about this one.
    pub away: bool,
}

impl Unsent {
    fn away(why: impl Into<String>) -> Unsent {
        Unsent { why: why.into(), away: true }
    }

    fn refused(why: impl Into<String>) -> Unsent {
        Unsent { why: why.into(), away: false }
    }
}

/// Where a letter is posted on the web.
#[derive(Clone, PartialEq, Eq)]
pub enum Webhook {
    /// There.
    At {
        /// The address.
        address: String,
        /// Where the proof of who we are is to be read.
        credentials: Option<Access>,
    },
    /// At the address within this file or credential: it is a secret itself.
    Within {
        /// Where the address is to be read.
        address: Access,
        /// Where the proof of who we are is to be read.
        credentials: Option<Access>,
    },
}

impl fmt::Debug for Webhook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Webhook::At { address, .. } => out.write_str(&crate::rules::address::shown(address)),
            Webhook::Within { address, .. } => write!(out, "the address in {address}"),
        }
    }
}

/// A way for a letter to go.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// To the stdin of this program.
    Command(&'a [String]),
    /// By the relay at `host:port`, as mail of this address.
    Mail {
        /// The relay.
        relay: &'a str,
        /// Whose mail it is.
        from: &'a str,
    },
    /// To a web address.
    Webhook {
        /// Where.
        hook: &'a Webhook,
        /// How it is reached.
        reaching: &'a Reaching,
    },
}

impl Way<'_> {
    /// Its word.
    pub fn name(&self) -> &'static str {
        match self {
            Way::Command(_) => "command",
            Way::Mail { .. } => "smtp",
            Way::Webhook { .. } => "webhook",
        }
    }

    /// Sends it.
    pub fn send(&self, letter: &Letter) -> Result<(), Unsent> {
        match self {
            Way::Command(command) => command::give(command, letter, PATIENCE),
            Way::Mail { relay, from } => smtp::send(relay, from, letter, PATIENCE),
            Way::Webhook { hook, reaching } => webhook::post(hook, reaching, letter),
        }
    }
}
