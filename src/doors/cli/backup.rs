//! `state backup` and `state restore`: the ledger kept on every target, and taken from there.
//!
//! - A restore builds the ledger beside its place, whole and proved, and only then moves it there.
//! - What was there before is moved aside, and only when that is asked for; nothing is deleted.

use super::Screen;
use super::overview::counted;
use super::table::{Style, Tone, moment};
use super::talk::{Talk, Told, unexpected};
use super::verbs::document;
use crate::books::config::{Config, PlaceConfig};
use crate::books::ledger::BackupRow;
use crate::doors::exit::{self, Exit};
use crate::doors::house::{BareLedger, RECORDS, brought_up, look_at};
use crate::doors::socket::Client;
use crate::rules::read::ReadAt;
use crate::work::backup::file::{self, BackupError, Head};
use crate::work::backup::{is_backup, is_named_after, sha256_of, time_of};
use crate::work::desk::complaint::{Complaint, Sort};
use crate::work::desk::unknown_among;
use crate::work::desk::words::{Answer, Ask, SCHEMA};
use crate::worlds::book::mirrored::{self, MirroredBook, Options};
use crate::worlds::book::{Book, BookError, Write, durable};
use crate::worlds::target::{Target, Where};
use clap::Args;
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is restored.
#[derive(Debug, Args)]
pub struct Restoring {
    /// A target, whose newest sound backup is taken; or a backup's file
    #[arg(value_name = "TARGET|FILE")]
    pub from: PathBuf,
    /// There is a ledger with objects: move it aside
    #[arg(long)]
    pub replace: bool,
}

/// Makes a backup, or shows the last one.
pub fn backup(screen: &Screen, talk: &mut Talk, last: bool) -> Told<Exit> {
    let answer = talk.ask(if last { &Ask::LastBackup } else { &Ask::Backup })?;
    let Answer::BackedUp { backup } = &answer else { return Err(unexpected(&answer)) };
    let Some(backup) = backup else {
        return Err(Box::new(
            Complaint::new(Sort::NotFound, "no backup of the ledger was made yet")
                .then_try("strongroom state backup"),
        ));
    };
    match screen.json {
        true => screen.document(&document(&answer)),
        false => screen.text(&text(&screen.style, backup)),
    }
    Ok(if backup.good() == backup.places.len() { exit::DONE } else { exit::WRONG })
}

fn text(style: &Style, backup: &BackupRow) -> String {
    let mut text = format!(
        "{}\n  made       {}, of {} as of commit {}, {} bytes\n",
        backup.name,
        moment(backup.at),
        counted(backup.rows, "row"),
        backup.through,
        backup.bytes
    );
    text.push_str("  proved     restored into a scratch ledger, every row equal\n");
    for place in &backup.places {
        let (word, why) = match &place.wrong {
            None => (style.paint(Tone::Good, "ok  "), "read back and equal".to_string()),
            Some(why) => (style.paint(Tone::Bad, "FAIL"), why.clone()),
        };
        text.push_str(&format!("  {word}       {}: {why}\n", place.target));
    }
    text
}

/// A backup that was found, in a file of its own while it is read.
struct Found {
    name: String,
    file: OnDisk,
}

/// Makes the ledger from a backup.
pub fn restore(screen: &Screen, config: &Arc<Config>, what: &Restoring) -> Told<Exit> {
    let doing = "the ledger is not restored";
    if Client::connect(&config.serve.socket)?.is_some() {
        return Err(Box::new(
            Complaint::new(Sort::Busy, doing)
                .because("a daemon has the ledger and the targets")
                .then_try("systemctl stop strongroom; then the same command"),
        ));
    }
    let in_use = is_in_use(config, what)?;
    // Kept to the end: what anybody took in meanwhile would be moved aside with the rest.
    let held = config.ledger.exists().then(|| mirrored::hold(&config.ledger)).transpose();
    let held = held.map_err(|error| Box::new(Complaint::of_ledger(&error.into(), doing)))?;
    if in_use && !what.replace {
        return Err(Box::new(
            Complaint::new(Sort::Refused, doing)
                .because(format!("the ledger at {} has items or objects", config.ledger.display()))
                .so("nothing was changed")
                .then_try("strongroom state restore --replace FROM moves it aside first"),
        ));
    }
    let part = beside(&config.ledger, "restoring");
    let failed = |error: io::Error| Box::new(Complaint::new(Sort::Io, doing).because(error.to_string()));
    let of_book = |error: BackupError| Box::new(complaint(&error, doing));
    save_records(config, &part).map_err(failed)?;
    durable::remove_tree(&part).map_err(|error| of_book(error.into()))?;
    if let Some(parent) = part.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let fetched = beside(&config.ledger, "backup");
    let found = find(screen, config, &what.from, &fetched)?;
    let head = build(&part, &found.file).map_err(of_book)?;
    let rows = bring_up(&part, config)?;
    if held.is_none() && config.ledger.exists() {
        return Err(Box::new(
            Complaint::new(Sort::Busy, doing)
                .because(format!("somebody made a ledger at {} meanwhile", config.ledger.display()))
                .so("nothing was changed")
                .then_try("systemctl stop strongroom; then the same command"),
        ));
    }
    let aside = put_in_place(config, &part).map_err(failed)?;
    // Only a copy of what lies on the target; a leftover harms nobody.
    let _ = fs::remove_file(&fetched);
    told(screen, &found.name, &head, rows, aside.as_deref());
    Ok(exit::DONE)
}

fn told(screen: &Screen, name: &str, head: &Head, rows: u64, aside: Option<&Path>) {
    if screen.json {
        screen.document(&json!({
            "schema": SCHEMA, "backup": name, "at": head.at, "ledger": head.ledger, "rows": rows, "aside": aside,
        }));
    }
    screen.line(&format!("restored {} of {}, as of {}", counted(rows, "row"), name, moment(head.at)));
    if let Some(aside) = aside {
        screen.line(&format!("what was there before is at {}", aside.display()));
    }
    screen.hint("what is newer lies on the targets: strongroom rebuild --into-existing --from TARGET");
}

/// True when there is a ledger that is not to be moved aside unless that is asked for. One that cannot be opened, because it
/// is damaged or a newer release wrote it, is given up by whoever asks.
fn is_in_use(config: &Config, what: &Restoring) -> Told<bool> {
    if !config.ledger.exists() {
        return Ok(false);
    }
    match has_items(config) {
        Err(complaint) if what.replace && complaint.sort != Sort::Busy => Ok(true),
        told => told,
    }
}

/// True when there is an item or an object in the ledger.
fn has_items(config: &Config) -> Told<bool> {
    let bare = BareLedger::open(config)?;
    let book = &bare.ledger.world().book;
    for prefix in ["i/", "o/", "d/"] {
        let found = book.scan(prefix, None, 1).map_err(|error| {
            Box::new(Complaint::of_ledger(&error.into(), "it is not known whether the ledger is in use"))
        })?;
        if !found.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The file that was named, or the newest sound backup on the target that was named.
fn find(screen: &Screen, config: &Config, from: &Path, fetched: &Path) -> Told<Found> {
    let name = from.to_string_lossy().into_owned();
    let known = config.targets.iter().find(|target| target.name == name);
    let Some(place) = known else {
        if !from.is_file() {
            let names = config.targets.iter().map(|target| target.name.as_str()).collect();
            return Err(unknown_among("file, and no target of the configuration", &name, names));
        }
        let file = OnDisk::open(from).map_err(|error| {
            Box::new(Complaint::new(Sort::Io, format!("{name} cannot be read")).because(error.to_string()))
        })?;
        return Ok(Found { name, file });
    };
    newest_sound(screen, place, fetched)
}

fn newest_sound(screen: &Screen, place: &PlaceConfig, fetched: &Path) -> Told<Found> {
    let none = |because: String| {
        Box::new(
            Complaint::new(Sort::NotFound, format!("no backup is taken from {}", place.name))
                .because(because)
                .then_try("another target; or strongroom rebuild --from TARGET, which needs no backup"),
        )
    };
    let target = look_at(place).map_err(|trouble| none(trouble.because))?;
    let kept = target.kept().map_err(|error| none(crate::model::trouble::Trouble::from(error).sentence()))?;
    let mut names: Vec<String> =
        kept.into_iter().map(|file| file.name).filter(|name| is_backup(name)).collect();
    names.sort_by(|a, b| time_of(b).cmp(time_of(a)));
    for name in &names {
        match fetch(&*target, name, fetched) {
            Ok(file) => return Ok(Found { name: name.clone(), file }),
            Err(why) => screen.hint(&format!("{name} is passed over: {why}")),
        }
    }
    Err(none(match names.len() {
        0 => "none lies there".to_string(),
        count => format!("none of {count} is sound"),
    }))
}

/// Copies a backup from its target, and reads it to its end: what is not whole is not taken.
fn fetch(target: &dyn Target, name: &str, fetched: &Path) -> Result<OnDisk, String> {
    let told = |error: io::Error| error.to_string();
    let mut file = File::create(fetched).map_err(told)?;
    let mut failed = None;
    let read = target.read(Where::Kept(name), &mut |bytes| {
        if failed.is_none() {
            failed = io::Write::write_all(&mut file, bytes).err();
        }
    });
    read.map_err(|error| crate::model::trouble::Trouble::from(error).sentence())?;
    failed.map_or(Ok(()), Err).map_err(told)?;
    let file = OnDisk::open(fetched).map_err(told)?;
    if !is_named_after(name, &sha256_of(&file).map_err(told)?) {
        return Err("its digest is not the one in its name".into());
    }
    file::read(&file, &mut |_, _| Ok(())).map_err(|error| error.to_string())?;
    Ok(file)
}

/// Makes a ledger of the backup's schema of it.
fn build(part: &Path, from: &dyn ReadAt) -> Result<Head, BackupError> {
    let schema = file::head(from)?.schema;
    let book = MirroredBook::open(part, None, Options { schema, ..Options::default() })?;
    let (head, _) = file::load(from, &book)?;
    // Volumes hold nothing that a backup knows; they are met again, and made where they are not.
    let met = book.scan("m/place/volume/", None, usize::MAX)?;
    let forget: Vec<Write> = met.into_iter().map(|(key, _)| Write::Delete(key)).collect();
    if !forget.is_empty() {
        book.commit(&forget, &[])?;
    }
    book.close()?;
    Ok(head)
}

/// What was restored may be of an older schema. Gives the number of rows.
fn bring_up(part: &Path, config: &Config) -> Told<u64> {
    let doing = "the ledger is not restored";
    let failed = |error: BookError| Box::new(Complaint::of_ledger(&error.into(), doing));
    let book = MirroredBook::open(part, None, Options::default()).map_err(failed)?;
    let book = brought_up(book, &config.data, &mut |_| ())?;
    let report = book.verify().map_err(failed)?;
    if let Some(wrong) = report.wrong.first() {
        return Err(failed(BookError::Damaged { what: wrong.clone() }));
    }
    book.close().map_err(failed)?;
    Ok(report.rows)
}

/// Where records wait that a restore had moved when it was cut off.
fn waiting_records(config: &Config) -> PathBuf {
    beside(&config.ledger, RECORDS)
}

/// What was built and never put in place goes; not the records that were moved into it, of which there are no others.
fn save_records(config: &Config, part: &Path) -> io::Result<()> {
    let (records, waiting) = (part.join(RECORDS), waiting_records(config));
    match records.is_dir() && !waiting.exists() {
        true => fs::rename(records, waiting),
        false => Ok(()),
    }
}

/// Moves the new ledger to its place. Gives where the former one lies now.
fn put_in_place(config: &Config, part: &Path) -> io::Result<Option<PathBuf>> {
    // First, because it may lie on a disk that takes nothing any more: then everything stays where it is.
    if let Some(mirror) = &config.mirror {
        put_mirror_aside(mirror)?;
    }
    let mut aside = None;
    let mut records = waiting_records(config);
    if config.ledger.exists() {
        let to = unused(&config.ledger);
        fs::rename(&config.ledger, &to)?;
        if to.join(RECORDS).is_dir() {
            records = to.join(RECORDS);
        }
        aside = Some(to);
    }
    // Inventories and findings of kept items are as true as they were.
    if records.is_dir() {
        fs::rename(records, part.join(RECORDS))?;
    }
    fs::rename(part, &config.ledger)?;
    if let Some(parent) = config.ledger.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(aside)
}

/// The second copy belongs to the former ledger. It stays in its own folder, which may be a file system of its own; a
/// journal passes over what it does not know.
fn put_mirror_aside(mirror: &Path) -> io::Result<()> {
    if !mirror.is_dir() {
        return Ok(());
    }
    let to = unused(&mirror.join("journal"));
    for entry in fs::read_dir(mirror)?.collect::<io::Result<Vec<_>>>()? {
        if entry.file_type()?.is_file() {
            fs::create_dir_all(&to)?;
            fs::rename(entry.path(), to.join(entry.file_name()))?;
        }
    }
    File::open(mirror)?.sync_all()
}

/// A name beside this one that nothing has yet.
fn unused(path: &Path) -> PathBuf {
    let mut names = (1u32..).map(|number| beside(path, &format!("before-restore-{number}")));
    names.find(|name| !name.exists()).expect("one of four thousand million names is free")
}

fn beside(path: &Path, word: &str) -> PathBuf {
    let name = path.file_name().map_or_else(|| "ledger".into(), |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!("{name}.{word}"))
}

fn complaint(error: &BackupError, doing: &str) -> Complaint {
    match error {
        BackupError::Book(error) => Complaint::of_ledger(&error.clone().into(), doing),
        BackupError::Newer { .. } => Complaint::new(Sort::Config, doing)
            .because(error.to_string())
            .so("nothing was changed")
            .then_try("install the release that made it, or a newer one; or restore an older backup"),
        other => Complaint::new(Sort::Io, doing)
            .because(other.to_string())
            .so("nothing was changed")
            .then_try("another backup; or strongroom rebuild --from TARGET, which needs none"),
    }
}

/// A file of this machine.
struct OnDisk(File, u64);

impl OnDisk {
    fn open(path: &Path) -> io::Result<OnDisk> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(OnDisk(file, size))
    }
}

impl ReadAt for OnDisk {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn size(&self) -> u64 {
        self.1
    }
}
