//! Findings on their way out, and why judging stops.

use super::policy::Policy;
use crate::model::digest::Algorithm;
use crate::model::fact::BagPath;
use crate::model::finding::{Finding, Severity, escape};
use std::fmt;
use std::io;

pub use crate::rules::tar::grouped;

/// Why judging stopped without a verdict; never the depositor's fault.
#[derive(Debug)]
pub enum Halt {
    /// The caller's own function failed; its error is kept by `judge`.
    Given,
    /// The scratch place failed.
    Scratch(io::Error),
    /// A tag file could not be read.
    Read {
        /// Which.
        path: BagPath,
        /// What the system said.
        error: io::Error,
    },
    /// A member has no digest by an algorithm that a manifest names.
    Unsummed {
        /// Which member.
        path: BagPath,
        /// Which algorithm.
        algorithm: Algorithm,
    },
}

/// Counts findings and hands them on.
pub struct Out<'a> {
    policy: &'a Policy,
    say: &'a mut dyn FnMut(Finding) -> Result<(), Halt>,
    /// Errors so far.
    pub errors: u64,
    /// Warnings so far.
    pub warnings: u64,
    /// Notes so far.
    pub notes: u64,
}

impl<'a> Out<'a> {
    /// Hands findings to `say`, weighed by the policy.
    pub fn new(say: &'a mut dyn FnMut(Finding) -> Result<(), Halt>, policy: &'a Policy) -> Out<'a> {
        Out { policy, say, errors: 0, warnings: 0, notes: 0 }
    }

    /// Takes a finding.
    pub fn say(&mut self, finding: Finding) -> Result<(), Halt> {
        let finding = self.policy.weigh(finding);
        match finding.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => self.notes += 1,
        }
        (self.say)(finding)
    }
}

/// A finding about a path that need not be UTF-8.
pub fn about(code: &str, severity: Severity, path: &[u8], message: impl Into<String>) -> Finding {
    Finding::new(code, severity, path, message)
}

/// A name between backticks, for a sentence; a very long one is cut.
pub fn quoted(name: &[u8]) -> String {
    const SHOWN_MAX: usize = 500;
    if name.len() <= SHOWN_MAX {
        return format!("`{}`", escape(name));
    }
    // Not inside a character: what is cut there would look damaged.
    let is_start = |place: &usize| name[*place] & 0xc0 != 0x80;
    let end = (SHOWN_MAX - 3..=SHOWN_MAX).rev().find(is_start).unwrap_or(SHOWN_MAX);
    format!("`{}…`", escape(&name[..end]))
}

/// A line of a tag file, for the start of a sentence: "Line 412 of manifest-md5.txt".
pub struct Here<'n>(pub &'n str, pub u64);

impl fmt::Display for Here<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Line {} of {}", grouped(self.1), self.0)
    }
}

/// "1 file", "4,312 files".
pub fn files(count: u64) -> String {
    counted(count, "file")
}

/// "1 byte", "22,178 bytes".
pub fn bytes(count: u64) -> String {
    counted(count, "byte")
}

fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// The first twelve digits of a digest, for a sentence; the finding's values hold all of it.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs `judge` with an `Out` that collects codes and severities.
    pub fn codes(judge: impl FnOnce(&mut Out<'_>) -> Result<(), Halt>) -> Vec<(String, Severity)> {
        let mut codes = Vec::new();
        let mut say = |finding: Finding| {
            codes.push((finding.code, finding.severity));
            Ok(())
        };
        judge(&mut Out::new(&mut say, &Policy::default())).unwrap();
        codes
    }
}
