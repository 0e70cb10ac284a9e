//! `target`: what targets are for, what lies on them, and filling, draining and retiring them.

use super::Screen;
use super::args::TargetVerb;
use super::overview::counted;
use super::table::{Cell, Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::text::hint;
use super::verbs::{document, show};
use crate::books::ledger::TargetUse;
use crate::doors::exit::{self, Exit};
use crate::work::desk::keep_words::{TargetProbe, TargetView, UsageRow};
use crate::work::desk::words::{Answer, Ask, KeepAnswer, KeepAsk};
use crate::work::keeping::Filled;
use crate::worlds::target::probe::{Ability, Has};

/// Does a verb on targets.
pub fn run(screen: &Screen, talk: &mut Talk, verb: TargetVerb) -> Told<Exit> {
    match verb {
        TargetVerb::List => ask_targets(screen, talk, None, list),
        TargetVerb::Show { name } => ask_targets(screen, talk, Some(name), |style, targets| {
            targets.first().map_or_else(String::new, |one| story(style, one))
        }),
        TargetVerb::Probe { name } => probe(screen, talk, name),
        TargetVerb::Usage { name } => {
            show(screen, talk, &Ask::Keep(KeepAsk::Usage { target: name }), |style, answer| match answer {
                Answer::Keep(KeepAnswer::Usage { usage }) => Some(usage_table(style, usage)),
                _ => None,
            })
        }
        TargetVerb::Add { name, reason, dry_run } => {
            order(screen, talk, &name, TargetUse::Active, reason, dry_run)?;
            fill(screen, talk, Some(name), dry_run)
        }
        TargetVerb::Drain { name, reason, dry_run } => {
            order(screen, talk, &name, TargetUse::Draining, reason, dry_run)?;
            fill(screen, talk, None, dry_run)
        }
        TargetVerb::Reconcile(what) => super::reconcile::run(screen, talk, what),
        TargetVerb::Retire { name, reason, dry_run } => {
            order(screen, talk, &name, TargetUse::Retired, reason, dry_run)?;
            match dry_run {
                true if screen.json => {}
                true => screen.line(&format!("nothing stands against retiring {name}")),
                false => screen.hint(&format!("{name} is retired; what lies there is left as it is")),
            }
            fill(screen, talk, None, dry_run)
        }
    }
}

fn ask_targets(
    screen: &Screen,
    talk: &mut Talk,
    target: Option<String>,
    render: impl FnOnce(&Style, &[TargetView]) -> String,
) -> Told<Exit> {
    show(screen, talk, &Ask::Keep(KeepAsk::Targets { target }), |style, answer| match answer {
        Answer::Keep(KeepAnswer::Targets { targets }) => Some(render(style, targets)),
        _ => None,
    })
}

fn probe(screen: &Screen, talk: &mut Talk, target: Option<String>) -> Told<Exit> {
    let answer = talk.ask(&Ask::Keep(KeepAsk::Probe { target }))?;
    let Answer::Keep(KeepAnswer::Probed { probes }) = &answer else { return Err(unexpected(&answer)) };
    match screen.json {
        true => screen.document(&document(&answer)),
        false => {
            let parts: Vec<String> = probes.iter().map(|probe| probe_table(&screen.style, probe)).collect();
            screen.text(&parts.join("\n"));
        }
    }
    let failed = probes.iter().any(|probe| probe.wrong.is_some());
    Ok(if failed { exit::WRONG } else { exit::DONE })
}

/// What was tried on one target, one row an ability.
fn probe_table(style: &Style, probe: &TargetProbe) -> String {
    let mut text = format!("target {}  {}\n", probe.target, probe.root);
    if let Some(wrong) = &probe.wrong {
        text.push_str(&format!("  {}  {wrong}\n", style.paint(Tone::Bad, "FAIL")));
        return text;
    }
    let mut table = Table::new(&["ABILITY", "HAS", "TRIED", "SO"]);
    for ability in &probe.abilities {
        let (word, tone) = match ability.has {
            Has::Yes => ("yes", Tone::Good),
            Has::No => ("no", Tone::Warn),
            Has::Unknown => ("unknown", Tone::Dim),
        };
        let has = Cell::from(word).tone(tone);
        table.row(vec![(&ability.name).into(), has, (&ability.tried).into(), (&ability.so).into()]);
    }
    text + &table.render(style)
}

/// What a target lacks, and what follows: the lines of its last probe that a person should know of.
fn lacks(probe: &TargetProbe) -> Vec<&Ability> {
    probe.abilities.iter().filter(|ability| ability.has != Has::Yes && !ability.so.is_empty()).collect()
}

fn order(
    screen: &Screen,
    talk: &mut Talk,
    name: &str,
    state: TargetUse,
    reason: String,
    dry_run: bool,
) -> Told<()> {
    let ask = KeepAsk::UseTarget { target: name.into(), state, reason, dry_run };
    match talk.ask(&Ask::Keep(ask))? {
        Answer::Keep(KeepAnswer::Targets { .. }) => {
            if !dry_run && !screen.json {
                screen.line(&format!("target {name} is {} now", state.name()));
            }
            Ok(())
        }
        other => Err(unexpected(&other)),
    }
}

/// Asks for one part of the round after the other. A copy that could not be made is told, and does not keep others back.
fn fill(screen: &Screen, talk: &mut Talk, target: Option<String>, only_count: bool) -> Told<Exit> {
    let mut all = Filled::default();
    let mut after = None;
    loop {
        let ask = KeepAsk::Fill { target: target.clone(), after: after.take(), only_count };
        let part = match talk.ask(&Ask::Keep(ask))? {
            Answer::Keep(KeepAnswer::Filled(part)) => part,
            other => return Err(unexpected(&other)),
        };
        all.objects += part.objects;
        all.versions += part.versions;
        all.files += part.files;
        all.bytes += part.bytes;
        all.lacking += part.lacking;
        all.failed.extend(part.failed);
        match part.next {
            Some(next) => after = Some(next),
            None => break,
        }
        if screen.style.tty && !screen.json {
            screen.hint(&format!(
                "{} looked at, {} copied, {}",
                counted(all.objects, "object"),
                counted(all.versions, "version"),
                screen.style.bytes(all.bytes).shown()
            ));
        }
    }
    let lacks = all.lacking > 0;
    match screen.json {
        true => screen.document(&document(&Answer::Keep(KeepAnswer::Filled(all)))),
        false => screen.text(&filled(&screen.style, &all, only_count)),
    }
    Ok(if lacks && !only_count { exit::PARTLY } else { exit::DONE })
}

fn filled(style: &Style, all: &Filled, only_count: bool) -> String {
    let mut text = match only_count {
        true => format!("{} looked at, {} would be copied\n", counted(all.objects, "object"), all.lacking),
        false => format!(
            "{} looked at; {} copied: {} files, {}; {} still lack\n",
            counted(all.objects, "object"),
            counted(all.versions, "version"),
            all.files,
            style.bytes(all.bytes).shown(),
            all.lacking
        ),
    };
    for why in &all.failed {
        text.push_str(&format!("{}  {why}\n", style.paint(Tone::Bad, "FAIL")));
    }
    if !all.failed.is_empty() {
        text.push_str(&hint(
            style,
            "the daemon tries again by itself; so does: strongroom target add NAME".into(),
        ));
    }
    text
}

fn tone(state: TargetUse) -> Tone {
    match state {
        TargetUse::Active => Tone::Good,
        TargetUse::Draining => Tone::Warn,
        TargetUse::Retired => Tone::Bad,
    }
}

fn bytes(style: &Style, bytes: Option<u64>) -> Cell {
    bytes.map_or("-".into(), |bytes| style.bytes(bytes))
}

fn list(style: &Style, targets: &[TargetView]) -> String {
    let mut table = Table::new(&["TARGET", "USE", ">FREE", ">SIZE", "POLICIES", "ROOT"]);
    for target in targets {
        let state = Cell::from(target.state.name()).tone(tone(target.state));
        let root = match &target.wrong {
            Some(wrong) => Cell::from(wrong.as_str()).tone(Tone::Bad),
            None => (&target.root).into(),
        };
        table.row(vec![
            (&target.name).into(),
            state,
            bytes(style, target.free),
            bytes(style, target.total),
            target.policies.join(" ").into(),
            root,
        ]);
    }
    table.render(style)
}

fn story(style: &Style, target: &TargetView) -> String {
    let mut text =
        format!("target {}  {}\n", target.name, style.paint(tone(target.state), target.state.name()));
    if let Some(said) = &target.said {
        let reason = if said.reason.is_empty() { String::new() } else { format!(": {}", said.reason) };
        text.push_str(&format!("  since {}, said {}{reason}\n", moment(said.at), said.by));
    }
    text.push_str(&format!("  root      {}\n", target.root));
    text.push_str(&format!("  policies  {}\n", target.policies.join(", ")));
    match (&target.wrong, target.free, target.total) {
        (Some(wrong), _, _) => text.push_str(&format!("  {}  {wrong}\n", style.paint(Tone::Bad, "FAIL"))),
        (None, Some(free), Some(total)) => text.push_str(&format!(
            "  space     {} free of {}\n",
            style.bytes(free).shown(),
            style.bytes(total).shown()
        )),
        _ => text.push_str("  space     without limit\n"),
    }
    match &target.probed {
        None => text.push_str(&format!("  probed    never; strongroom target probe {}\n", target.name)),
        Some(probe) => {
            text.push_str(&format!("  probed    {}\n", moment(probe.at)));
            for ability in lacks(probe) {
                text.push_str(&format!("            {}: {}\n", ability.name, ability.so));
            }
        }
    }
    text + &hint(style, format!("what lies there: strongroom target usage {}", target.name))
}

fn usage_table(style: &Style, usage: &[UsageRow]) -> String {
    let mut table = Table::new(&[
        "TARGET",
        "DEPOSITOR",
        ">OBJECTS",
        ">VERSIONS",
        ">FILES",
        ">SIZE",
        ">LACKING",
        "OLDEST PROOF",
    ]);
    for row in usage {
        let lacking = Cell::from(row.lacking);
        table.row(vec![
            (&row.target).into(),
            (&row.depositor).into(),
            row.objects.into(),
            row.versions.into(),
            row.files.into(),
            style.bytes(row.bytes),
            if row.lacking > 0 { lacking.tone(Tone::Warn) } else { lacking },
            row.oldest_proof.map_or("-".into(), |at| style.age(at)),
        ]);
    }
    table.render(style)
}
