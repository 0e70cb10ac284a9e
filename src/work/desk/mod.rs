//! The desk: everything that may be asked, and the answers. Every door translates to `Ask` and from `Answer`.

pub mod complaint;
pub mod words;
