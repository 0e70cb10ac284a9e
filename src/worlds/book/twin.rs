//! A second pair of hands: writes and syncs the second copy while the caller does the first.
//!
//! - One thread for the life of the journal. One after the other would cost twice the wait, and on ext4 more: two syncs
//!   at a time share one commit of the file system's journal (measured on a loaded disk: 300 to 600 pairs of syncs a second
//!   one after the other, 900 to 2,600 side by side).
//! - `both` returns when both are done; an error of either is an error of the pair.

use super::BookError;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

type Answer = Result<(), BookError>;
type Errand = Box<dyn FnOnce() -> Answer + Send>;

/// The thread, and how to reach it; it ends when this is dropped.
pub(super) struct Twin {
    errands: SyncSender<Errand>,
    answers: Receiver<Answer>,
}

impl Twin {
    /// Starts the thread.
    pub fn start() -> Result<Twin, BookError> {
        let (errands, received) = sync_channel::<Errand>(1);
        let (answer, answers) = sync_channel(1);
        std::thread::Builder::new()
            .name("journal-b".into())
            .spawn(move || {
                for errand in received {
                    if answer.send(errand()).is_err() {
                        return;
                    }
                }
            })
            .map_err(|error| gone(&error.to_string()))?;
        Ok(Twin { errands, answers })
    }

    /// Does both at the same time, the second one on the thread.
    pub fn both(
        &self,
        first: impl FnOnce() -> Answer,
        second: impl FnOnce() -> Answer + Send + 'static,
    ) -> Answer {
        self.errands.send(Box::new(second)).map_err(|_| gone("it has ended"))?;
        let first = first();
        // Also after an error: nothing may still be written when this returns.
        let second = self.answers.recv().map_err(|_| gone("it ended at work"))?;
        first.and(second)
    }
}

fn gone(why: &str) -> BookError {
    BookError::Io { path: "the thread of the journal's second copy".into(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    #[test]
    fn both_are_at_work_at_the_same_time_and_either_may_fail() {
        let twin = Twin::start().unwrap();
        let here = Arc::new(Barrier::new(2));
        let there = here.clone();
        let met = |barrier: &Barrier| {
            barrier.wait();
            Ok(())
        };
        twin.both(|| met(&here), move || met(&there)).unwrap();
        assert_eq!(twin.both(|| Ok(()), || Err(gone("second"))), Err(gone("second")));
        assert_eq!(twin.both(|| Err(gone("first")), || Ok(())), Err(gone("first")));
        assert_eq!(twin.both(|| Ok(()), || Ok(())), Ok(()));
    }
}
