//! The network, as sources need it.
//!
//! - One file names the HTTP client; everything it is asked passes the guard against forged requests.
//! - What may be secret is a `Secret`, which is never printed; addresses are shown without their query.
//! - Nothing waits without a bound: connecting, the first byte, every further byte and the pace of all of them.

pub mod ask;
pub mod breaker;
pub mod client;
pub mod credentials;
mod forwarded;
pub mod guard;
pub mod keys;
pub mod pace;
pub mod proxy;
pub mod secret;
mod stall;
#[cfg(test)]
pub mod tiny;
mod trust;
pub mod turns;

use std::path::PathBuf;
use std::time::Duration;

/// How long the network may keep us waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, with its name looked up and its TLS agreed on.
    pub connect: Duration,
    /// From the request to the head of the answer.
    pub answer: Duration,
    /// Between two bytes of a body; and as long as this, a body may bring next to nothing.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(25),
            stall: Duration::from_secs(25),
        }
    }
}

/// Which proxy is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// What the environment names: `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`, in lower or upper case.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one: `http://host:port` or `socks5://host:port`.
    Fixed(String),
}

/// How a source is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaching {
    /// How long it may keep us waiting.
    pub timeouts: Timeouts,
    /// Through which proxy.
    pub proxy: ProxyChoice,
    /// Certificates that sign its own, in PEM; none: those of the system.
    pub ca_file: Option<PathBuf>,
    /// It may lie on this machine or in its network.
    pub allow_private: bool,
    /// Ranges fetched from it at once.
    pub connections: usize,
    /// How many bytes a second it may give, by the hour.
    pub bandwidth: pace::Schedule,
}

impl Default for Reaching {
    fn default() -> Reaching {
        Reaching {
            timeouts: Timeouts::default(),
            proxy: ProxyChoice::default(),
            ca_file: None,
            allow_private: false,
            connections: 8,
            bandwidth: pace::Schedule::default(),
        }
    }
}
