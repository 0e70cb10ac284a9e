//! Paths that would fall together where case or Unicode form is lost, or where one is a file and the other a folder.
//!
//! - Paths are looked at in folded order (`layout::fold`), so all that could collide with a path comes just before it.
//! - Of paths that would fall together the first keeps its own content path; every other gets one made from a digest.

use crate::rules::ocfl::plan::PlanError;

/// Files with one folded path that may differ in case or form; more is no bag.
const SPELLINGS_MAX: usize = 1_000;

/// What came before a path in folded order and may collide with it.
#[derive(Default)]
pub(super) struct Neighbours {
    /// Files whose folded path leads to the current one, with all their spellings.
    files: Vec<(Vec<u8>, Vec<String>)>,
    /// Names along the last admitted path: folded, as spelled, and whether a file ends there.
    names: Vec<(Vec<u8>, String, bool)>,
}

impl Neighbours {
    /// Takes the next path in folded order; true when its content path may be the path itself.
    pub(super) fn admit(&mut self, folded: &[u8], path: &str, plain: bool) -> Result<bool, PlanError> {
        self.refuse_containing(folded, path)?;
        if !plain {
            return Ok(false);
        }
        let mut common = 0;
        let mut apart = true;
        for (name, spelled) in folded.split(|byte| *byte == 0).zip(path.split('/')) {
            match self.names.get(common) {
                Some(known) if known.0 == name => {
                    apart = apart && !known.2 && known.1 == spelled;
                    common += 1;
                }
                _ => break,
            }
        }
        self.names.truncate(common);
        if !apart {
            return Ok(false);
        }
        let rest = folded.split(|byte| *byte == 0).zip(path.split('/')).skip(common);
        self.names.extend(rest.map(|(name, spelled)| (name.to_vec(), spelled.to_string(), false)));
        // Folded order puts a file before what lies below its name, so no folder of this name was admitted yet.
        if let Some(last) = self.names.last_mut() {
            last.2 = true;
        }
        Ok(true)
    }

    /// Refuses a path that is there twice, or lies below a file (E095).
    fn refuse_containing(&mut self, folded: &[u8], path: &str) -> Result<(), PlanError> {
        let fault = |why: &str| Err(PlanError::Path { path: path.into(), why: why.into() });
        self.files.retain(|(file, _)| {
            folded.starts_with(file) && folded.get(file.len()).is_none_or(|byte| *byte == 0)
        });
        for (file, spellings) in &self.files {
            let below = |known: &String| path.strip_prefix(known).is_some_and(|rest| rest.starts_with('/'));
            if file.len() == folded.len() && spellings.iter().any(|known| known == path) {
                return fault("is there twice");
            }
            if file.len() < folded.len() && spellings.iter().any(below) {
                return fault("lies below a file");
            }
        }
        match self.files.last_mut() {
            Some((file, spellings)) if file.as_slice() == folded => {
                if spellings.len() >= SPELLINGS_MAX {
                    return fault("has too many other spellings");
                }
                spellings.push(path.into());
            }
            _ => self.files.push((folded.to_vec(), vec![path.into()])),
        }
        Ok(())
    }
}
