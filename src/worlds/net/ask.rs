//! What is asked of the network, and why no answer came.

use super::guard::Refusal;
use crate::rules::address::Address;
use std::fmt;
use std::io::{self, Read};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The head of what GET would answer.
    Head,
    /// The thing itself.
    Get,
    /// Puts something there.
    Put,
    /// Does something there.
    Post,
    /// Takes it away.
    Delete,
}

impl Method {
    /// As it is sent.
    pub fn word(self) -> &'static str {
        match self {
            Method::Head => "HEAD",
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        }
    }

    pub(super) fn only_asks(self) -> bool {
        matches!(self, Method::Head | Method::Get)
    }
}

/// What is sent with a request.
#[derive(Clone)]
pub enum Body<'a> {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes of a reader, which is opened anew for every try.
    From {
        /// How many.
        size: u64,
        /// Opens it.
        open: &'a (dyn Fn() -> Box<dyn Read + 'a> + Sync),
    },
}

impl Default for Body<'_> {
    fn default() -> Self {
        Body::Bytes(Vec::new())
    }
}

/// One request.
pub struct Ask<'a> {
    pub(super) method: Method,
    pub(super) address: Address,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Sent to the address's own origin only.
    pub(super) own_headers: Vec<(String, String)>,
    pub(super) body: Body<'a>,
    pub(super) again: bool,
    pub(super) follow: bool,
}

impl<'a> Ask<'a> {
    /// A request without a body that follows redirects.
    pub fn new(method: Method, address: Address) -> Ask<'a> {
        Ask {
            method,
            address,
            headers: Vec::new(),
            own_headers: Vec::new(),
            body: Body::default(),
            again: method == Method::Get,
            follow: method.only_asks(),
        }
    }

    /// With this header, which may be sent wherever a redirect leads.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Ask<'a> {
        self.headers.push((name, value.into()));
        self
    }

    /// With this header, which proves who we are or is part of a signature: it stays with this address's origin.
    pub fn own_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Ask<'a> {
        self.own_headers.push((name.into(), value.into()));
        self
    }

    /// With this body.
    pub fn body(mut self, body: Body<'a>) -> Ask<'a> {
        self.body = body;
        self
    }

    /// Says that it does no harm twice, so that a connection may serve it that was used before and may be gone.
    pub fn again(mut self) -> Ask<'a> {
        self.again = true;
        self
    }

    /// Gives a redirect as the answer, instead of following it.
    pub fn as_it_is(mut self) -> Ask<'a> {
        self.follow = false;
        self
    }
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetError {
    /// It may not be asked.
    Forbidden(String),
    /// The network failed: no connection, no answer in time, broken off.
    Failed(String),
    /// What came is no HTTP, or leads nowhere that may be followed.
    Wrong(String),
    /// What we would send or use is not right: a proxy or certificate that cannot be read.
    Setup(String),
}

impl fmt::Display for NetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetError::Forbidden(why)
            | NetError::Failed(why)
            | NetError::Wrong(why)
            | NetError::Setup(why) => out.write_str(why),
        }
    }
}

impl std::error::Error for NetError {}

impl From<Refusal> for NetError {
    fn from(refusal: Refusal) -> NetError {
        match refusal {
            Refusal::Forbidden(_) => NetError::Forbidden(refusal.to_string()),
            Refusal::Unknown(_) | Refusal::Late(_) => NetError::Failed(refusal.to_string()),
        }
    }
}

/// TLS errors come within I/O errors.
pub(super) fn of_tls(error: &io::Error, host: &str) -> Option<NetError> {
    let text = error.get_ref()?.to_string();
    let certificate = text.contains("certificate") || text.contains("UnknownIssuer");
    // Another authority helps against one reason only.
    let advice = if text.contains("UnknownIssuer") { "; an own authority is named by ca_file" } else { "" };
    certificate.then(|| NetError::Failed(format!("{host} is not trusted: {text}{advice}")))
}

/// A text of another's making, cut where an address with a query could follow.
pub(super) fn without_address(text: &str) -> String {
    text.split('?').next().unwrap_or_default().chars().take(200).collect()
}
