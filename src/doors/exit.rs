//! Exit codes: one table. An unknown code is a failure, and the worst one wins.

use crate::work::desk::complaint::Sort;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

/// Done, and nothing wrong was found.
pub const DONE: Exit = Exit(0);
/// Done, and something is wrong.
pub const WRONG: Exit = Exit(1);
/// The command line is not understood.
pub const USAGE: Exit = Exit(2);
/// Partly done.
pub const PARTLY: Exit = Exit(3);
/// What was asked for is not there.
pub const NOT_FOUND: Exit = Exit(4);
/// Its state does not allow it.
pub const REFUSED: Exit = Exit(5);
/// The daemon cannot be reached.
pub const UNREACHABLE: Exit = Exit(69);
/// Reading or writing failed.
pub const IO: Exit = Exit(74);
/// Try later.
pub const BUSY: Exit = Exit(75);
/// Not permitted.
pub const DENIED: Exit = Exit(77);
/// The configuration is wrong, or a newer release wrote the ledger.
pub const CONFIG: Exit = Exit(78);
/// Interrupted by SIGINT.
pub const INTERRUPTED: Exit = Exit(130);
/// Ended by SIGTERM.
pub const TERMINATED: Exit = Exit(143);

/// Code, meaning, what to do.
#[rustfmt::skip]
pub const EXITS: [(Exit, &str, &str); 13] = [
    (DONE, "done, and nothing wrong was found", "nothing"),
    (WRONG, "done, and something is wrong: an item was refused or is held, or a check found a fault", "strongroom trouble list, strongroom doctor"),
    (USAGE, "the command line is not understood; nothing was done", "strongroom help"),
    (PARTLY, "partly done: some are kept, others were refused, held or did not come to rest", "read what was printed; run the same command again to go on"),
    (NOT_FOUND, "what was asked for is not there", "strongroom item list, strongroom object list"),
    (REFUSED, "its state does not allow what was asked; nothing was changed", "read the reason that was printed"),
    (UNREACHABLE, "the daemon cannot be reached", "systemctl status strongroom"),
    (IO, "reading or writing failed", "look at the kernel log and at strongroom doctor"),
    (BUSY, "another process is at it; trying later may be enough", "wait, then run the same command again"),
    (DENIED, "not permitted for this user", "become a member of the service's group, or root"),
    (CONFIG, "the configuration is wrong, the service's unit does not let it be followed, or the ledger was written by a newer release; a restart does not help", "strongroom check-config"),
    (INTERRUPTED, "interrupted (SIGINT) after a safe point; nothing is lost", "run the same command again to go on"),
    (TERMINATED, "ended (SIGTERM) after a safe point; nothing is lost", "run the same command again to go on"),
];

impl From<Sort> for Exit {
    fn from(sort: Sort) -> Exit {
        match sort {
            Sort::Usage => USAGE,
            Sort::NotFound => NOT_FOUND,
            Sort::Refused => REFUSED,
            Sort::Unreachable => UNREACHABLE,
            Sort::Io => IO,
            Sort::Busy => BUSY,
            Sort::Denied => DENIED,
            Sort::Config => CONFIG,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_row() {
        let mut codes: Vec<u8> = EXITS.iter().map(|(exit, ..)| exit.0).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 69, 74, 75, 77, 78, 130, 143]);
    }
}
