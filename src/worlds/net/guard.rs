//! The guard against forged requests: names are looked up once, judged, and exactly what was judged is connected to.
//!
//! - A name with one address that may not be asked is refused whole: who controls a name must not be able to hide a
//!   private address behind a public one.
//! - A lookup ends in time, also when the system's resolver does not.

use crate::rules::address::{Address, may_ask};
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;
/// Lookups under way at once, all sources together; the system's resolver may keep a thread for half a minute.
const LOOKUPS_MAX: usize = 64;

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// Why a host is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may not be.
    Forbidden(String),
    /// Its name leads nowhere.
    Unknown(String),
    /// Its name could not be looked up in time.
    Late(Duration),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Forbidden(why) => write!(out, "its host is not asked: {why}"),
            Refusal::Unknown(why) => write!(out, "its host is not known: {why}"),
            Refusal::Late(after) => write!(out, "its host's name was not looked up within {after:?}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Judges what can be judged of an address without looking anything up.
pub fn judge(address: &Address, allow_private: bool) -> Result<(), Refusal> {
    if let Some(ip) = address.literal() {
        return may_ask(ip, allow_private).map_err(Refusal::Forbidden);
    }
    let name = address.host().trim_end_matches('.');
    let is_local = name == "localhost" || name.ends_with(".localhost");
    if is_local && !allow_private {
        let why = format!("{name} is this machine; private addresses were not allowed");
        return Err(Refusal::Forbidden(why));
    }
    Ok(())
}

/// The addresses of a host, each of which may be asked.
pub fn look_up(
    host: &str,
    port: u16,
    allow_private: bool,
    within: Duration,
) -> Result<Vec<SocketAddr>, Refusal> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = match bare.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => ask_system(bare, port, within)?,
    };
    admit(found, allow_private)
}

/// All of them, if each may be asked.
fn admit(found: Vec<SocketAddr>, allow_private: bool) -> Result<Vec<SocketAddr>, Refusal> {
    for address in &found {
        may_ask(address.ip(), allow_private).map_err(Refusal::Forbidden)?;
    }
    if found.is_empty() { Err(Refusal::Unknown("its name has no address".into())) } else { Ok(found) }
}

fn ask_system(host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, Refusal> {
    if LOOKUPS.fetch_add(1, Ordering::Relaxed) >= LOOKUPS_MAX {
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
        return Err(Refusal::Unknown("too many names are being looked up; is the name server down?".into()));
    }
    let (tell, told) = mpsc::sync_channel(1);
    let name = host.to_string();
    let looking = std::thread::Builder::new().name("lookup".into()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
        // Nobody listens any more when it was too late.
        let _ = tell.send(found.map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>()));
    });
    if let Err(error) = looking {
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
        return Err(Refusal::Unknown(format!("no thread to look it up: {error}")));
    }
    match told.recv_timeout(within) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Refusal::Unknown(error.to_string())),
        Err(_) => Err(Refusal::Late(within)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_name_with_one_private_address_is_refused_whole() {
        let of = |text: &str| text.parse::<SocketAddr>().unwrap();
        let both = vec![of("8.8.8.8:80"), of("127.0.0.1:80")];
        assert!(
            matches!(admit(both.clone(), false), Err(Refusal::Forbidden(why)) if why.contains("127.0.0.1"))
        );
        assert_eq!(admit(both.clone(), true), Ok(both));
        assert!(admit(vec![of("8.8.8.8:80"), of("169.254.169.254:80")], true).is_err());
        assert!(matches!(admit(vec![], true), Err(Refusal::Unknown(_))));
    }

    #[test]
    fn what_is_looked_up_is_judged_and_what_is_judged_is_given() {
        assert!(matches!(look_up("localhost", 80, false, SOON), Err(Refusal::Forbidden(_))));
        let found = look_up("localhost", 81, true, SOON).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 81), "{found:?}");
        assert!(look_up("[::1]", 80, false, SOON).is_err());
        assert_eq!(look_up("[::1]", 80, true, SOON).unwrap(), ["[::1]:80".parse().unwrap()]);
    }

    #[test]
    fn names_of_this_machine_are_refused_without_looking_them_up() {
        for text in ["http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://0177.1/"] {
            let address = Address::parse(text).unwrap();
            assert!(judge(&address, false).is_err(), "{text}");
            assert!(judge(&address, true).is_ok(), "{text}");
        }
        assert!(judge(&Address::parse("http://example.org/").unwrap(), false).is_ok());
    }
}
