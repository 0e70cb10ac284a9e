//! A thread that lets others go first.
//!
//! - Where the system does not allow it the thread goes on as it is.

/// The last of all: of processors it gets what others leave, and its reads and writes come after theirs (the system derives
/// the class of a thread's input and output from this).
const LAST: i32 = 19;

/// Makes the calling thread, and all that it starts, one that lets others go first.
pub fn be_gentle() {
    // Without a process the calling thread alone is meant. Refused: then it is only less polite.
    let _ = rustix::process::setpriority_process(None, LAST);
}
