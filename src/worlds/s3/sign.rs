//! Signed requests to a bucket.
//!
//! - Signed just before they are sent, and good for a few minutes: what leaks into a log elsewhere is soon worth nothing.
//! - A key that an address would change (`a/../b`, an empty part at its end, none at all) is refused, not bent.

use crate::rules::address::Address;
use crate::worlds::net::client::Method;
use crate::worlds::net::keys::Keys;
use crate::worlds::s3::Style;
use jiff::Timestamp;
use rusty_s3::{Bucket, UrlStyle};
use std::fmt::Write;

/// How long a signature is good.
const GOOD_FOR_SECONDS: u64 = 300;

/// Where a bucket is.
#[derive(Clone, Debug)]
pub struct Site {
    /// Address of the service; none: Amazon's, by region.
    pub endpoint: Option<String>,
    /// Its name.
    pub bucket: String,
    /// How it is named in requests.
    pub style: Style,
}

/// One request to a bucket, to be signed.
pub struct Request<'a> {
    /// What is to be done.
    pub method: Method,
    /// To which object; none: to the bucket itself.
    pub key: Option<&'a str>,
    /// Parameters of the query.
    pub query: Vec<(&'a str, String)>,
    /// Headers that are part of the signature: every `x-amz-…`, names in lower case.
    pub headers: Vec<(&'a str, String)>,
}

/// The address of a request, signed when there are keys.
pub fn signed(
    site: &Site,
    region: &str,
    request: &Request<'_>,
    keys: Option<&Keys>,
    now: Timestamp,
) -> Result<Address, String> {
    let bucket = bucket(site, region)?;
    let url = match request.key {
        None => bucket.object_url(""),
        Some(key) => {
            check_key(key)?;
            bucket.object_url(key)
        }
    };
    let mut query: Vec<(&str, &str)> =
        request.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    query.sort_unstable();
    headers.sort_unstable();
    let url = match keys {
        None => {
            let mut url = url;
            let text = plain_query(&query);
            url.set_query(if text.is_empty() { None } else { Some(&text) });
            url
        }
        Some(keys) => rusty_s3::signing::sign(
            &now,
            method(request.method),
            url,
            &keys.id,
            keys.secret.reveal(),
            keys.token.as_ref().map(|token| token.reveal()),
            region,
            GOOD_FOR_SECONDS,
            query.into_iter(),
            headers.into_iter(),
        ),
    };
    Address::made(url)
}

fn bucket(site: &Site, region: &str) -> Result<Bucket, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if site.bucket.is_empty() || site.bucket.starts_with('.') || !site.bucket.chars().all(plain) {
        return Err(format!("\"{}\" is no name of a bucket", site.bucket.escape_debug()));
    }
    if region.is_empty() || !region.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Err(format!("\"{}\" is no region", region.escape_debug()));
    }
    let (endpoint, is_amazon) = match &site.endpoint {
        Some(endpoint) => (endpoint.clone(), endpoint.contains(".amazonaws.com")),
        None => {
            let china = if region.starts_with("cn-") { ".cn" } else { "" };
            (format!("https://s3.{region}.amazonaws.com{china}"), true)
        }
    };
    let endpoint = Address::parse(&endpoint)?;
    let style = match site.style {
        Style::Path => UrlStyle::Path,
        Style::Host => UrlStyle::VirtualHost,
        // A dot in the name would not fit the certificate.
        Style::Auto if is_amazon && !site.bucket.contains('.') => UrlStyle::VirtualHost,
        Style::Auto => UrlStyle::Path,
    };
    let wrong = |_| "the bucket's name and endpoint make no address; try style = \"path\"".to_string();
    Bucket::new(endpoint.url().clone(), style, site.bucket.clone(), region.to_string()).map_err(wrong)
}

fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("it names no object".into());
    }
    if key.split('/').any(|part| matches!(part, "." | "..")) {
        return Err("its key has a part of dots, which no address keeps".into());
    }
    Ok(())
}

fn method(method: Method) -> rusty_s3::Method {
    match method {
        Method::Head => rusty_s3::Method::Head,
        Method::Get => rusty_s3::Method::Get,
        Method::Put => rusty_s3::Method::Put,
        Method::Post => rusty_s3::Method::Post,
        Method::Delete => rusty_s3::Method::Delete,
    }
}

fn plain_query(query: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name, ""), encoded(value, ""));
    query.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Percent-encoded, but for letters, digits, `-._~` and what is kept besides.
pub fn encoded(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = byte as char;
        if byte.is_ascii_alphanumeric() || "-._~".contains(c) || (byte.is_ascii() && keep.contains(c)) {
            out.push(c);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::net::secret::Secret;

    fn get(key: &str) -> Request<'_> {
        Request { method: Method::Get, key: Some(key), query: Vec::new(), headers: Vec::new() }
    }

    fn site(endpoint: Option<&str>, bucket: &str, style: Style) -> Site {
        Site { endpoint: endpoint.map(String::from), bucket: bucket.into(), style }
    }

    #[test]
    fn the_example_of_the_documentation_comes_out() {
        // AWS, "Authenticating Requests: Using Query Parameters": but for the time that it is good.
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            token: None,
            expires: None,
        };
        let now = Timestamp::from_second(1_369_353_600).unwrap();
        let site = site(None, "examplebucket", Style::Auto);
        let address = signed(&site, "us-east-1", &get("test.txt"), Some(&keys), now).unwrap();
        let text = address.as_str();
        assert!(
            text.starts_with("https://examplebucket.s3.us-east-1.amazonaws.com/test.txt?X-Amz-Algorithm=")
        );
        assert!(
            text.contains("X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request")
        );
        assert!(text.contains("X-Amz-Expires=300"));
        assert!(!address.to_string().contains("Signature"), "it is never shown");
    }

    #[test]
    fn a_bucket_is_named_by_host_or_by_path() {
        let now = Timestamp::UNIX_EPOCH;
        let table = [
            (None, "b", Style::Auto, "https://b.s3.eu-west-1.amazonaws.com/k"),
            (None, "b.c", Style::Auto, "https://s3.eu-west-1.amazonaws.com/b.c/k"),
            (None, "b", Style::Path, "https://s3.eu-west-1.amazonaws.com/b/k"),
            (Some("http://127.0.0.1:8333"), "b", Style::Auto, "http://127.0.0.1:8333/b/k"),
            (Some("https://s3.example.org/x/"), "b", Style::Auto, "https://s3.example.org/x/b/k"),
            (Some("https://s3.example.org"), "b", Style::Host, "https://b.s3.example.org/k"),
        ];
        for (endpoint, bucket, style, wanted) in table {
            let found = signed(&site(endpoint, bucket, style), "eu-west-1", &get("k"), None, now).unwrap();
            assert_eq!(found.as_str(), wanted);
        }
        let ip = site(Some("http://127.0.0.1:8333"), "b", Style::Host);
        assert!(signed(&ip, "eu-west-1", &get("k"), None, now).unwrap_err().contains("style = \"path\""));
    }

    #[test]
    fn every_key_reaches_its_own_object_or_none() {
        let site = site(Some("http://h"), "b", Style::Path);
        let address = |key: &str| signed(&site, "r", &get(key), None, Timestamp::UNIX_EPOCH);
        let table = [
            ("a b+c%d?e#f&g.tar", "http://h/b/a%20b%2Bc%25d%3Fe%23f%26g.tar"),
            ("ü/日.tar", "http://h/b/%C3%BC/%E6%97%A5.tar"),
            ("/a//b/", "http://h/b//a//b/"),
            ("...", "http://h/b/..."),
            ("%2e%2e/x", "http://h/b/%252e%252e/x"),
        ];
        for (key, wanted) in table {
            assert_eq!(address(key).unwrap().as_str(), wanted, "{key}");
        }
        for key in ["", ".", "..", "a/../b", "a/./b", "../b", "a/.."] {
            assert!(address(key).is_err(), "{key}");
        }
        for bucket in ["", "a/b", "a?b", "..", "a@b", "a b"] {
            let site = Site { bucket: bucket.into(), ..site.clone() };
            assert!(signed(&site, "r", &get("k"), None, Timestamp::UNIX_EPOCH).is_err(), "{bucket}");
        }
    }

    #[test]
    fn parameters_are_encoded_so_that_nothing_of_them_is_read_as_another() {
        let query = vec![("prefix", "a b&c=d/+".to_string()), ("list-type", "2".to_string())];
        let request = Request { method: Method::Get, key: None, query, headers: Vec::new() };
        let site = site(Some("http://h"), "b", Style::Path);
        let found = signed(&site, "r", &request, None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(found.as_str(), "http://h/b/?list-type=2&prefix=a%20b%26c%3Dd%2F%2B");
    }
}
