//! Opening a ledger: the lock, both copies of the journal, then the index.
//!
//! - Every record and row of it is read, which takes minutes when it is large; as it goes on it is told, so that whoever
//!   started the program can tell that from one that is stuck.

use super::catalogue::{self, INDEX};
use super::imprint::{self, Seen};
use super::journal::Journal;
use super::mirrored::{MirroredBook, Parts};
use super::options::Options;
use super::{BookError, BookReport, durable, lock};
use std::path::{Path, PathBuf};

/// Where the copies of the journal lie.
fn copies(folder: &Path, mirror: Option<&Path>) -> [PathBuf; 2] {
    [folder.join("journal-a"), mirror.map_or_else(|| folder.join("journal-b"), Path::to_owned)]
}

/// What can be read of the ledger in this folder without opening it: no lock is taken, and nothing is changed. None: there
/// is none, or nothing of it can be read.
pub fn look(folder: &Path, mirror: Option<&Path>) -> Result<Option<Seen>, BookError> {
    imprint::look(&copies(folder, mirror))
}

/// Keeps every other process from the ledger in this folder until what it gives is dropped; for who moves it aside unopened.
pub fn hold(folder: &Path) -> Result<impl Sized + use<>, BookError> {
    lock::take(folder, lock::PATIENCE)
}

impl MirroredBook {
    /// Opens the ledger in this folder, or makes a new one. `mirror` is where the second copy of the journal lies;
    /// without one it lies in the same folder.
    ///
    /// A mirror on another volume must be mounted: an empty folder in its place gets a new copy.
    pub fn open(folder: &Path, mirror: Option<&Path>, options: Options) -> Result<MirroredBook, BookError> {
        MirroredBook::open_telling(folder, mirror, options, &mut |_| ())
    }

    /// The same; `told` hears of what goes on, and how far it is: opening reads all of the ledger.
    pub fn open_telling(
        folder: &Path,
        mirror: Option<&Path>,
        options: Options,
        told: &mut dyn FnMut(&str),
    ) -> Result<MirroredBook, BookError> {
        let mut opening = Opening::new(told);
        let copies = copies(folder, mirror);
        imprint::refuse_newer(&copies, options.schema)?;
        durable::make_folder(folder, options.sync)?;
        let held = lock::take(folder, options.lock_patience)?;
        // Once more: whoever had it before may have brought it further.
        imprint::refuse_newer(&copies, options.schema)?;
        // An index without any journal is not a new ledger: it is one that lost its journal.
        let new = !folder.join(INDEX).exists();
        let (journal, repaired) = Journal::open(copies, new, &options, &mut opening)?;
        if let Some(imprint) = journal.imprint() {
            imprint::write(journal.folders(), journal.ledger(), imprint, options.sync)?;
        }
        let mut opened = BookReport { sequence: journal.last(), repaired, ..BookReport::default() };
        let index = catalogue::open(folder, &journal, &options, &mut opened, &mut opening)?;
        opened.rows = index.rows();
        let folder = folder.to_owned();
        Ok(Parts { journal, index, options, opened, folder, held }.together())
    }
}

/// Records and rows between two lines.
const EVERY: u64 = 20_000;

/// Who hears of it.
pub(super) struct Opening<'a> {
    told: &'a mut dyn FnMut(&str),
    /// What is read, and how much of it was.
    now: (&'static str, u64),
}

impl<'a> Opening<'a> {
    /// Told to this one.
    pub fn new(told: &'a mut dyn FnMut(&str)) -> Opening<'a> {
        Opening { told, now: ("", 0) }
    }

    /// So many more of these were read.
    pub fn read(&mut self, what: &'static str, more: u64) {
        if self.now.0 != what {
            self.now = (what, 0);
            (self.told)(&format!("the ledger is opened: {what}"));
        }
        let before = self.now.1;
        self.now.1 += more;
        if before / EVERY != self.now.1 / EVERY {
            (self.told)(&format!("the ledger is opened: {what}, {} read", self.now.1 / EVERY * EVERY));
        }
    }
}
