//! What a bucket's refusals mean: the code within the answer where there is one, else its status.

use super::xml;
use crate::rules::address::shown;
use crate::worlds::net::client::Answer;
use crate::worlds::source::SourceError;
use crate::worlds::source::ranged::{asks_to_wait, of_status};
use jiff::Timestamp;
use std::time::Duration;

/// Longest answer that is read for its code.
const ANSWER_MAX: usize = 64 << 10;
/// Longest message of a service that is passed on, in characters.
const MESSAGE_MAX: usize = 160;

/// A refusal: what it says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Status.
    pub status: u16,
    /// Status with its usual word.
    pub told: String,
    /// `NoSuchKey`; empty when it does not say.
    pub code: String,
    /// In the service's words.
    pub message: String,
    /// The region that it names.
    pub region: Option<String>,
    /// How long it asks to wait.
    pub after: Option<Duration>,
    /// The time by its clock.
    pub date: Option<Timestamp>,
}

impl Refusal {
    /// Reads an answer that is no success.
    pub fn read(answer: Answer, now: Timestamp) -> Refusal {
        let mut refusal = Refusal {
            status: answer.status(),
            told: answer.told(),
            region: answer.header("x-amz-bucket-region").map(String::from),
            after: asks_to_wait(&answer, now),
            date: answer.header("date").and_then(crate::rules::http::date),
            ..Refusal::default()
        };
        if let Ok(text) = answer.into_text(ANSWER_MAX) {
            refusal.take(&text);
        }
        refusal
    }

    /// Takes code and message from the body of an answer, when it is an error's.
    pub fn take(&mut self, text: &str) -> bool {
        let Ok(error) = xml::parse(text) else { return false };
        if error.name != "Error" {
            return false;
        }
        let plain = |name: &str| {
            let text = error.text_of(name).unwrap_or_default();
            text.chars().filter(|c| !c.is_control()).take(MESSAGE_MAX).collect::<String>()
        };
        self.code = plain("Code");
        self.message = plain("Message");
        self.region = error.text_of("Region").map(String::from).or(self.region.take());
        true
    }

    /// True when other keys would help.
    pub fn is_of_old_keys(&self) -> bool {
        matches!(self.code.as_str(), "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired")
    }

    fn words(&self) -> String {
        match (self.code.is_empty(), self.message.is_empty()) {
            (true, _) => format!("it answers {}", self.told),
            (false, true) => format!("it answers {} ({})", self.code, self.told),
            (false, false) => format!("it answers {}: {}", self.code, self.message),
        }
    }

    /// As an error of the source.
    pub fn error(&self, key: &str, now: Timestamp) -> SourceError {
        let why = self.words();
        let key = shown(key);
        match self.code.as_str() {
            "NoSuchKey" | "NoSuchVersion" | "NotFound" => SourceError::Gone { key },
            "NoSuchBucket" => SourceError::Denied { key, why: "there is no bucket of this name".into() },
            "PreconditionFailed" | "InvalidRange" | "ConditionalRequestConflict" => {
                SourceError::Changed { key, why }
            }
            "SlowDown"
            | "ServiceUnavailable"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "Busy" => SourceError::Busy { key, why, after: self.after },
            "InternalError" | "OperationAborted" | "RequestTimeout" => SourceError::Unreachable { key, why },
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestNotYetValid" => {
                let theirs =
                    self.date.map_or(String::new(), |date| format!(" (there it is {date}, here {now})"));
                let why = format!("its clock and this machine's do not agree{theirs}; mend the clock");
                SourceError::Denied { key, why }
            }
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "AccessDenied"
            | "AllAccessDisabled"
            | "AccountProblem"
            | "InvalidSecurity" => SourceError::Denied { key, why },
            "InvalidObjectState" => {
                let why = "it lies in an archive, and must be restored there before it can be fetched".into();
                SourceError::Denied { key, why }
            }
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect" => {
                let region =
                    self.region.as_ref().map_or(String::new(), |region| format!(" (region {region})"));
                SourceError::Denied {
                    key,
                    why: format!("the bucket is elsewhere{region}: set region or endpoint"),
                }
            }
            _ => match of_status(&key, self.status, &self.told, self.after) {
                SourceError::Denied { key, .. } => SourceError::Denied { key, why },
                SourceError::Unreachable { key, .. } => SourceError::Unreachable { key, why },
                SourceError::Wrong { key, .. } => SourceError::Wrong { key, why },
                other => other,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning_whatever_the_status() {
        let table = [
            (404, "NoSuchKey", "Gone"),
            (404, "NoSuchBucket", "Denied"),
            (503, "SlowDown", "Busy"),
            (400, "RequestTimeout", "Unreachable"),
            (500, "InternalError", "Unreachable"),
            (403, "RequestTimeTooSkewed", "mend the clock"),
            (403, "SignatureDoesNotMatch", "Denied"),
            (400, "ExpiredToken", "Denied"),
            (403, "InvalidObjectState", "archive"),
            (301, "PermanentRedirect", "region eu-west-1"),
            (412, "PreconditionFailed", "Changed"),
            (400, "InvalidArgument", "Wrong"),
            (404, "", "Gone"),
            (403, "", "Denied"),
            (503, "", "Busy"),
        ];
        for (status, code, wanted) in table {
            let refusal = Refusal {
                status,
                code: code.into(),
                region: Some("eu-west-1".into()),
                date: Some(Timestamp::UNIX_EPOCH),
                ..Refusal::default()
            };
            let found = format!("{:?}", refusal.error("s3://b/k", Timestamp::UNIX_EPOCH));
            assert!(found.contains(wanted), "{status} {code}: {found}");
        }
    }

    #[test]
    fn the_code_is_read_from_an_errors_body_only() {
        let mut refusal = Refusal::default();
        assert!(refusal.take("<Error><Code>SlowDown</Code><Message>a\nb &amp; c</Message></Error>"));
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("SlowDown", "ab & c"));
        for text in ["", "<html/>", "<CopyObjectResult><Code>x</Code></CopyObjectResult>", "{}"] {
            assert!(!Refusal::default().take(text), "{text}");
        }
    }
}
