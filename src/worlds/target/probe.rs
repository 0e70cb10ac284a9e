//! What a target can really do, tried out and not believed.
//!
//! - An ability that was not proved is not leaned on: each names the way that is taken with it, or without it.
//! - What a probe writes it removes.

use serde::{Deserialize, Serialize};

/// What a probe found about one ability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Has {
    /// It was seen to work.
    Yes,
    /// It was seen not to work.
    No,
    /// It could not be tried.
    Unknown,
}

impl Has {
    /// From whether it was seen to work.
    pub fn of(seen: bool) -> Has {
        if seen { Has::Yes } else { Has::No }
    }
}

/// One ability of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ability {
    /// Its name, stable: `if-none-match`, `exchange`.
    pub name: String,
    /// Whether the target has it.
    pub has: Has,
    /// What was tried, and what came of it.
    pub tried: String,
    /// What follows for how the target is written to; empty when nothing does.
    pub so: String,
}

impl Ability {
    /// An ability that was tried.
    pub fn new(name: &str, has: Has, tried: impl Into<String>, so: impl Into<String>) -> Ability {
        Ability { name: name.into(), has, tried: tried.into(), so: so.into() }
    }
}
