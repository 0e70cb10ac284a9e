//! Why a probe stops: what it could not write is its end, what is not as it must be is a finding.

use strongroom::worlds::book::BookError;

/// Why it stops.
pub enum Failure {
    /// It could not read or write.
    Io(String),
    /// Something is not as it must be.
    Wrong(String),
}

impl From<BookError> for Failure {
    fn from(error: BookError) -> Failure {
        match error {
            BookError::Io { .. } => Failure::Io(error.to_string()),
            other => Failure::Wrong(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Io(error.to_string())
    }
}
