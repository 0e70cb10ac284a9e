//! Files of events beside a copy: held against the chain that ends in the registry.
//!
//! - Each file names the one before it and its digest, and the registry names the last: so every file of the chain is known,
//!   as long as one copy, or the ledger, has the file after it.
//! - Files that the chain does not reach (of an item that was sent back) are nobody's fault, and left alone.

use super::find::Right;
use super::look::Wrong;
use super::sources::Origin;
use super::{Case, Repairer, failed};
use crate::model::digest::hex;
use crate::model::object::LastLog;
use crate::model::proof::{Outcome, Proof};
use crate::model::trouble::Stop;
use crate::rules::digester::sha512_hex;
use crate::rules::premis::chain::{Chain, LogFile, LogRef};
use crate::worlds::target::{Target, TargetError, Where};
use sha2::{Digest, Sha256};

/// Bytes of one file of events at most.
const LOG_MAX: usize = 64 << 20;

/// Files of one chain that are followed.
const CHAIN_MAX: usize = 100_000;

/// Files of events that are still to be written, of one object.
const PENDING_MAX: usize = 10_000;

/// Told of a file that is wrong, and of where its right bytes are.
type Each<'a> = &'a mut dyn FnMut(Wrong, Option<Right>) -> Result<(), Stop>;

/// The right bytes of a file, and where they are when they are not in the copy itself.
type Known = (Vec<u8>, Option<Origin>);

impl<'a> Repairer<'a> {
    /// Follows the chain back from the registry's end of it.
    pub(super) fn logs(&self, case: &Case<'a>, proof: &mut Proof, each: Each<'_>) -> Result<(), Stop> {
        let pending = self.ledger.pending_logs(Some(&case.row.id), PENDING_MAX).map_err(failed)?;
        let mut next = case.row.last_log.clone();
        for _ in 0..CHAIN_MAX {
            let Some(link) = next.take() else { return Ok(()) };
            (self.step)(0)?;
            let path = format!("logs/premis/{}", link.name);
            let own = small(case, case.target, &path)?;
            let pending = pending.iter().find(|log| log.name == link.name);
            let right = match &own {
                Ok(bytes) if is(bytes, &link) => {
                    proof.matched += 1;
                    proof.bytes += bytes.len() as u64;
                    Some((bytes.clone(), None))
                }
                _ => self.right(case, &path, &link, pending.map(|log| log.text.as_bytes()))?,
            };
            let will_come = pending.is_some_and(|log| log.left.iter().any(|name| name == case.to));
            let Some((bytes, origin)) = right else {
                // What lies before it cannot be known. Its events are in the ledger, so nothing of the object is lost.
                log::warn!("{path} of {}: no copy has the file of events that it was", case.row.id);
                return Ok(());
            };
            if let Some(origin) = origin
                && !(will_come && matches!(own, Err((Outcome::Missing, _))))
            {
                let (outcome, why) = match own {
                    Ok(_) => {
                        (Outcome::Mismatched, "it is not the file of events that the next one names".into())
                    }
                    Err(wrong) => wrong,
                };
                proof.count(outcome, &path, why.as_str());
                let size = bytes.len() as u64;
                let wrong = Wrong { outcome, path: path.clone(), sha512: Some(sha512_hex(&bytes)), why };
                each(wrong, Some(Ok((origin, size))))?;
            }
            next = before(LogFile { name: link.name, bytes });
        }
        Ok(())
    }

    /// The right bytes of a file of events, from the ledger or another copy.
    fn right(
        &self,
        case: &Case<'a>,
        path: &str,
        link: &LastLog,
        pending: Option<&[u8]>,
    ) -> Result<Option<Known>, Stop> {
        if let Some(bytes) = pending.filter(|bytes| is(bytes, link)) {
            let text = String::from_utf8_lossy(bytes).into_owned();
            return Ok(Some((bytes.to_vec(), Some(Origin::Text(text)))));
        }
        for (name, other) in &case.others {
            if let Ok(bytes) = small(case, *other, path)?
                && is(&bytes, link)
            {
                return Ok(Some((bytes, Some(Origin::Copy(name.clone())))));
            }
        }
        Ok(None)
    }
}

fn is(bytes: &[u8], link: &LastLog) -> bool {
    hex(&Sha256::digest(bytes)) == link.sha256
}

/// The file before this one.
fn before(file: LogFile) -> Option<LastLog> {
    let first = file.lines().ok()?.into_iter().next()?;
    match first.chain {
        Some(Chain::After(LogRef { name, sha256 })) => Some(LastLog { name, sha256 }),
        _ => None,
    }
}

/// A file of events; or what is wrong with it, and why.
fn small(
    case: &Case<'_>,
    target: &dyn Target,
    path: &str,
) -> Result<Result<Vec<u8>, (Outcome, String)>, Stop> {
    let (mut bytes, mut long) = (Vec::new(), false);
    let read = target.read(Where::Object(&case.row.id, path), &mut |piece| {
        long |= bytes.len() + piece.len() > LOG_MAX;
        if !long {
            bytes.extend_from_slice(piece);
        }
    });
    Ok(match read {
        Ok(_) if long => Err((Outcome::Mismatched, "it is longer than any file of events".into())),
        Ok(_) => Ok(bytes),
        Err(TargetError::Absent { .. }) => Err((Outcome::Missing, "it is not there".into())),
        Err(error) => {
            let why = crate::model::trouble::Trouble::from(error).because;
            Err((Outcome::Unreadable, why))
        }
    })
}
