//! The guard against forged requests: names are looked up once, judged, and exactly what was judged is connected to.
//!
//! - A name with one address that may not be asked is refused whole: who controls a name must not be able to hide a
//!   private address behind a public one.
//! - A lookup ends in time, also when the system's resolver does not.

use crate::rules::address::{Address, Admit, may_ask};
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
pub fn judge(address: &Address, admit: Admit) -> Result<(), Refusal> {
    if let Some(ip) = address.literal() {
        return may_ask(ip, admit).map_err(Refusal::Forbidden);
    }
    let name = address.host().trim_end_matches('.');
    let is_local = name == "localhost" || name.ends_with(".localhost");
    if is_local && admit == Admit::Public {
        let why = format!(
            "{name} is this machine; private addresses are asked only with --allow-private, or allow_private of a source"
        );
        return Err(Refusal::Forbidden(why));
    }
    Ok(())
}

/// The addresses of a host, each of which may be asked.
pub fn look_up(host: &str, port: u16, admit: Admit, within: Duration) -> Result<Vec<SocketAddr>, Refusal> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = match bare.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => ask_system(bare, port, within)?,
    };
    admitted(found, admit)
}

/// All of them, if each may be asked.
fn admitted(found: Vec<SocketAddr>, admit: Admit) -> Result<Vec<SocketAddr>, Refusal> {
    for address in &found {
        may_ask(address.ip(), admit).map_err(Refusal::Forbidden)?;
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
            matches!(admitted(both.clone(), Admit::Public), Err(Refusal::Forbidden(why)) if why.contains("127.0.0.1"))
        );
        assert_eq!(admitted(both.clone(), Admit::Private), Ok(both));
        assert!(admitted(vec![of("8.8.8.8:80"), of("169.254.169.254:80")], Admit::Private).is_err());
        assert!(matches!(admitted(vec![], Admit::Private), Err(Refusal::Unknown(_))));
    }

    #[test]
    fn what_is_looked_up_is_judged_and_what_is_judged_is_given() {
        assert!(matches!(look_up("localhost", 80, Admit::Public, SOON), Err(Refusal::Forbidden(_))));
        let found = look_up("localhost", 81, Admit::Private, SOON).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 81), "{found:?}");
        assert!(look_up("[::1]", 80, Admit::Public, SOON).is_err());
        assert_eq!(look_up("[::1]", 80, Admit::Private, SOON).unwrap(), ["[::1]:80".parse().unwrap()]);
    }

    #[test]
    fn names_of_this_machine_are_refused_without_looking_them_up() {
        for text in ["http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://0177.1/"] {
            let address = Address::parse(text).unwrap();
            assert!(judge(&address, Admit::Public).is_err(), "{text}");
            assert!(judge(&address, Admit::Private).is_ok(), "{text}");
        }
        assert!(judge(&Address::parse("http://example.org/").unwrap(), Admit::Public).is_ok());
    }
}
