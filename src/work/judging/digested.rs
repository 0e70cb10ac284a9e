//! The members of one bag with their digests, as the judge asks for them.
//!
//! - A bounded number of batches is under way; whatever comes back first is given first, for the judge sorts by name.
//! - Members that cannot be read are collected, up to a bound, and told together at the end: the bag has no verdict.

use super::Stop;
use super::pool::{Batch, Digested, Meter, Pool, SPAN};
use super::roster::Rows;
use crate::model::digest::Algorithm;
use crate::model::fact::Member;
use crate::worlds::source::held::HeldBag;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Members of one batch: their paths and digests are held until the judge has taken them.
const MEMBERS_MAX: usize = 512;

/// What opening a file costs beside reading it, in bytes: batches of tiny files shall not take for ever.
const OPENING: u64 = 4 << 10;

/// From this size on the algorithms of one member may be spread over threads.
const LARGE: u64 = 32 << 20;

/// Members that cannot be read and are named.
const UNREADABLE_MAX: usize = 1_000;

/// An iterator over the members with their digests.
pub struct Digesting<'a> {
    pool: &'a Pool,
    bag: Arc<HeldBag>,
    algorithms: Arc<[Algorithm]>,
    meter: Arc<Meter>,
    todo: Rows<'a>,
    /// A member that did not fit into the last batch.
    over: Option<Member>,
    bytes_left: u64,
    under_way: usize,
    answer: Sender<Vec<Digested>>,
    answers: Receiver<Vec<Digested>>,
    ready: VecDeque<Member>,
    unreadable: Vec<(Member, io::Error)>,
    ended: bool,
}

impl<'a> Digesting<'a> {
    /// Digests `bytes` in all.
    pub fn new(
        pool: &'a Pool,
        bag: Arc<HeldBag>,
        algorithms: Arc<[Algorithm]>,
        meter: Arc<Meter>,
        todo: Rows<'a>,
        bytes: u64,
    ) -> Digesting<'a> {
        let (answer, answers) = bounded(pool.batches_enough(&bag));
        Digesting {
            pool,
            bag,
            algorithms,
            meter,
            todo,
            over: None,
            bytes_left: bytes,
            under_way: 0,
            answer,
            answers,
            ready: VecDeque::new(),
            unreadable: Vec::new(),
            ended: false,
        }
    }

    /// Members that belong together.
    fn batch(&mut self) -> io::Result<Vec<Member>> {
        let mut members: Vec<Member> = Vec::new();
        let mut bytes = 0;
        while members.len() < MEMBERS_MAX {
            let Some(member) = self.over.take().map(Ok).or_else(|| self.todo.next()) else { break };
            let member = member?;
            let with = match members.first() {
                Some(first) if self.bag.tar().is_some() => {
                    member.offset.saturating_add(member.size).saturating_sub(first.offset)
                }
                _ => bytes + member.size + OPENING,
            };
            if !members.is_empty() && with > SPAN {
                self.over = Some(member);
                break;
            }
            bytes = with;
            members.push(member);
        }
        Ok(members)
    }

    /// Gives the threads a batch; false when there is none left.
    fn give(&mut self) -> io::Result<bool> {
        let members = self.batch()?;
        if members.is_empty() {
            return Ok(false);
        }
        let bytes: u64 = members.iter().map(|member| member.size).sum();
        // A file that is more than an even share of what is left would keep one thread busy when all others are done.
        let share = self.bytes_left / self.pool.digesters() as u64;
        let alone = members.len() == 1 && bytes >= LARGE && bytes > share && self.algorithms.len() > 1;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.pool.give(Batch {
            bag: self.bag.clone(),
            members,
            algorithms: self.algorithms.clone(),
            fan: if alone { self.pool.digesters() } else { 1 },
            meter: self.meter.clone(),
            answer: self.answer.clone(),
        })?;
        self.under_way += 1;
        Ok(true)
    }

    fn step(&mut self) -> Result<Option<Member>, Stop> {
        loop {
            if let Some(member) = self.ready.pop_front() {
                return Ok(Some(member));
            }
            // Enough that no thread waits for the judge, and no more: each holds up to `MEMBERS_MAX` members.
            while !self.ended && self.under_way < self.pool.batches_enough(&self.bag) {
                self.ended = !self.give().map_err(Stop::Scratch)?;
            }
            if self.under_way == 0 {
                break;
            }
            let answer =
                self.answers.recv().map_err(|_| Stop::Io(io::Error::other("the digesting threads ended")))?;
            self.under_way -= 1;
            for (member, outcome) in answer {
                match outcome {
                    Ok(()) => self.ready.push_back(member),
                    Err(error) => self.unreadable.push((member, error)),
                }
            }
            self.ended |= self.unreadable.len() >= UNREADABLE_MAX;
        }
        match std::mem::take(&mut self.unreadable) {
            none if none.is_empty() => Ok(None),
            some => Err(Stop::Unreadable(some)),
        }
    }
}

impl Iterator for Digesting<'_> {
    type Item = Result<Member, Stop>;

    fn next(&mut self) -> Option<Result<Member, Stop>> {
        if self.algorithms.is_empty() {
            // No manifest that we could compare with: nothing is read.
            return self.todo.next().map(|member| member.map_err(Stop::Scratch));
        }
        self.step().transpose()
    }
}
