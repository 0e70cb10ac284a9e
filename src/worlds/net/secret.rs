//! What must not be seen.
//!
//! - A secret is never printed, neither for people nor for developers; who needs it asks for it by name.

use std::fmt;

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps this text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, to be sent and not to be kept.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(secret)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(secret)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Best effort without unsafe code: the bytes are overwritten before the memory goes back.
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        let holder = Some(vec![secret.clone()]);
        for text in [format!("{secret}"), format!("{secret:?}"), format!("{holder:#?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert_eq!(secret.reveal(), "hunter2");
    }
}
