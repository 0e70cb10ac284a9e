//! The command line: arguments to `Ask`, `Answer` to text or JSON.

pub mod args;
