//! Submitting: from a path to an item.
//!
//! - The same deposit is the same item: neither a second click nor a script run twice makes a second one.
//! - What may be secret in an address is durable beside the ledger before the item is in it, and never in it.
//! - A deposit is the same when it lies there unchanged, or when its bytes are the ones that were received.

use super::complaint::{Complaint, Sort};
use super::words::Answer;
use super::{Desk, Told, of_ledger, view};
use crate::books::ledger::{LedgerError, NewItem, may_be_replaced};
use crate::model::checkpoint::{Move, Standing, WaitWhy};
use crate::model::digest::Algorithm;
use crate::model::finding::escape;
use crate::model::item::{Asker, Deposit, Form, Item, ItemId};
use crate::model::object::ObjectId;
use crate::model::trouble::Kind;
use crate::rules::address::shown;
use crate::rules::digester::Digester;
use crate::work::pipeline::forget_address;
use crate::worlds::source::{self, Arrival, SourceError};
use std::path::Path;

/// Longest name of a bag, in bytes: what a file name may have.
const BAG_NAME_MAX: usize = 240;

/// Suffixes that are not part of a bag's name, longest first.
const SUFFIXES: [&str; 15] = [
    ".tar.bz2", ".tar.zst", ".tar.gz", ".tar.xz", ".tar.lz", ".tar.Z", ".tbz2", ".tgz", ".txz", ".tzst",
    ".tbz", ".tar", ".TAR", ".zip", ".ZIP",
];

/// Longest key, in bytes: it is kept in rows of at most 4,000.
const KEY_MAX: usize = 2_000;

/// Bytes read at once while looking whether a deposit is the one that was received.
const CHUNK: usize = 1 << 20;

/// The bag's name: the last part of the path or address, without the suffix of a tar.
pub fn bag_name(path: &str) -> Option<String> {
    let name = match source::is_address(path) {
        true => source::name_in_address(path)?,
        false => Path::new(path).file_name()?.to_str()?.to_string(),
    };
    let plain = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
    (!plain.is_empty()).then(|| plain.to_string())
}

impl Desk {
    pub(super) fn submit(
        &self,
        path: &str,
        depositor: Option<&str>,
        policy: Option<&str>,
        unasked: bool,
        asker: &Asker,
    ) -> Told<Answer> {
        let doing = format!("{} is not taken", escape(shown(path).as_bytes()));
        let config = self.config();
        let depositor = config.depositor(depositor).map_err(|fault| {
            let complaint = Complaint::from(*fault);
            Box::new(Complaint {
                sort: Sort::Usage,
                error: format!("{doing}: {}", complaint.error),
                ..complaint
            })
        })?;
        if let Some(name) = policy
            && config.policy(name).is_none()
        {
            let names = config.policies.iter().map(|policy| policy.name.as_str()).collect();
            return Err(super::unknown_among("policy", name, names));
        }
        let refuse = |why: &str| Box::new(Complaint::new(Sort::Usage, &doing).because(why));
        if !source::is_address(path) && !Path::new(path).is_absolute() {
            return Err(refuse("it is neither an absolute path nor an address"));
        }
        if source::is_address(path) && path.split_once("://").is_some_and(|(_, rest)| has_secret(rest)) {
            return Err(refuse("its address holds a password, which would be kept in the ledger"));
        }
        let bag = bag_name(path).ok_or_else(|| refuse("it has no name"))?;
        check_name(&bag).map_err(|why| Box::new(Complaint::new(Sort::Usage, &doing).because(why)))?;
        let world = self.ledger.world();
        let arrival =
            world.source.look(path).map_err(|error| Box::new(Complaint::of_source(&error, &doing)))?;

        // Nobody who asks is told that it is known and kept. What comes by itself becomes an item that says so.
        let object = ObjectId::of(&depositor.name, &bag);
        let deleted = self.ledger.deletion(&object).map_err(|error| of_ledger(&error, &doing))?;
        if let Some(stone) = deleted.filter(|_| !unasked) {
            return Err(Box::new(
                Complaint::new(Sort::Refused, doing)
                    .because(format!(
                        "{object} was deleted, asked for by {}, approved by {}: {}",
                        stone.requested_by, stone.approved_by, stone.reason
                    ))
                    .so("the name of an object that was given up is not used again")
                    .then_try("send the bag under another name"),
            ));
        }
        let _one_at_a_time = self.submitting.lock().unwrap_or_else(|broken| broken.into_inner());
        let named = self.ledger.named(&depositor.name, &bag).map_err(|error| of_ledger(&error, &doing))?;
        if let Some(known) = self.known(&named, path, &arrival) {
            self.renew(known, path).map_err(|error| Box::new(Complaint::of_source(&error, &doing)))?;
            let item = match unasked {
                // The inbox shows the same deposit after every start; what is held leaves that only when a person asks.
                true => known.clone(),
                false => self.resume(known, asker).map_err(|error| of_ledger(&error, &doing))?,
            };
            return Ok(Answer::Submitted { item: Box::new(view::item(&item)), new: false });
        }
        let new = NewItem {
            depositor: depositor.name.clone(),
            bag,
            deposit: Deposit {
                key: path.into(),
                form: arrival.form,
                bytes: arrival.bytes,
                pin: arrival.pin,
                mark: arrival.mark,
                fetched: !arrival.in_place,
            },
            policy: policy.map_or_else(|| depositor.policy.clone(), String::from),
            policy_asked: policy.is_some(),
            asked_by: asker.clone(),
            listed: None,
            refused: None,
            replaces: replaced(&named, path),
        };
        self.take_in(new, &doing)
    }

    /// Makes an item of it; what may be secret in its key is durable first, and is not in the ledger.
    fn take_in(&self, mut new: NewItem, doing: &str) -> Told<Answer> {
        let world = self.ledger.world();
        let kept = world.source.withheld().map(|withheld| withheld.keep(&new.deposit.key)).transpose();
        if let Some(key) = kept.map_err(|error| Box::new(Complaint::of_source(&error, doing)))?.flatten() {
            new.deposit.key = key;
        }
        let (key, replaces) = (new.deposit.key.clone(), new.replaces);
        if key.len() > KEY_MAX {
            forget_address(world, &key);
            let why = format!("it is named by {} bytes; {KEY_MAX} is the limit", key.len());
            return Err(Box::new(Complaint::new(Sort::Usage, doing).because(why)));
        }
        let asked_by = new.asked_by.name.clone();
        let item = self.ledger.submit(new).map_err(|error| {
            forget_address(world, &key);
            of_ledger(&error, doing)
        })?;
        self.after(&item);
        if let Some(old) = replaces.and_then(|old| self.ledger.item(old).ok().flatten()) {
            self.after(&old);
        }
        log::info!(ITEM = item.id.0, DEPOSITOR = item.depositor.as_str();
            "item {}: {} was submitted by {asked_by}", item.id, item.bag);
        Ok(Answer::Submitted { item: Box::new(view::item(&item)), new: true })
    }

    /// The same deposit, signed again: what is not finished goes on with the new signature.
    fn renew(&self, known: &Item, path: &str) -> Result<(), SourceError> {
        let world = self.ledger.world();
        let Some(withheld) = world.source.withheld() else { return Ok(()) };
        if !source::is_address(path) || needs_no_address(known) {
            return Ok(());
        }
        withheld.renew(&known.deposit.key, path)?;
        // It may have come to its end meanwhile; nobody else would come by.
        if self.ledger.item(known.id).is_ok_and(|item| item.as_ref().is_none_or(needs_no_address)) {
            forget_address(world, &known.deposit.key);
        }
        Ok(())
    }

    /// Submitting an unfinished item again is asking for it to go on: what a trouble stopped is tried once more. What an
    /// operator holds stays held, and a refused bag stays refused until its bytes are others.
    fn resume(&self, known: &Item, asker: &Asker) -> Result<Item, LedgerError> {
        let stopped = match &known.checkpoint.standing {
            Standing::Held { trouble } => trouble.kind != Kind::HeldByOperator,
            Standing::Waiting { why: WaitWhy::Trouble(_), .. } => true,
            _ => false,
        };
        if !stopped {
            return Ok(known.clone());
        }
        match self.ledger.ask(known.id, &Move::Requeue { from: None }, asker, "submitted again") {
            Ok(item) => {
                if let Some(pipeline) = self.pipeline.upgrade() {
                    pipeline.ring(&item);
                }
                Ok(item)
            }
            // It moved on by itself meanwhile.
            Err(LedgerError::Illegal(_)) => Ok(known.clone()),
            Err(error) => Err(error),
        }
    }

    /// The item that this very deposit is already; a cancelled one was given up, and may be sent again.
    fn known<'a>(&self, named: &'a [Item], path: &str, arrival: &Arrival) -> Option<&'a Item> {
        let mut candidates =
            named.iter().rev().filter(|item| item.checkpoint.standing != Standing::Cancelled);
        let newest = candidates.clone().next()?;
        if let Some(same) =
            candidates.find(|item| item.deposit.pin == arrival.pin && item.deposit.form == arrival.form)
        {
            return Some(same);
        }
        // Copied or touched since: only its bytes can tell. Only the newest is asked, so that going back to an older
        // version of a bag is a new deposit.
        let received = newest.found.download.as_ref()?;
        let may_be =
            newest.deposit.form == Form::Tar && arrival.form == Form::Tar && received.bytes == arrival.bytes;
        (may_be && self.sha256_of(path, arrival.bytes).is_some_and(|found| found == received.sha256))
            .then_some(newest)
    }

    fn sha256_of(&self, path: &str, bytes: u64) -> Option<String> {
        let tar = self.ledger.world().source.open(path).ok()?;
        let mut digester = Digester::new(&[Algorithm::Sha256]);
        let mut chunk = vec![0; CHUNK];
        let mut at = 0;
        while at < bytes {
            // A deposit that cannot be read now is a new item, whose download will say why.
            let got = tar.read_at(&mut chunk, at).ok().filter(|got| *got > 0)?;
            digester.update(&chunk[..got]);
            at += got as u64;
        }
        digester.finish().get(Algorithm::Sha256).map(str::to_string)
    }
}

fn needs_no_address(item: &Item) -> bool {
    matches!(item.checkpoint.standing, Standing::Kept | Standing::Cancelled | Standing::Refused { .. })
}

/// The item that a new deposit of the same bag replaces: a refused one, as its letter promises; one that a trouble holds
/// only when the new one lies where it lay.
fn replaced(named: &[Item], key: &str) -> Option<ItemId> {
    let newest = named.iter().rfind(|item| item.checkpoint.standing != Standing::Cancelled)?;
    let refused = matches!(newest.checkpoint.standing, Standing::Refused { .. });
    let same_place = shown(&newest.deposit.key) == shown(key);
    (may_be_replaced(newest) && (refused || same_place)).then_some(newest.id)
}

/// True when an address names a user with a password before its host.
fn has_secret(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// A bag's name becomes part of keys, identifiers and lines; what cannot be told apart or read there is refused.
pub fn check_name(bag: &str) -> Result<(), String> {
    if bag.len() > BAG_NAME_MAX {
        return Err(format!("its name has {} bytes; {BAG_NAME_MAX} is the limit", bag.len()));
    }
    if escape(bag.as_bytes()) != bag {
        return Err(
            "its name has control characters, a backslash, or characters that turn the text around".into()
        );
    }
    if bag.starts_with(' ') || bag.ends_with(' ') || bag == "." || bag == ".." {
        return Err("its name starts or ends with a space, or is no name".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bag_has_the_name_of_its_tar_without_the_suffix() {
        let table = [
            ("/in/a.tar", Some("a")),
            ("/in/uva-ms-2213.tar.gz", Some("uva-ms-2213")),
            ("/in/folder.d/", Some("folder.d")),
            ("b.tgz", Some("b")),
            ("/in/.tar", None),
            ("https://a.org/drop/uva%20ms.tar?sig=1", Some("uva ms")),
            ("s3://drop/2026/uva-ms.tar.gz", Some("uva-ms")),
            ("https://a.org/", None),
            ("/", None),
        ];
        for (path, name) in table {
            assert_eq!(bag_name(path).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused() {
        assert!(has_secret("anna:geheim@a.org/b.tar"));
        assert!(!has_secret("a.org:8080/b:c@d.tar"));
        assert!(!has_secret("anna@a.org/b.tar"));
    }

    #[test]
    fn names_that_would_lie_in_a_list_are_refused() {
        for name in ["a\nb", "a\u{202e}b", " a", "..", "a\\b", &"x".repeat(241)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["uva-ms-2213", "Müller 1", "日本"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }
}
