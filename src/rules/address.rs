//! Addresses on the web, and which hosts may be asked.
//!
//! - An address is read once, as browsers read it: `http://0x7f.1/`, `http://2130706433/` and `http://127.0.0.1/` are one host,
//!   and the host that is judged is the host that is asked.
//! - An address never carries a name and password, and is shown without its query, which may hold a signature.
//! - A redirect never leads from https to http, nor to another scheme.
//! - Only addresses of the public internet are asked, unless private ones were allowed; link-local ones (where clouds keep
//!   their metadata), multicast and reserved ones are never asked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// Longest address of a request: a signature with a long token fits.
const ADDRESS_MAX: usize = 16 << 10;

/// An address of the web: `http` or `https`, a host, no name and password, no fragment.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(Url);

impl Address {
    /// The address that is written so, or why it is none.
    pub fn parse(text: &str) -> Result<Address, String> {
        if text.len() > ADDRESS_MAX {
            return Err(format!("the address has {} bytes; at most {ADDRESS_MAX} are taken", text.len()));
        }
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err("the address holds a space or a control character; write it percent-encoded".into());
        }
        let url = Url::parse(text).map_err(|error| format!("this is not an address: {error}"))?;
        Address::checked(url)
    }

    fn checked(mut url: Url) -> Result<Address, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{}: is no address of the web; http: and https: are", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let why = "the address holds a name or password, which would be kept in the ledger";
            return Err(format!("{why}; give them to a [[source]] as credentials"));
        }
        if url.host_str().is_none_or(str::is_empty)
            || url.port_or_known_default().is_none_or(|port| port == 0)
        {
            return Err("the address names no host, or no port that can be".into());
        }
        url.set_fragment(None);
        Ok(Address(url))
    }

    /// An address that was made here, such as a signed one.
    pub fn made(url: Url) -> Result<Address, String> {
        if url.as_str().len() > ADDRESS_MAX {
            return Err(format!("the request's address has {} bytes", url.as_str().len()));
        }
        Address::checked(url)
    }

    /// Where a redirect leads, or why it is not followed.
    pub fn follow(&self, location: &str) -> Result<Address, String> {
        if location.len() > ADDRESS_MAX {
            return Err(format!("it leads to an address of {} bytes", location.len()));
        }
        let url = self.0.join(location).map_err(|error| format!("it leads to no address: {error}"))?;
        let next = Address::checked(url).map_err(|why| format!("it leads astray: {why}"))?;
        if self.is_https() && !next.is_https() {
            return Err(format!("it leads from https to {next}, where anybody could read along"));
        }
        Ok(next)
    }

    /// The address beside this one whose path ends with `suffix` in addition; it has no query.
    pub fn beside(&self, suffix: &str) -> Address {
        let mut url = self.0.clone();
        let path = format!("{}{suffix}", url.path());
        url.set_path(&path);
        url.set_query(None);
        Address(url)
    }

    /// The address of `key` below this one. Every part of the key is one part of the path, whatever it holds.
    pub fn below(&self, key: &str) -> Result<Address, String> {
        if key.is_empty() || key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err("the key has an empty part, or one of dots, which no address keeps".into());
        }
        let mut url = self.0.clone();
        url.path_segments_mut()
            .map_err(|()| "the address has no path".to_string())?
            .pop_if_empty()
            .extend(key.split('/'));
        Ok(Address(url))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// As other crates take it.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// True for https.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Host as it is asked: lower case, IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Port, also when it is the usual one.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(0)
    }

    /// Scheme, host and port: what credentials belong to.
    pub fn origin(&self) -> String {
        format!("{}://{}:{}", self.0.scheme(), self.host(), self.port())
    }

    /// The last part of the path, percent-decoded as far as it is text.
    pub fn name(&self) -> String {
        let last = self.0.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        percent_decoded(last)
    }

    /// The IP address that the host is written as, if it is.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.as_str();
        out.write_str(whole.split(['?', '#']).next().unwrap_or(whole))?;
        if self.0.query().is_some() { out.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Percent-decoded; what is no UTF-8 then is replaced.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let raw = text.as_bytes();
    let mut at = 0;
    while at < raw.len() {
        let pair = raw.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (raw[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                at += 3;
            }
            (byte, _) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A key as it may be shown and logged: of an address, name, password and query are cut.
pub fn shown(key: &str) -> String {
    if !key.contains("://") {
        return key.to_string();
    }
    if !key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http")) {
        // Keys of buckets may hold question marks; their signatures are made when they are sent, and kept nowhere.
        return key.to_string();
    }
    let (before, query) = match key.find(['?', '#']) {
        Some(at) => (&key[..at], "?…"),
        None => (key, ""),
    };
    let (scheme, rest) = before.split_once("://").unwrap_or(("", before));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}{path}{query}")
}

/// How far away an IP address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On the public internet.
    Public,
    /// This machine or its neighbourhood: asked only when that was allowed.
    Private(&'static str),
    /// Never asked.
    Never(&'static str),
}

/// How far away this address is.
pub fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach4(ip),
        IpAddr::V6(ip) => reach6(ip),
    }
}

fn reach4(ip: Ipv4Addr) -> Reach {
    use Reach::{Never, Private, Public};
    match ip.octets() {
        [0, ..] => Never("means this machine, or nothing"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private("is private (RFC 1918)"),
        [100, 64..=127, ..] => Private("is shared by a carrier (RFC 6598)"),
        [127, ..] => Private("is this machine"),
        [169, 254, ..] => Never("is link-local, where clouds keep their metadata"),
        // Azure's metadata lies at an address that looks public.
        [168, 63, 129, 16] => Never("is where a cloud keeps its metadata"),
        [192, 0, 0, _] => Never("is reserved for protocols (RFC 6890)"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Never("is for documentation only"),
        [192, 88, 99, _] => Never("was a relay for 6to4"),
        [198, 18..=19, ..] => Private("is for benchmarks (RFC 2544)"),
        [224..=239, ..] => Never("is multicast"),
        [240..=255, ..] => Never("is reserved"),
        _ => Public,
    }
}

fn reach6(ip: Ipv6Addr) -> Reach {
    use Reach::{Never, Private, Public};
    let parts = ip.segments();
    let low = || {
        let [.., a, b, c, d] = ip.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match parts {
        // The kernel connects these by IPv4.
        [0, 0, 0, 0, 0, 0xffff, ..] => reach4(low()),
        // A translator on the way connects these by IPv4.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => reach4(low()),
        [0x64, 0xff9b, 1, ..] => Private("is translated to IPv4 within this network (RFC 8215)"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Private("is this machine"),
        [0, 0, 0, 0, 0, 0, ..] => Never("means this machine, or an IPv4 address in an old form"),
        [0x2001, 0..=0x1ff, ..] => Never("is reserved for protocols, such as Teredo"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Never("is for documentation only"),
        [0x2002, ..] => Never("is 6to4, which hides an IPv4 address"),
        [0x2000..=0x3fff, ..] => Public,
        [0xfc00..=0xfdff, ..] => Private("is private (RFC 4193)"),
        [0xfe80..=0xfebf, ..] => Never("is link-local"),
        [0xfec0..=0xfeff, ..] => Private("is site-local"),
        [0xff00..=0xffff, ..] => Never("is multicast"),
        _ => Never("is reserved"),
    }
}

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// The public internet.
    Public,
    /// This machine and its network as well.
    Private,
    /// The metadata of the cloud as well: for our own requests for credentials, never for an address that was given to us.
    Metadata,
}

impl Admit {
    /// By the setting of the configuration.
    pub fn private(allowed: bool) -> Admit {
        if allowed { Admit::Private } else { Admit::Public }
    }
}

/// Whether this address may be asked; if not, why.
pub fn may_ask(ip: IpAddr, admit: Admit) -> Result<(), String> {
    match (reach(ip), admit) {
        (Reach::Public, _) | (Reach::Private(_), Admit::Private | Admit::Metadata) => Ok(()),
        (Reach::Never(_), Admit::Metadata) if is_link_local(ip) => Ok(()),
        (Reach::Private(why), _) => Err(format!(
            "{ip} {why}; private addresses are asked only with --allow-private, or allow_private of a source"
        )),
        (Reach::Never(why), _) => Err(format!("{ip} {why}; it is never asked")),
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_link_local())
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
