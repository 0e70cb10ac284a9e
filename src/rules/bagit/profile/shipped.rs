//! Profiles that come with the program: our own files, which say what their publishers' files say.
//!
//! - A shipped profile is read by the same reader as any other; nothing about it is known otherwise.
//! - Its name is a name for people and for configurations, and never changes its meaning: new rules get a new name.

use super::Profile;
use std::sync::Arc;

/// Name and text of every shipped profile.
const SHIPPED: [(&str, &str); 4] = [
    ("aptrust-2.2", include_str!("shipped/aptrust-2.2.json")),
    ("aptrust-2.3", include_str!("shipped/aptrust-2.3.json")),
    ("bagit", include_str!("shipped/bagit.json")),
    ("btr-1.0", include_str!("shipped/btr-1.0.json")),
];

/// Names of the shipped profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The text of the shipped profile of this name.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The shipped profile of this name.
pub fn find(name: &str) -> Option<Arc<Profile>> {
    text(name).map(|text| Arc::new(Profile::read(text.as_bytes())))
}
