//! Talking to the bucket of a target: one request, tried again while time may help.
//!
//! - What time may cure (the network, 429, 503, 5xx) is tried again here, with growing pauses, for a bounded time; only then
//!   does an item hear of it.
//! - All requests of a target share its turns, its breaker and its pace; a request waits for its turn without a body in
//!   memory.
//! - What is sent carries its digest, so that a store refuses what changed on the way.

use super::BucketTarget;
use crate::rules::read::{ReadAt, Slice};
use crate::worlds::clock::Clock;
use crate::worlds::net::ask::Body;
use crate::worlds::net::breaker::Breaker;
use crate::worlds::net::client::{Answer, Client, Method, NetError};
use crate::worlds::net::pace::{Pace, portion};
use crate::worlds::net::turns::{Turn, Turns};
use crate::worlds::s3::refusal::Refusal;
use crate::worlds::s3::{Bucket, Details, Failure};
use crate::worlds::target::TargetError;
use jiff::tz::TimeZone;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Tries of one request.
const TRIES_MAX: u32 = 8;
/// How long one request is tried, pauses and all; a try that is under way is not broken off.
const PATIENCE: Duration = Duration::from_secs(75);
/// First pause; the next ones are twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Longest pause.
const PAUSE_LONGEST: Duration = Duration::from_secs(15);
/// How long a request waits for its turn: others may have large parts on a slow line.
const TURN_PATIENCE: Duration = Duration::from_secs(1_800);

/// Why a request was no success.
#[derive(Debug)]
pub enum No {
    /// The store said no, and would again.
    Refused(Box<Refusal>),
    /// Everything else.
    Failed(TargetError),
}

impl No {
    /// There is no such object, or no such upload.
    pub fn is_absent(&self) -> bool {
        match self {
            No::Refused(refusal) => is_absent(refusal),
            No::Failed(_) => false,
        }
    }

    /// What the request was made to depend on is not so.
    pub fn is_condition(&self) -> bool {
        let conflict = |refusal: &Refusal| {
            matches!(refusal.code.as_str(), "PreconditionFailed" | "ConditionalRequestConflict")
                || refusal.status == 412
        };
        matches!(self, No::Refused(refusal) if conflict(refusal))
    }
}

fn is_absent(refusal: &Refusal) -> bool {
    match refusal.code.as_str() {
        "NoSuchBucket" => false,
        "NoSuchKey" | "NoSuchVersion" | "NotFound" | "NoSuchUpload" => true,
        _ => refusal.status == 404,
    }
}

/// What is sent with a request: so many bytes from there, after the digest that names them was made.
#[derive(Clone, Copy)]
pub struct Stretch<'a> {
    /// Where they are.
    pub from: &'a dyn ReadAt,
    /// First byte.
    pub offset: u64,
    /// How many.
    pub size: u64,
}

impl<'a> Stretch<'a> {
    /// All of it.
    pub fn whole(from: &'a dyn ReadAt) -> Stretch<'a> {
        Stretch { from, offset: 0, size: from.size() }
    }
}

/// The line to the bucket of one target.
pub struct Talk {
    /// The target's name.
    pub target: String,
    /// The bucket.
    pub bucket: Bucket,
    /// What comes before every key: empty, or ending in a slash.
    pub prefix: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Requests at once.
    pub connections: usize,
    breaker: Breaker,
    turns: Arc<Turns>,
    pace: Pace,
}

impl Talk {
    /// To the bucket of this target.
    pub fn new(target: &str, config: &BucketTarget, clock: Arc<dyn Clock>) -> Talk {
        let client = Arc::new(Client::new(config.reaching.clone()));
        let prefix = config.place.prefix.trim_matches('/');
        Talk {
            target: target.to_string(),
            bucket: Bucket::new(&config.place, client, clock.clone()),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            clock,
            connections: config.reaching.connections.max(1),
            breaker: Breaker::default(),
            turns: Turns::new(config.reaching.connections),
            pace: Pace::new(config.reaching.bandwidth.clone()),
        }
    }

    /// Asks about a key below the prefix; with none, about the bucket.
    pub fn ask(&self, method: Method, key: Option<&str>, details: &Details<'_>) -> Result<Answer, No> {
        let _turn = self.turn(key)?;
        self.ask_in_turn(method, key, details)
    }

    /// A turn; an answer's body is read within it.
    pub fn turn(&self, key: Option<&str>) -> Result<Turn, No> {
        self.turns.take(TURN_PATIENCE).ok_or_else(|| {
            let why = format!("every connection to it was taken for {TURN_PATIENCE:?}");
            self.failed(key.unwrap_or_default(), why)
        })
    }

    /// As `ask`, by somebody who has a turn.
    pub fn ask_in_turn(
        &self,
        method: Method,
        key: Option<&str>,
        details: &Details<'_>,
    ) -> Result<Answer, No> {
        let whole = key.map(|key| format!("{}{key}", self.prefix));
        let shown = key.unwrap_or_default();
        let began = Instant::now();
        let mut pause = PAUSE_FIRST;
        for number in 1.. {
            let (wait, why) = match self.breaker.admit(self.clock.monotonic()) {
                Err(after) => (after, self.resting()),
                Ok(()) => match self.bucket.send(method, whole.as_deref(), details) {
                    Ok(answer) => {
                        self.breaker.answered();
                        return Ok(answer);
                    }
                    Err(failure) => {
                        let after = self.may_be_cured(shown, failure)?;
                        let wait = after.0.unwrap_or_else(|| pause.mul_f64(0.5 + self.clock.jitter()));
                        pause = (pause * 2).min(PAUSE_LONGEST);
                        (wait, after.1)
                    }
                },
            };
            if number >= TRIES_MAX || began.elapsed() + wait > PATIENCE {
                return Err(self.failed(shown, why));
            }
            log::debug!("target {}: {shown}: {why}; again in {wait:?}", self.target);
            std::thread::sleep(wait);
        }
        unreachable!("the loop ends by its own count")
    }

    fn resting(&self) -> String {
        let (_, last) = self.breaker.health(self.clock.monotonic());
        last.map_or("it is left alone for a while".into(), |last| {
            format!("it is left alone for a while: {last}")
        })
    }

    /// How long to wait before the next try, when one may help, and why this one failed.
    fn may_be_cured(&self, key: &str, failure: Failure) -> Result<(Option<Duration>, String), No> {
        let now = self.clock.monotonic();
        match failure {
            Failure::Net(NetError::Failed(why)) => {
                self.breaker.failed(now, &why);
                Ok((None, why))
            }
            Failure::Net(NetError::Wrong(why)) => {
                self.breaker.undecided();
                Err(self.failed(key, why))
            }
            Failure::Net(NetError::Forbidden(why) | NetError::Setup(why)) | Failure::Unsent(why) => {
                self.breaker.undecided();
                Err(No::Failed(TargetError::Denied { target: self.target.clone(), why }))
            }
            Failure::Refused(refusal) => {
                self.breaker.answered();
                let words = refusal.words();
                match (passes(&refusal), refusal.after) {
                    (true, Some(after)) => {
                        self.breaker.rest(now, after, &words);
                        Ok((Some(after), words))
                    }
                    (true, None) => Ok((None, words)),
                    (false, _) => Err(No::Refused(refusal)),
                }
            }
        }
    }

    fn failed(&self, key: &str, why: String) -> No {
        No::Failed(self.io(key, why))
    }

    /// An I/O error about this key.
    pub fn io(&self, key: &str, why: impl Into<String>) -> TargetError {
        TargetError::Io { target: self.target.clone(), path: key.to_string(), why: why.into() }
    }

    /// The error that a refusal about this key is, where no other meaning was looked for.
    pub fn told(&self, key: &str, no: No) -> TargetError {
        let refusal = match no {
            No::Failed(error) => return error,
            No::Refused(refusal) => refusal,
        };
        let target = self.target.clone();
        let why = refusal.words();
        if is_absent(&refusal) {
            return TargetError::Absent { target, path: key.to_string() };
        }
        match (refusal.code.as_str(), refusal.status) {
            ("NoSuchBucket", _) => {
                let why = format!(
                    "there is no bucket {}; make it, or correct the target's bucket",
                    self.bucket.site.bucket
                );
                TargetError::Missing { target, why }
            }
            ("QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "StorageFull", _) | (_, 507) => {
                TargetError::Full { target }
            }
            ("RequestTimeTooSkewed" | "RequestExpired" | "RequestNotYetValid", _) => {
                let why = "its clock and this machine's do not agree; mend the clock".to_string();
                TargetError::Denied { target, why }
            }
            ("InvalidObjectState", _) => {
                self.io(key, "it lies in an archive class, and must be restored there before it can be read")
            }
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect", _) => {
                let why = format!("the bucket is elsewhere ({why}): set region or endpoint");
                TargetError::Denied { target, why }
            }
            (_, 401 | 403 | 407) | ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "AccessDenied", _) => {
                TargetError::Denied { target, why: format!("{key}: {why}") }
            }
            _ => self.io(key, why),
        }
    }

    fn hour(&self) -> u8 {
        let hour = self.clock.now().to_zoned(TimeZone::system()).hour();
        u8::try_from(hour).unwrap_or(0)
    }

    /// How many bytes may go at once, and waits as long as the target's pace asks for.
    pub fn paced(&self, buffer: usize, go: &mut dyn FnMut(usize) -> io::Result<usize>) -> io::Result<usize> {
        if self.pace.is_unlimited() {
            return go(buffer);
        }
        let hour = self.hour();
        let got = go(portion(self.pace.rate(hour), buffer))?;
        let wait = self.pace.take(got as u64, self.clock.monotonic(), hour);
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        Ok(got)
    }

    /// Sends a request with these bytes. A source that cannot be read is named as such.
    pub fn send(
        &self,
        method: Method,
        key: &str,
        stretch: Stretch<'_>,
        mut details: Details<'_>,
    ) -> Result<Answer, No> {
        let lost: Mutex<Option<String>> = Mutex::default();
        let open = || -> Box<dyn Read + '_> {
            let from = Slice::new(stretch.from, stretch.offset, stretch.size);
            Box::new(Sending { talk: self, from, lost: &lost })
        };
        let body = Body::From { size: stretch.size, open: &open };
        let details = Details {
            query: std::mem::take(&mut details.query),
            signed: std::mem::take(&mut details.signed),
            plain: std::mem::take(&mut details.plain),
            body,
            again: true,
        };
        let sent = self.ask(method, Some(key), &details);
        match lost.lock().unwrap_or_else(|broken| broken.into_inner()).take() {
            Some(why) if sent.is_err() => Err(No::Failed(TargetError::Source { path: key.to_string(), why })),
            _ => sent,
        }
    }
}

/// True for a refusal that time may cure.
fn passes(refusal: &Refusal) -> bool {
    match refusal.code.as_str() {
        "SlowDown"
        | "ServiceUnavailable"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "Busy"
        | "InternalError"
        | "OperationAborted"
        | "RequestTimeout" => true,
        // What came is not what was sent: it changed on the way.
        "BadDigest" | "XAmzContentChecksumMismatch" => true,
        "NotImplemented" => false,
        _ => matches!(refusal.status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
    }
}

/// Bytes on their way, at the target's pace.
struct Sending<'a> {
    talk: &'a Talk,
    from: Slice<'a>,
    lost: &'a Mutex<Option<String>>,
}

impl Read for Sending<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (from, lost) = (&mut self.from, self.lost);
        self.talk.paced(buf.len(), &mut |most| {
            from.read(&mut buf[..most]).inspect_err(|error| {
                *lost.lock().unwrap_or_else(|broken| broken.into_inner()) = Some(error.to_string());
            })
        })
    }
}
