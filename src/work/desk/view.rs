//! Items as they are shown.

use super::words::{CopyView, ItemView, TroubleView};
use crate::books::config::units::show_bytes;
use crate::model::checkpoint::{Asked, Standing, WaitWhy};
use crate::model::item::{Form, Item};
use crate::model::trouble::{Remedy, Trouble, Wait};

/// An item as it is shown.
pub fn item(item: &Item) -> ItemView {
    let checkpoint = &item.checkpoint;
    let store = item.found.store.as_ref();
    let judged = item.found.validate.as_ref();
    let (waits_for, waits_until) = match &checkpoint.standing {
        Standing::Waiting { until, why: WaitWhy::For(wait) } => (Some(wait_sentence(wait)), Some(*until)),
        Standing::Waiting { until, why: WaitWhy::Trouble(trouble) } => {
            (Some(trouble.sentence()), Some(*until))
        }
        _ => (None, None),
    };
    // Copies that are not yet recorded are no promise to anybody.
    let kept = checkpoint.standing == Standing::Kept;
    ItemView {
        id: item.id.0,
        bag: item.bag.clone(),
        depositor: item.depositor.clone(),
        standing: checkpoint.standing.name().into(),
        stage: checkpoint.stage.name().into(),
        object: store.filter(|_| kept).map(|store| store.object.0.clone()),
        version: store.filter(|_| kept).map(|store| store.version),
        unchanged: store.is_some_and(|store| store.unchanged),
        copies: store
            .filter(|_| kept)
            .map(|store| store.copies.iter().map(CopyView::from).collect())
            .unwrap_or_default(),
        errors: judged.map_or(0, |judged| judged.errors),
        warnings: judged.map_or(0, |judged| judged.warnings),
        path: item.deposit.key.clone(),
        form: match item.deposit.form {
            Form::Tar => "tar".into(),
            Form::Folder => "folder".into(),
        },
        bytes: item.deposit.bytes,
        files: item.found.unpack.as_ref().map(|unpack| unpack.files),
        policy: item.chosen_policy().to_string(),
        bagit_version: judged.and_then(|judged| judged.bagit_version.clone()),
        profile: judged.and_then(|judged| judged.profile.clone()),
        rules: judged.map(|judged| judged.rules.clone()).unwrap_or_default(),
        received_at: item.received_at,
        kept_at: item.found.record.as_ref().filter(|_| kept).map(|record| record.kept_at),
        asked_by: item.asked_by.name.clone(),
        tries: checkpoint.tries,
        round: checkpoint.round,
        trouble: checkpoint.standing.trouble().map(|found| trouble(found, item.id.0)),
        waits_for,
        waits_until,
        asked: checkpoint.asked.map(|asked| match asked {
            Asked::Hold => "hold".into(),
            Asked::Cancel => "cancel".into(),
        }),
        rests: checkpoint.standing.rests(),
        deleted_at: None,
        errand: item.errand.as_ref().map(|errand| errand.name().into()),
    }
}

/// A trouble as it is shown.
pub fn trouble(trouble: &Trouble, id: u64) -> TroubleView {
    let row = trouble.kind.row();
    TroubleView {
        kind: row.name.into(),
        helps: helps(row.remedy).into(),
        meaning: row.meaning.into(),
        sentence: trouble.sentence(),
        next: row.next.into(),
        advice: trouble.advice(id),
    }
}

/// Who can help.
pub fn helps(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Time => "time",
        Remedy::Depositor => "depositor",
        Remedy::Operator => "operator",
        Remedy::Alarm => "alarm",
        Remedy::Developer => "developer",
    }
}

/// What an item waits for.
pub fn wait_sentence(wait: &Wait) -> String {
    match wait {
        Wait::Space { place, bytes: 0, .. } => format!("space on {place}: it ran full"),
        Wait::Space { place, bytes, inodes, free } => {
            let inodes = if *inodes > 0 { format!(" and {inodes} files") } else { String::new() };
            let (bytes, free) = (show_bytes(*bytes), show_bytes(*free));
            format!("space on {place}: it needs {bytes}{inodes}, {free} can be promised")
        }
        Wait::Grace => "the end of the time of grace".into(),
        Wait::Turn { behind } => format!("item {behind}, an older deposit of the same bag"),
    }
}
