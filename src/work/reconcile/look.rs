//! One object on one target, held against the registry.

use super::{id_in, is_nothing};
use crate::books::ledger::{CheckFinding, Counts, Ledger, LedgerError};
use crate::model::checkpoint::Stage;
use crate::model::object::ObjectId;
use crate::rules::ocfl::layout;
use crate::rules::reconcile::{Kind, Known, Lying, Verdict, compare};
use crate::work::copies::{self, Depth, Unsound};
use crate::work::rebuild::named;
use crate::worlds::target::{Target, TargetError};

/// How often an object is looked at before what was found is believed: it may be changing.
const LOOKS: usize = 3;

/// Looking at one target.
pub(super) struct Looking<'a> {
    pub ledger: &'a Ledger,
    pub name: &'a str,
    pub target: &'a dyn Target,
}

type Looked<T> = Result<Result<T, TargetError>, LedgerError>;

impl<'a> Looking<'a> {
    /// Holds the object in this folder against the registry.
    pub fn object(&self, folder: &str, counts: &mut Counts, found: &mut Vec<CheckFinding>) -> Looked<()> {
        let mut told = None;
        for _ in 0..LOOKS {
            let (id, lying, versions) = match self.look(folder) {
                Ok(looked) => looked,
                Err(error) => return Ok(Err(error)),
            };
            let Some(id) = id else {
                let because = match lying {
                    Lying::Unsound(why) => why,
                    _ => "it is not where its id puts it".into(),
                };
                told = Some((folder.to_string(), vec![verdict(Kind::Damaged, because)], versions));
                continue;
            };
            let verdicts = self.judge(&id, &lying)?;
            let well = verdicts.is_empty();
            // The last look counts; a look that finds nothing wrong ends it.
            told = Some((id.0, verdicts, versions));
            if well {
                break;
            }
        }
        counts.objects += 1;
        if let Some((about, verdicts, versions)) = told {
            counts.versions += versions;
            self.tell(&about, verdicts, found);
        }
        Ok(Ok(()))
    }

    /// Tells of an object that the registry has here, and of which nothing is here. What is here was looked at.
    pub fn lost(&self, id: &ObjectId, found: &mut Vec<CheckFinding>) -> Looked<()> {
        let mut verdicts = Vec::new();
        for _ in 0..LOOKS {
            if !self.known(id)?.versions.iter().any(|(.., here)| *here) {
                return Ok(Ok(()));
            }
            match is_nothing(self.target, &layout::object_path(id)) {
                Ok(true) => verdicts = self.judge(id, &Lying::Nothing)?,
                Ok(false) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
        self.tell(&id.0, verdicts, found);
        Ok(Ok(()))
    }

    fn tell(&self, about: &str, verdicts: Vec<Verdict>, found: &mut Vec<CheckFinding>) {
        found.extend(verdicts.into_iter().map(|verdict| {
            self.finding(verdict.kind, about.into(), verdict.version, verdict.count, verdict.because)
        }));
    }

    pub fn finding(
        &self,
        kind: Kind,
        about: String,
        version: Option<u32>,
        count: u64,
        because: String,
    ) -> CheckFinding {
        CheckFinding {
            kind,
            target: self.name.into(),
            about,
            version,
            count,
            because,
            then_try: kind.advice().replace("TARGET", self.name),
        }
    }

    /// What lies in this folder: its id, as far as it can be told, how it is, and how many versions it has.
    fn look(&self, folder: &str) -> Result<(Option<ObjectId>, Lying, u64), TargetError> {
        let looked = copies::look(self.target, folder, Depth::Sidecars).and_then(|(copy, census)| {
            let counted = copies::count(self.target, folder, &copy, census)?;
            Ok((copy, counted))
        });
        match looked {
            Err(Unsound::Target(error)) => Err(error),
            Err(wrong) => Ok((id_in(folder), Lying::Unsound(wrong.to_string()), 0)),
            Ok((copy, counted)) => {
                let versions = u64::from(copy.head);
                let tell =
                    |count, names: &[String], what| (count > 0).then(|| (count, named(count, names, what)));
                let lying = Lying::Copy {
                    inventories: copy.inventories,
                    missing: tell(counted.missing, &counted.missing_named, "not there"),
                    extra: tell(counted.extra, &counted.extra_named, "named by no inventory"),
                };
                let right = layout::object_path(&copy.id) == folder;
                Ok((right.then_some(copy.id), lying, versions))
            }
        }
    }

    /// What is not as the registry has it; only then it is asked what items at work explain of it.
    fn judge(&self, id: &ObjectId, lying: &Lying) -> Result<Vec<Verdict>, LedgerError> {
        let known = self.known(id)?;
        let verdicts = compare(&known, lying);
        if !verdicts.is_empty() && self.ledger.giving_up(id)?.is_some() {
            return Ok(vec![verdict(Kind::InFlight, "an item is deleting it".into())]);
        }
        match verdicts.is_empty()
            || !self.ledger.objects_at_work(&[Stage::Store, Stage::Record])?.contains(id)
        {
            true => Ok(verdicts),
            false => Ok(compare(&Known { at_work: true, ..known }, lying)),
        }
    }

    fn known(&self, id: &ObjectId) -> Result<Known, LedgerError> {
        let deleted = self.ledger.deletion(id)?.map(|stone| stone.inventory_sha512);
        let versions = self.ledger.versions(id)?;
        let versions = versions.into_iter().map(|row| {
            let here = row.copies.iter().any(|copy| copy.target == self.name);
            (row.version, row.inventory_sha512, here)
        });
        Ok(Known { versions: versions.collect(), deleted, at_work: false })
    }
}

fn verdict(kind: Kind, because: String) -> Verdict {
    Verdict { kind, version: None, count: 1, because }
}
