//! The words of the house. One word, one meaning: in code, log, page and manual.
//!
//! | word | meaning |
//! |---|---|
//! | depositor | institution that sends bags |
//! | deposit | one source key: one bag, normally in one tar |
//! | bag | what RFC 8493 defines; its name is the tar's file name without suffix |
//! | item | one deposit being taken in |
//! | stage | download, unpack, checksum, validate, store, record; of errands gather, recheck, deliver, remove, conclude |
//! | standing | ready, working, waiting, held, refused, kept, done, cancelled |
//! | errand | an item that gives an object back (restoration) or up (deletion) |
//! | checkpoint | stage and standing, with fence and tries |
//! | member | one entry of a tar, or one file of a folder deposit |
//! | facts | what a stage found, by the million; in facts files, sealed by count, length and digest |
//! | object | one bag name of one depositor: one OCFL object; a re-deposit is a new version |
//! | target | where copies are kept; a stored copy was written, synced, read back and found equal |
//! | staging volume | where work in progress lies |
//! | promise | space given to an item before work starts |
//! | trouble | what stops an item, of a known kind; the kind fixes the remedy |
//! | finding | what judging a bag found |
//! | event | a PREMIS event |
//! | policy | which targets, and how many copies make an object kept |
//! | lease, fence | a worker's claim on an item, and the number that outdates older claims |
//!
//! Floor 1: plain data. No I/O, no clock.

pub mod checkpoint;
pub mod code;
pub mod deletion;
pub mod digest;
pub mod errand;
pub mod event;
pub mod fact;
pub mod finding;
pub mod item;
pub mod job;
pub mod object;
pub mod proof;
pub mod stage;
pub mod trouble;
