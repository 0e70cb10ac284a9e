//! Deletions: asked for by one person, approved by another, and carried out by an item.
//!
//! - What would be lost, and what stands against it, is asked (`dry_run`) of the very functions that decide.
//! - Whatever concerns a person is refused as not permitted, whatever concerns the object as refused.
//! - Nothing is removed here. Until the item has begun anybody may take a deletion back.

use super::complaint::{Complaint, Sort};
use super::delete_words::{DeleteAnswer, DeleteAsk, DeletionView};
use super::words::{Answer, ROWS_MAX};
use super::{Desk, Told, of_ledger};
use crate::books::config::units::exact_time;
use crate::books::ledger::LedgerError;
use crate::books::roles::{self, Accounts, NotPermitted};
use crate::model::checkpoint::{Move, Standing, WaitWhy};
use crate::model::deletion::{Deletion, Loss, Phase, Said};
use crate::model::item::{Asker, Item};
use crate::model::object::{ObjectId, ObjectRow, VersionRow};
use crate::model::trouble::Wait;
use crate::rules::ocfl::metadata::Tombstone;
use crate::worlds::book::BookError;
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 1_000;

/// Targets that a request names.
const TARGETS_MAX: usize = 32;

impl Desk {
    pub(super) fn delete(&self, ask: &DeleteAsk, asker: &Asker) -> Told<Answer> {
        let answer = match ask {
            DeleteAsk::Request { object, reason, dry_run } => {
                self.request_deletion(object, reason, *dry_run, asker)?
            }
            DeleteAsk::List { waiting, before, limit } => self.deletions(*waiting, *before, *limit)?,
            DeleteAsk::Show { request } => one(self.deletion_view(self.deletion_named(request)?)?, false),
            DeleteAsk::Cancel { request, reason } => self.cancel_deletion(request, reason, asker)?,
            DeleteAsk::Approve { request, dry_run } => self.approve_deletion(request, *dry_run, asker)?,
            DeleteAsk::Reject { request, reason } => self.reject_deletion(request, reason, asker)?,
            DeleteAsk::Deleted { depositor, after, limit } => {
                self.deleted(depositor.as_deref(), after.as_deref(), *limit)?
            }
        };
        Ok(Answer::Delete(answer))
    }

    fn request_deletion(&self, word: &str, reason: &str, dry_run: bool, asker: &Asker) -> Told<DeleteAnswer> {
        let (object, versions) = self.known_object(word)?;
        let doing = format!("the deletion of {} is not asked for", object.id);
        let reason = reason_of(&doing, reason)?;
        if self.config().roles.approver.is_empty() {
            return Err(Box::new(
                Complaint::new(Sort::Refused, &doing)
                    .because("nobody may approve it: the configuration names no approver")
                    .then_try("[roles] approver = [\"NAME\", \"group:NAME\"]"),
            ));
        }
        self.may_be_deleted(&doing, &object, &versions)?;
        if let Some(open) = self.open_deletion(&object.id)? {
            return Err(Box::new(
                Complaint::new(Sort::Refused, &doing)
                    .because(format!("request {} asks for it already", open.number))
                    .then_try(format!("strongroom delete show {}", open.number)),
            ));
        }
        let said = self.said(asker);
        let loses = loss(&versions);
        if dry_run {
            let request = Deletion {
                number: 0,
                object: object.id.clone(),
                depositor: object.depositor.clone(),
                bag: object.bag.clone(),
                reason,
                requested: said,
                loses,
                phase: Phase::Requested,
            };
            return Ok(one(self.deletion_view(request)?, true));
        }
        let made = self.ledger.request_deletion(&object, loses, &reason, said);
        let request = made.map_err(|error| changed(&error, &doing))?;
        log::info!(
            "deletion {} of {} asked for by {} (uid {})",
            request.number,
            object.id,
            asker.name,
            asker.uid
        );
        Ok(one(self.deletion_view(request)?, false))
    }

    /// What stands against it as far as the object is concerned.
    fn may_be_deleted(&self, doing: &str, object: &ObjectRow, versions: &[VersionRow]) -> Told<()> {
        let refused = |because: String, then_try: String| {
            Err(Box::new(Complaint::new(Sort::Refused, doing).because(because).then_try(then_try)))
        };
        let Some(newest) = versions.last() else {
            return refused("the registry has no version of it".into(), "strongroom state verify".into());
        };
        let least = self.config().deletion.retention_under(&object.policy);
        let age = self.ledger.world().clock.now().duration_since(newest.kept_at);
        let least_signed = SignedDuration::try_from(least).unwrap_or(SignedDuration::MAX);
        if age < least_signed {
            let over = newest
                .kept_at
                .checked_add(least_signed)
                .map_or_else(|_| "never".to_string(), |over| over.strftime("%Y-%m-%d %H:%M UTC").to_string());
            return refused(
                format!("it is kept for {} at least, which is over {over}", exact_time(least)),
                "ask again then".into(),
            );
        }
        let at_work = self.ledger.work_on(object, None).map_err(|error| of_ledger(&error, doing))?;
        // Its own deletion is told by its number.
        let own = self.open_deletion(&object.id)?.and_then(|open| Some(open.approved()?.1));
        match at_work.filter(|item| Some(item.id) != own) {
            None => Ok(()),
            Some(item) => refused(
                format!(
                    "item {} concerns it and has not come to its end: it is {} at {}",
                    item.id,
                    item.checkpoint.standing.name(),
                    item.checkpoint.stage
                ),
                format!("wait for it, or: strongroom item cancel {}", item.id),
            ),
        }
    }

    fn approve_deletion(&self, word: &str, dry_run: bool, asker: &Asker) -> Told<DeleteAnswer> {
        let request = self.deletion_named(word)?;
        let doing = format!("deletion {} of {} is not approved", request.number, request.object);
        self.may_decide(&doing, &request, asker)?;
        if roles::is_same_person(&request.requested.by, asker) {
            return Err(not_permitted(&doing, NotPermitted::SamePerson));
        }
        waits(&doing, &request)?;
        let (object, versions) = self.known_object(&request.object.0)?;
        let newest = versions.last().map(|newest| newest.inventory_sha512.as_str());
        if newest != Some(request.loses.inventory_sha512.as_str()) {
            return Err(Box::new(
                Complaint::new(Sort::Refused, &doing)
                    .because(format!(
                        "the object has version {} now, and had {} when its deletion was asked for",
                        object.head, request.loses.versions
                    ))
                    .then_try(format!(
                        "strongroom reject {} --reason TEXT; then ask for it anew",
                        request.number
                    )),
            ));
        }
        self.may_be_deleted(&doing, &object, &versions)?;
        if dry_run {
            return Ok(one(self.deletion_view(request)?, true));
        }
        let said = self.said(asker);
        let grace = SignedDuration::try_from(self.config().deletion.grace).unwrap_or(SignedDuration::MAX);
        let not_before = said.at.checked_add(grace).unwrap_or(jiff::Timestamp::MAX);
        let approved = self.ledger.approve_deletion(&request, &object, &said, not_before);
        let (request, item) = approved.map_err(|error| changed(&error, &doing))?;
        log::warn!(ITEM = item.id.0;
            "deletion {} of {} approved by {} (uid {}): item {}, not before {not_before}",
            request.number, object.id, asker.name, asker.uid, item.id);
        self.after(&item);
        Ok(one(self.deletion_view(request)?, false))
    }

    fn reject_deletion(&self, word: &str, reason: &str, asker: &Asker) -> Told<DeleteAnswer> {
        let request = self.deletion_named(word)?;
        let doing = format!("deletion {} of {} is not rejected", request.number, request.object);
        let reason = reason_of(&doing, reason)?;
        self.may_decide(&doing, &request, asker)?;
        waits(&doing, &request)?;
        self.close(&doing, &request, Phase::Rejected { said: self.said(asker), reason })
    }

    /// Anybody may: nothing is lost by it.
    fn cancel_deletion(&self, word: &str, reason: &str, asker: &Asker) -> Told<DeleteAnswer> {
        let request = self.deletion_named(word)?;
        let doing = format!("deletion {} of {} is not cancelled", request.number, request.object);
        let reason: String = reason.chars().take(REASON_MAX).collect();
        match &request.phase {
            Phase::Requested => {
                self.close(&doing, &request, Phase::Cancelled { said: self.said(asker), reason })
            }
            Phase::Approved { item, .. } => {
                let item = self.ledger.ask(*item, &Move::Cancel, asker, &reason);
                self.after(&item.map_err(|error| of_ledger(&error, &doing))?);
                Ok(one(self.deletion_view(request)?, false))
            }
            _ => {
                waits(&doing, &request)?;
                Ok(one(self.deletion_view(request)?, false))
            }
        }
    }

    fn close(&self, doing: &str, request: &Deletion, phase: Phase) -> Told<DeleteAnswer> {
        let closed = self.ledger.close_deletion(request.number, phase);
        match closed.map_err(|error| of_ledger(&error, doing))? {
            Some(closed) => Ok(one(self.deletion_view(closed)?, false)),
            None => Err(Box::new(
                Complaint::new(Sort::Busy, doing)
                    .because("somebody else spoke at the same time")
                    .then_try(format!("strongroom delete show {}", request.number)),
            )),
        }
    }

    fn may_decide(&self, doing: &str, request: &Deletion, asker: &Asker) -> Told<()> {
        let config = self.config();
        let service = roles::owner_of(&config.ledger);
        let accounts = Accounts::of_this_machine();
        roles::may_decide(&config.roles, &accounts, service, asker).map_err(|why| {
            log::warn!(
                "{} (uid {}) may not decide on deletion {} of {}: {}",
                asker.name,
                asker.uid,
                request.number,
                request.object,
                why.because()
            );
            not_permitted(doing, why)
        })
    }

    fn said(&self, asker: &Asker) -> Said {
        Said { by: asker.clone(), at: self.ledger.world().clock.now() }
    }

    /// The newest request for this object, if it still asks for something.
    fn open_deletion(&self, object: &ObjectId) -> Told<Option<Deletion>> {
        let failed = |error| of_ledger(&error, "looking for a deletion");
        match self.ledger.deletion_of(object).map_err(failed)? {
            Some(found) if self.ledger.deletion_is_open(&found).map_err(failed)? => Ok(Some(found)),
            _ => Ok(None),
        }
    }

    /// The request of this number, or the newest one for this object.
    fn deletion_named(&self, word: &str) -> Told<Deletion> {
        let failed = |error: LedgerError| of_ledger(&error, "looking for a deletion");
        let mut found = match word.parse::<u64>() {
            Ok(number) => self.ledger.deletion_request(number).map_err(failed)?,
            Err(_) => None,
        };
        for id in self.object_ids(word) {
            if found.is_none() {
                found = self.ledger.deletion_of(&id).map_err(failed)?;
            }
        }
        found.ok_or_else(|| {
            Box::new(
                Complaint::new(Sort::NotFound, format!("there is no deletion \"{}\"", word.escape_debug()))
                    .then_try("strongroom delete list --all"),
            )
        })
    }

    fn deletions(&self, waiting: bool, before: Option<u64>, limit: usize) -> Told<DeleteAnswer> {
        let failed = |error: LedgerError| of_ledger(&error, "listing deletions");
        let limit = limit.clamp(1, ROWS_MAX);
        let mut found = match waiting {
            true => self.ledger.deletions_waiting(ROWS_MAX).map_err(failed)?,
            false => {
                // Numbers are dense, so the newest are found by counting down from the newest one.
                let newest = self.ledger.deletions_made().map_err(failed)?;
                let last = before.map_or(newest, |before| before.saturating_sub(1).min(newest));
                let after = last.saturating_sub(limit as u64 + 1);
                let mut found = self.ledger.deletion_requests(after, limit + 1).map_err(failed)?;
                found.retain(|request| request.number <= last);
                found
            }
        };
        found.reverse();
        let more = found.len() > limit;
        found.truncate(limit);
        let requests = found.into_iter().map(|request| self.deletion_view(request)).collect::<Told<_>>()?;
        Ok(DeleteAnswer::Requests { requests, more })
    }

    fn deleted(&self, depositor: Option<&str>, after: Option<&str>, limit: usize) -> Told<DeleteAnswer> {
        let limit = limit.clamp(1, ROWS_MAX);
        let failed = |error: LedgerError| of_ledger(&error, "listing deleted objects");
        let mut cursor = after.map(|after| ObjectId(after.into()));
        let mut objects: Vec<Tombstone> = Vec::new();
        while objects.len() <= limit {
            let page = self.ledger.tombstones(cursor.as_ref(), ROWS_MAX).map_err(failed)?;
            let Some(last) = page.last() else { break };
            cursor = Some(ObjectId(last.object.clone()));
            let of = |stone: &Tombstone| depositor.is_none_or(|depositor| depositor == stone.depositor);
            objects.extend(page.into_iter().filter(of));
        }
        let more = objects.len() > limit;
        objects.truncate(limit);
        Ok(DeleteAnswer::Deleted { objects, more })
    }

    /// The tombstone of an object that was deleted.
    pub(super) fn tombstone(&self, word: &str) -> Told<Option<Tombstone>> {
        for id in self.object_ids(word) {
            let found = self.ledger.deletion(&id);
            if let Some(found) = found.map_err(|error| of_ledger(&error, "looking for an object"))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Requests that wait for a second person, and since when the oldest does.
    pub(super) fn approvals(&self) -> Told<Option<super::words::Approvals>> {
        let waiting = self.ledger.deletions_waiting(ROWS_MAX);
        let waiting = waiting.map_err(|error| of_ledger(&error, "listing deletions"))?;
        let oldest = waiting.iter().map(|request| request.requested.at).min();
        Ok(oldest.map(|since| super::words::Approvals { deletions: waiting.len() as u64, since }))
    }

    fn deletion_view(&self, request: Deletion) -> Told<DeletionView> {
        let item = match request.approved() {
            Some((_, item)) => {
                let found = self.ledger.item(item);
                found.map_err(|error| of_ledger(&error, "looking for an item"))?
            }
            None => None,
        };
        let (state, because) = state_of(&request, item.as_ref());
        let removed = item.as_ref().and_then(|item| item.found.remove.as_ref());
        let gone_from =
            removed.map(|removed| removed.copies.iter().map(|copy| copy.target.clone()).collect());
        let not_before = match &request.phase {
            Phase::Approved { not_before, .. } => Some(*not_before),
            _ => None,
        };
        Ok(DeletionView {
            state: state.into(),
            because,
            item: item.map(|item| item.id.0),
            gone_from: gone_from.unwrap_or_default(),
            not_before,
            request,
        })
    }
}

fn one(request: DeletionView, dry_run: bool) -> DeleteAnswer {
    DeleteAnswer::Request { request: Box::new(request), dry_run }
}

/// How a request stands, and what it waits for or what stops it.
fn state_of(request: &Deletion, item: Option<&Item>) -> (&'static str, Option<String>) {
    match (&request.phase, item.map(|item| (&item.checkpoint.standing, item.checkpoint.fence))) {
        (Phase::Requested, _) => ("requested", Some("it waits for a second person".into())),
        (Phase::Rejected { reason, .. }, _) => ("rejected", Some(reason.clone())),
        (Phase::Cancelled { reason, .. }, _) => {
            ("cancelled", Some(reason.clone()).filter(|why| !why.is_empty()))
        }
        (Phase::Void { why, .. }, _) => ("void", Some(why.clone())),
        (Phase::Done { .. }, _) => ("done", None),
        (Phase::Approved { .. }, Some((Standing::Cancelled, _))) => ("cancelled", None),
        (Phase::Approved { .. }, Some((Standing::Held { trouble }, _))) => ("held", Some(trouble.sentence())),
        (Phase::Approved { .. }, Some((Standing::Waiting { why: WaitWhy::For(Wait::Grace), .. }, _))) => {
            ("approved", Some("its time of grace is not over".into()))
        }
        (
            Phase::Approved { .. },
            Some((Standing::Waiting { why: WaitWhy::For(Wait::Turn { behind }), .. }, _)),
        ) => ("waiting", Some(format!("item {behind} concerns the object, too, and is older"))),
        (Phase::Approved { .. }, Some((Standing::Waiting { why: WaitWhy::Trouble(trouble), .. }, _))) => {
            ("working", Some(format!("{}; it is tried again", trouble.sentence())))
        }
        (Phase::Approved { .. }, Some((_, 0))) => ("approved", None),
        (Phase::Approved { .. }, _) => ("working", None),
    }
}

fn loss(versions: &[VersionRow]) -> Loss {
    let copies = versions.iter().flat_map(|version| &version.copies);
    let targets: BTreeSet<String> = copies.map(|copy| copy.target.clone()).collect();
    let newest = versions.last();
    Loss {
        versions: newest.map_or(0, |newest| newest.version),
        files: newest.map_or(0, |newest| newest.files),
        bytes: newest.map_or(0, |newest| newest.bytes),
        targets: targets.into_iter().take(TARGETS_MAX).collect(),
        inventory_sha512: newest.map(|newest| newest.inventory_sha512.clone()).unwrap_or_default(),
    }
}

fn reason_of(doing: &str, reason: &str) -> Told<String> {
    let reason: String = reason.trim().chars().take(REASON_MAX).collect();
    if reason.is_empty() {
        let complaint = Complaint::new(Sort::Usage, doing).because("it is not said why");
        return Err(Box::new(complaint.then_try("--reason TEXT")));
    }
    Ok(reason)
}

/// An error unless the request waits for a second person.
fn waits(doing: &str, request: &Deletion) -> Told<()> {
    let because = match &request.phase {
        Phase::Requested => return Ok(()),
        Phase::Approved { said, .. } => format!("{} approved it already", said.name()),
        Phase::Rejected { said, .. } => format!("{} rejected it", said.name()),
        Phase::Cancelled { said, .. } => format!("{} took it back", said.name()),
        Phase::Done { .. } => "it is done".to_string(),
        Phase::Void { why, .. } => format!("it came to nothing: {why}"),
    };
    Err(Box::new(
        Complaint::new(Sort::Refused, doing)
            .because(because)
            .then_try(format!("strongroom delete show {}", request.number)),
    ))
}

fn not_permitted(doing: &str, why: NotPermitted) -> Box<Complaint> {
    let then_try = match why {
        NotPermitted::NoRole => "ask an approver; who is one, the configuration says: strongroom config show",
        _ => "ask another approver",
    };
    Box::new(Complaint::new(Sort::Denied, doing).because(why.because()).then_try(then_try))
}

/// A conflict means that what was decided on is not what is there any more.
fn changed(error: &LedgerError, doing: &str) -> Box<Complaint> {
    match error {
        LedgerError::Book(BookError::Conflict { .. }) => Box::new(
            Complaint::new(Sort::Busy, doing)
                .because("the object or the request changed at the same time")
                .then_try("look at it again, then the same once more"),
        ),
        other => of_ledger(other, doing),
    }
}
