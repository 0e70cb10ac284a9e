//! BagIt (RFC 8493 and its drafts from 0.93 on): judging bags, and making them.

pub mod make;
