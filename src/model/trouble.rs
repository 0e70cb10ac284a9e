//! Trouble: what stops an item, who can help, and what to type.
//!
//! - The kind decides the remedy; nobody writes `retry: true` beside it.
//! - Every kind has a row in one table, which `explain`, the messages and the manual are made from.
//! - Waiting for space or for a slot is no trouble: it is a `Wait`, and uses no try.

use crate::model::checkpoint::Stage;
use crate::model::item::{Deposit, Found};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Trying again later may be enough; after a bound of tries the operator must look.
    Time,
    /// The depositor must send something else.
    Depositor,
    /// The operator must mend something here, then requeue.
    Operator,
    /// Stored or recorded bytes are not what they were: look before anything else is done.
    Alarm,
    /// This program is wrong; the item is held so that it cannot do harm.
    Developer,
}

/// The known kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The bag breaks the rules of RFC 8493 or of its profile.
    InvalidBag,
    /// The tar is damaged, hostile or not a tar.
    TarRefused,
    /// The deposit changed while it was being read.
    DepositChanged,
    /// The deposit is no longer where it was.
    DepositGone,
    /// What lies at a source is no deposit that we take.
    NotTaken,
    /// The object of this name was deleted.
    ObjectDeleted,
    /// We may not read the deposit.
    SourceDenied,
    /// The secret part of its address is lost.
    AddressLost,
    /// Reading the deposit failed.
    SourceIo,
    /// The source cannot be reached, stalled, or broke off.
    SourceUnreachable,
    /// The source asks to be left alone for a while.
    SourceBusy,
    /// The source answers what cannot be used, or gives other bytes than it promised.
    SourceWrong,
    /// Staging could not be read or written.
    StagingIo,
    /// A staging volume is not mounted, or is another one.
    VolumeMissing,
    /// A target is not mounted, or is another one.
    TargetMissing,
    /// A target may not be written.
    TargetDenied,
    /// A target failed.
    TargetIo,
    /// What was read back from a target is not what was written.
    CopyDiffers,
    /// The targets hold different versions of the object.
    TargetsDisagree,
    /// Facts in staging are lost or damaged; their stage must be run again.
    FactsDamaged,
    /// The bag has more files, or the object more files x versions, than the limits allow.
    OverLimit,
    /// The profile that the depositor's bags are judged by cannot be used.
    ProfileUnusable,
    /// The policy asks for more proved copies than there are.
    PolicyUnmet,
    /// An operator asked to hold the item.
    HeldByOperator,
    /// The process ended several times while it worked on this item.
    StopsTheProcess,
    /// The stage panicked.
    Panicked,
    /// No copy gives a file as it was recorded.
    NoGoodCopy,
    /// What was read back as a bag is not what was taken in.
    NotAsKept,
    /// A place that objects are given back to is not there.
    PlaceMissing,
    /// A place may not be written.
    PlaceDenied,
    /// Something else lies where it would be put.
    PlaceTaken,
    /// A place failed.
    PlaceIo,
    /// What was read back from a place is not what was put there.
    PlaceDiffers,
}

/// One row of the table of troubles.
#[derive(Clone, Copy, Debug)]
pub struct KindRow {
    /// The kind.
    pub kind: Kind,
    /// Its name in lists, filters and messages.
    pub name: &'static str,
    /// Who can help.
    pub remedy: Remedy,
    /// What it means, one sentence.
    pub meaning: &'static str,
    /// What happens next by itself.
    pub next: &'static str,
    /// What the reader can do; `ID` stands for the item.
    pub advice: &'static str,
}

use Remedy::{Alarm, Depositor, Developer, Operator, Time};

/// The table, one row a kind.
#[rustfmt::skip]
pub const KINDS: [KindRow; 33] = [
    row(Kind::InvalidBag, "invalid-bag", Depositor, "the bag breaks the rules of BagIt or of its profile; every fault is listed", "nothing was stored; the deposit stays where it is", "ask the depositor for a new bag under the same name: strongroom trouble show ID"),
    row(Kind::TarRefused, "tar-refused", Depositor, "the tar is damaged, is no tar, or holds members that no bag may have", "nothing was stored; the deposit stays where it is", "ask the depositor to make the tar again: strongroom trouble show ID"),
    row(Kind::DepositChanged, "deposit-changed", Time, "the deposit changed while it was being read", "it is read again from the start", "wait until the upload is complete; to start at once: strongroom requeue ID --from download"),
    row(Kind::DepositGone, "deposit-gone", Operator, "the deposit is no longer where it was", "the item waits for you", "put it back and run strongroom requeue ID, or strongroom item cancel ID"),
    row(Kind::NotTaken, "not-taken", Depositor, "what lies at the source is no deposit that is taken from there", "it stays where it is; nothing was read", "ask the depositor to send it as said, or take it as it is: strongroom requeue ID"),
    row(Kind::ObjectDeleted, "object-deleted", Depositor, "the object of this name was deleted on two persons' word, and its name is not used again", "nothing was stored; the deposit stays where it is", "ask the depositor to send the bag under another name; why the object was deleted: strongroom trouble show ID"),
    row(Kind::SourceDenied, "source-denied", Operator, "we may not read the deposit", "the item waits for you", "give the service read access to the deposit, then run strongroom requeue ID"),
    row(Kind::AddressLost, "address-lost", Operator, "the secret part of the deposit's address (a signature, a token) is lost", "the item waits for you; what was fetched already is kept", "submit the address again, as the depositor gave it: the same deposit goes on as item ID"),
    row(Kind::SourceIo, "source-io", Time, "reading the deposit failed", "it is tried again with growing pauses", "look at the disk or mount that holds the deposit"),
    row(Kind::SourceUnreachable, "source-unreachable", Time, "the source cannot be reached, stalled, or broke off", "it is tried again with growing pauses; what arrived is kept and not fetched again", "look at the network and the source: strongroom source probe NAME"),
    row(Kind::SourceBusy, "source-busy", Time, "the source asks to be left alone for a while", "it is tried again when the source asks for it, or with growing pauses; what arrived is kept", "nothing to do; if it stays so ask whoever runs the source"),
    row(Kind::SourceWrong, "source-wrong", Time, "the source answers what cannot be used, or gave other bytes than it promised", "nothing of it was taken; it is tried again with growing pauses", "ask whoever runs the source: strongroom trouble show ID names what came"),
    row(Kind::StagingIo, "staging-io", Time, "a staging volume could not be read or written", "it is tried again with growing pauses", "look at the kernel log for this disk: strongroom doctor"),
    row(Kind::VolumeMissing, "volume-missing", Operator, "a staging volume is not mounted, or another one is mounted in its place", "nothing is written there", "mount the volume, check it with strongroom doctor, then run strongroom requeue ID"),
    row(Kind::TargetMissing, "target-missing", Operator, "a target is not mounted, or another one is mounted in its place", "nothing is written there", "mount the target, check it with strongroom doctor, then run strongroom requeue ID"),
    row(Kind::TargetDenied, "target-denied", Operator, "a target refuses to be written", "the item waits for you; what is stored stays", "make the target writable for the service (strongroom doctor), then run strongroom requeue ID"),
    row(Kind::TargetIo, "target-io", Time, "a target failed while it was read or written", "it is tried again with growing pauses; files already proved are kept", "look at the kernel log for this disk: strongroom doctor"),
    row(Kind::CopyDiffers, "copy-differs", Alarm, "what was read back from a target is not what was written", "nothing was published by this item; what differs is left as it is", "suspect this disk or its controller; when it is sound again run strongroom requeue ID --from store"),
    row(Kind::TargetsDisagree, "targets-disagree", Alarm, "the targets hold different versions of this object", "nothing was written", "compare the object on the targets before anything else; then run strongroom requeue ID --from store"),
    row(Kind::FactsDamaged, "facts-damaged", Time, "what an earlier stage found is lost or damaged in staging", "that stage is run again", "look at the kernel log for the staging disk: strongroom doctor"),
    row(Kind::OverLimit, "over-limit", Operator, "the bag is larger than the limits of the configuration allow", "nothing was stored", "raise the limit in the configuration or ask for smaller bags, then run strongroom requeue ID"),
    row(Kind::ProfileUnusable, "profile-unusable", Operator, "the profile that this depositor's bags are judged by is not there, changed since it was taken in, or is wrong in itself", "the bag was not judged and waits for you", "put the profile right (strongroom profile list; strongroom check-config), then run strongroom requeue ID"),
    row(Kind::PolicyUnmet, "policy-unmet", Alarm, "fewer proved copies are found than the policy asks for", "staging is kept", "check the targets with strongroom doctor, then run strongroom requeue ID --from store"),
    row(Kind::HeldByOperator, "held-by-operator", Operator, "an operator asked to hold this item", "it waits", "strongroom item release ID"),
    row(Kind::StopsTheProcess, "stops-the-process", Developer, "the process ended several times while it worked on this item", "it is not tried again by itself", "keep the deposit for the developers; to try once more run strongroom requeue ID"),
    row(Kind::Panicked, "panicked", Developer, "a stage stopped at a broken assumption", "it is not tried again by itself", "send strongroom trouble export ID to the developers; to try once more run strongroom requeue ID"),
    row(Kind::NoGoodCopy, "no-good-copy", Alarm, "no copy of the object gives this file as it was recorded", "nothing was given back and nothing on any target was changed", "read the object's copies again (strongroom object verify), repair them, then run strongroom requeue ID --from gather"),
    row(Kind::NotAsKept, "not-as-kept", Alarm, "what was read back as this bag is not the bag that was taken in, though its files have their digests", "nothing was delivered; what was read lies in staging", "strongroom trouble show ID names every fault; compare with the record of its ingest before anything else"),
    row(Kind::PlaceMissing, "place-missing", Operator, "the place that the object shall be given back to is not there", "nothing was written; what was read stays in staging", "mount or make the place, or name it in the configuration, then run strongroom requeue ID"),
    row(Kind::PlaceDenied, "place-denied", Operator, "the place that the object shall be given back to refuses to be written", "the item waits for you; what was read stays in staging", "make the place writable for the service, then run strongroom requeue ID"),
    row(Kind::PlaceTaken, "place-taken", Operator, "something else lies where the object would be put", "it is left as it is; what was read stays in staging", "move it away and run strongroom requeue ID, or strongroom item cancel ID and ask for another place"),
    row(Kind::PlaceIo, "place-io", Time, "the place that the object is given back to failed", "it is tried again with growing pauses; files already read back there are kept", "look at the disk or service of that place: strongroom restore show ID"),
    row(Kind::PlaceDiffers, "place-differs", Time, "what was read back from the place is not what was put there", "it is put there again with growing pauses, and not called delivered", "suspect the disk or service of that place: strongroom restore show ID"),
];

const fn row(
    kind: Kind,
    name: &'static str,
    remedy: Remedy,
    meaning: &'static str,
    next: &'static str,
    advice: &'static str,
) -> KindRow {
    KindRow { kind, name, remedy, meaning, next, advice }
}

impl Kind {
    /// This kind's row of the table.
    pub fn row(self) -> &'static KindRow {
        KINDS.iter().find(|row| row.kind == self).expect("every kind has a row: checked by a test")
    }

    /// Its name in lists, filters and messages.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Who can help.
    pub fn remedy(self) -> Remedy {
        self.row().remedy
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Kind> {
        KINDS.iter().find(|row| row.name == name).map(|row| row.kind)
    }
}

/// What stopped an item: kind, what we were doing, to what, and why it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The kind, which fixes the remedy.
    pub kind: Kind,
    /// What we were doing: "reading back from vault-a".
    pub doing: String,
    /// To what: a path or key.
    pub about: String,
    /// Why it failed, with figures.
    pub because: String,
}

/// Texts of a trouble are cut here (characters), so that an item's row stays small.
const TEXT_MAX: usize = 300;

impl Trouble {
    /// A trouble of this kind, because of this.
    pub fn new(kind: Kind, because: impl Into<String>) -> Trouble {
        Trouble { kind, doing: String::new(), about: String::new(), because: cut(because.into()) }
    }

    /// Says what we were doing, unless something nearer to the cause said so already.
    pub fn while_doing(mut self, doing: impl Into<String>) -> Trouble {
        if self.doing.is_empty() {
            self.doing = cut(doing.into());
        }
        self
    }

    /// Says to what, unless something nearer to the cause said so already.
    pub fn about(mut self, about: impl Into<String>) -> Trouble {
        if self.about.is_empty() {
            self.about = cut(about.into());
        }
        self
    }

    /// "reading back bag/data/a.tif: the disk answered 5 (Input/output error)".
    pub fn sentence(&self) -> String {
        let mut text = String::new();
        for part in [&self.doing, &self.about] {
            if !part.is_empty() {
                text.push_str(if text.is_empty() { "" } else { " " });
                text.push_str(part);
            }
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&self.because);
        text
    }

    /// What the reader can type, with the item's number in it.
    pub fn advice(&self, item: u64) -> String {
        self.kind.row().advice.replace("ID", &item.to_string())
    }
}

fn cut(text: String) -> String {
    if text.chars().count() <= TEXT_MAX {
        return text;
    }
    let mut short: String = text.chars().take(TEXT_MAX - 1).collect();
    short.push('…');
    short
}

/// What an item waits for without having failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// Space on a volume or target: its name, and what is missing.
    Space {
        /// Volume or target.
        place: String,
        /// Bytes that must be promised.
        bytes: u64,
        /// Inodes that must be promised.
        inodes: u64,
        /// Bytes that can be promised now.
        free: u64,
    },
    /// An older deposit of the same bag must come to rest first.
    Turn {
        /// The older item.
        behind: u64,
    },
    /// A time of grace that people have to think again.
    Grace,
}

/// Why a stage did not finish.
#[derive(Debug)]
pub enum Stop {
    /// It failed.
    Trouble(Trouble),
    /// It cannot start or go on now, and nothing is wrong.
    Wait(Wait),
    /// The bag or tar was judged and refused; the findings are sealed in `found`.
    Refused {
        /// What stops it.
        trouble: Trouble,
        /// What the stages found, with the findings.
        found: Box<Found>,
    },
    /// Facts of an earlier stage are void; it must run again.
    Back {
        /// Why.
        trouble: Trouble,
        /// Which stage.
        to: Stage,
    },
    /// It failed, and it is known for how long trying again has no sense.
    Later {
        /// What stops it.
        trouble: Trouble,
        /// Not before.
        after: Duration,
    },
    /// The source has another deposit there now: it is received anew, with space promised for it.
    Changed {
        /// What changed.
        trouble: Trouble,
        /// The deposit as it is now.
        deposit: Box<Deposit>,
    },
    /// A part of it is done, another failed; what is done is remembered.
    Partly {
        /// What stops the rest.
        trouble: Trouble,
        /// What the stages found, with this one's part.
        found: Box<Found>,
    },
    /// The process is being drained; what was done is kept.
    Drained,
}

impl Stop {
    /// Says of a trouble what we were doing; a wait needs no such words.
    pub fn while_doing(self, doing: impl Into<String>) -> Stop {
        match self {
            Stop::Trouble(trouble) => Stop::Trouble(trouble.while_doing(doing)),
            other => other,
        }
    }

    /// Says of a trouble to what.
    pub fn about(self, about: impl Into<String>) -> Stop {
        match self {
            Stop::Trouble(trouble) => Stop::Trouble(trouble.about(about)),
            other => other,
        }
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Stop {
        Stop::Trouble(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_row_and_its_serde_name() {
        for row in KINDS {
            assert_eq!(Kind::from_name(row.name), Some(row.kind));
            assert_eq!(serde_json::to_value(row.kind).unwrap(), row.name);
            assert_eq!(row.kind.row().name, row.name);
        }
    }

    #[test]
    fn a_trouble_tells_what_to_what_and_why() {
        let trouble =
            Trouble::new(Kind::SourceIo, "the disk answered EIO").while_doing("reading").about("a.tar");
        assert_eq!(trouble.sentence(), "reading a.tar: the disk answered EIO");
        assert!(Trouble::new(Kind::DepositGone, "").advice(41).contains("requeue 41"));
    }
}
