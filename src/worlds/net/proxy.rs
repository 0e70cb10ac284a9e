//! Which way a request goes: directly, or through a proxy.
//!
//! - The environment counts only where the configuration says so (it does by default), and is read once.
//! - A proxy's address may hold a password, and is never printed.
//! - A proxy looks names up by itself; of addresses that go through it only the host as it is written can be judged here.

use super::ProxyChoice;
use super::secret::Secret;
use crate::rules::address::Address;
use std::net::IpAddr;

/// Which way a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Directly.
    Direct,
    /// Through a tunnel that this proxy makes.
    Through(Secret),
    /// Passed on by this proxy, which is sent the request.
    Forwarded(Secret),
}

/// The proxies there are.
#[derive(Debug, Default)]
pub struct Proxies {
    http: Option<Secret>,
    https: Option<Secret>,
    not_for: Vec<String>,
}

impl Proxies {
    /// By this choice.
    pub fn new(choice: &ProxyChoice) -> Proxies {
        match choice {
            ProxyChoice::Direct => Proxies::default(),
            ProxyChoice::Fixed(proxy) => {
                let proxy = Some(Secret::new(proxy));
                Proxies { http: proxy.clone(), https: proxy, not_for: Vec::new() }
            }
            ProxyChoice::Environment => Proxies::of_environment(&|name| std::env::var(name).ok()),
        }
    }

    fn of_environment(variable: &dyn Fn(&str) -> Option<String>) -> Proxies {
        let either = |name: &str| {
            let found = variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
            found.filter(|text| !text.trim().is_empty())
        };
        let all = either("all_proxy");
        let proxy = |name: &str| either(name).or_else(|| all.clone()).map(Secret::new);
        let not_for = either("no_proxy").unwrap_or_default();
        let not_for = not_for.split(',').map(|part| part.trim().to_ascii_lowercase());
        Proxies {
            http: proxy("http_proxy"),
            https: proxy("https_proxy"),
            not_for: not_for.filter(|part| !part.is_empty()).collect(),
        }
    }

    /// Which way a request to this address goes.
    pub fn way(&self, address: &Address) -> Result<Way, String> {
        let proxy = if address.is_https() { &self.https } else { &self.http };
        match proxy {
            Some(proxy) if !self.is_excepted(address) => {
                check(proxy.reveal())?;
                Ok(match !address.is_https() && passes_on(proxy.reveal()) {
                    true => Way::Forwarded(proxy.clone()),
                    false => Way::Through(proxy.clone()),
                })
            }
            _ => Ok(Way::Direct),
        }
    }

    /// As curl reads `no_proxy`: names with all below them, addresses, networks, `*` for all.
    fn is_excepted(&self, address: &Address) -> bool {
        let host = address.host().trim_end_matches('.');
        self.not_for.iter().any(|part| {
            if part == "*" {
                return true;
            }
            if let Some(ip) = address.literal() {
                return in_network(ip, part.trim_start_matches('[').trim_end_matches(']'));
            }
            let name = part.trim_start_matches("*.").trim_start_matches('.');
            let (name, port) = match name.rsplit_once(':') {
                Some((name, port)) => (name, port.parse().ok()),
                None => (name, None),
            };
            let same = host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
            same && port.is_none_or(|port: u16| port == address.port())
        })
    }
}

fn in_network(ip: IpAddr, text: &str) -> bool {
    let (network, bits) = match text.split_once('/') {
        Some((network, bits)) => (network, bits.parse::<u32>().ok()),
        None => (text, Some(128)),
    };
    let (Ok(network), Some(bits)) = (network.parse::<IpAddr>(), bits) else { return false };
    let spread = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let ((one, width), (other, other_width)) = (spread(ip), spread(network));
    let bits = bits.min(width);
    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
    width == other_width && one & mask == other & mask
}

/// True for a proxy that speaks HTTP; others only make tunnels, or are reached through TLS themselves.
fn passes_on(proxy: &str) -> bool {
    proxy.split_once("://").is_none_or(|(scheme, _)| scheme == "http")
}

/// Whether this can be the address of a proxy.
pub fn check(proxy: &str) -> Result<(), String> {
    let (scheme, rest) = proxy.split_once("://").unwrap_or(("http", proxy));
    if !matches!(scheme, "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks") {
        return Err("a proxy is http, https, socks4, socks4a or socks5".into());
    }
    let host = rest.rsplit('@').next().unwrap_or(rest).trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err("a proxy is named by its host and port, like http://proxy.example.org:3128".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(variables: &[(&str, &str)], address: &str) -> Option<String> {
        let of = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        };
        match Proxies::of_environment(&of).way(&Address::parse(address).unwrap()).unwrap() {
            Way::Direct => None,
            Way::Through(proxy) | Way::Forwarded(proxy) => Some(proxy.reveal().to_string()),
        }
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let all = [("all_proxy", "http://all:1"), ("HTTPS_PROXY", "http://tls:2")];
        assert_eq!(way(&all, "http://example.org/").as_deref(), Some("http://all:1"));
        assert_eq!(way(&all, "https://example.org/").as_deref(), Some("http://tls:2"));
        assert_eq!(way(&[("https_proxy", "")], "https://example.org/"), None);
        assert_eq!(way(&[("https_proxy", "http://tls:2")], "http://example.org/"), None);
    }

    #[test]
    fn what_no_proxy_names_goes_directly() {
        let table = [
            ("example.org", "https://example.org/", true),
            ("example.org", "https://a.example.org/", true),
            (".example.org", "https://a.example.org/", true),
            ("*.example.org", "https://a.example.org/", true),
            ("example.org", "https://badexample.org/", false),
            ("example.org:8443", "https://example.org:8443/", true),
            ("example.org:8443", "https://example.org/", false),
            ("other.org, example.org", "https://EXAMPLE.org./", true),
            ("*", "https://example.org/", true),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("127.0.0.1", "https://127.0.0.1:1/", true),
            ("::1", "https://[::1]:1/", true),
            ("fd00::/8", "https://[fd12::1]/", true),
            ("0.0.0.0/0", "https://[fd12::1]/", false),
            ("", "https://example.org/", false),
        ];
        for (no_proxy, address, direct) in table {
            let found = way(&[("https_proxy", "http://p:1"), ("no_proxy", no_proxy)], address);
            assert_eq!(found.is_none(), direct, "{no_proxy} {address}");
        }
    }

    #[test]
    fn only_plain_requests_are_passed_on_and_only_by_who_speaks_http() {
        let way = |proxy: &str, address: &str| {
            let proxies = Proxies::new(&ProxyChoice::Fixed(proxy.into()));
            proxies.way(&Address::parse(address).unwrap()).unwrap()
        };
        for proxy in ["http://p:1", "p:1"] {
            assert!(matches!(way(proxy, "http://example.org/"), Way::Forwarded(_)), "{proxy}");
            assert!(matches!(way(proxy, "https://example.org/"), Way::Through(_)), "{proxy}");
        }
        for proxy in ["https://p:1", "socks5://p:1"] {
            assert!(matches!(way(proxy, "http://example.org/"), Way::Through(_)), "{proxy}");
        }
    }

    #[test]
    fn a_proxy_that_is_none_is_told_without_its_password() {
        for proxy in ["ftp://p:1", "http://", "http://user:secret@", "http://a b"] {
            let error = check(proxy).unwrap_err();
            assert!(!error.contains("secret"));
        }
        assert!(check("http://user:secret@proxy:3128").is_ok());
        assert!(check("proxy:3128").is_ok());
    }
}
