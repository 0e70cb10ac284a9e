//! `man` and `completions`: what the program says of itself, to stdout or into folders.
//!
//! - Neither needs a configuration, a ledger or a daemon.
//! - The same program writes the same bytes.

use super::args::{CompletionsOf, ManualOf};
use super::overview::counted;
use super::table::Table;
use super::talk::Told;
use super::{Screen, usage};
use crate::books::config::keys::nearest;
use crate::doors::completions::{SHELLS, Shell};
use crate::doors::exit::{self, Exit};
use crate::doors::man::{self, Sheet};
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::words::SCHEMA;
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A page of the manual; without a word, which there are; with a folder, all of them as files.
pub fn man(screen: &Screen, what: &ManualOf) -> Told<Exit> {
    match (&what.page, &what.to) {
        (None, None) => list(screen),
        (Some(word), _) => print(screen, word),
        (None, Some(folder)) => {
            let files = man::sheets()
                .into_iter()
                .map(|sheet| (Path::new(&sheet.folder()).join(sheet.file()), sheet.roff()));
            write(screen, folder, "page", files.collect())
        }
    }
}

fn list(screen: &Screen) -> Told<Exit> {
    let sheets = man::sheets();
    if screen.json {
        let row = |sheet: &Sheet| json!({ "word": sheet.word, "name": sheet.name, "section": sheet.section, "title": sheet.title });
        let pages: Vec<_> = sheets.iter().map(row).collect();
        screen.document(&json!({ "schema": SCHEMA, "pages": pages }));
        return Ok(exit::DONE);
    }
    let mut table = Table::new(&["WORD", "PAGE", "ABOUT"]);
    for sheet in sheets {
        let page = format!("{}({})", sheet.name, sheet.section);
        table.row(vec![sheet.word.into(), page.into(), sheet.title.into()]);
    }
    screen.text(&table.render(&screen.style));
    if screen.style.tty {
        screen.hint("to read one: strongroom man WORD");
    }
    Ok(exit::DONE)
}

fn print(screen: &Screen, word: &str) -> Told<Exit> {
    let sheet = man::find(word).ok_or_else(|| no_page(word))?;
    let roff = sheet.roff();
    match screen.json {
        true => screen.document(
            &json!({ "schema": SCHEMA, "name": sheet.name, "section": sheet.section, "roff": roff }),
        ),
        false if screen.style.tty && shown_by_man(&roff) => {}
        false => screen.text(&roff),
    }
    Ok(exit::DONE)
}

/// A person at a terminal wants to read the page, not its source. False when there is no man that can show it.
fn shown_by_man(roff: &str) -> bool {
    let man = Command::new("man").args(["-l", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut man) = man else { return false };
    if let Some(mut stdin) = man.stdin.take() {
        // Somebody who leaves the pager at once closes the pipe: that is no failure.
        let _ = stdin.write_all(roff.as_bytes());
    }
    man.wait().is_ok_and(|status| status.success())
}

fn no_page(word: &str) -> Box<Complaint> {
    let words: Vec<String> = man::sheets().into_iter().map(|sheet| sheet.word).collect();
    let complaint = Complaint::new(Sort::NotFound, format!("there is no page \"{}\"", word.escape_debug()));
    Box::new(match nearest(word, words.iter().map(String::as_str)) {
        Some(near) => complaint.then_try(format!("strongroom man {near}")),
        None => complaint.then_try("strongroom man, for the list"),
    })
}

/// The script of one shell; with a folder, those of all shells as files.
pub fn completions(screen: &Screen, what: &CompletionsOf) -> Told<Exit> {
    if let Some(folder) = &what.to {
        let file = |shell: &Shell| (PathBuf::from(shell.file()), shell.script());
        return write(screen, folder, "script", SHELLS.iter().map(file).collect());
    }
    let shell =
        what.shell.ok_or_else(|| usage("it is not said for which shell", "strongroom completions bash"))?;
    let script = shell.script();
    match screen.json {
        true => screen.document(&json!({ "schema": SCHEMA, "shell": shell.name(), "script": script })),
        false => screen.text(&script),
    }
    Ok(exit::DONE)
}

/// Writes files below a folder, which is made when it is not there; what has their names is replaced.
fn write(screen: &Screen, folder: &Path, what: &str, files: Vec<(PathBuf, String)>) -> Told<Exit> {
    for (name, text) in &files {
        let path = folder.join(name);
        place(&path, text).map_err(|error| {
            Box::new(
                Complaint::new(Sort::Io, format!("{} is not written", path.display()))
                    .because(error.to_string())
                    .so("what was written before it stays")
                    .then_try("--to DIR, where DIR is a folder that you may write"),
            )
        })?;
    }
    let names: Vec<String> = files.iter().map(|(name, _)| name.display().to_string()).collect();
    if screen.json {
        screen.document(&json!({ "schema": SCHEMA, "to": folder, "files": names }));
    }
    screen.line(&format!("{} in {}", counted(names.len() as u64, what), folder.display()));
    Ok(exit::DONE)
}

/// By a rename, so that nobody reads half a page.
fn place(path: &Path, text: &str) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut part = path.as_os_str().to_os_string();
    part.push(".part");
    fs::write(&part, text)?;
    fs::rename(&part, path)
}
