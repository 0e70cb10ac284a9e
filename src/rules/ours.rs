//! What is our own fault, as findings: reading, space and limits of this machine, and interruptions.
//!
//! - The code says who can help, so it is taken from what the system said, never from where it was said.
//! - A file that cannot be read is told by its name; nothing is concluded about its bytes.

use crate::model::finding::{Finding, Severity};
use std::fmt;
use std::io;

/// A finding about what failed on our side; `path` is empty for the bag as a whole.
pub fn of_io(error: &io::Error, path: &[u8], what: impl Into<String>) -> Finding {
    let code = match code_of(error) {
        "ENV-IO" if path.starts_with(b"data/") => "FIX-UNREADABLE",
        code => code,
    };
    Finding::new(code, Severity::Error, path, what).clause("No rule of BagIt")
}

/// The code of this error.
pub fn code_of(error: &io::Error) -> &'static str {
    if error.get_ref().is_some_and(|inner| inner.is::<Changed>()) {
        return "ENV-INTERRUPTED";
    }
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => return "ENV-DISK-SPACE",
        io::ErrorKind::OutOfMemory => return "ENV-LIMIT",
        io::ErrorKind::Interrupted => return "ENV-INTERRUPTED",
        _ => {}
    }
    let number = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    match number {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::AGAIN) => "ENV-LIMIT",
        _ => "ENV-IO",
    }
}

/// What is looked at changed meanwhile, so what is known of it is of no use.
#[derive(Debug)]
struct Changed;

impl fmt::Display for Changed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("it changed while it was looked at")
    }
}

impl std::error::Error for Changed {}

/// The error that says that something changed while it was looked at.
pub fn changed() -> io::Error {
    io::Error::other(Changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_follows_from_what_the_system_said() {
        let os = io::Error::from_raw_os_error;
        for (error, code) in [
            (os(28), "ENV-DISK-SPACE"),
            (os(122), "ENV-DISK-SPACE"),
            (os(24), "ENV-LIMIT"),
            (os(12), "ENV-LIMIT"),
            (os(5), "ENV-IO"),
            (os(13), "ENV-IO"),
            (changed(), "ENV-INTERRUPTED"),
            (io::Error::other("x"), "ENV-IO"),
        ] {
            assert_eq!(code_of(&error), code, "{error}");
        }
        assert_eq!(of_io(&os(5), b"data/a", "x").code, "FIX-UNREADABLE");
        assert_eq!(of_io(&os(5), b"bag-info.txt", "x").code, "ENV-IO");
        assert_eq!(of_io(&os(28), b"data/a", "x").code, "ENV-DISK-SPACE");
    }
}
