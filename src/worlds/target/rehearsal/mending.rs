//! Putting objects right in memory: staging the new bytes, and exchanging them with the old, are one write each.

use super::{RehearsalTarget, State, rotten};
use crate::model::digest::hex;
use crate::rules::read::Slice;
use crate::worlds::target::TargetError;
use crate::worlds::target::mending::{Aside, Mend, Mended, Mending, Quarantined};
use crate::worlds::target::rehearsal::Rot;
use sha2::{Digest, Sha512};
use std::io::Read;
use std::sync::Arc;

fn free(state: &State, aside: &Aside) -> String {
    let taken = |name: &String| state.quarantine.contains_key(name);
    aside.names().find(|name| !taken(name)).expect("no rehearsal puts a thousand of one name aside")
}

impl RehearsalTarget {
    /// An error unless this is a path in an object.
    fn inside(&self, path: &str) -> Result<(), TargetError> {
        match path.trim_end_matches('/').split('/').any(|part| matches!(part, "" | "." | "..")) {
            true => Err(self.io(path, "no path inside an object")),
            false => Ok(()),
        }
    }

    /// The bytes of something in quarantine.
    pub fn quarantined(&self, name: &str) -> Option<Arc<Vec<u8>>> {
        self.lock().quarantine.get(name).map(|(_, bytes)| bytes.clone())
    }
}

impl Mending for RehearsalTarget {
    fn mend(&self, what: &Mend<'_>) -> Result<Mended, TargetError> {
        let mut state = self.ready()?;
        self.inside(what.path)?;
        let sha512 = |bytes: &[u8]| hex(&Sha512::digest(bytes));
        let Some(live) = state.objects.get(what.object) else {
            return Err(self.moved("there is no such object any more"));
        };
        let old = live.files.get(what.path).cloned();
        if old.as_ref().is_some_and(|old| sha512(old) == what.sha512) {
            return Ok(Mended::Already);
        }
        let mut bytes = Vec::new();
        let source = |why: String| TargetError::Source { path: what.path.into(), why };
        Slice::whole(what.from).read_to_end(&mut bytes).map_err(|error| source(error.to_string()))?;
        if sha512(&bytes) != what.sha512 {
            return Err(source("its bytes are not those that were recorded".into()));
        }
        let rot = state.rot.take();
        self.fate.write(|| state.puts += 1).map_err(|struck| self.struck(struck, what.path))?;
        if let Some(rot) = rot {
            let stored = rotten(rot, bytes.clone());
            if rot == Rot::Lost || sha512(&stored) != what.sha512 {
                return Err(self.io(what.path, "what is read back is not what it should be"));
            }
        }
        let name = free(&state, what.aside);
        let mended = match &old {
            None => Mended::Filled,
            Some(old) => Mended::Replaced { name: name.clone(), bytes: old.len() as u64 },
        };
        let exchanged = self.fate.write(|| {
            if let Some(old) = old {
                state.quarantine.insert(name, (what.aside.clone(), old));
            }
            if let Some(live) = state.objects.get_mut(what.object) {
                live.files.insert(what.path.into(), Arc::new(bytes));
            }
        });
        exchanged.map(|()| mended).map_err(|struck| self.struck(struck, what.path))
    }

    fn set_aside(&self, aside: &Aside) -> Result<Option<u64>, TargetError> {
        let mut state = self.ready()?;
        self.inside(&aside.path)?;
        let found = state.objects.get(&aside.object).and_then(|live| live.files.get(&aside.path)).cloned();
        let Some(bytes) = found else { return Ok(None) };
        let (name, size) = (free(&state, aside), bytes.len() as u64);
        let moved = self.fate.write(|| {
            state.quarantine.insert(name, (aside.clone(), bytes));
            if let Some(live) = state.objects.get_mut(&aside.object) {
                live.files.remove(&aside.path);
            }
        });
        moved.map(|()| Some(size)).map_err(|struck| self.struck(struck, &aside.path))
    }

    /// Nothing is ever half-done: a file changes at once.
    fn sweep_up(&self, _starts: &str) -> Result<(), TargetError> {
        Ok(())
    }

    fn quarantine(&self, starts: &str) -> Result<Vec<Quarantined>, TargetError> {
        let state = self.ready()?;
        let told = |(name, (of, bytes)): (&String, &(Aside, Arc<Vec<u8>>))| Quarantined {
            name: name.clone(),
            bytes: bytes.len() as u64,
            of: Some(of.clone()),
        };
        Ok(state.quarantine.iter().filter(|(name, _)| name.starts_with(starts)).map(told).collect())
    }
}
