//! What a bucket's refusals mean: the code within the answer where there is one, else its status.

use super::xml;
use crate::rules::http;
use crate::worlds::net::client::Answer;
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
            after: answer.header("retry-after").and_then(|text| http::retry_after(text, now)),
            date: answer.header("date").and_then(http::date),
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

    /// What it says, for people.
    pub fn words(&self) -> String {
        match (self.code.is_empty(), self.message.is_empty()) {
            (true, _) => format!("it answers {}", self.told),
            (false, true) => format!("it answers {} ({})", self.code, self.told),
            (false, false) => format!("it answers {}: {}", self.code, self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
