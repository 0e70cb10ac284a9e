//! Fate: what goes wrong in a rehearsal, and when.
//!
//! - All rehearsal worlds of one test share one fate; it counts their writes in one row.
//! - After a power cut every verb fails until the power is back; what was written before is there.

use std::sync::Mutex;

/// What happens at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It fails once with an I/O error, and nothing of it is written.
    Error,
    /// The disk is full at this write, once.
    Full,
    /// The power is cut before it.
    PowerBefore,
    /// The power is cut after it, before the caller hears of it.
    PowerAfter,
}

/// Why a rehearsal verb fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Struck {
    /// As asked: an I/O error.
    Error,
    /// As asked: no space.
    Full,
    /// There is no power.
    NoPower,
}

#[derive(Debug, Default)]
struct State {
    writes: u64,
    plan: Option<(u64, Blow)>,
    dark: bool,
}

/// Shared by all rehearsal worlds of one test.
#[derive(Debug, Default)]
pub struct Fate {
    state: Mutex<State>,
}

impl Fate {
    /// From now on write number `at` (from 1, counted anew) suffers this blow.
    pub fn plan(&self, at: u64, blow: Blow) {
        *self.lock() = State { writes: 0, plan: Some((at, blow)), dark: false };
    }

    /// The power is back, and nothing more will go wrong.
    pub fn recover(&self) {
        *self.lock() = State::default();
    }

    /// Writes since the plan was made.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// True while there is no power.
    pub fn dark(&self) -> bool {
        self.lock().dark
    }

    /// One write: `effect` happens, or not, as fate has it.
    pub fn write<T>(&self, effect: impl FnOnce() -> T) -> Result<T, Struck> {
        let mut state = self.lock();
        if state.dark {
            return Err(Struck::NoPower);
        }
        state.writes += 1;
        match state.plan {
            Some((at, blow)) if at == state.writes => match blow {
                Blow::Error => Err(Struck::Error),
                Blow::Full => Err(Struck::Full),
                Blow::PowerBefore => {
                    state.dark = true;
                    Err(Struck::NoPower)
                }
                Blow::PowerAfter => {
                    effect();
                    state.dark = true;
                    Err(Struck::NoPower)
                }
            },
            _ => Ok(effect()),
        }
    }

    /// One read: fails only in the dark.
    pub fn read(&self) -> Result<(), Struck> {
        if self.lock().dark { Err(Struck::NoPower) } else { Ok(()) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}
