//! Burying in memory: the swap is one write of fate, and so is every file that is removed.

use super::{Files, Object, RehearsalTarget, key, same_item};
use crate::rules::ocfl::layout;
use crate::worlds::fate::Struck;
use crate::worlds::target::burial::{Burial, Buried, GoOn};
use crate::worlds::target::{TargetError, Txn};

impl RehearsalTarget {
    /// Files whose path holds this cannot be removed, until another text is named; an empty one: all can.
    pub fn refuse_removal(&self, of: &str) {
        self.lock().stubborn = of.to_string();
    }

    /// Files of objects that gave way to tombstones and are not removed yet.
    pub fn trash(&self) -> usize {
        self.lock().trash.values().map(Files::len).sum()
    }

    pub(super) fn bury(&self, txn: &Txn, what: &Burial<'_>, go_on: GoOn<'_>) -> Result<Buried, TargetError> {
        let tombstone = &what.tombstone;
        let mut state = self.ready()?;
        let live = state.objects.get(tombstone.object).cloned();
        match &live {
            Some(live) if live.inventory_sha512 == tombstone.inventory_sha512 => {
                state.staged.retain(|known, _| !same_item(known, txn));
            }
            Some(live) if !what.versions.contains(&live.inventory_sha512) => {
                let why = format!("version {} is there, with an inventory that nobody gave up", live.version);
                return Err(self.moved(why));
            }
            _ => {
                let all = live.map(|live| live.files).unwrap_or_default();
                let (logs, files): (Files, Files) =
                    all.into_iter().partition(|(path, _)| path.starts_with("logs/"));
                let whole: Object = self.whole(&state, txn, tombstone, logs)?;
                let path = layout::object_path(tombstone.object);
                let swapped = self.fate.write(|| {
                    state.objects.insert(tombstone.object.clone(), whole);
                    state.folders.insert(path.clone(), tombstone.object.clone());
                    state.trash.entry(key(txn).1).or_default().extend(files);
                    state.staged.retain(|known, _| !same_item(known, txn));
                });
                swapped.map_err(|struck| self.struck(struck, &path))?;
            }
        }
        let mut told = Buried::default();
        let paths: Vec<String> =
            state.trash.get(&txn.item).map(|files| files.keys().cloned().collect()).unwrap_or_default();
        for path in paths {
            if !state.stubborn.is_empty() && path.contains(&state.stubborn) {
                told.fail(&path, "it cannot be removed, as rehearsed");
                continue;
            }
            let trash = state.trash.entry(txn.item).or_default();
            match self.fate.write(|| drop(trash.remove(&path))) {
                Ok(()) => told.removed += 1,
                Err(struck @ Struck::NoPower) => return Err(self.struck(struck, &path)),
                Err(struck) => told.fail(&path, format!("{struck:?}")),
            }
            if !go_on(told.removed) {
                told.more = true;
                break;
            }
        }
        state.trash.retain(|_, files| !files.is_empty());
        Ok(told)
    }
}
