//! From the journal to an index that can be trusted: opened and caught up, or made anew.
//!
//! - An index is used when every row of it was read and agrees, it is of this ledger, and its newest commit is in the
//!   journal with the same digest. Else it is made anew from snapshot and segments, under another name, then renamed.
//! - An index that knows more than the journal is evidence that commits were lost: that is reported, and it is set aside.
//! - A mark lies beside the index while it is opened: if the process does not live through that, the next start does
//!   not try again.

use super::durable::{self, io_error};
use super::journal::Journal;
use super::mirrored::Options;
use super::opening::Opening;
use super::sled_index::{Commit, SledIndex};
use super::{BookError, BookReport};
use std::fs::File;
use std::path::Path;

/// Its folder beside the journal.
pub(super) const INDEX: &str = "index";

/// The index of this journal; what happened to it is added to `report`.
pub(super) fn open(
    folder: &Path,
    journal: &Journal,
    options: &Options,
    report: &mut BookReport,
    opening: &mut Opening<'_>,
) -> Result<SledIndex, BookError> {
    let place = folder.join(INDEX);
    let mark = folder.join("index.opening");
    let why_not = if !place.exists() {
        "it was missing".into()
    } else if mark.exists() {
        "the process ended while it was opened the last time".into()
    } else {
        File::create(&mark).map_err(|error| io_error(&mark, error))?;
        match open_and_catch_up(&place, journal, options, report, opening) {
            Ok(index) => {
                durable::remove(&mark)?;
                return Ok(index);
            }
            Err(why) => why,
        }
    };
    if journal.last() > 0 {
        report.repaired.push(format!("the index was made anew from the journal: {why_not}"));
    }
    let index = make(folder, journal, options, opening)?;
    durable::remove(&mark)?;
    Ok(index)
}

fn open_and_catch_up(
    place: &Path,
    journal: &Journal,
    options: &Options,
    report: &mut BookReport,
    opening: &mut Opening<'_>,
) -> Result<SledIndex, String> {
    let of = (journal.ledger(), journal.schema());
    let mut index = SledIndex::open(place, of, options.index_patience, opening)?;
    let (applied, chain) = index.applied();
    let (chain, (base, base_chain)) = (*chain, journal.base());
    if applied > journal.last() {
        drop(index);
        set_aside(place);
        report.wrong.push(format!(
            "the index knew of commit {applied}, the journal ends at {}: commits may be lost; the index was set aside",
            journal.last()
        ));
        return Err("it was ahead of the journal".into());
    }
    if applied < base {
        return Err(format!("it ended at commit {applied}, and the journal begins at {base}"));
    }
    let foreign = || format!("its commit {applied} is not the journal's");
    if applied == journal.last() {
        return if chain == *journal.tail() { Ok(index) } else { Err(foreign()) };
    }
    if applied == base && chain != *base_chain {
        return Err(foreign());
    }
    let caught_up = journal.commits(applied, &mut |number, digest, writes| {
        if number == applied {
            return if *digest == chain { Ok(()) } else { Err(BookError::Damaged { what: foreign() }) };
        }
        opening.read("commits that the index lacks", 1);
        index.apply(&[Commit { number, writes: &writes }], *digest)
    });
    caught_up.map_err(|error| error.to_string())?;
    Ok(index)
}

/// Keeps an index for those who look into a loss; only the newest one.
fn set_aside(place: &Path) {
    let aside = place.with_extension("ahead");
    // Nothing depends on it: the loss is reported all the same.
    let _ = durable::remove_tree(&aside).map(|()| std::fs::rename(place, &aside));
}

/// The index of this journal, made anew.
pub(super) fn make(
    folder: &Path,
    journal: &Journal,
    options: &Options,
    opening: &mut Opening<'_>,
) -> Result<SledIndex, BookError> {
    let (place, part) = (folder.join(INDEX), folder.join("index.part"));
    durable::remove_tree(&part)?;
    durable::remove_tree(&place)?;
    let (base, base_chain) = journal.base();
    let of = (journal.ledger(), journal.schema());
    let mut index = SledIndex::create(&part, of, (base, *base_chain), options.index_patience)?;
    journal.rows(&mut |lines| {
        opening.read("rows for a new index", lines.len() as u64);
        index.load(lines)
    })?;
    journal.commits(base + 1, &mut |number, digest, writes| {
        opening.read("commits for a new index", 1);
        index.apply(&[Commit { number, writes: &writes }], *digest)
    })?;
    index.settle(options.sync)?;
    drop(index);
    std::fs::rename(&part, &place).map_err(|error| io_error(&place, error))?;
    durable::sync_folder(folder, options.sync)?;
    let fail = |why| BookError::Io { path: place.display().to_string(), why };
    SledIndex::open(&place, of, options.index_patience, opening).map_err(fail)
}
