//! `trouble show ID --letter`: the letter on stdout, or with the list of all findings beside it in a folder.
//!
//! - Findings stream: memory holds one page of them and the few that the letter names.
//! - Nothing that is there is overwritten.

use super::Screen;
use super::ingest::each_finding;
use super::talk::{Talk, Told, unexpected};
use crate::doors::exit::{self, Exit};
use crate::model::finding::Finding;
use crate::rules::groups::Groups;
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::letter::{Letter, file_name};
use crate::work::desk::words::{Answer, Ask, ItemView, SCHEMA};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes the letter about an item.
pub fn letter(screen: &Screen, talk: &mut Talk, id: String, to: Option<&Path>) -> Told<Exit> {
    let answer = talk.ask(&Ask::Item { item: id })?;
    let Answer::Item(story) = answer else { return Err(unexpected(&answer)) };
    if let Some(errand) = &story.item.errand {
        let what = format!("item {} is no deposit: there is no letter about it", story.item.id);
        let complaint =
            Complaint::new(Sort::Refused, what).because(format!("it is a {errand} of {}", story.item.path));
        return Err(Box::new(complaint.then_try(format!("strongroom trouble show {}", story.item.id))));
    }
    match to {
        None => print(screen, talk, &story.item),
        Some(folder) => write(screen, talk, &story.item, folder),
    }
}

fn print(screen: &Screen, talk: &mut Talk, item: &ItemView) -> Told<Exit> {
    let mut groups = Groups::default();
    each_finding(talk, item, usize::MAX, &mut |finding| {
        groups.take(&finding);
        Ok(())
    })?;
    let text = Letter { item, groups: &groups, all: "ask us for the full list" }.text();
    match screen.json {
        true => screen.document(&json!({ "schema": SCHEMA, "letter": text, "findings": groups.total() })),
        false => screen.text(&text),
    }
    if groups.leaves_out() {
        screen.hint(&format!(
            "letter and full list as files: strongroom trouble show {} --letter --to DIR",
            item.id
        ));
    }
    Ok(exit::DONE)
}

/// Letter and findings as files.
fn write(screen: &Screen, talk: &mut Talk, item: &ItemView, folder: &Path) -> Told<Exit> {
    let name = file_name(&item.bag);
    let list = format!("{name}.findings.json");
    let places = [folder.join(format!("{name}.letter.txt")), folder.join(&list)];
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let mut made = Made::new(&places)?;
    let mut groups = Groups::default();
    let [letter, findings] = &mut made.files;
    let of_list = |error: io::Error| failed(&places[1], &error);
    let mut all = List::start(findings, item).map_err(of_list)?;
    each_finding(talk, item, usize::MAX, &mut |finding| {
        groups.take(&finding);
        all.take(&finding).map_err(of_list)
    })?;
    all.finish(&groups).map_err(of_list)?;
    let text = Letter { item, groups: &groups, all: &format!("all in {list}") }.text();
    letter
        .write_all(text.as_bytes())
        .and_then(|()| letter.flush())
        .map_err(|error| failed(&places[0], &error))?;
    made.done();
    if screen.json {
        screen.document(&json!({
            "schema": SCHEMA, "letter": text, "findings": groups.total(), "files": [places[0], places[1]],
        }));
    }
    places.iter().for_each(|place| screen.line(&place.display().to_string()));
    Ok(exit::DONE)
}

/// Files that are removed again unless all goes well.
struct Made<'p> {
    places: &'p [PathBuf],
    files: [BufWriter<File>; 2],
    done: bool,
}

impl<'p> Made<'p> {
    fn new(places: &'p [PathBuf; 2]) -> Told<Made<'p>> {
        let letter = create(&places[0])?;
        let findings = create(&places[1]).inspect_err(|_| remove(&places[..1]))?;
        Ok(Made { places, files: [letter, findings].map(BufWriter::new), done: false })
    }

    fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if !self.done {
            remove(self.places);
        }
    }
}

fn remove(places: &[PathBuf]) {
    for place in places {
        // A half-written list that stays is worse than a complaint about it; there is nobody left to hear the second one.
        let _ = fs::remove_file(place);
    }
}

fn create(place: &Path) -> Told<File> {
    OpenOptions::new().write(true).create_new(true).open(place).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Box::new(
            Complaint::new(Sort::Refused, "the letter is not written")
                .because(format!("something lies at {} already", place.display()))
                .so("nothing was written")
                .then_try("name another folder with --to, or take the earlier letter away"),
        ),
        _ => failed(place, &error),
    })
}

fn failed(place: &Path, error: &io::Error) -> Box<Complaint> {
    let sort = if error.kind() == io::ErrorKind::PermissionDenied { Sort::Denied } else { Sort::Io };
    Box::new(
        Complaint::new(sort, "the letter is not written")
            .because(format!("{}: {error}", place.display()))
            .then_try("name another folder with --to"),
    )
}

/// One JSON document with every finding, written as they come.
struct List<'w> {
    out: &'w mut dyn Write,
    first: bool,
}

impl<'w> List<'w> {
    fn start(out: &'w mut dyn Write, item: &ItemView) -> io::Result<List<'w>> {
        let head = json!({
            "schema": SCHEMA, "bag": item.bag, "depositor": item.depositor, "received_at": item.received_at,
            "bytes": item.bytes,
        });
        let head = head.to_string();
        // The head's closing brace comes last, behind the findings and what they add up to.
        write!(out, "{},\n\"findings\":[", head.strip_suffix('}').unwrap_or(&head))?;
        Ok(List { out, first: true })
    }

    fn take(&mut self, finding: &Finding) -> io::Result<()> {
        self.out.write_all(if self.first { b"\n" } else { b",\n" })?;
        self.first = false;
        serde_json::to_writer(&mut *self.out, finding).map_err(io::Error::from)
    }

    fn finish(self, groups: &Groups) -> io::Result<()> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        groups.all().for_each(|group| *counts.entry(&group.code).or_default() += group.count);
        writeln!(self.out, "\n],\n\"total\":{},\n\"counts\":{}}}", groups.total(), json!(counts))?;
        self.out.flush()
    }
}
