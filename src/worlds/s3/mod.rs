//! A bucket that speaks S3: signed requests, and what its answers and refusals say. Sources and targets use it.
//!
//! - Requests are signed just before they are sent, with keys that are read or renewed then; nothing of it is kept.
//! - A service that names another region, or finds our keys too old, is asked once more.
//! - What a service answers in place of what was asked is read for its code, and told in its words.

pub mod refusal;
pub mod sign;
pub mod xml;

use crate::worlds::clock::Clock;
use crate::worlds::net::ask::Body;
use crate::worlds::net::client::{Answer, Ask, Client, Method, NetError};
use crate::worlds::net::credentials::Access;
use crate::worlds::net::keys::KeyRing;
use jiff::Timestamp;
use refusal::Refusal;
use sign::{Request, Site};
use std::sync::{Arc, Mutex};

/// The region that is tried when nobody names one; a service that knows better says so.
const REGION: &str = "us-east-1";

/// A bucket, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketPlace {
    /// Address of the service; none: Amazon's, or what the environment names.
    pub endpoint: Option<String>,
    /// Its name.
    pub bucket: String,
    /// Only keys that start with this are meant.
    pub prefix: String,
    /// Region that requests are signed for.
    pub region: Option<String>,
    /// How the bucket is named in requests.
    pub style: Style,
    /// How we prove who we are.
    pub access: Access,
}

/// How a bucket is named in requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// By host at Amazon, by path elsewhere.
    #[default]
    Auto,
    /// `https://endpoint/bucket/key`.
    Path,
    /// `https://bucket.endpoint/key`.
    Host,
}

/// What one request needs besides the key.
#[derive(Default)]
pub struct Details<'a> {
    /// Parameters.
    pub query: Vec<(&'static str, String)>,
    /// Headers that are part of the signature: every `x-amz-…`.
    pub signed: Vec<(&'static str, String)>,
    /// Other headers.
    pub plain: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Body<'a>,
    /// It may be sent twice without harm, so a connection may serve it that was used before.
    pub again: bool,
}

/// Why a request was no success.
#[derive(Debug)]
pub enum Failure {
    /// The service said no.
    Refused(Box<Refusal>),
    /// No answer came.
    Net(NetError),
    /// Nothing was sent: there are no keys to sign with, or the key of the object cannot be sent.
    Unsent(String),
}

/// A bucket.
pub struct Bucket {
    /// Where it is.
    pub site: Site,
    region: Mutex<String>,
    ring: KeyRing,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
}

impl Bucket {
    /// The bucket at this place. What the place leaves open the environment says: `AWS_ENDPOINT_URL_S3`,
    /// `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_DEFAULT_REGION`.
    pub fn new(place: &BucketPlace, client: Arc<Client>, clock: Arc<dyn Clock>) -> Bucket {
        let region = place.region.clone().or_else(|| variable(["AWS_REGION", "AWS_DEFAULT_REGION"]));
        Bucket {
            site: Site { endpoint: endpoint(place), bucket: place.bucket.clone(), style: place.style },
            region: Mutex::new(region.unwrap_or_else(|| REGION.into())),
            ring: KeyRing::new(place.access.clone()),
            client,
            clock,
        }
    }

    /// From now on with these keys; for tests.
    #[cfg(test)]
    pub fn take_access(&mut self, access: Access) {
        self.ring = KeyRing::new(access);
    }

    /// The client it is reached with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request; gives its answer when it is a success. A service that names another region, or finds our keys too
    /// old, is asked once more.
    pub fn send(
        &self,
        method: Method,
        object: Option<&str>,
        details: &Details<'_>,
    ) -> Result<Answer, Failure> {
        match self.send_once(method, object, details) {
            Err(Failure::Refused(refusal)) if self.learns_from(&refusal) => {
                self.send_once(method, object, details)
            }
            other => other,
        }
    }

    fn learns_from(&self, refusal: &Refusal) -> bool {
        if refusal.is_of_old_keys() {
            self.ring.forget();
            return true;
        }
        let mut region = self.region.lock().unwrap_or_else(|broken| broken.into_inner());
        match &refusal.region {
            Some(other) if *other != *region && matches!(refusal.status, 301 | 307 | 400 | 403) => {
                *region = other.clone();
                true
            }
            _ => false,
        }
    }

    /// As `send`, asking once only.
    pub fn send_once(
        &self,
        method: Method,
        object: Option<&str>,
        details: &Details<'_>,
    ) -> Result<Answer, Failure> {
        let now = self.clock.now();
        let keys = self.ring.keys(now).map_err(Failure::Unsent)?;
        let region = self.region.lock().unwrap_or_else(|broken| broken.into_inner()).clone();
        let (query, headers) = (details.query.clone(), details.signed.clone());
        let request = Request { method, key: object, query, headers };
        let address =
            sign::signed(&self.site, &region, &request, keys.as_ref(), now).map_err(Failure::Unsent)?;
        let mut ask = Ask::new(method, address).as_it_is().body(details.body.clone());
        if details.again {
            ask = ask.again();
        }
        for (name, value) in details.signed.iter().chain(&details.plain) {
            ask = ask.own_header(*name, value);
        }
        let answer = self.client.send(ask).map_err(Failure::Net)?;
        match answer.status() {
            200..=299 => Ok(answer),
            _ => Err(Failure::Refused(Box::new(Refusal::read(answer, now)))),
        }
    }
}

/// Address of the service, by the place or by the environment.
pub fn endpoint(place: &BucketPlace) -> Option<String> {
    place.endpoint.clone().or_else(|| variable(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]))
}

/// Endpoint and access key id: what an account is known by. Anonymous access has no id.
pub fn account(place: &BucketPlace, now: Timestamp) -> Result<String, String> {
    let keys = KeyRing::new(place.access.clone()).keys(now)?;
    let id = keys.map_or("anonymous".to_string(), |keys| keys.id);
    let endpoint = endpoint(place).unwrap_or_else(|| "amazonaws.com".into());
    Ok(format!("{} {id}", endpoint.trim_end_matches('/')))
}

fn variable(names: [&str; 2]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Percent-decoded, `+` being a space, as listings have keys.
pub fn decoded(text: &str) -> String {
    let spaced = text.replace('+', "%20");
    crate::rules::address::percent_decoded(&spaced)
}
