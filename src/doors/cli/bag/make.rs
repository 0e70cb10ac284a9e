//! `bag make`: a bag of a folder.
//!
//! - The same folder and the same words make the same bytes; SOURCE_DATE_EPOCH is heeded.

use super::args::Make;
use super::told::{files, shown};
use crate::books::config::units::show_bytes;
use crate::doors::cli::talk::Told;
use crate::doors::cli::{Screen, usage};
use crate::doors::exit::{self, Exit};
use crate::doors::progress::Gauge;
use crate::model::digest::Algorithm;
use crate::work::bagging::{self, Bagged, Names, NotBagged, Order};
use crate::work::desk::bag_name;
use crate::work::desk::complaint::{Complaint, Sort};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

/// Makes a bag.
pub fn make(screen: &Screen, what: &Make) -> Told<Exit> {
    let order = order_of(what)?;
    let gauge = RefCell::new(Gauge::new(screen.stderr_tty && !screen.quiet));
    let passed = Cell::new(0);
    let bagged = bagging::make(&order, &|bytes| {
        passed.set(passed.get() + bytes);
        gauge.borrow_mut().update(passed.get(), 0, "bagging");
    });
    drop(gauge);
    let bagged = bagged.map_err(|why| complaint(&order, &why))?;
    tell(screen, &order, &bagged);
    Ok(exit::DONE)
}

fn order_of(what: &Make) -> Told<Order> {
    let (to, name, tar) = place_of(what)?;
    let mut algorithms = what.algorithm.iter().map(|name| algorithm(name)).collect::<Told<Vec<_>>>()?;
    if algorithms.is_empty() {
        algorithms = vec![Algorithm::Sha256, Algorithm::Sha512];
    }
    algorithms.sort_unstable();
    algorithms.dedup();
    let info = what.info.iter().map(|text| element(text)).collect::<Told<Vec<_>>>()?;
    let moment = match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => None,
        Ok(text) => Some(text.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| {
            usage(format!("SOURCE_DATE_EPOCH is \"{text}\""), "seconds since 1970, as digits")
        })?),
    };
    let from = what.dir.clone();
    Ok(Order { from, to, name, tar, algorithms, info, moment, scratch: std::env::temp_dir() })
}

/// Where the bag goes, what it is called, whether it is a tar.
fn place_of(what: &Make) -> Told<(PathBuf, String, bool)> {
    let nameless = |path: &Path| {
        usage(format!("{} gives the bag no name", shown(path)), "name the bag: --to NAME, or --to NAME.tar")
    };
    let real = std::fs::canonicalize(&what.dir).unwrap_or_else(|_| what.dir.clone());
    let own = || {
        let name = real.file_name().and_then(|name| name.to_str());
        name.map(str::to_string).ok_or_else(|| nameless(&what.dir))
    };
    let is_tar = |path: &Path| path.extension().is_some_and(|suffix| suffix == "tar");
    let to = match &what.to {
        None if what.tar => PathBuf::from(format!("{}.tar", own()?)),
        None => PathBuf::from(format!("{}-bag", own()?)),
        Some(to) if what.tar && to.is_dir() => to.join(format!("{}.tar", own()?)),
        Some(to) => to.clone(),
    };
    let tar = what.tar || is_tar(&to);
    let name = to.file_name().and_then(|name| name.to_str()).ok_or_else(|| nameless(&to))?;
    let name = if tar { bag_name(name).ok_or_else(|| nameless(&to))? } else { name.to_string() };
    Ok((to, name, tar))
}

fn algorithm(name: &str) -> Told<Algorithm> {
    Algorithm::from_label(name).ok_or_else(|| {
        let known: Vec<&str> = Algorithm::ALL.into_iter().map(Algorithm::name).collect();
        usage(format!("\"{name}\" is no algorithm that we compute"), format!("one of {}", known.join(", ")))
    })
}

/// `Label: value` as bag-info.txt has it.
fn element(text: &str) -> Told<(String, String)> {
    let wrong =
        |why: &str| usage(format!("--info \"{}\": {why}", text.escape_debug()), "--info 'Label: value'");
    let (label, value) = text.split_once(':').ok_or_else(|| wrong("there is no colon in it"))?;
    let (label, value) = (label.trim(), value.trim());
    if label.is_empty() || value.is_empty() {
        return Err(wrong("label or value is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong("a line break or control character is in it"));
    }
    if label.eq_ignore_ascii_case("Payload-Oxum") {
        return Err(wrong("it is counted, not given"));
    }
    if label.eq_ignore_ascii_case("Bagging-Date") && value.parse::<jiff::civil::Date>().is_err() {
        return Err(wrong("a date is written YYYY-MM-DD"));
    }
    Ok((label.to_string(), value.to_string()))
}

fn complaint(order: &Order, why: &NotBagged) -> Box<Complaint> {
    let (sort, advice) = match why {
        NotBagged::Source(_) => (Sort::Io, "see that the folder is there and may be read"),
        NotBagged::Special(_) => (Sort::Refused, "put copies in their place, or take them out"),
        NotBagged::Unspelled(_) => (Sort::Refused, "rename them (convmv does it for whole folders)"),
        NotBagged::Empty => (Sort::Refused, "put the payload into it"),
        NotBagged::Taken(_) => {
            (Sort::Refused, "another name with --to; what ends in .part was left unfinished")
        }
        NotBagged::Inside => (Sort::Refused, "another place with --to"),
        NotBagged::Io(_) => (Sort::Io, "see that there is space; run it again"),
    };
    let error = format!("no bag is made of {}", shown(&order.from));
    let complaint = Complaint::new(sort, error).because(why.to_string());
    Box::new(complaint.so("nothing was left behind, the folder is as it was").then_try(advice))
}

fn tell(screen: &Screen, order: &Order, bagged: &Bagged) {
    let made = bagged.made;
    if screen.json {
        screen.document(&json!({
            "bag": shown(&order.to),
            "files": made.files,
            "bytes": made.bytes,
            "payload_oxum": format!("{}.{}", made.bytes, made.files),
            "bagging_date": bagged.date,
            "algorithms": order.algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>(),
            "left_out": bagged.left_out.count,
            "frail": bagged.frail.count,
        }));
    }
    let (count, bytes) = (files(made.files), show_bytes(made.bytes));
    screen.line(&format!("{}: {count}, {bytes}, Bagging-Date {}", shown(&order.to), bagged.date));
    let hint = |names: &Names, what: &str| {
        if names.count > 0 {
            let more = if names.count > names.named.len() as u64 { ", ..." } else { "" };
            screen.hint(&format!("{what}: {}{more}", names.named.join(", ")));
        }
    };
    hint(&bagged.left_out, "left out, for a bag cannot hold empty folders");
    hint(&bagged.frail, "names that travel badly; the bag will be valid, with warnings");
}
