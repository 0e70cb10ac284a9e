//! An item's checkpoint: stage and standing; and `next`, the one pure function that is an item's whole life.
//!
//! ```text
//!              claim              finished (not last)
//!   +--> ready ------> working ------------------------> ready at the next stage
//!   |      ^            | | | |
//!   |      |  wake      | | | +-- finished (last) -----> kept
//!   |   waiting <-------+ | +---- trouble: depositor --> refused --+
//!   |                     +------ trouble: others -----> held -----+-- requeue --> ready (from a stage)
//!   +---- recovered, drained                             cancelled <-- cancel
//!
//!   the last stage of a line that gives an object back or up ends in done, not in kept
//! ```
//!
//! - An item is in exactly one standing.
//! - Its fence strictly grows: a lease from before a crash, a hold or a requeue can commit nothing.
//! - Waiting for space or for a turn uses no try; only troubles that time may cure do.
//! - Nothing leaves *held* or *refused* by itself.

pub use crate::model::stage::Stage;
use crate::model::trouble::{Kind, Remedy, Trouble, Wait};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an item stands at its stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Standing {
    /// It may be claimed.
    Ready,
    /// A worker has it.
    Working,
    /// Not before this time: what it waits for.
    Waiting {
        /// Not claimed before (UTC).
        until: Timestamp,
        /// What for.
        why: WaitWhy,
    },
    /// A person must look.
    Held {
        /// What stopped it.
        trouble: Trouble,
    },
    /// The depositor must send something else.
    Refused {
        /// What stopped it.
        trouble: Trouble,
    },
    /// Two proved copies (or what the policy asks) and a record exist.
    Kept,
    /// Its errand is done: the object was given back, or given up.
    Done,
    /// Given up by a person.
    Cancelled,
}

/// Why an item waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitWhy {
    /// Space or a turn: no try was used.
    For(Wait),
    /// A trouble that time may cure.
    Trouble(Trouble),
}

impl Standing {
    /// Its name, for indexes, lists and filters.
    pub fn name(&self) -> &'static str {
        match self {
            Standing::Ready => "ready",
            Standing::Working => "working",
            Standing::Waiting { .. } => "waiting",
            Standing::Held { .. } => "held",
            Standing::Refused { .. } => "refused",
            Standing::Kept => "kept",
            Standing::Done => "done",
            Standing::Cancelled => "cancelled",
        }
    }

    /// Every name.
    pub const NAMES: [&'static str; 8] =
        ["ready", "working", "waiting", "held", "refused", "kept", "done", "cancelled"];

    /// True when nothing will happen to it unless a person asks.
    pub fn rests(&self) -> bool {
        !matches!(self, Standing::Ready | Standing::Working | Standing::Waiting { .. })
    }

    /// The trouble it stands in, if any.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Standing::Held { trouble } | Standing::Refused { trouble } => Some(trouble),
            Standing::Waiting { why: WaitWhy::Trouble(trouble), .. } => Some(trouble),
            _ => None,
        }
    }
}

/// What a person asked of an item that is being worked on; done when the worker lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Hold it.
    Hold,
    /// Give it up.
    Cancel,
}

/// Where an item stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The stage that is next, or being worked on, or that was the last.
    pub stage: Stage,
    /// How it stands there.
    pub standing: Standing,
    /// Fence of the newest lease; strictly grows.
    pub fence: u64,
    /// Tries used at this stage by troubles that time may cure.
    pub tries: u32,
    /// Times the process ended while a worker had it at this stage, without having got on since the time before.
    pub stops: u32,
    /// Bytes of facts in staging when the process ended the last time.
    #[serde(default)]
    pub progress: u64,
    /// How often it was sent back to an earlier or the same stage; part of the names of its facts and of the ids of
    /// its events.
    pub round: u32,
    /// What a person asked meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

impl Checkpoint {
    /// The first checkpoint of every item of this line.
    pub fn first(line: &[Stage]) -> Checkpoint {
        Checkpoint {
            stage: line[0],
            standing: Standing::Ready,
            fence: 0,
            tries: 0,
            stops: 0,
            progress: 0,
            round: 0,
            asked: None,
        }
    }
}

/// Something that happens to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// A worker takes it.
    Claim,
    /// The stage is done.
    Finish,
    /// The stage cannot start or go on now; look again at `until`.
    Wait {
        /// What for.
        wait: Wait,
        /// Not before (UTC).
        until: Timestamp,
    },
    /// The stage failed. `until` counts only if time may cure it.
    Fail {
        /// How.
        trouble: Trouble,
        /// Not tried again before (UTC).
        until: Timestamp,
    },
    /// Facts of an earlier stage are void: go back to that stage. Uses a try.
    Back {
        /// Why.
        trouble: Trouble,
        /// To which stage.
        to: Stage,
        /// Not before (UTC).
        until: Timestamp,
    },
    /// The worker lets go because the process is drained.
    Drain,
    /// The process ended while a worker had it; seen at start.
    Recover {
        /// Bytes of facts that lie in its staging now: more than last time means it did get on.
        progress: u64,
    },
    /// Its time has come, or what it waited for is there.
    Wake,
    /// A person sends it back to work.
    Requeue {
        /// From this stage on everything is void and done again; `None`: on from where it stands, keeping what its
        /// stage has done so far.
        from: Option<Stage>,
    },
    /// A person holds it.
    Hold,
    /// A person lets it go on.
    Release,
    /// A person gives it up.
    Cancel,
}

impl Move {
    /// Its name in tables and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Move::Claim => "claim",
            Move::Finish => "finish",
            Move::Wait { .. } => "wait",
            Move::Fail { .. } => "fail",
            Move::Back { .. } => "back",
            Move::Drain => "drain",
            Move::Recover { .. } => "recover",
            Move::Wake => "wake",
            Move::Requeue { .. } => "requeue",
            Move::Hold => "hold",
            Move::Release => "release",
            Move::Cancel => "cancel",
        }
    }
}

/// A move that the item's standing does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IllegalMove {
    /// Name of the standing.
    pub standing: &'static str,
    /// Name of the move.
    pub tried: &'static str,
    /// Why, for the person who asked.
    pub because: &'static str,
}

impl fmt::Display for IllegalMove {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is not possible while the item is {}: {}", self.tried, self.standing, self.because)
    }
}

/// Tries at one stage before a trouble that time may cure is held for an operator.
pub const TRIES_MAX: u32 = 6;

/// Ends of the process in one stage of one item before it is held.
pub const STOPS_MAX: u32 = 3;

/// The item's next checkpoint after this move, or why the move is not possible. `line` is the order of stages.
pub fn next(now: &Checkpoint, then: &Move, line: &[Stage]) -> Result<Checkpoint, IllegalMove> {
    let refuse = |because| Err(IllegalMove { standing: now.standing.name(), tried: then.name(), because });
    let stand = |standing| Ok(Checkpoint { standing, ..now.clone() });
    match (&now.standing, then) {
        (Standing::Ready, Move::Claim) => {
            Ok(Checkpoint { standing: Standing::Working, fence: now.fence + 1, ..now.clone() })
        }
        (Standing::Waiting { .. }, Move::Wake) => stand(Standing::Ready),
        // No room, or not its turn: seen before it is claimed, so no lease and no try is used.
        (Standing::Ready, Move::Wait { wait, until }) => {
            stand(Standing::Waiting { until: *until, why: WaitWhy::For(wait.clone()) })
        }

        (Standing::Working, Move::Finish) => Ok(heed(finish(now, line))),
        (Standing::Working, Move::Wait { wait, until }) => Ok(heed(Checkpoint {
            standing: Standing::Waiting { until: *until, why: WaitWhy::For(wait.clone()) },
            stops: 0,
            ..now.clone()
        })),
        (Standing::Working, Move::Fail { trouble, until }) => Ok(heed(fail(now, trouble, *until))),
        (Standing::Working, Move::Back { trouble, to, until }) => {
            if !line.contains(to) || *to > now.stage {
                return refuse("it can only go back to an earlier stage of its line");
            }
            // What comes after is another round: facts and events of the voided stages do not mix with the new ones.
            Ok(heed(Checkpoint { stage: *to, round: now.round + 1, ..fail(now, trouble, *until) }))
        }
        (Standing::Working, Move::Drain) => Ok(heed(Checkpoint { standing: Standing::Ready, ..now.clone() })),
        (Standing::Working, Move::Recover { progress }) => Ok(heed(recover(now, *progress))),
        (Standing::Working, Move::Hold) => Ok(Checkpoint { asked: Some(Asked::Hold), ..now.clone() }),
        (Standing::Working, Move::Release) if now.asked.is_some() => {
            Ok(Checkpoint { asked: None, ..now.clone() })
        }
        (Standing::Working, Move::Cancel) if matches!(now.stage, Stage::Store | Stage::Record) => {
            refuse("copies are being made; wait until it rests")
        }
        (Standing::Working, Move::Cancel) if now.stage.line() == Stage::DELETE => refuse(BEGUN),
        (Standing::Working, Move::Cancel) => Ok(Checkpoint { asked: Some(Asked::Cancel), ..now.clone() }),
        (Standing::Working, Move::Requeue { .. }) => refuse("it is being worked on now"),

        (Standing::Ready | Standing::Waiting { .. }, Move::Hold) => stand(held_by_operator()),
        (Standing::Held { trouble }, Move::Release) if trouble.kind == Kind::HeldByOperator => {
            stand(Standing::Ready)
        }
        (Standing::Held { .. } | Standing::Refused { .. }, Move::Release) => {
            refuse("a trouble holds it, not an operator; mend it and use requeue")
        }
        (Standing::Kept, Move::Cancel) => refuse("it is kept; deleting an object is another request"),
        (Standing::Done, Move::Cancel) => refuse("it is done"),
        (Standing::Cancelled, Move::Cancel) => refuse("it is cancelled already"),
        (_, Move::Cancel) if matches!(now.stage, Stage::Store | Stage::Record) => {
            refuse("copies may have been made already; requeue it instead")
        }
        // The first lease on it is the point of no return.
        (_, Move::Cancel) if now.stage.line() == Stage::DELETE && now.fence > 0 => refuse(BEGUN),
        (_, Move::Cancel) => stand(Standing::Cancelled),

        (Standing::Kept, Move::Requeue { .. }) => {
            refuse("it is kept; submit a new deposit for a new version")
        }
        (Standing::Done, Move::Requeue { .. }) => refuse("it is done; ask for it anew"),
        (Standing::Waiting { why: WaitWhy::For(Wait::Grace), .. }, Move::Requeue { .. }) => {
            refuse("its time of grace is not over; it begins by itself")
        }
        // A person took their word back; two persons must give it again.
        (Standing::Cancelled, Move::Requeue { .. }) if now.stage.line() == Stage::DELETE => {
            refuse("it was cancelled; ask for the deletion anew")
        }
        (
            Standing::Held { .. } | Standing::Refused { .. } | Standing::Waiting { .. } | Standing::Cancelled,
            Move::Requeue { from },
        ) => {
            let stage = from.unwrap_or(now.stage);
            if !line.contains(&stage) || stage > now.stage {
                return refuse("it has not come that far yet");
            }
            Ok(Checkpoint {
                stage,
                standing: Standing::Ready,
                // Without a lease there is none to outdate, and what never began can still be told from what did.
                fence: if now.fence == 0 { 0 } else { now.fence + 1 },
                tries: 0,
                stops: 0,
                progress: 0,
                round: now.round + u32::from(from.is_some()),
                asked: None,
            })
        }
        (Standing::Ready, Move::Requeue { .. }) => refuse("it is in work already"),
        (_, Move::Hold) => refuse("it rests already"),
        (_, Move::Release) => refuse("nobody holds it"),
        (_, Move::Claim) => refuse("it is not ready"),
        (_, Move::Wake) => refuse("it does not wait"),
        (
            _,
            Move::Finish
            | Move::Wait { .. }
            | Move::Fail { .. }
            | Move::Back { .. }
            | Move::Drain
            | Move::Recover { .. },
        ) => refuse("nobody works on it"),
    }
}

/// Why a deletion that has begun is not given up.
const BEGUN: &str = "the deletion has begun and is carried to its end";

fn finish(now: &Checkpoint, line: &[Stage]) -> Checkpoint {
    let place = line.iter().position(|stage| *stage == now.stage);
    match place.and_then(|place| line.get(place + 1)) {
        Some(stage) => Checkpoint {
            stage: *stage,
            standing: Standing::Ready,
            tries: 0,
            stops: 0,
            progress: 0,
            ..now.clone()
        },
        None => {
            let standing = if now.stage == Stage::Record { Standing::Kept } else { Standing::Done };
            Checkpoint { standing, tries: 0, stops: 0, ..now.clone() }
        }
    }
}

fn fail(now: &Checkpoint, trouble: &Trouble, until: Timestamp) -> Checkpoint {
    let tries = now.tries + 1;
    let standing = match trouble.kind.remedy() {
        Remedy::Time if tries < TRIES_MAX => {
            Standing::Waiting { until, why: WaitWhy::Trouble(trouble.clone()) }
        }
        Remedy::Depositor => Standing::Refused { trouble: trouble.clone() },
        Remedy::Time | Remedy::Operator | Remedy::Alarm | Remedy::Developer => {
            Standing::Held { trouble: trouble.clone() }
        }
    };
    Checkpoint { standing, tries, stops: 0, ..now.clone() }
}

fn recover(now: &Checkpoint, progress: u64) -> Checkpoint {
    // A long stage on a machine that is restarted often is no culprit as long as it gets on.
    let stops = if progress > now.progress { 1 } else { now.stops + 1 };
    let now = Checkpoint { progress, ..now.clone() };
    if stops < STOPS_MAX {
        return Checkpoint { standing: Standing::Ready, stops, ..now };
    }
    let because = format!("the process ended {stops} times while it was at {}", now.stage);
    let trouble = Trouble::new(Kind::StopsTheProcess, because);
    Checkpoint { standing: Standing::Held { trouble }, stops, ..now }
}

fn held_by_operator() -> Standing {
    Standing::Held { trouble: Trouble::new(Kind::HeldByOperator, "asked by an operator") }
}

/// Does what a person asked while the worker had it, now that the worker lets go.
fn heed(then: Checkpoint) -> Checkpoint {
    let Some(asked) = then.asked else { return then };
    let then = Checkpoint { asked: None, ..then };
    match (asked, &then.standing) {
        (_, Standing::Kept | Standing::Done | Standing::Refused { .. }) => then,
        (Asked::Hold, Standing::Held { .. }) => then,
        (Asked::Hold, _) => Checkpoint { standing: held_by_operator(), ..then },
        // A worker that began to make copies is past the point where giving up is harmless.
        (Asked::Cancel, _) if then.stage == Stage::Record => then,
        (Asked::Cancel, _) => Checkpoint { standing: Standing::Cancelled, ..then },
    }
}
