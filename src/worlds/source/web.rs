//! Deposits on web servers: a key is an `http` or `https` address.
//!
//! - A deposit is looked at by HEAD, or by asking for its first byte where HEAD is not answered; without a length it is
//!   not taken, because no space can be promised and no end be known.
//! - Nothing is fetched but ranges that the server itself says belong to what was pinned.
//! - What proves who we are goes to the server it was given for, and to no other.

use crate::model::digest::Algorithm;
use crate::model::fact::BagPath;
use crate::model::item::Form;
use crate::model::trouble::Trouble;
use crate::rules::address::{Address, shown};
use crate::rules::http;
use crate::rules::read::ReadAt;
use crate::worlds::clock::Clock;
use crate::worlds::net::client::{Answer, Ask, Client, Method};
use crate::worlds::net::credentials::{self, Access};
use crate::worlds::source::ranged::{self, Pin, asks_to_wait, is_coded, of_net, of_status, range_header};
use crate::worlds::source::{Arrival, Entry, GivenDigest, Source, SourceError};
use std::io::Read;
use std::sync::Arc;

/// Side-cars that are looked for, best first; the first that speaks of the deposit counts.
const SIDE_CARS: [(&str, Algorithm); 3] =
    [(".sha256", Algorithm::Sha256), (".sha512", Algorithm::Sha512), (".md5", Algorithm::Md5)];

/// Deposits on web servers.
pub struct WebSource {
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    access: Access,
    /// Name and address of the configured source, when it is one.
    below: Option<(String, String)>,
}

impl WebSource {
    /// Through this client, proving who we are so.
    pub fn new(client: Arc<Client>, clock: Arc<dyn Clock>, access: Access) -> WebSource {
        WebSource { client, clock, access, below: None }
    }

    /// As the configured source of this name: `source://NAME/KEY` is KEY below this address.
    pub fn below(self, name: &str, url: &str) -> WebSource {
        WebSource { below: Some((name.to_string(), url.to_string())), ..self }
    }

    fn address(&self, key: &str) -> Result<Address, SourceError> {
        let denied = |why| SourceError::Denied { key: shown(key), why };
        let Some((name, url)) = &self.below else { return Address::parse(key).map_err(denied) };
        let own = key.strip_prefix("source://").and_then(|rest| rest.strip_prefix(name.as_str()));
        match own.and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) => Address::parse(url).and_then(|base| base.below(rest)).map_err(denied),
            None => Err(denied(format!("it is no key of the source {name}"))),
        }
    }

    fn ask(&self, key: &str, method: Method) -> Result<Ask<'static>, SourceError> {
        self.ask_at(key, self.address(key)?, method)
    }

    fn ask_at(&self, key: &str, address: Address, method: Method) -> Result<Ask<'static>, SourceError> {
        let proof = credentials::authorization(&self.access);
        let proof = proof.map_err(|why| SourceError::Denied { key: shown(key), why })?;
        let ask = Ask::new(method, address);
        Ok(match proof {
            Some(proof) => ask.own_header("authorization", proof.reveal()),
            None => ask,
        })
    }

    fn send(&self, key: &str, ask: Ask) -> Result<Answer, SourceError> {
        self.client.send(ask).map_err(|error| of_net(key, error))
    }

    fn refused(&self, key: &str, answer: &Answer) -> SourceError {
        let after = asks_to_wait(answer, self.clock.now());
        let error = of_status(key, answer.status(), &answer.told(), after);
        match (error, answer.header("location")) {
            (SourceError::Wrong { key, why }, Some(_)) => {
                SourceError::Wrong { key, why: format!("{why} and leads nowhere that is followed") }
            }
            (error, _) => error,
        }
    }

    /// What HEAD says; nothing when it does not say enough and the thing itself must be asked.
    fn head(&self, key: &str) -> Result<Option<(Answer, u64)>, SourceError> {
        let answer = self.send(key, self.ask(key, Method::Head)?)?;
        match answer.status() {
            200 => {
                let bytes = answer.header("content-length").and_then(http::number);
                Ok(bytes.map(|bytes| (answer, bytes)))
            }
            // Not every server knows HEAD, and a signature may hold for GET only.
            400 | 401 | 403 | 405 | 406 | 501 => Ok(None),
            _ => Err(self.refused(key, &answer)),
        }
    }

    /// What asking for the first byte says. Its body is not read, and its connection is closed by dropping it.
    fn first_byte(&self, key: &str) -> Result<(Answer, u64), SourceError> {
        let answer = self.send(key, self.ask(key, Method::Get)?.header("range", "bytes=0-0"))?;
        let range = answer.header("content-range").and_then(http::content_range);
        let bytes = match (answer.status(), range) {
            // No byte is the first of none.
            (416, Some(range)) if range.whole == Some(0) => Some(0),
            (200 | 206, Some(range)) => range.whole,
            (200, None) => answer.header("content-length").and_then(http::number),
            (206, None) => None,
            _ => return Err(self.refused(key, &answer)),
        };
        let why = "it does not say how many bytes it has, so no space can be promised for it";
        let bytes = bytes.ok_or_else(|| SourceError::Wrong { key: shown(key), why: why.into() })?;
        Ok((answer, bytes))
    }

    /// The digest that lies beside a deposit, if one does.
    fn side_car(&self, key: &str) -> Result<Option<GivenDigest>, SourceError> {
        let address = self.address(key)?;
        for (ending, algorithm) in SIDE_CARS {
            let ask = self.ask_at(key, address.beside(ending), Method::Get)?;
            let answer = self.send(key, ask)?;
            // A server that cannot say now whether there is one must not make us go without.
            if matches!(answer.status(), 429 | 500 | 502..=504) {
                return Err(self.refused(key, &answer));
            }
            let is_one = answer.status() == 200 && is_coded(&answer).is_none();
            // Also when it is none: a body that was read gives its connection back.
            let text = answer.into_text(http::SIDE_CAR_MAX);
            let Some(text) = text.ok().filter(|_| is_one) else { continue };
            if let Some(hex) = http::side_car(&text, algorithm, &address.name()) {
                let by = format!("side-car {}{ending}", address.name());
                return Ok(Some(GivenDigest { algorithm, hex, by }));
            }
        }
        Ok(None)
    }
}

/// Digests of the whole that the headers of an answer give. `of_whole`: it is an answer about the whole, not of a part.
pub fn given_by_headers(answer: &Answer, of_whole: bool) -> Vec<GivenDigest> {
    let mut given = Vec::new();
    let named = [("Repr-Digest", true), ("Digest", true), ("Content-Digest", of_whole)];
    for (name, _) in named.into_iter().filter(|(_, counts)| *counts) {
        let found = answer.header(name).map(http::digests).unwrap_or_default();
        given.extend(found.into_iter().map(|digest| GivenDigest {
            algorithm: digest.algorithm,
            hex: digest.hex,
            by: name.to_string(),
        }));
    }
    let md5 = answer.header("content-md5").filter(|_| of_whole);
    if let Some(hex) = md5.and_then(|text| http::digest_of_base64(Algorithm::Md5, text)) {
        given.push(GivenDigest { algorithm: Algorithm::Md5, hex, by: "Content-MD5".into() });
    }
    given
}

impl Source for WebSource {
    fn look(&self, key: &str) -> Result<Arrival, SourceError> {
        let (answer, bytes, by_head) = match self.head(key)? {
            Some((answer, bytes)) => (answer, bytes, true),
            None => {
                let (answer, bytes) = self.first_byte(key)?;
                (answer, bytes, false)
            }
        };
        if let Some(why) = is_coded(&answer) {
            return Err(SourceError::Wrong { key: shown(key), why });
        }
        let pin = Pin::of(&answer, bytes).to_string();
        let mut given = given_by_headers(&answer, by_head || answer.status() == 200);
        drop(answer);
        if given.is_empty() {
            given.extend(self.side_car(key)?);
        }
        let connections = self.client.reaching().connections;
        Ok(Arrival { form: Form::Tar, bytes, pin, mark: String::new(), in_place: false, connections, given })
    }

    fn open(&self, key: &str) -> Result<Box<dyn ReadAt>, SourceError> {
        Err(fetched_only(key))
    }

    fn walk(
        &self,
        key: &str,
        _: &mut dyn FnMut(BagPath, Entry) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        Err(fetched_only(key).into())
    }

    fn open_member(&self, key: &str, _: &BagPath) -> Result<Box<dyn ReadAt>, SourceError> {
        Err(fetched_only(key))
    }

    fn fetch(
        &self,
        key: &str,
        arrival: &Arrival,
        from: u64,
        length: u64,
    ) -> Result<Box<dyn Read + Send>, SourceError> {
        let pin = pinned(key, arrival, from, length)?;
        if length == 0 {
            return Ok(Box::new(std::io::empty()));
        }
        let mut ask = self.ask(key, Method::Get)?.header("range", range_header(from, length));
        if let Some(tag) = &pin.tag {
            ask = ask.header("if-match", tag);
        }
        let answer = self.send(key, ask)?;
        if !matches!(answer.status(), 200 | 206) {
            return Err(self.refused(key, &answer));
        }
        Ok(Box::new(ranged::body(key, &pin, from, length, answer)?))
    }
}

/// The pin of an arrival, when the range lies within it.
pub fn pinned(key: &str, arrival: &Arrival, from: u64, length: u64) -> Result<Pin, SourceError> {
    let changed = |why: &str| SourceError::Changed { key: shown(key), why: why.into() };
    let pin = Pin::parse(&arrival.pin).ok_or_else(|| changed("its pin is of another kind of source"))?;
    let end = from.checked_add(length).filter(|end| *end <= pin.bytes && pin.bytes == arrival.bytes);
    end.map(|_| pin).ok_or_else(|| changed("the range that is asked for is not within it"))
}

/// The error of whoever wants to read a deposit on a network in place.
pub fn fetched_only(key: &str) -> SourceError {
    SourceError::Wrong { key: shown(key), why: "it is fetched first, not read in place".into() }
}

#[cfg(test)]
#[path = "web_tests.rs"]
mod tests;
