//! The HTTP client: one request, one answer.
//!
//! - An answer is given whatever its status; a failure of the network is a `NetError` with words for people.
//! - Redirects are followed here, at most a few, each judged anew; what proves who we are stays with its origin.
//! - A connection that idled in the pool and was closed under us is replaced once, at once, before any head of an answer;
//!   GET uses the pool, and what says that it does no harm twice.
//! - A body is read without a total limit of time, but never waits long for its next byte, nor trickles for ever.
//! - Nothing is decompressed on the way, and nobody is asked to compress.

use super::ask::Body as Sent;
pub use super::ask::{Ask, Method, NetError};
use super::ask::{of_tls, without_address};
use super::forwarded::{self, Forwarded};
use super::guard::{self, Refusal};
use super::proxy::{self, Way};
use super::secret::Secret;
use super::stall::{DRIP, Watch};
use super::trust;
use super::{ProxyChoice, Reaching, Timeouts};
use crate::rules::address::{Address, Admit};
use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use ureq::http::{HeaderValue, Request, Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration as Span;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};
use ureq::{Agent, Body, SendBody};

/// Redirects followed for one request.
const REDIRECTS_MAX: usize = 4;
/// A pooled connection that idled this long is not used again: balancers forget idle connections without a word.
const IDLE_MAX: Duration = Duration::from_secs(2);
/// Headers of one answer, in bytes.
const HEAD_MAX: usize = 64 << 10;

/// An answer: its head, and its body to be read.
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    address: Address,
    timeouts: Timeouts,
}

impl fmt::Debug for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} from {}", self.status, self.address)
    }
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Its status with the usual word: `404 Not Found`.
    pub fn told(&self) -> String {
        told(self.status)
    }

    /// Where it came from, after redirects.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The value of a header; two that differ are none, because nobody can know which one holds.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let (_, first) = values.next()?;
        values.all(|(_, other)| other == first).then_some(first.as_str())
    }

    /// True when a header is there, whatever it says.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
    }

    /// Every header, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body, to be read to its end or dropped.
    pub fn into_body(self) -> NetBody {
        let read = self.body.into_with_config().limit(u64::MAX).reader();
        NetBody { read: Box::new(read), watch: Watch::new(self.timeouts.stall), stall: self.timeouts.stall }
    }

    /// The body as text, at most `most` bytes of it.
    pub fn into_text(self, most: usize) -> Result<String, NetError> {
        let mut bytes = Vec::new();
        self.into_body().take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| of_io(&error))?;
        if bytes.len() > most {
            return Err(NetError::Wrong(format!(
                "it answers more than {most} bytes where a short text belongs"
            )));
        }
        String::from_utf8(bytes).map_err(|_| NetError::Wrong("it answers what is no text".into()))
    }
}

/// A body while it is read. Errors are `NetError`s within I/O errors.
pub struct NetBody {
    read: Box<dyn Read + Send>,
    watch: Watch,
    stall: Duration,
}

impl Read for NetBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let began = Instant::now();
        let got = self.read.read(buf).map_err(|error| io::Error::other(of_body(&error, self.stall)))?;
        if !self.watch.count(began.elapsed(), got as u64) {
            let why = format!("it stalled: fewer than {DRIP} bytes came within {:?}", self.stall);
            return Err(io::Error::other(NetError::Failed(why)));
        }
        Ok(got)
    }
}

/// The `NetError` within an I/O error of a body.
pub fn of_io(error: &io::Error) -> NetError {
    let own = error.get_ref().and_then(|inner| inner.downcast_ref::<NetError>());
    own.cloned().unwrap_or_else(|| NetError::Failed(format!("reading the answer failed: {error}")))
}

/// The client of one source.
pub struct Client {
    reaching: Reaching,
    admit: Admit,
    proxies: proxy::Proxies,
    roots: OnceLock<RootCerts>,
    /// One pair of agents a way that is used: direct, and one or two proxies.
    agents: Mutex<Vec<(Way, Agents)>>,
}

#[derive(Clone)]
struct Agents {
    pooled: Agent,
    fresh: Agent,
}

impl Client {
    /// A client that reaches others so.
    pub fn new(reaching: Reaching) -> Client {
        let admit = Admit::private(reaching.allow_private);
        Client::admitting(reaching, admit)
    }

    /// A client for the metadata of the cloud that this machine runs in; nothing that was given to us goes through it.
    pub fn for_metadata() -> Client {
        let moment = Duration::from_secs(1);
        let timeouts = Timeouts { connect: moment, answer: moment * 2, stall: moment * 2 };
        let reaching = Reaching { timeouts, proxy: ProxyChoice::Direct, ..Reaching::default() };
        Client::admitting(reaching, Admit::Metadata)
    }

    fn admitting(reaching: Reaching, admit: Admit) -> Client {
        let proxies = proxy::Proxies::new(&reaching.proxy);
        Client { reaching, admit, proxies, roots: OnceLock::new(), agents: Mutex::default() }
    }

    /// How it reaches others.
    pub fn reaching(&self) -> &Reaching {
        &self.reaching
    }

    /// Sends a request, follows redirects if it may, and gives the answer.
    pub fn send(&self, ask: Ask<'_>) -> Result<Answer, NetError> {
        let origin = ask.address.origin();
        let mut address = ask.address.clone();
        for _ in 0..=REDIRECTS_MAX {
            guard::judge(&address, self.admit)?;
            let response = self.send_once(&ask, &address, address.origin() == origin)?;
            let answer = self.answer(response, address)?;
            let leads = match answer.status {
                301 | 302 | 303 | 307 | 308 if ask.follow => answer.header("location").map(String::from),
                _ => None,
            };
            let Some(location) = leads else { return Ok(answer) };
            let next = answer.address.follow(&location);
            address = next.map_err(|why| NetError::Wrong(format!("a redirect is not followed: {why}")))?;
        }
        Err(NetError::Wrong(format!("it redirects more than {REDIRECTS_MAX} times")))
    }

    fn answer(&self, response: Response<Body>, address: Address) -> Result<Answer, NetError> {
        let (head, body) = response.into_parts();
        let mut headers = Vec::with_capacity(head.headers.len());
        for (name, value) in &head.headers {
            // What is no text is of no use to us, and must not look like absence.
            headers.push((name.as_str().to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
        let timeouts = self.reaching.timeouts;
        Ok(Answer { status: head.status.as_u16(), headers, body, address, timeouts })
    }

    fn send_once(&self, ask: &Ask<'_>, address: &Address, own: bool) -> Result<Response<Body>, NetError> {
        let agents = self.agents(address)?;
        // HEAD has its own connection, too: what a server sends after it, though it must not, would be read as the next
        // answer.
        if !ask.again || ask.method == Method::Head {
            let sent = run(&agents.fresh, ask, request(ask, address, own)?);
            return sent.map_err(|error| self.told(error, address));
        }
        CONNECTED.set(false);
        match run(&agents.pooled, ask, request(ask, address, own)?) {
            Ok(response) => Ok(response),
            Err(error) if !CONNECTED.get() && was_spoilt(&error) => {
                let sent = run(&agents.fresh, ask, request(ask, address, own)?);
                sent.map_err(|error| self.told(error, address))
            }
            Err(error) => Err(self.told(error, address)),
        }
    }

    fn agents(&self, address: &Address) -> Result<Agents, NetError> {
        let way = self.proxies.way(address).map_err(NetError::Setup)?;
        let mut agents = self.agents.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some((_, known)) = agents.iter().find(|(known, _)| *known == way) {
            return Ok(known.clone());
        }
        let new = Agents { pooled: self.agent(&way, true)?, fresh: self.agent(&way, false)? };
        agents.push((way, new.clone()));
        Ok(new)
    }

    fn agent(&self, way: &Way, pooled: bool) -> Result<Agent, NetError> {
        let Timeouts { connect, answer, stall } = self.reaching.timeouts;
        let proxy = match way {
            Way::Direct => None,
            Way::Through(proxy) | Way::Forwarded(proxy) => {
                let wrong = |_| NetError::Setup("the proxy's address cannot be used".into());
                Some(ureq::Proxy::new(proxy.reveal()).map_err(wrong)?)
            }
        };
        let exempt = proxy.as_ref().map(|proxy| (proxy.host().to_string(), proxy.port()));
        let is_forwarded = matches!(way, Way::Forwarded(_));
        let proof = |proxy: &ureq::Proxy| forwarded::proof(proxy.username(), proxy.password());
        let forwarded = proxy.as_ref().filter(|_| is_forwarded).map(proof);
        // What cannot be read now is asked for again: whoever mends the file need not restart us.
        let read = || roots(self.reaching.ca_file.as_deref()).map_err(NetError::Setup);
        let roots = self.roots.get().cloned().map_or_else(read, Ok)?;
        let roots = self.roots.get_or_init(|| roots).clone();
        let idle = if pooled { self.reaching.connections.clamp(2, 64) } else { 0 };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy.filter(|_| !is_forwarded))
            .user_agent(concat!("strongroom/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_send_request(Some(answer))
            .timeout_send_body(Some(answer))
            .timeout_recv_response(Some(answer))
            .timeout_per_write(Some(stall))
            .max_response_header_size(HEAD_MAX)
            .max_idle_age(IDLE_MAX)
            .max_idle_connections(idle)
            .max_idle_connections_per_host(idle)
            .build();
        let resolver = Guarded { admit: self.admit, exempt, is_forwarded, within: connect };
        let connector = Noticing { connector: DefaultConnector::new(), stall, forwarded };
        Ok(Agent::with_parts(config, connector, resolver))
    }

    /// A failure in words for people, without anything of the address that may be secret.
    fn told(&self, error: ureq::Error, address: &Address) -> NetError {
        use ureq::Error as E;
        let Timeouts { connect, answer, .. } = self.reaching.timeouts;
        let host = address.origin();
        match error {
            E::Other(inner) => match inner.downcast::<Refusal>() {
                Ok(refusal) => NetError::from(*refusal),
                Err(other) => NetError::Failed(format!("{host}: {other}")),
            },
            E::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                NetError::Failed(format!("{host} was not connected within {connect:?}"))
            }
            E::Timeout(_) => NetError::Failed(format!("{host} did not answer within {answer:?}")),
            E::HostNotFound => NetError::Failed(format!("{host} is not known")),
            E::Io(error) => of_tls(&error, &host)
                .unwrap_or_else(|| NetError::Failed(format!("the connection to {host} failed: {error}"))),
            E::Rustls(error) => NetError::Failed(format!("{host} is not trusted: {error}")),
            E::Tls(why) => NetError::Failed(format!("TLS with {host} failed: {why}")),
            E::ConnectProxyFailed(why) if why.contains("407") => NetError::Setup(format!(
                "the proxy on the way to {host} wants another name and password (407)"
            )),
            E::ConnectProxyFailed(why) => {
                NetError::Failed(format!("the proxy did not connect {host}: {why}"))
            }
            E::ConnectionFailed => NetError::Failed(format!("no connection to {host}")),
            E::LargeResponseHeader(..) => {
                NetError::Wrong(format!("{host} answers with headers of more than {HEAD_MAX} bytes"))
            }
            E::Protocol(error) => NetError::Wrong(format!("{host} answers what is no HTTP: {error}")),
            E::Http(_) | E::BadUri(_) => NetError::Wrong("the request cannot be written".into()),
            other => NetError::Wrong(format!("{host}: {}", without_address(&other.to_string()))),
        }
    }
}

fn of_body(error: &io::Error, stall: Duration) -> NetError {
    if let Some(ureq::Error::Timeout(_)) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return NetError::Failed(format!("it stalled: nothing came for {stall:?}"));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => NetError::Failed("it broke off".into()),
        _ => NetError::Failed(format!("it broke off: {}", without_address(&error.to_string()))),
    }
}

/// True when a connection that had been used before may have been closed while it idled, or still held what belongs to
/// the answer before (some servers answer HEAD with a body).
fn was_spoilt(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    match error {
        ureq::Error::Protocol(_) => true,
        ureq::Error::Io(error) => matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
        ),
        _ => false,
    }
}

fn request(ask: &Ask<'_>, address: &Address, own: bool) -> Result<Request<()>, NetError> {
    let mut request = Request::builder().method(ask.method.word()).uri(address.as_str());
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    if own {
        for (name, value) in &ask.own_headers {
            request = request.header(name, value);
        }
    }
    request.body(()).map_err(|_| NetError::Wrong("its address or a header cannot be sent".into()))
}

/// Sends it on one of this agent's connections.
fn run(agent: &Agent, ask: &Ask<'_>, request: Request<()>) -> Result<Response<Body>, ureq::Error> {
    match &ask.body {
        Sent::Bytes(bytes) if bytes.is_empty() && ask.method.only_asks() => agent.run(request),
        Sent::Bytes(bytes) => agent.run(request.map(|()| bytes.as_slice())),
        Sent::From { size, open } => {
            let mut from = open().take(*size);
            let mut request = request.map(|()| SendBody::from_reader(&mut from));
            request.headers_mut().insert("content-length", HeaderValue::from(*size));
            // However large it is and however slow the line: that every write gets on is watched over.
            agent.run(agent.configure_request(request).timeout_send_body(None).build())
        }
    }
}

/// The usual word for a status.
pub fn told(status: u16) -> String {
    let word = ureq::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    word.map_or_else(|| status.to_string(), |word| format!("{status} {word}"))
}

/// The certificates that are trusted: those of one file, or Mozilla's as of when this program was built.
fn roots(own: Option<&Path>) -> Result<RootCerts, String> {
    let Some((path, pem)) = trust::file(own)? else { return Ok(RootCerts::WebPki) };
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(format!("{} is no PEM file: {error}", path.display())),
        }
    }
    match certificates.is_empty() {
        true => Err(format!("{} holds no certificate", path.display())),
        false => Ok(RootCerts::new_with_certs(&certificates)),
    }
}

thread_local! {
    /// Whether the request that this thread sends opened a connection; else it was given a pooled one.
    static CONNECTED: Cell<bool> = const { Cell::new(false) };
}

/// Notices that a connection was opened, and lets none of its bodies stall.
#[derive(Debug)]
struct Noticing {
    connector: DefaultConnector,
    stall: Duration,
    /// The connection leads to a proxy that passes requests on, and wants this proof or none.
    forwarded: Option<Option<Secret>>,
}

impl Connector<()> for Noticing {
    type Out = Impatient;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Impatient>, ureq::Error> {
        CONNECTED.set(true);
        let connected = self.connector.connect(details, chained)?;
        let forwarded = self.forwarded.as_ref().map(|proof| {
            let port = details.uri.port_u16().unwrap_or(80);
            Forwarded::to(details.uri.host().unwrap_or_default(), port, proof.clone())
        });
        Ok(connected.map(|inner| Impatient { inner, stall: self.stall, forwarded }))
    }
}

/// A connection that waits for a body's next byte only so long. ureq's own timeout for each read would hold for the head
/// of an answer, too, which may take longer.
#[derive(Debug)]
struct Impatient {
    inner: Box<dyn Transport>,
    stall: Duration,
    forwarded: Option<Forwarded>,
}

impl Transport for Impatient {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, mut amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if let Some(forwarded) = &mut self.forwarded {
            let written = forwarded.rewrite(self.inner.buffers().output(), amount);
            amount = written.ok_or_else(|| io::Error::other("the request is too long for a proxy"))?;
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if timeout.after.is_not_happening() {
            timeout.after = Span::Exact(self.stall);
            timeout.reason = ureq::Timeout::PerRead;
        }
        if let Some(forwarded) = &mut self.forwarded {
            forwarded.awaits();
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Looks names up through the guard.
#[derive(Debug)]
struct Guarded {
    admit: Admit,
    /// The proxy itself, which is where it is by the operator's word.
    exempt: Option<(String, u16)>,
    /// Requests are passed on: whoever is asked, the connection leads to the proxy.
    is_forwarded: bool,
    within: Duration,
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let asked = uri.host().unwrap_or_default();
        let (host, port, admit) = match &self.exempt {
            Some((proxy, port)) if self.is_forwarded || proxy == asked => {
                (proxy.as_str(), *port, Admit::Private)
            }
            _ => (asked, uri.port_u16().unwrap_or(usual), self.admit),
        };
        let found = guard::look_up(host, port, admit, self.within)
            .map_err(|refusal| ureq::Error::Other(Box::new(refusal)))?;
        let mut addresses = self.empty();
        found.into_iter().for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
