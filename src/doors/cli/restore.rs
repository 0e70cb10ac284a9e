//! `restore`: orders to give objects back, what became of them, and fetching what was given back.
//!
//! - The exit code is by evidence: waiting for an order ends with 0 only when it was read back at its place.

use super::args_giving::{As, Requesting, RestoreVerb};
use super::overview::counted;
use super::table::{Style, Table, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::text::hint;
use super::verbs::{LIST_MAX, document, show};
use super::waiting::Working;
use super::{Screen, usage};
use crate::books::config::{Config, absolute};
use crate::doors::exit::{self, Exit};
use crate::doors::house::outlets;
use crate::model::digest::Algorithm;
use crate::model::item::Form;
use crate::rules::digester::Digester;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::giving_words::{GivingAnswer, GivingAsk, OrderView};
use crate::work::desk::words::{Answer, Ask, ROWS_MAX, SCHEMA, Steering};
use crate::work::giving::expiring::Expired;
use crate::work::giving::parcel::GivenFile;
use crate::worlds::clock::system::SystemClock;
use crate::worlds::outlet::folder::OutFolder;
use crate::worlds::outlet::{Outlet, OutletError, Outlets, Parcel, Stand};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Does a verb on orders.
pub fn run(screen: &Screen, config: &Arc<Config>, verb: RestoreVerb) -> Told<Exit> {
    match verb {
        RestoreVerb::Request(what) => request(screen, config, &what),
        RestoreVerb::List { all } => list(screen, &mut Talk::open(config)?, false, all),
        RestoreVerb::Show { item } => show_one(screen, &mut Talk::open(config)?, item),
        RestoreVerb::Cancel { items, reason } => {
            let items = items.iter().map(u64::to_string).collect();
            let ask = Ask::Steer { items, how: Steering::Cancel, reason, dry_run: false };
            super::verbs::moved(screen, &mut Talk::open(config)?, "cancel", &ask)
        }
        RestoreVerb::Fetch { item, to } => fetch(screen, config, item, &absolute(&to)),
        RestoreVerb::Expire { dry_run } => expire(screen, &mut Talk::open(config)?, dry_run),
    }
}

fn giving(talk: &mut Talk, ask: GivingAsk) -> Told<GivingAnswer> {
    match talk.ask(&Ask::Giving(ask))? {
        Answer::Giving(answer) => Ok(answer),
        other => Err(unexpected(&other)),
    }
}

fn other(answer: GivingAnswer) -> Box<Complaint> {
    unexpected(&Answer::Giving(answer))
}

fn request(screen: &Screen, config: &Arc<Config>, what: &Requesting) -> Told<Exit> {
    let form = if what.form == As::Tar { Form::Tar } else { Form::Folder };
    let named = |to: &str| config.restoring.places.iter().any(|place| place.name == to);
    let to = match &what.to {
        // The daemon has another working folder.
        Some(to) if !named(to) && !to.contains("://") => {
            let path = absolute(Path::new(to));
            let text = path
                .to_str()
                .ok_or_else(|| usage("the folder's path is not UTF-8", "name another folder"))?;
            Some(text.to_string())
        }
        other => other.clone(),
    };
    let ask = GivingAsk::Order { what: what.what.clone(), version: what.version, to, form };
    if !what.wait {
        let mut talk = Talk::open(config)?;
        let answer = giving(&mut talk, ask)?;
        let GivingAnswer::Ordered { order, new } = &answer else { return Err(other(answer)) };
        let known = if *new { "" } else { ", ordered already" };
        screen.line(&format!(
            "{}\t{}\t{}\t{}/{}{known}",
            order.item.id, order.object, order.item.standing, order.to, order.name
        ));
        if screen.json {
            screen.document(&document(&Answer::Giving(answer.clone())));
        }
        if !talk.is_daemon() {
            screen.hint("no daemon runs: it waits for the next `strongroom serve`, or ask with --wait");
        }
        return Ok(exit::DONE);
    }
    let mut working = Working::open(config)?;
    let answer = giving(&mut working.talk, ask)?;
    let GivingAnswer::Ordered { order, .. } = answer else { return Err(other(answer)) };
    let (_, interrupted) = working.follow(screen, vec![order.item.clone()])?;
    let answer = giving(&mut working.talk, GivingAsk::Order1 { item: order.item.id })?;
    let GivingAnswer::Order(order) = &answer else { return Err(other(answer)) };
    let done = order.item.standing == "done";
    match screen.json {
        true => screen.document(&document(&Answer::Giving(answer.clone()))),
        false => screen.text(&one(&screen.style, order)),
    }
    working.end()?;
    Ok(interrupted.unwrap_or(if done { exit::DONE } else { exit::WRONG }))
}

/// Lists orders, or tests of what is kept.
pub fn list(screen: &Screen, talk: &mut Talk, tests: bool, all: bool) -> Told<Exit> {
    let (mut orders, mut more, mut before) = (Vec::<OrderView>::new(), true, None);
    while more && (all || orders.is_empty()) {
        let limit = if all || screen.json { ROWS_MAX } else { LIST_MAX };
        let answer = giving(talk, GivingAsk::Orders { tests, before, limit })?;
        let GivingAnswer::Orders { orders: page, more: rest } = answer else { return Err(other(answer)) };
        before = page.last().map(|order| order.item.id);
        more = rest && before.is_some();
        orders.extend(page);
        if orders.is_empty() {
            break;
        }
    }
    if screen.json {
        screen.document(&document(&Answer::Giving(GivingAnswer::Orders { orders, more })));
        return Ok(exit::DONE);
    }
    if orders.is_empty() {
        screen.hint("nothing to list");
    }
    let mut text = table(&screen.style, &orders, tests);
    if more {
        text.push_str(&hint(&screen.style, format!("{} shown (--all for every one)", orders.len())));
    }
    screen.text(&text);
    Ok(exit::DONE)
}

fn table(style: &Style, orders: &[OrderView], tests: bool) -> String {
    let last = if tests { "SEED" } else { "PLACE" };
    let mut table = Table::new(&[">ITEM", "OBJECT", ">VERSION", "STANDING", "ASKED", "BY", last]);
    for order in orders {
        let what = match &order.path {
            Some(path) => format!("{}:{path}", order.object),
            None => order.object.clone(),
        };
        let place = match (tests, order.seed) {
            (true, seed) => seed.map_or("-".into(), |seed| seed.to_string()),
            (false, _) => format!("{}/{}", order.to, order.name),
        };
        table.row(vec![
            order.item.id.into(),
            what.into(),
            order.version.into(),
            super::table::Cell::from(standing(order)).tone(tone(order)),
            style.age(order.item.received_at),
            (&order.item.asked_by).into(),
            place.into(),
        ]);
    }
    table.render(style)
}

fn standing(order: &OrderView) -> String {
    match (order.item.standing.as_str(), order.state.as_deref(), &order.item.trouble) {
        ("done", Some("there"), _) | ("done", None, _) => "done".into(),
        ("done", Some(state), _) => state.into(),
        (standing, _, Some(trouble)) => format!("{standing}: {}", trouble.kind),
        (standing, _, None) => format!("{standing} at {}", order.item.stage),
    }
}

fn tone(order: &OrderView) -> Tone {
    match order.item.standing.as_str() {
        "done" => Tone::Good,
        "held" | "refused" => Tone::Bad,
        _ => Tone::Dim,
    }
}

/// All about one order.
pub fn show_one(screen: &Screen, talk: &mut Talk, item: u64) -> Told<Exit> {
    show(screen, talk, &Ask::Giving(GivingAsk::Order1 { item }), |style, answer| match answer {
        Answer::Giving(GivingAnswer::Order(order)) => Some(one(style, order)),
        _ => None,
    })
}

fn one(style: &Style, order: &OrderView) -> String {
    let what = order.path.as_ref().map_or(String::new(), |path| format!(", only {path}"));
    let mut text = format!("item {}  {}\n", order.item.id, style.paint(tone(order), &standing(order)));
    let mut line = |word: &str, value: String| text.push_str(&format!("  {word:<10} {value}\n"));
    line("object", format!("{} version {}{what}", order.object, order.version));
    line("asked", format!("{} by {}", moment(order.item.received_at), order.item.asked_by));
    match order.seed {
        Some(seed) => line("drawn", format!("with seed {seed}")),
        None => line("place", format!("{}/{}", order.to, order.name)),
    }
    if let (Some(files), Some(bytes), Some(at)) = (order.files, order.bytes, order.delivered_at) {
        let size = style.bytes(bytes);
        let word = if order.seed.is_some() { "tested" } else { "read back" };
        line(word, format!("{}, {}, {}", counted(files, "file"), size.shown(), moment(at)));
    }
    if order.passed_over > 0 {
        line("copies", format!("{} not from the first copy", counted(order.passed_over, "file")));
    }
    if let Some(expires) = order.expires.filter(|_| order.state.as_deref() == Some("there")) {
        line("stays", format!("until {}", moment(expires)));
    }
    if !order.why.is_empty() {
        line("since", order.why.clone());
    }
    if let Some(trouble) = &order.item.trouble {
        line("because", trouble.sentence.clone());
        line("so", trouble.next.clone());
        line("try", trouble.advice.clone());
    } else if let Some(waits) = &order.item.waits_for {
        line("waits for", waits.clone());
    }
    text
}

fn expire(screen: &Screen, talk: &mut Talk, dry_run: bool) -> Told<Exit> {
    let (mut expired, mut from) = (Vec::<Expired>::new(), None);
    loop {
        let answer = giving(talk, GivingAsk::Expire { from, dry_run })?;
        let GivingAnswer::Expired { expired: part, next } = answer else { return Err(other(answer)) };
        expired.extend(part);
        from = next;
        if from.is_none() {
            break;
        }
    }
    let failed = expired.iter().any(|told| told.what == "failed");
    match screen.json {
        true => screen.document(&json!({ "schema": SCHEMA, "expired": expired, "dry_run": dry_run })),
        false => {
            let mut table = Table::new(&[">ITEM", "PLACE", "WHAT", "WHY"]);
            for told in &expired {
                table.row(vec![
                    told.item.into(),
                    (&told.place).into(),
                    (&told.what).into(),
                    (&told.why).into(),
                ]);
            }
            if expired.is_empty() {
                screen.hint("nothing whose time is over");
            }
            screen.text(&table.render(&screen.style));
        }
    }
    Ok(if failed { exit::PARTLY } else { exit::DONE })
}

// --- fetching -----------------------------------------------------------------------------------------------------

fn fetch(screen: &Screen, config: &Arc<Config>, item: u64, to: &Path) -> Told<Exit> {
    let doing = format!("item {item} is not fetched");
    let mut talk = Talk::open(config)?;
    let answer = giving(&mut talk, GivingAsk::Order1 { item })?;
    let GivingAnswer::Order(order) = answer else { return Err(other(answer)) };
    if order.item.standing != "done" || order.state.as_deref() != Some("there") {
        return Err(Box::new(
            Complaint::new(Sort::Refused, doing)
                .because(format!("it is {}", standing(&order)))
                .then_try(format!("strongroom restore show {item}")),
        ));
    }
    let failed = |why: String| {
        let complaint = Complaint::new(Sort::Io, &doing).because(why);
        Box::new(complaint.so("what was written may be incomplete").then_try("another folder with --to"))
    };
    let away = |error: OutletError| failed(crate::model::trouble::Trouble::from(error).sentence());
    let outlet = outlets(config, Arc::new(SystemClock::new())).open(&order.to).map_err(away)?;
    let folder = order.path.is_none() && order.form == "folder";
    let parcel = Parcel { name: order.name.clone(), work: String::new(), folder };
    let target = if folder { to.join(&order.name) } else { to.to_path_buf() };
    if !folder && to.join(&order.name).symlink_metadata().is_ok() {
        return Err(failed(format!("something lies at {} already", to.join(&order.name).display())));
    }
    let out = match folder {
        true => OutFolder::create(&target),
        false => OutFolder::over(&target),
    };
    let out = out.map_err(|trouble| failed(trouble.sentence()))?;
    let (mut files, mut bytes, mut from) = (0, 0, 0);
    loop {
        let answer = giving(&mut talk, GivingAsk::Files { item, from, limit: ROWS_MAX })?;
        let GivingAnswer::Files { files: page, next } = answer else { return Err(other(answer)) };
        for row in page {
            copy(&*outlet, &parcel, &row, (&out, &order.name)).map_err(&failed)?;
            (files, bytes) = (files + 1, bytes + row.size);
        }
        let Some(next) = next else { break };
        from = next;
    }
    if folder {
        out.folder("data").map_err(|trouble| failed(trouble.sentence()))?;
    }
    out.finish().map_err(|trouble| failed(trouble.sentence()))?;
    let path = to.join(&order.name);
    match screen.json {
        true => screen.document(&json!({
            "schema": SCHEMA, "item": item, "path": path.display().to_string(), "files": files, "bytes": bytes
        })),
        false => screen.line(&format!(
            "{}: {}, {bytes} bytes, every digest compared",
            path.display(),
            counted(files, "file")
        )),
    }
    Ok(exit::DONE)
}

fn copy(
    outlet: &dyn Outlet,
    parcel: &Parcel,
    row: &GivenFile,
    (out, name): (&OutFolder, &str),
) -> Result<(), String> {
    let path = if row.path.is_empty() { name } else { &row.path };
    let told = |trouble: crate::model::trouble::Trouble| trouble.sentence();
    let mut file = out.file(path).map_err(told)?;
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    let mut unwritten = None;
    let read = outlet.read(parcel, (Stand::There, &row.path), &mut |chunk| {
        digester.update(chunk);
        if unwritten.is_none() {
            unwritten = file.write_all(chunk).err();
        }
    });
    let bytes = read.map_err(|error| told(error.into()))?;
    if let Some(error) = unwritten {
        return Err(format!("{path}: {error}"));
    }
    if bytes == row.size && digester.finish().get(Algorithm::Sha512) == Some(&row.sha512) {
        return Ok(());
    }
    drop(file);
    out.remove(path).map_err(told)?;
    Err(format!("{path} is not what was put there any more"))
}
