//! Time.
//!
//! - Wall time is recorded and shown, and never decides between right and wrong.
//! - Durations are monotonic.

pub mod rehearsal;
pub mod system;

use jiff::Timestamp;
use std::time::Duration;

/// Time.
pub trait Clock: Send + Sync {
    /// Now, in UTC, to the millisecond.
    fn now(&self) -> Timestamp;

    /// Since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// A number from 0 to 1 for spreading retries; not for secrets.
    fn jitter(&self) -> f64;
}
