//! Several targets walked together: each object comes once, with the targets that have it.
//!
//! - Memory is one page of folders a target, however many objects there are.

use crate::worlds::target::holdings::Lies;
use crate::worlds::target::{Target, TargetError};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

/// Folders of objects read at once.
const PAGE: usize = 256;

/// Strays that one page names.
const STRAYS_MAX: usize = 256;

/// A target and how far it was walked.
struct Walked {
    name: String,
    target: Arc<dyn Target>,
    page: VecDeque<String>,
    after: Option<String>,
    ended: bool,
}

/// Targets walked together.
pub struct Together {
    walked: Vec<Walked>,
    /// Things that belong to no object: target, path.
    pub strays: Vec<(String, String)>,
}

/// An object's folder, and the targets that have it.
pub struct Folder {
    /// Below each storage root.
    pub path: String,
    /// Places of the targets in the list.
    pub on: Vec<usize>,
}

impl Together {
    /// Walks these targets.
    pub fn new(targets: &[(String, Arc<dyn Target>)]) -> Together {
        let walked = targets.iter().map(|(name, target)| Walked {
            name: name.clone(),
            target: target.clone(),
            page: VecDeque::new(),
            after: None,
            ended: false,
        });
        Together { walked: walked.collect(), strays: Vec::new() }
    }

    /// The next folder, in the order in which every target is walked.
    pub fn next_folder(&mut self) -> Result<Option<Folder>, (String, TargetError)> {
        for walked in &mut self.walked {
            if walked.page.is_empty() && !walked.ended {
                walked.fill(&mut self.strays).map_err(|error| (walked.name.clone(), error))?;
            }
        }
        let first = self.walked.iter().filter_map(|walked| walked.page.front()).min_by(|a, b| order(a, b));
        let Some(path) = first.cloned() else { return Ok(None) };
        let mut on = Vec::new();
        for (at, walked) in self.walked.iter_mut().enumerate() {
            if walked.page.front() == Some(&path) {
                walked.page.pop_front();
                on.push(at);
            }
        }
        Ok(Some(Folder { path, on }))
    }
}

impl Walked {
    fn fill(&mut self, strays: &mut Vec<(String, String)>) -> Result<(), TargetError> {
        let (page, name) = (&mut self.page, &self.name);
        let mut named = 0;
        self.target.walk(self.after.as_deref(), &mut |lies| {
            match lies {
                Lies::Object(folder) => page.push_back(folder.into()),
                Lies::Stray(path) if named < STRAYS_MAX => {
                    named += 1;
                    strays.push((name.clone(), path.into()));
                }
                Lies::Stray(_) => {}
            }
            // A page ends with an object: a walk can go on behind one.
            page.len() < PAGE
        })?;
        self.ended = self.page.len() < PAGE;
        self.after = self.page.back().cloned().or(self.after.take());
        Ok(())
    }
}

/// Folder by folder, as a walk goes.
fn order(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_in_the_order_of_a_walk() {
        let mut paths = vec!["a/b-c/x", "a/b/y", "a/b/x", "0/z"];
        paths.sort_by(|a, b| order(a, b));
        assert_eq!(paths, ["0/z", "a/b/x", "a/b/y", "a/b-c/x"]);
    }
}
