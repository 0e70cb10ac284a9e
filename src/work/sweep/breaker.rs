//! When a target itself looks ill: too many copies on it fail in the same way for it to be the copies' fault.
//!
//! - Copies that failed are held back until they are known to be single ones; only then are they marked as damaged. So
//!   nothing is put right because a cable was loose.
//! - What is held back is bounded.

use crate::model::proof::{Outcome, Proof};

/// Of the first copies so many times as may fail in a row are looked at together.
const FIRST: usize = 5;

/// What is to be done with a copy that failed, and those held back before it.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// They are single ones.
    Single(Vec<T>),
    /// They are held back.
    Held,
    /// The target looks ill; they say nothing of the copies.
    Ill(Vec<T>),
}

/// Looks for failures of one kind.
#[derive(Debug)]
pub struct Breaker<T> {
    in_a_row: usize,
    looked: usize,
    held: Vec<(Outcome, T)>,
    row: usize,
}

/// How a copy failed: what most of its faults are.
pub fn kind_of(proof: &Proof) -> Outcome {
    let counts = [
        (proof.unreadable, Outcome::Unreadable),
        (proof.missing, Outcome::Missing),
        (proof.mismatched, Outcome::Mismatched),
        (proof.extra, Outcome::Extra),
    ];
    let worst = counts.into_iter().max_by_key(|(count, _)| *count);
    worst.map_or(Outcome::Unreadable, |(_, outcome)| outcome)
}

impl<T> Breaker<T> {
    /// Trips at so many failures of one kind in a row, or when half of the first copies fail in one way.
    pub fn new(in_a_row: u64) -> Breaker<T> {
        let in_a_row = usize::try_from(in_a_row).unwrap_or(usize::MAX).clamp(2, 1_000);
        Breaker { in_a_row, looked: 0, held: Vec::new(), row: 0 }
    }

    /// A copy is sound. Gives the failed ones that are known to be single ones now.
    pub fn sound(&mut self) -> Verdict<T> {
        self.looked += 1;
        self.row = 0;
        self.judge()
    }

    /// A copy failed in this way.
    pub fn failed(&mut self, kind: Outcome, copy: T) -> Verdict<T> {
        self.looked += 1;
        let goes_on = self.row > 0 && self.held.last().is_some_and(|(before, _)| *before == kind);
        self.row = if goes_on { self.row + 1 } else { 1 };
        self.held.push((kind, copy));
        if self.row >= self.in_a_row {
            return Verdict::Ill(self.take());
        }
        self.judge()
    }

    /// No more copies come.
    pub fn end(&mut self) -> Verdict<T> {
        self.looked = usize::MAX;
        self.row = 0;
        self.judge()
    }

    /// Copies that are held back, to be let go of.
    pub fn take(&mut self) -> Vec<T> {
        self.row = 0;
        self.held.drain(..).map(|(_, copy)| copy).collect()
    }

    /// True when no copy is held back.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn judge(&mut self) -> Verdict<T> {
        let first = self.in_a_row.saturating_mul(FIRST);
        if self.looked < first {
            return Verdict::Held;
        }
        if self.looked == first {
            let of = |kind| self.held.iter().filter(|(held, _)| *held == kind).count();
            let kinds = [Outcome::Mismatched, Outcome::Missing, Outcome::Unreadable, Outcome::Extra];
            if kinds.into_iter().any(|kind| of(kind) * 2 >= first) {
                return Verdict::Ill(self.take());
            }
        }
        // Those of the present row may still be the start of a longer one.
        let single = self.held.len().saturating_sub(self.row);
        Verdict::Single(self.held.drain(..single).map(|(_, copy)| copy).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Mismatched, Missing};

    /// `.` is sound, `m` mismatched, `x` missing; gives what came out after each, and at the end.
    fn story(in_a_row: u64, copies: &str) -> (Vec<usize>, bool) {
        let mut breaker = Breaker::new(in_a_row);
        let mut single = Vec::new();
        for (at, copy) in copies.chars().enumerate() {
            let verdict = match copy {
                'm' => breaker.failed(Mismatched, at),
                'x' => breaker.failed(Missing, at),
                _ => breaker.sound(),
            };
            match verdict {
                Verdict::Single(copies) => single.extend(copies),
                Verdict::Held => {}
                Verdict::Ill(_) => return (single, true),
            }
        }
        match breaker.end() {
            Verdict::Single(copies) => single.extend(copies),
            verdict => panic!("{verdict:?} at the end"),
        }
        (single, false)
    }

    #[test]
    fn single_failures_are_told_and_many_of_one_kind_are_the_targets() {
        let well = ".".repeat(15);
        for (copies, single, ill) in [
            ("...".to_string(), vec![], false),
            ("mm".into(), vec![0, 1], false),
            ("mm.mm.xx".into(), vec![0, 1, 3, 4, 6, 7], false),
            ("mmm".into(), vec![], true),
            (format!("{well}mm.mmxm"), vec![15, 16, 18, 19, 20, 21], false),
            (format!("{well}m.mmm"), vec![15], true),
            // Half of the first fifteen, though never three in a row.
            ("m.m.m.m.m.m.m.m...".into(), vec![], true),
            ("m.m.m.m.m.m.m.x...".into(), vec![0, 2, 4, 6, 8, 10, 12, 14], false),
        ] {
            assert_eq!(story(3, &copies), (single, ill), "{copies}");
        }
    }

    #[test]
    fn how_a_copy_failed_is_what_most_of_its_faults_are() {
        let mut proof = Proof::default();
        proof.count(Mismatched, "a", "");
        assert_eq!(kind_of(&proof), Mismatched);
        proof.count(Missing, "b", "");
        proof.count(Missing, "c", "");
        assert_eq!(kind_of(&proof), Missing);
    }
}
