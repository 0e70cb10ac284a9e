//! The job retention: what has no use any more is removed, and what was given back when its time is over.
//!
//! - Removed is only what a process of ours left in staging that is not this one: one process has the ledger, so nobody works
//!   with it any more. Items' folders, quarantine and everything on targets are left alone.
//! - What cannot be removed is told, and tried again the next time.

use super::{Step, Work};
use crate::model::item::Asker;
use crate::model::job::Told;
use crate::model::trouble::Trouble;
use crate::work::desk::Desk;
use crate::work::desk::giving_words::{GivingAnswer, GivingAsk};
use crate::work::desk::words::{Answer, Ask};
use crate::work::giving::expiring::Cursor;
use crate::worlds::disk::Place;

/// Folders that are removed in one step.
const AT_ONCE: usize = 50;

/// What was done so far.
#[derive(Default)]
pub(super) struct Retention {
    todo: Option<Vec<Place>>,
    removed: u64,
    failed: Vec<String>,
    expiring: Option<Option<Cursor>>,
    expired: u64,
}

impl Work for Retention {
    fn step(&mut self, desk: &Desk, asker: &Asker) -> Step {
        let todo = self.todo.get_or_insert_with(|| leftovers(desk, &mut self.failed));
        let disk = &desk.ledger().world().disk;
        for place in todo.split_off(todo.len().saturating_sub(AT_ONCE)) {
            match disk.remove(&place) {
                Ok(()) => self.removed += 1,
                Err(error) => self.failed.push(Trouble::from(error).sentence()),
            }
        }
        if !todo.is_empty() {
            return Step::Going(format!("{} leftovers removed, {} to go", self.removed, todo.len()));
        }
        if let Some(going) = self.expire(desk, asker) {
            return going;
        }
        let failed = self.failed.len();
        let what = format!(
            "retention: {} leftovers removed from staging, {} orders from their places",
            self.removed, self.expired
        );
        if failed == 0 {
            return Step::Done(false, Told::line(what));
        }
        let mut told = Told::line(format!("{what}, {failed} troubles; next: strongroom doctor"));
        self.failed.drain(..).for_each(|line| told.add(line));
        told.all = "strongroom doctor".into();
        Step::Done(true, told)
    }
}

impl Retention {
    /// A step of removing what was given back long enough ago; none: that is over.
    fn expire(&mut self, desk: &Desk, asker: &Asker) -> Option<Step> {
        let from = match self.expiring {
            Some(None) => return None,
            Some(from) => from,
            None => None,
        };
        match desk.answer(&Ask::Giving(GivingAsk::Expire { from, dry_run: false }), asker) {
            Answer::Giving(GivingAnswer::Expired { expired, next }) => {
                self.expiring = Some(next);
                for one in expired {
                    match one.what.as_str() {
                        "expired" => self.expired += 1,
                        "failed" => {
                            self.failed.push(format!("item {} at {}: {}", one.item, one.place, one.why))
                        }
                        _ => {}
                    }
                }
                Some(Step::Going(format!("{} orders removed from their places", self.expired)))
            }
            Answer::Refused(complaint) => {
                Some(Step::Failed(format!("{}: {}", complaint.error, complaint.because)))
            }
            _ => Some(Step::Failed("the desk gave an answer that was not asked for".into())),
        }
    }
}

/// What processes left that are not this one.
fn leftovers(desk: &Desk, failed: &mut Vec<String>) -> Vec<Place> {
    let disk = &desk.ledger().world().disk;
    let mut found = Vec::new();
    for volume in disk.volumes() {
        let root = Place { volume, path: String::new() };
        match disk.list(&root) {
            Ok(names) => {
                let left =
                    names.into_iter().filter(|name| is_leftover(name, desk.ledger_id(), std::process::id()));
                found.extend(left.map(|name| root.join(&name)));
            }
            Err(error) => failed.push(Trouble::from(error).sentence()),
        }
    }
    found
}

/// True for `LEDGER-restore-PID-NUMBER`, `LEDGER-inventory-PID-NUMBER` (earlier programs wrote no number) and
/// `LEDGER-desk-WHAT-PID-NUMBER` of a process that is not ours.
fn is_leftover(name: &str, ledger: &str, own: u32) -> bool {
    let Some(rest) = name.strip_prefix(ledger).and_then(|rest| rest.strip_prefix('-')) else { return false };
    let parts: Vec<&str> = rest.split('-').collect();
    let (process, number) = match parts.as_slice() {
        ["restore" | "inventory", process] => (process, "0"),
        ["restore" | "inventory", process, number] | ["desk", _, process, number] => (process, *number),
        _ => return false,
    };
    number.parse::<u64>().is_ok() && process.parse::<u32>().is_ok_and(|process| process != own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_another_process_of_this_ledger_left_is_a_leftover() {
        let table = [
            ("led-restore-77", true),
            ("led-inventory-77", true),
            ("led-restore-77-0", true),
            ("led-inventory-77-12", true),
            ("led-desk-proof-77-3", true),
            // Ours, an item's, another ledger's, and what is written over anyway.
            ("led-restore-42", false),
            ("led-restore-42-0", false),
            ("led-restore-77-x", false),
            ("led-desk-proof-42-3", false),
            ("led-17", false),
            ("led-desk-17", false),
            ("other-restore-77", false),
            ("led-backup", false),
            ("led-level-vault-77", false),
            ("led-restore-x", false),
            ("quarantine", false),
        ];
        for (name, wanted) in table {
            assert_eq!(is_leftover(name, "led", 42), wanted, "{name}");
        }
    }
}
