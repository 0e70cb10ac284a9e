//! Turns: at most so many ranges of a source at once, first come, first served.
//!
//! - A turn is given back when it is dropped.
//! - Who waits longest goes first: one item with many ranges does not keep another from its first.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The turns of one source.
#[derive(Debug)]
pub struct Turns {
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    waiting: VecDeque<u64>,
    next: u64,
}

/// One turn.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
}

impl Turns {
    /// At most `most` at once.
    pub fn new(most: usize) -> Arc<Turns> {
        Arc::new(Turns { most: most.max(1), state: Mutex::default(), changed: Condvar::new() })
    }

    /// A turn, waited for at most this long.
    pub fn take(self: &Arc<Turns>, patience: Duration) -> Option<Turn> {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        let ticket = state.next;
        state.next += 1;
        state.waiting.push_back(ticket);
        while state.taken >= self.most || state.waiting.front() != Some(&ticket) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiting.retain(|other| *other != ticket);
                drop(state);
                self.changed.notify_all();
                return None;
            }
            state = match self.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(broken) => broken.into_inner().0,
            };
        }
        state.waiting.pop_front();
        state.taken += 1;
        drop(state);
        self.changed.notify_all();
        Some(Turn { turns: self.clone() })
    }

    /// How many are taken now.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().taken -= 1;
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn no_more_than_allowed_and_back_when_dropped() {
        let turns = Turns::new(2);
        let one = turns.take(LONG).unwrap();
        let _two = turns.take(LONG).unwrap();
        assert!(turns.take(Duration::from_millis(5)).is_none());
        drop(one);
        assert!(turns.take(LONG).is_some());
        assert_eq!(turns.taken(), 1);
    }

    #[test]
    fn who_waits_longest_goes_first() {
        let turns = Turns::new(1);
        let held = turns.take(LONG).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..5)
            .map(|number| {
                let (own, order) = (turns.clone(), order.clone());
                let thread = std::thread::spawn(move || {
                    let _turn = own.take(LONG).unwrap();
                    order.lock().unwrap().push(number);
                });
                while turns.lock().waiting.len() <= number {
                    std::thread::yield_now();
                }
                thread
            })
            .collect();
        drop(held);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
}
